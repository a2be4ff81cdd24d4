"""From which probability on pixels are road: chosen on validation tiles at export, kept in the model file, told, and taken by “Map roads”."""

import numpy as np
import pytest

from eo_pretrain_qgis.engine.models import package
from eo_pretrain_qgis.engine.models.report import write_html
from eo_pretrain_qgis.engine.runs import road_thresholds
from eo_pretrain_qgis.engine.runs.road_thresholds import TRIED, _counted
from eo_pretrain_qgis.jobs import JOBS
from eo_pretrain_qgis.progress import SILENT

from ...listening import Listening
from ...scenes_fields import field_simple_model
from ...scenes_roads import road_simple_run


def test_the_best_threshold_of_a_tile_is_the_one_that_finds_its_road():
    chances, truth = np.full((32, 32), 0.05), np.zeros((32, 32), bool)
    truth[15:18] = True
    chances[15:18], chances[4:7, 5:20] = 0.42, 0.33  # the road, and what is none
    counts = _counted(chances, truth, np.ones(truth.shape, bool))
    found = {float(high): row.tolist() for high, row in zip(TRIED, counts, strict=True)}
    assert found[0.4][0] == found[0.4][1] > 25 and found[0.4][2] == found[0.4][3], "the road alone, and all of it"
    assert found[0.3][0] > found[0.3][1] > 25, "and what is none"
    assert found[0.45] == [0, 0, found[0.4][2], 0]


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A model of roads, and what was said when it was exported."""
    folder, heard = tmp_path_factory.mktemp("roads"), Listening()
    path = folder / "roads.onnx"
    JOBS["export_model"].from_values({"run_folder": str(road_simple_run(folder)), "output": str(path)}).run(heard)
    return path, heard


def test_a_model_of_roads_keeps_its_threshold(exported, tmp_path):
    path, heard = exported
    model = package.open(str(path))
    found = model.record.road_threshold
    assert found.high in TRIED and found.low == pytest.approx(0.6 * found.high) and found.tiles > 0
    assert 1 >= found.f1 >= found.usual_f1 > 0
    assert any(text.startswith(f"Roads begin at a probability of {found.high:g}: there lines have the best F1 on {found.tiles} validation tiles, "
                               f"{found.f1:.3f}") for text in heard.texts)
    write_html(model, str(tmp_path / "model.html"))
    assert f"“Map roads” begins roads at {found.high:g} and goes on down to {found.low:g}." in (tmp_path / "model.html").read_text(encoding="utf-8")


def test_map_roads_takes_it(exported, tmp_path):
    path, _ = exported
    found, heard = package.open(str(path)).record.road_threshold, Listening()
    values = {"model": str(path), "images": [str(path.parent / "sample" / "sentinel2.tif")], "output": str(tmp_path / "roads.gpkg"), "device": "cpu"}
    JOBS["map_roads"].from_values(values).run(heard)
    assert f"Roads begin at a probability of {found.high:g} and go on down to {found.low:g}." in heard.texts


def test_other_models_have_none(tmp_path, monkeypatch):
    monkeypatch.setattr(road_thresholds, "answered", None)  # is not asked
    assert package.open(str(field_simple_model(tmp_path))).record.road_threshold is None


def test_nothing_is_chosen_where_the_dataset_is_gone(tmp_path):
    class Run:
        card = {"dataset": {"path": str(tmp_path / "gone")}}

    assert road_thresholds.road_threshold(Run(), None, None, 1, SILENT) == {}
