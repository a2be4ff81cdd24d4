"""A network loaded in onnxruntime: on which device, and said honestly.

onnxruntime falls back to the processor without an error when a GPU cannot be used, and its list of available providers is no
evidence (microsoft/onnxruntime issues 17801, 23372). So a device asked for by name must be the one the session reports.
"""

from __future__ import annotations

import contextlib
import ctypes
import io
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from onnxruntime.capi import onnxruntime_pybind11_state as failures

from ...errors import EngineError, ModelError, first_line, listed
from ...progress import SILENT, Progress

onnxruntime.disable_telemetry_events()  # also where it was imported before `offline` had said so
VERSION = onnxruntime.__version__
InferenceSession = onnxruntime.InferenceSession
RunOptions = onnxruntime.RunOptions
PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider", "mps": "CoreMLExecutionProvider"}
#: Every kind of its own, and what the C++ below it throws: no memory, no more threads.
_FAILURES: tuple[type[Exception], ...] = (
    *(kind for kind in vars(failures).values() if isinstance(kind, type) and issubclass(kind, Exception)), RuntimeError, MemoryError)
_OUT_OF_MEMORY = ("alloc", "out of memory", "memoryerror")
_THREADS = "pthread_create"
_ERRORS_ONLY = 3


class MemoryRanOutError(EngineError):
    """The device's memory does not hold what the network needs for an image."""


class Session:
    """A model on one device. `stop` may be called from any thread; a run under way ends within one operator.

    Args:
        path: the .onnx file.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:n`` or ``mps``; ``auto`` takes the environment variable EOPRETRAIN_DEVICE and,
            where that is not set, a GPU when there is one.
        threads: threads of the processor; 0 leaves it to onnxruntime.
        progress: warned when ``auto`` found a GPU that onnxruntime cannot use.
        output: name of the graph's output.
        channels: what the output is to have of them; None takes any number.
        more: names of more outputs, each with its number of channels, which follow those.
        content: the network, where it is another than that in the file.

    Raises:
        EngineError: when a device asked for by name cannot be used.
        ModelError: when onnxruntime cannot load the network.
    """

    def __init__(self, path: str, device: str = "auto", threads: int = 0, progress: Progress = SILENT,
                 output: str = "probabilities", channels: int | None = None, more: Mapping[str, int] | None = None,
                 content: bytes | None = None) -> None:
        self.path, self.output, self.channels, self.more = path, output, channels, dict(more or {})
        #: Height and width of an image → of what the network gives for it.
        self.answered: Callable[[tuple[int, ...]], tuple[int, ...]] = tuple
        asked = os.environ.get("EOPRETRAIN_DEVICE", "auto") if device == "auto" else device
        kind, index = _chosen(asked)
        if kind == "cuda":
            _preload()
        options = onnxruntime.SessionOptions()
        options.log_severity_level = _ERRORS_ONLY
        options.intra_op_num_threads = threads
        # Idle threads of the pool would spin, on the cores that read and write the next tiles meanwhile.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = _loaded(content or path, path, options, _providers(kind, index))
        self._run_options = onnxruntime.RunOptions()
        self._run_options.log_severity_level = _ERRORS_ONLY
        self._index = index
        #: Why `auto` did not take the GPU that is there, and what to do; empty where all is well.
        self.fallback = ""
        taken = self._session.get_providers()[0]
        if taken != PROVIDERS[kind] and asked != "auto":
            reason = why_no_gpu() if kind == "cuda" else ""
            raise EngineError(f"The device {asked} was asked for, but onnxruntime took {taken} instead. "
                              f"{reason or 'Run “Check the engine” to see what is missing.'} Or choose “auto” or “cpu”.")
        if asked == "auto" and taken == PROVIDERS["cpu"]:
            self.fallback = why_no_gpu()
            if self.fallback:
                progress.message(self.fallback, level="warning")

    @property
    def device(self) -> str:
        """What the network runs on, as the session reports it: ``cpu (CPUExecutionProvider)``."""
        first = self._session.get_providers()[0]
        name = next((word for word, provider in PROVIDERS.items() if provider == first), first)
        return f"{name}:{self._index} ({first})" if name == "cuda" else f"{name} ({first})"

    def run(self, images: dict[str, np.ndarray]) -> np.ndarray:
        """Applies the network.

        Args:
            images: each of its inputs by name, (n, band, y, x) float32, stored units; y and x are multiples of the model's stride.

        Returns:
            (n, class, y, x) float32, or (n, class) of whole images: probabilities, or what else the model gives; behind them those of `more`.

        Raises:
            MemoryRanOutError: when memory runs out.
            ModelError: when the network fails on such an input, or gives something else.
        """
        shape, *others = (array.shape for array in images.values())
        try:
            found, *more = self._session.run([self.output, *self.more], images, self._run_options)
        except _FAILURES as error:
            if _is_memory(error):
                raise MemoryRanOutError(f"Memory ran out on {self.device} with a block of {shape[-1]} x {shape[-2]} px. Close other "
                                        "programs, or use a computer with more memory.") from None
            raise ModelError(f"The network in {self.path} fails on an input of shape {listed([str(shape), *map(str, others)])} "
                             f"({first_line(error)[:200]}). "
                             "Export the model again.") from None
        main = self._checked(found, shape, self.channels)
        beside = [self._checked(array, shape, channels) for array, channels in zip(more, self.more.values(), strict=True)]
        return np.concatenate([main, *beside], 1) if beside else main

    def _checked(self, found: Any, asked: tuple[int, ...], wanted: int | None) -> np.ndarray:
        shape: tuple[int, ...] = getattr(found, "shape", ())
        kind = getattr(found, "dtype", type(found))
        sides = self.answered(asked[2:])
        channels = wanted or (shape[1] if len(shape) == 2 + len(sides) else 0)
        expected = (asked[0], channels, *sides)
        if shape != expected or not channels or np.dtype(kind).kind != "f":
            raise ModelError(f"The network in {self.path} gives an array of shape {shape} and type {kind} for an input of shape {asked}, but "
                             f"{expected} of float32 is expected. Export the model again.")
        return found.astype(np.float32, copy=False)

    def stop(self) -> None:
        """Makes a run under way, and every later one, fail soon."""
        self._run_options.terminate = True


