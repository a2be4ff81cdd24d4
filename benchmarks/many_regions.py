"""Whether one network for several regions helps a new one with 20 labels: cropland in four regions of Africa, from a table of samples.

The samples are those of Digital Earth Africa's cropland mask 2019 (CC-BY-4.0): 32 features of Sentinel-2 and rain of two half years, and the slope,
of places in eastern, northern and southern Africa and the Sahel. A row is a patch of one pixel with as many bands; the encoder is “pixel_layers”. Of
each region so many samples drawn at random are used, a fifth of which validates. Each region is left out in turn; the other three teach

  pooling   a regression, boosting, a forest and a network, as if they were one region
  Reptile   “Pretrain on many tasks”, a task for each region
  joint     the same with joint training

and 10 samples of either class of the left-out region, drawn anew for each seed, are learned from alone, together with the pooled ones, or by “Fine-tune
a model” from the weights of the pooled network, of Reptile or of joint training, with its defaults. Figures are the overall accuracy on the other
samples of that region; nothing of it validates. The last column is the mean over the regions, whose interval at 95 % is of the draws.
Run: python -m benchmarks.many_regions DATA_FOLDER [--csv docs/evidence/data]
"""

from __future__ import annotations

import argparse
import csv
import gzip
import tempfile
import time
from pathlib import Path

import geopandas
import numpy as np
import shapely
import torch
from sklearn.ensemble import RandomForestClassifier

from benchmarks.figures import Figures, half_width
from eo_pretrain_qgis.engine.cards import single
from eo_pretrain_qgis.engine.classic.models import Labelled
from eo_pretrain_qgis.engine.datasets.dataset import IGNORE, ClassInfo, Dataset, SensorInfo
from eo_pretrain_qgis.engine.datasets.shards import ShardWriter
from eo_pretrain_qgis.engine.datasets.splitting.by_place import Split
from eo_pretrain_qgis.engine.datasets.splitting.division import finish
from eo_pretrain_qgis.engine.learning.finetuning.answers import NetworkAnswers
from eo_pretrain_qgis.engine.learning.finetuning.recipe import finetune
from eo_pretrain_qgis.engine.learning.loop.runs import Run
from eo_pretrain_qgis.engine.learning.pretraining.multitask.recipe import pretrain_multitask
from eo_pretrain_qgis.engine.rasters.sensors import Band
from tests.settings import finetuning, multitask

REGIONS = ("eastern", "northern", "sahel", "southern")
EACH_CLASS, ENCODER = 10, "pixel_layers"
CLASSES = (ClassInfo(1, "other", ""), ClassInfo(2, "cropland", ""))
SIMPLE = {"regression": "statistics", "boosting": "boosting"}


