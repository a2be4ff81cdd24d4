"""Writes the demo's QGIS project and its picture with PyQGIS, without a window."""

from pathlib import Path

from qgis.core import (
    QgsApplication,
    QgsContrastEnhancement,
    QgsMapRendererParallelJob,
    QgsMapSettings,
    QgsMultiBandColorRenderer,
    QgsProject,
    QgsRasterLayer,
    QgsVectorLayer,
)
from qgis.PyQt.QtCore import QRect, QSize, Qt
from qgis.PyQt.QtGui import QColor, QFont, QImage, QPainter

PANEL_PX = 560
MARGIN_PX = 12
TITLE_PX = 34
#: Reflectance x 10000 shown white: bright soil, so that clouds do not darken everything else.
BRIGHTEST = 2200
HIDDEN = ("Land cover, truth", "Confidence", "Tiles by split")
_application = None


def application() -> QgsApplication:
    """Starts QGIS once."""
    global _application
    if _application is None:
        _application = QgsApplication([], False)
        _application.initQgis()
    return _application


def open_layer(path: str, name: str) -> QgsRasterLayer:
    """Opens a raster or vector in the style that lies beside it; an image in natural colours with a stretch."""
    layer = QgsVectorLayer(path, name, "ogr") if path.endswith(".gpkg") else QgsRasterLayer(path, name)
    if not layer.isValid():
        raise SystemExit(f"demo: QGIS cannot open {path}.")
    layer.loadDefaultStyle()
    if isinstance(layer, QgsRasterLayer) and layer.bandCount() > 2:
        names = [layer.bandName(band + 1) for band in range(layer.bandCount())]
        red, green, blue = (next(i for i, found in enumerate(names, 1) if wanted in found) for wanted in ("B04", "B03", "B02"))
        renderer = QgsMultiBandColorRenderer(layer.dataProvider(), red, green, blue)
        for band, give in ((red, renderer.setRedContrastEnhancement), (green, renderer.setGreenContrastEnhancement),
                           (blue, renderer.setBlueContrastEnhancement)):
            stretch = QgsContrastEnhancement(layer.dataProvider().dataType(band))
            stretch.setMinimumValue(0)
            stretch.setMaximumValue(BRIGHTEST)
            stretch.setContrastEnhancementAlgorithm(QgsContrastEnhancement.StretchToMinimumMaximum)
            give(stretch)
        layer.setRenderer(renderer)
    return layer


def write_project(layers: dict, path: str, title: str = "EO Pretrain demo (simulated landscape)") -> None:
    """Saves a project that shows `layers` (name → file), first at the bottom; paths are relative, so the folder may move."""
    application()
    project = QgsProject()
    for name, source in layers.items():
        layer = open_layer(source, name)
        project.addMapLayer(layer, False)
        project.layerTreeRoot().insertLayer(0, layer).setItemVisibilityChecked(name not in HIDDEN)
        project.setCrs(layer.crs())
    project.setTitle(title)
    project.viewSettings().setDefaultViewExtent(_referenced(open_layer(next(iter(layers.values())), "view")))
    if not project.write(path):
        raise SystemExit(f"demo: QGIS could not write {path}.")


def _referenced(layer):
    from qgis.core import QgsReferencedRectangle

    return QgsReferencedRectangle(layer.extent(), layer.crs())


def draw_picture(sources: list, titles: list, path: str) -> None:
    """Draws the layers side by side as QGIS renders them."""
    application()
    width = len(sources) * (PANEL_PX + MARGIN_PX) + MARGIN_PX
    picture = QImage(QSize(width, PANEL_PX + TITLE_PX + MARGIN_PX), QImage.Format.Format_RGB32)
    picture.fill(QColor("white"))
    painter = QPainter(picture)
    painter.setFont(QFont("sans", 12))
    for index, (source, title) in enumerate(zip(sources, titles)):
        left = MARGIN_PX + index * (PANEL_PX + MARGIN_PX)
        painter.drawText(QRect(left, 0, PANEL_PX, TITLE_PX), Qt.AlignmentFlag.AlignCenter, title)
        painter.drawImage(left, TITLE_PX, _render(open_layer(source, Path(source).stem)))
    painter.end()
    picture.save(path)


def _render(layer) -> QImage:
    settings = QgsMapSettings()
    settings.setLayers([layer])
    settings.setDestinationCrs(layer.crs())
    settings.setExtent(layer.extent())
    settings.setOutputSize(QSize(PANEL_PX, PANEL_PX))
    settings.setBackgroundColor(QColor("#eeeeee"))
    job = QgsMapRendererParallelJob(settings)
    job.start()
    job.waitForFinished()
    return job.renderedImage()
