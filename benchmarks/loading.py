"""Whether training waits for its data: tiles read at random from a dataset's arrays, and steps fed by them or from memory.

The store is written here (warm in the page cache, as after the first epoch): 4 × 256 × 256 px uint16 with labels, and 3 × 32 × 32 px
patches. Reading is timed one by one and in batches. Then the same training step (forward, loss, backward, update of a U-Net) takes
each batch twice, in turns: read from the store by the reader that training uses, and ready on the device; the ratio is the share of
the throughput that reading leaves. A GPU is used when there is one and PyTorch sees it. On a machine that others use too, compare the
processor time, of all threads of this process.
Run: python -m benchmarks.loading [--encoder resnet18] [--batch 8] [--steps 12] [--tiles 512]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from eo_pretrain_qgis.engine.datasets.dataset import Dataset
from eo_pretrain_qgis.engine.datasets.shards import Shards, ShardWriter
from eo_pretrain_qgis.engine.learning.data import LABELS, TileReader
from eo_pretrain_qgis.engine.learning.finetuning.labelled_tiles import Choices
from eo_pretrain_qgis.engine.learning.finetuning.segmentation import Segmentation
from eo_pretrain_qgis.engine.learning.networks.class_networks import SegmentationNetwork
from tests.engine.learning.tiny import write_dataset

BATCH = 64


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--encoder", default="resnet18")
    arguments.add_argument("--batch", type=int, default=8)
    arguments.add_argument("--steps", type=int, default=12)
    arguments.add_argument("--tiles", type=int, default=512)
    arguments.add_argument("--rounds", type=int, default=3)
    asked = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for name, shape, count in (("tiles of 4 x 256 x 256", (4, 256, 256), asked.tiles), ("patches of 3 x 32 x 32", (3, 32, 32), 20_000)):
            place = Path(folder) / name.split()[0]
            place.mkdir()
            read(write_store(place, shape, count), count, name, asked.rounds)
        train(write_dataset(Path(folder) / "dataset", count=asked.tiles // 4, size=256, bands=4), asked)


def write_store(folder: Path, shape: tuple[int, ...], count: int) -> Shards:
    rng = np.random.default_rng(1)
    with ShardWriter(folder, {"image": (shape, "uint16"), "labels": (shape[1:], "uint8")}) as writer:
        for first in range(0, count, 64):
            number = min(64, count - first)
            writer.add(image=rng.integers(0, 3000, (number, *shape)).astype(np.uint16), labels=np.ones((number, *shape[1:]), np.uint8))
        return Shards(folder, writer.close())


def read(store: Shards, count: int, name: str, rounds: int) -> None:
    rng = np.random.default_rng(2)
    ways = {"one by one": 1, f"in batches of {BATCH}": BATCH}
    clock, processor = dict.fromkeys(ways, 0.0), dict.fromkeys(ways, 0.0)
    for _ in range(rounds):
        for way, size in ways.items():
            order = rng.permutation(count)
            began, busy = time.perf_counter(), time.process_time()
            for first in range(0, count, size):
                store.images(order[first:first + size])
                store.labels(order[first:first + size])
            clock[way] = max(clock[way], count / (time.perf_counter() - began))
            processor[way] = max(processor[way], count / (time.process_time() - busy))
    for measure, best in (("second", clock), ("second of processor time", processor)):
        print(f"{name}, images and labels at random: " + ", ".join(f"{rate:,.0f} {way}" for way, rate in best.items()) + f" per {measure}",
              flush=True)


def train(folder: Path, asked: argparse.Namespace) -> None:
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    dataset, rng = Dataset.open(folder), np.random.default_rng(3)
    torch.manual_seed(0)
    network = SegmentationNetwork(asked.encoder, dataset.inputs, len(dataset.classes)).to(device)
    method = Segmentation(dataset, network, device, Choices(asked.batch, augmentation="none"))
    reader = TileReader(dataset, dataset.inputs, network.stride, device, targets=[LABELS])
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-4)
    tiles = np.arange(len(dataset))
    ready = next(reader.shuffled(tiles[:asked.batch], asked.batch, rng))

    def step(batch) -> None:
        optimizer.zero_grad()
        method.loss("network", {"network": network}, batch).backward()
        optimizer.step()
        if device.type == "cuda":
            torch.cuda.synchronize()

    def fed() -> None:
        step(next(reader.shuffled(rng.choice(tiles, asked.batch, replace=False), asked.batch, rng)))

    names = ("from the store", "from memory")
    seconds: dict[str, dict[str, list[float]]] = {measure: {name: [] for name in names} for measure in ("clock", "processor time")}
    for number in range(asked.steps + 2):
        for name, way in zip(names, (fed, lambda: step(ready)), strict=True):
            began, busy = time.perf_counter(), time.process_time()
            way()
            if number >= 2:  # the first steps choose algorithms and allocate
                seconds["clock"][name].append(time.perf_counter() - began)
                seconds["processor time"][name].append(time.process_time() - busy)
    for measure, times in seconds.items():
        rates = ", ".join(f"{asked.batch / min(times[name]):.2f} tiles/s {name}" for name in names)
        median, best = (how(times["from memory"]) / how(times["from the store"]) for how in (np.median, min))
        print(f"U-Net on {asked.encoder}, {device}, by the {measure}: {rates}; ratio {median:.3f} of medians, {best:.3f} of the best")


if __name__ == "__main__":
    main()
