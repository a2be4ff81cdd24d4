"""A land-cover map seen from the grid of an image: the class in each pixel, how pure it is there, and the shares of all classes.

Two cases. A map about as fine as the image or coarser gives each pixel the class of the map's cell that holds the pixel's middle; a
map finer than the image gives it the class that covers most of the pixel. Shares are those of a square as large as the larger of
pixel and cell around the pixel's middle: the part of a pixel that each class covers, and near the border of two coarse cells a
smooth transition. Windows may reach outside image and map.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import rasterio
from rasterio.crs import CRS
from rasterio.enums import Resampling
from rasterio.warp import reproject

from ....errors import DataError
from ....progress import SILENT, Progress
from ...datasets.alignment import TOLERANCE
from ...datasets.dataset import IGNORE
from ...datasets.labels import values_on
from ...rasters.grid import Grid, Window, blocks, hull, read_round
from ...rasters.nearest import class_band
from ...rasters.raster import Raster

#: A map whose cells are smaller than a pixel by more than this share is finer than the image.
FINER = 1.05
#: A pixel less of which lies on known codes has no label.
KNOWN_SHARE = 0.5
#: Edge of the pieces for which shares are computed [px]: small, so that few classes occur in each.
PIECE = 256
#: A middle of a pixel on the edge of two cells belongs to the right or lower one in spite of rounding [cells].
EDGE = 1e-6


@dataclass(frozen=True)
class Cover:
    """A window of a map on an image's grid.

    Attributes:
        positions: class of each pixel (y, x) uint8, 255 for none.
        purity: share of the class among the 3 × 3 cells around, or in the pixel where the map is finer (y, x) float32; None where not
            asked for.
        cells: number of the map's cell in which each pixel lies (y, x), -1 outside; None where the map is finer.
    """

    positions: np.ndarray
    purity: np.ndarray | None
    cells: np.ndarray | None


def found_codes(raster: Raster, grids: list[Grid], progress: Progress = SILENT) -> dict[int, int]:
    """Code → pixels of the map on the images, counted around their outlines; nodata is left out.

    Raises:
        DataError: the map misses the images, holds measurements, or only nodata there.
    """
    counts, _ = values_on(raster, class_band(raster, progress), grids, "land-cover codes", progress)
    if not counts:
        raise DataError(f"{raster.path} has no code on the images; all are nodata. Choose another map or extent.")
    return dict(sorted(counts.items()))


class CoverMap:
    """The band of a land-cover raster that its symbology shows, or the first.

    Args:
        raster: the map; it is opened at first use and may be sent to other processes.
        positions: code → position of its class.
        classes: number of classes.
    """

    def __init__(self, raster: Raster, positions: Mapping[int, int], classes: int) -> None:
        self.raster, self.classes = raster, classes
        pairs = sorted(positions.items())
        self._codes, self._positions = np.array([pair[0] for pair in pairs]), np.array([pair[1] for pair in pairs], np.uint8)
        self._relations: dict[Grid, tuple[bool, float, float]] = {}

    def is_finer(self, grid: Grid) -> bool:
        """Whether several cells of the map lie in a pixel of the image."""
        return self._relation(grid)[1] > FINER

    def cell_px(self, grid: Grid) -> int:
        """Edge of a cell of the map in pixels of the image, rounded up."""
        return math.ceil(self._relation(grid)[2])

    def cover(self, grid: Grid, window: Window, *, purity: bool = False) -> Cover:
        """The map in a window of an image's grid, with the purity where asked for."""
        if self.is_finer(grid):
            shares = self.shares(grid, window)
            top = shares.max(0)
            return Cover(np.where(top > 0, shares.argmax(0), IGNORE).astype(np.uint8), top, None)
        part, cells = self._cells(grid, window)
        if part is None:
            empty = np.full((window.height, window.width), IGNORE, np.uint8)
            return Cover(empty, np.zeros(empty.shape, np.float32), cells)
        around = self._read(Window(part.col - 1, part.row - 1, part.width + 2, part.height + 2))
        inside = cells >= 0
        place = np.where(inside, cells, 0)
        positions = np.where(inside, around[1:-1, 1:-1].ravel()[place], np.uint8(IGNORE))
        pure = np.where(inside, _purity_of_cells(around).ravel()[place], np.float32(0)) if purity else None
        return Cover(positions, pure, cells)

    def shares(self, grid: Grid, window: Window) -> np.ndarray:
        """Share of each class in each pixel (class, y, x) float32; they sum to 1, or to 0 where too little is known."""
        result = np.zeros((self.classes, window.height, window.width), np.float32)
        for piece in blocks(window, PIECE):
            top, left = piece.row - window.row, piece.col - window.col
            self._fill_shares(result[:, top:top + piece.height, left:left + piece.width], grid, piece)
        return result

    def _fill_shares(self, result: np.ndarray, grid: Grid, window: Window) -> None:
        """Puts the shares of a piece into zeros (class, y, x); only classes that occur in it are warped."""
        part = self._source(grid, window)
        if part is None:
            return
        read = self._read(part)
        present = [int(value) for value in np.unique(read) if value != IGNORE]
        outside = self._source(grid, window, clipped=False) != part or (read == IGNORE).any()
        if len(present) == 1 and not outside:
            result[present[0]] = 1
            return
        if not present:
            return
        layers = np.stack([read != IGNORE, *(read == position for position in present)]).astype(np.float32)
        warped = np.full((len(layers), window.height, window.width), np.nan, np.float32)
        # GDAL's “mode” counts cells and not their areas: among random classes of cells a third of a pixel wide it is wrong in 3 %.
        self._warp(layers, warped, part, grid, window, Resampling.average if self.is_finer(grid) else Resampling.bilinear, np.nan)
        known = np.nan_to_num(warped[0])
        enough = known >= KNOWN_SHARE
        result[present] = np.where(enough, np.nan_to_num(warped[1:]) / np.where(enough, known, 1), 0)

    def _warp(self, source: np.ndarray, target: np.ndarray, part: Window, grid: Grid, window: Window, resampling: Resampling,
              nodata: float) -> None:
        """Brings an array on a part of the map onto a window of an image's grid."""
        own = self.raster.grid
        reproject(source, target, src_transform=rasterio.Affine(*own.sub(part).transform), src_crs=own.crs, src_nodata=nodata,
                  dst_transform=rasterio.Affine(*grid.sub(window).transform), dst_crs=grid.crs, dst_nodata=nodata, resampling=resampling,
                  tolerance=TOLERANCE)

    def _relation(self, grid: Grid) -> tuple[bool, float, float]:
        """Whether the CRS is the same, pixels of the image in units of the map's, and the reverse."""
        if grid not in self._relations:
            own, theirs = self.raster.grid, grid
            sizes = list(zip(theirs.metres_per_pixel(), own.metres_per_pixel(), strict=True))
            self._relations = {grid: (CRS.from_wkt(own.crs) == CRS.from_wkt(theirs.crs), max(pixel / cell for pixel, cell in sizes),
                                      max(cell / pixel for pixel, cell in sizes))}
        return self._relations[grid]

    def _read(self, window: Window) -> np.ndarray:
        """Positions (y, x) of a window of the map, 255 outside it, at nodata and where the code has no class."""
        values, valid = read_round(self.raster.read, self.raster.grid, window, [class_band(self.raster)])
        place = np.minimum(np.searchsorted(self._codes, values[0]), len(self._codes) - 1)
        known = valid & (self._codes[place] == values[0])
        return np.where(known, self._positions[place], np.uint8(IGNORE))

    def _source(self, grid: Grid, window: Window, margin: int = 2, clipped: bool = True) -> Window | None:
        """The part of the map that a window of the image needs, without what lies outside it unless told otherwise."""
        box = grid.bounds_in(self.raster.grid.crs, window)
        if not all(math.isfinite(value) for value in box):
            return None
        left, top, right, bottom = (int(edge) for edge in np.floor(self.raster.grid.pixel_box(box)))
        part = Window(left - margin, top - margin, right - left + 1 + 2 * margin, bottom - top + 1 + 2 * margin)
        return hull([place for place, _ in self.raster.grid.turned(part)]) if clipped else part

    def _cells(self, grid: Grid, window: Window) -> tuple[Window | None, np.ndarray]:
        """The part of the map needed, and for each pixel the number of its cell in that part, row by row, -1 outside."""
        part = self._source(grid, window)
        outside = np.full((window.height, window.width), -1, np.int32)
        if part is None:
            return None, outside
        if self._relation(grid)[0]:
            cols, rows = _along(grid, self.raster.grid, window)
            cols, rows = cols - part.col, rows - part.row
            inside = ((rows >= 0) & (rows < part.height))[:, None] & ((cols >= 0) & (cols < part.width))
            return part, np.where(inside, rows[:, None] * part.width + cols, -1).astype(np.int32)
        numbers = np.arange(part.width * part.height, dtype=np.int32).reshape(part.height, part.width)
        self._warp(numbers, outside, part, grid, window, Resampling.nearest, -1)
        return part, outside


def _along(grid: Grid, own: Grid, window: Window) -> tuple[np.ndarray, np.ndarray]:
    """Column and row of the map's cell that holds the middle of each column and row of pixels; both grids in one CRS."""
    a, _, c, _, e, f = grid.transform
    x = c + a * (window.col + np.arange(window.width) + 0.5)
    y = f + e * (window.row + np.arange(window.height) + 0.5)
    a, _, c, _, e, f = own.transform
    return np.floor((x - c) / a + EDGE).astype(np.int64), np.floor((y - f) / e + EDGE).astype(np.int64)


def _purity_of_cells(around: np.ndarray) -> np.ndarray:
    """Share of cells of the same class among the known ones of 3 × 3, for all cells but those of the rim."""
    height, width = around.shape[0] - 2, around.shape[1] - 2
    own = around[1:-1, 1:-1]
    same, known = np.zeros(own.shape, np.float32), np.zeros(own.shape, np.float32)
    for row in range(3):
        for col in range(3):
            other = around[row:row + height, col:col + width]
            same += other == own
            known += other != IGNORE
    return np.where(own == IGNORE, 0, same / np.maximum(known, 1))
