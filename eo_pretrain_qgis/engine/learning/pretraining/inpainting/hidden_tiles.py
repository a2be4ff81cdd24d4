"""Tiles with hidden regions: read, turned, and covered; what may be hidden and what may count as truth."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from ....datasets.dataset import TILES, Dataset, SensorInfo, numbers
from ....rasters.clouds import CLOUD, SHADOW
from ....themes.unlabelled.tiles import bright
from .hidden_regions import Blocks

FLAGS = "flags"


@dataclass
class HiddenBatch:
    """Some tiles on the device, with regions to fill.

    Attributes:
        images: float32 (n, band, y, x), stored units; the band's centre where nothing was measured.
        valid: measured pixels, bool (n, y, x).
        hidden: pixels to fill, bool (n, y, x); all of them measured and free of known cloud.
        tiles: int64 (n,), positions in the dataset.
        made: the images as the network filled them in this step, scaled units; None until then.
    """

    images: torch.Tensor
    valid: torch.Tensor
    hidden: torch.Tensor
    tiles: np.ndarray
    made: torch.Tensor | None = None

    def __len__(self) -> int:
        return len(self.images)

    @property
    def shown(self) -> torch.Tensor:
        """Measured pixels that are not hidden, bool (n, y, x)."""
        return self.valid & ~self.hidden

    def split(self, pieces: int) -> list[HiddenBatch]:
        """The same tiles in at most `pieces` smaller batches; a single piece is the batch itself, which keeps what is made of it."""
        if pieces == 1:
            return [self]
        bounds = [(part[0], part[-1] + 1) for part in np.array_split(np.arange(len(self)), min(pieces, len(self)))]
        return [HiddenBatch(self.images[a:b], self.valid[a:b], self.hidden[a:b], self.tiles[a:b],
                            None if self.made is None else self.made[a:b]) for a, b in bounds]


class HidingReader:
    """Reads batches of tiles of one sensor and hides regions of them.

    Args:
        dataset: of any task whose samples are images.
        sensor: one of its sensors.
        blocks: how tiles are covered.
        fill: per band, what stands for a missing pixel, stored units.
        stride: height and width of batches are made multiples of it, by pixels that are not measured.
        device: where the batches go.
    """

    def __init__(self, dataset: Dataset, sensor: SensorInfo, blocks: Blocks, fill: list[float], stride: int, device: torch.device) -> None:
        self.dataset, self.sensor, self.blocks, self.stride, self.device = dataset, sensor, blocks, stride, device
        self.fill = np.asarray(fill, np.float32).reshape(-1, 1, 1)
        self.clouds = KnownClouds(dataset, sensor)

    def shuffled(self, tiles: np.ndarray, batch_size: int, rng: np.random.Generator, crop: int | None = None) -> Iterator[HiddenBatch]:
        """All `tiles` once, in random order and in one of eight orientations each, newly covered.

        Args:
            tiles: positions in the dataset.
            batch_size: the most tiles per batch; batches are of nearly equal size.
            rng: decides everything.
            crop: side of a random part of each tile, pixels; None takes whole tiles.
        """
        order = rng.permutation(tiles)
        for chosen in np.array_split(order, -(-len(order) // batch_size)):
            images, valid, counted = self._read(chosen)
            parts = [_turned(_cropped(array, crop, rng), int(rng.integers(8)))
                     for array in map(np.concatenate, zip(images, valid[:, None], counted[:, None]))]
            images, valid, counted = (np.stack(part) for part in zip(*((p[:-2], p[-2] > 0, p[-1] > 0) for p in parts)))
            yield self._batch(chosen, images, valid, np.stack([self.blocks.draw(tile, rng) for tile in counted]))

    def fixed(self, tiles: np.ndarray, batch_size: int, seed: int) -> Iterator[HiddenBatch]:
        """All `tiles` once, whole and in their order; what is hidden of a tile follows from the seed and its number alone."""
        for chosen in np.array_split(tiles, -(-len(tiles) // batch_size)) if len(tiles) else ():
            images, valid, counted = self._read(chosen)
            hidden = [self.blocks.draw(tile, np.random.default_rng([seed, int(number)])) for tile, number in zip(counted, chosen)]
            yield self._batch(chosen, images, valid, np.stack(hidden))

    def _read(self, tiles: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Images, float32 (n, band, y, x), the centre where not measured; measured pixels; those that may be hidden, bool (n, y, x)."""
        stored = self.dataset.images(tiles, self.sensor.name)
        valid = self.sensor.valid(stored) & np.isfinite(stored).all(1)
        images = np.where(valid[:, None], stored.astype(np.float32), self.fill)
        return images, valid, valid & ~self.clouds.pixels(stored, tiles)

    def _batch(self, tiles: np.ndarray, images: np.ndarray, valid: np.ndarray, hidden: np.ndarray) -> HiddenBatch:
        rest = [(0, -side % self.stride) for side in valid.shape[1:]]
        if any(after for _, after in rest):
            images = np.stack([np.pad(images[:, band], [(0, 0), *rest], constant_values=float(self.fill[band, 0, 0]))
                               for band in range(images.shape[1])], 1)
            valid, hidden = (np.pad(array, [(0, 0), *rest]) for array in (valid, hidden))
        pixels, known, covered = (torch.from_numpy(np.ascontiguousarray(array)).to(self.device) for array in (images, valid, hidden))
        return HiddenBatch(pixels.contiguous(memory_format=torch.channels_last), known, covered, tiles)


