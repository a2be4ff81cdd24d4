"""Samples on disk: plain NumPy arrays in shards, written as they come and read by index through memory maps.

Why arrays: random 4 × 256 × 256 tiles are read 5,000 times a second from a memory-mapped array and 560 times from a
sharded Zarr store only 1.3 times smaller.
"""

from __future__ import annotations

import tokenize
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import numpy as np

from ...errors import DataError
from ...progress import SILENT, Progress
from .block_sums import BlockSums, CheckedBlocks, rewrite_sum, sums_file

#: Largest array file [byte]: what every file system and archive can hold.
SHARD_BYTES = 4 * 10**9
LABELS = "labels"
#: Of a file that is compared with its checksums as a whole; then its memory is given back, and progress is told.
COMPARED_BYTES = 256 * 10**6
#: What NumPy says of a file that holds no array, or one whose header lies.
NO_ARRAY = (OSError, ValueError, EOFError, OverflowError, TypeError, MemoryError, SyntaxError, RecursionError, tokenize.TokenError)
ADVICE = "Restore the file or make the dataset again."


@dataclass(frozen=True)
class Layout:
    """How an array must look: the shape of one sample, None for a length that is free but the same in all shards, and the type."""

    shape: tuple[int | None, ...]
    dtype: str

    def fits(self, array: np.ndarray) -> bool:
        """Whether an array (n, …) looks so."""
        sizes = array.shape[1:]
        return (array.dtype == np.dtype(self.dtype) and len(sizes) == len(self.shape)
                and all(size is None or size == found for size, found in zip(self.shape, sizes, strict=True)))

    def __str__(self) -> str:
        return f"{self.dtype} ({' × '.join('any' if size is None else str(size) for size in self.shape) or 'a number'})"


