"""A job as a Processing algorithm: one class for all of them."""

from __future__ import annotations

import os
import re
import weakref
from dataclasses import replace
from pathlib import Path
from typing import Any

from qgis.core import (
    QgsApplication,
    QgsProcessingAlgorithm,
    QgsProcessingContext,
    QgsProcessingException,
    QgsProcessingFeedback,
    QgsProcessingParameterDefinition,
)
from qgis.PyQt import sip
from qgis.PyQt.QtGui import QIcon
from qgis.PyQt.QtWidgets import QWidget

from ..errors import Cancelled, EOPretrainError
from ..jobs import handbook, telling
from ..jobs.record import run_job
from ..jobs.spec import Job
from ..markup import escaped
from ..outputs import explained
from ..worker import client, environment
from . import help_pages, lasting, layers, links, parameters, recent, results, settings, styling
from .feedback import FeedbackProgress, in_the_window_thread
from .translation import as_shown, tr

ICONS = Path(__file__).parent / "icons"


class JobAlgorithm(QgsProcessingAlgorithm):
    """Shows a job in QGIS, reads its values in the main thread and lets the engine's process run it."""

    def __init__(self, job_class: type[Job], asked_by: JobAlgorithm | None = None) -> None:
        super().__init__()
        self._job_class = job_class
        self._asked_by = weakref.ref(asked_by or self)  # QGIS runs a copy, and lists results by what it was copied from
        self._job: Job | None = None
        self._layer_names: set[str] = set()  # of the project, which a run may not touch
        self._result: dict[str, Any] = {}

    # --- what it is

    def createInstance(self) -> JobAlgorithm:
        return JobAlgorithm(self._job_class, self)

    def name(self) -> str:
        return self._job_class.id()

    def displayName(self) -> str:
        return tr(self._job_class.title)

    def group(self) -> str:
        return tr(self._job_class.group)

    def groupId(self) -> str:
        return self._job_class.group  # as QGIS makes that of a model, so that both stand in one group

    def tags(self) -> list[str]:
        """Words to search by; the title is found in English, too."""
        return [*self._job_class.tags, *([] if self.displayName() == self._job_class.title else [self._job_class.title])]

    def shortDescription(self) -> str:
        return re.split(r"(?<=\.)\s", self._help_paragraphs()[0])[0]

    def shortHelpString(self) -> str:
        """The help beside the dialog; qgis_process prints it raw, and the help of each parameter itself."""
        if QgsApplication.platform() == "qgis_process":
            return "\n\n".join([*self._help_paragraphs(), *self._job_class.situation()])
        told = "".join(f"<p><b>{escaped(tr(param.label), quote=False)}</b><br/>{escaped(as_shown(param.help), quote=False)}</p>"
                       for param in self._job_class.parameters().values() if param.help)
        now = "".join(f"<li>{escaped(as_shown(sentence), quote=False)}</li>" for sentence in self._job_class.situation())
        return (f"<p><b>{tr('On this computer')}</b></p><ul>{now}</ul>" if now else "") + "".join(
            f"<p>{escaped(paragraph, quote=False)}</p>" for paragraph in self._help_paragraphs()) + told

    def helpUrl(self) -> str:
        return help_pages.address(f"algorithms/{handbook.place(self._job_class)}")

    def svgIconPath(self) -> str:
        return str(ICONS / f"{re.sub('[^a-z]', '', self.groupId().lower())}.svg")

    def icon(self) -> QIcon:
        return QIcon(self.svgIconPath())

    def _help_paragraphs(self) -> list[str]:
        return as_shown(handbook.summary(self._job_class)).split("\n\n")

    def initAlgorithm(self, configuration: dict[str, Any] | None = None) -> None:
        for definition in parameters.declare_all(self._job_class):
            self.addParameter(definition)
        for param in self._job_class.parameters().values():
            if param.is_output and param.main_file:
                self.addOutput(results.main_file(param))
        for name, result in self._job_class.results.items():
            self.addOutput(results.declare(name, result))

    def createCustomParametersWidget(self, parent: QWidget | None) -> QWidget | None:
        """The dialog, see there; None, where QGIS has renamed what it is made of, stands for QGIS's own."""
        try:
            from .dialog import AlgorithmDialog  # here, because qgis_process has no widgets
        except ImportError:
            return None
        return AlgorithmDialog(self, parent=parent)

    # --- what it is asked

    def canExecute(self) -> tuple[bool, str]:
        """Asked when QGIS opens the dialog from the toolbox, a menu or the locator: without an engine it says so, with a link that mends it."""
        missing = environment.requirement(self._job_class.least_engine(), settings.engine())
        return not missing, links.linked(missing)

    def checkParameterValues(self, values: dict[str, Any], context: QgsProcessingContext) -> tuple[bool, str]:
        problem = self._problem(values, context)
        return (False, problem) if problem else super().checkParameterValues(values, context)

    def prepareAlgorithm(
        self, values: dict[str, Any], context: QgsProcessingContext, feedback: QgsProcessingFeedback
    ) -> bool:
        """Checks again, because a step of a model comes here unchecked, and turns layers into files while they can be touched."""
        problem = self._problem(values, context)
        if problem:
            raise QgsProcessingException(problem)
        try:
            with explained(""):
                self._job = self._read(values, context, feedback)
        except EOPretrainError as error:
            raise QgsProcessingException(as_shown(str(error), self._layer_names)) from None
        return True

    def _problem(self, values: dict[str, Any], context: QgsProcessingContext) -> str:
        """What is wrong with the values, in a sentence or two; empty when nothing is."""
        self._layer_names = layers.names(context.project())
        try:
            with explained(""):
                self._read(values, context, None)
        except EOPretrainError as error:
            return as_shown(str(error), self._layer_names)
        for definition in self.destinationParameterDefinitions():
            supported, problem = self.provider().isSupportedOutputValue(values.get(definition.name()), definition, context)
            if not supported:
                return problem
        return ""

    def _read(self, values: dict[str, Any], context: QgsProcessingContext, feedback: QgsProcessingFeedback | None) -> Job:
        plain = parameters.read(self._job_class, self._definitions(), values, context, feedback)
        if plain.get("device") in (None, "auto") and "device" in plain:
            plain["device"] = settings.device()
        if self._job_class.name() == "check_engine" and not plain.get("python"):
            plain["python"] = settings.engine() or None  # it runs here, where the setting is known, and looks where no setting is
        return self._job_class.from_values(plain)

    def _definitions(self) -> dict[str, QgsProcessingParameterDefinition]:
        return {definition.name(): definition for definition in self.parameterDefinitions()}

    # --- what it does

    def processAlgorithm(
        self, values: dict[str, Any], context: QgsProcessingContext, feedback: QgsProcessingFeedback
    ) -> dict[str, Any]:
        """Runs in a background thread, so no layer and no project is touched here."""
        places = parameters.destinations(self._job, self._definitions(), values, context)
        lasting.tell_of_temporary(self._job, places, context, feedback)
        self._job = job = replace(self._job, **places)
        progress = FeedbackProgress(feedback, layers.copies(job), self._layer_names)
        try:
            with explained(""):
                self._result = self._run(job, progress)
        except Cancelled:
            feedback.pushInfo(as_shown(telling.after_cancel(job)))
            lasting.remember_unfinished(job)
            if not in_the_window_thread():
                return {}  # QGIS asks the feedback whether its task was cancelled; an exception would be said in red
            raise QgsProcessingException("Cancelled.") from None
        except EOPretrainError as error:
            raise QgsProcessingException(progress.in_words(str(error))) from None
        return {name.upper(): value for name, value in self._result.items() if value is not None} | self._main_files()

    def _main_files(self) -> dict[str, str]:
        return {results.main_file(param).name(): os.path.join(self._result[name], param.main_file)
                for name, param in self._job_class.parameters().items() if param.is_output and param.main_file and self._result.get(name)}

    @staticmethod
    def _run(job: Job, progress: FeedbackProgress) -> dict[str, Any]:
        if job.engine == "none":
            return run_job(job, progress)
        python = environment.find_any(job.engines(), setting=settings.engine())
        return client.run(job, python, progress.emit, progress.cancelled,
                          variables={settings.DASK: settings.dask(), settings.MODELS: settings.models(),
                                     settings.OVERPASS: settings.overpass()})

    def postProcessAlgorithm(self, context: QgsProcessingContext, feedback: QgsProcessingFeedback) -> dict[str, Any]:
        """Back in the main thread: lets layers load, in the style the engine saved beside them, and remembers datasets, runs and models."""
        recent.remember(self._job_class, {**self._job.values(), **self._result})
        of = telling.subject(self._job)
        styling.load(self._layers(), context, self, of)
        asked_by = self._asked_by()
        if asked_by is not None and not sip.isdeleted(asked_by):
            styling.title_reports(asked_by, of)
        return {}

    def _layers(self) -> list[styling.Shown]:
        """The layers among the results, from the lowest up: what lies in folders, then what belongs to the result, then the result itself."""
        found = [styling.Shown(self._result[name], name.upper(), self.outputDefinition(name.upper()).description(), unasked=True,
                               view=result.view)
                 for name, result in self._job_class.results.items() if result.kind in ("raster", "vector") and self._result.get(name)]
        for name, param in reversed(self._job_class.parameters().items()):
            path = self._result.get(name)
            if path and param.kind in ("raster_output", "vector_output"):
                found.append(styling.Shown(path, name.upper(), self.outputDefinition(name.upper()).description()))
            inside = param.inside
            if path and inside and not self._result.get(inside.elsewhere):
                found.append(styling.Shown(os.path.join(path, inside.file), name.upper(), tr(inside.text), unasked=True))
        return found
