"""Changes of images that several methods make, each written once (docs/adr/0014-augmentation-is-our-own.md)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch.nn.functional import pad

from ..looks.tile_pictures import NO_PICTURE
from ..rasters.sensors import Band

DECIBEL = 10 / math.log(10)  # dB in a factor of e
BLUR_REACH = 2  # pixels, of the blurs of augmentation
#: Quarter turns 0 to 3, and the same mirrored after them: whether rows become columns first, and which axes are then reversed.
_SYMMETRIES: tuple[tuple[bool, tuple[int, ...]], ...] = (
    (False, ()), (True, (-2,)), (False, (-2, -1)), (True, (-1,)), (False, (-1,)), (True, (-2, -1)), (False, (-2,)), (True, ()))


def exact(band: Band) -> bool:
    """Whether a band says how the image was taken, as the incidence angle does: nothing may change its values."""
    return band.unit == "degree" or band.name in NO_PICTURE


def symmetry(tile: torch.Tensor, number: int) -> torch.Tensor:
    """One of the eight symmetries of a square tile (…, y, x): `number` % 4 quarter turns, mirrored from 4 on."""
    across, reversed_axes = _SYMMETRIES[number]
    tile = tile.transpose(-2, -1) if across else tile
    return tile.flip(reversed_axes) if reversed_axes else tile


def turned(numbers: Sequence[int], *maps: torch.Tensor) -> list[torch.Tensor]:
    """The tiles of each map (n, …, y, x), every tile in the symmetry of its number; all tiles of a symmetry are turned at once."""
    order = np.argsort(numbers, kind="stable")
    counts = np.bincount(numbers, minlength=8).tolist()
    there, back = (torch.from_numpy(places).to(maps[0].device) for places in (order, np.argsort(order)))
    return [torch.cat([symmetry(group, number) for number, group in enumerate(tiles[there].split(counts))])[back] for tiles in maps]


def gaussian_blur(images: torch.Tensor, sigma: float, reach: int) -> torch.Tensor:
    """Images (n, band, y, x) under a Gaussian of `sigma` pixels that is cut off after `reach`; mirrored at the border."""
    weights = [math.exp(-distance**2 / (2 * sigma**2)) for distance in range(reach + 1)]
    total = weights[0] + 2 * sum(weights[1:])
    for axis, margins in ((3, (reach, reach, 0, 0)), (2, (0, 0, reach, reach))):
        # Shifted images added up: on a processor quicker than a convolution with so small a kernel for each band.
        wide = pad(images, margins, mode="reflect")
        images = wide.narrow(axis, reach, images.shape[axis]) * (weights[0] / total)
        for shift in (*range(-reach, 0), *range(1, reach + 1)):
            images.add_(wide.narrow(axis, reach + shift, images.shape[axis]), alpha=weights[abs(shift)] / total)
    return images


def speckle(shape: Sequence[int], looks: float, generator: torch.Generator, device: torch.device) -> torch.Tensor:
    """Factors of intensity, of a gamma distribution with mean 1 and variance 1 / looks (Wilson and Hilferty 1931, PNAS 17(12), 684-688)."""
    # Drawn on the device from a seed the generator gives: sending noise over would cost more than the network's step.
    source = torch.Generator(device).manual_seed(int(torch.randint(2**62, (1,), generator=generator)))
    noise = torch.randn(tuple(shape), generator=source, device=device)
    return (1 - 1 / (9 * looks) + noise / (3 * math.sqrt(looks))).clamp_min(0.05) ** 3


def cut_normal(shape: tuple, generator: torch.Generator, device: torch.device) -> torch.Tensor:
    """Normal numbers, cut at two deviations."""
    return torch.randn(shape, generator=generator).clamp(-2, 2).to(device)
