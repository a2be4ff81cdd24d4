"""The combined score of the AutoICE challenge against scikit-learn's figures, from which the challenge makes it, and against a sum by hand."""

import numpy as np
import pytest
from sklearn.metrics import f1_score, r2_score

from eo_pretrain_qgis.engine.measures.accuracy import confusion
from eo_pretrain_qgis.engine.measures.ice_score import combined_score, explained_variance, weighted_f1

TENTHS = [10 * step for step in range(11)]


def pixels(classes, seed, count=400):
    """True and predicted classes, of which about half agree."""
    rng = np.random.default_rng(seed)
    true = rng.integers(0, classes, count)
    return true, np.where(rng.random(count) < 0.5, true, rng.integers(0, classes, count))


def test_r2_is_that_of_the_pixels_classes():
    true, found = pixels(11, 1)
    own = explained_variance(TENTHS, confusion(true, found, 11))
    assert own == pytest.approx(r2_score(true, found))
    assert own == pytest.approx(explained_variance(range(11), confusion(true, found, 11)))  # of percent or classes alike


def test_r2_by_hand():
    """Concentrations 0, 0, 5, 10 of which the 5 is taken for 10: the mean is 3.75, the spread 68.75, the error 25."""
    matrix = confusion(np.array([0, 0, 5, 10]), np.array([0, 0, 10, 10]), 11)
    assert explained_variance(TENTHS, matrix) == pytest.approx(1 - 25 / 68.75)


def test_r2_of_one_concentration_is_none():
    assert explained_variance(TENTHS, confusion(np.array([3, 3]), np.array([3, 4]), 11)) is None
    assert explained_variance(TENTHS, np.zeros((11, 11), int)) is None


def test_f1_is_weighted_by_the_true_pixels():
    true, found = pixels(6, 2)
    assert weighted_f1(range(6), confusion(true, found, 6)) == pytest.approx(f1_score(true, found, average="weighted"))
    true[true == 5] = 4  # a class that is found and nowhere there
    assert weighted_f1(range(6), confusion(true, found, 6)) == pytest.approx(f1_score(true, found, average="weighted"))


def test_f1_by_hand():
    """Three pixels of water, of which one is taken for ice, and one of ice: F1 4/5 and 2/3, weighted 3 to 1."""
    matrix = confusion(np.array([0, 0, 0, 1]), np.array([0, 0, 1, 1]), 2)
    assert weighted_f1(range(2), matrix) == pytest.approx((3 * 4 / 5 + 1 * 2 / 3) / 4)


def test_the_three_count_2_2_1_in_any_order():
    concentration = confusion(np.array([0, 0, 5, 10]), np.array([0, 0, 10, 10]), 11)  # R² 7/11
    stage = confusion(np.array([0, 0, 0, 1, 255]), np.array([0, 0, 1, 1, 1]), 2)  # F1 23/30; what is masked counts nowhere
    form = confusion(np.array([0, 1]), np.array([0, 0]), 2)  # F1 2/3 and 0
    found = combined_score([("stage", [0, 1], stage), ("form", [0, 1], form), ("concentration", TENTHS, concentration)])
    assert found["parts"] == {"concentration": pytest.approx(7 / 11), "stage": pytest.approx(23 / 30), "form": pytest.approx(1 / 3)}
    assert list(found["parts"]) == ["concentration", "stage", "form"]
    assert found["score"] == pytest.approx((2 * 7 / 11 + 2 * 23 / 30 + 1 / 3) / 5)


def test_a_target_without_figure_leaves_no_score():
    none = np.zeros((2, 2), int)
    found = combined_score([("stage", [0, 1], none), ("form", [0, 1], none), ("concentration", [0, 10], np.eye(2, dtype=int))])
    assert found == {"score": None, "parts": {"concentration": 1.0, "stage": None, "form": None}}


def test_other_targets_have_no_such_score():
    assert combined_score([("stage", [0, 1], np.eye(2))]) == {}
