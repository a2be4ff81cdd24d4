"""Convolutions as matrix products where the map has a few pixels only: what processors need to learn from small tiles quickly.

The deeper levels of an encoder see 1 × 1 to 8 × 8 pixels of a tile of 32 to 128 px. There the library that torch calls on a processor is
slower than a matrix product of the same size, most of all for the gradient of the kernel. What taps of the kernel see at each pixel is laid
side by side, taps that see padding alone are left out, and three products give output and gradients (docs/evidence/small-maps.md).
Other processors than those of `pays_here` keep the library's (docs/adr/0010-the-loop-is-our-own.md).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import nn
from torch.nn.functional import conv2d, pad

LEAST_CHANNELS = 64


class Limits(NamedTuple):
    """Most pixels of the output up to which a product is quicker: for the convolution and the gradient of its input, and for its kernel's."""

    whole: int
    kernel: int


LIMITS = {torch.float32: Limits(4, 9), torch.bfloat16: Limits(16, 64)}


class _Taps:
    """Which taps of a kernel see anything but padding, and what they see.

    Args:
        image: (n, in, y, x).
        weight: (out, in, k, k), padded by half of k.
        stride: of the convolution, pixels.
    """

    def __init__(self, image: torch.Tensor, weight: torch.Tensor, stride: int) -> None:
        self.stride, self.side, self.half = stride, weight.shape[-1], weight.shape[-1] // 2
        self.height, self.width = image.shape[2:]
        self.rows, self.columns = -(-self.height // stride), -(-self.width // stride)
        self.seen = [(down, right) for down in range(self.side) if self._sees(down, self.rows, self.height)
                     for right in range(self.side) if self._sees(right, self.columns, self.width)]
        self.all = len(self.seen) == self.side**2

    def lay(self, image: torch.Tensor) -> torch.Tensor:
        """What each pixel of the output sees: (n · row · column, tap · in) of the image (n, in, y, x)."""
        pixels = pad(image.permute(0, 2, 3, 1), (0, 0) + (self.half,) * 4)
        parts = [pixels[:, part[0], part[1]] for part in self._places()]
        return (parts[0] if len(parts) == 1 else torch.cat(parts, 3)).reshape(-1, len(parts) * image.shape[1])

    def gather(self, laid: torch.Tensor, tiles: int) -> torch.Tensor:
        """The gradient of the image from that of `lay`'s result."""
        channels = laid.shape[1] // len(self.seen)
        parts = laid.view(tiles, self.rows, self.columns, len(self.seen), channels)
        whole = laid.new_zeros((tiles, self.height + 2 * self.half, self.width + 2 * self.half, channels))
        for number, part in enumerate(self._places()):
            whole[:, part[0], part[1]] += parts[:, :, :, number]
        inner = whole[:, self.half:self.half + self.height, self.half:self.half + self.width]
        return inner.permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)

    def matrix(self, weight: torch.Tensor) -> torch.Tensor:
        """The kernel (out, in, k, k) as (out, tap · in)."""
        by_tap = weight.permute(0, 2, 3, 1)
        if not self.all:
            by_tap = torch.stack([by_tap[:, down, right] for down, right in self.seen], 1)
        return by_tap.reshape(len(weight), -1)

    def kernel(self, matrix: torch.Tensor) -> torch.Tensor:
        """The reverse of `matrix`; 0 at taps that see nothing."""
        by_tap = matrix.view(len(matrix), len(self.seen), -1)
        if not self.all:
            whole = matrix.new_zeros((len(matrix), self.side**2, by_tap.shape[2]))
            whole[:, [down * self.side + right for down, right in self.seen]] = by_tap
            by_tap = whole
        return by_tap.view(len(matrix), self.side, self.side, -1).permute(0, 3, 1, 2)

    def _places(self) -> list[tuple[slice, slice]]:
        """For each tap the pixels of the padded image it sees."""
        step = self.stride
        return [(slice(down, down + step * self.rows, step), slice(right, right + step * self.columns, step)) for down, right in self.seen]

    def _sees(self, place: int, outputs: int, inputs: int) -> bool:
        return any(0 <= output * self.stride + place - self.half < inputs for output in range(outputs))


class _Product(torch.autograd.Function):
    """A convolution with zero padding of half the kernel and no bias, by products where the map is small enough for them to be quicker."""

    @staticmethod
    def forward(ctx: Any, image: torch.Tensor, weight: torch.Tensor, stride: int) -> torch.Tensor:
        ctx.save_for_backward(image, weight)
        ctx.stride, taps = stride, _Taps(image, weight, stride)
        ctx.whole = taps.rows * taps.columns <= LIMITS[image.dtype].whole
        if not ctx.whole:
            return conv2d(image, weight, None, stride, taps.half)
        laid = taps.lay(image) @ taps.matrix(weight).T
        return laid.view(len(image), taps.rows, taps.columns, -1).permute(0, 3, 1, 2)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, torch.Tensor | None, None]:
        image, weight = ctx.saved_tensors
        taps, before, kernel = _Taps(image, weight, ctx.stride), None, None
        outputs = gradients[0].permute(0, 2, 3, 1).reshape(-1, len(weight))
        if ctx.needs_input_grad[0] and ctx.whole:
            before = taps.gather(outputs @ taps.matrix(weight), len(image))
        elif ctx.needs_input_grad[0]:
            before = torch.ops.aten.convolution_backward(gradients[0], image, weight, None, [ctx.stride] * 2, [taps.half] * 2, [1, 1], False,
                                                         [0, 0], 1, [True, False, False])[0]
        if ctx.needs_input_grad[1]:
            kernel = taps.kernel(outputs.T @ taps.lay(image))
        return before, kernel, None


class SmallMapConvolution(nn.Conv2d):
    """A convolution as torch has it, with the same tensors, that is quick on small maps."""

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """The convolution of (n, band, y, x)."""
        stride = self.stride[0]
        dtype = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else image.dtype
        pixels = -(-image.shape[2] // stride) * -(-image.shape[3] // stride)
        if dtype not in LIMITS or pixels > LIMITS[dtype].kernel or not torch.is_grad_enabled():
            return super().forward(image)
        return _Product.apply(image.to(dtype), self.weight.to(dtype), stride)


def pays_here() -> bool:
    """Whether products are quicker on processors of this kind: those with AMX or AVX2."""
    known = torch.cpu.get_capabilities()
    return any(known.get(units, False) for units in ("amx_bf16", "avx2"))


def quicken(network: nn.Module) -> None:
    """Puts `SmallMapConvolution` in the place of the convolutions of a network it serves for; the parameters stay the same objects."""
    for name, child in network.named_children():
        if type(child) is nn.Conv2d and _serves(child):
            quick = SmallMapConvolution(child.in_channels, child.out_channels, child.kernel_size[0], child.stride[0],
                                        child.kernel_size[0] // 2, bias=False, device="meta")
            quick.weight = child.weight
            setattr(network, name, quick.train(child.training))
        else:
            quicken(child)


def _serves(layer: nn.Conv2d) -> bool:
    side, stride = layer.kernel_size[0], layer.stride[0]
    return (layer.bias is None and layer.groups == 1 and layer.dilation == (1, 1) and layer.padding_mode == "zeros"
            and side % 2 == 1 and layer.kernel_size == (side, side) and layer.stride == (stride, stride)
            and layer.padding == (side // 2, side // 2) and min(layer.in_channels, layer.out_channels) >= LEAST_CHANNELS)
