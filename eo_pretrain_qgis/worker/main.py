"""The worker: runs one job with the engine's Python, started by `client.run` as ``python -I -u main.py``.

It ends by itself when its stdin is closed, which also happens when QGIS dies.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from typing import Any

PACKAGES = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def main() -> int:
    """Reads the request, runs the job, answers; returns the exit code."""
    asked, answers = _take_streams()
    # Behind everything else: other plugins live in the same folder and must not stand in for the engine's packages.
    sys.path.append(PACKAGES)
    from eo_pretrain_qgis.worker import protocol

    line = _read_line(asked)
    if not line:
        return 0
    cancelled = threading.Event()
    threading.Thread(target=_watch, args=(asked, cancelled, protocol.GRACE_S), daemon=True, name="watch").start()
    send = _sender(answers, protocol.encode, cancelled)
    send(_answer(line, send, cancelled))
    return 0


def _take_streams() -> tuple[int, int]:
    """Keeps the real stdin and stdout aside, and gives everyone else the null device and stderr, also in C and in child processes."""
    asked, answers = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    return asked, answers


def _read_line(asked: int) -> bytes:
    """The request, after which nothing but the end of the stream can follow; empty when the other side is gone."""
    line = b""
    while not line.endswith(b"\n"):
        piece = os.read(asked, 65536)
        if not piece:
            return b""
        line += piece
    return line


def _watch(asked: int, cancelled: threading.Event, grace: float) -> None:
    """Waits for the end of stdin, then asks the job to stop; when it does not, ends it with all its children."""
    from eo_pretrain_qgis import claims

    while os.read(asked, 4096):
        pass
    cancelled.set()
    time.sleep(grace + 1)
    claims.abandon()  # what was begun goes with the process
    if sys.platform != "win32" and os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os._exit(1)


def _sender(answers: int, encode: Callable[[dict], bytes], cancelled: threading.Event) -> Callable[[dict], None]:
    lock = threading.Lock()

    def send(event: dict[str, Any]) -> None:
        with lock:
            rest = encode(event)
            try:
                while rest:
                    rest = rest[os.write(answers, rest):]
            except OSError:  # nobody listens any more: stop at the next occasion
                cancelled.set()

    return send


def _answer(line: bytes, send: Callable[[dict], None], cancelled: threading.Event) -> dict[str, Any]:
    """Runs what the request asks for and returns the last event."""
    from eo_pretrain_qgis.errors import Cancelled, EngineError, EOPretrainError
    from eo_pretrain_qgis.jobs import JOBS
    from eo_pretrain_qgis.jobs.record import run_job
    from eo_pretrain_qgis.progress import Progress
    from eo_pretrain_qgis.version import plugin_version
    from eo_pretrain_qgis.worker import failures, protocol

    class WorkerProgress(Progress):
        def cancelled(self) -> bool:
            return cancelled.is_set()

        def emit(self, event: dict) -> None:
            send(event)

    hungry: list[str] = []
    try:
        request = json.loads(line)
        if request["version"] != plugin_version():
            raise EngineError(f"The plugin on disk is version {plugin_version()}, but QGIS still runs {request['version']}. Restart QGIS.")
        kind = JOBS[request["job"]]
        hungry = kind.hungry_labels()
        job = kind.from_values(request["values"])
        progress = WorkerProgress()
        progress.at(0, f"Starting “{job.title}” …")
        return {"event": "done", "result": run_job(job, progress, request["id"])}
    except Cancelled:
        return {"event": "cancelled"}
    except EOPretrainError as error:
        return protocol.failure(error)
    except Exception as error:  # noqa: BLE001 - the one place: whatever else happens is told to the user with its traceback
        traceback.print_exc()
        told = failures.explain_exception(error, hungry)
        return {**protocol.failure(told), **({"traceback": traceback.format_exc()} if isinstance(told, EngineError) else {})}


if __name__ == "__main__":
    sys.exit(main())
