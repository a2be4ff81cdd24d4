"""The list of fields in the dialogs: QGIS's own (seen in 3.40) crashes where the layer it belongs to is a raster, as labels may be."""

from __future__ import annotations

from typing import Any

from qgis.core import (
    QgsCategorizedSymbolRenderer,
    QgsProcessingContext,
    QgsProcessingFeatureSourceDefinition,
    QgsProcessingUtils,
    QgsProject,
    QgsProperty,
    QgsVariantUtils,
    QgsVectorLayer,
    QgsWkbTypes,
)
from qgis.gui import QgsAbstractProcessingParameterWidgetWrapper, QgsFieldComboBox
from qgis.PyQt.QtWidgets import QWidget

from .own_widget import OwnWidget, Widgets

AREAS_AND_POINTS = (QgsWkbTypes.GeometryType.PolygonGeometry, QgsWkbTypes.GeometryType.PointGeometry)


class FieldWidget(OwnWidget):
    """Lists the fields of the layer another parameter names, and none where that is a raster.

    With the fact ``by_style`` the field that a layer is drawn by, in categories, is chosen where the user has chosen none.
    """

    def __init__(self, *given: Any, **facts: Any) -> None:
        super().__init__(*given, **facts)
        self._context = QgsProcessingContext()  # owns layers given as paths while their fields are listed
        self._context.setProject(QgsProject.instance())
        self._wanted, self._proposed = "", ""
        self._list: QgsFieldComboBox | None = None

    def createWidget(self) -> QWidget:
        self._list = QgsFieldComboBox()
        self._list.setAllowEmptyFieldName(self.is_optional())
        self._list.fieldChanged.connect(lambda: self.widgetValueHasChanged.emit(self))
        return self.held(self._list)

    def setWidgetValue(self, value: Any, context: QgsProcessingContext) -> None:
        self._wanted = "" if QgsVariantUtils.isNull(value) else str(value)
        self._list.setField(self._wanted)

    def widgetValue(self) -> str | None:
        return self._list.currentField() or None

    def postInitialize(self, wrappers: list[QgsAbstractProcessingParameterWidgetWrapper]) -> None:
        super().postInitialize(wrappers)
        parent = self.parameterDefinition().parentLayerParameterName()
        for wrapper in wrappers:
            if wrapper.parameterDefinition().name() == parent:
                self._propose_classes(wrapper)
                self.list_fields_of(wrapper.parameterValue())
                wrapper.widgetValueHasChanged.connect(lambda changed: self.list_fields_of(changed.parameterValue()))

    def list_fields_of(self, value: Any) -> None:
        """Lists the fields of the layer that `value`, a parameter's value, names; of several, those of the first with fields."""
        if isinstance(value, (list, tuple)):
            layers = (self._layer(item) for item in value)
            layer = next((layer for layer in layers if layer is not None), None)
        else:
            layer = self._layer(value)
        shown = self._list.currentField()
        chosen = (shown if shown != self._proposed else "") or self._wanted
        self._proposed = "" if chosen else self._drawn_by(layer)
        self._list.setLayer(layer)
        self._list.setField(chosen or self._proposed)

    def _propose_classes(self, wrapper: QgsAbstractProcessingParameterWidgetWrapper) -> None:
        """Where QGIS has chosen the first layer by its name, takes one drawn by classes, of areas or points, unless the user has selected another."""
        shown, active = self._layer(wrapper.parameterValue()), self.widgetContext().activeLayer()
        if not self.facts.get("by_style") or wrapper.type() != Widgets.Standard or not wrapper.parameterValue() or self._drawn_by(shown):
            return
        layers = [layer for layer in QgsProject.instance().layerTreeRoot().layerOrder() if isinstance(layer, QgsVectorLayer)]
        found = next((layer for layer in layers if layer.geometryType() in AREAS_AND_POINTS and self._drawn_by(layer)), None)
        if found is not None and (active is None or active.id() != wrapper.parameterValue()):
            wrapper.setParameterValue(found.id(), self._context)

    def _drawn_by(self, layer: QgsVectorLayer | None) -> str:
        """The field of a layer's categories; empty where it has none, or an expression of several."""
        renderer = layer.renderer() if layer is not None and self.facts.get("by_style") else None
        field = renderer.classAttribute().strip('"') if isinstance(renderer, QgsCategorizedSymbolRenderer) else ""
        return field if layer is not None and field in layer.fields().names() else ""

    def _layer(self, value: Any) -> QgsVectorLayer | None:
        if isinstance(value, QgsProcessingFeatureSourceDefinition):  # “selected features only” is ticked
            value = value.source
        if isinstance(value, QgsProperty):
            value, _ = value.valueAsString(self._context.expressionContext())
        if isinstance(value, str) and value:
            value = QgsProcessingUtils.mapLayerFromString(value, self._context)
        return value if isinstance(value, QgsVectorLayer) and value.isValid() else None
