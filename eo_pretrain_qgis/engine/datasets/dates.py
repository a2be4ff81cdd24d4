"""The dates of series: which were clear, which of them a model looks at, and the days that series are brought to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ...errors import DataError
from ..cards import Input, SeriesDays
from ..even_sample import even_sample
from ..rasters.clouds import CLEAR
from ..rasters.dates import day_words
from .season import Season

if TYPE_CHECKING:
    from .dataset import Dataset
    from .surroundings import Surroundings

#: Stands in the place of the day of a date that is missing, cloudy, or padding.
NO_DAY = -1
#: Training dates of more days than this are brought to days at even steps: as many as a series has clear dates, within these limits.
FEWEST, MOST = 12, 36
YEAR = 365.25
#: Series that are looked at for the days of a dataset.
LOOKED_AT = 20_000
#: Pixels of dated tiles that are looked at for the same, and once.
PIXELS_LOOKED_AT, PIXELS_AT_ONCE = 2**22, 2**18
#: Share of the clear dates of a dataset that may lie outside the season of a model; they are left out.
OUTSIDE = 0.5


def clear_days(dataset: Dataset, sensor: str, samples: np.ndarray, around: float | None = None) -> np.ndarray:
    """Days of the dates of series that have no cloud, shadow or snow, `NO_DAY` of the others: float32 (n, date).

    Of a dataset without days the numbers of its dates are taken for them. Of dated tiles a date counts that is clear in some pixel.

    Args:
        dataset: of series.
        sensor: name of one of its sensors.
        samples: positions (n,).
        around: day in the middle of a season, to which series of other years are moved by whole years; None leaves them where they are.
    """
    days, flags = dataset.array_of(sensor, "days", samples), _flags(dataset, sensor, samples)
    if days is None:
        days = np.tile(np.arange(dataset.shards.shape(f"images of {sensor}")[0]), (len(samples), 1))  # type: ignore[index]
    moved = days if around is None else days - (YEAR * np.round((middles(days) - around) / YEAR)).round()[:, None]
    clear = (days >= 0) & (moved >= 0) & (flags == CLEAR if flags is not None else True)
    return np.where(clear, moved, NO_DAY).astype(np.float32)


def _flags(dataset: Dataset, sensor: str, samples: np.ndarray) -> np.ndarray | None:
    """Of each date (n, date); of dated tiles the smallest in it, 0 where some pixel is clear."""
    if dataset.kind.sample_axes == "tb":
        return dataset.array_of(sensor, "flags", samples)
    at_once = max(1, PIXELS_AT_ONCE // dataset.tile_size**2)
    found = [dataset.array_of(sensor, "flags", samples[first:first + at_once]) for first in range(0, max(len(samples), 1), at_once)]
    return None if found[0] is None else np.concatenate([part.min((2, 3)) for part in found if part is not None])


def looked_at(dataset: Dataset, samples: np.ndarray) -> np.ndarray:
    """An even sample of series, which are looked at for the days of a dataset."""
    return even_sample(samples, LOOKED_AT if dataset.kind.sample_axes == "tb" else max(1, PIXELS_LOOKED_AT // dataset.tile_size**2))


def middles(days: np.ndarray) -> np.ndarray:
    """The day in the middle between the first and the last date of each series, float64 (n,); 0 where there is none."""
    known = days >= 0
    return np.where(known.any(1), (np.where(known, days, days.max(initial=0)).min(1) + days.max(1, initial=0)) / 2, 0.0)


def read_series(dataset: Dataset, seen: Input, samples: np.ndarray, around: Surroundings | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Series as a model takes them.

    Args:
        dataset: of series.
        seen: the input of the model, whose season says which dates it looks at.
        samples: positions (n,).
        around: reads dated tiles with what lies around them.

    Returns:
        Values float32 (n, date, band) in stored units, the centre of the band where a date is not looked at, and days float32 (n, date), there
        `NO_DAY`; of dated tiles the same of each pixel: (n, date, band, y, x) and (n, date, y, x).
    """
    values, valid = around.read(samples) if around else dataset.read(seen, samples)
    days = clear_days(dataset, dataset.sensor_of(seen).name, samples, seen.season.middle if seen.season else None)
    days = days.reshape(*days.shape, *[1] * (valid.ndim - 2))
    known = valid & np.isfinite(values).all(2) & (days >= 0)
    if seen.season:
        known &= seen.season.seen(days)
    centre = np.asarray(seen.centre, np.float32).reshape(-1, *[1] * (valid.ndim - 2))
    return np.where(np.expand_dims(known, 2), values, centre).astype(np.float32), np.where(known, days, np.float32(NO_DAY))


