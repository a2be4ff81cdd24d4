"""The bands of radar scenes of sea ice: which band of which layer is HH, HV or the incidence angle, and in what unit.

Unit of the backscatter where it is not said: values are dB when the medians of HH and HV are both below -3, since sea ice and water
scatter back less than half of what reaches them; they are linear (sigma nought) when at least 99 % lie between -0.01 and 10 with a
median above 0 (the correction of thermal noise makes small negative values). Anything else, such as uncalibrated numbers or bytes,
is asked back.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import rasterio.windows

from ....errors import DataError
from ....progress import SILENT, Progress
from ...rasters.nodata import is_nodata
from ...rasters.plausibility import refuse_impossible
from ...rasters.same_band import are_unnamed, renamed, speaks_of
from ...rasters.sensors import Band
from .ground_control import file_nodata, is_placed, raw

HH, HV, ANGLE = "HH", "HV", "incidence_angle"
DB, LINEAR = "dB", "linear"
#: Words in the names of bands and files that speak of the incidence angle.
ANGLE_WORDS = ("IA", "INC", "THETA", "INCIDENCE", "INCIDENCEANGLE", "PROJECTEDLOCALINCIDENCEANGLE", "LOCALINCIDENCEANGLE", "LOCIA")
#: Median below which values are dB.
DB_MEDIAN = -3.0
LINEAR_RANGE, LINEAR_SHARE = (-0.01, 10.0), 0.99
#: Places along each axis at which a scene is looked at, and their size [px].
LOOKS, LOOK_SIZE = 8, 64


@dataclass(frozen=True)
class SarImages:
    """What the analyst gave; one entry of each list for each scene, lists that are not needed are empty.

    Attributes:
        images: raster values with HH, or with HH and HV, or with all three.
        hv: raster values with HV.
        angles: raster values with the incidence angle.
        angle_table: CSV with the incidence angle, or empty.
        without_angle: whether the incidence angle is left out on purpose.
        unit: "dB", "linear", or empty to find out.
        bands: names of the bands of `images` in order, separated by commas, or empty.
        nodata: declared nodata value of HH and HV.
        target_crs: projected CRS for scenes with ground control points only.
        resolution: pixel size in it, or None.
        from_orbit: whether the angle is computed from the orbit for scenes that have none.
    """

    images: list[dict]
    hv: list[dict] = field(default_factory=list)
    angles: list[dict] = field(default_factory=list)
    angle_table: str = ""
    without_angle: bool = False
    unit: str = ""
    bands: str = ""
    nodata: float | None = None
    target_crs: str = ""
    resolution: float | None = None
    from_orbit: bool = False


@dataclass(frozen=True)
class Source:
    """One band of a scene: the raster value, its number in the file from 1, and the values that mean “nothing measured”."""

    name: str
    raster: dict
    band: int
    nodata: tuple[float, ...] = ()


def find_bands(given: SarImages, number: int, progress: Progress = SILENT) -> dict[str, Source]:
    """Which band of which layer is HH, HV and, where there is one, the incidence angle.

    Raises:
        DataError: names that say nothing, or something else than what the layer was given for.
    """
    image = given.images[number]
    found: dict[str, Source] = {}
    names = _names(image, given.bands if not given.hv else "")
    kinds = [band_kind(name) for name in names]
    if given.hv:
        found[HH] = Source(HH, image, _only(kinds, HH, image))
        found[HV] = Source(HV, given.hv[number], _only([band_kind(name) for name in _names(given.hv[number])], HV, given.hv[number]))
    else:
        if len(kinds) == 2 and are_unnamed(names):
            progress.message(f"The two bands of {image['path']} have no names; they are taken for HH and HV. Name them in “Bands” if that is wrong.",
                             level="warning")
            kinds = [HH, HV]
        for name in (HH, HV):
            if kinds.count(name) != 1:
                _refuse_vertical(image["path"], names)
                raise DataError(f"{image['path']} does not say which of its bands ({', '.join(names)}) is {name}. Give HV as a layer of its "
                                "own, or name the bands in “Bands”, such as HH,HV,incidence_angle.")
            found[name] = Source(name, image, kinds.index(name) + 1)
    if given.angles:
        angle = given.angles[number]
        found[ANGLE] = Source(ANGLE, angle, _only([band_kind(name) for name in _names(angle)], ANGLE, angle), (0.0,))
    elif ANGLE in kinds:
        found[ANGLE] = Source(ANGLE, image, kinds.index(ANGLE) + 1, (0.0,))
    return found


def _refuse_vertical(path: str, names: list[str]) -> None:
    """Says that VV and VH are not HH and HV.

    Raises:
        DataError: a band is VV or VH.
    """
    vertical = [name for name in names if speaks_of(name) in ("VV", "VH")]
    if vertical:
        raise DataError(f"{path} holds {' and '.join(vertical)}, but sea ice is learned from HH and HV, which see ice and water differently. Choose "
                        "a scene of HH and HV, as Sentinel-1 takes over polar seas, or use “Create training dataset” for these bands.")


def _names(source: dict, text: str = "") -> list[str]:
    """Names of the bands of a layer: given, in the file, or of the file."""
    with raw(source) as opened:
        names = [description or "" for description in opened.descriptions]
    if text.strip():
        given = [name.strip() for name in text.split(",")]
        if len(given) != len(names):
            raise DataError(f"“Bands” names {len(given)} bands, but {source['path']} has {len(names)}. Give one name for each, in order.")
        for name, other in renamed(names, given):
            raise DataError(f"{source['path']} calls a band {name}, and “Bands” calls it {other}. Ice and water look different in other "
                            "polarisations, so name the bands as they are, or correct the names in the file.")
        return given
    if len(names) == 1 and not band_kind(names[0]):
        return [Path(source["path"]).stem]
    return [name or f"band {number}" for number, name in enumerate(names, 1)]


def band_kind(name: str) -> str:
    """HH, HV or incidence_angle where a name speaks of one of them, else empty."""
    upper = name.upper()
    words = set(re.split(r"[^A-Z]+", upper))
    kinds = [kind for kind in (HH, HV) if kind in words]
    if words & set(ANGLE_WORDS) or "INCIDENCE" in upper.replace("_", ""):
        return ANGLE
    return kinds[0] if len(kinds) == 1 else ""


def _only(kinds: list[str], wanted: str, source: dict) -> int:
    """Number of the band that is wanted, from 1."""
    if kinds.count(wanted) == 1:
        return kinds.index(wanted) + 1
    if len(kinds) == 1:
        if kinds[0]:
            raise DataError(f"{source['path']} was given for {wanted}, but its name says {kinds[0]}. Check the order of the layers.")
        return 1
    raise DataError(f"{source['path']} has {len(kinds)} bands, of which none or several are called {wanted}. Give a layer with that band alone.")


def check_sizes(sources: dict[str, Source]) -> None:
    """Refuses bands of different size; an angle on a grid of its own is resampled later.

    Raises:
        DataError: naming both files and their sizes.
    """
    sizes = {}
    for name, source in sources.items():
        with raw(source.raster) as opened:
            sizes[name] = (opened.width, opened.height, is_placed(opened, source.raster.get("crs") or ""))
    for name, (width, height, placed) in sizes.items():
        if (width, height) != sizes[HH][:2] and not (name == ANGLE and placed and sizes[HH][2]):
            raise DataError(f"{sources[HH].raster['path']} (HH) has {sizes[HH][0]} × {sizes[HH][1]} pixels and {sources[name].raster['path']} "
                            f"({name}) {width} × {height}. Give bands of one scene, of the same size.")


def _sample(source: Source, declared: float | None, progress: Progress) -> np.ndarray:
    """The measured values of a band as they are stored, at places spread over the scene, 0 included."""
    found = []
    with raw(source.raster) as opened:
        missing = [file_nodata(source.raster, opened, source.band), declared, *_layer_nodata(source)]
        width, height = min(LOOK_SIZE, opened.width), min(LOOK_SIZE, opened.height)
        for row in np.linspace(0, opened.height - height, LOOKS).astype(int):
            progress.at(0, f"Looking at {Path(source.raster['path']).name}")
            for col in np.linspace(0, opened.width - width, LOOKS).astype(int):
                window = rasterio.windows.Window(int(col), int(row), width, height)
                found.append(opened.read(source.band, window=window).astype(np.float64).ravel())
    values = np.concatenate(found)
    valid = np.isfinite(values)
    for value in missing:
        if value is not None:
            valid &= ~is_nodata(values, value)
    return values[valid]


def _band(source: Source, unit: str) -> Band:
    """A band of backscatter as its file stores it."""
    with raw(source.raster) as opened:
        return Band(source.name, None, unit, opened.scales[source.band - 1], opened.offsets[source.band - 1])


def _layer_nodata(source: Source) -> list[float]:
    given: Any = source.raster.get("nodata") or ()
    return [float(value) for value in (given[source.band - 1] or ())] if source.band <= len(given) else []


def find_unit(sources: dict[str, Source], given: SarImages, progress: Progress = SILENT) -> tuple[str, dict[str, Source]]:
    """The unit of HH and HV, and the sources with all their nodata values.

    Raises:
        DataError: nothing measured, or values that look like no unit.
    """
    samples = {name: _sample(sources[name], given.nodata, progress) for name in (HH, HV)}
    path = sources[HH].raster["path"]
    measured = {name: values[values != 0] for name, values in samples.items()}
    for name, values in measured.items():
        if not values.size:
            raise DataError(f"{sources[name].raster['path']} ({name}) holds no valid pixel. Check its nodata value, or choose another image.")
    stored = {name: _band(sources[name], given.unit or "unknown") for name in measured}
    found = _detect({name: values * stored[name].scale + stored[name].offset for name, values in measured.items()})
    middle = ", ".join(f"{name} {np.median(values) * stored[name].scale + stored[name].offset:.4g}" for name, values in measured.items())
    if given.unit and found and given.unit != found:
        raise DataError(f"{path} looks like {found} (medians {middle}), and “Backscatter is in” says {given.unit}. Correct that, or leave it to be "
                        "found out.")
    unit = given.unit or found
    if not unit:
        raise DataError(f"{path}: the values (medians {middle}) look neither like dB nor like linear backscatter. Calibrate the scene to "
                        "sigma nought, or say the unit in “Backscatter is in”.")
    for name, values in measured.items():
        refuse_impossible(sources[name].raster["path"], replace(stored[name], unit=unit), values)
    if not given.unit:
        progress.message(f"{path}: the backscatter is taken for {unit}.")
    if np.median(measured[HV]) > np.median(measured[HH]):
        progress.message(f"HV of {path} is brighter than HH, which sea ice and water hardly ever are. Check that HH and HV are not exchanged.",
                         level="warning")
    zeros = max(float((values == 0).mean()) for values in samples.values() if values.size)
    if zeros and unit == DB:
        progress.message(f"About {zeros:.1%} of the pixels of {path} are exactly 0 dB, which is no measurement; they are taken as nodata.")
    declared = () if given.nodata is None else (float(given.nodata),)
    return unit, {name: source if name == ANGLE else
                  Source(name, source.raster, source.band, (*declared, *_layer_nodata(source), 0.0))
                  for name, source in sources.items()}


def _detect(measured: dict[str, np.ndarray]) -> str:
    if all(np.median(values) < DB_MEDIAN for values in measured.values()):
        return DB
    low, high = LINEAR_RANGE
    linear = all(((values >= low) & (values <= high)).mean() >= LINEAR_SHARE and np.median(values) > 0 for values in measured.values())
    return LINEAR if linear else ""


