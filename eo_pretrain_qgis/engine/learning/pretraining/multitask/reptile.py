"""Reptile: some steps of gradient descent on one task, and the way they led as the gradient of the shared weights.

From the weights φ, k steps of plain gradient descent on batches of one task lead to W. Reptile moves φ towards W, or gives (φ - W) to
an optimizer such as Adam as if it were a gradient (Nichol, Achiam and Schulman, On First-Order Meta-Learning Algorithms, arXiv
1803.02999, §3 and algorithm 1). In expectation that follows the tasks' mean loss and, from k = 2 on, also makes the gradients of
batches of one task agree, which is what lets few steps suffice later (ibid., §5). With k = 1 it is joint training.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import nn
from torch.func import functional_call

from .....errors import EngineError

#: What turns images into outputs: a network, or one with other weights in it.
Forward = Callable[[Any], torch.Tensor]


def inner_steps(network: nn.Module, batches: Sequence[Any], loss: Callable[[Forward, Any], torch.Tensor],
                rate: float) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
    """Takes one step of gradient descent per batch on a copy of the weights; `network` keeps its own.

    W = φ - rate · (g₁ + … + g_k), so (φ - W) / rate is the sum of the gradients met on the way. The sum is what is kept: in float32 the
    difference of two nearly equal weights has few correct digits left. The first gradient is the ordinary one at φ.

    Args:
        network: of the task; running statistics of its normalisation layers move along.
        batches: of the task, one for each step.
        loss: of a forward function and a batch.
        rate: of the steps.

    Returns:
        (φ - W) / rate for each parameter that the loss depends on, by its name in `network`, and the mean loss over the steps.

    Raises:
        EngineError: when the steps lead to a loss that is no number.
    """
    own = {name: parameter for name, parameter in network.named_parameters() if parameter.requires_grad}
    weights: Mapping[str, torch.Tensor] = own
    way: dict[str, torch.Tensor] = {}
    total = torch.zeros((), device=next(iter(own.values())).device)
    for number, batch in enumerate(batches, 1):
        found = loss(_with(network, weights), batch)
        gradients = torch.autograd.grad(found, list(weights.values()), allow_unused=True)
        for name, gradient in zip(weights, gradients):
            if gradient is not None:
                way[name] = way[name] + gradient if name in way else gradient
        total += found.detach()
        if number < len(batches):
            weights = {name: (parameter.detach() - rate * way[name] if name in way else parameter.detach()).requires_grad_()
                       for name, parameter in own.items()}
    mean = total / len(batches)
    if len(batches) > 1 and not math.isfinite(float(mean)):
        raise EngineError(f"The loss became {float(mean)} within {len(batches)} inner steps at an inner rate of {rate:g}. "
                          f"Train again in a new folder with a lower inner rate, such as {rate / 10:g}.")
    return way, mean


def with_gradients(value: torch.Tensor, network: nn.Module, gradients: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """A scalar equal to `value` whose gradient is `gradients`, so that any optimizer and any loop can take it.

    Args:
        value: a scalar.
        network: whose parameters get the gradients.
        gradients: by name of the parameter; the others get none.
    """
    parameters = dict(network.named_parameters())
    nothing = [((parameters[name] - parameters[name].detach()) * gradient).sum() for name, gradient in gradients.items()]
    return value.detach() + torch.stack(nothing).sum()


def _with(network: nn.Module, weights: Mapping[str, torch.Tensor]) -> Forward:
    return lambda images: functional_call(network, dict(weights), (images,))
