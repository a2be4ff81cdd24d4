"""What this engine can do: versions, memory, one projected coordinate, one inference on the device asked for."""

from __future__ import annotations

import platform
import sys
import tempfile
import time
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import psutil
from rasterio.warp import transform

from ...errors import EngineError, ModelError
from ...progress import SILENT, Progress
from . import runtimes

#: Distributions whose versions decide what works.
PACKAGES = ("numpy", "rasterio", "pyogrio", "geopandas", "onnx", "openvino", "onnxruntime", "onnxruntime-gpu", "torch", "torchvision", "timm",
            "segmentation-models-pytorch", "lightning-fabric", "safetensors", "onnxscript")
TILE_PX = 256
LITTLE_MEMORY_GB = 2.0


def examine(device: str, progress: Progress = SILENT) -> dict[str, Any]:
    """Facts about this interpreter, with ``problems``: sentences on what is wrong and what to do.

    Args:
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:n`` or ``mps``.
        progress: told each step.
    """
    progress.at(0, "Looking at versions and memory")
    memory = psutil.virtual_memory()
    facts: dict[str, Any] = {
        "python": platform.python_version(), "executable": sys.executable, "platform": platform.platform(), "machine": platform.machine(),
        "processors": psutil.cpu_count(), "memory_gb": _gigabytes(memory.total), "memory_free_gb": _gigabytes(memory.available),
        "packages": _versions(), "problems": [],
    }
    if facts["memory_free_gb"] < LITTLE_MEMORY_GB:
        facts["problems"].append(f"Only {facts['memory_free_gb']} GB of memory are free. Close other programs before training or mapping.")
    if not _projects():
        facts["problems"].append("PROJ gives wrong coordinates, as happens when another installation's PROJ is found. "
                                 "Run “Install the engine” and use the engine it builds.")
    progress.at(0.5, "One inference")
    try:
        facts["inference"] = infer_once(device, progress)
        if facts["inference"]["fallback"]:
            facts["problems"].append(facts["inference"]["fallback"])
    except (EngineError, ModelError) as error:
        facts["problems"].append(f"Inference on “{device}”: {error}")
    return facts


def infer_once(device: str, progress: Progress = SILENT) -> dict[str, Any]:
    """Runs a network of known answer over one tile, through the session that mapping uses.

    Returns:
        ``asked``, ``device`` (as the session reports it after the run), ``milliseconds`` of the second run, and ``fallback``: why a GPU that is
        there was not used, or nothing.

    Raises:
        EngineError: when the device cannot be used, or gives wrong numbers.
    """
    image = np.random.default_rng(1).random((1, 3, TILE_PX, TILE_PX), dtype=np.float32)
    weights = np.random.default_rng(2).standard_normal((4, 3)).astype(np.float32)
    with tempfile.TemporaryDirectory(prefix="eo_pretrain-", ignore_cleanup_errors=True) as folder:
        path = str(Path(folder) / "known.onnx")
        onnx.save(_known_network(weights), path)
        session = runtimes.loaded(path, ("probabilities", 4, {}), device, progress=progress)
        found = session.run({"image": image})
        started = time.perf_counter()
        session.run({"image": image})
        milliseconds = 1000 * (time.perf_counter() - started)
    logits = np.einsum("ck,nkyx->ncyx", weights, image)
    expected = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    difference = float(np.abs(found - expected).max())
    if not difference < 1e-3:
        raise EngineError(f"{session.device} computes wrong numbers (off by {difference:.2g}). Update the graphics driver, or use “cpu”.")
    return {"asked": device, "device": session.device, "milliseconds": round(milliseconds, 2), "largest_difference": difference,
            "fallback": session.fallback}


def _known_network(weights: np.ndarray) -> onnx.ModelProto:
    """Softmax over a 1 × 1 convolution; `weights` is (class, band)."""
    classes, bands = weights.shape
    kernel = onnx.numpy_helper.from_array(weights[:, :, None, None], "kernel")
    nodes = [onnx.helper.make_node("Conv", ["image", "kernel"], ["logits"]),
             onnx.helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1)]
    ports = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["n", count, "y", "x"])
             for name, count in (("image", bands), ("probabilities", classes))]
    graph = onnx.helper.make_graph(nodes, "known", ports[:1], ports[1:], [kernel])
    return onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)


def _projects() -> bool:
    """Whether the central meridian of UTM zone 33 lies at 500 km, as it does by definition."""
    try:
        east, north = transform("EPSG:4326", "EPSG:32633", [15.0], [0.0])
    except ValueError:  # rasterio's CRSError is one
        return False
    return abs(east[0] - 500000) < 0.01 and abs(north[0]) < 0.01


def _versions() -> dict[str, str]:
    return {name: metadata.version(name) for name in PACKAGES if any(True for _ in metadata.distributions(name=name))}


def _gigabytes(count: int) -> float:
    return round(count / 1e9, 1)
