"""One run of a model over a scene, for any number of products: blocks are read, computed and written at the same time.

Blocks lie as `blocks.anchored_tiles` has them and each is computed by itself, so that what is computed beside it cannot change its rounding.
"""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Any, Protocol, TypeVar

import numpy as np

from ...errors import DataError, EngineError, ModelError, listed
from ...progress import SILENT, Progress
from ..models.package import Package
from ..models.session import MemoryRanOutError
from ..rasters.grid import Window
from ..waiting import patiently
from .band_matching import Match
from .blocks import Tile
from .reading import Piece, Reader, Source, all_matches
from .request import Canvas, MapRequest, compare_resolution
from .score_checks import check_scores
from .scores import divided, most_probable
from .squares import BLOCK

#: An image of at least so many valid pixels whose band varies less than this share of that range is foreign, too: of reflectance from 0 to 1, say,
#: where digital numbers were learned, no value is too low, because that range ends below 0.
ENOUGH_PIXELS, LEAST_VARIED = 10_000, 0.02
#: Share of a band's pixels outside the training range from which on the user is warned.
WARNED_OUT_OF_RANGE = 0.05
#: Blocks read ahead and waiting to be written, with a memory setting as large as a block; and the most of all kinds.
SPARE, BEHIND, MOST_BLOCKS = 2, 2, 32
_T = TypeVar("_T")
_R = TypeVar("_R")


@dataclass
class Outcome:
    """What a run over an image found.

    Attributes:
        pixels: in the area; squares, where the model answers for these.
        valid: of these, with a result.
        measured: per band of the images, pixels of a result that were measured.
        out_of_range: per band of the images, of these pixels those outside the training range.
        lowest: per band of the images, the smallest of these values.
        highest: per band of the images, the largest.
        device: what the network ran on, said after the run.
        seconds: wall-clock time.
    """

    pixels: int = 0
    valid: int = 0
    measured: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    out_of_range: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    lowest: np.ndarray = field(default_factory=lambda: np.zeros(0, np.float32))
    highest: np.ndarray = field(default_factory=lambda: np.zeros(0, np.float32))
    device: str = ""
    seconds: float = 0.0

    @property
    def valid_share(self) -> float:
        """Share of pixels with a result."""
        return self.valid / self.pixels

    @property
    def out_of_range_shares(self) -> np.ndarray:
        """Per band, the share of measured pixels outside the training range."""
        return self.out_of_range / np.maximum(self.measured, 1)

    @property
    def out_of_range_share(self) -> float:
        """The largest of these shares: how foreign the image is to the model."""
        return float(self.out_of_range_shares.max(initial=0))


@dataclass(frozen=True)
class Part:
    """What the network said of a part of the area.

    Attributes:
        window: in pixels of the image, or in squares, as the canvas has them.
        scores: (class, y, x), or (band, y, x) of another sensor, float32.
        beside: what the model gives besides, by name: float32 (y, x) from 0 to 1.
        further: scores of further targets, by name: float32 (class, y, x).
        values: what the network saw there (band, y, x) float32, in stored units of the model, of its inputs one after the other.
        valid: where what the model needs was measured (y, x); elsewhere the scores mean nothing.
        sensors: of a model of several inputs, which were measured, see `reading.Piece`.
    """

    window: Window
    scores: np.ndarray
    values: np.ndarray
    valid: np.ndarray
    beside: dict[str, np.ndarray] = field(default_factory=dict)
    further: dict[str, np.ndarray] = field(default_factory=dict)
    sensors: np.ndarray | None = None

    def of(self, target: str) -> Part:
        """The same with the scores of a further target; of an empty name the part itself."""
        return replace(self, scores=self.further[target], further={}, beside={}) if target else self

    @cached_property
    def winner(self) -> tuple[np.ndarray, np.ndarray]:
        """Position of the most probable class (y, x) uint8, and its probability (y, x) float32."""
        position, probability = most_probable(self.scores)
        return position, np.minimum(probability, 1, out=probability)


class Product(Protocol):
    """Something that is made of a model's answers.

    Attributes:
        name: in `models.kinds.Kind.products`.
    """

    @property
    def name(self) -> str: ...  # noqa: D102

    def open(self, canvas: Canvas, progress: Progress) -> AbstractContextManager[Callable[[Part], object]]:
        """Gives what takes the parts of the area, from one thread; the product is finished when the context closes without an error."""


class Network(Protocol):
    """What computes blocks, as `models.session.Session` does.

    Attributes:
        device: that it computes on, in words.
    """

    @property
    def device(self) -> str: ...  # noqa: D102

    def run(self, images: dict[str, np.ndarray]) -> np.ndarray:
        """Scores float32 (n, channel, y, x) of images (n, band, y, x) by input, in stored units of the model."""

    def stop(self) -> None:
        """Makes a run under way fail soon; may be called from any thread."""


@dataclass(frozen=True)
class Work:
    """What is to be computed, and from what.

    Attributes:
        sources: the image of each input of the model that has one, in the order of the model.
        tiles: in the order in which they are computed.
        block: largest edge of what the network sees at once [px].
        memory: as many pixels are held as a few tiles of this edge have.
    """

    sources: Mapping[str, Source]
    tiles: list[Tile]
    block: int
    memory: int


