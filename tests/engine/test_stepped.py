"""Embeddings that come out of the network in the steps in which they are stored: to the bit what is made of its floats, in both runtimes."""

import numpy as np
import pytest
import rasterio
from onnx import TensorProto, helper

from eo_pretrain_qgis.engine.mapping.inference import map_scene
from eo_pretrain_qgis.engine.mapping.products.embedding import Embedding, stored
from eo_pretrain_qgis.engine.mapping.request import MapRequest
from eo_pretrain_qgis.engine.models import package, runtimes
from eo_pretrain_qgis.engine.models.kinds import EMBEDDING, KINDS, score_range
from eo_pretrain_qgis.engine.models.openvino_session import OpenVinoSession
from eo_pretrain_qgis.engine.models.session import Session, on_processor
from eo_pretrain_qgis.engine.models.stepped import STEPPED, stepped
from eo_pretrain_qgis.errors import ModelError
from tests import networks, scenes

RANGE = score_range(KINDS[EMBEDDING])


def given_as_numbers(parts=1, opset=17):
    """A network that gives its input, 4 numbers, in one or in two parts, so that what is rounded are any numbers."""
    ports = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 4, "y", "x"]) for name in ("image", "embedding")]
    nodes = [helper.make_node("Identity", ["image"], ["embedding"])]
    if parts == 2:
        nodes = [helper.make_node("Split", ["image"], ["a", "b"], axis=1, num_outputs=2),
                 helper.make_node("Concat", ["a", "b"], ["embedding"], axis=1)]
    graph = helper.make_graph(nodes, "same", ports[:1], ports[1:])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8).SerializeToString()


@pytest.mark.parametrize("runtime", ["onnxruntime", "OpenVINO"])
@pytest.mark.parametrize(("parts", "opset"), [(1, 13), (1, 20), (2, 18)])
def test_the_graph_rounds_as_numpy_does(parts, opset, runtime):
    numbers = np.random.default_rng(1).uniform(-1, 1, (1, 4, 32, 40)).astype(np.float32)
    numbers[0, 0] = (np.arange(32 * 40).reshape(32, 40) % 509 / 2 - 127) / 127  # whole and half steps
    numbers[0, 1, 0, :2] = -1, 1
    network = stepped(given_as_numbers(parts, opset), "embedding", RANGE)
    session = Session("e.onnx", "cpu", output=STEPPED, channels=4, content=network) if runtime == "onnxruntime" else OpenVinoSession(
        "e.onnx", output=STEPPED, channels=4, content=network)
    assert np.array_equal(session.run({"image": numbers})[0], stored(numbers[0]))


def test_what_is_no_number_or_too_large_is_marked():
    numbers = np.full((1, 4, 1, 6), 0.5, np.float32)
    numbers[0, 3, 0, :5] = np.nan, np.inf, -np.inf, 1.02, -1.02
    found, = on_processor(stepped(given_as_numbers(), "embedding", RANGE)).run(None, {"image": numbers})
    assert found[0, 3, 0].tolist() == [-128] * 5 + [64]


def test_older_operators_stay_as_they_are():
    assert stepped(given_as_numbers(opset=12), "embedding", RANGE) is None


@pytest.fixture
def image(folder):
    values = np.random.default_rng(2).normal(1500, 400, (2, 90, 70)).clip(1, 6000).astype(np.uint16)
    values[:, 20:30, 20:30] = 0
    return scenes.write_raster(folder / "image.tif", values, names=("B02", "B03"), nodata=0)


def mapped(model, image, folder):
    map_scene(model, MapRequest([{"path": str(image)}], device="cpu"), [Embedding(str(folder / "e.tif"))])
    with rasterio.open(folder / "e.tif") as raster:
        return raster.read()


def test_a_map_in_steps_is_the_map_of_the_floats(folder, image, monkeypatch):
    model, made, loaded = package.open(networks.write_embedding_model(folder / "e.onnx")), [], runtimes.loaded
    monkeypatch.setattr(runtimes, "loaded", lambda path, outputs, *more: made.append(outputs[0]) or loaded(path, outputs, *more))
    steps = mapped(model, image, folder)
    monkeypatch.setattr(package, "stepped", lambda *given: None)
    assert np.array_equal(mapped(model, image, folder), steps) and made == [STEPPED, "embedding"]
    assert (steps[:, 20:30, 20:30] == -128).all() and steps[:, 40:].min() >= -127 and len(np.unique(steps)) > 100


@pytest.mark.parametrize("value", [np.nan, 1.5])
def test_a_network_that_gives_no_numbers_is_refused(folder, image, value):
    model = package.open(networks.write_embedding_model(folder / "e.onnx", last=value))
    with pytest.raises(ModelError, match="gives values that are no numbers from -1 to 1 for 1475 of 1575 pixels of a tile, first in column 0,"):
        mapped(model, image, folder)
    assert not (folder / "e.tif").exists()


def test_a_fresh_network_is_read_once(folder, monkeypatch):
    network, read = stepped(given_as_numbers(), "embedding", RANGE), []
    session = OpenVinoSession("e.onnx", output=STEPPED, content=network)
    monkeypatch.setattr(session, "_core", Counted(session._core, read))
    for side in (32, 32, 64, 32):
        assert session.run({"image": np.zeros((1, 4, side, side), np.float32)}).shape == (1, 4, side, side)
    assert len(read) == 2  # for the second shape, and for the first again


class Counted:
    def __init__(self, core, read):
        self.core, self.read = core, read

    def read_model(self, content):
        self.read.append(content)
        return self.core.read_model(content)

    def compile_model(self, *given):
        return self.core.compile_model(*given)
