"""Which blocks of a map run are finished, and what was found in them, in a file that a killed process leaves whole but for its last record.

Records are appended one after the other, each with its length and checksum; where one is torn or damaged, the file ends before it. What they
hold is drawn again when the same run begins anew (docs/adr/0028-a-killed-map-goes-on.md).
"""

from __future__ import annotations

import hashlib
import json
import os
import struct
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import msgspec
import numpy as np

from ... import claims
from ...outputs import kept_file, settled
from ..rasters.grid import Window
from ..records import Count
from .request import Canvas
from .score_checks import check_decided, check_scores

FORMAT, VERSION = "eo-pretrain map journal", 1
#: Length and CRC-32 of a record.
_FRAME = struct.Struct("<QI")
#: Best speed; class maps shrink to a tenth.
_LEVEL = 1


@dataclass(frozen=True)
class Pixels:
    """What takes the parts of a run in two steps, so that what the first gives can be kept and put into place once more.

    Attributes:
        path: the output it belongs to.
        bands: of the arrays.
        dtype: NumPy name of their type.
        canvas: of the run.
        values: gives what is kept of a part: (band, y, x), or (y, x) of one band.
        put: puts that into its place, a window of the canvas.
        dense: they hardly shrink when compressed, so they are kept as they are.
        sides: gives rows and columns of what is kept of a window of the canvas; None where they are those of the window.
        beside: of files that `values` reads besides the images, see `stamps.stamps`.
    """

    path: str
    bands: int
    dtype: str
    canvas: Canvas
    values: Callable[[Any], np.ndarray]
    put: Callable[[np.ndarray, Window], None]
    dense: bool = False
    sides: Callable[[Window], tuple[int, int]] | None = None
    beside: Sequence[tuple[str, int, int]] | None = ()

    def shape(self, window: Window) -> tuple[int, ...]:
        """Of what is kept of a window of the canvas."""
        return self.bands, *(self.sides(window) if self.sides else (window.height, window.width))

    def __call__(self, part: Any) -> None:
        """Takes a part."""
        self.put(self.values(part), self.canvas.place(part.window))


class Block(msgspec.Struct, frozen=True):
    """What was found in a block.

    Attributes:
        number: of the block, in the order in which they are computed.
        valid: pixels with a result, or squares.
        measured: see `Outcome`, as all below.
        out_of_range: …
        beyond: …
        lowest: …
        highest: …
        window: column, row, width and height of what was drawn, on the canvas; all 0 where nothing was.
        layers: of each product, compressed unless `Pixels.dense`.
    """

    number: Count
    valid: Count
    measured: list[Count]
    out_of_range: list[Count]
    beyond: list[Count]
    lowest: list[float]
    highest: list[float]
    window: tuple[Count, Count, Count, Count] = (0, 0, 0, 0)
    layers: list[bytes] = []


@dataclass(frozen=True)
class Decided:
    """A block, and what is drawn of it: an array of each product, for a window of the canvas; none where nothing is known."""

    block: Block
    window: Window | None = None
    layers: Sequence[np.ndarray] = ()


def decided(canvas: Canvas, values: Sequence[Callable[[Any], np.ndarray]], block: Block, part: Any) -> Decided:
    """What is drawn of a block.

    Args:
        canvas: of the run.
        values: see `Pixels`, of each product.
        block: its counts.
        part: what the network said, an `inference.Part`; None of a block of which nothing is known.

    Raises:
        ModelError: the network gave no numbers or no probabilities, saying where.
    """
    if part is None or not block.valid:
        return Decided(block)
    check_part(canvas, part)
    return Decided(block, canvas.place(part.window), [give(part) for give in values])


def check_part(canvas: Canvas, part: Any) -> None:
    """Refuses what the model cannot have meant.

    Raises:
        ModelError: see `decided`.
    """
    if part.decided is not None:
        check_decided(part.decided, part.valid, part.window, canvas.model)
        return
    for scores in (part.scores, *part.further.values(), *(other[None] for other in part.beside.values())):
        check_scores(scores, part.valid, part.window, canvas.grid, canvas.model)


class _Head(msgspec.Struct, frozen=True):
    format: str
    version: int
    run: str


@dataclass(frozen=True)
class Run:
    """What a run is known by, and how large what it gives is.

    Attributes:
        checksum: of all that decides over its pixels.
        blocks: how many there are.
        bands: of its images.
        canvas: (height, width).
    """

    checksum: str
    blocks: int
    bands: int
    canvas: tuple[int, int]


