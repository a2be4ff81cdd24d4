"""Who writes what: beside each output that is being made lies one claim file, so that no two jobs write the same place and nothing is ever
removed but what a job itself began.

Beside ``map.tif`` it is called ``map.tif.claim``. It says which job of which process writes, and lists the parts it has begun; these have
names drawn at random, so that none can be a file of the user's. A second job is refused while the first lives. What a dead one left is
removed by its list (docs/adr/0007-an-output-is-claimed.md).
"""

from __future__ import annotations

import contextlib
import errno
import glob
import hashlib
import json
import os
import re
import secrets
import shutil
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

from . import process_identity
from .errors import DataError

FORMAT, VERSION = "eo-pretrain claim", 1
ENDING = ".claim"
#: Names of parts end in this; nothing else is ever removed, whatever a claim lists.
PART = re.compile(r"\.[0-9a-f]{16}\.part")
_PART_NAME = re.compile(r".+" + PART.pattern)
#: A claim has the same size from its first byte on [byte], so that a full disk cannot stop a job from listing a part.
SIZE = 4096
LONGEST_NAME = 255  # bytes, on all common file systems
LOCK_WAIT_S = 10.0
#: A claim file is empty between its making and its first word, and where it was given back while another looked at it; one that has
#: been empty for longer is somebody's own file.
EMPTY_S = 60.0

held: dict[str, Claim] = {}  # of this process; one that it starts and waits for may hold them too, and writes in its name
_guard = threading.RLock()


class Claim:
    """The claim on one output.

    Attributes:
        target: the output, with links followed.
        named: the path by which the user gave it.
        place: the claim file.
        record: what it says.
        made: folders that were made for it.
        parts: what has been begun.
        whole: a job took it and writes in its name as much as it likes.
        users: blocks that hold it, when no job does.
        main: one of these writes the output itself.
    """

    def __init__(self, target: str, record: dict[str, Any], made: list[str]) -> None:
        self.target, self.place, self.record, self.made = target, place_of(target), record, made
        self.named = os.path.abspath(target)
        self.parts: list[str] = []
        self.whole, self.users, self.main = False, 0, False

    def add(self, part: str) -> None:
        """Lists a part before it is begun."""
        with _guard:
            self._write([*self.parts, part])

    def drop(self, part: str) -> None:
        """Takes a part that is gone off the list."""
        with _guard, contextlib.suppress(OSError, DataError):  # the next job finds nothing of that name
            self._write([other for other in self.parts if other != part])

    def owns(self, path: str) -> bool:
        """Whether `path` is a part of this claim or lies in one."""
        return any(path == part or path.startswith(part + os.sep) for part in self.parts)

    def _write(self, parts: list[str]) -> None:
        home = os.path.dirname(self.place)
        listed = [os.path.relpath(part, home).replace(os.sep, "/") for part in parts]
        lost = DataError(f"The file {self.place} was taken away while “{self.record['job']}” was writing {self.target}. Run the job again, "
                         "and leave that file alone until it has ended.")
        try:
            with _locked(self.place) as stream:
                found = _load(stream, self.place)
                if found is None or found["id"] != self.record["id"]:
                    raise lost
                _store(stream, {**self.record, "parts": listed})
        except FileNotFoundError:
            raise lost from None
        self.parts = parts


def place_of(target: str) -> str:
    """Path of the claim file of an output; a name too long for one more ending is cut, with a checksum of the whole."""
    folder, name = os.path.split(target)
    if len(os.fsencode(name + ENDING)) > LONGEST_NAME:
        name = f"{_cut(name, 200)}-{hashlib.sha256(os.fsencode(name)).hexdigest()[:16]}"
    return os.path.join(folder, name + ENDING)


@contextlib.contextmanager
def taken(target: str, job: str, request: str = "", identity: str = "", tell: Callable[[str], None] = lambda text: None,
          named: str = "") -> Iterator[None]:
    """Claims an output for a job until the block ends.

    Args:
        target: path of the output, with links followed.
        job: its name, for people.
        request: checksum of what was asked.
        identity: of the job, under which `clear` finds its claims again; empty makes one up.
        tell: receives a sentence about what was found of a job that died.
        named: the path by which the user gave the output.

    Raises:
        DataError: another job has claimed it.
        OSError: the claim cannot be written.
    """
    with _guard:
        claim = _take(target, job, request, identity, tell)
        claim.whole, claim.named = True, os.path.abspath(named or target)
    try:
        yield
    finally:
        with _guard:
            _give_back(claim)


