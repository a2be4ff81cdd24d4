"""The network of dated tiles: U-TAE, whose attention over the dates is found once, at the deepest level, and used at all levels.

Garnot and Landrieu, Panoptic Segmentation of Satellite Image Time Series with Convolutional Temporal Attention Networks, ICCV 2021
(arXiv 2107.07933): widths, kernels, 16 heads and the average of groups of channels are those of the paper. Three things differ:

* The encoder of a date normalises by batch statistics, measured on the dates that count alone, and not by group norm: its mean over a whole image
  would make a pixel of a map depend on where its block ends.
* A pixel under a cloud does not count on that date: attention goes to cells that show something, and at finer levels is shared among the dates on
  which the place was seen. In the paper whole dates are left out, or none.
* The network adds to a regression on the series of each pixel, as all networks here do.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from ...cards import Inputs, single
from ...datasets.dates import NO_DAY
from .class_networks import ClassNetwork
from .encoders import UTAE
from .series import STANDARDISED, SeasonStatistics, TemporalAttention, season_shares
from .spectral import AboveRegression, Linear

#: Channels of the levels of encoder and decoder, the finest first, and of the attention; of the layers before the last.
ENCODER, DECODER, ATTENTION, LAST = (64, 64, 64, 128), (32, 32, 64, 128), 256, 32
HEADS = 16
#: Pixels of series that are brought to days at once, where memory may be asked for again.
AT_ONCE = 2**15


def layer(before: int, after: int, stride: int = 1) -> nn.Sequential:
    """A convolution, which halves the image with a stride of 2, normalised by batch statistics."""
    return nn.Sequential(nn.Conv2d(before, after, 3 if stride == 1 else 4, stride, 1, padding_mode="replicate"), nn.BatchNorm2d(after), nn.ReLU())


class Residual(nn.Module):
    """Two layers, of which the second adds to the first."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.first, self.second = layer(before, after), layer(after, after)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Features (n, channel, y, x)."""
        found = self.first(image)
        return found + self.second(found)


class Up(nn.Module):
    """A level of the decoder: what comes from below in twice the size, with what the encoder saw at this level."""

    def __init__(self, below: int, after: int, beside: int) -> None:
        super().__init__()
        self.beside = nn.Sequential(nn.Conv2d(beside, beside, 1), nn.BatchNorm2d(beside), nn.ReLU())
        self.up = nn.Sequential(nn.ConvTranspose2d(below, after, 4, 2, 1), nn.BatchNorm2d(after), nn.ReLU())
        self.layers = Residual(after + beside, after)

    def forward(self, below: torch.Tensor, level: torch.Tensor) -> torch.Tensor:
        """Features (n, channel, y, x) of the size of `level`."""
        return self.layers(torch.cat([self.up(below), self.beside(level)], 1))


class TileAttention(nn.Module):
    """U-TAE without its last layer: an encoder that all dates share, attention over them at the deepest level, and a decoder.

    Args:
        bands: number of bands.
        start: day that days are counted from.
    """

    output_stride, takes = 2 ** (len(ENCODER) - 1), STANDARDISED

    def __init__(self, bands: int, start: float = 0.0) -> None:
        super().__init__()
        self.entrance = nn.Sequential(layer(bands, ENCODER[0]), layer(ENCODER[0], ENCODER[0]))
        self.down = nn.ModuleList(nn.Sequential(layer(before, before, 2), Residual(before, after)) for before, after in zip(ENCODER, ENCODER[1:]))
        self.attention = TemporalAttention(ENCODER[-1], start, ATTENTION, HEADS, ENCODER[-1], keys=4)
        self.up = nn.ModuleList(Up(below, after, beside) for below, after, beside in zip(DECODER[:0:-1], DECODER[-2::-1], ENCODER[-2::-1]))
        self.width = LAST
        self.last = layer(DECODER[0], LAST)

    def forward(self, bands: torch.Tensor, known: torch.Tensor, days: torch.Tensor) -> torch.Tensor:
        """Features (n, channel, y, x) of standardised bands (n, date, band, y, x), 0 where `known` (n, date, y, x) is not 1, and of the days of the
        dates (n, date), below 0 where one does not count.
        """
        levels = self.levels(bands, days)
        shown = [known]
        for _ in self.down:
            shown.append(functional.avg_pool2d(shown[-1], 2))
        deep = levels[-1].permute(0, 3, 4, 1, 2)  # n, y, x, date, channel
        n, y, x = deep.shape[:3]
        seen = torch.where(shown[-1].permute(0, 2, 3, 1) > 0, days[:, None, None], float(NO_DAY))
        found, attention = self.attention.both(deep.flatten(0, 2), seen.flatten(0, 2))
        features = found.unflatten(0, (n, y, x)).permute(0, 3, 1, 2)
        weights = attention.unflatten(0, (n, y, x)).permute(0, 4, 3, 1, 2).flatten(0, 1)  # n · head, date, y, x
        for up, level, share in zip(self.up, levels[-2::-1], shown[-2::-1], strict=True):
            weights = functional.interpolate(weights, scale_factor=2, mode="bilinear", align_corners=False)
            features = up(features, averaged(level, weights.unflatten(0, (n, HEADS)), share))
        return self.last(features)

    def levels(self, bands: torch.Tensor, days: torch.Tensor) -> list[torch.Tensor]:
        """Features of each date (n, date, channel, y, x) at each level, the finest first; in training of the dates that count alone, else 0."""
        n, dates = days.shape
        image, counts = bands.flatten(0, 1), (days >= 0).flatten()
        some = self.training and bool(counts.any())
        if some:
            image = image[counts]
        found = [self.entrance(image)]
        for down in self.down:
            found.append(down(found[-1]))
        if some:
            places = counts.nonzero()[:, 0]
            found = [level.new_zeros(n * dates, *level.shape[1:]).index_copy(0, places, level) for level in found]
        return [level.unflatten(0, (n, dates)) for level in found]


