"""Images of another sensor brought onto the grid of an image, once, before tiles are cut.

Warping tile by tile on the fly gave 3 to 7 windows of 256 × 256 a second where one pass over the whole raster gave 120 to 216, so the
aligned image is written to a temporary file from which tiles are then read like from any other image.
"""

from __future__ import annotations

import contextlib
import math
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import numpy as np
import rasterio
from rasterio.enums import Resampling
from rasterio.warp import reproject

from ...errors import DataError, listed
from ...outputs import failed_write
from ...progress import SILENT, Progress
from ..rasters.dates import WRITTEN_ONLY
from ..rasters.grid import Grid, Window, blocks, hull, read_round
from ..rasters.raster import Scene
from ..rasters.sensors import Called
from .building import describe_sensor, open_scenes
from .dataset import SensorInfo

RESAMPLING = {"nearest": Resampling.nearest, "bilinear": Resampling.bilinear, "average": Resampling.average}
#: Edge of the pieces that are warped one after the other [px of the target], and the most source pixels held for one.
PIECE, SOURCE_PIXELS = 1024, 4096**2
#: Error allowed in placing a pixel [px]; GDAL takes no 0.
TOLERANCE = 0.01
#: Source pixels read beyond a piece, in pixels of the coarser of both grids: the reach of the kernels, and one for rounding.
MARGIN = 3
#: What messages call the parameters of images of a second sensor.
SECOND = Called("", "“Bands of the second sensor” (second_bands)", "“Second sensor” (second_preset)")


@dataclass(frozen=True)
class Pair:
    """The image chosen to go with a scene.

    Attributes:
        index: of the image among those offered.
        overlap: share of the scene that it covers, 0 to 1.
        days: from the scene to the image, negative when the image is older; None when a date is unknown.
    """

    index: int
    overlap: float
    days: int | None


def align(source: list[dict], grid: Grid, folder: str | Path, resampling: str = "bilinear", progress: Progress = SILENT,
          nodata: float | None = None, like: Scene | None = None) -> Scene:
    """Brings an image onto a grid; an image that lies on it already is taken as it is.

    Where the image is finer than the grid, "bilinear" widens its kernel to the size of a target pixel, as GDAL's warper does.
    Decibels are averaged as decibels, as Sentinel-1 products are commonly resampled.

    Args:
        source: raster values of a job: one raster with all bands, or several that hold the bands of one scene.
        grid: where the pixels shall lie.
        folder: for the temporary GeoTIFF, which must stay as long as the scene is read.
        resampling: a key of `RESAMPLING`.
        progress: told how far it is.
        nodata: declared nodata value of the image.
        like: the same image, opened, whose values are converted; this one's are then, too.

    Returns:
        The scene on the grid, with the names, dates, scales and nodata of the source; pixels the source does not reach are invalid.

    Raises:
        DataError: the image does not reach the grid, or the disk is full.
    """
    scene = Scene.open(source, nodata)
    if like is not None:
        scene.stored_like(like)
    if scene.grid.same_as(grid):
        return scene
    if not overlap(grid, scene.grid):
        raise DataError(f"{scene.path} does not overlap the image it shall be aligned with: it reaches over "
                        f"{_box(scene.grid.bounds_in(grid.crs))}, and the image over {_box(grid.bounds())}. Choose images of one place.")
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    number = len(list(folder.glob("aligned-*.tif")))
    path = folder / f"aligned-{number:03d}.tif"
    try:
        _warp(scene, grid, path, resampling, progress)
    except rasterio.errors.RasterioIOError as error:
        raise failed_write(error, path) from error
    finally:
        scene.close()
    fill = scene.nodata_of(0)[:1]
    return Scene.open([{"path": str(path), "name": scene.name, "nodata": [fill] * len(scene.band_names)}])


def overlap(grid: Grid, other: Grid) -> float:
    """Share of the box of `grid` that `other` covers, 0 to 1; 0 also where its CRS does not reach."""
    covered = 0.0
    for box in other.boxes_in(grid.crs):
        left, top, right, bottom = grid.pixel_box(box)
        width, height = min(right, grid.width) - max(left, 0), min(bottom, grid.height) - max(top, 0)
        covered += max(width, 0.0) * max(height, 0.0)
    return min(covered / (grid.width * grid.height), 1.0)


