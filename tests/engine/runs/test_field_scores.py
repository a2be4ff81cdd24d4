"""How well a model finds whole fields: measured on validation tiles at export, kept in the model file, and told by its page and by maps."""

import numpy as np
import pytest

from eo_pretrain_qgis.engine.datasets.dataset import Dataset
from eo_pretrain_qgis.engine.models import package
from eo_pretrain_qgis.engine.models.record import FieldScoreRecord
from eo_pretrain_qgis.engine.models.report import write_html
from eo_pretrain_qgis.engine.models.told import field_score_words
from eo_pretrain_qgis.engine.runs import field_scores
from eo_pretrain_qgis.engine.runs.object_scores import Regions
from eo_pretrain_qgis.jobs import JOBS
from eo_pretrain_qgis.progress import SILENT

from ...listening import Listening
from ...scenes import land_dataset
from ...scenes_fields import field_simple_run


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("fields")


@pytest.fixture(scope="module")
def exported(place):
    """A model of fields, and what was said when it was exported."""
    heard, path = Listening(), place / "fields.onnx"
    JOBS["export_model"].from_values({"run_folder": str(field_simple_run(place)), "output": str(path)}).run(heard)
    return path, heard


def test_a_model_of_fields_keeps_what_it_finds_of_whole_fields(place, exported, tmp_path):
    path, heard = exported
    model, dataset = package.open(str(path)), Dataset.open(place / "field_dataset")
    found, tiles = model.record.field_score, dataset.indices("validation")
    assert (found.split, found.tiles) == ("validation", len(tiles)) and 0 <= found.f1 <= 1
    truth = Regions(dataset, tiles).of_answers(dataset.labels).sum(0)
    assert found.fields == truth[0, [0, 2]].sum(), "the true fields of these tiles"
    words = field_score_words(found)
    assert words in heard.texts and f"on {len(tiles)} validation tiles" in words
    write_html(model, str(tmp_path / "model.html"))
    assert words in (tmp_path / "model.html").read_text(encoding="utf-8").replace("&gt;", ">")
    values = {"model": str(path), "images": [str(place / "S2_20230408.tif"), str(place / "S2_20230627.tif")], "device": "cpu",
              "output": str(tmp_path / "map.gpkg"), "report": str(tmp_path / "map.html")}
    JOBS["map_field_boundaries"].from_values(values).run(SILENT)
    told = (tmp_path / "map.html").read_text(encoding="utf-8")
    assert words in told and "figures of pixels and none of" not in told


def test_the_interval_is_by_place_and_its_lack_is_said():
    facts = {"f1": 0.812, "precision": 0.9, "recall": None, "tiles": 40, "fields": 211}
    told = field_score_words(FieldScoreRecord(**facts, interval=(0.744, 0.871), places=22, places_words="22 squares of 640 m"))
    assert told.startswith("Whole fields: F1 0.812 (0.744 to 0.871), precision 0.900, of 211 fields on 40 validation tiles (95 % interval by "
                           "place, 22 squares of 640 m).")
    assert "(no interval: one place)" in field_score_words(FieldScoreRecord(**facts, places=1, places_words="1 tiles"))
    assert "(no interval: only 3 places)" in field_score_words(FieldScoreRecord(**facts, places=3))


def test_tiles_that_touch_stay_together(place, exported):
    dataset = Dataset.open(place / "field_dataset")
    assert field_scores.together(dataset, np.arange(64), 64).tolist() == list(range(64))
    pairs = np.array([0, 1, 4, 5, 16, 17, 20, 21, 32, 33, 36, 37])  # rows of eight tiles: six pairs
    kept = field_scores.together(dataset, pairs, 6)
    assert len(kept) == 6 and all(first + 1 == second for first, second in kept.reshape(3, 2).tolist())


def test_other_datasets_number_no_fields(tmp_path):
    class Run:
        card = {"dataset": {"path": str(land_dataset(tmp_path))}}

        def open_dataset(self):
            return Dataset.open(self.card["dataset"]["path"])

    assert field_scores.field_score(Run(), None, None, 1, SILENT) == {}


def test_nothing_is_measured_where_the_dataset_is_gone(tmp_path):
    class Run:
        card = {"dataset": {"path": str(tmp_path / "gone")}}

    assert field_scores.field_score(Run(), None, None, 1, SILENT) == {}
