"""Windows' rules for files, on Linux: what is open is neither replaced, moved nor removed, and some names cannot be.

What is open is read from /proc, mapped files too, of this process alone.
"""

import errno
import os
import re
import shutil
from contextlib import contextmanager
from pathlib import Path

import pytest

#: https://learn.microsoft.com/windows/win32/fileio/naming-a-file
RESERVED = re.compile(r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(\..*)?", re.IGNORECASE)
IN_USE = "The process cannot access the file because it is being used by another process"
FORBIDDEN = re.compile(r'[<>:"/\\|?*\x00-\x1f]|[. ]$')


def open_files():
    """Paths of the files that this process has open or mapped into memory."""
    found = set()
    for number in os.listdir("/proc/self/fd"):
        try:
            found.add(os.readlink(f"/proc/self/fd/{number}"))
        except OSError:  # it was that of the listing
            continue
    for line in Path("/proc/self/maps").read_text(encoding="utf-8").splitlines():
        found.update(line.split(None, 5)[5:])
    return {path for path in found if path.startswith("/")}


def in_use(path):
    """The open files at a path or below it."""
    place = os.path.join(os.path.realpath(os.path.dirname(os.path.abspath(path))), os.path.basename(path))
    return {name for name in open_files() if name == place or name.startswith(place + "/")}


@contextmanager
def windows_rules():
    """Moving, replacing and removing of open files fails as on Windows; gives the list of the files of which that was tried."""
    refused = []
    patch = pytest.MonkeyPatch()

    def guarded(function, count):
        def call(*arguments, **options):
            if "dir_fd" not in options or options["dir_fd"] is None:
                for path in arguments[:count]:
                    held = in_use(path)
                    if held:
                        refused.extend(sorted(held))
                        raise PermissionError(errno.EACCES, IN_USE, str(path))
            return function(*arguments, **options)
        return call

    def tree(path, ignore_errors=False, **options):
        held = in_use(path)
        refused.extend(sorted(held))
        if held and not ignore_errors:
            raise PermissionError(errno.EACCES, IN_USE, str(path))
        if not held:
            removed(path, ignore_errors=ignore_errors, **options)

    removed = shutil.rmtree
    for name, count in (("replace", 2), ("rename", 2), ("unlink", 1), ("remove", 1)):
        patch.setattr(os, name, guarded(getattr(os, name), count))
    patch.setattr(shutil, "rmtree", tree)
    try:
        yield refused
    finally:
        patch.undo()


def impossible_names(folder):
    """What below a folder could not be there on Windows: forbidden names, and two that differ in upper and lower case alone."""
    found, seen = [], set()
    for path in sorted(Path(folder).rglob("*")):
        relative = str(path.relative_to(folder))
        if RESERVED.fullmatch(path.name) or FORBIDDEN.search(path.name) or relative.casefold() in seen:
            found.append(relative)
        seen.add(relative.casefold())
    return found
