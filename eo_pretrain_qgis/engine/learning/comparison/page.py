"""The report of a comparison, and its tables as CSV."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from ....outputs import new_file
from ....progress import Progress
from ....tables import write_table
from ...datasets.dataset import Dataset
from ...datasets.splitting.label_shares import real_share, training_share
from ...datasets.whereabouts import whereabouts
from ...looks import html_page as page
from ...looks.label_curves import label_curves, plus_minus
from ...looks.place import place_section
from ...measures.paired import FEWEST_RANKED
from ...rasters.meaning import SIMULATED_WORDS
from ...tasks import FIGURES
from .asking import BASELINES, FINE_TUNE, SIMPLE, Options, with_batch_size
from .comparing import Comparison, usual_processes
from .estimating import estimate
from .findings import (
    FEWEST_DRAWS,
    HELPS,
    UNKNOWN,
    Difference,
    Line,
    Point,
    below_simple,
    curves_of,
    differences_of,
    verdict,
)
from .measuring import SURENESS
from .rates import with_rates

REPORT = "report.html"
#: Times a share that it really is, from which on that is said before.
MUCH_MORE = 1.5
RULE = ("A difference counts as shown where chance over draws makes it with a probability below .05, after Holm's correction over the shares, and "
        "where resampled blocks of the scored samples agree. A draw is a choice of labels, an initialisation and an order together. ± is half of a "
        "95 % interval over draws.")
SURE = ("Expected calibration error, in 15 bins of as many samples each: before, and after one temperature, fitted to half of the scored ground. "
        "Both are of the other half, means over the draws. A temperature that makes the error larger there would be refused; both are told all the "
        "same. It changes no class and no score.")
UNSURE = ("Nothing is said: the scored samples lie in one block of ground, so no half of them is left to fit a temperature to, or these figures were "
          "computed by an earlier version.")
COST = ("Multiply-adds of convolutions and matrix products do not depend on the machine. A step of training takes three times those of a look at its "
        "samples, less where the encoder stays as it is.")
AGAINST = "What every start and way is held against is the network of the same encoder that is fine-tuned from scratch, also of probes."
SIMPLE_WORDS = ("Without a network: “majority” is the most frequent class, “statistics” a regression on statistics of the bands, “boosting” boosted "
                "trees on the same, and “random features” that regression with what filters of random numbers find beside them. A probe of pixels "
                "has the statistics beside the features, so where these add nothing it is level with “statistics”.")
LIMITS = (
    "All starts had the same number of steps, the same rule for the rate, and kept the last epoch: no label chose anything that is not counted. "
    "Better settings may exist for each of them. With few steps pretraining looks better than with many; “Longer trainings” shows how much.",
    "What is said holds for this dataset, these classes and this place.")


def compare(folder: str, options: Options, processes: int | None, dry_run: bool, progress: Progress) -> dict[str, Any]:
    """Computes a comparison and writes its report.

    Args:
        folder: new, or that of a comparison that goes on.
        options: what is asked.
        processes: trainings at once; None: as many as there are cores, see `usual_processes`.
        dry_run: tell how long it would take, and compute nothing.
        progress: told of every training.

    Returns:
        ``report`` and ``verdict`` (not of a dry run), ``figures``, of which ``trainings`` are networks, ``computed`` and ``minutes``.

    Raises:
        DataError: the folder or the dataset does not allow it; see `Comparison`.
        EngineError: a process died.
    """
    options = with_batch_size(options)
    comparison = Comparison(folder, options, progress)
    for text in told_before(options, comparison.dataset):
        progress.message(text, "warning")
    if options.rates and not dry_run:
        comparison.starts = with_rates(folder, options, comparison.starts, progress.part(0, 0.1))
    missing = comparison.missing()
    count = processes or usual_processes(options.training.device)
    seconds = estimate(comparison, count, dry_run, progress)
    every, networks = len(comparison.cells), sum(cell.start != SIMPLE for cell in comparison.cells)
    found = {"figures": every, "trainings": networks, "computed": 0 if dry_run else len(missing),
             "minutes": None if seconds is None else round(seconds / 60, 2)}
    kept = f"; {every - len(missing)} of these {every} figures are there" if len(missing) < every else ""
    words = "" if seconds is None else (f" All that is missing takes {_minutes(seconds)} in {count} process{'es' if count > 1 else ''}, if the "
                                        "computer has as much to do as now.")
    progress.message(f"{networks} trainings of networks and {every - networks} simple classifiers{kept}.{words}")
    if dry_run:
        return {**found, "report": None, "verdict": None}
    told = write_report(comparison, comparison.compute(count, progress.part(0.1, 0.98)))
    for sentence in told["verdicts"]:
        progress.message(sentence)
    return {**found, "report": os.path.join(folder, REPORT), "verdict": " ".join(told["verdicts"])}


def told_before(options: Options, dataset: Dataset) -> list[str]:
    """What the answer will lack, in sentences: said before hours of work."""
    found = []
    if options.draws < FEWEST_DRAWS:
        found.append(f"“Draws” (draws) is {options.draws}: there will be no intervals and no verdict, for fewer than {FEWEST_DRAWS} draws tell "
                     "nothing about chance. Five are usual.")
    real = real_share(dataset, training_share(dataset, options.shares[0], options.seed))
    if real > MUCH_MORE * options.shares[0]:
        found.append(f"A share of {options.shares[0]:g} % would leave classes without a label, so of each some are kept: it is really {real:.3g} %.")
    return found


def _minutes(seconds: float) -> str:
    return f"about {seconds / 60:.0f} minutes" if seconds >= 60 else "less than a minute"


def write_report(comparison: Comparison, cells: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Writes report.html, cells.csv, curves.csv and differences.csv into the folder of a comparison.

    Returns:
        ``verdicts``: a sentence for each start and way; ``differences``: rows as plain values.
    """
    options, dataset, task = comparison.options, comparison.dataset, comparison.dataset.kind
    curves = curves_of(cells)
    found = {line: differences_of(line, cells, curves, comparison.starts, task) for line in curves}
    found = {line: rows for line, rows in found.items() if rows}
    score = FIGURES[task.score]
    verdicts = [verdict(_who(line), line[1], rows, score) for line, rows in found.items()] + below_simple(curves, options.shares)
    sections = [
        page.lead(verdicts[0] if verdicts else "Nothing was compared yet."),
        page.paragraph(f"{score[0].upper()}{score[1:]} on the {options.split} {dataset.kind.pieces} of {dataset.name}, {options.draws} "
                       f"draw{'s' if options.draws > 1 else ''} of the labels."),
        *place_section(whereabouts(dataset), "Place and data of the dataset"),
        page.heading("What pretraining is worth here"), page.bullets(verdicts), page.paragraph(RULE),
        page.heading("By number of labels"), label_curves(_panels(curves), f"{score} ({options.split})"), _curve_table(curves),
        page.paragraph(SIMPLE_WORDS),
        page.heading("Against scratch, in the same draws"), page.paragraph(AGAINST), _difference_table(found),
        page.heading(f"Labels of each class [{task.counted}]"), _labels_table(cells, [entry.name for entry in dataset.classes]),
        *_sureness_sections(cells, curves),
        page.heading("What it cost"), page.paragraph(COST), _cost_table(cells, dataset),
        *page.not_shown([
            *([SIMULATED_WORDS] if dataset.simulated else []), *LIMITS, *_of_few_draws(options), *_of_rates(comparison)])]
    page.write_page(os.path.join(comparison.folder, REPORT), f"What pretraining is worth for {dataset.name}", sections)
    _write_tables(comparison.folder, cells, curves, found)
    return {"verdicts": verdicts, "differences": [_row(line, row) for line, rows in found.items() for row in rows]}


