"""The list of fields in the dialogs: QGIS's own (seen in 3.40) crashes where the layer it belongs to is a raster, as labels may be."""

from __future__ import annotations

from typing import Any

from qgis.core import (
    QgsProcessingContext,
    QgsProcessingFeatureSourceDefinition,
    QgsProcessingParameterDefinition,
    QgsProcessingUtils,
    QgsProject,
    QgsProperty,
    QgsVectorLayer,
)
from qgis.gui import QgsAbstractProcessingParameterWidgetWrapper, QgsFieldComboBox, QgsGui, QgsProcessingGui
from qgis.PyQt.QtWidgets import QVBoxLayout, QWidget

Widgets = QgsProcessingGui.WidgetType


class FieldWidget(QgsAbstractProcessingParameterWidgetWrapper):
    """Lists the fields of the layer another parameter names, and none where that is a raster."""

    def __new__(cls, definition: QgsProcessingParameterDefinition, dialog: Any, row: int = 0, column: int = 0) -> Any:
        if type(dialog).__name__ == "ModelerParametersDialog":  # there a field is a text or an input; QGIS's own widget does that well
            registry = QgsGui.processingGuiRegistry()
            return registry.createModelerParameterWidget(dialog.model, dialog.childId, definition, dialog.context)
        return super().__new__(cls)

    def __init__(self, definition: QgsProcessingParameterDefinition, dialog: Any, row: int = 0, column: int = 0) -> None:
        super().__init__(definition, Widgets.Batch if type(dialog).__name__ == "BatchAlgorithmDialog" else Widgets.Standard)
        self._context = QgsProcessingContext()  # owns layers given as paths while their fields are listed
        self._context.setProject(QgsProject.instance())
        self._wanted = ""
        self._list: QgsFieldComboBox | None = None

    def createWidget(self) -> QWidget:
        self._list = QgsFieldComboBox()
        self._list.setAllowEmptyFieldName(bool(self.parameterDefinition().flags() & QgsProcessingParameterDefinition.Flag.FlagOptional))
        self._list.setToolTip(self.parameterDefinition().toolTip())
        self._list.fieldChanged.connect(lambda: self.widgetValueHasChanged.emit(self))
        holder = QWidget()  # QGIS hands what is returned here to Python anew, whereby a list returned itself would be lost
        layout = QVBoxLayout(holder)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._list)
        return holder

    def setWidgetValue(self, value: Any, context: QgsProcessingContext) -> None:
        self._wanted = value or ""
        self._list.setField(self._wanted)

    def widgetValue(self) -> str | None:
        return self._list.currentField() or None

    def postInitialize(self, wrappers: list[QgsAbstractProcessingParameterWidgetWrapper]) -> None:
        super().postInitialize(wrappers)
        parent = self.parameterDefinition().parentLayerParameterName()
        for wrapper in wrappers:
            if wrapper.parameterDefinition().name() == parent:
                self.list_fields_of(wrapper.parameterValue())
                wrapper.widgetValueHasChanged.connect(lambda changed: self.list_fields_of(changed.parameterValue()))

    def list_fields_of(self, value: Any) -> None:
        """Lists the fields of the layer that `value`, a parameter's value, names; of several, those of the first with fields."""
        if isinstance(value, (list, tuple)):
            layers = (self._layer(item) for item in value)
            layer = next((layer for layer in layers if layer is not None), None)
        else:
            layer = self._layer(value)
        chosen = self._list.currentField() or self._wanted
        self._list.setLayer(layer)
        self._list.setField(chosen)

    def _layer(self, value: Any) -> QgsVectorLayer | None:
        if isinstance(value, QgsProcessingFeatureSourceDefinition):  # “selected features only” is ticked
            value = value.source
        if isinstance(value, QgsProperty):
            value, _ = value.valueAsString(self._context.expressionContext())
        if isinstance(value, str) and value:
            value = QgsProcessingUtils.mapLayerFromString(value, self._context)
        return value if isinstance(value, QgsVectorLayer) and value.isValid() else None
