"""Applies a model to an image of any size: anchored tiles with a discarded halo, read, computed and written at the same time.

A network with pooling is not indifferent to shifts: an untrained U-Net changed 69 % of its classes when its input moved by 9 px.
So tiles lie on one grid, fixed to the first pixel of the image at multiples of the network's stride, whatever the extent and
the tile size, and each result is kept only where the network saw at least `halo` pixels around it. At the border of the image
there is nothing more to see; there the network meets the edge of its input, as it did at the edge of each training tile.
"""

from __future__ import annotations

import math
import os
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import Any, TypeVar

import numpy as np

from ...errors import DataError, JobError
from ...progress import SILENT, Progress
from ..models.package import Package
from ..models.session import Session
from ..rasters.grid import Window
from ..rasters.raster import Scene
from ..waiting import patiently
from .band_matching import Match
from .score_checks import check_scores

#: Share of the range between the 0.1 and 99.9 percentiles of the training pixels by which a value may lie outside unnoticed.
RANGE_MARGIN = 0.1
#: Tiles are computed together up to this many pixels: small tiles alone leave a GPU idle.
BATCH_PIXELS = 1024 * 1024
#: Marks a pixel without a result, among positions of classes and in maps.
NO_CLASS = 255
_T = TypeVar("_T")
_R = TypeVar("_R")


@dataclass(frozen=True)
class Tile:
    """What is kept of one run of the network and what the network sees for it, in pixels of the image.

    Attributes:
        core: the pixels kept; tiles' cores cover the image once.
        seen: the input, around the core; starts and ends at multiples of the stride, so it may end outside the image.
    """

    core: Window
    seen: Window


@dataclass
class Outcome:
    """What a run over an image found.

    Attributes:
        pixels: in the area.
        valid: of these, with a result.
        out_of_range: per band of the model, valid pixels outside the training range.
        device: what the network ran on, said after the run.
        seconds: wall-clock time.
    """

    pixels: int = 0
    valid: int = 0
    out_of_range: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    device: str = ""
    seconds: float = 0.0

    @property
    def valid_share(self) -> float:
        """Share of pixels with a result."""
        return self.valid / self.pixels

    @property
    def out_of_range_shares(self) -> np.ndarray:
        """Per band, the share of valid pixels outside the training range."""
        return self.out_of_range / max(self.valid, 1)

    @property
    def out_of_range_share(self) -> float:
        """The largest of these shares: how foreign the image is to the model."""
        return float(self.out_of_range_shares.max(initial=0))


@dataclass(frozen=True)
class Part:
    """What the network said of a part of the area.

    Attributes:
        window: in pixels of the image.
        scores: probabilities (class, y, x) float32.
        values: what the network saw there (band, y, x) float32, in stored units of the model.
        valid: where all bands were measured (y, x); elsewhere the scores mean nothing.
    """

    window: Window
    scores: np.ndarray
    values: np.ndarray
    valid: np.ndarray


@dataclass(frozen=True)
class _Piece:
    """A tile that was read: `values` (band, y, x) over `tile.seen`, `valid` (y, x) over `target`, counts over `target`."""

    target: Window
    inner: tuple[slice, slice]
    values: np.ndarray
    valid: np.ndarray
    out_of_range: np.ndarray


def anchored_tiles(width: int, height: int, *, tile_size: int, halo: int, stride: int, area: Window | None = None,
                   exact: bool = False) -> list[Tile]:
    """The tiles whose cores touch an area of an image, row by row.

    The layout depends on the image, the tile size and the network alone, never on the area.

    Args:
        width: columns of the image.
        height: rows of the image.
        tile_size: largest edge of what the network sees [px].
        halo: pixels thrown away at each side inside the image; rounded up to a multiple of `stride`.
        stride: pixels by which the network may be shifted without changing its arithmetic.
        area: pixels wanted; None is all.
        exact: the network takes tiles of `tile_size` only, a multiple of `stride`; they may reach beyond the image.

    Raises:
        JobError: when the halo leaves nothing of a tile.
    """
    halo = math.ceil(halo / stride) * stride
    largest = (tile_size - 2 * halo) // stride * stride
    if largest < stride:
        better = "Choose" if exact else f"Choose a tile size of at least {2 * halo + stride} px, or"
        raise JobError(f"A tile of {tile_size} px with a halo of {halo} px on each side leaves nothing to keep. {better} a smaller halo.")
    area = area or Window(0, 0, width, height)
    fixed = tile_size if exact else None
    columns = _spans(width, largest, halo, stride, (area.col, area.col + area.width), fixed)
    rows = _spans(height, largest, halo, stride, (area.row, area.row + area.height), fixed)
    return [Tile(Window(col, row, core_width, core_height), Window(left, top, seen_width, seen_height))
            for row, core_height, top, seen_height in rows for col, core_width, left, seen_width in columns]


