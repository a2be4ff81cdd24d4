"""Tiles of a dataset written as GeoTIFF, with their places, classes and split; what every layout of tiles uses."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import rasterio
from rasterio.errors import CRSError, NotGeoreferencedWarning, RasterioIOError

from ...errors import DataError
from ...outputs import failed_write
from ...progress import SILENT, Progress
from ...tables import write_table
from ..datasets.dataset import ADVICE, DROPPED, TILES, ClassInfo, Dataset, SensorInfo
from ..datasets.footprints import read_footprints
from ..datasets.splitting.division import FARTHEST
from ..looks.class_style import colormap, coloured
from ..rasters.grid import Grid, Window
from ..records import shown
from .pictures import PIXEL_TAG, PRESET_TAG, SENSOR_TAG
from .samples import long_crs

IMAGES, LABELS = "images", "labels"
#: Tiles read at once.
BATCH = 64




def chosen_tiles(dataset: Dataset, split: str, progress: Progress = SILENT) -> tuple[np.ndarray, list[str]]:
    """Indices of the samples to write and the names of their files.

    Raises:
        DataError: when the split is empty.
    """
    indices = dataset.indices(split) if split else np.flatnonzero(dataset.splits != DROPPED)
    if not len(indices):
        raise DataError(f"{dataset.folder} has no samples for {split or 'training, validation or test'}. Choose another split.")
    dropped = int((dataset.splits == DROPPED).sum())
    if dropped and not split:
        progress.message(f"{dropped} samples that were dropped between the splits or are of named subsets are not written.")
    return indices, [f"tile_{index:06d}" for index in indices]


def tiles_of(dataset: Dataset, indices: np.ndarray, names: Sequence[str], sensors: Sequence[SensorInfo], progress: Progress = SILENT
             ) -> Iterator[tuple[str, Grid | None, list[np.ndarray], np.ndarray]]:
    """Name, grid, images (band, y, x) by sensor, and label of samples."""
    grids = tile_grids(dataset)
    for first in range(0, len(indices), BATCH):
        part = indices[first:first + BATCH]
        images = [dataset.images(part, info.name) for info in sensors]
        labels = dataset.labels(part)
        for place, index in enumerate(part.tolist()):
            progress.at((first + place) / len(indices), f"Writing {names[first + place]}")
            yield names[first + place], grids[index], [own[place] for own in images], labels[place]


def tile_grids(dataset: Dataset) -> list[Grid | None]:
    """Where the pixels of each sample lie, in its own CRS; None where that is not known.

    Imported samples keep their own grid in tiles.gpkg; cut ones lie on the grid of their scene, of several scenes of one name on that
    whose window their footprint agrees with; of others the footprint tells.
    """
    tiles, size = read_footprints(dataset.folder), dataset.tile_size
    scenes: dict[str, list[Grid]] = {}
    for row in dataset.description["scenes"]:
        if row.get("crs"):
            scenes.setdefault(row["name"], []).append(Grid(row["crs"], tuple(row["transform"]), row["width"], row["height"]))
    own = _own_grids(dataset) if {"crs", "left", "top", "pixel_x", "pixel_y"} <= set(tiles) else [None] * len(tiles)
    cut_from = tiles["scene"].tolist() if {"scene", "col", "row"} <= set(tiles) else [None] * len(tiles)
    if any(name in scenes for name in cut_from):
        for name in ("col", "row"):
            dataset.column(name)
    grids: list[Grid | None] = []
    crs = tiles.crs.to_wkt() if tiles.crs else ""
    for grid, scene, row in zip(own, cut_from, tiles.itertuples(), strict=True):
        box = row.geometry.bounds if row.geometry is not None and row.geometry.area > 0 else None
        if grid or box is None:
            grids.append(grid)
        elif scene not in scenes:
            grids.append(_of_box(box, crs, size))
        else:
            window = Window(int(row.col), int(row.row), size, size)
            cut = [whole.sub(window) for whole in scenes[scene]]
            grids.append(next((grid for grid in cut if len(cut) == 1 or _agrees(grid, box, crs)), None) or _of_box(box, crs, size))
    return grids


def _own_grids(dataset: Dataset) -> list[Grid | None]:
    """The grids that imported samples keep in tiles.gpkg; None for samples without a place."""
    fields, size = ("pixel_x", "left", "pixel_y", "top"), dataset.tile_size
    grids: list[Grid | None] = []
    for crs, *place in dataset.tiles[["crs", *fields]].itertuples(index=False):
        if not isinstance(crs, str) or not crs:
            grids.append(None)
            continue
        try:
            x, left, y, top = map(float, place)
            if not (np.isfinite((left, top)).all() and min(abs(x), abs(y)) > 0 and max(abs(x), abs(y)) < FARTHEST):
                raise ValueError
            grids.append(Grid(_wkt(crs), (x, 0.0, left, 0.0, y, top), size, size))
        except (ValueError, TypeError, CRSError):
            raise DataError(f"{dataset.folder / TILES} does not say where the sample {len(grids)} lies: its fields crs, {', '.join(fields)} hold "
                            f"{', '.join(map(shown, (crs, *place)))}. {ADVICE}") from None
    return grids


@lru_cache
def _wkt(text: str) -> str:
    """The WKT of a CRS in tiles.gpkg."""
    wkt = long_crs(text)
    rasterio.crs.CRS.from_wkt(wkt)
    return wkt


def write_tile(path: Path, values: np.ndarray, grid: Grid | None, sensor: SensorInfo | None = None, nodata: float | None = None,
               classes: Sequence[ClassInfo] = (), pixel_size: float | None = None) -> None:
    """Writes a small GeoTIFF.

    Args:
        path: the file.
        values: (band, y, x).
        grid: where it lies; None leaves the place out.
        sensor: whose bands; their names, units, scales, offsets and wavelengths are kept in the file.
        nodata: for label images; those of a sensor have its own.
        classes: of a label image, for its colour table.
        pixel_size: [m], kept in images that lie nowhere.

    Raises:
        DataError: when the disk is full.
    """
    if sensor is not None:
        nodata = sensor.nodata if sensor.nodata is not None or values.dtype.kind != "f" else np.nan
    profile = {"driver": "GTiff", "count": len(values), "height": values.shape[1], "width": values.shape[2], "dtype": values.dtype.name,
               "nodata": nodata, "compress": "deflate", "predictor": 3 if values.dtype.kind == "f" else 2}
    if grid is not None:
        profile.update(crs=rasterio.crs.CRS.from_wkt(grid.crs), transform=rasterio.Affine(*grid.transform))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            with rasterio.open(path, "w", **profile) as target:
                if sensor is not None:
                    _describe(target, sensor)
                if grid is None and pixel_size:
                    target.update_tags(**{PIXEL_TAG: str(pixel_size)})
                target.write(values)
                if classes:
                    target.write_colormap(1, colormap(classes))
    except RasterioIOError as failure:
        raise failed_write(failure, path) from failure


def write_class_table(path: Path, classes: Sequence[ClassInfo], folders: Sequence[str] = ()) -> None:
    """Writes classes.csv: value, name, color, and for scene classes the folder."""
    write_table(path, [("value", "name", "color", *(("folder",) if folders else ())),
                       *((row.value, row.name, row.color, *((folders[position],) if folders else ()))
                         for position, row in enumerate(coloured(classes)))])


def write_split_table(path: Path, names: Sequence[str], splits: np.ndarray) -> None:
    """Writes split.csv: name, split."""
    write_table(path, [("name", "split"), *zip(names, splits.tolist(), strict=True)])






def _describe(target: rasterio.io.DatasetWriter, sensor: SensorInfo) -> None:
    target.update_tags(**{PRESET_TAG: sensor.preset, SENSOR_TAG: sensor.name})
    target.scales = [band.scale for band in sensor.bands]
    target.offsets = [band.offset for band in sensor.bands]
    for index, band in enumerate(sensor.bands, 1):
        target.set_band_description(index, band.name)
        target.set_band_unit(index, "" if band.unit == "unknown" else band.unit)
        if band.wavelength_um is not None:
            target.update_tags(index, ns="IMAGERY", CENTRAL_WAVELENGTH_UM=str(band.wavelength_um))


def _agrees(grid: Grid, box: tuple, crs: str) -> bool:
    """Whether a grid covers a box in another CRS, but for the turn between both."""
    tolerance = 0.05 * max(box[2] - box[0], box[3] - box[1])
    return any(all(abs(one - other) < tolerance for one, other in zip(own, box, strict=True)) for own in grid.boxes_in(crs))


def _of_box(box: tuple, crs: str, size: int) -> Grid | None:
    if not crs:
        return None
    x, y = (box[2] - box[0]) / size, (box[3] - box[1]) / size
    return Grid(crs, (x, 0.0, box[0], 0.0, -y, box[3]), size, size)
