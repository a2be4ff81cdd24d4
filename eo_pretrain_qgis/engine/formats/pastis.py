"""PASTIS and PASTIS-R: patches of France with all dates of a crop year and a class for every pixel.

Sainte Fare Garnot and Landrieu, ICCV 2021 (arXiv 2107.07933): 2,433 patches of 128 × 128 px of 10 m, 38 to 61 dates of Sentinel-2 L2A by Theia
from September 2018 to November 2019, without cloud masks, the ten bands of 10 and 20 m as reflectance · 10000; 18 crops, background and void, which
is for parcels that lie mostly outside their patch (VSainteuf/pastis-benchmark, README.md and documentation/label_names.json). Sainte Fare Garnot,
Landrieu and Chehata, ISPRS J. 187, 2022 (arXiv 2112.07558): Sentinel-1 beside it, ascending and descending, as VV, VH and their ratio in dB.
Of the five official folds the first way to use them is 1 to 3 for training, 4 for validation and 5 for test (VSainteuf/utae-paps,
train_semantic.py).
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import geopandas
import numpy as np

from ...errors import DataError
from ...progress import SILENT, Progress
from ..datasets.dataset import IGNORE, SPLITS, ClassInfo, SensorInfo
from ..datasets.footprints import pixel_boxes
from ..datasets.shards import LABELS, ShardWriter
from ..datasets.splitting.by_group import given_split
from ..datasets.splitting.by_place import Split, gap, split_by_place
from ..datasets.splitting.division import finish
from ..rasters.clouds import CLEAR, FLAG_NAMES, NOT_MEASURED
from ..rasters.grid import Grid
from ..rasters.sensors import PRESETS, name_bands
from ..rasters.series_dates import days_since
from .pastis_files import METADATA, SIZE, SOURCES, Patch, read_classes, read_images, read_patches
from .samples import ImportOptions
from .split_lists import chosen
from .tree import Tree

TITLE = "PASTIS"
LOOKED_FOR = "DATA_S2/S2_….npy, ANNOTATIONS/TARGET_….npy and metadata.geojson (PASTIS)"
PIXEL = 10.0
#: What Theia writes where nothing was measured (CNES, Sentinel-2 L2A product format: -10000); stands for dates that a patch has fewer than others.
NODATA = -10000
#: Day of a date that a patch has not.
NO_DATE = -1
VOID = 19
CLASSES = tuple(ClassInfo(number, name, color) for number, (name, color) in enumerate((
    ("background", "#bdbdbd"), ("meadow", "#aec7e8"), ("soft winter wheat", "#ff7f0e"), ("corn", "#ffbb78"), ("winter barley", "#2ca02c"),
    ("winter rapeseed", "#98df8a"), ("spring barley", "#d62728"), ("sunflower", "#ff9896"), ("grapevine", "#9467bd"), ("beet", "#c5b0d5"),
    ("winter triticale", "#8c564b"), ("winter durum wheat", "#c49c94"), ("fruits, vegetables, flowers", "#e377c2"), ("potatoes", "#f7b6d2"),
    ("leguminous fodder", "#7f7f7f"), ("soybeans", "#c7c7c7"), ("orchard", "#bcbd22"), ("mixed cereal", "#dbdb8d"), ("sorghum", "#17becf"))))
SPLIT_OF_FOLD = {1: SPLITS[0], 2: SPLITS[0], 3: SPLITS[0], 4: SPLITS[1], 5: SPLITS[2]}
GIVEN = "The split is the official one: folds 1 to 3 for training, 4 for validation, 5 for test."


def recognise(tree: Tree) -> bool:
    """Whether there is a folder of patches."""
    return _root(tree) is not None


def write(tree: Tree, folder: Path, options: ImportOptions, progress: Progress = SILENT) -> Split:
    """Writes a dataset of the task "tiles in time": all dates of Sentinel-2, and of Sentinel-1 where its folders are there, as they were published.

    Args:
        tree: the folder, or one folder that holds it.
        folder: an empty folder to fill.
        options: split.
        progress: told how far it is.

    Raises:
        DataError: see `pastis_files`.
    """
    root = _root(tree)
    if root is None:
        raise DataError(f"{tree.path} holds no {LOOKED_FOR}. Choose the folder that holds these.")
    progress.at(0, f"Reading {METADATA}")
    names = tree.children(root)[0]
    sensors = {name: _sensor(name) for name, source in SOURCES.items() if source.folder in names}
    patches, crs = read_patches(tree, root, sensors)
    taken = chosen([patch.name for patch in patches], options.lists, str(tree.path), progress)
    patches = [patch for patch in patches if patch.name in taken]
    year = min(days[0] for patch in patches for days in patch.days.values()).year
    rows, digest, shards = _write_samples(tree, root, folder, patches, list(sensors.values()), year, progress.part(0.02, 0.7))
    tiles = geopandas.GeoDataFrame(rows, geometry=[patch.outline for patch in patches], crs=crs)
    grid = _grid(tiles, crs)
    split = _split(tiles, grid, patches, taken, options, progress.part(0.7, 0.75))
    scene = {"name": tree.path.name, "path": str(tree.path), "files": [], "crs": crs, "transform": list(grid.transform), "width": grid.width,
             "height": grid.height, "date": "", "checksum": f"sha256:{digest}"}
    facts = {"format": "pastis", "first_year": year, "dates": _dates(patches), "flag_names": list(FLAG_NAMES), "kind": "tiles"}
    description = {"task": "tiles in time", "theme": "crops", "facts": facts, "name": options.name, "sensors": list(sensors.values()),
                   "tile_size": SIZE, "stride": SIZE, "resolution_m": [PIXEL, PIXEL], "classes": list(CLASSES), "ignore": IGNORE, "scenes": [scene],
                   "labels": {"path": str(tree.path), "kind": TITLE}, "shards": shards}
    return finish(folder, description, tiles, split, progress.part(0.75, 1))


def _root(tree: Tree) -> str | None:
    """The folder with the arrays of Sentinel-2, and with the labels or the table: the tree itself, or its only folder."""
    names = tree.children()[0]
    for root in ("", *(names if len(names) == 1 else ())):
        folders, files = tree.children(root)
        if SOURCES["s2"].folder in folders and METADATA in files:
            return root
    return None


def _sensor(name: str) -> SensorInfo:
    """The ratio of VV and VH is their difference in dB and says nothing new, so it is left out."""
    if name == "s2":
        bands = PRESETS["sentinel2_l2a"].subsets[SOURCES[name].bands]
        return SensorInfo(name, "sentinel2_l2a", "int16", NODATA, tuple(name_bands("sentinel2_l2a", list(bands))))
    return SensorInfo(name, "sentinel1_db", "float32", None, tuple(name_bands("sentinel1_db", ["VV", "VH"])))


def _write_samples(tree: Tree, root: str, folder: Path, patches: list[Patch], sensors: list[SensorInfo], year: int,
                   progress: Progress) -> tuple[list[dict], str, list[dict]]:
    """Rows of tiles.gpkg, SHA-256 of what was read, and the shards."""
    arrays: dict[str, tuple[tuple[int, ...], str]] = {LABELS: ((SIZE, SIZE), "uint8")}
    for sensor in sensors:
        dates = max(len(patch.days[sensor.name]) for patch in patches)
        days, flags = _extras(sensor, sensors)
        arrays[sensor.name] = ((dates, len(sensor.bands), SIZE, SIZE), sensor.dtype)
        arrays |= {days: ((dates,), "int16"), flags: ((dates, SIZE, SIZE), "uint8")}
    rows, digest = [], hashlib.sha256()
    with ShardWriter(folder, arrays, extra=[name for sensor in sensors for name in _extras(sensor, sensors)]) as writer:
        for done, patch in enumerate(patches):
            progress.at(done / len(patches), f"Reading patch {patch.name}")
            drawn = read_classes(tree, root, patch, VOID + 1)
            digest.update(drawn.tobytes())
            labels = np.where(drawn == VOID, IGNORE, drawn).astype(np.uint8)
            sample, measured = {LABELS: labels}, []
            for sensor in sensors:
                days, flags = _extras(sensor, sensors)
                values, sample[flags] = _values(read_images(tree, root, patch, sensor.name), sensor, arrays[sensor.name][0][0])
                sample[days] = np.full(len(values), NO_DATE, np.int16)
                own = patch.days[sensor.name]
                sample[days][:len(own)] = days_since(own, year)
                sample[sensor.name] = values
                digest.update(values.tobytes())
                measured.append(float((sample[flags][:len(own)] == CLEAR).mean()))
            writer.add(**{name: array[None] for name, array in sample.items()})
            shares = np.bincount(labels.ravel(), minlength=256) / labels.size
            rows.append({"tile": done, "scene": patch.name, "patch": patch.name, "granule": patch.tile, "fold": patch.fold, "col": 0, "row": 0,
                         "valid": round(measured[0], 4), "labelled": round(1 - shares[IGNORE], 4),
                         **{f"share_{row.value}": shares[row.value] for row in CLASSES}})
        return rows, digest.hexdigest(), writer.close()


def _extras(sensor: SensorInfo, sensors: list[SensorInfo]) -> tuple[str, str]:
    """Names of the arrays with days and flags of a sensor, see `Dataset.array_of`."""
    return ("days", "flags") if sensor is sensors[0] else (f"days_{sensor.name}", f"flags_{sensor.name}")


def _values(images: np.ndarray, sensor: SensorInfo, dates: int) -> tuple[np.ndarray, np.ndarray]:
    """Images with so many dates (date, band, y, x), and whether they were measured, as flags (date, y, x)."""
    bands, empty = len(sensor.bands), np.nan if sensor.nodata is None else sensor.nodata
    values = np.full((dates, bands, SIZE, SIZE), empty, sensor.dtype)
    own = values[:len(images)]
    own[:] = images[:, :bands]
    missing = ((own == empty) | (own == 0)).all(1) if sensor.nodata is not None else ~np.isfinite(own).all(1)
    own[np.broadcast_to(missing[:, None], own.shape)] = empty
    flags = np.full((dates, SIZE, SIZE), NOT_MEASURED, np.uint8)
    flags[:len(images)][~missing] = CLEAR
    return values, flags


def _dates(patches: list[Patch]) -> dict[str, list[str]]:
    """The days of each tile and sensor."""
    found: dict[str, set[str]] = {}
    for patch in patches:
        for sensor, days in patch.days.items():
            found.setdefault(f"{patch.tile} {sensor}".strip(), set()).update(day.isoformat() for day in days)
    return {key: sorted(days) for key, days in sorted(found.items())}


def _grid(tiles: geopandas.GeoDataFrame, crs: str) -> Grid:
    """Pixels of the size of a patch's in the CRS of the outlines."""
    west, south, east, north = tiles.total_bounds.tolist()
    bounds = tiles.geometry.bounds
    step = float(np.median(bounds["maxx"] - bounds["minx"])) / SIZE
    return Grid(crs, (step, 0.0, west, 0.0, -step, north), max(1, round((east - west) / step)), max(1, round((north - south) / step)))


def _split(tiles: geopandas.GeoDataFrame, grid: Grid, patches: list[Patch], taken: dict[str, str], options: ImportOptions,
           progress: Progress) -> Split:
    boxes = pixel_boxes(tiles, grid)
    if not options.keep_split:
        counts = tiles[[f"share_{row.value}" for row in CLASSES]].to_numpy() * SIZE**2
        return split_by_place(boxes, counts, SIZE, options.plan, progress)
    split = given_split([taken[patch.name] or SPLIT_OF_FOLD[patch.fold] for patch in patches], GIVEN if options.lists is None else
                        "The split is the one of the lists.")
    split.facts["leakage_distance_px"] = gap(boxes, split.names, SPLITS[0], SPLITS[2])
    return split
