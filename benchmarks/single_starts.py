"""Starts that are tried in one place each: weak labels, chains, Reptile, topics; and a class below 1 % of the pixels.

    OMP_NUM_THREADS=1 .engine/train/bin/python -m benchmarks.single_starts DATA OUTPUT [rare] [land_cover] [roads] [ice=3] [--draws 5]

DATA is the folder of real imagery that lies beside a checkout, OUTPUT a folder that is continued: what is there is not done again. OUTPUT/*.csv are
for docs/evidence/data. Each case is a row of `CASES`, each start a row of `STARTS`.

rare        SIMULATED landscapes: bare ground (pits), the kind of rare object that mines are; IoU, F1, precision, recall and average precision
land_cover  the same landscapes, true land cover in six classes; mean IoU
roads       the same landscapes, true visible roads; mean IoU
ice         SIMULATED images of HH, HV and incidence angle, four stages of ice; the topics are of a real Sentinel-1 scene off Greenland, and of
            other simulated scenes

Starts learn on landscapes and scenes of other seeds than the labels are of, see `single_starts_data`. All trainings have one encoder, the
same number of steps and keep the last epoch; test tiles choose nothing. A draw is a choice of labels, an initialisation and an order. The simple
classifiers learn from the same draws.
"""

from __future__ import annotations

import argparse
import json
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.metrics import average_precision_score

from benchmarks.figures import Figures
from benchmarks.single_starts_data import ice, land
from eo_pretrain_qgis.engine.cards import IGNORE, stacked
from eo_pretrain_qgis.engine.classic.models import Labelled
from eo_pretrain_qgis.engine.datasets.dataset import Dataset
from eo_pretrain_qgis.engine.datasets.splitting.label_shares import class_totals, real_share, training_share
from eo_pretrain_qgis.engine.learning.comparison.asking import FINE_TUNE, SCRATCH, SIMPLE, Cell, Options, Start, training_of
from eo_pretrain_qgis.engine.learning.comparison.findings import ENOUGH, HARMS, HELPS, NOTHING
from eo_pretrain_qgis.engine.learning.comparison.measuring import scored
from eo_pretrain_qgis.engine.learning.data import LABELS, TileReader
from eo_pretrain_qgis.engine.learning.finetuning.recipe import finetune, seen_by
from eo_pretrain_qgis.engine.learning.loop.runs import Run
from eo_pretrain_qgis.engine.measures.accuracy import scores
from eo_pretrain_qgis.engine.measures.bootstrap import draws, interval, resampled
from eo_pretrain_qgis.engine.measures.paired import holm, paired
from eo_pretrain_qgis.engine.runs.by_scene import GroupCounts
from eo_pretrain_qgis.jobs import JOBS
from eo_pretrain_qgis.jobs.record import run_job
from eo_pretrain_qgis.progress import PrintedProgress
from tests.settings import finetuning

Facts = dict[str, Any]
#: Narrow, so that all fits into an hour of one core.
ENCODER = "tu-mobilenetv3_small_050"
#: As many steps as “Compare pretraining” takes for few labels. Tiles are seen without what lies around them, in training and when they are scored:
#: with it each takes twice to nine times as long.
STEPS, BATCH, SPLIT, CONTEXT = 60, 8, "test", 0
#: Ways to learn without a network.
WAYS = ("majority", "statistics", "boosting")
#: What all trainings of starts are asked; of weak labels the same number of steps.
COMMON = {"device": "cpu", "seed": 1, "encoder": ENCODER}
WEAK = {**COMMON, "approach": "network", "batch_size": 8, "epochs": 4, "epoch_steps": 50, "warmup_epochs": 1, "context": CONTEXT, "keep": "last"}
#: Start → job, its settings, and under “datasets” or “start” the names of folders beside it.
STARTS: dict[str, tuple[str, dict[str, Any]]] = {
    "inpainting": ("pretrain_inpainting", {**COMMON, "dataset": "unlabelled", "epochs": 12, "adversarial_weight": 0, "warmup_epochs": 1}),
    "Barlow Twins": ("pretrain_barlow_twins", {**COMMON, "dataset": "unlabelled", "epochs": 40, "crop": 48, "batch_size": 96, "projector_width": 1024,
                                               "warmup_epochs": 5}),
    "roads": ("finetune", {**WEAK, "dataset": "osm"}),
    "land cover 100 m": ("finetune", {**WEAK, "dataset": "coarse"}),
    "inpainting, then roads": ("finetune", {**WEAK, "dataset": "osm", "start": "inpainting"}),
    "Barlow Twins, then land cover 100 m": ("finetune", {**WEAK, "dataset": "coarse", "start": "Barlow Twins"}),
    "Reptile": ("pretrain_multitask", {**COMMON, "datasets": ["osm", "coarse", "unlabelled"], "epochs": 3}),
    "topics of Greenland": ("finetune", {**WEAK, "dataset": "topics_greenland"}),
    "topics of simulated ice": ("finetune", {**WEAK, "dataset": "topics_simulated"}),
}


