"""Takes away what `environment.build` made, and nothing else."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path

from ..errors import Cancelled, EngineError
from ..progress import SILENT, Progress
from . import disk, environment, uv

#: Beside the name of an engine: one half built, one half removed.
UNFINISHED = (".part", ".removed")


def remove(engines: Iterable[environment.Installed], downloads: bool = True, location: str = "", progress: Progress = SILENT) -> int:
    """Removes engines with the records that name them, and what interrupted installations left beside them.

    Args:
        engines: of `environment.installed`.
        downloads: uv's cache forgets their packages too; else files that it shares with the engines stay on the disk.
        location: the only place to look for what was interrupted; empty looks in all of `environment.locations`.
        progress: told each step.

    Returns:
        What was freed [byte], without what the cache alone held.

    Raises:
        EngineError: when one is in use, or cannot be removed; those before it are gone.
    """
    chosen = list(engines)
    for engine in chosen:
        _refuse_in_use(engine.folder)
    if downloads and chosen:
        progress.at(0, "Emptying uv's cache of the packages")
        if not uv.forget_downloads(os.path.dirname(chosen[0].folder), {environment.pinned_file(engine.kind) for engine in chosen},
                                   progress.part(0, 0.3)):
            progress.message(f"uv was not found, so what it keeps in {disk.uv_cache()} stays there.", "warning")
    freed = 0
    for number, engine in enumerate(chosen):
        with environment.alone(engine.folder):
            freed += _erased(engine.folder, progress.part(0.3 + 0.6 * number / len(chosen), 0.3 + 0.6 * (number + 1) / len(chosen)))
        _forget(engine)
    for place in [location] if location else environment.locations():
        freed += _leftovers(place, progress)
    return freed


def _refuse_in_use(folder: str) -> None:
    """Refuses where a process runs in the engine; elsewhere than on Linux only this one is seen, and Windows refuses to rename it."""
    real = os.path.realpath(folder)
    users = ["this process"] if os.path.realpath(sys.prefix) == real else []
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):  # it ended meanwhile, or is somebody else's
            program = os.path.join(place.parent, "cwd", os.fsdecode(place.read_bytes().partition(b"\0")[0]))  # as it was called
            called = [program, *([environment.in_its_environment(program)] if os.path.exists(program) else [])]  # perhaps by a link
            if any(os.path.join(os.path.realpath(os.path.dirname(one)), "").startswith(os.path.join(real, "")) for one in called):
                users.append(f"process {place.parent.name}")
    if users:
        raise EngineError(f"The engine in {folder} is in use ({', '.join(users[:3])}). Wait until the algorithms that run in it have ended, and run "
                          "again.")


def _erased(folder: str, progress: Progress) -> int:
    """Removes an engine and says how many bytes that freed."""
    aside = folder + ".removed"
    progress.at(0, f"Removing {folder}")
    shutil.rmtree(aside, ignore_errors=True)
    try:
        os.replace(folder, aside)  # from here on nobody finds it
    except OSError as error:
        raise EngineError(f"{folder} cannot be removed ({error.strerror}). Close the programs that use it, and run again.") from None
    return _emptied(aside, progress)


def _emptied(aside: str, progress: Progress) -> int:
    """Deletes a folder that nobody uses, package by package, and says how many bytes that freed."""
    freed = disk.freed_bytes(aside)
    parts = [os.path.join(place, name) for place, names, _ in os.walk(aside) if os.path.basename(place) == "site-packages" for name in names]
    for number, part in enumerate(sorted(parts)):
        with contextlib.suppress(Cancelled):  # once begun it is done: half an engine serves nobody
            progress.at(number / len(parts), "Deleting its files")
        shutil.rmtree(part, ignore_errors=True)
    shutil.rmtree(aside, ignore_errors=True)
    if os.path.exists(aside):
        progress.message(f"Some files in {aside} could not be removed. Delete that folder when no program uses it any more.", "warning")
    return freed


def _forget(engine: environment.Installed) -> None:
    """Removes records that name the interpreter of an engine that is gone."""
    for place in environment.locations():
        record = environment.record_of(place, engine.kind)
        if record.get("python") == environment.python_in(engine.folder):
            Path(place, f"{engine.kind}.json").unlink(missing_ok=True)


def _leftovers(place: str, progress: Progress) -> int:
    """Removes what installations and removals that were interrupted left in `place`, where none is at work."""
    freed = 0
    for folder in sorted(Path(place).glob("*-*")):
        whole = str(folder.with_suffix(""))
        if folder.suffix in UNFINISHED and folder.is_dir() and not folder.is_symlink() and environment.kind_in(os.path.basename(whole)):
            with contextlib.suppress(EngineError), environment.alone(whole):
                freed += _emptied(str(folder), progress.part(0.9, 1))
    return freed
