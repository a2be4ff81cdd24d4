"""Which tiles each of several processes takes, and what is too little to train on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from lightning_fabric import Fabric

from ....errors import DataError
from ...datasets.dataset import Dataset


@dataclass(frozen=True)
class Share:
    """Which process this is, of all that train together.

    Attributes:
        rank: its number.
        processes: how many share the tiles.
    """

    rank: int = 0
    processes: int = 1

    @classmethod
    def of(cls, fabric: Fabric) -> Share:
        """That of this process."""
        return cls(fabric.global_rank, fabric.world_size)

    def mine(self, tiles: np.ndarray) -> np.ndarray:
        """Those of `tiles` that this process measures."""
        return tiles[self.rank::self.processes]

    def count(self, tiles: int) -> int:
        """How many of `tiles` each process learns from in an epoch."""
        return -(-tiles // self.processes)

    def deal(self, order: np.ndarray, each: int) -> np.ndarray:
        """The tiles of this process out of an order, which begins anew where it is too short.

        Every process takes as many, or those that end early would leave the others waiting.
        """
        return self.mine(np.resize(order, each * self.processes))


ALONE = Share()


def passes(tiles: np.ndarray, wanted: int, rng: np.random.Generator) -> np.ndarray:
    """At least `wanted` tiles: all of them again and again, each time in another random order."""
    return np.concatenate([rng.permutation(tiles) for _ in range(-(-wanted // len(tiles)))])


def refuse_crop(dataset: Dataset, crop: int | None) -> None:
    """Refuses crops larger than the tiles.

    Raises:
        DataError: naming both sizes.
    """
    if crop is not None and crop > dataset.tile_size:
        raise DataError(f"The crop of {crop} px is larger than the tiles of {dataset.folder} ({dataset.tile_size} px). "
                        f"Choose a crop of at most {dataset.tile_size} px.")


def refuse_single_value(tiles: int, side: int, stride: int) -> None:
    """Batch normalisation needs more than one value per channel in the deepest layer.

    Args:
        tiles: in the smallest batch.
        side: of what the network sees of a tile, pixels.
        stride: of the network, pixels.

    Raises:
        DataError: of a single tile of at most one stride.
    """
    if tiles * (-(-side // stride)) ** 2 < 2:
        raise DataError(f"A single tile of {side} px per step is too little to train on. "
                        "Choose a larger batch, larger tiles or more training tiles.")
