"""Several processes that train together: started and ended by this one, which does not train but listens to them.

So whatever they wait for, a cancel and an error are answered at once.
"""

from __future__ import annotations

import math
import multiprocessing
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

from .... import claims
from ....errors import Cancelled, EngineError, EOPretrainError
from ....progress import Progress

POLL_S = 0.1
#: What fails in one process soon breaks the connection of the others; errors that come within this time are compared.
SETTLE_S = 0.5


def in_processes(count: int, work: Callable[..., Any], arguments: tuple, progress: Progress) -> Any:
    """What ``work(*arguments, progress)`` gives in the first of several processes that all run it; they find each other as under ``torchrun``.

    Args:
        count: how many.
        work: a function of a module; its arguments and what it gives can be pickled.
        arguments: see above.
        progress: hears what the first process says, and may cancel.

    Raises:
        Cancelled: the user asked to stop.
        EngineError: a process died.
        Exception: what was raised in one of them.
    """
    from lightning_fabric.plugins.environments.lightning import find_free_network_port

    meeting = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(find_free_network_port()), "WORLD_SIZE": str(count),
               "TORCHELASTIC_RUN_ID": "of one computer"}
    return _run([{**meeting, "RANK": str(rank), "LOCAL_RANK": str(rank)} for rank in range(count)], work, arguments, progress)


def apart(count: int, work: Callable[..., Any], arguments: tuple, progress: Progress) -> Any:
    """The same in processes that know nothing of each other, and share the processors; what each says is heard."""
    return _run([{}] * count, work, arguments, progress)


def _run(own: Sequence[dict[str, str]], work: Callable[..., Any], arguments: tuple, progress: Progress) -> Any:
    """See `in_processes`; `own` are the variables of the environment of each process."""
    spawn = multiprocessing.get_context("spawn")
    members: dict[Connection, BaseProcess] = {}
    try:
        for variables in own:
            receiver, sender = spawn.Pipe(duplex=False)
            shared = {**variables, "LOCAL_WORLD_SIZE": str(len(own))}
            process: BaseProcess = spawn.Process(target=_take_part, args=(sender, shared, claims.held, work, arguments), daemon=True)
            process.start()
            members[receiver] = process
            sender.close()
        return _listen(members, progress)
    finally:
        for receiver, process in members.items():
            process.kill()
            process.join()
            receiver.close()


def _listen(members: dict[Connection, BaseProcess], progress: Progress) -> Any:
    """Relays what the processes say until each has ended or one has failed; the result of the first."""
    left, results, end = list(members), {}, math.inf
    errors: list[Exception] = []
    while left and time.monotonic() < end:
        if progress.cancelled():
            raise Cancelled
        ready = wait(left, POLL_S)
        for receiver in [one for one in left if one in ready]:
            try:
                kind, said = receiver.recv()
            except (EOFError, OSError):  # before a message, or within one
                members[receiver].join()
                kind, said = "failed", EngineError(
                    f"One of the {len(members)} training processes was ended (exit code {members[receiver].exitcode}), by a person or, as happens "
                    "when the memory is full, by the system. Lower the batch size, or choose the device cuda, and run again.")
            if kind == "said":
                progress.emit(said)
                continue
            left.remove(receiver)
            if kind == "done":
                results[receiver] = said
            else:
                errors.append(said)
                end = min(end, time.monotonic() + SETTLE_S)
    if errors:
        raise next((error for error in errors if isinstance(error, EOPretrainError)), errors[0])
    return results[next(iter(members))]


def _take_part(sender: Connection, variables: dict[str, str], held: dict[str, claims.Claim], work: Callable[..., Any], arguments: tuple) -> None:
    """One process: does the work and says how it ended; of those that train together all but the first keep still until then."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C reaches all, and who started this process ends it
    threading.Thread(target=_end_with_parent, daemon=True).start()
    os.environ.update(variables)
    claims.held.update(held)
    rank = variables.get("RANK", "")
    said: tuple[str, Any] = ("failed", None)
    try:
        said = ("done", work(*arguments, Progress() if rank.strip("0") else _Relayed(sender)))
    finally:  # what goes wrong ends this process, and the one who started it raises it again
        error = sys.exception()
        if error is not None:
            error.add_note(f"In training process {rank}:\n{traceback.format_exc()}")
            said = ("failed", error)
        sender.send(said)
        if error is not None:
            os._exit(1)  # Python would print it once more


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


class _Relayed(Progress):
    """Hands events to the process that listens."""

    def __init__(self, sender: Connection) -> None:
        self.sender = sender

    def emit(self, event: dict) -> None:
        self.sender.send(("said", event))
