"""Discriminators: networks that tell real patches of an image from made ones, patch by patch."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

#: Normalisations of `PatchDiscriminator`.
NORMALISATIONS = ("instance", "spectral", "none")
SLOPE = 0.2  # of the rectifiers below 0
DEVIATION = 0.02  # of new kernels


class PatchDiscriminator(nn.Module):
    """PatchGAN: each value of the output judges the patch of the image it sees (Isola et al. 2017, arXiv 1611.07004, §3.2.2 and §6.1.2).

    `layers` convolutions halve the image while they double the width (up to eight times), then two at the last resolution follow; all
    kernels are 4 x 4. A patch is 70 px wide with 3 layers, 34 px with 2 and 16 px with 1. Every image needs at least
    `smallest_side` pixels per side.

    Args:
        bands: of the image, with whatever else is laid beside it.
        width: channels of the first layer.
        layers: convolutions of stride 2.
        normalisation: ``instance`` as in CycleGAN (arXiv 1703.10593); ``spectral``, which bounds the slope of the whole network and keeps a
            discriminator that learns faster than its generator from cutting off its gradient (Miyato et al. 2018, arXiv 1802.05957);
            ``none``.

    Raises:
        ValueError: unknown normalisation.
    """

    def __init__(self, bands: int, width: int = 64, layers: int = 3, normalisation: str = "spectral") -> None:
        super().__init__()
        if normalisation not in NORMALISATIONS:
            raise ValueError(f"There is no normalisation {normalisation!r}; choose of {NORMALISATIONS}.")
        self.normalisation, self.layers = normalisation, layers
        steps: list[nn.Module] = [self._convolution(bands, width, 2), nn.LeakyReLU(SLOPE, inplace=True)]
        channels = width
        for number in range(1, layers + 1):
            wider = width * min(2**number, 8)
            steps += [self._convolution(channels, wider, 2 if number < layers else 1), *self._normalised(wider),
                      nn.LeakyReLU(SLOPE, inplace=True)]
            channels = wider
        self.body = nn.Sequential(*steps)
        self.head = self._convolution(channels, 1, 1)

    @property
    def patch(self) -> int:
        """Side of the patch one value of the output sees [px]."""
        side = 1 + 3 + 3  # the two convolutions of stride 1
        for _ in range(self.layers):
            side = 2 * side + 2
        return side

    @property
    def smallest_side(self) -> int:
        """Smallest height and width of an image [px]."""
        return smallest_side(self.layers)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Logits (n, 1, y', x'), higher for patches that look real, of images (n, band, y, x)."""
        return self.head(self.body(image))

    def _convolution(self, inside: int, outside: int, stride: int) -> nn.Module:
        layer = nn.Conv2d(inside, outside, 4, stride, 1)
        nn.init.normal_(layer.weight, 0, DEVIATION)
        nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
        return spectral_norm(layer) if self.normalisation == "spectral" else layer

    def _normalised(self, channels: int) -> list[nn.Module]:
        return [nn.InstanceNorm2d(channels)] if self.normalisation == "instance" else []


def smallest_side(layers: int) -> int:
    """Smallest height and width of an image a `PatchDiscriminator` of that many layers judges with at least 2 x 2 values [px]."""
    return 4 * 2**layers


def fitting_layers(side: int, most: int = 3) -> int:
    """Layers of the largest `PatchDiscriminator` for images of that height and width [px]; at least 1."""
    return max([layers for layers in range(1, most + 1) if smallest_side(layers) <= side], default=1)


def real_loss(logits: torch.Tensor) -> torch.Tensor:
    """Least squares of logits that should say “real”, 1, per value (Mao et al. 2017, Least Squares GANs, arXiv 1611.04076)."""
    return (logits - 1) ** 2


def made_loss(logits: torch.Tensor) -> torch.Tensor:
    """Least squares of logits that should say “made”, 0, per value (Mao et al. 2017, arXiv 1611.04076)."""
    return logits**2