def averaged(level: torch.Tensor, weights: torch.Tensor, share: torch.Tensor) -> torch.Tensor:
    """Groups of channels averaged over the dates, each with the attention of its head, which goes to dates on which a place was seen.

    Args:
        level: features (n, date, channel, y, x).
        weights: (n, head, date, y, x).
        share: of what was seen of each place on each date (n, date, y, x).

    Returns:
        (n, channel, y, x), 0 where a place was never seen.
    """
    shared = weights * share[:, None]
    shared = shared / shared.sum(2, keepdim=True).clamp_min(1e-6)
    groups = level.unflatten(2, (HEADS, -1)).transpose(1, 2)  # n, head, date, channel of the head, y, x
    return (groups * shared[:, :, :, None]).sum(2).flatten(1, 2)


class PixelSeason(SeasonStatistics):
    """`SeasonStatistics` of each pixel of dated tiles: (n, day · band, y, x), as `series.series_features` computes them."""

    def forward(self, values: torch.Tensor, days: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
        """Of dated tiles in stored units (n, date, band, y, x) and the days of what counts (n, date, y, x)."""
        n, y, x = days.shape[0], *days.shape[2:]
        series, when = values.permute(0, 3, 4, 1, 2).flatten(0, 2), days.permute(0, 2, 3, 1).flatten(0, 2)
        if torch.onnx.is_in_onnx_export():
            found = super().forward(series, when)
        else:
            found = torch.cat([super(PixelSeason, self).forward(*part) for part in zip(series.split(AT_ONCE), when.split(AT_ONCE), strict=True)])
        return found.unflatten(0, (n, y, x)).permute(0, 3, 1, 2)

    def statistics(self, white: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
        """See `SeasonStatistics`; one day after the other, for the shares of all days of all pixels together would fill the memory."""
        return torch.cat([(season_shares(day, known) @ white)[:, 0] for day in self.season.split(1, 1)], 1)


class TileSeriesNetwork(AboveRegression):
    """U-TAE above a regression: class scores are those of a linear layer on `PixelSeason`, and what a convolution on the features of U-TAE adds, at
    first nothing. A pixel that no date shows gets NaN, but while the network learns.

    Args:
        encoder: “utae”.
        inputs: what it sees, dated tiles.
        classes: number of classes.
    """

    def __init__(self, encoder: str, inputs: Inputs, classes: int) -> None:
        seen = single(inputs)
        ClassNetwork.__init__(self, TILE_ENCODERS[encoder](len(seen.bands), seen.days[0]), inputs)
        self.segmentation_head = nn.Conv2d(self.encoder.width, classes, 3, padding=1, padding_mode="replicate")  # type: ignore[arg-type]
        self.stand_on(PixelSeason(seen.centre, seen.days), lambda: Linear(len(seen.days) * len(seen.bands), classes, 1))

    @property
    def head(self) -> nn.Module:
        """See `AboveRegression`."""
        return self.segmentation_head

    def parts(self, given: dict[str, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
        """See `AboveRegression`."""
        values, days = given[self.seen.name], given[self.seen.days_port]
        # A pixel that does not count has the centre, which no measured one has.
        known = (values != self.centre).any(2) & (days >= 0)[:, :, None, None]
        when = torch.where(known, days[:, :, None, None], float(NO_DAY))
        with torch.no_grad():
            statistics = self.spectral(values, when)
        bands = torch.where(known[:, :, None], (values - self.centre) / self.spread, 0.0)
        added = self.segmentation_head(self.encoder(bands, known.to(bands.dtype), days))
        return statistics, added if self.training else torch.where(known.any(1, keepdim=True), added, torch.nan)

    def both(self, given: dict[str, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
        """See `AboveRegression`; the regression says nothing either where no date counts."""
        begun, whole = super().both(given)
        return torch.where(torch.isnan(whole), torch.nan, begun), whole


#: Encoder of dated tiles by name → how one is made, of the number of bands and the first day of the season.
TILE_ENCODERS = {UTAE: TileAttention}
