"""The report of a run: curves, predictions beside the truth, figures of each class, settings and limits in words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ...datasets.dataset import Dataset
from ...datasets.units import scored_kind, unit_sentences
from ...looks import html_page as page
from ...looks.score_tables import CLASS_FIGURES, class_table, confusion_table, hardly_measured
from ...models.told import network_words
from ...runs.approaches import NAMES, approaches_table
from ...runs.description import model_title, right_in_words
from ...runs.fusing import said_of_days
from ...runs.ice_scores import combined_sections, kept_score
from ...runs.limits import CHOSEN, LABELS_ARE_TRUTH, knows
from ...runs.run_folder import NETWORK
from ...tasks import FIGURES, Task, task_named, with_article
from ..fusions import FUSIONS
from ..loop.run_report import run_report
from ..loop.training import Course
from .heads import MEAN_SCORE

if TYPE_CHECKING:
    from ..loop.runs import Run


def run_sections(run: Run, dataset: Dataset, course: Course, pictures: str) -> tuple[str, list[str]]:
    """Title and sections of report.html.

    Args:
        run: the run.
        dataset: what it learns from.
        course: with a row of figures per epoch.
        pictures: HTML of some validation tiles.
    """
    card, history, kind = run.card, course.history, scored_kind(dataset)
    panels: list[tuple[str, dict]] = [("Training loss", {"loss": [row.get("loss") for row in history]})]
    figures, leading = [figure for figure in kind.told if figure in history[-1]], kind.of_class[0]
    if figures:
        panels.append(("Validation", {FIGURES[figure]: [row.get(figure) for row in history] for figure in figures}))
    of, words = f"{kind.score}_of_", FIGURES[kind.score]
    others = {name: "mean of the targets" if name == MEAN_SCORE else f"{words} of {name[len(of):]}" for name in history[-1]
              if name == MEAN_SCORE or name.startswith(of)}
    if others:
        panels.append(("Validation, targets", {told: [row.get(name) for row in history] for name, told in others.items()}))
    if figures and kind.pixelwise:
        panels.append((f"Validation {CLASS_FIGURES[leading]}", {name: [row.get(f"{leading}_{name}") for row in history] for name in run.class_names}))
    found = _best_figures(card, kind)
    body = [
        *approaches_table(card), page.curves(panels), *_whose_curves(card),
        page.heading(f"Validation {dataset.kind.pieces}"), pictures,
        page.heading(f"Accuracy of what is kept ({NAMES[run.kept]}) on the validation tiles" if card.get("approaches") else
                     "Accuracy of the best epoch on the validation tiles"), class_table(run.class_names, found, kind),
        *([confusion_table(run.class_names, np.array(card["confusion"]))] if "confusion" in card else []),
    ]
    if card.get("targets"):
        body += _kept_of(card, dataset.target)
    for row in card.get("targets", ()):
        if "confusion" in row:
            names, sums = [entry["name"] for entry in row["classes"]], np.array(row["confusion"])
            body += [page.heading(f"Target “{row['name']}” on the validation tiles"), *_kept_of(row, row["name"]),
                     class_table(names, kind.figures(sums), kind), confusion_table(names, sums)]
    body += combined_sections({NETWORK: score} if (score := kept_score(card)) else {}, {NETWORK: "what is kept, on the validation tiles"})
    return (model_title(dataset),
            run_report(card, course, [dataset], right_in_words(card["metrics"], kind) + verdict(card, course), body, [
                *unit_sentences(dataset), *filter(None, [said_of_days(dataset, run.inputs)[0]]), *_limits(card, found["classes"], kind)],
                       [*_network(card), *_joined(card), *_compute(card, kind)]))


def _whose_curves(card: dict[str, Any]) -> list[str]:
    """Under the diagrams: that they show the network, where it is not what is kept."""
    kept = card.get("kept", NETWORK)
    if kept != NETWORK:
        said = f"What is kept is the {NAMES[kept]}, which has no epochs: its figures stand in the table above and in the sections below."
    elif card.get("blend", {}).get("share") == 0:
        said = "It added nothing on the validation tiles, so what is kept is the regression alone: the sections below have its figures."
    else:
        return []
    return [page.paragraph(f"These diagrams show the network while it was trained. {said}")]


def _kept_of(target: dict[str, Any], name: str) -> list[str]:
    """How much of what the network adds to the regression is kept of a target, in words; nothing where the validation tiles decided nothing."""
    share = target.get("blend", {}).get("share")
    if share is None:
        return []
    if share:
        return [page.paragraph(f"Of the target “{name}” {100 * share:.0f} % of what the network adds to the regression is kept.")]
    return [page.paragraph(f"Of the target “{name}” the regression is kept alone, because the network added nothing on the validation tiles; its "
                           "figures are those of the regression.")]


def _network(card: dict[str, Any]) -> list[tuple[str, str]]:
    """What was trained, for the table of settings."""
    return [("Network", f"{network_words(card['architecture'])} with {card['encoder']}")]


def _joined(card: dict[str, Any]) -> list[tuple[str, str]]:
    """How two sensors are joined, in words, for the table of settings."""
    return [("How the two sensors are joined", FUSIONS[card["fusion"]].words)] if "fusion" in card else []


def _compute(card: dict[str, Any], kind: Task) -> list[tuple[str, str]]:
    """What the network costs, for the table of settings; nothing of older runs."""
    return [(f"Multiply-adds of the network for one of the {kind.unit}", f"{card['multiply_adds']:,}")] if "multiply_adds" in card else []


def _best_figures(card: dict[str, Any], kind: Task) -> dict[str, Any]:
    """The figures of the best epoch."""
    return {**card["metrics"], "classes": card["class_scores"]} if kind.several else kind.figures(np.array(card["confusion"]))


def verdict(card: dict, course: Course) -> str:
    """What the run reached, in a sentence or two; empty where nothing was measured."""
    kept = card.get("kept", NETWORK)
    if kept != NETWORK:
        score = task_named(card["task"]).score
        reached, network = card["metrics"].get(score), card["approaches"].get(NETWORK, {}).get("score")
        if reached is None:
            return f"Kept is the {NAMES[kept]}; no validation tile has a label, so nothing was measured."
        return (f"Kept is the {NAMES[kept]}, without the network: {with_article(score)} of {reached:.3f} on the validation tiles"
                + ("." if network is None else f", and the network {network:.3f}."))
    last = card["settings"].get("keep") == "last"
    if course.best is None:
        return "The last epoch is kept, and only that is measured." if last else ""
    score = task_named(card["task"]).score
    reached = f"{with_article(score)} of {card['metrics'].get(score, course.best):.3f} on the validation tiles."
    return f"The last epoch is kept; it has {reached}" if last else f"Best: epoch {course.best_epoch} with {reached}"


def _limits(card: dict[str, Any], rows: Sequence[dict[str, Any]], kind: Task) -> list[str]:
    """What the figures do not say, from the facts of this run."""
    limits = [
        knows(card), LABELS_ARE_TRUTH,
    ]
    if card["settings"].get("keep") != "last":
        limits.insert(0, "The best epoch was chosen on the validation tiles, so their figures flatter; “Evaluate model” measures on test tiles.")
    elif len(card.get("approaches", {})) > 1:
        limits.insert(0, CHOSEN)
    if card["settings"].get("label_share", 100) < 100:
        limits.append(f"Learned from the labels of {card['training_tiles']} training tiles, {card['real_label_share']:g} % of those with labels; "
                      f"{card['settings']['label_share']:g} % were asked for, and of each class a minimum is kept.")
    if "guessed_labels" in card:
        limits.append(f"{card['guessed_labels']} What the starting weights take for alike is learned as the same class.")
    return limits + hardly_measured([entry["name"] for entry in card["classes"]], rows, kind, "validation")
