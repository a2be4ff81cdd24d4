"""The model file: one .onnx that knows its bands, units, classes, colours, licence and origin.

The graph takes each of its `inputs` by its name, of images float32 (n, band, y, x) in the stored units of the training images, and gives
``probabilities``, float32 (n, class, y, x), (n, class) where images have a class as a whole, or, for the task translation, ``translation``,
float32 (n, band, y, x) in the stored units of another sensor, or, for the task embedding, ``embedding``, float32 (n, band, y, x) from -1 to 1;
scaling happens inside, so nobody can feed it another range unnoticed. A model of series takes values float32 (n, date, band) and, by the name of the
input and “_days”, their days float32 (n, date), below 0 where a date is missing, cloudy or padding; it gives ``probabilities`` (n, class), or
``embedding`` (n, band), NaN of a series without such a day. What it wants and gives stands in the file's `metadata_props`: our own description, a
STAC-MLM item, and the keys Deepness reads.

A model file is a download: it is refused when it reaches outside itself (external data) or asks for code that is not
onnxruntime's own (operators of other domains).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import onnx
from google.protobuf.message import DecodeError

from ...errors import ModelError, listed
from ...outputs import new_file
from ...progress import SILENT, Progress
from ..cards import ClassInfo, Input, ModelBand
from ..records import checked, parse_json, shown
from . import ground, runtimes
from . import metadata as model_metadata
from .kinds import DISAGREEMENT, KINDS, SEGMENTATION, Kind, block_sizes, score_range
from .network import LoadedNetwork
from .ports import check_graph, fixed_side, further_output
from .record import ApplicabilityRecord, ModelInput, ModelRecord
from .stepped import STEPPED, stepped

FORMAT = "eo-pretrain model"
VERSION = 2
KEY = "eo_pretrain"
OUTPUT = KINDS[SEGMENTATION].output

#: Of the file itself. Programs with an onnxruntime of before 2024, such as Deepness's 1.17, read no newer one; nothing we write needs it.
IR_VERSION, NEWEST_OPSET = 9, 20


def _with_inputs(description: dict[str, Any]) -> dict[str, Any]:
    """Version 1 knew one input, the port “image”."""
    facts = ("sensor", "preset", "bands", "fill")
    seen = {"name": "image", **{fact: description[fact] for fact in facts if description.get(fact) is not None}}
    return {**{key: value for key, value in description.items() if key not in facts}, "inputs": [seen]}


#: Version → function that turns a description of that version into one of the next.
UPGRADES: dict[int, Callable[[dict], dict]] = {1: _with_inputs}


@dataclass(frozen=True)
class Package:
    """A model file that was read and checked."""

    path: str
    description: dict[str, Any]

    @cached_property
    def record(self) -> ModelRecord:
        """What of the description was checked."""
        return check_description(self.description, self.path)

    @property
    def id(self) -> str:
        """Its name and eight digits, see `identity.identified`."""
        return self.record.id

    @cached_property
    def inputs(self) -> dict[str, ModelInput]:
        """What it takes, by name."""
        return {seen.name: seen for seen in self.record.inputs}

    @property
    def images(self) -> dict[str, ModelInput]:
        """What a model of images takes, by name.

        Raises:
            ModelError: it takes series.
        """
        if any(seen.axes != "byx" for seen in self.inputs.values()):
            names = [("series of " if "t" in seen.axes else "images of ") + seen.name for seen in self.inputs.values()]
            advice = "Use “Map a series”, or choose" if len(names) == 1 else "Choose"
            raise ModelError(f"The model {self.path} takes {listed(names)}, and a map is made from one image so far. {advice} a model that takes "
                             "one.")
        return self.inputs

    @property
    def image(self) -> ModelInput:
        """The one input of a model of images of one sensor.

        Raises:
            ModelError: it takes something else.
        """
        first, *others = self.images.values()
        if others:
            raise ModelError(f"The model {self.path} takes images of {listed(list(self.inputs))}, and this is made from images of one sensor. Use "
                             "“Predict map”, or choose a model that takes one.")
        return first

    @property
    def classes(self) -> tuple[ClassInfo, ...]:
        """The classes in the order of the network's output."""
        return self.record.classes

    @property
    def task(self) -> str:
        """What it learned, a key of `kinds.KINDS`."""
        return self.record.task

    @property
    def kind(self) -> Kind:
        """What it gives."""
        return self.record.kind

    @property
    def targets(self) -> tuple[ModelBand, ...]:
        """The bands that it gives, of another sensor or an embedding, in the order of the network's output; none for classes."""
        return self.record.target.bands if self.kind.of_bands and self.record.target else ()

    @property
    def target_sensor(self) -> str:
        """Name of the sensor it translates to, or of the embedding; empty for classes."""
        return self.record.target.sensor if self.kind.of_bands and self.record.target else ""

    @property
    def further(self) -> dict[str, tuple[ClassInfo, ...]]:
        """Targets besides the main one, each with its classes in the order of its output, see `ModelRecord`."""
        return {row.name: row.classes for row in self.record.further}

    def of_target(self, name: str) -> Package:
        """The same model as one of a further target alone; of an empty name as one of the main target.

        Raises:
            ModelError: it has no such target.
        """
        if name and name not in self.further:
            raise ModelError(f"The model {self.path} has no target “{name}”; besides {self.record.target_name or 'its classes'} it has "
                             f"{listed(self.further) or 'none'}. Choose one of these.")
        own = {"classes": [asdict(row) for row in self.further[name]], "target_name": name, "scores": None, "confusion": None} if name else {}
        return Package(self.path, {**self.description, **own, "further": [], "beside": [DISAGREEMENT] if self.record.members else []})

    @property
    def applicability(self) -> ApplicabilityRecord:
        """What it knows of the ground that it learned from.

        Raises:
            ModelError: nothing.
        """
        if self.record.applicability is None:
            raise ModelError(f"The model {self.path} does not know the ground that it learned from. Export its run again where the dataset still is, "
                             "or leave “Area of applicability” (applicability) empty.")
        return self.record.applicability

    def require_members(self) -> None:
        """Refuses a single model.

        Raises:
            ModelError: it has no members that could disagree.
        """
        if not self.record.members:
            raise ModelError(f"The model {self.path} is a single one, so nothing can disagree with it. Leave “Disagreement” (disagreement) empty, or "
                             "give “Export model” several runs of the same training.")

    @property
    def beside(self) -> tuple[str, ...]:
        """Outputs besides the classes, see `ModelRecord`."""
        return self.record.beside

    @property
    def gives(self) -> str:
        """What it gives, in words."""
        if self.kind.synthetic:
            return f"images of the sensor {self.target_sensor}"
        return self.kind.gives if self.targets else "classes"

    @property
    def channels(self) -> int:
        """How many its chief output has."""
        return len(self.targets or self.classes)

    @property
    def stride(self) -> int:
        """Pixels by which the image can shift without changing the network's arithmetic."""
        return self.record.stride

    @property
    def halo(self) -> int:
        """Pixels at the rim of a block that are thrown away."""
        return self.record.halo

    @property
    def block(self) -> int:
        """Edge of what the network sees at once in a map [px], halo included."""
        return (self.record.tile_size if self.kind.whole else self.fixed_tile) or self.record.block or block_sizes(self.halo, self.stride)["block"]

    @property
    def small_block(self) -> int | None:
        """Edge of the blocks for a computer whose memory does not hold `block` [px]; None where it has no smaller ones."""
        small = self.record.small_block or block_sizes(self.halo, self.stride)["small_block"]
        return small if small < self.block and not self.fixed_tile and not self.kind.whole else None

    @property
    def fixed_tile(self) -> int | None:
        """Height and width of every image it takes [px]; None where any multiple of the stride will do."""
        return self.record.fixed_tile

    @property
    def resolution_m(self) -> tuple[float, float]:
        """Pixel size of the training images in metres, (x, y)."""
        return self.record.resolution_m

    @cached_property
    def sha256(self) -> str:
        """Checksum of the file."""
        with Path(self.path).open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()

    def session(self, device: str = "auto", threads: int = 0, fast: bool = False, progress: Progress = SILENT, decide: bool = False) -> LoadedNetwork:
        """Loads the network; see `runtimes.loaded`. Where it is to `decide`, an embedding of images comes in the steps in which it is stored, see
        `stepped.STEPPED`, and a GPU decides where it gives classes of pixels and nothing besides.
        """
        if decide and self.kind.embeds_images and (own := stepped(Path(self.path).read_bytes(), self.kind.output, score_range(self.kind))):
            return runtimes.loaded(self.path, (STEPPED, self.channels, {}), device, threads, fast, progress, own)
        return self._loaded(device, threads, fast, progress, {}, None, decide and not (self.further or self.beside or self.kind.whole))

    def knowing_session(self, device: str = "auto", threads: int = 0, fast: bool = False, progress: Progress = SILENT) -> LoadedNetwork:
        """`session` of the network that gives `ground.OUTPUTS`, too, behind all others.

        Raises:
            ModelError: it does not know the ground that it learned from.
        """
        return self._loaded(device, threads, fast, progress, ground.OUTPUTS, ground.joined(self.path, self.applicability.sha256))

    def _loaded(self, device: str, threads: int, fast: bool, progress: Progress, last: dict[str, int], content: bytes | None,
                decide: bool = False) -> LoadedNetwork:
        more = {further_output(name): len(classes) for name, classes in self.further.items()} | dict.fromkeys(self.beside, 1) | last
        network = runtimes.loaded(self.path, (self.kind.output, self.channels, more), device, threads, fast, progress, content,
                                  score_range(self.kind) if decide else None)
        network.answered = self._answered
        return network

    def _answered(self, sides: tuple[int, ...]) -> tuple[int, ...]:
        """Height and width of what it gives for images of that height and width; nothing where these have classes as a whole, and for series, whose
        bands come first here.
        """
        if "t" in self.kind.takes:
            return sides[1:]
        if not self.kind.whole:
            return sides
        step = self.record.dense_step
        return tuple((side - self.record.tile_size) // step + 1 for side in sides) if step else ()


def open(path: str | Path) -> Package:
    """Reads and checks a model file.

    Raises:
        ModelError: when it is corrupt, foreign, of a newer version, incomplete, or not self-contained.
    """
    where = str(path)
    model = _parse(Path(path).read_bytes(), where)
    properties = {entry.key: entry.value for entry in model.metadata_props}
    if KEY not in properties:
        raise ModelError(f"{where} does not say which bands it wants and which classes it gives (no “{KEY}” entry). "
                         "Choose a model written by “Export model”.")
    description = upgraded(parse_json(properties[KEY], f"The description inside {where}", ModelError, "Export the model again."), where)
    record = check_description(description, where)
    check_graph(model, description, where)
    if record.applicability:
        ground.read(model, record.applicability.sha256, where)
    if description.get("checksum") not in (None, weights_checksum(model)):
        raise ModelError(f"The weights in {where} are not those it was written with; the file is damaged. Copy or export it again.")
    return Package(where, description)


def write(source: bytes | str | Path | onnx.ModelProto, description: dict[str, Any], target: str | Path) -> Package:
    """Writes a self-describing model file.

    Args:
        source: the network as ONNX: a file, its bytes, or the parsed model.
        description: what it wants and gives; `format`, `version`, `checksum` and `fixed_tile` are added here.
        target: the .onnx file to write.

    Returns:
        The package as it is read back.

    Raises:
        ModelError: when the graph or the description could not be used by `open`.
    """
    where = str(target)
    if isinstance(source, (str, Path)):
        source = Path(source).read_bytes()
    model = _parse(source, where) if isinstance(source, bytes) else source
    _lower_version(model, where)
    complete = {**description, "format": FORMAT, "version": VERSION, "checksum": weights_checksum(model), "fixed_tile": fixed_side(model, where)}
    check_description(complete, where)
    check_graph(model, complete, where)
    properties = {
        **({ground.KEY: ground.stored(model)} if complete.get("applicability") else {}),
        KEY: json.dumps(complete, ensure_ascii=False, allow_nan=False),
        "stac_mlm": json.dumps(model_metadata.stac_item(complete, Path(where).name), ensure_ascii=False, allow_nan=False),
        **{key: json.dumps(value, ensure_ascii=False) for key, value in model_metadata.deepness_keys(complete).items()},
    }
    onnx.helper.set_model_props(model, properties)
    with new_file(where) as part:
        Path(part).write_bytes(model.SerializeToString())
    return open(where)


def taken(seen: Input) -> dict[str, Any]:
    """An input as a description has it."""
    return {**asdict(seen), "fill": seen.centre}


def fix_tile(model: onnx.ModelProto, side: int) -> None:
    """Makes a network that takes images of any size one that takes square ones of `side` pixels, as some programs and classes of images need."""
    for port in (*model.graph.input, *model.graph.output):
        for axis in port.type.tensor_type.shape.dim[2:4]:
            axis.dim_value = side
    del model.graph.value_info[:]  # sizes in between, by name


def upgraded(description: Any, where: str) -> dict[str, Any]:
    """The description in today's version.

    Raises:
        ModelError: when it is not ours or newer than this plugin.
    """
    if not isinstance(description, dict):
        raise ModelError(f"The description inside {where} is {shown(description)} and no JSON object. Export the model again.")
    found, version = description.get("format"), description.get("version")
    if found != FORMAT or type(version) is not int or version < 1:
        raise ModelError(f"{where} is not a model of this plugin (format {shown(found)}, version {shown(version)}). "
                         "Choose a model written by “Export model”.")
    if version > VERSION:
        raise ModelError(f"{where} was written by a newer version of the plugin (model format {shown(version)}; this one reads up to "
                         f"{VERSION}). Update the plugin.")
    while version < VERSION:
        description = UPGRADES[version](description)
        version += 1
    return {**description, "version": VERSION}


def check_description(description: dict[str, Any], where: str) -> ModelRecord:
    """Checks all that is read of a description.

    Raises:
        ModelError: naming the file and the first key that is missing or wrong.
    """
    return checked(description, ModelRecord, f"The description inside {where}", ModelError, "Export the model again.")


def weights_checksum(model: onnx.ModelProto) -> str:
    """SHA-256 over the names and values of the graph's weights and over its trees, which survives a change of metadata."""
    digest = hashlib.sha256()
    for tensor in model.graph.initializer:
        digest.update(tensor.name.encode())
        digest.update(tensor.raw_data or tensor.SerializeToString(deterministic=True))
    for node in model.graph.node:
        if node.domain == "ai.onnx.ml":
            digest.update(node.SerializeToString(deterministic=True))
    return digest.hexdigest()


def _lower_version(model: onnx.ModelProto, where: str) -> None:
    """Gives the file the version that older programs read; see `IR_VERSION`."""
    opset = max((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), default=0)
    if opset > NEWEST_OPSET:
        raise ModelError(f"The network for {where} uses operators of version {opset}, and a model file may use those up to {NEWEST_OPSET}, so that "
                         "other programs can read it. Translate it with an older operator set.")
    model.ir_version = IR_VERSION


def _parse(content: bytes, where: str) -> onnx.ModelProto:
    try:
        model = onnx.load_model_from_string(content)
    except DecodeError:
        raise ModelError(f"{where} is not a readable ONNX file; it is damaged or something else. Copy or export it again.") from None
    if not model.graph.node:
        raise ModelError(f"{where} is not a readable ONNX file; it holds no network. Copy or export it again.")
    return model
