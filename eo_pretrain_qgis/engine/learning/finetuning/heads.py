"""Several targets of one network: each has the last layers' scores of its classes, behind those of the target before it."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch

from ....errors import DataError
from ...datasets.dataset import Dataset
from ...datasets.record import label_array
from ...runs.fusing import GAUSSIAN
from ...runs.run_folder import CARD, RunFolder
from ..data import LABELS

#: The figure that decides where there are several targets: the mean of their scores.
MEAN_SCORE = "mean_of_targets"


@dataclass(frozen=True)
class Head:
    """A target of a network.

    Attributes:
        dataset: with the labels of the target alone.
        labels: name of these in `Batch.targets`.
        scores: which of the network's scores are those of its classes.
    """

    dataset: Dataset
    labels: str
    scores: slice

    @property
    def name(self) -> str:
        """Name of the target; may be empty where it is the only one."""
        return self.dataset.target

    @property
    def classes(self) -> int:
        """How many there are."""
        return len(self.dataset.classes)


def heads_of(dataset: Dataset) -> list[Head]:
    """The targets of a dataset, the main one first."""
    found, at = [], 0
    for number, one in enumerate(dataset.each_target()):
        found.append(Head(one, label_array(number) if number else LABELS, slice(at, at + len(one.classes))))
        at += len(one.classes)
    return found


def mean_over(heads: Sequence[Head], value: Callable[[Head], torch.Tensor]) -> torch.Tensor:
    """The mean of a value of each target."""
    return torch.stack([value(head) for head in heads]).mean()


def joined(counts: Sequence[np.ndarray]) -> np.ndarray:
    """Counts of each target, as `tasks.Task.count` gives them, as one array that adds up over processes; of a single one as they are."""
    return counts[0] if len(counts) == 1 else np.concatenate([one.ravel() for one in counts])


def parted(heads: Sequence[Head], sums: np.ndarray) -> list[np.ndarray]:
    """What was `joined`."""
    if len(heads) == 1:
        return [sums]
    empty = [head.dataset.kind.nothing(head.classes) for head in heads]
    parts = np.split(sums, np.cumsum([one.size for one in empty])[:-1])
    return [part.reshape(one.shape) for part, one in zip(parts, empty, strict=True)]


def told(heads: Sequence[Head], sums: np.ndarray) -> dict[str, float]:
    """Figures of an epoch: those of the main target, of others those that every epoch tells, and the mean of the scores, where there are several."""
    main, *others = (head.dataset.kind.told_figures(counts, [row.name for row in head.dataset.classes])
                     for head, counts in zip(heads, parted(heads, sums), strict=True))
    if len(heads) == 1:
        return main
    kind, found = heads[0].dataset.kind, dict(main)
    for head, figures in zip(heads[1:], others, strict=True):
        found |= {f"{name}_of_{head.name}": figures[name] for name in kind.told if name in figures}
    scores = [figures[kind.score] for figures in (main, *others) if kind.score in figures]
    return {**found, MEAN_SCORE: float(np.mean(scores))} if scores else found


def said_of_targets(heads: Sequence[Head], sums: np.ndarray) -> list[dict[str, Any]]:
    """What run.json says of the targets beside the main one: name, classes, figures and what is taken for what."""
    return [{"name": head.name, "classes": [asdict(row) for row in head.dataset.classes], "confusion": counts.tolist(),
             "metrics": head.dataset.kind.told_figures(counts, [row.name for row in head.dataset.classes])}
            for head, counts in list(zip(heads, parted(heads, sums), strict=True))[1:]]


def of_targets(heads: Sequence[Head], start: str | None, tried: bool) -> str:
    """What is to say of several targets before training, as a sentence; empty of a single one.

    Args:
        heads: the targets.
        start: starting weights, if any.
        tried: whether other approaches than the network would be tried of a single target.
    """
    if len(heads) == 1:
        return ""
    names = ", ".join(f"{head.name} ({head.classes} classes)" for head in heads)
    others = " Boosting, which has one target, is not tried." if tried else ""
    theirs = RunFolder.open(start).target_names if start and os.path.isfile(os.path.join(start, CARD)) else []
    again = (f" The starting weights learned other targets ({', '.join(theirs)}), of which only what they see is taken over."
             if theirs and theirs != [head.name for head in heads] else "")
    return f"One network learns {names}; each begins as its own regression.{others}{again}"


def check_targets(dataset: Dataset, settings: Any) -> None:
    """Refuses what is for one target where there are several.

    Raises:
        DataError: saying what to choose.
    """
    if not dataset.targets:
        return
    names = " and ".join(f"“{name}”" for name in (dataset.target, *dataset.targets))
    wrong = {"mode": ("Mode", "fine_tune"), "incidence_angle": ("Incidence angle", "band"), "spread_labels": ("Spread the labels", "no")}
    asked = {"mode": settings.mode == "knn", "incidence_angle": settings.incidence_angle == GAUSSIAN,
             "spread_labels": settings.spread_labels in (True, "yes")}
    for name, (label, instead) in wrong.items():
        if asked[name]:
            raise DataError(f"“{label}” ({name}) is {settings.__dict__[name]}, which is for one target, and {dataset.folder} has {names}. Choose "
                            f"“{instead}”.")
