"""One class, or several, for a whole tile: scenes, patches of sea ice, images with several labels."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import nn

from ....progress import SILENT, Progress
from ...classic.classifiers import Regression, stacked
from ...classic.models import Labelled
from ...classic.samples import LEARNED
from ...datasets.splitting.label_shares import with_label
from ...even_sample import even_sample
from ...measures.incidence_angle import gaussian_of_pixels
from ...measures.linear_probe import LinearProbe
from ..data import Batch, TileReader
from ..networks.class_networks import ClassNetwork
from ..networks.fitted import REMEMBERED, NearestNeighbours
from ..networks.gaussian import GaussianClassifier
from ..networks.sensor_networks import members_of
from ..networks.spectral import AboveRegression, SpectralClassifier
from ..probes import encoder_features
from .heads import Head, heads_of, mean_over
from .labelled_tiles import LabelledMethod, Scored, begin_at_regressions
from .losses import binary_losses, class_losses, label_weights


class Classification(LabelledMethod):
    """Classes of whole tiles, learned from labelled tiles."""

    renewal_tiles = 512  # the deepest layer has few pixels per tile

    def loss(self, part: str, networks: Mapping[str, nn.Module], batch: Batch) -> torch.Tensor:
        """Weighted mean over the tiles of a batch, and over the targets; a tile of weight 0.5 counts half, and without a label nothing."""
        outputs = networks[part](batch.given).float()
        return mean_over(self.heads, lambda head: self._loss_of(head, outputs[:, head.scores], batch))

    def _loss_of(self, head: Head, outputs: torch.Tensor, batch: Batch) -> torch.Tensor:
        labels, weights_of = batch.targets[head.labels], self.weights[head.labels]
        if self.dataset.kind.several:
            values = binary_losses(self.choices.loss, outputs, labels, weights_of).mean(1)
            return (values * batch.weights).sum() / batch.weights.sum().clamp_min(1e-6)
        values, weights = class_losses(self.choices.loss, outputs, labels, weights_of, self.dataset.ignore)
        return (values * batch.weights).sum() / (weights * batch.weights).sum().clamp_min(1e-6)

    def weight(self, batch: Batch) -> torch.Tensor:
        """See `LabelledMethod.weight`."""
        if self.dataset.kind.several:
            return batch.weights.sum()
        return mean_over(self.heads, lambda head: (label_weights(
            self.choices.loss, batch.targets[head.labels], self.weights[head.labels], self.dataset.ignore) * batch.weights).sum())

    @classmethod
    @torch.no_grad()
    def scores(cls, network: ClassNetwork, reader: TileReader, tiles: np.ndarray, batch_size: int) -> Iterator[tuple[np.ndarray, list[Scored]]]:
        """See `LabelledMethod`: of labels (n,) or (n, class), float32 (n, class)."""
        network.eval()
        heads = heads_of(reader.dataset)
        for batch in reader.in_order(tiles, batch_size):
            scores = network(batch.given).float()
            yield batch.samples, [(batch.targets[head.labels].cpu().numpy(), scores[:, head.scores]) for head in heads]

    @classmethod
    def answers(cls, network: ClassNetwork, reader: TileReader, tiles: np.ndarray,
                batch_size: int) -> Iterator[tuple[np.ndarray, list[tuple[np.ndarray, np.ndarray]]]]:
        """See `LabelledMethod`: the scores."""
        for samples, found in cls.scores(network, reader, tiles, batch_size):
            yield samples, [(truth, scores.cpu().numpy()) for truth, scores in found]

    def begin(self, new: list[str], labelled: Labelled, device: torch.device, progress: Progress = SILENT) -> None:
        """The network begins as a regression on the statistics of whitened bands and, with starting weights, on the encoder's features too.

        A head drawn at random sends large, meaningless gradients into a good encoder (Kumar et al., Fine-Tuning can Distort
        Pretrained Features, arXiv 2202.10054).
        """
        started = "classification_head.weight" in new
        if isinstance(self.network, NearestNeighbours):
            tiles = even_sample(with_label(self.dataset, self.labelled), REMEMBERED)
            features = encoder_features(self.network.to(device).encoder, self.dataset, self.network.seen, tiles, progress=progress)
            self.network.remember(features, self.dataset.labels(tiles))
        elif isinstance(self.network, AboveRegression):
            begin_at_regressions(self.network, labelled)
            if isinstance(self.network, GaussianClassifier):
                self.network.adopt(gaussian_of_pixels(self.network.seen, self.dataset, with_label(self.dataset, self.labelled)))
            elif started:
                for own in members_of(self.network):
                    self._begin_with_features(own, labelled.of(own.seen), device, progress)
        elif started:
            found = []
            for one in labelled.each:
                tiles = with_label(one.dataset, even_sample(self.labelled, LEARNED))
                found.append(_regression(one, tiles, self.features(tiles, device, progress)))
            joint = stacked(found)
            self.network.load_state_dict({"classification_head.weight": torch.from_numpy(joint.weight),
                                          "classification_head.bias": torch.from_numpy(joint.bias)}, strict=False)

    def _begin_with_features(self, network: Any, labelled: Labelled, device: torch.device, progress: Progress) -> None:
        """Fits the last layer of a network to its features, where nothing that learns stands between."""
        if isinstance(network, SpectralClassifier) and not len(network.hidden):
            network.begin_with_features(stacked([self.joint(one, device, progress, network) for one in labelled.each]))

    def joint(self, labelled: Labelled, device: torch.device, progress: Progress, network: ClassNetwork | None = None) -> Regression:
        """A regression on statistics and features of tiles with a label of a target."""
        return joint_regression(labelled, lambda tiles: self.features(tiles, device, progress, network))

    def features(self, tiles: np.ndarray, device: torch.device, progress: Progress = SILENT, network: ClassNetwork | None = None) -> np.ndarray:
        """What the encoder, or that of another network, finds in tiles: float32 (n, channel)."""
        asked = (network or self.network).to(device)
        return encoder_features(asked.encoder, self.dataset, asked.seen, tiles, progress=progress)


def joint_regression(labelled: Labelled, features: Callable[[np.ndarray], np.ndarray]) -> Regression:
    """A regression on statistics and, beside them, on features of tiles with a label of a target.

    Args:
        labelled: of the target.
        features: tiles (n,) → what an encoder finds in them (n, channel).
    """
    tiles = even_sample(labelled.rows.tiles, LEARNED)
    statistics = labelled.rows.features[np.searchsorted(labelled.rows.tiles, tiles)]
    return _regression(labelled, tiles, np.concatenate([statistics, features(tiles)], 1))


def _regression(labelled: Labelled, tiles: np.ndarray, rows: np.ndarray) -> Regression:
    """A regression on rows of labelled tiles."""
    probe = LinearProbe(rows, labelled.dataset.labels(tiles), labelled.seed)
    return Regression(*probe.layer(len(labelled.dataset.classes)), labelled.dataset.kind.several)
