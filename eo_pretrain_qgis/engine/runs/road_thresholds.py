"""From which probability on a model's pixels are road, chosen on validation tiles when the model is exported."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import onnx
from skimage.filters import apply_hysteresis_threshold

from ...progress import SILENT, Progress
from ..cards import Input
from ..datasets.dataset import IGNORE
from ..even_sample import even_sample
from ..mapping.roads.cleaning import LOW, Threshold
from ..themes.roads.accuracy import Lines, RoadCounts, road_scores
from ..themes.roads.labels import ROAD
from .calibrating import TILES, answered
from .road_scores import can_count_roads
from .run_folder import RunFolder

#: Probabilities that are tried.
TRIED = np.round(np.arange(0.1, 0.91, 0.05), 2)
#: Distance that still matches [px].
TOLERANCE = 1


def road_threshold(run: RunFolder, graph: onnx.ModelProto, seen: Input, stride: int, progress: Progress = SILENT) -> dict[str, Any]:
    """The threshold with hysteresis at which lines of roads have the best F1 on the validation tiles, with a tolerance of 1 px.

    Args:
        run: that the model was learned in.
        graph: of the model, as it is exported.
        seen: see `calibrating.calibrated`.
        stride: of the model [px].
        progress: told of every few tiles, and what was chosen.

    Returns:
        ``road_threshold`` of `models.record.ModelRecord`; empty of other themes, and where the dataset is gone or no validation tile has a road.
    """
    if not os.path.isdir(run.card["dataset"]["path"]):
        return {}
    dataset = run.open_dataset()
    if not can_count_roads(dataset) or seen.dated:
        return {}
    road = [row.value for row in dataset.classes].index(ROAD.value)
    chosen = even_sample(dataset.showing("validation", seen), TILES)
    counts = np.zeros((len(TRIED), 4), np.int64)
    for done, (some, outputs) in enumerate(answered(dataset, graph, seen, stride, chosen)):
        progress.at(min(1.0, done * len(some) / max(1, len(chosen))), "Looking from which probability on pixels are road")
        for chances, labels in zip(outputs[0][:, road], dataset.labels(some), strict=True):
            counts += _counted(chances, labels == road, labels != IGNORE)
    scores = [road_scores(RoadCounts(*row.tolist()))["f1"] for row in counts]
    if not any(scores):
        return {}
    best = int(np.argmax([score or 0 for score in scores]))
    usual = scores[TRIED.tolist().index(Threshold.high)]
    high = float(TRIED[best])
    progress.message(f"Roads begin at a probability of {high:g}: there lines have the best F1 on {len(chosen)} validation tiles, "
                     f"{scores[best]:.3f} with a tolerance of {TOLERANCE} px, and {usual:.3f} at {Threshold.high:g}.")
    return {"road_threshold": {"high": high, "low": round(LOW * high, 3), "f1": scores[best], "usual_f1": usual, "tiles": len(chosen)}}


def _counted(chances: np.ndarray, truth: np.ndarray, judged: np.ndarray) -> np.ndarray:
    """What `RoadCounts` counts of a tile (y, x) at each threshold, (threshold, 4)."""
    found = [apply_hysteresis_threshold(chances, LOW * high, high) & judged for high in TRIED]
    return np.stack([Lines.of(truth, mapped).counted(TOLERANCE, judged).sum((1, 2)) for mapped in found])
