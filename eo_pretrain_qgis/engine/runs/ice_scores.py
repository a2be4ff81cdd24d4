"""The combined score of the AutoICE challenge of datasets that have its three targets, beside the figures of each target."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from ..datasets.dataset import Dataset
from ..looks import html_page as page
from ..measures.bootstrap import Resamples, draws, resampled
from ..measures.ice_score import METHOD, NAME, PARTS, combined_score
from .by_scene import GroupCounts
from .subsets import Cells


def combined_facts(views: Sequence[Dataset], each: Sequence[Mapping[str, GroupCounts]], cells: Cells) -> dict[str, Any]:
    """The score of the model and each baseline, with intervals of the score.

    Args:
        views: the dataset as each of its targets.
        each: of each target: model or baseline → what was counted.
        cells: in which was counted.

    Returns:
        Who → see `ice_score.combined_score`, and ``interval``; nothing where pixels have no classes, or the targets are others.
    """
    if not views[0].kind.pixelwise:
        return {}
    found, drawn = {}, draws(cells.blocks.count)
    values = [(view.target, [row.value for row in view.classes]) for view in views]
    for who in each[0]:
        rows = [counts[who] for counts in each]
        score = combined_score([(*target, one.total()) for target, one in zip(values, rows, strict=True)])
        if score:
            blocks = [cells.blocks_of(one) for one in rows]
            sums = zip(*(resampled(one, drawn) for one in blocks), strict=True) if cells.blocks.enough else ()
            again = Resamples([combined_score([(*target, one) for target, one in zip(values, together, strict=True)])["score"] for together in sums],
                              partial(_alone, blocks))
            found[who] = {**score, "interval": again.interval(lambda value: value)}
    return found


def _alone(counts: Sequence[np.ndarray]) -> list[float | None]:
    """A number for each block in which something was counted of every target, else None: R² of a block of one concentration is not defined, yet
    the block tells whether it was right.

    Args:
        counts: of each target (block, …).
    """
    return [0.0 if all(one.any() for one in block) else None for block in zip(*counts, strict=True)]


def kept_score(card: Mapping[str, Any]) -> dict[str, Any]:
    """The score of what a run keeps on its validation tiles, from its card; nothing where the targets are others."""
    rows = [(card.get("target", ""), card["classes"], card.get("confusion")),
            *((row["name"], row["classes"], row.get("confusion")) for row in card.get("targets", ()))]
    if any(sums is None for _, _, sums in rows):
        return {}
    return combined_score([(name, [row["value"] for row in classes], np.array(sums)) for name, classes, sums in rows])


def combined_sections(facts: Mapping[str, Mapping[str, Any]], words: Mapping[str, str]) -> list[str]:
    """Who → score for people; nothing where there is none.

    Args:
        facts: see `combined_facts`.
        words: what each is called.
    """
    kept = [who for who in words if who in facts]
    if not kept:
        return []
    lines = [(f"{figure} of the {name} (weight {weight})", *(page.with_interval(facts[who]["parts"][name], None) for who in kept))
             for name, (_, figure, weight) in PARTS.items()]
    lines.append((NAME, *(page.with_interval(facts[who]["score"], facts[who].get("interval")) for who in kept)))
    return [page.heading(NAME[0].upper() + NAME[1:]), page.table(("", *(words[who] for who in kept)), lines), page.paragraph(METHOD)]
