"""Lengths and areas on the ground."""

from __future__ import annotations

import numpy as np
import pyproj
import shapely
from scipy.interpolate import RectBivariateSpline
from scipy.ndimage import distance_transform_edt

from .grid import Grid, Window, on_earth

_EQUAL_AREA = "EPSG:6933"  # cylindrical: keeps edges along meridians and parallels straight, so pixel outlines stay exact
#: Where the areal scale of a projection is 1 to this share over all of the ground, its own unit is taken, as analysts do: UTM within its zone has
#: 0.9992 to 1.0020.
AREAL_TOLERANCE = 0.002
#: Places along an edge at which the areal scale is computed; between them it is interpolated, to 0.1 % on maps of the whole world.
_KNOTS = 65
#: Straight edges longer than this [m] are bent as they are on the ground, in pieces of this length, at most so many along the longest.
_BENT, _PIECES = 10_000, 256
#: The areal scale is measured over so much to each side of a place [m].
_STEP = 100
#: An azimuthal projection has a true picture of the ground up to here from its middle [m]; the earth ends at 20,004 km.
_REACH = 15_000_000


def lengths_m(shapes: np.ndarray, crs: str | pyproj.CRS) -> np.ndarray:
    """Length of lines, also such of several parts, along the ellipsoid [m] (n,). What lies beyond a pole has none.

    Args:
        shapes: (n,).
        crs: of their coordinates.
    """
    parts, owners = shapely.get_parts(shapes, return_index=True)
    points, of = shapely.get_coordinates(parts, return_index=True)
    if len(points) < 2:
        return np.zeros(len(shapes))
    x, y = pyproj.Transformer.from_crs(crs, "OGC:CRS84", always_xy=True).transform(points[:, 0], on_earth(crs, points[:, 1]))
    _, _, metres = pyproj.Geod(ellps="WGS84").inv(x[:-1], y[:-1], x[1:], y[1:])
    same = of[:-1] == of[1:]
    return np.bincount(owners[of[:-1][same]], np.asarray(metres)[same], minlength=len(shapes))


