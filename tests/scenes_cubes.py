"""Data cubes with known truth, written by hand: NetCDF through SciPy, Zarr version 2 as plain files."""

import json
from pathlib import Path

import numpy as np
import rasterio
from scipy.io import netcdf_file

from .scenes_crops import BANDS, DAYS, ORIGIN, SIZE, crop_season, crop_value

#: Day numbers of `DAYS` since 1 March 2023.
NUMBERS = (31, 61, 92, 122)
UNITS = "days since 2023-03-01 00:00:00"


def season_values(band):
    """The values of `crop_season` in one band, int16 (time, y, x)."""
    row, col = np.indices((SIZE, SIZE))
    return np.stack([crop_value((row // 20 + col // 20) % 3, day, band) for day in range(len(DAYS))]).astype(np.int16)


def write_netcdf(path, variables, units=UNITS, times=NUMBERS, calendar="standard", crs="EPSG:32633", bands=(), plain=False, order="yx"):
    """Variables (time, y, x), or (time, band, y, x) where there are names of bands, on the grid of `crop_season` from its upper left corner.

    `plain` axes have no attributes; `order` is that of the axes on the ground.
    """
    first = next(iter(variables.values()))
    with netcdf_file(path, "w") as file:
        for name, size in zip(("time", *(("band",) if len(bands) else ()), *order), first.shape, strict=True):
            file.createDimension(name, size)
        time = file.createVariable("time", "d", ("time",))
        time[:] = times
        if units:
            time.units, time.calendar = units, calendar
        for name, start, step in (("x", ORIGIN[0] + 5, 10), ("y", ORIGIN[1] - 5, -10)):
            axis = file.createVariable(name, "d", (name,))
            axis[:] = start + step * np.arange(first.shape[order.index(name) - 2])
            if not plain:
                axis.units, axis.standard_name = "m", f"projection_{name}_coordinate"
        if len(bands):
            file.createVariable("band", "i", ("band",))[:] = bands
        mapping = file.createVariable("spatial_ref", "i", ())
        if crs:
            mapping.crs_wkt = rasterio.crs.CRS.from_user_input(crs).to_wkt()
        for name, values in variables.items():
            variable = file.createVariable(name, values.dtype.str[1:], ("time", *(("band",) if len(bands) else ()), *order))
            variable[:] = values
            variable.grid_mapping = "spatial_ref"
    return path


def write_plain_netcdf(path):
    """One image of 8 x 8 px of 10 m, without times."""
    with netcdf_file(path, "w") as file:
        for name, start, step in (("y", ORIGIN[1] - 5, -10), ("x", ORIGIN[0] + 5, 10)):
            file.createDimension(name, 8)
            axis = file.createVariable(name, "d", (name,))
            axis[:] = start + step * np.arange(8)
            axis.units, axis.standard_name = "m", f"projection_{name}_coordinate"
        file.createVariable("spatial_ref", "i", ()).crs_wkt = rasterio.crs.CRS.from_epsg(32633).to_wkt()
        variable = file.createVariable("B04", "h", ("y", "x"))
        variable[:], variable.grid_mapping = np.ones((8, 8)), "spatial_ref"
    return path


def write_zarr(root, variables, units=UNITS, bands=None):
    """As `write_netcdf`, but a folder of Zarr version 2 as xarray writes it; names of bands are texts."""
    first = next(iter(variables.values()))
    root = Path(root)
    root.mkdir()
    (root / ".zgroup").write_text('{"zarr_format": 2}')

    def array(name, values, dimensions, **attributes):
        (root / name).mkdir()
        (root / name / ".zarray").write_text(json.dumps({
            "zarr_format": 2, "shape": values.shape, "chunks": values.shape, "dtype": values.dtype.str, "compressor": None, "fill_value": None,
            "order": "C", "filters": None}))
        (root / name / ".zattrs").write_text(json.dumps({"_ARRAY_DIMENSIONS": dimensions, **attributes}))
        (root / name / ".".join("0" * max(values.ndim, 1))).write_bytes(values.tobytes())

    array("time", np.array(NUMBERS[:len(first)], np.int64), ["time"], **({"units": units, "calendar": "proleptic_gregorian"} if units else {}))
    array("x", ORIGIN[0] + 5 + 10.0 * np.arange(first.shape[-1]), ["x"])
    array("y", ORIGIN[1] - 5 - 10.0 * np.arange(first.shape[-2]), ["y"])
    array("spatial_ref", np.array(0, np.int64), [], crs_wkt=rasterio.crs.CRS.from_epsg(32633).to_wkt())
    if bands:
        array("band", np.array(bands), ["band"])
    for name, values in variables.items():
        array(name, values, ["time", *(["band"] if bands else []), "y", "x"], grid_mapping="spatial_ref")
    return root


def crop_cube(folder):
    """`crop_season` as one NetCDF file with a variable for each band and its scene classes, the parcels beside it, and cubes that are refused."""
    crop_season(folder)
    bands = {band: season_values(number) for number, band in enumerate(BANDS)}
    classes = np.full((4, SIZE, SIZE), 4, np.int8)
    classes[1, :60] = 9
    write_netcdf(folder / "cube.nc", {**bands, "SCL": classes})
    write_zarr(folder / "cube.zarr", {"reflectance": np.stack(list(bands.values()), 1)}, bands=BANDS)
    write_netcdf(folder / "without_dates.nc", {"B04": bands["B04"]}, units="")
    write_netcdf(folder / "twice.nc", {"B04": bands["B04"]}, times=(0, 0.4, 1, 2))
    write_netcdf(folder / "model_days.nc", {"B04": bands["B04"]}, calendar="360_day")
    return folder
