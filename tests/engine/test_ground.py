"""Areas and lengths on the ground, against the ellipsoid, in projections that keep none, and at the poles."""

import numpy as np
import pyproj
import pytest
import shapely

from eo_pretrain_qgis.engine.mapping.map_survey import ClassMap, survey
from eo_pretrain_qgis.engine.rasters.grid import Grid, Window, boxes_of
from eo_pretrain_qgis.engine.rasters.lengths import PixelAreas, areas_m2, lengths_m
from eo_pretrain_qgis.errors import DataError
from tests import scenes


def at(crs, lon, lat, size=100, resolution=40.0):
    """A grid with its upper left corner at a place."""
    x, y = pyproj.Transformer.from_crs("OGC:CRS84", crs, always_xy=True).transform(lon, lat)
    return Grid(pyproj.CRS(crs).to_wkt(), (resolution, 0.0, x, 0.0, -resolution, y), size, size)


def geodesic_m2(grid, shape=None):
    """Of a polygon, or of the whole grid, along densified edges (Karney 2013)."""
    shape = shapely.box(*grid.bounds()) if shape is None else shape
    points = shapely.get_coordinates(shapely.segmentize(shape, shape.length / 4000))
    lon, lat = pyproj.Transformer.from_crs(grid.crs, "OGC:CRS84", always_xy=True).transform(*points.T)
    return abs(pyproj.Geod(ellps="WGS84").polygon_area_perimeter(lon, lat)[0])


@pytest.mark.parametrize(("crs", "lon", "lat", "factor"), [
    ("EPSG:3413", -45, 58, 1.101), ("EPSG:3413", -45, 70, 1.0), ("EPSG:3413", 30, 89.5, 0.941), ("EPSG:3857", 10, 50, 2.41),
    ("EPSG:3034", 10, 54, 0.935), ("EPSG:3035", 10, 54, 1.0), ("EPSG:2056", 8.5, 47.4, 1.0), ("EPSG:32633", 15, 48, 1.0)])
def test_pixels_and_polygons_have_the_same_ground(crs, lon, lat, factor):
    grid = at(crs, lon, lat)
    true, own = geodesic_m2(grid), 4000.0**2
    assert own / true == pytest.approx(factor, rel=5e-3)
    pixels, polygon = PixelAreas(grid), float(areas_m2(np.array([shapely.box(*grid.bounds())]), grid.crs)[0])
    counted = own if factor == 1 else true  # 0.2 % count as they are
    assert pixels.total == pytest.approx(counted, rel=2e-4 if factor != 1 else 1e-9)
    assert polygon == pytest.approx(counted, rel=2e-4 if factor != 1 else 1e-9)
    assert np.broadcast_to(pixels[0:100], (100, 100)).sum() == pytest.approx(pixels.total, rel=1e-6)


def test_a_wide_image_has_pixels_of_several_sizes_in_one_row():
    """400 km by the Barents Sea: at both ends of a row, what the ellipsoid says."""
    grid = at("EPSG:3413", 45, 75, size=1000, resolution=400.0)
    pixels = PixelAreas(grid)
    for row, col in ((0, 0), (500, 0), (500, 999), (999, 999)):
        box = shapely.box(*grid.bounds(Window(col, row, 1, 1)))
        assert pixels.of(Window(col, row, 1, 1)).item() == pytest.approx(geodesic_m2(grid, box), rel=5e-5)
    rows, cols = np.array([3, 500]), np.array([4, 999])
    assert pixels.at(rows, cols) == pytest.approx([pixels[3:4][0, 4], pixels[500:501][0, 999]])
    assert float(areas_m2(np.array([shapely.box(*grid.bounds())]), grid.crs)[0]) == pytest.approx(pixels.total, rel=1e-5)


def test_the_pole_lies_in_the_middle_and_columns_may_run_up():
    grid = Grid(pyproj.CRS("EPSG:3413").to_wkt(), (1000.0, 0.0, -300_000.0, 0.0, 1000.0, -100_000.0), 400, 200)
    true = geodesic_m2(grid)
    assert PixelAreas(grid).total == pytest.approx(true, rel=1e-4)
    assert float(areas_m2(np.array([shapely.box(*grid.bounds())]), grid.crs)[0]) == pytest.approx(true, rel=1e-4)


