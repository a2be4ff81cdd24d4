"""Masks of clouds: from the classification of a scene value by value, made wider in metres, and from a model file."""

import numpy as np
import pytest
import rasterio
from scipy import ndimage

from eo_pretrain_qgis.engine.cards import ClassInfo
from eo_pretrain_qgis.engine.mapping.clouds.growing import grow
from eo_pretrain_qgis.engine.mapping.clouds.sources import flag_of, flags_of_classes
from eo_pretrain_qgis.engine.models import catalog, package
from eo_pretrain_qgis.engine.rasters.clouds import CLEAR, CLOUD, NOT_MEASURED, SHADOW, SNOW, open_mask
from eo_pretrain_qgis.engine.rasters.raster import Raster
from eo_pretrain_qgis.errors import DataError, JobError, ModelError
from eo_pretrain_qgis.jobs import JOBS
from eo_pretrain_qgis.progress import SILENT

from ..listening import Listening
from ..networks import write_threshold_model
from ..scenes import write_raster

#: Every value that the scene classification has, and what it is in a mask.
SCL = {0: 255, 1: 255, 2: 0, 3: 2, 4: 0, 5: 0, 6: 0, 7: 0, 8: 1, 9: 1, 10: 1, 11: 3}


def mask(folder, progress=SILENT, output="mask.tif", **values):
    """The mask (y, x) that the job writes, and what it gives."""
    facts = JOBS["mask_clouds"].from_values({**values, "output": str(folder / output)}).run(progress)
    with rasterio.open(folder / output) as written:
        return written.read(1), facts


def scene(folder, name="S2_20200711.tif", bands=("B03", "B04", "B08")):
    """24 × 48 px of 10 m."""
    return str(write_raster(folder / name, np.full((len(bands), 24, 48), 900, np.uint16), names=bands))


def classes(folder, name="T33UUU_SCL_20m.tif"):
    """All values of the scene classification in columns of 2 px of 20 m."""
    return str(write_raster(folder / name, np.repeat(np.arange(12, dtype=np.uint8), 2)[None].repeat(12, 0)))


def test_each_class_becomes_its_flag_on_the_grid_of_the_image(folder):
    values = np.repeat(np.array(list(SCL), np.uint8), 2)[None].repeat(12, 0)
    given = str(write_raster(folder / "T33UUU_SCL_20m.tif", values, resolution=20.0))
    heard = Listening()
    found, facts = mask(folder, heard, images=[scene(folder)], classification=given)
    assert np.array_equal(found, np.repeat(list(SCL.values()), 4)[None].repeat(24, 0))
    assert facts["source"] == "scl" and facts["valid_share"] == pytest.approx(10 / 12, abs=1e-6)
    assert [facts[f"{name}_share"] for name in ("clear", "cloud", "shadow", "snow")] == [0.5, 0.3, 0.1, 0.1]
    assert any("Scene classes 8, 9 and 10 count as cloud" in text and "30.0% of the measured ground is cloud and 10.0% shadow." in text
               for _, text in heard.said)


def test_a_classification_that_is_given_comes_before_a_model_that_is_here(folder, monkeypatch):
    monkeypatch.setattr(catalog, "are_here", lambda names: True)
    assert mask(folder, images=[scene(folder)], classification=classes(folder))[1]["source"] == "scl"


def test_other_jobs_read_the_mask_as_flags(folder):
    given = str(write_raster(folder / "SCL.tif", np.repeat(np.array(list(SCL), np.uint8), 2)[None].repeat(12, 0), resolution=20.0))
    mask(folder, images=[scene(folder)], classification=given)
    with Raster(str(folder / "mask.tif")) as raster, open_mask({"path": str(folder / "mask.tif")}, "flags") as opened:
        flags = opened.read(raster.grid, raster.grid.window)
    assert flags[0, ::4].tolist() == [NOT_MEASURED, NOT_MEASURED, CLEAR, SHADOW, CLEAR, CLEAR, CLEAR, CLEAR, CLOUD, CLOUD, CLOUD, SNOW]
    assert "scene classification" in rasterio.open(folder / "mask.tif").tags()["EO_PRETRAIN_CLOUDS"]


def test_a_band_of_the_image_may_be_its_classification(folder):
    values = np.full((4, 24, 48), 900, np.uint16)
    values[3] = 4
    values[3, :6] = 9
    image = str(write_raster(folder / "stack.tif", values, names=["B03", "B04", "B08", "SCL"]))
    found, facts = mask(folder, images=[image])
    assert facts["source"] == "scl" and facts["cloud_share"] == 0.25 and (found[:6] == CLOUD).all() and not found[6:].any()


def test_landsats_bits(folder):
    bits = np.array([[0b1, 0b10, 0b100, 0b1000, 0b10000, 0b100000, 0b1000000, 0b101000]], np.uint16)
    found, facts = mask(folder, images=[str(write_raster(folder / "LC09_QA_PIXEL.TIF", bits))])
    assert facts["source"] == "qa_pixel"
    assert found.tolist() == [[255, CLOUD, CLOUD, CLOUD, SHADOW, SNOW, CLEAR, CLOUD]]


