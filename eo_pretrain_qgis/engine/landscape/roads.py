"""Through roads: a motorway, and primary, secondary and tertiary roads between the settlements.

Roads follow least-cost ways over the terrain (slope costs, water costs more, existing roads cost less), class by
class, so they join and share stretches as real ones do. Every way ends at a junction, as in OpenStreetMap. Tunnels
lead through hills, bridges over the river and over the motorway.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace

import numpy as np
import shapely
import shapely.ops
from scipy.ndimage import gaussian_filter1d
from scipy.sparse.csgraph import minimum_spanning_tree
from scipy.spatial import distance_matrix
from skimage.graph import route_through_array

from .noise import Box, Field, stream
from .settlements import Site
from .terrain import Terrain
from .water import Water, smooth


@dataclass(frozen=True)
class RoadClass:
    """What a class of road is like: width of the paved surface in metres, lanes, surface and the chance that
    OpenStreetMap lacks it.
    """

    highway: str
    width: float
    lanes: int
    surface: str
    missing: float


CLASSES = {
    each.highway: each
    for each in (
        RoadClass("motorway", 11.0, 2, "asphalt", 0.0),
        RoadClass("motorway_link", 5.5, 1, "asphalt", 0.0),
        RoadClass("primary", 8.5, 2, "asphalt", 0.0),
        RoadClass("secondary", 7.0, 2, "asphalt", 0.01),
        RoadClass("tertiary", 6.0, 2, "asphalt", 0.03),
        RoadClass("residential", 5.5, 2, "asphalt", 0.10),
        RoadClass("service", 4.0, 1, "asphalt", 0.25),
        RoadClass("track", 3.0, 1, "gravel", 0.30),
        RoadClass("footway", 1.8, 1, "paving_stones", 0.35),
        RoadClass("path", 1.2, 1, "ground", 0.45),
    )
}
RANKS = ("primary", "secondary", "tertiary")


@dataclass(frozen=True)
class Road:
    """One way between two junctions."""

    line: shapely.LineString
    highway: str
    width: float
    name: str = ""
    ref: str = ""
    tunnel: bool = False
    bridge: bool = False
    oneway: bool = False


def make_through_roads(seed: int, terrain: Terrain, water: Water, sites: list[Site]) -> tuple[list[Road], shapely.LineString]:
    """The network between settlements and the centre line of the motorway."""
    motorway = _motorway(stream(seed, "motorway"), terrain, sites)
    lines = _network(seed, terrain, water, sites, motorway)
    open_land = shapely.union_all([shapely.box(*site.outline.bounds) for site in sites] + [water.river.buffer(150)])
    rng = stream(seed, "road widths")
    hills = _tunnels(terrain, [(motorway, 350.0), *((line, 200.0) for rank, line in lines if rank < 2)], open_land)
    centres = [(motorway, "motorway"), *((line, RANKS[rank]) for rank, line in lines)]
    over_motorway = motorway.buffer(34, cap_style="flat")
    roads: list[Road] = []
    for number, (line, highway) in enumerate(centres):
        width = CLASSES[highway].width * float(rng.uniform(0.88, 1.15))
        ref = {"motorway": "A7", "primary": f"B{rng.integers(1, 99)}", "secondary": f"L{rng.integers(100, 999)}"}.get(highway, "")
        whole = Road(line, highway, round(width, 1), ref=ref, oneway=highway == "motorway")
        high = water.river.buffer(6) if highway == "motorway" else shapely.union(water.river.buffer(6), over_motorway)
        for piece in _with_tunnels(whole, hills.get(number, [])):
            roads += [piece] if piece.tunnel else with_bridges(piece, high)
    roads = [half for road in roads for half in (_carriageways(road) if road.highway == "motorway" else [road])]
    return roads + _links(roads, motorway), motorway


def with_bridges(road: Road, high: shapely.Geometry) -> list[Road]:
    """Cuts a road where it enters and leaves the area `high`; the parts inside are bridges."""
    if not road.line.intersects(high):
        return [road]
    parts = [replace(road, line=line) for line in lines_of(shapely.difference(road.line, high))]
    return parts + [replace(road, line=line, bridge=True) for line in lines_of(shapely.intersection(road.line, high))]


def lines_of(geometry: shapely.Geometry) -> list[shapely.LineString]:
    """The lines longer than a metre in a geometry."""
    merged = shapely.line_merge(geometry) if geometry.geom_type == "MultiLineString" else geometry
    return [part for part in shapely.get_parts(merged) if part.geom_type == "LineString" and part.length > 1]


def _motorway(rng: np.random.Generator, terrain: Terrain, sites: list[Site]) -> shapely.LineString:
    """A wide curve from north to south, the one of several that keeps the largest distance to settlements."""
    box = terrain.box
    length = box.south - box.north
    along = np.arange(-40, length + 60, 20.0)
    best, room = np.zeros((0, 2)), -np.inf
    for _ in range(24):
        bend = Field(rng, Box(-100, 0, length + 100, 1), max(5000, length / 2.5)).grid(along, np.array([0.5]))[0]
        points = np.stack([box.west + rng.uniform(0.15, 0.85) * length + 0.05 * length * bend, box.north + along], 1)
        free = min(np.hypot(points[:, 0] - site.x, points[:, 1] - site.y).min() - 1.3 * site.radius for site in sites)
        if free > room:
            best, room = points, free
    return shapely.LineString(best)


def _network(seed: int, terrain: Terrain, water: Water, sites: list[Site], motorway: shapely.LineString) -> list[tuple[int, shapely.LineString]]:
    """Lines of the three classes of through roads, cut at their junctions, as (rank, line)."""
    rng = stream(seed, "network")
    cost = 1 + 1.2 * (terrain.slope() / 0.05) ** 2 + rng.uniform(0, 0.5, terrain.heights.shape)
    x, y = np.meshgrid(terrain.x, terrain.y)
    cells = shapely.points(x, y)
    for shape, more in ((water.river.buffer(30), 18), (shapely.union_all(shapely.buffer(np.array(water.lakes), 40)), 400), (motorway.buffer(110), 6)):
        shapely.prepare(shape)
        cost[shapely.contains(shape, cells)] += more
    places = np.array([[site.x, site.y] for site in sites])
    nodes = np.concatenate([places, _border_nodes(rng, terrain.box)])
    edges: dict[tuple[int, int], int] = {}
    for rank, share in enumerate((0.15, 0.5, 1.0)):
        chosen = np.concatenate([np.arange(max(1, round(share * len(sites)))), np.arange(len(sites), len(nodes))[: 4 + 4 * rank]])
        tree = minimum_spanning_tree(distance_matrix(nodes[chosen], nodes[chosen])).tocoo()
        for start, end in sorted(zip(chosen[tree.row].tolist(), chosen[tree.col].tolist(), strict=True)):
            _route(terrain, cost, nodes[start], nodes[end], rank, edges)
    return _chains(terrain, edges)


def _border_nodes(rng: np.random.Generator, box: Box) -> np.ndarray:
    """Places where roads leave the landscape, four sides in turn."""
    count = 4 * max(2, round((box.east - box.west) / 3500))
    share = rng.uniform(0.1, 0.9, count)
    across, down = box.west + share * (box.east - box.west), box.north + share * (box.south - box.north)
    side = np.arange(count) % 4
    x = np.select([side == 0, side == 1], [np.full(count, box.west + 1), np.full(count, box.east - 1)], across)
    y = np.select([side == 2, side == 3], [np.full(count, box.north + 1), np.full(count, box.south - 1)], down)
    return np.stack([x, y], 1)


def _route(terrain: Terrain, cost: np.ndarray, start: np.ndarray, end: np.ndarray, rank: int, edges: dict[tuple[int, int], int]) -> None:
    """Adds the steps of the cheapest way between two points to `edges` and makes its cells cheap for roads to come."""
    rows, columns = terrain.cells(np.stack([start, end]))
    reach = 40
    top, left = max(rows.min() - reach, 0), max(columns.min() - reach, 0)
    window = cost[top : rows.max() + reach, left : columns.max() + reach]
    way, _ = route_through_array(window, (rows[0] - top, columns[0] - left), (rows[1] - top, columns[1] - left), fully_connected=True, geometric=True)
    way = np.array(way) + np.array([top, left])
    cost[way[:, 0], way[:, 1]] = np.minimum(cost[way[:, 0], way[:, 1]], 0.3)
    flat = (way[:, 0] * cost.shape[1] + way[:, 1]).tolist()
    for a, b in zip(flat[:-1], flat[1:], strict=True):
        key = (min(a, b), max(a, b))
        edges[key] = min(edges.get(key, rank), rank)


def _chains(terrain: Terrain, edges: dict[tuple[int, int], int]) -> list[tuple[int, shapely.LineString]]:
    """Joins steps to lines that run from junction to junction, and rounds them off."""
    near: dict[int, list[int]] = defaultdict(list)
    for a, b in edges:
        near[a].append(b)
        near[b].append(a)

    def rank_of(a: int, b: int) -> int:
        return edges[min(a, b), max(a, b)]

    def ends(cell: int) -> bool:
        return len(near[cell]) != 2 or rank_of(cell, near[cell][0]) != rank_of(cell, near[cell][1])

    done: set[tuple[int, int]] = set()
    chains = []
    for cell in sorted(near):
        if not ends(cell):
            continue
        for step in near[cell]:
            if (cell, step) in done:
                continue
            way, before, now = [cell, step], cell, step
            while not ends(now):
                before, now = now, next(other for other in near[now] if other != before)
                way.append(now)
            done.update({(way[0], way[1]), (way[-1], way[-2])})
            cells = np.array(way)
            width = len(terrain.x)
            points = np.stack([terrain.x[cells % width], terrain.y[cells // width]], 1)
            chains.append((rank_of(cell, step), shapely.LineString(smooth(points, 8))))
    return chains


def _tunnels(terrain: Terrain, lines: list[tuple[shapely.LineString, float]], keep_out: shapely.Geometry) -> dict[int, list[tuple[float, float]]]:
    """Stretches (from, to, in metres along the line) where the ground rises well above an even grade, per line.

    The needed height falls until there is a tunnel for every 3.5 km of landscape, since every sample should have some.
    """
    wanted = max(2, round((terrain.image.east - terrain.image.west) / 3500))
    found: dict[int, list[tuple[float, float]]] = {}
    for needed in (10, 8, 6, 5, 4, 3, 2, 1.2, 0.6):
        found = {}
        for number, (line, scale) in enumerate(lines):
            along = np.arange(0, line.length, 20.0)
            if len(along) < 30:
                continue
            points = shapely.get_coordinates(shapely.line_interpolate_point(line, along))
            ground = terrain.height_at(points)
            high = ground - gaussian_filter1d(ground, scale / 20, mode="nearest") > needed
            inside = (points > 60).all(1) & (points[:, 0] < terrain.image.east - 60) & (points[:, 1] < terrain.image.south - 60)
            high &= inside & ~shapely.contains_xy(keep_out, points[:, 0], points[:, 1])
            changes = np.flatnonzero(np.diff(np.concatenate([[0], high.astype(np.int8), [0]])))
            runs = [(along[a], along[b - 1]) for a, b in zip(changes[::2], changes[1::2], strict=True)]
            runs = [run for run in runs if 140 <= run[1] - run[0] <= 2500]
            if runs:
                found[number] = runs
        if sum(len(runs) for runs in found.values()) >= wanted:
            break
    return found


def _with_tunnels(road: Road, stretches: list[tuple[float, float]]) -> list[Road]:
    if not stretches:
        return [road]
    cuts = [0.0, *(place for stretch in stretches for place in stretch), road.line.length]
    parts = []
    for number, (start, end) in enumerate(zip(cuts[:-1], cuts[1:], strict=True)):
        if end - start > 1:
            line = shapely.ops.substring(road.line, start, end)
            parts.append(replace(road, line=line, tunnel=number % 2 == 1))
    return parts


def _carriageways(road: Road) -> list[Road]:
    """The two directions of a motorway, 19 m apart."""
    return [replace(road, line=shapely.offset_curve(road.line, side, join_style="round")) for side in (-9.5, 9.5)]


def _links(roads: list[Road], motorway: shapely.LineString) -> list[Road]:
    """Ramps between the motorway and the roads of the highest class that cross it on a bridge, so that the network is
    one.
    """
    crossings = [road for road in roads if road.bridge and road.highway != "motorway" and road.line.intersects(motorway)]
    crossings.sort(key=lambda road: RANKS.index(road.highway))
    lanes = [road.line for road in roads if road.highway == "motorway" and not road.tunnel and not road.bridge]
    others = [road.line for road in roads if road.highway in RANKS and not road.tunnel and not road.bridge]
    links = []
    for bridge in crossings[: max(1, round(motorway.length / 9000))]:
        middle = shapely.intersection(bridge.line, motorway).centroid
        for end in shapely.points(shapely.get_coordinates(bridge.line)[[0, -1]]):
            lane = min(lanes, key=end.distance)
            near = [line for line in others if line.distance(end) < 1 and line.length > 130]
            if not near:
                continue
            there = _vertex(near[0], middle, 150)
            here = _vertex(lane, middle, 330)
            bend = (2 * np.array(middle.coords[0]) + here + there) / 4
            t = np.linspace(0, 1, 15)[:, None]
            curve = (1 - t) ** 2 * here + 2 * t * (1 - t) * bend + t**2 * there
            links.append(Road(shapely.LineString(curve), "motorway_link", 5.5, oneway=True))
    return links


def _vertex(line: shapely.LineString, place: shapely.Point, wanted: float) -> np.ndarray:
    """The vertex of a line whose distance from a place is nearest to what is wanted."""
    points = shapely.get_coordinates(line)
    distance = np.hypot(points[:, 0] - place.x, points[:, 1] - place.y)
    return points[np.argmin(np.abs(distance - wanted))]
