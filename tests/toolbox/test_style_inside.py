"""A GeoPackage of ours opens in its style wherever it goes, as QGIS reads it from the table inside."""

import pytest
from qgis.core import QgsCategorizedSymbolRenderer, QgsVectorLayer

from eo_pretrain_qgis.engine.looks.category_style import Category, categorized, color_option
from eo_pretrain_qgis.engine.looks.style_files import put_inside


@pytest.mark.parametrize("name", ["areas", "what's “this”"])
def test_the_style_inside_is_loaded(tmp_path, name):
    from osgeo import ogr, osr

    path = tmp_path / "moved.gpkg"
    place = osr.SpatialReference()
    place.ImportFromEPSG(32633)
    source = ogr.GetDriverByName("GPKG").CreateDataSource(str(path))
    layer = source.CreateLayer(name, place, ogr.wkbPolygon)
    layer.CreateField(ogr.FieldDefn("class", ogr.OFTInteger))
    layer = source = None
    style = categorized("class", "fill", [Category(1, "water", {"color": color_option("#1f77b4")})])
    put_inside(path, name, style)
    opened = QgsVectorLayer(f"{path}|layername={name}", "areas", "ogr")
    assert isinstance(opened.renderer(), QgsCategorizedSymbolRenderer)
    assert [(row.value(), row.label(), row.symbol().color().name()) for row in opened.renderer().categories()] == [(1, "water", "#1f77b4")]
    count, _, names, texts, error = opened.listStylesInDatabase()
    assert (count, names, texts, error) == (1, [name], ["EO Pretrain for QGIS"], "")
