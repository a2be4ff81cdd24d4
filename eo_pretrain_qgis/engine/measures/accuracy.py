"""Accuracy of a class map against truth: confusion matrix, IoU, F1, precision, recall, overall accuracy.

Classes are positions 0..K-1 in a class list. A confusion matrix is int64 (K, K), rows truth, columns prediction.
"""

from __future__ import annotations

import numpy as np

from ..cards import IGNORE


def confusion(truth: np.ndarray, predicted: np.ndarray, classes: int, ignore: int = IGNORE) -> np.ndarray:
    """Counts pixels by true and predicted class; add matrices to count over many tiles.

    Args:
        truth: class positions of any shape; pixels equal to `ignore` are left out.
        predicted: class positions, same shape, each below `classes`.
        classes: number of classes K.
        ignore: the value of pixels without truth.

    Returns:
        int64 (K, K), rows truth, columns prediction.
    """
    known = truth != ignore
    pairs = truth[known].astype(np.int64) * classes + predicted[known]
    return np.bincount(pairs, minlength=classes * classes).reshape(classes, classes)


def count_classes(truth: np.ndarray, answer: np.ndarray, classes: int) -> np.ndarray:
    """`confusion` of class positions, or of scores with the classes in axis 1, of which the largest counts; NaN are no answer and not counted."""
    if answer.ndim == truth.ndim:
        return confusion(truth, answer, classes)
    return confusion(np.where(np.isnan(answer).any(1), IGNORE, truth), answer.argmax(1), classes)


def scores(matrix: np.ndarray) -> dict:
    """The usual figures of a confusion matrix, as plain numbers.

    A class without a true pixel has no figures (None) and does not count in the means; where it is found all the same, it lowers
    the figures of the class that is really there.

    Returns:
        ``pixels``, ``overall_accuracy``, ``mean_iou``, ``mean_f1`` (macro: each class counts the same) and ``classes``, a list
        of ``{"iou", "f1", "precision", "recall", "pixels"}``; all None where nothing was counted.
    """
    hits, true, found = np.diag(matrix).tolist(), matrix.sum(1).tolist(), matrix.sum(0).tolist()
    rows = [_class_scores(*numbers) for numbers in zip(hits, true, found)]
    total = sum(true)
    return {"pixels": total, "overall_accuracy": sum(hits) / total if total else None,
            "mean_iou": _mean(rows, "iou"), "mean_f1": _mean(rows, "f1"), "classes": rows}


def sample_scores(matrix: np.ndarray) -> dict:
    """The same without the mean IoU, which nobody asks of whole samples."""
    return {figure: value for figure, value in scores(matrix).items() if figure != "mean_iou"}


def _class_scores(hits: int, true: int, found: int) -> dict:
    if not true:
        return {"iou": None, "f1": None, "precision": None, "recall": None, "pixels": 0}
    return {"iou": hits / (true + found - hits), "f1": 2 * hits / (true + found), "precision": hits / found if found else 0.0,
            "recall": hits / true, "pixels": true}


def _mean(rows: list[dict], figure: str) -> float | None:
    values = [row[figure] for row in rows if row[figure] is not None]
    return float(np.mean(values)) if values else None
