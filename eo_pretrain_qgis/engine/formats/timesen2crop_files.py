"""The layout of TimeSen2Crop: a folder for each Sentinel-2 tile, in it a folder for each class, in it a CSV file for each sample.

Weikmann, Paris and Bruzzone, TimeSen2Crop: a million labeled samples dataset of Sentinel 2 image time series for crop type
classification, 2021, doi 10.1109/JSTARS.2021.3073965; the data: doi 10.5281/zenodo.4715631. A file has a line for each line of the
tile's ``dates.csv``: nine bands, reflectance × 10000, headed B1 to B9, and the flag 0 clear, 1 cloud, 2 shadow, 3 snow. Files that
head the bands by their own names are read too.

Besides NumPy this module imports nothing that takes time, because each of the processes that read files loads it anew.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np

from ...errors import DataError
from ...tables import shortened

#: The bands behind the headings B1 to B9.
BANDS = ("B02", "B03", "B04", "B05", "B06", "B07", "B8A", "B11", "B12")
HEADS = tuple(f"B{number}" for number in range(1, 10))
FLAG = "Flag"
DATES, DATE_HEAD, CLASSES = "dates.csv", "acquisition_date", "classes.csv"
#: Classes 0 to 15.
CLASS_NAMES = ("Legumes", "Grassland", "Maize", "Potato", "Sunflower", "Soy", "Winter barley", "Winter caraway", "Rye", "Rapeseed", "Beet",
               "Spring cereals", "Winter wheat", "Winter triticale", "Permanent plantation", "Other crops")
#: What has none of these names.
OTHER = CLASS_NAMES.index("Other crops")
LARGEST = 65535


def official_number(name: str) -> int | None:
    """The number TimeSen2Crop gives a class of this name, in small or large letters, of one or of several; None where it has none."""
    return _NUMBERS.get(_spelled(name))


def _spelled(name: str) -> str:
    return re.sub(r"[\W_]+", " ", name.casefold()).strip().removesuffix("s")


_NUMBERS = {_spelled(name): number for number, name in enumerate(CLASS_NAMES)}


def read_files(folder: str, names: list[str], lines: int) -> np.ndarray:
    """Reads some CSV files of one folder.

    Args:
        folder: of a class in a tile.
        names: of the files.
        lines: that each file must have besides its heading.

    Returns:
        The nine bands and the flag, rounded to whole numbers, int32 (file, date, 10).

    Raises:
        DataError: naming the file, and the line or column, that is not as it should be.
    """
    bodies: list[bytes] = []
    order, heading, width = np.arange(10), b"", 10
    for name in names:
        file = os.open(os.path.join(folder, name), os.O_RDONLY | getattr(os, "O_BINARY", 0))
        try:
            data = os.read(file, 2**24)
        finally:
            os.close(file)
        head, _, body = data.replace(b"\r", b"").partition(b"\n")
        if head != heading:
            if heading and bodies and set(head.split(b",")) != set(heading.split(b",")):
                _columns(os.path.join(folder, name), head)  # a missing column is named before anything else
            if bodies and not np.array_equal(_columns(os.path.join(folder, name), head), order):
                return np.concatenate([_parsed(folder, names[:len(bodies)], bodies, order, width, lines),
                                       read_files(folder, names[len(bodies):], lines)])
            order, heading, width = _columns(os.path.join(folder, name), head), head, head.count(b",") + 1
        bodies.append(body.strip())
    return _parsed(folder, names, bodies, order, width, lines)


def _parsed(folder: str, names: list[str], bodies: list[bytes], order: np.ndarray, width: int, lines: int) -> np.ndarray:
    commas, breaks = lines * (width - 1), lines - 1
    for name, body in zip(names, bodies, strict=True):
        if body.count(b",") != commas or body.count(b"\n") != breaks:
            _explain(os.path.join(folder, name), body, width, lines)
    try:
        numbers = np.fromstring(b"\n".join(bodies).replace(b"\n", b","), sep=",")
    except ValueError:
        numbers = np.zeros(0)
    if numbers.size != len(names) * lines * width:
        for name, body in zip(names, bodies, strict=True):
            _explain(os.path.join(folder, name), body, width, lines)
        raise DataError(f"The files of {folder} hold other things than numbers. Unpack them again.")
    values = np.rint(numbers.reshape(len(names), lines, width)[..., order])
    bad = ~((values[..., :-1] >= 0) & (values[..., :-1] <= LARGEST)).all((1, 2)) | ~np.isin(values[..., -1], (0, 1, 2, 3)).all(1)
    if bad.any():
        raise DataError(f"{os.path.join(folder, names[int(np.flatnonzero(bad)[0])])} holds a value outside 0 to {LARGEST}, or a flag other "
                        "than 0 to 3. Unpack it again, or leave it out.")
    return values.astype(np.int32)


def _columns(path: str, head: bytes) -> np.ndarray:
    """Where the bands and the flag stand in a line (10,)."""
    found = [name.strip().strip('"') for name in head.decode("utf-8-sig", "replace").split(",")]
    spelled = {name.upper(): place for place, name in enumerate(found)}
    own = [spelled.get(name, spelled.get(name.replace("B0", "B"))) for name in BANDS]
    if "B8A" in spelled and None not in own:
        return np.array([*own, _flag(path, spelled, found)])
    missing = next((name for name in HEADS if name not in spelled), "")
    if missing:
        raise DataError(f"{path} lacks the column {missing}; it has {', '.join(found)[:200]}. Unpack it again, or leave it out.")
    return np.array([*(spelled[name] for name in HEADS), _flag(path, spelled, found)])


def _flag(path: str, spelled: dict[str, int], found: list[str]) -> int:
    if FLAG.upper() not in spelled:
        raise DataError(f"{path} lacks the column {FLAG}; it has {', '.join(found)[:200]}. Unpack it again, or leave it out.")
    return spelled[FLAG.upper()]


def _explain(path: str, body: bytes, width: int, lines: int) -> None:
    """Raises DataError when the file is the one that is wrong."""
    rows = body.decode("utf-8", "replace").split("\n") if body else []
    for number, row in enumerate(rows, 2):
        cells = row.split(",")
        if len(cells) != width:
            raise DataError(f"Line {number} of {path} holds {len(cells)} values, but its heading names {width} columns. Unpack it again, or "
                            "leave it out.")
        for cell in cells:
            try:
                float(cell)
            except ValueError:
                raise DataError(f"Line {number} of {path} holds “{shortened(cell)}”, which is no number. Unpack it again, or leave it out.") from None
    if len(rows) != lines:
        raise DataError(f"{path} has {len(rows)} dates, but {DATES} of its tile has {lines}. Unpack it again, or leave it out.")


def list_files(folder: str | Path) -> list[str]:
    """Names of the CSV files in a folder, 2.csv before 10.csv."""
    with os.scandir(folder) as entries:
        names = [entry.name for entry in entries if entry.name.endswith(".csv")]
    return sorted(names, key=lambda name: (int(name[:-4]) if re.fullmatch(r"[0-9]{1,18}\.csv", name) else 2**62, name))
