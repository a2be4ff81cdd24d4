"""Does memory stay flat while topics are discovered in larger and larger scenes?

Makes synthetic scenes in HH and HV (float32 dB, tiled GeoTIFF, three kinds of ground in squares, speckle-like noise), discovers topics in each in
a process of its own, and prints the peak of its resident memory and the processor time per megapixel. The ratio is that of the largest scene to
the smallest. A whole Sentinel-1 EW scene has 25,000 x 16,000 pixels: `--sizes 2048x2048 25000x16000` (3.2 GB on disk, some minutes).
Run: python -m benchmarks.topics_memory [--sizes 1024x1024 4096x4096 8192x8192] [--folder DIR]
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

import numpy as np
import rasterio
from rasterio.windows import Window

from eo_pretrain_qgis.jobs import JOBS
from eo_pretrain_qgis.progress import SILENT

SQUARE = 512


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--sizes", nargs="+", default=["1024x1024", "4096x4096", "8192x8192"])
    arguments.add_argument("--folder", help="where the scenes go; they are removed at the end")
    arguments.add_argument("--one", help=argparse.SUPPRESS)
    asked = arguments.parse_args()
    if asked.one:
        print(json.dumps(discover(Path(asked.one))))
        return
    rows = []
    with tempfile.TemporaryDirectory(dir=asked.folder) as folder:
        for text in asked.sizes:
            width, height = map(int, text.split("x"))
            scene = write_scene(Path(folder) / "scene.tif", width, height)
            ran = subprocess.run([sys.executable, "-m", "benchmarks.topics_memory", "--one", str(scene)], capture_output=True, text=True, check=True)
            row = {"size": text, "megapixels": width * height / 1e6, **json.loads(ran.stdout)}
            rows.append(row)
            print(f"{row['size']:>12} {row['megapixels']:8.1f} Mpx  {row['documents']:6d} documents  {row['seconds']:7.1f} s  "
                  f"{row['processor']:7.1f} s of processor  {row['megapixels'] / row['processor']:6.2f} Mpx per processor second  "
                  f"peak {row['peak_mb']:7.0f} MB", flush=True)
            scene.unlink()
    print(f"ratio of the peaks, {rows[-1]['size']} to {rows[0]['size']}: {rows[-1]['peak_mb'] / rows[0]['peak_mb']:.2f} "
          f"for {rows[-1]['megapixels'] / rows[0]['megapixels']:.0f} times the pixels")


def write_scene(path: Path, width: int, height: int) -> Path:
    """HH and HV with squares of three kinds of ground."""
    rng = np.random.default_rng(1)
    noise = rng.normal(0, 1, (2, SQUARE, SQUARE)).astype(np.float32)
    levels = np.array([[-20, -27], [-10, -19], [-15, -22]], np.float32)
    with rasterio.open(path, "w", driver="GTiff", width=width, height=height, count=2, dtype="float32", crs="EPSG:3413", tiled=True, blockxsize=SQUARE,
                       blockysize=SQUARE, bigtiff="if_safer", transform=rasterio.transform.from_origin(0, 0, 40, 40)) as target:
        for row in range(0, height, SQUARE):
            for col in range(0, width, SQUARE):
                part = Window(col, row, min(SQUARE, width - col), min(SQUARE, height - row))
                turned = np.roll(noise, rng.integers(SQUARE), axis=2)[:, :part.height, :part.width]
                target.write(turned + levels[rng.integers(3)][:, None, None], window=part)
        for number, name in enumerate(("HH", "HV"), 1):
            target.set_band_description(number, name)
    return path


def discover(scene: Path) -> dict:
    """Discovers topics in one scene and says what it took."""
    with tempfile.TemporaryDirectory(dir=scene.parent) as folder:
        values = {"images": [str(scene)], "output": f"{folder}/map.tif", "documents": f"{folder}/documents.gpkg", "report": f"{folder}/report.html"}
        started, busy = time.perf_counter(), time.process_time()
        made = JOBS["discover_topics"].from_values(values).run(SILENT)
        return {"documents": made["documents_count"], "seconds": time.perf_counter() - started, "processor": time.process_time() - busy,
                "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


if __name__ == "__main__":
    main()
