"""A parcel of EuroCropsML: one NumPy archive, ``<NUTS 3 region>_<parcel>_<HCAT code>.npz``.

Reuss, Macdonald, Becker, Richter and Körner, The EuroCropsML time series benchmark dataset for few-shot crop type classification in Europe,
Scientific Data 12, 664, 2025, doi 10.1038/s41597-025-04952-7; the data: doi 10.5281/zenodo.10629609. The layout is that of its documentation
(eurocropsml.readthedocs.io, “EuroCropsML Dataset”) and of what its package writes and reads (github.com/dida-do/eurocropsml, dataset/preprocess.py
and dataset/dataset.py): ``data`` (date, 13), medians of the stored values of Sentinel-2 L1C over the parcel, bands in the order of the sensor;
``dates`` (date,), datetime64; ``center``, longitude and latitude. What was joined from months repeats the centre.

Besides NumPy this module imports nothing that takes time, because each of the processes that read files loads it anew.
"""

from __future__ import annotations

import io
import os
import re
import zipfile
import zlib

import numpy as np

from ...errors import DataError
from ..datasets.shards import NO_ARRAY

#: Region, parcel and crop in the name of a file.
NAME = re.compile(r"([A-Z]{2}[A-Z0-9]{0,3})_([0-9A-Za-z.-]+)_(\d{10})\.npz", re.ASCII)
ARRAYS = ("data", "dates", "center")
BANDS = 13
#: Largest array [byte]; a year of daily dates takes 40,000.
LARGEST = 2**24
#: Dates outside of these years are none of Sentinel-2.
YEARS = (2015, 2100)
#: Days since 1 January 1970, and the stored values of the bands.
DATE = np.dtype([("day", "<i4"), ("values", "<u2", (BANDS,))])
ADVICE = "Unpack it again."
UNREADABLE = (*NO_ARRAY, zipfile.BadZipFile, NotImplementedError, RuntimeError, zlib.error)


def read_parcels(folder: str, names: list[str]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Reads some parcels; Python objects in a file are never loaded.

    A parcel that has a date twice keeps the first, as where the makers join months (preprocess.py, `_merge_npz_files`).

    Args:
        folder: that holds them.
        names: of the files.

    Returns:
        Number of dates of each parcel, int64 (n,); their dates in order behind each other, `DATE`; centres, longitude and latitude [degree],
        float64 (n, 2).

    Raises:
        DataError: naming the file that is not as it should be.
    """
    dates, centres = [], np.full((len(names), 2), np.nan)
    for number, name in enumerate(names):
        rows, centres[number] = _read(os.path.join(folder, name))
        dates.append(rows)
    return np.array([len(rows) for rows in dates], np.int64), np.concatenate([*dates, np.zeros(0, DATE)]), centres


def _read(path: str) -> tuple[np.ndarray, np.ndarray]:
    data, when, centre = _arrays(path)
    if data.ndim != 2 or data.shape[1] != BANDS or data.dtype.kind not in "iuf":
        raise DataError(f"{path} holds “data” of {data.dtype} {_size(data)}, but EuroCropsML has numbers of dates × {BANDS} bands of Sentinel-2 L1C. "
                        "Choose the data as they were published.")
    if when.dtype.kind != "M" or when.shape != data.shape[:1]:
        raise DataError(f"{path} holds “dates” of {when.dtype} {_size(when)}, but EuroCropsML has a date for each of the {len(data)} rows of “data”. "
                        "Choose the data as they were published.")
    if not len(data):
        raise DataError(f"{path} holds no date. {ADVICE}")
    years = when.astype("datetime64[Y]").astype(np.int64) + 1970
    if np.isnat(when).any() or (years < YEARS[0]).any() or (years > YEARS[1]).any():
        raise DataError(f"{path} holds a date outside of the years {YEARS[0]} to {YEARS[1]}. {ADVICE}")
    stored = np.rint(data.astype(np.float64))
    if not ((stored >= 0) & (stored <= 65535)).all():
        raise DataError(f"{path} holds a value outside 0 to 65535. {ADVICE}")
    days, first = np.unique(when.astype("datetime64[D]").astype(np.int64), return_index=True)
    rows = np.zeros(len(days), DATE)
    rows["day"], rows["values"] = days, stored[first]
    return rows, _centre(path, centre)


def _centre(path: str, centre: np.ndarray) -> np.ndarray:
    """Longitude and latitude (2,), NaN where they are not known."""
    if centre.dtype.kind not in "iuf" or centre.ndim != 1 or centre.size < 2 or centre.size % 2:
        raise DataError(f"{path} holds “center” of {centre.dtype} {_size(centre)}, but EuroCropsML has longitude and latitude. Choose the data as "
                        "they were published.")
    place = centre[:2].astype(np.float64)
    if (np.abs(place) > (180, 90)).any():
        raise DataError(f"{path} has the centre {place[0]:g}, {place[1]:g}, which is no longitude and latitude. {ADVICE}")
    return place if np.isfinite(place).all() else np.full(2, np.nan)


def _arrays(path: str) -> list[np.ndarray]:
    try:
        with zipfile.ZipFile(path) as archive:
            held = {entry.filename.removesuffix(".npy"): entry for entry in archive.infolist()}
            missing = [name for name in ARRAYS if name not in held]
            if missing:
                raise DataError(f"{path} lacks “{missing[0]}”; it holds {', '.join(held)[:200] or 'nothing'}. Choose the data as they were "
                                "published.")
            if max(held[name].file_size for name in ARRAYS) > LARGEST:
                raise DataError(f"{path} holds an array of more than {LARGEST // 2**20} MB, which is no parcel. {ADVICE}")
            return [np.lib.format.read_array(io.BytesIO(archive.read(held[name])), allow_pickle=False) for name in ARRAYS]
    except UNREADABLE as error:
        raise DataError(f"{path} cannot be read ({str(error)[:200] or type(error).__name__}). {ADVICE}") from None


def _size(array: np.ndarray) -> str:
    return f"({' × '.join(map(str, array.shape)) or 'one number'})"
