"""Several scenes as one image on one grid: of each place the first scene that measured it, in an order that is stated.

Pixels are taken as they are stored, each from the nearest pixel of its scene, so that no value is a mixture. A scene on the pixels of the mosaic is
copied; of others the place of each pixel is computed in their own coordinate system.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from pyproj.exceptions import CRSError as ProjError
from rasterio.crs import CRS
from rasterio.errors import CRSError

from ...errors import DataError, listed
from ...scene_names import ITEMS, may_be_scene, split_item, with_item
from . import sources as raster_files
from .deliveries import delivery_of
from .deliveries.items import read_items
from .finer import finer_grid, read_finer
from .grid import PIXEL_TOLERANCE, Grid, Window, full_turn, reprojected
from .meaning import NEW_BASELINE, baseline_of
from .raster import Raster, Scene
from .same_band import band_key

#: How scenes are ordered where they overlap → words for people.
RULES = {"first": "where scenes overlap, the first in the list that measured the place is taken",
         "last": "where scenes overlap, the last in the list that measured the place is taken",
         "newest": "where scenes overlap, the newest that measured the place is taken"}
#: Places are computed exactly at every so many pixels and between them along straight lines: over 160 m or 16 km the earth's curve is less than a
#: hundredth of such a pixel.
STEP = 16
#: Pixels of a scene that are read at once.
MOST_READ = 2**24
#: With more scenes, none is left open between blocks.
MOST_OPEN = 64
#: Largest edge of a mosaic [px].
LARGEST_EDGE = 1_000_000
_ENDINGS = (".tif", ".tiff", ".jp2", ".vrt", ".img")


@dataclass(frozen=True)
class Mosaicking:
    """How scenes become one image.

    Attributes:
        rule: key of `RULES`.
        crs: of the mosaic; empty is that of the first scene.
        resolution: edge of a pixel [units of the CRS]; None is that of the first scene, where it has that CRS.
    """

    rule: str = "first"
    crs: str = ""
    resolution: float | None = None

    def words(self, grid: Grid) -> str:
        """The rule and the grid, for the tags of a map."""
        return f"{RULES[self.rule]}; nearest pixel; {grid}, {CRS.from_wkt(grid.crs).to_string()[:60]}"


class Mosaic(Scene):
    """Scenes with the same bands as one.

    Args:
        scenes: in the order in which they were given; closed after their facts were read, and opened again where they are read.
        how: see there.

    Raises:
        DataError: bands, or what their values mean, differ; the newest is asked for and a scene has no date; the grid cannot be.
    """

    def __init__(self, scenes: Sequence[Scene], how: Mosaicking) -> None:
        self.rasters = scenes[0].rasters  # for what is the same in all
        self.empty, self.conversion, self.finer = None, None, 1
        self._orders = {id(scene): _order(scenes[0], scene) for scene in scenes}
        self._whole = _grid(scenes, how)
        self._first, self._days = scenes[0], {scene.acquired for scene in scenes}
        self.scenes = _by_rule(scenes, how.rule)
        self._boxes = {id(scene): _box(self._whole, scene.grid) for scene in scenes}
        self._type = np.result_type(*(scene.dtype for scene in scenes)).name
        for scene in scenes:
            scene.close()

    def close(self) -> None:
        """Closes all files."""
        for scene in self.scenes:
            scene.close()

    @property
    def name(self) -> str:
        """The first scene, and how many more."""
        more = len(self.scenes) - 1
        return f"{self._first.name} and {more} more" if more else self._first.name

    @property
    def path(self) -> str:
        """Path of the first scene."""
        return self._first.path

    @property
    def grid(self) -> Grid:
        """Where the pixels of the mosaic lie."""
        return finer_grid(self._whole, self.finer)

    @property
    def block_size(self) -> tuple[int, int]:
        """Width and height of the blocks of the first scene [px]."""
        width, height = self._first.block_size
        return width * self.finer, height * self.finer

    @property
    def band_names(self) -> list[str]:
        """Of the first scene."""
        return self._first.band_names

    @property
    def dtype(self) -> str:
        """NumPy name of the type that holds all bands of all scenes."""
        return self._type

    @property
    def scales(self) -> list[float]:
        """Of all scenes."""
        return self._first.scales

    @property
    def offsets(self) -> list[float]:
        """Of all scenes."""
        return self._first.offsets

    @property
    def date(self) -> str:
        """As `acquired`."""
        return self.acquired

    @property
    def acquired(self) -> str:
        """Day of acquisition, where it is the same for all scenes; else empty."""
        return next(iter(self._days)) if len(self._days) == 1 else ""

    def nodata_of(self, band: int) -> list[float]:
        """Of the first scene."""
        return self._first.nodata_of(band)

    def read(self, window: Window, bands: list[int] | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Values (band, y, x) and valid pixels (y, x), as `Raster.read`; what no scene measured is 0 and not valid."""
        return self._joined(window, bands) if self.finer == 1 else read_finer(lambda part: self._joined(part, bands), window, self.finer)

    def _joined(self, window: Window, bands: list[int] | None) -> tuple[np.ndarray, np.ndarray]:
        """The same on the pixels of the scenes."""
        wanted = list(range(len(self._orders[id(self._first)]))) if bands is None else bands
        values = np.zeros((len(wanted), window.height, window.width), self._type)
        valid = np.zeros((window.height, window.width), bool)
        for scene in self.scenes:
            box = self._boxes[id(scene)]
            if valid.all():
                break
            if box is None or not window.intersection(box):
                continue
            order = self._orders[id(scene)]
            more, shown = read_on(scene, self._whole, window, [order[band] for band in wanted])
            fresh = shown & ~valid
            np.copyto(values, more, where=fresh)
            valid |= shown
            if len(self.scenes) > MOST_OPEN:
                scene.close()
        return values, valid


