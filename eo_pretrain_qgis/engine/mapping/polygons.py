"""A class map → polygons with the value, name and colour of their class and their area on the ground."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import geopandas
import numpy as np
import rasterio.features
import shapely

from ...progress import SILENT, Progress
from ..datasets.dataset import ClassInfo
from ..looks.class_style import coloured, polygons_qml
from ..rasters.grid import Grid, Window
from ..rasters.lengths import PixelAreas, areas_m2
from ..rasters.meaning import SIMULATED
from ..rasters.raster import Raster
from ..rasters.vector import valid_areas, write_layer
from ..waiting import in_background

#: Rows turned into polygons at once; between strips the work can be cancelled.
STRIP_ROWS = 1024


def write_polygons(class_map: str, classes: Sequence[ClassInfo], output: str, minimum_area: float = 0, progress: Progress = SILENT,
                   simplify_m: float = 0) -> int:
    """Writes the areas of a class map as a GeoPackage layer with its style.

    Fields: ``class`` (value), ``name``, ``color``, ``area_m2``. Nodata has no polygon. Neighbours share their borders exactly.

    Args:
        class_map: raster with the classes' values.
        classes: value, name and colour of each class.
        output: the .gpkg to write.
        minimum_area: areas smaller than this [m²] are given to their largest neighbour; those that have none are left out. This step
            holds the map in memory, about 4 bytes per pixel.
        progress: told how far it is.
        simplify_m: corners between classes that cut off triangles smaller than a square of this edge are smoothed away [m], see `simplified`; 0 keeps
            the edges of pixels. Edges to nodata and of the map stay.

    Returns:
        Number of polygons.

    Raises:
        DataError: when the map cannot be read or the disk is full.
    """
    with Raster(class_map) as raster:
        grid, tags = raster.grid, raster.dataset.tags()
        strips = _sieved_strips(raster, minimum_area) if minimum_area > 0 else _strips(raster)
        found = list(outlines(strips, grid, progress))
    values = np.array([value for value, _ in found], np.int64)
    shapes = np.array([shape for _, shape in found], object)
    del found  # or each shape would be held twice from here on
    if simplify_m:
        tolerance = simplify_m / math.sqrt(math.prod(grid.metres_per_pixel()))
        shapes = in_background(partial(simplified, shapes, tolerance, edges=False), progress, 0.9, "Simplifying borders")
    shapes = shapely.transform(shapes, to_map(grid))
    areas = areas_m2(shapes, grid.crs)
    rows = {row.value: row for row in coloured(classes)}
    features = geopandas.GeoDataFrame({
        "class": values,
        "name": [rows[value].name if value in rows else str(value) for value in values],
        "color": [rows[value].color if value in rows else "" for value in values],
        "area_m2": np.round(areas, 1),
    }, geometry=shapes, crs=grid.crs)
    if minimum_area > 0:
        features = features[areas >= minimum_area]
    told = {key: text for key, text in tags.items() if key.startswith("EO_PRETRAIN") or key in (SIMULATED, "ACQUISITION_DATE")}
    write_layer(output, Path(output).stem, features, polygons_qml(classes, "class"), progress, told)
    progress.at(1, f"Wrote {len(features)} polygons")
    return len(features)


def simplified(shapes: np.ndarray, tolerance: float, edges: bool = True) -> np.ndarray:
    """Polygons (n,) along the edges of pixels, with borders moved once for both sides (Visvalingam and Whyatt 1993).

    Args:
        shapes: in pixels; those that touch share whole edges of pixels.
        tolerance: edge of a square whose area a corner must have to be kept [px]; 0 only takes out corners that are none.
        edges: whether edges that no two of them share are simplified, too; otherwise all together cover the same ground as before.
    """
    if not len(shapes):
        return shapes
    # A corner of one on a straight border of another is a corner of both only when every pixel's corner is one.
    result = shapely.coverage_simplify(valid_areas(shapely.segmentize(shapes, 1)), tolerance, simplify_boundary=edges)
    return result if edges else _without_straight(result)


def _without_straight(shapes: np.ndarray) -> np.ndarray:
    """Polygons (n,) without the points on a straight edge along rows or columns that belong to one of them alone."""
    kind, points, (rings, *others) = shapely.to_ragged_array(shapes)
    _, which, often = np.unique(points[:, 0] + 1j * points[:, 1], return_inverse=True, return_counts=True)
    straight = np.zeros(len(points), bool)
    straight[1:-1] = ((points[:-2] == points[1:-1]) & (points[1:-1] == points[2:])).any(1)
    kept = ~straight | (often[which] > 1)
    kept[rings[:-1]] = kept[rings[1:] - 1] = True
    ends = np.append(0, np.cumsum(kept))[rings]
    return shapely.from_ragged_array(kind, points[kept], (ends, *others))


def sums_by_kind(numbers: np.ndarray, kinds: int, pixel_areas: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How many pixels (kind,) hold each number below `kinds`, and their area (kind,); others are not counted.

    Args:
        numbers: whole numbers (y, x).
        kinds: how many there are.
        pixel_areas: (y, x), or (y, 1) where those of a row are alike, in any unit.
    """
    inside = numbers < kinds
    chosen = numbers[inside]
    weights = np.broadcast_to(pixel_areas, numbers.shape)[inside]
    return np.bincount(chosen, minlength=kinds), np.bincount(chosen, weights, kinds)


