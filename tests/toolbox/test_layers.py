"""Layers as files: what the worker is told about each kind of layer, and which layers are refused."""

import os

import pytest
from osgeo import gdal
from qgis.core import (
    QgsApplication,
    QgsCategorizedSymbolRenderer,
    QgsCoordinateReferenceSystem,
    QgsDateTimeRange,
    QgsField,
    QgsPalettedRasterRenderer,
    QgsProcessingFeatureSourceDefinition,
    QgsProject,
    QgsRasterLayer,
    QgsRasterRange,
    QgsRendererCategory,
    QgsSingleBandGrayRenderer,
    QgsSymbol,
    QgsVectorFileWriter,
    QgsVectorLayer,
    QgsVectorLayerJoinInfo,
)
from qgis.PyQt.QtCore import QDate, QDateTime, Qt, QTime, QVariant
from qgis.PyQt.QtGui import QColor

from eo_pretrain_qgis.errors import DataError

from .conftest import memory_layer, saved_layer, write_raster


@pytest.fixture
def source_of(context, feedback):
    from eo_pretrain_qgis.toolbox import layers

    return lambda layer, *asked: layers.source_of(layer, context, feedback, *asked)


def features(source):
    layer = QgsVectorLayer(f"{source['path']}|layername={source['layer']}", "copy", "ogr")
    assert layer.isValid()
    return [feature["crop"] for feature in layer.getFeatures()]


def test_plain_raster_is_its_path(source_of, folder):
    path = write_raster(folder / "image.tif")
    assert source_of(QgsRasterLayer(path, "image")) == {"path": path, "name": "image"}


def test_open_options_are_handed_over(source_of, folder):
    path = write_raster(folder / "image.tif")
    source = source_of(QgsRasterLayer(f"{path}|option:NUM_THREADS=ALL_CPUS", "image"))
    assert source == {"path": path, "name": "image", "open_options": ["NUM_THREADS=ALL_CPUS"]}


def test_raster_table_of_a_geopackage(source_of, folder):
    tif = write_raster(folder / "image.tif")
    path = str(folder / "two.gpkg")
    for table in ("first", "second"):
        gdal.Translate(path, tif, format="GPKG", creationOptions=[f"RASTER_TABLE={table}", "APPEND_SUBDATASET=YES"])
    assert source_of(QgsRasterLayer(f"GPKG:{path}:second", "image"))["path"] == f"GPKG:{path}:second"


def test_variable_of_a_netcdf(source_of, folder):
    path = str(folder / "image.nc")
    gdal.Translate(path, write_raster(folder / "image.tif"), format="netCDF")
    assert source_of(QgsRasterLayer(f'NETCDF:"{path}":Band1', "image"))["path"] == f'NETCDF:"{path}":Band1'


def test_raster_in_a_zip(source_of, folder):
    import zipfile

    with zipfile.ZipFile(folder / "image.zip", "w") as archive:
        archive.write(write_raster(folder / "image.tif"), "image.tif")
    path = f"/vsizip/{folder}/image.zip/image.tif"
    assert source_of(QgsRasterLayer(path, "image"))["path"] == path


def test_remote_raster_keeps_its_prefix(source_of, folder):
    layer = QgsRasterLayer(write_raster(folder / "image.tif"), "image")
    layer.source = lambda: "/vsicurl/https://example.org/image.tif"
    assert source_of(layer)["path"] == "/vsicurl/https://example.org/image.tif"


def test_relative_path_becomes_absolute(source_of, folder, monkeypatch):
    path = write_raster(folder / "image.tif")
    monkeypatch.chdir(folder)
    assert source_of(QgsRasterLayer("image.tif", "image"))["path"] == path


def test_nodata_of_the_file_and_of_the_layer(source_of, folder):
    layer = QgsRasterLayer(write_raster(folder / "image.tif", bands=2, nodata=0), "image")
    layer.dataProvider().setUserNoDataValue(2, [QgsRasterRange(255, 255)])
    assert source_of(layer)["nodata"] == [[0.0], [0.0, 255.0]]


