"""The vocabulary of jobs: what a parameter is, what a job is, and the checks every way in shares.

A job is a frozen dataclass whose fields are declared with the functions below (`raster`, `integer`, `choice`, …). Nothing is
inferred from annotations. `Job.from_values` is the only way from outside values (QGIS, command line, JSON) to a job, so a
wrong word or an unknown parameter is refused the same everywhere.

Values are plain JSON values. A raster is ``{"path": …, "name": …, "crs": …, "nodata": […], "own_nodata": […], "open_options": […]}``, a vector
``{"path": …, "layer": …, "name": …, "crs": …, "categories": {"field": …, "classes": [{"value", "name", "color"}]}}``; a plain
path stands for ``{"path": path}``. An extent is ``{"box": [west, south, east, north], "crs": …}``.
"""

from __future__ import annotations

import dataclasses
import difflib
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from ..errors import JobError
from ..tables import shortened
from .values import LARGEST_VALUE, read_value, shown, shown_path


class Required:
    """The default of a parameter that must be given."""

    def __repr__(self) -> str:
        return "required"


REQUIRED = Required()
#: Seeds of NumPy and scikit-learn are whole numbers of 32 bits.
LARGEST_SEED = 2**32 - 1
#: Images and the tiles, crops, blocks and borders in them [px], and counts of things in them.
MOST_PIXELS, MOST_COUNTED = 1_000_000, 1_000_000_000
#: Parameters that take memory.
HUNGRY = ("batch_size", "crop", "context", "tile_size", "size")
OUTPUT_KINDS = ("raster_output", "vector_output", "folder_output", "file_output")
RECORDS = ("dataset.json", "tiles.gpkg", "run.json", "job.json", "encoder.json", "metrics.csv")
#: Endings of files of weights.
WEIGHTS = "safetensors|pth|pt|ckpt|bin"
PATH_KINDS = ("raster", "vector", "layer", "file", "folder", "weights")


@dataclass(frozen=True)
class Param:
    """What the dialog, the command line and the checks know of one parameter."""

    kind: str
    label: str
    help: str = ""
    default: Any = REQUIRED
    optional: bool = False
    advanced: bool = False
    multiple: bool = False
    minimum: float | None = None
    maximum: float | None = None
    options: tuple = ()
    extension: str = ""
    parent: str = ""
    created: bool = True
    #: The file in an output folder that stands for it: steps of a model that take several files are offered no folders.
    main_file: str = ""
    #: The file, or what lies in the folder, is run, so that only the user's own word may name it, never a record.
    program: bool = False

    @property
    def is_output(self) -> bool:
        """Whether the job writes this path."""
        return self.kind in OUTPUT_KINDS

    @property
    def required(self) -> bool:
        """Whether a value must be given."""
        return self.default is REQUIRED and not self.optional


@dataclass(frozen=True)
class Result:
    """A value that a job returns besides its output parameters.

    Attributes:
        kind: "number", "text", "boolean", "raster", "vector", "file", "folder" or "html", which QGIS shows in its results viewer.
        text: what it is, in words; where it is a layer, also its name in QGIS.
    """

    kind: str
    text: str


def _param(kind: str, label: str, default: Any, **facts: Any) -> Any:
    facts["optional"] = facts.get("optional", False) or default is None
    if facts["optional"] and default is REQUIRED:
        default = None
    return field(default=default, metadata={"param": Param(kind, label, default=default, **facts)})


def raster(label: str, **facts: Any) -> Any:
    """A raster layer, of which all bands are read unless the job says otherwise."""
    return _param("raster", label, REQUIRED, **facts)


def rasters(label: str, **facts: Any) -> Any:
    """One or more raster layers."""
    return _param("raster", label, REQUIRED, multiple=True, **facts)


def vector(label: str, **facts: Any) -> Any:
    """A vector layer with its selection and filter applied."""
    return _param("vector", label, REQUIRED, **facts)


def layer(label: str, **facts: Any) -> Any:
    """A raster or a vector layer; the job looks which."""
    return _param("layer", label, REQUIRED, **facts)


def layers(label: str, **facts: Any) -> Any:
    """One or more raster or vector layers."""
    return _param("layer", label, REQUIRED, multiple=True, **facts)


def attribute(label: str, parent: str, **facts: Any) -> Any:
    """A field of the vector layer given as parameter `parent`."""
    return _param("attribute", label, REQUIRED, parent=parent, **facts)


