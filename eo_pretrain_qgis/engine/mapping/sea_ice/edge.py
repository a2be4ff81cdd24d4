"""The ice edge: the line along which the concentration has one value."""

from __future__ import annotations

from pathlib import Path

import geopandas
import numpy as np
import shapely
from skimage.measure import find_contours

from ....progress import SILENT, Progress
from ...looks.category_style import color_option, single
from ...rasters.grid import Grid
from ...rasters.lengths import lengths_m
from ...rasters.vector import write_layer
from ..polygons import to_map


def edge_lines(concentration: np.ndarray, level: float, grid: Grid) -> np.ndarray:
    """Contours between the middles of cells (n,), in the CRS of the grid; they end where a cell has no value, and at the rim.

    Marching squares with linear interpolation (Lorensen and Cline 1987, in two dimensions), `skimage.measure.find_contours`.

    Args:
        concentration: 0 to 1, NaN where not known (row, col).
        level: of the contour.
        grid: of the cells.
    """
    around = np.pad(concentration, 1, constant_values=np.nan)  # the function wants two rows and columns at least
    lines = [shapely.LineString(points[:, ::-1] - 0.5) for points in find_contours(around, level)]  # a cell's middle, without the rim
    shapes = np.array([line for line in lines if line.length], object)
    return shapely.transform(shapely.remove_repeated_points(shapes), to_map(grid))


def write_edge(path: str, lines: np.ndarray, percent: float, grid: Grid, progress: Progress = SILENT,
               told: dict[str, str] | None = None) -> float:
    """Writes lines as a GeoPackage layer with its style; fields ``edge`` (number from 1), ``percent`` and ``length_km`` along the ellipsoid.

    `told` is metadata of the layer: where it comes from.

    Returns:
        Their length [km].

    Raises:
        DataError: the disk is full.
    """
    lengths = lengths_m(lines, grid.crs) / 1000
    table = {"edge": np.arange(1, len(lines) + 1), "percent": np.full(len(lines), percent), "length_km": np.round(lengths, 3)}
    features = geopandas.GeoDataFrame(table, geometry=geopandas.GeoSeries(lines, crs=grid.crs))
    write_layer(path, Path(path).stem, features, single("line", {"line_color": color_option("#d7191c"), "line_width": "0.7"}), progress, told,
                empty="LineString")
    return float(lengths.sum())
