"""How well hidden pixels were filled: mean error, PSNR and SSIM, and fills without a network to compare with."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from skimage.restoration import inpaint_biharmonic
from torch.nn.functional import avg_pool2d, interpolate, pad

from ....cards import InputBand
from ...image_changes import gaussian_blur
from ...networks.class_networks import band_row, scaled

SIGMA, REACH = 1.5, 5  # of the window of SSIM, pixels (Wang et al. 2004, IEEE TIP 13(4), §III-C)
STEADY = (0.01**2, 0.03**2)  # keeps flat places from dividing by 0 (ibid., eq. 7 and 10), for a range of 1
LIMIT = 12.0  # of scaled values when they are brought back to stored ones: sinh(12) spreads from the centre
LEAST_ERROR = 1e-10  # squared, so that a perfect fill has a PSNR of 100 dB


class FillingQuality:
    """Measures fills of hidden pixels; errors are those of scaled values, see `networks.scaled`.

    PSNR and SSIM take as range of a band what lies between its 0.1 % and 99.9 % percentile over the training tiles; bands that never
    change do not count. Every hidden pixel weighs the same, wherever it lies.

    Args:
        bands: of the images.
        device: of the images.
    """

    def __init__(self, bands: Sequence[InputBand], device: torch.device) -> None:
        self.bands = bands
        self.centre = band_row([band.centre for band in bands]).to(device)
        self.spread = band_row([band.spread or 1.0 for band in bands]).to(device)
        self.unit = band_row([abs(band.scale) or 1.0 for band in bands]).to(device)
        self.low, high = (scaled(band_row([getattr(band, key) for band in bands]).to(device), self.centre, self.spread) for key in ("p001", "p999"))
        self.varying = (high > self.low).flatten()
        self.reach = torch.where(high > self.low, high - self.low, 1.0)

    @property
    def size(self) -> int:
        """Length of what `sums` gives."""
        return 1 + 4 * len(self.bands)

    def stored(self, values: torch.Tensor) -> torch.Tensor:
        """Stored units of scaled values (n, band, y, x)."""
        return self.centre + self.spread * torch.sinh(values.clamp(-LIMIT, LIMIT))

    @torch.no_grad()
    def sums(self, found: torch.Tensor, truth: torch.Tensor, hidden: torch.Tensor) -> np.ndarray:
        """What `figures` needs, to be added up over batches.

        Args:
            found: the fill, scaled units (n, band, y, x); only its hidden pixels are looked at.
            truth: of the same shape.
            hidden: bool (n, y, x).

        Returns:
            float64 (1 + 4 band,): hidden pixels; per band sums of the absolute error, of the squared error in parts of the range, of the
            SSIM, and of the absolute error in units of the band.
        """
        covered = hidden[:, None]
        filled = torch.where(covered, found.float(), truth)
        error = filled - truth
        with torch.autocast(error.device.type, enabled=False):
            alike = ssim((filled - self.low) / self.reach, (truth - self.low) / self.reach)
        physical = (self.stored(filled) - self.stored(truth)).abs() * self.unit
        rows = (error.abs(), (error / self.reach) ** 2, alike, physical)
        sums = [torch.where(covered, row, 0.0).sum((0, 2, 3)) for row in rows]
        return torch.cat([hidden.sum()[None].float(), *sums]).cpu().double().numpy()

    def figures(self, sums: np.ndarray) -> dict[str, float]:
        """``l1`` in scaled units, ``psnr`` in dB and ``ssim``, means over hidden pixels and bands; empty when nothing was hidden."""
        count, chosen = float(sums[0]), self.varying.cpu().numpy()
        if not count or not chosen.any():
            return {}
        error, squared, alike, _ = sums[1:].reshape(4, -1)[:, chosen].mean(1) / count
        return {"psnr": -10 * math.log10(max(squared, LEAST_ERROR)), "ssim": float(alike), "l1": float(error)}

    def band_errors(self, sums: np.ndarray) -> list[float]:
        """Mean absolute error of each band in its own unit, such as reflectance or dB."""
        return [float(value) for value in sums[1:].reshape(4, -1)[3] / max(float(sums[0]), 1.0)]


def ssim(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    """Structural similarity at each pixel of two batches (n, band, y, x) whose values span 1 (Wang et al. 2004, eq. 13)."""
    means, squares, product = [], [], gaussian_blur(first * second, SIGMA, REACH)
    for images in (first, second):
        means.append(gaussian_blur(images, SIGMA, REACH))
        squares.append(gaussian_blur(images**2, SIGMA, REACH))
    common, levels = means[0] * means[1], means[0] ** 2 + means[1] ** 2
    alike = (2 * common + STEADY[0]) * (2 * (product - common) + STEADY[1])
    return alike / ((levels + STEADY[0]) * (sum(squares) - levels + STEADY[1]))


def mean_fill(truth: torch.Tensor, shown: torch.Tensor) -> torch.Tensor:
    """Every pixel of a tile as the mean of the pixels that are shown.

    Args:
        truth: scaled units (n, band, y, x).
        shown: bool (n, y, x).
    """
    weight = shown[:, None].float()
    return ((truth * weight).sum((2, 3), keepdim=True) / weight.sum((2, 3), keepdim=True).clamp_min(1)).expand_as(truth)


def smooth_fill(truth: torch.Tensor, shown: torch.Tensor) -> torch.Tensor:
    """A quick smooth continuation: ever coarser means of what is shown, and back (push-pull; Gortler et al. 1996, The Lumigraph, §3.4).

    Args:
        truth: scaled units (n, band, y, x); what is not shown is not looked at.
        shown: bool (n, y, x).
    """
    weight = shown[:, None].to(truth.dtype)
    return _push_pull(truth * weight, weight)


def _push_pull(values: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Fills `values`, which are multiplied by their weights 0 to 1 already, from their next coarser level."""
    height, width = values.shape[-2:]
    if height == width == 1:
        return values / weight.clamp_min(1e-6)
    more = (0, width % 2, 0, height % 2)
    coarse, covered = (avg_pool2d(pad(level, more), 2) for level in (values, weight))
    full = (4 * covered).clamp_max(1) / covered.clamp_min(1e-6)  # one known pixel of four is enough
    above = interpolate(_push_pull(coarse * full, covered * full), scale_factor=2, mode="bilinear", align_corners=False)
    return values + (1 - weight) * above[..., :height, :width]


def biharmonic_fill(truth: torch.Tensor, shown: torch.Tensor) -> torch.Tensor:
    """The smoothest continuation of what is shown, tile by tile (scikit-image; Damelin and Hoang 2018, doi 10.1155/2018/3950312).

    Args:
        truth: scaled units (n, band, y, x).
        shown: bool (n, y, x).
    """
    filled = truth.cpu().numpy().copy()
    for tile, seen in zip(filled, shown.cpu().numpy()):
        if seen.any() and not seen.all():
            tile[:] = np.moveaxis(inpaint_biharmonic(np.moveaxis(tile, 0, -1), ~seen, channel_axis=-1), -1, 0)
    return torch.from_numpy(filled).to(truth.device)
