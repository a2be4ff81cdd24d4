"""What the approaches to crop series reach on real labels when whole fields or places are kept apart: regression, boosting, networks, a forest.

  belgium  35 fields of five crops in Belgium 2019 (WorldCereal, Apache-2.0), 12 months of four bands; five folds of fields
  columns  the same fields as the table of 120 columns that was published with them, points without a value left out: twelve indices on six days, and
           again all columns, statistics of the year among them, as if they were bands of one day
  us       points in Arkansas and California 2021 (36 ten-day composites of ten bands, gaps are real clouds; labels are those of the USDA's map);
           a third of the blocks of 0.5 degree are left out, 5 or 20 labels per class and all of the others are learned from
  asia     fields visited in Uzbekistan (CAWa, CC-BY-4.0), 23 dates of NDVI, a third of them missing; three folds of blocks of 0.25 degree

All learn from the same draw, in the same run. “auto” has the usual encoder, L-TAE. Networks and the choice of “auto” also see validation samples: a fifth of the training fields or
blocks, or as many labels more as are learned from where these are few; “forest, with validation” is given them for training, too. Intervals at 95 %
are of 2,000 draws of whole fields or blocks.
Run: python -m benchmarks.crops_learning DATA_FOLDER [--only belgium columns us asia] [--csv docs/evidence/data]
"""

from __future__ import annotations

import argparse
import csv
import re
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import geopandas
import numpy as np
import shapely
import torch
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import GroupKFold, StratifiedGroupKFold

from benchmarks.figures import Figures
from eo_pretrain_qgis.engine.cards import single
from eo_pretrain_qgis.engine.classic.models import Labelled
from eo_pretrain_qgis.engine.classic.series import series_features
from eo_pretrain_qgis.engine.classic.whitening import Whitening
from eo_pretrain_qgis.engine.datasets.dataset import IGNORE, ClassInfo, Dataset, SensorInfo
from eo_pretrain_qgis.engine.datasets.shards import ShardWriter
from eo_pretrain_qgis.engine.datasets.splitting.by_place import Split
from eo_pretrain_qgis.engine.datasets.splitting.division import finish
from eo_pretrain_qgis.engine.learning.finetuning.answers import NetworkAnswers
from eo_pretrain_qgis.engine.learning.finetuning.recipe import finetune
from eo_pretrain_qgis.engine.learning.loop.runs import Run
from eo_pretrain_qgis.engine.rasters.sensors import Band
from tests.settings import finetuning

SEEDS, DRAWS = (1, 2), 2000
NETWORKS = {"LSTM": "lstm", "L-TAE": "ltae"}
IN_AUTO = "L-TAE"  # for which the jobs' own default is asked
FORESTS = {"forest": ("training",), "forest, with validation": ("training", "validation")}
SIMPLE = {"regression": "statistics", "boosting": "boosting"}


@dataclass(frozen=True)
class Series:
    """Labelled series.

    Attributes:
        values: (n, date, band), NaN where nothing was measured.
        days: since 1 January (date,).
        labels: names (n,).
        units: what figures are of, such as fields (n,).
        blocks: what is kept apart (n,).
        names: of the bands.
        reflectance: whether values are reflectance · 10,000; else their unit is not told.
        places: longitude and latitude (n, 2), where they are told.
    """

    values: np.ndarray
    days: np.ndarray
    labels: np.ndarray
    units: np.ndarray
    blocks: np.ndarray
    names: tuple[str, ...]
    reflectance: bool = False
    places: np.ndarray | None = None


@dataclass
class Outcome:
    """Of test units: whether each method was right, and the block that each lies in."""

    right: dict[str, list[np.ndarray]] = field(default_factory=dict)
    blocks: list[np.ndarray] = field(default_factory=list)

    def figures(self, found: Figures, *row: str) -> None:
        """Writes the accuracy of each method, and by how much “auto” is ahead of the forest and of the best simple classifier."""
        blocks, rng = np.concatenate(self.blocks), np.random.default_rng(0)
        right = {name: np.concatenate(parts).astype(float) for name, parts in self.right.items()}
        names, place = np.unique(blocks, return_inverse=True)
        drawn = np.stack([np.bincount(rng.integers(0, len(names), len(names)), minlength=len(names)) for _ in range(DRAWS)])[:, place]

        def told(values: np.ndarray) -> tuple[float, float, float]:
            sums = (drawn * values).sum(1) / drawn.sum(1)
            return float(values.mean()), *map(float, np.percentile(sums, (2.5, 97.5)))

        best = max(SIMPLE, key=lambda name: right[name].mean())
        rows = {**{name: told(values) for name, values in right.items()}, "auto − forest": told(right["auto"] - right["forest"]),
                "auto − best of regression and boosting": told(right["auto"] - right[best])}
        for name, (mean, low, high) in rows.items():
            sign = "+" if "−" in name else ""
            found.rows.append({**dict(zip(found.keys, (*row, name))), "value": f"{mean:{sign}.3f}", "lowest": f"{low:{sign}.3f}",
                               "highest": f"{high:{sign}.3f}"})
            print(f"{' / '.join(row):28} {name:42} {mean:{sign}.3f} ({low:{sign}.3f} to {high:{sign}.3f})", flush=True)


