"""Counts of what a model says of samples: of what they belong to where they do, and a score that counts places alike where there are enough."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.special import softmax

from ..datasets.dataset import IGNORE, Dataset
from ..datasets.units import unit_numbers

#: From so many scenes on each counts alike, however many tiles of it there are: what helps one place may harm another.
SCENES = 3
#: Where samples have a class as a whole, a scene has so many on average, or it has no score of its own.
FEWEST = 10


class Tried(NamedTuple):
    """The score of a model, the mean over scenes where there are three or more, its counts over all tiles, and its standard error by chance.

    The error is that of a share, of as many as were counted; 0 for tasks whose score is none of what each sample or unit is right about.
    """

    score: float
    counts: np.ndarray
    doubt: float = 0.0


class Counts:
    """Counts of what one model says of samples.

    Where samples belong to units, such as parcels, a unit says the class of which the mean probability of its samples is largest, and counts once;
    samples without an answer are left out.

    Args:
        dataset: of the samples.
        samples: positions of all that will be counted (n,).
    """

    def __init__(self, dataset: Dataset, samples: np.ndarray) -> None:
        self.kind, self.classes, self.samples = dataset.kind, len(dataset.classes), samples
        self.units, self.sums = unit_numbers(dataset, samples), self.kind.nothing(self.classes)
        if self.units is not None:
            many = int(self.units.max(initial=-1)) + 1
            self.truth, self.chances = np.full(many, IGNORE, np.uint8), np.zeros((many, self.classes))

    def add(self, samples: np.ndarray, truth: np.ndarray, answers: np.ndarray) -> None:
        """Counts some samples: their positions, labels and answers, see `tasks.Task.count`."""
        if self.units is None:
            self.sums += self.kind.count(truth, answers, self.classes)
            return
        known = (truth != IGNORE) & ~np.isnan(answers).any(1)
        unit = self.units[_places(self.samples, samples[known])]
        np.add.at(self.chances, unit, softmax(answers[known], 1))
        self.truth[unit] = truth[known]

    def total(self) -> np.ndarray:
        """All that was counted."""
        return self.sums if self.units is None else self.kind.count(self.truth, self.chances, self.classes)


def _places(samples: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """Where in `samples` those that are asked for stand."""
    order = np.argsort(samples, kind="stable")
    return order[np.searchsorted(samples, asked, sorter=order)]


class GroupCounts:
    """`Counts` of samples, group by group, and of how many labels of each sample the answer is right.

    Args:
        dataset: of the samples.
        samples: positions of all that will be counted (n,).
        groups: number of the group of each (n,); samples of one unit are of one group.

    Attributes:
        right: of each sample, in the order of `samples`, labels that are answered right: of its pixels, of itself, or of its several classes (n,).
        known: and labels at all (n,).
    """

    def __init__(self, dataset: Dataset, samples: np.ndarray, groups: np.ndarray) -> None:
        self.kind, self.classes, self.samples, self.groups = dataset.kind, len(dataset.classes), samples, groups
        self.right, self.known = np.zeros(len(samples), np.int64), np.zeros(len(samples), np.int64)
        self.counts = {group: Counts(dataset, samples[groups == group]) for group in np.unique(groups).tolist()}

    def add(self, samples: np.ndarray, truth: np.ndarray, answers: np.ndarray) -> None:
        """Counts some samples: their positions, labels and answers, see `tasks.Task.count`."""
        rows = _places(self.samples, samples)
        right, known = hits(truth, answers, self.kind.several)
        np.add.at(self.right, rows, right)
        np.add.at(self.known, rows, known)
        groups = self.groups[rows]
        for group in np.unique(groups).tolist():
            here = groups == group
            self.counts[group].add(samples[here], truth[here], answers[here])

    def take(self, other: GroupCounts) -> None:
        """Adds what was counted elsewhere of some of the samples, which are of no units."""
        rows = _places(self.samples, other.samples)
        self.right[rows] += other.right
        self.known[rows] += other.known
        for group, counts in other.counts.items():
            self.counts[group].sums += counts.sums

    def each(self, groups: int) -> np.ndarray:
        """What was counted of so many groups (group, …), 0 of those without samples."""
        found = np.stack([self.kind.nothing(self.classes)] * groups)
        for group, counts in self.counts.items():
            found[group] = counts.total()
        return found

    def total(self) -> np.ndarray:
        """All that was counted."""
        return np.sum([self.kind.nothing(self.classes), *(counts.total() for counts in self.counts.values())], axis=0)


def hits(truth: np.ndarray, answers: np.ndarray, several: bool) -> tuple[np.ndarray, np.ndarray]:
    """Of each sample how many labels are answered right, and how many there are, int64 (n,) each; see `tasks.Task.count` for the arguments."""
    if several:
        return ((answers >= 0) == (truth == 1)).sum(1), np.full(len(truth), truth.shape[1])
    known, found, axes = truth != IGNORE, answers, tuple(range(1, truth.ndim))
    if answers.ndim > truth.ndim:
        known, found = known & ~np.isnan(answers).any(1), np.nan_to_num(answers).argmax(1)
    return (known & (found == truth)).sum(axes), known.sum(axes)


class SceneCounts(GroupCounts):
    """`Counts` of tiles, scene by scene.

    Args:
        dataset: of the tiles.
        tiles: positions of all that will be counted (n,).
    """

    def __init__(self, dataset: Dataset, tiles: np.ndarray) -> None:
        scenes = dataset.tiles["scene"].to_numpy()[tiles] if "scene" in dataset.tiles else np.zeros(len(tiles), int)
        number = len(np.unique(scenes))
        told = number >= SCENES and (dataset.kind.pixelwise or number <= len(tiles) / FEWEST)
        super().__init__(dataset, tiles, np.unique(scenes, return_inverse=True)[1] if told else np.zeros(len(tiles), int))

    def tried(self) -> Tried | None:
        """What was found; None where no tile has a label."""
        each = [one.total() for one in self.counts.values()]
        scores = [score for one in each if (score := self.kind.figures(one)[self.kind.score]) is not None]
        if not scores:
            return None
        score, counts = float(np.mean(scores)), np.sum(each, axis=0)
        return Tried(score, counts, share_error(score, counts) if self.kind.scored_by else 0.0)


def share_error(share: float, counts: np.ndarray) -> float:
    """Standard error by chance of a share of as many as were counted."""
    return float(np.sqrt(share * (1 - share) / counts.sum()))
