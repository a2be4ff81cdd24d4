"""Tables of how well classes are told apart, for pages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from . import html_page as page

if TYPE_CHECKING:
    from ..tasks import Task

#: Figures of a class in words.
CLASS_FIGURES = {"iou": "IoU", "f1": "F1", "precision": "precision", "recall": "recall", "average_precision": "average precision"}


def class_table(names: Sequence[str], found: dict[str, Any], kind: Task) -> str:
    """The figures of each class and their mean, as HTML."""
    rows = [(name, *(row[figure] for figure in kind.of_class), counted(row)) for name, row in zip(names, found["classes"])]
    means = ("mean", *(found.get(f"mean_{figure}") for figure in kind.of_class), counted(found))
    return page.table(("class", *(CLASS_FIGURES[figure] for figure in kind.of_class), kind.counted), [*rows, means])


def confusion_table(names: Sequence[str], counts: np.ndarray) -> str:
    """Pixels, or samples, by true and predicted class, as HTML."""
    return page.table(("true ↓ predicted →", *names), [(name, *map(int, row)) for name, row in zip(names, counts)])


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
