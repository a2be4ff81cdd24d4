"""An embedding model and an image → some numbers for each pixel, as a raster that other jobs read like any image."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ....progress import Progress
from ...looks.image_style import ShownBand, image_qml
from ...rasters.embeddings import LARGEST, NODATA, SCALE
from ..inference import Part
from ..request import Canvas
from .drawing import Drawing

#: What the style shows in full colour, as programs read it with the scale in the file.
SHOWN = 0.8
#: Rows that are rounded at once, which caches hold.
ROWS = 64


@dataclass(frozen=True)
class Embedding:
    """The embedding: int8 COG, a band for each of its numbers, value · 1/127 from -1 to 1, -128 = nodata, with a `.qml` beside it.

    The scale is the same in all bands and images and stands in the file, so that every reader decodes it alike.
    """

    name: ClassVar[str] = "embedding"
    decision: ClassVar[bool] = True
    clouds_become: ClassVar[str] = "where there are clouds, the numbers describe the clouds"
    path: str

    def open(self, canvas: Canvas, progress: Progress) -> AbstractContextManager[Callable[[Part], None]]:
        """Begins the raster."""
        bands = [band.name for band in canvas.model.targets]
        raster = Drawing(self.path, bands, lambda: embedding_qml(len(bands)), "int8", NODATA, scale=SCALE,
                         tags={"EO_PRETRAIN_EMBEDDING": canvas.model.target_sensor}, compression="ZSTD")
        return raster.drawn(canvas, progress, _steps)


def _steps(part: Part) -> np.ndarray:
    """What is stored of a part, int8 (number, y, x)."""
    return stored(part.scores) if part.decided is None else part.decided


def stored(scores: np.ndarray) -> np.ndarray:
    """Numbers from -1 to 1, float32 (number, y, x), as whole steps int8: some rows after the other, so that nothing as large as the block is made
    besides, whose fresh memory would take longer than the rounding.
    """
    found = np.empty(scores.shape, np.int8)
    steps = np.empty((ROWS, scores.shape[2]), np.float32)
    for own, numbers in zip(found, scores, strict=True):
        for first in range(0, len(numbers), ROWS):
            some = numbers[first:first + ROWS]
            held = steps[:len(some)]
            np.multiply(some, LARGEST, out=held)
            np.rint(held, out=held)
            np.copyto(own[first:first + ROWS], held, casting="unsafe")
    return found


def embedding_qml(bands: int) -> str:
    """QGIS style: the first three bands as red, green and blue; they mean nothing by themselves, but alike places look alike."""
    return image_qml([ShownBand(min(number, bands), -SHOWN, SHOWN) for number in (1, 2, 3)])
