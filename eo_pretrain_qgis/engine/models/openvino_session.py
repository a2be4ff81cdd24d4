"""A network loaded in OpenVINO: what computes images on a processor.

It is faster than onnxruntime there, in float32 too, for every network we make but trees, which it does not know (docs/adr/0027-two-runtimes.md).
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import openvino

from ...errors import ModelError
from .network import LoadedNetwork, reason, system_failure

VERSION = openvino.__version__.split("-")[0]
PROCESSOR, BFLOAT16 = "CPU", "BF16"


class UnknownOperatorError(ModelError):
    """The network has operators that OpenVINO does not know."""


class OpenVinoSession(LoadedNetwork):
    """A model on the processor; a run under way ends within one operator of `stop`. One thread may run it at a time.

    Args:
        path: the .onnx file.
        fast: compute in bfloat16, where the processor can: 8 bits of precision in place of 24.
        threads: threads of the processor; 0 leaves it to OpenVINO.
        output: see `LoadedNetwork`.
        channels: see `LoadedNetwork`.
        more: see `LoadedNetwork`.
        content: the network, where it is another than that in the file.

    Raises:
        EngineError: there is no memory or no thread for it.
        UnknownOperatorError: see there.
    """

    def __init__(self, path: str, fast: bool = False, threads: int = 0, output: str = "probabilities", channels: int | None = None,
                 more: Mapping[str, int] | None = None, content: bytes | None = None) -> None:
        super().__init__(path, output, channels, more)
        self._content = content or path
        self._ready: tuple[tuple, openvino.InferRequest] | None = None
        self._running: openvino.InferRequest | None = None
        self._stopped = threading.Event()
        try:
            self._core = openvino.Core()
            able = has_bfloat16()
            self._read: openvino.Model | None = self._core.read_model(self._content)
        except (RuntimeError, MemoryError) as error:
            raise system_failure(error, path) or UnknownOperatorError(f"OpenVINO {VERSION} cannot load {path} ({reason(error)}).") from None
        self._settings = {
            "INFERENCE_PRECISION_HINT": "bf16" if fast and able else "f32", "NUM_STREAMS": 1, "INFERENCE_NUM_THREADS": threads,
            "ENABLE_CPU_PINNING": False,  # the threads that read and write share the cores, and so do other processes that map
        }

    @property
    def device(self) -> str:
        """See `LoadedNetwork`."""
        return "cpu (OpenVINO)"

    @property
    def runtime(self) -> str:
        """See `LoadedNetwork`."""
        return f"OpenVINO {VERSION}, {'bfloat16' if self._settings['INFERENCE_PRECISION_HINT'] == 'bf16' else 'float32'}"

    def stop(self) -> None:
        """See `LoadedNetwork`."""
        self._stopped.set()
        if self._running is not None:
            self._running.cancel()

    def _computed(self, images: dict[str, np.ndarray]) -> Sequence[Any]:
        try:
            request = self._running = self._compiled({name: array.shape for name, array in images.items()})
            if self._stopped.is_set():
                raise RuntimeError("stopped")
            request.infer({name: np.ascontiguousarray(array) for name, array in images.items()}, share_inputs=True)
            return [np.array(request.get_tensor(name).data) for name in (self.output, *self.more)]  # the next run writes over it
        except (RuntimeError, MemoryError) as error:
            raise self._failed(error, images) from None

    def _compiled(self, shapes: Mapping[str, tuple[int, ...]]) -> openvino.InferRequest:
        """The network for inputs of these shapes, which is faster than one for all; only the last is kept, for each holds the memory of a run."""
        key = tuple(shapes.items())
        if self._ready is None or self._ready[0] != key:
            self._ready = self._running = None
            model, self._read = self._read or self._core.read_model(self._content), None  # a compiled network needs it no more
            model.reshape({name: list(shape) for name, shape in shapes.items()})
            self._ready = (key, self._core.compile_model(model, PROCESSOR, self._settings).create_infer_request())
        return self._ready[1]


def has_bfloat16() -> bool:
    """Whether this processor computes bfloat16 by itself."""
    return BFLOAT16 in openvino.Core().get_property(PROCESSOR, "OPTIMIZATION_CAPABILITIES")
