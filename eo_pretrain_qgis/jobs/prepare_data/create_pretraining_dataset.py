"""Create pretraining dataset: tiles without labels from any number of scenes, of one sensor or of two."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ...errors import JobError
from ...progress import Progress
from .. import tiling
from ..spec import MOST_PIXELS, Job, Result, choice, extent, integer, number, rasters, text
from ..tiling import DELIVERED, PRESETS

#: What “Clouds are known from” calls masks.
MASKS = ("scl", "qa_pixel", "mask")


def check_cloud_masks(source: str, masks: list | None, scenes: int) -> None:
    """Raises JobError unless there is a mask for each scene where clouds are known from masks, and none where not."""
    given = len(masks or ())
    if source in MASKS and given != scenes:
        raise JobError(f"The number of cloud masks is {given}, and that of scenes {scenes}. Give one for each scene, in the same order (a scene "
                       "as it was delivered can be its own), or set “Clouds are known from” to another source.")
    if given and source not in MASKS:
        raise JobError(f"Cloud masks are given, but “Clouds are known from” is {source}. Set it to the kind of the masks: {', '.join(MASKS)}.")


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
    bands: str = text("Bands", default=None, advanced=True,
                      help="Names of the image's bands in order; empty takes the names in the file or of the sensor.")
    second_images: list = rasters("Images of a second sensor", optional=True)
    second_arrangement: str = choice("The images of the second sensor are", ("scenes", "bands"), default="scenes", advanced=True)
    second_preset: str = choice("Second sensor", PRESETS, default="generic")
    second_bands: str = text("Bands of the second sensor", default=None, advanced=True)
    pairing: str = choice("The two sensors are", ("paired", "unpaired"), default="paired",
                          help="“paired”: tiles hold both, on the grid of the first. “unpaired”: tiles of the first and tiles of the second.")
    most_days: int = integer("Most days between the two sensors", default=None, minimum=0, maximum=36500, advanced=True, help="Empty: any number.")
    clouds: str = choice("Clouds are known from", ("none", "scl", "qa_pixel", "mask", "brightness"), default="none",
                         help="“scl”: the scene classification of Sentinel-2 L2A. “qa_pixel”: that of Landsat. "
                              "“mask”: rasters in which 0 is clear. “brightness”: an "
                              "estimate from green, red and, where there, B10 and B11; it misses thin cloud and shadow.")
    cloud_masks: list = rasters("Cloud masks", optional=True, help="One for each image, in the same order; any grid. A scene as it was delivered "
                                                                    "brings its own: give it here, too.")
    most_cloud: float = number("Largest share of cloud in a tile", default=0.1, minimum=0, maximum=1)
    near_duplicates: float = number("Tiles are alike up to a distance of", default=0.05, minimum=0, maximum=1, advanced=True,
                                    help="Root mean square difference of the coarse picture of two tiles, in spreads of the bands. "
                                         "0 keeps all tiles.")
    tile_size: int = tiling.tile_size()
    stride: int = tiling.stride()
    extent: dict = extent("Extent", optional=True, help="Only tiles inside are cut.")
    minimum_valid: float = number("Minimum share of valid pixels", default=0.9, minimum=0, maximum=1)
    nodata: float = tiling.nodata()
    validation_share: float = number("Share of validation blocks", default=0.1, minimum=0, maximum=0.5)
    test_share: float = number("Share of test blocks", default=0.0, minimum=0, maximum=0.5, advanced=True)
    block_size: int = integer("Block size for the split [px]", default=None, minimum=32, maximum=MOST_PIXELS, advanced=True,
                              help="Empty: chosen from the size of the images.")
    seed: int = tiling.seed()
    output: str = tiling.output()
    footprints: str = tiling.footprints()

    def check(self) -> None:
        tiling.check_tiling(self)
        check_cloud_masks(self.clouds, self.cloud_masks, 1 if self.arrangement == "bands" else len(self.images))

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
            split, counts = build_pretraining_dataset(folder, sources, cutting, plan, Path(self.output).name,
                                                      near_duplicates=self.near_duplicates, progress=progress.part(0.3, 1))
        return {"output": self.output, "tiles": len(split.names), **split.counts, "nodata_tiles": counts["nodata"],
                "cloudy_tiles": counts["cloudy"], "near_duplicates": counts["near_duplicates"], **copy_footprints(self.output, self.footprints)}

    def _sources(self, place: Path, progress: Progress) -> list:
        from ...engine.datasets.alignment import SecondImages, partner_scenes, sensor_names
        from ...engine.datasets.building import describe_sensor, open_scenes
        from ...engine.themes.unlabelled.tiles import Clouds, Source, named

        scenes = open_scenes(self.images, self.arrangement, self.nodata, progress)
        sensor = describe_sensor(scenes, self.preset, self.bands, progress)
        clouds = Clouds(self.clouds, self.most_cloud, tuple(self.cloud_masks or ()))
        if not self.second_images:
            return [Source([sensor], [[scene] for scene in scenes], clouds, [])]
        first, second = sensor_names(self.preset, self.second_preset)
        if self.pairing == "unpaired":
            others = open_scenes(self.second_images, self.second_arrangement, progress=progress)
            other = describe_sensor(others, self.second_preset, self.second_bands, progress)
            return [Source([named(sensor, first)], [[scene] for scene in scenes], clouds, []),
                    Source([named(other, second)], [[scene] for scene in others], Clouds(), [])]
        asked = SecondImages(self.second_images, self.second_arrangement, self.second_preset, self.second_bands, self.most_days)
        partners, pairs = partner_scenes(scenes, self.preset, asked, place, progress)
        other, chosen = partners[second]
        return [Source([named(sensor, first), other], [list(pair) for pair in zip(scenes, chosen)], clouds, pairs)]
