"""Export of a run to one self-describing .onnx file, refused unless onnxruntime gives what torch gives."""

from __future__ import annotations

import re
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from torch import nn

from ...errors import ModelError
from ...report import SILENT, Report
from .. import package
from ..dataset import Dataset
from ..session import InferenceSession, on_processor
from .error_words import first_line
from .networks import ClassNetwork, SegmentationNetwork
from .runs import Run

CORE = 128  # side of the part that is compared, pixels
HALO_STEP, LARGEST_HALO = 32, 256
REFERENCE_HALO = LARGEST_HALO + 64
CHANGED_SHARE = 0.001  # of the classes a halo may leave different from a larger one


class Probabilities(nn.Module):
    """The network with its softmax, as it is exported: stored units in, probabilities out."""

    def __init__(self, network: ClassNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Probabilities (n, class, y, x) of images (n, band, y, x)."""
        return self.network(image).softmax(1)


def export_run(run_folder: str, target: str, *, name: str | None = None, licence: str = "not stated", tolerance: float = 1e-4,
               plugin_version: str = "", report: Report = SILENT) -> dict[str, Any]:
    """Writes a run's best network as a model file.

    Args:
        run_folder: from “Fine-tune a model”.
        target: the .onnx file to write.
        name: of the model; None makes one from dataset and encoder.
        licence: of the model, for those it is given to.
        tolerance: largest difference allowed between a probability of torch and of onnxruntime.
        plugin_version: for the provenance.
        report: told of every step.

    Returns:
        ``largest_difference`` and ``model_id``.

    Raises:
        ModelError: the run has no weights, its network cannot be exported, or the two differ by more than `tolerance`.
        DataError: `run_folder` is no run.
    """
    run = Run.open(run_folder)
    network = run.load_network(torch.device("cpu"))
    if not isinstance(network, SegmentationNetwork):
        raise ModelError(f"The run {run_folder} learned classes of whole tiles, and maps need a class per pixel. Choose the run of a dataset "
                         "with labels of pixels, or start one from this run.")
    model = Probabilities(network).eval()
    report.progress(0.05, "Translating the network")
    content = to_onnx(model, network.bands, network.stride, run.card["encoder"])
    session = on_processor(content)
    scene = _scene(run, network)
    difference = largest_difference(model, session, probes(scene, network.stride), report.part(0.2, 0.5))
    if not difference <= tolerance:
        raise ModelError(f"The exported network differs from the trained one by up to {difference:.2g} in a probability, more than the "
                         f"{tolerance:g} allowed. Allow a larger difference, or train again with another encoder.")

    def classes(image: np.ndarray) -> np.ndarray:
        return session.run(None, {package.INPUT: image})[0].argmax(1)

    halo, changed = measure_halo(classes, scene, network.stride, report.part(0.5, 0.95))
    if changed > CHANGED_SHARE:
        report.message(f"Even with a border of {halo} px, {changed:.2%} of the classes depend on where tiles begin, because this network "
                       "looks farther. Maps may show faint seams.", "warning")
    report.progress(0.95, "Writing the model")
    description = describe(run, network, name or f"{run.card['dataset']['name']} {run.card['encoder']}", licence, plugin_version, halo)
    package.write(content, description, target)
    return {"largest_difference": difference, "model_id": description["id"]}


def to_onnx(model: nn.Module, bands: int, stride: int, what: str, output: str = package.OUTPUT) -> bytes:
    """The network as an ONNX file that takes any number of images of any height and width divisible by `stride`.

    Traces of the Python code and its paths, which the exporter adds to every node, are left out.

    Args:
        model: to translate.
        bands: it takes.
        stride: see above.
        what: its encoder, for the message.
        output: name of what it gives.

    Raises:
        ModelError: when torch cannot translate it.
    """
    n, rows, columns = (torch.export.Dim(axis, min=1) for axis in ("n", "rows", "columns"))
    # Not the smallest sizes: the exporter takes a size of 1 for a constant.
    example = torch.zeros(2, bands, 3 * stride, 2 * stride)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = Path(folder) / "model.onnx"
        try:
            torch.onnx.export(model, (example,), path, dynamo=True, external_data=False, verbose=False, input_names=[package.INPUT],
                              output_names=[output], dynamic_shapes={"image": {0: n, 2: stride * rows, 3: stride * columns}})
        except (torch.onnx.OnnxExporterError, RuntimeError, ValueError) as error:
            raise ModelError(f"The network with the encoder {what} cannot be written as ONNX ({first_line(error)}). "
                             "Train with another encoder, such as resnet18.") from None
        proto = onnx.load(path)
    for node in proto.graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
    for value in (*proto.graph.value_info, *proto.graph.input, *proto.graph.output, *proto.graph.initializer):
        del value.metadata_props[:]
    del proto.graph.metadata_props[:]
    del proto.metadata_props[:]
    return proto.SerializeToString(deterministic=True)


def largest_difference(model: nn.Module, session: InferenceSession, images: list[np.ndarray], report: Report = SILENT,
                       view: Callable[[np.ndarray], np.ndarray] | None = None) -> float:
    """Largest absolute difference of a value between torch and onnxruntime over images float32 (n, band, y, x); NaN where one gives NaN.

    Args:
        model: in torch.
        session: the same in onnxruntime.
        images: to try.
        report: told of each.
        view: turns results into what is compared; None compares them as they are.
    """
    largest = 0.0
    for done, image in enumerate(images, 1):
        with torch.no_grad():
            expected = model(torch.from_numpy(image)).numpy()
        found = session.run(None, {package.INPUT: image})[0]
        apart = np.abs(view(found) - view(expected) if view else found - expected).max()
        largest = float(np.maximum(largest, apart))  # unlike max() it keeps NaN
        report.progress(done / len(images), f"Comparing torch and onnxruntime on {image.shape[2]} × {image.shape[3]} px")
    return largest


def measure_halo(classes: Callable[[np.ndarray], np.ndarray], scene: np.ndarray, stride: int, report: Report = SILENT,
                 differs: Callable[[np.ndarray, np.ndarray], np.ndarray] = np.not_equal) -> tuple[int, float]:
    """The border that has to be thrown away so that the classes inside hardly depend on where the tile ends.

    Args:
        classes: float32 (1, band, y, x) → class positions (1, y, x).
        scene: float32 (band, y, x), at least CORE + 2 · REFERENCE_HALO pixels on each side.
        stride: of the network; tiles stay on its grid.
        report: told of every size tried.
        differs: which pixels of two results (y, x), or (band, y, x), are not the same.

    Returns:
        The smallest multiple of 32 (and of the stride) up to 256 px with at most 0.1 % of the classes changed, and that share.
    """
    middle = scene.shape[1] // 2 // stride * stride

    def core(halo: int) -> np.ndarray:
        start, end = middle - CORE // 2 - halo, middle + CORE // 2 + halo
        found = classes(scene[None, :, start:end, start:end])[0]
        return found[..., halo:halo + CORE, halo:halo + CORE]

    step = max(HALO_STEP, stride)
    reference = core(-(-REFERENCE_HALO // step) * step)
    for halo in range(step, LARGEST_HALO + 1, step):
        report.progress(halo / LARGEST_HALO, f"Measuring the border that tiles need: {halo} px")
        changed = float(differs(core(halo), reference).mean())
        if changed <= CHANGED_SHARE:
            break
    return halo, changed


def describe(run: Run, network: ClassNetwork, name: str, licence: str, plugin_version: str, halo: int) -> dict[str, Any]:
    """What the model wants, gives and comes from; see `package.write`."""
    card = run.card
    metrics = card["metrics"]
    scores = {"split": "validation", **{key: metrics[key] for key in ("mean_iou", "overall_accuracy") if key in metrics}}
    scores["iou"] = {entry: metrics[f"iou_{entry}"] for entry in run.class_names if f"iou_{entry}" in metrics}
    short = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "model"
    return {
        **{key: card[key] for key in ("task", "sensor", "preset", "bands", "resolution_m", "classes", "tile_size", "architecture",
                                      "encoder", "parameters")},
        "id": f"{short}-{card['weights_sha256'][:8]}", "name": name, "licence": licence, "stride": network.stride, "halo": halo,
        "fill": [band["centre"] for band in card["bands"]], "scores": scores,
        "provenance": {"dataset": card["dataset"]["name"], "dataset_checksum": card["dataset"]["checksum"], "run": Path(run.folder).name,
                       "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "plugin_version": plugin_version,
                       "seed": card["seed"], "start": card["start"]["summary"] if card["start"] else "scratch"},
    }


def probes(scene: np.ndarray, stride: int) -> list[np.ndarray]:
    """Several numbers and sizes of images: parts of the scene, and noise about its mean."""
    rng = np.random.default_rng(0)
    centre, spread = scene.mean((1, 2), keepdims=True), scene.std((1, 2), keepdims=True)
    noise = (centre + spread * rng.standard_normal((2, len(scene), 2 * stride, 4 * stride))).astype(np.float32)
    return [noise, *(scene[None, :, :side * stride, :(side + 1) * stride] for side in (2, 5, 8))]


def _scene(run: Run, network: ClassNetwork) -> np.ndarray:
    """A large image, float32 (band, y, x): tiles of the dataset side by side, or noise with its statistics when it is gone."""
    side = -(-(CORE + 2 * REFERENCE_HALO) // network.stride) * network.stride + 2 * network.stride
    if not Path(run.card["dataset"]["path"]).is_dir():
        noise = np.random.default_rng(0).standard_normal((1, network.bands, side, side)).astype(np.float32)
        return (noise * network.spread.numpy() + network.centre.numpy())[0]
    return mosaic(run.open_dataset(), network.centre.numpy()[0], side)


def mosaic(dataset: Dataset, fill: np.ndarray, side: int, sensor: str = "") -> np.ndarray:
    """Tiles of a dataset side by side, float32 (band, y, x).

    Args:
        dataset: whose tiles.
        fill: what stands for missing pixels (band, 1, 1).
        side: height and width [px].
        sensor: whose images; empty is the first.
    """
    info = dataset.sensor_named(sensor)
    across = -(-side // dataset.tile_size)
    tiles = dataset.images(np.resize(dataset.indices("all", info.name), across * across), info.name)
    tiles = np.where(info.valid(tiles)[:, None], tiles, fill).astype(np.float32)
    rows = [np.concatenate(list(tiles[row * across:(row + 1) * across]), 2) for row in range(across)]
    return np.concatenate(rows, 1)[:, :side, :side]
