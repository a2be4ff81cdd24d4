"""Peak memory of making a dataset, from a small image to a large one: it should not grow with the image.

Each size is a process of its own that runs create_training_dataset over an image of 4 bands (uint16, zstd, blocks of 512 px, random
ground of 1024 px repeated) with labels from polygons, and says its peak resident memory (Linux: VmHWM; else from getrusage). The start,
before the images are opened but with all libraries loaded, is measured in the same process. The largest size writes 3.7 GB.
Run: python -m benchmarks.building_memory [--sizes 1000 5000 20000] [--tile 256]
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import geopandas
import numpy as np
import rasterio
import rasterio.windows
import shapely

from tests.scenes import ORIGIN, UTM

CHILD = """
import json, sys, time
from benchmarks.building_memory import peak_megabytes
from eo_pretrain_qgis.engine.datasets import building, labels
from eo_pretrain_qgis.jobs import JOBS
from eo_pretrain_qgis.progress import SILENT
before, began = peak_megabytes(), time.monotonic()
result = JOBS["create_training_dataset"].from_values(json.loads(sys.argv[1])).run(SILENT)
print(json.dumps({"tiles": result["tiles"], "before": before, "peak": peak_megabytes(), "seconds": time.monotonic() - began}))
"""


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--sizes", type=int, nargs="+", default=[1000, 5000, 20000])
    arguments.add_argument("--tile", type=int, default=256)
    asked = arguments.parse_args()
    peaks = []
    for size in asked.sizes:
        with tempfile.TemporaryDirectory() as folder:
            values = {"images": [str(write_image(Path(folder) / "image.tif", size))], "tile_size": asked.tile, "class_field": "cover",
                      "labels": str(write_polygons(Path(folder) / "labels.gpkg", size)), "unlabelled": "background",
                      "output": str(Path(folder) / "dataset")}
            child = subprocess.run([sys.executable, "-c", CHILD, json.dumps(values)], capture_output=True, text=True, check=True)
        found = json.loads(child.stdout.splitlines()[-1])
        peaks.append(found["peak"])
        print(f"{size:6} x {size:<6} {found['tiles']:5} tiles in {found['seconds']:6.1f} s: peak {found['peak']:6.0f} MB, "
              f"{found['peak'] - found['before']:6.0f} MB above the libraries", flush=True)
    print(f"ratio of the largest image's peak to that of the smallest: {peaks[-1] / peaks[0]:.2f}, "
          f"with {(asked.sizes[-1] / asked.sizes[0]) ** 2:.0f} times the pixels")


def peak_megabytes() -> float:
    status = Path("/proc/self/status")
    if status.exists():
        return next(int(line.split()[1]) / 1024 for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def write_image(path: Path, size: int) -> Path:
    rng = np.random.default_rng(1)
    block = rng.integers(0, 64, (4, 1024, 1024)).astype(np.uint16) + 1000
    with rasterio.open(path, "w", driver="GTiff", count=4, height=size, width=size, dtype="uint16", crs=UTM, tiled=True, blockxsize=512,
                       blockysize=512, compress="zstd", zstd_level=1, bigtiff="yes", num_threads=2,
                       transform=rasterio.transform.from_origin(*ORIGIN, 10, 10)) as target:
        for row in range(0, size, 1024):
            for col in range(0, size, 1024):
                height, width = min(1024, size - row), min(1024, size - col)
                target.write(block[:, :height, :width], window=rasterio.windows.Window(col, row, width, height))
    return path


def write_polygons(path: Path, size: int) -> Path:
    """2,000 squares of 200 to 1,600 m of five classes."""
    rng = np.random.default_rng(2)
    x, y, edge = rng.uniform(0, size * 10, 2000), rng.uniform(0, size * 10, 2000), rng.uniform(200, 1600, 2000)
    shapes = shapely.box(ORIGIN[0] + x, ORIGIN[1] - y - edge, ORIGIN[0] + x + edge, ORIGIN[1] - y)
    geopandas.GeoDataFrame({"cover": rng.integers(1, 6, 2000)}, geometry=shapes, crs=UTM).to_file(path, driver="GPKG")
    return path


if __name__ == "__main__":
    began = time.monotonic()
    main()
    print(f"{time.monotonic() - began:.0f} s in all")
