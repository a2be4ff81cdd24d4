"""Runs a comparison cell by cell: in this process, in several, or on the workers of a Dask scheduler; what is there is not computed again."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from ....errors import Cancelled
from ....outputs import refuse_used
from ....progress import SILENT, Progress
from ...datasets.dataset import Dataset
from ...models.catalog import PREFIX
from ...scheduling import VARIABLE, in_order
from ..loop.device import pick_device
from ..loop.launch import apart
from . import record
from .asking import SIMPLE, Cell, Options, Start, cells_of, check
from .measuring import keep_cell, measured, path_of, read_cell
from .record import CELLS
from .starts import starts_of

MOST_PROCESSES = 4
_ONE_AT_A_TIME = threading.Lock()


class Comparison:
    """A folder with the cells of a comparison.

    Args:
        folder: new, or that of a comparison that goes on.
        options: what is asked.
        progress: told of starting weights that are read.

    Raises:
        DataError: the folder holds something else, or a comparison with other settings, or the dataset cannot be compared on.
        ModelError: starting weights do not fit.
    """

    def __init__(self, folder: str, options: Options, progress: Progress = SILENT) -> None:
        self.folder, self.dataset = folder, Dataset.open(options.dataset)
        check(options, self.dataset)
        self.options = options
        card, before = self._card(), record.read(folder) if record.begun(folder) else None
        if before is None:
            refuse_used(folder)
        elif record.holds_figures(folder):
            record.check_same(folder, before, card)
        else:
            before = {**before, "starts": []}
        self.starts = starts_of(options, self.dataset, progress)
        if before is None:
            record.begin(folder, card, self.starts)
        else:
            record.go_on(folder, card, self.starts, before, progress)
        forget_marks(folder)
        self.cells = cells_of(options, self.starts)

    def start_of(self, cell: Cell) -> Start | None:
        """The start of a cell; None of a simple classifier."""
        return None if cell.start == SIMPLE else next(start for start in self.starts if start.name == cell.start)

    def missing(self) -> list[Cell]:
        """What is not computed yet."""
        return [cell for cell in self.cells if not os.path.exists(path_of(self.folder, cell))]

    def compute(self, processes: int, progress: Progress) -> list[dict[str, Any]]:
        """All cells, of which those that are missing are computed.

        Raises:
            EngineError: a process died, or the Dask scheduler is not there.
        """
        missing, progress = self.missing(), Rising(progress)
        if missing and os.environ.get(VARIABLE, "").strip():
            found = in_order(_on_worker, everywhere(self.options, self.starts), missing, lambda: progress.at(0, "Waiting for the workers"))
            for done, facts in enumerate(found, 1):
                keep_cell(self.folder, facts)
                progress.at(done / len(missing), f"{done} of {len(missing)} figures")
        elif processes > 1 and len(missing) > 1:
            with self._told_what_is_kept(progress):
                apart(min(processes, len(missing)), take_turns, (self.folder, self.options, self.starts, missing), progress)
        elif missing:
            with self._told_what_is_kept(progress):
                take_turns(self.folder, self.options, self.starts, missing, progress)
        forget_marks(self.folder)
        return [read_cell(path_of(self.folder, cell), cell) for cell in self.cells]

    @contextmanager
    def _told_what_is_kept(self, progress: Progress) -> Iterator[None]:
        """Says on a cancel that the work is not lost."""
        try:
            yield
        except Cancelled:
            progress.message(f"{len(self.cells) - len(self.missing())} of {len(self.cells)} figures are kept in {self.folder}; the same job on that "
                             "folder goes on.")
            raise

    def _card(self) -> dict[str, Any]:
        source = {"path": os.path.abspath(self.options.dataset), "name": self.dataset.name, "checksum": self.dataset.checksum,
                  "splits": hashlib.sha256("\n".join(self.dataset.splits).encode()).hexdigest()}
        return {"dataset": source, "settings": self.options.fixed()}


def usual_processes(device: str) -> int:
    """Trainings at once: as many as this process has cores, at most four; one where a GPU computes."""
    if pick_device(device).type != "cpu":
        return 1
    affinity = getattr(os, "sched_getaffinity", None)
    return min(MOST_PROCESSES, len(affinity(0)) if affinity else os.cpu_count() or 1)


def take_turns(folder: str, options: Options, starts: list[Start], missing: list[Cell], progress: Progress) -> None:
    """Computes the cells that no other process has taken, until none is left."""
    began = time.monotonic()
    for cell in missing:
        if not _take(folder, cell):
            continue
        start = next((one for one in starts if one.name == cell.start), None)
        done = sum(os.path.exists(path_of(folder, one)) for one in missing)
        left = (time.monotonic() - began) / max(1, done) * (len(missing) - done) / 60
        progress.at(done / len(missing), f"{done} of {len(missing)} figures" + (f", about {left:.0f} minutes left" if done else ""))
        keep_cell(folder, measured(os.path.join(folder, CELLS), options, cell, start, Quiet(progress, done / len(missing))))


def _take(folder: str, cell: Cell) -> bool:
    """Whether this process may compute a cell; marks are removed when a comparison begins."""
    try:
        os.close(os.open(os.path.join(folder, CELLS, f"{cell.key}.taken"), os.O_CREAT | os.O_EXCL | os.O_WRONLY))
    except FileExistsError:
        return False
    return True


def forget_marks(folder: str) -> None:
    """Removes what processes that are gone left in the folder of a comparison."""
    within = os.path.join(folder, CELLS)
    for name in os.listdir(within):
        if name.endswith(".taken"):
            os.unlink(os.path.join(within, name))
        elif name.endswith((".run", ".dataset", ".random")):
            shutil.rmtree(os.path.join(within, name), ignore_errors=True)


def everywhere(options: Options, starts: list[Start]) -> tuple[Options, list[Start]]:
    """The same with whole paths: the processes of workers lie in other folders."""
    def whole(path: str | None) -> str | None:
        return path if path is None or path.startswith(PREFIX) else os.path.abspath(path)

    return (replace(options, dataset=os.path.abspath(options.dataset)),
            [replace(start, path=whole(start.path)) for start in starts])


class Rising(Progress):
    """Of work that several do, each of whom knows its own part: what one says never takes back what another said."""

    def __init__(self, listener: Progress) -> None:
        self._listener, self._reached = listener, 0.0

    def emit(self, event: dict) -> None:
        if event.get("event") == "progress":
            self._reached = max(self._reached, event["fraction"])
            event = {**event, "fraction": self._reached}
        self._listener.emit(event)

    def cancelled(self) -> bool:
        return self._listener.cancelled()


class Quiet(Progress):
    """Of a training within a comparison: a cancel and signs of life pass, its messages do not."""

    def __init__(self, listener: Progress, at: float) -> None:
        self._listener, self._at = listener, at

    def emit(self, event: dict) -> None:
        if "text" in event and event.get("event") == "progress":
            self._listener.at(self._at, event["text"])

    def cancelled(self) -> bool:
        return self._listener.cancelled()


def _on_worker(asked: tuple[Options, list[Start]], cell: Cell) -> dict[str, Any]:
    """On a machine that may see the dataset and the weights only, and whose process may have other threads."""
    options, starts = asked
    start = next((one for one in starts if one.name == cell.start), None)
    with _ONE_AT_A_TIME, tempfile.TemporaryDirectory() as workspace:  # the seed of torch is that of the process
        return measured(workspace, options, cell, start)
