"""Simulated series of crops whose classes differ in the day on which they are greenest, and in nothing else."""

from pathlib import Path

import geopandas
import numpy as np
import shapely

from eo_pretrain_qgis.engine.datasets.dataset import IGNORE, ClassInfo, SensorInfo
from eo_pretrain_qgis.engine.datasets.shards import ShardWriter
from eo_pretrain_qgis.engine.datasets.splitting.by_group import split_by_group
from eo_pretrain_qgis.engine.datasets.splitting.by_place import SplitPlan
from eo_pretrain_qgis.engine.datasets.splitting.division import finish
from eo_pretrain_qgis.engine.rasters.sensors import Band
from eo_pretrain_qgis.jobs import JOBS
from eo_pretrain_qgis.progress import SILENT

from .scenes_crops import DAYS, crop_season

CROPS = (ClassInfo(3, "rape", "#ffee00"), ClassInfo(5, "wheat", "#aa7700"), ClassInfo(8, "maize", "#ffaa00"))
#: Days of the peaks since 1 January, and how long they last.
PEAKS, WIDTH = (120.0, 165.0, 225.0), 30.0
DATES, STEP, FIRST = 16, 14, 70
BANDS = (Band("B04", 0.665, "reflectance", 1e-4), Band("B08", 0.842, "reflectance", 1e-4))
RADAR_BANDS, RADAR_DATES = (Band("VV", unit="dB"), Band("VH", unit="dB")), 18


def greenness(days, peak):
    """0 to 1, of days and peaks of any shape."""
    return np.exp(-0.5 * ((days - peak) / WIDTH) ** 2)


def write_crop_series(folder, parcels=60, each=4, seed=0, cloudy=0.3, parcel=True, shift=0, hidden=(), noise=150, radar=False):
    """Writes the dataset; half of the series have a date less than the others, which is padding.

    Args:
        parcels: so many, with the crops by turns.
        each: series of a parcel.
        cloudy: share of the dates under bright cloud.
        parcel: whether tiles.gpkg has the field.
        shift: days by which everything is later.
        hidden: parcels whose dates are all under cloud.
        radar: whether there is a second series, of backscatter, with dates of its own, which sees the same peaks.
    """
    folder, rng = Path(folder), np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    count = parcels * each
    owner = np.repeat(np.arange(parcels), each)
    labels = (owner % len(CROPS)).astype(np.uint8)
    peak = np.array(PEAKS)[labels] + np.repeat(rng.normal(0, 6, parcels), each)
    days = FIRST + STEP * np.arange(DATES) + rng.integers(0, 6, (count, 1))
    green = greenness(days, peak[:, None])
    values = np.stack([1200 - 700 * green, 2000 + 2500 * green], 2) + rng.normal(0, noise, (count, DATES, 2))
    flags = (rng.random((count, DATES)) < cloudy).astype(np.uint8)
    flags[np.isin(owner, hidden)] = 1
    values[flags == 1] = rng.normal(8000, 500, ((flags == 1).sum(), 2))
    days = days + shift
    days[::2, -1], flags[::2, -1], values[::2, -1] = -1, 4, 0
    sensors, layout = [SensorInfo("image", "sentinel2_l2a", "uint16", 0, BANDS)], {"image": ((DATES, 2), "uint16"), "days": ((DATES,), "int16")}
    more = {}
    if radar:
        when = np.tile(FIRST + 12 * np.arange(RADAR_DATES), (count, 1))
        seen = greenness(when, peak[:, None])
        more = {"s1": (np.stack([-14 + 3 * seen, -21 + 5 * seen], 2) + rng.normal(0, 1, (count, RADAR_DATES, 2))).astype(np.float32),
                "days_s1": when.astype(np.int16), "flags_s1": np.zeros((count, RADAR_DATES), np.uint8)}
        sensors.append(SensorInfo("s1", "sentinel1_db", "float32", None, RADAR_BANDS))
        layout |= {"s1": ((RADAR_DATES, 2), "float32"), "days_s1": ((RADAR_DATES,), "int16"), "flags_s1": ((RADAR_DATES,), "uint8")}
    with ShardWriter(folder, {"labels": ((), "uint8"), **layout, "flags": ((DATES,), "uint8")},
                     extra=("days", "flags", *(["days_s1", "flags_s1"] if radar else []))) as writer:
        writer.add(labels=labels, image=values.clip(0).astype(np.uint16), days=days.astype(np.int16), flags=flags, **more)
        shards = writer.close()
    columns = {"scene": "s", "col": 0, "row": 0, "label": labels} | ({"parcel": owner} if parcel else {})
    tiles = geopandas.GeoDataFrame(columns, geometry=[shapely.Point(500_000 + 10 * number, 5_300_000) for number in range(count)], crs="EPSG:32633")
    description = {
        "task": "series", "theme": "crops", "name": "season", "sensors": sensors, "tile_size": 1,
        "stride": 1, "resolution_m": [10.0, 10.0], "classes": list(CROPS), "ignore": IGNORE, "labels": {"path": "made"}, "shards": shards,
        "scenes": [{"name": "s", "path": "s", "crs": tiles.crs.to_wkt(), "transform": [10, 0, 500_000, 0, -10, 5_300_000], "width": 100_000,
                    "height": 1, "date": ""}], "facts": {"first_year": 2021}}
    finish(folder, description, tiles, split_by_group(owner, labels, SplitPlan(0.2, 0.3, seed=seed)))
    return folder


