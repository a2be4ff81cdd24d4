"""Which of two sensors each pixel of a map was made from."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ....errors import ModelError
from ....progress import Progress
from ...cards import ClassInfo
from ...looks.class_style import class_map_qml, colormap, raster_attributes
from ...models.package import Package
from ..inference import Part
from ..request import Canvas
from .drawing import Drawing

#: No sensor was measured; the other values are those of `reading.Piece.sensors`.
NEITHER = 0
_COLOURS = ("#f28e2b", "#4e79a7", "#59a14f")


@dataclass(frozen=True)
class SensorMap:
    """1 where the first sensor alone was measured, 2 the second alone, 3 both: Byte COG, 0 = nodata, with `.aux.xml` and `.qml` beside it."""

    name: ClassVar[str] = "sensor_map"
    path: str

    def open(self, canvas: Canvas, progress: Progress) -> AbstractContextManager[Callable[[Part], None]]:
        """Begins the map, of a model of two sensors."""
        classes = sensor_classes(canvas.model)
        raster = Drawing(self.path, ["sensors"], lambda: class_map_qml(classes), nodata=NEITHER, aux_xml=lambda: raster_attributes(classes),
                         colormap=colormap(classes), resampling="nearest")
        return raster.drawn(canvas, progress, lambda part: np.zeros(part.valid.shape, np.uint8) if part.sensors is None else part.sensors)


def sensor_classes(model: Package) -> list[ClassInfo]:
    """What the values mean."""
    first, second = model.images
    words = [f"{first} only", f"{second} only", f"{first} and {second}"]
    return [ClassInfo(value, word, color) for value, (word, color) in enumerate(zip(words, _COLOURS, strict=True), 1)]


def require_two(model: Package) -> None:
    """Refuses what this map cannot be made with.

    Raises:
        ModelError: the model does not take images of two sensors.
    """
    count = len(model.images)
    if count != 2:
        raise ModelError(f"“Which sensor” (sensor_map) shows which of two sensors was measured, and the model {model.path} takes images of "
                         f"{'one' if count == 1 else count}. Leave it empty, or choose a model of two sensors.")
