"""Pixels of centre lines → a graph: nodes where roads meet or end, and between them chains of pixels.

Neighbours touch at an edge, or at a corner where no pixel of the line lies beside both (m-adjacency; Gonzalez and Woods, Digital Image Processing,
§2.5), so that a bend is no junction. Junctions that touch are one. Everything follows from the pixels in the order of rows: the same lines give the
same graph.
"""

from __future__ import annotations

import heapq
import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components, dijkstra

from .skeleton import Skeleton


@dataclass(frozen=True)
class Edge:
    """A road between two nodes.

    Attributes:
        start: node at its beginning.
        end: node at its end; the same where it is a closed ring.
        points: from `start` to `end`, both with them (n, 2), x and y [m], as `RoadGraph` counts them.
        widths: of the road along it [m] (m,), any number.
        bridged: length of gaps in it that were bridged [m].
    """

    start: int
    end: int
    points: np.ndarray
    widths: np.ndarray
    bridged: float = 0.0

    @property
    def length(self) -> float:
        """Along the points [m]."""
        return float(np.hypot(*np.diff(self.points, axis=0).T).sum())

    def turned(self) -> Edge:
        """The same from its end to its start."""
        return Edge(self.end, self.start, self.points[::-1], self.widths[::-1], self.bridged)

    def joined(self, other: Edge) -> Edge:
        """This one and another that begins where it ends."""
        return Edge(self.start, other.end, np.concatenate([self.points, other.points[1:]]), np.concatenate([self.widths, other.widths]),
                    self.bridged + other.bridged)


@dataclass
class RoadGraph:
    """Roads as a graph on a plane in metres: x is columns, y rows from the upper left corner, each times the size of a pixel.

    Attributes:
        edges: by number.
        at: numbers of the edges at each node; a ring stands there twice.
    """

    edges: dict[int, Edge] = field(default_factory=dict)
    at: dict[int, list[int]] = field(default_factory=lambda: defaultdict(list))
    _next: int = 0
    _nodes: int = 0

    def add(self, edge: Edge) -> int:
        """Takes in an edge; gives its number."""
        number = self._next
        self._next += 1
        self._nodes = max(self._nodes, edge.start + 1, edge.end + 1)
        self.edges[number] = edge
        self.at[edge.start].append(number)
        self.at[edge.end].append(number)
        return number

    def remove(self, number: int) -> Edge:
        """Takes out an edge, and nodes that have no other."""
        edge = self.edges.pop(number)
        for node in (edge.start, edge.end):
            self.at[node].remove(number)
        for node in {edge.start, edge.end}:
            if not self.at[node]:
                del self.at[node]
        return edge

    def degree(self, node: int) -> int:
        """How many edges begin or end there."""
        return len(self.at.get(node, ()))

    def new_node(self) -> int:
        """The number of a node that was not there yet."""
        self._nodes += 1
        return self._nodes - 1

    def dissolve(self, node: int) -> int | None:
        """Makes the two edges that alone meet at a node one; gives its number, or None where they are not two."""
        if self.degree(node) != 2 or self.at[node][0] == self.at[node][1]:
            return None
        first, second = (self.remove(number) for number in sorted(self.at[node]))
        first = first if first.end == node else first.turned()
        second = second if second.start == node else second.turned()
        return self.add(first.joined(second))

    def dissolve_all(self) -> None:
        """Leaves nodes only where roads meet or end; a ring keeps one."""
        for node in sorted(self.at):
            self.dissolve(node)

    def prune(self, least: float) -> None:
        """Takes out, the shortest first, dead ends, lone roads and rings shorter than a length [m]. What a dead end leaves is one road again."""
        waiting = [(edge.length, number) for number, edge in self.edges.items()]
        heapq.heapify(waiting)
        while waiting:
            length, number = heapq.heappop(waiting)
            edge = self.edges.get(number)
            if length >= least:
                break
            if edge is None or (edge.start != edge.end and self.degree(edge.start) > 1 and self.degree(edge.end) > 1):
                continue
            self.remove(number)
            for node in {edge.start, edge.end}:
                joined = self.dissolve(node)
                if joined is not None:
                    heapq.heappush(waiting, (self.edges[joined].length, joined))
                for other in list(self.at.get(node, ())):  # may have become a dead end
                    if other != joined:
                        heapq.heappush(waiting, (self.edges[other].length, other))

    def prune_spurs(self) -> None:
        """Takes out dead ends that do not leave the road they branch from, no longer than it is wide: thinning makes them at its edge."""
        for number in sorted(self.edges, key=lambda one: (self.edges[one].length, one)):
            edge = self.edges[number]
            free = [self.degree(node) == 1 for node in (edge.start, edge.end)]
            if sum(free) == 1 and self.degree(edge.end if free[0] else edge.start) > 2 and edge.length <= self._width_at(number, not free[0]):
                self.remove(number)
        self.dissolve_all()

    def _width_at(self, number: int, start: bool) -> float:
        """The largest width of the other roads at the start or end of one, next to it [m]."""
        node = self.edges[number].start if start else self.edges[number].end
        others = [self.edges[other] for other in self.at[node] if other != number]
        return max((float(edge.widths[0 if edge.start == node else -1]) for edge in others if len(edge.widths)), default=0.0)

    def ends(self) -> list[int]:
        """Nodes where a road ends."""
        return sorted(node for node, numbers in self.at.items() if len(numbers) == 1)


