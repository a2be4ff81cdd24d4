"""How many TimeSen2Crop files a second are read and written as a dataset, and how that compares with pandas.

Generates tiles of CSV files like the published ones (nine bands and a flag, 30 dates), then reads them: one process, all cores, the
whole import, and `pandas.read_csv` file by file on a part of them. Rates are per second of wall-clock time and, on a machine that
others use too, per second of processor time of all processes, which is what "per core" means.
Run: python -m benchmarks.timesen2crop_import [--files 100000] [--dates 30]
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas

from eo_pretrain_qgis.engine.datasets.splitting.by_place import SplitPlan
from eo_pretrain_qgis.engine.formats.timesen2crop import find_tiles, read_timesen2crop, write_timesen2crop_dataset
from eo_pretrain_qgis.engine.formats.timesen2crop_files import HEADS

TILES = ("33TUM", "33TVN", "33UVP", "33UWP")
CLASSES = 16


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--files", type=int, default=100_000)
    arguments.add_argument("--dates", type=int, default=30)
    asked = arguments.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "TimeSen2Crop"
        paths = generate(folder, asked.files, asked.dates)
        size = sum(path.stat().st_size for path in paths[:1000]) / 1000
        print(f"{len(paths)} files of {size:.0f} byte, {asked.dates} dates, {os.cpu_count()} cores")
        tiles = find_tiles(folder)
        one = measured("one process", len(paths), lambda: [None for _ in read_timesen2crop(tiles, workers=0)])
        measured("all cores", len(paths), lambda: [None for _ in read_timesen2crop(tiles)])
        out = Path(place) / "dataset"
        out.mkdir()
        measured("whole import, all cores", len(paths), lambda: write_timesen2crop_dataset(folder, out, SplitPlan()))
        some = paths[::max(len(paths) // 5000, 1)]
        peer = measured("pandas.read_csv", len(some), lambda: [pandas.read_csv(path).to_numpy() for path in some])
        print(f"one process against 2,000 files per second and core: {one / 2000:.1f} x; against pandas: {one / peer:.1f} x")


def generate(folder: Path, files: int, dates: int) -> list[Path]:
    """Files with random values, spread over tiles and classes."""
    rng = np.random.default_rng(1)
    head, paths = ",".join((*HEADS, "Flag")) + "\n", []
    days = [date(2017, 9, 3) + timedelta(5 * number) for number in range(dates)]
    for tile in TILES:
        (folder / tile).mkdir(parents=True)
        (folder / tile / "dates.csv").write_text("acquisition_date\n" + "".join(f"{day:%Y%m%d}\n" for day in days))
        for label in range(CLASSES):
            place = folder / tile / str(label)
            place.mkdir()
            rows = np.concatenate([rng.integers(100, 6000, (50, dates, 9)), rng.integers(0, 4, (50, dates, 1))], -1).tolist()
            texts = [head + "".join(",".join(map(str, row)) + "\n" for row in sample) for sample in rows]
            for number in range(files // len(TILES) // CLASSES):
                path = place / f"{number}.csv"
                path.write_text(texts[number % len(texts)], encoding="ascii")
                paths.append(path)
    return paths


def measured(name: str, files: int, work) -> float:
    """Prints the rates of `work`; returns files per second of processor time."""
    before, begun = os.times(), time.perf_counter()
    work()
    after, seconds = os.times(), time.perf_counter() - begun
    processor = sum(getattr(after, field) - getattr(before, field) for field in ("user", "system", "children_user", "children_system"))
    print(f"{name:28} {files / seconds:8.0f} files/s   {files / processor:8.0f} files per second of processor time")
    return files / processor


if __name__ == "__main__":
    main()
