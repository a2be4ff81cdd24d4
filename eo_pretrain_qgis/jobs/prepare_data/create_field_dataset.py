"""Create field dataset: images of one or two dates and parcels → tiles with field interior, boundary and background, split by place."""

from __future__ import annotations

from dataclasses import dataclass

from ...errors import JobError
from ...progress import Progress
from .. import masking, tiling
from ..spec import Job, Result, number, rasters, text, vector
from ..telling import dataset_name


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
    tags = ("parcels", "agriculture", "field boundaries", "delineation", "LPIS", "Fields of the World", "tiles", "segmentation", "labels",
            "training data")
    results = {**tiling.counted_results(), "clouded_share": masking.CLOUDED, "fields": Result("number", "Fields near the images")}

    images: list = rasters("Images", help="Raster layers of the same sensor." + tiling.DELIVERED)
    arrangement: str = tiling.arrangement()
    preset: str = tiling.preset()
    bands: str = text("Bands", default=None, advanced=True,
                      help="Names of the bands of one date in order, such as B02,B03,B04,B08; empty takes the names in the file or of the sensor.")
    second_images: list = rasters("Images of a second date", optional=True, repeats=True,
                                  help="One for each image, on the same grid and with the same bands. Empty: one date.")
    parcels: dict = vector("Parcels", help="Polygons; those in another CRS are reprojected.")
    complete: dict = vector("Where all fields are known", optional=True,
                            help="Polygons. Elsewhere ground without a parcel is not labelled. Empty: all ground without a parcel is background.")
    boundary: float = number("Width of the boundary [m]", default=10, minimum=0, maximum=1000,
                             help="Inside each field; at least one pixel.")
    clouds: str = masking.known_from("Pixels under cloud and shadow have no label and count as not measured.", advanced=True)
    cloud_masks: list = masking.masks_of_each(advanced=True)
    second_cloud_masks: list = rasters("Cloud masks of the second date", optional=True, advanced=True, repeats=True,
                                       help="One for each image of the second date, in the same order; of the same kind as those of the first.")
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
        tiling.check_tiling(self)
        masking.check_scenes(self)
        given, scenes = len(self.second_cloud_masks or ()), masking.scenes_of(self) if self.second_images else 0
        if given and (given != scenes or self.clouds not in masking.MASKS):
            raise JobError(f"The number of cloud masks of the second date is {given}, that of its scenes {scenes}, and “Clouds are known from” is "
                           f"{self.clouds}. Give one for each scene of the second date, of the same kind as those of the first, or none.")

    def run(self, progress: Progress) -> dict:
        progress.at(0, "Opening the images")
        from ...engine.datasets.building import About, Cutting, Imagery, build_dataset, describe_sensor
        from ...engine.datasets.cloud_masks import clouded_share
        from ...engine.datasets.footprints import copy_footprints
        from ...engine.datasets.splitting.by_place import SplitPlan
        from ...engine.datasets.tile_size import with_tile_size
        from ...engine.themes.fields.dates import acquired, open_dates, two_date_bands
        from ...engine.themes.fields.labels import FieldLabels
        from ...engine.themes.fields.parcels import open_parcels
        from ...outputs import new_folder

        dates = open_dates(self.images, self.second_images or [], self.arrangement, self.nodata, progress)
        scenes = dates.scenes
        names = two_date_bands(scenes, self.preset, self.bands, progress) if self.second_images else self.bands
        sensor = describe_sensor(scenes, self.preset, names, progress)
        scenes = dates.clear(self.cloud_masks or (), self.second_cloud_masks or (), self.clouds, progress)
        grids = [scene.grid for scene in scenes]
        parcels = open_parcels(self.parcels, grids, progress.part(0, 0.1))
        labels = FieldLabels(parcels, grids, self.boundary, self.complete, progress.part(0.1, 0.2))
        plan = SplitPlan(self.validation_share, self.test_share, self.block_size, seed=self.seed)
        cutting = with_tile_size(Cutting(stride=self.stride, extent=self.extent, minimum_valid=self.minimum_valid,
                                         minimum_labelled=self.minimum_labelled), self.tile_size, scenes, plan, progress)
        with new_folder(self.output) as folder:
            about = About(dataset_name(self), "fields", {**labels.theme_facts, "dates": acquired(scenes[0])}, "fields")
            split = build_dataset(folder, Imagery(scenes, sensor), labels, cutting, plan, about, progress.part(0.2, 1))
        return {"output": self.output, "tiles": len(split.names), "fields": len(parcels.shapes), **split.counts, **clouded_share(self.output),
                **copy_footprints(self.output, self.footprints)}
