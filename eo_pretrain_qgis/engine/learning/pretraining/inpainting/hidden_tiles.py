"""Tiles with hidden regions: read, turned, and covered; what may be hidden and what may count as truth."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch

from ....cards import Input
from ....datasets.dataset import TILES, Dataset, numbers
from ....rasters.clouds import CLOUD, SHADOW
from ....themes.unlabelled.tiles import bright
from ...data import Arrays, Batch, Part, TileReader
from .hidden_regions import Blocks

FLAGS = "flags"
#: Targets of the batches: pixels to fill, bool (n, y, x), all of them measured and free of known cloud; and the images as the network filled
#: them in this step, scaled units, once it has.
HIDDEN, MADE = "hidden", "made"


class HidingReader:
    """Reads batches of tiles of one input and hides regions of them.

    Args:
        dataset: of any task whose samples are images.
        seen: one of its inputs.
        blocks: how tiles are covered.
        stride: height and width of batches are made multiples of it, by pixels that are not measured.
        device: where the batches go.
    """

    def __init__(self, dataset: Dataset, seen: Input, blocks: Blocks, stride: int, device: torch.device) -> None:
        self.dataset, self.seen, self.blocks, self.device = dataset, seen, blocks, device
        self.reader, self.clouds = TileReader(dataset, {seen.name: seen}, stride, device), KnownClouds(dataset, seen.sensor)

    def shuffled(self, tiles: np.ndarray, batch_size: int, rng: np.random.Generator, crop: int | None = None) -> Iterator[Batch]:
        """All `tiles` once, in random order and in one of eight orientations each, newly covered.

        Args:
            tiles: positions in the dataset.
            batch_size: the most tiles per batch; batches are of nearly equal size.
            rng: decides everything.
            crop: side of a random part of each tile, pixels; None takes whole tiles.
        """
        def changed(chosen: np.ndarray, arrays: Arrays) -> Arrays:
            arrays = self._counted(chosen, arrays)
            drawn = [_drawn({key: array[place] for key, array in arrays.items() if array.ndim > 2}, crop, rng) for place in range(len(chosen))]
            return self._covered({**arrays, **{key: np.stack([maps[key] for maps in drawn]) for key in drawn[0]}}, [rng] * len(chosen))

        return self.reader.batches(map(Part, _portions(rng.permutation(tiles), batch_size)), changed)

    def fixed(self, tiles: np.ndarray, batch_size: int, seed: int) -> Iterator[Batch]:
        """All `tiles` once, whole and in their order; what is hidden of a tile follows from the seed and its number alone."""
        def changed(chosen: np.ndarray, arrays: Arrays) -> Arrays:
            return self._covered(self._counted(chosen, arrays), [np.random.default_rng([seed, int(number)]) for number in chosen])

        return self.reader.batches(map(Part, _portions(tiles, batch_size)), changed)

    def _counted(self, tiles: np.ndarray, arrays: Arrays) -> Arrays:
        """The arrays with those pixels as hidden that may be."""
        return {**arrays, ("targets", HIDDEN): arrays["valid", self.seen.name] & ~self.clouds.pixels(tiles)}

    def _covered(self, arrays: Arrays, sources: Sequence[np.random.Generator]) -> Arrays:
        """The arrays with hidden of them what is drawn for each tile."""
        counted = arrays["targets", HIDDEN]
        return {**arrays, ("targets", HIDDEN): np.stack([self.blocks.draw(tile, source) for tile, source in zip(counted, sources)])}


def shown(batch: Batch) -> torch.Tensor:
    """Measured pixels that are not hidden, bool (n, y, x)."""
    (valid,) = batch.valid.values()
    return valid & ~batch.targets[HIDDEN]


class KnownClouds:
    """Cloud and shadow, as far as a dataset knows their places.

    Places are known from an array of flags, or where clouds were found by their brightness, which can be done again. From masks only the
    share of each tile was kept; in tiles with such a share, pixels as bright as clouds count as cloud where the bands allow to tell.

    Args:
        dataset: of any task.
        sensor: name of one of its sensors, all bands of which are looked at.

    Attributes:
        text: what is done, for people; empty when the dataset knows of no clouds.
    """

    def __init__(self, dataset: Dataset, sensor: str) -> None:
        self.dataset, self.sensor, self.text, self.by_brightness = dataset, dataset.sensor_named(sensor), "", False
        self.flagged = FLAGS in dataset.shards.extras()
        sources = {row["sensor"]: row["source"] for row in (dataset.facts.get("clouds", ()) if dataset.theme == "pretraining" else ())}
        source = sources.get(sensor, "none")
        reflectance = {band.name for band in self.sensor.bands if band.unit == "reflectance"}
        if self.flagged:
            self.text = "Pixels flagged as cloud or shadow are not hidden."
        elif source != "none":
            self.by_brightness = {"B03", "B04"} <= reflectance
            self.text = ("Pixels as bright as clouds are not hidden in tiles that hold cloud." if self.by_brightness else
                         "The dataset knows how much of a tile is cloud, but not where, so clouds may be hidden and count as truth.")
        shares = numbers(dataset.tiles.fillna({"cloud": 0}), "cloud", dataset.folder / TILES) if "cloud" in dataset.tiles else np.zeros(len(dataset))
        self.cloudy = shares > 0

    def pixels(self, tiles: np.ndarray) -> np.ndarray:
        """Cloud and shadow of these tiles, bool (n, y, x)."""
        found = np.zeros((len(tiles), *[self.dataset.tile_size] * 2), bool)
        if self.flagged:
            flags = self.dataset.array(FLAGS, tiles)
            return (flags == CLOUD) | (flags == SHADOW) if flags.shape == found.shape else found
        chosen = self.cloudy[tiles] if self.by_brightness else np.zeros(len(tiles), bool)
        if chosen.any():
            found[chosen] = bright(self.dataset.images(tiles[chosen], self.sensor.name), self.sensor)
        return found


def _portions(tiles: np.ndarray, size: int) -> list[np.ndarray]:
    return np.array_split(tiles, -(-len(tiles) // size)) if len(tiles) else []


def _drawn(maps: Arrays, side: int | None, rng: np.random.Generator) -> Arrays:
    """The maps (…, y, x) of a tile, or the same random part of each, in one of the eight symmetries of a square."""
    if side is not None:
        y, x = (int(rng.integers(0, size - side + 1)) for size in next(iter(maps.values())).shape[-2:])
        maps = {key: array[..., y:y + side, x:x + side] for key, array in maps.items()}
    number = int(rng.integers(8))
    turned = {key: np.rot90(array, number % 4, (-2, -1)) for key, array in maps.items()}
    return {key: array[..., ::-1] for key, array in turned.items()} if number >= 4 else turned
