"""Bands are found by name, and stored values become those of the training images."""

import numpy as np
import pytest
import rasterio

from eo_pretrain_qgis.engine.cards import ModelBand
from eo_pretrain_qgis.engine.mapping.band_matching import match_bands
from eo_pretrain_qgis.engine.rasters.raster import Scene
from eo_pretrain_qgis.engine.rasters.sensors import Called
from eo_pretrain_qgis.errors import DataError
from tests.networks import band
from tests.scenes import write_raster

from ..listening import Listening


def bands(*names, **facts):
    return tuple(ModelBand(**band(name, **facts)) for name in names)


def positions(needed, names, **facts):
    return [match.position for match in match_bands(needed, names, called=Called("scene.tif"), **facts)]


def converted(match, values):
    array = np.array(values, np.float32)
    match.convert(array)
    return array


@pytest.mark.parametrize("names", [["B08", "B04", "B02"], ["b8", "B4", "B2"], ["T33UUU_B08_10m", "T33UUU_B04_10m", "T33UUU_B02_10m"],
                                   ["B8 - NIR", "B4 - red", "B2 - blue"]])
@pytest.mark.parametrize("model_preset", ["sentinel2_l2a", "generic"])
def test_bands_are_matched_by_name_not_by_order(names, model_preset):
    assert positions(bands("B02", "B08"), names, model_preset=model_preset) == [2, 0]


def test_a_missing_band_is_named_with_what_there_is():
    with pytest.raises(DataError) as caught:
        positions(bands("B02", "B08"), ["B02", "B03", "B04"])
    assert str(caught.value).startswith("scene.tif has no band B08, which the model needs. Its bands are B02, B03, B04; ")


TWO_DATES = ("B02", "B08", "B02 (2)", "B08 (2)")


@pytest.mark.parametrize(("names", "said"), [
    (["B02", "B08"], "has no band B02 (2), which the model needs. The model needs images of 2 dates on one grid, and there are fewer. Give the other "
     "date as well, after the first: in “More files” of “Image”, among the advanced parameters, with “Several rasters are” as bands of one scene. "
     "Scripts give both in the list “images”."),
    (["B02", "B08", "B02 (2)"], "has no band B08 (2), which the model needs. The band is B08 of date 2. Give images with the same bands for every "
     "date."),
    (["B02"], "has no band B08, which the model needs. Its bands are B02; choose an image with all bands, or name them in order in “Bands”."),
])
def test_a_date_that_is_missing_is_asked_for(names, said):
    with pytest.raises(DataError) as caught:
        positions(bands(*TWO_DATES), names, model_preset="sentinel2_l2a")
    assert str(caught.value) == f"scene.tif {said}"


def test_of_bands_without_names_the_sensors_are_told_that_have_so_many():
    names = [f"band {number}" for number in range(1, 13)]
    with pytest.raises(DataError) as caught:
        positions(bands("B02", "B11"), names, model_preset="sentinel2_l1c")
    assert str(caught.value) == (
        "scene.tif has no band B02, which the model needs. Its bands have no names. There are 12, as many as images of “Sentinel-2 L2A without "
        "offset (until January 2022)” (sentinel2_l2a) or “Sentinel-2 L2A with offset -1000 (since January 2022)” (sentinel2_l2a_0400) have. Choose "
        "in “Sensor” the one that the image comes from, or name the bands in order in “Bands”.")
    assert positions(bands("B02", "B11"), names, preset="sentinel2_l2a", model_preset="sentinel2_l1c") == [1, 10]


def test_common_names_are_understood():
    assert positions(bands("B02", "B03", "B04", "B08"), ["red", "green", "blue", "nir"], model_preset="sentinel2_l2a") == [2, 1, 0, 3]
    assert positions(bands("B04", "B11"), ["blue", "red", "nir08", "swir16"], preset="landsat89_l2", model_preset="landsat89_l2") == [1, 3]


