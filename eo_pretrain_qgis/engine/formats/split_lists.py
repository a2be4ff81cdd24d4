"""Lists that say which sample is for training, validation or test, as published data sets bring them."""

from __future__ import annotations

import re

from ...errors import DataError
from ...progress import SILENT, Progress
from ...tables import shortened
from ..datasets.dataset import DROPPED, SPLITS
from .tree import Tree, stem

#: Names of lists and folders → split.
NAMES = {"train": "training", "training": "training", "val": "validation", "valid": "validation", "validation": "validation",
         "test": "test", "testing": "test"}
#: A table of all samples; columns ``name`` and ``split``.
TABLE = "split.csv"
ENDINGS = (".csv", ".txt")


def split_named(folder: str) -> str:
    """The split a folder, archive or list is named after, or empty."""
    return NAMES.get(stem(folder).lower(), "")


def read_lists(tree: Tree) -> dict[str, str] | None:
    """Name of a sample, without folders and ending → split, from the lists in a folder; None where there are none.

    Lists are ``split.csv`` with the columns name and split, or one file for each split (train.txt, val.csv, test.csv and the like)
    with a name in every line; in lines with several names (BigEarthNet's: Sentinel-2, Sentinel-1) each counts. The names of a whole
    set may begin alike, as TorchGeo's do (eurosat-train.txt).

    Raises:
        DataError: a sample in two splits, lists of several sets, or a table without these columns.
    """
    _, files = tree.children()
    if TABLE in files:
        return _read_table(tree)
    found: dict[str, str] = {}
    lists = _lists(tree, [name for name in files if name.lower().endswith(ENDINGS)])
    for file, split in lists.items():
        for line in tree.lines(file):
            for cell in filter(None, line.cells):
                key = stem(cell) if "." in cell[-5:] else cell.rpartition("/")[2]
                if found.setdefault(key, split) != split:
                    raise DataError(f"{tree.full(file)} lists {shortened(key)} for {split}, but another list for {found[key]}. Correct the lists.")
    return found if lists else None


def chosen(keys: list[str], lists: dict[str, str] | None, what: str, progress: Progress = SILENT) -> dict[str, str]:
    """The samples to take, in order, and the split of each; empty where none is given.

    Args:
        keys: names of the samples.
        lists: what `read_lists` gave; samples that no list names, or that one drops, are left out.
        what: where the samples come from, for messages.
        progress: told how many are left out.

    Raises:
        DataError: when no sample is in a list, or all are dropped.
    """
    if lists is None or not keys:
        return dict.fromkeys(keys, "")
    taken = {key: lists[key] for key in keys if key in lists}
    if not taken:
        raise DataError(f"The split lists name none of the {len(keys)} samples of {what}, such as {keys[0]}. Choose the lists that belong to "
                        "these data, or divide them anew.")
    if all(split == DROPPED for split in taken.values()):
        raise DataError(f"The split lists drop all of the {len(keys)} samples of {what} that they name. Choose other lists, or divide the data anew.")
    if len(taken) < len(keys):
        progress.message(f"{len(keys) - len(taken)} of {len(keys)} samples are in no split list and are left out.", level="warning")
    for split in sorted({*lists.values()} - {*taken.values()} - {DROPPED}):
        progress.message(f"The split list of {split} names none of the {len(keys)} samples, so there are none for {split}.", level="warning")
    return {key: split for key, split in taken.items() if split != DROPPED}


def _lists(tree: Tree, files: list[str]) -> dict[str, str]:
    """Lists and their splits: those with the bare names, else those whose names begin alike."""
    named = {name: split_named(re.sub("[-_]list$", "", stem(name))) for name in files}  # train_list.txt, as SEN12MS has it
    bare = {name: split for name, split in named.items() if split}
    if bare:
        return bare
    sets: dict[str, dict[str, str]] = {}
    for name in files:
        begin, _, last = re.sub("[-_ .]", "-", stem(name).lower()).rpartition("-")
        if begin and last in NAMES:
            sets.setdefault(begin, {})[name] = NAMES[last]
    sets = {begin: lists for begin, lists in sets.items() if SPLITS[0] in lists.values()}
    if len(sets) > 1:
        raise DataError(f"{tree.path} holds split lists of several sets: {', '.join(sorted(sets))}. Copy those that are meant into a folder of their "
                        "own and give it as “Folder of split lists”.")
    return next(iter(sets.values()), {})


def _read_table(tree: Tree) -> dict[str, str]:
    table = tree.table(TABLE, ("name", "split"))
    table.require(("name", "split"), "Name its columns so, or remove it.")
    found: dict[str, str] = {}
    for row in table.rows:
        name, split = row["name"], NAMES.get(row["split"], row["split"])
        if split not in (*SPLITS, DROPPED):
            raise DataError(f"Line {row.line} of {table.path} has the split “{shortened(row['split'])}”, but a sample is training, validation, "
                            "test or dropped. Correct the table.")
        if found.setdefault(name, split) != split:
            raise DataError(f"Line {row.line} of {table.path} lists {shortened(name)} for {split}, but another line for {found[name]}. "
                            "Correct the table.")
    return found
