"""Is labelling what the model suggests better than labelling at random, for the same effort?

On SIMULATED landscapes (`create_sample`, one per seed) the western part is the pool to label from, the eastern part the test; an analyst is
played by the known truth. All ways start from the same few random tiles and the model trained on them. In each of three rounds they add whole
tiles, suggested by `suggest_labels` or drawn at random, with `create_training_dataset` (“Add to dataset”), and train anew from scratch. All pick
from the same tiles: those that the scene classification calls clear to nine tenths. Nothing is validated on: no label but those counted is used.

Suggested tiles hold more classes and borders than random ones and take longer to label, so a third way, "half", labels half as many suggested
tiles in each round; the connected patches of one class in the tiles labelled are counted as another measure of effort.

Learners: "statistics" is the regression on statistics of whitened bands that the plugin's reports set beside every network (`engine.classic`), as a model
file; "network" is a small stack of convolutions that sees 7 x 7 pixels, trained here. It is the choice of tiles that is compared. With --models
above 1 the network is an ensemble, scored by its mean probabilities, and disagreement can be the measure.

Prints the mean IoU on clear ground of the test part, and on all of it, after every round, and paired differences with 95 % t-intervals over the
seeds; random picks are drawn --draws times for each seed and averaged. Figures obtained here are simulated and must be called so.
Run: python -m benchmarks.active_learning [--seeds 6 7 8 9 10] [--rounds 3] [--tiles 8] [--size 1024] [--learner statistics] [--steps 200]
     [--models 1] [--measure mixture] [--diversity 0.3] [--draws 3] [--processes 1] [--csv docs/evidence/data]
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import onnx
import rasterio
import torch
from onnx import TensorProto, helper, numpy_helper
from scipy import ndimage

from benchmarks.figures import Figures, half_width, interval
from eo_pretrain_qgis.engine.cards import single
from eo_pretrain_qgis.engine.classic.models import Labelled
from eo_pretrain_qgis.engine.datasets.dataset import Dataset
from eo_pretrain_qgis.engine.landscape import CLASSES
from eo_pretrain_qgis.engine.measures.accuracy import confusion, scores
from eo_pretrain_qgis.engine.models import package
from eo_pretrain_qgis.engine.rasters.vector import VectorLayer
from eo_pretrain_qgis.jobs import JOBS
from eo_pretrain_qgis.progress import SILENT
from tests import networks

TILE, BATCH, WIDTH = 32, 8, 24
WAYS = ("suggested", "half", "random")
FIGURES = ("mean IoU, clear ground", "mean IoU, all ground")
CLASS_TABLE = json.dumps([{"value": row.value, "name": row.name, "color": row.color} for row in CLASSES])


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--seeds", type=int, nargs="+", default=[6, 7, 8, 9, 10])
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--tiles", type=int, default=8, help="labelled at the start and in every round")
    arguments.add_argument("--size", type=int, default=1024, help="of the landscapes [px]")
    arguments.add_argument("--learner", choices=("statistics", "network"), default="statistics")
    arguments.add_argument("--steps", type=int, default=200, help="of every training of the network")
    arguments.add_argument("--models", type=int, default=1, help="of the ensemble of networks")
    arguments.add_argument("--measure", default="mixture")
    arguments.add_argument("--diversity", type=float, default=0.3)
    arguments.add_argument("--draws", type=int, default=3, help="of random picks for each seed")
    arguments.add_argument("--processes", type=int, default=1, help="seeds worked on at a time")
    arguments.add_argument("--csv", type=Path, help="folder for suggested_labels.csv: mean IoU on clear ground")
    asked = arguments.parse_args()
    with ProcessPoolExecutor(asked.processes, get_context("spawn")) as pool:
        report(list(pool.map(run, asked.seeds, [asked] * len(asked.seeds))), asked)


def run(seed: int, asked: argparse.Namespace) -> dict[str, list]:
    """The figures of one landscape, see `Loop.run`."""
    with tempfile.TemporaryDirectory() as folder:
        found = Loop(Path(folder), seed, asked).run()
    print(f"seed {seed}: " + "; ".join(f"{way} {' '.join(f'{row[0]:.3f}' for row in found[way])}" for way in WAYS)
          + f"  ({time.process_time():.0f} s of processor time)", flush=True)
    return found


class Loop:
    """All ways on one landscape."""

    def __init__(self, folder: Path, seed: int, asked: argparse.Namespace) -> None:
        self.folder, self.seed, self.asked = folder, seed, asked
        self.rng = np.random.default_rng(seed)
        made = self.job("create_sample", size=asked.size, seed=seed, output="sample")
        self.image, truth, self.mask = made["sentinel2"], made["land_cover"], str(folder / "sample" / "scene_classes.tif")
        with rasterio.open(truth) as source:
            self.truth, self.profile, bounds = source.read(1), source.profile, source.bounds
        with rasterio.open(self.mask) as source:
            clear = np.isin(source.read(1), (2, 4, 5, 6, 7))
        split = asked.size * 5 // 8 // TILE * TILE
        west = bounds.left + 10 * split
        self.pool_extent = f"{bounds.left},{west},{bounds.bottom},{bounds.top}"
        self.pool = [(row, col) for row in range(0, asked.size, TILE) for col in range(0, split, TILE) if clear[row:row + TILE, col:col + TILE].mean() >= 0.9]
        test_extent = f"{west + 10 * TILE},{bounds.right},{bounds.bottom},{bounds.top}"
        self.tests = []
        for name, labels in (("clear", self.raster("clear-labels", np.where(clear, self.truth, 0))), ("all", truth)):
            self.job("create_training_dataset", images=[self.image], labels=labels, class_table=CLASS_TABLE, preset="sentinel2_l2a", tile_size=TILE,
                     extent=test_extent, validation_share=0, test_share=0, output=name)
            self.tests.append(Dataset.open(folder / name))

    def job(self, name: str, **values) -> dict:
        for key in ("output", "run_folder", "append_to", "dataset"):
            if values.get(key):
                values[key] = str(self.folder / values[key])
        return JOBS[name].from_values(values).run(SILENT)

    def raster(self, name: str, values: np.ndarray) -> str:
        path = self.folder / f"{name}.tif"
        with rasterio.open(path, "w", **{**self.profile, "nodata": 0}) as target:
            target.write(values, 1)
        return str(path)

    def run(self) -> dict[str, list]:
        """For each way the figures on the test part, at the start and after every round, and the patches labelled until then."""
        start = [self.pool[number] for number in self.rng.permutation(len(self.pool))[:self.asked.tiles]]
        self.label("start", start, None)
        first = [*self.train("start"), self.patches(start)]
        found = {way: [first, *self.rounds(way, way, start)] for way in WAYS[:2]}
        draws = [self.rounds("random", f"random-{draw}", start) for draw in range(self.asked.draws)]
        return {**found, "random": [first, *np.mean(draws, axis=0).tolist()]}

    def rounds(self, way: str, prefix: str, start: list[tuple[int, int]]) -> list[list[float]]:
        name, taken, rows = "start", list(start), []
        count = self.asked.tiles // 2 if way == "half" else self.asked.tiles
        for turn in range(1, self.asked.rounds + 1):
            chosen = self.draw(taken, count) if way == "random" else self.suggest(name, count)
            taken += chosen
            after = f"{prefix}-{turn}"
            self.label(after, chosen, name)
            rows.append([*self.train(after), self.patches(taken)])
            name = after
        assert len(Dataset.open(self.folder / name)) == len(set(taken)) == self.asked.tiles + self.asked.rounds * count
        return rows

    def draw(self, taken: list, count: int) -> list[tuple[int, int]]:
        free = [place for place in self.pool if place not in taken]
        return [free[number] for number in self.rng.permutation(len(free))[:count]]

    def suggest(self, name: str, count: int) -> list[tuple[int, int]]:
        path = self.folder / f"{name}-{count}.gpkg"
        self.job("suggest_labels", models=self.models(name), images=[self.image], tile_size=TILE, count=count, dataset=name, extent=self.pool_extent,
                 measure=self.asked.measure, diversity=self.asked.diversity, clouds="scl", cloud_masks=[self.mask], device="cpu", output=str(path))
        bounds = VectorLayer.open({"path": str(path)}).read(["rank"]).geometry.bounds
        transform = self.profile["transform"]
        return [(round((transform.f - top) / 10), round((left - transform.c) / 10)) for left, top in zip(bounds["minx"], bounds["maxy"])]

    def label(self, name: str, places: list[tuple[int, int]], before: str | None) -> None:
        """What the analyst does: the truth within the chosen tiles, nothing elsewhere."""
        drawn = np.zeros_like(self.truth)
        for row, col in places:
            drawn[row:row + TILE, col:col + TILE] = self.truth[row:row + TILE, col:col + TILE]
        self.job("create_training_dataset", images=[self.image], labels=self.raster(f"{name}-labels", drawn), class_table=None if before else CLASS_TABLE,
                 preset="sentinel2_l2a", tile_size=TILE, validation_share=0, test_share=0, append_to=before, output=name)

    def patches(self, places: list[tuple[int, int]]) -> int:
        """Connected patches of one class in tiles."""
        tiles = [self.truth[row:row + TILE, col:col + TILE] for row, col in places]
        return sum(ndimage.label(tile == value)[1] for tile in tiles for value in np.unique(tile))

    def models(self, name: str) -> list[str]:
        return [str(self.folder / f"{name}-{member}.onnx") for member in range(self.asked.models)]

    def train(self, name: str) -> list[float]:
        """Trains from scratch, writes the model files and scores the mean of their probabilities on the test part."""
        dataset = Dataset.open(self.folder / name)
        for member, path in enumerate(self.models(name)):
            if self.asked.learner == "network":
                write_model(Path(path), *fit(dataset, self.asked.steps, self.seed + 1000 * member), dataset)
            else:
                learned = Labelled(dataset, single(dataset.inputs), dataset.indices("training"), self.seed).fit("statistics")
                write_package(Path(path), learned.graph(), dataset)
        return [self.score(test, name) for test in self.tests]

    def score(self, test: Dataset, name: str) -> float:
        every, total = test.indices("all"), 0.0
        images = test.images(every).astype(np.float32)
        for path in self.models(name):
            model = package.open(path)
            total = total + model.session("cpu", threads=1).run({model.image.name: images})
        return scores(confusion(test.labels(every), np.asarray(total).argmax(1), len(CLASSES)))["mean_iou"]


def fit(dataset: Dataset, steps: int, seed: int) -> tuple[torch.nn.Sequential, np.ndarray, np.ndarray]:
    """A small network after `steps` steps of Adam, and mean and spread of the bands it was trained with."""
    torch.manual_seed(seed)
    rows = [dataset.statistics[dataset.sensors[0].name][band.name] for band in dataset.sensors[0].bands]
    mean, std = (np.array([row[key] for row in rows], np.float32) for key in ("mean", "std"))
    tiles = dataset.indices("training")
    images = (torch.from_numpy(dataset.images(tiles).astype(np.float32)) - torch.from_numpy(mean)[:, None, None]) / torch.from_numpy(std)[:, None, None]
    labels = torch.from_numpy(dataset.labels(tiles).astype(np.int64))
    counts = torch.bincount(labels[labels != 255], minlength=len(CLASSES)).float()
    weights = torch.where(counts > 0, (counts.sum() / counts.clamp(min=1)).sqrt(), 0)
    layers: list[torch.nn.Module] = []
    for before, after in zip((len(dataset.sensors[0].bands), WIDTH, WIDTH), (WIDTH, WIDTH, WIDTH), strict=True):
        layers += [torch.nn.Conv2d(before, after, 3, padding=1), torch.nn.ReLU()]
    network = torch.nn.Sequential(*layers, torch.nn.Conv2d(WIDTH, len(CLASSES), 1))
    optimizer = torch.optim.Adam(network.parameters(), 3e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    rng = np.random.default_rng(seed)
    for _ in range(steps):
        chosen = rng.choice(len(tiles), min(BATCH, len(tiles)), replace=False)
        turns = int(rng.integers(4))
        loss = torch.nn.functional.cross_entropy(network(images[chosen].rot90(turns, (2, 3))), labels[chosen].rot90(turns, (1, 2)), weights / weights.mean(),
                                                 ignore_index=255)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return network.eval(), mean, std


def write_model(path: Path, network: torch.nn.Sequential, mean: np.ndarray, std: np.ndarray, dataset: Dataset) -> None:
    """Writes the network as a model file that takes stored values."""
    tensors = {"mean": mean[None, :, None, None], "std": std[None, :, None, None]}
    nodes = [helper.make_node("Sub", ["image", "mean"], ["centred"]), helper.make_node("Div", ["centred", "std"], ["x0"])]
    for number, layer in enumerate(network):
        source, target = f"x{number}", f"x{number + 1}"
        if isinstance(layer, torch.nn.Conv2d):
            tensors |= {f"w{number}": layer.weight.detach().numpy(), f"b{number}": layer.bias.detach().numpy()}
            nodes.append(helper.make_node("Conv", [source, f"w{number}", f"b{number}"], [target], pads=[layer.padding[0]] * 4))
        else:
            nodes.append(helper.make_node("Relu", [source], [target]))
    nodes.append(helper.make_node("Softmax", [f"x{len(network)}"], ["probabilities"], axis=1))
    graph = helper.make_graph(nodes, "network", [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", len(dataset.sensors[0].bands), "y", "x"])],
                              [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["n", len(CLASSES), "y", "x"])],
                              [numpy_helper.from_array(np.asarray(values, np.float32), key) for key, values in tensors.items()])
    write_package(path, helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), dataset)


def write_package(path: Path, model: onnx.ModelProto, dataset: Dataset) -> None:
    bands = [networks.band(band.name, band.mean, std=band.std) for band in single(dataset.inputs).bands]
    said = networks.description(bands, tuple((row.value, row.name, row.color) for row in CLASSES), stride=1, halo=4)
    package.write(model, said, path)


def report(results: list[dict], asked: argparse.Namespace) -> None:
    learner = f"{asked.models} network(s) of {asked.steps} steps" if asked.learner == "network" else "regression on the statistics of whitened bands"
    print(f"\nSIMULATED landscapes of {asked.size} px, seeds {asked.seeds}, {learner}; measure {asked.measure}, diversity {asked.diversity}, {asked.draws} random "
          f"draw(s) per seed, half = {asked.tiles // 2} tiles a round; mean and 95 % t-interval over seeds")
    values = {way: np.array([result[way] for result in results]) for way in WAYS}  # (seed, round, figure)
    if asked.csv:
        keep(values, asked)
    for number, figure in enumerate(FIGURES):
        print(f"\n{figure}\n| tiles | suggested | half of them suggested | random | suggested less random | half less random |\n|---|---|---|---|---|---|")
        for turn in range(asked.rounds + 1):
            each = [values[way][:, turn, number] for way in WAYS]
            print(f"| {asked.tiles * (turn + 1)} | " + " | ".join([*map(interval, each), *(interval(one - each[2], "+.3f") for one in each[:2])]) + " |")
    print("\npatches labelled after the last round: " + ", ".join(f"{way} {values[way][:, -1, -1].mean():.0f}" for way in WAYS))
    for number, figure in enumerate(FIGURES):
        for way in WAYS[:2]:
            after = (values[way] - values["random"])[:, 1:, number].mean(1)
            half = half_width(after)
            verdict = "beats random" if after.mean() > half else "random beats it" if after.mean() < -half else "no difference is shown"
            print(f"{figure}, mean over the rounds: {way} less random {after.mean():+.3f} ± {half:.3f}: {verdict} ({' '.join(f'{one:+.3f}' for one in after)})")


def keep(values: dict[str, np.ndarray], asked: argparse.Namespace) -> None:
    """Mean IoU on clear ground after every round, for docs/evidence/data."""
    found = Figures("labelled tiles", "way")
    for turn in range(asked.rounds + 1):
        each = [values[way][:, turn, 0] for way in WAYS]
        for name, numbers in zip(("suggested", "half of them suggested", "random"), each, strict=True):
            found.add(asked.tiles * (turn + 1), name, value=numbers)
        for name, numbers in (("suggested less random", each[0] - each[2]), ("half less random", each[1] - each[2])):
            found.add(asked.tiles * (turn + 1), name, value=numbers, form="+.3f")
    found.write(asked.csv / "suggested_labels.csv")


if __name__ == "__main__":
    main()
