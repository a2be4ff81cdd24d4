"""What is made to be given to others names files, and no folders of the machine it was made on."""

import json

import onnx
import pytest
import rasterio

from eo_pretrain_qgis.jobs import JOBS
from eo_pretrain_qgis.jobs.record import run_job, values_without_folders
from eo_pretrain_qgis.progress import SILENT

from . import scenes


@pytest.fixture
def home(folder):
    """A folder whose name nobody else should read."""
    place = folder / "home of Ms Secret"
    place.mkdir()
    return place


def test_a_map_names_no_folder(home):
    values = {"model": str(scenes.two_halves_model(home)), "images": [str(scenes.two_halves(home))], "output": str(home / "map.tif"),
              "confidence": str(home / "sure.tif"), "polygons": str(home / "areas.gpkg")}
    run_job(JOBS["predict_map"].from_values(values), SILENT)
    for name in ("map.tif", "sure.tif"):
        with rasterio.open(home / name) as source:
            asked = json.loads(source.tags()["EO_PRETRAIN_PARAMETERS"])["values"]
        assert asked["output"] == "map.tif"
        assert asked["images"][0]["path"].endswith(".tif")
        assert asked["polygons"] == "areas.gpkg"
    for path in home.rglob("*"):
        if path.is_file():
            assert b"Ms Secret" not in path.read_bytes(), path.name


def test_an_exported_dataset_names_no_folder(home):
    dataset = scenes.land_dataset(home)
    run_job(JOBS["export_dataset"].from_values({"dataset": str(dataset), "output": str(home / "given")}), SILENT)
    record = json.loads((home / "given" / "job.json").read_text(encoding="utf-8"))
    assert (record["values"]["output"], record["result"]["output"]) == ("given", "given")
    assert record["values"]["dataset"] == dataset.name
    for path in (home / "given").rglob("*"):
        if path.is_file():
            assert b"Ms Secret" not in path.read_bytes(), path.name


def test_a_model_file_names_no_folder(home):
    model = onnx.load(scenes.two_halves_model(home))
    assert not [entry.key for entry in model.metadata_props if "Ms Secret" in entry.value]


def test_names_of_layers_stay(home):
    image = scenes.two_halves(home)
    job = JOBS["predict_map"].from_values({"model": str(scenes.two_halves_model(home)), "output": str(home / "map.tif"),
                                           "images": [{"path": str(image), "name": "June", "nodata": [[0]]}]})
    assert values_without_folders(job)["images"] == [{**job.values()["images"][0], "path": image.name}]
