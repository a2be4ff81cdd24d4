"""Networks that give each pixel, or each series, some numbers from -1 to 1: an encoder, a fixed projection and a bend.

Nothing in them is fitted to images, neither to those that they are given nor to others, so that what one encoder says of two images compares
(docs/adr/0026).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from ...cards import Input
from ..networks.class_networks import band_row, scaled
from ..networks.series import ENCODERS

#: Counts up when the same encoder gives other numbers than before.
VERSION = 1
SEED = 26
#: Numbers for each pixel of an image where nobody says, and the most.
USUAL, MOST = 64, 128
#: How much of the noise all bands share: those of land go together.
SHARED = 0.95
#: Variance of channels below which they are all alike.
TINY = 1e-6
#: Numbers that are enlarged and added at once, because runtimes hold all levels of these at the size of the image together: of 64 numbers a block
#: needs 0.6 of the memory, and the first use of memory is a good part of a small map. 16 need less still, and take longer.
GROUP = 32
#: Numbers of a usual size, 1 before the bend, become 0.46.
BEND = 0.5


class ImageEmbedding(nn.Module):
    """The scaled bands and all levels of an encoder, each brought to the size of the image (hypercolumns; Hariharan et al., arXiv 1411.5752), in
    orthogonal projections of fixed seed, which keep distances (Johnson and Lindenstrauss, Contemporary Mathematics 26, 1984).

    The channels of a level are brought to mean 0 and deviation 1 at each place by themselves (Ba et al., Layer normalization, arXiv 1607.06450), so
    that no statistics of images are needed, and no level outweighs another.

    Args:
        encoder: gives its levels, the deepest last.
        seen: what it takes; its centre and spread are those that the encoder was trained with.
        bent: whether it was trained on asinh((value - centre) / spread), as ours are, and not on (value - centre) / spread.
        count: of the numbers.
    """

    centre: torch.Tensor
    spread: torch.Tensor
    slope: torch.Tensor | None
    mean: torch.Tensor
    deviation: torch.Tensor

    def __init__(self, encoder: nn.Module, seen: Input, bent: bool, count: int) -> None:
        super().__init__()
        self.encoder, self.seen, self.bent, self.count = encoder, seen, bent, count
        self.stride = int(getattr(encoder, "output_stride", 32))
        for name, values in (("centre", seen.centre), ("spread", seen.spread), ("mean", [band.mean for band in seen.bands]),
                             ("deviation", [band.std for band in seen.bands])):
            self.register_buffer(name, band_row(values))
        self.register_buffer("slope", band_row(seen.slopes) if any(seen.slopes) else None)
        self.widths = [int(width) for width in encoder.out_channels[1:]]  # type: ignore[index]
        rng = np.random.default_rng(SEED)
        widths = [width for width in self.widths if width]
        share = BEND / (1 + len(widths)) ** 0.5
        self.own = _layer(share * orthogonal(rng, len(seen.bands), count))
        self.layers = nn.ModuleList(_layer(share * _centred(orthogonal(rng, width, count))) for width in widths)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Numbers from -1 to 1, (n, number, y, x), of images (n, band, y, x) in stored units."""
        usual = scaled(image, self.mean, self.deviation)
        if self.bent:
            given = scaled(image, self.centre, self.spread, self.slope, self.seen.angle or 0)
        else:
            given = (image - self.centre) / self.spread
        levels = [level for level, width in zip(self.encoder(given)[1:], self.widths, strict=True) if width]
        # A linear layer before enlarging is the same as behind it, and has fewer pixels to work on.
        small = [layer(level) / _deviation(level) for layer, level in zip(self.layers, levels, strict=True)]
        return torch.cat([self._some(slice(first, first + GROUP), usual, small) for first in range(0, self.count, GROUP)], 1)

    def _some(self, own: slice, usual: torch.Tensor, small: list[torch.Tensor]) -> torch.Tensor:
        """Some of the numbers (n, number, y, x) of scaled bands (n, band, y, x) and what the levels give for all numbers, each in its size."""
        found = functional.conv2d(usual, self.own.weight[own])
        for level in small:
            found = found + functional.interpolate(level[:, own], usual.shape[2:], mode="bilinear")
        return torch.tanh(found)


