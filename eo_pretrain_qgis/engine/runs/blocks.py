"""Blocks of tiles that are drawn whole when the interval of a figure is found: what lies in one place is right or wrong together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely

from ..datasets.dataset import Dataset
from ..datasets.footprints import read_footprints
from ..datasets.metres import in_metres
from ..datasets.units import first_of_units, has_units, scored_kind
from ..measures.bootstrap import FEWEST

#: From so many scenes on a scene is a block; blocks of ground are as large as they can be with so many of them; and no more than so many are kept.
SCENES, WANTED, MOST = 5, 20, 500
#: Edges of blocks of ground that are tried, in sides of a tile.
SIDES = tuple(2**power for power in range(12, -1, -1))


@dataclass(frozen=True)
class Blocks:
    """To which block each sample belongs.

    Attributes:
        of: number of the block of each sample (n,).
        count: how many blocks there are.
        words: what they are, with their number.
    """

    of: np.ndarray
    count: int
    words: str

    @property
    def enough(self) -> bool:
        """Whether figures can have intervals."""
        return self.count >= FEWEST

    def facts(self) -> dict[str, object]:
        """As plain values."""
        return {"count": self.count, "words": self.words}


def blocks_of(dataset: Dataset, samples: np.ndarray, most: int = MOST) -> Blocks:
    """The blocks of samples: scenes where there are five or more, else squares of ground where it is known where they lie, else single samples.

    Args:
        dataset: of the samples; where these belong to units such as parcels, a unit is of one block.
        samples: positions (n,).
        most: number of blocks; more of them are put together at random.
    """
    first, unit_of = first_of_units(dataset, samples)
    one = samples[first]  # a sample of each unit
    found = _scenes(dataset, one) or _squares(dataset, one)
    if found is None:
        kind = scored_kind(dataset)
        found = Blocks(np.arange(len(one)), len(one), f"{len(one):,} {kind.unit if has_units(dataset) else kind.pieces}")
    if found.count > most:
        parts = np.random.default_rng(0).permutation(found.count) % most
        found = Blocks(parts[found.of], most, f"{found.words} in {most} groups drawn at random")
    return Blocks(found.of[unit_of], found.count, found.words)


def _scenes(dataset: Dataset, samples: np.ndarray) -> Blocks | None:
    if "scene" not in dataset.tiles:
        return None
    names, numbers = np.unique(dataset.tiles["scene"].to_numpy(dtype=str)[samples], return_inverse=True)
    return Blocks(numbers, len(names), f"{len(names)} scenes") if SCENES <= len(names) < len(samples) else None


def _squares(dataset: Dataset, samples: np.ndarray) -> Blocks | None:
    """Squares of ground; None where places are not known, or all lie within a few of the smallest squares."""
    shapes = in_metres(read_footprints(dataset.folder).geometry.iloc[samples])
    return None if shapes is None else squares_of(shapes, dataset.tile_size * float(np.mean(dataset.description["resolution_m"])))


def squares_of(shapes: np.ndarray, side: float) -> Blocks | None:
    """Squares of ground, the largest of which enough are occupied; None where even the smallest are too few.

    Args:
        shapes: in metres (n,).
        side: of the smallest squares [m].
    """
    middles = shapely.get_coordinates(shapely.centroid(shapes))
    for sides in SIDES:
        squares, numbers = np.unique(np.floor(middles / (sides * side)), axis=0, return_inverse=True)
        if len(squares) >= (WANTED if sides > 1 else FEWEST):
            return Blocks(numbers.ravel(), len(squares), f"{len(squares)} squares of {sides * side:,.0f} m")
    return None
