"""The walks of a newcomer, by name. Each runs inside QGIS, in a profile that is new."""

from __future__ import annotations

import time
from collections.abc import Generator
from pathlib import Path

from processing.gui.AlgorithmDialog import AlgorithmDialog
from processing.gui.BatchAlgorithmDialog import BatchAlgorithmDialog
from processing.gui.MessageDialog import MessageDialog
from processing.modeler.ModelerDialog import ModelerDialog
from qgis.core import (
    Qgis,
    QgsApplication,
    QgsPalettedRasterRenderer,
    QgsProcessingFeatureSourceDefinition,
    QgsProject,
    QgsRasterLayer,
    QgsVectorLayer,
)
from qgis.gui import QgsGui, QgsHistoryWidgetContext
from qgis.PyQt.QtCore import QTimer, QUrl
from qgis.PyQt.QtWidgets import QApplication
from qgis.utils import iface

from eo_pretrain_qgis.toolbox.model_copies import EditCopy

from .window import Until, Window

Walk = Generator[Until, None, None]


def _added(path: Path, name: str) -> QgsRasterLayer | QgsVectorLayer:
    """A layer as a user adds it: on top, and the active one."""
    layer = QgsRasterLayer(str(path), name) if path.suffix == ".tif" else QgsVectorLayer(str(path), name)
    assert layer.isValid(), path
    QgsProject.instance().addMapLayer(layer)
    iface.setActiveLayer(layer)
    return layer


def first_start(window: Window) -> Walk:
    """A fresh profile without an engine: QGIS says what to do, and it is two clicks away."""
    window.begin()
    yield Until("the message that leads to the engine", lambda: window.message_button("Install"), 30)
    window.picture("first_message")
    window.click(window.message_button("Install"))
    yield Until("the dialog that installs the engine", lambda: window.dialog("Install the engine"), 20)
    window.tell("first_start", clicks=window.clicks + 1)  # and Run
    window.dialog("Install the engine").close()
    yield from window.click_algorithm("map roads", "Map roads")
    yield Until("a sentence about the engine before the dialog", lambda: isinstance(QApplication.activeModalWidget(), MessageDialog), 10)
    message = QApplication.activeModalWidget()
    window.picture("without_engine", message)
    assert message.txtMessage.toPlainText().endswith("The engine is not installed. Run “Install the engine” first.")
    message.txtMessage.anchorClicked.emit(QUrl("eopretrain:installengine"))
    yield Until("the dialog that its link opens", lambda: window.dialog("Install the engine"), 10)


def first_map(window: Window) -> Walk:
    """From an image and twenty polygons to a styled map."""
    ground = window.folder / "ground"
    image = _added(ground / "sample" / "sentinel2.tif", "Sentinel-2")
    labels = _added(ground / "polygons.gpkg", "My polygons")
    iface.setActiveLayer(image)
    window.begin()
    dialog = yield from window.open_algorithm("map from points", "Map from points")
    window.choose_layer(dialog, "IMAGES", image)
    window.choose_layer(dialog, "LABELS", labels)
    window.choose_field(dialog, "CLASS_FIELD", "class")
    before = set(window.layers())
    yield from window.run(dialog)
    yield Until("the map among the layers", lambda: set(window.layers()) - before, 10)
    maps = [layer for name, layer in window.layers().items() if name not in before and isinstance(layer.renderer(), QgsPalettedRasterRenderer)]
    assert maps, f"no styled class map among {sorted(set(window.layers()) - before)}"
    classes = [row.label for row in maps[0].renderer().classes()]
    window.tell("first_map", classes=classes, layers=sorted(set(window.layers()) - before))


def themes(window: Window) -> Walk:
    """Each theme from its bundled model: an image, Run."""
    ground = window.folder / "ground"
    for name, words, title, image in (
        ("roads", "map roads", "Map roads", ground / "sample" / "sentinel2.tif"),
        ("land_cover", "land cover map", "Map land cover", ground / "sample" / "sentinel2.tif"),
        ("sea_ice", "sea ice map", "Map sea ice", ground / "ice" / "scene0.tif"),
    ):
        layer = _added(image, image.stem)
        window.begin()
        dialog = yield from window.open_algorithm(words, title)
        window.choose_layer(dialog, "IMAGES", layer)
        before = set(window.layers())
        yield from window.run(dialog)
        yield Until("the map among the layers", lambda before=before: set(window.layers()) - before, 10)
        iface.setActiveLayer(layer)  # the top one of the results may be empty, as the ice edge of a sea without one
        iface.zoomToActiveLayer()
        yield Until("a drawn map", lambda: not iface.mapCanvas().isDrawing(), 30)
        window.tell(name, layers=sorted(set(window.layers()) - before))
        dialog.close()


