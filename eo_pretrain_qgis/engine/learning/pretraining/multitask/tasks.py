"""The tasks that share a network: what each one is, its dataset in the common order of bands, and the network that joins them."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import nn

from .....errors import DataError
from .....progress import SILENT, Progress
from ....cards import Input
from ....datasets.dataset import Dataset, SensorInfo
from ....rasters.sensors import Band
from ...networks.class_networks import renew_statistics
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

    def forward(self, image: torch.Tensor, key: str) -> torch.Tensor:
        """Output of the network of the task `key` for images in stored units, float32 (n, band, y, x)."""
        return self.tasks[key](image)

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


class CommonDataset(Dataset):
    """A dataset seen through one of its sensors, with the bands in another order and stored as in another dataset.

    Where the scale or offset of a band differs, as between Sentinel-2 products before and since baseline 04.00, images are converted
    when they are read and are float32 with NaN as nodata; statistics are converted too.

    Args:
        dataset: the dataset as it is.
        sensor: name of the sensor.
        bands: of the sensor, in the order and with the scales and offsets wanted.
    """

    def __init__(self, dataset: Dataset, sensor: str, bands: Sequence[Band]) -> None:
        description = deepcopy(dataset.description)
        self.source = next(row for row in dataset.sensors if row.name == sensor)
        card = next(row for row in description["sensors"] if row["name"] == sensor)
        have = {band.name: (place, band) for place, band in enumerate(self.source.bands)}
        self.order = [have[band.name][0] for band in bands]
        # stored · scale + offset is the physical value on both sides
        self.factor = np.array([have[band.name][1].scale / band.scale for band in bands], np.float32).reshape(-1, 1, 1)
        self.shift = np.array([(have[band.name][1].offset - band.offset) / band.scale for band in bands], np.float32).reshape(-1, 1, 1)
        self.converts = bool((self.factor != 1).any() or (self.shift != 0).any())
        card["bands"] = [asdict(band) for band in bands]
        if self.converts:
            card |= {"dtype": "float32", "nodata": None}
            rows = description["statistics"][sensor]
            for band, factor, shift in zip(bands, self.factor.ravel(), self.shift.ravel()):
                facts = rows[band.name]
                moved = {key: (np.asarray(value) * factor + shift).tolist() for key, value in facts.items() if key not in ("std", "histogram")}
                rows[band.name] = {**facts, **moved, "std": float(facts["std"] * factor)}
        description["sensors"] = [card]
        super().__init__(dataset.folder, description)

    def indices(self, split: str, sensor: str = "") -> np.ndarray:
        """Tiles of the split that this sensor saw."""
        return super().indices(split, sensor or self.sensor.name)

    def images(self, indices: np.ndarray, sensor: str = "") -> np.ndarray:
        """Images (n, band, y, x) with the bands in the common order, in common stored units."""
        images = super().images(indices, sensor)
        if not self.converts:
            return images[:, self.order]
        converted = images[:, self.order].astype(np.float32) * self.factor + self.shift
        return np.where(self.source.valid(images)[:, None], converted, np.float32(np.nan))


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
        images: batches of images (n, band, y, x) that the statistics of normalisation layers are measured on.
    """

    name: str
    key: str
    kind: str
    dataset: Dataset
    method: Any = None
    network: Any = None
    images: Callable[[], Iterator[torch.Tensor]] = lambda: iter(())

    @property
    def size(self) -> int:
        """Training tiles."""
        return len(self.dataset.indices("training"))

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


