"""What classes and the images of a sensor mean: the words that datasets, runs and models share."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

import numpy as np
from msgspec import Meta

from ..errors import DataError, listed
from .rasters.sensors import PRESETS, Band
from .records import LARGEST, ClassName, ClassValue, ColourOrNone, Finite, Name, PlainName, Positive, differ, one_spelling, shown, worded

#: Types of pixels; those of NumPy, in the order of the machine.
#: Pixels of the grid along the edge of a pixel of the image, see `rasters.finer`.
Finer = Annotated[int, Meta(ge=2, le=8)]
PixelType = Annotated[str, worded("u?int(8|16|32|64)|float(32|64)", "a type of pixels such as uint16")]
#: A longitude or latitude, also one beyond 180°.
Degree = Annotated[float, Meta(ge=-720, le=720)]
#: Label of what has no class.
IGNORE = 255
#: Key of `sensors.PRESETS`.
Preset = Annotated[str, worded("|".join(PRESETS), f"one of {', '.join(PRESETS)}")]
Nodata = Annotated[float, Meta(ge=-1.79e308, le=1.79e308)]
#: Of one sample: bands, rows and columns; dates and bands; dates, bands, rows and columns.
Axes = Literal["byx", "tb", "tbyx"]


@dataclass(frozen=True)
class ClassInfo:
    """A class: the value maps will hold (0 to 254), its name and its colour as ``#rrggbb``, empty where it has none of its own."""

    value: ClassValue
    name: ClassName
    color: ColourOrNone

    def __post_init__(self) -> None:
        """Names of all sources are compared with each other and with labels, so they have one spelling."""
        object.__setattr__(self, "name", one_spelling(self.name))


@dataclass(frozen=True)
class SensorInfo:
    """The images of one sensor: `nodata` fills every band of a pixel without a measurement; None stands for NaN.

    Its name becomes a part of the names of files. `finer`: they were resampled so when they were read; None of images as they are.
    """

    name: PlainName
    preset: Preset
    dtype: PixelType
    nodata: int | Nodata | None
    bands: Annotated[tuple[Band, ...], Meta(min_length=1, max_length=10_000)]
    finer: Finer | None = None

    def valid(self, images: np.ndarray) -> np.ndarray:
        """Which pixels of images (n, band, y, x) were measured: bool (n, y, x); of series (n, date, band): bool (n, date); of dated tiles
        (n, date, band, y, x): bool (n, date, y, x).
        """
        axis = -1 if images.ndim == 3 else -3
        return ~np.isnan(images.take(0, axis)) if self.nodata is None else (images != self.nodata).any(axis)

    def check(self) -> None:
        """Holds the fields against each other.

        Raises:
            ValueError: two bands of one name, a band whose stored values all mean the same, or nodata that no pixel can hold.
        """
        dtype = np.dtype(self.dtype)
        limits = np.finfo(dtype) if dtype.kind == "f" else np.iinfo(dtype)
        if self.nodata is not None and (not limits.min <= self.nodata <= limits.max or (dtype.kind != "f" and self.nodata != int(self.nodata))):
            raise ValueError(f"“nodata” of the sensor {shown(self.name)} is {shown(self.nodata)}, which no pixel of {self.dtype} can hold")
        differ([band.name for band in self.bands], "the band")
        flat = next((band for band in self.bands if not abs(band.scale) > 0), None)
        if flat:
            raise ValueError(f"the scale of the band {shown(flat.name)} is 0")


@dataclass(frozen=True, kw_only=True)
class ModelBand(Band):
    """A band that something learned from, with the statistics of its training pixels in stored units."""

    mean: Finite
    std: Positive
    minimum: Finite
    maximum: Finite
    p001: Finite
    p999: Finite


@dataclass(frozen=True, kw_only=True)
class InputBand(ModelBand):
    """A band as a network takes it, with the centre and spread it is scaled by, in stored units.

    Attributes:
        slope: what it changes per stored unit of the incidence angle, which is taken off first, see `measures.incidence_angle`; 1 of the angle
            itself, which is then not seen; 0 where nothing is taken off.
    """

    centre: Finite
    spread: Positive
    slope: Finite = 0.0


