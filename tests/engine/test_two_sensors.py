"""Maps of two sensors: which image is which, on which pixels, and what is said where one of them shows nothing."""

import json

import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin
from skimage.filters import gaussian

from eo_pretrain_qgis.engine.mapping.images import Image
from eo_pretrain_qgis.engine.mapping.inference import map_scene
from eo_pretrain_qgis.engine.mapping.products import PRODUCTS
from eo_pretrain_qgis.engine.mapping.request import MapRequest
from eo_pretrain_qgis.engine.models import package
from eo_pretrain_qgis.engine.rasters.grid import Window
from eo_pretrain_qgis.errors import DataError, EOPretrainError, JobError, ModelError
from eo_pretrain_qgis.jobs import JOBS
from eo_pretrain_qgis.progress import SILENT
from tests import networks, scenes

from ..listening import Listening
from .test_inference import Pasted, extent_of, with_blocks

BOTH, WEST, NORTH = ("s1", "s2"), *scenes.ORIGIN
#: B02 and VV of the quarters of `quarters`, and their classes by both sensors, by B02 alone and by VV alone.
BLUE, VV = np.array([[1200, 800], [1200, 800]]), np.array([[-14.0, -14.0], [-20.0, -20.0]])
SUM, BY_BLUE, BY_VV = np.array([[2, 1], [1, 1]]), np.array([[2, 1], [2, 1]]), np.array([[2, 2], [1, 1]])


def doubled(values, side=32):
    return np.kron(values, np.ones((side, side)))


def optical(folder, name="S2_20200601.tif", values=BLUE, hole=None, **facts):
    """64 x 64 px in quarters; 0 = nodata in `hole`."""
    pixels = doubled(values)[None].astype(np.uint16)
    if hole:
        pixels[:, hole[0], hole[1]] = 0
    return scenes.write_raster(folder / name, pixels, names=["B02"], nodata=0, **facts)


def radar(folder, name="S1_20200603.tif", values=VV, hole=None, names=("VV", "VH"), **facts):
    """64 x 64 px in quarters; NaN in `hole`."""
    pixels = np.stack([doubled(values), np.full((64, 64), -22.0)]).astype(np.float32)
    if hole:
        pixels[:, hole[0], hole[1]] = np.nan
    return scenes.write_raster(folder / name, pixels, names=names, **facts)


def model_of(folder, optional=()):
    return package.open(networks.write_two_sensor_model(folder / f"both{''.join(optional)}.onnx", optional))


def mapped(folder, model, *images, progress=SILENT, products=("class_map", "sensor_map"), **facts):
    """Arrays of the products, by name, and of the map its tags."""
    paths = {name: str(folder / f"{name}.tif") for name in products}
    first, second = (*[Image([{"path": str(path)}]) for path in images], None)[:2]
    request = MapRequest(first.sources, second=second, device="cpu", **facts)
    map_scene(model, request, [PRODUCTS[name](path) for name, path in paths.items()], progress)
    found = {}
    for name, path in paths.items():
        with rasterio.open(path) as raster:
            found[name] = raster.read(1)
            tags = raster.tags()
    return found, tags


def refusal(folder, model, *images, **facts):
    with pytest.raises(EOPretrainError) as error:
        mapped(folder, model, *images, **facts)
    assert not list(folder.glob("*_map.tif")), "nothing is left of a map that was refused"
    return error


def test_both_sensors_decide_whatever_their_order(folder):
    model, s2, s1 = model_of(folder, BOTH), optical(folder), radar(folder)
    found, tags = mapped(folder, model, s2, s1)
    assert np.array_equal(found["class_map"], doubled(SUM))
    assert (found["sensor_map"] == 3).all()
    assert json.loads(tags["EO_PRETRAIN_IMAGES"]) == ["S2_20200601.tif", "S1_20200603.tif"]
    assert json.loads(tags["EO_PRETRAIN_SENSORS"]) == {"s2": "S2_20200601.tif", "s1": "S1_20200603.tif"}
    assert tags["ACQUISITION_DATE"] == "2020-06-01"
    turned, same = mapped(folder, model, s1, s2)
    assert np.array_equal(turned["class_map"], found["class_map"]) and same["EO_PRETRAIN_IMAGES"] == tags["EO_PRETRAIN_IMAGES"]


