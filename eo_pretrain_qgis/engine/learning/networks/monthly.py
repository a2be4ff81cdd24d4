"""Encoders of monthly means of Sentinel-1 and Sentinel-2, of which others published the weights: what these have in common.

They know groups of bands; each group of a month is a token. A group that a series has not whole is left out, which is the same to them as masked.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping

import numpy as np
import torch
from torch import nn

from ....errors import DataError, listed
from ...cards import Input, InputBand
from ...rasters.same_band import band_key

#: Group of bands that are one token of a month → their names.
GROUPS = {"S1": ("VV", "VH"), "S2_RGB": ("B02", "B03", "B04"), "S2_Red_Edge": ("B05", "B06", "B07"), "S2_NIR_10m": ("B08",), "S2_NIR_20m": ("B8A",),
          "S2_SWIR": ("B11", "B12"), "NDVI": ("NDVI",)}
NDVI = "NDVI"
#: What NDVI is computed from; a series without these may have it as a band of its own.
INDEX = ("B04", "B08")
WIDTH, HEADS, WIDENING, MONTHS = 128, 8, 4, 24
#: First days of the months of a common year, from 0; a leap day belongs to the month whose days have moved into it.
FIRST_DAYS = np.cumsum([0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30])
YEAR = 365
#: Tensor of the place on Earth, which belongs to a dataset.
PLACE = "place"


class MonthlyEncoder(nn.Module, ABC):
    """Such an encoder on series as networks here see them: standardised bands on dates.

    Dates are averaged by calendar months, from that of the first day of the season to that of the last; months without a clear date are masked.

    Args:
        seen: the series; its bands are told by their names, whatever their order, their units by what they declare.

    Raises:
        DataError: the series has no group of bands that it knows, bands in other units, or more than 24 months.

    Attributes:
        called: its name for people.
        units: of each band, value of 0 and difference of 1 after its scaling, in dB and in reflectance.
    """

    output_stride, width = 1, WIDTH
    called: str
    units: Mapping[str, tuple[float, float]]
    gain: torch.Tensor
    shift: torch.Tensor
    zero: torch.Tensor
    unit: torch.Tensor
    begins: torch.Tensor
    ends: torch.Tensor
    months: torch.Tensor
    place: torch.Tensor

    def __init__(self, seen: Input) -> None:
        super().__init__()
        self.where = known_bands(seen, self.called)
        self.unknown = {*range(len(seen.bands))}.difference(*self.where.values())
        gain, shift = zip(*(physical(band, self.called) for band in seen.bands), strict=True)
        zero, unit = zip(*(self.units.get(band_key(band.name), (0.0, 1.0)) for band in seen.bands), strict=True)
        begins, ends, months = season_months(seen, self.called)
        for name, values in (("gain", gain), ("shift", shift), ("zero", zero), ("unit", unit)):
            self.register_buffer(name, torch.tensor(values, dtype=torch.float32), persistent=False)
        for name, days in (("begins", begins), ("ends", ends)):
            self.register_buffer(name, torch.tensor(days, dtype=torch.float32)[None, :, None], persistent=False)
        self.register_buffer("months", torch.tensor(months), persistent=False)
        self.register_buffer(PLACE, torch.zeros(3))

    @classmethod
    @abstractmethod
    def of_published(cls, tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor] | None:
        """Its published tensors by our names; None where these are others."""

    def stand_at(self, longitude: float, latitude: float) -> None:
        """Tells where on Earth the series are, degrees; one place for all of them."""
        east, north = math.radians(longitude), math.radians(latitude)
        self.place.copy_(torch.tensor([math.cos(north) * math.cos(east), math.cos(north) * math.sin(east), math.sin(north)]))

    def sentence(self) -> str:
        """What it sees of the series, for people."""
        groups = "; ".join(", ".join(GROUPS[group]) for group in self.where)
        rest = " The regression alone knows the other bands." if self.unknown else ""
        return f"{self.called} sees monthly means of {groups}, {len(self.months)} months.{rest}"

    def forward(self, bands: torch.Tensor, days: torch.Tensor) -> torch.Tensor:
        """Features (n, channel) of standardised bands (n, date, band) and days (n, date), below 0 where a date does not count."""
        when = days.float()[:, None, :]
        inside = ((when >= 0) & (when >= self.begins) & (when < self.ends)).float()
        count = inside.sum(2, keepdim=True)
        monthly = (inside @ (bands.float() * self.gain + self.shift)) / count.clamp_min(1)
        return self.encode(monthly, count[..., 0] > 0, self.months, self.place.expand(monthly.shape[0], 3))

    @abstractmethod
    def encode(self, monthly: torch.Tensor, known: torch.Tensor, months: torch.Tensor, place: torch.Tensor) -> torch.Tensor:
        """The published encoder.

        Args:
            monthly: dB and reflectance (n, month, band).
            known: months that count (n, month).
            months: of the year, from 0 (month,).
            place: on the unit sphere (n, 3).

        Returns:
            Means of all tokens that count, (n, channel).
        """

    def groups_of(self, monthly: torch.Tensor) -> Iterator[tuple[str, torch.Tensor]]:
        """Groups of bands in its scaling (n, month, band of the group)."""
        values = (monthly - self.zero) / self.unit
        for group, where in self.where.items():
            yield group, difference_index(monthly[..., where]) if len(where) > len(GROUPS[group]) else values[..., where]


def difference_index(bands: torch.Tensor) -> torch.Tensor:
    """NDVI (…, 1) of red and near infrared (…, 2); 0 where both are."""
    red, infrared = bands[..., :1], bands[..., 1:]
    whole = infrared + red
    return torch.where(whole.abs() > 1e-6, (infrared - red) / torch.where(whole.abs() > 1e-6, whole, 1.0), 0.0)


def known_bands(seen: Input, called: str) -> dict[str, list[int]]:
    """Group → where its bands stand in a series, of all groups that it has whole; of NDVI, those it is computed from where there are such.

    Raises:
        DataError: it has none.
    """
    places = {band_key(name): number for number, name in enumerate(seen.names)}
    found = {group: [places[band] for band in bands] for group, bands in GROUPS.items() if places.keys() >= {*bands}}
    if places.keys() >= {*INDEX}:
        found[NDVI] = [places[band] for band in INDEX]
    if not found:
        raise DataError(f"{called} knows the bands of Sentinel-2, such as B02, B03 and B04 together, NDVI, and VV with VH of Sentinel-1. These "
                        f"series have {listed(seen.names, 13)}. Choose another encoder, or name the bands so when you make the dataset.")
    return found


def physical(band: InputBand, called: str) -> tuple[float, float]:
    """Factor and constant that bring a standardised band to dB or reflectance; 0 for bands it does not know.

    Raises:
        DataError: the band is in another unit than it knows.
    """
    name = band_key(band.name)
    if name not in {known for names in GROUPS.values() for known in names}:
        return 0.0, 0.0
    if name == NDVI:
        low, high = sorted((band.p001 * band.scale + band.offset, band.p999 * band.scale + band.offset))
        if low < -1 or high > 1:
            raise DataError(f"{called} takes NDVI from -1 to 1, and in these series it goes from {low:.4g} to {high:.4g}. Scale the images "
                            "so before you make the dataset, or choose another encoder.")
    wanted = band.unit if name == NDVI else unit_of(name)
    if band.unit != wanted:
        raise DataError(f"{called} takes the band {band.name} as {wanted}, and in these series it is {band.unit}. Name the sensor when you make the "
                        "dataset, so that its unit is known, or choose another encoder.")
    return band.spread * band.scale, band.centre * band.scale + band.offset


def unit_of(name: str) -> str:
    """The unit in which these encoders take a band of their groups that a sensor measures."""
    return "dB" if name in GROUPS["S1"] else "reflectance"


def season_months(seen: Input, called: str) -> tuple[list[int], list[int], list[int]]:
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
        raise DataError(f"{called} reads {MONTHS} months at most, and these series span {len(kept)}. Choose another encoder, or make a dataset of a "
                        "shorter season.")
    begun, ended, months = zip(*kept, strict=True)
    return list(begun), list(ended), list(months)


def months_of_year(width: int) -> torch.Tensor:
    """Embedding of the twelve months (month, channel): sine and cosine of the year, each in half of the channels."""
    angle = torch.arange(12, dtype=torch.float64) * (2 * math.pi / 12)
    return torch.cat([angle.sin()[:, None].expand(-1, width // 2), angle.cos()[:, None].expand(-1, width // 2)], 1).float()
