"""A network that decides by itself: of each pixel it gives the most probable class and its probability, in 2 bytes, not a float for each class.

Where a GPU computes it, only these have to come back. What it gives is to the bit what `mapping.scores.most_probable` makes of the probabilities.
"""

from __future__ import annotations

import numpy as np
from onnx import TensorProto

from .behind import Behind

#: Its output, uint8 (n, 2, y, x): position of the class, and probability in percent, or `UNSOUND` where the network gave no probabilities.
DECIDED, UNSOUND = "decided", 254


def decided(content: bytes, output: str, sound: tuple[float, float]) -> bytes | None:
    """A network with the decision behind it.

    Args:
        content: the network as ONNX.
        output: its probabilities (n, class, y, x).
        sound: the smallest and the largest value that a probability may have.

    Returns:
        As ONNX; None of a network in operators that are too old.
    """
    behind = Behind.of(content, DECIDED)
    if behind is None:
        return None
    add, constant, found = behind.add, behind.constant, behind.named
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
    return behind.giving(output, TensorProto.UINT8, lambda axes: [axes[0], 2, *axes[2:]])
