import geopandas
import numpy as np
import pytest
import rasterio
import shapely
from rasterio.warp import reproject

from eo_pretrain_qgis.engine.datasets.labels import open_labels
from eo_pretrain_qgis.engine.rasters.grid import Window
from eo_pretrain_qgis.engine.rasters.raster import Raster
from eo_pretrain_qgis.errors import DataError

from ..listening import Listening
from ..scenes import ORIGIN, UTM, land_fields, write_raster

WEST, NORTH = ORIGIN


@pytest.fixture
def grid(folder):
    """40 x 60 px of 10 m."""
    return Raster(write_raster(folder / "image.tif", np.zeros((1, 40, 60), np.uint8))).grid


@pytest.fixture
def layer(folder):
    """Writes shapes given in metres from the upper left corner, y downwards, with a field "kind"; in degrees, as most layers are."""

    def write(shapes, kinds, crs=4326):
        placed = [shape and shapely.transform(shape, lambda xy: xy * [1, -1] + [WEST, NORTH]) for shape in shapes]
        path = folder / "labels.gpkg"
        geopandas.GeoDataFrame({"kind": kinds}, geometry=placed, crs=UTM).to_crs(crs).to_file(path)
        return {"path": str(path)}

    return write


def draw(source, grid, **asked):
    labels = open_labels(source, [grid], **{"class_field": "kind", **asked})
    return labels, labels.read(grid, grid.window)


@pytest.mark.parametrize("crs", [4326, 32633, 3857, 3035])
def test_polygons_lie_where_they_should_from_any_crs(layer, grid, crs):
    labels, drawn = draw(layer([shapely.box(0, 0, 300, 200), shapely.box(300, 200, 600, 400)], ["a", "b"], crs), grid)
    expected = np.full((40, 60), 255)
    expected[:20, :30], expected[20:, 30:] = 0, 1
    assert (drawn == expected).mean() > 0.998, "edges on pixel edges may fall to either side"
    assert [row.name for row in labels.legend.classes] == ["a", "b"]


def test_windows_agree_with_the_whole(layer, grid):
    labels, drawn = draw(layer([shapely.Point(300, 200).buffer(150), shapely.box(0, 0, 90, 390)], ["a", "b"]), grid)
    window = Window(13, 7, 24, 20)
    assert (labels.read(grid, window) == drawn[7:27, 13:37]).all()


def test_the_later_feature_counts(layer, grid):
    _, drawn = draw(layer([shapely.box(0, 0, 600, 400), shapely.box(100, 100, 200, 200)], ["land", "lake"]), grid)
    assert drawn[15, 15] == 0 and drawn[0, 0] == 1 and (drawn == 0).sum() == 100


def test_lines_get_their_width_in_metres(layer, grid):
    line = shapely.LineString([(-50, 205), (650, 205)])
    _, drawn = draw(layer([line], ["road"]), grid, buffer=30, unlabelled="background")
    assert (drawn == 1).any(1).nonzero()[0].tolist() == [18, 19, 20, 21, 22] and (drawn[18:23] == 1).mean() > 0.99


def test_lines_get_their_width_in_degrees_too(layer, folder):
    """At 60 degrees north a degree of longitude is half as long: the width must not be."""
    values = np.zeros((1, 100, 100), np.uint8)
    path = write_raster(folder / "north.tif", values, crs="EPSG:4326", transform=rasterio.Affine(2e-4, 0, 15.0, 0, -1e-4, 60.0))
    north = Raster(path).grid  # pixels of 11.1 x 11.1 m
    lines = geopandas.GeoDataFrame({"kind": ["ns", "we"]}, crs=4326, geometry=[
        shapely.LineString([(15.0101, 60.01), (15.0101, 59.98)]), shapely.LineString([(14.99, 59.99505), (15.03, 59.99505)])])
    lines.to_file(folder / "lines.gpkg")
    _, drawn = draw({"path": str(folder / "lines.gpkg")}, north, buffer=50, unlabelled="background")
    assert (drawn[5] == 1).sum() == 9 and (drawn[:, 5] == 2).sum() == 9  # 100 m over 11.1 m


def test_line_narrower_than_a_pixel_has_no_gaps(layer, grid):
    _, drawn = draw(layer([shapely.LineString([(0, 3), (600, 390)])], ["path"]), grid, buffer=1, unlabelled="background")
    assert (drawn == 1).any(0).all()


def test_points(layer, grid):
    source = layer([shapely.Point(105, 105), shapely.Point(405, 205)], ["a", "b"])
    _, drawn = draw(source, grid)
    assert np.argwhere(drawn != 255).tolist() == [[10, 10], [20, 40]]
    _, drawn = draw(source, grid, buffer=21)
    assert (drawn == 0).sum() == (drawn == 1).sum() == 13


