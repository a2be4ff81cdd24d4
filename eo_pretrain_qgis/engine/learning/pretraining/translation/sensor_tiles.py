"""Batches of tiles of two sensors for a translation: scaled, paired or not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import torch

from ...data import Batch, Part, TileReader
from ...loop.shares import ALONE, Share, passes
from .generators import BandScaling


class PairReader:
    """The batches of an epoch and of a validation. Their images are scaled, 0 where nothing was measured.

    Args:
        reader: of both inputs.
        scalings: of their bands, on the device.
        paired: whether a batch holds the same places of both.
        batch_size: tiles of each sensor per step and process.
        crop: side of random parts of the tiles [px]; None takes whole tiles.
        turn: whether tiles are flipped and turned, those of a pair alike.
        share: of this process.

    Attributes:
        names: of the two inputs.
        single: a reader of each.
    """

    def __init__(self, reader: TileReader, scalings: Sequence[BandScaling], *, paired: bool, batch_size: int, crop: int | None = None,
                 turn: bool = True, share: Share = ALONE) -> None:
        self.reader, self.paired, self.crop, self.turn, self.share = reader, paired, crop, turn, share
        self.dataset, self.names = reader.dataset, list(reader.inputs)
        self.scalings = dict(zip(self.names, scalings, strict=True))
        self.single = [TileReader(reader.dataset, {name: seen}, 1, reader.device) for name, seen in reader.inputs.items()]
        self.training = [self.common("training")] * 2 if paired else [side.indices("training") for side in self.single]
        self.batch_size = min(batch_size, *(share.count(len(tiles)) for tiles in self.training))

    @property
    def steps(self) -> int:
        """Batches per epoch and process: the sensor with more tiles is shown whole."""
        return -(-max(map(len, self.training)) // (self.batch_size * self.share.processes))

    def common(self, split: str) -> np.ndarray:
        """Tiles of a split that hold both sensors."""
        return self.reader.indices(split)

    def epoch(self, seed: int, epoch: int) -> Iterator[Batch]:
        """The training tiles in batches of one size; those of the last are filled up, so that none is left with a single tile.

        Where they are not paired, a batch has as many of the one sensor as of the other, and the positions of the first.
        """
        orders, each = [], self.steps * self.batch_size
        for number, tiles in enumerate(self.training):
            source = np.random.default_rng([seed, epoch, 0 if self.paired else number])
            orders.append(self.share.deal(passes(tiles, each * self.share.processes, source), each).reshape(self.steps, -1))
        rng = np.random.default_rng([seed, epoch, self.share.rank, 2])
        readers = [self.reader] if self.paired else self.single
        drawn = [[self._draw(rng) for _ in readers] for _ in range(self.steps)]
        batches = [reader.batches(Part(tiles, self.crop, corners) for tiles, (_, corners) in zip(order, draws))
                   for reader, order, draws in zip(readers, orders, zip(*drawn))]
        for found, draws in zip(zip(*batches), drawn):
            parts = [batch.turned(numbers) if self.turn else batch for batch, (numbers, _) in zip(found, draws)]
            images, valid = ({name: one for part in parts for name, one in getattr(part, kind).items()} for kind in ("images", "valid"))
            yield self._scaled(replace(parts[0], images=images, valid=valid))

    def read(self, way: int, tiles: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        """Whole tiles of a sensor, scaled (n, band, y, x), and which pixels were measured (n, 1, y, x)."""
        batch, name = self._scaled(self.single[way].read(Part(tiles))), self.names[way]
        return batch.images[name], batch.valid[name][:, None]

    def stored(self, way: int, tiles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Whole tiles of a sensor as they are stored, float32 (n, band, y, x), and which pixels were measured, bool (n, y, x)."""
        images, valid = self.single[way].stored(self.names[way], tiles)
        return images.astype(np.float32), valid

    def _draw(self, rng: np.random.Generator) -> tuple[list[int], np.ndarray | None]:
        """Symmetries of the tiles of a batch, and corners of their crops (n, 2)."""
        numbers = rng.integers(0, 8, self.batch_size).tolist()
        return numbers, rng.integers(0, self.dataset.tile_size - self.crop + 1, (self.batch_size, 2)) if self.crop else None

    def _scaled(self, batch: Batch) -> Batch:
        return replace(batch, images={name: self.scalings[name](images) for name, images in batch.images.items()})