def test_nodata_range_is_refused(source_of, folder):
    layer = QgsRasterLayer(write_raster(folder / "image.tif"), "image")
    layer.dataProvider().setUserNoDataValue(1, [QgsRasterRange(0, 9)])
    with pytest.raises(DataError, match=r"“image” has a range as additional nodata value. Give single values"):
        source_of(layer)


def test_crs_set_by_the_analyst_is_handed_over(source_of, folder):
    layer = QgsRasterLayer(write_raster(folder / "image.tif"), "image")
    layer.setCrs(QgsCoordinateReferenceSystem("EPSG:32632"))
    assert source_of(layer)["crs"] == "EPSG:32632"


def test_layer_without_crs_is_refused(source_of, folder):
    with pytest.raises(DataError, match=r"“image” has no coordinate reference system. Set it with"):
        source_of(QgsRasterLayer(write_raster(folder / "image.tif", epsg=None), "image"))
    with pytest.raises(DataError, match="“parcels” has no coordinate reference system"):
        layer = memory_layer()
        layer.setCrs(QgsCoordinateReferenceSystem())
        source_of(layer)


def test_date_of_the_temporal_property_is_handed_over(source_of, folder):
    layer = QgsRasterLayer(write_raster(folder / "image.tif"), "image")
    begin = QDateTime(QDate(2023, 6, 12), QTime(10, 30), Qt.TimeSpec.UTC)
    properties = layer.temporalProperties()
    properties.setFixedTemporalRange(QgsDateTimeRange(begin, begin.addDays(1)))
    assert "date" not in source_of(layer), "the property is not switched on"
    properties.setIsActive(True)
    assert source_of(layer)["date"] == "2023-06-12"


def test_paletted_raster_names_its_classes(source_of, folder):
    layer = QgsRasterLayer(write_raster(folder / "cover.tif"), "cover")
    named = QgsPalettedRasterRenderer.Class
    classes = [named(1, QColor("#1f77b4"), "water"), named(20, QColor("#2ca02c"), "forest")]
    layer.setRenderer(QgsPalettedRasterRenderer(layer.dataProvider(), 1, classes))
    assert source_of(layer)["categories"] == {"classes": [
        {"value": "1", "name": "water", "color": "#1f77b4"}, {"value": "20", "name": "forest", "color": "#2ca02c"}]}


@pytest.mark.parametrize(("source", "provider_name"), [
    ("type=xyz&url=http://127.0.0.1:9/{z}/{x}/{y}.png&zmax=3&zmin=0", "wms"),
    ("?crs=EPSG:32633&extent=0,0,1,1&width=1&height=1&formula=1", "virtualraster")])
def test_rasters_that_are_no_files_are_refused(source_of, source, provider_name):
    with pytest.raises(DataError, match=rf"“OSM” is a {provider_name} layer. Save it as a raster file first."):
        source_of(QgsRasterLayer(source, "OSM", provider_name))


def test_saved_layer_is_its_own_file(source_of, folder, feedback):
    source = source_of(saved_layer(folder / "parcels.gpkg"))
    assert source == {"path": str(folder / "parcels.gpkg"), "layer": "parcels", "name": "parcels"}
    assert feedback.said == []


def test_memory_layer_is_copied(source_of, feedback, context):
    source = source_of(memory_layer())
    assert features(source) == ["wheat", "maize", "wheat"]
    assert feedback.said == ["“parcels” is copied to a temporary file because it is not a plain file (features: 3)."]


def test_copies_lie_in_the_temporary_folder_asked_for(source_of, context, folder):
    context.setTemporaryFolder(str(folder))
    assert os.path.realpath(source_of(memory_layer())["path"]).startswith(os.path.realpath(folder))


def asked(**features):
    """What a dialog asks of a layer."""
    return QgsProcessingFeatureSourceDefinition("", **features)