def test_invalid_empty_and_unnamed_features_are_counted(layer, grid):
    bow_tie = shapely.Polygon([(0, 0), (200, 200), (200, 0), (0, 200)])
    heard = Listening()
    source = layer([bow_tie, shapely.box(300, 0, 400, 100), None, shapely.box(0, 300, 100, 400)], ["a", "b", "a", None])
    _, drawn = draw(source, grid, progress=heard)
    assert (drawn == 0).sum() == pytest.approx(200, abs=30) and (drawn == 1).sum() == 100 and (drawn[30:] == 255).all()
    assert [text.split(" of ")[0] for text in heard.warnings] == ["1", "1", "1"]
    assert "features of" in heard.texts[0] and "were invalid and have been repaired" in heard.texts[1]
    assert heard.texts[2] == "1 of 3 features have no value in the field “kind” and are ignored."


def test_symbology_names_and_colours_the_classes(layer, grid):
    source = layer([shapely.box(0, 0, 300, 400), shapely.box(300, 0, 600, 400)], [1, 2])
    styled = {**source, "categories": {"field": "kind", "classes": [{"value": "2", "name": "Road", "color": "#ff0000"}]}}
    classes = draw(styled, grid)[0].legend.classes
    assert [(row.value, row.name) for row in classes] == [(1, "1"), (2, "Road")] and classes[1].color == "#ff0000"
    other = {**source, "categories": {"field": "another", "classes": [{"value": "2", "name": "Road", "color": "#ff0000"}]}}
    assert draw(other, grid)[0].legend.classes[1].name == "2", "categories of another field do not count"


def test_layer_must_be_named_when_there_are_several(folder, grid):
    path = land_fields(folder)
    geopandas.read_file(path).to_file(path, layer="second")
    with pytest.raises(DataError, match=r"has several layers: fields, second. Say which, as"):
        open_labels({"path": str(path)}, [grid], class_field="cover")
    assert open_labels({"path": f"{path}|layername=second"}, [grid], class_field="cover").facts["layer"] == "second"
    with pytest.raises(DataError, match=r"has no layer “third”; it has fields, second"):
        open_labels({"path": str(path), "layer": "third"}, [grid])


def test_no_file(grid):
    with pytest.raises(DataError, match=r"cannot be opened as a raster"):
        open_labels({"path": "nowhere.gpkg"}, [grid])


@pytest.mark.parametrize("crs", ["EPSG:32633", "EPSG:4326", "EPSG:3857"])
def test_class_raster_on_another_grid(folder, grid, crs):
    """Against GDAL's own nearest-neighbour warp of the whole raster."""
    cover = np.random.default_rng(1).integers(0, 4, (30, 30)).astype(np.uint8)
    plain = write_raster(folder / "cover30.tif", cover, nodata=0, resolution=30.0)
    path = folder / "cover.tif"
    with rasterio.open(plain) as source:
        transform, width, height = rasterio.warp.calculate_default_transform(source.crs, crs, 30, 30, *source.bounds)
        empty = np.zeros((height, width), np.uint8)
        warped, _ = reproject(rasterio.band(source, 1), empty, dst_crs=crs, dst_transform=transform)
    write_raster(path, warped, nodata=0, crs=crs, transform=transform)
    labels, drawn = draw({"path": str(path)}, grid, class_field=None)
    expected, _ = reproject(warped, np.zeros((40, 60), np.uint8), src_crs=crs, src_transform=transform, src_nodata=0, dst_crs=grid.crs,
                            dst_transform=rasterio.Affine(*grid.transform), resampling=rasterio.enums.Resampling.nearest)
    assert [row.value for row in labels.legend.classes] == [1, 2, 3]
    assert (np.where(expected == 0, 255, expected - 1) == drawn).mean() > 0.99
    assert (labels.read(grid, Window(5, 6, 20, 20)) == drawn[6:26, 5:25]).all()


def test_class_raster_values(folder, grid):
    cover = np.repeat([-1, 311, 512, 0], 15)[None].repeat(40, 0).astype(np.int16)
    path = str(write_raster(folder / "corine.tif", cover))
    heard = Listening()
    labels, drawn = draw({"path": path}, grid, class_field=None, progress=heard)
    assert [(row.value, row.name) for row in labels.legend.classes] == [(1, "0"), (2, "311"), (3, "512")]
    assert (drawn[:, :15] == 255).all() and (drawn[:, 15:30] == 1).all() and "below 0 is no class" in heard.texts[0]
    labels, drawn = draw({"path": path, "nodata": [[0]]}, grid, class_field=None, unlabelled="background")
    assert labels.legend.classes[0].name == "background" and (drawn[:, 45:] == 0).all()


