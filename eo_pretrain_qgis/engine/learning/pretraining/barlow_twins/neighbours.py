"""Tiles that look alike to an encoder, to learn from as views of one another.

Two views of one tile teach what light and position leave as it is, two tiles of the same kind what the kind is. Neighbours are taken for
such where each is among the nearest of the other (Dwibedi et al. 2021, With a little help from my friends, arXiv 2104.14548, take the
nearest one of a queue; the condition both ways keeps tiles out that are near to many).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from .....progress import SILENT, Progress
from ...loop.kept_array import keep_array, kept_array
from ...nearest_tiles import nearest_tiles


class Neighbours:
    """Which tiles may stand for which.

    Args:
        tiles: positions in the dataset, ascending (n,).
        partners: for each of `tiles` others in no order, and the tile itself wherever there is none: (n, count).
    """

    def __init__(self, tiles: np.ndarray, partners: np.ndarray) -> None:
        self.tiles, self.partners = tiles, partners

    @classmethod
    def find(cls, tiles: np.ndarray, features: Sequence[np.ndarray], count: int, progress: Progress = SILENT) -> Neighbours:
        """Those of the `count` nearest tiles that have a tile among their own.

        Args:
            tiles: positions in the dataset, ascending (n,).
            features: of the tiles, (n, channel), of one sensor or of several.
            count: of the nearest.
            progress: told of every some tiles.
        """
        nearest, _ = nearest_tiles(np.concatenate(features, 1), count, progress)
        own = np.arange(len(tiles))[:, None]
        pairs = np.sort(own * len(tiles) + nearest, axis=None)
        back = nearest * len(tiles) + own
        mutual = pairs[np.searchsorted(pairs, back).clip(max=len(pairs) - 1)] == back
        return cls(tiles, tiles[np.where(mutual, nearest, own)])

    @classmethod
    def read(cls, path: str, tiles: np.ndarray) -> Neighbours:
        """What `write` left for the same tiles.

        Raises:
            DataError: there is nothing, or it is of other tiles.
        """
        return cls(tiles, kept_array(path, lambda partners: len(partners) == len(tiles), "pretrain in a new folder"))

    def write(self, path: str) -> None:
        """Keeps the partners, so that a run that is continued has the same.

        Raises:
            DataError: the disk is full.
        """
        keep_array(path, self.partners)

    def draw(self, tiles: np.ndarray, generator: torch.Generator) -> np.ndarray:
        """For each of some of the tiles a partner, or the tile itself (m,)."""
        column = torch.randint(self.partners.shape[1], (len(tiles),), generator=generator).numpy()
        return self.partners[np.searchsorted(self.tiles, tiles), column]

    def sentence(self) -> str:
        """How many there are, in words."""
        found = (self.partners != self.tiles[:, None]).sum(1)
        return (f"Of the {self.partners.shape[1]} tiles nearest to a tile {found.mean():.1f} have it among their own nearest, and are learned "
                f"from as views of it; {100 * (found == 0).mean():.1f} % of the tiles have none.")
