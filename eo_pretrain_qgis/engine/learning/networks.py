"""The segmentation network: stored values in, class scores out, scaling inside."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import nn

from .encoders import build_unet


class SegmentationNetwork(nn.Module):
    """A U-Net that takes bands as they are stored and scales them itself, so that nobody can feed it another range.

    Tensors are named as in segmentation-models-pytorch (``encoder.…``, ``decoder.…``, ``segmentation_head.…``), and inside the
    encoder as in torchvision and timm, so that weights move freely between these libraries and this one.

    Args:
        encoder: name of the encoder.
        mean: per band, stored units; stands for a missing pixel, which is 0 after scaling.
        std: per band, stored units; a band that never changes (0) is only shifted.
        classes: number of classes.

    Attributes:
        stride: height and width of an image must be multiples of this many pixels.
    """

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, encoder: str, mean: Sequence[float], std: Sequence[float], classes: int) -> None:
        super().__init__()
        unet = build_unet(encoder, len(mean), classes)
        self.encoder: nn.Module = unet.encoder
        self.decoder: nn.Module = unet.decoder
        self.segmentation_head: nn.Module = unet.segmentation_head
        self.stride = int(unet.encoder.output_stride)
        self.register_buffer("mean", torch.tensor(mean, dtype=torch.float32).view(1, -1, 1, 1))
        self.register_buffer("std", torch.tensor([s or 1.0 for s in std], dtype=torch.float32).view(1, -1, 1, 1))
        self.frozen_encoder = False

    @property
    def bands(self) -> int:
        """Number of bands."""
        return self.mean.shape[1]

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Class scores before softmax, (n, class, y, x), of images in stored units, float32 (n, band, y, x)."""
        features = self.encoder((image - self.mean) / self.std)
        return self.segmentation_head(self.decoder(features))

    def freeze_encoder(self) -> None:
        """Keeps the encoder as it is: its weights, and the running statistics of its normalisation layers too."""
        self.frozen_encoder = True
        self.encoder.requires_grad_(False).eval()

    def train(self, mode: bool = True) -> SegmentationNetwork:
        """Training or evaluation mode; a frozen encoder stays in evaluation mode, or its batch statistics would drift."""
        super().train(mode)
        if self.frozen_encoder:
            self.encoder.eval()
        return self


@torch.no_grad()
def renew_statistics(network: nn.Module, images: Iterable[torch.Tensor]) -> None:
    """Measures the means and variances of the normalisation layers anew, as averages over `images`.

    The running averages of training lag behind the weights: with a few steps per epoch a good network looks useless for many
    epochs (Wu and Johnson, Rethinking "Batch" in BatchNorm, arXiv 2105.07576, §3). Layers in evaluation mode stay as they are.

    Args:
        network: is in training mode afterwards, as far as it can be.
        images: batches of its input, without augmentation, as the network will meet them.
    """
    network.train()
    layers = [layer for layer in network.modules() if isinstance(layer, nn.modules.batchnorm._BatchNorm) and layer.training]
    momenta = [layer.momentum for layer in layers]
    for layer in layers:
        layer.reset_running_stats()
        layer.momentum = None  # a plain average over all batches since the reset
    try:
        for batch in images:
            network(batch)
    finally:
        for layer, momentum in zip(layers, momenta):
            layer.momentum = momentum
