"""Accuracy where a sample may have several classes: average precision and F1, from counts that can be added up over batches.

The scores of a class are counted in bins of their logit, apart for samples that have the class and samples that have not. Bins widen with the
logit, as its inverse hyperbolic sine does, so that also the surest scores keep their order: only that counts (scikit-learn has the same
definition, for scores that are all at hand).
"""

from __future__ import annotations

import numpy as np

#: Logits from -LIMIT to LIMIT fall into BINS bins, 0.008 wide around 0; two scores in one bin count as equal.
LIMIT, BINS = 1e4, 2400


def score_counts(truth: np.ndarray, logits: np.ndarray) -> np.ndarray:
    """How often each score occurs: int64 (class, 2, bin); the second axis is 1 where the sample has the class.

    Args:
        truth: 0 and 1, (n, class).
        logits: scores, 0 in the middle, (n, class).
    """
    place = np.arcsinh(np.clip(np.asarray(logits, np.float64), -LIMIT, LIMIT)) / np.arcsinh(LIMIT)
    bins = ((place + 1) / 2 * BINS).astype(np.int64).clip(0, BINS - 1)
    counts = np.zeros((truth.shape[1], 2, BINS), np.int64)
    np.add.at(counts, (np.arange(truth.shape[1])[None].repeat(len(truth), 0), truth.astype(np.int64), bins), 1)
    return counts


def count_scores(truth: np.ndarray, logits: np.ndarray, classes: int) -> np.ndarray:
    """`score_counts`, with the arguments of `accuracy.count_classes`."""
    return score_counts(truth, logits)


def average_precision(counts: np.ndarray) -> float | None:
    """Area under precision over recall, as a sum over thresholds; None without a positive sample.

    Args:
        counts: (2, bin), negatives and positives; sums over classes give the micro mean.
    """
    negatives, positives = (np.cumsum(row[::-1]) for row in counts)
    if not positives[-1]:
        return None
    found = positives + negatives
    precision = positives / np.maximum(found, 1)
    return float((np.diff(positives, prepend=0) / positives[-1] * precision).sum())


def multilabel_scores(counts: np.ndarray) -> dict:
    """The usual figures as plain numbers; a class is found where its probability is 0.5 or more.

    Args:
        counts: from `score_counts`.

    Returns:
        ``average_precision`` (micro mean), ``mean_average_precision`` and ``mean_f1`` (macro, over classes that occur), ``samples``,
        and ``classes``, a list of ``{"average_precision", "f1", "precision", "recall", "samples"}``; None where nothing was counted.
    """
    rows = [_class_scores(row) for row in counts]
    return {"average_precision": average_precision(counts.sum(0)), "mean_average_precision": _mean(rows, "average_precision"),
            "mean_f1": _mean(rows, "f1"), "samples": int(counts[0].sum()) if len(counts) else 0, "classes": rows}


def _class_scores(counts: np.ndarray) -> dict:
    true, found, hits = (int(value) for value in (counts[1].sum(), counts[:, BINS // 2:].sum(), counts[1, BINS // 2:].sum()))
    if not true:
        return {"average_precision": None, "f1": None, "precision": None, "recall": None, "samples": 0}
    return {"average_precision": average_precision(counts), "f1": 2 * hits / (true + found), "precision": hits / found if found else 0.0,
            "recall": hits / true, "samples": true}


def _mean(rows: list[dict], figure: str) -> float | None:
    values = [row[figure] for row in rows if row[figure] is not None]
    return float(np.mean(values)) if values else None
