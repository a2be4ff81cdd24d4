"""Barlow Twins on unlabelled tiles of one sensor, or of two that see the same places: encoders that know images before they see a label.

Two views of each tile, see `views`, go through the encoder and a projector; the loss, see `barlow_loss`, wants the same embedding for both
and no dimension that repeats another. Of two sensors, each is also a view of the other.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from lightning_fabric import Fabric

from .....errors import DataError
from .....progress import SILENT, Progress
from ....datasets.dataset import Dataset, SensorInfo
from ....even_sample import even_sample
from ...loop.checkpoints import load_tensors
from ...loop.device import pick_device, pick_precision
from ...loop.processes import synchronise
from ...loop.runs import CHECKPOINT, WEIGHTS, Run, band_cards
from ...loop.training import Course, Plan
from ...loop.training_runs import train
from ...networks.encoders import check_encoder_name, check_view_side
from ...networks.starting_weights import start_from
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
class Settings(ViewPlan):
    """What can be chosen; the names are those of the job `pretrain_barlow_twins`, which explains them."""

    sensors: str = "one"
    sensor: str | None = None
    encoder: str = "resnet18"
    start: str | None = None
    probe: str | None = None
    epochs: int = 100
    batch_size: int = 256
    learning_rate: float | None = None
    optimizer: str = "adam"
    weight_decay: float = 1e-6
    warmup_epochs: int = 10
    redundancy_weight: float = 0.005
    neighbours: int = 0
    projector_width: int = 2048
    shared: float = 0.875
    probe_share: float = 100.0
    probe_every: int = 5
    precision: str = "auto"
    device: str = "auto"
    seed: int = 1


def pretrain_barlow_twins(dataset_folder: str, output: str, settings: Settings, progress: Progress = SILENT) -> dict[str, Any]:
    """Trains an encoder without labels, or continues the run in `output`, or says that it is finished.

    Under ``torchrun`` all processes train together on one batch of all their tiles, and the first one writes.

    Returns:
        What `training_runs.train` gives, and of the best epoch ``validation_loss``, ``feature_rank`` and ``probe_accuracy`` where known.

    Raises:
        DataError: the dataset cannot be learned from, the probe has no labels, or `output` holds something else.
        ModelError: the encoder is unknown or the starting weights do not fit.
        EngineError: the device is not there, its memory too small, or the loss diverged.
    """
    pick_precision(settings.precision, pick_device(settings.device))  # the quickest refusals first
    check_encoder_name(settings.encoder)
    if settings.batch_size < 2:
        raise DataError("A batch of 1 tile cannot be compared with itself: the loss correlates dimensions over a batch. "
                        "Choose a batch size of 2 at least, better 128 or more.")
    dataset = Dataset.open(dataset_folder)
    sensors = chosen_sensors(dataset, settings)
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
        self.pictures = ""

    @property
    def datasets(self) -> Sequence[Dataset]:
        """The unlabelled tiles; labels of the probe are not learned."""
        return [self.dataset]

    def card(self) -> dict[str, Any]:
        """The encoder, and the bands of the sensor it is for."""
        first = self.sensors[0]
        pair = {sensor.name: band_cards(self.dataset, sensor) for sensor in self.sensors} if len(self.sensors) > 1 else None
        return {"architecture": "barlow twins", "encoder": self.settings.encoder, "sensor": first.name, "preset": first.preset,
                "bands": band_cards(self.dataset, first), **({"sensors": pair} if pair else {})}

    def plan(self) -> Plan:
        """Adam with warm-up and a cosine, or LARS as in the paper; no early stopping, as features go on improving when the loss rests."""
        chosen, lars = self.settings, self.settings.optimizer == "lars"
        rate = chosen.learning_rate or LEARNING_RATES[chosen.optimizer] * (chosen.batch_size / 256 if lars else 1)
        return Plan(chosen.epochs, rate, chosen.weight_decay, chosen.warmup_epochs, chosen.epochs + 1, chosen.seed,
                    optimizer=chosen.optimizer, final_rate=0.001 if lars else 0.0, clip_norm=None)

    def build(self, run: Run, fabric: Fabric, progress: Progress) -> Twins:
        """The towers with their starting weights, as a method to train."""
        chosen, dataset = self.settings, self.dataset
        towers = [Tower(chosen.encoder, band_cards(dataset, sensor), chosen.projector_width) for sensor in self.sensors]
        if chosen.start and not os.path.exists(run.path(CHECKPOINT)):
            for tower, sensor in zip(towers, self.sensors):
                matched = start_from(tower, chosen.start, [band.name for band in sensor.bands], progress)
                run.card["start"] = {"path": chosen.start, "summary": matched.sentence(), **asdict(matched)}
                progress.message(matched.sentence())
        network = TwinNetwork(towers)
        if fabric.world_size > 1:
            synchronise(network)
        method = Twins(dataset, self.sensors, network, chosen, fabric.device, self.probe, fabric.global_rank, progress)
        self._say(method, fabric.world_size, progress)
        if chosen.neighbours:
            method.neighbours = self._neighbours(run, method, progress)
        if self.probe and "probe_baseline" not in run.card:
            run.card["probe_baseline"] = self.probe.statistics()
        return method

    def _neighbours(self, run: Run, method: Twins, progress: Progress) -> Neighbours:
        """Of the starting weights, before they learn; of a run that is continued those it began with."""
        quiet = progress.part(0, 0)  # the fraction belongs to the training that follows
        if os.path.exists(run.path(CHECKPOINT)):
            found = Neighbours.read(run.path(NEIGHBOURS), method.tiles)
        else:
            features = [method.features(number, method.tiles, quiet, turned=True) for number in range(len(method.towers))]
            found = Neighbours.find(method.tiles, features, self.settings.neighbours, quiet)
            if method.rank == 0:
                found.write(run.path(NEIGHBOURS))
        run.card["neighbours"] = found.sentence()
        progress.message(found.sentence())
        return found

    def _say(self, method: Twins, processes: int, progress: Progress) -> None:
        batch = -(-len(method.tiles) // method.steps)
        if batch < SMALL_BATCH:
            progress.message(f"Batches of {batch} tiles are small for Barlow Twins, which correlates the dimensions of the features over a "
                             "batch; 128 and more are usual. Adding up the gradients of several batches is not the same as a larger one. "
                             "Choose a larger batch size and more tiles, or let several processes share it with torchrun.", "warning")
        if len(method.held_out) < MINIMUM_TILES:
            progress.message(f"The dataset has {len(method.held_out) or 'no'} validation tiles, too few to measure the loss and the rank of the "
                             "features on: " + ("the probe alone decides which epoch is kept." if self.probe else "the last epoch is kept."),
                             "warning")

    def save(self, run: Run, method: Twins, sums: np.ndarray) -> None:
        """The towers, and the encoder of each sensor."""
        towers = method.towers
        run.save_network(towers[0] if len(towers) == 1 else method.network)
        run.save_encoder(towers[0].encoder)
        for sensor, tower in zip(self.sensors, towers) if len(towers) > 1 else ():
            run.save_encoder(tower.encoder, f"encoder_{sensor.name}", sensor=sensor.name, preset=sensor.preset,
                             bands=band_cards(self.dataset, sensor))

    def load_best(self, run: Run, method: Twins) -> None:
        """The best weights back into the towers."""
        towers = method.towers
        (towers[0] if len(towers) == 1 else method.network).load_state_dict(load_tensors(run.path(WEIGHTS)))

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