def test_an_image_of_bands_without_names_is_told_by_its_number_of_bands(folder):
    plain = radar(folder, names=())
    found, _ = mapped(folder, model_of(folder, BOTH), plain, optical(folder))
    assert np.array_equal(found["class_map"], doubled(SUM))


def test_the_sensor_that_was_said_tells_which_image_is_which(folder):
    model = package.open(networks.write_two_sensor_model(folder / "both.onnx"))
    values = np.stack([doubled(VV), np.full((64, 64), -22.0)]).astype(np.float32)
    image = scenes.write_raster(folder / "radar.tif", values, names=())
    request = MapRequest([{"path": str(image)}], "sentinel1_db", second=Image([{"path": str(optical(folder))}], "sentinel2_l2a"), device="cpu")
    with request.images(model) as images:
        assert [(name, scene.name) for name, scene in images.scenes.items()] == [("s2", "S2_20200601.tif"), ("s1", "radar.tif")]


def test_where_a_sensor_shows_nothing_the_other_decides(folder):
    """Optical lacks the upper half, radar the left half."""
    s2, s1 = optical(folder, hole=np.s_[:32, :]), radar(folder, hole=np.s_[:, :32])
    found, _ = mapped(folder, model_of(folder, BOTH), s2, s1)
    assert np.array_equal(found["class_map"], doubled(np.array([[255, BY_VV[0, 1]], [BY_BLUE[1, 0], SUM[1, 1]]])))
    assert np.array_equal(found["sensor_map"], doubled(np.array([[0, 2], [1, 3]])))


def test_what_the_model_cannot_do_without_must_be_measured(folder):
    s2, s1 = optical(folder, hole=np.s_[:32, :]), radar(folder, hole=np.s_[:, :32])
    neither, _ = mapped(folder, model_of(folder), s2, s1)
    assert np.array_equal(neither["class_map"], doubled(np.array([[255, 255], [255, SUM[1, 1]]])))
    assert np.array_equal(neither["sensor_map"], doubled(np.array([[0, 0], [0, 3]])))
    radar_only, _ = mapped(folder, model_of(folder, ("s2",)), s2, s1)
    assert np.array_equal(radar_only["class_map"], doubled(np.array([[255, BY_VV[0, 1]], [255, SUM[1, 1]]])))
    assert np.array_equal(radar_only["sensor_map"], doubled(np.array([[0, 2], [0, 3]])))


@pytest.mark.parametrize(("maker", "expected", "value", "sensors"), [
    (optical, BY_BLUE, 1, {"s2": "S2_20200601.tif", "s1": None}), (radar, BY_VV, 2, {"s2": None, "s1": "S1_20200603.tif"})])
def test_one_image_is_enough_for_a_model_that_can_do_without_the_other(folder, maker, expected, value, sensors):
    told = Listening()
    found, tags = mapped(folder, model_of(folder, BOTH), maker(folder), progress=told)
    assert np.array_equal(found["class_map"], doubled(expected)) and (found["sensor_map"] == value).all()
    assert json.loads(tags["EO_PRETRAIN_SENSORS"]) == sensors
    name, missing = ("s2", "s1") if sensors["s2"] else ("s1", "s2")
    assert (f"{sensors[name]} is of {name}; the map is made from it alone. The model can also take an image of {missing}, as “Second image”."
            in told.texts)


@pytest.mark.parametrize(("maker", "name", "has", "lacks"), [(optical, "S2_20200601.tif", "s2", "s1"), (radar, "S1_20200603.tif", "s1", "s2")])
def test_a_missing_sensor_is_named(folder, maker, name, has, lacks):
    error = refusal(folder, model_of(folder), maker(folder))
    assert isinstance(error.value, ModelError)
    assert f"needs images of s2 and s1 together, and {name} is of {has}. Give the image of {lacks} as “Second image” (second_images)" in (
        str(error.value))


