"""How well objects such as fields are found in tiles: regions of tiles that touch, and what models say of them, decoded and counted.

Truth are the numbers of objects that the dataset keeps for each pixel. An object that is cut by the border of the tiles counts by its part inside.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any, ClassVar

import numpy as np
from scipy.special import softmax

from ...progress import SILENT, Progress
from ..datasets.dataset import IGNORE, Dataset
from ..datasets.source_images import has_places, window_of
from ..looks import html_page as page
from ..mapping.fields.decoding import BOUNDARY, DISTANCE, INTERIOR, Decoding, fields, from_gradients, middle
from ..mapping.fields.outlines import Shaping
from ..mapping.inference import Part
from ..mapping.products.drawing import percent
from ..measures.bootstrap import Resamples
from ..measures.objects import MATCH, SMALL_HA, count_objects_of, object_scores
from ..rasters.grid import Window
from .blocks import Blocks
from .mosaics import Mosaic, Mosaics, touching

GRADIENTS = "gradients"
#: What finds fields without any learning, in words.
GRADIENT_WORDS = "watershed on gradients"
#: Tiles answered for at once.
AT_ONCE = 8
#: That have intervals.
FIGURES = ("precision", "recall", "f1")


@dataclass
class Region(Mosaic):
    """A mosaic with its objects.

    Attributes:
        truth: numbers of objects uint32 (y, x), 0 for none.
        labelled: where the truth is known, bool (y, x).
        owner: which of the tiles shows a pixel, int32 (y, x).
        inner: what a model says of the middle of fields, see `decoding.middle`, float32 (y, x).
        field: and of interior or boundary.
    """

    truth: np.ndarray
    labelled: np.ndarray
    owner: np.ndarray
    inner: np.ndarray = field(init=False)
    field: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Before another model answers."""
        self.inner, self.field = (np.zeros(self.truth.shape, np.float32) for _ in range(2))

    def counts(self, found: np.ndarray, pixel_ha: float) -> np.ndarray:
        """See `count_objects_of`, of the tiles, and of numbers of found objects (y, x), without those that a map leaves out because they are too
        small.
        """
        large = np.bincount(found.ravel()) * pixel_ha >= Shaping.minimum_ha
        return count_objects_of(self.truth, np.where(large[found], found, 0), self.labelled, pixel_ha, self.owner, len(self.tiles))


