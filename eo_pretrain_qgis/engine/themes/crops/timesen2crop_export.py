"""A dataset of series as TimeSen2Crop folders, for programs that read those."""

from __future__ import annotations

import re
from datetime import date, timedelta
from pathlib import Path

import numpy as np

from ....errors import DataError
from ....report import SILENT, Report
from ....tables import write_table
from ...datasets.dataset import IGNORE, SPLITS, Dataset
from ...rasters.clouds import CLOUD, NOT_MEASURED
from .timesen2crop_files import BANDS, CLASS_NAMES, CLASSES, DATE_HEAD, DATES, FLAG, HEADS, OTHER, official_number

#: Samples formatted at a time.
BATCH = 2000


def write_timesen2crop_folders(dataset_folder: str | Path, folder: Path, report: Report = SILENT) -> None:
    """Writes every sample of a dataset as a CSV file.

    What TimeSen2Crop calls a tile is here a part of the split, ``<dataset>_training`` and so on, so that those who split by tile keep
    the split. The layout has no flag for dates without a measurement; they become 0 with the flag of a cloud. Class folders have
    the numbers of TimeSen2Crop's own list, since its readers know no other; crops that are not in it go to “Other crops”.

    Args:
        dataset_folder: of a dataset of series of one or more sensors; the first is written.
        folder: an empty folder to fill.
        report: progress, and which crops are not in TimeSen2Crop's list.

    Raises:
        DataError: a band of TimeSen2Crop is missing, no crop is in its list, or samples with different dates.
    """
    dataset = Dataset.open(dataset_folder)
    names = [band.name for band in dataset.bands]
    missing = [band for band in BANDS if band not in names]
    if missing:
        raise DataError(f"TimeSen2Crop folders hold the bands {', '.join(BANDS)}, but the dataset lacks {', '.join(missing)}. Use images with "
                        "these bands, or leave “TimeSen2Crop folders” empty.")
    if "first_year" not in dataset.facts:
        raise DataError(f"{dataset.folder} does not say of which year its dates are, which TimeSen2Crop folders need. Choose a dataset made by "
                        "“Create crop dataset” or “Import a dataset”.")
    plain = re.sub(r"[^\w-]+", "_", dataset.name).strip("_")[:80] or "dataset"  # what a file says becomes no path
    chosen = [dataset.bands[names.index(band)] for band in BANDS]
    bands = np.array([names.index(band) for band in BANDS])
    scale, offset = np.array([band.scale for band in chosen]), np.array([band.offset for band in chosen])
    official = _official(dataset, report)
    write_table(folder / CLASSES, [("class", "name"), *((number, CLASS_NAMES[number]) for number in np.unique(official).tolist())])
    head, done = ",".join((*HEADS, FLAG)) + "\n", 0
    for split in SPLITS:
        mine = dataset.indices(split)
        if not len(mine):
            continue
        tile = folder / f"{plain}_{split}"
        _start(tile, dataset, mine, official)
        written = np.zeros(len(CLASS_NAMES), np.int64)
        for first in range(0, len(mine), BATCH):
            report.progress(done / len(dataset), "Writing TimeSen2Crop folders")
            batch = mine[first:first + BATCH]
            values, flags = dataset.images(batch)[..., bands], dataset.array("flags", batch)
            stored = np.clip(np.rint((values * scale + offset) * 10000), 0, 65535)
            rows = np.concatenate([np.nan_to_num(stored), np.where(flags == NOT_MEASURED, CLOUD, flags)[..., None]], -1).astype(np.int64)
            rows[flags == NOT_MEASURED, :-1] = 0
            labels = dataset.labels(batch)
            if (labels == IGNORE).any():
                raise DataError(f"{dataset.folder} has series without a class, for which TimeSen2Crop's layout has no folder. Choose another "
                                "dataset.")
            for sample, number in zip(rows.tolist(), official[labels].tolist(), strict=True):
                text = head + "".join(",".join(map(str, row)) + "\n" for row in sample)
                (tile / str(number) / f"{written[number]}.csv").write_text(text, encoding="ascii")
                written[number] += 1
            done += len(batch)


def _official(dataset: Dataset, report: Report) -> np.ndarray:
    """TimeSen2Crop's number of each class of a dataset."""
    found = {row.name: official_number(row.name) for row in dataset.classes}
    strange = [name for name, number in found.items() if number is None]
    listed = ", ".join(strange[:8]) + (f" and {len(strange) - 8} more" if len(strange) > 8 else "")
    if len(strange) == len(found):
        raise DataError(f"None of the classes of {dataset.folder} ({listed}) has a name of TimeSen2Crop's list, and its layout knows no other. "
                        f"Name them as it does ({', '.join(CLASS_NAMES)}), or leave TimeSen2Crop's layout out.")
    if strange:
        report.message(f"TimeSen2Crop's list has no {listed}; their samples are written as its class {OTHER}, “{CLASS_NAMES[OTHER]}”.",
                       level="warning")
    return np.array([OTHER if found[row.name] is None else found[row.name] for row in dataset.classes])


def _start(tile: Path, dataset: Dataset, samples: np.ndarray, official: np.ndarray) -> None:
    """The folders of a tile and its dates."""
    for number in np.unique(official).tolist():
        (tile / str(number)).mkdir(parents=True)
    days = dataset.array("days", samples)
    if (days != days[0]).any():
        raise DataError(f"The samples of {dataset.name} have different dates, but those of one TimeSen2Crop tile share theirs. Make a dataset "
                        "of each tile.")
    start = date(dataset.facts["first_year"], 1, 1)
    lines = [(start + timedelta(int(day))).strftime("%Y%m%d") for day in days[0]]
    (tile / DATES).write_text("\n".join([DATE_HEAD, *lines]) + "\n", encoding="ascii")
