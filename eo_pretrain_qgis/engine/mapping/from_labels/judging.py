"""How good a map from labels is: cross-validation by place, of every approach, and which one is taken."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from operator import itemgetter

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold

from ....progress import SILENT, Progress
from ...classic.classifiers import CLASSIFIERS, fit
from ...classic.samples import Rows
from ...measures.accuracy import scores
from ...measures.bootstrap import MAJORITY, Resamples

#: Parts in which places are held out in turn, at most.
FOLDS = 5
#: Figures of the page that have intervals.
FIGURES = ("mean_iou", "overall_accuracy", "mean_f1")


@dataclass(frozen=True)
class Judgement:
    """What was found where places were held out.

    Attributes:
        counts: approach, or `MAJORITY` → confusion matrices of the held-out rows of each place (place, class, class); none where nothing could be
            held out.
        folds: in how many parts.
        learned: rows that were learned from at a time, at most.
        reason: why nothing was judged, in a sentence.
    """

    counts: dict[str, np.ndarray] = field(default_factory=dict)
    folds: int = 0
    learned: int = 0
    reason: str = ""

    @property
    def matrices(self) -> dict[str, np.ndarray]:
        """The confusion matrix (class, class) of all held-out rows of each approach and of `MAJORITY`."""
        return {who: rows.sum(0) for who, rows in self.counts.items()}

    def intervals(self, approach: str) -> dict[str, list[float] | None]:
        """Ends of the 95 % interval of each of `FIGURES` by a bootstrap of whole places, see `measures.bootstrap`; None where these are too few."""
        again = Resamples.of(scores, self.counts[approach], who=approach)
        return {figure: again.interval(itemgetter(figure)) for figure in FIGURES}

    def figures(self, approach: str) -> dict:
        """See `accuracy.scores`; empty where nothing was judged."""
        return scores(self.matrices[approach]) if self.counts else {}

    def best(self) -> str:
        """The approach with the better mean IoU, the first where they are as good or nothing is known."""
        return max(CLASSIFIERS, key=lambda approach: self.figures(approach).get("mean_iou") or 0.0)


def judge(rows: Rows, names: Sequence[str], seed: int, progress: Progress = SILENT) -> Judgement:
    """Learns from all places but some and asks for those, until every place was held out once.

    Args:
        rows: to learn from; places that are held out together are `Rows.tiles`.
        names: of the classes.
        seed: of folds and classifiers.
        progress: told how far it is.
    """
    counts = {name: len(np.unique(rows.tiles[rows.labels == position])) for position, name in enumerate(names)}
    alone = [f"“{name}”" for name, places in counts.items() if places < 2]
    if alone:
        return Judgement(reason=f"The map could not be judged, because all labels of {', '.join(alone)} lie in one place. "
                                "Label such classes in other parts of the image, too.")
    folds = min(FOLDS, *counts.values())
    parts = list(StratifiedGroupKFold(folds, shuffle=True, random_state=seed).split(rows.features, rows.labels, rows.tiles))
    places, place_of = np.unique(rows.tiles, return_inverse=True)
    held_out = {who: np.zeros((len(places), len(names), len(names)), np.int64) for who in (*CLASSIFIERS, MAJORITY)}
    for number, (known, held) in enumerate(parts):
        learned = Rows(rows.features[known], rows.labels[known], rows.tiles[known])
        answers = {MAJORITY: np.full(len(held), np.bincount(learned.labels).argmax())}
        for place, approach in enumerate(CLASSIFIERS):
            done = (number + place / len(CLASSIFIERS)) / folds
            answers[approach] = fit(CLASSIFIERS[approach], learned, len(names), seed, progress.part(done, 1)).scores(rows.features[held]).argmax(1)
        for who, answer in answers.items():
            np.add.at(held_out[who], (place_of[held], rows.labels[held], answer), 1)
    return Judgement(held_out, folds, max(len(known) for known, _ in parts))
