"""Values that hardly can be what they are said to be: each image against its sensor, and the images of a dataset against each other."""

import numpy as np
import pytest
import rasterio

from eo_pretrain_qgis.engine.cards import ModelBand
from eo_pretrain_qgis.engine.datasets.building import describe_sensor
from eo_pretrain_qgis.engine.mapping.band_matching import match_bands
from eo_pretrain_qgis.engine.rasters.raster import Scene
from eo_pretrain_qgis.engine.rasters.sensors import Called
from eo_pretrain_qgis.errors import DataError
from eo_pretrain_qgis.jobs import JOBS
from eo_pretrain_qgis.progress import SILENT
from tests.scenes import land_fields, write_raster

from ..listening import Listening

#: Two bands of reflectance, 40 x 40 px, from 0.03 to 0.3.
FRACTIONS = np.linspace(0.03, 0.3, 3200).reshape(2, 40, 40)
BANDS = ("B03", "B04")


def image(path, values, names=BANDS, scale=None):
    write_raster(path, values, names=names)
    if scale:
        with rasterio.open(path, "r+") as opened:
            opened.scales = [scale] * len(values)
    return Scene.open([{"path": str(path)}])


@pytest.mark.parametrize(("values", "names", "scale", "preset", "told"), [
    ((FRACTIONS * 100).astype(np.float32), BANDS, None, "sentinel2_l2a", "hardly more than black. Perhaps they are fractions or percents"),
    (FRACTIONS.astype(np.float32), BANDS, 1e-4, "sentinel2_l2a", "hardly more than black"),
    ((FRACTIONS * -5000).astype(np.int16), ("VV", "VH"), None, "sentinel1_db", "but no radar sees below -80 dB"),
    ((FRACTIONS * 30_000).astype(np.uint16), ("Oa08", "Oa17"), None, "sentinel3_olci", r"a radiance of \d+ W / \(m² sr µm\) in the middle"),
])
def test_values_that_no_sensor_measures_are_refused(values, names, scale, preset, told, folder):
    with pytest.raises(DataError, match=told):
        describe_sensor([image(folder / "a.tif", values, names, scale)], preset)


@pytest.mark.parametrize(("values", "names", "scale", "preset"), [
    ((FRACTIONS * 1e4).astype(np.uint16), BANDS, None, "sentinel2_l2a"), (FRACTIONS.astype(np.float32), BANDS, None, "sentinel2_l2a"),
    ((FRACTIONS * 100).astype(np.float32), BANDS, 0.01, "sentinel2_l2a"),
    ((FRACTIONS * -5000).astype(np.int16), ("VV", "VH"), 0.01, "sentinel1_db"),
    ((FRACTIONS * 30_000).astype(np.uint16), ("Oa08", "Oa17"), 0.01, "sentinel3_olci"),
])
def test_values_that_are_measured_are_taken(values, names, scale, preset, folder):
    sensor = describe_sensor([image(folder / "a.tif", values, names, scale)], preset)
    assert all(band.unit in ("reflectance", "dB", "radiance") for band in sensor.bands)


def test_whole_numbers_of_a_very_dark_image_are_warned_of(folder):
    heard = Listening()
    describe_sensor([image(folder / "a.tif", (FRACTIONS * 600).astype(np.uint16))], "sentinel2_l2a", progress=heard)
    assert any("a very dark image" in text for text in heard.warnings)


@pytest.mark.parametrize(("other", "refused"), [(FRACTIONS, True), (FRACTIONS * 100, False), (FRACTIONS * 4000, None)])
def test_images_of_unknown_units_are_compared(other, refused, folder):
    """Fractions beside digital numbers, percents beside them, and a darker image."""
    first = image(folder / "first.tif", (FRACTIONS * 1e4).astype(np.float32))
    scenes, heard = [first, image(folder / "other.tif", other.astype(np.float32))], Listening()
    if refused:
        with pytest.raises(DataError, match="as fractions and digital numbers do"):
            describe_sensor(scenes, "generic")
        return
    describe_sensor(scenes, "generic", progress=heard)
    assert bool([text for text in heard.warnings if "they are hardly stored alike" in text]) == (refused is False)


