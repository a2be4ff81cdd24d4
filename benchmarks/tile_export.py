"""How fast tiles with labels are cut from a compressed raster, beside the peers that can be installed and beside bare reading.

The work: 4 bands × 256 × 256 px without overlap, with labels from 2,000 polygons of 5 classes, out of a 5490² uint16 raster in
deflate-compressed blocks of 512 px (168 MB, made here). All ways do it in turns, so that a busy machine is busy for all of them; on
one that others use too, compare the processor time, of all threads and child processes:
  cut          what the dataset jobs do: read, draw, judge and write arrays, in as many threads as there are cores;
  cut alone    the same in one thread;
  job          all of create_training_dataset: also checksums, the split by place, statistics, footprints;
  read         reading the windows with rasterio in one process and throwing them away: the ceiling of tools that go tile by tile;
  geoai, torchgeo, torchgeo 2   the peers (tile_export_peers.py), started with the Python of an environment that has them:
                                uv venv peers && uv pip install --python peers/bin/python torchgeo geoai-py
  raster vision                 another, in an environment of its own: uv venv rv && uv pip install --python rv/bin/python rastervision_core
Deepness, a plugin that needs a QGIS window, is not among them.
Run: python -m benchmarks.tile_export [--peers peers/bin/python] [--raster-vision rv/bin/python] [--size 5490] [--rounds 5]
     [--machine quiet] [--csv docs/evidence/data]
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import geopandas
import numpy as np
import rasterio
import rasterio.windows
import shapely
from scipy.ndimage import gaussian_filter

from benchmarks.figures import Figures
from eo_pretrain_qgis.engine import scheduling
from eo_pretrain_qgis.engine.datasets import building
from eo_pretrain_qgis.engine.datasets.labels import open_labels
from eo_pretrain_qgis.jobs import JOBS
from eo_pretrain_qgis.progress import SILENT
from tests.scenes import ORIGIN, UTM

TILE, BANDS, POLYGONS = 256, 4, 2000
PEERS = ("torchgeo 2", "geoai", "torchgeo")


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--peers", help="Python of an environment with torchgeo and geoai-py")
    arguments.add_argument("--raster-vision", help="Python of an environment with rastervision_core")
    arguments.add_argument("--size", type=int, default=5490)
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--machine", default="this machine", help="a word for the table")
    arguments.add_argument("--csv", type=Path, help="folder for tile_export.csv")
    asked = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        image, labels = write_image(place / "image.tif", asked.size), write_polygons(place / "labels.gpkg", asked.size)
        ways = {
            "cut": lambda: cut(image, labels, place / "cut"),
            "cut alone": lambda: cut(image, labels, place / "cut", threads=1),
            "job": lambda: job(image, labels, place / "job"),
            "read": lambda: read(image),
        }
        if asked.peers:
            peers = Peers(asked.peers, image, labels, place / "peer")
            ways.update({name: lambda name=name: peers.run(name) for name in PEERS})
        if asked.raster_vision:
            other = Peers(asked.raster_vision, image, labels, place / "raster_vision")
            ways["raster vision"] = lambda: other.run("raster vision")
        clock: dict[str, list[float]] = {name: [] for name in ways}
        processor: dict[str, list[float]] = {name: [] for name in ways}
        for number in range(asked.rounds):
            for name, way in ways.items():
                count, seconds, busy = way()
                clock[name].append(count / seconds)
                processor[name].append(count / busy)
                print(f"round {number + 1} of {asked.rounds}: {name}, {count} tiles in {seconds:.1f} s, {busy:.1f} s of processor time", flush=True)
        report("tiles per second of the clock", clock)
        report("tiles per second of processor time", processor)
        if asked.csv:
            keep(clock, asked)


def report(measure: str, rates: dict[str, list[float]]) -> None:
    best = {name: max(values) for name, values in rates.items()}
    print(f"{measure}, best of the rounds (each round)")
    for name, values in rates.items():
        print(f"  {name:11} {best[name]:7.1f}   ({', '.join(f'{value:.1f}' for value in values)})")
    for name in best:
        if name not in ("cut", "job"):
            print(f"  ratio to {name}: cut {best['cut'] / best[name]:.2f}, the whole job {best['job'] / best[name]:.2f}")


def keep(rates: dict[str, list[float]], asked: argparse.Namespace) -> None:
    """Best rates by the clock, for docs/evidence/data."""
    found, best = Figures("machine", "way", "figure"), {name: max(values) for name, values in rates.items()}
    for name, rate in best.items():
        found.add(asked.machine, name, "tiles per second", value=rate, form=".0f")
        if name in (*PEERS, "raster vision"):
            found.add(asked.machine, name, "cut is so many times", value=best["cut"] / rate, form=".1f")
            found.add(asked.machine, name, "the whole job is", value=best["job"] / rate, form=".1f")
    found.write(asked.csv / "tile_export.csv")


def write_image(path: Path, size: int, bands: int = BANDS) -> Path:
    """Smooth fields with noise, which compress about as much as Sentinel-2 does."""
    rng = np.random.default_rng(1)
    with rasterio.open(path, "w", driver="GTiff", count=bands, height=size, width=size, dtype="uint16", crs=UTM, tiled=True, blockxsize=512,
                       blockysize=512, compress="deflate", predictor=2, transform=rasterio.transform.from_origin(*ORIGIN, 10, 10)) as target:
        for row in range(0, size, 1024):
            height = min(1024, size - row)
            ground = gaussian_filter(rng.normal(0, 1, (height, size)).astype(np.float32), 8) * 4800 + 1500
            for band in range(bands):
                values = ground * (1 + 0.2 * band) + rng.normal(0, 60, (height, size)).astype(np.float32)
                target.write(values.clip(1, 10_000).astype(np.uint16), band + 1, window=rasterio.windows.Window(0, row, size, height))
    return path


def write_polygons(path: Path, size: int) -> Path:
    """Ragged discs of 100 to 900 m, anywhere."""
    rng = np.random.default_rng(2)
    x, y, radius = rng.uniform(0, size * 10, POLYGONS), rng.uniform(0, size * 10, POLYGONS), rng.uniform(100, 900, POLYGONS)
    angle, ragged = np.linspace(0, 2 * np.pi, 24, endpoint=False), rng.uniform(0.6, 1, (POLYGONS, 24))
    xs = ORIGIN[0] + x[:, None] + radius[:, None] * np.cos(angle) * ragged
    ys = ORIGIN[1] - y[:, None] + radius[:, None] * np.sin(angle) * ragged
    shapes = shapely.polygons(np.stack([xs, ys], -1))
    geopandas.GeoDataFrame({"cover": rng.integers(1, 6, POLYGONS)}, geometry=shapes, crs=UTM).to_file(path, driver="GPKG")
    return path


def cut(image: Path, labels: Path, folder: Path, threads: int = scheduling.MOST_THREADS) -> tuple[int, float, float]:
    scenes = building.open_scenes([{"path": str(image)}], "scenes")
    sensor = building.describe_sensor(scenes, "generic")
    grid = scenes[0].grid
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    began, busy, most = time.perf_counter(), time.process_time(), scheduling.MOST_THREADS
    drawn = open_labels({"path": str(labels)}, [grid], class_field="cover", unlabelled="background")
    cutter = building.Cutter([scenes], [sensor], drawn, building.Cutting(TILE), grid.crs)
    pieces = cutter.pieces(0)
    scenes[0].close()
    scheduling.MOST_THREADS = threads
    try:
        table, _ = building.cut_all(folder, cutter, pieces, SILENT)
    finally:
        scheduling.MOST_THREADS = most
    return len(table.rows), time.perf_counter() - began, time.process_time() - busy


def job(image: Path, labels: Path, folder: Path) -> tuple[int, float, float]:
    shutil.rmtree(folder, ignore_errors=True)
    began, busy = time.perf_counter(), time.process_time()
    values = {"images": [str(image)], "labels": str(labels), "class_field": "cover", "unlabelled": "background", "output": str(folder)}
    result = JOBS["create_training_dataset"].from_values(values).run(SILENT)
    return result["tiles"], time.perf_counter() - began, time.process_time() - busy


def read(image: Path) -> tuple[int, float, float]:
    began, busy, count = time.perf_counter(), time.process_time(), 0
    with rasterio.open(image) as source:
        for row in range(0, source.height - TILE + 1, TILE):
            for col in range(0, source.width - TILE + 1, TILE):
                source.read(window=rasterio.windows.Window(col, row, TILE, TILE))
                count += 1
    return count, time.perf_counter() - began, time.process_time() - busy


class Peers:
    """A process with the peers' Python that stays, so that importing them is not timed."""

    def __init__(self, python: str, image: Path, labels: Path, folder: Path) -> None:
        script = Path(__file__).with_name("tile_export_peers.py")
        self.process = subprocess.Popen([python, str(script), str(image), str(labels), str(folder)], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)

    def run(self, name: str) -> tuple[int, float, float]:
        self.process.stdin.write(name + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        return answer["tiles"], answer["seconds"], answer["busy"]


if __name__ == "__main__":
    main()
