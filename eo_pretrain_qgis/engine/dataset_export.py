"""A dataset written as files that other programs read: GeoTIFF images and label images, or a folder of GeoTIFF for each class."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import rasterio
from rasterio.errors import CRSError, NotGeoreferencedWarning, RasterioIOError

from ..errors import DataError
from ..outputs import failed_write
from ..report import SILENT, Report
from ..tables import write_table
from .datasets.dataset import ADVICE, DROPPED, IGNORE, TILES, ClassInfo, Dataset, SensorInfo
from .datasets.footprints import read_footprints
from .datasets.splitting.division import FARTHEST
from .formats.eurosat import UNLABELLED
from .formats.geotiff_pairs import CLASSES
from .formats.pictures import PIXEL_TAG, PRESET_TAG, SENSOR_TAG
from .formats.samples import long_crs
from .formats.split_lists import TABLE
from .looks.class_style import class_map_qml, colormap, coloured
from .rasters.grid import Grid, Window
from .records import shown

IMAGES, LABELS = "images", "labels"
#: Tiles read at once.
BATCH = 64
#: Letters of a class in the name of its folder.
LONGEST = 60


def export_geotiff(dataset: Dataset, folder: Path, sensor: str = "", split: str = "", report: Report = SILENT) -> int:
    """Writes GeoTIFF: images and label images of tiles, or images in a folder for each class; classes.csv and split.csv beside them.

    Args:
        dataset: of the task "segmentation", "scene" or "patch".
        folder: an empty folder to fill.
        sensor: only the images of this one; empty is all, those of the second and later in images_<name>/.
        split: only samples of this one; empty is all but those dropped between the splits.
        report: progress and messages.

    Returns:
        Number of samples written.

    Raises:
        DataError: a task without such a layout, a sensor or split the dataset does not have, or a full disk.
    """
    sensors = _sensors(dataset, sensor)
    if dataset.task not in ("segmentation", "scene", "patch"):
        raise DataError(f"{dataset.folder} is for the task “{dataset.task}”, which has no layout of GeoTIFF and labels. Choose a dataset of "
                        "tiles or images with one class each.")
    if dataset.task != "segmentation" and len(sensors) > 1:
        listed = ", ".join(info.name for info in sensors)
        raise DataError(f"{dataset.folder} has images of {listed}, and a folder of classes holds those of one. Name it in “Sensor”.")
    indices, names = chosen_tiles(dataset, split, report)
    folders = _class_folders(dataset.classes)
    parts = [IMAGES, *(f"{IMAGES}_{info.name}" for info in sensors[1:]), LABELS] if dataset.task == "segmentation" else folders
    if dataset.task != "segmentation" and (dataset.labels(indices) == IGNORE).any():
        (folder / UNLABELLED[0]).mkdir()
    for place in parts:
        (folder / place).mkdir()
    palette = np.array([*(row.value for row in dataset.classes), *[IGNORE] * (256 - len(dataset.classes))], np.uint8)
    for name, grid, images, label in tiles_of(dataset, indices, names, sensors, report):
        if dataset.task == "segmentation":
            write_tile(folder / LABELS / f"{name}.tif", palette[label][None], grid, nodata=IGNORE, classes=dataset.classes)
            targets = parts[:-1]
        else:
            targets = [folders[int(label)] if label != IGNORE else UNLABELLED[0]]
        for place, info, image in zip(targets, sensors, images, strict=False):
            write_tile(folder / place / f"{name}.tif", image, grid, info, pixel_size=dataset.description["resolution_m"][0])
    write_class_table(folder / CLASSES, dataset.classes, () if dataset.task == "segmentation" else folders)
    write_split_table(folder / TABLE, names, dataset.splits[indices])
    if dataset.task == "segmentation":
        (folder / f"{LABELS}.qml").write_text(class_map_qml(dataset.classes), encoding="utf-8")
    return len(indices)


def chosen_tiles(dataset: Dataset, split: str, report: Report = SILENT) -> tuple[np.ndarray, list[str]]:
    """Indices of the samples to write and the names of their files.

    Raises:
        DataError: when the split is empty.
    """
    indices = dataset.indices(split) if split else np.flatnonzero(dataset.splits != DROPPED)
    if not len(indices):
        raise DataError(f"{dataset.folder} has no samples for {split or 'training, validation or test'}. Choose another split.")
    dropped = int((dataset.splits == DROPPED).sum())
    if dropped and not split:
        report.message(f"{dropped} samples that were dropped between the splits are not written.")
    return indices, [f"tile_{index:06d}" for index in indices]


def tiles_of(dataset: Dataset, indices: np.ndarray, names: Sequence[str], sensors: Sequence[SensorInfo], report: Report = SILENT
             ) -> Iterator[tuple[str, Grid | None, list[np.ndarray], np.ndarray]]:
    """Name, grid, images (band, y, x) by sensor, and label of samples."""
    grids = tile_grids(dataset)
    for first in range(0, len(indices), BATCH):
        part = indices[first:first + BATCH]
        images = [dataset.images(part, info.name) for info in sensors]
        labels = dataset.labels(part)
        for place, index in enumerate(part.tolist()):
            report.progress((first + place) / len(indices), f"Writing {names[first + place]}")
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


def _sensors(dataset: Dataset, name: str) -> list[SensorInfo]:
    if not name:
        return dataset.sensors
    found = [info for info in dataset.sensors if info.name == name]
    if not found:
        raise DataError(f"{dataset.folder} has no sensor “{name}”; it has {', '.join(info.name for info in dataset.sensors)}. "
                        "Choose one of them.")
    return found


def _class_folders(classes: Sequence[ClassInfo]) -> list[str]:
    """Names of the classes as names of folders, all different also where the file system knows no capitals."""
    folders: list[str] = []
    for row in classes:
        plain = re.sub(r"[^\w-]+", "_", row.name).strip("_")[:LONGEST] or f"class_{row.value}"
        taken = {name.lower() for name in (*folders, *UNLABELLED)}
        folders.append(plain if plain.lower() not in taken else f"{plain}_{row.value}")
    return folders


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


