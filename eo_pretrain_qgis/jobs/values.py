"""How a value from outside becomes the plain value a job holds, one visible row per kind of parameter."""

from __future__ import annotations

import csv
import json
import math
import os
import re
from collections.abc import Mapping
from typing import Any

from ..errors import JobError

_WORDS = {"true": True, "yes": True, "1": True, "on": True, "false": False, "no": False, "0": False, "off": False}
#: Begins a value that names weights in models/catalog.json.
CATALOGUE = "catalogue:"
_COLOR = re.compile(r"#[0-9a-fA-F]{6}")


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
    return reader(name, param, value)


def _refuse(name: str, param: Any, value: Any, wanted: str) -> JobError:
    return JobError(f"“{param.label}” ({name}) is {value!r}, but must be {wanted}.")


def _number(name: str, param: Any, value: Any) -> float:
    try:
        if isinstance(value, bool):
            raise ValueError
        result = float(value)
    except (TypeError, ValueError):
        raise _refuse(name, param, value, "a number") from None
    if not math.isfinite(result):
        raise _refuse(name, param, value, "a finite number")
    low, high = param.minimum, param.maximum
    if (low is not None and result < low) or (high is not None and result > high):
        limits = f"at least {low:g}" if high is None else f"at most {high:g}" if low is None else f"between {low:g} and {high:g}"
        raise _refuse(name, param, value, limits)
    return result


def _integer(name: str, param: Any, value: Any) -> int:
    result = _number(name, param, value)
    if result != int(result):
        raise _refuse(name, param, value, "a whole number")
    return int(result)


def _boolean(name: str, param: Any, value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if str(value).lower() not in _WORDS:
        raise _refuse(name, param, value, "true or false")
    return _WORDS[str(value).lower()]


def _text(name: str, param: Any, value: Any) -> str:
    if not isinstance(value, (str, int, float)) or isinstance(value, bool):
        raise _refuse(name, param, value, "text")
    return str(value)


def _choice(name: str, param: Any, value: Any) -> str:
    if value not in param.options:
        raise _refuse(name, param, value, "one of: " + ", ".join(param.options))
    return value


def _layer(name: str, param: Any, value: Any) -> dict:
    if isinstance(value, str):
        return {"path": value}
    if not isinstance(value, Mapping) or not isinstance(value.get("path"), str) or not value["path"]:
        raise _refuse(name, param, value, "a file path or a layer")
    return dict(value)


def _extent(name: str, param: Any, value: Any) -> dict:
    if isinstance(value, str):
        box_text, _, crs = value.partition("[")
        try:
            west, east, south, north = (float(part) for part in box_text.split(","))
        except ValueError:
            raise _refuse(name, param, value, "xmin,xmax,ymin,ymax [EPSG:code]") from None
        value = {"box": [west, south, east, north], "crs": crs.strip(" ]")}
    if not isinstance(value, Mapping) or len(value.get("box", ())) != 4:
        raise _refuse(name, param, value, "xmin,xmax,ymin,ymax [EPSG:code]")
    west, south, east, north = (float(part) for part in value["box"])
    if not (west < east and south < north):
        raise _refuse(name, param, value["box"], "a rectangle with an area")
    return {"box": [west, south, east, north], "crs": value.get("crs") or ""}


def _class_rows(name: str, param: Any, value: Any) -> list:
    if not isinstance(value, str):
        return list(value)
    if value.lstrip().startswith("["):
        return json.loads(value)
    if not os.path.isfile(value):
        raise _refuse(name, param, value, "an existing CSV file with the headings value,name,color")
    with open(value, newline="", encoding="utf-8-sig") as stream:
        return list(csv.DictReader(stream))


def _classes(name: str, param: Any, value: Any) -> list[dict]:
    table = []
    for row in _class_rows(name, param, value):
        cells = row if isinstance(row, Mapping) else dict(zip(("value", "name", "color"), row))
        if cells.get("value") in (None, ""):
            raise _refuse(name, param, row, "a table in which every row has a value")
        color = cells.get("color") or ""
        if color and not _COLOR.fullmatch(color):
            raise _refuse(name, param, color, "a colour such as #1f77b4")
        table.append({"value": str(cells["value"]).strip(), "name": str(cells.get("name") or cells["value"]).strip(), "color": color})
    values = [row["value"] for row in table]
    if len(set(values)) != len(values):
        raise _refuse(name, param, values, "a table in which no value stands twice")
    return table


def _existing(kind: str) -> Any:
    exists = os.path.isdir if kind == "folder" else os.path.isfile

    def read(name: str, param: Any, value: Any) -> str:
        path = value.get("path") if isinstance(value, Mapping) else value
        if not isinstance(path, str):
            raise _refuse(name, param, value, f"the path of a {kind}")
        if kind == "file" and os.path.isdir(path):
            raise JobError(f"“{param.label}” ({name}): {path} is a folder. Choose a file in it{_ending_in(param)}.")
        if not exists(path):
            raise JobError(f"“{param.label}” ({name}): there is no {kind} {path}. Choose an existing {kind}.")
        _check_extension(name, param, path)
        return path

    return read


def _weights(name: str, param: Any, value: Any) -> str:
    path = value.get("path") if isinstance(value, Mapping) else value
    if not isinstance(path, str):
        raise _refuse(name, param, value, "a file of weights, the folder of a run, or catalogue: and a name")
    if path.startswith(CATALOGUE):
        return path
    if os.path.isfile(path):
        _check_extension(name, param, path)
    elif not os.path.isdir(path):
        raise JobError(f"“{param.label}” ({name}): there is no file or folder {path}. Choose a file of weights, the folder of a run, or "
                       f"{CATALOGUE} and a name in models/catalog.json.")
    return path


def _check_extension(name: str, param: Any, path: str) -> None:
    if not path.lower().endswith(_endings(param)):
        raise JobError(f"“{param.label}” ({name}): {path} must end in {' or '.join(_endings(param))}. Choose such a file.")


def _endings(param: Any) -> tuple[str, ...]:
    """What the names of its files may end in; an empty string where it is anything."""
    return tuple("." + part for part in param.extension.split("|")) if param.extension else ("",)


def _ending_in(param: Any) -> str:
    return f" that ends in {' or '.join(_endings(param))}" if param.extension else ""


def _output(name: str, param: Any, value: Any) -> str:
    path = value.get("path") if isinstance(value, Mapping) else value
    if not isinstance(path, str):
        raise _refuse(name, param, value, "a path")
    _check_extension(name, param, path)
    return path


READERS = {
    "raster": _layer, "vector": _layer, "layer": _layer, "attribute": _text, "integer": _integer, "number": _number,
    "boolean": _boolean, "text": _text, "choice": _choice, "extent": _extent, "classes": _classes,
    "file": _existing("file"), "folder": _existing("folder"), "weights": _weights, "raster_output": _output, "vector_output": _output,
    "folder_output": _output, "file_output": _output,
}
