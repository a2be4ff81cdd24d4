"""Roads drawn on the grid of an image, as every pixel they touch or by the share of the pixel they cover.

Most roads are narrower than a pixel of 10 m. Drawn by the centres of pixels they fall to pieces; “all touched” keeps them whole and a
little too wide, “cover” says how much of each pixel is road.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyproj
import rasterio
import shapely
from rasterio.features import rasterize

from ...datasets.dataset import IGNORE, ClassInfo
from ...datasets.legend import BACKGROUND, Legend
from ...rasters.grid import Grid, Window, blocks, full_turn
from .completeness import CompletenessScreen
from .places import nearest_turn
from .ways import Roads

ROAD = ClassInfo(1, "road", "#d7191c")
ALL_TOUCHED, COVER = "all_touched", "cover"
#: A pixel is divided into this many by this many to measure cover.
FINENESS = 8
#: Edge of the pieces in which cover is measured [px]; 2048 × 2048 fine pixels at a time.
COVER_SIZE = 256
#: Segments of a quarter circle at the ends and bends of a road.
QUARTER_SEGMENTS = 4


@dataclass(frozen=True)
class RoadDrawing:
    """How roads become labels.

    Attributes:
        method: "all_touched" or "cover".
        minimum_cover: share of a pixel from which on it is road, for "cover".
        edge: width of the zone around roads that is neither road nor background [m].
    """

    method: str = ALL_TOUCHED
    minimum_cover: float = 0.3
    edge: float = 0.0


class RoadLabels:
    """Road or background, 255 in the zone around roads and on ways that are to be ignored. See `cutting.Labels`."""

    def __init__(self, roads: Roads, drawing: RoadDrawing, screen: CompletenessScreen | None = None) -> None:
        """Takes the roads, how they are drawn, and what judges whether the map is complete."""
        self.roads, self.drawing, self.screen = roads, drawing, screen
        self.path, self.legend = roads.path, Legend((BACKGROUND, ROAD), {"road": 1}, 0)
        self.facts: dict[str, Any] = {
            "path": roads.path, "layer": roads.facts["layer"], "features": roads.facts["drawn"]["ways"], "drawing": drawing.method,
            "minimum_cover": drawing.minimum_cover if drawing.method == COVER else None, "edge_m": drawing.edge, "unlabelled": "background"}
        self._plane: _Plane | None = None
        self._judged: tuple[Window | None, dict] = None, {}
        self._covered: tuple[Grid, Window, np.ndarray, np.ndarray] | None = None

    def __getstate__(self) -> dict:
        """What was worked out for one grid stays behind when the labels are copied or sent to another process."""
        return {**self.__dict__, "_plane": None, "_judged": (None, {}), "_covered": None}

    def read(self, grid: Grid, window: Window) -> np.ndarray:
        """Labels uint8 (y, x): 0 background, 1 road, 255 neither."""
        return self._labels(grid, window, self._on(grid).touched(window, self.roads.drawn, 0.0))

    def _labels(self, grid: Grid, window: Window, road: np.ndarray) -> np.ndarray:
        """Labels uint8 (y, x) where the pixels that are road are known, bool (y, x)."""
        plane, labels, ignored = self._on(grid), road.astype(np.uint8), ~self.roads.drawn
        if ignored.any():
            labels[plane.touched(window, ignored, 0.0) & ~road] = IGNORE
        if self.drawing.edge:
            near = plane.centred if self.drawing.method == COVER else plane.touched
            labels[near(window, self.roads.drawn, self.drawing.edge) & ~road] = IGNORE
        return labels

    def weight(self, grid: Grid, window: Window, drawn: np.ndarray, image: np.ndarray) -> float:
        """Weight of the tile's loss: below 1, or 0, where the map seems to lack roads."""
        length = self._on(grid).kilometres
        judged: dict[str, Any] = {"road_km": round(length(window), 3)}
        weight = 1.0
        if self.screen is not None:
            built_up, weight = self.screen.judge(grid, window, image, length)
            judged |= built_up
        self._judged = window, judged
        return weight

    def columns(self, grid: Grid, window: Window, drawn: np.ndarray) -> dict[str, Any]:
        """Length of roads in the tile [km] and, where the map is screened, what the screen saw."""
        at, judged = self._judged
        return judged if at == window else {"road_km": round(self._on(grid).kilometres(window), 3)}

    @property
    def theme_facts(self) -> dict[str, Any]:
        """What was drawn, what was left out and how tiles were screened, as plain values."""
        drawing = {key: self.facts[key] for key in ("drawing", "minimum_cover", "edge_m")}
        return {**self.roads.facts, **drawing, "screen": self.screen.facts if self.screen else None}

    def _on(self, grid: Grid) -> _Plane:
        if self._plane is None or self._plane.grid != grid:
            self._plane = _Plane(grid, self.roads)
        return self._plane