def as_series(values: np.ndarray, days: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What `read_series` gives of dated tiles as a series of each pixel: (n · y · x, date, band) and (n · y · x, date); series as they are."""
    if values.ndim == 3:
        return values, days
    return (np.moveaxis(values, (1, 2), (3, 4)).reshape(-1, *values.shape[1:3]), np.moveaxis(days, 1, 3).reshape(-1, days.shape[1]))


def series_days(dataset: Dataset, sensor: str) -> SeriesDays | None:
    """The season of the training series of a sensor; None where none has a clear date.

    Where their clear dates are of few days, these are the days; else days at even steps, over the season or crop year that the dataset was made for,
    or from the first to the last date. Series of other years are moved by whole years, into that season or to the first series.
    """
    window = window_of(dataset)
    looked = looked_at(dataset, dataset.indices("training", sensor))
    known = clear_days(dataset, sensor, looked)
    if (known >= 0).any():
        known = clear_days(dataset, sensor, looked, sum(window) / 2 if window else float(middles(known)[(known >= 0).any(1)].min()))
    different = np.unique(known[known >= 0])
    if len(different) and window:
        different = different[SeriesDays(window, window=window).seen(different)]
    if len(different) > MOST:
        usual = int(np.median((known >= 0).sum(1)))
        first, last = window or (different[0], different[-1])
        different = np.linspace(first, last, min(max(usual, FEWEST), MOST)).round(2)
    return SeriesDays(tuple(map(float, different)), window=window) if len(different) else None


def window_of(dataset: Dataset) -> tuple[float, float] | None:
    """First and last day of the season or crop year that a dataset was made for, as its days are counted; None where it was made for none."""
    facts = dataset.facts
    season = Season.read(facts.get("first_day"), facts.get("last_day")) if "first_year" in facts else None
    return season.days(int(facts["first_year"])) if season else None


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
    sensor, looked = dataset.sensor_of(seen).name, looked_at(dataset, samples)
    days = clear_days(dataset, sensor, looked)
    clear = days[days >= 0]
    if not len(clear) or seen.season is None:
        raise DataError(f"None of the {len(samples)} {dataset.kind.pieces} of {dataset.folder} that were chosen has a clear date: all are under "
                        "cloud, shadow or snow, or were not measured. Check the cloud masks and the nodata value.")
    moved = clear_days(dataset, sensor, looked, seen.season.middle)
    return season_sentence(seen.season, clear, 1 - seen.season.seen(moved).sum() / len(clear), f"The series of {dataset.folder}")


def season_words(season: SeriesDays) -> str:
    """The window of a season for people: “1 September to 31 August of the next year”."""
    return f"{day_words(season.first)} to {day_words(season.last)}"


def season_sentence(season: SeriesDays, days: np.ndarray, outside: float, what: str) -> str:
    """How many dates a model leaves out because they lie outside its season, as a sentence; empty for none.

    Args:
        season: of the model.
        days: of the clear dates (n,).
        outside: share of these.
        what: these are of, as the beginning of a sentence.

    Raises:
        DataError: these are more than half.
    """
    if outside > OUTSIDE:
        raise DataError(f"{what} are of {day_words(days.min())} to {day_words(days.max())}, and the model learned from dates of "
                        f"{season_words(season)}. Choose series of the same part of the year, or learn from these.")
    return f"{outside:.0%} of the clear dates lie outside the season of the model and are left out." if outside > 0 else ""