def integer(label: str, default: Any = REQUIRED, **facts: Any) -> Any:
    """A whole number; empty is None, never 0."""
    return _param("integer", label, default, **facts)


def number(label: str, default: Any = REQUIRED, **facts: Any) -> Any:
    """A number; empty is None, never 0."""
    return _param("number", label, default, **facts)


def pixel_value(label: str, **facts: Any) -> Any:
    """A value that pixels may have, any finite number; empty is None."""
    return number(label, default=None, minimum=-LARGEST_VALUE, maximum=LARGEST_VALUE, **facts)


def boolean(label: str, default: bool = False, **facts: Any) -> Any:
    """Yes or no."""
    return _param("boolean", label, default, **facts)


def text(label: str, default: Any = REQUIRED, **facts: Any) -> Any:
    """Free text."""
    return _param("text", label, default, **facts)


def choice(label: str, options: tuple, default: Any = REQUIRED, **facts: Any) -> Any:
    """One word of `options`."""
    return _param("choice", label, default, options=tuple(options), **facts)


def extent(label: str, **facts: Any) -> Any:
    """A rectangle with its coordinate reference system."""
    return _param("extent", label, REQUIRED, **facts)


def classes(label: str, **facts: Any) -> Any:
    """A table of classes: value, name, colour; on the command line a CSV file with these headings."""
    return _param("classes", label, REQUIRED, **facts)


def file(label: str, extension: str = "", **facts: Any) -> Any:
    """A file that exists."""
    return _param("file", label, REQUIRED, extension=extension, **facts)


def program(label: str, **facts: Any) -> Any:
    """A program that the job runs."""
    return _param("file", label, REQUIRED, program=True, **facts)


def files(label: str, extension: str = "", **facts: Any) -> Any:
    """One or more files that exist."""
    return _param("file", label, REQUIRED, extension=extension, multiple=True, **facts)


def folder(label: str, **facts: Any) -> Any:
    """A folder that exists."""
    return _param("folder", label, REQUIRED, **facts)


def weights(label: str, **facts: Any) -> Any:
    """Weights of a network: a file of them, the folder of a run, or ``catalogue:`` and a name in models/catalog.json."""
    return _param("weights", label, REQUIRED, **{"extension": WEIGHTS, **facts})


def raster_output(label: str = "Map", **facts: Any) -> Any:
    """A GeoTIFF to write; loaded and styled by QGIS."""
    return _param("raster_output", label, REQUIRED, extension="tif|tiff", **facts)


def vector_output(label: str, **facts: Any) -> Any:
    """A GeoPackage to write; loaded and styled by QGIS."""
    return _param("vector_output", label, REQUIRED, extension="gpkg", **facts)


def folder_output(label: str, **facts: Any) -> Any:
    """A folder to write."""
    return _param("folder_output", label, REQUIRED, **facts)


def dataset_output(label: str = "Dataset folder") -> Any:
    """The folder of a dataset to write."""
    return folder_output(label, help="A new or empty folder.", main_file="dataset.json")


def file_output(label: str, extension: str, **facts: Any) -> Any:
    """A file to write."""
    return _param("file_output", label, REQUIRED, extension=extension, **facts)


