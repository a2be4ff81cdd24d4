"""What run.json may say: types, ranges and names of all that continues, measures, exports or reports a run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from ...errors import DataError
from ..cards import ClassInfo, Input, LearnedFrom
from ..records import Count, FilledName, Finite, Metres, Name, Pixels, Sha256, TargetName, differ, read_json, shown
from ..tasks import task_named

FORMAT, VERSION = "eo-pretrain run", 5
Figure = Finite | None
Figures = dict[str, Figure]


class Source(Struct):
    """A dataset that was learned from."""

    name: Name
    path: str
    checksum: str
    simulated: bool = False


class Start(Struct):
    """The starting weights, in words."""

    summary: str


class Chosen(Struct):
    """Of the settings what is needed beside those of the method."""

    epochs: Count
    keep: str = ""
    label_share: Annotated[float, Meta(gt=0, le=100)] = 100


class RunRecord(Struct):
    """What runs of every method say."""

    task: str
    encoder: Name
    inputs: Annotated[list[Input], Meta(min_length=1, max_length=1_000)]
    classes: Annotated[list[ClassInfo], Meta(max_length=255)]
    dataset: Source
    settings: Chosen
    state: Literal["training", "finished"]
    resolution_m: tuple[Metres, Metres]
    tile_size: Pixels
    architecture: Name
    seed: Annotated[int, Meta(ge=0, le=2**63 - 1)]
    metrics: Figures
    epochs_run: Count
    start: Start | None
    created: str
    method: Literal["finetune", "inpainting", "barlow twins", "translation", "multitask"] = "finetune"
    datasets: Annotated[list[Source], Meta(min_length=1)] | UnsetType = UNSET
    second_start: Start | None = None
    parameters: Count | UnsetType = UNSET
    weights_sha256: Sha256 | UnsetType = UNSET
    device: str | UnsetType = UNSET
    precision: str | UnsetType = UNSET
    training_seconds: Finite | UnsetType = UNSET
    images_per_second: Finite | UnsetType = UNSET
    memory_mb: Finite | UnsetType = UNSET
    learned_from: LearnedFrom | UnsetType = UNSET

    def __post_init__(self) -> None:
        differ([one.name for one in self.inputs], "the input")
        differ([str(row.value) for row in self.classes], "the value of a class")
        if self.method == "finetune" and not self.classes:
            raise ValueError("“classes” names none")
        missing = [name for name in self.late() if getattr(self, name) is UNSET]
        if missing and (self.state == "finished" or self.epochs_run):
            raise ValueError(f"it lacks the key “{missing[0]}”")

    def late(self) -> tuple[str, ...]:
        """Keys that a run has as soon as something was learned."""
        return ("device", "precision", "parameters", "weights_sha256", "training_seconds", "images_per_second", "memory_mb")


class Reached(Struct):
    """What an approach reached on the validation tiles."""

    score: Figure
    metrics: Figures
    doubt: Finite = 0.0
    confusion: list[list[Count]] | UnsetType = UNSET
    class_scores: list[Figures] | UnsetType = UNSET


class RunTarget(Struct):
    """A target beside the main one: its classes, and on the validation tiles its figures and what is taken for what."""

    name: TargetName
    classes: Annotated[list[ClassInfo], Meta(min_length=1, max_length=255)]
    metrics: Figures = {}
    confusion: list[list[Count]] | UnsetType = UNSET

    def __post_init__(self) -> None:
        differ([str(row.value) for row in self.classes], "the value of a class")
        count = len(self.classes)
        if self.confusion is not UNSET and [len(row) for row in self.confusion] != [count] * count:
            raise ValueError(f"“confusion” of the target {shown(self.name)} has no {count} rows of {count} numbers")


class FinetuneRun(RunRecord, kw_only=True):
    """Of “Fine-tune a model”: what the best epoch takes for what, and which approach is kept."""

    kept: Literal["statistics", "boosting", "network"] = "network"
    approaches: dict[Literal["statistics", "boosting", "network"], Reached] = {}
    simple: Literal["statistics", "boosting"] | UnsetType = UNSET
    classifier_sha256: Sha256 | UnsetType = UNSET
    classifier_parameters: Count | UnsetType = UNSET
    classifier_difference: Finite | UnsetType = UNSET
    confusion: list[list[Count]] | UnsetType = UNSET
    class_scores: list[Figures] | UnsetType = UNSET
    guessed_labels: str | UnsetType = UNSET
    multiply_adds: Count | UnsetType = UNSET
    target: TargetName | Literal[""] = ""
    targets: list[RunTarget] = []
    fusion: Literal["none", "early", "feature", "all_levels", "gated", "mean_of_heads"] = "none"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.fusion != "none" and len(self.inputs) != 2:
            raise ValueError(f"“fusion” is “{self.fusion}”, and “inputs” are not those of two sensors")
        count = len(self.classes)
        differ([self.target.casefold(), *(row.name.casefold() for row in self.targets)], "the target")
        for name in ("classifier_sha256", "classifier_parameters", "classifier_difference") if self.kept != "network" else ():
            if getattr(self, name) is UNSET:
                raise ValueError(f"it lacks the key “{name}”")
        if self.kept != "network" and self.simple not in (UNSET, self.kept):
            raise ValueError(f"“kept” is “{self.kept}”, and the file of the classifier is of “{self.simple}”")
        if self.approaches and self.kept not in self.approaches:
            raise ValueError(f"“approaches” lacks “{self.kept}”, which is kept")
        if self.confusion is not UNSET and [len(row) for row in self.confusion] != [count] * count:
            raise ValueError(f"“confusion” has no {count} rows of {count} numbers")
        if self.class_scores is not UNSET and (len(self.class_scores) != count or len({tuple(row) for row in self.class_scores}) > 1
                                               or any(row.get("samples", row.get("pixels")) is None for row in self.class_scores)):
            raise ValueError(f"“class_scores” has no {count} rows of the same figures")
        several = task_named(self.task).several
        needed, found = ("class_scores", self.class_scores) if several else ("confusion", self.confusion)
        if self.epochs_run and found is UNSET:
            raise ValueError(f"it lacks the key “{needed}”")

    def late(self) -> tuple[str, ...]:
        """See `RunRecord.late`; a run without a network has less."""
        return super().late() if self.epochs_run else ("device", "parameters", "training_seconds", "classifier_sha256")


class Blocks(Struct):
    """Squares that hid a part of the tiles."""

    size: Pixels


class Fill(Struct):
    """Figures of a way to fill."""

    psnr: Finite
    ssim: Finite
    l1: Finite


class AllFills(Struct):
    """On every validation tile."""

    network: Fill
    mean: Fill
    smooth: Fill


class FewFills(AllFills):
    """On the tiles that the slow fill was computed for."""

    biharmonic: Fill


class ErrorsOfBands(Struct):
    """Band → error, of each fill."""

    network: dict[str, Finite]
    mean: dict[str, Finite]
    smooth: dict[str, Finite]
    biharmonic: dict[str, Finite]


class Fills(Struct):
    """The network beside the fills without one."""

    all: AllFills
    few: FewFills
    bands: ErrorsOfBands
    tiles: Count
    few_tiles: Count


class InpaintingRun(RunRecord, kw_only=True):
    """Of “Pretrain by inpainting”."""

    blocks: Blocks
    fills: dict[str, Any]  # empty, or `Fills`
    clouds: str

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.fills:
            msgspec.convert(self.fills, Fills)
        if self.fills and not all(isinstance(self.metrics.get(name), float) for name in ("psnr", "ssim")):
            raise ValueError("“metrics” lacks psnr or ssim")


class Probed(Struct):
    """Scores of simple classifiers."""

    probe_linear: Finite
    probe_knn: Finite


class BarlowTwinsRun(RunRecord, kw_only=True):
    """Of “Pretrain by Barlow Twins”."""

    probe_baseline: Probed | None = None
    neighbours: str | UnsetType = UNSET


class BandError(Struct):
    """Of a band of the made images."""

    name: str
    unit: str
    error: Finite
    psnr: Figure


class Errors(Struct):
    """Of one direction."""

    error: Figure
    psnr: Figure
    cycle: Figure
    bands: list[BandError]


class Generators(Chosen, kw_only=True):
    """Settings that decide what the generators look like."""

    encoder: Name
    generator: Literal["unet", "residual"]
    generator_width: Annotated[int, Meta(ge=1, le=4096)]


class TranslationRun(RunRecord, kw_only=True):
    """Of “Pretrain by translation”."""

    settings: Generators
    mode: Literal["paired", "unpaired"]
    architecture: Literal["unet", "residual"]
    sums: tuple[Errors, Errors] | None = None
    baseline: tuple[Errors, Errors] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.inputs) != 2:
            raise ValueError("“inputs” are not those of two sensors")
        for ours, theirs in zip(self.sums or (), self.baseline or ()):
            if (ours.error is not None and theirs.error is None) or len(ours.bands) > len(theirs.bands):
                raise ValueError("“baseline” lacks errors that “sums” has")


class TaskRun(Struct):
    """A task that shared the network."""

    name: FilledName
    key: Annotated[str, Meta(min_length=1)]
    task: str
    kind: str
    training_tiles: Count
    validation_tiles: Count
    figures: Figures = {}
    single: Figures = {}
    single_epochs: Count = 0
    baselines: dict[str, Figures] = {}

    def __post_init__(self) -> None:
        task_named(self.task)


class MultitaskRun(RunRecord, kw_only=True):
    """Of “Pretrain on several tasks”."""

    tasks: Annotated[list[TaskRun], Meta(min_length=1)]
    same_scenes: list[str] = []


RECORDS: dict[str, type[RunRecord]] = {"finetune": FinetuneRun, "inpainting": InpaintingRun, "barlow twins": BarlowTwinsRun,
                                       "translation": TranslationRun, "multitask": MultitaskRun}


def read_card(path: str) -> dict[str, Any]:
    """What a run.json says, in today's version; its values are not checked yet.

    Raises:
        DataError: when it cannot be read, or is of something else or of a newer version.
    """
    card = read_json(path, DataError, "Copy the run folder again.")
    version = card.get("version") if isinstance(card, dict) and card.get("format") == FORMAT else 0
    if type(version) is int and version < 1:
        raise DataError(f"{path} does not describe a run of this plugin. Choose a folder made by “Fine-tune a model”.")
    if type(version) is not int or version > VERSION:
        raise DataError(f"{path} was written by a newer version of the plugin (format {shown(version)}, this one reads {VERSION}). "
                        "Update the plugin.")
    while version < VERSION:
        card = UPGRADES[version](card)
        version += 1
    return {**card, "version": VERSION}


def _with_inputs(card: dict[str, Any]) -> dict[str, Any]:
    """Version 1 had sensor, preset and bands of the first input; beside them a list of both, or the bands of both by their names.

    That last form knew the preset of the first alone.
    """
    first, both = ({"name": card.get("sensor"), "preset": card.get("preset"), "bands": card.get("bands")}, card.get("sensors"))
    if isinstance(both, dict):
        both = [{"name": name, "preset": first["preset"] if name == first["name"] else "generic", "bands": bands} for name, bands in both.items()]
    inputs = [{**row, "sensor": row.get("name"), "axes": "byx", "optional": False} if isinstance(row, dict) else row
              for row in (both if isinstance(both, list) else [first])]
    settings = card.get("settings")
    alone = {"settings": {"context": 0, **settings}} if isinstance(settings, dict) else {}  # tiles were seen without what lies around them
    return {key: value for key, value in card.items() if key not in ("sensor", "preset", "bands", "sensors")} | {"inputs": inputs} | alone


def _with_approach(card: dict[str, Any]) -> dict[str, Any]:
    """Version 2 knew networks only, and said of a fine-tuning whether the encoder was frozen."""
    settings = card.get("settings")
    if not isinstance(settings, dict) or card.get("method", "finetune") != "finetune":
        return card
    kept = {name: value for name, value in settings.items() if name != "frozen_encoder"}
    return card | {"settings": {"approach": "network", "mode": "frozen" if settings.get("frozen_encoder") else "fine_tune", **kept}}


def _with_angle(card: dict[str, Any]) -> dict[str, Any]:
    """Version 3 saw the incidence angle as a band like others, and learned no series."""
    settings = card.get("settings")
    if not isinstance(settings, dict) or card.get("method", "finetune") != "finetune":
        return card
    return card | {"settings": {"incidence_angle": "band", "early_season": False, **settings}}


def _with_fusion(card: dict[str, Any]) -> dict[str, Any]:
    """Version 4 knew classes of one sensor only."""
    settings = card.get("settings")
    if not isinstance(settings, dict) or card.get("method", "finetune") != "finetune":
        return card
    return card | {"settings": {"fusion": "none", "second_start": None, **settings}}


#: Version → function that turns a card of that version into one of the next.
UPGRADES: dict[int, Callable[[dict[str, Any]], dict[str, Any]]] = {1: _with_inputs, 2: _with_approach, 3: _with_angle, 4: _with_fusion}
