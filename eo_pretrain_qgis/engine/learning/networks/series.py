"""Networks of series: what they find in the clear dates is added to a regression on the series brought to the same days."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from ...cards import Input, Inputs, single
from ...classic.series import NEVER
from ...datasets.dates import NO_DAY
from .class_networks import ClassNetwork, asinh
from .encoders import GALILEO, LSTM, LTAE, PRESTO
from .galileo import Galileo
from .monthly import MonthlyEncoder
from .presto import Presto
from .spectral import AboveRegression, LinearOfSamples, Whitened

YEAR, MONTH = 365.25, 30.0
#: Tensor of the day that days are counted from.
START = "start"
#: What the encoders see, for those who use their weights elsewhere.
STANDARDISED = "(stored value - centre) / spread of each band on clear dates, and the days of these since 1 January"


class SeasonStatistics(Whitened):
    """`series.brought` inside a network: whitened bands on the days of a season, (n, day · band); 0 where no date counts.

    Args:
        fill: see `Whitened`.
        season: days that series are brought to.
    """

    season: torch.Tensor

    def __init__(self, fill: list[float], season: tuple[float, ...]) -> None:
        super().__init__(fill)
        self.register_buffer("season", torch.tensor(season, dtype=torch.float32).view(1, -1, 1), persistent=False)

    def forward(self, values: torch.Tensor, days: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
        """Of series in stored units (n, date, band), finite where the days (n, date) are not below 0."""
        with torch.autocast(values.device.type, enabled=False):
            values, days = values.float(), days.float()
            centred = torch.where((days >= 0)[..., None], values - self.mean.view(1, 1, -1), 0.0)
            white = centred @ self.matrix[:, :, 0, 0].T
            return self.statistics(torch.where(self.bent > 0, asinh(white), white), days)

    def statistics(self, white: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
        """Of whitened bands (n, date, band) and the days of the dates (n, date)."""
        return (season_shares(self.season, known) @ white).flatten(1)


def season_shares(season: torch.Tensor, days: torch.Tensor) -> torch.Tensor:
    """`series.shares` of days (n, date) for a season (1, day, 1)."""
    when = days[:, None, :]
    known = when >= 0
    before = torch.where(known & (when <= season), when, float(NO_DAY)).amax(2, keepdim=True)
    after = torch.where(known & (when >= season), when, NEVER).amin(2, keepdim=True)
    later = torch.where(before < 0, 1.0, torch.where(after == NEVER, 0.0, (season - before) / (after - before).clamp_min(1)))
    first, second = ((known & (when == day)).float() for day in (before, after))
    return ((1 - later) * first / first.sum(2, keepdim=True).clamp_min(1)) + later * second / second.sum(2, keepdim=True).clamp_min(1)


class Recurrent(nn.Module):
    """A long short-term memory that reads the clear dates forwards and another that reads them backwards.

    A date is its standardised bands, sine and cosine of the day of the year, and the days since the clear date before. Clear dates are brought to the
    front in the order of their days, so that what stands behind them, which no step before can see, changes nothing; the steps of the clear dates
    are averaged, and their largest values taken.

    Args:
        bands: number of bands.
        hidden: width of each of the two.
    """

    output_stride, takes = 1, STANDARDISED

    def __init__(self, bands: int, hidden: int = 128) -> None:
        super().__init__()
        self.forwards = nn.LSTM(bands + 3, hidden, batch_first=True)
        self.backwards = nn.LSTM(bands + 3, hidden, batch_first=True)
        self.norm, self.dropout = nn.LayerNorm(4 * hidden), nn.Dropout(0.3)
        self.width = 4 * hidden

    def forward(self, bands: torch.Tensor, days: torch.Tensor) -> torch.Tensor:
        """Features (n, channel) of standardised bands (n, date, band) and days (n, date), below 0 where a date does not count."""
        known = days >= 0
        rank, count = ranks(days), known.sum(1, keepdim=True)
        places = torch.arange(days.shape[1], device=days.device)
        in_order = (rank[:, None, :] == places[None, :, None]).to(bands.dtype)
        sorted_days = (in_order.float() @ days.float()[..., None])[..., 0]
        valid = places[None] < count
        gap = torch.where(valid & (places[None] > 0), sorted_days - sorted_days.roll(1, 1), 0.0) / MONTH
        angle = 2 * math.pi * (sorted_days + 1) / YEAR
        dates = torch.cat([in_order @ bands, torch.stack([angle.sin(), angle.cos(), gap], 2).to(bands.dtype)], 2) * valid[..., None]
        turned = torch.where(valid, count - 1 - places[None], places[None])
        back = (turned[:, :, None] == places[None, None, :]).to(bands.dtype) @ dates
        steps = torch.cat([self.forwards(dates)[0], self.backwards(back)[0]], 2).float()
        mean = (steps * valid[..., None]).sum(1) / count.clamp_min(1)
        largest = torch.where(valid[..., None], steps, -2.0).amax(1)  # below all that a step can be
        return self.dropout(self.norm(torch.cat([mean, torch.where(count > 0, largest, 0.0)], 1)))


def ranks(days: torch.Tensor) -> torch.Tensor:
    """Places of dates in the order of their days (n, date); those that do not count come last, equal ones stay in their order."""
    key = torch.where(days >= 0, days, NEVER)
    place = torch.arange(days.shape[1], device=days.device)
    earlier = (key[:, None, :] < key[:, :, None]) | ((key[:, None, :] == key[:, :, None]) & (place[None, None, :] < place[None, :, None]))
    return earlier.sum(2)


class TemporalAttention(nn.Module):
    """Light attention over the clear dates: a learned query for each head, which averages a group of the channels (Garnot and Landrieu, Lightweight
    Temporal Self-Attention for Classifying Satellite Images Time Series, arXiv 2007.00586).

    Args:
        bands: number of bands.
        start: day that days are counted from.
        channels: of a date.
        heads: groups of these.
        width: of the features.
        keys: length of a query.
    """

    output_stride, takes = 1, STANDARDISED
    PERIOD = 1000.0
    rates: torch.Tensor
    start: torch.Tensor

    def __init__(self, bands: int, start: float = 0.0, channels: int = 128, heads: int = 16, width: int = 128, *, keys: int = 8) -> None:
        super().__init__()
        self.heads, self.width, self.keys = heads, width, keys
        self.register_buffer(START, torch.tensor(float(start)))
        self.entrance = nn.Sequential(nn.Linear(bands, channels), nn.LayerNorm(channels))
        self.key = nn.Linear(channels, heads * keys)
        self.query = nn.Parameter(torch.empty(heads, keys))
        for weight in (self.key.weight, self.query):
            nn.init.normal_(weight, 0, math.sqrt(2 / keys))
        group = channels // heads
        self.register_buffer("rates", self.PERIOD ** (-torch.arange(0, group, 2) / group), persistent=False)
        self.mix = nn.Sequential(nn.Linear(channels, width), nn.BatchNorm1d(width), nn.ReLU(inplace=True), nn.Dropout(0.2), nn.LayerNorm(width))

    def forward(self, bands: torch.Tensor, days: torch.Tensor) -> torch.Tensor:
        """See `Recurrent`."""
        return self.both(bands, days)[0]

    def _load_from_state_dict(self, tensors: dict[str, torch.Tensor], prefix: str, *others: Any) -> None:
        """Runs of older versions do not keep the day, which is that of their dataset."""
        tensors.setdefault(prefix + START, self.start)
        super()._load_from_state_dict(tensors, prefix, *others)

    def both(self, bands: torch.Tensor, days: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The features, and the attention of each head to each date (n, date, head)."""
        angle = (days.float() - self.start)[..., None] * self.rates
        position = torch.stack([angle.sin(), angle.cos()], 3).flatten(2).repeat(1, 1, self.heads)
        dates = self.entrance(bands) + position.to(bands.dtype)
        keys = self.key(dates).unflatten(2, (self.heads, self.keys))
        scores = ((keys * self.query).sum(3).float() / math.sqrt(self.keys)).masked_fill((days < 0)[..., None], -1e9)
        groups, attention = dates.unflatten(2, (self.heads, -1)).float(), scores.softmax(1)
        return self.mix((attention[..., None] * groups).sum(1).flatten(1)), attention


