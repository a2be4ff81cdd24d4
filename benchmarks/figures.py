"""The figures of a benchmark as a CSV file, in the form from which docs/evidence/tables.py writes its tables."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy import stats


def half_width(numbers: Sequence[float]) -> float:
    """Half of Student's t-interval at 95 %; infinite for fewer than two numbers."""
    if len(numbers) < 2:
        return float("inf")
    return float(stats.t.ppf(0.975, len(numbers) - 1) * np.std(numbers, ddof=1) / np.sqrt(len(numbers)))


def interval(numbers: Sequence[float], form: str = ".3f") -> str:
    """Mean and half of the interval, as tables show them."""
    mean = f"{np.mean(numbers):{form}}"
    return f"{mean} ± {half_width(numbers):.3f}" if len(numbers) > 1 else mean


class Figures:
    """Figures with their labels: the last label names the column of the table, those before it the row."""

    def __init__(self, *keys: str) -> None:
        self.keys, self.rows = keys, []

    def add(self, *labels: object, value: float | Sequence[float] | None, form: str = ".3f", spread: bool = False, note: str = "") -> None:
        """One figure.

        Args:
            labels: as many as there are keys.
            value: a number, or those of several seeds, which become mean and interval; None is left out.
            form: how numbers are written.
            spread: the lowest and the highest number instead of the interval.
            note: stands behind it.
        """
        if len(labels) != len(self.keys):
            raise ValueError(f"{labels} are not one label for each of {self.keys}. Give as many.")
        if value is None:
            return
        numbers = np.atleast_1d(np.asarray(value, float))
        row = {**dict(zip(self.keys, map(str, labels), strict=True)), "value": f"{numbers.mean():{form}}"}
        if len(numbers) > 1 and spread:
            row |= {"lowest": f"{numbers.min():{form}}", "highest": f"{numbers.max():{form}}"}
        elif len(numbers) > 1:
            row["half_width"] = f"{half_width(numbers):{form.lstrip('+')}}"
        self.rows.append(row | ({"note": note} if note else {}))

    def write(self, path: Path) -> None:
        """Writes the file; columns that no figure uses are left out."""
        optional = [name for name in ("half_width", "lowest", "highest", "note") if any(name in row for row in self.rows)]
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", newline="", encoding="utf-8") as stream:
            writer = csv.DictWriter(stream, [*self.keys, "value", *optional], restval="", lineterminator="\n")
            writer.writeheader()
            writer.writerows(self.rows)
        print(f"{len(self.rows)} figures in {path}")
