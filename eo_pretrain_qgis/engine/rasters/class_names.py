"""What a class raster itself says of its classes: category names, attribute tables, and the colour table.

GDAL keeps names and attribute tables in the file or in ``.aux.xml`` beside it, whatever the format; rasterio does not hand them on, but a
virtual copy (VRT) made by GDAL spells them out. Esri's attribute table ``.vat.dbf`` is read beside it.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from xml.etree import ElementTree  # nosec B405 - what is parsed was written by GDAL and has no entities

import rasterio
import rasterio.shutil
from pyogrio.errors import DataLayerError, DataSourceError
from rasterio.errors import RasterioError
from rasterio.io import MemoryFile

from ...errors import DataError
from ...markup import writable
from ...progress import SILENT, Progress
from . import sources
from .raster import Raster
from .vector import VectorLayer

#: Largest description that is read [byte].
LARGEST = 64 * 2**20
#: Digits of a class value: pixels hold 32 bits.
MOST_DIGITS = 10
#: GDAL's usages of columns in an attribute table.
_NAME, _LOWEST, _VALUE, _RED, _GREEN, _BLUE = 2, 3, 5, 6, 7, 8
#: GDAL's types of columns.
_WHOLE, _TEXT = "0", "2"
#: What the heading of the column with the names may hold, the surest first; Esri's tables know no usages.
_NAME_HEADINGS = ("class", "name", "label", "legend", "categ", "descr")


@dataclass(frozen=True)
class NamedClass:
    """What a file says of a value: a name and a colour ``#rrggbb``, each empty where it says none."""

    name: str
    color: str


@dataclass(frozen=True)
class Column:
    """A column of an attribute table.

    Attributes:
        heading: in lower case.
        usage: of GDAL; 0 where it is not told.
        is_text: whether it holds text.
        is_whole: whether it holds whole numbers.
        cells: as text.
    """

    heading: str
    usage: int
    is_text: bool
    is_whole: bool
    cells: list[str]


def classes_in_file(opened: rasterio.DatasetReader, path: str, band: int = 1, progress: Progress = SILENT) -> dict[int, NamedClass]:
    """The values of a class raster that its file names or colours.

    Args:
        opened: the raster.
        path: by which it was opened.
        band: number of the band, from 1.
        progress: told when an attribute table beside the file cannot be read.
    """
    names, colors = _described(opened, path, band)
    beside_names, beside_colors = _beside(path, progress) if opened.count == 1 else ({}, {})
    names, colors = {**beside_names, **names}, {**_colormap(opened, band), **beside_colors, **colors}
    return {value: NamedClass(names.get(value, ""), colors.get(value, "")) for value in sorted({*names, *colors})}


def classes_of_layer(raster: Raster, band: int, progress: Progress = SILENT) -> dict[int, NamedClass]:
    """What is said of the values of a class raster: by the layer's symbology, and by the file where that says nothing.

    A name in the symbology that only repeats the value is none.

    Args:
        raster: the layer.
        band: number of its band, 0-based.
        progress: told when an attribute table beside the file cannot be read.
    """
    known = classes_in_file(raster.dataset, raster.path, raster.indexes[band], progress)
    for row in (raster.categories or {}).get("classes", ()):
        value = whole_number(str(row["value"]))
        if value is not None:
            own, in_file = _clean(str(row.get("name") or "")), known.get(value, NamedClass("", ""))
            known[value] = NamedClass(in_file.name if whole_number(own) == value else own or in_file.name, row.get("color") or in_file.color)
    return known


def whole_number(text: str) -> int | None:
    """A class value as a whole number, also written 3.0 or, as in German, 3,0; None where it is none."""
    written = re.fullmatch(rf"\s*([-+]?\d{{1,{MOST_DIGITS}}})([.,]0*)?\s*", text, re.ASCII)
    return int(written[1]) if written else None


def _colormap(opened: rasterio.DatasetReader, band: int) -> dict[int, str]:
    try:
        table = opened.colormap(band)
    except ValueError:  # there is none
        return {}
    return {value: _hexadecimal(*color[:3]) for value, color in table.items()}


