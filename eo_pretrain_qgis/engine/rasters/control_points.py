"""Ground control points: where single pixels of an image lie on earth, and the grid that holds the image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyproj
import rasterio
from rasterio.control import GroundControlPoint
from rasterio.crs import CRS
from rasterio.errors import CRSError, RasterioIOError
from rasterio.warp import calculate_default_transform

from ...errors import DataError
from .grid import Grid

#: A polynomial is taken where it meets every control point to this [px], else a thin-plate spline through all of them.
POLYNOMIAL_ERROR = 0.5
#: Order of a polynomial in two variables → its coefficients.
TERMS = {1: 3, 2: 6, 3: 10}


@dataclass(frozen=True)
class ControlPoints:
    """Ground control points and their CRS (WKT)."""

    points: tuple[GroundControlPoint, ...]
    crs: str

    def to(self, crs: str) -> ControlPoints:
        """The points in another CRS: between metres one can interpolate, between longitudes near a pole or the date line not.

        Raises:
            DataError: when that CRS does not reach them.
        """
        forward = pyproj.Transformer.from_crs(self.crs, crs, always_xy=True)
        x, y = forward.transform([point.x for point in self.points], [point.y for point in self.points])
        if not (np.isfinite(x).all() and np.isfinite(y).all()):
            raise DataError("The ground control points lie where the target CRS does not reach. Choose a CRS of that part of the world.")
        moved = tuple(GroundControlPoint(point.row, point.col, east, north, 0.0)
                      for point, east, north in zip(self.points, x, y, strict=True))
        return ControlPoints(moved, crs)


def control_points(opened: rasterio.DatasetReader) -> ControlPoints | None:
    """The ground control points of a raster, or None."""
    points, crs = opened.gcps
    return ControlPoints(tuple(points), crs.to_wkt()) if points and crs else None


def target_grid(control: ControlPoints, width: int, height: int, target_crs: str, resolution: float | None = None) -> Grid:
    """The grid that holds an image placed by control points.

    Args:
        control: the points.
        width: columns of the image.
        height: rows of the image.
        target_crs: a projected CRS, such as EPSG:3413.
        resolution: pixel size in units of the CRS; None keeps about that of the image.

    Returns:
        A grid of square pixels.

    Raises:
        DataError: a CRS that is not known or has no metres, or points that cannot be transformed.
    """
    try:
        crs = CRS.from_user_input(target_crs)
    except CRSError as error:
        raise DataError(f"The target CRS “{target_crs}” is not known ({error}). Give one such as EPSG:3413 or EPSG:3031.") from None
    if not crs.is_projected:
        raise DataError(f"The target CRS “{target_crs}” is not projected, so its pixels would not be square on the ground. "
                        "Give a polar projection such as EPSG:3413, EPSG:3995 or EPSG:3031.")
    moved = control.to(crs.to_wkt(version="WKT2_2019"))
    try:
        transform, columns, rows = calculate_default_transform(crs, crs, width, height, gcps=list(moved.points), resolution=resolution)
    except (CRSError, ValueError, RasterioIOError) as error:
        raise DataError(f"The ground control points do not fit into the target CRS “{target_crs}” ({error}). Choose a CRS of that "
                        "part of the world.") from None
    return Grid(crs.to_wkt(version="WKT2_2019"), (transform.a, 0.0, transform.c, 0.0, transform.e, transform.f), columns, rows)


def warp_method(control: ControlPoints) -> dict[str, Any]:
    """GDAL's options for a warp by control points: the polynomial that fits them, else a thin-plate spline."""
    order = polynomial_order(control)
    return {"SRC_METHOD": "GCP_POLYNOMIAL", "MAX_GCP_ORDER": order} if order else {"SRC_METHOD": "GCP_TPS"}


def polynomial_order(control: ControlPoints) -> int:
    """The lowest order (1 to 3) of a polynomial that leads from places to pixels within `POLYNOMIAL_ERROR`; 0 when none does."""
    places = np.array([(point.x, point.y) for point in control.points])
    pixels = np.array([(point.col, point.row) for point in control.points])
    x, y = ((places - places.mean(0)) / np.maximum(np.ptp(places, axis=0), 1e-9)).T
    for order, terms in TERMS.items():
        if len(x) >= terms:
            powers = np.column_stack([x**i * y**j for i in range(order + 1) for j in range(order + 1 - i)])
            fit, *_ = np.linalg.lstsq(powers, pixels, rcond=None)
            if np.abs(powers @ fit - pixels).max() <= POLYNOMIAL_ERROR:
                return order
    return 0 if len(x) > TERMS[1] else 1
