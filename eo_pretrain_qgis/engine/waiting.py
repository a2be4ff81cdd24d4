"""One long call in another thread, so that this one can tell that the work goes on, and answer a cancel."""

from __future__ import annotations

import ctypes
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Generic, TypeVar

from ..progress import Progress

HEARTBEAT_SECONDS, HALFWAY_SECONDS = 0.5, 15.0
#: A call is asked to stop this often and this many times, then left to itself.
STOP_SECONDS, STOP_TRIES = 0.1, 10
T = TypeVar("T")


def patiently(work: Callable[[], T], stop: Callable[[], None], progress: Progress, fraction: float, text: str, reach: float = 0) -> T:
    """What `work` gives; the report hears of it twice a second, and may cancel it.

    Args:
        work: the call.
        stop: makes a call under way fail soon; may be called more than once.
        progress: see above.
        fraction: told to it.
        text: told to it.
        reach: the fraction creeps on by at most so much, half of it in the first `HALFWAY_SECONDS`, for nobody knows how far the call is.
    """
    began = time.monotonic()
    pool = ThreadPoolExecutor(1, thread_name_prefix="patient")
    running = pool.submit(work)
    try:
        while not wait([running], HEARTBEAT_SECONDS).done:
            progress.at(fraction + reach * (1 - 0.5 ** ((time.monotonic() - began) / HALFWAY_SECONDS)), text)
    finally:
        for _ in range(STOP_TRIES):
            if running.done():
                break
            stop()  # cancelled
            wait([running], STOP_SECONDS)
        pool.shutdown(wait=False)
    return running.result()


class Interrupted(BaseException):
    """Raised inside a call that is no longer wanted; no `except Exception` on its way swallows it."""


class PythonCall(Generic[T]):
    """A call of Python code that has no way of its own to be stopped: it ends at its next line.

    A process of its own could be killed, but would have to load torch again, which takes longer than most of these calls.
    """

    def __init__(self, work: Callable[[], T]) -> None:
        self._work = work
        self._thread: int | None = None

    def __call__(self) -> T:
        self._thread = threading.get_ident()
        try:
            return self._work()
        finally:
            self._thread = None

    def stop(self) -> None:
        """Raises `Interrupted` in the thread of the call."""
        if self._thread is not None:
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(self._thread), ctypes.py_object(Interrupted))


def in_background(work: Callable[[], T], progress: Progress, fraction: float, text: str, reach: float = 0) -> T:
    """What a call gives that tells nothing meanwhile: the report hears of it twice a second, and may cancel it.

    A single call of a library that is under way then is left to itself; it must let other threads run, as shapely, scipy and numpy do.

    Args:
        work: the call.
        progress: see above.
        fraction: told to it.
        text: told to it.
        reach: see `patiently`.
    """
    call = PythonCall(work)
    return patiently(call, call.stop, progress, fraction, text, reach)
