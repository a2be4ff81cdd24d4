"""Styles on loaded results: Processing ignores the style saved beside a file, so a post-processor loads it."""

from __future__ import annotations

from qgis.core import (
    QgsLayerTreeLayer,
    QgsMapLayer,
    QgsProcessingContext,
    QgsProcessingFeedback,
    QgsProcessingLayerPostProcessorInterface,
    QgsProcessingOutputDefinition,
    QgsRasterLayer,
)
from qgis.utils import iface

#: Custom property of a style: the name its layer is to have.
NAME = "eo_pretrain/name"

# QGIS keeps no reference to a Python post-processor and the algorithm is gone when layers load, so they live here.
_waiting: list[QgsProcessingLayerPostProcessorInterface] = []


def load(path: str, context: QgsProcessingContext, output: QgsProcessingOutputDefinition, order: int) -> None:
    """Lets QGIS load a layer that lies inside an output folder, `order` layers above the lowest, in the style saved beside it."""
    if context.project() is None:
        return
    details = QgsProcessingContext.LayerDetails(output.description(), context.project(), output.name())
    details.layerSortKey = _sort_key(order)
    details.setPostProcessor(_keep(_Styler()))
    context.addLayerToLoadOnCompletion(path, details)


def style_when_loaded(path: str, context: QgsProcessingContext, algorithm_id: str, output_name: str, order: int) -> None:
    """Lets the layer at `path` open in the style saved beside it, `order` layers above the lowest, if QGIS is going to load it."""
    if not context.willLoadLayerOnCompletion(path):
        return
    details = context.layerToLoadOnCompletionDetails(path)
    details.layerSortKey = _sort_key(order)
    if not _has_user_style(algorithm_id, output_name):
        details.setPostProcessor(_keep(_Styler()))


def forget() -> None:
    """Drops the post-processors of results that were never loaded."""
    _waiting.clear()


def _sort_key(order: int) -> int:
    """QGIS (seen in 3.40) puts each layer above those before it, but below them where a layer of the tree is selected."""
    selected = iface.layerTreeView().currentNode() if iface is not None else None
    return -order if isinstance(selected, QgsLayerTreeLayer) else order


def _keep(styler: QgsProcessingLayerPostProcessorInterface) -> QgsProcessingLayerPostProcessorInterface:
    _waiting.append(styler)
    return styler


class _Styler(QgsProcessingLayerPostProcessorInterface):
    """Styles one layer. An exception here would keep QGIS from showing the other results, so nothing in it raises."""

    def postProcessLayer(
        self, layer: QgsMapLayer, context: QgsProcessingContext, feedback: QgsProcessingFeedback
    ) -> None:
        if layer is None or not layer.isValid():
            return
        _, styled = layer.loadDefaultStyle()
        if not styled and isinstance(layer, QgsRasterLayer):
            _style_by_attribute_table(layer)
        if layer.customProperty(NAME):  # a style that names its layer marks what must not be taken for something else
            layer.setName(layer.customProperty(NAME))
        layer.triggerRepaint()
        if self in _waiting:
            _waiting.remove(self)


def _style_by_attribute_table(layer: QgsRasterLayer) -> None:
    table = layer.attributeTable(1) if layer.bandCount() else None
    renderer = table.createRenderer(layer.dataProvider(), 1) if table is not None else None
    if renderer is not None:
        layer.setRenderer(renderer)


def _has_user_style(algorithm_id: str, output_name: str) -> bool:
    """Whether the user chose a style for this output (toolbox ▸ Edit rendering styles for outputs)."""
    try:
        from processing.gui.RenderingStyles import RenderingStyles
    except ImportError:  # not public: another QGIS may keep it elsewhere
        return False
    return bool(RenderingStyles.getStyle(algorithm_id, output_name))
