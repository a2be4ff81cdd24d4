"""Polygons cover the map exactly, whatever the strips, with true areas."""

import geopandas
import numpy as np
import pytest
import rasterio
import rasterio.features

from eo_pretrain_qgis.engine.datasets.dataset import ClassInfo
from eo_pretrain_qgis.engine.mapping import polygons
from eo_pretrain_qgis.engine.mapping.polygons import areas_m2, write_polygons
from tests import scenes

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


def test_web_mercator_does_not_inflate_areas():
    from shapely import box

    west, south = 0.0, 8_399_737.0  # 60° north, where lengths in Web Mercator are doubled
    area = areas_m2(np.array([box(west, south, west + 20, south + 20)]), "EPSG:3857")[0]
    assert area == pytest.approx(100, rel=0.01)


def test_feet_become_metres():
    from shapely import box

    assert areas_m2(np.array([box(0, 0, 100, 100)]), "EPSG:2263")[0] == pytest.approx((100 * 0.3048006) ** 2)
