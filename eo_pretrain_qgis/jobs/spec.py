"""The vocabulary of jobs: what a parameter is, what a job is, and the checks every way in shares.

A job is a frozen dataclass whose fields are declared with the functions below (`raster`, `integer`, `choice`, …). Nothing is inferred from
annotations. `Job.from_values` alone leads from outside values (QGIS, command line, JSON) to a job, so a wrong word is refused alike everywhere.

Values are plain JSON values. A raster is ``{"path": …, "name": …, "crs": …, "nodata": […], "own_nodata": […], "open_options": […]}``, a vector
``{"path": …, "layer": …, "name": …, "crs": …, "categories": {"field": …, "classes": [{"value", "name", "color"}]}}``; a plain
path stands for ``{"path": path}``. An extent is ``{"box": [west, south, east, north], "crs": …}``.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from ..errors import JobError
from ..tables import shortened
from . import suggestions
from .files import is_record, paths_of
from .texts import shown, shown_path
from .values import LARGEST_VALUE, read_value


class Required:
    """The default of a parameter that must be given."""

    def __repr__(self) -> str:
        return "required"


REQUIRED = Required()
#: Seeds of NumPy and scikit-learn are whole numbers of 32 bits.
LARGEST_SEED = 2**32 - 1
#: Images and the tiles, crops, blocks and borders in them [px], and counts of things in them.
MOST_PIXELS, MOST_COUNTED = 1_000_000, 1_000_000_000
HUNGRY = ("batch_size", "crop", "context", "tile_size", "size")  # parameters that take memory
OUTPUT_KINDS = ("raster_output", "vector_output", "folder_output", "file_output")
WEIGHTS = "safetensors|pth|pt|ckpt|bin"  # endings of files of them


@dataclass(frozen=True)
class LayerInside:
    """A layer that lies in an output folder: its file there, its name in QGIS, and the parameter by which it is written elsewhere."""

    file: str
    text: str
    elsewhere: str


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
    #: Of a list that goes one for one with another: a file may stand there several times, as a mask that lies over several images.
    repeats: bool = False
    #: Several of these are the bands of one image, so that a dialog asks for one raster and, apart, for more.
    one_image: bool = False
    minimum: float | None = None
    maximum: float | None = None
    #: Of a choice: the words that stand for its options in scripts, and what a dialog shows for each.
    options: tuple = ()
    labels: tuple = ()
    extension: str = ""
    parent: str = ""
    by_style: bool = False  #: Of a field: the one that the layer is drawn by is proposed.
    created: bool = True
    #: The file in a folder that stands for it: of an input it must be there, and of an output steps of a model are offered it.
    main_file: str = ""
    #: The layer in an output folder that QGIS loads unasked, unless it is asked to write it elsewhere.
    inside: LayerInside | None = None
    #: Of an output folder: it must be new or empty.
    fresh: bool = False
    #: The file, or what lies in the folder, is run, so that only the user's own word may name it, never a record.
    program: bool = False
    #: Of a file: words that stand for one, or for none, in place of a path.
    words: tuple = ()
    #: Of a text, or a name in the catalogue: what is wrong with it, in a sentence or two; empty where nothing is known to be.
    wrong: Callable[[str], str] | None = None
    #: Values that a dialog offers with their meaning, besides any other; asked with the value of `parent`, if there is one.
    suggests: Callable[[str], Iterable[tuple[str, ...]]] | None = None

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
        view: of a layer that QGIS has loaded: “on”, “off”, or “zoomed” for on, with the map moved to where it lies.
    """

    kind: str
    text: str
    view: str = "on"


def _param(kind: str, label: str, default: Any, **facts: Any) -> Any:
    facts["optional"] = facts.get("optional", False) or default is None
    default = None if facts["optional"] and default is REQUIRED else default
    return field(default=default, metadata={"param": Param(kind, label, default=default, **facts)})


def raster(label: str, **facts: Any) -> Any:
    """A raster layer, of which all bands are read unless the job says otherwise."""
    return _param("raster", label, REQUIRED, **facts)


def rasters(label: str, **facts: Any) -> Any:
    """One or more raster layers."""
    return _param("raster", label, REQUIRED, multiple=True, **facts)


def image(label: str, **facts: Any) -> Any:
    """One image: a raster layer with all its bands, or several with some each."""
    return _param("raster", label, REQUIRED, multiple=True, one_image=True, **facts)


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


def choice(label: str, options: Mapping[str, str] | Iterable[str], default: Any = REQUIRED, **facts: Any) -> Any:
    """One word of `options`, which maps each word to what a dialog shows for it."""
    shown_as = options if isinstance(options, Mapping) else {word: word for word in options}
    return _param("choice", label, default, options=tuple(shown_as), labels=tuple(shown_as.values()), **facts)


