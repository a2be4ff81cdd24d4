"""Import dataset: training data in a published layout → a dataset."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ...errors import JobError
from ...progress import Progress
from .. import tiling
from ..spec import LARGEST_SEED, MOST_PIXELS, Job, Result, choice, classes, dataset_output, file, folder, integer, number, text, vector_output
from ..tiling import PRESETS

FORMATS = ("auto", "eurosat", "class_folders", "bigearthnet", "timesen2crop", "geotiff_pairs", "esri_tiles")


@dataclass(frozen=True)
class ImportDataset(Job):
    """Reads training data that others have published or exported, and writes them as a dataset of this plugin.

    class_folders: one folder of images for each class, in JPEG, PNG or GeoTIFF; one class for each image. A folder “unlabelled” beside them
    holds images without a class, to which “Fine-tune a model” can spread the labels. Pictures of three 8-bit bands are red, green and blue.

    eurosat: the same with EuroSAT's classes, whose bands are those of Sentinel-2.

    bigearthnet: patch folders of Sentinel-2, Sentinel-1 or both with labels in JSON; several classes for each image. Patches of both
    sensors are paired by what the Sentinel-1 labels say; bands of 20 and 60 m are brought to 120 × 120 px.

    timesen2crop: a folder for each tile with CSV files of single pixels; series.

    geotiff_pairs: images/ and labels/ or masks/ with files of the same names; a class for each pixel. classes.csv (value, name, color)
    beside them names the classes; 255, values below 0 and nodata are no label. Masks of 0 and 255 alone are background and object.

    esri_tiles: “classified tiles” of ArcGIS; a class for each pixel, 0 is no label.

    Archives are read where they lie and never unpacked. A split that came with the data is kept: folders train, val and test, lists of
    these names, which may begin alike (eurosat-train.txt), or split.csv. Otherwise images are divided by place where they say where they
    lie; where they do not, as EuroSAT's JPEG, they can only be divided at random, and scores will flatter a model.
    """

    title = "Import dataset"
    group = "1 Prepare data"
    tags = ("EuroSAT", "BigEarthNet", "TimeSen2Crop", "benchmark", "ArcGIS", "classified tiles", "chips", "masks")
    results = {"samples": Result("number", "Samples in the dataset, with those dropped between the splits"), **tiling.split_results(),
               "found": Result("text", "Format that the data have")}

    source: str = folder("Folder", optional=True, help="The folder that holds the data.")
    archive: str = file("Zip archive", "zip", optional=True, help="Instead of a folder.")
    format: str = choice("Format", FORMATS, default="auto", help="“auto” looks at the names of files and folders.")
    split: str = choice("Split", ("given", "new"), default="given",
                        help="“given”: the one that came with the data, where there is one. “new”: divided anew.")
    split_lists: str = folder("Folder of split lists", optional=True, advanced=True,
                              help="Holds train, val and test as .csv or .txt with a name in every line; empty looks beside the data.")
    validation_share: float = number("Share for validation", default=0.15, minimum=0, maximum=0.5, help="Where the split is new.")
    test_share: float = number("Share for test", default=0.2, minimum=0, maximum=0.5, help="Where the split is new.")
    nomenclature: str = choice("BigEarthNet classes", ("19", "43"), default="19",
                               help="“19”: the grouping of 2021, which leaves out patches without any of its classes. “43”: CORINE 2018, level 3.")
    resampling: str = choice("BigEarthNet resampling", ("nearest", "bilinear", "cubic"), default="nearest", advanced=True,
                             help="Of bands of 20 and 60 m to 10 m. “nearest” keeps the measured values.")
    tile_size: int = integer("Tile size [px]", default=None, minimum=32, maximum=2048,
                             help="Images with label images are cut into tiles; empty keeps them whole.")
    class_table: list = classes("Classes", optional=True, advanced=True,
                                help="Value, name and colour of the label images' classes; empty takes what came with the data.")
    preset: str = choice("Sensor", PRESETS, default="generic", advanced=True,
                         help="For images other than EuroSAT's and BigEarthNet's; “generic” takes what the files say.")
    bands: str = text("Bands", default=None, advanced=True, help="Names of the images' bands in order, such as B02,B03,B04,B08.")
    pixel_size: float = number("Pixel size [m]", default=None, minimum=0.001, maximum=10_000_000, advanced=True,
                               help="Only for images that do not say where they lie.")
    block_size: int = integer("Block size for the split [px]", default=None, minimum=32, maximum=MOST_PIXELS, advanced=True)
    seed: int = integer("Seed", default=1, minimum=0, maximum=LARGEST_SEED, advanced=True)
    output: str = dataset_output()
    footprints: str = vector_output("Footprints of the samples", optional=True, created=False)

    def check(self) -> None:
        if self.validation_share + self.test_share > 0.8:
            raise JobError("Validation and test together take more than 0.8 of the samples. Lower one of the two shares.")
        if self.split == "new" and self.split_lists:
            raise JobError("A new split was asked for, but a folder of split lists is given. Choose “given”, or leave the folder empty.")

    def run(self, progress: Progress) -> dict:
        if bool(self.source) == bool(self.archive):
            raise JobError("Give either a folder or a zip archive. Leave the other one empty.")
        progress.at(0, "Looking at the files")
        from ...engine.datasets.footprints import copy_footprints
        from ...engine.datasets.splitting.by_place import SplitPlan
        from ...engine.formats import ImportOptions, Tree, detect, read_split, write_dataset
        from ...outputs import new_folder

        tree = Tree(self.source or self.archive)
        found = detect(tree) if self.format == "auto" else self.format
        lists = read_split(tree, self.split_lists) if self.split == "given" else None
        plan = SplitPlan(self.validation_share, self.test_share, self.block_size, seed=self.seed)
        options = ImportOptions(Path(self.output).name, plan, self.split == "given", lists, int(self.nomenclature), self.resampling,
                                self.tile_size, self.class_table, self.preset, self.bands or "", self.pixel_size)
        with new_folder(self.output) as folder:
            split = write_dataset(found, tree, folder, options, progress)
        return {"output": self.output, "found": found, "samples": len(split.names), **split.counts, **copy_footprints(self.output, self.footprints)}
