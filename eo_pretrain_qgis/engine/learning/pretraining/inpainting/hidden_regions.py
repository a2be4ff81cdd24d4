"""Regions that are hidden from a network so that it learns to fill them: blocks at random places."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

#: Of a tile's side, the default size of a block (Pathak et al. 2016, Context Encoders, arXiv 1604.07379, hide a quarter of the area).
BLOCK_OF_SIDE = 4
#: Sides of a block lie between this part of its size and the whole.
SMALLEST = 0.5


@dataclass(frozen=True)
class Blocks:
    """How a tile is covered.

    Attributes:
        size: largest side of a block [px].
        share: of the pixels that count, hidden.
        number: most blocks; None takes as many as the share needs.
    """

    size: int
    share: float
    number: int | None = None

    def draw(self, counted: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Covers one tile with blocks, whose sides are drawn anew for each, so that no fixed shape can be learned by heart.

        Middles lie anywhere in the tile and blocks are cut off at its edge; drawn inside only, they would rarely reach the edge.
        Blocks may overlap. The last one is cut row by row to meet the share; with a `number` the share may not be reached.

        Args:
            counted: pixels that may be hidden, bool (y, x).
            rng: decides all.

        Returns:
            Hidden pixels, bool (y, x); all of them counted. None where nothing counts.
        """
        height, width = counted.shape
        wanted, hidden = round(self.share * float(counted.sum())), np.zeros_like(counted)
        most = self.number or 20 + int(16 * self.share * height * width / self.size**2)
        count = 0
        for sides, middle in zip(rng.uniform(SMALLEST, 1, (most, 2)), rng.uniform(0, 1, (most, 2))):
            if count >= wanted:
                break
            (top, left), (down, right) = _corners(sides * self.size, middle * (height, width))
            block = hidden[max(top, 0):down, max(left, 0):right]
            fresh = counted[max(top, 0):down, max(left, 0):right] & ~block
            kept = _limited(fresh, wanted - count)
            block |= kept
            count += int(kept.sum())
        return hidden


def default_size(side: int) -> int:
    """Size of blocks for tiles of `side` [px]: a quarter, so that a block holds more than its rim tells."""
    return max(2, side // BLOCK_OF_SIDE)


def _corners(sides: np.ndarray, middle: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    length = np.maximum(1, np.round(sides)).astype(int)
    first = np.floor(middle - length / 2 + 0.5).astype(int)
    return first, np.maximum(first + length, 0)


def _limited(fresh: np.ndarray, most: int) -> np.ndarray:
    """The first `most` of the pixels of a block, row by row."""
    return fresh & (np.cumsum(fresh).reshape(fresh.shape) <= most) if fresh.sum() > most else fresh
