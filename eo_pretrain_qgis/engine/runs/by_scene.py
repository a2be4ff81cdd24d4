"""A score on validation tiles that counts places alike where there are enough of them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..datasets.dataset import Dataset

#: From so many scenes on each counts alike, however many tiles of it there are: what helps one place may harm another.
SCENES = 3
#: Where samples have a class as a whole, a scene has so many on average, or it has no score of its own.
FEWEST = 10


class Tried(NamedTuple):
    """The score of a model, the mean over scenes where there are three or more, and its counts over all tiles."""

    score: float
    counts: np.ndarray


class SceneCounts:
    """Counts of what one model says of tiles, scene by scene.

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
        self.counts = {scene: self.kind.nothing(self.classes) for scene in np.unique(known).tolist()}

    def add(self, tiles: np.ndarray, truth: np.ndarray, answers: np.ndarray) -> None:
        """Counts some tiles: their positions, labels and answers, see `tasks.Task.count`."""
        scenes = np.array([self.scene_of[tile] for tile in tiles.tolist()])
        for scene in np.unique(scenes).tolist():
            here = scenes == scene
            self.counts[scene] += self.kind.count(truth[here], answers[here], self.classes)

    def tried(self) -> Tried | None:
        """What was found; None where no tile has a label."""
        each = list(self.counts.values())
        scores = [score for one in each if (score := self.kind.figures(one)[self.kind.score]) is not None]
        return Tried(float(np.mean(scores)), np.sum(each, axis=0)) if scores else None
