"""A job as a Processing algorithm: one class for all of them."""

from __future__ import annotations

import os
import re
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
from qgis.PyQt.QtGui import QIcon

from ..errors import Cancelled, EOPretrainError
from ..jobs import handbook
from ..jobs.record import run_job
from ..jobs.spec import Job
from ..markup import escaped
from ..outputs import explained
from ..worker import client, environment
from . import parameters, settings, styling
from .feedback import FeedbackProgress

ICONS = Path(__file__).parent / "icons"
DOCUMENTATION = "https://github.com/eo-pretrain/eo_pretrain_qgis/blob/main/docs/algorithms"


class JobAlgorithm(QgsProcessingAlgorithm):
    """Shows a job in QGIS, reads its values in the main thread and lets the engine's process run it."""

    def __init__(self, job_class: type[Job]) -> None:
        super().__init__()
        self._job_class = job_class
        self._job: Job | None = None
        self._result: dict[str, Any] = {}

    # --- what it is

    def createInstance(self) -> JobAlgorithm:
        return JobAlgorithm(self._job_class)

    def name(self) -> str:
        return self._job_class.id()

    def displayName(self) -> str:
        return self._job_class.title

    def group(self) -> str:
        return self._job_class.group

    def groupId(self) -> str:
        return self._job_class.group  # as QGIS makes that of a model, so that both stand in one group

    def tags(self) -> list[str]:
        return list(self._job_class.tags)

    def shortDescription(self) -> str:
        return re.split(r"(?<=\.)\s", self._help_paragraphs()[0])[0]

    def shortHelpString(self) -> str:
        """The help beside the dialog; qgis_process prints it raw, and the help of each parameter itself."""
        if QgsApplication.platform() == "qgis_process":
            return "\n\n".join(self._help_paragraphs())
        told = "".join(f"<p><b>{escaped(param.label, quote=False)}</b><br/>{escaped(param.help, quote=False)}</p>"
                       for param in self._job_class.parameters().values() if param.help)
        return "".join(f"<p>{escaped(paragraph, quote=False)}</p>" for paragraph in self._help_paragraphs()) + told

    def helpUrl(self) -> str:
        return f"{DOCUMENTATION}/{handbook.place(self._job_class)}"

    def svgIconPath(self) -> str:
        return str(ICONS / f"{re.sub('[^a-z]', '', self.groupId().lower())}.svg")

    def icon(self) -> QIcon:
        return QIcon(self.svgIconPath())

    def _help_paragraphs(self) -> list[str]:
        return handbook.summary(self._job_class).split("\n\n")

    def initAlgorithm(self, configuration: dict[str, Any] | None = None) -> None:
        for name, param in self._job_class.parameters().items():
            self.addParameter(parameters.declare(name, param))
            if param.main_file:
                self.addOutput(parameters.declare_main_file(param))
        for name, result in self._job_class.results.items():
            self.addOutput(parameters.declare_result(name, result))

    # --- what it is asked

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
            raise QgsProcessingException(str(error)) from None
        return True

    def _problem(self, values: dict[str, Any], context: QgsProcessingContext) -> str:
        """What is wrong with the values, in a sentence or two; empty when nothing is."""
        try:
            with explained(""):
                self._read(values, context, None)
        except EOPretrainError as error:
            return str(error)
        for definition in self.destinationParameterDefinitions():
            supported, problem = self.provider().isSupportedOutputValue(values.get(definition.name()), definition, context)
            if not supported:
                return problem
        return ""

    def _read(self, values: dict[str, Any], context: QgsProcessingContext, feedback: QgsProcessingFeedback | None) -> Job:
        plain = parameters.read(self._job_class, self._definitions(), values, context, feedback)
        if plain.get("device") in (None, "", "auto") and "device" in plain:
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
        job = replace(self._job, **parameters.destinations(self._job, self._definitions(), values, context))
        try:
            with explained(""):
                self._result = self._run(job, FeedbackProgress(feedback))
        except Cancelled:
            raise QgsProcessingException("Cancelled; nothing half-written was left behind.") from None
        except EOPretrainError as error:
            raise QgsProcessingException(str(error)) from None
        return {name.upper(): value for name, value in self._result.items() if value is not None} | self._main_files()

    def _main_files(self) -> dict[str, str]:
        return {parameters.declare_main_file(param).name(): os.path.join(self._result[name], param.main_file)
                for name, param in self._job_class.parameters().items() if param.main_file and self._result.get(name)}

    @staticmethod
    def _run(job: Job, progress: FeedbackProgress) -> dict[str, Any]:
        if job.engine == "none":
            return run_job(job, progress)
        python = environment.find_any(job.engines(), setting=settings.engine())
        return client.run(job, python, progress.emit, progress.cancelled,
                          variables={settings.DASK: settings.dask(), settings.MODELS: settings.models()})

    def postProcessAlgorithm(self, context: QgsProcessingContext, feedback: QgsProcessingFeedback) -> dict[str, Any]:
        """Back in the main thread: lets layers load, in the style the engine saved beside them."""
        for order, (name, result) in enumerate(self._job_class.results.items()):
            if result.kind in ("raster", "vector") and self._result.get(name):
                styling.load(self._result[name], context, self.outputDefinition(name.upper()), order)
        layers = [name for name, param in self._job_class.parameters().items() if param.kind in ("raster_output", "vector_output")]
        for order, name in enumerate(reversed(layers)):  # the first is the result, and what belongs to it lies below
            if self._result.get(name):
                styling.style_when_loaded(self._result[name], context, self.id(), name.upper(), order)
        return {}
