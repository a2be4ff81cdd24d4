"""Simple classifiers of rows of features: statistics of bands, or what an encoder found."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence

import numpy as np
from scipy.special import logit
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold, StratifiedShuffleSplit
from sklearn.multiclass import OneVsRestClassifier
from sklearn.neighbors import KNeighborsClassifier

from .accuracy import confusion, scores
from .multilabel_accuracy import multilabel_scores, score_counts

NEIGHBOURS = 5
#: Strengths of the L2 penalty that are tried, scikit-learn's C; small for many features and few labels.
STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0, 100.0)
SEARCHED = 4000  # samples of groups that it is searched with
FOLDS, FOLDED = 5, 1000  # up to so many samples the strength is found by cross-validation, beyond on a fifth held out
MULTILABEL_STRENGTH = 0.1
ITERATIONS = 2000
#: A feature that varies by less than this share of its mean is a constant and its rounding.
CONSTANT = 1e-6


def nearest_neighbours(known: np.ndarray, labels: np.ndarray, asked: np.ndarray, neighbours: int = NEIGHBOURS) -> np.ndarray:
    """Vote of the nearest labelled samples by the cosine of their features.

    Args:
        known: features (n, channel).
        labels: of `known`: class positions (n,), or 0 and 1 (n, class).
        asked: features (m, channel).
        neighbours: how many vote; all, where there are fewer.

    Returns:
        Class positions (m,), or shares of the votes (m, class).
    """
    model = KNeighborsClassifier(min(neighbours, len(known)), metric="cosine", algorithm="brute")
    if labels.ndim == 1:
        return model.fit(known, labels).predict(asked)
    places = model.fit(known, np.zeros(len(known), int)).kneighbors(asked, return_distance=False)
    return labels[places].mean(1)


class LinearProbe:
    """Logistic regression with an L2 penalty on standardised features; its strength is found on the labelled samples alone.

    Attributes:
        strength: scikit-learn's C.
        converged: whether the weights settled.
    """

    def __init__(self, known: np.ndarray, labels: np.ndarray, seed: int = 1, strengths: Sequence[float] = STRENGTHS,
                 shares: np.ndarray | None = None, groups: np.ndarray | None = None) -> None:
        """Learns.

        Args:
            known: features (n, channel).
            labels: class positions (n,), or 0 and 1 (n, class) of several classes at once.
            seed: decides which samples choose the strength.
            strengths: values of C that are tried; for several classes at once C is 0.1.
            shares: to what deviation each feature is brought (channel,), so that the penalty weighs heavier on those with less than 1; 0 leaves a
                feature out. None: 1 for all.
            groups: numbers of what samples belong to (n,): those of a group learn, or choose the strength, together. None: each stands alone.
        """
        # In float64: in float32 the mean of many rows is off by 1e-4, and a constant would seem to vary.
        self.mean, deviation = known.mean(0, dtype=np.float64), known.std(0, dtype=np.float64)
        self.deviation = np.where(deviation > np.maximum(CONSTANT * np.abs(self.mean), 1e-9), deviation, 1.0)
        if shares is not None:
            self.deviation = np.divide(self.deviation, shares, out=np.full(len(shares), np.inf), where=shares > 0)
        rows, self.classes = self._scaled(known), labels.shape[1] if labels.ndim == 2 else 0
        self.constant = None if self.classes or len(np.unique(labels)) > 1 else labels[0]
        self.strength = MULTILABEL_STRENGTH
        if not self.classes and self.constant is None:
            self.strength = _best_strength(rows, labels, seed, strengths, groups)
        plain = LogisticRegression(C=self.strength, max_iter=ITERATIONS)
        self.model = OneVsRestClassifier(plain) if self.classes else plain
        if self.constant is None:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of classes all or none have; the last is told by `converged`
                self.model.fit(rows, labels)
        models = getattr(self.model, "estimators_", [self.model])
        self.converged = all(np.max(getattr(model, "n_iter_", 0)) < ITERATIONS for model in models)

    def predict(self, asked: np.ndarray) -> np.ndarray:
        """Class positions (m,) of features (m, channel), or probabilities (m, class) of several classes at once."""
        if self.constant is not None:
            return np.full(len(asked), self.constant)
        rows = self._scaled(asked)
        return self.model.predict_proba(rows) if self.classes else self.model.predict(rows)

    def layer(self, classes: int) -> tuple[np.ndarray, np.ndarray]:
        """The same classifier as a linear layer on the features as they are: weight (class, channel) and bias (class,), float32.

        Its outputs are scores before softmax, or before the sigmoid for several classes at once. Classes without a sample get a
        bias below all others.
        """
        channels = len(self.mean)
        weight, bias = np.zeros((classes, channels)), np.zeros(classes)
        if self.constant is not None:
            bias[self.constant] = 1.0
        elif self.classes:
            for place, single in enumerate(self.model.estimators_):
                if isinstance(single, LogisticRegression):
                    weight[place], bias[place] = single.coef_[0], single.intercept_[0]
                else:  # all or none of the samples have it
                    bias[place] = 4.0 if single.predict(np.zeros((1, channels)))[0] else -4.0
        else:
            known, rows, starts = self.model.classes_.astype(int), self.model.coef_, self.model.intercept_
            if len(known) == 2:  # of two classes the model keeps the score of the second over the first
                rows, starts = np.outer([-0.5, 0.5], rows[0]), np.array([-0.5, 0.5]) * starts[0]
            bias[:] = starts.min() - 4.0
            weight[known], bias[known] = rows, starts
        weight = weight / self.deviation
        return weight.astype(np.float32), (bias - weight @ self.mean).astype(np.float32)

    def _scaled(self, rows: np.ndarray) -> np.ndarray:
        return ((rows - self.mean) / self.deviation).astype(np.float32)


def score_predictions(truth: np.ndarray, found: np.ndarray, classes: int) -> dict[str, float]:
    """Figures of predictions for whole samples.

    Args:
        truth: class positions (n,), or 0 and 1 (n, class).
        found: class positions (n,), or probabilities (n, class).
        classes: number of classes.

    Returns:
        ``overall_accuracy`` and ``mean_f1``, or ``average_precision`` (micro mean) and ``mean_f1`` at a probability of 0.5.
    """
    if truth.ndim == 1:
        figures = scores(confusion(truth, found, classes))
        return {"overall_accuracy": figures["overall_accuracy"], "mean_f1": figures["mean_f1"]}
    figures = multilabel_scores(score_counts(truth, logit(np.asarray(found, np.float64))))
    return {name: figures[name] or 0.0 for name in ("average_precision", "mean_f1")}


def _best_strength(rows: np.ndarray, labels: np.ndarray, seed: int, strengths: Sequence[float], groups: np.ndarray | None = None) -> float:
    """The strength with the best accuracy on labelled samples that were set aside, the smallest where several are as good."""
    if len(strengths) == 1:
        return float(strengths[0])
    chosen = np.sort(np.random.default_rng(seed).permutation(len(labels))[:SEARCHED]) if groups is not None else np.arange(len(labels))
    chosen = chosen[np.isin(labels[chosen], [value for value, count in zip(*np.unique(labels[chosen], return_counts=True)) if count > 1])]
    rows, labels = rows[chosen], labels[chosen]
    if len(np.unique(labels)) < 2:
        return float(np.sort(strengths)[len(strengths) // 2])
    hits = np.zeros(len(strengths))
    for learned, tried in _parts(rows, labels, seed, None if groups is None else groups[chosen]):
        if len(np.unique(labels[learned])) < 2:
            continue
        model = LogisticRegression(max_iter=250, tol=1e-3, warm_start=True)
        for place, strength in enumerate(sorted(strengths)):
            model.set_params(C=strength)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)
                hits[place] += (model.fit(rows[learned], labels[learned]).predict(rows[tried]) == labels[tried]).sum()
    return float(sorted(strengths)[int(hits.argmax())] if hits.any() else np.sort(strengths)[len(strengths) // 2])


def grouped_folds(labels: np.ndarray, groups: np.ndarray, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Positions of samples that learn and that are tried, with all of a group in one fold: five folds, or fewer of few samples, or none."""
    folds = min(FOLDS, len(np.unique(groups)), int(np.unique(labels, return_counts=True)[1].max(initial=0)))
    if folds < 2:
        return []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of classes in fewer groups than there are folds
        return list(StratifiedGroupKFold(folds, shuffle=True, random_state=seed).split(labels[:, None], labels, groups))


def _parts(rows: np.ndarray, labels: np.ndarray, seed: int, groups: np.ndarray | None) -> Iterable[tuple[np.ndarray, np.ndarray]]:
    """Positions of samples that learn and that are tried: folds of few samples, or a fifth held out."""
    fewest = int(np.unique(labels, return_counts=True)[1].min())
    if groups is not None:
        return grouped_folds(labels, groups, seed)
    if len(labels) <= FOLDED:
        return StratifiedKFold(min(FOLDS, fewest), shuffle=True, random_state=seed).split(rows, labels)
    return StratifiedShuffleSplit(1, test_size=0.2, random_state=seed).split(rows, labels)
