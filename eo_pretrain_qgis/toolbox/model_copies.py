"""“Edit a copy…” in the toolbox: QGIS lets the user edit only the models in the user's own folder, so a ready model opens as a copy."""

from __future__ import annotations

import importlib.util

from processing.gui.ContextAction import ContextAction
from processing.gui.ProviderActions import ProviderContextMenuActions
from qgis.core import QgsApplication, QgsProcessingModelAlgorithm

from .provider import ReadyModel
from .translation import tr

MY_MODELS = "model"  # QGIS's name for the provider of the models in the user's folder
DESIGNER = "processing.modeler.ModelerDialog"  # not public: where another QGIS keeps it elsewhere, nothing is offered


class EditCopy(ContextAction):
    """Opens a copy of the ready model in the model designer; what is saved there stands under Models."""

    def __init__(self) -> None:
        super().__init__()
        self.name = tr("Edit a Copy in the Model Designer…")

    def isEnabled(self) -> bool:
        return isinstance(self.itemData, ReadyModel) and importlib.util.find_spec(DESIGNER) is not None

    def execute(self) -> None:
        from processing.modeler.ModelerDialog import ModelerDialog  # slow to import, and needed here alone

        designer = ModelerDialog.create(copy_of(self.itemData))
        designer.update_model.connect(_show_saved)
        designer.show()
        designer.activate()


def copy_of(model: ReadyModel) -> QgsProcessingModelAlgorithm:
    """The model without its file, so that saving asks for a name in the user's folder of models."""
    copy = QgsProcessingModelAlgorithm()
    copy.fromFile(str(model.path))
    return copy


def _show_saved() -> None:
    QgsApplication.processingRegistry().providerById(MY_MODELS).refreshAlgorithms()


def offer() -> EditCopy:
    """Adds the action to the toolbox's context menu and returns it, for `withdraw`."""
    action = EditCopy()
    ProviderContextMenuActions.registerProviderContextMenuActions([action])
    return action


def withdraw(action: EditCopy) -> None:
    """Takes the action out of the toolbox's context menu."""
    ProviderContextMenuActions.deregisterProviderContextMenuActions([action])
