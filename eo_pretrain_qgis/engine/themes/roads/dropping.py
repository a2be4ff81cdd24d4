"""Whole ways taken out of the training labels, to see what a model learns from a map that lacks them: roads, or the map.

A model that learned what roads look like finds the ways that were taken out, as others of their kind; one that learned the map leaves them out.
Validation and test keep all ways.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np

from ....progress import SILENT, Progress
from ...datasets.dataset import IGNORE, SPLITS, Dataset, write_description
from ...datasets.footprints import read_footprints, write_footprints
from ...datasets.source_images import window_of
from ...rasters.grid import Grid
from .labels import RoadLabels
from .ways import Roads


def drop_ways(folder: Path, labels: RoadLabels, percent: float, seed: int, progress: Progress = SILENT) -> dict[str, Any]:
    """Draws the training labels of a dataset anew without some of the ways.

    Args:
        folder: of the dataset, which is complete.
        labels: that drew it.
        percent: of the drawn ways that are taken out.
        seed: of the draw.
        progress: told how far it is.

    Returns:
        What was taken out, as plain values: percent, seed, ways and of how many.
    """
    dataset = Dataset.open(folder)
    lost = dropped_ways(labels.roads, percent, seed)
    thin = copy.copy(labels)  # without what was worked out for all ways
    thin.roads = without(labels.roads, lost)
    training, pixels = dataset.indices(SPLITS[0]), np.zeros((len(dataset), len(dataset.classes)), np.int64)
    layers = [name for name in ("shares",) if name in dataset.shards.extras()]
    for done, tile in enumerate(training):
        progress.at(done / len(training), "Taking ways out of the training labels")
        where = np.array([tile])
        facts = next(row for row in dataset.description["scenes"] if row["name"] == dataset.tiles["scene"].iloc[tile])
        grid, window = Grid(facts["crs"], tuple(facts["transform"]), facts["width"], facts["height"]), window_of(dataset, int(tile))
        valid = dataset.sensors[0].valid(dataset.images(where))[0]
        drawn = np.where(valid, thin.read(grid, window), np.uint8(IGNORE))
        dataset.shards.write("labels", int(tile), drawn)
        for name in layers:
            dataset.shards.write(name, int(tile), thin.shares(grid, window) * valid)  # type: ignore[attr-defined]
        pixels[tile] = dataset.kind.class_counts(drawn[None], len(dataset.classes))[0]
    dataset.shards.release()
    told = {"percent": percent, "seed": seed, "ways": int(lost.sum()), "of": int(labels.roads.drawn.sum())}
    _describe(dataset, training, pixels, told)
    progress.message(f"{told['ways']} of {told['of']} ways were taken out of the training labels; validation and test have them.")
    return told


def dropped_ways(roads: Roads, percent: float, seed: int) -> np.ndarray:
    """Which lines are taken out, bool (n,): so many of those that are drawn, rounded, but never all of them.

    Of two percentages the smaller takes out some of the larger.
    """
    drawn = np.flatnonzero(roads.drawn)
    lost = np.zeros(len(roads.drawn), bool)
    count = min(round(len(drawn) * percent / 100), max(0, len(drawn) - 1))
    lost[np.random.default_rng(seed).permutation(drawn)[:count]] = True
    return lost


def without(roads: Roads, lost: np.ndarray) -> Roads:
    """The same without some lines, bool (n,)."""
    return Roads.of(roads.path, roads.lines[~lost], roads.crs, roads.widths[~lost], roads.drawn[~lost], roads.facts)


def _describe(dataset: Dataset, training: np.ndarray, pixels: np.ndarray, told: dict[str, Any]) -> None:
    """Tells what the training labels are now, in tiles.gpkg and dataset.json."""
    tiles, area = read_footprints(dataset.folder), dataset.tile_size**2
    for position, entry in enumerate(dataset.classes):
        tiles.loc[training, f"share_{entry.value}"] = pixels[training, position] / area
    if "labelled" in tiles:
        tiles.loc[training, "labelled"] = (pixels[training].sum(1) / area).round(4)
    write_footprints(dataset.folder / "tiles.gpkg", tiles)
    said = dataset.description
    counts = {**said["class_pixels"], SPLITS[0]: pixels[training].sum(0).tolist()}
    write_description(dataset.folder, {**said, "classes": dataset.classes, "sensors": dataset.sensors, "class_pixels": counts,
                                       "facts": {**said["facts"], "training_without": told}})
