"""Graphs of simple classifiers: of rows of features, and of pixels and whole samples, with whitening and statistics inside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from ..datasets.dates import NO_DAY
from .samples import TAIL
from .series import NEVER
from .trees import tree_node
from .whitening import EPSILON, SIDE, Whitening

OPSET, TREE_OPSET, IR_VERSION = 18, 3, 9
#: Names of what goes in and comes out of classifiers of rows.
ROWS, PROBABILITIES = "rows", "probabilities"
#: Of `_quick_asinh`: larger numbers count as this, whose square is finite.
LARGE = 1e18
#: Of the graph of pixels: its name, and those of its statistics (n, 3 · band, y, x) and of where pixels were measured (n, 1, y, x).
CLASSIFIER, STATISTICS, MEASURED = "classifier", "whitened_statistics", "measured_pixels"


class Graph:
    """Nodes in the order of the computation."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[TensorProto] = []

    def constant(self, values: Any, kind: type = np.float32) -> str:
        """Name of a constant of that type."""
        name = f"constant{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(values, kind), name))
        return name

    def __call__(self, operator: str, *inputs: str, name: str = "", **attributes: Any) -> str:
        """Name of an operator's only result."""
        output = name or f"value{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, list(inputs), [output], **attributes))
        return output

    def model(self, *ports: tuple[str, list], gives: int = 1) -> onnx.ModelProto:
        """All of it, with names and shapes of what goes in and, the last so many, of what comes out."""
        found = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in ports]
        graph = helper.make_graph(self.nodes, CLASSIFIER, found[:-gives], found[-gives:], self.constants)
        versions = [helper.make_opsetid("", OPSET), helper.make_opsetid("ai.onnx.ml", TREE_OPSET)]
        return helper.make_model(graph, opset_imports=versions, ir_version=IR_VERSION)


def linear_graph(weight: np.ndarray, bias: np.ndarray, several: bool = False) -> onnx.ModelProto:
    """A linear layer on rows float32 (n, feature) → probabilities (n, class).

    Args:
        weight: (class, feature).
        bias: (class,).
        several: a row may have several classes.
    """
    graph = Graph()
    scores = graph("Gemm", ROWS, graph.constant(weight), graph.constant(bias), transB=1)
    _probabilities(graph, scores, several)
    return graph.model((ROWS, ["n", weight.shape[1]]), (PROBABILITIES, ["n", len(bias)]))


def tree_graph(models: Sequence[Any], features: int, classes: int, several: bool = False) -> onnx.ModelProto:
    """Boosted trees on rows float32 (n, feature) → probabilities (n, class); those of classes they do not know are 0.

    Args:
        models: one `HistGradientBoostingClassifier` whose classes are positions; or one of 0 and 1 for each class, with a `DummyClassifier` for a
            class that no row or every row has.
        features: of a row.
        classes: how many there are.
        several: a row may have several classes.
    """
    graph = Graph()
    found = [_tree_probabilities(graph, model, number, 2 if several else classes) for number, model in enumerate(models)]
    if several:
        second = graph.constant([1], np.int64)
        graph("Concat", *(graph("Gather", one, second, axis=1) for one in found), name=PROBABILITIES, axis=1)
    else:
        graph("Identity", found[0], name=PROBABILITIES)
    return graph.model((ROWS, ["n", features]), (PROBABILITIES, ["n", classes]))


def _tree_probabilities(graph: Graph, model: Any, number: int, classes: int) -> str:
    known = np.eye(classes)[np.asarray(model.classes_, int)]
    if len(known) == 1:
        scores = graph("Mul", graph("ReduceMean", ROWS, graph.constant([1], np.int64), keepdims=1), graph.constant(0.0))
    else:
        graph.nodes.append(tree_node(model, ROWS, f"scores{number}"))
        scores = f"scores{number}" if len(known) > 2 else graph("MatMul", f"scores{number}", graph.constant([[-0.5, 0.5]]))
    return graph("MatMul", graph("Softmax", scores, axis=1), graph.constant(known))


def _probabilities(graph: Graph, scores: str, several: bool) -> None:
    if several:
        graph("Sigmoid", scores, name=PROBABILITIES)
    else:
        graph("Softmax", scores, name=PROBABILITIES, axis=1)


