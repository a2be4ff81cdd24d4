"""The section on what a page is about: where that lies, and from which images, dates and files it comes."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
import pyproj
import shapely

from ...errors import listed
from ..rasters.grid import Grid
from ..rasters.sensors import PRESETS
from . import html_page as page
from .locator import locator

LONLAT = "OGC:CRS84"
#: What a sensor is called that nobody named, and its values where nobody knows how they are stored.
UNNAMED, UNKNOWN = "image", "generic"
#: Endings of files that a title does not need.
ENDINGS = (".tif", ".tiff", ".vrt", ".jp2", ".img")
#: Names that are told of many.
TOLD = 6
#: From so many hectares or kilometres on no fraction is told.
WHOLE = 100
#: A place that reaches further than this around the Earth lies at all longitudes [degree].
ALL_AROUND = 359.9


@dataclass(frozen=True)
class Place:
    """Where something lies and what it is from.

    Attributes:
        outlines: polygons and points in longitude and latitude [degree]; none where nothing is known.
        rows: what else is known, a word and what it is.
    """

    outlines: Sequence[shapely.Geometry] = ()
    rows: Sequence[tuple[str, str]] = field(default_factory=tuple)


def place_section(place: Place, title: str = "Place and data") -> list[str]:
    """The locator map with the facts beside it; empty texts are left out."""
    where = [("Place", around(place.outlines))] if place.outlines else [("Place", "not known: the source does not say where it lies")]
    rows = [(name, text) for name, text in (*where, *place.rows) if text]
    return [page.heading(title), f"<div class=\"beside\">{locator(place.outlines, 'Where it lies on the Earth')}{page.facts_table(rows)}</div>"]


def around(outlines: Sequence[shapely.Geometry]) -> str:
    """The middle of places in words; of places far from each other how far they reach, on the shorter way around the Earth."""
    bounds = shapely.bounds(np.asarray(outlines, object))
    south, north, (west, east) = bounds[:, 1].min(), bounds[:, 3].max(), _meridians(bounds[:, 0], bounds[:, 2])
    if max(east - west, north - south) < 1:
        return f"around {degrees((south + north) / 2, 'NS', 3)}, {degrees((west + east) / 2, 'EW', 3)}"
    across = "all longitudes" if east - west > ALL_AROUND else f"{degrees(west, 'EW')} to {degrees(east, 'EW')}"
    return f"{degrees(south, 'NS')} to {degrees(north, 'NS')}, {across}"


def _meridians(west: np.ndarray, east: np.ndarray) -> tuple[float, float]:
    """The shortest arc from west to east that holds arcs (n,) [degree], which may reach beyond 180°: what the widest gap between them leaves."""
    order = np.argsort(west % 360)
    starts, lengths = (west % 360)[order], (east - west)[order]
    ends = starts + lengths
    reached = np.maximum.accumulate(np.maximum(ends, ends.max() - 360))
    gaps = np.append(starts[1:], starts[0] + 360) - reached
    widest = int(gaps.argmax())
    begin = starts[(widest + 1) % len(starts)]
    return float(begin), float(begin + 360 - max(gaps[widest], 0.0))


def degrees(value: float, letters: str, digits: int = 1) -> str:
    """A latitude (“NS”) or longitude (“EW”) in words: “46.055° N”."""
    if letters == "EW":
        value = (value + 180) % 360 - 180
    return f"{abs(value):.{digits}f}° {letters[0 if value >= 0 else 1]}"


def outline_of(grid: Grid) -> shapely.Geometry | None:
    """The edge of a grid in longitude and latitude [degree]; None where its CRS does not reach the Earth there.

    Longitudes go on beyond 180° where the grid does, and around a pole they go all the way, with the pole as the other side.
    """
    west, south, east, north = grid.bounds()
    edge = shapely.segmentize(shapely.box(west, south, east, north), max(east - west, north - south) / 8)
    longitude, latitude = _to_lonlat(grid.crs).transform(*shapely.get_coordinates(edge).T)
    if not (np.isfinite(longitude).all() and np.isfinite(latitude).all()):
        return None
    longitude = np.unwrap(longitude, period=360)
    longitude -= (longitude.min() + 180) // 360 * 360
    if abs(longitude[-1] - longitude[0]) > 180:
        pole = 90.0 if latitude.mean() > 0 else -90.0
        longitude, latitude = np.append(longitude, longitude[[-1, 0]]), np.append(latitude, [pole, pole])
    return shapely.Polygon(np.column_stack([longitude, latitude]))


@lru_cache(64)
def _to_lonlat(crs: str) -> pyproj.Transformer:
    return pyproj.Transformer.from_crs(crs, LONLAT, always_xy=True)


def crs_words(crs: str) -> str:
    """A coordinate system by name and number: “WGS 84 / UTM zone 33N (EPSG:32633)”."""
    known = pyproj.CRS.from_user_input(crs)
    number = known.to_epsg()
    return known.name + (f" (EPSG:{number})" if number else "")


def size_words(grid: Grid) -> str:
    """How large a grid is, in pixels and on the ground."""
    x, y = grid.metres_per_pixel()
    return f"{grid.width:,} × {grid.height:,} pixels of {_plain(x, 4)} × {_plain(y, 4)} m: {length(grid.width * x)} × {length(grid.height * y)}"


def length(metres: float) -> str:
    """A length in words: “850 m”, “3.2 km”."""
    return f"{_plain(metres, 3)} m" if metres < 999.5 else f"{metres / 1000:,.1f} km" if metres < 1e5 else f"{metres / 1000:,.0f} km"


def _plain(number: float, digits: int) -> str:
    """A number with so many digits, or with all those before its point where they are more: 5.289, 10,306."""
    return f"{number:,.0f}" if number >= 10 ** (digits - 1) else f"{number:.{digits}g}"


def sensor_words(name: str, preset: str) -> str:
    """What a sensor is called; one that nobody named by how its values are stored, and empty where nobody knows that."""
    return name if name not in ("", UNNAMED) else "" if preset == UNKNOWN else PRESETS[preset].name


def stem(name: str) -> str:
    """A name for a title: that of a raster file without its ending."""
    root, ending = os.path.splitext(name)
    return root if ending.lower() in ENDINGS else name


def quantity(amount: float) -> str:
    """Hectares or kilometres: of many no fraction is told."""
    return f"{amount:,.0f}" if amount >= WHOLE else f"{amount:,.2f}"


def dates_words(days: Iterable[str | None]) -> str:
    """Days such as 2020-05-31 in words; empty where none is known."""
    known = sorted({day for day in days if day})
    if not known:
        return ""
    return listed(known, TOLD) if len(known) <= 3 else f"{known[0]} to {known[-1]} ({len(known)} dates)"


def files_words(paths: Iterable[str]) -> str:
    """Names of files without their folders."""
    return listed(list(dict.fromkeys(os.path.basename(path.rstrip("/\\")) or path for path in paths if path)), TOLD)