def test_a_selection_is_used_where_the_dialog_says_so(source_of, feedback):
    layer = memory_layer()
    layer.selectByExpression("crop = 'wheat'")
    assert features(source_of(layer, asked(selectedFeaturesOnly=True))) == ["wheat", "wheat"]
    assert feedback.said == ["“parcels” is copied to a temporary file because only its selected features are used (features: 2 of 3)."]


def test_a_selection_is_not_used_unasked(source_of, folder, feedback):
    layer = saved_layer(folder / "parcels.gpkg")
    layer.selectByExpression("crop = 'wheat'")
    assert source_of(layer) == {"path": str(folder / "parcels.gpkg"), "layer": "parcels", "name": "parcels"}
    assert feedback.said[0].startswith("“parcels” has selected features (2), but all of its features are used. Tick “Selected features only”")


def test_no_selection_is_none(source_of):
    with pytest.raises(DataError, match="“parcels” has no selected features, and only those are asked for. Select some, or untick"):
        source_of(memory_layer(), asked(selectedFeaturesOnly=True))


def test_a_filter_and_a_limit_of_the_dialog(source_of, feedback):
    layer = memory_layer()
    assert features(source_of(layer, asked(featureLimit=2))) == ["wheat", "maize"]
    assert feedback.said[-1].endswith("because only some of its features are asked for (features: 2 of 3).")
    if not hasattr(asked(), "filterExpression"):
        pytest.skip("This QGIS has no filter in the dialog.")
    assert features(source_of(layer, asked(filterExpression="crop = 'maize'"))) == ["maize"]
    layer.selectByExpression("crop = 'wheat'")
    assert features(source_of(layer, asked(selectedFeaturesOnly=True, filterExpression="$id > 1"))) == ["wheat"]


def test_an_encoding_that_is_set_is_used(source_of, folder, feedback):
    path = str(folder / "crops.shp")
    options = QgsVectorFileWriter.SaveVectorOptions()
    options.driverName, options.fileEncoding = "ESRI Shapefile", "UTF-8"
    layer = memory_layer(crops=("Grünland", "Möhre"))
    QgsVectorFileWriter.writeAsVectorFormatV3(layer, path, QgsProject.instance().transformContext(), options)
    saved = QgsVectorLayer(path, "crops", "ogr")
    assert source_of(saved) == {"path": path, "layer": "crops", "name": "crops"} or source_of(saved) == {"path": path, "name": "crops"}
    saved.setProviderEncoding("ISO-8859-1")
    assert features(source_of(saved)) == ["GrÃ¼nland", "MÃ¶hre"], "what the analyst sees"
    assert "because its encoding is set to ISO-8859-1" in feedback.said[-1]


def test_features_by_time_are_told_of(source_of, feedback):
    layer = memory_layer()
    layer.temporalProperties().setIsActive(True)
    source_of(layer)
    assert "“parcels” shows its features by time, but those of all times are used. Set a filter to use some." in feedback.said


def test_a_crs_of_this_profile_is_written_out(source_of, folder):
    crs = QgsCoordinateReferenceSystem.fromProj("+proj=tmerc +lat_0=0 +lon_0=13.5 +k=0.9996 +x_0=500000 +y_0=0 +ellps=WGS84 +units=m +no_defs")
    crs.saveAsUserCrs("local")
    own = QgsApplication.coordinateReferenceSystemRegistry().userCrsList()[-1].crs
    assert own.authid().startswith("USER:")
    image = QgsRasterLayer(write_raster(folder / "image.tif", epsg=None), "image")
    layer = saved_layer(folder / "parcels.gpkg")
    for item in (image, layer):
        item.setCrs(own)
        assert source_of(item)["crs"].startswith(("PROJCRS[", "BOUNDCRS["))


def test_nodata_that_is_unticked(source_of, folder):
    layer = QgsRasterLayer(write_raster(folder / "image.tif", bands=2, nodata=0), "image")
    layer.dataProvider().setUseSourceNoDataValue(1, False)
    layer.dataProvider().setUserNoDataValue(1, [QgsRasterRange(255, 255)])
    source = source_of(layer)
    assert (source["nodata"], source["own_nodata"]) == ([[255.0], [0.0]], [False, True])


