"""What an encoder knows before it learns a task: simple classifiers on its frozen features, beside the statistics of the bands.

The encoder is not changed. Its features are the averages of its last level over the tile, nothing else; on them a nearest-
neighbour vote and a linear classifier learn from the labelled training tiles and are scored on others. What they cannot tell
apart the encoder has not separated (Alain and Bengio, Understanding intermediate layers using linear classifier probes,
arXiv 1610.01644).
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from scipy.special import logit
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, StratifiedShuffleSplit
from sklearn.multiclass import OneVsRestClassifier
from sklearn.neighbors import KNeighborsClassifier
from torch import nn
from torch.nn.functional import pad

from ...errors import DataError
from ...progress import SILENT, Progress
from ..datasets.dataset import Dataset
from ..datasets.splitting.label_shares import labelled_share
from ..even_sample import even_sample
from ..measures.accuracy import IGNORE, confusion, scores
from ..measures.multilabel_accuracy import multilabel_scores, score_counts
from .networks.class_networks import band_row, scaled

NEIGHBOURS = 5
#: Strengths of the L2 penalty that are tried, scikit-learn's C; small for many features and few labels.
STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0, 100.0)
FOLDS, FOLDED = 5, 1000  # up to so many samples the strength is found by cross-validation, beyond on a fifth held out
MULTILABEL_STRENGTH = 0.1
PERCENTILES = (5, 95)
ITERATIONS = 500
PROBED_TASKS = ("scene", "patch", "multilabel")


@torch.no_grad()
def encoder_features(encoder: nn.Module, centre: Sequence[float], spread: Sequence[float], dataset: Dataset, tiles: np.ndarray,
                     device: torch.device, *, sensor: str = "", turned: bool = False, batch_size: int = 128,
                     progress: Progress = SILENT) -> np.ndarray:
    """Features of tiles: the last level of a frozen encoder, averaged over the tile.

    Args:
        encoder: of segmentation-models-pytorch or timm: gives its levels, the deepest last. Its mode is restored afterwards.
        centre: per band, stored units; what the encoder was trained with.
        spread: per band, stored units; the encoder sees asinh((value - centre) / spread).
        dataset: whose images; bands in the order of `centre`.
        tiles: positions in the dataset (n,).
        device: where the encoder is.
        sensor: whose images; empty is the first.
        turned: take the mean with the features of the tile turned by 180°, which compares better: on EuroSAT at 1 % of the labels, three
            draws, 86.0 % of the labels spread over nearest tiles were right instead of 85.4 %; with all eight orientations 86.1 %.
        batch_size: tiles at once.
        progress: told of every batch.

    Returns:
        float32 (n, channel of the last level).
    """
    middle, scale = (band_row(values).to(device) for values in (centre, [value or 1.0 for value in spread]))
    stride = int(getattr(encoder, "output_stride", 32))
    info = dataset.sensor_named(sensor)
    modes, parts = {module: module.training for module in encoder.modules()}, []
    encoder.eval()
    try:
        for start in range(0, len(tiles), batch_size):
            images = dataset.images(tiles[start:start + batch_size], info.name)
            valid = torch.from_numpy(info.valid(images)).to(device)[:, None]
            seen = torch.where(valid, scaled(torch.from_numpy(images.astype(np.float32)).to(device), middle, scale), 0.0)
            below, right = (-side % stride for side in seen.shape[2:])
            views = [pad(view, (0, right, 0, below)) for view in ([seen, seen.flip(2, 3)] if turned else [seen])]
            means = [encoder(view.contiguous(memory_format=torch.channels_last))[-1].float().mean((2, 3)) for view in views]
            parts.append(torch.stack(means).mean(0).cpu().numpy())
            done = min(start + batch_size, len(tiles))
            progress.at(done / len(tiles), f"Features of {done} of {len(tiles)} tiles")
    finally:
        for module, mode in modes.items():  # parts that were frozen stay frozen
            module.training = mode
    return np.concatenate(parts)


def image_statistics(dataset: Dataset, tiles: np.ndarray, sensor: str = "") -> np.ndarray:
    """Mean, standard deviation, 5th and 95th percentile of each band over the valid pixels of a tile: float32 (n, 4 · band).

    What a network has to beat: such numbers reach 0.71 on EuroSAT RGB and 0.88 on its 13 bands (torchgeo-bench,
    results/all_results.csv, row "imagestats").
    """
    rows = []
    info = dataset.sensor_named(sensor)
    for start in range(0, len(tiles), 256):
        images = dataset.images(tiles[start:start + 256], info.name)
        valid = info.valid(images)
        pixels = images.reshape(*images.shape[:2], -1).astype(np.float32)
        if not valid.all():
            pixels = np.where(valid.reshape(len(valid), 1, -1), pixels, np.nan)
            pixels[~valid.any((1, 2))] = 0
        rows.append(np.concatenate([np.nanmean(pixels, 2), np.nanstd(pixels, 2), *_percentiles(pixels)], 1))
    return np.concatenate(rows).astype(np.float32)


def nearest_neighbours(known: np.ndarray, labels: np.ndarray, asked: np.ndarray, neighbours: int = NEIGHBOURS) -> np.ndarray:
    """Vote of the nearest labelled samples by the cosine of their features.

    Args:
        known: features (n, channel).
        labels: of `known`: class positions (n,), or 0 and 1 (n, class).
        asked: features (m, channel).
        neighbours: how many vote; all, where there are fewer.

    Returns:
        Class positions (m,), or shares of the votes (m, class).
    """
    model = KNeighborsClassifier(min(neighbours, len(known)), metric="cosine", algorithm="brute")
    if labels.ndim == 1:
        return model.fit(known, labels).predict(asked)
    places = model.fit(known, np.zeros(len(known), int)).kneighbors(asked, return_distance=False)
    return labels[places].mean(1)


class LinearProbe:
    """Logistic regression with an L2 penalty on standardised features; its strength is found on the labelled samples alone.

    Attributes:
        strength: scikit-learn's C.
    """

    def __init__(self, known: np.ndarray, labels: np.ndarray, seed: int = 1, strengths: Sequence[float] = STRENGTHS) -> None:
        """Learns.

        Args:
            known: features (n, channel).
            labels: class positions (n,), or 0 and 1 (n, class) of several classes at once.
            seed: decides which samples choose the strength.
            strengths: values of C that are tried; for several classes at once C is 0.1.
        """
        self.mean = known.mean(0)
        deviation = known.std(0)
        self.deviation = np.where(deviation > 1e-9, deviation, 1.0)
        rows, self.classes = self._scaled(known), labels.shape[1] if labels.ndim == 2 else 0
        self.constant = None if self.classes or len(np.unique(labels)) > 1 else labels[0]
        self.strength = MULTILABEL_STRENGTH
        if not self.classes and self.constant is None:
            self.strength = _best_strength(rows, labels, seed, strengths)
        plain = LogisticRegression(C=self.strength, max_iter=ITERATIONS)
        self.model = OneVsRestClassifier(plain) if self.classes else plain
        if self.constant is None:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of classes all or none have, and of weights still moving in the last digit
                self.model.fit(rows, labels)

    def predict(self, asked: np.ndarray) -> np.ndarray:
        """Class positions (m,) of features (m, channel), or probabilities (m, class) of several classes at once."""
        if self.constant is not None:
            return np.full(len(asked), self.constant)
        rows = self._scaled(asked)
        return self.model.predict_proba(rows) if self.classes else self.model.predict(rows)

    def layer(self, classes: int) -> tuple[np.ndarray, np.ndarray]:
        """The same classifier as a linear layer on the features as they are: weight (class, channel) and bias (class,), float32.

        Its outputs are scores before softmax, or before the sigmoid for several classes at once. Classes without a sample get a
        bias below all others.
        """
        channels = len(self.mean)
        weight, bias = np.zeros((classes, channels)), np.zeros(classes)
        if self.constant is not None:
            bias[self.constant] = 1.0
        elif self.classes:
            for place, single in enumerate(self.model.estimators_):
                if isinstance(single, LogisticRegression):
                    weight[place], bias[place] = single.coef_[0], single.intercept_[0]
                else:  # all or none of the samples have it
                    bias[place] = 4.0 if single.predict(np.zeros((1, channels)))[0] else -4.0
        else:
            known, rows, starts = self.model.classes_.astype(int), self.model.coef_, self.model.intercept_
            if len(known) == 2:  # of two classes the model keeps the score of the second over the first
                rows, starts = np.outer([-0.5, 0.5], rows[0]), np.array([-0.5, 0.5]) * starts[0]
            bias[:] = starts.min() - 4.0
            weight[known], bias[known] = rows, starts
        weight = weight / self.deviation
        return weight.astype(np.float32), (bias - weight @ self.mean).astype(np.float32)

    def _scaled(self, rows: np.ndarray) -> np.ndarray:
        return ((rows - self.mean) / self.deviation).astype(np.float32)


def score_predictions(truth: np.ndarray, found: np.ndarray, classes: int) -> dict[str, float]:
    """Figures of predictions for whole samples.

    Args:
        truth: class positions (n,), or 0 and 1 (n, class).
        found: class positions (n,), or probabilities (n, class).
        classes: number of classes.

    Returns:
        ``overall_accuracy`` and ``mean_f1``, or ``average_precision`` (micro mean) and ``mean_f1`` at a probability of 0.5.
    """
    if truth.ndim == 1:
        figures = scores(confusion(truth, found, classes))
        return {"overall_accuracy": figures["overall_accuracy"], "mean_f1": figures["mean_f1"]}
    figures = multilabel_scores(score_counts(truth, logit(np.asarray(found, np.float64))))
    return {name: figures[name] or 0.0 for name in ("average_precision", "mean_f1")}


class Probe:
    """A labelled dataset to ask encoders with; the labels are read once.

    Args:
        dataset: of the task scene, patch or multilabel, with training and validation tiles.
        percent: share of the training labels that is used, see `labelled_share`.
        seed: decides which.
        split: that is scored.
        most: training and scored tiles, at most; an even sample of more.
        sensor: whose images; empty is the first.

    Raises:
        DataError: another task, or nothing to learn from or to score on.
    """

    def __init__(self, dataset: Dataset, percent: float = 100, seed: int = 1, split: str = "validation", most: int = 2000,
                 sensor: str = "") -> None:
        if dataset.task not in PROBED_TASKS:
            raise DataError(f"The dataset {dataset.folder} is for the task “{dataset.task}”, and features of tiles are probed with labels "
                            "of whole tiles. Choose a dataset with a class per image, such as EuroSAT made by “Import dataset”.")
        self.dataset, self.seed, self.sensor = dataset, seed, sensor
        self.known = even_sample(labelled_share(dataset, _labelled(dataset, "training"), percent, seed), most)
        self.asked = even_sample(_labelled(dataset, split), most)
        for tiles, name in ((self.known, "training"), (self.asked, split)):
            if not len(tiles):
                raise DataError(f"The dataset {dataset.folder} has no labelled {name} tiles to probe an encoder with. "
                                "Divide it anew with “Split dataset”.")
        self.labels, self.truth = dataset.labels(self.known), dataset.labels(self.asked)

    def __call__(self, encoder: nn.Module, centre: Sequence[float], spread: Sequence[float], device: torch.device,
                 progress: Progress = SILENT) -> dict[str, float]:
        """Scores of an encoder, see `encoder_features`.

        Returns:
            ``probe_linear`` and ``probe_knn``: overall accuracy, or micro mean average precision of several classes at once.
        """
        both = encoder_features(encoder, centre, spread, self.dataset, np.concatenate([self.known, self.asked]), device,
                                sensor=self.sensor, progress=progress)
        return self.score(both[:len(self.known)], both[len(self.known):])

    def statistics(self) -> dict[str, float]:
        """The same scores of `image_statistics` in the place of an encoder's features."""
        return self.score(image_statistics(self.dataset, self.known, self.sensor), image_statistics(self.dataset, self.asked, self.sensor))

    def score(self, known: np.ndarray, asked: np.ndarray) -> dict[str, float]:
        """Scores of features of the labelled and of the scored tiles."""
        figure = "average_precision" if self.dataset.task == "multilabel" else "overall_accuracy"
        found: dict[str, Any] = {"probe_linear": LinearProbe(known, self.labels, self.seed).predict(asked),
                                 "probe_knn": nearest_neighbours(known, self.labels, asked)}
        return {name: score_predictions(self.truth, values, len(self.dataset.classes))[figure] for name, values in found.items()}


