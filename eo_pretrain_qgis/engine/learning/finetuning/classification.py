"""One class, or several, for a whole tile: scenes, patches of sea ice, images with several labels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import torch
from torch import nn

from ....progress import SILENT, Progress
from ...classic.classifiers import Regression
from ...classic.models import Labelled
from ...classic.samples import LEARNED
from ...datasets.splitting.label_shares import with_label
from ...even_sample import even_sample
from ...measures.incidence_angle import gaussian_of_pixels
from ...measures.linear_probe import LinearProbe
from ..data import LABELS, Batch, TileReader
from ..networks.class_networks import ClassNetwork
from ..networks.fitted import REMEMBERED, NearestNeighbours
from ..networks.gaussian import GaussianClassifier
from ..networks.spectral import SpectralClassifier
from ..probes import encoder_features
from .labelled_tiles import LabelledMethod
from .losses import binary_losses, class_losses, label_weights


class Classification(LabelledMethod):
    """Classes of whole tiles, learned from labelled tiles."""

    renewal_tiles = 512  # the deepest layer has few pixels per tile

    def loss(self, part: str, networks: Mapping[str, nn.Module], batch: Batch) -> torch.Tensor:
        """Weighted mean over the tiles of a batch; a tile of weight 0.5 counts half."""
        outputs, labels = networks[part](batch.given).float(), batch.targets[LABELS]
        if self.dataset.kind.several:
            values = binary_losses(self.choices.loss, outputs, labels, self.weights).mean(1)
            return (values * batch.weights).sum() / batch.weights.sum().clamp_min(1e-6)
        values, weights = class_losses(self.choices.loss, outputs, labels, self.weights, self.dataset.ignore)
        return (values * batch.weights).sum() / (weights * batch.weights).sum().clamp_min(1e-6)

    def weight(self, batch: Batch) -> torch.Tensor:
        """See `LabelledMethod.weight`."""
        if self.dataset.kind.several:
            return batch.weights.sum()
        return (label_weights(self.choices.loss, batch.targets[LABELS], self.weights, self.dataset.ignore) * batch.weights).sum()

    @staticmethod
    @torch.no_grad()
    def predict(network: ClassNetwork, reader: TileReader, tiles: np.ndarray,
                batch_size: int) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Positions of tiles (n,), their labels (n,) or (n, class), and scores before softmax or sigmoid, float32 (n, class), batch by batch."""
        network.eval()
        for batch in reader.in_order(tiles, batch_size):
            yield batch.samples, batch.targets[LABELS].cpu().numpy(), network(batch.given).float().cpu().numpy()

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
        elif isinstance(self.network, SpectralClassifier):
            self.network.begin(labelled.whitening, labelled.regression)
            if isinstance(self.network, GaussianClassifier):
                self.network.adopt(gaussian_of_pixels(self.network.seen, self.dataset, with_label(self.dataset, self.labelled)))
            elif started and not len(self.network.hidden):
                self.network.begin_with_features(self.jointly(labelled, device, progress))
        elif started:
            joint = self._regression(with_label(self.dataset, even_sample(self.labelled, LEARNED)), labelled.seed, device, progress)
            self.network.load_state_dict({"classification_head.weight": torch.from_numpy(joint.weight),
                                          "classification_head.bias": torch.from_numpy(joint.bias)}, strict=False)

    def _regression(self, tiles: np.ndarray, seed: int, device: torch.device, progress: Progress, beside: np.ndarray | None = None) -> Regression:
        """A regression on the encoder's features of labelled tiles, behind others of them that stand `beside`."""
        features = self.features(tiles, device, progress)
        rows = features if beside is None else np.concatenate([beside, features], 1)
        probe = LinearProbe(rows, self.dataset.labels(tiles), seed)
        return Regression(*probe.layer(len(self.dataset.classes)), self.dataset.kind.several)

    def features(self, tiles: np.ndarray, device: torch.device, progress: Progress = SILENT) -> np.ndarray:
        """What the encoder finds in tiles: float32 (n, channel)."""
        network = self.network.to(device)
        return encoder_features(network.encoder, self.dataset, network.seen, tiles, progress=progress)

    def jointly(self, labelled: Labelled, device: torch.device, progress: Progress = SILENT) -> Regression:
        """A regression on the statistics of labelled tiles and the encoder's features of these."""
        tiles = even_sample(labelled.rows.tiles, LEARNED)
        return self._regression(tiles, labelled.seed, device, progress, labelled.rows.features[np.searchsorted(labelled.rows.tiles, tiles)])
