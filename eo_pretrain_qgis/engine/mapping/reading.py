"""What a network is given of a tile: read from the image of each of its inputs, in stored units of the model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from queue import SimpleQueue

import numpy as np

from ..models.record import ModelInput
from ..rasters.grid import Window
from ..rasters.raster import Scene
from .band_matching import Match
from .blocks import Tile

#: Share of the range between the 0.1 and 99.9 percentiles of the training pixels by which a value may lie outside unnoticed.
RANGE_MARGIN = 0.1


@dataclass(frozen=True)
class Source:
    """The image that an input of a model is read from.

    Attributes:
        scene: opens one more handle on it.
        matches: its bands for those of the input.
        shift: columns and rows from a pixel of the map to the same ground in this image.
    """

    scene: Callable[[], Scene]
    matches: Sequence[Match]
    shift: tuple[int, int] = (0, 0)

    def place(self, window: Window) -> Window:
        """A window of the map as one of the image."""
        return Window(window.col + self.shift[0], window.row + self.shift[1], window.width, window.height)


@dataclass(frozen=True)
class Piece:
    """A tile that was read.

    Attributes:
        tile: see above.
        target: of its core, what lies in the area.
        values: of all inputs, one after the other (band, y, x) float32 over `tile.seen`; without a band where nothing of the target is known.
        known: where the model can say something, bool (y, x) over `tile.seen`.
        sensors: which inputs were measured, uint8 (y, x) over `tile.seen`: 1 the first, 2 the second, 4 the third; None of a model of one.
        counts: per band of the images, pixels of the target that are known and measured, of these those outside the training range, and those
            outside it without the margin.
        limits: per band of the images, the smallest and the largest value of these pixels.
    """

    tile: Tile
    target: Window
    values: np.ndarray
    known: np.ndarray
    sensors: np.ndarray | None
    counts: tuple[np.ndarray, np.ndarray, np.ndarray]
    limits: tuple[np.ndarray, np.ndarray]

    @property
    def inner(self) -> tuple[slice, slice]:
        """Rows and columns of the target in what was read."""
        top, left = self.target.row - self.tile.seen.row, self.target.col - self.tile.seen.col
        return slice(top, top + self.target.height), slice(left, left + self.target.width)

    @property
    def valid(self) -> np.ndarray:
        """See `known`, over the target."""
        return self.known[self.inner]


class Reader:
    """Reads tiles and turns them into the network's input; safe in as many threads as there are handles.

    Args:
        inputs: of the model, by name.
        sources: their images, by name; those without have the fill value everywhere.
        handles: on the images, in the order of `sources`.
        area: what is to be mapped [px of the map].
    """

    def __init__(self, inputs: Mapping[str, ModelInput], sources: Mapping[str, Source], handles: Sequence[Sequence[Scene]], area: Window) -> None:
        self.inputs, self.sources, self.area = inputs, sources, area
        self.free: SimpleQueue[Sequence[Scene]] = SimpleQueue()
        for scenes in handles:
            self.free.put(scenes)
        self.needed = [name for name, seen in inputs.items() if not seen.optional]
        low, high = (np.array([getattr(match.model, name) for match in all_matches(sources)], np.float32) for name in ("p001", "p999"))
        margin = RANGE_MARGIN * (high - low)
        self.least, self.most, self.low, self.high = low, high, low - margin, high + margin

    def read(self, tile: Tile) -> Piece:
        """Reads one tile; pixels without data get the value the model was told means average."""
        scenes = self.free.get()
        try:
            read = {name: scene.read(source.place(tile.seen), [match.position for match in source.matches])
                    for (name, source), scene in zip(self.sources.items(), scenes, strict=True)}
        finally:
            self.free.put(scenes)
        shown = {name: valid for name, (_, valid) in read.items()}
        known = self._known(shown)
        target, bands = tile.core.intersection(self.area) or tile.core, len(self.low)
        measured, outside, beyond = np.zeros((3, bands), np.int64)
        piece = Piece(tile, target, np.zeros((0, *known.shape), np.float32), known, self._sensors(shown), (measured, outside, beyond),
                      (np.full(bands, np.inf), np.full(bands, -np.inf)))
        if not piece.valid.any():
            return piece
        layers, first = [], 0
        for name, seen in self.inputs.items():
            if name in read:
                layers.append(self._converted(name, read[name], piece, first))
                first += len(seen.bands)
            else:
                layers.append(np.broadcast_to(np.asarray(seen.fill, np.float32)[:, None, None], (len(seen.bands), *known.shape)))
        return replace(piece, values=layers[0] if len(layers) == 1 else np.concatenate(layers))

    def _converted(self, name: str, read: tuple[np.ndarray, np.ndarray], piece: Piece, first: int) -> np.ndarray:
        """The values of an input (band, y, x) float32; what they are is counted in `piece`, from its band `first` on."""
        values, fill = read[0].astype(np.float32), np.asarray(self.inputs[name].fill, np.float32)
        shown, inner = read[1], piece.inner
        kept = shown[inner] if shown is piece.known else shown[inner] & piece.valid
        (measured, outside, beyond), (lowest, highest) = piece.counts, piece.limits
        for number, match in enumerate(self.sources[name].matches):
            match.convert(values[number])
            band, inside = first + number, values[number][inner]
            lowest[band], highest[band] = inside.min(where=kept, initial=np.inf), inside.max(where=kept, initial=-np.inf)
            outside[band] = np.count_nonzero(((inside < self.low[band]) | (inside > self.high[band])) & kept)
            beyond[band] = np.count_nonzero(((inside < self.least[band]) | (inside > self.most[band])) & kept)
            values[number][~shown] = fill[number]
        measured[first:first + len(values)] = np.count_nonzero(kept)
        return values

    def _known(self, shown: dict[str, np.ndarray]) -> np.ndarray:
        """Where all inputs were measured that the model cannot do without, and one at least."""
        if len(shown) == 1:
            return next(iter(shown.values()))
        return np.logical_and.reduce([shown[name] for name in self.needed]) if self.needed else np.logical_or.reduce(list(shown.values()))

    def _sensors(self, shown: dict[str, np.ndarray]) -> np.ndarray | None:
        """See `Piece`."""
        if len(self.inputs) == 1:
            return None
        found = np.zeros(next(iter(shown.values())).shape, np.uint8)
        for number, name in enumerate(self.inputs):
            if name in shown:
                found |= shown[name].astype(np.uint8) << number
        return found


def all_matches(sources: Mapping[str, Source]) -> list[Match]:
    """Those of all images, one after the other."""
    return [match for source in sources.values() for match in source.matches]
