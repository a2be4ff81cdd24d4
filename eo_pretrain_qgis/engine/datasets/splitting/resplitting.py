"""Another split for the samples of a dataset: by place, by the groups they belong to, or, where nothing is known, at random."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import shapely

from ....errors import DataError
from ....progress import SILENT, Progress
from ...rasters.grid import Grid
from ..dataset import DROPPED, IGNORE, SPLITS, Dataset
from ..footprints import pixel_boxes, read_footprints
from ..subsets import PLACE
from .by_day import asked_days, sample_days, with_test_days
from .by_group import random_split, split_by_group
from .by_place import TOLERANCE, Split, SplitPlan, gap, split_by_place
from .division import copies_for_training, divide_anew, finish, link_samples

#: Ways to divide: by place; whole parcels, polygons or scenes together; at random within each class; the best the dataset allows.
WAYS = ("auto", "place", "parcel", "polygon", "scene", "random")
#: The distance between training and test is measured for at most so many samples.
MEASURED = 200_000


def divide_again(dataset: Dataset, folder: Path, plan: SplitPlan, way: str = "auto", progress: Progress = SILENT, test_days: str = "") -> Split:
    """Writes a dataset with the same samples and another split; the arrays are linked where the disk allows.

    How is best follows from the task, see `tasks.Task.split_by`: series are divided by parcel, because the pixels of a parcel are nearly copies
    of each other, and patches by the polygon they were cut from; images by place. Samples that do not say where they lie are divided by scene
    where there are several samples of each, else at random.

    Args:
        dataset: of any task.
        folder: an empty folder to fill.
        plan: shares, seed, the buffer, which between groups is kept only where it is given, and for places the block size.
        way: one of `WAYS`.
        progress: also hears warnings.
        test_days: all samples of these are the test, and the others are divided into training and validation; see `by_day.asked_days`.

    Raises:
        DataError: when the dataset lacks what the way asks for, or is too small; or see `by_day.asked_days`.
    """
    shares = [f"share_{row.value}" for row in dataset.classes] if dataset.kind.pixelwise else []
    tiles = read_footprints(dataset.folder, shares)
    chosen = _best_way(dataset, tiles) if way == "auto" else way
    if chosen == "place":
        if tiles.geometry.isna().any():
            raise DataError(f"The samples of {dataset.folder} do not say where they lie, so they cannot be divided by place. Divide them by "
                            "scene or at random, or keep the split they have.")
        if not test_days:
            return divide_anew(dataset, folder, plan, progress)
    rest, days = np.arange(len(tiles)), sample_days(dataset, tiles) if test_days else None
    if days is not None:
        held = asked_days(dataset, test_days, days)
        rest, plan = np.flatnonzero((days != "") & ~np.isin(days, held)), replace(plan, test_share=0.0)
    split = _divided(dataset, tiles.iloc[rest], rest, plan, chosen, progress.part(0, 0.2))
    if days is not None:
        split = copies_for_training(with_test_days(split, rest, days, held), tiles)
    _measure(split, dataset, tiles)
    link_samples(dataset, folder, progress.part(0.2, 0.4))
    description = {**dataset.description, "classes": dataset.classes, "sensors": dataset.sensors}
    return finish(folder, description, tiles.drop(columns=PLACE, errors="ignore"), split, progress.part(0.4, 1))


def _divided(dataset: Dataset, tiles, samples: np.ndarray, plan: SplitPlan, chosen: str, progress: Progress) -> Split:
    """Some samples, their rows of tiles.gpkg and positions (n,), divided in the chosen way."""
    counts = class_counts(dataset, tiles, samples)
    if chosen == "place":
        boxes = _boxes(dataset, tiles)
        if boxes is None:
            raise DataError(f"The images of {dataset.folder} have no common grid, so their samples cannot be divided by place. Divide them by scene.")
        many = counts if counts.ndim == 2 else dataset.kind.class_counts(counts, len(dataset.classes))
        return copies_for_training(split_by_place(boxes, many.astype(float), dataset.tile_size, plan, progress), tiles)
    if chosen == "random":
        return copies_for_training(random_split(counts, plan, "They were to be divided at random."), tiles)
    split = split_by_group(_groups(dataset, tiles, chosen), counts, plan, f"{chosen}s", progress, classes=[row.name for row in dataset.classes])
    split = copies_for_training(split, tiles)
    return _apart(split, dataset, tiles, plan.buffer) if plan.buffer else split


def class_counts(dataset: Dataset, tiles, samples: np.ndarray) -> np.ndarray:
    """Pixels, or samples, of each class in some samples, whose rows of tiles.gpkg and positions are given (n, class); (n,) of 255 where nothing is
    labelled.
    """
    if not dataset.classes:
        return np.full(len(samples), IGNORE)
    if dataset.kind.pixelwise:
        return (tiles[[f"share_{row.value}" for row in dataset.classes]].to_numpy() * dataset.tile_size**2).round()
    return dataset.labels(samples)


def _best_way(dataset: Dataset, tiles) -> str:
    several = "scene" in tiles and 2 < tiles["scene"].nunique() <= len(tiles) / 2
    possible = {"place": not tiles.geometry.isna().any(), "scene": several, "random": True}
    ways = dataset.kind.split_by
    return next((way for way in ways if possible.get(way, way in tiles and not tiles[way].isna().all())), ways[-1])


def _groups(dataset: Dataset, tiles, column: str) -> np.ndarray:
    if column not in tiles or tiles[column].isna().all():
        raise DataError(f"The samples of {dataset.folder} do not say of which {column} they are. Divide them in another way.")
    return tiles[column].astype(str).to_numpy()


def _apart(split: Split, dataset: Dataset, tiles, gap_px: int) -> Split:
    """Drops training samples that lie nearer than a gap to one of validation or test.

    Raises:
        DataError: samples do not say where they lie, or none is left for training.
    """
    boxes = _boxes(dataset, tiles)
    if boxes is None:
        raise DataError(f"The samples of {dataset.folder} do not say where they lie, so no gap can be kept between them. Leave the buffer empty.")
    # GEOS finds nothing near a box without an area.
    shapes = shapely.points(boxes[:, :2]) if (boxes[:, :2] == boxes[:, 2:]).all() else shapely.box(*boxes.T)
    training, others = np.flatnonzero(split.names == SPLITS[0]), np.flatnonzero(np.isin(split.names, SPLITS[1:]))
    near = np.unique(shapely.STRtree(shapes[others]).query(shapes[training], predicate="dwithin", distance=gap_px - TOLERANCE)[0])
    if len(near) == len(training):
        raise DataError(f"No training sample of {dataset.folder} lies {gap_px} px or more from all of validation and test. Choose a smaller buffer.")
    names = split.names.astype(object)
    names[training[near]] = DROPPED
    counts = [int((names == part).sum()) for part in SPLITS]
    return Split(names.astype(str), {**split.facts, "buffer_px": gap_px, "dropped_tiles": int((names == DROPPED).sum()),
                                     "shares": [round(count / sum(counts), 4) for count in counts],
                                     "text": f"{split.facts['text']} {len(near)} training samples nearer than {gap_px} px to validation or test are "
                                             "dropped."})


def _boxes(dataset: Dataset, tiles) -> np.ndarray | None:
    """Where samples lie in pixels of the first scene (n, 4); None where one does not say."""
    if tiles.geometry.isna().any() or not dataset.description["scenes"] or not dataset.description["scenes"][0]["crs"]:
        return None
    first = dataset.description["scenes"][0]
    boxes = pixel_boxes(tiles, Grid(first["crs"], tuple(first["transform"]), first["width"], first["height"]))
    return boxes if np.isfinite(boxes).all() else None


def _measure(split: Split, dataset: Dataset, tiles) -> None:
    """Notes how near training and test lie to each other, where that is known."""
    boxes = _boxes(dataset, tiles) if len(tiles) <= MEASURED else None
    if boxes is not None:
        split.facts["leakage_distance_px"] = gap(boxes, split.names, SPLITS[0], SPLITS[2])
