"""Folders of images and of label images with the same names, the layout most tools write."""

from __future__ import annotations

import re
from pathlib import Path

from ...errors import DataError
from ...report import SILENT, Report
from ...tables import COLOR, shortened
from ..datasets.splitting.by_place import Split
from .pairs import Pair, write_pairs
from .pictures import is_image
from .samples import ImportOptions
from .split_lists import chosen, split_named
from .tree import Tree, joined

TITLE = "images and label images"
IMAGES, LABELS = ("images", "image", "img"), ("labels", "label", "masks", "mask", "annotations", "gt")
LOOKED_FOR = "images/ and labels/ or masks/ with files of the same names"
#: Table of the classes beside the folders: value, name, color.
CLASSES = "classes.csv"


def recognise(tree: Tree) -> bool:
    """Whether there is a folder of images beside one of labels."""
    return bool(_roots(tree))


def write(tree: Tree, folder: Path, options: ImportOptions, report: Report = SILENT) -> Split:
    """Writes a dataset of the task "segmentation".

    Args:
        tree: images/ and labels/ at the root, or below train, val and test, or with these folders inside; images_<name>/ beside
            images/ holds the images of a further sensor.
        folder: an empty folder to fill.
        options: tile size, classes, preset, bands, split.
        report: progress and warnings.

    Raises:
        DataError: an image without labels or labels without an image, and what `pairs.write_pairs` refuses.
    """
    roots = _roots(tree)
    if not roots:
        raise DataError(f"{tree.path} holds no {LOOKED_FOR}. Choose the folder that holds these.")
    pairs = [pair for root in roots for pair in _pairs(tree, root)]
    taken = chosen([pair.name for pair in pairs], options.lists, str(tree.path), report)
    pairs = [Pair(pair.name, pair.image, pair.label, taken[pair.name] or pair.split, pair.others) for pair in pairs if pair.name in taken]
    pairs = [pair for pair in pairs if pair.split != "dropped"]
    if not pairs:
        raise DataError(f"{tree.path} has images/ and labels/, but no image in them. Choose another folder.")
    report.message(f"{len(pairs)} images with labels.")
    write_facts = {"format": "geotiff_pairs", "pairs": len(pairs)}
    return write_pairs(tree, folder, pairs, (), _class_table(tree), options, write_facts, report)


def paired(tree: Tree, images: dict[str, str], labels: dict[str, str], where: str) -> list[str]:
    """Names that are among images and labels, sorted.

    Raises:
        DataError: naming the first image without labels, or labels without an image.
    """
    for name in sorted(images):
        if name not in labels:
            raise DataError(f"The image {tree.full(images[name])} has no label image of the same name in {where}. Add it, or remove the "
                            "image.")
    for name in sorted(labels):
        if name not in images:
            raise DataError(f"The label image {tree.full(labels[name])} has no image of the same name. Add it, or remove the label image.")
    return sorted(images)


def _roots(tree: Tree) -> list[str]:
    """Folders that hold a folder of images and one of labels: the root, its only sub-folder, or those named after splits."""
    folders = tree.children()[0]
    candidates = ["", *folders] if len(folders) == 1 else ["", *(name for name in folders if split_named(name))]
    found = [folder for folder in candidates if _part(tree, folder, IMAGES) and _part(tree, folder, LABELS)]
    return found[:1] if "" in found else found


def _part(tree: Tree, root: str, names: tuple[str, ...]) -> str:
    """The first sub-folder of such a name."""
    own = {name.lower(): name for name in tree.children(root)[0]}
    return next((joined(root, own[name]) for name in names if name in own), "")


def _pairs(tree: Tree, root: str) -> list[Pair]:
    image_folder, label_folder = _part(tree, root, IMAGES), _part(tree, root, LABELS)
    images, labels = _files(tree, image_folder), _files(tree, label_folder)
    beside = [name for name in tree.children(root)[0] if name.lower().startswith("images_")]
    further = {name[len("images_"):]: _files(tree, joined(root, name)) for name in beside}
    pairs = []
    for name in paired(tree, images, labels, label_folder):
        for sensor, files in further.items():
            if name not in files:
                raise DataError(f"The image {tree.full(images[name])} has no image of the same name in {joined(root, 'images_' + sensor)}. "
                                "Add it, or remove the image.")
        split = split_named(root) or split_named(name.partition("/")[0] if "/" in name else "")
        others = tuple((sensor, files[name]) for sensor, files in further.items())
        pairs.append(Pair(name.rpartition("/")[2], images[name], labels[name], split, others))
    return pairs


def _files(tree: Tree, folder: str) -> dict[str, str]:
    """Path below a folder, without ending → path, of every image."""
    return {path[len(folder) + 1:].rpartition(".")[0]: path for path in tree.walk(folder) if is_image(path)}


def _class_table(tree: Tree) -> list[dict] | None:
    """Rows of classes.csv, or None."""
    if not tree.has(CLASSES):
        return None
    table = tree.table(CLASSES, ("value", "name", "color"))
    table.require(("value",), "Give it the headings value,name,color, or remove it.")
    table.require_unique("value")
    for row in table.rows:
        if not re.fullmatch(r"-?\d{1,10}", row["value"]):
            raise DataError(f"Line {row.line} of {table.path} has the value “{shortened(row['value'])}”, but pixels hold whole numbers. Correct the "
                            "table.")
        if row["color"] and not COLOR.fullmatch(row["color"]):
            raise DataError(f"Line {row.line} of {table.path} has the color “{shortened(row['color'])}”, which is none. Write it as #1f77b4.")
    return [{"value": row["value"], "name": row["name"] or row["value"], "color": row["color"]} for row in table.rows]
