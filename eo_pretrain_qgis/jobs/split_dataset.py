"""Split dataset: the same tiles, divided anew by place."""

from __future__ import annotations

from dataclasses import dataclass

from ..report import Report
from .spec import Job, folder, folder_output, integer, number


@dataclass(frozen=True)
class SplitDataset(Job):
    """Divides the tiles of a dataset anew into training, validation and test blocks, by place.

    The samples are linked, not copied, where the disk allows; the given dataset stays as it is.
    """

    title = "Split dataset by place"
    group = "1 Prepare data"
    tags = ("train", "validation", "test", "blocks", "leakage", "cross-validation")
    results = {"training_tiles": "number", "validation_tiles": "number", "test_tiles": "number", "dropped_tiles": "number",
               "leakage_distance": "number"}

    dataset: str = folder("Dataset folder", help="Made by “Create … dataset”.")
    validation_share: float = number("Share of validation blocks", default=0.15, minimum=0, maximum=0.5)
    test_share: float = number("Share of test blocks", default=0.2, minimum=0, maximum=0.5)
    block_size: int = integer("Block size [px]", default=None, minimum=32, help="Empty: chosen from the size of the images.")
    buffer: int = integer("Buffer between blocks [px]", default=None, minimum=0, help="Empty: one tile.")
    seed: int = integer("Seed", default=1, minimum=0)
    output: str = folder_output("New dataset folder", help="A new or empty folder.")

    def run(self, report: Report) -> dict:
        report.progress(0, "Opening the dataset")
        from ..engine.dataset import Dataset
        from ..engine.division import divide_anew
        from ..engine.outputs import new_folder
        from ..engine.splits import SplitPlan

        dataset = Dataset.open(self.dataset)
        plan = SplitPlan(self.validation_share, self.test_share, self.block_size, self.buffer, self.seed)
        with new_folder(self.output) as folder:
            split = divide_anew(dataset, folder, plan, report)
        return {"output": self.output, **split.counts, "dropped_tiles": split.facts["dropped_tiles"],
                "leakage_distance": split.facts["leakage_distance_px"]}