def write(folder: Path, series: Series, splits: np.ndarray) -> Dataset:
    """The dataset of some series, whose split is given; "dropped" ones are neither learned from nor asked for."""
    classes = sorted(set(series.labels))
    labels = np.array([classes.index(name) for name in series.labels], np.uint8)
    folder.mkdir()
    missing, count = np.isnan(series.values).any(2), len(labels)
    unit = {"unit": "reflectance", "scale": 1e-4} if series.reflectance else {}
    sensor = SensorInfo("image", "generic", "float32", None, tuple(Band(name, **unit) for name in series.names))
    points = [shapely.Point(500_000, 0)] * count if series.places is None else shapely.points(series.places)
    crs = "EPSG:32633" if series.places is None else "EPSG:4326"
    with ShardWriter(folder, {"labels": ((), "uint8"), "image": (series.values.shape[1:], "float32"), "days": ((len(series.days),), "int16"),
                              "flags": ((len(series.days),), "uint8")}, extra=("days", "flags")) as writer:
        writer.add(labels=labels, image=series.values.astype(np.float32), days=np.tile(series.days.astype(np.int16), (count, 1)),
                   flags=np.where(missing, 4, 0).astype(np.uint8))
        shards = writer.close()
    tiles = geopandas.GeoDataFrame({"scene": "s", "label": labels, "parcel": series.units}, geometry=points, crs=crs)
    description = {"task": "series", "theme": "crops", "name": folder.name, "sensors": [sensor], "tile_size": 1, "stride": 1,
                   "resolution_m": [10.0, 10.0], "classes": [ClassInfo(number + 1, name, "") for number, name in enumerate(classes)],
                   "ignore": IGNORE, "labels": {"path": "made"}, "shards": shards, "facts": {"first_year": 2020},
                   "scenes": [{"name": "s", "path": "s", "crs": tiles.crs.to_wkt(), "transform": [10, 0, 500_000, 0, -10, 0], "width": 1, "height": 1, "date": ""}]}
    finish(folder, description, tiles, Split(splits, {"text": "by the benchmark"}))
    return Dataset.open(folder)


def trial(outcomes: Sequence[Outcome], series: Series, splits: np.ndarray, seed: int) -> None:
    """Lets every method learn from one draw and asks it for the test series, which count one by one in the second outcome."""
    with tempfile.TemporaryDirectory() as place:
        dataset = write(Path(place) / "data", series, splits)
        what, test = single(dataset.inputs), dataset.indices("test")
        answers: dict[str, np.ndarray] = {}
        labelled = Labelled(dataset, what, dataset.indices("training"), seed)
        for name, approach in SIMPLE.items():
            answers[name] = labelled.fit(approach).answers(dataset)(test)
        for name, encoder in NETWORKS.items():
            asked = {"approach": "auto"} if name == IN_AUTO else {"encoder": encoder}
            finetune(str(dataset.folder), f"{place}/{encoder}", finetuning(**asked, device="cpu", seed=seed))
            run = Run.open(f"{place}/{encoder}")
            if run.card["encoder"] != encoder:
                raise ValueError(f"The network that learned is {run.card['encoder']} and not {encoder}. Correct IN_AUTO.")
            network = NetworkAnswers.of(run, dataset, torch.device("cpu"))
            answers[name] = np.concatenate([scores for _, _, scores in network.of_tiles(test, 256)])
            if name == IN_AUTO:
                answers["auto"] = answers.get(next((one for one, approach in SIMPLE.items() if approach == run.kept), ""), answers[name])
        for name, learned in FORESTS.items():
            answers[name] = forest(dataset, learned, seed)
        for outcome, units in zip(outcomes, (series.units[test], test.astype(str))):
            count(outcome, dataset.labels(test), units, series.blocks[test], answers)


