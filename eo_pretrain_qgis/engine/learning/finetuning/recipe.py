"""Fine-tuning: labelled dataset, encoder and starting weights → run folder."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

import numpy as np

from ....errors import DataError
from ....progress import SILENT, Progress
from ...cards import Inputs, between_values, stacked
from ...classic.classifiers import CLASSIFIERS
from ...classic.models import Labelled
from ...datasets.dataset import DROPPED, IGNORE, SPLITS, Dataset
from ...datasets.source_images import has_places
from ...datasets.splitting.label_shares import real_share, training_share
from ...datasets.visible import for_inputs
from ...runs.answers import KeptClassifier, read_classifier
from ...runs.approaches import best_of, candidates, compared, keep, take
from ...runs.by_scene import Tried
from ...runs.fusing import ALONE, chosen_inputs
from ...runs.learnable import check_classes, check_learnable
from ...runs.pictures import pictures, shown
from ...runs.run_folder import CARD, NETWORK
from ...runs.settings_table import refuse_others
from ...runs.simple import AUTO, learned_of, levelled, tell_sensors, train_simple
from ...runs.simple import Settings as SimpleSettings
from ..fusions import FUSIONS
from ..loop import training_runs
from ..loop.runs import Run
from ..loop.shares import refuse_crop
from ..loop.training import Course, Plan
from ..loop.training_runs import Kept, Session, equipped, plan_of, train
from ..networks.class_networks import multiply_adds
from ..networks.encoders import check_tile_side
from ..networks.gaussian import GaussianClassifier, with_channels
from ..networks.spectral import AboveRegression
from ..probes import encoder_features
from ..tasks import learner_of
from .answers import TileAnswers
from .blending import best_share, blended, tried_shares
from .defaults import ENOUGH_TO_COMPARE, FROM_SCRATCH, defaults, keep_of, sentence, usual_context
from .guessed_labels import SURE, GuessedLabels, check_spreadable, usually_spread
from .heads import check_targets, heads_of, joined, of_targets, parted, said_of_targets
from .labelled_tiles import Choices, LabelledMethod, radar_of_several_scenes
from .modes import FITTED, WAYS, check_mode
from .report import run_sections
from .series import check_series
from .starts import adopt_scaling, start_branches, starts_of

GUESSES = "guessed_labels.npy"  # in the run folder


@dataclass(frozen=True)
class Settings(training_runs.Settings):
    """What can be chosen, see the job `finetune`. None and ``auto`` become one of `defaults`."""

    approach: str
    sensor: str | None
    bands: str | None
    incidence_angle: str
    crop: int | None
    context: int | None
    class_weights: str
    augmentation: str
    patience: int
    weight_decay: float
    warmup_epochs: int
    label_share: float
    spread_labels: bool | str
    early_season: bool
    fusion: str
    second_start: str | None
    loss: str
    epoch_steps: int | None
    average: float | None
    keep: str
    mode: str


def finetune(dataset_folder: str, output: str, settings: Settings, progress: Progress = SILENT, judged: bool = True) -> dict[str, Any]:
    """Trains a model for the task of the dataset, or continues the run in `output`, or says that it is finished.

    Under ``torchrun`` all processes train together and the first one writes.

    Args:
        dataset_folder: of the dataset.
        output: folder of the run.
        settings: see there.
        progress: told how far it is.
        judged: score the validation tiles and write a report; without, these tiles play no part.

    Returns:
        What `training_runs.train` gives, ``real_label_share`` [%], and where there are validation tiles ``validation_iou``,
        ``validation_accuracy`` (one class per tile) or ``validation_average_precision`` (several).

    Raises:
        DataError: the dataset cannot be learned from; and see `training_runs.train`.
    """
    begun = Run.open(output).card if os.path.isfile(os.path.join(output, CARD)) else {}
    if begun:
        settings = continued(settings, output, begun)
    if settings.approach in CLASSIFIERS:
        return train_simple(dataset_folder, output, SimpleSettings(**{one.name: getattr(settings, one.name) for one in fields(SimpleSettings)}),
                            progress)
    if settings.approach == "features":
        settings = replace(settings, mode="probe")
    dataset = Dataset.open(dataset_folder)
    if not judged:
        dataset.splits = np.where(dataset.splits == SPLITS[1], DROPPED, dataset.splits)
    for one in dataset.each_target():
        check_learnable(one)
    refuse_crop(dataset, settings.crop)
    check_mode(dataset, settings.mode)
    check_series(dataset, asdict(settings))
    check_targets(dataset, settings)
    learned = training_share(dataset, settings.label_share, settings.seed)
    for number, one in enumerate(dataset.each_target()):
        check_classes(one, learned, progress, further=number > 0)
    if settings.spread_labels in (True, "yes"):
        check_spreadable(dataset, settings.start)
    inputs, own = seen_by(settings, dataset), learner_of(dataset).encoder
    seen = stacked(inputs.values())
    first, *_, last = *inputs.values(), *inputs.values()
    start, looks = (settings.start, first) if settings.start or not settings.second_start else (settings.second_start, last)
    settings = equipped(settings, output, start, looks.names, progress, own)
    if not begun:
        starts_of(settings, inputs, progress)
    if not (dataset.kind.pixelwise or dataset.kind.dates):
        check_tile_side(settings.encoder, len(seen.bands), settings.crop or dataset.tile_size, dataset.kind.unit)
    settings = replace(settings, context=chosen_context(dataset, settings.context, begun))
    found = train(output, FineTuning(dataset, settings, begun, progress), progress, judged)
    if (told := compared(Run.open(output).card)) and os.environ.get("RANK", "0") == "0":
        progress.message(told)
    return found


def seen_by(settings: Settings, dataset: Dataset) -> Inputs:
    """What the network sees of a dataset; see `fusing.chosen_inputs`, which says what is raised."""
    return chosen_inputs(dataset, settings.sensor, settings.bands, settings.incidence_angle, settings.fusion)


def continued(settings: Settings, output: str, card: dict[str, Any]) -> Settings:
    """The settings for going on with the run in `output`, of that card: one that learned a network alone goes on so without being told.

    Raises:
        DataError: it has another approach.
    """
    begun = card["settings"].get("approach", settings.approach)
    if settings.approach == AUTO and begun == NETWORK:
        return replace(settings, approach=NETWORK)
    refuse_others(output, "a run", {"approach": begun}, {"approach": settings.approach}, settings.labels)
    return settings


def chosen_context(dataset: Dataset, asked: int | None, begun: dict[str, Any]) -> int:
    """Pixels around tiles that are seen: those that were asked for, else those of the run that is continued, else the usual ones.

    Args:
        dataset: of the tiles.
        asked: for, if any.
        begun: the card of a run that is continued; empty: there is none.

    Raises:
        DataError: some were asked for, and the tiles have no class per pixel.
    """
    if asked is not None:
        if asked and not dataset.kind.pixelwise:
            raise DataError(f"A context of {asked} px was asked for, and in {dataset.folder} a class belongs to {dataset.kind.unit} as a whole. "
                            "Leave “Context” empty.")
        return asked
    if begun:
        return begun["settings"].get("context") or 0
    # What dated tiles would see around them costs as much on each of their dates.
    return usual_context(dataset.tile_size) if dataset.kind.pixelwise and not dataset.kind.dates and has_places(dataset) else 0


def completed(settings: Settings, dataset: Dataset, before: dict[str, Any] | None = None) -> tuple[Settings, str]:
    """The settings with a value for all that was left open, and what was chosen, in words; what a run began with, `before`, stays as it was.

    A number of epochs without a number of steps, or the other way round, leaves what was not said at one pass an epoch or at 40 epochs.
    """
    if settings.mode in FITTED:
        settings = replace(settings, epochs=1, epoch_steps=0)
    labels, start = len(training_share(dataset, settings.label_share, settings.seed)), bool(settings.start or settings.second_start)
    if settings.spread_labels == AUTO:
        fitted = settings.mode in FITTED
        spread = not fitted and not dataset.targets and settings.fusion == ALONE and usually_spread(dataset, start, labels)
        settings = replace(settings, spread_labels=(before or {}).get("spread_labels", spread))
    settings = replace(settings, spread_labels=settings.spread_labels in (True, "yes"))
    radar = radar_of_several_scenes(dataset, stacked(chosen_inputs(dataset, settings.sensor, settings.bands, fusion=settings.fusion).values()))
    usual = learner_of(dataset).usual
    found = asdict(usual or defaults(not dataset.kind.pixelwise, start, labels, radar, bool(settings.spread_labels)))
    found["keep"] = keep_of(len(dataset.indices("validation")))
    if settings.mode not in FITTED and (settings.epochs is not None or settings.epoch_steps is not None):
        found |= {"epochs": (usual or FROM_SCRATCH).epochs, "epoch_steps": None}
    chosen = {name: (before or {}).get(name, value) for name, value in found.items() if getattr(settings, name) in (None, "auto")}
    return replace(settings, **chosen), "" if settings.mode in FITTED else sentence(chosen, labels, start)


class FineTuning:
    """The recipe: labelled tiles and starting weights make a network that knows their classes; how follows from the task.

    Args:
        dataset: with labels.
        settings: what was chosen.
        begun: the card of a run that is continued.
        progress: told of what is measured first.
    """

    method_name = "finetune"

    def __init__(self, dataset: Dataset, settings: Settings, begun: dict[str, Any] | None = None, progress: Progress = SILENT) -> None:
        optional = settings.fusion != ALONE and FUSIONS[settings.fusion].optional
        chosen = {name: replace(seen, optional=optional) for name, seen in seen_by(settings, dataset).items()}
        dataset = for_inputs(dataset, chosen)
        self.dataset, self.learner, begun = dataset, learner_of(dataset), begun or {}
        self.heads = heads_of(dataset)
        self.architecture = begun.get("architecture") or self.learner.kind(settings.mode, settings.encoder, settings.incidence_angle)
        self.settings: Any  # complete: no number of it is None that must be one
        self.settings, self.chosen = completed(settings, dataset, begun.get("settings"))
        self.spread_unasked = settings.spread_labels == AUTO
        self.inputs = {name: levelled(seen, dataset, settings.incidence_angle, self.training_tiles(), progress) for name, seen in chosen.items()}
        self.shown: np.ndarray | None = None
        self.settled: Tried | None = None
        #: Whether the validation tiles say which approach is kept.
        self.judged = settings.keep != "last" and len(dataset.indices("validation")) >= ENOUGH_TO_COMPARE
        self.pictures = ""

    @property
    def datasets(self) -> Sequence[Dataset]:
        """The labelled tiles."""
        return [self.dataset]

    def card(self) -> dict[str, Any]:
        """The kind of network, and the targets where there are several."""
        targets = {"target": self.dataset.target, "targets": [{"name": head.name, "classes": [asdict(row) for row in head.dataset.classes]}
                                                              for head in self.heads[1:]]} if self.dataset.targets else {}
        fusion = {"fusion": self.settings.fusion} if self.settings.fusion != ALONE else {}
        return {"architecture": self.architecture, "encoder": self.settings.encoder, "chosen": self.chosen, **fusion, **targets}

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
        starts = starts_of(chosen, run.inputs, progress)
        if session.begins:
            run.card["inputs"] = [asdict(between_values(adopt_scaling(seen, starts[name], progress))) for name, seen in run.inputs.items()]
        network = run.build_network()
        new = start_branches(session, network, starts, self.learner.start)
        if told := of_targets(self.heads, chosen.start, chosen.approach == AUTO):
            progress.message(told)
        if chosen.mode in WAYS:
            WAYS[chosen.mode](network)
        tell_sensors(dataset, self.inputs, chosen.sensor, progress)
        if not len(dataset.indices("validation")):
            progress.message("The dataset has no validation tiles: there is no early stopping, and the last epoch is kept.", "warning")
        tiles = self.training_tiles()
        run.card.update(training_tiles=len(tiles), real_label_share=round(real_share(dataset, tiles), 2))
        if not dataset.kind.dates:
            run.card["multiply_adds"] = multiply_adds(network, (chosen.crop or dataset.tile_size) + 2 * (chosen.context or 0))
        if chosen.label_share < 100:
            progress.message(f"Learning from {len(tiles)} of {len(dataset.indices('training'))} training tiles: "
                             f"{run.card['real_label_share']:g} % of those with labels.")
        labelled = Labelled(dataset, network.seen, tiles, chosen.seed, progress.part(0, 0))
        device, quiet = session.fabric.device, progress.part(0, 0)  # the fraction belongs to the training that follows
        guesses = self.guessed_labels(session, network, tiles, quiet) if chosen.spread_labels else None
        method = self.learner.method(dataset, network, device, Choices(
            chosen.batch_size, tiles, chosen.crop, chosen.class_weights, chosen.augmentation, chosen.loss, chosen.epoch_steps,
            chosen.epochs - 1 if chosen.keep == "last" else None, guesses, session.share, chosen.context or 0,
            chosen.early_season))
        if chosen.approach == AUTO and not dataset.targets and session.begins and session.share.rank == 0:
            keep(run, candidates(labelled, list(CLASSIFIERS), quiet), labelled)
        if session.begins:
            method.begin(new, labelled, device, quiet)
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
            return GuessedLabels.read(run.path(GUESSES), np.setdiff1d(tiles, labelled)) if "guessed_labels" in run.card else None
        features = encoder_features(network.to(device).encoder, self.dataset, network.seen, tiles, turned=True, progress=progress)
        labels = np.where(np.isin(tiles, labelled), self.dataset.labels(tiles), IGNORE)
        guesses = GuessedLabels.spread(tiles, features, labels, len(self.dataset.classes), progress)
        if self.spread_unasked and (guesses.checked or 0.0) < SURE:
            progress.message(f"Labels are not spread to the tiles without one: left out a fifth at a time, {100 * (guesses.checked or 0.0):.0f} % of "
                             "them are guessed right by the others.")
            return None
        if session.share.rank == 0:
            guesses.write(run.path(GUESSES))
        run.card["guessed_labels"] = guesses.sentence()
        progress.message(guesses.sentence())
        return guesses

    def kept(self, method: LabelledMethod) -> Kept:
        """The network and its encoder."""
        network: Any = method.network
        if isinstance(network, GaussianClassifier):
            return Kept(network, {"encoder": (network.encoder, with_channels(network.seen, [row.name for row in self.dataset.classes]))})
        (first, seen), *_ = branches = network.branches
        own = {f"encoder_{one.name}": (branch.encoder, one) for branch, one in branches} if len(branches) > 1 else {}
        return Kept(network, {"encoder": (first.encoder, seen), **own})

    def settle(self, run: Run, method: Any, progress: Progress) -> np.ndarray | None:
        """Keeps as much of what the network added to its regression as the validation tiles are better for, unless these decide nothing.

        Its figures are then those of a map, as those of the simple classifiers are.
        """
        tiles, network = method.reader.indices("validation"), method.network
        if not isinstance(network, AboveRegression) or not len(tiles):
            return None
        counts, shares = [], []
        for number, head in enumerate(self.heads):
            tried = tried_shares(network, tiles, method.reader, progress, number)
            share = 1.0 if self.settings.keep == "last" else best_share(tried)
            counts.append(tried[share].counts if tried else head.dataset.kind.nothing(head.classes))
            shares += [share] * head.classes
            self.settled = self.settled if number else tried.get(share)
            if self.settings.keep != "last":
                card = run.card["targets"][number - 1] if number else run.card
                card["blend"] = {"share": share, "scores": [[one, found.score] for one, found in tried.items()]}
                progress.message(f"{f'Target “{head.name}”: ' if self.dataset.targets else ''}{blended(share, tried, self.dataset.kind)}")
        if self.settings.keep != "last":
            network.blend(shares)
        return joined(counts) if any(one.sum() for one in counts) else None

    def facts(self, run: Run, method: LabelledMethod, sums: np.ndarray) -> dict[str, Any]:
        """On the validation tiles the figures of the classes and what is taken for what, of the approach that is the best so far.

        Where the validation tiles decide nothing, that is the network.
        """
        for row, said in zip(run.card.get("targets", ()), said_of_targets(self.heads, sums), strict=True):
            row.update(said)
        sums = parted(self.heads, sums)[0]
        found = self.dataset.kind.figures(sums)
        confusion = {} if self.dataset.kind.several else {"confusion": sums.tolist()}
        facts = {"class_scores": found["classes"], **confusion}
        if "approaches" in run.card:
            score = self.settled.score if self.settled else found[self.dataset.kind.score]
            doubt = {"doubt": self.settled.doubt} if self.settled and self.settled.doubt else {}
            run.card["approaches"][NETWORK] = {"score": score, **doubt, "metrics": dict(run.card["metrics"]), **facts}
            best = best_of({name: run.card["approaches"][name] for name in (run.card["simple"], NETWORK)}) if self.judged else NETWORK
            take(run.card, best)
            return {}
        return facts

    def sections(self, run: Run, method: Any, course: Course, redraw: bool) -> tuple[str, list[str]]:
        """The report."""
        if redraw:
            if self.shown is None:
                self.shown = shown(self.dataset, self.dataset.indices("validation"))
            answers = TileAnswers(method.network, method.reader) if run.kept == NETWORK else KeptClassifier(run, self.dataset)
            self.pictures = pictures(answers, self.shown)
        return run_sections(run, self.dataset, course, self.pictures)

    def result(self, run: Run) -> dict[str, Any]:
        """What was kept, its score, and the real share of the labels.

        Raises:
            ModelError: the file of what was kept is gone or damaged.
        """
        if run.kept != NETWORK:
            read_classifier(run)
        return learned_of(run)