@pytest.mark.parametrize(("name", "preset", "told"), [
    ("LC08_L2SP_193024_20200621_20200823_02_T1.tif", "sentinel2_l2a", "is a scene of Landsat, but the sensor is Sentinel-2 L2A"),
    ("S2A_MSIL2A_20190621T102031_N0212_R065_T33UUU.tif", "landsat89_l2", "is a scene of Sentinel-2, but the sensor is Landsat"),
    ("S1A_IW_GRDH_1SDV_20190622T053506.tif", "sentinel2_l2a", "is a scene of Sentinel-1"),
    ("S2A_MSIL2A_20190621T102031_N0212_R065_T33UUU.tif", "sentinel2_l2a", None), ("S1A_IW_GRDH_1SDV_20190622T053506.tif", "generic", None),
])
def test_a_product_of_another_maker_by_its_name(name, preset, told, folder):
    scene = image(folder / name, (FRACTIONS * 1e4).astype(np.uint16))
    if told:
        with pytest.raises(DataError, match=told):
            describe_sensor([scene], preset)
    else:
        describe_sensor([scene], preset)


def test_the_level_in_the_name_counts(folder):
    heard = Listening()
    scene = image(folder / "S2A_MSIL1C_20190621T102031_N0207_R065_T33UUU.tif", (FRACTIONS * 1e4).astype(np.uint16))
    describe_sensor([scene], "sentinel2_l2a", progress=heard)
    assert any("is of level L1C" in text for text in heard.warnings)


def test_a_map_of_another_maker_needs_its_sensor(folder):
    """The sensor of the image is held against the image, not that of the model."""
    red = ModelBand("red", 0.6545, "reflectance", 2.75e-5, -0.2, mean=1e4, std=1e3, minimum=7000, maximum=2e4, p001=7000, p999=2e4)
    path = folder / "S2A_MSIL2A_20190621T102031_N0212_R065_T33UUU.tif"
    scene = image(path, (FRACTIONS * 1e4).astype(np.uint16))
    asked = {"called": Called(str(path)), "model_preset": "landsat89_l2", "scene": scene}
    with pytest.raises(DataError, match="is a scene of Sentinel-2"):
        match_bands((red,), scene.band_names, **asked)
    (found,) = match_bands((red,), scene.band_names, preset="sentinel2_l2a", **asked)
    assert (found.position, found.image.scale, found.image.offset) == (1, 1e-4, 0)


@pytest.mark.parametrize(("dtype", "fill", "told"), [
    ("float32", -9999, True), ("int16", -9999, True), ("int16", -32768, True), ("uint16", 65535, True), ("uint8", 255, False),
    ("uint16", 65534, False),
])
def test_values_that_programs_fill_with_are_warned_of(dtype, fill, told, folder):
    """In a twentieth of the pixels, in all bands; white of a picture needs a tenth."""
    values, heard = (FRACTIONS * 800).astype(dtype), Listening()
    values[:, :2] = fill
    describe_sensor([image(folder / "a.tif", values, ("a", "b"))], "generic", progress=heard)
    assert any(f"About 5% of the pixels of {folder / 'a.tif'} are {fill} in all bands" in text for text in heard.warnings) == told


def test_values_that_nothing_measures_are_refused(folder):
    values = FRACTIONS.astype(np.float32)
    values[:, 5] = -3.4e38
    with pytest.raises(DataError, match=r"values as large as 3.4e\+38, which nothing measures"):
        describe_sensor([image(folder / "a.tif", values, ("a", "b"))], "generic")


def test_images_that_are_added_are_compared_with_the_dataset(folder):
    values = {"labels": str(land_fields(folder)), "class_field": "cover", "tile_size": 32}
    numbers, fractions = (write_raster(folder / name, np.random.default_rng(1).uniform(0.1, 0.3, (2, 256, 256)).astype(np.float32) * factor)
                          for name, factor in (("numbers.tif", np.float32(1e4)), ("fractions.tif", np.float32(1))))
    job = JOBS["create_training_dataset"]
    job.from_values({**values, "images": [str(numbers)], "output": str(folder / "first")}).run(SILENT)
    with pytest.raises(DataError, match=r"The values of .*first reach .* and those of .*fractions.tif .*, as fractions and digital numbers do"):
        job.from_values({**values, "images": [str(fractions)], "append_to": str(folder / "first"), "output": str(folder / "second")}).run(SILENT)
