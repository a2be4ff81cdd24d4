"""Split dataset: the same samples, divided anew by place or by the groups they belong to."""

from __future__ import annotations

from dataclasses import dataclass

from ...progress import Progress
from .. import tiling
from ..spec import MOST_PIXELS, Job, choice, dataset_folder, dataset_output, integer, text


@dataclass(frozen=True)
class SplitDataset(Job):
    """Divides the samples of a dataset anew into training, validation and test, so that a test says something about unseen ground.

    Images and tiles are divided by place, in blocks with a gap. Series are divided by parcel, because the pixels of a parcel are nearly
    copies of each other, and patches of sea ice by the polygon they were cut from. Samples that do not say where they lie are divided by
    scene, or at random where there is nothing better.
    With “Test days” all samples of these days are the test, and the others are divided as above into training and validation. So a model of sea ice
    is tested on a day that it has not seen: leave each day out in turn, and train and evaluate once for each.

    The samples are linked, not copied, where the disk allows; the given dataset stays as it is.
    """

    title = "Split dataset by place"
    group = "1 Prepare data"
    tags = ("train", "validation", "test", "blocks", "leakage", "cross-validation")
    results = {**tiling.split_results(), "leakage_distance": tiling.LEAKAGE}

    dataset: str = dataset_folder("Dataset folder", help="Made by “Create … dataset”.")
    way: str = choice("Divide by", {"auto": "Automatic: what suits the samples", "place": "Place: blocks of ground", "parcel": "Parcel",
                                     "polygon": "Polygon of an ice chart", "scene": "Scene: whole images", "random": "Random, for comparison only"},
                      default="auto",
                      help="What goes as a whole to one part. Of series, a scene is the tile of their images. A random split flatters a model.")
    test_days: str = text("Test days", default=None, help="Such as 2018-03-20, or several, separated by commas. “Test share” then means nothing.")
    validation_share: float = tiling.validation_share(advanced=False)
    test_share: float = tiling.test_share(advanced=False)
    block_size: int = tiling.block_size()
    buffer: int = integer("Buffer between blocks [px]", default=None, minimum=0, maximum=MOST_PIXELS, advanced=True,
                          help="Empty: one tile between blocks, none between parcels, polygons or scenes.")
    seed: int = tiling.seed()
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
            split = divide_again(dataset, folder, plan, self.way, progress, self.test_days or "")
        return {"output": self.output, **split.counts,
                "leakage_distance": split.facts["leakage_distance_px"]}
