"""Days left out of training: which tiles are the test, how the others are divided, and what is refused."""

import json

import geopandas
import numpy as np
import pytest
from rasterio.crs import CRS
from shapely.geometry import box

from eo_pretrain_qgis.engine.datasets.dataset import DESCRIPTION, TILES, Dataset
from eo_pretrain_qgis.engine.datasets.splitting.by_place import SplitPlan
from eo_pretrain_qgis.engine.datasets.splitting.resplitting import divide_again
from eo_pretrain_qgis.engine.runs.subsets import groupings, left_out_days
from eo_pretrain_qgis.errors import DataError
from tests.engine.learning.tiny_ice import write_ice
from tests.engine.learning.tiny_scenes import write_scenes
from tests.scenes_series import write_crop_series

DAYS = {"a": "2018-03-01", "b": "2018-03-20", "c": "2018-04-02", "d": ""}


@pytest.fixture
def dataset(tmp_path):
    """24 images of 8 px in two rows, of three scenes with a day and one without; each scene shows the same six places."""
    folder = write_scenes(tmp_path / "scenes", count=24, size=8)
    grid = {"crs": CRS.from_epsg(32633).to_wkt(), "transform": [10, 0, 500_000, 0, -10, 5_300_000], "width": 100, "height": 100, "path": "",
            "checksum": ""}
    tiles = geopandas.read_file(folder / TILES)
    places = [box(500_000 + 160 * col, 5_299_920 - 160 * row, 500_080 + 160 * col, 5_300_000 - 160 * row) for row in range(2) for col in range(3)]
    tiles.assign(scene=[name for name in DAYS for _ in range(6)]).set_geometry(places * 4, crs="EPSG:32633").to_file(
        folder / TILES, layer="tiles", driver="GPKG")
    said = json.loads((folder / DESCRIPTION).read_text())
    (folder / DESCRIPTION).write_text(json.dumps({**said, "scenes": [{"name": name, "date": day, **grid} for name, day in DAYS.items()]}))
    return Dataset.open(folder)


def divided(dataset, folder, days, way="scene", plan=None):
    folder.mkdir()
    divide_again(dataset, folder, plan or SplitPlan(0.3, 0.2), way, test_days=days)
    return Dataset.open(folder)


def test_a_day_is_the_whole_test(dataset, tmp_path):
    found = divided(dataset, tmp_path / "one", "2018-03-20")
    splits = found.tiles["split"].to_numpy(dtype=str).reshape(4, 6)
    assert set(splits[1]) == {"test"} and set(splits[3]) == {"dropped"}
    assert sorted(map(set, splits[[0, 2]]), key=str) == [{"training"}, {"validation"}]
    said = found.description["split"]
    assert said["test_days"] == ["2018-03-20"] and said["dropped_tiles"] == 6 and said["shares"] == [0.3333, 0.3333, 0.3333]
    assert said["text"].startswith("The test are all 6 samples of 2018-03-20, of which nothing else is in training or validation; other days may "
                                   "show the same ground. 6 samples whose day is not known are dropped. The rest: Whole scenes were given")


def test_days_may_stand_behind_semicolons_and_spaces(dataset, tmp_path):
    found = divided(dataset, tmp_path / "two", "2018-04-02; 2018-03-20", plan=SplitPlan(0, 0.2))
    assert found.description["split"]["test_days"] == ["2018-03-20", "2018-04-02"]


def test_evaluation_says_that_the_day_was_left_out(dataset, tmp_path):
    found = divided(dataset, tmp_path / "two", " 2018-04-02, 20180320", plan=SplitPlan(0, 0.2))
    tiles = found.indices("test")
    assert sorted(tiles.tolist()) == list(range(6, 18)) and found.indices("training").tolist() == list(range(6))
    assert left_out_days(found, tiles, "test") == "2 of 2 days were left out of training: 2018-03-20, 2018-04-02."


def test_the_other_days_are_divided_by_place(dataset, tmp_path):
    found = divided(dataset, tmp_path / "place", "2018-03-01", "place", SplitPlan(0.3, 0.2, buffer=0))
    splits = found.tiles["split"].to_numpy(dtype=str).reshape(4, 6)
    assert set(splits[0]) == {"test"} and (splits[1] == splits[2]).all() and {"training", "validation"} == set(splits[1])


@pytest.mark.parametrize("days, text", [
    ("2018-05-05", "“Test days” (test_days) names “2018-05-05”, and the images of {} are of 2018-03-01, 2018-03-20, 2018-04-02. Name some of these."),
    ("2018-03-01/2018-03-20", "“Test days” (test_days) names “2018-03-01/2018-03-20”, and the images of {} are of 2018-03-01, 2018-03-20, "
                              "2018-04-02. Name some of these."),
    (" , ", "“Test days” (test_days) is “ , ” and names no day. Name some of 2018-03-01, 2018-03-20, 2018-04-02, or leave it empty."),
    ("march", "“Test days” (test_days) names “march”, and the images of {} are of 2018-03-01, 2018-03-20, 2018-04-02. Name some of these."),
    ("2018-03-01,2018-03-20,2018-04-02",
     "“Test days” (test_days) names every day of {}, so nothing is left to learn from. Name some of 2018-03-01, 2018-03-20, 2018-04-02.")])
def test_days_that_cannot_be_left_out(dataset, tmp_path, days, text):
    with pytest.raises(DataError) as refused:
        divided(dataset, tmp_path / "no", days)
    assert str(refused.value) == text.format(dataset.folder) and not list((tmp_path / "no").iterdir())


def test_series_have_many_dates_each(tmp_path):
    dataset = Dataset.open(write_crop_series(tmp_path / "season", parcels=12))
    with pytest.raises(DataError, match="has many dates, so no day can be left out of training. Leave “Test days” \\(test_days\\) empty."):
        divided(dataset, tmp_path / "no", "2018-03-20")


def test_images_without_a_day(tmp_path):
    with pytest.raises(DataError, match="Nothing says on which day the images of .* were taken, so no day can be left out of training."):
        divided(Dataset.open(write_scenes(tmp_path / "scenes", count=12)), tmp_path / "no", "2018-03-20", "random")


def test_tiles_have_days_of_their_own(dataset, tmp_path):
    tiles = geopandas.read_file(dataset.folder / TILES)
    own = np.repeat(["2018-03-01", "2018-06-15"], 12)
    tiles.assign(date=own).to_file(dataset.folder / TILES, layer="tiles", driver="GPKG")
    found = divided(Dataset.open(dataset.folder), tmp_path / "own", "2018-06-15")
    assert found.indices("test").tolist() == list(range(12, 24))


def test_radar_is_measured_by_thirds_of_the_incidence_angle(tmp_path):
    """Angles of 20, 21, … degrees: the test patches fall into three groups of ten."""
    found = Dataset.open(write_ice(tmp_path / "ice", angles=lambda labels, rng: 20 + 0.25 * np.arange(len(labels))))
    one = next(one for one in groupings(found, found.indices("test"), "test") if one.name == "incidence_angle")
    assert np.bincount(one.of).tolist() == [10, 10, 10] and (np.diff(one.of) >= 0).all()
    assert one.names == ("lowest third, 20.8° to 29.8°", "middle third, 30.8° to 39.8°", "highest third, 40.8° to 49.8°")
