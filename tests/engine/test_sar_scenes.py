import warnings

import numpy as np
import pyproj
import pytest
import rasterio
from rasterio.errors import NotGeoreferencedWarning
from scipy.ndimage import map_coordinates

from eo_pretrain_qgis.engine.rasters.control_points import control_points, polynomial_order, target_grid
from eo_pretrain_qgis.engine.rasters.grid import Grid, Window
from eo_pretrain_qgis.engine.themes.sea_ice.ground_control import raw, warp
from eo_pretrain_qgis.engine.themes.sea_ice.sar_bands import SarImages
from eo_pretrain_qgis.engine.themes.sea_ice.sar_scenes import open_sar_scenes
from eo_pretrain_qgis.errors import DataError

from ..listening import Listening
from ..scenes_ice import ICE_ORIGIN, ICE_PIXEL, ICE_SIZE, POLAR, ice_pair, ice_points, ice_scene, ice_tables


def changed(folder, change, names=("HH", "HV", "incidence_angle")):
    """`ice_scene` with its bands changed, as another file."""
    with rasterio.open(ice_scene(folder)) as source:
        bands, profile = change(source.read().astype(np.float64)), source.profile
    with rasterio.open(folder / "changed.tif", "w", **{**profile, "count": len(bands)}) as target:
        target.write(bands.astype(np.float32))
        target.descriptions = names[:len(bands)]
    return {"path": str(folder / "changed.tif")}


def opened(folder, image, **values):
    heard = Listening()
    scenes, sensor, facts = open_sar_scenes(SarImages([image], **values), folder / "work", heard)
    return scenes[0], sensor, facts, heard.texts


def test_decibels_and_linear_backscatter_are_told_apart(folder):
    _, sensor, facts, said = opened(folder, {"path": str(ice_scene(folder))})
    assert facts["unit"] == "dB" and [band.unit for band in sensor.bands] == ["dB", "dB", "degree"] and "taken for dB" in said[0]

    def linear(bands):
        bands[:2] = 10 ** (bands[:2] / 10) - 1e-4  # thermal noise removed: some values are below 0
        return bands

    assert opened(folder, changed(folder, linear))[2]["unit"] == "linear"


@pytest.mark.parametrize("change", [lambda bands: bands + 40, lambda bands: np.abs(bands) * 10, lambda bands: bands * 0 + 1.5])
def test_what_is_neither_is_asked_back_and_not_taken_as_said(folder, change):
    image = changed(folder, lambda bands: np.concatenate([change(bands[:2]) + np.array([1, 0])[:, None, None] * 60, bands[2:]]))
    with pytest.raises(DataError, match="look neither like dB nor like linear backscatter"):
        opened(folder, image)
    with pytest.raises(DataError, match="backscatter in dB is negative nearly everywhere"):
        opened(folder, image, unit="dB")


def test_a_unit_that_the_values_contradict_is_refused(folder):
    with pytest.raises(DataError, match=r"looks like dB \(medians .*\), and “Backscatter is in” says linear"):
        opened(folder, {"path": str(ice_scene(folder))}, unit="linear")


def test_a_scale_in_the_file_counts(folder):
    """Hundredths of dB, with and without a word in the file; values are kept as they are stored."""
    image = changed(folder, lambda bands: np.concatenate([bands[:2] * 100, bands[2:] * 100]))
    with pytest.raises(DataError, match="but no radar sees below -80 dB. Declare the scale in the file"):
        opened(folder, image, without_angle=True)
    with rasterio.open(image["path"], "r+") as file:
        file.scales = [0.01] * 3
    scene, sensor, facts, _ = opened(folder, image)
    assert facts["unit"] == "dB" and [band.scale for band in sensor.bands] == [0.01] * 3
    assert np.nanmedian(scene.read(scene.grid.window)[0][0]) < -300


def test_bands_of_other_names_are_not_hh_and_hv(folder):
    with pytest.raises(DataError, match=r"does not say which of its bands \(cross, co\) is HH"):
        opened(folder, changed(folder, lambda bands: bands[:2], ("cross", "co")), without_angle=True)
    said = opened(folder, changed(folder, lambda bands: bands[:2], ("", "")), without_angle=True)[3]
    assert any("have no names; they are taken for HH and HV. Name them in" in text for text in said)


def test_exact_zeros_and_the_declared_nodata_are_not_measured(folder):
    def holes(bands):
        bands[:2, :, :30], bands[1, :, 30:60], bands[2, :, 60:70] = 0, -99, 0
        return bands

    scene, _, _, said = opened(folder, changed(folder, holes), nodata=-99)
    _, valid = scene.read(scene.grid.window)
    assert not valid[:, :70].any() and valid[:, 70:].all() and any("exactly 0 dB" in text for text in said)


