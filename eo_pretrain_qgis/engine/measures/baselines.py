"""What a network has to beat: the majority class, and a logistic regression on the statistics of each band around a pixel.

Twenty-six such numbers already reach 0.88 on EuroSAT, so a report without this row says little (torchgeo-bench,
results/all_results.csv, row "imagestats").
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ...progress import SILENT, Progress
from ..cards import IGNORE, Inputs
from ..datasets.splitting.label_shares import class_totals, training_share

if TYPE_CHECKING:
    from ..datasets.dataset import Dataset

#: Answers for samples of a dataset, in the form of `tasks.Task.count`.
Answer = Callable[["Dataset", np.ndarray], np.ndarray]

SIDE = 7
SAMPLES = 50_000


@dataclass(frozen=True)
class Baseline:
    """A simple classifier that a network has to beat.

    Attributes:
        words: what it is called.
        method: how it answers, as a sentence.
        fit: dataset, what is seen of it, share of its training labels [%], seed and progress → what answers; see `Answer`.
    """

    words: str
    method: str
    fit: Callable[[Dataset, Inputs, float, int, Progress], Answer]


def majority_class(dataset: Dataset, tiles: np.ndarray | None = None) -> int:
    """Position of the class with most labelled pixels in `tiles`; None is all training tiles."""
    return int(np.argmax(dataset.description["class_pixels"]["training"] if tiles is None else class_totals(dataset, tiles)))


def band_statistics(images: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """Value, local mean and local standard deviation of each band, over 7 × 7 pixels of which only the valid ones count.

    Args:
        images: (n, band, y, x), any data type, stored units.
        valid: bool (n, y, x).

    Returns:
        float32 (n, 3 · band, y, x): values, then means, then standard deviations; 0 where nothing is valid.
    """
    from scipy.ndimage import uniform_filter  # like scikit-learn below only where it is used: every job reads the table of tasks

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


def input_statistics(dataset: Dataset, inputs: Inputs, tiles: np.ndarray) -> np.ndarray:
    """`band_statistics` of all inputs, one behind the other."""
    return np.concatenate([band_statistics(*dataset.read(seen, tiles)) for seen in inputs.values()], 1)


class StatisticsBaseline:
    """Logistic regression on `input_statistics`, learned on a random sample of labelled training pixels."""

    def __init__(self, model: Any, inputs: Inputs) -> None:
        self.model, self.inputs = model, inputs

    @classmethod
    def fit(cls, dataset: Dataset, inputs: Inputs, seed: int = 1, samples: int = SAMPLES, progress: Progress = SILENT,
            tiles: np.ndarray | None = None) -> StatisticsBaseline:
        """Learns from at most `samples` pixels, drawn evenly over `tiles`; None is all training tiles."""
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        rng = np.random.default_rng(seed)
        indices = dataset.indices("training") if tiles is None else tiles
        quota = max(1, samples // len(indices))
        if len(indices) > samples:
            indices = np.sort(rng.choice(indices, samples, replace=False))
        rows, truths = [], []
        for done in range(len(indices)):
            progress.at(0.8 * done / len(indices), "Baseline: sampling training pixels")
            labels = dataset.labels(indices[done:done + 1])[0]
            pixels = np.flatnonzero(labels != IGNORE)
            chosen = rng.choice(pixels, min(quota, len(pixels)), replace=False)
            features = input_statistics(dataset, inputs, indices[done:done + 1])[0]
            rows.append(features.reshape(len(features), -1)[:, chosen].T)
            truths.append(labels.ravel()[chosen])
        progress.at(0.8, "Baseline: logistic regression")
        model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=300))
        return cls(model.fit(np.concatenate(rows), np.concatenate(truths)), inputs)

    def __call__(self, dataset: Dataset, tiles: np.ndarray) -> np.ndarray:
        """Class positions, uint8 (n, y, x), of tiles."""
        features = np.moveaxis(input_statistics(dataset, self.inputs, tiles), 1, -1)
        found = self.model.predict(features.reshape(-1, features.shape[-1]))
        return found.reshape(features.shape[:-1]).astype(np.uint8)


def _pixel_majority(dataset: Dataset, inputs: Inputs, share: float, seed: int, progress: Progress) -> Answer:
    common = majority_class(dataset, training_share(dataset, share, seed))
    return lambda asked, samples: np.full((len(samples), asked.tile_size, asked.tile_size), common, np.uint8)


def _pixel_statistics(dataset: Dataset, inputs: Inputs, share: float, seed: int, progress: Progress) -> Answer:
    return StatisticsBaseline.fit(dataset, inputs, seed, progress=progress, tiles=training_share(dataset, share, seed))


def _sample_majority(dataset: Dataset, inputs: Inputs, share: float, seed: int, progress: Progress) -> Answer:
    tiles = training_share(dataset, share, seed)
    row = class_totals(dataset, tiles).astype(float)
    if dataset.kind.several:
        row = (row / len(tiles)).clip(1e-3, 1 - 1e-3)
        row = np.log(row / (1 - row))
    return lambda asked, samples: np.tile(row, (len(samples), 1))


def _sample_statistics(dataset: Dataset, inputs: Inputs, share: float, seed: int, progress: Progress) -> Answer:
    from .linear_probe import LinearProbe, image_statistics

    progress.at(0, "Baseline: statistics of the training samples")
    tiles = training_share(dataset, share, seed)
    weight, bias = LinearProbe(image_statistics(dataset, tiles, inputs), dataset.labels(tiles), seed).layer(len(dataset.classes))
    return lambda asked, samples: image_statistics(asked, samples, inputs) @ weight.T + bias


#: Of a class for every pixel.
PIXEL_BASELINES = {
    "majority": Baseline("majority class", "Majority class: the class with most pixels in these tiles, everywhere.", _pixel_majority),
    "statistics": Baseline("per-band statistics", "Per-band statistics: logistic regression on value, mean and standard deviation of each band in "
                           "7 × 7 pixels, learned from at most 50,000 pixels of these tiles.", _pixel_statistics),
}
#: Of classes of whole samples.
SAMPLE_BASELINES = {
    "majority": Baseline("majority class", "Majority class: the class of most of these tiles, everywhere; where a tile may have several, the share "
                         "of each class.", _sample_majority),
    "statistics": Baseline("statistics of the image", "Statistics of the image: logistic regression on mean, standard deviation, 5th and 95th "
                           "percentile of each band, learned from these tiles.", _sample_statistics),
}
