"""A simple classifier together with the whitening before it: what answers for the images of a dataset."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import onnx

from ...errors import DataError
from ...progress import SILENT, Progress
from ..cards import Input
from .classifiers import CLASSIFIERS, Classifier, fit
from .graph import pixel_graph, sample_graph
from .samples import Rows, measure_whitening, pixel_rows, sample_rows
from .whitening import Whitening

if TYPE_CHECKING:
    from ..datasets.dataset import Dataset


class Labelled:
    """Labels that may be learned from, as rows; read once, for however many classifiers.

    Args:
        dataset: with labels.
        what: the input to learn from.
        tiles: positions of the labelled training tiles.
        seed: decides which pixels are drawn.
        progress: told how far it is.
    """

    def __init__(self, dataset: Dataset, what: Input, tiles: np.ndarray, seed: int, progress: Progress = SILENT) -> None:
        self.dataset, self.what, self.tiles, self.seed, self.progress = dataset, what, tiles, seed, progress

    @cached_property
    def whitening(self) -> Whitening:
        """Of the training images, also those without labels."""
        return measure_whitening(self.dataset, self.what, self.dataset.indices("training", self.what.sensor), self.progress)

    @cached_property
    def rows(self) -> Rows:
        """Features and labels.

        Raises:
            DataError: nothing that was measured has a label.
        """
        found = (pixel_rows(self.dataset, self.what, self.whitening, self.tiles, self.seed, self.progress) if self.dataset.kind.pixelwise else
                 sample_rows(self.dataset, self.what, self.whitening, self.tiles))
        if not len(found.labels):
            raise DataError(f"None of the {len(self.tiles)} training {self.dataset.kind.unit} of {self.dataset.folder} that are learned from has a "
                            "label where something was measured. Label more, or take a larger share of the labels.")
        return found

    def fit(self, approach: str) -> SimpleModel:
        """A classifier, one of `CLASSIFIERS`."""
        found = fit(CLASSIFIERS[approach], self.rows, len(self.dataset.classes), self.seed, self.progress, self.progress)
        return SimpleModel(self.what, self.whitening, found, self.rows.whole)


@dataclass(frozen=True)
class SimpleModel:
    """What was learned.

    Attributes:
        what: the input whose bands it sees.
        whitening: of these.
        classifier: of their statistics.
        whole: of whole samples, and not of pixels.
    """

    what: Input
    whitening: Whitening
    classifier: Classifier
    whole: bool = False

    def answers(self, dataset: Dataset, samples: np.ndarray) -> np.ndarray:
        """Scores of the classes: float (n, class, y, x) of pixels, (n, class) of whole samples."""
        if self.whole:
            return self.classifier.scores(sample_rows(dataset, self.what, self.whitening, samples).features)
        features = np.moveaxis(self.whitening.statistics(*dataset.read(self.what, samples)), 1, -1)
        scores = self.classifier.scores(features.reshape(-1, features.shape[-1]))
        return np.moveaxis(scores.reshape(*features.shape[:-1], -1), -1, 1)

    def graph(self) -> onnx.ModelProto:
        """As the graph of a model of images; its input has the name of the input."""
        facts = self.classifier.graph(), self.whitening, self.what.centre, self.what.name
        return sample_graph(*facts, dates=self.what.axes == "tb") if self.whole else pixel_graph(*facts)
