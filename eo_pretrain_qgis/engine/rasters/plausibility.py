"""Whether the values of an image can be what they are said to be; what cannot is refused, and what hardly can is warned of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ...errors import DataError
from ...progress import Progress
from .grid import Grid, Window
from .sensors import Band

#: A reflectance above this does not occur; larger values are reflectance × 10000. Nor does one below, for half of the pixels.
LARGEST_REFLECTANCE, DARKEST_REFLECTANCE = 4.0, -0.02
#: Brightest percent of fractions or percents that are taken for reflectance × 10000, and of an image that is hardly one.
LARGEST_FRACTION, DARK_IMAGE = 0.005, 0.03
#: Radiance at the top of the atmosphere [W / (m² sr µm)] stays below 600, that of the sun on a white ground at 0.48 µm (2000 / π).
LARGEST_RADIANCE = 1000.0
#: Noise of radar is above this [dB].
FAINTEST = -80.0
#: Backscatter in linear power is below 1 nearly everywhere, and digital numbers that were not calibrated are not.
LARGEST_POWER = 30.0
#: Edge of the squares that are looked at [px], in a pattern of 3 × 3 over the image.
SQUARE = 128
#: A reflectance that numbers of 8 bits must be able to reach.
SMALLEST_RANGE = 0.1
#: Share of pixels with nothing but zeros from which on it is said.
MANY_ZEROS = 0.1
#: The same of other values that programs fill with, which measurements hardly take in all bands at once.
MANY_FILLED = 0.02
#: Nothing that satellites, aeroplanes or models of terrain give is larger.
LARGEST_VALUE = 1e15
#: Images of unknown units whose bright values differ in all bands by such a factor are hardly stored alike, as 8 bits beside 16;
#: fractions and digital numbers differ by 10000.
UNLIKE, OTHER_UNITS = 20.0, 1000.0


class File(Protocol):
    """What is asked of a file: `raster.Raster`, or a picture without a place."""

    @property
    def path(self) -> str:
        """What was opened."""

    @property
    def understood(self) -> str:
        """What a scene of several files was taken for; empty for a plain file."""

    @property
    def missing(self) -> tuple[str, ...]:
        """Bands of a scene that should be there."""

    @property
    def mask_band(self) -> int | None:
        """Number of the band that is a mask of the others."""

    @property
    def is_picture(self) -> bool:
        """Whether its values are numbers of colours."""

    @property
    def dtype(self) -> str:
        """NumPy name of its type."""

    @property
    def scales(self) -> list[float]:
        """Per band, as declared."""

    def tag(self, key: str, domain: str | None = None) -> str:
        """A piece of its metadata, or empty."""


class Image(Protocol):
    """What is asked of an image: `raster.Scene`, or a picture without a place."""

    @property
    def rasters(self) -> Sequence[File]:
        """Its files."""

    @property
    def name(self) -> str:
        """For people."""

    @property
    def path(self) -> str:
        """Of its first file."""

    @property
    def grid(self) -> Grid:
        """How large it is."""

    @property
    def dtype(self) -> str:
        """NumPy name of its type."""

    @property
    def scales(self) -> list[float]:
        """Per band, as declared."""

    @property
    def offsets(self) -> list[float]:
        """Per band, as declared."""

    def read(self, window: Window) -> tuple[np.ndarray, np.ndarray]:
        """Values (band, y, x) and valid pixels (y, x)."""


def bands_of_files(scene: Image) -> list[tuple[File, list[int]]]:
    """The files of an image, and which of its bands each holds."""
    found: list[tuple[File, list[int]]] = []
    for file in scene.rasters:
        first = found[-1][1][-1] + 1 if found else 0
        found.append((file, list(range(first, first + len(file.scales)))))
    return found


def sample(scene: Image) -> np.ndarray:
    """Stored values (band, n) of valid pixels in squares all over a scene; (band, 0) where none is valid."""
    grid, parts = scene.grid, []
    if grid.width * grid.height <= 9 * SQUARE**2:
        values, valid = scene.read(grid.window)
        return values[:, valid]
    width, height = min(SQUARE, grid.width), min(SQUARE, grid.height)
    for row in range(3):
        for col in range(3):
            window = Window(max(0, (2 * col + 1) * grid.width // 6 - width // 2), max(0, (2 * row + 1) * grid.height // 6 - height // 2),
                            width, height)
            values, valid = scene.read(window)
            parts.append(values[:, valid])
    return np.concatenate(parts, axis=1)


def warn_of_fill(scene: Image, values: np.ndarray, progress: Progress) -> None:
    """Warns of pixels that hold nothing but zeros, or another value that programs fill with, and that nobody declared as nodata.

    Raises:
        DataError: values so large that statistics of them mean nothing.
    """
    kind, largest = np.dtype(scene.dtype).kind, float(np.abs(values).max())
    if kind == "f" and largest > LARGEST_VALUE:
        raise DataError(f"{scene.path} holds values as large as {largest:.4g}, which nothing measures and which count as measured. Declare this "
                        "value as the nodata value, in the file or in the dialog.")
    fills = {0.0: MANY_ZEROS, -9999.0: MANY_FILLED}
    if kind == "i":
        fills[float(np.iinfo(scene.dtype).min)] = MANY_FILLED
    if kind != "f" and len(values) > 1:
        fills[float(np.iinfo(scene.dtype).max)] = MANY_ZEROS if scene.dtype == "uint8" else MANY_FILLED  # clouds and roofs are white
    for value, many in fills.items():
        share = float((values == value).all(0).mean())
        if share >= many:
            progress.message(f"About {share:.0%} of the pixels of {scene.path} are {value:.0f} in all bands and count as measured. If nothing was "
                             f"measured there, declare {value:.0f} as the nodata value, in the file or in the dialog.", level="warning")


def hold_against_values(scene: Image, bands: list[Band], values: np.ndarray, progress: Progress) -> None:
    """Refuses stored values (band, n) of an image that its bands cannot have.

    Raises:
        DataError: with the values, and what to choose instead.
    """
    for file, numbers in bands_of_files(scene):
        own = [bands[number] for number in numbers]
        if file.dtype == "uint8" and any(band.unit == "reflectance" and band.scale * 255 < SMALLEST_RANGE for band in own):
            raise DataError(f"{file.path} holds numbers of 8 bits, 0 to 255, which are no reflectance by × {own[0].scale:g}, but perhaps a picture. "
                            "Choose the sensor “generic”, or the image it was made from.")
        _refuse_darkness(file, own, values[numbers], progress)
        for band, stored in zip(own, values[numbers], strict=True):
            refuse_impossible(file.path, band, stored)


def refuse_impossible(path: str, band: Band, stored: np.ndarray) -> None:
    """Refuses stored values (n,) that a band of its unit does not have.

    Raises:
        DataError: with the values, and what to choose instead.
    """
    low, middle, high = np.quantile(stored * band.scale + band.offset, (0.02, 0.5, 0.98))
    where = f"The band {band.name} of {path} would hold"
    says = f"Choose the sensor that says how its values ({np.median(stored):.4g} in the middle) are stored"
    if band.unit == "reflectance" and middle > LARGEST_REFLECTANCE:
        raise DataError(f"{where} a reflectance of {middle:.4g} in the middle, which does not occur. {says}.")
    if band.unit == "reflectance" and middle < DARKEST_REFLECTANCE:
        raise DataError(f"{where} a reflectance of {middle:.4g} in the middle, which does not occur. {says}, or correct the offset in the file.")
    if band.unit == "radiance" and middle > LARGEST_RADIANCE:
        raise DataError(f"{where} a radiance of {middle:.4g} W / (m² sr µm) in the middle, which does not occur. Declare scale and offset in "
                        "the file, as the maker gives them.")
    if band.unit == "dB" and low > 0:
        raise DataError(f"{where} {low:.4g} to {high:.4g} dB, but backscatter in dB is negative nearly everywhere. Choose a sensor that is "
                        "“linear” when the values are power, or calibrate the image first.")
    if band.unit == "dB" and middle < FAINTEST:
        raise DataError(f"{where} {middle:.4g} dB in the middle, but no radar sees below {FAINTEST:g} dB. Declare the scale in the file, such as "
                        "0.01 for dB × 100.")
    if band.unit == "linear" and (low < -0.01 or middle > LARGEST_POWER):
        advice = "Choose a sensor that is in “dB”." if low < -0.01 else "Digital numbers must be calibrated to backscatter first."
        raise DataError(f"{where} {low:.4g} to {high:.4g}, which is no backscatter in linear power. {advice}")


def _refuse_darkness(file: File, bands: list[Band], values: np.ndarray, progress: Progress) -> None:
    """Refuses fractions or percents that are taken for reflectance × 10000, and warns where whole numbers are as small."""
    ours = [number for number, band in enumerate(bands) if band.unit == "reflectance" and (band.scale, band.offset) != (1.0, 0.0)]
    if not ours or not values[ours].any():
        return
    bright = float(np.quantile(np.stack([values[number] * bands[number].scale + bands[number].offset for number in ours]), 0.99))
    text = (f"Of {file.path} 99 % of the values are below {np.quantile(values[ours], 0.99):.4g}, which would be a reflectance of {bright:.4g} or "
            "less")
    advice = "Choose the sensor that says how its values are stored, or declare scale and offset in the file"
    if np.dtype(file.dtype).kind == "f" and -LARGEST_FRACTION < bright < LARGEST_FRACTION:
        raise DataError(f"{text}: hardly more than black. Perhaps they are fractions or percents. {advice}.")
    if 0 <= bright < DARK_IMAGE:
        progress.message(f"{text}: a very dark image. {advice} if that is wrong.", level="warning")


@dataclass(frozen=True)
class Brightness:
    """Bright values of an image or a dataset per band, in stored values of the dataset: 98 % of the absolute values are below.

    Attributes:
        path: of what they are.
        dtype: NumPy name of the type of its values.
        values: (band,).
    """

    path: str
    dtype: str
    values: np.ndarray

    @classmethod
    def of(cls, path: str, dtype: str, values: np.ndarray, bands: Sequence[Band]) -> Brightness | None:
        """From stored values (band, n); None where they say nothing: a unit is known, or a band is empty."""
        if not values.shape[1] or any(band.unit != "unknown" for band in bands):
            return None
        bright = np.quantile(np.abs(values.astype(np.float64)), 0.98, 1)
        return cls(path, dtype, bright) if bright.all() else None


def brightness(image: Image, bands: Sequence[Band]) -> Brightness | None:
    """The brightness of an image whose values are already converted to these bands of a dataset."""
    known = any(band.unit != "unknown" for band in bands)
    return None if known else Brightness.of(image.path, image.dtype, sample(image), bands)


def unlike(first: Brightness | None, other: Brightness | None) -> str:
    """What to warn of where two images of a dataset differ much in their brightness; empty where they do not.

    Raises:
        DataError: floating-point values of all bands differ as fractions and digital numbers do.
    """
    if first is None or other is None:
        return ""
    ours, theirs = first.values, other.values
    factors = theirs / ours
    apart = float(max(factors.min(), 1 / factors.max()))
    text = (f"The values of {first.path} reach {ours.max():.4g} and those of {other.path} {theirs.max():.4g}; in every band they differ by a "
            f"factor of {apart:.0f} or more")
    advice = "Choose the sensor that says what they mean, or bring one to the values of the other."
    if apart >= OTHER_UNITS and len(ours) > 1 and np.dtype(first.dtype).kind == np.dtype(other.dtype).kind == "f":
        raise DataError(f"{text}, as fractions and digital numbers do. {advice}")
    return f"{text}, so they are hardly stored alike. {advice}" if apart >= UNLIKE else ""
