"""Barlow Twins on unlabelled tiles of one sensor, or of two that see the same places: encoders that know images before they see a label.

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
from ....datasets.dataset import Dataset, SensorInfo
from ....even_sample import even_sample
from ...loop import training_runs
from ...loop.processes import synchronise
from ...loop.runs import Run
from ...loop.training import Course, Plan
from ...loop.training_runs import Kept, Session, equipped, plan_of, train
from ...networks.encoders import check_view_side
from ...probes import Probe
from .method import MINIMUM_TILES, Tower, TwinNetwork, Twins, same_bands, usable_tiles
from .neighbours import Neighbours
from .report import neighbour_pictures, report_sections
from .views import ViewPlan

SMALL_BATCH = 64  # below it correlations over a batch are mostly chance
PROBE_TILES = 1200  # most labelled and most scored tiles; beyond 1000 the penalty is found in a fifth of the time, on one part held out
NEIGHBOURS = "neighbours.npy"  # in the run folder
LEARNING_RATES = {"adam": 1e-3, "adamw": 1e-3, "lars": 0.2}  # of LARS for 256 tiles (Zbontar et al., arXiv 2103.03230, §2.2)


@dataclass(frozen=True)
class Settings(training_runs.Settings, ViewPlan):
    """What can be chosen, see the job `pretrain_barlow_twins`."""

    sensors: str
    sensor: str | None
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
        What `training_runs.train` gives, and of the best epoch ``validation_loss``, ``feature_rank`` and ``probe_accuracy`` where known.

    Raises:
        DataError: the dataset cannot be learned from, or the probe has no labels; and see `training_runs.train`.
    """
    if settings.batch_size < 2:
        raise DataError("A batch of 1 tile cannot be compared with itself: the loss correlates dimensions over a batch. "
                        "Choose a batch size of 2 at least, better 128 or more.")
    dataset = Dataset.open(dataset_folder)
    sensors = chosen_sensors(dataset, settings)
    settings = equipped(settings, output, settings.start, sensors[0].bands, progress)
    check_trainable(dataset, sensors, settings)
    probe = None
    if settings.probe:
        labelled = Dataset.open(settings.probe)
        probe = Probe(labelled, settings.probe_share, settings.seed, most=PROBE_TILES, sensor=_same_bands(labelled, sensors).name)
    return train(output, BarlowTwins(dataset, sensors, settings, probe), progress)


def chosen_sensors(dataset: Dataset, settings: Settings) -> list[SensorInfo]:
    """The sensor to learn from, or the pair.

    Raises:
        DataError: one is asked for and there are several, a pair is asked for and there is none, or no sensor has the name.
    """
    where, names = dataset.folder, [sensor.name for sensor in dataset.sensors]
    if settings.sensors == "pair":
        if len(names) != 2:
            raise DataError(f"A pair of sensors was asked for, but the dataset {where} has {len(names)} ({', '.join(names)}). "
                            "Choose “one”, or make a dataset of two sensors with “Create pretraining dataset”.")
        if not len(np.intersect1d(dataset.indices("training", names[0]), dataset.indices("training", names[1]))):
            raise DataError(f"The sensors {names[0]} and {names[1]} of the dataset {where} are not paired: no tile shows both. "
                            "Make it with paired sensors, or choose “one” and a sensor.")
        return list(dataset.sensors)
    if settings.sensor and settings.sensor not in names:
        raise DataError(f"The dataset {where} has no sensor “{settings.sensor}”. It has: {', '.join(names)}.")
    if len(names) > 1 and not settings.sensor:
        raise DataError(f"The dataset {where} has tiles of {len(names)} sensors ({', '.join(names)}), and one is asked for. "
                        "Name it in “Sensor”, or choose “pair” to learn from both.")
    return [sensor for sensor in dataset.sensors if sensor.name == (settings.sensor or names[0])]


def check_trainable(dataset: Dataset, sensors: Sequence[SensorInfo], settings: Settings) -> None:
    """Refuses tiles that nothing can be learned from.

    Raises:
        DataError: of series, too few, all constant, or smaller than a view; the shares of a tile in a view are no range, or views are
            smaller than a kernel of the encoder.
    """
    where = dataset.folder
    settings.shares(dataset.tile_size)
    if settings.neighbours and not settings.start:
        raise DataError(f"{settings.neighbours} neighbours of each tile were asked for, which the features of starting weights have to find, and "
                        "there are none. Pretrain without neighbours first and start from that run, or choose 0.")
    if dataset.kind.dates:
        raise DataError(f"The dataset {where} holds series of single pixels, which have no views. Choose a dataset of tiles.")
    tiles = usable_tiles(dataset, "training", sensors)
    if len(tiles) < MINIMUM_TILES:
        raise DataError(f"The dataset {where} has {len(tiles)} training tiles, and Barlow Twins compares tiles with each other: it needs "
                        f"{MINIMUM_TILES} at least and some hundreds to be of use. Cut more or smaller tiles.")
    sample = even_sample(tiles, 200)
    for sensor in sensors:
        images = dataset.images(sample, sensor.name)
        valid = sensor.valid(images)[:, None]
        highest = np.where(valid, images, -np.inf).max((2, 3))
        if not (highest > np.where(valid, images, np.inf).min((2, 3))).any():
            raise DataError(f"The training tiles of {sensor.name} in {where} are constant: every band has one value in each of them. "
                            "Look at the images and their nodata value, and make the dataset again.")
    if settings.crop and settings.crop > 4 * dataset.tile_size:
        raise DataError(f"Views of {settings.crop} px would enlarge tiles of {dataset.tile_size} px more than four times. "
                        f"Choose a crop of at most {4 * dataset.tile_size} px.")
    check_view_side(settings.encoder, len(sensors[0].bands), settings.crop or dataset.tile_size)


