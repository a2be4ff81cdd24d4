"""The incidence angle of a scene [degree], from a table of the product's annotation.

Backscatter in dB falls about linearly with the incidence angle, with a slope that differs between kinds of ice (Lohse, Doulgeris and
Dierking 2020, doi 10.1017/aog.2020.45), so a network needs the angle of every pixel. Sentinel-1 products list it in their
annotation on a grid of about 20 km (geolocationGridPoint: line, pixel, latitude, longitude, incidenceAngle).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyproj
import rasterio
from rasterio.control import GroundControlPoint
from rasterio.crs import CRS
from rasterio.errors import NotGeoreferencedWarning
from scipy.interpolate import LinearNDInterpolator, RegularGridInterpolator
from scipy.ndimage import binary_dilation
from scipy.spatial import QhullError

from ....errors import DataError
from ....progress import SILENT, Progress
from ....tables import Row, Table, read_table, shortened
from ...rasters.control_points import ControlPoints
from ...rasters.grid import Grid

#: Headings of the table, lower case and without underscores.
HEADINGS = {
    "angle": ("incidenceangle", "ellipsoidincidenceangle", "incidence", "ia", "theta", "angle"), "pixel": ("pixel", "column", "col", "sample"),
    "line": ("line", "row"), "longitude": ("longitude", "lon", "long"), "latitude": ("latitude", "lat"),
    "scene": ("scene", "image", "name"),
}
#: Angles of imaging radars [degree]; outside, a column holds something else, such as radians.
PLAUSIBLE = (5.0, 80.0)
#: Pixels between the nodes at which a table is interpolated; in between the angle is linear.
NODE_STEP = 8
#: Rows of nodes interpolated at once.
NODE_ROWS = 64
#: Range of the angle [degree] below which it is constant.
CONSTANT = 1e-3
#: Share of the width or height of an image that may lie outside the pixels and lines of a table.
OUTSIDE = 0.05
#: A table reaches at most this much further than its image; one of a larger image is of another resolution.
LARGER = 1.25


@dataclass(frozen=True)
class AngleTable:
    """Points of a table: each an array (n,), or None where the table has no such column."""

    path: str
    angle: np.ndarray
    pixel: np.ndarray | None
    line: np.ndarray | None
    longitude: np.ndarray | None
    latitude: np.ndarray | None

    @property
    def has_places(self) -> bool:
        """Whether the points say where on earth they lie."""
        return self.longitude is not None and self.latitude is not None

    def control_points(self) -> ControlPoints | None:
        """The points as ground control points, where they have both pixels and places."""
        if self.pixel is None or self.line is None or self.longitude is None or self.latitude is None:
            return None
        points = tuple(GroundControlPoint(row + 0.5, col + 0.5, lon, lat, 0.0)
                       for row, col, lon, lat in zip(self.line, self.pixel, self.longitude, self.latitude, strict=True))
        return ControlPoints(points, CRS.from_epsg(4326).to_wkt())

    def by_pixel(self, width: int, height: int) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
        """The angle as a function of column and row of an image in the geometry of the product.

        Raises:
            DataError: when the pixels and lines of the table do not cover the image.
        """
        if self.pixel is None or self.line is None:
            raise DataError(f"{self.path} has no columns pixel and line. Give a table that has them, or longitude and latitude.")
        reach = (self.pixel.min(), self.pixel.max() + 1, self.line.min(), self.line.max() + 1)
        if not (_fits(reach[0], reach[1], width) and _fits(reach[2], reach[3], height)):
            raise DataError(f"{self.path} covers the pixels {reach[0]:g} to {reach[1] - 1:g} and lines {reach[2]:g} to {reach[3] - 1:g}, but the "
                            f"image has {width} × {height} pixels. Give the table of this scene, at the resolution of this image.")
        columns, rows = np.unique(self.pixel), np.unique(self.line)
        places = len(np.unique(np.stack([self.pixel, self.line]), axis=1).T)
        if len(columns) * len(rows) == len(self.angle) == places and min(len(columns), len(rows)) > 1:
            order = np.lexsort((self.pixel, self.line))
            grid = self.angle[order].reshape(len(rows), len(columns))
            regular = RegularGridInterpolator((rows, columns), grid, bounds_error=False, fill_value=None)  # beyond the last point: its slope
            return lambda col, row: regular(np.stack([row, col], -1))
        return _scattered(np.column_stack([self.pixel, self.line]), self.angle, self.path)

    def by_place(self, grid: Grid) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
        """The angle as a function of column and row of a grid on the map; NaN outside the points."""
        if self.longitude is None or self.latitude is None:
            raise DataError(f"{self.path} has no columns longitude and latitude. Give a table that has them.")
        forward = pyproj.Transformer.from_crs("OGC:CRS84", grid.crs, always_xy=True)
        x, y = forward.transform(self.longitude, self.latitude)
        a, _, c, _, e, f = grid.transform
        col, row = (np.asarray(x) - c) / a - 0.5, (np.asarray(y) - f) / e - 0.5
        if not (np.isfinite(col).all() and np.isfinite(row).all()):
            raise DataError(f"{self.path} has places that the CRS of the image does not reach. Check longitude and latitude.")
        return _scattered(np.column_stack([col, row]), self.angle, self.path)


def read_tables(path: str) -> dict[str, AngleTable]:
    """Reads a table of incidence angles.

    Args:
        path: CSV with a heading; columns incidenceAngle and pixel with line, or longitude with latitude, or all; where it is for
            several scenes a column scene.

    Returns:
        Name of the scene → its points; the name is empty where the table has no column scene.

    Raises:
        DataError: columns that are missing, values that are no numbers or no angles, or an angle that is constant.
    """
    table = read_table(path)
    written = {heading.replace("_", "").replace(" ", ""): heading for heading in reversed(table.headings)}
    columns = {name: next((written[word] for word in words if word in written), "") for name, words in HEADINGS.items()}
    if not columns["angle"]:
        raise DataError(f"{path} has no column incidenceAngle; it has {shortened(', '.join(table.headings)) or 'no heading'}. "
                        "Write the angle in degrees into a column of that name.")
    if not (columns["pixel"] and columns["line"]) and not (columns["longitude"] and columns["latitude"]):
        raise DataError(f"{path} does not say where its angles lie. Add the columns pixel and line, or longitude and latitude.")
    scenes: dict[str, list[Row]] = {}
    for row in table.rows:
        if not set(table.headings) <= set(row.cells):
            raise DataError(f"{path}, line {row.line}, has {len(row.cells)} of {len(table.headings)} columns. Complete or remove the line.")
        scenes.setdefault(row[columns["scene"]], []).append(row)
    if not scenes:
        raise DataError(f"{path} has no row below its heading. Give the whole table.")
    return {scene: _angle_table(replace(table, rows=tuple(rows)), columns) for scene, rows in scenes.items()}


def write_angles(path: Path, width: int, height: int, angle_at: Callable[[np.ndarray, np.ndarray], np.ndarray], grid: Grid | None,
                 progress: Progress = SILENT) -> None:
    """Writes the angle of every pixel as a GeoTIFF, float32, NaN outside the table.

    Args:
        path: the file.
        width: columns.
        height: rows.
        angle_at: angle at columns and rows.
        grid: where the pixels lie; None for an image in the geometry of the product.
        progress: told how far it is.
    """
    columns, rows = (np.arange(0, length + NODE_STEP, NODE_STEP) for length in (width, height))
    at = np.meshgrid(columns.astype(float), rows.astype(float))
    parts = []
    for first in range(0, len(rows), NODE_ROWS):
        progress.at(0.5 * first / len(rows), "Interpolating the incidence angle")
        parts.append(angle_at(at[0][first:first + NODE_ROWS], at[1][first:first + NODE_ROWS]))
    nodes = _edge_filled(at[0], at[1], np.concatenate(parts))
    place = {"crs": CRS.from_wkt(grid.crs), "transform": rasterio.Affine(*grid.transform)} if grid else {}
    profile = {"driver": "GTiff", "width": width, "height": height, "count": 1, "dtype": "float32", "nodata": np.nan, "tiled": True,
               "blockxsize": 256, "blockysize": 256, "compress": "deflate", "predictor": 3, "zlevel": 1}
    col, part_col = np.divmod(np.arange(width), NODE_STEP)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)  # it is warped together with the scene
        target = rasterio.open(path, "w", **profile, **place)
    with target:
        for first in range(0, height, 256):
            progress.at(0.5 + 0.5 * first / height, "Interpolating the incidence angle")
            row, part_row = np.divmod(np.arange(first, min(first + 256, height)), NODE_STEP)
            down = part_row[:, None] / NODE_STEP
            lines = nodes[row] * (1 - down) + nodes[row + 1] * down
            right = part_col / NODE_STEP
            values = lines[:, col] * (1 - right) + lines[:, col + 1] * right
            target.write(values.astype(np.float32), 1, window=rasterio.windows.Window(0, first, width, len(row)))


def check_angles(values: np.ndarray, path: str) -> None:
    """Checks a sample of the measured angles of a scene.

    Raises:
        DataError: none at all, a constant, or values that are no angles in degrees.
    """
    without = "or set “Incidence angle” to none if the network shall do without"
    if not values.size:
        raise DataError(f"The incidence angle {path} has no value on the image. Give the angle of this scene, {without}.")
    low, high = (float(value) for value in np.percentile(values, (1, 99)))
    if high - low < CONSTANT:
        raise DataError(f"The incidence angle {path} is {low:.6g} everywhere, and a constant tells nothing. Give the angle of every pixel, "
                        f"{without}.")
    if low < PLAUSIBLE[0] or high > PLAUSIBLE[1]:
        hint = "They look like radians: convert them" if low > 0 and high < 1.6 else "Give the incidence angle of this scene in degrees"
        raise DataError(f"The incidence angle {path} has values from {low:.4g} to {high:.4g}, which are no angles in degrees between "
                        f"{PLAUSIBLE[0]:g} and {PLAUSIBLE[1]:g}. {hint}, {without}.")


def _fits(first: float, end: float, length: int) -> bool:
    """Whether the pixels or lines of a table are those of an image of some length."""
    return first <= OUTSIDE * length and (1 - OUTSIDE) * length <= end <= LARGER * length


def _angle_table(table: Table, columns: dict[str, str]) -> AngleTable:
    """The points of one scene."""
    def numbers(name: str) -> np.ndarray | None:
        return np.array(table.numbers(columns[name], name)) if columns[name] else None

    angle = np.array(table.numbers(columns["angle"], "angle"))
    if len(angle) < 4:
        raise DataError(f"{table.path} has {len(angle)} points for a scene, and 4 are the least to interpolate. Give the whole table.")
    check_angles(angle, table.path)
    return AngleTable(table.path, angle, numbers("pixel"), numbers("line"), numbers("longitude"), numbers("latitude"))


def _scattered(points: np.ndarray, angle: np.ndarray, path: str) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """Linear between the triangles of scattered points, NaN outside."""
    spread = np.linalg.svd(points - points.mean(0), compute_uv=False)
    if spread[-1] < 1e-6 * spread[0]:
        raise DataError(f"The points of {path} lie on one line, so nothing can be interpolated between them. Give the whole table.")
    try:
        linear = LinearNDInterpolator(points, angle)
    except QhullError:
        raise DataError(f"Nothing can be interpolated between the points of {path}. Give the whole table.") from None
    return lambda col, row: linear(np.stack([col, row], -1))


def _edge_filled(col: np.ndarray, row: np.ndarray, nodes: np.ndarray) -> np.ndarray:
    """Nodes just outside the table follow a second-order surface, so that pixels up to its edge have an angle."""
    missing = np.isnan(nodes)
    if not missing.any() or missing.all():
        return nodes
    edge = missing & binary_dilation(~missing, np.ones((3, 3)))
    scale = max(float(col.max()), float(row.max()), 1.0)

    def terms(where: np.ndarray) -> np.ndarray:
        x, y = col[where] / scale, row[where] / scale
        return np.column_stack([np.ones_like(x), x, y, x * x, x * y, y * y])

    fit, *_ = np.linalg.lstsq(terms(~missing), nodes[~missing], rcond=None)
    filled = nodes.copy()
    filled[edge] = terms(edge) @ fit
    return filled
