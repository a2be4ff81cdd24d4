"""A temperature inside a model file: what it gives is as sure as it is right, for every program that opens it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx
from onnx import helper, numpy_helper

#: Below this a probability is none that differs from 0; keeps a logarithm finite.
LEAST = 1e-12


def with_temperatures(model: onnx.ModelProto, temperatures: Mapping[str, float]) -> onnx.ModelProto:
    """The model with a temperature in each of those outputs, probabilities of classes in axis 1; what is not a number stays so.

    softmax(log p / T) is softmax(scores / T), because p and exp(scores) differ by a factor of each place.

    Args:
        model: which is changed.
        temperatures: name of the output → temperature; 1 changes nothing.
    """
    graph = model.graph
    for name, temperature in temperatures.items():
        if temperature == 1:
            continue
        plain, aside = f"{name}_plain", f"{name}_tempered"
        for node in graph.node:
            for values in (node.input, node.output):
                values[:] = [plain if one == name else one for one in values]
        for suffix, value in (("least", LEAST), ("cold", 1 / temperature)):
            graph.initializer.append(numpy_helper.from_array(np.asarray(value, np.float32), f"{aside}_{suffix}"))
        graph.node.extend([
            helper.make_node("Add", [plain, f"{aside}_least"], [f"{aside}_positive"]),
            helper.make_node("Log", [f"{aside}_positive"], [f"{aside}_log"]),
            helper.make_node("Mul", [f"{aside}_log", f"{aside}_cold"], [f"{aside}_scores"]),
            helper.make_node("Softmax", [f"{aside}_scores"], [name], axis=1)])
    return model
