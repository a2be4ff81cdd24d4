"""Tiles with what lies around them: their true neighbours where the dataset has them, elsewhere their mirror image."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..cards import Input
from .dataset import ALL, Dataset


class _Place(NamedTuple):
    """Where a tile lies near another one: its position in the dataset, and rows and columns from the other one to it [px]."""

    tile: int
    down: int
    right: int


class Surroundings:
    """Reads tiles of an input with a margin.

    A border between two tiles from different places would be one that no image has, so neighbours are tiles of the same scene only.

    Args:
        dataset: of tiles.
        seen: one of its inputs, or some bands of it.
        margin: on each side of a tile [px].
    """

    def __init__(self, dataset: Dataset, seen: Input, margin: int) -> None:
        self.dataset, self.seen, self.margin, self.reach = dataset, seen, margin, dataset.tile_size + margin
        tiles, usable = dataset.tiles, dataset.showing(ALL, seen)
        self.scenes: dict[object, np.ndarray] = {}
        if {"scene", "row", "col"} <= set(tiles):
            if "augmented" in tiles:  # turned copies of other tiles
                usable = usable[tiles["augmented"].to_numpy()[usable] == 0]
            table = tiles.iloc[usable]
            self.scenes = {scene: np.stack([rows.index, rows["row"], rows["col"]], 1).astype(np.int64) for scene, rows in table.groupby("scene")}
            self.own = tiles["scene"].to_numpy()

    def read(self, tiles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Images (n, band, y, x) and measured pixels (n, y, x) as `Dataset.read` gives them, with the margin around them."""
        size, margin = self.dataset.tile_size, self.margin
        own = self.dataset.read(self.seen, tiles)
        wide = [np.pad(array, [(0, 0)] * (array.ndim - 2) + [(margin, margin)] * 2, "symmetric") for array in own]
        near = [self._neighbours(int(tile)) for tile in tiles]
        needed = np.unique([place.tile for places in near for place in places])
        others = self.dataset.read(self.seen, needed) if len(needed) else own
        for number, places in enumerate(near):
            for place in places:
                (rows, from_rows), (columns, from_columns) = (self._overlap(apart) for apart in place[1:])
                for array, other in zip(wide, others):
                    array[number, ..., rows, columns] = other[np.searchsorted(needed, place.tile), ..., from_rows, from_columns]
        for array, middle in zip(wide, own):
            array[..., margin:margin + size, margin:margin + size] = middle
        return wide[0], wide[1]

    def _neighbours(self, tile: int) -> list[_Place]:
        """Other tiles of the same scene within reach, the nearest last, so that it is drawn over the others."""
        known = self.scenes.get(self.own[tile]) if self.scenes else None
        here = None if known is None else known[known[:, 0] == tile]
        if known is None or here is None or not len(here):
            return []
        apart = known[:, 1:] - here[0, 1:]
        distance = np.abs(apart).max(1)
        chosen = np.flatnonzero((distance < self.reach) & (distance > 0))
        return [_Place(int(known[row, 0]), *map(int, apart[row])) for row in chosen[np.argsort(-distance[chosen], kind="stable")]]

    def _overlap(self, apart: int) -> tuple[slice, slice]:
        """The part of the wide tile that a tile so many pixels away covers, and the part of that tile."""
        size, start = self.dataset.tile_size, self.margin + apart
        first, last = max(start, 0), min(start + size, size + 2 * self.margin)
        return slice(first, last), slice(first - start, last - start)
