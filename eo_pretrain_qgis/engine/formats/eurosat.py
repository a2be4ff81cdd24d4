"""EuroSAT and other scene classes: one folder of images for each class, and one for images without a class where there are such.

EuroSAT (Helber et al., IEEE JSTARS 12(7), 2019): 27,000 patches of 64 × 64 px of 10 m in ten classes; as RGB in JPEG, without a place, and
with all 13 bands of Sentinel-2 L1C in GeoTIFF.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ...errors import DataError
from ...report import SILENT, Report
from ...tables import COLOR, shortened
from ..dataset import IGNORE, SPLITS
from ..legend import make_legend
from ..splits import Split
from .pictures import Header, is_image, read_whole, sensor_of, stored
from .samples import Content, ImportOptions, Sample, read_ahead, write_samples
from .split_lists import chosen, split_named
from .tree import Tree, joined, stem

TITLE = "folders of classes, as EuroSAT has them"
LOOKED_FOR = "two or more folders of images, one for each class (EuroSAT)"
#: Order of the bands in the 13-band files: B8A comes last, not behind B08 (TorchGeo, torchgeo/datasets/eurosat.py; checked by the cirrus
#: band, whose reflectance is near 0).
BANDS = ("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B09", "B10", "B11", "B12", "B8A")
RGB = ("B04", "B03", "B02")
PIXEL_SIZE = 10.0
CLASSES = {
    "AnnualCrop": ("annual crop", "#f1c40f"), "Forest": ("forest", "#1e7b34"), "HerbaceousVegetation": ("herbaceous vegetation", "#a3d977"),
    "Highway": ("highway", "#7f8c8d"), "Industrial": ("industrial", "#8e44ad"), "Pasture": ("pasture", "#58d68d"),
    "PermanentCrop": ("permanent crop", "#d68910"), "Residential": ("residential", "#e74c3c"), "River": ("river", "#5dade2"),
    "SeaLake": ("sea or lake", "#1f4e9e"),
}
#: EuroSAT's archives nest: ds/images/remote_sensing/otherDatasets/sentinel_2/tif.
NESTED = 8
#: Names the classes of the folders, where it is there.
CLASS_TABLE = "classes.csv"
#: Folders that hold images or labels of pairs and are no classes.
NO_CLASSES = ("images", "labels", "masks", "image", "label", "mask", "img")
#: The folder of images whose class nobody knows, in British and American spelling; “Export dataset” writes the first.
UNLABELLED = ("unlabelled", "unlabeled")


@dataclass(frozen=True)
class _File:
    name: str
    position: int
    split: str


def recognise(tree: Tree) -> bool:
    """Whether the folder holds classes as folders."""
    return bool(_class_roots(tree))


def write(tree: Tree, folder: Path, options: ImportOptions, report: Report = SILENT) -> Split:
    """Writes a dataset of the task "scene".

    Args:
        tree: class folders at the root, below one folder in another, or below train, val and test.
        folder: an empty folder to fill.
        options: split, preset, bands and pixel size.
        report: progress and warnings.

    Raises:
        DataError: a damaged image, or images of different sizes, bands or types.
    """
    roots = _class_roots(tree)
    if not roots:
        raise DataError(f"{tree.path} holds no {LOOKED_FOR}. Choose the folder that holds the class folders.")
    folders = sorted({name for root, _ in roots for name in _class_folders(tree, root)})
    known = {"classes": [{"value": name, "name": row[0], "color": row[1]} for name, row in CLASSES.items()]}
    told = _class_table(tree)
    table = options.class_table or [{**row, "value": row["folder"]} for row in told]
    legend = make_legend(folders, f"The folder {tree.path}", table, known, False, report)
    own = {row["folder"]: int(row["value"]) for row in told}
    classes = [replace(row, value=own.get(folder, row.value)) for folder, row in zip(legend.positions, legend.classes, strict=True)]
    folders = [name for name in folders if name in legend.positions]
    files = [_File(joined(joined(root, name), file), legend.positions[name], split) for root, split in roots
             for name in _class_folders(tree, root) if name in legend.positions for file in tree.children(joined(root, name))[1] if is_image(file)]
    taken = chosen([stem(file.name) for file in files], options.lists, str(tree.path), report)
    files = [replace(file, split=taken[stem(file.name)] or file.split) for file in files if stem(file.name) in taken]
    loose = _without_class(tree, roots, options.lists, any(file.split for file in files))
    report.message(f"{len(files)} images in {len(folders)} class folders." + (f" {len(loose)} more have no class." if loose else ""))
    files += loose
    first, _, _ = read_whole(tree.read(files[0].name), tree.full(files[0].name))
    if first.width != first.height:
        raise DataError(f"{first.path} has {first.width} × {first.height} px and is not square. Crop the images to squares.")
    sensor = sensor_of(first, options.preset, options.bands, default=_usual(first), report=report)

    def read(file: _File) -> Sample:
        content = tree.read(file.name)
        header, values, valid = read_whole(content, tree.full(file.name))
        _compare(first, header)
        return Sample({sensor.name: stored(values, valid, sensor)}, np.array(file.position, np.uint8), header.grid, file.split,
                      {"scene": stem(file.name)}, hashlib.sha256(content).digest())

    facts = {"format": "eurosat", "images": len(files), "class_folders": folders}
    size = options.pixel_size or first.pixel_size or (PIXEL_SIZE if first.grid is None and set(folders) <= set(CLASSES) else None)
    content = Content("scene", (sensor,), tuple(classes), first.width, len(files), read_ahead(files, read), tree.path, facts, size)
    return write_samples(folder, content, options, report)


def _class_roots(tree: Tree) -> list[tuple[str, str]]:
    """Folders that hold class folders, and the split each is named after."""
    folder = ""
    for _ in range(NESTED):
        folders, files = tree.children(folder)
        named = [(_descend(tree, joined(folder, name)), split_named(name)) for name in folders if split_named(name)]
        if any(place is not None for place, _ in named):
            return [(place, split) for place, split in named if place is not None]
        classes = _class_folders(tree, folder)
        if len(classes) >= 2 and not all(map(split_named, classes)):
            return [(folder, "")]
        if len(folders) != 1 or any(map(is_image, files)):
            return []
        folder = joined(folder, folders[0])
    return []


def _without_class(tree: Tree, roots: list[tuple[str, str]], lists: dict[str, str] | None, divided: bool) -> list[_File]:
    """Images nobody gave a class; where the others come with a split and these do not, they are for training."""
    found = [(joined(joined(root, name), file), split) for root, split in roots for name in tree.children(root)[0] if name.lower() in UNLABELLED
             for file in tree.children(joined(root, name))[1] if is_image(file)]
    return [_File(name, IGNORE, (lists or {}).get(stem(name), "") or split or (SPLITS[0] if divided else "")) for name, split in found]


def _descend(tree: Tree, folder: str) -> str | None:
    """The first folder with two class folders or more, going down as long as there is one folder only."""
    for _ in range(NESTED):
        folders, files = tree.children(folder)
        if len(_class_folders(tree, folder)) >= 2:
            return folder
        if len(folders) != 1 or any(map(is_image, files)):
            return None
        folder = joined(folder, folders[0])
    return None


def _class_folders(tree: Tree, folder: str) -> list[str]:
    return [name for name in tree.children(folder)[0]
            if name.lower() not in (*NO_CLASSES, *UNLABELLED) and any(map(is_image, tree.children(joined(folder, name))[1]))]


def _class_table(tree: Tree) -> list[dict]:
    """Rows folder, value, name, color of classes.csv, as “Export dataset” writes it; none where there is none."""
    columns = ("folder", "value", "name", "color")
    if not tree.has(CLASS_TABLE):
        return []
    table = tree.table(CLASS_TABLE, columns)
    if not set(columns) <= set(table.headings):
        return []
    table.require_unique("folder")
    table.require_unique("value")
    for row in table.rows:
        if not re.fullmatch(r"\d{1,3}", row["value"], re.ASCII) or int(row["value"]) >= IGNORE:
            raise DataError(f"Line {row.line} of {table.path} has the value “{shortened(row['value'])}”, but the value of a class is a whole "
                            f"number from 0 to {IGNORE - 1}. Correct the table, or remove it.")
        if row["color"] and not COLOR.fullmatch(row["color"]):
            raise DataError(f"Line {row.line} of {table.path} has the color “{shortened(row['color'])}”, which is none. Write it as #1f77b4.")
    return [{column: row[column] for column in columns} for row in table.rows]


def _usual(header: Header) -> tuple[str, tuple[str, ...]] | None:
    """Preset and names of the bands in EuroSAT's files, which do not name them."""
    if len(header.bands) == len(BANDS) and header.dtype == "uint16":
        return "sentinel2_l1c", BANDS
    return ("generic", RGB) if len(header.bands) == len(RGB) and header.dtype == "uint8" else None


def _compare(first: Header, other: Header) -> None:
    if (other.width, other.height) != (first.width, first.height):
        raise DataError(f"{other.path} has {other.width} × {other.height} px, but {first.path} {first.width} × {first.height}. Bring the "
                        "images to one size, or remove those that differ.")
    if len(other.bands) != len(first.bands) or other.dtype != first.dtype:
        raise DataError(f"{other.path} has {len(other.bands)} bands of {other.dtype}, but {first.path} {len(first.bands)} of {first.dtype}. "
                        "Remove the images that differ.")
