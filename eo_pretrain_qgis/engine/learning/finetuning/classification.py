"""One class, or several, for a whole tile: scenes, patches of sea ice, images with several labels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import nn

from ....errors import DataError
from ....progress import SILENT, Progress
from ...datasets.dataset import IGNORE, Dataset
from ...even_sample import even_sample
from ...measures.accuracy import confusion, scores
from ...measures.multilabel_accuracy import multilabel_scores, score_counts
from ..augment import Augmentation
from ..data import Batch, TileReader
from ..networks.class_networks import ClassNetwork
from ..probes import LinearProbe, encoder_features
from .guessed_labels import GuessedLabels
from .labelled_tiles import LabelledMethod, TrainingTiles, check_labelled
from .losses import NEED_SHARES, binary_losses, class_losses

#: Tasks with labels of whole tiles.
TASKS = ("scene", "patch", "multilabel")
HEAD_TILES = 2000  # the first head is fitted to at most so many
BALANCE = 10.0  # largest weight of a rare class where it occurs


def check_tiles(dataset: Dataset, crop: int | None = None) -> None:
    """Refuses a dataset that no classes of whole tiles can be learned from.

    Raises:
        DataError: of another task, or see `labelled_tiles.check_labelled`.
    """
    if dataset.task not in TASKS:
        raise DataError(f"The dataset {dataset.folder} is for the task “{dataset.task}”, and this learns classes of whole tiles. "
                        "Choose a dataset with a class per image or patch.")
    check_labelled(dataset, crop)


class Classification(LabelledMethod):
    """Classes of whole tiles, learned from labelled tiles.

    Args:
        dataset: of a task in `TASKS`.
        network: what is trained.
        device: where it is trained.
        tiles: positions of the training tiles.
        batch_size: tiles per step and process.
        crop: side of random crops, pixels; None trains on whole tiles.
        weighting: ``none`` or ``balanced``, see `segmentation.class_weights`.
        augmentation: see `Augmentation`.
        loss: one of `losses.LOSSES` that needs no shares.
        steps: per epoch; None is one pass.
        last_epoch: the only epoch that is validated, counted from 0; None validates each.
        guesses: labels of more tiles, which are learned from too.
        rank: number of this process.
        processes: how many share the tiles.
    """

    renewal_tiles = 512  # the deepest layer has few pixels per tile

    def __init__(self, dataset: Dataset, network: ClassNetwork, device: torch.device, *, tiles: np.ndarray, batch_size: int,
                 crop: int | None = None, weighting: str = "balanced", augmentation: str = "full", loss: str = "cross_entropy",
                 steps: int | None = None, last_epoch: int | None = None, guesses: GuessedLabels | None = None, rank: int = 0,
                 processes: int = 1) -> None:
        if loss in NEED_SHARES:
            raise DataError(f"The loss “{loss}” learns from shares of classes in pixels, and {dataset.folder} has classes of whole tiles. "
                            "Choose another loss.")
        self.dataset, self.network, self.loss_kind, self.last_epoch, self.labelled = dataset, network, loss, last_epoch, tiles
        self.several = dataset.task == "multilabel"
        self.score = "average_precision" if self.several else "overall_accuracy"
        centre, spread = network.centre.flatten().tolist(), network.spread.flatten().tolist()
        self.reader = TileReader(dataset, centre, network.stride, device)
        change = Augmentation(augmentation, dataset.bands, centre, spread, device)
        self.training = TrainingTiles(self.reader, change, tiles, batch_size=batch_size, crop=crop, steps=steps, rank=rank,
                                      processes=processes, guesses=guesses)
        self.training.refuse_single_value(network.stride)
        self.weights = torch.tensor(tile_class_weights(dataset, tiles, weighting), dtype=torch.float32, device=device)
        self.rank, self.processes, self.epoch = rank, processes, 0

    def loss(self, part: str, networks: Mapping[str, nn.Module], batch: Batch) -> torch.Tensor:
        """Weighted mean over the tiles of a batch; a tile of weight 0.5 counts half."""
        outputs = networks[part](batch.images).float()
        if self.several:
            values = binary_losses(self.loss_kind, outputs, batch.labels, self.weights).mean(1)
            return (values * batch.weights).sum() / batch.weights.sum().clamp_min(1e-6)
        values, weights = class_losses(self.loss_kind, outputs, batch.labels, self.weights, self.dataset.ignore)
        return (values * batch.weights).sum() / (weights * batch.weights).sum().clamp_min(1e-6)

    def count(self, tiles: np.ndarray, progress: Progress = SILENT) -> np.ndarray:
        """Counts over any tiles: confusion (class, class), or `score_counts` of several classes."""
        classes = len(self.dataset.classes)
        total = score_counts(np.zeros((0, classes), int), np.zeros((0, classes))) if self.several else np.zeros((classes, classes), np.int64)
        done = 0
        for chosen, truth, outputs in predict_tiles(self.network, self.reader, tiles, self.training.batch_size):
            total += score_counts(truth, outputs) if self.several else confusion(truth, outputs.argmax(1), classes, self.dataset.ignore)
            done += len(chosen)
            progress.at(done / len(tiles), f"Checking {done} of {len(tiles)} tiles")
        return total

    def figures(self, sums: np.ndarray) -> dict[str, float]:
        """The figures of an epoch from the counts of all processes: empty where nothing was validated."""
        found = tile_scores(sums)
        if found[self.score] is None:
            return {}
        single = {f"f1_{entry.name}": row["f1"] for entry, row in zip(self.dataset.classes, found["classes"]) if row["f1"] is not None}
        return {self.score: found[self.score], "mean_f1": found["mean_f1"], **single}

    def fit_head(self, device: torch.device, progress: Progress = SILENT) -> None:
        """Starts the head as the best linear classifier on the encoder's features, so that training does not begin by spoiling them.

        A head drawn at random sends large, meaningless gradients into a good encoder (Kumar et al., Fine-Tuning can Distort
        Pretrained Features, arXiv 2202.10054). Of many training tiles an even sample is taken.
        """
        tiles = even_sample(self.labelled, HEAD_TILES)
        network, labels = self.network.to(device), self.dataset.labels(tiles)
        if not self.several:
            tiles, labels = tiles[labels != IGNORE], labels[labels != IGNORE]
        features = encoder_features(network.encoder, network.centre.flatten().tolist(), network.spread.flatten().tolist(), self.dataset,
                                    tiles, device, progress=progress)
        weight, bias = LinearProbe(features, labels, strengths=(1e-3, 1e-2, 1e-1)).layer(len(self.dataset.classes))
        network.load_state_dict({"classification_head.weight": torch.from_numpy(weight),
                                 "classification_head.bias": torch.from_numpy(bias)}, strict=False)


def tile_scores(counts: np.ndarray) -> dict[str, Any]:
    """Figures of the counts of `Classification.count`: those of `accuracy.scores` or of `multilabel_scores`."""
    return multilabel_scores(counts) if counts.ndim == 3 else scores(counts)


def tile_class_weights(dataset: Dataset, tiles: np.ndarray, kind: str) -> list[float]:
    """Weight of each class in the loss.

    Args:
        dataset: of a task in `TASKS`.
        tiles: positions of the training tiles.
        kind: ``none`` (all 1) or ``balanced``: the root of the inverse frequency, with a mean of 1 over the classes that occur; of
            several classes at once the root of how many tiles lack the class for each that has it, at most 10.
    """
    labels, classes = dataset.labels(tiles), len(dataset.classes)
    if kind == "none":
        return [1.0] * classes
    if labels.ndim == 2:
        present = labels.sum(0, dtype=float)
        return list(np.clip(np.sqrt((len(labels) - present) / np.maximum(present, 1)), 1, BALANCE))
    counts = np.bincount(labels[labels != IGNORE], minlength=classes)
    weights = np.where(counts > 0, 1 / np.sqrt(np.maximum(counts, 1)), 0)
    return list(weights / weights[counts > 0].mean())


@torch.no_grad()
def predict_tiles(network: ClassNetwork, reader: TileReader, tiles: np.ndarray,
                  batch_size: int) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Scores of whole tiles, batch by batch.

    Yields:
        Positions of the tiles (n,), their labels (n,) or (n, class), and scores before softmax or sigmoid, float32 (n, class).
    """
    network.eval()
    for batch in reader.in_order(tiles, batch_size):
        yield batch.tiles, batch.labels.cpu().numpy(), network(batch.images).float().cpu().numpy()
