"""A class for every pixel: which loss, and what the network answers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial

import numpy as np
import torch
from torch import nn

from ....progress import SILENT, Progress
from ...classic.classifiers import Regression, fit, joint_regression, stacked
from ...classic.models import Labelled
from ..data import SHARES, Batch, TileReader
from ..networks.class_networks import ClassNetwork
from ..networks.fitted import PixelProbe
from ..networks.spectral import AboveRegression
from .heads import Head, heads_of, mean_over
from .labelled_tiles import LabelledMethod, Scored, begin_at_regressions
from .losses import REGIONS, class_losses, label_weights, region_loss


class Segmentation(LabelledMethod):
    """One class per pixel, learned from labelled tiles."""

    renewal_tiles = 16  # each holds thousands of pixels; 32 took a fifth of a small epoch

    def begin(self, new: list[str], labelled: Labelled, device: torch.device, progress: Progress = SILENT) -> None:
        """The network begins as the regression on the statistics of whitened bands, learned from the same labels."""
        if isinstance(self.network, AboveRegression):
            begin_at_regressions(self.network, labelled)
            if isinstance(self.network, PixelProbe):
                self.network.to(device).begin_with_features(stacked([self._joint(self.network, one, progress) for one in labelled.each]))

    def _joint(self, network: PixelProbe, labelled: Labelled, progress: Progress) -> Regression:
        """A regression on statistics and on the encoder's features of the same pixels, of which each tile is looked at once."""
        network.eval()
        rows, seed = labelled.rows, labelled.seed
        places = np.asarray(rows.places)
        side, context, found, order = self.dataset.tile_size, self.reader.context, [], np.argsort(rows.tiles, kind="stable")
        tiles, starts = np.unique(rows.tiles[order], return_index=True)
        for number, (batch, chosen) in enumerate(zip(self.reader.in_order(tiles, 1), np.split(order, starts[1:]), strict=True)):
            y, x = np.divmod(places[chosen], side)
            found.append(network.features_at(network.image(batch.images), y + context, x + context))
            progress.at(number / len(tiles), f"Features of {number} of {len(tiles)} tiles")
        features = np.concatenate([rows.features[order], np.concatenate(found)], 1)
        joint = replace(rows, features=features, labels=rows.labels[order], tiles=rows.tiles[order])
        return fit(partial(joint_regression, first=rows.features.shape[1]), joint, len(labelled.dataset.classes), seed, progress, progress)

    def loss(self, part: str, networks: Mapping[str, nn.Module], batch: Batch) -> torch.Tensor:
        """The weighted mean of the loss over labelled pixels, and the mean of that over the targets.

        Cross-entropy comes with Dice, which keeps small classes from being given up. In all a tile of weight 0.5 counts half as much
        as one of weight 1.
        """
        return self.class_loss(networks[part](batch.given).float(), batch)

    def class_loss(self, outputs: torch.Tensor, batch: Batch) -> torch.Tensor:
        """That loss of scores before softmax (n, class, y, x), of the classes of all targets."""
        return mean_over(self.heads, lambda head: self._loss_of(head, outputs[:, head.scores], batch))

    def _loss_of(self, head: Head, outputs: torch.Tensor, batch: Batch) -> torch.Tensor:
        kind, ignore = self.choices.loss, self.dataset.ignore
        labels, tiles = batch.targets[head.labels], batch.weights[:, None, None]
        if kind in REGIONS:
            return region_loss(kind, outputs, labels, batch.weights, ignore)
        values, weights = class_losses(kind, outputs, labels, self.weights[head.labels], ignore, batch.targets.get(SHARES))
        mean = (values * tiles).sum() / (weights * tiles).sum().clamp_min(1e-6)  # a batch without labels gives 0, not 0 / 0
        return mean if kind != "cross_entropy" else mean + region_loss("dice", outputs, labels, batch.weights, ignore)

    def weight(self, batch: Batch) -> torch.Tensor:
        """See `LabelledMethod.weight`: cross-entropy of pieces adds up to that of the batch, Dice and Tversky of pieces, and several targets whose
        labels lie unevenly, nearly do.
        """
        return mean_over(self.heads, lambda head: self._weight_of(head, batch))

    def _weight_of(self, head: Head, batch: Batch) -> torch.Tensor:
        labels, kind, ignore = batch.targets[head.labels], self.choices.loss, self.dataset.ignore
        if kind == "lovasz":  # a mean over tiles
            return (batch.weights * (labels != ignore).flatten(1).any(1)).sum()
        return (label_weights(kind, labels, self.weights[head.labels], ignore, batch.targets.get(SHARES)) * batch.weights[:, None, None]).sum()

    @classmethod
    @torch.no_grad()
    def scores(cls, network: ClassNetwork, reader: TileReader, tiles: np.ndarray, batch_size: int) -> Iterator[tuple[np.ndarray, list[Scored]]]:
        """See `LabelledMethod`: of tiles in the dataset's size, (n, y, x) and (n, class, y, x)."""
        network.eval()
        heads, inner = heads_of(reader.dataset), slice(reader.context, reader.context + reader.dataset.tile_size)
        for batch in reader.in_order(tiles, batch_size):
            scores = cls.of_batch(network, reader, batch)[..., inner, inner]
            yield batch.samples, [(cls.truth(reader, batch, head)[:, inner, inner].to(torch.uint8).cpu().numpy(), scores[:, head.scores])
                                  for head in heads]

    @staticmethod
    def of_batch(network: ClassNetwork, reader: TileReader, batch: Batch) -> torch.Tensor:
        """Scores of a batch before softmax."""
        return network(batch.given)

    @staticmethod
    def truth(reader: TileReader, batch: Batch, head: Head) -> torch.Tensor:
        """Labels of a target."""
        return batch.targets[head.labels]

    @classmethod
    def answers(cls, network: ClassNetwork, reader: TileReader, tiles: np.ndarray,
                batch_size: int) -> Iterator[tuple[np.ndarray, list[tuple[np.ndarray, np.ndarray]]]]:
        """See `LabelledMethod`: true and predicted class positions, uint8 (n, y, x) of the dataset's tile size."""
        for samples, found in cls.scores(network, reader, tiles, batch_size):
            yield samples, [(truth, scores.argmax(1).to(torch.uint8).cpu().numpy()) for truth, scores in found]
