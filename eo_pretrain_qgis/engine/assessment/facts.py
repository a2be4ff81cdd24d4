"""What was found, as plain values for JSON, and the layer of places where the map was right or wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import geopandas
import numpy as np

from ...outputs import new_file
from ...progress import SILENT, Progress
from ..looks.category_style import Category, categorized, color_option
from ..measures.areas import Figure
from ..rasters.vector import write_layer
from .assessing import Assessment
from .designs import M2_PER_HA
from .ground import MODEL

LAYER = "places"
RIGHT, WRONG = "right", "wrong"
#: A polygon is right where the map shows more than this share of it right.
HALF = 0.5
COLOURS = {RIGHT: "#1b9e77", WRONG: "#d7301f"}


def facts_of(found: Assessment) -> dict[str, Any]:
    """All figures; areas in hectares, accuracies and shares from 0 to 1, ``half_width`` half of a 95 % interval; ``limit`` see `areas.Figure`."""
    estimates, seen, hectares = found.found, found.seen, found.hectares
    counts, days = found.places.counts(len(found.classes)), [day for day in found.reference.days if day]
    longitude, latitude = found.mapped.grid.centre_lonlat()
    rows, mapped = [], seen.areas / M2_PER_HA if found.design.mapped is None else found.design.mapped
    for position, row in enumerate(found.classes):
        inside = position < len(seen.areas)
        area = estimates.areas[position]
        rows.append({
            "value": row.value if inside else None, "name": row.name, "color": row.color,
            "mapped_ha": float(mapped[position]) if inside else 0.0,
            "estimated_ha": _times(area, hectares), "users_accuracy": _plain(estimates.users[position]),
            "producers_accuracy": _plain(estimates.producers[position]), "share": _plain(area),
            "places_mapped": int(counts[:, position].sum()), "places_true": int(counts[position].sum())})
    return {
        "map": {"name": found.mapped.name, "id": seen.id, "date": found.mapped.raster.acquired, "model": found.mapped.tags.get(MODEL, ""),
                "longitude": round(longitude, 6), "latitude": round(latitude, 6), "pixel_m": list(found.mapped.grid.metres_per_pixel())},
        "reference": {"name": found.reference.name, "places": len(found.reference), "units": len(found.places.groups),
                      "first_day": str(min(days)) if days else "", "last_day": str(max(days)) if days else ""},
        "design": {"kind": found.design.kind, "text": found.design.words, "intervals": found.design.drawn,
                   "strata": [{"name": name, "ha": float(size)} for name, size in zip(found.design.names, found.design.sizes)]},
        "hectares": hectares, "overall_accuracy": _plain(estimates.overall), "classes": rows,
        "counts": counts.tolist(), "shares": estimates.shares.round(8).tolist(), "warnings": list(found.warnings)}


def write_facts(path: str, facts: dict[str, Any]) -> None:
    """Writes the figures as JSON."""
    with new_file(path) as part:
        part.write_text(json.dumps(facts, indent=1, ensure_ascii=False), encoding="utf-8")


def write_places(path: str, found: Assessment, progress: Progress = SILENT) -> None:
    """Writes the reference places that counted with what map and reference say of each, styled right and wrong.

    Raises:
        DataError: disk full, not permitted, or open elsewhere.
    """
    places, names = found.places, np.array([row.name for row in found.classes], object)
    # Of a polygon the class that the map shows most of, and the share that it shows right.
    order = np.lexsort((places.amounts, found.owners))
    last = order[np.flatnonzero(np.append(np.diff(found.owners[order]), 1))]
    days = np.array([np.datetime64(day, "ms") if day else np.datetime64("NaT") for day in found.reference.days], "datetime64[ms]")
    table = geopandas.GeoDataFrame({
        "result": np.where(found.right > HALF, RIGHT, WRONG), "reference": names[places.truth[last]], "mapped": names[places.mapped[last]],
        "right_share": found.right.round(4), "date": days}, geometry=found.shapes, crs=found.mapped.grid.crs)
    look = {"outline_width": "0.5", "style": "no"} if found.whole else {"name": "circle", "size": "2.2"}
    style = categorized("result", "fill" if found.whole else "marker", [
        Category(result, f"{result} ({(table['result'] == result).sum()})",
                 {**look, "color": color_option(color), "outline_color": color_option(color if found.whole else "#ffffff")})
        for result, color in COLOURS.items()])
    write_layer(path, Path(path).stem or LAYER, table, style, progress)


def _plain(figure: Figure) -> dict[str, float | None]:
    return {"value": figure.value, "half_width": figure.half_width, **({} if figure.limit is None else {"limit": figure.limit})}


def _times(figure: Figure, factor: float) -> dict[str, float | None]:
    return {name: None if value is None else value * factor for name, value in _plain(figure).items()}
