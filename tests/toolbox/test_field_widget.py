"""The list of fields in a dialog: follows the layer, and outlives a raster in its place."""

import subprocess
import sys

from qgis.core import QgsVectorFileWriter

from ..conftest import ROOT
from .conftest import memory_layer, write_raster

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


def test_every_field_parameter_uses_it(provider):
    from eo_pretrain_qgis.toolbox.parameters import FIELD_WIDGET

    fields = [(algorithm.name(), definition) for algorithm in provider.algorithms() for definition in algorithm.parameterDefinitions()
              if definition.type() == "field"]
    assert {"mapfromlabels", "createtrainingdataset"} <= {name for name, _ in fields}
    assert all(definition.metadata() == {"widget_wrapper": {"class": FIELD_WIDGET}} for _, definition in fields)
    assert (ROOT / (FIELD_WIDGET.rpartition(".")[0].replace(".", "/") + ".py")).is_file()