@dataclass(frozen=True)
class LearnedFrom:
    """Where and when the images were taken that something learned from.

    Attributes:
        boxes: west, south, east, north of scenes, or of places [degree]; longitudes go on beyond 180°. None where nothing is known.
        dates: days of acquisition such as 2020-05-31, rising.
        sensors: names, or how their values are stored, in words.
        hectares: ground under all samples [ha]; 0 of points, and where nothing is known.
    """

    boxes: Annotated[tuple[tuple[Degree, Degree, Degree, Degree], ...], Meta(max_length=1_000)] = ()
    dates: Annotated[tuple[Name, ...], Meta(max_length=100_000)] = ()
    sensors: Annotated[tuple[Name, ...], Meta(max_length=1_000)] = ()
    hectares: Annotated[float, Meta(ge=0, le=LARGEST)] = 0.0


#: The same day of a crop year is counted as this much more in leap years, and when series are moved by whole years.
LEAP = 1


@dataclass(frozen=True)
class SeriesDays:
    """The days that series are brought to, and the window of the year that these are of.

    Days are counted from 1 January of the year in which the series of a dataset begin.

    Attributes:
        days: ascending.
        until: dates after this day are not looked at, as if it were today.
        window: first and last day of the season or crop year that the dataset was made for; None where it was made for none, and the window is from
            the first to the last of the days.
    """

    days: Annotated[tuple[Finite, ...], Meta(min_length=1, max_length=1_000)]
    until: Finite | None = None
    window: tuple[Finite, Finite] | None = None

    def __post_init__(self) -> None:
        if any(later <= day for day, later in zip(self.days, self.days[1:])):
            raise ValueError("“days” do not rise")
        if self.window and not self.window[0] - LEAP <= self.days[0] <= self.days[-1] <= self.window[1] + LEAP:
            raise ValueError("“days” do not lie in the “window”")

    @property
    def first(self) -> float:
        """The first day of the window."""
        return self.window[0] if self.window else self.days[0]

    @property
    def last(self) -> float:
        """The last day of the window."""
        return self.window[1] if self.window else self.days[-1]

    @property
    def middle(self) -> float:
        """The day in the middle of the window."""
        return (self.first + self.last) / 2

    def seen(self, days: np.ndarray) -> np.ndarray:
        """Which days, of any shape, lie in the window and are not later than `until`."""
        more = LEAP if self.window else 0
        found = (days >= self.first - more) & (days <= self.last + more)
        return found if self.until is None else found & (days <= self.until)


