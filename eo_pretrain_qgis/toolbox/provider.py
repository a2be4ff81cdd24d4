"""The Processing provider: lists the jobs and the ready models."""

from __future__ import annotations

from pathlib import Path

from qgis.core import QgsApplication, QgsProcessingAlgorithm, QgsProcessingModelAlgorithm, QgsProcessingProvider
from qgis.PyQt.QtGui import QIcon

from ..jobs import JOBS, handbook
from ..version import plugin_version
from . import help_pages, parameters, settings
from .algorithm import ICONS, JobAlgorithm
from .translation import tr

MODELS = Path(__file__).parent / "models"


class Provider(QgsProcessingProvider):
    """All algorithms of EO Pretrain."""

    def id(self) -> str:
        return "eopretrain"

    def name(self) -> str:
        return "EO Pretrain"

    def longName(self) -> str:
        return f"EO Pretrain for QGIS {self.versionInfo()}"

    def versionInfo(self) -> str:
        return plugin_version()

    def svgIconPath(self) -> str:
        return str(ICONS / "provider.svg")

    def icon(self) -> QIcon:
        return QIcon(self.svgIconPath())

    def load(self) -> bool:
        settings.add(self.icon())
        self.refreshAlgorithms()
        return True

    def unload(self) -> None:
        settings.remove()

    def loadAlgorithms(self) -> None:
        for job_class in JOBS.values():
            self.addAlgorithm(JobAlgorithm(job_class))
        # Models name their steps by id, which nobody can look up before this provider is registered.
        if QgsApplication.processingRegistry().providerById(self.id()) is not None:
            for path in sorted(MODELS.glob("*.model3")):
                self.addAlgorithm(ReadyModel(path))

    def supportedOutputRasterLayerExtensions(self) -> list[str]:
        return ["tif", "tiff"]

    def defaultRasterFileExtension(self) -> str:
        return "tif"

    def supportedOutputVectorLayerExtensions(self) -> list[str]:
        return ["gpkg"]

    def defaultVectorFileExtension(self, hasGeometry: bool = True) -> str:
        return "gpkg"

    def supportsNonFileBasedOutput(self) -> bool:
        return False


class ReadyModel(QgsProcessingModelAlgorithm):
    """A model that ships with the plugin; its id is its file's name, so that it stays when the title is put better."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self.fromFile(str(path))
        for definition in self.parameterDefinitions():
            definition.setDescription(tr(definition.description()))
            parameters.show_labels(definition)
        for output in self.outputDefinitions():  # by which QGIS calls the layers that it loads
            output.setDescription(tr(output.description()))

    def createInstance(self) -> QgsProcessingAlgorithm:
        return ReadyModel(self.path)

    def name(self) -> str:
        return self.path.stem.replace("_", "")

    def canExecute(self) -> tuple[bool, str]:
        """As its steps answer, the first that cannot."""
        steps = (child.algorithm().canExecute() for child in self.childAlgorithms().values() if child.algorithm() is not None)
        return next((answer for answer in steps if not answer[0]), None) or super().canExecute()

    def displayName(self) -> str:
        return tr(super().name())

    def group(self) -> str:
        return tr(super().group())

    def groupId(self) -> str:
        return super().group()

    def helpUrl(self) -> str:
        return help_pages.address(f"algorithms/{handbook.model_place(self.path)}")