def test_a_nodata_value_that_does_not_count_is_measured(folder):
    def shore(bands):
        bands[:2, :, :40] = -20
        return bands

    image = changed(folder, shore)
    with rasterio.open(image["path"], "r+") as file:
        file.nodata = -20.0
    for own, shown in ((True, False), (False, True)):
        source = {**image, "own_nodata": [own, own, True]}
        scene = opened(folder / str(own), source)[0]
        assert scene.read(scene.grid.window)[1][:, :38].all() == shown
        warp(source, [1], scene.grid, folder / f"warped-{own}.tif", [()])
        with rasterio.open(folder / f"warped-{own}.tif") as warped:
            assert np.isfinite(warped.read(1)[:, :38]).all() == shown


def test_hv_brighter_than_hh_is_pointed_out(folder):
    assert any("HV of" in text and "brighter than HH" in text for text in opened(folder, changed(folder, lambda bands: bands[[1, 0, 2]]))[3])


def test_bands_are_found_by_name_in_any_order(folder):
    image = changed(folder, lambda bands: bands[[2, 1, 0]], ("projectedLocalIncidenceAngle", "Sigma0_HV_db", "Sigma0_HH_db"))
    scene, sensor, _, _ = opened(folder, image)
    values, _ = scene.read(Window(0, 0, 8, 8))
    assert [band.name for band in sensor.bands] == ["HH", "HV", "incidence_angle"] and values[2].mean() == pytest.approx(20.2, abs=0.1)
    named = changed(folder, lambda bands: bands, ("a", "b", "c"))
    with pytest.raises(DataError, match="does not say which of its bands .* is HH"):
        opened(folder, named)
    assert opened(folder, named, bands="HH,HV,incidence_angle")[0].band_names == ["HH", "HV", "incidence_angle"]


def test_what_was_warped_is_known_by_the_file_the_analyst_gave(folder):
    pair = ice_pair(folder)
    hh, hv, angle = ({"path": str(pair / f"{name}.tif")} for name in ("HH", "HV", "IA_coarse"))
    scene, _, facts, _ = opened(folder, hh, hv=[hv], angles=[angle])
    assert [raster.path for raster in scene.rasters] == [str(pair / name) for name in ("HH.tif", "HV.tif", "IA_coarse.tif")]
    assert facts["incidence_angle"] == "layer" and scene.grid.width == 400 and scene.read(scene.grid.window)[1].all()


def test_control_points_lead_back_to_the_grid_the_scene_came_from(folder):
    """`ice_points` is `ice_scene` placed by points of its own grid: warping gives its pixels back, on square pixels."""
    scene, _, facts, _ = opened(folder, {"path": str(ice_points(folder))}, target_crs=POLAR)
    with rasterio.open(ice_scene(folder)) as source:
        truth = source.read()
    values, valid = scene.read(scene.grid.window)
    assert valid.mean() > 0.99 and facts["georeferenced"] == ["20 ground control points"]
    assert scene.grid.transform[0] == pytest.approx(40, abs=1e-6) and scene.grid.transform[4] == pytest.approx(-40, abs=1e-6)
    inside = np.s_[:, 5:-5, 5:-5]
    assert np.abs(values[inside] - truth[inside]).max() < 1e-3


def test_warping_is_bilinear_in_strips_of_any_height(folder, monkeypatch):
    """Each pixel is the mean of the four around its place, by their distance; a turned image is not blurred."""
    monkeypatch.setattr("eo_pretrain_qgis.engine.themes.sea_ice.ground_control.STRIP_ROWS", 64)
    source = {"path": str(ice_points(folder))}
    with raw(source) as image:
        control, band = control_points(image), image.read(1).astype(float)
        grid = target_grid(control, image.width, image.height, "EPSG:3995")
    warp(source, [1], grid, folder / "warped.tif", [()], control)
    with rasterio.open(folder / "warped.tif") as target:
        warped = target.read(1)
    a, _, c, _, e, f = grid.transform
    x, y = np.meshgrid(c + a * (np.arange(grid.width) + 0.5), f + e * (np.arange(grid.height) + 0.5))
    x, y = pyproj.Transformer.from_crs(grid.crs, POLAR, always_xy=True).transform(x, y)
    col, row = (x - ICE_ORIGIN[0]) / ICE_PIXEL - 0.5, (ICE_ORIGIN[1] - y) / ICE_PIXEL - 0.5
    truth = map_coordinates(band, [row, col], order=1, cval=np.nan)
    both = ~np.isnan(truth) & ~np.isnan(warped)
    assert a == pytest.approx(-e) and both.sum() > 0.98 * (~np.isnan(truth)).sum() > 1000
    np.testing.assert_allclose(warped[both], truth[both], atol=1e-3)


