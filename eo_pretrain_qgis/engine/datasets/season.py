"""A crop year or another part of the year: which days belong to a series, also across New Year."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING

from ...errors import DataError, listed
from ...progress import SILENT, Progress

if TYPE_CHECKING:
    from ..rasters.series_dates import Dated

_WRITTEN = re.compile(r"(?:(\d{4})-)?(\d\d)-(\d\d)")


@dataclass(frozen=True)
class Season:
    """From a first day to a last one, both of them within; ``09-01`` to ``08-31`` in every year, ``2018-09-01`` to ``2019-08-31`` in one.

    Attributes:
        first: the first day, as written.
        last: the last day, as written.
    """

    first: str
    last: str

    @classmethod
    def read(cls, first: str | None, last: str | None) -> Season | None:
        """What a job was given; None where it was given neither day.

        Raises:
            DataError: one of two days, a text that is no day, a year beside none, or a last day before the first.
        """
        first, last = ((text or "").strip() for text in (first, last))
        if not first and not last:
            return None
        for text, name in ((first, "“First day” (first_day)"), (last, "“Last day” (last_day)")):
            if text and (not _WRITTEN.fullmatch(text) or _day(text, 2000) is None):
                raise DataError(f"{name} is “{text}”, which is no day of a year. Write the month and then the day, MM-DD, such as 09-01 for 1 "
                                "September, or with the year, YYYY-MM-DD.")
        if not first or not last:
            raise DataError(f"A season has a first day and a last day, but only one was given: “{first or last}”. Give both, or none.")
        if (len(first) > 5) != (len(last) > 5):
            raise DataError(f"Of the season from {first} to {last} only one day has a year. Write the year in both days, or in none.")
        if len(first) > 5 and last < first:
            raise DataError(f"The season from {first} to {last} ends before it begins. Correct one of the two days.")
        return cls(first, last)

    def around(self, day: date) -> tuple[date, date] | None:
        """First and last day of the season in which a day lies; None where it lies in none."""
        for year in (day.year, day.year - 1):
            begin, over = _day(self.first, year), self.last < self.first
            end = _day(self.last, year + over)
            if begin and end and begin <= day <= end:
                return begin, end
        return None

    def days(self, year: int) -> tuple[float, float]:
        """First and last day of the season that begins in a year, counted from 1 January of that year; one with years of its own stays in these."""
        begin, end = _day(self.first, year), _day(self.last, year + (self.last < self.first))
        start = date(year, 1, 1)
        return float(((begin or start) - start).days), float(((end or start) - start).days)

    def within(self, found: Sequence[Dated], what: str = "images", progress: Progress = SILENT) -> list[Dated]:
        """The rasters of some days of the season; those of other days are left out, and their number is told.

        Raises:
            DataError: none is of the season.
        """
        kept = [each for each in found if self.around(each.day)]
        if not kept:
            days = sorted(each.day for each in found)
            raise DataError(f"None of the {what} is of a day from {self}: they are of {days[0]} to {days[-1]}. Choose other {what}, or correct the "
                            "first and the last day.")
        if len(kept) < len(found):
            progress.message(f"{len(found) - len(kept)} of {len(found)} {what} are of days outside {self} and are left out.")
        return kept

    def check_one(self, found: Sequence[Dated], what: str) -> None:
        """Refuses rasters of two years where a season of one is meant.

        Args:
            found: rasters of the season, see `within`.
            what: these are, as the beginning of a sentence.

        Raises:
            DataError: they are of several years.
        """
        seasons = sorted({season for each in found if (season := self.around(each.day))})
        if len(seasons) > 1:
            texts = [f"{begin} to {end}" for begin, end in seasons]
            raise DataError(f"{what} are of {len(seasons)} seasons, {listed(texts)}, and a series is of one. Choose the images of one, or write the "
                            "year before the first and the last day.")

    def __str__(self) -> str:
        return f"{self.first} to {self.last}"


def _day(text: str, year: int) -> date | None:
    """The day a text names, in a year where it names none; 29 February is 28 February where there is none."""
    year, month, number = int(text[:-6] or year), int(text[-5:-3]), int(text[-2:])
    try:
        return date(year, month, number)
    except ValueError:
        return date(year, 3, 1) - timedelta(1) if (month, number) == (2, 29) and year else None
