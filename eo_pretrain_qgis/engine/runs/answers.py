"""What a run answers for tiles, and how it answers for whole images: its network, or the simple classifier that it kept."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Iterator
from dataclasses import replace
from typing import Protocol, Self

import numpy as np
from scipy.special import logit

from ...errors import ModelError
from ..cards import IGNORE, Input, between_values, stacked
from ..classic.classifiers import WORDS
from ..classic.models import as_tiles, fed, filled
from ..classic.whitening import MARGIN
from ..datasets.dataset import Dataset
from ..datasets.surroundings import Surroundings
from ..mapping.inference import Network
from ..models.kinds import SERIES, block_sizes
from ..models.package import Package, taken
from ..models.session import Session, on_processor
from ..tasks import task_named
from .description import describe
from .run_folder import CLASSIFIER, RunFolder

_SURE = 1e-7

#: Positions of tiles (n,), their labels, and answers in the form of `tasks.Task.count`.
Answered = tuple[np.ndarray, np.ndarray, np.ndarray]


class OfTiles(Protocol):
    """What answers for tiles.

    Attributes:
        seen: the input it takes.
        dataset: of the tiles.
    """

    seen: Input
    dataset: Dataset

    def of_tiles(self, tiles: np.ndarray, at_once: int) -> Iterator[Answered]:
        """Answers for tiles of the dataset, so many at once: positions of classes (n, y, x) uint8, or scores before softmax or sigmoid (n, class).

        Of series without a date that counts the scores are NaN.
        """

    def until(self, day: float) -> Self:
        """The same of series as they were known on a day, see `cards.Input.until`."""

    def each_target(self) -> list[Self]:
        """The same of each target of the dataset, the main one first."""


class Answers(OfTiles, Protocol):
    """What answers for tiles and images."""

    def of_images(self) -> tuple[Package, Network]:
        """The model as a description, and what computes its blocks; of a class for every pixel."""


class KeptClassifier:
    """Answers of the simple classifier of a run, computed by onnxruntime from the file that is exported.

    Args:
        run: that kept one.
        dataset: of the tiles.

    Raises:
        ModelError: its file is gone or damaged.
    """

    def __init__(self, run: RunFolder, dataset: Dataset) -> None:
        self.run, self.dataset, self.seen = run, dataset, between_values(stacked(run.inputs.values()))
        self.session = on_processor(read_classifier(run), run.path(CLASSIFIER))

    def of_tiles(self, tiles: np.ndarray, at_once: int) -> Iterator[Answered]:
        """See `Answers`."""
        around = None if self.seen.dated or not self.dataset.kind.pixelwise else Surroundings(self.dataset, self.seen, MARGIN)
        for chosen in np.array_split(tiles, -(-len(tiles) // at_once)) if len(tiles) else []:
            truth = self.dataset.labels(chosen)
            if around:
                image = self.seen.divided(filled(self.seen, *around.read(chosen))[0])
                answer = self._probabilities(image)[:, :, MARGIN:-MARGIN, MARGIN:-MARGIN].argmax(1).astype(np.uint8)
            else:
                sure = self._probabilities(fed(self.dataset, self.seen, chosen)).clip(_SURE, 1 - _SURE)
                answer = as_tiles(self.dataset, logit(sure) if self.dataset.kind.several else np.log(sure))
                if self.dataset.kind.pixelwise:  # nothing is said of a pixel that no date shows
                    truth, answer = np.where(np.isnan(answer).any(1), IGNORE, truth), np.nan_to_num(answer).argmax(1).astype(np.uint8)
            yield chosen, truth, answer

    def _probabilities(self, given: dict[str, np.ndarray]) -> np.ndarray:
        """Of the classes, float32 (n, class, …), of what the graph takes."""
        return self.session.run(None, given)[0]

    def until(self, day: float) -> KeptClassifier:
        """See `OfTiles`."""
        early = copy.copy(self)
        early.seen = self.seen.until(day)
        return early

    def each_target(self) -> list[KeptClassifier]:
        """See `OfTiles`; a simple classifier knows one target."""
        return [self]

    def of_images(self) -> tuple[Package, Network]:
        """See `Answers`."""
        model = Package(self.run.folder, describe(self.run, "run", "not stated", "", classifier_facts(self.run)))
        return model, Session(self.run.path(CLASSIFIER), "cpu", channels=len(self.run.class_names))


def read_classifier(run: RunFolder) -> bytes:
    """The graph of the simple classifier that a run kept.

    Raises:
        ModelError: its file is gone, or another one.
    """
    path = run.path(CLASSIFIER)
    try:
        with open(path, "rb") as stream:
            content = stream.read()
    except FileNotFoundError:
        raise ModelError(f"The run {run.folder} kept {run.kept}, but its file {CLASSIFIER} is gone. Copy the run folder again.") from None
    if hashlib.sha256(content).hexdigest() != run.card["classifier_sha256"]:
        raise ModelError(f"The file {path} is not the one that the run wrote. Copy the run folder again.")
    return content


def classifier_facts(run: RunFolder) -> dict:
    """What the description of a model says of the simple classifier of a run."""
    seen = between_values(stacked(run.inputs.values()))
    halo = MARGIN if task_named(run.card["task"]).pixelwise and not seen.dated else 0
    # Of dated tiles it learned the series of each pixel, so it is a model of series.
    series = {"task": SERIES, "tile_size": 1} if seen.axes == "tbyx" else {}
    inputs = [taken(replace(one, optional=False, axes="tb" if series else one.axes)) for one in seen.each]
    return {**series, "inputs": inputs, "architecture": WORDS[run.kept], "encoder": None,
            "parameters": run.card["classifier_parameters"], "stride": 1, "halo": halo, **block_sizes(halo, 1)}
