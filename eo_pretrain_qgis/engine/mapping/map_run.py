"""A map run from block to block: what an earlier run had finished is taken over, what is computed is written down and put into the products."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from functools import partial
from typing import Any, cast

import numpy as np

from ...errors import DataError
from ...progress import Progress
from ...version import plugin_version
from ..rasters.grid import Window
from ..scheduling import VARIABLE, scheduler
from .blocks import Tile
from .journal import Block, Decided, Journal, Pixels, Run, check_part, checksum, decided, opened
from .pipeline import Pace, writing
from .request import Canvas
from .sharing import Maker, computed_there
from .stamps import Stamps


@dataclass
class Outcome:
    """What a run over an image found.

    Attributes:
        pixels: in the area; squares, where the model answers for these.
        valid: of these, with a result.
        measured: per band of the images, pixels of a result that were measured.
        out_of_range: per band of the images, of these pixels those outside the training range by more than `reading.RANGE_MARGIN`.
        beyond: per band of the images, all of them outside the training range.
        lowest: per band of the images, the smallest of these values.
        highest: per band of the images, the largest.
        device: what the network ran on, said after the run.
        seconds: wall-clock time.
    """

    pixels: int = 0
    valid: int = 0
    measured: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    out_of_range: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    beyond: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    lowest: np.ndarray = field(default_factory=lambda: np.zeros(0, np.float32))
    highest: np.ndarray = field(default_factory=lambda: np.zeros(0, np.float32))
    device: str = ""
    seconds: float = 0.0

    @classmethod
    def of(cls, area: Window, bands: int) -> Outcome:
        """Nothing yet, of an area of images of so many bands."""
        none = np.zeros(bands, np.int64)
        return cls(area.width * area.height, 0, none, none.copy(), none.copy(), np.full(bands, np.inf), np.full(bands, -np.inf))

    def add(self, block: Block) -> None:
        """Adds what was found in a block."""
        self.valid += block.valid
        self.measured += np.array(block.measured, np.int64)
        self.out_of_range += np.array(block.out_of_range, np.int64)
        self.beyond += np.array(block.beyond, np.int64)
        self.lowest, self.highest = np.minimum(self.lowest, block.lowest), np.maximum(self.highest, block.highest)

    @property
    def valid_share(self) -> float:
        """Share of pixels with a result."""
        return self.valid / self.pixels

    @property
    def out_of_range_shares(self) -> np.ndarray:
        """Per band, the share of measured pixels outside the training range.

        A margin excuses some pixels, and not the image: where more than half of them lie outside, all of these count, however near.
        """
        return np.where(2 * self.beyond > self.measured, self.beyond, self.out_of_range) / np.maximum(self.measured, 1)

    @property
    def out_of_range_share(self) -> float:
        """The largest of these shares: how foreign the image is to the model."""
        return float(self.out_of_range_shares.max(initial=0))


#: Blocks of these numbers, in their order, while progress hears of each: its counts and the `inference.Part`, None where nothing is known.
Here = Callable[[Sequence[int], Pace], Generator[tuple[Block, Any], None, None]]


@dataclass(frozen=True)
class Course:
    """The blocks of a run, and who computes them.

    Attributes:
        canvas: of the run.
        tiles: in the order in which they are computed.
        pixels: the area of the map [px].
        bands: of the images, of which the blocks have counts.
        stamps: of the files that are read; without them nothing of a killed run is taken over.
        here: computes blocks in this process.
        behind: parts that wait to be drawn.
        nothing: gives the sentence for an area without a result.
        maker: computes them elsewhere; None where they are not to be sent away.
    """

    canvas: Canvas
    tiles: Sequence[Tile]
    pixels: Window
    bands: int
    stamps: Stamps | None
    here: Here
    behind: int
    nothing: Callable[[Outcome], DataError]
    maker: Maker | None = None

    def run(self, takers: Sequence[Any]) -> Run:
        """What tells whether an earlier run was the same: all that decides over a pixel, and the looks of what is kept of it."""
        canvas, beside = self.canvas, [getattr(taker, "beside", ()) for taker in takers]
        known = bool(self.stamps) and all(files is not None for files in beside)
        facts = [plugin_version(), canvas.tags, canvas.grid, canvas.area, self.tiles, self.stamps, beside,
                 [(getattr(taker, "bands", 0), getattr(taker, "dtype", "")) for taker in takers]]
        return Run(checksum(facts) if known else "", len(self.tiles), self.bands, (canvas.area.height, canvas.area.width))

    def sizes(self) -> list[int]:
        """Pixels of each block in the area."""
        inside = [tile.core.intersection(self.pixels) for tile in self.tiles]
        return [window.width * window.height if window else 0 for window in inside]


def carry_out(course: Course, products: Sequence[Any], progress: Progress) -> Outcome:
    """Computes blocks one by one and hands what lies in the area of the canvas to the products.

    Args:
        course: see there.
        products: see `inference.Product`; finished where a result was found.
        progress: told of every block.

    Raises:
        DataError: no pixel of the area has a result.
    """
    canvas, outcome = course.canvas, Outcome.of(course.canvas.area, course.bands)
    with ExitStack() as stack:
        takers = [stack.enter_context(product.open(canvas, progress)) for product in products]
        journal = stack.enter_context(opened(course.run(takers), takers))
        pace = Pace(course.sizes())
        finished = _taken_over(journal, takers, outcome, pace, progress) if journal else set()
        left = [number for number in range(len(course.tiles)) if number not in finished]
        submit = stack.enter_context(writing(partial(_hand_out, canvas, takers, journal), course.behind))
        found = stack.enter_context(closing(_answers(course, takers, left, pace, progress)))
        for number, (block, part) in zip(left, found, strict=True):
            outcome.add(block)
            submit(block, part)
            pace.add(number)
            progress.at(pace.share, pace.text(pace.blocks), mpx_per_second=pace.rate)
        if not outcome.valid:
            raise course.nothing(outcome)
    return outcome


def _answers(course: Course, takers: Sequence[Any], left: Sequence[int], pace: Pace, progress: Progress
             ) -> Generator[tuple[Block, Any], None, None]:
    """The blocks that are left: of this process, or of the workers of the scheduler that a setting names."""
    shared = course.maker is not None and bool(scheduler())
    if shared and not all(isinstance(taker, Pixels) for taker in takers):
        progress.message(f"{VARIABLE} is set, but what is made here is summed up in one process, so this computer computes it.")
        shared = False
    if not shared:
        yield from course.here(left, pace)
        return
    maker = cast(Maker, course.maker)
    with closing(computed_there(maker, takers, left, lambda: progress.at(pace.share, pace.text(pace.blocks + 1)), progress)) as found:
        for answer in found:
            yield answer.block, answer


def _hand_out(canvas: Canvas, takers: Sequence[Any], journal: Journal | None, block: Block, part: Any) -> None:
    """Gives what is known of a block to the products; and writes down that it is finished."""
    if not all(isinstance(taker, Pixels) for taker in takers):
        if part is not None and block.valid:
            check_part(canvas, part)
            for take in takers:
                take(part)
        return
    found = part if isinstance(part, Decided) else decided(canvas, [taker.values for taker in takers], block, part)
    if journal is not None:
        journal.add(found)
    for taker, layer in zip(takers, found.layers, strict=False):
        taker.put(layer, found.window)


def _taken_over(journal: Journal, takers: Sequence[Any], outcome: Outcome, pace: Pace, progress: Progress) -> set[int]:
    """Draws the blocks once more that a killed run had finished; gives their numbers."""
    path, finished = takers[0].path, set[int]()
    for block, layers in journal.finished():
        progress.at(pace.share, "Taking over what is finished")
        outcome.add(block)
        for taker, layer in zip(takers, layers, strict=False):
            taker.put(layer, Window(*block.window))
        finished.add(block.number)
        pace.keep(block.number)
    if finished:
        progress.message(f"An earlier run of this job had begun {path} and was ended; {len(finished)} of {len(pace.sizes)} blocks were finished and "
                         "are kept.")
    elif journal.foreign:
        progress.message(f"An earlier run of this job had begun {path} and was ended. The images, the model or the plugin have changed since, so "
                         "what it had left was removed.")
    return finished