def test_a_scale_that_only_model_or_image_knows_is_refused(tmp_path):
    said = write_raster(tmp_path / "said.tif", np.full((1, 32, 32), 700, np.uint16), names=["NDVI"])
    silent = write_raster(tmp_path / "silent.tif", np.full((1, 32, 32), 700, np.uint16), names=["NDVI"])
    with rasterio.open(said, "r+") as file:
        file.scales, file.offsets = (0.5,), (1.0,)
    scaled, plain = (bands("NDVI", unit="unknown", scale=scale, offset=offset) for scale, offset in ((0.5, 1.0), (1.0, 0.0)))
    for needed, path, fits in ((scaled, said, True), (plain, silent, True), (scaled, silent, False), (plain, said, False)):
        scene = Scene.open([{"path": str(path)}])
        if fits:
            assert converted(match_bands(needed, ["NDVI"], called=Called("scene.tif"), scene=scene)[0], [700.0]) == pytest.approx([700.0])
        else:
            with pytest.raises(DataError, match="declares that the values of NDVI are × 0.5 \\+ 1, and .* declares nothing"):
                match_bands(needed, ["NDVI"], called=Called("scene.tif"), scene=scene)


def test_bands_with_other_names_are_never_taken_by_their_number():
    with pytest.raises(DataError, match=r"has no band B02, which the model needs. Its bands are w, x, y, z"):
        positions(bands("B02", "B03", "B04", "B08"), ["w", "x", "y", "z"], model_preset="sentinel2_l2a")


def test_names_can_be_given():
    assert positions(bands("B04", "B02"), ["red", "green", "blue"], bands_text="B04,B03,B02", model_preset="sentinel2_l2a") == [0, 2]


def test_unnamed_bands_of_the_right_number_are_taken_in_order_with_a_warning():
    heard = Listening()
    assert positions(bands("HV", "HH"), ["band 1", "band 2"], progress=heard) == [0, 1]
    assert heard.said == [("warning", "The bands of scene.tif have no names; they are taken in the order of the model: HV, HH. "
                                       "Name them in “Bands” if that is wrong.")]


def test_unnamed_bands_of_another_number_are_refused():
    with pytest.raises(DataError, match=r"has no band HV, which the model needs. Its bands are band 1, band 2, band 3"):
        positions(bands("HV", "HH"), ["band 1", "band 2", "band 3"])


def test_unnamed_bands_of_a_whole_product_are_known_by_their_sensor():
    heard = Listening()
    names = [f"band {number}" for number in range(1, 14)]
    assert positions(bands("B02", "B8A", "B12"), names, model_preset="sentinel2_l1c", progress=heard) == [1, 8, 12]
    assert "taken in the order of Sentinel-2 L1C" in heard.texts[0]


def test_a_model_of_unnamed_bands_takes_them_without_a_word():
    heard = Listening()
    assert positions(bands("band 1", "band 2"), ["band 1", "band 2"], progress=heard) == [0, 1]
    assert heard.said == []


def test_two_bands_of_one_name_are_refused():
    with pytest.raises(DataError, match=r"In the files of .*scene.tif, 2 bands are B02, of which the model needs one"):
        positions(bands("B02"), ["B02", "B03", "B02"], model_preset="sentinel2_l2a")


def test_a_model_of_two_dates_takes_both():
    assert positions(bands("VV", "VV (2)"), ["VV", "VV"]) == [0, 1]


def test_values_stay_as_they_are_by_default():
    match = match_bands(bands("B02", scale=1e-4), ["B02"], called=Called("i"))[0]
    assert converted(match, [0, 1234]).tolist() == [0, 1234]


def test_the_offset_of_baseline_0400_is_taken_off():
    match = match_bands(bands("B02"), ["B02"], called=Called("i"), preset="sentinel2_l2a_0400", model_preset="sentinel2_l2a")[0]
    assert converted(match, [1000, 2500]) == pytest.approx([0, 1500], abs=1e-2)


def test_linear_backscatter_becomes_decibel():
    needed = bands("VV", mean=-12.0, unit="dB", scale=1.0, minimum=-30.0)
    match = match_bands(needed, ["VV", "VH"], called=Called("i"), preset="sentinel1_linear", model_preset="sentinel1_db")[0]
    assert converted(match, [1.0, 0.1, 0.01, 0.0, -0.001]) == pytest.approx([0, -10, -20, -30, -30], abs=1e-5)