@dataclass(frozen=True)
class Job:
    """What can be asked. Subclasses declare parameters as fields; their docstring is the help."""

    title: ClassVar[str] = ""
    group: ClassVar[str] = ""
    tags: ClassVar[tuple] = ()
    #: Which environment runs it, whatever is asked, see `engines`: "predict", "train", or "none" for jobs that must run without one.
    engine: ClassVar[str] = "predict"
    #: Of jobs that need the larger one, for the handbook.
    engine_words: ClassVar[str] = "Needs the engine of the kind “train”."
    #: Values returned besides the output parameters, by name.
    results: ClassVar[dict[str, Result]] = {}
    #: What it writes is made to be given to others, so that its record names no folders of this machine.
    for_others: ClassVar[bool] = False

    @classmethod
    def name(cls) -> str:
        """Name of file, sub-command and test: ``predict_map``."""
        return cls.__module__.rpartition(".")[2]

    @classmethod
    def id(cls) -> str:
        """QGIS id: the name without underscores, as QGIS asks."""
        return cls.name().replace("_", "")

    @classmethod
    def parameters(cls) -> dict[str, Param]:
        """Parameter name → declaration, in the order of the dialog."""
        return {f.name: f.metadata["param"] for f in dataclasses.fields(cls)}

    @classmethod
    def main_output(cls) -> str:
        """Name of the output that stands for the job's product, or an empty string."""
        names = [name for name, param in cls.parameters().items() if param.is_output]
        return "output" if "output" in names else names[0] if names else ""

    @classmethod
    def from_values(cls, values: Mapping[str, Any]) -> Job:
        """Checks outside values and builds the job.

        Raises:
            JobError: naming the parameter, the value and what to do.
        """
        parameters = cls.parameters()
        if not isinstance(values, Mapping):
            raise JobError(f"The values of {cls.name()} are {shown(values)}, but must be parameters by name. Give an object such as {{…}}.")
        for name in values:
            if name not in parameters:
                hint = near_name(str(name), parameters, otherwise="it has: " + ", ".join(parameters) + ".")
                raise JobError(f"{cls.name()} has no parameter “{shortened(str(name))}”; {hint}")
        read = {name: cls._read(name, param, values.get(name)) for name, param in parameters.items()}
        job = cls(**read)
        job._check_outputs()
        job.check()
        return job

    @classmethod
    def _read(cls, name: str, param: Param, value: Any) -> Any:
        if value is None or value == "" or value == []:
            if param.required:
                raise JobError(f"“{param.label}” ({name}) is missing. Give a value for it.")
            return None if param.default is REQUIRED else param.default
        return read_value(name, param, value)

    def values(self) -> dict[str, Any]:
        """The parameters as JSON values; `from_values` of these gives an equal job."""
        return {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}

    def _check_outputs(self) -> None:
        taken: dict[str, str] = {}
        for name, param in self.parameters().items():
            for path in paths_of(param, getattr(self, name)):
                real = os.path.normcase(os.path.realpath(path))
                if param.is_output and real in taken:
                    raise JobError(f"“{param.label}” and “{taken[real]}” are the same file, {shown_path(path)}. Choose another name.")
                if param.is_output and param.kind != "folder_output" and os.path.isdir(path):
                    raise JobError(f"“{param.label}” ({name}): {shown_path(path)} is a folder. Choose the name of a file.")
                within = any(real.startswith(os.path.join(other, "")) for other in taken)
                if param.is_output and within and os.path.lexists(path) and _is_record(real):
                    raise JobError(f"“{param.label}” ({name}): {shown_path(path)} belongs to an input of this job. Choose another name.")
                taken[real] = param.label

    def output_paths(self) -> list[str]:
        """Paths of the outputs the job was given."""
        return [path for name, param in self.parameters().items() if param.is_output for path in paths_of(param, getattr(self, name))]

    def output_folder(self) -> str:
        """The folder that is the job's product; empty where that is a file, or nothing was asked for."""
        name = self.main_output()
        return (getattr(self, name) if name and self.parameters()[name].kind == "folder_output" else "") or ""

    @classmethod
    def hungry_labels(cls) -> list[str]:
        """Labels of the parameters that take memory, in the order in which they are worth lowering."""
        return [cls.parameters()[name].label for name in HUNGRY if name in cls.parameters()]

    def engines(self) -> tuple[str, ...]:
        """The environments that do what was asked, the one that does it best first."""
        return (self.engine,)

    def check(self) -> None:
        """Rules between parameters; raises JobError."""

    def run(self, progress: Any) -> dict[str, Any]:
        """Does the work and returns every output parameter that was written and every declared result."""
        raise NotImplementedError(f"{type(self).__name__} declares no run()")


def near_name(name: str, known: Iterable[str], *, otherwise: str, before: str = "") -> str:
    """The end of a sentence that refuses a name: which was probably meant, or, where none is near, what stands in `otherwise`.

    Args:
        name: what was given.
        known: the names there are, in lower case.
        otherwise: said where none is near.
        before: what stands before the names, such as ``--``.
    """
    near = difflib.get_close_matches(name[:100].lower(), list(known), 1)
    return f"did you mean “{before}{near[0]}”?" if near else otherwise


def _is_record(path: str) -> bool:
    """Whether a file is one that a dataset or run cannot do without."""
    return os.path.basename(path) in RECORDS or path.endswith((".npy", ".safetensors"))


def paths_of(param: Param, value: Any) -> list[str]:
    """The file system paths a parameter's value names."""
    if value is None or (param.kind not in PATH_KINDS and not param.is_output):
        return []
    items = value if isinstance(value, (list, tuple)) else [value]
    return [item["path"] if isinstance(item, Mapping) else item for item in items]
