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
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from onnxruntime.capi import onnxruntime_pybind11_state as failures

from ...errors import EngineError, ModelError
from ...progress import SILENT, Progress
from .bound import FLIGHTS, BoundRuns
from .network import LoadedNetwork, reason, system_failure

onnxruntime.disable_telemetry_events()  # also where it was imported before `offline` had said so
VERSION = onnxruntime.__version__
InferenceSession = onnxruntime.InferenceSession
RunOptions = onnxruntime.RunOptions
PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider", "mps": "CoreMLExecutionProvider"}
#: Every kind of its own, and what the C++ below it throws: no memory, no more threads.
_FAILURES: tuple[type[Exception], ...] = (
    *(kind for kind in vars(failures).values() if isinstance(kind, type) and issubclass(kind, Exception)), RuntimeError, MemoryError)
_ERRORS_ONLY = 3


class Session(LoadedNetwork):
    """A model on one device, in onnxruntime; a run under way ends within one operator of `stop`.

    Args:
        path: the .onnx file.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:n`` or ``mps``; ``auto`` takes the environment variable EOPRETRAIN_DEVICE and,
            where that is not set, a GPU when there is one.
        threads: threads of the processor; 0 leaves it to onnxruntime.
        progress: warned when ``auto`` found a GPU that onnxruntime cannot use.
        output: see `LoadedNetwork`.
        channels: see `LoadedNetwork`.
        more: see `LoadedNetwork`.
        content: the network, where it is another than that in the file.

    Raises:
        EngineError: when a device asked for by name cannot be used.
        ModelError: when onnxruntime cannot load the network.
    """

    def __init__(self, path: str, device: str = "auto", threads: int = 0, progress: Progress = SILENT,
                 output: str = "probabilities", channels: int | None = None, more: Mapping[str, int] | None = None,
                 content: bytes | None = None) -> None:
        super().__init__(path, output, channels, more)
        asked = asked_device(device)
        kind, index = chosen_device(asked)
        if kind == "cuda":
            _preload()
        self._session = _loaded(content or path, path, _options(threads), _providers(kind, index))
        self._run_options = onnxruntime.RunOptions()
        self._run_options.log_severity_level = _ERRORS_ONLY
        self._index = index
        self._bound: BoundRuns | None = None
        taken = self._session.get_providers()[0]
        if taken == PROVIDERS["cuda"]:
            self._bound, self.flights = BoundRuns(self._session, [self.output, *self.more], "cuda", index, _driver()), FLIGHTS
        if taken != PROVIDERS[kind] and asked != "auto":
            why = why_no_gpu() if kind == "cuda" else ""
            raise EngineError(f"The device {asked} was asked for, but onnxruntime took {taken} instead. "
                              f"{why or 'Run “Check the engine” to see what is missing.'} Or choose “auto” or “cpu”.")
        if asked == "auto" and taken == PROVIDERS["cpu"]:
            self.fallback = warned_of_gpu(progress)

    @property
    def device(self) -> str:
        """What the network runs on, as the session reports it: ``cpu (CPUExecutionProvider)``."""
        first = self._session.get_providers()[0]
        name = next((word for word, provider in PROVIDERS.items() if provider == first), first)
        return f"{name}:{self._index} ({first})" if name == "cuda" else f"{name} ({first})"

    @property
    def runtime(self) -> str:
        """See `LoadedNetwork`."""
        return f"onnxruntime {VERSION}"

    def _computed(self, images: dict[str, np.ndarray]) -> Sequence[Any]:
        try:
            if self._bound:
                return self._bound.run(images, self._run_options)
            return self._session.run([self.output, *self.more], images, self._run_options)
        except _FAILURES as error:
            raise self._failed(error, images) from None

    def stop(self) -> None:
        """See `LoadedNetwork`."""
        self._run_options.terminate = True


def on_processor(network: bytes, name: str = "the exported network", threads: int = 0) -> onnxruntime.InferenceSession:
    """A network held in memory, such as one just exported.

    Args:
        network: as ONNX.
        name: of it, for messages.
        threads: of the processor; 0 leaves it to onnxruntime.

    Raises:
        ModelError: when onnxruntime cannot load it.
    """
    return _loaded(network, name, _options(threads), [PROVIDERS["cpu"]])


def _options(threads: int = 0) -> onnxruntime.SessionOptions:
    """Those of every session, of which none changes a result."""
    found = onnxruntime.SessionOptions()
    found.log_severity_level = _ERRORS_ONLY
    found.intra_op_num_threads = threads
    # Idle threads of the pool would spin, on the cores that read and write the next tiles meanwhile.
    found.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # A pattern is one more piece of memory as large as all that a shape needs, beside that of the first run, whose parts serve the next ones as well.
    found.enable_mem_pattern = False
    # In the order of the network what is enlarged is added at once; by default all that is to be added is made first and held together.
    found.execution_order = onnxruntime.ExecutionOrder.PRIORITY_BASED
    return found


def _loaded(network: str | bytes, name: str, options: onnxruntime.SessionOptions | None, providers: list) -> onnxruntime.InferenceSession:
    try:
        return onnxruntime.InferenceSession(network, options, providers=providers)
    except _FAILURES as error:
        raise system_failure(error, name) or ModelError(
            f"onnxruntime {VERSION} cannot load {name} ({reason(error)}). Export it again, or update the engine with “Install engine”.") from None


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


def warned_of_gpu(progress: Progress) -> str:
    """`why_no_gpu`, of which `progress` is warned."""
    why = why_no_gpu()
    if why:
        progress.message(why, level="warning")
    return why


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


def asked_device(device: str) -> str:
    """The word for a device that counts: of ``auto`` what EOPRETRAIN_DEVICE says, where it is set and not empty."""
    asked = device.strip().lower() or "auto"
    if asked != "auto":
        return asked
    found = os.environ.get("EOPRETRAIN_DEVICE", "").strip().lower() or "auto"
    kind, _, number = found.partition(":")  # training takes several processes, a map the first
    return kind if (kind == "cpu" and number.isdigit()) or found == "cuda:all" else found


def chosen_device(asked: str) -> tuple[str, int]:
    """Kind and index of the device for the word the user gave.

    Raises:
        EngineError: there is none, or this engine cannot use it.
    """
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
