"""Layers of vector files: their paths as QGIS writes them, geometries that need repair, and text in another encoding than the file says."""

import geopandas
import numpy as np
import pytest
import shapely

from eo_pretrain_qgis.engine.rasters.vector import LayerPath, VectorLayer, is_vector, repaired
from eo_pretrain_qgis.errors import DataError

from ..listening import Listening


@pytest.mark.parametrize("ending", ["gpkg", "geojson", "shp"])
def test_text_of_another_encoding_is_named(folder, ending):
    layer = geopandas.GeoDataFrame({"art": ["Wald", "Abcd"]}, geometry=[shapely.box(at, 0, at + 1, 1) for at in (0, 1)], crs="EPSG:4326")
    layer.to_file(folder / f"a.{ending}", **({"encoding": "utf-8"} if ending == "shp" else {}))
    holder = folder / f"a.{'dbf' if ending == 'shp' else ending}"
    holder.write_bytes(holder.read_bytes().replace(b"Abcd", b"\xe4bcd"))
    with pytest.raises(DataError, match="holds text that is not in the encoding it says .* Save the layer anew with the encoding UTF-8"):
        VectorLayer.open({"path": str(folder / f"a.{ending}")}).read(["art"])


@pytest.mark.parametrize(("path", "expected"), [
    ("a.gpkg", LayerPath("a.gpkg")),
    ("a.gpkg|layername=roads", LayerPath("a.gpkg", "roads")),
    ("a.gpkg|layerid=2", LayerPath("a.gpkg", number=2)),
    ('a.gpkg|layername=y|subset="year" = 2019', LayerPath("a.gpkg", "y", where='"year" = 2019')),
    ("a.gpkg|subset=a || b = 'x|y'|layername=no", LayerPath("a.gpkg", where="a || b = 'x|y'|layername=no")),
    ("a.gpkg|layerid=0|geometrytype=Polygon|subset=a = 1", LayerPath("a.gpkg", number=0, where="a = 1", kind="Polygon")),
    ("a.gpkg|layername=y|subset=a = 1|geometrytype=PolygonZ|uniqueGeometryType=yes|option:LIST_ALL_TABLES=YES",
     LayerPath("a.gpkg", "y", where="a = 1", kind="PolygonZ", options={"LIST_ALL_TABLES": "YES"})),
    ("a.csv|option:X_POSSIBLE_NAMES=x|option:Y_POSSIBLE_NAMES=y", LayerPath("a.csv", options={"X_POSSIBLE_NAMES": "x", "Y_POSSIBLE_NAMES": "y"}))])
def test_paths_as_qgis_writes_them(path, expected):
    assert LayerPath.of({"path": path}) == expected


@pytest.mark.parametrize(("path", "said"), [
    ("a.gpkg|layernam=roads", "“layernam=roads” in a.gpkg.* is not understood. The path of a layer may have layername="),
    ("a.gpkg|layername=roads|authcfg=x", "“authcfg=x” in"), ("a.gpkg|", "“” in"),
    ("a.gpkg|layerid=first", "layerid=first in a.gpkg.* is no number of a layer"),
    ("a.gpkg|subset=SELECT * FROM x", "a.gpkg is filtered by a whole SQL statement")])
def test_parts_that_are_not_understood_are_refused(path, said):
    with pytest.raises(DataError, match=said):
        LayerPath.of({"path": path})


def test_filters_and_kinds_leave_features_out(folder):
    shapes = [shapely.box(0, 0, 1, 1), shapely.Point(2, 2), shapely.MultiPolygon([shapely.box(3, 3, 4, 4)]), shapely.LineString([(0, 0), (1, 1)])]
    path = folder / "a|b.gpkg"
    geopandas.GeoDataFrame({"year": [2019, 2019, 2020, 2020]}, geometry=shapes, crs=4326).to_file(path, layer="mixed")
    geopandas.GeoDataFrame({"x": [1]}, geometry=shapes[1:2], crs=4326).to_file(path, layer="second")
    assert is_vector({"path": f"{path}|layername=mixed"}) and is_vector({"path": f"{path}"})
    for part, years in (("|layername=mixed", [2019, 2019, 2020, 2020]), ('|layerid=0|subset="year" = 2020', [2020, 2020]),
                        ("|layername=mixed|geometrytype=Polygon", [2019, 2020]), ("|layername=mixed|subset=fid = 1 OR fid = 3", [2019, 2020]),
                        ("|layername=mixed|geometrytype=MultiPolygonZM|subset=year = 2020", [2020])):
        assert VectorLayer.open({"path": f"{path}{part}"}).read(["year"])["year"].tolist() == years
    with pytest.raises(DataError, match="has no layer number 2; it has mixed, second, counted from 0"):
        VectorLayer.open({"path": f"{path}|layerid=2"})
    with pytest.raises(DataError, match="The filter yer = 2020 of the layer mixed of .* cannot be used"):
        VectorLayer.open({"path": f"{path}|layername=mixed|subset=yer = 2020"}).read([])
    with pytest.raises(DataError, match="holds no features with a place. Draw some, or lift its filter or selection"):
        VectorLayer.open({"path": f"{path}|layername=mixed|subset=year = 1"}).read([])


