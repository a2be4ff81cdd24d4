"""Where pieces of work are computed: in threads of this process, or by the workers of a Dask scheduler that a setting names.

Threads and not processes: almost all of the time goes into GDAL's decoding and drawing, which let other threads run, and nothing
has to be started, copied back or cleaned up. Processes are no faster (benchmarks/tile_export.py).

Dask workers read the images themselves, by the same paths, so these must lie where all of them reach. They run the code of this
plugin, with an engine like this one, and what they answer is trusted: the scheduler belongs in a network of one's own.
"""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import CancelledError, ThreadPoolExecutor
from typing import Any, TypeVar

from ..errors import EngineError
from .waiting import HEARTBEAT_SECONDS

#: Address of a Dask scheduler, such as ``tcp://10.0.0.1:8786``; empty or not there means threads.
VARIABLE = "EOPRETRAIN_DASK"
#: Results computed but not yet asked for, beyond one for each worker: what they hold is all in memory.
SPARE = 2
CONNECT_SECONDS = 10
#: So long the work waits for workers to come back when none is left, as batch systems restart them, and so often it looks.
PATIENCE_SECONDS = 60.0
LOOK_SECONDS = 2.0
#: More threads would wait for the one that writes.
MOST_THREADS = 8

_Tool = TypeVar("_Tool")
_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


def in_order(work: Callable[[_Tool, _Item], _Result], tool: _Tool, items: Iterable[_Item], waiting: Callable[[], Any],
             threads: int | None = None) -> Generator[_Result, None, None]:
    """Yields work(tool, item) in the order of the items, computed a few items ahead of the consumer.

    Args:
        work: a function of a module; called by several threads, or on other machines, at once.
        tool: what all calls share; sent to each machine once.
        items: what to work on.
        waiting: called twice a second while a result is awaited; what it raises ends the work.
        threads: in this process; None is one for each core.

    Raises:
        EngineError: when the Dask scheduler cannot be reached, gives up or has had no worker for a minute.
    """
    address = os.environ.get(VARIABLE, "").strip()
    if address:
        yield from _on_dask(address, work, tool, items, waiting)
        return
    threads = threads or min(os.cpu_count() or 1, MOST_THREADS)
    pool = ThreadPoolExecutor(threads, thread_name_prefix="cut")
    try:
        yield from ahead(lambda item: pool.submit(work, tool, item), items, threads + SPARE, waiting)
    finally:
        pool.shutdown(cancel_futures=True)


def ahead(submit: Callable[[_Item], Any], items: Iterable[_Item], most: int, waiting: Callable[[], Any] = lambda: None,
          ) -> Generator[Any, None, None]:
    """Yields what the futures of submit(item) give, in the order of the items; closing it drops what has not begun.

    Args:
        submit: begins the work on an item.
        items: what to work on.
        most: items begun and not asked for yet.
        waiting: called twice a second while a result is awaited; what it raises ends the work.
    """
    begun: deque[Any] = deque()
    try:
        for item in items:
            begun.append(submit(item))
            if len(begun) >= most:
                yield _result(begun.popleft(), waiting)
        while begun:
            yield _result(begun.popleft(), waiting)
    finally:
        for future in begun:
            future.cancel()


def _result(future: Any, waiting: Callable[[], Any]) -> Any:
    while True:
        try:
            return future.result(HEARTBEAT_SECONDS)
        except TimeoutError:
            if future.done():  # it came just now, or the work itself has timed out
                return future.result()
            waiting()


def _on_dask(address: str, work: Callable, tool: Any, items: Iterable, waiting: Callable[[], Any]) -> Generator[Any, None, None]:
    try:
        from distributed import Client, KilledWorker
    except ImportError:
        raise EngineError(f"{VARIABLE} names the Dask scheduler {address}, but the engine has no Dask. Install “distributed” into it in the "
                          f"version of the scheduler, or clear {VARIABLE} to work on this computer.") from None
    try:
        client = Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
    except (OSError, TimeoutError, ValueError) as error:
        raise EngineError(f"The Dask scheduler {address} does not answer ({error}). Start it, or clear {VARIABLE} to work on this "
                          "computer.") from None
    with client:
        workers = sum(client.nthreads().values())
        if not workers:
            raise EngineError(f"The Dask scheduler {address} has no workers. Start some, or clear {VARIABLE} to work on this computer.")
        shared = client.submit(_same, tool, pure=False)  # a task and not scattered data: when the worker that holds it dies it is made again
        try:
            yield from ahead(lambda item: client.submit(work, shared, item, pure=False), items, workers + SPARE,
                             _watching(client, address, waiting))
        except CancelledError as error:
            raise EngineError(f"The Dask scheduler {address} gave the work up ({error}). Look whether it still runs and has workers, and run "
                              "again.") from error
        except KilledWorker as error:
            raise EngineError(f"The workers of the Dask scheduler {address} died several times over the same work ({error}). Look into their "
                              "logs; most often they have too little memory.") from error
        except ImportError as error:
            raise EngineError(f"The workers of the Dask scheduler {address} lack something ({error}). Start them with an engine like this "
                              "one, and with the folder of the plugin on their PYTHONPATH.") from error


def _watching(client: Any, address: str, waiting: Callable[[], Any]) -> Callable[[], None]:
    """`waiting`, and besides a look at whether anybody works: Dask itself would wait for ever."""
    looked, alone_since = time.monotonic(), None

    def look() -> None:
        nonlocal looked, alone_since
        waiting()
        now = time.monotonic()
        if now - looked < LOOK_SECONDS:
            return
        looked = now
        if _has_workers(client):
            alone_since = None
            return
        alone_since = alone_since or now
        if now - alone_since >= PATIENCE_SECONDS:
            raise EngineError(f"The Dask scheduler {address} has had no workers for {PATIENCE_SECONDS:g} seconds. Start some and look into the "
                              "logs of those that ended, most often for want of memory; then run again.")

    return look


def _has_workers(client: Any) -> bool:
    try:
        return bool(client.nthreads(callback_timeout=LOOK_SECONDS))
    except (OSError, TimeoutError):  # the scheduler itself is gone, or too busy to answer
        return False


def _same(tool: _Tool) -> _Tool:
    return tool