def _spans(length: int, largest: int, halo: int, stride: int, area: tuple[int, int], fixed: int | None) -> list[tuple[int, int, int, int]]:
    """Along one axis, (start, size) of each core that touches `area`, from the first to before the last, and of what is seen for it."""
    first, last = area
    count = math.ceil(length / largest)
    core = largest if fixed else math.ceil(length / count / stride) * stride  # evened out, so that the last tile is not mostly outside
    end = math.ceil(length / stride) * stride
    spans = []
    for start in range(first // core * core, last, core):
        left, right = max(0, start - halo), min(end, start + core + halo)
        if fixed:  # moved inwards at the borders, so that it sees the image and not the outside
            left = max(0, min(start - halo, end - fixed))
            right = left + fixed
        spans.append((start, min(core, length - start), left, right - left))
    return spans


def predict(
    package: Package,
    session: Session,
    open_scene: Callable[[], Scene],
    matches: list[Match],
    write: Callable[[Window, np.ndarray, np.ndarray], None],
    *,
    area: Window | None = None,
    tile_size: int = 1024,
    halo: int | None = None,
    progress: Progress = SILENT,
) -> Outcome:
    """Runs a model over an image in memory that does not grow with it.

    Args:
        package: the model.
        session: its network, loaded.
        open_scene: gives a new handle on the image; each reading thread has its own.
        matches: the image's bands for the model's (`band_matching.match_bands`).
        write: called from one other thread for each part of the area with the window in pixels of the image, the position of the most
            probable class (y, x) uint8 with 255 where there is no result, and its probability (y, x) float32.
        area: the pixels wanted; None is the whole image.
        tile_size: largest edge of what the network sees at once [px]; a model of a fixed tile takes its own.
        halo: pixels thrown away at each side of a tile; None is what the model needs.
        progress: told about each tile and asked twice a second whether to stop.

    Returns:
        What was found.

    Raises:
        DataError: when no pixel of the area is valid, or the image cannot be read to the end.
        JobError: when nothing of a tile would be kept.
        ModelError: when the network gives another shape, no numbers or no probabilities, saying where.
    """
    def decide(part: Part) -> None:
        classes, probability = most_probable(part.scores)
        classes[~part.valid] = NO_CLASS
        write(part.window, classes, np.minimum(probability, 1, out=probability))

    return apply(package, session, open_scene, matches, decide, area=area, tile_size=tile_size, halo=halo, progress=progress)


def apply(
    package: Package,
    session: Session,
    open_scene: Callable[[], Scene],
    matches: list[Match],
    take: Callable[[Part], None],
    *,
    area: Window | None = None,
    tile_size: int = 1024,
    halo: int | None = None,
    progress: Progress = SILENT,
) -> Outcome:
    """Runs a model as `predict` does and hands over all scores: `take` is called from one other thread for each part of the area."""
    def checked(part: Part) -> None:
        check_scores(part.scores, part.valid, part.window, grid, package)
        take(part)

    started = time.monotonic()
    readers = 1 if session.device.startswith("cpu") else min(4, os.cpu_count() or 1)
    with ExitStack() as stack:
        scenes = [stack.enter_context(open_scene()) for _ in range(readers)]
        grid, name = scenes[0].grid, scenes[0].name
        area = area or grid.window
        tile_size = package.fixed_tile or (_room(package, tile_size, progress) if halo is None else tile_size)
        tiles = anchored_tiles(grid.width, grid.height, tile_size=tile_size, halo=package.halo if halo is None else halo,
                               stride=package.stride, area=area, exact=package.fixed_tile is not None)
        outcome = Outcome(area.width * area.height, 0, np.zeros(len(matches), np.int64))
        pieces = stack.enter_context(closing(ahead(_Reader(package, matches, scenes, area).read, tiles, readers)))
        submit = stack.enter_context(_writing(checked))
        done = 0
        for batch in _batches(pieces):
            text = f"Tile {done + 1} of {len(tiles)}"
            computed = [piece for piece in batch if piece.valid.any()]
            for piece, scores in zip(computed, _patient(session, computed, progress, done / len(tiles), text), strict=True):
                outcome.valid += int(piece.valid.sum())
                outcome.out_of_range += piece.out_of_range
                submit(piece, scores)
            done += len(batch)
            rate = done / len(tiles) * outcome.pixels / 1e6 / (time.monotonic() - started)
            progress.at(done / len(tiles), f"Tile {done} of {len(tiles)}, {rate:.2f} Mpx/s", mpx_per_second=rate)
    if not outcome.valid:
        raise DataError(f"{name} has no valid pixel in the area to map: all are nodata. Choose another extent, or check the nodata value.")
    outcome.device, outcome.seconds = session.device, time.monotonic() - started
    return outcome


def _room(package: Package, tile_size: int, progress: Progress) -> int:
    """The tile size, or a larger one where nothing of a tile would be left inside the border that the model needs."""
    halo = math.ceil(package.halo / package.stride) * package.stride
    if tile_size >= 2 * halo + package.stride:
        return tile_size
    progress.message(f"Of tiles of {tile_size} px nothing is left inside the border of {halo} px that the model needs, so tiles of {3 * halo} px "
                     "are taken. Give a smaller halo if memory runs out.", level="warning")
    return 3 * halo


class _Reader:
    """Reads tiles and turns them into the network's input; safe in as many threads as there are scenes."""

    def __init__(self, package: Package, matches: list[Match], scenes: list[Scene], area: Window) -> None:
        self.matches, self.area = matches, area
        self.free: SimpleQueue[Scene] = SimpleQueue()
        for scene in scenes:
            self.free.put(scene)
        self.fill = np.asarray(package.fill, np.float32)
        low, high = (np.array([getattr(match.model, name) for match in matches], np.float32) for name in ("p001", "p999"))
        margin = RANGE_MARGIN * (high - low)
        self.low, self.high = low - margin, high + margin

    def read(self, tile: Tile) -> _Piece:
        """Reads one tile; pixels without data get the value the model was told means average."""
        scene = self.free.get()
        try:
            stored, valid = scene.read(tile.seen, [match.position for match in self.matches])
        finally:
            self.free.put(scene)
        target = tile.core.intersection(self.area) or tile.core
        top, left = target.row - tile.seen.row, target.col - tile.seen.col
        inner = np.s_[top:top + target.height, left:left + target.width]
        kept = valid[inner]
        counts = np.zeros(len(self.matches), np.int64)
        if not kept.any():
            return _Piece(target, inner, np.zeros((0, *valid.shape), np.float32), kept, counts)
        values = stored.astype(np.float32)
        for band, match in enumerate(self.matches):
            match.convert(values[band])
            inside = values[band][inner]
            counts[band] = np.count_nonzero(((inside < self.low[band]) | (inside > self.high[band])) & kept)
            values[band][~valid] = self.fill[band]
        return _Piece(target, inner, values, kept, counts)


def ahead(function: Callable[[_T], _R], items: Iterable[_T], threads: int, spare: int = 2) -> Generator[_R, None, None]:
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


def most_probable(scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Position of the largest score, the first of equals, as uint8 (y, x), and that score; from (class, y, x).

    Class by class this is two to three times as fast as `argmax` and `max` over the first axis.
    """
    best = scores[0].copy()
    position = np.zeros(best.shape, np.uint8)
    for index in range(1, len(scores)):
        np.putmask(position, scores[index] > best, index)
        np.maximum(best, scores[index], out=best)
    return position, best


def _batches(pieces: Iterable[_Piece]) -> Iterator[list[_Piece]]:
    """Neighbouring pieces of one shape, together no larger than BATCH_PIXELS."""
    batch: list[_Piece] = []
    for piece in pieces:
        height, width = piece.values.shape[-2:]
        if batch and (piece.values.shape != batch[0].values.shape or (len(batch) + 1) * height * width > BATCH_PIXELS):
            yield batch
            batch = []
        batch.append(piece)
    if batch:
        yield batch


def _patient(session: Session, pieces: list[_Piece], progress: Progress, fraction: float, text: str) -> np.ndarray | tuple[()]:
    """Runs the network so that a large tile can be cancelled and does not look dead."""
    if not pieces:
        return ()
    images = pieces[0].values[None] if len(pieces) == 1 else np.stack([piece.values for piece in pieces])
    return patiently(lambda: session.run(images), session.stop, progress, fraction, text)


@contextmanager
def _writing(take: Callable[[Part], None]) -> Iterator[Callable[[_Piece, np.ndarray], None]]:
    """A function that hands pieces to `take` in another thread, at most two pieces behind.

    An error of `take` comes up at the next call or at the end.
    """
    def finish(piece: _Piece, scores: np.ndarray) -> None:
        inner = (slice(None), *piece.inner)
        take(Part(piece.target, scores[inner], piece.values[inner], piece.valid))

    pool = ThreadPoolExecutor(1, thread_name_prefix="write")
    waiting: deque[Future[Any]] = deque()

    def submit(piece: _Piece, scores: np.ndarray) -> None:
        waiting.append(pool.submit(finish, piece, scores))
        while len(waiting) > 2:
            waiting.popleft().result()

    try:
        yield submit
        for future in waiting:
            future.result()
    finally:
        pool.shutdown(cancel_futures=True)