class Regions(Mosaics):
    """The regions of some tiles, and what models say of them.

    Args:
        dataset: that numbers its objects.
        tiles: positions (n,).
        how: fields are decoded; None takes what a map takes unless it is told otherwise.
    """

    name: ClassVar[str] = "objects"

    def __init__(self, dataset: Dataset, tiles: np.ndarray, how: Decoding | None = None) -> None:
        super().__init__(dataset, [_region(dataset, mosaic) for mosaic in touching(dataset, tiles)])
        self.tiles, self.row_of = tiles, {int(tile): row for row, tile in enumerate(tiles)}
        self.region_of = {int(tile): region for region in self.regions for tile in region.tiles}
        self.how = how or Decoding()
        names = [row.name for row in dataset.classes]
        self.interior, self.boundary = names.index(INTERIOR), names.index(BOUNDARY)
        x, y = dataset.description["resolution_m"]
        self.pixel_ha = x * y / 1e4

    def hear(self, region: Region, window: Window, part: Part, inside: tuple[slice, slice]) -> None:
        """See `Mosaics`."""
        distance = part.beside.get(DISTANCE)
        self._put(region, window, part.scores[(slice(None), *inside)], None if distance is None else distance[inside])

    def _put(self, region: Region, window: Window, chances: np.ndarray, distance: np.ndarray | None) -> None:
        place = region.place(window)
        layers = middle(chances[self.interior], distance), chances[self.interior] + chances[self.boundary]
        region.inner[place], region.field[place] = (percent(layer).astype(np.float32) / 100 for layer in layers)  # as a map keeps them

    def say(self, tiles: np.ndarray, chances: np.ndarray, distance: np.ndarray | None = None) -> None:
        """Keeps what is said of whole tiles.

        Args:
            tiles: positions (n,).
            chances: of the classes (n, class, y, x).
            distance: see `decoding.middle` (n, y, x); None where a model does not give it.
        """
        for number, tile in enumerate(tiles.tolist()):
            self._put(self.region_of[tile], window_of(self.dataset, tile), chances[number], None if distance is None else distance[number])

    def counted(self) -> np.ndarray:
        """Counts of the fields in what was said last, which is then forgotten, in each tile: int64 (tile, 2, 3), see `count_objects_of`."""
        total = np.zeros((len(self.tiles), 2, 3), np.int64)
        for region in self.regions:
            self._count(total, region, fields(region.inner, np.where(region.labelled, region.field, 0), self.how))
            region.forget()
        return total

    def _count(self, total: np.ndarray, region: Region, found: np.ndarray) -> None:
        total[[self.row_of[int(tile)] for tile in region.tiles]] += region.counts(found, self.pixel_ha)

    def of_answers(self, ask: Callable[[np.ndarray], np.ndarray], progress: Progress = SILENT) -> np.ndarray:
        """The same of what a baseline says tile by tile: classes (n, y, x), or scores before softmax (n, class, y, x)."""
        classes = len(self.dataset.classes)
        for done, region in enumerate(self.regions):
            for chosen in np.array_split(region.tiles, -(-len(region.tiles) // AT_ONCE)):
                progress.at(done / len(self.regions), "Looking for fields")
                answers = ask(chosen)
                chances = softmax(answers, 1) if answers.ndim == 4 else np.moveaxis(np.eye(classes, dtype=np.float32)[answers], -1, 1)
                self.say(chosen, chances)
        return self.counted()

    def of_gradients(self, sensor: str, progress: Progress = SILENT) -> np.ndarray:
        """The same of a watershed on the gradients of the images, which learns nothing."""
        total, info = np.zeros((len(self.tiles), 2, 3), np.int64), self.dataset.sensor_named(sensor)
        for done, region in enumerate(self.regions):
            progress.at(done / len(self.regions), "Looking for fields by gradients")
            image = np.zeros((len(info.bands), *region.truth.shape), np.float32)
            valid = np.zeros(region.truth.shape, bool)
            for tile in region.tiles:
                place = region.place(window_of(self.dataset, int(tile)))
                own = self.dataset.images(np.array([tile]), info.name)
                image[(slice(None), *place)], valid[place] = own[0], info.valid(own)[0]
            self._count(total, region, from_gradients(image, valid))
        return total


def can_count(dataset: Dataset) -> bool:
    """Whether a dataset numbers its objects and says where its tiles lie."""
    return bool(dataset.kind.objects) and dataset.kind.objects in dataset.shards.extras() and has_places(dataset)


def _region(dataset: Dataset, mosaic: Mosaic) -> Region:
    size = (mosaic.window.height, mosaic.window.width)
    region = Region(mosaic.scene, mosaic.window, mosaic.tiles, np.zeros(size, np.uint32), np.zeros(size, bool), np.zeros(size, np.int32))
    for number, tile in enumerate(mosaic.tiles):
        place = region.place(window_of(dataset, int(tile)))
        region.truth[place] = dataset.array(dataset.kind.objects, np.array([tile]))[0]
        region.owner[place] = number
        region.labelled[place] = dataset.labels(np.array([tile]))[0] != IGNORE
    return region


def object_figures(counts: np.ndarray, blocks: Blocks, who: str = "") -> dict[str, Any]:
    """`object_scores`, of large and of small objects each with ``intervals``.

    Args:
        counts: of each tile, see `Regions.counted`.
        blocks: of the tiles.
        who: found them.
    """
    found, each = object_scores(counts.sum(0)), np.zeros((blocks.count, 2, 3), np.int64)
    np.add.at(each, blocks.of, counts)
    again = Resamples.of(object_scores, each, who=who)
    small = Resamples.of(lambda counts: object_scores(counts)["small"], each, who=who)
    return found | {"small": found["small"] | {"intervals": _intervals(small)}, "intervals": _intervals(again)}


def _intervals(again: Resamples[dict]) -> dict[str, list[float] | None]:
    return {name: again.interval(itemgetter(name)) for name in FIGURES}


def object_facts(counts: dict[str, np.ndarray], blocks: Blocks) -> dict[str, Any]:
    """The figures of each method under ``objects``."""
    return {"objects": {who: object_figures(rows, blocks, who) for who, rows in counts.items()}}


def object_sections(facts: dict[str, Any], words: dict[str, str]) -> list[str]:
    """What a report says of the fields that were found; nothing where none were counted. `words` are what methods are called."""
    if "objects" not in facts:
        return []
    called = {**words, GRADIENTS: GRADIENT_WORDS}
    found = {who: row for who, row in facts["objects"].items() if who in called}
    rows = [(called[who], row["objects"], row["found"], *(page.with_interval(row[name], row["intervals"][name]) for name in FIGURES),
             row["small"]["objects"], page.with_interval(row["small"]["f1"], row["small"]["intervals"]["f1"])) for who, row in found.items()]
    return [page.heading("Fields found"),
            page.paragraph(f"A field counts as found where it and a found one share more than {MATCH:.0%} of the pixels that either has. "
                           f"Fields below {SMALL_HA} ha are counted apart. A field that the border of the tiles cuts counts by its part inside, and "
                           "images that cannot be seen again are left out. All methods but the watershed on gradients, which learns nothing, give "
                           "classes of pixels that are drawn in the same way. Intervals are of the blocks above; a field is of the tile that holds "
                       "most of it."),
            page.table(("method", "fields", "found", "precision", "recall", "F1", f"below {SMALL_HA} ha", "F1 of these"), rows)]
