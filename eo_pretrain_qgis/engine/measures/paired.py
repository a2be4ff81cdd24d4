"""Is one way better than another? Differences of scores in the same draws, with what chance alone would give."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import stats
from sklearn.isotonic import IsotonicRegression

#: Below so many pairs the signed-rank test cannot fall below .05: with five its smallest two-sided probability is .0625, with six .031.
FEWEST_RANKED = 6
LEVEL = 0.95


class Paired(NamedTuple):
    """Differences of pairs.

    Attributes:
        mean: of them.
        half_width: of Student's t interval at 95 %; None of a single pair.
        probability: two-sided, of so large a mean by chance, by the t test, of equal ones by their signs; None of a single pair.
        ranked: the same by Wilcoxon's signed-rank test; None of fewer than six pairs.
    """

    mean: float
    half_width: float | None
    probability: float | None
    ranked: float | None

    @property
    def ends(self) -> tuple[float, float] | None:
        """Of the interval."""
        return None if self.half_width is None else (self.mean - self.half_width, self.mean + self.half_width)


def paired(differences: Sequence[float]) -> Paired:
    """What differences of pairs, at least one, say of their mean."""
    values = np.asarray(differences, np.float64)
    mean = float(values.mean())
    if len(values) < 2:
        return Paired(mean, None, None, None)
    spread = float(values.std(ddof=1))
    half = float(stats.t.ppf((1 + LEVEL) / 2, len(values) - 1)) * spread / np.sqrt(len(values))
    if spread > 1e-12:
        probability = float(stats.ttest_1samp(values, 0.0).pvalue)
    else:  # all differences are equal
        # Student's t would be sure of two pairs already. Of n that are as likely above as below, all have one sign with this probability.
        probability = 2.0 ** (1 - len(values)) if mean else 1.0
    ranked = None
    if len(values) >= FEWEST_RANKED:
        ranked = float(stats.wilcoxon(values).pvalue) if values.any() else 1.0
    return Paired(mean, float(half), probability, ranked)


def holm(probabilities: Sequence[float]) -> list[float]:
    """Probabilities that hold for several questions at once (Holm 1979, A simple sequentially rejective multiple test procedure).

    The smallest is multiplied by their number, the next by one less, and so on; none may be smaller than one before it, nor above 1.
    """
    order, found, largest = np.argsort(probabilities, kind="stable"), [0.0] * len(probabilities), 0.0
    for rank, place in enumerate(order):
        largest = max(largest, min(1.0, (len(order) - rank) * float(probabilities[place])))
        found[place] = largest
    return found


class Needed(NamedTuple):
    """Labels that a way needs for a score.

    Attributes:
        labels: how many.
        beyond: whether more than the most that were tried; `labels` is then these.
        below: whether fewer than the least that were tried; `labels` is then these.
    """

    labels: float
    beyond: bool = False
    below: bool = False


def labels_for(score: float, labels: Sequence[float], scores: Sequence[float]) -> Needed:
    """How many labels a curve of scores needs for one: a rising curve through its points (isotonic regression), straight over log labels between.

    Args:
        score: to be reached.
        labels: of each point of the curve, above 0, rising.
        scores: of each point.
    """
    places = np.log(np.asarray(labels, np.float64))
    rising = IsotonicRegression(increasing=True).fit(places, np.asarray(scores, np.float64)).predict(places)
    if score > rising[-1]:
        return Needed(float(labels[-1]), beyond=True)
    if score < rising[0]:
        return Needed(float(labels[0]), below=True)
    right = int(np.searchsorted(rising, score))  # the first point that reaches it
    if right == 0:
        return Needed(float(labels[0]))
    share = (score - rising[right - 1]) / (rising[right] - rising[right - 1])
    return Needed(float(np.exp(places[right - 1] + share * (places[right] - places[right - 1]))))
