"""The files of PASTIS: the table of its patches with folds, places and days, and the arrays of a patch."""

from __future__ import annotations

import io
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any

import numpy as np
import pyproj
import shapely
from msgspec import Meta, Struct
from pyproj.exceptions import CRSError
from shapely.geometry import shape

from ...errors import DataError
from ..datasets.shards import NO_ARRAY
from ..rasters.series_dates import parse_day
from ..records import checked, printable, shown
from .tree import Tree, joined

METADATA, ANNOTATIONS = "metadata.geojson", "ANNOTATIONS"
SIZE = 128
#: Of dates of Sentinel-1 and Sentinel-2.
YEARS = (2014, 2100)
#: Coordinates of places on the earth are smaller, in metres as in degrees.
FARTHEST = 1e9
ADVICE = "Copy or unpack the data again."


@dataclass(frozen=True)
class Source:
    """Images of a sensor: its key in names of files and of the days, the number of its bands, and whether they are fractions or int16."""

    key: str
    bands: int
    fractions: bool

    @property
    def folder(self) -> str:
        """That holds its arrays."""
        return f"DATA_{self.key}"

    @property
    def days(self) -> str:
        """Key of its days in the table."""
        return f"dates-{self.key}"

    def fits(self, array: np.ndarray) -> bool:
        """Whether an array holds its images, of any number of dates."""
        known = array.dtype.kind == "f" if self.fractions else array.dtype == np.int16
        return known and array.ndim == 4 and array.shape[1:] == (self.bands, SIZE, SIZE)

    def file(self, root: str, patch: str) -> str:
        """Path of the array of a patch."""
        return joined(root, f"{self.folder}/{self.key}_{patch}.npy")


SOURCES = {"s2": Source("S2", 10, False), "s1a": Source("S1A", 3, True), "s1d": Source("S1D", 3, True)}


@dataclass(frozen=True)
class Patch:
    """A patch: its number, fold, tile of Sentinel-2, outline, and the days of its images by sensor."""

    name: str
    fold: int
    tile: str
    outline: shapely.Polygon
    days: dict[str, list[date]]


class _Properties(Struct):
    ID_PATCH: int | str
    Fold: Annotated[int, Meta(ge=1, le=5)]
    TILE: str = ""
    dates: dict[str, dict[str, int | str]] = {}


def read_patches(tree: Tree, root: str, sensors: Iterable[str]) -> tuple[list[Patch], str]:
    """The patches in the order of their numbers, and the CRS of their outlines as WKT.

    Raises:
        DataError: the table is damaged or of another form, or names files that are missing: how many, and the first.
    """
    path = joined(root, METADATA)
    content = tree.json(path, ADVICE)
    features = content.get("features")
    if not isinstance(features, list) or not features:
        raise DataError(f"{tree.full(path)} lists no patches. {ADVICE}")
    patches = sorted((_patch(feature, f"Patch {number} of {tree.full(path)}", [*sensors]) for number, feature in enumerate(features, 1)),
                     key=lambda patch: (len(patch.name), patch.name))
    twice = next((one.name for one, other in zip(patches, patches[1:]) if one.name == other.name), "")
    if twice:
        raise DataError(f"{tree.full(path)} lists the patch {twice} twice. {ADVICE}")
    _check_files(tree, root, patches, [*sensors])
    return patches, _crs(content, tree.full(path))


def label_file(root: str, patch: str) -> str:
    """Path of the classes of a patch."""
    return joined(root, f"{ANNOTATIONS}/TARGET_{patch}.npy")


def read_images(tree: Tree, root: str, patch: Patch, sensor: str) -> np.ndarray:
    """The images of a patch (date, band, y, x).

    Raises:
        DataError: the array is damaged, or has other bands, or another number of dates than the table.
    """
    source = SOURCES[sensor]
    path = source.file(root, patch.name)
    array, days = _array(tree, path), len(patch.days[sensor])
    if not source.fits(array):
        kind = "fractions" if source.fractions else "int16"
        raise DataError(f"{tree.full(path)} holds {array.dtype} of the shape {_words(array.shape)}, but the images of {source.key} are {kind} of "
                        f"{_words((days, source.bands, SIZE, SIZE))} (dates, bands, rows, columns). {ADVICE}")
    if len(array) != days:
        raise DataError(f"{tree.full(path)} holds {len(array)} dates, but {METADATA} names {days} for the patch {patch.name}. {ADVICE}")
    return array


