"""Convolutions whose kernels learn quickly on processors where the map has a few pixels only.

The deepest levels of an encoder see 1 × 1 to 3 × 3 pixels of a tile of 32 to 96 px. There the library that torch calls on a processor takes
far longer for the gradient of the kernel than for the convolution itself: 125 ms against 5 ms, for 512 channels, 256 tiles and one pixel, of
which eight of nine taps see padding alone (two cores with AVX2). One matrix product for each tap that sees anything gives the same in 2 ms.
What a whole step gains: `python -m benchmarks.small_maps`.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn.functional import conv2d, pad

MOST_PIXELS = 9  # of a map, up to which this is quicker
LEAST_CHANNELS = 64


class _KernelByTaps(torch.autograd.Function):
    """A convolution with zero padding of half the kernel and no bias, whose kernel gets its gradient tap by tap."""

    @staticmethod
    def forward(ctx: Any, image: torch.Tensor, weight: torch.Tensor, stride: int) -> torch.Tensor:
        ctx.save_for_backward(image, weight)
        ctx.stride = stride
        return conv2d(image, weight, None, stride, weight.shape[-1] // 2)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, torch.Tensor | None, None]:
        image, weight = ctx.saved_tensors
        before, kernel = None, None
        if ctx.needs_input_grad[0]:
            half = [weight.shape[-1] // 2] * 2
            before = torch.ops.aten.convolution_backward(gradients[0], image, weight, None, [ctx.stride] * 2, half, [1, 1], False, [0, 0], 1,
                                                         [True, False, False])[0]
        if ctx.needs_input_grad[1]:
            kernel = _kernel_gradient(image, gradients[0], weight, ctx.stride)
        return before, kernel, None


def _kernel_gradient(image: torch.Tensor, gradient: torch.Tensor, weight: torch.Tensor, stride: int) -> torch.Tensor:
    """Gradient of the kernel (out, in, k, k) from the input (n, in, y, x) and the gradient of the output (n, out, y, x)."""
    side, half = weight.shape[-1], weight.shape[-1] // 2
    (height, width), (rows, columns) = image.shape[2:], gradient.shape[2:]
    pixels = pad(image.permute(0, 2, 3, 1), (0, 0, half, half, half, half))
    outputs = gradient.permute(0, 2, 3, 1).reshape(-1, gradient.shape[1])
    found = weight.new_zeros((side, side, image.shape[1], gradient.shape[1]))
    for down in range(side):
        for right in range(side):
            if _sees(down - half, rows, height, stride) and _sees(right - half, columns, width, stride):
                seen = pixels[:, down:down + stride * rows:stride, right:right + stride * columns:stride]
                found[down, right] = seen.reshape(-1, image.shape[1]).T @ outputs
    return found.permute(3, 2, 0, 1).contiguous(memory_format=torch.channels_last)


def _sees(shift: int, outputs: int, inputs: int, stride: int) -> bool:
    """Whether a tap at `shift` from the middle of the kernel meets anything but padding."""
    return any(0 <= place * stride + shift < inputs for place in range(outputs))


class SmallMapConvolution(nn.Conv2d):
    """A convolution as torch has it, with the same tensors, whose kernel learns quickly on small maps."""

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """The convolution of (n, band, y, x)."""
        stride = self.stride[0]
        pixels = -(-image.shape[2] // stride) * -(-image.shape[3] // stride)
        if pixels > MOST_PIXELS or image.dtype != torch.float32 or torch.is_autocast_enabled("cpu") or not torch.is_grad_enabled():
            return super().forward(image)
        return _KernelByTaps.apply(image, self.weight, stride)


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
            and side % 2 == 1 and side > 1 and layer.kernel_size == (side, side) and layer.stride == (stride, stride)
            and layer.padding == (side // 2, side // 2) and min(layer.in_channels, layer.out_channels) >= LEAST_CHANNELS)
