"""Which pixels are of which parcel, where parcels may overlap, and which pixels a mask wants."""

from __future__ import annotations

from dataclasses import dataclass

import geopandas
import numpy as np
import rasterio
import shapely
from rasterio.features import rasterize

from ....errors import DataError
from ....progress import SILENT, Progress
from ...rasters.grid import Grid, Window
from ...rasters.nearest import NearestPixels, class_band
from ...rasters.raster import Raster
from ...rasters.vector import is_vector, on_grid
from ...themes.crops.parcels import NOTHING, near_polygons, shared_ground, shrunk
from ..stamps import file_of


@dataclass(frozen=True)
class MappedParcels:
    """Parcels whose crop is asked for.

    Attributes:
        path: of their layer.
        features: as they are in the layer, in its CRS, with all their fields (parcel,).
        grid: of the images.
        shapes: less the inner buffer, in the CRS of the grid; empty where nothing is left (parcel,).
        sheets: number of the drawing that each is in; parcels of a drawing do not overlap, so that each keeps all its pixels (parcel,).
        tree: of the shapes.
    """

    path: str
    features: geopandas.GeoDataFrame
    grid: Grid
    shapes: np.ndarray
    sheets: np.ndarray
    tree: shapely.STRtree

    @classmethod
    def open(cls, source: dict, grid: Grid, inner_buffer: float, progress: Progress = SILENT) -> MappedParcels:
        """Reads the parcels that touch the images.

        Args:
            source: a job's vector value.
            grid: of the images.
            inner_buffer: ground nearer than this to the border is left out [m].
            progress: also hears what was left out.

        Raises:
            DataError: no polygons, or only polygons that lie elsewhere.
        """
        layer, near, away = near_polygons(source, grid, None, progress.part(0, 0.3))
        if away:
            progress.message(f"{away} of {away + len(near)} parcels of {layer.path} do not touch the images and are left out.", level="warning")
        shapes = shrunk(near, grid, inner_buffer, progress.part(0.3, 0.8))
        tree = shapely.STRtree(shapes)
        pairs, _ = shared_ground(shapes, tree, grid, None, progress.part(0.8, 1))
        if len(pairs):
            progress.message(f"{len(np.unique(pairs))} of {len(shapes)} parcels overlap another one. Each counts with all its pixels, so shared "
                             "ground counts in both.", level="warning")
        return cls(layer.path, near, grid, shapes, _sheets(len(shapes), pairs), tree)

    def read(self, window: Window) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Rows, columns and parcels of the pixels of a window whose middle lies in a parcel, int64 (n,) each; a pixel of two parcels occurs twice."""
        size, hits = (window.height, window.width), np.sort(self.tree.query(shapely.box(*self.grid.bounds(window))))
        transform, found = rasterio.Affine(*self.grid.sub(window).transform), [np.zeros((3, 0), np.int64)]
        for sheet in np.unique(self.sheets[hits]):
            own = hits[self.sheets[hits] == sheet]
            drawn = rasterize(zip(self.shapes[own], own.tolist(), strict=True), size, fill=NOTHING, transform=transform, dtype="int32")
            rows, cols = np.nonzero(drawn != NOTHING)
            found.append(np.stack([rows, cols, drawn[rows, cols]]))
        rows, cols, owners = np.concatenate(found, 1)
        return rows, cols, owners

    def count(self, windows: list[Window], progress: Progress = SILENT) -> tuple[np.ndarray, np.ndarray]:
        """Pixels of each parcel, and the number of the last window that holds one, -1 where none does: int64 (parcel,) each."""
        pixels, last = np.zeros(len(self.shapes), np.int64), np.full(len(self.shapes), -1, np.int64)
        for number, window in enumerate(windows):
            progress.at(number / len(windows), "Counting the pixels of the parcels")
            counts = np.bincount(self.read(window)[2], minlength=len(pixels))
            pixels += counts
            last[counts > 0] = number
        return pixels, last


def _sheets(count: int, pairs: np.ndarray) -> np.ndarray:
    """Numbers for so many parcels, different for those that overlap, as small as possible one after the other."""
    sheets = np.zeros(count, np.int64)
    before: dict[int, list[int]] = {}
    for first, second in pairs.tolist():
        before.setdefault(second, []).append(first)
    for second in sorted(before):
        taken = set(sheets[before[second]].tolist())
        sheets[second] = next(number for number in range(len(taken) + 1) if number not in taken)
    return sheets


class Mask:
    """The pixels that a mask wants: those whose middle lies in a polygon, or where a raster holds more than 0."""

    def __init__(self, source: dict, grid: Grid, progress: Progress = SILENT) -> None:
        """Opens the mask.

        Args:
            source: a job's layer value.
            grid: of the images.
            progress: hears what was left out, and which band was taken.

        Raises:
            DataError: neither polygons nor a raster, or only polygons that lie elsewhere.
        """
        self.path, self.files = source["path"], [file_of(source)]
        self._pixels, self._shapes = None, np.array([], object)
        if is_vector(source):
            layer, near, _ = near_polygons(source, grid, [], progress, "a mask is polygons or a raster", "polygons")
            self.path, self._shapes = layer.path, on_grid(near.geometry, grid)
        else:
            raster = Raster(**source)
            self._pixels = NearestPixels(raster, class_band(raster, progress))
        self._tree = shapely.STRtree(self._shapes)

    def read(self, grid: Grid, window: Window) -> np.ndarray:
        """See `dated_images.Within`."""
        if self._pixels is not None:
            values, known = self._pixels.read(grid, window)
            self._pixels.close()
            return known & (values > 0)
        hits = self._tree.query(shapely.box(*grid.bounds(window)))
        if not len(hits):
            return np.zeros((window.height, window.width), bool)
        transform = rasterio.Affine(*grid.sub(window).transform)
        return rasterize(self._shapes[hits], (window.height, window.width), transform=transform, dtype="uint8") > 0

    def count(self, grid: Grid, windows: list[Window], progress: Progress = SILENT) -> int:
        """How many pixels are wanted in some windows.

        Raises:
            DataError: none.
        """
        wanted = 0
        for number, window in enumerate(windows):
            progress.at(number / len(windows), "Reading the mask")
            wanted += int(self.read(grid, window).sum())
        if not wanted:
            raise DataError(f"The mask {self.path} wants no pixel of the area to map. A raster wants the pixels above 0, polygons those whose middle "
                            "they hold. Choose another mask, or check its CRS.")
        return wanted
