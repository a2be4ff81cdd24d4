"""The incidence angle from the orbit: against two annotations, against a triangle by hand, and what it needs."""

import numpy as np
import pyproj
import pytest
import rasterio

from eo_pretrain_qgis.engine.rasters.grid import Window
from eo_pretrain_qgis.engine.rasters.raster import Raster, Scene
from eo_pretrain_qgis.engine.themes.sea_ice.orbit import RADIUS_M, Acquisition, Orbit, orbit_of
from eo_pretrain_qgis.engine.themes.sea_ice.sar_bands import SarImages
from eo_pretrain_qgis.engine.themes.sea_ice.sar_scenes import open_sar_scenes
from eo_pretrain_qgis.errors import DataError
from eo_pretrain_qgis.jobs import JOBS

from ..listening import Listening
from ..scenes_ice_maps import ice_map_angle_model
from ..scenes_orbit import EW_NAME, EW_TIES, IW_NAME, IW_TIES, ice_swath, ice_swath_part, ice_swath_points, ice_swath_unnamed, write_swath


def found(path, heard=None):
    with Scene([Raster(str(path))]) as scene:
        return orbit_of(scene, progress=heard or Listening())


@pytest.mark.parametrize(("name", "ties", "crs", "pixel"), [(EW_NAME, EW_TIES, "EPSG:3413", 2000.0), (EW_NAME, EW_TIES, "EPSG:32645", 2500.0),
                                                            (IW_NAME, IW_TIES, "EPSG:32631", 1000.0)])
def test_the_angle_is_that_of_the_annotation(tmp_path, name, ties, crs, pixel):
    """Of real tie points: nowhere off by more than 0.3°, and by 0.1° in the median, with pixels of 1 km and more at the edges."""
    heard = Listening()
    off = np.abs(found(write_swath(tmp_path / f"{name}.tif", ties, crs, pixel), heard).angles(ties[..., 0], ties[..., 1]) - ties[..., 2])
    assert np.median(off) < 0.1 and off.max() < 0.3
    assert any("so it is computed from the orbit, ± 0.5°: " in text for text in heard.warnings)


@pytest.mark.parametrize("along", [0.0, 0.7, 1.3, 1.9, -1.2])
def test_the_angle_is_that_of_a_triangle(along):
    """By hand: at so many degrees of arc to the right of the path the law of cosines gives the angle, on a ball as large as the earth is there."""
    orbit = Orbit(0.4, ascending=abs(along) < np.pi / 2)
    satellite = orbit.places(np.array(along)) / RADIUS_M
    ahead = orbit.places(np.array(along + 1e-4)) / RADIUS_M - satellite
    right = np.cross(ahead, satellite) / np.linalg.norm(np.cross(ahead, satellite))
    arc = np.radians(np.array([3.0, 5.0, 6.0]))
    below = np.cos(arc)[:, None] * satellite + np.sin(arc)[:, None] * right
    squash = 6_356_752.3 / 6_378_137.0
    earth = 6_378_137.0 / np.sqrt(below[:, 0] ** 2 + below[:, 1] ** 2 + (below[:, 2] / squash) ** 2)
    longitude, latitude, height = pyproj.Transformer.from_crs("EPSG:4978", "EPSG:4979", always_xy=True).transform(*(earth[:, None] * below).T)
    assert np.abs(height).max() < 1
    sight = np.sqrt(RADIUS_M**2 + earth**2 - 2 * RADIUS_M * earth * np.cos(arc))
    truth = np.degrees(np.arcsin(RADIUS_M * np.sin(arc) / sight))
    np.testing.assert_allclose(orbit.angles(longitude, latitude), truth, atol=0.1)


def test_the_left_side_is_told_from_the_right():
    right, left = Orbit(0.0, True).angles(np.array([4.0, -4.0]), np.zeros(2))
    assert right == pytest.approx(-left) and 30 < right < 40


def test_names_of_products():
    assert Acquisition.of("scene", EW_NAME) == Acquisition("EW", 1 + 43 / 60 + 42 / 3600)
    assert Acquisition.of(IW_NAME) == Acquisition("IW", 17 + 39 / 60 + 53 / 3600)
    assert Acquisition.of("S1A_EW_20220503", "S1A_S4_GRDH_1SDH_20250118T171404_20250118T171421_000638_000538_4B8B") is None


def test_what_it_needs_is_told(tmp_path):
    with pytest.raises(DataError, match="nothing says mode and time of the scene, as the name of a product does"):
        found(ice_swath_unnamed(tmp_path))
    with pytest.raises(DataError, match=r"with nodata around it, goes from 18\.9° to 46\.4°, .* this image would go from 3\d\.\d° to 4\d\.\d°\."):
        found(ice_swath_part(tmp_path))
    other_hour = tmp_path / f"{EW_NAME.replace('T0143', 'T0643')}.tif"
    ice_swath(tmp_path).rename(other_hour)
    with pytest.raises(DataError, match="on the path of that time of day this image would go from"):
        found(other_hour)


def test_a_map_says_that_its_angle_was_computed(tmp_path):
    heard, output = Listening(), tmp_path / "map.tif"
    values = {"images": [str(ice_swath(tmp_path))], "model": str(ice_map_angle_model(tmp_path)), "device": "cpu", "cell": 20, "output": str(output)}
    result = JOBS["map_sea_ice"].from_values(values).run(heard)
    assert 0.4 < result["valid_share"] < 0.8 and result["out_of_range_share"] < 0.01, "an angle at every measured pixel, and plausible ones"
    assert sum("computed from the orbit" in text for text in heard.warnings) == 1
    with rasterio.open(output) as raster:
        assert '"incidence_angle": "computed from the orbit, ± 0.5°"' in raster.tags()["EO_PRETRAIN_PARAMETERS"]




def test_a_scene_placed_by_points_is_warped_and_has_an_angle(tmp_path):
    given = SarImages([{"path": str(ice_swath_points(tmp_path))}], target_crs="EPSG:3413", from_orbit=True)
    (scene,), sensor, facts = open_sar_scenes(given, tmp_path)
    assert facts["incidence_angle"] == "orbit" and [band.unit for band in sensor.bands] == ["dB", "dB", "degree"]
    inner = EW_TIES[1:4, 1:4].reshape(-1, 3)
    x, y = pyproj.Transformer.from_crs("OGC:CRS84", scene.grid.crs, always_xy=True).transform(inner[:, 0], inner[:, 1])
    for east, north, angle in zip(x, y, inner[:, 2], strict=True):
        col, row, *_ = scene.grid.pixel_box((east, north, east, north))
        assert scene.read(Window(int(col), int(row), 1, 1), [2])[0][0, 0, 0] == pytest.approx(angle, abs=0.3)
