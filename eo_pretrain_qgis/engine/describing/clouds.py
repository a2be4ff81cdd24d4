"""Tiles of optical sensors that are probably clouded, where no mask says so, by their reflectance alone."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...errors import listed
from ...progress import SILENT, Progress
from ..cards import SensorInfo
from ..datasets.clear_scenes import CLOUDED
from ..datasets.dataset import Dataset
from ..even_sample import even_sample
from ..looks.stretching import THIN_CLOUD
from ..rasters.sensors import SENTINEL2_WAVELENGTHS, Band

#: Wavelengths of the bands that are looked at [µm]: those of Landsat's, within which those of Sentinel-2 lie.
REACHES = {"blue": (0.45, 0.52), "green": (0.52, 0.60), "red": (0.62, 0.69), "infrared": (0.80, 0.90), "shortwave": (1.55, 1.75),
           "far": (2.08, 2.35)}
#: Thresholds of Fmask, see `cloudlike`.
WHITENESS, HAZE, LARGEST_INDEX, ROCK, DARK_FAR = 0.7, 0.08, 0.8, 0.75, 0.03
SNOW, SNOW_INFRARED, SNOW_GREEN = 0.15, 0.11, 0.1
#: A tile is called clouded from this share of its measured pixels on, and looked at where so many were measured.
MOSTLY, MEASURED = 0.5, 0.5
#: One large white roof can fill a smaller tile [m]; of such tiles more than this share must look clouded.
ROOF, ROOFS = 500.0, 0.02
#: Tiles of a sensor that are looked at, and at once; and about as many pixels along their edge.
LOOKED_AT, AT_ONCE, PIXELS = 1_000, 20, 128
#: Files that are named.
NAMED = 3
#: Columns of the tiles with the share that a mask hides.
MASKED = (CLOUDED, "cloud")


@dataclass(frozen=True)
class Clouded:
    """What was found in the tiles of a sensor.

    Attributes:
        sensor: name.
        looked_at: how many tiles.
        of: from how many.
        tiles: those that are probably clouded, the most clouded first.
        shares: of their measured pixels that look like cloud, in their order.
        snow_told: whether snow was told from cloud, which takes a band at 1.6 µm.
    """

    sensor: str
    looked_at: int
    of: int
    tiles: tuple[int, ...]
    shares: tuple[float, ...]
    snow_told: bool


def probably_clouded(dataset: Dataset, progress: Progress = SILENT) -> list[Clouded]:
    """The tiles that look clouded, of each sensor that sees clouds and whose values are reflectances.

    Tiles that were cut behind a mask of clouds are not looked at, nor series, whose dates have flags of their own. Bright targets such as roofs and
    beaches look like clouds, too; so a tile must be clouded for the most part, and small tiles must be several.
    """
    if dataset.kind.dates or not len(dataset):
        return []
    unmasked, found = np.ones(len(dataset), bool), []
    for name in (name for name in MASKED if name in dataset.tiles):
        unmasked &= dataset.tiles[name].isna().to_numpy()
    for sensor in dataset.sensors:
        own = dataset.indices("all", sensor.name)
        own = own[unmasked[own]]
        bands = {name: number for name, reach in REACHES.items() if (number := _band(sensor.bands, reach)) is not None}
        if len(own) and {"blue", "green", "red"} <= set(bands):
            found.append(_of_sensor(dataset, sensor, own, bands, progress))
    return found


def clouds_warnings(found: Sequence[Clouded], dataset: Dataset) -> list[str]:
    """What to beware of, and what to do about it."""
    told = []
    for row in found:
        share = len(row.tiles) / row.looked_at
        small = min(dataset.description["resolution_m"]) * dataset.tile_size < ROOF
        if not row.tiles or (small and share < ROOFS):
            continue
        of = f" of {row.sensor}" if len(dataset.sensors) > 1 else ""
        what, sample = "cloud" if row.snow_told else "cloud or snow", "" if row.looked_at == row.of else f" that were looked at, of {row.of:,} in all"
        files = Counter(_file(dataset, tile) for tile in row.tiles)
        worst = listed((f"{name} ({count})" if name else f"unknown files ({count})" for name, count in files.most_common()), NAMED)
        told.append(f"{len(row.tiles):,} of {row.looked_at:,} {dataset.kind.unit}{of}{sample} ({share:.0%}) are probably for the most part {what}: "
                    f"bright and white in visible light. Their images, and how many {dataset.kind.unit} of each: {worst}; the worst is number "
                    f"{row.tiles[0]}. A model learns them as ground. Leave such images out, or make masks with “Mask clouds” and give them as “Cloud "
                    "masks” when you make the dataset again.")
    return told


def cloudlike(blue: np.ndarray, green: np.ndarray, red: np.ndarray, infrared: np.ndarray | None = None, shortwave: np.ndarray | None = None,
              far: np.ndarray | None = None) -> np.ndarray:
    """Pixels that pass the spectral tests of Fmask for potential clouds, and are bright in all visible bands.

    These are its basic test, the tests of whiteness, of haze (HOT, Zhang et al. 2002) and of the ratio of near to shortwave infrared, and its test of
    snow, all without temperature: Zhu and Woodcock (2012), Object-based cloud and cloud shadow detection in Landsat imagery, Remote Sensing of
    Environment 118, 83-94; for Sentinel-2 Zhu, Wang and Woodcock (2015), ibid. 159, 269-277. Tests of bands that are not there are left out. The
    brightness is that from which pictures take a white pixel for thin cloud.

    Args:
        blue: reflectance, 0 to 1; all bands have one shape.
        green: as blue.
        red: as blue.
        infrared: at 0.8 µm, or None.
        shortwave: at 1.6 µm, or None.
        far: at 2.2 µm, or None.

    Returns:
        bool, of that shape.
    """
    visible = np.stack([blue, green, red])
    mean = visible.mean(0)
    found = (np.abs(visible - mean).sum(0) < WHITENESS * mean) & (blue - 0.5 * red > HAZE) & (visible.min(0) > THIN_CLOUD)
    if infrared is not None:
        found &= infrared - red < LARGEST_INDEX * (infrared + red)
    if infrared is not None and shortwave is not None:
        found &= infrared > ROCK * shortwave
        snow = (green - shortwave > SNOW * (green + shortwave)) & (infrared > SNOW_INFRARED) & (green > SNOW_GREEN)
        found &= (green - shortwave < LARGEST_INDEX * (green + shortwave)) & ~snow
    if far is not None:
        found &= far > DARK_FAR
    return found


def _band(bands: Sequence[Band], reach: tuple[float, float]) -> int | None:
    """Position of the first band of reflectances within a reach of wavelengths [µm]."""
    return next((number for number, band in enumerate(bands)
                 if band.unit == "reflectance" and reach[0] <= (band.wavelength_um or SENTINEL2_WAVELENGTHS.get(band.name, 0)) <= reach[1]), None)


def _of_sensor(dataset: Dataset, sensor: SensorInfo, own: np.ndarray, bands: dict[str, int],
               progress: Progress) -> Clouded:
    sample, step = even_sample(own, LOOKED_AT), max(1, dataset.tile_size // PIXELS)
    shares = np.zeros(len(sample))
    for start in range(0, len(sample), AT_ONCE):
        progress.at(start / len(sample), "Looking for clouds")
        images = dataset.images(sample[start:start + AT_ONCE], sensor.name)[:, :, ::step, ::step]
        valid = sensor.valid(images)
        values = {name: images[:, number].astype(np.float32) * sensor.bands[number].scale + sensor.bands[number].offset
                  for name, number in bands.items()}
        measured, seen = valid.sum((1, 2)), (cloudlike(**values) & valid).sum((1, 2))
        shares[start:start + AT_ONCE] = np.where(measured >= MEASURED * valid[0].size, seen / np.maximum(measured, 1), 0)
    order = np.argsort(-shares, kind="stable")
    order = order[shares[order] > MOSTLY]
    return Clouded(sensor.name, len(sample), len(own), tuple(sample[order].tolist()), tuple(shares[order].round(4).tolist()),
                   {"infrared", "shortwave"} <= set(bands))


def _file(dataset: Dataset, tile: int) -> str:
    """The file that a tile was cut from, without its folder; empty where nothing says it."""
    if "scene" not in dataset.tiles:
        return ""
    name = str(dataset.tiles["scene"].iloc[tile])
    paths = {row.get("name"): row.get("path") for row in dataset.description["scenes"]}
    return os.path.basename(str(paths.get(name) or name).rstrip("/\\"))
