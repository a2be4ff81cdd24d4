"""Small pictures of series: one curve over the season each."""

from __future__ import annotations

import numpy as np

from ..cards import Input
from ..datasets.dataset import Dataset
from ..datasets.dates import read_series

#: Bands of which the difference over the sum is drawn where both exist: near infrared and red, which is NDVI.
PAIRS = (("B08", "B04"), ("B8A", "B04"), ("nir", "red"))
INK, PAPER = (31, 119, 60), 245


def drawn_band(seen: Input) -> str:
    """What is drawn: NDVI, or the first band."""
    return "NDVI" if any(set(pair) <= set(seen.names) for pair in PAIRS) else seen.names[0]


def curve_pictures(dataset: Dataset, seen: Input, samples: np.ndarray, side: int) -> np.ndarray:
    """A curve of each series through its clear dates, all in one range: uint8 (n, side, side, 3); blank where no date is clear."""
    values, days = read_series(dataset, seen, samples)
    pair = next((pair for pair in PAIRS if set(pair) <= set(seen.names)), None)
    bands = [values[..., seen.names.index(name)] * seen.bands[seen.names.index(name)].scale + seen.bands[seen.names.index(name)].offset
             for name in pair or seen.names[:1]]
    drawn = (bands[0] - bands[1]) / np.where(np.abs(bands[0] + bands[1]) > 0, bands[0] + bands[1], 1) if pair else bands[0]
    pictures = np.full((len(samples), side, side, 3), PAPER, np.uint8)
    known = days >= 0
    if not known.any():
        return pictures
    low, high = np.percentile(drawn[known], (1, 99))
    across = np.linspace(seen.days[0], seen.days[-1], side)
    for picture, one, when, clear in zip(pictures, drawn, days, known):
        if not clear.any():
            continue
        order = np.flatnonzero(clear)[np.argsort(when[clear], kind="stable")]
        height = np.interp(across, when[order], one[order])
        rows = ((side - 3) * (1 - ((height - low) / max(high - low, 1e-9)).clip(0, 1))).round().astype(int)
        for column, (start, end) in enumerate(zip(rows, np.append(rows[1:], rows[-1]))):
            picture[min(start, end):max(start, end) + 2, column] = INK
    return pictures