class ShardWriter:
    """Appends samples to arrays on disk, of which only the file being written is open.

    Args:
        folder: where the arrays go.
        samples: name of array → (shape of one sample, NumPy type); "labels" holds labels, those in `extra` what else is known of a
            sample, all others images of a sensor.
        shard_bytes: largest size of one file.
        extra: names in `samples` of arrays that are neither images nor labels, such as "shares", "days" or "flags".
    """

    def __init__(self, folder: str | Path, samples: dict[str, tuple[tuple[int, ...], str]], shard_bytes: int = SHARD_BYTES,
                 extra: Collection[str] = ()) -> None:
        self.folder, self.samples, self.extra, self.shards = Path(folder), samples, tuple(extra), []  # type: ignore[var-annotated]
        largest = max(int(np.prod(shape)) * np.dtype(dtype).itemsize for shape, dtype in samples.values())
        self._limit = max(1, shard_bytes // largest)
        self._open: dict[str, _GrowingArray] = {}

    def __enter__(self) -> ShardWriter:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def add(self, **samples: np.ndarray) -> None:
        """Appends samples (n, …), the same number to each array; a batch at once is fastest.

        Samples of which only some arrays exist, such as the images of one of two sensors that are not paired, go to shards of
        their own: a new one begins whenever the names change.
        """
        counts = {name: len(array) for name, array in samples.items()}
        if not samples or len(set(counts.values())) > 1 or not set(samples) <= set(self.samples):
            raise ValueError(f"Arrays {counts} do not go together with {list(self.samples)}.")
        first, count = 0, next(iter(counts.values()))
        while first < count:
            if set(self._open) != set(samples) or self.shards[-1]["tiles"] == self._limit:
                self._begin([name for name in self.samples if name in samples])
            last = min(count, first + self._limit - self.shards[-1]["tiles"])
            for name, array in self._open.items():
                array.append(samples[name][first:last])
            self.shards[-1]["tiles"] += last - first
            first = last

    def close(self) -> list[dict]:
        """Finishes the files and returns what `Shards` needs to read them, as it stands in dataset.json."""
        opened, self._open = self._open, {}  # a file that a full disk keeps from being finished is not tried again
        for array in opened.values():
            array.close()
        return self.shards

    def _begin(self, names: list[str]) -> None:
        self.close()
        number = len(self.shards)
        files = {name: _file_name(name, number, name in self.extra) for name in names}
        self._open = {name: _GrowingArray(self.folder / files[name], *self.samples[name]) for name in names}
        labels, others = files.pop(LABELS, None), {name: files.pop(name) for name in self.extra if name in files}
        self.shards.append({"tiles": 0, "images": files, "labels": labels, **({"extra": others} if others else {})})


class Shards:
    """Reads samples by their index over all shards."""

    def __init__(self, folder: str | Path, shards: list[dict]) -> None:
        """Takes what `ShardWriter.close` returned for a folder."""
        self.folder, self.shards = Path(folder), shards
        self._ends = np.cumsum([shard["tiles"] for shard in shards], dtype=np.int64)
        self._maps: dict[Path, np.ndarray] = {}
        self._blocks: dict[Path, CheckedBlocks] = {}

    def __len__(self) -> int:
        return int(self._ends[-1]) if len(self._ends) else 0

    def images(self, indices: np.ndarray, sensor: str = "image") -> np.ndarray:
        """Images (n, band, y, x), of series (n, date, band), in stored units."""
        return self._read(np.asarray(indices, np.int64), lambda shard: shard["images"].get(sensor), f"images of the sensor “{sensor}”")

    def labels(self, indices: np.ndarray) -> np.ndarray:
        """Labels (n, …), uint8."""
        return self._read(np.asarray(indices, np.int64), lambda shard: shard["labels"], "labels")

    def array(self, name: str, indices: np.ndarray) -> np.ndarray:
        """An extra array (n, …) of some samples."""
        return self._read(np.asarray(indices, np.int64), lambda shard: shard.get("extra", {}).get(name), f"array “{name}”")

    def extras(self) -> list[str]:
        """Names of the extra arrays."""
        return list(dict.fromkeys(name for shard in self.shards for name in shard.get("extra", {})))

    def holding(self, sensor: str) -> np.ndarray:
        """Which samples have images of a sensor, bool (n,)."""
        return np.repeat([sensor in shard["images"] for shard in self.shards], [shard["tiles"] for shard in self.shards]).astype(bool)

    def files(self) -> list[str]:
        """Names of all array files."""
        return [name for shard in self.shards for _, name in _files_of(shard)]

    def sums(self) -> list[str]:
        """Names of the files with their checksums, of those that have any."""
        return [sums.name for name in self.files() if (sums := sums_file(self.folder / name)).is_file()]

    def whole(self, name: str) -> np.ndarray:
        """An array file as a map (n, …), all of which is as it was written."""
        return self._intact(name, np.arange(len(self._map(name))))

    def compare(self, progress: Progress = SILENT) -> bool:
        """Compares all arrays with their checksums; returns whether all have some.

        Raises:
            DataError: naming a file that is damaged.
        """
        files, known = self.files(), True
        for number, name in enumerate(files):
            count = len(self._map(name))
            at_once = max(1, COMPARED_BYTES // max(1, self._map(name)[:1].nbytes))
            for first in range(0, count, at_once):
                progress.at((number + first / count) / len(files), f"Comparing {name} with its checksums")
                self._intact(name, np.arange(first, min(first + at_once, count)))
                self.release()
            known &= sums_file(self.folder / name).is_file()
        return known

    def check(self, layouts: Mapping[str, Layout] | None = None) -> None:
        """Opens every array and looks at its header.

        Args:
            layouts: of "labels", of "images of " and a sensor, and of extra arrays; those of several sensors may be called by the name of
                the first and that of their sensor, such as "days_s1". None looks at the number of samples only.

        Raises:
            DataError: naming a file that is missing, damaged or does not hold what it should.
        """
        layouts = layouts or {}
        first: dict[str, np.ndarray] = {}
        for shard in self.shards:
            for array, name in _files_of(shard):
                found, layout = self._map(name), layouts.get(array) or layouts.get(array.partition("_")[0])
                if len(found) != shard["tiles"]:
                    raise DataError(f"{self.folder / name} holds {len(found)} samples, but dataset.json says {shard['tiles']}. {ADVICE}")
                if layout and not layout.fits(found):
                    own = Layout(found.shape[1:], found.dtype.name)
                    raise DataError(f"{self.folder / name} holds {own} for each sample, but dataset.json asks for {layout}. {ADVICE}")
                before = first.setdefault(array, found)
                if (before.shape[1:], before.dtype) != (found.shape[1:], found.dtype):
                    raise DataError(f"{self.folder / name} does not hold samples of the shape and type of the files before it. {ADVICE}")

    def shape(self, array: str) -> tuple[int, ...] | None:
        """The shape of a sample of an array, named as in `check`; None where there is no such array."""
        file = next((name for shard in self.shards for found, name in _files_of(shard) if found == array), None)
        return self._map(file).shape[1:] if file else None

    def write(self, name: str, index: int, sample: np.ndarray) -> None:
        """Replaces a sample of “labels”, or of an array of `array`; of a dataset that is being made and has no links."""
        part = int(np.searchsorted(self._ends, index, side="right"))
        shard = self.shards[part]
        file = shard[LABELS] if name == LABELS else shard["extra"][name]
        array = np.lib.format.open_memmap(self.folder / file, mode="r+")
        array[index - self._start(part)] = sample
        array.flush()
        rewrite_sum(self.folder / file, array, index - self._start(part))
        self._blocks.pop(self.folder / file, None)

    def release(self) -> None:
        """Unmaps the files: what was read of them no longer counts as memory of this process. The next access maps them again."""
        self._maps = {}

    def _read(self, indices: np.ndarray, file_of: Callable[[dict], str | None], what: str) -> np.ndarray:
        owner = np.searchsorted(self._ends, indices, side="right")
        parts = np.unique(owner).tolist()
        files = [file_of(self.shards[part]) for part in parts] or [file for shard in self.shards if (file := file_of(shard))][:1]
        if not all(files) or not files:
            raise DataError(f"{self.folder} has no {what} of all the samples asked for. Choose a dataset that has them.")
        maps = [self._intact(str(file), indices[owner == part] - self._start(part)) for file, part in zip(files, parts, strict=False)]
        if not parts:
            return self._map(str(files[0]))[:0]
        if len(parts) == 1:
            return maps[0][indices - self._start(parts[0])]
        result = np.empty((len(indices), *maps[0].shape[1:]), maps[0].dtype)
        for part, array in zip(parts, maps, strict=False):
            mine = owner == part
            result[mine] = array[indices[mine] - self._start(part)]
        return result

    def _start(self, part: int) -> int:
        return int(self._ends[part]) - self.shards[part]["tiles"]

    def _intact(self, name: str, rows: np.ndarray) -> np.ndarray:
        """A whole array file, in which the given samples are as they were written."""
        path, array = self.folder / name, self._map(name)
        if path not in self._blocks:
            self._blocks[path] = CheckedBlocks(path, array)
        if not self._blocks[path].whole:
            raise DataError(f"{sums_file(path)} holds no checksums of {name}. {ADVICE}")
        damaged = self._blocks[path].damaged(array, rows)
        if damaged:
            which = f"sample {damaged[0]}" if damaged[0] == damaged[1] else f"one of the samples {damaged[0]} to {damaged[1]}"
            raise DataError(f"{path} is damaged: {which} of {len(array)}, counted from 0, is not as it was written. {ADVICE} "
                            f"If the file was changed on purpose, delete {sums_file(path).name} beside it.")
        return array

    def _map(self, name: str) -> np.ndarray:
        path = self.folder / name
        if path not in self._maps:
            if path.resolve().parent != self.folder.resolve():
                raise DataError(f"{path} is a link that leads out of the dataset. Copy what it leads to into the folder.")
            try:
                if not path.is_file():  # a pipe would never end
                    raise OSError("there is no such file")
                self._maps[path] = np.lib.format.open_memmap(path, mode="r")
            except NO_ARRAY as error:
                raise DataError(f"{path} is missing or damaged ({str(error)[:200]}). {ADVICE}") from None
        return self._maps[path]


class _GrowingArray:
    """A .npy file whose first axis grows; NumPy pads the header so that the final length fits in the same place."""

    def __init__(self, path: Path, shape: tuple[int, ...], dtype: str) -> None:
        self._stream = path.open("wb")
        self._shape, self._dtype, self._count = shape, np.dtype(dtype), 0
        self._path, self._sums = path, BlockSums(int(np.prod(shape)) * self._dtype.itemsize)
        self._write_header()

    def append(self, samples: np.ndarray) -> None:
        """Writes samples (n, …)."""
        if samples.shape[1:] != self._shape:
            raise ValueError(f"Samples of {samples.shape[1:]} do not fit an array of {self._shape}.")
        content = np.ascontiguousarray(samples, self._dtype)
        self._stream.write(content.data)
        self._sums.add(content)
        self._count += len(samples)

    def close(self) -> None:
        with self._stream:
            self._stream.seek(0)
            self._write_header()
        self._sums.write(self._path)

    def _write_header(self) -> None:
        np.lib.format.write_array_header_1_0(self._stream, {
            "descr": np.lib.format.dtype_to_descr(self._dtype), "fortran_order": False, "shape": (self._count, *self._shape)})


def _file_name(array: str, number: int, is_extra: bool) -> str:
    stem = array if is_extra or array == LABELS else "images" if array == "image" else f"images-{array}"
    return f"{stem}-{number:03d}.npy"


def _files_of(shard: dict) -> Iterator[tuple[str, str]]:
    """Name of the array and of its file, of all there are."""
    yield from ((f"images of {sensor}", name) for sensor, name in shard["images"].items())
    if shard["labels"]:
        yield LABELS, shard["labels"]
    yield from shard.get("extra", {}).items()
