"""Brings scenes onto a grid of square pixels: by ground control points, or from another grid, strip by strip into a file."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import rasterio
from rasterio.crs import CRS
from rasterio.enums import Resampling
from rasterio.errors import NotGeoreferencedWarning, RasterioIOError
from rasterio.warp import calculate_default_transform, reproject

from ....errors import DataError
from ....progress import SILENT, Progress
from ...rasters import deliveries, sources
from ...rasters.control_points import ControlPoints, warp_method
from ...rasters.grid import Grid, Window
from ...rasters.nodata import is_nodata

#: Rows warped at once.
STRIP_ROWS = 256
#: Error allowed in placing a pixel by interpolation between strips' own corners [px].
TOLERANCE = 0.01


@contextmanager
def raw(source: dict) -> Iterator[rasterio.DatasetReader]:
    """Opens a raster as it is stored, also without a grid, which `Raster` refuses; of a delivered scene all its bands.

    Raises:
        DataError: when it cannot be opened.
    """
    options = dict(option.split("=", 1) for option in source.get("open_options") or ())
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            virtual = deliveries.virtual_of(source["path"])
            opened = sources.virtual(virtual.xml) if virtual else sources.raster(source["path"], **options)
    except RasterioIOError as error:
        raise DataError(f"{source['path']} cannot be opened as a raster ({error}). Check that the file exists, is whole and is an image."
                        ) from error
    with opened, sources.permit(source["path"]):
        yield opened


def is_placed(opened: rasterio.DatasetReader, crs: str = "") -> bool:
    """Whether a raster has a grid on the map."""
    return bool(crs or opened.crs) and not opened.transform.is_identity


def file_nodata(source: dict, opened: rasterio.DatasetReader, band: int) -> float | None:
    """The nodata value in the file of a band, from 1; None where there is none, or where the layer says that it does not count."""
    own = source.get("own_nodata") or ()
    return opened.nodatavals[band - 1] if band > len(own) or own[band - 1] else None


def warp(source: dict, bands: Sequence[int], grid: Grid, path: Path, nodata: Sequence[Sequence[float]], control: ControlPoints | None = None,
         progress: Progress = SILENT) -> None:
    """Warps bands of a raster onto a grid, bilinearly.

    Args:
        source: raster value of a job.
        bands: numbers of the bands, from 1.
        grid: the new grid.
        path: GeoTIFF to write, float32 with NaN where nothing was measured.
        nodata: for each band the values that mean “nothing measured”.
        control: places the raster where it has no grid of its own.
        progress: told how far it is.
    """
    profile = {"driver": "GTiff", "width": grid.width, "height": grid.height, "count": len(bands), "dtype": "float32", "nodata": np.nan,
               "crs": CRS.from_wkt(grid.crs), "transform": rasterio.Affine(*grid.transform), "tiled": True, "blockxsize": 256,
               "blockysize": 256, "compress": "deflate", "predictor": 3, "zlevel": 1, "bigtiff": "if_safer"}
    moved = control.to(grid.crs) if control else None
    with raw(source) as opened:
        meaning = [(opened.scales[band - 1], opened.offsets[band - 1]) for band in bands]
        scale = None if moved is None else min(1.0, _native(moved, opened.width, opened.height) / grid.resolution[0])
        declared = [(opened.nodatavals[band - 1], file_nodata(source, opened, band)) for band in bands]
        several = any(len({*missing, own} - {None}) > 1 or (own is None) != (counts is None)
                      for missing, (own, counts) in zip(nodata, declared, strict=True))
    name = source.get("name") or Path(source["path"]).name
    if moved is not None or several:  # GDAL's warper takes one nodata value, and the control points that are in the file
        clean = path.with_name(f"clean-{path.name}")
        _clean(source, bands, nodata, clean, moved, progress.part(0, 0.2))
        progress = progress.part(0.2, 1)
        source, bands, nodata = {"path": str(clean)}, range(1, len(bands) + 1), [()] * len(bands)
    with raw(source) as opened, rasterio.open(path, "w", **profile) as target:
        target.scales, target.offsets = zip(*meaning, strict=True)  # values stay as they are stored
        for row in range(0, grid.height, STRIP_ROWS):
            progress.at(row / grid.height, f"Warping {name}")
            strip = Window(0, row, grid.width, min(STRIP_ROWS, grid.height - row))
            for number, (band, missing) in enumerate(zip(bands, nodata, strict=True), 1):
                values = _strip(opened, band, grid, strip, missing, moved, source.get("crs") or "", scale)
                target.write(values, number, window=rasterio.windows.Window(0, row, strip.width, strip.height))


def _native(control: ControlPoints, width: int, height: int) -> float:
    """About the pixel size of an image in the CRS of its control points."""
    crs = CRS.from_wkt(control.crs)
    return abs(calculate_default_transform(crs, crs, width, height, gcps=list(control.points))[0].a)


def _strip(opened: rasterio.DatasetReader, band: int, grid: Grid, strip: Window, missing: Sequence[float], control: ControlPoints | None,
           crs: str, scale: float | None) -> np.ndarray:
    """One band of a strip (y, x), float32."""
    values = np.full((strip.height, strip.width), np.nan, np.float32)
    options: dict = {"src_nodata": missing[0] if len(missing) else None, "tolerance": TOLERANCE}
    if control is not None:
        # GDAL would take the scale from the shape of the strip, which for a turned image blurs.
        options.update(src_crs=CRS.from_wkt(control.crs), XSCALE=scale, YSCALE=scale, **warp_method(control))
    else:
        options.update(src_transform=opened.transform, src_crs=CRS.from_user_input(crs) if crs else opened.crs)
    reproject(rasterio.band(opened, band), values, dst_transform=rasterio.Affine(*grid.sub(strip).transform),
              dst_crs=CRS.from_wkt(grid.crs), dst_nodata=np.nan, init_dest_nodata=True, resampling=Resampling.bilinear, **options)
    return values


def _clean(source: dict, bands: Sequence[int], nodata: Sequence[Sequence[float]], path: Path,
           control: ControlPoints | None, progress: Progress) -> None:
    """Copies bands with NaN in place of every nodata value, float32, and with control points where they are given."""
    with raw(source) as opened:
        crs = CRS.from_user_input(source["crs"]) if source.get("crs") else opened.crs
        place = {} if control is not None or opened.transform.is_identity else {"transform": opened.transform, "crs": crs}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            target = rasterio.open(path, "w", driver="GTiff", width=opened.width, height=opened.height, count=len(bands), dtype="float32",
                                   nodata=np.nan, **place)
        with target:
            if control is not None:
                target.gcps = list(control.points), CRS.from_wkt(control.crs)
            for row in range(0, opened.height, STRIP_ROWS):
                progress.at(row / opened.height, f"Reading {Path(source['path']).name}")
                window = rasterio.windows.Window(0, row, opened.width, min(STRIP_ROWS, opened.height - row))
                for number, (band, missing) in enumerate(zip(bands, nodata, strict=True), 1):
                    values = opened.read(band, window=window, out_dtype="float32")
                    for value in (*missing, file_nodata(source, opened, band)):
                        if value is not None:
                            values[is_nodata(values, value)] = np.nan
                    target.write(values, number, window=window)


@contextmanager
def scratch_folder(folder: Path) -> Iterator[Path]:
    """A folder for warped bands inside a dataset that is being made; it is gone when the dataset is finished."""
    place = folder / "warped"
    place.mkdir()
    try:
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)
