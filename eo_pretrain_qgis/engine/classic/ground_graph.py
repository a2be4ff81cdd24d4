"""The area of applicability as a graph: how unlike what was learned from an image is, and how many training samples are like it.

The graph begins at what a model takes, or at the statistics inside the graph of a simple classifier, which then are not computed again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnx

from ..measures.applicability import ROUNDING, KnownGround
from ..models.ground import DISSIMILARITY, NEARBY
from .graph import CLASSIFIER, MEASURED, ROWS, STATISTICS, Graph, sample_statistics, statistics, thinned, whitened
from .whitening import Whitening

#: Edge of the squares of pixels that are looked at once [px]: distances to every training sample cost as much as a small network.
CELL = 4
#: Training samples whose distances are computed at once; so few stay in the cache of a processor.
_AT_ONCE = 25
#: A sample counts as near whose squared distance, as a share of the largest that does, is at most 1; it counts less up to 1 / this above.
_SHARP = 1e5


@dataclass(frozen=True)
class Places:
    """What a graph of the area of applicability looks at.

    Attributes:
        ports: names of the inputs of the model, each with its number of bands.
        whitening: of these bands, one input behind the other.
        fill: per band, what stands for a pixel without a measurement, stored units.
        whole: images have a class as a whole.
        dense: of these, the model takes larger ones, too, and gives (n, channel, row, column).
    """

    ports: Mapping[str, int]
    whitening: Whitening
    fill: Sequence[float]
    whole: bool = False
    dense: bool = False


def ground_graph(known: KnownGround, places: Places, model: onnx.ModelProto) -> onnx.ModelProto:
    """`KnownGround.dissimilarity` and `KnownGround.density` of images, see `models.ground.OUTPUTS`.

    Of images whose pixels have a class each, the pixel in the middle of every `CELL` × `CELL` is looked at, with what lies around it; height and
    width are multiples of that.

    Args:
        known: of features of pixels, see `samples.pixel_rows`, or of whole samples, see `samples.sample_rows`.
        places: see there.
        model: what it is to stand beside; its inputs, or inner values of these names, are those of the graph.
    """
    graph, bands = Graph(), len(places.fill)
    inner = {name for node in model.graph.node for name in node.output} if model.graph.name == CLASSIFIER else set()
    given: list[tuple[str, list]] = [(name, ["n", count, "y", "x"]) for name, count in places.ports.items()]
    if places.whole and ROWS in inner:
        rows, given = graph("Unsqueeze", ROWS, graph.constant([2], np.int64)), [(ROWS, ["n", 4 * bands])]
    elif places.whole:
        white, measured = (graph("Reshape", one, graph.constant([0, 0, -1], np.int64))
                           for one in whitened(graph, places.ports, places.whitening, places.fill))
        rows = sample_statistics(graph, white, measured, bands)
    else:
        if {STATISTICS, MEASURED} <= inner:
            given = [(STATISTICS, ["n", 3 * bands, "y", "x"]), (MEASURED, ["n", 1, "y", "x"])]
            white, mean, deviation = _split(graph, thinned(graph, STATISTICS, CELL), bands)
            measured = thinned(graph, MEASURED, CELL)
        else:
            white, mean, deviation, measured = statistics(graph, places.ports, places.whitening, places.fill, CELL)
        white = graph("Where", graph("Greater", measured, graph.constant(0.0)), white, mean)
        cells = graph("Concat", white, mean, deviation, axis=1)
        rows = graph("Reshape", cells, graph.constant([0, 0, -1], np.int64))
    found = _near(graph, rows, known)
    for name, value in zip((DISSIMILARITY, NEARBY), found, strict=True):
        if places.whole:
            graph("Reshape", value, graph.constant([-1, 1, 1, 1] if places.dense else [-1, 1], np.int64), name=name)
        else:
            graph("Resize", graph("Reshape", value, graph("Shape", measured)), "", graph.constant([1, 1, CELL, CELL]), name=name, mode="nearest",
                  coordinate_transformation_mode="asymmetric", nearest_mode="floor")
    gives: list = ["n", 1, *([1, 1] if places.dense else [] if places.whole else ["y", "x"])]
    return onnx.compose.add_prefix(graph.model(*given, (DISSIMILARITY, gives), (NEARBY, gives), gives=2), "known_ground_", rename_inputs=False,
                                   rename_outputs=False)


def _split(graph: Graph, planes: str, bands: int) -> list[str]:
    ends = [graph.constant([bands * place], np.int64) for place in range(4)]
    return [graph("Slice", planes, first, last, graph.constant([1], np.int64)) for first, last in zip(ends, ends[1:])]


def _near(graph: Graph, rows: str, known: KnownGround) -> tuple[str, str]:
    """Dissimilarity and density (n, 1, place) of features (n, feature, place).

    A squared distance to a training sample t is (1, |f|², f) · (|t|², 1, −2 t), here as a share of that which is the limit.
    """
    reach = known.limit * known.apart * ROUNDING
    scaled = graph("Div", graph("Sub", rows, graph.constant(known.centre[:, None])), graph.constant(known.spread[:, None] * reach))
    squares = graph("ReduceSum", graph("Mul", scaled, scaled), graph.constant([1], np.int64), keepdims=1)
    ones = graph("Add", graph("Mul", squares, graph.constant(0.0)), graph.constant(1.0))
    asked = graph("Concat", ones, squares, scaled, axis=1)
    trained = known.rows.astype(np.float64) / reach
    samples = np.concatenate([(trained**2).sum(1)[:, None], np.ones((len(trained), 1)), -2 * trained], 1)
    nearest = counted = ""
    for start in range(0, len(samples), _AT_ONCE):
        some = samples[None, start:start + _AT_ONCE]
        apart = graph("MatMul", graph.constant(some), asked)
        own = graph("ReduceMin", apart, graph.constant([1], np.int64), keepdims=1)
        near = graph("HardSigmoid", apart, alpha=-_SHARP, beta=_SHARP + 1)
        count = graph("MatMul", graph.constant(np.ones((1, 1, some.shape[1]))), near)
        nearest, counted = (graph("Min", nearest, own), graph("Add", counted, count)) if nearest else (own, count)
    distance = graph("Sqrt", graph("Max", nearest, graph.constant(0.0)))
    return graph("Mul", distance, graph.constant(known.limit * ROUNDING)), counted
