"""Export of one direction of a translation to a self-describing .onnx file, refused unless onnxruntime gives what torch gives."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from torch import nn

from .....errors import JobError, ModelError
from .....outputs import spoken_name
from .....progress import SILENT, Progress
from ....models import package
from ....models.identity import identified
from ....models.kinds import KINDS, TRANSLATION
from ....models.session import on_processor
from ....runs.description import learned, simulated
from ...compared_images import probes
from ...export import largest_difference, to_onnx
from ...halo import measured, real_scenes
from ...loop.runs import Run
from .generators import BandScaling, StoredTranslation
from .recipe import load_generators

#: Difference, in scaled units, from which on a pixel counts as changed by where its tile ends.
NOTICEABLE = 0.05


def export_translation(run: Run, target: str, *, source: str | None = None, name: str | None = None, licence: str = "not stated",
                       tolerance: float = 1e-4, plugin_version: str = "", progress: Progress = SILENT) -> dict[str, Any]:
    """Writes one of a run's best generators as a model file that takes and gives stored units.

    Args:
        run: from “Pretrain by translation”.
        target: the .onnx file to write.
        source: name of the sensor it takes; None is the first.
        name: of the model; None makes one from the sensors and the dataset.
        licence: of the model, for those it is given to.
        tolerance: largest difference allowed between a value of torch and of onnxruntime, scaled units.
        plugin_version: for the provenance.
        progress: told of every step.

    Returns:
        ``largest_difference`` and ``model_id``.

    Raises:
        JobError: the run knows no such sensor.
        ModelError: the run has no weights, its network cannot be exported, or the two differ by more than `tolerance`.
    """
    inputs, names = list(run.inputs.values()), list(run.inputs)
    if source is not None and source not in names:
        raise JobError(f"The run {run.folder} translates between {names[0]} and {names[1]}, and “{source}” is neither. "
                       f"Give {names[0]} or {names[1]} as “Translate from”.")
    way = names.index(source) if source else 0
    generators = load_generators(run)
    given, wanted = inputs[way], inputs[1 - way]
    generator: nn.Module = (generators.forth, generators.back)[way]
    scaling, stride = BandScaling(wanted.bands), int(generator.stride)  # type: ignore[arg-type]
    model = StoredTranslation(generator, BandScaling(given.bands), scaling).eval()
    progress.at(0.05, "Translating the network")
    architecture = run.card["encoder"] or run.card["architecture"]
    content = to_onnx(model, {given.name: len(given.bands)}, stride, architecture, [KINDS[TRANSLATION].output],
                      progress=progress.part(0.05, 0.2))
    session = on_processor(content)
    scenes = real_scenes(run.card["dataset"]["path"], given, stride)

    def view(image: np.ndarray) -> np.ndarray:
        return scaling(torch.from_numpy(image)).numpy()

    images = [{given.name: image} for image in probes(scenes[0], stride)]
    difference = largest_difference(model, session, images, progress.part(0.2, 0.5), view)
    if not difference <= tolerance:
        raise ModelError(f"The exported network differs from the trained one by up to {difference:.2g} in scaled units, more than the "
                         f"{tolerance:g} allowed. Allow a larger difference, or train again with another encoder.")

    halo = measured(session, given, scenes, stride, progress.part(0.5, 0.95), view, _differs)
    progress.at(0.95, "Writing the model")
    named = name or f"Synthetic {wanted.name} from {given.name}: {run.card['dataset']['name']}"
    description = _describe(run, way, named, licence, plugin_version, stride, halo)
    description["parameters"] = sum(parameter.numel() for parameter in generator.parameters())
    package.write(content, description, target)
    return {"largest_difference": difference, "model_id": description["id"]}


def _differs(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Pixels (y, x) of two images (band, y, x) in scaled units that are not the same."""
    return (np.abs(one - other) > NOTICEABLE).any(0)


def _describe(run: Run, way: int, name: str, licence: str, plugin_version: str, stride: int,
              halo: dict[str, Any]) -> dict[str, Any]:
    """What the model wants, gives and comes from; see `package.write`."""
    card = run.card
    given, wanted = list(run.inputs.values())[::-1 if way else 1]
    found = (card.get("sums") or [{}, {}])[way]
    baseline = (card.get("baseline") or [{}, {}])[way]
    scores = {"split": "validation", "cycle_error_scaled": found.get("cycle"), "error_scaled": found.get("error"), "psnr_db": found.get("psnr"),
              "error_scaled_of_the_regression": baseline.get("error"), "psnr_db_of_the_regression": baseline.get("psnr")}
    start = card.get(("start", "second_start")[way])
    return identified({
        "task": TRANSLATION, "inputs": [package.taken(given)],
        "target": {"sensor": wanted.sensor, "preset": wanted.preset, "bands": [asdict(band) for band in wanted.bands]}, "synthetic": True,
        "resolution_m": card["resolution_m"], "classes": [], "tile_size": card["tile_size"],
        "architecture": {"unet": "U-Net generator", "residual": "residual generator"}[card["architecture"]], "encoder": card["encoder"],
        "name": name, "licence": licence, "stride": stride, **halo,
        "scores": {key: value for key, value in scores.items() if value is not None},
        "provenance": {"dataset": card["dataset"]["name"], "dataset_checksum": card["dataset"]["checksum"], "run": spoken_name(run.folder) or "run",
                       "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "plugin_version": plugin_version,
                       "seed": card["seed"], "start": start["summary"] if start else "scratch", **simulated(card),
                       **learned(card)},
    }, card["weights_sha256"])
