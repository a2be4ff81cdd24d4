"""The score of one cell of a comparison: a training, or a simple classifier, counted block by block on the split that is scored."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, replace
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import torch
from safetensors.torch import save_file
from torch.utils.flop_counter import FlopCounterMode

from ....errors import DataError
from ....outputs import new_file
from ....progress import SILENT, Progress
from ...cards import stacked
from ...classic.models import Labelled
from ...datasets.dataset import DESCRIPTION, TILES, Dataset
from ...datasets.splitting.label_shares import class_totals, real_share, training_share
from ...datasets.visible import for_inputs
from ...even_sample import even_sample
from ...measures.calibration import calibrate
from ...runs.answers import Answered
from ...runs.blocks import Blocks, blocks_of
from ...runs.by_scene import GroupCounts
from ...runs.calibrating import labelled_rows, most_of, places_of
from ...runs.evaluation import AT_ONCE, WHOLE_AT_ONCE
from ..finetuning.answers import NetworkAnswers
from ..finetuning.modes import FITTED
from ..finetuning.recipe import finetune, seen_by
from ..loop.device import pick_device
from ..loop.runs import Run
from ..networks.class_networks import ClassificationNetwork, ClassNetwork
from .asking import BASELINES, RANDOM_FEATURES, Cell, Options, Start, training_of
from .frozen import answer_of
from .random_features import RandomFeatures
from .record import CELLS

#: What every cell tells beside its counts.
TOLD = ("score", "labels", "real_share", "class_labels", "seconds")
#: Of a cell, how far its probabilities are off, by the names of their columns: without a temperature, and with the one that was fitted elsewhere.
SURENESS = ("calibration_before", "calibration_after", "temperature")


def measured(workspace: str, options: Options, cell: Cell, start: Start | None, progress: Progress = SILENT) -> dict[str, Any]:
    """Computes a cell.

    Args:
        workspace: an existing folder in which the run lies as long as it learns.
        options: what is asked.
        cell: one of `cells_of`.
        start: of the cell; None of a simple classifier.
        progress: told how far the training is.

    Returns:
        The cell's own values, ``score`` (None: nothing was counted), ``counts`` of each block, ``labels``, ``real_share``, ``class_labels``,
        ``seconds``, those of `SURENESS`, and of networks ``steps`` and the multiplications, each with an addition, of the training
        (``training_multiply_adds``) and of mapping a million pixels or one whole sample (``mapping_multiply_adds``).

    Raises:
        DataError: see `finetune`.
    """
    dataset, blocks = scored(options.dataset, options.split)
    began = time.monotonic()
    if start is None:
        found = _simple(options, dataset, blocks, cell, progress)
    elif cell.way in FITTED and not dataset.kind.pixelwise and not dataset.kind.dates:
        found = _on_frozen(options, dataset, blocks, cell, start, progress)
    else:
        found = _trained(workspace, options, cell, start, progress)
    learned = training_share(dataset, cell.share, cell.seed)
    counts = found.pop("counts")
    return {**asdict(cell), "score": dataset.kind.figures(counts.sum(0))[dataset.kind.score], "counts": counts.tolist(), "labels": len(learned),
             "real_share": real_share(dataset, learned), "class_labels": class_totals(dataset, learned).tolist(),
             "seconds": round(time.monotonic() - began, 1), **found}


def path_of(folder: str, cell: Cell) -> str:
    """Of the file of a cell in the folder of a comparison."""
    return os.path.join(folder, CELLS, f"{cell.key}.json")


def keep_cell(folder: str, facts: dict[str, Any]) -> None:
    """Writes what `measured` gave."""
    with new_file(path_of(folder, Cell(**{name: facts[name] for name in Cell.__dataclass_fields__}))) as part:
        part.write_text(json.dumps(facts), encoding="utf-8")


def read_cell(path: str, cell: Cell) -> dict[str, Any]:
    """What is kept of a cell, with the name that its start has now.

    Raises:
        DataError: the file is damaged.
    """
    try:
        with open(path, encoding="utf-8") as stream:
            found = json.load(stream)
        asked = {name: found[name] for name in Cell.__dataclass_fields__ if name in found}  # simple classifiers of the first version say no `of`
        if not isinstance(found["counts"], list) or Cell(**asked).key != cell.key:
            raise ValueError("it is of another cell")
        if lacking := [name for name in TOLD if name not in found]:
            raise ValueError(f"it lacks {lacking[0]}")
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise DataError(f"{path} is no figure of a comparison ({error}). Delete it, and it is computed again.") from None
    return {**found, "start": cell.start}


def scored(folder: str, split: str) -> tuple[Dataset, Blocks]:
    """A dataset, and the blocks of the samples of a split; read once by a process, and again when it was written anew."""
    return _read(folder, split, *_written(folder))


def _written(folder: str) -> tuple[int, ...]:
    return tuple(os.stat(os.path.join(folder, name)).st_mtime_ns for name in (DESCRIPTION, TILES))


@lru_cache(maxsize=4)
def _read(folder: str, split: str, *written: int) -> tuple[Dataset, Blocks]:
    dataset = Dataset.open(folder)
    return dataset, blocks_of(dataset, dataset.indices(split))


def random_weights(path: str, dataset: Dataset, options: Options, encoder: str) -> str:
    """Writes an encoder that never learned, always the same; its path."""
    torch.manual_seed(0)
    seen = stacked(seen_by(options.training, dataset).values())
    network = ClassificationNetwork(encoder, {seen.name: seen}, len(dataset.classes))
    save_file({name: tensor.contiguous() for name, tensor in network.encoder.state_dict().items()}, path)
    return path


def _simple(options: Options, dataset: Dataset, blocks: Blocks, cell: Cell, progress: Progress) -> dict[str, Any]:
    """Of a simple classifier, learned from the labels of the draw."""
    inputs = seen_by(options.training, dataset)
    view, tiles = for_inputs(dataset, inputs), dataset.indices(options.split)
    labelled = Labelled(view, stacked(inputs.values()), training_share(dataset, cell.share, cell.seed), cell.seed, progress).each[0]
    main = labelled.dataset
    own = cell.way == RANDOM_FEATURES
    ask = RandomFeatures(labelled, progress).scores if own else main.kind.baselines_of(main)[cell.way].fit(labelled)(main)
    return _counted(main, tiles, blocks, _each(main, tiles, ask, progress), cell.way != BASELINES[0])


def _each(dataset: Dataset, tiles: np.ndarray, ask: Callable[[np.ndarray], np.ndarray], progress: Progress) -> Iterable[Answered]:
    for chosen in np.array_split(tiles, -(-len(tiles) // _at_once(dataset))):
        progress.at(0, "Counting")
        yield chosen, dataset.labels(chosen), ask(chosen)


def _on_frozen(options: Options, dataset: Dataset, blocks: Blocks, cell: Cell, start: Start, progress: Progress) -> dict[str, Any]:
    """Of a classifier on the features of an encoder that does not learn, which looks at each image once for all cells of this process."""
    frozen, ask = answer_of(options, dataset, _written(options.dataset), cell, start, progress)
    tiles, main = dataset.indices(options.split), frozen.dataset
    found = _counted(main, tiles, blocks, _each(main, tiles, ask, progress), True)
    work = work_of(frozen.network, frozen.given(tiles[:1]))
    return {**found, "steps": 0, "training_multiply_adds": work.every * len(training_share(dataset, cell.share, cell.seed)),
            "mapping_multiply_adds": work.every}


def _trained(workspace: str, options: Options, cell: Cell, start: Start, progress: Progress) -> dict[str, Any]:
    """Of a network; its run folder is removed."""
    dataset, blocks = scored(options.dataset, options.split)
    run_folder, random = (os.path.join(workspace, f"{cell.key}.{ending}") for ending in ("run", "random"))
    shutil.rmtree(run_folder, ignore_errors=True)
    chosen = training_of(options, dataset, cell, start)
    if start.random and cell.way in FITTED:
        os.makedirs(random, exist_ok=True)
        chosen = replace(chosen, start=random_weights(os.path.join(random, "encoder.safetensors"), dataset, options, start.encoder))
    finetune(options.dataset, run_folder, chosen, progress, judged=False)
    answers = NetworkAnswers.of(Run.open(run_folder), dataset, pick_device(chosen.device)).each_target()[0]
    tiles = dataset.indices(options.split)
    found = _counted(answers.dataset, tiles, blocks, answers.scores_of_tiles(tiles, _at_once(dataset)), True, progress)
    for folder in (run_folder, random):
        shutil.rmtree(folder, ignore_errors=True)
    batch = next(iter(answers.reader.in_order(tiles[:1], 1)))
    work, steps = work_of(answers.network, batch.given), chosen.epochs * chosen.epoch_steps if chosen.epoch_steps else 0
    own = answers.run.card.get("multiply_adds", work.every)  # of a training sample, which is seen with less around it than one that is scored
    labels = len(training_share(dataset, cell.share, cell.seed))
    return {**found, "steps": steps, "training_multiply_adds": round(own * (labels if cell.way in FITTED else steps * chosen.batch_size
                                                                            * work.passes(cell.way == "frozen"))),
            "mapping_multiply_adds": round(work.every * 1e6 / np.prod(next(iter(batch.valid.values())).shape[-2:])
                                           ) if dataset.kind.pixelwise else work.every}


def _counted(dataset: Dataset, tiles: np.ndarray, blocks: Blocks, answered: Iterable[Answered], sure: bool, progress: Progress = SILENT
             ) -> dict[str, Any]:
    """Counts of each block, and how far the probabilities are off, of scores of tiles.

    Args:
        dataset: of one target.
        tiles: all that are counted (n,).
        blocks: of these.
        answered: their scores.
        sure: whether these say how sure it is.
        progress: told how far it is.
    """
    counts, done, rng = GroupCounts(dataset, tiles, blocks.of), 0, np.random.default_rng(0)
    looked_at, rows = even_sample(tiles, most_of(dataset)), []
    for chosen, truth, answer in answered:
        counts.add(chosen, truth, answer)
        here = np.isin(chosen, looked_at)
        if sure and here.any():
            rows.append(labelled_rows(dataset, chosen[here], truth[here], answer[here], rng))
        done += len(chosen)
        progress.at(done / len(tiles), f"Measured {done} of {len(tiles)} {dataset.kind.pieces}")
    return {"counts": counts.each(blocks.count), **_sureness(dataset, rows)}


def _sureness(dataset: Dataset, rows: list[tuple[np.ndarray, np.ndarray, np.ndarray]]) -> dict[str, float | None]:
    """Of half of the ground, with a temperature that was fitted to the other half; None where there is none."""
    found = None
    if any(len(samples) for *_, samples in rows):
        scores, labels, samples = map(np.concatenate, zip(*rows, strict=True))
        found = calibrate(scores, labels, places_of(dataset, samples))
    return dict(zip(SURENESS, (found.before, found.after, found.temperature) if found else (None, None, None), strict=True))


class Work(NamedTuple):
    """Multiplications, each with its addition, that a network needs for a sample.

    Attributes:
        every: all of them.
        encoder: those of its encoder.
    """

    every: int
    encoder: int

    def passes(self, frozen: bool) -> float:
        """How many times those a step of training needs for a sample: one time forward and two back, where the encoder is not frozen."""
        return 3 - 2 * self.encoder / max(1, self.every) if frozen else 3


@torch.no_grad()
def work_of(network: ClassNetwork, given: dict[str, torch.Tensor]) -> Work:
    """What a network needs for one sample, as it is given it; convolutions and matrix products are counted."""
    with FlopCounterMode(display=False) as counter:
        network.eval()(given)
    encoder = counter.get_flop_counts().get(f"{type(network).__name__}.encoder", {})
    return Work(counter.get_total_flops() // 2, sum(encoder.values()) // 2)


def _at_once(dataset: Dataset) -> int:
    return AT_ONCE if dataset.kind.pixelwise else WHOLE_AT_ONCE