@contextlib.contextmanager
def part(target: str, of: str = "", main: bool = True) -> Iterator[str]:
    """The path of a file or folder to write aside, in the folder of `target`; whatever is there at the end is removed.

    Args:
        target: what the part will become, with links followed.
        of: the output it belongs to, such as the map of a style; empty is `target` itself.
        main: it becomes the output itself, and not something that belongs to it.

    Raises:
        DataError: another job has claimed the output.
    """
    folder, name = os.path.split(target)
    path = os.path.join(folder, f"{_cut(name, 200)}.{secrets.token_hex(8)}.part")
    with _covering(of or target, main and not of) as claim:
        nested = claim.owns(path)
        if not nested:
            claim.add(path)
        try:
            yield path
        finally:
            _remove(path, sidecars=not nested)
            if not nested:
                claim.drop(path)


def check_inside(path: str, target: str) -> None:
    """Refuses to write through a link that leads out of the folder of a job.

    Args:
        path: as the job names it.
        target: the same with links followed.

    Raises:
        DataError: `path` lies in the output folder of a job of this process, and `target` does not.
    """
    given = os.path.abspath(path)
    with _guard:
        claims = [claim for claim in held.values() if claim.whole and given.startswith(claim.named + os.sep)]
    for claim in claims:
        if not target.startswith(claim.target + os.sep):
            raise DataError(f"{path} is a link that leads to {target}, out of the folder that is written. Remove the link, or choose another folder.")


def clear(target: str, identity: str) -> None:
    """Removes the claim of the job `identity` on an output, with its parts; for that job at its end, and for who has seen it die."""
    place = place_of(target)
    with contextlib.suppress(OSError, DataError), _locked(place) as stream:  # none there, or another's
        record = _load(stream, place)
        if record is not None and record["id"] == identity:
            _sweep(record, place)
            _release(stream, place)


def abandon() -> None:
    """Removes all parts and claims of this process, right before it is ended by force."""
    for claim in list(held.values()):
        clear(claim.target, claim.record["id"])


@contextlib.contextmanager
def _covering(target: str, main: bool) -> Iterator[Claim]:
    """The claim of this process's job that `target` belongs to, or one on `target` for the time of the block.

    Args:
        target: what is written.
        main: the file or folder itself is written and not what belongs to it; of such writers a claim without a job has one at a time.
    """
    claim = _of_a_job(target)
    if claim is not None:
        yield claim
        return
    with _guard:
        claim = held.get(target)
        if claim is None or (main and claim.main):
            claim = _take(target, "this plugin")
        claim.users += 1
        claim.main |= main
    try:
        yield claim
    finally:
        with _guard:
            claim.users -= 1
            claim.main &= not main
            if not claim.users:
                _give_back(claim)


def _of_a_job(target: str) -> Claim | None:
    """The claim of a job on `target` or on a folder above it, or the claim with a part above it."""
    with _guard:
        above = target
        while True:
            for claim in held.values():
                if (claim.whole and claim.target == above) or claim.owns(above):
                    return claim
            if above == os.path.dirname(above):
                return None
            above = os.path.dirname(above)


def _take(target: str, job: str, request: str = "", identity: str = "", tell: Callable[[str], None] = lambda text: None) -> Claim:
    record = {"format": FORMAT, "version": VERSION, "id": identity or uuid.uuid4().hex, "job": job, "request": request,
              "output": os.path.basename(target), "since": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), **process_identity.own(),
              "parts": []}
    _refuse_unmade_folder(target)
    claim = Claim(target, record, _make_folders(os.path.dirname(target)))
    with contextlib.ExitStack() as undo:
        undo.callback(_remove_empty, claim.made)
        with _locked(claim.place, create=True) as stream:
            found = _load(stream, claim.place)
            if found is not None:
                _refuse_living(found, target, claim.place)
                if _sweep(found, claim.place):
                    tell(f"“{found['job']}” had begun {target} and ended before it was finished. What it had left was removed.")
            try:
                _store(stream, record)
            except OSError:
                _release(stream, claim.place)
                raise
        undo.pop_all()
    held[target] = claim
    return claim


