"""Create crop dataset: images of many dates and parcels → series of pixels and parcels, sampled and split."""

from __future__ import annotations

from dataclasses import dataclass
from tempfile import TemporaryDirectory

from ...errors import JobError
from ...progress import Progress
from .. import masking, tiling
from ..spec import (
    MOST_COUNTED,
    Job,
    Result,
    attribute,
    choice,
    dataset_folder,
    file,
    folder_output,
    integer,
    number,
    pixel_value,
    rasters,
    text,
    vector,
)
from ..telling import dataset_name
from ..tiling import DELIVERED, PRESETS

OPTICAL = {word: PRESETS[word] for word in ("sentinel2_l2a", "sentinel2_l2a_0400", "sentinel2_l1c", "sentinel2_l1c_0400", "landsat89_l2",
                                            "landsat457_l2", "generic")}
RADAR = {word: PRESETS[word] for word in ("sentinel1_db", "sentinel1_linear", "generic")}


@dataclass(frozen=True)
class CreateCropDataset(Job):
    """Takes time series of pixels or parcels from dated images, for training a crop type model.

    The day of each image is read, in this order, from the table of dates, the pattern, the layer's temporal property, its file name
    (20190405, 2019-04-05, names of Sentinel-2 products) or the file's tags. Dates need not be regular and may differ between
    Sentinel-2 and Sentinel-1; the dataset keeps the day of each, and for each sample and date whether it was clear, cloud, shadow,
    snow or not measured. Values under clouds are kept.

    A pixel belongs to a parcel when its middle lies at least the inner buffer inside the border. Ground that parcels with different crops share
    is left out, and so are parcels without a pixel. The sampling draws at random within each crop, as frequent as in the parcel map unless told
    otherwise, as for TimeSen2Crop: the sample is representative, and rare crops stay rare.

    All samples of a parcel go to the same part of the split. Blocks of ground are the more honest test, since neighbouring parcels
    resemble each other; splitting by parcel suits small areas. With images of several tiles, splitting by tile says what a model is worth
    where it has seen nothing.

    Images that share most of their ground in one CRS are of one tile and lie on one grid. Tiles may lie in several UTM zones and have
    dates of their own; shorter series are filled up with days of -1. A parcel in two tiles is taken from the one that covers more of it,
    of equals from the one with more dates. The places of the samples are in the CRS of the images, of several zones in EPSG:4326.

    Days are counted from 1 January of the first year; with a first and a last day, from that of the year in which the season of the tile
    begins, so that tiles of different years compare.

    Tiles are for networks that see the surroundings of a pixel on every date. Each holds all dates; a pixel under a cloud, or outside the
    scene, does not count on that date, and the label of one with fewer clear dates than asked for is left out.

    With “Add to dataset” the new series join those of an existing dataset, of other tiles or other dates: old series keep their split, new
    ones are for training, and those of parcels that lie at or nearer than the gap to validation or test series are dropped. Sensor, bands
    and classes are those of the dataset. The given dataset stays as it is.
    """

    title = "Create crop dataset"
    group = "1 Prepare data"
    tags = ("time series", "parcels", "agriculture", "crop types", "TimeSen2Crop", "phenology", "LPIS", "labels", "training data")
    results = {**tiling.counted_results("samples"), "dates": Result("number", "Dates of the first sensor, of the tile that has most"),
               "tiles": Result("number", "Tiles with samples: places whose images share a grid"),
               "classes": Result("number", "Classes of crops")}

    images: list = rasters("Images of the series", help="One raster layer for each date, such as Sentinel-2. Images of several tiles may be mixed; "
                                                        "those of one tile lie on one grid. A data cube, NetCDF or Zarr with times, gives all its "
                                                        "dates." + DELIVERED)
    preset: str = choice("Sensor", OPTICAL, default="sentinel2_l2a",
                         help="Names the bands and says how stored values become reflectance. The offset of Sentinel-2 came with processing "
                              "baseline 04.00.")
    masks: list = masking.masks_of_dates("One layer for each date; they may have larger pixels than the images. Scenes as they were delivered bring "
                                        "their own: give them here, too. None: every measured value counts as clear.")
    mask_kind: str = masking.kind()
    parcels: dict = vector("Parcels", help="Polygons; those in another CRS are reprojected.")
    crop_field: str = attribute("Crop field", parent="parcels", by_style=True, help="The field that says what grows on a parcel.")
    arrangement: str = choice("Each layer is", {"dates": "Dates: one date with all its bands", "bands": "Bands: one band of one date"},
                              default="dates", advanced=True, help="Layers of single bands are put together in the order of their file names.")
    date_pattern: str = text("Pattern of the dates", default=None, advanced=True,
                             help="Where the date stands in the file names, such as *_YYYYMMDD_* or YYYY-MM-DD; YYYYDDD is year and day "
                                  "of the year. Empty: found by itself.")
    date_table: str = file("Table of the dates", "csv", optional=True, advanced=True,
                           help="CSV file with the columns file and date, for files that do not say their day.")
    first_day: str = text("First day", default=None, advanced=True,
                          help="Of a season or crop year, such as 09-01, or 2018-09-01 in one year only; images of other days are left out. Empty "
                               "takes all.")
    last_day: str = text("Last day", default=None, advanced=True, help="Such as 08-31; a season may reach over New Year.")
    bands: str = tiling.bands()
    nodata: float = pixel_value("Nodata value", advanced=True,
                                help="Besides the nodata values of layers and files.")
    radar: list = rasters("Radar images", optional=True, advanced=True, help="A second series, such as Sentinel-1, with dates of its own.")
    radar_preset: str = choice("Radar sensor", RADAR, default="sentinel1_db", advanced=True, help="That of the radar images.")
    region_field: str = attribute("Region field", parent="parcels", optional=True, advanced=True, help="Needed to split by region.")
    crop_table: str = file("Table of crops", "csv", optional=True, advanced=True,
                           help="CSV file with the columns crop and class, optionally color: joins crops to classes. An empty class leaves "
                                "the crop out; crops that are not listed go to “other”.")
    minimum_parcels: int = integer("Smallest number of parcels of a class", default=10, minimum=0, maximum=MOST_COUNTED,
                                   advanced=True, help="Crops with fewer parcels go to “other”.")
    minimum_pixels: int = integer("Smallest number of pixels of a class", default=0, minimum=0, maximum=MOST_COUNTED, advanced=True,
                                  help="Crops with fewer pixels go to “other”.")
    inner_buffer: float = number("Inner buffer [m]", default=10, minimum=0, maximum=1000, advanced=True,
                                 help="Ground nearer to a parcel's border is left out, because its pixels are mixed.")
    kind: str = choice("Samples are", {"pixels": "Pixels", "parcels": "Parcels: the mean of their clear pixels", "both": "Both pixels and parcels",
                                       "tiles": "Tiles: squares with a class for every pixel"}, default="pixels", advanced=True,
                       help="A sample holds all dates. Of tiles the sampling does not matter.")
    tile_size: int = integer("Tile size [px]", default=64, minimum=32, maximum=512, advanced=True, help="Of samples that are tiles.")
    sample_count: int = integer("Number of pixels to draw", default=100_000, optional=True, minimum=1, maximum=MOST_COUNTED,
                                advanced=True, help="In all classes together; empty takes every pixel.")
    sampling: str = choice("Sampling", {"prior": "As frequent as in the parcel map", "square_root": "By the square root of their share",
                                        "equal": "Equal for all crops"}, default="prior", advanced=True,
                           help="How the samples are shared out between the crops. The last two give rare crops more.")
    prior: str = choice("Shares count", {"area": "Area of the parcels", "parcels": "Number of parcels"}, default="area", advanced=True,
                        help="What the share of a crop in the parcel map is a share of.")
    minimum_samples: int = integer("Smallest number of samples of a class", default=100, minimum=0, maximum=MOST_COUNTED, advanced=True,
                                   help="As far as a crop has that many pixels; goes before the number of pixels.")
    minimum_clear: int = integer("Smallest number of clear dates", default=3, minimum=0, maximum=10_000, advanced=True,
                                 help="Samples with fewer are left out.")
    split_by: str = choice("Split by", {"blocks": "Blocks of ground", "region": "Regions of the region field", "tile": "Tiles of the images",
                                        "parcel": "Parcels"}, default="blocks", advanced=True,
                           help="What goes as a whole to training, validation or test.")
    block_size: float = number("Block size for the split [m]", default=None, minimum=10, maximum=10_000_000, advanced=True,
                               help="Empty: chosen so that about 24 blocks are occupied.")
    gap: float = number("Gap around validation and test [m]", default=0, minimum=0, maximum=1_000_000, advanced=True,
                        help="Samples of training parcels that lie nearer than this to a parcel of validation or test are dropped. 0: parcels may be "
                             "neighbours, only their inner buffers lie between; between tiles lies the edge of one.")
    validation_share: float = tiling.validation_share("samples")
    test_share: float = tiling.test_share("samples")
    seed: int = tiling.seed()
    append_to: str = dataset_folder("Add to dataset", optional=True, advanced=True,
                            help="A crop dataset whose series the new dataset holds as well. Empty makes one of its own.")
    output: str = tiling.output()
    footprints: str = tiling.footprints("Places of the samples")
    timesen2crop: str = folder_output("TimeSen2Crop folders", optional=True, created=False, fresh=True, advanced=True,
                                      help="The samples once more as one CSV file each, in folders by split and class, as TimeSen2Crop has "
                                           "them, and with the numbers of its list of crops. Needs the nine bands of Sentinel-2 it holds.")

    def check(self) -> None:
        if self.kind == "tiles" and (self.append_to or self.timesen2crop):
            raise JobError("Tiles cannot be added to a dataset, nor written as TimeSen2Crop folders, which hold series of pixels. Leave “Add to "
                           "dataset” and “TimeSen2Crop folders” empty, or choose “pixels”.")
        if self.kind == "tiles" and self.split_by != "blocks":
            raise JobError(f"Tiles are split by blocks of ground, and not by {self.split_by}, of which one tile shows several. Choose “blocks”.")
        if self.append_to and self.radar:
            raise JobError("Series of two sensors cannot be added to a dataset. Leave “Radar images” empty, or leave “Add to dataset” empty.")
        if self.split_by == "region" and not self.region_field:
            raise JobError("The split by region needs a region field. Choose one, or split by blocks of ground.")
        if self.validation_share + self.test_share > 0.8:
            raise JobError("Validation and test together take more than 0.8 of the samples. Lower one of the two shares.")

    def run(self, progress: Progress) -> dict:
        progress.at(0, "Opening the images")
        from ...engine.datasets.footprints import copy_footprints
        from ...engine.datasets.season import Season
        from ...engine.datasets.splitting.by_place import SplitPlan
        from ...engine.formats.timesen2crop import write_timesen2crop_folders
        from ...engine.themes.crops.extending import extend_series, open_extended, season_of
        from ...engine.themes.crops.fields import Source, open_fields
        from ...engine.themes.crops.parcel_splits import Division
        from ...engine.themes.crops.parcels import CropRules
        from ...engine.themes.crops.places import Dates, Imagery, open_places
        from ...engine.themes.crops.sampling import SamplingPlan
        from ...engine.themes.crops.series_building import SeriesPlan, build_series
        from ...engine.themes.crops.tiles_building import TilesPlan, build_tiles, tile_split
        from ...outputs import new_folder, refuse_used

        if self.timesen2crop:
            refuse_used(self.timesen2crop)
        extended = open_extended(self.append_to) if self.append_to else None
        season = Season.read(self.first_day, self.last_day)
        season = season_of(extended, season) if extended else season
        sampling = SamplingPlan(self.sample_count, self.sampling, self.prior, self.minimum_samples, self.seed)
        plan = SeriesPlan(self.kind, sampling, self.minimum_clear, Division(self.split_by, self.block_size, self.gap), season)
        imagery = Imagery(self.images, self.preset, self.bands, self.nodata, self.masks or (), self.mask_kind, self.radar or (), self.radar_preset,
                          extended)
        dates = Dates(self.date_pattern, self.date_table, self.arrangement == "bands", season)
        with new_folder(self.output) as folder, TemporaryDirectory(prefix="aligned", dir=folder) as temporary:
            places = open_places(imagery, dates, temporary, progress.part(0, 0.1))
            source = Source(self.parcels, self.crop_field, self.region_field, self.inner_buffer)
            rules = CropRules(self.crop_table, self.minimum_parcels, self.minimum_pixels)
            fields, legend, labels = open_fields(places, source, rules, progress.part(0.1, 0.2), extended)
            shares, name, rest = SplitPlan(self.validation_share, self.test_share, seed=self.seed), dataset_name(self), progress.part(0.2, 0.9)
            if self.kind == "tiles":
                tiles = TilesPlan(self.tile_size, max(1, self.minimum_clear), season)
                split = build_tiles(folder, fields, legend, labels, tiles, tile_split(shares, self.block_size, self.gap, fields), name, rest)
            else:
                split = (extend_series(folder, extended, fields, legend, labels, plan, name, rest) if extended else
                         build_series(folder, fields, legend, labels, plan, shares, name, rest))
            if self.timesen2crop:
                with new_folder(self.timesen2crop) as second:
                    write_timesen2crop_folders(folder, second, progress.part(0.9, 1))
        counts = {name.replace("tiles", "samples"): count for name, count in split.counts.items()}
        result = {"output": self.output, "samples": len(split.names), "dates": max(len(each.place.days) for each in fields), "tiles": len(fields),
                  "classes": len(legend.classes), **counts, **copy_footprints(self.output, self.footprints)}
        if self.timesen2crop:
            result["timesen2crop"] = self.timesen2crop
        return result
