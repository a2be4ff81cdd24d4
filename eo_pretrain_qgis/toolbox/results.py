"""How what a job returns besides its output parameters is declared in QGIS."""

from __future__ import annotations

from qgis.core import (
    QgsProcessingOutputBoolean,
    QgsProcessingOutputDefinition,
    QgsProcessingOutputFile,
    QgsProcessingOutputFolder,
    QgsProcessingOutputHtml,
    QgsProcessingOutputNumber,
    QgsProcessingOutputRasterLayer,
    QgsProcessingOutputString,
    QgsProcessingOutputVectorLayer,
)

from ..jobs.spec import Param, Result
from .translation import tr

KINDS = {
    "number": QgsProcessingOutputNumber, "text": QgsProcessingOutputString, "boolean": QgsProcessingOutputBoolean,
    "raster": QgsProcessingOutputRasterLayer, "vector": QgsProcessingOutputVectorLayer,
    "file": QgsProcessingOutputFile, "folder": QgsProcessingOutputFolder, "html": QgsProcessingOutputHtml,
}


def declare(name: str, result: Result) -> QgsProcessingOutputDefinition:
    """The QGIS declaration of a value the job returns besides its output parameters."""
    return KINDS[result.kind](name.upper(), tr(result.text))


def main_file(param: Param) -> QgsProcessingOutputFile:
    """The QGIS declaration of the file that stands for an output folder (see `Param.main_file`)."""
    return QgsProcessingOutputFile(param.main_file.replace(".", "_").upper(), param.main_file)
