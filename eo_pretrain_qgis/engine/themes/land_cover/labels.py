"""Labels from a land-cover map, and which of them to trust: purity, agreement with a second map, distance from borders.

A coarse map says one class for a cell that holds a hundred pixels of Sentinel-2, so part of its labels is wrong by design. What is
kept: cells that are pure by the share of their class among the cells around (or, where a finer second map is given, among its pixels
in the cell), pixels for which the second map says the same, and pixels some metres away from where the class changes. Everything
else gets 255 and is not learned from.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

import numpy as np
from scipy.ndimage import distance_transform_edt

from ....errors import DataError
from ....progress import SILENT, Progress
from ...datasets.dataset import IGNORE
from ...rasters.grid import Grid, Window, blocks
from ...rasters.raster import Raster
from .cover_map import Cover, CoverMap, found_codes
from .known_legends import NO_LABEL, OWN, Code, CoverLegend, codes_of, cover_legend

#: Why a pixel has no label, in the order in which it is asked; tiles.gpkg has the share of each.
KEPT, UNKNOWN, MIXED, DISAGREE, BORDER = range(5)
REASONS = {UNKNOWN: "unknown", MIXED: "mixed", DISAGREE: "disagree", BORDER: "border"}

#: Edge of the windows looked at one after the other [px]: what is known of each pixel of them is in memory.
BLOCK = 1024
#: Farthest that a border is looked for [px], on all sides of such a window.
MOST_BORDER = 1000


@dataclass(frozen=True)
class Filters:
    """Which labels are kept.

    Attributes:
        purity: least share of the class among the cells around, or in the pixel where the map is finer; 0 keeps all.
        border: least distance of a pixel's outer edge from the border of its class [m]; 0 keeps all.
        agreement: "pixel", a second map must say the same there; "cell", it only measures the purity of the cell.
    """

    purity: float = 0.0
    border: float = 0.0
    agreement: str = "pixel"


@dataclass(frozen=True)
class MapChoice:
    """A map, how its codes are read, and which classes they make.

    Attributes:
        source: a raster value of a job.
        legend: of `known_legends.NAMES`, or "own".
        table: path of a legend CSV, or None.
        grouped: whether codes are put together to the common groups.
        unknown: "refuse" or "ignore" codes that the legend does not know.
        every_class: whether classes that do not occur here are kept.
    """

    source: dict
    legend: str = OWN
    table: str | None = None
    grouped: bool = True
    unknown: str = "refuse"
    every_class: bool = False


def open_land_cover(choice: MapChoice, grids: list[Grid], *, soft: bool = False, filters: Filters | None = None,
                    second: MapChoice | None = None, progress: Progress = SILENT) -> LandCoverLabels:
    """Reads what a land-cover map says of some images, as far as labels need it.

    Args:
        choice: the map.
        grids: of the images.
        soft: whether the shares of all classes are kept besides the class of each pixel.
        filters: which labels are kept; None keeps all.
        second: another map that must agree.
        progress: also hears what was ignored.

    Raises:
        DataError: a map that misses the images, unknown codes, fewer than two classes, or a distance from borders of too many pixels.
    """
    filters = filters or Filters()
    size = min(min(grid.metres_per_pixel()) for grid in grids)
    if filters.border > MOST_BORDER * size:
        raise DataError(f"The least distance from a border of classes is {filters.border:g} m, more than {MOST_BORDER} pixels of {size:g} m. "
                        f"Choose at most {MOST_BORDER * size:g} m.")
    raster = Raster(**{key: value for key, value in choice.source.items() if key not in ("layer", "field")})
    found = found_codes(raster, grids, progress.part(0, 0.6))
    codes = codes_of(raster, choice.legend, choice.table, found, progress)
    legend = cover_legend(codes, found, f"The map {raster.path}", grouped=choice.grouped, unknown=choice.unknown, every_class=choice.every_class,
                          progress=progress)
    cover = CoverMap(raster, legend.positions, len(legend.legend.classes))
    other = _second_map(second, grids, codes, legend, choice.unknown, progress.part(0.6, 1)) if second else None
    if filters.purity and not other and not cover.is_finer(grids[0]) and cover.cell_px(grids[0]) <= 1:
        progress.message(f"The cells of {raster.path} are no larger than a pixel of the image, so their purity is that of the 3 × 3 pixels "
                         "around.")
    kind = SoftLandCoverLabels if soft else LandCoverLabels
    labels = kind(cover, legend, filters, other)
    labels.facts.update({"legend": choice.legend, "legend_table": choice.table, "grouped": choice.grouped,
                         "cell_m": [round(size, 3) for size in raster.grid.metres_per_pixel()],
                         "second_map": second.source["path"] if second else None})
    raster.close()
    return labels


def _second_map(choice: MapChoice, grids: list[Grid], codes: list[Code], legend: CoverLegend, unknown: str, progress: Progress) -> CoverMap:
    """The second map with the classes of the first: a code becomes the class that has the same group, or the same name."""
    raster = Raster(**{key: value for key, value in choice.source.items() if key not in ("layer", "field")})
    found = found_codes(raster, grids, progress)
    own = codes_of(raster, choice.legend, choice.table, found, progress)
    strange = [value for value in found if value not in {code.value for code in own}]
    if strange:
        cover_legend(own, found, f"The second map {raster.path}", grouped=True, unknown=unknown, progress=progress)
    # Classes that share a group, such as the forests of a legend that is not grouped, are one to the second map.
    first = {code.value: code.group or code.name for code in codes if code.group != NO_LABEL}
    meaning = {first[value]: position for value, position in reversed(legend.positions.items())}
    other = len(legend.legend.classes)  # what the second map knows and the first does not, which is no agreement
    positions = {code.value: meaning.get(code.group or code.name, other) for code in own if code.group != NO_LABEL}
    if not set(positions.values()) - {other}:
        raise DataError(f"The second map {raster.path} has no class in common with the first: {', '.join(sorted(set(first.values())))}. "
                        "Give both maps legends with the same groups.")
    raster.close()
    return CoverMap(raster, positions, other + 1)


class LandCoverLabels:
    """One class per pixel; 255 where there is none or where it is not to be trusted."""

    def __init__(self, cover: CoverMap, legend: CoverLegend, filters: Filters, second: CoverMap | None) -> None:
        """Takes what `open_land_cover` found."""
        self.map, self.second, self.filters = cover, second, filters
        self.legend, self.path = legend.legend, cover.raster.path
        # Positions whose classes mean the same to the second map have the same number.
        numbers = {meaning: number for number, meaning in enumerate(dict.fromkeys(legend.meanings))}
        self._meaning = np.full(256, 255, np.uint8)
        self._meaning[:len(legend.meanings)] = [numbers[meaning] for meaning in legend.meanings]
        self.facts: dict = {"path": self.path, "kind": "land-cover map", "codes": legend.facts, **asdict(filters), "soft": False}
        self._last: tuple[Grid, Window, np.ndarray] | None = None

    def read(self, grid: Grid, window: Window) -> np.ndarray:
        """Labels (y, x) of a window of an image's grid: positions in the legend, 255 where there is no label."""
        labels, reasons = (np.empty((window.height, window.width), np.uint8) for _ in range(2))
        margin = self._margin(grid)
        for part in blocks(window, BLOCK):
            wide = Window(part.col - margin, part.row - margin, part.width + 2 * margin, part.height + 2 * margin)
            inner = np.s_[margin:margin + part.height, margin:margin + part.width]
            place = np.s_[part.row - window.row:part.row - window.row + part.height, part.col - window.col:part.col - window.col + part.width]
            cover = self._cover(grid, wide)
            reasons[place] = self._reasons(grid, wide, cover)[inner]
            labels[place] = cover.positions[inner]
        self._last = (grid, window, reasons)
        labels[reasons != KEPT] = IGNORE
        return labels

    def columns(self, grid: Grid, window: Window, drawn: np.ndarray) -> dict[str, float]:
        """Shares of the pixels of a tile that have no label, by reason."""
        own = self._last_reasons(grid, window)
        return {name: round(float((own == reason).mean()), 4) for reason, name in REASONS.items()}

    def _last_reasons(self, grid: Grid, window: Window) -> np.ndarray:
        """Why each pixel of a window has no label; most often it lies in the window read last."""
        if self._last is None or self._last[0] != grid or self._last[1].intersection(window) != window:
            self.read(grid, window)
        _, area, reasons = self._last  # type: ignore[misc]
        top, left = window.row - area.row, window.col - area.col
        return reasons[top:top + window.height, left:left + window.width]

    def _cover(self, grid: Grid, window: Window) -> Cover:
        return self.map.cover(grid, window, purity=bool(self.filters.purity))

    def _margin(self, grid: Grid) -> int:
        """How far beyond a window pixels matter to it [px]."""
        border = math.ceil(self.filters.border / min(grid.metres_per_pixel())) + 1 if self.filters.border else 0
        cell = self.map.cell_px(grid) + 1 if self.second and self.filters.purity else 0
        return max(border, cell)

    def _reasons(self, grid: Grid, window: Window, cover: Cover) -> np.ndarray:
        """Why each pixel of a window has no label (y, x), or `KEPT`."""
        filters, reasons = self.filters, np.zeros(cover.positions.shape, np.uint8)
        known = agree = np.ones(reasons.shape, bool)
        if self.second:
            other = self.second.cover(grid, window).positions
            known = other != IGNORE
            agree = known & (self._meaning[other] == self._meaning[cover.positions])
        if filters.border:
            reasons[_near_border(cover.positions, grid.metres_per_pixel(), filters.border)] = BORDER
        if filters.agreement == "pixel":
            reasons[~agree] = DISAGREE
        if filters.purity:
            by_second = self.second is not None and cover.cells is not None
            purity = _share_by_cell(agree, known, cover.cells) if by_second else cover.purity  # type: ignore[arg-type]
            reasons[purity < filters.purity - 1e-6] = MIXED  # type: ignore[operator]
        reasons[cover.positions == IGNORE] = UNKNOWN
        return reasons


