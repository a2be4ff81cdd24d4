"""Lines from another source than the labels, such as a road register, against which labels and model are held alike."""

from __future__ import annotations

from dataclasses import dataclass

import geopandas
import numpy as np
import rasterio
import shapely
from rasterio.features import rasterize

from ....errors import DataError, listed
from ....progress import SILENT, Progress
from ...rasters.grid import Grid, Window
from ...rasters.vector import VectorLayer, on_grid, repaired

KINDS = {"LineString", "MultiLineString", "LinearRing"}


@dataclass(frozen=True)
class ReferenceLines:
    """Lines of another source.

    Attributes:
        path: of their layer.
        features: as they were read.
    """

    path: str
    features: geopandas.GeoDataFrame

    @classmethod
    def open(cls, source: dict, progress: Progress = SILENT) -> ReferenceLines:
        """Reads them from a job's vector value.

        Raises:
            DataError: a layer of points or polygons, without a CRS, or without features.
        """
        layer = VectorLayer.open(source)
        features = repaired(layer.read([]), layer.path, progress)
        kinds = set(features.geom_type)
        if not kinds <= KINDS:
            raise DataError(f"{layer.path} holds {listed(sorted(kinds - KINDS))}, but reference roads are lines. Choose a line layer.")
        return cls(layer.path, features)

    def on(self, grid: Grid, window: Window) -> tuple[np.ndarray, np.ndarray]:
        """Where the lines are in a window of a grid, bool (y, x), and where the layer reaches: within the box around all of its lines."""
        size, lines = (window.height, window.width), on_grid(self.features.geometry, grid)
        inside = np.zeros(size, bool)
        left, top, right, bottom = grid.pixel_box(tuple(shapely.total_bounds(lines)))
        inside[max(0, int(np.floor(top)) - window.row):max(0, int(np.ceil(bottom)) - window.row),
               max(0, int(np.floor(left)) - window.col):max(0, int(np.ceil(right)) - window.col)] = True
        lines = lines[shapely.intersects(lines, shapely.box(*grid.bounds(window)))]
        if not len(lines):
            return np.zeros(size, bool), inside
        a, _, c, _, e, f = grid.transform
        transform = rasterio.Affine(a, 0, c + a * window.col, 0, e, f + e * window.row)
        return rasterize(lines, size, transform=transform, dtype="uint8").astype(bool), inside
