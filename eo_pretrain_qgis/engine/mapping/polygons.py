"""A class map → polygons with the value, name and colour of their class and their area on the ground."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

import geopandas
import numpy as np
import pyproj
import rasterio.features
import shapely

from ...progress import SILENT, Progress
from ..datasets.dataset import ClassInfo
from ..looks.class_style import coloured, polygons_qml
from ..rasters.grid import Grid, Window
from ..rasters.raster import Raster
from ..rasters.vector import write_layer

#: Rows turned into polygons at once; between strips the work can be cancelled.
STRIP_ROWS = 1024
_EQUAL_AREA = "EPSG:6933"  # cylindrical: keeps edges along meridians and parallels straight, so pixel outlines stay exact


def write_polygons(class_map: str, classes: Sequence[ClassInfo], output: str, minimum_area: float = 0, progress: Progress = SILENT) -> int:
    """Writes the areas of a class map as a GeoPackage layer with its style.

    Fields: ``class`` (value), ``name``, ``color``, ``area_m2``. Nodata has no polygon.

    Args:
        class_map: raster with the classes' values.
        classes: value, name and colour of each class.
        output: the .gpkg to write.
        minimum_area: areas smaller than this [m²] are given to their largest neighbour; those that have none are left out. This step
            holds the map in memory, about 4 bytes per pixel.
        progress: told how far it is.

    Returns:
        Number of polygons.

    Raises:
        DataError: when the map cannot be read or the disk is full.
    """
    with Raster(class_map) as raster:
        grid = raster.grid
        strips = _sieved_strips(raster, minimum_area) if minimum_area > 0 else _strips(raster)
        found = list(outlines(strips, grid, progress))
    values = np.array([value for value, _ in found], np.int64)
    shapes = shapely.transform(np.array([shape for _, shape in found], object), to_map(grid))
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
    write_layer(output, Path(output).stem, features, polygons_qml(classes, "class"), progress)
    progress.at(1, f"Wrote {len(features)} polygons")
    return len(features)


def areas_m2(shapes: np.ndarray, crs: str) -> np.ndarray:
    """Areas on the ground of polygons with edges along the axes of their CRS [m²].

    Degrees and Mercator are taken to a cylindrical equal-area projection, which is exact for such polygons; every other projection
    counts in its own unit, as a pixel of 10 m does.
    """
    reference = pyproj.CRS.from_user_input(crs)
    operation = reference.coordinate_operation
    mercator = operation is not None and "Mercator" in operation.method_name and "Transverse" not in operation.method_name
    if reference.is_geographic or mercator:
        forward = pyproj.Transformer.from_crs(reference, _EQUAL_AREA, always_xy=True)
        return shapely.area(shapely.transform(shapes, lambda points: np.column_stack(forward.transform(points[:, 0], points[:, 1]))))
    return shapely.area(shapes) * reference.axis_info[0].unit_conversion_factor ** 2


def _strips(raster: Raster) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The map from top to bottom: values (y, x) and which are valid."""
    for row in range(0, raster.grid.height, STRIP_ROWS):
        values, valid = raster.read(Window(0, row, raster.grid.width, min(STRIP_ROWS, raster.grid.height - row)), [0])
        yield values[0], valid


def _sieved_strips(raster: Raster, minimum_area: float) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    x, y = raster.grid.metres_per_pixel()
    values, valid = raster.read(raster.grid.window, [0])
    smallest = math.ceil(minimum_area / (x * y))  # GDAL takes no area that is larger than the map
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
