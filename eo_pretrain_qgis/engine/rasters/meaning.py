"""What the stored numbers of a scene mean, band by band, said in one place for all that read images.

What the file itself says goes first: its scale and offset, then its processing baseline. Then come the sensor's. What the numbers contradict
is refused, because a network would learn or map nonsense without a word.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import PurePath
from typing import Any

import numpy as np

from ...errors import DataError
from ...progress import SILENT, Progress
from .deliveries.packages import LEVEL_TAG
from .embeddings import EMBEDDED
from .plausibility import LARGEST_REFLECTANCE, File, Image, bands_of_files, hold_against_values, sample, warn_of_fill
from .raster import Scene
from .sensors import PRESETS, Band

#: Tag of images, and of what is made of them, that show no real ground.
SIMULATED = "SIMULATED"
#: What pages say of figures from such images.
SIMULATED_WORDS = "The images are simulated, so these figures say nothing of real ground."
#: Stored value = (reflectance - offset) · 10000 from processing baseline 04.00 on, of 25 January 2022 (ESA, Sentinel-2 PSD 15, 2022).
NEW_BASELINE, NEW_OFFSET = 4.0, -0.1
_BASELINE_IN_NAME = re.compile(r"(?<![A-Z0-9])N(\d\d)(\d\d)(?![A-Z0-9])")
_BASELINE_TAG = "PROCESSING_BASELINE"
#: How makers name their products, and how the keys of their sensors begin.
_PRODUCTS = {"Sentinel-2": re.compile(r"(?<![A-Z0-9])S2[A-D]_MSI(L1C|L2A)_"), "Sentinel-1": re.compile(r"(?<![A-Z0-9])S1[A-D]_(?:IW|EW|S\d|WV)_"),
             "Landsat": re.compile(r"(?<![A-Z0-9])L[COTE]0[4-9]_L[12]\w\w_\d{6}_")}
_SENSORS = {"Sentinel-2": ("sentinel2",), "Sentinel-1": ("sentinel1", "sar"), "Landsat": ("landsat",)}
_LEVELS = ("L1C", "L2A")
#: Share of values that the type of a dataset cannot hold, above which it is said, and refused. Some are lost over water.
SOME_LOST, MOST_LOST = 0.005, 0.6
ALIKE = 1e-9
#: Units of which nobody but the file knows the scale.
OPEN = ("unknown", EMBEDDED)


def simulated_of(scenes: Sequence[Scene]) -> dict[str, str]:
    """What the record of a place says where an image of it is simulated; nothing else."""
    said = next((word for scene in scenes for raster in scene.rasters if (word := raster.tag(SIMULATED))), "")
    return {"simulated": said} if said else {}


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
        dtype = np.dtype(self.dtype)
        if (gains == 1).all() and (biases == 0).all() and (dtype.kind == "f" or np.can_cast(values.dtype, dtype)):
            return values.astype(dtype, copy=False)
        changed = values * gains + biases
        if dtype.kind != "f":
            limits = np.iinfo(dtype)
            changed = np.rint(np.nan_to_num(changed, copy=False)).clip(limits.min, limits.max)  # what is no number is not valid
        return changed.astype(dtype)


def as_stored(scene: Image, bands: list[Band], progress: Progress = SILENT, judged: bool = True) -> list[Band]:
    """The bands of a scene with the unit, scale and offset its values really have.

    Args:
        scene: the image.
        bands: one for each band of the scene, as its sensor or the model's training images store them.
        progress: told what the file says otherwise.
        judged: whether its values are held against what they should be; of thousands of small images some may be odd.

    Raises:
        DataError: the values cannot be what the bands say, such as linear backscatter under a sensor in dB.
    """
    for raster in scene.rasters:
        if raster.understood:
            progress.message(raster.understood)
        if raster.missing:
            progress.message(f"{raster.path} was delivered with {', '.join(raster.missing)}, which are not there. Copy or download the whole scene "
                             "if they are needed.", level="warning")
    for number, (scale, offset) in enumerate(zip(scene.scales, scene.offsets, strict=True)):
        if not (math.isfinite(scale) and math.isfinite(offset) and scale > 0):
            raise DataError(f"The band {bands[number].name} of {scene.path} declares that its values are × {scale:g} {_signed(offset)}, which says "
                            "nothing. Correct the scale and offset in the file.")
    declared = [None if (scale, offset) == (1, 0) else (scale, offset) for scale, offset in zip(scene.scales, scene.offsets, strict=True)]
    _refuse_colours(scene)
    found = [replace(band, scale=said[0], offset=said[1]) if said else band for band, said in zip(bands, declared, strict=True)]
    told = SILENT if any(raster.understood for raster in scene.rasters) else progress  # that line has said it
    _tell(scene, bands, found, "declares in the file that", told, [band.unit not in OPEN for band in bands])
    baseline = baseline_of(scene)
    if baseline is not None:
        offset = NEW_OFFSET if baseline >= NEW_BASELINE else 0.0
        newer = [replace(band, offset=offset) if said is None and _is_sentinel2(band) else band for band, said in zip(found, declared, strict=True)]
        _tell(scene, found, newer, f"is of processing baseline {baseline:05.2f}, in which", progress, [True] * len(bands))
        found = newer
    for raster in scene.rasters:
        if raster.mask_band:
            progress.message(f"Band {raster.mask_band} of {raster.path} is taken for a mask, because the file calls it alpha and it holds little but "
                             "0 and one other value. Give it a name in the file if it is a measurement.")
    whole_numbers = np.dtype(scene.dtype).kind != "f"
    if not judged and whole_numbers:
        return found
    values = sample(scene).astype(np.float64)
    if not values.shape[1]:
        return found
    if not whole_numbers:
        found = _fractions(scene, found, declared, values, progress)
    if judged:
        warn_of_fill(scene, values, progress)
        hold_against_values(scene, found, values, progress)
    return found


def refuse_one_sided(ours: Band, theirs: Any, path: str, other: str) -> None:
    """Refuses to bring two bands of unknown units together when the file of only one says what its values mean.

    Raises:
        DataError: naming both files.
    """
    plain = [(band.scale, band.offset) == (1, 0) for band in (ours, theirs)]
    if ours.unit == theirs.unit and ours.unit in OPEN and plain[0] != plain[1]:
        (says, silent), band = ((other, path), theirs) if plain[0] else ((path, other), ours)
        raise DataError(f"{says} declares that the values of {band.name} are × {band.scale:g} {_signed(band.offset)}, and {silent} declares nothing, "
                        "so nobody knows whether they are alike. Choose the sensor of the images, or declare scale and offset in both files.")


def conversion(scene: Image, own: list[Band], like: str, bands: list[Band], dtype: str) -> Conversion | None:
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


def refuse_other_maker(scene: Image, preset: str) -> None:
    """Refuses a scene that by its metadata or its file's name is of another maker than the sensor.

    Raises:
        DataError: naming both.
    """
    for file in scene.rasters:
        family = _product(file)[0]
        if family and preset != "generic" and not preset.startswith(_SENSORS[family]):
            known = ", ".join(name for name in PRESETS if name.startswith(_SENSORS[family]))
            raise DataError(f"{file.path} is a scene of {family}, but the sensor is {PRESETS[preset].name}. Choose one of {known}, or generic.")


def warn_of_level(scene: Image, preset: str, progress: Progress) -> None:
    """Warns of a scene measured above the atmosphere where the sensor says without it, or the other way round."""
    for level in {_product(file)[1] for file in scene.rasters} - {""}:
        if preset.startswith("sentinel2_") and level.lower() not in preset:
            progress.message(f"{scene.path} is of level {level}, but the sensor is {PRESETS[preset].name}. Reflectance with and without the "
                             "atmosphere differs.", level="warning")


def _product(file: File) -> tuple[str, str]:
    """The maker of a scene and its level of processing, by its metadata, else by its name; both empty where neither tells."""
    if file.tag(LEVEL_TAG) in _LEVELS:
        return "Sentinel-2", file.tag(LEVEL_TAG)
    if file.tag("LANDSAT_PRODUCT_ID"):
        return "Landsat", ""
    found = {family: match for family, pattern in _PRODUCTS.items() if (match := pattern.search(PurePath(file.path).name.upper()))}
    if len(found) != 1:
        return "", ""
    family, match = found.popitem()
    return family, match[1] if family == "Sentinel-2" else ""


def check_held(scene: Image, converted: Conversion, progress: Progress) -> None:
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


def refuse_other_baseline(first: Image, other: Image, bands: Sequence[Band]) -> None:
    """Refuses two Sentinel-2 images of unknown units whose values differ by what processing baseline 04.00 adds.

    Raises:
        DataError: naming both, when neither file declares an offset.
    """
    baselines = [baseline_of(image) for image in (first, other)]
    declared = any(said != (1, 0) for image in (first, other) for said in zip(image.scales, image.offsets, strict=True))
    if None in baselines or declared or all(band.unit != "unknown" for band in bands):
        return
    one, two = (baseline >= NEW_BASELINE for baseline in baselines if baseline is not None)
    if one != two:
        raise DataError(f"{first.path} is of processing baseline {baselines[0]:05.2f} and {other.path} of {baselines[1]:05.2f}; from "
                        f"{NEW_BASELINE:05.2f} on the same ground has values that are 1000 larger. Choose the sensor that says so, or declare scale "
                        "and offset in the files.")


def baseline_of(scene: Image) -> float | None:
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


def _refuse_colours(scene: Image) -> None:
    for raster in scene.rasters:
        if raster.is_picture:
            raise DataError(f"{raster.path} holds numbers of colours in a table, and no measurements. Give the image it was made from, or expand it "
                            "with “PCT to RGB”.")


def _is_sentinel2(band: Band) -> bool:
    return band.unit == "reflectance" and math.isclose(band.scale, 1e-4) and bool(re.fullmatch(r"B(\d\d|8A)( \(\d+\))?", band.name))


def _fractions(scene: Image, bands: list[Band], declared: list[tuple[float, float] | None], values: np.ndarray, progress: Progress) -> list[Band]:
    """Floating-point reflectance is often kept as fractions, whatever whole numbers the sensor delivers."""
    for file, numbers in bands_of_files(scene):
        open_ones = [number for number in numbers if bands[number].unit == "reflectance" and declared[number] is None
                     and (bands[number].scale, bands[number].offset) != (1.0, 0.0)]
        if np.dtype(file.dtype).kind == "f" and open_ones and np.quantile(np.abs(values[open_ones]), 0.99) < LARGEST_REFLECTANCE:
            progress.message(f"{file.path} holds reflectance as fractions, so the scale of the sensor is not applied.")
            bands = [replace(band, scale=1.0, offset=0.0) if number in open_ones else band for number, band in enumerate(bands)]
    return bands


def _tell(scene: Image, before: list[Band], after: list[Band], why: str, progress: Progress, matters: list[bool]) -> None:
    """Warns, once for all bands, that the file's own word goes before the sensor's."""
    changed = [(old, new, number) for number, (old, new, matter) in enumerate(zip(before, after, matters, strict=True))
               if matter and not (math.isclose(old.scale, new.scale) and math.isclose(old.offset, new.offset, abs_tol=1e-12))]
    if changed:
        old, new, first = changed[0]
        names = ", ".join(band.name for _, band, _ in changed[:13])
        path = next(file.path for file, numbers in bands_of_files(scene) if first in numbers)
        progress.message(f"{path} {why} its values are {new.unit} by × {new.scale:g} {_signed(new.offset)}, and not × {old.scale:g} "
                         f"{_signed(old.offset)} as the sensor says ({names}). They are read as the file says.", level="warning")


def _signed(offset: float) -> str:
    return f"{'-' if offset < 0 else '+'} {abs(offset):g}"
