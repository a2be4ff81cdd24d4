"""Styles on loaded results: Processing ignores the style saved beside a file, so a post-processor loads it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from qgis.core import (
    Qgis,
    QgsMapLayer,
    QgsProcessingAlgorithm,
    QgsProcessingContext,
    QgsProcessingFeedback,
    QgsProcessingLayerPostProcessorInterface,
    QgsProcessingOutputHtml,
    QgsProject,
    QgsRasterLayer,
    QgsVectorLayer,
)
from qgis.PyQt.QtCore import QModelIndex
from qgis.utils import iface

#: Custom property of a style: the name its layer is to have, whatever QGIS or the user calls it.
NAME = "eo_pretrain/name"

# QGIS keeps no reference to a Python post-processor and the algorithm is gone when layers load, so they live here.
_waiting: list[QgsProcessingLayerPostProcessorInterface] = []


@dataclass(frozen=True)
class Shown:
    """A layer among the results.

    Attributes:
        path: its file.
        output: name of the output it belongs to.
        label: what it is, in words, as QGIS calls it where nobody gave it another name.
        unasked: QGIS does not know that it is to be loaded, because it lies inside an output folder.
        view: see `jobs.spec.Result`.
    """

    path: str
    output: str
    label: str
    unasked: bool = False
    view: str = "on"


def load(layers: Sequence[Shown], context: QgsProcessingContext, algorithm: QgsProcessingAlgorithm, of: str) -> None:
    """Lets layers open in the style saved beside them, named “<what> · <of>”, at the top of the layers, several in a group; as a step of a model,
    those alone that it asks for.

    Args:
        layers: from the lowest up; those of lines come to lie above all others, for they hide little and a map would hide them.
        context: of the run.
        algorithm: that made them.
        of: the image or dataset that they are of; may be empty.
    """
    step = context.expressionContext().hasVariable("model_name")
    for layer in layers:
        if layer.unasked and not step and context.project() is not None and _can_be_seen(layer.path):
            context.addLayerToLoadOnCompletion(layer.path, QgsProcessingContext.LayerDetails(layer.label, context.project(), layer.output))
    loaded = sorted((layer for layer in layers if context.willLoadLayerOnCompletion(layer.path)), key=lambda layer: _is_of_lines(layer.path))
    group = _named(algorithm.displayName(), of) if len(loaded) > 1 and not step else ""
    taken = set() if step else _taken(context, {layer.path for layer in layers})
    for order, layer in enumerate(loaded):
        details = context.layerToLoadOnCompletionDetails(layer.path)
        if details.name == layer.label:
            details.name = _unlike(taken, layer.label, of)
            details.forceName = details.forceName or layer.unasked  # QGIS else takes the name of the file, and “tiles” says little
        details.groupName = details.groupName or group
        details.layerSortKey = order
        styled = not _has_user_style(algorithm.id(), layer.output)
        if styled or layer.view != "on":
            details.setPostProcessor(_keep(_Styler(layer, styled)))
    if loaded:
        _begin_at_the_top()


def title_reports(algorithm: QgsProcessingAlgorithm, of: str) -> None:
    """Calls the HTML outputs “<algorithm> · <of>”: QGIS lists them by their description in the results viewer, where all would be a “Report”."""
    for output in algorithm.outputDefinitions():
        if isinstance(output, QgsProcessingOutputHtml):
            output.setDescription(_named(algorithm.displayName(), of))


def _named(what: str, of: str) -> str:
    return f"{what} · {of}" if of else what


def _taken(context: QgsProcessingContext, ours: Collection[str]) -> set[str]:
    """Names of the project's layers, and of those beside ours that wait in `context`: “Iterate over this layer” loads all of them at its end."""
    waiting = {details.name for path, details in context.layersToLoadOnCompletion().items() if path not in ours}
    return waiting | {layer.name() for layer in context.project().mapLayers().values()} if context.project() is not None else waiting


def _unlike(taken: Collection[str], what: str, of: str) -> str:
    """“<what> · <of>”, with a number behind `what` where that is taken; in a narrow panel the end is not seen."""
    return next(name for name in (_named(f"{what} {number}" if number > 1 else what, of) for number in range(1, len(taken) + 2)) if name not in taken)


def _can_be_seen(path: str) -> bool:
    """Whether a vector layer has something on the map; datasets of samples without places have none. Of rasters always."""
    if not path.lower().endswith(".gpkg"):
        return True
    layer = QgsVectorLayer(path, "", "ogr")
    return layer.isValid() and layer.isSpatial() and layer.crs().isValid() and not layer.extent().isNull()


def _is_of_lines(path: str) -> bool:
    return path.lower().endswith(".gpkg") and QgsVectorLayer(path, "", "ogr").geometryType() == Qgis.GeometryType.Line


def forget() -> None:
    """Drops the post-processors of results that were never loaded."""
    _waiting.clear()


def _begin_at_the_top() -> None:
    """Takes the current layer or group from the tree: QGIS (seen in 3.40) would put results beside it, also into the group of another result."""
    if iface is not None:
        iface.layerTreeView().setCurrentIndex(QModelIndex())


def _keep(styler: QgsProcessingLayerPostProcessorInterface) -> QgsProcessingLayerPostProcessorInterface:
    _waiting.append(styler)
    return styler


class _Styler(QgsProcessingLayerPostProcessorInterface):
    """Styles one layer. An exception here would keep QGIS from showing the other results, so nothing in it raises."""

    def __init__(self, shown: Shown, styled: bool) -> None:
        super().__init__()
        self._shown, self._styled = shown, styled

    def postProcessLayer(
        self, layer: QgsMapLayer, context: QgsProcessingContext, feedback: QgsProcessingFeedback
    ) -> None:
        if layer is None or not layer.isValid():
            return
        if self._styled:
            _style(layer)
        if self._shown.view == "off":
            _switch_off(layer, context.project())
        if self._shown.view == "zoomed":
            _zoom_to(layer)
        if self in _waiting:
            _waiting.remove(self)


def _style(layer: QgsMapLayer) -> None:
    _, styled = layer.loadDefaultStyle()
    if not styled and isinstance(layer, QgsRasterLayer):
        _style_by_attribute_table(layer)
    if layer.customProperty(NAME):  # a style that names its layer marks what must not be taken for something else
        layer.setName(layer.customProperty(NAME))
    layer.triggerRepaint()


def _switch_off(layer: QgsMapLayer, project: QgsProject | None) -> None:
    node = project.layerTreeRoot().findLayer(layer.id()) if project is not None else None
    if node is not None:
        node.setItemVisibilityChecked(False)
        node.setExpanded(False)


def _zoom_to(layer: QgsMapLayer) -> None:
    if iface is not None and not layer.extent().isEmpty():
        canvas = iface.mapCanvas()
        canvas.setExtent(canvas.mapSettings().layerExtentToOutputExtent(layer, layer.extent()))
        canvas.refresh()


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
