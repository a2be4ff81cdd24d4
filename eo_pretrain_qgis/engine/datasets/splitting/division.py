"""The last step of making a dataset: tiles are split by place, the training part measured, everything described."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import geopandas
import numpy as np

from ....errors import DataError, listed
from ....progress import SILENT, Progress
from ...rasters.grid import Grid
from ...tasks import task_named
from ..dataset import DROPPED, SPLITS, TILES, Dataset, numbers, write_description
from ..footprints import pixel_boxes, read_footprints, write_footprints
from ..record import label_array
from ..shards import Shards
from ..statistics import band_statistics
from ..subsets import PLACE, set_aside, subset_names
from .by_place import Split, SplitPlan, split_by_place

#: Training samples of which a network can make one batch of the usual size.
BATCH = 16
#: Training samples that are enough for a network: three batches.
ENOUGH = 3 * BATCH
#: Samples whose labels are counted at once.
AT_ONCE = 256
#: Words that tell in the text of a split that some samples are in none.
SAID = "named subsets"
#: Pixels lie no farther than this from the first of their grid: the Earth measures 4·10⁹ pixels of 1 cm.
FARTHEST = 1e10


def divide(folder: str | Path, description: dict, tiles: geopandas.GeoDataFrame, plan: SplitPlan, progress: Progress = SILENT,
           settled: Callable[[dict, Progress], dict] | None = None) -> Split:
    """Splits the tiles whose arrays lie in `folder` by place and writes tiles.gpkg and dataset.json.

    Args:
        folder: holds the arrays.
        description: the keys of `dataset_record.DatasetRecord` except split, statistics and class_pixels.
        tiles: footprints with the columns tile, scene, col, row, valid, labelled and share_<class value>, in the order of the arrays.
        plan: how to split.
        progress: told how far it is.
        settled: see `finish`.
    """
    _check_places(description, tiles)
    first, size = description["scenes"][0], description["tile_size"]
    grid = Grid(first["crs"], tuple(first["transform"]), first["width"], first["height"])
    boxes = pixel_boxes(tiles, grid)
    _check_reach(boxes, description)
    split = split_by_place(boxes, _class_pixels(Path(folder), description, tiles), size, plan, progress.part(0, 0.4))
    split = copies_for_training(split, tiles)
    return finish(folder, description, tiles.drop(columns=PLACE, errors="ignore"), split, progress.part(0.4, 1), settled)


def finish(folder: str | Path, description: dict, tiles: geopandas.GeoDataFrame, split: Split, progress: Progress = SILENT,
           settled: Callable[[dict, Progress], dict] | None = None) -> Split:
    """Measures the training samples and writes tiles.gpkg and dataset.json, the last step of every dataset.

    Args:
        folder: holds the arrays, as `ShardWriter` wrote them.
        description: the keys of `dataset_record.DatasetRecord` except split, statistics and class_pixels.
        tiles: a row per sample, in the order of the arrays, with at least the column scene; tile, weight and split are filled in here.
            Segmentation needs the columns share_<class value>. Where there is no place the geometry is null. Those with a name in the column
            subset are kept out of training, validation and test, see `subsets`.
        split: which sample goes where.
        progress: also hears warnings about classes that are missing from a split.
        settled: gives the description with what was still being computed beside the split, right before it is written.
    """
    split, tiles = _without_subsets(_without_copies(split, tiles), tiles, description["name"])
    pixels = _class_pixels(Path(folder), description, tiles)
    shards = Shards(folder, description["shards"])
    statistics = {}
    for number, sensor in enumerate(description["sensors"]):
        training = np.flatnonzero((split.names == SPLITS[0]) & shards.holding(sensor.name))
        part = progress.part(number / len(description["sensors"]), (number + 1) / len(description["sensors"]))
        statistics[sensor.name] = band_statistics(shards, training, sensor, part)
    numbered = tiles.assign(tile=np.arange(len(tiles)), weight=tiles.get("weight", 1.0), split=split.names)
    write_footprints(Path(folder) / TILES, numbered)
    complete = settled(description, progress) if settled else description
    targets = _targets(Path(folder), complete, split, progress)
    write_description(folder, {**complete, "targets": targets, "split": split.facts, "statistics": statistics, "class_pixels": {
        name: pixels[split.names == name].sum(0).astype(int).tolist() for name in SPLITS}})
    if split.facts["text"]:  # of samples that join others it is empty, see `SplitPlan`
        _warn(split, pixels, tiles, description, progress)
    return split


def divide_anew(dataset: Dataset, folder: Path, plan: SplitPlan, progress: Progress = SILENT) -> Split:
    """Writes a dataset with the same samples and another split by place; the arrays are linked where the disk allows, else copied."""
    link_samples(dataset, folder, progress.part(0, 0.3))
    description = {**dataset.description, "classes": dataset.classes, "sensors": dataset.sensors}
    return divide(folder, description, read_footprints(dataset.folder), plan, progress.part(0.3, 1))


def copies_for_training(split: Split, tiles: geopandas.GeoDataFrame) -> Split:
    """A split in which flipped and turned copies of samples (column augmented) only train; in a test they would count some ground twice."""
    if "augmented" not in tiles:
        return split
    outside = (numbers(tiles, "augmented", TILES) > 0) & ~np.isin(split.names, (SPLITS[0], DROPPED))
    if not outside.any():
        return split
    names = np.where(outside, DROPPED, split.names)
    kept = [int((names == part).sum()) for part in SPLITS]
    return Split(names, {**split.facts, "dropped_tiles": int((names == DROPPED).sum()),
                         "shares": [round(count / max(sum(kept), 1), 4) for count in kept],
                         "text": f"{split.facts['text']} Of validation and test {int(outside.sum())} augmented copies were dropped."})


def link_samples(dataset: Dataset, folder: Path, progress: Progress = SILENT) -> None:
    """Puts the arrays of a dataset into another folder, linked where the disk allows, else copied."""
    # plain names, each of which stands once: nothing outside the folder is read or written
    files = [*dataset.shards.files(), *dataset.shards.sums()]
    for done, name in enumerate(files):
        progress.at(done / len(files), "Linking the samples")
        source = (dataset.folder / name).resolve()  # of a link within the folder the file, which the copy has, too
        try:
            os.link(source, folder / name)
        except OSError:  # another disk, or a file system without hard links
            shutil.copyfile(source, folder / name)


def _without_copies(split: Split, tiles: geopandas.GeoDataFrame) -> Split:
    """Flipped or turned copies of samples (column augmented) are for training only."""
    if "augmented" not in tiles:
        return split
    copies = (numbers(tiles, "augmented", TILES) > 0) & (split.names != SPLITS[0])
    return Split(np.where(copies, DROPPED, split.names), split.facts)


def _without_subsets(split: Split, tiles: geopandas.GeoDataFrame, name: str) -> tuple[Split, geopandas.GeoDataFrame]:
    """Samples of named subsets leave all splits; the column subset_split keeps of which of them their place is.

    Raises:
        DataError: there is no other sample.
    """
    aside = set_aside(tiles)
    if not aside.any():
        return split, tiles
    if aside.all():
        raise DataError(f"All {len(tiles)} samples of {name} are of the named subsets {listed(subset_names(tiles))}, so none is left to learn from. "
                        "Add other samples.")
    before = np.where(tiles[PLACE].isna(), None, tiles[PLACE].astype(object)) if PLACE in tiles else np.full(len(tiles), None)
    tiles = tiles.assign(**{PLACE: np.where(aside & np.isin(split.names, SPLITS), split.names, before)})
    names = np.where(aside, DROPPED, split.names)
    kept = [int((names == part).sum()) for part in SPLITS]
    text = split.facts["text"]
    if SAID not in text:  # samples were added to a dataset that says so
        text += (f" Without the {int(aside.sum())} samples of the {SAID} {listed(subset_names(tiles))}, which are measured by name alone, that "
                 f"leaves {kept[0]} for training, {kept[1]} for validation and {kept[2]} for test.")
    return Split(names, {**split.facts, "shares": [round(count / max(sum(kept), 1), 4) for count in kept], "text": text}), tiles


def _class_pixels(folder: Path, description: dict, tiles: geopandas.GeoDataFrame) -> np.ndarray:
    """Pixels of each class in each tile (n, class); of images and series with one label each, 1 where they are of the class."""
    classes, size = description["classes"], description["tile_size"]
    if not classes:
        return np.zeros((len(tiles), 0))
    kind = task_named(description["task"])
    if kind.pixelwise:
        return (np.stack([numbers(tiles, f"share_{row.value}", folder / TILES) for row in classes], 1) * size**2).round()
    labels = Shards(folder, description["shards"]).labels(np.arange(len(tiles)))
    return kind.class_counts(labels, len(classes)).astype(np.uint8)  # 0 or 1, of up to a million samples and 254 classes


def _targets(folder: Path, description: dict, split: Split, progress: Progress) -> list[dict]:
    """The targets beside the main one, each with its pixels, or samples, of each class in each split.

    Raises:
        DataError: no training sample has a label of one of them.
    """
    kind, shards, found = task_named(description["task"]), Shards(folder, description["shards"]), []
    for number, target in enumerate(description.get("targets", ()), 1):
        counts = {}
        for part in SPLITS:
            own, sums = np.flatnonzero(split.names == part), np.zeros(len(target["classes"]), np.int64)
            for start in range(0, len(own), AT_ONCE):
                progress.at(0.99, f"Counting the labels of {target['name']}")
                sums += kind.class_counts(shards.array(label_array(number), own[start:start + AT_ONCE]), len(sums)).sum(0, dtype=np.int64)
            counts[part] = sums.tolist()
        if not any(counts[SPLITS[0]]):
            raise DataError(f"No training sample of {description['name']} has a label of the target “{target['name']}”, so nothing can learn it. "
                            "Leave it out of “Further targets”, or label more polygons with it.")
        found.append({**target, "class_pixels": counts})
    return found


def _check_places(description: dict, tiles: geopandas.GeoDataFrame) -> None:
    if tiles.geometry.isna().any() or not description["scenes"]:
        raise DataError(f"The dataset {description['name']} has samples without coordinates, so it cannot be split by place. "
                        "Keep the split it has.")


def _check_reach(boxes: np.ndarray, description: dict) -> None:
    if not (np.abs(boxes) < FARTHEST).all():  # nor is a number that is none
        names = ", ".join(scene["name"] for scene in description["scenes"][:3])
        raise DataError(f"The images {names} lie too far apart to be split in the coordinate system of the first. "
                        "Reproject them to one CRS, such as EPSG:4326, or make a dataset of each.")


def _warn(split: Split, pixels: np.ndarray, tiles: geopandas.GeoDataFrame, description: dict, progress: Progress) -> None:
    progress.message(split.facts["text"])
    kind, names = task_named(description["task"]), [row.name for row in description["classes"]]
    what = "pixel" if kind.pixelwise else "sample"
    for part in SPLITS:
        mine = pixels[split.names == part].sum(0)
        absent = [name for name, count in zip(names, mine, strict=True) if not count]
        if absent and (split.names == part).any():
            progress.message(f"No {part} {what} is of the class {', '.join(absent)}.", level="warning")
    training = int((split.names == SPLITS[0]).sum())
    smaller = f"choose {kind.lose_fewer}{'' if kind.dates else ' or a smaller stride'}, " if kind.unit != "images" else ""
    if training < ENOUGH and training < len(split.names):  # where nothing else is kept, as of tiles to be added, few may be meant
        few = f"the {BATCH} of a batch, so a network can hardly learn" if training < BATCH else f"the {ENOUGH} that are wanted for a network"
        progress.message(f"{kind.unit.capitalize()} for training: {training}, fewer than {few}. Give more images or labels, {smaller}or give "
                         "validation and test smaller shares.", level="warning" if training < BATCH else "info")
    lost = ((split.names == DROPPED) & ~set_aside(tiles)).mean()
    if lost > 0.4:
        progress.message(f"{lost:.0%} of the {kind.unit} were dropped to keep training and test apart: {kind.lose_fewer} would lose fewer.",
                         level="warning")
