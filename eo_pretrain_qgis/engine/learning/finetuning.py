"""Fine-tuning: labelled dataset, encoder and starting weights → run folder."""

from __future__ import annotations

import csv
import os
import time
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric

from ...report import SILENT, Report
from ..dataset import Dataset
from ..outputs import new_file
from ..tile_pictures import telling_tiles
from .checkpoints import load_tensors
from .device import describe_device, pick_device, pick_precision, start_fabric, use_all_cores
from .encoders import check_encoder_name
from .run_report import SAMPLES, sample_pictures, write_run_report
from .runs import CHECKPOINT, WEIGHTS, Run
from .segmentation import Segmentation, check_trainable
from .starting_weights import start_from
from .training import Plan, Progress, fit

REPORT_SHARE = 0.05  # of the time may go into refreshing the report


@dataclass(frozen=True)
class Settings:
    """What can be chosen; the names are those of the job `finetune`, which explains them."""

    encoder: str = "resnet18"
    start: str | None = None
    epochs: int = 40
    batch_size: int = 8
    learning_rate: float = 1e-3
    crop: int | None = None
    class_weights: str = "balanced"
    augmentation: str = "full"
    precision: str = "auto"
    patience: int = 12
    weight_decay: float = 0.01
    warmup_epochs: int = 2
    frozen_encoder: bool = False
    device: str = "auto"
    seed: int = 1


def finetune(dataset_folder: str, output: str, settings: Settings, report: Report = SILENT) -> dict[str, Any]:
    """Trains a segmentation model, or continues the run in `output`, or says that it is finished.

    Under ``torchrun`` all processes train together and the first one writes.

    Returns:
        ``output``, ``checkpoint``, ``report``, ``validation_iou`` (where there are validation tiles), ``epochs_run``, ``device``.

    Raises:
        DataError: the dataset cannot be learned from, or `output` holds something else.
        ModelError: the encoder is unknown or the starting weights do not fit.
        EngineError: the device is not there, its memory too small, or the loss diverged.
    """
    device = pick_device(settings.device)
    precision = pick_precision(settings.precision, device)
    dataset = Dataset.open(dataset_folder)
    check_trainable(dataset, settings.crop)
    check_encoder_name(settings.encoder)
    run = Run.begin(output, dataset, asdict(settings))
    if run.finished and settings.epochs <= run.card["settings"]["epochs"]:
        report.message(f"The run in {output} is finished; its result is given again. Choose a new folder to train anew.")
        return _result(run)
    use_all_cores()
    fabric = start_fabric(device, precision)
    speaker = report if fabric.is_global_zero else SILENT
    speaker.message(f"Training on {describe_device(fabric.device)} in {precision}" +
                    (f", in {fabric.world_size} processes." if fabric.world_size > 1 else "."))
    method = _prepare(run, dataset, settings, fabric, speaker)
    if fabric.is_global_zero:
        run.update(state="training", settings=asdict(settings), device=describe_device(fabric.device), precision=precision)
    plan = Plan(settings.epochs, settings.learning_rate, settings.weight_decay, settings.warmup_epochs, settings.patience, settings.seed)
    keeper = _Keeper(run, dataset, method)
    progress = fit(method, plan, fabric, run.path(CHECKPOINT), keeper.after_epoch, speaker)
    if fabric.is_global_zero:
        keeper.finish(progress)
        if progress.epoch < settings.epochs:
            speaker.message(f"Stopped after epoch {progress.epoch}: the mean IoU has not risen since epoch {progress.best_epoch}.")
    fabric.barrier()
    return _result(Run.open(output))


def _prepare(run: Run, dataset: Dataset, settings: Settings, fabric: Fabric, report: Report) -> Segmentation:
    """The network with its starting weights, as a method to train."""
    torch.manual_seed(settings.seed)
    network = run.build_network()
    run.card["parameters"] = sum(parameter.numel() for parameter in network.parameters())
    if settings.start and not os.path.exists(run.path(CHECKPOINT)):
        matched = start_from(network, settings.start, [band.name for band in dataset.bands])
        run.card["start"] = {"path": settings.start, "summary": matched.sentence(), **asdict(matched)}
        report.message(matched.sentence())
    if settings.frozen_encoder:
        network.freeze_encoder()
    if len(dataset.sensors) > 1:
        names = ", ".join(sensor.name for sensor in dataset.sensors)
        report.message(f"The dataset has images of several sensors ({names}); the network learns from those of the first.", "warning")
    if not len(dataset.indices("validation")):
        report.message("The dataset has no validation tiles: there is no early stopping, and the last epoch is kept.", "warning")
    return Segmentation(dataset, network, fabric.device, batch_size=settings.batch_size, crop=settings.crop,
                        weighting=settings.class_weights, augmentation=settings.augmentation,
                        rank=fabric.global_rank, processes=fabric.world_size)


class _Keeper:
    """Keeps the run folder up to date: weights, figures, report."""

    def __init__(self, run: Run, dataset: Dataset, method: Segmentation) -> None:
        self.run, self.dataset, self.method = run, dataset, method
        self.tiles, self.pictures = telling_tiles(dataset, "validation", SAMPLES), ""
        self.started, self.spent = time.monotonic(), 0.0

    def after_epoch(self, progress: Progress, improved: bool, counts: np.ndarray) -> None:
        """Called by the loop; the report is left for later when drawing it would slow training down."""
        if improved:
            self.run.save_weights(self.method.network)
            row = progress.history[-1]
            self.run.card["metrics"] = {name: value for name, value in row.items() if name not in ("seconds", "images_per_second")}
            self.run.card["confusion"] = counts.tolist()
        self.run.update(epochs_run=progress.epoch)
        self._write_figures(progress)
        if self.spent <= REPORT_SHARE * (time.monotonic() - self.started):
            self._write_report(progress, improved)

    def finish(self, progress: Progress) -> None:
        """The last word: the state and the report."""
        self.run.update(state="finished")
        self.method.network.load_state_dict(load_tensors(self.run.path(WEIGHTS)))
        self._write_report(progress, True)

    def _write_figures(self, progress: Progress) -> None:
        names = list(dict.fromkeys(name for row in progress.history for name in row))
        with new_file(self.run.path("metrics.csv")) as part, open(part, "w", encoding="utf-8", newline="") as stream:
            writer = csv.DictWriter(stream, names)
            writer.writeheader()
            writer.writerows(progress.history)

    def _write_report(self, progress: Progress, best: bool) -> None:
        """Writes the report; the pictures are drawn anew when the network is the `best` one."""
        began = time.monotonic()
        if best:
            self.pictures = sample_pictures(self.method.network, self.method.reader, self.dataset, self.tiles)
        write_run_report(self.run, self.dataset, progress, self.pictures)
        self.spent += time.monotonic() - began


def _result(run: Run) -> dict[str, Any]:
    result = {"output": run.folder, "checkpoint": run.path(WEIGHTS), "report": run.path("report.html"),
              "epochs_run": run.card["epochs_run"], "device": run.card["device"]}
    if "mean_iou" in run.card["metrics"]:
        result["validation_iou"] = run.card["metrics"]["mean_iou"]
    return result
