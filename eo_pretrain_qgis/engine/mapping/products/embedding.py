"""An embedding model and an image → some numbers for each pixel, as a raster that other jobs read like any image."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ....progress import Progress
from ...looks.class_style import raster_qml, stretch
from ...rasters.embeddings import LARGEST, NODATA, SCALE
from ..inference import Part
from ..request import Canvas
from .drawing import Drawing

#: What the style shows in full colour, as programs read it with the scale in the file.
SHOWN = 0.8


@dataclass(frozen=True)
class Embedding:
    """The embedding: int8 COG, a band for each of its numbers, value · 1/127 from -1 to 1, -128 = nodata, with a `.qml` beside it.

    The scale is the same in all bands and images and stands in the file, so that every reader decodes it alike.
    """

    name: ClassVar[str] = "embedding"
    path: str

    def open(self, canvas: Canvas, progress: Progress) -> AbstractContextManager[Callable[[Part], None]]:
        """Begins the raster."""
        bands = [band.name for band in canvas.model.targets]
        raster = Drawing(self.path, bands, lambda: embedding_qml(len(bands)), "int8", NODATA, scale=SCALE,
                         tags={"EO_PRETRAIN_EMBEDDING": canvas.model.target_sensor})
        return raster.drawn(canvas, progress, lambda part: np.rint(part.scores * LARGEST).astype(np.int8))


def embedding_qml(bands: int) -> str:
    """QGIS style: the first three bands as red, green and blue; they mean nothing by themselves, but alike places look alike."""
    colours = ("red", "green", "blue")
    attributes = 'type="multibandcolor" opacity="1" alphaBand="-1" nodataColor="" ' + " ".join(
        f'{colour}Band="{min(number, bands)}"' for number, colour in enumerate(colours, 1))
    return raster_qml(attributes, "".join(stretch(f"{colour}ContrastEnhancement", -SHOWN, SHOWN) for colour in colours))
