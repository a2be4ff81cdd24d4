"""Export of a run to one self-describing .onnx file, refused unless onnxruntime gives what torch gives."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from torch import nn

from ...errors import ModelError, first_line
from ...progress import SILENT, Progress
from ..models import package
from ..models.session import InferenceSession, on_processor
from ..runs.description import describe as of_run
from ..tasks import task_named
from ..waiting import PythonCall, patiently
from .halo import measured, real_scenes, real_tiles
from .loop.runs import Run
from .networks.class_networks import ClassNetwork
from .networks.dense import Dense, has_dense_form
from .networks.same_padding import with_fixed_padding
from .networks.spectral import SpectralClassifier


class Probabilities(nn.Module):
    """The network with its softmax, or a sigmoid where there may be several classes, as it is exported: stored units in, probabilities out."""

    def __init__(self, network: ClassNetwork | Dense, several: bool = False) -> None:
        super().__init__()
        self.network, self.several = network, several

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Probabilities (n, class, …) of images (n, band, y, x)."""
        scores = self.network({self.network.seen.name: image})
        return scores.sigmoid() if self.several else scores.softmax(1)


def export_run(run_folder: str, target: str, *, name: str | None = None, licence: str = "not stated", tolerance: float = 1e-4,
               plugin_version: str = "", progress: Progress = SILENT) -> dict[str, Any]:
    """Writes a run's best network as a model file.

    Args:
        run_folder: from “Fine-tune a model”.
        target: the .onnx file to write.
        name: of the model; None makes one from dataset and encoder.
        licence: of the model, for those it is given to.
        tolerance: largest difference allowed between a probability of torch and of onnxruntime.
        plugin_version: for the provenance.
        progress: told of every step.

    Returns:
        ``largest_difference`` and ``model_id``.

    Raises:
        ModelError: the run has no weights, its network cannot be exported, or the two differ by more than `tolerance`.
        DataError: `run_folder` is no run.
    """
    run = Run.open(run_folder)
    run.refuse_without_classes()
    network, kind, where = run.load_network(torch.device("cpu")), task_named(run.card["task"]), run.card["dataset"]["path"]
    progress.at(0.05, "Translating the network")
    seen, side = network.seen, None if kind.pixelwise else int(run.card["tile_size"])
    dense = Dense(network, side) if side and isinstance(network, SpectralClassifier) and has_dense_form(network) else None
    model = Probabilities(dense or network, kind.several).eval()
    content = to_onnx(model, {seen.name: len(seen.bands)}, network.stride, run.card["encoder"], side=side, step=dense.step if dense else None,
                      progress=progress.part(0.05, 0.2))
    session = on_processor(content)
    scenes = real_scenes(where, seen, network.stride) if side is None else []
    images = [{seen.name: image} for image in (real_tiles(where, seen, side) if side else probes(scenes[0], network.stride))]
    images += [{seen.name: beside_each_other(images[-1][seen.name], dense)}] if dense else []
    difference = largest_difference(model, session, images, progress.part(0.2, 0.5))
    if not difference <= tolerance:
        raise ModelError(f"The exported network differs from the trained one by up to {difference:.2g} in a probability, more than the "
                         f"{tolerance:g} allowed. Allow a larger difference, or train again with another encoder.")
    if dense:
        _compare_dense(network, dense, images[-1][seen.name], tolerance)
    halo: dict[str, Any] = {"halo": 0, "dense_step": dense.step if dense else None}
    if side is None:
        halo = measured(session, seen.name, scenes, network.stride, progress.part(0.5, 0.95), lambda scores: scores.argmax(1))
    progress.at(0.95, "Writing the model")
    description = describe(run, network, name or f"{run.card['dataset']['name']} {run.card['encoder']}", licence, plugin_version, halo)
    package.write(content, description, target)
    return {"largest_difference": difference, "model_id": description["id"]}


def to_onnx(model: nn.Module, ports: Mapping[str, int], stride: int, what: str, output: str = package.OUTPUT, side: int | None = None,
            step: int | None = None, progress: Progress = SILENT) -> bytes:
    """The network as an ONNX file that takes any number of images of any height and width divisible by `stride`, or of those of `side` pixels.

    Traces of the Python code and its paths, which the exporter adds to every node, are left out.

    Args:
        model: to translate.
        ports: names of what it takes, in its order, and how many bands each has.
        stride: see above.
        what: its encoder, for the message.
        output: name of what it gives.
        side: height and width of the images, where it takes no others.
        step: by multiples of which they may be larger than `side` all the same.
        progress: told every half second that it goes on; a cancel ends it.

    Raises:
        ModelError: when torch cannot translate it.
    """
    call = PythonCall(lambda: _translated(model if side else with_fixed_padding(model), ports, stride, output, (side, step)))
    try:
        proto = patiently(call, call.stop, progress, 0, "Translating the network")
    except (torch.onnx.OnnxExporterError, RuntimeError, ValueError) as error:
        raise ModelError(f"The network with the encoder {what} cannot be written as ONNX ({first_line(error)}). "
                         "Train with another encoder, such as resnet18.") from None
    for node in proto.graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
    for value in (*proto.graph.value_info, *proto.graph.input, *proto.graph.output, *proto.graph.initializer):
        del value.metadata_props[:]
    del proto.graph.metadata_props[:]
    del proto.metadata_props[:]
    return proto.SerializeToString(deterministic=True)


