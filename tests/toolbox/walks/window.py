"""Hands and eyes of a newcomer in a window of QGIS: searches, clicks that are counted, waiting, pictures, and how long the window stood still.

A walk is a generator function of a `Window`; it yields `Until(…)` to let QGIS work. All of it runs inside QGIS.
"""

from __future__ import annotations

import json
import os
import time
import traceback
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from processing.gui.AlgorithmDialog import AlgorithmDialog
from qgis.core import Qgis, QgsMapLayer, QgsProject
from qgis.gui import QgsFieldComboBox, QgsMapLayerComboBox
from qgis.PyQt import sip
from qgis.PyQt.QtCore import QPoint, Qt, QTimer
from qgis.PyQt.QtTest import QTest
from qgis.PyQt.QtWidgets import (
    QAbstractButton,
    QApplication,
    QDockWidget,
    QPushButton,
    QScrollArea,
    QTextEdit,
    QTreeView,
    QWidget,
)
from qgis.utils import iface

#: Milliseconds between two beats of the heart, and between two looks at what a walk waits for.
BEAT_MS, LOOK_MS = 20, 100
#: Seconds until the map canvas has begun to draw what was loaded.
DRAWN_S = 1.0


@dataclass
class Until:
    """What a walk waits for, and for how many seconds at most."""

    what: str
    there: Callable[[], Any]
    seconds: float = 60


