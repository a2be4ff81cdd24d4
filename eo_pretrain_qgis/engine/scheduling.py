"""Where pieces of work are computed: in threads of this process, or by the workers of a Dask scheduler that a setting names.

Of datasets the pieces are tiles to be cut, of maps they are blocks. Threads and not processes: almost all of the time of cutting goes into GDAL's
decoding and drawing, which let other threads run, and nothing has to be started, copied back or cleaned up. Processes are no faster
(benchmarks/tile_export.py).

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

from ..errors import EngineError, WorkersGoneError
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

#: Pieces of a map begun and not asked for yet, of each worker: while it computes one, the next is read.
AT_ONCE = 2

_Tool = TypeVar("_Tool")
_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


class RefusedError(EngineError):
    """A worker that would not do the same as this computer takes no part in the work.

    Args:
        sentence: what differs, and what to do.
        worker: its address.
    """

    def __init__(self, sentence: str, worker: str) -> None:
        super().__init__(sentence, worker)
        self.worker = worker

    def __str__(self) -> str:
        return str(self.args[0])


def scheduler() -> str:
    """Address of the Dask scheduler that the setting names; empty where this computer works."""
    return os.environ.get(VARIABLE, "").strip()


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
    if scheduler():
        yield from on_workers(work, tool, items, waiting)
        return
    threads = threads or min(os.cpu_count() or 1, MOST_THREADS)
    pool = ThreadPoolExecutor(threads, thread_name_prefix="cut")
    try:
        yield from ahead(lambda item: pool.submit(work, tool, item), items, threads + SPARE, waiting)
    finally:
        pool.shutdown(cancel_futures=True)


def ahead(submit: Callable[[_Item], Any], items: Iterable[_Item], most: int | Callable[[], int], waiting: Callable[[], Any] = lambda: None,
          ) -> Generator[Any, None, None]:
    """Yields what the futures of submit(item) give, in the order of the items; closing it drops what has not begun.

    Args:
        submit: begins the work on an item.
        items: what to work on.
        most: items begun and not asked for yet; a function where that changes.
        waiting: called twice a second while a result is awaited; what it raises ends the work.
    """
    limit = most if callable(most) else lambda: most
    begun: deque[Any] = deque()
    try:
        for item in items:
            begun.append(submit(item))
            while len(begun) >= limit():
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


def on_workers(work: Callable[[_Tool, _Item], _Result], tool: _Tool, items: Iterable[_Item], waiting: Callable[[], Any],
               told: Callable[[str], Any] | None = None) -> Generator[_Result, None, None]:
    """As `in_order`, by the workers of the scheduler that the setting names.

    A worker that dies is replaced: Dask gives what it was doing to another one.

    Args:
        work: see `in_order`; may raise `RefusedError`, and then another worker is asked.
        tool: see `in_order`.
        items: see `in_order`.
        waiting: see `in_order`.
        told: hears why a worker takes no part; with it, every worker is given `AT_ONCE` items, and else one for each of its threads.

    Raises:
        EngineError: see `in_order`; or all workers refuse.
    """
    address = scheduler()
    try:
        from distributed import Client, KilledWorker
    except ImportError:
        raise EngineError(f"{VARIABLE} names the Dask scheduler {address}, but the engine has no Dask. Install “distributed” into it in the "
                          f"version of the scheduler, or clear {VARIABLE} to work on this computer.") from None
    pool = ThreadPoolExecutor(1, thread_name_prefix="connect")
    try:
        client = _result(pool.submit(Client, address, timeout=CONNECT_SECONDS, set_as_default=False), waiting)
    except (OSError, TimeoutError, ValueError) as error:
        raise EngineError(f"The Dask scheduler {address} does not answer ({error}). Start it, or clear {VARIABLE} to work on this "
                          "computer.") from None
    finally:
        pool.shutdown(wait=False)
    with client:
        crowd = _Crowd(client, address, waiting, told)
        shared = client.submit(_same, tool, pure=False)  # a task and not scattered data: when the worker that holds it dies it is made again
        try:
            yield from ahead(lambda item: _Piece(crowd, work, shared, item), items, crowd.most, crowd.look)
        except CancelledError as error:
            raise WorkersGoneError(f"The Dask scheduler {address} gave the work up ({error}). Look whether it still runs and has workers, and run "
                              "again.") from error
        except KilledWorker as error:
            raise WorkersGoneError(f"The workers of the Dask scheduler {address} died several times over the same work ({error}). Look into their "
                              "logs; most often they have too little memory.") from error
        except ImportError as error:
            raise EngineError(f"The workers of the Dask scheduler {address} lack something ({error}). Start them with an engine like this "
                              "one, and with the folder of the plugin on their PYTHONPATH.") from error


class _Crowd:
    """The workers of a scheduler: who is there, who refuses, and whether anybody works, for Dask itself would wait for ever."""

    def __init__(self, client: Any, address: str, waiting: Callable[[], Any], told: Callable[[str], Any] | None) -> None:
        self.client, self._address, self._waiting, self._told = client, address, waiting, told
        self._refused: set[str] = set()
        self._threads: dict[str, int] = dict(client.nthreads())
        if not self._threads:
            raise EngineError(f"The Dask scheduler {address} has no workers. Start some, or clear {VARIABLE} to work on this computer.")
        self._looked, self._alone_since = time.monotonic(), 0.0

    def most(self) -> int:
        """Items to be begun and not asked for yet."""
        return max(1, AT_ONCE * len(self._fit)) if self._told else sum(self._threads.values()) + SPARE

    def look(self) -> None:
        """What is to be called while a result is awaited, and besides a look at who is there."""
        self._waiting()
        now = time.monotonic()
        if now - self._looked < LOOK_SECONDS:
            return
        self._looked, found = now, _workers(self.client)
        if found:
            self._threads, self._alone_since = found, 0.0
            return
        self._alone_since = self._alone_since or now
        if now - self._alone_since >= PATIENCE_SECONDS:
            raise WorkersGoneError(f"The Dask scheduler {self._address} has had no workers for {PATIENCE_SECONDS:g} seconds. Start some and "
                              "look into the logs of those that ended, most often for want of memory; then run again.")

    def begin(self, work: Callable, shared: Any, item: Any) -> Any:
        """A future of work(shared, item), of a worker that has not refused, where there is one."""
        where = {"workers": self._fit, "allow_other_workers": True} if self._refused and self._fit else {}
        return self.client.submit(work, shared, item, pure=False, **where)

    def refuse(self, refusal: RefusedError) -> None:
        """A worker takes no part.

        Raises:
            EngineError: no other one is there.
        """
        if refusal.worker not in self._refused and self._told:
            self._told(str(refusal))
        self._refused.add(refusal.worker)
        self._threads = _workers(self.client) or self._threads
        if not self._fit:
            raise EngineError(str(refusal)) from None

    @property
    def _fit(self) -> list[str]:
        return [worker for worker in self._threads if worker not in self._refused]


class _Piece:
    """The future of an item, which goes to another worker where one refuses."""

    def __init__(self, crowd: _Crowd, *given: Any) -> None:
        self._crowd, self._given = crowd, given
        self._future = crowd.begin(*given)

    def result(self, seconds: float | None = None) -> Any:
        """See `concurrent.futures.Future`."""
        try:
            return self._future.result(seconds)
        except RefusedError as refusal:
            self._crowd.refuse(refusal)
            self._future = self._crowd.begin(*self._given)
            raise TimeoutError from None

    def done(self) -> bool:
        """See `concurrent.futures.Future`."""
        return self._future.status not in ("pending", "error") or (
            self._future.status == "error" and not isinstance(self._future.exception(), RefusedError))

    def cancel(self) -> None:
        """See `concurrent.futures.Future`."""
        self._future.cancel()


def _workers(client: Any) -> dict[str, int]:
    """Threads of each worker by its address."""
    try:
        return dict(client.nthreads(callback_timeout=LOOK_SECONDS))
    except (OSError, TimeoutError):  # the scheduler itself is gone, or too busy to answer
        return {}


def _same(tool: _Tool) -> _Tool:
    return tool
