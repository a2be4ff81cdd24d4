"""The report of a run on many tasks: each task beside the same task trained alone and beside methods that learn nothing shared."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from .....progress import SILENT, Progress
from ....classic.models import Labelled
from ....datasets.dataset import Dataset
from ....datasets.splitting.label_shares import with_label
from ....even_sample import even_sample
from ....looks import html_page as page
from ....looks.tile_pictures import strip
from ....runs import pictures
from ....tasks import FIGURES, task_named
from ...finetuning.answers import TileAnswers
from ...loop.run_report import run_report
from ...loop.runs import Run
from ...loop.training import Course
from ..inpainting.hidden_tiles import HIDDEN
from .tasks import Task

BASELINE_TILES = 16  # at once
SAMPLES = 4  # filled tiles that are shown
PICTURE_HEIGHT = 160  # pixels on the screen
#: Figures of hidden regions: name, words, and whether more is better.
FILLED = (("l1", "L1 on hidden pixels, scaled units", False), ("psnr", "PSNR on hidden pixels [dB]", True))


def shown(task: str) -> tuple[tuple[str, str, bool], ...]:
    """Figures in the table for a task of `TASKS`, the leading one first: name in its row, words, and whether more is better."""
    kind = task_named(task)
    return tuple((figure, FIGURES[figure], True) for figure in kind.told) if kind.labelled else FILLED


def baseline_scores(task: Task, seed: int, progress: Progress = SILENT) -> dict[str, dict[str, float]]:
    """Figures of the baselines on the validation tiles; none for hidden regions, which are measured beside a mean fill as they are.

    Args:
        task: with validation tiles.
        seed: of what the baselines learn from.
        progress: told of the tiles.

    Returns:
        Name of the baseline → figure → value.
    """
    dataset, kind, found = task.dataset, task.dataset.kind, {}
    tiles, classes = dataset.indices("validation"), len(dataset.classes)
    labelled = Labelled(dataset, task.network.seen, with_label(dataset, dataset.indices("training")), seed, progress.part(0, 0.5))
    for who, baseline in kind.baselines_of(dataset).items():
        answer, counts = baseline.fit(labelled)(dataset), kind.nothing(classes)
        for start in range(0, len(tiles), BASELINE_TILES):
            chosen = tiles[start:start + BASELINE_TILES]
            counts += kind.count(dataset.labels(chosen), answer(chosen), classes)
            progress.at(0.5 + 0.5 * (start + len(chosen)) / len(tiles), f"Baselines: {task.name}")
        figures = kind.figures(counts)
        found[who] = {figure: float(figures[figure]) for figure in kind.told if figures[figure] is not None}
    return found


def task_pictures(task: Task) -> str:
    """Validation tiles of a task as its network sees them, as HTML."""
    dataset = task.dataset
    if dataset.classes:
        return pictures.pictures(TileAnswers(task.network, task.method.reader), pictures.shown(dataset, dataset.indices("validation")))
    tiles = dataset.indices("validation", task.network.seen.sensor)
    if not len(tiles):
        return page.paragraph("The dataset has no such tiles.")
    chosen = even_sample(tiles, SAMPLES)
    rows = []
    method = task.method
    method.network.eval()
    for batch in method.reader.fixed(chosen, len(chosen), method.settings.seed):
        hidden, truth, found = batch.targets[HIDDEN][:, None], method.network.truth(batch), method.fill(batch)
        covered = torch.where(hidden, torch.nan, truth)
        rows += [_pictured(pictures, task.network.seen.names) for pictures in zip(covered, torch.where(hidden, found, truth), truth)]
    return page.paragraph("What the network saw, what it put in, and the truth.") + page.picture(np.concatenate(rows), "filled tiles")


def report_sections(run: Run, datasets: Sequence[Dataset], course: Course, pictures: dict[str, str]) -> tuple[str, list[str]]:
    """Title and sections of report.html.

    Args:
        run: the run; its card holds the tasks with their figures.
        datasets: what it learns from.
        course: with a row of figures per epoch.
        pictures: HTML of each task by its key.
    """
    card, history = run.card, course.history
    body = [
        page.heading("The tasks on their validation tiles"),
        page.table(("task", "learned", "training tiles", "share of steps"),
                   [(entry["name"], entry["kind"], entry["training_tiles"], float(entry["share"])) for entry in card["tasks"]]),
        page.table(("task", "figure", "shared network", "alone", "simple method", "majority class"), comparison(card["tasks"])),
        page.bullets(_how_compared(card)),
        page.curves([("Training loss", {"loss": [row["loss"] for row in history]}), *_panels(card["tasks"], history)]),
    ]
    for entry in card["tasks"]:
        body += [page.heading(entry["name"]), pictures.get(entry["key"], "")]
    return (f"An encoder pretrained by several tasks: {', '.join(entry['name'] for entry in card['tasks'])}",
            run_report(card, course, datasets, _verdict(card, course), body, _limits(card)))


def comparison(tasks: list[dict[str, Any]], most: int | None = None) -> list[tuple]:
    """Rows of task, figure, and its value by the shared network, alone, by a simple method and by the majority class.

    Args:
        tasks: from the card.
        most: figures of each task; None is all.
    """
    rows = []
    for entry in tasks:
        figures, single, simple = entry.get("figures", {}), entry.get("single", {}), entry.get("baselines", {})
        for key, words, _ in shown(entry["task"])[:most]:
            if key in figures:
                rows.append((entry["name"], words, figures[key], single.get(key),
                             simple.get("statistics", {}).get(key, figures.get(f"{key}_of_mean_fill")), simple.get("majority", {}).get(key)))
    return rows


def _panels(tasks: list[dict[str, Any]], history: list[dict[str, float]]) -> list[tuple[str, dict]]:
    found = {}
    for entry in tasks:
        values = [row.get(f"{entry['key']} score") for row in history]
        if any(value is not None for value in values):
            found[entry["name"]] = values
    return [("Score of each task", found)] if found else []


def _pictured(pictures: tuple[torch.Tensor, ...], names: list[str]) -> np.ndarray:
    """Scaled images (band, y, x) beside each other, uint8 (y, x, 3); -2 to 2 spreads from the centre are black to white."""
    shown = [names.index(name) for name in ("B04", "B03", "B02") if name in names]
    shown = shown if len(shown) == 3 else ([0, 1, 2] if len(names) > 2 else [0, 0, 0])
    values = np.stack([picture.cpu().numpy()[shown] for picture in pictures])
    grey = np.where(np.isnan(values), 0.92, (values + 2) / 4).clip(0, 1)
    return strip((np.moveaxis(grey, 1, -1) * 255).astype(np.uint8), PICTURE_HEIGHT)


def _verdict(card: dict, course: Course) -> str:
    if course.best is None:
        return ""
    labelled = "labelled_score" in card["metrics"]
    text = ("Best by the tasks with labels: epoch" if labelled else "The last epoch is kept:") + f" {course.kept_epoch}, with a mean score of "
    text += f"{card['metrics']['task_score']:.3f} over the tasks."
    rising = {words: more for entry in card["tasks"] for _, words, more in shown(entry["task"])}
    rows = [(row, rising[row[1]]) for row in comparison(card["tasks"], 1)]
    behind = sorted({row[0] for row, more in rows if row[3] is not None and (row[2] < row[3]) == more})
    ahead = sorted({row[0] for row, more in rows if row[3] is not None} - set(behind))
    if behind:
        text += f" Trained alone, {', '.join(behind)} did better: for that task itself sharing did not pay."
    if ahead:
        text += f" Better shared than alone: {', '.join(ahead)}."
    worse = sorted({row[0] for row, more in rows if row[4] is not None and (row[2] < row[4]) == more})
    if worse:
        text += f" Not better than a simple method: {', '.join(worse)}."
    return text


def _how_compared(card: dict) -> list[str]:
    chosen = card["settings"]
    lines = [
        "All figures are of tiles that were not trained on; each task is measured with normalisation statistics of its own images.",
        "Simple method: logistic regression on value, mean and standard deviation of each band in 7 × 7 pixels, or on statistics of the "
        "image where it has one label; of series on the bands of each day of the season; for hidden regions the mean of what is seen of the tile.",
    ]
    if chosen["compare_single"]:
        lines.append("Alone: a network of the same kind for one task, with as many batches as the shared network got for all tasks together, "
                     "so more for its task; its best epoch is that of its task, while the shared network has one best epoch for all.")
    else:
        lines.append("Tasks were not trained alone to compare with; “Compare with each task alone” does it, at the cost of a training each.")
    return lines


def _limits(card: dict) -> list[str]:
    scenes = card.get("same_scenes", [])
    shared = [f"Several datasets show {', '.join(scenes[:3])}{' and others' if scenes[3:] else ''}: an image that validates one task may have "
              "trained another, with other labels or none. Divide them alike for an independent check."] if scenes else []
    return [
        *shared,
        "Where tasks have labels, the epoch was chosen on their validation tiles, so their figures flatter.",
        "What the encoder is worth for another task shows only when that task is fine-tuned from it and from scratch.",
        f"The network knows {card['inputs'][0]['preset']} values: another sensor or unit needs another one.",
        "Scores of different kinds are averaged as they are: an IoU, an accuracy, the share of a mean fill's error that is saved.",
    ]
