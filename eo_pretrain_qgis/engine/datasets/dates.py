"""The dates of series: which were clear, which of them a model looks at, and the days that series are brought to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ...errors import DataError
from ..cards import Input, Season
from ..even_sample import even_sample
from ..rasters.clouds import CLEAR
from ..rasters.dates import day_words

if TYPE_CHECKING:
    from .dataset import Dataset

#: Stands in the place of the day of a date that is missing, cloudy, or padding.
NO_DAY = -1
#: Training dates of more days than this are brought to days at even steps: as many as a series has clear dates, within these limits.
FEWEST, MOST = 12, 36
#: Series that are looked at for the days of a dataset.
LOOKED_AT = 20_000
#: Share of the clear dates of a dataset that may lie outside the season of a model; they are left out.
OUTSIDE = 0.5


def days_of(dataset: Dataset, sensor: str, samples: np.ndarray) -> np.ndarray:
    """Days of the dates of series that have no cloud, shadow or snow, `NO_DAY` of the others: float32 (n, date).

    Of a dataset without days the numbers of its dates are taken for them.
    """
    days, flags = (dataset.array_of(sensor, name, samples) for name in ("days", "flags"))
    if days is None:
        days = np.tile(np.arange(dataset.shards.shape(f"images of {sensor}")[0]), (len(samples), 1))  # type: ignore[index]
    return np.where((days >= 0) & (flags == CLEAR if flags is not None else True), days, NO_DAY).astype(np.float32)


def read_series(dataset: Dataset, seen: Input, samples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Series as a model takes them.

    Args:
        dataset: of series.
        seen: the input of the model, whose season says which dates it looks at.
        samples: positions (n,).

    Returns:
        Values float32 (n, date, band) in stored units, the centre of the band where a date is not looked at, and days float32 (n, date), there
        `NO_DAY`.
    """
    values, valid = dataset.read(seen, samples)
    days = days_of(dataset, dataset.sensor_of(seen).name, samples)
    known = valid & np.isfinite(values).all(2) & (days >= 0)
    if seen.season:
        known &= seen.season.seen(days)
    return (np.where(known[..., None], values, np.asarray(seen.centre, np.float32)).astype(np.float32),
            np.where(known, days, np.float32(NO_DAY)))


def season_of(dataset: Dataset, sensor: str) -> Season | None:
    """The season of the training series of a sensor; None where none has a clear date.

    Where their clear dates are of few days, these are the days; else days at even steps from the first to the last.
    """
    known = days_of(dataset, sensor, even_sample(dataset.indices("training", sensor), LOOKED_AT))
    different = np.unique(known[known >= 0])
    if len(different) > MOST:
        usual = int(np.median((known >= 0).sum(1)))
        different = np.linspace(different[0], different[-1], min(max(usual, FEWEST), MOST)).round(2)
    return Season(tuple(map(float, different))) if len(different) else None


def check_season(dataset: Dataset, seen: Input, samples: np.ndarray) -> str:
    """Refuses series of another season than that of a model.

    Args:
        dataset: of series.
        seen: the input of the model.
        samples: positions that it is asked for (n,).

    Returns:
        How many of the dates are left out because they lie outside, as a sentence; empty for none.

    Raises:
        DataError: more than half of the clear dates lie outside, or there is no clear date.
    """
    days = days_of(dataset, dataset.sensor_of(seen).name, even_sample(samples, LOOKED_AT))
    clear = days[days >= 0]
    if not len(clear) or seen.season is None:
        raise DataError(f"None of the {len(samples)} series of {dataset.folder} that were chosen has a clear date: all are under cloud, shadow or "
                        "snow, or were not measured. Check the cloud masks and the nodata value.")
    outside = 1 - seen.season.seen(clear).mean()
    if outside > OUTSIDE:
        raise DataError(f"The series of {dataset.folder} are of {day_words(clear.min())} to {day_words(clear.max())}, and the model learned from "
                        f"dates of {day_words(seen.days[0])} to {day_words(seen.days[-1])}. Choose series of the same part of the year, or learn "
                        "from these.")
    return f"{outside:.0%} of the clear dates lie outside the season of the model and are left out." if outside > 0 else ""
