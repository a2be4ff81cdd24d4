"""A graph of roads → lines for a map, simplified, that meet in shared points and nowhere else."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import shapely

from ....progress import SILENT, Progress
from ...looks.category_style import Step, color_option, graduated
from ...rasters.grid import Grid
from ...rasters.lengths import lengths_m
from ...rasters.vector import write_layer
from ..polygons import to_map
from .graph import RoadGraph

#: Least and largest confidence of a step of the legend [%], its colour and the width of its lines [mm].
STEPS = ((0, 50, "#fdae61", "0.4"), (50, 70, "#f46d43", "0.5"), (70, 90, "#d73027", "0.6"), (90, 100, "#a50026", "0.7"))
#: Two roads between the same two nodes that are nowhere farther apart than so many times the simplification, or pixels, are one.
SAME = 2.0


@dataclass(frozen=True)
class Tidying:
    """How lines are cleaned.

    Attributes:
        least_m: dead ends, roads by themselves and rings that are shorter are left out [m].
        simplify_m: how far a line may be from the middle of the pixels it follows [m] (Douglas and Peucker 1973).
    """

    least_m: float = 100.0
    simplify_m: float = 10.0


@dataclass(frozen=True)
class RoadLines:
    """Centre lines of roads.

    Attributes:
        shapes: on the plane of `RoadGraph` [m] (n,).
        confidence: mean probability of road along each, bridged gaps included, 0 to 1 (n,).
        widths: of each [m] (n,), in the middle of all of its pixels.
        bridged: length of the gaps in each that were bridged [m] (n,).
    """

    shapes: np.ndarray
    confidence: np.ndarray
    widths: np.ndarray
    bridged: np.ndarray


def tidied(graph: RoadGraph, percent: np.ndarray, pixel_m: tuple[float, float], how: Tidying) -> RoadLines:
    """The lines of a graph.

    Args:
        graph: of the pixels; changed.
        percent: probability of road in percent, above 100 where nothing was measured (y, x).
        pixel_m: size of a pixel (x, y) [m].
        how: see there.
    """
    graph.prune(how.least_m)
    _single(graph, percent, pixel_m, SAME * max(how.simplify_m, *pixel_m))
    graph.dissolve_all()
    edges = [graph.edges[number] for number in sorted(graph.edges, key=lambda number: _order(graph.edges[number].points))]
    drawn = np.array([shapely.LineString(edge.points) for edge in edges], object)
    return RoadLines(_simplified(drawn, how.simplify_m), np.array([along(edge.points, percent, pixel_m) for edge in edges]),
                     np.array([np.median(edge.widths) if len(edge.widths) else np.nan for edge in edges]),
                     np.array([edge.bridged for edge in edges]))


def along(points: np.ndarray, percent: np.ndarray, pixel_m: tuple[float, float]) -> float:
    """Mean probability along a line (n, 2), 0 to 1, seen at every pixel of it; 0 where nothing was measured."""
    steps = shapely.get_coordinates(shapely.segmentize(shapely.LineString(points), min(pixel_m))) / pixel_m
    cols, rows = np.minimum(np.floor(steps).astype(np.int64), np.array(percent.shape[::-1]) - 1).T
    values = percent[rows, cols]
    return float(np.where(values <= 100, values, 0).mean()) / 100


def _order(points: np.ndarray) -> tuple[float, ...]:
    """Sorts lines from the north to the south, by what they are and not by how they were found."""
    first, last = sorted((tuple(points[0][::-1]), tuple(points[-1][::-1])))
    return (*first, *last, len(points))


def _single(graph: RoadGraph, percent: np.ndarray, pixel_m: tuple[float, float], apart: float) -> None:
    """Of roads between the same two nodes that are nowhere farther apart than a distance [m], leaves the surest."""
    beside = defaultdict(list)
    for number, edge in sorted(graph.edges.items()):
        beside[min(edge.start, edge.end), max(edge.start, edge.end)].append(number)
    for numbers in beside.values():
        ranked = sorted(numbers, key=lambda number: -along(graph.edges[number].points, percent, pixel_m)) if len(numbers) > 1 else []
        kept: list[Any] = []
        for number in ranked:
            line = shapely.LineString(graph.edges[number].points)
            if any(shapely.hausdorff_distance(line, other) <= apart for other in kept):
                graph.remove(number)
            else:
                kept.append(line)


def _simplified(lines: np.ndarray, tolerance: float) -> np.ndarray:
    """Lines (n,) with fewer corners and the same ends. Where two would then meet elsewhere, both keep all of theirs."""
    made = shapely.simplify(lines, tolerance) if len(lines) else lines
    while True:
        tree = shapely.STRtree(made)
        meeting = np.concatenate([tree.query(made, predicate=how) for how in ("crosses", "overlaps", "covers")], 1)
        again = np.unique(meeting[:, meeting[0] != meeting[1]])
        again = again[shapely.get_num_coordinates(made[again]) < shapely.get_num_coordinates(lines[again])]
        if not len(again):
            return made
        made[again] = lines[again]


def write_roads(lines: RoadLines, grid: Grid, output: str, more: dict[str, np.ndarray], progress: Progress = SILENT,
                told: dict[str, str] | None = None) -> float:
    """Writes roads as a GeoPackage layer with its style.

    Fields: ``road`` (number from 1), ``length_m`` along the ellipsoid, ``confidence`` in percent, ``width_m``, ``bridged_m``.

    Args:
        lines: see there.
        grid: of the pixels.
        output: the .gpkg to write.
        more: further fields by name, each (n,).
        progress: told when a style of the user's is kept.
        told: metadata of the layer: where it comes from.

    Returns:
        Their length [km].

    Raises:
        DataError: the disk is full.
    """
    shapes = on_map(lines.shapes, grid)
    lengths = lengths_m(shapes, grid.crs)
    table = {"road": np.arange(1, len(shapes) + 1), "length_m": np.round(lengths, 1), "confidence": np.round(100 * lines.confidence, 1),
             "width_m": np.round(lines.widths, 1), "bridged_m": np.round(np.minimum(lines.bridged, lengths), 1), **more}
    steps = [Step(low, high, f"confidence {low} to {high} %", {"line_color": color_option(color), "line_width": width, "capstyle": "round"})
             for low, high, color, width in STEPS]
    write_layer(output, Path(output).stem, geopandas.GeoDataFrame(table, geometry=geopandas.GeoSeries(shapes, crs=grid.crs)),
                graduated("confidence", "line", steps), progress, told, empty="LineString")
    return float(lengths.sum() / 1000)


def on_map(shapes: np.ndarray, grid: Grid) -> np.ndarray:
    """Lines on the plane of `RoadGraph` (n,) in the CRS of the grid."""
    place, pixel_m = to_map(grid), grid.metres_per_pixel()
    return shapely.transform(shapes, lambda points: place(points / pixel_m))


def on_plane(shapes: np.ndarray, grid: Grid) -> np.ndarray:
    """Lines in the CRS of the grid (n,) on the plane of `RoadGraph`."""
    a, _, c, _, e, f = grid.transform
    pixel_m = grid.metres_per_pixel()
    return shapely.transform(shapes, lambda points: (points - (c, f)) / (a, e) * pixel_m)
