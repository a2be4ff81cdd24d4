"""Published layouts of training data: which there are, how each is recognised, and the one way to read any of them."""

from __future__ import annotations

import warnings
from pathlib import Path
from types import ModuleType

from rasterio.errors import NotGeoreferencedWarning

from ...errors import DataError, listed
from ...progress import SILENT, Progress
from ..datasets.dataset import Dataset
from ..datasets.splitting.by_place import Split
from ..tasks import TASKS, require
from . import (
    ai4arctic,
    bigearthnet,
    class_folders,
    esri_tiles,
    eurocropsml,
    eurosat,
    fields_of_the_world,
    geotiff_pairs,
    pastis,
    sen1floods11,
    sen12ms,
    suffix_pairs,
    timesen2crop,
)
from .other_layouts import refuse_known
from .samples import ImportOptions
from .split_lists import read_lists
from .tree import Tree

__all__ = ["FORMATS", "WRITERS", "ImportOptions", "Tree", "detect", "export_dataset", "read_split", "write_dataset"]

#: Name of a format → module with TITLE, LOOKED_FOR, recognise(tree) and write(tree, folder, options, report). In the order in which
#: they are looked for: the most telling marks first.
FORMATS: dict[str, ModuleType] = {
    "esri_tiles": esri_tiles, "eurocropsml": eurocropsml, "bigearthnet": bigearthnet, "sen12ms": sen12ms, "timesen2crop": timesen2crop,
    "ai4arctic": ai4arctic, "sen1floods11": sen1floods11, "geotiff_pairs": geotiff_pairs, "eurosat": eurosat,
    "fields_of_the_world": fields_of_the_world, "pastis": pastis, "suffix_pairs": suffix_pairs, "class_folders": class_folders,
}

#: Those that are written, too: format → module with export(dataset, folder, sensor, split, report).
WRITERS: dict[str, ModuleType] = {"geotiff": geotiff_pairs, "esri_tiles": esri_tiles, "timesen2crop": timesen2crop}


def detect(tree: Tree) -> str:
    """The format a folder or archive is in.

    Raises:
        DataError: when it is none, with the name of a layout that is not read, or saying what it holds.
    """
    for name, module in FORMATS.items():
        if module.recognise(tree):
            return name
    refuse_known(tree)
    folders, files = tree.children()
    seen = ", ".join([*(name + "/" for name in folders[:4]), *files[:4]]) or "nothing"
    raise DataError(f"{tree.path} is in no known format; it holds {seen}. Choose the folder that holds the data themselves, often one below or "
                    "above. To hear what a format needs, choose it in “Format”.")


def write_dataset(name: str, tree: Tree, folder: Path, options: ImportOptions, progress: Progress = SILENT) -> Split:
    """Reads a folder in the format `name` and writes it as a dataset into an empty folder."""
    with warnings.catch_warnings():  # here and not around each file: several threads read
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        return FORMATS[name].write(tree, folder, options, progress)


def export_dataset(name: str, dataset: Dataset, folder: Path, sensor: str = "", split: str = "", progress: Progress = SILENT) -> int:
    """Writes a dataset in the format `name` into an empty folder; see the `export` of its module.

    Raises:
        DataError: of a task whose labels the format cannot hold, or see there.
    """
    if not dataset.kind.formats:
        raise DataError(f"The dataset {dataset.folder} has {dataset.kind.words}, and no layout holds that so far. Hand on the dataset folder as it "
                        "is: its arrays and tiles.gpkg are read by other programs, too.")
    require(dataset, [task for task, row in TASKS.items() if name in row.formats], f"the layout “{name}”", "choose another format")
    if dataset.targets:
        progress.message(f"The layout “{name}” holds one target, so the labels of “{dataset.target}” are written, without those of "
                         f"{', '.join(dataset.targets)}.", "warning")
    elif dataset.kind.pixelwise and dataset.shards.extras():
        progress.message(f"{dataset.folder} keeps {listed(dataset.shards.extras())} beside its labels, and the layout “{name}” does not: read "
                         "back, it has classes of pixels alone.", level="warning")
    return WRITERS[name].export(dataset, folder, sensor, split, progress)


def read_split(tree: Tree, folder: str | None) -> dict[str, str] | None:
    """Name of a sample → split from the lists in a folder, or beside the data; None where there are none.

    Raises:
        DataError: a folder was named and holds no lists.
    """
    lists = read_lists(Tree(folder) if folder else tree)
    if folder and lists is None:
        raise DataError(f"{folder} holds no split list: train, val or test as .csv or .txt, or split.csv. Choose the folder that holds them.")
    return lists
