"""What the area of applicability costs a map, and how its limit depends on the number of training samples that a model file holds.

A regression on statistics and a U-Net with a tiny encoder, both of ten bands and random discs, map the same image without the layer and with it, in turns.
So do a regression, an L-TAE and a U-TAE with four dates of ten bands, and a gated network of two sensors with a tiny encoder, with both images and with one.
On a machine that others use too, compare the processor time.
Run: OMP_NUM_THREADS=1 python -m benchmarks.known_ground [--size 2000] [--rounds 3] [--only images|series|fusion]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from eo_pretrain_qgis.engine.classic.models import Labelled
from eo_pretrain_qgis.engine.datasets.dataset import Dataset
from eo_pretrain_qgis.engine.learning.export import export_run
from eo_pretrain_qgis.engine.learning.finetuning.recipe import finetune
from eo_pretrain_qgis.engine.mapping.images import Image
from eo_pretrain_qgis.engine.mapping.inference import Product, map_scene
from eo_pretrain_qgis.engine.mapping.products import Applicability, ClassMap
from eo_pretrain_qgis.engine.mapping.request import MapRequest
from eo_pretrain_qgis.engine.mapping.series import SeriesRequest, map_series
from eo_pretrain_qgis.engine.models import package
from eo_pretrain_qgis.engine.runs.known_ground import ground_of
from eo_pretrain_qgis.engine.runs.run_folder import RunFolder
from eo_pretrain_qgis.engine.runs.simple import Settings, export_simple, train_simple
from eo_pretrain_qgis.jobs import JOBS
from eo_pretrain_qgis.progress import SILENT
from tests import scenes, scenes_crops
from tests.engine.learning import tiny_pairs
from tests.engine.learning.tiny import tiles, write_dataset
from tests.settings import finetuning

BANDS, TILE, SAMPLES = 10, 64, (125, 250, 500, 1000, 2000)


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--size", type=int, default=2000)
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--only", choices=("images", "series", "fusion"))
    asked = arguments.parse_args()
    for name, measure in (("images", images), ("series", series), ("fusion", fusion)):
        if asked.only in (None, name):
            with tempfile.TemporaryDirectory() as made:
                measure(Path(made), asked)


def images(folder: Path, asked: argparse.Namespace) -> None:
    """Models of one image."""
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
        compare(folder, asked.rounds, lambda products: map_scene(model, MapRequest([{"path": str(image)}], device="cpu"), products))  # noqa: B023


def series(folder: Path, asked: argparse.Namespace) -> None:
    """Models of series and of dated tiles, of four dates of images of a quarter of the size."""
    season, times = scenes_crops.noisy_season(folder / "season"), max(1, asked.size // 4 // scenes_crops.SIZE)
    shown = scenes_crops.of_days(scenes_crops.noisy_season(folder / "shown", times=times))
    request = SeriesRequest(*([{"path": path} for path in shown[name]] for name in ("images", "masks")))
    learned = {**scenes_crops.of_days(season), "parcels": str(season / "parcels.gpkg"), "crop_field": "crop", "minimum_parcels": 2, "minimum_clear": 1}
    ways = {"statistics": ("pixels", {"approach": "statistics"}), "ltae": ("pixels", {"encoder": "ltae"}), "utae": ("tiles", {})}
    for name, (kind, how) in ways.items():
        dataset, run, file = (str(folder / f"{name}{end}") for end in ("_dataset", "_run", ".onnx"))
        more = {"kind": "tiles", "tile_size": 32, "gap": 1} if kind == "tiles" else {"split_by": "parcel"}
        JOBS["create_crop_dataset"].from_values({**learned, **more, "output": dataset}).run(SILENT)
        network = {} if "approach" in how else {"approach": "network", "epochs": 1, "device": "cpu", "precision": "float32", "keep": "last"}
        JOBS["finetune"].from_values({"dataset": dataset, **network, **how, "output": run}).run(SILENT)
        JOBS["export_model"].from_values({"run_folder": run, "output": file}).run(SILENT)
        model = package.open(file)
        print(f"{name}, {times * scenes_crops.SIZE} px in square, 4 dates, best of {asked.rounds} rounds", flush=True)
        compare(folder, asked.rounds, lambda products: map_series(model, request, products))  # noqa: B023


def fusion(folder: Path, asked: argparse.Namespace) -> None:
    """A model that does without one of two sensors, with images of half of the size."""
    finetune(str(tiny_pairs.write_pairs(folder / "pairs")), str(folder / "run"),
             finetuning(fusion="gated", encoder="tu-test_resnet", epochs=1, device="cpu", seed=1))
    export_run(str(folder / "run"), str(folder / "gated.onnx"))
    model, side = package.open(folder / "gated.onnx"), asked.size // 2
    row, col = np.indices((side, side))
    optical, radar = tiny_pairs.images_of(((row // 24 + col // 40) % 4)[None], 3)
    s2 = scenes.write_raster(folder / "s2.tif", optical[0], names=["B02", "B03", "B04"], nodata=0)
    s1 = scenes.write_raster(folder / "s1.tif", radar[0], names=["VV", "VH"])
    for name, second in (("both", Image([{"path": str(s1)}])), ("s2 alone", None)):
        request = MapRequest([{"path": str(s2)}], device="cpu", second=second)
        print(f"gated, {name}, {side} x {side} px, best of {asked.rounds} rounds", flush=True)
        compare(folder, asked.rounds, lambda products: map_scene(model, request, products))  # noqa: B023


def limits(dataset: Dataset) -> None:
    """The limit by the number of samples, and the share of other tiles' samples within it."""
    print("samples  limit  nearby  of test samples inside")
    learned, other = (Labelled(dataset, seen, dataset.indices(split), 1) for seen in [next(iter(dataset.inputs.values()))]
                      for split in ("training", "test"))
    other.whitening = learned.whitening
    for count in SAMPLES:
        known = ground_of(learned, count)
        print(f"{count:7d} {known.limit:6.3f} {known.nearby:7.1f} {(known.dissimilarity(other.rows.features) <= known.limit).mean():7.3f}", flush=True)


def compare(folder: Path, rounds: int, draw: Callable[[list[Product]], object]) -> None:
    """Seconds of a class map alone and with the layer, which `draw` makes."""
    ways: dict[str, list[Product]] = {"without": [ClassMap(str(folder / "map.tif"))], "with": [ClassMap(str(folder / "map.tif")), Applicability(str(folder / "ground.tif"))]}
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, products in ways.items():
            started, busy = time.perf_counter(), time.process_time()
            draw(products)
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