@dataclass(frozen=True)
class Case:
    """A comparison.

    Attributes:
        title: in tables.
        made: writes its datasets, and those that its starts learn from.
        dataset: name of its folder.
        starts: names of `STARTS`.
        shares: of the labels [%].
        rare: whether the last class is rare, so that figures are of it alone.
    """

    title: str
    made: Callable[[Path, Path], None]
    dataset: str
    starts: tuple[str, ...]
    shares: tuple[float, ...]
    rare: bool = False

    def figure(self, counts: np.ndarray) -> float | None:
        """Mean IoU, or IoU of the rare class, of a confusion matrix."""
        found = scores(counts)
        return found["classes"][-1]["iou"] if self.rare else found["mean_iou"]


SUPERVISED = ("roads", "land cover 100 m", "inpainting, then roads", "Barlow Twins, then land cover 100 m", "Reptile")
CASES = {
    "rare": Case("bare ground, IoU of this rare class (simulated)", land, "bare", ("inpainting", "Barlow Twins"), (1, 10, 100), rare=True),
    "land_cover": Case("land cover, mean IoU (simulated)", land, "cover", SUPERVISED, (5,)),
    "roads": Case("roads, mean IoU (simulated)", land, "truth", SUPERVISED, (5,)),
    "ice": Case("stages of ice, mean IoU (simulated)", ice, "ice", ("topics of Greenland", "topics of simulated ice"), (5,)),
}


def start(out: Path, name: str) -> str:
    """The run of a start, which is made, or continued, with those that it starts from."""
    folder, (kind, asked) = out / name, STARTS[name]
    values = dict(asked)
    if "start" in values:
        values["start"] = start(out, values["start"])
    if "datasets" in values:
        values["datasets"] = [str(out / one / "dataset.json") for one in values["datasets"]]
    else:
        values["dataset"] = str(out / values["dataset"])
    done = folder / "minutes.json"
    if not done.exists():
        began = time.process_time()
        run_job(JOBS[kind].from_values({**values, "output": str(folder)}), PrintedProgress())
        done.write_text(json.dumps(round((time.process_time() - began) / 60, 2)), encoding="utf-8")
    return str(folder)


def compute(out: Path, name: str, many: int) -> list[Facts]:
    """The cells of a case, of which those that are missing are computed."""
    case, cells = CASES[name], list[Facts]()
    training = finetuning(encoder=ENCODER, batch_size=BATCH, device="cpu", context=CONTEXT)
    options = Options(str(out / case.dataset), (), (FINE_TUNE,), case.shares, many, 1, SPLIT, STEPS, False, False, training)
    starts = [Start(SCRATCH, None, ENCODER), *(Start(one, start(out, one), ENCODER) for one in case.starts)]
    folder = out / f"case-{name}"
    folder.mkdir(exist_ok=True)
    for share, seed in product(options.shares, options.seeds):
        each = [(Cell(SIMPLE, way, share, seed), None) for way in WAYS]
        for cell, begun in (*each, *((Cell(one.name, FINE_TUNE, share, seed), one) for one in starts)):
            done = folder / f"{cell.way if begun is None else cell.start} {share:g} {seed}.json"
            if not done.exists():
                found = json.dumps(measured(folder, options, cell, begun))
                done.write_text(found, encoding="utf-8")
            cells.append(json.loads(done.read_text(encoding="utf-8")))
            print(name, done.stem, round(case.figure(np.sum(cells[-1]["counts"], 0)) or 0, 3), cells[-1]["seconds"], flush=True)
    return cells


def measured(folder: Path, options: Options, cell: Cell, begun: Start | None) -> Facts:
    """A cell as those of “Compare pretraining”, and of two classes the average precision of the last, which depends on no threshold."""
    began, (dataset, blocks) = time.monotonic(), scored(options.dataset, options.split)
    tiles, learned = dataset.indices(options.split), training_share(dataset, cell.share, cell.seed)
    if begun:
        run = str(folder / "learning.run")
        shutil.rmtree(run, ignore_errors=True)
        finetune(options.dataset, run, training_of(options, dataset, cell, begun))
        answers = of_network(Run.open(run), dataset, tiles)
        shutil.rmtree(run)
    elif cell.way == WAYS[0]:
        common = np.arange(len(dataset.classes)) == np.argmax(class_totals(dataset, learned))
        answers = np.broadcast_to(common[:, None, None].astype(np.float32), (len(tiles), len(common), dataset.tile_size, dataset.tile_size))
    else:
        labelled = Labelled(dataset, stacked(seen_by(options.training, dataset).values()), learned, cell.seed)
        answers = labelled.fit(cell.way).answers(dataset)(tiles)
    counts, truth = GroupCounts(dataset, tiles, blocks.of), dataset.labels(tiles)
    counts.add(tiles, truth, answers)
    known, two = truth != IGNORE, len(dataset.classes) == 2
    precision = float(average_precision_score(truth[known] == 1, (answers[:, 1] - answers[:, 0])[known])) if two else None
    return {**asdict(cell), "counts": counts.each(blocks.count).tolist(),
            "labels": len(learned), "real_share": real_share(dataset, learned), "class_labels": class_totals(dataset, learned).tolist(),
            "average_precision": precision, "seconds": round(time.monotonic() - began, 1)}


