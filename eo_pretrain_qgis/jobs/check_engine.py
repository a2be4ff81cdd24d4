"""Check engine: what is installed, what the device can do, what is missing."""

from __future__ import annotations

from dataclasses import dataclass

from .spec import Job, file_output, text


@dataclass(frozen=True)
class CheckEngine(Job):
    """Checks the engine: versions, devices asked for and really used, memory, one training step and one inference."""

    title = "Check the engine"
    group = "6 Engine"
    tags = ("diagnosis", "GPU", "CUDA", "versions", "troubleshooting")
    engine = "none"
    results = {"ok": "boolean", "device": "text", "problems": "number"}

    device: str = text("Device to check", default="auto", help="auto, cpu, cuda, cuda:0 or mps.")
    output: str = file_output("Report", "html")
    facts: str = file_output("Facts as JSON", "json", optional=True, created=False)
