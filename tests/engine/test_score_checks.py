"""What a network says is checked: no map is made of what is no number, no probability or of another shape."""

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from eo_pretrain_qgis.engine.models import package
from eo_pretrain_qgis.errors import EngineError, ModelError
from eo_pretrain_qgis.jobs import JOBS
from eo_pretrain_qgis.jobs.record import run_job
from eo_pretrain_qgis.progress import SILENT

from .. import networks, scenes

VALUES = np.full((1, 40, 50), 1000, np.uint16)


def model(path, nodes, *, channels="classes", bands=("B02",), **weights):
    """A model file whose graph leads from “image” to “probabilities” by `nodes`."""
    tensors = [numpy_helper.from_array(np.asarray(values), name) for name, values in weights.items()]
    graph = helper.make_graph(
        [helper.make_node(kind, *ports, **facts) for kind, *ports, facts in nodes], "network",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", len(bands), "y", "x"])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["m", channels, "v", "u"])], tensors)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    package.write(made, networks.description(bands), path)
    return str(path)


def per_pixel(path, expression, **weights):
    """Two classes by a 1 × 1 convolution of the band and what `expression` makes of it."""
    return model(path, [("Conv", ["image", "w", "b"], ["scores"], {}), *expression],
                 w=np.array([-0.01, 0.01], np.float32).reshape(2, 1, 1, 1), b=np.array([15, -15], np.float32), **weights)


def mapped(model_path, values=VALUES, folder=None, **more):
    image = scenes.write_raster(folder / "image.tif", values, names=("B02",), nodata=0)
    job = JOBS["predict_map"].from_values({"model": model_path, "images": [str(image)], "output": str(folder / "map.tif"),
                                           "confidence": str(folder / "sure.tif"), **more})
    return run_job(job, SILENT)


def refused(folder, model_path, values=VALUES):
    with pytest.raises(ModelError) as caught:
        mapped(model_path, values, folder)
    assert {path.name.partition(".")[0] for path in folder.iterdir()} == {"image", "model"}, "a refused map left something behind"
    return str(caught.value)


def test_what_is_no_number_is_refused_with_its_place(folder):
    values = VALUES.copy()
    values[0, 7, 11:13] = 0, 0  # nodata: what the network says there does not count
    values[0, 9, 13:16] = 1, 1, 3000
    # log of a negative number where the band is below 2
    path = model(folder / "model.onnx", [("Sub", ["image", "one"], ["less"], {}), ("Log", ["less"], ["log"], {}),
                                         ("Concat", ["log", "log"], ["scores"], {"axis": 1}),
                                         ("Softmax", ["scores"], ["probabilities"], {"axis": 1})], one=np.float32(1.5))
    sentence = refused(folder, path, values)
    assert "gives values that are no numbers for 2 of 2000 pixels of a tile, first nan, nan in column 13, row 9 of the image (x " in sentence


@pytest.mark.parametrize("kind", ["NaN", "infinite"])
def test_a_map_of_nothing_but_what_is_no_number(folder, kind):
    nodes = [("Div", ["scores", "zero"], ["probabilities"], {})] if kind == "infinite" else [
        ("Mul", ["scores", "zero"], ["none"], {}), ("Div", ["none", "zero"], ["probabilities"], {})]
    path = model(folder / "model.onnx", [("Conv", ["image", "w"], ["scores"], {}), *nodes],
                 w=np.ones((2, 1, 1, 1), np.float32), zero=np.float32(0))
    assert "that are no numbers for 2000 of 2000 pixels of a tile" in refused(folder, path)


def test_scores_that_are_no_probabilities(folder):
    path = per_pixel(folder / "model.onnx", [("Identity", ["scores"], ["probabilities"], {})])
    assert "gives values that are no probabilities for 2000 of 2000 pixels of a tile, first 5, -5 in column 0" in refused(folder, path)


def test_a_sigmoid_for_each_class_is_a_network_like_others(folder):
    path = model(folder / "model.onnx", [("Conv", ["image", "w"], ["scores"], {}), ("Sigmoid", ["scores"], ["probabilities"], {})],
                 w=np.array([0.001, -0.001], np.float32).reshape(2, 1, 1, 1))
    mapped(path, folder=folder)
    with scenes.rasterio.open(folder / "sure.tif") as sure:
        assert (sure.read() == 73).all()


def test_confidence_never_exceeds_100_percent(folder):
    path = per_pixel(folder / "model.onnx", [("Softmax", ["scores"], ["exact"], {"axis": 1}),
                                             ("Mul", ["exact", "rounding"], ["probabilities"], {})], rounding=np.float32(1.009))
    mapped(path, folder=folder)
    with scenes.rasterio.open(folder / "sure.tif") as sure:
        assert (sure.read() == 100).all()


@pytest.mark.parametrize(("nodes", "shape"), [
    ([("Identity", ["image"], ["probabilities"], {})], "(1, 1, 40, 50)"),
    ([("Concat", ["image", "image", "image"], ["probabilities"], {"axis": 1})], "(1, 3, 40, 50)"),
    ([("Concat", ["image", "image"], ["two"], {"axis": 1}), ("MaxPool", ["two"], ["probabilities"], {"kernel_shape": [2, 2]})], "(1, 2, 39, 49)"),
    ([("Concat", ["image", "image"], ["two"], {"axis": 1}), ("GlobalMaxPool", ["two"], ["probabilities"], {})], "(1, 2, 1, 1)"),
    ([("Concat", ["image", "image"], ["two"], {"axis": 1}), ("Slice", ["two", "zero", "zero", "rows"], ["probabilities"], {})], "(1, 2, 0, 50)"),
    ([("Concat", ["image", "image"], ["two"], {"axis": 1}), ("Transpose", ["two"], ["probabilities"], {"perm": [0, 1, 3, 2]})], "(1, 2, 50, 40)"),
])
def test_another_shape_than_its_card_says_is_refused(folder, nodes, shape):
    path = model(folder / "model.onnx", nodes, zero=np.array([0]), rows=np.array([2]))
    assert f"gives an array of shape {shape} and type float32 for an input of shape (1, 1, 40, 50), but (1, 2, 40, 50)" in refused(folder, path)


def test_a_suggestion_is_not_made_of_what_is_no_number(folder):
    path = model(folder / "model.onnx", [("Conv", ["image", "w"], ["scores"], {}), ("Mul", ["scores", "none"], ["probabilities"], {})],
                 w=np.ones((2, 1, 1, 1), np.float32), none=np.float32("nan"))
    image = scenes.write_raster(folder / "image.tif", np.full((1, 128, 128), 1000, np.uint16), names=("B02",))
    job = JOBS["suggest_labels"].from_values({"models": [path], "images": [str(image)], "output": str(folder / "out.gpkg"), "tile_size": 64})
    with pytest.raises(ModelError, match="values that are no numbers"):
        run_job(job, SILENT)


def test_a_system_without_another_thread(folder, monkeypatch):
    path = networks.write_threshold_model(folder / "model.onnx")

    def full(*arguments, **options):
        raise RuntimeError("pthread_create failed, error code: 11 error msg: Resource temporarily unavailable")

    monkeypatch.setattr("eo_pretrain_qgis.engine.models.openvino_session.openvino.Core", full)
    with pytest.raises(EngineError, match=r"The system allows no more threads, so .*model.onnx cannot be loaded .*ulimit -u"):
        package.open(path).session("cpu")