def _who(line: Line) -> str:
    return line[0] if line[2] == 1 else f"{line[0]}, {line[2]} times the steps"


def _of_few_draws(options: Options) -> list[str]:
    if options.draws >= FEWEST_RANKED:
        return []
    if options.draws < FEWEST_DRAWS:
        return [f"There are no intervals of fewer than {FEWEST_DRAWS} draws. Five are usual."]
    return [f"With {options.draws} draws the signed-rank test cannot reach .05, so it is left out; from {FEWEST_RANKED} on it is told."]


def _of_rates(comparison: Comparison) -> list[str]:
    if not comparison.options.rates:
        return []
    told = ", ".join(f"{start.name} {start.factor:.3g}" for start in comparison.starts)
    return [f"Of three rates the best was chosen for each start, by folds of the labelled samples of the smallest share. In times of the "
            f"usual: {told}."]


def _panels(curves: dict[Line, list[Point]]) -> dict[str, list[tuple[float, float, float | None]]]:
    """Name of a curve → labels, mean and half of the interval of each point."""
    return {_label(line): [(point.labels, point.mean, point.half_width) for point in points] for line, points in curves.items()}


def _label(line: Line) -> str:
    if line[0] == SIMPLE:
        return line[1].replace("_", " ")
    return _who(line) if line[1] == FINE_TUNE else f"{_who(line)}, {line[1].replace('_', ' ')}"


