"""What a GPU decides and how it is fed, on a processor: the same graph and the same code, to the bit."""

import ctypes
import threading

import numpy as np
import onnx
import onnxruntime
import pytest
import rasterio
from onnx import TensorProto, helper

from eo_pretrain_qgis.engine.mapping.inference import map_scene
from eo_pretrain_qgis.engine.mapping.products import PRODUCTS
from eo_pretrain_qgis.engine.mapping.products.drawing import percent
from eo_pretrain_qgis.engine.mapping.request import MapRequest
from eo_pretrain_qgis.engine.mapping.scores import most_probable
from eo_pretrain_qgis.engine.models import package, runtimes, session
from eo_pretrain_qgis.engine.models.bound import FLIGHTS, BoundRuns, pinned, released
from eo_pretrain_qgis.engine.models.decided import DECIDED, UNSOUND, decided
from eo_pretrain_qgis.engine.models.kinds import KINDS, score_range
from eo_pretrain_qgis.engine.models.session import Session, on_processor
from eo_pretrain_qgis.errors import ModelError
from tests import networks, scenes

RANGE = score_range(KINDS["segmentation"])


def given_as_probabilities(classes=5, opset=17):
    """A network whose input is its output, so that the decision is on any numbers."""
    ports = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", classes, "y", "x"]) for name in ("image", "probabilities")]
    graph = helper.make_graph([helper.make_node("Identity", ["image"], ["probabilities"])], "same", ports[:1], ports[1:])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8).SerializeToString()


@pytest.mark.parametrize("opset", [13, 17, 18, 20])
def test_the_graph_decides_as_numpy_does(opset):
    rng = np.random.default_rng(2)
    scores = rng.dirichlet(np.full(5, 0.3), (2, 61, 67)).transpose(0, 3, 1, 2).astype(np.float32)
    scores[0, :, :20] = np.round(scores[0, :, :20], 1)  # equals, and halves of a percent
    scores[0, :, 20:30] = np.round(200 * scores[0, :, 20:30]) / 200
    scores[1, 0, 0, 0] = 1.005
    found, = on_processor(decided(given_as_probabilities(opset=opset), "probabilities", RANGE)).run(None, {"image": scores})
    assert found.dtype == np.uint8 and found.shape == (2, 2, 61, 67)
    for one, own in zip(scores, found, strict=True):
        position, chance = most_probable(one)
        assert np.array_equal(own[0], position) and np.array_equal(own[1], percent(chance))


def test_what_is_no_probability_is_marked():
    scores = np.full((1, 3, 1, 6), 1 / 3, np.float32)
    scores[0, 1, 0, :5] = np.nan, np.inf, -np.inf, 1.02, -0.02
    found, = on_processor(decided(given_as_probabilities(3), "probabilities", RANGE)).run(None, {"image": scores})
    assert (found[0, 1, 0] == UNSOUND).tolist() == [True] * 5 + [False]


def test_older_operators_stay_as_they_are():
    assert decided(given_as_probabilities(opset=12), "probabilities", RANGE) is None


def test_bound_runs_give_what_plain_runs_give():
    network = networks.far_seeing_network().SerializeToString()
    plain = on_processor(network)
    bound = BoundRuns(plain, ["probabilities"], "cpu", 0)
    rng, options = np.random.default_rng(3), onnxruntime.RunOptions()
    images = [rng.normal(1500, 300, (1, 2, side, 64)).astype(np.float32) for side in (64, 64, 32, 96, 64, 32, 64, 96)]
    expected = [plain.run(None, {"image": image})[0] for image in images]
    found = [None] * len(images)

    def ask(number):
        found[number], = bound.run({"image": images[number]}, options)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(len(images))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(np.array_equal(one, other) for one, other in zip(found, expected, strict=True))


class Driver:
    """Answers as CUDA's driver and keeps what it was asked."""

    def __init__(self, refused=()):
        self.asked, self.refused = [], refused

    def __getattr__(self, name):
        def call(*values):
            self.asked.append((name, values))
            return int(name in self.refused)

        return call


