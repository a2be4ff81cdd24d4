"""What bfloat16 changes is measured when a model is exported, and told when a map is made in it."""

import numpy as np
import pytest

from eo_pretrain_qgis.engine.datasets.dataset import Dataset
from eo_pretrain_qgis.engine.models import package
from eo_pretrain_qgis.engine.models import report as model_report
from eo_pretrain_qgis.engine.models.openvino_session import has_bfloat16
from eo_pretrain_qgis.engine.runs import fast
from eo_pretrain_qgis.engine.runs.calibrating import places_of
from eo_pretrain_qgis.engine.runs.run_folder import RunFolder
from eo_pretrain_qgis.engine.runs.simple import Settings, export_simple, train_simple
from eo_pretrain_qgis.jobs import JOBS
from eo_pretrain_qgis.jobs.record import run_job
from tests import scenes
from tests.engine.learning.tiny import write_dataset
from tests.engine.learning.tiny_scenes import write_scenes
from tests.listening import Listening

ASKED = {"sensor": None, "bands": None, "label_share": 100, "seed": 1, "incidence_angle": "band"}
needs_bfloat16 = pytest.mark.skipif(not has_bfloat16(), reason="this processor has no bfloat16")


def exported(dataset, folder):
    train_simple(str(dataset), str(folder / "run"), Settings(approach="statistics", **ASKED))
    export_simple(RunFolder.open(str(folder / "run")), str(folder / "model.onnx"))
    return package.open(str(folder / "model.onnx"))


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pixels")
    return exported(write_dataset(folder / "dataset", bands=3), folder)


@needs_bfloat16
def test_an_exported_model_says_what_fast_changes(model, tmp_path):
    found = model.record.fast
    assert 0 <= found.changed < 0.1 and found.places > 100 and found.runtime.endswith("bfloat16")
    model_report.write_html(model, str(tmp_path / "model.html"))
    assert f"{100 * found.changed:.2f} % of {found.places:,} places of its validation ground" in (tmp_path / "model.html").read_text(encoding="utf-8")


@needs_bfloat16
def test_a_map_in_bfloat16_tells_it(model, tmp_path):
    values = np.random.default_rng(2).normal(1500, 300, (3, 64, 64)).astype(np.uint16)
    image = scenes.write_raster(tmp_path / "image.tif", values, names=model.image.names)
    told = {}
    for speed in ("exact", "fast"):
        heard = Listening()
        run_job(JOBS["predict_map"].from_values({"model": model.path, "images": [str(image)], "speed": speed,
                                                 "output": str(tmp_path / f"{speed}.tif")}), heard)
        told[speed] = [text for text in heard.texts if "bfloat16" in text]
    assert told["exact"] == [] and told["fast"][0].startswith("The map is computed in bfloat16. On validation ground this gave another class to ")


def test_classes_of_whole_images_are_computed_exactly(tmp_path):
    """Sorting pixels goes wrong with 8 bits: a count of them is rounded above what there is."""
    model = exported(write_scenes(tmp_path / "dataset", size=16), tmp_path)
    assert model.record.fast is None
    values = np.random.default_rng(2).normal(1500, 300, (3, 64, 64)).astype(np.uint16)
    image, heard = scenes.write_raster(tmp_path / "image.tif", values, names=model.image.names), Listening()
    asked = {"model": model.path, "images": [str(image)], "speed": "fast", "output": str(tmp_path / "map.tif")}
    run_job(JOBS["predict_map"].from_values(asked), heard)
    assert "“fast” is for classes of pixels without their area of applicability, so this map is computed exactly." in heard.warnings


def test_without_bfloat16_nothing_is_measured(tmp_path, monkeypatch):
    monkeypatch.setattr(fast, "has_bfloat16", lambda: False)
    assert exported(write_dataset(tmp_path / "dataset", bands=3), tmp_path).record.fast is None


def test_a_temperature_is_judged_on_other_scenes_where_there_are_several(tmp_path):
    dataset = Dataset.open(write_dataset(tmp_path / "dataset", bands=3))
    samples = np.arange(len(dataset.tiles)).repeat(2)
    dataset.tiles["scene"] = [f"scene {number % 2}" for number in range(len(dataset.tiles))]
    assert places_of(dataset, samples).tolist() == [number % 2 for number in samples]
    dataset.tiles["scene"] = "one"
    assert len(np.unique(places_of(dataset, samples))) != 1
