"""Import dataset: training data in a published layout → a dataset."""

from __future__ import annotations

import os
from dataclasses import dataclass

from ...errors import JobError
from ...progress import Progress
from .. import tiling
from ..spec import Job, Result, choice, classes, file, folder, integer, number, text
from ..telling import dataset_name
from ..tiling import PRESETS

#: Of BigEarthNet of version 2.
TABLE = "metadata.parquet"
#: “auto”, and keys of `engine.formats.FORMATS`.
FORMATS = {
    "auto": "Found by the names of files and folders",
    "eurosat": "EuroSAT",
    "class_folders": "Class folders: one folder of images for each class",
    "bigearthnet": "BigEarthNet, version 1 or 2",
    "sen12ms": "SEN12MS",
    "timesen2crop": "TimeSen2Crop",
    "eurocropsml": "EuroCropsML",
    "pastis": "PASTIS",
    "fields_of_the_world": "Fields of The World",
    "geotiff_pairs": "Pairs: images/ and labels/ with the same names",
    "suffix_pairs": "Pairs side by side, such as DeepGlobe",
    "esri_tiles": "ArcGIS classified tiles",
    "ai4arctic": "AI4Arctic, ready to train (AutoICE)",
    "sen1floods11": "Sen1Floods11",
}
USE_CASES = {
    "latvia_vs_estonia": "From Latvia to Estonia",
    "latvia_portugal_vs_estonia": "From Latvia and Portugal to Estonia",
    "overlap_latvia_vs_estonia": "From Latvia to Estonia, shared crops only",
    "overlap_latvia_portugal_vs_estonia": "From Latvia and Portugal to Estonia, shared crops only",
}
SHOTS = {**{number: f"{number} of each class" for number in ("1", "5", "10", "20", "100", "200", "500")}, "all": "All parcels"}


