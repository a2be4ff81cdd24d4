"""Fine-tuning: labelled dataset, encoder and starting weights → run folder."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from lightning_fabric import Fabric

from ....progress import SILENT, Progress
from ...datasets.dataset import IGNORE, Dataset
from ...datasets.splitting.label_shares import training_share
from ..loop.checkpoints import load_tensors
from ..loop.device import pick_device, pick_precision
from ..loop.runs import CARD, CHECKPOINT, WEIGHTS, Run
from ..loop.training import Course, Plan
from ..loop.training_runs import train
from ..networks.encoder_files import OUR_SCALING, find_weights, read_card
from ..networks.encoder_import import chosen_encoder
from ..networks.encoders import check_encoder_name
from ..networks.starting_weights import start_from
from ..probes import encoder_features
from ..tasks import learner_of
from .defaults import FROM_SCRATCH, defaults, sentence
from .guessed_labels import GuessedLabels, check_spreadable
from .labelled_tiles import Choices, LabelledMethod, check_labelled
from .report import run_sections

ENCODER = "resnet18"
GUESSES = "guessed_labels.npy"  # in the run folder
#: The score of a task → its name among the results of the job.
RESULTS = {"mean_iou": "validation_iou", "overall_accuracy": "validation_accuracy", "average_precision": "validation_average_precision"}


@dataclass(frozen=True)
class Settings:
    """What can be chosen; the names are those of the job `finetune`, which explains them. None and ``auto`` become one of `defaults`."""

    encoder: str | None = None
    start: str | None = None
    epochs: int | None = None
    batch_size: int | None = None
    learning_rate: float | None = None
    crop: int | None = None
    class_weights: str = "balanced"
    augmentation: str = "auto"
    precision: str = "auto"
    patience: int = 12
    weight_decay: float = 0.01
    warmup_epochs: int = 2
    label_share: float = 100.0
    spread_labels: bool = False
    loss: str = "cross_entropy"
    epoch_steps: int | None = None
    average: float | None = None
    keep: str = "best"
    frozen_encoder: bool = False
    device: str = "auto"
    seed: int = 1


def finetune(dataset_folder: str, output: str, settings: Settings, progress: Progress = SILENT) -> dict[str, Any]:
    """Trains a model for the task of the dataset, or continues the run in `output`, or says that it is finished.

    Under ``torchrun`` all processes train together and the first one writes.

    Returns:
        What `training_runs.train` gives, and where there are validation tiles ``validation_iou``, ``validation_accuracy`` (one class
        per tile) or ``validation_average_precision`` (several).

    Raises:
        DataError: the dataset cannot be learned from, or `output` holds something else.
        ModelError: the encoder is unknown or the starting weights do not fit.
        EngineError: the device is not there, its memory too small, or the loss diverged.
    """
    pick_precision(settings.precision, pick_device(settings.device))  # the quickest refusals first
    dataset = Dataset.open(dataset_folder)
    check_learnable(dataset, settings.crop)
    if settings.spread_labels:
        check_spreadable(dataset, settings.start)
    settings = replace(settings, encoder=_encoder(settings, output, dataset, progress))
    return train(output, FineTuning(dataset, settings), progress)


def _encoder(settings: Settings, output: str, dataset: Dataset, progress: Progress) -> str:
    """The encoder that was asked for, else that of the run that is continued, else that of the starting weights."""
    if settings.encoder:
        check_encoder_name(settings.encoder)
    if os.path.isfile(os.path.join(output, CARD)):
        return settings.encoder or Run.open(output).card["encoder"]
    if settings.start:
        return chosen_encoder(settings.start, settings.encoder, [band.name for band in dataset.bands], progress)
    return settings.encoder or ENCODER


def completed(settings: Settings, dataset: Dataset) -> tuple[Settings, str]:
    """The settings with a value for all that was left open, and what was chosen, in words.

    A number of epochs without a number of steps, or the other way round, leaves what was not said at one pass an epoch or at 40 epochs.
    """
    labels, start = len(training_share(dataset, settings.label_share, settings.seed)), bool(settings.start)
    found = asdict(defaults(not dataset.kind.pixelwise, start, labels))
    if settings.epochs is not None or settings.epoch_steps is not None:
        found |= {"epochs": FROM_SCRATCH.epochs, "epoch_steps": None}
    chosen = {name: value for name, value in found.items() if getattr(settings, name) in (None, "auto")}
    return replace(settings, **chosen), sentence(chosen, labels, start)


def check_learnable(dataset: Dataset, crop: int | None) -> None:
    """Refuses a dataset that no model can be fine-tuned on.

    Raises:
        DataError: of a task that no network learns, or see `labelled_tiles.check_labelled`.
    """
    learner_of(dataset, "" if dataset.kind.dates else "pretrain on this one")
    check_labelled(dataset, crop)


class FineTuning:
    """The recipe: labelled tiles and starting weights make a network that knows their classes; how follows from the task."""

    method_name = "finetune"

    def __init__(self, dataset: Dataset, settings: Settings) -> None:
        self.dataset, self.learner = dataset, learner_of(dataset)
        self.settings: Any  # complete: no number of it is None that must be one
        self.settings, self.chosen = completed(settings, dataset)
        self.shown: np.ndarray | None = None
        self.pictures = ""

    @property
    def datasets(self) -> Sequence[Dataset]:
        """The labelled tiles."""
        return [self.dataset]

    def card(self) -> dict[str, Any]:
        """The kind of network."""
        return {"architecture": self.learner.architecture, "encoder": self.settings.encoder, "chosen": self.chosen}

    def plan(self) -> Plan:
        """AdamW with warm-up and a cosine."""
        chosen = self.settings
        return Plan(chosen.epochs, chosen.learning_rate, chosen.weight_decay, chosen.warmup_epochs, chosen.patience, chosen.seed,
                    average=chosen.average)

    def build(self, run: Run, fabric: Fabric, progress: Progress) -> Any:
        """The network with its starting weights, as a method to train."""
        chosen, dataset = self.settings, self.dataset
        if self.chosen:
            progress.message(self.chosen)
        begins = bool(chosen.start) and not os.path.exists(run.path(CHECKPOINT))
        if begins:
            adopt_scaling(run.card["bands"], str(chosen.start), progress)
        network, new = run.build_network(), []
        if begins:
            matched = start_from(network, str(chosen.start), [band.name for band in dataset.bands], progress)
            new = matched.left_new
            run.card["start"] = {**asdict(matched), "path": chosen.start, "summary": matched.sentence()}
            progress.message(matched.sentence())
        if chosen.frozen_encoder:
            network.freeze_encoder()
        if len(dataset.sensors) > 1:
            names = ", ".join(sensor.name for sensor in dataset.sensors)
            progress.message(f"The dataset has images of several sensors ({names}); the network learns from those of the first.", "warning")
        if not len(dataset.indices("validation")):
            progress.message("The dataset has no validation tiles: there is no early stopping, and the last epoch is kept.", "warning")
        tiles = self.training_tiles()
        run.card["training_tiles"] = len(tiles)
        if chosen.label_share < 100:
            progress.message(f"Learning from {len(tiles)} of {len(dataset.indices('training'))} training tiles.")
        quiet = progress.part(0, 0)  # the fraction belongs to the training that follows
        guesses = self.guessed_labels(run, network, fabric, tiles, quiet) if chosen.spread_labels else None
        method = self.learner.method(dataset, network, fabric.device, Choices(
            chosen.batch_size, tiles, chosen.crop, chosen.class_weights, chosen.augmentation, chosen.loss, chosen.epoch_steps,
            chosen.epochs - 1 if chosen.keep == "last" else None, guesses, fabric.global_rank, fabric.world_size))
        method.begin(new, fabric.device, quiet)
        return method

    def training_tiles(self) -> np.ndarray:
        """Positions of the tiles whose labels are used."""
        return training_share(self.dataset, self.settings.label_share, self.settings.seed)

    def guessed_labels(self, run: Run, network: Any, fabric: Fabric, labelled: np.ndarray, progress: Progress) -> GuessedLabels | None:
        """Of the starting weights, before they learn; of a run that is continued those it began with."""
        tiles = self.dataset.indices("training")
        if len(labelled) == len(tiles):
            progress.message("All training tiles have labels; there are none to spread them to.")
            return None
        if os.path.exists(run.path(CHECKPOINT)):
            return GuessedLabels.read(run.path(GUESSES), np.setdiff1d(tiles, labelled))
        features = encoder_features(network.to(fabric.device).encoder, network.centre.flatten().tolist(), network.spread.flatten().tolist(),
                                    self.dataset, tiles, fabric.device, turned=True, progress=progress)
        labels = np.where(np.isin(tiles, labelled), self.dataset.labels(tiles), IGNORE)
        guesses = GuessedLabels.spread(tiles, features, labels, len(self.dataset.classes), progress)
        if fabric.global_rank == 0:
            guesses.write(run.path(GUESSES))
        run.card["guessed_labels"] = guesses.sentence()
        progress.message(guesses.sentence())
        return guesses

    def save(self, run: Run, method: LabelledMethod, sums: np.ndarray) -> None:
        """The network, its encoder, and on the validation tiles the figures of the classes and what is taken for what."""
        run.card["class_scores"] = self.dataset.kind.figures(sums)["classes"]
        if not self.dataset.kind.several:
            run.card["confusion"] = sums.tolist()
        run.save_network(method.network)
        run.save_encoder(method.network.encoder)

    def load_best(self, run: Run, method: Any) -> None:
        """The best weights back into the network."""
        method.network.load_state_dict(load_tensors(run.path(WEIGHTS)))

    def sections(self, run: Run, method: Any, course: Course, redraw: bool) -> tuple[str, list[str]]:
        """The report."""
        if redraw:
            if self.shown is None:
                self.shown = self.learner.shown(self.dataset, "validation")
            self.pictures = self.learner.pictures(method.network, method.reader, self.dataset, self.shown)
        return run_sections(run, self.dataset, course, self.pictures)

    def result(self, run: Run) -> dict[str, Any]:
        """The score."""
        metrics, score = run.card["metrics"], self.dataset.kind.score
        return {RESULTS[score]: metrics[score]} if score in metrics and score in RESULTS else {}


def adopt_scaling(bands: list[dict[str, Any]], start: str, progress: Progress = SILENT) -> bool:
    """Scales the bands as the starting weights know them, where these are of a run of ours with the same bands in the same units.

    The encoder then sees the values it was trained on, whatever the statistics of the new tiles are.

    Args:
        bands: of the card of the new run; their centre and spread are changed.
        start: see `encoder_files.find_weights`.
        progress: told of a download.

    Returns:
        Whether it could.
    """
    card = read_card(find_weights(start, [band["name"] for band in bands], True, progress.part(0, 0)))
    theirs = {band.get("name"): band for band in card.get("bands", [])}
    facts = ("unit", "scale", "offset")
    fits = card.get("scaling", OUR_SCALING) == OUR_SCALING and all(
        band["name"] in theirs and all(theirs[band["name"]].get(fact) == band[fact] for fact in facts)
        and all(isinstance(theirs[band["name"]].get(fact), (int, float)) for fact in ("centre", "spread")) for band in bands)
    for band in bands if fits else []:
        band.update({fact: theirs[band["name"]][fact] for fact in ("centre", "spread")})
    return fits