def _described(opened: rasterio.DatasetReader, path: str, band: int) -> tuple[dict[int, str], dict[int, str]]:
    """Names and colours that GDAL knows of a band: its category names go before its attribute table."""
    try:
        with sources.permit(path), MemoryFile(ext=".vrt") as memory:
            rasterio.shutil.copy(opened, memory.name, driver="VRT")
            content = memory.read(LARGEST + 1)
    except RasterioError:  # a file of which GDAL makes no virtual copy, such as one turned into another first
        return {}, {}
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:  # ERDAS writes names in the code page of the machine
        text = content.decode("cp1252", "replace")
    try:
        root = ElementTree.fromstring(text)  # noqa: S314  # nosec B314 - see the import
    except ElementTree.ParseError:  # too long, or names with characters that XML has not
        return {}, {}
    described = next((found for found in root.findall("VRTRasterBand") if found.get("band") == str(band)), None)
    if described is None:
        return {}, {}
    table = described.find("GDALRasterAttributeTable")
    names, colors = ({}, {}) if table is None else _in_table(_columns(table), _row_values(table))
    categories = [_clean(cell.text or "") for cell in described.findall("CategoryNames/Category")]
    return {**names, **{value: name for value, name in enumerate(categories) if name}}, colors


def _columns(table: ElementTree.Element) -> list[Column]:
    rows = [[cell.text or "" for cell in row.findall("F")] for row in table.findall("Row")]
    return [Column((field.findtext("Name") or "").strip().lower(), int(field.findtext("Usage") or 0), field.findtext("Type") == _TEXT,
                   field.findtext("Type") == _WHOLE, [row[index] if index < len(row) else "" for row in rows])
            for index, field in enumerate(table.findall("FieldDefn"))]


def _row_values(table: ElementTree.Element) -> Iterator[int]:
    """The value that each row stands for where no column tells, as in files of ERDAS."""
    first, step = (float(table.get(key) or default) for key, default in (("Row0Min", 0), ("BinSize", 1)))
    rows = range(len(table.findall("Row"))) if math.isfinite(first) and math.isfinite(step) else ()
    return (math.floor(first + step * (row + 0.5)) for row in rows)


def _beside(path: str, progress: Progress) -> tuple[dict[int, str], dict[int, str]]:
    """Names and colours in Esri's attribute table beside a file: ``a.tif.vat.dbf`` or ``a.vat.dbf``."""
    table = next((place for place in (path + ".vat.dbf", os.path.splitext(path)[0] + ".vat.dbf") if os.path.isfile(place)), None)
    if table is None:
        return {}, {}
    try:
        read = VectorLayer.open({"path": table}).select(read_geometry=False)
    except (DataError, DataSourceError, DataLayerError, ValueError) as error:
        progress.message(f"{table} cannot be read ({error}), so the names of classes in it are not used. Copy or write it again, or give the names "
                         "in “Classes”.", level="warning")
        return {}, {}
    columns = [Column(str(name).lower(), 0, cells.dtype.kind not in "iuf", cells.dtype.kind in "iu",
                      ["" if value is None else str(value) for value in cells]) for name, cells in read.items()]
    return _in_table(columns, iter(()))


def _in_table(columns: Sequence[Column], row_values: Iterator[int]) -> tuple[dict[int, str], dict[int, str]]:
    """Names and colours by value from an attribute table."""
    told = _of_usage(columns, _VALUE) or _headed(columns, "value") or _of_usage(columns, _LOWEST)
    values = [whole_number(cell) for cell in told.cells] if told else list(row_values)
    texts = [column for column in columns if column.is_text]
    headed = [column for word in _NAME_HEADINGS for column in texts if word in column.heading]
    name = _of_usage(columns, _NAME) or next(iter([*headed, *texts]), None)
    names = {value: _clean(cell) for value, cell in zip(values, name.cells, strict=False) if value is not None} if name else {}
    parts = [_of_usage(columns, usage) or _headed(columns, word)
             for usage, word in ((_RED, "red"), (_GREEN, "green"), (_BLUE, "blue"))]
    shades = [_shades(part) for part in parts if part]
    colors = {value: _hexadecimal(*color) for value, *color in zip(values, *shades, strict=False)
              if value is not None and None not in color} if len(shades) == len(parts) else {}
    return {value: text for value, text in names.items() if text}, colors


def _of_usage(columns: Sequence[Column], usage: int) -> Column | None:
    return next((column for column in columns if column.usage == usage), None)


def _headed(columns: Sequence[Column], heading: str) -> Column | None:
    return next((column for column in columns if column.heading == heading), None)


def _shades(column: Column) -> list[int | None]:
    """The parts of colours from 0 to 255; tables with fractions count from 0 to 1."""
    try:
        numbers = [float(cell) for cell in column.cells]
    except ValueError:
        return [None] * len(column.cells)
    scale = 1 if column.is_whole or max(numbers, default=0) > 1 else 255
    return [round(scale * number) if 0 <= scale * number <= 255 else None for number in numbers]


def _hexadecimal(red: int, green: int, blue: int) -> str:
    return f"#{red:02x}{green:02x}{blue:02x}"


def _clean(text: str) -> str:
    return writable(" ".join(text.split()))
