"""Export of a run to one self-describing .onnx file, refused unless onnxruntime gives what torch gives."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnx
import torch
from torch import nn

from ...errors import ModelError, first_line
from ...progress import SILENT, Progress
from ..cards import Input
from ..models import package
from ..models.kinds import block_sizes
from ..models.session import InferenceSession, on_processor
from ..runs.calibrating import calibrated
from ..runs.description import describe as of_run
from ..runs.fast import fast_changes
from ..runs.field_scores import field_score
from ..runs.known_ground import with_known_ground
from ..runs.road_thresholds import road_threshold
from ..runs.run_folder import RunFolder
from ..runs.training_range import training_ranges
from ..tasks import task_named
from ..waiting import in_background
from .compared_images import probes, series_probes, with_gaps
from .halo import measured, measured_dated, real_scenes, real_tiles
from .loop.runs import Run
from .networks.class_networks import ClassNetwork
from .networks.dense import Dense, has_dense_form
from .networks.same_padding import with_fixed_padding
from .networks.spectral import SpectralClassifier


class Probabilities(nn.Module):
    """The network with its softmax, or a sigmoid where there may be several classes, as it is exported: stored units in, probabilities out, of each
    target where there are several, and behind them what it learned `beside` the classes.
    """

    def __init__(self, network: ClassNetwork | Dense, several: bool = False) -> None:
        super().__init__()
        self.network, self.several = network, several

    def forward(self, image: torch.Tensor) -> torch.Tensor | tuple[torch.Tensor, ...]:
        """Probabilities (n, class, …) of images (n, band, y, x), of further targets too; with them, of a network that learned more, (n, 1, y, x)
        from 0 to 1 of each.
        """
        return self.of({self.network.seen.name: image})

    def of(self, given: dict[str, torch.Tensor]) -> torch.Tensor | tuple[torch.Tensor, ...]:
        """The same of images by the names of inputs."""
        scores, more, heads = self.network(given), len(self.network.beside), self.network.heads
        if not (more or heads):
            return scores.sigmoid() if self.several else scores.softmax(1)
        *classes, beside = scores.split([*(heads or [scores.shape[1] - more]), more], 1)
        return *(own.softmax(1) for own in classes), *(beside.sigmoid().split(1, 1) if more else ())


class ProbabilitiesOfTwo(Probabilities):
    """The same of a network that joins the images of two sensors."""

    def forward(self, first: torch.Tensor, second: torch.Tensor) -> torch.Tensor | tuple[torch.Tensor, ...]:  # type: ignore[override]
        """See `Probabilities`; of images of both, in the order of the inputs."""
        names = [one.name for one in self.network.seen.each]
        return self.of(dict(zip(names, (first, second), strict=True)))


def with_probabilities(network: ClassNetwork | Dense, several: bool = False) -> Probabilities:
    """A network as it is exported, for evaluation."""
    return (Probabilities if len(network.seen.each) == 1 else ProbabilitiesOfTwo)(network, several).eval()


class Together(nn.Module):
    """What such a model gives, as one tensor (n, channel, …)."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, *images: torch.Tensor) -> torch.Tensor:
        """Of images (n, band, y, x), of each sensor."""
        given = self.model(*images)
        return torch.cat(given, 1) if isinstance(given, tuple) else given


class SeriesProbabilities(nn.Module):
    """The same of series and dated tiles: values in stored units and days in, probabilities out."""

    def __init__(self, network: ClassNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, values: torch.Tensor, days: torch.Tensor) -> torch.Tensor:
        """Probabilities (n, class, …) of series (n, date, band, …) and the days of their dates (n, date), NaN where none counts."""
        return self.network({self.network.seen.name: values, self.network.seen.days_port: days}).softmax(1)


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
    network = run.load_network(torch.device("cpu"))
    written = translated_run(run, network, tolerance, progress.part(0, 0.5))
    graph = onnx.load_model_from_string(written.content)
    facts = written.facts | borders(run, network.seen, network.stride, written.content, progress.part(0.5, 0.9))
    facts |= calibrated(run, graph, network.seen, network.stride, progress.part(0.9, 0.95))
    facts |= road_threshold(run, graph, network.seen, network.stride, progress.part(0.95, 0.955))
    facts |= field_score(run, graph, network.seen, network.stride, progress.part(0.955, 0.96))
    facts |= fast_changes(run, graph, network.seen, network.stride, progress.part(0.96, 0.965))
    facts |= with_known_ground(run, graph, network.seen, {"stride": network.stride, **facts}, progress.part(0.965, 0.975))
    facts |= training_ranges(run, network.seen, progress.part(0.975, 0.98))
    progress.at(0.98, "Writing the model")
    description = describe(run, network, name or f"{run.card['dataset']['name']} {run.card['encoder']}", licence, plugin_version, facts)
    package.write(graph, description, target)
    return {"largest_difference": written.difference, "model_id": description["id"]}


