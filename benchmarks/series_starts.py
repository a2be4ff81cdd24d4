"""What encoders of series that begin with something add to simple classifiers: Barlow Twins on the unlabelled series themselves, Presto and Galileo.

The draws are those of `crops_learning.few`: a third of the blocks (Belgium: of the fields) is test; 5 or 20 labels per class, or all, of the others are
learned from, and as many more validate. Barlow Twins learns from all series that are not test, without labels, for 40 epochs with a projector of 512; its
L-TAE then starts the network of each draw. All see the same series; each network is shown with what the validation samples keep of it above the regression;
“features” is a regression on the series and on the features of them. Of Belgium and Uzbekistan Presto and Galileo see NDVI alone. Intervals at 95 % are of
2,000 draws of whole blocks; differences are paired.
Run: python -m benchmarks.series_starts DATA_FOLDER [--only arkansas california belgium asia] [--seeds 1 2 3] [--csv docs/evidence/data]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from benchmarks.crops_learning import SIMPLE, STATES, Outcome, Series, asian, belgian, count, few, forest, points_of, write
from benchmarks.figures import Figures
from benchmarks.presto_crops import told
from eo_pretrain_qgis.engine.cards import single
from eo_pretrain_qgis.engine.classic.models import Labelled
from eo_pretrain_qgis.engine.datasets.dataset import Dataset
from eo_pretrain_qgis.engine.learning.finetuning.answers import NetworkAnswers
from eo_pretrain_qgis.engine.learning.finetuning.recipe import finetune
from eo_pretrain_qgis.engine.learning.loop.runs import Run
from eo_pretrain_qgis.engine.learning.pretraining.barlow_twins.recipe import pretrain_barlow_twins
from tests.settings import barlow_twins, finetuning

LABELS, PLACES = (5, 20, None), (*STATES, "belgium", "asia")
EPOCHS, PROJECTOR = 40, 512
#: Method → what it is set beside; nothing: the better of regression and boosting.
PAIRS = {"Barlow Twins, frozen": "", "Barlow Twins, fine-tuned": "L-TAE", "Presto, features": "", "Galileo, features": "", "Galileo, fine-tuned": ""}
#: The Belgian table holds NDVI from 0 to 1 as 0 to 255.
BELGIAN = 255.0


def data(folder: Path, only: Sequence[str]) -> Iterator[tuple[str, Series]]:
    """Name and series of what is asked for."""
    for state in STATES:
        if state in only:
            yield state.capitalize(), points_of(folder / "us_cdl_s2_2021", state)
    if "belgium" in only:
        series = belgian(folder)
        values = series.values.copy()
        values[..., 0] /= BELGIAN
        yield "Belgium, points", replace(series, values=values, names=("NDVI", "infrared", "shortwave", "ratio"))
    if "asia" in only:
        yield "Uzbekistan", asian(folder / "central_asia_cawa")


def twins(place: str, series: Series, splits: np.ndarray, seed: int) -> str:
    """An L-TAE pretrained on all series that are not test."""
    unlabelled = write(Path(place) / "unlabelled", series, np.where(splits == "test", "test", "training").astype(object))
    settings = barlow_twins(encoder="ltae", epochs=EPOCHS, projector_width=PROJECTOR, device="cpu", seed=seed)
    return pretrain_barlow_twins(str(unlabelled.folder), f"{place}/twins", settings)["output"]


def ways(start: str, weights: Path, each: int | None) -> dict[str, dict]:
    """Method → settings of `finetune`; fine-tuning Galileo on all labels takes minutes and is left out."""
    presto, galileo = str(weights / "presto_default_model.pt"), str(weights / "galileo_nano_encoder.pt")
    fine = {"Galileo, fine-tuned": {"encoder": None, "start": galileo}} if each else {}
    return {"L-TAE": {"encoder": "ltae"}, "Barlow Twins, frozen": {"encoder": None, "start": start, "mode": "frozen"},
            "Barlow Twins, fine-tuned": {"encoder": None, "start": start}, "Presto, features": {"encoder": None, "start": presto, "approach": "features"},
            "Galileo, features": {"encoder": None, "start": galileo, "approach": "features"}, **fine}


def trial(outcome: Outcome, dataset: Dataset, blocks: np.ndarray, asked: dict[str, dict], seed: int) -> None:
    """Lets every method learn from one draw and asks it for the test series."""
    test, answers = dataset.indices("test"), {}
    labelled = Labelled(dataset, single(dataset.inputs), dataset.indices("training"), seed)
    for name, approach in SIMPLE.items():
        answers[name] = labelled.fit(approach).answers(dataset)(test)
    answers["forest"] = forest(dataset, ("training",), seed)
    for name, settings in asked.items():
        folder = f"{dataset.folder}-{len(answers)}"
        finetune(str(dataset.folder), folder, finetuning(**settings, device="cpu", seed=seed))
        network = NetworkAnswers.of(Run.open(folder), dataset, torch.device("cpu"))
        answers[name] = np.concatenate([scores for _, _, scores in network.of_tiles(test, 256)])
    count(outcome, dataset.labels(test), test.astype(str), blocks[test], answers)


def main() -> None:
    """See above."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("data", type=Path, help="the folder of real data, with crops/ and weights/ in it")
    arguments.add_argument("--only", nargs="*", choices=PLACES, default=PLACES)
    arguments.add_argument("--seeds", nargs="*", type=int, default=[1, 2, 3])
    arguments.add_argument("--csv", type=Path, help="folder for series_starts.csv")
    asked, found, begun = arguments.parse_args(), Figures("data", "labels", "method"), time.monotonic()
    torch.set_num_threads(1)
    for name, series in data(asked.data / "crops", asked.only):
        outcomes = {each: Outcome() for each in LABELS}
        for seed in asked.seeds:
            with tempfile.TemporaryDirectory() as place:
                start = twins(place, series, few(series, None, seed), seed)
                for each, outcome in outcomes.items():
                    dataset = write(Path(place) / f"data-{each}", series, few(series, each, seed))
                    trial(outcome, dataset, series.blocks, ways(start, asked.data / "weights", each), seed)
                    print(f"{name}, seed {seed}, {each or 'all'}: {(time.monotonic() - begun) / 60:.1f} minutes", flush=True)
        for each, outcome in outcomes.items():
            told(outcome, found, PAIRS, name, f"{each} per class" if each else "all")
        if asked.csv:
            found.write(asked.csv / "series_starts.csv")


if __name__ == "__main__":
    main()
