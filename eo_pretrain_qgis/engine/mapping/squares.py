"""Squares of an image, for models that give a class for an image as a whole: each is a cell of a coarser map.

Cells lie on one grid, fixed to the first pixel of the image, whatever the extent. Each is the middle of its square; at the borders of the image
the square moves inwards, so that the network sees the image and not the outside.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from ...errors import DataError, JobError
from ..rasters.grid import Grid, Window
from .blocks import Tile

if TYPE_CHECKING:
    from ..models.package import Package

#: Share of a square's pixels that must be measured for it to have a class.
LEAST_MEASURED = 0.5
#: Squares that the network sees at once, and cells computed from one block: how many beside each other, and the edge of the block [px].
AT_ONCE, MOST_CELLS, BLOCK = 64, 32, 1024


@dataclass(frozen=True)
class Squares:
    """The squares of an image.

    Attributes:
        image: its pixels.
        side: of a square [px].
        step: from one to the next, and the edge of a cell [px].
        least: share of a square's pixels that must be measured.
        dense: the network answers for all squares of a block at once that begin at multiples of the step.
    """

    image: Grid
    side: int
    step: int
    least: float = LEAST_MEASURED
    dense: bool = False

    @classmethod
    def of(cls, image: Grid, model: Package, step: int | None, least: float, name: str) -> Squares:
        """Those that a model answers for of an image called `name`, beside each other where no step is given.

        Raises:
            JobError: between squares there would be gaps.
            DataError: the image does not hold one square.
        """
        side = model.record.tile_size
        if step and step > side:
            raise JobError(f"“Step [px]” (step) is {step}, and the squares of the model have {side} px, so pixels between them would have no class. "
                           f"Choose a step of at most {side} px.")
        if min(image.width, image.height) < side:
            raise DataError(f"{name} has {image.width} × {image.height} pixels, and the model gives a class for squares of {side} × {side}. Choose a "
                            "larger image.")
        return cls(image, side, step or side, least, step is not None and step == model.record.dense_step)

    @property
    def grid(self) -> Grid:
        """The cells as pixels; the last of a row or column may reach beyond the image."""
        a, b, c, d, e, f = self.image.transform
        cells = (math.ceil(length / self.step) for length in (self.image.width, self.image.height))
        return Grid(self.image.crs, (a * self.step, b, c, d, e * self.step, f), *cells)

    def cells(self, area: Window) -> Window:
        """The cells that an area of the image touches."""
        col, row = area.col // self.step, area.row // self.step
        right, bottom = (math.ceil(end / self.step) for end in (area.col + area.width, area.row + area.height))
        return Window(col, row, right - col, bottom - row)

    def pixels(self, cells: Window) -> Window:
        """The pixels of the image in some cells."""
        whole = Window(cells.col * self.step, cells.row * self.step, cells.width * self.step, cells.height * self.step)
        return whole.intersection(self.image.window) or whole

    def tiles(self, area: Window) -> list[Tile]:
        """The blocks whose cells touch an area of the image, row by row; which they are does not depend on the area."""
        count = min(MOST_CELLS, max(1, (BLOCK - self.side) // self.step + 1))
        wanted, every = self.cells(area), self.grid.window
        found = []
        for row in range(wanted.row // count * count, wanted.row + wanted.height, count):
            for col in range(wanted.col // count * count, wanted.col + wanted.width, count):
                cells = Window(col, row, count, count).intersection(every) or every
                top, left = self._starts(cells.row, cells.height, self.image.height), self._starts(cells.col, cells.width, self.image.width)
                seen = Window(int(left[0]), int(top[0]), int(left[-1] - left[0]) + self.side, int(top[-1] - top[0]) + self.side)
                found.append(Tile(self.pixels(cells), seen))
        return found

    def answers(self, tile: Tile, values: np.ndarray, measured: np.ndarray, ask: Callable[[np.ndarray], np.ndarray],
                ) -> tuple[Window, np.ndarray, np.ndarray, np.ndarray]:
        """What the network says of the squares of a block.

        Args:
            tile: one of `tiles`.
            values: what was read there (band, y, x).
            measured: where all bands were measured (y, x).
            ask: images (n, band, side, side) → scores (n, class, …); where `dense`, of larger images too, (n, class, row, column).

        Returns:
            The cells, and by cell scores (class, y, x), means of the measured values (band, y, x), and which have a class (y, x).
        """
        cells = self.cells(tile.core)
        top = self._starts(cells.row, cells.height, self.image.height) - tile.seen.row
        left = self._starts(cells.col, cells.width, self.image.width) - tile.seen.col
        rows, columns = (places.ravel() for places in np.meshgrid(top, left, indexing="ij"))
        known = sliding_window_view(measured, (self.side, self.side))
        views = sliding_window_view(values, (self.side, self.side), axis=(1, 2))
        own = self._touched(tile, measured, cells)
        chosen = np.flatnonzero(own & np.array([known[y, x].mean() >= self.least for y, x in zip(rows, columns, strict=True)]))
        means = np.zeros((len(values), len(rows)), np.float32)
        found: dict[int, np.ndarray] = {}
        if self.dense and len(chosen):
            found |= self._at_once(values, rows, columns, ask)
        for first in range(0, len(chosen), AT_ONCE):
            some = chosen[first:first + AT_ONCE]
            images, shown = (np.ascontiguousarray(layer[..., rows[some], columns[some], :, :]) for layer in (views, known))
            means[:, some] = images.mean((2, 3), where=shown[None], dtype=np.float64)
            missing = np.flatnonzero([number not in found for number in some.tolist()])
            if len(missing):
                answer = ask(np.ascontiguousarray(images[:, missing].swapaxes(0, 1)))
                found |= dict(zip(some[missing].tolist(), answer.reshape(len(missing), -1)))
        every = np.zeros((len(found[int(chosen[0])]) if len(chosen) else 1, len(rows)), np.float32)
        for number in chosen.tolist():
            every[:, number] = found[number]
        valid, shape = np.isin(np.arange(len(rows)), chosen), (cells.height, cells.width)
        return cells, every.reshape(-1, *shape), means.reshape(-1, *shape), valid.reshape(shape)

    def seen_in(self, tile: Tile, sensors: np.ndarray) -> np.ndarray:
        """By cell, which sensors were measured somewhere in its square (y, x), of those of each pixel of a block (y, x), see `reading.Piece`."""
        cells = self.cells(tile.core)
        top = self._starts(cells.row, cells.height, self.image.height) - tile.seen.row
        left = self._starts(cells.col, cells.width, self.image.width) - tile.seen.col
        views = sliding_window_view(sensors, (self.side, self.side))
        return np.array([[np.bitwise_or.reduce(views[y, x], axis=None) for x in left] for y in top], np.uint8)

    def _at_once(self, values: np.ndarray, rows: np.ndarray, columns: np.ndarray, ask: Callable[[np.ndarray], np.ndarray]) -> dict[int, np.ndarray]:
        """Scores (class,) of the squares of a block, by their numbers, that begin at multiples of the step from each other: all but those that were
        moved inwards at the borders of the image.
        """
        (top, y), (left, x) = (_aligned(places, self.step) for places in (rows, columns))
        bottom, right = (int(first + self.step * steps.max()) + self.side for first, steps in ((top, y), (left, x)))
        answer = ask(np.ascontiguousarray(values[None, :, top:bottom, left:right]))[0]
        return {number: answer[:, row, column] for number, (row, column) in enumerate(zip(y, x)) if row >= 0 and column >= 0}

    def _touched(self, tile: Tile, measured: np.ndarray, cells: Window) -> np.ndarray:
        """Which cells hold a measured pixel of their own (cell,)."""
        y, x = np.nonzero(measured)
        y, x = (y + tile.seen.row) // self.step - cells.row, (x + tile.seen.col) // self.step - cells.col
        inside = (y >= 0) & (y < cells.height) & (x >= 0) & (x < cells.width)
        return np.bincount(y[inside] * cells.width + x[inside], minlength=cells.width * cells.height) > 0

    def _starts(self, first: int, count: int, length: int) -> np.ndarray:
        """Along one axis, the first pixel of the squares of some cells (count,)."""
        before = (self.side - self.step) // 2
        return (np.arange(first, first + count) * self.step - before).clip(0, length - self.side)


def _aligned(places: np.ndarray, step: int) -> tuple[int, np.ndarray]:
    """The first of the places that most have a multiple of the step between them, and by how many steps each lies behind it; −1 of the others."""
    rest = places % step
    fits = rest == np.bincount(rest).argmax()
    first = int(places[fits].min())
    return first, np.where(fits, (places - first) // step, -1)
