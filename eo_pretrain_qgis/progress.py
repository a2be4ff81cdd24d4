"""How work speaks: the one channel for progress and messages, and the only point at which work can be cancelled."""

from __future__ import annotations

import contextlib
import math
import re
import sys
import time

#: Least time between any two lines of a log, and between two of one step [s]. A long step has one in so much of its time, but never fewer than one
#: in the longest pause [s].
ANY_LINE_S, SAME_STEP_S, LINES_OF_A_STEP, LONGEST_PAUSE_S = 1, 10, 20, 60
#: Names of figures that are not written as their words.
WRITTEN = {"iou": "IoU", "psnr": "PSNR"}


class Progress:
    """Receives progress and messages; this one is silent. Subclasses override `emit` and `cancelled`."""

    def at(self, fraction: float, text: str = "", **metrics: float) -> None:
        """Tells how far the work is. Call it at least once a second.

        Args:
            fraction: done share of the whole job, 0 to 1.
            text: what is being done, for people.
            metrics: numbers to show live, such as ``loss=0.31``.

        Raises:
            Cancelled: when the user asked to stop; let it pass through.
        """
        if self.cancelled():
            from .errors import Cancelled

            raise Cancelled
        self.emit({"event": "progress", "fraction": min(max(float(fraction), 0.0), 1.0), "text": text, "metrics": metrics})

    def message(self, text: str, level: str = "info") -> None:
        """Says a sentence to the user; `level` is ``info`` or ``warning``."""
        self.emit({"event": "message", "level": level, "text": text})

    def once(self, text: str) -> None:
        """Says a sentence, unless it was said so before in this job."""
        said = self.__dict__.setdefault("said_once", set())
        if text not in said:
            said.add(text)
            self.message(text)

    def warned(self) -> list[str]:
        """The warnings that were said so far, each once, where somebody notes them; see `Noting`."""
        return []

    def part(self, start: float, end: float) -> Progress:
        """The channel of one step of the work: its 0 to 1 is `start` to `end` of this one."""
        return _Part(self, start, end)

    def cancelled(self) -> bool:
        """Whether the user asked to stop."""
        return False

    def emit(self, event: dict) -> None:
        """Hands one event on."""


class _Part(Progress):
    def __init__(self, whole: Progress, start: float, end: float) -> None:
        self.whole, self.start, self.end = whole, start, end

    def cancelled(self) -> bool:
        return self.whole.cancelled()

    def once(self, text: str) -> None:
        self.whole.once(text)

    def warned(self) -> list[str]:
        return self.whole.warned()

    def emit(self, event: dict) -> None:
        if event["event"] == "progress":
            event = {**event, "fraction": self.start + event["fraction"] * (self.end - self.start)}
        self.whole.emit(event)


class Noting(Progress):
    """Hands on what is said, and notes the warnings, for a page."""

    def __init__(self, inner: Progress) -> None:
        self.inner = inner
        self._warnings: dict[str, None] = {}

    def cancelled(self) -> bool:
        return self.inner.cancelled()

    def warned(self) -> list[str]:
        return list(self._warnings)

    def emit(self, event: dict) -> None:
        if event["event"] == "message" and event["level"] == "warning":
            self._warnings[event["text"]] = None
        self.inner.emit(event)


class Pace:
    """Which lines of progress come into a log: one a second, and of lines that differ in their numbers alone one in ten seconds, later fewer.

    So the steps of the work can be read, and hours of one step do not fill the log.
    """

    def __init__(self) -> None:
        self._last = -math.inf
        self._steps: dict[str, tuple[float, float]] = {}

    def due(self, line: str) -> bool:
        """Whether `line` is to be said now; then it counts as said."""
        now, step = time.monotonic(), re.sub(r"\d+([.,]\d+)*", "", line)
        first, last = self._steps.get(step, (now, -math.inf))
        if now - self._last < ANY_LINE_S or now - last < max(SAME_STEP_S, min(LONGEST_PAUSE_S, (now - first) / LINES_OF_A_STEP)):
            return False
        self._last, self._steps[step] = now, (first, now)
        return True


class PrintedProgress(Progress):
    """Prints to standard error what `Pace` lets through."""

    def __init__(self) -> None:
        self._pace = Pace()

    def emit(self, event: dict) -> None:
        if event["event"] == "message":
            self._print(f"{event['level']}: {event['text']}")
            return
        line = progress_line(event)
        if self._pace.due(line) or event["fraction"] >= 1:
            self._print(f"{event['fraction']:4.0%}  {line}")

    @staticmethod
    def _print(line: str) -> None:
        with contextlib.suppress(OSError, ValueError, AttributeError):  # the terminal was closed; the work goes on until it is told to stop
            sys.stderr.write(line + "\n")


def progress_line(event: dict) -> str:
    """The text of a progress event and its numbers, less the rates, which stand in the text already."""
    numbers = [f"{_words(name)} {value:.3g}" for name, value in event["metrics"].items() if not name.endswith("_per_second")]
    return ", ".join(part for part in (event["text"], *numbers) if part)


def _words(name: str) -> str:
    """The name of a number as people write it: “mean IoU” of ``mean_iou``."""
    return " ".join(WRITTEN.get(word, word) for word in name.split("_"))


SILENT = Progress()