def _curve_table(curves: dict[Line, list[Point]]) -> str:
    points = [point for row in curves.values() for point in row]
    heads: dict[float, str] = {}
    for point in points:
        heads.setdefault(point.share, f"{point.share:g} % (really {point.real_share:.3g} %, {point.labels:.0f} labelled)")
    shares = sorted(heads)
    rows = []
    for line, row in curves.items():
        known = {point.share: point for point in row}
        rows.append((_label(line), *("" if share not in known else plus_minus(known[share].mean, known[share].half_width) for share in shares)))
    return page.table(("start", *(heads[share] for share in shares)), rows)


def _difference_table(found: dict[Line, list[Difference]]) -> str:
    head = ("start", "share", "difference", "probability (Holm)", "signed ranks", "over ground", "labels saved", "verdict")
    return page.table(head, [
        (_label(line), f"{row.share:g} %", plus_minus(row.found.mean, None if row.verdict == UNKNOWN else row.found.half_width, "+"),
         _number(row.corrected), _number(row.found.ranked), "–" if row.ground is None else f"{row.ground[0]:+.3f} to {row.ground[1]:+.3f}",
         _saved(row), row.verdict)
        for line, differences in found.items() for row in differences])


def _saved(row: Difference) -> str:
    if row.needed is None or row.saved is None or row.verdict != HELPS:
        return "–"
    sign = "> " if row.needed.beyond else "≤ " if row.needed.below else ""
    return f"{sign}{row.saved:.1f} ×"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _labels_table(cells: Sequence[dict[str, Any]], names: Sequence[str]) -> str:
    """Labels of each class that the draws had, fewest and most."""
    rows: dict[float, list[list[int]]] = {}
    for cell in cells:
        if cell["way"] == BASELINES[0]:
            rows.setdefault(cell["share"], []).append(cell["class_labels"])
    return page.table(("share", *names), [(f"{share:g} %", *(_range(column) for column in np.array(counts).T))
                                          for share, counts in sorted(rows.items())])


def _range(counts: np.ndarray) -> str:
    return f"{counts.min():,}" if counts.min() == counts.max() else f"{counts.min():,} to {counts.max():,}"


def _cost_table(cells: Sequence[dict[str, Any]], dataset: Dataset) -> str:
    """Minutes, and the work, which does not depend on the machine."""
    told, each = [], "a megapixel" if dataset.kind.pixelwise else "one of the " + dataset.kind.pieces
    for line, group in _by_line(cells).items():
        training, mapping = ([cell[name] for cell in group if cell.get(name)] for name in ("training_multiply_adds", "mapping_multiply_adds"))
        told.append((_label(line), f"{sum(cell['seconds'] for cell in group) / 60:.1f}", f"{np.mean(training) / 1e12:.3g}" if training else "",
                     f"{np.mean(mapping) / 1e9:.3g}" if mapping else ""))
    return page.table(("start", "minutes, all draws and shares", "multiply-adds of a training [10¹²]", f"of mapping {each} [10⁹]"), told)