def _strips(raster: Raster) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The map from top to bottom: values (y, x) and which are valid."""
    for row in range(0, raster.grid.height, STRIP_ROWS):
        values, valid = raster.read(Window(0, row, raster.grid.width, min(STRIP_ROWS, raster.grid.height - row)), [0])
        yield values[0], valid


def _sieved_strips(raster: Raster, minimum_area: float) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    values, valid = raster.read(raster.grid.window, [0])
    smallest = math.ceil(minimum_area * values[0].size / PixelAreas(raster.grid).total)  # GDAL takes no area that is larger than the map
    sieved = rasterio.features.sieve(values[0], min(max(smallest, 1), values[0].size), mask=valid, connectivity=4)
    for row in range(0, raster.grid.height, STRIP_ROWS):
        yield sieved[row:row + STRIP_ROWS], valid[row:row + STRIP_ROWS]


def outlines(strips: Iterator[tuple[np.ndarray, np.ndarray]], grid: Grid, progress: Progress) -> Iterator[tuple[int, shapely.Polygon]]:
    """The areas of a map that comes in strips, see `_strips`, joined across them: value, and polygon in pixels of the grid."""
    reaching: dict[int, list[shapely.Polygon]] = {}  # polygons that touch the lower edge of the strip before
    top = 0
    for values, valid in strips:
        progress.at(top / grid.height, "Drawing polygons")
        bottom = top + values.shape[0]
        pieces: dict[int, list[shapely.Polygon]] = defaultdict(list)
        shifted = rasterio.Affine.translation(0, top)
        for geometry, value in rasterio.features.shapes(values, mask=valid, connectivity=4, transform=shifted):
            pieces[int(value)].append(shapely.geometry.shape(geometry))
        still_reaching: dict[int, list[shapely.Polygon]] = defaultdict(list)
        for value in sorted(pieces.keys() | reaching.keys()):
            for shape in _joined(reaching.get(value, []), pieces[value], top):
                if shape.bounds[3] == bottom < grid.height:
                    still_reaching[value].append(shape)
                else:
                    yield value, shape
        reaching, top = still_reaching, bottom


def _joined(above: list[shapely.Polygon], below: list[shapely.Polygon], edge: int) -> list[shapely.Polygon]:
    """Polygons of two strips of one class as one set, joined where they share part of the edge between the strips."""
    if not above:
        return below
    touching = [shape for shape in below if shape.bounds[1] == edge]
    parts = shapely.get_parts(shapely.union_all([*above, *touching]))
    apart = [shape for shape in below if shape.bounds[1] != edge]
    return [*shapely.simplify(parts, 0), *apart]  # tolerance 0 takes out the corners left on the edge, nothing else


def to_map(grid: Grid):
    a, _, c, _, e, f = grid.transform
    return lambda points: points * (a, e) + (c, f)