def pair(scene: Scene, others: list[Scene], most_days: int | None = None) -> Pair:
    """Chooses the image that goes with a scene: of those that cover it about as well as the best, the nearest in time.

    Args:
        scene: the scene.
        others: images of the other sensor.
        most_days: largest difference of the dates [days]; images without a date are then taken only when none has one.

    Raises:
        DataError: no image overlaps the scene, or none within `most_days`.
    """
    found = [Pair(index, overlap(scene.grid, other.grid), days_between(scene.date, other.date)) for index, other in enumerate(others)]
    found = [one for one in found if one.overlap > 0]
    if not found:
        raise DataError(f"None of the {len(others)} images of the second sensor overlaps {scene.path}. Add the image that goes with it, "
                        "or leave that scene out.")
    if most_days is not None and any(one.days is not None for one in found):
        near = [one for one in found if one.days is not None and abs(one.days) <= most_days]
        if not near:
            closest = min(abs(one.days) for one in found if one.days is not None)
            raise DataError(f"The image of the second sensor nearest in time to {scene.path} is {closest} days apart, more than "
                            f"{most_days}. Add a nearer image, or allow more days.")
        found = near
    best = max(one.overlap for one in found)
    covering = [one for one in found if one.overlap >= 0.95 * best]
    return min(covering, key=lambda one: (math.inf if one.days is None else abs(one.days), -one.overlap))


@contextlib.contextmanager
def aside(folder: str | Path) -> Iterator[Path]:
    """A folder inside one that is being filled, for aligned images; it is removed at the end."""
    path = Path(folder) / "aligned"
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def sensor_names(first: str, second: str) -> tuple[str, str]:
    """Short names of two sensors from their presets: "s1", "s2", or "image" where the preset is generic; never the same."""
    names = ["s" + preset[len("sentinel")] if preset.startswith("sentinel") else "image" for preset in (first, second)]
    return names[0], names[1] if names[1] != names[0] else names[1] + "_second"


@dataclass(frozen=True)
class SecondImages:
    """Images of a second sensor.

    Attributes:
        images: raster values of a job.
        arrangement: "scenes" or "bands", as in `open_scenes`.
        preset: of the sensor.
        bands: names of its bands in order; None takes those of the files.
        most_days: see `pair`.
    """

    images: Sequence[dict] = ()
    arrangement: str = "scenes"
    preset: str = "generic"
    bands: str | None = None
    most_days: int | None = None


def partner_scenes(scenes: list[Scene], preset: str, second: SecondImages, folder: Path, progress: Progress = SILENT,
                   ) -> tuple[dict[str, tuple[SensorInfo, list[Scene]]], list[dict]]:
    """The images of a second sensor as partners of scenes: chosen for each, and brought onto its grid.

    Args:
        scenes: of the first sensor.
        preset: of the first sensor.
        second: images of the second sensor; without any there are no partners.
        folder: for aligned images; see `aside`.
        progress: told how far it is.

    Returns:
        What `building.Imagery` takes as partners, and per scene the facts of its pair: scene, partner, days, overlap, aligned.
    """
    images = list(second.images)
    if not images:
        return {}, []
    others = open_scenes(images, second.arrangement, progress=progress)
    name = sensor_names(preset, second.preset)[1]
    sensor = replace(describe_sensor(others, second.preset, second.bands, progress, called=SECOND), name=name)
    sources = [images] if second.arrangement == "bands" else [[image] for image in images]
    chosen, facts = [], []
    written = [scene.path for scene in (*scenes, *others) if scene.date and not scene.acquired]
    if written and len(others) > 1:
        progress.message(f"{WRITTEN_ONLY} ({listed(written, 4)}). It may be another than that of acquisition, and pairs may be wrong: put the day "
                         "into the names of the files, such as 20200621.", level="warning")
    for done, scene in enumerate(scenes):
        found = pair(scene, others, second.most_days)
        part = progress.part(done / len(scenes), (done + 1) / len(scenes))
        other = others[found.index]
        partner = align(sources[found.index], scene.grid, folder, progress=part, like=other)
        facts.append({"scene": scene.name, "partner": other.name, "path": other.path, "days": found.days,
                      "overlap": round(found.overlap, 4), "aligned": partner.path != other.path})
        chosen.append(partner)
    for scene in (*scenes, *others):
        scene.close()
    return {name: (sensor, chosen)}, facts


def days_between(first: str, second: str) -> int | None:
    """Days from one date to another, both ``2020-06-21``; None when one is empty."""
    return (date.fromisoformat(second) - date.fromisoformat(first)).days if first and second else None