def _layer(directions: np.ndarray) -> nn.Conv2d:
    """A layer that projects the channels of each pixel on directions (channel, number)."""
    channels, count = directions.shape
    found = nn.Conv2d(channels, count, 1, bias=False)
    found.weight = nn.Parameter(torch.from_numpy(np.ascontiguousarray(directions.T, np.float32))[:, :, None, None], requires_grad=False)
    return found


def _centred(directions: np.ndarray) -> np.ndarray:
    """Directions (channel, number) to which the mean of the channels makes no difference."""
    return directions - directions.mean(0)


def _deviation(level: torch.Tensor) -> torch.Tensor:
    """That of the channels at each place, (n, 1, y, x)."""
    mean = level.mean(1, keepdim=True)
    return ((level * level).mean(1, keepdim=True) - mean * mean).clamp_min(0).add(TINY).sqrt()


class SeriesEmbedding(nn.Module):
    """What an encoder of series finds in the clear dates, in an orthogonal projection of fixed seed where fewer numbers are wanted.

    Args:
        encoder: name, a key of `series.ENCODERS`, all of which end with a normalisation of each series by itself.
        seen: the series.
        count: of the numbers; None is those that the encoder gives, as far as they are not too many.
    """

    centre: torch.Tensor
    spread: torch.Tensor
    projection: torch.Tensor | None

    def __init__(self, encoder: str, seen: Input, count: int | None) -> None:
        super().__init__()
        self.encoder, self.seen = ENCODERS[encoder](seen), seen
        width = int(self.encoder.width)  # type: ignore[arg-type]
        self.count = count or min(width, MOST)
        self.register_buffer("centre", torch.tensor(seen.centre, dtype=torch.float32))
        self.register_buffer("spread", torch.tensor(seen.spread, dtype=torch.float32))
        matrix = torch.from_numpy(orthogonal(np.random.default_rng(SEED), width, self.count)) if self.count != width else None
        self.register_buffer("projection", matrix)

    def forward(self, values: torch.Tensor, days: torch.Tensor) -> torch.Tensor:
        """Numbers from -1 to 1 (n, number) of series in stored units (n, date, band) and the days of their dates (n, date), below 0 where a date
        does not count.
        """
        bands = torch.where((days >= 0)[..., None], (values - self.centre) / self.spread, 0.0)
        found = self.encoder(bands, days)
        return torch.tanh(BEND * (found if self.projection is None else found @ self.projection))


def orthogonal(rng: np.random.Generator, width: int, count: int) -> np.ndarray:
    """Random directions float32 (width, count), at right angles to each other where there is room for it, each of length 1."""
    drawn = rng.standard_normal((max(width, count), min(width, count)))
    found = np.linalg.qr(drawn)[0]
    found = found if width >= count else found.T
    return (found / np.linalg.norm(found, axis=0)).astype(np.float32)


def noise_like(seen: Input, number: int, side: int, seed: int) -> np.ndarray:
    """Images float32 (n, band, side, side) in stored units with the mean and deviation of the bands, whose brightness varies over all distances as
    that of landscapes does (amplitude falls with frequency; Field, JOSA A 4, 1987).
    """
    rng, rows = np.random.default_rng(seed), np.fft.fftfreq(side)[:, None]
    amplitude = 1 / np.maximum(np.hypot(rows, np.fft.rfftfreq(side)[None]), 1 / side)

    def drawn(layers: int) -> np.ndarray:
        white = np.fft.rfft2(rng.standard_normal((number, layers, side, side)))
        layer = np.fft.irfft2(white * amplitude, (side, side))
        return (layer - layer.mean((2, 3), keepdims=True)) / layer.std((2, 3), keepdims=True)

    mixed = SHARED ** 0.5 * drawn(1) + (1 - SHARED) ** 0.5 * drawn(len(seen.bands))
    mean, spread = (np.array([getattr(band, name) for band in seen.bands])[:, None, None] for name in ("mean", "std"))
    return (mean + spread * mixed).astype(np.float32)


def digest_parts(tensors: Sequence[tuple[str, torch.Tensor]]) -> list[bytes]:
    """Names and values of tensors, for a checksum."""
    return [part for name, tensor in tensors for part in (name.encode(), tensor.detach().cpu().contiguous().numpy().tobytes())]
