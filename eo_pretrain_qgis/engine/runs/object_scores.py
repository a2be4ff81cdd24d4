"""How well objects such as fields are found in tiles: regions of tiles that touch, and what models say of them, decoded and counted.

Truth are the numbers of objects that the dataset keeps for each pixel. An object that is cut by the border of the tiles counts by its part inside.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
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
from ..measures.objects import MATCH, SMALL_HA, count_objects, object_scores
from ..rasters.grid import Window
from .mosaics import Mosaic, Mosaics, touching

GRADIENTS = "gradients"
#: What finds fields without any learning, in words.
GRADIENT_WORDS = "watershed on gradients"
#: Tiles answered for at once.
AT_ONCE = 8


@dataclass
class Region(Mosaic):
    """A mosaic with its objects.

    Attributes:
        truth: numbers of objects uint32 (y, x), 0 for none.
        labelled: where the truth is known, bool (y, x).
        inner: what a model says of the middle of fields, see `decoding.middle`, float32 (y, x).
        field: and of interior or boundary.
    """

    truth: np.ndarray
    labelled: np.ndarray
    inner: np.ndarray = field(init=False)
    field: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Before another model answers."""
        self.inner, self.field = (np.zeros(self.truth.shape, np.float32) for _ in range(2))

    def counts(self, found: np.ndarray, pixel_ha: float) -> np.ndarray:
        """See `count_objects`, of numbers of found objects (y, x), without those that a map leaves out because they are too small."""
        large = np.bincount(found.ravel()) * pixel_ha >= Shaping.minimum_ha
        return count_objects(self.truth, np.where(large[found], found, 0), self.labelled, pixel_ha)


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

    def counted(self) -> np.ndarray:
        """Counts of the fields in what was said last, which is then forgotten."""
        total = np.zeros((2, 3), np.int64)
        for region in self.regions:
            total += region.counts(fields(region.inner, np.where(region.labelled, region.field, 0), self.how), self.pixel_ha)
            region.forget()
        return total

    def of_answers(self, ask: Callable[[np.ndarray], np.ndarray], progress: Progress = SILENT) -> np.ndarray:
        """Counts of what a baseline says tile by tile: classes (n, y, x), or scores before softmax (n, class, y, x)."""
        classes = len(self.dataset.classes)
        for done, region in enumerate(self.regions):
            for chosen in np.array_split(region.tiles, -(-len(region.tiles) // AT_ONCE)):
                progress.at(done / len(self.regions), "Looking for fields")
                answers = ask(chosen)
                chances = softmax(answers, 1) if answers.ndim == 4 else np.moveaxis(np.eye(classes, dtype=np.float32)[answers], -1, 1)
                for tile, own in zip(chosen, chances):
                    self._put(region, window_of(self.dataset, int(tile)), own, None)
        return self.counted()

    def of_gradients(self, sensor: str, progress: Progress = SILENT) -> np.ndarray:
        """Counts of a watershed on the gradients of the images, which learns nothing."""
        total, info = np.zeros((2, 3), np.int64), self.dataset.sensor_named(sensor)
        for done, region in enumerate(self.regions):
            progress.at(done / len(self.regions), "Looking for fields by gradients")
            image = np.zeros((len(info.bands), *region.truth.shape), np.float32)
            valid = np.zeros(region.truth.shape, bool)
            for tile in region.tiles:
                place = region.place(window_of(self.dataset, int(tile)))
                own = self.dataset.images(np.array([tile]), info.name)
                image[(slice(None), *place)], valid[place] = own[0], info.valid(own)[0]
            total += region.counts(from_gradients(image, valid), self.pixel_ha)
        return total


def can_count(dataset: Dataset) -> bool:
    """Whether a dataset numbers its objects and says where its tiles lie."""
    return bool(dataset.kind.objects) and dataset.kind.objects in dataset.shards.extras() and has_places(dataset)


def _region(dataset: Dataset, mosaic: Mosaic) -> Region:
    size = (mosaic.window.height, mosaic.window.width)
    region = Region(mosaic.scene, mosaic.window, mosaic.tiles, np.zeros(size, np.uint32), np.zeros(size, bool))
    for tile in mosaic.tiles:
        place = region.place(window_of(dataset, int(tile)))
        region.truth[place] = dataset.array(dataset.kind.objects, np.array([tile]))[0]
        region.labelled[place] = dataset.labels(np.array([tile]))[0] != IGNORE
    return region


def object_facts(counts: dict[str, np.ndarray]) -> dict[str, Any]:
    """The figures of each method under ``objects``; nothing where no objects were counted."""
    return {"objects": {who: object_scores(rows) for who, rows in counts.items()}} if counts else {}


def object_sections(facts: dict[str, Any], words: dict[str, str]) -> list[str]:
    """What a report says of the fields that were found; nothing where none were counted. `words` are what methods are called."""
    if "objects" not in facts:
        return []
    called, found = {**words, GRADIENTS: GRADIENT_WORDS}, facts["objects"]
    rows = [(called[who], row["objects"], row["found"], row["precision"], row["recall"], row["f1"], row["small"]["objects"], row["small"]["f1"])
            for who, row in found.items()]
    return [page.heading("Fields found"),
            page.paragraph(f"A field counts as found where it and a found one share more than {MATCH:.0%} of the pixels that either has. "
                           f"Fields below {SMALL_HA} ha are counted apart. A field that the border of the tiles cuts counts by its part inside, and "
                           "images that cannot be seen again are left out. All methods but the watershed on gradients, which learns nothing, give "
                           "classes of pixels that are drawn in the same way."),
            page.table(("method", "fields", "found", "precision", "recall", "F1", f"below {SMALL_HA} ha", "F1 of these"), rows)]
