"""Gaps in roads, bridged where two ends look at each other, or an end looks at another road nearby."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import shapely
from scipy.spatial import KDTree

from .graph import Edge, RoadGraph, direction

#: A road's direction at its end is seen over so many gaps.
REACH = 2.0


@dataclass(frozen=True)
class Bridging:
    """Which gaps are bridged.

    Attributes:
        gap_m: longest [m], from the edge of one road to that of the other; 0 bridges none.
        angle: by how much a road may bend at its end to cross one [degree].
    """

    gap_m: float = 50.0
    angle: float = 30.0


@dataclass(frozen=True)
class _Bridge:
    """A gap from an end to another (-1 where it leads to none), or to a point of an edge: `onto` is that edge and the position of the point."""

    length: float
    end: int
    other: int
    points: tuple[tuple[float, float], tuple[float, float]]
    onto: tuple[int, int] | None = None


@dataclass(frozen=True)
class _Ends:
    """Where roads end: nodes, their edges, places (n, 2), directions (n, 2), and how far each centre line keeps from the end of its road [m] (n,)."""

    nodes: list[int]
    edges: list[int]
    places: np.ndarray
    directions: np.ndarray
    inside: np.ndarray

    @classmethod
    def of(cls, graph: RoadGraph, reach: float) -> _Ends:
        rows = []
        for node in graph.ends():
            number = graph.at[node][0]
            edge = graph.edges[number] if graph.edges[number].start == node else graph.edges[number].turned()
            way = direction(edge, reach)
            if way is not None:
                rows.append((node, number, edge.points[0], way, _half(edge)))
        nodes, edges, places, ways, inside = zip(*rows, strict=True) if rows else ([], [], [], [], [])
        return cls(list(nodes), list(edges), np.reshape(places, (-1, 2)), np.reshape(ways, (-1, 2)), np.array(inside, float))


def bridge(graph: RoadGraph, how: Bridging) -> int:
    """Bridges gaps, the shortest first: between ends, and then from ends to other roads. A bridge crosses no road and no other bridge.

    Args:
        graph: changed in place.
        how: see there.

    Returns:
        How many there were.
    """
    if how.gap_m <= 0:
        return 0
    count = _build(graph, _between_ends(graph, how))
    graph.dissolve_all()
    count += _build(graph, _to_roads(graph, how))
    graph.dissolve_all()
    return count


def _between_ends(graph: RoadGraph, how: Bridging) -> Iterator[_Bridge]:
    """Pairs of ends that look at each other."""
    ends, least = _Ends.of(graph, REACH * how.gap_m), math.cos(math.radians(how.angle))
    if len(ends.nodes) < 2:
        return
    pairs = KDTree(ends.places).query_pairs(how.gap_m + 2 * ends.inside.max(), output_type="ndarray")
    across = ends.places[pairs[:, 1]] - ends.places[pairs[:, 0]]
    lengths = np.hypot(*across.T)
    near = lengths <= how.gap_m + ends.inside[pairs].sum(1)
    pairs, across, lengths = pairs[near], across[near], lengths[near]
    ways = across / np.maximum(lengths, 1e-9)[:, None]
    straight = ((ends.directions[pairs[:, 0]] * ways).sum(1) >= least) & ((ends.directions[pairs[:, 1]] * -ways).sum(1) >= least)
    for (first, second), length in zip(pairs[straight].tolist(), lengths[straight].tolist(), strict=True):
        places = (tuple(ends.places[first]), tuple(ends.places[second]))
        yield _Bridge(length, ends.nodes[first], ends.nodes[second], places)


def _to_roads(graph: RoadGraph, how: Bridging) -> Iterator[_Bridge]:
    """Ends that look at a road which does not meet their own, each at the nearest point in front of it."""
    ends, least = _Ends.of(graph, REACH * how.gap_m), math.cos(math.radians(how.angle))
    if not ends.nodes:
        return
    numbers = sorted(graph.edges)
    points = np.concatenate([graph.edges[number].points for number in numbers])
    counts = [len(graph.edges[number].points) for number in numbers]
    owners, positions = np.repeat(numbers, counts), np.concatenate([np.arange(count) for count in counts])
    beyond = np.repeat([_half(graph.edges[number]) for number in numbers], counts)
    near = KDTree(points).query_ball_point(ends.places, how.gap_m + ends.inside + beyond.max())
    for position, (node, own) in enumerate(zip(ends.nodes, ends.edges, strict=True)):
        edge = graph.edges[own]
        met = {own, *graph.at[edge.start], *graph.at[edge.end]}
        found = np.array(sorted(near[position]))
        found = found[~np.isin(owners[found], list(met))]
        across = points[found] - ends.places[position]
        lengths = np.hypot(*across.T)
        straight = (across * ends.directions[position]).sum(1) >= least * lengths
        straight &= lengths <= how.gap_m + ends.inside[position] + beyond[found]
        if straight.any():
            best = found[straight][np.argmin(lengths[straight])]
            onto = (int(owners[best]), int(positions[best]))
            target = graph.edges[onto[0]]
            other = {0: target.start, len(target.points) - 1: target.end}.get(onto[1], -1)
            places = (tuple(ends.places[position]), tuple(points[best]))
            yield _Bridge(float(lengths[straight].min()), node, other if graph.degree(other) == 1 else -1, places, onto)


def _half(edge: Edge) -> float:
    """Half of the width of a road [m], from its centre line to its edge."""
    return float(np.median(edge.widths)) / 2 if len(edge.widths) else 0.0


def _build(graph: RoadGraph, bridges: Iterator[_Bridge]) -> int:
    """Takes bridges in, the shortest first, an end once; gives how many."""
    waiting = sorted(bridges, key=lambda one: (one.length, one.end, one.other))
    if not waiting:
        return 0
    clear = _clear(graph, waiting)
    spans = np.array([shapely.LineString(one.points) for one in waiting])
    crossing = shapely.STRtree(spans)
    used: set[int] = set()
    chosen: dict[int, None] = {}  # a set in order
    for number, one in enumerate(waiting):
        if not clear[number] or used & {one.end, one.other}:
            continue
        if not chosen.keys().isdisjoint(crossing.query(spans[number], predicate="crosses").tolist()):
            continue
        used |= {one.end, one.other} - {-1}
        chosen[number] = None
    targets = _split(graph, [waiting[number] for number in chosen])
    for number in chosen:
        one = waiting[number]
        other = one.other if one.onto is None else targets[one.onto]
        if other != one.end:
            graph.add(Edge(one.end, other, np.array(one.points), np.zeros(0), one.length))
    return len(chosen)


def _clear(graph: RoadGraph, bridges: list[_Bridge]) -> np.ndarray:
    """Which bridges meet no road but at their own two ends, bool (n,)."""
    lines = np.array([shapely.LineString(edge.points) for edge in graph.edges.values()])
    spans = np.array([shapely.LineString(one.points) for one in bridges])
    # Without the last hundredth at both sides, where the roads that it joins lie.
    inner = shapely.linestrings([[_between(one.points, 0.01), _between(one.points, 0.99)] for one in bridges])
    hit = shapely.STRtree(lines).query(inner, predicate="intersects")[0]
    clear = np.ones(len(spans), bool)
    clear[hit] = False
    return clear


def _between(points: tuple[tuple[float, float], tuple[float, float]], share: float) -> tuple[float, float]:
    (x, y), (u, v) = points
    return x + share * (u - x), y + share * (v - y)


def _split(graph: RoadGraph, bridges: list[_Bridge]) -> dict[tuple[int, int], int]:
    """Puts a node where a bridge meets an edge; gives the node of each such place."""
    wanted: dict[int, set[int]] = {}
    for one in bridges:
        if one.onto is not None:
            wanted.setdefault(one.onto[0], set()).add(one.onto[1])
    nodes: dict[tuple[int, int], int] = {}
    for number, positions in sorted(wanted.items()):
        edge = graph.edges[number]
        last = len(edge.points) - 1
        nodes[number, 0], nodes[number, last] = edge.start, edge.end
        inner = sorted(positions - {0, last})
        if not inner:
            continue
        nodes |= {(number, position): graph.new_node() for position in inner}
        graph.remove(number)
        for before, after in zip([0, *inner], [*inner, last], strict=True):
            share = slice(round(before / last * len(edge.widths)), round(after / last * len(edge.widths)))
            points = edge.points[before:after + 1]
            graph.add(Edge(nodes[number, before], nodes[number, after], points, edge.widths[share], edge.bridged * (after - before) / last))
    return nodes
