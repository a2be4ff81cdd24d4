"""Tables of how well classes are told apart, for pages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from . import html_page as page

if TYPE_CHECKING:
    from ..tasks import Task

#: Said above a confusion matrix whose rows add up to 100 %.
OF_ROWS = "The same as shares of each true class, in percent; rows add up to 100, and the diagonal is what the model finds (recall):"
#: Figures of a class in words.
CLASS_FIGURES = {"iou": "IoU", "f1": "F1", "precision": "precision", "recall": "recall", "average_precision": "average precision"}


def class_table(names: Sequence[str], found: dict[str, Any], kind: Task) -> str:
    """The figures of each class and their mean, as HTML."""
    rows = [(name, *(row[figure] for figure in kind.of_class), counted(row)) for name, row in zip(names, found["classes"])]
    means = ("mean", *(found.get(f"mean_{figure}") for figure in kind.of_class), counted(found))
    return page.table(("class", *(CLASS_FIGURES[figure] for figure in kind.of_class), kind.counted), [*rows, means])


def confusion_table(names: Sequence[str], counts: np.ndarray) -> str:
    """Pixels, or samples, by true and predicted class, as counts and as shares of each true class, as HTML."""
    head = ("true ↓ predicted →", *names)
    return page.table(head, [(name, *map(int, row)) for name, row in zip(names, counts)]) + page.paragraph(OF_ROWS) + page.shaded_table(
        head, names, row_shares(counts))


def row_shares(counts: np.ndarray) -> np.ndarray:
    """What became of each true class: the share of each prediction in its row, 0 to 1 (class, class); not a number where nothing is of the class."""
    sums = counts.sum(1, keepdims=True)
    return np.where(sums > 0, counts / np.maximum(sums, 1), np.nan)


def counted(row: dict[str, Any]) -> int | None:
    """How many pixels or samples figures are of."""
    return row.get("samples", row.get("pixels"))


def hardly_measured(names: Sequence[str], rows: Sequence[dict[str, Any]], kind: Task, split: str) -> list[str]:
    """Sentences on classes of which the tiles of a split show nothing, or too little to be certain.

    Args:
        names: of the classes.
        rows: figures of each.
        kind: the task.
        split: name of the split.
    """
    known = [(name, counted(row) or 0) for name, row in zip(names, rows)]
    unseen, rare = [name for name, count in known if not count], [name for name, count in known if 0 < count < kind.enough]
    return [*([f"Not measured, because no {split} tile shows it: {', '.join(unseen)}."] if unseen else []),
            *([f"Measured on fewer than {kind.enough} {kind.counted}, so hardly certain: {', '.join(rare)}."] if rare else [])]
