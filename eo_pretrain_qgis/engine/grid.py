"""Where pixels lie on earth: grids, windows on them and the tiles cut from them."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import pyproj
from rasterio.crs import CRS
from rasterio.errors import CRSError
from rasterio.warp import transform_bounds

from ..errors import DataError

#: Rounding of pixel positions [px], so that 99.9999997 from floating-point arithmetic is the edge 100.
PIXEL_TOLERANCE = 1e-3
#: Where a CRS's own unit differs from metres on the ground by less than this share, its own unit is taken (UTM: 0.1 %).
SCALE_TOLERANCE = 0.01


@dataclass(frozen=True)
class Window:
    """A rectangle of pixels; it may reach outside the raster."""

    col: int
    row: int
    width: int
    height: int

    def intersection(self, other: Window) -> Window | None:
        """The pixels both hold, or None."""
        col, row = max(self.col, other.col), max(self.row, other.row)
        right = min(self.col + self.width, other.col + other.width)
        bottom = min(self.row + self.height, other.row + other.height)
        return Window(col, row, right - col, bottom - row) if right > col and bottom > row else None


@dataclass(frozen=True)
class Grid:
    """Pixels of equal size with edges along the axes of a CRS.

    Attributes:
        crs: WKT, never empty.
        transform: affine coefficients a, b, c, d, e, f with b = d = 0: x = a·col + c, y = e·row + f.
        width: columns.
        height: rows.
    """

    crs: str
    transform: tuple[float, ...]
    width: int
    height: int

    @property
    def resolution(self) -> tuple[float, float]:
        """Pixel size (x, y) in units of the CRS, positive."""
        return abs(self.transform[0]), abs(self.transform[4])

    @property
    def window(self) -> Window:
        """All pixels."""
        return Window(0, 0, self.width, self.height)

    def bounds(self, window: Window | None = None) -> tuple[float, float, float, float]:
        """West, south, east, north of a window, or of all pixels, in units of the CRS."""
        window = window or self.window
        a, _, c, _, e, f = self.transform
        xs = sorted((c + a * window.col, c + a * (window.col + window.width)))
        ys = sorted((f + e * window.row, f + e * (window.row + window.height)))
        return xs[0], ys[0], xs[1], ys[1]

    def bounds_in(self, crs: str, window: Window | None = None) -> tuple[float, float, float, float]:
        """The bounds in another CRS, along densified edges; not finite where that CRS does not reach."""
        return reproject_bounds(self.bounds(window), self.crs, crs)

    def pixel_box(self, box: tuple[float, float, float, float]) -> tuple[float, float, float, float]:
        """A box in units of the CRS as left, top, right, bottom in pixels, not rounded."""
        a, _, c, _, e, f = self.transform
        cols = sorted(((box[0] - c) / a, (box[2] - c) / a))
        rows = sorted(((box[1] - f) / e, (box[3] - f) / e))
        return cols[0], rows[0], cols[1], rows[1]

    def window_of(self, extent: dict) -> Window:
        """The pixels an extent touches, clipped to the grid.

        Args:
            extent: ``{"box": [west, south, east, north], "crs": …}``; an empty CRS is that of the grid.

        Raises:
            DataError: when the extent misses the grid.
        """
        box = reproject_bounds(tuple(extent["box"]), extent.get("crs") or self.crs, self.crs)
        if all(math.isfinite(value) for value in box):
            left, top, right, bottom = self.pixel_box(box)
            col, row = math.floor(left + PIXEL_TOLERANCE), math.floor(top + PIXEL_TOLERANCE)
            right, bottom = math.ceil(right - PIXEL_TOLERANCE), math.ceil(bottom - PIXEL_TOLERANCE)
            inside = Window(col, row, right - col, bottom - row).intersection(self.window)
            if inside:
                return inside
        raise DataError(f"The extent {_numbers(extent['box'])} {extent.get('crs') or ''} does not overlap the image, which reaches over "
                        f"{_numbers(self.bounds())}. Choose an extent that overlaps the image, or check its CRS.")

    def sub(self, window: Window) -> Grid:
        """The grid of a window."""
        a, b, c, d, e, f = self.transform
        moved = (a, b, c + a * window.col, d, e, f + e * window.row)
        return replace(self, transform=moved, width=window.width, height=window.height)

    def same_as(self, other: Grid) -> bool:
        """Whether both have the same pixels in the same CRS, but for a thousandth of a pixel."""
        if (self.width, self.height) != (other.width, other.height) or CRS.from_wkt(self.crs) != CRS.from_wkt(other.crs):
            return False
        (x, y), ours, theirs = self.resolution, self.bounds(), other.bounds()
        return all(abs(p - q) <= PIXEL_TOLERANCE * step for p, q, step in zip(ours, theirs, (x, y, x, y), strict=True))

    def centre_lonlat(self) -> tuple[float, float]:
        """Longitude and latitude of the middle [degree]."""
        west, south, east, north = self.bounds()
        to_lonlat = pyproj.Transformer.from_crs(self.crs, "OGC:CRS84", always_xy=True)
        return to_lonlat.transform((west + east) / 2, (south + north) / 2)

    def metres_per_pixel(self) -> tuple[float, float]:
        """Pixel size (x, y) on the ground [m], measured at the middle.

        Degrees, and projections that stretch such as Web Mercator, are measured along the ellipsoid; where the unit of the
        CRS is true to a hundredth it is taken as it is, so that a Sentinel-2 pixel has 10 m and not 10.004 m.
        """
        crs = pyproj.CRS.from_wkt(self.crs)
        west, south, east, north = self.bounds()
        x, y = (west + east) / 2, (south + north) / 2
        width, height = self.resolution
        to_lonlat = pyproj.Transformer.from_crs(crs, "OGC:CRS84", always_xy=True)
        lon, lat = to_lonlat.transform([x - width / 2, x + width / 2, x, x], [y, y, y - height / 2, y + height / 2])
        _, _, lengths = pyproj.Geod(ellps="WGS84").inv([lon[0], lon[2]], [lat[0], lat[2]], [lon[1], lon[3]], [lat[1], lat[3]])
        unit = crs.axis_info[0].unit_conversion_factor if crs.is_projected else 0.0
        nominal = (width * unit, height * unit)
        x, y = (own if abs(own - true) < SCALE_TOLERANCE * true else true for own, true in zip(nominal, lengths, strict=True))
        return x, y


def reproject_bounds(box: tuple, source: str, target: str) -> tuple[float, float, float, float]:
    """A box in another CRS, along densified edges; all infinite where the target CRS does not reach it.

    Raises:
        DataError: when a CRS is not known.
    """
    try:
        source_crs, target_crs = CRS.from_user_input(source), CRS.from_user_input(target)
    except CRSError as error:
        raise DataError(f"The coordinate reference system “{source}” is not known ({error}). Choose another one.") from None
    if source_crs == target_crs:
        return box
    try:
        west, south, east, north = transform_bounds(source_crs, target_crs, *box, densify_pts=21)
    except CRSError:
        return (math.inf,) * 4
    return west, south, east + 360 if east < west and target_crs.is_geographic else east, north


def tile_windows(width: int, height: int, size: int, stride: int, area: Window | None = None) -> list[Window]:
    """Square tiles, row by row, that cover an area of an image.

    The last tile of each row and column is moved back to end at the border.

    Args:
        width: columns of the image.
        height: rows of the image.
        size: edge of a tile [px].
        stride: step between tiles [px].
        area: part of the image to cover; None is all.

    Returns:
        The tiles; none when the area is smaller than a tile.
    """
    area = area or Window(0, 0, width, height)
    return [Window(col, row, size, size)
            for row in _starts(area.row, area.height, size, stride)
            for col in _starts(area.col, area.width, size, stride)]


def blocks(area: Window, size: int) -> list[Window]:
    """Pieces of at most `size` × `size` pixels that cover an area once, row by row."""
    return [Window(col, row, min(size, area.col + area.width - col), min(size, area.row + area.height - row))
            for row in range(area.row, area.row + area.height, size) for col in range(area.col, area.col + area.width, size)]


def _starts(first: int, length: int, size: int, stride: int) -> list[int]:
    if length < size:
        return []
    starts = list(range(first, first + length - size + 1, stride))
    last = first + length - size
    return starts if starts[-1] == last else [*starts, last]


def _numbers(box: tuple | list) -> str:
    return ", ".join(f"{value:.10g}" for value in box)
