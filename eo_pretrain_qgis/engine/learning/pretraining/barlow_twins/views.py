"""Views: what a place might have looked like in another image of it, drawn at random, many tiles at once on the device.

A view is a part of the tile in one of its eight orientations, with other illumination, calibration, haze or focus. Nothing is
changed that an image of the same place would not change in, so there is no hue, no solarisation and no mixing of bands with known
units; only for pictures of unknown units in two or three bands, such as JPEGs, do the bands vary as those of photographs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch.nn.functional import affine_grid, avg_pool2d, grid_sample, max_pool2d

from .....errors import DataError
from ....cards import Input
from ...image_changes import BLUR_REACH, DECIBEL, cut_normal, exact, gaussian_blur, speckle
from ...networks.class_networks import band_row, scaled

#: Between sides of a view, as in random resized crops (Szegedy et al., arXiv 1409.4842, §6), but half of it in logarithms: pixels are square.
ASPECT = 0.5 * math.log(4 / 3)
#: Ångström's exponent of continental aerosol, by which haze falls with the wavelength (Ångström 1929, Geografiska Annaler 11).
ANGSTROM, BLUE_UM = 1.3, 0.49
FACTORS = (0.3, 1.9)  # that gains stay within
SIGMA = (0.4, 1.2)  # of the blur, pixels of the view
#: Values that a processor works on at once: some twenty passes over 4 MB stay near its caches.
CACHED = 1 << 20


@dataclass(frozen=True)
class ViewPlan:
    """How views differ from tiles. Deviations are those of normal numbers cut at two of them.

    Values change little by default, because they tell classes apart (docs/evidence/notebook.md).

    Attributes:
        crop: side of a view, pixels of the network's input; None: that of the tile.
        smallest: least share of the tile's area that a view shows, 0.25 for half its side; None: see `shares`.
        largest: largest share; None: see `shares`.
        gain: deviation of the factor all bands share; also of the contrast, for optical images.
        band_gain: deviation of the factor of each band.
        offset: deviation of what is added to optical bands, in spreads of the band.
        blur: share of views that are blurred.
        band_drop: share of views in which up to a third of the bands are missing; of pictures of unknown units in two or three bands,
            share of views in which one mixture takes the place of all bands.
        looks: of the speckle that radar views get in addition.
        trend: deviation of the slope of radar views from edge to edge, dB, as between near and far range.
    """

    crop: int | None
    smallest: float | None
    largest: float | None
    gain: float
    band_gain: float
    offset: float
    blur: float
    band_drop: float
    looks: float
    trend: float

    def shares(self, tile_size: int) -> tuple[float, float]:
        """Least and largest share of a tile's area in a view.

        Where a view is smaller than the tile it shows, by default, as much of it as has its own number of pixels, more or less: an encoder
        that saw shrunk tiles only knows less of the fine texture of whole ones.

        Raises:
            DataError: the least is larger than the largest.
        """
        own = min(1.0, ((self.crop or tile_size) / tile_size) ** 2)
        smallest = (0.25 if own == 1 else 0.6 * own) if self.smallest is None else self.smallest
        largest = min(1.0, 1.4 * own) if self.largest is None else self.largest
        if smallest > largest:
            raise DataError(f"The least share of a tile in a view ({smallest:g}) is larger than the largest ({largest:g}). Exchange the two, or "
                            "leave both empty.")
        return smallest, largest


class Views:
    """Draws views of the tiles of one input.

    Args:
        seen: the input.
        dtype: of the pixels of its sensor.
        tile_size: side of the tiles, pixels.
        plan: what may differ.
        device: of the tiles.

    Attributes:
        size: side of the views, pixels.
    """

    def __init__(self, seen: Input, dtype: str, tile_size: int, plan: ViewPlan, device: torch.device) -> None:
        self.plan, self.device = plan, device
        self.size = plan.crop or tile_size
        self.shares = plan.shares(tile_size)
        # Where every view is coarser than the tile by two or more, pixels are averaged first, or sampling would skip some.
        self.reduction = max(1, int(math.sqrt(self.shares[0]) * tile_size / self.size))
        self.centre, self.spread = (band_row(values).to(device) for values in (seen.centre, [spread or 1.0 for spread in seen.spread]))
        bands = seen.bands
        fixed = [exact(band) for band in bands]
        units = ["fixed" if still else band.unit for still, band in zip(fixed, bands)]
        self.decibel, self.linear, self.still = (self._row([unit == wanted for unit in units]) for wanted in ("dB", "linear", "fixed"))
        self.optical = 1 - self.decibel - self.linear - self.still
        # Asked once, because the answer of a GPU has to be waited for.
        self.radar, self.has_linear = bool((self.decibel + self.linear).any()), bool(self.linear.any())
        self.scale = self._row([band.scale or 1.0 for band in bands])
        photograph = dtype == "uint8"  # 0 is black, so gains act from there; of other unknown units nothing is known of 0
        unknown = [unit == "unknown" and not photograph for unit in units]
        physical_zero = self._row([-band.offset / (band.scale or 1.0) for band in bands])
        self.zero = torch.where(self._row(unknown) > 0, self.centre, physical_zero)
        self.haze = self._row([min(1.5, (band.wavelength_um / BLUE_UM) ** -ANGSTROM) if band.wavelength_um else 1.0 for band in bands])
        self.mixes = 1 < len(bands) <= 3 and set(units) == {"unknown"}
        self.changing = len(bands) - sum(fixed)
        self.drops = self.changing >= 3 and not self.mixes
        self.tilts = self.radar and not any(fixed)  # a slope under an angle that stays would teach that the two have nothing to do with each other

    @torch.no_grad()
    def __call__(self, images: torch.Tensor, valid: torch.Tensor | None, generator: torch.Generator) -> torch.Tensor:
        """A view of each tile.

        Args:
            images: float32 (n, band, y, x), stored units; any finite value where nothing is valid.
            valid: bool (n, y, x); None: all pixels are.
            generator: on the processor; decides everything.

        Returns:
            float32 (n, band, size, size), scaled as encoders see it, see `networks.scaled`; 0 where nothing is valid.
        """
        n, bands, side = images.shape[:3]
        count = max(1, CACHED // (bands * max(side, self.size) ** 2)) if self.device.type == "cpu" else n
        views = torch.empty((n, bands, self.size, self.size), device=self.device, memory_format=torch.channels_last)
        for start in range(0, n, count):
            part = slice(start, start + count)
            views[part] = self._views(images[part], None if valid is None else valid[part], generator)
        return views

    def _views(self, images: torch.Tensor, valid: torch.Tensor | None, generator: torch.Generator) -> torch.Tensor:
        """Views of so many tiles as are worked on at once, see `__call__`."""
        known = None if valid is None else valid[:, None].float()
        if self.reduction > 1:
            images = avg_pool2d(images, self.reduction)
            known = None if known is None else -max_pool2d(-known, self.reduction)
        grid = self._grid(len(images), generator)
        view = grid_sample(images, grid, mode="bilinear", padding_mode="border", align_corners=False)
        if known is not None:  # a pixel with any share of a missing one is missing
            known = grid_sample(known, grid, mode="bilinear", padding_mode="border", align_corners=False) > 0.999
        view = self._blur(self._radiometry(view, generator), generator)
        if self.tilts:
            view = self._slope(view, generator)
        if self.radar:
            view = self._amplify(view, DECIBEL * speckle(view.shape, self.plan.looks, generator, self.device).log())
        view = scaled(view, self.centre, self.spread)
        view = self._mix(view, generator) if self.mixes else self._drop(view, generator) if self.drops else view
        return view if known is None else view.masked_fill_(~known, 0)

    def _grid(self, n: int, generator: torch.Generator) -> torch.Tensor:
        """Where views take their pixels, (n, size, size, 2) in -1 … 1: one of eight symmetries of a part of the tile."""
        side = self._uniform((n,), generator, *self.shares).sqrt()
        aspect = self._uniform((n,), generator, -ASPECT, ASPECT).exp()
        width, height = (side * aspect).clamp(max=1), (side / aspect).clamp(max=1)
        right, down = ((self._uniform((n,), generator, -1, 1)) * (1 - length) for length in (width, height))
        turn = torch.randint(0, 4, (n,), generator=generator) * (math.pi / 2)
        mirror = torch.randint(0, 2, (n,), generator=generator) * 2 - 1
        cosine, sine = torch.cos(turn).round(), torch.sin(turn).round()
        rows = (width * cosine * mirror, -width * sine, right), (height * sine * mirror, height * cosine, down)
        matrix = torch.stack([torch.stack(row, 1) for row in rows], 1).to(self.device)
        return affine_grid(matrix, [n, 1, self.size, self.size], align_corners=False)

    def _radiometry(self, view: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Gain, and for optical bands contrast and offset, in one pass over the pixels: view · factor + term."""
        n, bands = view.shape[:2]
        plan, one = self.plan, (n, 1, 1, 1)
        gain = 1 + plan.gain * cut_normal(one, generator, self.device) + plan.band_gain * cut_normal((n, bands, 1, 1), generator, self.device)
        gain = gain.clamp(*FACTORS)
        contrast = 1 + self.optical * ((1 + plan.gain * cut_normal(one, generator, self.device)).clamp(*FACTORS) - 1)
        haze, single = cut_normal(one, generator, self.device), cut_normal((n, bands, 1, 1), generator, self.device)
        offset = self.optical * plan.offset * self.spread * math.sqrt(0.5) * (self.haze * haze + single)
        from_zero = self.optical + self.linear
        factor = from_zero * gain + (1 - from_zero)
        term = from_zero * self.zero * (1 - gain) + self.decibel * DECIBEL * gain.log() / self.scale
        mean = view.mean((2, 3), keepdim=True) * factor + term
        return view.mul(factor * contrast).add_(term * contrast + mean * (1 - contrast) + offset)

    def _blur(self, view: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """A Gaussian blur of some views, as of worse focus, of haze or of resampling."""
        chosen = (torch.rand(len(view), generator=generator) < self.plan.blur).nonzero()[:, 0].to(self.device)
        sigma = float(self._uniform((1,), generator, *SIGMA))
        if not len(chosen):
            return view
        part = gaussian_blur(view[chosen] - self.centre, sigma, BLUR_REACH)  # around 0, so that float32 loses nothing
        return view.index_copy_(0, chosen, torch.where(self.still > 0, view[chosen], part + self.centre))

    def _slope(self, view: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Backscatter that rises or falls across the view in any direction, as it does with the incidence angle."""
        n = len(view)
        angle = self._uniform((n, 1, 1, 1), generator, 0, 2 * math.pi).to(self.device)
        edge = self.plan.trend / 2 * cut_normal((n, 1, 1, 1), generator, self.device)
        axis = torch.linspace(-1, 1, self.size, device=self.device)
        plane = edge * (torch.cos(angle) * axis.view(1, 1, 1, -1) + torch.sin(angle) * axis.view(1, 1, -1, 1))
        return self._amplify(view, plane)

    def _amplify(self, view: torch.Tensor, decibels: torch.Tensor) -> torch.Tensor:
        """Radar bands amplified by so many dB; other bands stay."""
        if not self.has_linear:
            return view + self.decibel * decibels / self.scale
        power = (decibels / DECIBEL).exp()
        return view + self.decibel * decibels / self.scale + self.linear * (view - self.zero) * (power - 1)

    def _mix(self, view: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """In some views one mixture of the bands, with random weights, takes the place of all."""
        n, bands = view.shape[:2]
        chosen = (torch.rand(n, generator=generator) < self.plan.band_drop).to(self.device)
        weights = torch.rand((n, bands, 1, 1), generator=generator).add_(1e-3).to(self.device)
        mixture = (view * (weights / weights.sum(1, keepdim=True))).sum(1, keepdim=True)
        return torch.where(chosen.view(-1, 1, 1, 1), mixture, view)

    def _drop(self, view: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """In some views one to a third of the bands are missing, so that no single band decides everything."""
        n, bands = view.shape[:2]
        chosen = (torch.rand(n, generator=generator) < self.plan.band_drop).nonzero()[:, 0]
        most = torch.randint(1, self.changing // 3 + 1, (len(chosen), 1), generator=generator)
        order = torch.rand((len(chosen), bands), generator=generator).argsort(1).to(self.device)
        order = (order + bands * self.still.view(1, -1)).argsort(1).argsort(1)  # bands that stay come last
        kept = (order >= most.to(self.device)).float().view(-1, bands, 1, 1)
        chosen = chosen.to(self.device)
        return view.index_copy_(0, chosen, view[chosen] * kept)

    @staticmethod
    def _uniform(shape: tuple, generator: torch.Generator, low: float, high: float) -> torch.Tensor:
        return torch.rand(shape, generator=generator) * (high - low) + low

    def _row(self, values: Sequence[float]) -> torch.Tensor:
        return band_row([float(value) for value in values]).to(self.device)
