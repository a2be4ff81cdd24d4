"""AI4Arctic, ready to train: the scenes of the AutoICE challenge, one NetCDF file each, with radar, incidence angle and ice chart at 80 m.

Buus-Hinkler et al., Ready-To-Train AI4Arctic Sea Ice Challenge Dataset, DTU Data 2022 (collection doi 10.11583/DTU.c.6244065, with its
manual), and introduction.ipynb, quickstart.ipynb, utils.py, datalists/ and misc/ of astokholm/AI4ArcticSeaIceChallenge. HH and HV are
Sentinel-1 EW without thermal noise (NERSC) in dB; their values and the angle are scaled by one mean and standard deviation of the whole
set. 0 in HH and HV is no measurement. Charts are of the Danish and the Canadian service, masked with 255: concentration in eleven classes
(SIC), stage in six (SOD), form in seven (FLOE). Those of test scenes lie in a file of their own. Scenes are in the geometry of the radar,
so tiles lie nowhere on the map.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import geopandas
import numpy as np

from ...errors import Cancelled, DataError, listed
from ...progress import SILENT, Progress
from ..datasets.dataset import IGNORE, SPLITS, ClassInfo, SensorInfo
from ..datasets.record import label_array
from ..datasets.splitting.by_group import given_split, split_by_group
from ..datasets.splitting.by_place import Split
from ..rasters.deliveries.packages import finite
from ..rasters.grid import tile_windows
from ..rasters.sensors import Band
from ..rasters.series_dates import parse_day
from ..themes.sea_ice.classes import CONCENTRATION, FORM, STAGE
from .netcdf import Variable, variables
from .samples import Content, ImportOptions, Sample, write_samples
from .split_lists import chosen
from .tree import Tree, joined, stem

TITLE = "AI4Arctic"
LOOKED_FOR = "NetCDF files named 20180325T194759_dmi_prep.nc (AI4Arctic, ready to train)"
SCENE = re.compile(r"(\d{4})(\d{2})(\d{2})T\d{6}_(dmi|cis)_prep\.nc")
REFERENCE = re.compile(r"(\d{8}T\d{6}_(?:dmi|cis)_prep)_reference\.nc")
#: Files of the raw version.
RAW = re.compile(r"S1[AB]_EW_GRDM_1SDH_\w+_icechart_(dmi|cis)_\w+\.nc")
RAW_CHART = "polygon_icechart"
READY = ("Download “Ready-To-Train AI4Arctic Sea Ice Challenge Dataset” and “… Test Dataset” from the collection of this name on data.dtu.dk "
         "(doi 10.11583/DTU.c.6244065)")
#: Variable → band, mean and standard deviation it was scaled with (misc/global_meanstd.npy, commit 0282517 of the repository above; those of the
#: first release of October 2022, commit 0e68bcd, are within 0.01 dB and 1 %).
BANDS = {"nersc_sar_primary": (Band("HH", None, "dB"), -14.5082551552228, 5.6597459193818676),
         "nersc_sar_secondary": (Band("HV", None, "dB"), -24.701205147144236, 4.746759305258515),
         "sar_incidenceangle": (Band("incidence_angle", None, "degree"), 33.99801788456536, 8.322267212079046)}
#: Variable → target and its classes, the main one first; class 3 of SIC is 30 %.
CHARTS: dict[str, tuple[str, tuple[ClassInfo, ...]]] = {
    "SOD": ("stage", STAGE), "SIC": ("concentration", CONCENTRATION), "FLOE": ("form", FORM)}
#: Arrays of the labels of the others.
BESIDE = tuple(label_array(number) for number in range(1, len(CHARTS)))
#: Of HH and HV where nothing was measured, unless the attribute variable_fill_value says another.
FILL = 0.0
PIXEL_M = 80.0
#: Side of a tile [px], as the patches of quickstart.ipynb.
TILE = 256
#: How deep files are looked for.
DEPTH = 3
#: The challenge's test (datalists/testset.json).
TEST = (
    "20180124T194759_dmi", "20180623T114935_cis", "20180707T113313_cis", "20180716T110418_cis", "20180903T123331_cis",
    "20180917T121813_cis", "20190406T102029_cis", "20190810T110422_dmi", "20191011T131651_cis", "20200217T102731_cis",
    "20200319T101935_cis", "20200701T114012_cis", "20200719T123046_cis", "20201013T080448_dmi", "20210328T202742_dmi",
    "20210410T201933_dmi", "20210430T205436_dmi", "20210506T075557_dmi", "20210512T214149_cis", "20211212T211242_dmi",
)


@dataclass(frozen=True)
class _Scene:
    """Name, path of its images and of its charts, split it came with, day, service, and size [px]."""

    name: str
    images: str
    charts: str
    split: str
    day: str
    service: str
    width: int = 0
    height: int = 0


def recognise(tree: Tree) -> bool:
    """Whether there is a scene of the ready-to-train version, or of the raw one, which is refused in words."""
    return any(SCENE.fullmatch(name) or REFERENCE.fullmatch(name) or RAW.fullmatch(name) for _, name in _files(tree))


def write(tree: Tree, folder: Path, options: ImportOptions, progress: Progress = SILENT) -> Split:
    """Writes a dataset of the task "segmentation" with the targets stage, concentration and form.

    Args:
        tree: files at the root or up to three folders deep.
        folder: an empty folder to fill.
        options: tile size, 256 px where none was chosen, and split.
        progress: also hears warnings.

    Raises:
        DataError: another version of the data, a file or variable that is missing, damaged or of another size, or too few scenes for the split.
    """
    scenes = _scenes(tree, options, progress)
    size = options.tile_size or TILE
    measured = [_measured(tree, scene, size, progress.part(0.1 * at / len(scenes), 0.1 * (at + 1) / len(scenes))) for at, scene in enumerate(scenes)]
    known = {scene.name for scene in measured} & set(TEST)
    progress.message(f"{len(measured)} scenes, of which {sum(scene.split == SPLITS[2] for scene in measured)} are for test.")
    if len(known) < len(TEST):
        progress.message(f"Of the {len(TEST)} test scenes of the challenge {len(known)} are here; figures of others are not those of the challenge.",
                         level="warning")
    sensor = SensorInfo("image", "sentinel1_db", "float32", None, tuple(band for band, _, _ in BANDS.values()))
    (main, classes), *further = CHARTS.values()
    scaling = {band.name: {"mean": mean, "std": std} for band, mean, std in BANDS.values()}
    facts = {"format": "ai4arctic", "scenes_read": len(measured), "undone_scaling": scaling, "scheme": main, "split_by": "scene", "unit": "dB",
             "incidence_angle": "band", "georeferenced": []}
    count = sum(len(tile_windows(scene.width, scene.height, size, size)) for scene in measured)
    told = progress.part(0.1, 1)
    samples = (sample for scene in measured for sample in _cut(tree, scene, size, told))
    content = Content("segmentation", (sensor,), classes, size, count, samples, tree.path, facts, PIXEL_M, dict.fromkeys(BESIDE, "uint8"), "sea ice",
                      main, tuple(further), partial(_divide, classes=classes))
    return write_samples(folder, content, options, told)


def _files(tree: Tree, folder: str = "", depth: int = DEPTH) -> Iterator[tuple[str, str]]:
    """Path and name of the files not too deep."""
    folders, files = tree.children(folder)
    yield from ((joined(folder, name), name) for name in files)
    for name in folders if depth else ():
        yield from _files(tree, joined(folder, name), depth - 1)


def _scenes(tree: Tree, options: ImportOptions, progress: Progress) -> list[_Scene]:
    """The scenes with their splits.

    Raises:
        DataError: none, those of another version, or files that are missing.
    """
    images, references, raw = dict[str, str](), dict[str, str](), ""
    for path, name in _files(tree):
        if match := REFERENCE.fullmatch(name):
            references[match[1]] = path
        elif SCENE.fullmatch(name):
            if stem(name) in images:
                raise DataError(f"{tree.full(path)} is there twice, also as {tree.full(images[stem(name)])}. Remove one of them.")
            images[stem(name)] = path
        elif RAW.fullmatch(name):
            raw = raw or path
    if not images and raw:
        raise _of_raw(tree.full(raw))
    alone = sorted(set(references) - set(images))
    if alone or not images:
        first = f", first {alone[0]}.nc to {references[alone[0]].rpartition('/')[2]}" if alone else ""
        raise DataError(f"{tree.path} lacks the images of {_counted(alone, 'test scene')}{first}. {READY}." if alone else
                        f"{tree.path} holds no {LOOKED_FOR}. {READY}, and choose the folder that holds them.")
    blind = sorted(key for key in images if _name(key) in TEST and key not in references)
    if blind:
        raise DataError(f"{tree.path} lacks the ice charts of {_counted(blind, 'test scene')}, first {blind[0]}_reference.nc. They are in files of "
                        f"their own beside the images. {READY}.")
    taken = chosen(sorted(images), options.lists, str(tree.path), progress)
    if options.lists and (absent := sorted(set(options.lists) - set(images))):
        raise DataError(f"The split lists name {_counted(absent, 'scene')} that {tree.path} does not hold, first {absent[0]}. Copy them, "
                        "too, or choose other lists.")
    found = []
    for key, split in taken.items():
        year, month, day, service = SCENE.fullmatch(f"{key}.nc").groups()  # type: ignore[union-attr]
        if parse_day(f"{year}{month}{day}") is None:
            raise DataError(f"{tree.full(images[key])} is of the day {year}-{month}-{day}, which is none. Download the file again, or leave it out.")
        published = SPLITS[2] if key in references and options.keep_split else ""
        found.append(_Scene(_name(key), images[key], references.get(key, images[key]), split or published, f"{year}-{month}-{day}", service))
    return found


def _counted(found: list[str], what: str) -> str:
    return f"{len(found)} {what}{'' if len(found) == 1 else 's'}"


def _name(key: str) -> str:
    return key.removesuffix("_prep")


def _of_raw(path: str) -> DataError:
    return DataError(f"{path} is of the raw version of AI4Arctic, at 40 m and with polygons of the ice chart, and the ready-to-train version is "
                     f"read. {READY}; its files are named like 20180325T194759_dmi_prep.nc.")


def _measured(tree: Tree, scene: _Scene, size: int, progress: Progress) -> _Scene:
    """A scene with its size, once its variables are all there.

    Raises:
        DataError: one is missing or of another size than the others, or the pixels are not of 80 m.
    """
    progress.at(0, f"Looking at {scene.name}")
    wanted = {**dict.fromkeys(BANDS, scene.images), **dict.fromkeys(CHARTS, scene.charts)}
    for path in dict.fromkeys(wanted.values()):
        there = variables(tree, path)
        if RAW_CHART in there:
            raise _of_raw(tree.full(path))
        missing = [name for name, own in wanted.items() if own == path and name not in there]
        if missing:
            lone = f" Where the scene is for test, its charts are in {scene.name}_prep_reference.nc." if set(missing) == set(CHARTS) else ""
            raise DataError(f"{tree.full(path)} lacks the variable {listed(missing)}; it has {listed(there, 12)}. Download the file again, or leave "
                            f"the scene out.{lone}")
    sizes = {}
    for name, path in wanted.items():
        with Variable(tree, path, name) as opened:
            sizes[name], spacing = (opened.width, opened.height), opened.tags.get("NC_GLOBAL#pixel_spacing", "")
        if finite(spacing) not in (None, PIXEL_M):
            raise DataError(f"{tree.full(path)} has pixels of {spacing} m, and the ready-to-train version has {PIXEL_M:g} m. {READY}.")
    (first, (width, height)), *others = sizes.items()
    for name, found in others:
        if found != (width, height):
            raise DataError(f"{name} of {tree.full(wanted[name])} has {found[0]} × {found[1]} px, but {first} has {width} × {height}. Download the "
                            "file again, or leave the scene out.")
    if min(width, height) < size:
        raise DataError(f"{tree.full(scene.images)} has {width} × {height} px, less than a tile of {size} × {size}. Choose a tile size of at most "
                        f"{min(width, height)}, or leave the scene out.")
    return replace(scene, width=width, height=height)


def _cut(tree: Tree, scene: _Scene, size: int, progress: Progress) -> Iterator[Sample]:
    """The tiles of a scene that have a label, row by row; where they overlap at its end, a pixel has its label in the first of them alone."""
    digest = hashlib.sha256("".join(tree.checksum(path) for path in dict.fromkeys((scene.images, scene.charts))).encode()).digest()
    largest, below = 0.0, 0
    with ExitStack() as stack:
        bands = [stack.enter_context(Variable(tree, scene.images, name)) for name in BANDS]
        charts = [stack.enter_context(Variable(tree, scene.charts, name)) for name in CHARTS]
        fills = [FILL if (said := finite(band.tags.get("variable_fill_value", ""))) is None else said for band in bands]
        starts = tile_windows(scene.width, scene.height, size, size)
        for row in dict.fromkeys(window.row for window in starts):
            if progress.cancelled():  # land has no tile, after which progress would be asked
                raise Cancelled
            stored = np.stack([band.rows(row, size) for band in bands]).astype(np.float32, copy=False)
            empty = ~np.isfinite(stored).all(0) | (stored[0] == fills[0]) | (stored[1] == fills[1])
            if largest <= 1:
                largest = max(largest, float(np.abs(np.where(empty, 0, stored)).max()))
            values = _unscaled(stored, empty)
            drawn = np.stack([_checked(chart, name, row, size) for chart, name in zip(charts, CHARTS, strict=True)])
            drawn[:, empty] = IGNORE
            drawn[:, :max(0, below - row)] = IGNORE
            right = 0
            for window in (window for window in starts if window.row == row):
                own = drawn[:, :, window.col:window.col + size].copy()
                own[:, :, :max(0, right - window.col)] = IGNORE
                right = window.col + size
                if (own == IGNORE).all():
                    continue
                yield Sample({"image": values[:, :, window.col:window.col + size]}, own[0], None, scene.split,
                             {"scene": scene.name, "col": window.col, "row": row, "date": scene.day, "service": scene.service}, digest,
                             dict(zip(BESIDE, own[1:], strict=True)))
                digest = b""
            below = row + size
    if 0 < largest <= 1:
        raise DataError(f"HH, HV and incidence angle of {tree.full(scene.images)} all lie between -1 and 1, as if scaled by smallest and largest "
                        f"value, and those that are read are scaled by mean and standard deviation. {READY} in its newest version.")


def _unscaled(stored: np.ndarray, empty: np.ndarray) -> np.ndarray:
    """HH and HV in dB and the angle in degrees (band, y, x), NaN where nothing was measured."""
    mean, std = (np.array([row[place] for row in BANDS.values()], np.float32)[:, None, None] for place in (1, 2))
    return np.where(empty, np.float32(np.nan), stored * std + mean)


def _checked(chart: Variable, name: str, row: int, size: int) -> np.ndarray:
    """Rows of a chart (y, x): positions of classes, 255 where masked.

    Raises:
        DataError: a value that is no class.
    """
    drawn, count = chart.rows(row, size), len(CHARTS[name][1])
    strange = drawn[(drawn != IGNORE) & ~np.isin(drawn, np.arange(count))]
    if strange.size:
        raise DataError(f"{name} of {chart.path} holds the value {strange[0]:g}, and its classes are 0 to {count - 1}, masked {IGNORE}. {READY}.")
    return drawn.astype(np.uint8)


def _divide(tiles: geopandas.GeoDataFrame, options: ImportOptions, progress: Progress, classes: tuple[ClassInfo, ...]) -> Split:
    """Test scenes stay so, and of the others whole scenes are drawn for validation; where none is for test, for test, too."""
    names, scene = tiles["given"].to_numpy(str), tiles["scene"].to_numpy(str)
    free = names == ""
    if not free.any():
        return given_split(names)
    counts = tiles[[f"share_{row.value}" for row in classes]].to_numpy()
    plan = options.plan if free.all() else replace(options.plan, test_share=0.0)
    drawn = split_by_group(scene[free], counts[free], plan, "scenes", progress, classes=[row.name for row in classes])
    if free.all():
        return drawn
    longer = names.astype(object)
    longer[free] = drawn.names
    return given_split(longer, f"The {len(set(scene[~free]))} test scenes are those that came with the data. Of the others, whole scenes were drawn "
                              f"for validation with the seed {plan.seed}.")