def read(path: Path, count: int) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Features (n, feature), classes (n,) and names of features of some rows of a region."""
    with gzip.open(path, "rt", newline="") as stream:
        rows = list(csv.DictReader(stream))
    chosen = np.random.default_rng(0).permutation(len(rows))[:count]
    names = [name for name in rows[0] if name != "Class"]
    return (np.array([[float(rows[number][name]) for name in names] for number in chosen], np.float32),
            np.array([int(rows[number]["Class"]) for number in chosen], np.uint8), names)


def write(folder: Path, values: np.ndarray, labels: np.ndarray, names: list[str], splits: np.ndarray) -> Dataset:
    """The rows as patches of one pixel."""
    folder.mkdir(parents=True)
    sensor = SensorInfo("image", "generic", "float32", None, tuple(Band(name) for name in names))
    with ShardWriter(folder, {"labels": ((), "uint8"), "image": ((len(names), 1, 1), "float32")}) as writer:
        writer.add(labels=labels, image=values[:, :, None, None])
        shards = writer.close()
    tiles = geopandas.GeoDataFrame({"scene": "s", "label": labels, "col": 0, "row": 0, "valid": 1.0, "labelled": 1.0},
                                   geometry=[shapely.Point(500_000, 0)] * len(labels), crs="EPSG:32633")
    description = {"task": "patch", "theme": "", "name": folder.name, "sensors": [sensor], "tile_size": 1, "stride": 1, "resolution_m": [10.0, 10.0],
                   "classes": list(CLASSES), "ignore": IGNORE, "labels": {"path": folder.name}, "shards": shards, "facts": {},
                   "scenes": [{"name": "s", "path": folder.name, "crs": tiles.crs.to_wkt(), "transform": [10, 0, 500_000, 0, -10, 0], "width": 1,
                               "height": 1, "date": ""}]}
    finish(folder, description, tiles, Split(splits, {"text": "by the benchmark"}))
    return Dataset.open(folder)


def simple(train: Dataset, test: Dataset, seed: int, trees: bool = True) -> dict[str, float]:
    """Accuracy of classifiers that learn from the training samples of one dataset, on the test samples of another."""
    what, mine, asked = single(train.inputs), train.indices("training"), test.indices("test")
    truth, labelled = test.labels(asked), Labelled(train, single(train.inputs), train.indices("training"), seed)
    found = {name: float((labelled.fit(approach).answers(test)(asked).argmax(1) == truth).mean())
             for name, approach in SIMPLE.items() if trees or name == "regression"}
    rows, there = (dataset.read(what, samples)[0][:, :, 0, 0] for dataset, samples in ((train, mine), (test, asked)))
    forest = RandomForestClassifier(100, random_state=seed, n_jobs=1).fit(rows, train.labels(mine))
    return found | {"forest": float((forest.predict(there) == truth).mean())}


def network(train: Dataset, test: Dataset, folder: Path, seed: int, **given: object) -> float:
    """Accuracy of a network that learned from one dataset on the test samples of another."""
    finetune(str(train.folder), str(folder), finetuning(encoder=ENCODER, device="cpu", precision="float32", seed=seed, **given))
    asked = test.indices("test")
    answers = NetworkAnswers.of(Run.open(str(folder)), test, torch.device("cpu"))
    scores = np.concatenate([scores for _, _, scores in answers.of_tiles(asked, 256)])
    return float((scores.argmax(1) == test.labels(asked)).mean())


def region(left: str, tables: dict, place: Path, draws: int, epochs: int) -> dict[tuple[str, str], list[float]]:
    """Accuracy of each method on one region, by what it learned from; a number for each draw."""
    others, (values, labels, names) = [name for name in REGIONS if name != left], tables[left]

    def fifth(count: int) -> np.ndarray:
        return np.where(np.arange(count) % 5, "training", "validation").astype(object)

    sources = [write(place / name, *tables[name], fifth(len(tables[name][1]))) for name in others]
    pooled = [np.concatenate([tables[name][part] for name in others]) for part in (0, 1)]
    pool = write(place / "pool", *pooled, names, np.concatenate([fifth(len(tables[name][1])) for name in others]))
    starts = {"pooling": place / "pooled"}
    for mode, name in (("reptile", "Reptile"), ("joint", "joint")):
        starts[name] = place / mode
        pretrain_multitask([str(source.folder) for source in sources], str(starts[name]), multitask(
            mode=mode, encoder=ENCODER, epochs=epochs, batch_size=32, augmentation="none", device="cpu", precision="float32", seed=1))
    found: dict[tuple[str, str], list[float]] = {}
    everything = write(place / "all", values, labels, names, np.full(len(labels), "test", object))
    for name, value in {**simple(pool, everything, 1), "network": network(pool, everything, starts["pooling"], 1, epochs=epochs, batch_size=32,
                                                                         augmentation="none")}.items():
        found["pooling", name] = [value] * draws
    for seed in range(1, draws + 1):
        rng = np.random.default_rng(seed)
        mine = np.concatenate([rng.permutation(np.flatnonzero(labels == label))[:EACH_CLASS] for label in (0, 1)])
        splits = np.full(len(labels), "test", object)
        splits[mine] = "training"
        own = write(place / f"own{seed}", values, labels, names, splits)
        more = write(place / f"more{seed}", np.concatenate([pooled[0], values[mine]]), np.concatenate([pooled[1], labels[mine]]), names,
                     np.concatenate([fifth(len(pooled[1])), np.full(len(mine), "training", object)]))
        told = {("20 own", name): value for name, value in simple(own, own, seed).items()}
        told |= {("pooling and 20 own", name): value for name, value in simple(more, own, seed, trees=False).items()}
        told["20 own", "network"] = network(own, own, place / f"scratch{seed}", seed, augmentation="none")
        for name, start in starts.items():
            told[f"{name}, then 20 own", "network"] = network(own, own, place / f"{name}{seed}", seed, start=str(start), augmentation="none")
        for key, value in told.items():
            found.setdefault(key, []).append(value)
    return found


def main() -> None:
    """See above."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("data", type=Path, help="the folder of real data, with landcover/ in it")
    arguments.add_argument("--csv", type=Path, help="folder for many_regions.csv")
    for name, usual in (("draws", 5), ("epochs", 10), ("samples", 2000)):
        arguments.add_argument(f"--{name}", type=int, default=usual)
    arguments.add_argument("--only", nargs="*", choices=REGIONS, default=REGIONS)
    asked, begun = arguments.parse_args(), time.monotonic()
    torch.set_num_threads(1)
    tables = {name: read(asked.data / "landcover" / "deafrica_cropmask_2019" / f"{name}.csv.gz", asked.samples) for name in REGIONS}
    found, rows = Figures("learned from", "method", "region"), {}
    for name in asked.only:
        with tempfile.TemporaryDirectory() as place:
            rows[name] = region(name, tables, Path(place), asked.draws, asked.epochs)
        for key, values in rows[name].items():
            found.add(*key, name, value=values if len(set(values)) > 1 else values[0])
            print(f"{name:10} {key[0]:22} {key[1]:12} {np.mean(values):.3f} ± {half_width(values):.3f}  {np.round(values, 4).tolist()}", flush=True)
        found.add("the larger class", "", name, value=float(max(np.bincount(tables[name][1])) / len(tables[name][1])))
    if len(asked.only) > 1:
        means = {key: np.mean([rows[name][key] for name in asked.only], 0) for key in rows[asked.only[0]]}
        best = max((key for key in means if "then" not in key[0]), key=lambda key: float(means[key].mean()))
        for key, values in means.items():
            found.add(*key, "mean", value=list(values) if np.ptp(values) > 0 else float(values[0]))
        for name in ("Reptile", "joint"):
            ahead = means[f"{name}, then 20 own", "network"] - means[best]
            print(f"{name} − best of the others without a start ({best}): {ahead.mean():+.3f} ± {half_width(ahead):.3f}")
            for other in means:
                ahead = means[f"{name}, then 20 own", "network"] - means[other]
                found.add(*other, f"{name}, then 20 own, is ahead", value=list(ahead), form="+.3f")
    if asked.csv:
        found.write(asked.csv / "many_regions.csv")
    print(f"{(time.monotonic() - begun) / 60:.1f} minutes")


if __name__ == "__main__":
    main()
