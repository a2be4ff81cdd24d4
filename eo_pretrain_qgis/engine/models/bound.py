"""Runs of onnxruntime on a GPU with inputs and outputs bound to its memory, some at once, so that one is copied while another is computed."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from queue import SimpleQueue
from typing import Any

import numpy as np
import onnxruntime

#: Runs at once: one is computed, one is on its way.
FLIGHTS = 2
#: CU_MEMHOSTREGISTER_PORTABLE of the CUDA driver: pinned for every context.
_PORTABLE = 1


class BoundRuns:
    """Runs of a session; any number of threads may call, and as many as `FLIGHTS` run at once.

    Args:
        session: see above.
        outputs: names of what it is to give.
        device: of its memory, in onnxruntime's words, such as ``cuda``.
        index: number of the device.
        driver: of CUDA, which pins what is copied; None leaves it in ordinary memory.
    """

    def __init__(self, session: onnxruntime.InferenceSession, outputs: Sequence[str], device: str, index: int, driver: Any = None) -> None:
        self._free: SimpleQueue[_Buffers] = SimpleQueue()
        for _ in range(FLIGHTS):
            self._free.put(_Buffers(session, outputs, (device, index), driver))

    def run(self, images: dict[str, np.ndarray], options: onnxruntime.RunOptions) -> list[np.ndarray]:
        """What the session gives for inputs by name; nothing of it is overwritten later."""
        own = self._free.get()
        try:
            return own.run(images, options)
        finally:
            self._free.put(own)


class _Buffers:
    """Memory of one run at a time, kept for the next one of the same shape."""

    def __init__(self, session: onnxruntime.InferenceSession, outputs: Sequence[str], place: tuple[str, int], driver: Any) -> None:
        self._session, self._outputs, self._place, self._driver = session, outputs, place, driver
        self._kept: dict[str, tuple[np.ndarray, Any]] = {}

    def __del__(self) -> None:
        for host, _ in self._kept.values():
            released(host, self._driver, self._place[1])

    def run(self, images: dict[str, np.ndarray], options: onnxruntime.RunOptions) -> list[np.ndarray]:
        binding = self._session.io_binding()
        for name, image in images.items():
            host, value = self._of(name, image.shape)
            np.copyto(host, image)
            value.update_inplace(host)
            binding.bind_ortvalue_input(name, value)
        for name in self._outputs:
            binding.bind_output(name, *self._place)
        self._session.run_with_iobinding(binding, options)
        found = [value.numpy() for value in binding.get_outputs()]
        return [each.copy() for each in found] if self._place[0] == "cpu" else found  # what came from a device is a copy already

    def _of(self, name: str, shape: tuple[int, ...]) -> tuple[np.ndarray, Any]:
        """An array that is copied from, and a value on the device that is copied to."""
        if name not in self._kept or self._kept[name][0].shape != shape:
            if name in self._kept:
                released(self._kept.pop(name)[0], self._driver, self._place[1])
            host = np.empty(shape, np.float32)
            pinned(host, self._driver, self._place[1])
            self._kept[name] = host, onnxruntime.OrtValue.ortvalue_from_shape_and_type(list(shape), np.float32, *self._place)
        return self._kept[name]


def pinned(array: np.ndarray, driver: Any, index: int) -> bool:
    """Pins an array, so that the device copies it without the processor; False where it stays in ordinary memory, which is slower and no error."""
    return _told(driver, index, "cuMemHostRegister_v2", ctypes.c_void_p(array.ctypes.data), ctypes.c_size_t(array.nbytes), _PORTABLE)


def released(array: np.ndarray, driver: Any, index: int) -> None:
    """Ends what `pinned` began; of an array that is not pinned the driver answers with an error, which changes nothing."""
    _told(driver, index, "cuMemHostUnregister", ctypes.c_void_p(array.ctypes.data))


def _told(driver: Any, index: int, what: str, *values: Any) -> bool:
    """Calls a function of the driver (CUDA driver API, “Memory Management”) in the context that onnxruntime uses; False where it fails."""
    device, context = ctypes.c_int(), ctypes.c_void_p()
    if driver is None or driver.cuDeviceGet(ctypes.byref(device), index) or driver.cuDevicePrimaryCtxRetain(ctypes.byref(context), device):
        return False
    try:
        if driver.cuCtxPushCurrent_v2(context):
            return False
        failed = getattr(driver, what)(*values)
        driver.cuCtxPopCurrent_v2(ctypes.byref(context))
        return not failed
    finally:
        driver.cuDevicePrimaryCtxRelease_v2(device)
