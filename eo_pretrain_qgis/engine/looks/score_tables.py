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
