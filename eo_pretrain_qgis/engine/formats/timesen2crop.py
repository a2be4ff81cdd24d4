"""TimeSen2Crop: series of pixels as one small CSV each, in a folder for each class in a folder for each tile."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import geopandas
import numpy as np

from ...errors import DataError, listed
from ...progress import SILENT, Progress
from ...tables import file_content, parse_lines, shortened, write_table
from ..datasets.dataset import IGNORE, SPLITS, Dataset, SensorInfo
from ..datasets.legend import make_legend
from ..datasets.shards import LABELS, ShardWriter
from ..datasets.splitting.by_group import given_split, random_split, split_by_group, wanted_shares
from ..datasets.splitting.by_place import Split, SplitPlan
from ..datasets.splitting.division import finish
from ..rasters.clouds import CLOUD, NOT_MEASURED
from ..rasters.sensors import PRESETS
from ..rasters.series_dates import days_since, parse_day
from .pieces import PIECE, read_pieces
from .samples import ImportOptions
from .timesen2crop_files import BANDS, CLASS_NAMES, CLASSES, DATE_HEAD, DATES, FLAG, HEADS, OTHER, list_files, official_number, read_files
from .tree import Tree, joined

TITLE = "TimeSen2Crop"
LOOKED_FOR = "a folder for each tile with dates.csv and folders 0 to 15 of CSV files (TimeSen2Crop)"


def recognise(tree: Tree) -> bool:
    """Whether a folder, or one folder in it, holds tiles."""
    return _root(tree) is not None


def write(tree: Tree, folder: Path, options: ImportOptions, progress: Progress = SILENT) -> Split:
    """Writes a dataset of the task "series".

    Raises:
        DataError: an archive, which would have to be read a million times, or damaged files.
    """
    root = _root(tree)
    if root is None:
        raise DataError(f"{tree.path} holds no {LOOKED_FOR}. Choose the folder that holds the tiles.")
    if tree.path.is_file():
        raise DataError(f"{tree.path} holds TimeSen2Crop, whose million small files are read several times. Unpack the archive and choose "
                        "the folder.")
    return write_timesen2crop_dataset(tree.path / root, folder, options.plan, progress, options.name)


def _root(tree: Tree) -> str | None:
    for folder in ("", *(tree.children()[0] if len(tree.children()[0]) <= 3 else ())):
        if any(_is_tile(tree, joined(folder, name)) for name in tree.children(folder)[0][:3]):
            return folder
    return None


def _is_tile(tree: Tree, folder: str) -> bool:
    folders, files = tree.children(folder)
    return "dates.csv" in files and any(re.fullmatch(r"1?\d", name) for name in folders)


NO_PLACE = "The samples have no coordinates, and all lie in one tile."


@dataclass(frozen=True)
class Tile:
    """One tile: its folder, the days of its images, and for each class the names of its files."""

    folder: Path
    days: list[date]
    files: dict[int, list[str]]

    @property
    def ground(self) -> str:
        """The Sentinel-2 tile without the year: 33UVP and 2019_33UVP show the same ground."""
        match = re.search(r"\d\d[A-Z]{3}$", self.folder.name)
        return match[0] if match else self.folder.name


@dataclass(frozen=True)
class Batch:
    """Some samples of one class in one tile: bands (n, date, 9), flags (n, date)."""

    tile: Tile
    label: int
    values: np.ndarray
    flags: np.ndarray


def find_tiles(folder: str | Path, progress: Progress = SILENT) -> list[Tile]:
    """The tiles in a folder, by name.

    Raises:
        DataError: no tile, or dates that cannot be read, repeat or are out of order.
    """
    tiles = []
    with os.scandir(folder) as entries:
        places = sorted(Path(entry.path) for entry in entries if entry.is_dir())
    for number, place in enumerate(places):
        if not (place / DATES).is_file():
            continue
        days, files = _read_days(place / DATES), {}
        labels = sorted({int(child.name) for child in place.iterdir() if child.is_dir() and re.fullmatch("0|[1-9][0-9]{0,17}", child.name)})
        for done, label in enumerate(labels):
            progress.at((number + done / len(labels)) / len(places), f"Listing the files of {place.name}")
            files[label] = list_files(place / str(label))
        tiles.append(Tile(place, days, {label: names for label, names in files.items() if names}))
    if not any(tile.files for tile in tiles):
        raise DataError(f"{folder} holds no TimeSen2Crop tile: no folder in it has {DATES} and folders of CSV files named by class number. "
                        "Choose the folder that holds the tiles.")
    return tiles


def read_timesen2crop(tiles: list[Tile], progress: Progress = SILENT, workers: int | None = None) -> Iterator[Batch]:
    """Reads all files of some tiles, in the order of tiles, classes and numbers.

    Args:
        tiles: what `find_tiles` found.
        progress: told how far it is.
        workers: processes; None is one for each core, 0 reads in this process.

    Yields:
        Samples as they come.

    Raises:
        DataError: naming the file that is not as it should be.
    """
    pieces = [(tile, label, names[first:first + PIECE]) for tile in tiles for label, names in tile.files.items()
              for first in range(0, len(names), PIECE)]
    ends = np.cumsum([len(names) for _, _, names in pieces]).tolist()
    calls = [(str(tile.folder / str(label)), names, len(tile.days)) for tile, label, names in pieces]
    computed = read_pieces(read_files, calls, ends[-1], lambda number: progress.at(ends[number] / ends[-1]), workers)
    for number, ((tile, label, _), numbers) in enumerate(zip(pieces, computed, strict=True)):
        progress.at(ends[number] / ends[-1], f"Reading {tile.folder.name}")
        values, flags = numbers[..., :-1].astype(np.uint16), numbers[..., -1].astype(np.uint8)
        flags[(values == 0).all(-1)] = NOT_MEASURED
        yield Batch(tile, label, values, flags)


def write_timesen2crop_dataset(source_folder: str | Path, folder: Path, plan: SplitPlan, progress: Progress = SILENT, name: str = "") -> Split:
    """Writes a dataset of the task "series".

    Tiles are the unit of the split, since the samples have no coordinates; two years of one tile stay together. Folders that this
    plugin wrote keep the split that their names tell.

    Args:
        source_folder: holds the tiles.
        folder: an empty folder to fill.
        plan: shares and seed.
        progress: told how far it is.
        name: of the dataset; empty is that of the folder.

    Raises:
        DataError: damaged files, or no tile.
    """
    tiles = find_tiles(source_folder, progress.part(0, 0.05))
    names = _class_names(Path(source_folder))
    found = sorted({label for tile in tiles for label in tile.files})
    rows = [{"value": str(label), "name": names.get(label, f"class {label}"), "color": ""} for label in found]
    legend = make_legend({str(label) for label in found}, f"The folder {source_folder}", rows, None, False, progress,
                         "Choose tiles with two classes or more.")
    length, first_year = max(len(tile.days) for tile in tiles), min(tile.days[0].year for tile in tiles)
    preset = PRESETS["sentinel2_l2a"]
    bands = {band.name: band for band in preset.bands}
    sensor = SensorInfo("image", "sentinel2_l2a", "uint16", 0, tuple(bands[name] for name in BANDS))
    arrays = {LABELS: ((), "uint8"), "image": ((length, len(BANDS)), "uint16"), "days": ((length,), "int16"), "flags": ((length,), "uint8")}
    known: dict[str, list[np.ndarray]] = {"scene": [], "label": [], "valid": [], "clear": []}
    with ShardWriter(folder, arrays, extra=["days", "flags"]) as writer:
        for batch in read_timesen2crop(tiles, progress.part(0.05, 0.7)):
            label = legend.positions[str(batch.label)]
            count, dates = batch.flags.shape
            images, days, flags = (np.full((count, length, len(BANDS)), 0, np.uint16), np.full((count, length), -1, np.int16),
                                   np.full((count, length), NOT_MEASURED, np.uint8))
            images[:, :dates], days[:, :dates], flags[:, :dates] = batch.values, days_since(batch.tile.days, first_year), batch.flags
            writer.add(labels=np.full(count, label, np.uint8), image=images, days=days, flags=flags)
            for name, values in (("scene", np.full(count, batch.tile.folder.name, object)), ("label", np.full(count, label)),
                                 ("valid", (batch.flags != NOT_MEASURED).mean(1).round(4)), ("clear", (batch.flags == 0).sum(1))):
                known[name].append(values)
        shards = writer.close()
    columns = {name: np.concatenate(values) for name, values in known.items()}
    split = _split(tiles, columns["scene"], columns["label"], plan, [row.name for row in legend.classes], progress.part(0.7, 0.75))
    table = geopandas.GeoDataFrame({**columns, "labelled": 1.0}, geometry=[None] * len(columns["label"]), crs="EPSG:4326")
    description = {
        "task": "series", "theme": "crops", "name": name or folder.name, "sensors": [sensor], "tile_size": 1, "stride": 1,
        "resolution_m": [10.0, 10.0], "classes": list(legend.classes), "ignore": IGNORE, "scenes": [_scene(tile) for tile in tiles],
        "labels": {"path": str(source_folder), "kind": "TimeSen2Crop"}, "shards": shards,
        "facts": {"first_year": first_year, "source": "TimeSen2Crop",
                  "dates": {tile.folder.name: [day.isoformat() for day in tile.days] for tile in tiles}}}
    return finish(folder, description, table, split, progress.part(0.75, 1))


def _split(tiles: list[Tile], scenes: np.ndarray, labels: np.ndarray, plan: SplitPlan, classes: list[str], progress: Progress) -> Split:
    told = {tile.folder.name: next((split for split in SPLITS if tile.folder.name.endswith("_" + split)), "") for tile in tiles}
    if all(told.values()):
        return given_split(np.array([told[scene] for scene in scenes]), "The split is the one that the names of the tiles tell.")
    grounds = {tile.folder.name: tile.ground for tile in tiles}
    if len(set(grounds.values())) < (wanted_shares(plan) > 0).sum():
        progress.message(f"{NO_PLACE} The split is random, and scores on it flatter the model.", level="warning")
        return random_split(labels, plan, NO_PLACE)
    return split_by_group(np.array([grounds[scene] for scene in scenes]), labels, plan, "tiles", progress, classes=classes)


def _read_days(path: Path) -> list[date]:
    lines = parse_lines(file_content(path), str(path))
    place = lines[0].cells.index(DATE_HEAD) if lines and DATE_HEAD in lines[0].cells else 0
    has_heading = bool(lines) and parse_day(lines[0].cells[place]) is None
    days: list[date] = []
    for number, cells in ((line.number, line.cells) for line in lines[has_heading:]):
        text = cells[place] if place < len(cells) else ""
        day = parse_day(text)
        if day is None:
            raise DataError(f"Line {number} of {path} holds “{shortened(text)}”, which is no date. Write it as YYYYMMDD.")
        if days and day <= days[-1]:
            what = "repeats the date" if day == days[-1] else "goes back to"
            raise DataError(f"Line {number} of {path} {what} {day}, but the lines of all samples belong to its dates in order. "
                            "Unpack it again.")
        days.append(day)
    if not days:
        raise DataError(f"{path} holds no dates. Unpack it again.")
    return days


def _class_names(folder: Path) -> dict[int, str]:
    path = folder / CLASSES
    if not path.is_file():
        return dict(enumerate(CLASS_NAMES))
    rows = (line.cells for line in parse_lines(file_content(path), str(path)))
    return {int(row[0]): row[1] for row in rows if len(row) > 1 and row[1] and re.fullmatch("[0-9]{1,18}", row[0])}


def _scene(tile: Tile) -> dict:
    return {"name": tile.folder.name, "path": str(tile.folder), "files": [], "crs": "", "transform": [1, 0, 0, 0, -1, 0], "width": 0,
            "height": 0, "date": tile.days[0].isoformat(), "checksum": ""}


def export(dataset: Dataset, folder: Path, sensor: str = "", split: str = "", progress: Progress = SILENT) -> int:
    """Writes every series of a dataset as a CSV file.

    Args:
        dataset: of the task "series".
        folder: an empty folder to fill.
        sensor: must be empty or the first sensor, of which the layout tells.
        split: must be empty: the layout knows tiles and no splits.
        progress: told how far it is.

    Returns:
        Number of series.

    Raises:
        DataError: a part of the dataset was asked for.
    """
    if split or sensor not in ("", dataset.sensors[0].name):
        raise DataError("TimeSen2Crop's layout holds all series of the first sensor. Leave “Sensor” empty and choose the samples of “all”.")
    write_timesen2crop_folders(dataset.folder, folder, progress)
    return len(dataset)


#: Samples formatted at a time.
FORMATTED = 2000


def write_timesen2crop_folders(dataset_folder: str | Path, folder: Path, progress: Progress = SILENT) -> None:
    """Writes every sample of a dataset as a CSV file.

    What TimeSen2Crop calls a tile is here a part of the split, ``<dataset>_training`` and so on, so that those who split by tile keep
    the split. The layout has no flag for dates without a measurement; they become 0 with the flag of a cloud. Class folders have
    the numbers of TimeSen2Crop's own list, since its readers know no other; crops that are not in it go to “Other crops”.

    Args:
        dataset_folder: of a dataset of series of one or more sensors; the first is written.
        folder: an empty folder to fill.
        progress: also hears which crops are not in TimeSen2Crop's list.

    Raises:
        DataError: a band of TimeSen2Crop is missing, no crop is in its list, or samples with different dates.
    """
    dataset = Dataset.open(dataset_folder)
    info = dataset.sensors[0]
    names = [band.name for band in info.bands]
    missing = [band for band in BANDS if band not in names]
    if missing:
        raise DataError(f"TimeSen2Crop folders hold the bands {', '.join(BANDS)}, but the dataset lacks {', '.join(missing)}. Use images with "
                        "these bands; while a dataset is made, “TimeSen2Crop folders” may be left empty.")
    if "first_year" not in dataset.facts:
        raise DataError(f"{dataset.folder} does not say of which year its dates are, which TimeSen2Crop folders need. Choose a dataset made by "
                        "“Create crop dataset” or “Import a dataset”.")
    plain = re.sub(r"[^\w-]+", "_", dataset.name).strip("_")[:80] or "dataset"  # what a file says becomes no path
    chosen = [info.bands[names.index(band)] for band in BANDS]
    bands = np.array([names.index(band) for band in BANDS])
    scale, offset = np.array([band.scale for band in chosen]), np.array([band.offset for band in chosen])
    official = _official(dataset, progress)
    write_table(folder / CLASSES, [("class", "name"), *((number, CLASS_NAMES[number]) for number in np.unique(official).tolist())])
    head, done = ",".join((*HEADS, FLAG)) + "\n", 0
    for split in SPLITS:
        mine = dataset.indices(split)
        if not len(mine):
            continue
        tile = folder / f"{plain}_{split}"
        _start(tile, dataset, mine, official)
        written = np.zeros(len(CLASS_NAMES), np.int64)
        for first in range(0, len(mine), FORMATTED):
            progress.at(done / len(dataset), "Writing TimeSen2Crop folders")
            batch = mine[first:first + FORMATTED]
            values, flags = dataset.images(batch, info.name)[..., bands], dataset.array("flags", batch)
            stored = np.clip(np.rint((values * scale + offset) * 10000), 0, 65535)
            rows = np.concatenate([np.nan_to_num(stored), np.where(flags == NOT_MEASURED, CLOUD, flags)[..., None]], -1).astype(np.int64)
            rows[flags == NOT_MEASURED, :-1] = 0
            labels = dataset.labels(batch)
            if (labels == IGNORE).any():
                raise DataError(f"{dataset.folder} has series without a class, for which TimeSen2Crop's layout has no folder. Choose another "
                                "dataset.")
            for sample, number in zip(rows.tolist(), official[labels].tolist(), strict=True):
                text = head + "".join(",".join(map(str, row)) + "\n" for row in sample)
                (tile / str(number) / f"{written[number]}.csv").write_text(text, encoding="ascii")
                written[number] += 1
            done += len(batch)


def _official(dataset: Dataset, progress: Progress) -> np.ndarray:
    """TimeSen2Crop's number of each class of a dataset."""
    found = {row.name: official_number(row.name) for row in dataset.classes}
    strange = [name for name, number in found.items() if number is None]
    if len(strange) == len(found):
        raise DataError(f"None of the classes of {dataset.folder} ({listed(strange)}) has a name of TimeSen2Crop's list, and its layout knows no "
                        f"other. Name them as it does ({', '.join(CLASS_NAMES)}), or leave TimeSen2Crop's layout out.")
    if strange:
        progress.message(f"TimeSen2Crop's list has no {listed(strange)}; their samples are written as its class {OTHER}, “{CLASS_NAMES[OTHER]}”.",
                         level="warning")
    return np.array([OTHER if found[row.name] is None else found[row.name] for row in dataset.classes])


def _start(tile: Path, dataset: Dataset, samples: np.ndarray, official: np.ndarray) -> None:
    """The folders of a tile and its dates."""
    for number in np.unique(official).tolist():
        (tile / str(number)).mkdir(parents=True)
    days = dataset.array("days", samples)
    if (days != days[0]).any():
        raise DataError(f"The samples of {dataset.name} have different dates, but those of one TimeSen2Crop tile share theirs. Make a dataset "
                        "of each tile.")
    start = date(dataset.facts["first_year"], 1, 1)
    lines = [(start + timedelta(int(day))).strftime("%Y%m%d") for day in days[0]]
    (tile / DATES).write_text("\n".join([DATE_HEAD, *lines]) + "\n", encoding="ascii")
