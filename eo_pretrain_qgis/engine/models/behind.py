"""Operators that are put behind a network, so that it gives what is stored of its numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

#: The operators that are put behind networks are those of this version and later ones.
LEAST_OPSET = 13


class Behind:
    """A network that gets operators behind it.

    Args:
        model: the network; it is changed.
        name: of the output that takes the place of the others.
    """

    def __init__(self, model: onnx.ModelProto, name: str) -> None:
        self.model, self.graph, self.name = model, model.graph, name

    @classmethod
    def of(cls, content: bytes, name: str) -> Behind | None:
        """Of a network as ONNX; None of one in operators that are too old."""
        model = onnx.load_model_from_string(content)
        version = max(entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx"))
        return cls(model, name) if version >= LEAST_OPSET else None

    def named(self, part: str) -> str:
        """Name of a value that no network has."""
        return f"{self.name}_{part}"

    def add(self, operator: str, name: str, *inputs: str, **attributes: Any) -> str:
        """Adds an operator; returns the name of what it gives."""
        self.graph.node.append(helper.make_node(operator, list(inputs), [name], **attributes))
        return name

    def constant(self, part: str, value: float | list[int], kind: type) -> str:
        """Adds a constant; returns its name."""
        self.graph.initializer.append(numpy_helper.from_array(np.asarray(value, kind), self.named(part)))
        return self.named(part)

    def giving(self, output: str, kind: int, shape: Callable[[list[Any]], list[Any]] = list) -> bytes:
        """The network as ONNX, with the new output alone.

        Args:
            output: of the network, whose place it takes.
            kind: element type of ONNX.
            shape: makes its axes of those of `output`.
        """
        given = next(port for port in self.graph.output if port.name == output)
        axes = [axis.dim_param or axis.dim_value or None for axis in given.type.tensor_type.shape.dim]
        del self.graph.output[:]
        self.graph.output.append(helper.make_tensor_value_info(self.name, kind, shape(axes)))
        return self.model.SerializeToString()