def fields(window: Window) -> Walk:
    """Fields of two dates as polygons, with a model that was made before, for there is no bundled one."""
    sample = window.folder / "ground" / "sample"
    days = [sample / "season" / f"S2_2023-{day}.tif" for day in ("04-08", "06-27")]
    first = _added(days[0], days[0].stem)
    window.begin()
    dialog = yield from window.open_algorithm("field boundaries", "Map field boundaries")
    window.choose_layer(dialog, "IMAGES", first)
    window.give(dialog, {"MODEL": str(window.folder / "ground" / "fields.onnx"), "MORE_IMAGES": [str(days[1])]})
    before = set(window.layers())
    yield from window.run(dialog)
    yield Until("the fields among the layers", lambda: set(window.layers()) - before, 10)
    made = sorted(set(window.layers()) - before)
    window.tell("fields", layers=made)
    layer = window.layers()[made[0]]
    assert layer.geometryType() == Qgis.GeometryType.Polygon
    parcels = QgsVectorLayer(str(sample / "parcels.gpkg"), "True parcels")
    outline = layer.renderer().symbol().symbolLayer(0).strokeColor().name()
    window.told["fields"].update(outline=outline, drawn=layer.featureCount(), found=_found(parcels, layer), of=parcels.featureCount())
    dialog.close()


def _found(known: QgsVectorLayer, drawn: QgsVectorLayer) -> int:
    """How many known areas share more than half of what either covers with one that was drawn."""
    shapes = [feature.geometry() for feature in drawn.getFeatures()]
    return sum(any(one.intersection(shape).area() > 0.5 * one.combine(shape).area() for shape in shapes if one.intersects(shape))
               for one in (feature.geometry() for feature in known.getFeatures()))


def crops(window: Window) -> Walk:
    """Crops of parcels from dated images, all parcels at once, then each parcel by itself (“Iterate over this layer”)."""
    season = window.folder / "ground" / "sample" / "season"
    images = [str(path) for path in sorted(season.glob("S2_*.tif"))]
    masks = [str(path) for path in sorted(season.glob("SCL_*.tif"))]
    parcels = _added(window.folder / "ground" / "parcels.gpkg", "Parcels")
    window.begin()
    dialog = yield from window.open_algorithm("crop types", "Map crop types")
    window.choose_layer(dialog, "PARCELS", parcels)
    window.give(dialog, {"IMAGES": images, "MASKS": masks})
    before = set(window.layers())
    yield from window.run(dialog)
    yield Until("the crops among the layers", lambda: set(window.layers()) - before, 10)
    window.tell("crops", layers=sorted(set(window.layers()) - before))
    window.begin()
    each = QgsProcessingFeatureSourceDefinition.Flag.FlagCreateIndividualOutputPerInputFeature
    window.give(dialog, {"PARCELS": QgsProcessingFeatureSourceDefinition(parcels.id(), flags=each), "OUTPUT": str(window.folder / "each.gpkg")})
    yield from window.run(dialog)
    made = sorted(path.name for path in window.folder.glob("each*.gpkg"))
    assert len(made) == parcels.featureCount(), made
    window.tell("iterate", files=made)
    dialog.close()


def cancel_and_continue(window: Window) -> Walk:
    """A training is cancelled in its second epoch; the same dialog run again goes on where it was."""
    run = window.folder / "run"
    window.begin()
    dialog = yield from window.open_algorithm("fine-tune", "Fine-tune a model")
    window.give(dialog, {"DATASET": str(window.folder / "ground" / "dataset"), "APPROACH": "network", "EPOCHS": 15, "OUTPUT": str(run)})
    window.click(dialog.runButton())
    figures = run / "metrics.csv"
    yield Until("two epochs", lambda: figures.is_file() and len(figures.read_text(encoding="utf-8").splitlines()) > 2, 120)
    pressed = time.monotonic()
    window.click(dialog.cancelButton())
    yield Until("the end after Cancel", dialog.runButton().isEnabled, 20)
    took = round(time.monotonic() - pressed, 1)
    told = window.log(dialog)
    assert "Traceback" not in told
    window.tell("cancel", seconds_to_stop=took, last_lines=told.splitlines()[-4:])
    window.picture("cancelled", dialog)
    window.begin()
    yield from window.run(dialog, 240)
    assert "Continuing after epoch" in window.log(dialog)
    window.tell("continue", layers=sorted(window.layers()))
    dialog.close()


