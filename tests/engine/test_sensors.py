import pytest

from eo_pretrain_qgis.engine.rasters.sensors import PRESETS, Called, name_bands, warn_of_generic
from eo_pretrain_qgis.errors import DataError
from eo_pretrain_qgis.jobs.tiling import PRESETS as OFFERED

from ..listening import Listening


def names(*arguments):
    return [band.name for band in name_bands(*arguments)]


def test_every_preset_offered_exists():
    assert set(OFFERED) == set(PRESETS)


def test_scaling():
    late, early = (name_bands(preset, ["B2"])[0] for preset in ("sentinel2_l2a_0400", "sentinel2_l2a"))
    assert 1500 * late.scale + late.offset == pytest.approx(0.05) and 1500 * early.scale + early.offset == pytest.approx(0.15)
    assert late.unit == "reflectance" and late.wavelength_um == 0.4924
    assert name_bands("sentinel1_db", ["band 1", "band 2"])[1].unit == "dB"


def test_radar_has_an_incidence_angle_beside_its_bands():
    heard = Listening()
    bands = name_bands("sentinel1_db", ["HH", "HV", "incidence_angle"], "", heard)
    assert [band.unit for band in bands] == ["dB", "dB", "degree"] and not heard.texts
    assert name_bands("sentinel2_l2a", ["B02", "incidence_angle"], "", heard)[1].unit == "unknown" and len(heard.warnings) == 1


@pytest.mark.parametrize(("found", "expected"), [
    (["B2", "b8a", "B11"], ["B02", "B8A", "B11"]),
    (["T33UUU_20160608_B02_10m", "T33UUU_20160608_B08_10m"], ["B02", "B08"]),
    (["B4 - red, central wavelength 665 nm"], ["B04"]),
    (["B02", "SCL"], ["B02", "SCL"]),
    (["B02", "B02"], ["B02", "B02 (2)"]),
    (["red", "green", "blue", "nir"], ["B04", "B03", "B02", "B08"]),
    (["rededge071", "rededge075", "rededge078"], ["B05", "B06", "B07"]),
    (["Red Edge 1", "swir16", "scene_red_10m", "NIR narrow"], ["B05", "B11", "B04", "B8A"]),
])
def test_bands_by_name(found, expected):
    assert names("sentinel2_l2a", found) == expected


@pytest.mark.parametrize(("preset", "count", "expected"), [
    ("sentinel2_l2a", 12, ["B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B11", "B12"]),
    ("sentinel2_l1c", 10, ["B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B11", "B12"]),
    ("sentinel2_l1c", 4, ["B02", "B03", "B04", "B08"]), ("sentinel2_l1c", 3, ["B04", "B03", "B02"]), ("sentinel1_db", 2, ["VV", "VH"]),
])
def test_bands_by_number_are_said(preset, count, expected):
    heard = Listening()
    assert names(preset, [f"band {number + 1}" for number in range(count)], "", heard) == expected
    assert heard.texts[0].startswith("The image has bands without names; they are taken in the order of Sentinel-")
    assert [level for level, _ in heard.said] == ["warning"]


@pytest.mark.parametrize(("preset", "found", "expected", "facts"), [
    ("landsat89_l2", ["SR_B2", "SR_B5", "B6"], ["blue", "nir08", "swir16"], ("reflectance", 2.75e-5, -0.2)),
    ("landsat457_l2", ["SR_B1", "SR_B4", "LE07_L2SP_B7"], ["blue", "nir08", "swir22"], ("reflectance", 2.75e-5, -0.2)),
    ("landsat89_l2", ["red", "green"], ["red", "green"], ("reflectance", 2.75e-5, -0.2)),
    ("sar_linear", ["sigma0_RH", "RV"], ["RH", "RV"], ("linear", 1.0, 0.0)),
    ("sar_db", ["IMAGE_HH_SRA_spot_075", "hv"], ["HH", "HV"], ("dB", 1.0, 0.0)),
    ("sentinel3_olci", ["Oa08_radiance", "Oa17"], ["Oa08", "Oa17"], ("radiance", 1.0, 0.0)),
])
def test_other_sensors(preset, found, expected, facts):
    bands = name_bands(preset, found)
    assert [band.name for band in bands] == expected
    assert {(band.unit, band.scale, band.offset) for band in bands} == {facts}


@pytest.mark.parametrize(("preset", "found", "twice"), [("sentinel2_l2a", ["red", "B04"], "B04"), ("generic", ["a", "a"], "a"),
                                                       ("generic", ["band 1", "band 1"], "")])
def test_a_name_that_several_bands_have_is_said(preset, found, twice):
    heard = Listening()
    assert names(preset, found, "", heard)[1].endswith(" (2)")
    assert [f"The image has the band {twice} more than once" in text for text in heard.warnings] == ([True] if twice else [])


