"""What starting weights are worth: a probe and a fine-tuned network from each start, at 1 to 100 % of the training labels.

    .engine/train/bin/python benchmarks/label_efficiency.py DATASET OUTPUT [--starts NAME=WEIGHTS …] [--shares 1 5 10 50 100] [--seeds 1 2 3]
                                                            [--approaches probe finetune spread] [--minutes 60]

DATASET has classes of images (“Import dataset”) or of pixels; OUTPUT is a folder that is continued: each figure is a row of results.csv, and those
that are there are not computed again. WEIGHTS is what “Fine-tune a model” takes as starting weights; scratch is always among the starts. Scores are
those of the validation tiles, which decide nothing: the labelled tiles alone choose the penalty of the probe, and of a fine-tuned network the last
epoch is kept. Overall accuracy for images, micro mean average precision where they have several classes, mean IoU for pixels. Shares are stratified,
nested and drawn with the seed; of each class a minimum is kept, so a table also says what share of the tiles a share is in truth. Intervals are
Student's t at 95 % over the seeds.

For images the probe is a logistic regression on the frozen features, for pixels a decoder trained on the frozen encoder. Beside them stand the
majority class and a logistic regression on statistics of the bands. With “spread” the labels of images are spread to the other training tiles and
the network is fine-tuned on all of them; it sees no more labels, but more images.
"""

from __future__ import annotations

import argparse
import csv
import json
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.figures import Figures, half_width  # noqa: E402
from eo_pretrain_qgis.engine.cards import single  # noqa: E402
from eo_pretrain_qgis.engine.classic.models import Labelled  # noqa: E402
from eo_pretrain_qgis.engine.classic.samples import measure_whitening, sample_rows  # noqa: E402
from eo_pretrain_qgis.engine.datasets.dataset import Dataset  # noqa: E402
from eo_pretrain_qgis.engine.datasets.splitting.label_shares import SHARES, labelled_share  # noqa: E402
from eo_pretrain_qgis.engine.learning.finetuning.recipe import Settings, adopt_scaling, finetune  # noqa: E402
from eo_pretrain_qgis.engine.learning.loop.device import pick_device  # noqa: E402
from eo_pretrain_qgis.engine.learning.networks.class_networks import ClassificationNetwork  # noqa: E402
from eo_pretrain_qgis.engine.learning.networks.starting_weights import start_from  # noqa: E402
from eo_pretrain_qgis.engine.learning.probes import (  # noqa: E402
    LinearProbe,
    encoder_features,
    nearest_neighbours,
    score_predictions,
)
from eo_pretrain_qgis.progress import PrintedProgress  # noqa: E402
from tests.settings import finetuning as chosen  # noqa: E402

COLUMNS = ("dataset", "start", "approach", "share", "tiles", "seed", "score", "seconds", "settings")
SCRATCH, NO_START = "scratch", "–"
EPOCHS = 10  # of a fine-tuning; what counts is the number of steps
#: With many labels the penalty hardly matters, and each fit takes long.
MANY, STRENGTHS_OF_MANY = 5000, (1e-3, 1e-2, 1e-1)


