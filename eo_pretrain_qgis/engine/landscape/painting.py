"""From shapes to pixels: objects are painted on a grid of 2.5 m, and every 10 m pixel becomes an area-weighted
mixture of them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely
from rasterio.features import rasterize
from rasterio.transform import Affine
from scipy.sparse import csr_matrix

from .landscape import Landscape
from .noise import Box
from .objects import CODE, LAND_COVER

PIXEL = 10.0
#: Fine cells along one side of a pixel.
FINE = 4


@dataclass(frozen=True)
class Place:
    """A block of pixels, which may reach beyond the image."""

    row: int
    column: int
    height: int
    width: int

    def grown(self, pixels: int) -> Place:
        """The block with a margin on every side."""
        return Place(self.row - pixels, self.column - pixels, self.height + 2 * pixels, self.width + 2 * pixels)

    @property
    def box(self) -> Box:
        """Its rectangle in landscape metres."""
        return Box(self.column * PIXEL, self.row * PIXEL, (self.column + self.width) * PIXEL, (self.row + self.height) * PIXEL)


@dataclass
class Ground:
    """One painted block.

    Attributes:
        place: where it is.
        mixture: area shares, a sparse matrix (pixel in row order, object).
        main: the object with the middle rank in each pixel (y, x), which is the only one in pure pixels.
        land_cover: class with the largest area in each pixel, roads left aside, uint8 (y, x).
        lc100: like `land_cover`, with the codes of the Copernicus 100 m map, counted on the fine grid: (y, x).
    """

    place: Place
    mixture: csr_matrix
    main: np.ndarray
    land_cover: np.ndarray
    lc100: np.ndarray


class Painter:
    """Paints any block of a landscape. Keeps indexes of the shapes."""

    def __init__(self, landscape: Landscape) -> None:
        self.landscape = landscape
        self._parcels = shapely.STRtree(landscape.parcels)
        self._covers = shapely.STRtree([shape for shape, _ in landscape.covers])
        self._surfaces = shapely.STRtree([shape for shape, _ in landscape.surfaces])
        self._class = landscape.objects.land_cover
        codes = np.array([0, *(each.lc100 for each in LAND_COVER)], np.uint8)[self._class]
        kinds = landscape.objects.kind
        self._lc100 = np.where(kinds == CODE["broadleaf"], 114, np.where(kinds == CODE["conifer"], 111, codes)).astype(np.uint8)

    def paint(self, place: Place) -> Ground:
        """Paints a block."""
        land = self.landscape
        x, y = place.box.axes(PIXEL / FINE)
        objects = np.zeros((len(y), len(x)), np.int32)
        near = np.sort(self._parcels.query(_rectangle(place.box)))
        self._burn(objects, place, [(land.parcels[i], land.parcel_objects + int(i)) for i in near])
        self._plant(objects, x, y)
        self._burn(objects, place, [land.covers[i] for i in np.sort(self._covers.query(_rectangle(place.box)))])
        cover, lc100 = self._majority(self._class[objects], len(LAND_COVER) + 1), self._lc100_majority(objects)
        self._burn(objects, place, [land.surfaces[i] for i in np.sort(self._surfaces.query(_rectangle(place.box)))])
        mixture, main = mixing_matrix(objects, len(land.objects))
        return Ground(place, mixture, main, cover, lc100)

    def _burn(self, objects: np.ndarray, place: Place, shapes: list[tuple[shapely.Geometry, int]]) -> None:
        """Paints shapes one over the other."""
        if not shapes:
            return
        parts, origin = shapely.get_parts(np.array([shape for shape, _ in shapes]), return_index=True)
        keep = (shapely.get_type_id(parts) == 3) & ~shapely.is_empty(parts)
        numbers = np.array([number for _, number in shapes])[origin[keep]].tolist()
        cell = PIXEL / FINE
        if numbers:
            rasterize(
                zip(_as_dictionaries(parts[keep]), numbers, strict=True),
                out=objects,
                transform=Affine(cell, 0, place.box.west, 0, cell, place.box.north),
            )

    def _plant(self, objects: np.ndarray, x: np.ndarray, y: np.ndarray) -> None:
        """Turns open parcels into forest stands where the forest field, raised or lowered per parcel, is positive."""
        land = self.landscape
        offset = np.full(len(land.objects), -99, np.float32)
        offset[land.parcel_objects : land.parcel_objects + len(land.parcels)] = land.forest_offset
        objects[land.forest.grid(x, y) + offset[objects] > 0] += len(land.parcels)

    def _majority(self, classes: np.ndarray, count: int) -> np.ndarray:
        best, most = (np.zeros(np.array(classes.shape) // FINE, np.uint8), np.zeros(np.array(classes.shape) // FINE, np.uint8))
        for value in range(1, count):
            cells = (classes == value).view(np.uint8)
            rows = sum(cells[i::FINE] for i in range(FINE))
            area = sum(rows[:, i::FINE] for i in range(FINE))
            best, most = np.where(area > most, value, best), np.maximum(area, most)
        return best.astype(np.uint8)

    def _lc100_majority(self, objects: np.ndarray) -> np.ndarray:
        """Codes of the Copernicus map in the middle of each pixel: enough for counting over 100 m."""
        return self._lc100[objects[FINE // 2 :: FINE, FINE // 2 :: FINE]]


def _rectangle(box: Box) -> shapely.Polygon:
    return shapely.box(box.west, box.north, box.east, box.south)


def _as_dictionaries(polygons: np.ndarray) -> list[dict]:
    """Polygons as GeoJSON objects; all at once, since asking each shape for its own took a tenth of the whole time."""
    _, points, (ring_starts, polygon_starts) = shapely.to_ragged_array(polygons, include_z=False)
    rings = [points[start:end].tolist() for start, end in zip(ring_starts[:-1], ring_starts[1:], strict=True)]
    return [{"type": "Polygon", "coordinates": rings[start:end]} for start, end in zip(polygon_starts[:-1], polygon_starts[1:], strict=True)]


def mixing_matrix(objects: np.ndarray, count: int) -> tuple[csr_matrix, np.ndarray]:
    """Area shares of the objects in each pixel.

    Args:
        objects: object numbers on the fine grid, (FINE·y, FINE·x) int32.
        count: number of objects there are.

    Returns:
        matrix (pixel, object) whose rows add up to 1, and the object of middle rank per pixel (y, x).
    """
    height, width = objects.shape[0] // FINE, objects.shape[1] // FINE
    cells = objects.reshape(height, FINE, width, FINE).swapaxes(1, 2).reshape(height * width, FINE * FINE)
    cells = np.sort(cells, axis=1)
    new = np.ones(cells.shape, bool)
    new[:, 1:] = cells[:, 1:] != cells[:, :-1]
    entries = np.flatnonzero(new)
    areas = np.diff(np.append(entries, cells.size)).astype(np.float32) / (FINE * FINE)
    starts = np.concatenate([[0], np.cumsum(new.sum(1))]).astype(np.int32)
    matrix = csr_matrix((areas, cells.ravel()[entries], starts), shape=(height * width, count))
    return matrix, cells[:, FINE * FINE // 2].reshape(height, width)
