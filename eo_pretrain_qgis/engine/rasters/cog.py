"""The only place that writes rasters: window by window, and at the end a cloud-optimised GeoTIFF."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import TracebackType

import numpy as np
import rasterio
import rasterio.shutil
import rasterio.windows
from rasterio.errors import RasterioIOError

from ...outputs import disk_full, failed_write, new_file, scratch_file
from ...progress import SILENT, Progress
from .grid import Grid, Window
from .overviews import with_overviews

BLOCK = 512


@dataclass(frozen=True)
class Contents:
    """What a raster holds.

    Attributes:
        dtype: NumPy name of the type to store.
        nodata: value of pixels without a result; pixels never written have it.
        bands: their names.
        colormap: value → (red, green, blue), for one Byte band.
        tags: texts to store in the file.
        resampling: of overviews: "nearest" for classes, "average" for measurements.
        scale: what a stored 1 is worth, in all bands.
        compression: of the file: "DEFLATE", which every program reads, or, of signed bytes with a nodata value in many bands, "ZSTD": a fraction of
            the work and no larger. Its bands lie one behind the other, so that who looks at some reads these alone; GDAL's driver for COGs can write
            this from version 3.11 on.
    """

    dtype: str
    nodata: float | None = None
    bands: Sequence[str] = ("",)
    colormap: Mapping[int, tuple] | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    resampling: str = "nearest"
    scale: float = 1.0
    compression: str = "DEFLATE"


class TiledWriter:
    """Writes a raster window by window; leaving the ``with`` block without an error makes it a COG at `path`.

    Until then everything lies beside it in parts, which are removed on any error.

    Args:
        path: the GeoTIFF to write.
        grid: where its pixels lie.
        contents: type, nodata, bands and looks.
        progress: told about the last step, in which the overviews are made.
    """

    def __init__(self, path: str | Path, grid: Grid, contents: Contents, progress: Progress = SILENT) -> None:
        self.path, self.grid, self.contents, self.progress = Path(path), grid, contents, progress
        self._profile = {
            "driver": "GTiff", "width": grid.width, "height": grid.height, "count": len(contents.bands), "dtype": contents.dtype,
            "nodata": contents.nodata, "crs": rasterio.crs.CRS.from_wkt(grid.crs), "transform": rasterio.Affine(*grid.transform),
            "tiled": True, "blockxsize": BLOCK, "blockysize": BLOCK, "bigtiff": "if_safer", "interleave": "band", "sparse_ok": True,
        }
        if contents.compression != "ZSTD":  # many bands hardly shrink, and each is compressed once, in the file that stays
            self._profile |= {"compress": "zstd", "zstd_level": 1}

    def __enter__(self) -> TiledWriter:
        with ExitStack() as stack:
            self._part = stack.enter_context(new_file(self.path))
            self._tiles = stack.enter_context(scratch_file(self.path))
            self._dataset = rasterio.open(self._tiles, "w", **self._profile)
            stack.callback(self._dataset.close)
            for index, text in enumerate(self.contents.bands, 1):
                self._dataset.set_band_description(index, text)
            if self.contents.colormap:
                self._dataset.write_colormap(1, dict(self.contents.colormap))
            if self.contents.scale != 1:
                self._dataset.scales = [self.contents.scale] * len(self.contents.bands)
            self._dataset.update_tags(**self.contents.tags)
            self._parts = stack.pop_all()
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if error is not None:
            self._parts.__exit__(kind, error, trace)
            return
        with self._parts:
            try:
                self._dataset.close()
            except RasterioIOError as failure:
                raise failed_write(failure, self.path) from failure
            write_cog(self._tiles, self._part, self.path, self.contents, self.progress)

    def write(self, values: np.ndarray, window: Window) -> None:
        """Writes values (band, y, x), or (y, x) for one band, at a window inside the grid.

        Raises:
            DataError: when the disk is full.
        """
        bands = values if values.ndim == 3 else values[None]
        try:
            self._dataset.write(bands, window=rasterio.windows.Window(window.col, window.row, window.width, window.height))
        except RasterioIOError as failure:
            raise failed_write(failure, self.path) from failure


def write_cog(source: Path, part: Path, path: Path, contents: Contents, progress: Progress = SILENT) -> None:
    """Copies a GeoTIFF to a cloud-optimised one with overviews, in constant memory.

    Args:
        source: the GeoTIFF to copy.
        part: the file to write.
        path: what the file will be called in the end, for messages.
        contents: of it.
        progress: asked every half second whether to stop.

    Raises:
        DataError: when the disk is, or would be, full.
    """
    if shutil.disk_usage(part.parent).free < 1.4 * os.path.getsize(source):  # overviews add a third
        raise disk_full(path)
    with ThreadPoolExecutor(1) as pool:  # GDAL works without Python's lock, so that progress and cancelling go on meanwhile
        copying = pool.submit(_copy, source, part, path, contents)
        while not wait([copying], timeout=0.5).done:
            progress.at(1.0, f"Writing {path.name}")
        failure = copying.exception()
    if failure is not None:
        raise failed_write(failure, path) from failure


def _copy(source: Path, part: Path, path: Path, contents: Contents) -> None:
    """See `write_cog`."""
    options = {"driver": "COG", "compress": contents.compression, "predictor": "YES", "blocksize": BLOCK, "overview_resampling": contents.resampling}
    with ExitStack() as stack:
        if contents.compression == "ZSTD":
            source = with_overviews(source, partial(scratch_file, path), stack)
            # Copied overviews let this driver write the layout of a COG: directories first, then overviews, the smallest first.
            options = {"driver": "GTiff", "copy_src_overviews": True, "interleave": "band", "compress": "ZSTD", "zstd_level": 1, "predictor": 2,
                       "tiled": True, "blockxsize": BLOCK, "blockysize": BLOCK}
        # In one thread: with NUM_THREADS GDAL 3.10 says nothing where a write fails, and a full disk would leave half a map as a whole one.
        rasterio.shutil.copy(source, part, bigtiff="IF_SAFER", **options)
