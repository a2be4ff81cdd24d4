"""Where a dialog proposes to write what took long to make: beside the project, under a name that is free, and not in a folder QGIS empties."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable
from functools import partial
from typing import Any

from qgis.core import (
    QgsProcessingContext,
    QgsProcessingFeedback,
    QgsProcessingOutputLayerDefinition,
    QgsProcessingParameterDefinition,
    QgsProcessingUtils,
    QgsProject,
    QgsSettings,
)
from qgis.PyQt.QtCore import QStandardPaths

from ..jobs.spec import Job
from ..outputs import is_used
from .definitions import declared
from .translation import tr

#: Kinds of outputs that are proposed a place, and those of which only the main one is: further layers stay temporary until they are saved, as
#: everywhere in QGIS. A map lasts as its report and its model do, which speak of it.
KINDS, MAIN_KINDS = ("folder_output", "file_output"), {"raster_output": ".tif", "vector_output": ".gpkg"}
FOLDER = "eo_pretrain"
#: Property of a cell of a batch that has been proposed a place.
PROPOSED = "eo_pretrain_proposed"
#: Of a job that can go on, the folder of its last run that was cancelled.
UNFINISHED = "eo_pretrain/unfinished/"


def propose_places(dialog: Any, wrappers: Iterable[Any]) -> None:
    """Begins the outputs of a dialog with lasting places, and proposes new ones each time a run has filled these.

    A job whose last run was cancelled begins with the folder of that run, where it goes on.

    They stand in the widgets alone: what a definition proposes would go into models that the user builds of it.
    """
    context, proposed = QgsProcessingContext(), [(wrapper, proposal(wrapper.parameterDefinition())) for wrapper in wrappers]
    proposed = [(wrapper, place) for wrapper, place in proposed if place]
    begun = {wrapper: _unfinished(wrapper.parameterDefinition()) or free(place) for wrapper, place in proposed}
    for wrapper, place in begun.items():
        wrapper.setParameterValue(place, context)

    def renew(successful: bool, *_: Any) -> None:
        for wrapper, place in proposed if successful else ():
            value = wrapper.parameterValue()
            value = value.sink.staticValue() if isinstance(value, QgsProcessingOutputLayerDefinition) else value
            if isinstance(value, str) and os.path.lexists(value) and (_unnumbered(value) == _unnumbered(place) or value == begun[wrapper]):
                wrapper.setParameterValue(free(place), context)

    if proposed and hasattr(dialog, "algorithmFinished"):
        dialog.algorithmFinished.connect(renew)


def propose_rows(cell: Any) -> None:
    """Begins the outputs of the rows of a batch with lasting places, one for each row, and keeps those of two rows apart, however they are filled in.

    QGIS lets nobody make its table of a batch (`BatchPanel` of 3.40), so a widget in it leads there.

    Args:
        cell: a widget of an input in the table (a QWidget).
    """
    table = cell
    while table is not None and not hasattr(table, "cellWidget"):
        table = table.parent()
    for output in _outputs(table) if table is not None else ():
        if not output.property(PROPOSED):
            output.setProperty(PROPOSED, True)
            place = proposal(output.output)
            output.setValue(free(place, _others(table, output)) if place else output.getValue())
            output.text.textChanged.connect(partial(_keep_apart, table, output))
            output.text.editingFinished.connect(partial(_keep_apart, table, output))


def _outputs(table: Any) -> list[Any]:
    """The cells with outputs in the table of a batch, whose first row holds buttons."""
    cells = [table.cellWidget(row, column) for row in range(1, table.rowCount()) for column in range(table.columnCount())]
    return [cell for cell in cells if all(hasattr(cell, name) for name in ("output", "text", "getValue", "setValue"))]


def _others(table: Any, output: Any) -> set[str]:
    """What stands in all other cells with outputs."""
    return {os.path.normcase(cell.getValue()) for cell in _outputs(table) if cell is not output and cell.getValue()}


def _keep_apart(table: Any, output: Any, changed: str | None = None) -> None:
    others = _others(table, output)
    if os.path.normcase(output.getValue()) in others and (changed is None or not output.text.hasFocus()):  # while it is typed it may be like another
        output.setValue(free(output.getValue(), others))


def free(path: str, taken: Collection[str] = ()) -> str:
    """The path, or the first with a number behind its name, from 2, at which nothing is, and which is not `taken`."""
    (stem, ending), number = os.path.splitext(path), 1
    while os.path.lexists(candidate := f"{stem}_{number}{ending}" if number > 1 else path) or os.path.normcase(candidate) in taken:
        number += 1
    return candidate


def proposal(definition: QgsProcessingParameterDefinition) -> str:
    """Where the output of a definition is proposed to be, taken or not; empty where it is none, a further layer, or not asked for by itself."""
    found = declared(definition)
    param = found[0].parameters()[found[1]] if found else None
    if found is None or param is None or not param.created:
        return ""
    job, name = found
    if param.kind not in KINDS and not (param.kind in MAIN_KINDS and name == job.main_output()):
        return ""
    stem = job.name() if name == job.main_output() else f"{job.name()}_{name}"
    ending = f".{param.extension.split('|')[0]}" if param.extension else MAIN_KINDS.get(param.kind, "")
    return os.path.join(_home(), FOLDER, stem + ending)


def remember_unfinished(job: Job) -> None:
    """Keeps the folder of a run that was cancelled and can go on; in the settings of the QGIS profile."""
    if job.continues and job.output_folder() and is_used(job.output_folder()):
        QgsSettings().setValue(UNFINISHED + job.name(), job.output_folder())


def _unfinished(definition: QgsProcessingParameterDefinition) -> str:
    """The folder of the last cancelled run of a job, for its main output; empty where it has come to its end since, is gone, or lies outside the
    folder in which new places are proposed, as that of another project does.
    """
    job, name = declared(definition) or (None, "")
    folder = QgsSettings().value(UNFINISHED + job.name(), "", type=str) if job and job.continues and name == job.main_output() else ""
    inside = os.path.normpath(folder).startswith(os.path.join(os.path.normpath(_home()), ""))
    return folder if inside and is_used(folder) and not os.path.exists(os.path.join(folder, "job.json")) else ""


def _unnumbered(path: str) -> str:
    stem, ending = os.path.splitext(path)
    return re.sub(r"_\d+$", "", stem) + ending


def tell_of_temporary(job: Job, paths: dict[str, str], context: QgsProcessingContext, feedback: QgsProcessingFeedback) -> None:
    """Says which outputs QGIS removes when it closes."""
    temporary = os.path.join(QgsProcessingUtils.tempFolder(context), "")
    labels = [f"“{tr(job.parameters()[name].label)}”" for name, path in paths.items() if path.startswith(temporary)]
    if labels:
        feedback.pushWarning(f"In a temporary folder, and gone when QGIS closes: {', '.join(labels)}. Save what you want to keep.")


def _home() -> str:
    """The folder of the project; the user's documents where the project is not saved, or its folder may not be written."""
    home = QgsProject.instance().homePath()
    documents = QStandardPaths.writableLocation(QStandardPaths.StandardLocation.DocumentsLocation) or os.path.expanduser("~")
    return home if home and os.access(home, os.W_OK) else documents
