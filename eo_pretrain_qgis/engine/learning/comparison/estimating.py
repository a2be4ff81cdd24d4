"""How long a comparison will take: a few steps of a training, and simple classifiers, tried in as many processes at once as will compute it."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from ....progress import SILENT, Progress
from ...datasets.dataset import Dataset
from ...datasets.splitting.label_shares import training_share
from ..finetuning.modes import FITTED
from ..loop.launch import apart
from . import rates
from .asking import BASELINES, FINE_TUNE, SIMPLE, Cell, Options, Start, training_of
from .comparing import Comparison, Quiet
from .measuring import measured

#: Steps of the trainings that are tried; what they differ by is what more steps cost.
STEPS = (4, 12)
#: Trainings that are missing, in times of those that would be tried: of fewer it is not worth while.
WORTH = 3
#: Kind of cell: encoder, or `SIMPLE`, and way.
Kind = tuple[str, str]


class Trial(NamedTuple):
    """A cell that is tried, with so many steps; None: all there are."""

    kind: Kind
    cell: Cell
    steps: int | None


class Cost(NamedTuple):
    """Seconds of a cell.

    Attributes:
        labels: with how many of them it was tried.
        begins: seconds of each, without the steps.
        step: seconds of a step.
    """

    labels: tuple[int, ...]
    begins: tuple[float, ...]
    step: float = 0.0

    def of(self, labels: int, steps: int) -> float:
        """Seconds with other numbers of them."""
        return float(np.interp(labels, self.labels, self.begins)) + steps * self.step


def estimate(comparison: Comparison, processes: int, always: bool, progress: Progress) -> float | None:
    """About how many seconds the cells that are missing take.

    Args:
        comparison: what is asked.
        processes: that will compute it.
        always: also where it would take nearly as long as the cells themselves, or a comparison goes on whose cells tell; else None is given then.
        progress: told of what is tried.
    """
    missing, options = comparison.missing(), comparison.options
    kinds = {kind: [cell for cell in missing if _kind(comparison, cell) == kind] for kind in dict.fromkeys(_kind(comparison, one) for one in missing)}
    trials = [trial for kind, cells in kinds.items() for trial in _trials(kind, cells, comparison.dataset)]
    if missing and not always and len(missing) < len(comparison.cells):
        return None
    if not missing or (not always and sum(cell.way not in BASELINES for cell in missing) < WORTH * sum(trial.steps is not None for trial in trials)):
        return None if missing else 0.0
    began = time.monotonic()
    arguments = (options, comparison.starts, trials)
    seconds = apart(processes, tried, arguments, progress) if processes > 1 else tried(*arguments, progress)
    beginning = time.monotonic() - began - sum(seconds)  # of processes
    costs = {kind: _cost([(trial, spent) for trial, spent in zip(trials, seconds, strict=True) if trial.kind == kind], comparison) for kind in kinds}
    total = sum(costs[kind].of(_labels(comparison, cell), _steps(comparison, cell)) for kind, cells in kinds.items() for cell in cells)
    return total / min(processes, len(missing)) + beginning + _of_rates(comparison, costs)


def tried(options: Options, starts: Sequence[Start], trials: Sequence[Trial], progress: Progress = SILENT) -> list[float]:
    """Seconds of each trial, in a folder that is removed."""
    found = []
    with tempfile.TemporaryDirectory() as workspace:
        for number, trial in enumerate(trials):
            quiet = Quiet(progress, 0)
            progress.at(0, f"Trying how long it takes, {number + 1} of {len(trials)}")
            asked = options if trial.steps is None else replace(options, steps=trial.steps)
            start = next((one for one in starts if one.name == trial.cell.start), None)
            before = trials[number - 1].kind if number else ("", "")
            # The first time libraries are loaded and datasets are read; and features of frozen encoders are computed once.
            if trial.kind[0] != before[0] or (trial.kind[1] in FITTED and trial.kind != before):
                measured(workspace, replace(asked, steps=1), trial.cell, start, quiet)
            began = time.monotonic()
            measured(workspace, asked, trial.cell, start, quiet)
            found.append(time.monotonic() - began)
    return found


def _kind(comparison: Comparison, cell: Cell) -> Kind:
    start = comparison.start_of(cell)
    return (start.encoder if start else SIMPLE), cell.way


def _trials(kind: Kind, cells: list[Cell], dataset: Dataset) -> list[Trial]:
    """One of the largest share, and of whole samples, which cost the more the more there are, one of the smallest."""
    cells = sorted(cells, key=lambda cell: cell.share)
    steps = None if kind[0] == SIMPLE or kind[1] in FITTED else STEPS
    ends = [replace(cell, budget=1) for cell in ([cells[-1]] if dataset.kind.pixelwise else [cells[0], cells[-1]])]
    if kind[1] == BASELINES[0]:
        return [Trial(kind, ends[-1], None)]
    found = [Trial(kind, cell, steps and steps[0]) for cell in ends]
    return [*found, Trial(kind, ends[-1], steps[1])] if steps else found


def _cost(spent: list[tuple[Trial, float]], comparison: Comparison) -> Cost:
    begins = [(trial, seconds) for trial, seconds in spent if trial.steps in (None, STEPS[0])]
    step = max(0.0, (spent[-1][1] - begins[-1][1]) / (STEPS[1] - STEPS[0])) if spent[-1][0].steps else 0.0
    at = {_labels(comparison, trial.cell): max(0.0, seconds - step * (trial.steps or 0)) for trial, seconds in begins}
    return Cost(tuple(sorted(at)), tuple(at[labels] for labels in sorted(at)), step)


def _labels(comparison: Comparison, cell: Cell) -> int:
    return len(training_share(comparison.dataset, cell.share, cell.seed))


def _steps(comparison: Comparison, cell: Cell) -> int:
    start = comparison.start_of(cell)
    if start is None or cell.way in FITTED:
        return 0
    chosen = training_of(comparison.options, comparison.dataset, cell, start)
    return chosen.epochs * (chosen.epoch_steps or 0)


def _of_rates(comparison: Comparison, costs: dict[Kind, Cost]) -> float:
    """Seconds of choosing rates of the starts whose rate is not known, one after the other."""
    options, total = comparison.options, 0.0
    for start in comparison.starts if options.rates else ():
        cell = Cell(start.name, FINE_TUNE, options.shares[0], options.seed, of=start.content)
        if (start.encoder, FINE_TUNE) in costs and not rates.known(comparison.folder, start):
            one = costs[start.encoder, FINE_TUNE].of(_labels(comparison, cell), _steps(comparison, cell))
            total += rates.FOLDS * len(rates.FACTORS) * one
    return total