def test_memory_is_pinned_and_released_in_the_context_of_its_device():
    driver, array = Driver(), np.zeros(1000, np.float32)
    assert pinned(array, driver, 1)
    released(array, driver, 1)
    names = [name for name, _ in driver.asked]
    before, after = ["cuDeviceGet", "cuDevicePrimaryCtxRetain", "cuCtxPushCurrent_v2"], ["cuCtxPopCurrent_v2", "cuDevicePrimaryCtxRelease_v2"]
    assert names == [*before, "cuMemHostRegister_v2", *after, *before, "cuMemHostUnregister", *after]
    address, size, flags = driver.asked[3][1]
    assert (address.value, size.value, flags) == (array.ctypes.data, 4000, 1) and isinstance(address, ctypes.c_void_p)


def test_memory_that_cannot_be_pinned_is_used_as_it_is():
    array = np.zeros(10, np.float32)
    assert not pinned(array, None, 0)
    driver = Driver(["cuMemHostRegister_v2"])
    assert not pinned(array, driver, 0) and [name for name, _ in driver.asked[-2:]] == ["cuCtxPopCurrent_v2", "cuDevicePrimaryCtxRelease_v2"]
    assert not pinned(array, Driver(["cuCtxPushCurrent_v2"]), 0)


@pytest.fixture
def as_on_a_gpu(monkeypatch):
    """Sessions that are treated as those of a GPU, on the processor; gives them as they are made."""
    made = []

    class OnGpu(Session):
        def __init__(self, path, device, *rest):
            super().__init__(path, "cpu", *rest)
            self._bound, self.flights = BoundRuns(self._session, [self.output, *self.more], "cpu", 0), FLIGHTS
            made.append(self)

    monkeypatch.setattr(runtimes, "chosen_device", lambda asked: ("cuda", 0))
    monkeypatch.setattr(runtimes, "Session", OnGpu)
    return made


def mapped(model, image, folder, *names):
    map_scene(model, MapRequest([{"path": str(image)}]), [PRODUCTS[name](str(folder / f"{name}.tif")) for name in names])
    found = []
    for name in names:
        with rasterio.open(folder / f"{name}.tif") as raster:
            found.append(raster.read())
    return found


def test_a_map_that_is_decided_on_the_device_is_the_same(folder, monkeypatch, as_on_a_gpu):
    values = np.random.default_rng(4).normal(1500, 400, (2, 300, 260)).clip(1, 6000).astype(np.uint16)
    image = scenes.write_raster(folder / "image.tif", values, names=("B02", "B03"))
    model = package.open(networks.write_far_seeing_model(folder / "model.onnx", block=128, small_block=96))
    both = mapped(model, image, folder, "class_map", "confidence")
    shares = mapped(model, image, folder, "class_map", "confidence", "class_shares")
    assert [made.output for made in as_on_a_gpu] == [DECIDED, "probabilities"]
    assert np.array_equal(both[0], shares[0]) and np.array_equal(both[1], shares[1]) and len(np.unique(both[0])) > 1
    assert np.array_equal(shares[1][0], shares[2].max(0))


def test_a_network_that_gives_no_probabilities_is_refused_there_too(folder, as_on_a_gpu):
    network = networks.threshold_network()
    scale = next(tensor for tensor in network.graph.initializer if tensor.name == "b")
    scale.CopyFrom(onnx.numpy_helper.from_array(np.array([np.nan, 0], np.float32), "b"))
    model = package.write(network, networks.description(), folder / "model.onnx")
    image = scenes.two_halves(folder)
    with pytest.raises(ModelError, match="gives values that are no probabilities for 9216 of 9216 pixels of a tile, first in column 0, row 0 of the"):
        mapped(model, image, folder, "class_map")
    assert not (folder / "class_map.tif").exists()


def test_a_gpu_has_its_runs_bound(monkeypatch):
    """As far as a machine without one can tell: the provider decides."""
    monkeypatch.setitem(session.PROVIDERS, "cuda", "CPUExecutionProvider")
    network = networks.threshold_network().SerializeToString()
    monkeypatch.setattr(session, "BoundRuns", lambda *given: given)
    found = Session("m.onnx", "cpu", content=network)
    assert found.flights == FLIGHTS and found._bound[1:4] == (["probabilities"], "cuda", 0)
