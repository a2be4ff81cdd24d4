"""Where pixels lie on earth: grids, windows on them and the tiles cut from them."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pyproj
from rasterio import DatasetReader
from rasterio.crs import CRS
from rasterio.errors import CRSError
from rasterio.warp import transform_bounds

from ...errors import DataError

#: Rounding of pixel positions [px], so that 99.9999997 from floating-point arithmetic is the edge 100.
PIXEL_TOLERANCE = 1e-3
#: Where a CRS's own unit differs from metres on the ground by less than this share, its own unit is taken (UTM: 0.1 %).
SCALE_TOLERANCE = 0.01
#: Largest rotation term relative to the pixel size that is taken for rounding.
ROTATION_TOLERANCE = 1e-6
#: Points along an edge when a box is brought into another CRS.
DENSITY = 21


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

    def __str__(self) -> str:
        (west, _, _, north), (x, y) = self.bounds(), self.resolution
        return f"{self.width} × {self.height} pixels of {x:.6g} × {y:.6g} from {west:.10g}, {north:.10g}"

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
        """The bounds in another CRS, along densified edges; not finite where that CRS does not reach.

        In longitudes the east may lie beyond 180°. What has longitudes of its own is compared with `boxes_in` instead.
        """
        return reproject_bounds(self.bounds(window), self.crs, crs)

    def boxes_in(self, crs: str, window: Window | None = None) -> list[tuple[float, float, float, float]]:
        """The bounds in another CRS wherever it may have them: see `boxes_of`."""
        return boxes_of(self.bounds(window), self.crs, crs)

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
            DataError: when the extent misses the grid, or touches it at both ends of its longitudes.
        """
        windows = self.windows_of(extent)
        if len(windows) > 1:
            raise DataError(f"The extent {_numbers(extent['box'])} {extent.get('crs') or ''} crosses the meridian at which the image, which "
                            f"reaches over {_numbers(self.bounds())}, begins and ends. Give two extents in two runs, one on each side of it.")
        return windows[0]

    def windows_of(self, extent: dict) -> list[Window]:
        """As `window_of`; several where what the extent touches lies at both ends of the grid's longitudes.

        Raises:
            DataError: when the extent misses the grid.
        """
        if windows := self._touched(boxes_of(tuple(extent["box"]), extent.get("crs") or self.crs, self.crs)):
            return windows
        raise DataError(f"The extent {_numbers(extent['box'])} {extent.get('crs') or ''} does not overlap the image, which reaches over "
                        f"{_numbers(self.bounds())}. Choose an extent that overlaps the image, or check its CRS.")

    def windows_on(self, other: Grid) -> list[Window]:
        """The pixels that another grid touches, as `windows_of`; none where it misses this one."""
        return self._touched(other.boxes_in(self.crs))

    def turned(self, window: Window) -> list[tuple[Window, int]]:
        """The parts of a window that hold pixels, and the columns from each to where these pixels are in the raster.

        A grid in longitudes goes on beyond its borders: 181° is −179°, and what a raster from 0° to 360° has at 359° lies at −1°.
        """
        turn = full_turn(self.crs)
        around = round(turn / self.resolution[0])
        found = []
        for shift in (0, -around, around) if turn else (0,):
            inside = replace(window, col=window.col + shift).intersection(self.window)
            if inside:
                found.append((replace(inside, col=inside.col - shift), shift))
        return found

    def _touched(self, boxes: list[tuple]) -> list[Window]:
        """The pixels that boxes in the grid's CRS touch, without those that an earlier one has."""
        windows: list[Window] = []
        for box in boxes:
            left, top, right, bottom = self.pixel_box(box)
            col, row = math.floor(left + PIXEL_TOLERANCE), math.floor(top + PIXEL_TOLERANCE)
            right, bottom = math.ceil(right - PIXEL_TOLERANCE), math.ceil(bottom - PIXEL_TOLERANCE)
            inside = Window(col, row, right - col, bottom - row).intersection(self.window)
            if inside and not any(inside.intersection(other) for other in windows):
                windows.append(inside)
        return windows

    def north_up(self) -> Grid:
        """The same pixels with the northernmost row first."""
        a, b, c, d, e, f = self.transform
        return replace(self, transform=(a, b, c, d, -e, f + e * self.height)) if e > 0 else self

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
        south, north = on_earth(self.crs, (south, north)).tolist()
        return to_lonlat.transform((west + east) / 2, (south + north) / 2)

    def metres_per_pixel(self) -> tuple[float, float]:
        """Pixel size (x, y) on the ground [m], measured at the middle.

        Degrees, and projections that stretch such as Web Mercator, are measured along the ellipsoid; where the unit of the
        CRS is true to a hundredth it is taken as it is, so that a Sentinel-2 pixel has 10 m and not 10.004 m.
        """
        crs = pyproj.CRS.from_wkt(self.crs)
        west, south, east, north = self.bounds()
        south, north = on_earth(self.crs, (south, north)).tolist()
        width, height = self.resolution
        x, y = (west + east) / 2, (south + north) / 2
        lowest, highest = on_earth(self.crs, (-np.inf, np.inf)).tolist()
        y = min(max(y, lowest + height / 2), highest - height / 2)  # a whole pixel, also at a pole
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
    source_crs, target_crs = _known(source), _known(target)
    if source_crs == target_crs:
        return box
    box = _on_earth(box, source)
    try:
        west, south, east, north = transform_bounds(source_crs, target_crs, *box, densify_pts=DENSITY)
    except CRSError:
        return (math.inf,) * 4
    return west, south, east + full_turn(target) if east < west else east, north


