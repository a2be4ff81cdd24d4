"""The list of fields in a dialog: follows the layer, and outlives a raster in its place."""

import subprocess
import sys

from qgis.core import QgsVectorFileWriter

from ..conftest import ROOT
from .conftest import memory_layer, write_raster
from .dialogs import seen

# In a process of its own: the other tests run without widgets, and QGIS's own list ends the process here.
DIALOG = """
import os, sys
sys.path[:0] = [sys.argv[1]]
from qgis.core import *
from qgis.gui import *
application = QgsApplication([], True)
application.initQgis()
QgsGui.instance()
from eo_pretrain_qgis.toolbox.field_widget import FieldWidget
project, context = QgsProject.instance(), QgsProcessingContext()
raster, vector = QgsRasterLayer(sys.argv[2], "A raster"), QgsVectorLayer(sys.argv[3], "Parcels", "ogr")
context.setProject(project)
project.addMapLayers([raster, vector])
both = [Qgis.ProcessingSourceType.Raster, Qgis.ProcessingSourceType.VectorAnyGeometry]
labels = QgsProcessingParameterMapLayer("LABELS", "Labels", None, False, both)
class_field = QgsProcessingParameterField("CLASS_FIELD", "Class field", None, "LABELS", optional=True)
layer = QgsGui.processingGuiRegistry().createParameterWidgetWrapper(labels, QgsProcessingGui.WidgetType.Standard)
field = FieldWidget(class_field, None)
where = QgsProcessingParameterWidgetContext()
where.setProject(project)
shown = []
for wrapper in (layer, field):
    wrapper.setWidgetContext(where)
    shown.append(wrapper.createWrappedWidget(context))
for wrapper in (layer, field):
    wrapper.postInitialize([layer, field])
told = []
for value in (vector.id(), raster.id(), "/no/such/file.gpkg", sys.argv[3]):
    layer.setParameterValue(value, context)
    if not told:
        field.setParameterValue("crop", context)
    told.append(field.parameterValue())
print(told, flush=True)
os._exit(0)
"""


def test_fields_follow_the_layer(provider, context, folder, tmp_path):
    parcels, options = memory_layer(), QgsVectorFileWriter.SaveVectorOptions()
    QgsVectorFileWriter.writeAsVectorFormatV3(parcels, str(folder / "parcels.gpkg"), context.transformContext(), options)
    ran = subprocess.run(
        [sys.executable, "-c", DIALOG, str(ROOT), write_raster(folder / "classes.tif"), str(folder / "parcels.gpkg")],
        capture_output=True, text=True, env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "QT_QPA_PLATFORM": "offscreen"})
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.strip().splitlines()[-1] == "['crop', None, None, 'crop']"


BY_STYLE = """
def added(name, geometry, field=""):
    layer = QgsVectorLayer(f"{geometry}?crs=EPSG:32633&field=class:string&field=other:string", name, "memory")
    if field:
        layer.setRenderer(QgsCategorizedSymbolRenderer(field, [QgsRendererCategory("a", QgsSymbol.defaultSymbol(layer.geometryType()), "a")]))
    return project.addMapLayer(layer)
roads, plain, second, training = (added("A roads", "LineString", "class"), added("B plain", "Polygon"), added("C drawn", "Point", "other"),
                                  added("Training", "Polygon", "class"))
def shown(dialog):
    return [project.mapLayer(wrapper_of(dialog, "LABELS").parameterValue()).name(), wrapper_of(dialog, "CLASS_FIELD").parameterValue()]
order = [layer.name() for layer in project.layerTreeRoot().layerOrder()]
dialog = dialog_of("mapfrompoints", LABELS=roads.id())
labels, field = wrapper_of(dialog, "LABELS"), wrapper_of(dialog, "CLASS_FIELD")
told = [shown(dialog)]
for layer in (plain, second, training):
    labels.setParameterValue(layer.id(), context)
    told.append(shown(dialog))
field.setParameterValue("other", context)
labels.setParameterValue(roads.id(), context)
told.append(shown(dialog))
project.removeMapLayer(roads.id())
tell({"first": shown(dialog_of("mapfrompoints")), "order": order, "told": told,
      "given": shown(dialog_of("mapfrompoints", LABELS=training.id(), CLASS_FIELD="other"))})
"""


def test_the_field_a_layer_is_drawn_by_is_proposed_until_one_is_chosen(provider, tmp_path):
    told = seen(BY_STYLE, tmp_path)
    assert told["told"] == [["A roads", "class"], ["B plain", None], ["C drawn", "other"], ["Training", "class"], ["A roads", "other"]]
    assert told["first"] == next(row for name in told["order"] for row in told["told"] if row[0] == name and name in ("C drawn", "Training"))
    assert told["given"] == ["Training", "other"]


def test_every_field_parameter_uses_it(provider):
    from eo_pretrain_qgis.toolbox.parameters import FIELD_WIDGET

    fields = [(algorithm.name(), definition) for algorithm in provider.algorithms() for definition in algorithm.parameterDefinitions()
              if definition.type() == "field"]
    assert {"mapfromlabels", "createtrainingdataset"} <= {name for name, _ in fields}
    facts = {(name, definition.name()): definition.metadata()["widget_wrapper"] for name, definition in fields}
    assert all(fact["class"] == FIELD_WIDGET for fact in facts.values())
    assert {key for key, fact in facts.items() if fact.get("by_style")} == {
        ("mapfrompoints", "CLASS_FIELD"), ("createtrainingdataset", "CLASS_FIELD"), ("createcropdataset", "CROP_FIELD")}
    assert (ROOT / (FIELD_WIDGET.rpartition(".")[0].replace(".", "/") + ".py")).is_file()
