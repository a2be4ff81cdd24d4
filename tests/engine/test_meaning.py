"""What a file says of its numbers goes before what its sensor says, and what the numbers contradict is refused."""

import numpy as np
import pytest
import rasterio

from eo_pretrain_qgis.engine.datasets.building import describe_sensor
from eo_pretrain_qgis.engine.rasters.grid import Window
from eo_pretrain_qgis.engine.rasters.meaning import Conversion, as_stored, baseline_of
from eo_pretrain_qgis.engine.rasters.raster import Scene
from eo_pretrain_qgis.engine.rasters.sensors import name_bands
from eo_pretrain_qgis.errors import DataError
from eo_pretrain_qgis.progress import SILENT
from tests.scenes import write_raster

from ..listening import Listening

AREA = Window(0, 0, 40, 40)


def image(path, values, names, scale=None, offset=None, tags=None, nodata=None):
    """A file of 40 × 40 px whose bands hold the numbers in `values`."""
    array = np.stack([np.full((40, 40), value) if np.ndim(value) == 0 else value for value in values])
    write_raster(path, array, names=names, **({} if nodata is None else {"nodata": nodata}))
    with rasterio.open(path, "r+") as opened:
        if scale is not None:
            opened.scales, opened.offsets = [scale] * len(values), [offset or 0.0] * len(values)
        opened.update_tags(**(tags or {}))
    return Scene.open([{"path": str(path)}])


def stored(scene, preset, progress=None):
    return [(band.unit, band.scale, round(band.offset, 9)) for band in as_stored(scene, name_bands(preset, scene.band_names), progress or SILENT)]


def red(number):
    return np.array([number], np.uint16)[0]


@pytest.mark.parametrize("preset", ["sentinel2_l2a", "sentinel2_l2a_0400", "generic"])
def test_scale_and_offset_in_the_file_go_first(preset, folder):
    heard = Listening()
    unit = "unknown" if preset == "generic" else "reflectance"
    scene = image(folder / "a.tif", [red(2200)], ["B04"], 1e-4, -0.1)
    assert stored(scene, preset, heard) == [(unit, 1e-4, -0.1)]
    assert [level for level, _ in heard.said] == (["warning"] if preset == "sentinel2_l2a" else [])


@pytest.mark.parametrize(("name", "tags", "offset"), [
    ("S2B_MSIL2A_20230615T102031_N0509_R065_T33UUU.tif", {}, -0.1), ("S2A_MSIL2A_20210615T102031_N0301_R065_T33UUU.tif", {}, 0.0),
    ("cut.tif", {"PROCESSING_BASELINE": "05.09"}, -0.1), ("cut.tif", {"PROCESSING_BASELINE": "02.14"}, 0.0),
    ("field_N0509.tif", {}, None),
])
def test_the_processing_baseline_goes_before_the_sensor(name, tags, offset, folder):
    scene = image(folder / name, [red(2200)], ["B04"], tags=tags)
    for preset, own in (("sentinel2_l2a", 0.0), ("sentinel2_l2a_0400", -0.1)):
        heard = Listening()
        assert stored(scene, preset, heard) == [("reflectance", 1e-4, own if offset is None else offset)]
        assert bool(heard.texts) == (offset is not None and offset != own)
    assert (baseline_of(scene) is None) == (offset is None)


@pytest.mark.parametrize(("preset", "low", "high", "said"), [
    ("sentinel1_db", 0.005, 0.04, "would hold 0.00.* dB, but backscatter in dB is negative nearly everywhere"),
    ("sentinel1_linear", -25.0, -5.0, "which is no backscatter in linear power. Choose a sensor that is in “dB”"),
    ("sentinel1_linear", 150.0, 300.0, "Digital numbers must be calibrated to backscatter first"),
    ("sar_db", 0.0, 255.0, "negative nearly everywhere"),
])
def test_values_that_cannot_be_what_the_sensor_says_are_refused(preset, low, high, said, folder):
    values = np.linspace(low, high, 1600, dtype=np.float32).reshape(40, 40)
    with pytest.raises(DataError, match=said):
        stored(image(folder / "a.tif", [values], ["VV"]), preset)


