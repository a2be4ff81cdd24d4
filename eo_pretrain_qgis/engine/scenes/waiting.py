"""Work that waits for a server, in a thread of its own, so that the user can stop at any time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from ...progress import Progress

TICK_S = 0.2
Answer = TypeVar("Answer")


def waited(work: Callable[[], Answer], errors: tuple[type[BaseException], ...], progress: Progress, fraction: float, text: str) -> Answer:
    """What some work gives; `progress` is asked meanwhile, and a cancel leaves the work behind.

    Args:
        work: to be done in the other thread.
        errors: that it may raise, which are raised here again.
        progress: told `fraction` and `text`.
        fraction: done share.
        text: what is being done.

    Raises:
        Cancelled: the user asked to stop.
        RuntimeError: the work ended in another error, which stands in the log.
    """
    answers: SimpleQueue[tuple[Any, BaseException]] = SimpleQueue()
    unexpected, fine = RuntimeError(f"The step “{text}” ended unexpectedly."), RuntimeError()

    def run() -> None:
        try:
            answers.put((work(), fine))
        except errors as error:
            answers.put((None, error))
        finally:
            answers.put((None, unexpected))

    threading.Thread(target=run, daemon=True).start()
    while True:
        progress.at(fraction, text)
        try:
            answer, error = answers.get(timeout=TICK_S)
        except Empty:
            continue
        if error is not fine:
            raise error
        return answer
