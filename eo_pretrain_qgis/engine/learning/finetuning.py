"""Fine-tuning: labelled dataset, encoder and starting weights → run folder."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from lightning_fabric import Fabric

from ...report import SILENT, Report
from ..dataset import Dataset
from ..tile_pictures import telling_tiles
from .checkpoints import load_tensors
from .device import pick_device, pick_precision
from .encoders import check_encoder_name
from .run_report import SAMPLES, run_sections, sample_pictures
from .runs import CHECKPOINT, WEIGHTS, Run
from .segmentation import Segmentation, check_trainable
from .starting_weights import start_from
from .training import Plan, Progress
from .training_runs import train


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
        What `training_runs.train` gives, and ``validation_iou`` where there are validation tiles.

    Raises:
        DataError: the dataset cannot be learned from, or `output` holds something else.
        ModelError: the encoder is unknown or the starting weights do not fit.
        EngineError: the device is not there, its memory too small, or the loss diverged.
    """
    pick_precision(settings.precision, pick_device(settings.device))  # the quickest refusals first
    dataset = Dataset.open(dataset_folder)
    check_trainable(dataset, settings.crop)
    check_encoder_name(settings.encoder)
    return train(output, FineTuning(dataset, settings), report)


class FineTuning:
    """The recipe: labelled tiles and starting weights make a network that knows classes."""

    method_name = "finetune"

    def __init__(self, dataset: Dataset, settings: Settings) -> None:
        self.dataset, self.settings = dataset, settings
        self.tiles, self.pictures = telling_tiles(dataset, "validation", SAMPLES), ""

    @property
    def datasets(self) -> Sequence[Dataset]:
        """The labelled tiles."""
        return [self.dataset]

    def card(self) -> dict[str, Any]:
        """The kind of network."""
        return {"architecture": "unet", "encoder": self.settings.encoder}

    def plan(self) -> Plan:
        """AdamW with warm-up and a cosine."""
        chosen = self.settings
        return Plan(chosen.epochs, chosen.learning_rate, chosen.weight_decay, chosen.warmup_epochs, chosen.patience, chosen.seed)

    def build(self, run: Run, fabric: Fabric, report: Report) -> Segmentation:
        """The network with its starting weights, as a method to train."""
        chosen, dataset = self.settings, self.dataset
        network = run.build_network()
        if chosen.start and not os.path.exists(run.path(CHECKPOINT)):
            matched = start_from(network, chosen.start, [band.name for band in dataset.bands])
            run.card["start"] = {"path": chosen.start, "summary": matched.sentence(), **asdict(matched)}
            report.message(matched.sentence())
        if chosen.frozen_encoder:
            network.freeze_encoder()
        if len(dataset.sensors) > 1:
            names = ", ".join(sensor.name for sensor in dataset.sensors)
            report.message(f"The dataset has images of several sensors ({names}); the network learns from those of the first.", "warning")
        if not len(dataset.indices("validation")):
            report.message("The dataset has no validation tiles: there is no early stopping, and the last epoch is kept.", "warning")
        return Segmentation(dataset, network, fabric.device, batch_size=chosen.batch_size, crop=chosen.crop,
                            weighting=chosen.class_weights, augmentation=chosen.augmentation,
                            rank=fabric.global_rank, processes=fabric.world_size)

    def save(self, run: Run, method: Segmentation, sums: np.ndarray) -> None:
        """The network, its encoder and the confusion on the validation tiles."""
        run.card["confusion"] = sums.tolist()
        run.save_network(method.network)
        run.save_encoder(method.network.encoder)

    def load_best(self, run: Run, method: Segmentation) -> None:
        """The best weights back into the network."""
        method.network.load_state_dict(load_tensors(run.path(WEIGHTS)))

    def sections(self, run: Run, method: Segmentation, progress: Progress, redraw: bool) -> tuple[str, list[str]]:
        """The report."""
        if redraw:
            self.pictures = sample_pictures(method.network, method.reader, self.dataset, self.tiles)
        return run_sections(run, self.dataset, progress, self.pictures)

    def result(self, run: Run) -> dict[str, Any]:
        """The score."""
        metrics = run.card["metrics"]
        return {"validation_iou": metrics["mean_iou"]} if "mean_iou" in metrics else {}
