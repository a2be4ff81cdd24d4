"""Adds series to a crop dataset: a new folder that holds both, with the split of the old ones as it was."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import geopandas
import numpy as np
import pandas
import shapely

from ....errors import DataError
from ....progress import SILENT, Progress
from ...datasets.block_sums import write_sums
from ...datasets.dataset import DROPPED, SPLITS, Dataset
from ...datasets.footprints import read_footprints
from ...datasets.legend import Legend
from ...datasets.merging import ADDED, free_number, linked, moved
from ...datasets.season import Season
from ...datasets.splitting.by_place import Split, SplitPlan
from ...datasets.splitting.division import finish
from ...datasets.subsets import held_ground
from ...rasters.clouds import NOT_MEASURED
from ...tasks import require
from .fields import Fields, ground_of
from .parcel_splits import Division
from .series_building import MANY_ZONES, NO_DATE, SeriesPlan, build_series, padded

#: Series rewritten at a time.
AT_ONCE = 10_000
#: What the samples of such a dataset say in tiles.gpkg.
COLUMNS = ("scene", "kind", "parcel", "crop", "clear")


def open_extended(folder: str) -> Dataset:
    """Opens the dataset to be extended.

    Raises:
        DataError: when series cannot be added to such a dataset.
    """
    dataset = Dataset.open(folder)
    require(dataset, ["series"], "adding series")
    reason = ""
    if len(dataset.sensors) > 1:
        reason = f"holds series of {len(dataset.sensors)} sensors"
    elif not set(COLUMNS) <= set(dataset.tiles) or "first_year" not in dataset.facts or not {"days", "flags"} <= set(dataset.shards.extras()):
        reason = "does not say of which parcels and days its series are"
    elif read_footprints(folder, ["parcel"]).geometry.isna().any():
        reason = "does not say where its series lie"
    if reason:
        raise DataError(f"{folder} {reason}, and series can be added only to a dataset of one sensor with parcels. Choose one made by “Create crop "
                        "dataset”.")
    return dataset


def season_of(dataset: Dataset, asked: Season | None) -> Season | None:
    """The season of a dataset, which is that of the series added to it.

    Raises:
        DataError: another one was asked for.
    """
    own = Season.read(dataset.facts.get("first_day"), dataset.facts.get("last_day"))
    if asked is not None and asked != own:
        held = f"days from {own}" if own else "days of the whole year"
        raise DataError(f"{dataset.folder} holds {held}, and {asked} was asked for. Leave the first and the last day empty, or make a dataset of its "
                        "own.")
    return own


def extend_series(folder: Path, dataset: Dataset, fields: list[Fields], legend: Legend, facts: dict, plan: SeriesPlan, name: str,
                  progress: Progress = SILENT) -> Split:
    """Samples new series and writes them together with those of a dataset, which stays as it is.

    Old series keep their split. New ones are for training, except those of parcels nearer to an old validation or test series than the gap,
    or a pixel, which are dropped.

    Args:
        folder: an empty folder to fill.
        dataset: what `open_extended` gave.
        fields: parcels of each place with the classes of the dataset.
        legend: the classes of the dataset.
        facts: what is said of the new parcels.
        plan: which samples.
        name: of the new dataset.
        progress: told how far it is.

    Raises:
        DataError: nothing can be sampled.
    """
    own_kind = dataset.facts.get("kind", plan.kind)
    if own_kind != plan.kind:
        progress.message(f"The samples of {dataset.folder} are {own_kind}, and the new ones are {plan.kind}. A model learns both alike.", "warning")
    place = folder / ADDED  # no array is called so: their names end in .npy
    place.mkdir()
    own_length, own_year = _length(dataset), int(dataset.facts["first_year"])
    added_plan = replace(plan, division=Division("parcel"), dates=own_length, first_year=own_year)
    build_series(place, fields, legend, facts, added_plan, SplitPlan(0, 0, joins=True), name, progress.part(0, 0.6))
    added = Dataset.open(place)
    tiles, names, dropped = _tiles(dataset, added, fields, plan.division.gap_m)
    length, year = _length(added), int(added.facts["first_year"])
    old, new, count, facts = dataset.description, added.description, len(added), _facts(dataset, added)
    del added  # Windows moves no file that is mapped
    part = progress.part(0.6, 0.75)
    if (length, year) == (own_length, own_year):
        free = linked(dataset, folder, part)
    else:
        _rewrite(dataset, folder, length, own_year - year, part)
        free = free_number(dataset)
    shards = [*old["shards"], *moved(new["shards"], place, folder, free)]
    shutil.rmtree(place)
    text = (f"{old['split'].get('text', '')} Then {count} series were added: {count - dropped} for training, {dropped} dropped because their parcels "
            "lie too near to validation or test series.").strip()
    if dropped == count:
        progress.message("All new series lie too near to validation or test series, so none of them is used in training.", level="warning")
    counts = [int((names == split).sum()) for split in SPLITS]
    split = Split(names, {**old["split"], "shares": [round(each / sum(counts), 4) for each in counts], "text": text,
                          "dropped_tiles": int((names == DROPPED).sum())})
    description = {**old, "name": name, "classes": dataset.classes, "sensors": dataset.sensors, "shards": shards, "facts": facts,
                   "scenes": [*old["scenes"], *(scene for scene in new["scenes"] if scene not in old["scenes"])],
                   "labels": {**old["labels"], "added": [*old["labels"].get("added", []), new["labels"]]}}
    return finish(folder, description, tiles, split, progress.part(0.75, 1))


def _length(dataset: Dataset) -> int:
    """How many dates the arrays hold."""
    return dataset.array("days", np.zeros(1, np.int64)).shape[1]


def _tiles(dataset: Dataset, added: Dataset, fields: list[Fields], gap: float) -> tuple[geopandas.GeoDataFrame, np.ndarray, int]:
    """All samples in one CRS, their splits, and how many new ones were dropped."""
    old, new = read_footprints(dataset.folder), read_footprints(added.folder)
    ground, names = ground_of(fields), dataset.splits
    kept = np.isin(held_ground(old), SPLITS[1:])
    near = np.zeros(len(new), bool)
    if kept.any():
        tree = shapely.STRtree(ground.place(old.geometry[kept]))
        parcels = np.unique(tree.query(ground.shapes, predicate="dwithin", distance=max(gap, ground.pixel))[0])
        near = np.isin(new["parcel"].to_numpy(), ground.numbers[parcels])
    labels, others = dataset.description["labels"], added.description["labels"]
    if (labels.get("path"), labels.get("layer")) != (others["path"], others["layer"]):  # the numbers are those of another layer
        new["parcel"] = new["parcel"] + int(old["parcel"].max())
    crs = old.crs if old.crs.equals(new.crs) else MANY_ZONES
    together = geopandas.GeoDataFrame(pandas.concat([old.to_crs(crs), new.to_crs(crs)], ignore_index=True), crs=crs)
    return together, np.concatenate([names, np.where(near, DROPPED, SPLITS[0])]), int(near.sum())


def _rewrite(dataset: Dataset, folder: Path, length: int, later: int, progress: Progress) -> None:
    """Writes the arrays of a dataset with so many dates, and days counted from that many years before."""
    own_year = int(dataset.facts["first_year"])
    shift = int((np.datetime64(str(own_year)) - np.datetime64(str(own_year - later))).astype("timedelta64[D]").astype(int)) if later else 0
    nodata = dataset.sensors[0].nodata
    for number, shard in enumerate(dataset.shards.shards):
        files: Iterable[tuple[str, float | None, int]] = [
            *((name, np.nan if nodata is None else nodata, 0) for name in shard["images"].values()), (shard["labels"], None, 0),
            *((name, NO_DATE if kind == "days" else NOT_MEASURED, shift if kind == "days" else 0) for kind, name in shard.get("extra", {}).items())]
        for name, fill, moved_days in files:
            source = dataset.shards.whole(name)
            shape = source.shape if fill is None else (len(source), length, *source.shape[2:])
            target = np.lib.format.open_memmap(folder / name, mode="w+", dtype=source.dtype, shape=shape)
            for first in range(0, len(source), AT_ONCE):
                progress.at((number + first / len(source)) / len(dataset.shards.shards), "Writing the series with more dates")
                part = np.array(source[first:first + AT_ONCE])
                if moved_days:
                    part = np.where(part == NO_DATE, NO_DATE, part + moved_days).astype(part.dtype)
                target[first:first + AT_ONCE] = part if fill is None else padded(part, length, fill)
            target.flush()
            write_sums(folder / name)


def _facts(dataset: Dataset, added: Dataset) -> dict:
    """The facts of both, the days of each by its tiles."""
    together: dict[str, dict] = {"dates": {}, "clouds": {}}
    for each in (dataset, added):
        for key, days in each.facts.get("dates", {}).items():
            name = each.tiles["scene"].iloc[0] if key == each.sensors[0].name else key
            while name in together["dates"]:
                name += " (added)"
            together["dates"][name] = days
            if key in each.facts.get("clouds", {}):
                together["clouds"][name] = each.facts["clouds"][key]
    return {**dataset.facts, **together, "first_year": added.facts["first_year"],
            "too_cloudy": dataset.facts.get("too_cloudy", 0) + added.facts["too_cloudy"],
            "minimum_clear": min(dataset.facts.get("minimum_clear", added.facts["minimum_clear"]), added.facts["minimum_clear"])}
