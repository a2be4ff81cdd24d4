"""How a value from outside becomes the plain value a job holds, one visible row per kind of parameter."""

from __future__ import annotations

import json
import math
import os
import re
import sys
from collections.abc import Mapping
from datetime import date
from typing import Any

from ..errors import DataError, JobError
from ..markup import writable
from ..tables import COLOR, read_table

_WORDS = {"true": True, "yes": True, "1": True, "on": True, "false": False, "no": False, "0": False, "off": False}
#: Begins a value that names weights in models/catalog.json.
CATALOGUE = "catalogue:"
#: Characters of a value and of a path that a message quotes.
QUOTED, QUOTED_PATH = 100, 300
#: Characters that a text, a path, the name of a field or of a class, the source of a layer, and a CRS may have.
LONGEST_TEXT, LONGEST_PATH, LONGEST_NAME, LONGEST_SOURCE, LONGEST_CRS = 5000, 4096, 255, 8000, 50_000
#: Largest number of 64 bits: a limit that is none.
LARGEST_VALUE = sys.float_info.max
#: Coordinates of an extent lie below this, also in a CRS that counts millimetres.
LARGEST_COORDINATE = 1e11
#: Bands that a raster file may have in GDAL.
MOST_BANDS = 65_536
CLASS_COLUMNS = ("value", "name", "color")
_EXTENT = "xmin,xmax,ymin,ymax [EPSG:code]"
#: What no text holds, besides line breaks and tabs: control characters.
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
#: Halves of surrogate pairs, as names of files that are not UTF-8 come.
_NOT_UTF8 = re.compile("[\ud800-\udfff]")
_OPTION = re.compile(r"[A-Za-z][A-Za-z0-9_:-]*=[^\n\r]*")


def read_value(name: str, param: Any, value: Any) -> Any:
    """Checks `value` against its declaration and returns it as a plain value.

    Raises:
        JobError: naming the parameter and the value.
    """
    reader = READERS[param.kind]
    if param.multiple:
        items = list(value) if isinstance(value, (list, tuple)) else [value]
        return [reader(name, param, item) for item in items]
    if isinstance(value, list) and len(value) == 1 and param.kind not in ("classes", "extent"):
        value = value[0]
        if value in (None, "", []):
            raise _refuse(name, param, [value], "a value, or left out")
    return reader(name, param, value)


def shown(value: Any, most: int = QUOTED) -> str:
    """A value as a message may quote it."""
    try:
        text = repr(value)
    except ValueError:  # Python writes no whole number of more than some thousand digits
        return "a number of thousands of digits" if isinstance(value, int) else "a value that holds a number of thousands of digits"
    except RecursionError:
        return "a list of lists without end"
    return text if len(text) <= most else text[:most - 1] + "…"


