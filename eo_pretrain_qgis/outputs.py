"""Where results are written: aside first, in place only when whole."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from .errors import DataError

#: Written into an output folder by the worker before the job starts; it does not make the folder "used".
WORKER_LOG = "worker.log"


@contextlib.contextmanager
def new_file(path: str | Path) -> Iterator[Path]:
    """Gives the path of a file to write aside; it takes the place of `path` at the end, or is removed on any error.

    Raises:
        DataError: disk full, folder not writable, or the old file is open elsewhere.
    """
    target = Path(path)
    part = target.with_name(target.name + ".part")
    with explained(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        part.unlink(missing_ok=True)
        try:
            yield part
            _replace(part, target)
        finally:
            part.unlink(missing_ok=True)


@contextlib.contextmanager
def new_folder(path: str | Path) -> Iterator[Path]:
    """Gives a folder to fill aside; it becomes `path` at the end, or is removed on any error.

    Raises:
        DataError: `path` already holds files, disk full, or not writable.
    """
    target = Path(path)
    refuse_used(target)
    part = target.with_name(target.name + ".part")
    with explained(target):
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        try:
            yield part
            _move_folder(part, target)
        finally:
            shutil.rmtree(part, ignore_errors=True)


def refuse_used(folder: str | Path) -> None:
    """Raises DataError when `folder` holds files already."""
    target = Path(folder)
    if target.is_file() or (target.is_dir() and any(child.name != WORKER_LOG for child in target.iterdir())):
        raise DataError(f"The folder {target} already holds files. Choose a new or empty folder.")


@contextlib.contextmanager
def explained(path: str | Path) -> Iterator[None]:
    """Turns the system's errors while `path` is written into sentences.

    Raises:
        DataError: disk full, or not permitted.
    """
    try:
        yield
    except PermissionError as error:
        raise DataError(f"{path} may not be written ({error.strerror}). Choose a folder you may write to.") from error
    except OSError as error:  # rasterio's errors are OSErrors without a number
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG) or "No space left" in str(error):
            raise disk_full(path) from error
        raise


def disk_full(path: str | Path) -> DataError:
    """The sentence for a full disk."""
    return DataError(f"The disk is full while writing {path}. Free some space and run again.")


def _replace(part: Path, target: Path) -> None:
    try:
        os.replace(part, target)
    except PermissionError:  # Windows: the file is open, most often as a layer in QGIS
        raise DataError(f"{target} is open in another program. Remove its layer from QGIS or choose another name.") from None


def _move_folder(part: Path, target: Path) -> None:
    if not target.exists():
        os.replace(part, target)
        return
    # The target is there and empty (or holds the log, which is open): descriptions go last, so that what looks finished is.
    for child in sorted(part.iterdir(), key=lambda child: child.suffix == ".json"):
        os.replace(child, target / child.name)
