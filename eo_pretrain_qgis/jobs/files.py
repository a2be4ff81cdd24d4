"""Files and folders in values from outside: that they are there, and are what is asked for."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..errors import DataError, JobError
from ..outputs import refuse_used
from .texts import path_text, shown_path

#: Kinds of parameters that name what is there already.
PATH_KINDS = ("raster", "vector", "layer", "file", "folder", "weights")
#: Begins a value that names weights in models/catalog.json.
CATALOGUE = "catalogue:"
#: Files that make a folder what it is → what the sentence about one without them says.
FOLDERS = {"dataset.json": "is not a dataset: it has no dataset.json. Choose a folder made by “Create … dataset”.",
           "run.json": "is not a run folder: it has no run.json. Choose a folder made by “Fine-tune a model”."}
#: Files that a dataset or run cannot do without, besides those with the endings of arrays and weights.
RECORDS = ("dataset.json", "tiles.gpkg", "run.json", "job.json", "encoder.json", "metrics.csv")
#: Begins an address, or a place that GDAL alone sees. Claims and renaming need a disk, and would make folders of such words.
NO_DISK = re.compile(r"/vsi\w+/|[a-z][a-z0-9+.-]+://", re.IGNORECASE)


def existing(kind: str) -> Callable[[str, Any, Any], str]:
    """The reader of a `kind`, “file” or “folder”, that must be there.

    A folder that a file stands for (`Param.main_file`) may be named by that file, and the file by its folder; a folder without it is refused.
    """
    exists = os.path.isdir if kind == "folder" else os.path.isfile

    def read(name: str, param: Any, value: Any) -> str:
        path = path_text(name, param, value, f"the path of a {kind}")
        if path in param.words:
            return path
        if param.main_file and kind == "folder" and os.path.basename(path) == param.main_file and os.path.isfile(path):
            path = os.path.dirname(path) or os.curdir
        inside = os.path.join(path, param.main_file)
        if param.main_file and kind == "file" and os.path.isdir(path):
            _check_inside(name, param, path)
            path = inside
        if kind == "file" and os.path.isdir(path):
            raise JobError(f"“{param.label}” ({name}): {shown_path(path)} is a folder. Choose a file in it{_ending_in(param)}.")
        if kind == "folder" and os.path.isfile(path):
            raise JobError(f"“{param.label}” ({name}): {shown_path(path)} is a file. Choose the folder it lies in.")
        if not exists(path):
            raise JobError(f"“{param.label}” ({name}): there is no {kind} {shown_path(path)}. Choose an existing {kind}.")
        if kind == "folder":
            _check_inside(name, param, path)
        _check_extension(name, param, path)
        return path

    return read


def paths_of(param: Any, value: Any) -> list[str]:
    """The file system paths a parameter's value names."""
    if value is None or (param.kind not in PATH_KINDS and not param.is_output):
        return []
    items = value if isinstance(value, (list, tuple)) else [value]
    return [item["path"] if isinstance(item, Mapping) else item for item in items]


def refuse_repeated(name: str, param: Any, items: Sequence[Any]) -> None:
    """Refuses one file twice in a list, whose data would count double; see `Param.repeats` for where it may be.

    Raises:
        JobError: naming the file, and what else it is called.
    """
    before: dict[tuple, str] = {}
    for item, path in zip(items, paths_of(param, items)):
        read = _what_is_read(param, item, path)
        if read in before:
            twice = f"names {shown_path(path)} twice" if before[read] == path else (
                f"names one file twice, as {shown_path(before[read])} and as {shown_path(path)}")
            raise JobError(f"“{param.label}” ({name}) {twice}. Give each file once.")
        before[read] = path


def _what_is_read(param: Any, item: Any, path: str) -> tuple:
    """What is equal where two items of a list are the same data: the file, the layer or the date in it and, of labels, the band or field shown."""
    parts = item if isinstance(item, Mapping) else {}
    file, _, inside = path.partition("|")
    shown_by = (parts.get("categories") or {}) if param.kind == "layer" else {}
    return (_identity(file), inside, parts.get("layer", ""), tuple(parts.get("open_options", ())), shown_by.get("band"), shown_by.get("field"))


def _identity(path: str) -> tuple:
    """What is equal in all names of one file: through links, and in small and capital letters where the disk takes these for the same."""
    try:
        found = os.stat(path)
    except (OSError, ValueError):  # an address, or a part of a container, which GDAL opens
        return (path,)
    # Size and time because some disks of networks give a number to several files.
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def is_record(path: str) -> bool:
    """Whether a file is one that a dataset or run cannot do without."""
    return os.path.basename(path) in RECORDS or path.endswith((".npy", ".crc32", ".safetensors"))


def _check_inside(name: str, param: Any, folder: str) -> None:
    if param.main_file and not os.path.isfile(os.path.join(folder, param.main_file)):
        raise JobError(f"“{param.label}” ({name}): {shown_path(folder)} {FOLDERS[param.main_file]}")


def weights(name: str, param: Any, value: Any) -> str:
    """Reads a file of weights, the folder of a run, or a name in the catalogue."""
    path = path_text(name, param, value, "a file of weights, the folder of a run, or catalogue: and a name")
    if path.startswith(CATALOGUE):
        wrong = param.wrong(path) if param.wrong else ""
        if wrong:
            raise JobError(f"“{param.label}” ({name}): {wrong}")
        return path
    if os.path.isfile(path):
        _check_extension(name, param, path)
    elif not os.path.isdir(path):
        raise JobError(f"“{param.label}” ({name}): there is no file or folder {shown_path(path)}. Choose a file of weights, the folder of a run, "
                       f"or {CATALOGUE} and a name in models/catalog.json.")
    return path


def output(name: str, param: Any, value: Any) -> str:
    """Reads the path of a file or folder that the job is to write."""
    path = path_text(name, param, value, "a path")
    if NO_DISK.match(path):
        raise JobError(f"“{param.label}” ({name}): {shown_path(path)} is no place on a disk, and results are written to disks alone. Choose a path "
                       "on this computer.")
    _check_extension(name, param, path)
    if param.fresh:
        try:
            refuse_used(path)
        except DataError as error:
            raise JobError(f"“{param.label}” ({name}): {error}") from None
    return path


def _check_extension(name: str, param: Any, path: str) -> None:
    if not path.lower().endswith(_endings(param)):
        raise JobError(f"“{param.label}” ({name}): {shown_path(path)} must end in {' or '.join(_endings(param))}. Choose such a file.")


def _endings(param: Any) -> tuple[str, ...]:
    """What the names of its files may end in; an empty string where it is anything."""
    return tuple("." + part for part in param.extension.split("|")) if param.extension else ("",)


def _ending_in(param: Any) -> str:
    return f" that ends in {' or '.join(_endings(param))}" if param.extension else ""