@dataclass(frozen=True)
class Input:
    """One of the things a network sees; datasets, batches, run cards, model files and ONNX ports hold them by their names.

    Attributes:
        name: of the input.
        sensor: of the dataset, whose images it takes.
        preset: how that sensor delivers them.
        bands: which of its bands, in the order in which the network takes them.
        axes: "byx" of tiles, "tb" of a series of dates of one place, "tbyx" of a series of tiles.
        optional: the network can do without it.
        season: of series, the days that they are brought to; None where no date is clear.
        finer: see `SensorInfo`.
    """

    name: PlainName
    sensor: PlainName
    preset: Preset
    bands: Annotated[tuple[InputBand, ...], Meta(min_length=1, max_length=10_000)]
    axes: Axes = "byx"
    optional: bool = False
    season: SeriesDays | None = None
    finer: Finer | None = None

    def __post_init__(self) -> None:
        differ([band.name for band in self.bands], "the band")

    @property
    def each(self) -> tuple[Input, ...]:
        """The inputs that it is made of, see `Stack`; itself where it is none."""
        return (self,)

    @property
    def widths(self) -> list[int]:
        """How many bands each of these has."""
        return [len(one.bands) for one in self.each]

    def divided(self, images: Any) -> dict[str, Any]:
        """Images (n, band, …) with all its bands, of NumPy or torch, as those of each of these by their names."""
        ends = [sum(self.widths[:number]) for number in range(len(self.widths) + 1)]
        return {one.name: images[:, first:last] for one, first, last in zip(self.each, ends, ends[1:])}

    @property
    def dated(self) -> bool:
        """Whether it is a series."""
        return "t" in self.axes

    @property
    def days_port(self) -> str:
        """Name under which the days of a series are given, beside its values."""
        return days_port(self.name)

    @property
    def days(self) -> tuple[float, ...]:
        """See `SeriesDays.days`; none where no date is clear, and of images."""
        return self.season.days if self.season else ()

    def until(self, day: float) -> Input:
        """The same series as they were known on a day."""
        return replace(self, season=replace(self.season, until=day)) if self.season else self

    @property
    def names(self) -> list[str]:
        """Names of its bands."""
        return [band.name for band in self.bands]

    @property
    def centre(self) -> list[float]:
        """Per band what is 0 after scaling and stands for what was not measured, stored units."""
        return [band.centre for band in self.bands]

    @property
    def spread(self) -> list[float]:
        """Per band what is 1 after scaling, stored units above the centre."""
        return [band.spread for band in self.bands]

    @property
    def slopes(self) -> list[float]:
        """Per band what is taken off for each stored unit of the incidence angle."""
        return [band.slope for band in self.bands]

    @property
    def angle(self) -> int | None:
        """Where the incidence angle stands among its bands."""
        return next((place for place, band in enumerate(self.bands) if band.unit == "degree"), None)

    def only(self, bands: Sequence[str]) -> Input:
        """The same with some of its bands, in their order; with all of them for none.

        Raises:
            DataError: it has no band of such a name, or one is named twice.
        """
        twice = next((name for name in bands if list(bands).count(name) > 1), None)
        if twice is not None:
            raise DataError(f"The band {shown(twice)} is named twice. Name each band once.")
        missing = [name for name in bands if name not in self.names]
        if missing:
            raise DataError(f"The images of {self.sensor} have no band {shown(missing[0])}. Their bands are {listed(self.names)}. "
                            "Choose some of them.")
        return replace(self, bands=tuple(self.bands[self.names.index(name)] for name in bands)) if bands else self


@dataclass(frozen=True)
class Stack(Input):
    """Images that several sensors have of the same places, as one input whose bands stand behind each other; it has no port of its own.

    A pixel counts as measured where all of them measured it.

    Attributes:
        members: see `Input.each`.
    """

    members: tuple[Input, ...] = ()

    @property
    def each(self) -> tuple[Input, ...]:
        """See `Input.each`."""
        return self.members


def stacked(every: Iterable[Input]) -> Input:
    """Several inputs as one; a single one as it is. A band whose name is in several has the name of its input before its own."""
    inputs = list(every)
    if len(inputs) == 1:
        return inputs[0]
    names = [name for one in inputs for name in one.names]
    bands = tuple(replace(band, name=f"{one.name} {band.name}") if names.count(band.name) > 1 else band for one in inputs for band in one.bands)
    words = " and ".join(one.sensor for one in inputs)
    return Stack("_".join(one.name for one in inputs), words, "generic", bands, inputs[0].axes, members=tuple(inputs))


def days_port(name: str) -> str:
    """See `Input.days_port`."""
    return f"{name}_days"


#: What a network sees, by name.
Inputs = dict[str, Input]


def between_values(seen: Input) -> Input:
    """The input with the next number above each centre in its place, which stands for a pixel without a measurement.

    Of whole numbers no pixel has it; the centre itself is the value of many.
    """
    if len(seen.each) > 1:
        return stacked([between_values(one) for one in seen.each])
    return replace(seen, bands=tuple(replace(band, centre=float(np.nextafter(np.float32(band.centre), np.float32(np.inf)))) for band in seen.bands))


def single(inputs: Inputs) -> Input:
    """The input of a network that sees one thing only.

    Raises:
        DataError: there are several.
    """
    if len(inputs) != 1:
        raise DataError(f"This network sees the images of one sensor, and {listed(list(inputs))} were given. Choose one of them.")
    return next(iter(inputs.values()))
