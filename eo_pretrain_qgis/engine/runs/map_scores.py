"""What a map of a run would say of labelled tiles, counted: computed in blocks of the image they were cut from, as a map is."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import ClassVar

import numpy as np

from ...progress import SILENT, Progress
from ..datasets.dataset import IGNORE, Dataset
from ..datasets.source_images import SourceLostError, has_places, open_again
from ..mapping.band_matching import Match
from ..mapping.blocks import anchored_tiles
from ..mapping.inference import Network, Part, Product, Work, compute
from ..mapping.reading import Source
from ..mapping.request import Canvas
from ..models.package import Package
from ..rasters.grid import Window
from .answers import Answers, OfTiles
from .by_scene import GroupCounts
from .mosaics import Mosaics

#: Memory setting of the run, see `MapRequest`.
MEMORY = 1024


@dataclass
class Scored:
    """Counts, of the labels of some tiles, what the model says of them.

    Attributes:
        dataset: of the tiles, with places.
        tiles: positions (n,), of one image.
        groups: in which they are counted (n,).
        target: name of the target whose classes the labels are of, where the model has several and it is not the main one.
        counts: of the groups.
    """

    name: ClassVar[str] = "scores"
    dataset: Dataset
    tiles: np.ndarray
    groups: np.ndarray
    target: str = ""
    counts: GroupCounts = field(init=False)

    def __post_init__(self) -> None:
        table = self.dataset.tiles.iloc[self.tiles]
        if has_places(self.dataset):  # else its image is not opened
            self.rows, self.cols = table["row"].to_numpy(), table["col"].to_numpy()
        self.counts = GroupCounts(self.dataset, self.tiles, self.groups)

    def within(self, window: Window) -> np.ndarray:
        """Which of the tiles have pixels in a window of the image: numbers in `tiles`."""
        side = self.dataset.tile_size
        return np.flatnonzero((self.rows < window.row + window.height) & (self.rows + side > window.row)
                              & (self.cols < window.col + window.width) & (self.cols + side > window.col))

    @contextmanager
    def open(self, canvas: Canvas, progress: Progress) -> Iterator[Callable[[Part], None]]:
        """Gives what counts the parts of the image."""
        yield self._add

    def _add(self, part: Part) -> None:
        part = part.of(self.target)
        side = self.dataset.tile_size
        for number in self.within(part.window):
            tile = Window(int(self.cols[number]), int(self.rows[number]), side, side)
            both = tile.intersection(part.window)
            if both:
                here = self.tiles[number:number + 1]
                truth, found = self.dataset.labels(here)[0][_inside(both, tile)], part.winner[0][_inside(both, part.window)]
                self.counts.add(here, truth[None], found[None])


def count_map(answers: Answers, tiles: np.ndarray, progress: Progress = SILENT, regions: Mosaics | None = None) -> tuple[np.ndarray, str]:
    """`count_maps` of the main target, all tiles together."""
    counts, sentence = count_maps(answers, tiles, np.zeros(len(tiles), int), progress, regions)
    return counts[0].total(), sentence


def count_maps(answers: Answers, tiles: np.ndarray, groups: np.ndarray, progress: Progress = SILENT, regions: Mosaics | None = None
               ) -> tuple[list[GroupCounts], str]:
    """What a map of each target says of tiles, counted against their labels, and a sentence on what the model saw around them.

    Where the image of a tile cannot be seen again, the tile is seen among its neighbours in the dataset.

    Args:
        answers: of a class for every pixel.
        tiles: positions (n,).
        groups: in which they are counted (n,).
        progress: told of every block.
        regions: of the tiles, which hear what is said of every image, and lose those that cannot be seen again.

    Raises:
        DataError: an image is damaged.
        MemoryRanOutError: memory does not hold a block.
        ModelError: the model gives no numbers.
    """
    dataset = answers.dataset
    model, session = answers.of_images()
    each, done, lost, reasons = answers.each_target(), 0, 0, []
    counts = [GroupCounts(one.dataset, tiles, groups) for one in each]
    names = dataset.tiles["scene"].to_numpy(dtype=str)[tiles] if has_places(dataset) else np.full(len(tiles), "")
    for name in dict.fromkeys(names):
        mine, own = tiles[names == name], groups[names == name]
        part = progress.part(done / len(tiles), (done + len(mine)) / len(tiles))
        done += len(mine)
        scored = [Scored(one.dataset, mine, own, one.dataset.target if number else "") for number, one in enumerate(each)]
        try:
            if regions:
                regions.scene = name
            found = _count_scene(session, model, answers, name, (scored, [regions] if regions else []), part)
        except SourceLostError as error:
            if regions:
                regions.lose(name)
            lost += len(mine)
            reasons.append(str(error))
            found = [count_groups(one, mine, own, 1, part) for one in each]  # one by one, so that a cancel is heard
        for all_of_it, more in zip(counts, found, strict=True):
            all_of_it.take(more)
    return counts, _sentence(lost, len(tiles), reasons)


def count_tiles(answers: OfTiles, tiles: np.ndarray, at_once: int, progress: Progress = SILENT) -> np.ndarray:
    """Counts of what is said of tiles as they are in the dataset."""
    return count_groups(answers, tiles, np.zeros(len(tiles), int), at_once, progress).total()


def count_groups(answers: OfTiles, tiles: np.ndarray, groups: np.ndarray, at_once: int, progress: Progress = SILENT) -> GroupCounts:
    """The same in groups of tiles (n,)."""
    counts, done = GroupCounts(answers.dataset, tiles, groups), 0
    for chosen, truth, answer in answers.of_tiles(tiles, at_once):
        counts.add(chosen, truth, answer)
        done += len(chosen)
        progress.at(done / len(tiles), f"Measured {done} of {len(tiles)} {answers.dataset.kind.pieces}")
    return counts


def _count_scene(session: Network, model: Package, answers: Answers, name: str, asked: tuple[list[Scored], list[Product]],
                 progress: Progress) -> list[GroupCounts]:
    """In the blocks of an image that hold the tiles that are scored, of each target; with more products beside."""
    scored = asked[0][0]
    map_image((model, session), answers, name, scored.tiles, lambda core: len(scored.within(core)) > 0, [*asked[0], *asked[1]], progress)
    for one in asked[0]:
        tiles = one.tiles
        labelled = sum(np.count_nonzero(one.dataset.labels(tiles[number:number + 1]) != IGNORE) for number in range(len(tiles)))
        if one.counts.known.sum() != labelled:
            raise SourceLostError(f"{name} has fewer measured pixels than were kept")
    return [one.counts for one in asked[0]]


def map_image(network: tuple[Package, Network], answers: Answers, name: str, tiles: np.ndarray, wanted: Callable[[Window], bool],
              products: list[Product], progress: Progress) -> None:
    """Computes blocks of an image of a dataset, or of those of two sensors of one place, as a map of them does.

    Args:
        network: see `Answers.of_images`.
        answers: whose dataset has the image; an input that they do not see is hidden from the network.
        name: of the image, or of that of the first sensor.
        tiles: cut from it, some of whose pixels are compared with it (n,).
        wanted: whether a block whose middle is that window is computed.
        products: hear what is said.
        progress: told of every block.

    Raises:
        SourceLostError: one cannot be seen again as it was.
    """
    (model, session), dataset = network, answers.dataset
    sensors = {seen.name: dataset.sensor_of(seen) for seen in answers.seen.each}
    with ExitStack() as stack:
        scenes, sources = [], {}
        for number, (port, sensor) in enumerate(sensors.items()):
            part = progress.part(0.1 * number / len(sensors), 0.1 * (number + 1) / len(sensors))
            scenes.append(stack.enter_context(open_again(dataset, name, tiles, sensor.name, part)))
            bands = [band.name for band in sensor.bands]
            matches = [Match(bands.index(band.name), sensor.bands[bands.index(band.name)], band) for band in model.images[port].bands]
            sources[port] = Source(partial(copy.deepcopy, scenes[-1]), matches)
        grid = scenes[0].grid
        blocks = anchored_tiles(grid.width, grid.height, block=model.block, halo=model.halo, stride=model.stride)
        work = Work(sources, [block for block in blocks if wanted(block.core)], model.block, MEMORY)
        compute(session, Canvas(model, name, grid, grid.window, {}), work, products, progress.part(0.1, 1))


def _sentence(lost: int, tiles: int, reasons: list[str]) -> str:
    if not lost:
        return "The model saw each pixel with what lies around it in its image, as in a map."
    more = f", and {len(reasons) - 1} more images" if len(reasons) > 1 else ""
    return (f"{lost} of {tiles} tiles were seen among their neighbours in the dataset, or their own mirror image where there are none, and not in "
            f"their image: {reasons[0]}{more}. The figures of a map may differ a little.")


def _inside(part: Window, whole: Window) -> tuple[slice, slice]:
    """Rows and columns of a part of a window."""
    top, left = part.row - whole.row, part.col - whole.col
    return slice(top, top + part.height), slice(left, left + part.width)
