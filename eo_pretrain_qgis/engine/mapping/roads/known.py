"""Roads of an image beside those of a map: what the map lacks, and what the image does not show."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import geopandas
import numpy as np
import shapely
from scipy.spatial import KDTree

from ....progress import SILENT, Progress
from ...looks.category_style import Category, categorized, color_option
from ...rasters.grid import Grid
from ...rasters.lengths import lengths_m
from ...rasters.vector import on_grid, write_layer
from ...themes.roads.ways import COVERAGE, IGNORED, UNKNOWN_WIDTH, NoRoads, RoadRules, Roads, open_roads
from ...themes.roads.widths import WidthTable
from .layers import NOT_MEASURED
from .lines import along, on_map, on_plane

NEW, UNSEEN = "new", "not seen"
LOOKS = {NEW: ("in the image, not in the roads that are known", "#1a9850"), UNSEEN: ("known, and not seen in the image", "#7b3294")}
#: A layer without classes is taken as it is.
_ALIKE = WidthTable(other=UNKNOWN_WIDTH)
#: Which ways an image should show: of known roads those for motor vehicles but service roads and tracks; of the truth all that datasets draw.
KNOWN, TRUTH = RoadRules(IGNORED, IGNORED, IGNORED, _ALIKE, needed=False), RoadRules(widths=_ALIKE)
#: Lines are compared at places so many pixels apart.
STEP = 0.5


class _Unsaid(Progress):
    """Of reading roads, how far it is, and not what matters for labels alone."""

    def __init__(self, whole: Progress) -> None:
        self.whole = whole

    def cancelled(self) -> bool:
        return self.whole.cancelled()

    def emit(self, event: dict) -> None:
        if event["event"] == "progress":
            self.whole.emit(event)


@dataclass(frozen=True)
class Comparing:
    """How lines are compared.

    Attributes:
        tolerance_m: nearer lines are the same road [m].
        least_m: shorter pieces are not reported [m].
    """

    tolerance_m: float = 20.0
    least_m: float = 100.0


@dataclass(frozen=True)
class KnownRoads:
    """Roads of a layer on the plane of `RoadGraph` [m].

    Attributes:
        lines: all of them (n,).
        expected: which an image should show, bool (n,); of the others nobody asks whether it does.
    """

    lines: np.ndarray
    expected: np.ndarray

    @classmethod
    def open(cls, source: dict, grid: Grid, rules: RoadRules, progress: Progress = SILENT) -> KnownRoads:
        """Reads them from a job's vector value, where a grid is; there may be none on it where `rules` need none.

        Raises:
            DataError: see `open_roads`.
        """
        try:
            roads = open_roads(source, [grid], rules, progress=_Unsaid(progress))
        except NoRoads:
            if rules.needed:
                raise
            progress.message(f"None of the roads of {source['path']} that count lies on the image, so each road of the image counts as new.",
                             level="warning")
            return cls(np.zeros(0, object), np.zeros(0, bool))
        if roads.facts["coverage"] < COVERAGE:
            progress.message(f"The roads of {roads.path} reach over {roads.facts['coverage']:.0%} of the image. Beyond them nothing is known, and "
                             "each road of the image counts as new, or as false. Water and ground without roads are no reason to worry; if there "
                             "are more roads, choose a larger extract.", level="warning")
        return cls.of(roads, grid)

    @classmethod
    def of(cls, roads: Roads, grid: Grid) -> KnownRoads:
        """The part of some roads that lies on a grid."""
        lines = on_plane(on_grid(geopandas.GeoSeries(roads.lines, crs=roads.crs), grid), grid)
        x, y = grid.metres_per_pixel()
        inside = shapely.intersection(lines, shapely.box(0, 0, grid.width * x, grid.height * y))
        parts, owners = shapely.get_parts(inside, return_index=True)
        kept = shapely.get_type_id(parts) == shapely.GeometryType.LINESTRING
        kept &= shapely.length(parts) > 0
        return cls(parts[kept], roads.drawn[owners[kept]])


def near_shares(lines: np.ndarray, others: np.ndarray, tolerance: float, step: float) -> np.ndarray:
    """Share of each line (n,) that lies within a distance of one of the others [m]; places are `step` apart."""
    points, owners = _places(lines, step)
    near = _near(points, others, tolerance, step)
    return np.bincount(owners, near, len(lines)) / np.maximum(np.bincount(owners, minlength=len(lines)), 1)


@dataclass(frozen=True)
class Differences:
    """What roads of an image and known ones do not have in common.

    Attributes:
        lines: on the plane of `RoadGraph` [m] (n,).
        status: `NEW` or `UNSEEN` (n,).
        shares: mean probability of road along each, 0 to 1 (n,).
    """

    lines: np.ndarray
    status: np.ndarray
    shares: np.ndarray


def differences(found: np.ndarray, known: KnownRoads, percent: np.ndarray, pixel_m: tuple[float, float], how: Comparing) -> Differences:
    """Compares lines.

    Args:
        found: lines on the plane of `RoadGraph` (n,).
        known: see there.
        percent: probability of road in percent, 255 where nothing was measured (y, x).
        pixel_m: size of a pixel (x, y) [m].
        how: see there.
    """
    step = STEP * min(pixel_m)
    new = _pieces(found, known.lines, how, step)
    unseen = _pieces(known.lines[known.expected], found, how, step, lambda points: _measured(points, percent, pixel_m))
    pieces = np.concatenate([new, unseen])
    shares = np.array([along(shapely.get_coordinates(piece), percent, pixel_m) for piece in pieces], float)
    return Differences(pieces, np.repeat(np.array([NEW, UNSEEN], object), [len(new), len(unseen)]), shares)


def write_candidates(found: Differences, grid: Grid, output: str | None, progress: Progress = SILENT,
                     told: dict[str, str] | None = None) -> dict[str, float]:
    """Measures what differs, and writes it as a GeoPackage layer with its style.

    Fields: ``status`` (“new” or “not seen”), ``length_m``, ``probability``, the mean along it in percent.

    Args:
        found: see there.
        grid: of the pixels.
        output: the .gpkg to write; None writes none.
        progress: told when a style of the user's is kept.
        told: metadata of the layer: where it comes from.

    Returns:
        Kilometres by status.

    Raises:
        DataError: the disk is full.
    """
    shapes = on_map(found.lines, grid)
    lengths = lengths_m(shapes, grid.crs)
    if output:
        table = {"status": found.status, "length_m": np.round(lengths, 1), "probability": np.round(100 * found.shares, 1)}
        rows = [Category(word, label, {"line_color": color_option(color), "line_width": "0.7"}) for word, (label, color) in LOOKS.items()]
        write_layer(output, Path(output).stem, geopandas.GeoDataFrame(table, geometry=geopandas.GeoSeries(shapes, crs=grid.crs)),
                    categorized("status", "line", rows), progress, told, empty="LineString")
    return {word: float(lengths[found.status == word].sum() / 1000) for word in LOOKS}


def _places(lines: np.ndarray, step: float) -> tuple[np.ndarray, np.ndarray]:
    """Points at most a step apart on lines (m, 2), and the position of the line of each (m,)."""
    return shapely.get_coordinates(shapely.segmentize(lines, step), return_index=True) if len(lines) else (np.zeros((0, 2)), np.zeros(0, np.int64))


def _near(points: np.ndarray, others: np.ndarray, tolerance: float, step: float) -> np.ndarray:
    """Which points (m, 2) lie within a distance of one of some lines, bool (m,)."""
    places, _ = _places(others, step)
    if not len(places) or not len(points):
        return np.zeros(len(points), bool)
    reach = np.hypot(tolerance, step / 2)  # the nearest of places on a line is up to half a step from its nearest point
    return np.isfinite(KDTree(places).query(points, distance_upper_bound=reach * (1 + 1e-9))[0])


def _pieces(lines: np.ndarray, others: np.ndarray, how: Comparing, step: float, seen: Callable[[np.ndarray], np.ndarray] | None = None
            ) -> np.ndarray:
    """Parts of lines that are far from all others and where `seen` says yes to points (m, 2), long enough to be told."""
    points, owners = _places(lines, step)
    far = ~_near(points, others, how.tolerance_m, step)
    if seen is not None:
        far &= seen(points)
    edges = np.flatnonzero((np.diff(owners) != 0) | (np.diff(far.astype(np.int8)) != 0)) + 1
    runs = [run for run in np.split(np.arange(len(points)), edges) if len(run) > 1 and far[run[0]]]
    pieces = shapely.simplify(np.array([shapely.LineString(points[run]) for run in runs], object), 0) if runs else np.zeros(0, object)
    return pieces[shapely.length(pieces) >= how.least_m]


def _measured(points: np.ndarray, percent: np.ndarray, pixel_m: tuple[float, float]) -> np.ndarray:
    """Where something was measured at points (m, 2), bool (m,)."""
    cols, rows = np.clip(np.floor(points / pixel_m).astype(np.int64), 0, np.array(percent.shape[::-1]) - 1).T
    return percent[rows, cols] != NOT_MEASURED
