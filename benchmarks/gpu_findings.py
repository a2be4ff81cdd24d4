"""What a part of `benchmarks.gpu` is asked for, and what it finds."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

COLUMNS = ("part", "what", "value", "unit", "note")


@dataclass(frozen=True)
class Asked:
    """What a part is to do.

    Attributes:
        part: its name.
        device: ``cuda`` or ``cpu``.
        tiny: whether everything is small.
        seconds: that it has.
        rows: file for what it finds, a JSON document in each line.
        log: file for what it says.
        place: folder to work in.
        data: EuroSAT as a dataset, if it is at hand.
    """

    part: str
    device: str
    tiny: bool
    seconds: float
    rows: str
    log: str
    place: str
    data: str | None = None

    @property
    def gpu(self) -> bool:
        return self.device != "cpu"

    def add(self, what: str, value: Any, unit: str = "", note: str = "") -> None:
        """One finding, written at once."""
        value = float(f"{value:.6g}") if isinstance(value, float) else value
        with open(self.rows, "a", encoding="utf-8") as stream:
            stream.write(json.dumps({"part": self.part, "what": what, "value": value, "unit": unit, "note": note}, ensure_ascii=False) + "\n")

    def check(self, what: str, held: bool, note: str = "") -> None:
        """One check; one that did not hold makes the part fail."""
        self.add(what, "yes" if held else "no", "check", note)


def rows_of(path: Path) -> list[dict]:
    """What was found so far."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []
