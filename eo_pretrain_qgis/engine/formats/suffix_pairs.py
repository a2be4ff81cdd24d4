"""Images and label images side by side in one folder, told apart by the ends of their names: 123_sat.jpg and 123_mask.png.

DeepGlobe (Demir et al., arXiv 1805.06561) is handed out so: folders train, valid and test of pictures of 0.5 m, of which the makers kept the masks of
valid and test; class_dict.csv gives the colours of the classes, and metadata.csv lists the files.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from ...errors import DataError, listed
from ...progress import SILENT, Progress
from ..datasets.legend import check_whole
from ..datasets.splitting.by_place import Split
from .label_colors import CLASS_TABLE, ColoredLabels, LabelColors
from .pairs import Pair, write_pairs
from .pictures import is_image
from .samples import ImportOptions
from .split_lists import chosen, split_named
from .tree import Tree, joined, stem

TITLE = "pairs by the ends of their names"
LOOKED_FOR = "images and label images side by side, such as 123_sat.jpg and 123_mask.png, in one folder or in train, valid and test"
IMAGE_ENDS, LABEL_ENDS = ("sat", "image", "img", "rgb"), ("mask", "label", "gt")
#: Name of a place, and what its file shows.
NAME = re.compile(rf"(.+)[_-]({'|'.join((*IMAGE_ENDS, *LABEL_ENDS))})", re.IGNORECASE)
#: The list of files that comes with DeepGlobe, and its columns of paths, empty where a file is not handed out.
FILE_LIST, PATHS = "metadata.csv", ("sat_image_path", "mask_path")


@dataclass
class _Folder:
    """What a folder holds: paths of images and of label images by the name of their place, and images of neither kind."""

    place: str
    images: dict[str, str] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    others: list[str] = field(default_factory=list)


def recognise(tree: Tree) -> bool:
    """Whether an image stands beside a label image of the same place."""
    return bool(_folders(tree))


def write(tree: Tree, folder: Path, options: ImportOptions, progress: Progress = SILENT) -> Split:
    """Writes a dataset of the task "segmentation".

    Args:
        tree: pairs at the root, in its only folder, or in folders train, valid and test; beside them class_dict.csv where labels are colours.
        folder: an empty folder to fill.
        options: tile size, classes, preset, bands, split.
        progress: also hears what was left out.

    Raises:
        DataError: an image or a label image without its partner, a file that metadata.csv names and is not there, colours without a table, and what
            `pairs.write_pairs` refuses.
    """
    folders = _folders(tree)
    if not folders:
        raise DataError(f"{tree.path} holds no {LOOKED_FOR}. Choose the folder that holds these.")
    _check_list(tree, folders)
    colors = _colors(tree, folders, options)
    opened = partial(ColoredLabels, colors=colors)
    pairs = [Pair(name, each.images[name], each.labels[name], split_named(each.place.rpartition("/")[2]), opened=opened)
             for each in folders for name in _paired(tree, each, progress)]
    lists = options.lists and {_place(name): split for name, split in options.lists.items()}
    taken = chosen([pair.name for pair in pairs], lists, str(tree.path), progress)
    kept = len({pair.split for pair in pairs}) > 1
    if any(pair.split for pair in pairs) and not kept and not options.lists:
        progress.message(f"Only the {pairs[0].split} images of {tree.path} have label images, so these are divided anew.")
    pairs = [Pair(pair.name, pair.image, pair.label, taken[pair.name] or (pair.split if kept else ""), opened=opened)
             for pair in pairs if pair.name in taken]
    progress.message(f"{len(pairs)} images with labels.")
    with opened(tree, pairs[0].label) as label:
        label.check()
    table = options.class_table or (colors.table if colors else None)
    split = write_pairs(tree, folder, pairs, (), table, options, {"format": "suffix_pairs", "pairs": len(pairs)}, progress)
    if colors:
        colors.tell(progress)
    return split


def _folders(tree: Tree) -> list[_Folder]:
    """The folders with pairs, or with one half of them beside those: the root, its only folder, or those named after splits."""
    names = tree.children()[0]
    for root in ("", *(names if len(names) == 1 else ())):
        inside = [joined(root, name) for name in tree.children(root)[0] if split_named(name)]
        for places in ([root], inside):
            found = [_folder(tree, place) for place in places]
            if any(each.images.keys() & each.labels.keys() for each in found):
                return [each for each in found if each.images or each.labels]
    return []


def _folder(tree: Tree, place: str) -> _Folder:
    found = _Folder(place)
    files = [(joined(place, name), NAME.fullmatch(stem(name))) for name in tree.children(place)[1] if is_image(name)]
    kinds = Counter(match[2].lower() for _, match in files if match)
    image = max(IMAGE_ENDS, key=lambda end: kinds[end])
    label = max(LABEL_ENDS, key=lambda end: kinds[end])
    for path, match in files:
        end = match[2].lower() if match else ""
        if match and end in (image, label):
            kind = found.images if end == image else found.labels
            if kind.setdefault(match[1], path) != path:
                raise DataError(f"{tree.full(kind[match[1]])} and {tree.full(path)} are of one place. Leave one of them out.")
        else:
            found.others.append(path)
    return found


def _place(name: str) -> str:
    """The name of a place; lists may name its image."""
    match = NAME.fullmatch(name)
    return match[1] if match else name


def _paired(tree: Tree, each: _Folder, progress: Progress) -> list[str]:
    """The names of the pairs of a folder, sorted.

    Raises:
        DataError: naming the first image or label image without its partner, and how many there are; a folder without any labels is left out.
    """
    place = tree.full(each.place) if each.place else str(tree.path)
    if each.others:
        progress.message(f"{len(each.others)} files of {place}, such as {each.others[0]}, are neither images nor label images of a pair by the ends "
                         "of their names; they are left out.", level="warning")
    if not each.labels:
        progress.message(f"{place} holds {len(each.images)} images and no label image; they are left out.", level="warning")
        return []
    for what, partner, mine, theirs in (("image", "label image", each.images, each.labels), ("label image", "image", each.labels, each.images)):
        alone = sorted(mine.keys() - theirs.keys())
        if alone:
            other = stem(next(iter(theirs.values()), "")).rpartition("_")[2]
            raise DataError(f"The {what} {tree.full(mine[alone[0]])} has no {partner} {alone[0]}_{other} beside it"
                            f"{f', and so have {len(alone) - 1} more' if len(alone) > 1 else ''}. Add it, or remove the {what}.")
    return sorted(each.images)


def _colors(tree: Tree, folders: list[_Folder], options: ImportOptions) -> LabelColors | None:
    """What colours mean: the job's table of classes where the labels are in colour, else class_dict.csv; None where numbers are meant."""
    first = next(path for each in folders for path in each.labels.values())
    if options.class_table:
        check_whole(options.class_table, str(tree.path))
        with ColoredLabels(tree, first, None) as label:
            return LabelColors.of(options.class_table) if label.count == 3 and any(row["color"] for row in options.class_table) else None
    roots = ["", *dict.fromkeys(each.place.rpartition("/")[0] for each in folders), *(each.place for each in folders)]
    found = next((joined(root, CLASS_TABLE) for root in roots if tree.has(joined(root, CLASS_TABLE))), "")
    return LabelColors.read(tree, found) if found else None


def _check_list(tree: Tree, folders: list[_Folder]) -> None:
    """Holds the list of files that came with the data against the files.

    Raises:
        DataError: files are missing: how many, and the first.
    """
    root = folders[0].place.rpartition("/")[0]
    name = joined(root, FILE_LIST)
    if not tree.has(name):
        return
    table = tree.table(name)
    named = [row[column] for column in PATHS if column in table.headings for row in table.rows if row[column]]
    missing = [path for path in named if not tree.has(joined(root, path))]
    if missing:
        raise DataError(f"{table.path} names {len(named)} files, and {len(missing)} of them are missing: {listed(missing, 1)}. Copy or unpack the "
                        "data again, or remove the lines.")
