"""Is labelling what the model suggests better than labelling at random, for the same number of labelled tiles?

On SIMULATED landscapes (`create_sample`, one per seed) the western part is the pool to label from, the eastern part the test; an analyst is
played by the known truth. Both ways start from the same few random tiles and the model trained on them. In each of three rounds they add the same
number of whole tiles, suggested by `suggest_labels` or drawn at random, with `create_training_dataset` (“Add to dataset”), and train anew from
scratch with the same number of steps. Nothing is validated on: no label but those counted is used. The network is a small stack of convolutions
that sees 7 x 7 pixels, trained here in a second or two and written as a model file like any other; it is the choice of tiles that is compared.
With --models above 1 both ways train an ensemble after every round and are scored by its mean probabilities, and disagreement can be the measure:
unlike entropy it does not ask for what nobody can tell, such as the ground under a cloud.

Prints the mean IoU and the overall accuracy on the test part after every round and the paired difference, suggested less random, with 95 %
t-intervals over the seeds. Figures obtained here are simulated and must be called so.
Run: python -m benchmarks.active_learning [--seeds 5] [--rounds 3] [--tiles 8] [--size 512] [--steps 200] [--models 1]
     [--measure entropy] [--diversity 0.3]
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

import numpy as np
import rasterio
import torch
from onnx import TensorProto, helper, numpy_helper
from scipy import stats

from eo_pretrain_qgis.engine import package
from eo_pretrain_qgis.engine.accuracy import confusion, scores
from eo_pretrain_qgis.engine.dataset import Dataset
from eo_pretrain_qgis.engine.sample import CLASSES
from eo_pretrain_qgis.engine.vector import VectorLayer
from eo_pretrain_qgis.jobs import JOBS
from eo_pretrain_qgis.report import SILENT
from tests import networks

TILE, BATCH, WIDTH = 32, 8, 24
WAYS = ("suggested", "random")
CLASS_TABLE = json.dumps([{"value": row.value, "name": row.name, "color": row.color} for row in CLASSES])


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--seeds", type=int, default=5)
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--tiles", type=int, default=8, help="labelled at the start and in every round")
    arguments.add_argument("--size", type=int, default=512, help="of the landscapes [px]")
    arguments.add_argument("--steps", type=int, default=200, help="of every training")
    arguments.add_argument("--models", type=int, default=1, help="of the ensemble")
    arguments.add_argument("--measure", default="entropy")
    arguments.add_argument("--diversity", type=float, default=0.3)
    asked = arguments.parse_args()
    started, results = time.perf_counter(), []
    for seed in range(1, asked.seeds + 1):
        with tempfile.TemporaryDirectory() as folder:
            results.append(Loop(Path(folder), seed, asked).run())
        print(f"seed {seed}: " + "; ".join(f"{way} {' '.join(f'{row[0]:.3f}' for row in results[-1][way])}" for way in WAYS)
              + f"  ({time.perf_counter() - started:.0f} s so far)", flush=True)
    report(results, asked)


class Loop:
    """Both ways on one landscape."""

    def __init__(self, folder: Path, seed: int, asked: argparse.Namespace) -> None:
        self.folder, self.seed, self.asked = folder, seed, asked
        self.rng = np.random.default_rng(seed)
        made = self.job("create_sample", size=asked.size, seed=seed, output="sample")
        self.image, truth = made["sentinel2"], made["land_cover"]
        with rasterio.open(truth) as source:
            self.truth, self.profile, bounds = source.read(1), source.profile, source.bounds
        with rasterio.open(self.image) as source:
            self.valid = source.read(1) != 0
        split = asked.size * 5 // 8 // TILE * TILE
        west = bounds.left + 10 * split
        self.pool_extent = f"{bounds.left},{west},{bounds.bottom},{bounds.top}"
        self.pool = [(row, col) for row in range(0, asked.size, TILE) for col in range(0, split, TILE) if self.valid[row:row + TILE, col:col + TILE].mean() >= 0.5]
        test_extent = f"{west + 10 * TILE},{bounds.right},{bounds.bottom},{bounds.top}"
        self.job("create_training_dataset", images=[self.image], labels=truth, class_table=CLASS_TABLE, preset="sentinel2_l2a", tile_size=TILE,
                 extent=test_extent, validation_share=0, test_share=0, output="test")
        self.test = Dataset.open(folder / "test")

    def job(self, name: str, **values) -> dict:
        for key in ("output", "run_folder", "append_to", "dataset"):
            if values.get(key):
                values[key] = str(self.folder / values[key])
        return JOBS[name].from_values(values).run(SILENT)

    def run(self) -> dict[str, list]:
        """Mean IoU and overall accuracy on the test part, at the start and after every round, for each way."""
        start = [self.pool[number] for number in self.rng.permutation(len(self.pool))[:self.asked.tiles]]
        self.label("start", start, None)
        first = self.train("start")
        found: dict[str, list] = {}
        for way in WAYS:
            name, taken, found[way] = "start", set(start), [first]
            for turn in range(1, self.asked.rounds + 1):
                chosen = self.suggest(name) if way == "suggested" else self.draw(taken)
                taken |= set(chosen)
                after = f"{way}-{turn}"
                self.label(after, chosen, name)
                found[way].append(self.train(after))
                name = after
            assert len(Dataset.open(self.folder / name)) == len(taken) == self.asked.tiles * (self.asked.rounds + 1)
        return found

    def draw(self, taken: set) -> list[tuple[int, int]]:
        free = [place for place in self.pool if place not in taken]
        return [free[number] for number in self.rng.permutation(len(free))[:self.asked.tiles]]

    def suggest(self, name: str) -> list[tuple[int, int]]:
        path = self.folder / f"{name}.gpkg"
        self.job("suggest_labels", models=self.models(name), images=[self.image], tile_size=TILE, count=self.asked.tiles, dataset=name,
                 extent=self.pool_extent, measure=self.asked.measure, diversity=self.asked.diversity, device="cpu", output=str(path))
        bounds = VectorLayer.open({"path": str(path)}).read(["rank"]).geometry.bounds
        transform = self.profile["transform"]
        return [(round((transform.f - top) / 10), round((left - transform.c) / 10)) for left, top in zip(bounds["minx"], bounds["maxy"])]

    def label(self, name: str, places: list[tuple[int, int]], before: str | None) -> None:
        """What the analyst does: the truth within the chosen tiles, nothing elsewhere."""
        drawn = np.zeros_like(self.truth)
        for row, col in places:
            drawn[row:row + TILE, col:col + TILE] = self.truth[row:row + TILE, col:col + TILE]
        path = self.folder / f"{name}-labels.tif"
        with rasterio.open(path, "w", **{**self.profile, "nodata": 0}) as target:
            target.write(drawn, 1)
        self.job("create_training_dataset", images=[self.image], labels=str(path), class_table=None if before else CLASS_TABLE, preset="sentinel2_l2a",
                 tile_size=TILE, validation_share=0, test_share=0, append_to=before, output=name)

    def models(self, name: str) -> list[str]:
        return [str(self.folder / f"{name}-{member}.onnx") for member in range(self.asked.models)]

    def train(self, name: str) -> list[float]:
        """Trains from scratch, writes the model files and scores the mean of their probabilities on the test part."""
        dataset, every = Dataset.open(self.folder / name), self.test.indices("all")
        images, total = self.test.images(every).astype(np.float32), 0.0
        for member, path in enumerate(self.models(name)):
            write_model(Path(path), *fit(dataset, self.asked.steps, self.seed + 1000 * member), dataset)
            total = total + package.open(path).session("cpu", threads=1).run(images)
        figures = scores(confusion(self.test.labels(every), np.asarray(total).argmax(1), len(CLASSES)))
        return [figures["mean_iou"], figures["overall_accuracy"]]


def fit(dataset: Dataset, steps: int, seed: int) -> tuple[torch.nn.Sequential, np.ndarray, np.ndarray]:
    """A small network after `steps` steps of Adam, and mean and spread of the bands it was trained with."""
    torch.manual_seed(seed)
    rows = [dataset.statistics[dataset.sensor.name][band.name] for band in dataset.bands]
    mean, std = (np.array([row[key] for row in rows], np.float32) for key in ("mean", "std"))
    tiles = dataset.indices("training")
    images = (torch.from_numpy(dataset.images(tiles).astype(np.float32)) - torch.from_numpy(mean)[:, None, None]) / torch.from_numpy(std)[:, None, None]
    labels = torch.from_numpy(dataset.labels(tiles).astype(np.int64))
    counts = torch.bincount(labels[labels != 255], minlength=len(CLASSES)).float()
    weights = torch.where(counts > 0, (counts.sum() / counts.clamp(min=1)).sqrt(), 0)
    layers: list[torch.nn.Module] = []
    for before, after in zip((len(dataset.bands), WIDTH, WIDTH), (WIDTH, WIDTH, WIDTH), strict=True):
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
    graph = helper.make_graph(nodes, "network", [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", len(dataset.bands), "y", "x"])],
                              [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["n", len(CLASSES), "y", "x"])],
                              [numpy_helper.from_array(np.asarray(values, np.float32), key) for key, values in tensors.items()])
    bands = [networks.band(band.name, float(one), std=float(spread)) for band, one, spread in zip(dataset.bands, mean, std, strict=True)]
    said = networks.description(bands, tuple((row.value, row.name, row.color) for row in CLASSES), stride=1, halo=4)
    package.write(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), said, path)


def report(results: list[dict], asked: argparse.Namespace) -> None:
    print(f"\nSIMULATED landscapes of {asked.size} px, {len(results)} seeds, {asked.steps} steps per training, {asked.models} model(s), measure {asked.measure}, "
          f"diversity {asked.diversity}; mean and 95 % t-interval over seeds")
    decided = {}
    for number, figure in enumerate(("mean IoU", "overall accuracy")):
        print(f"\n| labelled tiles | {figure}, suggested | {figure}, random | suggested less random |\n|---|---|---|---|")
        values = {way: np.array([[row[number] for row in result[way]] for result in results]) for way in WAYS}
        for turn in range(asked.rounds + 1):
            paired = values["suggested"][:, turn] - values["random"][:, turn]
            print(f"| {asked.tiles * (turn + 1)} | {interval(values['suggested'][:, turn])} | {interval(values['random'][:, turn])} | {interval(paired, '+.3f')} |")
        after = (values["suggested"] - values["random"])[:, 1:].mean(1)
        decided[figure] = (after.mean(), half_width(after))
    for figure, (mean, half) in decided.items():
        verdict = "suggestion beats random" if mean > half else "random beats suggestion" if mean < -half else "no difference is shown"
        print(f"{figure}, mean over the rounds: suggested less random {mean:+.3f} ± {half:.3f}: {verdict}")


def half_width(numbers: np.ndarray) -> float:
    if len(numbers) < 2:
        return float("inf")
    return float(stats.t.ppf(0.975, len(numbers) - 1) * numbers.std(ddof=1) / np.sqrt(len(numbers)))


def interval(numbers: np.ndarray, form: str = ".3f") -> str:
    return f"{numbers.mean():{form}} ± {half_width(numbers):.3f}"


if __name__ == "__main__":
    main()
