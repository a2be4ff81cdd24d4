"""Reports as QGIS shows them: the progress bar, the log of the dialog, the terminal of qgis_process."""

from __future__ import annotations

import time

from qgis.core import QgsProcessingFeedback

from ..progress import Progress, progress_line


class FeedbackProgress(Progress):
    """Hands progress and messages to a QgsProcessingFeedback and asks it whether the user cancelled."""

    def __init__(self, feedback: QgsProcessingFeedback) -> None:
        self._feedback = feedback
        self._last_line = ("", 0.0)
        self._waiting = ""

    def cancelled(self) -> bool:
        self._say(self._waiting)  # asked several times a second: what came too soon is said when its turn has come
        return self._feedback.isCanceled()

    def emit(self, event: dict) -> None:
        if event["event"] == "message":
            say = self._feedback.pushWarning if event["level"] == "warning" else self._feedback.pushInfo
            say(event["text"])
            self._waiting = ""  # what is done before a message is no news after it
            return
        # Every call, because qgis_process notices Ctrl+C only in here.
        self._feedback.setProgress(100 * event["fraction"])
        self._say(progress_line(event))

    def _say(self, line: str) -> None:
        """QGIS keeps every progress text as a line of its log, so each is said once and at most one a second."""
        text, when = self._last_line
        now = time.monotonic()
        self._waiting = line
        if line and line != text and now - when >= 1:
            self._last_line = (line, now)
            self._feedback.setProgressText(line)