def test_open_options_of_vectors(folder):
    (folder / "points.csv").write_text("lon,lat,kind\n15,47,a\n16,48,b\n", encoding="utf-8")
    source = {"path": f"{folder / 'points.csv'}|option:X_POSSIBLE_NAMES=lon|option:Y_POSSIBLE_NAMES=lat", "crs": "EPSG:4326"}
    assert VectorLayer.open(source).read(["kind"]).geometry.x.tolist() == [15, 16]


def test_repairs_keep_what_a_geometry_is(folder):
    spike = shapely.Polygon([(0, 0), (4, 0), (4, 4), (4, 9), (4, 4), (0, 4)])
    shapes = [spike, shapely.Polygon([(0, 0), (1, 1), (2, 2), (0, 0)]), shapely.box(5, 5, 6, 6), shapely.LineString([(0, 0), (0, 0)]),
              shapely.Polygon([(0, 0), (2, 2), (2, 0), (0, 2)]), shapely.GeometryCollection([shapely.box(7, 7, 8, 8), shapely.Point(0, 0)]), None,
              shapely.LineString([(0, 0), (1, 1)]), shapely.Point(3, 3), shapely.Point(np.inf, 0),
              shapely.LineString([(0, 0), (np.nan, 1)])]
    features = geopandas.GeoDataFrame({"row": range(len(shapes))}, geometry=shapes, crs=4326)
    heard = Listening()
    found = repaired(features, "a.gpkg", heard)
    assert found["row"].tolist() == [0, 2, 4, 5, 7, 8]
    assert shapely.get_dimensions(found.geometry.values).tolist() == [2, 2, 2, 2, 1, 0]
    assert shapely.area(found.geometry.values)[:4].tolist() == [16, 1, 2, 1] and "GeometryCollection" not in set(found.geom_type)
    assert heard.texts == [
        "1 of 11 features of a.gpkg have no geometry and are left out.",
        "2 of 10 features of a.gpkg have coordinates that are no numbers and are left out.",
        "4 of 11 geometries of a.gpkg were invalid and have been repaired.",
        "1 of 11 features of a.gpkg are collections of several geometries; of their areas, lines and points only the areas are used, or else "
        "the lines.",
        "2 of 11 features of a.gpkg are polygons without an area or lines without a length and are left out."]
    with pytest.raises(DataError, match="holds no feature with a geometry that can be used"):
        repaired(features.iloc[[1, 3]], "a.gpkg", Listening())


@pytest.mark.parametrize(("written", "code_page", "seen"), [
    ("utf-8", 0, "Grünland"), ("iso-8859-1", 0, "Grünland"), ("cp1252", 0x57, "Grünland"), ("utf-8", 0x57, "GrÃ¼nland")])
def test_shapefiles_that_do_not_say_their_encoding(folder, written, code_page, seen):
    path = folder / "fields.shp"
    geopandas.GeoDataFrame({"art": ["Grünland", "Wald"]}, geometry=[shapely.box(at, 0, at + 1, 1) for at in (0, 1)], crs=4326).to_file(
        path, encoding=written)
    (folder / "fields.cpg").unlink()
    table = bytearray((folder / "fields.dbf").read_bytes())
    table[29] = code_page
    (folder / "fields.dbf").write_bytes(table)
    assert VectorLayer.open({"path": str(path)}).read(["art"])["art"].tolist() == [seen, "Wald"]
    assert VectorLayer.open({"path": f"{path}|option:ENCODING={written}"}).read(["art"])["art"].tolist() == ["Grünland", "Wald"]
