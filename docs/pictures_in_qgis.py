"""Runs inside QGIS's window for docs/make_pictures.py: opens layers and dialogs, runs algorithms as a user does, and saves what is seen.

Each picture is made by one function of its own. One that fails is named at the end, and the others are made.
"""

import os
import re
import time
import traceback
from pathlib import Path

import processing
from qgis.core import (
    Qgis,
    QgsApplication,
    QgsContrastEnhancement,
    QgsMultiBandColorRenderer,
    QgsProject,
    QgsRasterLayer,
    QgsRasterMinMaxOrigin,
    QgsRectangle,
    QgsVectorLayer,
)
from qgis.gui import QgsProcessingToolboxTreeView
from qgis.PyQt.QtCore import QModelIndex, QSize, QTimer
from qgis.PyQt.QtWidgets import QApplication, QDockWidget, QScrollArea
from qgis.utils import iface

FOLDER, MADE = Path(os.environ["PICTURES_FOLDER"]), Path(os.environ["PICTURES_MADE"])
SAMPLE, SEA = FOLDER / "sample", FOLDER / "sea" / "scene0.tif"
DIALOGS = ("installengine", "mapfrompoints", "maproads", "maplandcover", "mapseaice", "mapcroptypes", "mapfieldboundaries", "createtrainingdataset",
           "finetune", "evaluatemodel", "predictmap", "assessmap")
#: What the text beside a picture says is chosen; other dialogs are shown as they open.
CHOSEN = {
    "mapfrompoints": {"IMAGES": str(SAMPLE / "sentinel2.tif"), "LABELS": str(SAMPLE / "training_polygons.gpkg"), "CLASS_FIELD": "class",
                      "PRESET": "sentinel2_l2a"},
    "createtrainingdataset": {"IMAGES": [str(SAMPLE / "sentinel2.tif")], "LABELS": [str(SAMPLE / "land_cover.tif")], "PRESET": "sentinel2_l2a"},
}
DIALOG_PX, WINDOW_PX, TREE_PX = QSize(900, 780), QSize(1080, 640), 330


def wait(seconds: float) -> None:
    """Lets the window live for a while."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        QApplication.processEvents()
        time.sleep(0.02)


def save(widget, name: str) -> None:
    """The picture of a widget."""
    if not widget.grab().save(str(MADE / f"{name}.png")):
        raise OSError(f"{name}.png could not be written")
    print(f"  {name}.png", flush=True)


def run(algorithm: str, **values):
    """Runs an algorithm, and loads what it gives as its dialog does."""
    return processing.runAndLoadResults(f"eopretrain:{algorithm}", {name.upper(): value for name, value in values.items()})


def clear() -> None:
    QgsProject.instance().clear()
    wait(0.3)


def add(path, name: str = ""):
    """Opens a raster or vector as “Add layer” does, with the style beside it; else an image in natural colours."""
    layer = QgsVectorLayer(str(path), name, "ogr") if str(path).endswith(".gpkg") else QgsRasterLayer(str(path), name or Path(path).stem)
    if not layer.isValid():
        raise OSError(f"QGIS cannot open {path}")
    if not layer.loadDefaultStyle()[1] and layer.type() == Qgis.LayerType.Raster:
        numbers = {found[1]: band for band in range(1, layer.bandCount() + 1) if (found := re.search(r"\bB0?(\d)$", layer.bandName(band)))}
        if {"2", "3", "4"} <= set(numbers):
            layer.setRenderer(QgsMultiBandColorRenderer(layer.dataProvider(), *(numbers[number] for number in "432")))
            layer.setContrastEnhancement(QgsContrastEnhancement.ContrastEnhancementAlgorithm.StretchToMinimumMaximum,
                                         QgsRasterMinMaxOrigin.Limits.CumulativeCut)
    QgsProject.instance().addMapLayer(layer)
    return layer


def unfold() -> None:
    """Opens the legend of each layer and group, as far as it is short enough to be read."""
    for node in QgsProject.instance().layerTreeRoot().findLayers():
        node.setExpanded(True)


def map_picture(name: str, zoom: float = 1.0) -> None:
    """The main window with its layers and its map; other panels are closed, and messages gone."""
    window, canvas = iface.mainWindow(), iface.mapCanvas()
    for dock in window.findChildren(QDockWidget):
        dock.setVisible(dock.objectName() == "Layers")
    iface.messageBar().clearWidgets()
    unfold()
    window.resize(WINDOW_PX)
    wait(0.5)
    extent = QgsRectangle(canvas.fullExtent())
    extent.scale(zoom)
    canvas.setExtent(extent)
    canvas.refresh()
    wait(0.5)
    canvas.waitWhileRendering()
    wait(1.5)
    iface.messageBar().clearWidgets()
    wait(0.2)
    save(window, name)


# --- the pictures


def toolbox() -> None:
    """The provider's groups and algorithms, as the toolbox lists them."""
    tree = QgsProcessingToolboxTreeView()
    tree.setRegistry(QgsApplication.processingRegistry())
    tree.setHeaderHidden(True)
    for row in range(tree.model().rowCount()):
        index = tree.model().index(row, 0)
        ours = tree.model().data(index) == "EO Pretrain"
        tree.setRowHidden(row, QModelIndex(), not ours)
        if ours:
            tree.expandRecursively(index)
    algorithms = QgsApplication.processingRegistry().providerById("eopretrain").algorithms()
    rows = 1 + len({algorithm.group() for algorithm in algorithms}) + len(algorithms)
    tree.resize(TREE_PX, rows * tree.sizeHintForRow(0) + 10)
    tree.show()
    wait(1)
    save(tree, "toolbox")
    tree.close()


