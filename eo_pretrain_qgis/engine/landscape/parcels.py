"""Land between roads and water, cut into parcels by splitting again and again.

The faces of the road and water network are halved across or along their longest side until a parcel has its wanted
size (log-normal, mostly 1 to 20 ha). Early cuts become tracks, so parcels, tracks and roads fit together; inside
settlements the same cuts are streets and the parcels are blocks of plots.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import shapely

from ...progress import SILENT, Progress
from .noise import stream
from .roads import Road, lines_of
from .settlements import Site
from .terrain import Terrain
from .water import Water

#: Square metres of land between two tracks; a larger block gets one along its next cut.
BLOCK = 2.6e5
#: Square metres of a block of houses.
PLOTS = 1.3e4


@dataclass
class Division:
    """The land in pieces. `tracks` and `streets` are the cuts people drive on; `angles` the direction of each
    parcel's rows.
    """

    parcels: list[shapely.Polygon] = field(default_factory=list)
    angles: list[float] = field(default_factory=list)
    blocks: list[shapely.Polygon] = field(default_factory=list)
    block_sites: list[int] = field(default_factory=list)
    tracks: list[shapely.LineString] = field(default_factory=list)
    streets: list[shapely.LineString] = field(default_factory=list)


def divide(
    seed: int, terrain: Terrain, water: Water, sites: list[Site], roads: list[Road], motorway: shapely.LineString, progress: Progress = SILENT
) -> Division:
    """Cuts the landscape into parcels, and settlements into blocks."""
    rng = stream(seed, "parcels")
    box = shapely.box(terrain.box.west, terrain.box.north, terrain.box.east, terrain.box.south)
    edges = [road.line for road in roads if not road.tunnel and not road.highway.startswith("motorway")]
    edges += [motorway, water.course, box.exterior, *water.brooks, *(site.outline.exterior for site in sites)]
    progress.at(0, "Cutting the land into parcels")
    network = shapely.union_all([shapely.intersection(edge, box) for edge in edges])
    faces = [face for face in shapely.get_parts(shapely.polygonize([network])) if face.area > 400]
    towns = shapely.STRtree([site.outline for site in sites])
    division = Division()
    division.tracks += [site.outline.exterior for site in sites]
    for number, face in enumerate(faces):
        tell = partial(progress.at, number / len(faces), "Cutting the land into parcels")
        tell()
        town = towns.query(face.representative_point(), predicate="within")
        if len(town):
            blocks = _split(rng, face, lambda: PLOTS * float(rng.uniform(0.7, 1.4)), 0.0, division.streets, 2.2, tell)
            division.blocks += [block for block, _ in blocks]
            division.block_sites += [int(town[0])] * len(blocks)
            continue
        scale = float(rng.uniform(0.75, 1.35))
        pieces = _split(rng, face, partial(_parcel_size, rng, scale), BLOCK, division.tracks, 3.2, tell)
        division.parcels += [piece for piece, _ in pieces]
        division.angles += [angle for _, angle in pieces]
    return division


def _parcel_size(rng: np.random.Generator, scale: float) -> float:
    """Square metres of a parcel: log-normal about 4.7 ha times the scale of the neighbourhood."""
    return float(np.clip(rng.lognormal(10.75, 0.62) * scale, 9e3, 2.2e5))


def _split(
    rng: np.random.Generator,
    face: shapely.Polygon,
    wanted: Callable[[], float],
    road_above: float,
    cuts: list,
    stretch: float,
    tell: Callable[[], None],
) -> list[tuple[shapely.Polygon, float]]:
    """Halves a polygon until every piece has its wanted area.

    Args:
        rng: source of the choices.
        face: polygon to cut.
        wanted: gives the wanted area in square metres of the next piece.
        road_above: cuts of pieces larger than this are added to `cuts`.
        cuts: lines on which people drive.
        stretch: a piece longer than this times its width is cut across, another one mostly along.
        tell: called now and then, since a large face takes seconds.

    Returns:
        Pieces, each with the direction of its long side in radians.
    """
    waiting, done = [(face, wanted())], list[tuple[shapely.Polygon, float]]()
    while waiting:
        if len(done) % 100 == 99:
            tell()
        piece, size = waiting.pop()
        corners = shapely.get_coordinates(shapely.oriented_envelope(piece))
        if len(corners) < 4:
            continue
        sides = np.diff(corners[:3], axis=0)
        lengths = np.hypot(*sides.T)
        long = int(np.argmax(lengths))
        direction = sides[long] / max(lengths[long], 1e-6)
        angle = float(np.arctan2(direction[1], direction[0]))
        ratio = lengths[long] / max(lengths[1 - long], 1e-6)
        if piece.area < 1.35 * size or lengths[1 - long] < 35:
            done.append((piece, angle))
            continue
        along = ratio < stretch and piece.area < 4 * size and rng.random() < 0.75
        cut = direction if along else np.array([-direction[1], direction[0]])
        turn = rng.normal(0, 0.04)
        cut = np.array([cut[0] * np.cos(turn) - cut[1] * np.sin(turn), cut[0] * np.sin(turn) + cut[1] * np.cos(turn)])
        middle = corners[:4].mean(0) + (rng.uniform(-0.14, 0.14) * lengths[1 - long if along else long]) * np.array([cut[1], -cut[0]])
        far = 2 * lengths.sum()
        ends = np.stack([middle - far * cut, middle + far * cut])
        side = far * np.array([-cut[1], cut[0]])
        halves = [shapely.Polygon([*ends, ends[1] + sign * side, ends[0] + sign * side]) for sign in (-1, 1)]
        if piece.area > road_above:
            cuts += lines_of(shapely.intersection(shapely.LineString(ends), piece))
        for half in halves:
            parts = shapely.get_parts(shapely.intersection(piece, half))
            waiting += [(part, wanted()) for part in parts if part.geom_type == "Polygon" and part.area > 200]
    return done
