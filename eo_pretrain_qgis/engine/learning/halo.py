"""How wide a border of a tile depends on where the tile ends, measured on a network that was translated."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from functools import cache

import numpy as np

from ...progress import SILENT, Progress
from ..waiting import patiently

#: Edge of the square of which parts are compared, of the parts, and how many there are along an edge [px]. No pixel of a part is
#: farther than half its edge from its border, as in the smallest tiles of a map. One part in the middle may be a lucky one: of 16
#: parts, between 0.04 and 3.3 % of the classes changed with a halo of 32 px.
CORE, PART, PARTS = 384, 64, 4
HALO_STEP, LARGEST_HALO = 32, 256
REFERENCE_HALO = LARGEST_HALO + 64
#: Share of the classes that a halo may leave different from a larger one: of all parts, and of the worst but one in ten.
CHANGED_SHARE, CHANGED_QUANTILE, QUANTILE = 0.0005, 0.001, 0.9


def scene_side(stride: int) -> int:
    """Height and width of the scene that `measure_halo` needs [px], a multiple of `stride`."""
    return PARTS * _up(CORE // PARTS, stride) + 2 * _up(REFERENCE_HALO, stride)


def measure_halo(classes: Callable[[np.ndarray], np.ndarray], scene: np.ndarray, stride: int, progress: Progress = SILENT,
                 differs: Callable[[np.ndarray, np.ndarray], np.ndarray] = np.not_equal,
                 stop: Callable[[], None] = lambda: None) -> tuple[int, float]:
    """The border that has to be thrown away so that the classes inside hardly depend on where the tile ends.

    Args:
        classes: float32 (1, band, y, x) → class positions (1, y, x).
        scene: float32 (band, y, x), at least `scene_side` pixels on each side.
        stride: of the network; tiles stay on its grid.
        progress: told of every size tried.
        differs: which pixels of two results (y, x), or (band, y, x), are not the same.
        stop: makes a call of `classes` under way fail soon.

    Returns:
        The smallest multiple of 32 (and of the stride) up to 256 px that changes few enough of the classes, and the share it changes.
    """
    part, apart, margin = _up(PART, stride), _up(CORE // PARTS, stride), _up(REFERENCE_HALO, stride)
    side = PARTS * apart + 2 * margin
    corners = [(margin + row * apart, margin + column * apart) for row in range(PARTS) for column in range(PARTS)]
    text = "Measuring the border that tiles need"

    def found(top: int, left: int, size: int, fraction: float) -> np.ndarray:
        image = scene[None, :, top:top + size, left:left + size]
        return patiently(lambda: classes(image), stop, progress, fraction, text)[0]

    progress.at(0, text)
    reference = found(0, 0, side, 0)

    @cache
    def changed(halo: int) -> np.ndarray:
        shares = []
        for done, (top, left) in enumerate(corners):
            progress.at(0.2 + 0.8 * done / len(corners), f"{text}: trying {halo} px")
            inside = found(top - halo, left - halo, part + 2 * halo, 0.2 + 0.8 * done / len(corners))[..., halo:halo + part, halo:halo + part]
            shares.append(differs(inside, reference[..., top:top + part, left:left + part]).mean())
        return np.array(shares)

    def enough(halo: int) -> bool:
        return bool(changed(halo).mean() <= CHANGED_SHARE and np.quantile(changed(halo), QUANTILE) <= CHANGED_QUANTILE)

    step = _up(HALO_STEP, stride)
    halos = range(step, max(LARGEST_HALO, step) + 1, step)
    halo = halos[bisect_left(halos, True, hi=len(halos) - 1, key=enough)]
    return halo, float(changed(halo).mean())


def _up(length: int, stride: int) -> int:
    """`length`, or the next multiple of `stride`."""
    return -(-length // stride) * stride
