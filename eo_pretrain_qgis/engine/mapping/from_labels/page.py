"""The page of a map from labels: how good it is, how that was measured, and what it does not show."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...classic import classifiers
from ...classic.classifiers import CLASSIFIERS
from ...datasets.legend import FEW
from ...looks import html_page as html
from ...looks.class_style import coloured
from ...looks.score_tables import class_table, confusion_table
from ...models.kinds import SEGMENTATION
from ...models.package import Package
from ...tasks import TASKS
from .judging import MAJORITY, Judgement

#: Approach → what it is, in words.
WORDS = {**classifiers.WORDS, MAJORITY: "the most frequent class everywhere"}


@dataclass(frozen=True)
class Learned:
    """What a map was learned from, and how.

    Attributes:
        image: name of the image.
        labels: name of the layer.
        counts: labelled pixels of each class (class,).
        rows: pixels that were learned from.
        places: in which they lie.
        edge: of a place [px].
        approach: that was taken, a key of `CLASSIFIERS`.
        chosen: whether it was chosen by its figures.
    """

    image: str
    labels: str
    counts: np.ndarray
    rows: int
    places: int
    edge: int
    approach: str
    chosen: bool


def write_page(path: str, model: Package, learned: Learned, judged: Judgement, seconds: float) -> None:
    """Writes it."""
    rows = coloured(model.classes)
    rare = [row.name for row, count in zip(rows, learned.counts, strict=True) if count < FEW]
    html.write_page(path, f"Map of {learned.image}", [
        html.paragraph(f"Learned from {int(learned.counts.sum()):,} labelled pixels of {learned.labels} by {WORDS[learned.approach]}, in "
                       f"{seconds:.0f} s with the map. The model is {model.id}."),
        html.legend([row.name for row in rows], [row.color for row in rows]),
        *(_judged([row.name for row in rows], learned, judged) if judged.matrices else [html.heading("How good it is"),
                                                                                       html.paragraph(judged.reason)]),
        html.heading("Labelled pixels"),
        html.table(("class", "labelled pixels"), [(row.name, int(count)) for row, count in zip(rows, learned.counts, strict=True)]),
        *([html.paragraph(f"With fewer than {FEW} labelled pixels a class is hardly known: {', '.join(rare)}. Label more of it.")] if rare else []),
        html.heading("How it was learned"),
        html.bullets([
            "Bands are whitened: brought to variance 1 without correlation. Each pixel is known by its whitened bands, and by their mean and "
            "deviation in the 7 × 7 pixels around it.",
            f"“{WORDS['statistics']}” is a logistic regression on these numbers, “{WORDS['boosting']}” are boosted trees.",
            f"{learned.rows:,} pixels were learned from, drawn evenly over {learned.places} places; rare classes have at least 100 where there are "
            "as many. The model of the map learned from all of them, those held out above included.",
        ]),
    ])


def _judged(names: list[str], learned: Learned, judged: Judgement) -> list[str]:
    """How good each approach was where places were held out."""
    figures = {who: judged.figures(who) for who in (*CLASSIFIERS, MAJORITY)}
    taken = figures[learned.approach]
    mark = {learned.approach: " (taken)"}
    return [
        html.heading("How good it is"),
        html.table(("approach", "mean IoU", "overall accuracy", "mean F1"), [
            (WORDS[who] + mark.get(who, ""), found["mean_iou"], found["overall_accuracy"], found["mean_f1"]) for who, found in figures.items()]),
        *([html.paragraph("The approach with the better mean IoU was taken.")] if learned.chosen else []),
        html.heading(f"Each class, by {WORDS[learned.approach]}"),
        class_table(names, taken, TASKS[SEGMENTATION]),
        confusion_table(names, judged.matrices[learned.approach]),
        html.heading("How this was measured"),
        html.paragraph(f"By cross-validation by place. The labelled ground was cut into cells of {learned.edge} × {learned.edge} px; those with "
                       f"labels, {learned.places}, were divided into {judged.folds} parts. Each part was held out once, and classified by what was "
                       "learned from the others."),
        html.heading("What it does not show"),
        html.bullets([
            "This is no design-based assessment of the map: for that, places are drawn at random from the whole map. Where you labelled only what is "
            "easy to tell, or little, the map is worse than these figures, often by much.",
            "Figures are of the pixels learned from. Where classes have other shares there than on the ground, overall accuracy and IoU of the "
            "map are other ones, above all of classes that are rare on the ground.",
            "Cells touch each other. Labels on both sides of an edge, of one field say, are alike, which flatters.",
            "Truth is what the labels say. Other images, sensors and seasons were not tried.",
        ]),
    ]
