"""Several runs of the same training as one model file: it gives the mean of what they say, and how much they disagree."""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx

from ...errors import DataError, ModelError, listed
from ...outputs import spoken_name
from ...progress import SILENT, Progress
from ..cards import Input
from ..models import package
from ..models.ensemble import disagreement_output, joined
from ..models.identity import identified
from ..models.kinds import up
from ..models.session import on_processor
from ..tasks import task_named
from .answers import classifier_facts, classifier_input, read_classifier
from .approaches import NAMES
from .calibrating import calibrated
from .description import describe
from .fast import fast_changes
from .field_scores import field_score
from .known_ground import with_known_ground
from .road_thresholds import road_threshold
from .run_folder import CARD, NETWORK, RunFolder
from .training_range import training_ranges

#: Edge of the images of pixels on which the file is compared with its members [px], at least; dates of series.
SIDE, DATES = 64, 6


@dataclass(frozen=True)
class Member:
    """A run as one of several models in a file.

    Attributes:
        run: see there.
        graph: what it kept, as it is exported alone, without a temperature.
        difference: how much that differs from what was learned, in a probability.
        facts: of its description: ``architecture``, ``encoder``, ``parameters``, ``stride``, ``beside`` and, of patches, ``dense_step``.
    """

    run: RunFolder
    graph: onnx.ModelProto
    difference: float
    facts: dict[str, Any]


@dataclass(frozen=True)
class Asked:
    """What is asked of a file.

    Attributes:
        target: the .onnx file to write.
        name: of the model; None makes one from dataset, network and number of members.
        licence: of the model.
        plugin_version: for the provenance.
        tolerance: largest difference allowed in a probability.
    """

    target: str
    name: str | None = None
    licence: str = "not stated"
    plugin_version: str = ""
    tolerance: float = 1e-4


def runs_of(first: str, cards: Sequence[str]) -> list[RunFolder]:
    """A run and, by their run.json, others that can be members of one model with it.

    Raises:
        DataError: one is no run, not finished, given twice, or learned something else.
        ModelError: one learned no classes.
    """
    other = next((card for card in cards if os.path.basename(card) != CARD), None)
    if other:
        raise DataError(f"{other} does not describe a run. Choose the {CARD} in the folder of a run of “Fine-tune a model”.")
    runs = [RunFolder.open(folder) for folder in (first, *(os.path.dirname(os.path.abspath(card)) for card in cards))]
    for run in runs:
        run.refuse_without_classes()
        if not run.finished:
            raise DataError(f"The run {run.folder} is not finished, so it can be no member of a model. Let “Fine-tune a model” continue it, or "
                            "leave it out.")
    for number, run in enumerate(runs):
        for before in runs[:number]:
            _refuse_apart(before, run)
    return runs


def _refuse_apart(first: RunFolder, other: RunFolder) -> None:
    """Refuses two runs that cannot be members of one model."""
    if first.model_sha256 == other.model_sha256:
        raise DataError(f"The runs {first.folder} and {other.folder} hold the same model, which cannot disagree with itself. Leave one out, or "
                        "train with another seed.")
    for what, ours, theirs in zip(("tasks", "classes", "targets", "inputs", "datasets"), _learned(first), _learned(other), strict=True):
        if ours != theirs:
            raise DataError(f"The runs {first.folder} and {other.folder} have different {what} ({listed(ours, 6)}; {listed(theirs, 6)}), so they "
                            "cannot be members of one model. Choose runs of the same training.")
    if (first.kept == NETWORK) != (other.kept == NETWORK):
        raise DataError(f"The run {first.folder} kept the {NAMES[first.kept]} and the run {other.folder} the {NAMES[other.kept]}. Networks and "
                        "simple classifiers cannot be in one file, because they see missing values differently. Choose runs of one approach, "
                        "or train again with the approach network.")
    if [package.taken(seen) for seen in first.inputs.values()] != [package.taken(seen) for seen in other.inputs.values()]:
        raise DataError(f"The runs {first.folder} and {other.folder} scale their inputs or count their dates differently, so they cannot be members "
                        "of one model. Choose runs of the same training.")


def _learned(run: RunFolder) -> tuple[list[str], ...]:
    """Task, classes, targets, inputs and dataset, for people."""
    inputs = [f"{seen.name}: {', '.join(seen.names)}{' or without' if seen.optional else ''}" for seen in run.inputs.values()]
    source = run.card["dataset"]
    classes = [f"{row['value']} {row['name']}" for row in run.card["classes"]]
    return [run.card["task"]], classes, run.target_names or ["a single one"], inputs, [f"{source['name']} with the checksum {source['checksum'][:8]}"]


def export_simple_members(runs: Sequence[RunFolder], asked: Asked, progress: Progress = SILENT) -> dict[str, Any]:
    """Writes runs that kept simple classifiers, see `runs_of`, as one model file.

    Returns:
        ``largest_difference`` and ``model_id``.

    Raises:
        ModelError: the file of a classifier is gone or damaged, or differs from what was learned by more than is allowed.
    """
    members = [Member(run, onnx.load_model_from_string(read_classifier(run)), run.card["classifier_difference"], classifier_facts(run))
               for run in runs]
    graph, difference = together(members, classifier_input(runs[0]), asked.tolerance)
    kind = task_named(runs[0].card["task"])
    fixed = 0 if kind.pixelwise or kind.dates else runs[0].card["tile_size"]
    return write(members, graph, classifier_input(runs[0]), {**members[0].facts, "fixed_tile": fixed}, asked, progress) | {
        "largest_difference": difference}