@pytest.mark.parametrize("optional", [BOTH, ()])
def test_one_image_with_the_bands_of_both_sensors_is_not_mapped_by_half_of_them(folder, optional):
    pixels = np.stack([doubled(BLUE), doubled(VV), doubled(VV) - 7]).astype(np.float32)
    stack = scenes.write_raster(folder / "stack.tif", pixels, names=["B02", "VV", "VH"])
    assert "“Image” (images) has the bands of s2 and those of s1" in str(refusal(folder, model_of(folder, optional), stack).value)
    found, _ = mapped(folder, model_of(folder, optional), stack, stack)
    assert np.array_equal(found["class_map"], doubled(SUM)) and (found["sensor_map"] == 3).all()


def test_a_second_image_for_a_model_of_one_sensor_is_refused(folder):
    model = package.open(networks.write_threshold_model(folder / "one.onnx"))
    error = refusal(folder, model, optical(folder), radar(folder), products=("class_map",))
    assert isinstance(error.value, JobError)
    assert "was given, and the model" in str(error.value)
    assert "takes images of one sensor, image. Leave it empty, or choose a model of two sensors." in str(error.value)


@pytest.mark.parametrize(("maker", "names", "sensor", "other"), [(optical, ("S2_20200601.tif", "S2_20200611.tif"), "s2", "s1"),
                                                                  (radar, ("S1_20200603.tif", "S1_20200615.tif"), "s1", "s2")])
def test_two_images_of_one_sensor_are_refused(folder, maker, names, sensor, other):
    model = model_of(folder, BOTH)
    error = refusal(folder, model, *[maker(folder, name) for name in names])
    assert isinstance(error.value, JobError)
    assert str(error.value) == (f"“Image” (images), {names[0]}, and “Second image” (second_images), {names[1]}, are both of the sensor {sensor} by "
                                f"their bands, and the model {model.path} reads one image of s2 and one of s1. Give an image of {other} in place of "
                                "one of them.")


SECOND_BANDS, SECOND_SENSOR = "“Bands of the second image” (second_bands)", "“Sensor of the second image” (second_preset)"


@pytest.mark.parametrize(("given", "names", "sentence"), [
    ({"bands": "VV"}, (), "S1_20200603.tif has 2 bands, and {bands} names 1 (VV). Give one name for each band, in order, with commas between them."),
    ({"bands": " , "}, (), "{bands} holds “,” and no name. Leave it empty to take the names in the file, or give 2 names"),
    ({"bands": "VV,VV"}, (), "{bands} names a band twice (VV, VV). Give each band its own name."),
    ({}, ("VH", "HV"), "S1_20200603.tif has no band VV, which the model needs. Its bands are VH, HV; choose an image with all bands, or name them in "
                       "order in {bands}."),
    ({}, ("VV", "VV"), "In the files of S1_20200603.tif, 2 bands are VV, of which the model needs one. Choose each file once, those of one "
                       "scene, or name the bands in order in {bands}."),
    ({"preset": "generic"}, ("VV", "VH"), "Band VV of S1_20200603.tif is without a known unit by the sensor “Generic: values as they are stored” "
                                          "(generic), but the model learned from values in the unit “dB”. "
                                          "Choose in {sensor} the sensor the image comes from")])
def test_what_is_wrong_with_the_bands_of_an_image_names_it_and_its_parameters(folder, given, names, sentence):
    """First of the second image, then of the same image as the first one."""
    s2, s1, model = optical(folder), radar(folder, names=names or ("VV", "VH")), model_of(folder, BOTH)
    image = Image([{"path": str(s1)}], given.get("preset", "as_model"), given.get("bands", ""))
    for words, request in (({"bands": SECOND_BANDS, "sensor": SECOND_SENSOR}, MapRequest([{"path": str(s2)}], second=image, device="cpu")),
                           ({"bands": "“Bands”", "sensor": "“Sensor”"}, MapRequest(image.sources, image.preset, image.bands, device="cpu",
                                                                                 second=Image([{"path": str(s2)}])))):
        with pytest.raises(DataError) as error:
            map_scene(model, request, [Pasted()])
        assert str(error.value).startswith(sentence.format(**words))


