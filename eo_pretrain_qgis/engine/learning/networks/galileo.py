"""Galileo, an encoder of Sentinel-1 and Sentinel-2 that was pretrained on places all over the Earth, on series of single pixels; its size “nano”.

Tseng and others, Galileo: Learning Global & Local Features of Many Remote Sensing Modalities, arXiv 2502.09356. Its published weights
(nasaharvest/galileo, MIT) are brought to our names, see `Galileo.of_published`: of patches of one pixel, without neighbours. What it was also
trained with, weather, terrain, land cover and lights of other makers, is left out by its own masks.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from timm.models.vision_transformer import Block
from torch import nn
from torch.nn.functional import interpolate, pad

from ...cards import Input
from .monthly import GROUPS, HEADS, MONTHS, WIDENING, WIDTH, MonthlyEncoder, months_of_year

DEPTH = 4
#: Width of each of the four parts of a token's place: group, place in the series, month of the year, place in the image.
PART = WIDTH // 4
#: How many groups have no dates in the published weights, and where the place on Earth stands among them.
STATIC, LOCATION = 4, 1
#: Mean and standard deviation of its bands in pretraining (config/normalization.json): dB, and reflectance · 10,000.
OF_BANDS = {
    "VV": (-11.728724389184965, 4.887145774840316), "VH": (-18.85558188024017, 5.730270320384293), "B02": (1395.3408730676722, 917.7041440370853),
    "B03": (1338.4026921784578, 913.2988423581528), "B04": (1343.09883810357, 1092.678723527555), "B05": (1543.8607982512297, 1047.2206083460424),
    "B06": (2186.2022069512263, 1048.0101611156767), "B07": (2525.0932853316694, 1143.6903026819996),
    "B08": (2410.3377187373408, 1098.979177731649), "B8A": (2750.2854646886753, 1204.472755085893), "B11": (2234.911100061487, 1145.9774063078878),
    "B12": (1474.5311266077113, 980.2429840007796)}
REFLECTANCE = 10_000.0


def _unit(name: str) -> tuple[float, float]:
    """Two deviations below the mean are 0, two above it 1."""
    by = 1.0 if name in GROUPS["S1"] else REFLECTANCE
    mean, deviation = (value / by for value in OF_BANDS[name])
    return mean - 2 * deviation, 4 * deviation


class Galileo(MonthlyEncoder):
    """See `MonthlyEncoder`."""

    called = "Galileo"
    takes = "monthly means, (value - mean + 2 deviations) / (4 deviations) of each band, see config/normalization.json of nasaharvest/galileo"
    units = {name: _unit(name) for name in OF_BANDS}
    order: torch.Tensor
    year: torch.Tensor
    here: torch.Tensor

    def __init__(self, seen: Input) -> None:
        super().__init__(seen)
        self.space_time_embed = nn.ModuleDict({group: nn.Linear(len(GROUPS[group]), WIDTH) for group in self.where})
        self.static_embed = nn.ModuleDict({"location": nn.Linear(3, WIDTH)})
        self.s_t_channel_embed = nn.Parameter(torch.zeros(len(GROUPS), PART))
        self.st_channel_embed = nn.Parameter(torch.zeros(STATIC, PART))
        self.blocks = nn.ModuleList(Block(WIDTH, HEADS, WIDENING, qkv_bias=True, norm_layer=nn.LayerNorm) for _ in range(DEPTH))
        self.norm = nn.LayerNorm(WIDTH)
        self.register_buffer("order", waves(PART, torch.arange(MONTHS)), persistent=False)
        self.register_buffer("year", months_of_year(PART), persistent=False)
        self.register_buffer("here", waves(PART // 2, torch.zeros(1)).repeat(1, 2), persistent=False)  # the only pixel of its image

    @classmethod
    def of_published(cls, tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor] | None:
        """See `MonthlyEncoder`. Kernels of 8 x 8 px become those of a pixel as in FlexiViT (arXiv 2212.08013): by the pseudoinverse of the resampling
        of an image of 8 x 8 px to one pixel.
        """
        names = {name.replace(".backbone", ""): tensor for name, tensor in tensors.items()}
        if not {f"space_time_embed.{group}.proj.weight" for group in GROUPS} < names.keys():
            return None
        found = {}
        for name, tensor in names.items():
            if name.startswith("space_time_embed."):
                found[name.replace(".proj", "")] = of_one_pixel(tensor) if tensor.ndim == 4 else tensor
            elif ".attn.q." in name:
                found[name.replace(".q.", ".qkv.")] = torch.cat([names[name.replace(".q.", f".{part}.")] for part in "qkv"])
            else:
                found[name] = tensor
        return found

    def encode(self, monthly: torch.Tensor, known: torch.Tensor, months: torch.Tensor, place: torch.Tensor) -> torch.Tensor:
        """See `MonthlyEncoder`."""
        location = self.static_embed["location"](place) + pad(self.st_channel_embed[LOCATION], (0, WIDTH - PART))
        tokens, count = [location[:, None]], len(months)
        time = torch.cat([self.order[:count], self.year[months], self.here.expand(count, PART)], 1)
        for group, values in self.groups_of(monthly):
            embedding = self.s_t_channel_embed[list(GROUPS).index(group)].expand(count, PART)
            tokens.append(self.space_time_embed[group](values) + torch.cat([embedding, time], 1))
        # A place that is not known is masked; where nothing is known at all, attention still needs a token.
        there = (place.square().sum(1, keepdim=True) > 0) | ~known.any(1, keepdim=True)
        counts = torch.cat([there, *[known] * len(self.where)], 1)
        found = torch.cat(tokens, 1)
        for block in self.blocks:
            found = block(found, attn_mask=counts[:, None, None, :])
        weight = counts[..., None].to(found.dtype)
        return (self.norm(found) * weight).sum(1) / weight.sum(1)


def of_one_pixel(kernels: torch.Tensor) -> torch.Tensor:
    """Weights of a layer on single pixels (channel, band) of kernels (channel, band, y, x)."""
    side = kernels.shape[-1]
    shares = interpolate(torch.eye(side * side).view(-1, 1, side, side), (1, 1), mode="bicubic", antialias=True).flatten()
    return kernels.flatten(2) @ shares / shares.square().sum()


def waves(width: int, places: torch.Tensor) -> torch.Tensor:
    """Embedding of places (place, channel): sines in the first half of the channels, cosines of the same in the other."""
    angle = places.double()[:, None] / 10_000 ** (torch.arange(width // 2, dtype=torch.float64) / width / 2)
    return torch.cat([angle.sin(), angle.cos()], 1).float()