def test_whole_numbers_that_no_reflectance_has_are_refused(folder):
    with pytest.raises(DataError, match="would hold a reflectance of 120 in the middle, which does not occur"):
        stored(image(folder / "a.tif", [np.float32(1200000)], ["B04"]), "sentinel2_l2a")


def test_fractions_keep_their_scale(folder):
    heard = Listening()
    assert stored(image(folder / "a.tif", [np.float32(0.12)], ["B04"]), "sentinel2_l2a", heard) == [("reflectance", 1.0, 0.0)]
    assert "holds reflectance as fractions" in heard.texts[0]


def test_baselines_that_differ_need_a_sensor(folder):
    old = image(folder / "S2A_MSIL2A_20210615T102031_N0301_R065_T33UUU.tif", [red(1200)], ["B04"])
    new = image(folder / "S2B_MSIL2A_20230615T102031_N0509_R065_T33UUU.tif", [red(2200)], ["B04"])
    with pytest.raises(DataError, match="is of processing baseline 03.01 and .* of 05.09; from 04.00 on the same ground has values"):
        describe_sensor([old, new], "generic")
    describe_sensor([old, new], "sentinel2_l2a")
    assert (new.read(AREA)[0] == 1200).all()


def test_each_file_of_a_scene_says_how_its_bands_are_stored(folder):
    """Three files of one scene: whole numbers, fractions, and one that declares an offset; the warning names that one."""
    paths = []
    for name, value, scale in (("B02", np.uint16(1200), None), ("B03", np.float32(0.12), None), ("B04", np.uint16(2200), (1e-4, -0.1))):
        image(folder / f"{name}.tif", [value], [name], *(scale or ()))
        paths.append({"path": str(folder / f"{name}.tif")})
    heard = Listening()
    assert stored(Scene.open(paths), "sentinel2_l2a", heard) == [("reflectance", 1e-4, 0), ("reflectance", 1, 0), ("reflectance", 1e-4, -0.1)]
    assert [text.partition(" declares")[0] for text in heard.warnings] == [paths[2]["path"]]
    assert any(text.startswith(f"{paths[1]['path']} holds reflectance as fractions") for text in heard.texts)
    with pytest.raises(DataError, match="Of .*B03.tif 99 % of the values are below 12, which would be a reflectance of 0.0012 or less"):
        image(folder / "B03.tif", [np.float32(12)], ["B03"])
        stored(Scene.open(paths), "sentinel2_l2a")


@pytest.mark.parametrize("dtype", ["uint16", "int16", "float32"])
def test_scenes_are_brought_to_the_first(dtype, folder):
    old = image(folder / "old.tif", [np.dtype(dtype).type(1200), np.dtype(dtype).type(800)], ["B04", "B08"], 1e-4, 0.0)
    new = image(folder / "new.tif", [np.dtype(dtype).type(2200), np.dtype(dtype).type(900)], ["B04", "B08"], 1e-4, -0.1)
    heard = Listening()
    sensor = describe_sensor([old, new], "sentinel2_l2a", progress=heard)
    assert [(band.scale, band.offset) for band in sensor.bands] == [(1e-4, 0.0)] * 2
    values, valid = new.read(AREA)
    lowest = 0 if dtype == "uint16" else -100  # below 0 there is nothing in unsigned numbers
    assert values.dtype == dtype and valid.all()
    assert np.allclose(values[:, 0, 0], [1200, lowest])
    assert new.read(AREA, [1])[0][0, 0, 0] == pytest.approx(lowest)
    assert (old.read(AREA)[0][0] == 1200).all()
    assert any("1 of 2 images store their values in another way than" in text and "old.tif; they" in text for text in heard.texts)


def test_scales_of_two_files_must_both_be_said(folder):
    silent = image(folder / "fractions.tif", [np.float32(0.1)], ["NDVI"])
    first = image(folder / "first.tif", [np.float32(0.1)], ["NDVI"], 0.25, 0.0)
    second = image(folder / "other.tif", [np.float32(0.1)], ["NDVI"], 0.5, 1.0)
    describe_sensor([first, second], "generic")
    assert second.read(AREA)[0][0, 0, 0] == pytest.approx((0.1 * 0.5 + 1) / 0.25)
    for pair in ([silent, second], [second, silent]):
        with pytest.raises(DataError, match="other.tif declares that the values of NDVI are × 0.5 \\+ 1, and .*fractions.tif declares nothing"):
            describe_sensor(pair, "generic")


