"""What every kind of run shares: settings, encoder, starting weights, folder, device, figures and report, and how it goes on after a kill."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Protocol, TypeVar

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import nn

from ....outputs import new_file
from ....progress import SILENT, Progress
from ....tables import write_table
from ...cards import Input, Inputs
from ...datasets.dataset import Dataset
from ...looks import html_page as page
from ...runs.run_folder import CARD, CHECKPOINT, ENCODER, REPORT, WEIGHTS, first_card
from ..networks.encoder_import import chosen_encoder
from ..networks.encoders import check_encoder_name, is_depthwise
from ..networks.starting_weights import Matched, start_from
from .checkpoints import load_tensors
from .device import describe_device, pick_device, pick_precision, start_fabric, use_all_cores
from .run_report import machine
from .runs import Run
from .shares import Share
from .training import Course, Method, Plan, fit

TRAINED, REPORTING = 0.97, 0.99  # of the work, where training ends and where the report is written for the last time
REPORT_SHARE = 0.05  # of the time may go into refreshing the report
NO_METRICS = ("seconds", "images_per_second", "memory_mb")
USUAL_ENCODER = "resnet18"


@dataclass(frozen=True)
class Settings:
    """What can be chosen for every method; the names are those of the jobs, which explain them and say what holds where nothing was chosen."""

    encoder: Any  # its name, or None until `equipped`
    start: str | None
    epochs: Any
    batch_size: Any
    learning_rate: Any
    precision: str
    device: str
    seed: int
    labels: dict[str, Any] = field(default_factory=dict, kw_only=True, compare=False)  # what the job calls them, see `runs.settings_table`

    def chosen(self) -> dict[str, Any]:
        """What was chosen, as plain values."""
        return {name: value for name, value in asdict(self).items() if name != "labels"}


Chosen = TypeVar("Chosen", bound=Settings)


def equipped(settings: Chosen, output: str, start: str | None, bands: Sequence[str], progress: Progress,
             own: Callable[[str | None, str | None, list[str], Progress], str] | None = None) -> Chosen:
    """The settings with an encoder: the one that was asked for, else that of the run that is continued, else that of the starting weights.

    Args:
        settings: what was chosen.
        output: the run folder.
        start: starting weights, if any.
        bands: names of those that these are to see.
        progress: told of a download, and of an encoder that was recognised.
        own: chooses where no encoder of images is meant, see `tasks.Learner.encoder`.

    Raises:
        EngineError: the device is not there, or does not compute in the precision.
        ModelError: the encoder is unknown, or not that of the starting weights.
    """
    pick_precision(settings.precision, pick_device(settings.device))  # the quickest refusals first
    encoder = settings.encoder
    if encoder and not own:
        check_encoder_name(encoder)
    if os.path.isfile(os.path.join(output, CARD)):
        encoder = encoder or Run.open(output).card["encoder"]
    if own:
        encoder = own(start, encoder, list(bands), progress)
    elif start and not os.path.isfile(os.path.join(output, CARD)):
        encoder = chosen_encoder(start, encoder, list(bands), progress)
    return replace(settings, encoder=encoder or USUAL_ENCODER)


def plan_of(settings: Settings, **facts: Any) -> Plan:
    """How to train: the settings of the same names, and what the method says beside them or instead."""
    chosen = {field.name: getattr(settings, field.name) for field in fields(Plan) if hasattr(settings, field.name)}
    return Plan(**{**chosen, **facts})


@dataclass(frozen=True)
class Session:
    """What a recipe builds its method with.

    Attributes:
        run: the folder and its card.
        fabric: device, precision and processes.
        progress: of the first process; the others say nothing.
    """

    run: Run
    fabric: Fabric
    progress: Progress = SILENT

    @property
    def begins(self) -> bool:
        """Whether nothing was learned yet; what a run that goes on has learned comes from its checkpoint."""
        return not os.path.exists(self.run.path(CHECKPOINT))

    @property
    def share(self) -> Share:
        """Of this process."""
        return Share.of(self.fabric)

    def start(self, network: nn.Module, bands: Sequence[str], path: str | None, key: str = "start",
              way: Callable[..., Matched] = start_from) -> list[str]:
        """Copies starting weights into a network of a run that begins, and says so in messages and in the card.

        Args:
            network: see `start_from`.
            bands: names of its bands.
            path: of the weights; None: there are none.
            key: in the card.
            way: how they are taken over.

        Returns:
            Names of the tensors that nothing was found for.

        Raises:
            ModelError: the weights cannot be read or do not fit.
        """
        if not path or not self.begins:
            return []
        matched = way(network, path, list(bands), self.progress)
        self.run.card[key] = {**asdict(matched), "path": path, "summary": matched.sentence()}
        self.progress.message(matched.sentence())
        return matched.left_new


@dataclass(frozen=True)
class Kept:
    """What the run folder keeps of a method.

    Attributes:
        network: written with its best weights, and read again at the end.
        encoders: by name of their files, each with its input, or the name of one of the run.
    """

    network: nn.Module
    encoders: dict[str, tuple[nn.Module, str | Input]]


class Recipe(Protocol):
    """What a kind of run adds.

    Attributes:
        method_name: stands in run.json as ``method``.
        settings: what was chosen, complete.
        datasets: what is learned from.
        inputs: what of them is seen, by name.
        half: False where training does not bear float16; may be left out.

    `settle(run, method, progress)` may be left out, too: after training it may change the kept network, which has its best weights, and then gives
    the sums of `Method.validate` over all validation samples, else None.
    """

    method_name: str

    @property
    def settings(self) -> Any: ...

    @property
    def datasets(self) -> Sequence[Dataset]: ...

    @property
    def inputs(self) -> Inputs: ...

    def card(self) -> dict[str, Any]:
        """What run.json says besides `runs.first_card`: at least ``architecture`` and ``encoder``."""

    def plan(self) -> Plan:
        """How to train."""

    def build(self, session: Session) -> Method:
        """The networks with their starting weights, as a method to train; torch is seeded already."""

    def kept(self, method: Any) -> Kept:
        """The networks that are kept."""

    def facts(self, run: Run, method: Any, sums: np.ndarray) -> dict[str, Any]:
        """What run.json says of the best epoch besides its figures; `sums` are those of `Method.validate` over all processes."""

    def sections(self, run: Run, method: Any, course: Course, redraw: bool) -> tuple[str, list[str]]:
        """Title and sections of report.html, see `run_report.run_report`; pictures are drawn anew when `redraw`."""

    def result(self, run: Run) -> dict[str, Any]:
        """Outputs of the job besides those of `train`."""


def train(folder: str, recipe: Recipe, progress: Progress = SILENT, reports: bool = True) -> dict[str, Any]:
    """Trains, or continues the run in `folder`, or says that it is finished.

    Under ``torchrun`` all processes train together and the first one writes, also a report where `reports` are wanted.

    Returns:
        ``output``, ``checkpoint``, ``encoder``, ``report``, ``epochs_run``, ``device`` and what `Recipe.result` adds.

    Raises:
        DataError: `folder` holds something else.
        ModelError: the encoder is unknown or the starting weights do not fit.
        EngineError: the device is not there, its memory too small, or the loss diverged.
    """
    settings = recipe.settings
    device = pick_device(settings.device)
    precision = pick_precision(settings.precision, device, getattr(recipe, "half", True))
    if settings.precision == "auto" and device.type == "cpu" and precision != "float32" and is_depthwise(settings.encoder):
        precision = "float32"
    run = Run.begin(folder, {**first_card(recipe.method_name, recipe.datasets, recipe.inputs, settings.chosen()), **recipe.card()}, settings.labels)
    if run.finished and settings.epochs <= run.card["settings"]["epochs"]:
        progress.message(f"The run in {folder} is finished; its result is given again. Choose a new folder to train anew.")
        return _result(run, recipe)
    use_all_cores()
    fabric = start_fabric(device, precision)
    speaker = progress if fabric.is_global_zero else SILENT
    speaker.message(f"Training on {describe_device(fabric.device)} in {precision}" +
                    (f", in {fabric.world_size} processes." if fabric.world_size > 1 else "."))
    torch.manual_seed(settings.seed)
    method = recipe.build(Session(run, fabric, speaker))
    run.card["parameters"] = sum(parameter.numel() for part in method.parts.values() for parameter in part.parameters())
    if fabric.is_global_zero:
        run.update(state="training", settings=settings.chosen(), labels=settings.labels, device=describe_device(fabric.device), precision=precision)
    keeper = _Keeper(run, recipe, method, speaker, reports)
    course = fit(method, recipe.plan(), fabric, run.path(CHECKPOINT), keeper.after_epoch, speaker.part(0, TRAINED))
    if fabric.is_global_zero:
        keeper.finish(course)
        if course.epoch < settings.epochs:
            words = method.score.replace("_", " ").replace("iou", "IoU")
            speaker.message(f"Stopped after epoch {course.epoch}: the {words} has not risen since epoch {course.best_epoch}.")
    fabric.barrier()
    return _result(Run.open(folder), recipe)


class _Keeper:
    """Keeps the run folder up to date: weights, figures, report."""

    def __init__(self, run: Run, recipe: Recipe, method: Method, progress: Progress, reports: bool) -> None:
        self.run, self.recipe, self.method, self.progress, self.reports = run, recipe, method, progress, reports
        self.started, self.spent = time.monotonic(), 0.0

    def after_epoch(self, course: Course, improved: bool, sums: np.ndarray) -> None:
        """Called by the loop; the report is left for later when drawing it would slow training down."""
        if improved:
            row = course.history[course.kept_epoch - 1]
            self.run.card["metrics"] = {name: value for name, value in row.items() if name not in NO_METRICS}
            self.run.card.update(self.recipe.facts(self.run, self.method, sums))
            kept = self.recipe.kept(self.method)
            self.run.save_network(kept.network)
            for name, (encoder, seen) in kept.encoders.items():
                self.run.save_encoder(encoder, self.run.inputs[seen] if isinstance(seen, str) else seen, name)
        self.run.update(epochs_run=course.epoch, **_spent(course))
        self._write_figures(course)
        if self.spent <= REPORT_SHARE * (time.monotonic() - self.started):
            self._write_report(course, improved)

    def finish(self, course: Course) -> None:
        """The last word: the weights that stay, the state and the report."""
        network = self.recipe.kept(self.method).network
        network.load_state_dict(load_tensors(self.run.path(WEIGHTS)))
        settle = getattr(self.recipe, "settle", None)
        sums = settle(self.run, self.method, self.progress.part(TRAINED, REPORTING)) if settle else None
        self.progress.at(REPORTING, "Writing the report")  # here, where a cancel leaves weights that can be settled once more
        if sums is not None:
            self.run.card["metrics"] |= self.method.figures(sums)
            self.run.card.update(self.recipe.facts(self.run, self.method, sums))
            self.run.save_network(network)
        self.run.update(state="finished")
        self._write_report(course, True)

    def _write_figures(self, course: Course) -> None:
        names = list(dict.fromkeys(name for row in course.history for name in row))
        with new_file(self.run.path("metrics.csv")) as part:
            write_table(part, [names, *([row.get(name, "") for name in names] for row in course.history)])

    def _write_report(self, course: Course, best: bool) -> None:
        """Writes the report; the pictures are drawn anew when the network is the `best` one."""
        if not self.reports:
            return
        began = time.monotonic()
        title, sections = self.recipe.sections(self.run, self.method, course, best)
        page.write_page(self.run.path(REPORT), title, [*sections, *machine(self.run.card)])
        self.spent += time.monotonic() - began


def _spent(course: Course) -> dict[str, float]:
    """What training took, for the card."""
    seconds = sum(row["seconds"] for row in course.history)
    images = sum(row["seconds"] * row["images_per_second"] for row in course.history)
    return {"training_seconds": round(seconds, 1), "images_per_second": round(images / max(seconds, 1e-9), 2),
            "memory_mb": max(row["memory_mb"] for row in course.history)}


def _result(run: Run, recipe: Recipe) -> dict[str, Any]:
    return {"output": run.folder, "checkpoint": run.path(WEIGHTS), "encoder": run.path(ENCODER), "report": run.path(REPORT),
            "epochs_run": run.card["epochs_run"], "device": run.card["device"], **recipe.result(run)}
