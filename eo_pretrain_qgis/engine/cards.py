"""What classes and the images of a sensor mean: the words that datasets, runs and models share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from msgspec import Meta

from .rasters.sensors import PRESETS, Band
from .records import ClassValue, ColourOrNone, Name, PlainName, differ, shown, worded

#: Types of pixels; those of NumPy, in the order of the machine.
PixelType = Annotated[str, worded("u?int(8|16|32|64)|float(32|64)", "a type of pixels such as uint16")]
#: Label of what has no class.
IGNORE = 255
#: Key of `sensors.PRESETS`.
Preset = Annotated[str, worded("|".join(PRESETS), f"one of {', '.join(PRESETS)}")]
Nodata = Annotated[float, Meta(ge=-1.79e308, le=1.79e308)]


@dataclass(frozen=True)
class ClassInfo:
    """A class: the value maps will hold (0 to 254), its name and its colour as ``#rrggbb``, empty where it has none of its own."""

    value: ClassValue
    name: Name
    color: ColourOrNone


@dataclass(frozen=True)
class SensorInfo:
    """The images of one sensor: `nodata` fills every band of a pixel without a measurement; None stands for NaN.

    Its name becomes a part of the names of files.
    """

    name: PlainName
    preset: Preset
    dtype: PixelType
    nodata: int | Nodata | None
    bands: Annotated[tuple[Band, ...], Meta(min_length=1, max_length=10_000)]

    def valid(self, images: np.ndarray) -> np.ndarray:
        """Which pixels of images (n, band, y, x) were measured: bool (n, y, x); of series (n, date, band): bool (n, date)."""
        axis = 1 if images.ndim == 4 else -1
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