class KnownClouds:
    """Cloud and shadow, as far as a dataset knows their places.

    Places are known from an array of flags, or where clouds were found by their brightness, which can be done again. From masks only the
    share of each tile was kept; in tiles with such a share, pixels as bright as clouds count as cloud where the bands allow to tell.

    Args:
        dataset: of any task.
        sensor: one of its sensors.

    Attributes:
        text: what is done, for people; empty when the dataset knows of no clouds.
    """

    def __init__(self, dataset: Dataset, sensor: SensorInfo) -> None:
        self.dataset, self.sensor, self.text, self.by_brightness = dataset, sensor, "", False
        self.flagged = FLAGS in dataset.shards.extras()
        sources = {row["sensor"]: row["source"] for row in (dataset.facts.get("clouds", ()) if dataset.theme == "pretraining" else ())}
        source = sources.get(sensor.name, "none")
        reflectance = {band.name for band in sensor.bands if band.unit == "reflectance"}
        if self.flagged:
            self.text = "Pixels flagged as cloud or shadow are not hidden."
        elif source != "none":
            self.by_brightness = {"B03", "B04"} <= reflectance
            self.text = ("Pixels as bright as clouds are not hidden in tiles that hold cloud." if self.by_brightness else
                         "The dataset knows how much of a tile is cloud, but not where, so clouds may be hidden and count as truth.")
        shares = numbers(dataset.tiles.fillna({"cloud": 0}), "cloud", dataset.folder / TILES) if "cloud" in dataset.tiles else np.zeros(len(dataset))
        self.cloudy = shares > 0

    def pixels(self, images: np.ndarray, tiles: np.ndarray) -> np.ndarray:
        """Cloud and shadow, bool (n, y, x), in images (n, band, y, x) of these tiles, stored units."""
        found = np.zeros((len(images), *images.shape[2:]), bool)
        if self.flagged:
            flags = self.dataset.array(FLAGS, tiles)
            return (flags == CLOUD) | (flags == SHADOW) if flags.shape == found.shape else found
        chosen = self.cloudy[tiles] if self.by_brightness else np.zeros(len(tiles), bool)
        if chosen.any():
            found[chosen] = bright(images[chosen], self.sensor)
        return found


def _cropped(tile: np.ndarray, side: int | None, rng: np.random.Generator) -> np.ndarray:
    if side is None:
        return tile
    y, x = (int(rng.integers(0, size - side + 1)) for size in tile.shape[1:])
    return tile[:, y:y + side, x:x + side]


def _turned(tile: np.ndarray, number: int) -> np.ndarray:
    """One of the eight symmetries of a square tile (band, y, x)."""
    turned = np.rot90(tile, number % 4, (1, 2))
    return turned[:, :, ::-1] if number >= 4 else turned