def areal_scale(crs: pyproj.CRS, box: tuple[float, ...]) -> tuple[pyproj.Transformer, np.ndarray]:
    """By how much a projection enlarges areas at `_KNOTS` × `_KNOTS` places all over a box (Snyder 1987, Map projections, chapter 4).

    It is measured against a projection of equal areas around the middle of the box: azimuthal, as far as that reaches, and cylindrical for the whole
    world. What PROJ says of a scale is of a sphere in some projections, which is 0.6 % off.

    Args:
        crs: a projected one.
        box: west, south, east, north in its unit.

    Returns:
        What brings coordinates to the projection of equal areas, and the scale, from south to north and west to east (y, x); infinite where the
        projection shows no ground.
    """
    unit = crs.axis_info[0].unit_conversion_factor
    step = min(_STEP / unit, 1e-3 * max(box[2] - box[0], box[3] - box[1])) or _STEP / unit
    x, y = np.meshgrid(*(np.linspace(low + min(2 * step, (high - low) / 4), high - min(2 * step, (high - low) / 4), _KNOTS)
                         for low, high in ((box[0], box[2]), (box[1], box[3]))))
    lon, lat = pyproj.Transformer.from_crs(crs, "OGC:CRS84", always_xy=True).transform(x, y)
    shown = np.argwhere(np.isfinite(lon) & np.isfinite(lat))
    if not len(shown):
        return pyproj.Transformer.from_crs(crs, crs, always_xy=True), np.full(x.shape, np.inf)
    middle = tuple(shown[np.abs(shown - _KNOTS // 2).sum(1).argmin()])
    lons, lats = lon[tuple(shown.T)], lat[tuple(shown.T)]
    far = pyproj.Geod(ellps="WGS84").inv(np.full(len(lons), lon[middle]), np.full(len(lons), lat[middle]), lons, lats)[2]
    target = f"+proj=laea +lat_0={lat[middle]}" if far.max() < _REACH else "+proj=cea"
    forward = pyproj.Transformer.from_crs(crs, f"{target} +lon_0={lon[middle]} +datum=WGS84 +units=m", always_xy=True)
    west, east, south, north = (np.stack(forward.transform(x + right * step, y + up * step)) for right, up in ((-1, 0), (1, 0), (0, -1), (0, 1)))
    with np.errstate(invalid="ignore"):
        across, along = east - west, north - south
        ground = np.abs(across[0] * along[1] - across[1] * along[0])
    known = np.isfinite(ground) & (ground > 0)
    return forward, np.where(known, (2 * step * unit)**2 / np.where(known, ground, 1), np.inf)


def areas_m2(shapes: np.ndarray, crs: str) -> np.ndarray:
    """Areas on the ground of polygons [m²] (n,).

    Degrees and Mercator are taken to a cylindrical equal-area projection, which is exact for polygons with edges along the axes of their CRS. The
    area is the same at every longitude there, so each polygon is first moved to where the CRS begins: across 180° it would be torn apart. What lies
    beyond a pole has no area. A projection whose areal scale is 1 within `AREAL_TOLERANCE` over all of them counts in its own unit, as a pixel of
    10 m does. Polygons of any other are taken to an equal-area projection around their middle.
    """
    reference, shapes = pyproj.CRS.from_user_input(crs), np.asarray(shapes, object)
    if not len(shapes):
        return np.zeros(0)
    if _straight(reference):
        forward = pyproj.Transformer.from_crs(reference, _EQUAL_AREA, always_xy=True)
        west, _, east, _ = shapely.bounds(shapes).T
        middle = ((west + east) / 2)[shapely.get_coordinates(shapes, return_index=True)[1]]
        return shapely.area(shapely.transform(
            shapes, lambda points: np.column_stack(forward.transform(points[:, 0] - middle, on_earth(crs, points[:, 1])))))
    unit = reference.axis_info[0].unit_conversion_factor
    own, box = shapely.area(shapes) * unit**2, shapely.total_bounds(shapes)
    if not np.isfinite(box).all():
        return own
    forward, scale = areal_scale(reference, box)
    if _true(scale):
        return own
    longest = max(box[2] - box[0], box[3] - box[1])
    bent = shapely.segmentize(shapes, max(_BENT / unit, longest / _PIECES))
    ground = shapely.area(shapely.transform(bent, lambda points: np.column_stack(forward.transform(points[:, 0], points[:, 1]))))
    return np.where(np.isfinite(ground), ground, own)


class PixelAreas:
    """The area on the ground of each pixel of a grid [m²], by the rule of `areas_m2`: no pixel is transformed by itself.

    It is kept by row where all pixels of a row are as large; otherwise the areal scale is interpolated between places all over the grid.
    """

    def __init__(self, grid: Grid) -> None:
        """Computes what is to be known of a grid."""
        self.grid = grid
        reference = pyproj.CRS.from_user_input(grid.crs)
        self._rows, self._spline = np.zeros(0), None
        if _straight(reference):
            a, _, c, _, e, f = grid.transform
            edges = f + e * np.arange(grid.height + 1)
            self._rows = areas_m2(shapely.box(c, edges[:-1], c + a, edges[1:]), grid.crs)
            return
        x, y = grid.resolution
        own = x * y * reference.axis_info[0].unit_conversion_factor**2
        _, scale = areal_scale(reference, grid.bounds())
        if _true(scale):
            self._rows = np.full(grid.height, own)
            return
        if grid.transform[4] < 0:
            scale = scale[::-1]
        rows, cols = np.linspace(0, grid.height, _KNOTS), np.linspace(0, grid.width, _KNOTS)
        self._spline = RectBivariateSpline(rows, cols, own / _filled(scale), kx=1, ky=1)

    def of(self, window: Window) -> np.ndarray:
        """Of a window: (y, x), or (y, 1) where those of a row are alike."""
        rows = slice(window.row, window.row + window.height)
        if self._spline is None:
            return self._rows[rows, None]
        return self._spline(np.arange(rows.start, rows.stop) + 0.5, np.arange(window.col, window.col + window.width) + 0.5)

    def __getitem__(self, rows: slice) -> np.ndarray:
        """Of whole rows, as `of`."""
        start, stop, _ = rows.indices(self.grid.height)
        return self.of(Window(0, start, self.grid.width, stop - start))

    def at(self, rows: np.ndarray, cols: np.ndarray) -> np.ndarray:
        """Of pixels (n,)."""
        return self._rows[rows] if self._spline is None else self._spline.ev(np.asarray(rows) + 0.5, np.asarray(cols) + 0.5)

    @property
    def total(self) -> float:
        """Of all pixels together."""
        if self._spline is None:
            return float(self._rows.sum() * self.grid.width)
        return float(self._spline.integral(0, self.grid.height, 0, self.grid.width))


def _straight(crs: pyproj.CRS) -> bool:
    """Whether a CRS has meridians and parallels along its axes, and no equal areas: degrees, or Mercator around the equator."""
    operation = crs.coordinate_operation
    name = "" if operation is None else operation.method_name
    return crs.is_geographic or ("Mercator" in name and "Transverse" not in name and "Oblique" not in name)


def _true(scale: np.ndarray) -> bool:
    """Whether areas count as they are."""
    return bool((np.abs(scale[np.isfinite(scale)] - 1) <= AREAL_TOLERANCE).all())


def _filled(scale: np.ndarray) -> np.ndarray:
    """The areal scale (y, x) with that of the next place where a projection shows no ground."""
    if not np.isfinite(scale).any():
        return np.ones_like(scale)
    nearest = distance_transform_edt(~np.isfinite(scale), return_distances=False, return_indices=True)
    return scale[tuple(nearest)]
