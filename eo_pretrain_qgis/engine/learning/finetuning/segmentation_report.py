"""The report of a run: curves, predictions beside the truth, confusion, settings and limits in words."""

from __future__ import annotations

import numpy as np

from ...datasets.dataset import Dataset
from ...looks import html_page as page
from ...looks.class_style import coloured
from ...looks.tile_pictures import beside, look, paint
from ...measures.accuracy import scores
from ..data import TileReader
from ..loop.run_report import run_report
from ..loop.runs import Run
from ..loop.training import Course
from ..networks.class_networks import ClassNetwork
from .segmentation import predict

SAMPLES = 4  # tiles that are shown
PICTURE_SIDE = 256  # pixels on the screen


def run_sections(run: Run, dataset: Dataset, course: Course, pictures: str) -> tuple[str, list[str]]:
    """Title and sections of report.html.

    Args:
        run: the run.
        dataset: what it learns from.
        course: with a row of figures per epoch.
        pictures: HTML of the sample predictions, from `sample_pictures`.
    """
    card, history = run.card, course.history
    counts = np.array(card["confusion"])
    names, colors = run.class_names, [entry.color for entry in coloured(dataset.classes)]
    panels: list[tuple[str, dict]] = [("Training loss", {"loss": [row["loss"] for row in history]})]
    if "mean_iou" in history[-1]:
        panels.append(("Validation IoU", {"mean": [row.get("mean_iou") for row in history],
                                          **{name: [row.get(f"iou_{name}") for row in history] for name in names}}))
    body = [
        page.curves(panels),
        page.heading("Validation tiles"), page.paragraph("Image, truth and prediction of the best epoch; grey is not labelled."), pictures,
        page.legend(names, colors),
        page.heading("Accuracy of the best epoch on the validation tiles"), accuracy_table(names, counts), confusion_table(names, counts),
    ]
    return (f"{card['dataset']['name']}: {card['architecture']} with {card['encoder']}",
            run_report(card, course, verdict(card, course), body, _limits(card, counts)))


def sample_pictures(network: ClassNetwork, reader: TileReader, dataset: Dataset, tiles: np.ndarray) -> str:
    """Image, truth and prediction of some tiles beside each other, as HTML."""
    if not len(tiles):
        return page.paragraph("The dataset has no such tiles.")
    classes, rows = coloured(dataset.classes), []
    for chosen, truth, found in predict(network, reader, tiles, len(tiles)):
        rows += [beside(*row, side=PICTURE_SIDE) for row in zip(look(dataset, chosen), paint(truth, classes), paint(found, classes))]
    return page.picture(np.concatenate(rows), "image, truth and prediction of tiles")


def accuracy_table(names: list[str], counts: np.ndarray) -> str:
    """IoU, F1, precision, recall and pixels of each class, as HTML."""
    found = scores(counts)
    rows = [(name, row["iou"], row["f1"], row["precision"], row["recall"], row["pixels"]) for name, row in zip(names, found["classes"])]
    mean = ("mean", found["mean_iou"], found["mean_f1"], None, None, found["pixels"])
    return page.table(("class", "IoU", "F1", "precision", "recall", "pixels"), [*rows, mean])


def confusion_table(names: list[str], counts: np.ndarray) -> str:
    """Pixels by true and predicted class, as HTML."""
    return page.table(("true ↓ predicted →", *names), [(name, *map(int, row)) for name, row in zip(names, counts)])


def verdict(card: dict, course: Course) -> str:
    """What the run reached, in a sentence; empty where nothing was measured."""
    last = card["settings"].get("keep") == "last"
    if course.best is None:
        return "The last epoch is kept, and only that is measured." if last else ""
    if last:
        return f"The last epoch is kept; it has a{_score(card)} of {course.best:.3f} on the validation tiles."
    return f"Best: epoch {course.best_epoch} with a{_score(card)} of {course.best:.3f} on the validation tiles."


def _score(card: dict) -> str:
    """The figure that decides, with the rest of its article."""
    return {"segmentation": " mean IoU", "multilabel": "n average precision"}.get(card["task"], "n overall accuracy")


def _limits(card: dict, counts: np.ndarray) -> list[str]:
    """What the figures do not say, from the facts of this run."""
    names = [entry["name"] for entry in card["classes"]]
    limits = [
        "The best epoch was chosen on the validation tiles, so their figures flatter; “Evaluate model” measures on test tiles.",
        f"The model knows {card['preset']} values at {card['resolution_m'][0]:g} m: another sensor, unit or pixel size needs another one.",
        "Truth is what the labels say: errors in them count against the model, and places unlike the training tiles were not tried.",
    ]
    unseen = [name for name, row in zip(names, counts) if not row.sum()]
    rare = [name for name, row in zip(names, counts) if 0 < row.sum() < 1000]
    if unseen:
        limits.append(f"Not measured, because no validation tile shows it: {', '.join(unseen)}.")
    if rare:
        limits.append(f"Measured on fewer than 1000 pixels, so hardly certain: {', '.join(rare)}.")
    return limits
