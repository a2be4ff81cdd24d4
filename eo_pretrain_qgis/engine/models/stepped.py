"""A network that gives an embedding in the whole steps in which it is stored: a byte for each number, and not a float.

Behind the network these are to the bit what `mapping.products.embedding.stored` makes of its numbers, without a float of each that has to be
written, put into another order and read again, which takes as long as half of the network.
"""

from __future__ import annotations

import numpy as np
from onnx import TensorProto, helper

from ..rasters.embeddings import LARGEST, NODATA
from .behind import Behind

#: Its output, int8 (n, number, y, x): steps from -127 to 127, or `NODATA` where the network gave no number, or one out of its range.
STEPPED = "stepped"


def stepped(content: bytes, output: str, sound: tuple[float, float]) -> bytes | None:
    """A network with the rounding behind it.

    Args:
        content: the network as ONNX.
        output: its numbers (n, number, y, x).
        sound: the smallest and the largest value that a number may have.

    Returns:
        As ONNX; None of a network in operators that are too old.
    """
    behind = Behind.of(content, STEPPED)
    if behind is None:
        return None
    graph, add, named = behind.graph, behind.add, behind.named
    for name, value in (("low", sound[0]), ("high", sound[1]), ("largest", LARGEST), ("unsound", NODATA)):
        behind.constant(name, value, np.float32)

    def rounded(numbers: str, part: str) -> str:
        own = f"{named(part)}_{{}}".format
        inside = add("And", own("inside"), add("GreaterOrEqual", own("above"), numbers, named("low")),
                     add("LessOrEqual", own("below"), numbers, named("high")))  # of NaN neither is true
        steps = add("Round", own("steps"), add("Mul", own("scaled"), numbers, named("largest")))
        return add("Cast", own("byte"), add("Where", own("told"), inside, steps, named("unsound")), to=TensorProto.INT8)

    last = next(node for node in graph.node if output in node.output)
    if last.op_type == "Concat":  # so that the floats of all parts are never held together
        graph.node.remove(last)
        parts = [rounded(name, f"part{number}") for number, name in enumerate(last.input)]
        graph.node.append(helper.make_node("Concat", parts, [STEPPED], axis=last.attribute[0].i))
    else:
        add("Identity", STEPPED, rounded(output, "whole"))
    return behind.giving(output, TensorProto.INT8)
