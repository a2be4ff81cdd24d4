import contextlib
import sqlite3

import geopandas
import pyogrio
import pytest
import shapely

from eo_pretrain_qgis.engine.looks.class_style import beside, confidence_qml
from eo_pretrain_qgis.engine.looks.style_files import MARK, new_style
from eo_pretrain_qgis.engine.rasters.vector import VectorLayer, layer_names, write_layer
from eo_pretrain_qgis.errors import DataError

from ..listening import Listening


def test_our_style_is_replaced_by_our_next_one(folder):
    for text in ("<qgis>1</qgis>\n", "<qgis>2</qgis>\n"):
        with new_style(folder / "map.tif", text):
            pass
    assert (folder / "map.qml").read_text(encoding="utf-8") == f"<qgis>2</qgis>\n{MARK}\n"


def test_a_style_of_the_users_stays_and_is_told(folder):
    (folder / "roads.qml").write_bytes(b"<qgis>of roads.shp \xff</qgis>")
    told = Listening()
    with new_style(folder / "roads.gpkg", "<qgis/>", told):
        pass
    assert (folder / "roads.qml").read_bytes() == b"<qgis>of roads.shp \xff</qgis>"
    assert f"{folder / 'roads.qml'} is a style of your own and was kept." in told.texts[0]


def test_a_file_of_gdal_s_beside_another_image_of_that_name_stays(folder):
    (folder / "map.tif.aux.xml").write_text("<PAMDataset>mine</PAMDataset>", encoding="utf-8")
    with pytest.raises(DataError, match="map.tif.aux.xml is there already, and without map.tif"), beside(folder / "map.tif", qml=confidence_qml):
        pass
    assert [child.name for child in folder.iterdir()] == ["map.tif.aux.xml"]
    (folder / "map.tif").touch()  # a map that is replaced takes its own along
    with beside(folder / "map.tif", aux_xml=lambda: "<PAMDataset/>"):
        pass
    assert (folder / "map.tif.aux.xml").read_text(encoding="utf-8") == "<PAMDataset/>"


def test_a_layer_carries_its_style_inside(folder):
    layer = geopandas.GeoDataFrame({"class": [1]}, geometry=[shapely.box(0, 0, 1, 1)], crs="EPSG:32633")
    for text in ("<qgis>old</qgis>", "<qgis>new</qgis>"):
        write_layer(folder / "areas.gpkg", "areas", layer, text)
    with contextlib.closing(sqlite3.connect(folder / "areas.gpkg")) as connection:
        rows = connection.execute("SELECT f_table_name, f_geometry_column, styleQML, useAsDefault FROM layer_styles").fetchall()
        known = connection.execute("SELECT data_type FROM gpkg_contents WHERE table_name = 'layer_styles'").fetchall()
    assert rows == [("areas", "geom", "<qgis>new</qgis>", 1)]
    assert known == [("attributes",)]
    assert layer_names(str(folder / "areas.gpkg")) == ["areas"], "a table of styles is no layer to choose from"
    assert len(VectorLayer.open({"path": str(folder / "areas.gpkg")}).read(["class"])) == 1
    assert sorted(path.name for path in folder.iterdir()) == ["areas.gpkg", "areas.qml"]


@pytest.mark.parametrize(("said", "geometry"), [({}, "Polygon"), ({"empty": "LineString"}, "LineString")])
def test_a_layer_without_features_has_a_geometry_all_the_same(folder, said, geometry):
    """Of unknown geometry, QGIS shows it as a table."""
    write_layer(folder / "none.gpkg", "none", geopandas.GeoDataFrame({"class": []}, geometry=[], crs="EPSG:32633"), "<qgis/>", **said)
    assert pyogrio.read_info(folder / "none.gpkg", layer="none")["geometry_type"] == geometry


def test_beside_a_style_of_the_users_none_of_ours_lies_inside(folder):
    (folder / "areas.qml").write_text("<qgis>mine</qgis>")
    layer = geopandas.GeoDataFrame({"class": [1]}, geometry=[shapely.box(0, 0, 1, 1)], crs="EPSG:32633")
    told = Listening()
    write_layer(folder / "areas.gpkg", "areas", layer, "<qgis>ours</qgis>", told)
    assert "is a style of your own and was kept" in told.texts[0]
    assert [str(row[0]) for row in pyogrio.list_layers(folder / "areas.gpkg")] == ["areas"]


def test_a_raster_and_a_layer_of_one_name_do_not_take_each_other_the_style(folder):
    raster, lines = '<qgis><rasterrenderer type="paletted"/></qgis>', "<qgis><renderer-v2/></qgis>"
    told = Listening()
    with new_style(folder / "ice.tif", raster, told):
        (folder / "ice.tif").write_text("a map")
    with new_style(folder / "ice.shp", lines, told):
        (folder / "ice.shp").write_text("a chart")
    assert (folder / "ice.qml").read_text(encoding="utf-8") == f"{raster}{MARK}\n"
    assert told.warnings == [f"{folder / 'ice.qml'} is the style of ice.tif and was kept, so none is written beside ice.shp. Give it another name to "
                             "get one."]
    (folder / "ice.tif").unlink()
    with new_style(folder / "ice.shp", lines, told):  # what is left of a map that is gone keeps nobody out
        pass
    assert (folder / "ice.qml").read_text(encoding="utf-8") == f"{lines}{MARK}\n" and len(told.warnings) == 1
