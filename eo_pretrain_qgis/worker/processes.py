"""Other programs: started in a clean environment and a process group of their own, read line by line, ended as a whole tree."""

from __future__ import annotations

import contextlib
import io
import os
import queue
import signal
import subprocess  # every process starts here, from a list without a shell  # nosec B404
import sys
import threading
from typing import IO, Any

from ..offline import TELEMETRY

# QGIS (OSGeo4W, macOS bundles, AppImages) sets these for its own libraries; with them wheels find the wrong PROJ, GDAL or Python.
FOREIGN_PREFIXES = ("PYTHON", "PROJ_", "GDAL_", "OGR_", "QGIS_", "LD_", "DYLD_")
FOREIGN_NAMES = ("VIRTUAL_ENV", "CONDA_PREFIX", "PIP_USER", "PIP_TARGET", "PIP_PREFIX", "__PYVENV_LAUNCHER__")
CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
QGIS_FOLDERS = ("QGIS_PREFIX_PATH", "OSGEO4W_ROOT")


def clean_environment(**extra: str) -> dict[str, str]:
    """This process's environment without what belongs to QGIS, with all telemetry off, plus `extra`.

    Certificates an administrator set are kept; those that lie inside QGIS or nowhere are dropped.
    """
    kept = {name: value for name, value in os.environ.items()
            if not name.upper().startswith(FOREIGN_PREFIXES) and name.upper() not in FOREIGN_NAMES}
    owned = tuple(os.path.normcase(os.environ[name]) for name in QGIS_FOLDERS if os.environ.get(name))
    for name in CERTIFICATES:
        path = kept.get(name, "")
        if not os.path.exists(path) or (owned and os.path.normcase(path).startswith(owned)):
            kept.pop(name, None)
    return {**kept, **TELEMETRY, **extra}


def start(command: list[str], **options: Any) -> subprocess.Popen[bytes]:
    """Starts a program, never through a shell, as the leader of its own group, so that Ctrl+C and QGIS's end do not hit it halfway."""
    if sys.platform == "win32":
        options["creationflags"] = subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW
    else:
        options["start_new_session"] = True
    return subprocess.Popen(command, **options)  # nosec B603


def kill_tree(process: subprocess.Popen[bytes]) -> None:
    """Ends the program and everything it started, at once; also right for a program that has ended and left children."""
    if sys.platform == "win32":
        taskkill = os.path.join(os.environ.get("SYSTEMROOT", r"C:\Windows"), "System32", "taskkill.exe")
        with contextlib.suppress(OSError):  # not there, or not allowed: at least the program itself ends
            subprocess.run([taskkill, "/F", "/T", "/PID", str(process.pid)],  # nosec B603
                           capture_output=True, check=False, creationflags=subprocess.CREATE_NO_WINDOW)
        process.kill()
    else:
        with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS: EPERM for a group of which only zombies are left
            os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def read_lines(stream: IO[bytes] | None) -> queue.Queue[bytes | None]:
    """A queue of the stream's lines, filled by a thread, so that whoever waits can also look for a cancel; None ends it."""
    lines: queue.Queue[bytes | None] = queue.Queue()
    source = stream or io.BytesIO()

    def read() -> None:
        with source:
            for line in iter(source.readline, b""):
                lines.put(line)
        lines.put(None)

    threading.Thread(target=read, daemon=True, name="reader").start()
    return lines


def next_line(lines: queue.Queue[bytes | None], seconds: float) -> bytes | None:
    """The next line, an empty one when none came within `seconds`, None at the end."""
    try:
        return lines.get(timeout=seconds)
    except queue.Empty:
        return b""