def _translated(model: nn.Module, ports: Mapping[str, int], stride: int, output: str, sizes: tuple[int | None, int | None]) -> onnx.ModelProto:
    """What torch's exporter makes of the network."""
    n, rows, columns = (torch.export.Dim(axis, min=1) for axis in ("n", "rows", "columns"))
    # Not the smallest sizes: the exporter takes a size of 1 for a constant.
    side, step = sizes
    size, free = (3 * stride, 2 * stride), {0: n, 2: stride * rows, 3: stride * columns}
    if side and step:
        size, free = (side + 2 * step, side + step), {0: n, 2: step * rows + (side - step), 3: step * columns + (side - step)}
    elif side:
        size, free = (side, side), {0: n}
    example = tuple(torch.zeros(2, bands, *size) for bands in ports.values())
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = Path(folder) / "model.onnx"
        torch.onnx.export(model, example, path, dynamo=True, external_data=False, verbose=False, input_names=list(ports),
                          output_names=[output], dynamic_shapes=(free,) * len(ports))
        return onnx.load(path)


def beside_each_other(patches: np.ndarray, dense: Dense) -> np.ndarray:
    """Some patches (n, band, side, side) as one image of a width that the form takes."""
    width = dense.side + dense.step * (dense.side // dense.step)
    return np.ascontiguousarray(np.concatenate([patches[:1], patches[-1:]], 3)[..., :width])


@torch.no_grad()
def _compare_dense(network: ClassNetwork, dense: Dense, image: np.ndarray, tolerance: float) -> None:
    """Refuses a fully convolutional form that does not say of patches within an image what the network says of each alone.

    Args:
        network: of patches.
        dense: its form.
        image: see `beside_each_other`.
        tolerance: largest difference allowed in a probability.

    Raises:
        ModelError: they differ by more.
    """
    whole, side = torch.from_numpy(image), dense.side
    every, single = Probabilities(dense), Probabilities(network)
    alone = torch.cat([single(whole[..., column:column + side]) for column in range(0, whole.shape[3] - side + 1, dense.step)])
    difference = float((every(whole)[0, :, 0].T - alone).abs().max())
    if not difference <= tolerance:
        raise ModelError(f"The fully convolutional form of the network differs from what it says of single patches by up to {difference:.2g} in a "
                         f"probability, more than the {tolerance:g} allowed. Allow a larger difference, or train with another encoder.")


def largest_difference(model: nn.Module, session: InferenceSession, images: list[dict[str, np.ndarray]], progress: Progress = SILENT,
                       view: Callable[[np.ndarray], np.ndarray] | None = None) -> float:
    """Largest absolute difference of a value between torch and onnxruntime over images; NaN where one gives NaN.

    Args:
        model: in torch.
        session: the same in onnxruntime.
        images: to try, each float32 (n, band, y, x) by the name of its port.
        progress: told of each.
        view: turns results into what is compared; None compares them as they are.
    """
    largest = 0.0
    for done, image in enumerate(images, 1):
        with torch.no_grad():
            expected = model(*map(torch.from_numpy, image.values())).numpy()
        found = session.run(None, image)[0]
        apart = np.abs(view(found) - view(expected) if view else found - expected).max()
        largest = float(np.maximum(largest, apart))  # unlike max() it keeps NaN
        progress.at(done / len(images), f"Comparing torch and onnxruntime on {' × '.join(map(str, next(iter(image.values())).shape[2:]))} px")
    return largest


def describe(run: Run, network: ClassNetwork, name: str, licence: str, plugin_version: str, halo: dict[str, Any]) -> dict[str, Any]:
    """What the model wants, gives and comes from, with what `halo.measured` found; see `package.write`."""
    card = run.card
    return of_run(run, name, licence, plugin_version, {
        **{key: card[key] for key in ("architecture", "encoder", "parameters")}, "stride": network.stride, **halo})


def probes(scene: np.ndarray, stride: int) -> list[np.ndarray]:
    """Several numbers and sizes of images: parts of the scene, and noise about its mean."""
    rng = np.random.default_rng(0)
    centre, spread = scene.mean((1, 2), keepdims=True), scene.std((1, 2), keepdims=True)
    noise = (centre + spread * rng.standard_normal((2, len(scene), 2 * stride, 4 * stride))).astype(np.float32)
    return [noise, *(scene[None, :, :side * stride, :(side + 1) * stride] for side in (2, 5, 8))]
