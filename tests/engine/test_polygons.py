"""Polygons cover the map exactly, whatever the strips, with true areas."""

import time

import geopandas
import numpy as np
import pytest
import rasterio
import rasterio.features

from eo_pretrain_qgis.engine.datasets.dataset import ClassInfo
from eo_pretrain_qgis.engine.mapping import polygons
from eo_pretrain_qgis.engine.mapping.polygons import sums_by_kind, write_polygons
from eo_pretrain_qgis.engine.rasters.lengths import areas_m2
from eo_pretrain_qgis.errors import Cancelled
from tests import scenes

from ..listening import Cancelling, promised

CLASSES = (ClassInfo(1, "water", "#1f77b4"), ClassInfo(2, "forest", "#2ca02c"), ClassInfo(3, "built-up", ""))


def map_of(folder, values, **facts):
    return str(scenes.write_raster(folder / "map.tif", values, nodata=255, **facts))


@pytest.fixture
def blobs():
    """A map of 3 classes and nodata with large and tiny areas, 120 x 150 px."""
    from skimage.filters import gaussian

    noise = gaussian(np.random.default_rng(2).normal(size=(120, 150)), 2)
    values = np.digitize(noise, np.quantile(noise, [0.4, 0.7])).astype(np.uint8) + 1
    values[90:, 100:] = 255
    return values


@pytest.mark.parametrize("strip", [1, 7, 64, 1000])
def test_polygons_are_the_map_again_however_it_was_cut_into_strips(blobs, folder, strip, monkeypatch):
    monkeypatch.setattr(polygons, "STRIP_ROWS", strip)
    path = map_of(folder, blobs)
    count = write_polygons(path, CLASSES, str(folder / "areas.gpkg"))
    found = geopandas.read_file(folder / "areas.gpkg")
    with rasterio.open(path) as source:
        drawn = rasterio.features.rasterize(zip(found.geometry, found["class"]), blobs.shape, fill=255, transform=source.transform)
        whole = list(rasterio.features.shapes(blobs, mask=blobs != 255, connectivity=4))
    assert np.array_equal(drawn, blobs)
    assert count == len(found) == len(whole)
    assert found.is_valid.all()
    assert found.area_m2.sum() == pytest.approx(100 * (blobs != 255).sum())
    corners = sum(len(shape["coordinates"][0]) for shape, _ in whole)
    assert sum(len(shape.exterior.coords) for shape in found.geometry) <= corners + len(found)


def test_smoothing_can_be_cancelled(blobs, folder, monkeypatch):
    """GEOS says nothing meanwhile, for a minute where there are many polygons; it lets other threads run, as sleeping does."""
    monkeypatch.setattr(polygons, "simplified", lambda shapes, *rest, **more: [time.sleep(0.05) for _ in range(1000)])
    started, heard = time.monotonic(), Cancelling(lambda heard: heard.reached("Simplifying borders"))
    with pytest.raises(Cancelled):
        write_polygons(map_of(folder, blobs), CLASSES, str(folder / "areas.gpkg"), simplify_m=20, progress=heard)
    assert time.monotonic() - started < promised(5) and not (folder / "areas.gpkg").exists()


@pytest.mark.parametrize("area", [1e6, 1e15])
def test_an_area_larger_than_the_map_leaves_nothing(blobs, folder, area):
    assert write_polygons(map_of(folder, blobs), CLASSES, str(folder / "areas.gpkg"), minimum_area=area) == 0


def test_rows_carry_value_name_and_colour(folder):
    values = np.full((10, 10), 1, np.uint8)
    values[:5] = 3
    write_polygons(map_of(folder, values), CLASSES, str(folder / "areas.gpkg"))
    rows = geopandas.read_file(folder / "areas.gpkg").drop(columns="geometry").sort_values("class").values.tolist()
    assert rows == [[1, "water", "#1f77b4", 5000.0], [3, "built-up", "#228833", 5000.0]]
    assert (folder / "areas.qml").exists()


def test_small_areas_go_to_their_neighbour_and_the_ground_stays_covered(blobs, folder):
    path = map_of(folder, blobs)
    write_polygons(path, CLASSES, str(folder / "areas.gpkg"), minimum_area=2000)
    found = geopandas.read_file(folder / "areas.gpkg")
    assert found.area_m2.min() >= 2000
    assert found.area_m2.sum() == pytest.approx(100 * (blobs != 255).sum())


def test_a_small_island_in_nodata_is_left_out(folder):
    values = np.full((20, 20), 255, np.uint8)
    values[:10] = 1
    values[15, 15] = 2
    assert write_polygons(map_of(folder, values), CLASSES, str(folder / "areas.gpkg"), minimum_area=500) == 1


def test_areas_in_degrees_are_those_on_the_ground(folder):
    """One degree square at the equator and at 60° north, against the ellipsoid (Karney 2013, GeographicLib: 12308.78 and 6163.1 km²)."""
    from shapely import box

    areas = areas_m2(np.array([box(0, 0, 1, 1), box(0, 60, 1, 61)]), "EPSG:4326") / 1e6
    import pyproj

    geod = pyproj.Geod(ellps="WGS84")
    expected = []
    for south in (0, 60):  # edges along parallels, densified: a geodesic would cut the corner
        xs = np.concatenate([np.linspace(0, 1, 200), np.linspace(1, 0, 200)])
        ys = np.concatenate([np.full(200, south), np.full(200, south + 1)])
        expected.append(abs(geod.polygon_area_perimeter(xs, ys)[0]) / 1e6)
    assert areas == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(("crs", "edge", "around"), [("EPSG:4326", 0.001, 180), ("EPSG:3857", 100, 20_037_508.342789244)])
def test_ground_across_180_degrees_is_as_large_as_elsewhere(crs, edge, around):
    """A square of about 1 ha, and one that a grid from 0° to 360° has, against the same at 10°."""
    from shapely import box

    places = np.array([10, 0.5, -0.5]) * edge + np.array([0, around - edge, around])
    there, *areas = areas_m2(box(places, 0, places + edge, edge), crs)
    assert 9_900 < there < 12_400 and areas == pytest.approx([there] * 2, rel=1e-9)


def test_sums_of_kinds_go_by_the_row():
    numbers = np.array([[0, 2, 2], [9, 2, 0]])
    pixels, areas = sums_by_kind(numbers, 3, np.array([[10.0], [1.0]]))
    assert pixels.tolist() == [2, 0, 3] and areas.tolist() == [11, 0, 21]


def test_web_mercator_does_not_inflate_areas():
    from shapely import box

    west, south = 0.0, 8_399_737.0  # 60° north, where lengths in Web Mercator are doubled
    area = areas_m2(np.array([box(west, south, west + 20, south + 20)]), "EPSG:3857")[0]
    assert area == pytest.approx(100, rel=0.01)


def test_feet_become_metres():
    from shapely import box

    assert areas_m2(np.array([box(0, 0, 100, 100)]), "EPSG:2263")[0] == pytest.approx((100 * 0.3048006) ** 2)
