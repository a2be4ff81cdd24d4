"""The range of the values that a model learned from, so that its maps can show where an image lies outside it."""

from __future__ import annotations

import os
from typing import Any

from ...progress import SILENT, Progress
from ..cards import Input
from ..classic.samples import mapped_values
from ..classic.value_range import ValueRange
from .run_folder import RunFolder


def training_ranges(run: RunFolder, seen: Input, progress: Progress = SILENT) -> dict[str, Any]:
    """The range of the training values of each input of a model, of all training tiles, also those without labels.

    Args:
        run: that the model was learned in.
        seen: what it sees, with the bands of two sensors behind each other.
        progress: told how far it is.

    Returns:
        ``ranges`` of `models.record.ModelRecord`; empty where the dataset is gone, or shows too little for a range.
    """
    if not os.path.isdir(run.card["dataset"]["path"]):
        return {}
    dataset, found = run.open_dataset(), {}
    for one in seen.each:
        values = mapped_values(dataset, one, dataset.showing("training", one), progress)
        found[one.name] = ValueRange.of(values, [band.unit for band in one.bands], one.slopes, one.angle or 0)
    return {"ranges": {name: known.facts() for name, known in found.items() if known}} if all(found.values()) else {}