def rasters_of(scene: Scene) -> list[Raster]:
    """All rasters that a scene is read from, of a mosaic those of all its scenes."""
    return [raster for one in (scene.scenes if isinstance(scene, Mosaic) else [scene]) for raster in one.rasters]


def scenes_in(given: Sequence[dict]) -> list[dict]:
    """The scenes that raster values of a job name: files of STAC items give all their items, folders of scenes all that lie in them.

    Raises:
        DataError: a folder holds no scene, or an item file cannot be read.
    """
    found: list[dict] = []
    for source in given:
        path = source["path"]
        file, item = split_item(path)
        if may_be_scene(path) and file.lower().endswith(ITEMS) and not item and os.path.basename(file).lower()[-9:] != "_mtl.json":
            found += [{**source, "path": with_item(file, one.id), "name": one.id} for one in read_items(file)]
        elif os.path.isdir(path) and not _is_one(path):
            found += _in_folder(path)
        else:
            found.append(source)
    return found


def _is_one(folder: str) -> bool:
    """Whether a folder is a scene itself: one as delivered, in which all images beside each other are single bands of the same ground."""
    try:
        if delivery_of(folder) is None:
            return False
    except DataError:
        return False
    first: tuple | None = None
    for path in _rasters(folder):
        with raster_files.raster(path) as opened:
            crs, bounds = opened.crs, opened.bounds
            first = first or (crs, bounds)
            if opened.count > 1 or crs != first[0] or not np.allclose(bounds, first[1], rtol=0, atol=PIXEL_TOLERANCE * min(opened.res)):
                return False
    return True


def _rasters(folder: str) -> list[str]:
    """The image files that lie in a folder, by their names."""
    paths = [os.path.join(folder, name) for name in sorted(os.listdir(folder)) if not name.startswith(".")]
    return [path for path in paths if os.path.isfile(path) and path.lower().endswith(_ENDINGS)]


def _in_folder(folder: str) -> list[dict]:
    """The images of a folder, or, where it holds none, the scenes as delivered in it."""
    others = (os.path.join(folder, name) for name in sorted(os.listdir(folder)) if not name.startswith(".") and not name.lower().endswith(ITEMS))
    found = _rasters(folder) or [path for path in others if may_be_scene(path) and delivery_of(path) is not None]
    if not found:
        raise DataError(f"{folder} holds no image and no scene. Choose a folder of GeoTIFFs or of scenes as they were delivered.")
    return [{"path": path} for path in found]


