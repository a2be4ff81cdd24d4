"""What a model file answers for the tiles of a dataset and for their images, so that a file of several runs is measured as each of them is."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from scipy.special import logit

from ...errors import DataError, listed
from ...progress import SILENT, Progress
from ..cards import IGNORE, stacked
from ..classic.models import as_tiles
from ..datasets.dataset import Dataset
from ..mapping.inference import Network
from ..mapping.scores import divided
from ..models import package
from ..models.package import Package
from .answers import Answered, classifier_input
from .calibrating import as_given
from .evaluation import NOTHING, measure_run
from .further import Further
from .run_folder import NETWORK, RunFolder

_SURE = 1e-7


def measure_file(path: str, run_folder: str, dataset_folder: str | None, split: str, progress: Progress = SILENT, further: Further = NOTHING,
                 device: str = "auto") -> tuple[dict[str, Any], list[str]]:
    """`measure_run` of a model file of several runs.

    Args:
        path: of the file.
        run_folder: of one of its members, of whose labels the baselines learn.
        dataset_folder: see `measure_run`.
        split: see `measure_run`.
        progress: told of every batch.
        further: what is asked beside.
        device: see `models.session.Session`.

    Raises:
        DataError: the run is none of its members; or see `measure_run`.
    """
    run, model = RunFolder.open(run_folder), package.open(path)
    run.refuse_without_classes()
    if run.model_sha256 not in [one.sha256 for one in model.record.members]:
        names = listed([one.run for one in model.record.members]) or "none, for it is a single model"
        raise DataError(f"The run {run_folder} is no member of the model {path}; these are {names}. Choose the folder of a member, or leave "
                        "“Model of several runs” (model) empty.")
    key = "weights_sha256" if run.kept == NETWORK else "classifier_sha256"
    whole = replace(run, card={**run.card, key: model.sha256})  # what is drawn and judged is of the file
    facts, sections = measure_run(whole, partial(FileAnswers, run, model, device), dataset_folder, split, progress=progress, further=further)
    return {**facts, "members": len(model.record.members)}, sections


class FileAnswers:
    """Answers of a model file; see `runs.answers.Answers`.

    Args:
        run: that it was made from, or one of several.
        model: the file.
        device: see `models.session.Session`.
        dataset: of the tiles.
    """

    def __init__(self, run: RunFolder, model: Package, device: str, dataset: Dataset) -> None:
        self.run, self.model, self.dataset, self.target = run, model, dataset, ""
        self.seen = stacked(run.inputs.values())
        self.takes = self.seen if run.kept == NETWORK else classifier_input(run)
        self.session = model.session(device)

    def of_tiles(self, tiles: np.ndarray, at_once: int) -> Iterator[Answered]:
        """See `runs.answers.OfTiles`."""
        kind, side = self.dataset.kind, self.dataset.tile_size
        for some, given, cut in as_given(self.dataset, self.takes, self.model.stride, tiles, at_once):
            main, others, _ = divided(np.moveaxis(self.session.run(given), 1, 0), self.model)
            chances = np.moveaxis(others[self.target] if self.target else main, 0, 1)
            truth = self.dataset.labels(some)
            if not kind.pixelwise:
                sure = chances.reshape(len(some), -1).clip(_SURE, 1 - _SURE)
                yield some, truth, logit(sure) if kind.several else np.log(sure)
                continue
            chances = as_tiles(self.dataset, chances) if chances.ndim == 2 else chances[(slice(None), slice(None), *cut)]
            missing = ((0, 0), *((0, side - length) for length in chances.shape[2:]))
            known = np.pad(~np.isnan(chances).any(1), missing)  # nothing is said of a pixel that no date shows, nor of the rest of a tile
            yield some, np.where(known, truth, IGNORE), np.pad(np.nan_to_num(chances).argmax(1).astype(np.uint8), missing)

    def until(self, day: float) -> FileAnswers:
        """See `runs.answers.OfTiles`."""
        early = copy.copy(self)
        early.seen, early.takes = self.seen.until(day), self.takes.until(day)
        return early

    def each_target(self) -> list[FileAnswers]:
        """See `runs.answers.OfTiles`."""
        found = [copy.copy(self) for _ in self.dataset.each_target()]
        for one, dataset, target in zip(found, self.dataset.each_target(), ("", *self.model.further), strict=False):
            one.dataset, one.target = dataset, target
        return found

    def of_images(self) -> tuple[Package, Network]:
        """See `runs.answers.Answers`."""
        return self.model, self.session
