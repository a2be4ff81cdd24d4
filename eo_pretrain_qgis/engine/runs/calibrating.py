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
from ..models.tempered import scores_of, with_temperatures
from .blocks import blocks_of
from .run_folder import RunFolder

#: Tiles looked at and pixels of each; samples with a class as a whole; and how many of both at once.
TILES, PIXELS, SAMPLES, AT_ONCE, WHOLE_AT_ONCE = 128, 200, 20_000, 4, 256
#: What is seen around a tile [px].
AROUND = 16


def calibrated(run: RunFolder, graph: onnx.ModelProto, seen: Input, stride: int, progress: Progress = SILENT) -> dict[str, Any]:
    """Puts a temperature into each output of classes of a model that is more right with one, and says what it does.

    It is fitted on half of the validation ground and judged on the other half: on other scenes, where there are several, for maps are made of such.

    Args:
        run: that the model was learned in.
        graph: of the model, which is changed.
        seen: what it sees, with the bands of two sensors behind each other, and with axes as the graph takes them.
        stride: of the model [px].
        progress: told of every few tiles, and why nothing can be done.

    Returns:
        ``calibration`` of `models.record.ModelRecord`, empty where the dataset is gone or has too few validation tiles.
    """
    folder = run.card["dataset"]["path"]
    if not os.path.isdir(folder):
        progress.message(f"The dataset {folder} of the run is gone, so nobody can say how sure the model may be. Its probabilities stay as they are.")
        return {}
    dataset = run.open_dataset()
    tiles = dataset.showing("validation", seen)
    names = [OUTPUT, *map(further_output, run.target_names[1:])]
    found = {}
    for name, (scores, labels, samples) in zip(names, chances(dataset, graph, seen, stride, tiles, progress), strict=False):
        blocks = places_of(dataset, samples) if len(samples) else samples
        one = calibrate(scores, labels, blocks) if len(samples) else None
        if one is None:
            none = " or have no class" if dataset.kind.several else ""
            progress.message(f"The validation {dataset.kind.pieces} of {dataset.folder} with a label lie in one block of ground{none}, so no half of "
                             "them is left to check a temperature. The probabilities of the model stay as they are.", "warning")
            return {}
        found[name] = one
        progress.message(said(one))
    with_temperatures(graph, {name: one.kept for name, one in found.items()}, dataset.kind.several)
    return {"calibration": {name: _plain(one) for name, one in found.items()}}


def places_of(dataset: Dataset, samples: np.ndarray) -> np.ndarray:
    """Which samples lie together (n,): those of a scene, where there are several; else those of a block, see `blocks_of`."""
    if "scene" in dataset.tiles:
        scenes, numbers = np.unique(dataset.tiles["scene"].to_numpy(dtype=str)[samples], return_inverse=True)
        if 2 <= len(scenes) < len(np.unique(samples)):
            return numbers
    return blocks_of(dataset, samples).of


def _plain(found: Calibration) -> dict[str, Any]:
    """As a description has it: a class that no sample has has no error."""
    errors = {name: [None if np.isnan(error) else error for error in getattr(found, name)] for name in ("classes_before", "classes_after")}
    each = {name: [list(map(asdict, bins)) for bins in getattr(found, name)] for name in ("classes_bins", "classes_bins_after")}
    return {**asdict(found), **errors, **each, "kept": found.kept}


def said(found: Calibration) -> str:
    """What a temperature does, as a sentence."""
    before, after = (f"{100 * error:.1f} %" for error in (found.before, found.after))
    if found.kept == 1:
        return (f"The probabilities stay as they are: on average they differ by {before} from how often the model is right, and one factor for all "
                f"scores ({found.temperature:.2f}, a “temperature”) would make that {after}.")
    return (f"The probabilities were too {'high' if found.kept > 1 else 'low'}: on average they differed by {before} from how often the model is "
            f"right. Scores are now divided by {found.kept:.2f} (a “temperature”; no class changes), and it is {after}, on validation ground by "
            "which that was not chosen.")


