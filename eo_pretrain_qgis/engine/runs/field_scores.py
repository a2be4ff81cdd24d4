"""How well a model finds whole fields, measured on validation tiles when it is exported, so that its file and reports of its maps tell it."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import onnx

from ...progress import SILENT, Progress
from ..cards import Input
from ..datasets.dataset import Dataset
from ..mapping.fields.decoding import DISTANCE
from ..models.record import FieldScoreRecord
from ..models.told import field_score_words
from .blocks import blocks_of
from .calibrating import TILES, answered
from .mosaics import touching
from .object_scores import Regions, can_count, object_figures
from .run_folder import RunFolder

SPLIT = "validation"


def field_score(run: RunFolder, graph: onnx.ModelProto, seen: Input, stride: int, progress: Progress = SILENT) -> dict[str, Any]:
    """Precision, recall and F1 of whole fields on the validation tiles, as “Evaluate model” counts them.

    Args:
        run: that the model was learned in.
        graph: of the model, as it is exported.
        seen: see `calibrating.calibrated`.
        stride: of the model [px].
        progress: told of every few tiles, and what was found.

    Returns:
        ``field_score`` of `models.record.ModelRecord`; empty of other datasets, and where the dataset is gone or its validation tiles have no field.
    """
    if not os.path.isdir(run.card["dataset"]["path"]):
        return {}
    dataset = run.open_dataset()
    if not can_count(dataset) or seen.dated:
        return {}
    chosen = together(dataset, dataset.showing(SPLIT, seen), TILES)
    if not len(chosen):
        return {}
    regions, names = Regions(dataset, chosen), [output.name for output in graph.graph.output]
    for done, (some, outputs) in enumerate(answered(dataset, graph, seen, stride, chosen)):
        progress.at(min(1.0, done * len(some) / len(chosen)), "Looking for whole fields")
        regions.say(some, outputs[0], outputs[names.index(DISTANCE)][:, 0] if DISTANCE in names else None)
    blocks = blocks_of(dataset, chosen)
    found = object_figures(regions.counted(), blocks)
    if not found["objects"] or found["f1"] is None:
        return {}
    kept = {"split": SPLIT, "tiles": len(chosen), "fields": found["objects"], **{name: found[name] for name in ("f1", "precision", "recall")},
            "interval": found["intervals"]["f1"], "places": blocks.count, "places_words": blocks.words}
    progress.message(field_score_words(FieldScoreRecord(**kept)))
    return {"field_score": kept}


def together(dataset: Dataset, tiles: np.ndarray, most: int) -> np.ndarray:
    """At most so many tiles, int64 (n,): those that touch stay together, so that fields are cut at few borders.

    Args:
        dataset: of the tiles.
        tiles: positions to choose from (n,).
        most: how many.
    """
    if len(tiles) <= most:
        return tiles
    groups = [mosaic.tiles for mosaic in touching(dataset, tiles)]
    order = np.random.default_rng(0).permutation(len(groups))
    return np.sort(np.concatenate([groups[number] for number in order])[:most])
