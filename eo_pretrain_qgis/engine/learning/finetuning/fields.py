"""Fields: classes of pixels as in any segmentation, and the distance from the boundary beside them."""

from __future__ import annotations

import torch

from ..data import LABELS, Batch
from .losses import label_weights
from .segmentation import Segmentation

#: Weight of the mean absolute error of the distance beside the loss of the classes. The error is some tenths where the loss of the classes is some
#: tenths too, so that both are heard.
DISTANCE_WEIGHT = 1.0


class FieldSegmentation(Segmentation):
    """Interior, boundary and background of fields, and how far inside its field each labelled pixel lies.

    A network without an output for the distance, such as a linear probe, learns the classes alone.
    """

    def class_loss(self, outputs: torch.Tensor, batch: Batch) -> torch.Tensor:
        """See `Segmentation.class_loss`; the mean absolute error of the distance is added, with the weights of the labels."""
        classes = len(self.dataset.classes)
        loss = super().class_loss(outputs, batch)
        for number, name in enumerate(self.network.beside):
            apart = (outputs[:, classes + number].sigmoid() - batch.targets[name].float() / 255).abs()
            weights = self.pixel_weights(batch)
            loss = loss + DISTANCE_WEIGHT * (apart * weights).sum() / weights.sum().clamp_min(1e-6)
        return loss

    def pixel_weights(self, batch: Batch) -> torch.Tensor:
        """By how much each pixel counts, (n, y, x), 0 where nothing is labelled."""
        return label_weights("cross_entropy", batch.targets[LABELS], self.weights[LABELS], self.dataset.ignore) * batch.weights[:, None, None]
