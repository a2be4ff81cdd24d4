"""What a network is asked for and what it answers, whatever runtime computes it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ...errors import EngineError, ModelError, first_line, listed
from .decided import DECIDED
from .stepped import STEPPED

#: Outputs that are whole numbers, with the kind of their type; all others are floats.
_WHOLE = {DECIDED: "u", STEPPED: "i"}
_OUT_OF_MEMORY, _NO_THREADS = ("alloc", "out of memory", "memoryerror"), ("pthread_create", "resource temporarily unavailable")


class MemoryRanOutError(EngineError):
    """The device's memory does not hold what the network needs for an image."""


class LoadedNetwork(ABC):
    """A network in a runtime. `stop` may be called from any thread.

    Args:
        path: the .onnx file, for messages.
        output: name of the graph's output.
        channels: what the output is to have of them; None takes any number.
        more: names of more outputs, each with its number of channels, which follow those.
    """

    def __init__(self, path: str, output: str = "probabilities", channels: int | None = None, more: Mapping[str, int] | None = None) -> None:
        self.path, self.output, self.channels, self.more = path, output, channels, dict(more or {})
        #: Height and width of an image → of what the network gives for it.
        self.answered: Callable[[tuple[int, ...]], tuple[int, ...]] = tuple
        #: Why `auto` did not take the GPU that is there, and what to do; empty where all is well.
        self.fallback = ""
        #: How many threads may call `run` at once.
        self.flights = 1

    @property
    @abstractmethod
    def device(self) -> str:
        """What it runs on, in words that begin with ``cpu``, ``cuda`` or ``mps``."""

    @property
    @abstractmethod
    def runtime(self) -> str:
        """Program, version and precision that compute it, for the tags of a map."""

    @abstractmethod
    def stop(self) -> None:
        """Makes a run under way, and every later one, fail soon."""

    def run(self, images: dict[str, np.ndarray]) -> np.ndarray:
        """Applies the network.

        Args:
            images: each of its inputs by name, (n, band, y, x) float32, stored units; y and x are multiples of the model's stride.

        Returns:
            (n, class, y, x) float32, or (n, class) of whole images: probabilities, or what else the model gives; behind them those of `more`. Of a
            network that decides by itself what `decided.DECIDED` or `stepped.STEPPED` says.

        Raises:
            MemoryRanOutError: when memory runs out.
            ModelError: when the network fails on such an input, or gives something else.
        """
        shape = next(iter(images.values())).shape
        found, *more = self._computed(images)
        main = self._checked(found, shape, self.channels)
        beside = [self._checked(array, shape, channels) for array, channels in zip(more, self.more.values(), strict=True)]
        return np.concatenate([main, *beside], 1) if beside else main

    @abstractmethod
    def _computed(self, images: dict[str, np.ndarray]) -> Sequence[Any]:
        """What the runtime gives for `output` and each of `more`."""

    def _checked(self, found: Any, asked: tuple[int, ...], wanted: int | None) -> np.ndarray:
        shape: tuple[int, ...] = getattr(found, "shape", ())
        kind = getattr(found, "dtype", type(found))
        sides = self.answered(asked[2:])
        channels = wanted or (shape[1] if len(shape) == 2 + len(sides) else 0)
        expected = (asked[0], channels, *sides)
        sort = _WHOLE.get(self.output, "f")
        if shape != expected or not channels or np.dtype(kind).kind != sort:
            raise ModelError(f"The network in {self.path} gives an array of shape {shape} and type {kind} for an input of shape {asked}, but "
                             f"{expected} of float32 is expected. Export the model again.")
        return found if sort != "f" else found.astype(np.float32, copy=False)

    def _failed(self, error: Exception, images: Mapping[str, np.ndarray]) -> Exception:
        """The sentence for a run that failed."""
        shapes = [str(array.shape) for array in images.values()]
        if _says(error, _OUT_OF_MEMORY):
            height, width = next(iter(images.values())).shape[-2:]
            return MemoryRanOutError(f"Memory ran out on {self.device} with a block of {width} x {height} px. Close other programs, or use a "
                                     "computer with more memory.")
        return ModelError(f"The network in {self.path} fails on an input of shape {listed(shapes)} ({reason(error)}). Export the model "
                          "again.")


def system_failure(error: Exception, name: str) -> EngineError | None:
    """The sentence for a network called `name` that did not load because the system lacks something; None where the network is to blame."""
    if _says(error, _OUT_OF_MEMORY):
        return EngineError(f"Memory ran out while loading {name}. Close other programs, or use a computer with more memory.")
    if _says(error, _NO_THREADS):
        return EngineError(f"The system allows no more threads, so {name} cannot be loaded ({reason(error)}). End other programs, or ask for a "
                           "higher limit of processes (ulimit -u).")
    return None


def reason(error: Exception) -> str:
    """What a runtime's error says: the last line of it, before which OpenVINO names its source files."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[-1] if lines and lines[0].startswith("Exception from") else first_line(error))[:200]


def _says(error: Exception, words: tuple[str, ...]) -> bool:
    return any(word in f"{type(error).__name__} {error}".lower() for word in words)
