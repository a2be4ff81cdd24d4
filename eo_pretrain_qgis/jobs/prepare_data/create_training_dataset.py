"""Create training dataset: images and labels → tiles on the image grid, split by place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ...errors import JobError
from ...progress import Progress
from .. import masking, tiling
from ..spec import Job, attribute, choice, classes, dataset_folder, layers, number, rasters
from ..telling import dataset_name


@dataclass(frozen=True)
class CreateTrainingDataset(Job):
    """Cuts images and their labels into tiles for training a segmentation model, and splits the tiles by place.

    Labels come from polygons, lines, points or class rasters, one for all images or one for each, and are drawn on the grid of the image.
    In a class raster the highest value of its type, such as 255, is no label, unless the symbology or “Classes” name it.
    Images that no label reaches are left out, and why is said. The tiles are divided
    into training, validation and test blocks so far apart that no training pixel lies within a tile of a test pixel.

    With “Add to dataset” the new tiles join those of an existing dataset, as in rounds of labelling with “Suggest labels”: old tiles keep
    their split, new ones are for training, and those too near to validation or test tiles are dropped. The result is a new dataset with
    both; the given one stays as it is. Sensor, bands, tile size and classes are those of the dataset; labels may give a class by its value
    or its name.

    Labels that give a class to squares make a dataset of images with one class each: squares or points that were labelled as a whole, as
    “Suggest labels” asks for them without a model. Every place gives the tile around its middle, of the size of the squares, or of 256 px
    around points, on each image that holds it whole. Places without a class are left out; tiles of different classes must not overlap.
    """

    title = "Create training dataset"
    group = "1 Prepare data"
    tags = ("tiles", "chips", "labels", "annotation", "export training data", "segmentation", "labelling", "training samples",
            "semantic segmentation", "deep learning")
    results = {**tiling.counted_results(), "clouded_share": masking.CLOUDED}

    images: list = rasters("Images", help="Raster layers of the same sensor." + tiling.DELIVERED)
    arrangement: str = tiling.arrangement()
    preset: str = tiling.preset()
    bands: str = tiling.bands()
    labels: list = layers("Labels", help="Polygons, lines, points or class rasters; labels in another CRS are reprojected. Of several layers each "
                                         "image takes those that lie on it, the first that knows a pixel; all layers mean the same by one value.")
    one_class: str = choice("Labels give a class to", {"pixels": "Pixels: each has the class drawn there",
                                                       "squares": "Squares: a tile around each label has its class as a whole"},
                            default="pixels", advanced=True,
                            help="Squares are for labels that give one class to a whole square or point, as “Suggest labels” asks for.")
    class_field: str = attribute("Class field", parent="labels", optional=True, by_style=True,
                                 help="The field that holds the class; needed for vector labels with more than one class.")
    class_table: list = classes("Classes", optional=True, advanced=True,
                                help="Value, name and colour of each class; empty takes them from the layer's symbology, a raster's own names, or "
                                     "the values. " + tiling.CLASS_ORDER)
    unlabelled: str = choice("Pixels without a label are", {"ignored": "Ignored: not used in training",
                                                            "background": "Background: a class of its own"}, default="ignored",
                             help="Take background only where everything of the other classes is labelled.")
    buffer: float = number("Buffer around lines and points [m]", default=None, minimum=0, maximum=100_000,
                           help="Half the width of what is drawn, such as 4 for a road of 8 m. Needed for lines; a point without it labels the "
                                "pixel it lies in.")
    clouds: str = masking.known_from("Pixels under cloud and shadow have no label and count as not measured.", advanced=True)
    cloud_masks: list = masking.masks_of_each(advanced=True)
    tile_size: int = tiling.tile_size()
    stride: int = tiling.stride()
    extent: dict = tiling.extent_of_tiles()
    minimum_valid: float = tiling.minimum_valid()
    minimum_labelled: float = tiling.minimum_labelled(0.01)
    nodata: float = tiling.nodata()
    validation_share: float = tiling.validation_share()
    test_share: float = tiling.test_share()
    block_size: int = tiling.block_size()
    seed: int = tiling.seed()
    append_to: str = dataset_folder("Add to dataset", optional=True, advanced=True,
                            help="A dataset whose tiles the new dataset holds as well. Empty makes one of its own.")
    output: str = tiling.output()
    footprints: str = tiling.footprints()

    def check(self) -> None:
        tiling.check_tiling(self)
        masking.check_scenes(self)
        if self.one_class == "squares" and (len(self.labels) != 1 or not self.class_field):
            raise JobError("Squares of one class each come from one layer and a field with their class. Give one layer and its class field.")
        if self.one_class == "squares" and self.append_to:
            raise JobError("Squares cannot be added to a dataset so far. Join the old and the new squares with “Merge vector layers” and make a "
                           "dataset of all, and leave “Add to dataset” empty.")
        if self.one_class == "squares" and (self.stride or self.unlabelled == "background" or self.buffer):
            raise JobError("Squares make a dataset of their own, a tile each. Leave stride and buffer empty and “Pixels without a label are” at "
                           "ignored.")
        if self.append_to and self.class_table:
            raise JobError("The classes of a dataset that is extended are those it has. Leave “Classes” empty, or leave “Add to dataset” empty.")

    def run(self, progress: Progress) -> dict:
        progress.at(0, "Opening the images")
        from ...engine.datasets.building import About, Cutting, Imagery, build_dataset, describe_sensor, open_scenes
        from ...engine.datasets.cloud_masks import clear_scenes, clouded_share
        from ...engine.datasets.footprints import copy_footprints
        from ...engine.datasets.labels import labelled_scenes, open_labels
        from ...engine.datasets.merging import extend_dataset, open_extended, open_labels_for
        from ...engine.datasets.splitting.by_place import SplitPlan
        from ...engine.datasets.tile_size import with_tile_size
        from ...outputs import new_folder

        if self.one_class == "squares":
            return self._squares(progress)
        extended = open_extended(self.append_to) if self.append_to else None
        scenes = open_scenes(self.images, self.arrangement, self.nodata, progress)
        sensor = describe_sensor(scenes, self.preset, self.bands, progress, extended)
        scenes = clear_scenes(scenes, self.cloud_masks or (), self.clouds, progress)
        grids = [scene.grid for scene in scenes]
        drawing: dict[str, Any] = {"class_field": self.class_field, "unlabelled": self.unlabelled, "buffer": self.buffer}
        labels = (open_labels_for(extended, self.labels, grids, **drawing, progress=progress.part(0, 0.05)) if extended else
                  open_labels(self.labels, grids, class_table=self.class_table, **drawing, progress=progress.part(0, 0.05)))
        scenes = labelled_scenes(labels, scenes, progress)
        plan = SplitPlan(self.validation_share, self.test_share, self.block_size, seed=self.seed)
        cutting = with_tile_size(Cutting(stride=self.stride, extent=self.extent, minimum_valid=self.minimum_valid,
                                         minimum_labelled=self.minimum_labelled),
                                 self.tile_size or (extended.tile_size if extended else None), scenes, plan, progress)
        with new_folder(self.output) as folder:
            name, rest = dataset_name(self), progress.part(0.05, 1)
            split = (extend_dataset(folder, extended, scenes, sensor, labels, cutting, name, rest) if extended else
                     build_dataset(folder, Imagery(scenes, sensor), labels, cutting, plan, About(name), rest))
        return {"output": self.output, "tiles": len(split.names), **split.counts, **clouded_share(self.output),
                **copy_footprints(self.output, self.footprints)}

    def _squares(self, progress: Progress) -> dict:
        """Images of one class each."""
        from ...engine.datasets.building import About, Imagery, describe_sensor, open_scenes
        from ...engine.datasets.cloud_masks import clear_scenes, clouded_share
        from ...engine.datasets.footprints import copy_footprints
        from ...engine.datasets.splitting.by_place import SplitPlan
        from ...engine.datasets.squares import build_scene_dataset, open_squares, size_of
        from ...outputs import new_folder

        scenes = open_scenes(self.images, self.arrangement, self.nodata, progress)
        sensor = describe_sensor(scenes, self.preset, self.bands, progress)
        scenes = clear_scenes(scenes, self.cloud_masks or (), self.clouds, progress)
        squares = open_squares(self.labels[0], str(self.class_field), progress)
        plan = SplitPlan(self.validation_share, self.test_share, self.block_size, seed=self.seed)
        size, about = size_of(squares, scenes, self.tile_size), About(dataset_name(self))
        with new_folder(self.output) as folder:
            split = build_scene_dataset(folder, Imagery(scenes, sensor), squares, size, (self.minimum_valid, self.class_table), plan, about,
                                        progress.part(0.05, 1))
        return {"output": self.output, "tiles": len(split.names), **split.counts, **clouded_share(self.output),
                **copy_footprints(self.output, self.footprints)}
