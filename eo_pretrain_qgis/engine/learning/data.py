"""Batches of tiles, read straight from the dataset's memory maps in the training process.

There are no loader processes: copies between processes cost more than the reading (batches indexed here were measured six
times as fast as two loader workers). Tiles travel to the device in the data type they are stored in and become float32 there.
For a CUDA device one batch is read ahead by a thread, into memory that the device fetches by itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass

import numpy as np
import torch

from ..datasets.dataset import Dataset
from ..even_sample import even_sample

#: Tiles, the side of their crops and the corners of these (n, 2).
_Wanted = tuple[np.ndarray, int | None, np.ndarray | None]


@dataclass(frozen=True)
class Batch:
    """Some tiles on the device.

    Attributes:
        images: float32 (n, band, y, x), stored units; the band's mean where nothing is valid.
        labels: int64, class positions, 255 where nothing is known: (n, y, x), or (n,) where a tile has one class; 0 and 1 (n, class)
            where it may have several.
        valid: bool (n, y, x).
        tiles: int64 (n,), positions in the dataset.
        weights: float32 (n,), of the tiles in the loss.
        shares: of the classes in each pixel, uint8 (n, class, y, x) of 255; None where nobody asked.
    """

    images: torch.Tensor
    labels: torch.Tensor
    valid: torch.Tensor
    tiles: np.ndarray
    weights: torch.Tensor
    shares: torch.Tensor | None = None

    def __len__(self) -> int:
        return len(self.images)

    def split(self, pieces: int) -> list[Batch]:
        """The same tiles in at most `pieces` smaller batches."""
        bounds = [(part[0], part[-1] + 1) for part in np.array_split(np.arange(len(self)), min(pieces, len(self)))]
        return [Batch(self.images[a:b], self.labels[a:b], self.valid[a:b], self.tiles[a:b], self.weights[a:b],
                      None if self.shares is None else self.shares[a:b]) for a, b in bounds]


class TileReader:
    """Reads batches of a dataset for a network.

    Args:
        dataset: labelled tiles.
        fill: per band, what stands for a missing pixel, stored units.
        stride: height and width of batches are made multiples of it, by pixels that are not valid.
        device: where the batches go.
        shares: whether batches come with the shares of the classes.
    """

    def __init__(self, dataset: Dataset, fill: list[float], stride: int, device: torch.device, *, shares: bool = False) -> None:
        self.dataset, self.stride, self.device, self.shares = dataset, stride, device, shares
        self.ahead = device.type == "cuda"  # on a processor, reading ahead would take time from its own steps
        self.fill = torch.tensor(fill, dtype=torch.float32, device=device).view(1, -1, 1, 1)

    def shuffled(self, tiles: np.ndarray, batch_size: int, rng: np.random.Generator, crop: int | None = None) -> Iterator[Batch]:
        """All `tiles` once, in random order, in batches of nearly equal size, so that none is left with a single tile.

        Args:
            tiles: positions in the dataset.
            batch_size: the most tiles per batch; of 2, an odd number of tiles has one of 3.
            rng: decides the order and the offsets of the crops.
            crop: side of a random part of each tile, pixels; None takes whole tiles.
        """
        most = self.dataset.tile_size - (crop or 0) + 1
        return self._batches((chosen, crop, None if crop is None else rng.integers(0, most, (len(chosen), 2)))
                             for chosen in _portions(rng.permutation(tiles), batch_size))

    def in_order(self, tiles: np.ndarray, batch_size: int) -> Iterator[Batch]:
        """All `tiles` once, whole and in their order."""
        return self._batches((chosen, None, None) for chosen in _portions(tiles, batch_size))

    def _batches(self, wanted: Iterable[_Wanted]) -> Iterator[Batch]:
        if not self.ahead:
            yield from (self._send(self._read(one)) for one in wanted)
            return
        from ..mapping.inference import ahead

        with closing(ahead(self._read, wanted, threads=1, spare=1)) as found:
            yield from map(self._send, found)

    def _read(self, wanted: _Wanted) -> tuple[np.ndarray, dict[str, torch.Tensor]]:
        """Tiles and their arrays, in this computer's memory."""
        tiles, crop, offsets = wanted
        images, labels = self.dataset.images(tiles), self.dataset.labels(tiles)
        arrays = {"images": images, "valid": self.dataset.valid(images)}
        maps = {"labels": labels} if self.dataset.kind.pixelwise else {}
        if self.shares:
            maps["shares"] = self.dataset.array("shares", tiles)
        for name, array in {**arrays, **maps}.items():
            fill = self.dataset.ignore if name == "labels" else 0
            part = array if crop is None or offsets is None else _crop(array, crop, offsets)
            arrays[name] = _pad(part, self.stride, fill)
        arrays |= {"labels": arrays.get("labels", labels), "weights": self.dataset.weights[tiles].astype(np.float32)}
        return tiles, {name: at_hand(array, self.device) for name, array in arrays.items()}

    def _send(self, read: tuple[np.ndarray, dict[str, torch.Tensor]]) -> Batch:
        tiles, arrays = read
        there = {name: array.to(self.device, non_blocking=True) for name, array in arrays.items()}
        pixels = torch.where(there["valid"][:, None], there["images"].float(), self.fill)
        return Batch(pixels.contiguous(memory_format=torch.channels_last), there["labels"].long(), there["valid"], tiles, there["weights"],
                     there.get("shares"))


def at_hand(array: np.ndarray, device: torch.device) -> torch.Tensor:
    """The array as a tensor that can be sent to the device: for CUDA in memory that is never swapped out, so that nobody waits for it."""
    if device.type == "mps" and array.dtype in (np.float64, np.uint16, np.uint32):
        array = array.astype(np.float32)  # types Apple's GPUs do not have
    tensor = torch.from_numpy(np.ascontiguousarray(array))
    return tensor.pin_memory() if device.type == "cuda" else tensor


def mixed_sample(tiles: np.ndarray, most: int) -> np.ndarray:
    """An even sample of at most `most` tiles in an order of chance, the same every time.

    Datasets are often sorted by class or place. Normalisation layers measured on batches of one class each know too small a spread.
    """
    return np.random.default_rng(0).permutation(even_sample(tiles, most))


def _portions(tiles: np.ndarray, size: int) -> list[np.ndarray]:
    parts = -(-len(tiles) // size)
    if size > 1:  # rather one tile too many than one alone, which batch normalisation refuses where a level has one pixel
        parts = min(parts, max(1, len(tiles) // 2))
    return np.array_split(tiles, parts) if len(tiles) else []


def _crop(array: np.ndarray, side: int, offsets: np.ndarray) -> np.ndarray:
    """A part of each tile (n, …, y, x), from its own offset (n, 2) in y and x."""
    return np.stack([tile[..., y:y + side, x:x + side] for tile, (y, x) in zip(array, offsets)])


def _pad(array: np.ndarray, stride: int, fill: int) -> np.ndarray:
    """The array (…, y, x) with both sides made multiples of the stride, below and to the right."""
    rest = [(0, -side % stride) for side in array.shape[-2:]]
    return np.pad(array, [(0, 0)] * (array.ndim - 2) + rest, constant_values=fill) if any(after for _, after in rest) else array