def standardised(values: torch.Tensor, days: torch.Tensor, centre: torch.Tensor, spread: torch.Tensor) -> torch.Tensor:
    """Series in stored units (n, date, band) as encoders see them, 0 where the days (n, date) are below 0; see `class_networks.band_row`."""
    return torch.where((days >= 0)[..., None], (values - centre.view(1, 1, -1)) / spread.view(1, 1, -1), 0.0)


class SeriesNetwork(AboveRegression):
    """An encoder of series above a regression: class scores are those of a linear layer on `SeasonStatistics`, and what a linear layer on the
    encoder's features adds, at first nothing. A series without a date that counts gets NaN, but while the network learns.

    Args:
        encoder: a key of `ENCODERS`.
        inputs: what it sees, a series.
        classes: number of classes.
    """

    def __init__(self, encoder: str, inputs: Inputs, classes: int) -> None:
        seen = single(inputs)
        ClassNetwork.__init__(self, ENCODERS[encoder](seen), inputs)
        self.classification_head = nn.Linear(self.encoder.width, classes)  # type: ignore[arg-type]
        self.stand_on(SeasonStatistics(seen.centre, seen.days), lambda: LinearOfSamples(len(seen.days) * len(seen.bands), classes))

    @property
    def head(self) -> nn.Module:
        """See `AboveRegression`."""
        return self.classification_head

    def parts(self, given: dict[str, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
        """See `AboveRegression`."""
        bands, days = self.standardised(given)
        added = self.classification_head(self.encoder(bands, days))
        known = (days >= 0).any(1, keepdim=True)
        return self.spectral(given[self.seen.name], days), added if self.training else torch.where(known, added, torch.nan)

    def standardised(self, given: dict[str, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
        """What the encoder sees: standardised bands (n, date, band), 0 on dates that do not count, and the days (n, date)."""
        values, days = given[self.seen.name], given[self.seen.days_port]
        return standardised(values, days, self.centre, self.spread), days

    def both(self, given: dict[str, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
        """See `AboveRegression`; the regression says nothing either where no date counts."""
        begun, whole = super().both(given)
        return torch.where(torch.isnan(whole), torch.nan, begun), whole


class SeriesClassifier(ClassNetwork):
    """An encoder of series and a linear layer on what it finds, without a regression under them, for tasks that share the encoder.

    Args:
        encoder: a key of `ENCODERS`.
        inputs: what it sees, a series.
        classes: number of classes.
    """

    def __init__(self, encoder: str, inputs: Inputs, classes: int) -> None:
        super().__init__(ENCODERS[encoder](single(inputs)), inputs)
        self.classification_head = nn.Linear(self.encoder.width, classes)  # type: ignore[arg-type]

    def forward(self, given: dict[str, torch.Tensor]) -> torch.Tensor:
        """Class scores before softmax, (n, class), of series in stored units and their days; NaN where no date counts, but while it learns."""
        days = given[self.seen.days_port]
        scores = self.classification_head(self.encoder(standardised(given[self.seen.name], days, self.centre, self.spread), days))
        return scores if self.training else torch.where((days >= 0).any(1, keepdim=True), scores, torch.nan)


#: Encoders of series that others published weights of.
PUBLISHED: dict[str, type[MonthlyEncoder]] = {PRESTO: Presto, GALILEO: Galileo}
#: Encoder of series by name → how one is made for a series.
ENCODERS: dict[str, Callable[[Input], nn.Module]] = {
    LSTM: lambda seen: Recurrent(len(seen.bands)), LTAE: lambda seen: TemporalAttention(len(seen.bands), seen.days[0]), **PUBLISHED}
