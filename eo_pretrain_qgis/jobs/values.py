"""How a value from outside becomes the plain value a job holds, one visible row per kind of parameter."""

from __future__ import annotations

import json
import math
import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from functools import partial
from typing import Any

from ..errors import DataError, JobError
from ..markup import writable
from ..tables import COLOR, read_table
from . import files
from .texts import LONGEST_CRS, LONGEST_NAME, LONGEST_SOURCE, LONGEST_TEXT, path_text, plain, refuse, shown, shown_path

_WORDS = {"true": True, "yes": True, "1": True, "on": True, "false": False, "no": False, "0": False, "off": False}
#: Largest number of 64 bits: a limit that is none.
LARGEST_VALUE = sys.float_info.max
#: Coordinates of an extent lie below this, also in a CRS that counts millimetres.
LARGEST_COORDINATE = 1e11
#: Bands that a raster file may have in GDAL.
MOST_BANDS = 65_536
CLASS_COLUMNS = ("value", "name", "color")
_EXTENT = "xmin,xmax,ymin,ymax [EPSG:code]"
_OPTION = re.compile(r"[A-Za-z][A-Za-z0-9_:-]*=[^\n\r]*")


def read_value(name: str, param: Any, value: Any) -> Any:
    """Checks `value` against its declaration and returns it as a plain value.

    Raises:
        JobError: naming the parameter and the value.
    """
    reader = READERS[param.kind]
    if param.multiple:
        items = list(value) if isinstance(value, (list, tuple)) else [value]
        read = [reader(name, param, item) for item in items]
        if not param.repeats:
            files.refuse_repeated(name, param, read)
        return read
    if isinstance(value, list) and len(value) == 1 and param.kind not in ("classes", "extent"):
        value = value[0]
        if value in (None, "", []):
            raise refuse(name, param, [value], "a value, or left out")
    return reader(name, param, value)


