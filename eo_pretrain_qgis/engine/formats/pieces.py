"""Many small files, read piece by piece in this process or in several, and handed on in their order."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from ...errors import EngineError
from ..scheduling import ahead

#: Files of one piece of work; fewer in all are read in this process, since starting others takes a second.
PIECE, FEW = 1000, 3000
WORKERS = 8


def read_pieces(read: Callable[..., Any], calls: list[tuple], files: int, beat: Callable[[int], None], workers: int | None = None) -> Iterator[Any]:
    """What a function gives for each call, in the order of the calls.

    Args:
        read: a function of a module, which each of the processes loads anew.
        calls: the arguments of each.
        files: number of files in all.
        beat: called twice a second while a result is awaited, with the number of the last call that is done.
        workers: processes; None is one for each core where there are many files, 0 reads in this process.

    Raises:
        EngineError: a process has died.
    """
    if workers is None:
        workers = min(os.cpu_count() or 1, WORKERS) if files > FEW else 0
    if workers == 0:
        for call in calls:
            yield read(*call)
        return
    pool = ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn"))
    done = 0
    results = ahead(lambda call: pool.submit(read, *call), calls, 3 * workers, lambda: beat(max(done - 1, 0)))
    try:
        for values in results:
            yield values
            done += 1
    except BrokenProcessPool as error:
        raise EngineError("A process that reads files has died, most likely for want of memory. Close other programs and run again.") from error
    finally:
        pool.shutdown(cancel_futures=True)
