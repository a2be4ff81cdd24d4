"""Cells of some kilometres, and what a model says of ice in each."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pyproj

from ....errors import DataError, JobError
from ....progress import Progress
from ...rasters.grid import Grid, Window
from ...rasters.lengths import PixelAreas
from ...themes.sea_ice.land_mask import LandMask
from ..inference import Part, Product
from ..journal import Pixels
from ..request import Canvas
from ..stamps import Stamps

#: Probabilities are added as whole numbers of this many to 1, so that sums do not depend on where blocks lie.
PARTS = 10_000
#: Share of a cell that must be measured sea for it to have a concentration.
LEAST_MEASURED = 0.25
#: Cells that memory holds well.
MOST_CELLS = 4_000_000
#: A projection whose unit differs from metres on the ground by more than this factor has no cells of a size in kilometres.
LARGEST_STRETCH = 1.25
#: Rounding of places in cells.
_TOLERANCE = 1e-6


@dataclass(frozen=True)
class Cells:
    """The cells that hold the middles of the pixels of a map. They begin at multiples of their edge in the CRS, so those of two maps are the same.

    Attributes:
        grid: of the cells, the northernmost row first.
        cols: of each column of pixels, that of its cell (x,).
        rows: of each row of pixels, that of its cell (y,).
        full: pixels, or parts of one, in a whole cell.
    """

    grid: Grid
    cols: np.ndarray
    rows: np.ndarray
    full: float

    def of_window(self, window: Window) -> tuple[np.ndarray, np.ndarray]:
        """Rows and columns of the cells of a window of the pixels, by its rows and columns."""
        return self.rows[window.row:window.row + window.height], self.cols[window.col:window.col + window.width]

    @classmethod
    def of(cls, pixels: Grid, cell_km: float, name: str) -> Cells:
        """Those of the pixels of an image called `name`, with an edge in kilometres of its CRS.

        Raises:
            DataError: the image lies in degrees, or in a projection that stretches.
            JobError: cells are smaller than pixels, or too many.
        """
        crs, metres = pyproj.CRS.from_wkt(pixels.crs), pixels.metres_per_pixel()
        unit = crs.axis_info[0].unit_conversion_factor if crs.is_projected else 0.0
        stretch = [nominal * unit / true for nominal, true in zip(pixels.resolution, metres, strict=True)]
        if not all(1 / LARGEST_STRETCH <= factor <= LARGEST_STRETCH for factor in stretch):
            raise DataError(f"{name} lies in {crs.name}, in which cells of {cell_km:g} km are no squares of that size on the ground. Bring it into a "
                            "polar projection first, such as EPSG:3413 or EPSG:3031, with “Warp (reproject)”.")
        size = cell_km * 1000 / unit
        if size < max(pixels.resolution) * (1 - _TOLERANCE):
            raise JobError(f"“Cell [km]” (cell) is {cell_km:g}, and a place of the map of {name} measures {max(pixels.resolution) * unit / 1000:.4g} "
                           "km. Choose a larger cell.")
        a, _, c, _, e, f = pixels.transform
        cols = np.floor((c + a * (np.arange(pixels.width) + 0.5)) / size + _TOLERANCE).astype(np.int64)
        rows = np.floor(-(f + e * (np.arange(pixels.height) + 0.5)) / size + _TOLERANCE).astype(np.int64)
        left, top = int(cols.min()), int(rows.min())
        width, height = int(cols.max()) - left + 1, int(rows.max()) - top + 1
        if width * height > MOST_CELLS:
            raise JobError(f"“Cell [km]” (cell) is {cell_km:g}, which makes {width:,} × {height:,} cells. Choose a larger cell.")
        grid = Grid(pixels.crs, (size, 0.0, left * size, 0.0, -size, -top * size), width, height)
        return cls(grid, cols - left, rows - top, size * size / math.prod(pixels.resolution))

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.grid.height, self.grid.width

    def ground_km2(self) -> np.ndarray:
        """Area on the ground of each cell [km²] (row, col), see `PixelAreas`."""
        return np.broadcast_to(PixelAreas(self.grid).of(self.grid.window), self.shape) / 1e6


@dataclass(frozen=True)
class CellSums:
    """The product of a map run that adds the probabilities in each cell.

    Attributes:
        cells: in which.
        target: of the model; empty for the main one.
        sums: of each class, in `PARTS`, int64 (class, row, col).
        counts: pixels with a result, int64 (row, col).
    """

    name: ClassVar[str] = "class_map"
    cells: Cells
    target: str
    sums: np.ndarray
    counts: np.ndarray

    @classmethod
    def empty(cls, cells: Cells, target: str, classes: int) -> CellSums:
        """Nothing yet."""
        return cls(cells, target, np.zeros((classes, *cells.shape), np.int64), np.zeros(cells.shape, np.int64))

    @contextmanager
    def open(self, canvas: Canvas, progress: Progress) -> Iterator[Pixels]:
        """Takes the parts of a run.

        Raises:
            DataError: at the end, when no cell has enough measured sea.
        """
        cells, target = self.cells, self.target  # and not the sums, which are not sent to other processes

        def values(part: Part) -> np.ndarray:
            rows, cols = cells.of_window(canvas.place(part.window))
            whole = np.rint(PARTS * part.of(target).scores.clip(0, 1)).astype(np.int32) * part.valid
            counted = np.concatenate([whole, part.valid[None].astype(np.int32)])
            return np.add.reduceat(np.add.reduceat(counted, _firsts(cols), axis=2, dtype=np.int64), _firsts(rows), axis=1)

        def sides(window: Window) -> tuple[int, int]:
            rows, cols = cells.of_window(window)
            return len(_firsts(rows)), len(_firsts(cols))

        def put(summed: np.ndarray, window: Window) -> None:
            rows, cols = (places[_firsts(places)] for places in cells.of_window(window))
            self.sums[:, rows[:, None], cols] += summed[:-1]
            self.counts[rows[:, None], cols] += summed[-1]

        yield Pixels("", len(self.sums) + 1, "int64", canvas, values, put, sides=sides)
        if not self.known.any():
            raise DataError(f"No cell of {canvas.image} has measured sea on {LEAST_MEASURED:.0%} of its area or more. Choose another extent or a "
                            "smaller “Cell [km]” (cell), or check the land mask.")

    @property
    def known(self) -> np.ndarray:
        """Cells with enough measured sea (row, col)."""
        return self.counts >= LEAST_MEASURED * self.cells.full

    def concentration(self, shares: np.ndarray) -> np.ndarray:
        """The expected share of ice in each cell, 0 to 1, NaN where not enough was measured (row, col).

        Args:
            shares: of ice in each class, 0 to 1 (class,).
        """
        ice = np.tensordot(shares, self.sums, 1)
        return np.where(self.known, ice / np.maximum(self.sums.sum(0), 1), np.nan)


def _firsts(places: np.ndarray) -> np.ndarray:
    """Where the cells of a row or column of pixels (n,) change (m,)."""
    return np.flatnonzero(np.diff(places, prepend=-1))


@dataclass
class LastRead:
    """A mask of land that keeps the piece it read last, for products are given the same part one after the other."""

    land: LandMask
    known: tuple[Grid, Window, np.ndarray] | None = None

    def __call__(self, grid: Grid, window: Window) -> np.ndarray:
        """Land in a window of a grid, bool (y, x)."""
        if self.known is None or self.known[:2] != (grid, window):
            self.known = grid, window, self.land.read(grid, window)
        return self.known[2]

    def __getstate__(self) -> dict:
        """What was read stays behind when the mask is sent to another process."""
        return {"land": self.land, "known": None}


@dataclass(frozen=True)
class AtSea:
    """Another product, which is not given what lies on land.

    Attributes:
        product: see there.
        land: gives where that is true (y, x) of a window of a grid.
        files: that this is read from, see `stamps.stamps`.
    """

    product: Product
    land: Callable[[Grid, Window], np.ndarray]
    files: Stamps | None

    @property
    def name(self) -> str:
        """See `Product`."""
        return self.product.name

    @contextmanager
    def open(self, canvas: Canvas, progress: Progress) -> Iterator[Callable[[Part], object]]:
        """See `Product`."""
        land = self.land
        with self.product.open(canvas, progress) as take:
            def at_sea(part: Part) -> Part:
                return replace(part, valid=part.valid & ~land(canvas.grid, part.window))

            if isinstance(take, Pixels):
                values = take.values
                yield replace(take, values=lambda part: values(at_sea(part)), beside=self.files)
            else:
                yield lambda part: take(at_sea(part))
