"""Networks that see, beside the bands, how well each class fits a pixel at its incidence angle."""

from __future__ import annotations

from dataclasses import replace

import torch

from ...cards import Input, Inputs, stacked
from ...measures.incidence_angle import GaussianAngle
from .patch_encoders import hidden_widths
from .spectral import SpectralClassifier

#: Logarithms of likelihoods below the largest possible one are cut here, and divided by the other, so that they lie beside scaled bands.
LOWEST, UNIT = -50.0, 10.0


class GaussianClassifier(SpectralClassifier):
    """A classifier above a regression whose encoder gets a channel for each class: the logarithm of Lohse's likelihood of the pixel, see
    `measures.incidence_angle.GaussianAngle`, without the share of the class.

    Args:
        encoder: name of the encoder.
        inputs: what it sees, with an incidence angle.
        classes: number of classes.
    """

    intercepts: torch.Tensor
    falls: torch.Tensor
    precisions: torch.Tensor

    def __init__(self, encoder: str, inputs: Inputs, classes: int) -> None:
        super().__init__(encoder, inputs, classes, hidden_widths(encoder), classes)
        bands = len(stacked(inputs.values()).bands) - 1
        self.others = [place for place in range(bands + 1) if place != self.seen.angle]
        self.register_buffer("intercepts", torch.zeros(classes, bands))
        self.register_buffer("falls", torch.zeros(classes, bands))
        self.register_buffer("precisions", torch.zeros(classes, bands, bands))

    def adopt(self, model: GaussianAngle) -> None:
        """Takes over what was fitted to pixels in stored units; of a class that was not seen the channel stays 0."""
        for ours, theirs in ((self.intercepts, model.intercepts), (self.falls, model.slopes)):
            ours.copy_(torch.from_numpy(theirs))
        seen = torch.from_numpy(model.constants).isfinite()[:, None, None]
        self.precisions.copy_(torch.where(seen, torch.from_numpy(model.precisions), 0))

    def scaled(self, image: torch.Tensor) -> torch.Tensor:
        """Bands in scaled units and the channels of the classes, (n, band + class, y, x); 0 where nothing was measured."""
        bands = super().scaled(image)
        with torch.autocast(image.device.type, enabled=False):
            image = image.float()
            angle = image[:, self.seen.angle or 0]
            line = self.intercepts[None, :, :, None, None] + self.falls[None, :, :, None, None] * angle[:, None, None]
            apart = image[:, None, self.others] - line
            distance = torch.einsum("ncbyx,cbd,ncdyx->ncyx", apart, self.precisions, apart)
            known = (image != self.centre).any(1, keepdim=True)
            return torch.cat([bands, torch.where(known, (-0.5 * distance).clamp_min(LOWEST) / UNIT, 0.0)], 1)


def with_channels(seen: Input, classes: list[str]) -> Input:
    """What the encoder of such a network takes: an input with a band for each class, named so that other weights are not taken for them."""
    band = replace(seen.bands[0], wavelength_um=None, unit="", scale=1.0, offset=0.0, centre=0.0, spread=1.0, slope=0.0)
    return replace(seen, bands=(*seen.bands, *(replace(band, name=f"likelihood of {name}") for name in classes)))