def boxes_of(box: tuple, source: str, target: str) -> list[tuple[float, float, float, float]]:
    """Boxes in another CRS, one of which holds each place of a box, however longitudes are counted there.

    The same ground may lie at −179° or at 181°: in longitudes there is a box for each. Where a map of the world is cut at a meridian, a box
    across that meridian becomes one at each end of the map. There is none where the target CRS does not reach.

    Raises:
        DataError: when a CRS is not known.
    """
    box = _on_earth(box, source)
    whole = reproject_bounds(box, source, target)
    if not all(math.isfinite(value) for value in whole):
        return []
    west, south, east, north = whole
    if turn := full_turn(target):
        return [(west + shift, south, east + shift, north) for shift in (0.0, -turn, turn)]
    # A map is cut where neighbours on an edge lie further apart than half of the whole.
    across = np.linspace(box[0], box[2], DENSITY)
    edges = [reprojected(source, target, across, np.full(DENSITY, y))[0] for y in (box[1], (box[1] + box[3]) / 2, box[3])]
    steps = np.abs(np.diff(edges, axis=1))
    places = np.concatenate(edges)
    if not np.isfinite(places).all() or not (steps > (east - west) / 2).any() or source == target:
        return [whole]
    step, right = float(steps[steps <= (east - west) / 2].max(initial=0.0)), places > (west + east) / 2
    return [(west - step, south, float(places[~right].max()) + step, north), (float(places[right].min()) - step, south, east + step, north)]


