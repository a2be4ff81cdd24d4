"""What figures are of: samples, or what several of them belong to, such as the parcel whose pixels they are."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from ..tasks import Task
    from .dataset import Dataset


def has_units(dataset: Dataset) -> bool:
    """Whether samples belong to units, see `tasks.Task.scored_by`."""
    return bool(dataset.kind.scored_by) and dataset.kind.scored_by in dataset.tiles


def unit_numbers(dataset: Dataset, samples: np.ndarray) -> np.ndarray | None:
    """Numbers of the units that samples belong to, from 0 on, int64 (n,); None where each stands for itself."""
    if not has_units(dataset):
        return None
    names = dataset.tiles[dataset.kind.scored_by].to_numpy()[samples]
    return np.unique(names.astype(str), return_inverse=True)[1]


def first_of_units(dataset: Dataset, samples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where in `samples` the first of each unit stands (unit,), and the unit of each sample (n,); each sample is one where they belong to none."""
    units = unit_numbers(dataset, samples)
    return np.unique(np.arange(len(samples)) if units is None else units, return_index=True, return_inverse=True)[1:]


def scored_kind(dataset: Dataset) -> Task:
    """The task of a dataset in the words of what its figures are of."""
    return replace(dataset.kind, unit=f"{dataset.kind.scored_by}s") if has_units(dataset) else dataset.kind


def unit_sentences(dataset: Dataset) -> list[str]:
    """What figures are of, where that is not each sample."""
    unit = dataset.kind.scored_by
    return [f"Figures are of {unit}s: the {dataset.kind.unit} of a {unit} say together, by the mean of their probabilities, which class it has. A "
            f"{unit} without a clear date says nothing and is not counted."] if has_units(dataset) else []
