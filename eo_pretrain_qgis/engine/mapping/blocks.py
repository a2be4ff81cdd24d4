"""The blocks in which a map is computed: one layout for a model and an image, whatever the extent, the memory and the device.

A network with pooling is not indifferent to shifts: an untrained U-Net changed 69 % of its classes when its input moved by 9 px. And a network
may look farther than any halo. So blocks lie on one grid, fixed to the first pixel of the image at multiples of the network's stride; their
edge and halo stand in the model file. At the border of the image there is nothing more to see; there the network meets the edge of its
input.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from ...errors import JobError
from ..models.kinds import up
from ..rasters.grid import Window


@dataclass(frozen=True)
class Tile:
    """What is kept of one run of the network and what the network sees for it, in pixels of the image.

    Attributes:
        core: the pixels kept; tiles' cores cover the image once.
        seen: the input, around the core; starts and ends at multiples of the stride, so it may end outside the image.
    """

    core: Window
    seen: Window


def anchored_tiles(width: int, height: int, *, block: int, halo: int, stride: int, area: Window | None = None,
                   exact: bool = False) -> list[Tile]:
    """The tiles whose cores touch an area of an image, row by row.

    The layout depends on the image, the block and the network alone, never on the area.

    Args:
        width: columns of the image.
        height: rows of the image.
        block: largest edge of what the network sees [px].
        halo: pixels thrown away at each side inside the image; rounded up to a multiple of `stride`.
        stride: pixels by which the network may be shifted without changing its arithmetic.
        area: pixels wanted; None is all.
        exact: the network takes tiles of `block` only, a multiple of `stride`; they may reach beyond the image.

    Raises:
        JobError: when the halo leaves nothing of a tile.
    """
    halo = up(halo, stride)
    largest = (block - 2 * halo) // stride * stride
    if largest < stride:
        raise JobError(f"A block of {block} px with a halo of {halo} px on each side leaves nothing to keep. Choose a smaller halo, or leave it "
                       "empty to take that of the model.")
    area = area or Window(0, 0, width, height)
    fixed = block if exact else None
    columns = _spans(width, largest, halo, stride, (area.col, area.col + area.width), fixed)
    rows = _spans(height, largest, halo, stride, (area.row, area.row + area.height), fixed)
    return [Tile(Window(col, row, core_width, core_height), Window(left, top, seen_width, seen_height))
            for row, core_height, top, seen_height in rows for col, core_width, left, seen_width in columns]


def _spans(length: int, largest: int, halo: int, stride: int, area: tuple[int, int], fixed: int | None) -> list[tuple[int, int, int, int]]:
    """Along one axis, (start, size) of each core that touches `area`, from the first to before the last, and of what is seen for it."""
    first, last = area
    count = math.ceil(length / largest)
    core = largest if fixed else up(math.ceil(length / count), stride)  # evened out, so that the last tile is not mostly outside
    end = up(length, stride)
    spans = []
    for start in range(first // core * core, last, core):
        left, right = max(0, start - halo), min(end, start + core + halo)
        if fixed:  # moved inwards at the borders, so that it sees the image and not the outside
            left = max(0, min(start - halo, end - fixed))
            right = left + fixed
        spans.append((start, min(core, length - start), left, right - left))
    return spans
