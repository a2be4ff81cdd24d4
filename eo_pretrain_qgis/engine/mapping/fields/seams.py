"""Fields of an image of any size, block by block, so that no field is cut by a block and memory does not grow with the image.

Seeds are looked for in blocks with a margin, and numbered over the whole image at once, strip by strip; then each block grows the seeds that lie in
it and around it and keeps its own pixels. A seed has the same number in every block, so a field that crosses blocks is one field, and each pixel is
written once, so fields neither overlap nor leave a gap between blocks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from scipy import ndimage
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from ....progress import Progress
from ...rasters.grid import Window, blocks
from ..inference import Part
from ..journal import Pixels
from ..products.drawing import percent
from ..request import Canvas
from ..scratch import scratch_array
from .decoding import AROUND, DISTANCE, Decoding, grown, middle, positions, seeds

#: Edge of a block, and what is seen around it [px]: farther than `decoding.REACH`.
BLOCK, MARGIN = 1536, 160
#: Rows numbered at once.
STRIP = 512


@dataclass
class FieldLayers:
    """What a model says of fields in the area of a run, kept in a file beside an output: the product of a map run that fields are drawn from.

    Attributes:
        layers: middle and probability of fields in percent, uint8 (2, y, x), 0 where nothing was measured; see `FieldLayers.beside`.
        output: that they lie beside.
        tags: of the run.
    """

    name: ClassVar[str] = "fields"
    layers: np.ndarray
    output: str = ""
    tags: dict[str, str] = field(default_factory=dict)

    @classmethod
    @contextmanager
    def beside(cls, output: str, size: tuple[int, int]) -> Iterator[FieldLayers]:
        """Empty layers of so many rows and columns, in a file in the folder of `output` that is removed at the end."""
        with scratch_array(output, "uint8", (2, *size)) as layers:
            yield cls(layers, output)

    @contextmanager
    def open(self, canvas: Canvas, progress: Progress) -> Iterator[Callable[[Part], None]]:
        """Takes the parts of a run.

        Raises:
            ModelError: the model does not know fields.
        """
        interior, boundary = positions(canvas.model)
        self.tags |= canvas.tags

        def values(part: Part) -> np.ndarray:
            inner = middle(part.scores[interior], part.beside.get(DISTANCE))
            own = np.stack([percent(inner), percent(part.scores[interior] + part.scores[boundary])])
            return own * part.valid

        def put(own: np.ndarray, place: Window) -> None:
            self.layers[:, place.row:place.row + place.height, place.col:place.col + place.width] = own

        yield Pixels(self.output, len(self.layers), str(self.layers.dtype), canvas, values, put)


@dataclass(frozen=True)
class Found:
    """Fields of an image.

    Attributes:
        numbers: of fields from 1, int32 (y, x), 0 where there is none.
        pixels: of each number (number,); of 0 nothing.
        confidence: mean probability of field in the pixels of each number, 0 to 1.
    """

    numbers: np.ndarray
    pixels: np.ndarray
    confidence: np.ndarray


def decode(layers: np.ndarray, numbers: np.ndarray, how: Decoding, progress: Progress, block: int = BLOCK, margin: int = MARGIN) -> Found:
    """Fields of layers as `FieldLayers` keeps them.

    Args:
        layers: see there.
        numbers: int32 (y, x) of zeros to fill.
        how: fields are told apart.
        progress: told of every block.
        block: edge of a block [px].
        margin: what is seen around it [px].
    """
    parts = blocks(Window(0, 0, *layers.shape[:0:-1]), block)
    for done, part in enumerate(parts):
        progress.at(0.4 * done / len(parts), "Looking for the middles of fields")
        place, inner = _around(part, layers.shape[1:], margin)
        numbers[_slices(part)] = seeds(*_shares(layers, place), how)[inner]
    count = _number(numbers, progress.part(0.4, 0.5))
    pixels, sums = np.zeros(count + 1, np.int64), np.zeros(count + 1)
    rows: list[tuple[tuple[slice, slice], np.ndarray]] = []
    for done, part in enumerate(parts):
        progress.at(0.5 + 0.5 * done / len(parts), "Drawing fields")
        place, inner = _around(part, layers.shape[1:], margin)
        middles, field = _shares(layers, place)
        own = grown(np.asarray(numbers[place]), middles, field, how)[inner]
        pixels += np.bincount(own.ravel(), minlength=count + 1)
        sums += np.bincount(own.ravel(), field[inner].ravel(), minlength=count + 1)
        rows.append((_slices(part), own))
        # Blocks to come see the seeds of this one, so it is written when none of them does.
        while rows and (done == len(parts) - 1 or rows[0][0][0].stop + margin <= parts[done + 1].row):
            where, found = rows.pop(0)
            numbers[where] = found
    pixels[0] = 0
    return Found(numbers, pixels, sums / np.maximum(pixels, 1))


def _number(begun: np.ndarray, progress: Progress) -> int:
    """Numbers seeds, which are not 0, over the whole array in place, from 1; gives how many there are."""
    count, pairs = 0, [np.zeros((2, 0), np.int64)]
    for row in range(0, len(begun), STRIP):
        progress.at(0.5 * row / len(begun), "Numbering fields")
        own, more = ndimage.label(begun[row:row + STRIP], AROUND)
        own = np.where(own > 0, own + count, 0)
        above = np.pad(begun[row - 1], 1) if row else np.zeros(own.shape[1] + 2, own.dtype)
        for shift in range(3):
            both = np.stack([above[shift:shift + own.shape[1]], own[0]]).astype(np.int64)
            pairs.append(np.unique(both[:, (both > 0).all(0)], axis=1))
        begun[row:row + STRIP] = own
        count += more
    edges = np.concatenate(pairs, 1)
    number, joined = connected_components(coo_array((np.ones(edges.shape[1]), edges), shape=(count + 1,) * 2), directed=False)
    for row in range(0, len(begun), STRIP):
        progress.at(0.5 + 0.5 * row / len(begun), "Numbering fields")
        begun[row:row + STRIP] = joined[begun[row:row + STRIP]]
    return number - 1


def _shares(layers: np.ndarray, place: tuple[slice, slice]) -> tuple[np.ndarray, np.ndarray]:
    """Middle and probability of fields, float32 (y, x), 0 to 1."""
    inner, field = np.asarray(layers[(slice(None), *place)], np.float32) / 100
    return inner, field


def _around(part: Window, size: tuple[int, ...], margin: int) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Rows and columns of a block with its margin, and of the block in these."""
    top, left = max(0, part.row - margin), max(0, part.col - margin)
    place = slice(top, min(size[0], part.row + part.height + margin)), slice(left, min(size[1], part.col + part.width + margin))
    return place, (slice(part.row - top, part.row - top + part.height), slice(part.col - left, part.col - left + part.width))


def _slices(part: Window) -> tuple[slice, slice]:
    return slice(part.row, part.row + part.height), slice(part.col, part.col + part.width)
