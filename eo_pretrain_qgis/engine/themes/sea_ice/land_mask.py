"""Which pixels are land: from polygons, or from a raster in which land is not 0."""

from __future__ import annotations

import geopandas
import numpy as np
import shapely

from ....progress import SILENT, Progress
from ...datasets.labels import Drawing
from ...rasters.grid import Grid, Window
from ...rasters.nearest import NearestPixels, class_band
from ...rasters.raster import Raster
from ...rasters.vector import VectorLayer, is_vector, on_grid, repaired, touching, valid_areas


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
            shapes = np.zeros(0, object) if self._shapes is None else on_grid(self._shapes, grid)
            # A projection gives no numbers for what lies on the other side of the earth.
            shapes = valid_areas(shapes[np.isfinite(shapely.bounds(shapes)).all(1)])
            shapes = shapes[~shapely.is_empty(shapes)]
            self._drawn = {grid: Drawing(grid, shapes, np.ones(len(shapes), np.uint8))}
        return self._drawn[grid].read(window, 0) == 1

    def __getstate__(self) -> dict:
        """What was drawn stays behind when the mask is sent to another process."""
        return {**self.__dict__, "_drawn": {}}


def open_land(source: dict, grids: list[Grid], progress: Progress = SILENT) -> LandMask:
    """Opens a land mask.

    Args:
        source: a job's layer value, polygons or a raster.
        grids: of the images.
        progress: told when the mask does not reach the images.

    Raises:
        DataError: a layer that cannot be read.
    """
    if is_vector(source):
        layer = VectorLayer.open(source)
        features = repaired(layer.read([]), layer.path, progress)
        crs = features.crs.to_wkt()
        near = features.geometry[touching(features, [box for grid in dict.fromkeys(grids) for box in grid.boxes_in(crs)])]
        if near.empty:
            progress.message(f"The land mask {layer.path} has no polygon on the images.", level="warning")
        return LandMask(shapes=near)
    raster = Raster(**{key: value for key, value in source.items() if key not in ("layer", "field")})
    return LandMask(raster=NearestPixels(raster, class_band(raster, progress)))
