"""Scenes as large as they come: how long they take, and whether memory stays in bounds. All of it is simulated, and written to WORK and removed.

    ice        map_sea_ice of 10,000² px of HH, HV and incidence angle, with all its products; a U-Net of random weights, halo 96 px
    polygons   polygons of a class map of 10,980² px, some of them of a few pixels, as predict_map and map_land_cover write them
    parcels    map_crop_types of 100,000 parcels on 10,980² px of 12 bands, with a regression

Each piece of work is a process of its own. Told are its seconds, the processor seconds of all its threads, its peak resident memory, and the load of
the machine when it began and ended.
Run: python -m benchmarks.large_scenes WORK ice|polygons|parcels [--side PX] [--parcels N] [--dates 1] [--encoder resnet18] [--csv large_scenes.csv]
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import subprocess
import sys
import tempfile
from datetime import date, timedelta
from pathlib import Path

import geopandas
import numpy as np
import rasterio
import rasterio.windows
import shapely
from scipy import ndimage

from eo_pretrain_qgis.jobs import JOBS
from eo_pretrain_qgis.progress import SILENT
from tests.scenes import ORIGIN, UTM
from tests.scenes_ice import POLAR
from tests.scenes_ice_maps import CORNER, STAGES, angle_band, radar

CHILD = """
import json, os, sys, time
from benchmarks.building_memory import peak_megabytes
from benchmarks.large_scenes import WORK
values, began = json.loads(sys.argv[2]), time.monotonic()
told = WORK[sys.argv[1]](values)
cpu = os.times()
print(json.dumps({"told": told, "seconds": time.monotonic() - began, "processor": cpu.user + cpu.system, "peak": peak_megabytes()}))
"""
#: Edge of the ground that is simulated once and repeated [px].
GROUND = 1024
BANDS = ("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B11", "B12")
#: Edge of a parcel, and from which on one parcel lies beside the next [px].
PARCEL, GAP = 25, 34
CLASSES = 5


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("work", type=Path, help="folder with room for some gigabytes")
    arguments.add_argument("what", choices=("ice", "polygons", "parcels"))
    arguments.add_argument("--side", type=int, help="edge of the images [px]; empty: 10,000 for ice, else 10,980")
    arguments.add_argument("--parcels", type=int, default=100_000)
    arguments.add_argument("--dates", type=int, default=1)
    arguments.add_argument("--encoder", default="resnet18")
    arguments.add_argument("--csv", type=Path, help="file to which the figures are added")
    asked = arguments.parse_args()
    side = asked.side or (10_000 if asked.what == "ice" else 10_980)
    asked.work.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=asked.work) as folder:
        name, values = {"ice": lambda: ice(Path(folder), side, asked.encoder), "polygons": lambda: polygons(Path(folder), side),
                        "parcels": lambda: parcels(Path(folder), side, asked.parcels, asked.dates)}[asked.what]()
        before = os.getloadavg()[0]
        child = subprocess.run([sys.executable, "-c", CHILD, asked.what, json.dumps(values)], capture_output=True, text=True, check=False)
        if child.returncode:
            raise SystemExit(child.stderr)
    found = json.loads(child.stdout.splitlines()[-1])
    row = {"work": name, "seconds": f"{found['seconds']:.0f}", "processor seconds": f"{found['processor']:.0f}", "peak [MB]": f"{found['peak']:.0f}",
           "load": f"{before:.0f} to {os.getloadavg()[0]:.0f}"}
    print(row, found["told"], flush=True)
    if asked.csv:
        new = not asked.csv.exists()
        with asked.csv.open("a", newline="", encoding="utf-8") as stream:
            writer = csv.DictWriter(stream, row, lineterminator="\n")
            if new:
                writer.writeheader()
            writer.writerow(row)


def ice(folder: Path, side: int, encoder: str) -> tuple[str, dict]:
    """A scene of floes, and a network of random weights that reads it."""
    rng = np.random.default_rng(1)
    floes = _classes(rng, GROUND, len(STAGES), 12)
    hh = np.array([-20, -14, -8])[floes] + rng.normal(0, 1.5, floes.shape)
    ground = np.stack([hh, hh - 8]).astype(np.float32)
    image = folder / "scene.tif"
    with _new(image, 3, side, "float32", POLAR, rasterio.transform.from_origin(*CORNER, 40, 40), ("HH", "HV", "incidence_angle"), predictor=3) as target:
        for window in _windows(side):
            angle = 19 + 27 * (window.col_off + np.arange(window.width)) / side
            backscatter = ground[:, :window.height, :window.width]
            target.write(np.concatenate([backscatter, np.broadcast_to(angle.astype(np.float32), backscatter.shape[1:])[None]]), window=window)
    outputs = {"output": "map.tif", "confidence": "sure.tif", "concentration": "concentration.tif", "edge": "edge.gpkg", "chart": "chart.gpkg"}
    return f"sea ice of {side:,}² px, {encoder}", {
        "images": [str(image)], "model": str(_ice_model(folder / "model.onnx", encoder)), "device": "cpu",
        **{name: str(folder / file) for name, file in outputs.items()}}


def _ice_model(path: Path, encoder: str) -> Path:
    from benchmarks.network_cost import spectral_unet
    from eo_pretrain_qgis.engine.learning.export import Probabilities, to_onnx
    from eo_pretrain_qgis.engine.models import package
    from eo_pretrain_qgis.engine.models.kinds import block_sizes
    from tests.networks import description, taken

    network, port = spectral_unet(encoder, 3, len(STAGES), (-14, -22, 32), (5, 5, 8), "dB")
    content = to_onnx(Probabilities(network).eval(), {port: 3}, network.stride, encoder)
    said = description(classes=STAGES, inputs=[taken([radar("HH"), radar("HV"), angle_band()], name=port, sensor="image", preset="sentinel1_db")],
                       resolution_m=[40, 40], stride=32, halo=96, **block_sizes(96, 32))
    package.write(content, said, path)
    return path


def polygons(folder: Path, side: int) -> tuple[str, dict]:
    """A class map with borders of an analyst's map and specks of noise."""
    rng = np.random.default_rng(2)
    ground = _classes(rng, GROUND, CLASSES, 6)
    specks = rng.random(ground.shape) < 0.002
    ground[specks] = rng.integers(0, CLASSES, int(specks.sum()))
    image = folder / "classes.tif"
    with _new(image, 1, side, "uint8", UTM, rasterio.transform.from_origin(*ORIGIN, 10, 10), ("class",)) as target:
        for number, window in enumerate(_windows(side)):
            target.write(np.rot90(ground, number % 4)[:window.height, :window.width][None] + 1, window=window)
    return f"polygons of {side:,}² px", {"map": str(image), "output": str(folder / "areas.gpkg")}


