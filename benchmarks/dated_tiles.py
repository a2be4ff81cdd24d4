"""What U-TAE adds to classifiers of single pixels on the season of the simulated landscape. SIMULATED, not evidence of skill on Earth.

A landscape of `--size` pixels becomes dated tiles of 64 px, split by blocks of ground. On them a regression, boosting and U-TAE learn by “Fine-tune a
model”; an L-TAE and the regression learn series of at most 20,000 labelled pixels of the same training tiles. All are measured on the same labelled
pixels of the test tiles, by default settings but for the number of epochs.
Run: python -m benchmarks.dated_tiles [--size 768] [--epochs 10] [--csv docs/evidence/data]
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import shapely

from benchmarks.figures import Figures
from eo_pretrain_qgis.engine.cards import IGNORE
from eo_pretrain_qgis.engine.datasets.dataset import SPLITS, Dataset
from eo_pretrain_qgis.engine.datasets.shards import ShardWriter
from eo_pretrain_qgis.engine.datasets.splitting.by_place import Split
from eo_pretrain_qgis.engine.datasets.splitting.division import finish
from eo_pretrain_qgis.engine.measures.accuracy import scores
from eo_pretrain_qgis.jobs import JOBS
from eo_pretrain_qgis.progress import SILENT

#: Series of pixels for training, validation and test.
DRAWN = {"training": 20_000, "validation": 5_000, "test": 10**9}


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--size", type=int, default=768)
    arguments.add_argument("--epochs", type=int, default=10)
    arguments.add_argument("--csv", type=Path, help="folder for dated_tiles.csv")
    asked, found = arguments.parse_args(), Figures("method", "figure")
    begun = time.process_time()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        job("create_sample", size=asked.size, output=folder / "sample")
        season = sorted((folder / "sample" / "season").glob("S2_*.tif"))
        job("create_crop_dataset", images=[str(path) for path in season],
            masks=[str(path.with_name(path.name.replace("S2_", "SCL_"))) for path in season], parcels=folder / "sample" / "parcels.gpkg",
            crop_field="crop", kind="tiles", output=folder / "tiles")
        dataset = Dataset.open(folder / "tiles")
        print(dataset.description["split"]["text"], dataset.description["class_pixels"], flush=True)
        tell(found, "U-TAE above the regression", learned(folder, "tiles", approach="network", epochs=asked.epochs), begun)
        series_of(dataset, folder / "series")
        tell(found, "L-TAE above the regression, by pixel", learned(folder, "series", approach="network", encoder="ltae"), begun)
    if asked.csv:
        found.write(asked.csv / "dated_tiles.csv")
    print(f"{time.process_time() - begun:.0f} s of processor time")


def job(name: str, **values: Any) -> dict[str, Any]:
    """Runs a job."""
    given = {key: str(value) if isinstance(value, Path) else value for key, value in values.items()}
    return JOBS[name].from_values(given).run(SILENT)


def learned(folder: Path, data: str, **values: Any) -> dict[str, Any]:
    """What a run on a dataset reaches on its test samples, beside the baselines."""
    begun = time.process_time()
    job("finetune", dataset=folder / data, device="cpu", precision="float32", output=folder / f"{data}_run", **values)
    print(f"{data}: {time.process_time() - begun:.0f} s of processor time to learn", flush=True)
    job("evaluate_model", run_folder=folder / f"{data}_run", device="cpu", output=folder / f"{data}.html", facts=folder / f"{data}.json")
    return json.loads((folder / f"{data}.json").read_text()) | {"run": json.loads((folder / f"{data}_run" / "run.json").read_text())}


def tell(found: Figures, method: str, facts: dict[str, Any], begun: float) -> None:
    """Keeps and prints the figures of a network and of the baselines beside it."""
    by_pixel = "by pixel" in method
    for who, words in (("model", method), ("statistics", "regression by pixel, drawn series" if by_pixel else "regression"),
                       ("boosting", "boosting by pixel, drawn series" if by_pixel else "boosting")):
        measured = scores(np.array(facts[who]["confusion"]))
        for figure in ("mean_iou", "overall_accuracy"):
            found.add(words, figure.replace("_", " ").replace("iou", "IoU"), value=measured[figure])
        print(f"{words}: mean IoU {measured['mean_iou']:.3f}, accuracy {measured['overall_accuracy']:.3f} of {measured['pixels']} pixels", flush=True)
    print(f"kept of the network: {facts['run'].get('blend')}; {time.process_time() - begun:.0f} s so far", flush=True)


def series_of(tiles: Dataset, folder: Path) -> None:
    """A dataset of the series of labelled pixels of dated tiles, in the same split."""
    folder.mkdir()
    rng, parts, names = np.random.default_rng(1), [], []
    for split in SPLITS:
        chosen = tiles.indices(split)
        labels = tiles.labels(chosen)
        places = np.argwhere(labels != IGNORE)
        places = places[rng.permutation(len(places))[:DRAWN[split]]]
        tile, row, col = places.T
        parts.append({"labels": labels[tile, row, col], "image": tiles.images(chosen)[tile, :, :, row, col],
                      "days": tiles.array("days", chosen)[tile], "flags": tiles.array("flags", chosen)[tile, :, row, col]})
        names += [split] * len(places)
    arrays = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    samples = {name: (array.shape[1:], array.dtype.name) for name, array in arrays.items()}
    with ShardWriter(folder, samples, extra=("days", "flags")) as writer:
        writer.add(**arrays)
        shards = writer.close()
    table = geopandas.GeoDataFrame({"scene": "sample"}, index=range(len(names)), geometry=[shapely.Point(0, 0)] * len(names), crs="EPSG:32633")
    description = {**tiles.description, "task": "series", "tile_size": 1, "stride": 1, "name": "series", "classes": tiles.classes,
                   "sensors": tiles.sensors, "shards": shards, "facts": {"first_year": tiles.facts["first_year"]}}
    finish(folder, description, table, Split(np.array(names), {"text": "That of the tiles.", "method": "given"}))


if __name__ == "__main__":
    main()