def map_scene(model: Package, request: MapRequest, products: Sequence[Product], progress: Progress = SILENT) -> Outcome:
    """Runs a model once over an image, in memory that does not grow with it, and makes all products of what it says.

    Args:
        model: a model, or an ensemble.
        request: what is asked.
        products: to be made.
        progress: told about each block, asked twice a second whether to stop, and warned about the image.

    Raises:
        DataError: the image does not fit the model, holds no valid pixel in the area, is damaged, or the disk is full.
        EngineError: the device cannot be used, or memory ran out; then it says which smaller blocks the model has.
        JobError: a halo leaves nothing of a block, or the model has no smaller blocks.
        ModelError: it cannot give a product, or needs an image more; or the network gives another shape, no numbers or no probabilities,
            saying where.
    """
    require_products(model, products)
    with request.images(model, progress) as images:
        canvas = Canvas.of(model, request, images)
        compare_resolution(model, images.grid, images.first.name, progress)
        tiles = request.tiles(model, images.grid, canvas.squares)
    block = BLOCK if canvas.squares else request.block(model)
    work = Work(images.sources, tiles, block, request.tile_size)
    progress.at(0, f"Loading the model {model.id}")
    try:
        outcome = compute(model.session(request.device, progress=progress), canvas, work, products, progress)
    except (MemoryError, MemoryRanOutError) as error:
        raise _no_memory(model, request, error) from None
    _warn_out_of_range(all_matches(work.sources), outcome, canvas.image, progress)
    return outcome


def require_products(model: Package, products: Sequence[Product]) -> None:
    """Raises ModelError where a model cannot give one of the products."""
    for product in products:
        if product.name not in model.kind.products:
            raise ModelError(f"The model {model.path} gives {model.gives}, of which no {product.name.replace('_', ' ')} can be made. "
                             "Choose another model.")


def _no_memory(model: Package, request: MapRequest, error: Exception) -> EngineError:
    """The sentence for a block that memory does not hold."""
    block = request.block(model)
    if request.small_blocks or model.small_block is None:
        return EngineError(str(error) if isinstance(error, MemoryRanOutError) else
                           f"Memory ran out while mapping in blocks of {block} px. Close other programs, or use a computer with more memory.")
    return EngineError(f"Memory ran out with a block of {block} px, in which the model {model.path} maps. Close other programs, or switch on "
                       f"“Small blocks” (small_blocks): blocks of {model.small_block} px need {(model.small_block / block) ** 2:.0%} of the memory. "
                       "A few pixels may differ then, and the tags of the map say so.")


def compute(network: Network, canvas: Canvas, work: Work, products: Sequence[Product], progress: Progress = SILENT) -> Outcome:
    """Computes blocks one by one and hands what lies in the area of the canvas to the products.

    Raises:
        DataError: no pixel of the area is valid, or the image is damaged, or the disk is full.
        MemoryRanOutError: memory does not hold a block.
        ModelError: the network gives another shape, no numbers or no probabilities, saying where.
    """
    started, model, area, total = time.monotonic(), canvas.model, canvas.area, len(work.tiles)
    readers, spare, behind = in_flight(1 if network.device.startswith("cpu") else min(4, os.cpu_count() or 1), work.memory, work.block)
    bands = len(all_matches(work.sources))
    none = np.zeros(bands, np.int64)
    outcome = Outcome(area.width * area.height, 0, none, none.copy(), np.full(bands, np.inf), np.full(bands, -np.inf))
    with ExitStack() as stack:
        takers = [stack.enter_context(product.open(canvas, progress)) for product in products]

        def hand_out(part: Part) -> None:
            for scores in (part.scores, *part.further.values(), *(other[None] for other in part.beside.values())):
                check_scores(scores, part.valid, part.window, canvas.grid, model)
            for take in takers:
                take(part)

        handles = [[stack.enter_context(source.scene()) for source in work.sources.values()] for _ in range(readers)]
        reader = Reader(model.images, work.sources, handles, canvas.squares.pixels(area) if canvas.squares else area)
        pieces = stack.enter_context(closing(ahead(reader.read, work.tiles, readers, spare)))
        submit = stack.enter_context(_writing(hand_out, behind))
        for done, piece in enumerate(pieces, 1):
            if piece.valid.any():
                told = (network.stop, progress, (done - 1) / total, f"Block {done} of {total}")
                part = _answered(piece, canvas, lambda images: patiently(partial(network.run, by_input(model, images)), *told))  # noqa: B023
                outcome.valid += int(part.valid.sum())
                outcome.measured += piece.counts[0]
                outcome.out_of_range += piece.counts[1]
                outcome.lowest, outcome.highest = np.minimum(outcome.lowest, piece.limits[0]), np.maximum(outcome.highest, piece.limits[1])
                if part.valid.any():
                    submit(part)
            rate = done / total * outcome.pixels / 1e6 / (time.monotonic() - started)
            progress.at(done / total, f"Block {done} of {total}, {rate:.2f} Mpx/s", mpx_per_second=rate)
        if outcome.measured.any() and not outcome.valid and canvas.squares:
            raise DataError(f"{canvas.image} has no square of {canvas.squares.side} px in the area to map of which {canvas.squares.least:.0%} were "
                            "measured. Choose another extent, or check the nodata value.")
        if not outcome.valid:
            raise DataError(f"{canvas.image} has no valid pixel in the area to map: all are nodata. Choose another extent, or check the nodata "
                            "value.")
    outcome.device, outcome.seconds = network.device, time.monotonic() - started
    return outcome


