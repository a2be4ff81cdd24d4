"""Paired differences: an example by hand, and what few pairs cannot say."""

import pytest

from eo_pretrain_qgis.engine.measures.paired import Needed, holm, labels_for, paired


def test_differences_by_hand():
    """1, 2, 3: mean 2, deviation 1, t of 2 degrees of freedom 4.3027, standard error 1/√3."""
    found = paired([1, 2, 3])
    assert found.mean == 2 and found.half_width == pytest.approx(4.302653 / 3**0.5, abs=1e-5)
    # t = 2 / (1 / √3) = 3.4641; two-sided with 2 degrees of freedom: 1 - t / √(2 + t²).
    assert found.probability == pytest.approx(1 - 3.4641016 / (2 + 12) ** 0.5, abs=1e-6)
    assert found.ranked is None and found.ends == (2 - found.half_width, 2 + found.half_width)


def test_six_pairs_of_one_sign_are_the_fewest_that_ranks_can_tell():
    assert paired([1, 2, 3, 4, 5]).ranked is None
    assert paired([1, 2, 3, 4, 5, 6]).ranked == pytest.approx(2 / 2**6)


def test_a_single_pair_has_no_interval():
    assert paired([0.3]) == (0.3, None, None, None)
    assert paired([0.0, 0.0]).probability == 1


def test_equal_differences_of_few_pairs_are_not_sure():
    """Scores of few samples are coarse: two equal differences come by chance; of six of one sign chance makes 2 in 64."""
    assert paired([0.125, 0.125]).probability == 0.5
    assert paired([0.125] * 5).probability == 0.0625 and paired([-0.125] * 6).probability == 2 / 2**6


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.9, 0.5]) == [1, 1]
    assert holm([]) == []


def test_labels_for_a_score():
    # Half way between 10 and 1000 on the logarithmic axis is 100.
    assert labels_for(0.6, [10, 1000], [0.5, 0.7]) == Needed(pytest.approx(100))
    assert labels_for(0.5, [10, 1000], [0.5, 0.7]) == Needed(10)
    assert labels_for(0.71, [10, 1000], [0.5, 0.7]) == Needed(1000, beyond=True)
    assert labels_for(0.4, [10, 1000], [0.5, 0.7]) == Needed(10, below=True)
    # A dip is levelled: .6 and .5 become .55 each.
    assert labels_for(0.55, [10, 100, 1000], [0.6, 0.5, 0.7]) == Needed(10)
    assert labels_for(0.625, [10, 100, 1000], [0.6, 0.5, 0.7]) == Needed(pytest.approx(10**2.5))
