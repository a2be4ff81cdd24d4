"""How far probabilities of classes can be believed, and one number that mends them.

A network that learned with Dice is too sure, because that is no likelihood. Dividing all scores before softmax by one temperature keeps every
class and brings the probabilities nearer to how often they are right (Guo et al. 2017, On Calibration of Modern Neural Networks, arXiv 1706.04599).
Where a sample may have several classes the same is done before the sigmoid of each, with one temperature for all: so the order of all scores stays,
and whether a class is said, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import expit, logsumexp, softmax

#: Bins of an error, each of as many samples (equal mass: Nixon et al. 2019, Measuring Calibration in Deep Learning, arXiv 1904.01685).
BINS = 15
#: Temperatures that are looked at.
COLDEST, HOTTEST = 0.05, 20.0


@dataclass(frozen=True)
class Bin:
    """Samples of like probability.

    Attributes:
        said: mean probability that was given to a class.
        found: share of them that had it.
        samples: how many.
    """

    said: float
    found: float
    samples: int


@dataclass(frozen=True)
class Calibration:
    """A temperature, and what it does where it was not fitted.

    Attributes:
        temperature: that was fitted; above 1 the probabilities were too sure.
        before: error of the probability of the class that is said, without it, 0 to 1; where a sample may have several, the mean of the classes'
            errors.
        after: the same with it.
        classes_before: error of the probability of each class, without it; NaN of a class that no sample has.
        classes_after: the same with it.
        bins: without it, by rising probability, of the class that is said; none where a sample may have several.
        bins_after: with it.
        samples: how many were looked at.
        classes_bins: where a sample may have several, those of each class, without it; none of a class that no sample has.
        classes_bins_after: with it.
    """

    temperature: float
    before: float
    after: float
    classes_before: tuple[float, ...]
    classes_after: tuple[float, ...]
    bins: tuple[Bin, ...]
    bins_after: tuple[Bin, ...]
    samples: int
    classes_bins: tuple[tuple[Bin, ...], ...] = ()
    classes_bins_after: tuple[tuple[Bin, ...], ...] = ()

    @property
    def kept(self) -> float:
        """The temperature to use: 1 where the fitted one makes the error larger elsewhere, or no smaller."""
        return self.temperature if self.after < self.before else 1.0


def temperature_of(scores: np.ndarray, labels: np.ndarray) -> float:
    """The temperature of the largest likelihood.

    Labels count as a little unsure, less so the more there are, or a model that is always right of few samples would be made quite sure (Platt 1999,
    Probabilistic Outputs for Support Vector Machines).

    Args:
        scores: before softmax, or logarithms of probabilities (n, class); where a sample may have several classes, before sigmoid.
        labels: positions of the classes (n,); where a sample may have several, 0 or 1 of each (n, class).
    """
    scores, (samples, classes) = scores.astype(np.float64), scores.shape
    if labels.ndim == 2:
        # Of each class the scores of two: that it is there, and that it is not.
        two = np.stack([np.zeros(scores.size), scores.ravel()], 1)
        return _likeliest(two, labels.ravel().astype(np.int64), 1 / (samples + 2))
    return _likeliest(scores, labels, (classes - 1) / (samples + classes))


def _likeliest(scores: np.ndarray, labels: np.ndarray, unsure: float) -> float:
    samples, classes = scores.shape
    own = scores[np.arange(samples), labels]
    own = (1 - unsure) * own + unsure * (scores.sum(1) - own) / max(1, classes - 1)

    def loss(logarithm: float) -> float:
        temperature = np.exp(logarithm)
        return float(np.mean(logsumexp(scores / temperature, 1) - own / temperature))

    return float(np.exp(minimize_scalar(loss, bounds=np.log([COLDEST, HOTTEST]), method="bounded").x))


def reliability(said: np.ndarray, right: np.ndarray, bins: int = BINS) -> tuple[Bin, ...]:
    """Bins of rising probability with as many samples each, within one; fewer bins where there are fewer samples.

    Args:
        said: probabilities (n,).
        right: whether they came true (n,).
        bins: how many.
    """
    order = np.argsort(said, kind="stable")
    return tuple(Bin(float(said[part].mean()), float(right[part].mean()), len(part)) for part in np.array_split(order, bins) if len(part))


def calibration_error(bins: Sequence[Bin]) -> float:
    """Expected calibration error: mean distance of what was said from what was found, by samples; NaN of none."""
    samples = sum(one.samples for one in bins)
    return sum(one.samples * abs(one.said - one.found) for one in bins) / samples if samples else float("nan")


def calibrate(scores: np.ndarray, labels: np.ndarray, blocks: np.ndarray, seed: int = 0) -> Calibration | None:
    """Fits a temperature to half of the blocks and measures it on the other half.

    Args:
        scores: see `temperature_of`.
        labels: see `temperature_of`.
        blocks: what samples are near each other, such as numbers of tiles or scenes (n,); a block is in one half as a whole.
        seed: of the halves.

    Returns:
        None where there is one block, of which no half can be left to measure, or where no sample of that half has one of several classes.
    """
    names = np.unique(blocks)
    if len(names) < 2:
        return None
    fitted = np.isin(blocks, np.random.default_rng(seed).permutation(names)[:len(names) // 2])
    temperature = temperature_of(scores[fitted], labels[fitted])
    rest, truth = scores[~fitted].astype(np.float64), labels[~fitted]
    if labels.ndim == 2:
        return _calibration_of_several(rest, truth, temperature) if truth.any() else None
    (bins, classes), (bins_after, classes_after) = (_errors(softmax(rest / one, 1), truth) for one in (1.0, temperature))
    return Calibration(temperature, calibration_error(bins), calibration_error(bins_after), classes, classes_after, bins, bins_after, len(truth))


def _calibration_of_several(scores: np.ndarray, labels: np.ndarray, temperature: float) -> Calibration:
    """What a temperature does before the sigmoid of each class."""
    each = [tuple(reliability(said, own == 1) if own.any() else () for said, own in zip(expit(scores / one).T, labels.T, strict=True))
            for one in (1.0, temperature)]
    before, after = (tuple(map(calibration_error, bins)) for bins in each)
    return Calibration(temperature, float(np.nanmean(before)), float(np.nanmean(after)), before, after, (), (), len(labels), each[0], each[1])


def _errors(probabilities: np.ndarray, labels: np.ndarray) -> tuple[tuple[Bin, ...], tuple[float, ...]]:
    """Bins of the class that is said, and the error of each class."""
    said = probabilities.argmax(1)
    classes = tuple(calibration_error(reliability(column, labels == number)) if (labels == number).any() else float("nan")
                    for number, column in enumerate(probabilities.T))
    return reliability(probabilities[np.arange(len(said)), said], said == labels), classes
