"""Samples on disk: plain NumPy arrays in shards, written as they come and read by index through memory maps.

Why arrays: random 4 × 256 × 256 tiles are read 5,000 times a second from a memory-mapped array and 560 times from a
sharded Zarr store only 1.3 times smaller (docs/design.md §7).
"""

from __future__ import annotations

from pathlib import Path
from types import TracebackType

import numpy as np

from ..errors import DataError

#: Largest array file [byte]: what every file system and archive can hold.
SHARD_BYTES = 4 * 10**9
LABELS = "labels"


class ShardWriter:
    """Appends samples to arrays on disk, of which only the file being written is open.

    Args:
        folder: where the arrays go.
        samples: name of array → (shape of one sample, NumPy type); the name "labels" holds labels, all others images of a sensor.
        shard_bytes: largest size of one file.
    """

    def __init__(self, folder: str | Path, samples: dict[str, tuple[tuple[int, ...], str]], shard_bytes: int = SHARD_BYTES) -> None:
        self.folder, self.samples, self.shards = Path(folder), samples, []  # type: ignore[var-annotated]
        largest = max(int(np.prod(shape)) * np.dtype(dtype).itemsize for shape, dtype in samples.values())
        self._limit = max(1, shard_bytes // largest)
        self._open: dict[str, _GrowingArray] = {}

    def __enter__(self) -> ShardWriter:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def add(self, **samples: np.ndarray) -> None:
        """Appends samples (n, …) to every array, the same number to each."""
        count = len(next(iter(samples.values())))
        for first in range(count):
            if not self._open or self.shards[-1]["tiles"] == self._limit:
                self._begin()
            for name, array in self._open.items():
                array.append(samples[name][first])
            self.shards[-1]["tiles"] += 1

    def close(self) -> list[dict]:
        """Finishes the files and returns what `Shards` needs to read them, as it stands in dataset.json."""
        for array in self._open.values():
            array.close()
        self._open = {}
        return self.shards

    def _begin(self) -> None:
        self.close()
        number = len(self.shards)
        files = {name: _file_name(name, number) for name in self.samples}
        self._open = {name: _GrowingArray(self.folder / files[name], *self.samples[name]) for name in self.samples}
        labels = files.pop(LABELS, None)
        self.shards.append({"tiles": 0, "images": files, "labels": labels})


class Shards:
    """Reads samples by their index over all shards."""

    def __init__(self, folder: str | Path, shards: list[dict]) -> None:
        """Takes what `ShardWriter.close` returned for a folder."""
        self.folder, self.shards = Path(folder), shards
        self._ends = np.cumsum([shard["tiles"] for shard in shards], dtype=np.int64)
        self._maps: dict[Path, np.ndarray] = {}

    def __len__(self) -> int:
        return int(self._ends[-1]) if len(self._ends) else 0

    def images(self, indices: np.ndarray, sensor: str = "image") -> np.ndarray:
        """Images (n, band, y, x) in stored units."""
        return self._read(np.asarray(indices, np.int64), lambda shard: shard["images"][sensor])

    def labels(self, indices: np.ndarray) -> np.ndarray:
        """Labels (n, y, x), uint8."""
        return self._read(np.asarray(indices, np.int64), lambda shard: shard["labels"])

    def files(self) -> list[str]:
        """Names of all array files."""
        return [name for shard in self.shards for name in (*shard["images"].values(), shard["labels"]) if name]

    def check(self) -> None:
        """Opens every array.

        Raises:
            DataError: naming a file that is missing, damaged or does not hold the number of samples it should.
        """
        for shard in self.shards:
            for name in (*shard["images"].values(), shard["labels"]):
                if name and len(self._map(name)) != shard["tiles"]:
                    raise DataError(f"{self.folder / name} holds {len(self._map(name))} samples, but dataset.json says {shard['tiles']}. "
                                    "Restore the file or make the dataset again.")

    def _read(self, indices: np.ndarray, file_of) -> np.ndarray:
        owner = np.searchsorted(self._ends, indices, side="right")
        parts = np.unique(owner)
        if len(parts) == 1:
            return self._map(file_of(self.shards[parts[0]]))[indices - self._start(parts[0])]
        first = self._map(file_of(self.shards[0]))
        result = np.empty((len(indices), *first.shape[1:]), first.dtype)
        for part in parts:
            mine = owner == part
            result[mine] = self._map(file_of(self.shards[part]))[indices[mine] - self._start(part)]
        return result

    def _start(self, part: int) -> int:
        return int(self._ends[part]) - self.shards[part]["tiles"]

    def _map(self, name: str) -> np.ndarray:
        path = self.folder / name
        if path not in self._maps:
            try:
                self._maps[path] = np.load(path, mmap_mode="r", allow_pickle=False)
            except (OSError, ValueError, EOFError) as error:
                raise DataError(f"{path} is missing or damaged ({error}). Restore the file or make the dataset again.") from None
        return self._maps[path]


class _GrowingArray:
    """A .npy file whose first axis grows; NumPy pads the header so that the final length fits in the same place."""

    def __init__(self, path: Path, shape: tuple[int, ...], dtype: str) -> None:
        self._stream = path.open("wb")
        self._shape, self._dtype, self._count = shape, np.dtype(dtype), 0
        self._write_header()

    def append(self, sample: np.ndarray) -> None:
        self._stream.write(np.ascontiguousarray(sample, self._dtype).data)
        self._count += 1

    def close(self) -> None:
        with self._stream:
            self._stream.seek(0)
            self._write_header()

    def _write_header(self) -> None:
        np.lib.format.write_array_header_1_0(self._stream, {
            "descr": np.lib.format.dtype_to_descr(self._dtype), "fortran_order": False, "shape": (self._count, *self._shape)})


def _file_name(array: str, number: int) -> str:
    stem = array if array == LABELS else "images" if array == "image" else f"images-{array}"
    return f"{stem}-{number:03d}.npy"
