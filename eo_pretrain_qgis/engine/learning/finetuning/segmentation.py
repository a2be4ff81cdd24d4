"""Segmentation as a task: which tiles, which loss, which score. The loop that trains it is in `training`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import torch
from torch import nn

from ....errors import DataError
from ....progress import SILENT, Progress
from ...datasets.dataset import Dataset
from ...measures.accuracy import confusion, scores
from ..augment import Augmentation
from ..data import Batch, TileReader
from ..networks.class_networks import ClassNetwork
from .labelled_tiles import LabelledMethod, TrainingTiles, check_labelled
from .losses import NEED_SHARES, class_losses, dice_loss

COUNTED = 256  # tiles whose labels are read at once


def check_trainable(dataset: Dataset, crop: int | None = None) -> None:
    """Refuses a dataset that nothing can be learned from.

    Raises:
        DataError: of another task, without training tiles, with a single class, or with tiles smaller than the crop.
    """
    where = dataset.folder
    if dataset.task != "segmentation":
        raise DataError(f"The dataset {where} is for the task “{dataset.task}”, and this trains segmentation, which needs a class for every "
                        "pixel. Choose a dataset made by “Create training dataset”, “Create road dataset” or “Create land cover dataset”.")
    check_labelled(dataset, crop)


def class_weights(pixels: list[int], kind: str) -> list[float]:
    """Weight of each class in the cross-entropy.

    Args:
        pixels: training pixels per class.
        kind: ``none`` (all 1) or ``balanced``: the root of the inverse frequency, with a mean of 1 over the classes that occur.
            The root is the usual middle between all pixels alike and all classes alike, under which the rarest class floods the map.
    """
    counts = np.asarray(pixels, float)
    if kind == "none":
        return [1.0] * len(counts)
    present = counts > 0
    weights = np.where(present, 1 / np.sqrt(np.maximum(counts, 1)), 0)
    return list(weights / weights[present].mean())


def labelled_pixels(dataset: Dataset, tiles: np.ndarray) -> list[int]:
    """Pixels of each class in training tiles; where only some are used, the labels of the others are not looked at."""
    if len(tiles) == len(dataset.indices("training")):
        return dataset.description["class_pixels"]["training"]
    counts = np.zeros(len(dataset.classes), np.int64)
    for part in np.array_split(tiles, -(-len(tiles) // COUNTED)):
        labels = dataset.labels(part)
        counts += np.bincount(labels[labels != dataset.ignore], minlength=len(counts))
    return counts.tolist()


class Segmentation(LabelledMethod):
    """One class per pixel, learned from labelled tiles.

    Args:
        dataset: with training tiles.
        network: what is trained.
        device: where it is trained.
        batch_size: tiles per step and process.
        tiles: positions of the training tiles; None is all of them.
        crop: side of random crops, pixels; None trains on whole tiles.
        weighting: see `class_weights`.
        augmentation: see `Augmentation`.
        loss: one of `losses.LOSSES`.
        steps: per epoch; None is one pass over the tiles.
        last_epoch: the only epoch that is validated, counted from 0; None validates each.
        rank: number of this process.
        processes: how many share the tiles.
    """

    score = "mean_iou"
    renewal_tiles = 16  # each holds thousands of pixels; 32 took a fifth of a small epoch

    def __init__(self, dataset: Dataset, network: ClassNetwork, device: torch.device, *, batch_size: int, tiles: np.ndarray | None = None,
                 crop: int | None = None, weighting: str = "balanced", augmentation: str = "full", loss: str = "cross_entropy",
                 steps: int | None = None, last_epoch: int | None = None, rank: int = 0, processes: int = 1) -> None:
        check_trainable(dataset, crop)
        self.dataset, self.network, self.loss_kind, self.last_epoch = dataset, network, loss, last_epoch
        self.rank, self.processes, self.epoch = rank, processes, 0
        centre, spread = network.centre.flatten().tolist(), network.spread.flatten().tolist()
        if loss in NEED_SHARES:
            check_shares(dataset, loss)
        self.reader = TileReader(dataset, centre, network.stride, device, shares=loss in NEED_SHARES)
        change = Augmentation(augmentation, dataset.bands, centre, spread, device)
        self.training = TrainingTiles(self.reader, change, dataset.indices("training") if tiles is None else tiles, batch_size=batch_size,
                                      crop=crop, steps=steps, rank=rank, processes=processes)
        self.training.refuse_single_value(network.stride)
        weights = class_weights(labelled_pixels(dataset, self.training.tiles), weighting)
        self.weights = torch.tensor(weights, dtype=torch.float32, device=device)

    def loss(self, part: str, networks: Mapping[str, nn.Module], batch: Batch) -> torch.Tensor:
        """The weighted mean of the loss over labelled pixels.

        Cross-entropy comes with Dice, which keeps small classes from being given up. In both a tile of weight 0.5 counts half as much
        as one of weight 1.
        """
        outputs, tiles = networks[part](batch.images).float(), batch.weights[:, None, None]
        values, weights = class_losses(self.loss_kind, outputs, batch.labels, self.weights, self.dataset.ignore, batch.shares)
        mean = (values * tiles).sum() / (weights * tiles).sum().clamp_min(1e-6)  # a batch without labels gives 0, not 0 / 0
        return mean if self.loss_kind != "cross_entropy" else mean + dice_loss(outputs, batch.labels, batch.weights, self.dataset.ignore)

    def count(self, tiles: np.ndarray, progress: Progress = SILENT) -> np.ndarray:
        """Confusion matrix over any tiles, int64 (class, class)."""
        return evaluate(self.network, self.reader, tiles, self.training.batch_size, progress)

    def figures(self, matrix: np.ndarray) -> dict[str, float]:
        """The figures of an epoch from the confusion matrix of all processes: empty without validation tiles."""
        found = scores(matrix)
        if found["mean_iou"] is None:
            return {}
        single = {f"iou_{entry.name}": row["iou"] for entry, row in zip(self.dataset.classes, found["classes"]) if row["iou"] is not None}
        return {"mean_iou": found["mean_iou"], "overall_accuracy": found["overall_accuracy"], **single}


def check_shares(dataset: Dataset, loss: str) -> None:
    """Refuses a dataset without the shares that a loss learns from.

    Raises:
        DataError: naming the loss.
    """
    if "shares" not in dataset.shards.extras():
        raise DataError(f"The loss “{loss}” learns from the shares of the classes in each pixel, and {dataset.folder} has none. "
                        "Create the dataset anew with “Labels are: soft”, or choose another loss.")


@torch.no_grad()
def predict(network: ClassNetwork, reader: TileReader, tiles: np.ndarray,
            batch_size: int) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Classes of whole tiles, batch by batch.

    Yields:
        Positions of the tiles (n,), true and predicted class positions, uint8 (n, y, x) of the dataset's tile size.
    """
    network.eval()
    side = reader.dataset.tile_size
    for batch in reader.in_order(tiles, batch_size):
        found = network(batch.images).argmax(1)[:, :side, :side].to(torch.uint8).cpu().numpy()
        yield batch.tiles, batch.labels[:, :side, :side].to(torch.uint8).cpu().numpy(), found


def evaluate(network: ClassNetwork, reader: TileReader, tiles: np.ndarray, batch_size: int, progress: Progress = SILENT) -> np.ndarray:
    """Confusion matrix of `network` over `tiles`, int64 (class, class), rows truth."""
    classes = len(reader.dataset.classes)
    matrix, done = np.zeros((classes, classes), np.int64), 0
    for chosen, truth, found in predict(network, reader, tiles, batch_size):
        matrix += confusion(truth, found, classes, reader.dataset.ignore)
        done += len(chosen)
        progress.at(done / len(tiles), f"Checking {done} of {len(tiles)} tiles")
    return matrix
