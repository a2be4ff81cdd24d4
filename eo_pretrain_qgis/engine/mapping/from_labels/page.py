"""The page of a map from labels: how good it is, how that was measured, and what it does not show."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...classic import classifiers
from ...classic.classifiers import CLASSIFIERS, LEAF
from ...classic.samples import LEAST
from ...datasets.legend import FEW
from ...looks import html_page as html
from ...looks.class_style import coloured
from ...looks.score_tables import class_table, confusion_table
from ...measures.bootstrap import FEWEST, MAJORITY, RESAMPLES, UNSEEN_WORDS
from ...models.kinds import SEGMENTATION
from ...models.package import Package
from ...tasks import TASKS
from ..reporting.page import Mapped, map_sections
from .judging import FIGURES, Judgement

#: Approach → what it is, in words.
WORDS = {**classifiers.WORDS, MAJORITY: "the most frequent class everywhere"}

#: What the figures of a cross-validation do not show.
LIMITS = (
    "This is no design-based assessment of the map: for that, places are drawn at random from the whole map. Where you labelled only what is "
    "easy to tell, or little, the map is worse than these figures, often by much.",
    "Figures are of the pixels learned from. Where classes have other shares there than on the ground, overall accuracy and IoU of the "
    "map are other ones, above all of classes that are rare on the ground.",
    "Cells touch each other. Labels on both sides of an edge, of one field say, are alike, which flatters.",
    "Truth is what the labels say. Other images, sensors and seasons were not tried.",
)


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
        clouded: labelled pixels that are left out because cloud or shadow hides them.
    """

    image: str
    labels: str
    counts: np.ndarray
    rows: int
    places: int
    edge: int
    approach: str
    chosen: bool
    clouded: int = 0


def write_page(path: str, mapped: Mapped, model: Package, learned: Learned, judged: Judgement, seconds: float) -> None:
    """Writes it: the map report of what was `mapped`, and how the model was made and judged."""
    rows = coloured(model.classes)
    rare = [row.name for row, count in zip(rows, learned.counts, strict=True) if count < FEW]
    told = map_sections(mapped, model, scores=False)
    lead, *sections = told.sections
    html.write_page(path, told.title, [
        *html.caution(told.cautions), lead,
        html.paragraph(f"Learned from {int(learned.counts.sum()):,} labelled pixels of {learned.labels} by {WORDS[learned.approach]}, in "
                       f"{seconds:.0f} s with the map. The model is {model.id}."),
        *sections,
        *(_judged([row.name for row in rows], learned, judged) if judged.matrices else [html.heading("How good it is"),
                                                                                       html.paragraph(judged.reason)]),
        html.heading("Labelled pixels"),
        html.table(("class", "labelled pixels"), [(row.name, int(count)) for row, count in zip(rows, learned.counts, strict=True)]),
        *([html.paragraph(f"{learned.clouded:,} more labelled pixels lie under clouds or their shadows and are left out.")]
          if learned.clouded else []),
        *([html.paragraph(f"With fewer than {FEW} labelled pixels a class is hardly known: {', '.join(rare)}. Label more of it.")] if rare else []),
        html.heading("How it was learned"),
        html.bullets([
            "Bands are whitened: brought to variance 1 without correlation. Each pixel is known by its whitened bands, and by their mean and "
            "deviation in the 7 × 7 pixels around it.",
            f"“{WORDS['statistics']}” is a logistic regression on these numbers, “{WORDS['boosting']}” are boosted trees.",
            f"{_drawn(learned)} The model of the map learned from all of them{', those held out above included' if judged.counts else ''}.",
        ]),
        *html.not_shown([*(LIMITS if judged.matrices else []), *told.limits]), *html.technical(told.technical),
    ])


def _drawn(learned: Learned) -> str:
    """Which labelled pixels were learned from, as a sentence."""
    places = f"{learned.places} place{'' if learned.places == 1 else 's'}"
    if learned.rows == learned.counts.sum():
        return f"All {learned.rows:,} labelled pixels were learned from; they lie in {places}."
    return (f"{learned.rows:,} of the {int(learned.counts.sum()):,} labelled pixels were learned from, drawn evenly over {places}. A class has at "
            f"least {LEAST} among them, or all of its own where it has fewer.")


def _judged(names: list[str], learned: Learned, judged: Judgement) -> list[str]:
    """How good each approach was where places were held out."""
    figures = {who: judged.figures(who) for who in (*CLASSIFIERS, MAJORITY)}
    ends = {who: judged.intervals(who) for who in figures}
    taken = figures[learned.approach]
    mark = {learned.approach: " (taken)"}
    return [
        html.heading("How good it is"),
        html.table(("approach", "mean IoU", "overall accuracy", "mean F1"), [
            (WORDS[who] + mark.get(who, ""), *(html.with_interval(found[name], ends[who][name]) for name in FIGURES))
            for who, found in figures.items()]),
        html.paragraph(_intervals(learned.places)), *_few_for_trees(len(names), judged),
        *([html.paragraph("The approach with the better mean IoU was taken.")] if learned.chosen else []),
        html.heading(f"Each class, by {WORDS[learned.approach]}"),
        class_table(names, taken, TASKS[SEGMENTATION]),
        confusion_table(names, judged.matrices[learned.approach]),
        html.heading("How this was measured"),
        html.paragraph(f"By cross-validation by place. The labelled ground was cut into cells of {learned.edge} × {learned.edge} px; those with "
                       f"labels, {learned.places}, were divided into {judged.folds} parts. Each part was held out once, and classified by what was "
                       "learned from the others."),
    ]


def _intervals(places: int) -> str:
    """What the intervals are of, as sentences."""
    if places == 1:
        return ("No intervals: all labels lie in one place, which does not tell how far the figures would be from others of its kind. Label "
                "ground in more parts of the image.")
    if places < FEWEST:
        return (f"No intervals: the labels lie in {places} places, and with fewer than {FEWEST} nobody knows how far the figures would be from "
                "others of the same kind. Label ground in more parts of the image.")
    return (f"In brackets: 95 % intervals of a block bootstrap, {RESAMPLES} resamples of the {places} places. They say how far the figures may be "
            f"off because these places were labelled and not others like them. {UNSEEN_WORDS}")


def _few_for_trees(classes: int, judged: Judgement) -> list[str]:
    """Why boosting came to no more than the most frequent class, where labels are few."""
    if judged.learned >= 2 * LEAF * classes or (judged.counts["boosting"] != judged.counts[MAJORITY]).any():
        return []
    return [html.paragraph(f"{WORDS['boosting'].capitalize()} gave {WORDS[MAJORITY]}: each leaf of a tree needs {LEAF} labelled pixels, and at most "
                           f"{judged.learned} were learned from at a time. For trees, label more.")]