def pixel_graph(classifier: onnx.ModelProto, whitening: Whitening, fill: Sequence[float], ports: Mapping[str, int]) -> onnx.ModelProto:
    """A classifier of `Whitening.statistics` as a model of images: float32 (n, band, y, x) in stored units → probabilities (n, class, y, x).

    Args:
        classifier: of rows.
        whitening: of the bands.
        fill: per band, what stands for a pixel without a measurement, stored units.
        ports: names of the inputs, each with its number of bands; those of several sensors stand behind each other.
    """
    graph, classes = Graph(), classifier.graph.output[0].type.tensor_type.shape.dim[1].dim_value
    white, mean, deviation, _ = statistics(graph, ports, whitening, fill)
    last = graph("Transpose", graph("Concat", white, mean, deviation, name=STATISTICS, axis=1), perm=[0, 2, 3, 1])
    graph("Reshape", last, graph.constant([-1, 3 * len(fill)], np.int64), name=ROWS)
    _add(graph, classifier)
    graph.nodes[-1].output[0] = "every"
    shape = graph("Concat", graph("Shape", last, start=0, end=3), graph.constant([classes], np.int64), axis=0)
    graph("Transpose", graph("Reshape", "every", shape), name=PROBABILITIES, perm=[0, 3, 1, 2])
    return graph.model(*_images(ports), (PROBABILITIES, ["n", classes, "y", "x"]))


def sample_graph(classifier: onnx.ModelProto, whitening: Whitening, fill: Sequence[float], ports: Mapping[str, int]) -> onnx.ModelProto:
    """A classifier of `sample_rows` as a model of whole images: float32 (n, band, y, x) in stored units → probabilities (n, class).

    Args:
        classifier: of rows.
        whitening: of the bands.
        fill: per band, what stands for a pixel without a measurement, stored units.
        ports: names of the inputs, each with its number of bands; those of several sensors stand behind each other.
    """
    graph, classes = Graph(), classifier.graph.output[0].type.tensor_type.shape.dim[1].dim_value
    white, known = (graph("Reshape", one, graph.constant([0, 0, -1], np.int64)) for one in whitened(graph, ports, whitening, fill))
    graph("Reshape", sample_statistics(graph, white, known, len(fill)), graph.constant([-1, 4 * len(fill)], np.int64), name=ROWS)
    _add(graph, classifier)
    return graph.model(*_images(ports), (PROBABILITIES, ["n", classes]))


def series_graph(classifier: onnx.ModelProto, whitening: Whitening, season: Sequence[float], values: str, days: str) -> onnx.ModelProto:
    """A classifier of `series_rows` as a model of series → probabilities (n, class), NaN of a series without a date that counts.

    Args:
        classifier: of rows.
        whitening: of the bands.
        season: days that series are brought to.
        values: name of the input float32 (n, date, band) in stored units.
        days: name of the input float32 (n, date): days of the dates, below 0 of those that do not count.
    """
    graph, classes = Graph(), classifier.graph.output[0].type.tensor_type.shape.dim[1].dim_value
    known = brought_to_days(graph, whitening, season, values, days)
    _add(graph, classifier)
    graph.nodes[-1].output[0] = "every"
    some = graph("ReduceMax", graph("Cast", known, to=TensorProto.FLOAT), graph.constant([1], np.int64), keepdims=1)
    graph("Where", graph("Greater", some, graph.constant(0.0)), "every", graph.constant(np.nan), name=PROBABILITIES)
    return graph.model((values, ["n", "date", len(whitening.mean)]), (days, ["n", "date"]), (PROBABILITIES, ["n", classes]))


def brought_to_days(graph: Graph, whitening: Whitening, season: Sequence[float], values: str, days: str) -> str:
    """`series.brought` of series as `ROWS`, see `series_graph`; gives which dates count, bool (n, date)."""
    bands, second, last = len(whitening.mean), graph.constant([1], np.int64), graph.constant([2], np.int64)
    known = graph("GreaterOrEqual", days, graph.constant(0.0))
    centred = graph("Sub", graph("Where", graph("Unsqueeze", known, last), values, graph.constant(whitening.mean)), graph.constant(whitening.mean))
    white = graph("MatMul", centred, graph.constant((whitening.matrix / whitening.deviation).T))
    white = graph("Asinh", white) if whitening.bent else white
    shares = _season_shares(graph, season, graph("Unsqueeze", days, second), graph("Unsqueeze", known, second))
    graph("Reshape", graph("MatMul", shares, white), graph.constant([-1, len(season) * bands], np.int64), name=ROWS)
    return known


