"""Classes of a raster on the grid of an image, each from the nearest pixel."""

from __future__ import annotations

import itertools

import numpy as np
import rasterio
from rasterio.enums import ColorInterp, Resampling
from rasterio.errors import RasterioError
from rasterio.vrt import WarpedVRT

from ...errors import DataError
from ...progress import SILENT, Progress
from . import sources
from .grid import Grid, Window, full_turn
from .nodata import is_nodata
from .raster import Raster

#: Error allowed in placing a pixel of a class raster [its pixels]; GDAL takes no 0.
TOLERANCE = 0.01


def class_band(raster: Raster, progress: Progress = SILENT) -> int:
    """Which band (0-based) holds the classes: the one that the layer's symbology shows, else the first."""
    names, shown = raster.band_names, (raster.categories or {}).get("band")
    band = raster.indexes.index(shown) if shown in raster.indexes else 0
    if len(names) > 1:
        why = "which its symbology shows, is" if shown in raster.indexes else "the first one, is"
        progress.message(f"{raster.path} has {len(names)} bands; “{names[band]}”, {why} taken for the classes.", level="warning")
    return band


class NearestPixels:
    """One band of a raster, read on the grid of any image."""

    def __init__(self, raster: Raster, band: int = 0) -> None:
        """Takes the raster and the number of its band, 0-based."""
        self.raster, self.band = raster, band
        self._warped: dict[Grid, list[WarpedVRT]] = {}

    def __getstate__(self) -> dict:
        """Open files stay behind when the labels are copied or sent to another process."""
        return {**self.__dict__, "_warped": {}}

    def read(self, grid: Grid, window: Window) -> tuple[np.ndarray, np.ndarray]:
        """Values (y, x) in a window of an image's grid, and where the raster has one, bool (y, x).

        Raises:
            DataError: the raster is cut short or damaged.
        """
        if grid.same_as(self.raster.grid):
            read, valid = self.raster.read(window, [self.band])
            return read[0], valid
        inside, index = window.intersection(grid.window), self.raster.indexes[self.band]
        whole, known = np.zeros((window.height, window.width), self.raster.dtype), np.zeros((window.height, window.width), bool)
        if inside is None:
            return whole, known
        part = rasterio.windows.Window(inside.col, inside.row, inside.width, inside.height)
        top, left = inside.row - window.row, inside.col - window.col
        place = np.s_[top:top + inside.height, left:left + inside.width]
        values, valid = whole[place], known[place]
        try:
            with sources.permit(self.raster.path):
                for warped in self._on(grid):
                    more, shown = warped.read(index, window=part), warped.read(warped.count, window=part) > 0
                    np.copyto(values, more, where=shown & ~valid)
                    valid |= shown
        except RasterioError as error:
            raise DataError(f"{self.raster.path} cannot be read on the grid of an image ({error}). The file may be cut short or damaged: copy or "
                            "download it again.") from error
        valid &= np.isfinite(values)
        for nodata in self.raster.nodata_of(self.band):
            valid &= ~is_nodata(values, nodata)
        return whole, known

    def close(self) -> None:
        """Closes the file; the next reading opens it again."""
        self._forget()
        self.raster.close()

    def _forget(self) -> None:
        for warped in itertools.chain(*self._warped.values()):
            warped.close()
        self._warped = {}

    def _on(self, grid: Grid) -> list[WarpedVRT]:
        """The raster warped onto a grid; of one in longitudes also what it has a turn further east or west, such as −179° at 181°."""
        if grid not in self._warped:
            self._forget()
            own = self.raster.grid
            turn, (a, _, c, _, e, f) = full_turn(own.crs), self.raster.dataset.transform[:6]  # whose rows may run from south to north
            masked = ColorInterp.alpha in self.raster.dataset.colorinterp
            self._warped = {grid: [WarpedVRT(
                self.raster.dataset, src_crs=own.crs, src_transform=rasterio.Affine(a, 0.0, c + shift, 0.0, e, f), crs=grid.crs,
                transform=rasterio.Affine(*grid.transform), width=grid.width, height=grid.height, resampling=Resampling.nearest,
                add_alpha=not masked, src_nodata=None, tolerance=TOLERANCE) for shift in self._shifts(grid, turn)]}
        return self._warped[grid]

    def _shifts(self, grid: Grid, turn: float) -> list[float]:
        """By how much the longitudes of the raster are moved to lie where the grid has them, or where GDAL has them: from −180° to 180°."""
        if not turn:
            return [0.0]
        boxes, (west, _, east, _) = grid.boxes_in(self.raster.grid.crs), self.raster.grid.bounds()
        places = [*boxes[:1], *((max(box[0], -turn / 2), 0.0, min(box[2], turn / 2), 0.0) for box in boxes)]
        return [shift for shift in (0.0, -turn, turn)
                if any(left < right and west + shift < right and east + shift > left for left, _, right, _ in places)]
