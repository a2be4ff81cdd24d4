"""Sen1Floods11 as published: chips of Sentinel-1 and Sentinel-2 of eleven floods, with water drawn by hand or found by a rule.

Bonafilia et al., CVPR Workshops 2020, and the readme of cloudtostreet/Sen1Floods11 (version 1.1, bucket sen1floods11). Chips have 512 × 512 px in
EPSG:4326: VV and VH in dB, not measured is NaN; 13 bands of Sentinel-2 L1C × 10,000; labels 1 water, 0 none, -1 not known. The lists in
splits/flood_handlabeled name, in every line, the chip of Sentinel-1 and its label; the flood in Bolivia is in none of training, validation and test,
so that it tells what a model is worth in a place of its own.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from ...errors import DataError, listed
from ...progress import SILENT, Progress
from ..datasets.dataset import IGNORE, SPLITS, ClassInfo
from ..datasets.splitting.by_place import Split
from ..datasets.subsets import SUBSET
from ..rasters.grid import Grid, tile_windows
from .imported_bands import ImportedBands
from .pictures import Header, Picture
from .samples import Content, ImportOptions, Sample, write_samples
from .split_lists import chosen
from .tree import Tree, joined

TITLE = "Sen1Floods11"
LOOKED_FOR = "S1Hand/ and LabelHand/ or S1Weak/ and S2IndexLabelWeak/ (Sen1Floods11)"
CLASSES = (ClassInfo(0, "no water", "#d9d9d9"), ClassInfo(1, "water", "#4477aa"))
NOT_KNOWN = -1
#: Folders of the same chips: Sentinel-1, its labels, of which the first that is there is taken, and Sentinel-2.
KINDS = (("S1Hand", ("LabelHand",), "S2Hand"), ("S1Weak", ("S2IndexLabelWeak", "S1OtsuLabelWeak"), "S2Weak"))
#: Folders of version 1.0.
BEFORE = ("S1", "QC")
PRESETS = {"s1": "sentinel1_db", "s2": "sentinel2_l1c"}
#: A chip, and the kind that its name ends in.
CHIP = re.compile(rf".+_({'|'.join(name for radar, labels, optical in KINDS for name in (radar, *labels, optical))})\.tif")
LIST = re.compile(r"flood_(train|valid|test|bolivia)_data\.csv")
#: Name of a list → split, and the name of the subset that its chips are.
LISTS = {"train": (SPLITS[0], ""), "valid": (SPLITS[1], ""), "test": (SPLITS[2], ""), "bolivia": (SPLITS[2], "bolivia")}
ADVICE = "Copy the folder again from the bucket sen1floods11, with data/flood_events/HandLabeled and splits/flood_handlabeled in it"
#: How deep folders are looked for, from that above v1.1.
DEPTH = 5
#: Chips and labels lie on one grid but for this part of a pixel.
SHIFT = 0.5


@dataclass(frozen=True)
class _Chip:
    """Name, paths of its images by sensor and of its label, split, and further columns of tiles.gpkg."""

    name: str
    images: dict[str, str]
    label: str
    split: str = ""
    columns: dict[str, str | None] = field(default_factory=dict)


def recognise(tree: Tree) -> bool:
    """Whether there is a folder of its chips, or of those of version 1.0, which are refused in words."""
    return any(_is_kind(_kinds(folders, files)) or set(BEFORE) <= set(folders) for _, folders, files in _walk(tree))


def write(tree: Tree, folder: Path, options: ImportOptions, progress: Progress = SILENT) -> Split:
    """Writes a dataset of the task "segmentation" with the sensors s1 and, where it is there, s2.

    Args:
        tree: v1.1, or a folder above or below it that holds the chips.
        folder: an empty folder to fill.
        options: tile size; empty keeps the chips whole. Split.
        progress: also hears warnings.

    Raises:
        DataError: version 1.0, folders or chips that are missing, images of one chip at different places, or a label that is none.
    """
    root, (radar, labels, optical) = _root(tree)
    chips = _chips(tree, root, (radar, labels, optical))
    found, subsets = _lists(tree, chips) if options.keep_split and options.lists is None and radar == KINDS[0][0] else (options.lists, {})
    taken = chosen(list(chips), found, str(tree.path), progress)
    kept = [replace(chips[name], split=split, columns=chips[name].columns | ({SUBSET: subsets.get(name)} if subsets else {}))
            for name, split in taken.items()]
    if found is None and options.keep_split:
        progress.message(f"{tree.path} holds no lists of a split (flood_train_data.csv), so the chips are divided by place. To keep the published "
                         "split, choose the folder v1.1, which holds data/ and splits/." + (
                             " The chips of Bolivia, which the makers keep apart, are divided like the others." if any(
                                 name.startswith("Bolivia") for name in taken) else ""), level="warning")
    progress.message(f"{len(kept)} chips with the labels of {labels}, and images of {listed(PRESETS if 's2' in kept[0].images else ['s1'])}.")
    sensors = {name: _sensor(tree, path, name, progress) for name, path in kept[0].images.items()}
    with Picture(tree, kept[0].label) as opened:
        first = opened.header
    size = options.tile_size or first.width
    if min(first.width, first.height) < size:
        raise DataError(f"{first.path} has {first.width} × {first.height} px, less than a tile of {size} × {size}. Choose a tile size of at most "
                        f"{min(first.width, first.height)}.")
    each = len(tile_windows(first.width, first.height, size, size))
    samples = (sample for chip in kept for sample in _cut(tree, chip, sensors, first, size))
    content = Content("segmentation", tuple(bands.info for bands in sensors.values()), CLASSES, size, each * len(kept), samples, tree.path,
                      {"format": "sen1floods11", "chips": len(kept), "labels": labels}, options.pixel_size)
    split = write_samples(folder, content, options, progress)
    for bands in sensors.values():
        bands.tell(progress)
    return split


def _walk(tree: Tree, folder: str = "", depth: int = DEPTH) -> Iterator[tuple[str, list[str], list[str]]]:
    """Path, sub-folders and files of the folders not too deep; not what lies among chips."""
    folders, files = tree.children(folder)
    yield folder, folders, files
    for name in folders if depth and not _is_kind(_kinds(folders, files)) else ():
        yield from _walk(tree, joined(folder, name), depth - 1)


def _kinds(folders: list[str], files: list[str]) -> list[str]:
    """Names of the folders, and what the names of chips end in that lie beside them: of single files all lie in one folder."""
    return [*folders, *dict.fromkeys(match[1] for name in files if (match := CHIP.fullmatch(name)) and match[1] not in folders)]


def _is_kind(kinds: list[str]) -> bool:
    """Whether folders are those of chips; one of them may be missing."""
    return any(radar in kinds or set(labels) & set(kinds) for radar, labels, _ in KINDS)


def _root(tree: Tree) -> tuple[str, tuple[str, str, str]]:
    """The folder with chips, those drawn by hand first, and the names of its folders of Sentinel-1, labels and Sentinel-2, which may be missing.

    Raises:
        DataError: none, one that lacks a folder, or version 1.0.
    """
    places = [(folder, _kinds(folders, files)) for folder, folders, files in _walk(tree)]
    for radar, labels, optical in KINDS:
        for folder, folders in places:
            own = [name for name in labels if name in folders]
            if radar in folders and own:
                return folder, (radar, own[0], optical)
    for folder, folders in places:
        if _is_kind(folders):
            lacking = [radar if radar not in folders else " or ".join(labels) for radar, labels, _ in KINDS if {radar, *labels} & set(folders)]
            raise DataError(f"{tree.full(folder)} lacks the folder {lacking[0]}; it holds {listed(folders, 6)}. {ADVICE}.")
        if set(BEFORE) <= set(folders):
            raise DataError(f"{tree.full(folder)} is of version 1.0 of Sen1Floods11, with the folders {listed(BEFORE)}, and version 1.1 is read, "
                            f"whose folders are S1Hand and LabelHand. {ADVICE}.")
    raise DataError(f"{tree.path} holds no {LOOKED_FOR}. {ADVICE}, and choose the folder v1.1.")


def _chips(tree: Tree, root: str, names: tuple[str, str, str]) -> dict[str, _Chip]:
    """Name → chip, of all in the folders of Sentinel-1 and labels.

    Raises:
        DataError: none, or chips of which one is missing.
    """
    folders, beside = tree.children(root)
    homes = {name: joined(root, name) if name in folders else root for name in names if name in _kinds(folders, beside)}
    files = {name: {path.removesuffix(f"_{name}.tif"): joined(home, path) for path in tree.children(home)[1] if path.endswith(f"_{name}.tif")}
             for name, home in homes.items()}
    radar, labels, optical = names
    both = sorted({**files[radar], **files[labels]})
    if not both:
        raise DataError(f"{tree.full(homes[radar])} holds no chip named like Ghana_103272_{radar}.tif. {ADVICE}.")
    for wanted in (name for name in (radar, labels, optical) if name in files):
        missing = [name for name in both if name not in files[wanted]]
        if missing:
            leave = f", or leave out all of {optical}" if wanted == optical else ""
            raise DataError(f"{tree.full(homes[wanted])} lacks {len(missing)} of {len(both)} chips, first {missing[0]}_{wanted}.tif. Copy the "
                            f"folder again{leave}.")
    return {name: _Chip(name, {"s1": files[radar][name], **({"s2": files[optical][name]} if optical in files else {})}, files[labels][name],
                        columns={"place": name.rpartition("_")[0]})
            for name in both}


def _lists(tree: Tree, chips: dict[str, _Chip]) -> tuple[dict[str, str] | None, dict[str, str]]:
    """Chip → split, and chip → subset, from the published lists; None where there are none.

    Raises:
        DataError: a list is missing, names chips that are not there, or one of another list.
    """
    lists = {match[1]: joined(folder, name) for folder, _, files in _walk(tree) for name in files if (match := LIST.fullmatch(name))}
    if not lists:
        return None, {}
    if lacking := [name for name in LISTS if name not in lists]:
        raise DataError(f"{tree.path} has the list {next(iter(lists.values()))}, but lacks flood_{lacking[0]}_data.csv. {ADVICE}.")
    splits, subsets, absent = dict[str, str](), dict[str, str](), list[str]()
    for kind, path in ((kind, lists[kind]) for kind in LISTS):
        for line in tree.lines(path):
            names = [cell.rpartition("/")[2] for cell in line.cells if cell]
            key = names[0].removesuffix("_S1Hand.tif") if names else ""
            if not key or names != [f"{key}_S1Hand.tif", f"{key}_LabelHand.tif"]:
                raise DataError(f"Line {line.number} of {tree.full(path)} does not name a chip of Sentinel-1 and its label, such as "
                                "Ghana_103272_S1Hand.tif,Ghana_103272_LabelHand.tif. Copy the list again.")
            if key in splits:
                raise DataError(f"Line {line.number} of {tree.full(path)} names {key}, which an earlier line or list has already. Correct the lists.")
            splits[key] = LISTS[kind][0]
            if LISTS[kind][1]:
                subsets[key] = LISTS[kind][1]
            if key not in chips:
                absent.append(key)
    if absent:
        raise DataError(f"The lists of {tree.path} name {len(splits)} chips, of which {len(absent)} are not there, first {absent[0]}_S1Hand.tif. "
                        f"{ADVICE}; to use those that are there, take the names of the others out of the lists.")
    return splits, subsets


def _sensor(tree: Tree, path: str, name: str, progress: Progress) -> ImportedBands:
    with Picture(tree, path) as opened:
        return ImportedBands(opened.seen(), PRESETS[name], "", name, progress=progress)


def _cut(tree: Tree, chip: _Chip, sensors: dict[str, ImportedBands], first: Header, size: int) -> Iterator[Sample]:
    """The tiles of a chip; of one that is cut, those without a labelled pixel are left out."""
    digest = hashlib.sha256("".join(tree.checksum(path) for path in (*chip.images.values(), chip.label)).encode()).digest()
    with ExitStack() as stack:
        label = stack.enter_context(Picture(tree, chip.label))
        images = {name: stack.enter_context(Picture(tree, path)) for name, path in chip.images.items()}
        for image in images.values():
            _compare(label.header, image.header, first)
        stored = {name: sensors[name].of(image.seen()) for name, image in images.items()}
        for window in tile_windows(first.width, first.height, size, size):
            values, valid = label.read(window)
            drawn = values[0]
            if strange := set(np.unique(drawn[valid]).tolist()) - {NOT_KNOWN, *(row.value for row in CLASSES)}:
                raise DataError(f"{label.path} holds the value {min(strange):g}, and a label is 1, 0 or -1. Copy the chip again.")
            read, measured = {}, np.zeros((size, size), bool)
            for name, image in images.items():
                pixels, known = image.seen(sensors[name].empty).read(window)
                read[name] = stored[name](pixels, known)
                measured |= known
            labels = np.where(valid & measured & (drawn != NOT_KNOWN), drawn, IGNORE).astype(np.uint8)
            if size < first.width and (labels == IGNORE).all():
                continue
            grid = label.header.grid
            yield Sample(read, labels, grid.sub(window) if grid else None, chip.split,
                         {"scene": chip.name, "col": window.col, "row": window.row, **chip.columns}, digest)
            digest = b""


def _compare(label: Header, image: Header, first: Header) -> None:
    """Refuses an image of a chip that is not where its label is, and chips of another size than the first.

    Raises:
        DataError: naming both files.
    """
    for one, other in ((label, first), (image, label)):
        if (one.width, one.height) != (other.width, other.height):
            raise DataError(f"{one.path} has {one.width} × {one.height} px, but {other.path} {other.width} × {other.height}. Copy the chip again.")
    if label.grid and image.grid and _apart(label.grid, image.grid) > SHIFT:
        raise DataError(f"{image.path} and {label.path} lie at different places, although they belong together. Copy the chip again.")


def _apart(one: Grid, other: Grid) -> float:
    """How far the edges of two grids of one size are from each other [px]."""
    if one.crs != other.crs:
        return np.inf
    steps = (*one.resolution, *one.resolution)
    return max(abs(ours - theirs) / step for ours, theirs, step in zip(one.bounds(), other.bounds(), steps, strict=True))
