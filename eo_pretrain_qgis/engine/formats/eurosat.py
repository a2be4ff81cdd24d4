"""EuroSAT, and with it all scene classes: one folder of images for each class, and one for images without a class where there are such.

EuroSAT (Helber et al., IEEE JSTARS 12(7), 2019): 27,000 patches of 64 × 64 px of 10 m in ten classes; as RGB in JPEG, without a place, and
with all 13 bands of Sentinel-2 L1C in GeoTIFF.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from ...errors import DataError
from ...progress import SILENT, Progress
from ...tables import COLOR, shortened
from ..datasets.dataset import IGNORE, SPLITS
from ..datasets.legend import class_key, make_legend
from ..datasets.splitting.by_place import Split
from .imported_bands import ImportedBands
from .other_layouts import refuse_other_layouts
from .pictures import Header, Picture, in_memory, is_image, read_whole
from .samples import Content, ImportOptions, Sample, read_ahead, write_samples
from .split_lists import chosen, split_named
from .tree import Tree, joined, stem

TITLE = "EuroSAT"
LOOKED_FOR = "folders named after EuroSAT's classes, such as AnnualCrop and Forest"
#: Order of the bands in the 13-band files: B8A comes last, not behind B08 (TorchGeo, torchgeo/datasets/eurosat.py; checked by the cirrus
#: band, whose reflectance is near 0).
BANDS = ("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B09", "B10", "B11", "B12", "B8A")
RGB = ("B04", "B03", "B02")
SIZE, PIXEL_SIZE = 64, 10.0
#: Bands of 8-bit pictures of other data sets. Many are taken from aeroplanes: names of a satellite's bands would make models take them for its.
PICTURE = ("red", "green", "blue")
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
class Taken:
    """What class folders are taken for.

    Attributes:
        format: its name.
        looked_for: in words.
        bands: preset and names by number of bands and type, for files that do not name theirs.
        classes: name of a folder → name and colour.
        pixel_size: of images that lie nowhere [m].
    """

    format: str
    looked_for: str
    bands: dict[tuple[int, str], tuple[str, tuple[str, ...]]] = field(default_factory=lambda: {(len(PICTURE), "uint8"): ("generic", PICTURE)})
    classes: dict[str, tuple[str, str]] = field(default_factory=dict)
    pixel_size: float | None = None


EUROSAT = Taken("eurosat", LOOKED_FOR, {(len(BANDS), "uint16"): ("sentinel2_l1c", BANDS), (len(RGB), "uint8"): ("generic", RGB)}, CLASSES, PIXEL_SIZE)


@dataclass(frozen=True)
class _File:
    name: str
    position: int
    split: str


def recognise(tree: Tree) -> bool:
    """Whether the class folders are EuroSAT's: named so, and with images of its size or its names, of pixels of 10 m where they say so.

    “Forest” and “River” are classes of aerial data sets too.
    """
    roots = class_roots(tree)
    folders = [(name, joined(root, name)) for root, _ in roots for name in _class_folders(tree, root)]
    if not roots or not {name for name, _ in folders} <= set(CLASSES):
        return False
    named, path = True, ""
    for name, place in folders:
        image = next(file for file in tree.children(place)[1] if is_image(file))
        named &= bool(re.fullmatch(rf"{name}_\d+", stem(image)))
        path = path or joined(place, image)
    with Picture(tree, path) as opened:
        header = opened.header
    tens = header.grid is None or all(abs(metres / PIXEL_SIZE - 1) < 0.2 for metres in header.grid.metres_per_pixel())
    return tens and (named or (header.width, header.height) == (SIZE, SIZE))


def write(tree: Tree, folder: Path, options: ImportOptions, progress: Progress = SILENT) -> Split:
    """Writes a dataset of the task "scene"; see `write_classes`.

    Raises:
        DataError: other classes, and what `write_classes` refuses.
    """
    if class_roots(tree) and not recognise(tree):
        raise DataError(f"The class folders of {tree.path} are not EuroSAT's. Choose the format “class_folders”.")
    return write_classes(tree, folder, EUROSAT, options, progress)


def write_classes(tree: Tree, folder: Path, taken_for: Taken, options: ImportOptions, progress: Progress = SILENT) -> Split:
    """Writes a dataset of the task "scene".

    Args:
        tree: class folders at the root, below one folder in another, or below train, val and test.
        folder: an empty folder to fill.
        taken_for: what the folders are.
        options: split, preset, bands and pixel size.
        progress: also hears warnings.

    Raises:
        DataError: a damaged image, images of different sizes, bands or types, or folders that are no classes.
    """
    roots = class_roots(tree)
    if not roots:
        raise DataError(f"{tree.path} holds no {taken_for.looked_for}. Choose the folder that holds the class folders.")
    folders = sorted({_key(name) for root, _ in roots for name in _class_folders(tree, root)})
    known = {"classes": [{"value": name, "name": row[0], "color": row[1]} for name, row in taken_for.classes.items()]}
    told = _class_table(tree)
    refuse_other_layouts(tree, [root for root, _ in roots], _places(tree, roots), bool(told))
    table = options.class_table or [{**row, "value": row["folder"]} for row in told]
    legend = make_legend(folders, f"The folder {tree.path}", table, known, False, progress,
                         "Choose a folder with two class folders or more.")
    own = {_key(row["folder"]): int(row["value"]) for row in told}
    classes = [replace(row, value=own.get(folder, row.value)) for folder, row in zip(legend.positions, legend.classes, strict=True)]
    folders = [name for name in folders if name in legend.positions]
    files = [_File(joined(joined(root, name), file), legend.positions[_key(name)], split) for root, split in roots
             for name in _class_folders(tree, root) if _key(name) in legend.positions
             for file in tree.children(joined(root, name))[1] if is_image(file)]
    taken = chosen([stem(file.name) for file in files], options.lists, str(tree.path), progress)
    files = [replace(file, split=taken[stem(file.name)] or file.split) for file in files if stem(file.name) in taken]
    loose = _without_class(tree, roots, options.lists, any(file.split for file in files))
    progress.message(f"{len(files)} images in {len(folders)} class folders." + (f" {len(loose)} more have no class." if loose else ""))
    files += loose
    first, values, valid = read_whole(tree.read(files[0].name), tree.full(files[0].name))
    if first.width != first.height:
        raise DataError(f"{first.path} has {first.width} × {first.height} px and is not square. Crop the images to squares.")
    usual = taken_for.bands.get((len(first.bands), first.dtype))
    bands = ImportedBands(in_memory(first, values, valid), options.preset, options.bands, default=usual, progress=progress)
    sensor = bands.info
    if sensor.preset == "generic" and not options.bands and not usual and not any(band.name for band in first.bands):
        progress.message(f"The images do not say what their {len(first.bands)} bands are, so these are called {sensor.bands[0].name} and so on. "
                         "Name them in “Bands”, so that models know them.", level="warning")

    def read(file: _File) -> Sample:
        content = tree.read(file.name)
        header, values, valid = read_whole(content, tree.full(file.name))
        _compare(first, header)
        kept = bands.of(in_memory(header, values, valid))(values, valid)
        return Sample({sensor.name: kept}, np.array(file.position, np.uint8), header.grid, file.split,
                      {"scene": stem(file.name)}, hashlib.sha256(content).digest())

    facts = {"format": taken_for.format, "images": len(files), "class_folders": folders}
    size = options.pixel_size or first.pixel_size or (taken_for.pixel_size if first.grid is None else None)
    content = Content("scene", (sensor,), tuple(classes), first.width, len(files), read_ahead(files, read), tree.path, facts, size)
    split = write_samples(folder, content, options, progress)
    bands.tell(progress)
    return split


def class_roots(tree: Tree) -> list[tuple[str, str]]:
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


def _key(folder: str) -> str:
    """The class that a folder is of: one system writes the marks of its letters otherwise than the next, and a table may add to a name."""
    return class_key(folder) or folder


def _class_folders(tree: Tree, folder: str) -> list[str]:
    return [name for name in tree.children(folder)[0]
            if name.lower() not in (*NO_CLASSES, *UNLABELLED) and any(map(is_image, tree.children(joined(folder, name))[1]))]


def _places(tree: Tree, roots: list[tuple[str, str]]) -> dict[str, list[str]]:
    """Name of each class folder → where it lies below the roots."""
    places: dict[str, list[str]] = {}
    for root, _ in roots:
        for name in _class_folders(tree, root):
            places.setdefault(name, []).append(joined(root, name))
    return places


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


def _compare(first: Header, other: Header) -> None:
    if (other.width, other.height) != (first.width, first.height):
        raise DataError(f"{other.path} has {other.width} × {other.height} px, but {first.path} {first.width} × {first.height}. Bring copies "
                        "of the images to one size, and import these.")
    if len(other.bands) != len(first.bands) or other.dtype != first.dtype:
        raise DataError(f"{other.path} has {len(other.bands)} bands of {other.dtype}, but {first.path} {len(first.bands)} of {first.dtype}. "
                        "Bring copies of the images to one type and number of bands, and import these.")
