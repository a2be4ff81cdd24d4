"""Version 2 of BigEarthNet: the same patches with new atmospheric correction, labels of 19 classes and a split, all in one table.

Clasen et al., reBEN: Refined BigEarthNet Dataset for Remote Sensing Image Analysis, arXiv 2407.03653. `metadata.parquet` lists the patches that
its makers recommend; those with seasonal snow, cloud or shadow stand in a second table of the same columns. Folders as bigearth.net hands them out:
``BigEarthNet-S2/<scene>/<patch>/<patch>_B02.tif``, ``BigEarthNet-S1/<scene>/<patch>/<patch>_VV.tif``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from ...errors import DataError
from ...progress import Progress
from ...tables import shortened
from .bigearthnet_classes import NINETEEN
from .parquet import read_columns
from .split_lists import NAMES
from .tree import Tree, joined

METADATA, APART = "metadata.parquet", "metadata_for_patches_with_snow_cloud_or_shadow.parquet"
#: In the names of Sentinel-2 patches of version 2: the processing baseline of products that their users process.
MARK = "_N9999_"
#: Of each table; a further one, s2v1_name, is that of the same patch in version 1.
COLUMNS: dict[str, type] = {"patch_id": str, "labels": list, "split": str, "country": str, "s1_name": str, "contains_seasonal_snow": bool,
                            "contains_cloud_or_shadow": bool}
#: Column that names a subset → the subset.
SUBSETS = {"contains_cloud_or_shadow": "clouds", "contains_seasonal_snow": "snow"}
#: Parts of a patch's name that stand behind that of its scene.
BEHIND = {"s2": 2, "s1": 3}
AGAIN = "Copy it again from bigearth.net"


@dataclass(frozen=True)
class Patch:
    """One patch.

    Attributes:
        name: of its first sensor.
        folders: path by sensor.
        split: it came with, or empty.
        subsets: names of those it is of.
        labels: that a table has; None where they lie beside the patch.
        columns: further ones of tiles.gpkg that a table has.
    """

    name: str
    folders: dict[str, str]
    split: str = ""
    subsets: tuple[str, ...] = ()
    labels: tuple[str, ...] | None = None
    columns: dict[str, Any] = field(default_factory=dict)


def tables_beside(tree: Tree, found: dict[str, dict[str, str]], lists: Iterable[str]) -> Tree | None:
    """Where the tables of patches of version 2 lie; None of version 1.

    Args:
        tree: of the patches.
        found: name → path, by sensor.
        lists: names of files that version 1 brings.

    Raises:
        DataError: labels of one version lie beside patches of the other.
    """
    newer = next((name for name in found["s2"] if MARK in name), "")
    older = next((name for name in found["s2"] if MARK not in name), "")
    home = _home(tree)
    if newer and older:
        raise DataError(f"{tree.path} holds patches of two versions of BigEarthNet, {older} of version 1 and {newer} of version 2. Give each a "
                        "folder of its own, and choose one.")
    if home and older:
        raise DataError(f"{home.full(METADATA)} is of version 2 of BigEarthNet, but the patches of {tree.path}, such as {older}, are of version 1. "
                        f"Choose the folder with the patches of version 2, or move {METADATA} away to read version 1.")
    stale = next((name for name in lists if tree.has(name)), "")
    if newer and stale:
        raise DataError(f"{tree.full(stale)} is of version 1 of BigEarthNet, but the patches, such as {newer}, are of version 2, whose tables tell "
                        "which of them have clouds or snow. Remove the list.")
    if newer and not home:
        raise DataError(f"{tree.path} holds BigEarthNet of version 2 without {METADATA}, which has the labels of all patches. Copy it from "
                        "bigearth.net beside the folders of the patches.")
    return home


def patches_of(tree: Tree, home: Tree, found: dict[str, dict[str, str]], lists: dict[str, str] | None, progress: Progress) -> list[Patch]:
    """The patches that the tables list and that are there, with both sensors where there are two.

    Args:
        tree: of the patches.
        home: of the tables.
        found: name → path, by sensor.
        lists: of the user: only patches named in there are looked for.
        progress: hears what is left out.

    Raises:
        DataError: a table is damaged, or a scene is there whose patches are not all there.
    """
    sensors = [sensor for sensor in ("s2", "s1") if found[sensor]]
    first = "patch_id" if sensors[0] == "s2" else "s1_name"
    rows = _rows(home, progress)
    listed = {row[first] for row in rows}
    strange = [name for name in found[sensors[0]] if name not in listed]
    if len(strange) == len(found[sensors[0]]):
        raise DataError(f"{home.full(METADATA)} lists none of the {len(strange)} patches of {tree.path}, such as {strange[0]}. Choose the folders "
                        "that belong to it.")
    if strange:
        other = "" if home.has(APART) else f" Those with clouds or snow stand in {APART}: copy it beside {METADATA} to keep them as named subsets."
        progress.message(f"{len(strange)} patches are not in {METADATA} and are left out, such as {strange[0]}.{other}", level="warning")
    if lists is not None:
        rows = [row for row in rows if row[first] in lists]
    return _present(tree, rows, {sensor: found[sensor] for sensor in sensors}, progress)


def scene_of(name: str, sensor: str) -> str:
    """The scene that a patch was cut from, and the folder it lies in."""
    return "_".join(name.split("_")[:-BEHIND[sensor]])


def _present(tree: Tree, rows: list[dict[str, Any]], found: dict[str, dict[str, str]], progress: Progress) -> list[Patch]:
    """Patches of the rows that are there; scenes that are not there at all are left out."""
    scenes = {sensor: {place.split("/")[-2] for place in places.values() if "/" in place} for sensor, places in found.items()}
    patches, halves, absent = [], [], 0
    for row in rows:
        names = {"s2": row["patch_id"], "s1": row["s1_name"]}
        lost = [names[sensor] for sensor in found if names[sensor] not in found[sensor]]
        if not lost:
            patches.append(Patch(names[next(iter(found))], {sensor: found[sensor][names[sensor]] for sensor in found}, row["split"],
                                 row["subsets"], tuple(row["labels"]), {"country": row["country"]}))
            continue
        absent += 1
        halves += [names[sensor] for sensor in found if names[sensor] in lost
                   and scene_of(names[sensor], sensor) in scenes[sensor]]
    if halves:
        raise DataError(f"{tree.path} is half copied: {len(halves)} patches that {METADATA} lists are missing from scenes that are there, the first "
                        f"is {halves[0]}. Copy the rest, or name the patches to take in train, val and test as “Folder of split lists”.")
    if absent:
        progress.message(f"{absent} of {len(rows)} listed patches are of scenes that are not there, or not of both sensors, and are left out.",
                         level="warning")
    return patches


def _rows(home: Tree, progress: Progress) -> list[dict[str, Any]]:
    """The rows of both tables, checked."""
    rows, seen = [], set()
    for name in (METADATA, APART):
        if not home.has(name):
            continue
        progress.at(0.02, f"Reading {name}")
        columns = read_columns(home, name, COLUMNS, f"{AGAIN}; tables of version 2 have these columns.")
        for number, values in enumerate(zip(*columns.values(), strict=True), 1):
            row = dict(zip(columns, values, strict=True))
            if row["patch_id"] in seen:
                raise DataError(f"Row {number} of {home.full(name)} lists {shortened(row['patch_id'])} again. {AGAIN}.")
            seen.add(row["patch_id"])
            rows.append({**row, "split": _split(row["split"], number, home.full(name)),
                         "subsets": tuple(subset for column, subset in SUBSETS.items() if row[column])})
            unknown = next((label for label in row["labels"] if label not in NINETEEN), None)
            if unknown is not None:
                raise DataError(f"Row {number} of {home.full(name)} has the label “{shortened(unknown)}”, which is none of the 19 classes. {AGAIN}.")
    return rows


def _split(text: str, number: int, path: str) -> str:
    if text not in NAMES:
        raise DataError(f"Row {number} of {path} has the split “{shortened(text)}”, which is none of train, validation and test. {AGAIN}.")
    return NAMES[text]


def _home(tree: Tree) -> Tree | None:
    """Where the tables lie: beside the folders of the patches, in the only folder, or one folder up."""
    folders = tree.children()[0]
    for place in ("", *(folders if len(folders) == 1 else ())):
        if tree.has(joined(place, METADATA)):
            return tree if not place else Tree(tree.path / place)
    return Tree(tree.path.parent) if tree.path.is_dir() and (tree.path.parent / METADATA).is_file() else None
