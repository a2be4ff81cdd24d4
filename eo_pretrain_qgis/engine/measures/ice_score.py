"""The combined score of the AutoICE challenge: R² of the concentration, weighted F1 of the stage and of the form, weighted 2 : 2 : 1.

Stokholm et al., The AutoICE Challenge, The Cryosphere 18, 2024 (doi 10.5194/tc-18-3471-2024); `r2_metric`, `f1_metric`, `compute_combined_score`
and the weights in quickstart.ipynb of astokholm/AI4ArcticSeaIceChallenge. There R² is scikit-learn's `r2_score` of the classes of concentration as
numbers, and F1 its `f1_score` with `average="weighted"`, each over all pixels of all scenes in which its own chart is not masked (255). R² is the
same for classes 0 to 10 and for their percent, and all three follow from the confusion matrices.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

NAME = "combined score of the AutoICE challenge"
METHOD = ("The combined score of the AutoICE challenge is (2 R² of the concentration + 2 F1 of the stage + F1 of the form) / 5. R² is of the classes "
          "as numbers, F1 is the mean of the classes weighted by their true pixels, and a pixel counts where its own target has a label. The "
          "challenge gives it in percent, of its 20 test scenes.")

#: A target's name, the values of its classes (class,), and a confusion matrix of it (class, class).
Counted = tuple[str, Sequence[float], np.ndarray]


def explained_variance(values: Sequence[float], matrix: np.ndarray) -> float | None:
    """R² of class values: 1 − Σ(true − predicted)² / Σ(true − mean)² over all pixels; None where all are of one true value.

    Args:
        values: of the classes (class,).
        matrix: pixels by true and predicted class (class, class).
    """
    number, counts = np.asarray(values, np.float64), np.asarray(matrix, np.float64)
    true, total = counts.sum(1), counts.sum()
    spread = (true * (number - (true * number).sum() / max(total, 1)) ** 2).sum()
    return float(1 - (counts * (number[:, None] - number) ** 2).sum() / spread) if spread > 0 else None


def weighted_f1(values: Sequence[float], matrix: np.ndarray) -> float | None:
    """F1 of the classes, weighted by their true pixels; None without a pixel. Arguments as of `explained_variance`, whose values do not count."""
    counts = np.asarray(matrix, np.float64)
    true, found = counts.sum(1), counts.sum(0)
    f1 = 2 * np.diag(counts) / np.maximum(true + found, 1)
    return float((true * f1).sum() / true.sum()) if true.sum() else None


#: Name of a target → its figure, what that is called, and its weight.
PARTS: dict[str, tuple[Callable[[Sequence[float], np.ndarray], float | None], str, int]] = {
    "concentration": (explained_variance, "R²", 2), "stage": (weighted_f1, "weighted F1", 2), "form": (weighted_f1, "weighted F1", 1)}


def combined_score(targets: Sequence[Counted]) -> dict[str, Any]:
    """The score of three targets.

    Returns:
        ``score`` and ``parts``, the figure of each target by its name, None where it has none; nothing where the targets are others.
    """
    if {name for name, _, _ in targets} != set(PARTS):
        return {}
    parts = {name: PARTS[name][0](values, matrix) for name, values, matrix in targets}
    return {"score": _mean(parts), "parts": {name: parts[name] for name in PARTS}}


def _mean(parts: Mapping[str, float | None]) -> float | None:
    known = {name: value for name, value in parts.items() if value is not None}
    if len(known) < len(PARTS):
        return None
    return sum(PARTS[name][2] * value for name, value in known.items()) / sum(weight for _, _, weight in PARTS.values())

