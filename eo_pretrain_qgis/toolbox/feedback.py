"""Reports as QGIS shows them: the progress bar, the log of the dialog, the terminal of qgis_process."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from qgis.core import QgsProcessingFeedback
from qgis.PyQt.QtCore import QCoreApplication, QThread

from ..progress import Pace, Progress, progress_line
from .layers import EXPORTED_LAYER
from .translation import as_shown


def in_the_window_thread() -> bool:
    """Whether this is the thread of QGIS's window: in “Iterate over this layer”, `processing.run` and qgis_process."""
    return QThread.currentThread() == QCoreApplication.instance().thread()


class FeedbackProgress(Progress):
    """Hands progress and messages to a QgsProcessingFeedback and asks it whether the user cancelled.

    Args:
        feedback: of QGIS.
        copies: path → name of layers that are read from a temporary copy.
        names: of the project's layers.
    """

    def __init__(self, feedback: QgsProcessingFeedback, copies: Mapping[str, str] | None = None, names: Collection[str] = ()) -> None:
        self._feedback = feedback
        self._copies, self._names = copies or {}, names
        self._pace = Pace()
        self._said = self._waiting = ""

    def cancelled(self) -> bool:
        self._say(self._waiting)  # asked several times a second: what came too soon is said when its turn has come
        if in_the_window_thread():
            QCoreApplication.processEvents()  # the dialog of QGIS does so when the progress changes, which is too seldom for a window that answers
        return self._feedback.isCanceled()

    def emit(self, event: dict) -> None:
        if event["event"] == "message":
            say = self._feedback.pushWarning if event["level"] == "warning" else self._feedback.pushInfo
            say(self.in_words(event["text"]))
            self._waiting = ""  # what is done before a message is no news after it
            return
        # Every call, because qgis_process notices Ctrl+C only in here.
        self._feedback.setProgress(100 * event["fraction"])
        self._say(self.in_words(progress_line(event)))

    def in_words(self, text: str) -> str:
        """A text in which labels are those of the dialog, and layers that are read from a copy have their names, and not the paths of the copies."""
        text = as_shown(text, self._names)
        for path, name in self._copies.items():
            for shown in (f"{EXPORTED_LAYER} of {path}", f"{path}|layername={EXPORTED_LAYER}", path):
                text = text.replace(shown, f"“{name}”")
        return text

    def _say(self, line: str) -> None:
        """QGIS keeps every progress text as a line of its log, so each is said once and not all are."""
        self._waiting = line
        if line and line != self._said and self._pace.due(line):
            self._said = line
            self._feedback.setProgressText(line)
