"""Presto, an encoder of monthly series of Sentinel-1 and Sentinel-2 that was pretrained on places all over the Earth.

Tseng and others, Lightweight, Pre-trained Transformers for Remote Sensing Timeseries, arXiv 2304.14065. Tensors are named as in its published weights
(nasaharvest/presto, MIT), so that these load by name. What it was also trained with, weather, terrain and land cover of other makers, is left out by
its own masks.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from timm.models.vision_transformer import Block
from torch import nn

from ...cards import Input
from .monthly import GROUPS, HEADS, MONTHS, WIDENING, WIDTH, MonthlyEncoder, months_of_year

#: Where the embedding of each group stands among those of the published weights, which have two more groups before NDVI, and land cover behind it.
PLACES = {"S1": 0, "S2_RGB": 1, "S2_Red_Edge": 2, "S2_NIR_10m": 3, "S2_NIR_20m": 4, "S2_SWIR": 5, "NDVI": 8}
EMBEDDINGS, DEPTH = 10, 2
#: Widths of the parts of a token's place: month of the year, group, place in the series.
OF_MONTH, OF_GROUP, OF_PLACE = 32, 32, 64


class Presto(MonthlyEncoder):
    """See `MonthlyEncoder`."""

    called = "Presto"
    takes = "monthly means of reflectance, and of backscatter as (dB + 25) / 25"
    units = {"VV": (-25.0, 25.0), "VH": (-25.0, 25.0)}
    order: torch.Tensor
    year: torch.Tensor

    def __init__(self, seen: Input) -> None:
        super().__init__(seen)
        self.eo_patch_embed = nn.ModuleDict({group: nn.Linear(len(GROUPS[group]), WIDTH) for group in self.where})
        self.latlon_embed = nn.Linear(3, WIDTH)
        self.blocks = nn.ModuleList(Block(WIDTH, HEADS, WIDENING, qkv_bias=True, norm_layer=nn.LayerNorm) for _ in range(DEPTH))
        self.norm = nn.LayerNorm(WIDTH)
        self.channel_embed = nn.Embedding(EMBEDDINGS, OF_GROUP)
        self.register_buffer("order", places_in_series(), persistent=False)
        self.register_buffer("year", months_of_year(OF_MONTH), persistent=False)

    @classmethod
    def of_published(cls, tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor] | None:
        """See `MonthlyEncoder`; these are those with all groups of bands."""
        return dict(tensors) if {f"eo_patch_embed.{group}.weight" for group in GROUPS} < tensors.keys() else None

    def encode(self, monthly: torch.Tensor, known: torch.Tensor, months: torch.Tensor, place: torch.Tensor) -> torch.Tensor:
        """See `MonthlyEncoder`."""
        tokens = [self.latlon_embed(place)[:, None]]
        time, order = self.year[months], self.order[:len(months)]
        for group, values in self.groups_of(monthly):
            embedding = self.channel_embed.weight[PLACES[group]].expand(len(months), OF_GROUP)
            tokens.append(self.eo_patch_embed[group](values) + torch.cat([time, embedding, order], 1))
        counts = torch.cat([torch.ones_like(known[:, :1]), *[known] * len(self.where)], 1)
        found = torch.cat(tokens, 1)
        for block in self.blocks:
            found = block(found, attn_mask=counts[:, None, None, :])
        weight = counts[..., None].to(found.dtype)
        return self.norm((found * weight).sum(1) / weight.sum(1))


def places_in_series() -> torch.Tensor:
    """Embedding of the places of months in a series (month, channel): sines and cosines of rising wavelengths."""
    channel = np.arange(OF_PLACE)
    angle = np.arange(MONTHS)[:, None] / np.power(1000, 2 * (channel // 2) / OF_PLACE)
    return torch.from_numpy(np.where(channel % 2, np.cos(angle), np.sin(angle))).float()