def together(members: Sequence[Member], seen: Input, tolerance: float) -> tuple[onnx.ModelProto, float]:
    """One graph of all members, and how much it may differ from the mean of what was learned, in a probability.

    Args:
        members: see there.
        seen: what their graphs take, with the bands of two sensors behind each other.
        tolerance: see `Asked`.

    Raises:
        DataError: some members answer for larger images at once, others do not.
        ModelError: that difference is above the tolerance.
    """
    first, run = members[0], members[0].run
    other = next((one for one in members if one.facts.get("dense_step") != first.facts.get("dense_step")), None)
    if other:
        raise DataError(f"The networks of the runs {run.folder} and {other.run.folder} answer for patches of an image at different steps, so they "
                        "cannot be in one file. Choose runs with the same encoder.")
    kind, names = task_named(run.card["task"]), ["", *run.target_names[1:]]
    graph = joined([one.graph for one in members], dict(zip(names, run.heads, strict=True)), kind.several)
    side = up(SIDE, math.lcm(*(one.facts["stride"] for one in members))) if kind.pixelwise else run.card["tile_size"]
    given = noise(seen, side)
    each = [_said(one.graph, given) for one in members]
    difference = max(one.difference for one in members) + float(np.abs(_said(graph, given) - np.mean(each, axis=0)).max())
    if not difference <= tolerance:
        raise ModelError(f"What the file of {len(members)} members gives differs from the mean of what they learned by up to {difference:.2g} in a "
                         f"probability, more than the {tolerance:g} allowed. Allow a larger difference.")
    return graph, difference


def _said(graph: onnx.ModelProto, given: dict[str, np.ndarray]) -> np.ndarray:
    return np.asarray(on_processor(graph.SerializeToString()).run([package.OUTPUT], given)[0])


def noise(seen: Input, side: int) -> dict[str, np.ndarray]:
    """Values about the centre of an input as graphs take them, by their ports; dates lie in its season.

    Args:
        seen: the input, with the bands of two sensors behind each other.
        side: of images, and of dated tiles [px].
    """
    rng = np.random.default_rng(0)
    sizes = {"t": DATES, "b": len(seen.names), "y": side, "x": side}
    axes = (1,) * (len(seen.axes) - seen.axes.index("b") - 1)
    centre, spread = (np.array(values).reshape(-1, *axes) for values in (seen.centre, seen.spread))
    values = (centre + spread * rng.standard_normal((2, *(sizes[axis] for axis in seen.axes)))).astype(np.float32)
    if not seen.dated:
        return dict(seen.divided(values))
    return {seen.name: values, seen.days_port: rng.uniform(seen.days[0], seen.days[-1] + 1, (2, DATES)).astype(np.float32)}


def write(members: Sequence[Member], graph: onnx.ModelProto, seen: Input, facts: dict[str, Any], asked: Asked,
          progress: Progress = SILENT) -> dict[str, Any]:
    """Writes the graph of members as a model file: their mean is calibrated as a whole, on the validation tiles.

    What is like training ground is that of the first member.

    Args:
        members: see there.
        graph: see `together`; it is changed.
        seen: what it takes, with the bands of two sensors behind each other.
        facts: of its description: how blocks lie, and ``fixed_tile`` [px] where images have one size.
        asked: see there.
        progress: told how sure the model may be, and what it knows of the ground that it learned from.

    Returns:
        ``model_id``.
    """
    first, count = members[0].run, len(members)
    fixed, kept = facts.pop("fixed_tile", 0), [one.facts for one in members]
    facts |= {"stride": math.lcm(*(row["stride"] for row in kept))}
    facts |= calibrated(first, graph, seen, facts["stride"], progress.part(0, 0.4))
    facts |= road_threshold(first, graph, seen, facts["stride"], progress.part(0.4, 0.44))
    facts |= field_score(first, graph, seen, facts["stride"], progress.part(0.44, 0.48))
    facts |= fast_changes(first, graph, seen, facts["stride"], progress.part(0.48, 0.5))
    if any(one.run.card["settings"].get("label_share", 100) < 100 for one in members):
        progress.message(f"Not every member learned from all labels. The area of applicability is that of the first, {first.folder}.", "warning")
    facts |= with_known_ground(first, graph, seen, facts, progress.part(0.5, 0.85)) | training_ranges(first, seen, progress.part(0.85, 0.9))
    names = list(dict.fromkeys(row["encoder"] or row["architecture"] for row in kept))
    name = asked.name or f"{first.card['dataset']['name']} {' and '.join(names)}, {count} members"
    told = describe(first, name, asked.licence, asked.plugin_version, facts)
    checksum = hashlib.sha256("".join(one.run.model_sha256 for one in members).encode()).hexdigest()
    encoders = list(dict.fromkeys(row["encoder"] for row in kept if row["encoder"]))
    doubts = [disagreement_output(target) for target in ("", *first.target_names[1:])]
    told = identified({
        **told, "parameters": sum(row["parameters"] for row in kept),
        "architecture": f"mean of {count} members: {' and '.join(dict.fromkeys(row['architecture'] for row in kept))}",
        "encoder": " and ".join(encoders) or None, "scores": None, "confusion": None, "beside": [*kept[0].get("beside", ()), *doubts],
        "members": [{"run": spoken_name(one.run.folder) or "run", "seed": one.run.card["seed"], "sha256": one.run.model_sha256,
                     "architecture": one.facts["architecture"], "scores": describe(one.run, name, "", "", {})["scores"]} for one in members],
        "provenance": {**told["provenance"], "run": ", ".join(spoken_name(one.run.folder) or "run" for one in members),
                       "seed": [one.run.card["seed"] for one in members]}}, checksum)
    if fixed:
        package.fix_tile(graph, fixed)
    package.write(graph, told, asked.target)
    return {"model_id": told["id"]}
