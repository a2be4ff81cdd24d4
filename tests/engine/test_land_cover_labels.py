"""Labels from land-cover maps, each held against a computation pixel by pixel that shares no code with them."""

import copy
import pickle

import numpy as np
import pyproj
import pytest
import rasterio
from rasterio.transform import from_origin

from eo_pretrain_qgis.engine.datasets.dataset import ClassInfo, Dataset
from eo_pretrain_qgis.engine.looks.class_style import raster_attributes
from eo_pretrain_qgis.engine.rasters.grid import Window
from eo_pretrain_qgis.engine.rasters.raster import Raster
from eo_pretrain_qgis.engine.themes.land_cover import known_legends, map_year
from eo_pretrain_qgis.engine.themes.land_cover import labels as land_cover_labels
from eo_pretrain_qgis.engine.themes.land_cover.known_legends import Code, cover_legend
from eo_pretrain_qgis.engine.themes.land_cover.labels import Filters, MapChoice, open_land_cover
from eo_pretrain_qgis.errors import DataError
from eo_pretrain_qgis.jobs import JOBS
from eo_pretrain_qgis.progress import SILENT

from ..listening import Listening
from ..scenes import ORIGIN, UTM, write_raster
from ..scenes_landcover import cloudy, cloudy_classes, ground, ground_cover_10m, ground_cover_100m, ground_optical, ground_radar

WHOLE = Window(0, 0, 256, 256)


def random_map(folder, crs, transform, size, name="map.tif"):
    """Codes 10, 20, 30 at random; 0 is nodata."""
    codes = np.random.default_rng(3).choice([0, 10, 20, 30], (1, size, size), p=[0.1, 0.3, 0.3, 0.3]).astype(np.uint8)
    return write_raster(folder / name, codes, crs=crs, transform=transform, nodata=0), codes[0]


def grid_of(path):
    with Raster(str(path)) as raster:
        return raster.grid


def opened(path, grid, **options):
    return open_land_cover(MapChoice({"path": str(path)}, "worldcover", grouped=False), [grid], **options)


def values(labels, positions):
    """Positions as values of the classes, 255 where there is none."""
    table = np.full(256, 255)
    table[:len(labels.legend.classes)] = [row.value for row in labels.legend.classes]
    return table[positions]


def looked_up(codes, crs, transform, grid, points=1):
    """The code at `points` × `points` places in each pixel (y, x, place), by transforming every place alone."""
    inside = (np.arange(points) + 0.5) / points
    rows, cols = np.arange(grid.height)[:, None] + inside, np.arange(grid.width)[:, None] + inside
    x = grid.transform[2] + grid.transform[0] * cols.ravel()
    y = grid.transform[5] + grid.transform[4] * rows.ravel()
    x, y = np.meshgrid(x, y)
    x, y = pyproj.Transformer.from_crs(grid.crs, crs, always_xy=True).transform(x, y)
    col, row = np.floor((x - transform.c) / transform.a).astype(int), np.floor((y - transform.f) / transform.e).astype(int)
    known = (col >= 0) & (row >= 0) & (col < codes.shape[1]) & (row < codes.shape[0])
    found = np.where(known, codes[np.where(known, row, 0), np.where(known, col, 0)], 0)
    return found.reshape(grid.height, points, grid.width, points).transpose(0, 2, 1, 3).reshape(grid.height, grid.width, -1)


