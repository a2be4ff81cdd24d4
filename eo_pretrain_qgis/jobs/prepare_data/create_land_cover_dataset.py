"""Create land cover dataset: Sentinel-1 or Sentinel-2 images, or both, labelled from a land-cover map."""

from __future__ import annotations

from dataclasses import dataclass

from ...errors import JobError
from ...progress import Progress
from .. import masking, tiling
from ..spec import Job, Result, boolean, choice, file, integer, number, raster, rasters
from ..telling import dataset_name
from ..tiling import DELIVERED

#: Legends of land-cover maps: “own” and `engine.themes.land_cover.known_legends.NAMES`.
LEGENDS = {
    "own": "The map's own: its symbology, names or values",
    "cgls_lc100": "Copernicus Global Land Cover (CGLS-LC100)",
    "corine": "CORINE Land Cover: codes 1 to 44 or 111 to 523",
    "worldcover": "ESA WorldCover",
    "esri": "Esri land cover: 1 water to 11 rangeland",
    "esri_1_to_9": "Esri land cover, renumbered from 1 to 9",
}


@dataclass(frozen=True)
class CreateLandCoverDataset(Job):
    """Cuts images into tiles labelled from a land-cover map, keeps the labels that can be trusted, and splits the tiles by place.

    The map may be much coarser than the images: one cell of CGLS-LC100 or CORINE (100 m) holds 10 × 10 pixels of Sentinel-2, so many
    of its labels are wrong. Filters leave out what is doubtful: mixed cells, pixels near the border of two classes, pixels for which a
    second map says something else. Left-out pixels are ignored in training. Strict filters take small and narrow classes away first,
    so look at the class shares in the report: fewer wrong labels do not always make a better map.

    Where the map is finer than the image, a pixel gets the class that covers most of it. Names, colors and groups of the common
    legends are built in; the groups are the classes of ESA WorldCover, and classes that are mixed by definition, such as
    agro-forestry, have none. The year of the map is compared with the dates of the images. A second sensor is brought onto the grid of
    the first, with bilinear interpolation, once.
    """

    title = "Create land cover dataset"
    group = "1 Prepare data"
    tags = ("land use", "LULC", "CGLS", "CORINE", "WorldCover", "Esri", "weak labels", "Sentinel-1", "Sentinel-2", "tiles", "labels",
            "training data", "segmentation")
    results = {**tiling.counted_results(), "labelled_share": Result("number", "Mean share of the pixels of a tile that have a label, 0 to 1"),
               "clouded_share": masking.CLOUDED,
               "map_year": Result("number", "Year that the land-cover map shows; nothing where it is not known")}

    images: list = rasters("Images", help="Raster layers of the same sensor, Sentinel-2 or Sentinel-1." + DELIVERED)
    arrangement: str = tiling.arrangement()
    preset: str = tiling.preset()
    bands: str = tiling.bands()
    second_images: list = rasters("Images of a second sensor", optional=True, advanced=True,
                                  help="For each image the one that covers it best and is nearest in time is taken and brought onto its grid.")
    second_arrangement: str = tiling.second_arrangement()
    second_preset: str = tiling.second_sensor(advanced=True)
    second_bands: str = tiling.second_bands()
    most_days: int = tiling.most_days()
    either_sensor: bool = boolean("Keep ground that one sensor alone measured", default=False, advanced=True,
                                  help="Of two sensors: ground under clouds, or beyond the edge of one of them, keeps its labels, so that a "
                                       "model with the fusion “gated” or “mean_of_heads” learns from it. All other models learn only from "
                                       "what they see whole.")
    clouds: str = masking.known_from("Pixels under cloud and shadow count as not measured.", advanced=True)
    cloud_masks: list = masking.masks_of_each(advanced=True)
    land_cover: dict = raster("Land-cover map", help="A raster of codes in any CRS and resolution.")
    legend: str = choice("Legend", LEGENDS, default="own",
                         help="Which map it is; a known legend brings names, colours and groups of the codes.")
    legend_table: str = file("Legend CSV", extension="csv", optional=True, advanced=True,
                             help="Columns value,name,color,group. Its rows replace those of the legend; for the map's own it is the legend. The "
                                  "group “-” means no label.")
    classes: str = choice("Classes", {"groups": "Groups: codes are put together to common classes", "legend": "Legend: each code is a class"},
                          default="groups",
                          help="The groups are the classes of ESA WorldCover; all kinds of forest become tree cover, for example.")
    every_class: bool = boolean("Keep classes that do not occur", default=False, advanced=True,
                                help="So that datasets of several places have the same classes.")
    unknown_codes: str = choice("Codes that the legend does not know are", {"refuse": "Refused: stop and name them",
                                                                           "ignore": "Ignored: they have no label"},
                                default="refuse", advanced=True, help="Of the first and the second map.")
    resampling: str = choice("Labels are", {"majority": "Majority: one class for each pixel", "soft": "Soft: the share of every class, too"},
                             default="majority", advanced=True,
                             help="Soft shares change smoothly between two coarse cells.")
    purity: float = number("Least purity of a cell", default=0.0, minimum=0, maximum=1,
                           help="From 0, which keeps all labels, to 1, which keeps only pure ones. It is the share of a cell's class among the 3 × 3 "
                                "cells around it; with a second map, among its pixels in the cell; where the map is finer, in the pixel.")
    border: float = number("Least distance from a border of classes [m]", default=0.0, minimum=0, maximum=100_000, advanced=True,
                           help="Pixels nearer to where the map changes its class are left out.")
    second_map: dict = raster("Second land-cover map", optional=True, advanced=True, help="Labels are kept where it says the same.")
    second_legend: str = choice("Legend of the second map", LEGENDS, default="own", advanced=True, help="Which map the second one is.")
    second_table: str = file("Legend CSV of the second map", extension="csv", optional=True, advanced=True,
                             help="Columns value,name,color,group, as for the first map.")
    agreement: str = choice("The second map decides", {"pixel": "Pixel: it must say the same in the pixel",
                                                       "cell": "Cell: it only measures the purity of the cells"},
                            default="pixel", advanced=True, help="What becomes of labels of which the second map says something else.")
    map_year: int = integer("Year of the map", default=None, minimum=1980, maximum=2100, advanced=True,
                            help="The year that it shows. Empty: read from the tags or the file name.")
    most_years: int = integer("Most years between map and images", default=1, minimum=0, maximum=1000, advanced=True, help="More gives a warning.")
    tile_size: int = tiling.tile_size()
    stride: int = tiling.stride()
    extent: dict = tiling.extent_of_tiles()
    minimum_valid: float = tiling.minimum_valid()
    minimum_labelled: float = tiling.minimum_labelled(0.05)
    nodata: float = tiling.nodata()
    validation_share: float = tiling.validation_share()
    test_share: float = tiling.test_share()
    block_size: int = tiling.block_size()
    seed: int = tiling.seed()
    output: str = tiling.output()
    footprints: str = tiling.footprints()

    def check(self) -> None:
        if self.either_sensor and not self.second_images:
            raise JobError("“Keep ground that one sensor alone measured” (either_sensor) is on, and there are images of one sensor. Give images of a "
                           "second sensor, or switch it off.")
        tiling.check_tiling(self)
        masking.check_scenes(self)
        if self.agreement == "cell" and self.second_map and not self.purity:
            raise JobError("The second map shall measure the purity of cells, but the least purity is 0, so it decides nothing. "
                           "Set “Least purity of a cell”, 0.7 for example.")

    def run(self, progress: Progress) -> dict:
        progress.at(0, "Opening the images")
        from dataclasses import replace

        from ...engine.datasets.alignment import SecondImages, aside, partner_scenes, sensor_names
        from ...engine.datasets.building import About, Cutting, Imagery, build_dataset, describe_sensor, open_scenes
        from ...engine.datasets.cloud_masks import clear_scenes
        from ...engine.datasets.footprints import copy_footprints
        from ...engine.datasets.splitting.by_place import SplitPlan
        from ...engine.datasets.tile_size import with_tile_size
        from ...engine.themes.land_cover import map_year
        from ...engine.themes.land_cover.labels import Filters, MapChoice, open_land_cover
        from ...outputs import new_folder

        scenes = open_scenes(self.images, self.arrangement, self.nodata, progress)
        sensor = describe_sensor(scenes, self.preset, self.bands, progress)
        scenes = clear_scenes(scenes, self.cloud_masks or (), self.clouds, progress)
        second = MapChoice(self.second_map, self.second_legend, self.second_table) if self.second_map else None
        choice = MapChoice(self.land_cover, self.legend, self.legend_table, self.classes == "groups", self.unknown_codes, self.every_class)
        labels = open_land_cover(choice, [scene.grid for scene in scenes], soft=self.resampling == "soft", second=second,
                                 filters=Filters(self.purity, self.border, self.agreement), progress=progress.part(0, 0.1))
        years = map_year.compare(labels.map.raster, [scene.date for scene in scenes], self.map_year, self.most_years, progress,
                                 layer_date=self.land_cover.get("date", ""))
        plan = SplitPlan(self.validation_share, self.test_share, self.block_size, seed=self.seed)
        cutting = with_tile_size(Cutting(stride=self.stride, extent=self.extent, minimum_valid=self.minimum_valid,
                                         minimum_labelled=self.minimum_labelled, either=self.either_sensor), self.tile_size, scenes, plan, progress)
        with new_folder(self.output) as folder, aside(folder) as place:
            asked = SecondImages(self.second_images or (), self.second_arrangement, self.second_preset, self.second_bands, self.most_days)
            partners, pairs = partner_scenes(scenes, self.preset, asked, place, progress.part(0.1, 0.3))
            if partners:
                sensor = replace(sensor, name=sensor_names(self.preset, self.second_preset)[0])
            about = About(dataset_name(self), "land cover", {**labels.facts, **years, "clouds": self.clouds, "pairs": pairs})
            split = build_dataset(folder, Imagery(scenes, sensor, partners), labels, cutting, plan, about, progress.part(0.3, 1))
        return {"output": self.output, "tiles": len(split.names), **split.counts, **_summary(self.output, years),
                **copy_footprints(self.output, self.footprints)}


def _summary(folder: str, years: dict) -> dict:
    from ...engine.datasets.cloud_masks import clouded_share
    from ...engine.datasets.dataset import Dataset

    shares = {"labelled_share": round(float(Dataset.open(folder).tiles["labelled"].mean()), 4), **clouded_share(folder)}
    return {**shares, "map_year": years["map_year"]} if years["map_year"] is not None else shares
