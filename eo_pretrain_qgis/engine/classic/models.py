"""A simple classifier together with the whitening before it: what answers for the images of a dataset."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, cast

import numpy as np
import onnx

from ...errors import DataError
from ...progress import SILENT, Progress
from ..cards import Input, between_values
from ..datasets.dates import as_series, read_series
from ..datasets.splitting.label_shares import with_label
from ..datasets.surroundings import Surroundings
from ..even_sample import even_sample
from .classifiers import CLASSIFIERS, Classifier, Regression, fit, stacked
from .graph import pixel_graph, sample_graph, series_graph
from .samples import LEARNED, Rows, measure_whitening, pixel_rows, sample_rows, series_rows
from .series import series_features
from .whitening import MARGIN, Whitening

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

    Attributes:
        each: labels of each target of the dataset, of which these are the main one's.
    """

    def __init__(self, dataset: Dataset, what: Input, tiles: np.ndarray, seed: int, progress: Progress = SILENT) -> None:
        self.what, self.seed, self.progress = what, seed, progress
        self.fitted: dict[str, SimpleModel] = {}
        self.each, self.given = [self], (dataset, tiles)
        if not dataset.targets:
            self.dataset, self.tiles = dataset, tiles
            return
        self.dataset, *further = dataset.each_target()
        self.tiles = with_label(self.dataset, tiles)
        self.each += [Labelled(one, what, with_label(one, tiles), seed, progress) for one in further]
        for one in self.each[1:]:
            one.whitening = self.whitening

    def of(self, what: Input) -> Labelled:
        """The same labels with another input of the dataset."""
        dataset, tiles = self.given
        return self if what == self.what else Labelled(dataset, what, tiles, self.seed, self.progress)

    @cached_property
    def whitening(self) -> Whitening:
        """Of the training images, also those without labels."""
        return measure_whitening(self.dataset, self.what, self.dataset.showing("training", self.what), self.progress)

    @cached_property
    def rows(self) -> Rows:
        """Features and labels.

        Raises:
            DataError: nothing that was measured has a label.
        """
        if self.dataset.kind.pixelwise:
            found = pixel_rows(self.dataset, self.what, self.whitening, self.tiles, self.seed, self.progress)
        else:
            rows = series_rows if self.what.dated else sample_rows
            found = rows(self.dataset, self.what, self.whitening, even_sample(self.tiles, LEARNED), self.progress)
            if len(self.dataset.sensors) > 1:
                # One sensor may have measured nothing where another did, of which zeros would be learned.
                found = found.only(np.flatnonzero(found.features.any(1)))
        if not len(found.labels):
            raise DataError(f"None of the {len(self.tiles)} training {self.dataset.kind.unit} of {self.dataset.folder} that are learned from has a "
                            "label where something was measured. Label more, or take a larger share of the labels.")
        return found

    @property
    def regression(self) -> Regression:
        """The regressions on the statistics of all targets, as a layer."""
        return stacked([cast(Regression, one.fit("statistics").classifier) for one in self.each])

    def fit(self, approach: str) -> SimpleModel:
        """A classifier, one of `CLASSIFIERS`; fitted once."""
        if approach not in self.fitted:
            found = fit(CLASSIFIERS[approach], self.rows, len(self.dataset.classes), self.seed, self.progress, self.progress)
            self.fitted[approach] = SimpleModel(between_values(self.what), self.whitening, found, self.rows.whole)
        return self.fitted[approach]


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

    def answers(self, dataset: Dataset) -> Callable[[np.ndarray], np.ndarray]:
        """Positions of samples → scores of the classes: float (n, class, y, x) of pixels, (n, class) of whole samples.

        Pixels are seen with what lies around their tile, as in a map.
        """
        if self.what.dated:
            return lambda samples: self._of_series(dataset, samples)
        if self.whole:
            return lambda samples: self.classifier.scores(sample_rows(dataset, self.what, self.whitening, samples).features)
        around = Surroundings(dataset, self.what, MARGIN)

        def of_pixels(samples: np.ndarray) -> np.ndarray:
            images, valid = around.read(samples)
            statistics = self.whitening.statistics(images, valid & np.isfinite(images).all(1))
            features = np.moveaxis(statistics[:, :, MARGIN:-MARGIN, MARGIN:-MARGIN], 1, -1)
            scores = self.classifier.scores(features.reshape(-1, features.shape[-1]))
            return np.moveaxis(scores.reshape(*features.shape[:-1], -1), -1, 1)

        return of_pixels

    def _of_series(self, dataset: Dataset, samples: np.ndarray) -> np.ndarray:
        """Scores (n, class), of dated tiles (n, class, y, x); NaN of series without a date that counts."""
        features = series_features(dataset, self.what, self.whitening, samples)
        seen, scores = ~np.isnan(features[:, 0]), np.full((len(features), len(dataset.classes)), np.nan)
        if seen.any():
            scores[seen] = self.classifier.scores(features[seen])
        return as_tiles(dataset, scores)

    def graph(self) -> onnx.ModelProto:
        """As the graph of a model of images or series; its input has the name of the input."""
        classifier = self.classifier.graph()
        if self.what.dated:
            return series_graph(classifier, self.whitening, self.what.days, self.what.name, self.what.days_port)
        ports = {one.name: len(one.bands) for one in self.what.each}
        return (sample_graph if self.whole else pixel_graph)(classifier, self.whitening, self.what.centre, ports)


def as_tiles(dataset: Dataset, scores: np.ndarray) -> np.ndarray:
    """Scores of series (n, class); of a dataset of dated tiles, of whose pixels they are, as (n, class, y, x)."""
    side = dataset.tile_size
    return np.moveaxis(scores.reshape(-1, side, side, scores.shape[1]), 3, 1) if dataset.kind.pixelwise else scores


def fed(dataset: Dataset, what: Input, samples: np.ndarray) -> dict[str, np.ndarray]:
    """Whole samples as the graph of a simple classifier takes them, by name of its ports; dated tiles as the series of their pixels."""
    if what.dated:
        return dict(zip((what.name, what.days_port), as_series(*read_series(dataset, what, samples)), strict=True))
    return what.divided(filled(what, *dataset.read(what, samples))[0])


def filled(what: Input, images: np.ndarray, valid: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Images float32 as a graph takes them, with the centres of the input where nothing was measured; and where every band was.

    Args:
        what: the input of the model.
        images: stored units (n, band, y, x).
        valid: bool (n, y, x).

    Of several sensors nothing is kept of a pixel that one of them did not measure.
    """
    known = valid & np.isfinite(images).all(1)
    return np.where(known[:, None], images, np.asarray(what.centre, np.float32)[:, None, None]).astype(np.float32), known
