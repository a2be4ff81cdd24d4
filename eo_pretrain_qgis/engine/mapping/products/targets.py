"""Products of the further targets of a model."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from ....errors import ModelError
from ....progress import Progress
from ...models.package import Package
from ..inference import Part, Product
from ..journal import Pixels
from ..request import Canvas
from .drawing import TARGET


@dataclass(frozen=True)
class OfTarget:
    """Another product, of a further target of the model: it is given the model and its answers as if there were no other."""

    target: str
    product: Product

    @property
    def name(self) -> str:
        """See `Product`."""
        return self.product.name

    @contextmanager
    def open(self, canvas: Canvas, progress: Progress) -> Iterator[Callable[[Part], object]]:
        """See `Product`."""
        tags = {**canvas.tags, TARGET: self.target}
        with self.product.open(replace(canvas, model=canvas.model.of_target(self.target), tags=tags), progress) as take:
            if isinstance(take, Pixels):
                values = take.values
                yield replace(take, values=lambda part: values(part.of(self.target)))
            else:
                yield lambda part: take(part.of(self.target))


def chosen_target(model: Package, name: str) -> str:
    """The name of a further target that was asked for; empty for the main one.

    Raises:
        ModelError: the model has no such target.
    """
    chosen = "" if name == model.record.target_name else name
    model.of_target(chosen)
    return chosen


def require_further(model: Package) -> list[str]:
    """Names of the further targets of a model.

    Raises:
        ModelError: it has none.
    """
    if not model.further:
        raise ModelError(f"“Maps of further targets” (target_maps) was given, and the model {model.path} has one target. Leave it empty, or choose a "
                         "model of a dataset with several.")
    return list(model.further)
