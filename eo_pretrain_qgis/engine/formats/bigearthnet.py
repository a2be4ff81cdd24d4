"""BigEarthNet: patches of Sentinel-2, Sentinel-1 or both with CORINE labels, one folder for each patch, one file for each band.

Sumbul et al., IGARSS 2019 (43 classes of CORINE 2018), and IEEE GRSM 9(3), 2021 (with Sentinel-1; the nomenclature of 19 classes, its
Table II); version 2 keeps labels in a table, see `bigearthnet_2`.
Sentinel-2 L2A without B10; bands of 10, 20 and 60 m are 120, 60 and 20 px wide; Sentinel-1 is VV and VH in dB.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy.ndimage import zoom

from ...errors import DataError
from ...progress import SILENT, Progress
from ..datasets.dataset import DROPPED, ClassInfo, SensorInfo
from ..datasets.splitting.by_place import Split
from ..datasets.subsets import SUBSET, joined_names
from ..rasters.grid import Grid
from ..rasters.sensors import PRESETS, name_bands
from .bigearthnet_2 import METADATA, Patch, patches_of, scene_of, tables_beside
from .bigearthnet_classes import CORINE, NINETEEN
from .pictures import read_whole
from .samples import Content, ImportOptions, Sample, read_ahead, write_samples
from .split_lists import chosen
from .tree import Tree, joined

TITLE = "BigEarthNet"
LOOKED_FOR = "patch folders named S2A_MSIL2A_… or S1A_IW_GRDH_… with …_labels_metadata.json (BigEarthNet)"
SIZE = 120
BANDS = {"s2": ("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B11", "B12"), "s1": ("VV", "VH")}
NAMES = {"s2": "Sentinel-2", "s1": "Sentinel-1"}
PRESET = {"s2": "sentinel2_l2a", "s1": "sentinel1_db"}
PATCH = {"s2": re.compile(r"S2[AB]_MSIL2A_.*_\d+_\d+"), "s1": re.compile(r"S1[AB]_IW_GRDH_.*_\d+_\d+")}
#: Lists of version 1 beside its patches → the subset of those that its makers advise to leave out, each line with the name of one.
LISTED = {"patches_with_cloud_and_shadow.csv": "clouds", "patches_with_seasonal_snow.csv": "snow"}
#: Order of the spline through the middles of the pixels.
ORDERS = {"bilinear": 1, "cubic": 3}
DTYPES = {"s2": "uint16", "s1": "float32"}
#: Edges of bands of 10, 20 and 60 m [px].
EDGES = (SIZE, 60, 20)
#: How deep patch folders are looked for.
DEPTH = 3


def recognise(tree: Tree) -> bool:
    """Whether there is a patch folder."""
    return next(_walk(tree, "", DEPTH), None) is not None


def write(tree: Tree, folder: Path, options: ImportOptions, progress: Progress = SILENT) -> Split:
    """Writes a dataset of the task "multilabel", with the sensors s2, s1 or both.

    Args:
        tree: patch folders at the root or up to three folders deep.
        folder: an empty folder to fill.
        options: nomenclature, resampling of the bands of 20 and 60 m, split.
        progress: also hears warnings.

    Raises:
        DataError: a band or label file that is missing or damaged, or a label that is not in the nomenclature.
    """
    patches, sensors = _find(tree, options, progress)
    progress.message(f"BigEarthNet, version {1 if patches[0].labels is None else 2}, {'pairs' if len(sensors) > 1 else 'patches'} of "
                     f"{' and '.join(NAMES[sensor] for sensor in sensors)}: {len(patches)}.")
    taken = chosen([patch.name for patch in patches if not patch.subsets], options.lists, str(tree.path), progress)
    apart = {patch.name: (options.lists or {}).get(patch.name, "") for patch in patches if patch.subsets}  # lists of splits leave them out
    taken |= {name: split for name, split in apart.items() if split != DROPPED}
    patches = [replace(patch, split=taken[patch.name] or patch.split) for patch in patches if patch.name in taken]
    classes, positions = _nomenclature(options.nomenclature)
    any_subset = any(patch.subsets for patch in patches)
    unlabelled: list[str] = []

    def read(patch: Patch) -> Sample | None:
        digest = hashlib.sha256()
        place = patch.folders.get("s2", "") or patch.folders["s1"]
        known = _labels(tree, place, digest) if patch.labels is None else _told(patch, digest)
        label = np.zeros(len(classes), np.uint8)
        for name in known["labels"]:
            if name not in positions:
                raise DataError(f"{tree.full(_label_file(place))} has the label “{name}”, which is not in the nomenclature of CORINE 2018. "
                                "Correct the file, or remove its patch.")
            if positions[name] is not None:
                label[positions[name]] = 1
        if not label.any():
            unlabelled.append(patch.name)
            return None
        images, grid = {}, None
        for sensor in sensors:
            images[sensor], own = _bands(tree, patch.folders[sensor], sensor, options.resampling, digest)
            if grid and own and not grid.same_as(own):
                raise DataError(f"{tree.full(patch.folders[sensor])} and {tree.full(patch.folders[sensors[0]])} lie at different places, although "
                                "they belong together. Copy both again.")
            grid = grid or own
        columns = {"scene": known.get("tile_source") or known.get("scene_source") or patch.name, "patch": patch.name,
                   "date": str(known.get("acquisition_date") or known.get("acquisition_time") or "")[:10],
                   **patch.columns, **({SUBSET: joined_names(patch.subsets)} if any_subset else {}),
                   **{f"has_{row.value}": int(has) for row, has in zip(classes, label, strict=True)}}
        return Sample(images, label, grid, patch.split, columns, digest.digest())

    infos = tuple(_sensor(name) for name in sensors)
    facts = {"format": "bigearthnet", "nomenclature": options.nomenclature, "resampling": options.resampling,
             "resampled": {"10 m": "120 px, as stored", "20 m": "60 px to 120 px", "60 m": "20 px to 120 px"}}
    content = Content("multilabel", infos, classes, SIZE, len(patches), read_ahead(patches, read), tree.path, facts,
                      options.pixel_size)
    split = write_samples(folder, content, options, progress.part(0.05, 1))
    if unlabelled:
        progress.message(f"{len(unlabelled)} of {len(patches)} patches have no label of the {options.nomenclature} classes and were left "
                         "out, as its makers advise.", level="warning")
    return split


def _told(patch: Patch, digest) -> dict:
    """What the table of version 2 and the name of a patch tell, as the JSON files of version 1 do."""
    digest.update(json.dumps([patch.name, patch.labels, patch.split]).encode())
    day = re.search(r"_(20\d{6})T", patch.name)
    date = f"{day[1][:4]}-{day[1][4:6]}-{day[1][6:]}" if day else ""
    return {"labels": patch.labels, "tile_source": scene_of(patch.name, next(iter(patch.folders))), "acquisition_date": date}


def _find(tree: Tree, options: ImportOptions, progress: Progress) -> tuple[list[Patch], list[str]]:
    """Patches, those of both sensors paired, and the sensors."""
    found: dict[str, dict[str, str]] = {"s2": {}, "s1": {}}
    for number, (sensor, place) in enumerate(_walk(tree, "", DEPTH)):
        if number % 1000 == 0:
            progress.at(0, f"Looking for patches: {number}")
        if (first := found[sensor].setdefault(place.rpartition("/")[2], place)) != place:
            raise DataError(f"The patch {tree.full(place)} is there twice, also as {tree.full(first)}. Remove one of them.")
    sensors = [sensor for sensor in ("s2", "s1") if found[sensor]]
    if not sensors:
        raise DataError(f"{tree.path} holds no {LOOKED_FOR}. Choose the folder that holds the patch folders.")
    if home := tables_beside(tree, found, LISTED):
        if options.nomenclature != 19:
            raise DataError(f"{tree.path} is version 2 of BigEarthNet, whose patches have the 19 classes alone. Choose 19 in “BigEarthNet classes”.")
        return patches_of(tree, home, found, options.lists, progress), sensors
    if sensors != ["s2", "s1"]:
        alone = found[sensors[0]]
        patches = [Patch(name, {sensors[0]: place}) for name, place in sorted(alone.items())]
    else:
        patches = _paired(tree, found["s2"], found["s1"], progress)
    apart = _listed(tree)
    return [replace(patch, subsets=apart.get(patch.name, ())) for patch in patches], sensors


def _paired(tree: Tree, s2: dict[str, str], s1: dict[str, str], progress: Progress) -> list[Patch]:
    """Each Sentinel-1 patch says which Sentinel-2 patch it belongs to."""
    partner: dict[str, str] = {}
    for number, (name, place) in enumerate(sorted(s1.items())):
        if number % 200 == 0:
            progress.at(0.05 * number / len(s1), "Pairing the patches")
        other = _labels(tree, place, hashlib.sha256()).get("corresponding_s2_patch")
        if not isinstance(other, str) or not other:
            raise DataError(f"{tree.full(_label_file(place))} does not say which Sentinel-2 patch {name} belongs to (corresponding_s2_patch). "
                            "Copy the file again, or import the Sentinel-2 folder alone.")
        partner[other] = place
    pairs = [Patch(name, {"s2": place, "s1": partner[name]}) for name, place in sorted(s2.items()) if name in partner]
    if not pairs:
        raise DataError(f"{tree.path}: none of the {len(s1)} Sentinel-1 patches belongs to one of the {len(s2)} Sentinel-2 patches. Choose "
                        "folders of the same patches, or import one sensor.")
    lost = len(s2) + len(s1) - 2 * len(pairs)
    if lost:
        progress.message(f"{lost} patches have no partner of the other sensor and are left out; {len(pairs)} pairs are kept.", level="warning")
    return pairs


def _walk(tree: Tree, folder: str, depth: int):
    """Sensor and path of every patch folder."""
    for name in tree.children(folder)[0]:
        sensor = next((sensor for sensor, pattern in PATCH.items() if pattern.fullmatch(name)), None)
        if sensor:
            yield sensor, joined(folder, name)
        elif depth:
            yield from _walk(tree, joined(folder, name), depth - 1)


def _listed(tree: Tree) -> dict[str, tuple[str, ...]]:
    """Name of a patch → the subsets of whose lists it is."""
    found: dict[str, tuple[str, ...]] = {}
    for name, subset in LISTED.items():
        for cell in {cell for line in (tree.lines(name) if tree.has(name) else ()) for cell in line.cells if cell}:
            found[cell] = (*found.get(cell, ()), subset)
    return found


def _label_file(place: str) -> str:
    return joined(place, f"{place.rpartition('/')[2]}_labels_metadata.json")


def _labels(tree: Tree, place: str, digest) -> dict:
    file = _label_file(place)
    if not tree.has(file):
        raise DataError(f"{tree.full(file)} is missing, so the patch has no labels. Copy the patch again; of version 2, which keeps all labels "
                        f"in {METADATA}, copy that beside the folders.")
    digest.update(tree.read(file))
    known = tree.json(file, "Copy the patch again, or remove its folder.")
    if not isinstance(known.get("labels"), list) or not all(isinstance(name, str) for name in known["labels"]):
        raise DataError(f"{tree.full(file)} has no list “labels”. Copy the patch again, or remove its folder.")
    return known


def _bands(tree: Tree, place: str, sensor: str, resampling: str, digest) -> tuple[np.ndarray, Grid | None]:
    """All bands (band, y, x) on the grid of those of 10 m, and that grid."""
    values, name, place_on_map = [], place.rpartition("/")[2], None
    for band in BANDS[sensor]:
        file = joined(place, f"{name}_{band}.tif")
        if not tree.has(file):
            raise DataError(f"{tree.full(file)} is missing from the patch. Copy the patch again, or remove its folder.")
        content = tree.read(file)
        header, pixels, _ = read_whole(content, tree.full(file))
        digest.update(content)
        size = header.height
        if header.dtype != DTYPES[sensor]:
            raise DataError(f"{header.path} holds {header.dtype} values, but a band of {sensor} of BigEarthNet has {DTYPES[sensor]}. Copy the patch "
                            "again, or remove its folder.")
        if pixels.shape != (1, size, size) or size not in EDGES:
            raise DataError(f"{header.path} has {header.width} × {size} px, but a band has 120, 60 or 20. Copy the patch again, or remove "
                            "its folder.")
        if size == SIZE:
            if place_on_map and header.grid and not place_on_map.same_as(header.grid):
                raise DataError(f"{header.path} and the bands before it lie at different places, although they belong together. Copy the patch "
                                "again, or remove its folder.")
            place_on_map = place_on_map or header.grid
        values.append(enlarged(pixels[0], SIZE // size, resampling))
    return np.stack(values), place_on_map


def enlarged(values: np.ndarray, factor: int, resampling: str) -> np.ndarray:
    """A band (y, x) with pixels `factor` times smaller; "nearest" repeats the measured values, "cubic" may overshoot them."""
    if factor == 1:
        return values
    if resampling == "nearest":
        return values.repeat(factor, 0).repeat(factor, 1)
    fine = zoom(values.astype(np.float64), factor, order=ORDERS[resampling], mode="nearest", grid_mode=True)
    if values.dtype.kind == "f":
        return fine.astype(values.dtype)
    limits = np.iinfo(values.dtype)
    return fine.round().clip(limits.min, limits.max).astype(values.dtype)


def _sensor(name: str) -> SensorInfo:
    preset = PRESET[name]
    return SensorInfo(name, preset, DTYPES[name], PRESETS[preset].nodata,
                      tuple(name_bands(preset, list(BANDS[name]))))


def _nomenclature(count: int) -> tuple[tuple[ClassInfo, ...], dict[str, int | None]]:
    """Classes, and label → position, None for labels that the 19 classes leave out."""
    if count == 43:
        rows = list(CORINE.items())
        return (tuple(ClassInfo(number, name, color) for number, (name, (color, _)) in enumerate(rows, 1)),
                {name: position for position, (name, _) in enumerate(rows)})
    names = list(NINETEEN)
    classes = tuple(ClassInfo(number, name, NINETEEN[name]) for number, name in enumerate(names, 1))
    grouped = {name: names.index(group) if group else None for name, (_, group) in CORINE.items()}
    return classes, {**grouped, **{name: position for position, name in enumerate(names)}}  # version 2 has the 19 names
