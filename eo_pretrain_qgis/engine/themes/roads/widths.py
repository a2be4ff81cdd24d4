"""How wide a road is: from its `width` tag, else from its lanes, else from a table by class that the analyst can edit.

The forms of `width` and `lanes` are those of the OpenStreetMap wiki, “Key:width” and “Map features/Units”.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ....errors import DataError
from ....tables import read_table as read_rows
from ....tables import shortened
from ....tables import write_table as write_rows
from .tags import plain

#: Width of a lane [m]: of through roads; streets in towns have narrower ones, but edge strips and kerbs make up for it.
LANE_WIDTH = 3.5
#: Widths [m] that a road can have; others are mistakes, such as 0 or 350 for 3.50, and do not count.
NARROWEST, WIDEST = 0.5, 80.0
MOST_LANES = 16
#: Width of the paved surface [m] by class where nothing else is known; motorways are mapped as one line per direction. No published
#: standard says how wide a class is, and it differs between countries: these are our estimates, to be edited for the place at hand.
WIDTHS = {
    "motorway": 12.0, "motorway_link": 6.0, "trunk": 10.0, "trunk_link": 6.0, "primary": 8.5, "primary_link": 5.5,
    "secondary": 7.5, "secondary_link": 5.5, "tertiary": 6.5, "tertiary_link": 5.0, "unclassified": 5.5, "residential": 5.5,
    "living_street": 5.0, "road": 5.5, "busway": 6.5, "bus_guideway": 6.5, "raceway": 10.0, "escape": 4.0,
    "service": 4.0, "track": 3.0,
    "pedestrian": 5.0, "footway": 2.0, "path": 1.5, "cycleway": 2.0, "bridleway": 2.0, "steps": 2.0,
}
#: Metres in a unit.
UNITS = {"": 1.0, "m": 1.0, "metre": 1.0, "metres": 1.0, "meter": 1.0, "meters": 1.0, "cm": 0.01, "km": 1000.0, "mi": 1609.344,
         "ft": 0.3048, "feet": 0.3048, "foot": 0.3048, "'": 0.3048, "in": 0.0254, "inch": 0.0254, '"': 0.0254}
CLASS_HEADINGS, WIDTH_HEADINGS = ("class", "highway", "fclass", "value"), ("width", "width_m", "metres")
HEADINGS = ("class", "width")
#: Name of the table in a dataset folder.
TABLE_FILE = "road_widths.csv"

_FEET_AND_INCHES = re.compile(r"""(\d+(?:\.\d+)?)\s*(?:'|ft|feet)\s*(?:(\d+(?:\.\d+)?)\s*(?:"|''|in|inch)?)?""")
_LENGTH = re.compile(r"(\d+(?:\.\d+)?)\s*([a-z'\"]*)")


@dataclass(frozen=True)
class WidthTable:
    """Widths by class [m], of which 0 leaves a class out, and the width of classes it does not list; None where that is not known."""

    widths: Mapping[str, float] = field(default_factory=lambda: dict(WIDTHS))
    other: float | None = None

    def width(self, road_class: str, width: object = None, lanes: object = None) -> tuple[float, str]:
        """Width of a road [m] and where it is from: "width", "lanes", "table", or "other".

        Raises:
            KeyError: a class that is not listed and has no width, lanes or general width.
        """
        metres = parse_width(width)
        if metres is not None:
            return metres, "width"
        count = parse_lanes(lanes)
        if count is not None:
            return count * LANE_WIDTH, "lanes"
        if road_class in self.widths:
            return self.widths[road_class], "table"
        if self.other is None:
            raise KeyError(road_class)
        return self.other, "other"

    def widest(self, road_classes: list[str]) -> str:
        """Of several classes of one way the widest that is listed, or the first where none is."""
        listed = [name for name in road_classes if self.widths.get(name)]
        return max(listed, key=lambda name: self.widths[name]) if listed else road_classes[0]


def parse_width(value: object) -> float | None:
    r"""A `width` tag in metres; None where it says nothing that a road can be.

    Understood are ``7``, ``3.5``, ``3,5 m``, ``12 ft``, ``10'6"``, ``12'``, ``350 cm``; of ``3;4`` and ``3-4`` the mean.

    >>> parse_width("10'6\"")
    3.2004
    """
    text = _text(value).replace("’", "'").replace("′", "'").replace("″", '"').replace("”", '"').lstrip("~<> ")
    ends = re.split(r"[;–]|(?<=\d)\s*-\s*(?=\d)", text)
    lengths = [_metres(end) for end in ends]
    if not lengths or any(length is None for length in lengths):
        return None
    mean = sum(length for length in lengths if length is not None) / len(lengths)
    return round(mean, 4) if NARROWEST <= mean <= WIDEST else None


def parse_lanes(value: object) -> float | None:
    """A `lanes` tag as a number of lanes; of ``2;3`` the mean, None where it says nothing that a road can have."""
    counts = [float(part) for part in _text(value).split(";") if re.fullmatch(r"\s*\d+(\.\d+)?\s*", part)]
    mean = sum(counts) / len(counts) if counts else 0.0
    return mean if 0 < mean <= MOST_LANES else None


def read_table(path: str | Path | None) -> dict[str, float]:
    """Widths by class from a CSV file with the headings class and width, over the built-in ones.

    Args:
        path: comma or semicolon separated; a width may carry its unit. None takes the built-in ones as they are.

    Returns:
        Width by class [m]; 0 leaves a class out.

    Raises:
        DataError: naming the file, the line and what it should hold.
    """
    if path is None:
        return dict(WIDTHS)
    rows = read_rows(path, (*CLASS_HEADINGS, *WIDTH_HEADINGS))
    at_class, at_width = (next((name for name in names if name in rows.headings), "") for names in (CLASS_HEADINGS, WIDTH_HEADINGS))
    if not (at_class and at_width):
        raise DataError(f"{path} has the headings {shortened(', '.join(rows.headings)) or 'none'}, but a table of road widths needs class and "
                        "width. Add a first line “class,width”.")
    table = dict(WIDTHS)
    for row in rows.rows:
        name, width = row[at_class], row[at_width]
        metres = 0.0 if re.fullmatch(r"0+([.,]0*)?", width) else parse_width(width)
        if not name or metres is None:
            raise DataError(f"{path}, line {row.line}: “{shortened(f'{name},{width}')}” gives no class and width between {NARROWEST:g} and "
                            f"{WIDEST:g} m. Write such as “residential,5.5”, or a width of 0 to leave a class out.")
        table[name] = metres
    return table


def write_table(path: str | Path, widths: Mapping[str, float]) -> None:
    """Writes a table that `read_table` reads, to be edited and used again."""
    write_rows(path, [HEADINGS, *((name, f"{metres:g}") for name, metres in widths.items())])


def _metres(text: str) -> float | None:
    text = text.strip()
    both = _FEET_AND_INCHES.fullmatch(text)
    if both:
        return float(both[1]) * UNITS["ft"] + float(both[2] or 0) * UNITS["in"]
    # A comma stands for the point of a fraction, never between thousands: no road is that wide.
    one = _LENGTH.fullmatch(text.replace(",", "."))
    return float(one[1]) * UNITS[one[2]] if one and one[2] in UNITS else None


def _text(value: object) -> str:
    return (plain(value) or "").lower()
