"""The screen for missing roads."""

import numpy as np
import pytest

from eo_pretrain_qgis.engine.datasets.dataset import SensorInfo
from eo_pretrain_qgis.engine.rasters.grid import Window
from eo_pretrain_qgis.engine.rasters.raster import Raster
from eo_pretrain_qgis.engine.rasters.sensors import name_bands
from eo_pretrain_qgis.engine.themes.roads.completeness import BuiltUpIndex, BuiltUpRaster, CompletenessScreen, make_screen

from ..listening import Listening
from ..scenes import land, land_cover

BANDS = ["B03", "B04", "B08", "B11"]
SENSOR = SensorInfo("image", "sentinel2_l2a_0400", "uint16", 0, tuple(name_bands("sentinel2_l2a_0400", BANDS)))
#: Reflectance of green, red, near and short-wave infrared: roofs, grass, water, bare soil (which the index takes for built-up).
GROUND = {"roofs": (0.12, 0.15, 0.2, 0.28), "grass": (0.08, 0.05, 0.4, 0.2), "water": (0.06, 0.04, 0.02, 0.01), "soil": (0.1, 0.14, 0.2, 0.3)}


def image_of(*kinds):
    """One pixel of each kind, as Sentinel-2 stores it from baseline 04.00 on; uint16 (band, 1, x)."""
    return (np.array([GROUND[kind] for kind in kinds]).T * 10000 + 1000).astype(np.uint16)[:, None]


def test_the_index_finds_roofs_and_is_honest_about_soil():
    image = np.concatenate([image_of(*GROUND), np.zeros((4, 1, 1), np.uint16)], 2)
    assert BuiltUpIndex(SENSOR).read(None, None, image)[0].tolist() == [True, False, False, True, False]
    assert "bare soil" in BuiltUpIndex.text


def test_a_raster_says_what_is_built_up(folder):
    grid = Raster(land(folder)).grid
    built_up = BuiltUpRaster({"path": str(land_cover(folder))}, [grid], "1", Listening())
    read = built_up.read(grid, Window(0, 0, 256, 256), np.zeros(1))
    assert read[:, :32].sum() == 0  # nodata
    assert read[:, 32:].mean() == 0.5


@pytest.mark.parametrize(("action", "kilometres", "weight"), [
    ("down_weight", 6, 1), ("down_weight", 2, 0.4), ("down_weight", 0, 0.1), ("leave_out", 2, 0), ("keep", 2, 1)])
def test_tiles_with_few_roads_for_what_is_built(action, kilometres, weight, folder):
    grid = Raster(land(folder)).grid  # 10 m; the window below has 1 km², all of it built up

    class Everything:
        text = "everything"

        def read(self, grid, window, image):
            return np.ones((window.height, window.width), bool)

        def seen(self, window, image):
            return self.read(None, window, image)

    screen = CompletenessScreen(Everything(), action, minimum_density=5)
    seen, found = screen.judge(grid, Window(0, 0, 100, 100), np.zeros(1), lambda cell: kilometres * cell.width * cell.height / 100**2)
    assert (seen["road_density"], seen["suspicious"], found) == (kilometres, int(kilometres < 5), weight)


def test_ground_with_few_houses_is_not_judged(folder):
    grid = Raster(land(folder)).grid

    class Hamlet:
        text = "a hamlet"

        def read(self, grid, window, image):
            return np.indices((window.height, window.width))[0] < 4

        def seen(self, window, image):
            return np.ones((window.height, window.width), bool)

    assert CompletenessScreen(Hamlet()).judge(grid, Window(0, 0, 100, 100), np.zeros(1), lambda cell: 0.0)[1] == 1


def test_a_map_that_ends_within_a_tile_is_noticed(folder):
    """Half of a town of 2.56 km has 20 km/km², the other half nothing; on average that would be enough."""
    grid = Raster(land(folder)).grid

    class Everything:
        text = "everything"

        def read(self, grid, window, image):
            return np.ones((window.height, window.width), bool)

        def seen(self, window, image):
            return self.read(None, window, image)

    def length(cell):
        return 20 * cell.height * max(0, min(cell.col + cell.width, 128) - cell.col) * 1e-4

    seen, weight = CompletenessScreen(Everything()).judge(grid, Window(0, 0, 256, 256), np.zeros(1), length)
    assert (seen["lacking"], seen["suspicious"], weight) == (0.5, 1, 0.5)
    assert seen["road_density"] == 10


def test_a_tile_half_under_clouds_is_judged_by_what_it_shows(folder):
    """A town with 4 km/km² lacks roads, whether half of it is hidden or nothing."""
    grid, image = Raster(land(folder)).grid, np.repeat(image_of("roofs"), 64 * 64, 2).reshape(4, 64, 64)
    hidden = image.copy()
    hidden[:, :, :32] = 0
    screen = CompletenessScreen(BuiltUpIndex(SENSOR))
    for each in (image, hidden):
        seen, weight = screen.judge(grid, Window(0, 0, 64, 64), each, lambda cell: 4 * cell.width * cell.height * 1e-4)
        assert (seen["road_density"], seen["suspicious"], weight) == (4, 1, 0.8)


def test_without_a_raster_or_bands_it_says_that_nothing_was_checked(folder):
    heard = Listening()
    red = SensorInfo("image", "sentinel2_l2a", "uint16", 0, tuple(name_bands("sentinel2_l2a", ["B04"])))
    assert make_screen(red, [], "down_weight", None, None, 5, 0.1, heard) is None
    assert "was not checked: the images lack a band of B03, B04, B08, B11" in heard.texts[0]