@dataclass
class Window:
    """QGIS in front of a newcomer."""

    folder: Path
    clicks: int = 0
    longest_stall: float = 0.0
    told: dict[str, Any] = field(default_factory=dict)
    _beat: float = 0.0
    _began: float = 0.0

    def start_heart(self) -> None:
        """Measures from now on how long the window does not answer."""
        self._beat = time.monotonic()
        self._heart = QTimer()
        self._heart.timeout.connect(self._on_beat)
        self._heart.start(BEAT_MS)

    def _on_beat(self) -> None:
        now = time.monotonic()
        self.longest_stall = max(self.longest_stall, now - self._beat - BEAT_MS / 1000)
        self._beat = now

    def picture(self, name: str, widget: QWidget | None = None) -> Path:
        """Draws a widget, or the main window, into a PNG."""
        path = self.folder / f"{name}.png"
        (widget or iface.mainWindow()).grab().save(str(path))
        return path

    def begin(self) -> None:
        """Counts clicks, seconds and stalls from here on."""
        self.clicks, self.longest_stall, self._began = 0, 0.0, time.monotonic()

    def tell(self, name: str, **facts: Any) -> None:
        """Keeps what was counted since `begin` under a name, and a picture of the window."""
        self.told[name] = {"clicks": self.clicks, "seconds": round(time.monotonic() - self._began, 1),
                           "longest_stall": round(self.longest_stall, 2), **facts}
        self.picture(name)

    # --- hands

    def click(self, widget: QAbstractButton) -> None:
        """One click; what it opens may run a loop of its own, so that the click itself returns late."""
        assert widget.isEnabled(), f"{widget.objectName() or widget} cannot be clicked"
        QTimer.singleShot(0, widget.click)
        self.clicks += 1

    def open_algorithm(self, words: str, title: str) -> Generator[Until, None, AlgorithmDialog]:
        """Types words into the toolbox's search, and opens what is called `title` by a double click."""
        yield from self.click_algorithm(words, title)
        yield Until(f"the dialog of “{title}”", lambda: self.dialog(title), 20)
        return self.dialog(title)

    def click_algorithm(self, words: str, title: str) -> Generator[Until, None, None]:
        """Types words into the toolbox's search, and double-clicks what is called `title`."""
        box = iface.mainWindow().findChild(QDockWidget, "ProcessingToolbox")
        box.show()
        box.searchBox.setText(words)
        tree = box.algorithmTree
        yield Until(f"“{title}” among what “{words}” finds", lambda: self._found(tree, title).isValid(), 10)
        index = self._found(tree, title)
        tree.scrollTo(index)
        QTest.mouseClick(tree.viewport(), Qt.MouseButton.LeftButton, pos=tree.visualRect(index).center())
        self.clicks += 1
        # The dialog runs a loop of its own, so that this click does not return before it is closed.
        QTimer.singleShot(0, lambda: QTest.mouseDClick(tree.viewport(), Qt.MouseButton.LeftButton, pos=tree.visualRect(index).center()))

    @staticmethod
    def _found(tree: QTreeView, title: str) -> Any:
        model = tree.model()

        def below(parent: Any) -> Any:
            for row in range(model.rowCount(parent)):
                index = model.index(row, 0, parent)
                if model.data(index) == title:
                    return index
                found = below(index)
                if found.isValid():
                    return found
            return model.index(-1, -1)

        return below(tree.rootIndex())

    @staticmethod
    def dialog(title: str) -> AlgorithmDialog | None:
        """The open dialog of an algorithm."""
        return next((one for one in QApplication.topLevelWidgets()
                     if isinstance(one, AlgorithmDialog) and one.isVisible() and one.algorithm().displayName() == title), None)

    def choose_layer(self, dialog: AlgorithmDialog, name: str, layer: QgsMapLayer) -> None:
        """Picks a layer in a list: two clicks, none where it is proposed."""
        box = self.widget(dialog, name, QgsMapLayerComboBox)
        self._pick(box.currentLayer, box.setLayer, layer, f"{layer.name()} for {name}")

    def choose_field(self, dialog: AlgorithmDialog, name: str, wanted: str) -> None:
        """Picks a field in a list: two clicks, none where it is proposed."""
        box = self.widget(dialog, name, QgsFieldComboBox)
        self._pick(box.currentField, box.setField, wanted, f"the field {wanted} for {name}")

    def _pick(self, current: Callable[[], Any], choose: Callable[[Any], Any], wanted: Any, words: str) -> None:
        if current() != wanted:
            choose(wanted)
            self.clicks += 2
        assert current() == wanted, f"the list does not offer {words}"

    def give(self, dialog: AlgorithmDialog, values: dict[str, Any]) -> None:
        """Values that a newcomer types or picks, one click each."""
        for name, value in values.items():
            dialog.mainWidget().wrappers[name].setParameterValue(value, dialog.processingContext())
        self.clicks += len(values)

    def run(self, dialog: AlgorithmDialog, seconds: float = 120, succeeds: bool = True) -> Generator[Until, None, dict]:
        """Presses Run, waits for its end, and gives its results."""
        ended: list[tuple[bool, dict]] = []
        dialog.algorithmFinished.connect(lambda ok, results: ended.append((ok, results)))
        self.click(dialog.runButton())
        yield Until(f"the end of “{dialog.algorithm().displayName()}”", lambda: ended or self.warning(dialog), seconds)
        assert ended, f"refused: {self.warning(dialog)}"
        ok, results = ended[0]
        assert ok == succeeds, self.log(dialog)[-2000:]
        since = time.monotonic()
        yield Until("a drawn map", lambda: time.monotonic() - since > DRAWN_S and not iface.mapCanvas().isDrawing(), 30)
        return results

    # --- eyes

    @staticmethod
    def values(dialog: AlgorithmDialog) -> dict[str, Any]:
        """What the dialog holds."""
        return dialog.mainWidget().createProcessingParameters()

    @staticmethod
    def wrapped(dialog: AlgorithmDialog, name: str) -> QWidget:
        """The widget of a parameter."""
        wrapper = dialog.mainWidget().wrappers[name]
        return wrapper.wrappedWidget() if hasattr(wrapper, "wrappedWidget") else wrapper.widget

    def widget(self, dialog: AlgorithmDialog, name: str, kind: type) -> Any:
        """The widget of a kind that belongs to a parameter."""
        widget = self.wrapped(dialog, name)
        # PyQt does not know the classes of all widgets that QGIS makes itself, so they are found by their names.
        family = [one for one in [widget, *widget.findChildren(QWidget)] if one.inherits(kind.__name__)]
        assert family, f"{name} has no {kind.__name__}"
        return sip.cast(family[0], kind)

    @staticmethod
    def warning(dialog: AlgorithmDialog) -> str:
        """What the bar in the dialog says."""
        bar = dialog.messageBar()
        item = bar.currentItem() if bar else None
        return item.text() if item else ""

    @staticmethod
    def log(dialog: AlgorithmDialog) -> str:
        """The text of the log tab."""
        return dialog.findChild(QTextEdit, "txtLog").toPlainText()

    @staticmethod
    def layers() -> dict[str, QgsMapLayer]:
        """Name → layer of the project."""
        return {layer.name(): layer for layer in QgsProject.instance().mapLayers().values()}

    @staticmethod
    def seen_at_once(dialog: AlgorithmDialog, name: str) -> bool:
        """Whether the widget of a parameter is on the first screen, without scrolling."""
        widget = Window.wrapped(dialog, name)
        area = widget.parentWidget()
        while area is not None and not isinstance(area, QScrollArea):
            area = area.parentWidget()
        if area is None:
            return widget.isVisible()
        top = widget.mapTo(area.viewport(), QPoint(0, 0)).y()
        return widget.isVisible() and top >= 0 and top + widget.height() <= area.viewport().height()

    def message_button(self, text: str) -> QPushButton | None:
        """The button of QGIS's message bar that holds a text; what QGIS says of itself, as without a network, is closed before."""
        for message in iface.messageBar().items():
            if message.title() != "EO Pretrain":
                iface.messageBar().popWidget(message)
        return next((button for button in iface.messageBar().findChildren(QPushButton) if text in button.text() and button.isVisible()), None)

    # --- the walk

    def walk(self, steps: Generator[Until, None, None], ended: Callable[[str], None]) -> None:
        """Goes through a walk, looking every moment whether what it waits for is there."""
        state: dict[str, Any] = {"until": None, "since": 0.0}

        def look() -> None:
            until, problem = state["until"], "the walk was broken off"
            try:
                if until is None or until.there():
                    state.update(until=next(steps, None), since=time.monotonic())
                elif time.monotonic() - state["since"] > until.seconds:
                    self.picture("waited_in_vain")
                    open_now = [f"{type(one).__name__} “{one.windowTitle()}”" for one in QApplication.topLevelWidgets() if one.isVisible()]
                    raise AssertionError(f"waited {until.seconds:g} s in vain for {until.what}; open are {', '.join(open_now)}")
                problem = ""
            finally:  # whatever was raised is told, and not shown by QGIS in a window that nobody closes
                if problem or state["until"] is None:
                    ended(traceback.format_exc() if problem else "")
            QTimer.singleShot(LOOK_MS, look)

        QTimer.singleShot(LOOK_MS, look)

    def write(self, problem: str) -> None:
        """Says what came of it, for the test that waits outside."""
        told = {"problem": problem, "qgis": Qgis.version(), "walked": self.told}
        (self.folder / "told.json").write_text(json.dumps(told), encoding="utf-8")
        os._exit(0)  # without questions about unsaved projects