@pytest.mark.parametrize("crs", ["ESRI:54030", "EPSG:4087"])
def test_the_whole_world_has_its_area(crs):
    """Robinson, which keeps no areas, and degrees as metres: half of the earth, 80 % around, against the ellipsoid."""
    west, _ = pyproj.Transformer.from_crs("OGC:CRS84", crs, always_xy=True).transform(-180, 0)
    _, north = pyproj.Transformer.from_crs("OGC:CRS84", crs, always_xy=True).transform(0, 30)
    grid = Grid(pyproj.CRS(crs).to_wkt(), (-west / 500, 0.0, west, 0.0, -north / 100, north), 1000, 200)
    middle = Window(100, 0, 800, 200)
    box = shapely.box(*grid.bounds(middle))
    true = float(areas_m2(np.array([shapely.box(-144, -30, 144, 30)]), "EPSG:4326")[0])
    drawn = float(areas_m2(np.array([box]), grid.crs)[0])
    assert pixels_sum(PixelAreas(grid), middle) == pytest.approx(drawn, rel=2e-3)
    assert drawn == pytest.approx(true, rel=2e-3 if crs == "EPSG:4087" else 0.02)


def pixels_sum(pixels, window):
    return float(np.broadcast_to(pixels.of(window), (window.height, window.width)).sum())


@pytest.mark.parametrize("crs", ["EPSG:4326", "EPSG:4258"])
def test_what_lies_beyond_a_pole_is_no_ground(crs):
    grid = Grid(pyproj.CRS(crs).to_wkt(), (0.01, 0.0, 0.0, 0.0, -0.01, 90.6), 128, 128)
    pixels = PixelAreas(grid)
    assert pixels[0:60].max() == 0 and pixels[60:128].min() > 0
    cap = areas_m2(np.array([shapely.box(0, 89.32, 1.28, 90)]), crs)
    assert pixels.total == pytest.approx(float(cap[0]), rel=1e-9)
    across = np.array([shapely.LineString([(0, 89.9), (0, 90.5)]), shapely.LineString([(0, 90.1), (1, 90.4)])])
    assert lengths_m(across, crs) == pytest.approx([11_169.4, 0], abs=0.5)
    assert all(0 < size < 2000 for size in grid.metres_per_pixel())
    assert all(0 < size < 2000 for size in grid.sub(Window(0, 0, 10, 10)).metres_per_pixel())
    assert np.isfinite(grid.centre_lonlat()).all() and np.isfinite(boxes_of(grid.bounds(), grid.crs, "EPSG:32633")).all()


def test_a_map_across_the_pole_is_counted_without_nan(folder):
    path = scenes.write_raster(folder / "pole.tif", np.ones((1, 128, 128), np.uint8), crs="EPSG:4326", transform=(0.01, 0, 0, 0, -0.01, 90.6))
    seen = survey(ClassMap({"path": str(path)}), np.zeros(0, np.int64), np.zeros(0, np.int64))
    assert seen.pixels.tolist() == [128 * 128]
    assert seen.areas == pytest.approx(areas_m2(np.array([shapely.box(0, 89.32, 1.28, 90)]), "EPSG:4326"))


def test_an_image_wholly_beyond_a_pole_is_refused(folder):
    path = scenes.write_raster(folder / "swapped.tif", np.ones((1, 10, 10), np.uint8), crs="EPSG:4326", transform=(0.01, 0, 48, 0, -0.01, 116))
    with pytest.raises(DataError, match="lies beyond the poles: its latitudes are 115.9 to 116, and the earth ends at ±90°"):
        ClassMap({"path": str(path)})


@pytest.mark.parametrize("crs", ["EPSG:32633", "EPSG:4326", "EPSG:3413"])
def test_no_polygon_has_no_ground(crs):
    """As of a map without fields."""
    assert areas_m2(np.zeros(0, object), crs).tolist() == lengths_m(np.zeros(0, object), crs).tolist() == []
    assert areas_m2(np.array([shapely.Polygon()]), crs).tolist() == [0]
