"""Links to our algorithms in what QGIS shows, such as the message of an algorithm that lacks its engine."""

from __future__ import annotations

import re

from qgis.core import QgsApplication
from qgis.PyQt.QtCore import QObject, QTimer, QUrl, pyqtSlot
from qgis.PyQt.QtGui import QDesktopServices

from ..markup import escaped
from .translation import as_shown, marked, tr

SCHEME = "eopretrain"
INSTALL = f"{SCHEME}:installengine"
#: What `environment.requirement` says of a missing engine: the first sentences that people meet, so they speak the language of the window.
MISSING = (
    marked("The engine is not installed."),
    marked("The installed engine makes maps, and cannot train (it is “predict”)."),
    marked("The installed engine makes maps, and cannot train (it is “predict_gpu”)."),
    marked("Run “Install the engine” (eopretrain:installengine) first."),
    marked("Run “Install the engine” (eopretrain:installengine) with “Train and make maps” (train) first."),
)


def linked(told: str) -> str:
    """Sentences as HTML, in which “Install the engine” (eopretrain:installengine) is a link."""
    title = escaped(tr("Install the engine"), quote=False)
    shown = " ".join(tr(sentence) if sentence in MISSING else as_shown(sentence) for sentence in re.split(r"(?<=\.) ", told))
    quoted = rf"([“„]){re.escape(title)}([”“]) \({INSTALL}\)"
    return re.sub(quoted, rf'\1<a href="{INSTALL}">{title}</a>\2', escaped(shown, quote=False))


class Links(QObject):
    """Follows links of the scheme ``eopretrain:``, which QGIS's message dialogs hand to QDesktopServices, for as long as it is kept."""

    def __init__(self) -> None:
        super().__init__()
        QDesktopServices.setUrlHandler(SCHEME, self.follow)

    @pyqtSlot(QUrl)
    def follow(self, url: QUrl) -> None:
        """Opens the dialog of the algorithm that a link names, after the message it stands in was closed, which would block it."""
        from qgis.PyQt.QtWidgets import QApplication  # qgis_process needs no widgets

        message = QApplication.activeModalWidget()
        if message is not None:
            message.close()
        QTimer.singleShot(0, lambda: open_dialog(url.toString()))

    @staticmethod
    def withdraw() -> None:
        """Links of ours lead nowhere again."""
        QDesktopServices.unsetUrlHandler(SCHEME)


def open_dialog(algorithm: str) -> None:
    """Opens the dialog of one of our algorithms; other names do nothing."""
    if algorithm.startswith(f"{SCHEME}:") and QgsApplication.processingRegistry().algorithmById(algorithm) is not None:
        import processing  # slow, and needed here alone

        processing.execAlgorithmDialog(algorithm)  # as the toolbox does: of a dialog that is only shown Python keeps no hold, and Run does nothing
