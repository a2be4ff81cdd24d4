"""Brings scenes onto a grid of square pixels: by ground control points, or from another grid, strip by strip into a file."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio
from rasterio.control import GroundControlPoint
from rasterio.crs import CRS
from rasterio.enums import Resampling
from rasterio.errors import CRSError, NotGeoreferencedWarning, RasterioIOError
from rasterio.warp import calculate_default_transform, reproject

from ..errors import DataError
from ..report import SILENT, Report
from .grid import Grid, Window

#: Rows warped at once.
STRIP_ROWS = 256
#: With this many points a thin-plate spline follows the terrain-corrected grid of Sentinel-1 (210 points); few points take a polynomial.
SPLINE_POINTS = (10, 600)


@dataclass(frozen=True)
class ControlPoints:
    """Ground control points and their CRS (WKT)."""

    points: tuple[GroundControlPoint, ...]
    crs: str


@contextmanager
def raw(source: dict) -> Iterator[rasterio.DatasetReader]:
    """Opens a raster as it is stored, also without a grid, which `Raster` refuses.

    Raises:
        DataError: when it cannot be opened.
    """
    options = dict(option.split("=", 1) for option in source.get("open_options") or ())
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            opened = rasterio.open(source["path"], **options)
    except RasterioIOError as error:
        raise DataError(f"{source['path']} cannot be opened as a raster ({error}). Check that the file exists, is whole and is an image."
                        ) from error
    with opened:
        yield opened


def is_placed(opened: rasterio.DatasetReader, crs: str = "") -> bool:
    """Whether a raster has a grid on the map."""
    return bool(crs or opened.crs) and not opened.transform.is_identity


def control_points(opened: rasterio.DatasetReader) -> ControlPoints | None:
    """The ground control points of a raster, or None."""
    points, crs = opened.gcps
    return ControlPoints(tuple(points), crs.to_wkt()) if points and crs else None


def target_grid(control: ControlPoints, width: int, height: int, target_crs: str, resolution: float | None = None) -> Grid:
    """The grid that holds an image placed by control points.

    Args:
        control: the points.
        width: columns of the image.
        height: rows of the image.
        target_crs: a projected CRS, such as EPSG:3413.
        resolution: pixel size in units of the CRS; None keeps about that of the image.

    Returns:
        A grid of square pixels.

    Raises:
        DataError: a CRS that is not known or has no metres, or points that cannot be transformed.
    """
    try:
        crs = CRS.from_user_input(target_crs)
    except CRSError as error:
        raise DataError(f"The target CRS “{target_crs}” is not known ({error}). Give one such as EPSG:3413 or EPSG:3031.") from None
    if not crs.is_projected:
        raise DataError(f"The target CRS “{target_crs}” is not projected, so its pixels would not be square on the ground. "
                        "Give a polar projection such as EPSG:3413, EPSG:3995 or EPSG:3031.")
    try:
        transform, columns, rows = calculate_default_transform(
            CRS.from_wkt(control.crs), crs, width, height, gcps=list(control.points), resolution=resolution)
    except (CRSError, ValueError, RasterioIOError) as error:
        raise DataError(f"The ground control points do not fit into the target CRS “{target_crs}” ({error}). Choose a CRS of that "
                        "part of the world.") from None
    return Grid(crs.to_wkt(version="WKT2_2019"), (transform.a, 0.0, transform.c, 0.0, transform.e, transform.f), columns, rows)


def warp(source: dict, bands: Sequence[int], grid: Grid, path: Path, nodata: Sequence[Sequence[float]], control: ControlPoints | None = None,
         report: Report = SILENT) -> None:
    """Warps bands of a raster onto a grid, bilinearly.

    Args:
        source: raster value of a job.
        bands: numbers of the bands, from 1.
        grid: the new grid.
        path: GeoTIFF to write, float32 with NaN where nothing was measured.
        nodata: for each band the values that mean “nothing measured”.
        control: places the raster where it has no grid of its own.
        report: progress.
    """
    profile = {"driver": "GTiff", "width": grid.width, "height": grid.height, "count": len(bands), "dtype": "float32", "nodata": np.nan,
               "crs": CRS.from_wkt(grid.crs), "transform": rasterio.Affine(*grid.transform), "tiled": True, "blockxsize": 256,
               "blockysize": 256, "compress": "deflate", "predictor": 3, "zlevel": 1, "bigtiff": "if_safer"}
    with raw(source) as opened:
        several = any(len({*missing, opened.nodatavals[band - 1]} - {None}) > 1 for band, missing in zip(bands, nodata, strict=True))
    if several:  # GDAL's warper takes one nodata value
        clean = path.with_name(f"clean-{path.name}")
        _clean(source, bands, nodata, clean)
        warp({"path": str(clean)}, range(1, len(bands) + 1), grid, path, [()] * len(bands), control, report)
        return
    with raw(source) as opened, rasterio.open(path, "w", **profile) as target:
        for row in range(0, grid.height, STRIP_ROWS):
            report.progress(row / grid.height, f"Warping {source.get('name') or Path(source['path']).name}")
            strip = Window(0, row, grid.width, min(STRIP_ROWS, grid.height - row))
            for number, (band, missing) in enumerate(zip(bands, nodata, strict=True), 1):
                values = _strip(opened, band, grid, strip, missing, control, source.get("crs") or "")
                target.write(values, number, window=rasterio.windows.Window(0, row, strip.width, strip.height))


def _strip(opened: rasterio.DatasetReader, band: int, grid: Grid, strip: Window, missing: Sequence[float], control: ControlPoints | None,
           crs: str) -> np.ndarray:
    """One band of a strip (y, x), float32."""
    values = np.full((strip.height, strip.width), np.nan, np.float32)
    options: dict = {"src_nodata": missing[0] if len(missing) else None}
    if control is not None:
        few, many = SPLINE_POINTS
        method = "GCP_TPS" if few <= len(control.points) <= many else "GCP_POLYNOMIAL"
        options.update(gcps=list(control.points), src_crs=CRS.from_wkt(control.crs), SRC_METHOD=method)
    else:
        options.update(src_transform=opened.transform, src_crs=CRS.from_user_input(crs) if crs else opened.crs)
    reproject(rasterio.band(opened, band), values, dst_transform=rasterio.Affine(*grid.sub(strip).transform),
              dst_crs=CRS.from_wkt(grid.crs), dst_nodata=np.nan, init_dest_nodata=True, resampling=Resampling.bilinear, **options)
    return values


def _clean(source: dict, bands: Sequence[int], nodata: Sequence[Sequence[float]], path: Path) -> None:
    """Copies bands with NaN in place of every nodata value, float32."""
    with raw(source) as opened:
        crs = CRS.from_user_input(source["crs"]) if source.get("crs") else opened.crs
        place = {} if opened.transform.is_identity else {"transform": opened.transform, "crs": crs}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            target = rasterio.open(path, "w", driver="GTiff", width=opened.width, height=opened.height, count=len(bands), dtype="float32",
                                   nodata=np.nan, **place)
        with target:
            for row in range(0, opened.height, STRIP_ROWS):
                window = rasterio.windows.Window(0, row, opened.width, min(STRIP_ROWS, opened.height - row))
                for number, (band, missing) in enumerate(zip(bands, nodata, strict=True), 1):
                    values = opened.read(band, window=window, out_dtype="float32")
                    known = [value for value in (*missing, opened.nodatavals[band - 1]) if value is not None]
                    values[np.isin(values, np.array(known, np.float32))] = np.nan
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
