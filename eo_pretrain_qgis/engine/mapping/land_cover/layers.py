"""What a model says of land cover in an area, in files beside an output, so that memory does not grow with the image."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from ....errors import ModelError, listed
from ....progress import Progress
from ...models.package import Package
from ...rasters.grid import Window
from ...themes.roads.labels import ROAD
from ...themes.sea_ice.classes import SCHEMES
from ..fields.decoding import BOUNDARY, INTERIOR
from ..inference import Part
from ..journal import Pixels
from ..products.drawing import NO_VALUE, percent
from ..request import Canvas
from ..scratch import scratch_array

_ICE = frozenset(row.name for scheme in SCHEMES.values() for row in scheme.classes)
#: How the classes of another theme are known: what they are, by their names; and what maps them.
_OTHER_THEMES: tuple[tuple[str, Callable[[set[str]], bool], str], ...] = (
    ("fields", lambda names: {INTERIOR, BOUNDARY} <= names, "“Map field boundaries”"),
    ("roads", lambda names: ROAD.name in names and len(names) <= 2, "“Map roads”"),
    ("sea ice", lambda names: names <= _ICE, "“Map sea ice”"),
)


def require_land_cover(model: Package) -> None:
    """Refuses models that give no class for each place, or classes that are told to be of another theme.

    Raises:
        ModelError: naming what the model gives and what maps it.
    """
    if "class_map" not in model.kind.products:
        raise ModelError(f"The model {model.path} gives {model.gives if model.targets else model.kind.gives}, and land cover is mapped from a class "
                         "for each place. Choose a model of a dataset made by “Create land cover dataset”.")
    names = [row.name for row in model.classes]
    for theme, known, job in _OTHER_THEMES:
        if known(set(names)):
            raise ModelError(f"The model {model.path} has the classes {listed(names)}, which are of {theme} and not of land cover. Use {job}, or "
                             "choose a model of a dataset made by “Create land cover dataset”.")


@dataclass
class LandCoverLayers:
    """The product of a map run that land cover is drawn from.

    Attributes:
        positions: of the class of each pixel, uint8 (y, x), 255 where there is none.
        percent: probability of every class in percent, uint8 (class, y, x), 0 where there is none.
        tags: of the run.
        image: what was mapped.
        output: that they lie beside.
    """

    name: ClassVar[str] = "class_map"
    positions: np.ndarray
    percent: np.ndarray
    tags: dict[str, str] = field(default_factory=dict)
    image: str = ""
    output: str = ""

    @classmethod
    @contextmanager
    def beside(cls, output: str, classes: int, size: tuple[int, int]) -> Iterator[LandCoverLayers]:
        """Empty layers of so many classes, rows and columns, in files in the folder of `output` that are removed at the end."""
        with scratch_array(output, "uint8", size) as positions, scratch_array(output, "uint8", (classes, *size)) as shares:
            positions[:] = NO_VALUE
            yield cls(positions, shares, output=output)

    @contextmanager
    def open(self, canvas: Canvas, progress: Progress) -> Iterator[Pixels]:
        """Takes the parts of a run."""
        self.tags |= canvas.tags

        def values(part: Part) -> np.ndarray:
            return np.concatenate([np.where(part.valid, part.winner[0], NO_VALUE)[None], percent(part.scores) * part.valid])

        def put(own: np.ndarray, window: Window) -> None:
            place = np.s_[window.row:window.row + window.height, window.col:window.col + window.width]
            self.positions[place], self.percent[(slice(None), *place)] = own[0], own[1:]

        yield Pixels(self.output, 1 + len(self.percent), "uint8", canvas, values, put)
