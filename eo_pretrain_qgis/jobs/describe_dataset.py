"""Describe dataset: what is in it, how it is split, what to beware of."""

from __future__ import annotations

from dataclasses import dataclass

from .spec import Job, file_output, folder, vector_output


@dataclass(frozen=True)
class DescribeDataset(Job):
    """Describes a dataset: class shares by split, band histograms, sample pictures, leakage distance and plain warnings."""

    title = "Describe dataset"
    group = "1 Prepare data"
    tags = ("report", "statistics", "class balance", "leakage", "footprints")
    results = {"tiles": "number", "leakage_distance": "number", "warnings": "number"}

    dataset: str = folder("Dataset folder", help="Made by “Create … dataset”.")
    output: str = file_output("Report", "html", help="A self-contained page.")
    facts: str = file_output("Facts as JSON", "json", optional=True, created=False)
    footprints: str = vector_output("Footprints of the tiles", optional=True, created=False)