def test_bands_of_two_dates_are_told_apart_by_their_names():
    heard = Listening()
    assert names("sentinel2_l2a", ["B04", "B08", "B04 (2)", "B08 (2)"], "", heard) == ["B04", "B08", "B04 (2)", "B08 (2)"]
    assert heard.texts == []


def test_names_of_the_analyst():
    assert names("sentinel2_l2a", ["band 1", "band 2"], " B8A, b4 ") == ["B8A", "B04"]
    assert names("generic", ["band 1", "band 2"], "height,slope") == ["height", "slope"]


@pytest.mark.parametrize(("preset", "found", "text", "sentence"), [
    ("sentinel2_l2a", ["band 1"] * 7, "",
     "The image has bands without names .*, and their number, 7, does not tell which bands of Sentinel-2 L2A they are. As many "
     r"have images of “Landsat 8 and 9, Level 2” \(landsat89_l2\). Choose in “Sensor” the one that it comes from, or name them in order in “Bands”, "
     "such as B01,"),
    ("sentinel2_l1c", ["band 1"] * 5, "", "and their number, 5, does not tell which bands of Sentinel-2 L1C they are. Name them in order in “Bands”, "
     "such as B01,B02,"),
    ("sentinel2_l2a", ["NDVI", "slope"], "", "The image has the bands NDVI, slope, which are none of Sentinel-2 L2A by their names."),
    ("sentinel1_db", ["Sigma0_cross", "Sigma0_co"], "", "are none of Sentinel-1 in dB by their names. Choose the sensor of that image in “Sensor”,"),
    ("sentinel1_db", ["HH_or_VV", "VH_or_HV"], "", "are none of Sentinel-1 in dB"),
    ("generic", ["a", "b"], "B02", r"The image has 2 bands, and “Bands” names 1 \(B02\). Give one name for each band, in order,"),
    ("generic", ["a", "b"], " , ", "“Bands” holds “,” and no name. Leave it empty"),
    ("sentinel2_l2a", ["Band 8", "Band 4", "Band 3"], "", "The image has the bands Band 8, Band 4, Band 3, which are none of Sentinel-2 L2A"),
    ("sentinel2_l2a", ["band_2", "band_3", "band_4"], "", "are none of Sentinel-2 L2A by their names"),
    ("generic", ["a", "b"], "B02,B02", "names a band twice"),
])
def test_refusals(preset, found, text, sentence):
    with pytest.raises(DataError, match=sentence):
        name_bands(preset, found, text)


def test_names_that_contradict_the_file_are_said():
    heard = Listening()
    assert names("sentinel1_db", ["VV", "sigma0_VH"], "HH,VH", heard, Called("/data/scene.tif")) == ["HH", "VH"]
    assert heard.texts[0] == ("/data/scene.tif calls a band VV, and “Bands” calls it HH; it is taken for HH. Leave “Bands” empty where the file is "
                              "right.")
    assert names("sentinel1_db", ["b", "c"], "VV,VH", heard) == ["VV", "VH"] and len(heard.texts) == 1
    agreeing = Listening()
    assert names("sentinel2_l2a", ["red", "band 2", "B08 (2)", "scl"], "B04,B03,nir,B12", agreeing) == ["B04", "B03", "B08", "B12"]
    assert not [text for text in agreeing.texts if "calls a band" in text]


@pytest.mark.parametrize(("preset", "names", "said"), [
    ("generic", ["B02", "T33UUU_B03_10m", "B8A", "slope"], 1), ("generic", ["B02", "B03", "slope"], 0),
    ("generic", ["Band 1", "Band 3"], 0),
    ("sentinel2_l2a", ["B02", "B03", "B8A"], 0)])
def test_bands_of_sentinel_2_under_a_generic_sensor_are_warned_of(preset, names, said):
    told = Listening()
    warn_of_generic(preset, names, told, Called("x.tif"))
    assert len(told.warnings) == len(told.events) == said
    assert all(text.startswith("The bands of x.tif are named as those of Sentinel-2 (B02, B03, B8A), and “Sensor” is “Generic: values as they are "
                               "stored” (generic), so nobody knows their unit.") for text in told.warnings)


@pytest.mark.parametrize(("preset", "names", "said"), [
    ("generic", ["band 1", "band 2", "band 3"], 1), ("generic", ["Band 1"], 1), ("sentinel2_l2a", ["band 1", "band 2", "band 3"], 0),
    ("generic", ["red", "green"], 0)])
def test_of_bands_without_names_under_a_generic_sensor_it_is_said_once_what_to_do(preset, names, said):
    told = Listening()
    warn_of_generic(preset, names, told, Called("x.tif"))
    assert told.texts == said * [
        "The bands of x.tif have no names, and “Sensor” is “Generic: values as they are stored” (generic), so a model knows them by their order "
        "alone and takes no image whose bands have names. If the image is of a sensor in the list, choose it in “Sensor”; else name the bands in "
        "order in “Bands”, such as red,green,blue."]
    assert not told.warnings
