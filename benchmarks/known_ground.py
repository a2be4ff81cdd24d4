"""What the area of applicability costs a map, and how its limit depends on the number of training samples that a model file holds.

A regression on statistics and a U-Net with a tiny encoder, both of ten bands and random discs, map the same image without the layer and with it, in turns.
On a machine that others use too, compare the processor time.
Run: OMP_NUM_THREADS=1 python -m benchmarks.known_ground [--size 2000] [--rounds 3]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np

from eo_pretrain_qgis.engine.classic.models import Labelled
from eo_pretrain_qgis.engine.datasets.dataset import Dataset
from eo_pretrain_qgis.engine.learning.export import export_run
from eo_pretrain_qgis.engine.learning.finetuning.recipe import finetune
from eo_pretrain_qgis.engine.mapping.inference import map_scene
from eo_pretrain_qgis.engine.mapping.products import Applicability, ClassMap
from eo_pretrain_qgis.engine.mapping.request import MapRequest
from eo_pretrain_qgis.engine.models import package
from eo_pretrain_qgis.engine.runs.known_ground import ground_of
from eo_pretrain_qgis.engine.runs.run_folder import RunFolder
from eo_pretrain_qgis.engine.runs.simple import Settings, export_simple, train_simple
from tests import scenes
from tests.engine.learning.tiny import tiles, write_dataset
from tests.settings import finetuning

BANDS, TILE, SAMPLES = 10, 64, (125, 250, 500, 1000, 2000)


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--size", type=int, default=2000)
    arguments.add_argument("--rounds", type=int, default=3)
    asked = arguments.parse_args()
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        dataset = write_dataset(folder / "discs", count=48, bands=BANDS)
        limits(Dataset.open(dataset))
        train_simple(str(dataset), str(folder / "simple"), Settings("statistics", None, None, 100, 1))
        export_simple(RunFolder.open(str(folder / "simple")), str(folder / "statistics.onnx"))
        finetune(str(dataset), str(folder / "network"), finetuning(encoder="tu-test_resnet", epochs=1, batch_size=4, device="cpu"))
        export_run(str(folder / "network"), str(folder / "network.onnx"))
        image = write_image(folder / "image.tif", asked.size)
        for name in ("statistics", "network"):
            model = package.open(folder / f"{name}.onnx")
            print(f"{name}, {asked.size} x {asked.size} px, block {model.block} px, halo {model.halo} px, best of {asked.rounds} rounds", flush=True)
            compare(model, image, folder, asked.rounds)


def limits(dataset: Dataset) -> None:
    """The limit by the number of samples, and the share of other tiles' samples within it."""
    print("samples  limit  nearby  of test samples inside")
    learned, other = (Labelled(dataset, seen, dataset.indices(split), 1) for seen in [next(iter(dataset.inputs.values()))]
                      for split in ("training", "test"))
    other.whitening = learned.whitening
    for count in SAMPLES:
        known = ground_of(learned, count)
        print(f"{count:7d} {known.limit:6.3f} {known.nearby:7.1f} {(known.dissimilarity(other.rows.features) <= known.limit).mean():7.3f}", flush=True)


def compare(model: package.Package, image: Path, folder: Path, rounds: int) -> None:
    """Seconds of a class map alone and with the layer."""
    ways = {"without": [ClassMap(str(folder / "map.tif"))], "with": [ClassMap(str(folder / "map.tif")), Applicability(str(folder / "ground.tif"))]}
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, products in ways.items():
            started, busy = time.perf_counter(), time.process_time()
            map_scene(model, MapRequest([{"path": str(image)}], device="cpu"), products)
            seconds[name].append((time.perf_counter() - started, time.process_time() - busy))
    best = {name: np.min(found, 0) for name, found in seconds.items()}
    for measure, place in (("wall clock", 0), ("processor time", 1)):
        one, both = (best[name][place] for name in ("without", "with"))
        print(f"  {measure:15} {one:7.2f} s without, {both:7.2f} s with: × {both / one:.3f}", flush=True)


def write_image(path: Path, size: int) -> Path:
    """The discs of the dataset beside each other."""
    each = -(-size // TILE)
    some, _ = tiles(16, TILE, BANDS, 5)
    rng = np.random.default_rng(0)
    values = np.concatenate([np.concatenate(list(some[rng.integers(16, size=each)]), 2) for _ in range(each)], 1)
    return scenes.write_raster(path, values[:, :size, :size], names=[f"B{number + 2:02}" for number in range(BANDS)], nodata=0, tiled=True,
                               blockxsize=512, blockysize=512, compress="deflate", predictor=2)


if __name__ == "__main__":
    main()
