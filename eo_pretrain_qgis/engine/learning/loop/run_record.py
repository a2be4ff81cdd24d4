"""What run.json may say: types, ranges and names of all that continues, measures, exports or reports a run."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from ...cards import ClassInfo, Preset
from ...records import Count, FilledName, Finite, Metres, Name, Pixels, PlainName, Positive, Sha256, differ
from ...tasks import task_named

Figure = Finite | None
Figures = dict[str, Figure]


class RunBand(Struct):
    """A band with its statistics, all of which a run says, and the centre and spread it is scaled by."""

    name: FilledName
    wavelength_um: Positive | None
    unit: Name
    scale: Finite
    offset: Finite
    mean: Finite
    std: Positive
    minimum: Finite
    maximum: Finite
    p001: Finite
    p999: Finite
    centre: Finite
    spread: Positive


Bands = Annotated[list[RunBand], Meta(min_length=1, max_length=10_000)]


class Source(Struct):
    """A dataset that was learned from."""

    name: Name
    path: str
    checksum: str


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
    bands: Bands
    classes: Annotated[list[ClassInfo], Meta(max_length=255)]
    dataset: Source
    settings: Chosen
    state: Literal["training", "finished"]
    sensor: Name
    preset: Preset
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

    def __post_init__(self) -> None:
        differ([band.name for band in self.bands], "the band")
        differ([str(row.value) for row in self.classes], "the value of a class")
        if self.method == "finetune" and not self.classes:
            raise ValueError("“classes” names none")
        late = ("device", "precision", "parameters", "weights_sha256", "training_seconds", "images_per_second", "memory_mb")
        missing = [name for name in late if getattr(self, name) is UNSET]
        if missing and (self.state == "finished" or self.epochs_run):
            raise ValueError(f"it lacks the key “{missing[0]}”")


class FinetuneRun(RunRecord, kw_only=True):
    """Of “Fine-tune a model”: what the best epoch takes for what."""

    confusion: list[list[Count]] | UnsetType = UNSET
    class_scores: list[Figures] | UnsetType = UNSET
    guessed_labels: str | UnsetType = UNSET

    def __post_init__(self) -> None:
        super().__post_init__()
        count = len(self.classes)
        if self.confusion is not UNSET and [len(row) for row in self.confusion] != [count] * count:
            raise ValueError(f"“confusion” has no {count} rows of {count} numbers")
        if self.class_scores is not UNSET and (len(self.class_scores) != count or len({tuple(row) for row in self.class_scores}) > 1
                                               or any(row.get("samples", row.get("pixels")) is None for row in self.class_scores)):
            raise ValueError(f"“class_scores” has no {count} rows of the same figures")
        several = task_named(self.task).several
        needed, found = ("class_scores", self.class_scores) if several else ("confusion", self.confusion)
        if self.epochs_run and found is UNSET:
            raise ValueError(f"it lacks the key “{needed}”")


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
    """Of “Pretrain by Barlow Twins”; `sensors` where there are two."""

    sensors: dict[PlainName, Bands] | UnsetType = UNSET
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


class Side(Struct):
    """One of the two sensors."""

    name: PlainName
    preset: Preset
    bands: Bands


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
    sensors: tuple[Side, Side]
    sums: tuple[Errors, Errors] | None = None
    baseline: tuple[Errors, Errors] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
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
