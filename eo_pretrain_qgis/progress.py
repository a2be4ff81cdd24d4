"""How work speaks: the one channel for progress and messages, and the only point at which work can be cancelled."""

from __future__ import annotations

import contextlib
import sys
import time


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

    def emit(self, event: dict) -> None:
        if event["event"] == "progress":
            event = {**event, "fraction": self.start + event["fraction"] * (self.end - self.start)}
        self.whole.emit(event)


class PrintedProgress(Progress):
    """Prints to standard error, at most one progress line a second."""

    def __init__(self) -> None:
        self._last = 0.0

    def emit(self, event: dict) -> None:
        if event["event"] == "message":
            self._print(f"{event['level']}: {event['text']}")
            return
        now = time.monotonic()
        if now - self._last >= 1 or event["fraction"] >= 1:
            self._last = now
            self._print(f"{event['fraction']:4.0%}  {progress_line(event)}")

    @staticmethod
    def _print(line: str) -> None:
        with contextlib.suppress(OSError, ValueError, AttributeError):  # the terminal was closed; the work goes on until it is told to stop
            sys.stderr.write(line + "\n")


def progress_line(event: dict) -> str:
    """The text of a progress event and its numbers, less the rates, which stand in the text already."""
    numbers = [f"{name.replace('_', ' ')} {value:.4g}" for name, value in event["metrics"].items() if not name.endswith("_per_second")]
    return ", ".join(part for part in (event["text"], *numbers) if part)


SILENT = Progress()
