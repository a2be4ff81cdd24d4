"""The dialog as a whole: what it proposes, and how long it and its widgets live."""

from .conftest import write_raster
from .dialogs import seen

PROPOSED = """
from types import SimpleNamespace
from eo_pretrain_qgis.toolbox import dialog as module
def added(path, classes=False):
    layer = QgsRasterLayer(path, path.rpartition("/")[2])
    if classes:
        layer.setRenderer(QgsPalettedRasterRenderer(layer.dataProvider(), 1, [QgsPalettedRasterRenderer.Class(1, QColor("red"), "a")]))
    project.addMapLayer(layer)
    return layer
def proposed(active, job="predictmap"):
    module.iface = SimpleNamespace(activeLayer=lambda: active)
    dialog = dialog_of(job)
    widget = wrapper_of(dialog, "IMAGES").wrappedWidget()
    box = next(one for one in (widget, *widget.findChildren(QWidget)) if one.inherits("QgsMapLayerComboBox"))
    shown = sip.cast(box, QgsMapLayerComboBox).currentLayer()
    others = [wrapper_of(dialog, name).parameterValue() for name in ("SECOND_IMAGES",) if name in dialog.mainWidget().wrappers]
    return [shown and shown.name(), *others]
from qgis.gui import QgsMapLayerComboBox
from qgis.PyQt import sip
from qgis.PyQt.QtGui import QColor
from qgis.PyQt.QtWidgets import QWidget
points = QgsVectorLayer("Point?crs=EPSG:32633", "points", "memory")
project.addMapLayer(points)
told = [proposed(points)]
scene, single = added(given["scene"]), added(given["single"])
classes = added(given["classes"], True)
told += [proposed(layer) for layer in (points, classes, single, scene, None)]
told += [proposed(points, "mapfrompoints")]
project.removeMapLayer(scene)
told += [proposed(points)]
tell(told)
"""


KEPT = """
import gc
from processing.gui.BatchAlgorithmDialog import BatchAlgorithmDialog
from qgis.PyQt.QtCore import QEvent
from eo_pretrain_qgis.toolbox import own_widget

dialog, held = BatchAlgorithmDialog(algorithm_of("predictmap")), []
dialog.show()
gc.collect()
application.processEvents()
held.append(len(own_widget._alive))
dialog.deleteLater()
del dialog
application.sendPostedEvents(None, QEvent.Type.DeferredDelete)
held.append(len(own_widget._alive))
tell(held)
"""


def test_what_python_keeps_of_a_dialog_lives_as_long_as_the_dialog(provider, tmp_path):
    """With the memory of `seen`, one freed too early ends the process."""
    during, after = seen(KEPT, tmp_path)
    assert during >= 5 and after == 0


CLOSED = """
from processing.gui.AlgorithmDialog import AlgorithmDialog
from qgis.PyQt import sip
from qgis.PyQt.QtCore import QEvent

def look():
    application.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    told.append(sip.isdeleted(dialog))

def run(self):
    self.close()
    look()

AlgorithmDialog.runAlgorithm, told = run, []
dialog = dialog_of("mapcroptypes")
dialog.show()
dialog.runAlgorithm()
look()
tell(told)
"""


def test_an_image_of_the_project_is_proposed_and_no_class_map(provider, tmp_path, folder):
    given = {name: write_raster(folder / f"{name}.tif", bands) for name, bands in (("scene", 4), ("single", 1), ("classes", 1))}
    told = seen(PROPOSED, tmp_path, **given)
    assert told[0][0] is None, "there is no raster yet"
    assert [image for image, *_ in told[1:]] == ["scene.tif", "scene.tif", "single.tif", "scene.tif", "scene.tif", "scene.tif", "single.tif"]
    assert all(second in (None, "") for _, *rest in told for second in rest), "what may stay empty does"


def test_a_dialog_that_is_closed_while_it_iterates_is_there_until_that_has_ended(provider, tmp_path):
    assert seen(CLOSED, tmp_path) == [False, True]
