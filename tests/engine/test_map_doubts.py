"""The runner-up and the margin of a map, and where values lie outside those of training: the numbers, and how the layers look."""

import numpy as np
import pytest
import rasterio
from onnx import helper

from eo_pretrain_qgis.engine.classic.value_range import ValueRange
from eo_pretrain_qgis.engine.mapping.inference import map_scene
from eo_pretrain_qgis.engine.mapping.products import PRODUCTS
from eo_pretrain_qgis.engine.mapping.request import MapRequest
from eo_pretrain_qgis.engine.mapping.scores import most_probable, next_probable
from eo_pretrain_qgis.engine.models import package
from eo_pretrain_qgis.errors import ModelError
from tests import networks, scenes
from tests.listening import Listening

#: Uncorrelated values of variance 1 whose squared length is half of that of 1 of 100.
IDENTITY = {"centre": [1000.0, 2000.0], "matrix": [[0.01, 0.0], [0.0, 0.005]], "limit": 4.0, "places": 500}
THREE = ((1, "water", "#1f77b4"), (2, "forest", "#2ca02c"), (7, "built-up", "#d62728"))


def drawn(model, image, folder, *names, progress=None):
    """Each product of a map as an array, by name, and what was told."""
    made = {name: PRODUCTS[name](str(folder / f"{name}.tif")) for name in names}
    heard = Listening()
    map_scene(model, MapRequest([{"path": str(image)}], device="cpu"), list(made.values()), heard)
    found = {}
    for name in names:
        with rasterio.open(folder / f"{name}.tif") as raster:
            found[name] = raster.read(1)
    return found, made, heard


def of_scores(path):
    """A model of three classes whose scores are the three bands of the image in hundreds, through softmax."""
    weight = np.eye(3, dtype=np.float32)[:, :, None, None] / 100
    network = networks._model([helper.make_node("Conv", ["image", "w"], ["scores"])], {"w": weight}, 3, 3)
    return package.write(network, networks.description(("B02", "B03", "B04"), THREE), path)


def test_the_next_probable_class_is_the_second_of_a_sorted_list():
    scores = np.random.default_rng(1).integers(0, 6, (5, 40, 30)).astype(np.float32)  # with many equals
    winner, best = most_probable(scores)
    other, second = next_probable(scores, winner)
    order = np.argsort(-scores, axis=0, kind="stable")
    assert np.array_equal(winner, order[0]) and np.array_equal(other, order[1])
    assert np.array_equal(second, np.sort(scores, axis=0)[-2]) and np.array_equal(best, scores.max(0))


def test_runner_up_and_margin_of_known_probabilities(folder):
    values = np.array([[[900, 100, 500]], [[800, 100, 300]], [[100, 100, 450]]], np.uint16)
    values[:, 0, 1] = 300, 1000, 250
    image = scenes.write_raster(folder / "scene.tif", values, names=["B02", "B03", "B04"])
    found, _, _ = drawn(of_scores(folder / "m.onnx"), image, folder, "class_map", "confidence", "runner_up", "margin")
    assert found["class_map"].tolist() == [[1, 2, 1]]
    assert found["runner_up"].tolist() == [[2, 1, 7]]
    # softmax of (9, 8, 1), (10, 3, 2.5) and (5, 3, 4.5): 73.08 − 26.88; 99.85 − .09; 57.41 − 34.82
    assert found["confidence"].tolist() == [[73, 100, 57]]
    assert found["margin"].tolist() == [[46, 100, 23]]
    style = (folder / "margin.qml").read_text(encoding="utf-8")
    assert "0 %: another class is as probable" in style
    assert 'label="built-up"' in (folder / "runner_up.qml").read_text(encoding="utf-8")


def test_a_model_of_one_class_has_no_runner_up(folder):
    network = networks._model([helper.make_node("Conv", ["image", "w"], ["scores"])], {"w": np.ones((1, 1, 1, 1))}, 1, 1)
    model = package.write(network, networks.description(classes=((1, "water", ""),)), folder / "one.onnx")
    image = scenes.write_raster(folder / "scene.tif", np.full((1, 4, 4), 900, np.uint16), names=["B02"])
    with pytest.raises(ModelError, match="“Runner-up” compares the two most probable classes, and the model .* has one. Leave it empty."):
        drawn(model, image, folder, "class_map", "runner_up")
    assert not (folder / "class_map.tif").exists()