@pytest.mark.parametrize(("values", "dtype", "classes", "told"), [
    ([1, 2, 3, 255], "uint8", ["1", "2", "3"], "holds 255, which often means “no label”, without a name; it is ignored. List it in “Classes”"),
    ([1, 2, 3, 65535], "uint16", ["1", "2", "3"], "holds 65535, which often means"),
    ([1, 2, 3, 255], "float32", ["1", "2", "3"], "holds 255, which often means"),
    ([0, 255, 0, 255], "uint8", ["0", "255"], "beside 0 it is taken for a class. If it is none, declare it as nodata."),
    ([1, 2, 3, 254], "uint8", ["1", "2", "3", "254"], ""),
    ([1, 300, 301, 255], "uint16", ["1", "255", "300", "301"], ""),
])
def test_the_highest_value_of_a_class_raster_is_most_likely_no_label(folder, grid, values, dtype, classes, told):
    path = str(write_raster(folder / "cover.tif", np.repeat(values, 15)[None].repeat(40, 0).astype(dtype)))
    heard = Listening()
    labels, drawn = draw({"path": path}, grid, class_field=None, progress=heard)
    told_of_labels = [text for text in heard.texts if "get other values" not in text]  # 255 is none of a map, which says so, too
    assert [row.name for row in labels.legend.classes] == classes and [told in text for text in told_of_labels] == [True] * bool(told)
    assert (len(heard.texts) > len(told_of_labels)) == ("255" in classes)
    assert (drawn[:, 45:] == (classes.index(str(values[-1])) if str(values[-1]) in classes else 255)).all()


def test_the_highest_value_is_a_class_where_somebody_says_so(folder, grid):
    path = str(write_raster(folder / "cover.tif", np.repeat([1, 2, 3, 255], 15)[None].repeat(40, 0).astype(np.uint8)))
    named = {"path": path, "categories": {"classes": [{"value": "255", "name": "glacier", "color": "#ffffff"}]}}
    table = [{"value": str(value), "name": name, "color": ""} for value, name in ((1, "one"), (255, "glacier"))]
    for layer, said in ((named, None), ({"path": path}, table)):
        heard = Listening()
        labels, drawn = draw(layer, grid, class_field=None, class_table=said, progress=heard)
        last = len(labels.legend.classes) - 1
        assert labels.legend.classes[last].name == "glacier" and (drawn[:, 45:] == last).all() and "no label" not in "".join(heard.texts)


def test_colour_table_of_a_class_raster(folder, grid):
    path = write_raster(folder / "cover.tif", np.arange(40 * 60).reshape(40, 60).astype(np.uint8) % 2)
    with rasterio.open(path, "r+") as target:
        target.write_colormap(1, {0: (255, 0, 0), 1: (0, 0, 255)})
    labels, _ = draw({"path": str(path)}, grid, class_field=None)
    assert [row.color for row in labels.legend.classes] == ["#ff0000", "#0000ff"]


@pytest.mark.parametrize("crs", ["EPSG:32633", "EPSG:32632"])
def test_the_band_that_is_shown_holds_the_classes(folder, grid, crs):
    bands = np.stack([np.full((40, 60), 21), np.arange(60)[None].repeat(40, 0) // 30 + 1]).astype(np.uint8)
    path = write_raster(folder / "two.tif", bands, nodata=2)
    if crs != "EPSG:32633":
        with rasterio.open(path) as source:
            transform, width, height = rasterio.warp.calculate_default_transform(source.crs, crs, 60, 40, *source.bounds)
            warped = [reproject(source.read(band), np.full((height, width), 2, np.uint8), src_crs=source.crs, src_transform=source.transform,
                                dst_crs=crs, dst_transform=transform, init_dest_nodata=False)[0] for band in (1, 2)]
        write_raster(path, np.stack(warped), nodata=2, crs=crs, transform=transform)
    heard = Listening()
    names = [{"value": "1", "name": "forest", "color": "#00ff00"}, {"value": "2", "name": "water", "color": "#0000ff"}]
    source = {"path": str(path), "categories": {"band": 2, "classes": names}, "own_nodata": [True, False]}
    labels, drawn = draw(source, grid, class_field=None, progress=heard)
    assert [row.name for row in labels.legend.classes] == ["forest", "water"]
    assert (drawn[2:-2, 2:-2] == (bands[1] - 1)[2:-2, 2:-2]).mean() > 0.97
    assert heard.texts == [f"{path} has 2 bands; “band 2”, which its symbology shows, is taken for the classes."]
    first = {"path": str(path), "categories": {"band": 2, "classes": []}}
    with pytest.raises(DataError, match="All labels are of one class"):
        draw(first, grid, class_field=None)


def test_measurements_are_no_classes(folder, grid):
    path = write_raster(folder / "ndvi.tif", np.linspace(0, 1, 40 * 60).reshape(40, 60).astype(np.float32))
    with pytest.raises(DataError, match=r"holds measurements and no classes, such as 0.0004"):
        draw({"path": str(path)}, grid, class_field=None)
