"""Fields drawn on the grid of an image: interior, boundary and background, the distance from the boundary, and the number of each field.

Three classes as in Fields of the World (Kerner et al., arXiv 2409.16252), whose boundary is two pixels wide where fields touch: one on each side.
The distance from the boundary, over the largest in the field, is what ResUNet-a learns beside (Diakogiannis et al., arXiv 1904.00592, §3.4;
Waldner and Diakogiannis, arXiv 1910.12023, for fields): it tells fields apart where their boundary is missed.

Each field is drawn whole, also beyond the window that is asked for and beyond the image, so that what is known of a pixel does not depend on how
the image is cut.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import geopandas
import numpy as np
import rasterio
import shapely
from rasterio.features import rasterize
from scipy.ndimage import distance_transform_edt

from ....errors import DataError
from ....progress import SILENT, Progress
from ...datasets.dataset import IGNORE, ClassInfo
from ...datasets.labels import missed
from ...datasets.legend import Legend
from ...rasters.grid import Grid, Window
from ...rasters.vector import VectorLayer, on_grid, repaired, valid_areas
from .parcels import Parcels, count_overlapping

CLASSES = (ClassInfo(0, "background", "#d9d9d9"), ClassInfo(1, "field interior", "#7fbf3f"), ClassInfo(2, "field boundary", "#5b3a1e"))
BACKGROUND, INTERIOR, BOUNDARY = range(3)
DISTANCE, OBJECTS = "distance", "objects"
#: Longest edge of a field [px]; what is longer is no field, and would be held in memory whole.
LONGEST = 3000
#: Fields of a larger area hold the middle of a pixel, unless they are very narrow [px].
SMALL = 9


class Drawn(NamedTuple):
    """What is known of a window: labels uint8, distance uint8 and number of the field uint32, each (y, x)."""

    labels: np.ndarray
    distance: np.ndarray
    objects: np.ndarray


class FieldLabels:
    """Labels of fields, see `cutting.Labels`.

    Ground that several fields claim is not labelled: nobody knows whose boundary runs there. Fields that hold no middle of a pixel are not drawn.

    Args:
        parcels: the fields.
        grids: of the images.
        boundary: width of the boundary inside each field [m]; at least one pixel.
        complete: a job's vector value, polygons in which every field is among the parcels: elsewhere ground without a field is not labelled.
            None: it is background everywhere.
        progress: also hears what was left out.

    Raises:
        DataError: a parcel is no field, or `complete` holds no polygons.
    """

    beside = {DISTANCE: "uint8", OBJECTS: "uint32"}

    def __init__(self, parcels: Parcels, grids: list[Grid], boundary: float, complete: dict | None = None, progress: Progress = SILENT) -> None:
        self.parcels, self.boundary, self.path = parcels, boundary, parcels.path
        self.legend = Legend(CLASSES, {}, BACKGROUND)
        self.areas = _areas(complete, grids, progress) if complete else None
        self.paths = [parcels.path, *([complete["path"]] if complete else [])]
        self._on: _OnGrid | None = None
        self._last: tuple[Grid, Window, Drawn] | None = None
        overlapping, empty = 0, set()
        for grid in dict.fromkeys(grids):
            placed = _OnGrid(parcels, None, grid)
            overlapping = max(overlapping, count_overlapping(placed.shapes, math.prod(grid.resolution), progress))
            empty |= placed.without_pixel(progress)
        count, without = len(parcels.shapes), len(empty)
        if overlapping:
            progress.message(f"{overlapping} of {count} fields overlap another; the ground they share is not labelled.", level="warning")
        if without:
            progress.message(f"{without} of {count} fields hold the middle of no pixel and are not drawn.", level="warning")
        self.theme_facts: dict[str, Any] = {**parcels.facts, "overlapping": overlapping, "without_pixel": without, "boundary_m": boundary,
                                            "complete": complete["path"] if complete else None}
        self.facts: dict[str, Any] = {"path": parcels.path, "features": count, "parcels": parcels.facts["parcels"], "parcels_without_pixel": without,
                                      "overlapping_parcels": overlapping}

    def __getstate__(self) -> dict:
        """What was worked out for one grid stays behind when the labels are copied or sent to another process."""
        return {**self.__dict__, "_on": None, "_last": None}

    def read(self, grid: Grid, window: Window) -> np.ndarray:
        """Labels uint8 (y, x): positions in `CLASSES`, 255 where nothing is known."""
        return self._drawn(grid, window).labels

    def layer(self, name: str, grid: Grid, window: Window) -> np.ndarray:
        """“distance”, 255 · distance from the boundary over the largest in the field, or “objects”, the number of the field from 1; (y, x)."""
        return getattr(self._drawn(grid, window), name)

    def columns(self, grid: Grid, window: Window, drawn: np.ndarray) -> dict[str, Any]:
        """How many fields a tile shows."""
        return {"fields": len(np.setdiff1d(self.layer(OBJECTS, grid, window), [0]))}

    def _drawn(self, grid: Grid, window: Window) -> Drawn:
        """Tiles are cut from larger pieces: what was drawn for the piece serves its tiles."""
        if self._last is None or self._last[0] != grid or self._last[1].intersection(window) != window:
            if self._on is None or self._on.grid != grid:
                self._on = _OnGrid(self.parcels, self.areas, grid)
            self._last = grid, window, self._on.draw(window, self.boundary)
        _, around, drawn = self._last
        top, left = window.row - around.row, window.col - around.col
        return Drawn(*(layer[top:top + window.height, left:left + window.width] for layer in drawn))


class _OnGrid:
    """The fields on one grid."""

    def __init__(self, parcels: Parcels, areas: geopandas.GeoSeries | None, grid: Grid) -> None:
        self.grid, self.shapes, self.metres = grid, parcels.on(grid), grid.metres_per_pixel()
        self.tree = shapely.STRtree(self.shapes)
        self.areas = None if areas is None else valid_areas(on_grid(areas, grid))
        long = np.ptp(shapely.bounds(self.shapes).reshape(-1, 2, 2), axis=1) / grid.resolution
        largest = float(np.nanmax(long, initial=0))
        if largest > LONGEST:
            raise DataError(f"{parcels.path} holds a polygon {largest:.0f} pixels long, which is no field. Leave out what is longer than {LONGEST} "
                            "pixels, such as outlines of districts.")

    def draw(self, window: Window, boundary: float) -> Drawn:
        """What is known of a window; the boundary is so wide inside each field [m]."""
        size = (window.height, window.width)
        labels, distance, objects = np.zeros(size, np.uint8), np.zeros(size, np.uint8), np.zeros(size, np.uint32)
        claimed = np.zeros(size, bool)
        for number in np.sort(self.tree.query(shapely.box(*self.grid.bounds(window)))):
            own, mask = self._mask(self.shapes[number])
            both = own.intersection(window)
            if both is None or not mask.any():
                continue
            far = distance_transform_edt(np.pad(mask, 1), sampling=self.metres[::-1])[1:-1, 1:-1]
            inside, here = _part(both, own), _part(both, window)
            inner = mask[inside]
            contested = inner & (objects[here] > 0)
            claimed[here] |= contested
            edge = far[inside] <= max(boundary, *self.metres)
            labels[here][inner] = np.where(edge, BOUNDARY, INTERIOR)[inner]
            distance[here][inner] = np.rint(255 * far[inside] / far.max())[inner]
            objects[here][inner] = number + 1
        if self.areas is not None:
            labels[(objects == 0) & ~self._complete(window)] = IGNORE
        labels[claimed] = IGNORE
        distance[claimed] = objects[claimed] = 0
        return Drawn(labels, distance, objects)

    def without_pixel(self, progress: Progress) -> set[int]:
        """The fields that lie on the image and hold the middle of no pixel, by their place."""
        area = shapely.area(self.shapes) / math.prod(self.grid.resolution)
        near = shapely.intersects(shapely.box(*self.grid.bounds()), self.shapes)
        small = np.flatnonzero((area < SMALL) & near)
        empty = set()
        for done, number in enumerate(small):
            progress.at(done / len(small), "Looking for fields without a pixel")
            if not self._mask(self.shapes[number])[1].any():
                empty.add(int(number))
        return empty

    def _mask(self, shape: shapely.Polygon) -> tuple[Window, np.ndarray]:
        """The pixels around a field, and whose middles lie in it, bool (y, x)."""
        west, south, east, north = shape.bounds
        a, _, c, _, e, f = self.grid.transform
        columns, rows = sorted(((west - c) / a, (east - c) / a)), sorted(((south - f) / e, (north - f) / e))
        left, top = math.floor(columns[0]), math.floor(rows[0])
        own = Window(left, top, max(1, math.ceil(columns[1]) - left), max(1, math.ceil(rows[1]) - top))
        drawn = rasterize([shape], (own.height, own.width), transform=rasterio.Affine(*self.grid.sub(own).transform), dtype="uint8")
        return own, drawn.astype(bool)

    def _complete(self, window: Window) -> np.ndarray:
        """Where every field is known, bool (y, x)."""
        shapes = [shape for shape in self.areas if not shape.is_empty]  # type: ignore[union-attr]
        size = (window.height, window.width)
        if not shapes:
            return np.zeros(size, bool)
        return rasterize(shapes, size, transform=rasterio.Affine(*self.grid.sub(window).transform), dtype="uint8").astype(bool)


def _areas(source: dict, grids: list[Grid], progress: Progress) -> geopandas.GeoSeries:
    layer = VectorLayer.open(source)
    features = repaired(layer.read([]), layer.path, progress)
    if not features.geom_type.isin(("Polygon", "MultiPolygon")).all():
        raise DataError(f"{layer.path} holds other features than polygons, and the ground where all fields are known is given as polygons. Choose a "
                        "polygon layer.")
    if not any(shapely.intersects(valid_areas(on_grid(features.geometry, grid)), shapely.box(*grid.bounds())).any() for grid in dict.fromkeys(grids)):
        raise missed(layer.path, tuple(features.total_bounds), grids[0].bounds_in(features.crs))
    return features.geometry


def _part(part: Window, whole: Window) -> tuple[slice, slice]:
    """Rows and columns of a part of a window."""
    top, left = part.row - whole.row, part.col - whole.col
    return slice(top, top + part.height), slice(left, left + part.width)
