"""Tiles that are probably clouded: by the tests of Fmask, only where nobody masked clouds, only of sensors that see them."""

import numpy as np
import pytest
import rasterio

from eo_pretrain_qgis.engine.datasets.dataset import Dataset
from eo_pretrain_qgis.engine.describing.clouds import cloudlike, clouds_warnings, probably_clouded
from eo_pretrain_qgis.engine.describing.page import describe
from eo_pretrain_qgis.jobs import JOBS
from eo_pretrain_qgis.progress import SILENT

from .. import scenes_pretraining as made
from ..conftest import REAL_DATA as DATA

ALL = ("B02", "B03", "B04", "B08", "B11", "B12")
SIDE = 32
REFLECTANCES = {  # blue, green, red, 0.8, 1.6 and 2.2 µm
    "cloud": (0.45, 0.44, 0.43, 0.50, 0.40, 0.30), "grass": (0.03, 0.07, 0.04, 0.40, 0.20, 0.10), "soil": (0.08, 0.12, 0.17, 0.25, 0.33, 0.28),
    "water": (0.06, 0.05, 0.03, 0.02, 0.01, 0.01), "snow": (0.85, 0.86, 0.84, 0.75, 0.10, 0.06), "red roof": (0.10, 0.15, 0.40, 0.45, 0.50, 0.45),
}


@pytest.mark.parametrize(("ground", "bands", "found"), [
    ("cloud", 6, True), ("cloud", 4, True), ("cloud", 3, True), ("grass", 6, False), ("soil", 6, False), ("water", 6, False), ("water", 3, False),
    ("red roof", 6, False), ("snow", 6, False), ("snow", 3, True)])
def test_what_looks_like_cloud(ground, bands, found):
    assert cloudlike(*(np.array([value], np.float32) for value in REFLECTANCES[ground][:bands])).tolist() == [found]


def dataset(folder, clouded, names=ALL, side=SIDE, resolution=20.0, **facts):
    """12 tiles of grass; of those in `clouded` 60 % are cloud."""
    values = {kind: (np.array(REFLECTANCES[kind][:len(names)]) * 1e4)[:, None, None] for kind in ("grass", "cloud")}
    images = np.repeat((values["grass"] * np.ones((1, side, side))).astype(np.uint16)[None], 12, 0)
    images[clouded, :, :round(0.6 * side)] = values["cloud"]
    made.write_unlabelled(folder, [[(made.optical_sensor(names), images)]], **facts)
    opened = Dataset.open(folder)
    opened.description |= {"resolution_m": [resolution, resolution], "scenes": [{"name": "made", "path": "/images/S2_20200531.tif"}]}
    return opened


def test_the_warning_tells_how_many_where_and_what_to_do(tmp_path):
    cloudy = dataset(tmp_path / "cloudy", [2, 5, 7])
    (found,) = probably_clouded(cloudy)
    assert (found.looked_at, found.of, found.tiles, found.snow_told) == (12, 12, (2, 5, 7), True)
    assert found.shares == pytest.approx([19 / 32] * 3, abs=1e-4)
    (told,) = clouds_warnings([found], cloudy)
    for words in ("3 of 12 tiles (25%) are probably for the most part cloud:", "S2_20200531.tif (3); the worst is number 2.", "“Mask clouds”"):
        assert words in told, told


def test_snow_is_named_where_it_cannot_be_told(tmp_path):
    cloudy = dataset(tmp_path / "visible", [0], ("B02", "B03", "B04"))
    assert "1 of 12 tiles (8%) are probably for the most part cloud or snow:" in clouds_warnings(probably_clouded(cloudy), cloudy)[0]


@pytest.mark.parametrize(("changed", "looked_at"), [
    ({"clouded": []}, 1), ({"clouded": [1], "cloud": 0.0}, 0), ({"clouded": [1], "names": ("B02", "B04", "B08")}, 0)])
def test_nothing_is_said_of_clear_or_masked_tiles_nor_without_blue_green_and_red(tmp_path, changed, looked_at):
    clear = dataset(tmp_path / "clear", **changed)
    found = probably_clouded(clear)
    assert len(found) == looked_at and clouds_warnings(found, clear) == []


def test_a_large_roof_is_no_cloud(tmp_path, monkeypatch):
    monkeypatch.setattr("eo_pretrain_qgis.engine.describing.clouds.ROOFS", 0.1)
    roof = dataset(tmp_path / "roof", [3], resolution=10.0)  # 1 of 12 tiles of 320 m
    assert len(probably_clouded(roof)[0].tiles) == 1 and clouds_warnings(probably_clouded(roof), roof) == []


def test_radar_sees_no_clouds(tmp_path):
    assert probably_clouded(Dataset.open(made.unlabelled_radar(tmp_path))) == []


@pytest.mark.realdata
@pytest.mark.parametrize(("images", "clouded", "of"), [(["2020-01-18"], 25, 36), (["2020-02-02", "2020-06-21", "2021-07-21"], 0, 108)])
def test_a_clouded_day_is_found_and_clear_ones_are_not(tmp_path, images, clouded, of):
    paths = [str(DATA / "s2" / "boadella_timeseries" / f"Boadella_{day}.tif") for day in images]
    JOBS["create_pretraining_dataset"].from_values({
        "images": paths, "preset": "sentinel2_l2a", "tile_size": 64, "output": str(tmp_path / "tiles")}).run(SILENT)
    facts = describe(Dataset.open(tmp_path / "tiles"))
    assert [(len(row["tiles"]), row["looked_at"]) for row in facts["probably_clouded"]] == [(clouded, of)]
    assert any("Boadella_2020-01-18.tif (25)" in text for text in facts["warnings"]) == bool(clouded)


@pytest.mark.realdata
def test_white_roofs_of_a_city_are_no_clouds():
    with rasterio.open(DATA / "s2" / "chicago" / "s2.tif") as source:
        bands = [source.read(source.descriptions.index(name) + 1)[:448, :640] / np.float32(1e4) for name in ("B2", "B3", "B4", "B8", "B11", "B12")]
    tiles = cloudlike(*bands).reshape(7, 64, 10, 64).mean((1, 3))
    assert tiles.max() < 0.3, "of 70 tiles of 640 m in the middle of Chicago"
