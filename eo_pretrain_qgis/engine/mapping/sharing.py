"""Blocks of a map computed by the workers of a Dask scheduler, each of which reads the images by itself.

Before its first block a worker looks whether it would compute the same: version, runtime, model and images must be those of the computer that
writes the map. Else it refuses, and another one is asked. What comes back are the pixels of the products, most often a byte for each.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from ...errors import EOPretrainError
from ...progress import SILENT, Progress
from ...version import plugin_version
from ..models.package import Package
from ..scheduling import RefusedError, on_workers
from .journal import Block, Decided, Pixels, decided
from .request import RUNTIME, Canvas
from .stamps import Stamps, changed

_SHARED = "Let all computers read model and images from one disk under the same path, or copy them together with their times"


class Bench(Protocol):
    """What computes blocks, with its files and its network open.

    Attributes:
        runtime: what computes the network, in words.
    """

    runtime: str

    def read(self, number: int) -> Any:
        """What block `number` is computed from; called by several threads at once."""

    def ask(self, number: int, read: Any, progress: Progress) -> tuple[Block, Any]:
        """Block `number`: its counts, and the `inference.Part`, None where nothing is known; called by one thread at a time."""


class Maker(Protocol):
    """A run, as it is sent to who computes its blocks."""

    @property
    def canvas(self) -> Canvas: ...  # noqa: D102

    @property
    def stamps(self) -> Stamps | None:
        """Of the files that are read, see `stamps.stamps`."""

    def opened(self, threads: int, together: int) -> Bench:
        """Opens what blocks are made with: a network in so many threads (0 leaves it to the runtime), files to be read by so many at once.

        Raises:
            EOPretrainError: something cannot be opened.
        """


_Opened = tuple[Bench, Canvas, list[Callable[[Any], np.ndarray]]]


@dataclass
class Shared:
    """A run on its way to the workers; there it is opened at the first block, and kept for the others.

    Attributes:
        packed: the maker and what gives the pixels of each product. It holds code, so nobody unpacks it who has not the same version.
        versions: of the plugin and of Python, by what has it.
        runtime: that computes the network.
        model: path and SHA-256.
        stamps: of the images.
    """

    packed: tuple[dict, list[bytes]]
    versions: dict[str, str]
    runtime: str
    model: tuple[str, str]
    stamps: Stamps | None

    def __post_init__(self) -> None:
        self._forget()

    @classmethod
    def of(cls, maker: Maker, takers: Sequence[Pixels]) -> Shared:
        """What is sent of a run."""
        from distributed.protocol import serialize

        model = maker.canvas.model
        header, frames = serialize((maker, [taker.values for taker in takers]))
        packed = header, [bytes(frame) for frame in frames]
        return cls(packed, _versions(), maker.canvas.tags[RUNTIME], (model.path, model.sha256), maker.stamps)

    def __getstate__(self) -> dict:
        """What is open stays behind."""
        return {name: value for name, value in self.__dict__.items() if not name.startswith("_")}

    def __setstate__(self, state: dict) -> None:
        self.__dict__.update(state)
        self._forget()

    def _forget(self) -> None:
        self._lock, self._open = threading.Lock(), list[_Opened]()

    def answer(self, number: int) -> Decided:
        """A block of the run; called on workers.

        Raises:
            RefusedError: this worker would not compute the same.
            DataError: an image is damaged.
        """
        with self._lock:
            self._open = self._open or [self._unpacked()]
            bench, canvas, values = self._open[0]
        read = bench.read(number)
        with self._lock:
            return decided(canvas, values, *bench.ask(number, read, SILENT))

    def _unpacked(self) -> _Opened:
        from distributed import get_worker
        from distributed.protocol import deserialize

        worker = get_worker()
        for what, version in _versions().items():
            if version != self.versions.get(what):
                raise _refusal(worker.address, f"has version {version} of {what} and this computer {self.versions.get(what)}",
                               "Install the same on both")
        self._refuse_other_files(worker.address)
        maker, values = deserialize(*self.packed)
        threads = worker.state.nthreads
        try:
            bench = maker.opened(threads, threads)
        except EOPretrainError as error:
            raise _refusal(worker.address, f"cannot open what the map is made from ({str(error).rstrip('.')})",
                           _SHARED) from error
        if bench.runtime != self.runtime:
            raise _refusal(worker.address, f"computes the model with {bench.runtime} and this computer with {self.runtime}",
                           "Install the same engine on both, on the same kind of computer")
        return bench, maker.canvas, values

    def _refuse_other_files(self, address: str) -> None:
        path, checksum = self.model
        try:
            found = Package(path, {}).sha256
        except OSError as error:
            raise _refusal(address, f"cannot read the model {path} ({error.strerror or error})", _SHARED) from error
        if found != checksum:
            raise _refusal(address, f"has another model under {path} than this computer", "Give both the same file")
        if path := changed(self.stamps or ()):
            raise _refusal(address, f"has no file {path}, or one of another size or time of change than this computer", _SHARED)


def computed_there(maker: Maker, takers: Sequence[Pixels], numbers: Sequence[int], waiting: Callable[[], Any], progress: Progress
                   ) -> Generator[Decided, None, None]:
    """The blocks of these numbers, in their order, from the workers of the scheduler.

    Args:
        maker: of the run.
        takers: of all its products.
        numbers: of the blocks.
        waiting: called twice a second; what it raises ends the work.
        progress: warned of workers that take no part.

    Raises:
        EngineError: see `scheduling.on_workers`.
    """
    def told(sentence: str) -> None:
        progress.message(sentence, level="warning")

    yield from on_workers(Shared.answer, Shared.of(maker, takers), numbers, waiting, told)


def _versions() -> dict[str, str]:
    return {"this plugin": plugin_version(), "Python": "{}.{}".format(*sys.version_info)}


def _refusal(address: str, what: str, advice: str) -> RefusedError:
    return RefusedError(f"The Dask worker {address} {what}, so it takes no part in this map. {advice}, and start the worker again.", address)


def found_everywhere(model: Package) -> Package:
    """The same model with a path that means the same in every folder."""
    return Package(os.path.abspath(model.path), model.description)
