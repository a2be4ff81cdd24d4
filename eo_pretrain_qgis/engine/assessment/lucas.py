"""LUCAS points as Eurostat publishes them: a table with the place, the day and the land cover that a surveyor saw."""

from __future__ import annotations

import re
from datetime import date

import geopandas
import numpy as np
import pandas

from ...errors import DataError
from ...progress import SILENT, Progress
from ..mapping.map_survey import ClassMap
from ..rasters.vector import VectorLayer
from .reference import CLASS_FIELD, DATE_FIELD, Fields, Reference, reference_of

#: Columns by year of the survey, in small letters: those of the point that was to be visited, which is the one that is drawn.
PLACES = (("th_long", "th_lat"), ("point_long", "point_lat"), ("long", "lat"), ("lon", "lat"))
BOTH = "lat_long"
COVERS, DAYS = ("lc1", "survey_lc1"), ("survey_date", "date")
#: A code of land cover; 8 and the like mean that none was seen.
COVER = re.compile(r"[A-H]\d\d", re.IGNORECASE)
_DAY = re.compile(r"(\d\d?)[./-](\d\d?)[./-](\d{2}|\d{4})\b")


def open_lucas(path: str, mapped: ClassMap, progress: Progress = SILENT) -> Reference:
    """Reads the points that lie on a map.

    Args:
        path: of the CSV file.
        mapped: the map.
        progress: told what is left out.

    Raises:
        DataError: a table without places or land cover, or without a point on the map.
    """
    features, name = read_lucas(path, mapped.grid.bounds_in("EPSG:4326"), (mapped.path, "map"), progress)
    return reference_of(features, Fields(CLASS_FIELD, DATE_FIELD), mapped, (path, name), progress)


def read_lucas(path: str, bounds: tuple[float, float, float, float], ground: tuple[str, str], progress: Progress = SILENT
               ) -> tuple[geopandas.GeoDataFrame, str]:
    """Reads the points within bounds: their code of land cover, None where none was seen, and their day; and the name of the table.

    Args:
        path: of the CSV file.
        bounds: west, south, east and north in degrees.
        ground: what these are the bounds of: its path, and what it is.
        progress: told how many points have no place.

    Raises:
        DataError: a table without places or land cover, or without a point within.
    """
    layer = VectorLayer.open({"path": path})
    headings = {name.lower(): name for name in layer.fields}
    place = next((pair for pair in PLACES if set(pair) <= set(headings)), (BOTH,) if BOTH in headings else None)
    cover, day = (next((name for name in names if name in headings), None) for names in (COVERS, DAYS))
    if place is None or cover is None:
        what = "land cover (LC1)" if place else "latitude and longitude (TH_LAT and TH_LONG)"
        raise DataError(f"{path} has no column of {what}; it has {', '.join(layer.fields[:12]) or 'none'}. Choose the table of LUCAS points as "
                        "Eurostat publishes it.")
    columns = [headings[name] for name in (*place, cover, *((day,) if day else ()))]
    table = layer.select(columns=columns, read_geometry=False).rename(columns={own: name for name, own in headings.items()})
    longitude, latitude = _places(table, place)
    inside = (np.abs(latitude) <= 90) & (np.abs(longitude) <= 180)
    if not inside.all():
        progress.message(f"{(~inside).sum()} of {len(inside)} points of {path} have no latitude and longitude and are left out.", level="warning")
    west, south, east, north = bounds
    near = inside & (latitude >= south) & (latitude <= north) & (longitude >= west) & (longitude <= east)
    if not near.any():
        raise DataError(f"No point of {path} lies on {ground[0]}, which reaches over {west:.4f} to {east:.4f} degrees east and {south:.4f} to "
                        f"{north:.4f} north. Choose the table of the country and year of the {ground[1]}.")
    known = np.array([bool(COVER.fullmatch(str(value).strip())) for value in table[cover]])
    codes = np.where(known, table[cover].astype(str).str.strip().str.upper(), None)
    days = [_day(str(value)) for value in table[day]] if day else [None] * len(table)
    features = geopandas.GeoDataFrame({CLASS_FIELD: codes, DATE_FIELD: [day.isoformat() if day else None for day in days]},
                                      geometry=geopandas.points_from_xy(longitude, latitude), crs="EPSG:4326")[near]
    return features, layer.name


def _places(table: pandas.DataFrame, place: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Longitudes and latitudes; NaN where there is none."""
    if place == (BOTH,):
        found = [re.findall(r"[-+]?\d+(?:\.\d+)?", str(value)) for value in table[BOTH]]
        pairs = np.array([[float(number) for number in pair] if len(pair) == 2 else [np.nan, np.nan] for pair in found]).reshape(-1, 2)
        return pairs[:, 1], pairs[:, 0]
    # Spreadsheets of many languages write 48,2 for 48.2.
    longitude, latitude = (pandas.to_numeric(table[name].astype(str).str.replace(",", "."), errors="coerce").to_numpy(float) for name in place)
    return longitude, latitude


def _day(text: str) -> date | None:
    """A day as LUCAS writes it, 21/09/18 or 21/09/2018, or 2018-09-21."""
    if found := _DAY.match(text):
        day, month, year = map(int, found.groups())
    elif found := re.match(r"(\d{4})-(\d\d)-(\d\d)", text):
        year, month, day = map(int, found.groups())
    else:
        return None
    try:
        return date(year + 2000 if year < 100 else year, month, day)
    except ValueError:  # 31 June
        return None
