"""Where results are written: claimed, aside first, in place only when whole; and what the system's errors mean, in sentences."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
import stat
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from . import claims
from .errors import DataError

#: The log that `worker.client` leaves in a folder it had written; it does not make the folder "used".
WORKER_LOG = "worker.log"
#: What QGIS calls a temporary output: as its parameter.
TEMPORARY = "OUTPUT"
#: Below this free space [byte] a failed write is put down to a full disk: GDAL does not say why a write failed.
NEARLY_FULL = 64 * 2**20
#: Windows takes so many characters of a path where long paths are not switched on, and names no file after a device, whatever its ending
#: (https://learn.microsoft.com/windows/win32/fileio/naming-a-file).
LONGEST_WINDOWS_PATH = 259
DEVICES = re.compile(r"(con|prn|aux|nul|com[1-9¹²³]|lpt[1-9¹²³])[. ]*(\..*)?", re.IGNORECASE)
#: How long a scanner of viruses may hold a file on Windows that was just written [s].
PATIENCE_S = 2.0
#: Names of system errors → what is wrong with the path, what to do. Names, since no system has all of them.
_REASONS = (
    (("EROFS",), "lies on a disk that is read-only", "Choose a folder you may write to."),
    (("ENAMETOOLONG",), "has a name that is too long for the disk", "Choose a shorter name."),
    (("ELOOP",), "is a link that leads back to itself", "Choose another place."),
    (("ENOTDIR",), "lies below something that is a file and not a folder", "Choose another folder."),
    (("EISDIR",), "is a folder", "Choose the name of a file."),
    (("EEXIST",), "is there already", "Choose another name."),
    (("ENOTEMPTY",), "holds other files", "Choose a new or empty folder."),
    (("ENOENT",), "is not there", "Check the path, and run again."),
    (("EXDEV",), "is a disk of its own, onto which a finished result cannot be moved in one step", "Choose a new folder inside it."),
    (("EBUSY", "ETXTBSY"), "is in use by another program", "Close that program, or choose another place."),
    (("EINVAL", "EILSEQ"), "has a name that the disk does not take", "Choose a name of letters, digits, - and _."),
    (("EMFILE", "ENFILE"), "cannot be opened: too many files are open", "Close other programs, or raise the limit of open files (ulimit -n)."),
    (("ENOMEM",), "cannot be used, because the memory is full", "Close other programs and run again."),
    (("EIO", "ESTALE", "ENXIO", "ENODEV", "ETIMEDOUT", "EHOSTDOWN", "EHOSTUNREACH", "ENOTCONN"), "cannot be reached any more",
     "The disk or the network drive failed: check it, and run again."),
)
REASONS = {getattr(errno, name): (what, advice) for names, what, advice in _REASONS for name in names if hasattr(errno, name)}
FULL = tuple(getattr(errno, name) for name in ("ENOSPC", "EDQUOT", "EFBIG") if hasattr(errno, name))


@contextlib.contextmanager
def new_file(path: str | Path, of: str | Path = "") -> Iterator[Path]:
    """Gives the path of a file to write aside; it takes the place of `path` at the end, or is removed on any error.

    Args:
        path: the file to write; a link is followed, as everywhere when a file is written.
        of: the output it belongs to, when that is another one, such as the map of a style.

    Raises:
        DataError: another job writes it, disk full, folder not writable, or the old file is open elsewhere.
    """
    with explained(path):
        target = settled(path)
        claims.check_inside(os.fspath(path), target)
        with claims.part(target, settled(of) if of else "") as part:
            os.makedirs(os.path.dirname(target), exist_ok=True)
            was_there = os.path.lexists(target)
            yield Path(part)
            if not was_there and os.path.lexists(target):
                raise DataError(f"{target} was put there by somebody else while this job ran, and is not replaced. Run again with another name.")
            _replace(part, target)


@contextlib.contextmanager
def scratch_file(path: str | Path) -> Iterator[Path]:
    """Gives the path of a file in the folder of the output `path` that is needed only while the output is made; it is removed at the end."""
    with explained(path), claims.part(settled(path), main=False) as part:
        yield Path(part)


@contextlib.contextmanager
def scratch_folder(path: str | Path) -> Iterator[Path]:
    """As `scratch_file`, of a folder that is there and empty."""
    with explained(path), claims.part(settled(path), main=False) as part:
        os.makedirs(part)
        yield Path(part)


@contextlib.contextmanager
def kept_file(path: str | Path) -> Iterator[Path]:
    """As `scratch_file`, but the file stays until the job ends. When its process is killed, the next job that asks for the same is given it again.

    For outputs that `claims.keeps`.
    """
    with explained(path), claims.part(settled(path), main=False, kept=True) as part:
        yield Path(part)


@contextlib.contextmanager
def new_folder(path: str | Path) -> Iterator[Path]:
    """Gives a folder to fill aside; it becomes `path` at the end, or is removed on any error.

    Raises:
        DataError: another job writes it, `path` already holds files, disk full, or not writable.
    """
    with explained(path):
        target = settled(path)
        with claims.part(target) as part:
            refuse_used(target)
            os.makedirs(part)
            yield Path(part)
            refuse_used(target)  # somebody may have put files there meanwhile
            _move_folder(Path(part), Path(target))


def refuse_used(folder: str | Path) -> None:
    """Raises DataError when `folder` is a file or holds files already."""
    target = Path(folder)
    with explained(target):
        if target.is_file() or is_used(target):
            raise DataError(f"The folder {target} already holds files. Choose a new or empty folder.")


def is_used(folder: str | Path) -> bool:
    """Whether a folder is there and holds more than a log of ours."""
    return os.path.isdir(folder) and any(name != WORKER_LOG for name in os.listdir(folder))


def spoken_name(path: str | Path) -> str:
    """What people call a file or folder; empty where QGIS made the name up, as for all that it writes to a temporary folder."""
    name = os.path.basename(os.path.abspath(path))
    return "" if name.partition(".")[0] == TEMPORARY else name


def check_sidecar(path: str | Path) -> None:
    """Refuses an output whose name has a file of GDAL's beside it already, of another image: it would be taken for that of the output.

    Raises:
        DataError: there is such a file, and no output yet.
    """
    beside = Path(f"{path}.aux.xml")
    if beside.exists() and not Path(path).exists():
        raise DataError(f"{beside} is there already, and without {Path(path).name}, so it belongs to something else. Move it away, or choose another "
                        "name for the output.")


def settled(path: str | Path) -> str:
    """The absolute path of an output with links followed, so that two names of one place are one output.

    Raises:
        OSError: a link leads back to itself, the name is too long or that of a device of Windows, or it lies below a file.
    """
    if sys.platform == "win32" and DEVICES.fullmatch(os.path.basename(path)):
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL), os.fspath(path))
    real = os.path.realpath(path)
    with contextlib.suppress(FileNotFoundError):
        if stat.S_ISLNK(os.lstat(real).st_mode):
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), os.fspath(path))
    return real


@contextlib.contextmanager
def explained(path: str | Path) -> Iterator[None]:
    """Turns the system's errors while `path` is written into sentences.

    Raises:
        DataError: disk full, not permitted, a name that cannot be, …
    """
    try:
        yield
    except OSError as error:
        sentence = said(error, path)
        if sentence is None:  # rasterio's errors are OSErrors without a number
            raise
        raise sentence from error


def said(error: OSError, path: str | Path = "") -> DataError | None:
    """The sentences for an error of the system; None when it has no number, so that nothing is known of it.

    Args:
        error: what was raised.
        path: what was being written; in sentences it stands for the parts of it that have names of their own.
    """
    named = error.filename2 if error.errno in FULL and error.filename2 else error.filename  # of a copy, the disk of the second is full
    found = os.fsdecode(named) if isinstance(named, (str, bytes)) else ""
    place = path if path and (not found or claims.PART.search(found) or found.endswith(claims.ENDING)) else found
    if not place and error.errno == errno.ENOENT:  # tempfile, which looked in several places
        return DataError(f"{error.strerror}. Make one of these folders, name another in the variable TMPDIR, and run again.")
    place = place or "a file"
    if error.errno in FULL or "No space left" in str(error):
        return disk_full(place)
    if error.errno is None:
        return None
    if isinstance(error, PermissionError):
        if not path or (found and os.path.dirname(found) != os.path.dirname(os.fspath(path)) and os.path.exists(found)):
            return DataError(f"{place} may not be read or written ({error.strerror}). Ask for the right to it, or choose another one.")
        return DataError(f"{place} may not be written ({error.strerror}). Choose a folder you may write to.")
    place = claims.PART.sub("", os.fspath(place))
    length = len(os.path.abspath(place))
    if sys.platform == "win32" and error.errno == errno.ENOENT and length > LONGEST_WINDOWS_PATH:
        return DataError(f"{place} has {length} characters, and Windows takes {LONGEST_WINDOWS_PATH} here. Choose a folder with a shorter path, or "
                         "switch long paths on in Windows.")
    what, advice = REASONS.get(error.errno, (f"cannot be read or written ({error.strerror})", "Check the disk and the path, and run again."))
    return DataError(f"{place} {what}. {advice}")


def disk_full(path: str | Path) -> DataError:
    """The sentence for a full disk."""
    return DataError(f"The disk is full while writing {claims.PART.sub('', os.fspath(path))}. Free some space and run again.")


def failed_write(failure: BaseException, path: str | Path) -> DataError:
    """The sentence for a library's failure to write `path`: a full disk when the disk is full, otherwise what the library says."""
    words = f"{failure} {failure.__cause__ or ''}".strip()
    folder = os.path.dirname(os.path.abspath(path))
    if "No space left" in words or "disk is full" in words or (os.path.isdir(folder) and shutil.disk_usage(folder).free < NEARLY_FULL):
        return disk_full(path)
    return DataError(f"{path} cannot be written ({words.splitlines()[0] if words else type(failure).__name__}). "
                     "Check the disk, and run again.")


def move(source: str | Path, target: str | Path, patience_s: float = PATIENCE_S) -> None:
    """`os.replace`, which is tried again for a while on Windows: there a scanner of viruses may hold what was just written.

    Raises:
        PermissionError: somebody still has one of them open.
    """
    end = time.monotonic() + patience_s
    while True:
        try:
            os.replace(source, target)
            return
        except PermissionError:
            if sys.platform != "win32" or time.monotonic() > end:
                raise
            time.sleep(0.1)


def _replace(part: str, target: str) -> None:
    try:
        move(part, target)
    except PermissionError:  # Windows: the file is open, most often as a layer in QGIS
        raise DataError(f"{target} is open in another program. Remove its layer from QGIS or choose another name.") from None


def _move_folder(part: Path, target: Path) -> None:
    if sys.platform != "win32" or not target.exists():  # an empty folder in the way is no obstacle, except on Windows
        with contextlib.suppress(OSError):
            move(part, target)
            return
    # The target is there and empty, or holds the log, which is open: descriptions go last, so that what looks finished is.
    target.mkdir(exist_ok=True)
    for child in sorted(part.iterdir(), key=lambda child: child.suffix == ".json"):
        move(child, target / child.name)
