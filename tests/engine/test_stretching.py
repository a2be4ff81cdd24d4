import numpy as np
import pytest

from eo_pretrain_qgis.engine.looks.stretching import limits, shades
from eo_pretrain_qgis.engine.rasters.sensors import Band

#: As Sentinel-2 stores reflectance.
RED, GREEN, BLUE = (Band(name, wavelength, "reflectance", 1e-4, 0.0) for name, wavelength in (("B04", 0.665), ("B03", 0.56), ("B02", 0.49)))
NEAR_INFRARED = Band("B08", 0.842, "reflectance", 1e-4, 0.0)


def scene(cloudy, count=10_000):
    """Land whose red rises from 0.02 to 0.2, under clouds of 0.5 for a share of the pixels."""
    land = np.linspace(200, 2000, count - int(cloudy * count))
    return np.concatenate([np.stack([land, 0.8 * land, 0.6 * land]), np.full((3, int(cloudy * count)), 5000.0)], 1)


@pytest.mark.parametrize("cloudy", [0, 0.05, 0.5, 0.95])
def test_clouds_do_not_make_the_land_black(cloudy):
    low, high = limits(scene(cloudy), (RED, GREEN, BLUE))
    np.testing.assert_allclose(low, [236, 188.8, 141.6])
    np.testing.assert_allclose(high, [1964, 1571.2, 1178.4])
    grey = shades(scene(cloudy).T, low, high)
    assert grey[0].tolist() == [0, 0, 0]
    assert grey[grey[:, 0] < 255, 0].mean() == pytest.approx(127, abs=4), "the land takes all shades, however many clouds there are"


def test_thin_clouds_do_not_make_the_land_dark():
    """The edge of a cloud is a mixture: white of 0.16 to 0.24, which is darker than a whole cloud and brighter than all land."""
    edge = np.tile(np.linspace(1600, 2400, 1000), (3, 1))
    low, high = limits(np.concatenate([scene(0.1), edge], 1), (RED, GREEN, BLUE))
    np.testing.assert_allclose([low, high], [[236, 188.8, 141.6], [1964, 1571.2, 1178.4]])


def test_sand_is_land():
    """It is as bright as a thin cloud, and reflects half as much in blue as in red."""
    sand = np.tile([[4000.0], [3000.0], [2000.0]], 1000)
    assert limits(np.concatenate([scene(0, 1000), sand], 1), (RED, GREEN, BLUE))[1].tolist() == [4000, 3000, 2000]


def test_snow_alone_is_shown_and_so_is_what_nobody_knows():
    low, high = limits(scene(1), (RED, GREEN, BLUE))
    assert (low.tolist(), high.tolist()) == ([5000] * 3, [5000] * 3)
    assert limits(scene(0.5))[1].tolist() == [5000] * 3, "of other units and of unknown ones nothing is called a cloud"


@pytest.mark.parametrize("scale", [1, 1e-4])
def test_bands_named_as_those_of_sentinel_2_are_taken_for_its_reflectance(scale):
    """A dataset made without naming the sensor has bands of unknown unit."""
    low, high = limits(scene(0.5) * scale, [Band(name) for name in ("B04", "B03", "B02")])
    np.testing.assert_allclose([low[0], high[0]], [236 * scale, 1964 * scale])
    assert limits(scene(0.5), [Band(name) for name in ("red", "green", "blue")])[1].tolist() == [5000] * 3


def test_bright_plants_are_no_clouds():
    """Plants reflect 0.4 in the near infrared and little in red."""
    values = np.concatenate([np.tile([[4000.0], [400.0]], 900), np.tile([[1000.0], [500.0]], 100)], 1)
    assert limits(values, (NEAR_INFRARED, RED))[1].tolist() == [4000, 500]
    assert limits(values[:1], (NEAR_INFRARED,))[1].tolist() == [4000]


def test_nothing_measured_is_no_failure():
    low, high = limits(np.full((3, 4), np.nan), (RED, GREEN, BLUE))
    assert (low.tolist(), high.tolist()) == ([0, 0, 0], [1, 1, 1])
    assert shades(np.array([np.nan, 5.0]), 0, 10).tolist() == [0, 127]
