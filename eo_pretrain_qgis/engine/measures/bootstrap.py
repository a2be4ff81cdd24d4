"""Intervals of figures by a block bootstrap: pixels side by side are wrong together, so whole blocks of ground are drawn, with replacement.

The interval is that of percentiles (Efron and Tibshirani 1993, An Introduction to the Bootstrap, chapter 13), over blocks instead of single pixels
(Lahiri 2003, Resampling Methods for Dependent Data, chapter 2). Counts of blocks add up, so a resample costs a sum over blocks and not over pixels.

Where all blocks are alike, such as all right, so are all resamples, and their percentiles say that there is no doubt at all. There the limit is
that of blocks that were not seen, see `unseen`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np

T = TypeVar("T")

#: Resamples, and blocks below which there is no interval: of four blocks too few different resamples can be drawn.
RESAMPLES, FEWEST = 200, 5
#: Percentiles between which 95 of 100 resamples lie.
ENDS = (2.5, 97.5)
#: Ends that are closer are written alike, as in “1.000 (1.000 to 1.000)”: no resample tells of doubt.
ALIKE = 5e-4
#: The baseline that gives every sample the most frequent class.
MAJORITY = "majority"
#: What a page says of such figures.
UNSEEN_WORDS = ("Where no place was wrong, or all were alike, the interval is that of places that were not seen (Clopper and Pearson 1934): where n "
                "are all right, about 3 in n others may be wrong.")
#: What is said holds in all but so many of 100 samples [share].
MISSED = 0.05


def draws(blocks: int, seed: int = 0, times: int = RESAMPLES) -> np.ndarray:
    """How often each block is drawn in each resample, int64 (resample, block); the same for all that is compared, so that differences are paired."""
    return np.random.default_rng(seed).multinomial(blocks, np.full(blocks, 1 / blocks), size=times)


def resampled(counts: np.ndarray, drawn: np.ndarray) -> Iterator[np.ndarray]:
    """The counts of each resample.

    Args:
        counts: of each block (block, …), which add up.
        drawn: see `draws`.
    """
    for row in drawn:
        yield np.tensordot(row, counts, 1)


def interval(values: Sequence[float | None]) -> list[float] | None:
    """Lower and upper end of the interval that holds 95 % of the values; None where a fifth or more of the resamples have none.

    A class that few blocks show may be missing from a resample.
    """
    known = [value for value in values if value is not None]
    if len(known) <= 0.8 * len(values):  # also where there are no resamples
        return None
    return [float(end) for end in np.percentile(known, ENDS)]


def unseen(blocks: float) -> float:
    """The largest share of blocks of another kind that a sample of so many blocks, all of one kind, allows with 95 % confidence: 1 - 0.05^(1/n).

    This is the one-sided limit of Clopper and Pearson (1934, Biometrika 26(4), 404-413) for no case in n, about 3 / n: the rule of three (Hanley and
    Lippman-Hand 1983, JAMA 249(13), 1743-1745).
    """
    return 1 - MISSED ** (1 / blocks)


@dataclass(frozen=True)
class Resamples(Generic[T]):
    """What is found in resamples of blocks.

    Attributes:
        found: in each resample; nothing where there are too few blocks for an interval.
        alone: gives the same of each block alone. It is asked for only where resamples are alike.
        one_class: of what says one class everywhere, as `MAJORITY` does: what it never finds it finds nowhere, so 0 is no matter of chance.
    """

    found: list[T]
    alone: Callable[[], Iterable[T]]
    one_class: bool = False

    @classmethod
    def of(cls, find: Callable[[np.ndarray], T], counts: np.ndarray, drawn: np.ndarray | None = None, who: str = "") -> Resamples[T]:
        """What is found in counts that add up.

        Args:
            find: takes counts (…).
            counts: of each block (block, …).
            drawn: see `draws` (resample, block).
            who: was counted; `MAJORITY` says one class everywhere.
        """
        drawn = (draws(len(counts)) if len(counts) else None) if drawn is None else drawn
        return cls([find(sums) for sums in resampled(counts, drawn)] if drawn is not None and len(counts) >= FEWEST else [],
                   lambda: map(find, counts), who == MAJORITY)

    def interval(self, figure: Callable[[T], float | None], lowest: float = 0.0, highest: float = 1.0) -> list[float] | None:
        """`interval` of a figure; where the resamples are alike, from as low to as high as blocks could bring it that were not seen, see `unseen`.

        Such blocks are taken to weigh as much as the others. All right gives [0.05^(1/n), 1], all wrong [0, 1 - 0.05^(1/n)], where n counts the
        blocks that have the figure: those without a class say nothing of it. There is none of the 0 of what says one class everywhere.

        Args:
            figure: of what was found; None where it has none.
            lowest: that the figure can be, such as -1 of a difference of shares.
            highest: that it can be.
        """
        ends = interval([figure(one) for one in self.found])
        if ends is None or ends[1] - ends[0] >= ALIKE:
            return ends
        if self.one_class and ends[1] < ALIKE:
            return None
        known = sum(figure(one) is not None for one in self.alone())
        share = unseen(known) if known else 1.0
        return [end + share * (bound - end) for end, bound in zip(ends, (lowest, highest), strict=True)]


def together(several: Sequence[Resamples[T]]) -> Resamples[tuple[T, ...]]:
    """What several found in the same resamples, so that they can be held against each other."""
    return Resamples(list(zip(*(one.found for one in several), strict=True)), lambda: zip(*(one.alone() for one in several), strict=True))