def chances(dataset: Dataset, graph: onnx.ModelProto, seen: Input, stride: int, tiles: np.ndarray,
            progress: Progress = SILENT) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """What a model says of labelled samples, or of some pixels of some tiles.

    Args:
        dataset: of the samples.
        graph: of the model.
        seen: see `calibrated`.
        stride: of the model [px].
        tiles: positions of those asked for (n,).
        progress: told of every few.

    Returns:
        Of each target scores and labels as `calibrate` takes them, and the samples that they are of (n,).
    """
    views, rng = dataset.each_target(), np.random.default_rng(0)
    parts: list[list[tuple[np.ndarray, np.ndarray, np.ndarray]]] = [[] for _ in views]
    chosen = even_sample(tiles, most_of(dataset))
    for done, (some, outputs) in enumerate(answered(dataset, graph, seen, stride, chosen)):
        progress.at(min(1.0, done * len(some) / max(1, len(chosen))), "Checking how sure the model may be")
        for view, chances, found in zip(views, outputs, parts):
            labels = view.labels(some)
            if dataset.kind.pixelwise:
                labels = labels[:, :chances.shape[2], :chances.shape[3]]
            rows, truth, whose = labelled_rows(dataset, some, labels, chances, rng)
            found.append((scores_of(rows, dataset.kind.several), truth, whose))
    empty = np.zeros((0, 1)), np.zeros(0, np.int64), np.zeros(0, np.int64)
    return [tuple(map(np.concatenate, zip(*own, strict=True))) if own else empty for own in parts]  # type: ignore[misc]


def most_of(dataset: Dataset) -> int:
    """Samples that are looked at, at most."""
    return TILES if dataset.kind.pixelwise else SAMPLES


def labelled_rows(dataset: Dataset, samples: np.ndarray, labels: np.ndarray, answers: np.ndarray, rng: np.random.Generator
                  ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What is said of labelled samples, or of some labelled pixels of tiles, row by row.

    Args:
        dataset: of the samples.
        samples: positions (n,).
        labels: (n, …).
        answers: a number for each class (n, class, …); rows without one are left out.
        rng: draws the pixels.

    Returns:
        Numbers (row, class), labels int64 (row,) or where a sample may have several classes (row, class), and the samples they are of (row,).
    """
    rows = np.moveaxis(answers, 1, -1).reshape(-1, answers.shape[1])
    truth = labels if dataset.kind.several else labels.ravel()
    whose = np.repeat(samples, len(truth) // len(samples))
    known = np.flatnonzero((truth != IGNORE).reshape(len(truth), -1).all(1) & np.isfinite(rows).all(1))
    if dataset.kind.pixelwise:
        known = rng.permutation(known)[:PIXELS * len(samples)]
    return rows[known], truth[known].astype(np.int64), whose[known]


def answered(dataset: Dataset, graph: onnx.ModelProto, seen: Input, stride: int, tiles: np.ndarray
             ) -> Iterator[tuple[np.ndarray, list[np.ndarray]]]:
    """Some tiles at a time, and of each target the probabilities of a graph for them, (n, class) or (n, class, y, x)."""
    session = on_processor(graph.SerializeToString())
    for some, given, cut in as_given(dataset, seen, stride, tiles):
        outputs = session.run(None, given)
        if not dataset.kind.pixelwise:
            yield some, [output.reshape(len(some), -1) for output in outputs]  # a fully convolutional form gives (n, class, 1, 1)
        else:
            yield some, [as_tiles(dataset, output) if output.ndim == 2 else output[(..., *cut)] for output in outputs]


def as_given(dataset: Dataset, seen: Input, stride: int, tiles: np.ndarray, most: int = WHOLE_AT_ONCE
             ) -> Iterator[tuple[np.ndarray, dict[str, np.ndarray], tuple[slice, ...]]]:
    """Some tiles, what a graph takes of them, and which part of what it gives is theirs; of whole samples so many at once at most."""
    kind, side = dataset.kind, dataset.tile_size
    edge = up(side + 2 * AROUND, stride)
    margin = -(-(edge - side) // 2)
    around = Surroundings(dataset, seen, margin) if kind.pixelwise and not seen.dated else None
    inside = slice(margin, margin + side)
    at_once = AT_ONCE if kind.pixelwise else min(most, WHOLE_AT_ONCE)
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
