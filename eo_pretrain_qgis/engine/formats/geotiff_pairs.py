"""Folders of images and of label images with the same names, the layout most tools write."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ...errors import DataError
from ...progress import SILENT, Progress
from ...tables import COLOR, shortened
from ..datasets.dataset import IGNORE, ClassInfo, Dataset
from ..datasets.splitting.by_place import Split
from ..looks.class_style import class_map_qml
from .eurosat import UNLABELLED
from .pairs import Pair, write_pairs
from .pictures import is_image
from .samples import ImportOptions
from .split_lists import TABLE, chosen, split_named
from .tile_files import IMAGES, LABELS, chosen_tiles, tiles_of, write_class_table, write_split_table, write_tile
from .tree import Tree, joined

TITLE = "images and label images"
IMAGE_FOLDERS, LABEL_FOLDERS = ("images", "image", "img"), ("labels", "label", "masks", "mask", "annotations", "gt")
LOOKED_FOR = "images/ and labels/ or masks/ with files of the same names"
#: Table of the classes beside the folders: value, name, color.
CLASSES = "classes.csv"
#: Letters of a class in the name of its folder.
LONGEST = 60


def recognise(tree: Tree) -> bool:
    """Whether there is a folder of images beside one of labels."""
    return bool(_roots(tree))


def write(tree: Tree, folder: Path, options: ImportOptions, progress: Progress = SILENT) -> Split:
    """Writes a dataset of the task "segmentation".

    Args:
        tree: images/ and labels/ at the root, or below train, val and test, or with these folders inside; images_<name>/ beside
            images/ holds the images of a further sensor.
        folder: an empty folder to fill.
        options: tile size, classes, preset, bands, split.
        progress: also hears warnings.

    Raises:
        DataError: an image without labels or labels without an image, and what `pairs.write_pairs` refuses.
    """
    roots = _roots(tree)
    if not roots:
        raise DataError(f"{tree.path} holds no {LOOKED_FOR}. Choose the folder that holds these.")
    pairs = [pair for root in roots for pair in _pairs(tree, root)]
    taken = chosen([pair.name for pair in pairs], options.lists, str(tree.path), progress)
    pairs = [Pair(pair.name, pair.image, pair.label, taken[pair.name] or pair.split, pair.others) for pair in pairs if pair.name in taken]
    if not pairs:
        raise DataError(f"{tree.path} has images/ and labels/, but no image in them. Choose another folder.")
    progress.message(f"{len(pairs)} images with labels.")
    write_facts = {"format": "geotiff_pairs", "pairs": len(pairs)}
    return write_pairs(tree, folder, pairs, (), _class_table(tree), options, write_facts, progress)


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
    found = [folder for folder in candidates if _part(tree, folder, IMAGE_FOLDERS) and _part(tree, folder, LABEL_FOLDERS)]
    return found[:1] if "" in found else found


def _part(tree: Tree, root: str, names: tuple[str, ...]) -> str:
    """The first sub-folder of such a name."""
    own = {name.lower(): name for name in tree.children(root)[0]}
    return next((joined(root, own[name]) for name in names if name in own), "")


def _pairs(tree: Tree, root: str) -> list[Pair]:
    image_folder, label_folder = _part(tree, root, IMAGE_FOLDERS), _part(tree, root, LABEL_FOLDERS)
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


def export(dataset: Dataset, folder: Path, sensor: str = "", split: str = "", progress: Progress = SILENT) -> int:
    """Writes GeoTIFF: images and label images of tiles, or images in a folder for each class; classes.csv and split.csv beside them.

    Args:
        dataset: with one class per pixel or per image.
        folder: an empty folder to fill.
        sensor: only the images of this one; empty is all, those of the second and later in images_<name>/.
        split: only samples of this one; empty is all but those dropped between the splits.
        progress: also hears messages.

    Returns:
        Number of samples written.

    Raises:
        DataError: a sensor or split the dataset does not have, or a full disk.
    """
    sensors = [dataset.sensor_named(sensor)] if sensor else dataset.sensors
    pixelwise = dataset.kind.pixelwise
    if not pixelwise and len(sensors) > 1:
        listed = ", ".join(info.name for info in sensors)
        raise DataError(f"{dataset.folder} has images of {listed}, and a folder of classes holds those of one. Name it in “Sensor”.")
    indices, names = chosen_tiles(dataset, split, progress)
    folders = _class_folders(dataset.classes)
    parts = [IMAGES, *(f"{IMAGES}_{info.name}" for info in sensors[1:]), LABELS] if pixelwise else folders
    if not pixelwise and (dataset.labels(indices) == IGNORE).any():
        (folder / UNLABELLED[0]).mkdir()
    for place in parts:
        (folder / place).mkdir()
    palette = np.array([*(row.value for row in dataset.classes), *[IGNORE] * (256 - len(dataset.classes))], np.uint8)
    for name, grid, images, label in tiles_of(dataset, indices, names, sensors, progress):
        if pixelwise:
            write_tile(folder / LABELS / f"{name}.tif", palette[label][None], grid, nodata=IGNORE, classes=dataset.classes)
            targets = parts[:-1]
        else:
            targets = [folders[int(label)] if label != IGNORE else UNLABELLED[0]]
        for place, info, image in zip(targets, sensors, images, strict=False):
            write_tile(folder / place / f"{name}.tif", image, grid, info, pixel_size=dataset.description["resolution_m"][0])
    write_class_table(folder / CLASSES, dataset.classes, () if pixelwise else folders)
    write_split_table(folder / TABLE, names, dataset.splits[indices])
    if pixelwise:
        (folder / f"{LABELS}.qml").write_text(class_map_qml(dataset.classes), encoding="utf-8")
    return len(indices)


def _class_folders(classes: Sequence[ClassInfo]) -> list[str]:
    """Names of the classes as names of folders, all different also where the file system knows no capitals."""
    folders: list[str] = []
    for row in classes:
        plain = re.sub(r"[^\w-]+", "_", row.name).strip("_")[:LONGEST] or f"class_{row.value}"
        taken = {name.lower() for name in (*folders, *UNLABELLED)}
        folders.append(plain if plain.lower() not in taken else f"{plain}_{row.value}")
    return folders
