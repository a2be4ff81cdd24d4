"""Second sets of weights beside those in training: their running average, and the best ones until they are written.

The networks stay the same objects: values are exchanged in place, so that whoever measures or saves a network need not know.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

import torch
from torch import nn
from torch.optim.swa_utils import get_ema_multi_avg_fn


class KeptWeights:
    """Values of all parameters and buffers of some networks, as they were at one time.

    Args:
        networks: whose weights are kept.
    """

    def __init__(self, networks: Sequence[nn.Module]) -> None:
        self.live = self._chosen(networks)
        self.values = [tensor.detach().clone() for tensor in self.live]

    def _chosen(self, networks: Sequence[nn.Module]) -> list[torch.Tensor]:
        return [tensor for network in networks for tensor in (*network.parameters(), *network.buffers())]

    @torch.no_grad()
    def take(self) -> None:
        """Keeps the weights as they are now."""
        for value, tensor in zip(self.values, self.live):
            value.copy_(tensor)

    @contextlib.contextmanager
    def in_place(self) -> Iterator[None]:
        """While it lasts, the networks have the kept weights; what changes them meanwhile changes these."""
        self._exchange()
        try:
            yield
        finally:
            self._exchange()

    @torch.no_grad()
    def _exchange(self) -> None:
        for value, tensor in zip(self.values, self.live):
            now = tensor.clone()
            tensor.copy_(value)
            value.copy_(now)


class AveragedWeights(KeptWeights):
    """The exponential running average of weights (Polyak and Juditsky 1992; decay per step as in Tarvainen and Valpola, arXiv 1703.01780).

    Parameters are averaged, and the running means and variances of normalisation layers with them, so that both belong together.
    Other buffers are states of training, such as a history of images, and stay what they are.

    Args:
        networks: whose weights are averaged.
        decay: highest weight of the past. It begins low, at (1 + n) / (10 + n) after n steps, so that the random start is forgotten.
    """

    def __init__(self, networks: Sequence[nn.Module], decay: float) -> None:
        super().__init__(networks)
        self.decay, self.steps = decay, 0

    def _chosen(self, networks: Sequence[nn.Module]) -> list[torch.Tensor]:
        found: list[torch.Tensor] = []
        for network in networks:
            found += [parameter for parameter in network.parameters() if parameter.requires_grad]
            found += running_statistics(network)
        return found

    @torch.no_grad()
    def update(self) -> None:
        """Takes the weights after a step into the average."""
        decay = min(self.decay, (1 + self.steps) / (10 + self.steps))
        get_ema_multi_avg_fn(decay)(self.values, [tensor.detach() for tensor in self.live], self.steps)
        self.steps += 1

    def state_dict(self) -> dict[str, object]:
        """For the checkpoint."""
        return {"values": self.values, "steps": self.steps}

    def load_state_dict(self, state: dict) -> None:
        """Goes on from a checkpoint."""
        for value, kept in zip(self.values, state["values"]):
            value.copy_(kept)
        self.steps = state["steps"]


def running_statistics(network: nn.Module) -> list[torch.Tensor]:
    """The running means and variances of all normalisation layers."""
    layers = [layer for layer in network.modules() if isinstance(layer, nn.modules.batchnorm._NormBase)]
    return [buffer for layer in layers for buffer in layer.buffers(recurse=False) if buffer.is_floating_point()]
