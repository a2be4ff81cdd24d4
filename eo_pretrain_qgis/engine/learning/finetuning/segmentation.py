"""A class for every pixel: which loss, and what the network answers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial

import numpy as np
import torch
from torch import nn

from ....progress import SILENT, Progress
from ...classic.classifiers import Regression, fit, joint_regression
from ...classic.models import Labelled
from ...classic.samples import Rows
from ..data import LABELS, SHARES, Batch, TileReader
from ..networks.class_networks import ClassNetwork
from ..networks.fitted import PixelProbe
from ..networks.spectral import AboveRegression
from .labelled_tiles import LabelledMethod
from .losses import REGIONS, class_losses, label_weights, region_loss


class Segmentation(LabelledMethod):
    """One class per pixel, learned from labelled tiles."""

    renewal_tiles = 16  # each holds thousands of pixels; 32 took a fifth of a small epoch

    def begin(self, new: list[str], labelled: Labelled, device: torch.device, progress: Progress = SILENT) -> None:
        """The network begins as the regression on the statistics of whitened bands, learned from the same labels."""
        if isinstance(self.network, AboveRegression):
            self.network.begin(labelled.whitening, labelled.regression)
            if isinstance(self.network, PixelProbe):
                self.network.to(device).begin_with_features(self._joint(self.network, labelled.rows, labelled.seed, progress))

    def _joint(self, network: PixelProbe, rows: Rows, seed: int, progress: Progress) -> Regression:
        """A regression on statistics and on the encoder's features of the same pixels, of which each tile is looked at once."""
        network.eval()
        places = np.asarray(rows.places)
        side, context, found, order = self.dataset.tile_size, self.reader.context, [], np.argsort(rows.tiles, kind="stable")
        tiles, starts = np.unique(rows.tiles[order], return_index=True)
        for number, (batch, chosen) in enumerate(zip(self.reader.in_order(tiles, 1), np.split(order, starts[1:]), strict=True)):
            y, x = np.divmod(places[chosen], side)
            found.append(network.features_at(batch.images[network.seen.name], y + context, x + context))
            progress.at(number / len(tiles), f"Features of {number} of {len(tiles)} tiles")
        features = np.concatenate([rows.features[order], np.concatenate(found)], 1)
        joint = replace(rows, features=features, labels=rows.labels[order], tiles=rows.tiles[order])
        return fit(partial(joint_regression, first=rows.features.shape[1]), joint, len(self.dataset.classes), seed, progress, progress)

    def loss(self, part: str, networks: Mapping[str, nn.Module], batch: Batch) -> torch.Tensor:
        """The weighted mean of the loss over labelled pixels.

        Cross-entropy comes with Dice, which keeps small classes from being given up. In all a tile of weight 0.5 counts half as much
        as one of weight 1.
        """
        return self.class_loss(networks[part](batch.given).float(), batch)

    def class_loss(self, outputs: torch.Tensor, batch: Batch) -> torch.Tensor:
        """That loss of scores before softmax (n, class, y, x)."""
        kind, ignore = self.choices.loss, self.dataset.ignore
        labels, tiles = batch.targets[LABELS], batch.weights[:, None, None]
        if kind in REGIONS:
            return region_loss(kind, outputs, labels, batch.weights, ignore)
        values, weights = class_losses(kind, outputs, labels, self.weights, ignore, batch.targets.get(SHARES))
        mean = (values * tiles).sum() / (weights * tiles).sum().clamp_min(1e-6)  # a batch without labels gives 0, not 0 / 0
        return mean if kind != "cross_entropy" else mean + region_loss("dice", outputs, labels, batch.weights, ignore)

    def weight(self, batch: Batch) -> torch.Tensor:
        """See `LabelledMethod.weight`: cross-entropy of pieces adds up to that of the batch, Dice and Tversky of pieces nearly do."""
        labels, kind, ignore = batch.targets[LABELS], self.choices.loss, self.dataset.ignore
        if kind == "lovasz":  # a mean over tiles
            return (batch.weights * (labels != ignore).flatten(1).any(1)).sum()
        return (label_weights(kind, labels, self.weights, ignore, batch.targets.get(SHARES)) * batch.weights[:, None, None]).sum()

    @staticmethod
    @torch.no_grad()
    def predict(network: ClassNetwork, reader: TileReader, tiles: np.ndarray,
                batch_size: int) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Positions of whole tiles (n,), true and predicted class positions, uint8 (n, y, x) of the dataset's tile size, batch by batch."""
        network.eval()
        inner = slice(reader.context, reader.context + reader.dataset.tile_size)
        for batch in reader.in_order(tiles, batch_size):
            maps = batch.targets[LABELS], network(batch.given)[:, :len(reader.dataset.classes)].argmax(1)
            truth, found = (values[:, inner, inner].to(torch.uint8).cpu().numpy() for values in maps)
            yield batch.samples, truth, found
