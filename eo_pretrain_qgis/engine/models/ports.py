"""What the graph of a model file takes and gives, checked against its description."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import onnx

from ...errors import ModelError, listed
from ..cards import days_port
from .kinds import KINDS, SEGMENTATION

_STANDARD_DOMAINS = {"", "ai.onnx", "ai.onnx.ml"}


def further_output(target: str) -> str:
    """Name of the graph's output for a target besides the main one."""
    return f"{KINDS[SEGMENTATION].output}_{target}"


def fixed_side(model: onnx.ModelProto, where: str) -> int | None:
    """Height and width of the images that a graph takes, or None where both are free."""
    found = {tuple(axis.dim_value for axis in shape[-2:]) for port in _ports(model) if len(shape := port.type.tensor_type.shape.dim) > 3}
    sides = sorted({side for pair in found for side in pair})
    if len(sides) > 1:
        raise ModelError(f"The network in {where} takes images of {' or '.join(' x '.join(str(side or 'any') for side in pair) for pair in found)} "
                         "px, and maps need square tiles of one size. Export the model again.")
    return sides[0] or None if sides else None


def refuse_foreign(model: onnx.ModelProto, where: str) -> None:
    """Refuses a graph that reaches outside its file or asks for code from elsewhere.

    Raises:
        ModelError: saying what it asks for.
    """
    if any(tensor.data_location == onnx.TensorProto.EXTERNAL for tensor in _tensors(model)):
        raise ModelError(f"{where} keeps weights in other files (ONNX external data), which is not allowed because such a link can reach "
                         "any file. Export it again as one file.")
    own_functions = {function.domain for function in model.functions}
    foreign = sorted({node.domain for node in _nodes(model)} - _STANDARD_DOMAINS - own_functions)
    if foreign:
        raise ModelError(f"{where} uses operators outside the ONNX standard ({', '.join(foreign)}), which would need code from elsewhere. "
                         "Export it again with standard operators.")


def check_graph(model: onnx.ModelProto, description: dict[str, Any], where: str) -> None:
    refuse_foreign(model, where)
    for seen in description["inputs"]:
        _check_port(model.graph.input, seen["name"], seen.get("axes", "byx"), len(seen["bands"]), "bands", where)
    dated = [days_port(seen["name"]) for seen in description["inputs"] if "t" in seen.get("axes", "byx")]
    for name in dated:
        _check_port(model.graph.input, name, "t", 0, "", where)
    known = [*(seen["name"] for seen in description["inputs"]), *dated]
    more = [port.name for port in _ports(model) if port.name not in known]
    if more:
        raise ModelError(f"The network in {where} asks for “{more[0][:60]}” beside {listed(known, 3)}, which nothing gives it. Export the model "
                         "again.")
    found, said, stride = fixed_side(model, where), description.get("fixed_tile"), description["stride"]
    if found != said or (found or 0) % stride:
        raise ModelError(f"The network in {where} takes tiles of {found or 'any'} px, but its description says {said or 'any'} px and a stride of "
                         f"{stride} px. Export the model again.")
    kind = KINDS[description["task"]]
    channels, what = (description["target"]["bands"], "target bands") if kind.of_bands else (description["classes"], "classes")
    _check_port(model.graph.output, kind.output, "byx" if description.get("dense_step") else kind.axes, len(channels), what, where)
    for row in description.get("further", ()):
        _check_port(model.graph.output, further_output(row["name"]), "byx" if description.get("dense_step") else kind.axes, len(row["classes"]),
                    f"classes of “{row['name']}”", where)
    for name in description.get("beside", ()):
        _check_port(model.graph.output, name, "byx" if description.get("dense_step") else kind.axes, 1, f"channels of “{name}”", where)


def _check_port(ports: Any, name: str, axes: str, count: int, what: str, where: str) -> None:
    dimensions = ["n", *({"b": what, "t": "dates"}.get(axis, axis) for axis in axes)]
    found = [port for port in ports if port.name == name]
    tensor = found[0].type.tensor_type if found else None
    if tensor is None or tensor.elem_type != onnx.TensorProto.FLOAT or len(tensor.shape.dim) != len(dimensions):
        raise ModelError(f"The network in {where} has no float32 “{name}” of {len(dimensions)} dimensions ({', '.join(dimensions)}). "
                         "Export the model again.")
    declared = tensor.shape.dim[dimensions.index(what)].dim_value if what else 0
    if declared not in (0, count):  # 0: the graph leaves it open
        raise ModelError(f"The network in {where} has {declared} {what}, but its description lists {count}. Export the model again.")


def _ports(model: onnx.ModelProto) -> list[onnx.ValueInfoProto]:
    """What the graph asks for; older files name their weights there, too."""
    weights = {tensor.name for tensor in model.graph.initializer}
    return [port for port in model.graph.input if port.name not in weights]


def _nodes(model: onnx.ModelProto) -> Iterator[onnx.NodeProto]:
    waiting = [*model.graph.node, *(node for function in model.functions for node in function.node)]
    while waiting:
        node = waiting.pop()
        yield node
        for attribute in node.attribute:
            for graph in (attribute.g, *attribute.graphs):
                waiting.extend(graph.node)


def _tensors(model: onnx.ModelProto) -> Iterator[onnx.TensorProto]:
    graphs = [model.graph]
    for node in _nodes(model):
        for attribute in node.attribute:
            graphs.extend((attribute.g, *attribute.graphs))
            yield from (attribute.t, *attribute.tensors)
    for graph in graphs:
        yield from graph.initializer
        for sparse in graph.sparse_initializer:
            yield from (sparse.values, sparse.indices)