def graph_of(skeleton: Skeleton, pixel_m: tuple[float, float]) -> RoadGraph:
    """The graph of centre lines.

    Args:
        skeleton: see there.
        pixel_m: size of a pixel (x, y) [m].
    """
    links = _links(skeleton)
    count = len(skeleton.rows)
    degree = np.bincount(links.ravel(), minlength=count)
    places = np.stack([skeleton.cols + 0.5, skeleton.rows + 0.5], 1) * pixel_m
    crowded = degree > 2
    node_of, middles = _junctions(links, crowded, places)
    graph = RoadGraph()
    nodes = len(middles)
    for path, first, last in _paths(links, crowded, node_of):
        points = [places[path]]
        start, end = first, last
        if start < 0:
            start, nodes = nodes, nodes + 1
        else:
            points.insert(0, middles[start][None])
        if end == -2:  # a ring without a junction
            end = start
            points.append(places[path[:1]])
        elif end < 0:
            end, nodes = nodes, nodes + 1
        else:
            points.append(middles[end][None])
        line = np.concatenate(points)
        if len(line) > 1:
            graph.add(Edge(start, end, line, skeleton.widths[path]))
    return graph


def _links(skeleton: Skeleton) -> np.ndarray:
    """Pairs of pixels that are neighbours (n, 2)."""
    width = skeleton.size[1] + 2
    keys = (skeleton.rows + 1) * width + skeleton.cols + 1

    def beside(step: int) -> np.ndarray:
        """Position of the pixel a step on, -1 where there is none (n,)."""
        if not len(keys):
            return np.zeros(0, np.int64)
        place = np.minimum(np.searchsorted(keys, keys + step), len(keys) - 1)
        return np.where(keys[place] == keys + step, place, -1)

    right, below, left = beside(1), beside(width), beside(-1)
    pairs = []
    for other, blocked in ((right, None), (below, None), (beside(width + 1), (right, below)), (beside(width - 1), (left, below))):
        linked = other >= 0
        for between in blocked or ():
            linked &= between < 0
        pairs.append(np.stack([np.flatnonzero(linked), other[linked]], 1))
    return np.concatenate(pairs)


def _junctions(links: np.ndarray, crowded: np.ndarray, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Number of the junction of each pixel (n,), -1 for none, and the middle of each (m, 2)."""
    number = np.full(len(crowded), -1, np.int64)
    members = np.flatnonzero(crowded)
    if not len(members):
        return number, np.zeros((0, 2))
    position = np.cumsum(crowded) - 1
    inner = position[links[crowded[links].all(1)]]
    count, labels = connected_components(coo_array((np.ones(len(inner)), inner.T), shape=(len(members),) * 2), directed=False)
    number[members] = labels
    sizes = np.bincount(labels, minlength=count)
    middles = np.stack([np.bincount(labels, places[members, axis], count) / sizes for axis in (0, 1)], 1)
    return number, middles


def _paths(links: np.ndarray, crowded: np.ndarray, node_of: np.ndarray) -> Iterable[tuple[np.ndarray, int, int]]:
    """Chains of pixels between junctions: their positions in order, and the junction at either end; -1 where there is none, -2 in a ring."""
    count = len(crowded)
    plain = links[~crowded[links].any(1)]
    outward = links[crowded[links].any(1) & ~crowded[links].all(1)]
    outward = np.where(crowded[outward[:, :1]], outward[:, ::-1], outward)  # (pixel of a chain, pixel of a junction)
    touches: dict[int, list[int]] = defaultdict(list)
    for pixel, junction in zip(outward[:, 0].tolist(), node_of[outward[:, 1]].tolist(), strict=True):
        touches[pixel].append(junction)
    matrix = coo_array((np.ones(len(plain)), plain.T), shape=(count, count)).tocsr()
    _, chain = connected_components(matrix, directed=False)
    degree = np.bincount(plain.ravel(), minlength=count)
    chained = np.flatnonzero(~crowded)
    # Each chain begins at its first pixel that has one neighbour or none in it; a ring at its first pixel, cut open there.
    ranked = chained[np.lexsort((chained, degree[chained], chain[chained]))]
    starts = ranked[np.flatnonzero(np.diff(chain[ranked], prepend=-1))] if len(ranked) else ranked
    rings = starts[degree[starts] == 2]
    if len(rings):  # links lead onwards in the order of rows, so both of its first pixel begin there
        begun = np.flatnonzero(np.isin(plain[:, 0], rings))
        begun = begun[np.lexsort((plain[begun, 1], plain[begun, 0]))]
        plain = np.delete(plain, begun[1::2], axis=0)
        matrix = coo_array((np.ones(len(plain)), plain.T), shape=(count, count)).tocsr()
    if not len(starts):
        return
    along = dijkstra(matrix, directed=False, indices=starts, unweighted=True, min_only=True)
    ordered = chained[np.lexsort((along[chained], chain[chained]))]
    ring = set(rings.tolist())
    for path in np.split(ordered, np.flatnonzero(np.diff(chain[ordered])) + 1):
        first, last = int(path[0]), int(path[-1])
        if first in ring:
            yield path, -1, -2
        elif first == last:
            both = [*touches[first], -1, -1]
            yield path, both[0], both[1]
        else:
            yield path, touches[first][0] if touches[first] else -1, touches[last][0] if touches[last] else -1


def direction(edge: Edge, reach: float) -> np.ndarray | None:
    """Where a road points at its start, outwards (2,), seen over the last `reach` metres; None where it has no length."""
    steps = np.hypot(*np.diff(edge.points, axis=0).T)
    along = np.concatenate([[0.0], np.cumsum(steps)])
    back = np.array([np.interp(reach, along, edge.points[:, axis]) for axis in (0, 1)])
    outward = edge.points[0] - back
    size = math.hypot(*outward)
    return outward / size if size else None
