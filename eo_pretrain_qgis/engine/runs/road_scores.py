"""Roads of test tiles judged as lines: with a tolerance, against the labels and another source, and what is found that the map of roads lacks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any, ClassVar

import numpy as np

from ...errors import DataError
from ...progress import SILENT, Progress
from ..datasets.dataset import IGNORE, Dataset
from ..datasets.source_images import has_places, window_of
from ..mapping.inference import Part
from ..measures.bootstrap import Resamples
from ..rasters.grid import Grid, Window
from ..themes.roads.accuracy import Lines, RoadCounts, road_scores
from ..themes.roads.labels import ROAD
from ..themes.roads.reference_lines import ReferenceLines
from .blocks import Blocks
from .mosaics import Mosaic, Mosaics, touching
from .subsets import Grouping

#: Distances that still match [px].
TOLERANCES = (1, 3)
#: Against what roads are held.
LABELS, REFERENCE = 0, 1
#: Tiles answered for at once.
AT_ONCE = 8
FIGURES = ("precision", "recall", "f1", "quality")


@dataclass
class RoadMosaic(Mosaic):
    """A mosaic with its roads.

    Attributes:
        labels: 1 road, 0 none, 255 neither, uint8 (y, x).
        covered: where there are tiles, bool (y, x).
        other: lines of another source, bool (y, x), and where it reaches; None without one.
        mapped: where a model says road, bool (y, x).
    """

    labels: np.ndarray
    covered: np.ndarray
    other: tuple[np.ndarray, np.ndarray] | None
    mapped: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        self.mapped = np.zeros(self.labels.shape, bool)


@dataclass(frozen=True)
class Unmapped:
    """Pixels of centre lines that a model found where the labels have no road within the largest tolerance.

    Attributes:
        scene: image of each (n,).
        cols: column of each in its image (n,).
        rows: row of each (n,).
        tiles: position of the tile of each (n,).
        known: whether the other source has a road there (n,); None without one, or where it does not reach.
    """

    scene: np.ndarray
    cols: np.ndarray
    rows: np.ndarray
    tiles: np.ndarray
    known: np.ndarray


class RoadMosaics(Mosaics):
    """The roads of some tiles, and what models say of them.

    Args:
        dataset: of the theme "roads".
        tiles: positions (n,).
        reference: lines of another source; None for none.

    Raises:
        DataError: no line of the other source lies on the tiles.
    """

    name: ClassVar[str] = "roads"

    def __init__(self, dataset: Dataset, tiles: np.ndarray, reference: ReferenceLines | None = None) -> None:
        self.tiles, self.reference = tiles, reference
        self.road = [row.value for row in dataset.classes].index(ROAD.value)
        super().__init__(dataset, [self._mosaic(dataset, mosaic) for mosaic in touching(dataset, tiles)])
        if reference and not any((region.other[0] & region.covered).any() for region in self.regions):
            raise DataError(f"No line of {reference.path} lies on the tiles that are measured, so nothing can be compared with it. Choose a layer of "
                            "this place, or check its coordinate system.")

    def _mosaic(self, dataset: Dataset, mosaic: Mosaic) -> RoadMosaic:
        size = (mosaic.window.height, mosaic.window.width)
        other = self.reference.on(grid_of(dataset, mosaic.scene), mosaic.window) if self.reference else None
        region = RoadMosaic(mosaic.scene, mosaic.window, mosaic.tiles, np.full(size, IGNORE, np.uint8), np.zeros(size, bool), other)
        for tile in mosaic.tiles:
            place, labels = region.place(window_of(dataset, int(tile))), dataset.labels(np.array([tile]))[0]
            region.labels[place] = np.where(labels == IGNORE, IGNORE, labels == self.road)
            region.covered[place] = True
        return region

    def hear(self, region: RoadMosaic, window: Window, part: Part, inside: tuple[slice, slice]) -> None:
        """See `Mosaics`."""
        region.mapped[region.place(window)] = part.winner[0][inside] == self.road

    def counted(self) -> np.ndarray:
        """Counts of what was said last, in each tile, int64 (tile, against, tolerance, 4); see `RoadCounts` for the last axis."""
        return self._sums(lambda region: region.mapped)

    def of_labels(self) -> np.ndarray:
        """The same of the labels themselves."""
        return self._sums(lambda region: region.labels == 1)

    def of_answers(self, ask: Callable[[np.ndarray], np.ndarray], progress: Progress = SILENT) -> np.ndarray:
        """The same of what a baseline says tile by tile: classes (n, y, x), or scores (n, class, y, x). What was heard before is kept."""
        said = [region.mapped for region in self.regions]
        for done, region in enumerate(self.regions):
            region.mapped = np.zeros(region.labels.shape, bool)
            for chosen in np.array_split(region.tiles, -(-len(region.tiles) // AT_ONCE)):
                progress.at(done / len(self.regions), "Looking for roads")
                answers = ask(chosen)
                for tile, own in zip(chosen, answers.argmax(1) if answers.ndim == 4 else answers, strict=True):
                    region.mapped[region.place(window_of(self.dataset, int(tile)))] = own == self.road
        found = self.counted()
        for region, before in zip(self.regions, said, strict=True):
            region.mapped = before
        return found

    def _sums(self, roads: Callable[[RoadMosaic], np.ndarray]) -> np.ndarray:
        counts = np.zeros((len(self.tiles), 2 if self.reference else 1, len(TOLERANCES), 4), np.int64)
        row_of = {int(tile): row for row, tile in enumerate(self.tiles)}
        for region in self.regions:
            judged = region.labels != IGNORE
            held = [(Lines.of(region.labels == 1, roads(region) & judged), judged)]
            if region.other:
                line, reach = region.other
                held.append((Lines.of(line, roads(region) & region.covered), reach & region.covered))
            for against, (lines, counting) in enumerate(held):
                for place, tolerance in enumerate(TOLERANCES):
                    found = lines.counted(tolerance, counting)
                    for tile in region.tiles:
                        rows, cols = region.place(window_of(self.dataset, int(tile)))
                        counts[row_of[int(tile)], against, place] = found[:, rows, cols].sum((1, 2))
        return counts

    def unmapped(self) -> Unmapped:
        """What the model that was heard last found and the labels lack."""
        parts: list[tuple[np.ndarray, ...]] = []
        for region in self.regions:
            judged = region.labels != IGNORE
            lines = Lines.of(region.labels == 1, region.mapped & judged)
            rows, cols = np.nonzero(lines.mapped & judged & (lines.from_true > max(TOLERANCES)))
            known = np.full(len(rows), None, object)
            if region.other and len(rows):
                line, reach = region.other
                near = Lines.of(line, np.zeros(line.shape, bool), thin=False).from_true[rows, cols] <= max(TOLERANCES)
                known[reach[rows, cols]] = near[reach[rows, cols]]
            owner = np.zeros(region.labels.shape, np.int64)
            for tile in region.tiles:
                owner[region.place(window_of(self.dataset, int(tile)))] = tile
            parts.append((np.full(len(rows), region.scene, object), cols + region.window.col, rows + region.window.row, owner[rows, cols], known))
        return Unmapped(*(np.concatenate(column) for column in zip(*parts, strict=True))) if parts else Unmapped(*[np.zeros(0, int)] * 5)


def can_count_roads(dataset: Dataset) -> bool:
    """Whether a dataset is of roads and says where its tiles lie."""
    return dataset.theme == "roads" and dataset.kind.pixelwise and has_places(dataset) and ROAD.value in [row.value for row in dataset.classes]


def grid_of(dataset: Dataset, scene: str) -> Grid:
    """On which an image of a dataset lies."""
    facts = next(row for row in dataset.description["scenes"] if row["name"] == scene)
    return Grid(facts["crs"], tuple(facts["transform"]), facts["width"], facts["height"])


def line_figures(counts: np.ndarray, blocks: Blocks, who: str = "") -> dict[str, Any]:
    """Precision, recall, F1 and quality of counted lines, with the interval of each.

    Args:
        counts: of each tile (tile, 4), see `RoadCounts`.
        blocks: of the tiles.
        who: found them.
    """
    found: dict[str, Any] = road_scores(RoadCounts(*counts.sum(0).tolist()))
    each = np.zeros((blocks.count, 4), np.int64)
    np.add.at(each, blocks.of, counts)
    again = Resamples.of(lambda sums: road_scores(RoadCounts(*sums.tolist())), each, who=who)
    return found | {"intervals": {name: again.interval(itemgetter(name)) for name in FIGURES}}


def road_facts(counts: dict[str, np.ndarray], labels: np.ndarray | None, blocks: Blocks, groupings: list[Grouping], pixel_m: float
               ) -> dict[str, Any]:
    """The figures of roads as plain values.

    Args:
        counts: of the model and each baseline, see `RoadMosaics.counted`.
        labels: of the labels held against another source; None without one.
        blocks: of the tiles.
        groupings: of the tiles, of which the completeness of the map is taken.
        pixel_m: size of a pixel [m].
    """
    def of(rows: np.ndarray, against: int, who: str = "") -> list[dict[str, Any]]:
        return [line_figures(rows[:, against, place], blocks, who) for place in range(len(TOLERANCES))]

    facts: dict[str, Any] = {"tolerances_px": list(TOLERANCES), "tolerances_m": [round(pixel_m * px, 2) for px in TOLERANCES],
                             "methods": {who: of(rows, LABELS, who) for who, rows in counts.items()}, "by_completeness": []}
    for one in groupings:
        if one.name == "completeness":
            facts["by_completeness"] = [{"name": name, "tiles": int((one.of == group).sum()), **{
                who: road_scores(RoadCounts(*rows[one.of == group, LABELS, 0].sum(0).tolist())) for who, rows in counts.items()}}
                for group, name in enumerate(one.names)]
    if labels is not None:
        true_px = int(labels[:, REFERENCE, 0, 2].sum())
        facts["reference"] = {"line_km": round(true_px * pixel_m / 1000, 3), "labels": of(labels, REFERENCE),
                              **{who: of(rows, REFERENCE, who) for who, rows in counts.items()}}
    return {"roads": facts}
