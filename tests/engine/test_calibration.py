"""Probabilities against how often they come true."""

import numpy as np
import pytest
from scipy.special import expit, softmax

from eo_pretrain_qgis.engine.measures.calibration import Bin, calibrate, calibration_error, reliability, temperature_of


def drawn(temperature: float, samples: int = 20_000, seed: int = 1) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scores of three classes, labels that follow them at a temperature, and blocks of a hundred samples."""
    rng = np.random.default_rng(seed)
    scores = rng.normal(scale=2, size=(samples, 3))
    chances = softmax(scores / temperature, 1).cumsum(1)
    return scores, (rng.random((samples, 1)) > chances).sum(1).clip(max=2), np.arange(samples) // 100


def test_error_by_hand():
    """Two bins of two: said .6 and found .5, said .9 and found 1."""
    bins = reliability(np.array([0.9, 0.6, 0.9, 0.6]), np.array([1, 0, 1, 1]), 2)
    assert bins == (Bin(pytest.approx(0.6), 0.5, 2), Bin(pytest.approx(0.9), 1.0, 2))
    assert calibration_error(bins) == pytest.approx(0.1)


def test_bins_have_as_many_samples_each():
    assert [one.samples for one in reliability(np.linspace(0, 1, 31) ** 4, np.ones(31), 15)] == [3] + [2] * 14
    assert np.isnan(calibration_error(reliability(np.zeros(0), np.zeros(0))))


@pytest.mark.parametrize("temperature", (0.5, 1.0, 3.0))
def test_temperature_that_labels_were_drawn_with_is_found(temperature):
    scores, labels, _ = drawn(temperature)
    assert temperature_of(scores, labels) == pytest.approx(temperature, rel=0.05)


def test_few_samples_that_are_all_right_make_nobody_quite_sure():
    """With three classes and seven samples a label counts as 1 - 2 / 10, so that is the probability that is given."""
    scores = np.eye(3)[[0, 1, 2, 0, 1, 2, 0]]
    found = temperature_of(scores, scores.argmax(1))
    assert softmax(scores / found, 1).max(1) == pytest.approx(0.8, abs=1e-3)


def test_too_sure_probabilities_are_mended_on_other_blocks():
    found = calibrate(*drawn(3.0))
    assert found.before > 0.2 and found.after < 0.02 and found.samples == 10_000
    assert found.kept == found.temperature == pytest.approx(3, rel=0.05)
    assert all(after < before for before, after in zip(found.classes_before, found.classes_after))


def test_temperature_that_does_harm_elsewhere_is_refused():
    """In the half that it is fitted to labels are noise, in the other the scores are right."""
    scores, labels, blocks = drawn(1.0, 4_000)
    half = np.random.default_rng(0).permutation(np.unique(blocks))[:20]
    noise = np.isin(blocks, half)
    labels[noise] = np.random.default_rng(2).integers(0, 3, noise.sum())
    found = calibrate(scores, labels, blocks)
    assert found.temperature > 3 and found.after > found.before and found.kept == 1.0


def test_one_block_leaves_nothing_to_measure():
    scores, labels, _ = drawn(1.0, 50)
    assert calibrate(scores, labels, np.zeros(50)) is None


def test_class_without_a_sample_has_no_error():
    scores, labels, blocks = drawn(1.0, 2_000)
    found = calibrate(np.concatenate([scores, np.full((2_000, 1), -50.0)], 1), labels, blocks)
    assert np.isnan(found.classes_before[3]) and not np.isnan(found.classes_before[:3]).any()


def drawn_several(temperature: float, samples: int = 10_000) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scores before the sigmoid of three classes, 0 and 1 of each that follow them at a temperature, and blocks of a hundred samples."""
    rng = np.random.default_rng(3)
    scores = rng.normal(scale=3, size=(samples, 3)) - [0, 2, 4]
    return scores, (rng.random(scores.shape) < expit(scores / temperature)).astype(np.int64), np.arange(samples) // 100


@pytest.mark.parametrize("temperature", (0.5, 1.0, 3.0))
def test_temperature_of_several_classes_is_found(temperature):
    scores, labels, _ = drawn_several(temperature)
    assert temperature_of(scores, labels) == pytest.approx(temperature, rel=0.05)


def test_few_samples_of_several_classes_make_nobody_quite_sure():
    """Of eight samples a label counts as 1 - 1 / 10, so that is the probability of what is always there."""
    scores = np.where(np.arange(16).reshape(8, 2) % 3 == 0, 2.0, -2.0)
    found = temperature_of(scores, (scores > 0).astype(np.int64))
    assert expit(2 / found) == pytest.approx(0.9, abs=1e-3)


def test_error_of_several_classes_by_hand():
    """Probabilities .75 of the first class come true in half of the samples, .25 of the second in none but one of four; the third never occurs."""
    scores = np.tile(np.log([3.0, 1 / 3, 1 / 9]), (8, 1))
    labels = np.array([[1, 0, 0], [0, 0, 0], [1, 1, 0], [0, 0, 0]] * 2)
    found = calibrate(scores, labels, np.arange(8) // 4, seed=0)
    assert found.samples == 4 and found.bins == () and found.classes_bins[2] == ()
    # Four samples lie in bins of one: each is off by |.75 - 1| or .75, and by .25 or .75.
    assert found.classes_before[:2] == pytest.approx(((0.25 + 0.75) / 2, (0.75 * 1 + 0.25 * 3) / 4)) and np.isnan(found.classes_before[2])
    assert found.before == pytest.approx((0.5 + 0.375) / 2)


def test_too_sure_probabilities_of_several_classes_are_mended_on_other_blocks():
    found = calibrate(*drawn_several(3.0))
    assert found.before > 0.1 and found.after < 0.03 and found.samples == 5_000 and found.kept == pytest.approx(3, rel=0.06)
    assert all(after < before for before, after in zip(found.classes_before, found.classes_after))
    assert [len(bins) for bins in (*found.classes_bins, *found.classes_bins_after)] == [15] * 6
    harmless = calibrate(*drawn_several(1.0))
    assert harmless.before < 0.03 and abs(harmless.temperature - 1) < 0.05


def test_no_sample_with_one_of_several_classes_leaves_nothing_to_measure():
    scores, labels, blocks = drawn_several(1.0, 400)
    assert calibrate(scores, labels * 0, blocks) is None
