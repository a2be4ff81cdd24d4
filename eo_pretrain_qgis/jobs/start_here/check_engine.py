"""Check engine: what is installed, what the device can do, what is missing."""

from __future__ import annotations

import importlib.util
import json
from dataclasses import dataclass
from typing import Any

from ...errors import EngineError
from ...progress import Progress
from ..spec import Job, Result, file_output, program, text
from ..suggestions import devices


@dataclass(frozen=True)
class CheckEngine(Job):
    """Checks the engine: versions, devices asked for and really used, memory, one training step and one inference.

    It also runs where there is no engine, or a broken one, and says what to do.
    """

    title = "Check the engine"
    group = "0 Start here"
    tags = ("diagnosis", "GPU", "CUDA", "versions", "troubleshooting", "test installation", "problem", "error")
    engine = "none"
    results = {"ok": Result("boolean", "Whether nothing stands in the way of training and mapping"),
               "device": Result("text", "Device on which a test network ran, or “none”"), "problems": Result("number", "Problems that were found")}

    device: str = text("Device to check", default="auto", suggests=devices, help="auto, cpu, cuda, cuda:0 or mps.")
    python: str = program("Python to check", optional=True, advanced=True, help="Empty: the engine in use.")
    output: str = file_output("Report", "html", help="A page that says what works and what does not.")
    facts: str = file_output("Facts as JSON", "json", optional=True, created=False, help="The same for programs.")

    def run(self, progress: Progress) -> dict[str, Any]:
        from ...worker import checkup

        progress.at(0, "Looking for the engine")
        if checkup.can_look_inside() and not self.python:
            found = self._look_inside(progress)
        else:
            found = checkup.from_outside(lambda changed: CheckEngine.from_values({**self.values(), **changed}), self.python or "", progress)
        facts = checkup.completed(found)
        for problem in facts["problems"]:
            progress.message(problem, "warning")
        checkup.write(checkup.page(facts), self.output)
        written = {"output": self.output}
        if self.facts:
            checkup.write(json.dumps(facts, indent=1, ensure_ascii=False), self.facts)
            written["facts"] = self.facts
        device = facts.get("inference", {}).get("device", "none")
        return {**written, "ok": facts["ok"], "device": device, "problems": len(facts["problems"])}

    def _look_inside(self, progress: Progress) -> dict[str, Any]:
        from ...engine.models import diagnosis

        facts = diagnosis.examine(self.device, progress.part(0, 0.5))
        if importlib.util.find_spec("torch"):
            from ...engine.learning.diagnosis import train_once

            try:
                facts["training"] = train_once(self.device, progress.part(0.5, 1))
                if facts["training"]["fallback"]:
                    facts["problems"].append(facts["training"]["fallback"])
            except EngineError as error:
                facts["problems"].append(f"Training on “{self.device}”: {error}")
        return facts
