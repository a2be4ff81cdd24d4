import numpy as np
import pytest

from eo_pretrain_qgis.engine.measures.bootstrap import MAJORITY, RESAMPLES, Resamples, draws, interval, resampled, together, unseen


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


def right(sums):
    """The share of right ones among all, None where there are none."""
    return float(sums[0] / sums.sum()) if sums.sum() else None


def test_where_no_place_was_wrong_the_limit_is_that_of_clopper_and_pearson():
    """0.05^(1/20) = exp(ln 0.05 / 20) = exp(-2.9957 / 20) = exp(-0.14979) = 0.8609: about 1 - 3 / 20."""
    counts = np.tile([7, 0], (20, 1))
    ends = Resamples.of(right, counts).interval(lambda share: share)
    assert ends == pytest.approx([0.8609, 1], abs=1e-4)
    assert unseen(20) == pytest.approx(1 - 0.8609, abs=1e-4) and unseen(1) == pytest.approx(0.95)


def test_where_all_places_were_wrong_the_limit_is_the_same_from_below():
    """0.05^(1/10) = exp(-0.29957) = 0.7411."""
    ends = Resamples.of(right, np.tile([0, 3], (10, 1))).interval(lambda share: share)
    assert ends == pytest.approx([0, 1 - 0.7411], abs=1e-4)


def test_the_majority_class_finds_no_other_class_anywhere():
    wrong = np.tile([0, 3], (10, 1))
    assert Resamples.of(right, wrong, who=MAJORITY).interval(lambda share: share) is None
    assert Resamples.of(right, wrong[:, ::-1], who=MAJORITY).interval(lambda share: share) == pytest.approx([0.7411, 1], abs=1e-4)


def test_places_without_the_class_say_nothing_of_it():
    """Of ten places six have the class: 0.05^(1/6) = exp(-0.49929) = 0.6070."""
    counts = np.tile([4, 0], (10, 1))
    counts[6:] = 0
    assert Resamples.of(right, counts).interval(lambda share: share) == pytest.approx([0.6070, 1], abs=1e-4)


def test_places_that_are_alike_and_half_right_may_have_others_beside_them():
    """Five places, each half right: others are at most 1 - 0.05^(1/5) = 0.4507 of all; 0.5 · 0.5493 = 0.2746, and with all of them right 0.7254."""
    assert Resamples.of(right, np.tile([2, 2], (5, 1))).interval(lambda share: share) == pytest.approx([0.2746, 0.7254], abs=1e-4)


def test_figures_that_are_written_alike_count_as_alike():
    """One pixel in ten thousand of one place: “1.000 (1.000 to 1.000)” would claim more than 20 places can show."""
    counts = np.tile([10_000, 0], (20, 1))
    counts[0] = 9_999, 1
    ends = Resamples.of(right, counts).interval(lambda share: share)
    assert ends[0] == pytest.approx(0.8609, abs=1e-4) and ends[1] > 0.9999


def test_two_that_never_differ_may_differ_elsewhere():
    """Both all right in 20 places: where they were not seen, either may be ahead."""
    same = Resamples.of(right, np.tile([7, 0], (20, 1)))
    ends = together((same, same)).interval(lambda both: both[0] - both[1], lowest=-1)
    assert ends == pytest.approx([-0.1391, 0.1391], abs=1e-4)


def test_places_that_differ_have_the_percentiles_of_their_resamples():
    counts = np.array([[5, 1], [4, 2], [6, 0], [3, 3], [5, 1], [2, 4]])
    again = Resamples.of(right, counts)
    assert again.interval(lambda share: share) == interval(again.found)


def test_fewer_than_five_places_have_no_interval():
    for places in (0, 1, 4):
        assert Resamples.of(right, np.tile([7, 0], (places, 1))).interval(lambda share: share) is None