class Written(NamedTuple):
    """A network as ONNX, how much it differs from the one in torch, and what its description says of blocks where nothing is to be measured."""

    content: bytes
    difference: float
    facts: dict[str, Any]


def translated_run(run: Run, network: ClassNetwork, tolerance: float, progress: Progress = SILENT) -> Written:
    """The network of a run.

    Raises:
        ModelError: it cannot be exported, or differs by more than `tolerance`.
    """
    axes = network.seen.axes
    of = _of_dated_tiles if axes == "tbyx" else _of_series if axes == "tb" else _of_pixels if task_named(run.card["task"]).pixelwise else _of_squares
    return of(run, network, tolerance, progress)


def borders(run: RunFolder, seen: Input, stride: int, content: bytes, progress: Progress = SILENT) -> dict[str, Any]:
    """The border that blocks of an exported network need, and what was measured for it; nothing where it does not look at pixels around another.

    Args:
        run: whose dataset is looked at.
        seen: what the network sees.
        stride: of the network.
        content: as ONNX.
        progress: told of each border that is tried.
    """
    folder = run.card["dataset"]["path"]
    if seen.axes == "tbyx":
        return measured_dated(on_processor(content), folder, seen, progress)
    if seen.axes == "tb" or not task_named(run.card["task"]).pixelwise:
        return {}
    return measured(on_processor(content), seen, real_scenes(folder, seen, stride), stride, progress, lambda scores: scores.argmax(1))


def _of_pixels(run: Run, network: ClassNetwork, tolerance: float, progress: Progress) -> Written:
    model = with_probabilities(network)
    progress.at(0.05, "Translating the network")
    seen = network.seen
    content = to_onnx(model, dict(zip(network.inputs, seen.widths, strict=True)), network.stride, run.card["encoder"],
                      outputs_of(run, network), progress.part(0.05, 0.4))
    scene = real_scenes(run.card["dataset"]["path"], seen, network.stride)[0]
    images = with_gaps([seen.divided(image) for image in probes(scene, network.stride)], network)
    difference = largest_difference(model, on_processor(content), images, progress.part(0.4, 1))
    _refuse_different(difference, tolerance)
    return Written(content, difference, {})


def _of_squares(run: Run, network: ClassNetwork, tolerance: float, progress: Progress) -> Written:
    seen, side, several = network.seen, int(run.card["tile_size"]), task_named(run.card["task"]).several
    dense = Dense(network, side) if isinstance(network, SpectralClassifier) and has_dense_form(network) else None
    model, n = with_probabilities(dense or network, several), torch.export.Dim("n", min=1)
    progress.at(0.05, "Translating the network")
    size, free = (side, side), {0: n}
    if dense:
        rows, columns = (dense.step * torch.export.Dim(axis, min=1) + (side - dense.step) for axis in ("rows", "columns"))
        size, free = (side + 2 * dense.step, side + dense.step), {0: n, 2: rows, 3: columns}
    ports = {name: (image, free) for name, image in seen.divided(torch.zeros(2, len(seen.bands), *size)).items()}
    content = translated(model, ports, run.card["encoder"], outputs_of(run, network), progress.part(0.05, 0.6))
    images = with_gaps([seen.divided(image) for image in real_tiles(run.card["dataset"]["path"], seen, side)], network)
    if dense:
        images.append({seen.name: beside_each_other(images[-1][seen.name], dense)})
    difference = largest_difference(model, on_processor(content), images, progress.part(0.6, 0.95))
    _refuse_different(difference, tolerance)
    if dense:
        _compare_dense(network, dense, images[-1][seen.name], tolerance)
    return Written(content, difference, {"halo": 0, "dense_step": dense.step if dense else None})


def _of_dated_tiles(run: Run, network: ClassNetwork, tolerance: float, progress: Progress) -> Written:
    """Of dated tiles of any number of dates, whose height and width are multiples of the stride."""
    seen, model = network.seen, SeriesProbabilities(network).eval()
    progress.at(0.05, "Translating the network")
    n, dates, rows, columns = (torch.export.Dim(axis, min=1) for axis in ("n", "dates", "rows", "columns"))
    example = torch.zeros(2, 7, len(seen.bands), 3 * network.stride, 4 * network.stride), torch.zeros(2, 7)
    free = {0: n, 1: dates, 3: network.stride * rows, 4: network.stride * columns}
    content = translated(model, {seen.name: (example[0], free), seen.days_port: (example[1], {0: n, 1: dates})}, run.card["encoder"],
                         progress=progress.part(0.05, 0.6))
    probes_of_it = series_probes(run.card["dataset"]["path"], seen, network.stride)
    difference = largest_difference(model, on_processor(content), probes_of_it, progress.part(0.6, 0.95), np.nan_to_num)
    _refuse_different(difference, tolerance)
    return Written(content, difference, {})


