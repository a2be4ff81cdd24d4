"""Centre lines of roads as pixels one wide, block by block, the same wherever blocks lie.

Thinning (Guo and Hall 1989, “Parallel thinning with two-subiteration algorithms”, Communications of the ACM 32, 359-373) looks at the eight pixels
around one in each of its two steps. After a fixed number of rounds a pixel depends on no other that is farther away than two for each round, so a
block with a margin of that width gives exactly the pixels that the whole image would.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage
from skimage.morphology import remove_small_holes, thin

from ....progress import SILENT, Progress
from ...rasters.grid import Window, blocks

#: Edge of a block [px].
BLOCK = 1024
#: Holes of fewer pixels in a road are road [px].
HOLE = 9
#: Rounds of thinning: what is wider than two pixels for each is a place and not a road.
ROUNDS = 32
#: What is seen around a block [px]: the reach of thinning, of holes, and of looking for what is still wide.
MARGIN = 2 * ROUNDS + HOLE + 3


@dataclass(frozen=True)
class Skeleton:
    """Pixels of centre lines in the order of rows.

    Attributes:
        rows: (n,).
        cols: (n,).
        widths: of the road around each [m] (n,).
        size: rows and columns of the image.
    """

    rows: np.ndarray
    cols: np.ndarray
    widths: np.ndarray
    size: tuple[int, int]


def thinned(road: np.ndarray, pixel_m: tuple[float, float], progress: Progress = SILENT, block: int = BLOCK) -> Skeleton:
    """The centre lines of roads.

    The width is twice the distance from the centre line to the nearest pixel that is no road, less a pixel: from centre to centre half a pixel is too
    much on each side. Where pixels are no squares, that is a pixel in the direction of the nearest one.

    Args:
        road: 1 where there is road, uint8 (y, x); small holes in it are filled.
        pixel_m: size of a pixel (x, y) [m].
        progress: told of every block.
        block: edge of a block [px].
    """
    size, parts = (road.shape[0], road.shape[1]), []
    windows = blocks(Window(0, 0, size[1], size[0]), block)
    for done, part in enumerate(windows):
        progress.at(done / len(windows), "Drawing centre lines")
        top, left = max(0, part.row - MARGIN), max(0, part.col - MARGIN)
        seen = np.asarray(road[top:part.row + part.height + MARGIN, left:part.col + part.width + MARGIN]) > 0
        inner = (slice(part.row - top, part.row - top + part.height), slice(part.col - left, part.col - left + part.width))
        if not seen[inner].any():
            continue
        whole = remove_small_holes(seen, max_size=HOLE - 1, connectivity=1)
        road[part.row:part.row + part.height, part.col:part.col + part.width] = whole[inner]  # blocks to come would fill the rest of a hole alike
        line = thin(whole, max_num_iter=ROUNDS)
        line &= ~ndimage.binary_dilation(ndimage.binary_erosion(line, np.ones((3, 3))), np.ones((3, 3)))
        rows, cols = np.nonzero(line[inner])
        parts.append((rows + part.row, cols + part.col, _widths(whole, pixel_m, rows + part.row - top, cols + part.col - left)))
    rows, cols, widths = (np.concatenate(column) for column in zip(*parts)) if parts else (np.zeros(0, np.int64),) * 3
    order = np.lexsort((cols, rows))
    return Skeleton(rows[order].astype(np.int64), cols[order].astype(np.int64), widths[order].astype(float), size)


def _widths(road: np.ndarray, pixel_m: tuple[float, float], rows: np.ndarray, cols: np.ndarray) -> np.ndarray:
    """How wide roads, bool (y, x), are around some of their pixels [m]."""
    x, y = pixel_m
    nearest = ndimage.distance_transform_edt(np.pad(road, 1), sampling=(y, x), return_distances=False, return_indices=True)
    down, across = (np.abs(nearest[axis][rows + 1, cols + 1] - places - 1) for axis, places in ((0, rows), (1, cols)))
    distance = np.hypot(across * x, down * y)
    most = ROUNDS * min(pixel_m)  # farther than the margin the block would show
    return np.where(distance < most, 2 * distance - distance / np.hypot(across, down), 2 * most - np.sqrt(x * y))
