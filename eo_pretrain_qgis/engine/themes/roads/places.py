"""Where images are in the coordinate reference system of a layer of ways, however longitudes are counted there."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Sequence

import geopandas
import numpy as np
import pyproj
import shapely

from ....errors import DataError
from ...rasters.grid import Grid, Window, full_turn
from ...rasters.vector import VectorLayer

#: Added to the images on every side when roads are searched [m]: half of the widest road, and the ignore zone.
MARGIN = 100.0


def search_area(layer: VectorLayer, grids: Sequence[Grid], extent: dict | None, bounds: Sequence[float] | None) -> shapely.Geometry:
    """The images, or the extent on them, and a margin, wherever the layer may have their ways.

    Args:
        layer: with the ways.
        grids: of the images.
        extent: part of the images that matters; None is all.
        bounds: over which the layer reaches; None where the file does not say.

    Raises:
        DataError: no CRS, an extent that misses the images, or images where the CRS does not reach.
    """
    boxes, turn = [], full_turn(layer.crs) if layer.crs else 0.0
    for grid, window in _windows(layer, grids, extent):
        x, y = (math.ceil(MARGIN / metres) for metres in grid.metres_per_pixel())
        boxes.append(grid.boxes_in(layer.crs, Window(window.col - x, window.row - y, window.width + 2 * x, window.height + 2 * y)))
    if not any(boxes):
        raise DataError(f"The images lie where the coordinate reference system of {layer.path} does not reach. Check the CRS of both.")
    west, east = (bounds[0], bounds[2]) if bounds is not None and np.isfinite(bounds).all() else (-turn / 2, turn / 2)
    # A file is searched through the box around all these boxes: one that reached around the earth would have it read whole.
    near = [box for own in boxes for box in own if not turn or (box[0] <= east and box[2] >= west)]
    return shapely.union_all([shapely.box(*box) for box in near or [own[0] for own in boxes if own]])


def image_area(layer: VectorLayer, grids: Sequence[Grid], extent: dict | None) -> shapely.Geometry:
    """The images, or the extent on them, in the CRS of the layer; in longitudes those around the first, so beyond 180° if need be."""
    boxes = [own for grid, window in _windows(layer, grids, extent) if (own := grid.boxes_in(layer.crs, window))]
    if not full_turn(layer.crs):
        return shapely.union_all([shapely.box(*box) for own in boxes for box in own])
    middle = (boxes[0][0][0] + boxes[0][0][2]) / 2
    return shapely.union_all([shapely.box(*min(own, key=lambda box: abs((box[0] + box[2]) / 2 - middle))) for own in boxes])


def beside(lines: geopandas.GeoDataFrame, images: shapely.Geometry) -> geopandas.GeoDataFrame:
    """Lines with the longitudes that are nearest to the images: a way at −179.9° beside an image at 180.1° is at 180.1°."""
    turn = full_turn(lines.crs.to_wkt())
    if not turn or lines.empty:
        return lines
    middle = (images.bounds[0] + images.bounds[2]) / 2
    shapes = np.asarray(lines.geometry.values, object)
    west, _, east, _ = lines.total_bounds
    if middle - turn / 2 <= west and east <= middle + turn / 2:
        return lines
    moved = shapely.transform(shapes, lambda points: np.stack([nearest_turn(points[:, 0], middle, turn), points[:, 1]], 1))
    return lines.set_geometry(geopandas.GeoSeries(moved, lines.index, lines.crs))


def nearest_turn(longitudes: np.ndarray, middle: float, turn: float) -> np.ndarray:
    """Longitudes moved by whole turns to lie around a middle."""
    return longitudes + turn * np.round((middle - longitudes) / turn)


def extent_words(box: Sequence[float], crs: str) -> str:
    """A box (west, south, east, north) as a dialog and a script take an extent, rounded outwards: ``xmin,xmax,ymin,ymax [EPSG:code]``.

    It is in degrees of EPSG:4326 where its CRS has no such code.
    """
    known = pyproj.CRS.from_user_input(crs)
    code = known.to_epsg(min_confidence=100)
    if code is None:
        west, south, east, north = box
        box = pyproj.Transformer.from_crs(known, 4326, always_xy=True).transform_bounds(west, south, east, north)
    unit = 1e4 if code is None or known.is_geographic else 1.0
    west, south, east, north = (round_to(side * unit) / unit for side, round_to in zip(box, (math.floor, math.floor, math.ceil, math.ceil)))
    return f"{west:.10g},{east:.10g},{south:.10g},{north:.10g} [EPSG:{code or 4326}]"


def _windows(layer: VectorLayer, grids: Sequence[Grid], extent: dict | None) -> list[tuple[Grid, Window]]:
    if not layer.crs:
        raise DataError(f"{layer.path} has no coordinate reference system. Set it in the layer's properties.")
    windows: list[tuple[Grid, Window]] = []
    for grid in dict.fromkeys(grids):
        with contextlib.suppress(DataError):  # an extent that misses one of the images
            windows.extend((grid, window) for window in (grid.windows_of(extent) if extent else [grid.window]))
    if not windows:
        raise DataError("The extent does not overlap the images. Choose an extent that overlaps an image, or check its CRS.")
    return windows
