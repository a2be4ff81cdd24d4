"""What the regression under a U-Net costs: training steps and inference of `SpectralUNet` beside the same U-Net without it.

Both have the same encoder and see the same tiles, ready in memory, in turns, so that a busy machine is busy for both. A step is forward, cross entropy,
backward, AdamW. Inference is onnxruntime on the exported networks. Printed are the medians, and the rate with the regression as a share of that without.
Run: python -m benchmarks.network_cost [--encoder resnet18] [--bands 4 12] [--side 256] [--batch 8] [--steps 12] [--csv docs/evidence/data]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

from benchmarks.figures import Figures
from eo_pretrain_qgis.engine.classic.classifiers import Regression
from eo_pretrain_qgis.engine.classic.whitening import Whitening
from eo_pretrain_qgis.engine.datasets.dataset import Dataset
from eo_pretrain_qgis.engine.learning.export import Probabilities, to_onnx
from eo_pretrain_qgis.engine.learning.networks.class_networks import ClassNetwork, SegmentationNetwork
from eo_pretrain_qgis.engine.learning.networks.spectral import SpectralUNet
from eo_pretrain_qgis.engine.models.session import on_processor
from tests.engine.learning.tiny import write_dataset

CLASSES, WARM_UP = 6, 2


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--encoder", default="resnet18")
    arguments.add_argument("--bands", type=int, nargs="*", default=[4, 12])
    arguments.add_argument("--side", type=int, default=256)
    arguments.add_argument("--batch", type=int, default=8)
    arguments.add_argument("--steps", type=int, default=12)
    arguments.add_argument("--csv", type=Path, help="folder for network_cost.csv")
    asked = arguments.parse_args()
    found = Figures("bands", "what", "figure")
    for bands in asked.bands:
        rng = np.random.default_rng(1)
        images = rng.normal(1500, 300, (asked.batch, bands, asked.side, asked.side)).astype(np.float32)
        with tempfile.TemporaryDirectory() as folder:
            inputs = Dataset.open(write_dataset(Path(folder) / "data", bands=bands)).inputs
        networks = {"without": SegmentationNetwork(asked.encoder, inputs, CLASSES), "with": SpectralUNet(asked.encoder, inputs, CLASSES)}
        pixels = images.transpose(0, 2, 3, 1).reshape(-1, bands)[::100]
        networks["with"].begin(Whitening.of(pixels, ["reflectance"] * bands),
                               Regression(rng.normal(size=(CLASSES, 3 * bands)).astype(np.float32), np.zeros(CLASSES, np.float32)))
        for what, ways in (("training step", {name: training(one, images) for name, one in networks.items()}),
                           ("inference", {name: inference(one, images, asked.encoder) for name, one in networks.items()})):
            seconds = in_turns(ways, asked.steps)
            for name, value in seconds.items():
                found.add(bands, what, f"{name}, tiles/s", value=asked.batch / value, form=".2f")
            share = seconds["without"] / seconds["with"]
            found.add(bands, what, "with / without", value=share, form=".2f")
            print(f"{bands} bands, {what}: {', '.join(f'{asked.batch / value:.2f} tiles/s {name}' for name, value in seconds.items())}; {share:.3f}",
                  flush=True)
    if asked.csv:
        found.write(asked.csv / "network_cost.csv")


def spectral_unet(encoder: str, bands: int, classes: int = CLASSES, centre=1500.0, spread=300.0, unit: str = "reflectance") -> tuple[SpectralUNet, str]:
    """A U-Net of random weights over a regression on values of so many bands, each about `centre`; and the name of its input."""
    rng = np.random.default_rng(1)
    with tempfile.TemporaryDirectory() as folder:
        inputs = Dataset.open(write_dataset(Path(folder) / "data", bands=bands)).inputs
    network = SpectralUNet(encoder, inputs, classes)
    pixels = rng.normal(centre, spread, (5000, bands)).astype(np.float32)
    network.begin(Whitening.of(pixels, [unit] * bands),
                  Regression(rng.normal(size=(classes, 3 * bands)).astype(np.float32), np.zeros(classes, np.float32)))
    return network, network.seen.name


def training(network: ClassNetwork, images: np.ndarray) -> Callable[[], object]:
    """A training step."""
    port, batch = network.seen.name, torch.from_numpy(images)
    labels = torch.randint(CLASSES, (len(batch), *batch.shape[2:]), generator=torch.Generator().manual_seed(1))
    optimizer = torch.optim.AdamW(network.parameters())
    network.train()

    def step() -> None:
        functional.cross_entropy(network({port: batch}), labels).backward()
        optimizer.step()
        optimizer.zero_grad()

    return step


def inference(network: ClassNetwork, images: np.ndarray, encoder: str) -> Callable[[], object]:
    """The exported network on the batch."""
    session = on_processor(to_onnx(Probabilities(network).eval(), {network.seen.name: images.shape[1]}, network.stride, encoder))
    return lambda: session.run(None, {network.seen.name: images})


def in_turns(ways: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Medians of seconds."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds + WARM_UP):
        for name, way in ways.items():
            began = time.perf_counter()
            way()
            if number >= WARM_UP:
                seconds[name].append(time.perf_counter() - began)
    return {name: float(np.median(times)) for name, times in seconds.items()}


if __name__ == "__main__":
    main()
