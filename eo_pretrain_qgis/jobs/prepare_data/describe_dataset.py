"""Describe dataset: what is in it, how it is split, what to beware of."""

from __future__ import annotations

from dataclasses import dataclass

from ...progress import Progress
from .. import tiling
from ..spec import Job, Result, dataset_folder, file_output
from ..tiling import LEAKAGE


@dataclass(frozen=True)
class DescribeDataset(Job):
    """Describes a dataset: class shares by split, band histograms, sample pictures, leakage distance and plain warnings.

    Where no cloud mask was given, it also looks for tiles that are probably for the most part cloud, and names their images.
    """

    title = "Describe dataset"
    group = "1 Prepare data"
    tags = ("report", "statistics", "class balance", "leakage", "footprints")
    results = {"tiles": Result("number", "Tiles or samples in the dataset"), "leakage_distance": LEAKAGE,
               "warnings": Result("number", "Warnings in the report")}

    dataset: str = dataset_folder("Dataset folder", help="Made by “Create … dataset”.")
    output: str = file_output("Report", "html", help="A self-contained page.")
    facts: str = file_output("Facts as JSON", "json", optional=True, created=False, advanced=True, help="The numbers of the report, for programs.")
    footprints: str = tiling.footprints()

    def run(self, progress: Progress) -> dict:
        progress.at(0, "Opening the dataset")
        from ...engine.datasets.dataset import Dataset
        from ...engine.datasets.footprints import copy_footprints
        from ...engine.describing.page import describe, write_facts, write_report

        dataset = Dataset.open(self.dataset)
        facts = describe(dataset, progress.part(0, 0.4))
        write_report(self.output, dataset, facts, progress.part(0.4, 1))
        for text in facts["warnings"]:
            progress.message(text, level="warning")
        if self.facts:
            write_facts(self.facts, facts)
        return {"output": self.output, "tiles": facts["tiles"], "leakage_distance": facts["split"]["leakage_distance_px"],
                "warnings": len(facts["warnings"]), **({"facts": self.facts} if self.facts else {}),
                **copy_footprints(self.dataset, self.footprints)}