def test_a_part_is_a_part_of_the_whole(folder):
    given = str(write_raster(folder / "SCL.tif", np.random.default_rng(0).integers(2, 12, (12, 24)).astype(np.uint8), resolution=20.0))
    usual = {"images": [scene(folder)], "classification": given, "grow": 25}
    whole, _ = mask(folder, output="whole.tif", **usual)
    part, _ = mask(folder, output="plain.tif", **{**usual, "grow": 0}, extent="500100,500300,5299800,5299950 [EPSG:32633]")
    assert part.shape == (15, 20)
    own, _ = mask(folder, output="plain_whole.tif", **{**usual, "grow": 0})
    assert np.array_equal(part, own[5:20, 10:30])
    assert whole.shape == own.shape and (whole == CLOUD).sum() > (own == CLOUD).sum()


@pytest.mark.parametrize("block", [16, 37, 2048])
def test_clouds_grow_by_metres_whatever_the_blocks(block):
    rng = np.random.default_rng(1)
    flags = np.zeros((90, 120), np.uint8)
    for flag in (CLOUD, SHADOW, SNOW, NOT_MEASURED):
        flags[rng.random(flags.shape) < 0.003] = flag
    grown = np.zeros_like(flags)
    grow(flags, grown, 45.0, (10.0, 20.0), block=block)
    far = {flag: ndimage.distance_transform_edt(flags != flag, sampling=(20.0, 10.0)) for flag in (CLOUD, SHADOW)}
    expected = np.where(far[CLOUD] <= 45, CLOUD, np.where(far[SHADOW] <= 45, SHADOW, flags))
    expected[flags == NOT_MEASURED] = NOT_MEASURED
    assert np.array_equal(grown, expected)


def test_one_cloud_grows_to_a_disc():
    flags, grown = np.zeros((21, 21), np.uint8), np.zeros((21, 21), np.uint8)
    flags[10, 10] = CLOUD
    grow(flags, grown, 30.0, (10.0, 10.0))
    assert (grown == CLOUD).sum() == 29  # whole numbers x, y with x² + y² ≤ 9
    assert grown[10, 13] == CLOUD and grown[12, 12] == CLOUD and grown[12, 13] == CLEAR


def test_a_model_of_classes_of_pixels_makes_a_mask(folder):
    values = np.full((1, 96, 96), 1000, np.uint16)
    values[:, :, 48:] = 2000
    values[:, :8] = 0
    image = str(write_raster(folder / "image.tif", values, names=["B02"], nodata=0))
    model = write_threshold_model(folder / "clouds.onnx", classes=((4, "cloud shadow", ""), (7, "thin cloud", "")))
    found, facts = mask(folder, images=[image], model=str(model))
    assert (found[8:, :48] == SHADOW).all() and (found[8:, 48:] == CLOUD).all() and (found[:8] == 255).all()
    assert facts["source"] == "halves-0123abcd" and facts["cloud_share"] == facts["shadow_share"] == 0.5
    with rasterio.open(folder / "mask.tif") as written:
        assert "cloud shadow as shadow, thin cloud as cloud" in written.tags()["EO_PRETRAIN_CLOUDS"]


def test_classes_are_known_by_their_names(folder):
    names = ["Clear", "Thick cloud", "thin cloud", "Cloud shadow", "Snow", "Cirrus", "no cloud", "water"]
    made = write_threshold_model(folder / "two.onnx", classes=((1, names[0], ""), (2, names[1], "")))
    assert flags_of_classes(package.open(made)).tolist() == [CLEAR, CLOUD]
    assert [flag_of(ClassInfo(1, name, "")) for name in names] == [CLEAR, CLOUD, CLOUD, SHADOW, SNOW, CLOUD, CLEAR, CLEAR]
    with pytest.raises(ModelError, match="has the classes water, forest, and none of them is called cloud"):
        flags_of_classes(package.open(write_threshold_model(folder / "forest.onnx")))


def test_a_scene_without_anything_is_refused_in_a_sentence(folder, monkeypatch):
    monkeypatch.setenv("EOPRETRAIN_MODELS", str(folder))
    with pytest.raises(DataError, match="brings no classification of its clouds: no band is called SCL or QA_PIXEL. Give it as “Classification”"):
        mask(folder, images=[scene(folder)])
    assert not (folder / "mask.tif").exists()
    plain = str(write_raster(folder / "some.tif", np.full((12, 24), 4, np.uint8), resolution=20.0))
    with pytest.raises(DataError, match="Nothing says what .*some.tif is"):
        mask(folder, images=[scene(folder)], classification=plain)
    with pytest.raises(JobError, match="is qa_pixel, and .*SCL_20m.tif has the scene classification of Sentinel-2 .SCL.. Set it to scl."):
        mask(folder, images=[scene(folder)], classification=classes(folder), method="qa_pixel")
    assert mask(folder, images=[scene(folder)], classification=plain, method="scl")[1]["clear_share"] == 1


@pytest.mark.realdata
def test_a_real_scene_and_its_classification(folder, real_data):
    place = real_data / "s2" / "fort_mcmurray_2019-05-22"
    found, facts = mask(folder, images=[str(place / "B04.tif")], classification=str(place / "SCL.tif"), method="auto")
    with rasterio.open(place / "SCL.tif") as opened:
        classes_there = opened.read(1)
    share = np.isin(classes_there, (8, 9, 10)).sum() / (classes_there > 1).sum()
    assert facts["cloud_share"] == pytest.approx(share, abs=2e-3) and facts["shadow_share"] == pytest.approx(
        (classes_there == 3).sum() / (classes_there > 1).sum(), abs=2e-3)
    assert facts["valid_share"] == pytest.approx((classes_there > 1).mean(), abs=2e-3) and found.shape[0] > 0
