"""The ground that a model learned from, inside its file: a second graph, which stands beside the network only where a map is to show it.

It lies among the metadata and not in the network, so that other programs find a network with the outputs they expect, and maps without the layer cost
what they did.
"""

from __future__ import annotations

import base64
import binascii
import hashlib

import onnx
from google.protobuf.message import DecodeError

from ...errors import ModelError
from .ports import refuse_foreign

KEY = "eo_pretrain_applicability"
#: What it gives, (n, 1, y, x) each, or (n, 1) of whole images and of series: how unlike what was learned from a place is, and how many training
#: samples are like it.
DISSIMILARITY, NEARBY = "dissimilarity", "nearby"
#: These, each with its number of channels.
OUTPUTS = {DISSIMILARITY: 1, NEARBY: 1}


def store(model: onnx.ModelProto, ground: onnx.ModelProto) -> str:
    """Puts a graph of `classic.ground_graph` into a model; gives its checksum."""
    content = ground.SerializeToString(deterministic=True)
    kept = {entry.key: entry.value for entry in model.metadata_props}
    onnx.helper.set_model_props(model, {**kept, KEY: base64.b64encode(content).decode("ascii")})
    return hashlib.sha256(content).hexdigest()


def stored(model: onnx.ModelProto) -> str:
    """The graph inside a model, as text; empty where it has none."""
    return next((entry.value for entry in model.metadata_props if entry.key == KEY), "")


def read(model: onnx.ModelProto, checksum: str, where: str) -> onnx.ModelProto:
    """The graph inside a model.

    Args:
        model: that has one.
        checksum: that it was written with.
        where: file of the model, for messages.

    Raises:
        ModelError: it is gone, damaged, or no graph that goes with the network.
    """
    damaged = ModelError(f"What {where} says of the ground that it learned from is gone or not what was written; the file is damaged. Copy or export "
                         "it again.")
    try:
        content = base64.b64decode(stored(model), validate=True)
        if hashlib.sha256(content).hexdigest() != checksum:
            raise damaged
        ground = onnx.load_model_from_string(content)
    except (binascii.Error, DecodeError, ValueError):
        raise damaged from None
    refuse_foreign(ground, where)
    known = {port.name for port in model.graph.input} | {name for node in model.graph.node for name in node.output}
    if not {port.name for port in ground.graph.input} <= known or [port.name for port in ground.graph.output] != list(OUTPUTS):
        raise damaged
    return ground


def alone(path: str, checksum: str) -> bytes:
    """The graph inside a model file, as a network of its own."""
    return read(onnx.load(path), checksum, path).SerializeToString()


def joined(path: str, checksum: str) -> bytes:
    """A model file as a network that gives `OUTPUTS`, too."""
    model = onnx.load(path)
    ground = read(model, checksum, path)
    model.graph.node.extend(ground.graph.node)
    model.graph.initializer.extend(ground.graph.initializer)
    model.graph.output.extend(ground.graph.output)
    return model.SerializeToString()