def _give_back(claim: Claim) -> None:
    del held[claim.target]
    clear(claim.target, claim.record["id"])
    _remove_empty(claim.made)


def _remove_empty(folders: list[str]) -> None:
    """An output that did not come about leaves no empty folders."""
    for folder in folders:
        with contextlib.suppress(OSError):
            os.rmdir(folder)


def _refuse_unmade_folder(target: str) -> None:
    """Refuses an output in a folder that another job is about to make: it would take the place of what is put there meanwhile."""
    above = os.path.dirname(target)
    while above != os.path.dirname(above):
        if os.path.lexists(place_of(above)) and above not in held and not (os.path.isdir(above) and os.listdir(above)):
            with contextlib.suppress(FileNotFoundError), _locked(place_of(above)) as stream:
                found = _load(stream, place_of(above))
                if found is not None:
                    _refuse_living(found, above, place_of(above))
        above = os.path.dirname(above)


def _refuse_living(found: dict[str, Any], target: str, place: str) -> None:
    whom = f"“{found['job']}” (process {found['process']} on {found['host']}, since {found['since']})"
    lives = process_identity.lives(found)
    if lives is None:
        raise DataError(f"{target} is being written by {whom}, a computer that cannot be asked from here. Wait until it has ended; if it has, "
                        f"delete the file {place} and run again.")
    if lives:
        raise DataError(f"{target} is being written by {whom}. Wait until it has ended, or choose another place.")


def _make_folders(folder: str) -> list[str]:
    """Makes a folder and those above it; returns the new ones, the deepest first."""
    made = []
    above = folder
    while above and not os.path.lexists(above):
        made.append(above)
        above = os.path.dirname(above)
    if above and not os.path.isdir(above):
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), above)
    os.makedirs(folder, exist_ok=True)
    return made


@contextlib.contextmanager
def _locked(place: str, create: bool = False) -> Iterator[int]:
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


def _load(stream: int, place: str) -> dict[str, Any] | None:
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


def _store(stream: int, record: dict[str, Any]) -> None:
    content = json.dumps(record, indent=1, ensure_ascii=True).encode("ascii")
    content = content.ljust(-(-len(content) // SIZE) * SIZE, b"\n")
    os.lseek(stream, 0, os.SEEK_SET)
    if os.write(stream, content) != len(content):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    os.ftruncate(stream, len(content))


def _release(stream: int, place: str) -> None:
    os.ftruncate(stream, 0)  # who waits for it, and who cannot remove it because others look (Windows), finds it free
    with contextlib.suppress(OSError):
        os.unlink(place)


def _sweep(record: dict[str, Any], place: str) -> bool:
    """Removes the parts that a claim lists, and says whether there were any; a name that is none of ours is left alone."""
    home = os.path.realpath(os.path.dirname(place))
    found = False
    for listed in record["parts"]:
        folder, name = os.path.split(os.path.normpath(os.path.join(home, str(listed))))
        path = os.path.join(os.path.realpath(folder), name)
        if _PART_NAME.fullmatch(name) and path.startswith(os.path.join(home, "")) and os.path.lexists(path):
            found = True
            _remove(path, sidecars=True)
    return found


def _remove(path: str, sidecars: bool) -> None:
    """Removes a part, and what libraries put beside it under its name and an ending, such as journals."""
    for found in [path, *(glob.glob(glob.escape(path) + "*") if sidecars else [])]:
        if os.path.isdir(found) and not os.path.islink(found):
            shutil.rmtree(found, ignore_errors=True)
        else:
            with contextlib.suppress(OSError):
                os.unlink(found)


def _cut(name: str, length: int) -> str:
    return os.fsencode(name)[:length].decode("utf-8", "ignore")
