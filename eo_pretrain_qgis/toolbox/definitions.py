"""Parameters of QGIS that take more than QGIS's own do."""

from __future__ import annotations

from typing import Any

from qgis.core import (
    Qgis,
    QgsProcessingContext,
    QgsProcessingParameterDefinition,
    QgsProcessingParameterEnum,
    QgsProcessingParameterMultipleLayers,
    QgsProcessingParameterRasterLayer,
    QgsProperty,
    QgsVariantUtils,
)

from ..errors import JobError
from ..jobs import JOBS
from ..jobs.spec import Job
from ..jobs.values import word_of
from ..scene_names import may_be_scene


class ChoiceOfWords(QgsProcessingParameterEnum):
    """One of several words, or its place among them, which QGIS's help tells people to give and its own check refuses."""

    def checkValueIsAcceptable(self, value: Any, context: QgsProcessingContext | None = None) -> bool:
        return word_of(value, self.options()) is not None or super().checkValueIsAcceptable(value, context)


class RasterOrScene(QgsProcessingParameterRasterLayer):
    """A raster layer, or a scene as it was delivered, which QGIS cannot open as a layer and the engine can."""

    def checkValueIsAcceptable(self, value: Any, context: QgsProcessingContext | None = None) -> bool:
        return is_scene(value) or super().checkValueIsAcceptable(value, context)


class RastersOrScenes(QgsProcessingParameterMultipleLayers):
    """Several of what `RasterOrScene` takes."""

    def checkValueIsAcceptable(self, value: Any, context: QgsProcessingContext | None = None) -> bool:
        layers = [item for item in flat(value) if not is_scene(item)]
        return (not layers and bool(flat(value))) or super().checkValueIsAcceptable(layers, context)


class BandsOfImage(RasterOrScene):
    """What `RasterOrScene` takes; scripts may give several, which are the bands of one image.

    None is taken, too: the image may lie in the files of the parameter beside it alone, and where it lies nowhere `parameters` says so.
    """

    def checkValueIsAcceptable(self, value: Any, context: QgsProcessingContext | None = None) -> bool:
        if not flat(value):
            return True
        if not isinstance(value, (list, tuple)):
            return super().checkValueIsAcceptable(value, context)
        acceptable = super().checkValueIsAcceptable
        return all(acceptable(item, context) for item in flat(value))

    def valueAsPythonString(self, value: Any, context: QgsProcessingContext) -> str:
        if not isinstance(value, (list, tuple)):
            return super().valueAsPythonString(value, context)
        written = super().valueAsPythonString
        return f"[{','.join(written(item, context) for item in flat(value))}]"


def declared(definition: QgsProcessingParameterDefinition) -> tuple[type[Job], str] | None:
    """The job and the name of the parameter that a definition shows; None where it belongs to no job."""
    algorithm, name = definition.algorithm(), definition.name().lower()
    job = next((job for job in JOBS.values() if algorithm is not None and algorithm.id() == f"eopretrain:{job.id()}"), None)
    return (job, name) if job is not None and name in job.parameters() else None


def worked_out(given: QgsProperty, definition: QgsProcessingParameterDefinition, name: str, context: QgsProcessingContext) -> Any:
    """The value of a property; of a data-defined one that of its expression.

    Raises:
        JobError: the expression is wrong, or gives nothing, as that of a variable that does not exist; QGIS would take the default.
    """
    value, good = given.value(context.expressionContext())
    if given.propertyType() in (Qgis.PropertyType.Expression, Qgis.PropertyType.Field) and (not good or QgsVariantUtils.isNull(value)):
        raise JobError(f"“{definition.description()}” ({name}): the expression {given.asExpression()} gives no value. Correct it, or give a value "
                       "instead.")
    return value


def flat(value: Any) -> list:
    """The items of a value; steps of a model hand over lists of lists."""
    if not isinstance(value, (list, tuple)):
        return [] if value in (None, "") else [value]
    return [item for part in value for item in flat(part)]


def is_scene(value: Any) -> bool:
    """Whether `value` is the path of a scene as it was delivered."""
    return isinstance(value, str) and may_be_scene(value)
