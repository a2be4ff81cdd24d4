"""Images on a finer grid than their own: bilinear between the middles of pixels, when they are read.

A network that sees an image so can draw what is narrower than a pixel, such as roads; the image itself holds no more than before (Ayala et al. 2021,
doi 10.3390/rs13163135; models of Fields of the World read Sentinel-2 in the same way).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from .grid import Grid, Window


def finer_grid(grid: Grid, factor: int) -> Grid:
    """The same ground in pixels whose edge is that of a pixel by `factor`."""
    if factor == 1:
        return grid
    a, b, c, d, e, f = grid.transform
    return replace(grid, transform=(a / factor, b, c, d, e / factor, f), width=grid.width * factor, height=grid.height * factor)


def read_finer(read: Callable[[Window], tuple[np.ndarray, np.ndarray]], window: Window, factor: int) -> tuple[np.ndarray, np.ndarray]:
    """Values and valid pixels of a window of the finer grid.

    Pixels that are not valid do not count: what lies between gets the weighted mean of the others of its four neighbours, and is valid where the
    pixel is in which it lies. Each value depends on these four alone, so it is the same whatever window is read.

    Args:
        read: gives values (band, y, x) and valid pixels (y, x) of a window of the image; pixels outside are not valid.
        window: in pixels of the finer grid.
        factor: of fineness.

    Returns:
        Values (band, y, x) of the type of the image, and valid pixels (y, x).
    """
    (rows, up), (columns, left) = _places(window.row, window.height, factor), _places(window.col, window.width, factor)
    whole = Window(int(columns[0]), int(rows[0]), int(columns[-1] - columns[0]) + 2, int(rows[-1] - rows[0]) + 2)
    values, valid = read(whole)
    kind = np.float32 if values.dtype.itemsize <= 2 or values.dtype == np.float32 else np.float64
    weights = valid.astype(kind)
    known = np.where(valid, values, 0).astype(kind)
    rows, columns = rows - whole.row, columns - whole.col

    def between(layer: np.ndarray) -> np.ndarray:
        above, below = (1 - up)[:, None].astype(kind), up[:, None].astype(kind)
        tall = layer[..., rows, :] * above + layer[..., rows + 1, :] * below
        return tall[..., columns] * (1 - left).astype(kind) + tall[..., columns + 1] * left.astype(kind)

    shares = between(weights)
    row = np.arange(window.row, window.row + window.height) // factor - whole.row
    col = np.arange(window.col, window.col + window.width) // factor - whole.col
    shown = valid[row][:, col]
    result = between(known)
    np.divide(result, shares, out=result, where=shares > 0)
    result[:, ~shown] = values[:, row][:, :, col][:, ~shown]
    return (np.rint(result) if values.dtype.kind in "iu" else result).astype(values.dtype), shown


def _places(first: int, count: int, factor: int) -> tuple[np.ndarray, np.ndarray]:
    """Of some fine pixels in a row (n,): the pixel of the image before the middle of each, and how far on it lies, 0 to 1."""
    place = (np.arange(first, first + count) + 0.5) / factor - 0.5
    before = np.floor(place).astype(int)
    return before, place - before
