"""A network that decides by itself: of each pixel it gives the most probable class and its probability, in 2 bytes, not a float for each class.

Where a GPU computes it, only these have to come back. What it gives is to the bit what `mapping.scores.most_probable` makes of the probabilities.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

#: Its output, uint8 (n, 2, y, x): position of the class, and probability in percent, or `UNSOUND` where the network gave no probabilities.
DECIDED, UNSOUND = "decided", 254
#: The operators below are those of this version and later ones.
LEAST_OPSET = 13


def decided(content: bytes, output: str, sound: tuple[float, float]) -> bytes | None:
    """A network with the decision behind it.

    Args:
        content: the network as ONNX.
        output: its probabilities (n, class, y, x).
        sound: the smallest and the largest value that a probability may have.

    Returns:
        As ONNX; None of a network in operators that are too old.
    """
    model = onnx.load_model_from_string(content)
    if max(entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")) < LEAST_OPSET:
        return None
    graph, found = model.graph, f"{DECIDED}_{{}}".format

    def add(operator: str, name: str, *inputs: str, **attributes: Any) -> str:
        graph.node.append(helper.make_node(operator, list(inputs), [name], **attributes))
        return name

    def constant(name: str, value: float | list[int], kind: type) -> str:
        graph.initializer.append(numpy_helper.from_array(np.asarray(value, kind), found(name)))
        return found(name)

    best = add("ArgMax", found("position"), output, axis=1, keepdims=1)
    chance = add("GatherElements", found("chance"), output, best, axis=1)
    chance = add("Clip", found("clipped"), chance, constant("zero", 0, np.float32), constant("one", 1, np.float32))
    percent = add("Round", found("percent"), add("Mul", found("hundredfold"), chance, constant("hundred", 100, np.float32)))
    inside = add("And", found("inside"), add("GreaterOrEqual", found("above"), output, constant("low", sound[0], np.float32)),
                 add("LessOrEqual", found("below"), output, constant("high", sound[1], np.float32)))  # of NaN neither is true
    wrong = add("ReduceSum", found("wrong"), add("Cast", found("outside"), add("Not", found("not_inside"), inside), to=TensorProto.FLOAT),
                constant("classes", [1], np.int64), keepdims=1)
    told = add("Where", found("told"), add("Greater", found("unsound"), wrong, found("zero")), constant("mark", UNSOUND, np.float32), percent)
    add("Concat", DECIDED, *(add("Cast", found(f"byte{number}"), one, to=TensorProto.UINT8) for number, one in enumerate((best, told))), axis=1)
    given = next(port for port in graph.output if port.name == output)
    shape = [axis.dim_param or axis.dim_value or None for axis in given.type.tensor_type.shape.dim]
    del graph.output[:]
    graph.output.append(helper.make_tensor_value_info(DECIDED, TensorProto.UINT8, [shape[0], 2, *shape[2:]]))
    return model.SerializeToString()
