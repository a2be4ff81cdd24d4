"""The tasks that share a network: what each one is, what it sees of its dataset, and the network that joins them."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import nn

from .....errors import DataError
from .....progress import SILENT, Progress
from ....cards import Input, InputBand, SensorInfo, SeriesDays, single
from ....datasets.dataset import Dataset
from ....datasets.dates import YEAR, season_words
from ....rasters.sensors import Band
from ...networks.class_networks import renew_statistics
from ...networks.series_start import OVERLAP
from ..inpainting.method import Filling
from .reptile import Forward

#: Parts of a network that tasks share wherever they have them; what else a network has is its head.
SHARED = ("encoder", "decoder", "detail")
PASSES = 10_000  # a task goes through its tiles fewer times than this in an epoch


class SharedNetwork(nn.Module):
    """The networks of several tasks, with one encoder for all, one decoder for those that give a map, and a head each.

    The decoder and the two layers at full resolution are shared because a map of roads and one of land cover need the same borders,
    because a fine-tuned U-Net then starts with a decoder and not only with an encoder, and because a decoder for each task would let the
    tasks solve in it what the encoder should learn. The head is the last layer alone, so that the tasks differ as little as they can.

    Args:
        networks: one per task, by a name without dots; those of the first network with a decoder are the shared parts.
    """

    def __init__(self, networks: dict[str, nn.Module]) -> None:
        super().__init__()
        self.tasks = nn.ModuleDict(networks)
        for name in SHARED:
            owners = [network for network in networks.values() if hasattr(network, name)]
            for network in owners:
                setattr(network, name, getattr(owners[0], name))

    def forward(self, images: dict[str, torch.Tensor], key: str) -> torch.Tensor:
        """Output of the network of the task `key` for images in stored units, float32 (n, band, y, x)."""
        return self.tasks[key](images)

    @property
    def dense(self) -> nn.Module:
        """The first network with a decoder, or else the first; through it pass the shared layers."""
        networks = list(self.tasks.values())
        return next((network for network in networks if hasattr(network, "decoder")), networks[0])

    def shared(self) -> nn.ModuleDict:
        """Encoder, decoder and detail, named as in a network of a single task."""
        return nn.ModuleDict({name: getattr(self.dense, name) for name in SHARED if hasattr(self.dense, name)})

    def named(self) -> nn.ModuleDict:
        """Every tensor once: the shared parts, and ``heads`` by task."""
        heads = {key: nn.ModuleDict({name: part for name, part in network.named_children() if name not in SHARED})
                 for key, network in self.tasks.items()}
        return nn.ModuleDict({**self.shared(), "heads": nn.ModuleDict(heads)})


@dataclass
class Task:
    """One task: a method of the loop with a single part, trained through the shared network.

    Attributes:
        name: for people.
        key: name of its head.
        kind: what is learned, for people.
        dataset: what it learns from.
        method: hands out batches, measures.
        network: of this task.
        images: batches of images that the statistics of normalisation layers are measured on.
    """

    name: str
    key: str
    kind: str
    dataset: Dataset
    method: Any = None
    network: Any = None
    images: Callable[[], Iterator[dict[str, torch.Tensor]]] = lambda: iter(())

    @property
    def size(self) -> int:
        """Training tiles."""
        return len(self.dataset.indices("training", self.network.seen.sensor))

    def batches(self, seed: int, epoch: int) -> Iterator[Any]:
        """Batches without end: the training tiles again and again, each time in another order."""
        for number in itertools.count():
            yield from self.method.batches(seed, epoch * PASSES + number)

    def loss(self, forward: Forward, batch: Any) -> torch.Tensor:
        """The loss of a batch for outputs of `forward`."""
        return self.method.loss("network", {"network": forward}, batch)

    def figures(self, sums: np.ndarray) -> dict[str, float]:
        """What the method makes of its sums, and ``score``: a mean IoU, an accuracy, or for hidden regions the share of a mean fill's
        error that is saved. All are 1 where nothing is left to gain, and comparable enough to be averaged; PSNR in dB is not.
        """
        found = self.method.figures(sums)
        if not found or not isinstance(self.method, Filling):
            return {**found, "score": found[self.method.score]} if found else {}
        compared = self.method.compared(sums)
        if not compared:
            return {}
        simple = compared["all"]["mean"]
        return {**found, "score": 1 - found["l1"] / max(simple["l1"], 1e-9), **{f"{name}_of_mean_fill": simple[name] for name in simple}}

    def renew(self) -> None:
        """Measures the normalisation layers on this task's training images."""
        renew_statistics(self.network, self.images())


