"""Create field dataset: images of one or two dates and parcels → tiles with field interior, boundary and background, split by place."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ...progress import Progress
from .. import tiling
from ..spec import Job, Result, extent, number, rasters, text, vector


@dataclass(frozen=True)
class CreateFieldDataset(Job):
    """Cuts images into tiles in which every pixel is field interior, field boundary or background, from a layer of parcels, and splits them by place.

    The boundary lies inside each field, so where two fields touch it is twice as wide and keeps them apart. Beside the classes the dataset
    holds how far inside its field each pixel lies, which a network learns too, and the number of the field, by which whole fields are counted.

    Fields look alike on one day and differ on another: give images of a second date, on the same grid, some months apart. The bands of the
    second date get names such as “B02 (2)”, and a map then needs both images, the first date first.

    A parcel of several parts is several fields. Polygons that are there twice count once. Invalid ones are repaired. Ground that two
    fields claim has no label, and parcels that hold the middle of no pixel are not drawn. The messages say how many.
    """

    title = "Create field dataset"
    group = "1 Prepare data"
    tags = ("parcels", "agriculture", "field boundaries", "delineation", "LPIS", "Fields of the World", "tiles", "segmentation")
    results = {**tiling.counted_results(), "fields": Result("number", "Fields near the images")}

    images: list = rasters("Images", help="Raster layers of the same sensor." + tiling.DELIVERED)
    arrangement: str = tiling.arrangement()
    second_images: list = rasters("Images of a second date", optional=True,
                                  help="One for each image, on the same grid and with the same bands. Empty: one date.")
    parcels: dict = vector("Parcels", help="Polygons; those in another CRS are reprojected.")
    complete: dict = vector("Where all fields are known", optional=True,
                            help="Polygons. Elsewhere ground without a parcel is not labelled. Empty: all ground without a parcel is background.")
    boundary: float = number("Width of the boundary [m]", default=10, minimum=0, maximum=1000,
                             help="Inside each field; at least one pixel.")
    preset: str = tiling.preset()
    bands: str = text("Bands", default=None, advanced=True,
                      help="Names of the bands of one date in order, such as B02,B03,B04,B08; empty takes the names in the file or of the sensor.")
    tile_size: int = tiling.tile_size()
    stride: int = tiling.stride()
    extent: dict = extent("Extent", optional=True, help="Only tiles inside are cut.")
    minimum_valid: float = tiling.minimum_valid()
    minimum_labelled: float = number("Minimum share of labelled pixels", default=0.05, minimum=0, maximum=1, advanced=True)
    nodata: float = tiling.nodata()
    validation_share: float = tiling.validation_share()
    test_share: float = tiling.test_share()
    block_size: int = tiling.block_size()
    seed: int = tiling.seed()
    output: str = tiling.output()
    footprints: str = tiling.footprints()

    def check(self) -> None:
        tiling.check_tiling(self)

    def run(self, progress: Progress) -> dict:
        progress.at(0, "Opening the images")
        from ...engine.datasets.building import About, Cutting, Imagery, build_dataset, describe_sensor
        from ...engine.datasets.footprints import copy_footprints
        from ...engine.datasets.splitting.by_place import SplitPlan
        from ...engine.datasets.tile_size import with_tile_size
        from ...engine.themes.fields.dates import acquired, dated_scenes, two_date_bands
        from ...engine.themes.fields.labels import FieldLabels
        from ...engine.themes.fields.parcels import open_parcels
        from ...outputs import new_folder

        scenes = dated_scenes(self.images, self.second_images or [], self.arrangement, self.nodata, progress)
        names = two_date_bands(scenes, self.preset, self.bands, progress) if self.second_images else self.bands
        sensor = describe_sensor(scenes, self.preset, names, progress)
        grids = [scene.grid for scene in scenes]
        parcels = open_parcels(self.parcels, grids, progress.part(0, 0.1))
        labels = FieldLabels(parcels, grids, self.boundary, self.complete, progress.part(0.1, 0.2))
        plan = SplitPlan(self.validation_share, self.test_share, self.block_size, seed=self.seed)
        cutting = with_tile_size(Cutting(stride=self.stride, extent=self.extent, minimum_valid=self.minimum_valid,
                                         minimum_labelled=self.minimum_labelled), self.tile_size, scenes, plan, progress)
        with new_folder(self.output) as folder:
            about = About(Path(self.output).name, "fields", {**labels.theme_facts, "dates": acquired(scenes[0])}, "fields")
            split = build_dataset(folder, Imagery(scenes, sensor), labels, cutting, plan, about, progress.part(0.2, 1))
        return {"output": self.output, "tiles": len(split.names), "fields": len(parcels.shapes), **split.counts,
                **copy_footprints(self.output, self.footprints)}
