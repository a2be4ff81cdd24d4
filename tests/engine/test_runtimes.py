"""Two runtimes: which of them computes what, and that they say the same."""

import numpy as np
import pytest
import rasterio
from sklearn.ensemble import HistGradientBoostingClassifier

from eo_pretrain_qgis.engine.classic.graph import linear_graph, pixel_graph, tree_graph
from eo_pretrain_qgis.engine.classic.whitening import Whitening
from eo_pretrain_qgis.engine.models import openvino_session, package, runtimes
from eo_pretrain_qgis.engine.models.openvino_session import OpenVinoSession, has_bfloat16
from eo_pretrain_qgis.engine.models.session import Session
from eo_pretrain_qgis.jobs import JOBS
from eo_pretrain_qgis.jobs.record import run_job
from eo_pretrain_qgis.progress import SILENT
from tests import networks, scenes
from tests.listening import Listening

BANDS, CLASSES = ("B02", "B03", "B04"), tuple((value, f"class {value}", "") for value in range(1, 5))


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return package.write(networks.far_seeing_network(len(BANDS), len(CLASSES), width=16),
                         networks.description(BANDS, CLASSES, stride=32, halo=64), tmp_path_factory.mktemp("model") / "model.onnx")


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(3).normal(1500, 300, (1, len(BANDS), 256, 192)).astype(np.float32)


def simple(classifier):
    pixels = np.random.default_rng(1).normal(1500, 300, (500, len(BANDS))).astype(np.float32)
    return pixel_graph(classifier, Whitening.of(pixels, ["reflectance"] * len(BANDS)), [1500.0] * len(BANDS), {"image": len(BANDS)})


def test_openvino_and_onnxruntime_say_the_same(model, images):
    outputs = ("probabilities", len(CLASSES), {})
    for shape in (images, images[..., :96, :160], images):
        one, other = (kind(model.path, "cpu" if kind is Session else False, 0, *([SILENT] if kind is Session else []), *outputs).run({"image": shape})
                      for kind in (OpenVinoSession, Session))
        assert one.shape == (1, len(CLASSES), *shape.shape[2:])
        np.testing.assert_allclose(one, other, atol=1e-5)


def test_what_a_run_gave_is_not_overwritten_by_the_next(model, images):
    session = model.session("cpu")
    first = session.run({"image": images})
    kept = first.copy()
    session.run({"image": images[..., ::-1]})
    assert np.array_equal(first, kept)


def test_other_shapes_in_between_change_nothing(model, images):
    session = model.session("cpu")
    whole = session.run({"image": images})
    for side in (32, 64, 96):
        assert session.run({"image": images[..., :side, :side]}).shape[2:] == (side, side)
    assert np.array_equal(session.run({"image": images}), whole)


def test_a_regression_runs_in_openvino_and_trees_in_onnxruntime(tmp_path):
    rng = np.random.default_rng(5)
    facts = networks.description(BANDS, CLASSES[:2], stride=1, halo=3)
    regression = simple(linear_graph(rng.normal(size=(2, 9)).astype(np.float32), np.zeros(2, np.float32)))
    trees = simple(tree_graph([HistGradientBoostingClassifier(max_iter=2).fit(rng.normal(size=(60, 9)), np.arange(60) % 2)], 9, 2))
    assert package.write(regression, facts, tmp_path / "a.onnx").session("cpu").runtime.startswith("OpenVINO ")
    heard = Listening()
    assert package.write(trees, facts, tmp_path / "b.onnx").session("cpu", fast=True, progress=heard).runtime.startswith("onnxruntime ")
    assert any("it is computed exactly" in text for text in heard.warnings)


@pytest.mark.skipif(not has_bfloat16(), reason="this processor has no bfloat16")
def test_fast_is_bfloat16_and_nearly_the_same(model, images):
    exact, fast = model.session("cpu"), model.session("cpu", fast=True)
    assert (exact.runtime.split(", ")[1], fast.runtime.split(", ")[1]) == ("float32", "bfloat16")
    difference = np.abs(exact.run({"image": images}) - fast.run({"image": images})).max()
    assert 1e-5 < difference < 0.05


def test_without_bfloat16_fast_is_exact_and_says_so(model, images, monkeypatch):
    for place in (openvino_session, runtimes):
        monkeypatch.setattr(place, "has_bfloat16", lambda: False)
    heard = Listening()
    fast = model.session("cpu", fast=True, progress=heard)
    assert fast.runtime.endswith("float32")
    assert heard.warnings == ["This processor does not compute bfloat16, so “fast” is the same as “exact” here."]
    assert np.array_equal(fast.run({"image": images}), model.session("cpu").run({"image": images}))


def test_the_tags_of_a_map_say_what_computed_it(model, tmp_path):
    values = np.random.default_rng(2).normal(1500, 300, (len(BANDS), 128, 128)).astype(np.uint16)
    image = scenes.write_raster(tmp_path / "image.tif", values, names=BANDS)
    for speed, precision in (("exact", "float32"), ("fast", "bfloat16" if has_bfloat16() else "float32")):
        job = JOBS["predict_map"].from_values({"model": model.path, "images": [str(image)], "speed": speed, "output": str(tmp_path / f"{speed}.tif")})
        run_job(job, SILENT)
        with rasterio.open(tmp_path / f"{speed}.tif") as written:
            assert written.tags()["EO_PRETRAIN_RUNTIME"] == f"OpenVINO {openvino_session.VERSION}, {precision}"
