"""How blocks of a map are read, computed and written at the same time, how many are held meanwhile, and how fast it goes."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

#: Blocks read ahead and waiting to be written, with a memory setting as large as a block; and the most of all kinds.
SPARE, BEHIND, MOST_BLOCKS = 2, 2, 32
_T = TypeVar("_T")
_R = TypeVar("_R")


def in_flight(readers: int, tile_size: int, block: int) -> tuple[int, int, int]:
    """How many blocks are read at once, wait to be computed, and wait to be written; by a memory setting that is the edge of a tile."""
    blocks = min(MOST_BLOCKS, max(1, (readers + SPARE + BEHIND) * tile_size**2 // block**2))
    behind = min(BEHIND, (blocks - 1) // 2)
    readers = min(readers, blocks - behind)
    return readers, blocks - behind - readers, behind


def ahead(function: Callable[[_T], _R], items: Iterable[_T], threads: int, spare: int = SPARE, wait: Callable[[Future[_R]], _R] = Future.result
          ) -> Generator[_R, None, None]:
    """Yields function(item) in order, computed by other threads at most `threads + spare` items ahead of the consumer.

    An error comes up where its result would have; `wait` gives a result once it is there. Closing the generator drops what has not begun.
    """
    pool = ThreadPoolExecutor(threads, thread_name_prefix="read")
    waiting: deque[Future[_R]] = deque()
    try:
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) >= threads + spare:
                yield wait(waiting.popleft())
        while waiting:
            yield wait(waiting.popleft())
    finally:
        pool.shutdown(cancel_futures=True)


@contextmanager
def writing(take: Callable[..., None], behind: int) -> Iterator[Callable[..., None]]:
    """A function that hands what it is given to `take` in another thread, at most `behind` calls behind.

    An error of `take` comes up at the next call or at the end.
    """
    pool = ThreadPoolExecutor(1, thread_name_prefix="write")
    waiting: deque[Future[Any]] = deque()

    def submit(*given: Any) -> None:
        waiting.append(pool.submit(take, *given))
        while len(waiting) > behind:
            waiting.popleft().result()

    try:
        yield submit
        for future in waiting:
            future.result()
    finally:
        pool.shutdown(cancel_futures=True)


class Pace:
    """How far a run is, and how long it will take at the rate that it has had; blocks of an earlier run are done, and count for no rate.

    Args:
        sizes: of the blocks [px].
        finished: numbers of those of an earlier run.
    """

    def __init__(self, sizes: Sequence[int], finished: Collection[int] = ()) -> None:
        self.sizes, self.began = sizes, time.monotonic()
        self.blocks, self.kept = len(finished), sum(sizes[number] for number in finished)
        self.own = 0

    def keep(self, number: int) -> None:
        """A block of an earlier run was taken over."""
        self.blocks += 1
        self.kept += self.sizes[number]
        self.began = time.monotonic()

    def add(self, number: int) -> None:
        """A block was computed."""
        self.blocks += 1
        self.own += self.sizes[number]

    @property
    def share(self) -> float:
        """Of the pixels, those that are done."""
        return (self.kept + self.own) / max(sum(self.sizes), 1)

    def share_with(self, number: int) -> float:
        """The same when one more block is done."""
        return (self.kept + self.own + self.sizes[number]) / max(sum(self.sizes), 1)

    @property
    def rate(self) -> float:
        """Megapixels per second of this run."""
        return self.own / 1e6 / max(time.monotonic() - self.began, 1e-6)

    def text(self, now: int) -> str:
        """How far it is when `now` blocks are done or under way, such as “Block 12 of 40, 1.23 Mpx/s, 3 min left”."""
        told = f"Block {now} of {len(self.sizes)}"
        if not self.own:
            return told
        left = (sum(self.sizes) - self.kept - self.own) / 1e6 / self.rate
        return f"{told}, {self.rate:.2f} Mpx/s" + (f", {duration(left)} left" if left > 0 else "")


def duration(seconds: float) -> str:
    """A time to come in words, as exactly as anybody wants to know it."""
    if seconds < 60:
        return f"{max(round(seconds), 1)} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
