"""How well a network of roads agrees with the true one: as lines with a tolerance, and as ways that one can travel.

All are computed on straight segments between vertices. Roads are connected where they share a vertex, as in OpenStreetMap, where a bridge shares none
with the road below it. Coordinates are in metres on a plane.

* Relaxed precision and recall: share of the mapped length within the tolerance of the true one, and of the true length within that of the mapped one
  (Wiedemann, Heipke, Mayer and Jamet 1998; Mnih and Hinton 2010).
* APLS, average path length similarity (Van Etten, Lindenbaum and Bacastow 2018, “SpaceNet: A Remote Sensing Dataset and Challenge Series”,
  arXiv 1807.01232, §4.2): control points are put on one network, those within the tolerance of the other are moved onto it, and shortest paths
  between all pairs are compared, 1 − mean of min(1, |L − L'| / L), where a path that is missing counts 1. This is done both ways; the score is the
  harmonic mean.
* TOPO (Biagioni and Eriksson 2012, “Inferring road maps from global positioning system traces”, Transportation Research Record 2291, 61-71): from
  each of many starts both networks are followed for a distance, and at steps on the way holes are left in the true one and marbles on the mapped
  one. A marble falls into one hole within the tolerance. Precision is the share of marbles that fell into one, recall the share of holes that were
  filled. A start that the mapped network does not have leaves its holes empty.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import shapely
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import dijkstra, maximum_bipartite_matching
from scipy.spatial import KDTree

from ...progress import SILENT, Progress

#: Vertices nearer than this are one [m].
SNAP = 0.01
#: Distance between control points of APLS [m] (Van Etten et al. 2018: about 50 m), and between the starts of TOPO.
SPACING = 50.0
#: How far TOPO follows roads from a start, and the distance between its holes [m], as in He et al. 2020 (Sat2Graph, arXiv 2007.09547).
REACH, STEP = 300.0, 5.0
#: Shorter true paths are not compared by APLS [m]: their length is mostly that of moving their ends.
SHORTEST_PATH = 10.0
#: Places on lines that are held at once, about.
PLACES = 2**20
#: Sources of paths and starts, drawn by chance where there are more.
MOST_SOURCES, MOST_STARTS, SEED = 500, 500, 0


@dataclass(frozen=True)
class Network:
    """Roads as a graph of straight segments.

    Attributes:
        points: places of the nodes [m] (n, 2).
        segments: pairs of nodes (m, 2).
    """

    points: np.ndarray
    segments: np.ndarray

    @classmethod
    def of(cls, lines: np.ndarray) -> Network:
        """The network of lines (n,): every vertex is a node, and those in one place are one."""
        places, owners = shapely.get_coordinates(shapely.get_parts(lines), return_index=True)
        if not len(places):
            return cls(np.zeros((0, 2)), np.zeros((0, 2), np.int64))
        keys, node = np.unique(np.round(places / SNAP).astype(np.int64), axis=0, return_inverse=True)
        pairs = np.sort(np.stack([node.ravel()[:-1], node.ravel()[1:]], 1)[owners[:-1] == owners[1:]], axis=1)
        pairs = np.unique(pairs[pairs[:, 0] != pairs[:, 1]], axis=0)
        return cls(keys * SNAP, pairs)

    @cached_property
    def lengths(self) -> np.ndarray:
        """Of the segments [m] (m,)."""
        return np.hypot(*(self.points[self.segments[:, 0]] - self.points[self.segments[:, 1]]).T)

    @cached_property
    def shapes(self) -> np.ndarray:
        """The segments as lines (m,)."""
        return shapely.linestrings(self.points[self.segments])

    @cached_property
    def tree(self) -> shapely.STRtree:
        """Finds segments."""
        return shapely.STRtree(self.shapes)

    @cached_property
    def matrix(self) -> csr_array:
        """Lengths between neighbours (n, n), each segment once; one without a length counts, too."""
        return coo_array((np.maximum(self.lengths, 1e-9), self.segments.T), shape=(len(self.points),) * 2).tocsr()

    def densified(self, spacing: float) -> Network:
        """The same with further nodes, so that no segment is longer than `spacing` [m]."""
        return Network.of(shapely.segmentize(self.shapes, spacing)) if len(self.segments) else self

    def stepped(self, spacing: float) -> Network:
        """The same with nodes only where roads meet, end, or have gone on for about `spacing` [m], evenly between these."""
        chains = shapely.get_parts(shapely.line_merge(shapely.multilinestrings(self.shapes)))
        counts = np.maximum(1, np.ceil(shapely.length(chains) / spacing)).astype(int)
        return Network.of(np.array([shapely.LineString(shapely.get_coordinates(shapely.line_interpolate_point(
            chain, np.linspace(0, 1, count + 1), normalized=True))) for chain, count in zip(chains, counts, strict=True)], object))

    def nearest(self, places: np.ndarray, tolerance: float) -> tuple[np.ndarray, np.ndarray]:
        """Segment nearest to each place (k, 2), -1 where none is within the tolerance [m], and how far along it [m] (k,)."""
        segment, along = np.full(len(places), -1, np.int64), np.zeros(len(places))
        if len(self.segments) and len(places):
            points = shapely.points(places)
            asked, found = self.tree.query_nearest(points, max_distance=tolerance, all_matches=False)
            segment[asked] = found
            along[asked] = shapely.line_locate_point(self.shapes[found], points[asked])
        return segment, along

    def with_nodes(self, places: np.ndarray, tolerance: float) -> tuple[Network, np.ndarray]:
        """The network with a node at the point nearest to each place (k, 2), and that node, -1 where none is within the tolerance (k,)."""
        segment, along = self.nearest(places, tolerance)
        kept = np.flatnonzero(segment >= 0)
        start, end = self.points[self.segments[segment[kept]]].transpose(1, 0, 2) if len(kept) else (np.zeros((0, 2)), np.zeros((0, 2)))
        share = (along[kept] / self.lengths[segment[kept]])[:, None]
        numbers = np.full(len(places), -1, np.int64)
        numbers[kept] = len(self.points) + np.arange(len(kept))
        order = np.lexsort((along[kept], segment[kept]))
        hosts, added = segment[kept][order], numbers[kept][order]
        first = np.diff(hosts, prepend=-1) != 0
        last = np.append(first[1:], True)[:len(hosts)]
        before = np.where(first, self.segments[hosts, 0], np.roll(added, 1))
        pieces = np.concatenate([np.stack([before, added], 1), np.stack([added[last], self.segments[hosts[last], 1]], 1)])
        whole = np.delete(self.segments, np.unique(hosts), axis=0)
        return Network(np.concatenate([self.points, start + share * (end - start)]), np.concatenate([whole, pieces])), numbers


def relaxed(true: Network, mapped: Network, tolerance: float, spacing: float = 1.0) -> dict[str, float | None]:
    """Precision, recall and F1 of lengths within a tolerance, seen every `spacing` metres; None without a true road, 0 without a mapped one."""
    if not len(true.segments):
        return {"precision": None, "recall": None, "f1": None}
    precision, recall = _within(mapped, true, tolerance, spacing), _within(true, mapped, tolerance, spacing)
    return {"precision": precision, "recall": recall, "f1": _f1(precision, recall)}


def apls(true: Network, mapped: Network, tolerance: float, progress: Progress = SILENT) -> float | None:
    """Average path length similarity, 0 to 1; None where there is no true road.

    Args:
        true: see there.
        mapped: see there.
        tolerance: farthest that a control point is moved onto the other network [m]; 4 m in Van Etten et al., for pixels of .3 m.
        progress: asked whether to stop.
    """
    if not len(true.segments):
        return None
    one = _similarity(true, mapped, tolerance, progress.part(0, 0.5))
    other = _similarity(mapped, true, tolerance, progress.part(0.5, 1))
    return _f1(one, other)


def topo(true: Network, mapped: Network, tolerance: float, progress: Progress = SILENT) -> dict[str, float | None]:
    """Precision, recall and F1 of TOPO; None where there is no true road.

    Args:
        true: see there.
        mapped: see there.
        tolerance: between a marble and its hole, and between a start and the mapped network [m].
        progress: asked whether to stop.
    """
    if not len(true.segments):
        return {"precision": None, "recall": None, "f1": None}
    starts = _drawn(true.stepped(SPACING).points, MOST_STARTS)
    digging, dropping = true.stepped(STEP), mapped.stepped(STEP)
    holes, hole_starts = digging.with_nodes(starts, tolerance)
    marbles, marble_starts = dropping.with_nodes(starts, tolerance)
    filled = dropped = dug = 0
    for number, (hole, marble) in enumerate(zip(hole_starts.tolist(), marble_starts.tolist(), strict=True)):
        progress.at(number / len(starts), "Comparing surroundings of places on roads")
        there = digging.points[_around(holes, hole, len(digging.points))]
        dug += len(there)
        if marble >= 0:
            here = dropping.points[_around(marbles, marble, len(dropping.points))]
            dropped += len(here)
            filled += _matched(there, here, tolerance)
    precision, recall = filled / dropped if dropped else 0.0, filled / dug if dug else 0.0
    return {"precision": precision, "recall": recall, "f1": _f1(precision, recall)}


def _within(lines: Network, others: Network, tolerance: float, spacing: float) -> float:
    """Share of the length of lines within a tolerance of others."""
    if not len(lines.segments):
        return 0.0
    count = np.maximum(1, np.ceil(lines.lengths / spacing)).astype(np.int64)
    within = 0.0
    for some in np.split(np.arange(len(count)), np.flatnonzero(np.diff(np.cumsum(count) // PLACES)) + 1):
        owner = np.repeat(some, count[some])
        share = (np.arange(len(owner)) - np.repeat(np.cumsum(count[some]) - count[some], count[some]) + 0.5) / count[owner]
        start, end = lines.points[lines.segments[owner]].transpose(1, 0, 2)
        near = others.nearest(start + share[:, None] * (end - start), tolerance)[0] >= 0
        within += float((near * (lines.lengths / count)[owner]).sum())
    return float(within / lines.lengths.sum())


def _similarity(one: Network, other: Network, tolerance: float, progress: Progress) -> float:
    """1 less how different the shortest paths between control points of one network are in the other."""
    if not len(one.segments) or not len(other.segments):
        return 0.0
    one = one.densified(SPACING)
    there, moved = other.with_nodes(one.points, tolerance)
    sources = np.sort(np.random.default_rng(SEED).permutation(len(one.points))[:MOST_SOURCES])
    total, pairs = 0.0, 0
    for number, source in enumerate(sources.tolist()):
        progress.at(number / len(sources), "Comparing ways")
        lengths = dijkstra(one.matrix, directed=False, indices=source)
        targets = np.flatnonzero(np.isfinite(lengths) & (lengths >= SHORTEST_PATH))
        lost = np.ones(len(targets))
        if moved[source] >= 0:
            found = moved[targets] >= 0
            again = dijkstra(there.matrix, directed=False, indices=moved[source])[moved[targets[found]]]
            lost[found] = np.minimum(1, np.abs(lengths[targets[found]] - again) / lengths[targets[found]])
        total += lost.sum()
        pairs += len(targets)
    return float(1 - total / pairs) if pairs else 0.0


def _around(network: Network, start: int, count: int) -> np.ndarray:
    """Which of the first `count` nodes lie within the reach of a start along the roads."""
    return np.flatnonzero(np.isfinite(dijkstra(network.matrix, directed=False, indices=start, limit=REACH)[:count]))


def _matched(holes: np.ndarray, marbles: np.ndarray, tolerance: float) -> int:
    """How many marbles (m, 2) fall into a hole (n, 2) of their own within the tolerance."""
    if not len(holes) or not len(marbles):
        return 0
    near = KDTree(holes).query_ball_tree(KDTree(marbles), tolerance)
    counts = [len(row) for row in near]
    pairs = csr_array((np.ones(sum(counts)), np.concatenate([np.array(row, np.int64) for row in near]), np.cumsum([0, *counts])),
                      shape=(len(holes), len(marbles)))
    return int((maximum_bipartite_matching(pairs, perm_type="column") >= 0).sum())


def _drawn(places: np.ndarray, most: int) -> np.ndarray:
    return places[np.sort(np.random.default_rng(SEED).permutation(len(places))[:most])]


def _f1(one: float, other: float) -> float:
    return 2 * one * other / (one + other) if one + other else 0.0