def crs(label: str, **facts: Any) -> Any:
    """A coordinate reference system, such as EPSG:32633, or as WKT."""
    return _param("crs", label, REQUIRED, **facts)


def extent(label: str, **facts: Any) -> Any:
    """A rectangle with its coordinate reference system."""
    return _param("extent", label, REQUIRED, **facts)


def classes(label: str, **facts: Any) -> Any:
    """A table of classes: value, name, colour; on the command line a CSV file with these headings."""
    return _param("classes", label, REQUIRED, **facts)


def file(label: str, extension: str = "", default: Any = REQUIRED, **facts: Any) -> Any:
    """A file that exists, or one of its `words`."""
    return _param("file", label, default, extension=extension, **facts)


def program(label: str, **facts: Any) -> Any:
    """A program that the job runs."""
    return _param("file", label, REQUIRED, program=True, **facts)


def files(label: str, extension: str = "", **facts: Any) -> Any:
    """One or more files that exist."""
    return _param("file", label, REQUIRED, extension=extension, multiple=True, **facts)


def folder(label: str, **facts: Any) -> Any:
    """A folder that exists."""
    return _param("folder", label, REQUIRED, **facts)


def dataset_folder(label: str, **facts: Any) -> Any:
    """The folder of a dataset, or its dataset.json."""
    return folder(label, main_file="dataset.json", **facts)


def trained_run(label: str, **facts: Any) -> Any:
    """The folder of a run, or its run.json."""
    return folder(label, main_file="run.json", **facts)


def weights(label: str, **facts: Any) -> Any:
    """Weights of a network: a file of them, the folder of a run, or ``catalogue:`` and a name in models/catalog.json."""
    return _param("weights", label, REQUIRED, **{"extension": WEIGHTS, **suggestions.WEIGHTS, **facts})


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
    inside = LayerInside("tiles.gpkg", "Footprints by split", "footprints")
    return folder_output(label, help="A new or empty folder.", main_file="dataset.json", fresh=True, inside=inside)


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
    #: After a cancel the same job with the same folder goes on where it stopped.
    continues: ClassVar[bool] = False
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
                hint = suggestions.near_name(str(name), parameters, otherwise="it has: " + ", ".join(parameters) + ".")
                raise JobError(f"{cls.name()} has no parameter “{shortened(str(name))}”; {hint}")
        read = {name: cls._read(name, param, values.get(name, param.default)) for name, param in parameters.items()}
        job = cls(**read)
        job._check_outputs()
        job.check()
        return job

    @classmethod
    def _read(cls, name: str, param: Param, value: Any) -> Any:
        """Reads a value, or the default of one that was not given. An empty one is nothing where that is allowed, and "" is never the default."""
        if value is param.default and not param.required:
            return value
        if value in (None, REQUIRED, "") or (value == [] and (param.multiple or param.default in (None, REQUIRED))):
            if param.required:
                raise JobError(f"“{param.label}” ({name}) is missing. Give a value for it.")
            if value == "" and not param.optional:
                raise JobError(f"“{param.label}” ({name}) is empty. Give a value, or leave it out for its default, {param.default}.")
            return None if param.optional else param.default
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
                if param.is_output and within and os.path.lexists(path) and is_record(real):
                    raise JobError(f"“{param.label}” ({name}): {shown_path(path)} belongs to an input of this job. Choose another name.")
                taken[real] = param.label

    def output_paths(self) -> list[str]:
        """Paths of the outputs the job was given."""
        return [path for name, param in self.parameters().items() if param.is_output for path in paths_of(param, getattr(self, name))]

    def raster_paths(self) -> list[str]:
        """Paths of the rasters among them."""
        return [getattr(self, name) for name, param in self.parameters().items() if param.kind == "raster_output" and getattr(self, name)]

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

    @classmethod
    def least_engine(cls) -> str:
        """The environment without which none of its values run; see `engines`."""
        return "predict" if cls.engine == "train" and cls.engines is not Job.engines else cls.engine

    @classmethod
    def situation(cls) -> list[str]:
        """Sentences on this machine as it is now that matter before the job runs; a dialog shows them above the help."""
        return []

    def check(self) -> None:
        """Rules between parameters; raises JobError."""

    def run(self, progress: Any) -> dict[str, Any]:
        """Does the work and returns every output parameter that was written and every declared result."""
        raise NotImplementedError(f"{type(self).__name__} declares no run()")