def forest(dataset: Dataset, learned: Sequence[str], seed: int) -> np.ndarray:
    """Scores of the test series by a forest on the bands on the days of the season, learned from some splits."""
    what, test = single(dataset.inputs), dataset.indices("test")
    plain = Whitening(np.zeros(len(what.bands), np.float32), np.ones(len(what.bands), np.float32), np.eye(len(what.bands), dtype=np.float32), False)
    features = np.nan_to_num(series_features(dataset, what, plain, dataset.indices("all")))
    known = np.concatenate([dataset.indices(split) for split in learned])
    fitted = RandomForestClassifier(300, random_state=seed, n_jobs=1).fit(features[known], dataset.labels(known))
    scores = np.full((len(test), len(dataset.classes)), 1e-9)
    scores[:, fitted.classes_] = fitted.predict_proba(features[test]) + 1e-9
    return np.log(scores)


def count(outcome: Outcome, truth: np.ndarray, units: np.ndarray, blocks: np.ndarray, answers: dict[str, np.ndarray]) -> None:
    """Adds whether the units are right: by the mean probability of their series."""
    names, first, unit = np.unique(units, return_index=True, return_inverse=True)
    for method, scores in answers.items():
        chances = np.exp(scores - np.nan_to_num(scores).max(1, keepdims=True))
        chances = np.nan_to_num(chances / chances.sum(1, keepdims=True))
        sums = np.stack([np.bincount(unit, column, len(names)) for column in chances.T], 1)
        outcome.right.setdefault(method, []).append(sums.argmax(1) == truth[first])
    outcome.blocks.append(blocks[first])


def folds(series: Series, number: int, seed: int) -> Iterator[np.ndarray]:
    """Splits (n,) with each block in one test; a fifth of the other blocks are validation."""
    for rest, test in StratifiedGroupKFold(number, shuffle=True, random_state=seed).split(series.blocks, series.labels, series.blocks):
        splits = np.full(len(series.labels), "training", object)
        splits[test] = "test"
        inner = StratifiedGroupKFold(5, shuffle=True, random_state=seed).split(rest, series.labels[rest], series.blocks[rest])
        splits[rest[next(inner)[1]]] = "validation"
        yield splits


def few(series: Series, each: int | None, seed: int) -> np.ndarray:
    """A third of the blocks is test; of the rest so many labels of each class learn and as many validate, or a fifth validates."""
    rng = np.random.default_rng(seed)
    blocks = np.unique(series.blocks)
    place = {block: number for number, block in enumerate(rng.permutation(blocks))}
    order = np.array([place[block] for block in series.blocks])
    rest, test = next(iter(GroupKFold(3).split(order, groups=order)))
    splits = np.full(len(series.labels), "dropped", object)
    splits[test] = "test"
    for label in np.unique(series.labels):
        mine = rng.permutation(rest[series.labels[rest] == label])
        learned = each if each else len(mine) * 4 // 5
        splits[mine[:learned]], splits[mine[learned:learned + (each or len(mine))]] = "training", "validation"
    return splits