@pytest.mark.parametrize(("crs", "transform"), [
    (UTM, from_origin(ORIGIN[0] - 45, ORIGIN[1] + 55, 100, 100)),  # half a pixel off, in the same CRS
    ("EPSG:32634", from_origin(49_000, 5_323_000, 100, 100)),  # the neighbouring zone, cells turned by 4 degrees against the image
    ("EPSG:4326", from_origin(14.9990, 47.8560, 0.001, 0.001)),
    (UTM, from_origin(ORIGIN[0] + 5, ORIGIN[1] - 5, 10, 10)),  # as fine as the image and half a pixel off: every middle on an edge
])
def test_a_coarse_map_in_any_crs_gives_each_pixel_the_cell_of_its_middle(folder, crs, transform):
    path, codes = random_map(folder, crs, transform, 300 if transform.a == 10 else 80)
    grid = grid_of(ground_optical(folder))
    labels = opened(path, grid)
    found, expected = values(labels, labels.read(grid, WHOLE)), looked_up(codes, crs, transform, grid)[..., 0]
    expected = np.where(expected == 0, 255, expected)
    assert (expected != 255).mean() > 0.7
    assert (found != expected).mean() < 0.001  # a middle on an edge of two cells, within rounding


@pytest.mark.parametrize(("crs", "transform", "size"), [
    (UTM, from_origin(ORIGIN[0] - 207, ORIGIN[1] + 203, 3, 3), 1100),
    ("EPSG:4326", from_origin(14.998, 47.852, 1 / 27000, 1 / 27000), 1200),
])
def test_a_finer_map_gives_the_class_that_covers_most(folder, crs, transform, size):
    path, codes = random_map(folder, crs, transform, size)
    grid = grid_of(ground_optical(folder))
    labels = opened(path, grid, soft=True)
    part = Window(31, 17, 60, 60)
    places = looked_up(codes, crs, transform, grid.sub(part), points=20)
    shares = np.stack([(places == value).mean(-1) for value in (10, 20, 30)])
    known = shares.sum(0)
    shares /= np.maximum(known, 1e-9)
    top = np.sort(shares, 0)
    sure = (known > 0.6) & (top[-1] - top[-2] > 0.15)
    found = values(labels, labels.read(grid, part))
    assert sure.mean() > 0.4 and (found[sure] != np.array([10, 20, 30])[shares.argmax(0)][sure]).mean() < 0.005
    assert (found[known < 0.4] == 255).all()
    hard = opened(path, grid)
    found = values(hard, hard.read(grid, part))
    assert (found[sure] != np.array([10, 20, 30])[shares.argmax(0)][sure]).mean() < 0.005 and (found[known < 0.4] == 255).all()
    drawn = labels.shares(grid, part)
    assert set(np.unique(drawn.sum(0, dtype=int))) <= {0, 255} and np.abs(drawn / 255 - shares)[:, known > 0.6].mean() < 0.03


def test_soft_shares_of_a_coarse_map_are_those_of_a_square_of_a_cell(folder):
    path, grid = ground_cover_100m(folder), grid_of(ground_optical(folder))
    labels = open_land_cover(MapChoice({"path": str(path)}, "cgls_lc100"), [grid], soft=True)
    shares = labels.shares(grid, WHOLE)[:, 50] / 255
    middle = np.arange(256) + 0.5
    crop = np.clip((130 - (middle - 5)) / 10, 0, 1)  # the square reaches 5 px to both sides of the middle; the cells change at column 130
    names = [row.name for row in labels.legend.classes]
    assert np.abs(shares[names.index("Cropland")] - crop)[6:250].max() < 0.01


@pytest.mark.parametrize("filters", [Filters(purity=8 / 9), Filters(border=35), Filters(purity=0.6, border=20)])
@pytest.mark.parametrize("with_second", [False, True])
def test_tiles_read_alone_are_those_of_the_whole(folder, filters, with_second, monkeypatch):
    monkeypatch.setattr(land_cover_labels, "BLOCK", 100)
    grid = grid_of(ground_optical(folder))
    second = MapChoice({"path": str(ground_cover_10m(folder))}, "worldcover") if with_second else None
    labels = open_land_cover(MapChoice({"path": str(ground_cover_100m(folder))}, "cgls_lc100"), [grid], filters=filters, second=second)
    whole = labels.read(grid, WHOLE)
    other = pickle.loads(pickle.dumps(copy.deepcopy(labels)))  # noqa: S301 - as a worker gets it
    for window in (Window(0, 0, 64, 64), Window(100, 131, 64, 32), Window(192, 192, 64, 64)):
        own = whole[window.row:window.row + window.height, window.col:window.col + window.width]
        assert (other.read(grid, window) == own).all()
        columns = labels.columns(grid, window, own)
        assert sum(columns.values()) == pytest.approx((own == 255).mean(), abs=1e-3)


