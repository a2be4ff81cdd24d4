"""The network of fields: classes of pixels, and how far inside its field each pixel lies."""

from __future__ import annotations

import torch
from torch import nn

from ...cards import Inputs
from .spectral import SpectralUNet


class FieldUNet(SpectralUNet):
    """A U-Net above a regression with one more output, the distance from the field's boundary over the largest in the field, before a sigmoid.

    One network for both, as in ResUNet-a (Diakogiannis et al., arXiv 1904.00592, §3.4): what finds the middle of a field also finds its border.

    Args:
        encoder: name of the encoder.
        inputs: what it sees.
        classes: number of classes.
    """

    beside = ("distance",)

    def __init__(self, encoder: str, inputs: Inputs, classes: int) -> None:
        super().__init__(encoder, inputs, classes)
        first: nn.Conv2d = self.segmentation_head[0]  # type: ignore[assignment]
        self.distance_head = nn.Conv2d(first.in_channels, len(self.beside), 3, padding=1)

    def forward(self, images: dict[str, torch.Tensor]) -> torch.Tensor:
        """Class scores before softmax, and behind them the distance before its sigmoid, (n, class + 1, y, x), of images in stored units."""
        statistics, found = self.of_pixels(self.image(images))
        return torch.cat([self.linear(statistics) + self.segmentation_head(found), self.distance_head(found)], 1)
