"""The area of applicability as a graph: how unlike what was learned from an image is, and how many training samples are like it.

The graph begins at what a model takes, or at the statistics inside the graph of a simple classifier, which then are not computed again.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx

from ..cards import Input
from ..measures.applicability import ROUNDING, KnownGround
from ..models.ground import DISSIMILARITY, NEARBY, store
from ..models.kinds import block_sizes, up
from .graph import CLASSIFIER, MEASURED, ROWS, STATISTICS, Graph, brought_to_days, measured, sample_statistics, statistics, thinned, whitened
from .whitening import Whitening

#: Training samples that places are compared with. With 1,000 the limit is 1 % lower, and the time of a map grows with each of them
#: (benchmarks/known_ground.py).
SAMPLES = 250
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


def put(grounds: Sequence[tuple[KnownGround, Places]], model: onnx.ModelProto, facts: Mapping[str, Any]) -> dict[str, Any]:
    """Puts what is known of the training ground into a model of images.

    Args:
        grounds: see `ground_graph`; of a model that does without a sensor, see `either_graph`.
        model: which gets a second graph.
        facts: of its description so far.

    Returns:
        ``applicability`` of `models.record.ModelRecord`, and of a model of pixels the stride and the blocks, whose borders lie at multiples of
        `CELL`.
    """
    known, places = grounds[0]
    found = _said_of(known, store(model, either_graph(grounds, model) if len(grounds) > 1 else ground_graph(known, places, model)))
    if places.whole or facts["stride"] % CELL == 0:
        return found
    halo = up(facts["halo"], CELL)
    return {**found, "stride": CELL, "halo": halo, **block_sizes(halo, CELL)}


def put_of_series(known: KnownGround, whitening: Whitening, seen: Input, model: onnx.ModelProto) -> dict[str, Any]:
    """`put` of a model of series or dated tiles."""
    return _said_of(known, store(model, series_ground_graph(known, whitening, seen)))


def _said_of(known: KnownGround, checksum: str) -> dict[str, Any]:
    """``applicability`` of `models.record.ModelRecord`, with the checksum of the graph."""
    return {"applicability": {"limit": known.limit, "samples": len(known.rows), "nearby": known.nearby, "sha256": checksum}}


def ground_graph(known: KnownGround, places: Places, model: onnx.ModelProto) -> onnx.ModelProto:
    """`KnownGround.dissimilarity` and `KnownGround.density` of images, see `models.ground.OUTPUTS`.

    Of images whose pixels have a class each, the pixel in the middle of every `CELL` × `CELL` is looked at, with what lies around it; height and
    width are multiples of that.

    Args:
        known: of features of pixels, see `samples.pixel_rows`, or of whole samples, see `samples.sample_rows`.
        places: see there.
        model: what it is to stand beside; its inputs, or inner values of these names, are those of the graph.
    """
    return _apart(_ground(known, places, model))


def either_graph(grounds: Sequence[tuple[KnownGround, Places]], model: onnx.ModelProto) -> onnx.ModelProto:
    """`ground_graph` of a model that does without a sensor: what one alone measured is held against training samples in the bands of that alone.

    Which were measured is asked of the pixel in the middle of each `CELL` × `CELL` and, where none was there, of all of it; of images as a whole, of
    every pixel. Dissimilarity is brought to the limit of all sensors together, so that one limit is that of each.

    Args:
        grounds: first of all inputs, then of each that the model maps alone.
        model: see `ground_graph`.
    """
    graph, (together, every) = Graph(), grounds[0]
    answers: list[str] = []
    here = _measured_inputs(graph, every)
    for number, (known, places) in enumerate(grounds):
        one = onnx.compose.add_prefix(_ground(known, places, model), f"of{number}_", rename_inputs=False)
        graph.nodes += one.graph.node
        graph.constants += one.graph.initializer
        own = [graph("Mul", f"of{number}_{DISSIMILARITY}", graph.constant(together.limit / known.limit)), f"of{number}_{NEARBY}"]
        if number:
            there = [here[name] if name in places.ports else graph("Sub", graph.constant(1.0), here[name]) for name in every.ports]
            alone = graph("Greater", functools.reduce(functools.partial(graph, "Mul"), there), graph.constant(0.5))
            own = [graph("Where", alone, mine, before) for mine, before in zip(own, answers, strict=True)]
        answers = own
    for name, value in zip((DISSIMILARITY, NEARBY), answers, strict=True):
        graph("Identity", value, name=name)
    gives = _shape(every)
    given = [(name, ["n", bands, "y", "x"]) for name, bands in every.ports.items()]
    return _apart(graph.model(*given, (DISSIMILARITY, gives), (NEARBY, gives), gives=2))


def _apart(model: onnx.ModelProto) -> onnx.ModelProto:
    """With names inside that no network has."""
    return onnx.compose.add_prefix(model, "known_ground_", rename_inputs=False, rename_outputs=False)


def _shape(places: Places) -> list:
    return ["n", 1, *([1, 1] if places.dense else [] if places.whole else ["y", "x"])]


def _measured_inputs(graph: Graph, places: Places) -> dict[str, str]:
    """Name of each input → 1 where it was measured, else 0, of the shape that the graph gives."""
    ends = np.cumsum([0, *places.ports.values()])
    known = {name: measured(graph, name, places.fill[first:last]) for name, first, last in zip(places.ports, ends, ends[1:])}
    if places.whole:
        shape = graph.constant([-1, 1, 1, 1] if places.dense else [-1, 1], np.int64)
        return {name: graph("Reshape", graph("ReduceMax", one, graph.constant([2, 3], np.int64), keepdims=1), shape) for name, one in known.items()}
    middle = {name: thinned(graph, one, CELL) for name, one in known.items()}
    some = graph("Greater", graph("Max", *middle.values()), graph.constant(0.0))
    around = {name: graph("MaxPool", one, kernel_shape=[CELL, CELL], strides=[CELL, CELL]) for name, one in known.items()}
    return {name: _spread(graph, graph("Where", some, middle[name], around[name])) for name in known}


def _spread(graph: Graph, cells: str, name: str = "") -> str:
    """Values of squares of `CELL` × `CELL` as those of their pixels."""
    return graph("Resize", cells, "", graph.constant([1, 1, CELL, CELL]), name=name, mode="nearest",
                 coordinate_transformation_mode="asymmetric", nearest_mode="floor")


def _ground(known: KnownGround, places: Places, model: onnx.ModelProto) -> onnx.ModelProto:
    """`ground_graph` with plain names inside."""
    graph, bands = Graph(), len(places.fill)
    inner = {name for node in model.graph.node for name in node.output} if model.graph.name == CLASSIFIER else set()
    given: list[tuple[str, list]] = [(name, ["n", count, "y", "x"]) for name, count in places.ports.items()]
    if places.whole and ROWS in inner:
        rows, given = graph("Unsqueeze", ROWS, graph.constant([2], np.int64)), [(ROWS, ["n", 4 * bands])]
    elif places.whole:
        white, there = (graph("Reshape", one, graph.constant([0, 0, -1], np.int64))
                        for one in whitened(graph, places.ports, places.whitening, places.fill))
        rows = sample_statistics(graph, white, there, bands)
    else:
        if {STATISTICS, MEASURED} <= inner:
            given = [(STATISTICS, ["n", 3 * bands, "y", "x"]), (MEASURED, ["n", 1, "y", "x"])]
            white, mean, deviation = _split(graph, thinned(graph, STATISTICS, CELL), bands)
            there = thinned(graph, MEASURED, CELL)
        else:
            white, mean, deviation, there = statistics(graph, places.ports, places.whitening, places.fill, CELL)
        white = graph("Where", graph("Greater", there, graph.constant(0.0)), white, mean)
        cells = graph("Concat", white, mean, deviation, axis=1)
        rows = graph("Reshape", cells, graph.constant([0, 0, -1], np.int64))
    found = _near(graph, rows, known)
    for name, value in zip((DISSIMILARITY, NEARBY), found, strict=True):
        if places.whole:
            graph("Reshape", value, graph.constant([-1, 1, 1, 1] if places.dense else [-1, 1], np.int64), name=name)
        else:
            _spread(graph, graph("Reshape", value, graph("Shape", there)), name)
    gives = _shape(places)
    return graph.model(*given, (DISSIMILARITY, gives), (NEARBY, gives), gives=2)


def series_ground_graph(known: KnownGround, whitening: Whitening, seen: Input) -> onnx.ModelProto:
    """`KnownGround.dissimilarity` and `KnownGround.density` (n, 1) of series that have a date that counts, of dated tiles of the series of pixels.

    Args:
        known: of series brought to the days of a season, see `samples.series_rows`.
        whitening: of the bands.
        seen: input of the model, whose ports are those of the graph: values float32 (n, date, band) and days float32 (n, date).
    """
    graph = Graph()
    brought_to_days(graph, whitening, seen.days, seen.name, seen.days_port)
    rows = graph("Unsqueeze", graph("Transpose", ROWS, perm=[1, 0]), graph.constant([0], np.int64))
    for name, value in zip((DISSIMILARITY, NEARBY), _near(graph, rows, known), strict=True):
        graph("Reshape", value, graph.constant([-1, 1], np.int64), name=name)
    ports = (seen.name, ["n", "date", len(seen.bands)]), (seen.days_port, ["n", "date"])
    return graph.model(*ports, (DISSIMILARITY, ["n", 1]), (NEARBY, ["n", 1]), gives=2)


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