def by_input(model: Package, images: np.ndarray) -> dict[str, np.ndarray]:
    """Images (n, band, y, x) with the bands of all inputs one after the other, as the network takes them."""
    ends = np.cumsum([len(seen.bands) for seen in model.images.values()])[:-1]
    return dict(zip(model.images, np.split(images, ends, axis=1), strict=True))


def _answered(piece: Piece, canvas: Canvas, ask: Callable[[np.ndarray], np.ndarray]) -> Part:
    """What the network, which `ask` asks for images (n, band, y, x), says of what lies in the area."""
    model = canvas.model
    if not canvas.squares:
        inner = (slice(None), *piece.inner)
        scores, further, beside = divided(ask(piece.values[None])[0][inner], model)
        sensors = None if piece.sensors is None else piece.sensors[piece.inner]
        return Part(piece.target, scores, piece.values[inner], piece.valid, dict(zip(model.beside, beside, strict=True)), further, sensors)
    cells, *layers = canvas.squares.answers(piece.tile, piece.values, piece.known, ask)
    inside = cells.intersection(canvas.area) or cells
    top, left = inside.row - cells.row, inside.col - cells.col
    if piece.sensors is not None:
        layers.append(canvas.squares.seen_in(piece.tile, piece.sensors))
    scores, values, valid, *more = (layer[..., top:top + inside.height, left:left + inside.width] for layer in layers)
    scores, further, _ = divided(scores, model)
    return Part(inside, scores, values, valid, further=further, sensors=more[0] if more else None)


def in_flight(readers: int, tile_size: int, block: int) -> tuple[int, int, int]:
    """How many blocks are read at once, wait to be computed, and wait to be written; by a memory setting that is the edge of a tile."""
    blocks = min(MOST_BLOCKS, max(1, (readers + SPARE + BEHIND) * tile_size**2 // block**2))
    behind = min(BEHIND, blocks - 1)
    readers = min(readers, blocks - behind)
    return readers, blocks - behind - readers, behind


def _warn_out_of_range(matches: list[Match], outcome: Outcome, name: str, progress: Progress) -> None:
    """Warns when many values of an image lie outside the range of the training images."""
    odd = [f"{share:.0%} of {match.model.name} ({match.model.p001:.4g} to {match.model.p999:.4g})"
           for match, share in zip(matches, outcome.out_of_range_shares, strict=True) if share > WARNED_OUT_OF_RANGE]
    if odd:
        progress.message(f"Values of {name} lie outside the range of the training images: {', '.join(odd)}. "
                         "Check “Sensor” and “Nodata value”, or train with images like this one.", level="warning")
    flat = [f"{match.model.name} ({low:.4g} to {high:.4g}, learned {match.model.p001:.4g} to {match.model.p999:.4g})"
            for match, low, high, measured in zip(matches, outcome.lowest, outcome.highest, outcome.measured, strict=True)
            if measured >= ENOUGH_PIXELS and high - low < LEAST_VARIED * (match.model.p999 - match.model.p001)]
    if flat:
        progress.message(f"Values of {name} hardly vary beside those of the training images, so the map may be wrong everywhere: {listed(flat, 3)}. "
                         "Check “Sensor”, and whether the image holds reflectance where digital numbers were learned.", level="warning")


def ahead(function: Callable[[_T], _R], items: Iterable[_T], threads: int, spare: int = SPARE) -> Generator[_R, None, None]:
    """Yields function(item) in order, computed by other threads at most `threads + spare` items ahead of the consumer.

    An error comes up where its result would have. Closing the generator drops what has not begun.
    """
    pool = ThreadPoolExecutor(threads, thread_name_prefix="read")
    waiting: deque[Future[_R]] = deque()
    try:
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) >= threads + spare:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


@contextmanager
def _writing(take: Callable[[Part], None], behind: int) -> Iterator[Callable[[Part], None]]:
    """A function that hands parts to `take` in another thread, at most `behind` parts behind.

    An error of `take` comes up at the next call or at the end.
    """
    pool = ThreadPoolExecutor(1, thread_name_prefix="write")
    waiting: deque[Future[Any]] = deque()

    def submit(part: Part) -> None:
        waiting.append(pool.submit(take, part))
        while len(waiting) > behind:
            waiting.popleft().result()

    try:
        yield submit
        for future in waiting:
            future.result()
    finally:
        pool.shutdown(cancel_futures=True)
