"""SEN12MS: pairs of Sentinel-1 and Sentinel-2 in four seasons over the whole world, with the land cover of MODIS.

Schmitt et al., ISPRS Annals IV-2/W7, 2019: patches of 256 px of 10 m that overlap by half, Sentinel-1 as VV and VH in dB, Sentinel-2 L1C with 13
bands, and four schemes of MCD12Q1, whose pixels measure 500 m: IGBP, LCCS land cover, land use and surface hydrology. Folders as they are handed
out: ``ROIs1158_spring/s2_1/ROIs1158_spring_s2_1_p30.tif`` and the same with s1 and lc. The simplified scheme of ten classes is that of the IEEE
data fusion contest of 2020 and of Schmitt and Wu, ISPRS Annals V-2-2021.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import geopandas
import numpy as np

from ...errors import DataError, listed
from ...progress import SILENT, Progress
from ..datasets.dataset import IGNORE, SPLITS, ClassInfo, SensorInfo
from ..datasets.splitting.by_group import given_split, split_by_group
from ..datasets.splitting.by_place import Split
from ..rasters.grid import Grid
from ..rasters.sensors import PRESETS
from .pictures import read_whole
from .samples import Content, ImportOptions, Sample, read_ahead, write_samples
from .split_lists import chosen, read_lists
from .tree import Tree, joined

TITLE = "SEN12MS"
LOOKED_FOR = "folders s1_…, s2_… and lc_… with files such as ROIs1158_spring_s2_1_p30.tif (SEN12MS)"
#: Bands and type of each kind of patch, of the sensors also the preset.
KINDS = {"s2": (13, "uint16", "sentinel2_l1c"), "s1": (2, "float32", "sentinel1_db"), "lc": (4, "", "")}
FOLDER = re.compile(r"(s1|s2|lc)_(\d+)")
FILE = re.compile(r"(ROIs\d+_([a-z]+))_(s1|s2|lc)_(\d+)_p(\d+)\.tif")
#: Splits of the makers, beside the data or in a folder of this name, and the scenes that they hold out.
LISTS, HELD_OUT = "splits", "SEN12MS_holdOutScenes.txt"
DEPTH = 3
#: Patches were cut every so many parts of their edge.
OVERLAP = 2
#: Values of IGBP in MCD12Q1 (User Guide, collection 6, Table 3) → name, colour there, and position among the simplified classes.
IGBP = {
    1: ("evergreen needleleaf forest", "#05450a", 0), 2: ("evergreen broadleaf forest", "#086a10", 0),
    3: ("deciduous needleleaf forest", "#54a708", 0), 4: ("deciduous broadleaf forest", "#78d203", 0), 5: ("mixed forest", "#009900", 0),
    6: ("closed shrubland", "#c6b044", 1), 7: ("open shrubland", "#dcd159", 1), 8: ("woody savanna", "#dade48", 2), 9: ("savanna", "#fbff13", 2),
    10: ("grassland", "#b6ff05", 3), 11: ("permanent wetland", "#27ff87", 4), 12: ("cropland", "#c24f44", 5),
    13: ("urban and built-up", "#a5a5a5", 6), 14: ("cropland and natural vegetation", "#ff6d4c", 5), 15: ("snow and ice", "#69fff8", 7),
    16: ("barren", "#f9ffa4", 8), 17: ("water", "#1c0dff", 9),
}
SIMPLE = (("forest", "#009900"), ("shrubland", "#c6b044"), ("savanna", "#fbff13"), ("grassland", "#b6ff05"), ("wetland", "#27ff87"),
          ("cropland", "#c24f44"), ("urban and built-up", "#a5a5a5"), ("snow and ice", "#69fff8"), ("barren", "#f9ffa4"), ("water", "#1c0dff"))
#: No northing of UTM is larger [m]; rows are counted from there.
NORTH = 1e7


@dataclass(frozen=True)
class _Patch:
    """Season with the number of its draw, season, scene, number, and path by kind."""

    draw: str
    season: str
    scene: str
    number: str
    paths: dict[str, str]
    split: str = ""

    @property
    def name(self) -> str:
        """As the makers' lists have it."""
        return f"{self.draw}_s2_{self.scene}_p{self.number}"


def recognise(tree: Tree) -> bool:
    """Whether two kinds of patches lie in folders of one parent."""
    return _parent(tree, "", DEPTH)


