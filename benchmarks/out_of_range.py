"""What the out-of-range layer sees of other days that the range of each band does not, and what it costs.

Four Sentinel-2 images of one reservoir: the range is measured on all pixels of one day and held against those of the others. Beside it stands the share of
the band that is most outside its own 0.1 to 99.9 percentiles, widened by a tenth on either side, which “Predict map” tells, too.
Run: OMP_NUM_THREADS=1 python -m benchmarks.out_of_range DATA [--csv docs/evidence/data]
DATA is the folder of real imagery that lies beside a checkout.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import rasterio

from benchmarks.figures import Figures
from eo_pretrain_qgis.engine.classic.value_range import ValueRange
from eo_pretrain_qgis.engine.mapping.reading import RANGE_MARGIN

DAYS = ("2020-01-18", "2020-02-02", "2020-06-21", "2021-07-21")


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("data", type=Path)
    arguments.add_argument("--csv", type=Path, help="folder for out_of_range.csv")
    asked = arguments.parse_args()
    images = {day: read(asked.data / "s2" / "boadella_timeseries" / f"Boadella_{day}.tif") for day in DAYS}
    found = Figures("range of", "held against", "share outside")
    for day, image in images.items():
        pixels = image.reshape(len(image), -1).T
        known = ValueRange.of(pixels, ["reflectance"] * len(image))
        low, high = np.percentile(pixels, (0.1, 99.9), axis=0)[:, :, None, None]
        margin = RANGE_MARGIN * (high - low)
        for other, values in images.items():
            found.add(day, other, "out of range", value=float((known.shares(values) > 1).mean()))
            found.add(day, other, "band that is most outside", value=float(((values < low - margin) | (values > high + margin)).mean((1, 2)).max()))
    block = np.random.default_rng(1).normal(1500, 300, (len(image), 1024, 1024)).astype(np.float32)
    began = time.perf_counter()
    known.shares(block)
    print(f"{time.perf_counter() - began:.3f} s for a block of 1024 x 1024 px with {len(block)} bands")
    for row in found.rows:
        print(f"  {row['range of']} {row['held against']} {row['share outside']:28} {row['value']}")
    if asked.csv:
        found.write(asked.csv / "out_of_range.csv")


def read(path: Path) -> np.ndarray:
    with rasterio.open(path) as source:
        return source.read().astype(np.float32)


if __name__ == "__main__":
    main()