class CoverLabels(RoadLabels):
    """Roads whose share of each pixel is kept beside the labels."""

    def read(self, grid: Grid, window: Window) -> np.ndarray:
        """Labels uint8 (y, x): 0 background, 1 road, 255 neither."""
        cover = self.cover(grid, window)
        labels = self._labels(grid, window, cover >= self.drawing.minimum_cover)
        # Tiles are cut from larger pieces: what was drawn for the piece serves `shares` of its tiles.
        self._covered = grid, window, cover, labels
        return labels

    def shares(self, grid: Grid, window: Window) -> np.ndarray:
        """255 · share of background and road, uint8 (2, y, x); both 0 where nothing is known."""
        if self._covered is None or self._covered[0] != grid or self._covered[1].intersection(window) != window:
            self.read(grid, window)
        _, around, cover, labels = self._covered  # type: ignore[misc]
        place = _inside(window, around)
        road = np.rint(255 * cover[place]).astype(np.uint8)
        result = np.stack([255 - road, road])
        result[:, (labels[place] == IGNORE) & (road == 0)] = 0
        return result

    def cover(self, grid: Grid, window: Window) -> np.ndarray:
        """Share of each pixel that is road, float32 (y, x), in steps of a 64th."""
        result = np.zeros((window.height, window.width), np.float32)
        for piece in blocks(window, COVER_SIZE):
            result[_inside(piece, window)] = self._on(grid).cover(piece, self.roads.drawn)
        return result


def make_labels(roads: Roads, drawing: RoadDrawing, screen: CompletenessScreen | None = None) -> RoadLabels:
    """The labels for a way of drawing; with "cover" they have `shares` too."""
    return (CoverLabels if drawing.method == COVER else RoadLabels)(roads, drawing, screen)


def _inside(part: Window, whole: Window) -> tuple[slice, slice]:
    """Where a window lies in the array (y, x) of another."""
    row, col = part.row - whole.row, part.col - whole.col
    return slice(row, row + part.height), slice(col, col + part.width)


class _Plane:
    """Roads in metres from the upper left corner of a grid, x to the right and y down, along its columns and rows.

    Its metres are those on the ground in the middle of the image; towards the border of a scene in degrees that is 100 km high they
    are off by about a hundredth, which for the width of a road is nothing.
    """

    def __init__(self, grid: Grid, roads: Roads) -> None:
        self.grid, self.metres, self.widths = grid, grid.metres_per_pixel(), roads.widths
        (x, y), (a, _, c, _, e, f) = self.metres, grid.transform
        own = np.stack(pyproj.Transformer.from_crs(roads.crs, grid.crs, always_xy=True).transform(*roads.points.T), 1)
        turn, (west, _, east, _) = full_turn(grid.crs), grid.bounds()
        if turn:
            own[:, 0] = nearest_turn(own[:, 0], (west + east) / 2, turn)
        self.lines = roads.moved((own - (c, f)) / (a, e) * (x, y))
        # Far from the images a projection may give no numbers, and a way may seem to reach around the earth; such ways cannot be on them.
        first = roads.starts[:-1]
        self.lines[np.logical_or.reduceat(~np.isfinite(own).all(1), first)] = None
        if turn:
            self.lines[np.maximum.reduceat(own[:, 0], first) - np.minimum.reduceat(own[:, 0], first) > turn / 2] = None
        self._tree = shapely.STRtree(self.lines)

    def touched(self, window: Window, chosen: np.ndarray, further: float) -> np.ndarray:
        """Pixels that roads touch, widened by `further` metres on each side; bool (y, x)."""
        return self._draw(window, chosen, further, 1, True)

    def centred(self, window: Window, chosen: np.ndarray, further: float) -> np.ndarray:
        """Pixels whose centres lie on roads, widened by `further` metres on each side; bool (y, x)."""
        return self._draw(window, chosen, further, 1, False)

    def cover(self, window: Window, chosen: np.ndarray) -> np.ndarray:
        """Share of each pixel that is road, float32 (y, x)."""
        fine = self._draw(window, chosen, 0.0, FINENESS, False)
        return fine.reshape(window.height, FINENESS, window.width, FINENESS).mean((1, 3), dtype=np.float32)

    def kilometres(self, window: Window) -> float:
        """Length of all ways in a window [km]."""
        box = self._box(window, 0.0)
        hits = self._tree.query(shapely.box(*box))
        return float(shapely.length(shapely.clip_by_rect(self.lines[hits], *box)).sum() / 1000)

    def _draw(self, window: Window, chosen: np.ndarray, further: float, fineness: int, touched: bool) -> np.ndarray:
        size = (window.height * fineness, window.width * fineness)
        reach = float(self.widths.max(initial=0.0)) / 2 + further + max(self.metres)
        box = self._box(window, reach)
        hits = self._tree.query(shapely.box(*box))
        hits = np.sort(hits[chosen[hits]])
        # Lines are cut further out than their half width, so that the round ends made there lie outside.
        lines = shapely.clip_by_rect(self.lines[hits], *box)
        shapes = shapely.buffer(lines, self.widths[hits] / 2 + further, quad_segs=QUARTER_SEGMENTS)
        shapes = shapes[~shapely.is_empty(shapes)]
        if not len(shapes):
            return np.zeros(size, bool)
        x, y = (metres / fineness for metres in self.metres)
        transform = rasterio.Affine(x, 0, window.col * self.metres[0], 0, y, window.row * self.metres[1])
        return rasterize(shapes, size, transform=transform, all_touched=touched, dtype="uint8").astype(bool)

    def _box(self, window: Window, reach: float) -> tuple[float, float, float, float]:
        x, y = self.metres
        return (window.col * x - reach, window.row * y - reach, (window.col + window.width) * x + reach, (window.row + window.height) * y + reach)