def write(tree: Tree, folder: Path, options: ImportOptions, progress: Progress = SILENT) -> Split:
    """Writes a dataset of the task "segmentation", with the sensors s2, s1 or both.

    Args:
        tree: folders of the seasons, or one of them.
        folder: an empty folder to fill.
        options: classes, split.
        progress: also hears warnings.

    Raises:
        DataError: patches without land cover, half copied scenes, or a file that is damaged or has other bands.
    """
    patches, sensors = _find(tree, progress)
    lists = options.lists or (_official(tree, patches) if options.keep_split else None)
    if lists is not None:
        lists = {re.sub("_(s1|lc)_", "_s2_", name): split for name, split in lists.items()}
    taken = chosen([patch.name for patch in patches], lists, str(tree.path), progress)
    patches = [replace(patch, split=taken[patch.name]) for patch in patches if patch.name in taken]
    classes, positions = _scheme(options.igbp)
    size = _header(tree, patches[0], sensors[0])
    strange: Counter[int] = Counter()
    read = partial(_sample, tree, sensors, size, positions, strange)
    infos = tuple(SensorInfo(name, KINDS[name][2], KINDS[name][1], PRESETS[KINDS[name][2]].nodata,
                             tuple(PRESETS[KINDS[name][2]].bands[:KINDS[name][0]])) for name in sensors)
    facts = {"format": "sen12ms", "nomenclature": options.igbp, "seasons": sorted({patch.season for patch in patches}),
             "label_pixel_m": 500}
    content = Content("segmentation", infos, classes, size, len(patches), read_ahead(patches, read), tree.path, facts, options.pixel_size,
                      divide=partial(_divide, classes=classes), stride=size // OVERLAP)
    split = write_samples(folder, content, options, progress.part(0.05, 1))
    if strange:
        told = ", ".join(f"{value} ({pixels} px)" for value, pixels in sorted(strange.items())[:8])
        progress.message(f"The land cover has values that are none of IGBP; they are ignored: {told}.", level="warning")
    return split


def _find(tree: Tree, progress: Progress) -> tuple[list[_Patch], list[str]]:
    """Patches in order, each of all kinds that there are, and the sensors."""
    found: dict[tuple, dict[str, str]] = {}
    folders: set[tuple[str, str, str]] = set()
    for number, (place, match) in enumerate(_files(tree, "", DEPTH)):
        if number % 1000 == 0:
            progress.at(0.01, f"Looking for patches: {number}")
        draw, season, kind, scene, patch = match.groups()
        first = found.setdefault((draw, season, int(scene), int(patch)), {}).setdefault(kind, place)
        if first != place:
            raise DataError(f"{tree.full(place)} is there twice, also as {tree.full(first)}. Remove one of them.")
        folders.add((draw, scene, kind))
    kinds = [kind for kind in KINDS if any(kind == known for *_, known in folders)]
    sensors = [kind for kind in kinds if kind != "lc"]
    if not sensors:
        raise DataError(f"{tree.path} holds no {LOOKED_FOR}. Choose the folder that holds the seasons, or one of them.")
    if "lc" not in kinds:
        raise DataError(f"{tree.path} holds patches of {' and '.join(sensors)} of SEN12MS without land cover (lc_…), which has the labels. Copy "
                        "these folders beside them, or give the images to “Create pretraining dataset”, which needs none.")
    whole, halves, absent = [], [], 0
    for (draw, season, scene, patch), paths in sorted(found.items()):
        lost = [kind for kind in kinds if kind not in paths]
        if not lost:
            whole.append(_Patch(draw, season, str(scene), str(patch), {kind: paths[kind] for kind in kinds}))
            continue
        absent += 1
        halves += [f"{draw}_{kind}_{scene}_p{patch}.tif" for kind in lost if (draw, str(scene), kind) in folders]
    if halves:
        raise DataError(f"{tree.path} is half copied: {len(halves)} files are missing from folders that are there, the first is {halves[0]}. Copy "
                        "the rest, or remove what belongs to them.")
    if not whole:
        raise DataError(f"{tree.path} holds {listed(kinds)} of SEN12MS, but of different scenes. Choose folders of the same scenes.")
    if absent:
        progress.message(f"{absent} patches are of scenes that are not there in all of {listed(kinds)}, and are left out.", level="warning")
    return whole, sensors


def _files(tree: Tree, folder: str, depth: int) -> Iterator[tuple[str, re.Match[str]]]:
    """Path and parts of the name of every patch."""
    for name in tree.children(folder)[0]:
        place = joined(folder, name)
        if FOLDER.fullmatch(name):
            matches = ((joined(place, file), FILE.fullmatch(file)) for file in tree.children(place)[1])
            yield from ((path, match) for path, match in matches if match)
        elif depth:
            yield from _files(tree, place, depth - 1)


def _parent(tree: Tree, folder: str, depth: int) -> bool:
    folders = tree.children(folder)[0]
    if len({match[1] for match in map(FOLDER.fullmatch, folders) if match}) > 1:
        return True
    return bool(depth) and any(_parent(tree, joined(folder, name), depth - 1) for name in folders[:4])


def _official(tree: Tree, patches: list[_Patch]) -> dict[str, str] | None:
    """The makers' split, where its lists lie beside the data: of patches, else of the scenes that they hold out."""
    for place in ("", LISTS):
        if place and place not in tree.children()[0]:
            continue
        lists = read_lists(Tree(tree.path / place)) if place else None  # those at the root were read before
        if lists is not None:
            return lists
        if tree.has(joined(place, HELD_OUT)):
            held = {re.sub("/s[12]_", "_", cell) for line in tree.lines(joined(place, HELD_OUT)) for cell in line.cells if cell}
            return {patch.name: SPLITS[2] if f"{patch.draw}_{patch.scene}" in held else SPLITS[0] for patch in patches}
    return None


def _scheme(count: int) -> tuple[tuple[ClassInfo, ...], np.ndarray]:
    """Classes, and the position of the class of each value (256,)."""
    positions = np.full(256, IGNORE, np.uint8)
    for place, (value, (_, _, simple)) in enumerate(IGBP.items()):
        positions[value] = simple if count == len(SIMPLE) else place
    if count == len(SIMPLE):
        return tuple(ClassInfo(number, name, color) for number, (name, color) in enumerate(SIMPLE, 1)), positions
    return tuple(ClassInfo(value, name, color) for value, (name, color, _) in IGBP.items()), positions


def _header(tree: Tree, patch: _Patch, kind: str) -> int:
    """Edge of the patches [px]."""
    return _read(tree, patch, kind, None)[0].shape[-1]


def _sample(tree: Tree, sensors: list[str], size: int, positions: np.ndarray, strange: Counter[int], patch: _Patch) -> Sample:
    digest, images, grid = hashlib.sha256(), {}, None
    for kind in (*sensors, "lc"):
        images[kind], own, content = _read(tree, patch, kind, size)
        digest.update(content)
        if grid and own and not grid.same_as(own):
            raise DataError(f"{tree.full(patch.paths[kind])} and {tree.full(patch.paths[sensors[0]])} lie at different places, although they belong "
                            "together. Copy both again.")
        grid = grid or own
    values = images.pop("lc")[0]
    known = (values >= 0) & (values < IGNORE)
    label = np.where(known, positions[np.where(known, values, 0).astype(np.uint8)], np.uint8(IGNORE))
    for value, pixels in zip(*np.unique(values[(label == IGNORE) & (values != 0) & (values != IGNORE)], return_counts=True), strict=True):
        strange[int(value)] += int(pixels)
    columns = {"scene": f"{patch.draw}_{patch.scene}", "patch": patch.name, "season": patch.season, **_position(grid)}
    return Sample(images, label, grid, patch.split, columns, digest.digest())


def _position(grid: Grid | None) -> dict[str, int]:
    """Column and row of a patch on the grid of its scene, so that patches that overlap know each other."""
    if grid is None:
        return {}
    x, _, left, _, y, top = grid.transform
    return {"col": round(left / x), "row": round((top - NORTH) / y)}


def _read(tree: Tree, patch: _Patch, kind: str, size: int | None) -> tuple[np.ndarray, Grid | None, bytes]:
    """Values (band, y, x), the place and the bytes of a file.

    Raises:
        DataError: it is damaged, or has other bands, another type or another size.
    """
    bands, dtype, _ = KINDS[kind]
    content = tree.read(patch.paths[kind])
    header, values, _ = read_whole(content, tree.full(patch.paths[kind]))
    held = len(values) + (header.mask_band is not None)  # GDAL takes the fourth scheme of 8-bit land cover for an alpha band
    if held != bands:
        raise DataError(f"{header.path} has {held} bands, but {kind} of SEN12MS has {bands}. Copy it again; other sets with such names, as "
                        "SEN12MS-CR, are not read.")
    if (dtype and header.dtype != dtype) or (not dtype and values.dtype.kind not in "iu"):
        raise DataError(f"{header.path} holds {header.dtype} values, but {kind} of SEN12MS has {dtype or 'whole numbers'}. Copy it again.")
    if header.height != header.width or (size and header.width != size):
        raise DataError(f"{header.path} has {header.width} × {header.height} px, but the patches before it {size or 256} × {size or 256}. Copy it "
                        "again.")
    return values, header.grid, content


def _divide(tiles: geopandas.GeoDataFrame, options: ImportOptions, progress: Progress, classes: tuple[ClassInfo, ...]) -> Split:
    """By scene, because the patches of a scene overlap; a given test stays, and validation is drawn from the scenes that are given for training."""
    given = tiles["given"].to_numpy(str)
    if options.keep_split and given.all() and set(given) != {SPLITS[0], SPLITS[2]}:
        return given_split(given)
    rest = given != SPLITS[2] if options.keep_split else np.ones(len(given), bool)
    if not rest.any() or (rest.all() and options.keep_split and given.all()):
        return given_split(given)
    shares = [name for name in tiles if str(name).startswith("share_")]
    plan = options.plan if rest.all() else replace(options.plan, test_share=0.0)
    split = split_by_group(tiles["scene"].to_numpy(str)[rest], tiles[shares].to_numpy()[rest], plan, "scenes", progress,
                           classes=[row.name for row in classes])
    if rest.all():
        return split
    names = np.full(len(given), SPLITS[2], object)
    names[rest] = split.names
    counts = [int((names == part).sum()) for part in SPLITS]
    text = f"The test is the one that came with the data; validation was drawn from whole scenes of the others. {split.facts['text']}"
    return Split(names.astype(str), {**split.facts, "shares": [round(count / len(names), 4) for count in counts], "text": text})
