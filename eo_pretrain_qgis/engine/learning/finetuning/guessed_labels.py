"""Labels for the tiles that have none, spread from the labelled ones over tiles that look alike to the encoder.

Each tile is tied to those nearest to it, and labels flow along the ties until each tile's agree with its neighbours' (Zhou et al. 2004,
Learning with Local and Global Consistency, NIPS 16). A network learns from what comes of it, the more the surer it is (Iscen et al. 2019,
Label Propagation for Deep Semi-supervised Learning, arXiv 1904.04717, whose α and exponent these are; they take 50 neighbours, which are
many for some hundred tiles).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from scipy.sparse import csr_array, eye_array
from scipy.sparse.csgraph import laplacian
from scipy.sparse.linalg import cg
from sklearn.model_selection import KFold

from ....errors import DataError
from ....progress import SILENT, Progress
from ...datasets.dataset import IGNORE, Dataset
from ...tasks import TASKS, require
from ..data import LABELS, Batch
from ..loop.kept_array import keep_array, kept_array
from ..nearest_tiles import nearest_tiles

NEIGHBOURS, EXPONENT = 20, 3  # ties of a tile; their strength is a power of the cosine
ALPHA = 0.99  # how far labels flow: what a tile takes from its neighbours in each step
FOLDS = 5  # of the labels, each left out once to see whether the others guess it
TOLERANCE = 1e-4
LARGEST_WEIGHT = 10  # of a class with few guesses
#: Where nothing is said, labels are spread up to so many for each class, to so many times as many tiles, if so many of those left out are guessed
#: right (docs/evidence/spread-labels.md: with 16 labels for each class it helped, with 81 it did harm).
FEW_LABELS, UNLABELLED, SURE = 20, 5, 0.7


def check_spreadable(dataset: Dataset, start: str | None) -> None:
    """Refuses to spread labels where it cannot be done.

    Raises:
        DataError: tiles have no or several classes each, or there are no starting weights.
    """
    one_class = [name for name, row in TASKS.items() if row.axes == "" and not row.dates]
    require(dataset, one_class, "spreading labels from tile to tile", "set “Spread the labels” to “no”")
    if not start:
        raise DataError("Labels spread to tiles that look alike to the starting weights, and there are none. Give starting weights, for example "
                        "of “Pretrain with Barlow Twins” on these tiles, or set “Spread the labels” to “no”.")


def usually_spread(dataset: Dataset, from_weights: bool, labels: int) -> bool:
    """Whether labels are spread where nothing is said.

    Args:
        dataset: with labels.
        from_weights: there are starting weights.
        labels: number of labelled training tiles that are learned from.
    """
    return (from_weights and dataset.kind.axes == "" and not dataset.kind.dates and labels <= FEW_LABELS * len(dataset.classes)
            and len(dataset.indices("training")) >= (1 + UNLABELLED) * labels)


@dataclass(frozen=True)
class GuessedLabels:
    """What tiles without a label may be.

    Attributes:
        tiles: positions in the dataset, ascending (n,).
        labels: class positions, 255 where no label came, int64 (n,).
        certainty: 0 to 1, float32 (n,): 1 - entropy / largest entropy.
        weights: in the loss, where a label counts 1, float32 (n,): the certainty, and of the classes in the proportions of their labels.
        checked: share of the labels that the others guess right; None of fewer labels than `FOLDS`.
    """

    tiles: np.ndarray
    labels: np.ndarray
    certainty: np.ndarray
    weights: np.ndarray
    checked: float | None = None

    @classmethod
    def spread(cls, tiles: np.ndarray, features: np.ndarray, labels: np.ndarray, classes: int, progress: Progress = SILENT) -> GuessedLabels:
        """Guesses the labels of those of the tiles that have none.

        Args:
            tiles: positions in the dataset, ascending (m,).
            features: of the tiles, (m, channel).
            labels: class positions, 255 where none is known (m,).
            classes: number of classes.
            progress: told of every step.
        """
        ties = _ties(features, progress)
        known, unknown = np.flatnonzero(labels != IGNORE), np.flatnonzero(labels == IGNORE)
        right = 0
        for _, left_out in KFold(FOLDS, shuffle=True, random_state=0).split(known) if len(known) >= FOLDS else ():
            hidden = labels.copy()
            hidden[known[left_out]] = IGNORE
            right += (_shares(ties, hidden, classes, progress)[known[left_out]].argmax(1) == labels[known[left_out]]).sum()
        shares = _shares(ties, labels, classes, progress)[unknown]
        entropy = -(shares * np.log(np.maximum(shares, 1e-12))).sum(1)
        reached = shares.any(1)
        guesses = np.where(reached, shares.argmax(1), IGNORE)
        certainty = np.where(reached, 1 - entropy / np.log(classes), 0).clip(0, 1)
        return cls(tiles[unknown], guesses, certainty.astype(np.float32), _weights(guesses, certainty, labels[known], classes),
                   right / len(known) if len(known) >= FOLDS else None)

    @classmethod
    def read(cls, path: str, tiles: np.ndarray) -> GuessedLabels:
        """What `write` left for the same tiles, ascending (n,).

        Raises:
            DataError: there is nothing, or it is of other tiles.
        """
        kept = kept_array(path, lambda found: found.shape == (4, len(tiles)) and np.array_equal(found[0], tiles), "train in a new folder")
        return cls(tiles, kept[1].astype(np.int64), *kept[2:].astype(np.float32))

    def write(self, path: str) -> None:
        """Keeps the guesses, so that a run that is continued has the same.

        Raises:
            DataError: the disk is full.
        """
        keep_array(path, np.stack([self.tiles, self.labels, self.certainty, self.weights]).astype(np.float64))

    def fill(self, batch: Batch) -> Batch:
        """The batch with the guesses as labels of its tiles without one, and their weights."""
        place = np.searchsorted(self.tiles, batch.samples).clip(max=len(self.tiles) - 1)
        guessed, known = self.tiles[place] == batch.samples, batch.targets[LABELS]
        device = known.device
        asked = torch.from_numpy(guessed).to(device)
        labels = torch.where(asked, torch.from_numpy(self.labels[place]).to(device), known)
        weights = torch.from_numpy(np.where(guessed, self.weights[place], 1).astype(np.float32)).to(device)
        return replace(batch, targets={**batch.targets, LABELS: labels}, weights=batch.weights * weights)

    def sentence(self) -> str:
        """How many there are and how good, in words."""
        right = "" if self.checked is None else f"; of the labels, left out a fifth at a time, the others guess {100 * self.checked:.0f} % right"
        return f"{len(self.tiles)} tiles without a label learn from a guess, with a mean certainty of {self.certainty.mean():.2f}{right}."


def _weights(guesses: np.ndarray, certainty: np.ndarray, labels: np.ndarray, classes: int) -> np.ndarray:
    """Weights of guesses, float32 (n,), of which the sum is that of the certainty.

    Some classes draw more guesses than others, and surer ones, which weights by class make up for (Iscen et al. 2019, §3.3).
    """
    wanted = np.bincount(labels, minlength=classes) / len(labels)
    found = np.bincount(guesses[guesses != IGNORE], certainty[guesses != IGNORE], minlength=classes)
    of_class = np.append(wanted / np.maximum(found / max(found.sum(), 1e-9), wanted / LARGEST_WEIGHT + 1e-9), 0.0)
    weights = certainty * of_class[np.where(guesses == IGNORE, classes, guesses)]
    return (weights * certainty.sum() / max(weights.sum(), 1e-9)).astype(np.float32)


def _ties(features: np.ndarray, progress: Progress) -> csr_array:
    """How strongly tiles are tied, the same both ways (n, n)."""
    nearest, cosines = nearest_tiles(features, NEIGHBOURS, progress)
    rows = np.repeat(np.arange(len(nearest)), nearest.shape[1])
    one_way = csr_array((np.maximum(cosines, 0).ravel() ** EXPONENT, (rows, nearest.ravel())), shape=(len(nearest),) * 2)
    return one_way + one_way.T


def _shares(ties: csr_array, labels: np.ndarray, classes: int, progress: Progress) -> np.ndarray:
    """The shares of the classes that come to each tile (n, class), all 0 where nothing does."""
    system = (1 - ALPHA) * eye_array(len(labels)) + ALPHA * laplacian(ties, normed=True)
    found = np.zeros((len(labels), classes))
    for number in range(classes):
        # The callback of each step is where a cancelled run stops.
        found[:, number] = cg(system, (labels == number).astype(float), rtol=TOLERANCE,
                              callback=lambda _, number=number: progress.at(number / classes, "Spreading the labels"))[0].clip(min=0)
    total = found.sum(1, keepdims=True)
    return np.divide(found, total, out=np.zeros_like(found), where=total > 0)
