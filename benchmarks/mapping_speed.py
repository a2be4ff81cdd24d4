"""How much of the network's own speed is left when it maps a file, and how that compares with the usual loop.

Over one image in one process, taken in turns so that a busy machine is busy for all of them:
  onnxruntime     bare onnxruntime on blocks in memory, of the shapes that predict_map computes;
  ceiling         the runtime that predict_map takes, on the same blocks;
  map             what predict_map does: read, compute, decide, write the class map and its confidence as COGs;
  fast ceiling, fast map   the same in bfloat16;
  naive           the loop most programs have: 512 px windows side by side in onnxruntime; read, compute, decide and write one after another.
A ratio is that of the times, so pixels computed twice because of the halo count on both sides; of the naive loop it counts the image once.
Run: python -m benchmarks.mapping_speed [model.onnx] [--size 3072] [--rounds 3] [--csv docs/evidence/data]
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
import rasterio
import rasterio.windows

from benchmarks.figures import Figures
from benchmarks.network_cost import CLASSES, spectral_unet
from eo_pretrain_qgis.engine.learning.export import Probabilities, to_onnx
from eo_pretrain_qgis.engine.mapping.blocks import anchored_tiles
from eo_pretrain_qgis.engine.mapping.inference import map_scene
from eo_pretrain_qgis.engine.mapping.products.classes import ClassMap, Confidence
from eo_pretrain_qgis.engine.mapping.request import MapRequest
from eo_pretrain_qgis.engine.models import package
from eo_pretrain_qgis.engine.models.kinds import block_sizes
from tests import networks, scenes

WINDOW = 512
BANDS = ("B02", "B03", "B04", "B08")
#: Ways that are compared: name → (above, below), of which the ratio of times is below / above.
RATIOS = {"map / ceiling": ("map", "ceiling"), "fast map / fast ceiling": ("fast map", "fast ceiling"), "map / bare onnxruntime": ("map", "onnxruntime"),
          "map / naive loop": ("map", "naive"), "fast map / naive loop": ("fast map", "naive")}


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("model", nargs="?", help="a model file; without it a U-Net with ResNet-18 over a regression, of random weights, halo 96")
    arguments.add_argument("--size", type=int, default=3072, help=f"a multiple of {WINDOW}")
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--csv", type=Path, help="folder for mapping_speed.csv")
    asked = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        model = package.open(asked.model or write_model(Path(folder) / "model.onnx"))
        image = write_image(Path(folder) / "image.tif", asked.size, model.image.names)
        ways = ways_of(model, image, Path(folder), asked.size)
        seconds = in_turns(ways, asked.rounds)
    tiles = laid(model, asked.size)
    cost = sum(tile.seen.width * tile.seen.height for tile in tiles) / asked.size**2
    found = Figures("what", "figure")
    for name, times in seconds.items():
        found.add(name, "million pixels of the image per second", value=asked.size**2 / 1e6 / float(np.median(times)))
    for name, (above, below) in RATIOS.items():
        found.add(name, "ratio", value=float(np.median(seconds[below])) / float(np.median(seconds[above])), form=".2f")
    found.add("pixels computed / pixels of the image", "ratio", value=cost, form=".2f")
    found.add("peak memory of the whole run", "GB", value=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6, form=".2f")
    print(f"{asked.size} x {asked.size} px, blocks of {model.block} px, halo {model.halo} px, medians of {asked.rounds} rounds")
    for row in found.rows:
        print(f"  {row['what']:40} {row['value']} {row['figure']}")
    if asked.csv:
        found.write(asked.csv / "mapping_speed.csv")


def ways_of(model: package.Package, image: Path, folder: Path, size: int) -> dict[str, Callable[[], object]]:
    """What is timed, by name."""
    options = onnxruntime.SessionOptions()
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    bare = onnxruntime.InferenceSession(model.path, options, providers=["CPUExecutionProvider"])
    exact, fast = model.session("cpu"), model.session("cpu", fast=True)
    name, blocks = model.image.name, blocks_in_memory(model, size)

    def mapped(quick: bool) -> None:
        map_scene(model, MapRequest([{"path": str(image)}], device="cpu", fast=quick),
                  [ClassMap(str(folder / "map.tif")), Confidence(str(folder / "sure.tif"))])

    return {
        "onnxruntime": lambda: [bare.run(["probabilities"], {name: block}) for block in blocks],
        "ceiling": lambda: [exact.run({name: block}) for block in blocks],
        "map": lambda: mapped(False),
        "fast ceiling": lambda: [fast.run({name: block}) for block in blocks],
        "fast map": lambda: mapped(True),
        "naive": lambda: naive(bare, name, image, folder / "naive.tif"),
    }


def in_turns(ways: dict[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Seconds of each way in each round, after one that does not count."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds + 1):
        for name, way in ways.items():
            started = time.perf_counter()
            way()
            if number:
                seconds[name].append(time.perf_counter() - started)
    return seconds


def write_model(path: Path, encoder: str = "resnet18") -> Path:
    network, inputs = spectral_unet(encoder, len(BANDS))
    content = to_onnx(Probabilities(network).eval(), {network.seen.name: len(BANDS)}, network.stride, encoder)
    said = networks.description(BANDS, tuple((value, f"class {value}", "") for value in range(1, CLASSES + 1)), stride=32, halo=96,
                                **block_sizes(96, 32))
    said["inputs"][0]["name"] = inputs
    package.write(content, said, path)
    return path


def write_image(path: Path, size: int, names: list[str]) -> Path:
    noise = np.random.default_rng(1).normal(1500, 300, (len(names), size, size)).clip(1, 10_000).astype(np.uint16)
    return scenes.write_raster(path, noise, names=names, tiled=True, blockxsize=512, blockysize=512, compress="deflate", predictor=2)


def laid(model: package.Package, size: int) -> list:
    """The blocks of an image of that edge."""
    return anchored_tiles(size, size, block=model.block, halo=model.halo, stride=model.stride)


def blocks_in_memory(model: package.Package, size: int) -> list[np.ndarray]:
    """An array for each block; those of one shape are the same array."""
    arrays: dict[tuple[int, int], np.ndarray] = {}
    shapes = [(tile.seen.height, tile.seen.width) for tile in laid(model, size)]
    return [arrays.setdefault(shape, np.full((1, len(model.image.bands), *shape), 1500, np.float32)) for shape in shapes]


def naive(session: onnxruntime.InferenceSession, name: str, image: Path, output: Path) -> None:
    with rasterio.open(image) as source, rasterio.open(output, "w", **{**source.profile, "count": 1, "dtype": "uint8"}) as target:
        for row in range(0, source.height, WINDOW):
            for col in range(0, source.width, WINDOW):
                window = rasterio.windows.Window(col, row, WINDOW, WINDOW)
                scores, = session.run(["probabilities"], {name: source.read(window=window).astype(np.float32)[None]})
                target.write(scores[0].argmax(0).astype(np.uint8), 1, window=window)


if __name__ == "__main__":
    main()
