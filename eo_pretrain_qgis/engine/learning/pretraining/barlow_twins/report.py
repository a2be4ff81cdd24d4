"""The report of Barlow Twins: curves, rank and spread of the features, and which held-out tiles the encoder takes for alike."""

from __future__ import annotations

from typing import Any

import numpy as np

from ....datasets.dataset import Dataset
from ....even_sample import even_sample
from ....looks import html_page as page
from ....looks.series_pictures import curve_pictures, drawn_band
from ....looks.tile_pictures import look, strip
from ...loop.run_report import run_report
from ...loop.runs import Run
from ...loop.training import Course
from .method import Twins

ASKED, NEIGHBOURS, AMONG = 6, 6, 400  # held-out tiles that are shown, with how many neighbours, from how many
HEIGHT = 96  # pixels on the screen
FIGURES = {
    "loss": "loss of the training tiles", "validation_loss": "loss of the held-out tiles", "feature_rank": "effective rank of the features",
    "feature_spread": "spread of the features", "probe_knn": "probe, nearest neighbours", "probe_linear": "probe, linear",
}


def report_sections(run: Run, dataset: Dataset, course: Course, pictures: str) -> tuple[str, list[str]]:
    """Title and sections of the report.

    Args:
        run: the run.
        dataset: what it learns from.
        course: with a row of figures per epoch.
        pictures: HTML from `neighbour_pictures`.
    """
    card, history = run.card, course.history
    pieces = "series" if _of_series(card) else "tiles"

    def curve(name: str) -> list[float | None]:
        return [row.get(name) for row in history]

    panels: list[tuple[str, dict]] = [("Loss", {"training": curve("loss"), "held out": curve("validation_loss")})]
    if any("feature_rank" in row for row in history):
        panels.append(("Effective rank of the features", {"rank": curve("feature_rank")}))
        panels.append(("Spread of the features", {"spread": curve("feature_spread")}))
    baseline = card.get("probe_baseline")
    if baseline:
        probes = {"linear": curve("probe_score"), f"{_beaten(card)[0]}, linear": [baseline["probe_linear"]] * len(history)}
        panels.append(("Accuracy of the probe", probes))
    kept = history[course.kept_epoch - 1]
    rows = [(words, kept[name]) for name, words in FIGURES.items() if name in kept]
    body = [
        *(page.curves(panels[at:at + 2]) for at in range(0, len(panels), 2)),
        page.heading("Figures of the kept epoch"), page.table(("figure", f"epoch {course.kept_epoch}"), rows),
        *([_probe_words(card, history)] if baseline else []),
        page.heading("What the encoder takes for alike"),
        page.paragraph(f"Held-out {pieces} on the left, and the held-out {pieces} whose features point most nearly in the same direction."),
        pictures,
    ]
    return (f"An encoder pretrained by Barlow Twins on {card['dataset']['name']}",
            run_report(card, course, [dataset], _verdict(card, course), body, _limits(card, kept)))


def neighbour_pictures(method: Twins) -> str:
    """Held-out tiles beside their nearest neighbours by the cosine of their features, for each sensor, as HTML."""
    tiles = method.held_out[:: -(-len(method.held_out) // AMONG)] if len(method.held_out) else method.held_out
    if len(tiles) < 2:
        return page.paragraph("The dataset has too few validation tiles for that.")
    pieces = []
    for tower in method.towers:
        features = method.features(tower, tiles)
        unit = features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12)
        asked = even_sample(np.arange(len(tiles)), ASKED)
        alike = unit[asked] @ unit.T
        alike[np.arange(len(asked)), asked] = np.inf  # itself comes first
        shown = np.argsort(-alike, axis=1, kind="stable")[:, :NEIGHBOURS + 1]
        chosen = tiles[shown.ravel()]
        drawn = (curve_pictures(method.dataset, tower.seen, chosen, HEIGHT) if tower.seen.dated else look(method.dataset, chosen, tower.seen.sensor))
        pictures = drawn.reshape(*shown.shape, *drawn.shape[1:])
        rows = np.concatenate([np.concatenate([strip(row[:1], HEIGHT), _gap(row, HEIGHT), strip(row[1:], HEIGHT)], 1) for row in pictures])
        name = f" in {tower.seen.name}" if len(method.towers) > 1 else ""
        name += f", {drawn_band(tower.seen)} over the season" if tower.seen.dated else ""
        pieces.append(page.picture(rows, f"held-out tiles and their nearest neighbours{name}"))
    return "".join(pieces)


def _gap(row: np.ndarray, height: int) -> np.ndarray:
    return np.full((strip(row[:1], height).shape[0], 14, 3), 255, np.uint8)


def _verdict(card: dict, course: Course) -> str:
    if course.best is None:
        return ""
    if card.get("probe_baseline"):
        return f"Best: epoch {course.best_epoch} with {course.best:.3f} in the linear probe on its validation tiles."
    loss = card["metrics"]["validation_loss"]
    return f"The last epoch is kept, {course.kept_epoch}, with a loss of {loss:.2f} on the held-out tiles; a labelled probe would choose one."


def _probe_words(card: dict, history: list[dict[str, Any]]) -> str:
    baseline = card["probe_baseline"]
    asked = [row for row in history if "probe_linear" in row]
    name, statistics = _beaten(card)
    rows = [(name, baseline["probe_knn"], baseline["probe_linear"]),
            *((f"encoder, epoch {row['epoch']}", row["probe_knn"], row["probe_linear"]) for row in asked[-8:])]
    return (page.heading(f"Probe beside {name}")
            + page.paragraph("Accuracy of simple classifiers on the probe's validation tiles, or their average precision where a tile has several "
                             f"classes: from the features of the frozen encoder, and from {statistics}, which a network has to beat.")
            + page.table(("features", "nearest neighbours", "linear"), rows))


def _of_series(card: dict) -> bool:
    """Whether it learned from series of dates."""
    return "t" in card["inputs"][0]["axes"]


def _beaten(card: dict) -> tuple[str, str]:
    """What the probe learns from beside features: a name, and in words."""
    if _of_series(card):
        return "series statistics", "the bands on the days of the season"
    return "image statistics", "mean, deviation and percentiles of each band"


def _limits(card: dict, kept: dict[str, Any]) -> list[str]:
    """What the figures do not say."""
    first, *others = card["inputs"]
    known = "Each encoder knows the values of its own sensor" if others else f"The encoder knows {first['preset']} values"
    limits = ["The loss compares runs on the same tiles, batch size and projector only. It does not say what the encoder is worth: "
              "“Compare pretraining” does, with labels.",
              f"{known} at {card['resolution_m'][0]:g} m: another sensor, unit or pixel size needs another one."]
    if card.get("probe_baseline"):
        limits.append("The epoch was chosen by the probe, so its figure flatters on the probe's validation tiles; test tiles were not touched.")
    if kept.get("feature_rank", np.inf) < 5:
        limits.append("The effective rank is low: few things tell the tiles apart. More varied tiles or weaker views help.")
    return limits
