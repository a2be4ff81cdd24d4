"""What an encoder knows before it learns a task: simple classifiers on its frozen features, beside the statistics of the bands.

The encoder is not changed. Its features are the averages of its last level over the tile, nothing else; on them a nearest-
neighbour vote and a linear classifier learn from the labelled training tiles and are scored on others. What they cannot tell
apart the encoder has not separated (Alain and Bengio, Understanding intermediate layers using linear classifier probes,
arXiv 1610.01644).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn

from ...errors import DataError
from ...progress import SILENT, Progress
from ..cards import Input
from ..classic.samples import measure_whitening, sample_rows
from ..classic.series import series_features
from ..datasets.dataset import Dataset
from ..datasets.splitting.label_shares import labelled_share, with_label
from ..even_sample import even_sample
from ..measures.linear_probe import LinearProbe, nearest_neighbours, score_predictions
from ..tasks import TASKS, require
from .data import Part, TileReader, laid
from .networks.class_networks import band_row, scaled
from .networks.encoders import SIDE_FOR_ALL, trouble
from .networks.series import standardised

#: Tiles that an encoder sees at once, and series.
BATCH, BATCH_OF_SERIES = 128, 512


@torch.no_grad()
def encoder_features(encoder: nn.Module, dataset: Dataset, seen: Input, tiles: np.ndarray, *, turned: bool = False,
                     progress: Progress = SILENT) -> np.ndarray:
    """Features of tiles: the last level of a frozen encoder, averaged over the tile; of series what an encoder of series gives.

    Args:
        encoder: of segmentation-models-pytorch or timm: gives its levels, the deepest last; or of series. Its mode is restored afterwards.
        dataset: whose images.
        seen: their bands, in the order that the encoder knows, and how it scales them, see `scaled`.
        tiles: positions in the dataset (n,).
        turned: take the mean with the features of the tile turned by 180°, which compares better.
        progress: told of every batch.

    Returns:
        float32 (n, channel of the last level).

    Raises:
        DataError: the tiles are too small for the encoder.
    """
    device = next((parameter.device for parameter in encoder.parameters()), torch.device("cpu"))
    if seen.dated:
        return _series_features(encoder, dataset, seen, tiles, device, progress)
    centre, spread = (band_row(values).to(device) for values in (seen.centre, [value or 1.0 for value in seen.spread]))
    slope = band_row(seen.slopes).to(device) if any(seen.slopes) else None
    if dataset.tile_size < SIDE_FOR_ALL and (error := trouble(encoder, len(seen.bands), dataset.tile_size)):
        raise DataError(f"{dataset.kind.unit.capitalize()} of {dataset.tile_size} px are too small for the encoder ({error}), and {dataset.folder} "
                        f"has such. Choose an encoder such as resnet18, or make larger {dataset.kind.unit}.")
    reader = TileReader(dataset, {seen.name: seen}, 1, device)
    modes, parts, done = {module: module.training for module in encoder.modules()}, [], 0
    encoder.eval()
    try:
        for batch in reader.batches(Part(tiles[start:start + BATCH]) for start in range(0, len(tiles), BATCH)):
            pixels = scaled(batch.images[seen.name], centre, spread, slope, seen.angle or 0)
            views = [laid(view) for view in ([pixels, pixels.flip(2, 3)] if turned else [pixels])]
            parts.append(torch.stack([encoder(view)[-1].float().mean((2, 3)) for view in views]).mean(0).cpu().numpy())
            done += len(batch)
            progress.at(done / len(tiles), f"Features of {done} of {len(tiles)} tiles")
    finally:
        for module, mode in modes.items():  # parts that were frozen stay frozen
            module.training = mode
    return np.concatenate(parts)


@torch.no_grad()
def _series_features(encoder: nn.Module, dataset: Dataset, seen: Input, samples: np.ndarray, device: torch.device,
                     progress: Progress) -> np.ndarray:
    """Features of series (n, channel) by a frozen encoder of series, float32; see `encoder_features`."""
    centre, spread = (band_row(values).to(device) for values in (seen.centre, [value or 1.0 for value in seen.spread]))
    reader, modes, found = TileReader(dataset, {seen.name: seen}, 1, device), {module: module.training for module in encoder.modules()}, []
    encoder.eval()
    try:
        for batch in reader.in_order(samples, BATCH_OF_SERIES):
            values, days = batch.given[seen.name], batch.given[seen.days_port]
            found.append(encoder(standardised(values, days, centre, spread), days).float().cpu().numpy())
            progress.at(min(0.99, len(found) * BATCH_OF_SERIES / len(samples)), "Features of series")
    finally:
        for module, mode in modes.items():
            module.training = mode
    return np.concatenate(found)


class Probe:
    """A labelled dataset to ask encoders with; the labels are read once.

    Args:
        dataset: of images or series with labels as a whole, with training and validation tiles.
        percent: share of the training labels that is used, see `labelled_share`.
        seed: decides which.
        split: that is scored.
        most: training and scored tiles, at most; an even sample of more.

    Raises:
        DataError: another task, or nothing to learn from or to score on.
    """

    def __init__(self, dataset: Dataset, percent: float = 100, seed: int = 1, split: str = "validation", most: int = 2000) -> None:
        require(dataset, [name for name, row in TASKS.items() if row.labelled and not row.pixelwise], "probing an encoder")
        self.dataset, self.seed = dataset, seed
        self.known = even_sample(labelled_share(dataset, with_label(dataset, dataset.indices("training")), percent, seed), most)
        self.asked = even_sample(with_label(dataset, dataset.indices(split)), most)
        for tiles, name in ((self.known, "training"), (self.asked, split)):
            if not len(tiles):
                raise DataError(f"The dataset {dataset.folder} has no labelled {name} tiles to probe an encoder with. "
                                "Divide it anew with “Split dataset”.")
        self.labels, self.truth = dataset.labels(self.known), dataset.labels(self.asked)

    def __call__(self, encoder: nn.Module, seen: Input, progress: Progress = SILENT) -> dict[str, float]:
        """Scores of an encoder, see `encoder_features`.

        Returns:
            ``probe_linear`` and ``probe_knn``: overall accuracy, or micro mean average precision of several classes at once.
        """
        both = encoder_features(encoder, self.dataset, seen, np.concatenate([self.known, self.asked]), progress=progress)
        return self.score(both[:len(self.known)], both[len(self.known):])

    def statistics(self, seen: Input) -> dict[str, float]:
        """The same scores of the statistics of whitened bands, see `sample_rows`, in the place of an encoder's features; of series, of the bands on
        the days of the season, see `series_features`.
        """
        whitening = measure_whitening(self.dataset, seen, self.dataset.indices("training", self.dataset.sensor_of(seen).name))
        if seen.dated:
            return self.score(*(np.nan_to_num(series_features(self.dataset, seen, whitening, tiles)) for tiles in (self.known, self.asked)))
        return self.score(*(sample_rows(self.dataset, seen, whitening, tiles).features for tiles in (self.known, self.asked)))

    def score(self, known: np.ndarray, asked: np.ndarray) -> dict[str, float]:
        """Scores of features of the labelled and of the scored tiles."""
        found: dict[str, Any] = {"probe_linear": LinearProbe(known, self.labels, self.seed).predict(asked),
                                 "probe_knn": nearest_neighbours(known, self.labels, asked)}
        return {name: score_predictions(self.truth, values, len(self.dataset.classes))[self.dataset.kind.score] for name, values in found.items()}