def _of_series(run: Run, network: ClassNetwork, tolerance: float, progress: Progress) -> Written:
    seen, model = network.seen, SeriesProbabilities(network).eval()
    progress.at(0.05, "Translating the network")
    n, dates = (torch.export.Dim(axis, min=1) for axis in ("n", "dates"))
    example = torch.zeros(2, 7, len(seen.bands)), torch.zeros(2, 7)
    content = translated(model, {seen.name: (example[0], {0: n, 1: dates}), seen.days_port: (example[1], {0: n, 1: dates})},
                         run.card["encoder"], progress=progress.part(0.05, 0.6))
    difference = largest_difference(model, on_processor(content), series_probes(run.card["dataset"]["path"], seen), progress.part(0.6, 0.95),
                                    np.nan_to_num)
    _refuse_different(difference, tolerance)
    return Written(content, difference, {"halo": 0, **block_sizes(0, 1)})


def outputs_of(run: Run, network: ClassNetwork) -> list[str]:
    """Names of what the graph gives: probabilities of the main target, of the others, and what was learned besides."""
    return [package.OUTPUT, *map(package.further_output, run.target_names[1:]), *network.beside]


def _refuse_different(difference: float, tolerance: float) -> None:
    if not difference <= tolerance:
        raise ModelError(f"The exported network differs from the trained one by up to {difference:.2g} in a probability, more than the "
                         f"{tolerance:g} allowed. Allow a larger difference, or train again with another encoder.")


def to_onnx(model: nn.Module, ports: Mapping[str, int], stride: int, what: str, outputs: Sequence[str] = (package.OUTPUT,),
            progress: Progress = SILENT) -> bytes:
    """The network as an ONNX file that takes any number of images of any height and width divisible by `stride`.

    Traces of the Python code and its paths, which the exporter adds to every node, are left out.

    Args:
        model: to translate.
        ports: names of what it takes, in its order, and how many bands each has.
        stride: see above.
        what: its encoder, for the message.
        outputs: names of what it gives.
        progress: told every half second that it goes on; a cancel ends it.

    Raises:
        ModelError: when torch cannot translate it.
    """
    n, rows, columns = (torch.export.Dim(axis, min=1) for axis in ("n", "rows", "columns"))
    # Not the smallest sizes: the exporter takes a size of 1 for a constant.
    given = {name: (torch.zeros(2, bands, 3 * stride, 2 * stride), {0: n, 2: stride * rows, 3: stride * columns}) for name, bands in ports.items()}
    return translated(with_fixed_padding(model), given, what, outputs, progress)


def translated(model: nn.Module, ports: Mapping[str, tuple[torch.Tensor, dict[int, Any]]], what: str,
               outputs: Sequence[str] = (package.OUTPUT,), progress: Progress = SILENT) -> bytes:
    """A network as an ONNX file.

    Args:
        model: to translate.
        ports: name of what it takes, in its order, → an example and which of its axes may have any length.
        what: its encoder, for the message.
        outputs: names of what it gives.
        progress: told every half second that it goes on; a cancel ends it.

    Raises:
        ModelError: when torch cannot translate it.
    """
    try:
        proto = in_background(lambda: _translated(model, ports, list(outputs)), progress, 0, "Translating the network", reach=0.9)
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


def _translated(model: nn.Module, ports: Mapping[str, tuple[torch.Tensor, dict[int, Any]]], outputs: list[str]) -> onnx.ModelProto:
    """What torch's exporter makes of the network."""
    example, shapes = zip(*ports.values(), strict=True)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = Path(folder) / "model.onnx"
        torch.onnx.export(model, example, path, dynamo=True, external_data=False, verbose=False, input_names=list(ports), output_names=outputs,
                          dynamic_shapes=shapes)
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
    every, single = (Together(Probabilities(one)) for one in (dense, network))
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
        images: to try, each float32 (n, band, y, x), or series and their days, by the names of ports in their order.
        progress: told of each.
        view: turns results into what is compared; None compares them as they are.
    """
    largest = 0.0
    for done, image in enumerate(images, 1):
        with torch.no_grad():
            given = model(*map(torch.from_numpy, image.values()))
        for expected, found in zip(given if isinstance(given, tuple) else (given,), session.run(None, image), strict=True):
            apart = np.abs(view(found) - view(expected.numpy()) if view else found - expected.numpy()).max()
            largest = float(np.maximum(largest, apart))  # unlike max() it keeps NaN
        shape = next(iter(image.values())).shape
        progress.at(done / len(images), f"Comparing torch and onnxruntime on {shape[0]} samples of {' × '.join(map(str, shape[1:]))} values")
    return largest


def describe(run: Run, network: ClassNetwork, name: str, licence: str, plugin_version: str, halo: dict[str, Any]) -> dict[str, Any]:
    """What the model wants, gives and comes from, with what `halo.measured` found; see `package.write`."""
    card = run.card
    return of_run(run, name, licence, plugin_version, {
        **{key: card[key] for key in ("architecture", "encoder", "parameters")}, "stride": network.stride, "beside": list(network.beside), **halo})
