"""What kernels that learn tap by tap are worth: steps of an encoder as torch has it and with `engine.learning.small_maps`, in turns.

Prints images per second of forward and backward passes and the ratio, by the side of the images, and the largest difference of a gradient.
Run: python -m benchmarks.small_maps [--encoder resnet18] [--batch 256] [--sides 32 40 48 64 96] [--rounds 4]
"""

from __future__ import annotations

import argparse
import copy
import time

import torch
from torch import nn

from eo_pretrain_qgis.engine.learning.encoders import build_encoder
from eo_pretrain_qgis.engine.learning.small_maps import quicken


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--encoder", default="resnet18")
    arguments.add_argument("--batch", type=int, default=256)
    arguments.add_argument("--sides", type=int, nargs="*", default=[32, 40, 48, 64, 96])
    arguments.add_argument("--rounds", type=int, default=4)
    asked = arguments.parse_args()
    print(f"{asked.encoder}, {asked.batch} images, {torch.get_num_threads()} threads, float32; best of {asked.rounds} rounds")
    for side in asked.sides:
        torch.manual_seed(1)
        plain = build_encoder(asked.encoder, 3).to(memory_format=torch.channels_last)
        quick = copy.deepcopy(plain)
        quicken(quick)
        images = torch.randn(asked.batch, 3, side, side).contiguous(memory_format=torch.channels_last)
        seconds: dict[str, list[float]] = {"plain": [], "by taps": []}
        for _ in range(asked.rounds):
            for name, network in (("plain", plain), ("by taps", quick)):
                seconds[name].append(step(network, images))
        plain_rate, quick_rate = (asked.batch / min(values) for values in seconds.values())
        difference = max(float((one.grad - other.grad).abs().max() / one.grad.abs().max())  # type: ignore[union-attr]
                         for one, other in zip(plain.parameters(), quick.parameters()))
        print(f"{side:>4} px: plain {plain_rate:.0f}, by taps {quick_rate:.0f} images/s: ratio {quick_rate / plain_rate:.2f}; "
              f"gradients differ by {difference:.1e} of the largest", flush=True)


def step(network: nn.Module, images: torch.Tensor) -> float:
    """Seconds of a forward and a backward pass."""
    network.zero_grad()
    began = time.perf_counter()
    network(images)[-1].square().mean().backward()
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
