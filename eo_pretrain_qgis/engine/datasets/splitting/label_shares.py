"""A share of the training labels: stratified by class, drawn with a seed, each share part of every larger one.

A class of which a share holds a handful of pixels cannot be learned, and its score is chance. So every class keeps a minimum, and a small
share may be larger than was asked for: what it is in truth is told beside it, see `real_share`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from ...cards import IGNORE

if TYPE_CHECKING:
    from ..dataset import Dataset

CHUNK = 256  # tiles whose labels are read at once
#: The shares the literature reports, percent.
SHARES = (1, 5, 10, 50, 100)
#: Labelled pixels that every share keeps of each class that has so many, else all it has; of labels of whole tiles it is one tile.
FEWEST_PIXELS, FEWEST_TILES = 100, 1


def training_share(dataset: Dataset, percent: float, seed: int) -> np.ndarray:
    """The training tiles whose labels may be used, see `labelled_share`; where a tile has one class, only those that have one, of any target."""
    return labelled_share(dataset, with_label(dataset, dataset.indices("training")), percent, seed)


def with_label(dataset: Dataset, tiles: np.ndarray) -> np.ndarray:
    """Those of `tiles` that have a class, of any target, where each has one; else all."""
    if dataset.kind.axes != "" or not len(tiles):
        return tiles
    return tiles[np.any([one.labels(tiles) != IGNORE for one in dataset.each_target()], axis=0)]


def labelled_share(dataset: Dataset, tiles: np.ndarray, percent: float, seed: int) -> np.ndarray:
    """Those of `tiles` whose labels may be used, in ascending order.

    Tiles are stratified by their class or, where they show several, by the rarest class they show; of each stratum at least one tile is kept. So
    many tiles come first in every share that each class has `FEWEST_PIXELS` labelled pixels, or all there are.

    Args:
        dataset: with labels.
        tiles: positions of the training tiles, int64 (n,).
        percent: of the tiles, above 0 to 100.
        seed: decides which; with the same seed 1 % is part of 5 %, and so on.
    """
    if percent >= 100:
        return tiles
    counts = class_counts(dataset, tiles)
    least = FEWEST_PIXELS if dataset.kind.pixelwise else FEWEST_TILES
    return tiles[nested_share(strata(counts > 0), percent, seed, needed(counts, least, seed))]


def real_share(dataset: Dataset, tiles: np.ndarray) -> float:
    """Percent that `tiles` are of the training tiles whose labels can be used."""
    return 100 * len(tiles) / max(len(training_share(dataset, 100, 0)), 1)


def nested_share(groups: np.ndarray, percent: float, seed: int, always: np.ndarray | None = None) -> np.ndarray:
    """Positions of `percent` of the samples of each group, at least one, ascending; nested for equal seeds.

    Args:
        groups: of each sample, int (n,).
        percent: above 0 to 100.
        seed: decides which.
        always: samples that every share holds, bool (n,); they count as part of it.
    """
    chosen = []
    for group in np.unique(groups):
        members = np.flatnonzero(groups == group)
        order = np.random.default_rng([seed, int(group) + 1]).permutation(members)
        wanted = max(1, round(len(order) * percent / 100))
        if always is not None:
            order = order[np.argsort(~always[order], kind="stable")]
            wanted = max(wanted, int(always[order].sum()))
        chosen.append(order[:wanted])
    return np.sort(np.concatenate(chosen)) if chosen else np.zeros(0, np.int64)


def needed(counts: np.ndarray, least: int, seed: int) -> np.ndarray:
    """Samples drawn at random until each class, the rarest first, has `least` labels, or all it has: bool (n,).

    Args:
        counts: labels of each class in each sample (n, class).
        least: of each class.
        seed: decides which.
    """
    chosen = np.zeros(len(counts), bool)
    order = np.random.default_rng([seed, 0]).permutation(len(counts))
    for label in np.argsort(counts.sum(0, dtype=np.int64), kind="stable"):
        own = counts[order, label].astype(np.int64)
        rest = np.where(chosen[order], 0, own)
        before = np.cumsum(rest) - rest + own[chosen[order]].sum()  # what there is before each sample in turn
        chosen[order[(rest > 0) & (before < least)]] = True
    return chosen


def class_counts(dataset: Dataset, tiles: np.ndarray) -> np.ndarray:
    """Pixels, or samples, of each class in each tile: uint32 (n, class), whatever the task of the dataset."""
    parts = [part.astype(np.uint32) for part in _class_counts(dataset, tiles)]
    return np.concatenate(parts) if parts else np.zeros((0, len(dataset.classes)), np.uint32)


def class_totals(dataset: Dataset, tiles: np.ndarray) -> np.ndarray:
    """Pixels, or samples, of each class in all of `tiles`: int64 (class,)."""
    return sum((part.sum(0, dtype=np.int64) for part in _class_counts(dataset, tiles)), np.zeros(len(dataset.classes), np.int64))


def _class_counts(dataset: Dataset, tiles: np.ndarray) -> Iterator[np.ndarray]:
    for start in range(0, len(tiles), CHUNK):
        yield dataset.kind.class_counts(dataset.labels(tiles[start:start + CHUNK]), len(dataset.classes))


def strata(present: np.ndarray) -> np.ndarray:
    """For each sample the rarest class that occurs in it, -1 where none does: int64 (n,).

    Args:
        present: bool (n, class).
    """
    rarity = np.argsort(np.argsort(present.sum(0), kind="stable"), kind="stable")  # 0 for the rarest class
    ranked = np.where(present, rarity, present.shape[1])
    first = ranked.argmin(1) if present.shape[1] else np.zeros(len(present), np.int64)
    return np.where(present.any(1), first, -1)
