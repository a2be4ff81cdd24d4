"""The report of a network for whole tiles: curves, samples it took for right and wrong, confusion, limits in words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.special import expit, softmax

from ...datasets.dataset import IGNORE, Dataset
from ...even_sample import even_sample
from ...looks import html_page as page
from ...looks.tile_pictures import look
from ..data import TileReader
from ..loop.run_report import run_report
from ..loop.runs import Run
from ..loop.training import Course
from ..networks.class_networks import ClassNetwork
from .classification import predict_tiles
from .segmentation_report import confusion_table, verdict

LOOKED_AT = 400  # samples the pictured ones are chosen from
RIGHT, WRONG = 10, 20
PICTURE_SIDE = 96  # pixels on the screen
FEW = 30  # samples of a class, below which its figures are hardly certain


def tile_run_sections(run: Run, dataset: Dataset, course: Course, pictures: str) -> tuple[str, list[str]]:
    """Title and sections of report.html.

    Args:
        run: the run.
        dataset: what it learns from.
        course: with a row of figures per epoch.
        pictures: HTML of samples, from `sample_gallery`.
    """
    card, history = run.card, course.history
    panels: list[tuple[str, dict]] = [("Training loss", {"loss": [row["loss"] for row in history]})]
    figures = [name for name in ("overall_accuracy", "average_precision", "mean_f1") if name in history[-1]]
    if figures:
        panels.append(("Validation", {name.replace("_", " "): [row.get(name) for row in history] for name in figures}))
    body = [
        page.curves(panels), pictures,
        page.heading("Accuracy of the best epoch on the validation tiles"), class_table(run.class_names, card["class_scores"]),
        *([confusion_table(run.class_names, np.array(card["confusion"]))] if "confusion" in card else []),
    ]
    return (f"{card['dataset']['name']}: {card['encoder']} for whole tiles",
            run_report(card, course, verdict(card, course), body, _limits(card)))


def class_table(names: Sequence[str], rows: Sequence[dict[str, Any]]) -> str:
    """F1, precision, recall and, for several classes at once, average precision of each class, as HTML."""
    figures = [figure for figure in ("f1", "precision", "recall", "average_precision") if figure in rows[0]]
    head = ("class", *(figure.replace("_", " ").replace("f1", "F1") for figure in figures), "samples")
    return page.table(head, [(name, *(row[figure] for figure in figures), row.get("samples", row.get("pixels")))
                             for name, row in zip(names, rows)])


def sample_gallery(network: ClassNetwork, reader: TileReader, dataset: Dataset, tiles: np.ndarray) -> str:
    """Samples the network is right and wrong about, the surest first, with words under each, as HTML."""
    if not len(tiles):
        return page.paragraph("The dataset has no such tiles.")
    tiles = even_sample(tiles, LOOKED_AT)
    batches = list(predict_tiles(network, reader, tiles, 64))
    truth, outputs = (np.concatenate([batch[part] for batch in batches]) for part in (1, 2))
    names = [entry.name for entry in dataset.classes]
    right, sure, words = _judge_several(truth, outputs, names) if truth.ndim == 2 else _judge(truth, outputs, names)
    order = np.argsort(-sure, kind="stable")
    sections = []
    known = np.ones(len(tiles), bool) if truth.ndim == 2 else truth != IGNORE
    if not known.any():
        return page.paragraph("None of the tiles has a label.")
    for title, chosen in (("Right", _varied(order[(right & known)[order]], truth, RIGHT)), ("Wrong", order[(~right & known)[order]][:WRONG])):
        sections.append(page.heading(f"{title}: {(right if title == 'Right' else ~right)[known].mean():.1%} of {known.sum()} tiles"))
        if len(chosen):
            zoom = max(1, PICTURE_SIDE // dataset.tile_size)
            shown = look(dataset, tiles[np.sort(chosen)]).repeat(zoom, 1).repeat(zoom, 2)
            sections.append(page.gallery(shown, [words[number] for number in np.sort(chosen)]))
        else:
            sections.append(page.paragraph("None."))
    return "\n".join(sections)


def _judge(truth: np.ndarray, outputs: np.ndarray, names: list[str]) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Which samples are right, how sure the network is, and words: one class per sample."""
    chances = softmax(outputs, 1)
    found, sure = chances.argmax(1), chances.max(1)
    words = [names[true] if true == guess else f"{names[true] if true != IGNORE else '?'}, taken for {names[guess]} ({chance:.2f})"
             for true, guess, chance in zip(truth, found, sure)]
    return found == truth, sure, words


def _judge_several(truth: np.ndarray, outputs: np.ndarray, names: list[str]) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """The same where a sample may have several classes; it is right when all of them are."""
    chances = expit(outputs)
    found = chances >= 0.5
    words = []
    for true, guess in zip(truth == 1, found):
        parts = (("", true & guess), ("not found: ", true & ~guess), ("wrongly found: ", guess & ~true))
        words.append("; ".join(lead + ", ".join(np.array(names)[chosen]) for lead, chosen in parts if chosen.any()) or "none")
    return (found == (truth == 1)).all(1), np.abs(chances - 0.5).mean(1), words


def _varied(order: np.ndarray, truth: np.ndarray, count: int) -> np.ndarray:
    """The first of each class, then the rest."""
    if truth.ndim == 2 or not len(order):
        return order[:count]
    first = np.unique(truth[order], return_index=True)[1]
    return np.concatenate([order[first], np.delete(order, first)])[:count]


def _limits(card: dict) -> list[str]:
    """What the figures do not say, from the facts of this run."""
    limits = ["Truth is what the labels say: errors in them count against the model, and places unlike the training tiles were not tried.",
              f"The model knows {card['preset']} values at {card['resolution_m'][0]:g} m: another sensor, unit or pixel size needs another one."]
    if "guessed_labels" in card:
        limits.append(f"{card['guessed_labels']} What the starting weights take for alike is learned as the same class.")
    if card["settings"].get("keep") != "last":
        limits.insert(0, "The best epoch was chosen on the validation tiles, so their figures flatter; “Evaluate model” measures on test tiles.")
    named = [(entry["name"], row.get("samples", row.get("pixels"))) for entry, row in zip(card["classes"], card["class_scores"])]
    unseen, rare = [name for name, count in named if not count], [name for name, count in named if 0 < count < FEW]
    if unseen:
        limits.append(f"Not measured, because no validation tile shows it: {', '.join(unseen)}.")
    if rare:
        limits.append(f"Measured on fewer than {FEW} tiles, so hardly certain: {', '.join(rare)}.")
    return limits
