"""Networks that start at a regression on whitened bands and may only add to it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from ...cards import Input, Inputs
from ...classic.classifiers import Regression
from ...classic.samples import TAIL, tail_values
from ...classic.whitening import EPSILON, SIDE, Whitening
from .class_networks import ClassificationNetwork, ClassNetwork, SegmentationNetwork, asinh
from .joined_encoders import Joined
from .patch_encoders import hidden_widths


class Whitened(nn.Module, ABC):
    """A whitening inside a network, always in float32: small differences between bands are what it is for.

    Args:
        fill: per band, what stands for a pixel without a measurement, stored units.
        widths: how many of the bands are of each sensor, where they are of several; a pixel counts that all of them measured.
        bent: see `Whitening.bent`.

    A new one knows no whitening; its buffers are filled by `adopt`, or come with the weights.
    """

    mean: torch.Tensor
    matrix: torch.Tensor
    fill: torch.Tensor
    bent: torch.Tensor

    def __init__(self, fill: list[float], widths: Sequence[int] = ()) -> None:
        super().__init__()
        bands, self.widths = len(fill), list(widths) or [len(fill)]
        self.register_buffer("mean", torch.zeros(1, bands, 1, 1))
        self.register_buffer("matrix", torch.eye(bands)[:, :, None, None])
        self.register_buffer("fill", torch.tensor(fill, dtype=torch.float32).view(1, -1, 1, 1))
        self.register_buffer("bent", torch.ones(()))

    def adopt(self, whitening: Whitening) -> None:
        """Takes over a whitening."""
        self.mean.copy_(torch.from_numpy(whitening.mean).view_as(self.mean))
        self.matrix.copy_(torch.from_numpy(whitening.matrix / whitening.deviation)[:, :, None, None])
        self.bent.fill_(float(whitening.bent))

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Statistics of images in stored units (n, band, y, x)."""
        with torch.autocast(image.device.type, enabled=False):
            image = image.float()
            known = torch.cat([own.any(1, keepdim=True) for own in (image != self.fill).split(self.widths, 1)], 1).all(1, keepdim=True).float()
            white = functional.conv2d(image - self.mean, self.matrix)
            return self.statistics(torch.where(self.bent > 0, asinh(white), white) * known, known)

    @abstractmethod
    def statistics(self, white: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
        """Of whitened bands (n, band, y, x), 0 where `known` (n, 1, y, x) is not 1."""


class SpectralStatistics(Whitened):
    """`Whitening.statistics` inside a network: whitened bands, their means and deviations around each pixel, (n, 3 · band, y, x)."""

    column: torch.Tensor
    row: torch.Tensor

    def __init__(self, fill: list[float], widths: Sequence[int] = ()) -> None:
        super().__init__(fill, widths)
        box = torch.full((2 * len(fill) + 1, 1, SIDE, 1), 1 / SIDE)
        self.register_buffer("column", box, persistent=False)
        self.register_buffer("row", box.transpose(2, 3).contiguous(), persistent=False)

    def statistics(self, white: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
        """See `Whitened`."""
        bands = white.shape[1]
        planes = torch.cat([white, white * white, known], 1)
        planes = functional.conv2d(planes, self.column, padding=(SIDE // 2, 0), groups=2 * bands + 1)
        planes = functional.conv2d(planes, self.row, padding=(0, SIDE // 2), groups=2 * bands + 1)
        share = planes[:, -1:].clamp_min(0.5 / SIDE**2)
        mean = planes[:, :bands] / share
        variance = planes[:, bands:-1] / share - mean * mean
        return torch.cat([white, mean, (variance.clamp_min(0) + EPSILON).sqrt()], 1)


class SampleStatistics(Whitened):
    """`sample_rows` inside a network: mean, deviation, 5th and 95th percentile of each whitened band over what was measured, (n, 4 · band)."""

    def statistics(self, white: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
        """See `Whitened`; 0 where nothing was measured."""
        white, known = white.flatten(2), known.flatten(2)
        bands, count = white.shape[1], known.sum(2, keepdim=True)
        measured = count.clamp_min(1)
        mean = white.sum(2, keepdim=True) / measured
        deviation = (((white - mean) * known).square().sum(2, keepdim=True) / measured).sqrt()
        # Upwards a percentile is that of the negative downwards, so that one search in a part of the values finds both.
        both = torch.where(known > 0, torch.cat([white, -white], 1), torch.finfo(white.dtype).max)
        lowest = smallest(both, tail_values(white.shape[2]))
        place = (measured - 1) * TAIL
        first = place.floor().long().expand(-1, 2 * bands, -1)
        second = torch.minimum(first + 1, measured.long() - 1)
        low, high = torch.lerp(lowest.gather(2, first), lowest.gather(2, second), place - place.floor()).split(bands, 1)
        return torch.where(count > 0, torch.cat([mean, deviation, low, -high], 1), 0.0).flatten(1)


def smallest(values: torch.Tensor, count: int) -> torch.Tensor:
    """So many of the smallest values along the last axis, ascending, or more; without gradients."""
    if values.device.type != "cpu" or torch.onnx.is_in_onnx_export():
        return values.topk(count, largest=False).values
    return torch.from_numpy(np.sort(values.detach().numpy()))  # in an eighth of the time


class Linear(nn.Conv2d):
    """The regression of pixels: it learns at a share of the rate of the rest, so that few labels do not pull it away from where it is best."""

    rate_share, decays = 0.1, False
    bias: nn.Parameter


class LinearOfSamples(nn.Linear):
    """The same of whole samples; in float32, for its weights are large and cancel each other."""

    rate_share, decays = 0.1, False

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """See `nn.Linear`."""
        with torch.autocast(rows.device.type, enabled=False):
            return super().forward(rows)


class Standing(nn.Module):
    """What stands on a regression on whitened statistics.

    Attributes:
        spectral: the statistics.
        linear: the regression, which learns on.
        begun: the regression on the statistics alone as it was fitted.
    """

    spectral: Whitened
    linear: Linear | LinearOfSamples
    begun: Linear | LinearOfSamples

    def stand_on(self, spectral: Whitened, layer: Callable[[], Linear | LinearOfSamples]) -> None:
        """Gets its statistics and, of `layer`, the regression and its copy; nothing is fitted yet."""
        self.spectral = spectral
        self.linear, self.begun = layer(), layer()
        self.begun.requires_grad_(False)

    @torch.no_grad()
    def fit(self, whitening: Whitening, regression: Regression) -> None:
        """Takes over a regression on the statistics of whitened bands."""
        self.spectral.adopt(whitening)
        for layer in (self.linear, self.begun):
            fill(layer, regression.weight, regression.bias)

    @torch.no_grad()
    def lean(self, share: torch.Tensor) -> None:
        """Brings the regression back to what was fitted, but for `share` (class,) of what it learned since."""
        for ours, theirs in zip(self.linear.parameters(), self.begun.parameters()):
            ours.copy_(torch.lerp(ours, theirs, 1 - _rows(share, ours)))


class AboveRegression(ClassNetwork, Standing, ABC):
    """What adds to the class scores of regressions on whitened statistics."""

    @property
    def standing(self) -> dict[Input, Standing]:
        """What is seen → what stands on a regression on its statistics."""
        return {self.seen: self}

    @property
    @abstractmethod
    def head(self) -> nn.Module:
        """The last layers, whose scores are added."""

    @abstractmethod
    def parts(self, given: dict[str, torch.Tensor]) -> tuple[Any, torch.Tensor]:
        """Statistics of what the network is given, see `forward`, as `regressed` takes them, and the scores that are added."""

    def regressed(self, statistics: Any, begun: bool = False) -> torch.Tensor:
        """Class scores of the regression; as it was fitted where they are wanted as `begun`."""
        return (self.begun if begun else self.linear)(statistics)

    def forward(self, given: dict[str, torch.Tensor]) -> torch.Tensor:
        """Class scores before softmax or sigmoid, (n, class, …), of images in stored units, float32 (n, band, y, x), or of series and their days."""
        statistics, added = self.parts(given)
        return self.regressed(statistics) + added

    def both(self, given: dict[str, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
        """Class scores of the regression as it was fitted, and of the network."""
        statistics, added = self.parts(given)
        return self.regressed(statistics, begun=True), self.regressed(statistics) + added

    @torch.no_grad()
    def begin(self, whitening: Whitening, regression: Regression) -> None:
        """Makes it the regression on the statistics of whitened bands."""
        self.fit(whitening, regression)
        self.add_nothing()

    @torch.no_grad()
    def add_nothing(self) -> None:
        """Makes it the regressions alone."""
        for parameter in self.head.parameters():
            parameter.zero_()

    @torch.no_grad()
    def begin_with_features(self, joint: Regression) -> None:
        """Makes it a regression on statistics and features together, after `begin`, whose regression on the statistics alone stays beside it.

        Args:
            joint: on the statistics, then the features of the encoder.
        """
        count = self.linear.weight.shape[1]
        fill(self.linear, joint.weight[:, :count], joint.bias)
        fill(cast(nn.Linear, self.head), joint.weight[:, count:], 0 * joint.bias)

    @torch.no_grad()
    def blend(self, share: float | Sequence[float]) -> None:
        """Makes the scores those of the fitted regression, and `share` of what there is beside it; of each class, or one for all."""
        for own in self.standing.values():
            bias = own.linear.bias
            every = torch.tensor(share, dtype=bias.dtype, device=bias.device).expand(len(bias))
            own.lean(every)
        for parameter in self.head.parameters():
            parameter.mul_(_rows(every, parameter))


class SpectralUNet(AboveRegression, SegmentationNetwork):
    """A U-Net above a regression: class scores are those of a linear layer on `SpectralStatistics`, and what the U-Net adds, at first nothing.

    The encoder sees what every encoder here sees, so weights pretrained anywhere fit; the layers at full resolution see whitened bands.

    Args:
        encoder: see `SegmentationNetwork`.
        inputs: what it sees.
        classes: number of classes.
    """

    def __init__(self, encoder: str | Joined, inputs: Inputs, classes: int) -> None:
        super().__init__(encoder, inputs, classes)
        self.fine = self.detail
        del self.detail  # of networks that see other values there
        self.stand_on(SpectralStatistics(self.seen.centre, self.seen.widths), lambda: Linear(3 * len(self.seen.bands), classes, 1))

    @property
    def head(self) -> nn.Module:
        """See `AboveRegression`."""
        return self.segmentation_head

    def parts(self, given: dict[str, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
        """See `AboveRegression`."""
        statistics, found = self.of_pixels(self.image(given))
        return statistics, self.segmentation_head(found)

    def of_pixels(self, image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Statistics of images in stored units, and what the U-Net finds in each pixel, which its head sees."""
        statistics = self.spectral(image)
        levels = self.decoder(self.encoder(self.scaled(image)))
        return statistics, torch.cat([levels, self.fine(statistics[:, :len(self.seen.bands)])], 1)


class SpectralClassifier(AboveRegression, ClassificationNetwork):
    """An encoder above a regression: class scores of whole tiles are those of a linear layer on `SampleStatistics`, and what a linear layer on the
    encoder's features adds.

    Args:
        encoder: see `ClassificationNetwork`.
        inputs: what it sees.
        classes: number of classes.
        widths: see `ClassificationNetwork`.
        more: see `ClassificationNetwork`.
    """

    fitted = ("classification_head.",)

    def __init__(self, encoder: str | Joined, inputs: Inputs, classes: int, widths: Sequence[int] = (), more: int = 0) -> None:
        super().__init__(encoder, inputs, classes, widths, more)
        self.stand_on(SampleStatistics(self.seen.centre, self.seen.widths), lambda: LinearOfSamples(4 * len(self.seen.bands), classes))

    @property
    def head(self) -> nn.Module:
        """See `AboveRegression`."""
        return self.classification_head

    def parts(self, given: dict[str, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
        """See `AboveRegression`."""
        image = self.image(given)
        return self.spectral(image), self.classification_head(self.hidden(self.features(image)))


class DeepSpectralClassifier(SpectralClassifier):
    """The same with the layers between that the encoder's name asks for, see `patch_encoders.HIDDEN`."""

    def __init__(self, encoder: str, inputs: Inputs, classes: int) -> None:
        super().__init__(encoder, inputs, classes, hidden_widths(encoder))


def _rows(values: torch.Tensor, parameter: torch.Tensor) -> torch.Tensor:
    """A value for each class, beside the weights of each."""
    return values.view(-1, *[1] * (parameter.ndim - 1))


def fill(layer: nn.Conv2d | nn.Linear, weight: np.ndarray, bias: np.ndarray) -> None:
    """Writes a linear layer: weight (class, feature) and bias (class,)."""
    layer.weight.copy_(torch.from_numpy(weight).view_as(layer.weight))
    layer.bias.copy_(torch.from_numpy(bias))  # type: ignore[union-attr]
