"""What the cells of a comparison say: curves with intervals, differences from scratch in the same draws, and a verdict in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...measures.bootstrap import FEWEST, Resamples, together
from ...measures.paired import Needed, Paired, holm, labels_for, paired
from ...tasks import Task
from .asking import BASELINES, FINE_TUNE, SIMPLE, Start

#: A probability below it, after Holm's correction over the shares, is told as a difference.
ENOUGH = 0.05
HELPS, HARMS, NOTHING, UNKNOWN = "helps", "harms", "no difference shown", "too few draws"
#: Draws below which nothing is said of chance: the interval of two is thirteen times their standard error.
FEWEST_DRAWS = 3


@dataclass(frozen=True)
class Point:
    """Of a curve.

    Attributes:
        share: of the labels that was asked for [%].
        real_share: and what it was [%], the mean of the draws.
        labels: samples with a label, the mean of the draws.
        scores: of the draws, by seed.
        half_width: of their t interval at 95 %; None of fewer than three draws.
    """

    share: float
    real_share: float
    labels: float
    scores: dict[int, float]
    half_width: float | None

    @property
    def mean(self) -> float:
        """Of the draws."""
        return float(np.mean(list(self.scores.values())))


@dataclass(frozen=True)
class Difference:
    """Of a start from scratch, at one share.

    Attributes:
        share: of the labels [%].
        found: over the draws.
        corrected: its probability after Holm over the shares; None of fewer than three draws.
        ground: interval over resampled blocks of the samples that are scored, of the mean over the draws; None where these are too few.
        needed: labels from which scratch reaches the same score.
        saved: these, in times of the labels of the share.
    """

    share: float
    found: Paired
    corrected: float | None
    ground: tuple[float, float] | None
    needed: Needed | None
    saved: float | None

    @property
    def verdict(self) -> str:
        """In words: what is shown over draws and, where there are blocks, over ground."""
        if self.corrected is None:
            return UNKNOWN
        above = self.found.mean > 0
        agrees = self.ground is None or (self.ground[0] > 0 if above else self.ground[1] < 0)
        if self.corrected >= ENOUGH or not agrees:
            return NOTHING
        return HELPS if above else HARMS


#: A curve: start, way, times of the steps.
Line = tuple[str, str, int]


def curves_of(cells: Sequence[dict[str, Any]]) -> dict[Line, list[Point]]:
    """The curve of each start, way and budget, in the order of the cells; cells without a score are left out."""
    groups: dict[Line, dict[float, list[dict[str, Any]]]] = {}
    for cell in cells:
        if cell["score"] is not None:
            groups.setdefault((cell["start"], cell["way"], cell["budget"]), {}).setdefault(cell["share"], []).append(cell)
    return {line: [_point(share, found) for share, found in sorted(points.items())] for line, points in groups.items()}


def _point(share: float, cells: list[dict[str, Any]]) -> Point:
    scores = {cell["seed"]: cell["score"] for cell in cells}
    return Point(share, float(np.mean([cell["real_share"] for cell in cells])), float(np.mean([cell["labels"] for cell in cells])), scores,
                 paired(list(scores.values())).half_width if len(scores) >= FEWEST_DRAWS else None)


def reference_of(line: Line, starts: Sequence[Start]) -> Line | None:
    """The curve that one of a start is held against: scratch of the same encoder and budget; None of scratch itself and of simple classifiers."""
    own = next((start for start in starts if start.name == line[0]), None)
    if own is None or own.path is None:
        return None
    return next(start.name for start in starts if start.path is None and start.encoder == own.encoder), FINE_TUNE, line[2]


def differences_of(line: Line, cells: Sequence[dict[str, Any]], curves: dict[Line, list[Point]], starts: Sequence[Start], task: Task
                   ) -> list[Difference]:
    """How far a start is from scratch, share by share; empty where there is nothing to hold it against.

    Args:
        line: of the start.
        cells: all of them.
        curves: see `curves_of`.
        starts: that are compared.
        task: of the dataset, which makes figures of counts.
    """
    reference = reference_of(line, starts)
    if reference not in curves or line not in curves:
        return []
    scratch, rows = {point.share: point for point in curves[reference]}, []
    for point in curves[line]:
        both = sorted(set(point.scores) & set(scratch[point.share].scores)) if point.share in scratch else []
        if both:
            rows.append((point, len(both), paired([point.scores[seed] - scratch[point.share].scores[seed] for seed in both]),
                         _over_ground((line, reference), point.share, both, cells, task)))
    known = [found.probability for _, count, found, _ in rows if found.probability is not None and count >= FEWEST_DRAWS]
    corrected = iter(holm(known))
    return [Difference(point.share, found, next(corrected) if count >= FEWEST_DRAWS else None, ground, *_saved(point, curves[reference]))
            for point, count, found, ground in rows]


def _saved(point: Point, scratch: list[Point]) -> tuple[Needed | None, float | None]:
    """Labels that scratch needs for the score of a point, and how many times those of the point.

    Nothing of a curve of a single point, nor where levelling a curve that falls with more labels turns the difference at the share round.
    """
    if len(scratch) < 2:
        return None, None
    needed = labels_for(point.mean, [one.labels for one in scratch], [one.mean for one in scratch])
    above = point.mean - next(one.mean for one in scratch if one.share == point.share)
    turned = needed.below or needed.labels < 0.999 * point.labels if above > 0 else needed.beyond or needed.labels > 1.001 * point.labels
    if above and turned:
        return None, None
    return needed, needed.labels / point.labels


def _over_ground(lines: tuple[Line, Line], share: float, seeds: Sequence[int], cells: Sequence[dict[str, Any]], task: Task
                 ) -> tuple[float, float] | None:
    """Interval of the mean difference of two curves, over blocks of the scored samples that are drawn again and again, the same for both."""
    each: list[Resamples[float | None]] = []
    for line in lines:
        counts = [np.array(cell["counts"]) for cell in cells if (cell["start"], cell["way"], cell["budget"]) == line
                  and cell["share"] == share and cell["seed"] in seeds]
        if len(counts[0]) < FEWEST:
            return None
        each += [Resamples.of(lambda sums: task.figures(sums)[task.score], one) for one in counts]

    def apart(scores: tuple[float | None, ...]) -> float | None:
        known = [value for value in scores if value is not None]
        return float(np.mean(known[:len(seeds)]) - np.mean(known[len(seeds):])) if len(known) == 2 * len(seeds) else None

    found = together(each).interval(apart, lowest=-1)
    return None if found is None else (found[0], found[1])


def verdict(name: str, way: str, differences: Sequence[Difference], score: str) -> str:
    """One sentence on a start: whether it helps, at which shares, by how much, and for how many labels."""
    who = f"“{name}”" if way == FINE_TUNE else f"“{name}” ({way})"
    if not differences or all(row.verdict == UNKNOWN for row in differences):
        return f"{who}: fewer than {FEWEST_DRAWS} draws of the labels tell nothing about chance. Ask for more; five are usual."
    parts = []
    for kind in (HELPS, HARMS):
        rows = [row for row in differences if row.verdict == kind]
        if rows:
            told = ", ".join(f"{row.found.mean:+.3f} at {row.share:g} %" for row in rows)
            parts.append(f"{kind} with {told} of the labels")
    nothing = [row for row in differences if row.verdict == NOTHING]
    if nothing:
        told = ", ".join(f"{row.share:g} %" for row in nothing)
        parts.append(f"no difference is shown at {told}")
    best = max((row for row in differences if row.verdict == HELPS and row.saved is not None), key=lambda row: row.saved or 0, default=None)
    saved = ""
    if best is not None and best.needed is not None and not best.needed.below:
        more = "more than " if best.needed.beyond else ""
        saved = f" At {best.share:g} % it is worth {more}{best.saved:.1f} times as many labels from scratch."
    other = "scratch" if way == FINE_TUNE else "fine-tuning from scratch"
    return f"{who}, against {other} in {score}: {'; '.join(parts)}.{saved}"


def below_simple(curves: dict[Line, list[Point]], shares: Sequence[float]) -> list[str]:
    """A sentence for each share at which no network is above the best simple classifier, whatever it started from."""
    found = []
    for share in shares:
        simple = [(way, point.mean) for way in BASELINES for point in curves.get((SIMPLE, way, 1), ()) if point.share == share]
        networks = [(line[0], point.mean) for line, points in curves.items() if line[0] != SIMPLE for point in points if point.share == share]
        if not simple or not networks:
            continue
        (way, reached), (start, best) = (max(rows, key=lambda row: row[1]) for rows in (simple, networks))
        if best <= reached:
            way = way.replace("_", " ")
            found.append(f"At {share:g} % no network is above {way} without a network ({reached:.3f}; the best is “{start}” with {best:.3f}).")
    return found
