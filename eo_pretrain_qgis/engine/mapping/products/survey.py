"""What models do not know of each place, collected for “Suggest labels”, and of each pixel, as a map."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ....progress import Progress
from ...looks.class_style import confidence_qml
from ..inference import Part
from ..request import Canvas
from ..suggesting.uncertainty import Ensemble, Places, measure
from .drawing import Drawing, percent

_TINY = 1e-12


@dataclass(frozen=True)
class Survey:
    """The layers entropy, margin, disagreement, probabilities, values and squares, summed up in `places`.

    Attributes:
        ensemble: the models that are run.
        places: filled here.
        path: map of a measure in percent to write, Byte COG, 255 = nodata; None writes none.
        measure: of that map, one of `uncertainty.MEASURES`.
    """

    name: ClassVar[str] = "survey"
    clouds_become: ClassVar[str] = "places under clouds may be suggested"
    ensemble: Ensemble
    places: Places
    path: str | None = None
    measure: str = "entropy"

    @contextmanager
    def open(self, canvas: Canvas, progress: Progress) -> Iterator[Callable[[Part], object]]:
        """Begins the sums and the map."""
        if not self.path:
            yield self._add
            return
        raster = Drawing(self.path, [f"{self.measure} [%]"], confidence_qml)
        with raster.drawn(canvas, progress, lambda part: percent(self._add(part)[self.measure])) as draw:
            yield lambda part: draw(part)  # the sums in places are of this run alone, so that none can go on with it

    def _add(self, part: Part) -> dict[str, np.ndarray]:
        """Adds a part to the places; gives the measures of its pixels."""
        bands = next(iter(self.ensemble.inputs.values())).bands
        scale = np.array([max(band.std, _TINY) for band in bands], np.float32)[:, None, None]
        shift = np.array([band.mean for band in bands], np.float32)[:, None, None]
        doubt = measure(part.scores, len(self.ensemble.packages))
        values = (part.values - shift) / scale  # in the spreads of the training pixels, so that bands of any unit compare
        layers = {name: layer[None] for name, layer in doubt.measures.items()}
        self.places.add(part.window, part.valid, {**layers, "probabilities": doubt.probabilities, "values": values, "squares": values**2})
        return doubt.measures
