"""Barlow Twins on unlabelled tiles or series of one sensor, or of two that see the same places: encoders that know images before they see a label.

Two views of each tile, see `views`, go through the encoder and a projector; the loss, see `barlow_loss`, wants the same embedding for both
and no dimension that repeats another. Of two sensors, each is also a view of the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .....errors import DataError
from .....progress import SILENT, Progress
from ....cards import Inputs
from ....datasets.dataset import Dataset
from ....even_sample import even_sample
from ...loop import training_runs
from ...loop.processes import synchronise
from ...loop.runs import Run
from ...loop.training import Course, Plan
from ...loop.training_runs import Kept, Session, equipped, plan_of, train
from ...networks.encoders import check_view_side
from ...networks.series_start import chosen_series_encoder, stand_in_the_middle, start_series
from ...networks.starting_weights import start_from
from ...probes import Probe
from .method import MINIMUM_TILES, ImageTower, TwinNetwork, Twins
from .neighbours import Neighbours
from .report import neighbour_pictures, report_sections
from .series import SeriesTower, SeriesTwins, check_series_views
from .views import ViewPlan

SMALL_BATCH = 64  # below it correlations over a batch are mostly chance
PROBE_TILES = 1200  # most labelled and most scored tiles; beyond 1000 the penalty is found in a fifth of the time, on one part held out
NEIGHBOURS = "neighbours.npy"  # in the run folder
MORE_TILES = "Cut more or smaller tiles"
LEARNING_RATES = {"adam": 1e-3, "adamw": 1e-3, "lars": 0.2}  # of LARS for 256 tiles (Zbontar et al., arXiv 2103.03230, §2.2)


@dataclass(frozen=True)
class Settings(training_runs.Settings, ViewPlan):
    """What can be chosen, see the job `pretrain_barlow_twins`."""

    sensors: str
    sensor: str | None
    bands: str | None
    probe: str | None
    optimizer: str
    weight_decay: float
    warmup_epochs: int
    redundancy_weight: float
    neighbours: int
    projector_width: int
    shared: float
    probe_share: float
    probe_every: int


def pretrain_barlow_twins(dataset_folder: str, output: str, settings: Settings, progress: Progress = SILENT) -> dict[str, Any]:
    """Trains an encoder without labels, or continues the run in `output`, or says that it is finished.

    Under ``torchrun`` all processes train together on one batch of all their tiles, and the first one writes.

    Returns:
        What `training_runs.train` gives, and of the kept epoch ``validation_loss``, ``feature_rank`` and ``probe_accuracy`` where known.

    Raises:
        DataError: the dataset cannot be learned from, or the probe has no labels; and see `training_runs.train`.
    """
    if settings.batch_size < 2:
        raise DataError("A batch of 1 tile cannot be compared with itself: the loss correlates dimensions over a batch. "
                        "Choose a batch size of 2 at least, better 128 or more.")
    dataset = Dataset.open(dataset_folder)
    inputs = chosen_inputs(dataset, settings)
    settings = equipped(settings, output, settings.start, next(iter(inputs.values())).names, progress,
                        chosen_series_encoder if dataset.kind.dates else None)
    check_trainable(dataset, inputs, settings)
    probe = None
    if settings.probe:
        labelled = Dataset.open(settings.probe)
        _refuse_other_bands(labelled, inputs)
        probe = Probe(labelled, settings.probe_share, settings.seed, most=PROBE_TILES)
    return train(output, BarlowTwins(dataset, inputs, settings, probe), progress)


def chosen_inputs(dataset: Dataset, settings: Settings) -> Inputs:
    """The sensor to learn from, or the pair, with those of their bands that were chosen.

    Raises:
        DataError: one is asked for and there are several, a pair is asked for and there is none, or no sensor has the name.
    """
    where, names = dataset.folder, [sensor.name for sensor in dataset.sensors]
    if settings.sensors == "pair":
        if len(names) != 2:
            raise DataError(f"A pair of sensors was asked for, but the dataset {where} has {len(names)} ({', '.join(names)}). "
                            "Choose “one”, or make a dataset of two sensors with “Create pretraining dataset”.")
        if not len(dataset.indices("training", *names)):
            raise DataError(f"The sensors {names[0]} and {names[1]} of the dataset {where} are not paired: no tile shows both. "
                            "Make it with paired sensors, or choose “one” and a sensor.")
        return dataset.choose(names, settings.bands)
    if settings.sensor and settings.sensor not in names:
        raise DataError(f"The dataset {where} has no sensor “{settings.sensor}”. It has: {', '.join(names)}.")
    if len(names) > 1 and not settings.sensor:
        raise DataError(f"The dataset {where} has tiles of {len(names)} sensors ({', '.join(names)}), and one is asked for. "
                        "Name it in “Sensor”, or choose “pair” to learn from both.")
    return dataset.choose([settings.sensor or names[0]], settings.bands)


def check_trainable(dataset: Dataset, inputs: Inputs, settings: Settings) -> None:
    """Refuses tiles that nothing can be learned from.

    Raises:
        DataError: too few, all constant, or smaller than a view; the shares of a tile in a view are no range, or views are smaller than a kernel
            of the encoder; and see `check_series_views`.
    """
    where, pieces = dataset.folder, dataset.kind.pieces
    if settings.neighbours and not settings.start:
        raise DataError(f"{settings.neighbours} neighbours of each tile were asked for, which the features of starting weights have to find, and "
                        "there are none. Pretrain without neighbours first and start from that run, or choose 0.")
    tiles = dataset.indices("training", *(seen.sensor for seen in inputs.values()))
    if len(tiles) < MINIMUM_TILES:
        raise DataError(f"The dataset {where} has {len(tiles)} training {pieces}, and Barlow Twins compares {pieces} with each other: it needs "
                        f"{MINIMUM_TILES} at least and some hundreds to be of use. {'Take more places' if dataset.kind.dates else MORE_TILES}.")
    check = check_series_views if dataset.kind.dates else _check_image_views
    check(dataset, inputs, settings)


def _check_image_views(dataset: Dataset, inputs: Inputs, settings: Settings) -> None:
    """See `check_trainable`."""
    where = dataset.folder
    settings.shares(dataset.tile_size)
    sample = even_sample(dataset.indices("training", *(seen.sensor for seen in inputs.values())), 200)
    for seen in inputs.values():
        images, valid = dataset.read(seen, sample)
        highest = np.where(valid[:, None], images, -np.inf).max((2, 3))
        if not (highest > np.where(valid[:, None], images, np.inf).min((2, 3))).any():
            raise DataError(f"The training tiles of {seen.sensor} in {where} are constant: every band has one value in each of them. "
                            "Look at the images and their nodata value, and make the dataset again.")
    if settings.crop and settings.crop > 4 * dataset.tile_size:
        raise DataError(f"Views of {settings.crop} px would enlarge tiles of {dataset.tile_size} px more than four times. "
                        f"Choose a crop of at most {4 * dataset.tile_size} px.")
    check_view_side(settings.encoder, len(next(iter(inputs.values())).bands), settings.crop or dataset.tile_size)


class BarlowTwins:
    """The recipe: unlabelled tiles make an encoder that tells them apart, whatever the light."""

    method_name = "barlow twins"

    def __init__(self, dataset: Dataset, inputs: Inputs, settings: Settings, probe: Probe | None = None) -> None:
        self.dataset, self.inputs, self.settings, self.probe = dataset, inputs, settings, probe
        self.pictures = ""

    @property
    def datasets(self) -> Sequence[Dataset]:
        """The unlabelled tiles; labels of the probe are not learned."""
        return [self.dataset]

    def card(self) -> dict[str, Any]:
        """The encoder."""
        return {"architecture": "barlow twins", "encoder": self.settings.encoder}

    def plan(self) -> Plan:
        """Adam with warm-up and a cosine, or LARS as in the paper; no early stopping, as features go on improving when the loss rests.

        A probe with labels chooses the epoch; without one the last is kept, because the loss does not say what features are worth.
        """
        chosen, lars = self.settings, self.settings.optimizer == "lars"
        rate = chosen.learning_rate or LEARNING_RATES[chosen.optimizer] * (chosen.batch_size / 256 if lars else 1)
        return plan_of(chosen, learning_rate=rate, keep="best" if self.probe else "last",
                       patience=chosen.epochs + 1, final_rate=0.001 if lars else 0.0, clip_norm=None)

    def build(self, session: Session) -> Twins:
        """The towers with their starting weights, as a method to train."""
        chosen, dataset, card = self.settings, self.dataset, session.run.card
        kind, of_kind, way = (SeriesTower, SeriesTwins, start_series) if dataset.kind.dates else (ImageTower, Twins, start_from)
        towers = [kind(chosen.encoder, seen, chosen.projector_width) for seen in self.inputs.values()]
        for tower, seen in zip(towers, self.inputs.values()):
            session.start(tower, seen.names, chosen.start, way=way)
            stand_in_the_middle(tower.encoder, dataset)
        network = TwinNetwork(towers)
        if session.share.processes > 1:
            synchronise(network)
        method = of_kind(dataset, network, chosen, session.fabric.device, self.probe, session.share, session.progress)
        self._say(method, session.progress)
        if chosen.neighbours:
            method.neighbours = self._neighbours(session, method)
        if self.probe and "probe_baseline" not in card:
            card["probe_baseline"] = self.probe.statistics(method.asked.seen)
        return method

    def _neighbours(self, session: Session, method: Twins) -> Neighbours:
        """Of the starting weights, before they learn; of a run that is continued those it began with."""
        quiet, kept = session.progress.part(0, 0), session.run.path(NEIGHBOURS)  # the fraction belongs to the training that follows
        if not session.begins:
            found = Neighbours.read(kept, method.tiles)
        else:
            features = [method.features(tower, method.tiles, quiet, turned=True) for tower in method.towers]
            found = Neighbours.find(method.tiles, features, self.settings.neighbours, quiet)
            if session.share.rank == 0:
                found.write(kept)
        session.run.card["neighbours"] = found.sentence()
        session.progress.message(found.sentence())
        return found

    def _say(self, method: Twins, progress: Progress) -> None:
        batch, pieces = -(-len(method.tiles) // method.steps), method.dataset.kind.pieces
        if batch < SMALL_BATCH:
            progress.message(f"Batches of {batch} {pieces} are small for Barlow Twins, which correlates the dimensions of the features over a "
                             "batch; 128 and more are usual. Adding up the gradients of several batches is not the same as a larger one. "
                             f"Choose a larger batch size and more {pieces}, or let several GPUs share it (device “cuda:all”).", "warning")
        if len(method.held_out) < MINIMUM_TILES:
            progress.message(f"The dataset has {len(method.held_out) or 'no'} validation {pieces}, too few to measure the loss and the rank of the "
                             "features on.", "warning")

    def kept(self, method: Twins) -> Kept:
        """The towers, and the encoder of each sensor."""
        first, *others = method.towers
        own = {f"encoder_{name}": (tower.encoder, name) for name, tower in zip(self.inputs, method.towers)} if others else {}
        return Kept(method.network if others else first, {"encoder": (first.encoder, next(iter(self.inputs))), **own})

    def facts(self, run: Run, method: Twins, sums: np.ndarray) -> dict[str, Any]:
        """None beside the figures."""
        return {}

    def sections(self, run: Run, method: Twins, course: Course, redraw: bool) -> tuple[str, list[str]]:
        """The report."""
        if redraw:
            self.pictures = neighbour_pictures(method)
        return report_sections(run, self.dataset, course, self.pictures)

    def result(self, run: Run) -> dict[str, Any]:
        """Figures of the kept epoch."""
        metrics = run.card["metrics"]
        names = {"validation_loss": "validation_loss", "feature_rank": "feature_rank", "probe_score": "probe_accuracy"}
        return {ours: metrics[theirs] for theirs, ours in names.items() if theirs in metrics}


def _refuse_other_bands(labelled: Dataset, inputs: Inputs) -> None:
    """Refuses a labelled dataset that has the bands of no input."""
    if any(labelled.find(seen) for seen in inputs.values()):
        return
    theirs, ours = ("; ".join(", ".join(band.name for band in one.bands) for one in group) for group in (labelled.sensors, inputs.values()))
    raise DataError(f"The labelled dataset {labelled.folder} has the bands {theirs}, but the encoder learns from {ours}. "
                    "Choose one of the same bands and units, or none.")
