"""The labelled tiles a network learns from, handed out in batches: which of them, in which order, changed how."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from ....errors import DataError
from ....progress import SILENT, Progress
from ...cards import Input
from ...classic.models import Labelled
from ...datasets.dataset import Dataset
from ...datasets.units import unit_numbers
from ...measures.speckle import measured_looks
from ...runs.by_scene import Counts
from ...runs.learnable import labelled_counts
from ..augment import Augmentation
from ..data import SHARES, Batch, TileReader, mixed_sample
from ..loop.shares import ALONE, Share, passes, refuse_single_value
from ..networks.class_networks import ClassNetwork, renew_statistics
from ..networks.spectral import AboveRegression
from .guessed_labels import GuessedLabels
from .heads import MEAN_SCORE, heads_of, joined, told
from .hidden_sensors import HiddenSensors
from .losses import NEED_SHARES, REGIONS

BALANCE = 10.0  # largest weight of a rare class among several, where it occurs


def check_loss(dataset: Dataset, loss: str) -> None:
    """Refuses a loss that has no meaning for the labels.

    Raises:
        DataError: naming the loss and what the labels are.
    """
    if loss in REGIONS and not dataset.kind.pixelwise:
        raise DataError(f"The loss “{loss}” measures how regions of pixels overlap, and {dataset.folder} has {dataset.kind.words}. Choose “focal” "
                        "or another loss.")
    if loss not in NEED_SHARES or "shares" in dataset.shards.extras():
        return
    if not dataset.kind.pixelwise:
        raise DataError(f"The loss “{loss}” learns from shares of classes in pixels, and {dataset.folder} has classes of whole tiles. "
                        "Choose another loss.")
    raise DataError(f"The loss “{loss}” learns from the shares of the classes in each pixel, and {dataset.folder} has none. "
                    "Create the dataset anew with “Labels are: soft”, or choose another loss.")


def radar_of_several_scenes(dataset: Dataset, seen: Input) -> bool:
    """Whether tiles are backscatter and come from more than one scene."""
    several = "scene" in dataset.tiles and dataset.tiles["scene"].nunique() > 1
    return several and any(band.unit in ("dB", "linear") for band in seen.bands)


def class_weights(counts: Sequence[int] | np.ndarray, kind: str, samples: int | None = None) -> list[float]:
    """Weight of each class in the loss.

    Args:
        counts: training pixels, or samples, of each class.
        kind: ``none`` (all 1) or ``balanced``: the root of the inverse frequency, with a mean of 1 over the classes that occur.
            The root is the usual middle between all pixels alike and all classes alike, under which the rarest class floods the map.
        samples: how many, where each may have several classes at once: the weight is then the root of how many lack the class for each
            that has it, at most 10.
    """
    known = np.asarray(counts, float)
    if kind == "none":
        return [1.0] * len(known)
    if samples is not None:
        return list(np.clip(np.sqrt((samples - known) / np.maximum(known, 1)), 1, BALANCE))
    weights = np.where(known > 0, 1 / np.sqrt(np.maximum(known, 1)), 0)
    return list(weights / weights[known > 0].mean())


@dataclass(frozen=True)
class Choices:
    """How labelled tiles are learned from.

    Attributes:
        batch_size: tiles per step and process.
        tiles: positions of the training tiles; None is all of them.
        crop: side of random crops, pixels; None trains on whole tiles.
        weighting: see `class_weights`.
        augmentation: see `Augmentation`.
        loss: one of `losses.LOSSES`.
        steps: per epoch; None is one pass over the tiles.
        last_epoch: the only epoch that is validated, counted from 0; None validates each.
        guesses: labels of more tiles, which are learned from too.
        share: of this process.
        context: pixels around each tile, or crop, that are seen and have no label.
        early: of series, whether dates after a day of chance are hidden in each batch.
    """

    batch_size: int
    tiles: np.ndarray | None = None
    crop: int | None = None
    weighting: str = "balanced"
    augmentation: str = "full"
    loss: str = "cross_entropy"
    steps: int | None = None
    last_epoch: int | None = None
    guesses: GuessedLabels | None = None
    share: Share = ALONE
    context: int = 0
    early: bool = False


#: Truth of a target, and scores of its classes.
Scored = tuple[np.ndarray, torch.Tensor]
#: Changes a batch, with draws from a generator.
Change = Callable[[Batch, torch.Generator], Batch]


class TrainingTiles:
    """Training tiles for one process of several.

    Args:
        reader: of the dataset.
        augmentation: changes each batch.
        tiles: positions of the training tiles.
        batch_size: tiles per step and process.
        crop: side of random crops, pixels; None takes whole tiles.
        steps: per epoch; None is one pass over the tiles.
        share: of this process.
        guesses: labels of more tiles, which are learned from too.
    """

    def __init__(self, reader: TileReader, augmentation: Change, tiles: np.ndarray, *, batch_size: int, crop: int | None = None,
                 steps: int | None = None, share: Share = ALONE, guesses: GuessedLabels | None = None) -> None:
        self.reader, self.augmentation, self.guesses = reader, augmentation, guesses
        self.tiles = tiles if guesses is None else np.union1d(tiles, guesses.tiles)
        self.batch_size, self.crop, self.share = batch_size, crop, share
        self.asked_steps = steps

    @property
    def mine(self) -> int:
        """Tiles per epoch and process."""
        if self.asked_steps is None:
            return self.share.count(len(self.tiles))
        return self.asked_steps * min(self.batch_size, len(self.tiles))

    @property
    def steps(self) -> int:
        """Batches per epoch and process."""
        return -(-self.mine // self.batch_size) if self.asked_steps is None else self.asked_steps

    def batches(self, seed: int, epoch: int) -> Iterator[Batch]:
        """The tiles of an epoch, in an order, with crops and changes that follow from seed, epoch and rank alone."""
        rng = np.random.default_rng([seed, epoch])
        mine = self.share.deal(passes(self.tiles, self.mine * self.share.processes, rng), self.mine)
        rng = np.random.default_rng([seed, epoch, self.share.rank])
        generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
        for batch in self.reader.shuffled(mine, -(-self.mine // self.steps), rng, self.crop):
            yield self.augmentation(self.guesses.fill(batch) if self.guesses else batch, generator)

    def sample(self, count: int) -> Iterator[Batch]:
        """Some training tiles as they are, labelled or not, evenly chosen and mixed; no batch has a single tile, if there are more."""
        tiles = self.reader.indices("training")
        mine = tiles[self.share.rank % len(tiles)::self.share.processes]  # of few tiles not every process has one of its own
        chosen = mixed_sample(mine, count)
        smallest = len(chosen) // -(-len(chosen) // self.batch_size)
        return self.reader.in_order(chosen, self.batch_size if smallest > 1 else len(chosen))

    def refuse_single_value(self, halved: int) -> None:
        """See `shares.refuse_single_value`; of a network whose deepest level has a value for so many pixels along an axis."""
        if self.steps:
            refuse_single_value(self.mine // self.steps, (self.crop or self.reader.dataset.tile_size) + 2 * self.reader.context, halved)


def begin_at_regressions(network: AboveRegression, labelled: Labelled) -> None:
    """Makes a network the regressions on the statistics of what it sees, learned from the same labels; see `AboveRegression.standing`."""
    for seen, own in network.standing.items():
        rows = labelled.of(seen)
        own.fit(rows.whitening, rows.regression)
    network.add_nothing()


class LabelledMethod(ABC):
    """What learning classes of any kind has in common, for the loop in `training`; what is counted and told follows from the task.

    Args:
        dataset: with training tiles.
        network: what is trained.
        device: where it is trained.
        choices: how.

    Attributes:
        renewal_tiles: training tiles the normalisation layers are brought up to date on before each validation.
    """

    renewal_tiles: int

    def __init__(self, dataset: Dataset, network: ClassNetwork, device: torch.device, choices: Choices) -> None:
        check_loss(dataset, choices.loss)
        self.dataset, self.network, self.choices, self.epoch, self.heads = dataset, network, choices, 0, heads_of(dataset)
        self.score = MEAN_SCORE if len(self.heads) > 1 else dataset.kind.score
        targets = [*(head.labels for head in self.heads), *([SHARES] if choices.loss in NEED_SHARES else []), *network.beside]
        self.reader = TileReader(dataset, network.inputs, network.stride, device, targets=targets, context=choices.context)
        self.labelled = self.reader.indices("training") if choices.tiles is None else choices.tiles
        looks = {name: measured_looks(dataset, seen, self.reader.indices("training")) for name, seen in network.inputs.items()
                 } if choices.augmentation == "full" else {}
        change: Change = Augmentation(choices.augmentation, network.inputs, device, looks)
        if all(seen.optional for seen in network.inputs.values()):
            change = HiddenSensors(change, network.inputs, self.reader.fill, dataset.ignore)
        self.training = TrainingTiles(self.reader, change, self.labelled, batch_size=choices.batch_size, crop=choices.crop, steps=choices.steps,
                                      share=choices.share, guesses=choices.guesses)
        self.training.refuse_single_value(network.halved)
        samples = len(self.labelled) if dataset.kind.several else None
        self.weights = {head.labels: torch.tensor(class_weights(labelled_counts(head.dataset, self.labelled), choices.weighting, samples),
                                                  dtype=torch.float32, device=device) for head in self.heads}

    @classmethod
    @abstractmethod
    def answers(cls, network: ClassNetwork, reader: TileReader, tiles: np.ndarray,
                batch_size: int) -> Iterator[tuple[np.ndarray, list[tuple[np.ndarray, np.ndarray]]]]:
        """Positions of tiles (n,), and of each target their truth and the answer of the network as `tasks.Task.count` takes it, batch by batch."""

    @classmethod
    @abstractmethod
    def scores(cls, network: ClassNetwork, reader: TileReader, tiles: np.ndarray, batch_size: int) -> Iterator[tuple[np.ndarray, list[Scored]]]:
        """The same with scores before softmax or sigmoid, (n, class, …), wherever the network lies."""

    @classmethod
    def predict(cls, network: ClassNetwork, reader: TileReader, tiles: np.ndarray, batch_size: int,
                target: int = 0) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """The same of one target, by its number."""
        for chosen, found in cls.answers(network, reader, tiles, batch_size):
            yield chosen, *found[target]

    @abstractmethod
    def loss(self, part: str, networks: Mapping[str, nn.Module], batch: Batch) -> torch.Tensor:
        """The mean over a batch."""

    @abstractmethod
    def weight(self, batch: Batch) -> torch.Tensor:
        """What the mean of `loss` is divided by, so that the losses of pieces of a batch can be put together to that of the batch."""

    @abstractmethod
    def begin(self, new: list[str], labelled: Labelled, device: torch.device, progress: Progress = SILENT) -> None:
        """Before the first epoch, with the names of the tensors no starting weights were found for, and the labels as rows."""

    @property
    def parts(self) -> dict[str, nn.Module]:
        """The network."""
        return {"network": self.network}

    @property
    def steps(self) -> int:
        """Batches per epoch and process."""
        return self.training.steps

    def batches(self, seed: int, epoch: int) -> Iterator[Batch]:
        """See `TrainingTiles.batches`."""
        self.epoch = epoch
        return self.training.batches(seed, epoch)

    def renewal(self, tiles: int) -> Iterator[dict[str, torch.Tensor]]:
        """Batches of training images to bring the normalisation layers up to date on: those without labels too."""
        return (batch.given for batch in self.training.sample(tiles))

    def validate(self, progress: Progress = SILENT) -> np.ndarray:
        """What `count` finds in this process's share of the validation tiles.

        The normalisation layers are brought up to date first, so that what is measured is the network as it would be used.
        """
        if self.choices.last_epoch not in (None, self.epoch):
            return joined([head.dataset.kind.nothing(head.classes) for head in self.heads])
        renew_statistics(self.network, self.renewal(self.renewal_tiles))
        tiles, share = self.reader.indices("validation"), self.choices.share
        units = unit_numbers(self.dataset, tiles)  # none may be divided between processes
        return self.count(share.mine(tiles) if units is None else tiles[units % share.processes == share.rank], progress)

    def count(self, tiles: np.ndarray, progress: Progress = SILENT) -> np.ndarray:
        """Counts over any tiles, of which the figures are made; those of several processes are added up."""
        counts, done = [Counts(head.dataset, tiles) for head in self.heads], 0
        for chosen, found in self.answers(self.network, self.reader, tiles, self.training.batch_size):
            for own, (truth, answer) in zip(counts, found, strict=True):
                own.add(chosen, truth, answer)
            done += len(chosen)
            progress.at(done / len(tiles), f"Checking {done} of {len(tiles)} {self.dataset.kind.pieces}")
        return joined([own.total() for own in counts])

    def figures(self, sums: np.ndarray) -> dict[str, float]:
        """The figures of an epoch from the counts of all processes: empty where nothing was validated."""
        return told(self.heads, sums)
