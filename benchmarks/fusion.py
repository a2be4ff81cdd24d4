"""What two sensors give together under clouds: land cover of simulated landscapes from Sentinel-2, Sentinel-1 and both.

    .engine/train/bin/python -m benchmarks.fusion OUTPUT [--seeds 1 2 3] [--epochs 4] [--epoch-steps 100] [--size 384]

Everything is simulated. Each landscape (`create_sample`, fourteen seeds that nothing was chosen on) is a place: its tiles are all for training, for
validation or for the test. Of each place there are two Sentinel-2 images, 8 and 28 May, and one of Sentinel-1, 2 June; what the scene classification
calls cloud or shadow counts as not measured by Sentinel-2. Its labels stay, but for models of Sentinel-2 alone, which learn from what it shows. All
networks have one encoder name, the same number of steps and the same tiles; regression and boosting learn from the same labels.

The test tiles are clear (Sentinel-2 lacks less than 5 %) or cloudy (more than 30 %). “both”, “S1 only” and “S2 only” are what a model is given of them;
a fusion that cannot do without a sensor has “both” alone. In cloudy tiles it is asked for all pixels too, with what stands for nothing measured; its
maps have no class there. “ahead” is a fusion that sees both less the better of the networks of one sensor, the better by its mean on these very tiles,
paired seed by seed. Intervals are Student's t at 95 %.

OUTPUT keeps every cell, and what is there is not done again. OUTPUT/fusion.csv and OUTPUT/fusion_ahead.csv are for docs/evidence/data.
"""

from __future__ import annotations

import argparse
import json
import shutil
import time
from collections.abc import Collection, Iterator
from pathlib import Path

import geopandas
import numpy as np
import rasterio
import shapely
import torch
from rasterio.crs import CRS as ReferenceSystem

from benchmarks.figures import Figures, half_width
from eo_pretrain_qgis.engine.datasets.dataset import IGNORE, Dataset, SensorInfo
from eo_pretrain_qgis.engine.datasets.shards import ShardWriter
from eo_pretrain_qgis.engine.datasets.splitting.by_place import Split
from eo_pretrain_qgis.engine.datasets.splitting.division import finish
from eo_pretrain_qgis.engine.landscape import CLASSES, create
from eo_pretrain_qgis.engine.landscape.radar import NODATA as RADAR_NODATA
from eo_pretrain_qgis.engine.landscape.season import MAIN
from eo_pretrain_qgis.engine.landscape.spectra import BANDS
from eo_pretrain_qgis.engine.learning.data import LABELS, TileReader
from eo_pretrain_qgis.engine.learning.finetuning.answers import TileAnswers
from eo_pretrain_qgis.engine.learning.loop.runs import Run
from eo_pretrain_qgis.engine.rasters.clouds import CLOUD, NOT_MEASURED, SCL_FLAGS, SHADOW
from eo_pretrain_qgis.engine.rasters.sensors import name_bands
from eo_pretrain_qgis.engine.runs.answers import KeptClassifier
from eo_pretrain_qgis.engine.runs.map_scores import count_tiles
from eo_pretrain_qgis.engine.runs.run_folder import RunFolder
from eo_pretrain_qgis.jobs import JOBS
from eo_pretrain_qgis.jobs.record import run_job
from eo_pretrain_qgis.progress import PrintedProgress

#: Seeds of landscapes by the part of the split they are.
PLACES = {"training": range(101, 109), "validation": range(111, 113), "test": range(121, 125)}
#: Days of Sentinel-2: 45 and 4 % of the sky is cloud, and with shadows 70 and 17 % of the ground is hidden.
DAYS = ("2023-05-08", "2023-05-28")
SIDE, CLEAR, CLOUDY = 64, 0.05, 0.30
#: Places lie so many metres apart in the dataset.
CRS, APART = ReferenceSystem.from_epsg(32633), 100_000
#: Narrow, so that all fits into 45 minutes on one core.
ENCODER, BATCH, CONTEXT = "tu-mobilenetv3_small_050", 4, 16
#: Method → what “Fine-tune a model” is asked.
NETWORKS = {"S2 network": {"sensor": "s2"}, "S1 network": {"sensor": "s1"},
            **{name.replace("_", " "): {"fusion": name} for name in ("early", "feature", "all_levels", "gated", "mean_of_heads")}}
SIMPLE = {f"{sensor} {name}": {"approach": approach, **asked} for name, approach in (("regression", "statistics"), ("boosting", "boosting"))
          for sensor, asked in (("S2", {"sensor": "s2"}), ("S1", {"sensor": "s1"}), ("both", {"fusion": "early"}))}
