"""Encoders of several sensors beside each other, whose levels are joined to those of one.

What the levels are joined to decides the kind of fusion: early fusion has one encoder of all bands and needs nothing from here. Wirings of the middle
kinds are not published for these sensors; docs/adr/0025-joining-two-sensors.md says why they are as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import segmentation_models_pytorch as smp
import torch
from segmentation_models_pytorch.decoders.unet.decoder import UnetDecoder
from torch import nn
from torch.nn import functional

from ...cards import Inputs
from .encoders import build_encoder, build_unet

#: Of the decoder, from the deepest level to full resolution: those of segmentation-models-pytorch.
DECODER = (256, 128, 64, 32, 16)


class Joined(nn.Module):
    """Encoders of one name, one for each sensor, that see images with the bands of all behind each other.

    Args:
        encoder: name of the encoders.
        inputs: of the sensors.

    Attributes:
        encoders: in the order of the inputs.
        out_channels: widths of the levels that are given.
    """

    def __init__(self, encoder: str, inputs: Inputs) -> None:
        super().__init__()
        self.name, self.widths = encoder, [len(seen.bands) for seen in inputs.values()]
        self.encoders = nn.ModuleList(build_encoder(encoder, width) for width in self.widths)
        first: Any = self.encoders[0]
        self.output_stride = int(getattr(first, "output_stride", 32))
        self.out_channels = [int(width) for width in first.out_channels]

    def levels(self, image: torch.Tensor) -> list[list[torch.Tensor]]:
        """The levels of each encoder, of images in scaled units (n, band, y, x)."""
        return [encoder(part) for encoder, part in zip(self.encoders, image.split(self.widths, 1), strict=True)]

    def unet(self, classes: int) -> smp.Unet:
        """A U-Net with these encoders in the place of its own, and a decoder for what they give.

        Raises:
            ModelError: see `build_unet`.
        """
        unet = build_unet(self.name, self.widths[0], classes)
        if self.out_channels != list(unet.encoder.out_channels):
            unet.decoder = UnetDecoder(self.out_channels, DECODER, n_blocks=len(DECODER), add_center_block=self.name.startswith("vgg"))
        unet.encoder = self
        return unet


class Deepest(Joined):
    """The deepest levels behind each other; the levels before are those of the first sensor, whose details a decoder then sees."""

    def __init__(self, encoder: str, inputs: Inputs) -> None:
        super().__init__(encoder, inputs)
        self.out_channels[-1] *= len(inputs)

    def forward(self, image: torch.Tensor) -> list[torch.Tensor]:
        """The levels, the deepest last, of images in scaled units (n, band, y, x)."""
        first, *others = self.levels(image)
        return [*first[:-1], torch.cat([first[-1], *(levels[-1] for levels in others)], 1)]
