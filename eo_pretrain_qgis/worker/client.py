"""Runs a job in the worker: starts it, relays what it says, stops it, explains how it died."""

from __future__ import annotations

import contextlib
import math
import os
import shutil
import subprocess  # the worker is a process, started from a list without a shell  # nosec B404
import tempfile
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .. import claims
from ..errors import Cancelled, EngineError
from ..outputs import WORKER_LOG
from ..version import plugin_version
from . import failures, processes, protocol
from .protocol import Asked

MAIN = Path(__file__).with_name("main.py")
#: Read when QGIS loads the plugin: an update on disk changes what the worker reads, and it says so.
VERSION = plugin_version()
#: How often a cancel is looked for.
POLL_S = 0.1
TAIL_LINES = 20
#: Begins a log in an output folder; a file of that name that begins with something else is the user's.
LOG_TITLE = "EO Pretrain:"


def run(job: Asked, python: str, on_event: Callable[[dict], None], is_cancelled: Callable[[], bool],
        grace: float = protocol.GRACE_S, variables: dict[str, str] | None = None) -> dict[str, Any]:
    """Runs `job` with the engine's Python and returns its result.

    Args:
        job: what to do.
        python: the engine's interpreter, as `environment.find` gives it.
        on_event: receives each ``progress`` and ``message`` event, in this thread.
        is_cancelled: asked at least five times a second.
        grace: seconds the worker may take to stop before it is killed with all its children.
        variables: added to the worker's environment.

    Raises:
        JobError, DataError, ModelError: what the job raised.
        EngineError: when the worker cannot be started, died, or met an unexpected error; the message names its log.
        Cancelled: when `is_cancelled` said so and the worker stopped.
    """
    log = _Log(job)
    identity, died, stayed = uuid.uuid4().hex, False, []
    try:
        process = _start(python, log, variables or {})
        try:
            _tell(process, protocol.request(job, VERSION, identity))
            ending = _listen(process, on_event, is_cancelled, grace, log)
            died = ending is None
        finally:
            processes.kill_tree(process)
            # What a killed worker had begun; one that ended by itself has left nothing.
            stayed = [path for path in job.output_paths() if claims.clear(os.path.realpath(path), identity, died)]
        if ending is None:
            raise EngineError(failures.explain_exit(process.returncode, job.hungry_labels(), bool(stayed)) + log.tail())
        if ending["event"] == "cancelled":
            raise Cancelled
        if ending["event"] == "failed":
            error = protocol.error_of(ending)
            raise type(error)(f"{error}{log.tail()}") if "traceback" in ending else error
        return ending["result"]
    finally:
        log.settle()


def _start(python: str, log: _Log, variables: dict[str, str]) -> subprocess.Popen[bytes]:
    command = [python, "-I", "-u", "-X", "utf8", str(MAIN)]
    try:
        return processes.start(command, env=processes.clean_environment(**variables), stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, stderr=log.stream)
    except OSError as error:
        raise EngineError(f"The engine's Python, {python}, cannot be started ({error.strerror}). Run “Install the engine” "
                          "(eopretrain:installengine), or correct the setting EOPRETRAIN_ENGINE.") from None


def _listen(process: subprocess.Popen[bytes], on_event: Callable[[dict], None], is_cancelled: Callable[[], bool],
            grace: float, log: _Log) -> dict | None:
    """Relays events until the worker has ended; returns its last word, or None when it died without one."""
    lines = processes.read_lines(process.stdout)
    ending: dict | None = None
    stopped, deadline, told = False, math.inf, 0.0
    while (line := processes.next_line(lines, POLL_S)) is not None:
        event = protocol.decode(line)
        if event is None:
            log.stream.write(line)
        elif event["event"] in protocol.ENDINGS:
            ending = event
        elif event["event"] == "message" or event.get("metrics") or lines.empty() or time.monotonic() - told >= POLL_S:
            on_event(event)  # progress that comes faster than it is shown is thinned; what nothing follows is not
            told = time.monotonic()
        wanted = is_cancelled()  # also while the worker ends: whoever is asked lets a window answer meanwhile
        if deadline == math.inf and (ending is not None or wanted):
            stopped, deadline = ending is None, time.monotonic() + grace
            _hang_up(process)
        if time.monotonic() > deadline:
            if stopped:
                on_event({"event": "message", "level": "info", "text": f"The job was in the middle of a step, so it was ended after {grace:g} s."})
            break
        if not line and process.poll() is not None:
            processes.kill_tree(process)  # a child it left behind may hold the pipe open
    if stopped and (ending is None or ending["event"] != "done"):
        return {"event": "cancelled"}
    return ending


def _tell(process: subprocess.Popen[bytes], line: bytes) -> None:
    with contextlib.suppress(OSError):  # it died at once; its exit code says why
        if process.stdin:
            process.stdin.write(line)
            process.stdin.flush()


def _hang_up(process: subprocess.Popen[bytes]) -> None:
    """Closes the worker's stdin, which asks it to stop."""
    with contextlib.suppress(OSError):  # closing flushes; a dead worker breaks the pipe
        if process.stdin:
            process.stdin.close()


class _Log:
    """What the worker and its libraries print; kept beside the job's results, or where the message of an error says."""

    def __init__(self, job: Asked) -> None:
        number, self.path = tempfile.mkstemp(prefix=f"eo_pretrain-{job.name()}-", suffix=".log")
        os.close(number)
        self.stream = open(self.path, "ab", buffering=0)  # noqa: SIM115 - `settle` closes it; appending, since the worker writes too
        self.title = f"{LOG_TITLE} {job.name()}, {time.strftime('%Y-%m-%d %H:%M:%S')}\n".encode()
        self.named = False
        self.folder = job.output_folder()
        self.before = self._names()

    def _names(self) -> set[str]:
        return set(os.listdir(self.folder)) if os.path.isdir(self.folder) else set()

    def tail(self) -> str:
        """The last lines and where all of them are, to put behind an error's sentences; nothing when nothing was said."""
        text = Path(self.path).read_text(encoding="utf-8", errors="replace")
        last = failures.tail(text, TAIL_LINES)
        self.named = bool(last)
        return f"\nThe log is {self._place()}; it ends:\n{last}" if last else ""

    def _place(self) -> str:
        # A folder takes the log when the job left something in it or a log of ours is there already; one that was refused stays as it was.
        place = os.path.join(self.folder, WORKER_LOG)
        known = WORKER_LOG in self.before
        if known and not _is_ours(place):
            return self.path
        return place if known or self._names() - self.before else self.path

    def settle(self) -> None:
        """Moves the log into the folder the job wrote; elsewhere it stays only when an error names it."""
        self.stream.close()
        place = self._place()
        if place == self.path:
            if not self.named:
                self._remove()
            return
        try:
            with open(self.path, "rb") as source, open(place, "ab") as target:
                target.write(self.title)
                shutil.copyfileobj(source, target)
        except OSError:  # the disk is full or was taken away: the log stays where it is
            return
        self._remove()

    def _remove(self) -> None:
        with contextlib.suppress(OSError):  # Windows: what the worker had started may still have it open
            os.unlink(self.path)


def _is_ours(log: str) -> bool:
    try:
        with open(log, "rb") as stream:
            return stream.readline().startswith(LOG_TITLE.encode())
    except OSError:
        return False
