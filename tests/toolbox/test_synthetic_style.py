"""A synthetic image shows in QGIS under a name and with a note that say so, in the style saved beside it."""

import numpy as np
from osgeo import gdal
from qgis.core import QgsLayerNotesUtils, QgsMultiBandColorRenderer, QgsRasterLayer

# As engine/mapping/synthetic_image.py writes it, which QGIS's own Python cannot import.
STYLE = """<qgis version="3.40.0" styleCategories="Symbology|CustomProperties|Notes">
  <pipe>
    <rasterrenderer type="multibandcolor" opacity="1" alphaBand="-1" nodataColor="" redBand="3" greenBand="2" blueBand="1">
      <rasterTransparency/>
      <redContrastEnhancement>
        <minValue>100</minValue>
        <maxValue>3000</maxValue>
        <algorithm>StretchToMinimumMaximum</algorithm>
      </redContrastEnhancement>
    </rasterrenderer>
  </pipe>
  <blendMode>0</blendMode>
  <customproperties>
    <Option type="Map">
      <Option type="QString" name="eo_pretrain/name" value="Synthetic s2 from sentinel1.tif"/>
    </Option>
  </customproperties>
  <userNotes value="Synthetic image. Nothing in it was measured."/>
</qgis>
"""


def test_the_layer_says_that_it_is_synthetic(tmp_path, context, feedback):
    from eo_pretrain_qgis.toolbox import styling

    path = tmp_path / "out.tif"
    image = gdal.GetDriverByName("GTiff").Create(str(path), 8, 8, 3, gdal.GDT_Float32)
    image.WriteArray(np.full((3, 8, 8), 1000, np.float32))
    image = None
    path.with_suffix(".qml").write_text(STYLE)
    layer = QgsRasterLayer(str(path), "Map")
    styling._Styler(styling.Shown(layer.source(), "OUTPUT", ""), styled=True).postProcessLayer(layer, context, feedback)
    assert layer.name() == "Synthetic s2 from sentinel1.tif"
    assert QgsLayerNotesUtils.layerNotes(layer) == "Synthetic image. Nothing in it was measured."
    renderer = layer.renderer()
    assert isinstance(renderer, QgsMultiBandColorRenderer)
    assert renderer.redBand() == 3
    assert renderer.redContrastEnhancement().maximumValue() == 3000
