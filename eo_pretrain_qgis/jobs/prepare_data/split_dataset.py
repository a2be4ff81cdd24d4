"""Split dataset: the same samples, divided anew by place or by the groups they belong to."""

from __future__ import annotations

from dataclasses import dataclass

from ...progress import Progress
from .. import tiling
from ..spec import LARGEST_SEED, MOST_PIXELS, Job, Result, choice, dataset_output, folder, integer


@dataclass(frozen=True)
class SplitDataset(Job):
    """Divides the samples of a dataset anew into training, validation and test, so that a test says something about unseen ground.

    Images and tiles are divided by place, in blocks with a gap. Series are divided by parcel, because the pixels of a parcel are nearly
    copies of each other, and patches of sea ice by the polygon they were cut from. Samples that do not say where they lie are divided by
    scene, or at random where there is nothing better.
    The samples are linked, not copied, where the disk allows; the given dataset stays as it is.
    """

    title = "Split dataset by place"
    group = "1 Prepare data"
    tags = ("train", "validation", "test", "blocks", "leakage", "cross-validation")
    results = {**tiling.split_results(), "dropped_tiles": Result("number", "Tiles that belong to no part because they lie too near to another part"),
               "leakage_distance": tiling.LEAKAGE}

    dataset: str = folder("Dataset folder", help="Made by “Create … dataset”.")
    way: str = choice("Divide by", ("auto", "place", "parcel", "polygon", "scene", "random"), default="auto",
                      help="“auto”: as above. “polygon”: whole polygons of an ice chart. “scene”: whole images, of series the tiles "
                           "of their images, so that a test is on unseen tiles. “random” flatters a model and is for comparison.")
    validation_share: float = tiling.validation_share()
    test_share: float = tiling.test_share()
    block_size: int = integer("Block size [px]", default=None, minimum=32, maximum=MOST_PIXELS, help="Empty: chosen from the size of the images.")
    buffer: int = integer("Buffer between blocks [px]", default=None, minimum=0, maximum=MOST_PIXELS,
                          help="Empty: one tile between blocks, none between parcels, polygons or scenes.")
    seed: int = integer("Seed", default=1, minimum=0, maximum=LARGEST_SEED)
    output: str = dataset_output("New dataset folder")

    def run(self, progress: Progress) -> dict:
        progress.at(0, "Opening the dataset")
        from ...engine.datasets.dataset import Dataset
        from ...engine.datasets.splitting.by_place import SplitPlan
        from ...engine.datasets.splitting.resplitting import divide_again
        from ...outputs import new_folder

        dataset = Dataset.open(self.dataset)
        plan = SplitPlan(self.validation_share, self.test_share, self.block_size, self.buffer, self.seed)
        with new_folder(self.output) as folder:
            split = divide_again(dataset, folder, plan, self.way, progress)
        return {"output": self.output, **split.counts, "dropped_tiles": split.facts["dropped_tiles"],
                "leakage_distance": split.facts["leakage_distance_px"]}
