"""Augmentation of multispectral and radar tiles, on the device: only what can happen to a real image of the same place.

Geometry: flips and quarter turns, the eight symmetries of a square. Values: what a unit allows, and nothing that mixes bands as
hue, saturation or grey do. Reflectance varies by gain (illumination, calibration) and offset (haze); backscatter in dB by an
offset (calibration, incidence angle) and by speckle. The incidence angle itself is exact: changed beside unchanged backscatter it would
contradict the very slope it is there for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

import torch

from ..cards import Input, Inputs
from .data import Batch, laid
from .image_changes import BLUR_REACH, DECIBEL, cut_normal, exact, gaussian_blur, speckle

# Mild on purpose: more of everything made small datasets worse.
GAIN, BAND_GAIN = 0.05, 0.02
HAZE = 0.005  # reflectance
#: Deviation of the offset of each tile and band, dB. Calibration differs by less (1 dB at three deviations for Sentinel-1), but moisture, wind and
#: angle move whole scenes: found on water mapped at places left out of training (Sen1Floods11), where it was better than no offset.
DECIBELS = 1.5
LOOKS = 60  # of the added speckle, where the data's own was not measured
#: Times the looks of the data: what is added has a sixth of the variance of their own speckle.
MORE_LOOKS = 6
UNKNOWN_OFFSET = 0.1  # of the band's spread
BLUR_SHARE, DROP_SHARE = 0.1, 0.05
FEWEST_TO_DROP = 3  # of fewer bands none can be missed


class Augmentation:
    """Random changes of batches; every draw comes from the generator given with the batch.

    Args:
        kind: ``none``, ``flips`` (geometry) or ``full`` (geometry and values).
        inputs: of the batches.
        device: of the batches.
        looks: of the data, by input, see `speckle.measured_looks`.
    """

    def __init__(self, kind: str, inputs: Inputs, device: torch.device, looks: Mapping[str, float | None] = MappingProxyType({})) -> None:
        self.kind, self.values = kind, {name: ValueChanges(seen, device, looks.get(name)) for name, seen in inputs.items()}

    def __call__(self, batch: Batch, generator: torch.Generator) -> Batch:
        """The batch turned, flipped and, for ``full``, with changed values; missing pixels keep the band's centre."""
        if self.kind == "none":
            return batch
        batch = batch.turned(torch.randint(0, 8, (len(batch),), generator=generator).tolist())
        if self.kind == "flips":
            return batch
        return replace(batch, images={name: laid(change(batch.images[name], batch.valid[name], generator)) for name, change in self.values.items()})


class ValueChanges:
    """Random changes of the values of an input.

    Args:
        seen: with unit, scale and offset of its bands: physical = stored · scale + offset.
        device: of the images.
        looks: of the data; None: not known.
    """

    def __init__(self, seen: Input, device: torch.device, looks: float | None = None) -> None:
        self.device, bands, self.looks = device, seen.bands, MORE_LOOKS * looks if looks else LOOKS
        self.centre, self.spread = self._row(seen.centre), self._row([spread or 1.0 for spread in seen.spread])
        self.scale = self._row([band.scale or 1.0 for band in bands])
        self.zero = self._row([-band.offset / (band.scale or 1.0) for band in bands])  # the stored value of physical 0
        units = ["exact" if exact(band) else band.unit for band in bands]
        self.reflectance, self.decibel, self.linear = (
            self._row([found == unit for found in units]) for unit in ("reflectance", "dB", "linear"))
        self.radar = "dB" in units or "linear" in units
        self.fixed = self._row([unit == "exact" for unit in units]).bool()
        self.unknown = 1 - self.reflectance - self.decibel - self.linear - self.fixed.float()
        self.drops = units.count("exact") <= len(bands) - FEWEST_TO_DROP

    def __call__(self, images: torch.Tensor, valid: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Images (n, band, y, x) in stored units with changed values; where nothing is valid (n, y, x) the centre."""
        images = self._drop_band(self._blur(self._radiometry(images, generator), generator), generator)
        return torch.where(valid[:, None], images, self.centre)

    def _radiometry(self, images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Gain and offset per tile and band, and speckle for radar; (n, band, y, x), stored units."""
        n, bands = images.shape[:2]
        common, single, offset = (cut_normal((n, size, 1, 1), generator, self.device) for size in (1, bands, bands))
        gain = (1 + GAIN * common + BAND_GAIN * single).clamp(0.5, 1.5)
        power = 10 ** (DECIBELS * offset / 10)
        factor = self.reflectance * gain + self.unknown * gain + self.linear * power + self.decibel + self.fixed
        centre = self.unknown * self.centre + (1 - self.unknown) * self.zero
        step = (self.reflectance * HAZE + self.decibel * DECIBELS) / self.scale + self.unknown * UNKNOWN_OFFSET * self.spread
        images = centre + (images - centre) * factor + step * offset
        if self.radar:
            power = speckle(images.shape, self.looks, generator, self.device)
            images = images + self.decibel * DECIBEL * power.log() / self.scale + self.linear * (images - self.zero) * (power - 1)
        return images

    def _blur(self, images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """A slight Gaussian blur of some tiles, as of a worse focus or a resampled image."""
        chosen = (torch.rand(len(images), generator=generator) < BLUR_SHARE).nonzero()[:, 0]
        sigma = 0.4 + 0.6 * float(torch.rand(1, generator=generator))
        if not len(chosen):
            return images
        chosen = chosen.to(self.device)
        tiles = gaussian_blur(images[chosen] - self.centre, sigma, BLUR_REACH)  # around 0, so that float32 loses nothing
        return images.index_copy(0, chosen, torch.where(self.fixed, images[chosen], tiles + self.centre))

    def _drop_band(self, images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """In some tiles one band is missing, so that no single band decides everything."""
        n, bands = images.shape[:2]
        chosen = torch.rand(n, generator=generator) < DROP_SHARE
        band = torch.randint(0, bands, (n,), generator=generator)
        if not self.drops:
            return images
        gone = (torch.arange(bands)[None] == band[:, None]) & chosen[:, None]
        return torch.where(gone[:, :, None, None].to(self.device) & ~self.fixed, self.centre, images)

    def _row(self, values: Sequence[float]) -> torch.Tensor:
        return torch.tensor([float(value) for value in values], device=self.device).view(1, -1, 1, 1)
