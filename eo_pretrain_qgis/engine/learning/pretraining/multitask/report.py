"""The report of a run on many tasks: each task beside the same task trained alone and beside methods that learn nothing shared."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from .....progress import SILENT, Progress
from ....datasets.dataset import Dataset, SensorInfo
from ....even_sample import even_sample
from ....looks import html_page as page
from ....looks.class_style import coloured
from ....looks.tile_pictures import strip, telling_tiles
from ....measures.accuracy import confusion, scores
from ....measures.baselines import StatisticsBaseline, majority_class
from ....measures.multilabel_accuracy import score_counts
from ...finetuning.classification import tile_scores
from ...finetuning.classification_report import sample_gallery
from ...finetuning.segmentation_report import SAMPLES, sample_pictures
from ...loop.run_report import run_report
from ...loop.runs import Run
from ...loop.training import Course
from ...probes import LinearProbe, image_statistics
from .tasks import Task

BASELINE_PIXELS = 20_000
BASELINE_TILES = 16  # at once
PICTURE_HEIGHT = 160  # pixels on the screen
#: Figures in the table, by the task of the dataset: name in its row, words, and whether more is better.
_WHOLE = (("overall_accuracy", "overall accuracy", True), ("mean_f1", "mean F1", True))
SHOWN = {
    "segmentation": (("mean_iou", "mean IoU", True),),
    "scene": _WHOLE, "patch": _WHOLE,
    "multilabel": (("average_precision", "average precision (micro mean)", True), ("mean_f1", "mean F1", True)),
    "pretraining": (("l1", "L1 on hidden pixels, scaled units", False), ("psnr", "PSNR on hidden pixels [dB]", True)),
}


def baseline_scores(task: Task, seed: int, progress: Progress = SILENT) -> dict[str, dict[str, float]]:
    """Figures of the majority class and of statistics on the validation tiles; none for hidden regions, which are measured beside a mean
    fill as they are.

    Args:
        task: with validation tiles.
        seed: of the sample of pixels.
        progress: told of the tiles.

    Returns:
        ``statistics`` and ``majority``, each figure → value.
    """
    dataset = task.dataset
    if not dataset.classes:
        return {}
    if dataset.task == "segmentation":
        found = {name: scores(counts) for name, counts in _pixel_counts(task, seed, progress).items()}
    else:
        found = {name: tile_scores(counts) for name, counts in _tile_counts(dataset, seed).items()}
    return {name: {key: float(row[key]) for key, _, _ in SHOWN[dataset.task] if row[key] is not None} for name, row in found.items()}


def _pixel_counts(task: Task, seed: int, progress: Progress) -> dict[str, np.ndarray]:
    dataset = task.dataset
    baseline, common = StatisticsBaseline.fit(dataset, seed, BASELINE_PIXELS, progress.part(0, 0.5)), majority_class(dataset)
    tiles, counts = dataset.indices("validation"), {name: np.zeros((len(dataset.classes),) * 2, np.int64) for name in ("statistics", "majority")}
    for start in range(0, len(tiles), BASELINE_TILES):
        chosen = tiles[start:start + BASELINE_TILES]
        images, truth = dataset.images(chosen), dataset.labels(chosen)
        guesses = {"statistics": baseline.predict(images, dataset.valid(images)), "majority": np.full_like(truth, common)}
        for name, guess in guesses.items():
            counts[name] += confusion(truth, guess, len(dataset.classes), dataset.ignore)
        progress.at(0.5 + 0.5 * (start + len(chosen)) / len(tiles), f"Baselines: {task.name}")
    return counts


def _tile_counts(dataset: Dataset, seed: int) -> dict[str, np.ndarray]:
    """Logistic regression on statistics of the image; and the majority class, or of several classes the share of each."""
    known, asked, classes = dataset.indices("training"), dataset.indices("validation"), len(dataset.classes)
    labels, truth = dataset.labels(known), dataset.labels(asked)
    if labels.ndim == 1:
        known, labels = known[labels != dataset.ignore], labels[labels != dataset.ignore]
    weight, bias = LinearProbe(image_statistics(dataset, known), labels, seed).layer(classes)
    guesses = {"statistics": image_statistics(dataset, asked) @ weight.T + bias}
    if labels.ndim == 2:
        share = labels.mean(0).clip(1e-3, 1 - 1e-3)
        guesses["majority"] = np.tile(np.log(share / (1 - share)), (len(asked), 1))
        return {name: score_counts(truth, guess) for name, guess in guesses.items()}
    guesses["majority"] = np.tile(np.bincount(labels, minlength=classes), (len(asked), 1))
    return {name: confusion(truth, guess.argmax(1), classes, dataset.ignore) for name, guess in guesses.items()}


def task_pictures(task: Task) -> str:
    """Validation tiles of a task as its network sees them, as HTML."""
    dataset = task.dataset
    if dataset.task == "segmentation":
        tiles = telling_tiles(dataset, "validation", SAMPLES)
        words = page.paragraph("Image, truth and prediction; grey is not labelled.")
        classes = coloured(dataset.classes)
        legend = page.legend([entry.name for entry in classes], [entry.color for entry in classes])
        return words + sample_pictures(task.network, task.method.reader, dataset, tiles) + legend
    tiles = dataset.indices("validation")
    if not len(tiles):
        return page.paragraph("The dataset has no such tiles.")
    if dataset.classes:
        return sample_gallery(task.network, task.method.reader, dataset, tiles)
    chosen = even_sample(tiles, SAMPLES)
    rows = []
    method = task.method
    method.network.eval()
    for batch in method.reader.fixed(chosen, len(chosen), method.settings.seed):
        hidden, truth, found = batch.hidden[:, None], method.network.scaled(batch.images), method.fill(batch)
        covered = torch.where(hidden, torch.nan, truth)
        rows += [_pictured(pictures, dataset.sensor) for pictures in zip(covered, torch.where(hidden, found, truth), truth)]
    return page.paragraph("What the network saw, what it put in, and the truth.") + page.picture(np.concatenate(rows), "filled tiles")


def report_sections(run: Run, course: Course, pictures: dict[str, str]) -> tuple[str, list[str]]:
    """Title and sections of report.html.

    Args:
        run: the run; its card holds the tasks with their figures.
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
    return (f"{', '.join(entry['name'] for entry in card['tasks'])}: {card['architecture']} with {card['encoder']}",
            run_report(card, course, _verdict(card, course), body, _limits(card)))


