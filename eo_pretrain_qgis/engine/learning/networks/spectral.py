"""A U-Net that starts at a regression on whitened bands and may only add to it."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from ...cards import Inputs
from ...classic.classifiers import Regression
from ...classic.whitening import EPSILON, SIDE, Whitening
from .class_networks import SegmentationNetwork


class SpectralStatistics(nn.Module):
    """`Whitening.statistics` inside a network, always in float32: small differences between bands are what it is for.

    Args:
        fill: per band, what stands for a pixel without a measurement, stored units.
        bent: see `Whitening.bent`.

    A new one knows no whitening; its buffers are filled by `adopt`, or come with the weights.
    """

    mean: torch.Tensor
    matrix: torch.Tensor
    fill: torch.Tensor
    bent: torch.Tensor
    column: torch.Tensor
    row: torch.Tensor

    def __init__(self, fill: list[float]) -> None:
        super().__init__()
        bands = len(fill)
        self.register_buffer("mean", torch.zeros(1, bands, 1, 1))
        self.register_buffer("matrix", torch.eye(bands)[:, :, None, None])
        self.register_buffer("fill", torch.tensor(fill, dtype=torch.float32).view(1, -1, 1, 1))
        self.register_buffer("bent", torch.ones(()))
        box = torch.full((2 * bands + 1, 1, SIDE, 1), 1 / SIDE)
        self.register_buffer("column", box, persistent=False)
        self.register_buffer("row", box.transpose(2, 3).contiguous(), persistent=False)

    def adopt(self, whitening: Whitening) -> None:
        """Takes over a whitening."""
        self.mean.copy_(torch.from_numpy(whitening.mean).view_as(self.mean))
        self.matrix.copy_(torch.from_numpy(whitening.matrix / whitening.deviation)[:, :, None, None])
        self.bent.fill_(float(whitening.bent))

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Whitened bands, their means and deviations (n, 3 · band, y, x) of images in stored units (n, band, y, x)."""
        with torch.autocast(image.device.type, enabled=False):
            image = image.float()
            bands = image.shape[1]
            known = (image != self.fill).any(1, keepdim=True).float()
            white = functional.conv2d(image - self.mean, self.matrix)
            white = torch.where(self.bent > 0, torch.asinh(white), white) * known
            planes = torch.cat([white, white * white, known], 1)
            planes = functional.conv2d(planes, self.column, padding=(SIDE // 2, 0), groups=2 * bands + 1)
            planes = functional.conv2d(planes, self.row, padding=(0, SIDE // 2), groups=2 * bands + 1)
            share = planes[:, -1:].clamp_min(0.5 / SIDE**2)
            mean = planes[:, :bands] / share
            variance = planes[:, bands:-1] / share - mean * mean
            return torch.cat([white, mean, (variance.clamp_min(0) + EPSILON).sqrt()], 1)


class Linear(nn.Conv2d):
    """The regression: it learns at a share of the rate of the rest, so that few labels do not pull it away from where it is best."""

    rate_share = 0.1
    bias: nn.Parameter


class SpectralUNet(SegmentationNetwork):
    """A U-Net above a regression: class scores are those of a linear layer on `SpectralStatistics`, and what the U-Net adds, at first nothing.

    The encoder sees what every encoder here sees, so weights pretrained anywhere fit; the layers at full resolution see whitened bands.

    Args:
        encoder: name of the encoder.
        inputs: what it sees.
        classes: number of classes.

    Attributes:
        linear: the regression, which learns on.
        begun: the regression as it was fitted.
    """

    def __init__(self, encoder: str, inputs: Inputs, classes: int) -> None:
        super().__init__(encoder, inputs, classes)
        self.fine = self.detail
        del self.detail  # of networks that see other values there
        self.spectral = SpectralStatistics(self.seen.centre)
        self.linear, self.begun = (Linear(3 * len(self.seen.bands), classes, 1) for _ in range(2))
        self.begun.requires_grad_(False)

    @torch.no_grad()
    def begin(self, whitening: Whitening, regression: Regression) -> None:
        """Makes it the regression on the statistics of whitened bands."""
        self.spectral.adopt(whitening)
        for layer in (self.linear, self.begun):
            layer.weight.copy_(torch.from_numpy(regression.weight)[:, :, None, None])
            layer.bias.copy_(torch.from_numpy(regression.bias))
        for parameter in self.segmentation_head.parameters():
            parameter.zero_()

    def forward(self, images: dict[str, torch.Tensor]) -> torch.Tensor:
        """Class scores before softmax, (n, class, y, x), of images in stored units, float32 (n, band, y, x)."""
        statistics, added = self._parts(images)
        return self.linear(statistics) + added

    def both(self, images: dict[str, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
        """Class scores of the regression as it was fitted, and of the network."""
        statistics, added = self._parts(images)
        return self.begun(statistics), self.linear(statistics) + added

    def _parts(self, images: dict[str, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
        image = images[self.seen.name]
        statistics = self.spectral(image)
        levels = self.decoder(self.encoder(self.scaled(image)))
        return statistics, self.segmentation_head(torch.cat([levels, self.fine(statistics[:, :len(self.seen.bands)])], 1))

    @torch.no_grad()
    def blend(self, share: float) -> None:
        """Makes the scores those of the fitted regression, and `share` of what was learned beside it."""
        for ours, theirs in zip(self.linear.parameters(), self.begun.parameters()):
            ours.lerp_(theirs, 1 - share)
        for parameter in self.segmentation_head.parameters():
            parameter.mul_(share)
