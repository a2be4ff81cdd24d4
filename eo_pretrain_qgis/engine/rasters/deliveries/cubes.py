"""Data cubes, NetCDF or Zarr: variables with the dimensions time, y and x, and perhaps one of bands, opened day by day.

Times are read as the Climate and Forecast conventions write them (CF 1.11, §4.4: ``days since 2019-01-01``). GDAL's drivers read the files; a
day of a variable is a virtual raster of one of its layers, so that a cube is a scene like any other.
"""

from __future__ import annotations

import functools
import os
import re
import warnings
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import rasterio
from rasterio.errors import NotGeoreferencedWarning, RasterioIOError

from ....errors import DataError, listed
from ....scene_names import cube_parts, scene_name, with_day
from .. import sources
from ..sensors import SENTINEL2_WAVELENGTHS
from .packages import BandFile, Delivery, finite

#: Seconds of the units in which CF writes times; months and years have no fixed length.
UNITS = {"day": 86_400.0, "d": 86_400.0, "hour": 3_600.0, "h": 3_600.0, "hr": 3_600.0, "minute": 60.0, "min": 60.0, "second": 1.0, "sec": 1.0,
         "s": 1.0, "millisecond": 1e-3, "msec": 1e-3, "microsecond": 1e-6, "nanosecond": 1e-9}
#: Calendars whose days are days of everyday life.
CALENDARS = ("", "standard", "gregorian", "proleptic_gregorian")
_SINCE = re.compile(r"\s*(\w+)\s+since\s+(\d{4})-(\d{1,2})-(\d{1,2})(?:[T ]+(\d{1,2})(?::(\d{1,2}))?(?::(\d{1,2})(?:\.\d*)?)?)?"
                    r"\s*(?:Z|UTC|[+-]00:?00)?\s*")
#: Tags of a layer: the place along a dimension, of NetCDF and of Zarr.
_PLACE = re.compile(r"NETCDF_DIM_(\w+)|DIM_(\w+)_VALUE")
#: Names of a dimension of times that does not say its unit.
TIMES = ("time", "t", "date", "datetime", "day")
#: Variables that are no bands: masks of clouds by their kind, and where pixels lie.
MASKS = {"scl": "scl", "qa_pixel": "qa_pixel"}
#: Of GDAL's NetCDF driver: axes called x and y are places also where no attribute says so.
AXES = "IGNORE_XY_AXIS_NAME_CHECKS"
#: Names of a coordinate that lies along the rows of an image.
ALONG = ("x", "X", "lon", "longitude", "easting")
ADVICE = "Write its times as “days since 2019-01-01”, or give one raster for each date."


@dataclass(frozen=True)
class Layer:
    """One layer of a variable.

    Attributes:
        band: its name: that of the variable, or of the place along a dimension of bands.
        path: what GDAL opens.
        day: of it; None where it says none.
    """

    band: str
    path: str
    day: date | None


def cube_days(path: str) -> list[date]:
    """The days of a data cube in their order; empty for what is none.

    Raises:
        DataError: a cube whose times cannot be read, or that has a day twice.
    """
    file, _ = cube_parts(path)
    if not file or path != _plain(path) or not os.path.exists(file):
        return []
    days: dict[str, list[date]] = {}
    for layer in _layers(path):
        if layer.day is not None:
            days.setdefault(layer.band, []).append(layer.day)
    for own in days.values():
        twice = next((day for day in own if own.count(day) > 1), None)
        if twice:
            raise DataError(f"{path} holds {own.count(twice)} layers of {twice}, and a series holds each date once. Join them first, such as by "
                            "their median.")
    return sorted({day for own in days.values() for day in own})


