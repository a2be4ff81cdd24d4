"""The words between QGIS and the worker: one JSON request on stdin, JSON lines on stdout.

→ {"job": "predict_map", "id": "5f0c…", "version": "0.1.0", "values": {…}}      then stdin stays open; closing it means: stop
← {"event": "progress", "fraction": 0.31, "text": "Tile 9 of 30", "metrics": {}}
← {"event": "message", "level": "warning", "text": "3 tiles hold no labels."}
← {"event": "done", "result": {…}} | {"event": "cancelled"} | {"event": "failed", "kind": "DataError", "message": "…"}
"""

from __future__ import annotations

import json
from typing import Any, Protocol

from ..errors import DataError, EngineError, EOPretrainError, JobError, ModelError

EVENTS = ("progress", "message", "done", "cancelled", "failed")
ENDINGS = ("done", "cancelled", "failed")
KINDS: dict[str, type[EOPretrainError]] = {kind.__name__: kind for kind in (JobError, DataError, ModelError, EngineError)}

#: Seconds between the request to stop and the kill (docs/adr/0004-a-cancel-is-answered-within-two-seconds.md).
GRACE_S = 1.5


class Asked(Protocol):
    """What this side needs to know of a job; `jobs.spec.Job` is one."""

    def name(self) -> str:
        """Name of the job."""

    def values(self) -> dict[str, Any]:
        """Its parameters as JSON values."""

    def output_paths(self) -> list[str]:
        """Paths of its outputs."""

    def output_folder(self) -> str:
        """The folder that is its main output; empty where that is a file."""

    def hungry_labels(self) -> list[str]:
        """Labels of its parameters that take memory."""


def encode(document: dict[str, Any]) -> bytes:
    """One line of ASCII, whatever the values hold; numbers of NumPy become plain, other objects their text."""
    return json.dumps(document, default=_plain).encode("ascii") + b"\n"


def _plain(value: Any) -> Any:
    return value.item() if getattr(value, "ndim", None) == 0 else str(value)


def decode(line: bytes) -> dict[str, Any] | None:
    """The event a line holds, or None for anything else, such as what a library printed."""
    try:
        document = json.loads(line)
    except ValueError:
        return None
    return document if isinstance(document, dict) and document.get("event") in EVENTS else None


def request(job: Asked, version: str, identity: str) -> bytes:
    """The request for one job; `version` is that of the code that asks, and `identity` stands in the claims on the job's outputs."""
    return encode({"job": job.name(), "id": identity, "version": version, "values": job.values()})


def failure(error: EOPretrainError) -> dict[str, Any]:
    """The event that carries an error to the other side."""
    kind = next((name for name, known in KINDS.items() if isinstance(error, known)), "EngineError")
    return {"event": "failed", "kind": kind, "message": str(error)}


def error_of(event: dict[str, Any]) -> EOPretrainError:
    """The error a `failed` event carries."""
    return KINDS.get(event.get("kind", ""), EngineError)(event.get("message", "The worker failed without a word."))
