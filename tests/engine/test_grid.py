import numpy as np
import pytest
from rasterio.crs import CRS

from eo_pretrain_qgis.engine.rasters.grid import Grid, Window, blocks, tile_windows
from eo_pretrain_qgis.errors import DataError

UTM = CRS.from_epsg(32633).to_wkt()
LONLAT = CRS.from_epsg(4326).to_wkt()
GRID = Grid(UTM, (10.0, 0.0, 500_000.0, 0.0, -10.0, 5_300_000.0), 100, 80)


def test_bounds_and_parts():
    assert GRID.bounds() == (500_000, 5_299_200, 501_000, 5_300_000)
    part = GRID.sub(Window(10, 20, 30, 40))
    assert part.bounds() == GRID.bounds(Window(10, 20, 30, 40)) == (500_100, 5_299_400, 500_400, 5_299_800)


@pytest.mark.parametrize(("box", "crs", "expected"), [
    ([500_100, 5_299_500, 500_200, 5_299_900], "", Window(10, 10, 10, 40)),
    ([500_104, 5_299_504, 500_196, 5_299_896], "", Window(10, 10, 10, 40)),  # outward to whole pixels
    ([500_100.004, 5_299_500, 500_199.996, 5_299_900], "", Window(10, 10, 10, 40)),  # rounding of coordinates is not a pixel
    ([0, 0, 9e6, 9e6], "EPSG:32633", Window(0, 0, 100, 80)),
    ([15.0, 47.84, 15.005, 47.86], "EPSG:4326", Window(0, 0, 38, 80)),
])
def test_window_of_extent(box, crs, expected):
    assert GRID.window_of({"box": box, "crs": crs}) == expected


@pytest.mark.parametrize("box", [[-180, -90, 180, 90], [-500, -200, 500, 200], [-180, 0, 180, 90], [-90, -90, 110, 90]])
def test_an_extent_far_larger_than_a_zone(box):
    assert GRID.window_of({"box": box, "crs": "EPSG:4326"}) == GRID.window


@pytest.mark.parametrize(("box", "crs"), [([0, 0, 1, 1], "EPSG:4326"), ([0, 0, 1, 1], ""), ([-180, -90, -179, -89], "EPSG:4326")])
def test_extent_that_misses(box, crs):
    with pytest.raises(DataError, match=r"does not overlap the image"):
        GRID.window_of({"box": box, "crs": crs})


def test_unknown_crs():
    with pytest.raises(DataError, match=r"“EPSG:999999” is not known"):
        GRID.window_of({"box": [0, 0, 1, 1], "crs": "EPSG:999999"})


def test_metres_per_pixel():
    assert GRID.metres_per_pixel() == (10, 10)
    degrees = Grid(LONLAT, (1e-4, 0, 10.0, 0, -1e-4, 60.0), 100, 100)
    x, y = degrees.metres_per_pixel()
    assert x == pytest.approx(1e-4 * 111_320 * np.cos(np.radians(59.995)), rel=0.005)  # against the sphere
    assert y == pytest.approx(11.14, rel=0.005)
    mercator = Grid(CRS.from_epsg(3857).to_wkt(), (10.0, 0, 1e6, 0, -10.0, 8.4e6), 10, 10)  # 60 degrees north: stretched twofold
    assert mercator.metres_per_pixel() == pytest.approx((5, 5), rel=0.01)
    feet = Grid(CRS.from_epsg(2263).to_wkt(), (10.0, 0, 1e6, 0, -10.0, 2e5), 10, 10)
    assert feet.metres_per_pixel() == pytest.approx((3.048, 3.048), rel=0.001)


def test_tiles_cover_everything_and_end_at_the_border():
    tiles = tile_windows(100, 80, 32, 32)
    covered = np.zeros((80, 100), bool)
    for tile in tiles:
        covered[tile.row:tile.row + 32, tile.col:tile.col + 32] = True
        assert tile.col + 32 <= 100 and tile.row + 32 <= 80
    assert covered.all()
    assert [tile.col for tile in tiles[:4]] == [0, 32, 64, 68]
    assert tile_windows(100, 80, 32, 32, Window(10, 10, 32, 64)) == [Window(10, 10, 32, 32), Window(10, 42, 32, 32)]
    assert tile_windows(31, 80, 32, 32) == []


def test_blocks_cover_once():
    counted = np.zeros((70, 90), int)
    for block in blocks(Window(5, 5, 80, 60), 32):
        counted[block.row:block.row + block.height, block.col:block.col + block.width] += 1
    assert counted.sum() == 80 * 60 and counted.max() == 1


def test_same_grid():
    assert GRID.same_as(Grid(UTM, (10.0, 0.0, 500_000.001, 0.0, -10.0, 5_300_000.0), 100, 80))
    assert not GRID.same_as(Grid(UTM, (10.0, 0.0, 500_001.0, 0.0, -10.0, 5_300_000.0), 100, 80))
    assert not GRID.same_as(Grid(LONLAT, GRID.transform, 100, 80))
