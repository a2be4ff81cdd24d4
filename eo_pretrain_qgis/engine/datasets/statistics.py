"""Statistics of bands over many tiles, in constant memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ...progress import SILENT, Progress
from .dataset import SensorInfo
from .shards import Shards

#: Bytes of images held at once.
BATCH_BYTES = 8 * 2**20
#: Pixels counted at once.
COUNTED = 2**17
#: Bins of the histogram from which percentiles are read, and of the one that is kept for pictures.
FINE_BINS, KEPT_BINS = 65536, 64
#: Shares of the pixels below which the lowest and above which the highest values are called rare.
TAILS = (0.001, 0.999)


@dataclass
class _Counts:
    """A fine histogram of one band: bin i holds the values from ``minimum + i·step``."""

    minimum: float
    step: float
    pixels: np.ndarray


def band_statistics(shards: Shards, indices: np.ndarray, sensor: SensorInfo, progress: Progress = SILENT) -> dict[str, dict]:
    """Mean, spread, range, percentiles and histogram of every band over the measured pixels of some tiles, in stored units.

    Args:
        shards: the samples.
        indices: the tiles to look at, those of the training split; of series only the dates without cloud, shadow and snow count.
        sensor: whose images; says which pixels were measured.
        progress: told how far it is.

    Returns:
        Band name → ``mean``, ``std``, ``minimum``, ``maximum``, ``p001`` and ``p999`` (0.1 % and 99.9 % of the pixels lie below),
        the quartiles ``p25``, ``p50`` and ``p75``,
        ``histogram`` (pixels) and ``edges`` (one more than bins, from p001 to p999).
    """
    dtype = np.dtype(sensor.dtype)
    if dtype.kind in "iu" and dtype.itemsize <= 2:
        measured = _whole_numbers(shards, indices, sensor, dtype, progress)
    else:
        measured = _real_numbers(shards, indices, sensor, progress)
    return {band.name: facts for band, facts in zip(sensor.bands, measured, strict=True)}


def _whole_numbers(shards: Shards, indices: np.ndarray, sensor: SensorInfo, dtype: np.dtype, progress: Progress) -> list[dict]:
    """One bin for every value the type can hold makes every figure exact, in one pass."""
    lowest, bins = int(np.iinfo(dtype).min), 2 ** (8 * dtype.itemsize)
    pixels = np.zeros((len(sensor.bands), bins), np.int64)
    for values in _batches(shards, indices, sensor, progress):
        for band, row in enumerate(values):
            for first in range(0, len(row), COUNTED):  # what is counted at once, and the bins of its range alone, stay in the cache
                part = row[first:first + COUNTED]
                low, high = int(part.min()), int(part.max())
                pixels[band, low - lowest:high - lowest + 1] += np.bincount(part.astype(np.intp) - low, minlength=high - low + 1)
    levels = np.arange(lowest, lowest + bins, dtype=np.float64)
    results = []
    for row in pixels:
        count, seen = max(int(row.sum()), 1), np.flatnonzero(row) if row.any() else np.array([-lowest])
        mean = float(row @ levels) / count
        std = float(np.sqrt(row @ (levels - mean) ** 2 / count))
        results.append({"mean": mean, "std": std, "minimum": float(levels[seen[0]]), "maximum": float(levels[seen[-1]]),
                        **_tails(_Counts(lowest, 1.0, row), whole=True)})
    return results


def _real_numbers(shards: Shards, indices: np.ndarray, sensor: SensorInfo, progress: Progress) -> list[dict]:
    """A first pass finds range and moments, a second counts in bins of a 65536th of the range."""
    bands, count = len(sensor.bands), 0
    mean, squares, minimum, maximum = np.zeros(bands), np.zeros(bands), np.full(bands, np.inf), np.full(bands, -np.inf)
    for batch in _batches(shards, indices, sensor, progress.part(0, 0.5)):
        values = batch.astype(np.float64)
        # Chan, Golub, LeVeque: Updating formulae and a pairwise algorithm for computing sample variances, 1979.
        new, total = values.mean(1), count + values.shape[1]
        squares += ((values - new[:, None]) ** 2).sum(1) + (new - mean) ** 2 * count * values.shape[1] / total
        mean += (new - mean) * values.shape[1] / total
        minimum, maximum, count = np.minimum(minimum, values.min(1)), np.maximum(maximum, values.max(1)), total
    if not count:
        minimum, maximum = np.zeros(bands), np.zeros(bands)
    steps = np.where(maximum > minimum, (maximum - minimum) / FINE_BINS, 1.0)
    pixels = np.zeros((bands, FINE_BINS), np.int64)
    for batch in _batches(shards, indices, sensor, progress.part(0.5, 1)):
        place = ((batch - minimum[:, None]) / steps[:, None]).astype(np.int64).clip(0, FINE_BINS - 1)
        for band, row in enumerate(place):
            pixels[band] += np.bincount(row, minlength=FINE_BINS)
    std = np.sqrt(squares / max(count, 1))
    return [{"mean": float(mean[band]), "std": float(std[band]), "minimum": float(minimum[band]), "maximum": float(maximum[band]),
             **_tails(_Counts(float(minimum[band]), float(steps[band]), pixels[band]), whole=False)} for band in range(bands)]


def _batches(shards: Shards, indices: np.ndarray, sensor: SensorInfo, progress: Progress) -> Iterator[np.ndarray]:
    """Measured pixels (band, pixel) of a few tiles at a time, in stored units."""
    size = max(1, BATCH_BYTES // shards.images(indices[:1], sensor.name).nbytes) if len(indices) else 1
    for first in range(0, len(indices), size):
        progress.at(first / len(indices), "Statistics of the training tiles")
        images = shards.images(indices[first:first + size], sensor.name)
        valid = sensor.valid(images)
        flags = next((name for name in (f"flags_{sensor.name}", "flags") if name in shards.extras()), "")
        if images.ndim != 4 and flags:
            valid &= shards.array(flags, indices[first:first + size]) == 0
        bands = np.moveaxis(images, -1 if images.ndim == 3 else -3, 0)
        if valid.all():
            yield bands.reshape(len(bands), -1)
        elif valid.any():
            yield np.stack([band[valid] for band in bands])
        shards.release()


def _tails(counts: _Counts, whole: bool) -> dict:
    """Percentiles, and the coarse histogram between them."""
    cumulated = np.concatenate([[0], np.cumsum(counts.pixels)])
    low, *quartiles, high = (counts.minimum + counts.step * int(np.searchsorted(cumulated[1:], share * cumulated[-1]))
                             for share in (TAILS[0], 0.25, 0.5, 0.75, TAILS[1]))
    end = max(high + (1 if whole else 0), low + counts.step)
    edges = np.linspace(low, end, (min(KEPT_BINS, int(end - low)) if whole else KEPT_BINS) + 1)
    below = np.interp((edges - counts.minimum) / counts.step, np.arange(len(cumulated)), cumulated)
    return {"p001": float(low), "p999": float(high), **dict(zip(("p25", "p50", "p75"), map(float, quartiles))),
            "histogram": np.diff(below).round().astype(int).tolist(), "edges": edges.tolist()}