def shown_path(path: str) -> str:
    """A path as a message may quote it."""
    plain = writable(path)
    return plain if len(plain) <= QUOTED_PATH else plain[:QUOTED_PATH // 2] + "…" + plain[-QUOTED_PATH // 2:]


def _refuse(name: str, param: Any, value: Any, wanted: str) -> JobError:
    return JobError(f"“{param.label}” ({name}) is {shown(value)}, but must be {wanted}.")


def _plain(name: str, param: Any, text: str, most: int, control: re.Pattern = _CONTROL) -> str:
    """The text, where it is one that files and messages can hold."""
    if len(text) > most:
        raise JobError(f"“{param.label}” ({name}) has {len(text)} characters, beginning with {shown(text)}. Give at most {most}.")
    if _NOT_UTF8.search(text):
        raise JobError(f"“{param.label}” ({name}) is {shown(text)}, a name that is not UTF-8. Rename the file or the field and choose it again.")
    strange = control.search(text)
    if strange:
        raise JobError(f"“{param.label}” ({name}) is {shown(text)}, which holds the character U+{ord(strange[0]):04X}. Leave it out.")
    return text


def _path(name: str, param: Any, value: Any, wanted: str, most: int = LONGEST_PATH) -> str:
    path = value.get("path") if isinstance(value, Mapping) else value
    if not isinstance(path, str) or not path:
        raise _refuse(name, param, value, wanted)
    return _plain(name, param, path, most, re.compile("\x00"))


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
        raise _refuse(name, param, value, "a number")
    if math.isnan(result):
        raise _refuse(name, param, value, "a finite number")
    low, high = param.minimum, param.maximum
    if math.isinf(result) or (low is not None and result < low) or (high is not None and result > high):
        raise _refuse(name, param, value, _limits(low, high))
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
        raise _refuse(name, param, value, "a whole number")
    return int(result)


def _boolean(name: str, param: Any, value: Any) -> bool:
    if isinstance(value, bool):
        return value
    word = value.lower() if isinstance(value, str) else str(value) if value in (0, 1) else ""
    if word not in _WORDS:
        raise _refuse(name, param, value, "true or false")
    return _WORDS[word]


def _text(name: str, param: Any, value: Any, most: int = LONGEST_TEXT) -> str:
    if isinstance(value, bool) or not isinstance(value, (str, int, float)) or (isinstance(value, (int, float)) and not _writes(value)):
        raise _refuse(name, param, value, "text")
    return _plain(name, param, str(value), most)


def _writes(number: float) -> bool:
    """Whether a number is of a size that Python writes out."""
    return abs(_finite(number) or 0) < math.inf


def _attribute(name: str, param: Any, value: Any) -> str:
    return _text(name, param, value, LONGEST_NAME)


def _choice(name: str, param: Any, value: Any) -> str:
    if not isinstance(value, str) or value not in param.options:
        raise _refuse(name, param, value, "one of: " + ", ".join(param.options))
    return value


# --- layers and extents

def _layer(name: str, param: Any, value: Any) -> dict:
    if isinstance(value, str):
        value = {"path": value}
    if not isinstance(value, Mapping) or not isinstance(value.get("path"), str) or not value["path"]:
        raise _refuse(name, param, value, "a file path or a layer")
    parts = LAYER_PARTS[param.kind]
    strange = next((key for key in value if key not in parts), None)
    if strange is not None:
        raise JobError(f"“{param.label}” ({name}) has the part {shown(strange)}, which a layer of this kind does not have; it may have "
                       f"{', '.join(parts)}. Leave it out.")
    return {key: parts[key](name, param, part) for key, part in value.items() if part is not None}


def _layer_path(name: str, param: Any, value: Any) -> str:
    return _path(name, param, value, "a file path", LONGEST_SOURCE)


def _layer_text(name: str, param: Any, value: Any) -> str:
    if not isinstance(value, str):
        raise _refuse(name, param, value, "text in all parts of the layer")
    return _plain(name, param, value, LONGEST_TEXT)


def _crs(name: str, param: Any, value: Any) -> str:
    if not isinstance(value, str):
        raise _refuse(name, param, value, "given with a CRS such as EPSG:32633")
    return _plain(name, param, value, LONGEST_CRS)


def _nodata(name: str, param: Any, value: Any) -> list:
    """Per band the values that mean "nothing measured"."""
    if not isinstance(value, (list, tuple)) or not all(band is None or isinstance(band, (list, tuple)) for band in value):
        raise _refuse(name, param, value, "given with nodata values as a list for each band")
    found = [[_finite(number) for number in band or ()] for band in value]
    if any(number is None or math.isinf(number) or isinstance(given, str) for band, told in zip(found, value)
           for number, given in zip(band, told or ())):
        raise _refuse(name, param, value, "given with nodata values that are numbers")
    return [list(band or ()) for band in value]


def _own_nodata(name: str, param: Any, value: Any) -> list[bool]:
    """Per band of the file, whether its own nodata value counts."""
    if not isinstance(value, (list, tuple)) or not all(isinstance(band, bool) for band in value):
        raise _refuse(name, param, value, "given with own_nodata as true or false for each band")
    return list(value)


def _open_options(name: str, param: Any, value: Any) -> list[str]:
    """Options of GDAL; in capitals, since small letters mean things to the library that opens the file."""
    if not isinstance(value, (list, tuple)) or not all(isinstance(option, str) and _OPTION.fullmatch(option) for option in value):
        raise _refuse(name, param, value, "given with open options such as NUM_THREADS=2")
    options = [_plain(name, param, option, LONGEST_TEXT).split("=", 1) for option in value]
    return [f"{key.upper()}={content}" for key, content in options]


def _date(name: str, param: Any, value: Any) -> str:
    try:
        if value == "" or (isinstance(value, str) and re.fullmatch(r"\d{4}-\d\d-\d\d", value) and date.fromisoformat(value)):
            return value
    except ValueError:
        pass
    raise _refuse(name, param, value, "given with a date such as 2020-06-21")


def _categories(name: str, param: Any, value: Any) -> dict:
    """Values, names and colours of the symbology; names are kept writable, since nobody sees what QGIS hides in them."""
    classes = value.get("classes", []) if isinstance(value, Mapping) else None
    if not isinstance(classes, (list, tuple)) or not isinstance(value.get("field", ""), str):
        raise _refuse(name, param, value, "given with categories that have a field and classes")
    rows = []
    for number, row in enumerate(classes, 1):
        if isinstance(row, Mapping):
            row = {key: writable(cell) if isinstance(cell, str) else cell for key, cell in row.items()}
            if row.get("value") in (None, ""):
                continue
        rows.append(_class_row(name, param, f"class {number} of the symbology", row))
    band = value.get("band")
    if band is not None and (isinstance(band, bool) or not isinstance(band, int) or not 1 <= band <= MOST_BANDS):
        raise _refuse(name, param, band, f"given with categories of a band between 1 and {MOST_BANDS}")
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
        raise _refuse(name, param, given, _EXTENT)
    sides = [_finite(side) for side in box]
    west, south, east, north = (math.nan if side is None else side for side in sides)
    if None in sides or any(map(math.isnan, (west, south, east, north))):
        raise _refuse(name, param, given, _EXTENT)
    if max(map(abs, (west, south, east, north))) > LARGEST_COORDINATE:
        raise _refuse(name, param, box, f"coordinates below {LARGEST_COORDINATE:g}")
    if not (west < east and south < north):
        raise _refuse(name, param, box, "a rectangle with an area")
    return {"box": [west, south, east, north], "crs": _crs(name, param, value.get("crs") or "")}


# --- classes

def _class_rows(name: str, param: Any, value: Any) -> list[tuple[str, Any]]:
    """The rows of a table of classes, and what messages call each: ``row 2``, or ``line 3 of a.csv``."""
    if isinstance(value, str) and value.lstrip().startswith("["):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            raise _refuse(name, param, value, "a list of rows in JSON, such as [[1, \"water\", \"#0000ff\"]]") from None
    if isinstance(value, (list, tuple)):
        return [(f"row {number}", row) for number, row in enumerate(value, 1)]
    if not isinstance(value, str):
        raise _refuse(name, param, value, "a table of classes, or a CSV file with the headings value,name,color")
    path = _path(name, param, value, "a path")
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


# --- files and folders

def _existing(kind: str) -> Any:
    exists = os.path.isdir if kind == "folder" else os.path.isfile

    def read(name: str, param: Any, value: Any) -> str:
        path = _path(name, param, value, f"the path of a {kind}")
        if kind == "file" and os.path.isdir(path):
            raise JobError(f"“{param.label}” ({name}): {shown_path(path)} is a folder. Choose a file in it{_ending_in(param)}.")
        if not exists(path):
            raise JobError(f"“{param.label}” ({name}): there is no {kind} {shown_path(path)}. Choose an existing {kind}.")
        _check_extension(name, param, path)
        return path

    return read


def _weights(name: str, param: Any, value: Any) -> str:
    path = _path(name, param, value, "a file of weights, the folder of a run, or catalogue: and a name")
    if path.startswith(CATALOGUE):
        return path
    if os.path.isfile(path):
        _check_extension(name, param, path)
    elif not os.path.isdir(path):
        raise JobError(f"“{param.label}” ({name}): there is no file or folder {shown_path(path)}. Choose a file of weights, the folder of a run, "
                       f"or {CATALOGUE} and a name in models/catalog.json.")
    return path


def _check_extension(name: str, param: Any, path: str) -> None:
    if not path.lower().endswith(_endings(param)):
        raise JobError(f"“{param.label}” ({name}): {shown_path(path)} must end in {' or '.join(_endings(param))}. Choose such a file.")


def _endings(param: Any) -> tuple[str, ...]:
    """What the names of its files may end in; an empty string where it is anything."""
    return tuple("." + part for part in param.extension.split("|")) if param.extension else ("",)


def _ending_in(param: Any) -> str:
    return f" that ends in {' or '.join(_endings(param))}" if param.extension else ""


def _output(name: str, param: Any, value: Any) -> str:
    path = _path(name, param, value, "a path")
    _check_extension(name, param, path)
    return path


READERS = {
    "raster": _layer, "vector": _layer, "layer": _layer, "attribute": _attribute, "integer": _integer, "number": _number,
    "boolean": _boolean, "text": _text, "choice": _choice, "extent": _extent, "classes": _classes,
    "file": _existing("file"), "folder": _existing("folder"), "weights": _weights, "raster_output": _output, "vector_output": _output,
    "folder_output": _output, "file_output": _output,
}
