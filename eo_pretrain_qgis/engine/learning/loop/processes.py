"""What several processes compute together: sums with gradients, batches brought together, normalisation over the batches of all.

torch has the last for GPUs only. Two processes on processors shall have the losses of one with the whole batch, which is how training in
several processes is tested where there is no GPU.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import distributed, nn


def processes() -> int:
    """How many processes train together."""
    return distributed.get_world_size() if distributed.is_available() and distributed.is_initialized() else 1


def gathered(embeddings: torch.Tensor) -> torch.Tensor:
    """The embeddings of all processes, (processes · n, dimension); gradients find their way back to each.

    Every process computes the same loss from them. The gradients that arrive in one process are the sum over all of these equal losses;
    the average over processes that follows in training leaves the gradient of one loss of the whole batch.
    """
    if processes() == 1:
        return embeddings
    rank, n = distributed.get_rank(), len(embeddings)
    everyone = embeddings.new_zeros((processes() * n, *embeddings.shape[1:]))
    everyone[rank * n:(rank + 1) * n] = embeddings
    return total(everyone)


class _Total(torch.autograd.Function):
    """The sum over processes of a tensor, and on the way back of its gradients."""

    @staticmethod
    def forward(ctx: Any, values: torch.Tensor) -> torch.Tensor:
        return _summed(values)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> torch.Tensor:
        return _summed(gradients[0])


def total(values: torch.Tensor) -> torch.Tensor:
    """The sum over all processes, with gradients; torch's own function for it is about to go."""
    return _Total.apply(values)


class SynchronisedNorm(nn.modules.batchnorm._BatchNorm):
    """Batch normalisation over the batches of all processes, on any device; torch has it for GPUs only."""

    running_mean: torch.Tensor
    running_var: torch.Tensor
    num_batches_tracked: torch.Tensor

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Normalised values of the shape of `values`, (n, channel) or (n, channel, y, x)."""
        if not self.training or processes() == 1:
            return super().forward(values)
        axes = [axis for axis in range(values.ndim) if axis != 1]
        shape = [1, -1] + [1] * (values.ndim - 2)
        count = values.numel() // values.shape[1] * processes()
        single = values.float()
        mean = total(single.sum(axes)) / count
        centred = single - mean.view(shape)
        variance = total(centred.square().sum(axes)) / count
        self._remember(mean.detach(), variance.detach() * count / max(1, count - 1))
        result = centred * (variance.view(shape) + self.eps).rsqrt()
        return (result * self.weight.view(shape) + self.bias.view(shape)).to(values.dtype)

    def _remember(self, mean: torch.Tensor, variance: torch.Tensor) -> None:
        self.num_batches_tracked.add_(1)
        share = 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean.to(self.running_mean.dtype), share)
        self.running_var.lerp_(variance.to(self.running_var.dtype), share)

    def _check_input_dim(self, values: torch.Tensor) -> None:
        """Any number of dimensions."""


def synchronise(network: nn.Module) -> None:
    """Lets the normalisation layers below a network work over the batches of all processes; names and tensors stay."""
    for name, child in network.named_children():
        if isinstance(child, (nn.BatchNorm1d, nn.BatchNorm2d)) and type(child) in (nn.BatchNorm1d, nn.BatchNorm2d):
            replacement = SynchronisedNorm(child.num_features, child.eps, child.momentum)
            replacement.load_state_dict(child.state_dict())
            setattr(network, name, replacement)
        else:
            synchronise(child)


def _summed(values: torch.Tensor) -> torch.Tensor:
    result = values.contiguous().clone()
    distributed.all_reduce(result)
    return result