def _warp(scene: Scene, grid: Grid, path: Path, resampling: str, progress: Progress) -> None:
    """Warps piece by piece, so that memory stays bounded and the work can be cancelled."""
    kind = np.dtype(scene.dtype)
    stored = np.dtype("float32") if kind.kind == "f" else kind
    nodata = next(iter(scene.nodata_of(0)), None) if stored.kind != "f" else math.nan
    profile = {"driver": "GTiff", "width": grid.width, "height": grid.height, "count": len(scene.band_names), "dtype": stored.name,
               "crs": grid.crs, "transform": rasterio.Affine(*grid.transform), "nodata": nodata, "tiled": True, "blockxsize": 256,
               "blockysize": 256, "compress": "zstd", "zstd_level": 1, "bigtiff": "if_safer", "interleave": "pixel"}
    ratio = [target / own for target, own in zip(grid.metres_per_pixel(), scene.grid.metres_per_pixel(), strict=True)]
    pieces = blocks(grid.window, max(16, min(PIECE, int(math.sqrt(SOURCE_PIXELS) / max(*ratio, 1)))))
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), rasterio.open(path, "w", **profile) as target:
        if scene.conversion is None:  # else the values are those of a dataset, which says what they mean
            target.scales, target.offsets = scene.scales, scene.offsets
        if scene.date:
            target.update_tags(**{"ACQUISITION_DATE" if scene.acquired else "TIFFTAG_DATETIME": scene.date})
        for index, name in enumerate(scene.band_names, 1):
            target.set_band_description(index, name)
        for done, piece in enumerate(pieces):
            progress.at(done / len(pieces), f"Aligning {scene.name}")
            values, valid = _piece(scene, grid, piece, resampling, ratio)
            part = rasterio.windows.Window(piece.col, piece.row, piece.width, piece.height)
            target.write(_storable(values, valid, stored, nodata), window=part)
            target.write_mask(np.where(valid, 255, 0).astype(np.uint8), window=part)


def _piece(scene: Scene, grid: Grid, piece: Window, resampling: str, ratio: list[float]) -> tuple[np.ndarray, np.ndarray]:
    """A window of the target grid: values (band, y, x) as floating-point numbers, and which pixels are valid."""
    wide = np.float32 if np.result_type(scene.dtype, np.float32) == np.float32 else np.float64
    values = np.full((len(scene.band_names), piece.height, piece.width), np.nan, wide)
    window = _source_window(scene.grid, grid, piece, ratio)
    if window is not None:
        read, valid = read_round(scene.read, scene.grid, window)
        read = read.astype(wide)
        read[:, ~valid] = np.nan
        # GDAL would take the scale from each piece and its kernels would differ between them: it is given, the same for all.
        scale = {"XSCALE": min(1 / ratio[0], 1.0), "YSCALE": min(1 / ratio[1], 1.0)}
        reproject(read, values, src_transform=rasterio.Affine(*scene.grid.sub(window).transform), src_crs=scene.grid.crs,
                  src_nodata=np.nan, dst_transform=rasterio.Affine(*grid.sub(piece).transform), dst_crs=grid.crs, dst_nodata=np.nan,
                  resampling=RESAMPLING[resampling], tolerance=TOLERANCE, **scale)
    return values, np.isfinite(values).all(0)


def _source_window(own: Grid, grid: Grid, piece: Window, ratio: list[float]) -> Window | None:
    box = grid.bounds_in(own.crs, piece)
    if not all(math.isfinite(value) for value in box):
        return None
    left, top, right, bottom = own.pixel_box(box)
    x, y = (MARGIN * math.ceil(max(one, 1.0)) for one in ratio)
    col, row = math.floor(left) - x, math.floor(top) - y
    window = Window(col, row, math.ceil(right) + x - col, math.ceil(bottom) + y - row)
    return hull([place for place, _ in own.turned(window)])


def _storable(values: np.ndarray, valid: np.ndarray, dtype: np.dtype, nodata: float | None) -> np.ndarray:
    """Values in the type of the file; an interpolated value must not look like nodata."""
    if dtype.kind == "f":
        return np.where(valid, values, np.nan).astype(dtype)
    limits = np.iinfo(dtype)
    whole = np.where(valid, np.rint(np.where(valid, values, 0)).clip(limits.min, limits.max), 0).astype(dtype)
    if nodata is not None and limits.min <= nodata <= limits.max:
        clash = valid & (whole == nodata)
        whole[clash] = int(nodata) + 1 if nodata < limits.max else int(nodata) - 1
        whole[:, ~valid] = int(nodata)
    return whole


def _box(box: tuple) -> str:
    return " to ".join(f"({x:.6g}, {y:.6g})" for x, y in (box[:2], box[2:]))