class Journal:
    """The file, open; of one process. Between `finished` and the end blocks are added.

    Args:
        path: of the file, which may be there.
        run: of which it is the journal; that of another is emptied.
        takers: of all products.

    Attributes:
        foreign: the file held the journal of another run.
    """

    def __init__(self, path: Path, run: Run, takers: Sequence[Pixels]) -> None:
        self._run, self._takers, self.foreign = run, takers, False
        head = msgspec.msgpack.encode(_Head(FORMAT, VERSION, run.checksum))
        self._stream = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0), 0o666), "r+b", 0)
        self._size = os.fstat(self._stream.fileno()).st_size
        if self._next() != head:
            self.foreign = self._size > 0
            self._stream.seek(0)
            self._stream.truncate()
            self._size = 0
            self._append(head)

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stream.close()

    def finished(self) -> Iterator[tuple[Block, list[np.ndarray]]]:
        """The blocks of the file with what was drawn of them; once, and to the end."""
        seen: set[int] = set()
        while True:
            end = self._stream.tell()
            payload = self._next()
            found = self._read(payload) if payload is not None else None
            if found is None or found[0].number in seen:
                break
            seen.add(found[0].number)
            yield found
        self._stream.seek(end)
        self._stream.truncate()

    def add(self, found: Decided) -> None:
        """Writes a block with what is drawn of it."""
        block, window = found.block, found.window
        if window:
            pairs = zip(found.layers, self._takers, strict=True)
            packed = [layer.tobytes() if taker.dense else zlib.compress(np.ascontiguousarray(layer).data, _LEVEL) for layer, taker in pairs]
            block = msgspec.structs.replace(block, window=(window.col, window.row, window.width, window.height), layers=packed)
        self._append(msgspec.msgpack.encode(block))

    def _append(self, payload: bytes) -> None:
        for content in (_FRAME.pack(len(payload), zlib.crc32(payload)), payload):
            rest = memoryview(content)
            while rest:
                rest = rest[self._stream.write(rest):]

    def _next(self) -> bytes | None:
        """The next record; None where there is no whole one."""
        frame = self._stream.read(_FRAME.size)
        if len(frame) < _FRAME.size:
            return None
        length, checksum = _FRAME.unpack(frame)
        if length > self._size - self._stream.tell():
            return None
        payload = self._stream.read(length)
        return payload if len(payload) == length and zlib.crc32(payload) == checksum else None

    def _read(self, payload: bytes) -> tuple[Block, list[np.ndarray]] | None:
        """A record of this run; None of what it cannot have written."""
        try:
            block = msgspec.msgpack.decode(payload, type=Block)
        except msgspec.MsgspecError:
            return None
        col, row, width, height = block.window
        counts = (block.measured, block.out_of_range, block.beyond, block.lowest, block.highest)
        if (block.number >= self._run.blocks or any(len(count) != self._run.bands for count in counts)
                or row + height > self._run.canvas[0] or col + width > self._run.canvas[1]
                or len(block.layers) != (len(self._takers) if width and height else 0)):
            return None
        window = Window(col, row, width, height)
        layers = [_unpacked(layer, taker, taker.shape(window)) for layer, taker in zip(block.layers, self._takers, strict=False)]
        whole = [layer for layer in layers if layer is not None]
        return (block, whole) if len(whole) == len(layers) else None


def _unpacked(packed: bytes, taker: Pixels, shape: tuple[int, ...]) -> np.ndarray | None:
    """An array (band, y, x) of that shape; None of content that is not as long as that."""
    size = int(np.prod(shape)) * np.dtype(taker.dtype).itemsize
    try:
        content = packed if taker.dense else zlib.decompressobj().decompress(packed, size + 1)
    except zlib.error:
        return None
    return np.frombuffer(content, taker.dtype).reshape(shape) if len(content) == size else None


@contextmanager
def opened(run: Run, takers: Sequence[Any]) -> Iterator[Journal | None]:
    """The journal of a run beside its first output; None where it could not be gone on with: a product keeps more than pixels, or no job with
    values of its own makes the output.
    """
    if not run.checksum or not takers or not all(isinstance(taker, Pixels) for taker in takers) or not claims.keeps(settled(takers[0].path)):
        yield None
        return
    with kept_file(takers[0].path) as path, Journal(path, run, takers) as journal:
        yield journal


def checksum(*facts: Any) -> str:
    """SHA-256 of what decides over the pixels of a run."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()
