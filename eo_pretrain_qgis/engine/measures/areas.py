"""Accuracy and areas of a class map from a sample of reference places, with 95 % intervals, and how many places are needed.

One estimator serves all samples. A share of the area is a mean over the strata, each as wide as its area; accuracies are ratios of such shares.
Variances are those of the linear terms of these figures, one for each unit that was drawn, among the units of each group that was drawn by itself
(Cochran 1977, Sampling Techniques; Särndal, Swensson and Wretman 1992, section 5.5). With points, and the classes of the map as strata, this is
Olofsson et al. 2014 (Remote Sensing of Environment 148, 42-57) to the last digit; with other strata Stehman 2014 (International Journal of Remote
Sensing 35, 4923-4939); with polygons, or several points in one place, the ratio estimator for clusters of unequal size. Samples are small beside a
map, so that the correction for a finite population is left out, as Olofsson et al. do.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from .bootstrap import unseen

#: Half of a 95 % interval in standard errors.
Z = 1.96
#: Errors of a class in a sample, below which its intervals hold the truth less often than in 95 of 100 samples (docs/evidence/assess-map.md).
FEW_ERRORS = 5


@dataclass(frozen=True)
class Places:
    """What map and reference say of a sample. An entry is a place, or the part of it that both say the same of.

    Attributes:
        units: number of the unit that was drawn (entry,), from 0; the entries of a polygon, or of points drawn together, share it.
        strata: of each entry (entry,).
        mapped: position of the class in the map (entry,).
        truth: position of the class in the reference (entry,).
        amounts: how much each counts (entry,): 1 for a point, the area for a part of a polygon.
        groups: in which group each unit was drawn (unit,).
    """

    units: np.ndarray
    strata: np.ndarray
    mapped: np.ndarray
    truth: np.ndarray
    amounts: np.ndarray
    groups: np.ndarray

    @classmethod
    def of_points(cls, strata: np.ndarray, mapped: np.ndarray, truth: np.ndarray) -> Places:
        """Points, each a unit drawn in its stratum; all (n,)."""
        return cls(np.arange(len(truth)), strata, mapped, truth, np.ones(len(truth)), strata)

    def counts(self, classes: int) -> np.ndarray:
        """Entries by true and mapped class, int64 (class, class), rows truth."""
        return np.bincount(self.truth * classes + self.mapped, minlength=classes * classes).reshape(classes, classes)


@dataclass(frozen=True)
class Figure:
    """An estimate and half of its 95 % interval; None where there is none.

    Attributes:
        value: the estimate.
        half_width: no more than 0 where no unit was wrong, or none right, which is no proof.
        limit: there, of an accuracy whose whole the map tells, the least (the largest) that it may be with 95 % confidence; else None.
    """

    value: float | None
    half_width: float | None = None
    limit: float | None = None


@dataclass(frozen=True)
class Estimates:
    """Figures of a map; shares are of its area.

    Attributes:
        shares: estimated share of each pair of classes (class, class), rows truth, columns map.
        overall: overall accuracy.
        users: user's accuracy of each class.
        producers: producer's accuracy of each class.
        areas: share of the area that each class really has.
    """

    shares: np.ndarray
    overall: Figure
    users: tuple[Figure, ...]
    producers: tuple[Figure, ...]
    areas: tuple[Figure, ...]


class _Terms:
    """Shares of the area, and for each unit how much it moves them."""

    def __init__(self, places: Places, sizes: np.ndarray) -> None:
        """Takes the places and the area of each stratum (stratum,)."""
        self.places, self.sampled = places, np.bincount(places.strata, places.amounts, len(sizes))
        self.weights = sizes / sizes[self.sampled > 0].sum()
        drawn = np.bincount(places.groups)
        self.spread = np.where(drawn > 1, drawn / np.maximum(drawn - 1, 1), np.nan)

    def share(self, chosen: np.ndarray) -> tuple[float, np.ndarray]:
        """Share of the pairs that are chosen, bool (class, class), and its terms (unit,)."""
        places = self.places
        hit = places.amounts * chosen[places.truth, places.mapped]
        sampled = np.maximum(self.sampled, np.finfo(float).tiny)
        means = np.bincount(places.strata, hit, len(sampled)) / sampled
        terms = (hit - means[places.strata] * places.amounts) * (self.weights / sampled)[places.strata]
        return float((self.weights * means).sum()), np.bincount(places.units, terms, len(places.groups))

    def half_width(self, terms: np.ndarray) -> float:
        """Half of the 95 % interval of what has these terms; NaN where a group has one unit."""
        groups = self.places.groups
        middle = np.bincount(groups, terms) / np.maximum(np.bincount(groups), 1)
        squares = np.bincount(groups, (terms - middle[groups])**2)
        return Z * math.sqrt(float((squares * self.spread)[np.bincount(groups) > 0].sum()))

    def limit(self, ratio: float, whole: np.ndarray) -> float | None:
        """See `Figure.limit`, of the pairs that `whole` chooses, bool (class, class).

        With shares p of the strata wrong, none of n_h units is with the probability Π (1 - p_h)^n_h. As the logarithm is concave, this is at least
        0.05 only where 1 - Σ w_h p_h ≥ 0.05^(1/n), with n the least n_h / w_h of the strata: all units, where they are drawn by area.
        """
        if ratio not in (0, 1):
            return None
        places = self.places
        held = places.amounts * whole[places.truth, places.mapped]
        sampled = np.maximum(self.sampled, np.finfo(float).tiny)
        shares = self.weights * np.bincount(places.strata, held, len(sampled)) / sampled
        pairs = np.unique(np.stack([places.strata, places.units])[:, held > 0], axis=1)
        units = np.bincount(pairs[0], minlength=len(sampled))
        there = shares > 0
        missed = unseen(float((units[there] / (shares[there] / shares[there].sum())).min()))
        return 1 - missed if ratio == 1 else missed

    def accuracy(self, right: np.ndarray, whole: np.ndarray, drawn: bool) -> Figure:
        """`figure` of a share of what the map tells, with its limit."""
        found = self.figure(right, whole, drawn)
        return found if found.value is None or not drawn else replace(found, limit=self.limit(found.value, whole))

    def figure(self, part: np.ndarray, whole: np.ndarray, drawn: bool) -> Figure:
        """The share of one choice of pairs within another; no value where that has none."""
        (above, up), (below, down) = self.share(part), self.share(whole)
        if below <= 0:
            return Figure(None)
        ratio = above / below
        return Figure(ratio, self.half_width((up - ratio * down) / below) if drawn else None)


def estimate(places: Places, sizes: np.ndarray, classes: int, drawn: bool = True) -> Estimates:
    """The figures of a map.

    Args:
        places: the sample. A stratum without any is no part of the area that the figures are of.
        sizes: area of each stratum (stratum,), in any unit.
        classes: how many there are.
        drawn: whether the places were drawn by chance; otherwise there are no intervals.
    """
    terms = _Terms(places, np.asarray(sizes, float))
    every, right = np.ones((classes, classes), bool), np.eye(classes, dtype=bool)
    rows = [np.arange(classes)[:, None] == position for position in range(classes)]
    of_truth, of_map = [row & every for row in rows], [row.T & every for row in rows]
    amounts = places.amounts * (terms.weights / np.maximum(terms.sampled, np.finfo(float).tiny))[places.strata]
    shares = np.bincount(places.truth * classes + places.mapped, amounts, classes * classes).reshape(classes, classes)
    return Estimates(shares, terms.accuracy(right, every, drawn), tuple(terms.accuracy(one & right, one, drawn) for one in of_map),
                     tuple(terms.figure(one & right, one, drawn) for one in of_truth), tuple(terms.figure(one, every, drawn) for one in of_truth))


def sample_size(shares: Sequence[float], expected: Sequence[float], half_width: float) -> int:
    """How many points give the overall accuracy an interval of that half width (Olofsson et al. 2014, equation 13).

    Args:
        shares: of the area, of each class of the map.
        expected: user's accuracy of each, as it is thought to be, 0 to 1.
        half_width: of the 95 % interval of the overall accuracy, 0 to 1.
    """
    spread = sum(share * math.sqrt(accuracy * (1 - accuracy)) for share, accuracy in zip(shares, expected, strict=True))
    return max(1, math.ceil(round((spread * Z / half_width)**2, 6)))


def allocate(shares: Sequence[float], total: int, least: int, available: Sequence[int]) -> list[int]:
    """How many points each stratum gets: rare ones `least`, the others the rest by their shares, none more than it has pixels.

    Args:
        shares: of the area (stratum,).
        total: points wanted; more where the strata are too many for it.
        least: of each stratum.
        available: pixels of each stratum.
    """
    rare: set[int] = set()
    while True:
        rest, common = total - least * len(rare), sum(share for position, share in enumerate(shares) if position not in rare)
        more = {position for position, share in enumerate(shares) if position not in rare and rest * share < least * common}
        if not more:
            break
        rare |= more
    exact = [least if position in rare else rest * share / common for position, share in enumerate(shares)]
    return [min(math.floor(count + 0.5), pixels) for count, pixels in zip(exact, available, strict=True)]
