"""A temperature inside a model file: what it gives is as sure as it is right, for every program that opens it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx
from onnx import helper, numpy_helper

#: Below this a probability is none that differs from 0; keeps a logarithm finite.
LEAST = 1e-12


def with_temperatures(model: onnx.ModelProto, temperatures: Mapping[str, float], several: bool = False) -> onnx.ModelProto:
    """The model with a temperature in each of those outputs, probabilities of classes in axis 1; what is not a number stays so.

    softmax(log p / T) is softmax(scores / T), because p and exp(scores) differ by a factor of each place. Of classes that have a sigmoid each the
    scores are log(p / (1 - p)).

    Args:
        model: which is changed.
        temperatures: name of the output → temperature; 1 changes nothing.
        several: each class has a sigmoid of its own.
    """
    graph = model.graph
    for name, temperature in temperatures.items():
        if temperature == 1:
            continue
        plain, aside = f"{name}_plain", f"{name}_tempered"
        for node in graph.node:
            for values in (node.input, node.output):
                values[:] = [plain if one == name else one for one in values]
        for suffix, value in (("least", LEAST), ("cold", 1 / temperature), *([("one", 1.0)] if several else [])):
            graph.initializer.append(numpy_helper.from_array(np.asarray(value, np.float32), f"{aside}_{suffix}"))
        scores = [f"{aside}_scores"]
        graph.node.extend([
            *_logarithm(aside, plain, "log"),
            *([helper.make_node("Sub", [f"{aside}_one", plain], [f"{aside}_not"]), *_logarithm(aside, f"{aside}_not", "log_not"),
               helper.make_node("Sub", [f"{aside}_log", f"{aside}_log_not"], [f"{aside}_odds"])] if several else []),
            helper.make_node("Mul", [f"{aside}_odds" if several else f"{aside}_log", f"{aside}_cold"], scores),
            helper.make_node("Sigmoid", scores, [name]) if several else helper.make_node("Softmax", scores, [name], axis=1)])
    return model


def _logarithm(aside: str, of: str, name: str) -> list[onnx.NodeProto]:
    """A logarithm of probabilities, finite of 0, too."""
    return [helper.make_node("Add", [of, f"{aside}_least"], [f"{aside}_{name}_positive"]),
            helper.make_node("Log", [f"{aside}_{name}_positive"], [f"{aside}_{name}"])]


def scores_of(probabilities: np.ndarray, several: bool) -> np.ndarray:
    """Scores before softmax, or before the sigmoid of each class, up to a number that is the same for all classes of a place; finite."""
    positive = probabilities.astype(np.float64) + LEAST
    return np.log(positive) - np.log(1 - probabilities.astype(np.float64) + LEAST) if several else np.log(positive)
