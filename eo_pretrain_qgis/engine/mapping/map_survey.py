"""A class map read once, piece by piece: the area of every class, what it shows at some pixels, and a small picture of it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import rasterio
import shapely
from rasterio.features import rasterize

from ...errors import DataError
from ...progress import SILENT, Progress
from ..cards import IGNORE, ClassInfo
from ..datasets.labels import Drawing
from ..datasets.legend import MAXIMUM_CLASSES, default_color
from ..rasters.class_names import classes_of_layer
from ..rasters.grid import Grid, Window, blocks
from ..rasters.lengths import PixelAreas
from ..rasters.nearest import class_band
from ..rasters.raster import Raster
from .polygons import sums_by_kind

#: Edge of the pieces in which a map is read [px].
PIECE = 2048
#: A row or column beyond every map.
LARGEST = 2**40
#: No class has a larger value; larger ones mark pixels without one, or measure something.
LARGEST_CLASS = 2**31 - 1
#: Longest edge of the picture [px].
PICTURE = 900


class ClassMap:
    """The band of a class raster that its symbology shows, or the first.

    Attributes:
        raster: the file.
        grid: of it.
        tags: of provenance, as `Predict map` writes them.
        pixel_areas: of the grid, on the ground.
    """

    def __init__(self, source: dict, progress: Progress = SILENT) -> None:
        """Takes a job's raster value."""
        self.raster = Raster(**source)
        self.grid, self.band = self.raster.grid, class_band(self.raster, progress)
        self.tags = dict(self.raster.dataset.tags())
        self.pixel_areas = PixelAreas(self.grid)

    @property
    def path(self) -> str:
        """Of the file."""
        return self.raster.path

    @property
    def name(self) -> str:
        """Of the layer."""
        return self.raster.name

    def read(self, window: Window) -> tuple[np.ndarray, np.ndarray]:
        """Values (y, x) of a window and where there is one, bool (y, x)."""
        values, valid = self.raster.read(window, [self.band])
        return values[0], valid

    def within(self, shape: shapely.Geometry) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Rows, columns and values (n,) of the pixels whose middle lies in a polygon; of one too small for that, the pixel it lies in."""
        left, top, right, bottom = self.grid.pixel_box(shape.bounds)
        col, row = int(np.floor(left)), int(np.floor(top))
        area = Window(col, row, int(np.ceil(right)) - col, int(np.ceil(bottom)) - row).intersection(self.grid.window)
        found = False
        for piece in blocks(area, PIECE) if area else ():
            inside = rasterize([(shape, 1)], (piece.height, piece.width), transform=rasterio.Affine(*self.grid.sub(piece).transform), dtype="uint8")
            found |= bool(inside.any())
            values, valid = self.read(piece)
            rows, cols = np.nonzero((inside == 1) & valid)
            yield rows + piece.row, cols + piece.col, values[rows, cols]
        if not found:
            rows, cols = self.pixels_of(np.array([shape.representative_point()], object))
            values, valid = self.read(Window(int(cols[0]), int(rows[0]), 1, 1))
            yield rows[valid[0]], cols[valid[0]], values[valid]

    def pixels_of(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Row and column of the pixel in which each point (n,) lies, in the CRS of the map; they may lie outside, as empty points do."""
        a, _, c, _, e, f = self.grid.transform
        found = np.full((len(points), 2), np.nan)
        found[~shapely.is_empty(points)] = shapely.get_coordinates(points)  # none of an empty point
        places = (found[:, 1] - f) / e, (found[:, 0] - c) / a
        rows, cols = (np.floor(np.nan_to_num(place, nan=-1).clip(-1, LARGEST)).astype(np.int64) for place in places)
        return rows, cols


@dataclass(frozen=True)
class Survey:
    """What a map shows.

    Attributes:
        classes: those that it shows or names, by value.
        pixels: of each class (class,).
        areas: of each class [m²] (class,).
        found: position of the class at each pixel asked for (n,), 255 outside and where there is none.
        picture: positions of classes, uint8 (y, x), of every pixel of some.
        step: from one pixel of the picture to the next [px].
        id: hexadecimal, of grid and pixels, whatever the file is called and however it is packed.
    """

    classes: tuple[ClassInfo, ...]
    pixels: np.ndarray
    areas: np.ndarray
    found: np.ndarray
    picture: np.ndarray
    step: int
    id: str

    def positions(self, values: np.ndarray) -> np.ndarray:
        """Positions of the classes of these values (n,), which the map shows."""
        return np.searchsorted([row.value for row in self.classes], values)


