"""Clouds and shadows made wider: their edges are thin, and what is near them is often hazy."""

from __future__ import annotations

import math

import numpy as np
from scipy.ndimage import distance_transform_edt

from ....progress import SILENT, Progress
from ...rasters.clouds import CLOUD, NOT_MEASURED, SHADOW
from ...rasters.grid import Window, blocks

#: Edge of what is worked on at once [px], without what lies around.
BLOCK = 2048


def grow(flags: np.ndarray, grown: np.ndarray, metres: float, pixel_m: tuple[float, float], progress: Progress = SILENT, block: int = BLOCK) -> None:
    """Gives each pixel whose middle lies within a distance of that of a cloud or a shadow its flag; clouds go before shadows.

    Args:
        flags: uint8 (y, x).
        grown: to be filled, uint8 (y, x). Pixels that were not measured stay so.
        metres: the distance.
        pixel_m: size of a pixel (x, y) [m].
        progress: told of every block.
        block: edge of a block [px]; never changes a pixel.
    """
    right, down = (math.ceil(metres / size) for size in pixel_m)
    whole = Window(0, 0, flags.shape[1], flags.shape[0])
    pieces = blocks(whole, block)
    for done, piece in enumerate(pieces):
        progress.at(done / len(pieces), "Making clouds wider")
        top, left = max(0, piece.row - down), max(0, piece.col - right)
        around = np.asarray(flags[top:piece.row + piece.height + down, left:piece.col + piece.width + right])
        inner = np.s_[piece.row - top:piece.row - top + piece.height, piece.col - left:piece.col - left + piece.width]
        own = around[inner].copy()
        free = own != NOT_MEASURED
        for flag in (SHADOW, CLOUD):
            hides = around == flag
            if hides.any():
                near = distance_transform_edt(~hides, sampling=pixel_m[::-1])[inner] <= metres
                own[near & free & (around[inner] != CLOUD)] = flag
        grown[piece.row:piece.row + piece.height, piece.col:piece.col + piece.width] = own
