"""What every kind of run shares: the folder, the device, the weights, the figures and the report, and how it goes on after a kill."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Protocol

import numpy as np
import torch
from lightning_fabric import Fabric

from ....outputs import new_file
from ....progress import SILENT, Progress
from ....tables import write_table
from ...datasets.dataset import Dataset
from ...looks import html_page as page
from .device import describe_device, pick_device, pick_precision, start_fabric, use_all_cores
from .runs import CHECKPOINT, ENCODER, WEIGHTS, Run, first_card
from .training import Course, Method, Plan, fit

REPORT_SHARE = 0.05  # of the time may go into refreshing the report
NO_METRICS = ("seconds", "images_per_second", "memory_mb")


class Recipe(Protocol):
    """What a kind of run adds.

    Attributes:
        method_name: stands in run.json as ``method``.
        settings: a frozen dataclass with at least ``epochs``, ``device``, ``precision`` and ``seed``.
        datasets: what is learned from.
        half: False where training does not bear float16; may be left out.
    """

    method_name: str

    @property
    def settings(self) -> Any: ...

    @property
    def datasets(self) -> Sequence[Dataset]: ...

    def card(self) -> dict[str, Any]:
        """What run.json says besides `runs.first_card`: at least ``architecture`` and ``encoder``."""

    def plan(self) -> Plan:
        """How to train."""

    def build(self, run: Run, fabric: Fabric, progress: Progress) -> Method:
        """The networks with their starting weights, as a method to train; torch is seeded already."""

    def save(self, run: Run, method: Any, sums: np.ndarray) -> None:
        """Writes the weights of the best epoch so far; `sums` are those of `Method.validate` over all processes."""

    def load_best(self, run: Run, method: Any) -> None:
        """Brings the best weights back into the method."""

    def sections(self, run: Run, method: Any, course: Course, redraw: bool) -> tuple[str, list[str]]:
        """Title and sections of report.html; pictures are drawn anew when `redraw`."""

    def result(self, run: Run) -> dict[str, Any]:
        """Outputs of the job besides those of `train`."""


def train(folder: str, recipe: Recipe, progress: Progress = SILENT) -> dict[str, Any]:
    """Trains, or continues the run in `folder`, or says that it is finished.

    Under ``torchrun`` all processes train together and the first one writes.

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
    run = Run.begin(folder, {**first_card(recipe.method_name, recipe.datasets, asdict(settings)), **recipe.card()})
    if run.finished and settings.epochs <= run.card["settings"]["epochs"]:
        progress.message(f"The run in {folder} is finished; its result is given again. Choose a new folder to train anew.")
        return _result(run, recipe)
    use_all_cores()
    fabric = start_fabric(device, precision)
    speaker = progress if fabric.is_global_zero else SILENT
    speaker.message(f"Training on {describe_device(fabric.device)} in {precision}" +
                    (f", in {fabric.world_size} processes." if fabric.world_size > 1 else "."))
    torch.manual_seed(settings.seed)
    method = recipe.build(run, fabric, speaker)
    run.card["parameters"] = sum(parameter.numel() for part in method.parts.values() for parameter in part.parameters())
    if fabric.is_global_zero:
        run.update(state="training", settings=asdict(settings), device=describe_device(fabric.device), precision=precision)
    keeper = _Keeper(run, recipe, method)
    course = fit(method, recipe.plan(), fabric, run.path(CHECKPOINT), keeper.after_epoch, speaker)
    if fabric.is_global_zero:
        keeper.finish(course)
        if course.epoch < settings.epochs:
            words = method.score.replace("_", " ").replace("iou", "IoU")
            speaker.message(f"Stopped after epoch {course.epoch}: the {words} has not risen since epoch {course.best_epoch}.")
    fabric.barrier()
    return _result(Run.open(folder), recipe)


class _Keeper:
    """Keeps the run folder up to date: weights, figures, report."""

    def __init__(self, run: Run, recipe: Recipe, method: Method) -> None:
        self.run, self.recipe, self.method = run, recipe, method
        self.started, self.spent = time.monotonic(), 0.0

    def after_epoch(self, course: Course, improved: bool, sums: np.ndarray) -> None:
        """Called by the loop; the report is left for later when drawing it would slow training down."""
        if improved:
            row = course.history[course.best_epoch - 1]
            self.run.card["metrics"] = {name: value for name, value in row.items() if name not in NO_METRICS}
            self.recipe.save(self.run, self.method, sums)
        self.run.update(epochs_run=course.epoch, **_spent(course))
        self._write_figures(course)
        if self.spent <= REPORT_SHARE * (time.monotonic() - self.started):
            self._write_report(course, improved)

    def finish(self, course: Course) -> None:
        """The last word: the state and the report."""
        self.run.update(state="finished")
        self.recipe.load_best(self.run, self.method)
        self._write_report(course, True)

    def _write_figures(self, course: Course) -> None:
        names = list(dict.fromkeys(name for row in course.history for name in row))
        with new_file(self.run.path("metrics.csv")) as part:
            write_table(part, [names, *([row.get(name, "") for name in names] for row in course.history)])

    def _write_report(self, course: Course, best: bool) -> None:
        """Writes the report; the pictures are drawn anew when the network is the `best` one."""
        began = time.monotonic()
        title, sections = self.recipe.sections(self.run, self.method, course, best)
        page.write_page(self.run.path("report.html"), title, [*sections, *_machine(self.run.card)])
        self.spent += time.monotonic() - began


def _spent(course: Course) -> dict[str, float]:
    """What training took, for the card."""
    seconds = sum(row["seconds"] for row in course.history)
    images = sum(row["seconds"] * row["images_per_second"] for row in course.history)
    return {"training_seconds": round(seconds, 1), "images_per_second": round(images / max(seconds, 1e-9), 2),
            "memory_mb": max(row["memory_mb"] for row in course.history)}


def _machine(card: dict[str, Any]) -> list[str]:
    """What it ran on and how fast, for the end of the report."""
    kind = "GPU memory of tensors, highest" if card["device"].startswith("cuda") else "memory of the process, highest"
    rows = [("device", card["device"]), ("precision", card["precision"]), ("images per second in training", f"{card['images_per_second']:.1f}"),
            ("time spent in training", f"{card['training_seconds'] / 60:.1f} min"), (kind, f"{card['memory_mb']:.0f} MB")]
    return [page.heading("Machine"), page.table(("what", "value"), rows)]


def _result(run: Run, recipe: Recipe) -> dict[str, Any]:
    return {"output": run.folder, "checkpoint": run.path(WEIGHTS), "encoder": run.path(ENCODER), "report": run.path("report.html"),
            "epochs_run": run.card["epochs_run"], "device": run.card["device"], **recipe.result(run)}
