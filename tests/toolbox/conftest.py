"""What the toolbox's tests share: a QGIS without a window, our provider in it, small layers, an engine that only listens.

These run in QGIS's own Python: PATH=/usr/bin:/bin QT_QPA_PLATFORM=offscreen /usr/bin/python3 -m pytest tests/toolbox
"""

import os
import sys

import pytest

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
pytest.importorskip("qgis.core", reason="QGIS's own Python runs these tests.")

from osgeo import gdal, osr
from qgis.core import (
    QgsApplication,
    QgsFeature,
    QgsGeometry,
    QgsPointXY,
    QgsProcessingContext,
    QgsProcessingFeedback,
    QgsProject,
    QgsRectangle,
    QgsVectorFileWriter,
    QgsVectorLayer,
)

gdal.UseExceptions()
ORIGIN = (500_000, 5_300_000)
UTM = 32633


@pytest.fixture(scope="session")
def provider(tmp_path_factory):
    """Our provider, registered as the plugin does it, in a profile of its own."""
    home = tmp_path_factory.mktemp("profile")
    os.environ["HOME"] = str(home)
    application = QgsApplication([], False, str(home))
    application.initQgis()
    sys.path.append(os.path.join(QgsApplication.pkgDataPath(), "python", "plugins"))
    from processing.core.Processing import Processing

    Processing.initialize()
    from eo_pretrain_qgis.plugin import Plugin

    plugin = Plugin(None)
    plugin.initProcessing()
    yield plugin.provider
    plugin.unload()


@pytest.fixture
def project(provider):
    """The project, emptied before and after."""
    QgsProject.instance().clear()
    yield QgsProject.instance()
    QgsProject.instance().clear()


class Listener(QgsProcessingFeedback):
    """Keeps what it is told."""

    def __init__(self):
        super().__init__(False)
        self.said = []
        self.warned = []
        self.errors = []

    def pushInfo(self, text):
        self.said.append(text)

    def pushWarning(self, text):
        self.warned.append(text)

    def reportError(self, text, fatal=False):
        self.errors.append(text)

    def setProgressText(self, text):
        self.said.append(text)


@pytest.fixture
def feedback():
    return Listener()


@pytest.fixture
def context(project):
    made = QgsProcessingContext()
    made.setProject(project)
    return made


@pytest.fixture
def engine(monkeypatch, provider):
    """An engine that does nothing but keep the job it was asked; `engine.result` is what it answers."""
    from eo_pretrain_qgis.toolbox import algorithm

    class Engine:
        job = None
        result = None

        def run(self, job, python, on_event, is_cancelled, variables):
            self.job = job
            on_event({"event": "progress", "fraction": 0.5, "text": "Halfway", "metrics": {"loss": 0.25}})
            return {"output": job.values().get("output"), **(self.result or {})}

    made = Engine()
    monkeypatch.setattr(algorithm.client, "run", made.run)
    monkeypatch.setattr(algorithm.environment, "find", lambda kind, setting="": "/engine/python")
    return made


def write_raster(path, bands=1, nodata=None, epsg=UTM, size=10, colors=None, driver="GTiff", value=1):
    """Writes a Byte raster of `size` pixels of 10 m whose pixels all hold `value`."""
    raster = gdal.GetDriverByName(driver).Create(str(path), size, size, bands, gdal.GDT_Byte)
    raster.SetGeoTransform((ORIGIN[0], 10, 0, ORIGIN[1], 0, -10))
    if epsg:
        reference = osr.SpatialReference()
        reference.ImportFromEPSG(epsg)
        raster.SetProjection(reference.ExportToWkt())
    for index in range(1, bands + 1):
        raster.GetRasterBand(index).Fill(value)
        if nodata is not None:
            raster.GetRasterBand(index).SetNoDataValue(nodata)
    return str(path)


def memory_layer(name="parcels", crs=f"EPSG:{UTM}", crops=("wheat", "maize", "wheat")):
    """A memory layer of squares side by side, with the fields `crop` and `fid` (which is not unique)."""
    layer = QgsVectorLayer(f"Polygon?crs={crs}&field=crop:string&field=fid:integer", name, "memory")
    features = []
    for index, crop in enumerate(crops):
        feature = QgsFeature(layer.fields())
        feature.setAttributes([crop, 7])
        corner = QgsPointXY(ORIGIN[0] + 30 * index, ORIGIN[1] - 100)
        feature.setGeometry(QgsGeometry.fromRect(QgsRectangle(corner, QgsPointXY(corner.x() + 20, corner.y() + 20))))
        features.append(feature)
    layer.dataProvider().addFeatures(features)
    layer.updateExtents()
    return layer


def saved_layer(path, layer_name="parcels", **facts):
    """The memory layer as a layer of the GeoPackage at `path`."""
    options = QgsVectorFileWriter.SaveVectorOptions()
    options.layerName = layer_name
    options.layerOptions = ["FID=row"]
    layer = memory_layer(**facts)
    QgsVectorFileWriter.writeAsVectorFormatV3(layer, str(path), QgsProject.instance().transformContext(), options)
    return QgsVectorLayer(f"{path}|layername={layer_name}", layer.name(), "ogr")