class Results:
    """Rows of results.csv."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows: list[dict] = list(csv.DictReader(path.open(encoding="utf-8"))) if path.exists() else []

    def done(self, **key) -> bool:
        return any(all(row[name] == str(value) for name, value in key.items()) for row in self.rows)

    def add(self, **row) -> None:
        row = {name: str(row.get(name, "")) for name in COLUMNS}
        fresh = not self.path.exists()
        with self.path.open("a", encoding="utf-8", newline="") as stream:
            writer = csv.DictWriter(stream, COLUMNS)
            if fresh:
                writer.writeheader()
            writer.writerow(row)
        self.rows.append(row)
        print(f"{row['start']:>16} {row['approach']:<14} {row['share']:>4} % ({row['tiles']} tiles) seed {row['seed']}: {float(row['score']):.4f} "
              f"in {float(row['seconds']):.0f} s", flush=True)


class Benchmark:
    """One dataset and what is asked of it."""

    def __init__(self, asked: argparse.Namespace) -> None:
        self.asked, self.dataset = asked, Dataset.open(asked.dataset)
        self.images = not self.dataset.kind.pixelwise
        self.output = Path(asked.output)
        self.output.mkdir(parents=True, exist_ok=True)
        self.results = Results(self.output / "results.csv")
        self.validation = self.dataset.indices("validation")
        self.starts = {SCRATCH: None, **dict(text.split("=", 1) for text in asked.starts)}
        self.until, self.features = time.monotonic() + 60 * asked.minutes, {}

    def tiles(self, share: float, seed: int) -> np.ndarray:
        return labelled_share(self.dataset, self.dataset.indices("training"), share, seed)

    def measure(self, start: str, approach: str, share: float, seed: int, how: Callable[[], float],
                settings: Settings | None = None) -> None:
        """Adds a row unless it is there or the time is over."""
        key = {"dataset": self.dataset.name, "start": start, "approach": approach, "share": share, "seed": seed}
        if self.results.done(**key) or time.monotonic() > self.until:
            return
        began = time.monotonic()
        score = how()
        self.results.add(**key, tiles=len(self.tiles(share, seed)), score=round(score, 5), seconds=round(time.monotonic() - began, 1),
                         settings=json.dumps(asdict(settings)) if settings else "")

    def run(self) -> None:
        """Share by share in the order asked for, so that what is finished when the time is over can be compared: baselines, probes, fine-tunings."""
        for share in self.asked.shares:
            for seed in self.asked.seeds:
                self.baselines(share, seed)
            for start in self.starts if "probe" in self.asked.approaches else ():
                for seed in self.asked.seeds:
                    self.probes(start, share, seed)
            for seed in self.asked.seeds:
                for start in self.starts:
                    self.fine_tunings(start, share, seed)

    def baselines(self, share: float, seed: int) -> None:
        tiles = self.tiles(share, seed)
        if not self.images:
            labelled = Labelled(self.dataset, single(self.dataset.inputs), tiles, seed)
            for name, baseline in self.dataset.kind.baselines_of(self.dataset).items():
                self.measure(NO_START, name, share, seed, lambda fit=baseline.fit: self.pixels(fit(labelled)(self.dataset)))
            return
        labels = self.dataset.labels(tiles)
        self.measure(NO_START, "statistics", share, seed, lambda: self.judge(
            LinearProbe(self.known(NO_START, tiles), labels, seed).predict(self.known(NO_START, self.validation))))
        constant = labels.mean(0) if labels.ndim == 2 else np.bincount(labels).argmax()
        self.measure(NO_START, "majority", share, seed, lambda: self.judge(np.stack([constant] * len(self.validation))))

    def probes(self, start: str, share: float, seed: int) -> None:
        if not self.images:
            settings = replace(self.settings(start, share, seed), mode="frozen")
            self.measure(start, "probe", share, seed, lambda: self.train(settings), settings)
            return
        tiles = self.tiles(share, seed)
        labels = self.dataset.labels(tiles)
        strengths = {"strengths": STRENGTHS_OF_MANY} if len(tiles) > MANY else {}
        self.measure(start, "probe", share, seed, lambda: self.judge(
            LinearProbe(self.known(start, tiles), labels, seed, **strengths).predict(self.known(start, self.validation))))
        self.measure(start, "k-NN", share, seed, lambda: self.judge(
            nearest_neighbours(self.known(start, tiles), labels, self.known(start, self.validation))))

    def fine_tunings(self, start: str, share: float, seed: int) -> None:
        """From the labels alone, and from those spread to the training tiles that have none."""
        settings = self.settings(start, share, seed)
        if "finetune" in self.asked.approaches:
            self.measure(start, "fine-tuning", share, seed, lambda: self.train(settings), settings)
        if "spread" in self.asked.approaches and start != SCRATCH and share < 100:
            spread = replace(settings, spread_labels="yes")
            self.measure(start, "labels spread", share, seed, lambda: self.train(spread), spread)

    def known(self, start: str, tiles: np.ndarray) -> np.ndarray:
        """Features of tiles, or their statistics where there is no start; each tile is looked at once per start."""
        seen = self.features.setdefault(start, {})
        fresh = np.array([tile for tile in tiles if tile not in seen])
        if len(fresh) and start == NO_START:
            what = single(self.dataset.inputs)
            whitening = measure_whitening(self.dataset, what, self.dataset.indices("training"))
            seen.update(zip(fresh.tolist(), sample_rows(self.dataset, what, whitening, fresh).features))
        elif len(fresh):
            device = pick_device(self.asked.device)
            network = self.network(start).to(device)
            values = encoder_features(network.encoder, self.dataset, network.seen, fresh, progress=PrintedProgress())
            seen.update(zip(fresh.tolist(), values))
        return np.stack([seen[tile] for tile in tiles.tolist()])

    def network(self, start: str) -> ClassificationNetwork:
        torch.manual_seed(1)
        seen, path = next(iter(self.dataset.inputs.values())), self.starts[start]
        if path:
            seen = adopt_scaling(seen, path)
        network = ClassificationNetwork(self.asked.encoder, {seen.name: seen}, len(self.dataset.classes))
        if path:
            print(start, start_from(network, path, seen.names).sentence(), flush=True)
        return network

    def judge(self, found: np.ndarray) -> float:
        """The leading figure of predictions for the validation tiles."""
        figures = score_predictions(self.dataset.labels(self.validation), found, len(self.dataset.classes))
        return figures["average_precision" if self.dataset.task == "multilabel" else "overall_accuracy"]

    def pixels(self, predict: Callable) -> float:
        """Mean IoU of predictions for the validation tiles."""
        kind, classes = self.dataset.kind, len(self.dataset.classes)
        total = kind.nothing(classes)
        for tile in self.validation:
            total += kind.count(self.dataset.labels(np.array([tile])), predict(np.array([tile])), classes)
        return kind.figures(total)["mean_iou"]

    def settings(self, start: str, share: float, seed: int) -> Settings:
        """Few labels: more passes, so that there are enough steps; many: fewer. From pretrained weights a lower rate."""
        asked, count = self.asked, len(self.tiles(share, seed))
        steps = int(np.clip(asked.passes * count / asked.batch, asked.least_steps, asked.most_steps))
        rate = asked.scratch_rate if start == SCRATCH else asked.rate
        return chosen(encoder=asked.encoder, start=self.starts[start], epochs=EPOCHS, epoch_steps=-(-steps // EPOCHS), batch_size=asked.batch,
                      learning_rate=rate, weight_decay=asked.decay, warmup_epochs=1, label_share=share, class_weights=asked.class_weights,
                      augmentation=asked.augmentation, average=asked.average, keep="last", patience=EPOCHS, device=asked.device,
                      precision=asked.precision, seed=seed, spread_labels="no")

    def train(self, settings: Settings) -> float:
        """The score of a fine-tuned network; its folder is removed."""
        folder = self.output / "run"
        shutil.rmtree(folder, ignore_errors=True)
        result = finetune(str(self.asked.dataset), str(folder), settings)
        shutil.rmtree(folder)
        return next(result[name] for name in ("validation_iou", "validation_accuracy", "validation_average_precision") if name in result)


def interval(numbers: list[float]) -> tuple[float, float]:
    """Mean and half of the 95 % t-interval; 0 for a single number."""
    return float(np.mean(numbers)), half_width(numbers) if len(numbers) > 1 else 0.0


def summary(rows: list[dict]) -> dict[tuple[str, str], dict[float, tuple[float, float, int]]]:
    """(start, approach) → share → mean, half interval and number of seeds."""
    groups: dict = {}
    for row in rows:
        groups.setdefault((row["start"], row["approach"]), {}).setdefault(float(row["share"]), []).append(float(row["score"]))
    return {key: {share: (*interval(numbers), len(numbers)) for share, numbers in sorted(found.items())} for key, found in groups.items()}


def gains(rows: list[dict]) -> list[dict]:
    """Rows whose score is the difference from scratch in the same draw; with labels spread, from fine-tuning on the labels alone."""
    scratch = {(row["approach"], row["share"], row["seed"]): float(row["score"]) for row in rows if row["start"] == SCRATCH}
    return [{**row, "score": float(row["score"]) - scratch[key]} for row in rows if row["start"] not in (SCRATCH, NO_START)
            and (key := (row["approach"].replace("labels spread", "fine-tuning"), row["share"], row["seed"])) in scratch]


def real_shares(rows: list[dict], training: int) -> dict[float, str]:
    """Share that was asked for → that share and, where it is more than a twentieth off, what it is in truth: the mean over the draws."""
    tiles: dict[float, dict[str, int]] = {}
    for row in rows:
        tiles.setdefault(float(row["share"]), {})[row["seed"]] = int(row["tiles"])
    truth = {share: 100 * float(np.mean(list(draws.values()))) / training for share, draws in tiles.items()}
    return {share: f"{share:g} %" + (f" (really {real:.3g} %)" if abs(real / share - 1) > 0.05 else "") for share, real in truth.items()}


def markdown(found: dict, gained: dict, real: dict[float, str]) -> str:
    """The table as text."""
    shares = sorted({share for row in found.values() for share in row})
    lines = ["| start | approach | " + " | ".join(real[share] for share in shares) + " |", "|---" * (len(shares) + 2) + "|"]
    for table, word, sign in ((found, "", ""), (gained, ", gain over scratch in the same draw", "+")):
        for (start, approach), row in table.items():
            cells = [f"{row[share][0]:{sign}.3f}" + (f" ± {row[share][1]:.3f}" if row[share][2] > 1 else "") if share in row else ""
                     for share in shares]
            lines.append(f"| {start} | {approach}{word} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def keep(rows: list[dict], gained: list[dict], real: dict[float, str], path: Path) -> None:
    """The same figures, for docs/evidence/data."""
    figures = Figures("start", "approach", "labels")
    for part, word, form in ((rows, "", ".3f"), (gained, ", gain over scratch in the same draw", "+.3f")):
        scores: dict = {}
        for row in sorted(part, key=lambda row: float(row["share"])):
            scores.setdefault((row["start"], row["approach"] + word, real[float(row["share"])]), []).append(float(row["score"]))
        for labels, values in scores.items():
            figures.add(*labels, value=values, form=form)
    figures.write(path)


def draw(found: dict, path: Path, figure_name: str) -> None:
    """Score over the share of the labels, a line for each start and approach; k-NN is in the table only."""
    found = {key: row for key, row in found.items() if key[1] != "k-NN"}
    figure = Figure(figsize=(8, 4.2), layout="constrained")
    axes = figure.add_subplot(xlabel="training labels [%]", ylabel=figure_name, xscale="log")
    styles = {"fine-tuning": "-", "labels spread": (0, (6, 1)), "probe": "--", "statistics": "-.", "boosting": (0, (3, 1, 1, 1)), "majority": "-."}
    colours = {start: f"C{number}" for number, start in enumerate(dict.fromkeys(start for start, _ in found if start != NO_START))}
    for (start, approach), row in found.items():
        middle, half = ([row[share][place] for share in row] for place in (0, 1))
        label = approach if start == NO_START else f"{start}, {approach}"
        axes.errorbar(list(row), middle, half, label=label, linestyle=styles[approach], marker="o", markersize=3, capsize=2,
                      color=colours.get(start, "0.4" if approach == "statistics" else "0.7"))
    shares = sorted({share for row in found.values() for share in row})
    axes.set_xticks(shares, [f"{share:g}" for share in shares])
    axes.grid(alpha=0.3)
    figure.legend(loc="outside right upper", fontsize="x-small", handlelength=4)
    figure.savefig(path)


def main() -> None:
    """Computes what is missing, then prints the table and draws the picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset")
    parser.add_argument("output")
    parser.add_argument("--starts", nargs="*", default=[], metavar="NAME=WEIGHTS")
    parser.add_argument("--shares", nargs="*", type=float, default=[float(share) for share in SHARES])
    parser.add_argument("--seeds", nargs="*", type=int, default=[1, 2, 3])
    parser.add_argument("--approaches", nargs="*", choices=("probe", "finetune", "spread"), default=["probe", "finetune"])
    parser.add_argument("--minutes", type=float, default=60, help="no new figure is begun after that; 0 only prints what is there")
    parser.add_argument("--encoder", default="resnet18")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--passes", type=float, default=10, help="over the labelled tiles, within the bounds of the steps")
    parser.add_argument("--least-steps", type=int, default=300)
    parser.add_argument("--most-steps", type=int, default=3000)
    parser.add_argument("--rate", type=float, default=3e-4, help="learning rate from starting weights")
    parser.add_argument("--scratch-rate", type=float, default=1e-3)
    parser.add_argument("--decay", type=float, default=0.01)
    parser.add_argument("--average", type=float, default=0.99)
    parser.add_argument("--augmentation", default="full")
    parser.add_argument("--class-weights", default="none")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--device", default="auto")
    benchmark = Benchmark(parser.parse_args())
    benchmark.run()
    rows = [row for row in benchmark.results.rows if row["dataset"] == benchmark.dataset.name]
    found = summary(rows)
    figure_name = {"segmentation": "mean IoU", "multilabel": "average precision"}.get(benchmark.dataset.task, "overall accuracy")
    real = real_shares(rows, len(benchmark.tiles(100, 1)))
    text = markdown(found, summary(gains(rows)), real)
    (benchmark.output / "table.md").write_text(text + "\n", encoding="utf-8")
    keep(rows, gains(rows), real, benchmark.output / "table.csv")
    draw(found, benchmark.output / "label_efficiency.svg", f"{figure_name} on the validation tiles")
    print(f"\n{text}\n\n{len(rows)} figures in {benchmark.results.path}; {figure_name} on {len(benchmark.validation)} validation tiles.")


if __name__ == "__main__":
    main()