def _season_shares(graph: Graph, season: Sequence[float], when: str, known: str) -> str:
    """`series.shares` of days (n, 1, date) that are `known` or not."""
    at, last = graph.constant(np.reshape(season, (1, -1, 1))), graph.constant([2], np.int64)
    zero, one, none, never = (graph.constant(number) for number in (0.0, 1.0, NO_DAY, NEVER))
    before = graph("ReduceMax", graph("Where", graph("And", known, graph("LessOrEqual", when, at)), when, none), last, keepdims=1)
    after = graph("ReduceMin", graph("Where", graph("And", known, graph("GreaterOrEqual", when, at)), when, never), last, keepdims=1)
    later = graph("Div", graph("Sub", at, before), graph("Max", graph("Sub", after, before), one))
    later = graph("Where", graph("Less", before, zero), one, graph("Where", graph("Equal", after, never), zero, later))
    parts = []
    for day, share in ((before, graph("Sub", one, later)), (after, later)):
        there = graph("Cast", graph("And", known, graph("Equal", when, day)), to=TensorProto.FLOAT)
        parts.append(graph("Mul", share, graph("Div", there, graph("Max", graph("ReduceSum", there, last, keepdims=1), one))))
    return graph("Add", *parts)


def _add(graph: Graph, classifier: onnx.ModelProto) -> None:
    """A classifier of rows, behind what makes them."""
    inner = onnx.compose.add_prefix(classifier, "classifier_", rename_inputs=False, rename_outputs=False)
    graph.constants += inner.graph.initializer
    graph.nodes += inner.graph.node


def _images(ports: Mapping[str, int]) -> list[tuple[str, list]]:
    """Names and shapes of images by their numbers of bands."""
    return [(name, ["n", bands, "y", "x"]) for name, bands in ports.items()]


def whitened(graph: Graph, ports: Mapping[str, int], whitening: Whitening, fill: Sequence[float], quick: bool = False) -> tuple[str, str]:
    """Whitened bands, 0 where a pixel holds the fill in every band of an image, and 1 where it does so in none.

    Where it is to be `quick` asinh is computed of logarithms, which takes half as long and is up to 3e-7 from it near 0.
    """
    image, *others = ports
    known, at = "", 0
    for name, bands in ports.items():
        own = measured(graph, name, fill[at:at + bands])
        known, at = graph("Mul", known, own) if known else own, at + bands
    image = graph("Concat", image, *others, axis=1) if others else image
    centred = graph("Sub", image, graph.constant(whitening.mean.reshape(1, -1, 1, 1)))
    white = graph("Conv", centred, graph.constant((whitening.matrix / whitening.deviation)[:, :, None, None]))
    known = graph("Identity", known, name=MEASURED)
    if whitening.bent:
        white = _quick_asinh(graph, white) if quick else graph("Asinh", white)
    return graph("Mul", white, known), known


def measured(graph: Graph, image: str, fill: Sequence[float]) -> str:
    """1 where an image (n, band, y, x) does not hold the fill in every band, else 0 (n, 1, y, x)."""
    other = graph("Not", graph("Equal", image, graph.constant(np.reshape(fill, (1, -1, 1, 1)))))
    return graph("ReduceMax", graph("Cast", other, to=TensorProto.FLOAT), graph.constant([1], np.int64), keepdims=1)


def _quick_asinh(graph: Graph, values: str) -> str:
    one, largest = graph.constant(1.0), graph.constant(LARGE)
    size = graph("Min", graph("Abs", values), largest)
    root = graph("Sqrt", graph("Add", graph("Mul", size, size), one))
    return graph("Mul", graph("Log", graph("Add", size, root)), graph("Sign", values))


