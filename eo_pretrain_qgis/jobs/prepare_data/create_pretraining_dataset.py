"""Create pretraining dataset: tiles without labels from any number of scenes, of one sensor or of two."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ...progress import Progress
from .. import masking, tiling
from ..spec import Job, Result, choice, number, rasters
from ..telling import dataset_name
from ..tiling import DELIVERED


@dataclass(frozen=True)
class CreatePretrainingDataset(Job):
    """Cuts images into tiles without labels, from which a network can learn before it sees any.

    Left out are tiles with too much nodata, tiles with too much cloud, and tiles that look like one already taken: the same ground
    given twice, overlapping scenes of one pass, one more empty piece of sea. A second sensor can be paired, each of its images brought
    onto the grid of the image it covers best and is nearest to in time, with the days between recorded for each tile; or it can be
    unpaired, two sets of tiles in one dataset.
    """

    title = "Create pretraining dataset"
    group = "1 Prepare data"
    tags = ("self-supervised", "unlabelled", "tiles", "chips", "Sentinel-1", "Sentinel-2", "pairs", "near-duplicates", "clouds")
    results = {**tiling.counted_results(), "nodata_tiles": Result("number", "Tiles left out because too few of their pixels are valid"),
               "cloudy_tiles": Result("number", "Tiles left out because of clouds"),
               "near_duplicates": Result("number", "Tiles left out because they look like another tile")}

    images: list = rasters("Images", help="Raster layers of the same sensor, any number of places and dates." + DELIVERED)
    arrangement: str = tiling.arrangement()
    preset: str = tiling.preset()
    bands: str = tiling.bands()
    second_images: list = rasters("Images of a second sensor", optional=True,
                                  help="Such as Sentinel-1 beside Sentinel-2. For each image the one that covers it best and is nearest in time is "
                                       "taken.")
    second_arrangement: str = tiling.second_arrangement()
    second_preset: str = tiling.second_sensor(advanced=False)
    second_bands: str = tiling.second_bands()
    pairing: str = choice("The two sensors are", {"paired": "Paired: tiles hold both, on the grid of the first",
                                                  "unpaired": "Unpaired: some tiles are of the first, some of the second"},
                          default="paired", advanced=True, help="Pairs show the same ground with both sensors.")
    most_days: int = tiling.most_days()
    clouds: str = masking.known_from("Brightness is an estimate from green, red and, where there, B10 and B11; it misses thin cloud and shadow.",
                                     {"brightness": "Brightness of the pixels, without a mask"})
    cloud_masks: list = masking.masks_of_each()
    most_cloud: float = number("Largest share of cloud in a tile", default=0.1, minimum=0, maximum=1, advanced=True,
                               help="From 0 to 1. Tiles with more are left out.")
    near_duplicates: float = number("Tiles are alike up to a distance of", default=0.05, minimum=0, maximum=1, advanced=True,
                                    help="Of tiles that are alike one is kept. The distance is the root mean square difference of their coarse "
                                         "pictures, in standard deviations of the bands; 0 keeps all tiles.")
    tile_size: int = tiling.tile_size()
    stride: int = tiling.stride()
    extent: dict = tiling.extent_of_tiles()
    minimum_valid: float = tiling.minimum_valid(0.9)
    nodata: float = tiling.nodata()
    validation_share: float = tiling.validation_share(default=0.1)
    test_share: float = tiling.test_share(default=0.0)
    block_size: int = tiling.block_size()
    seed: int = tiling.seed()
    output: str = tiling.output()
    footprints: str = tiling.footprints()

    def check(self) -> None:
        tiling.check_tiling(self)
        masking.check_scenes(self)

    def run(self, progress: Progress) -> dict:
        progress.at(0, "Opening the images")
        from ...engine.datasets.alignment import aside
        from ...engine.datasets.building import Cutting
        from ...engine.datasets.footprints import copy_footprints
        from ...engine.datasets.splitting.by_place import SplitPlan
        from ...engine.datasets.tile_size import with_tile_size
        from ...engine.themes.unlabelled.tiles import build_pretraining_dataset
        from ...outputs import new_folder

        plan = SplitPlan(self.validation_share, self.test_share, self.block_size, seed=self.seed)
        with new_folder(self.output) as folder, aside(folder) as place:
            sources = self._sources(place, progress.part(0, 0.3))
            scenes = [group[0] for source in sources for group in source.scenes]
            cutting = with_tile_size(Cutting(stride=self.stride, extent=self.extent, minimum_valid=self.minimum_valid), self.tile_size, scenes, plan,
                                     progress)
            split, counts = build_pretraining_dataset(folder, sources, cutting, plan, dataset_name(self),
                                                      near_duplicates=self.near_duplicates, progress=progress.part(0.3, 1))
        return {"output": self.output, "tiles": len(split.names), **split.counts, "nodata_tiles": counts["nodata"],
                "cloudy_tiles": counts["cloudy"], "near_duplicates": counts["near_duplicates"], **copy_footprints(self.output, self.footprints)}

    def _sources(self, place: Path, progress: Progress) -> list:
        from ...engine.datasets.alignment import SECOND, SecondImages, partner_scenes, sensor_names
        from ...engine.datasets.building import describe_sensor, open_scenes
        from ...engine.themes.unlabelled.tiles import Clouds, Source, named

        scenes = open_scenes(self.images, self.arrangement, self.nodata, progress)
        sensor = describe_sensor(scenes, self.preset, self.bands, progress)
        known = Clouds(self.clouds, self.most_cloud, tuple(self.cloud_masks or ()))
        if not self.second_images:
            return [Source([sensor], [[scene] for scene in scenes], known, [])]
        first, second = sensor_names(self.preset, self.second_preset)
        if self.pairing == "unpaired":
            others = open_scenes(self.second_images, self.second_arrangement, progress=progress)
            other = describe_sensor(others, self.second_preset, self.second_bands, progress, called=SECOND)
            return [Source([named(sensor, first)], [[scene] for scene in scenes], known, []),
                    Source([named(other, second)], [[scene] for scene in others], Clouds(), [])]
        asked = SecondImages(self.second_images, self.second_arrangement, self.second_preset, self.second_bands, self.most_days)
        partners, pairs = partner_scenes(scenes, self.preset, asked, place, progress)
        other, chosen = partners[second]
        return [Source([named(sensor, first), other], [list(pair) for pair in zip(scenes, chosen)], known, pairs)]
