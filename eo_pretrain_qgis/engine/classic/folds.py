"""What simple classifiers say of training samples that they have not learned from: each is left out once, with all that belongs to its unit."""

from __future__ import annotations

import numpy as np

from ...progress import SILENT, Progress
from ..measures.linear_probe import grouped_folds
from .classifiers import CLASSIFIERS, fit
from .models import Labelled
from .samples import Rows

#: Rows from which on validation samples are thought to be many enough to choose by, and learning five times more would take long.
MANY = 1_000


def left_out(labelled: Labelled, approach: str, progress: Progress = SILENT) -> np.ndarray | None:
    """Scores (n, class) of the rows of some labels, each of a classifier that learned from other units alone.

    Args:
        labelled: whole samples.
        approach: one of `CLASSIFIERS`.
        progress: told how far it is.

    Returns:
        None where there are too many rows, or too few units.
    """
    rows, classes = labelled.rows, len(labelled.dataset.classes)
    units = np.arange(len(rows.labels)) if rows.groups is None else rows.groups
    if len(rows.labels) > MANY or not (parts := grouped_folds(rows.labels, units, labelled.seed)):
        return None
    scores = np.full((len(rows.labels), classes), np.nan)
    for number, (learned, asked) in enumerate(parts):
        own = Rows(rows.features[learned], rows.labels[learned], rows.tiles[learned], rows.whole,
                   groups=None if rows.groups is None else rows.groups[learned])
        found = fit(CLASSIFIERS[approach], own, classes, labelled.seed, progress.part(number / len(parts), (number + 1) / len(parts)))
        scores[asked] = found.scores(rows.features[asked])
    return scores