def test_polynomials_are_taken_where_they_meet_the_points(folder):
    with raw({"path": str(ice_points(folder))}) as image:
        control = control_points(image).to(rasterio.crs.CRS.from_string(POLAR).to_wkt())
    assert polynomial_order(control) == 1
    bent = [rasterio.control.GroundControlPoint(p.row, p.col + 6 * np.sin(p.col / 60) * np.cos(p.row / 50), p.x, p.y, 0.0) for p in control.points]
    assert polynomial_order(type(control)(tuple(bent), control.crs)) == 0


def test_a_bent_scene_follows_a_spline_through_its_points(folder):
    """Points that no polynomial meets: the columns of the image are shifted by a wave, and the warped image is straight again."""
    rows, cols = np.indices(ICE_SIZE)
    wave = 6 * np.sin(rows / 25)
    pattern = (np.sin((cols - wave) / 15) * 5 - 20).astype(np.float32)
    with rasterio.open(ice_points(folder)) as source:
        _, crs = source.gcps
    forward = rasterio.warp.transform
    col, row = (axis.ravel() for axis in np.meshgrid(np.linspace(0, 399, 13), np.linspace(0, 299, 25)))
    lon, lat = forward(POLAR, crs, (400_000 + 40 * (col + 0.5)).tolist(), (-1_200_000 - 40 * (row + 0.5)).tolist())
    shifted = col + np.interp(row, np.arange(300), 6 * np.sin(np.arange(300) / 25))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(folder / "bent.tif", "w", driver="GTiff", width=400, height=300, count=1, dtype="float32") as target:
            target.write(pattern, 1)
            target.gcps = [rasterio.control.GroundControlPoint(r + 0.5, c + 0.5, x, y, 0.0)
                           for r, c, x, y in zip(row, shifted, lon, lat, strict=True)], crs
    with raw({"path": str(folder / "bent.tif")}) as image:
        control = control_points(image)
    grid = Grid(rasterio.crs.CRS.from_string(POLAR).to_wkt(), (40.0, 0.0, 400_000.0, 0.0, -40.0, -1_200_000.0), 400, 300)
    assert polynomial_order(control.to(grid.crs)) == 0
    warp({"path": str(folder / "bent.tif")}, [1], grid, folder / "straight.tif", [()], control)
    with rasterio.open(folder / "straight.tif") as target:
        straight = target.read(1)[20:-20, 20:-20]
    assert np.abs(straight - (np.sin(cols / 15) * 5 - 20)[20:-20, 20:-20]).max() < 0.25


def test_several_scenes_need_a_table_that_names_them(folder):
    images = [{"path": str(ice_scene(folder))}, {"path": str(changed(folder, lambda bands: bands)["path"])}]
    tables = ice_tables(folder)
    with pytest.raises(DataError, match="does not say for which of the 2 scenes its angles are. Add a column scene"):
        open_sar_scenes(SarImages(images, angle_table=str(tables / "places.csv")), folder / "work")
    with pytest.raises(DataError, match="has no angles for changed.tif; its column scene has S1A_EW_20220503, other"):
        open_sar_scenes(SarImages(images, angle_table=str(tables / "scenes.csv")), folder / "work")


def test_scenes_in_dB_and_linear_do_not_go_together(folder):
    linear = changed(folder, lambda bands: np.concatenate([10 ** (bands[:2] / 10), bands[2:]]))
    with pytest.raises(DataError, match="is in dB and .* in linear. Convert one to the unit of the other."):
        open_sar_scenes(SarImages([{"path": str(ice_scene(folder))}, linear]), folder / "work")


def test_the_greenland_scene_is_read_and_its_missing_place_named(folder, real_data):
    place = real_data / "seaice" / "glia_s1_ew_20220503"
    heard = Listening()
    given = SarImages([{"path": str(place / "Sigma0_HH_db.img")}], [{"path": str(place / "Sigma0_HV_db.img")}], [{"path": str(place / "IA.img")}])
    with pytest.raises(DataError, match="has no coordinate reference system and no ground control points, so nothing says where it lies"):
        open_sar_scenes(given, folder / "work", heard)
    assert any("exactly 0 dB, which is no measurement" in text for text in heard.texts)


def test_vv_and_vh_are_not_taken_for_hh_and_hv(folder):
    image = changed(folder, lambda bands: bands, ("VV", "VH", "incidence_angle"))
    with pytest.raises(DataError) as caught:
        opened(folder, image)
    assert str(caught.value) == (f"{image['path']} holds VV and VH, but sea ice is learned from HH and HV, which see ice and water differently. "
                                 "Choose a scene of HH and HV, as Sentinel-1 takes over polar seas, or use “Create training dataset” for these "
                                 "bands.")
    with pytest.raises(DataError, match="changed.tif calls a band VV, and “Bands” calls it HH. Ice and water look different in other polarisations"):
        opened(folder, image, bands="HH,HV,incidence_angle")