def read(path: str, day: str) -> Delivery | None:
    """A day of a data cube as a scene.

    Args:
        path: of the cube or of one variable.
        day: ``2019-04-05``; empty asks for the only one.

    Returns:
        The scene; None for a file without times, which GDAL opens as it is.

    Raises:
        DataError: times that cannot be read, or a day that is not there or was not named.
    """
    file, variable = cube_parts(path)
    if not os.path.exists(file):
        return None  # GDAL says so
    days = cube_days(path)
    if not days:
        if day:
            raise DataError(f"{path} holds no dates, but {day} was asked for. Leave out what follows “|”.")
        return None
    known = {each.isoformat(): each for each in days}
    if not day and len(days) > 1:
        raise DataError(f"{path} is a data cube of {len(days)} dates, {days[0]} to {days[-1]}, and one image is of one. Write a date behind it, as "
                        f"{with_day(path, days[0].isoformat())}, or make a series of it with “Create crop dataset”.")
    chosen = known.get(day) if day else days[0]
    if chosen is None:
        raise DataError(f"{path} holds no layer of {day}; its dates are {listed(map(str, days), 8)}. Choose one of them.")
    layers = [layer for layer in _layers(path) if layer.day == chosen]
    masks = {layer.band.lower(): layer for layer in layers if layer.band.lower() in MASKS}
    bands = [layer for layer in layers if layer not in masks.values()] or layers
    mask = next(iter(masks.items()), None)
    alone = len(layers) == 1 and bool(variable)  # a variable that was named may be a mask of any kind
    return Delivery(scene_name(with_day(path, chosen.isoformat())), f"data cube {os.path.basename(file)}",
                    tuple(BandFile(layer.band, layer.path) for layer in bands), date=chosen.isoformat(),
                    mask=mask[1].path if mask else layers[0].path if alone else "", mask_kind=MASKS[mask[0]] if mask else "")


def _plain(path: str) -> str:
    return path.partition("|")[0]


def _layers(path: str) -> tuple[Layer, ...]:
    file, variable = cube_parts(path)
    found = os.stat(file)
    return _listed(path, os.path.abspath(file), variable, (found.st_mtime_ns, found.st_size))


@functools.lru_cache(maxsize=16)
def _listed(path: str, file: str, variable: str, stamp: tuple[int, int]) -> tuple[Layer, ...]:
    """Every layer of every variable with two axes on the ground. `stamp` is part of the key: a file that has changed is read again."""
    kind = "ZARR" if os.path.isdir(file) else "NETCDF"
    names = [variable] if variable else _variables(path, file)
    layers: list[Layer] = []
    for name in names:
        inner = f'{kind}:"{file}":{"/" if kind == "ZARR" else ""}{name}'
        if set("?&") & set(inner):
            raise DataError(f"The name of {path} has the sign “?” or “&”, so that its layers cannot be told apart. Rename it.")
        layers += _of_variable(path, file, inner, name)
    return tuple(layers)


def _variables(path: str, file: str) -> list[str]:
    """The variables of a file that are images, in the order of Sentinel-2's bands, else of their names."""
    with _opened(path, file) as opened:
        inside = opened.subdatasets
        if not inside:  # NetCDF with one variable is opened at once
            return [name] if opened.count and (name := opened.tags(1).get("NETCDF_VARNAME", "")) else []
    names, order = sorted({re.split(r"[:/]", each)[-1] for each in inside}), list(SENTINEL2_WAVELENGTHS)
    return [name for name in sorted(names, key=lambda name: order.index(name) if name in order else len(order)) if _is_image(file, name)]


