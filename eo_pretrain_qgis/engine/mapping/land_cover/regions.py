"""The small regions of a class map: their areas, what a model says of them, and what lies beside them.

A region is all pixels of one class that are connected by their edges. Regions are found strip by strip and joined across strips, so they do not
depend on where strips end. Only those below a minimum area get a number; memory grows with these, a few hundred bytes each, and not with the pixels.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from skimage.measure import label

from ....progress import SILENT, Progress
from ...rasters.lengths import PixelAreas
from ..products.drawing import NO_VALUE

#: Pixels read at once.
PIECE = 2**22
#: Areas are whole numbers of this many to a square metre, so that sums do not depend on their order.
PARTS_PER_M2 = 10**6


@dataclass(frozen=True)
class SmallRegions:
    """Regions below the minimum area, numbered from 1 in the order of their first pixels from left to right and top to bottom.

    Attributes:
        classes: position of the class of each number, uint8 (number,); of 0 nothing.
        areas: of each number [mm²], whole numbers as float64 (number,).
        one: of each contact the number of a small region (contact,).
        other: the larger number of another small region; or, of a large one, `count` and the position of its class (contact,).
        edges: of each contact how many edges of pixels it has (contact,).
    """

    classes: np.ndarray
    areas: np.ndarray
    one: np.ndarray
    other: np.ndarray
    edges: np.ndarray

    @property
    def count(self) -> int:
        """Numbers, 0 included."""
        return len(self.classes)


def strips(height: int, width: int, rows: int | None = None) -> Iterator[slice]:
    """Rows that are read at once: as many as `PIECE` allows, or so many."""
    rows = rows or max(1, PIECE // width)
    for row in range(0, height, rows):
        yield slice(row, min(height, row + rows))


def number_small(positions: np.ndarray, pixel_areas: PixelAreas, minimum: float, numbers: np.ndarray, rows: int | None = None,
                 progress: Progress = SILENT) -> tuple[np.ndarray, np.ndarray]:
    """Numbers the regions of a class map that are smaller than a minimum.

    Args:
        positions: of classes, uint8 (y, x), 255 where there is none.
        pixel_areas: of the map; in whole `PARTS_PER_M2` they add up to the same in any order.
        minimum: the smallest area that is not small, in `PARTS_PER_M2`.
        numbers: int32 (y, x), to be filled; 0 where there is no small region.
        rows: read at once; never changes a number.
        progress: told how far it is.

    Returns:
        Position of the class and area of each number, see `SmallRegions`.
    """
    areas: list[np.ndarray] = [np.zeros(1)]
    classes, pairs, count = [np.zeros(1, np.uint8)], [np.zeros((2, 0), np.int64)], 0
    height, width = positions.shape
    for strip in strips(height, width, rows):
        progress.at(0.6 * strip.start / height, "Looking for small areas")
        here = np.asarray(positions[strip])
        own, found = label(np.where(here == NO_VALUE, 0, here.astype(np.int16) + 1), background=0, return_num=True, connectivity=1)
        areas.append(np.bincount(own.ravel(), np.broadcast_to(np.rint(pixel_areas[strip] * PARTS_PER_M2), own.shape).ravel(), found + 1)[1:])
        kinds = np.zeros(found + 1, np.uint8)
        kinds[own.ravel()] = here.ravel()
        classes.append(kinds[1:])
        own = np.where(own > 0, own + count, 0)
        if strip.start:
            joined = (positions[strip.start - 1] == here[0]) & (here[0] != NO_VALUE)
            pairs.append(np.unique(np.stack([numbers[strip.start - 1], own[0]])[:, joined].astype(np.int64), axis=1))
        numbers[strip] = own
        count += found
    ends = np.concatenate(pairs, 1)
    _, region = connected_components(coo_array((np.ones(ends.shape[1], np.int8), ends), shape=(count + 1,) * 2), directed=False)
    total = np.bincount(region, np.concatenate(areas))
    first = np.unique(region, return_index=True)[1]  # of the pieces of a region the one that begins first
    small = total < minimum
    small[region[0]] = False
    chosen = np.flatnonzero(small)
    chosen = chosen[np.argsort(first[chosen])]
    renamed = np.zeros(len(total), np.int32)
    renamed[chosen] = np.arange(1, len(chosen) + 1)
    renamed = renamed[region]
    for strip in strips(height, width, rows):
        progress.at(0.6 + 0.4 * strip.start / height, "Looking for small areas")
        numbers[strip] = renamed[numbers[strip]]
    nothing = np.zeros(1)
    return np.append(nothing.astype(np.uint8), np.concatenate(classes)[first[chosen]]), np.append(nothing, total[chosen])


def measure_small(positions: np.ndarray, percent: np.ndarray, numbers: np.ndarray, sums: np.ndarray, known: tuple[np.ndarray, np.ndarray],
                  rows: int | None = None, progress: Progress = SILENT) -> SmallRegions:
    """What a model says of small regions, and what lies beside them.

    Args:
        positions: see `number_small`.
        percent: probability of every class in percent, uint8 (class, y, x).
        numbers: as `number_small` fills them.
        sums: float64 (number, class) of zeros, to which the percentages of the pixels are added.
        known: what `number_small` gives.
        rows: read at once; never changes anything.
        progress: told how far it is.
    """
    height, width = positions.shape
    count = len(known[0])
    span = count + len(percent)
    keys, edges = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for strip in strips(height, width, rows):
        progress.at(strip.start / height, "Measuring small areas")
        own = np.asarray(numbers[strip])
        inside = own > 0
        here, which = np.unique(own[inside], return_inverse=True)
        for position, shares in enumerate(percent):
            sums[here, position] += np.bincount(which, shares[strip][inside], len(here))
        around = slice(max(0, strip.start - 1), strip.stop)
        own, kinds = np.asarray(numbers[around]).astype(np.int64), np.asarray(positions[around])
        ends = np.where(own > 0, own, count + kinds.astype(np.int64))
        lower = np.s_[strip.start - around.start:]  # the row above only has neighbours below
        sides = [(ends[lower][:, :-1], ends[lower][:, 1:], kinds[lower][:, :-1], kinds[lower][:, 1:]), (ends[:-1], ends[1:], kinds[:-1], kinds[1:])]
        for one, other, kind, next_kind in sides:
            meets = (kind != next_kind) & (kind != NO_VALUE) & (next_kind != NO_VALUE) & (np.minimum(one, other) < count)
            low, high = np.minimum(one[meets], other[meets]), np.maximum(one[meets], other[meets])
            found, often = np.unique(low * span + high, return_counts=True)
            keys.append(found)
            edges.append(often)
    contacts, which = np.unique(np.concatenate(keys), return_inverse=True)
    together = np.bincount(which, np.concatenate(edges), len(contacts)).astype(np.int64)
    return SmallRegions(*known, contacts // span, contacts % span, together)
