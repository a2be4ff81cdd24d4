"""The last step of making a dataset: tiles are split by place, the training part measured, everything described."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import geopandas
import numpy as np

from ..errors import DataError
from ..report import SILENT, Report
from .dataset import DROPPED, SPLITS, TILES, ClassInfo, Dataset, write_description
from .footprints import pixel_boxes, read_footprints, write_footprints
from .grid import Grid
from .shards import Shards
from .splits import Split, SplitPlan, split_by_place
from .statistics import band_statistics


def divide(folder: str | Path, description: dict, tiles: geopandas.GeoDataFrame, plan: SplitPlan, report: Report = SILENT) -> Split:
    """Splits the tiles whose arrays lie in `folder` and writes tiles.gpkg and dataset.json.

    Args:
        folder: holds the arrays.
        description: the keys of `dataset.KEYS` except split, statistics and class_pixels.
        tiles: footprints with the columns tile, scene, col, row, valid, labelled and share_<class value>, in the order of the arrays.
        plan: how to split.
        report: progress.
    """
    first, size = description["scenes"][0], description["tile_size"]
    grid = Grid(first["crs"], tuple(first["transform"]), first["width"], first["height"])
    pixels = _class_pixels(tiles, description["classes"], size)
    boxes = pixel_boxes(tiles, grid)
    _check_reach(boxes, description)
    split = split_by_place(boxes, pixels, size, plan, report.part(0, 0.4))
    sensors, shards = description["sensors"], Shards(folder, description["shards"])
    training = np.flatnonzero(split.names == SPLITS[0])
    statistics = {sensor.name: band_statistics(shards, training, sensor, report.part(0.4, 1)) for sensor in sensors}
    write_footprints(Path(folder) / TILES, tiles.assign(split=split.names))
    write_description(folder, {**description, "split": split.facts, "statistics": statistics, "class_pixels": {
        name: pixels[split.names == name].sum(0).astype(int).tolist() for name in SPLITS}})
    _warn(split, pixels, [row.name for row in description["classes"]], report)
    return split


def divide_anew(dataset: Dataset, folder: Path, plan: SplitPlan, report: Report = SILENT) -> Split:
    """Writes a dataset with the same samples and another split; the arrays are linked where the disk allows, else copied."""
    files = dataset.shards.files()
    for done, name in enumerate(files):
        report.progress(0.3 * done / len(files), "Linking the samples")
        try:
            os.link(dataset.folder / name, folder / name)
        except OSError:  # another disk, or a file system without hard links
            shutil.copyfile(dataset.folder / name, folder / name)
    description = {**dataset.description, "classes": dataset.classes, "sensors": dataset.sensors}
    return divide(folder, description, read_footprints(dataset.folder), plan, report.part(0.3, 1))


def _class_pixels(tiles: geopandas.GeoDataFrame, classes: list[ClassInfo], size: int) -> np.ndarray:
    """Pixels of each class in each tile (n, class)."""
    shares = [tiles[f"share_{row.value}"].to_numpy() for row in classes]
    return (np.stack(shares, 1) * size**2).round() if shares else np.zeros((len(tiles), 0))


def _check_reach(boxes: np.ndarray, description: dict) -> None:
    if not np.isfinite(boxes).all():
        names = ", ".join(scene["name"] for scene in description["scenes"][:3])
        raise DataError(f"The images {names} lie too far apart to be split in the coordinate system of the first. "
                        "Reproject them to one CRS, such as EPSG:4326, or make a dataset of each.")


def _warn(split: Split, pixels: np.ndarray, names: list[str], report: Report) -> None:
    report.message(split.facts["text"])
    for part in SPLITS:
        mine = pixels[split.names == part].sum(0)
        absent = [name for name, count in zip(names, mine, strict=True) if not count]
        if absent and (split.names == part).any():
            report.message(f"No {part} pixel is of the class {', '.join(absent)}.", level="warning")
    lost = (split.names == DROPPED).mean()
    if lost > 0.4:
        report.message(f"{lost:.0%} of the tiles were dropped to keep training and test apart. Smaller tiles lose fewer.", level="warning")

