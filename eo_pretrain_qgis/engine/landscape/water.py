"""Water: one river with a varying width, brooks that follow the valleys down to it, lakes and ponds in low places."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely
from scipy.ndimage import binary_dilation
from skimage.graph import MCP_Geometric

from .noise import Box, Field, stream
from .terrain import STEP, Terrain


@dataclass
class Water:
    """Shapes in landscape metres."""

    course: shapely.LineString
    river: shapely.Geometry
    lakes: list[shapely.Polygon]
    brooks: list[shapely.LineString]


def blob(rng: np.random.Generator, x: float, y: float, radius: float, roughness: float = 0.25, stretch: float = 1.5) -> shapely.Polygon:
    """A rounded random shape about a point, longer than wide, with an area of about that of a circle of `radius`
    metres.
    """
    angle = np.linspace(0, 2 * np.pi, 73)[:-1]
    waves = sum(rng.normal(0, roughness / k) * np.cos(k * angle + rng.uniform(0, 2 * np.pi)) for k in range(2, 7))
    reach, turn = radius * np.exp(waves), rng.uniform(0, np.pi)
    across, along = reach * np.cos(angle) * stretch**0.5, reach * np.sin(angle) / stretch**0.5
    points = np.stack([x + across * np.cos(turn) - along * np.sin(turn), y + across * np.sin(turn) + along * np.cos(turn)], 1)
    return shapely.Polygon(points).buffer(0)


def smooth(points: np.ndarray, rounds: int) -> np.ndarray:
    """Rounds off a line (n, 2); its ends stay."""
    points = points.astype(float)
    for _ in range(rounds):
        points[1:-1] = (points[:-2] + 2 * points[1:-1] + points[2:]) / 4
    return points


def make_water(seed: int, terrain: Terrain) -> Water:
    """Lays water into the terrain."""
    course = shapely.LineString(terrain.river)
    place = np.arange(len(terrain.river)) * 20.0
    bank = Field(stream(seed, "river width"), Box(-100, 0, place[-1] + 200, 1), 900, 2)
    half = np.clip(29 + 9 * bank.grid(place, np.array([0.5]))[0], 16, 48)
    links = shapely.linestrings(np.stack([terrain.river[:-1], terrain.river[1:]], 1))
    river = shapely.union_all(shapely.buffer(links, (half[:-1] + half[1:]) / 2, quad_segs=4))
    return Water(course, river, _lakes(seed, terrain, river), _brooks(seed, terrain, course))


def _lakes(seed: int, terrain: Terrain, river: shapely.Geometry) -> list[shapely.Polygon]:
    rng = stream(seed, "lakes")
    image = terrain.image
    wanted = max(3, round(image.area / 6e6))
    spots = np.stack([rng.uniform(image.west, image.east, 40 * wanted), rng.uniform(image.north, image.south, 40 * wanted)], 1)
    rows, columns = terrain.cells(spots)
    depth = terrain.heights[rows, columns] + 400 * terrain.slope()[rows, columns] + rng.normal(0, 12, len(spots))
    lakes: list[shapely.Polygon] = []
    boxes = np.zeros((wanted, 4))
    shapely.prepare(river)
    for x, y in spots[np.argsort(depth)]:
        radius = float(np.clip(rng.lognormal(4.7, 0.75), 30, 0.06 * (image.east - image.west)))
        if len(lakes) == 0:
            radius = max(radius, min(330.0, 0.05 * (image.east - image.west)))
        shape = blob(rng, x, y, radius)
        west, north, east, south = shape.bounds
        gaps = np.maximum(boxes[:, :2] - (east, south), (west, north) - boxes[:, 2:]).max(1)[: len(lakes)]
        near = np.flatnonzero(gaps <= 700)  # the others are farther away than that, whatever their shapes
        if all(shape.distance(lakes[other]) > 700 for other in near) and not shapely.dwithin(river, shape, 90.0):
            boxes[len(lakes)] = shape.bounds
            lakes.append(shape)
        if len(lakes) == wanted:
            break
    return lakes


def _brooks(seed: int, terrain: Terrain, course: shapely.LineString) -> list[shapely.LineString]:
    """Least-cost ways down to the river from random places, where height costs: they join in the valleys."""
    rng = stream(seed, "brooks")
    cost = (np.exp((terrain.heights - terrain.heights.min()) / 18) + 3) * rng.uniform(0.5, 2.5, terrain.heights.shape)
    ways = MCP_Geometric(cost)
    rows, columns = terrain.cells(np.asarray(course.coords))
    ways.find_costs(sorted(set(zip(rows.tolist(), columns.tolist(), strict=True))))
    taken = np.zeros(cost.shape, bool)
    taken[rows, columns] = True
    near = binary_dilation(taken, iterations=8)
    brooks = []
    for _ in range(max(3, round(terrain.image.area / 5e6))):
        start = (int(rng.integers(cost.shape[0])), int(rng.integers(cost.shape[1])))
        way = np.array(ways.traceback(start))[::-1]
        met = np.flatnonzero(taken[way[:, 0], way[:, 1]])
        way = way[met[0] :: -1] if len(met) else way
        if len(way) < 15:
            continue
        if near[way[:, 0], way[:, 1]].mean() > 0.45:
            continue
        taken[way[:, 0], way[:, 1]] = True
        for row, column in way:
            near[max(row - 8, 0) : row + 9, max(column - 8, 0) : column + 9] = True
        points = np.stack([terrain.box.west + (way[:, 1] + 0.5) * STEP, terrain.box.north + (way[:, 0] + 0.5) * STEP], 1)
        points[1:-1] += rng.normal(0, 22, (len(points) - 2, 2))
        brooks.append(shapely.LineString(smooth(points, 2)))
    return brooks
