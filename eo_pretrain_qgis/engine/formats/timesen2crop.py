"""TimeSen2Crop: series of pixels as one small CSV each, in a folder for each class in a folder for each tile."""

from __future__ import annotations

import re
from pathlib import Path

from ...errors import DataError
from ...report import SILENT, Report
from ..datasets.splitting.by_place import Split
from .samples import ImportOptions
from .tree import Tree, joined

TITLE = "TimeSen2Crop"
LOOKED_FOR = "a folder for each tile with dates.csv and folders 0 to 15 of CSV files (TimeSen2Crop)"


def recognise(tree: Tree) -> bool:
    """Whether a folder, or one folder in it, holds tiles."""
    return _root(tree) is not None


def write(tree: Tree, folder: Path, options: ImportOptions, report: Report = SILENT) -> Split:
    """Writes a dataset of the task "series".

    Raises:
        DataError: an archive, which would have to be read a million times, or damaged files.
    """
    from ..themes.crops.timesen2crop import write_timesen2crop_dataset

    root = _root(tree)
    if root is None:
        raise DataError(f"{tree.path} holds no {LOOKED_FOR}. Choose the folder that holds the tiles.")
    if tree.path.is_file():
        raise DataError(f"{tree.path} holds TimeSen2Crop, whose million small files are read several times. Unpack the archive and choose "
                        "the folder.")
    return write_timesen2crop_dataset(tree.path / root, folder, options.plan, report)


def _root(tree: Tree) -> str | None:
    for folder in ("", *(tree.children()[0] if len(tree.children()[0]) <= 3 else ())):
        if any(_is_tile(tree, joined(folder, name)) for name in tree.children(folder)[0][:3]):
            return folder
    return None


def _is_tile(tree: Tree, folder: str) -> bool:
    folders, files = tree.children(folder)
    return "dates.csv" in files and any(re.fullmatch(r"1?\d", name) for name in folders)
