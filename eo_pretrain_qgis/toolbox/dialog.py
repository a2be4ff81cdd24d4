"""The dialog of an algorithm: that of QGIS, with the outputs that few people want folded in among the advanced parameters, lasting places for
those that took long, an image where the project has one, and a cancel that is no failure.

The classes have the names of those of QGIS: by these Qt looks up QGIS's words in the user's language.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from processing.gui.AlgorithmDialog import AlgorithmDialog as QgisDialog
from processing.gui.ParametersPanel import ParametersPanel as QgisPanel
from qgis.core import Qgis, QgsProcessingContext, QgsProject
from qgis.PyQt.QtGui import QTextCharFormat, QTextCursor, QTextDocument
from qgis.PyQt.QtWidgets import QGroupBox, QTextEdit
from qgis.utils import iface

from . import lasting, layers
from .definitions import BandsOfImage
from .translation import tr


class ParametersPanel(QgisPanel):
    """QGIS folds advanced inputs alone, and shows all outputs (seen in 3.40)."""

    def initWidgets(self) -> None:
        super().initWidgets()
        folded = self.findChild(QGroupBox, "grpAdvanced")
        for definition in self.algorithm().destinationParameterDefinitions() if folded else ():
            if definition.flags() & Qgis.ProcessingParameterFlag.Advanced:
                wrapper = self.wrappers[definition.name()]
                for widget in filter(None, (wrapper.wrappedLabel(), wrapper.wrappedWidget())):
                    folded.layout().addWidget(widget)  # which takes it out of where it was
                folded.show()
        lasting.propose_places(self.parent(), self.wrappers.values())
        propose_images(self.wrappers.values())


def propose_images(wrappers: Iterable[Any]) -> None:
    """Begins each image that must be given with one of the project: the active layer if it may be one, else the first that has several bands.

    QGIS proposes the active layer, be it the class map that was just made, and nothing where that is of vectors (seen in 3.40).
    """
    shown = [node.layer() for node in QgsProject.instance().layerTreeRoot().findLayers()]
    rasters = [layer for layer in shown if layers.may_be_image(layer)]
    active = iface.activeLayer() if iface is not None else None
    first = active if active in rasters else min(rasters, key=lambda layer: layer.bandCount() == 1, default=None)
    context = QgsProcessingContext()
    context.setProject(QgsProject.instance())  # without it the list shows the id of the layer, and not its name
    for wrapper in wrappers:
        definition = wrapper.parameterDefinition()
        optional = definition.flags() & Qgis.ProcessingParameterFlag.Optional
        if first is not None and isinstance(definition, BandsOfImage) and not optional:
            wrapper.setParameterValue(first.id(), context)


class AlgorithmDialog(QgisDialog):
    """As QGIS's own; so history, batch, suggestions and the toolbox treat it alike."""

    _running = False

    def runAlgorithm(self) -> None:
        """Returns when a run in a thread has begun, and when “Iterate over this layer”, which runs here, has ended."""
        shown, self._running = self.isVisible(), True
        try:
            super().runAlgorithm()
        finally:
            self._running = False
            if shown and not self.isVisible():  # closed meanwhile
                self.deleteLater()

    def isFinalized(self) -> bool:
        """Whether closing may delete it: QGIS (seen in 3.40) would go on iterating with what is gone. What is closed runs on, as in a thread."""
        return not self._running and super().isFinalized()

    def getParametersPanel(self, algorithm: object, parent: object) -> ParametersPanel:
        """QGIS asks for it while the dialog is made."""
        return ParametersPanel(parent, algorithm, self.in_place, self.active_layer)

    def finish(self, successful: bool, result: Any, context: Any, feedback: Any, in_place: bool = False) -> None:
        """QGIS calls it when the log says how a run has ended; of a cancel it says in red that it has failed (seen in 3.40)."""
        log = self.findChild(QTextEdit, "txtLog")
        failed, _, _ = self.tr("Execution failed after {}").partition("{}")
        if not successful and feedback.isCanceled() and log is not None:
            said = log.document().find(failed, log.document().characterCount(), QTextDocument.FindFlag.FindBackward)
            if not said.isNull():
                said.insertText(tr("Cancelled after {}").partition("{}")[0], QTextCharFormat())
                said.movePosition(QTextCursor.MoveOperation.EndOfLine, QTextCursor.MoveMode.KeepAnchor)
                said.setCharFormat(QTextCharFormat())
        super().finish(successful, result, context, feedback, in_place)
