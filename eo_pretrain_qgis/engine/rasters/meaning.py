"""What the stored numbers of a scene mean, band by band, said in one place for all that read images.

What the file itself says goes first: its scale and offset, then its processing baseline. Then come the sensor's. What the numbers contradict
is refused, because a network would learn or map nonsense without a word.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ...errors import DataError
from ...progress import SILENT, Progress
from .deliveries.packages import LEVEL_TAG
from .grid import Window
from .raster import Scene
from .sensors import PRESETS, Band

#: Stored value = (reflectance - offset) · 10000 from processing baseline 04.00 on, of 25 January 2022 (ESA, Sentinel-2 PSD 15, 2022).
NEW_BASELINE, NEW_OFFSET = 4.0, -0.1
_BASELINE_IN_NAME = re.compile(r"(?<![A-Z0-9])N(\d\d)(\d\d)(?![A-Z0-9])")
_BASELINE_TAG = "PROCESSING_BASELINE"
#: A reflectance above this does not occur; larger values are reflectance × 10000. Nor does one below, for half of the pixels.
LARGEST_REFLECTANCE, DARKEST_REFLECTANCE = 4.0, -0.02
#: Share of values that the type of a dataset cannot hold, above which it is said, and refused. Some are lost over water.
SOME_LOST, MOST_LOST = 0.005, 0.6
#: Backscatter in linear power is below 1 nearly everywhere, and digital numbers that were not calibrated are not.
LARGEST_POWER = 30.0
#: Edge of the squares that are looked at [px], in a pattern of 3 × 3 over the image.
SQUARE = 128
ALIKE = 1e-9
#: A reflectance that numbers of 8 bits must be able to reach.
SMALLEST_RANGE = 0.1
#: Share of pixels with nothing but zeros from which on it is said.
MANY_ZEROS = 0.1


@dataclass(frozen=True)
class Conversion:
    """Turns stored values of one scene into those of its dataset: value · gain + bias per band.

    Attributes:
        gains: per band.
        biases: per band.
        dtype: of the dataset.
    """

    gains: tuple[float, ...]
    biases: tuple[float, ...]
    dtype: str

    def __call__(self, values: np.ndarray, bands: list[int]) -> np.ndarray:
        """Values (band, y, x) of some bands; whole numbers are rounded and kept within their type."""
        gains, biases = (np.array([numbers[band] for band in bands])[:, None, None] for numbers in (self.gains, self.biases))
        if (gains == 1).all() and (biases == 0).all():
            return values.astype(self.dtype, copy=False)
        changed = values * gains + biases
        dtype = np.dtype(self.dtype)
        if dtype.kind != "f":
            limits = np.iinfo(dtype)
            changed = np.rint(np.nan_to_num(changed, copy=False)).clip(limits.min, limits.max)  # what is no number is not valid
        return changed.astype(dtype)


def as_stored(scene: Scene, bands: list[Band], progress: Progress = SILENT) -> list[Band]:
    """The bands of a scene with the unit, scale and offset its values really have.

    Args:
        scene: the image.
        bands: one for each band of the scene, as its sensor or the model's training images store them.
        progress: told what the file says otherwise.

    Raises:
        DataError: the values cannot be what the bands say, such as linear backscatter under a sensor in dB.
    """
    for raster in scene.rasters:
        if raster.understood:
            progress.message(raster.understood)
    for number, (scale, offset) in enumerate(zip(scene.scales, scene.offsets, strict=True)):
        if not (math.isfinite(scale) and math.isfinite(offset) and scale > 0):
            raise DataError(f"The band {bands[number].name} of {scene.path} declares that its values are × {scale:g} {_signed(offset)}, which says "
                            "nothing. Correct the scale and offset in the file.")
    declared = [None if (scale, offset) == (1, 0) else (scale, offset) for scale, offset in zip(scene.scales, scene.offsets, strict=True)]
    _refuse_colours(scene)
    found = [replace(band, scale=said[0], offset=said[1]) if said else band for band, said in zip(bands, declared, strict=True)]
    told = SILENT if any(raster.understood for raster in scene.rasters) else progress  # that line has said it
    _tell(scene, bands, found, "declares in the file that", told, [band.unit != "unknown" for band in bands])
    baseline = baseline_of(scene)
    if baseline is not None and not any(declared):
        offset = NEW_OFFSET if baseline >= NEW_BASELINE else 0.0
        newer = [replace(band, offset=offset) if _is_sentinel2(band) else band for band in found]
        _tell(scene, found, newer, f"is of processing baseline {baseline:05.2f}, in which", progress, [True] * len(bands))
        found = newer
    for raster in scene.rasters:
        if raster.mask_band:
            progress.message(f"Band {raster.mask_band} of {raster.path} is taken for a mask, because the file calls it alpha and it holds little but "
                             "0 and one other value. Give it a name in the file if it is a measurement.")
    values = sample(scene).astype(np.float64)
    if not values.shape[1]:
        return found
    _warn_of_zeros(scene, values, progress)
    return _held_against_values(scene, found, declared, values, progress)


def refuse_one_sided(ours: Band, theirs: Any, path: str, other: str) -> None:
    """Refuses to bring two bands of unknown units together when the file of only one says what its values mean.

    Raises:
        DataError: naming both files.
    """
    plain = [(band.scale, band.offset) == (1, 0) for band in (ours, theirs)]
    if ours.unit == theirs.unit == "unknown" and plain[0] != plain[1]:
        (says, silent), band = ((other, path), theirs) if plain[0] else ((path, other), ours)
        raise DataError(f"{says} declares that the values of {band.name} are × {band.scale:g} {_signed(band.offset)}, and {silent} declares nothing, "
                        "so nobody knows whether they are alike. Choose the sensor of the images, or declare scale and offset in both files.")


def conversion(scene: Scene, own: list[Band], like: str, bands: list[Band], dtype: str) -> Conversion | None:
    """How stored values of a scene become those of the dataset or scene that `like` names; None where nothing changes.

    Raises:
        DataError: naming both files, when their units differ.
    """
    for ours, theirs in zip(own, bands, strict=True):
        if ours.unit != theirs.unit:
            advice = "Choose the sensor that both are of." if "unknown" in (ours.unit, theirs.unit) else "Convert one to the unit of the other."
            raise DataError(f"The band {ours.name} of {like} is in the unit “{theirs.unit}” and that of {scene.path} in “{ours.unit}”. {advice}")
        refuse_one_sided(ours, theirs, scene.path, like)
    gains = tuple(ours.scale / theirs.scale for ours, theirs in zip(own, bands, strict=True))
    biases = tuple((ours.offset - theirs.offset) / theirs.scale for ours, theirs in zip(own, bands, strict=True))
    if all(abs(gain - 1) < ALIKE for gain in gains) and all(abs(bias) < ALIKE for bias in biases) and (
            scene.dtype == dtype or np.dtype(scene.dtype).kind == np.dtype(dtype).kind == "f"):
        return None
    return Conversion(tuple(1.0 if abs(gain - 1) < ALIKE else gain for gain in gains), tuple(round(bias, 9) for bias in biases), dtype)


def warn_of_level(scene: Scene, preset: str, progress: Progress) -> None:
    """Warns of a scene measured above the atmosphere where the sensor says without it, or the other way round.

    Raises:
        DataError: a scene as it was delivered is of another maker than the sensor.
    """
    for raster in scene.rasters:
        family = "sentinel2" if raster.tag(LEVEL_TAG) else "landsat" if raster.tag("LANDSAT_PRODUCT_ID") else ""
        if raster.understood and family and preset != "generic" and not preset.startswith(family):
            known = ", ".join(name for name in PRESETS if name.startswith(family))
            raise DataError(f"{scene.path} is a scene of {family.title()}, but the sensor is {PRESETS[preset].name}. Choose one of {known}, or "
                            "generic.")
    for level in {raster.tag(LEVEL_TAG) for raster in scene.rasters} - {""}:
        if preset.startswith("sentinel2_") and level.lower() not in preset:
            progress.message(f"{scene.path} is of level {level}, but the sensor is {PRESETS[preset].name}. Reflectance with and without the "
                             "atmosphere differs.", level="warning")


def check_held(scene: Scene, converted: Conversion, progress: Progress) -> None:
    """Looks whether the type of the dataset holds the values of a scene once they are converted.

    Raises:
        DataError: many values would be lost.
    """
    limits = np.iinfo(converted.dtype) if np.dtype(converted.dtype).kind != "f" else None
    values = sample(scene).astype(np.float64)
    if limits is None or not values.shape[1]:
        return
    changed = values * np.array(converted.gains)[:, None] + np.array(converted.biases)[:, None]
    lost = float(((changed < limits.min - 0.5) | (changed > limits.max + 0.5)).mean())
    text = f"About {lost:.0%} of the values of {scene.path}, brought to scale and offset of the dataset, do not fit into its type {converted.dtype}"
    if lost > MOST_LOST:
        raise DataError(f"{text}. Choose an image that stores its values as the others do, or put it first.")
    if lost > SOME_LOST:
        progress.message(f"{text}, and become {limits.min} or {limits.max}. Put this image first if that matters.", level="warning")


def baseline_of(scene: Scene) -> float | None:
    """The processing baseline of a Sentinel-2 scene, from its metadata or its name (``N0509``); None where neither tells."""
    for raster in scene.rasters:
        said = re.fullmatch(r"\s*(\d\d?\.\d\d)\s*", raster.tag(_BASELINE_TAG))
        if said:
            return float(said[1])
    for text in (scene.name, *(raster.path for raster in scene.rasters)):
        match = _BASELINE_IN_NAME.search(text.upper())
        if match and re.search(r"S2[A-D]_MSI|(?<![A-Z0-9])T\d\d[A-Z]{3}(?![A-Z0-9])", text.upper()):
            return int(match[1]) + int(match[2]) / 100
    return None


def sample(scene: Scene) -> np.ndarray:
    """Stored values (band, n) of valid pixels in squares all over a scene; (band, 0) where none is valid."""
    grid, parts = scene.grid, []
    width, height = min(SQUARE, grid.width), min(SQUARE, grid.height)
    for row in range(3):
        for col in range(3):
            window = Window(max(0, (2 * col + 1) * grid.width // 6 - width // 2), max(0, (2 * row + 1) * grid.height // 6 - height // 2),
                            width, height)
            values, valid = scene.read(window)
            parts.append(values[:, valid])
    return np.concatenate(parts, axis=1)


def _refuse_colours(scene: Scene) -> None:
    for raster in scene.rasters:
        if raster.is_picture:
            raise DataError(f"{raster.path} holds numbers of colours in a table, and no measurements. Give the image it was made from, or expand it "
                            "with “PCT to RGB”.")


def _is_sentinel2(band: Band) -> bool:
    return band.unit == "reflectance" and math.isclose(band.scale, 1e-4) and bool(re.fullmatch(r"B(\d\d|8A)( \(\d+\))?", band.name))


def _warn_of_zeros(scene: Scene, values: np.ndarray, progress: Progress) -> None:
    """Pixels of nothing but zeros are most often no measurements, and nobody said so."""
    share = float((values == 0).all(0).mean())
    if share >= MANY_ZEROS:
        progress.message(f"About {share:.0%} of the pixels of {scene.path} are 0 in all bands and count as measured. If nothing was measured there, "
                         "give 0 as the nodata value.", level="warning")


def _held_against_values(scene: Scene, bands: list[Band], declared: list[tuple[float, float] | None], values: np.ndarray,
                         progress: Progress) -> list[Band]:
    if scene.dtype == "uint8" and any(band.unit == "reflectance" and band.scale * 255 < SMALLEST_RANGE for band in bands):
        raise DataError(f"{scene.path} holds numbers of 8 bits, 0 to 255, which are no reflectance by × {bands[0].scale:g}, but perhaps a picture. "
                        "Choose the sensor “generic”, or the image it was made from.")
    if np.dtype(scene.dtype).kind == "f":
        bands = _fractions(scene, bands, declared, values, progress)
    for band, stored in zip(bands, values, strict=True):
        physical = stored * band.scale + band.offset
        low, middle, high = np.quantile(physical, (0.02, 0.5, 0.98))
        where = f"The band {band.name} of {scene.path} would hold"
        if band.unit == "reflectance" and middle > LARGEST_REFLECTANCE:
            raise DataError(f"{where} a reflectance of {middle:.4g} in the middle, which does not occur. Choose the sensor that says how its "
                            f"values ({np.median(stored):.4g} in the middle) are stored.")
        if band.unit == "reflectance" and middle < DARKEST_REFLECTANCE:
            raise DataError(f"{where} a reflectance of {middle:.4g} in the middle, which does not occur. Choose the sensor that says how its "
                            f"values ({np.median(stored):.4g} in the middle) are stored, or correct the offset in the file.")
        if band.unit == "dB" and low > 0:
            raise DataError(f"{where} {low:.4g} to {high:.4g} dB, but backscatter in dB is negative nearly everywhere. Choose a sensor that is "
                            "“linear” when the values are power, or calibrate the image first.")
        if band.unit == "linear" and (low < -0.01 or middle > LARGEST_POWER):
            advice = "Choose a sensor that is in “dB”." if low < -0.01 else "Digital numbers must be calibrated to backscatter first."
            raise DataError(f"{where} {low:.4g} to {high:.4g}, which is no backscatter in linear power. {advice}")
    return bands


def _fractions(scene: Scene, bands: list[Band], declared: list[tuple[float, float] | None], values: np.ndarray, progress: Progress) -> list[Band]:
    """Floating-point reflectance is often kept as fractions, whatever whole numbers the sensor delivers."""
    open_ones = [number for number, band in enumerate(bands)
                 if band.unit == "reflectance" and declared[number] is None and (band.scale, band.offset) != (1.0, 0.0)]
    if not open_ones or np.quantile(np.abs(values[open_ones]), 0.99) >= LARGEST_REFLECTANCE:
        return bands
    progress.message(f"{scene.path} holds reflectance as fractions, so the scale of the sensor is not applied.")
    return [replace(band, scale=1.0, offset=0.0) if number in open_ones else band for number, band in enumerate(bands)]


def _tell(scene: Scene, before: list[Band], after: list[Band], why: str, progress: Progress, matters: list[bool]) -> None:
    """Warns, once for all bands, that the file's own word goes before the sensor's."""
    changed = [(old, new) for old, new, matter in zip(before, after, matters, strict=True)
               if matter and not (math.isclose(old.scale, new.scale) and math.isclose(old.offset, new.offset, abs_tol=1e-12))]
    if changed:
        old, new = changed[0]
        names = ", ".join(band.name for _, band in changed[:13])
        progress.message(f"{scene.path} {why} its values are {new.unit} by × {new.scale:g} {_signed(new.offset)}, and not × {old.scale:g} "
                         f"{_signed(old.offset)} as the sensor says ({names}). They are read as the file says.", level="warning")


def _signed(offset: float) -> str:
    return f"{'-' if offset < 0 else '+'} {abs(offset):g}"
