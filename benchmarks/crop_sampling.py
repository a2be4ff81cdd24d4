"""Time and memory of drawing a million pixel series of 30 dates, and how that compares with asking rasters point by point.

Writes 30 dates of Sentinel-2-like images (tiled, deflate, 4 bands) and a parcel layer, then runs create_crop_dataset in a process of
its own for each number of samples, whose peak memory is read at its end. The peer is `rasterio.sample`, which most scripts use:
every point of every date is looked up on its own; it is timed on a part and scaled up.
With --sizes it measures memory against the size of the raster instead: the same number of samples and of parcels, few dates of one band of
bytes, each size in a process of its own.
Run: python -m benchmarks.crop_sampling [--size 2048] [--dates 30] [--samples 1000000]
     python -m benchmarks.crop_sampling --sizes 1000 5000 10000 --dates 3 --samples 100000
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path

import geopandas
import numpy as np
import rasterio
import shapely

BANDS = ("B02", "B03", "B04", "B08")
FIELD, ORIGIN = 16, (500_000, 5_300_000)
POINTS, PEER_DATES = 5000, 2
#: Parcels along each side where sizes are compared.
PARCELS_ACROSS = 50


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--size", type=int, default=2048, help="width and height of the images [px]")
    arguments.add_argument("--dates", type=int, default=30)
    arguments.add_argument("--samples", type=int, default=1_000_000)
    arguments.add_argument("--sizes", type=int, nargs="+", help="measure memory for these sizes [px]")
    arguments.add_argument("--run", help=argparse.SUPPRESS)
    asked = arguments.parse_args()
    if asked.run:
        run(json.loads(asked.run))
        return
    if asked.sizes:
        compare_sizes(asked.sizes, asked.dates, asked.samples)
        return
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        images = write_images(folder, asked.size, asked.dates)
        parcels = write_parcels(folder / "parcels.gpkg", asked.size)
        print(f"{asked.dates} dates of {asked.size} × {asked.size} px, {len(BANDS)} bands, {parcels} parcels")
        rates = {}
        for samples in (asked.samples // 10, asked.samples):
            values = {"images": images, "parcels": str(folder / "parcels.gpkg"), "crop_field": "crop", "sample_count": samples,
                      "minimum_samples": 0, "output": str(folder / f"dataset_{samples}")}
            found = apart(values)
            rates[samples] = found["samples"] * asked.dates / found["processor"]
            print(f"{found['samples']:>9} samples: {found['seconds']:6.1f} s, {found['processor']:6.1f} s of processor time, "
                  f"peak {found['peak_mb']:5.0f} MB, {rates[samples]:10.0f} sample dates per second of processor time")
        peer = sample_points(images, asked.size)
        print(f"rasterio.sample: {peer:.0f} sample dates per second of processor time; ratio {rates[asked.samples] / peer:.1f} x")


def compare_sizes(sizes: list[int], dates: int, samples: int) -> None:
    """Peak memory for rasters of several sizes with the same parcels and samples."""
    peaks = {}
    for size in sizes:
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place)
            images = write_images(folder, size, dates, BANDS[:1], "uint8")
            parcels = write_parcels(folder / "parcels.gpkg", size, size // PARCELS_ACROSS)
            found = apart({"images": images, "parcels": str(folder / "parcels.gpkg"), "crop_field": "crop", "sample_count": samples,
                           "minimum_samples": 0, "preset": "generic", "output": str(folder / "dataset")})
            peaks[size] = found["peak_mb"]
            print(f"{dates} dates of {size} × {size} px, {parcels} parcels, {found['samples']} samples: {found['processor']:.1f} s of processor "
                  f"time, peak {found['peak_mb']:.0f} MB, {found['peak_mb'] / peaks[sizes[0]]:.2f} of the first", flush=True)


def apart(values: dict) -> dict:
    """What `run` found in a process of its own."""
    ran = subprocess.run([sys.executable, "-m", "benchmarks.crop_sampling", "--run", json.dumps(values)], capture_output=True, text=True, check=True)
    return json.loads(ran.stdout.splitlines()[-1])


def run(values: dict) -> None:
    """The job, and what it took."""
    from eo_pretrain_qgis.jobs import JOBS
    from eo_pretrain_qgis.progress import SILENT

    begun, before = time.perf_counter(), time.process_time()
    result = JOBS["create_crop_dataset"].from_values(values).run(SILENT)
    print(json.dumps({"samples": result["samples"], "seconds": time.perf_counter() - begun, "processor": time.process_time() - before,
                      "peak_mb": peak_mb()}))


def peak_mb() -> float:
    """Most memory this program has held: ru_maxrss would also count what the process that started it held then."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def write_images(folder: Path, size: int, dates: int, bands: Sequence[str] = BANDS, dtype: str = "uint16") -> list[str]:
    """Fields of one value each with a little noise, which compress about as real images do."""
    rng, paths = np.random.default_rng(1), []
    noise, top = rng.integers(0, 64 if dtype == "uint16" else 8, (size, size), np.dtype(dtype)), 4000 if dtype == "uint16" else 240
    transform = rasterio.transform.from_origin(*ORIGIN, 10, 10)
    for number in range(dates):
        level = rng.integers(top // 16, top, (-(-size // FIELD), -(-size // FIELD))).astype(dtype)
        ground = level.repeat(FIELD, 0).repeat(FIELD, 1)[:size, :size] + noise
        path = folder / f"S2_{date(2023, 1, 3) + timedelta(10 * number):%Y%m%d}.tif"
        with rasterio.open(path, "w", driver="GTiff", width=size, height=size, count=len(bands), dtype=dtype, nodata=0, crs="EPSG:32633",
                           transform=transform, tiled=True, blockxsize=512, blockysize=512, compress="deflate", zlevel=1, predictor=2) as target:
            for band, name in enumerate(bands, 1):
                target.write(ground + np.dtype(dtype).type(100 * (band - 1)), band)
                target.set_band_description(band, name)
        paths.append(str(path))
    return paths


def write_parcels(path: Path, size: int, field: int = FIELD) -> int:
    """A parcel on every square of `field` pixels, of eight crops in geometric shares."""
    rng, count = np.random.default_rng(2), size // field
    rows, cols = np.divmod(np.arange(count * count), count)
    edge = field * 10.0
    west, north = ORIGIN[0] + edge * cols, ORIGIN[1] - edge * rows
    shares = 0.6 ** np.arange(8)
    crops = rng.choice([f"crop {number}" for number in range(8)], len(rows), p=shares / shares.sum())
    geopandas.GeoDataFrame({"crop": crops}, geometry=shapely.box(west, north - edge, west + edge, north), crs="EPSG:32633").to_file(path)
    return len(rows)


def sample_points(images: list[str], size: int) -> float:
    """Sample dates per second of processor time, asking each image for random points in order of rows."""
    rng = np.random.default_rng(3)
    places = rng.integers(0, size, (POINTS, 2))
    places = places[np.lexsort((places[:, 1] // 512, places[:, 0] // 512))]
    points = [(ORIGIN[0] + 10 * col + 5, ORIGIN[1] - 10 * row - 5) for row, col in places.tolist()]
    before = os.times()
    for path in images[:PEER_DATES]:
        with rasterio.open(path) as source:
            np.array(list(source.sample(points)))
    after = os.times()
    return POINTS * PEER_DATES / (after.user + after.system - before.user - before.system)


if __name__ == "__main__":
    main()
