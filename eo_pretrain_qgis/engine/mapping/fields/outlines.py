"""Numbered fields → closed polygons on the map that share their borders."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import geopandas
import numpy as np
import shapely

from ....progress import SILENT, Progress
from ...looks.category_style import color_option, single
from ...rasters.grid import Grid
from ...rasters.vector import valid_areas, write_layer
from ..polygons import STRIP_ROWS, areas_m2, outlines, to_map
from .seams import Found

#: Outline and fill of fields.
STYLE = {"color": color_option("#ffd92f", 40), "style": "solid", "outline_color": color_option("#e6550d"), "outline_style": "solid",
         "outline_width": "0.4"}


@dataclass(frozen=True)
class Shaping:
    """How outlines are drawn.

    Attributes:
        minimum_ha: smaller fields are left out [ha].
        simplify_m: corners that cut off triangles smaller than a square of this edge are smoothed away [m]; 0 keeps the edges of pixels.
    """

    minimum_ha: float = 0.05
    simplify_m: float = 10.0


def write_fields(found: Found, grid: Grid, output: str, how: Shaping, progress: Progress = SILENT) -> tuple[int, float]:
    """Writes fields as a GeoPackage layer with its style.

    Fields: ``field`` (number from 1), ``area_ha`` on the ground, and ``confidence``, the mean probability of field in its pixels in percent.
    Neighbours share their borders exactly, also after simplification, which moves each border once for both (shapely's `coverage_simplify`;
    Visvalingam and Whyatt 1993).

    Args:
        found: see there; memory holds its outlines, not its pixels.
        grid: of the numbers.
        output: the .gpkg to write.
        how: see there.
        progress: told how far it is.

    Returns:
        Number of fields, and their area [ha].

    Raises:
        DataError: the disk is full.
    """
    edge = math.sqrt(math.prod(grid.metres_per_pixel()))
    numbers, shapes = _largest_parts(found, grid, progress.part(0, 0.6))
    progress.at(0.7, "Simplifying borders")
    shapes = shapely.transform(simplified(shapes, how.simplify_m / edge), to_map(grid))
    areas = areas_m2(shapes, grid.crs) / 1e4
    kept = areas >= how.minimum_ha
    numbers, shapes, areas = numbers[kept], shapes[kept], areas[kept]
    features = geopandas.GeoDataFrame({"field": np.arange(1, len(shapes) + 1), "area_ha": np.round(areas, 4),
                                       "confidence": np.round(100 * found.confidence[numbers], 1)}, geometry=shapes, crs=grid.crs)
    progress.at(0.9, "Writing fields")
    write_layer(output, Path(output).stem, features, single("fill", STYLE), progress)
    return len(features), float(areas.sum())


def simplified(shapes: np.ndarray, tolerance: float) -> np.ndarray:
    """Polygons (n,) along the edges of pixels, with borders simplified once for both sides.

    Args:
        shapes: in pixels; those that touch share whole edges of pixels.
        tolerance: edge of a square whose area a corner must have to be kept [px]; 0 only takes out corners that are none.
    """
    if not len(shapes):
        return shapes
    # A corner of one field on a straight border of another is a corner of both only when every pixel's corner is one.
    return shapely.coverage_simplify(valid_areas(shapely.segmentize(shapes, 1)), tolerance)


def _largest_parts(found: Found, grid: Grid, progress: Progress) -> tuple[np.ndarray, np.ndarray]:
    """Number and polygon in pixels of each field, in their order; of a field in several parts the largest."""
    best: dict[int, shapely.Polygon] = {}
    for number, shape in outlines(_strips(found.numbers), grid, progress):
        if number not in best or shape.area > best[number].area:
            best[number] = shape
    numbers = np.array(sorted(best), np.int64)
    return numbers, np.array([best[number] for number in numbers.tolist()], object)


def _strips(numbers: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    for row in range(0, len(numbers), STRIP_ROWS):
        part = np.asarray(numbers[row:row + STRIP_ROWS])
        yield part, part > 0
