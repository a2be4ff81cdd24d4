"""Products that show how near a class was to another: the most probable other class, and by how much it is less probable."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import ClassVar

from ....errors import ModelError
from ....progress import Progress
from ...cards import ClassInfo
from ...looks.class_style import margin_qml
from ...models.package import Package
from ..inference import Part
from ..request import Canvas
from .classes import class_drawing, class_values
from .drawing import Drawing, percent


def runner_up_drawing(path: str, classes: Sequence[ClassInfo]) -> Drawing:
    """A raster of the most probable class besides the mapped one, with the values and looks of `class_drawing`."""
    return class_drawing(path, classes)


def margin_drawing(path: str) -> Drawing:
    """A raster of the probability of the mapped class less that of the runner-up, in percent: Byte, 255 = nodata."""
    return Drawing(path, ["margin [%]"], margin_qml)


def require_other_class(model: Package, label: str) -> None:
    """Refuses a model of one class, besides which there is none.

    Raises:
        ModelError: naming the product by its label.
    """
    if len(model.classes) < 2:
        raise ModelError(f"“{label}” compares the two most probable classes, and the model {model.path} has one. Leave it empty.")


@dataclass(frozen=True)
class RunnerUp:
    """See `runner_up_drawing`."""

    name: ClassVar[str] = "runner_up"
    path: str

    def open(self, canvas: Canvas, progress: Progress) -> AbstractContextManager[Callable[[Part], None]]:
        """Begins the raster."""
        require_other_class(canvas.model, "Runner-up")
        values = class_values(canvas.model.classes)
        return runner_up_drawing(self.path, canvas.model.classes).drawn(canvas, progress, lambda part: values[part.runner_up[0]])


@dataclass(frozen=True)
class Margin:
    """See `margin_drawing`."""

    name: ClassVar[str] = "margin"
    path: str

    def open(self, canvas: Canvas, progress: Progress) -> AbstractContextManager[Callable[[Part], None]]:
        """Begins the raster."""
        require_other_class(canvas.model, "Margin")
        return margin_drawing(self.path).drawn(canvas, progress, lambda part: percent(part.winner[1] - part.runner_up[1]))
