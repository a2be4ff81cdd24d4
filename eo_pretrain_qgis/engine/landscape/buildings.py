"""Houses along the streets of each block, halls in some, parks in a few: what makes the texture of a village at 10
m.
"""

from __future__ import annotations

import numpy as np
import shapely

from ...progress import SILENT, Progress
from .noise import stream
from .objects import ObjectTable
from .parcels import Division
from .settlements import Site

Shapes = list[tuple[shapely.Geometry, int]]


def build(seed: int, division: Division, sites: list[Site], objects: ObjectTable, progress: Progress = SILENT) -> tuple[Shapes, Shapes]:
    """The ground of settlements and what stands on it, both as (shape, object number) in the order of painting."""
    rng = stream(seed, "buildings")
    gardens, yards = objects.add("garden", 40), objects.add("yard", 24)
    parks = objects.add("grass", 12)
    roofs = np.concatenate([objects.add("red roof", 40), objects.add("grey roof", 24)])
    halls = objects.add("hall", 24)
    open_soil = objects.add("open soil", 12)
    ground: Shapes = []
    standing: Shapes = []
    for position, (block, number) in enumerate(zip(division.blocks, division.block_sites, strict=True)):
        if position % 50 == 0:
            progress.at(position / len(division.blocks), "Building houses")
        site = sites[number]
        middle = block.centroid
        outer = np.hypot(middle.x - site.x, middle.y - site.y) / site.radius
        use = rng.random()
        if use < 0.04 + 0.16 * (site.radius > 300) * (outer > 0.6):
            ground.append((block, int(rng.choice(yards))))
            standing += _halls(rng, block, halls)
        elif use > 0.95:
            ground.append((block, int(rng.choice(parks))))
        elif use > 0.935 and outer > 0.7:
            ground.append((block, int(rng.choice(open_soil))))
        else:
            ground.append((block, int(rng.choice(gardens))))
            standing += _houses(rng, block, gardens, yards, roofs, 26 if outer > 0.5 else 19)
    return ground, standing


def _rectangles(middles: np.ndarray, angle: np.ndarray, width: np.ndarray | float, depth: np.ndarray | float) -> np.ndarray:
    """Turned rectangles about points (n, 2), `width` along the angle."""
    along = np.stack([np.cos(angle), np.sin(angle)], 1) * np.broadcast_to(width, len(angle))[:, None] / 2
    across = np.stack([-np.sin(angle), np.cos(angle)], 1) * np.broadcast_to(depth, len(angle))[:, None] / 2
    return shapely.polygons(np.stack([middles + along + across, middles + along - across, middles - along - across, middles - along + across], 1))


def _houses(rng: np.random.Generator, block: shapely.Polygon, gardens: np.ndarray, yards: np.ndarray, roofs: np.ndarray, step: float) -> Shapes:
    """A house every `step` metres along the streets, on a plot of its own; many with a paved yard and a wing behind."""
    parts = [part.exterior for part in shapely.get_parts(shapely.buffer(block, -14)) if not part.is_empty]
    if not parts:
        return []
    places = [np.arange(rng.uniform(0, step), ring.length, step) for ring in parts]
    points = np.concatenate([shapely.get_coordinates(shapely.line_interpolate_point(ring, place)) for ring, place in zip(parts, places, strict=True)])
    ahead = np.concatenate(
        [shapely.get_coordinates(shapely.line_interpolate_point(ring, place + 2)) for ring, place in zip(parts, places, strict=True)]
    )
    built = rng.random(len(points)) < 0.86
    points, ahead = points[built], ahead[built]
    count = len(points)
    angle = np.arctan2(ahead[:, 1] - points[:, 1], ahead[:, 0] - points[:, 0])
    behind = np.stack([-np.sin(angle), np.cos(angle)], 1)
    paved, winged = rng.random(count) < 0.55, rng.random(count) < 0.5
    shapes = np.concatenate(
        [
            _rectangles(points, angle, step * 0.95, 44.0),
            _rectangles(points + 4, angle, rng.uniform(12, 18, count), rng.uniform(14, 24, count))[paved],
            _rectangles(points, angle, rng.uniform(10, 15, count), rng.uniform(9, 13, count)),
            _rectangles(points + 9 * behind, angle, 6.0, rng.uniform(8, 22, count))[winged],
        ]
    )
    numbers = np.concatenate([rng.choice(gardens, count), rng.choice(yards, paved.sum()), rng.choice(roofs, count), rng.choice(roofs, winged.sum())])
    shapely.prepare(block)
    outside = ~shapely.contains_properly(block, shapes)
    shapes[outside] = shapely.intersection(shapes[outside], block)
    return [(shape, int(number)) for shape, number in zip(shapes, numbers, strict=True) if not shape.is_empty]


def _halls(rng: np.random.Generator, block: shapely.Polygon, halls: np.ndarray) -> Shapes:
    corners = shapely.get_coordinates(shapely.oriented_envelope(block))
    side = corners[1] - corners[0]
    angle = float(np.arctan2(side[1], side[0]))
    inner = shapely.buffer(block, -10)
    if inner.is_empty:
        return []
    count = int(rng.integers(1, 4))
    west, north, east, south = inner.bounds
    middles = np.stack([rng.uniform(west, east, count), rng.uniform(north, south, count)], 1)
    shapes = shapely.intersection(_rectangles(middles, np.full(count, angle), rng.uniform(28, 80, count), rng.uniform(20, 45, count)), inner)
    return [(shape, int(rng.choice(halls))) for shape in shapes if shape.area > 200]


def farms(seed: int, division: Division, keep_out: shapely.Geometry, objects: ObjectTable, count: int) -> tuple[Shapes, Shapes]:
    """Lonely farmsteads beside tracks: a yard with a few long roofs."""
    rng = stream(seed, "farms")
    grounds, roofs = objects.add("yard", 8), np.concatenate([objects.add("red roof", 8), objects.add("grey roof", 8)])
    ground: Shapes = []
    standing: Shapes = []
    for number in rng.permutation(len(division.tracks))[:count]:
        track = division.tracks[number]
        spot = track.interpolate(rng.uniform(0.2, 0.8), normalized=True)
        x, y = spot.x + rng.normal(0, 6), spot.y + rng.normal(0, 6) + 34
        angle = rng.uniform(0, np.pi)
        yard = _rectangles(np.array([[x, y]]), np.array([angle]), rng.uniform(40, 75), rng.uniform(35, 55))[0]
        if yard.intersects(keep_out):
            continue
        ground.append((yard, int(rng.choice(grounds))))
        count = int(rng.integers(2, 5))
        barns = _rectangles(
            np.array([x, y]) + rng.uniform(-16, 16, (count, 2)), np.full(count, angle), rng.uniform(16, 34, count), rng.uniform(9, 14, count)
        )
        standing += [(barn, int(rng.choice(roofs))) for barn in barns]
    return ground, standing