def on_processor(network: bytes, name: str = "the exported network") -> onnxruntime.InferenceSession:
    """A network held in memory, such as one just exported.

    Args:
        network: as ONNX.
        name: of it, for messages.

    Raises:
        ModelError: when onnxruntime cannot load it.
    """
    return _loaded(network, name, None, [PROVIDERS["cpu"]])


def _loaded(network: str | bytes, name: str, options: onnxruntime.SessionOptions | None, providers: list) -> onnxruntime.InferenceSession:
    try:
        return onnxruntime.InferenceSession(network, options, providers=providers)
    except _FAILURES as error:
        if _is_memory(error):
            raise EngineError(f"Memory ran out while loading {name}. Close other programs, or use a computer with more memory.") from None
        if _THREADS in str(error):
            raise EngineError(f"The system allows no more threads, so {name} cannot be loaded ({first_line(error)[:200]}). End other programs, or "
                              "ask for a higher limit of processes (ulimit -u).") from None
        raise ModelError(f"onnxruntime {VERSION} cannot load {name} ({first_line(error)[:200]}). "
                         "Export it again, or update the engine with “Install engine”.") from None


def _is_memory(error: Exception) -> bool:
    return any(word in f"{type(error).__name__} {error}".lower() for word in _OUT_OF_MEMORY)


def cuda_devices() -> int:
    """Number of CUDA devices the driver reports; 0 where there is no driver. Asked of the driver itself, which loads in milliseconds."""
    driver, count = _driver(), ctypes.c_int(0)
    if driver is None or driver.cuInit(0) != 0 or driver.cuDeviceGetCount(ctypes.byref(count)) != 0:
        return 0
    return count.value