def read_on(scene: Scene, grid: Grid, window: Window, bands: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """Pixels of a scene on another grid, each from the nearest pixel: values (band, y, x) and valid pixels (y, x) of a window of that grid."""
    own = scene.grid
    shift = _shift(grid, own)
    if shift is not None:
        return scene.read(Window(window.col + shift[0], window.row + shift[1], window.width, window.height), bands)
    cols, rows = _places(grid, window, own)
    inside = np.isfinite(cols) & np.isfinite(rows) & (cols >= 0) & (rows >= 0) & (cols < own.width) & (rows < own.height)
    values, valid = np.zeros((len(bands), window.height, window.width), scene.dtype), np.zeros((window.height, window.width), bool)
    if not inside.any():
        return values, valid
    cols, rows = cols[inside].astype(np.int64), rows[inside].astype(np.int64)
    left, top = int(cols.min()), int(rows.min())
    part = Window(left, top, int(cols.max()) - left + 1, int(rows.max()) - top + 1)
    if part.width * part.height > max(MOST_READ, 4 * cols.size) and max(window.width, window.height) > 1:
        return _in_halves(scene, grid, window, bands)
    read, shown = scene.read(part, bands)
    values[:, inside] = read[:, rows - top, cols - left]
    valid[inside] = shown[rows - top, cols - left]
    return values, valid


def _in_halves(scene: Scene, grid: Grid, window: Window, bands: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """The same for windows that many pixels of the scene lie in."""
    across = window.width >= window.height
    half = (window.width if across else window.height) // 2
    first = Window(window.col, window.row, half, window.height) if across else Window(window.col, window.row, window.width, half)
    second = (Window(window.col + half, window.row, window.width - half, window.height) if across
              else Window(window.col, window.row + half, window.width, window.height - half))
    (one, shown), (other, more) = (read_on(scene, grid, part, bands) for part in (first, second))
    return np.concatenate([one, other], 2 if across else 1), np.concatenate([shown, more], 1 if across else 0)


def _places(grid: Grid, window: Window, own: Grid) -> tuple[np.ndarray, np.ndarray]:
    """Where the middles of the pixels of a window lie in another grid [its pixels], columns and rows (y, x)."""
    across, down = (np.arange(0, length + STEP, STEP, dtype=np.float64) for length in (window.width, window.height))
    cols, rows = _exactly(grid, window, own, *np.meshgrid(across, down))
    if not (np.isfinite(cols).all() and np.isfinite(rows).all()):
        middles = np.meshgrid(np.arange(window.width, dtype=np.float64), np.arange(window.height, dtype=np.float64))
        return _exactly(grid, window, own, *middles)
    right, below = _between(window.width, len(across)), _between(window.height, len(down))
    return below @ cols @ right.T, below @ rows @ right.T


def _between(length: int, knots: int) -> np.ndarray:
    """Weights (pixel, knot) of the knots at every `STEP` pixels that make straight lines between them."""
    return np.clip(1 - np.abs(np.arange(length)[:, None] / STEP - np.arange(knots)), 0, None)


def _exactly(grid: Grid, window: Window, own: Grid, cols: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where the middles of some pixels of a window, counted from its first, lie in another grid."""
    a, _, c, _, e, f = grid.transform
    x, y = c + a * (window.col + cols + 0.5), f + e * (window.row + rows + 0.5)
    x, y = reprojected(grid.crs, own.crs, x, y)
    if turn := full_turn(own.crs):
        west, _, east, _ = own.bounds()
        middle = (west + east) / 2
        x = (x - middle + turn / 2) % turn - turn / 2 + middle
    a, _, c, _, e, f = own.transform
    return (x - c) / a, (y - f) / e


def _shift(grid: Grid, own: Grid) -> tuple[int, int] | None:
    """Columns and rows from a pixel of a grid to the same pixel of another; None where pixels do not lie on each other."""
    if CRS.from_wkt(grid.crs) != CRS.from_wkt(own.crs):
        return None
    (x, y), (u, v) = grid.resolution, own.resolution
    if abs(x - u) * own.width > PIXEL_TOLERANCE * x or abs(y - v) * own.height > PIXEL_TOLERANCE * y:
        return None
    steps = (grid.transform[2] - own.transform[2]) / own.transform[0], (grid.transform[5] - own.transform[5]) / own.transform[4]
    if max(abs(step - round(step)) for step in steps) > PIXEL_TOLERANCE:
        return None
    return round(steps[0]), round(steps[1])


def _order(first: Scene, other: Scene) -> list[int]:
    """Which band of a scene each band of the first one is.

    Raises:
        DataError: bands, or what their values mean, differ.
    """
    ours, theirs = ([band_key(name) for name in scene.band_names] for scene in (first, other))
    if sorted(ours) != sorted(theirs):
        raise DataError(f"{first.path} has the bands {listed(first.band_names, 13)}, and {other.path} has {listed(other.band_names, 13)}, so they "
                        "make no mosaic. Choose scenes with the same bands.")
    baselines = [baseline_of(scene) for scene in (first, other)]
    declared = any(said != (1, 0) for scene in (first, other) for said in zip(scene.scales, scene.offsets, strict=True))
    if None not in baselines and not declared and len({baseline >= NEW_BASELINE for baseline in baselines if baseline is not None}) > 1:
        raise DataError(f"{first.path} is of processing baseline {baselines[0]:05.2f} and {other.path} of {baselines[1]:05.2f}; from "
                        f"{NEW_BASELINE:05.2f} on the same ground has values that are 1000 larger. Declare scale and offset in the files, or map "
                        "them in two runs.")
    order = [theirs.index(key) for key in ours] if len(set(ours)) == len(ours) else list(range(len(ours)))
    for band, name in enumerate(first.band_names):
        (scale, offset), (factor, added) = ((scene.scales[place], scene.offsets[place]) for scene, place in ((first, band), (other, order[band])))
        if not np.allclose((scale, offset), (factor, added), rtol=1e-6, atol=1e-12):
            raise DataError(f"{first.path} stores its band {name} × {scale:g} {offset:+g}, and {other.path} × {factor:g} {added:+g}, so their "
                            "values are not of one kind. Map them in two runs, or bring the values of one to those of the other.")
    return order


def _by_rule(scenes: Sequence[Scene], rule: str) -> list[Scene]:
    """The scenes, the one that goes before all others first."""
    if rule == "newest":
        without = [scene.path for scene in scenes if not scene.acquired]
        if without:
            raise DataError(f"The newest scene goes first, and no date is known of {listed(without, 3)}. Put the date into the name of the file, "
                            "such as 2023-06-05, or choose another rule.")
        return sorted(scenes, key=lambda scene: scene.acquired, reverse=True)
    return list(scenes) if rule == "first" else list(scenes)[::-1]


def _grid(scenes: Sequence[Scene], how: Mosaicking) -> Grid:
    """The grid that was asked for, over all scenes: on the pixels of the first where nothing else was, else on multiples of the resolution.

    Raises:
        DataError: the CRS is unknown or not that of the first scene and has no resolution, or there would be too many pixels.
    """
    first = scenes[0].grid
    crs = _known(how.crs) if how.crs else first.crs
    same = CRS.from_wkt(crs) == CRS.from_wkt(first.crs)
    if how.resolution is None and not same:
        raise DataError(f"The mosaic shall be in {how.crs}, and {scenes[0].path} is not, so that nothing says how large its pixels are. Give "
                        "“Pixels of the mosaic” (mosaic_resolution).")
    x, y = (how.resolution, how.resolution) if how.resolution else first.resolution
    kept = same and (not how.resolution or np.allclose((x, y), first.resolution, rtol=1e-9))
    left, top = (first.transform[2], first.transform[5]) if kept else (0.0, 0.0)
    boxes = [scene.grid.bounds_in(crs) for scene in scenes]
    away = [scene.path for scene, box in zip(scenes, boxes, strict=True) if not all(map(math.isfinite, box))]
    if away:
        raise DataError(f"{listed(away, 3)} lies where {how.crs or 'the coordinate system of ' + scenes[0].path} does not reach. Choose another "
                        "one for the mosaic.")
    west, south, east, north = (pick(values) for pick, values in zip((min, min, max, max), zip(*boxes, strict=True), strict=True))
    if how.resolution and max(east - west, north - south) < how.resolution:
        raise DataError(f"The pixels of the mosaic (mosaic_resolution) shall measure {x:g} {_unit(crs)}, and the scenes together measure only "
                        f"{east - west:.3g} × {north - south:.3g}. Give the edge of a pixel in that unit.")
    tolerance = PIXEL_TOLERANCE
    cols = math.floor((west - left) / x + tolerance), math.ceil((east - left) / x - tolerance)
    rows = math.floor((top - north) / y + tolerance), math.ceil((top - south) / y - tolerance)
    width, height = cols[1] - cols[0], rows[1] - rows[0]
    if not 0 < min(width, height) <= max(width, height) <= LARGEST_EDGE:
        raise DataError(f"A mosaic of these scenes with pixels of {x:g} × {y:g} would have {width} × {height} of them, and each edge may have 1 to "
                        f"{LARGEST_EDGE}. Give another pixel size, or scenes that lie together.")
    return Grid(crs, (x, 0.0, left + cols[0] * x, 0.0, -y, top - rows[0] * y), width, height)


def _unit(crs: str) -> str:
    known = CRS.from_wkt(crs)
    return "degrees" if known.is_geographic else known.linear_units


def _known(crs: str) -> str:
    try:
        return str(CRS.from_user_input(crs).to_wkt())
    except (CRSError, ProjError, ValueError):
        raise DataError(f"The coordinate system of the mosaic, {crs[:60]}, is not known. Give one such as EPSG:32633.") from None


def _box(grid: Grid, own: Grid) -> Window | None:
    """The pixels of a grid in which another one may have some."""
    west, south, east, north = own.bounds_in(grid.crs)
    left, top, right, bottom = grid.pixel_box((west, south, east, north))
    col, row = math.floor(left) - 1, math.floor(top) - 1
    return Window(col, row, math.ceil(right) + 1 - col, math.ceil(bottom) + 1 - row).intersection(grid.window)
