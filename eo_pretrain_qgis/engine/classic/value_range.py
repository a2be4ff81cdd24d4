"""How far the values of a place, taken together, lie from those that a model was trained on.

The squared distance from the mean of the training values in whitened bands, ‖W z‖² (Mahalanobis 1936, “On the generalised distance in
statistics”), as a share of the one that 99 of 100 training places do not exceed. Each band may lie within its own range and all of them together
far outside.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .whitening import Whitening

#: Share of the training places that count as within the range.
WITHIN = 0.99
#: A covariance of fewer places for each band says more of these than of others.
PLACES_A_BAND = 10


@dataclass(frozen=True)
class ValueRange:
    """The range of training values.

    Attributes:
        centre: their mean, stored units (band,).
        matrix: turns what differs from it into uncorrelated numbers of variance 1 (band, band).
        limit: the squared length of these that a share of `WITHIN` of the training places does not exceed.
        places: on which it was measured.
    """

    centre: np.ndarray
    matrix: np.ndarray
    limit: float
    places: int

    @classmethod
    def of(cls, values: np.ndarray, units: Sequence[str], slopes: Sequence[float] = (), angle: int = 0) -> ValueRange | None:
        """Measures it; None where the places are too few, or all alike.

        Args:
            values: of training places (n, band), stored units.
            units: of the bands.
            slopes: see `Whitening.of`.
            angle: see `Whitening.of`.
        """
        if len(values) < PLACES_A_BAND * values.shape[1]:
            return None
        white = Whitening.of(values, units, slopes, angle)
        found = cls(white.mean, white.matrix / white.deviation, 1.0, len(values))
        limit = float(np.quantile(found.shares(values.T[:, :, None]), WITHIN))
        return cls(found.centre, found.matrix, limit, len(values)) if limit > 0 else None

    def facts(self) -> dict[str, Any]:
        """As a description has it, with the seven digits that float32 has."""
        def short(values: Any) -> Any:
            return [short(value) for value in values] if isinstance(values, list) else float(f"{values:.7g}")

        return {"centre": short(self.centre.tolist()), "matrix": short(self.matrix.tolist()), "limit": short(self.limit), "places": self.places}

    def shares(self, values: np.ndarray) -> np.ndarray:
        """Squared distance of values in stored units (band, y, x), as a share of the limit: float32 (y, x)."""
        apart = values.astype(np.float32).reshape(len(values), -1) - self.centre.astype(np.float32)[:, None]
        white = self.matrix.astype(np.float32) @ apart
        return (np.einsum("bp,bp->p", white, white) / np.float32(self.limit)).reshape(values.shape[1:])
