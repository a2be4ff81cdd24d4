"""Tiles of two sensors for a translation: scaled, with the pixels that were measured, paired or not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from ....datasets.dataset import Dataset, SensorInfo
from ...image_changes import turned
from ...loop.shares import ALONE, Share, passes
from .generators import BandScaling


@dataclass(frozen=True)
class Tiles:
    """Some tiles of one sensor on the device.

    Attributes:
        values: float32 (n, band, y, x), scaled units; 0 where nothing was measured.
        seen: bool (n, 1, y, x), where something was.
    """

    values: torch.Tensor
    seen: torch.Tensor

    def __len__(self) -> int:
        return len(self.values)

    def part(self, first: int, last: int) -> Tiles:
        """Some of them."""
        return Tiles(self.values[first:last], self.seen[first:last])

    def turned(self, numbers: list[int]) -> Tiles:
        """Each in one of the eight symmetries of a square."""
        values, seen = turned(numbers, self.values, self.seen)
        return Tiles(values.contiguous(memory_format=torch.channels_last), seen)


@dataclass(frozen=True)
class TilePair:
    """As many tiles of the first sensor as of the second."""

    first: Tiles
    second: Tiles

    def __len__(self) -> int:
        return len(self.first)

    def split(self, pieces: int) -> list[TilePair]:
        """The same tiles in at most `pieces` smaller batches; a single piece is the batch itself."""
        if pieces == 1:
            return [self]
        bounds = [(part[0], part[-1] + 1) for part in np.array_split(np.arange(len(self)), min(pieces, len(self)))]
        return [TilePair(self.first.part(a, b), self.second.part(a, b)) for a, b in bounds]


class SensorReader:
    """Reads tiles of one sensor of a dataset.

    Args:
        dataset: whose tiles.
        sensor: one of its sensors.
        scaling: of the sensor's bands, on the device.
    """

    def __init__(self, dataset: Dataset, sensor: SensorInfo, scaling: BandScaling) -> None:
        self.dataset, self.sensor, self.scaling = dataset, sensor, scaling

    def read(self, tiles: np.ndarray, crop: int | None = None, offsets: np.ndarray | None = None) -> Tiles:
        """Tiles of these positions, whole or cropped.

        Args:
            tiles: positions in the dataset (n,).
            crop: side of the part to take [px].
            offsets: row and column of that part's corner (n, 2).
        """
        stored, seen = self.stored(tiles)
        if crop is not None and offsets is not None:
            stored = np.stack([tile[:, y:y + crop, x:x + crop] for tile, (y, x) in zip(stored, offsets)])
            seen = np.stack([tile[y:y + crop, x:x + crop] for tile, (y, x) in zip(seen, offsets)])
        device = self.scaling.centre.device
        known = torch.from_numpy(np.ascontiguousarray(seen)).to(device)[:, None]
        values = self.scaling(torch.from_numpy(stored).to(device))
        return Tiles(torch.where(known, values, 0.0).contiguous(memory_format=torch.channels_last), known)

    def stored(self, tiles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Stored values float32 (n, band, y, x), and which pixels were measured, bool (n, y, x)."""
        images = self.dataset.images(tiles, self.sensor.name)
        return images.astype(np.float32), self.sensor.valid(images)


class PairReader:
    """The batches of an epoch and of a validation.

    Args:
        readers: of the two sensors.
        paired: whether a batch holds the same places of both.
        batch_size: tiles of each sensor per step and process.
        crop: side of random parts of the tiles [px]; None takes whole tiles.
        turn: whether tiles are flipped and turned, those of a pair alike.
        share: of this process.
    """

    def __init__(self, readers: tuple[SensorReader, SensorReader], *, paired: bool, batch_size: int, crop: int | None = None,
                 turn: bool = True, share: Share = ALONE) -> None:
        self.readers, self.paired, self.crop, self.turn = readers, paired, crop, turn
        self.share, self.dataset = share, readers[0].dataset
        if paired:
            self.training = (self.common("training"),) * 2
        else:
            self.training = tuple(self.dataset.indices("training", reader.sensor.name) for reader in readers)  # type: ignore[assignment]
        self.batch_size = min(batch_size, *(share.count(len(tiles)) for tiles in self.training))

    @property
    def steps(self) -> int:
        """Batches per epoch and process: the sensor with more tiles is shown whole."""
        return -(-max(map(len, self.training)) // (self.batch_size * self.share.processes))

    def common(self, split: str) -> np.ndarray:
        """Tiles of a split that hold both sensors."""
        first, second = (self.dataset.indices(split, reader.sensor.name) for reader in self.readers)
        return np.intersect1d(first, second)

    def epoch(self, seed: int, epoch: int) -> Iterator[TilePair]:
        """The training tiles in batches of one size; those of the last are filled up, so that none is left with a single tile."""
        orders, each = [], self.steps * self.batch_size
        for number, tiles in enumerate(self.training):
            source = np.random.default_rng([seed, epoch, 0 if self.paired else number])
            orders.append(self.share.deal(passes(tiles, each * self.share.processes, source), each))
        rng = np.random.default_rng([seed, epoch, self.share.rank, 2])
        for step in range(self.steps):
            chosen = [order[step * self.batch_size:(step + 1) * self.batch_size] for order in orders]
            yield self._batch(chosen, rng)

    def _batch(self, chosen: list[np.ndarray], rng: np.random.Generator) -> TilePair:
        found: list[Tiles] = []
        offsets, turns = None, None
        for reader, tiles in zip(self.readers, chosen):
            if offsets is None or not self.paired:  # a pair is cut and turned alike
                turns = rng.integers(0, 8, len(tiles)).tolist()
                offsets = rng.integers(0, self.dataset.tile_size - self.crop + 1, (len(tiles), 2)) if self.crop else np.zeros((len(tiles), 2))
            read = reader.read(tiles, self.crop, offsets)
            found.append(read.turned(turns) if self.turn and turns else read)
        return TilePair(*found)