def survey(mapped: ClassMap, rows: np.ndarray, cols: np.ndarray, ground: Drawing | None = None, progress: Progress = SILENT) -> Survey:
    """Reads a map.

    Args:
        mapped: the map.
        rows: of the pixels of which the class is asked for (n,).
        cols: the same.
        ground: drawn where nothing counts; None counts all.
        progress: told how far it is.

    Raises:
        DataError: it holds measurements, or nothing.
    """
    grid, step = mapped.grid, -(-max(mapped.grid.width, mapped.grid.height) // PICTURE)
    pixels: dict[int, int] = {}
    areas: dict[int, float] = {}
    picture = np.full((-(-grid.height // step), -(-grid.width // step)), -1, np.int64)
    found, digest = np.full(len(rows), -1, np.int64), hashlib.sha256(_placed(grid))
    pieces = blocks(grid.window, PIECE)
    for done, piece in enumerate(pieces):
        progress.at(done / len(pieces), f"Reading {mapped.name}")
        values, valid = mapped.read(piece)
        _refuse_measurements(values, valid, mapped.path)
        digest.update(np.where(valid, values, 0).astype(np.int32).tobytes())
        if ground is not None:
            valid &= ground.read(piece, 0) == 0
        here = np.unique(values[valid])
        counts, sizes = sums_by_kind(np.where(valid, np.searchsorted(here, values), len(here)), len(here), mapped.pixel_areas.of(piece))
        for value, count, area in zip(here.tolist(), counts.tolist(), sizes.tolist()):
            pixels[int(value)] = pixels.get(int(value), 0) + count
            areas[int(value)] = areas.get(int(value), 0.0) + float(area)
        if len(pixels) > MAXIMUM_CLASSES:
            raise DataError(f"{mapped.path} has more than {MAXIMUM_CLASSES} different values, so it is no class map. Choose the map and not its "
                            "confidence, or a raster of classes.")
        inside = (rows >= piece.row) & (rows < piece.row + piece.height) & (cols >= piece.col) & (cols < piece.col + piece.width)
        place = rows[inside] - piece.row, cols[inside] - piece.col
        known = np.full(values.shape, -1, np.int64)
        known[valid] = values[valid]
        found[inside] = known[place]
        top, left = -piece.row % step, -piece.col % step
        seen = known[top::step, left::step]
        picture[(piece.row + top) // step:, (piece.col + left) // step:][:seen.shape[0], :seen.shape[1]] = seen
    if not pixels:
        raise DataError(f"{mapped.path} has no class in any pixel; all are nodata. Choose another map, or check its nodata value.")
    return _described(mapped, pixels, areas, found, (picture, step, digest.hexdigest()[:16]), progress)


def _described(mapped: ClassMap, pixels: dict[int, int], areas: dict[int, float], found: np.ndarray, seen: tuple[np.ndarray, int, str],
               progress: Progress) -> Survey:
    named = classes_of_layer(mapped.raster, mapped.band, progress)
    values = sorted({*pixels, *(value for value, told in named.items() if told.name and value >= 0)})
    values = values if len(values) <= MAXIMUM_CLASSES else sorted(pixels)
    classes = []
    for position, value in enumerate(values):
        told = named.get(value)
        classes.append(ClassInfo(value, (told.name if told else "") or str(value), (told.color if told else "") or default_color(position)))

    def positions(values_at: np.ndarray) -> np.ndarray:
        return np.where(values_at < 0, IGNORE, np.searchsorted(values, values_at)).astype(np.uint8)

    return Survey(tuple(classes), np.array([pixels.get(value, 0) for value in values]), np.array([areas.get(value, 0.0) for value in values]),
                  positions(found).astype(np.int64), positions(seen[0]), seen[1], seen[2])


def _placed(grid: Grid) -> bytes:
    return " ".join(f"{number:.9g}" for number in (*grid.transform, grid.width, grid.height)).encode()


def _refuse_measurements(values: np.ndarray, valid: np.ndarray, path: str) -> None:
    told = f"{path} holds {{:.6g}}, and classes are whole numbers from 0 on."
    if (broken := valid & (values != np.trunc(values))).any():
        raise DataError(f"{told.format(values[broken][0])} Choose a class map.")
    if (beyond := valid & ((values < 0) | (values > LARGEST_CLASS))).any():
        raise DataError(f"{told.format(values[beyond][0])[:-1]}, up to {LARGEST_CLASS}. Choose a class map; if the value marks pixels without a "
                        "class, set it as the nodata value of the raster.")
