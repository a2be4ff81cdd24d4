"""How long the series of a dataset are and where clouds leave gaps."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np

from ....progress import SILENT, Progress
from ...datasets.dataset import ALL, Dataset
from ...even_sample import even_sample

FLAGS = ("clear", "cloud", "shadow", "snow", "not measured")
CLEAR, NOT_MEASURED = 0, 4
#: Series looked at, evenly over the dataset, and how many at once.
SAMPLE, BATCH = 20_000, 2_000
#: The same of dated tiles, which are read whole.
TILES = 500


def series_facts(dataset: Dataset, progress: Progress = SILENT) -> dict:
    """Dates, clear dates and gaps of the series, from an even sample of them; of dated tiles those of the pixel in the middle.

    A gap is the time without a clear date, the ends of the dataset's season counted in [day].

    Args:
        dataset: of series.
        progress: told how far it is.

    Returns:
        ``series`` looked at, ``first`` and ``last`` day as ISO dates, ``dates``, ``clear_dates`` and ``longest_gap_days``, each with
        minimum, median and maximum; ``flags``, share of the dates; ``classes`` with name, series, median clear dates and gap.
    """
    indices = even_sample(dataset.indices(ALL), SAMPLE)
    middle = (dataset.tile_size // 2,) * 2 if dataset.kind.pixelwise else ()
    indices = indices if not middle else even_sample(indices, TILES)
    labels = dataset.labels(indices)[(..., *middle)]
    extras = dataset.shards.extras()
    counts, clear, gaps = (np.zeros(len(indices), np.int64) for _ in range(3))
    flags, lowest, highest = np.zeros(len(FLAGS), np.int64), 2**15, -1
    for first in range(0, len(indices), BATCH):
        days = dataset.array("days", indices[first:first + BATCH]) if "days" in extras else _numbered(dataset, indices[first:first + BATCH])
        if (days >= 0).any():
            lowest, highest = min(lowest, int(days[days >= 0].min())), max(highest, int(days.max()))
    for first in range(0, len(indices), BATCH):
        progress.at(first / len(indices), "Looking at dates and clouds")
        part = indices[first:first + BATCH]
        days = dataset.array("days", part) if "days" in extras else _numbered(dataset, part)
        flag = dataset.array("flags", part)[(..., *middle)] if "flags" in extras else np.where(days < 0, NOT_MEASURED, CLEAR)
        is_date = days >= 0
        seen = slice(first, first + len(part))
        counts[seen], clear[seen] = (is_date & (flag != NOT_MEASURED)).sum(1), (is_date & (flag == CLEAR)).sum(1)
        gaps[seen] = longest_gaps(days, is_date & (flag == CLEAR), lowest, highest)
        flags += np.bincount(flag[is_date].astype(np.int64), minlength=len(FLAGS))[:len(FLAGS)]
    classes = [{"name": row.name, "series": int((labels == position).sum()), "clear_dates": _median(clear[labels == position]),
                "longest_gap_days": _median(gaps[labels == position])} for position, row in enumerate(dataset.classes)]
    begin = date(int(dataset.facts["first_year"]), 1, 1) if "first_year" in dataset.facts else None
    return {"series": len(indices), "first": (begin + timedelta(lowest)).isoformat() if begin and highest >= 0 else "",
            "last": (begin + timedelta(highest)).isoformat() if begin and highest >= 0 else "",
            "dates": _range(counts), "clear_dates": _range(clear), "longest_gap_days": _range(gaps),
            "flags": {name: round(float(count / max(flags.sum(), 1)), 4) for name, count in zip(FLAGS, flags, strict=True)},
            "classes": classes}


def longest_gaps(days: np.ndarray, clear: np.ndarray, first: int, last: int) -> np.ndarray:
    """Longest time without a clear date of each series, int64 (n,) [day].

    Args:
        days: of each date (n, date).
        clear: which dates count, bool (n, date).
        first: day on which the season begins.
        last: day on which it ends.
    """
    marks = np.where(clear, days, first).astype(np.int64)
    ordered = np.sort(np.concatenate([np.full((len(days), 1), first), marks, np.full((len(days), 1), last)], 1), axis=1)
    return np.diff(ordered, axis=1).max(1)


def _numbered(dataset: Dataset, indices: np.ndarray) -> np.ndarray:
    """Numbers in the place of days, for series that do not say when they were taken."""
    images = dataset.images(indices, dataset.sensors[0].name)  # whose dates the array “days” would say
    return np.broadcast_to(np.arange(images.shape[1], dtype=np.int16), images.shape[:2])


def _range(values: np.ndarray) -> dict:
    return {"minimum": int(values.min(initial=2**31 - 1)) if len(values) else None, "median": _median(values),
            "maximum": int(values.max(initial=0))}


def _median(values: np.ndarray) -> float | None:
    return float(np.median(values)) if len(values) else None
