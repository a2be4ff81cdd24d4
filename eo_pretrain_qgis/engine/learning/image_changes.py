"""Changes of images that several methods make, each written once (docs/adr/0014-augmentation-is-our-own.md)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch.nn.functional import pad

DECIBEL = 10 / math.log(10)  # dB in a factor of e


def symmetry(tile: torch.Tensor, number: int) -> torch.Tensor:
    """One of the eight symmetries of a square tile (…, y, x): `number` % 4 quarter turns, mirrored from 4 on."""
    turned = torch.rot90(tile, number % 4, (-2, -1)) if number % 4 else tile
    return turned.flip(-1) if number >= 4 else turned


def turned(numbers: Sequence[int], *maps: torch.Tensor) -> list[torch.Tensor]:
    """The tiles of each map (n, …, y, x), every tile in the symmetry of its number; all tiles of a symmetry are turned at once."""
    wanted = torch.tensor(numbers)
    order, counts = wanted.argsort(stable=True), wanted.bincount(minlength=8).tolist()
    back, found = order.argsort(), []
    for tiles in maps:
        groups = tiles[order.to(tiles.device)].split(counts)
        found.append(torch.cat([symmetry(group, number) for number, group in enumerate(groups)])[back.to(tiles.device)])
    return found


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
