"""The labelled tiles a network learns from, handed out in batches: which of them, in which order, changed how."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import nn

from ....errors import DataError
from ....progress import SILENT, Progress
from ...datasets.dataset import Dataset
from ..augment import Augmentation
from ..data import Batch, TileReader, mixed_sample
from ..loop.shares import Share, passes, refuse_crop, refuse_single_value
from ..networks.class_networks import ClassNetwork, renew_statistics
from .guessed_labels import GuessedLabels


def check_labelled(dataset: Dataset, crop: int | None = None) -> None:
    """Refuses a dataset that nothing can be learned from.

    Raises:
        DataError: without training tiles, with a single class, or with tiles smaller than the crop.
    """
    where, entity = dataset.folder, "pixels" if dataset.task == "segmentation" else "tiles"
    if not len(dataset.indices("training")):
        raise DataError(f"The dataset {where} has no training tiles. Split it again with a larger training share or smaller blocks.")
    present = [entry.name for entry, count in zip(dataset.classes, dataset.description["class_pixels"]["training"]) if count]
    if len(present) < (1 if dataset.task == "multilabel" else 2):
        only = f"only the class “{present[0]}”" if present else f"no labelled {entity}"
        raise DataError(f"The training tiles of {where} hold {only}, so there is nothing to tell apart. "
                        f"Add labels of another class, or count unlabelled {entity} as background.")
    refuse_crop(dataset, crop)


class TrainingTiles:
    """Training tiles for one process of several.

    Args:
        reader: of the dataset.
        augmentation: changes each batch.
        tiles: positions of the training tiles.
        batch_size: tiles per step and process.
        crop: side of random crops, pixels; None takes whole tiles.
        steps: per epoch; None is one pass over the tiles.
        rank: number of this process.
        processes: how many share the tiles.
        guesses: labels of more tiles, which are learned from too.
    """

    def __init__(self, reader: TileReader, augmentation: Augmentation, tiles: np.ndarray, *, batch_size: int, crop: int | None = None,
                 steps: int | None = None, rank: int = 0, processes: int = 1, guesses: GuessedLabels | None = None) -> None:
        self.reader, self.augmentation, self.guesses = reader, augmentation, guesses
        self.tiles = tiles if guesses is None else np.union1d(tiles, guesses.tiles)
        self.batch_size, self.crop, self.share = batch_size, crop, Share(rank, processes)
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
        tiles = self.reader.dataset.indices("training")
        mine = tiles[self.share.rank % len(tiles)::self.share.processes]  # of few tiles not every process has one of its own
        chosen = mixed_sample(mine, count)
        smallest = len(chosen) // -(-len(chosen) // self.batch_size)
        return self.reader.in_order(chosen, self.batch_size if smallest > 1 else len(chosen))

    def refuse_single_value(self, stride: int) -> None:
        """See `shares.refuse_single_value`; of a network of that stride, pixels."""
        refuse_single_value(self.mine // self.steps, self.crop or self.reader.dataset.tile_size, stride)


class LabelledMethod:
    """What learning classes of pixels and of whole tiles have in common, for the loop in `training`.

    Attributes:
        renewal_tiles: training tiles the normalisation layers are brought up to date on before each validation.
        dataset: with training tiles.
        network: what is trained.
        training: the tiles it learns from.
        last_epoch: the only epoch that is validated, counted from 0; None validates each.
        epoch: that is being trained.
        rank: number of this process.
        processes: how many share the tiles.
    """

    renewal_tiles: int
    dataset: Dataset
    network: ClassNetwork
    training: TrainingTiles
    last_epoch: int | None
    epoch: int
    rank: int
    processes: int

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

    def renewal(self, tiles: int) -> Iterator[torch.Tensor]:
        """Batches of training images (n, band, y, x) to bring the normalisation layers up to date on: those without labels too."""
        return (batch.images for batch in self.training.sample(tiles))

    def validate(self, progress: Progress = SILENT) -> np.ndarray:
        """What `count` finds in this process's share of the validation tiles.

        The normalisation layers are brought up to date first, so that what is measured is the network as it would be used.
        """
        if self.last_epoch is not None and self.epoch != self.last_epoch:
            return np.zeros_like(self.count(np.zeros(0, np.int64)))
        renew_statistics(self.network, self.renewal(self.renewal_tiles))
        return self.count(self.dataset.indices("validation")[self.rank::self.processes], progress)

    def count(self, tiles: np.ndarray, progress: Progress = SILENT) -> np.ndarray:
        """Counts over any tiles, of which the figures are made; those of several processes are added up."""
        raise NotImplementedError