def test_the_band_that_is_shown(source_of, folder):
    layer = QgsRasterLayer(write_raster(folder / "cover.tif", bands=3), "cover")
    assert "categories" not in source_of(layer), "three bands are shown"
    layer.setRenderer(QgsSingleBandGrayRenderer(layer.dataProvider(), 3))
    assert source_of(layer)["categories"] == {"band": 3}
    layer.setRenderer(QgsPalettedRasterRenderer(layer.dataProvider(), 2, [QgsPalettedRasterRenderer.Class(1, QColor("#1f77b4"), "water")]))
    assert source_of(layer)["categories"] == {"band": 2, "classes": [{"value": "1", "name": "water", "color": "#1f77b4"}]}


def test_filter_is_applied(source_of, folder, feedback):
    layer = saved_layer(folder / "parcels.gpkg")
    layer.setSubsetString("crop = 'maize'")
    assert features(source_of(layer)) == ["maize"]
    assert feedback.said == ["“parcels” is copied to a temporary file because it has a filter (features: 1)."]


def test_selection_within_a_filtered_memory_layer(source_of):
    layer = memory_layer()
    layer.setSubsetString("crop = 'wheat'")
    layer.select(1)
    assert features(source_of(layer, asked(selectedFeaturesOnly=True))) == ["wheat"]


def test_virtual_and_joined_fields_are_written(source_of, folder, project):
    layer = saved_layer(folder / "parcels.gpkg")
    names = memory_layer("names", crops=("wheat", "maize"))
    project.addMapLayers([layer, names])
    join = QgsVectorLayerJoinInfo()
    join.setJoinLayer(names)
    join.setJoinFieldName("crop")
    join.setTargetFieldName("crop")
    join.setUsingMemoryCache(True)
    layer.addJoin(join)
    layer.addExpressionField("upper(crop)", QgsField("upper", QVariant.String))
    source = source_of(layer)
    copy = QgsVectorLayer(f"{source['path']}|layername={source['layer']}", "copy", "ogr")
    assert {"upper", "names_fid"} <= set(copy.fields().names())
    assert {feature["upper"] for feature in copy.getFeatures()} == {"WHEAT", "MAIZE"}


def test_unsaved_edits_are_used(source_of, folder):
    layer = saved_layer(folder / "parcels.gpkg")
    layer.startEditing()
    layer.deleteFeature(next(layer.getFeatures()).id())
    assert len(features(source_of(layer))) == 2


def test_table_without_geometry_is_refused(source_of):
    with pytest.raises(DataError, match=r"“codes” is a table without geometry. Choose a layer with points, lines or polygons."):
        source_of(QgsVectorLayer("None?field=crop:string", "codes", "memory"))


def test_categories_become_classes(source_of):
    layer = memory_layer()
    categories = [QgsRendererCategory("wheat", _symbol(layer, "#e0c000"), "Winter wheat"),
                  QgsRendererCategory(["maize", "millet"], _symbol(layer, "#00a000"), "C4"),
                  QgsRendererCategory(None, _symbol(layer, "#000000"), "")]
    layer.setRenderer(QgsCategorizedSymbolRenderer("crop", categories))
    assert source_of(layer)["categories"] == {"field": "crop", "classes": [
        {"value": "wheat", "name": "Winter wheat", "color": "#e0c000"}, {"value": "maize", "name": "C4", "color": "#00a000"},
        {"value": "millet", "name": "C4", "color": "#00a000"}]}


def _symbol(layer, color):
    symbol = QgsSymbol.defaultSymbol(layer.geometryType())
    symbol.setColor(QColor(color))
    return symbol


def test_checking_copies_nothing(context):
    from eo_pretrain_qgis.toolbox import layers

    layer = memory_layer()
    assert layers.source_of(layer, context, None) == {"path": layer.source(), "name": "parcels"}
