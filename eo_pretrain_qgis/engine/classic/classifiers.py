"""The simple classifiers: regression and boosting on rows of numbers.

So few rows are learned in one thread: where other programs keep the processor busy, threads wait for each other ten to thirty times as long as they
compute.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import numpy as np
import onnx
from scipy.special import logit
from threadpoolctl import threadpool_limits

from ...progress import SILENT, Progress
from ..measures.accuracy import confusion, scores
from ..measures.linear_probe import STRENGTHS, LinearProbe
from ..waiting import in_background
from .graph import linear_graph, tree_graph
from .samples import LEARNED, Rows

#: From so many whole samples on the strength of the penalty hardly matters, and it is not searched for. Of pixels 1 is as good as any, from 20
#: points to thousands, and accuracy on 20 points is no guide to a better one.
ENOUGH = 2_000
#: Rounds of boosting, and the penalty on the values of leaves, that of XGBoost: without one, classes of a few pixels pull all others along.
TREES, PENALTY = 60, 1.0
#: Rows that a leaf of a tree holds at least, scikit-learn's default: fewer than twice as many cannot be divided.
LEAF = 20
Fitted = TypeVar("Fitted")
#: Of `joint_regression`: deviations that features are brought to, beside statistics with 1; and rows that these are tried on.
SHARES, TRIED_ROWS = (0.0, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0), 5_000


class Classifier(Protocol):
    """What answers for rows of features."""

    def scores(self, features: np.ndarray) -> np.ndarray:
        """Scores (n, class) of features (n, feature): before softmax, or before the sigmoid where a sample may have several classes."""

    def graph(self) -> onnx.ModelProto:
        """As a graph of rows → probabilities."""


@dataclass(frozen=True)
class Regression:
    """A linear layer: weight (class, feature) and bias (class,), float32."""

    weight: np.ndarray
    bias: np.ndarray
    several: bool = False

    @classmethod
    def fit(cls, rows: Rows, classes: int, seed: int, progress: Progress = SILENT) -> Regression:
        """Logistic regression with an L2 penalty, whose strength is found by cross-validation where rows are few whole samples, or of groups."""
        progress.at(0, "Regression on the statistics")
        known = not rows.whole or (rows.labels.ndim == 1 and rows.groups is None and len(rows.labels) >= ENOUGH)
        with threadpool_limits(1):
            probe = LinearProbe(rows.features, rows.labels, seed, (1.0,) if known else STRENGTHS, groups=rows.groups)
        if not probe.converged:
            progress.message("The regression on the statistics did not settle, so it may be better than what is said of it. Check the bands: two may "
                             "be nearly the same.", "warning")
        return cls(*probe.layer(classes), rows.labels.ndim == 2)

    def scores(self, features: np.ndarray) -> np.ndarray:
        """See `Classifier`."""
        return features @ self.weight.T + self.bias

    def graph(self) -> onnx.ModelProto:
        """See `Classifier`."""
        return linear_graph(self.weight, self.bias, self.several)


@dataclass(frozen=True)
class Boosting:
    """Gradient boosting, one model for all classes, or one for each where a sample may have several."""

    models: tuple[Any, ...]
    features: int
    classes: int
    several: bool = False

    @classmethod
    def fit(cls, rows: Rows, classes: int, seed: int, progress: Progress = SILENT) -> Boosting:
        """scikit-learn's HistGradientBoostingClassifier: 60 rounds of trees with at most 31 leaves."""
        from sklearn.dummy import DummyClassifier
        from sklearn.ensemble import HistGradientBoostingClassifier

        several, models = rows.labels.ndim == 2, []
        columns = rows.labels.T if several else [rows.labels]
        for number, labels in enumerate(columns):
            progress.at(number / len(columns), "Boosting on the statistics")
            alone = len(np.unique(labels)) == 1
            model = DummyClassifier() if alone else HistGradientBoostingClassifier(
                max_iter=TREES, l2_regularization=PENALTY, min_samples_leaf=LEAF, early_stopping=False, random_state=seed)
            with threadpool_limits(1):
                models.append(model.fit(rows.features, labels))
        return cls(tuple(models), rows.features.shape[1], classes, several)

    def scores(self, features: np.ndarray) -> np.ndarray:
        """See `Classifier`."""
        if self.several:
            return np.stack([logit(_probabilities(model, features, 2)[:, 1]) for model in self.models], 1)
        return np.log(_probabilities(self.models[0], features, self.classes))

    def graph(self) -> onnx.ModelProto:
        """See `Classifier`."""
        return tree_graph(self.models, self.features, self.classes, self.several)


def _probabilities(model: Any, features: np.ndarray, classes: int) -> np.ndarray:
    """Of every class (n, class), also of those the model has not seen; none is quite 0 or 1."""
    found = np.zeros((len(features), classes))
    with threadpool_limits(1 if len(features) <= LEARNED else None):
        found[:, model.classes_.astype(int)] = model.predict_proba(features)
    return found.clip(1e-7, 1 - 1e-7)


def joint_regression(rows: Rows, classes: int, seed: int, progress: Progress = SILENT, *, first: int) -> Regression:
    """A regression on statistics of pixels and, beside them, on features of an encoder.

    Pixels of one tile are much alike in features that see far, and a regression learns the tiles by heart from them. So the penalty weighs heavier
    on these features, by how much is found on a quarter of the tiles, held out; they may be left out altogether.

    Args:
        rows: of pixels; statistics, then features.
        classes: how many there are.
        seed: decides which tiles and rows.
        progress: told when it does not settle.
        first: how many columns are statistics.
    """
    rng = np.random.default_rng(seed)
    tiles = rng.permutation(np.unique(rows.tiles))
    held = np.isin(rows.tiles, tiles[:len(tiles) // 4])
    known, asked = (rng.permutation(np.flatnonzero(chosen))[:TRIED_ROWS] for chosen in (~held, held))
    width, best, reached = rows.features.shape[1], SHARES[0], -1.0
    for share in SHARES if len(asked) else ():
        progress.at(0, "Regression on statistics and features")
        with threadpool_limits(1):
            probe = LinearProbe(rows.features[known], rows.labels[known], seed, (1.0,), _shares(share, first, width))
        score = scores(confusion(rows.labels[asked], probe.predict(rows.features[asked]), classes))["mean_iou"] or 0.0
        if score > reached:
            best, reached = share, score
    with threadpool_limits(1):
        probe = LinearProbe(rows.features, rows.labels, seed, (1.0,), _shares(best, first, width))
    return Regression(*probe.layer(classes))


def _shares(share: float, first: int, width: int) -> np.ndarray:
    return np.where(np.arange(width) < first, 1.0, share)


def stacked(parts: Sequence[Regression]) -> Regression:
    """Regressions on the same features as one layer, with their classes behind each other."""
    return Regression(np.concatenate([part.weight for part in parts]), np.concatenate([part.bias for part in parts]), parts[0].several)


#: Approach → what it is, in words.
WORDS = {"statistics": "regression on statistics", "boosting": "boosting on statistics"}
#: Approach → what it fits, in the order in which they are tried.
CLASSIFIERS: dict[str, Callable[..., Classifier]] = {"statistics": Regression.fit, "boosting": Boosting.fit}


def fit(kind: Callable[..., Fitted], rows: Rows, classes: int, seed: int, progress: Progress, told: Progress = SILENT) -> Fitted:
    """What `Regression.fit` or `Boosting.fit` gives; `progress` hears twice a second that it goes on, `told` what there is to say of it."""
    return in_background(lambda: kind(rows, classes, seed, told), progress, 0, "Learning from the statistics")