def test_a_distance_of_too_many_pixels_is_refused(folder):
    with pytest.raises(DataError, match="is 20000 m, more than 1000 pixels of 10 m. Choose at most 10000 m."):
        opened(ground_cover_10m(folder), grid_of(ground_optical(folder)), filters=Filters(border=20_000))


@pytest.mark.parametrize(("content", "sentence"), [
    (b"value;name\n1,5;a\n", "Line 2 of the legend"), (b"value,name\n1,a\n1.0,b\n", "gives the value 1 a second time"),
    (b"value,code\n1,x\n", "has the code “x”, which is no whole number"), (b"value,color\n1,red\n", "has the color “red”, which is none"),
    (b"value\n" + b"9" * 5000 + b"\n", "which is no whole number. Correct it."), (b"name\n1\n", "has no column “value”; it has name."),
    (b"value\n", "has no row"), (b"", "has no column “value”")])
def test_what_is_no_legend(content, sentence, folder):
    (folder / "legend.csv").write_bytes(content)
    with pytest.raises(DataError) as caught:
        known_legends.read_codes(folder / "legend.csv")
    assert sentence in str(caught.value)


def test_a_legend_as_german_spreadsheets_save_it(folder):
    (folder / "legend.csv").write_bytes("Value;Name;Color\r\n10;Wälder;#006400\r\n20,0;Äcker;\r\n".encode("cp1252"))
    assert [(code.value, code.name) for code in known_legends.read_codes(folder / "legend.csv")] == [(10, "Wälder"), (20, "Äcker")]


def test_distance_from_the_border(folder):
    grid = grid_of(ground_optical(folder))
    labels = open_land_cover(MapChoice({"path": str(ground_cover_10m(folder))}, "worldcover"), [grid], filters=Filters(border=30))
    kept = labels.read(grid, WHOLE) != 255
    assert kept[20, 121] and not kept[20, 122] and not kept[20, 127] and kept[20, 128]  # the border is the edge of columns 124 and 125
    assert not kept[150:200, 150:153].any() and kept[153:197, 153:207].all()


def test_purity_from_a_second_map(folder):
    grid = grid_of(ground_optical(folder))
    labels = open_land_cover(MapChoice({"path": str(ground_cover_100m(folder))}, "cgls_lc100"), [grid], filters=Filters(0.75, 0, "cell"),
                             second=MapChoice({"path": str(ground_cover_10m(folder))}, "worldcover"))
    kept = labels.read(grid, WHOLE) != 255
    cells = ground()[:250, :250].reshape(25, 10, 25, 10).transpose(0, 2, 1, 3).reshape(25, 25, -1)
    purest = np.stack([(cells == value).mean(-1) for value in (1, 2, 3)]).max(0)
    assert (kept[:250, :250] == (purest >= 0.75).repeat(10, 0).repeat(10, 1)).all() and not kept[:, 120:130].any()


def test_built_in_legends_are_whole():
    groups = {code.name for code in known_legends.known_codes("groups")}
    for name in known_legends.NAMES:
        codes = known_legends.known_codes(name)
        assert all(code.name and code.color and code.group in {"", "-", *groups} for code in codes), name
    corine = [code for code in known_legends.known_codes("corine") if code.value <= 44]
    assert [code.value for code in corine] == list(range(1, 45)) and len({code.official for code in corine}) == 44
    lc100 = {code.value for code in known_legends.known_codes("cgls_lc100")}
    assert lc100 == {0, 20, 30, 40, 50, 60, 70, 80, 90, 100, *range(111, 117), *range(121, 127), 200, 255}