def test_what_is_said_of_an_image_without_names_of_bands_names_its_parameter(folder):
    told, plain = Listening(), radar(folder, names=())
    mapped(folder, model_of(folder, BOTH), optical(folder), plain, progress=told)
    assert (f"The bands of S1_20200603.tif have no names; they are taken in the order of the model: VV, VH. Name them in {SECOND_BANDS} if that is "
            "wrong.") in told.warnings


@pytest.mark.parametrize(("job", "given"), [("create_land_cover_dataset", {"land_cover": "cover"}), ("create_pretraining_dataset", {}),
                                            ("create_pretraining_dataset", {"pairing": "unpaired"})])
@pytest.mark.parametrize(("second", "sentence"), [
    ({"second_preset": "sentinel1_db", "second_bands": "VV"}, "S1_20200603.tif has 2 bands, and “Bands of the second sensor” (second_bands) names 1 "
                                                              "(VV). Give one name for each band"),
    ({"second_preset": "landsat89_l2"}, "S1_20200603.tif has the bands VV, VH, which are none of Landsat 8 and 9, Collection 2 Level 2 by their "
                                        "names. Choose the sensor of that image in “Second sensor” (second_preset), or name its bands in "
                                        "order in “Bands of the second sensor” (second_bands), such as ")])
def test_datasets_name_the_image_of_the_second_sensor_and_its_parameters(folder, job, given, second, sentence):
    values = {"images": [str(optical(folder))], "preset": "sentinel2_l2a", "bands": "B02", "second_images": [str(radar(folder))], "tile_size": 32,
              "output": str(folder / "data"), **second, **given}
    if "land_cover" in given:
        cover = scenes.write_raster(folder / "cover.tif", doubled([[10, 40], [40, 10]])[None].astype(np.uint8))
        values |= {"land_cover": str(cover), "legend": "worldcover"}
    with pytest.raises(DataError) as error:
        JOBS[job].from_values(values).run(SILENT)
    assert sentence in str(error.value)
    assert not (folder / "data").exists()


@pytest.mark.parametrize("turned", ["first", "second", "both"])
def test_images_whose_rows_run_from_south_to_north_give_the_same_map(folder, turned):
    model, s2, s1 = model_of(folder, BOTH), optical(folder, hole=np.s_[:20, :]), radar(folder, hole=np.s_[:, :20])
    expected, tags = mapped(folder, model, s2, s1)
    (folder / "turned").mkdir()
    images = [scenes.south_up(image, folder / "turned") if turned in (name, "both") else image for name, image in (("first", s2), ("second", s1))]
    found, others = mapped(folder / "turned", model, *images)
    assert all(np.array_equal(found[name], expected[name]) for name in expected)
    assert others["EO_PRETRAIN_IMAGES"] == tags["EO_PRETRAIN_IMAGES"]


@pytest.mark.parametrize(("facts", "sentence"), [
    ({"crs": "EPSG:32634"}, "their coordinate systems are WGS 84 / UTM zone 33N and WGS 84 / UTM zone 34N."),
    ({"resolution": 20.0}, "their pixels measure 10 × 10 and 20 × 20 metre."),
    ({"transform": from_origin(WEST + 4, NORTH, 10, 10)}, "the pixels of one lie 0.4 columns and 0 rows beside those of the other."),
    ({"transform": from_origin(WEST, NORTH, 10, 10.001)}, "their pixels measure 10 × 10 and 10 × 10.001 metre.")])
def test_images_on_different_grids_are_refused(folder, facts, sentence):
    error = refusal(folder, model_of(folder, BOTH), optical(folder), radar(folder, **facts))
    assert isinstance(error.value, DataError)
    assert f"lie on different grids: {sentence} The model reads both pixel by pixel." in str(error.value)
    assert "Bring one onto the grid of the other with “Warp (reproject)”." in str(error.value)


