"""Where a model has learned from places like this one: the area of applicability.

After Meyer and Pebesma 2021, Predicting into unknown space? (doi 10.1111/2041-210X.13650), and for the density Schumacher et al. 2025, Estimation
of local training data point densities (doi 10.5194/egusphere-2024-2730).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree
from scipy.spatial.distance import pdist

#: Beyond the upper quartile by so many interquartile ranges a dissimilarity is an outlier (Tukey).
WHISKER = 1.5
#: Rows of features whose mean distance is taken; of more it is that of an even sample, because pairs grow with the square.
PAIRED = 2_000
#: A training sample at just that distance is near.
ROUNDING = 1 + 1e-6


@dataclass(frozen=True)
class KnownGround:
    """What a model learned from, in its own features.

    Attributes:
        centre: of each feature (feature,).
        spread: of each feature, not 0 (feature,).
        rows: features of training samples, standardised and weighted, float32 (n, feature).
        apart: mean distance of two training samples.
        limit: the dissimilarity up to which a sample is like those that were learned from.
        nearby: training samples that a training sample of another fold has within that limit, in the middle; 0 where it has none.
    """

    centre: np.ndarray
    spread: np.ndarray
    rows: np.ndarray
    apart: float
    limit: float
    nearby: float

    @classmethod
    def of(cls, features: np.ndarray, folds: np.ndarray, weights: np.ndarray | None = None) -> KnownGround:
        """Measures the training samples.

        Args:
            features: of training samples (n, feature), finite.
            folds: numbers of what is near each other, such as tiles (n,): a sample is compared with those of other folds, as a map is with places
                it has not learned from.
            weights: how much each feature says (feature,); None: alike.

        Raises:
            ValueError: all are of one fold, or alike.
        """
        if len(np.unique(folds)) < 2:
            raise ValueError("training samples of one fold have none to be compared with")
        features = features.astype(np.float64)
        centre, spread = features.mean(0), features.std(0, ddof=1)
        spread = np.where(spread > 0, spread, 1.0)
        if weights is not None:
            spread = np.divide(spread, weights, out=np.full_like(spread, np.inf), where=weights > 0)  # what is divided by it says nothing
        rows = (features - centre) / spread
        some = rows[np.linspace(0, len(rows) - 1, min(len(rows), PAIRED)).round().astype(int)]
        apart = float(pdist(some).mean())
        if not apart > 0:
            raise ValueError("all training samples have the same features")
        own = _from_other_folds(rows, folds) / apart
        low, high = np.quantile(own, (0.25, 0.75))
        limit = float(own[own <= high + WHISKER * (high - low)].max())
        around = cKDTree(rows).query_ball_point(rows, limit * apart * ROUNDING)
        counted = [np.count_nonzero(folds[found] != fold) for found, fold in zip(around, folds, strict=True)]
        return cls(centre.astype(np.float32), spread.astype(np.float32), rows.astype(np.float32), apart, limit, float(np.median(counted)))

    def dissimilarity(self, features: np.ndarray) -> np.ndarray:
        """Distance (n,) of samples of those features (n, feature) to the nearest training sample, in mean distances of two of these."""
        return cKDTree(self.rows).query(self._scaled(features))[0] / self.apart

    def density(self, features: np.ndarray) -> np.ndarray:
        """How many training samples (n,) are as near as `limit` to samples of those features (n, feature)."""
        return cKDTree(self.rows).query_ball_point(self._scaled(features), self.limit * self.apart * ROUNDING, return_length=True)

    def _scaled(self, features: np.ndarray) -> np.ndarray:
        return (features - self.centre) / self.spread


def known_ground(features: np.ndarray, folds: np.ndarray) -> KnownGround | None:
    """`KnownGround.of`; None where the samples say nothing of how unlike others are: they lie in one fold, or are alike."""
    try:
        known = KnownGround.of(features, folds)
    except ValueError:
        return None
    return known if known.limit > 0 else None


def _from_other_folds(rows: np.ndarray, folds: np.ndarray) -> np.ndarray:
    """Distance of each row (n, feature) to the nearest of another fold (n,)."""
    found = np.empty(len(rows))
    for fold in np.unique(folds):
        here = folds == fold
        found[here] = cKDTree(rows[~here]).query(rows[here])[0]
    return found