class BarlowTwins:
    """The recipe: unlabelled tiles make an encoder that tells them apart, whatever the light."""

    method_name = "barlow twins"

    def __init__(self, dataset: Dataset, sensors: Sequence[SensorInfo], settings: Settings, probe: Probe | None = None) -> None:
        self.dataset, self.sensors, self.settings, self.probe = dataset, list(sensors), settings, probe
        self.inputs = {sensor.name: dataset.inputs[sensor.name] for sensor in sensors}
        self.pictures = ""

    @property
    def datasets(self) -> Sequence[Dataset]:
        """The unlabelled tiles; labels of the probe are not learned."""
        return [self.dataset]

    def card(self) -> dict[str, Any]:
        """The encoder."""
        return {"architecture": "barlow twins", "encoder": self.settings.encoder}

    def plan(self) -> Plan:
        """Adam with warm-up and a cosine, or LARS as in the paper; no early stopping, as features go on improving when the loss rests."""
        chosen, lars = self.settings, self.settings.optimizer == "lars"
        rate = chosen.learning_rate or LEARNING_RATES[chosen.optimizer] * (chosen.batch_size / 256 if lars else 1)
        return plan_of(chosen, learning_rate=rate, patience=chosen.epochs + 1, final_rate=0.001 if lars else 0.0, clip_norm=None)

    def build(self, session: Session) -> Twins:
        """The towers with their starting weights, as a method to train."""
        chosen, dataset, card = self.settings, self.dataset, session.run.card
        towers = [Tower(chosen.encoder, seen, chosen.projector_width) for seen in self.inputs.values()]
        for tower, seen in zip(towers, self.inputs.values()):
            session.start(tower, seen.names, chosen.start)
        network = TwinNetwork(towers)
        if session.share.processes > 1:
            synchronise(network)
        method = Twins(dataset, self.sensors, network, chosen, session.fabric.device, self.probe, session.share, session.progress)
        self._say(method, session.progress)
        if chosen.neighbours:
            method.neighbours = self._neighbours(session, method)
        if self.probe and "probe_baseline" not in card:
            card["probe_baseline"] = self.probe.statistics()
        return method

    def _neighbours(self, session: Session, method: Twins) -> Neighbours:
        """Of the starting weights, before they learn; of a run that is continued those it began with."""
        quiet, kept = session.progress.part(0, 0), session.run.path(NEIGHBOURS)  # the fraction belongs to the training that follows
        if not session.begins:
            found = Neighbours.read(kept, method.tiles)
        else:
            features = [method.features(number, method.tiles, quiet, turned=True) for number in range(len(method.towers))]
            found = Neighbours.find(method.tiles, features, self.settings.neighbours, quiet)
            if session.share.rank == 0:
                found.write(kept)
        session.run.card["neighbours"] = found.sentence()
        session.progress.message(found.sentence())
        return found

    def _say(self, method: Twins, progress: Progress) -> None:
        batch = -(-len(method.tiles) // method.steps)
        if batch < SMALL_BATCH:
            progress.message(f"Batches of {batch} tiles are small for Barlow Twins, which correlates the dimensions of the features over a "
                             "batch; 128 and more are usual. Adding up the gradients of several batches is not the same as a larger one. "
                             "Choose a larger batch size and more tiles, or let several processes share it with torchrun.", "warning")
        if len(method.held_out) < MINIMUM_TILES:
            progress.message(f"The dataset has {len(method.held_out) or 'no'} validation tiles, too few to measure the loss and the rank of the "
                             "features on: " + ("the probe alone decides which epoch is kept." if self.probe else "the last epoch is kept."),
                             "warning")

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
        return report_sections(run, course, self.pictures)

    def result(self, run: Run) -> dict[str, Any]:
        """Figures of the best epoch."""
        metrics = run.card["metrics"]
        names = {"validation_loss": "validation_loss", "feature_rank": "feature_rank", "probe_score": "probe_accuracy"}
        return {ours: metrics[theirs] for theirs, ours in names.items() if theirs in metrics}


def _same_bands(labelled: Dataset, sensors: Sequence[SensorInfo]) -> SensorInfo:
    """The sensor of the probe that has the bands of one of ours, in their order and units."""
    for found in labelled.sensors:
        if any(same_bands(sensor.bands, found.bands) for sensor in sensors):
            return found
    ours, theirs = ("; ".join(", ".join(band.name for band in sensor.bands) for sensor in group) for group in (sensors, labelled.sensors))
    raise DataError(f"The labelled dataset {labelled.folder} has the bands {theirs}, but the encoder learns from {ours}. "
                    "Choose one of the same bands, order and units, or none.")
