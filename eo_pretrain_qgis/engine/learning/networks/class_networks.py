"""The networks that know classes, per pixel or per tile: stored values in, class scores out, scaling inside."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from ...cards import Input, Inputs, stacked
from .encoders import BareEncoder, build_encoder, build_unet
from .joined_encoders import Joined

#: Channels of the layers at full resolution.
DETAIL = 32
#: Share of the values that are left out before the last layer, where layers of one value per image stand before it; and how many pixels one of those
#: stands for.
DROPOUT, WHOLE = 0.5, 2**16
#: Whose square float32 can hold.
LARGE = 1e18
#: What `scaled` does, for those who read an encoder.json and use the weights elsewhere.
SCALED = "asinh((stored value - centre) / spread) of each band, 0 where no value is known"


def scaled(image: torch.Tensor, centre: torch.Tensor, spread: torch.Tensor, slope: torch.Tensor | None = None, angle: int = 0) -> torch.Tensor:
    """What every encoder sees: asinh((value - centre) / spread).

    Linear where most pixels lie and logarithmic far out, so that clouds and corner reflectors stay distinct without pressing all land
    into a sliver of the range (Lupton et al. 1999, AJ 118, 1406).

    Args:
        image: stored units, (n, band, y, x).
        centre: per band, (1, band, 1, 1); stands for a missing pixel, which is 0 after scaling.
        spread: per band, (1, band, 1, 1), not 0.
        slope: per band, (1, band, 1, 1), what is taken off first for each unit by which the band `angle` is above its centre; None takes nothing off.
        angle: position of that band.
    """
    apart = image - centre
    return asinh((apart if slope is None else apart - slope * apart[:, angle:angle + 1]) / spread)


def asinh(values: torch.Tensor) -> torch.Tensor:
    """`torch.asinh`, which takes four to eight times as long on a processor, in torch and in onnxruntime; up to 3e-7 from it near 0."""
    if torch.onnx.is_in_onnx_export():
        size = values.abs().clamp(max=LARGE)
        return torch.log(size + torch.sqrt(size * size + 1)) * torch.sign(values)
    if values.device.type != "cpu" or values.requires_grad:
        return torch.asinh(values)
    size = values.abs().clamp_(max=LARGE)
    return torch.addcmul(torch.ones(()), size, size).sqrt_().add_(size).log_().copysign_(values)


def band_row(values: Sequence[float]) -> torch.Tensor:
    """Numbers per band as float32 (1, band, 1, 1)."""
    return torch.tensor([float(value) for value in values], dtype=torch.float32).view(1, -1, 1, 1)


class ClassNetwork(nn.Module):
    """An encoder with a head for classes, which takes bands as they are stored and scales them itself, see `scaled`, so that nobody can
    feed it another range.

    Args:
        encoder: gives its levels, the deepest last.
        inputs: what it sees; a band that never changes, of a spread of 0, is only shifted.

    Attributes:
        seen: the input, of several all their bands behind each other.
        stride: height and width of an image must be multiples of this many pixels.
        halved: pixels of the image that one of the deepest level stands for, along an axis.
        fitted: beginnings of the names of tensors that no starting weights are taken for, because they are fitted to the labels first.
        heads: how many of the classes are of each target, where there are several.
        beside: names of arrays of the dataset that it learns beside the classes; its scores before a sigmoid follow those of the classes.
    """

    centre: torch.Tensor
    spread: torch.Tensor
    slope: torch.Tensor | None
    fitted: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()
    heads: tuple[int, ...] = ()

    def __init__(self, encoder: nn.Module, inputs: Inputs) -> None:
        super().__init__()
        self.encoder, self.inputs, self.seen = encoder, inputs, stacked(inputs.values())
        self.stride = self.halved = int(getattr(encoder, "output_stride", 32))
        self.register_buffer("centre", band_row(self.seen.centre))
        self.register_buffer("spread", band_row([value or 1.0 for value in self.seen.spread]))
        self.register_buffer("slope", band_row(self.seen.slopes) if any(self.seen.slopes) else None, persistent=False)

    def image(self, given: dict[str, torch.Tensor]) -> torch.Tensor:
        """Of what the network is given by names of inputs, the images, (n, band, y, x), with the bands of several behind each other."""
        images = [given[one.name] for one in self.seen.each]
        return images[0] if len(images) == 1 else torch.cat(images, 1)

    def there(self, image: torch.Tensor) -> list[torch.Tensor]:
        """Which pixels each input measured, 0 or 1 (n, 1, y, x), of images with the bands of all."""
        other = image != self.centre
        return [own.any(1, keepdim=True).float() for own in other.split(self.seen.widths, 1)]

    @property
    def branches(self) -> list[tuple[Any, Input]]:
        """What has an `encoder` that starting weights can be given to, with what that sees: itself, or one for each sensor."""
        if isinstance(self.encoder, Joined):
            return [(BareEncoder(own), seen) for own, seen in zip(self.encoder.encoders, self.seen.each, strict=True)]
        return [(self, self.seen)]

    def scaled(self, image: torch.Tensor) -> torch.Tensor:
        """Stored units in scaled units, (n, band, y, x)."""
        return scaled(image, self.centre, self.spread, self.slope, self.seen.angle or 0)

    def features(self, image: torch.Tensor) -> torch.Tensor:
        """What the encoder finds in whole images: its last level, averaged, (n, channel)."""
        return self.encoder(self.scaled(image))[-1].mean((2, 3))

    def train(self, mode: bool = True) -> ClassNetwork:
        """Training or evaluation mode; frozen parts stay in evaluation mode, or their batch statistics would drift."""
        super().train(mode)
        for module in self.modules():
            parameters = list(module.parameters())
            if parameters and not any(one.requires_grad for one in parameters):
                for inner in module.modules():
                    inner.training = False
        return self


class SegmentationNetwork(ClassNetwork):
    """A U-Net: a class per pixel.

    The U-Net of segmentation-models-pytorch sees the image at half its resolution at best, which loses what is one pixel wide and
    the spectrum of the pixel itself; two layers at full resolution, `detail`, bring both to the head.

    Tensors are named as in segmentation-models-pytorch (``encoder.…``, ``decoder.…``, ``segmentation_head.…``), and inside the
    encoder as in torchvision and timm, so that weights move freely between these libraries and this one.

    Args:
        encoder: name of the encoder, or several that are joined.
        inputs: what it sees.
        classes: number of classes.
    """

    def __init__(self, encoder: str | Joined, inputs: Inputs, classes: int) -> None:
        bands = len(stacked(inputs.values()).bands)
        unet = build_unet(encoder, bands, classes) if isinstance(encoder, str) else encoder.unet(classes)
        super().__init__(unet.encoder, inputs)
        width = unet.segmentation_head[0].in_channels
        self.decoder: nn.Module = unet.decoder
        self.detail = detail_layers(bands)
        self.segmentation_head = nn.Sequential(nn.Conv2d(width + DETAIL, classes, 3, padding=1))

    def forward(self, images: dict[str, torch.Tensor]) -> torch.Tensor:
        """Class scores before softmax, (n, class, y, x), of images in stored units, float32 (n, band, y, x)."""
        image = self.scaled(self.image(images))
        return self.segmentation_head(torch.cat([self.decoder(self.encoder(image)), self.detail(image)], 1))


def detail_layers(bands: int) -> nn.Sequential:
    """Two layers at full resolution."""
    return nn.Sequential(*(layer for channels in (bands, DETAIL) for layer in (
        nn.Conv2d(channels, DETAIL, 3, padding=1, bias=False), nn.BatchNorm2d(DETAIL), nn.ReLU(inplace=True))))


class ClassificationNetwork(ClassNetwork):
    """An encoder, the average of its last level over the tile, and a linear layer: classes of whole tiles.

    Args:
        encoder: name of the encoder, or several that are joined.
        inputs: what it sees.
        classes: number of classes.
        widths: of layers between the average and the linear layer.
        more: channels that the encoder gets beside the bands.
    """

    def __init__(self, encoder: str | Joined, inputs: Inputs, classes: int, widths: Sequence[int] = (), more: int = 0) -> None:
        network: Any = build_encoder(encoder, len(stacked(inputs.values()).bands) + more) if isinstance(encoder, str) else encoder
        super().__init__(network, inputs)
        self.stride = 1  # only a U-Net must bring its levels together again, and pixels added to a small patch would drown it
        sizes = [int(network.out_channels[-1]), *widths]
        layers: list[nn.Module] = [layer for before, after in zip(sizes, widths) for layer in (
            nn.Linear(before, after, bias=False), nn.BatchNorm1d(after), nn.ReLU(inplace=True))]
        if widths:
            layers.append(nn.Dropout(DROPOUT))  # behind the last normalisation: before one, it would be measured on values that a map never has
            self.halved = WHOLE
        self.hidden = nn.Sequential(*layers)
        self.classification_head = nn.Linear(sizes[-1], classes)

    def forward(self, images: dict[str, torch.Tensor]) -> torch.Tensor:
        """Class scores before softmax or sigmoid, (n, class), of images in stored units, float32 (n, band, y, x)."""
        return self.classification_head(self.hidden(self.features(self.image(images))))


@torch.no_grad()
def multiply_adds(network: ClassNetwork, side: int) -> int:
    """Multiplications, each with its addition, that the network needs for one image of so many pixels, made a multiple of its stride."""
    side += -side % network.stride
    modes = {module: module.training for module in network.modules()}
    with FlopCounterMode(display=False) as counter:
        network.eval()(network.seen.divided(torch.zeros(1, len(network.seen.bands), side, side)))
    for module, mode in modes.items():
        module.training = mode
    return counter.get_total_flops() // 2


@torch.no_grad()
def renew_statistics(network: nn.Module, images: Iterable[Any]) -> None:
    """Measures the means and variances of the normalisation layers anew, as averages over `images`.

    The running averages of training lag behind the weights: with a few steps per epoch a good network looks useless for many
    epochs (Wu and Johnson, Rethinking "Batch" in BatchNorm, arXiv 2105.07576, §3). Layers in evaluation mode stay as they are.

    Args:
        network: is in training mode afterwards, as far as it can be.
        images: batches of its input, without augmentation, as the network will meet them.
    """
    network.train()
    layers = [layer for layer in network.modules() if isinstance(layer, nn.modules.batchnorm._BatchNorm) and layer.training]
    if not layers:
        return
    momenta = [layer.momentum for layer in layers]
    for layer in layers:
        layer.reset_running_stats()
        layer.momentum = None  # a plain average over all batches since the reset
    try:
        for batch in images:
            network(batch)
    finally:
        for layer, momentum in zip(layers, momenta):
            layer.momentum = momentum
