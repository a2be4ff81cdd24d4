"""Statistics of bands over many tiles, in two passes and constant memory."""

from __future__ import annotations

import numpy as np

from ..report import SILENT, Report
from .dataset import SensorInfo
from .shards import Shards

#: Bytes of images held at once.
BATCH_BYTES = 32 * 2**20
#: Bins of the histogram from which percentiles are read, and of the one that is kept for pictures.
FINE_BINS, KEPT_BINS = 65536, 64


def band_statistics(shards: Shards, indices: np.ndarray, sensor: SensorInfo, report: Report = SILENT) -> dict[str, dict]:
    """Mean, spread, range, percentiles and histogram of every band over the measured pixels of some tiles, in stored units.

    Args:
        shards: the samples.
        indices: the tiles to look at, those of the training split.
        sensor: whose images; says which pixels were measured.
        report: progress.

    Returns:
        Band name → ``mean``, ``std``, ``minimum``, ``maximum``, ``p001`` and ``p999`` (0.1 % and 99.9 % of the pixels lie below),
        ``histogram`` (pixels) and ``edges`` (one more than bins, from p001 to p999).
    """
    moments = _Moments(len(sensor.bands))
    for values in _batches(shards, indices, sensor, report.part(0, 0.5)):
        moments.add(values)
    fine = np.zeros((len(sensor.bands), FINE_BINS), np.int64)
    steps = _steps(moments, np.dtype(sensor.dtype))
    for values in _batches(shards, indices, sensor, report.part(0.5, 1)):
        for band, row in enumerate(values):
            place = ((row - moments.minimum[band]) / steps[band]).astype(np.int64)
            fine[band] += np.bincount(np.minimum(place, FINE_BINS - 1), minlength=FINE_BINS)
    std = np.sqrt(moments.squares / max(moments.count, 1))
    return {band.name: {"mean": float(moments.mean[number]), "std": float(std[number]), "minimum": float(moments.minimum[number]),
                        "maximum": float(moments.maximum[number]),
                        **_summary(fine[number], float(moments.minimum[number]), float(steps[number]), sensor.dtype)}
            for number, band in enumerate(sensor.bands)}


class _Moments:
    """Mean and sum of squared deviations over batches: Chan, Golub, LeVeque, "Updating formulae …", 1979."""

    def __init__(self, bands: int) -> None:
        self.count, self.mean, self.squares = 0, np.zeros(bands), np.zeros(bands)
        self.minimum, self.maximum = np.full(bands, np.inf), np.full(bands, -np.inf)

    def add(self, values: np.ndarray) -> None:
        count = values.shape[1]
        if not count:
            return
        mean = values.mean(1)
        delta, total = mean - self.mean, self.count + count
        self.squares += ((values - mean[:, None]) ** 2).sum(1) + delta**2 * self.count * count / total
        self.mean += delta * count / total
        self.count = total
        self.minimum, self.maximum = np.minimum(self.minimum, values.min(1)), np.maximum(self.maximum, values.max(1))


def _batches(shards: Shards, indices: np.ndarray, sensor: SensorInfo, report: Report):
    """Measured pixels (band, pixel) of a few tiles at a time, float64."""
    if not len(indices):
        return
    size = max(1, BATCH_BYTES // (8 * shards.images(indices[:1], sensor.name).size))
    for first in range(0, len(indices), size):
        report.progress(first / len(indices), "Statistics of the training tiles")
        images = shards.images(indices[first:first + size], sensor.name)
        yield images.swapaxes(0, 1)[:, sensor.valid(images)].astype(np.float64)


def _steps(moments: _Moments, dtype: np.dtype) -> np.ndarray:
    """Width of a fine bin per band; whole numbers of at most 16 bits get a bin each, so that their percentiles are exact."""
    span = np.where(moments.count > 0, moments.maximum - moments.minimum, 1.0)
    if dtype.kind in "iu" and (span < FINE_BINS).all():
        return np.ones(len(span))
    return np.where(span > 0, span / FINE_BINS, 1.0)


def _summary(fine: np.ndarray, minimum: float, step: float, dtype: str) -> dict:
    cumulated = np.concatenate([[0], np.cumsum(fine)])
    whole = np.dtype(dtype).kind in "iu" and step == 1
    low, high = (minimum + step * int(np.searchsorted(cumulated[1:], share * cumulated[-1])) for share in (0.001, 0.999))
    top = max(high + (step if whole else 0), low + step)
    bins = int(min(KEPT_BINS, top - low)) if whole else KEPT_BINS
    edges = np.linspace(low, top, max(bins, 1) + 1)
    below = np.interp((edges - minimum) / step, np.arange(len(cumulated)), cumulated)
    return {"p001": low, "p999": high, "histogram": np.diff(below).round().astype(int).tolist(), "edges": edges.tolist()}
