"""The roads as a mapper left them: an OpenStreetMap-like layer that lacks some, has no widths for most, and is a few
metres off; and the truth.

What is missing is missing in patches, as volunteers map one village and not the next (Barrington-Leigh and
Millard-Ball 2017, doi 10.1371/journal.pone.0180698). The layer also holds lines that no image shows: tunnels, a
planned bypass, a road under construction, an abandoned railway.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import shapely
import shapely.ops

from .files import write_layer
from .landscape import Landscape
from .noise import Field, stream
from .roads import CLASSES, Road
from .styles import ROADS, TRUE_ROADS

#: Standard deviation in metres of mapped against true positions; junctions move as one.
POSITION_ERROR = 1.6
COLUMNS = ("osm_id", "highway", "name", "ref", "lanes", "width", "surface", "tunnel", "bridge", "layer", "oneway", "covered", "other_tags")


def write_roads(folder: Path, land: Landscape) -> None:
    """Writes ``roads.gpkg`` (as mapped) and ``roads_truth.gpkg`` (all that exist, with true widths and whether they
    are mapped).
    """
    frame = shapely.box(0, 0, land.image.east, land.image.south)
    lines = shapely.intersection(np.array([road.line for road in land.roads]), frame)
    kept = [(road, line) for road, line in zip(land.roads, lines, strict=True) if "LineString" in line.geom_type and line.length > 1]
    roads = [road for road, _ in kept]
    lines = np.array([line for _, line in kept])
    mapped = _mapped(land, roads, lines)
    truth = {
        "highway": [road.highway for road in roads],
        "width": [road.width for road in roads],
        "visible": [not road.tunnel for road in roads],
        "tunnel": [road.tunnel for road in roads],
        "bridge": [road.bridge for road in roads],
        "mapped": mapped.tolist(),
    }
    write_layer(folder / "roads_truth.gpkg", truth, lines, TRUE_ROADS)
    rows = [_tags(land.seed, number, road) for number, road in enumerate(roads) if mapped[number]]
    shapes = list(_shifted(land, lines[mapped]))
    for row, line in _unseen(land, frame):
        rows.append(row)
        shapes.append(line)
    columns = {name: [row.get(name) for row in rows] for name in COLUMNS}
    write_layer(folder / "roads.gpkg", columns, np.array(shapes), ROADS)


def _mapped(land: Landscape, roads: list[Road], lines: np.ndarray) -> np.ndarray:
    rng = stream(land.seed, "mapped")
    care = Field(rng, land.terrain.box, 2600, octaves=2)
    middles = shapely.get_coordinates(shapely.line_interpolate_point(shapely.force_2d(_longest(lines)), 0.5, normalized=True))
    patchy = care.at(middles[:, 0], middles[:, 1]) + 0.5 * rng.standard_normal(len(roads))
    # a normal number with standard deviation 1.12 lies below this level as often as roads of the class are missing
    level = 1.12 * np.array([_quantile(CLASSES[road.highway].missing) for road in roads])
    through = np.array([road.tunnel or road.bridge for road in roads])
    return through | (patchy > level)


def _quantile(share: float) -> float:
    """Standard normal quantile for shares of 0 to 0.5 (Abramowitz and Stegun 26.2.23, error below 0.0005)."""
    if share <= 0:
        return -99.0
    t = np.sqrt(-2 * np.log(share))
    return float(-(t - (2.515517 + 0.802853 * t + 0.010328 * t**2) / (1 + 1.432788 * t + 0.189269 * t**2 + 0.001308 * t**3)))


def _longest(lines: np.ndarray) -> np.ndarray:
    return np.array([max(shapely.get_parts(line), key=lambda part: part.length) for line in lines])


def _shifted(land: Landscape, lines: np.ndarray) -> np.ndarray:
    rng = stream(land.seed, "position")
    east, south = (Field(rng, land.terrain.box, 120) for _ in range(2))

    def move(points: np.ndarray) -> np.ndarray:
        return points + POSITION_ERROR * np.stack([east.at(*points.T), south.at(*points.T)], 1)

    return shapely.simplify(shapely.transform(lines, move), 0.8)


def _tags(seed: int, number: int, road: Road) -> dict[str, object]:
    """Tags of a way. Widths are rare, lanes are given on larger roads, as in the real map."""
    rng = stream(seed, "tags", number)
    kind = CLASSES[road.highway]
    main = road.highway in ("motorway", "motorway_link", "primary", "secondary")
    row: dict[str, object] = {"osm_id": str(900_000_000 + number), "highway": road.highway, "name": road.name or None, "ref": road.ref or None}
    row["width"] = f"{road.width:g}" if rng.random() < 0.12 else None
    row["lanes"] = str(kind.lanes) if main or rng.random() < 0.15 else None
    row["surface"] = kind.surface if rng.random() < 0.6 else None
    row["tunnel"] = "yes" if road.tunnel else None
    row["bridge"] = "yes" if road.bridge else None
    row["layer"] = "-1" if road.tunnel else "1" if road.bridge else None
    row["oneway"] = "yes" if road.oneway else None
    row["other_tags"] = f'"tracktype"=>"grade{rng.integers(1, 5)}"' if road.highway == "track" else None
    return row


def _unseen(land: Landscape, frame: shapely.Polygon) -> list[tuple[dict[str, object], shapely.Geometry]]:
    """Mapped lines that are not in the image and must be left out by whoever makes labels of them."""
    rng = stream(land.seed, "unseen")
    rows = []
    kinds: list[dict[str, object]] = [
        {"highway": "proposed", "other_tags": '"proposed"=>"primary"'},
        {"highway": "construction", "other_tags": '"construction"=>"secondary"'},
        {"highway": "track", "other_tags": '"abandoned"=>"yes"'},
        {"highway": "secondary", "covered": "yes", "layer": "-1", "lanes": "2"},
    ]
    for number, kind in enumerate(kinds):
        site = land.sites[number % len(land.sites)]
        turn, reach = rng.uniform(0, 2 * np.pi), 1.25 * site.radius + 60
        angle = turn + np.linspace(0, 1.8, 24)
        line = shapely.LineString(np.stack([site.x + reach * np.cos(angle), site.y + reach * np.sin(angle)], 1))
        clipped = shapely.intersection(line, frame)
        if "LineString" in clipped.geom_type and clipped.length > 30:
            rows.append(({"osm_id": str(990_000_000 + number), **kind}, clipped))
    square = shapely.Point(land.sites[0].x, land.sites[0].y).buffer(25).exterior
    rows.append(({"osm_id": "990000099", "highway": "pedestrian", "other_tags": '"area"=>"yes"'}, shapely.intersection(square, frame)))
    return [(row, line) for row, line in rows if not line.is_empty]
