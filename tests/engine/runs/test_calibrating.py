"""A model file is as sure as it is right, where the validation tiles can tell."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from scipy.special import expit, logit, softmax

from eo_pretrain_qgis.engine.models import package
from eo_pretrain_qgis.engine.models import report as model_report
from eo_pretrain_qgis.engine.models.session import on_processor
from eo_pretrain_qgis.engine.models.tempered import scores_of, with_temperatures
from eo_pretrain_qgis.engine.runs.answers import read_classifier
from eo_pretrain_qgis.engine.runs.run_folder import RunFolder
from eo_pretrain_qgis.engine.runs.simple import Settings, export_simple, train_simple
from tests.arrays import changed_on_purpose
from tests.engine.learning.tiny_scenes import write_scenes
from tests.listening import Listening

ASKED = {"sensor": None, "bands": None, "label_share": 100, "seed": 1, "incidence_angle": "band"}


def softmax_model() -> onnx.ModelProto:
    """Probabilities of scores (n, class)."""
    node = helper.make_node("Softmax", ["scores"], ["probabilities"], axis=1)
    ports = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 3]) for name in ("scores", "probabilities")]
    return helper.make_model(helper.make_graph([node], "softmax", ports[:1], ports[1:]), opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


def ran(model: onnx.ModelProto, scores: np.ndarray) -> np.ndarray:
    return on_processor(model.SerializeToString()).run(None, {"scores": scores})[0]


def test_a_temperature_inside_a_graph_divides_its_scores():
    scores = np.random.default_rng(0).normal(scale=3, size=(50, 3)).astype(np.float32)
    found = ran(with_temperatures(softmax_model(), {"probabilities": 2.5}), scores)
    np.testing.assert_allclose(found, softmax(scores / 2.5, 1), atol=1e-6)
    assert with_temperatures(softmax_model(), {"probabilities": 1.0}) == softmax_model()


def test_what_has_no_probability_still_has_none():
    scores = np.array([[np.nan, np.nan, np.nan], [0, 0, 0]], np.float32)
    found = ran(with_temperatures(softmax_model(), {"probabilities": 2.0}), scores)
    assert np.isnan(found[0]).all() and found[1] == pytest.approx(1 / 3)


@pytest.fixture(scope="module")
def noisy(tmp_path_factory):
    """A run of boosted trees on scenes of which four of ten labels are wrong, so that it is too sure."""
    folder = tmp_path_factory.mktemp("noisy")
    dataset = write_scenes(folder / "dataset", count=360, size=16, noise=0.4)
    changed_on_purpose(dataset)
    labels = np.load(dataset / "labels-000.npy", mmap_mode="r+")
    rng = np.random.default_rng(5)
    wrong = rng.random(len(labels)) < 0.4
    labels[wrong] = rng.integers(0, 4, wrong.sum())
    labels.flush()
    train_simple(str(dataset), str(folder / "run"), Settings(approach="boosting", **ASKED))
    return RunFolder.open(str(folder / "run"))


def test_the_file_says_what_its_temperature_does(noisy, tmp_path):
    heard = Listening()
    export_simple(noisy, str(tmp_path / "model.onnx"), progress=heard)
    model = package.open(str(tmp_path / "model.onnx"))
    found = model.record.calibration["probabilities"]
    assert found.temperature == found.kept > 1.2 and found.after < found.before and found.samples == 30
    assert (f"on average they differed by {100 * found.before:.1f} % from how often the model is right. Scores are now divided by {found.kept:.2f} "
            f"(a “temperature”; no class changes), and it is {100 * found.after:.1f} %, on validation ground by which that was not chosen.") in \
        heard.texts[-1]
    images = np.random.default_rng(0).normal(1500, 500, (20, 3, 16, 16)).astype(np.float32)
    plain = on_processor(read_classifier(noisy)).run(None, {"image": images})[0]
    given = model.session("cpu").run({"image": images})
    np.testing.assert_allclose(given, softmax(np.log(plain + 1e-12) / found.kept, 1), atol=1e-5)
    assert (given.argmax(1) == plain.argmax(1)).all()
    model_report.write_html(model, str(tmp_path / "model.html"))
    page = (tmp_path / "model.html").read_text(encoding="utf-8")
    assert [list(row) for row in model.record.confusion] == noisy.card["confusion"] and "true ↓ predicted →" in page
    assert "How sure it may be" in page and f"a temperature of {found.kept:.2f} before softmax" in page and "probability that was given" in page


def test_validation_tiles_of_one_block_leave_none_to_check(noisy, tmp_path):
    splits = np.array(["training"] * 40 + ["validation"] + ["test"] * 7)
    dataset = write_scenes(tmp_path / "dataset", splits=splits)
    train_simple(str(dataset), str(tmp_path / "run"), Settings(approach="statistics", **ASKED))
    heard = Listening()
    export_simple(RunFolder.open(str(tmp_path / "run")), str(tmp_path / "model.onnx"), progress=heard)
    assert heard.warnings == [f"The validation tiles of {dataset} with a label lie in one block of ground, so no half of them is left to check a "
                              "temperature. The probabilities of the model stay as they are."]
    assert not package.open(str(tmp_path / "model.onnx")).record.calibration


def test_a_temperature_of_several_classes_divides_what_is_before_the_sigmoid():
    scores = np.random.default_rng(0).normal(scale=3, size=(50, 3)).astype(np.float32)
    model = softmax_model()
    model.graph.node[0].CopyFrom(helper.make_node("Sigmoid", ["scores"], ["probabilities"]))
    assert scores_of(expit(scores), True) == pytest.approx(scores, abs=1e-4)
    found = ran(with_temperatures(model, {"probabilities": 2.5}, several=True), scores)
    np.testing.assert_allclose(found, expit(scores / 2.5), atol=3e-6)
    assert np.isfinite(ran(model, np.array([[-200, 200, 0]], np.float32))).all()


def test_a_model_of_several_classes_has_one_temperature_for_all(tmp_path):
    """Three of ten labels are wrong, so boosted trees are too sure."""
    dataset = write_scenes(tmp_path / "dataset", count=360, size=16, task="multilabel")
    changed_on_purpose(dataset)
    labels, rng = np.load(dataset / "labels-000.npy", mmap_mode="r+"), np.random.default_rng(5)
    labels[:] = np.where(rng.random(labels.shape) < 0.3, 1 - labels, labels)
    labels.flush()
    train_simple(str(dataset), str(tmp_path / "run"), Settings(approach="boosting", **ASKED))
    run, heard = RunFolder.open(str(tmp_path / "run")), Listening()
    export_simple(run, str(tmp_path / "model.onnx"), progress=heard)
    model = package.open(str(tmp_path / "model.onnx"))
    found = model.record.calibration["probabilities"]
    assert found.kept == found.temperature > 1.2 and found.after < found.before and found.samples == 30 and not found.bins
    images = np.random.default_rng(0).normal(1500, 500, (20, 3, 16, 16)).astype(np.float32)
    plain = on_processor(read_classifier(run)).run(None, {"image": images})[0]
    given = model.session("cpu").run({"image": images})
    np.testing.assert_allclose(given, expit(logit(plain.astype(float)) / found.kept), atol=1e-5)
    assert ((given > 0.5) == (plain > 0.5)).all()
    model_report.write_html(model, str(tmp_path / "model.html"))
    page = (tmp_path / "model.html").read_text(encoding="utf-8")
    assert f"a temperature of {found.kept:.2f} before sigmoid" in page and "the probability of a class is off" in page
    assert page.count("bright") > 1 and "mean of the classes" in page
