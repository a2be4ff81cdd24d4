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


class SceneCounts:
    """`Counts` of tiles, scene by scene.

    Args:
        dataset: of the tiles.
        tiles: positions of all that will be counted (n,).
    """

    def __init__(self, dataset: Dataset, tiles: np.ndarray) -> None:
        self.kind, self.classes = dataset.kind, len(dataset.classes)
        scenes = dataset.tiles["scene"].to_numpy()[tiles] if "scene" in dataset.tiles else np.zeros(len(tiles), int)
        number = len(np.unique(scenes))
        told = number >= SCENES and (self.kind.pixelwise or number <= len(tiles) / FEWEST)
        known = scenes if told else np.zeros(len(tiles), int)
        self.scene_of = dict(zip(tiles.tolist(), known.tolist(), strict=True))
        self.counts = {scene: Counts(dataset, tiles[known == scene]) for scene in np.unique(known).tolist()}

    def add(self, tiles: np.ndarray, truth: np.ndarray, answers: np.ndarray) -> None:
        """Counts some tiles: their positions, labels and answers, see `tasks.Task.count`."""
        scenes = np.array([self.scene_of[tile] for tile in tiles.tolist()])
        for scene in np.unique(scenes).tolist():
            here = scenes == scene
            self.counts[scene].add(tiles[here], truth[here], answers[here])

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
