"""Reports on series and on radar with incidence angles, against truth that the samples were made with."""

import geopandas
import numpy as np
import pytest
import shapely

from eo_pretrain_qgis.engine.datasets.dataset import IGNORE, ClassInfo, Dataset, SensorInfo
from eo_pretrain_qgis.engine.datasets.footprints import read_footprints, write_footprints
from eo_pretrain_qgis.engine.datasets.shards import ShardWriter
from eo_pretrain_qgis.engine.datasets.splitting.by_group import split_by_group
from eo_pretrain_qgis.engine.datasets.splitting.by_place import SplitPlan
from eo_pretrain_qgis.engine.datasets.splitting.division import finish
from eo_pretrain_qgis.engine.datasets.splitting.resplitting import divide_again
from eo_pretrain_qgis.engine.describing.page import describe, write_report
from eo_pretrain_qgis.engine.rasters.sensors import Band
from eo_pretrain_qgis.engine.themes.crops.series_facts import longest_gaps, series_facts
from eo_pretrain_qgis.engine.themes.sea_ice.angle_facts import angle_facts

from ..scenes import ORIGIN, UTM

CLASSES = (ClassInfo(1, "maize", "#ffcc00"), ClassInfo(2, "wheat", "#007700"))
SCENE = {"name": "s", "path": "s", "crs": "", "transform": [10, 0, ORIGIN[0], 0, -10, ORIGIN[1]], "width": 100, "height": 100, "date": ""}


def described(folder, task, sensor, shards, tiles, split, size=1, **more):
    description = {"task": task, "name": "made", "sensors": [sensor], "tile_size": size, "stride": size, "resolution_m": [10.0, 10.0],
                   "classes": list(CLASSES), "ignore": IGNORE, "scenes": [{**SCENE, "crs": tiles.crs.to_wkt()}],
                   "labels": {"path": "made"}, "shards": shards, **more}
    finish(folder, description, tiles, split)
    return Dataset.open(folder)


