"""Where datasets lie and what they are from, in reports and in the cards of runs and models."""

import json

import geopandas
import numpy as np
import pytest
from msgspec import ValidationError, convert
from shapely.geometry import Point, box

from eo_pretrain_qgis.engine.cards import LearnedFrom
from eo_pretrain_qgis.engine.datasets import whereabouts as module
from eo_pretrain_qgis.engine.datasets.dataset import Dataset
from eo_pretrain_qgis.engine.datasets.whereabouts import learned_from, whereabouts
from eo_pretrain_qgis.engine.models import bundled, package
from eo_pretrain_qgis.engine.models.report import write_html
from eo_pretrain_qgis.engine.models.told import place_of_origin
from eo_pretrain_qgis.jobs import JOBS
from eo_pretrain_qgis.progress import SILENT

from .. import scenes_pretraining as made
from ..scenes import land_dataset, simple_run
from ..scenes_fields import field_parcels, fields_spring, fields_summer


def test_a_dataset_says_its_ground_sensor_and_files(tmp_path):
    place = whereabouts(Dataset.open(land_dataset(tmp_path)))
    said = dict(place.rows)
    assert said["Ground"] == "655 ha under the tiles", "64 tiles of 320 m"
    assert (said["Sensors"], said["Source files"], said["Labels"]) == ("Sentinel-2 L2A", "land.tif", "fields.gpkg")
    assert len(place.outlines) == 1 and place.outlines[0].bounds == pytest.approx((15.0, 47.829, 15.034, 47.853), abs=0.01)


def test_all_dates_and_files_of_a_scene_are_told(tmp_path):
    values = {"images": [str(fields_spring(tmp_path))], "second_images": [str(fields_summer(tmp_path))], "parcels": str(field_parcels(tmp_path)),
              "preset": "sentinel2_l2a", "tile_size": 64, "stride": 64, "output": str(tmp_path / "fields")}
    JOBS["create_field_dataset"].from_values(values).run(SILENT)
    dataset = Dataset.open(tmp_path / "fields")
    said = dict(whereabouts(dataset).rows)
    assert (said["Dates"], said["Source files"]) == ("2023-04-08, 2023-06-27", "S2_20230408.tif, S2_20230627.tif")
    assert learned_from(dataset)["dates"] == ["2023-04-08", "2023-06-27"]
    older = json.loads((tmp_path / "fields" / "dataset.json").read_text(encoding="utf-8"))
    assert older["scenes"][0].pop("dates") == ["2023-04-08", "2023-06-27"]  # as it was written before
    (tmp_path / "fields" / "dataset.json").write_text(json.dumps(older), encoding="utf-8")
    again = Dataset.open(tmp_path / "fields")
    assert dict(whereabouts(again).rows)["Dates"] == "2023-04-08, 2023-06-27" and learned_from(again)["dates"] == ["2023-04-08", "2023-06-27"]


def test_images_of_a_second_sensor_are_told():
    scenes = [{"name": "a", "path": "a.tif", "date": "2020-01-01", "partners": {"s1": {"path": "radar.tif", "files": ["radar.tif"], "date": None}}}]
    assert (module._files(scenes), module._days(scenes)) == (["a.tif", "radar.tif"], ["2020-01-01"])


def test_ground_is_counted_once(tmp_path, monkeypatch):
    """In the middle of the zone, where areas of the map are those of the ground."""
    places = [500000, 500050, 500000]
    shapes = [*(box(west, 0, west + 100, 100) for west in places), Point(9, 9), None]
    tiles = geopandas.GeoDataFrame(geometry=geopandas.GeoSeries(shapes, crs="EPSG:32633"))
    monkeypatch.setattr(module, "read_footprints", lambda folder: tiles)
    assert module._hectares.__wrapped__(tmp_path, "") == pytest.approx(1.5)
    monkeypatch.setattr(module, "LAID", 1)
    assert module._hectares.__wrapped__(tmp_path, "") == pytest.approx(2.0), "of many, the same outline once"
    monkeypatch.setattr(module, "read_footprints", lambda folder: tiles.iloc[3:])
    assert module._hectares.__wrapped__(tmp_path, "") == 0, "points have no ground"


def test_several_datasets_name_the_ground_of_each(tmp_path):
    datasets = [Dataset.open(write(tmp_path)) for write in (made.unlabelled, made.unlabelled_radar)]
    said = dict(whereabouts(*datasets).rows)
    assert said["Ground"] == "244 ha under the tiles of unlabelled, 244 ha under the tiles of radar", "of 245.76 in UTM"
    assert said["Sensors"] == "Sentinel-2 L1C, Sentinel-1 in dB"
    card = learned_from(*datasets)
    assert card["hectares"] == pytest.approx(2 * 244.463, rel=1e-4) and len(card["boxes"]) == 48
    assert convert(card, LearnedFrom).hectares == card["hectares"]


def test_run_and_model_say_where_they_learned(tmp_path):
    run = simple_run(tmp_path)
    card = json.loads((run / "run.json").read_text())["learned_from"]
    assert card["hectares"] == pytest.approx(655.36, rel=1e-3) and card["sensors"] == ["Sentinel-2 L2A"] and len(card["boxes"]) == 1
    assert card["boxes"][0] == pytest.approx([15.0, 47.829, 15.034, 47.853], abs=0.01)
    JOBS["export_model"].from_values({"run_folder": str(run), "output": str(tmp_path / "model.onnx")}).run(SILENT)
    model = package.open(str(tmp_path / "model.onnx"))
    write_html(model, str(tmp_path / "page.html"))
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    for words in ("Place and data it learned from", "655 ha under its training, validation and test samples", "Sentinel-2 L2A", "Where it lies on"):
        assert words in page
    assert "learned_from" not in page and "Learned from" not in page and str(tmp_path) not in json.dumps(card), "a section, no row of keys"


def test_the_page_says_where_nothing_is_known():
    assert "does not say where and when" in "".join(place_of_origin(None, ""))
    told = "".join(place_of_origin(None, "The bundled model of ice learned from simulated images."))
    assert "does not say" not in told and "simulated images" in told
    told = "".join(place_of_origin(LearnedFrom(((10.0, 50.0, 11.0, 51.0),), ("2020-05-31",), ("Sentinel-2 L2A",), 12.5), ""))
    assert "50.0° N to 51.0° N, 10.0° E to 11.0° E" in told
    assert "12.50 ha" in told and "2020-05-31" in told


@pytest.mark.parametrize(("theme", "words"), [
    ("roads", "around 41.885° N, 87.626° W"), ("land_cover", "2015 to 2017"), ("crops", "33.2° N to 40.0° N, 122.5° W to 90.1° W"),
    ("sea_ice", "learned from simulated images alone")])
def test_the_pages_of_the_bundled_models_say_it(tmp_path, theme, words):
    write_html(bundled.of_theme(theme), str(tmp_path / "page.html"))
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert words in page and ("Where it lies on" in page) == (theme != "sea_ice") and "does not say where and when" not in page


@pytest.mark.parametrize("value", [{"boxes": [[0, 1, 2]]}, {"boxes": [[0, 1, 2, 1e9]]}, {"hectares": -1.0}, {"dates": ["\n"]},
                                   {"hectares": float(np.inf)}])
def test_hostile_cards_are_refused(value):
    with pytest.raises(ValidationError):
        convert(value, LearnedFrom)
