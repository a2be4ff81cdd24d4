"""Another split for the samples of a dataset: by place, by the groups they belong to, or, where nothing is known, at random."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ....errors import DataError
from ....progress import SILENT, Progress
from ...rasters.grid import Grid
from ..dataset import IGNORE, SPLITS, Dataset
from ..footprints import pixel_boxes, read_footprints
from .by_group import random_split, split_by_group
from .by_place import Split, SplitPlan, gap
from .division import copies_for_training, divide_anew, finish, link_samples

#: Ways to divide: by place; whole parcels, polygons or scenes together; at random within each class; the best the dataset allows.
WAYS = ("auto", "place", "parcel", "polygon", "scene", "random")
#: The distance between training and test is measured for at most so many samples.
MEASURED = 200_000


def divide_again(dataset: Dataset, folder: Path, plan: SplitPlan, way: str = "auto", progress: Progress = SILENT) -> Split:
    """Writes a dataset with the same samples and another split; the arrays are linked where the disk allows.

    How is best follows from the task, see `tasks.Task.split_by`: series are divided by parcel, because the pixels of a parcel are nearly copies
    of each other, and patches by the polygon they were cut from; images by place. Samples that do not say where they lie are divided by scene
    where there are several samples of each, else at random.

    Args:
        dataset: of any task.
        folder: an empty folder to fill.
        plan: shares, seed, and for places block size and buffer.
        way: one of `WAYS`.
        progress: also hears warnings.

    Raises:
        DataError: when the dataset lacks what the way asks for, or is too small.
    """
    shares = [f"share_{row.value}" for row in dataset.classes] if dataset.kind.pixelwise else []
    tiles = read_footprints(dataset.folder, shares)
    chosen = _best_way(dataset, tiles) if way == "auto" else way
    if chosen == "place":
        if tiles.geometry.isna().any():
            raise DataError(f"The samples of {dataset.folder} do not say where they lie, so they cannot be divided by place. Divide them by "
                            "scene or at random, or keep the split they have.")
        return divide_anew(dataset, folder, plan, progress)
    counts = class_counts(dataset, tiles)
    if chosen == "random":
        split = random_split(counts, plan, "They were to be divided at random.")
    else:
        split = split_by_group(_groups(dataset, tiles, chosen), counts, plan, f"{chosen}s", progress.part(0, 0.2),
                               classes=[row.name for row in dataset.classes])
    split = copies_for_training(split, tiles)
    _measure(split, dataset, tiles)
    link_samples(dataset, folder, progress.part(0.2, 0.4))
    description = {**dataset.description, "classes": dataset.classes, "sensors": dataset.sensors}
    return finish(folder, description, tiles, split, progress.part(0.4, 1))


def class_counts(dataset: Dataset, tiles) -> np.ndarray:
    """Pixels, or samples, of each class in each sample (n, class); (n,) of 255 where nothing is labelled."""
    if not dataset.classes:
        return np.full(len(dataset), IGNORE)
    if dataset.kind.pixelwise:
        return (tiles[[f"share_{row.value}" for row in dataset.classes]].to_numpy() * dataset.tile_size**2).round()
    return dataset.labels(np.arange(len(dataset)))


def _best_way(dataset: Dataset, tiles) -> str:
    several = "scene" in tiles and 2 < tiles["scene"].nunique() <= len(tiles) / 2
    possible = {"place": not tiles.geometry.isna().any(), "scene": several, "random": True}
    ways = dataset.kind.split_by
    return next((way for way in ways if possible.get(way, way in tiles and not tiles[way].isna().all())), ways[-1])


def _groups(dataset: Dataset, tiles, column: str) -> np.ndarray:
    if column not in tiles or tiles[column].isna().all():
        raise DataError(f"The samples of {dataset.folder} do not say of which {column} they are. Divide them in another way.")
    return tiles[column].astype(str).to_numpy()


def _measure(split: Split, dataset: Dataset, tiles) -> None:
    """Notes how near training and test lie to each other, where that is known."""
    if tiles.geometry.isna().any() or len(tiles) > MEASURED or not dataset.description["scenes"]:
        return
    first = dataset.description["scenes"][0]
    if first["crs"]:
        boxes = pixel_boxes(tiles, Grid(first["crs"], tuple(first["transform"]), first["width"], first["height"]))
        if np.isfinite(boxes).all():
            split.facts["leakage_distance_px"] = gap(boxes, split.names, SPLITS[0], SPLITS[2])
