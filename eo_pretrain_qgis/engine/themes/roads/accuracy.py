"""Accuracy of mapped roads with a tolerance: what counts is whether a road was found, not on which pixel its edge lies.

Both maps are thinned to centre lines. Correctness (precision) is the share of the mapped line within the tolerance of the true line,
completeness (recall) the share of the true line within the tolerance of the mapped one, quality their common share (Wiedemann, Heipke,
Mayer and Jamet 1998, “Empirical evaluation of automatically extracted road axes”; as relaxed precision and recall in Mnih and Hinton
2010, “Learning to detect roads in high-resolution aerial images”). With a tolerance of 0 and no thinning these are the usual figures.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import distance_transform_edt
from skimage.morphology import skeletonize


@dataclass(frozen=True)
class RoadCounts:
    """Pixels of lines, to be added up over many maps.

    Attributes:
        mapped: of the mapped line.
        mapped_right: of these within the tolerance of the true line.
        true: of the true line.
        true_found: of these within the tolerance of the mapped line.
    """

    mapped: int = 0
    mapped_right: int = 0
    true: int = 0
    true_found: int = 0

    def __add__(self, other: RoadCounts) -> RoadCounts:
        return RoadCounts(self.mapped + other.mapped, self.mapped_right + other.mapped_right, self.true + other.true,
                          self.true_found + other.true_found)


def road_counts(truth: np.ndarray, mapped: np.ndarray, tolerance: float, valid: np.ndarray | None = None, thin: bool = True) -> RoadCounts:
    """Compares a map of roads with the truth.

    Args:
        truth: bool (y, x), where there are roads.
        mapped: bool (y, x), where the map has them.
        tolerance: largest distance between the centres of pixels that still match [px].
        valid: bool (y, x), the pixels that count; others can be matched but are not counted, so that a road at the border of the ground
            that is judged is not lost. None counts all.
        thin: whether roads are thinned to their centre lines first.
    """
    lines = Lines.of(truth, mapped, thin)
    return RoadCounts(*(int(count) for count in lines.counted(tolerance, np.ones(truth.shape, bool) if valid is None else valid).sum((1, 2))))


@dataclass(frozen=True)
class Lines:
    """The lines of two maps of the same ground, and how far each pixel is from them.

    Attributes:
        true: of the truth, bool (y, x).
        mapped: of the map.
        from_true: distance to the nearest pixel of the true line [px]; infinite where there is none.
        from_mapped: and to that of the mapped line.
    """

    true: np.ndarray
    mapped: np.ndarray
    from_true: np.ndarray
    from_mapped: np.ndarray

    @classmethod
    def of(cls, truth: np.ndarray, mapped: np.ndarray, thin: bool = True) -> Lines:
        """See `road_counts` for the arguments."""
        true, found = (skeletonize(road) if thin else road.astype(bool) for road in (truth, mapped))
        return cls(true, found, _distance(true), _distance(found))

    def counted(self, tolerance: float, counted: np.ndarray) -> np.ndarray:
        """What `RoadCounts` counts, in its order: bool (4, y, x), of the pixels that count, bool (y, x)."""
        true, found = self.true & counted, self.mapped & counted
        return np.stack([found, found & (self.from_true <= tolerance), true, true & (self.from_mapped <= tolerance)])


def road_scores(counts: RoadCounts) -> dict[str, float | None]:
    """Precision (correctness), recall (completeness), F1 and quality; None where there is no true line, 0 where none was mapped."""
    if not counts.true:
        return {"precision": None, "recall": None, "f1": None, "quality": None}
    precision = counts.mapped_right / counts.mapped if counts.mapped else 0.0
    recall = counts.true_found / counts.true
    total = precision + recall
    f1 = 2 * precision * recall / total if total else 0.0
    # Matched length over all length that is in either map: quality = p·r / (p − p·r + r).
    return {"precision": precision, "recall": recall, "f1": f1, "quality": precision * recall / (total - precision * recall) if total else 0.0}


def _distance(line: np.ndarray) -> np.ndarray:
    """From each pixel to the nearest of a line [px]."""
    return distance_transform_edt(~line) if line.any() else np.full(line.shape, np.inf)
