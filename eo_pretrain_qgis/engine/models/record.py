"""What the description inside a model file may say: types, ranges and names, and how its parts must go together."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from ...errors import listed
from ..cards import Axes, ClassInfo, Finer, LearnedFrom, ModelBand, Preset, SeriesDays, days_port
from ..records import Count, FilledName, Finite, Metres, Name, Pixels, PlainName, Positive, Sha256, TargetName, differ, shown
from .kinds import DISAGREEMENT, KINDS, Kind, up

#: Networks halve their input some times; more than this would leave nothing of a tile.
Stride = Annotated[int, Meta(ge=1, le=4096)]
Halo = Annotated[int, Meta(ge=0, le=16384)]
Bands = Annotated[tuple[ModelBand, ...], Meta(min_length=1, max_length=10_000)]


class ModelInput(Struct, frozen=True):
    """One of the things a model takes: the port of the graph that has its name.

    Attributes:
        name: see above.
        bands: in the order of the port.
        fill: per band, the stored value that stands for nodata.
        sensor: whose images, in words.
        preset: how the training images stored their values.
        axes: see `cards.Input`.
        optional: see `cards.Input`.
        season: see `cards.Input`; of series.
        finer: see `cards.SensorInfo`; the map is as fine.
    """

    name: FilledName
    bands: Bands
    fill: tuple[Finite, ...]
    sensor: Name = ""
    preset: Preset = "generic"
    axes: Axes = "byx"
    optional: bool = False
    season: SeriesDays | None = None
    finer: Finer | None = None

    def __post_init__(self) -> None:
        _check_bands(self.bands)
        if "t" in self.axes and self.season is None:
            raise ValueError("it lacks the key “season”")
        if len(self.fill) != len(self.bands):
            raise ValueError(f"“fill” has {len(self.fill)} numbers for {len(self.bands)} bands")

    @property
    def names(self) -> list[str]:
        """Names of its bands."""
        return [band.name for band in self.bands]

    @property
    def ports(self) -> list[str]:
        """Names of the ports of the graph that it is given by: of a series its values and its days."""
        return [self.name, *([days_port(self.name)] if "t" in self.axes else [])]


class Target(Struct):
    """The sensor whose images a translation makes, or the embedding and its bands."""

    sensor: PlainName
    bands: Bands

    def __post_init__(self) -> None:
        _check_bands(self.bands)


class FurtherTarget(Struct, frozen=True):
    """A target besides the main one, with an output of its own: probabilities of its classes."""

    name: TargetName
    classes: Annotated[tuple[ClassInfo, ...], Meta(min_length=1, max_length=255)]

    def __post_init__(self) -> None:
        differ([str(row.value) for row in self.classes], "the value of a class")


class HaloMeasured(Struct):
    """How the halo was found at export: at so many places, and which share of the pixels depends on where a block ends with it."""

    places: Count
    changed: Finite
    tried: dict[str, Finite] = {}


class ReliabilityBin(Struct):
    """Samples of like probability: its mean, the share that had the class, and how many."""

    said: Finite
    found: Finite
    samples: Count


class CalibrationRecord(Struct):
    """What a temperature does to the probabilities of an output, see `measures.calibration.Calibration`; ``kept`` is the one inside the graph."""

    temperature: Positive
    kept: Positive
    before: Finite
    after: Finite
    samples: Count
    classes_before: tuple[Finite | None, ...] = ()
    classes_after: tuple[Finite | None, ...] = ()
    bins: tuple[ReliabilityBin, ...] = ()
    bins_after: tuple[ReliabilityBin, ...] = ()
    classes_bins: tuple[tuple[ReliabilityBin, ...], ...] = ()
    classes_bins_after: tuple[tuple[ReliabilityBin, ...], ...] = ()


class ApplicabilityRecord(Struct):
    """The area of applicability, see `measures.applicability.KnownGround`: its limit, how many training samples it is measured with, and how many of
    these a training sample has nearby, in the middle; and the checksum of the graph that computes it, see `ground.store`.
    """

    limit: Positive
    samples: Count
    nearby: Finite
    sha256: Sha256


class RangeRecord(Struct, frozen=True):
    """The range of the training values of an input, see `classic.value_range.ValueRange`."""

    centre: tuple[Finite, ...]
    matrix: tuple[tuple[Finite, ...], ...]
    limit: Positive
    places: Count


class RoadThresholdRecord(Struct):
    """From which probability on pixels are road, with hysteresis, see `runs.road_thresholds`: F1 of lines there and at the usual one, on so many
    tiles.
    """

    high: Positive
    low: Positive
    f1: Finite
    usual_f1: Finite
    tiles: Count


class FieldScoreRecord(Struct):
    """How well whole fields are found, see `runs.field_scores`: F1 with its 95 % interval, precision and recall, of so many fields on so many tiles
    of a split, and over how many places the interval is; None where these are too few.
    """

    f1: Finite
    tiles: Count
    fields: Count
    places: Count
    precision: Finite | None = None
    recall: Finite | None = None
    interval: tuple[Finite, Finite] | None = None
    split: Name = "validation"
    places_words: Name = ""


class FastRecord(Struct):
    """The share of so many places of validation ground that get another class in bfloat16, and what computed it."""

    changed: Finite
    places: Count
    runtime: Name


class MemberRecord(Struct, frozen=True):
    """One of several models that a file holds: the run it was learned in, its seed, the checksum of its weights, and what it reached alone."""

    run: FilledName
    seed: Count
    sha256: Sha256
    architecture: Name = ""
    scores: dict[str, Any] | None = None


class Provenance(Struct):
    """What other descriptions of the model are told of its origin; there is more for people."""

    start: str | None = None
    created: str | None = None
    simulated: str = ""
    learned_from: LearnedFrom | None = None


class ModelRecord(Struct):
    """All that mapping, reports and other programs are told.

    Attributes:
        beside: outputs of the graph besides the classes, each (n, 1, y, x) from 0 to 1, or (n, 1) where a sample has one answer, such as the distance
            from a field's boundary, and how much members disagree.
        members: the models whose mean it gives, see `ensemble.joined`; none where it is a single one.
        target_name: of the main target, where there are several.
        further: the others, each an output of the graph of its own.
        fusion: how the images of two sensors are joined in the network; empty of one, and of simple classifiers.
        confusion: what it took for what on the ground of `scores`, samples or pixels (class, class), rows truth; None where nobody knows.
        calibration: name of an output of classes → how sure it may be.
        applicability: where it has learned from places like those of an image; None where nobody knows.
        ranges: name of an input → the range of its training values; of all inputs, or empty where nobody knows.
        road_threshold: of a model of roads; None where it was not chosen.
        field_score: of a model of fields; None where it was not measured.
        fast: what “fast” changes; None where nobody measured it.
        dense_step: the graph takes larger images, too, and gives a class for each of their squares of `tile_size` that begins at a multiple of
            this [px].
    """

    id: FilledName
    name: Name
    task: Literal["segmentation", "fields", "scene", "patch", "multilabel", "translation", "series", "tiles in time",
                  "embedding", "embedding of series"]
    inputs: Annotated[tuple[ModelInput, ...], Meta(min_length=1, max_length=1_000)]
    resolution_m: tuple[Metres, Metres]
    classes: Annotated[tuple[ClassInfo, ...], Meta(max_length=255)]
    stride: Stride
    halo: Halo
    tile_size: Pixels
    licence: Name
    architecture: Name
    fixed_tile: Pixels | None = None
    dense_step: Stride | None = None
    block: Pixels | None = None
    small_block: Pixels | None = None
    halo_measured: HaloMeasured | None = None
    encoder: Name | None = None
    parameters: Count | None = None
    target: Target | None = None
    beside: tuple[FilledName, ...] = ()
    members: Annotated[tuple[MemberRecord, ...], Meta(max_length=100)] = ()
    fusion: Name = ""
    target_name: TargetName | Literal[""] = ""
    further: Annotated[tuple[FurtherTarget, ...], Meta(max_length=100)] = ()
    scores: dict[str, Any] | None = None
    confusion: tuple[tuple[Count, ...], ...] | None = None
    calibration: dict[str, CalibrationRecord] = {}
    applicability: ApplicabilityRecord | None = None
    ranges: dict[str, RangeRecord] = {}
    road_threshold: RoadThresholdRecord | None = None
    field_score: FieldScoreRecord | None = None
    fast: FastRecord | None = None
    provenance: Provenance | None = None
    checksum: Sha256 | None = None

    def __post_init__(self) -> None:
        differ([port for seen in self.inputs for port in seen.ports], "the input")
        other = next((seen for seen in self.inputs if seen.axes != self.kind.takes), None)
        if other:
            raise ValueError(f"the axes of the input {shown(other.name)} are {shown(other.axes)}, and those of a model for {self.task} are "
                             f"{shown(self.kind.takes)}")
        if self.kind.of_bands and self.target is None:
            raise ValueError("it lacks the key “target”")
        if not self.kind.of_bands and not self.classes:
            raise ValueError("“classes” names none")
        if self.kind.whole and self.dense_step is None and self.fixed_tile != self.tile_size:
            raise ValueError(f"it gives {self.kind.gives}, so “fixed_tile” must be the {self.tile_size} px of “tile_size”")
        if self.dense_step is not None and not (self.kind.whole and self.fixed_tile is None):
            raise ValueError(f"“dense_step” is {self.dense_step}, which means something only where images of any size have a class for each of their "
                             "squares")
        if self.members and DISAGREEMENT not in self.beside:
            raise ValueError(f"it has {len(self.members)} “members”, and “beside” lacks “{DISAGREEMENT}”")
        for name in ("block", "small_block"):
            side = getattr(self, name)
            if side is not None and (side % self.stride or side <= 2 * up(self.halo, self.stride)):
                raise ValueError(f"“{name}” is {side}, but must be a multiple of the stride of {self.stride} px that leaves something inside the "
                                 f"halo of {self.halo} px")
        differ([str(row.value) for row in self.classes], "the value of a class")
        count = len(self.classes)
        if self.confusion is not None and [len(row) for row in self.confusion] != [count] * count:
            raise ValueError(f"“confusion” has no {count} rows of {count} numbers")
        _check_ranges(self.ranges, self.inputs)
        differ([self.target_name.casefold(), *(row.name.casefold() for row in self.further)], "the target")

    @property
    def kind(self) -> Kind:
        """What models of its task give."""
        return KINDS[self.task]


def _check_ranges(ranges: dict[str, RangeRecord], inputs: tuple[ModelInput, ...]) -> None:
    widths = {seen.name: len(seen.bands) for seen in inputs}
    if ranges and set(ranges) != set(widths):
        raise ValueError(f"“ranges” is of {listed(sorted(ranges))}, but the inputs are {listed(sorted(widths))}")
    for name, row in ranges.items():
        if {len(row.centre), len(row.matrix), *map(len, row.matrix)} != {widths[name]}:
            raise ValueError(f"the range of the input {shown(name)} is not of its {widths[name]} bands")
        if not row.limit > 0:
            raise ValueError(f"the limit of the range of the input {shown(name)} is 0")


def _check_bands(bands: tuple[ModelBand, ...]) -> None:
    differ([band.name for band in bands], "the band")
    flat = next((band for band in bands if not abs(band.scale) > 0), None)
    if flat:
        raise ValueError(f"the scale of the band {shown(flat.name)} is 0")
