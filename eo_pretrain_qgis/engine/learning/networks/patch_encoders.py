"""Encoders for small patches: VGG-16 with as many of its poolings as are wanted, a small convolutional network, and layers for single pixels.

VGG-16 (Simonyan and Zisserman, arXiv 1409.1556) halves an image five times, so patches of 10 px vanish in it. Max-poolings left out keep the patch
larger through the network, at the price of computing (ExtremeEarth; Khaleghian et al. 2021, doi 10.3390/rs13091734, who do not say which they left
out): here the last ones go first. Kernels and names of tensors stay those of VGG-16, so weights of it fit.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import segmentation_models_pytorch as smp
import torch
from torch import nn

#: Poolings of VGG-16.
POOLINGS = 5
_VGG = re.compile(r"(vgg16(?:_bn)?)(?:_([0-4])pools?)?")
SMALL, PIXELS = "adhoc_cnn", "pixel_layers"
#: Widths of the small network, of a kernel of 3 × 3 pixels each; before the last an image is halved.
WIDTHS = (32, 64, 128)
#: Widths of the layers for single pixels.
PIXEL_WIDTHS = (128, 128, 128)
#: Names of encoders that stand beside those of the libraries.
NAMES = (SMALL, PIXELS, *(f"{base}_{count}pool{'' if count == 1 else 's'}" for base in ("vgg16", "vgg16_bn") for count in range(POOLINGS)))
#: Widths of the layers between the averaged last level and the classes; the first of VGG-16's own dense layers, of 4,096, would have 2.1 · 10⁹
#: weights at 32 px without poolings.
HIDDEN = {SMALL: (128,), "vgg16": (512, 256), "vgg16_bn": (512, 256)}


def hidden_widths(name: str) -> tuple[int, ...]:
    """Widths of the layers behind an encoder of that name, before its classes; none for those of other libraries."""
    found = _VGG.fullmatch(name)
    return HIDDEN.get(found[1] if found else name, ())


def poolings_that_fit(side: int) -> int:
    """How often patches of so many pixels can be halved by VGG-16: 3 times at 10 px, 4 at 20, 5 at 32."""
    return min(POOLINGS, max(0, side.bit_length() - 1))


def fitting(name: str, side: int) -> str:
    """The VGG-16 of that name with as many poolings as patches of so many pixels allow; empty where it is none, or fits."""
    found, fit = _VGG.fullmatch(name), poolings_that_fit(side)
    if not found or int(found[2] or POOLINGS) <= fit:
        return ""
    return f"{found[1]}_{fit}pool{'' if fit == 1 else 's'}"


def weights_of(name: str) -> str:
    """The encoder whose weights fit one of that name: VGG-16, whatever poolings are left out; others know their own alone."""
    found = _VGG.fullmatch(name)
    return found[1] if found else name


def build(name: str, bands: int) -> nn.Module:
    """The encoder of one of `NAMES`, with new weights."""
    found = _VGG.fullmatch(name)
    if not found:
        return SmallEncoder(bands) if name == SMALL else PixelEncoder(bands)
    with torch.device("meta"):  # with it come, and go at once, a hundred million weights of dense layers
        encoder = smp.encoders.get_encoder(found[1], in_channels=bands, depth=POOLINGS, weights=None)
    encoder.to_empty(device="cpu").apply(_begin)
    places = [place for place, layer in enumerate(encoder.features) if isinstance(layer, nn.MaxPool2d)]
    for place in places[int(found[2]):]:
        encoder.features[place] = nn.Identity()  # so that the numbers of the other layers stay
    encoder._output_stride = 2 ** int(found[2])
    return encoder


def _begin(layer: nn.Module) -> None:
    """New weights of a layer, as torchvision's VGG has them."""
    if isinstance(layer, nn.Conv2d) and layer.bias is not None:
        nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
        nn.init.zeros_(layer.bias)
    elif isinstance(layer, nn.BatchNorm2d):
        layer.reset_parameters()


class SmallEncoder(nn.Module):
    """A convolutional network for patches from 10 px on, of 0.1 million weights: two kernels, a pooling, one more kernel.

    Kernels see no pixels beside the patch, so it has a fully convolutional form that says the same, see `dense.Dense`. The network that ExtremeEarth
    made for sea ice is described in words only; this one is ours.

    Args:
        bands: number of input bands.
    """

    output_stride = 2

    def __init__(self, bands: int) -> None:
        super().__init__()
        self.out_channels = [bands, *WIDTHS[1:]]
        self.fine = nn.Sequential(*_kernel(bands, WIDTHS[0]), *_kernel(WIDTHS[0], WIDTHS[1]))
        self.halve = nn.MaxPool2d(2)
        self.coarse = nn.Sequential(*_kernel(WIDTHS[1], WIDTHS[2]))

    @staticmethod
    def left_of(side: int) -> int:
        """Height and width of the deepest level of a patch of so many pixels."""
        return (side - 4) // 2 - 2

    def forward(self, image: torch.Tensor) -> Sequence[torch.Tensor]:
        """Its levels (n, channel, y, x), the image first and the deepest last."""
        fine = self.fine(image)
        return [image, fine, self.coarse(self.halve(fine))]


def _kernel(before: int, after: int) -> tuple[nn.Module, ...]:
    """A kernel of 3 × 3 pixels with its normalisation."""
    return nn.Conv2d(before, after, 3, bias=False), nn.BatchNorm2d(after), nn.ReLU(inplace=True)


class PixelEncoder(nn.Module):
    """Three layers that see the bands of a pixel and none beside it: for patches of one pixel, such as the rows of a table of samples.

    Args:
        bands: number of input bands.
    """

    output_stride = 1

    def __init__(self, bands: int) -> None:
        super().__init__()
        self.out_channels = [bands, *PIXEL_WIDTHS]
        self.layers = nn.ModuleList(nn.Sequential(nn.Conv2d(before, after, 1, bias=False), nn.BatchNorm2d(after), nn.ReLU(inplace=True))
                                    for before, after in zip(self.out_channels, PIXEL_WIDTHS))

    def forward(self, image: torch.Tensor) -> Sequence[torch.Tensor]:
        """Its levels (n, channel, y, x), the image first and the deepest last."""
        levels = [image]
        for layer in self.layers:
            levels.append(layer(levels[-1]))
        return levels
