"""Who writes what: beside each output that is being made lies one claim file, so that no two jobs write the same place and nothing is ever
removed but what a job itself began.

Beside ``map.tif`` it is called ``map.tif.claim``. It says which job of which process writes, and lists the parts it has begun; these have
names drawn at random, so that none can be a file of the user's. A second job is refused while the first lives. What a dead one left is
removed by its list (docs/adr/0007-an-output-is-claimed.md); parts that are marked there as kept are given to the next job that asks for the
same (docs/adr/0028-a-killed-map-goes-on.md).
"""

from __future__ import annotations

import contextlib
import errno
import glob
import hashlib
import os
import re
import secrets
import shutil
import threading
import time
import uuid
from collections.abc import Callable, Collection, Iterator
from typing import Any

from . import claim_file, process_identity
from .errors import DataError, WorkersGoneError

ENDING = ".claim"
#: Names of parts end in this; nothing else is ever removed, whatever a claim lists.
PART = re.compile(r"\.[0-9a-f]{16}\.part")
_PART_NAME = re.compile(r".+" + PART.pattern, re.DOTALL)  # a name may hold a line break
LONGEST_NAME = 255  # bytes, on all common file systems

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
        kept: of these, what stays when the process is killed.
        left: of these, what a killed job that asked for the same has left and this one has not taken yet.
        whole: a job took it and writes in its name as much as it likes.
        users: blocks that hold it, when no job does.
        main: one of these writes the output itself.
    """

    def __init__(self, target: str, record: dict[str, Any], made: list[str]) -> None:
        self.target, self.place, self.record, self.made = target, place_of(target), record, made
        self.named = os.path.abspath(target)
        self.parts, self.kept, self.left = list[str](), list[str](), list[str]()
        self.whole, self.users, self.main = False, 0, False

    def add(self, part: str, kept: bool = False) -> None:
        """Lists a part before it is begun."""
        with _guard:
            self._write([*self.parts, part], [*self.kept, *([part] if kept else [])])

    def drop(self, part: str) -> None:
        """Takes a part that is gone off the list."""
        with _guard, contextlib.suppress(OSError, DataError):  # the next job finds nothing of that name
            self._write(*([other for other in parts if other != part] for parts in (self.parts, self.kept)))

    def owns(self, path: str) -> bool:
        """Whether `path` is a part of this claim or lies in one."""
        return any(path == part or path.startswith(part + os.sep) for part in self.parts)

    def _write(self, parts: list[str], kept: list[str]) -> None:
        home = os.path.dirname(self.place)
        listed, stay = ([os.path.relpath(part, home).replace(os.sep, "/") for part in paths] for paths in (parts, kept))
        lost = DataError(f"The file {self.place} was taken away while “{self.record['job']}” was writing {self.target}. Run the job again, "
                         "and leave that file alone until it has ended.")
        try:
            with claim_file.locked(self.place) as stream:
                found = claim_file.load(stream, self.place)
                if found is None or found["id"] != self.record["id"]:
                    raise lost
                claim_file.store(stream, {**self.record, "parts": listed, "kept": stay})
        except FileNotFoundError:
            raise lost from None
        self.parts, self.kept = parts, kept


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
    unfinished = False
    try:
        yield
    except WorkersGoneError:
        unfinished = True
        raise
    finally:
        with _guard:
            _give_back(claim, unfinished)


@contextlib.contextmanager
def part(target: str, of: str = "", main: bool = True, kept: bool = False) -> Iterator[str]:
    """The path of a file or folder to write aside, in the folder of `target`; whatever is there at the end is removed.

    Args:
        target: what the part will become, with links followed.
        of: the output it belongs to, such as the map of a style; empty is `target` itself.
        main: it becomes the output itself, and not something that belongs to it.
        kept: it stays until the job ends, and when its process is killed, for the next job that asks for the same; what such a job has left is given
            again. For an output that `keeps`.

    Raises:
        DataError: another job has claimed the output.
    """
    folder, name = os.path.split(target)
    path = os.path.join(folder, f"{_cut(name, 200)}.{secrets.token_hex(8)}.part")
    with _covering(of or target, main and not of) as claim:
        if kept and claim.left:
            path, nested = claim.left.pop(), False  # it is on the list
        elif not (nested := claim.owns(path)):
            claim.add(path, kept)
        try:
            yield path
        finally:
            if not kept:  # what is kept goes with the claim: later steps of the job may be killed, too
                _remove(path, sidecars=not nested)
                if not nested:
                    claim.drop(path)


def keeps(target: str) -> bool:
    """Whether `target` is an output of a job that says what was asked, so that the next one can tell whether it asks for the same."""
    claim = held.get(target)
    return claim is not None and claim.whole and bool(claim.record["request"])


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


def clear(target: str, identity: str, died: bool = False) -> bool:
    """Removes the claim of the job `identity` on an output, with its parts; for that job at its end, and for who has seen it die.

    Args:
        target: path of the output, with links followed.
        identity: of the job.
        died: its process was killed, or broke down, and nobody had asked it to stop, or the workers it had were; then what it keeps stays, and the
            claim with it.

    Returns:
        Whether something stayed.
    """
    place = place_of(target)
    with contextlib.suppress(OSError, DataError), claim_file.locked(place) as stream:  # none there, or another's
        record = claim_file.load(stream, place)
        if record is not None and record["id"] == identity:
            died = died or record["process"] == 0  # it has said so itself
            kept = _kept(record, place) if died else []
            _sweep(record, place, kept)
            if kept:
                names = [os.path.basename(path) for path in kept]
                claim_file.store(stream, {**process_identity.ended(record), "parts": names, "kept": names})
                return True
            claim_file.release(stream, place)
    return False


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
    record = {"format": claim_file.FORMAT, "version": claim_file.VERSION, "id": identity or uuid.uuid4().hex, "job": job, "request": request,
              "output": os.path.basename(target), "since": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), **process_identity.own(),
              "parts": [], "kept": []}
    _refuse_unmade_folder(target)
    claim = Claim(target, record, _make_folders(os.path.dirname(target)))
    with contextlib.ExitStack() as undo:
        undo.callback(_remove_empty, claim.made)
        with claim_file.locked(claim.place, create=True) as stream:
            found = claim_file.load(stream, claim.place)
            if found is not None:
                _refuse_living(found, target, claim.place)
                claim.kept = _kept(found, claim.place) if request and found.get("request") == request else []
                claim.parts, claim.left = list(claim.kept), list(claim.kept)
                record["parts"] = record["kept"] = [os.path.basename(path) for path in claim.kept]
                if _sweep(found, claim.place, claim.kept) and not claim.kept:
                    tell(f"“{found['job']}” had begun {target} and ended before it was finished. What it had left was removed.")
            try:
                claim_file.store(stream, record)
            except OSError:
                claim_file.release(stream, claim.place)
                raise
        undo.pop_all()
    held[target] = claim
    return claim


def _give_back(claim: Claim, unfinished: bool = False) -> None:
    del held[claim.target]
    clear(claim.target, claim.record["id"], unfinished)
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
            with contextlib.suppress(FileNotFoundError), claim_file.locked(place_of(above)) as stream:
                found = claim_file.load(stream, place_of(above))
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


def _sweep(record: dict[str, Any], place: str, kept: Collection[str] = ()) -> bool:
    """Removes the parts that a claim lists, but for some, and says whether there were any."""
    found = [path for path in _listed(record["parts"], place) if path not in kept]
    for path in found:
        _remove(path, sidecars=True)
    return bool(found)


def _kept(record: dict[str, Any], place: str) -> list[str]:
    """The parts beside the output that a claim lists as kept: plain files. Claims of older versions have none."""
    names = record.get("kept")
    parts, kept = (_listed(paths, place) for paths in (record["parts"], names if isinstance(names, list) else []))
    home = os.path.realpath(os.path.dirname(place))
    return [path for path in kept if path in parts and os.path.dirname(path) == home and os.path.isfile(path) and not os.path.islink(path)]


def _listed(names: list[Any], place: str) -> list[str]:
    """Paths of the parts of a list that are there; a name that is none of ours is left alone."""
    home = os.path.realpath(os.path.dirname(place))
    found = []
    for listed in names:
        folder, name = os.path.split(os.path.normpath(os.path.join(home, str(listed))))
        path = os.path.join(os.path.realpath(folder), name)
        if _PART_NAME.fullmatch(name) and path.startswith(os.path.join(home, "")) and os.path.lexists(path):
            found.append(path)
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
