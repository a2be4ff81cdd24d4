"""How much of the network's own speed is left when it maps a file, and how that compares with the usual loop.

Three ways over one image in one process, taken in turns so that a busy machine is busy for all of them:
  ceiling   bare onnxruntime on arrays of the same shapes that predict_map feeds it, nothing else;
  map       what predict_map does: read, compute, decide, write the class map and its confidence as COGs;
  naive     the loop most tools have: 256 px windows at half overlap, read, compute, add up, then decide and write, one after another.
Pixels per second count the image once. On a machine that others use too, compare the processor time.
Run: python -m benchmarks.mapping_speed [model.onnx] [--size 1536] [--rounds 3]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import rasterio

from eo_pretrain_qgis.engine.mapping.blocks import anchored_tiles
from eo_pretrain_qgis.engine.mapping.inference import map_scene
from eo_pretrain_qgis.engine.mapping.products import ClassMap, Confidence
from eo_pretrain_qgis.engine.mapping.request import MapRequest
from eo_pretrain_qgis.engine.models import package
from tests import networks, scenes

WINDOW, STEP = 256, 128


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("model", nargs="?", help="a model file; without it a U-Net of random weights, 180 kFLOP per pixel")
    arguments.add_argument("--size", type=int, default=1536)
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--device", default="auto")
    asked = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = asked.model or write_model(Path(folder) / "model.onnx")
        model = package.open(path)
        image = write_image(Path(folder) / "image.tif", asked.size, model.image.names)
        session = model.session(asked.device)
        ways = {
            "ceiling": lambda: ceiling(model, session, asked.size),
            "map": lambda: map_scene(model, MapRequest([{"path": str(image)}], device=asked.device),
                                     [ClassMap(f"{folder}/map.tif"), Confidence(f"{folder}/sure.tif")]),
            "naive": lambda: naive(model, session, image, f"{folder}/naive.tif"),
        }
        seconds, processor = {name: [] for name in ways}, {name: [] for name in ways}
        for _ in range(asked.rounds):
            for name, way in ways.items():
                started, busy = time.perf_counter(), time.process_time()
                way()
                seconds[name].append(time.perf_counter() - started)
                processor[name].append(time.process_time() - busy)
        print(f"{asked.size} x {asked.size} px, blocks of {model.block} px, {session.device}, best of {asked.rounds} rounds")
        report("wall clock", seconds, asked.size)
        report("processor time", processor, asked.size)


def report(measure: str, seconds: dict[str, list[float]], size: int) -> None:
    best = {name: min(times) for name, times in seconds.items()}
    print(measure)
    for name, times in seconds.items():
        print(f"  {name:8} {size ** 2 / 1e6 / best[name]:8.3f} Mpx/s   ({', '.join(f'{value:.2f}' for value in times)} s)")
    print(f"  ratio of the map to the ceiling: {best['ceiling'] / best['map']:.3f}")
    print(f"  ratio of the map to the naive loop: {best['naive'] / best['map']:.2f}")


def write_model(path: Path) -> Path:
    """A U-Net with random weights, about as much work per pixel as one with ResNet-18, and the halo such a one needs."""
    bands = ("B02", "B03", "B04", "B08")
    classes = tuple((value, f"class {value}", "") for value in range(1, 7))
    said = networks.description(bands, classes, stride=32, halo=128)
    package.write(networks.far_seeing_network(len(bands), len(classes), width=56), said, path)
    return path


def write_image(path: Path, size: int, names: list[str]) -> Path:
    noise = np.random.default_rng(1).normal(1500, 300, (len(names), size, size)).clip(1, 10_000).astype(np.uint16)
    return scenes.write_raster(path, noise, names=names, tiled=True, blockxsize=512, blockysize=512, compress="deflate", predictor=2)


def ceiling(model: package.Package, session, size: int) -> None:
    arrays: dict[tuple[int, int], np.ndarray] = {}
    for piece in anchored_tiles(size, size, block=model.block, halo=model.halo, stride=model.stride):
        shape = piece.seen.height, piece.seen.width
        session.run({model.image.name: arrays.setdefault(shape, np.full((1, len(model.image.bands), *shape), 1500, np.float32))})


def naive(model: package.Package, session, image: Path, output: str) -> None:
    with rasterio.open(image) as source:
        total = np.zeros((len(model.classes), source.height, source.width), np.float32)
        for row in range(0, source.height - WINDOW + 1, STEP):
            for col in range(0, source.width - WINDOW + 1, STEP):
                values = source.read(window=rasterio.windows.Window(col, row, WINDOW, WINDOW)).astype(np.float32)
                total[:, row:row + WINDOW, col:col + WINDOW] += session.run({model.image.name: values[None]})[0]
        with rasterio.open(output, "w", **{**source.profile, "count": 1, "dtype": "uint8"}) as target:
            target.write(total.argmax(0).astype(np.uint8), 1)


if __name__ == "__main__":
    main()