def driver_cuda() -> tuple[int, int] | None:
    """The newest CUDA (major, minor) that the driver can do; None where there is no driver."""
    driver, version = _driver(), ctypes.c_int(0)
    if driver is None or driver.cuDriverGetVersion(ctypes.byref(version)) != 0:
        return None
    return version.value // 1000, version.value % 1000 // 10


def why_no_gpu() -> str:
    """Why onnxruntime does not use the GPU of this machine, and what to do; empty where there is no GPU, or nothing keeps it from that."""
    if not cuda_devices():
        return ""
    if PROVIDERS["cuda"] not in onnxruntime.get_available_providers():
        return ("There is an NVIDIA GPU, but this engine's onnxruntime computes on processors only. Run “Install the engine” with “predict_gpu” "
                "(or “train”) to map with the GPU.")
    able, built = driver_cuda(), getattr(onnxruntime, "cuda_version", "")
    if able and built and able < tuple(map(int, built.split(".")[:2])):
        return (f"There is an NVIDIA GPU, but its driver can do CUDA {able[0]}.{able[1]} and this engine's onnxruntime needs CUDA {built}. Update "
                "the graphics driver.")
    missing = missing_library()
    if missing:
        return (f"There is an NVIDIA GPU, but a library that onnxruntime needs for it does not load: {missing}. Run “Install the engine” again with "
                "“predict_gpu” or “train”.")
    return ""


def missing_library() -> str:
    """What the system says of the first library that keeps onnxruntime's part for GPUs from loading; empty where it loads."""
    folder, (before, after) = Path(failures.__file__).parent, ("", ".dll") if sys.platform == "win32" else ("lib", ".so")
    _preload()
    try:
        for part, mode in (("shared", ctypes.RTLD_GLOBAL), ("cuda", ctypes.DEFAULT_MODE)):
            ctypes.CDLL(str(folder / f"{before}onnxruntime_providers_{part}{after}"), mode)
    except OSError as error:
        return str(error)
    return ""


def _driver() -> Any:
    try:
        return ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return None


def _preload() -> None:
    """Loads the libraries that lie beside onnxruntime in the engine; what it prints of those it does not find is left out."""
    if hasattr(onnxruntime, "preload_dlls"):
        with contextlib.redirect_stdout(io.StringIO()):
            onnxruntime.preload_dlls()


def _chosen(asked: str) -> tuple[str, int]:
    """Device kind and index for the word the user gave."""
    available = onnxruntime.get_available_providers()
    if asked == "auto":
        return ("cuda", 0) if PROVIDERS["cuda"] in available and cuda_devices() else ("cpu", 0)
    kind, _, number = asked.partition(":")
    if kind not in PROVIDERS or (number and not (kind == "cuda" and number.isdigit())):
        raise EngineError(f"There is no device “{asked}”. Choose auto, cpu, cuda, cuda:0 or mps.")
    index = int(number or 0)
    if PROVIDERS[kind] not in available:
        raise EngineError(f"The device {asked} was asked for, but this engine's onnxruntime offers only {', '.join(available)}. "
                          "Choose “auto” or “cpu”, or install an engine for your device with “Install engine”.")
    if kind == "cuda" and index >= cuda_devices():
        raise EngineError(f"The device {asked} was asked for, but the driver reports {cuda_devices()} CUDA devices. "
                          "Choose “auto” or “cpu”, or check the graphics driver.")
    return kind, index


def _providers(kind: str, index: int) -> list:
    if kind == "cuda":
        # Tiles differ in shape at the border: a heuristic choice of algorithm keeps new shapes cheap. TF32 would round to 10 bits, and
        # then a map would depend on how it was tiled.
        cuda = {"device_id": index, "cudnn_conv_algo_search": "HEURISTIC", "arena_extend_strategy": "kSameAsRequested", "use_tf32": "0"}
        return [(PROVIDERS["cuda"], cuda), PROVIDERS["cpu"]]
    return [PROVIDERS["cpu"]] if kind == "cpu" else [PROVIDERS[kind], PROVIDERS["cpu"]]
