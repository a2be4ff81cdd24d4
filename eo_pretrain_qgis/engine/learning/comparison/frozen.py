"""Classifiers on the features of an encoder that does not learn: of whole images, in each of which it is asked once for all draws and shares."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
import torch

from ....progress import SILENT, Progress
from ...cards import Input, between_values, single
from ...classic.models import Labelled
from ...classic.samples import sample_rows
from ...datasets.dataset import Dataset
from ...datasets.splitting.label_shares import training_share, with_label
from ...datasets.visible import for_inputs
from ...even_sample import even_sample
from ..data import TileReader
from ..finetuning.classification import joint_regression
from ..finetuning.recipe import Settings, seen_by
from ..finetuning.starts import adopt_scaling
from ..loop.device import pick_device
from ..networks.fitted import REMEMBERED, NearestNeighbours
from ..networks.starting_weights import start_from
from ..probes import encoder_features
from .asking import Cell, Options, Start

#: Encoders whose features a process remembers.
ENCODERS = 4
#: Positions of samples → their scores.
Answer = Callable[[np.ndarray], np.ndarray]


class Frozen:
    """An encoder, and what it found in the images of a dataset so far.

    Args:
        dataset: of images with classes as a whole.
        settings: of the trainings.
        start: its weights; random ones, always the same, where it has none.
    """

    def __init__(self, dataset: Dataset, settings: Settings, start: Start) -> None:
        inputs = seen_by(settings, dataset)
        self.what, self.dataset = single(inputs), for_inputs(dataset, inputs).each_target()[0]
        seen: Input = between_values(adopt_scaling(self.what, start.path))
        torch.manual_seed(0)
        self.network = NearestNeighbours(start.encoder, {seen.name: seen}, len(self.dataset.classes))
        if start.path:
            start_from(self.network, start.path, seen.names)
        self.network.to(pick_device(settings.device)).eval()
        self.known, self.values = np.zeros(len(dataset), bool), np.zeros((0, 0), np.float32)

    def features(self, samples: np.ndarray, progress: Progress = SILENT) -> np.ndarray:
        """What the encoder finds (n, channel)."""
        new = samples[~self.known[samples]]
        if len(new):
            found = encoder_features(self.network.encoder, self.dataset, self.network.seen, new, progress=progress)
            if not self.values.size:
                self.values = np.zeros((len(self.known), found.shape[1]), np.float32)
            self.values[new], self.known[new] = found, True
        return self.values[samples]

    def fit(self, labelled: Labelled, way: str, progress: Progress = SILENT) -> Answer:
        """A classifier of one of `modes.FITTED`, as “Fine-tune a model” makes it."""
        if way == "knn":
            tiles = even_sample(with_label(self.dataset, labelled.tiles), REMEMBERED)
            self.network.remember(self.features(tiles, progress), self.dataset.labels(tiles))
            return self._voted
        regression = joint_regression(labelled, lambda tiles: self.features(tiles, progress))
        return lambda samples: regression.scores(np.concatenate(
            [sample_rows(self.dataset, self.what, labelled.whitening, samples).features, self.features(samples, progress)], 1))

    @torch.no_grad()
    def _voted(self, samples: np.ndarray) -> np.ndarray:
        return self.network.vote(torch.from_numpy(self.features(samples)).to(self.network.known.device)).cpu().numpy()

    def given(self, sample: np.ndarray) -> dict[str, Any]:
        """What the network is given of an image (1,)."""
        reader = TileReader(self.dataset, self.network.inputs, 1, self.network.known.device)
        return next(iter(reader.in_order(sample, 1))).given


def answer_of(options: Options, dataset: Dataset, written: tuple[int, ...], cell: Cell, start: Start, progress: Progress) -> tuple[Frozen, Answer]:
    """What answers for a cell.

    Args:
        options: what is asked.
        dataset: see `Frozen`; a process reads it once for all cells.
        written: when its files were.
        cell: of one of `modes.FITTED`.
        start: of the cell.
        progress: told of the features.
    """
    frozen = _frozen(str(dataset.folder), written, options.training, start)
    tiles = training_share(dataset, cell.share, cell.seed)
    labelled = Labelled(for_inputs(dataset, seen_by(options.training, dataset)), frozen.what, tiles, cell.seed, progress).each[0]
    return frozen, frozen.fit(labelled, cell.way, progress)


@lru_cache(maxsize=ENCODERS)
def _frozen(folder: str, written: tuple[int, ...], settings: Settings, start: Start) -> Frozen:
    return Frozen(Dataset.open(folder), settings, start)
