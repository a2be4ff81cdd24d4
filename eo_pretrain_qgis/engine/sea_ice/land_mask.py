"""Which pixels are land: from polygons, or from a raster in which land is not 0."""

from __future__ import annotations

import geopandas
import numpy as np
import rasterio
import shapely
from rasterio.enums import Resampling
from rasterio.vrt import WarpedVRT

from ...report import SILENT, Report
from .. import sources
from ..grid import Grid, Window
from ..labels import LABEL_TOLERANCE, Drawing
from ..raster import Raster
from ..vector import VectorLayer, layer_names, repaired


class LandMask:
    """Land on the grid of an image; nodata of a raster is no land."""

    def __init__(self, shapes: geopandas.GeoSeries | None = None, raster: Raster | None = None) -> None:
        """Takes polygons in their own CRS, or a raster."""
        self._shapes, self._raster = shapes, raster
        self._drawn: dict[Grid, Drawing] = {}
        self._warped: dict[Grid, WarpedVRT] = {}

    def read(self, grid: Grid, window: Window) -> np.ndarray:
        """Land in a window of an image's grid, bool (y, x)."""
        if self._raster is not None:
            return self._read_raster(self._raster, grid, window)
        if grid not in self._drawn:
            shapes = np.zeros(0, object) if self._shapes is None else np.asarray(self._shapes.to_crs(grid.crs).values)
            shapes = shapes[shapely.is_valid(shapes) & ~shapely.is_empty(shapes)]
            self._drawn = {grid: Drawing(grid, shapes, np.ones(len(shapes), np.uint8))}
        return self._drawn[grid].read(window, 0) == 1

    def __getstate__(self) -> dict:
        """For other processes, which open the raster themselves."""
        return {**self.__dict__, "_warped": {}, "_drawn": {}}

    def _read_raster(self, raster: Raster, grid: Grid, window: Window) -> np.ndarray:
        if grid.same_as(raster.grid):
            read, valid = raster.read(window, [0])
            return valid & (read[0] != 0)
        if grid not in self._warped:
            for old in self._warped.values():
                old.close()
            self._warped = {grid: WarpedVRT(
                raster.dataset, src_crs=raster.grid.crs, crs=grid.crs, transform=rasterio.Affine(*grid.transform), width=grid.width,
                height=grid.height, resampling=Resampling.nearest, add_alpha=True, tolerance=LABEL_TOLERANCE)}
        warped, part = self._warped[grid], rasterio.windows.Window(window.col, window.row, window.width, window.height)
        with sources.permit(raster.path):
            values, alpha = warped.read(1, window=part), warped.read(warped.count, window=part)
        return (alpha > 0) & np.isfinite(values) & (values != 0) & ~np.isin(values, raster.nodata_of(0))


def open_land(source: dict, grids: list[Grid], report: Report = SILENT) -> LandMask:
    """Opens a land mask.

    Args:
        source: a job's layer value, polygons or a raster.
        grids: of the images.
        report: told when the mask does not reach the images.

    Raises:
        DataError: a layer that cannot be read.
    """
    if source.get("layer") or layer_names(source["path"].partition("|layername=")[0]):
        layer = VectorLayer.open(source)
        features = repaired(layer.read([]), layer.path, report)
        boxes = shapely.union_all([shapely.box(*grid.bounds_in(features.crs.to_wkt())) for grid in dict.fromkeys(grids)])
        near = features.geometry[np.asarray(features.intersects(boxes))]
        if near.empty:
            report.message(f"The land mask {layer.path} has no polygon on the images.", level="warning")
        return LandMask(shapes=near)
    return LandMask(raster=Raster(**{key: value for key, value in source.items() if key not in ("layer", "field")}))