def common_datasets(datasets: Sequence[Dataset], progress: Progress = SILENT) -> list[Dataset]:
    """The datasets with the bands of all in the order of the first one.

    Raises:
        DataError: fewer than two datasets, one given twice, or bands, units or sensors that differ.
    """
    if len(datasets) < 2:
        only = f"Only one dataset is given ({datasets[0].folder})" if datasets else "No dataset is given"
        raise DataError(f"{only}, and sharing needs two or more. Add another dataset of the same sensor, or use “Fine-tune a model”.")
    for number, dataset in enumerate(datasets):
        twin = next((other for other in datasets[:number] if other.checksum == dataset.checksum), None)
        if twin is not None:
            where = f"twice ({dataset.folder})" if dataset.folder.resolve() == twin.folder.resolve() else f"as {twin.folder} and {dataset.folder}"
            raise DataError(f"The same dataset is given {where}. Give each dataset once; how often a task is trained is up to “Tasks are "
                            "drawn”.")
    first = datasets[0]
    names = [band.name for band in first.bands]
    seen: list[Dataset] = []
    for dataset in datasets:
        sensor = _matching_sensor(dataset, first)
        order = [band.name for band in sensor.bands]
        if order != names:
            progress.message(f"The bands of {dataset.folder} are in another order ({', '.join(order)}); they are read as "
                             f"{', '.join(names)}, by name.")
        common = CommonDataset(dataset, sensor.name, first.bands)
        if common.converts:
            progress.message(f"The values of {dataset.folder} are stored with another scale or offset; they are converted to those of "
                             f"{first.folder}.")
        seen.append(common)
    sizes = [dataset.description["resolution_m"] for dataset in datasets]
    if max(size[0] for size in sizes) > 1.05 * min(size[0] for size in sizes):
        progress.message("The pixels of the datasets differ in size (" + ", ".join(f"{size[0]:g} m" for size in sizes) +
                         "); a thing then looks different in each, and the shared layers have to learn it several times.", "warning")
    return seen


def same_scenes(datasets: Sequence[Dataset]) -> list[str]:
    """Paths of images that more than one dataset was cut from: a validation tile of one may be a training tile of another."""
    found: dict[str, str] = {}
    several = set()
    for dataset in datasets:
        own = {scene["checksum"]: scene.get("path") or scene["name"] for scene in dataset.description["scenes"] if scene.get("checksum")}
        several |= own.keys() & found.keys()
        found.update(own)
    return sorted(found[checksum] for checksum in several)


def pooled_input(datasets: Sequence[Dataset]) -> Input:
    """The only, or first, input of the first dataset with the statistics of all: one scaling for all, because a stored value means the same in each.

    Means are weighted by the number of training tiles, spreads are those of the mixture: the mean square of each dataset's spread
    and of the distance of its centre from the common one.
    """
    weights = np.array([max(1, len(dataset.indices("training"))) for dataset in datasets], float)
    weights /= weights.sum()
    first, *others = (next(iter(dataset.inputs.values())) for dataset in datasets)
    pooled = []
    for rows in zip(first.bands, *(other.bands for other in others)):
        facts: dict[str, float] = {}
        for centre, spread in (("mean", "std"), ("centre", "spread")):
            values, spreads = (np.array([getattr(row, name) for row in rows], float) for name in (centre, spread))
            middle = float(weights @ values)
            facts |= {centre: middle, spread: float(np.sqrt(weights @ (spreads**2 + (values - middle) ** 2)))}
        facts |= {name: float(choose(getattr(row, name) for row in rows))
                 for name, choose in (("minimum", min), ("p001", min), ("maximum", max), ("p999", max))}
        pooled.append(replace(rows[0], **facts))
    return replace(first, bands=tuple(pooled))


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


def _matching_sensor(dataset: Dataset, first: Dataset) -> SensorInfo:
    """The sensor of `dataset` that has the bands of the first sensor of `first`, in any order.

    Raises:
        DataError: when none has.
    """
    wanted = {band.name: band.unit for band in first.bands}
    for sensor in dataset.sensors:
        if {band.name for band in sensor.bands} == set(wanted):
            break
    else:
        theirs = "; ".join(", ".join(band.name for band in sensor.bands) for sensor in dataset.sensors)
        raise DataError(f"The bands of {dataset.folder} are {theirs}, but those of {first.folder} are {', '.join(wanted)}. "
                        "Make the datasets from the same bands of the same sensor; their order may differ.")
    for band in sensor.bands:
        if band.unit != wanted[band.name]:
            raise DataError(f"Band {band.name} of {dataset.folder} is in the unit “{band.unit}”, but in {first.folder} it is in "
                            f"“{wanted[band.name]}”. Make the datasets with the same sensor and unit.")
    if _product(sensor) != _product(first.sensor):
        raise DataError(f"{dataset.folder} is of the sensor “{sensor.preset}”, but {first.folder} of “{first.sensor.preset}”. "
                        "Make the datasets from the same bands of the same sensor.")
    return sensor


def _product(sensor: SensorInfo) -> str:
    """The preset without the processing baseline, which only changes how values are stored."""
    return sensor.preset.removesuffix("_0400")
