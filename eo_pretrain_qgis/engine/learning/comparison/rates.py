"""The learning rate of each start, chosen among three by folds of the labelled samples of the smallest share: no other label has a say."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ....errors import DataError
from ....outputs import new_file
from ....progress import Progress
from ...datasets.dataset import DROPPED, SPLITS, Dataset
from ...datasets.footprints import read_footprints
from ...datasets.splitting.by_place import Split
from ...datasets.splitting.division import finish, link_samples
from ...datasets.splitting.label_shares import class_counts, class_totals, strata, training_share
from .asking import FINE_TUNE, Cell, Options, Start
from .comparing import Quiet
from .measuring import measured
from .record import CELLS, RATES

#: Tried, in times of the rate that “Fine-tune a model” takes.
FACTORS = (1 / 3, 1.0, 3.0)
FOLDS = 2


def with_rates(folder: str, options: Options, starts: list[Start], progress: Progress) -> list[Start]:
    """The starts with the factor that is best for each; what was found before is kept.

    Args:
        folder: of the comparison.
        options: what is asked.
        starts: that are compared.
        progress: told of each training.

    Raises:
        DataError: the smallest share has too few samples for folds, or the file of earlier findings is damaged.
    """
    path = os.path.join(folder, RATES)
    known = _known(path)
    for number, start in enumerate(starts):
        if start.content not in known:
            known[start.content] = _scores(folder, options, start, progress.part(number / len(starts), (number + 1) / len(starts)))
            with new_file(path) as part:
                part.write_text(json.dumps(known, indent=1, ensure_ascii=False), encoding="utf-8")
    found = [replace(start, factor=_best(known[start.content])) for start in starts]
    progress.message("Rates, in times of the usual one: " + ", ".join(f"{start.name} {start.factor:.3g}" for start in found) + ".")
    return found


def known(folder: str, start: Start) -> bool:
    """Whether the rate of a start was chosen before."""
    return start.content in _known(os.path.join(folder, RATES))


def _best(scores: list[float | None]) -> float:
    """The factor with the best score; the usual one where none is better."""
    return max(zip(FACTORS, scores, strict=True), key=lambda row: (-1.0 if row[1] is None else row[1], row[0] == 1))[0]


def _scores(folder: str, options: Options, start: Start, progress: Progress) -> list[float | None]:
    """The mean score of each factor over the folds."""
    found: dict[float, list[float]] = {factor: [] for factor in FACTORS}
    for fold in range(FOLDS):
        place = Path(folder) / CELLS / "fold.dataset"
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        write_fold(Dataset.open(options.dataset), place, options, fold)
        asked = replace(options, dataset=str(place), split="validation")
        for number, factor in enumerate(FACTORS):
            progress.at((fold * len(FACTORS) + number) / (FOLDS * len(FACTORS)), f"Trying rates for “{start.name}”")
            quiet = Quiet(progress, (fold * len(FACTORS) + number) / (FOLDS * len(FACTORS)))
            cell = Cell(start.name, FINE_TUNE, 100.0, options.seed, of=start.content)
            score = measured(str(place.parent), asked, cell, replace(start, factor=factor), quiet)["score"]
            if score is not None:
                found[factor].append(score)
        shutil.rmtree(place)
    return [float(np.mean(scores)) if scores else None for scores in found.values()]


def write_fold(dataset: Dataset, folder: Path, options: Options, fold: int) -> None:
    """A dataset of the labelled samples of the smallest share in the first draw: one fold is its validation, the others are its training.

    Raises:
        DataError: there are too few.
    """
    labelled = training_share(dataset, options.shares[0], options.seed)
    if len(labelled) < 2 * FOLDS:
        raise DataError(f"A share of {options.shares[0]:g} % has {len(labelled)} labelled {dataset.kind.pieces}, too few to choose a rate by. Ask "
                        f"for a smallest share with {2 * FOLDS} or more, or leave “Choose the rates” off.")
    names = np.full(len(dataset), DROPPED, object)
    names[labelled] = SPLITS[0]
    names[_dealt(dataset, labelled, options.seed)[fold::FOLDS]] = SPLITS[1]
    known, learned = (class_totals(dataset, tiles) for tiles in (labelled, np.flatnonzero(names == SPLITS[0])))
    if rare := [row.name for row, anywhere, here in zip(dataset.classes, known, learned, strict=True) if anywhere and not here]:
        raise DataError(f"A share of {options.shares[0]:g} % has too few labelled {dataset.kind.pieces} of “{rare[0]}” to choose a rate by: each "
                        "fold must learn it. Ask for a larger smallest share, or leave “Choose the rates” off.")
    link_samples(dataset, folder)
    description = {**dataset.description, "classes": dataset.classes, "sensors": dataset.sensors}
    shares = [f"share_{row.value}" for row in dataset.classes] if dataset.kind.pixelwise else []
    finish(folder, description, read_footprints(dataset.folder, shares), Split(names, {"text": "folds of the labelled samples"}))


def _dealt(dataset: Dataset, labelled: np.ndarray, seed: int) -> np.ndarray:
    """The labelled samples in an order in which every other one has the classes that all have: shuffled, and those of a rarest class together."""
    shuffled = np.random.default_rng(seed).permutation(labelled)
    return shuffled[np.argsort(strata(class_counts(dataset, shuffled) > 0), kind="stable")]


def _known(path: str) -> dict[str, list[float | None]]:
    if not os.path.exists(path):
        return {}
    try:
        with open(path, encoding="utf-8") as stream:
            found: dict[str, Any] = json.load(stream)
        if not all(len(scores) == len(FACTORS) and all(score is None or isinstance(score, float) for score in scores) for scores in found.values()):
            raise ValueError("it has no score for each rate")
    except (OSError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise DataError(f"{path} is no record of rates ({error}). Delete it, and they are chosen again.") from None
    return found
