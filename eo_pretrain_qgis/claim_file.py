"""The file that is a claim, see `claims.py`: read and changed under a lock."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import time
from collections.abc import Iterator
from typing import Any

from . import process_identity
from .errors import DataError

FORMAT, VERSION = "eo-pretrain claim", 1
#: A claim has the same size from its first byte on [byte], so that a full disk cannot stop a job from listing a part.
SIZE = 4096
LOCK_WAIT_S = 10.0
#: A claim file is empty between its making and its first word, and where it was given back while another looked at it; one that has
#: been empty for longer is somebody's own file.
EMPTY_S = 60.0


@contextlib.contextmanager
def locked(place: str, create: bool = False) -> Iterator[int]:
    """A claim file, open, while nobody else reads or changes it."""
    flags = os.O_RDWR | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
    while True:
        stream = os.open(place, flags | os.O_CREAT if create else flags, 0o666)
        try:
            _lock(stream, place)
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(stream), os.stat(place)):  # else who held it before has removed it
                    yield stream
                    return
        finally:
            os.close(stream)
        if not create:
            raise FileNotFoundError(place)


def _lock(stream: int, place: str) -> None:
    """Waits for the lock; it ends with the stream. A disk that knows no locks is used without: then two jobs may meet in one instant."""
    end = time.monotonic() + LOCK_WAIT_S
    while not process_identity.try_lock(stream):
        if time.monotonic() > end:
            raise DataError(f"{place} is held by another program. Close what has it open, or choose another place.")
        time.sleep(0.01)


def load(stream: int, place: str) -> dict[str, Any] | None:
    """What a claim file says; None when it is empty, which is a claim that was just given back.

    Raises:
        DataError: the file is no claim.
    """
    os.lseek(stream, 0, os.SEEK_SET)
    content = os.read(stream, 2**20)
    if not content and time.time() - os.fstat(stream).st_mtime < EMPTY_S:
        return None
    try:
        record = json.loads(content)
        known = {"id": str, "job": str, "host": str, "boot": str, "since": str, "process": int, "started": int, "parts": list}
        if record["format"] == FORMAT and all(isinstance(record[key], kind) for key, kind in known.items()):
            return record
    except (ValueError, TypeError, KeyError, RecursionError):
        pass
    raise DataError(f"{place} is in the way: a file of this name says which job writes the output beside it, and this one says something "
                    "else. Move it away, or choose another place.")


def store(stream: int, record: dict[str, Any]) -> None:
    """Writes what a claim file says.

    Raises:
        OSError: it was not written as a whole.
    """
    content = json.dumps(record, indent=1, ensure_ascii=True).encode("ascii")
    content = content.ljust(-(-len(content) // SIZE) * SIZE, b"\n")
    os.lseek(stream, 0, os.SEEK_SET)
    if os.write(stream, content) != len(content):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    os.ftruncate(stream, len(content))


def release(stream: int, place: str) -> None:
    """Gives a claim back: its file is emptied and removed."""
    os.ftruncate(stream, 0)  # who waits for it, and who cannot remove it because others look (Windows), finds it free
    with contextlib.suppress(OSError):
        os.unlink(place)
