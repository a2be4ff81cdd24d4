"""Batches of tiles, read straight from the dataset's memory maps in the training process.

There are no loader processes: copies between processes cost more than the reading (batches indexed here were measured six
times as fast as two loader workers). Tiles travel to the device in the data type they are stored in and become float32 there.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from ..dataset import Dataset


@dataclass(frozen=True)
class Batch:
    """Some tiles on the device.

    Attributes:
        images: float32 (n, band, y, x), stored units; the band's mean where nothing is valid.
        labels: int64 (n, y, x), class positions; 255 where nothing is known.
        valid: bool (n, y, x).
        tiles: int64 (n,), positions in the dataset.
        weights: float32 (n,), of the tiles in the loss.
    """

    images: torch.Tensor
    labels: torch.Tensor
    valid: torch.Tensor
    tiles: np.ndarray
    weights: torch.Tensor

    def __len__(self) -> int:
        return len(self.images)

    def split(self, pieces: int) -> list[Batch]:
        """The same tiles in at most `pieces` smaller batches."""
        bounds = [(part[0], part[-1] + 1) for part in np.array_split(np.arange(len(self)), min(pieces, len(self)))]
        return [Batch(self.images[a:b], self.labels[a:b], self.valid[a:b], self.tiles[a:b], self.weights[a:b]) for a, b in bounds]


class TileReader:
    """Reads batches of a dataset for a network.

    Args:
        dataset: labelled tiles.
        fill: per band, what stands for a missing pixel, stored units.
        stride: height and width of batches are made multiples of it, by pixels that are not valid.
        device: where the batches go.
    """

    def __init__(self, dataset: Dataset, fill: list[float], stride: int, device: torch.device) -> None:
        self.dataset, self.stride, self.device = dataset, stride, device
        self.fill = torch.tensor(fill, dtype=torch.float32, device=device).view(1, -1, 1, 1)

    def shuffled(self, tiles: np.ndarray, batch_size: int, rng: np.random.Generator, crop: int | None = None) -> Iterator[Batch]:
        """All `tiles` once, in random order, in batches of nearly equal size, so that none is left with a single tile.

        Args:
            tiles: positions in the dataset.
            batch_size: the most tiles per batch.
            rng: decides the order and the offsets of the crops.
            crop: side of a random part of each tile, pixels; None takes whole tiles.
        """
        for chosen in _portions(rng.permutation(tiles), batch_size):
            offsets = None if crop is None else rng.integers(0, self.dataset.tile_size - crop + 1, (len(chosen), 2))
            yield self._batch(chosen, crop, offsets)

    def in_order(self, tiles: np.ndarray, batch_size: int) -> Iterator[Batch]:
        """All `tiles` once, whole and in their order."""
        for chosen in _portions(tiles, batch_size):
            yield self._batch(chosen, None, None)

    def _batch(self, tiles: np.ndarray, crop: int | None, offsets: np.ndarray | None) -> Batch:
        images, labels = self.dataset.images(tiles), self.dataset.labels(tiles)
        if crop is not None and offsets is not None:
            images = np.stack([tile[:, y:y + crop, x:x + crop] for tile, (y, x) in zip(images, offsets)])
            labels = np.stack([tile[y:y + crop, x:x + crop] for tile, (y, x) in zip(labels, offsets)])
        valid = self.dataset.valid(images)
        rest = [(0, -side % self.stride) for side in labels.shape[1:]]
        if any(after for _, after in rest):
            images = np.pad(images, [(0, 0), (0, 0), *rest])
            labels = np.pad(labels, [(0, 0), *rest], constant_values=self.dataset.ignore)
            valid = np.pad(valid, [(0, 0), *rest])
        known = self._put(valid)
        pixels = torch.where(known[:, None], self._put(images).float(), self.fill)
        weights = self._put(self.dataset.weights[tiles].astype(np.float32))
        return Batch(pixels.contiguous(memory_format=torch.channels_last), self._put(labels).long(), known, tiles, weights)

    def _put(self, array: np.ndarray) -> torch.Tensor:
        if self.device.type == "mps" and array.dtype in (np.float64, np.uint16, np.uint32):
            array = array.astype(np.float32)  # types Apple's GPUs do not have
        return torch.from_numpy(np.ascontiguousarray(array)).to(self.device)


def _portions(tiles: np.ndarray, size: int) -> list[np.ndarray]:
    return np.array_split(tiles, -(-len(tiles) // size)) if len(tiles) else []
