"""Batches of tiles, read straight from the dataset's memory maps in the training process.

There are no loader processes: copies between processes cost more than the reading (batches indexed here were measured six
times as fast as two loader workers). Tiles travel to the device in the data type they are stored in and become float32 there.
For a CUDA device one batch is read ahead by a thread, into memory that the device fetches by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, fields, replace
from operator import itemgetter
from typing import Any, NamedTuple

import numpy as np
import torch

from ..cards import Inputs, stacked
from ..datasets.dataset import Dataset
from ..datasets.dates import read_series
from ..datasets.record import label_array
from ..datasets.surroundings import Surroundings
from ..even_sample import even_sample
from ..scheduling import ahead
from .image_changes import turned

LABELS, SHARES = "labels", "shares"
#: Pixels around a tile that show a network what it would see in a map.
AROUND = 64
#: The same of dated tiles, whose dates multiply the work.
AROUND_DATED = 16
#: What was read for a batch: the field of `Batch` and the name in it → (n, …), all with axes y and x at the end that have more than two axes.
Arrays = dict[tuple[str, str], np.ndarray]


@dataclass(frozen=True)
class Batch:
    """Some tiles on the device.

    Attributes:
        images: by input, float32 (n, band, y, x), of series (n, date, band), of dated tiles (n, date, band, y, x), stored units; the band's centre
            where nothing is valid. What methods hand out may be scaled already.
        valid: by input, which pixels were measured, bool (n, y, x), or which dates of series count, bool (n, date), of dated tiles (n, date, y, x).
        samples: int64 (n,), positions in the dataset.
        weights: float32 (n,), of the tiles in the loss.
        targets: what is to be learned, by name. “labels” are class positions, int64, 255 where nothing is known: (n, y, x), or (n,) where a
            tile has one class; 0 and 1 (n, class) where it may have several; “labels_1” and so
            on are those of further targets. “shares” are those of the classes in each pixel, uint8
            (n, class, y, x) of 255. Methods add others.
        days: by the name of their port, of series, float32 (n, date), below 0 where a date does not count, see `dates.read_series`.
        together: fewest tiles in a piece, of a loss that compares them.
    """

    images: dict[str, torch.Tensor]
    valid: dict[str, torch.Tensor]
    samples: np.ndarray
    weights: torch.Tensor
    targets: dict[str, torch.Tensor] = field(default_factory=dict)
    days: dict[str, torch.Tensor] = field(default_factory=dict)
    together: int = 1

    def __len__(self) -> int:
        return len(self.samples)

    @property
    def given(self) -> dict[str, torch.Tensor]:
        """What networks are given, by names of ports: images, and series with their days."""
        return {**self.images, **self.days}

    def map(self, change: Callable[[Any], Any]) -> Batch:
        """The same with `change` made to every tensor and to the samples."""
        values: dict[str, Any] = {one.name: getattr(self, one.name) for one in fields(self) if one.name != "together"}
        changed: dict[str, Any] = {name: {key: change(one) for key, one in value.items()} if isinstance(value, dict) else change(value)
                                   for name, value in values.items()}
        return replace(self, **changed)

    def split(self, pieces: int) -> list[Batch]:
        """The same tiles in at most `pieces` smaller batches; a single piece is the batch itself."""
        parts = np.array_split(np.arange(len(self)), max(1, min(pieces, len(self) // self.together)))
        return [self] if len(parts) == 1 else [self.map(itemgetter(slice(part[0], part[-1] + 1))) for part in parts]

    def turned(self, numbers: Sequence[int]) -> Batch:
        """Every tile in the symmetry of its number, see `image_changes.turned`, with all that has pixels."""
        maps = [one for group in (self.images, self.valid, self.targets) for one in group.values() if one.ndim > 2]
        found = dict(zip(map(id, maps), turned(numbers, *maps), strict=True))
        return self.map(lambda values: laid(found.get(id(values), values)))


class Part(NamedTuple):
    """What a batch is read from: positions in the dataset (n,), and the side of a part of each tile [px] with its corners (n, 2) in y and x."""

    samples: np.ndarray
    crop: int | None = None
    corners: np.ndarray | None = None


class TileReader:
    """Reads batches of a dataset for a network.

    Args:
        dataset: of tiles.
        inputs: what the network sees of them.
        stride: height and width of batches are made multiples of it, by pixels that are not valid.
        device: where the batches go.
        targets: “labels”, those of further targets, and extra arrays of the dataset, that batches come with.
        context: so many pixels of what lies around them are read with tiles, see `Surroundings`; labels of these are not known [px].
        hidden: names of inputs that are given as if they had measured nothing.

    Attributes:
        hidden: also of those that the network can do without and the dataset lacks.
        shown: the input that the others make.
    """

    def __init__(self, dataset: Dataset, inputs: Inputs, stride: int, device: torch.device, *, targets: Sequence[str] = (),
                 context: int = 0, hidden: Collection[str] = ()) -> None:
        self.dataset, self.inputs, self.stride, self.device, self.targets, self.context = dataset, inputs, stride, device, targets, context
        self.ahead = device.type == "cuda"  # on a processor, reading ahead would take time from its own steps
        self.fill = {name: torch.tensor(seen.centre, dtype=torch.float32, device=device).view(1, -1, 1, 1) for name, seen in inputs.items()}
        self.hidden = {name for name, seen in inputs.items() if name in hidden or (seen.optional and dataset.find(seen) is None)}
        self.shown = stacked(seen for name, seen in inputs.items() if name not in self.hidden)
        self.around = {seen.name: Surroundings(dataset, seen, context) for seen in self.shown.each} if context else {}
        self.labels = {label_array(number) if number else LABELS: one for number, one in enumerate(dataset.each_target())}

    def indices(self, split: str) -> np.ndarray:
        """Tiles of a split that show all inputs, see `Dataset.indices`."""
        return self.dataset.showing(split, self.shown)

    def shuffled(self, samples: np.ndarray, batch_size: int, rng: np.random.Generator, crop: int | None = None) -> Iterator[Batch]:
        """All `samples` once, in random order, in batches of nearly equal size, so that none is left with a single tile.

        Args:
            samples: positions in the dataset.
            batch_size: the most tiles per batch; of 2, an odd number of tiles has one of 3.
            rng: decides the order and the corners of the crops.
            crop: side of a random part of each tile, pixels; None takes whole tiles.
        """
        most = self.dataset.tile_size - (crop or 0) + 1
        return self.batches(Part(chosen, crop, None if crop is None else rng.integers(0, most, (len(chosen), 2)))
                            for chosen in _portions(rng.permutation(samples), batch_size))

    def in_order(self, samples: np.ndarray, batch_size: int) -> Iterator[Batch]:
        """All `samples` once, whole and in their order."""
        return self.batches(map(Part, _portions(samples, batch_size)))

    def batches(self, parts: Iterable[Part], change: Callable[[np.ndarray, Arrays], Arrays] = lambda samples, arrays: arrays) -> Iterator[Batch]:
        """A batch of each part.

        Args:
            parts: what to read.
            change: what a method makes of positions and arrays of a batch, in this computer's memory; for CUDA in another thread, and for one
                batch after the other.
        """
        if not self.ahead:
            yield from (self._send(part, self._read(part, change)) for part in parts)
            return
        asked = ThreadPoolExecutor(1, thread_name_prefix="read")
        try:
            yield from (self._send(*found) for found in ahead(lambda part: asked.submit(lambda: (part, self._read(part, change))), parts, 2))
        finally:
            asked.shutdown(cancel_futures=True)

    def read(self, part: Part) -> Batch:
        """One batch, at once."""
        return next(self.batches([part]))

    def stored(self, name: str, samples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Whole tiles of an input as they are stored, (n, band, y, x), and where every band was measured, bool (n, y, x)."""
        if name in self.hidden:
            side = self.dataset.tile_size + 2 * self.context
            return np.zeros((len(samples), len(self.inputs[name].bands), side, side), np.float32), np.zeros((len(samples), side, side), bool)
        around = self.around.get(name)
        images, valid = around.read(samples) if around else self.dataset.read(self.inputs[name], samples)
        return images, valid & np.isfinite(images).all(1) if images.dtype.kind == "f" else valid

    def _read(self, part: Part, change: Callable[[np.ndarray, Arrays], Arrays]) -> dict[tuple[str, str], torch.Tensor]:
        """What a batch is made of, in this computer's memory."""
        arrays: Arrays = {}
        for name, seen in self.inputs.items():
            if seen.dated:
                series = read_series(self.dataset, seen, part.samples, self.around.get(name))
                images, days = (_crop(array, part, 2 * self.context) for array in series)
                arrays["images", name], arrays["valid", name] = images, days >= 0
                arrays["days", seen.days_port] = days.max(tuple(range(2, days.ndim)))
                continue
            images, valid = self.stored(name, part.samples)
            arrays["images", name], arrays["valid", name] = (_crop(array, part, 2 * self.context) for array in (images, valid))
        for name in self.targets:
            target = self.labels[name].labels(part.samples) if name in self.labels else self.dataset.array(name, part.samples)
            arrays["targets", name] = _crop(target, part)
            if target.ndim > 2:
                arrays["targets", name] = _pad(arrays["targets", name], (self.context,) * 2, self._nothing(name))
        arrays["weights", ""] = self.dataset.weights[part.samples].astype(np.float32)
        arrays = change(part.samples, arrays)
        for (kind, name), array in arrays.items():
            if array.ndim > 2:
                arrays[kind, name] = _pad(array, tuple(-side % self.stride for side in array.shape[-2:]), self._nothing(name), first=False)
        return {key: at_hand(array, self.device) for key, array in arrays.items()}

    def _send(self, part: Part, arrays: dict[tuple[str, str], torch.Tensor]) -> Batch:
        there = {key: array.to(self.device, non_blocking=True) for key, array in arrays.items()}
        images, valid, targets, days = ({name: array for (found, name), array in there.items() if found == kind}
                                        for kind in ("images", "valid", "targets", "days"))
        for name, array in images.items():
            if array.ndim < 4:
                continue
            pixels = array.float()
            images[name] = laid(torch.where(valid[name].unsqueeze(-3), pixels, self.fill[name]) if name in valid else pixels)
        targets |= {name: target.long() for name, target in targets.items() if name in self.labels}
        return Batch(images, valid, part.samples, there["weights", ""], targets, days)

    def _nothing(self, name: str) -> int:
        """What stands in a map where nothing is known."""
        return self.dataset.ignore if name in self.labels else 0


