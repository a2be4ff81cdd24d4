"""Which pixels are land: from polygons, or from a raster in which land is not 0."""

from __future__ import annotations

import geopandas
import numpy as np
import shapely

from ....progress import SILENT, Progress
from ...datasets.labels import Drawing
from ...rasters.grid import Grid, Window, full_turn
from ...rasters.nearest import NearestPixels, class_band
from ...rasters.raster import Raster
from ...rasters.vector import VectorLayer, is_vector, on_grid, polygons_of, repaired, touching, valid_areas

#: Steps in which edges of what was cut from a large polygon follow its own CRS.
EDGE_STEPS = 500


class LandMask:
    """Land on the grid of an image; nodata of a raster is no land."""

    def __init__(self, shapes: geopandas.GeoSeries | None = None, raster: NearestPixels | None = None) -> None:
        """Takes polygons in their own CRS, or a raster."""
        self._shapes, self._raster = shapes, raster
        self._drawn: dict[Grid, Drawing] = {}

    def read(self, grid: Grid, window: Window) -> np.ndarray:
        """Land in a window of an image's grid, bool (y, x)."""
        if self._raster is not None:
            values, valid = self._raster.read(grid, window)
            return valid & (values != 0)
        if grid not in self._drawn:
            shapes = np.zeros(0, object) if self._shapes is None else valid_areas(_projected(self._shapes, grid))
            shapes = shapes[~shapely.is_empty(shapes)]
            self._drawn = {grid: Drawing(grid, shapes, np.ones(len(shapes), np.uint8))}
        return self._drawn[grid].read(window, 0) == 1

    def reaches(self, grid: Grid) -> bool:
        """Whether it has polygons, or pixels of its raster, where a grid lies."""
        return bool(self._raster.raster.grid.windows_on(grid)) if self._raster is not None else self._shapes is not None and not self._shapes.empty

    def __getstate__(self) -> dict:
        """What was drawn stays behind when the mask is sent to another process."""
        return {**self.__dict__, "_drawn": {}}


def _projected(shapes: geopandas.GeoSeries, grid: Grid) -> np.ndarray:
    """Shapes on a grid. Of those that reach far beyond it only what lies around it: the rest of a projection is far from true, or folded onto it."""
    crs, own = shapes.crs.to_wkt(), np.asarray(shapes.values, object).copy()
    around = shapely.union_all([shapely.box(*box).buffer(min(box[2] - box[0], box[3] - box[1]), join_style="mitre") for box in grid.boxes_in(crs)])
    west, south, east, north = around.bounds
    reach, turn = shapely.bounds(own).T, full_turn(crs)
    far = (reach[0] < west) | (reach[1] < south) | (reach[2] > east) | (reach[3] > north)
    if turn:  # what is written beyond 180° is found by `on_grid`
        far &= (reach[0] >= -turn / 2) & (reach[2] <= turn / 2)
    if far.any():
        # A straight edge of degrees is bent on the map.
        own[far] = shapely.segmentize(shapely.intersection(own[far], around), max(east - west, north - south) / EDGE_STEPS)
    own = on_grid(geopandas.GeoSeries(own, crs=shapes.crs), grid)
    return own[np.isfinite(shapely.bounds(own)).all(1)]


def open_land(source: dict, grids: list[Grid], progress: Progress = SILENT) -> LandMask:
    """Opens a land mask.

    Args:
        source: a job's layer value, polygons or a raster.
        grids: of the images.
        progress: told when the mask does not reach the images.

    Raises:
        DataError: a layer that cannot be read, or one without polygons.
    """
    if is_vector(source):
        layer = VectorLayer.open(source)
        features = polygons_of(repaired(layer.read([]), layer.path, progress), layer.path, "a land mask is polygons or a raster", progress)
        crs = features.crs.to_wkt()
        near = features.geometry[touching(features, [box for grid in dict.fromkeys(grids) for box in grid.boxes_in(crs)])]
        if near.empty:
            progress.message(f"The land mask {layer.path} has no polygon on the images.", level="warning")
        return LandMask(shapes=near)
    raster = Raster(**{key: value for key, value in source.items() if key not in ("layer", "field")})
    return LandMask(raster=NearestPixels(raster, class_band(raster, progress)))
