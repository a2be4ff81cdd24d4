"""Areas on earth in longitude and latitude, as catalogues take them: cut at 180°, and land from which places are drawn by chance."""

from __future__ import annotations

import math
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from ...errors import DataError
from ..rasters.grid import Grid, boxes_of, reproject_bounds
from ..rasters.vector import VectorLayer

LONLAT = "OGC:CRS84"
WORLD = shapely.box(-180, -90, 180, 90)
#: Corners of an area that a catalogue is asked with; what has more is asked for by its hull.
MOST_CORNERS = 500
#: Places tried for each that is drawn, before an area counts as without land.
TRIES = 10_000


def area_of(extent: dict | None, layer: dict | None) -> BaseGeometry | None:
    """The area that was asked for, in longitude and latitude within ± 180°; None where none was.

    Args:
        extent: ``{"box": [west, south, east, north], "crs": …}``.
        layer: vector value of polygons.

    Raises:
        DataError: the layer holds no area, or the extent lies where there are no longitudes.
    """
    parts = []
    if extent:
        box = reproject_bounds(tuple(extent["box"]), extent.get("crs") or LONLAT, LONLAT)
        if not all(map(math.isfinite, box)):
            raise DataError(f"The area {', '.join(f'{value:.10g}' for value in extent['box'])} {extent.get('crs') or ''} lies where there are no "
                            "longitudes and latitudes. Correct it, or its coordinate system.")
        parts.append(within_world(shapely.box(*box)))
    if layer:
        opened = VectorLayer.open(layer)
        shapes = opened.read([]).to_crs(LONLAT).geometry
        areas = shapes[shapes.geom_type.isin(["Polygon", "MultiPolygon"])]
        if areas.empty:
            raise DataError(f"The layer {opened.name} of {opened.path} holds no polygon, so it says no area to search. Choose polygons, or give an "
                            "extent.")
        parts.append(within_world(shapely.make_valid(shapely.union_all(areas.values))))
    if not parts:
        return None
    common = parts[0] if len(parts) == 1 else shapely.intersection(*parts)
    if common.area == 0:
        raise DataError("“Area” (area) and “Area as polygons” (polygons) share no ground, or the area has no size. Give one of them, or correct it.")
    return common


def within_world(shape: BaseGeometry) -> BaseGeometry:
    """A shape with longitudes beyond ± 180° as one within, cut there as GeoJSON has it (RFC 7946 §3.1.9)."""
    west, _, east, _ = shape.bounds
    if west >= -180 and east <= 180:
        return shape.intersection(WORLD)
    turns = range(math.floor((west + 180) / 360), math.floor((east + 180) / 360) + 1)
    return shapely.union_all([shapely.affinity.translate(shape, -360 * turn).intersection(WORLD) for turn in turns])


def footprint_of(geometry: dict[str, Any] | None, bbox: Any, place: str) -> BaseGeometry:
    """The footprint of an item, cut at 180°.

    Some catalogues give footprints over 180° as one polygon from −179° to 179°; none that is wider than half of the earth is that wide.

    Raises:
        DataError: there is none, or it is none.
    """
    shape: BaseGeometry | None = None
    try:
        shape = shapely.geometry.shape(geometry) if geometry else None
        if shape is None and isinstance(bbox, list) and len(bbox) in (4, 6):
            west, south, east, north = (float(value) for value in (bbox if len(bbox) == 4 else (*bbox[:2], *bbox[3:5])))
            shape = shapely.box(west, south, east + 360 * (east < west), north)
    except (ValueError, TypeError, KeyError, AttributeError, IndexError, shapely.errors.ShapelyError):
        shape = None
    if shape is None or shape.is_empty or not np.isfinite(shape.bounds).all():
        raise DataError(f"{place} has no footprint that can be read. Save the STAC items again.")
    if shape.geom_type == "Polygon" and shape.bounds[2] - shape.bounds[0] > 180:
        shape = shapely.transform(shape, lambda points: np.where([[True, False]], points + 360 * (points < 0), points))
    repaired = shapely.make_valid(within_world(shapely.make_valid(shape)))
    areas = [part for part in shapely.get_parts(repaired) if part.area > 0]
    if not areas:
        raise DataError(f"{place} has a footprint without an area. Save the STAC items again.")
    return shapely.union_all(areas)


def footprint_of_grid(grid: Grid) -> BaseGeometry:
    """The ground of a raster."""
    boxes = [box for box in boxes_of(grid.bounds(), grid.crs, LONLAT) if box[0] < 180 and box[2] > -180]
    return shapely.union_all([shapely.box(*box).intersection(WORLD) for box in boxes])


def asked_with(area: BaseGeometry) -> BaseGeometry:
    """The area, or one around it with few corners, for a catalogue."""
    if shapely.get_num_coordinates(area) <= MOST_CORNERS:
        return area
    hulls = [part.convex_hull for part in shapely.get_parts(area)]
    around = shapely.union_all(hulls)
    return around if shapely.get_num_coordinates(around) <= MOST_CORNERS else area.convex_hull


def share(part: BaseGeometry, whole: BaseGeometry) -> float:
    """Share of a shape that lies in another, 0 to 1, as areas on the sphere."""
    total = _equal_area(whole).area
    return float(_equal_area(part.intersection(whole)).area / total) if total else 0.0


def _equal_area(shape: BaseGeometry) -> BaseGeometry:
    """A shape in the cylindrical equal-area projection of a sphere (Lambert): x = λ, y = sin φ."""
    return shapely.transform(shape, lambda points: np.stack([points[:, 0], np.degrees(np.sin(np.radians(points[:, 1])))], 1))


@lru_cache(maxsize=1)
def land() -> BaseGeometry:
    """Land between 60° S and 84° N, from Natural Earth 1:110 m, which is in the public domain, simplified to 0.05° (naturalearthdata.com)."""
    return shapely.from_geojson((Path(__file__).parent / "land.geojson").read_text(encoding="utf-8"))


def places_on_land(count: int, area: BaseGeometry | None, generator: np.random.Generator) -> np.ndarray:
    """Places on land, each as likely as any other by the square kilometre.

    Args:
        count: how many.
        area: where they may lie; None is everywhere.
        generator: of the draw.

    Returns:
        Longitude and latitude (place, 2) [degree].

    Raises:
        DataError: there is no land in the area.
    """
    allowed = land() if area is None else land().intersection(area)
    shapely.prepare(allowed)
    found = np.zeros((0, 2))
    west, south, east, north = allowed.bounds if not allowed.is_empty else (0.0,) * 4
    low, high = (math.sin(math.radians(value)) for value in (south, north))
    for _ in range(TRIES):
        if allowed.area == 0 or len(found) >= count:
            break
        lon, lat = generator.uniform(west, east, count), np.degrees(np.arcsin(generator.uniform(low, high, count)))
        found = np.concatenate([found, np.stack([lon, lat], 1)[shapely.contains_xy(allowed, lon, lat)]])
    if len(found) < count:
        raise DataError("There is no land in the area, or hardly any, from which places could be drawn. Choose a larger area.")
    return found[:count]
