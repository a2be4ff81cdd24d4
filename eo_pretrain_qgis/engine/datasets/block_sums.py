"""Checksums beside each array of a dataset, so that what a disk or a copy damaged is refused when it is read, though its size is right.

Each block of an array, one large sample or some small ones, has the CRC-32 of its bytes (ITU-T V.42, as in zip and PNG), which finds any
one error of up to 32 bits in a row. It is for accidents and no protection against intent. It is compared when a block is read for the first
time, which costs less than to copy the block. Arrays without such a file, as of datasets that were made before, are read as they are.
"""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np

#: Smallest block [byte]: a sum of each sample of a few bytes would cost more than the sample.
BLOCK_BYTES = 65536
_TYPE = np.dtype("<u4")


def sums_file(path: Path) -> Path:
    """Where the checksums of an array file stand."""
    return path.with_suffix(".crc32")


def block_samples(sample_bytes: int) -> int:
    """How many samples a block has."""
    return max(1, BLOCK_BYTES // max(1, sample_bytes))


class BlockSums:
    """Sums of an array that is written from its first sample to its last.

    Args:
        sample_bytes: size of a sample.
    """

    def __init__(self, sample_bytes: int) -> None:
        self._size = max(1, block_samples(sample_bytes) * sample_bytes)
        self._sums: list[int] = []
        self._sum = self._filled = 0

    def add(self, samples: np.ndarray) -> None:
        """Counts the next samples (n, …), contiguous as they are written."""
        left = _bytes(samples)
        while len(left):
            part = left[:self._size - self._filled]
            self._sum, self._filled, left = zlib.crc32(part, self._sum), self._filled + len(part), left[len(part):]
            if self._filled == self._size:
                self._end_block()

    def write(self, path: Path) -> None:
        """Writes the sums of all samples of an array file beside it."""
        if self._filled:
            self._end_block()
        sums_file(path).write_bytes(np.array(self._sums, _TYPE).tobytes())

    def _end_block(self) -> None:
        self._sums.append(self._sum)
        self._sum = self._filled = 0


class CheckedBlocks:
    """Which blocks of an array file were found to be as they were written.

    Args:
        path: of the array file.
        array: its samples (n, …).

    Attributes:
        known: whether there are sums to compare with.
        whole: whether there is one for each block, where there are any.
    """

    def __init__(self, path: Path, array: np.ndarray) -> None:
        sums, self._each = sums_file(path), block_samples(array[:1].nbytes)
        blocks = -(-len(array) // self._each)
        self.known = sums.is_file()
        content = sums.read_bytes() if self.known else b""
        self.whole = not self.known or len(content) == blocks * _TYPE.itemsize
        self._sums = np.frombuffer(content, _TYPE) if self.known and self.whole else np.zeros(0, _TYPE)
        self._new = np.full(len(self._sums), True)

    def damaged(self, array: np.ndarray, rows: np.ndarray) -> tuple[int, int] | None:
        """Compares the blocks of some samples that were not compared before.

        Args:
            array: the samples of the file (n, …).
            rows: numbers of those that are read, int64 (n,).

        Returns:
            First and last sample of the first block that differs, or None.
        """
        if not self._new.any():
            return None
        blocks = np.unique(rows // self._each)
        for block in blocks[self._new[blocks]].tolist():
            part = array[block * self._each:(block + 1) * self._each]
            if zlib.crc32(_bytes(part)) != self._sums[block]:
                return block * self._each, block * self._each + len(part) - 1
            self._new[block] = False
        return None


def rewrite_sum(path: Path, array: np.ndarray, row: int) -> None:
    """Writes the sum of the block of a sample that was replaced; nothing where the file has no sums."""
    sums = sums_file(path)
    if not sums.is_file():
        return
    each = block_samples(array[:1].nbytes)
    block = row // each
    with sums.open("r+b") as stream:
        stream.seek(block * _TYPE.itemsize)
        stream.write(np.array(zlib.crc32(_bytes(array[block * each:(block + 1) * each])), _TYPE).tobytes())


def write_sums(path: Path) -> None:
    """Writes the sums of an array file that was written by other means."""
    array = np.load(path, mmap_mode="r", allow_pickle=False)
    sums, each = BlockSums(array[:1].nbytes), block_samples(array[:1].nbytes)
    for first in range(0, len(array), each):
        sums.add(array[first:first + each])
    sums.write(path)


def _bytes(samples: np.ndarray) -> memoryview:
    return np.ascontiguousarray(samples).reshape(-1).view(np.uint8).data
