"""Where the values of an image, taken together, lie outside those that a model was trained on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ....errors import ModelError
from ....progress import Progress
from ...classic.value_range import WITHIN, ValueRange
from ...looks.class_style import range_qml
from ...models.kinds import OUT_OF_RANGE
from ...models.package import Package
from ..inference import Part
from ..request import Canvas
from .drawing import NO_VALUE, Drawing

#: The largest value: so many hundredths of the limit, and more.
MOST = 250
#: Share of a map outside from which on the user is warned: of training images a hundredth lies there.
WARNED = 0.1


@dataclass
class OutOfRange:
    """Squared distance of the values of a place from the mean of the training values, in whitened bands and in percent of what `WITHIN` of the
    training places do not exceed: Byte COG, 255 = nodata. Of several sensors the largest of those that were measured.

    Attributes:
        path: of the raster.
        outside: share of the map beyond the limit, known when the map is finished.
    """

    name: ClassVar[str] = OUT_OF_RANGE
    path: str
    outside: float = 0.0

    @contextmanager
    def open(self, canvas: Canvas, progress: Progress) -> Iterator[Callable[[Part], None]]:
        """Begins the raster; at its end says which share of it lies outside.

        Raises:
            ModelError: the model does not know the range of its training values.
        """
        ranges, counts = known_ranges(canvas.model), np.zeros(2, np.int64)

        def values(part: Part) -> np.ndarray:
            return np.clip(np.ceil(100 * farthest(ranges, part)), 0, MOST).astype(np.uint8)

        def count(stored: np.ndarray) -> None:
            valid = stored != NO_VALUE
            counts[:] += np.count_nonzero((stored > 100) & valid), np.count_nonzero(valid)

        places = " and ".join(f"{one.places:,}" for one in ranges.values())
        tags = {"EO_PRETRAIN_RANGE": f"squared distance in whitened bands, in percent of that which {WITHIN:.0%} of {places} training places do not "
                                     "exceed"}
        bands = ["out of range [% of the limit]"]
        with Drawing(self.path, bands, range_qml, tags=tags).drawn(canvas, progress, values, count) as draw:
            yield draw
        self.outside = float(counts[0] / max(counts[1], 1))
        text = f"In {self.outside:.0%} of the map the values, taken together, lie farther out than those of {WITHIN:.0%} of the training places."
        progress.message(text, "warning" if self.outside > WARNED else "info")


def known_ranges(model: Package) -> dict[str, ValueRange]:
    """The range of the training values of each input of a model, in their order.

    Raises:
        ModelError: it knows none.
    """
    found = model.record.ranges
    if not found:
        raise ModelError(f"The model {model.path} does not know how its training values are spread; older model files do not. Export its run again "
                         "where the dataset still is, or leave “Out of range” (out_of_range) empty.")
    rows = {name: found[name] for name in model.inputs}
    return {name: ValueRange(np.array(row.centre), np.array(row.matrix), row.limit, row.places) for name, row in rows.items()}


def farthest(ranges: dict[str, ValueRange], part: Part) -> np.ndarray:
    """The largest share of the limit of all inputs that were measured, float32 (y, x)."""
    found, first = np.zeros(part.valid.shape, np.float32), 0
    for number, known in enumerate(ranges.values()):
        shares = known.shares(part.values[first:first + len(known.centre)])
        measured = True if part.sensors is None else (part.sensors >> number) & 1 == 1
        np.maximum(found, shares, out=found, where=measured)
        first += len(known.centre)
    return found
