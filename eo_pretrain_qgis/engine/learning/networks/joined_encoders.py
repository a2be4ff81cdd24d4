"""Encoders of several sensors beside each other, whose levels are joined to those of one.

What the levels are joined to decides the kind of fusion: early fusion has one encoder of all bands and needs nothing from here. Wirings of the middle
kinds are not published for these sensors; docs/adr/0025-joining-two-sensors.md says why they are as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import segmentation_models_pytorch as smp
import torch
from segmentation_models_pytorch.decoders.unet.decoder import UnetDecoder
from torch import nn
from torch.nn import functional

from ...cards import Inputs
from .encoders import build_encoder, build_unet

#: Of the decoder, from the deepest level to full resolution: those of segmentation-models-pytorch.
DECODER = (256, 128, 64, 32, 16)


class Joined(nn.Module):
    """Encoders of one name, one for each sensor, that see images with the bands of all behind each other.

    Args:
        encoder: name of the encoders.
        inputs: of the sensors.
        whole: nothing but the deepest level is looked at, which images with a class as a whole are told by.

    Attributes:
        encoders: in the order of the inputs.
        out_channels: widths of the levels that are given.
    """

    def __init__(self, encoder: str, inputs: Inputs, whole: bool = False) -> None:
        super().__init__()
        self.name, self.whole, self.widths = encoder, whole, [len(seen.bands) for seen in inputs.values()]
        self.encoders = nn.ModuleList(build_encoder(encoder, width) for width in self.widths)
        first: Any = self.encoders[0]
        self.output_stride = int(getattr(first, "output_stride", 32))
        self.out_channels = [int(width) for width in first.out_channels]

    @property
    def joined_widths(self) -> list[int]:
        """Widths of the levels behind the bands that are joined; 0 of those that are not."""
        *others, deepest = self.out_channels[1:]
        return [*([0] * len(others) if self.whole else others), deepest]

    def levels(self, image: torch.Tensor) -> list[list[torch.Tensor]]:
        """The levels of each encoder, of images in scaled units (n, band, y, x)."""
        return [encoder(part) for encoder, part in zip(self.encoders, image.split(self.widths, 1), strict=True)]

    def unet(self, classes: int) -> smp.Unet:
        """A U-Net with these encoders in the place of its own, and a decoder for what they give.

        Raises:
            ModelError: see `build_unet`.
        """
        unet = build_unet(self.name, self.widths[0], classes)
        if self.out_channels != list(unet.encoder.out_channels):
            unet.decoder = UnetDecoder(self.out_channels, DECODER, n_blocks=len(DECODER), add_center_block=self.name.startswith("vgg"))
        unet.encoder = self
        return unet


class Deepest(Joined):
    """The deepest levels behind each other; the levels before are those of the first sensor, whose details a decoder then sees."""

    def __init__(self, encoder: str, inputs: Inputs, whole: bool = False) -> None:
        super().__init__(encoder, inputs, whole)
        self.out_channels[-1] *= len(inputs)

    def forward(self, image: torch.Tensor) -> list[torch.Tensor]:
        """The levels, the deepest last, of images in scaled units (n, band, y, x)."""
        first, *others = self.levels(image)
        return [*first[:-1], torch.cat([first[-1], *(levels[-1] for levels in others)], 1)]


class AllLevels(Joined):
    """The levels behind each other, each brought back to the width of one encoder by a convolution of 1 × 1 that begins as their mean."""

    def __init__(self, encoder: str, inputs: Inputs, whole: bool = False) -> None:
        super().__init__(encoder, inputs, whole)
        self.mixes = nn.ModuleList(_mean(len(inputs), width) if width else nn.Identity() for width in self.joined_widths)

    def forward(self, image: torch.Tensor) -> list[torch.Tensor]:
        """The levels, the deepest last, of images in scaled units (n, band, y, x)."""
        bands, *levels = zip(*self.levels(image), strict=True)
        joined = [mix(torch.cat(same, 1)) if width else same[0] for mix, width, same in zip(self.mixes, self.joined_widths, levels, strict=True)]
        return [bands[0], *joined]


def _mean(count: int, width: int) -> nn.Conv2d:
    """A convolution of 1 × 1 of `count` levels behind each other that gives their mean."""
    layer = nn.Conv2d(count * width, width, 1)
    with torch.no_grad():
        layer.weight.copy_((torch.eye(width).repeat(1, count) / count)[:, :, None, None])
        nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
    return layer


class Gated(Joined):
    """At each level g · f₁ + (1 − g) · f₂, where g = σ(1×1 [f₁, f₂, a₁, a₂]) has one value for each pixel of the level.

    a is the share of the pixels that a sensor measured there. Where it measured none, g is a₁ / (a₁ + a₂), so that nothing of it counts; images that
    it measured nothing of are not seen by its encoder at all. The gate begins in the middle.
    """

    def __init__(self, encoder: str, inputs: Inputs, whole: bool = False) -> None:
        super().__init__(encoder, inputs, whole)
        self.gates = nn.ModuleList(_middle(2 * width + 2) if width else nn.Identity() for width in self.joined_widths)
        side, first = 2 * self.output_stride, self.encoders[0]
        with torch.no_grad():
            self.reductions = [] if whole else [side // level.shape[2] for level in first.eval()(torch.zeros(1, self.widths[0], side, side))[1:]]
        first.train()

    def forward(self, image: torch.Tensor, there: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        """The levels, the deepest last.

        Args:
            image: scaled units (n, band, y, x).
            there: which pixels each sensor measured, 0 or 1 (n, 1, y, x).
        """
        present = present_of(there)
        every = [where_there(encoder, part, own) for encoder, part, own in zip(self.encoders, image.split(self.widths, 1), present, strict=True)]
        bands, *levels = zip(*every, strict=True)
        joined = [self._joined(number, same, there) if width else same[0]
                  for number, (width, same) in enumerate(zip(self.joined_widths, levels, strict=True))]
        return [bands[0], *joined]

    def _joined(self, number: int, same: Sequence[torch.Tensor], there: Sequence[torch.Tensor]) -> torch.Tensor:
        """Both at the level of that number behind the bands."""
        first, second = same
        known = [functional.adaptive_avg_pool2d(one, (first.shape[2], first.shape[3])) if self.whole else
                 functional.avg_pool2d(one, self.reductions[number]) for one in there]
        gate = torch.sigmoid(self.gates[number](torch.cat([first, second, *known], 1)))
        gate = torch.where((known[0] > 0) & (known[1] > 0), gate, shares_of(known)[0])
        return gate * first + (1 - gate) * second


def _middle(channels: int) -> nn.Conv2d:
    """A gate that is open halfway."""
    layer = nn.Conv2d(channels, 1, 1)
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
    return layer


def shares_of(known: Sequence[torch.Tensor]) -> list[torch.Tensor]:
    """How much each sensor counts by what it measured of a place, in all 1; all alike where none measured anything."""
    total = torch.stack(list(known)).sum(0)
    return [torch.where(total > 0, one / total.clamp_min(1e-6), 1 / len(known)) for one in known]


def present_of(there: Sequence[torch.Tensor]) -> list[torch.Tensor]:
    """Which images a sensor measured anything of, bool (n,), by the pixels that each measured (n, 1, y, x); those that none did count for all."""
    seen = [one.flatten(1).any(1) for one in there]
    return [own | ~torch.stack(seen).any(0) for own in seen]


def where_there(network: nn.Module, image: torch.Tensor, present: torch.Tensor,
                call: Callable[[torch.Tensor], Any] | None = None) -> list[torch.Tensor]:
    """What a network gives for those images of a batch that are present, and 0 for the others, which it does not see: normalisation would learn them.

    A translated network computes all, since nothing of one image reaches another there.

    Args:
        network: whose layers are asked.
        image: (n, band, y, x).
        present: bool (n,).
        call: what to ask of images, for one tensor or several; None asks the network itself.
    """
    def ask(some: torch.Tensor) -> list[torch.Tensor]:
        given = (call or network)(some)
        return [given] if isinstance(given, torch.Tensor) else list(given)

    if torch.onnx.is_in_onnx_export() or bool(present.all()):
        return ask(image)
    rows = present.nonzero()[:, 0]
    found = ask(image[rows]) if len(rows) > 1 else _by_what_is_known(network, ask, image[rows] if len(rows) else image[:1])
    return [one.new_zeros((len(image), *one.shape[1:])).index_copy(0, rows, one[:len(rows)]) for one in found]


def _by_what_is_known(network: nn.Module, ask: Callable[[torch.Tensor], list[torch.Tensor]], image: torch.Tensor) -> list[torch.Tensor]:
    """What a network gives for a single image, which is no batch: it is normalised by the running statistics, and these stay as they are."""
    modes = {module: module.training for module in network.modules()}
    try:
        network.eval()
        return ask(image)
    finally:
        for module, mode in modes.items():
            module.training = mode
