"""Which parts of an encoder learn, and how fast."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from .class_networks import ClassNetwork
from .encoders import SIDE_FOR_ALL

#: From stage to stage towards the bands the rate falls by this (Howard and Ruder, Universal Language Model Fine-tuning, arXiv 1801.06146, §3.2).
FALL = 2.6


def encoder_stages(encoder: nn.Module, bands: int) -> dict[str, int]:
    """The stage of each parameter of an encoder: which of its levels, from 0 where the bands enter, is the first that depends on it.

    Args:
        encoder: gives its levels, the deepest last.
        bands: that it takes.
    """
    modes = {module: module.training for module in encoder.modules()}
    names, parameters = zip(*((name, one) for name, one in encoder.named_parameters() if one.requires_grad))
    side, device = max(SIDE_FOR_ALL, 2 * int(getattr(encoder, "output_stride", 32))), parameters[0].device
    try:
        with torch.enable_grad():
            levels = encoder.eval()(torch.zeros(1, bands, side, side, device=device))
    finally:
        for module, mode in modes.items():
            module.training = mode
    found: dict[str, int] = {}
    stage = 0
    for level in levels:
        used: Any = torch.autograd.grad(level.sum(), parameters, retain_graph=True, allow_unused=True) if level.requires_grad else ()
        new = [name for name, gradient in zip(names, used) if gradient is not None and name not in found]
        found.update(dict.fromkeys(new, stage))
        stage += bool(new)
    return {name: found.get(name, max(stage - 1, 0)) for name in names}


def freeze_encoder(network: ClassNetwork) -> None:
    """Keeps encoders as they are: their weights, and the running statistics of their normalisation layers too."""
    for branch, _ in network.branches:
        branch.encoder.requires_grad_(False)
    network.train(network.training)


def freeze_all_but_last(network: ClassNetwork) -> None:
    """Lets only the last stage of an encoder learn, see `encoder_stages`."""
    for branch, seen in network.branches:
        stages, parameters = encoder_stages(branch.encoder, len(seen.bands)), dict(branch.encoder.named_parameters())
        for name, stage in stages.items():
            parameters[name].requires_grad_(stage == max(stages.values()))
    network.train(network.training)


def slow_down(network: ClassNetwork) -> None:
    """Lets every stage of an encoder learn slower than the one behind it, by `FALL`; what is behind the encoder has the full rate."""
    for branch, seen in network.branches:
        stages = encoder_stages(branch.encoder, len(seen.bands))
        for where, module in branch.encoder.named_modules():
            own = [stages[f"{where}.{name}" if where else name] for name, _ in module.named_parameters(recurse=False)]
            if own:
                module.rate_share = FALL ** (min(own) - max(stages.values()) - 1)
