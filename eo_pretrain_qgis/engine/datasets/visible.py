"""Labels of what a model can see, of datasets in which ground keeps its labels that one of two sensors alone has measured."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import numpy as np

from ..cards import Inputs

if TYPE_CHECKING:
    from .dataset import Dataset


def for_inputs(dataset: Dataset, inputs: Inputs) -> Dataset:
    """The same samples for what sees these inputs: pixels that it cannot see have no label, so that all that is learned, and judged beside it, is of
    the same pixels. Of inputs that may be missing one is enough.
    """
    view = copy.copy(dataset)
    view.asked = tuple(inputs.values())
    return view


def visible(dataset: Dataset, indices: np.ndarray) -> np.ndarray:
    """Which pixels of samples what asks for them sees, bool (n, y, x)."""
    valid = [dataset.read(seen, indices)[1] for seen in dataset.asked if dataset.find(seen) is not None]
    return (np.logical_or if all(seen.optional for seen in dataset.asked) else np.logical_and).reduce(valid)
