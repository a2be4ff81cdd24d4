"""Tiles that look alike: the same ground given twice, overlapping scenes of one pass, or one more empty piece of sea.

A tile is described by its coarse shape: each band is averaged to 16 × 16 blocks, in units of the band's spread, of which the 4 × 4
lowest frequencies of the discrete cosine transform are kept (the idea of perceptual hashes), and by how much each band varies within
the tile. The distance of two tiles is then the root mean square difference of their coarse shapes in spreads of the bands, so a
threshold of 0.05 means: alike to a twentieth of what the images vary.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from scipy.fft import dctn

#: Blocks along a tile, and frequencies kept along each axis.
BLOCKS, FREQUENCIES = 16, 4
#: Directions along which tiles are sorted into cells, so that few are compared.
DIRECTIONS = 3
#: Quantiles between which lie two standard deviations of a normal distribution: clouds do not move them as much.
SPREAD = (0.1587, 0.8413)


@dataclass(frozen=True)
class Fingerprint:
    """How tiles of one sensor are described.

    Attributes:
        middle: per band the median, in stored units.
        spread: per band half the distance of the quantiles `SPREAD`, in stored units.
    """

    middle: np.ndarray
    spread: np.ndarray

    @classmethod
    def of(cls, images: np.ndarray, valid: np.ndarray) -> Fingerprint:
        """Measures some tiles (n, band, y, x), of which the pixels in `valid` (n, y, x) count."""
        bands = images.shape[1]
        middle, spread = np.zeros(bands), np.ones(bands)
        if valid.any():
            for band in range(bands):
                low, middle[band], high = np.quantile(images[:, band][valid].astype(np.float64), (SPREAD[0], 0.5, SPREAD[1]))
                spread[band] = (high - low) / 2 or 1.0
        return cls(middle, spread)

    def describe(self, images: np.ndarray, valid: np.ndarray) -> np.ndarray:
        """Descriptions float32 (n, band · 17) of tiles (n, band, y, x); pixels not in `valid` (n, y, x) are as the rest of their tile."""
        count, bands = images.shape[:2]
        weights = valid.astype(np.float32)
        scaled = (images.astype(np.float32) - self.middle[:, None, None]) / self.spread[:, None, None]
        scaled = np.where(valid[:, None], scaled, 0).astype(np.float32)
        pixels = np.maximum(weights.sum((1, 2)), 1)[:, None]
        mean = scaled.sum((2, 3)) / pixels
        varied = np.sqrt(np.maximum((scaled**2).sum((2, 3)) / pixels - mean**2, 0))
        known = _blocks(weights)[:, None]
        coarse = np.where(known > 0, _blocks(scaled) / np.maximum(known, 1), mean[:, :, None, None])
        frequencies = dctn(coarse, axes=(2, 3), norm="ortho")[:, :, :FREQUENCIES, :FREQUENCIES] / BLOCKS
        whole = np.concatenate([frequencies.reshape(count, bands, -1), varied[:, :, None]], 2)
        return (whole / np.sqrt(bands)).reshape(count, -1).astype(np.float32)


class SeenTiles:
    """Remembers descriptions and tells whether a new one is alike to any.

    Only tiles in neighbouring cells along a few directions are compared. That misses none: two tiles are never further apart along a
    direction than they are altogether.

    Args:
        threshold: largest distance of tiles that are alike; 0 finds none.
        sample: some descriptions (n, d), from which the directions in which tiles differ most are taken.
    """

    def __init__(self, threshold: float, sample: np.ndarray) -> None:
        self.threshold, self.found = threshold, 0
        centred = sample - sample.mean(0)
        self._directions = np.linalg.svd(centred, full_matrices=False)[2][:DIRECTIONS].T
        self._cells: dict[tuple[int, ...], list[np.ndarray]] = {}
        self._steps = list(product((-1, 0, 1), repeat=self._directions.shape[1]))

    def is_new(self, description: np.ndarray) -> bool:
        """Whether a tile (d,) is unlike all that were new before; it is remembered if so."""
        if not self.threshold:
            return True
        place = np.floor(description @ self._directions / self.threshold).astype(int)
        near = [other for step in self._steps for other in self._cells.get(tuple((place + step).tolist()), ())]
        if near and float(((np.stack(near) - description) ** 2).sum(1).min()) <= self.threshold**2:
            self.found += 1
            return False
        self._cells.setdefault(tuple(place.tolist()), []).append(description)
        return True


def joined(descriptions: Sequence[np.ndarray]) -> np.ndarray:
    """One description of tiles seen by several sensors, all of the same weight: (n, d) each."""
    return np.concatenate(descriptions, 1) / np.sqrt(len(descriptions)).astype(np.float32)


def _blocks(values: np.ndarray) -> np.ndarray:
    """Sums over `BLOCKS` × `BLOCKS` blocks of the last two axes."""
    rows, cols = (np.linspace(0, size, BLOCKS, endpoint=False).astype(int) for size in values.shape[-2:])
    return np.add.reduceat(np.add.reduceat(values, rows, axis=-2), cols, axis=-1)