@torch.no_grad()
def of_network(run: Run, dataset: Dataset, tiles: np.ndarray) -> np.ndarray:
    """Scores before softmax (n, class, y, x) of tiles."""
    network, on = run.load_network(torch.device("cpu")), torch.device("cpu")
    reader = TileReader(dataset, network.inputs, network.stride, on, targets=[LABELS], context=CONTEXT)
    network.eval()
    return np.concatenate([network(batch.given).float().numpy() for batch in reader.in_order(tiles, 32)])


def over_ground(mine: Sequence[Facts], scratch: Sequence[Facts], figure: Callable[[np.ndarray], float | None]) -> list[float] | None:
    """Interval of the mean difference of two lines over resampled blocks of the test tiles, the same for all draws."""
    every = [np.array(cell["counts"]) for cell in (*mine, *scratch)]
    drawn = draws(len(every[0]))
    values = zip(*([figure(again) for again in resampled(one, drawn)] for one in every), strict=True)
    return interval([None if None in row else float(np.mean(row[:len(mine)]) - np.mean(row[len(mine):])) for row in values])


def unlike(values: Sequence[float]) -> Sequence[float]:
    """Figures of draws, of which equal ones are a single one."""
    return values if np.ptp(values) else values[:1]


def write(name: str, cells: Sequence[Facts], tables: dict[str, Figures]) -> None:
    """Adds the figures of a case. Probabilities are corrected after Holm for all starts and shares of the case."""
    case, lines = CASES[name], dict[tuple[str, float], list[Facts]]()
    for cell in cells:
        who = cell["way"] if cell["start"] == SIMPLE else cell["start"]
        lines.setdefault((who, cell["share"]), []).append(cell)
    asked = [key for key in lines if key[0] in case.starts]
    values = {key: [case.figure(np.sum(cell["counts"], 0)) or 0.0 for cell in found] for key, found in lines.items()}
    apart = {key: paired(np.subtract(values[key], values[SCRATCH, key[1]])) for key in asked}
    sure = dict(zip(asked, holm([apart[key].probability for key in asked]), strict=True))
    for (who, share), found in sorted(lines.items(), key=lambda item: item[0][1]):
        labels = f"{share:g} %, {np.mean([cell['labels'] for cell in found]):.0f} tiles"
        tables["scores"].add(case.title, labels, who, "score", value=unlike(values[who, share]))
        if case.rare:
            each = [scores(np.sum(cell["counts"], 0))["classes"][-1] for cell in found]
            for figure in ("f1", "precision", "recall"):
                tables["rare"].add(labels, who, figure, value=unlike([row[figure] for row in each]))
            tables["rare"].add(labels, who, "average precision", value=unlike([cell["average_precision"] for cell in found]))
        if (who, share) in sure:
            ends, mean = over_ground(found, lines[SCRATCH, share], case.figure), apart[who, share].mean
            shown = sure[who, share] < ENOUGH and ends is not None and (ends[0] > 0 if mean > 0 else ends[1] < 0)
            more = np.subtract(values[who, share], values[SCRATCH, share])
            tables["scores"].add(case.title, labels, who, "gain over scratch", value=more, form="+.3f",
                                 note=(HELPS if mean > 0 else HARMS) if shown else NOTHING)
            tables["scores"].add(case.title, labels, who, "probability", value=sure[who, share])
            tables["scores"].add(case.title, labels, who, "over ground", value=mean, form="+.3f",
                                 note="" if ends is None else f"{ends[0]:+.3f} to {ends[1]:+.3f}")


def main() -> None:
    """See above."""
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("cases", nargs="*", default=list(CASES), help="such as rare, or rare=3 with a number of draws")
    parser.add_argument("--draws", type=int, default=5, help="of cases without a number; more may be added later")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    out = asked.output.resolve()
    out.mkdir(parents=True, exist_ok=True)
    tables = {"scores": Figures("labels of", "labels", "start", "figure"), "rare": Figures("labels", "start", "figure")}
    for word in asked.cases:
        name, _, many = word.partition("=")
        CASES[name].made(asked.data.resolve(), out)
        write(name, compute(out, name, int(many or asked.draws)), tables)
    tables["scores"].write(out / "single_starts.csv")
    tables["rare"].write(out / "single_starts_rare.csv")


if __name__ == "__main__":
    main()