def parcels(folder: Path, side: int, count: int, dates: int) -> tuple[str, dict]:
    """Images of some dates, parcels on them, and a regression of a small season that reads them."""
    rng = np.random.default_rng(3)
    days = [date(2023, 4, 1) + timedelta(5 * number) for number in range(max(dates, 3))]
    small = folder / "small"
    small.mkdir()
    _season(small, 400, days, rng)
    fields = _fields(400, 100)
    fields.to_file(small / "fields.gpkg")
    learn = {"images": sorted(map(str, small.glob("S2_*.tif"))), "parcels": str(small / "fields.gpkg"), "crop_field": "crop", "kind": "parcels",
             "split_by": "parcel", "minimum_clear": 1, "output": str(folder / "means")}
    JOBS["create_crop_dataset"].from_values(learn).run(SILENT)
    JOBS["finetune"].from_values({"dataset": str(folder / "means"), "approach": "statistics", "output": str(folder / "run")}).run(SILENT)
    JOBS["export_model"].from_values({"run_folder": str(folder / "run"), "output": str(folder / "crops.onnx")}).run(SILENT)
    large = folder / "large"
    large.mkdir()
    _season(large, side, days[:dates], rng)
    shown = _fields(side, count)
    shown.to_file(large / "fields.gpkg")
    return f"{len(shown):,} parcels × {len(BANDS)} bands × {dates} date{'s' * (dates > 1)}, {side:,}² px", {
        "images": sorted(map(str, large.glob("S2_*.tif"))), "parcels": str(large / "fields.gpkg"), "model": str(folder / "crops.onnx"),
        "least_dates": 1, "output": str(folder / "crops.gpkg")}


