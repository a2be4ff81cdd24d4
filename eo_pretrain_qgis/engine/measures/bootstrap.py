"""Intervals of figures by a block bootstrap: pixels side by side are wrong together, so whole blocks of ground are drawn, with replacement.

The interval is that of percentiles (Efron and Tibshirani 1993, An Introduction to the Bootstrap, chapter 13), over blocks instead of single pixels
(Lahiri 2003, Resampling Methods for Dependent Data, chapter 2). Counts of blocks add up, so a resample costs a sum over blocks and not over pixels.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

#: Resamples, and blocks below which there is no interval: of four blocks too few different resamples can be drawn.
RESAMPLES, FEWEST = 200, 5
#: Percentiles between which 95 of 100 resamples lie.
ENDS = (2.5, 97.5)


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