def around(dataset: Dataset) -> int:
    """Pixels around the tiles of a dataset that show a network what it would see in a map; none where tiles have no class per pixel."""
    return (AROUND_DATED if dataset.kind.dates else AROUND) if dataset.kind.pixelwise else 0


def laid(images: torch.Tensor) -> torch.Tensor:
    """Images (n, band, y, x) as the networks' convolutions want them in memory; anything else as it is."""
    return images.contiguous(memory_format=torch.channels_last) if images.ndim == 4 and images.is_floating_point() else images


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


def _crop(array: np.ndarray, part: Part, more: int = 0) -> np.ndarray:
    """The part of each tile (n, …, y, x) that is wanted, with so many pixels more on each axis; labels of whole tiles as they are."""
    if part.crop is None or part.corners is None or array.ndim < 3:
        return array
    side = part.crop + more
    return np.stack([tile[..., y:y + side, x:x + side] for tile, (y, x) in zip(array, part.corners)])


def _pad(array: np.ndarray, sides: tuple[int, ...], fill: int, first: bool = True) -> np.ndarray:
    """The array (…, y, x) with so many pixels more below and to the right, and with `first` above and to the left too."""
    widths = [(side if first else 0, side) for side in sides]
    return np.pad(array, [(0, 0)] * (array.ndim - 2) + widths, constant_values=fill) if any(sides) else array