def _season(folder: Path, side: int, days: list[date], rng: np.random.Generator) -> None:
    """Reflectances that change from one 8 px to the next, of three kinds that no parcel keeps to."""
    for number, day in enumerate(days):
        coarse = rng.integers(300, 4000, (len(BANDS), GROUND // 8, GROUND // 8)).astype(np.uint16)
        ground = coarse.repeat(8, 1).repeat(8, 2) + rng.integers(0, 16, (len(BANDS), GROUND, GROUND), dtype=np.uint16)
        with _new(folder / f"S2_{day:%Y%m%d}.tif", len(BANDS), side, "uint16", UTM, rasterio.transform.from_origin(*ORIGIN, 10, 10), BANDS,
                  nodata=0) as target:
            for window in _windows(side):
                target.write(ground[:, :window.height, :window.width] + number, window=window)


def _fields(side: int, count: int) -> geopandas.GeoDataFrame:
    """Squares in rows, as many as fit and are wanted."""
    across = min(side // GAP, int(np.ceil(count**0.5)))
    number = np.arange(min(count, across**2))
    col, row = GAP * (number % across), GAP * (number // across)
    shapes = shapely.box(ORIGIN[0] + 10 * col, ORIGIN[1] - 10 * (row + PARCEL), ORIGIN[0] + 10 * (col + PARCEL), ORIGIN[1] - 10 * row)
    return geopandas.GeoDataFrame({"crop": np.array(["barley", "maize", "rape"])[number % 3]}, geometry=shapes, crs=UTM)


def _classes(rng: np.random.Generator, side: int, count: int, smooth: float) -> np.ndarray:
    """Patches of classes, uint8 (y, x), that go on where the ground is repeated."""
    return np.argmax([ndimage.gaussian_filter(rng.normal(size=(side, side)).astype(np.float32), smooth, mode="wrap") for _ in range(count)],
                     axis=0).astype(np.uint8)


def _new(path: Path, bands: int, side: int, dtype: str, crs: str, transform, names: tuple[str, ...], **more) -> rasterio.io.DatasetWriter:
    target = rasterio.open(path, "w", driver="GTiff", count=bands, height=side, width=side, dtype=dtype, crs=crs, tiled=True, blockxsize=512,
                           blockysize=512, compress="zstd", zstd_level=1, bigtiff="if_safer", transform=transform, **more)
    for number, name in enumerate(names, 1):
        target.set_band_description(number, name)
    return target


def _windows(side: int) -> list[rasterio.windows.Window]:
    return [rasterio.windows.Window(col, row, min(GROUND, side - col), min(GROUND, side - row))
            for row in range(0, side, GROUND) for col in range(0, side, GROUND)]


def _write_areas(values: dict) -> dict:
    from eo_pretrain_qgis.engine.cards import ClassInfo
    from eo_pretrain_qgis.engine.mapping.polygons import write_polygons

    classes = [ClassInfo(number + 1, f"class {number + 1}", "#808080") for number in range(CLASSES)]
    return {"polygons": write_polygons(values["map"], classes, values["output"])}


def _mapped(job: str, values: dict) -> dict:
    result = JOBS[job].from_values(values).run(SILENT)
    return {name: value for name, value in result.items() if isinstance(value, (int, float))}


#: What a process does, by name.
WORK = {"ice": lambda values: _mapped("map_sea_ice", values), "polygons": _write_areas, "parcels": lambda values: _mapped("map_crop_types", values)}


if __name__ == "__main__":
    main()