def test_the_range_counts_directions_and_not_bands():
    """Two bands that rise together: (3, 3) is common, (2, −2) in no training place, though each band has seen 2 and −2."""
    rng = np.random.default_rng(3)
    first = rng.normal(size=20_000)
    values = np.stack([first, first + 0.1 * rng.normal(size=20_000)], 1)
    known = ValueRange.of(values, ["dB", "dB"])
    assert known.limit == pytest.approx(9.21, rel=0.05)  # the .99 quantile of χ² with two degrees of freedom
    common, odd = known.shares(np.array([[[2.0, 2.0]], [[2.0, -2.0]]]))[0]
    assert common < 0.6 and odd > 50
    assert (known.shares(values.T[:, :, None]) > 1).mean() == pytest.approx(0.01, abs=1e-4)


def test_too_few_or_equal_places_give_no_range():
    assert ValueRange.of(np.random.default_rng(1).normal(size=(19, 2)), ["dB", "dB"]) is None
    assert ValueRange.of(np.ones((500, 2)), ["dB", "dB"]) is None


def test_out_of_range_in_percent_of_the_limit(folder):
    # z = (x − centre) · matrix: (1, 0), (2, 0), (2, 2), (0, 0); squares 1, 4, 8, 0 of a limit of 4; the last is nodata
    values = np.array([[[1100, 1200, 1200, 1000, 0]], [[2000, 2000, 2400, 2000, 0]]], np.uint16)
    image = scenes.write_raster(folder / "scene.tif", values, names=["B02", "B03"], nodata=0)
    model = package.write(networks.threshold_network(bands=2), networks.description(("B02", "B03"), ranges={"image": IDENTITY}), folder / "m.onnx")
    found, made, heard = drawn(model, image, folder, "class_map", "out_of_range")
    assert found["out_of_range"].tolist() == [[25, 100, 200, 0, 255]]
    assert made["out_of_range"].outside == 0.25
    assert "In 25% of the map the values, taken together, lie farther out than those of 99% of the training places." in heard.warnings
    with rasterio.open(folder / "out_of_range.tif") as raster:
        assert raster.descriptions == ("out of range [% of the limit]",)
        assert raster.tags()["EO_PRETRAIN_RANGE"].endswith("in percent of that which 99% of 500 training places do not exceed")
    style = (folder / "out_of_range.qml").read_text(encoding="utf-8")
    assert "far outside the training values" in style


def test_of_two_sensors_the_farther_one_that_was_measured_counts(folder):
    ranges = {"s2": {"centre": [1000.0], "matrix": [[0.01]], "limit": 4.0, "places": 500},
              "s1": {"centre": [-15.0, -15.0], "matrix": [[1.0, 0.0], [0.0, 1.0]], "limit": 4.0, "places": 500}}
    model = package.open(networks.write_two_sensor_model(folder / "m.onnx", ("s1", "s2"), ranges=ranges))
    optical = scenes.write_raster(folder / "s2.tif", np.array([[[1100, 1100, 0]]], np.uint16), names=["B02"], nodata=0)
    radar = scenes.write_raster(folder / "s1.tif", np.array([[[-13, np.nan, -14]], [[-15, np.nan, -15]]], np.float32), names=["VV", "VH"])
    from eo_pretrain_qgis.engine.mapping.images import Image

    request = MapRequest([{"path": str(optical)}], second=Image([{"path": str(radar)}]), device="cpu")
    map_scene(model, request, [PRODUCTS["out_of_range"](str(folder / "odd.tif"))])
    with rasterio.open(folder / "odd.tif") as raster:
        assert raster.read(1).tolist() == [[100, 25, 25]]


def test_ranges_that_do_not_fit_the_inputs_are_refused(folder):
    for ranges, why in (({"other": IDENTITY}, "“ranges” is of other, but the inputs are image"),
                        ({"image": IDENTITY | {"centre": [1.0]}}, "the range of the input “image” is not of its 2 bands"),
                        ({"image": IDENTITY | {"limit": 0.0}}, "the limit of the range of the input “image” is 0")):
        with pytest.raises(ModelError, match=why):
            package.write(networks.threshold_network(bands=2), networks.description(("B02", "B03"), ranges=ranges), folder / "m.onnx")


def test_where_members_agree_the_layer_is_not_empty():
    from eo_pretrain_qgis.engine.looks.class_style import disagreement_qml

    style = disagreement_qml()
    assert 'value="0" label="0 %: all members agree" color="#deebf7"' in style and 'classificationMax="50"' in style
