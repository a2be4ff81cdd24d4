"""Series brought to the same days: between the clear dates before and after a day on a line, beyond the first and the last as these are.

What a day takes from each date are numbers that comparisons of days give, so that arrays, tensors and graphs compute the same, whatever the order of
the dates and wherever padding stands.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ...progress import SILENT, Progress
from ..cards import Input
from ..datasets.dates import NO_DAY, as_series, read_series
from .whitening import Whitening

if TYPE_CHECKING:
    from ..datasets.dataset import Dataset

#: Later than any day.
NEVER = 1e6
_AT_ONCE = 2**23  # numbers of `shares` held at once


def shares(season: np.ndarray, days: np.ndarray) -> np.ndarray:
    """What each day of a season takes from each date.

    Args:
        season: days that series are brought to (day,).
        days: of the dates (n, date), `NO_DAY` of those that do not count.

    Returns:
        float32 (n, day, date) with sums of 1, or 0 where no date counts. Dates of the same day share alike.
    """
    at, when = np.asarray(season, np.float32)[None, :, None], days[:, None, :].astype(np.float32)
    known = when >= 0
    before = np.where(known & (when <= at), when, NO_DAY).max(2, keepdims=True)
    after = np.where(known & (when >= at), when, np.float32(NEVER)).min(2, keepdims=True)
    later = np.where(before < 0, 1, np.where(after == NEVER, 0, (at - before) / np.maximum(after - before, 1)))
    there = [(known & (when == day)).astype(np.float32) for day in (before, after)]
    first, second = (one / np.maximum(one.sum(2, keepdims=True), 1) for one in there)
    return ((1 - later) * first + later * second).astype(np.float32)


def brought(whitening: Whitening, season: np.ndarray, values: np.ndarray, days: np.ndarray) -> np.ndarray:
    """Whitened bands of series on the days of a season, one day after the other: float32 (n, day · band), NaN where no date counts.

    Args:
        whitening: of the bands.
        season: see `shares`.
        values: stored units (n, date, band), finite.
        days: see `shares`.
    """
    white = np.moveaxis(whitening(np.moveaxis(values, 2, 1)[..., None])[..., 0], 1, 2)
    found = np.matmul(shares(season, days), white).reshape(len(values), -1)
    found[~(days >= 0).any(1)] = np.nan
    return found


def series_features(dataset: Dataset, what: Input, whitening: Whitening, samples: np.ndarray, progress: Progress = SILENT) -> np.ndarray:
    """`brought` of series of a dataset (n, day · band), of dated tiles of each of their pixels (n · y · x, day · band)."""
    dates, pixels = dataset.shards.shape(f"images of {dataset.sensor_of(what).name}"), dataset.tile_size**2 if dataset.kind.pixelwise else 1
    at_once, found = max(1, _AT_ONCE // max(1, len(what.days) * dates[0] * pixels)), []  # type: ignore[index]
    for first in range(0, len(samples), at_once):
        progress.at(min(0.99, first / len(samples)), "Bringing series to the same days")
        found.append(brought(whitening, np.array(what.days), *as_series(*read_series(dataset, what, samples[first:first + at_once]))))
    return np.concatenate(found) if found else np.zeros((0, len(what.days) * len(what.bands)), np.float32)