def test_classes_have_the_values_of_the_legend_or_the_groups(folder):
    grid = grid_of(ground_optical(folder))
    own = open_land_cover(MapChoice({"path": str(ground_cover_100m(folder))}, "cgls_lc100", grouped=False), [grid])
    assert [(row.value, row.name) for row in own.legend.classes] == [
        (40, "Cultivated and managed vegetation or agriculture"), (80, "Permanent water bodies"), (114, "Closed forest, deciduous broad leaf")]
    every = open_land_cover(MapChoice({"path": str(ground_cover_100m(folder))}, "cgls_lc100", every_class=True), [grid])
    assert [row.value for row in every.legend.classes] == [10, 20, 30, 40, 50, 60, 70, 80, 90, 100]


def test_names_come_from_the_file(folder):
    path = ground_cover_100m(folder)
    classes = [ClassInfo(40, "Fields", "#ffff00"), ClassInfo(80, "Lake", "#0000ff"), ClassInfo(114, "Wood", "#00ff00")]
    (folder / (path.name + ".aux.xml")).write_text(raster_attributes(classes), encoding="utf-8")
    grid = grid_of(ground_optical(folder))
    labels = open_land_cover(MapChoice({"path": str(path)}), [grid])
    assert [row.name for row in labels.legend.classes] == ["Fields", "Lake", "Wood"]
    (folder / (path.name + ".aux.xml")).unlink()
    styled = {"path": str(path), "categories": {"classes": [{"value": "40", "name": "A", "color": "#010203"}, {"value": "114", "name": "B"},
                                                            {"value": "80", "name": "C"}]}}
    labels = open_land_cover(MapChoice(styled), [grid])
    assert next((row.name, row.color) for row in labels.legend.classes) == ("A", "#010203")


@pytest.mark.parametrize(("name", "tags", "year"), [
    ("PROBAV_LC100_global_v3.0.1_2019-nrt_Discrete-Classification-map.tif", {}, 2019), ("ESA_WorldCover_10m_2021_v200_N48E015_Map.tif", {}, 2021),
    ("U2018_CLC2018_V2020_20u1.tif", {}, 2018), ("33U_20210101-20220101.tif", {}, 2021), ("map_v2020.tif", {}, None), ("LULC.tif", {}, None),
    ("lulc_33_123456.tif", {}, None), ("LULC.tif", {"datetime": "2021-07-23T13:22:41.0"}, 2021), ("x_2015.tif", {"year": "2017"}, 2017),
])
def test_the_year_of_a_map(folder, name, tags, year):
    path = write_raster(folder / name, np.zeros((1, 8, 8), np.uint8))
    with rasterio.open(path, "r+") as target:
        target.update_tags(**tags)
    with Raster(str(path)) as raster:
        assert map_year.year_of(raster)[0] == year


def test_years_are_compared(folder):
    raster, told = Raster(str(ground_cover_10m(folder))), Listening()
    assert map_year.compare(raster, ["2019-06-15", ""], None, 1, told)["years_apart"] == 5
    assert "shows 2024 and the images 2019: up to 5 years apart, more than 1. Land cover may have changed between." in told.texts[0]
    map_year.compare(raster, ["2019-06-15"], 2019, 1, told)
    assert len(told.texts) == 1
    map_year.compare(raster, [""], None, 1, told)
    assert "but the images have no date, so the years cannot be compared." in told.texts[1]
    map_year.compare(Raster(str(write_raster(folder / "plain.tif", np.zeros((1, 8, 8), np.uint8)))), [""], None, 1, told)
    assert "is unknown: neither its name nor its tags tell. Give it as “Year of the map”" in told.texts[2]


