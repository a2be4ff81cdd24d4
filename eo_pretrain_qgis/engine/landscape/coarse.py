"""The land cover as a global map at 100 m knows it: majority over a shifted grid, with the errors such maps have.

Codes are those of the Copernicus Global Land Service map (CGLS-LC100, Buchhorn et al. 2020, doi 10.3390/rs12061044).
That map's own validation gives an overall accuracy of about 80 %; here about 85 % of the cells agree with the
majority class of the truth, which is a little kinder.
"""

from __future__ import annotations

import numpy as np

from ..datasets.dataset import ClassInfo
from .noise import Box, Field, stream

CODES = {
    30: ("Herbaceous vegetation", "#ffff4c"),
    40: ("Cultivated vegetation", "#f096ff"),
    50: ("Urban / built-up", "#fa0000"),
    60: ("Bare / sparse vegetation", "#b4b4b4"),
    80: ("Permanent water bodies", "#0032c8"),
    111: ("Closed forest, evergreen needle leaf", "#58481f"),
    114: ("Closed forest, deciduous broad leaf", "#00cc00"),
    115: ("Closed forest, mixed", "#4e751f"),
    124: ("Open forest, deciduous broad leaf", "#a0dc00"),
}
CLASSES = [ClassInfo(value, name, color) for value, (name, color) in CODES.items()]
#: Cells along the side of a 100 m pixel, and the share of cells that get a wrong class.
CELL, WRONG = 10, 0.13
#: What a class is mistaken for, most likely first.
CONFUSED = {
    30: (40, 124),
    40: (30, 124),
    50: (40, 60),
    60: (40, 50),
    80: (30, 114),
    111: (115, 114),
    114: (115, 124),
    115: (111, 114),
    124: (30, 115),
}


class CoarseMap:
    """Counts classes over 100 m while blocks of 10 m come in.

    Args:
        seed: of the landscape.
        size_px: width and height of the image in 10 m pixels.
    """

    def __init__(self, seed: int, size_px: int) -> None:
        self.seed, self.side = seed, -(-size_px // CELL)
        self.codes = sorted(CODES)
        self._place = np.zeros(256, np.int64)
        self._place[self.codes] = np.arange(len(self.codes))
        self.counts = np.zeros((self.side * self.side, len(self.codes)), np.int32)

    def add(self, codes: np.ndarray, row: int, column: int) -> None:
        """Counts a block of codes (y, x) whose upper left pixel is (row, column)."""
        rows, columns = (row + np.arange(codes.shape[0])) // CELL, (column + np.arange(codes.shape[1])) // CELL
        cells = rows[:, None] * self.side + columns[None]
        keys = cells * len(self.codes) + self._place[codes]
        self.counts += np.bincount(keys.ravel(), minlength=self.counts.size).reshape(self.counts.shape).astype(np.int32)

    def majority(self) -> np.ndarray:
        """The map without errors (y, x) uint8: mixed and open forest are told from the shares."""
        share = self.counts / np.maximum(self.counts.sum(1, keepdims=True), 1)
        needle, broad = share[:, self.codes.index(111)], share[:, self.codes.index(114)]
        forest = needle + broad
        others = share.copy()
        others[:, [self.codes.index(111), self.codes.index(114)]] = 0
        best = np.array(self.codes)[others.argmax(1)]
        kind = np.where(needle > 0.7 * forest, 111, np.where(broad > 0.7 * forest, 114, 115))
        kind = np.where(forest < 0.65, 124, kind)
        return np.where(forest > others.max(1), kind, best).reshape(self.side, self.side).astype(np.uint8)

    def map(self) -> np.ndarray:
        """The map with errors (y, x) uint8. Wrong cells come in patches and are likelier where the ground is mixed."""
        rng = stream(self.seed, "coarse map")
        right = self.majority()
        total = np.maximum(self.counts.sum(1), 1)
        mixed = (1 - self.counts.max(1) / total).reshape(right.shape)
        patches = Field(rng, Box(0, 0, self.side, self.side), 8, octaves=2)
        centres = np.arange(self.side) + 0.5
        doubt = 0.6 * patches.grid(centres, centres) + rng.standard_normal(right.shape) + 2.0 * mixed
        wrong = doubt > np.quantile(doubt, 1 - WRONG)
        second = rng.random(right.shape) < 0.3
        result = right.copy()
        for code, (likely, other) in CONFUSED.items():
            here = wrong & (right == code)
            result[here] = np.where(second[here], other, likely)
        return result
