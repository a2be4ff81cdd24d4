"""The days of a time series: from a table, a pattern, the layer's temporal property, the file name or the file's tags."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import PurePath

from ...errors import DataError, listed
from ...progress import SILENT, Progress
from ...scene_names import may_be_scene, with_day
from ...tables import read_table, shortened
from .dates import WRITTEN_ONLY, day_in
from .deliveries.cubes import cube_days
from .raster import Raster

_MARKS = {"YYYY": r"(?P<year>\d{4})", "DDD": r"(?P<day_of_year>\d{3})", "MM": r"(?P<month>\d\d)", "DD": r"(?P<day>\d\d)", "*": r".*?"}
_MARK = re.compile("|".join(re.escape(mark) for mark in _MARKS))
TABLE_COLUMNS = ("file", "date")
BY_WRITING = "the days on which the files were written"


@dataclass(frozen=True)
class Dated:
    """The rasters of one day: raster values of a job, and where the day was read."""

    day: date
    sources: tuple[dict, ...]
    origin: str


def days_of(sources: list[dict], pattern: str | None = None, table: str | None = None, *, lenient: bool = False) -> list[Dated]:
    """Finds the day of every raster; a data cube gives as many rasters as it has days.

    Args:
        sources: raster values of a job.
        pattern: of file names, such as ``*_YYYYMMDD_*``; DDD is the day of the year.
        table: CSV file with the columns file and date, which goes before everything else.
        lenient: whether rasters to which pattern and table do not apply may say their day in another way.

    Raises:
        DataError: a day that cannot be read, a cube without days, or a table without a row for a raster.
    """
    rows = _read_table(table) if table else {}
    rule = _compile(pattern) if pattern else None
    found = []
    for source in sources:
        days = cube_days(source["path"])
        if days:
            found += [Dated(day, ({**source, "path": with_day(source["path"], day.isoformat())},), "the data cube") for day in days]
            continue
        try:
            day, origin = _day_of(source, rule, pattern, rows, table)
        except DataError:
            if not lenient:
                raise
            day, origin = _day_of(source, None, None, {}, None)
        found.append(Dated(day, (source,), origin))
    return found


def in_order(found: list[Dated], what: str = "images", *, together: bool = False, least: int = 2, progress: Progress = SILENT) -> list[Dated]:
    """Puts rasters of one place in the order of their days.

    Args:
        found: what `days_of` found.
        what: the rasters are, for messages.
        together: whether several rasters of one day are the bands of that day; else a day may occur once.
        least: number of days.
        progress: told where the days come from, and when they had to be sorted.

    Raises:
        DataError: a day that repeats, or fewer days than `least`.
    """
    ordered = sorted(found, key=lambda each: each.day)
    if together:
        ordered = _joined(ordered)
    for one, other in zip(ordered, ordered[1:]):
        if one.day == other.day:
            raise DataError(f"{one.sources[0]['path']} and {other.sources[0]['path']} are both of {one.day}, but a series holds each date "
                            "once. Leave one of them out, or join them to one image first.")
    if len(ordered) < least:
        raise DataError(f"The {what} hold {len(ordered)} date{'s' if len(ordered) != 1 else ''}, and a series needs at least {least}. "
                        f"Choose {what} of more dates.")
    if [each.day for each in found] != sorted(each.day for each in found):
        progress.message(f"The {what} were not in the order of their dates and have been sorted.")
    written = [each.sources[0]["path"] for each in ordered if each.origin == BY_WRITING]
    if written:
        progress.message(f"{WRITTEN_ONLY} ({listed(written, 4)}). It may be another than that of acquisition: give a pattern or a table of dates.",
                         level="warning")
    origins = ", ".join(dict.fromkeys(each.origin for each in ordered))
    progress.message(f"{len(ordered)} dates of the {what}, from {ordered[0].day} to {ordered[-1].day}, read from {origins}.")
    return ordered


def days_since(days: list[date], first_year: int) -> list[int]:
    """Days since 1 January of a year, so that a season over New Year stays in order."""
    return [(day - date(first_year, 1, 1)).days for day in days]


def parse_day(text: str) -> date | None:
    """A date written as YYYY-MM-DD (a time may follow) or YYYYMMDD; None when it is none."""
    match = re.fullmatch(r"\s*(\d{4})([-/.]?)(\d\d)\2(\d\d)(?:[T ].*)?\s*", text)
    return _date(int(match[1]), int(match[3]), int(match[4])) if match else None


def _day_of(source: dict, rule: re.Pattern | None, pattern: str | None, rows: dict[str, date], table: str | None) -> tuple[date, str]:
    path, name = source["path"], PurePath(source["path"]).name
    if table:
        for key in (path, name, source.get("name") or name, PurePath(path).stem):
            if key in rows:
                return rows[key], "the table"
        raise DataError(f"{table} has no row for {name}. Add a row with its file name and date.")
    if rule is not None:
        day = _matched(rule, name) or _matched(rule, source.get("name") or "")
        if day:
            return day, "the pattern"
        raise DataError(f"The date of {path} cannot be read: its name does not follow the pattern “{pattern}”. "
                        "Correct the pattern, or give the dates in a table.")
    given = parse_day(source.get("date") or "")
    if given:
        return given, "the layers"
    day = None if may_be_scene(path) else day_in(name) or day_in(source.get("name") or "")
    if day:
        return day, "the file names"
    with Raster(**source) as raster:
        tagged, written = parse_day(raster.date), not raster.acquired
    if tagged:
        return tagged, BY_WRITING if written else "the files’ tags" if day_in(name) is None else "the scenes"
    raise DataError(f"The date of {path} cannot be read from the layer, its name or its tags. Give a pattern such as *_YYYYMMDD_*, or a "
                    "table with the columns file and date.")


def _joined(ordered: list[Dated]) -> list[Dated]:
    """Rasters of the same day as one."""
    days: dict[date, list[Dated]] = {}
    for each in ordered:
        days.setdefault(each.day, []).append(each)
    return [Dated(day, tuple(source for each in all_ for source in each.sources), all_[0].origin) for day, all_ in days.items()]


def _compile(pattern: str) -> re.Pattern:
    marks = _MARK.findall(pattern)
    if "YYYY" not in marks or not ({"MM", "DD"} <= set(marks) or "DDD" in marks):
        raise DataError(f"The pattern “{pattern}” does not say where year, month and day stand. Write it like *_YYYYMMDD_* or "
                        "*_YYYY-MM-DD*; YYYYDDD is year and day of the year.")
    text, seen, end = "", set(), 0
    for match in _MARK.finditer(pattern):
        mark = match[0]
        repeated = mark in seen and mark != "*"
        text += re.escape(pattern[end:match.start()]) + (r"\d" * len(mark) if repeated else _MARKS[mark])
        seen.add(mark)
        end = match.end()
    return re.compile(text + re.escape(pattern[end:]))


def _matched(rule: re.Pattern, name: str) -> date | None:
    match = rule.search(name)
    if not match:
        return None
    parts = match.groupdict()
    if parts.get("day_of_year"):
        number = int(parts["day_of_year"])
        day = date(int(parts["year"]), 1, 1) + timedelta(number - 1) if int(parts["year"]) and 1 <= number <= 366 else None
        return day if day and day.year == int(parts["year"]) else None
    return _date(int(parts["year"]), int(parts["month"]), int(parts["day"]))


def _date(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None


def _read_table(path: str) -> dict[str, date]:
    table = read_table(path, TABLE_COLUMNS)
    table.require(TABLE_COLUMNS, "Name its columns file and date.")
    rows: dict[str, date] = {}
    for row in table.rows:
        name, day = row["file"], parse_day(row["date"])
        if not name:
            continue
        if day is None:
            raise DataError(f"Line {row.line} of {path} holds “{shortened(row['date'])}”, which is no date. Write it as YYYY-MM-DD or YYYYMMDD.")
        if rows.setdefault(name, day) != day:
            raise DataError(f"Line {row.line} of {path} says that {name} is of {day}, but another line says {rows[name]}. Keep one of the lines.")
    return rows