@pytest.mark.parametrize(("scale", "offset"), [(float("nan"), 0.0), (-1e-4, 0.0), (1e-4, float("inf"))])
def test_a_scale_that_says_nothing_is_refused(scale, offset, folder):
    with pytest.raises(DataError, match="which says nothing"):
        stored(image(folder / "a.tif", [np.uint16(1200)], ["B04"], scale, offset), "sentinel2_l2a")


@pytest.mark.parametrize(("value", "told"), [(np.uint16(400), "reflectance of -0.06 in the middle"), (np.uint8(40), "holds numbers of 8 bits")])
def test_reflectance_that_is_too_dark_is_refused(value, told, folder):
    with pytest.raises(DataError, match=told):
        stored(image(folder / "a.tif", [value], ["B04"]), "sentinel2_l2a_0400")


def test_types_differ_and_meanings_do_not(folder):
    whole = image(folder / "whole.tif", [np.uint16(1200)], ["B04"])
    fractions = image(folder / "fractions.tif", [np.float32(0.12)], ["B04"])
    describe_sensor([whole, fractions], "sentinel2_l2a")
    assert fractions.read(AREA)[0].dtype == np.uint16 and (fractions.read(AREA)[0] == 1200).all()
    with pytest.raises(DataError, match="holds uint16 values and .* float32"):
        describe_sensor([whole, fractions], "generic")


def test_zeros_that_the_sensor_calls_empty_are_not_measured(folder):
    values = np.full((40, 40), 1200, np.uint16)
    values[:, :10] = 0
    scene = image(folder / "a.tif", [values, values], ["B04", "B08"])
    describe_sensor([scene], "sentinel2_l2a")
    _, valid = scene.read(AREA)
    assert not valid[:, :10].any() and valid[:, 10:].all()


def test_conversion_keeps_numbers_within_their_type():
    turned = Conversion((1.0, 2.0), (-1000.0, 0.0), "uint8")
    assert turned(np.array([[[1100.4]], [[300.0]]]), [0, 1]).ravel().tolist() == [100, 255]
    assert turned(np.array([[[300.0]]]), [1]).ravel().tolist() == [255]


def test_many_zeros_that_nobody_declared_are_warned_of(folder):
    values = np.full((40, 40), 7, np.uint8)
    values[:20] = 0
    heard = Listening()
    stored(image(folder / "a.tif", [values], ["height"]), "generic", heard)
    assert heard.said[0][0] == "warning" and "% of the pixels of" in heard.texts[0]
    heard = Listening()
    stored(image(folder / "b.tif", [values], ["height"], nodata=0), "generic", heard)
    assert heard.texts == []


@pytest.mark.parametrize(("name", "alpha", "bands"), [
    ("nir", [90, 0], 4), (None, [90, 40], 4), (None, [255, 0], 3), ("alpha", [255, 0], 3), (None, [1, 0], 3),
])
def test_alpha_is_a_mask_only_where_it_can_be_one(name, alpha, bands, folder):
    values = np.full((4, 40, 40), 100, np.uint8)
    values[3, :, :20], values[3, :, 20:] = alpha
    values[3, 0, :] = np.arange(40) if bands == 4 and name is None else values[3, 0]
    values[3, :, ::3] = 60 if bands == 4 and name is None else values[3, :, ::3]
    path = write_raster(folder / "a.tif", values, photometric="RGB", alpha="yes")
    if name:
        with rasterio.open(path, "r+") as opened:
            opened.set_band_description(4, name)
    scene, heard = Scene.open([{"path": str(path)}]), Listening()
    assert len(scene.band_names) == bands
    stored(scene, "generic", heard)
    assert any("Band 4 of" in text for text in heard.texts) == (bands == 3)
    assert scene.read(AREA)[1].all() == (bands == 4)