def common_inputs(datasets: Sequence[Dataset], bands: str | None = None, progress: Progress = SILENT) -> list[Input]:
    """What is seen of each dataset: the same bands, in the order and in the stored units of the first one, with statistics of its own.

    Args:
        datasets: two or more.
        bands: names of those to take, separated by commas; all for none.
        progress: told of another order, of values that are converted, and of pixels of other sizes.

    Raises:
        DataError: fewer than two datasets, a copy of another, or bands, units or sensors that differ.
    """
    if len(datasets) < 2:
        only = f"Only one dataset is given ({datasets[0].folder})" if datasets else "No dataset is given"
        raise DataError(f"{only}, and sharing needs two or more. Add another dataset of the same sensor, or use “Fine-tune a model”.")
    for number, dataset in enumerate(datasets):
        twin = next((other for other in datasets[:number] if other.checksum == dataset.checksum), None)
        if twin is not None:
            raise DataError(f"The same dataset is given as {twin.folder} and {dataset.folder}. Give each dataset once; how often a task is trained "
                            "is up to “Tasks are drawn”.")
    first = datasets[0]
    shared = next((sensor for sensor in first.sensors if all(_alike(other, sensor.bands) for other in datasets)), first.sensors[0])
    wanted = single(first.choose([shared.name], bands))
    found = [_matching(dataset, wanted, first, bool(bands)) for dataset in datasets]
    for dataset, own in zip(datasets, found):
        order = [band.name for band in dataset.sensor_named(own.sensor).bands if band.name in wanted.names]
        if order != wanted.names and not bands:
            progress.message(f"The bands of {dataset.folder} are in another order ({', '.join(order)}); they are read as "
                             f"{', '.join(wanted.names)}, by name.")
        if _stored(own) != _stored(wanted):
            progress.message(f"The values of {dataset.folder} are stored with another scale or offset; they are converted to those of "
                             f"{first.folder}.")
    sizes = [dataset.description["resolution_m"] for dataset in datasets]
    if max(size[0] for size in sizes) > 1.05 * min(size[0] for size in sizes):
        progress.message("The pixels of the datasets differ in size (" + ", ".join(f"{size[0]:g} m" for size in sizes) +
                         "); a thing then looks different in each, and the shared layers have to learn it several times.", "warning")
    return [replace(own, bands=tuple(map(_converted, own.bands, wanted.bands))) for own in found]


def _stored(seen: Input) -> list[tuple[float, float]]:
    return [(band.scale, band.offset) for band in seen.bands]


def _converted(band: InputBand, wanted: InputBand) -> InputBand:
    """The band with its statistics in the stored units of another one, see `Dataset.read`."""
    factor, shift = band.scale / wanted.scale, (band.offset - wanted.offset) / wanted.scale
    moved = {name: getattr(band, name) * factor + shift for name in ("mean", "minimum", "maximum", "p001", "p999", "centre")}
    return replace(band, scale=wanted.scale, offset=wanted.offset, std=band.std * factor, spread=band.spread * factor, **moved)


def same_scenes(datasets: Sequence[Dataset]) -> list[str]:
    """Paths of images that more than one dataset was cut from: a validation tile of one may be a training tile of another."""
    found: dict[str, str] = {}
    several = set()
    for dataset in datasets:
        own = {scene["checksum"]: scene.get("path") or scene["name"] for scene in dataset.description["scenes"] if scene.get("checksum")}
        several |= own.keys() & found.keys()
        found.update(own)
    return sorted(found[checksum] for checksum in several)


def pooled_input(datasets: Sequence[Dataset], inputs: Sequence[Input]) -> Input:
    """The input of the first dataset with the statistics of all: one scaling for all, because a stored value means the same in each.

    Means are weighted by the number of training tiles, spreads are those of the mixture: the mean square of each dataset's spread
    and of the distance of its centre from the common one.

    Args:
        datasets: whose tiles are counted.
        inputs: of each, see `common_inputs`.
    """
    weights = np.array([max(1, len(dataset.indices("training", seen.sensor))) for dataset, seen in zip(datasets, inputs)], float)
    weights /= weights.sum()
    pooled = []
    for rows in zip(*(seen.bands for seen in inputs)):
        facts: dict[str, float] = {}
        for centre, spread in (("mean", "std"), ("centre", "spread")):
            values, spreads = (np.array([getattr(row, name) for row in rows], float) for name in (centre, spread))
            middle = float(weights @ values)
            facts |= {centre: middle, spread: float(np.sqrt(weights @ (spreads**2 + (values - middle) ** 2)))}
        facts |= {name: float(choose(getattr(row, name) for row in rows))
                 for name, choose in (("minimum", min), ("p001", min), ("maximum", max), ("p999", max))}
        pooled.append(replace(rows[0], **facts))
    return replace(inputs[0], bands=tuple(pooled), season=pooled_season(datasets, inputs))


