"""What Presto's published weights add to simple classifiers of crop series: points in Arkansas and California, whole blocks left out.

The draws are those of `crops_learning`: a third of the blocks of 0.5 degree is test, 5 or 20 labels per class, or all, of the others are learned from, and
as many more validate. All see the same series; each network is shown with what the validation samples keep of it above the regression. “features” is a
regression on the series and on Presto's features of them. “random weights” is the same network without the published weights. Intervals at 95 % are of
2,000 draws of whole blocks; differences are paired.
Run: python -m benchmarks.presto_crops DATA_FOLDER [--seeds 1 2] [--csv docs/evidence/data]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch

from benchmarks.crops_learning import SIMPLE, STATES, Outcome, Series, count, few, points_of, write
from benchmarks.figures import Figures
from eo_pretrain_qgis.engine.cards import single
from eo_pretrain_qgis.engine.classic.models import Labelled
from eo_pretrain_qgis.engine.learning.finetuning.answers import NetworkAnswers
from eo_pretrain_qgis.engine.learning.finetuning.recipe import finetune
from eo_pretrain_qgis.engine.learning.loop.runs import Run
from tests.settings import finetuning

DRAWS = 2000


def ways(weights: str) -> dict[str, dict]:
    """Method → settings of `finetune`."""
    return {"L-TAE": {"encoder": "ltae"}, "Presto, random weights": {"encoder": "presto"}, "Presto, frozen": {"encoder": None, "start": weights, "mode": "frozen"},
            "Presto, fine-tuned": {"encoder": None, "start": weights}, "Presto, features": {"encoder": None, "start": weights, "approach": "features"}}


def trial(outcome: Outcome, series: Series, splits: np.ndarray, seed: int, weights: str) -> None:
    """Lets every method learn from one draw and asks it for the test series."""
    with tempfile.TemporaryDirectory() as place:
        dataset = write(Path(place) / "data", series, splits)
        test, answers = dataset.indices("test"), {}
        labelled = Labelled(dataset, single(dataset.inputs), dataset.indices("training"), seed)
        for name, approach in SIMPLE.items():
            answers[name] = labelled.fit(approach).answers(dataset)(test)
        for name, asked in ways(weights).items():
            folder = f"{place}/{len(answers)}"
            finetune(str(dataset.folder), folder, finetuning(**asked, device="cpu", seed=seed))
            network = NetworkAnswers.of(Run.open(folder), dataset, torch.device("cpu"))
            answers[name] = np.concatenate([scores for _, _, scores in network.of_tiles(test, 256)])
        count(outcome, dataset.labels(test), test.astype(str), series.blocks[test], answers)


def told(outcome: Outcome, found: Figures, pairs: Mapping[str, str], *row: str) -> None:
    """Accuracy of each method, and how far some are ahead of another, which `pairs` names, or of the better of regression and boosting."""
    blocks, rng = np.concatenate(outcome.blocks), np.random.default_rng(0)
    right = {name: np.concatenate(parts).astype(float) for name, parts in outcome.right.items()}
    names, place = np.unique(blocks, return_inverse=True)
    drawn = np.stack([np.bincount(rng.integers(0, len(names), len(names)), minlength=len(names)) for _ in range(DRAWS)])[:, place]
    best = max(SIMPLE, key=lambda name: right[name].mean())
    ahead = {f"{name} − {other or 'best simple one'}": right[name] - right[other or best] for name, other in pairs.items() if name in right}
    for name, values in {**right, **ahead}.items():
        low, high = np.percentile((drawn * values).sum(1) / drawn.sum(1), (2.5, 97.5))
        sign = "+" if "−" in name else ""
        found.rows.append({**dict(zip(found.keys, (*row, name))), "value": f"{values.mean():{sign}.3f}", "lowest": f"{low:{sign}.3f}",
                           "highest": f"{high:{sign}.3f}"})
        print(f"{' / '.join(row):28} {name:42} {values.mean():{sign}.3f} ({low:{sign}.3f} to {high:{sign}.3f})", flush=True)


def main() -> None:
    """See above."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("data", type=Path, help="the folder of real data, with crops/ and weights/ in it")
    arguments.add_argument("--seeds", nargs="*", type=int, default=[1, 2])
    arguments.add_argument("--csv", type=Path, help="folder for presto_crops.csv")
    asked, found, begun = arguments.parse_args(), Figures("data", "labels", "method"), time.monotonic()
    torch.set_num_threads(1)
    for state in STATES:
        series = points_of(asked.data / "crops" / "us_cdl_s2_2021", state)
        for each in (5, 20, None):
            outcome = Outcome()
            for seed in asked.seeds:
                trial(outcome, series, few(series, each, seed), seed, str(asked.data / "weights" / "presto_default_model.pt"))
            told(outcome, found, {name: "" for name in ways("") if name.startswith("Presto") and "random" not in name}, state.capitalize(), f"{each} per class" if each else "all")
            if asked.csv:
                found.write(asked.csv / "presto_crops.csv")
    print(f"{(time.monotonic() - begun) / 60:.1f} minutes")


if __name__ == "__main__":
    main()
