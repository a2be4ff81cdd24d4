"""What a network has to beat: the majority class, and a logistic regression on the statistics of each band around a pixel.

Twenty-six such numbers already reach 0.88 on EuroSAT, so a report without this row says little (torchgeo-bench,
results/all_results.csv, row "imagestats").
"""

from __future__ import annotations

import numpy as np
from scipy.ndimage import uniform_filter
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from ...progress import SILENT, Progress
from ..datasets.dataset import Dataset
from .accuracy import IGNORE

SIDE = 7
SAMPLES = 50_000


def majority_class(dataset: Dataset, tiles: np.ndarray | None = None) -> int:
    """Position of the class with most labelled pixels in `tiles`; None is all training tiles."""
    if tiles is None:
        return int(np.argmax(dataset.description["class_pixels"]["training"]))
    counts = sum(np.bincount(dataset.labels(tiles[place:place + 1]).ravel(), minlength=256) for place in range(len(tiles)))
    return int(np.argmax(np.asarray(counts)[:len(dataset.classes)]))


def band_statistics(images: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """Value, local mean and local standard deviation of each band, over 7 × 7 pixels of which only the valid ones count.

    Args:
        images: (n, band, y, x), any data type, stored units.
        valid: bool (n, y, x).

    Returns:
        float32 (n, 3 · band, y, x): values, then means, then standard deviations; 0 where nothing is valid.
    """
    known = valid[:, None]
    values = np.where(known, images, 0).astype(np.float64)
    size = (1, 1, SIDE, SIDE)
    share = uniform_filter(known.astype(np.float64), size, mode="constant")
    share = np.where(share > 1e-6, share, 1)
    mean = uniform_filter(values, size, mode="constant") / share
    # Centred on the tile's mean before squaring: the variance of large, nearly equal numbers would drown in rounding.
    centre = values.mean((2, 3), keepdims=True)
    centred = np.where(known, values - centre, 0)
    local = uniform_filter(centred, size, mode="constant") / share
    variance = uniform_filter(centred**2, size, mode="constant") / share - local**2
    features = np.concatenate([values, mean, np.sqrt(np.clip(variance, 0, None))], 1)
    return np.where(known, features, 0).astype(np.float32)


class StatisticsBaseline:
    """Logistic regression on `band_statistics`, learned on a random sample of labelled training pixels."""

    def __init__(self, model: Pipeline) -> None:
        self.model = model

    @classmethod
    def fit(cls, dataset: Dataset, seed: int = 1, samples: int = SAMPLES, progress: Progress = SILENT,
            tiles: np.ndarray | None = None) -> StatisticsBaseline:
        """Learns from at most `samples` pixels, drawn evenly over `tiles`; None is all training tiles."""
        rng = np.random.default_rng(seed)
        indices = dataset.indices("training") if tiles is None else tiles
        quota = max(1, samples // len(indices))
        if len(indices) > samples:
            indices = np.sort(rng.choice(indices, samples, replace=False))
        rows, truths = [], []
        for done in range(len(indices)):
            progress.at(0.8 * done / len(indices), "Baseline: sampling training pixels")
            images, labels = dataset.images(indices[done:done + 1]), dataset.labels(indices[done:done + 1])
            pixels = np.flatnonzero(labels[0] != IGNORE)
            chosen = rng.choice(pixels, min(quota, len(pixels)), replace=False)
            features = band_statistics(images, dataset.valid(images))[0]
            rows.append(features.reshape(len(features), -1)[:, chosen].T)
            truths.append(labels[0].ravel()[chosen])
        progress.at(0.8, "Baseline: logistic regression")
        model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=300))
        return cls(model.fit(np.concatenate(rows), np.concatenate(truths)))

    def predict(self, images: np.ndarray, valid: np.ndarray) -> np.ndarray:
        """Class positions, uint8 (n, y, x), of images (n, band, y, x) in stored units."""
        features = np.moveaxis(band_statistics(images, valid), 1, -1)
        found = self.model.predict(features.reshape(-1, features.shape[-1]))
        return found.reshape(features.shape[:-1]).astype(np.uint8)
