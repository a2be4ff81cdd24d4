"""EuroCropsML: series of Sentinel-2 L1C of 706,683 parcels of 2021 in Estonia, Latvia and Portugal, with HCAT crops and splits for few labels.

Sources: see `eurocropsml_files` and `eurocropsml_splits`. Of the names of crops (hcat.csv): Hierarchical Crop and Agriculture Taxonomy, version 3, of
EuroCrops (Schneider, Schelte, Schmitz and Körner 2023, Scientific Data 10, 612), as it was published under CC BY 4.0.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import IO

import geopandas
import numpy as np
import shapely

from ...errors import DataError, listed
from ...progress import SILENT, Progress
from ...tables import read_table
from ..datasets.dataset import IGNORE, SPLITS, SensorInfo
from ..datasets.legend import Legend, make_legend
from ..datasets.shards import LABELS, ShardWriter
from ..datasets.splitting.by_group import given_split, split_by_group
from ..datasets.splitting.by_place import Split, SplitPlan
from ..datasets.splitting.division import finish
from ..rasters.clouds import CLEAR, CLOUD, NOT_MEASURED
from ..rasters.sensors import PRESETS
from .eurocropsml_files import BANDS, DATE, NAME, read_parcels
from .eurocropsml_splits import PRETRAIN, published
from .pieces import read_pieces
from .samples import EUROPEAN_GRID, NOWHERE, ImportOptions
from .tree import Tree, joined

TITLE = "EuroCropsML"
LOOKED_FOR = "preprocess/ with files <region>_<parcel>_<HCAT code>.npz beside split/ (EuroCropsML)"
#: Where parcels lie: as Zenodo's archives unpack, each into a folder of its name, and as newer versions of the makers' package arrange them.
PLACES = ("preprocess", "preprocess/preprocess", "preprocess/S2/2021", "S2/preprocess/2021", "")
#: So many files of a folder tell what it holds.
LOOKED_AT = 20
PRESET = "sentinel2_l1c"
#: The makers take a date for cloudy where the median of B04 says more than half of a probability that rises from 0 at a reflectance of 0.07 to 1 at
#: 0.25, rounded to hundredths, and leave it out (preprocess.py, `find_clouds`, and configs/dataset/preprocess/default.yaml): above this [stored].
RED, CLOUDY = 3, round((0.07 + 0.505 * (0.25 - 0.07)) * 10000)
#: B10 sees high clouds alone: on clear dates hardly more than nothing. Where most of its values are at least so large [stored], the offset of
#: products since baseline 04.00 is in them.
CIRRUS, OFFSET = 10, 1000
#: Edges of blocks of ground to try [m], and how many occupied ones are wanted.
BLOCKS_M, WANTED_BLOCKS = (50_000, 20_000, 10_000, 5_000, 2_500, 1_000), 24
#: Parcels read and written at a time, and files listed between two words of progress.
PIECE, WRITTEN, LISTED = 200, 2000, 5000


def recognise(tree: Tree) -> bool:
    """Whether there are files of parcels."""
    return _parcels(tree) is not None


def write(tree: Tree, folder: Path, options: ImportOptions, progress: Progress = SILENT) -> Split:
    """Writes a dataset of the task "series", a parcel each.

    Files are read once, their dates pass through a temporary file, and the arrays are as long as the longest series: nothing grows with the number of
    parcels but their names, lengths and places.

    Args:
        tree: holds the parcels and the splits.
        folder: an empty folder to fill.
        options: use case, part, shots and regions; where the split is new all parcels of the regions are taken, and divided by blocks of ground.
        progress: told how far it is, and what is strange.

    Raises:
        DataError: archives, which would have to be searched 700,000 times; a part that is not there; parcels that are missing or damaged.
    """
    place = _parcels(tree)
    if place is None:
        raise DataError(f"{tree.path} holds no {LOOKED_FOR}. Choose the folder that holds both.")
    if not (tree.path / place).is_dir():
        raise DataError(f"{tree.path} holds EuroCropsML in archives, and its 700,000 small files are read one by one. Unpack preprocess.zip and "
                        "split.zip into one folder and choose that.")
    source = tree.path / place
    if options.keep_split:
        file, names, splits = published(tree, options)
        names, splits = _of_regions(names, splits, options.regions, file)
        _check_present(source, names, file, progress.part(0, 0.05))
    else:
        names = sorted(name for name in _list(source, progress.part(0, 0.05)) if NAME.fullmatch(name))
        file, splits = str(source), np.array([])
        names, _ = _of_regions(names, np.zeros(len(names)), options.regions, file)
    known = _Known(names, _legend(names, file, progress), _sensor(options))
    with tempfile.TemporaryFile(dir=folder) as spool:
        _read(source, known, spool, progress.part(0.05, 0.6))
        _tell(known, source, progress)
        shards = _write(folder, known, spool, progress.part(0.6, 0.75))
    split = _split(known, splits, options, file, progress.part(0.75, 0.8))
    return finish(folder, _description(tree, known, shards, options), known.table(), split, progress.part(0.8, 1))


class _Known:
    """What is known of the parcels.

    Args:
        names: of their files.
        legend: of their crops.
        sensor: that saw them.
    """

    def __init__(self, names: list[str], legend: Legend, sensor: SensorInfo) -> None:
        self.names, self.legend, self.sensor = names, legend, sensor
        matched = [match for match in map(NAME.fullmatch, names) if match]
        self.regions, self.codes = np.array([match[1] for match in matched], object), np.array([match[3] for match in matched], object)
        self.labels = np.array([legend.positions[code] for code in self.codes], np.uint8)
        self.dates, self.centres = np.zeros(len(names), np.int64), np.full((len(names), 2), np.nan)
        self.clear, self.measured = np.zeros(len(names), np.int64), np.zeros(len(names), np.int64)
        self.days, self.high, self.cloudy = [np.iinfo(np.int64).max, np.iinfo(np.int64).min], 0, 0

    @property
    def years(self) -> list[int]:
        """Of the first and of the last date of all."""
        return [int(np.datetime64(day, "D").astype("datetime64[Y]").astype(np.int64)) + 1970 for day in self.days]

    def table(self) -> geopandas.GeoDataFrame:
        """Rows of tiles.gpkg: a point for each parcel, none where its centre is not known."""
        placed = np.isfinite(self.centres).all(1)
        points = np.full(len(self.names), None)
        points[placed] = shapely.points(self.centres[placed])
        columns = {"scene": self.regions, "name": np.array([name.removesuffix(".npz") for name in self.names], object), "kind": "parcel",
                   "parcel": np.arange(1, len(self.names) + 1), "crop": self.codes, "region": self.regions,
                   "valid": (self.measured / self.dates).round(4), "labelled": 1.0, "clear": self.clear}
        return geopandas.GeoDataFrame(columns, geometry=points, crs=NOWHERE)

    def on_the_ground(self) -> np.ndarray:
        """Centres in metres of the European grid (n, 2); NaN where they are not known, or not there."""
        found = np.full(self.centres.shape, np.nan)
        placed = np.isfinite(self.centres).all(1)
        moved = geopandas.GeoSeries(shapely.points(self.centres[placed]), crs=NOWHERE).to_crs(EUROPEAN_GRID).get_coordinates().to_numpy()
        found[placed] = np.where(np.isfinite(moved).all(1)[:, None], moved, np.nan)
        return found


def _parcels(tree: Tree) -> str | None:
    """The folder, or the archive and the folder in it, that holds files of parcels."""
    inside = [joined(name, place) for name in tree.children()[0] if name.endswith(".zip") for place in PLACES if place]
    for place in (*PLACES, *inside):
        if any(name.endswith(".npz") and (NAME.fullmatch(name) or place) for name in _peek(tree, place)):
            return place
    return None


def _peek(tree: Tree, folder: str) -> list[str]:
    """Some names of files in a folder, which may hold very many."""
    if tree.path.is_file() or folder.partition("/")[0].endswith(".zip"):
        return tree.children(folder)[1][:LOOKED_AT]
    if not (tree.path / folder).is_dir():
        return []
    with os.scandir(tree.path / folder) as entries:
        return [entry.name for entry in islice(entries, LOOKED_AT)]


def _list(source: Path, progress: Progress) -> Iterator[str]:
    with os.scandir(source) as entries:
        for number, entry in enumerate(entries):
            if number % LISTED == 0:
                progress.at(0, f"Listing the parcels: {number}")
            yield entry.name


def _check_present(source: Path, names: list[str], file: str, progress: Progress) -> None:
    missing = set(names)
    missing.difference_update(_list(source, progress))
    if missing:
        strange = next((name for name in _list(source, SILENT) if name.endswith(".npz") and not NAME.fullmatch(name)), None)
        other = f" The folder has names of another version, such as {strange}." if len(missing) == len(names) and strange else ""
        raise DataError(f"{len(missing)} of the {len(names)} parcels that {file} names are missing from {source}, the first is "
                        f"{next(name for name in names if name in missing)}.{other} Unpack preprocess.zip again, of the same version as split.zip.")


def _of_regions(names: list[str], splits: np.ndarray, regions: str, file: str) -> tuple[list[str], np.ndarray]:
    """The parcels whose regions begin as those asked for, and their splits.

    Raises:
        DataError: there are none of one of them.
    """
    wanted = tuple(dict.fromkeys(word.strip().upper() for word in regions.replace(";", ",").split(",") if word.strip()))
    if not wanted:
        if not names:
            raise DataError(f"{file} holds no file <region>_<parcel>_<HCAT code>.npz. Choose the data as they were published.")
        return names, splits
    empty = next((region for region in wanted if not any(name.startswith(region) for name in names)), None)
    if empty is not None:
        there = sorted({name.partition("_")[0] for name in names})
        raise DataError(f"{file} has no parcel in the region “{empty[:20]}”; its regions are {listed(there, 40)}. Write some of these in "
                        "“EuroCropsML regions”, or how they begin, such as LV, or leave it empty.")
    taken = [number for number, name in enumerate(names) if name.startswith(wanted)]
    return [names[number] for number in taken], splits[taken]


def _legend(names: list[str], file: str, progress: Progress) -> Legend:
    """Classes in the order of their codes, with the names of HCAT."""
    called = {row["code"]: row["name"] for row in read_table(Path(__file__).parent / "hcat.csv").rows}
    codes = {name.removesuffix(".npz").rpartition("_")[2] for name in names}
    rows = [{"value": code, "name": called.get(code, code), "color": ""} for code in sorted(codes)]
    return make_legend(codes, f"What {file} names", rows, None, False, progress, "Choose more regions, or another part.")


def _sensor(options: ImportOptions) -> SensorInfo:
    preset = PRESET if options.preset == "generic" else options.preset
    if not preset.startswith(PRESET):
        raise DataError(f"EuroCropsML is of Sentinel-2 L1C, and the sensor “{preset}” was asked for. Leave “Sensor” at generic, or choose "
                        f"{PRESET}_0400 for values with the offset of baseline 04.00.")
    return SensorInfo("image", preset, "uint16", 0, PRESETS[preset].bands)


def _read(source: Path, known: _Known, spool: IO[bytes], progress: Progress) -> None:
    """Reads all parcels into a temporary file of dates behind each other."""
    names = known.names
    starts = range(0, len(names), PIECE)
    calls = [(str(source), names[first:first + PIECE]) for first in starts]
    for first, (dates, rows, centres) in zip(starts, read_pieces(read_parcels, calls, len(names), lambda number: progress.at(
            number / len(calls), "Reading the parcels")), strict=True):
        progress.at(first / len(names), f"Reading the parcels: {first} of {len(names)}")
        part = slice(first, first + len(dates))
        known.dates[part], known.centres[part] = dates, centres
        known.days = [min(known.days[0], int(rows["day"].min())), max(known.days[1], int(rows["day"].max()))]
        known.high += int((rows["values"][:, CIRRUS] >= OFFSET).sum())
        spool.write(rows.tobytes())
    spool.seek(0)


def _tell(known: _Known, source: Path, progress: Progress) -> None:
    if known.sensor.preset == PRESET and 2 * known.high > known.dates.sum():
        progress.message(f"In {source} most values of B10 are {OFFSET} or more, as in products since processing baseline 04.00, whose stored values "
                         f"are {OFFSET} too high. If it was made of these, import it with the sensor {PRESET}_0400.", level="warning")
    lost = int((~np.isfinite(known.centres).all(1)).sum())
    if lost:
        progress.message(f"{lost} of {len(known.names)} parcels do not say where they lie.", level="warning")


def _write(folder: Path, known: _Known, spool: IO[bytes], progress: Progress) -> list[dict]:
    """Series as long as the longest, with their days and flags."""
    length, begin = int(known.dates.max()), int(np.datetime64(str(known.years[0]), "D").astype(np.int64))
    arrays = {LABELS: ((), "uint8"), "image": ((length, BANDS), "uint16"), "days": ((length,), "int16"), "flags": ((length,), "uint8")}
    with ShardWriter(folder, arrays, extra=["days", "flags"]) as writer:
        for first in range(0, len(known.names), WRITTEN):
            progress.at(first / len(known.names), "Writing the series")
            part = slice(first, first + WRITTEN)
            dates = known.dates[part]
            rows = np.frombuffer(spool.read(int(dates.sum()) * DATE.itemsize), DATE)
            owner = np.repeat(np.arange(len(dates)), dates)
            place = np.arange(len(rows)) - np.repeat(np.cumsum(dates) - dates, dates)
            images, days, flags = (np.zeros((len(dates), length, BANDS), np.uint16), np.full((len(dates), length), -1, np.int16),
                                   np.full((len(dates), length), NOT_MEASURED, np.uint8))
            own = np.where(rows["values"][:, RED] > CLOUDY, CLOUD, CLEAR)
            own[(rows["values"] == 0).all(1)] = NOT_MEASURED
            images[owner, place], days[owner, place], flags[owner, place] = rows["values"], rows["day"] - begin, own
            writer.add(labels=known.labels[part], image=images, days=days, flags=flags)
            known.clear[part], known.measured[part] = (flags == CLEAR).sum(1), (flags != NOT_MEASURED).sum(1)
            known.cloudy += int((own == CLOUD).sum())
        shards = writer.close()
    if known.cloudy:
        progress.message(f"{known.cloudy} of {int(known.dates.sum())} dates are cloudy by the rule of the makers (B04 above {CLOUDY}), who "
                         "leave such dates out. They are marked as cloud.", level="warning")
    return shards


def _split(known: _Known, splits: np.ndarray, options: ImportOptions, file: str, progress: Progress) -> Split:
    """The published split, or one by blocks of ground, and how near training and test lie."""
    ground = known.on_the_ground()
    placed = np.isfinite(ground).all(1)
    if len(splits):
        split = given_split(splits, f"The split is the published one of {Path(file).name}, use case {options.use_case}.")
    else:
        split = _by_blocks(known, ground, placed, options.plan, progress)
    training, test = (shapely.points(ground[placed & (split.names == SPLITS[number])]) for number in (0, 2))
    if len(training) and len(test):
        distance = float(shapely.STRtree(training).query_nearest(test, return_distance=True, all_matches=False)[1].min())
        split.facts["leakage_distance_px"] = round(distance / 10, 1)
        split.facts["text"] += f" The middles of the nearest training and test parcels are {distance:.0f} m apart."
    return split


def _by_blocks(known: _Known, ground: np.ndarray, placed: np.ndarray, plan: SplitPlan, progress: Progress) -> Split:
    edge = BLOCKS_M[0]
    for edge in BLOCKS_M:
        blocks = np.floor(np.where(placed[:, None], ground, 0) / edge).astype(np.int64)
        if len(np.unique(blocks[placed], axis=0)) >= WANTED_BLOCKS:
            break
    groups = np.array([f"{x} {y}" if there else region for (x, y), there, region in zip(blocks.tolist(), placed, known.regions, strict=True)])
    return split_by_group(groups, known.labels, plan, f"blocks of {edge} m", progress, classes=[row.name for row in known.legend.classes])


def _description(tree: Tree, known: _Known, shards: list[dict], options: ImportOptions) -> dict:
    asked = {"use_case": options.use_case, "part": options.part, **({} if options.part == PRETRAIN else {"shots": options.shots})}
    codes = {str(row.value): code for code, row in zip(known.legend.positions, known.legend.classes, strict=True)}
    # The calendar year, whichever parcels train: what was learned with one shot or in another country then starts from the same day.
    season = {"first_day": "01-01", "last_day": "12-31"} if len(set(known.years)) == 1 else {}
    return {
        "task": "series", "theme": "crops", "name": options.name, "sensors": [known.sensor], "tile_size": 1, "stride": 1,
        "resolution_m": [10.0, 10.0], "classes": list(known.legend.classes), "ignore": IGNORE,
        "scenes": [_scene(region, tree.path, known) for region in sorted(set(known.regions))],
        "labels": {"path": str(tree.path), "kind": TITLE}, "shards": shards,
        "facts": {"first_year": known.years[0], **season, "source": TITLE, "regions": options.regions, "codes": codes,
                  **(asked if options.keep_split else {})}}


def _scene(region: str, path: Path, known: _Known) -> dict:
    """A region, on the European grid where all parcels say where they lie."""
    scene = {"name": region, "path": str(path), "files": [], "crs": "", "transform": [1, 0, 0, 0, -1, 0], "width": 0, "height": 0, "date": "",
             "checksum": ""}
    ground = known.on_the_ground()
    if not np.isfinite(ground).all():
        return scene
    (west, south), (east, north) = ground.min(0), ground.max(0)
    crs = geopandas.GeoSeries([], crs=EUROPEAN_GRID).crs.to_wkt()
    return {**scene, "crs": crs, "transform": [10.0, 0.0, float(west), 0.0, -10.0, float(north)], "width": int((east - west) // 10) + 1,
            "height": int((north - south) // 10) + 1}
