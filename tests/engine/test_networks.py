"""Scores of road networks on small networks whose figures are worked by hand."""

import numpy as np
import pytest
import shapely

from eo_pretrain_qgis.engine.measures import networks
from eo_pretrain_qgis.engine.measures.networks import Network, apls, relaxed, topo

#: A cross of four arms of 100 m around (100, 100).
CROSS = [shapely.LineString([(0, 100), (100, 100), (200, 100)]), shapely.LineString([(100, 0), (100, 100), (100, 200)])]


def network(*lines):
    return Network.of(np.array([shapely.LineString(line) if isinstance(line, list) else line for line in lines], object))


def moved(lines, x, y):
    return [shapely.affinity.translate(line, x, y) for line in lines]


def test_lines_meet_where_they_share_a_vertex():
    cross = network(*CROSS)
    assert len(cross.points) == 5 and len(cross.segments) == 4 and cross.lengths.tolist() == [100] * 4
    bridge = network([(0, 100), (200, 100)], [(100, 0), (100, 200)])
    assert len(bridge.points) == 4 and len(bridge.segments) == 2, "no vertex is shared: a bridge"
    assert len(network(*CROSS, *CROSS).segments) == 4, "what is there twice counts once"


def test_a_network_agrees_with_itself():
    cross = network(*CROSS)
    assert relaxed(cross, cross, 5) == {"precision": 1, "recall": 1, "f1": 1}
    assert apls(cross, cross, 5) == pytest.approx(1)
    assert topo(cross, cross, 5) == {"precision": 1, "recall": 1, "f1": 1}


def test_a_shift_within_the_tolerance_costs_nothing_and_beyond_it_all():
    line = [shapely.LineString([(0, 0), (400, 0)])]
    true, near, far = network(*line), network(*moved(line, 0, 8)), network(*moved(line, 0, 12))
    assert relaxed(true, near, 10)["f1"] == 1 and relaxed(true, far, 10)["f1"] == 0
    assert apls(true, near, 10) == pytest.approx(1) and apls(true, far, 10) == 0
    assert topo(true, near, 10)["f1"] == 1 and topo(true, far, 10)["f1"] == 0


def test_lengths_do_not_depend_on_how_many_places_are_held(monkeypatch):
    true, mapped = network(*CROSS), network(CROSS[0], [(100, 0), (100, 100)])
    whole = relaxed(true, mapped, 10)
    monkeypatch.setattr(networks, "PLACES", 7)
    assert relaxed(true, mapped, 10) == pytest.approx(whole)


def test_a_missing_arm_of_the_cross():
    """Of 400 m of true roads 300 are mapped."""
    true, mapped = network(*CROSS), network(CROSS[0], [(100, 0), (100, 100)])
    figures = relaxed(true, mapped, 10)
    assert figures["precision"] == 1 and figures["recall"] == pytest.approx((300 + 10) / 400, abs=0.003), "10 m of the arm lie within the tolerance"
    # APLS: control points every 50 m, so nine; the two on the missing arm find no place. Of the 9 · 8 ordered pairs 7 · 6 are right.
    one, other = 7 * 6 / (9 * 8), 1
    assert apls(true, mapped, 10) == pytest.approx(2 * one * other / (one + other))


def test_a_gap_breaks_ways_and_hardly_any_length():
    true, mapped = network([(0, 0), (400, 0)]), network([(0, 0), (190, 0)], [(210, 0), (400, 0)])
    figures = relaxed(true, mapped, 10)
    assert figures["precision"] == 1 and figures["recall"] == pytest.approx(1)
    # True to mapped: 0, 50, …, 400; the one at 200 is moved onto the end at 190 and keeps its ways to the four before it, 10 m too short or right.
    # Of 72 ordered pairs those within the four before, 12, and within the four behind, 12, are right; from 200 the four before lose 10 of 50, 100,
    # 150 and 200 m, in both directions; all others are lost.
    lost = (72 - 24 - 8) + 2 * sum(10 / length for length in (50, 100, 150, 200))
    one = 1 - lost / 72
    # Mapped to true: every way between points of one part is right.
    assert apls(true, mapped, 10) == pytest.approx(2 * one / (one + 1))
    assert topo(true, mapped, 10)["f1"] < 0.75, "from each start the other side of the gap cannot be reached"


def test_a_detour_counts_by_its_length():
    """Two places 100 m apart, which the map joins by a way of 120 m."""
    true, mapped = network([(0, 0), (40, 0)]), network([(0, 0), (0, 4), (40, 4), (40, 0)])
    # One pair of control points (the line is shorter than 50 m), 40 m apart, in the map 48 m: 1 − 8/40. Back: ways between its vertices at 0, 4, 44
    # and 48 m.
    one = 1 - 8 / 40
    # Of the map: 40 (true: 40), 44 twice (40), 48 (40); those of 4 m are shorter than what is compared.
    other = 1 - (0 + 2 * 4 / 44 + 8 / 48) / 4
    assert apls(true, mapped, 5) == pytest.approx(2 * one * other / (one + other))


def test_topo_counts_marbles_and_holes():
    """A road of 100 m of which the map has the first 50: with steps of 5 m 21 holes; from each start all are seen."""
    true, mapped = network([(0, 0), (100, 0)]), network([(0, 0), (50, 0)])
    # Starts at 0, 50 and 100 m: from the first two 21 holes and 11 marbles; the third finds no mapped road and leaves 21 empty. The hole at 55 m lies
    # within the tolerance of 1 m of no marble.
    figures = topo(true, mapped, 1)
    assert figures["precision"] == 1 and figures["recall"] == pytest.approx(2 * 11 / (3 * 21))


def test_nothing_mapped_and_nothing_true():
    cross, none = network(*CROSS), network()
    assert relaxed(cross, none, 5) == {"precision": 0, "recall": 0, "f1": 0} and apls(cross, none, 5) == 0 and topo(cross, none, 5)["f1"] == 0
    assert relaxed(none, cross, 5)["f1"] is None and apls(none, cross, 5) is None and topo(none, cross, 5)["f1"] is None


def test_a_place_far_along_a_segment_becomes_a_node_there():
    placed, numbers = network([(0, 0), (100, 0)]).with_nodes(np.array([[30, 3], [70, -3], [50, 20.0]]), 5)
    assert numbers.tolist() == [2, 3, -1]
    assert placed.points[2:].tolist() == [[30, 0], [70, 0]] and sorted(placed.lengths.tolist()) == [30, 30, 40]
