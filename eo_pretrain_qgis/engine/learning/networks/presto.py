"""Presto, an encoder of monthly series of Sentinel-1 and Sentinel-2 that was pretrained on places all over the Earth.

Tseng and others, Lightweight, Pre-trained Transformers for Remote Sensing Timeseries, arXiv 2304.14065. Tensors are named as in its published weights
(nasaharvest/presto, MIT), so that these load by name. What it was also trained with, weather, terrain and land cover of other makers, is left out by
its own masks.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import torch
from timm.models.vision_transformer import Block
from torch import nn

from ....errors import DataError, listed
from ...cards import Input, InputBand
from ...rasters.same_band import band_key

#: Group of bands that are one token of a month → their names; NDVI is computed.
GROUPS = {"S1": ("VV", "VH"), "S2_RGB": ("B02", "B03", "B04"), "S2_Red_Edge": ("B05", "B06", "B07"), "S2_NIR_10m": ("B08",), "S2_NIR_20m": ("B8A",),
          "S2_SWIR": ("B11", "B12"), "NDVI": ("NDVI",)}
#: What NDVI is computed from.
INDEX = ("B04", "B08")
#: Where the embedding of each group stands among those of the published weights, which have two more groups before NDVI, and land cover behind it.
PLACES = {"S1": 0, "S2_RGB": 1, "S2_Red_Edge": 2, "S2_NIR_10m": 3, "S2_NIR_20m": 4, "S2_SWIR": 5, "NDVI": 8}
EMBEDDINGS = 10
WIDTH, DEPTH, HEADS, WIDENING, MONTHS = 128, 2, 8, 4, 24
#: Widths of the parts of a token's place: month of the year, group, place in the series.
OF_MONTH, OF_GROUP, OF_PLACE = 32, 32, 64
#: Decibels are seen as (value + 25) / 25, reflectance as it is.
DECIBEL = 25.0
#: First days of the months of a common year, from 0; a leap day belongs to the month whose days have moved into it.
FIRST_DAYS = np.cumsum([0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30])
YEAR = 365
#: Tensor of the place on Earth, which belongs to a dataset.
PLACE = "place"


class Presto(nn.Module):
    """Presto on series as networks here see them: standardised bands on dates.

    Dates are averaged by calendar months, from that of the first day of the season to that of the last; months without a clear date are masked. A
    group of bands that the series has not whole is left out, which is the same to it as masked.

    Args:
        seen: the series; its bands are told by their names, whatever their order, their units by what they declare.

    Raises:
        DataError: the series has no group of bands that it knows, bands in other units, or more than 24 months.
    """

    output_stride, width = 1, WIDTH
    takes = "monthly means of reflectance, and of backscatter as (dB + 25) / 25"
    gain: torch.Tensor
    shift: torch.Tensor
    begins: torch.Tensor
    ends: torch.Tensor
    months: torch.Tensor
    place: torch.Tensor
    order: torch.Tensor
    year: torch.Tensor

    def __init__(self, seen: Input) -> None:
        super().__init__()
        self.where = known_bands(seen)
        self.unknown = {*range(len(seen.bands))}.difference(*self.where.values())
        self.eo_patch_embed = nn.ModuleDict({group: nn.Linear(len(GROUPS[group]), WIDTH) for group in self.where})
        self.latlon_embed = nn.Linear(3, WIDTH)
        self.blocks = nn.ModuleList(Block(WIDTH, HEADS, WIDENING, qkv_bias=True, norm_layer=nn.LayerNorm) for _ in range(DEPTH))
        self.norm = nn.LayerNorm(WIDTH)
        self.channel_embed = nn.Embedding(EMBEDDINGS, OF_GROUP)
        self.register_buffer("order", places_in_series(), persistent=False)
        self.register_buffer("year", months_of_year(), persistent=False)
        gain, shift = zip(*(scaling(band) for band in seen.bands), strict=True)
        self.register_buffer("gain", torch.tensor(gain, dtype=torch.float32), persistent=False)
        self.register_buffer("shift", torch.tensor(shift, dtype=torch.float32), persistent=False)
        begins, ends, months = season_months(seen)
        self.register_buffer("begins", torch.tensor(begins, dtype=torch.float32)[None, :, None], persistent=False)
        self.register_buffer("ends", torch.tensor(ends, dtype=torch.float32)[None, :, None], persistent=False)
        self.register_buffer("months", torch.tensor(months), persistent=False)
        self.register_buffer(PLACE, torch.zeros(3))

    def stand_at(self, longitude: float, latitude: float) -> None:
        """Tells where on Earth the series are, degrees; one place for all of them."""
        east, north = math.radians(longitude), math.radians(latitude)
        self.place.copy_(torch.tensor([math.cos(north) * math.cos(east), math.cos(north) * math.sin(east), math.sin(north)]))

    def sentence(self) -> str:
        """What it sees of the series, for people."""
        groups = "; ".join(", ".join(GROUPS[group]) for group in self.where)
        rest = " The regression alone knows the other bands." if self.unknown else ""
        return f"Presto sees monthly means of {groups}, {len(self.months)} months.{rest}"

    def forward(self, bands: torch.Tensor, days: torch.Tensor) -> torch.Tensor:
        """Features (n, channel) of standardised bands (n, date, band) and days (n, date), below 0 where a date does not count."""
        when = days.float()[:, None, :]
        inside = ((when >= 0) & (when >= self.begins) & (when < self.ends)).float()
        count = inside.sum(2, keepdim=True)
        monthly = (inside @ (bands.float() * self.gain + self.shift)) / count.clamp_min(1)
        return self.encode(monthly, count[..., 0] > 0, self.months, self.place.expand(monthly.shape[0], 3))

    def encode(self, monthly: torch.Tensor, known: torch.Tensor, months: torch.Tensor, place: torch.Tensor) -> torch.Tensor:
        """The published encoder.

        Args:
            monthly: bands in its units (n, month, band).
            known: months that count (n, month).
            months: of the year, from 0 (month,).
            place: on the unit sphere (n, 3).

        Returns:
            Means of all tokens that count, (n, channel).
        """
        tokens = [self.latlon_embed(place)[:, None]]
        time, order = self.year[months], self.order[:len(months)]
        for group, where in self.where.items():
            values = monthly[..., where]
            values = difference_index(values) if group == "NDVI" else values
            embedding = self.channel_embed.weight[PLACES[group]].expand(len(months), OF_GROUP)
            tokens.append(self.eo_patch_embed[group](values) + torch.cat([time, embedding, order], 1))
        counts = torch.cat([torch.ones_like(known[:, :1]), *[known] * len(self.where)], 1)
        found = torch.cat(tokens, 1)
        for block in self.blocks:
            found = block(found, attn_mask=counts[:, None, None, :])
        weight = counts[..., None].to(found.dtype)
        return self.norm((found * weight).sum(1) / weight.sum(1))


def difference_index(bands: torch.Tensor) -> torch.Tensor:
    """NDVI (…, 1) of red and near infrared (…, 2); 0 where both are."""
    red, infrared = bands[..., :1], bands[..., 1:]
    whole = infrared + red
    return torch.where(whole.abs() > 1e-6, (infrared - red) / torch.where(whole.abs() > 1e-6, whole, 1.0), 0.0)


def known_bands(seen: Input) -> dict[str, list[int]]:
    """Group → where its bands stand in a series, of all groups that it has whole; of NDVI, those it is computed from.

    Raises:
        DataError: it has none.
    """
    places = {band_key(name): number for number, name in enumerate(seen.names)}
    found = {group: [places[band] for band in bands] for group, bands in GROUPS.items() if places.keys() >= {*bands}}
    if places.keys() >= {*INDEX}:
        found["NDVI"] = [places[band] for band in INDEX]
    if not found:
        raise DataError(f"Presto knows the bands of Sentinel-2, such as B02, B03 and B04 together, and VV with VH of Sentinel-1. These series have "
                        f"{listed(seen.names, 13)}. Choose another encoder, or name the bands so when you make the dataset.")
    return found


def scaling(band: InputBand) -> tuple[float, float]:
    """Factor and constant that bring a standardised band to the units of Presto; 0 for bands it does not know.

    Raises:
        DataError: the band is in another unit than it knows.
    """
    if band_key(band.name) not in {name for names in GROUPS.values() for name in names}:
        return 0.0, 0.0
    wanted = "dB" if band_key(band.name) in GROUPS["S1"] else "reflectance"
    if band.unit != wanted:
        raise DataError(f"Presto takes the band {band.name} as {wanted}, and in these series it is {band.unit}. Name the sensor when you make the "
                        "dataset, so that its unit is known, or choose another encoder.")
    by, beside = (1 / DECIBEL, 1.0) if wanted == "dB" else (1.0, 0.0)
    return band.spread * band.scale * by, (band.centre * band.scale + band.offset) * by + beside


def season_months(seen: Input) -> tuple[list[int], list[int], list[int]]:
    """First days of the calendar months of a season, the days after their last, and their places in the year.

    Raises:
        DataError: there are more months than the encoder knows.
    """
    first, last = (seen.season.window if seen.season else None) or (seen.days[0], seen.days[-1])
    begins = [(year, month) for year in range(int(last // YEAR) + 1) for month in range(12)]
    chosen = [(year * YEAR + int(FIRST_DAYS[month]), month) for year, month in begins]
    ends = [start for start, _ in chosen[1:]] + [(int(last // YEAR) + 1) * YEAR]
    kept = [(start, end, month) for (start, month), end in zip(chosen, ends, strict=True) if end > first and start <= last]
    if len(kept) > MONTHS:
        raise DataError(f"Presto reads {MONTHS} months at most, and these series span {len(kept)}. Choose another encoder, or make a dataset of a "
                        "shorter season.")
    begun, ended, months = zip(*kept, strict=True)
    return list(begun), list(ended), list(months)


def months_of_year() -> torch.Tensor:
    """Embedding of the twelve months (month, channel): sine and cosine of the year, each in half of the channels."""
    angle = torch.arange(12, dtype=torch.float64) * (2 * math.pi / 12)
    return torch.cat([angle.sin()[:, None].expand(-1, OF_MONTH // 2), angle.cos()[:, None].expand(-1, OF_MONTH // 2)], 1).float()


def places_in_series() -> torch.Tensor:
    """Embedding of the places of months in a series (month, channel): sines and cosines of rising wavelengths."""
    channel = np.arange(OF_PLACE)
    angle = np.arange(MONTHS)[:, None] / np.power(1000, 2 * (channel // 2) / OF_PLACE)
    return torch.from_numpy(np.where(channel % 2, np.cos(angle), np.sin(angle))).float()


def published(tensors: Mapping[str, torch.Tensor]) -> bool:
    """Whether tensors without the beginning “encoder.” are those of Presto's published weights, which have all groups of bands."""
    return {f"eo_patch_embed.{group}.weight" for group in GROUPS} < tensors.keys()
