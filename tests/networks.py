"""Small ONNX networks with known answers, so that mapping is tested without torch.

Each takes raw band values, (n, band, y, x), and gives softmax probabilities, (n, class, y, x), like the networks we export.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from eo_pretrain_qgis.engine.models import package


def band(name, mean=1000.0, **facts):
    """A band of a model whose training values were `mean` with a spread of a third."""
    return {"name": name, "wavelength_um": None, "unit": "reflectance", "scale": 1e-4, "offset": 0.0, "mean": mean, "std": mean / 3,
            "minimum": 0.0, "maximum": 4 * mean, "p001": 1.0, "p999": 3 * mean, **facts}


def taken(bands=("B02",), name="image", **facts):
    """An input; `bands` are names or dictionaries."""
    bands = [band(entry) if isinstance(entry, str) else entry for entry in bands]
    return {"name": name, "sensor": "Sentinel-2 L2A", "preset": "sentinel2_l2a", "bands": bands, "fill": [entry["mean"] for entry in bands]} | facts


def description(bands=("B02",), classes=((1, "water", "#1f77b4"), (2, "forest", "#2ca02c")), **facts):
    """What a model says of itself; `bands` are those of its one input."""
    return {
        "id": "halves-0123abcd", "name": "halves", "task": "segmentation",
        "inputs": [taken(bands)], "resolution_m": [10, 10], "classes": [{"value": v, "name": n, "color": c} for v, n, c in classes],
        "stride": 1, "halo": 0, "tile_size": 256, "licence": "CC0-1.0", "architecture": "U-Net",
        "encoder": "none", "parameters": 4, "scores": {"mean_iou": 1.0},
        "provenance": {"dataset": "halves", "run": "run", "created": "2026-01-01T00:00:00Z", "plugin_version": "0.1.0", "seed": 1,
                       "start": "scratch"},
    } | facts


def _model(nodes, weights, bands, classes):
    tensors = [numpy_helper.from_array(np.asarray(values, np.float32), name) for name, values in weights.items()]
    graph = helper.make_graph(
        [*nodes, helper.make_node("Softmax", ["scores"], ["probabilities"], axis=1)], "network",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", bands, "y", "x"])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["n", classes, "y", "x"])],
        tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def threshold_network(limit=1500.0, bands=1):
    """Two classes by the first band: the second where its value is above `limit`. A 1 x 1 convolution: no receptive field."""
    weight = np.zeros((2, bands, 1, 1), np.float32)
    weight[1, 0] = 0.01
    return _model([helper.make_node("Conv", ["image", "w", "b"], ["scores"])], {"w": weight, "b": [0.0, -0.01 * limit]}, bands, 2)


def whole_network(side, limit=1500.0, several=False):
    """Two classes of images of `side` pixels by the mean of their only band: as `threshold_network` does of a pixel; with a sigmoid for each class
    where images may have several.
    """
    nodes = [helper.make_node("GlobalAveragePool", ["image"], ["mean"]), helper.make_node("Flatten", ["mean"], ["row"]),
             helper.make_node("Gemm", ["row", "w", "b"], ["scores"]),
             helper.make_node("Sigmoid" if several else "Softmax", ["scores"], ["probabilities"], **({} if several else {"axis": 1}))]
    weights = {"w": [[0.0, 0.01]], "b": [0.0, -0.01 * limit]}
    graph = helper.make_graph(nodes, "network", [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 1, side, side])],
                              [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["n", 2])],
                              [numpy_helper.from_array(np.asarray(values, np.float32), name) for name, values in weights.items()])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def write_whole_model(path, side=32, **facts):
    """The model file of `whole_network`, for a class of each image; several with the task multilabel."""
    facts = {"task": "scene", "tile_size": side} | facts
    package.write(whole_network(side, several=facts["task"] == "multilabel"), description(**facts), path)
    return path


def far_seeing_network(bands=2, classes=3, seed=3, width=6):
    """A small U-Net with random weights: three poolings, so that the stride is 8, and a pixel depends on those up to 30 px away."""
    generator = np.random.default_rng(seed)
    nodes, weights = [], {"scale": np.full((1, bands, 1, 1), 1e-3)}
    nodes.append(helper.make_node("Mul", ["image", "scale"], ["x"]))

    def conv(source, target, into, out, relu=True):
        weights[f"{target}_w"] = generator.normal(0, np.sqrt(2 / (9 * into)), (out, into, 3, 3))
        weights[f"{target}_b"] = generator.normal(0, 0.1, out)
        summed = f"{target}_sum" if relu else target
        nodes.append(helper.make_node("Conv", [source, f"{target}_w", f"{target}_b"], [summed], pads=[1, 1, 1, 1]))
        if relu:
            nodes.append(helper.make_node("Relu", [summed], [target]))

    source = "x"
    for level in range(3):
        conv(source, f"down{level}", bands if level == 0 else width, width)
        nodes.append(helper.make_node("MaxPool", [f"down{level}"], [f"pool{level}"], kernel_shape=[2, 2], strides=[2, 2]))
        source = f"pool{level}"
    conv(source, "bottom", width, width)
    source = "bottom"
    weights["up_scales"] = [1, 1, 2, 2]
    for level in reversed(range(3)):
        nodes.append(helper.make_node("Resize", [source, "", "up_scales"], [f"up{level}"], mode="nearest",
                                      coordinate_transformation_mode="asymmetric", nearest_mode="floor"))
        nodes.append(helper.make_node("Concat", [f"up{level}", f"down{level}"], [f"both{level}"], axis=1))
        conv(f"both{level}", f"merge{level}", 2 * width, width)
        source = f"merge{level}"
    conv(source, "scores", width, classes, relu=False)
    return _model(nodes, weights, bands, classes)


def of_two_sensors(network, first, second):
    """A network of one image as one that takes its bands from two: `first` of them as the port s2, `second` as s1."""
    graph = network.graph
    del graph.input[:]
    graph.input.extend(helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", bands, "y", "x"])
                       for name, bands in (("s2", first), ("s1", second)))
    graph.node.insert(0, helper.make_node("Concat", ["s2", "s1"], ["image"], axis=1))
    return network


def two_sensors(first=("B02",), second=("VV", "VH"), optional=()):
    """The inputs s2 and s1 of a model; backscatter is -15 dB on average."""
    radar = [band(name, mean=-15.0, std=5.0, minimum=-40.0, maximum=10.0, p001=-30.0, p999=0.0, unit="dB", scale=1.0) for name in second]
    return [taken(first, "s2", optional="s2" in optional),
            taken(radar, "s1", sensor="Sentinel-1", preset="sentinel1_db", optional="s1" in optional)]


def write_two_sensor_model(path, optional=(), **facts):
    """A model of s2 (B02) and s1 (VV, VH): the second class where the hundreds by which B02 lies above 1000 and the dB by which VV lies above -15
    are more than 0 together. What is filled in for a sensor that was not measured adds nothing, so that the other decides.
    """
    weight = np.array([[0, 0, 0], [0.01, 1, 0]], np.float32)[:, :, None, None]
    network = _model([helper.make_node("Conv", ["image", "w", "b"], ["scores"])], {"w": weight, "b": [0.0, -10 + 15]}, 3, 2)
    package.write(of_two_sensors(network, 1, 2), description(inputs=two_sensors(optional=optional), **facts), path)
    return path


def write_far_seeing_two_sensor_model(path, optional=(), **facts):
    """The model file of `far_seeing_network`, whose first band is B02 of s2 and whose others are VV and VH of s1."""
    network = far_seeing_network(3)
    scale = next(tensor for tensor in network.graph.initializer if tensor.name == "scale")
    scale.CopyFrom(numpy_helper.from_array(np.array([1e-3, 0.05, 0.05], np.float32).reshape(1, 3, 1, 1), "scale"))
    classes = ((1, "water", "#1f77b4"), (2, "forest", "#2ca02c"), (7, "built-up", ""))
    package.write(of_two_sensors(network, 1, 2), description(inputs=two_sensors(optional=optional), classes=classes, stride=8, halo=32) | facts, path)
    return path


def write_two_sensor_squares(path, side=32, optional=()):
    """A class of each image of `side` pixels, as `write_two_sensor_model` has it of each pixel, by the means of the bands."""
    network = whole_network(side)
    weights = {"w": np.array([[0, 0.01], [0, 1], [0, 0]], np.float32), "b": np.array([0, -10 + 15], np.float32)}
    del network.graph.initializer[:]
    network.graph.initializer.extend(numpy_helper.from_array(values, name) for name, values in weights.items())
    network = of_two_sensors(network, 1, 2)
    for port in network.graph.input:
        for axis in port.type.tensor_type.shape.dim[2:4]:
            axis.ClearField("dim_param")
            axis.dim_value = side
    package.write(network, description(inputs=two_sensors(optional=optional), task="scene", tile_size=side), path)
    return path


def write_threshold_model(path, limit=1500.0, bands=("B02",), **facts):
    """The model file of `threshold_network`."""
    package.write(threshold_network(limit, len(bands)), description(bands, **facts), path)
    return path


def write_far_seeing_model(path, **facts):
    """The model file of `far_seeing_network`."""
    classes = ((1, "water", "#1f77b4"), (2, "forest", "#2ca02c"), (7, "built-up", ""))
    package.write(far_seeing_network(), description(("B02", "B03"), classes, stride=8, halo=32, **facts), path)
    return path


def write_embedding_model(path, last=None, count=6):
    """A model file that embeds two bands pixel by pixel in two parts, as an encoder does; where `last` is given, the last number is that."""
    rng, half = np.random.default_rng(5), count // 2
    weights = {f"w{part}": (rng.normal(0, 0.001, (half, 2, 1, 1))) for part in (0, 1)} | {"b0": np.zeros(half), "b1": np.full(half, -0.3)}
    nodes = [helper.make_node("Conv", ["image", f"w{part}", f"b{part}"], [f"c{part}"]) for part in (0, 1)]
    nodes += [helper.make_node("Tanh", [f"c{part}"], [f"t{part}"]) for part in (0, 1)]
    parts = ["t0", "t1"]
    if last is not None:
        weights |= {"set": np.where(np.arange(half) == half - 1, last, 0)[:, None, None], "kept": (np.arange(half) < half - 1)[:, None, None]}
        nodes += [helper.make_node("Mul", ["t1", "kept"], ["m1"]), helper.make_node("Add", ["m1", "set"], ["n1"])]
        parts = ["t0", "n1"]
    ports = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", bands, "y", "x"]) for name, bands in (("image", 2), ("embedding", count))]
    graph = helper.make_graph([*nodes, helper.make_node("Concat", parts, ["embedding"], axis=1)], "network", ports[:1], ports[1:],
                              [numpy_helper.from_array(np.asarray(values, np.float32), name) for name, values in weights.items()])
    target = {"sensor": "emb_0123abcd", "preset": "generic", "bands": [
        band(f"emb_0123abcd_{number:03d}", 0.0, unit="unknown", std=0.5, scale=1.0, minimum=-1.0, maximum=1.0, p001=-1.0, p999=1.0)
        for number in range(1, count + 1)]}
    package.write(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8),
                  description(("B02", "B03"), (), task="embedding", target=target, synthetic=True, block=64, small_block=32, halo=8), path)
    return path


def corrupted(path, target):
    """A copy of a model file with one weight changed."""
    model = onnx.load(path)
    weight = model.graph.initializer[0]
    weight.raw_data = weight.raw_data[:-1] + bytes([weight.raw_data[-1] ^ 1])
    onnx.save(model, target)
    return target
