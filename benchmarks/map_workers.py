"""How fast one and two Dask workers map an image, beside one process; and whether a pixel differs.

A scheduler and its workers run on this computer, one thread each. All ways map the same image to a class map and its confidence, in turns; two
workers need two cores, and the process that writes the map shares them. Wall-clock rates mean little where other programs run, so the processor
time is told, too: of the process that writes, and of the workers.
Run: python -m benchmarks.map_workers [model.onnx] [--size 2048] [--rounds 3] [--csv docs/evidence/data]
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import psutil
import rasterio

from benchmarks.figures import Figures
from benchmarks.mapping_speed import write_image, write_model
from eo_pretrain_qgis.engine.mapping.inference import map_scene
from eo_pretrain_qgis.engine.mapping.products.classes import ClassMap, Confidence
from eo_pretrain_qgis.engine.mapping.request import MapRequest
from eo_pretrain_qgis.engine.models import package
from eo_pretrain_qgis.engine.scheduling import VARIABLE
from tests.clusters import Workers, cluster

WORKERS = (1, 2)


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("model", nargs="?", help="a model file; without it a U-Net with ResNet-18 over a regression, of random weights, halo 96")
    arguments.add_argument("--size", type=int, default=2048)
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--csv", type=Path, help="folder for map_workers.csv")
    asked = arguments.parse_args()
    found, pixels = Figures("what", "figure"), asked.size**2 / 1e6
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        model = package.open(asked.model or write_model(folder / "model.onnx"))
        image = write_image(folder / "image.tif", asked.size, model.image.names)
        ways: dict[str, tuple[str, list[psutil.Process]]] = {"one process, all cores": ("", [])}
        for count in WORKERS:
            (folder / str(count)).mkdir()
            address, workers = stack.enter_context(cluster(folder / str(count), count))
            ways[f"{count} worker{'s' if count > 1 else ''}, one thread each"] = address, processes(workers)
        figures: dict[str, list[tuple[float, float, float]]] = {name: [] for name in ways}
        for number in range(asked.rounds + 1):
            for name, (address, workers) in ways.items():
                took = timed(model, image, folder / f"{name}.tif", address, workers)
                if number:  # the first round loads the engine into the workers
                    figures[name].append(took)
        whole = read(folder / "one process, all cores.tif")
        for name, rounds in figures.items():
            wall, own, theirs = np.median(rounds, axis=0)
            found.add(name, "million pixels per second", value=pixels / wall)
            found.add(name, "processor seconds per million pixels, who writes", value=own / pixels)
            found.add(name, "the same, workers", value=theirs / pixels)
            found.add(name, "pixels that differ", value=float((read(folder / f"{name}.tif") != whole).sum()), form=".0f")
    print(f"{asked.size} x {asked.size} px, blocks of {model.block} px, halo {model.halo} px, medians of {asked.rounds} rounds")
    for row in found.rows:
        print(f"  {row['what']:32} {row['value']:>8} {row['figure']}")
    if asked.csv:
        found.write(asked.csv / "map_workers.csv")


def processes(workers: Workers) -> list[psutil.Process]:
    """Those of the workers, without the scheduler's."""
    return [psutil.Process(process.pid) for process in workers.started[1:]]


def timed(model: package.Package, image: Path, output: Path, address: str, workers: list[psutil.Process]) -> tuple[float, float, float]:
    """Seconds of the clock, and of the processor in this process and in the workers."""
    os.environ[VARIABLE] = address
    began, own, theirs = time.perf_counter(), time.process_time(), spent(workers)
    map_scene(model, MapRequest([{"path": str(image)}], device="cpu"), [ClassMap(str(output)), Confidence(f"{output}.sure.tif")])
    return time.perf_counter() - began, time.process_time() - own, spent(workers) - theirs


def spent(workers: list[psutil.Process]) -> float:
    """Seconds of the processor so far."""
    return float(sum(times.user + times.system for times in (worker.cpu_times() for worker in workers)))


def read(path: Path) -> np.ndarray:
    """A class map and its confidence (2, y, x)."""
    layers = []
    for name in (path, f"{path}.sure.tif"):
        with rasterio.open(name) as raster:
            layers.append(raster.read(1))
    return np.stack(layers)


if __name__ == "__main__":
    main()
