import numpy as np
import pytest

from eo_pretrain_qgis.engine.measures.bootstrap import RESAMPLES, draws, interval, resampled


def test_every_resample_draws_as_many_blocks_as_there_are():
    drawn = draws(7)
    assert drawn.shape == (RESAMPLES, 7) and (drawn.sum(1) == 7).all()
    assert (drawn == draws(7)).all() and drawn.mean() == pytest.approx(1)


def test_counts_of_a_resample_are_those_of_the_drawn_blocks():
    counts = np.array([[[1, 0], [0, 2]], [[3, 4], [0, 0]], [[0, 0], [5, 0]]])
    found = list(resampled(counts, np.array([[3, 0, 0], [1, 0, 2]])))
    assert found[0].tolist() == [[3, 0], [0, 6]] and found[1].tolist() == [[1, 0], [10, 2]]


def test_the_interval_holds_the_middle_95_of_100():
    assert interval(list(range(201))) == [5.0, 195.0]
    assert interval([0.5] * 161 + [None] * 39) == [0.5, 0.5]
    assert interval([0.5] * 160 + [None] * 40) is None
    assert interval([]) is None


def test_the_width_is_that_of_the_mean_of_blocks():
    """Of the mean of n independent blocks it is 2 · 1.96 s / √n."""
    right = np.random.default_rng(1).binomial(100, 0.7, 400)
    ends = interval([float(sums / 40_000) for sums in resampled(right, draws(400))])
    assert ends[1] - ends[0] == pytest.approx(2 * 1.96 * right.std() / 100 / 20, rel=0.15)
    assert ends[0] < right.mean() / 100 < ends[1]


def test_pixels_that_are_wrong_together_make_the_interval_wider_than_chance():
    """Ten blocks of 100 pixels, all right or all wrong: as uncertain as ten pixels, not as a thousand."""
    right = np.array([100, 0] * 5)
    ends = interval([float(sums / 1000) for sums in resampled(right, draws(10))])
    assert ends[0] <= 0.25 and ends[1] >= 0.75
