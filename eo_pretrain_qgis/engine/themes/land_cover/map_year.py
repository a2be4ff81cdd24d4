"""The year a map shows, from its tags or its name, and how far that is from the images."""

from __future__ import annotations

import re
from pathlib import PurePath

from ....progress import SILENT, Progress
from ...rasters.raster import Raster

#: Tags that say when the mapped state was, in the order they are asked; a date of writing says nothing about it.
TAGS = ("reference_year", "year", "datetime", "time_coverage_start", "product_time", "ACQUISITION_DATE")
_IN_TAG = re.compile(r"(?<!\d)(?:19[89]\d|20\d\d)(?!\d{1,3}(?!\d))")
# CORINE names the edition before the mapped year: U2018_CLC2018_V2020_20u1.tif.
_CORINE = re.compile(r"CLC_?((?:19|20)\d\d)", re.IGNORECASE)
# A year stands alone or begins a date; after a "v" or "u" it is that of an edition.
_IN_NAME = re.compile(r"(?<![\dvuVU])((?:19[89]|20\d)\d)(?=\D|$|[01]\d[0-3]\d)")


def year_of(raster: Raster) -> tuple[int | None, str]:
    """The mapped year and where it is written; None where neither tags nor name tell.

    Returns:
        The year, and "tag …", "file name" or an empty string.
    """
    tags = {key.lower(): value for key, value in raster.dataset.tags().items()}
    for tag in TAGS:
        match = _IN_TAG.search(tags.get(tag.lower(), ""))
        if match:
            return int(match[0]), f"tag {tag}"
    for name in dict.fromkeys((PurePath(raster.path).name, raster.name)):
        match = _CORINE.search(name) or _IN_NAME.search(name)
        if match:
            return int(match[1]), "file name"
    return None, ""


def years_apart(map_year: int | None, dates: list[str]) -> int | None:
    """Largest difference between the map's year and those of images [years]; None where either is unknown."""
    years = [int(day[:4]) for day in dates if day]
    return max(abs(year - map_year) for year in years) if years and map_year is not None else None


def compare(raster: Raster, dates: list[str], given: int | None, limit: int, progress: Progress = SILENT, *,
            layer_date: str = "") -> dict:
    """Says how far a map is from images in time, and warns where it is far or not known.

    Args:
        raster: the map.
        dates: of the images, ``2020-06-21``, empty where unknown.
        given: year of the map as the analyst says; None reads it.
        limit: most years apart without a warning.
        progress: told the warning.
        layer_date: day from the map layer's temporal property, which goes before tags and name; empty where it has none.

    Returns:
        ``map_year``, ``map_year_from``, ``years_apart`` and ``image_years`` for the facts of a dataset.
    """
    year, source = (given, "given") if given is not None else (int(layer_date[:4]), "layer") if layer_date else year_of(raster)
    text = warning(raster.path, year, dates, limit)
    if text:
        progress.message(text, level="warning")
    raster.close()
    return {"map_year": year, "map_year_from": source, "years_apart": years_apart(year, dates), "most_years": limit,
            "image_years": sorted({int(day[:4]) for day in dates if day}), "undated_images": sum(not day for day in dates)}


def warning(path: str, map_year: int | None, dates: list[str], limit: int) -> str:
    """A sentence when map and images are too far apart, or when that cannot be known; else empty."""
    undated = sum(not day for day in dates)
    if map_year is None:
        return f"The year of {path} is unknown: neither its name nor its tags tell. Give it as “Year of the map” to have it checked."
    if undated == len(dates):
        return f"{path} shows {map_year}, but the images have no date, so the years cannot be compared."
    apart = years_apart(map_year, dates)
    if apart is not None and apart > limit:
        span = sorted({day[:4] for day in dates if day})
        return (f"{path} shows {map_year} and the images {' to '.join(dict.fromkeys((span[0], span[-1])))}: up to {apart} years apart, "
                f"more than {limit}. Land cover may have changed between.")
    return f"{undated} of {len(dates)} images have no date to compare with the year of the map, {map_year}." if undated else ""