def table(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV file."""
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def belgian(folder: Path) -> Series:
    """The monthly series of the Belgian fields, as they are stored: scaled to 0 … 255."""
    rows = table(folder / "belgium_2019_monthly_timeseries.csv")
    names = ("NDVI", "B08", "B11", "ratio")
    values = np.array([[[float(row[f"{name}_2019-{month:02}"] or "nan") for name in names] for month in range(1, 13)] for row in rows])
    fields, labels = np.array([row["sampleID"] for row in rows]), np.array([row["crop"] for row in rows])
    days = np.array([15 + 30.4 * month for month in range(12)]).round()
    return Series(values, days, labels, fields, fields, names, places=np.array([[float(row["lon"]), float(row["lat"])] for row in rows]))


def belgium(folder: Path, found: Figures) -> None:
    """The monthly series by field and by point."""
    by_fields(replace(belgian(folder), places=None), found, "Belgium, {}")


def columns(folder: Path, found: Figures) -> None:
    """The table of 120 columns, by field and by point."""
    rows = [row for row in table(folder / "belgium_2019_features.csv") if row["NDVI_p50"]]
    every = [name for name in rows[0] if re.fullmatch(r"\w+_(p10|p50|p90|sd|t\d+)", name)]
    names, times = list(dict.fromkeys(name.rsplit("_", 1)[0] for name in every)), range(0, 36, 6)
    fields, labels = np.array([row["sampleID"] for row in rows]), np.array([row["crop"] for row in rows])
    dated = np.array([[[float(row[f"{name}_t{time}"]) for name in names] for time in times] for row in rows])
    by_fields(Series(dated, np.array(times) * 10 + 4, labels, fields, fields, tuple(names)), found, "Belgium, six days, {}")
    once = np.array([[[float(row[name]) for name in every]] for row in rows])
    by_fields(Series(once, np.array([180]), labels, fields, fields, tuple(every)), found, "Belgium, 120 columns, {}")


def by_fields(series: Series, found: Figures, name: str) -> None:
    """Five folds of fields; figures of fields, by the mean probability of their points, and of points."""
    outcomes = (Outcome(), Outcome())
    for splits in folds(series, 5, 1):
        trial(outcomes, series, splits, 1)
    for outcome, unit in zip(outcomes, ("fields", "points"), strict=True):
        outcome.figures(found, name.format(unit), "all")


STATES = ("arkansas", "california")


def points_of(folder: Path, state: str) -> Series:
    """The points of a state."""
    rows, content = table(folder / f"{state}_points.csv"), np.load(folder / f"{state}_series.npz")
    values = np.where((content["series"] == 0).all(2, keepdims=True), np.nan, content["series"].astype(np.float32))
    return Series(values, np.arange(36) * 10 + 4, np.array([row["crop"] for row in rows]), np.arange(len(rows)).astype(str),
                  np.array([row["block"] for row in rows]), tuple(map(str, content["bands"])), True,
                  np.array([[float(row["lon"]), float(row["lat"])] for row in rows]))


def us(folder: Path, found: Figures) -> None:
    """Points of two states."""
    for state in STATES:
        series = points_of(folder, state)
        for each in (5, 20, None):
            outcome = Outcome()
            for seed in SEEDS:
                trial([outcome], series, few(series, each, seed), seed)
            outcome.figures(found, state.capitalize(), f"{each} per class" if each else "all")


def asian(folder: Path) -> Series:
    """NDVI of the fields of the classes that were visited at least 40 times."""
    rows = table(folder / "fields_ndvi.csv")
    labels = np.array([row["crop"] for row in rows])
    rows = [row for row, label in zip(rows, labels) if (labels == label).sum() >= 40]
    columns = [name for name in rows[0] if name.startswith("ndvi_")]
    values = np.array([[[float(row[name]) if row[name] not in ("", "NA") else np.nan] for name in columns] for row in rows])
    blocks = np.array([f"{float(row['lat']) // 0.25:g} {float(row['lon']) // 0.25:g}" for row in rows])
    return Series(values, np.array([int(name[5:]) - 1 for name in columns]), np.array([row["crop"] for row in rows]),
                  np.arange(len(rows)).astype(str), blocks, ("NDVI",), places=np.array([[float(row["lon"]), float(row["lat"])] for row in rows]))


def asia(folder: Path, found: Figures) -> None:
    """Three folds of blocks."""
    outcome, series = Outcome(), replace(asian(folder), places=None)
    for splits in folds(series, 3, 1):
        trial([outcome], series, splits, 1)
    outcome.figures(found, "Uzbekistan", "all")


def main() -> None:
    """See above."""
    parts = {"belgium": belgium, "columns": columns,
             "us": lambda crops, found: us(crops / "us_cdl_s2_2021", found),
             "asia": lambda crops, found: asia(crops / "central_asia_cawa", found)}
    arguments = argparse.ArgumentParser()
    arguments.add_argument("data", type=Path, help="the folder of real data, with crops/ in it")
    arguments.add_argument("--only", nargs="*", choices=parts, default=list(parts))
    arguments.add_argument("--csv", type=Path, help="folder for crop_series.csv")
    asked, found, begun = arguments.parse_args(), Figures("data", "labels", "method"), time.monotonic()
    torch.set_num_threads(1)
    for name in asked.only:
        parts[name](asked.data / "crops", found)
        if asked.csv:
            found.write(asked.csv / "crop_series.csv")
    print(f"{(time.monotonic() - begun) / 60:.1f} minutes")


if __name__ == "__main__":
    main()