def dialog(algorithm: str) -> None:
    """The dialog of an algorithm as it opens, or with what the text beside the picture chooses, and with the help beside it."""
    place = SEA if algorithm == "mapseaice" else SAMPLE / "sentinel2.tif"
    layers = QgsProject.instance().mapLayers().values()
    image = next((layer for layer in layers if layer.source() == str(place)), None) or add(place, "HH, HV (simulated)")
    iface.setActiveLayer(image)  # which dialogs propose
    made = processing.createAlgorithmDialog(f"eopretrain:{algorithm}", CHOSEN.get(algorithm, {}))
    made.resize(DIALOG_PX)
    made.show()
    wait(1.5)
    for area in made.findChildren(QScrollArea):
        area.verticalScrollBar().setValue(0)
    save(made, f"dialog_{algorithm}")
    made.close()
    made.deleteLater()
    wait(0.2)


def sample() -> None:
    """What “Create sample landscape” opens."""
    run("createsample", size=1024, seed=1, output=str(SAMPLE))
    map_picture("window_sample")


def from_points() -> None:
    image = add(SAMPLE / "sentinel2.tif")
    run("mapfrompoints", images=[image.source()], labels=str(SAMPLE / "training_polygons.gpkg"), class_field="class", preset="sentinel2_l2a",
        output=str(FOLDER / "Class map.tif"), model=str(FOLDER / "from_points.onnx"), report=str(FOLDER / "from_points.html"))
    map_picture("window_mapfrompoints")


def roads() -> None:
    """A real city where DATA has it, for on simulated ground the model shows nothing."""
    real = os.environ.get("ROADS")
    image = add(real or SAMPLE / "sentinel2.tif", "Chicago, Sentinel-2" if real else "")
    run("maproads", images=[image.source()], output=str(FOLDER / "Roads.gpkg"))
    map_picture("window_maproads" if real else "window_maproads_simulated", 0.4 if real else 1)


def land_cover() -> None:
    real = os.environ.get("COVER")
    image = add(real or SAMPLE / "sentinel2.tif", "Slovenia, Sentinel-2" if real else "")
    run("maplandcover", images=[image.source()], output=str(FOLDER / "Land cover.tif"), polygons=str(FOLDER / "Polygons.gpkg"))
    map_picture("window_maplandcover" if real else "window_maplandcover_simulated")


def sea_ice() -> None:
    radar = add(SEA, "HH, HV (simulated)")
    run("mapseaice", images=[radar.source()], cell=1, output=str(FOLDER / "Ice classes.tif"), edge=str(FOLDER / "Ice edge.gpkg"))
    map_picture("window_mapseaice")


def crop_types() -> None:
    season = SAMPLE / "season"
    add(season / "S2_2023-06-27.tif", "27 June (simulated)")
    images, masks = ([str(path) for path in sorted(season.glob(f"{kind}_*.tif"))] for kind in ("S2", "SCL"))
    run("mapcroptypes", images=images, masks=masks, parcels=str(SAMPLE / "parcels.gpkg"), output=str(FOLDER / "Crops.gpkg"))
    map_picture("window_mapcroptypes", 0.5)


def fields() -> None:
    first, second = (SAMPLE / "season" / f"S2_2023-{day}.tif" for day in ("04-08", "06-27"))
    add(second, "27 June (simulated)")
    run("mapfieldboundaries", model=str(FOLDER / "fields.onnx"), images=[str(first), str(second)], output=str(FOLDER / "Fields.gpkg"))
    map_picture("window_mapfieldboundaries", 0.5)


def main() -> None:
    iface.mainWindow().resize(WINDOW_PX)
    maps = [from_points, roads, land_cover, sea_ice, crop_types, fields]
    made = False
    try:
        sample()
        toolbox()
        for name in DIALOGS:
            dialog(name)
        for draw in maps:
            clear()
            draw()
        made = True
    finally:  # whatever was raised is told here, and not shown by QGIS in a window that nobody closes
        if not made:
            traceback.print_exc()
        os._exit(0 if made else 1)


QTimer.singleShot(4000, main)
