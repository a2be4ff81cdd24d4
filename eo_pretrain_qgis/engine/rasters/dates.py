"""The day an image was taken, by one rule for all who ask: its name goes before its metadata, and the day of writing comes last."""

from __future__ import annotations

import contextlib
import re
from datetime import date, timedelta

#: YYYYMMDD, YYYY-MM-DD, YYYY_MM_DD and YYYY.MM.DD, also before a time (20190405T103021, 20190405103021). The same separator twice, so
#: that path and row of a Landsat scene and the digits behind them (198011_20200621) are no date.
_IN_TEXT = re.compile(r"(?<!\d)(20\d\d|19[789]\d)([-_.:]?)(0[1-9]|1[0-2])\2(0[1-9]|[12]\d|3[01])(?:(?!\d)|(?=\d{6}(?!\d)))")
#: (domain, key) of metadata that say when an image was taken.
ACQUIRED = (("IMAGERY", "ACQUISITIONDATETIME"), (None, "DATATAKE_1_DATATAKE_SENSING_START"), (None, "PRODUCT_START_TIME"),
            (None, "ACQUISITION_DATE"), (None, "datetime"))
#: When a program wrote the file; asked last.
WRITTEN = ((None, "TIFFTAG_DATETIME"),)
#: Begins a warning where only that is known.
WRITTEN_ONLY = "Of some images only the day is known on which their files were written"


def day_in(text: str) -> date | None:
    """The first day in a name or a piece of metadata; None where there is none."""
    for match in _IN_TEXT.finditer(text):
        try:
            return date(int(match[1]), int(match[3]), int(match[4]))
        except ValueError:  # 30 February
            continue
    return None


def day_of(value: str) -> date | None:
    """The day that a value of a field of days is, in whatever year, or the first in its text; numbers in names are no days before 1970."""
    with contextlib.suppress(ValueError):
        return date.fromisoformat(value[:10])
    return day_in(value)


def first_day(*texts: str) -> str:
    """The day in the first of some texts that holds one, ``2020-06-21``; empty where none does."""
    day = next((day for text in texts if (day := day_in(text))), None)
    return day.isoformat() if day else ""


def day_words(day: float) -> str:
    """A day since 1 January in words: “3 May”, or “3 May of the next year”."""
    found = date(2001, 1, 1) + timedelta(round(float(day)))
    years = found.year - 2001
    return f"{found.day} {found:%B}" + ("" if not years else " of the next year" if years == 1 else f" {years} years later")
