"""The whole road network: through roads, streets, tracks and footways, cut at every junction and free of loose
parts.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import shapely
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from .noise import stream
from .parcels import Division
from .roads import CLASSES, Road, lines_of, with_bridges
from .settlements import Site
from .terrain import Terrain
from .water import Water


def make_network(
    seed: int, through: list[Road], motorway: shapely.LineString, division: Division, sites: list[Site], water: Water, terrain: Terrain
) -> list[Road]:
    """All roads of a landscape, in landscape metres."""
    rng = stream(seed, "streets")
    wet = shapely.union_all([water.river.buffer(2), *water.lakes])
    verge, high = motorway.buffer(30, cap_style="flat"), motorway.buffer(34)
    for area in (wet, verge, high):
        shapely.prepare(area)
    roads = list(through)
    for lines, choose in ((division.streets, _street), (division.tracks, _track)):
        for line in lines:
            highway = choose(rng)
            width = round(CLASSES[highway].width * float(rng.uniform(0.8, 1.25)), 1)
            name = _street_name(rng) if highway == "residential" else ""
            road = Road(line, highway, width, name)
            over = highway == "track" and line.length > 300 and rng.random() < 0.15
            # most tracks end at the motorway, a few cross it on a bridge
            pieces = with_bridges(road, high) if over else _without(road, verge)
            roads += [dry for piece in pieces for dry in _without(piece, wet)]
    roads += _garden_paths(rng, division)
    fixed = [road for road in roads if road.tunnel or road.bridge or road.highway == "motorway"]
    noded = _noded([road for road in roads if not (road.tunnel or road.bridge or road.highway == "motorway")])
    box = shapely.box(terrain.box.west, terrain.box.north, terrain.box.east, terrain.box.south)
    inside = [replace(road, line=line) for road in fixed + noded for line in lines_of(shapely.intersection(road.line, box))]
    return _largest_component(inside)


def _without(road: Road, area: shapely.Geometry) -> list[Road]:
    if not area.intersects(road.line):
        return [road]
    return [replace(road, line=line) for line in lines_of(shapely.difference(road.line, area))]


def _street(rng: np.random.Generator) -> str:
    return "residential" if rng.random() < 0.86 else "service"


def _track(rng: np.random.Generator) -> str:
    return str(rng.choice(["track", "path", "footway", "service"], p=[0.86, 0.07, 0.03, 0.04]))


def _street_name(rng: np.random.Generator) -> str:
    first = ("Bahn", "Berg", "Dorf", "Feld", "Garten", "Kirchen", "Linden", "Mühl", "Sand", "Schul", "Wald", "Wiesen")
    return str(rng.choice(first)) + str(rng.choice(["straße", "gasse", "weg"]))


def _garden_paths(rng: np.random.Generator, division: Division) -> list[Road]:
    """Footways across some blocks of houses."""
    paths = []
    for block in division.blocks:
        if rng.random() < 0.25:
            ends = [block.exterior.interpolate(share, normalized=True) for share in (rng.uniform(0, 0.3), rng.uniform(0.5, 0.8))]
            paths.append(Road(shapely.LineString(ends), "footway", 1.8))
    return paths


def _noded(roads: list[Road]) -> list[Road]:
    """Cuts roads at every crossing on the ground. A piece keeps what its road was."""
    roads = [road for road in roads if road.line.length > 0]  # two settlements in one cell are joined by a point
    lines = np.array([road.line for road in roads])
    pieces = shapely.get_parts(shapely.node(shapely.multilinestrings(lines)))
    tree = shapely.STRtree(lines)
    owners = tree.nearest(shapely.line_interpolate_point(pieces, 0.5, normalized=True))
    done: dict[bytes, int] = {}
    result = []
    for piece, owner in zip(pieces, owners, strict=True):
        key = shapely.to_wkb(shapely.normalize(piece))
        if key not in done and piece.length > 0.05:
            done[key] = 1
            result.append(replace(roads[owner], line=piece))
    return result


def _largest_component(roads: list[Road]) -> list[Road]:
    """Roads that can be reached from each other, bridges and tunnels included; loose parts are left out."""
    ends = np.array([shapely.get_coordinates(road.line)[[0, -1]] for road in roads]).reshape(-1, 2)
    points = shapely.points(ends)
    road_of_end = np.repeat(np.arange(len(roads)), 2)
    tree = shapely.STRtree(np.array([road.line for road in roads]))
    end, road = tree.query(points, predicate="dwithin", distance=0.5)
    links = coo_matrix((np.ones(len(end)), (road_of_end[end], road)), shape=(len(roads), len(roads)))
    _, part = connected_components(links, directed=False)
    lengths = np.bincount(part, weights=[each.line.length for each in roads])
    return [each for each, number in zip(roads, part, strict=True) if number == lengths.argmax()]
