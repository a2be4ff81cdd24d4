"""Generators: networks that turn an image of one sensor into one of another sensor, band by band in scaled units."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn
from torch.nn.functional import pad

from ....cards import Input, InputBand
from ...networks.class_networks import SegmentationNetwork, band_row, scaled

#: Kinds of generators.
GENERATORS = ("unet", "residual")
#: Residual blocks for tiles narrower than `LARGE_TILE`, and for wider ones (Zhu et al. 2017, arXiv 1703.10593, §7.2).
FEW_BLOCKS, MANY_BLOCKS, LARGE_TILE = 6, 9, 256


class BandScaling(nn.Module):
    """Stored units of a sensor ↔ the scaled units networks compute in.

    Args:
        bands: of the sensor.
    """

    centre: torch.Tensor
    spread: torch.Tensor
    low: torch.Tensor
    high: torch.Tensor

    def __init__(self, bands: Sequence[InputBand]) -> None:
        super().__init__()
        rows = {"centre": [band.centre for band in bands], "spread": [band.spread or 1.0 for band in bands],
                "low": [band.minimum for band in bands], "high": [band.maximum for band in bands]}
        for name, values in rows.items():
            self.register_buffer(name, band_row(values), persistent=False)  # they stand in run.json

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Scaled units (n, band, y, x) of stored units, see `networks.scaled`."""
        return scaled(image, self.centre, self.spread)

    def inverse(self, image: torch.Tensor) -> torch.Tensor:
        """Stored units of scaled units. No value leaves the range of the training pixels: sinh would make a small excess a huge one."""
        return torch.minimum(torch.maximum(torch.sinh(image) * self.spread + self.centre, self.low), self.high)


class UnetGenerator(SegmentationNetwork):
    """The U-Net of a segmentation with a channel per band of the other sensor in place of a class.

    Its encoder is an ordinary one of segmentation-models-pytorch or timm, so that every other run can start from it.

    Args:
        encoder: name of the encoder.
        source: what it takes.
        target: number of bands it gives.
    """

    def __init__(self, encoder: str, source: Input, target: int) -> None:
        super().__init__(encoder, {source.name: source}, target)

    def forward(self, image: torch.Tensor) -> torch.Tensor:  # type: ignore[override]  # it also takes what the other generator gives
        """Images (n, target band, y, x) of images (n, band, y, x) of any size, both in scaled units."""
        return at_stride(self.translate, image, self.stride)

    def translate(self, image: torch.Tensor) -> torch.Tensor:
        """As `forward`, for heights and widths divisible by `stride`."""
        return self.segmentation_head(torch.cat([self.decoder(self.encoder(image)), self.detail(image)], 1))


class ResidualGenerator(nn.Module):
    """The generator of CycleGAN (Zhu et al. 2017, arXiv 1703.10593, §7.2; Johnson et al. 2016, arXiv 1603.08155).

    Two differences: nothing bounds the output, because bands have no natural bounds, and images are enlarged by repeating pixels before
    a convolution, which leaves no chessboard (Odena et al. 2016, doi 10.23915/distill.00003).

    Instance normalisation takes its means from the image it is given, so a map depends a little on how it is cut into tiles.

    Args:
        source: number of bands it takes.
        target: number of bands it gives.
        tile_size: side of the training tiles [px], which decides the number of blocks.
        width: channels at full resolution.
    """

    stride = 4

    def __init__(self, source: int, target: int, tile_size: int, width: int = 64) -> None:
        super().__init__()
        self.blocks = MANY_BLOCKS if tile_size >= LARGE_TILE else FEW_BLOCKS
        steps = [*_convolution(source, width, 7), *_convolution(width, 2 * width, 3, 2), *_convolution(2 * width, 4 * width, 3, 2)]
        steps += [ResidualBlock(4 * width) for _ in range(self.blocks)]
        for channels in (4 * width, 2 * width):
            steps += [nn.Upsample(scale_factor=2, mode="nearest"), *_convolution(channels, channels // 2, 3)]
        self.body = nn.Sequential(*steps)
        self.head = nn.Sequential(nn.ReflectionPad2d(3), nn.Conv2d(width, target, 7))

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Images (n, target band, y, x) of images (n, band, y, x) of any size, both in scaled units."""
        return at_stride(self.translate, image, self.stride)

    def translate(self, image: torch.Tensor) -> torch.Tensor:
        """As `forward`, for heights and widths divisible by `stride`."""
        return self.head(self.body(image))


class ResidualBlock(nn.Module):
    """Two convolutions whose result is added to what they were given."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(*_convolution(channels, channels, 3), *_convolution(channels, channels, 3)[:-1])

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Features of the same shape (n, channel, y, x)."""
        return image + self.body(image)


class StoredTranslation(nn.Module):
    """A generator as a map model: stored units of one sensor in, stored units of the other out."""

    def __init__(self, generator: Any, source: BandScaling, target: BandScaling) -> None:
        super().__init__()
        self.generator, self.source, self.target = generator, source, target

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Images (n, target band, y, x) of images (n, band, y, x) whose sides are divisible by the generator's stride."""
        return self.target.inverse(self.generator.translate(self.source(image)))


def build_generator(kind: str, source: Input, target: int, *, encoder: str = "resnet18", tile_size: int = 256,
                    width: int = 64) -> nn.Module:
    """A generator with new weights.

    Args:
        kind: one of `GENERATORS`.
        source: what it takes.
        target: number of bands it gives.
        encoder: of the U-Net.
        tile_size: side of the training tiles [px].
        width: channels at full resolution of the residual generator.

    Raises:
        ModelError: the encoder is unknown or does not suit a U-Net.
    """
    if kind == "unet":
        return UnetGenerator(encoder, source, target)
    return ResidualGenerator(len(source.bands), target, tile_size, width)


def at_stride(network: Callable[[torch.Tensor], torch.Tensor], image: torch.Tensor, stride: int) -> torch.Tensor:
    """Applies a network to an image of any size: it is continued as in a mirror to the next multiple of `stride` and cut back."""
    rows, columns = image.shape[-2:]
    right, below = -columns % stride, -rows % stride
    if not right and not below:
        return network(image)
    mirror = right < columns and below < rows
    return network(pad(image, (0, right, 0, below), mode="reflect" if mirror else "replicate"))[..., :rows, :columns]


def _convolution(inside: int, outside: int, kernel: int, stride: int = 1) -> list[nn.Module]:
    return [nn.ReflectionPad2d(kernel // 2), nn.Conv2d(inside, outside, kernel, stride, bias=False),
            nn.InstanceNorm2d(outside, affine=True), nn.ReLU(inplace=True)]