def reprojected(source: str, target: str, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Places in another CRS, both of the shape of x; infinite where it does not reach.

    rasterio's transform raises where one of the places is not reached, such as the edges of the world in a UTM zone.
    """
    return _transformer(source, target).transform(x, y)


@functools.lru_cache(maxsize=256)
def _transformer(source: str, target: str) -> pyproj.Transformer:
    return pyproj.Transformer.from_crs(source, target, always_xy=True)


@functools.lru_cache(maxsize=256)
def full_turn(crs: str | pyproj.CRS) -> float:
    """What a longitude grows by once around the earth: 360 in degrees; 0 where a CRS has no longitudes.

    Raises:
        DataError: when the CRS is not known.
    """
    known = _known(crs)
    return round(2 * math.pi / known.units_factor[1], 9) if known.is_geographic else 0.0


def on_earth(crs: str | pyproj.CRS, y: np.ndarray | tuple | float) -> np.ndarray:
    """Second coordinates in a CRS; of latitudes beyond a pole, to which many rasters of the whole world reach by half a pixel, the pole's."""
    turn = full_turn(crs)
    return np.clip(y, -turn / 4, turn / 4) if turn else np.asarray(y)


def _on_earth(box: tuple, crs: str) -> tuple[float, float, float, float]:
    south, north = on_earth(crs, (box[1], box[3])).tolist()
    return box[0], south, box[2], north


def read_round(read: Callable[..., tuple[np.ndarray, np.ndarray]], grid: Grid, window: Window, *bands: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """Values and valid pixels of a window, as `Raster.read`, which takes the pixels beyond 180° from where the grid has them."""
    shifts = [shift for _, shift in grid.turned(window)] or [0]
    values, valid = read(replace(window, col=window.col + shifts[0]), *bands)
    for shift in shifts[1:]:
        more, shown = read(replace(window, col=window.col + shift), *bands)
        values[:, shown] = more[:, shown]
        valid |= shown
    return values, valid


def hull(windows: list[Window]) -> Window | None:
    """The smallest window that holds some windows; None of none."""
    if not windows:
        return None
    col, row = min(window.col for window in windows), min(window.row for window in windows)
    right, bottom = max(window.col + window.width for window in windows), max(window.row + window.height for window in windows)
    return Window(col, row, right - col, bottom - row)


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


def _known(crs: str | pyproj.CRS) -> CRS:
    try:
        return CRS.from_user_input(crs)
    except CRSError as error:
        raise DataError(f"The coordinate reference system “{crs}” is not known ({error}). Choose another one.") from None


def _starts(first: int, length: int, size: int, stride: int) -> list[int]:
    if length < size:
        return []
    starts = list(range(first, first + length - size + 1, stride))
    last = first + length - size
    return starts if starts[-1] == last else [*starts, last]


def _numbers(box: tuple | list) -> str:
    return ", ".join(f"{value:.10g}" for value in box)


def read_grid(opened: DatasetReader, path: str, crs: str = "") -> Grid:
    """The grid of an open raster.

    Args:
        opened: the raster.
        path: of it, for messages.
        crs: that goes before its own; empty takes that.

    Raises:
        DataError: it lies on no grid of the Earth with columns from west to east.
    """
    a, b, c, d, e, f = opened.transform[:6]
    if opened.gcps[0] and opened.transform.is_identity:
        raise DataError(f"{path} has only ground control points and no grid on the map. Warp it first with “Warp (reproject)”.")
    if abs(b) + abs(d) > ROTATION_TOLERANCE * (abs(a) + abs(e)):
        raise DataError(f"{path} is rotated against its coordinate axes. Warp it first with “Warp (reproject)”.")
    if a < 0:
        raise DataError(f"{path} stores its columns from east to west. Warp it first with “Warp (reproject)”.")
    try:
        found = CRS.from_user_input(crs) if crs else opened.crs
    except CRSError as error:
        raise DataError(f"{path}: the coordinate reference system “{crs}” is not known ({error}). Choose another one.") from None
    if not found or not (found.is_geographic or found.is_projected):
        raise DataError(f"{path} has no coordinate reference system. Set it in the layer's properties or with “Assign projection”.")
    if opened.transform.is_identity:
        raise DataError(f"{path} does not say where its pixels lie on the map. Georeference it first.")
    grid = Grid(found.to_wkt(version="WKT2_2019"), (a, 0.0, c, 0.0, e, f), opened.width, opened.height)
    _, south, _, north = grid.bounds()
    bottom, top = on_earth(grid.crs, (south, north)).tolist()
    if not bottom < top:
        raise DataError(f"{path} lies beyond the poles: its latitudes are {south:.6g} to {north:.6g}, and the earth ends at ±90°. Its axes may be "
                        "swapped, or its coordinate reference system is another one. Georeference it "
                        "again, or set the system in the layer's properties.")
    return grid
