"""Fine-tuning: labelled dataset, encoder and starting weights → run folder."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from ....errors import DataError
from ....progress import SILENT, Progress
from ...cards import Input, single
from ...datasets.dataset import IGNORE, Dataset
from ...datasets.source_images import has_places
from ...datasets.splitting.label_shares import real_share, training_share
from ...tasks import FIGURES
from ..loop import training_runs
from ..loop.runs import CARD, Run
from ..loop.training import Course, Plan
from ..loop.training_runs import Kept, Session, equipped, plan_of, train
from ..networks.encoder_files import OUR_SCALING, find_weights, read_card
from ..networks.spectral import SpectralUNet
from ..probes import encoder_features
from ..tasks import learner_of
from .blending import best_share, blended, tried_shares
from .defaults import FROM_SCRATCH, defaults, keep_of, sentence, usual_context
from .guessed_labels import GuessedLabels, check_spreadable
from .labelled_tiles import Choices, LabelledMethod, check_classes, check_labelled, radar_of_several_scenes
from .report import run_sections

GUESSES = "guessed_labels.npy"  # in the run folder
#: The score of a task → its name among the results of the job.
RESULTS = {"mean_iou": "validation_iou", "overall_accuracy": "validation_accuracy", "average_precision": "validation_average_precision"}


@dataclass(frozen=True)
class Settings(training_runs.Settings):
    """What can be chosen, see the job `finetune`. None and ``auto`` become one of `defaults`."""

    sensor: str | None
    bands: str | None
    crop: int | None
    context: int | None
    class_weights: str
    augmentation: str
    patience: int
    weight_decay: float
    warmup_epochs: int
    label_share: float
    spread_labels: bool
    loss: str
    epoch_steps: int | None
    average: float | None
    keep: str
    frozen_encoder: bool


def finetune(dataset_folder: str, output: str, settings: Settings, progress: Progress = SILENT) -> dict[str, Any]:
    """Trains a model for the task of the dataset, or continues the run in `output`, or says that it is finished.

    Under ``torchrun`` all processes train together and the first one writes.

    Returns:
        What `training_runs.train` gives, ``real_label_share`` [%], and where there are validation tiles ``validation_iou``,
        ``validation_accuracy`` (one class per tile) or ``validation_average_precision`` (several).

    Raises:
        DataError: the dataset cannot be learned from; and see `training_runs.train`.
    """
    dataset = Dataset.open(dataset_folder)
    check_learnable(dataset, settings.crop)
    check_classes(dataset, training_share(dataset, settings.label_share, settings.seed), progress)
    if settings.spread_labels:
        check_spreadable(dataset, settings.start)
    settings = equipped(settings, output, settings.start, chosen_input(dataset, settings).names, progress)
    settings = replace(settings, context=chosen_context(dataset, settings.context, output))
    begun = Run.open(output).card if os.path.isfile(os.path.join(output, CARD)) else {}
    return train(output, FineTuning(dataset, settings, begun), progress)


def chosen_input(dataset: Dataset, settings: Settings) -> Input:
    """What the network sees: the sensor that was chosen or the first one, with those of its bands."""
    return single(dataset.choose([settings.sensor or dataset.sensors[0].name], settings.bands))


def chosen_context(dataset: Dataset, asked: int | None, output: str) -> int:
    """Pixels around tiles that are seen: those that were asked for, else those of the run that is continued, else the usual ones.

    Raises:
        DataError: some were asked for, and the tiles have no class per pixel.
    """
    if asked is not None:
        if asked and not dataset.kind.pixelwise:
            raise DataError(f"A context of {asked} px was asked for, and in {dataset.folder} a class belongs to {dataset.kind.unit} as a whole. "
                            "Leave “Context” empty.")
        return asked
    if os.path.isfile(os.path.join(output, CARD)):
        return Run.open(output).card["settings"].get("context") or 0
    return usual_context(dataset.tile_size) if dataset.kind.pixelwise and has_places(dataset) else 0


def completed(settings: Settings, dataset: Dataset, before: dict[str, Any] | None = None) -> tuple[Settings, str]:
    """The settings with a value for all that was left open, and what was chosen, in words; what a run began with, `before`, stays as it was.

    A number of epochs without a number of steps, or the other way round, leaves what was not said at one pass an epoch or at 40 epochs.
    """
    labels, start = len(training_share(dataset, settings.label_share, settings.seed)), bool(settings.start)
    radar = radar_of_several_scenes(dataset, chosen_input(dataset, settings))
    found = asdict(defaults(not dataset.kind.pixelwise, start, labels, radar)) | {"keep": keep_of(len(dataset.indices("validation")))}
    if settings.epochs is not None or settings.epoch_steps is not None:
        found |= {"epochs": FROM_SCRATCH.epochs, "epoch_steps": None}
    chosen = {name: (before or {}).get(name, value) for name, value in found.items() if getattr(settings, name) in (None, "auto")}
    return replace(settings, **chosen), sentence(chosen, labels, start)


def check_learnable(dataset: Dataset, crop: int | None) -> None:
    """Refuses a dataset that no model can be fine-tuned on.

    Raises:
        DataError: of a task that no network learns, or see `labelled_tiles.check_labelled`.
    """
    learner_of(dataset, "" if dataset.kind.dates else "pretrain on this one")
    check_labelled(dataset, crop)


class FineTuning:
    """The recipe: labelled tiles and starting weights make a network that knows their classes; how follows from the task.

    Args:
        dataset: with labels.
        settings: what was chosen.
        begun: the card of a run that is continued.
    """

    method_name = "finetune"

    def __init__(self, dataset: Dataset, settings: Settings, begun: dict[str, Any] | None = None) -> None:
        self.dataset, self.learner, begun = dataset, learner_of(dataset), begun or {}
        self.architecture = begun.get("architecture") or next(iter(self.learner.networks))
        self.settings: Any  # complete: no number of it is None that must be one
        self.settings, self.chosen = completed(settings, dataset, begun.get("settings"))
        seen = chosen_input(dataset, settings)
        self.inputs = {seen.name: seen}
        self.shown: np.ndarray | None = None
        self.pictures = ""

    @property
    def datasets(self) -> Sequence[Dataset]:
        """The labelled tiles."""
        return [self.dataset]

    def card(self) -> dict[str, Any]:
        """The kind of network."""
        return {"architecture": self.architecture, "encoder": self.settings.encoder, "chosen": self.chosen}

    def plan(self) -> Plan:
        """AdamW with warm-up and a cosine."""
        return plan_of(self.settings)

    def build(self, session: Session) -> Any:
        """The network with its starting weights, as a method to train."""
        chosen, dataset, run, progress = self.settings, self.dataset, session.run, session.progress
        if self.chosen:
            progress.message(self.chosen)
        if chosen.context:
            progress.message(f"The network sees {chosen.context} px around each tile, as it will in a map; they are not learned from.")
        if chosen.start and session.begins:
            run.card["inputs"] = [asdict(adopt_scaling(seen, chosen.start, progress)) for seen in run.inputs.values()]
        network = run.build_network()
        new = session.start(network, network.seen.names, chosen.start)
        if chosen.frozen_encoder:
            network.freeze_encoder()
        if len(dataset.sensors) > 1 and not chosen.sensor:
            names = ", ".join(sensor.name for sensor in dataset.sensors)
            progress.message(f"The dataset has images of several sensors ({names}); the network learns from those of the first.", "warning")
        if not len(dataset.indices("validation")):
            progress.message("The dataset has no validation tiles: there is no early stopping, and the last epoch is kept.", "warning")
        tiles = self.training_tiles()
        run.card.update(training_tiles=len(tiles), real_label_share=round(real_share(dataset, tiles), 2))
        if chosen.label_share < 100:
            progress.message(f"Learning from {len(tiles)} of {len(dataset.indices('training'))} training tiles: "
                             f"{run.card['real_label_share']:g} % of those with labels.")
        device, quiet = session.fabric.device, progress.part(0, 0)  # the fraction belongs to the training that follows
        guesses = self.guessed_labels(session, network, tiles, quiet) if chosen.spread_labels else None
        method = self.learner.method(dataset, network, device, Choices(
            chosen.batch_size, tiles, chosen.crop, chosen.class_weights, chosen.augmentation, chosen.loss, chosen.epoch_steps,
            chosen.epochs - 1 if chosen.keep == "last" else None, guesses, session.share, chosen.context or 0))
        if session.begins:
            method.begin(new, chosen.seed, device, quiet)
        return method

    def training_tiles(self) -> np.ndarray:
        """Positions of the tiles whose labels are used."""
        return training_share(self.dataset, self.settings.label_share, self.settings.seed)

    def guessed_labels(self, session: Session, network: Any, labelled: np.ndarray, progress: Progress) -> GuessedLabels | None:
        """Of the starting weights, before they learn; of a run that is continued those it began with."""
        tiles, run, device = self.dataset.indices("training"), session.run, session.fabric.device
        if len(labelled) == len(tiles):
            progress.message("All training tiles have labels; there are none to spread them to.")
            return None
        if not session.begins:
            return GuessedLabels.read(run.path(GUESSES), np.setdiff1d(tiles, labelled))
        features = encoder_features(network.to(device).encoder, self.dataset, network.seen, tiles, turned=True, progress=progress)
        labels = np.where(np.isin(tiles, labelled), self.dataset.labels(tiles), IGNORE)
        guesses = GuessedLabels.spread(tiles, features, labels, len(self.dataset.classes), progress)
        if session.share.rank == 0:
            guesses.write(run.path(GUESSES))
        run.card["guessed_labels"] = guesses.sentence()
        progress.message(guesses.sentence())
        return guesses

    def kept(self, method: LabelledMethod) -> Kept:
        """The network and its encoder."""
        return Kept(method.network, {"encoder": (method.network.encoder, next(iter(self.inputs)))})

    def settle(self, run: Run, method: Any, progress: Progress) -> np.ndarray | None:
        """Keeps as much of what the network added to its regression as the validation tiles are better for."""
        tiles, network = method.reader.indices("validation"), method.network
        if not isinstance(network, SpectralUNet) or self.settings.keep == "last" or not len(tiles):
            return None
        tried = tried_shares(network, tiles, method.reader, progress)
        share = best_share(tried)
        run.card["blend"] = {"share": share, "scores": [[one, found.score] for one, found in tried.items()]}
        network.blend(share)
        progress.message(blended(share, tried, FIGURES[self.dataset.kind.score]))
        return tried[share].counts if tried else None

    def facts(self, run: Run, method: LabelledMethod, sums: np.ndarray) -> dict[str, Any]:
        """On the validation tiles the figures of the classes and what is taken for what."""
        confusion = {} if self.dataset.kind.several else {"confusion": sums.tolist()}
        return {"class_scores": self.dataset.kind.figures(sums)["classes"], **confusion}

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
        found = {RESULTS[score]: metrics[score]} if score in metrics and score in RESULTS else {}
        return found | ({"real_label_share": run.card["real_label_share"]} if "real_label_share" in run.card else {})


def adopt_scaling(seen: Input, start: str, progress: Progress = SILENT) -> Input:
    """The input scaled as the starting weights know its bands, where these are of a run of ours with the same bands in the same units.

    The encoder then sees the values it was trained on, whatever the statistics of the new tiles are.

    Args:
        seen: of the new run.
        start: see `encoder_files.find_weights`.
        progress: told of a download.

    Returns:
        The input as it was where they do not fit.
    """
    card = read_card(find_weights(start, seen.names, True, progress.part(0, 0)))
    theirs = {band.get("name"): band for band in card.get("bands", [])}
    facts = ("unit", "scale", "offset")
    fits = card.get("scaling", OUR_SCALING) == OUR_SCALING and all(
        band.name in theirs and all(theirs[band.name].get(fact) == getattr(band, fact) for fact in facts)
        and all(isinstance(theirs[band.name].get(fact), (int, float)) for fact in ("centre", "spread")) for band in seen.bands)
    if not fits:
        return seen
    return replace(seen, bands=tuple(replace(band, **{fact: theirs[band.name][fact] for fact in ("centre", "spread")}) for band in seen.bands))
