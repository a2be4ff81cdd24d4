"""What our widgets in the dialogs of algorithms share: how QGIS makes them, and what stands in for them in the model designer."""

from __future__ import annotations

from typing import Any

from qgis.core import QgsProcessingParameterDefinition
from qgis.gui import QgsAbstractProcessingParameterWidgetWrapper, QgsGui, QgsProcessingGui
from qgis.PyQt.QtWidgets import QHBoxLayout, QWidget

from . import lasting

Widgets = QgsProcessingGui.WidgetType
#: Python's side of what `OwnWidget.held` has made, until Qt destroys it.
_alive: set[QWidget] = set()


class OwnWidget(QgsAbstractProcessingParameterWidgetWrapper):
    """A widget that a parameter names in its metadata; what else stands there comes as `facts`.

    In the model designer a value is a constant or an input, which QGIS's own widget of the parameter does well.
    """

    def __new__(cls, definition: QgsProcessingParameterDefinition, dialog: Any, row: int = 0, column: int = 0, **facts: Any) -> Any:
        if type(dialog).__name__ == "ModelerParametersDialog":
            registry = QgsGui.processingGuiRegistry()
            widget = registry.createModelerParameterWidget(dialog.model, dialog.childId, definition, dialog.context)
            return cls.in_designer(widget, definition, facts)
        return super().__new__(cls)

    def __init__(self, definition: QgsProcessingParameterDefinition, dialog: Any, row: int = 0, column: int = 0, **facts: Any) -> None:
        super().__init__(definition, Widgets.Batch if type(dialog).__name__ == "BatchAlgorithmDialog" else Widgets.Standard)
        self.facts = facts

    def postInitialize(self, wrappers: list[QgsAbstractProcessingParameterWidgetWrapper]) -> None:
        """QGIS calls it when all of a dialog, or of a row of a batch, is there."""
        super().postInitialize(wrappers)
        if self.type() == Widgets.Batch:
            lasting.propose_rows(self.wrappedWidget())

    @staticmethod
    def in_designer(widget: QWidget, definition: QgsProcessingParameterDefinition, facts: dict[str, Any]) -> QWidget:
        """QGIS's widget in the model designer, changed where that helps."""
        return widget

    def is_optional(self) -> bool:
        """Whether the parameter may stay empty."""
        return bool(self.parameterDefinition().flags() & QgsProcessingParameterDefinition.Flag.FlagOptional)

    def held(self, *widgets: QWidget) -> QWidget:
        """The widgets in a row, as `createWidget` must return them: QGIS hands that to Python anew, whereby a widget with a class of our own, or
        one that nothing else holds, would be lost.

        PyQt then forgets the Python side of the row and frees it, while Qt still looks there for methods of Python (seen in 5.15): a crash by
        chance, and always with PYTHONMALLOC=debug. So it is kept.
        """
        holder = QWidget()
        _alive.add(holder)
        holder.destroyed.connect(lambda: _alive.discard(holder))
        layout = QHBoxLayout(holder)
        layout.setContentsMargins(0, 0, 0, 0)
        for widget in widgets:
            widget.setToolTip(widget.toolTip() or self.parameterDefinition().toolTip())
            layout.addWidget(widget)
        return holder