def test_images_of_different_places_are_refused(folder):
    error = refusal(folder, model_of(folder, BOTH), optical(folder), radar(folder, transform=from_origin(WEST + 6400, NORTH, 10, 10)))
    assert "show no common ground. Choose two images of one place." in str(error.value)


def test_images_may_reach_over_different_parts_of_one_grid(folder):
    """The radar image begins 32 columns to the right and 32 rows further up."""
    s2, s1 = optical(folder), radar(folder, transform=from_origin(WEST + 320, NORTH + 320, 10, 10), values=VV[::-1])
    found, _ = mapped(folder, model_of(folder, BOTH), s1, s2)
    assert found["class_map"].shape == (64, 64), "the map lies on the pixels of the model's first sensor"
    expected = BY_BLUE.copy()
    expected[0, 1] = (0.01 * (BLUE[0, 1] - 1000) + VV[0, 0] + 15 > 0) + 1
    assert np.array_equal(found["class_map"], doubled(expected))
    assert np.array_equal(found["sensor_map"], doubled(np.array([[1, 3], [1, 1]])))


def test_images_far_apart_in_time_are_told(folder):
    told = Listening()
    mapped(folder, model_of(folder, BOTH), optical(folder), radar(folder, "S1_20200901.tif"), progress=told)
    assert any("S2_20200601.tif is of 2020-06-01 and S1_20200901.tif of 2020-09-01, 92 days apart" in text for text in told.texts)
    told = Listening()
    mapped(folder, model_of(folder, BOTH), optical(folder), radar(folder), progress=told)
    assert not any("days apart" in text for text in told.texts)


def test_clouds_hide_the_ground_from_the_optical_image_alone(folder):
    s2, s1, mask = optical(folder), radar(folder), np.zeros((1, 64, 64), np.uint8)
    mask[:, :, 32:] = 1
    clouds = {"clouds": "mask", "cloud_masks": [{"path": str(scenes.write_raster(folder / "clouds.tif", mask))}]}
    for images in ((s2, s1), (s1, s2)):
        found, _ = mapped(folder, model_of(folder, BOTH), *images, **clouds)
        assert np.array_equal(found["class_map"], doubled(np.array([[SUM[0, 0], BY_VV[0, 1]], [SUM[1, 0], BY_VV[1, 1]]])))
        assert np.array_equal(found["sensor_map"], doubled(np.array([[3, 2], [3, 2]])))
    (folder / "radar alone").mkdir()
    error = refusal(folder / "radar alone", model_of(folder, BOTH), s1, **clouds)
    assert "A cloud mask is given, and the images of s1 are of radar, which sees through clouds." in str(error.value)


def test_values_out_of_range_are_counted_where_the_sensor_was_measured(folder):
    """Of B02 a quarter is left, and all of that lies far above the training range."""
    s2 = optical(folder, values=np.array([[9000, 0], [0, 0]]))
    request = MapRequest([{"path": str(s2)}], second=Image([{"path": str(radar(folder))}]), device="cpu")
    outcome = map_scene(model_of(folder, BOTH), request, [Pasted()])
    assert outcome.out_of_range_shares.tolist() == [1, 0, 0] and outcome.measured.tolist() == [1024, 4096, 4096]
    assert outcome.valid_share == 1


@pytest.fixture(scope="module")
def far(tmp_path_factory):
    """A model that sees far with a halo far too small, and images of both sensors that reach over different ground and have holes."""
    place = tmp_path_factory.mktemp("far")
    model = package.open(networks.write_far_seeing_two_sensor_model(place / "far.onnx", BOTH))
    generator = np.random.default_rng(5)
    noise = np.stack([gaussian(generator.normal(size=(300, 340)), 4) for _ in range(3)])
    noise /= noise.std()
    blue, back = np.clip(1200 + 700 * noise[:1], 1, 3000).astype(np.uint16), (-15 + 5 * noise[1:]).astype(np.float32)
    blue[:, 40:90, 100:220] = 0
    back[:, 150:200, 10:120] = np.nan
    s2 = scenes.write_raster(place / "s2.tif", blue, names=["B02"], nodata=0)
    s1 = scenes.write_raster(place / "s1.tif", back[:, 20:, 30:], names=["VV", "VH"], transform=from_origin(WEST + 300, NORTH - 200, 10, 10))
    return model, with_blocks(model, place / "near.onnx", 144, halo=8, small_block=64), s2, s1


