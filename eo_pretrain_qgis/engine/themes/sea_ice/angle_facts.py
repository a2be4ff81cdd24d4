"""At which incidence angles each class was seen.

Backscatter falls with the incidence angle, at a rate of its own for each class (Lohse, Doulgeris and Dierking, Annals of Glaciology
61(83), 2020, doi 10.1017/aog.2020.45); a class seen at a few angles only may be told by the angle.
"""

from __future__ import annotations

import numpy as np

from ....progress import SILENT, Progress
from ...datasets.dataset import IGNORE, SPLITS, Dataset, SensorInfo
from ...even_sample import even_sample

BAND = "incidence_angle"
#: Samples looked at, evenly over the training part, and how many at once.
SAMPLE, BATCH = 2_000, 50
#: Edges of the angles counted [degree].
EDGES = np.arange(0.0, 90.25, 0.25)
PERCENTILES = (0.05, 0.5, 0.95)
#: Angles that count as one where it is asked what the angle tells, in steps of `EDGES`: a degree to each side.
NEAR = 9


def angle_facts(dataset: Dataset, progress: Progress = SILENT) -> dict | None:
    """The 5th, 50th and 95th percentile of the incidence angle [degree] of all labelled training pixels and of each class.

    Args:
        dataset: with a band "incidence_angle" in one of its sensors, and labels per pixel or per image.
        progress: told how far it is.

    Returns:
        ``sensor``, ``low``, ``median``, ``high`` and ``classes`` with name, low, median, high, None where a class was not seen; ``alone``, what the
        angle tells of the validation and test tiles, see `_alone`; None for datasets without angles or labels.
    """
    sensor = next((sensor for sensor in dataset.sensors if BAND in [band.name for band in sensor.bands]), None)
    if sensor is None or not dataset.classes or dataset.kind.dates or dataset.kind.several:
        return None
    band = [band.name for band in sensor.bands].index(BAND)
    counts = _counts(dataset, sensor, band, even_sample(dataset.indices(SPLITS[0], sensor.name), SAMPLE), progress.part(0, 0.5))
    others = np.concatenate([dataset.indices(split, sensor.name) for split in SPLITS[1:]])
    asked = _counts(dataset, sensor, band, even_sample(others, SAMPLE), progress.part(0.5, 1))
    return {"sensor": sensor.name, **_percentiles(counts.sum(0)),
            "classes": [{"name": row.name, **_percentiles(count)} for row, count in zip(dataset.classes, counts, strict=True)],
            "alone": _alone(counts, asked)}


def _alone(known: np.ndarray, asked: np.ndarray) -> dict | None:
    """What the angle tells alone: each pixel gets the class that is most frequent in training at its angle, of a degree more or less.

    Args:
        known: labelled training pixels (class, angle).
        asked: those of validation and test.

    Returns:
        ``accuracy``, and ``majority``, that of the most frequent training class everywhere; None where there is nothing to ask.
    """
    if not known.any() or not asked.any():
        return None
    near = np.stack([np.convolve(row, np.ones(NEAR), "same") for row in known])
    total = near + 1e-9 * known.sum(1, keepdims=True)  # at angles that training has not seen the most frequent class
    right = asked[total.argmax(0), np.arange(asked.shape[1])].sum()
    return {"accuracy": round(float(right / asked.sum()), 4), "majority": round(float(asked[known.sum(1).argmax()].sum() / asked.sum()), 4)}


def _counts(dataset: Dataset, sensor: SensorInfo, band: int, indices: np.ndarray, progress: Progress) -> np.ndarray:
    """Labelled pixels of each class at each angle (class, angle)."""
    counts, info = np.zeros((len(dataset.classes), len(EDGES) - 1), np.int64), sensor.bands[band]
    for first in range(0, len(indices), BATCH):
        progress.at(first / len(indices), "Looking at incidence angles")
        part = indices[first:first + BATCH]
        images, labels = dataset.images(part, sensor.name), dataset.labels(part)
        angles = images[:, band] * info.scale + info.offset
        drawn = labels if labels.ndim == 3 else np.broadcast_to(labels[:, None, None], angles.shape)
        counted = sensor.valid(images) & (drawn != IGNORE) & np.isfinite(angles)
        for position in range(len(dataset.classes)):
            counts[position] += np.histogram(angles[counted & (drawn == position)], EDGES)[0]
    return counts


def _percentiles(counts: np.ndarray) -> dict:
    if not counts.any():
        return {"low": None, "median": None, "high": None}
    cumulated = np.concatenate([[0.0], np.cumsum(counts) / counts.sum()])
    return {name: round(float(np.interp(share, cumulated, EDGES)), 2)
            for name, share in zip(("low", "median", "high"), PERCENTILES, strict=True)}
