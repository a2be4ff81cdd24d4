"""Whitening and statistics: uncorrelated, blind to what was not measured, the same in NumPy, ONNX and torch."""


import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from sklearn.ensemble import HistGradientBoostingClassifier

from eo_pretrain_qgis.engine.classic.graph import linear_graph, pixel_graph, tree_graph
from eo_pretrain_qgis.engine.classic.whitening import EPSILON, Whitening
from eo_pretrain_qgis.engine.learning.networks.spectral import SpectralStatistics

FILL = [3000.0, 3100.0, 2900.0]


def pixels(count, seed=0):
    """Three bands that share their brightness and differ a little (n, band)."""
    rng = np.random.default_rng(seed)
    return (3000 + 800 * rng.standard_normal((count, 1)) + [30, 20, 10] * rng.standard_normal((count, 3))).astype(np.float32)


def images(count=2, side=20, seed=1):
    return np.moveaxis(pixels(count * side * side, seed).reshape(count, side, side, 3), -1, 1)


def covered(scene):
    """The images with an unmeasured corner, which holds the fill, and where they were measured."""
    valid = np.ones((len(scene), *scene.shape[2:]), bool)
    valid[:, :5, :9] = False
    return np.where(valid[:, None], scene, np.reshape(FILL, (-1, 1, 1))).astype(np.float32), valid


def test_bands_in_decibels_become_uncorrelated_with_a_variance_of_one():
    whitening = Whitening.of(pixels(20_000), ["dB"] * 3)
    white = whitening(images(20, 30))
    found = np.cov(np.moveaxis(white, 1, 0).reshape(3, -1))
    assert found == pytest.approx(np.eye(3), abs=0.1)
    assert not whitening.bent


def test_other_units_are_bent():
    straight, bent = (Whitening.of(pixels(5000), [unit] * 3) for unit in ("degree", "reflectance"))
    assert bent(images()) == pytest.approx(np.arcsinh(straight(images())), abs=1e-4)


@pytest.mark.parametrize("spoil", [lambda values: values[:, [0, 0, 1]], lambda values: values * [1, 0, 1] + [0, 7, 0]], ids=["equal", "constant"])
def test_equal_and_constant_bands_give_numbers(spoil):
    values = spoil(pixels(3000)).astype(np.float32)
    whitening = Whitening.of(values, ["reflectance"] * 3)
    white = whitening(np.moveaxis(values[:900].reshape(1, 30, 30, 3), -1, 1))
    assert np.isfinite(white).all()
    assert np.abs(white).max() < 10


def test_a_constant_band_counts_for_nothing_where_it_changes():
    whitening = Whitening.of((pixels(3000) * [1, 0, 1] + [0, 7, 0]).astype(np.float32), ["reflectance"] * 3)
    scene, other = images(), images()
    scene[:, 1], other[:, 1] = 7, 9000
    assert whitening(scene) == pytest.approx(whitening(other))


def test_statistics_are_those_of_the_measured_pixels_around():
    whitening, (scene, valid) = Whitening.of(pixels(5000), ["reflectance"] * 3), covered(images())
    found, white = whitening.statistics(scene, valid), whitening(scene)
    for y, x in ((0, 12), (6, 10), (19, 19), (10, 10)):
        part = np.s_[max(0, y - 3):y + 4, max(0, x - 3):x + 4]
        known = white[0][(slice(None), *part)][:, valid[0][part]]
        assert found[0, 3:6, y, x] == pytest.approx(known.mean(1), abs=1e-4)
        assert found[0, 6:, y, x] == pytest.approx(np.sqrt(known.var(1) + EPSILON), abs=1e-3)


def test_what_was_not_measured_changes_nothing():
    whitening, (scene, valid) = Whitening.of(pixels(5000), ["reflectance"] * 3), covered(images())
    other = np.where(valid[:, None], scene, np.nan)
    known = np.broadcast_to(valid[:, None], (2, 9, 20, 20))
    assert whitening.statistics(other, valid)[known] == pytest.approx(whitening.statistics(scene, valid)[known])


def test_torch_and_onnx_see_the_same():
    whitening, (scene, valid) = Whitening.of(pixels(5000), ["reflectance"] * 3), covered(images())
    rng = np.random.default_rng(0)
    weight, bias = rng.standard_normal((4, 9)).astype(np.float32), rng.standard_normal(4).astype(np.float32)
    inside = SpectralStatistics(FILL)
    inside.adopt(whitening)
    known = np.broadcast_to(valid[:, None], (2, 9, 20, 20))
    found = inside(torch.from_numpy(scene)).numpy()
    assert np.abs(found - whitening.statistics(scene, valid))[known].max() < 1e-4
    scores = np.einsum("kf,nfyx->nkyx", weight, found) + bias[:, None, None]
    expected = torch.from_numpy(scores).softmax(1).numpy()
    assert np.abs(asked(pixel_graph(linear_graph(weight, bias), whitening, FILL, {"image": 3}), scene) - expected).max() < 1e-4


@pytest.mark.parametrize("known", [(0, 1, 3), (1, 2)])
def test_boosted_trees_answer_in_onnx_as_in_scikit_learn(known):
    whitening, (scene, valid) = Whitening.of(pixels(5000), ["reflectance"] * 3), covered(images(4))
    features = np.moveaxis(whitening.statistics(scene, valid), 1, -1)
    rows = features[valid]
    labels = np.array(known)[np.digitize(rows[:, 1] + 0.3 * rows[:, 4], np.linspace(-0.5, 0.5, len(known) + 1)[1:-1])]
    trees = HistGradientBoostingClassifier(max_iter=20, random_state=0).fit(rows, labels)
    found = np.moveaxis(asked(pixel_graph(tree_graph([trees], 9, 4), whitening, FILL, {"image": 3}), scene), 1, -1)[valid]
    expected = np.zeros((len(rows), 4))
    expected[:, known] = trees.predict_proba(rows)
    assert found.sum(1) == pytest.approx(1, abs=1e-5)
    assert (found.argmax(1) == expected.argmax(1)).mean() > 0.999
    assert np.quantile(np.abs(found - expected), 0.99) < 1e-4  # a value within rounding of a threshold may go the other way


def asked(model, scene):
    onnx.checker.check_model(model)
    return onnxruntime.InferenceSession(model.SerializeToString()).run(None, {"image": scene})[0]


def test_directions_in_which_nothing_varies_are_left_out():
    """Two equal bands and a constant one: the difference of the equal ones is rounding, which must not become a feature."""
    band = np.random.default_rng(1).normal(1000, 200, 4000)
    found = Whitening.of(np.stack([band, band, np.full(4000, 1234.0)], 1).astype(np.float32), ["unknown"] * 3)
    assert np.isfinite(found.matrix).all()
    assert (np.abs(found.matrix).sum(1) > 0).sum() == 1
    assert np.abs(found.matrix[:, 2]).max() == 0
