"""Room for engines: how much each kind takes, how much is free, how much a folder holds and its removal would free."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from ..errors import EngineError

GB = 1e9


@dataclass(frozen=True)
class Size:
    """What an engine takes [GB]: to download, and on disk when it is built."""

    download: float
    disk: float


#: Measured with the pinned files on Linux (x86-64): what uv says it downloads, and the files of the built environment, both rounded up.
SIZES = {"predict": Size(0.3, 1.1), "predict_gpu": Size(1.9, 3.5), "train": Size(3.6, 7.3)}
#: “train” with torch's build for processors: all packages but those of CUDA, and about 0.2 GB for torch, 0.9 GB on disk, which were not measured.
WITHOUT_CUDA = Size(0.8, 2.5)


def size_of(kind: str, lean: bool = False) -> Size | None:
    """What an engine of `kind` takes, `lean` with torch's build for processors; None for a kind that nobody measured."""
    return WITHOUT_CUDA if kind == "train" and (lean or sys.platform != "linux") else SIZES.get(kind)


def check_room(kind: str, location: str, lean: bool = False) -> None:
    """Refuses to build an engine where the disk, or the one of uv's cache, has too little room for it.

    On one disk the environment and the cache share their files, as links; on two each holds all of them.

    Raises:
        EngineError: naming the place, what it takes and what is free.
    """
    size = size_of(kind, lean)
    if size is None:
        return
    for place in (location, uv_cache()):
        free = free_gb(place)
        if free < size.disk:
            raise EngineError(f"The engine takes about {size.disk} GB, but only {free:.1f} GB are free on the disk of {place}. Free some space "
                              "there, or choose another disk (“Where to build”; the variable UV_CACHE_DIR moves uv's cache), and run again.")


def free_gb(place: str) -> float:
    """Free space on the disk where `place` is or will be [GB]."""
    return shutil.disk_usage(existing(place)).free / GB


def existing(place: str) -> str:
    """The first folder on the way up from `place` that is there."""
    place = os.path.abspath(place)
    while not os.path.exists(place):
        place = os.path.dirname(place)
    return place


def uv_cache() -> str:
    """Where uv keeps what it downloaded (https://docs.astral.sh/uv/reference/storage)."""
    if os.environ.get("UV_CACHE_DIR"):
        return os.environ["UV_CACHE_DIR"]
    if sys.platform == "win32":
        return os.path.join(os.environ.get("LOCALAPPDATA") or os.path.expanduser("~"), "uv", "cache")
    return os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "uv")


def folder_bytes(folder: str) -> int:
    """What the files of a folder hold."""
    return sum(facts.st_size for facts in _files(folder))


def freed_bytes(folder: str) -> int:
    """What removing a folder frees: files that have another name elsewhere, as in uv's cache, stay on the disk."""
    return sum(facts.st_size for facts in _files(folder) if facts.st_nlink <= 1)


def _files(folder: str) -> Iterator[os.stat_result]:
    for place, _, names in os.walk(folder):
        for name in names:
            yield os.lstat(os.path.join(place, name))
