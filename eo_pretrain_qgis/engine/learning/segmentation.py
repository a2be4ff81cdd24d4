"""Segmentation as a task: which tiles, which loss, which score. The loop that trains it is in `training`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import torch
from torch import nn
from torch.nn.functional import cross_entropy, one_hot

from ...errors import DataError
from ...report import SILENT, Report
from ..accuracy import confusion, scores
from ..dataset import Dataset
from .augment import Augmentation
from .data import Batch, TileReader
from .networks import SegmentationNetwork, renew_statistics

RENEWAL_TILES = 16  # each holds thousands of pixels; 32 took a fifth of a small epoch


def check_trainable(dataset: Dataset, crop: int | None = None) -> None:
    """Refuses a dataset that nothing can be learned from.

    Raises:
        DataError: of another task, without training tiles, with a single class, or with tiles smaller than the crop.
    """
    where = dataset.folder
    if dataset.task != "segmentation":
        raise DataError(f"The dataset {where} is for the task “{dataset.task}”, and this trains segmentation, which needs a class for every "
                        "pixel. Choose a dataset made by “Create training dataset”, “Create road dataset” or “Create land cover dataset”.")
    if not len(dataset.indices("training")):
        raise DataError(f"The dataset {where} has no training tiles. Split it again with a larger training share or smaller blocks.")
    present = [entry.name for entry, count in zip(dataset.classes, dataset.description["class_pixels"]["training"]) if count]
    if len(present) < 2:
        only = f"only the class “{present[0]}”" if present else "no labelled pixels"
        raise DataError(f"The training tiles of {where} hold {only}, so there is nothing to tell apart. "
                        "Add labels of another class, or count unlabelled pixels as background.")
    if crop is not None and crop > dataset.tile_size:
        raise DataError(f"The crop of {crop} px is larger than the tiles of {where} ({dataset.tile_size} px). "
                        f"Choose a crop of at most {dataset.tile_size} px.")


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


class Segmentation:
    """One class per pixel, learned from labelled tiles.

    Args:
        dataset: with training tiles.
        network: what is trained.
        device: where it is trained.
        batch_size: tiles per step and process.
        crop: side of random crops, pixels; None trains on whole tiles.
        weighting: see `class_weights`.
        augmentation: see `Augmentation`.
        rank: number of this process.
        processes: how many share the tiles.
    """

    score = "mean_iou"

    def __init__(self, dataset: Dataset, network: SegmentationNetwork, device: torch.device, *, batch_size: int, crop: int | None = None,
                 weighting: str = "balanced", augmentation: str = "full", rank: int = 0, processes: int = 1) -> None:
        check_trainable(dataset, crop)
        self.dataset, self.network, self.batch_size, self.crop = dataset, network, batch_size, crop
        self.rank, self.processes = rank, processes
        centre, spread = network.centre.flatten().tolist(), network.spread.flatten().tolist()
        self.reader = TileReader(dataset, centre, network.stride, device)
        self.augmentation = Augmentation(augmentation, dataset.bands, centre, spread, device)
        weights = class_weights(dataset.description["class_pixels"]["training"], weighting)
        self.weights = torch.tensor(weights, dtype=torch.float32, device=device)
        self.weight_of_label = torch.zeros(256, device=device)  # 0 for pixels that are ignored
        self.weight_of_label[:len(weights)] = self.weights
        self._refuse_single_value()

    @property
    def parts(self) -> dict[str, nn.Module]:
        """The network."""
        return {"network": self.network}

    @property
    def steps(self) -> int:
        """Batches per epoch and process."""
        mine = -(-len(self.dataset.indices("training")) // self.processes)
        return -(-mine // self.batch_size)

    def batches(self, seed: int, epoch: int) -> Iterator[Batch]:
        """The training tiles once, in an order, with crops and changes that follow from seed, epoch and rank alone."""
        order = np.random.default_rng([seed, epoch]).permutation(self.dataset.indices("training"))
        # Every process takes the same number of steps, or those that end early would leave the others waiting.
        mine = np.resize(order, -(-len(order) // self.processes) * self.processes)[self.rank::self.processes]
        rng = np.random.default_rng([seed, epoch, self.rank])
        generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
        for batch in self.reader.shuffled(mine, self.batch_size, rng, self.crop):
            yield self.augmentation(batch, generator)

    def loss(self, part: str, networks: Mapping[str, nn.Module], batch: Batch) -> torch.Tensor:
        """Weighted cross-entropy plus Dice, over labelled pixels; Dice keeps small classes from being given up.

        In both a tile of weight 0.5 counts half as much as one of weight 1.
        """
        outputs, labels, tiles = networks[part](batch.images).float(), batch.labels, batch.weights[:, None, None]
        total = (self.weight_of_label[labels] * tiles).sum().clamp_min(1e-6)  # a batch without labels gives 0, not 0 / 0
        entropy = cross_entropy(outputs, labels, self.weights, ignore_index=self.dataset.ignore, reduction="none")
        return (entropy * tiles).sum() / total + dice_loss(outputs, labels, batch.weights, self.dataset.ignore)

    def validate(self, report: Report = SILENT) -> np.ndarray:
        """Confusion matrix of this process's share of the validation tiles, int64 (class, class).

        The normalisation layers are brought up to date first, so that what is measured is the network as it would be used.
        """
        train = self.dataset.indices("training")[self.rank::self.processes]
        sample = train[np.linspace(0, len(train) - 1, min(len(train), RENEWAL_TILES)).astype(int)]
        renew_statistics(self.network, (batch.images for batch in self.reader.in_order(sample, self.batch_size)))
        tiles = self.dataset.indices("validation")[self.rank::self.processes]
        return evaluate(self.network, self.reader, tiles, self.batch_size, report)

    def figures(self, matrix: np.ndarray) -> dict[str, float]:
        """The figures of an epoch from the confusion matrix of all processes: empty without validation tiles."""
        found = scores(matrix)
        if found["mean_iou"] is None:
            return {}
        single = {f"iou_{entry.name}": row["iou"] for entry, row in zip(self.dataset.classes, found["classes"]) if row["iou"] is not None}
        return {"mean_iou": found["mean_iou"], "overall_accuracy": found["overall_accuracy"], **single}

    def _refuse_single_value(self) -> None:
        """Batch normalisation needs more than one value per channel in the deepest layer."""
        mine = -(-len(self.dataset.indices("training")) // self.processes)
        smallest = mine // self.steps
        side = -(-(self.crop or self.dataset.tile_size) // self.network.stride)
        if smallest * side * side < 2:
            raise DataError(f"A single tile of {self.crop or self.dataset.tile_size} px per step is too little to train on. "
                            "Choose a larger batch, larger tiles or more training tiles.")


def dice_loss(outputs: torch.Tensor, labels: torch.Tensor, weights: torch.Tensor, ignore: int) -> torch.Tensor:
    """1 - Dice of each class over a batch, averaged over classes; 0 for those without a label (Milletari et al., arXiv 1606.04797).

    That of segmentation-models-pytorch, in which tiles cannot be weighted.

    Args:
        outputs: scores (n, class, y, x).
        labels: positions (n, y, x).
        weights: of the tiles (n,).
        ignore: the label of pixels that do not count.
    """
    known = labels != ignore
    counted = (weights[:, None, None] * known)[:, None]
    truth = one_hot(labels.where(known, torch.zeros_like(labels)), outputs.shape[1]).movedim(-1, 1) * counted
    found = outputs.softmax(1)
    common, both = (found * truth).sum((0, 2, 3)), (found * counted + truth).sum((0, 2, 3))
    present = truth.sum((0, 2, 3)) > 0
    return ((1 - 2 * common / both.clamp_min(1e-7)) * present).mean()


@torch.no_grad()
def predict(network: SegmentationNetwork, reader: TileReader, tiles: np.ndarray,
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


def evaluate(network: SegmentationNetwork, reader: TileReader, tiles: np.ndarray, batch_size: int, report: Report = SILENT) -> np.ndarray:
    """Confusion matrix of `network` over `tiles`, int64 (class, class), rows truth."""
    classes = len(reader.dataset.classes)
    matrix, done = np.zeros((classes, classes), np.int64), 0
    for chosen, truth, found in predict(network, reader, tiles, batch_size):
        matrix += confusion(truth, found, classes, reader.dataset.ignore)
        done += len(chosen)
        report.progress(done / len(tiles), f"Checking {done} of {len(tiles)} tiles")
    return matrix
