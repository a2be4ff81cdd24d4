"""Arrays that may be larger than memory, in files beside an output."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from ...outputs import scratch_file

_ZEROS = bytes(2**20)


@contextmanager
def scratch_array(output: str, dtype: str, shape: tuple[int, ...]) -> Iterator[np.ndarray]:
    """An array of zeros in a file in the folder of `output`, removed at the end; a full disk is noticed before anything is computed."""
    with scratch_file(output) as path:
        _fill(path, int(np.prod(shape)) * np.dtype(dtype).itemsize)
        array = np.memmap(path, dtype, "r+", shape=shape)
        try:
            yield array
        finally:
            array._mmap.close()  # type: ignore[attr-defined]  # else Windows would not remove the file


def _fill(path: Path, size: int) -> None:
    """Writes a file of zeros: a sparse one would break off the program when the disk is full."""
    with path.open("wb") as stream:
        while size > 0:
            size -= stream.write(_ZEROS[:size])