def pasted(model, s2, s1, area=None, **facts):
    product = Pasted()
    request = MapRequest([{"path": str(s2)}], extent=extent_of(s2, area) if area else None, second=Image([{"path": str(s1)}]), device="cpu", **facts)
    map_scene(model, request, [product])
    return product.classes, product.probability


@pytest.mark.parametrize("area", [Window(0, 0, 120, 90), Window(101, 33, 115, 177), Window(77, 201, 1, 1), Window(140, 60, 2, 2),
                                  Window(0, 100, 340, 33)])
@pytest.mark.parametrize("tile_size", [128, 4096])
def test_neither_extent_nor_memory_changes_a_pixel_of_two_images(far, area, tile_size):
    _, near, s2, s1 = far
    whole, part = pasted(near, s2, s1), pasted(near, s2, s1, area, tile_size=tile_size)
    place = np.s_[area.row:area.row + area.height, area.col:area.col + area.width]
    assert len(np.unique(whole[0])) > 2
    assert np.array_equal(part[0], whole[0][place]) and np.array_equal(part[1], whole[1][place])


def test_the_map_of_two_images_is_that_of_the_network_on_both_as_a_whole(far):
    """Each image in its place, with what stands for nothing measured elsewhere."""
    model, _, s2, s1 = far
    with rasterio.open(s2) as raster:
        blue = raster.read().astype(np.float32)
    with rasterio.open(s1) as raster:
        back = raster.read()
    first, second = np.full((1, 304, 344), 1000, np.float32), np.full((2, 304, 344), -15, np.float32)
    first[:, :300, :340] = np.where(blue == 0, 1000, blue)
    second[:, 20:300, 30:340] = np.where(np.isnan(back), -15, back)
    scores = model.session("cpu").run({"s2": first[None], "s1": second[None]})[0, :, :300, :340]
    known = (blue[0] != 0) | np.pad(~np.isnan(back[0]), ((20, 0), (30, 0)))
    classes, probability = pasted(model, s2, s1)
    assert np.array_equal(classes != 255, known)
    assert np.abs(probability - scores.max(0))[known].max() < 1e-5


@pytest.mark.parametrize(("optional", "expected", "sensors"), [
    (BOTH, [[255, BY_VV[0, 1]], [BY_BLUE[1, 0], SUM[1, 1]]], [[0, 2], [1, 3]]), ((), [[255, 255], [255, SUM[1, 1]]], [[0, 0], [0, 3]])])
def test_squares_are_mapped_from_two_sensors(folder, optional, expected, sensors):
    model = package.open(networks.write_two_sensor_squares(folder / "squares.onnx", optional=optional))
    s2, s1 = optical(folder, hole=np.s_[:32, :]), radar(folder, hole=np.s_[:, :32])
    found, _ = mapped(folder, model, s1, s2)
    assert found["class_map"].tolist() == expected and found["sensor_map"].tolist() == sensors


def test_the_sensors_of_a_map_are_named_and_coloured(folder):
    mapped(folder, model_of(folder, BOTH), optical(folder), radar(folder))
    with rasterio.open(folder / "sensor_map.tif") as raster:
        assert raster.nodata == 0 and raster.dtypes == ("uint8",)
        assert raster.colormap(1)[2][:3] == (78, 121, 167)
    style = (folder / "sensor_map.qml").read_text(encoding="utf-8")
    assert all(f'label="{words}"' in style for words in ("s2 only", "s1 only", "s2 and s1"))
