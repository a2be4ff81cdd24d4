"""Scene classes of any data set: one folder of images for each class."""

from __future__ import annotations

from pathlib import Path

from ...progress import SILENT, Progress
from ..datasets.splitting.by_place import Split
from .eurosat import Taken, class_roots, write_classes
from .samples import ImportOptions
from .tree import Tree

TITLE = "folders of classes"
LOOKED_FOR = "two or more folders of images, one for each class"


def recognise(tree: Tree) -> bool:
    """Whether the folder holds classes as folders."""
    return bool(class_roots(tree))


def write(tree: Tree, folder: Path, options: ImportOptions, progress: Progress = SILENT) -> Split:
    """Writes a dataset of the task "scene"; see `eurosat.write_classes`."""
    return write_classes(tree, folder, Taken("class_folders", LOOKED_FOR), options, progress)
