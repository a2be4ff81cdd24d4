"""Where an image is like what a model learned from: its area of applicability."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ....progress import Progress
from ...looks.class_style import applicability_qml
from ...models.kinds import APPLICABILITY
from ..inference import Part
from ..request import Canvas
from .drawing import NO_VALUE, Drawing

#: The largest value of both bands: so many hundredths of the limit, or training samples, and more.
MOST = 250
#: What rounding adds to a dissimilarity that is the limit, as a share of it.
_ROUNDING = 1e-4
#: Share of a map outside from which on the user is warned: of ground that a model learned from, a few percent lie there.
WARNED = 0.1


@dataclass
class Applicability:
    """Dissimilarity in hundredths of the limit, up to which a place is like the training ground, and how many of the training samples are like it:
    Byte COG with two bands, 255 = nodata.

    Attributes:
        path: of the raster.
        outside: share of the map beyond the limit, known when the map is finished.
    """

    name: ClassVar[str] = APPLICABILITY
    path: str
    outside: float = 0.0

    @contextmanager
    def open(self, canvas: Canvas, progress: Progress) -> Iterator[Callable[[Part], None]]:
        """Begins the raster; at its end says which share of it lies outside.

        Raises:
            ModelError: the model does not know the ground that it learned from.
        """
        known, counts = canvas.model.applicability, np.zeros(2, np.int64)

        def values(part: Part) -> np.ndarray:
            dissimilarity, nearby = part.ground
            unlike = np.ceil(dissimilarity * np.float32(100 / known.limit) - np.float32(100 * _ROUNDING))
            return np.stack([np.clip(unlike, 0, MOST).astype(np.uint8), np.minimum(nearby + 0.5, MOST).astype(np.uint8)])

        def count(stored: np.ndarray) -> None:
            valid = stored[0] != NO_VALUE
            counts[:] += np.count_nonzero((stored[0] > 100) & valid), np.count_nonzero(valid)

        tags = {"EO_PRETRAIN_APPLICABILITY": f"limit {known.limit:.4g} mean distances of two of {known.samples} training samples; of these "
                                             f"{known.nearby:g} are within it of a training sample, in the middle"}
        bands = ["unlike the training ground [% of the limit]", "training samples nearby"]
        with Drawing(self.path, bands, applicability_qml, tags=tags).drawn(canvas, progress, values, count) as draw:
            yield draw
        self.outside = float(counts[0] / max(counts[1], 1))
        progress.message(unlike_words(self.outside), "warning" if self.outside > WARNED else "info")


def unlike_words(outside: float) -> str:
    """What is said of the share of a map that lies outside, as sentences."""
    return f"{outside:.0%} of the map is unlike all ground that the model learned from. How right it is there nobody has measured."
