"""What a model of series knows of the ground that it learned from: one pixel of every few is asked for, by its own series."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..classic.ground_graph import CELL
from ..models.ground import OUTPUTS
from ..models.kinds import up
from ..models.session import InferenceSession
from ..rasters.grid import Window
from .blocks import Tile

#: Series asked for at once.
ASKED = 2**11


@dataclass(frozen=True)
class SeriesGround:
    """The second graph of a model of series or of dated tiles.

    Attributes:
        session: of that graph, see `models.ground.alone`.
        ports: names of its values and their days.
    """

    session: InferenceSession
    ports: list[str]

    def of(self, tile: Tile, clear: np.ndarray, pick: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
        """`models.ground.OUTPUTS` of the core of a tile, float32 (2, y, x); 0 where no pixel of a square was ever clear.

        Args:
            tile: of the image.
            clear: where a date of what is seen counts, bool (y, x).
            pick: places in that, row · width + column (n,), → values (n, date, band) and days (n, date) of their series.
        """
        places, own = representatives(clear, tile)
        found = np.zeros((len(OUTPUTS), len(places) + 1), np.float32)  # the last is of what has none
        for first in range(0, len(places), ASKED):
            some = slice(first, min(first + ASKED, len(places)))
            values, days = (np.ascontiguousarray(part, np.float32) for part in pick(places[some]))
            found[:, some] = np.concatenate(self.session.run(list(OUTPUTS), dict(zip(self.ports, (values, days), strict=True))), 1).T
        return found[:, own]


def representatives(clear: np.ndarray, tile: Tile) -> tuple[np.ndarray, np.ndarray]:
    """Of every `CELL` × `CELL` pixels of the image, counted from its first, the clear one that is nearest to the middle.

    Args:
        clear: pixels of what is seen (y, x).
        tile: see there.

    Returns:
        Their places in what is seen, row · width + column (n,), and for each pixel of the core the position among these of its own (y, x), -1 where
        none is clear.
    """
    near = whole_cells(tile.core, tile.seen)
    rows, columns = (np.arange(first, first + length) for first, length in ((near.row, near.height), (near.col, near.width)))
    squares = rows[:, None] // CELL * (columns[-1] // CELL + 1) + columns // CELL
    apart = (rows[:, None] % CELL - CELL // 2) ** 2 + (columns % CELL - CELL // 2) ** 2
    inside = clear[_kept(near, tile.seen)]
    measured = np.flatnonzero(inside)
    order = measured[np.lexsort((apart.ravel()[measured], squares.ravel()[measured]))]
    known, first = np.unique(squares.ravel()[order], return_index=True)
    row, column = np.divmod(order[first], near.width)
    places = (row + near.row - tile.seen.row) * tile.seen.width + column + near.col - tile.seen.col
    asked = squares[_kept(tile.core, near)]
    at = np.searchsorted(known, asked)
    there = np.append(known, -1)[at] == asked
    return places, np.where(there, at, -1)


def whole_cells(window: Window, within: Window) -> Window:
    """A window grown to whole squares of `CELL` pixels of the image, as far as another reaches."""
    left, top = (first // CELL * CELL for first in (window.col, window.row))
    grown = Window(left, top, up(window.col + window.width, CELL) - left, up(window.row + window.height, CELL) - top)
    return grown.intersection(within) or window


def kept_of(tile: Tile) -> tuple:
    """Where the core of a tile lies in what is seen, as an index of (…, y, x)."""
    return _kept(tile.core, tile.seen)


def _kept(inner: Window, outer: Window) -> tuple:
    row, column = inner.row - outer.row, inner.col - outer.col
    return (..., slice(row, row + inner.height), slice(column, column + inner.width))