def sample_statistics(graph: Graph, white: str, known: str, bands: int) -> str:
    """`sample_rows` of whitened bands (n, band, pixel), 0 where `known` (n, 1, pixel) is not 1, as (n, 4 · band, 1).

    Upwards a percentile is that of the negative downwards, so that one search in a part of the values finds both.
    """
    last, one = graph.constant([2], np.int64), graph.constant([1], np.int64)
    count = graph("ReduceSum", known, last, keepdims=1)
    measured = graph("Max", count, graph.constant(1.0))
    mean = graph("Div", graph("ReduceSum", white, last, keepdims=1), measured)
    apart = graph("Mul", graph("Sub", white, mean), known)
    deviation = graph("Sqrt", graph("Div", graph("ReduceSum", graph("Mul", apart, apart), last, keepdims=1), measured))
    both = graph("Concat", white, graph("Neg", white), axis=1)
    both = graph("Where", graph("Cast", known, to=TensorProto.BOOL), both, graph.constant(np.finfo(np.float32).max))
    many = graph("Div", graph("Sub", graph("Shape", both, start=2, end=3), one), graph.constant([round(1 / TAIL)], np.int64))
    many = graph("Add", many, graph.constant([2], np.int64))  # `tail_values`
    graph.nodes.append(helper.make_node("TopK", [both, many], ["lowest", "places"], axis=2, largest=0))
    place = graph("Mul", graph("Sub", measured, graph.constant(1.0)), graph.constant(TAIL))
    floor = graph("Floor", place)
    shape = graph("Concat", graph("Shape", both, start=0, end=2), one, axis=0)
    first = graph("Expand", graph("Cast", floor, to=TensorProto.INT64), shape)
    second = graph("Min", graph("Add", first, one), graph("Sub", graph("Cast", measured, to=TensorProto.INT64), one))
    below, above = (graph("GatherElements", "lowest", at, axis=2) for at in (first, second))
    share = graph("Sub", place, floor)
    graph.nodes.append(helper.make_node("Split", [graph("Add", below, graph("Mul", graph("Sub", above, below), share)),
                                                  graph.constant([bands, bands], np.int64)], ["low", "high"], axis=1))
    every = graph("Concat", mean, deviation, "low", graph("Neg", "high"), axis=1)
    return graph("Where", graph("Greater", count, graph.constant(0.0)), every, graph.constant(0.0))


def statistics(graph: Graph, ports: Mapping[str, int], whitening: Whitening, fill: Sequence[float], step: int = 1) -> tuple[str, str, str, str]:
    """`Whitening.statistics` of an image whose pixels without a measurement hold the fill in every band.

    The sums of the neighbourhood are convolutions along one axis after the other: onnxruntime's average pooling of this size is slow.

    Args:
        graph: to add it to.
        ports: names of the images, each with its number of bands.
        whitening: of the bands.
        fill: per band, what stands for a pixel without a measurement, stored units.
        step: of so many rows and columns the one in the middle is looked at.

    Returns:
        Whitened bands, their means and their deviations around each pixel (n, band, y, x), and 1 where it was measured (n, 1, y, x).
    """
    bands, before = len(fill), SIDE // 2 - step // 2
    white, known = whitened(graph, ports, whitening, fill, quick=step > 1)
    planes = graph("Concat", white, graph("Mul", white, white), known, axis=1)
    count, after = 2 * bands + 1, SIDE - step - before
    for down, right in ((1, 0), (0, 1)):
        kernel = graph.constant(np.full((count, 1, SIDE if down else 1, SIDE if right else 1), 1 / SIDE))
        planes = graph("Conv", planes, kernel, group=count, pads=[down * before, right * before, down * after, right * after],
                       strides=[step if down else 1, step if right else 1])
    sums, squares, share = "sums", "squares", "share"
    graph.nodes.append(helper.make_node("Split", [planes, graph.constant([bands, bands, 1], np.int64)], [sums, squares, share], axis=1))
    share = graph("Max", share, graph.constant(0.5 / SIDE**2))
    mean = graph("Div", sums, share)
    variance = graph("Sub", graph("Div", squares, share), graph("Mul", mean, mean))
    deviation = graph("Sqrt", graph("Add", graph("Max", variance, graph.constant(0.0)), graph.constant(EPSILON)))
    return thinned(graph, white, step), mean, deviation, thinned(graph, known, step)


def thinned(graph: Graph, planes: str, step: int) -> str:
    """Of so many rows and columns of planes (n, channel, y, x) the one in the middle."""
    if step == 1:
        return planes
    axes = ([step // 2] * 2, [np.iinfo(np.int64).max] * 2, [2, 3], [step] * 2)
    return graph("Slice", planes, *(graph.constant(values, np.int64) for values in axes))


def count_numbers(graph: onnx.ModelProto) -> int:
    """How many numbers a classifier and its whitening have; of trees, their thresholds and values."""
    trees = sum(len(attribute.floats) for node in graph.graph.node for attribute in node.attribute
                if attribute.name in ("nodes_values", "target_weights"))
    return trees + sum(int(np.prod(tensor.dims)) for tensor in graph.graph.initializer)