def comparison(tasks: list[dict[str, Any]]) -> list[tuple]:
    """Rows of task, figure, and its value by the shared network, alone, by a simple method and by the majority class."""
    rows = []
    for entry in tasks:
        figures, single, simple = entry.get("figures", {}), entry.get("single", {}), entry.get("baselines", {})
        for key, words, _ in SHOWN[entry["task"]]:
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


def _pictured(pictures: tuple[torch.Tensor, ...], sensor: SensorInfo) -> np.ndarray:
    """Scaled images (band, y, x) beside each other, uint8 (y, x, 3); -2 to 2 spreads from the centre are black to white."""
    names = [band.name for band in sensor.bands]
    shown = [names.index(name) for name in ("B04", "B03", "B02") if name in names]
    shown = shown if len(shown) == 3 else ([0, 1, 2] if len(names) > 2 else [0, 0, 0])
    values = np.stack([picture.cpu().numpy()[shown] for picture in pictures])
    grey = np.where(np.isnan(values), 0.92, (values + 2) / 4).clip(0, 1)
    return strip((np.moveaxis(grey, 1, -1) * 255).astype(np.uint8), PICTURE_HEIGHT)


def _verdict(card: dict, course: Course) -> str:
    if course.best is None:
        return ""
    text = f"Best: epoch {course.best_epoch} with a mean score of {course.best:.3f} over the tasks."
    rising = {words: more for shown in SHOWN.values() for _, words, more in shown}
    rows = [(row, rising[row[1]]) for row in comparison(card["tasks"])]
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
        "image where it has one label; for hidden regions the mean of what is seen of the tile.",
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
        "The best epoch was chosen on the validation tiles, so their figures flatter.",
        "What the encoder is worth for another task shows only when that task is fine-tuned from it and from scratch.",
        f"The network knows {card['preset']} values: another sensor or unit needs another one.",
        "Scores of different kinds are averaged as they are: an IoU, an accuracy, the share of a mean fill's error that is saved.",
    ]
