"""The area of applicability, against an example worked by hand from the paper's formulas."""

import numpy as np
import pytest

from eo_pretrain_qgis.engine.measures.applicability import KnownGround

#: Seven samples a step apart and one far away, in two folds by turns. The 28 distances add up to 56 + 119 = 175, so two samples are 6.25 apart. The
#: nearest of the other fold is 1 away from seven of them and 14 from the last, which is an outlier: the limit is 1 / 6.25.
EIGHT = np.array([0.0, 1, 2, 3, 4, 5, 6, 20])
FOLDS = np.arange(8) % 2


def eight_points() -> KnownGround:
    return KnownGround.of(EIGHT[:, None], FOLDS)


def test_limit_is_the_largest_dissimilarity_that_is_no_outlier():
    assert eight_points().limit == pytest.approx(1 / 6.25)


def test_dissimilarity_is_in_mean_distances():
    found = eight_points().dissimilarity(np.array([[9.0], [2.5], [20.5], [3.0]]))
    assert found == pytest.approx([3 / 6.25, 0.5 / 6.25, 0.5 / 6.25, 0], abs=1e-6)
    assert (found <= eight_points().limit).tolist() == [False, True, True, True]


def test_density_counts_training_samples_within_the_limit():
    known = eight_points()
    assert known.density(np.array([[9.0], [2.5], [20.5], [3.0]])).tolist() == [0, 2, 1, 3]
    assert known.nearby == 2  # of the eight: 1, 2, 2, 2, 2, 2, 1 and 0


def test_units_of_a_feature_do_not_matter():
    two = np.stack([EIGHT, EIGHT[::-1] ** 2], 1)
    asked = np.array([[9.0, 100.0], [2.5, 3.0]])
    once, scaled = KnownGround.of(two, FOLDS), KnownGround.of(two * (1, 1000), FOLDS)
    assert once.dissimilarity(asked) == pytest.approx(scaled.dissimilarity(asked * (1, 1000)), rel=1e-5)


def test_a_feature_without_weight_or_change_says_nothing():
    noise = np.random.default_rng(1).normal(size=8)
    weighted = KnownGround.of(np.stack([EIGHT, noise], 1), FOLDS, np.array([1.0, 0.0]))
    flat = KnownGround.of(np.stack([EIGHT, np.full(8, 3.0)], 1), FOLDS)
    for known in (weighted, flat):
        assert known.dissimilarity(np.array([[9.0, 3.0]])) == pytest.approx([3 / 6.25], abs=1e-6)


def test_samples_of_one_fold_cannot_be_judged():
    with pytest.raises(ValueError, match="of one fold"):
        KnownGround.of(EIGHT[:, None], np.zeros(8, int))
    with pytest.raises(ValueError, match="the same features"):
        KnownGround.of(np.ones((8, 2)), FOLDS)
