"""Which process a claim is of, whether it still lives, and the lock under which claims are read and changed, on each system."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import sys
from pathlib import Path
from typing import Any

#: What a file system answers that knows no locks.
NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL)
_BOOT, _MACHINE = "/proc/sys/kernel/random/boot_id", "/etc/machine-id"
_PROC_PIDTBSDINFO, _BSDINFO_SIZE, _BSDINFO_START = 3, 136, 120  # <sys/proc_info.h> of macOS: struct proc_bsdinfo, pbi_start_tvsec
_PROCESS_QUERY_LIMITED_INFORMATION = 0x1000


def own() -> dict[str, Any]:
    """``host``, ``boot``, ``process`` and ``started`` of this process, as a claim holds them."""
    return {"host": _host(), "boot": _boot(), "process": os.getpid(), "started": _started(os.getpid())}


def ended(owner: dict[str, Any]) -> dict[str, Any]:
    """What `own` described, as of a process that is known to have ended."""
    return {**owner, "process": 0, "started": 0}


def lives(owner: dict[str, Any]) -> bool | None:
    """Whether the process that `own` described still runs; None when it is of another machine or container and cannot be asked."""
    if owner["process"] == 0:  # see `ended`
        return False
    if owner["host"] != _host():
        return None
    boot, _, container = owner["boot"].partition(" ")
    here, _, our_container = _boot().partition(" ")
    if boot != here:
        return False
    if container != our_container:
        return None
    return _exists(owner["process"]) and owner["started"] in (0, _started(owner["process"]))


def try_lock(stream: int) -> bool:
    """Locks an open file for this process alone, without waiting; True also where the file system knows no locks."""
    try:
        if sys.platform == "win32":
            import msvcrt

            os.lseek(stream, 2**30, os.SEEK_SET)  # a byte nobody reads: Windows' locks keep others from reading
            msvcrt.locking(stream, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno in NO_LOCKS
    return True


def _host() -> str:
    """Name of the machine, with what tells two of one name apart."""
    with contextlib.suppress(OSError):
        return f"{socket.gethostname()} {Path(_MACHINE).read_text(encoding='ascii').strip()[:8]}".strip()
    return socket.gethostname()


def _boot() -> str:
    """Tells one start of the machine, and one container on it, from others; empty where start times of processes tell enough."""
    with contextlib.suppress(OSError):
        return f"{Path(_BOOT).read_text(encoding='ascii').strip()} {os.readlink('/proc/self/ns/pid')}"
    return ""


def _exists(process: int) -> bool:
    if process <= 0:
        return False
    if sys.platform == "win32":  # there os.kill would end it
        return _started(process) != 0
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # another user's
        return True
    return True


def _started(process: int) -> int:
    """When a process began, in the system's own unit; 0 where it does not say."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        if sys.platform == "linux":
            fields = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
            return 1 if fields[0] in "ZX" else int(fields[19])  # proc(5): state, starttime [clock ticks since boot]; a zombie is gone
        if sys.platform == "darwin":
            return _started_on_macos(process)
        if sys.platform == "win32":
            return _started_on_windows(process)
    return 0


def _started_on_macos(process: int) -> int:
    import ctypes

    buffer = ctypes.create_string_buffer(_BSDINFO_SIZE)
    size = ctypes.CDLL("libproc.dylib").proc_pidinfo(process, _PROC_PIDTBSDINFO, ctypes.c_uint64(0), buffer, _BSDINFO_SIZE)
    return int.from_bytes(buffer.raw[_BSDINFO_START:_BSDINFO_START + 8], sys.byteorder) if size == _BSDINFO_SIZE else 0


def _started_on_windows(process: int) -> int:
    import ctypes

    kernel = ctypes.windll.kernel32  # type: ignore[attr-defined]
    handle = kernel.OpenProcess(_PROCESS_QUERY_LIMITED_INFORMATION, False, process)
    if not handle:
        return 0
    try:
        times = [ctypes.c_uint64() for _ in range(4)]
        code = ctypes.c_ulong()
        kernel.GetExitCodeProcess(handle, ctypes.byref(code))
        found = kernel.GetProcessTimes(handle, *map(ctypes.byref, times))
        return times[0].value if found and code.value == 259 else 0  # STILL_ACTIVE
    finally:
        kernel.CloseHandle(handle)