def again(window: Window) -> Walk:
    """A model made from polygons maps two images in a batch; the history opens the dialog again; a ready model opens as a copy."""
    ground = window.folder / "ground"
    images = [ground / "sample" / "sentinel2.tif", ground / "second.tif"]
    model = ground / "points.onnx"
    window.begin()
    algorithm = QgsApplication.processingRegistry().createAlgorithmById("eopretrain:predictmap")
    dialog = BatchAlgorithmDialog(algorithm, iface.mainWindow())
    dialog.show()
    panel = dialog.mainWidget()
    panel.addRow(len(images) - panel.batchRowCount())
    for row, image in enumerate(images):
        for name, value in (("IMAGES", str(image)), ("MODEL", str(model))):
            panel.wrappers[row][panel.parameter_to_column[name]].setParameterValue(value, dialog.processingContext())
        panel.tblParameters.cellWidget(row + 1, panel.parameter_to_column["OUTPUT"]).setValue(str(window.folder / f"map_{row}.tif"))
    window.click(panel.checkLoadLayersOnCompletion)  # QGIS leaves it unticked
    yield Until("the tick", panel.checkLoadLayersOnCompletion.isChecked, 5)
    window.picture("batch_dialog", dialog)
    window.click(dialog.runButton())
    yield Until("two maps", lambda: len(window.layers()) >= 2 and not dialog.cancelButton().isEnabled(), 120)
    names = sorted(window.layers())
    window.tell("batch", layers=names)
    assert len(QgsProject.instance().mapLayers()) == len(set(names)), "two layers have one name"
    dialog.close()

    dialog = yield from window.open_algorithm("predict map", "Predict map")
    window.give(dialog, {"IMAGES": str(images[1]), "MODEL": str(model)})
    yield from window.run(dialog)
    dialog.close()
    window.begin()
    history = QgsGui.historyProviderRegistry()
    yield Until("what ran in the history", history.queryEntries, 10)
    entry = [one for one in history.queryEntries() if one.providerId == "processing"][-1]
    node = history.providerById("processing").createNodeForEntry(entry, QgsHistoryWidgetContext())
    QTimer.singleShot(0, lambda: node.doubleClicked(QgsHistoryWidgetContext()))
    yield Until("the dialog from the history", lambda: window.dialog("Predict map"), 20)
    assert window.values(window.dialog("Predict map"))["MODEL"] == str(model)
    window.picture("history_dialog", window.dialog("Predict map"))
    window.tell("history")
    window.dialog("Predict map").close()

    window.begin()
    action = EditCopy()
    action.itemData = QgsApplication.processingRegistry().algorithmById("eopretrain:mapfromlabels")
    action.execute()
    designer = next(one for one in QApplication.topLevelWidgets() if isinstance(one, ModelerDialog))
    assert len(designer.model().childAlgorithms()) >= 3 and designer.model().validate()[0]
    yield Until("the designer's drawing", designer.isVisible, 10)
    window.picture("designer_window", designer)
    window.tell("designer", steps=len(designer.model().childAlgorithms()))


def screens(window: Window) -> Walk:
    """Each dialog at 820 px of height: what of its outputs is not on the first screen."""
    window.begin()
    unseen, looked_at = [], 0
    for algorithm in QgsApplication.processingRegistry().providerById("eopretrain").algorithms():
        dialog = AlgorithmDialog(algorithm.create(), False, iface.mainWindow())
        dialog.resize(1000, 820)
        dialog.show()
        yield Until(f"the dialog of {algorithm.displayName()}", dialog.isVisible, 10)
        looked_at += 1
        outputs = [one for one in algorithm.destinationParameterDefinitions() if not one.flags() & one.Flag.FlagAdvanced]
        if outputs and not window.seen_at_once(dialog, outputs[0].name()):
            unseen.append(algorithm.displayName())
            window.picture(f"unseen_{algorithm.name()}", dialog)
        dialog.close()
    window.tell("screens", unseen=unseen, dialogs=looked_at)


WALKS = {walk.__name__: walk for walk in (first_start, first_map, themes, fields, crops, cancel_and_continue, again, screens)}