def read_classes(tree: Tree, root: str, patch: Patch, classes: int) -> np.ndarray:
    """The class of each pixel, 0 to `classes` - 1 (y, x).

    Raises:
        DataError: the array is damaged, of another shape, or holds another class.
    """
    path = label_file(root, patch.name)
    array = _array(tree, path)
    if array.shape != (3, SIZE, SIZE) or array.dtype.kind not in "iu":
        raise DataError(f"{tree.full(path)} holds {array.dtype} of the shape {_words(array.shape)}, but labels are whole numbers of "
                        f"3 × {SIZE} × {SIZE}. {ADVICE}")
    found = np.array(array[0])
    if found.min() < 0 or found.max() >= classes:
        strange = found.min() if found.min() < 0 else found.max()
        raise DataError(f"{tree.full(path)} holds the class {strange}, but the classes of PASTIS are 0 to {classes - 1}. {ADVICE}")
    return found


def _patch(feature: Any, where: str, sensors: list[str]) -> Patch:
    said = feature.get("properties") if isinstance(feature, dict) else None
    said = said if isinstance(said, dict) else {}
    dates = {sensor: said.get(SOURCES[sensor].days) for sensor in sensors}
    lacking = next((sensor for sensor in sensors if dates[sensor] is None), "")
    if lacking:
        raise DataError(f"{where} has no “{SOURCES[lacking].days}”, but the folder {SOURCES[lacking].folder} is there. {ADVICE}")
    known = checked({**said, "dates": dates}, _Properties, where, DataError, ADVICE)
    name = str(known.ID_PATCH)
    if not name.isascii() or not name.isdigit():
        raise DataError(f"{where} has the ID_PATCH {shown(name)}, but a patch has a number. {ADVICE}")
    try:
        outline = shape(feature["geometry"])
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, shapely.errors.ShapelyError):
        outline = shapely.Polygon()
    if isinstance(outline, shapely.MultiPolygon) and len(outline.geoms) == 1:
        outline = outline.geoms[0]
    if not isinstance(outline, shapely.Polygon) or not outline.area > 0 or not np.abs(outline.bounds).max() < FARTHEST:
        raise DataError(f"{where} has no outline. {ADVICE}")
    return Patch(name, known.Fold, printable(known.TILE), outline, {
        sensor: _days(known.dates[sensor], f"{where}, in “{SOURCES[sensor].days}”,") for sensor in sensors})


def _days(said: dict[str, int | str], where: str) -> list[date]:
    """Days by their number, as 20180917."""
    days: list[date] = []
    for key in sorted(said, key=lambda key: (len(key), key)):
        day = parse_day(str(said[key]))
        if day is None:
            raise DataError(f"{where} has {shown(said[key])}, which is no date. {ADVICE}")
        if not YEARS[0] <= day.year <= YEARS[1]:
            raise DataError(f"{where} has {day}, but no date of Sentinel-1 or Sentinel-2 is outside of the years {YEARS[0]} to {YEARS[1]}. {ADVICE}")
        if days and day <= days[-1]:
            raise DataError(f"{where} has {day} behind {days[-1]}, but dates rise. {ADVICE}")
        days.append(day)
    if not days:
        raise DataError(f"{where} has no date. {ADVICE}")
    return days


def _check_files(tree: Tree, root: str, patches: list[Patch], sensors: list[str]) -> None:
    there = {folder: {*tree.children(joined(root, folder))[1]} for folder in tree.children(root)[0]}
    named = [file for patch in patches for file in (*(SOURCES[sensor].file(root, patch.name) for sensor in sensors), label_file(root, patch.name))]
    missing = [file for file in named if file.rpartition("/")[2] not in there.get(file.split("/")[-2], ())]
    if missing:
        raise DataError(f"{tree.full(joined(root, METADATA))} names {len(named)} files of {len(patches)} patches, and {len(missing)} of them are "
                        f"missing, the first {tree.full(missing[0])}. {ADVICE}")


def _crs(content: dict, where: str) -> str:
    """GeoJSON of before 2016 names its CRS; that of PASTIS is Lambert-93. Later ones are in degrees."""
    said = content.get("crs")
    name = said.get("properties", {}).get("name") if isinstance(said, dict) and isinstance(said.get("properties", {}), dict) else None
    try:
        return pyproj.CRS.from_user_input(name or "OGC:CRS84").to_wkt()
    except CRSError:
        raise DataError(f"{where} has the coordinate system {shown(name)}, which is none. {ADVICE}") from None


def _array(tree: Tree, name: str) -> np.ndarray:
    """An array of a folder as a memory map, of an archive read whole; never a pickle."""
    try:
        path = tree.path / name
        if path.is_file():
            return np.load(path, mmap_mode="r", allow_pickle=False)
        return np.load(io.BytesIO(tree.read(name)), allow_pickle=False)
    except NO_ARRAY as error:
        raise DataError(f"{tree.full(name)} cannot be read as an array ({str(error)[:200]}). It may be cut short: copy or unpack it again.") from None


def _words(sizes: tuple[int, ...]) -> str:
    return " × ".join(map(str, sizes)) or "a single number"