def _by_line(cells: Sequence[dict[str, Any]]) -> dict[Line, list[dict[str, Any]]]:
    rows: dict[Line, list[dict[str, Any]]] = {}
    for cell in cells:
        rows.setdefault((cell["start"], cell["way"], cell["budget"]), []).append(cell)
    return rows


def _sureness_of(cells: Sequence[dict[str, Any]], line: Line, share: float) -> tuple[list[float], list[float]]:
    """Errors of the probabilities of a curve at a share, before and after the temperature, of the draws that have them."""
    found = [cell for cell in cells if (cell["start"], cell["way"], cell["budget"]) == line and cell["share"] == share
             and cell.get(SURENESS[0]) is not None]
    return [cell[SURENESS[0]] for cell in found], [cell[SURENESS[1]] for cell in found]


def _sureness_sections(cells: Sequence[dict[str, Any]], curves: dict[Line, list[Point]]) -> list[str]:
    shares = sorted({point.share for row in curves.values() for point in row})
    rows = [(_label(line), *(_sure(*_sureness_of(cells, line, share)) for share in shares)) for line in curves]
    rows = [row for row in rows if any(row[1:])]
    if not rows:
        return [page.heading("How far the probabilities are off"), page.paragraph(UNSURE)]
    head = ("start", *(f"{share:g} %" for share in shares))
    return [page.heading("How far the probabilities are off"), page.paragraph(SURE), page.table(head, rows)]


def _sure(before: list[float], after: list[float]) -> str:
    """“0.120 → 0.045”, and in how many draws the temperature is not worth keeping."""
    if not before:
        return ""
    worse = sum(late >= early for early, late in zip(before, after, strict=True))
    return f"{np.mean(before):.3f} → {np.mean(after):.3f}" + (f" (refused in {worse} of {len(before)})" if worse else "")


def _row(line: Line, row: Difference) -> dict[str, Any]:
    return {"start": line[0], "way": line[1], "budget": line[2], "share": row.share, "difference": row.found.mean,
            "half_width": row.found.half_width, "probability": row.corrected, "ranked": row.found.ranked,
            "ground": None if row.ground is None else list(row.ground), "saved": row.saved,
            "beyond": None if row.needed is None else row.needed.beyond, "verdict": row.verdict}


def _write_tables(folder: str, cells: Sequence[dict[str, Any]], curves: dict[Line, list[Point]], found: dict[Line, list[Difference]]) -> None:
    own = ("start", "way", "share", "seed", "budget", "score", "labels", "real_share", "seconds", "steps", "training_multiply_adds",
           "mapping_multiply_adds", *SURENESS)
    rows = [[cell.get(name) for name in own] for cell in cells]
    points = [[*line, point.share, point.real_share, point.labels, point.mean, point.half_width, len(point.scores),
               *(float(np.mean(errors)) if errors else None for errors in _sureness_of(cells, line, point.share))]
              for line, row in curves.items() for point in row]
    differences = [_row(line, row) for line, group in found.items() for row in group]
    names = ("start", "way", "budget", "share", "difference", "half_width", "probability", "ranked", "saved", "beyond", "verdict")
    for name, head, body in (("cells.csv", own, rows),
                             ("curves.csv", ("start", "way", "budget", "share", "real_share", "labels", "mean", "half_width", "draws",
                                              *SURENESS[:2]), points),
                             ("differences.csv", names, [[row[one] for one in names] for row in differences])):
        with new_file(os.path.join(folder, name)) as part:
            write_table(part, [head, *([["" if value is None else value for value in row] for row in body])])
