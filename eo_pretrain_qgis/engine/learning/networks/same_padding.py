"""Convolutions that pad as TensorFlow's “same” does, with constants in the place of sizes."""

from __future__ import annotations

import copy

from timm.layers.conv2d_same import Conv2dSame
from torch import nn


def with_fixed_padding(model: nn.Module) -> nn.Module:
    """A copy whose “same” convolutions pad by constants, or the model itself where it has none.

    timm's compute the padding from the size of what comes in. With sizes that are not known yet the exporter carries these formulas through all
    layers and comes to no end. Where height and width are multiples of the network's stride, as they are here, every layer that halves sees an even
    size, and the padding is always the same.
    """
    if not any(isinstance(module, Conv2dSame) for module in model.modules()):
        return model
    found = copy.deepcopy(model)
    for parent in list(found.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, Conv2dSame):
                setattr(parent, name, _fixed(child))
    return found


def _fixed(layer: Conv2dSame) -> nn.Module:
    """The same convolution of images of even size."""
    pads = []
    for kernel, stride, dilation in zip(reversed(layer.kernel_size), reversed(layer.stride), reversed(layer.dilation)):
        whole = max((kernel - 1) * dilation + 1 - stride, 0)
        pads += [whole // 2, whole - whole // 2]
    plain = nn.Conv2d(layer.in_channels, layer.out_channels, layer.kernel_size, layer.stride, 0, layer.dilation, layer.groups,  # type: ignore[arg-type]
                      layer.bias is not None)
    plain.weight, plain.bias = layer.weight, layer.bias
    return nn.Sequential(nn.ZeroPad2d(tuple(pads)), plain)  # type: ignore[arg-type]
