"""How good answers on series are as the season goes on: dates after a day are hidden, as if it were today."""

from __future__ import annotations

from operator import itemgetter
from typing import Any

import numpy as np

from ...progress import SILENT, Progress
from ..classic.classifiers import WORDS
from ..classic.models import Labelled
from ..datasets.units import scored_kind
from ..looks import html_page as page
from ..measures.bootstrap import Resamples
from ..rasters.dates import day_words
from .answers import OfTiles
from .blocks import Blocks, blocks_of
from .by_scene import GroupCounts
from .map_scores import count_groups

#: Days of the season at which it is measured, as shares of it.
SHARES = (0.2, 0.4, 0.6, 0.8, 1.0)
#: Samples that are asked for, at most.
LOOKED_AT = 20_000
AGAIN = "statistics"
TOLD = ("overall_accuracy", "mean_f1")


def by_day(answers: OfTiles, labelled: Labelled, samples: np.ndarray, at_once: int, progress: Progress = SILENT) -> list[dict[str, Any]]:
    """Figures of a model on some days of its season, and of a regression that learned again, from the dates until then alone.

    Args:
        answers: of the model.
        labelled: what it learned from.
        samples: positions that it is measured on (n,).
        at_once: so many.
        progress: told how far it is.

    Returns:
        ``day`` since 1 January and ``date`` in words, and ``model`` and ``statistics`` with overall accuracy, mean F1, their ``intervals`` over the
        blocks of the samples, and how many were counted; only of days on which something was measured.
    """
    dataset, season, found, blocks = answers.dataset, answers.seen.days, [], blocks_of(answers.dataset, samples)
    for number, share in enumerate(SHARES):
        day = season[0] + share * (season[-1] - season[0])
        progress.at(number / len(SHARES), f"Measuring as of {day_words(day)}")
        part = progress.part(number / len(SHARES), (number + 1) / len(SHARES))
        counts = {"model": count_groups(answers.until(day), samples, blocks.of, at_once, part)}
        again = Labelled(labelled.dataset, labelled.what.until(day), labelled.tiles, labelled.seed)
        counts[AGAIN], ask = GroupCounts(dataset, samples, blocks.of), again.fit(AGAIN).answers(dataset)
        for chosen in np.array_split(samples, -(-len(samples) // at_once)):
            counts[AGAIN].add(chosen, dataset.labels(chosen), ask(chosen))
        figures = {who: _figures(rows, blocks) for who, rows in counts.items()}
        if figures["model"]["mean_f1"] is not None:
            found.append({"day": round(day, 1), "date": day_words(day), **figures})
    return found


def _figures(counts: GroupCounts, blocks: Blocks) -> dict[str, Any]:
    """The told figures with their intervals, and how many were counted."""
    whole = counts.kind.figures(counts.total())
    again = Resamples.of(counts.kind.figures, counts.each(blocks.count))
    return {**{name: whole[name] for name in TOLD}, "counted": whole["pixels"],
            "intervals": {name: again.interval(itemgetter(name)) for name in TOLD}}


def day_sections(rows: list[dict[str, Any]], answers: OfTiles) -> list[str]:
    """`by_day` for people."""
    counted = scored_kind(answers.dataset).unit
    return [page.heading("As the season goes on"),
            page.paragraph(f"Mean F1 where all dates after a day are hidden. The {WORDS[AGAIN]} learned again for each day, from the dates until "
                           "then; the model did not. A model that learned for early answers saw such series."),
            page.table(("until", "the model", f"{WORDS[AGAIN]}, learned until then", counted),
                       [(row["date"], *(page.with_interval(row[who]["mean_f1"], row[who]["intervals"]["mean_f1"]) for who in ("model", AGAIN)),
                         row["model"]["counted"]) for row in rows])]
