"""A share of the training labels: stratified by class, drawn with a seed, each share part of every larger one."""

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


def training_share(dataset: Dataset, percent: float, seed: int) -> np.ndarray:
    """The training tiles whose labels may be used, see `labelled_share`; where a tile has one class, only those that have one."""
    return labelled_share(dataset, with_label(dataset, dataset.indices("training")), percent, seed)


def with_label(dataset: Dataset, tiles: np.ndarray) -> np.ndarray:
    """Those of `tiles` that have a class, where each has one; else all."""
    return tiles[dataset.labels(tiles) != IGNORE] if dataset.kind.axes == "" and len(tiles) else tiles


def labelled_share(dataset: Dataset, tiles: np.ndarray, percent: float, seed: int) -> np.ndarray:
    """Those of `tiles` whose labels may be used, in ascending order.

    Tiles are stratified by their class or, where they show several, by the rarest class they show, so that no class is lost; of
    each stratum at least one tile is kept.

    Args:
        dataset: with labels.
        tiles: positions of the training tiles, int64 (n,).
        percent: of the tiles, above 0 to 100.
        seed: decides which; with the same seed 1 % is part of 5 %, and so on.
    """
    if percent >= 100:
        return tiles
    return tiles[nested_share(strata(class_presence(dataset, tiles)), percent, seed)]


def nested_share(groups: np.ndarray, percent: float, seed: int) -> np.ndarray:
    """Positions of `percent` of the samples of each group, at least one, ascending; nested for equal seeds.

    Args:
        groups: of each sample, int (n,).
        percent: above 0 to 100.
        seed: decides which.
    """
    chosen = []
    for group in np.unique(groups):
        members = np.flatnonzero(groups == group)
        order = np.random.default_rng([seed, int(group) + 1]).permutation(members)
        chosen.append(order[:max(1, round(len(order) * percent / 100))])
    return np.sort(np.concatenate(chosen)) if chosen else np.zeros(0, np.int64)


def class_presence(dataset: Dataset, tiles: np.ndarray) -> np.ndarray:
    """Which classes occur in each tile: bool (n, class), whatever the task of the dataset."""
    parts = [part > 0 for part in _class_counts(dataset, tiles)]
    return np.concatenate(parts) if parts else np.zeros((0, len(dataset.classes)), bool)


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
