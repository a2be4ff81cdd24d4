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
from ...rasters.lengths import areas_m2
from ...rasters.vector import write_layer
from ...waiting import in_background
from ..polygons import STRIP_ROWS, outlines, simplified, to_map
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


def write_fields(found: Found, grid: Grid, output: str, how: Shaping, progress: Progress = SILENT,
                 told: dict[str, str] | None = None) -> tuple[int, float]:
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
        told: metadata of the layer: where it comes from.

    Returns:
        Number of fields, and their area [ha].

    Raises:
        DataError: the disk is full.
    """
    edge = math.sqrt(math.prod(grid.metres_per_pixel()))
    numbers, drawn = _largest_parts(found, grid, progress.part(0, 0.6))
    shapes = in_background(lambda: simplified(drawn, how.simplify_m / edge), progress, 0.7, "Simplifying borders")
    shapes = shapely.transform(shapes, to_map(grid))
    areas = areas_m2(shapes, grid.crs) / 1e4
    kept = areas >= how.minimum_ha
    numbers, shapes, areas = numbers[kept], shapes[kept], areas[kept]
    features = geopandas.GeoDataFrame({"field": np.arange(1, len(shapes) + 1), "area_ha": np.round(areas, 4),
                                       "confidence": np.round(100 * found.confidence[numbers], 1)}, geometry=shapes, crs=grid.crs)
    progress.at(0.9, "Writing fields")
    write_layer(output, Path(output).stem, features, single("fill", STYLE), progress, told)
    return len(features), float(areas.sum())


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