#: What models are given of the test tiles → what of both is hidden from those that can do without.
HIDDEN = {"both": (), "S1 only": ("s2",), "S2 only": ("s1",)}
#: What methods can answer for; others answer for both alone.
CAN = {"S2 network": ("S2 only",), "S1 network": ("S1 only",), "gated": tuple(HIDDEN), "mean of heads": tuple(HIDDEN),
       **{f"{sensor} {name}": (f"{sensor} only",) for sensor in ("S1", "S2") for name in ("regression", "boosting")}}


def sensors() -> tuple[SensorInfo, SensorInfo]:
    """Both sensors as the dataset has them."""
    return (SensorInfo("s2", "sentinel2_l2a", "uint16", 0, tuple(name_bands("sentinel2_l2a", list(BANDS)))),
            SensorInfo("s1", "sentinel1_db", "float32", None, tuple(name_bands("sentinel1_db", ["VV", "VH"]))))


def days_of(folder: Path, seed: int, size: int) -> Iterator[tuple[str, dict[str, np.ndarray]]]:
    """Each day of a landscape with its tiles, row by row: images of both sensors, NaN or 0 where nothing was measured, and labels."""
    sample, count = folder / f"landscape-{seed}", size // SIDE
    if not sample.exists():
        create(sample, size, seed)

    def tiles(path: str) -> np.ndarray:
        with rasterio.open(sample / path) as raster:
            pixels = raster.read()
        return pixels.reshape(-1, count, SIDE, count, SIDE).transpose(1, 3, 0, 2, 4).reshape(count**2, -1, SIDE, SIDE)

    labels = np.searchsorted([row.value for row in CLASSES], tiles("land_cover.tif")[:, 0]).astype(np.uint8)
    radar = tiles("sentinel1.tif")
    for day in DAYS:
        hidden = np.isin(SCL_FLAGS[tiles(f"season/SCL_{day}.tif")], (CLOUD, SHADOW, NOT_MEASURED))
        yield day, {"labels": labels.copy(), "s2": np.where(hidden, 0, tiles(f"season/S2_{day}.tif")).astype(np.uint16),
                    "s1": np.where(radar == RADAR_NODATA, np.nan, radar).astype(np.float32)}


def write_dataset(folder: Path, size: int, name: str) -> Path:
    """The dataset of all places; that of the name “clear” has no label where Sentinel-2 measured nothing, as its users make it."""
    target, count = folder / name, size // SIDE
    if (target / "dataset.json").exists():
        return target
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    rows, names, scenes = [], [], []
    shapes = {"labels": ((SIDE, SIDE), "uint8"), **{one.name: ((len(one.bands), SIDE, SIDE), one.dtype) for one in sensors()}}
    places = [(part, seed) for part, seeds in PLACES.items() for seed in seeds]
    with ShardWriter(target, shapes) as writer:
        for number, (part, seed) in enumerate(places):
            for day, arrays in days_of(folder, seed, size):
                if name == "clear":
                    arrays["labels"][(arrays["s2"] == 0).all(1)] = IGNORE
                writer.add(**arrays)
                scene = f"{seed} {day}"
                scenes.append({"name": scene, "path": scene, "crs": CRS.to_wkt(), "transform": [10, 0, APART * number, 0, -10, 0], "width": size,
                               "height": size, "date": day, "partners": {"s1": {"name": f"{seed} radar", "path": str(seed), "date": MAIN.date}}})
                for tile, labels in enumerate(arrays["labels"]):
                    row, col = (SIDE * place for place in divmod(tile, count))
                    shares = {f"share_{one.value}": float((labels == position).mean()) for position, one in enumerate(CLASSES)}
                    ground = shapely.box(APART * number + 10 * col, -10 * (row + SIDE), APART * number + 10 * (col + SIDE), -10 * row)
                    rows.append({"scene": scene, "row": row, "col": col, "valid": 1.0, "labelled": float((labels != IGNORE).mean()), **shares,
                                 "geometry": ground})
                names += [part] * len(arrays["labels"])
        shards = writer.close()
    finish(target, {
        "task": "segmentation", "theme": "", "name": target.name, "sensors": list(sensors()), "tile_size": SIDE, "stride": SIDE,
        "resolution_m": [10.0, 10.0], "classes": CLASSES, "ignore": IGNORE, "labels": {"path": "simulated"}, "shards": shards, "facts": {},
        "scenes": scenes}, geopandas.GeoDataFrame(rows, crs=CRS), Split(np.array(names, object), {"text": "by place, by the benchmark"}))
    return target