def _quiet(path: str, **options: str) -> rasterio.DatasetReader:
    """Opens a variable; that coordinates and names of bands lie nowhere on the map goes without saying."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        return sources.raster(path, **options)


def _is_image(file: str, name: str) -> bool:
    """Whether a variable has two axes; coordinates and names of bands have one."""
    kind = "ZARR" if os.path.isdir(file) else "NETCDF"
    try:
        with _quiet(f'{kind}:"{file}":{"/" if kind == "ZARR" else ""}{name}') as opened:
            return min(opened.width, opened.height) > 1
    except RasterioIOError:  # texts, such as the names of bands
        return False


def _of_variable(path: str, file: str, inner: str, name: str) -> list[Layer]:
    options = {AXES: "YES"} if inner.startswith("NETCDF") else {}
    with _opened(path, inner, **options) as opened:
        _check_axes(path, file, name, opened)
        whole, tags = opened.tags(), [opened.tags(number) for number in range(1, opened.count + 1)]
    layers = []
    for number, own in enumerate(tags, 1):
        places = {match[1] or match[2]: value for key, value in own.items() if (match := _PLACE.fullmatch(key))}
        units = {axis: own.get(f"DIM_{axis}_UNIT") or whole.get(f"{axis}#units", "") for axis in places}
        times = [axis for axis, unit in units.items() if " since " in unit]
        silent = [axis for axis in places if axis.lower() in TIMES and axis not in times]
        if not times and silent and len(tags) > 1:
            raise DataError(f"{path} is a data cube, but “{name}” does not say of which days its {len(tags)} layers along “{silent[0]}” are. "
                            f"{ADVICE}")
        others = [axis for axis in places if axis not in times]
        if len(times) > 1 or len(others) > 1:
            raise DataError(f"The variable “{name}” of {path} has the dimensions {listed(places)} beside its axes on the ground, and one of times "
                            "and one of bands are read. Choose another variable.")
        day = _day(path, places[times[0]], units[times[0]], whole.get(f"{times[0]}#calendar") or _calendar(file, times[0])) if times else None
        band = places[others[0]].strip() if others else name
        band = f"{name} {band}" if others and finite(band) is not None else band
        more = "".join(f"&oo={key}={value}" for key, value in options.items())
        layers.append(Layer(band, f"vrt://{inner}?bands={number}{more}", day))
    return layers if any(layer.day for layer in layers) else []


def _check_axes(path: str, file: str, name: str, opened: rasterio.DatasetReader) -> None:
    """Refuses a variable whose last axis is not along the rows: GDAL would show it mirrored.

    Raises:
        DataError: its axes are in another order.
    """
    if os.path.isdir(file) or opened.transform.is_identity:
        return
    for along in ALONG:
        try:
            with _quiet(f'NETCDF:"{file}":{along}') as coordinate:
                values = coordinate.read(1).ravel()
        except RasterioIOError:
            continue
        a, middle = opened.transform.a, opened.transform.c + opened.transform.a / 2
        if len(values) != opened.width or abs((values.min() if a > 0 else values.max()) - middle) > abs(a) / 2:
            raise DataError(f"The variable “{name}” of {path} has its axes in another order than time, y and x. Bring them into this order first.")
        return


def _opened(path: str, inner: str, **options: str) -> rasterio.DatasetReader:
    try:
        return _quiet(inner, **options)
    except RasterioIOError as error:
        raise DataError(f"{path} cannot be opened as a data cube ({error}). Check that it is whole. Of Zarr version 2 is read; write others anew as "
                        "version 2 or as NetCDF.") from None


@functools.lru_cache(maxsize=16)
def _calendar(file: str, axis: str) -> str:
    """The calendar of a dimension of Zarr; NetCDF's is among the tags."""
    if not os.path.isdir(file):
        return ""
    try:
        with _quiet(f'ZARR:"{file}":/{axis}') as opened:
            return opened.tags().get("calendar", "")
    except RasterioIOError:
        return ""


def _day(path: str, value: str, unit: str, calendar: str) -> date:
    """The day of a time.

    Raises:
        DataError: a unit, calendar or number that says none.
    """
    match, number = _SINCE.fullmatch(unit), finite(value)
    seconds = UNITS.get(re.sub("(?<=...)s$", "", match[1].lower())) if match else None
    if calendar.lower() not in CALENDARS:
        raise DataError(f"{path} counts its times in the calendar “{calendar}”, whose days are not those of any image. {ADVICE}")
    if not match or seconds is None or number is None:
        raise DataError(f"{path} writes a time as {value} “{unit}”, which is no day. {ADVICE}")
    try:
        start = datetime(*(int(match[group] or 0) for group in range(2, 8)))  # type: ignore[arg-type]
        return (start + timedelta(seconds=number * seconds)).date()
    except (ValueError, OverflowError):
        raise DataError(f"{path} writes a time as {value} “{unit}”, which is no day. {ADVICE}") from None
