"""Tolerance-aware figures of roads, against cases that can be counted by hand."""

import numpy as np
import pytest

from eo_pretrain_qgis.engine.measures.accuracy import confusion, scores
from eo_pretrain_qgis.engine.themes.roads.accuracy import RoadCounts, road_counts, road_scores


def straight(row, first=0, last=40, width=1):
    road = np.zeros((40, 40), bool)
    road[row:row + width, first:last] = True
    return road


@pytest.mark.parametrize(("shift", "tolerance", "f1"), [(0, 0, 1), (1, 0, 0), (1, 1, 1), (3, 2, 0), (3, 3, 1)])
def test_a_shifted_road_counts_within_the_tolerance(shift, tolerance, f1):
    assert road_scores(road_counts(straight(20), straight(20 + shift), tolerance))["f1"] == f1


def test_half_a_road_is_right_but_incomplete():
    found = road_scores(road_counts(straight(20), straight(20, last=20), 0))
    assert (found["precision"], found["recall"], found["f1"], found["quality"]) == (1, 0.5, pytest.approx(2 / 3), 0.5)


def test_a_road_mapped_too_wide_is_thinned_first():
    assert road_scores(road_counts(straight(20, width=3), straight(18, width=7), 1))["f1"] > 0.98  # thinning shortens ends
    assert road_scores(road_counts(straight(20, width=3), straight(18, width=7), 0, thin=False))["precision"] == pytest.approx(3 / 7)


def test_without_tolerance_and_thinning_these_are_the_usual_figures():
    rng = np.random.default_rng(1)
    truth, mapped = rng.random((2, 50, 50)) < 0.3
    usual = scores(confusion(truth.astype(np.uint8), mapped.astype(np.uint8), 2))["classes"][1]
    found = road_scores(road_counts(truth, mapped, 0, thin=False))
    assert [found["precision"], found["recall"], found["f1"], found["quality"]] == pytest.approx(
        [usual["precision"], usual["recall"], usual["f1"], usual["iou"]])


def test_pixels_that_do_not_count_still_match():
    valid = np.zeros((40, 40), bool)
    valid[:21] = True
    assert road_scores(road_counts(straight(20), straight(21), 1, valid))["recall"] == 1
    assert road_counts(straight(20), straight(21), 1, valid).mapped == 0


def test_counts_add_up_and_empty_maps_have_figures():
    nothing = np.zeros((40, 40), bool)
    assert road_scores(road_counts(straight(20), nothing, 1)) == {"precision": 0, "recall": 0, "f1": 0, "quality": 0}
    assert road_scores(road_counts(nothing, straight(20), 1))["f1"] is None
    assert RoadCounts(1, 2, 3, 4) + RoadCounts(5, 6, 7, 8) == RoadCounts(6, 8, 10, 12)