def cell(out: Path, method: str, seed: int, size: int, options: dict) -> dict:
    """Mean IoU of a method by what it is given and by how cloudy tiles are; and how long it took."""
    folder = out / f"{method.replace(' ', '-')}-{seed}"
    done = folder / "cell.json"
    if done.exists():
        return json.loads(done.read_text(encoding="utf-8"))
    began, run = time.monotonic(), folder / "run"
    asked = {"approach": "network", "encoder": ENCODER, "batch_size": BATCH, "context": CONTEXT, "augmentation": "flips", **options,
             **NETWORKS[method]} if method in NETWORKS else SIMPLE[method]
    learned = write_dataset(out, size, "clear" if method.startswith("S2") else "dataset")
    run_job(JOBS["finetune"].from_values({"dataset": str(learned), "output": str(run), "seed": seed, "device": "cpu", **asked}), PrintedProgress())
    found = {"training_seconds": round(time.monotonic() - began), "given": {}}
    dataset = Dataset.open(out / "dataset")
    for given in CAN.get(method, ("both",)):
        answers = of_network(Run.open(str(run)), dataset, HIDDEN[given]) if method in NETWORKS else KeptClassifier(RunFolder.open(str(run)), dataset)
        found["given"][given] = {kind: dataset.kind.figures(count_tiles(answers, tiles, 32))["mean_iou"] for kind, tiles in kinds(dataset).items()}
    found["seconds"] = round(time.monotonic() - began)
    done.write_text(json.dumps(found), encoding="utf-8")
    return found


def of_network(run: Run, dataset: Dataset, hidden: Collection[str]) -> TileAnswers:
    """What answers for tiles that are seen with as much around them as in training, without some sensors."""
    network = run.load_network(torch.device("cpu"))
    return TileAnswers(network, TileReader(dataset, network.inputs, network.stride, torch.device("cpu"), targets=[LABELS], context=CONTEXT, hidden=hidden))


def kinds(dataset: Dataset) -> dict[str, np.ndarray]:
    """Test tiles by how much Sentinel-2 lacks of them."""
    tiles = dataset.indices("test")
    hidden = (~dataset.sensor_named("s2").valid(dataset.images(tiles, "s2"))).mean((1, 2))
    return {"clear": tiles[hidden < CLEAR], "cloudy": tiles[hidden > CLOUDY]}


def write(cells: dict[tuple[str, int], dict], out: Path, seeds: list[int]) -> None:
    """The tables of what is complete."""
    figures, ahead = Figures("tiles", "given", "method"), Figures("tiles", "fusion")
    methods = [method for method in (*NETWORKS, *SIMPLE) if all((method, seed) in cells for seed in seeds)]
    for kind in ("clear", "cloudy"):
        scores = {(method, given): np.array([cells[method, seed]["given"][given][kind] for seed in seeds])
                  for method in methods for given in CAN.get(method, ("both",))}
        for given in HIDDEN:
            for method in methods:
                if (method, given) in scores:
                    figures.add(kind, given, method, value=scores[method, given])
        alone = {name: scores[f"{name} network", f"{name} only"] for name in ("S2", "S1") if f"{name} network" in methods}
        if len(alone) < 2:
            continue
        better = max(alone, key=lambda name: alone[name].mean())
        for method in methods[2:]:
            if method in NETWORKS:
                more = scores[method, "both"] - alone[better]
                ahead.add(kind, method, value=more, form="+.3f", note=f"of {better} alone{'' if more.mean() > half_width(more) else '; no claim'}")
    figures.write(out / "fusion.csv")
    ahead.write(out / "fusion_ahead.csv")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("output", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--epoch-steps", type=int, default=100)
    parser.add_argument("--size", type=int, default=384, help="of a landscape, a multiple of 64 px")
    parser.add_argument("--methods", nargs="+", default=[*NETWORKS, *SIMPLE], help="of which cells are made; those of others are kept")
    asked = parser.parse_args()
    out, options = asked.output.resolve(), {"epochs": asked.epochs, "epoch_steps": asked.epoch_steps}
    out.mkdir(parents=True, exist_ok=True)
    whole = Dataset.open(write_dataset(out, asked.size, "dataset"))
    print({part: len(whole.indices(part)) for part in PLACES}, {kind: len(tiles) for kind, tiles in kinds(whole).items()}, flush=True)
    cells: dict[tuple[str, int], dict] = {}
    for seed in asked.seeds:
        for method in asked.methods:
            cells[method, seed] = cell(out, method, seed, asked.size, options)
            print(method, seed, json.dumps(cells[method, seed]), flush=True)
    write(cells, out, asked.seeds)


if __name__ == "__main__":
    main()