def _best_strength(rows: np.ndarray, labels: np.ndarray, seed: int, strengths: Sequence[float]) -> float:
    """The strength with the best accuracy on labelled samples that were set aside, the smallest where several are as good."""
    kept = np.isin(labels, [value for value, count in zip(*np.unique(labels, return_counts=True)) if count > 1])
    rows, labels = rows[kept], labels[kept]
    counts = np.unique(labels, return_counts=True)[1]
    if len(counts) < 2:
        return float(np.sort(strengths)[len(strengths) // 2])
    if len(labels) <= FOLDED:
        parts = StratifiedKFold(int(min(FOLDS, counts.min())), shuffle=True, random_state=seed).split(rows, labels)
    else:
        parts = StratifiedShuffleSplit(1, test_size=0.2, random_state=seed).split(rows, labels)
    hits = np.zeros(len(strengths))
    for learned, tried in parts:
        model = LogisticRegression(max_iter=ITERATIONS // 2, tol=1e-3, warm_start=True)
        for place, strength in enumerate(sorted(strengths)):
            model.set_params(C=strength)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)
                hits[place] += (model.fit(rows[learned], labels[learned]).predict(rows[tried]) == labels[tried]).sum()
    return float(sorted(strengths)[int(hits.argmax())])


def _percentiles(pixels: np.ndarray) -> np.ndarray:
    """Percentiles over the last axis; the fast form where nothing is missing."""
    return (np.nanpercentile if np.isnan(pixels).any() else np.percentile)(pixels, PERCENTILES, axis=2)


def _labelled(dataset: Dataset, split: str) -> np.ndarray:
    tiles = dataset.indices(split)
    return tiles if dataset.task == "multilabel" or not len(tiles) else tiles[dataset.labels(tiles) != IGNORE]
