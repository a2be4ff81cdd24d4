"""QGIS's own widget of a parameter within one of ours: for an algorithm that else has none, whose rows in a batch nothing of ours would see."""

from __future__ import annotations

from typing import Any

from qgis.core import QgsProcessingContext
from qgis.gui import QgsGui
from qgis.PyQt.QtWidgets import QWidget

from .own_widget import OwnWidget


class PlainWidget(OwnWidget):
    """Shows and gives what QGIS's own widget does."""

    def createWidget(self) -> QWidget:
        self._inner = QgsGui.processingGuiRegistry().createParameterWidgetWrapper(self.parameterDefinition(), self.type())
        self._inner.widgetValueHasChanged.connect(lambda _: self.widgetValueHasChanged.emit(self))
        return self.held(self._inner.createWrappedWidget(QgsProcessingContext()))

    def setWidgetValue(self, value: Any, context: QgsProcessingContext) -> None:
        self._inner.setParameterValue(value, context)

    def widgetValue(self) -> Any:
        return self._inner.parameterValue()
