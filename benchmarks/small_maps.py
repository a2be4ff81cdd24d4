"""What convolutions as matrix products are worth: steps of an encoder as torch has it and with `engine.learning.small_maps`, in turns.

Prints images per second of forward and backward passes and the ratio, by precision and by the side of the images.
Run: python -m benchmarks.small_maps [--encoder resnet18] [--batch 256] [--sides 32 40 48 64 96] [--rounds 4] [--precisions float32 bfloat16]
     [--csv docs/evidence/data]
"""

from __future__ import annotations

import argparse
import copy
import time
from pathlib import Path

import torch
from torch import nn

from benchmarks.figures import Figures
from eo_pretrain_qgis.engine.learning.loop.small_maps import quicken
from eo_pretrain_qgis.engine.learning.networks.encoders import build_encoder


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--encoder", default="resnet18")
    arguments.add_argument("--batch", type=int, default=256)
    arguments.add_argument("--sides", type=int, nargs="*", default=[32, 40, 48, 64, 96])
    arguments.add_argument("--rounds", type=int, default=4)
    arguments.add_argument("--precisions", nargs="*", default=["float32", "bfloat16"])
    arguments.add_argument("--csv", type=Path, help="folder for small_maps.csv")
    asked, found = arguments.parse_args(), Figures("side of the images", "precision", "images per second")
    print(f"{asked.encoder}, {asked.batch} images, {torch.get_num_threads()} threads; best of {asked.rounds} rounds")
    for precision in asked.precisions:
        for side in asked.sides:
            torch.manual_seed(1)
            plain = build_encoder(asked.encoder, 3).to(memory_format=torch.channels_last)
            quick = copy.deepcopy(plain)
            quicken(quick)
            images = torch.randn(asked.batch, 3, side, side).contiguous(memory_format=torch.channels_last)
            seconds: dict[str, list[float]] = {"plain": [], "by products": []}
            for _ in range(asked.rounds):
                for name, network in (("plain", plain), ("by products", quick)):
                    seconds[name].append(step(network, images, precision))
            plain_rate, quick_rate = (asked.batch / min(values) for values in seconds.values())
            print(f"{precision} {side:>4} px: plain {plain_rate:.0f}, by products {quick_rate:.0f} images/s: ratio {quick_rate / plain_rate:.2f}",
                  flush=True)
            for name, value, form in (("library", plain_rate, ".0f"), ("products", quick_rate, ".0f"), ("ratio", quick_rate / plain_rate, ".2f")):
                found.add(f"{side} px", precision, name, value=value, form=form)
    if asked.csv:
        found.write(asked.csv / "small_maps.csv")


def step(network: nn.Module, images: torch.Tensor, precision: str) -> float:
    """Seconds of a forward and a backward pass."""
    network.zero_grad()
    began = time.perf_counter()
    with torch.autocast("cpu", getattr(torch, precision), enabled=precision != "float32"):
        features = network(images)[-1]
    features.float().square().mean().backward()
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