def test_decibel_becomes_linear():
    needed = bands("VV", mean=0.1, unit="linear", scale=1.0)
    match = match_bands(needed, ["VV"], called=Called("i"), preset="sentinel1_db", model_preset="sentinel1_linear")[0]
    assert converted(match, [0.0, -10.0, -20.0]) == pytest.approx([1, 0.1, 0.01])


def test_unknown_units_are_refused():
    with pytest.raises(DataError) as caught:
        positions(bands("B02"), ["B02"], preset="generic")
    assert str(caught.value).startswith("Band B02 of scene.tif is without a known unit by the sensor “Generic: values as they are stored” "
                                        "(generic), but the model learned from values in the unit “reflectance”.")


def test_a_model_of_unknown_units_is_told_in_words_of_the_dialog():
    with pytest.raises(DataError) as caught:
        positions(bands("B02", unit="unknown", scale=1.0), ["B02"], preset="sentinel2_l2a")
    assert str(caught.value) == (
        "Band B02 of scene.tif is in the unit “reflectance” by the sensor “Sentinel-2 L2A without offset (until January 2022)” (sentinel2_l2a), but "
        "the model learned from values without a known unit. Choose in “Sensor” the sensor the image comes from, or “Same as the images the model "
        "learned from” (as_model) when its values are stored as in those.")


def scene(path, values, scale=1.0, offset=0.0):
    write_raster(path, np.full((1, 40, 40), values), names=["B02"])
    with rasterio.open(path, "r+") as opened:
        opened.scales, opened.offsets = [scale], [offset]
    return Scene.open([{"path": str(path)}])


@pytest.mark.parametrize(("preset", "model_preset"), [("as_model", "sentinel2_l2a"), ("sentinel2_l2a", "sentinel2_l2a"), ("as_model", "generic")])
def test_the_image_s_own_scale_and_offset_are_read(preset, model_preset, folder):
    unit = "unknown" if model_preset == "generic" else "reflectance"
    needed = bands("B02", unit=unit, scale=1e-4, offset=0.0)
    match = match_bands(needed, ["B02"], called=Called("i"), preset=preset, model_preset=model_preset,
                        scene=scene(folder / "new.tif", np.uint16(2200), 1e-4, -0.1))[0]
    assert converted(match, [2200, 1000]) == pytest.approx([1200, 0], abs=1e-2)


def test_the_identical_image_under_the_preset_generic(folder):
    needed = bands("B02", unit="unknown", scale=1e-4, offset=-0.1)
    match = match_bands(needed, ["B02"], called=Called("i"), preset="generic", scene=scene(folder / "a.tif", np.uint16(2200), 1e-4, -0.1))[0]
    assert converted(match, [2200]).tolist() == [2200]


def test_an_image_of_another_baseline_is_converted(folder):
    heard = Listening()
    needed = bands("B02", scale=1e-4, offset=-0.1)
    old = scene(folder / "S2A_MSIL2A_20210615T102031_N0301_R065_T33UUU.tif", np.uint16(1200))
    match = match_bands(needed, ["B02"], called=Called("i"), model_preset="sentinel2_l2a_0400", scene=old, progress=heard)[0]
    assert converted(match, [1200]) == pytest.approx([2200], abs=1e-2)
    assert "is of processing baseline 03.01" in heard.texts[0]


def test_whole_numbers_for_a_model_of_fractions_are_refused(folder):
    with pytest.raises(DataError, match="would hold a reflectance of 1200 in the middle"):
        match_bands(bands("B02", scale=1.0, offset=0.0), ["B02"], called=Called("i"), scene=scene(folder / "a.tif", np.uint16(1200)))


def test_another_polarisation_is_another_band():
    """The images of a model of HH and HV, and those of a dataset for it, are not those of VV and VH."""
    needed = bands("HH", "HV", "incidence_angle", unit="dB", scale=1.0)
    with pytest.raises(DataError, match="scene.tif has no band HH, which the model needs. Its bands are VV, VH, incidence_angle;"):
        positions(needed, ["VV", "VH", "incidence_angle"])