def season_dataset(folder):
    """Series of three crops; all dates of one parcel are under cloud."""
    return folder / "season" if (folder / "season").exists() else write_crop_series(folder / "season", hidden=(7,), noise=900)


def two_seasons_dataset(folder):
    """Series of two sensors."""
    return write_crop_series(folder / "two_seasons", radar=True)


def dark_season_dataset(folder):
    """Series of which no date is clear."""
    return write_crop_series(folder / "dark", parcels=12, cloudy=1)


def later_season_dataset(folder):
    """Series of another part of the year."""
    return write_crop_series(folder / "later", parcels=12, shift=200, seed=3)


def season_run(folder):
    """A network that learned the crops."""
    return _learned(folder, "season_run", approach="network", encoder="ltae", epochs=2, keep="last", device="cpu")


def season_statistics(folder):
    """A regression that learned the crops."""
    return _learned(folder, "season_statistics", approach="statistics")


def season_model(folder):
    """The model file of the network."""
    JOBS["export_model"].from_values({"run_folder": str(season_run(folder)), "output": str(folder / "season.onnx")}).run(SILENT)
    return folder / "season.onnx"


def fields_model(folder):
    """The model file of a regression on the series of `crop_season`, with its clouds."""
    (folder / "fields_season").mkdir()
    season = crop_season(folder / "fields_season")
    months = (4, 5, 6, 7)
    JOBS["create_crop_dataset"].from_values({
        "images": [str(season / f"S2_20230{month}01.tif") for month in months],
        "masks": [str(season / f"SCL_20230{month}01.tif") for month in months],
        "parcels": str(season / "parcels.gpkg"), "crop_field": "crop", "split_by": "parcel", "minimum_parcels": 2, "minimum_clear": 1,
        "output": str(folder / "fields")}).run(SILENT)
    JOBS["finetune"].from_values({"dataset": str(folder / "fields"), "approach": "statistics", "output": str(folder / "fields_run")}).run(SILENT)
    JOBS["export_model"].from_values({"run_folder": str(folder / "fields_run"), "output": str(folder / "fields.onnx")}).run(SILENT)
    return folder / "fields.onnx"


def winter_dates(folder):
    """A table that says of two images of `crop_season` that they are of December."""
    (folder / "winter.csv").write_text("file,date\nS2_20230401.tif,2023-12-01\nS2_20230501.tif,2023-12-20\n")
    return folder / "winter.csv"


def _learned(folder, name, **given):
    JOBS["finetune"].from_values({"dataset": str(season_dataset(folder)), **given, "output": str(folder / name)}).run(SILENT)
    return folder / name


def dated_tiles(folder):
    """Tiles of 32 px of all dates of `crop_season`, with its clouds."""
    made = folder / "dated_tiles"
    if not made.exists():
        (folder / "dated_season").mkdir()
        season = crop_season(folder / "dated_season")
        JOBS["create_crop_dataset"].from_values({
            "images": [str(season / f"S2_{day}.tif") for day in DAYS], "masks": [str(season / f"SCL_{day}.tif") for day in DAYS],
            "parcels": str(season / "parcels.gpkg"), "crop_field": "crop", "kind": "tiles", "tile_size": 32, "minimum_parcels": 2, "minimum_clear": 1,
            "gap": 1, "output": str(made)}).run(SILENT)
    return made


def dated_tiles_run(folder):
    """A U-TAE that learned them for an epoch."""
    if not (folder / "dated_run").exists():
        JOBS["finetune"].from_values({"dataset": str(dated_tiles(folder)), "approach": "network", "epochs": 1, "device": "cpu",
                                      "precision": "float32", "output": str(folder / "dated_run")}).run(SILENT)
    return folder / "dated_run"


def dated_tiles_model(folder):
    """Its model file."""
    JOBS["export_model"].from_values({"run_folder": str(dated_tiles_run(folder)), "output": str(folder / "dated.onnx")}).run(SILENT)
    return folder / "dated.onnx"
