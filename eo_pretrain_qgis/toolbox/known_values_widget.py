"""A list of usual values with what each is, for texts and files that may be anything else, too: typed, browsed for or dropped."""

from __future__ import annotations

import os
from typing import Any

from qgis.core import QgsProcessingContext, QgsSettings
from qgis.gui import QgsAbstractProcessingParameterWidgetWrapper
from qgis.PyQt.QtCore import QEvent, QObject
from qgis.PyQt.QtWidgets import QAction, QComboBox, QFileDialog, QToolButton, QWidget

from . import recent
from .definitions import declared
from .own_widget import OwnWidget
from .translation import tr

#: Characters of a list, which fills the width of a dialog and does not widen it.
WIDTH = 20
#: Room beside the longest description [px], for the scroll bar.
MARGIN = 30
#: Width of an open list at most [px].
WIDEST = 900
#: Kinds of parameters that name files and folders, and which of the two.
FILES, FOLDERS = ("file", "weights"), ("folder", "weights")
#: Where QGIS's own widgets remember the last folder.
LAST = "/Processing/LastInputPath"


class KnownValuesWidget(OwnWidget):
    """An editable list of what the job suggests and of files that were used last; files and folders can be dropped on it."""

    def createWidget(self) -> QWidget:
        found = declared(self.parameterDefinition())
        self._asked = found[0].parameters()[found[1]] if found else None
        self._list = QComboBox()
        self._list.setEditable(True)
        self._list.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
        self._list.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self._list.setMinimumContentsLength(WIDTH)
        self._list.setCompleter(None)  # it would complete a value to its description
        if self.is_optional():
            self._list.lineEdit().setPlaceholderText(tr("Not set"))
        self.offer("")
        self._list.currentIndexChanged.connect(self._take)
        self._list.editTextChanged.connect(lambda _: self.widgetValueHasChanged.emit(self))
        if self._asked is not None and self._asked.kind in {*FILES, *FOLDERS}:
            self._list.setAcceptDrops(True)
            for watched in (self._list, self._list.lineEdit()):
                watched.installEventFilter(self)
            return self.held(self._list, self._browser())
        return self.held(self._list)

    def offer(self, beside: str) -> None:
        """Lists what is known, where `beside` is the value of the parameter that this one belongs to; what stands in the list stays."""
        typed = self._list.currentText()
        known: list[tuple[str, ...]] = []
        if self._asked is not None:
            known = [(word,) for word in self._asked.words] + [*(self._asked.suggests(beside) if self._asked.suggests else ())]
            known += [(path, tr("used before")) for path in recent.paths(self._asked)]
        blocked = self._list.blockSignals(True)
        self._list.clear()
        for value, *meaning in known:
            told = ", ".join(tr(part) for part in meaning if part)
            self._list.addItem(f"{value}   {told}" if told else value, value)
        view = self._list.view()
        view.setMinimumWidth(min(max(0, view.sizeHintForColumn(0)) + MARGIN, WIDEST))  # wider than the field, where it has to be
        self._list.setCurrentIndex(-1)
        self._list.setEditText(typed)
        self._list.blockSignals(blocked)

    def setWidgetValue(self, value: Any, context: QgsProcessingContext) -> None:
        self._list.setCurrentIndex(-1)
        self._list.setEditText("" if value is None else str(value))

    def widgetValue(self) -> str | None:
        """What stands in the list; what was emptied is so, and not the default, which None would stand for."""
        empty = None if self.is_optional() or self.parameterDefinition().defaultValue() is None else ""
        return self._list.currentText().strip() or empty

    def postInitialize(self, wrappers: list[QgsAbstractProcessingParameterWidgetWrapper]) -> None:
        super().postInitialize(wrappers)
        parent = self._asked.parent.upper() if self._asked is not None else ""
        for wrapper in wrappers:
            if parent and wrapper.parameterDefinition().name() == parent:
                self.offer(_text(wrapper.parameterValue()))
                wrapper.widgetValueHasChanged.connect(lambda changed: self.offer(_text(changed.parameterValue())))

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Takes files and folders that are dropped."""
        if event.type() in (QEvent.Type.DragEnter, QEvent.Type.DragMove, QEvent.Type.Drop) and event.mimeData().hasUrls():
            path = event.mimeData().urls()[0].toLocalFile()
            if not path:  # an address of the web, which would empty the field
                return True
            if event.type() == QEvent.Type.Drop:
                self._list.setEditText(self._chosen(path))
            event.acceptProposedAction()
            return True
        return super().eventFilter(watched, event)

    def _take(self, place: int) -> None:
        if place >= 0:
            self._list.setEditText(self._list.itemData(place))

    def _chosen(self, path: str) -> str:
        """The folder of a file that stands for it; else the path."""
        stands_for_it = self._asked.kind == "folder" and self._asked.main_file and os.path.basename(path) == self._asked.main_file
        return os.path.dirname(path) if stands_for_it else path.rstrip("/") or path

    def _browser(self) -> QToolButton:
        button = QToolButton()
        button.setText("…")
        ways = [(tr("File…"), self._browse_file)] if self._asked.kind in FILES else []
        ways += [(tr("Folder…"), self._browse_folder)] if self._asked.kind in FOLDERS else []
        if len(ways) == 1:
            button.clicked.connect(lambda: ways[0][1]())
        else:
            button.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
            for label, way in ways:
                action = QAction(label, button)
                action.triggered.connect(lambda _=False, way=way: way())
                button.addAction(action)
        return button

    def _browse_file(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self._list, self.parameterDefinition().description(), self._start(),
                                              self.parameterDefinition().fileFilter())
        self._browsed(path)

    def _browse_folder(self) -> None:
        self._browsed(QFileDialog.getExistingDirectory(self._list, self.parameterDefinition().description(), self._start()))

    def _start(self) -> str:
        typed = self._list.currentText().strip()
        return typed if os.path.exists(typed) else str(QgsSettings().value(LAST, ""))

    def _browsed(self, path: str) -> None:
        if path:
            QgsSettings().setValue(LAST, os.path.dirname(path))
            self._list.setEditText(self._chosen(path))


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
