"""Products of models of classes: the map that QGIS shows with names and colours, how sure it is, and the share of every class."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ....progress import Progress
from ...cards import ClassInfo
from ...looks.class_style import class_map_qml, colormap, confidence_qml, raster_attributes
from ..inference import Part
from ..request import Canvas
from .drawing import NO_VALUE, Drawing, percent


def class_drawing(path: str, classes: Sequence[ClassInfo]) -> Drawing:
    """A raster of the values of classes: Byte, 255 = nodata, with `.aux.xml` and `.qml` beside it."""
    return Drawing(path, ["class"], lambda: class_map_qml(classes), aux_xml=lambda: raster_attributes(classes), colormap=colormap(classes),
                   resampling="nearest")


def class_values(classes: Sequence[ClassInfo]) -> np.ndarray:
    """Position → value, uint8 (256,); 255 of positions that are none."""
    values = np.full(256, NO_VALUE, np.uint8)
    values[:len(classes)] = [row.value for row in classes]
    return values


def confidence_drawing(path: str) -> Drawing:
    """A raster of the probability of the mapped class in percent: Byte, 255 = nodata."""
    return Drawing(path, ["confidence [%]"], confidence_qml)


def shares_drawing(path: str, classes: Sequence[ClassInfo]) -> Drawing:
    """A raster with a band for each class, named as the class: its probability in percent, Byte, 255 = nodata."""
    return Drawing(path, [row.name or str(row.value) for row in classes], confidence_qml)


@dataclass(frozen=True)
class ClassMap:
    """The value of the most probable class, see `class_drawing`."""

    name: ClassVar[str] = "class_map"
    decision: ClassVar[bool] = True
    path: str

    def open(self, canvas: Canvas, progress: Progress) -> AbstractContextManager[Callable[[Part], None]]:
        """Begins the map."""
        values = class_values(canvas.model.classes)
        return class_drawing(self.path, canvas.model.classes).drawn(canvas, progress, lambda part: values[part.winner[0]])


@dataclass(frozen=True)
class Confidence:
    """See `confidence_drawing`."""

    name: ClassVar[str] = "confidence"
    decision: ClassVar[bool] = True
    path: str

    def open(self, canvas: Canvas, progress: Progress) -> AbstractContextManager[Callable[[Part], None]]:
        """Begins the raster."""
        return confidence_drawing(self.path).drawn(canvas, progress, lambda part: percent(part.winner[1]))


@dataclass(frozen=True)
class ClassShares:
    """See `shares_drawing`."""

    name: ClassVar[str] = "class_shares"
    path: str

    def open(self, canvas: Canvas, progress: Progress) -> AbstractContextManager[Callable[[Part], None]]:
        """Begins the raster."""
        return shares_drawing(self.path, canvas.model.classes).drawn(canvas, progress, lambda part: percent(part.scores))
