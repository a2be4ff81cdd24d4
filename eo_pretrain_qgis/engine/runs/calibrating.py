"""The probabilities of a model that is exported, brought as near to how often they are right as one temperature can."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import numpy as np
import onnx

from ...progress import SILENT, Progress
from ..cards import Input
from ..classic.models import as_tiles, fed, filled
from ..datasets.dataset import IGNORE, Dataset
from ..datasets.dates import read_series
from ..datasets.surroundings import Surroundings
from ..even_sample import even_sample
from ..measures.calibration import Calibration, calibrate
from ..models.kinds import up
from ..models.package import OUTPUT, further_output
from ..models.session import on_processor
from ..models.tempered import with_temperatures
from .blocks import blocks_of
from .run_folder import RunFolder

#: Tiles looked at and pixels of each; samples with a class as a whole; and how many of both at once.
TILES, PIXELS, SAMPLES, AT_ONCE, WHOLE_AT_ONCE = 128, 200, 20_000, 4, 256
#: What is seen around a tile [px].
AROUND = 16


def calibrated(run: RunFolder, graph: onnx.ModelProto, seen: Input, stride: int, progress: Progress = SILENT) -> dict[str, Any]:
    """Puts a temperature into each output of classes of a model that is more right with one, and says what it does.

    It is fitted on half of the blocks of ground of the validation tiles and judged on the other half.

    Args:
        run: that the model was learned in.
        graph: of the model, which is changed.
        seen: what it sees, with the bands of two sensors behind each other, and with axes as the graph takes them.
        stride: of the model [px].
        progress: told of every few tiles, and why nothing can be done.

    Returns:
        ``calibration`` of `models.record.ModelRecord`, empty where the dataset is gone or has too few validation tiles, or places may have several
        classes.
    """
    folder = run.card["dataset"]["path"]
    if not os.path.isdir(folder):
        progress.message(f"The dataset {folder} of the run is gone, so nobody can say how sure the model may be. Its probabilities stay as they are.")
        return {}
    dataset = run.open_dataset()
    if dataset.kind.several:
        return {}
    tiles = dataset.showing("validation", seen)
    names = [OUTPUT, *map(further_output, run.target_names[1:])]
    found = {}
    for name, (scores, labels, samples) in zip(names, _answers(dataset, graph, seen, stride, tiles, progress), strict=False):
        blocks = blocks_of(dataset, samples).of if len(samples) else samples
        one = calibrate(scores, labels, blocks) if len(samples) else None
        if one is None:
            progress.message(f"The validation {dataset.kind.pieces} of {dataset.folder} with a label lie in one block of ground, so no half of them "
                             "is left to check a temperature. The probabilities of the model stay as they are.", "warning")
            return {}
        found[name] = one
        progress.message(said(one))
    with_temperatures(graph, {name: one.kept for name, one in found.items()})
    return {"calibration": {name: _plain(one) for name, one in found.items()}}


def _plain(found: Calibration) -> dict[str, Any]:
    """As a description has it: a class that no sample has has no error."""
    errors = {name: [None if np.isnan(error) else error for error in getattr(found, name)] for name in ("classes_before", "classes_after")}
    return {**asdict(found), **errors, "kept": found.kept}


def said(found: Calibration) -> str:
    """What a temperature does, as a sentence."""
    before, after = (f"{100 * error:.1f} %" for error in (found.before, found.after))
    if found.kept == 1:
        return (f"The probabilities stay as they are: they are off by {before} on average, and by {after} with the temperature of "
                f"{found.temperature:.2f} that fits other validation ground.")
    return (f"The probabilities were too {'sure' if found.kept > 1 else 'unsure'}. With a temperature of {found.kept:.2f} they are off by {after} "
            f"on average instead of {before}, on validation ground that it was not fitted to.")


def _answers(dataset: Dataset, graph: onnx.ModelProto, seen: Input, stride: int, tiles: np.ndarray,
             progress: Progress) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Of each target logarithms of probabilities (n, class), positions of the classes (n,), and the samples that they are of (n,)."""
    session, views, rng = on_processor(graph.SerializeToString()), dataset.each_target(), np.random.default_rng(0)
    parts: list[list[tuple[np.ndarray, np.ndarray, np.ndarray]]] = [[] for _ in views]
    chosen = even_sample(tiles, TILES if dataset.kind.pixelwise else SAMPLES)
    for done, (some, given, cut) in enumerate(_given(dataset, seen, stride, chosen)):
        progress.at(min(1.0, done * len(some) / max(1, len(chosen))), "Looking how sure the model may be")
        for view, output, found in zip(views, session.run(None, given), parts):
            if not dataset.kind.pixelwise:
                chances = output.reshape(len(some), -1)  # a fully convolutional form gives (n, class, 1, 1)
            else:
                chances = as_tiles(dataset, output) if output.ndim == 2 else output[(..., *cut)]
            labels = view.labels(some)
            if dataset.kind.pixelwise:
                labels = labels[:, :chances.shape[2], :chances.shape[3]]
            rows, truth = np.moveaxis(chances, 1, -1).reshape(-1, chances.shape[1]), labels.ravel()
            whose = np.repeat(some, truth.size // len(some))
            known = np.flatnonzero((truth != IGNORE) & np.isfinite(rows).all(1))
            if dataset.kind.pixelwise:
                known = rng.permutation(known)[:PIXELS * len(some)]
            found.append((np.log(rows[known] + np.finfo(np.float32).tiny), truth[known].astype(np.int64), whose[known]))
    empty = np.zeros((0, 1)), np.zeros(0, np.int64), np.zeros(0, np.int64)
    return [tuple(map(np.concatenate, zip(*own, strict=True))) if own else empty for own in parts]  # type: ignore[misc]


def _given(dataset: Dataset, seen: Input, stride: int, tiles: np.ndarray) -> Iterator[tuple[np.ndarray, dict[str, np.ndarray], tuple[slice, ...]]]:
    """Some tiles, what a graph takes of them, and which part of what it gives is theirs."""
    kind, side = dataset.kind, dataset.tile_size
    edge = up(side + 2 * AROUND, stride)
    margin = -(-(edge - side) // 2)
    around = Surroundings(dataset, seen, margin) if kind.pixelwise and not seen.dated else None
    inside = slice(margin, margin + side)
    at_once = AT_ONCE if kind.pixelwise else WHOLE_AT_ONCE
    for some in np.array_split(tiles, -(-len(tiles) // at_once)) if len(tiles) else []:
        if around:
            images = filled(seen, *around.read(some))[0][..., :edge, :edge]
            yield some, seen.divided(images), (inside, inside)
        elif seen.axes == "tbyx":
            whole = side // stride * stride
            values, days = (part[..., :whole, :whole] for part in read_series(dataset, seen, some))
            yield some, {seen.name: np.ascontiguousarray(values), seen.days_port: days.max((2, 3))}, ()
        else:
            yield some, fed(dataset, seen, some), ()
