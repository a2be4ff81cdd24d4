"""What the description inside a model file may say: types, ranges and names, and how its parts must go together."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from ..cards import Axes, ClassInfo, ModelBand, Preset, SeriesDays, days_port
from ..records import Count, FilledName, Finite, Metres, Name, Pixels, PlainName, Sha256, TargetName, differ, shown
from .kinds import KINDS, Kind, up

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
    """

    name: FilledName
    bands: Bands
    fill: tuple[Finite, ...]
    sensor: Name = ""
    preset: Preset = "generic"
    axes: Axes = "byx"
    optional: bool = False
    season: SeriesDays | None = None

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
    """The sensor whose images a translation makes."""

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


class Provenance(Struct):
    """What other descriptions of the model are told of its origin; there is more for people."""

    start: str | None = None
    created: str | None = None


class ModelRecord(Struct):
    """All that mapping, reports and other programs are told.

    Attributes:
        beside: outputs of the graph besides the classes, each (n, 1, y, x) from 0 to 1, such as the distance from a field's boundary.
        target_name: of the main target, where there are several.
        further: the others, each an output of the graph of its own.
        fusion: how the images of two sensors are joined in the network; empty of one, and of simple classifiers.
        dense_step: the graph takes larger images, too, and gives a class for each of their squares of `tile_size` that begins at a multiple of
            this [px].
    """

    id: FilledName
    name: Name
    task: Literal["segmentation", "fields", "scene", "patch", "multilabel", "translation", "series", "tiles in time"]
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
    fusion: Name = ""
    target_name: TargetName | Literal[""] = ""
    further: Annotated[tuple[FurtherTarget, ...], Meta(max_length=100)] = ()
    scores: dict[str, Any] | None = None
    provenance: Provenance | None = None
    checksum: Sha256 | None = None

    def __post_init__(self) -> None:
        differ([port for seen in self.inputs for port in seen.ports], "the input")
        other = next((seen for seen in self.inputs if seen.axes != self.kind.takes), None)
        if other:
            raise ValueError(f"the axes of the input {shown(other.name)} are {shown(other.axes)}, and those of a model for {self.task} are "
                             f"{shown(self.kind.takes)}")
        if self.kind.translates and self.target is None:
            raise ValueError("it lacks the key “target”")
        if not self.kind.translates and not self.classes:
            raise ValueError("“classes” names none")
        if self.kind.whole and self.dense_step is None and self.fixed_tile != self.tile_size:
            raise ValueError(f"it gives {self.kind.gives}, so “fixed_tile” must be the {self.tile_size} px of “tile_size”")
        if self.dense_step is not None and not (self.kind.whole and self.fixed_tile is None):
            raise ValueError(f"“dense_step” is {self.dense_step}, which means something only where images of any size have a class for each of their "
                             "squares")
        for name in ("block", "small_block"):
            side = getattr(self, name)
            if side is not None and (side % self.stride or side <= 2 * up(self.halo, self.stride)):
                raise ValueError(f"“{name}” is {side}, but must be a multiple of the stride of {self.stride} px that leaves something inside the "
                                 f"halo of {self.halo} px")
        differ([str(row.value) for row in self.classes], "the value of a class")
        differ([self.target_name.casefold(), *(row.name.casefold() for row in self.further)], "the target")

    @property
    def kind(self) -> Kind:
        """What models of its task give."""
        return KINDS[self.task]


def _check_bands(bands: tuple[ModelBand, ...]) -> None:
    differ([band.name for band in bands], "the band")
    flat = next((band for band in bands if not abs(band.scale) > 0), None)
    if flat:
        raise ValueError(f"the scale of the band {shown(flat.name)} is 0")