def pooled_season(datasets: Sequence[Dataset], inputs: Sequence[Input]) -> SeriesDays | None:
    """The season in which those of all datasets lie, as the first one counts its days; None for tiles.

    Raises:
        DataError: series without a clear date, or of another part of the year.
    """
    first = inputs[0].season
    if not datasets[0].kind.dates:
        return first
    for dataset, seen in zip(datasets, inputs):
        if seen.season is None:
            raise DataError(f"None of the training series of {dataset.folder} has a clear date. Check the cloud masks, or leave the dataset out.")
    seasons = [seen.season for seen in inputs if seen.season]
    if len(set(seasons)) == 1:
        return first
    years = [YEAR * round((seasons[0].middle - season.middle) / YEAR) for season in seasons]
    moved = [(season.first + later, season.last + later) for season, later in zip(seasons, years)]
    for dataset, season, (begin, end) in zip(datasets, seasons, moved):
        if min(end, moved[0][1]) - max(begin, moved[0][0]) < OVERLAP * min(end - begin, moved[0][1] - moved[0][0]):
            raise DataError(f"The series of {dataset.folder} are of {season_words(season)}, and those of {datasets[0].folder} of "
                            f"{season_words(seasons[0])}. Give series of the same part of the year.")
    begin, end = min(begin for begin, _ in moved), max(end for _, end in moved)
    days = np.linspace(begin, end, max(len(season.days) for season in seasons)).round(2)
    return SeriesDays(tuple(map(float, np.unique(days))), window=(begin, end))


def task_names(datasets: Sequence[Dataset]) -> list[tuple[str, str]]:
    """Name and key of each task, from the names of the datasets; equal ones get a number."""
    names: list[tuple[str, str]] = []
    for dataset in datasets:
        number, name = 1, dataset.name
        while _key(name) in [key for _, key in names]:
            number += 1
            name = f"{dataset.name} {number}"
        names.append((name, _key(name)))
    return names


def _key(name: str) -> str:
    return re.sub(r"\W+", "_", name.casefold()).strip("_") or "task"


def _alike(dataset: Dataset, bands: Sequence[Band]) -> SensorInfo | None:
    """The sensor that has these bands and no others, in any order."""
    return next((sensor for sensor in dataset.sensors if {band.name for band in sensor.bands} == {band.name for band in bands}), None)


def _matching(dataset: Dataset, wanted: Input, first: Dataset, some: bool) -> Input:
    """The input of `dataset` that has the wanted bands of the `first` one, in their order; where they are `some` its sensor may have more.

    Raises:
        DataError: when none has.
    """
    names = set(wanted.names)
    sensor = _alike(dataset, wanted.bands) or next((one for one in dataset.sensors if some and names <= {band.name for band in one.bands}), None)
    if sensor is None:
        theirs = "; ".join(", ".join(band.name for band in one.bands) for one in dataset.sensors)
        raise DataError(f"The bands of {dataset.folder} are {theirs}, but those of {first.folder} are {', '.join(wanted.names)}. "
                        "Make the datasets from the same bands of the same sensor; their order may differ.")
    own = dataset.inputs[sensor.name].only(wanted.names)
    for band, other in zip(own.bands, wanted.bands):
        if band.unit != other.unit:
            raise DataError(f"Band {band.name} of {dataset.folder} is in the unit “{band.unit}”, but in {first.folder} it is in "
                            f"“{other.unit}”. Make the datasets with the same sensor and unit.")
    if _product(own) != _product(wanted):
        raise DataError(f"{dataset.folder} is of the sensor “{own.preset}”, but {first.folder} of “{wanted.preset}”. "
                        "Make the datasets from the same bands of the same sensor.")
    return own


def _product(seen: Input) -> str:
    """The preset without the processing baseline, which only changes how values are stored."""
    return seen.preset.removesuffix("_0400")