@dataclass(frozen=True)
class ImportDataset(Job):
    """Reads training data that others have published or exported, and writes them as a dataset of this plugin.

    Folders of classes (class_folders): one folder of images for each class, in JPEG, PNG or GeoTIFF; one class for each image. A folder
    “unlabelled” beside them holds images without a class, to which “Fine-tune a model” can spread the labels. Pictures of three 8-bit bands are
    red, green and blue.

    EuroSAT (eurosat): the same with EuroSAT's classes, whose bands are those of Sentinel-2.

    BigEarthNet (bigearthnet): patch folders of Sentinel-2, Sentinel-1 or both, of version 1 with labels in JSON or of version 2 with
    metadata.parquet; several classes for each image. Patches of both sensors are paired; bands of 20 and 60 m are brought to 120 × 120 px.
    Patches that the makers list for clouds or snow become the named subsets clouds and snow, from which nothing learns: see “Subset” of
    “Evaluate model”. Version 2 needs the engine of the kind “train”.

    SEN12MS (sen12ms): ROIs…_spring and so on with s1_…, s2_… and lc_…; a land-cover class of MODIS for each pixel, whose own pixels measure 500
    m, so labels are coarse. The simplified IGBP classes or all 17. Patches overlap, so they are divided by scene; the makers' lists count where
    they lie beside the data, and validation is then drawn from the scenes for training.

    TimeSen2Crop (timesen2crop): a folder for each tile with CSV files of single pixels; series.

    EuroCropsML (eurocropsml): preprocess/ with a NumPy archive for each parcel, and split/; series with crops by their HCAT codes. Choose a use
    case, and the parcels to pretrain on or a fine-tuning with so many training parcels of each class (shots). Unpack both archives into one
    folder.

    Pairs (geotiff_pairs): images/ and labels/ or masks/ with files of the same names; a class for each pixel. classes.csv (value, name, color)
    beside them names the classes; 255, values below 0 and nodata are no label. Masks of 0 and 255 alone are background and object.

    Pairs side by side (suffix_pairs): images and label images side by side, such as 123_sat.jpg and 123_mask.png (also _image, _img or _rgb,
    and _label or _gt), in one folder or in train, valid and test, as DeepGlobe has them. Labels may be pictures: class_dict.csv (name, r, g, b)
    says which colour is which class, and “unknown” is no label. Folders without label images are left out.

    Fields of The World (fields_of_the_world): a folder for each country with s2_images/window_a and window_b, label_masks and
    chips_<country>.parquet (or .csv with aoi_id and split); fields with their boundaries, on images of two dates. Where only some fields are
    drawn the rest is no label.

    PASTIS (pastis): DATA_S2, ANNOTATIONS and metadata.geojson; dated tiles with a crop for every pixel, of Sentinel-1 too where DATA_S1A and
    DATA_S1D are there. Folds 1 to 3 are for training, 4 for validation and 5 for test; void is no label. There are no cloud masks.

    ArcGIS classified tiles (esri_tiles): a class for each pixel, 0 is no label.

    AI4Arctic (ai4arctic): scenes of the AutoICE challenge, ready to train: HH, HV and incidence angle, with stage, concentration and form of
    the ice as the three targets of one network. The scaling of the values is undone, to dB and degrees. Tiles are of 256 px unless you choose
    another size. The challenge's test scenes stay for test; of the others whole scenes are drawn for validation.

    Sen1Floods11 (sen1floods11): chips of eleven floods as published, Sentinel-1 and, where it is there, Sentinel-2; water or none for each
    pixel, drawn by hand. Choose the folder v1.1 to keep the published split, in which the flood in Bolivia is the subset “bolivia”.
    WeaklyLabeled alone gives the labels of a rule, divided by place. Chips that were fetched one by one may lie together in one folder.

    Archives are read where they lie and never unpacked. A split that came with the data is kept: folders train, val and test, lists of
    these names, which may begin alike (eurosat-train.txt), or split.csv. In lists and tables a name with a comma stands in quotation marks,
    as in "Crop, annual". Otherwise images are divided by place where they say where they lie; where they do not, as EuroSAT's JPEG, they can
    only be divided at random, and scores will flatter a model.
    """

    title = "Import dataset"
    group = "1 Prepare data"
    tags = ("EuroSAT", "BigEarthNet", "SEN12MS", "TimeSen2Crop", "EuroCropsML", "DeepGlobe", "Fields of the World", "PASTIS", "AI4Arctic", "AutoICE",
            "Sen1Floods11", "flood", "few-shot", "benchmark", "ArcGIS", "classified tiles", "chips", "masks")
    results = {"samples": Result("number", "Samples in the dataset, with those dropped between the splits"), **tiling.split_results(),
               "found": Result("text", "Format that the data have")}

    source: str = folder("Folder", optional=True, help="The folder that holds the data. Give this or an archive.")
    archive: str = file("Zip archive", "zip", optional=True, help="Instead of a folder.")
    format: str = choice("Format", FORMATS, default="auto", help="What the data are. The help says what each format looks like.")
    split: str = choice("Split", {"given": "Given: the one that came with the data", "new": "New: divided again"}, default="given",
                        help="What becomes of training, validation and test. Where no split came with the data, they are divided.")
    split_lists: str = folder("Folder of split lists", optional=True, advanced=True,
                              help="Holds train, val and test as .csv or .txt with a name in every line; names with a comma stand in quotation "
                                   "marks. Empty looks beside the data.")
    validation_share: float = number("Share for validation", default=0.15, minimum=0, maximum=0.5, advanced=True,
                                      help="From 0 to 0.5, where the split is new.")
    test_share: float = number("Share for test", default=0.2, minimum=0, maximum=0.5, advanced=True,
                                help="From 0 to 0.5, where the split is new.")
    nomenclature: str = choice("BigEarthNet classes", {"19": "19: the grouping of 2021", "43": "43: CORINE 2018, level 3"}, default="19",
                               advanced=True, help="With 19, patches without any of these classes are left out.")
    igbp: str = choice("SEN12MS classes", {"10": "10: simplified IGBP", "17": "17: IGBP"}, default="10", advanced=True,
                       help="The simplified scheme is that of the data fusion contest of 2020.")
    resampling: str = choice("BigEarthNet resampling", {"nearest": "Nearest: keeps the measured values", "bilinear": "Bilinear: smooth",
                                                        "cubic": "Cubic: sharper, may overshoot"}, default="nearest", advanced=True,
                             help="How bands of 20 and 60 m are brought to 10 m.")
    use_case: str = choice("EuroCropsML use case", USE_CASES, default="latvia_vs_estonia", advanced=True,
                           help="Where to pretrain, and where to fine-tune. Shared crops: pretraining has only crops that the fine-tuning has, too.")
    part: str = choice("EuroCropsML part", {"finetune": "Fine-tuning: the country to learn", "pretrain": "Pretraining: the other countries"},
                       default="finetune", advanced=True, help="The part for pretraining has training and validation, and no test.")
    shots: str = choice("EuroCropsML shots", SHOTS, default="20", advanced=True,
                        help="Training parcels for fine-tuning, fewer where there are no more. Validation and test are the same for all.")
    regions: str = text("EuroCropsML regions", default=None, advanced=True,
                        help="Only parcels of regions whose NUTS codes begin so, such as LV or PT11,PT15. Empty: all of the part. Of a new split: "
                             "all in the folder.")
    tile_size: int = integer("Tile size [px]", default=None, minimum=32, maximum=2048,
                             help="Images with label images are cut into tiles; empty keeps them whole.")
    class_table: list = classes("Classes", optional=True, advanced=True,
                                help="Value, name and colour of the label images' classes; empty takes what came with the data.")
    preset: str = choice("Sensor", PRESETS, default="generic",
                         help="For images whose format does not say it. Generic takes what the files say, and Sentinel-2 L1C for EuroCropsML.")
    bands: str = tiling.bands()
    pixel_size: float = number("Pixel size [m]", default=None, minimum=0.001, maximum=10_000_000, advanced=True,
                               help="Only for images that do not say where they lie.")
    block_size: int = tiling.block_size()
    seed: int = tiling.seed()
    output: str = tiling.output()
    footprints: str = tiling.footprints("Footprints of the samples")

    def engines(self) -> tuple[str, ...]:
        """See `Job.engines`: a table in Parquet is read by what comes with the larger one."""
        places = (self.source, os.path.dirname(self.source.rstrip("/\\"))) if self.source else ()
        return ("train",) if any(os.path.isfile(os.path.join(place, TABLE)) for place in places) else super().engines()

    def check(self) -> None:
        if self.validation_share + self.test_share > 0.8:
            raise JobError("Validation and test together take more than 0.8 of the samples. Lower one of the two shares.")
        if self.split == "new" and self.split_lists:
            raise JobError("A new split was asked for, but a folder of split lists is given. Choose Given in “Split”, or leave the folder empty.")

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
        options = ImportOptions(dataset_name(self), plan, self.split == "given", lists, int(self.nomenclature), self.resampling,
                                self.tile_size, self.class_table, self.preset, self.bands or "", self.pixel_size, int(self.igbp),
                                self.use_case, self.part, self.shots, self.regions or "")
        with new_folder(self.output) as folder:
            split = write_dataset(found, tree, folder, options, progress)
        return {"output": self.output, "found": found, "samples": len(split.names), **split.counts, **copy_footprints(self.output, self.footprints)}