class SoftLandCoverLabels(LandCoverLabels):
    """The shares of all classes in each pixel; the hard label is the class with the largest."""

    def __init__(self, cover: CoverMap, legend: CoverLegend, filters: Filters, second: CoverMap | None) -> None:
        """Takes what `open_land_cover` found."""
        super().__init__(cover, legend, filters, second)
        self.facts["soft"] = True

    def shares(self, grid: Grid, window: Window) -> np.ndarray:
        """255 · share of each class (class, y, x) uint8, which add up to 255; all 0 where the pixel has no label."""
        exact = self.map.shares(grid, window) * 255
        whole = np.floor(exact + 1e-3).astype(np.uint8)
        # What rounding down leaves goes to the largest class.
        rest = np.where(exact.sum(0) > 0, 255 - whole.sum(0, dtype=np.int32), 0).astype(np.uint8)
        rows, cols = np.indices(rest.shape)
        whole[exact.argmax(0), rows, cols] += rest
        return whole * (self._last_reasons(grid, window) == KEPT)

    def _cover(self, grid: Grid, window: Window) -> Cover:
        cover, shares = super()._cover(grid, window), self.map.shares(grid, window)
        known = shares.sum(0) > 0
        return Cover(np.where(known, shares.argmax(0), IGNORE).astype(np.uint8), cover.purity, cover.cells)


def _near_border(positions: np.ndarray, metres: tuple[float, float], border: float) -> np.ndarray:
    """Pixels (y, x) whose outer edge lies within `border` metres of a border between two classes; "no label" is no class."""
    edge = np.zeros(positions.shape, bool)
    for one, other in ((np.s_[:, :-1], np.s_[:, 1:]), (np.s_[:-1], np.s_[1:])):
        change = (positions[one] != positions[other]) & (positions[one] != IGNORE) & (positions[other] != IGNORE)
        edge[one] |= change
        edge[other] |= change
    if not edge.any():
        return edge
    x, y = metres
    # A pixel at the border has its outer edge on it: its distance is 0, that of the next one a pixel.
    return distance_transform_edt(~edge, sampling=(y, x)) < border


def _share_by_cell(agree: np.ndarray, known: np.ndarray, cells: np.ndarray) -> np.ndarray:
    """Share of the known pixels of each cell that agree, at each pixel (y, x)."""
    numbers = cells.ravel() + 1
    total = np.bincount(numbers, weights=known.ravel())
    return (np.bincount(numbers, weights=agree.ravel()) / np.maximum(total, 1))[numbers].reshape(cells.shape)
