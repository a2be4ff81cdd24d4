"""How much the members of a model disagree on each pixel."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import ClassVar

from ....progress import Progress
from ...looks.class_style import disagreement_qml
from ...models.kinds import DISAGREEMENT
from ..inference import Part
from ..request import Canvas
from .drawing import Drawing, percent


@dataclass(frozen=True)
class Disagreement:
    """Mutual information of class and member in percent of its largest value, see `models.ensemble.joined`: Byte COG, 255 = nodata."""

    name: ClassVar[str] = DISAGREEMENT
    path: str

    def open(self, canvas: Canvas, progress: Progress) -> AbstractContextManager[Callable[[Part], None]]:
        """Begins the raster, of a model of several members."""
        model = canvas.model
        count, classes = len(model.record.members), len(model.classes)
        most = "ln(2), mean of the classes" if model.kind.products[0] == "class_shares" else f"ln({max(classes, 2)} classes)"
        tags = {"EO_PRETRAIN_DISAGREEMENT": f"mutual information of class and member, of {count} members: entropy of their mean less the mean of "
                                            f"their entropies, in percent of {most}"}
        raster = Drawing(self.path, [f"disagreement [% of {most}]"], disagreement_qml, tags=tags)
        return raster.drawn(canvas, progress, lambda part: percent(part.beside[DISAGREEMENT]))
