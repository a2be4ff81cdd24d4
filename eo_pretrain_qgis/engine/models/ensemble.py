"""Several models as one graph: it gives the mean of what they say, and how much they disagree (Lakshminarayanan et al. 2017, arXiv 1612.01474)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from .kinds import DISAGREEMENT, KINDS, SEGMENTATION
from .ports import further_output

#: Below this a probability is none that differs from 0; keeps a logarithm finite.
LEAST = 1e-12
NAME = "ensemble"


def disagreement_output(target: str = "") -> str:
    """Name of the graph's output that says how much members disagree on the main target, or on a further one."""
    return f"{DISAGREEMENT}_{target}" if target else DISAGREEMENT


def joined(members: Sequence[onnx.ModelProto], classes: Mapping[str, int], several: bool = False) -> onnx.ModelProto:
    """One graph that runs all members on the same values and gives of each output their mean; behind these stands how much they disagree.

    The disagreement on classes is the entropy of the mean less the mean of the entropies, which is the mutual information of class and member
    (Houlsby et al. 2011, arXiv 1112.5745), over the logarithm of the number of classes. It is 0 where all say the same, however unsure, and ln 2 /
    ln(classes) where two are quite sure of different classes. Where a place may have several classes each is a question of its own, of yes or no, and
    the disagreement is the mean of theirs.

    Args:
        members: graphs that take the same and give the same, with names of their own for what lies between.
        classes: name of a target → number of its classes; the main one has an empty name.
        several: a place may have several classes.
    """
    parts = [onnx.compose.add_prefix(member, _inner(number, ""), rename_inputs=False) for number, member in enumerate(members)]
    graph, given = _Graph(parts), {port.name: port for port in members[0].graph.output}
    each = {name: [_inner(number, name) for number in range(len(members))] for name in given}
    for name, values in each.items():
        graph.scaled(graph("Sum", *values), 1 / len(values), name)
    found = []
    for target, count in classes.items():
        output = further_output(target) if target else KINDS[SEGMENTATION].output
        graph.disagreement(output, each[output], disagreement_output(target), several, count)
        port = onnx.ValueInfoProto.FromString(given[output].SerializeToString())
        port.name, port.type.tensor_type.shape.dim[1].dim_value = disagreement_output(target), 1
        found.append(port)
    whole = helper.make_graph(graph.nodes, NAME, list(members[0].graph.input), [*given.values(), *found], graph.constants)
    versions: dict[str, int] = {}
    for entry in (entry for part in parts for entry in part.opset_import):
        versions[entry.domain] = max(entry.version, versions.get(entry.domain, 0))
    return helper.make_model(whole, opset_imports=[helper.make_opsetid(*pair) for pair in versions.items()],
                             ir_version=max(part.ir_version for part in parts))


def _inner(number: int, name: str) -> str:
    """What a value of a member is called in the graph of all."""
    return f"member{number + 1}_{name}"


class _Graph:
    """The nodes of all members, and what is computed of what they give."""

    def __init__(self, parts: Sequence[onnx.ModelProto]) -> None:
        self.nodes = [node for part in parts for node in part.graph.node]
        self.constants = [tensor for part in parts for tensor in part.graph.initializer]

    def __call__(self, operator: str, *inputs: str, name: str = "", **attributes: Any) -> str:
        output = name or f"{NAME}_value{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, list(inputs), [output], **attributes))
        return output

    def constant(self, value: float | list[int], kind: type = np.float32) -> str:
        name = f"{NAME}_constant{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value, kind), name))
        return name

    def scaled(self, values: str, factor: float, name: str = "") -> str:
        return self("Mul", values, self.constant(factor), name=name)

    def disagreement(self, mean: str, each: Sequence[str], name: str, several: bool, classes: int) -> None:
        most = classes * math.log(2) if several else math.log(max(classes, 2))
        within = self.scaled(self("Sum", *(self.entropy(one, several) for one in each)), 1 / len(each))
        apart = self("Max", self("Sub", self.entropy(mean, several), within), self.constant(0.0))
        self.scaled(apart, 1 / most, name)

    def entropy(self, chances: str, several: bool) -> str:
        """Of probabilities in axis 1, which keeps a length of 1."""
        if several:
            chances = self("Concat", chances, self("Sub", self.constant(1.0), chances), axis=1)
        information = self("Mul", chances, self("Log", self("Max", chances, self.constant(LEAST))))
        return self("Neg", self("ReduceSum", information, self.constant([1], np.int64), keepdims=1))