def _finite(value: Any) -> float | None:
    """A number of any size as a float; None where it is none, "inf" or "nan"."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        number = float(value)
    except ValueError:
        return None
    except OverflowError:  # a whole number beyond 1.8e308
        return math.inf
    return number


def _number(name: str, param: Any, value: Any) -> float:
    result = _finite(value)
    if result is None:
        raise refuse(name, param, value, "a number")
    if math.isnan(result):
        raise refuse(name, param, value, "a finite number")
    low, high = param.minimum, param.maximum
    if math.isinf(result) or (low is not None and result < low) or (high is not None and result > high):
        raise refuse(name, param, value, _limits(low, high))
    return result


def _limits(low: float | None, high: float | None) -> str:
    """The range of a number in words."""
    if high is None or high == LARGEST_VALUE:
        return "a finite number" if low is None or low == -LARGEST_VALUE else f"at least {limit_text(low)}"
    return f"at most {limit_text(high)}" if low is None else f"between {limit_text(low)} and {limit_text(high)}"


def limit_text(value: float) -> str:
    """A limit as people write it: 4294967295 and not 4.29497e+09."""
    return f"{int(value)}" if value == int(value) and abs(value) < 1e15 else f"{value:g}"


def _integer(name: str, param: Any, value: Any) -> int:
    result = _number(name, param, value)
    if result != int(result):
        raise refuse(name, param, value, "a whole number")
    return int(result)


def _boolean(name: str, param: Any, value: Any) -> bool:
    if isinstance(value, bool):
        return value
    word = value.lower() if isinstance(value, str) else str(value) if value in (0, 1) else ""
    if word not in _WORDS:
        raise refuse(name, param, value, "true or false")
    return _WORDS[word]


def _text(name: str, param: Any, value: Any, most: int = LONGEST_TEXT) -> str:
    if isinstance(value, bool) or not isinstance(value, (str, int, float)) or (isinstance(value, (int, float)) and not _writes(value)):
        raise refuse(name, param, value, "text")
    written = plain(name, param, str(value), most)
    wrong = param.wrong(written) if param.wrong else ""
    if wrong:
        raise JobError(f"“{param.label}” ({name}): {wrong}")
    return written


def _writes(number: float) -> bool:
    """Whether a number is of a size that Python writes out."""
    return abs(_finite(number) or 0) < math.inf


def word_of(value: Any, options: Sequence[str]) -> str | None:
    """The option that `value` names: by its word, or by its place, from 0 as QGIS counts, but where words are numbers themselves; None of none."""
    places = [] if any(word.isdecimal() for word in options) else [str(place) for place in range(len(options))]
    told = str(value) if isinstance(value, str) or (type(value) is int and abs(value) < 1000) else ""
    if told in options:
        return told
    return options[int(told)] if told in places else None


def _choice(name: str, param: Any, value: Any) -> str:
    word = word_of(value, param.options)
    if word is None:
        raise refuse(name, param, value, "one of: " + ", ".join(param.options))
    return word


# --- layers and extents

def _layer(name: str, param: Any, value: Any) -> dict:
    if isinstance(value, str):
        value = {"path": value}
    if not isinstance(value, Mapping) or not isinstance(value.get("path"), str) or not value["path"]:
        raise refuse(name, param, value, "a file path or a layer")
    parts = LAYER_PARTS[param.kind]
    strange = next((key for key in value if key not in parts), None)
    if strange is not None:
        raise JobError(f"“{param.label}” ({name}) has the part {shown(strange)}, which a layer of this kind does not have; it may have "
                       f"{', '.join(parts)}. Leave it out.")
    return {key: parts[key](name, param, part) for key, part in value.items() if part is not None}


def _layer_path(name: str, param: Any, value: Any) -> str:
    return path_text(name, param, value, "a file path", LONGEST_SOURCE)


def _layer_text(name: str, param: Any, value: Any) -> str:
    if not isinstance(value, str):
        raise refuse(name, param, value, "text in all parts of the layer")
    return plain(name, param, value, LONGEST_TEXT)


def _crs(name: str, param: Any, value: Any) -> str:
    if not isinstance(value, str):
        raise refuse(name, param, value, "a coordinate system such as EPSG:32633" if param.kind == "crs" else "given with a CRS such as EPSG:32633")
    return plain(name, param, value, LONGEST_CRS)


def _nodata(name: str, param: Any, value: Any) -> list:
    """Per band the values that mean "nothing measured"."""
    if not isinstance(value, (list, tuple)) or not all(band is None or isinstance(band, (list, tuple)) for band in value):
        raise refuse(name, param, value, "given with nodata values as a list for each band")
    found = [[_finite(number) for number in band or ()] for band in value]
    if any(number is None or math.isinf(number) or isinstance(given, str) for band, told in zip(found, value)
           for number, given in zip(band, told or ())):
        raise refuse(name, param, value, "given with nodata values that are numbers")
    return [list(band or ()) for band in value]


def _own_nodata(name: str, param: Any, value: Any) -> list[bool]:
    """Per band of the file, whether its own nodata value counts."""
    if not isinstance(value, (list, tuple)) or not all(isinstance(band, bool) for band in value):
        raise refuse(name, param, value, "given with own_nodata as true or false for each band")
    return list(value)


def _open_options(name: str, param: Any, value: Any) -> list[str]:
    """Options of GDAL; in capitals, since small letters mean things to the library that opens the file."""
    if not isinstance(value, (list, tuple)) or not all(isinstance(option, str) and _OPTION.fullmatch(option) for option in value):
        raise refuse(name, param, value, "given with open options such as NUM_THREADS=2")
    options = [plain(name, param, option, LONGEST_TEXT).split("=", 1) for option in value]
    return [f"{key.upper()}={content}" for key, content in options]


def _date(name: str, param: Any, value: Any) -> str:
    try:
        if value == "" or (isinstance(value, str) and re.fullmatch(r"\d{4}-\d\d-\d\d", value) and date.fromisoformat(value)):
            return value
    except ValueError:
        pass
    raise refuse(name, param, value, "given with a date such as 2020-06-21")


def _categories(name: str, param: Any, value: Any) -> dict:
    """Values, names and colours of the symbology; names are kept writable, since nobody sees what QGIS hides in them."""
    classes = value.get("classes", []) if isinstance(value, Mapping) else None
    if not isinstance(classes, (list, tuple)) or not isinstance(value.get("field", ""), str):
        raise refuse(name, param, value, "given with categories that have a field and classes")
    rows = []
    for number, row in enumerate(classes, 1):
        if isinstance(row, Mapping):
            row = {key: writable(cell) if isinstance(cell, str) else cell for key, cell in row.items()}
            if row.get("value") in (None, ""):
                continue
        rows.append(_class_row(name, param, f"class {number} of the symbology", row))
    band = value.get("band")
    if band is not None and (isinstance(band, bool) or not isinstance(band, int) or not 1 <= band <= MOST_BANDS):
        raise refuse(name, param, band, f"given with categories of a band between 1 and {MOST_BANDS}")
    return {**({"field": _layer_text(name, param, value["field"])} if "field" in value else {}), **({} if band is None else {"band": band}),
            "classes": rows}


#: The parts of a layer by kind of parameter, and how each is read; what is not listed is refused.
_ANY = {"path": _layer_path, "name": _layer_text, "crs": _crs, "categories": _categories}
_RASTER = {**_ANY, "nodata": _nodata, "own_nodata": _own_nodata, "open_options": _open_options, "date": _date}
LAYER_PARTS = {"raster": _RASTER, "vector": {**_ANY, "layer": _layer_text}, "layer": {**_RASTER, "layer": _layer_text}}


def _extent(name: str, param: Any, given: Any) -> dict:
    value = given
    if isinstance(value, str):
        box_text, _, crs = value.partition("[")
        parts: Any = box_text.split(",")
        if len(parts) == 4:
            parts = [parts[0], parts[2], parts[1], parts[3]]
        value = {"box": parts, "crs": crs.strip(" ]")}
    box = value.get("box") if isinstance(value, Mapping) else None
    if not isinstance(box, (list, tuple)) or len(box) != 4:
        raise refuse(name, param, given, _EXTENT)
    sides = [_finite(side) for side in box]
    west, south, east, north = (math.nan if side is None else side for side in sides)
    if None in sides or any(map(math.isnan, (west, south, east, north))):
        raise refuse(name, param, given, _EXTENT)
    if max(map(abs, (west, south, east, north))) > LARGEST_COORDINATE:
        raise refuse(name, param, box, f"coordinates below {LARGEST_COORDINATE:g}")
    if not (west < east and south < north):
        raise refuse(name, param, box, "a rectangle with an area")
    return {"box": [west, south, east, north], "crs": _crs(name, param, value.get("crs") or "")}


# --- classes

def _class_rows(name: str, param: Any, value: Any) -> list[tuple[str, Any]]:
    """The rows of a table of classes, and what messages call each: ``row 2``, or ``line 3 of a.csv``."""
    if isinstance(value, str) and value.lstrip().startswith("["):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            raise refuse(name, param, value, "a list of rows in JSON, such as [[1, \"water\", \"#0000ff\"]]") from None
    if isinstance(value, (list, tuple)):
        return [(f"row {number}", row) for number, row in enumerate(value, 1)]
    if not isinstance(value, str):
        raise refuse(name, param, value, "a table of classes, or a CSV file with the headings value,name,color")
    path = path_text(name, param, value, "a path")
    if not os.path.isfile(path):
        raise JobError(f"“{param.label}” ({name}): there is no file {shown_path(path)}. Choose a CSV file with the headings value,name,color.")
    try:
        table = read_table(path, CLASS_COLUMNS)
        table.require(CLASS_COLUMNS[:1], "Give it the headings value,name,color.")
    except DataError as error:
        raise JobError(f"“{param.label}” ({name}): {error}") from None
    return [(f"line {row.line} of {shown_path(path)}", {column: row[column] for column in CLASS_COLUMNS}) for row in table.rows]


def _class_row(name: str, param: Any, where: str, row: Any) -> dict:
    def refuse(wrong: str) -> JobError:
        return JobError(f"“{param.label}” ({name}): {where} {wrong}")

    cells = dict(row) if isinstance(row, Mapping) else dict(zip(CLASS_COLUMNS, row)) if isinstance(row, (list, tuple)) else None
    if cells is None:
        raise refuse(f"is {shown(row)}, which is no row of a table. Write value, name and colour, such as [1, \"water\", \"#0000ff\"].")
    if not isinstance(row, Mapping) and len(row) > len(CLASS_COLUMNS):
        raise refuse(f"has {len(row)} cells: {shown(row)}. Write value, name and colour only.")
    texts = {}
    for column in CLASS_COLUMNS:
        cell = cells.get(column)
        texts[column] = "" if cell is None else re.sub("[\r\n\t]+", " ", _text(name, param, cell, LONGEST_NAME)).strip()
    if not texts["value"]:
        named = f" (its name is {shown(texts['name'])})" if texts["name"] else ""
        raise refuse(f"has no value{named}. Write the value that the class has in the labels, such as 1, or leave the row out.")
    if texts["color"] and not COLOR.fullmatch(texts["color"]):
        raise refuse(f"has the colour {shown(texts['color'])}. Write a colour such as #1f77b4, or leave it empty.")
    return {**texts, "name": texts["name"] or texts["value"]}


def _classes(name: str, param: Any, value: Any) -> list[dict]:
    table: list[dict] = []
    first: dict[str, str] = {}
    for where, row in _class_rows(name, param, value):
        table.append(_class_row(name, param, where, row))
        key = re.sub(r"^(-?\d+)\.0+$", r"\1", table[-1]["value"])
        if key in first:
            raise JobError(f"“{param.label}” ({name}): {where} has the value {shown(key)}, which stands in {first[key]} already. Give each value "
                           "once.")
        first[key] = where
    return table


READERS: dict[str, Callable[[str, Any, Any], Any]] = {
    "raster": _layer, "vector": _layer, "layer": _layer, "attribute": partial(_text, most=LONGEST_NAME),
    "integer": _integer, "number": _number, "boolean": _boolean, "text": _text, "crs": _crs, "choice": _choice, "extent": _extent,
    "classes": _classes,
    "file": files.existing("file"), "folder": files.existing("folder"), "weights": files.weights, "raster_output": files.output,
    "vector_output": files.output, "folder_output": files.output, "file_output": files.output,
}
