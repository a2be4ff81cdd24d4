"""Roads on a grid: agreement with GDAL and with areas computed exactly."""

import copy

import numpy as np
import pytest
import rasterio
import shapely
from rasterio.features import rasterize

from eo_pretrain_qgis.engine.rasters.grid import Grid, Window
from eo_pretrain_qgis.engine.themes.roads.labels import RoadDrawing, make_labels
from eo_pretrain_qgis.engine.themes.roads.ways import Roads

UTM = "EPSG:32633"
GRID = Grid(rasterio.crs.CRS.from_string(UTM).to_wkt(version="WKT2_2019"), (10.0, 0.0, 500_000.0, 0.0, -10.0, 5_300_000.0), 96, 96)
WINDOW = GRID.window
RIGHT = Window(40, 20, 32, 32)


def roads_of(lines, widths, drawn=None, crs=UTM):
    geometry = np.empty(len(lines), object)
    geometry[:] = [shapely.LineString(line) for line in lines]
    chosen = np.ones(len(lines), bool) if drawn is None else np.array(drawn)
    return Roads.of("roads.osm", geometry, crs, np.array(widths, float), chosen, {"layer": "lines", "drawn": {"ways": len(lines)}})


def crossing(drawn=None):
    """Two slanted roads of 6 and 14 m that cross, in UTM."""
    return roads_of([[(500_013, 5_299_950), (500_940, 5_299_311)], [(500_200, 5_300_100), (500_377, 5_299_000)]], [6, 14], drawn)


def test_all_touched_is_what_gdal_touches():
    roads = crossing()
    shapes = shapely.buffer(roads.lines, roads.widths / 2, quad_segs=4)
    expected = rasterize(shapes, (96, 96), transform=rasterio.Affine(*GRID.transform), all_touched=True)
    assert np.array_equal(make_labels(roads, RoadDrawing()).read(GRID, WINDOW), expected)


def test_cover_is_the_area_covered():
    roads = crossing()
    area = shapely.union_all(shapely.buffer(roads.lines, roads.widths / 2))
    row, col = np.indices((96, 96))
    x, y = 500_000 + 10 * col, 5_300_000 - 10 * row
    exact = shapely.area(shapely.intersection(shapely.box(x, y - 10, x + 10, y), area)) / 100
    cover = make_labels(roads, RoadDrawing("cover")).cover(GRID, WINDOW)
    assert np.abs(cover - exact).max() < 0.1
    assert np.abs(cover - exact).mean() < 0.004
    assert cover.sum() == pytest.approx(exact.sum(), rel=0.01)


@pytest.mark.parametrize("drawing", [RoadDrawing(), RoadDrawing("cover", edge=5), RoadDrawing(edge=12)])
def test_a_tile_is_a_part_of_the_whole(drawing):
    labels = make_labels(crossing([True, False]), drawing)
    whole = labels.read(GRID, WINDOW)
    assert np.array_equal(labels.read(GRID, RIGHT), whole[20:52, 40:72])
    if drawing.method == "cover":
        assert np.array_equal(labels.shares(GRID, RIGHT), labels.shares(GRID, WINDOW)[:, 20:52, 40:72])


def test_metres_are_true_in_degrees():
    """At 60 degrees north a pixel of 0.0001 degrees is 5.6 m wide and 11.1 m high."""
    grid = Grid(rasterio.crs.CRS.from_epsg(4326).to_wkt(version="WKT2_2019"), (1e-4, 0.0, 25.0, 0.0, -1e-4, 60.0), 300, 200)
    x, y = grid.metres_per_pixel()
    roads = roads_of([[(25.005, 59.99), (25.025, 59.99)], [(25.015, 59.981), (25.015, 59.999)]], [12, 12], crs="EPSG:4326")
    labels = make_labels(roads, RoadDrawing("cover"))
    metres = 1000 * labels._on(grid).kilometres(grid.window)
    ends = 2 * np.pi * 6**2 - 12**2
    assert labels.cover(grid, grid.window).sum() * x * y == pytest.approx(12 * metres + ends, rel=0.01)
    assert metres == pytest.approx(200 * x + 180 * y, rel=1e-3)


def test_a_zone_around_roads_is_neither_road_nor_background():
    roads = roads_of([[(500_000, 5_299_505), (500_960, 5_299_505)]], [6])  # along the middle of row 49
    column = make_labels(roads, RoadDrawing(edge=8)).read(GRID, WINDOW)[:, 48]
    assert (np.flatnonzero(column == 1).tolist(), np.flatnonzero(column == 255).tolist()) == ([49], [48, 50])
    by_cover = make_labels(roads, RoadDrawing("cover", 0.7, edge=5))
    assert np.flatnonzero(by_cover.read(GRID, WINDOW)[:, 48] == 255).tolist() == [49]  # covered by 0.6, which is below 0.7
    assert by_cover.shares(GRID, WINDOW)[:, 49, 48].tolist() == pytest.approx([102, 153], abs=33)


def test_ignored_ways_are_neither_road_nor_background():
    labels = make_labels(crossing([True, False]), RoadDrawing("cover", 0.01))
    drawn, shares = labels.read(GRID, WINDOW), labels.shares(GRID, WINDOW)
    assert {0, 1, 255} == set(np.unique(drawn))
    assert (shares[:, drawn == 255] == 0).all()
    assert (shares.astype(int).sum(0)[drawn != 255] == 255).all()


def test_labels_can_be_copied_and_say_how_long_roads_are():
    labels = copy.deepcopy(make_labels(crossing(), RoadDrawing()))
    drawn = labels.read(GRID, WINDOW)
    assert labels.weight(GRID, WINDOW, drawn, np.zeros((1, 96, 96))) == 1
    expected = shapely.length(shapely.intersection(crossing().lines, shapely.box(*GRID.bounds()))).sum() / 1000
    assert labels.columns(GRID, WINDOW, drawn)["road_km"] == pytest.approx(expected, abs=1e-3)


def test_roads_elsewhere_leave_background():
    labels = make_labels(roads_of([[(700_000, 5_299_000), (700_100, 5_299_000)]], [8]), RoadDrawing("cover", edge=5))
    assert not labels.read(GRID, WINDOW).any()
