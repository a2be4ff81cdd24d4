"""What several runs in one model file are worth: score and calibration beside those of each run, and whether they disagree where they are wrong.

    python -m benchmarks.ensembles OUTPUT [--seeds 11 12 13] [--members 3] [--size 512] [--epochs 6] [--csv docs/evidence/data]

On simulated landscapes that no choice was made on. OUTPUT is a folder; runs that are there already are not learned again. Scores are of test tiles;
calibration errors are of the half of the validation blocks that no temperature was fitted to. “Finds errors” is the share of pairs of a wrong and a
right pixel of the test tiles in which the wrong one has the larger value (area under the ROC curve). Beside means stand the lowest and the highest landscape.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np
import onnx
import torch
from sklearn.metrics import roc_auc_score

from benchmarks.figures import Figures
from eo_pretrain_qgis.engine.datasets.dataset import IGNORE
from eo_pretrain_qgis.engine.learning.export import translated_run
from eo_pretrain_qgis.engine.learning.loop.runs import Run
from eo_pretrain_qgis.engine.models import package
from eo_pretrain_qgis.engine.runs.calibrating import as_given, calibrated
from eo_pretrain_qgis.jobs import JOBS
from eo_pretrain_qgis.jobs.record import run_job
from eo_pretrain_qgis.progress import SILENT

ALONE, MEAN = "a run alone (mean of three)", "three runs in one file"


def job(name: str, output: Path, **values: object) -> None:
    """Runs a job unless its output is there."""
    if not output.exists():
        run_job(JOBS[name].from_values({**values, "output": str(output)}), SILENT)


def score(folder: Path, name: str, run: Path, **more: object) -> float:
    """The mean IoU on the test tiles."""
    job("evaluate_model", folder / f"{name}.html", run_folder=str(run), facts=str(folder / f"{name}.json"), device="cpu", **more)
    return json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))["model"]["mean_iou"]


def errors_alone(folder: Path) -> tuple[float, float]:
    """Calibration error of a run before and after its own temperature, as exported alone."""
    run = Run.open(str(folder))
    network = run.load_network(torch.device("cpu"))
    graph = onnx.load_model_from_string(translated_run(run, network, 1e-4).content)
    found = calibrated(run, graph, network.seen, network.stride)["calibration"][package.OUTPUT]
    return found["before"], found["after"] if found["kept"] != 1 else found["before"]


def finding_errors(path: Path, folder: Path) -> dict[str, float]:
    """How well the doubts that a file has of test tiles tell wrong pixels from right ones."""
    run, model = Run.open(str(folder)), package.open(path)
    dataset, session, rows = run.open_dataset(), model.session("cpu"), []
    for some, given, cut in as_given(dataset, run.load_network(torch.device("cpu")).seen, model.stride, dataset.indices("test")):
        said, truth = session.run(given)[(slice(None), slice(None), *cut)], dataset.labels(some)
        known = truth != IGNORE
        chances = said[:, :model.channels]
        rows.append([(chances.argmax(1) != truth)[known], said[:, -1][known], 1 - chances.max(1)[known]])
    wrong, disagreement, unsure = (np.concatenate(column) for column in zip(*rows, strict=True))
    return {"disagreement": float(roc_auc_score(wrong, disagreement)), "1 - confidence": float(roc_auc_score(wrong, unsure))}


def landscape(seed: int, asked: argparse.Namespace) -> dict[str, dict[str, float]]:
    """Figures of one landscape: those of a run alone, the mean over runs, and those of all in one file."""
    place = asked.output / str(seed)
    place.mkdir(parents=True, exist_ok=True)
    job("create_sample", place / "sample", size=asked.size, seed=seed)
    job("create_training_dataset", place / "dataset", images=[str(place / "sample" / "sentinel2.tif")], labels=str(place / "sample" / "land_cover.tif"),
        preset="sentinel2_l2a", tile_size=64, test_share=0.25)
    runs = [place / f"run{number}" for number in range(1, asked.members + 1)]
    for number, run in enumerate(runs, 1):
        job("finetune", run, dataset=str(place / "dataset"), approach="network", encoder=asked.encoder, epochs=asked.epochs, seed=number, device="cpu")
    path = place / "members.onnx"
    job("export_model", path, run_folder=str(runs[0]), more_runs=[str(run / "run.json") for run in runs[1:]])
    together = package.open(path).record.calibration[package.OUTPUT]
    alone = [(score(place, run.name, run), *errors_alone(run)) for run in runs]
    both = {"mean IoU": (np.mean([row[0] for row in alone]), score(place, "members", runs[0], model=str(path))),
            "calibration error without a temperature": (np.mean([row[1] for row in alone]), together.before),
            "calibration error as exported": (np.mean([row[2] for row in alone]), together.after if together.kept != 1 else together.before)}
    found = {ALONE: {name: float(values[0]) for name, values in both.items()}, MEAN: {name: float(values[1]) for name, values in both.items()}}
    found[MEAN] |= {f"finds errors: {name}": value for name, value in finding_errors(path, runs[0]).items()}
    return found


def summed(each: list[dict[str, dict[str, float]]]) -> Figures:
    """The table of the figures of `landscape`."""
    found = Figures("figure", "what")
    for figure in each[0][MEAN]:
        for what in (ALONE, MEAN):
            if figure in each[0][what]:
                found.add(figure, what, value=[row[what][figure] for row in each], spread=True)
        if figure in each[0][ALONE]:
            found.add(figure, "difference", value=[row[MEAN][figure] - row[ALONE][figure] for row in each], form="+.3f", spread=True)
    return found


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("output", type=Path)
    arguments.add_argument("--seeds", type=int, nargs="*", default=[11, 12, 13])
    arguments.add_argument("--members", type=int, default=3)
    arguments.add_argument("--size", type=int, default=512)
    arguments.add_argument("--epochs", type=int, default=6)
    arguments.add_argument("--encoder", default="resnet18")
    arguments.add_argument("--csv", type=Path, help="folder for ensembles.csv")
    asked, began = arguments.parse_args(), time.monotonic()
    torch.set_num_threads(1)
    each = []
    for seed in asked.seeds:
        each.append(landscape(seed, asked))
        print(f"landscape {seed}: {each[-1]}, {time.monotonic() - began:.0f} s", flush=True)
    if asked.csv:
        summed(each).write(asked.csv / "ensembles.csv")


if __name__ == "__main__":
    main()