@pytest.fixture
def series(folder):
    """40 series of 10 dates every 10 days from 2020-01-11 on, 4 of each of 10 parcels; wheat has clouds on the dates 3 to 8."""
    bands = (Band("B04", unit="reflectance", scale=1e-4), Band("B08", unit="reflectance", scale=1e-4))
    labels = np.arange(40, dtype=np.uint8) // 4 % 2
    flags = np.zeros((40, 10), np.uint8)
    flags[labels == 1, 3:9] = 1
    values = np.full((40, 10, 2), 1000, np.uint16)
    values[..., 1] += np.arange(10, dtype=np.uint16) * 300
    shapes = {"labels": ((), "uint8"), "image": ((10, 2), "uint16"), "days": ((10,), "int16"), "flags": ((10,), "uint8")}
    with ShardWriter(folder, shapes, extra=("days", "flags")) as writer:
        writer.add(labels=labels, image=values, days=np.tile(np.arange(10, 110, 10, dtype=np.int16), (40, 1)), flags=flags)
        shards = writer.close()
    points = [shapely.Point(ORIGIN[0] + 10 * number, ORIGIN[1] - 500) for number in range(40)]
    tiles = geopandas.GeoDataFrame({"scene": "s", "col": 0, "row": 0, "label": labels, "parcel": np.arange(40) // 4}, geometry=points, crs=UTM)
    rows = [{"name": "maize", "prior": 0.9, "pixels": 900, "samples": 20, "sampled": 0.5},
            {"name": "wheat", "prior": 0.1, "pixels": 100, "samples": 20, "sampled": 0.5}]
    facts = {"first_year": 2020, "sampling": {"strategy": "equal", "prior_of": "pixels", "classes": rows}}
    split = split_by_group(tiles["parcel"].to_numpy(), labels, SplitPlan(0.2, 0.3))
    return described(folder, "series", SensorInfo("image", "generic", "uint16", 0, bands), shards, tiles, split, facts=facts)


def test_gaps_run_from_one_clear_date_to_the_next_and_to_the_ends():
    days = np.array([[0, 10, 25, 30], [0, 10, 25, -1], [5, 6, 7, 8]])
    clear = np.array([[True, True, False, True], [True, False, True, False], [False, False, False, False]])
    assert longest_gaps(days, clear, 0, 40).tolist() == [20, 25, 40]


def test_series_are_counted(series):
    facts = series_facts(series)
    assert (facts["first"], facts["last"]) == ("2020-01-11", "2020-04-10")
    assert facts["dates"] == {"minimum": 10, "median": 10.0, "maximum": 10}
    assert [(row["clear_dates"], row["longest_gap_days"]) for row in facts["classes"]] == [(10.0, 10.0), (4.0, 70.0)]
    assert facts["flags"]["cloud"] == pytest.approx(0.3)


def test_the_page_on_series(series, folder):
    facts = describe(series)
    said = " ".join(facts["warnings"])
    assert "The class “wheat” has 4 clear dates and “maize” 10 (medians): the number of dates may tell them apart." in said
    assert "The class “wheat” takes 10.0% of the ground and 50.0% of the samples" in said
    write_report(folder / "page.html", series, facts)
    page = (folder / "page.html").read_text(encoding="utf-8")
    assert all(words in page for words in ("NDVI on clear dates", "Prior and sampled shares", "From 2020-01-11 to 2020-04-10", "longest gap"))


def test_series_are_divided_anew_by_parcel(series, tmp_path):
    split = divide_again(series, tmp_path, SplitPlan(0.2, 0.3, seed=5))
    parcels = series.tiles["parcel"].to_numpy()
    assert all(len(set(split.names[parcels == parcel])) == 1 for parcel in range(10))
    assert split.facts["leakage_distance_px"] >= 1
    assert Dataset.open(tmp_path).array("days", np.array([0])).shape == (1, 10)


def test_augmented_copies_do_not_count_in_test(series, tmp_path):
    path = series.folder / "tiles.gpkg"
    tiles = read_footprints(series.folder)
    write_footprints(path, tiles.assign(augmented=np.arange(40) % 2))
    split = divide_again(Dataset.open(series.folder), tmp_path, SplitPlan(0.2, 0.3))
    assert (split.names[1::2] != "test").all()
    assert (split.names[0::2] == "test").sum() == split.counts["test_tiles"] > 0
    assert "augmented copies were dropped." in split.facts["text"]


def test_incidence_angles_of_classes(folder):
    """Patches of maize at 20 to 40 degrees, of wheat at 30 to 31 only."""
    rng = np.random.default_rng(1)
    labels = np.arange(40, dtype=np.uint8) % 2
    images = np.full((40, 2, 8, 8), -15, np.float32)
    images[:, 1] = np.where(labels[:, None, None] == 0, rng.uniform(20, 40, (40, 8, 8)), rng.uniform(30, 31, (40, 8, 8)))
    with ShardWriter(folder, {"labels": ((), "uint8"), "image": ((2, 8, 8), "float32")}) as writer:
        writer.add(labels=labels, image=images)
        shards = writer.close()
    boxes = [shapely.box(ORIGIN[0] + 100 * number, ORIGIN[1] - 80, ORIGIN[0] + 100 * number + 80, ORIGIN[1]) for number in range(40)]
    tiles = geopandas.GeoDataFrame({"scene": "s", "col": 0, "row": 0, "valid": 1.0, "label": labels}, geometry=boxes, crs=UTM)
    sensor = SensorInfo("image", "generic", "float32", None, (Band("HH", unit="dB"), Band("incidence_angle", unit="degree")))
    dataset = described(folder, "patch", sensor, shards, tiles, split_by_group(np.arange(40), labels, SplitPlan()), 8)
    facts = angle_facts(dataset)
    assert facts["classes"][0]["low"] == pytest.approx(21, abs=0.5)
    assert facts["classes"][1]["low"] == pytest.approx(30.05, abs=0.3)
    assert facts["classes"][1]["high"] == pytest.approx(30.95, abs=0.3)
    whole = describe(dataset)
    assert any(text.startswith("The class “wheat” was seen only between 30") for text in whole["warnings"])
    write_report(folder / "page.html", dataset, whole)
    assert "Incidence angles of the training samples" in (folder / "page.html").read_text(encoding="utf-8")