def test_labels_under_clouds_are_left_out(folder):
    optical, classes = cloudy(folder), cloudy_classes(folder)
    asked = {"images": [str(optical)], "preset": "sentinel2_l2a", "clouds": "scl", "cloud_masks": [str(classes)], "tile_size": 32,
             "land_cover": str(ground_cover_100m(folder)), "legend": "cgls_lc100", "minimum_valid": 0, "validation_share": 0, "test_share": 0,
             "output": str(folder / "made")}
    JOBS["create_land_cover_dataset"].from_values(asked).run(SILENT)
    made = Dataset.open(folder / "made")
    labels, images = made.labels(np.arange(len(made))), made.images(np.arange(len(made)))
    with rasterio.open(classes) as source:
        covered = np.isin(source.read(1), (3, 8, 9, 10)).repeat(2, 0).repeat(2, 1)
    for row, label, image in zip(made.tiles.itertuples(), labels, images, strict=True):
        under = covered[row.row:row.row + 32, row.col:row.col + 32]
        assert ((label == 255) == under).all() and ((image == 0).all(0) == under).all()


def test_two_sensors_and_what_is_recorded(folder):
    asked = {"images": [str(ground_optical(folder))], "preset": "sentinel2_l2a", "second_images": [str(ground_radar(folder))],
             "second_preset": "sentinel1_db", "land_cover": str(ground_cover_100m(folder)), "legend": "cgls_lc100", "resampling": "soft",
             "border": 20, "tile_size": 32, "validation_share": 0, "test_share": 0, "output": str(folder / "made")}
    JOBS["create_land_cover_dataset"].from_values(asked).run(SILENT)
    made = Dataset.open(folder / "made")
    everything = np.arange(len(made))
    assert [sensor.name for sensor in made.sensors] == ["s2", "s1"] and made.theme == "land cover"
    radar, labels, shares = made.images(everything, "s1"), made.labels(everything), made.array("shares", everything)
    assert radar.shape == (64, 2, 32, 32) and (labels == np.where(shares.any(1), shares.argmax(1), 255)).all()
    names = [row.name for row in made.classes]
    means = [radar[:, 0][labels == names.index(name)].mean() for name in ("Cropland", "Tree cover", "Water")]
    assert means == pytest.approx([-11, -8, -20], abs=0.5)
    facts = made.facts
    assert facts["pairs"][0]["days"] == 2 and facts["pairs"][0]["aligned"] and facts["map_year"] == 2019 and facts["years_apart"] == 0
    assert not (folder / "made" / "aligned").exists() and "border" in made.tiles


def test_values_below_0_are_no_codes():
    """As in every other class raster: −1 means nothing, whatever is done about unknown codes."""
    heard = Listening()
    found = cover_legend([Code(10, "trees"), Code(30, "grass")], {10: 60, 30: 20, -1: 20}, "map.tif", grouped=False, progress=heard)
    assert [row.name for row in found.legend.classes] == ["trees", "grass"] and sorted(found.positions) == [10, 30]
    assert heard.warnings == ["map.tif has the values -1 (20.0%); below 0 is no class and has no label. List it in a legend CSV to use it."]
    with pytest.raises(DataError, match="codes that the legend does not know: 77"):
        cover_legend([Code(10, "trees"), Code(30, "grass")], {10: 60, 30: 20, -1: 10, 77: 10}, "map.tif", grouped=False)


def test_the_highest_value_of_a_map_without_a_legend_is_no_class(folder):
    """It most likely means “no label”; who says so, or lists it, knows better."""
    path = write_raster(folder / "map.tif", np.repeat(np.array([10, 20, 255], np.uint8), 8)[None].repeat(8, 0))
    codes = known_legends.codes_of(Raster(str(path)), "own", None, {10: 64, 20: 64, 255: 64})
    assert [code.value for code in codes] == [10, 20]
    with pytest.raises(DataError, match="has codes that the legend does not know: 255 "):
        cover_legend(codes, {10: 64, 20: 64, 255: 64}, str(path), grouped=False)
