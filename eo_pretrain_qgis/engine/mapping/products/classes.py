"""Products of models of classes: the map that QGIS shows with names and colours, how sure it is, and the share of every class."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ....progress import Progress
from ...looks.class_style import class_map_qml, colormap, confidence_qml, raster_attributes
from ..inference import Part
from ..request import Canvas
from .drawing import NO_VALUE, Drawing, percent


@dataclass(frozen=True)
class ClassMap:
    """The value of the most probable class: Byte COG, 255 = nodata, with `.aux.xml` and `.qml` beside it."""

    name: ClassVar[str] = "class_map"
    path: str

    def open(self, canvas: Canvas, progress: Progress) -> AbstractContextManager[Callable[[Part], None]]:
        """Begins the map."""
        classes = canvas.model.classes
        values = np.full(256, NO_VALUE, np.uint8)
        values[:len(classes)] = [row.value for row in classes]
        raster = Drawing(self.path, ["class"], lambda: class_map_qml(classes), aux_xml=lambda: raster_attributes(classes),
                        colormap=colormap(classes), resampling="nearest")
        return raster.drawn(canvas, progress, lambda part: values[part.winner[0]])


@dataclass(frozen=True)
class Confidence:
    """Probability of the mapped class in percent: Byte COG, 255 = nodata."""

    name: ClassVar[str] = "confidence"
    path: str

    def open(self, canvas: Canvas, progress: Progress) -> AbstractContextManager[Callable[[Part], None]]:
        """Begins the raster."""
        return Drawing(self.path, ["confidence [%]"], confidence_qml).drawn(canvas, progress, lambda part: percent(part.winner[1]))


@dataclass(frozen=True)
class ClassShares:
    """Probability of every class in percent: Byte COG with a band for each class, named as the class, 255 = nodata."""

    name: ClassVar[str] = "class_shares"
    path: str

    def open(self, canvas: Canvas, progress: Progress) -> AbstractContextManager[Callable[[Part], None]]:
        """Begins the raster."""
        bands = [row.name or str(row.value) for row in canvas.model.classes]
        return Drawing(self.path, bands, confidence_qml).drawn(canvas, progress, lambda part: percent(part.scores))
