"""Predict map: model + image → class map, confidence, class shares and polygons, or a synthetic image of another sensor."""

from __future__ import annotations

import os
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

from ...errors import JobError
from ...progress import Noting
from ...version import plugin_version
from .. import mapping, masking, training
from ..record import values_without_folders
from ..spec import Job, Result, boolean, file, folder_output, image, integer, pixel_value, raster_output, text
from ..tiling import DELIVERED, SMALL_BLOCKS


@dataclass(frozen=True)
class PredictMap(Job):
    """Maps the classes of a model over an image of any size.

    Bands are matched by name, and nodata stays nodata. The map is computed in blocks that the model file fixes, counted from the first pixel of the
    image. So on one computer it depends on the image and the model alone: a map of an extent is that part of the map of the whole image.

    With a model of classes of whole images or patches, each pixel of the map is a square of the image with the size of these, or the middle of such a
    square where a smaller step is asked for. A square of which less than half was measured has no class. Where images may have several classes, the
    result is the probability of every class, a band for each.

    A model of several targets, such as stage, concentration and form of sea ice, writes the class map of the main one, or of the “Target” that
    is named, and of the others into the folder “Maps of further targets”.

    A model of two sensors takes a “Second image” on the same pixels; the names of the bands tell which image is of which sensor. A model that can do
    without one of them maps either alone, and of two images the ground that one of them does not show, or clouds hide. “Which sensor” shows
    where that was. Any other model of two sensors needs both, and gives no class where one is missing.

    The “Area of applicability” shows where the image is like what the model learned from: places are compared with training samples in the values
    that the model sees, at every fourth pixel. Where it is above 100 %, nobody has measured how right the map is. What one of two sensors alone
    measured is compared in its values. The model file must hold training samples, as those of “Export model” do.

    “Out of range” is cheaper and asks for less: how far the values of a pixel lie from the mean of the training values, with the correlation of
    the bands. It can show haze, snow, another season or unit, but no gap between two kinds of training ground, as the area of applicability does.

    With a model from “Pretrain by translation” the result is an image as another sensor would store it, float32 with all its bands. It is
    synthetic and marked so in its bands, tags, style and layer name: nothing in it was measured.
    """

    title = "Predict map"
    group = "4 Map"
    tags = ("inference", "classification", "segmentation", "land cover", "deep learning", "ONNX", "classify image", "AI", "neural network",
            "semantic segmentation", "machine learning", "predict", "satellite image")
    results = {"out_of_range_share": mapping.OUT_OF_RANGE,
               "unlike_share": mapping.UNLIKE, "outside_share": mapping.OUTSIDE,
               "valid_share": Result("number", "Share of the pixels that have a result, 0 to 1"), "device": training.DEVICE,
               "seconds": mapping.SECONDS}

    images: list = image("Image", help="One raster with all bands, or the bands of one scene as several rasters." + DELIVERED)
    model: str = file("Model", extension="onnx", help="A model file, written by “Export model” or “Map from points”.")
    second_images: list = image("Second image", optional=True, help="Of a model of two sensors the image of the other one, on the same pixels: one "
                                                                      "raster with all bands, or its bands as several rasters.")
    extent: dict = mapping.area()
    preset: str = mapping.preset()
    bands: str = mapping.bands()
    nodata: float = mapping.nodata()
    second_preset: str = mapping.preset("Sensor of the second image")
    second_bands: str = text("Bands of the second image", default=None, advanced=True, help="As “Bands”.")
    second_nodata: float = pixel_value("Nodata value of the second image", advanced=True, help="As “Nodata value”.")
    clouds: str = masking.known_from("Ground under cloud and shadow counts as not measured, in the optical image of two.", advanced=True)
    cloud_masks: list = masking.mask_of_one()
    several: str = mapping.several()
    mosaic_crs: str = mapping.mosaic_crs()
    mosaic_resolution: float = mapping.mosaic_resolution()
    tile_size: int = integer("Tile size [px]", default=1280, minimum=128, maximum=8192, advanced=True,
                             help="A memory setting: how many of the model's blocks are read and written at once. It never changes the map.")
    small_blocks: bool = boolean("Small blocks", advanced=True, help=SMALL_BLOCKS)
    halo: int = integer("Halo [px]", default=None, minimum=0, maximum=2048, advanced=True,
                        help="Border that is thrown away at each side of a block. Empty: what the model needs; another value may change a few "
                             "pixels.")
    step: int = integer("Step [px]", default=None, minimum=1, maximum=2048, advanced=True,
                        help="Of a model of classes of whole images or patches: from square to square, and the size of a pixel of the map. Empty: "
                             "the size of the squares, so that they lie beside each other. Half of it takes four times as long.")
    target: str = text("Target", default=None, advanced=True,
                       help="Of a model of several targets the name of that which the map and all that goes with it are of. Empty: the main one.")
    device: str = mapping.device()
    speed: str = mapping.speed()
    minimum_area: float = mapping.smallest_polygon()
    output: str = raster_output("Class map", help="What the model gives: classes, with some models an image of another sensor, an embedding, or the "
                                                  "probabilities of the classes.")
    confidence: str = mapping.confidence()
    polygons: str = mapping.polygons()
    applicability: str = mapping.applicability()
    runner_up: str = mapping.runner_up()
    margin: str = mapping.margin()
    class_shares: str = mapping.class_shares()
    out_of_range: str = mapping.out_of_range()
    disagreement: str = mapping.disagreement()
    sensor_map: str = raster_output("Which sensor", optional=True, created=False, advanced=True,
                                    help="Of a model of two sensors: 1 where the first alone was measured, 2 the second alone, 3 both.")
    report: str = mapping.report()
    target_maps: str = folder_output("Maps of further targets", optional=True, created=False, advanced=True, fresh=True,
                                     help="Of a model of several targets: a new folder with a class map of each but the main one, named as it is.")

    def check(self) -> None:
        mapping.check_mosaic(self)
        masking.check(self.clouds, self.cloud_masks, 1 if self.several == mapping.BANDS else len(self.cloud_masks or ()) or 1)
        given = [name for name in ("second_preset", "second_bands", "second_nodata") if getattr(self, name) not in (None, "", mapping.AS_MODEL)]
        if given and not self.second_images:
            raise JobError(f"“{self.parameters()[given[0]].label}” ({given[0]}) is given without a second image. Give that, or leave it empty.")

    def _also(self, model: Any) -> dict[str, str]:
        """What is written beside the chief product, by name.

        Raises:
            JobError: the model does not give it, or gives it as the chief one.
        """
        names = ("confidence", "runner_up", "margin", "class_shares", "out_of_range", "disagreement", "applicability", "sensor_map", "polygons")
        also = {name: getattr(self, name) for name in names if getattr(self, name)}
        for name in also:
            if name not in model.kind.products:
                label = self.parameters()[name].label
                gives = f"makes images of {model.target_sensor}" if model.kind.synthetic else f"gives {model.kind.gives}"
                needs = "classes" if name in ("out_of_range", "disagreement", "applicability", "sensor_map") else "classes, one for each place"
                raise JobError(f"“{label}” ({name}) needs a model that gives {needs}, and {self.model} {gives}. Leave it empty, or choose another "
                               "model.")
        chief = model.kind.products[0]
        if self.report and chief != "class_map":
            raise JobError(f"“Map report” (report) tells of classes, one for each place, and {self.model} gives {model.gives}. Leave it empty, or "
                           "choose another model.")
        if chief in also:
            raise JobError(f"“{self.parameters()[chief].label}” ({chief}) is what this model gives as “{self.parameters()['output'].label}” already. "
                           "Leave it empty.")
        return also

    def run(self, progress: Any) -> dict[str, Any]:
        progress = Noting(progress)
        progress.at(0, "Reading the model")  # before anything heavy is loaded
        from ...engine.mapping.images import Image
        from ...engine.mapping.inference import map_scene
        from ...engine.mapping.products import PRODUCTS
        from ...engine.mapping.products.classes import ClassMap
        from ...engine.mapping.products.sensor_map import require_two
        from ...engine.mapping.products.targets import OfTarget, chosen_target, require_further
        from ...engine.mapping.request import MapRequest
        from ...engine.models import package
        from ...outputs import new_folder

        model = package.open(self.model)
        target, further = chosen_target(model, self.target or ""), require_further(model) if self.target_maps else []
        chief, also = model.kind.products[0], self._also(model)
        if self.sensor_map:
            require_two(model)
        rasters_of = {chief: self.output, **also}
        second = Image(self.second_images, self.second_preset, self.second_bands or "", self.second_nodata) if self.second_images else None
        request = MapRequest(self.images, self.preset, self.bands or "", self.extent, self.nodata, self.clouds, tuple(self.cloud_masks or ()),
                             second=second, tile_size=self.tile_size, small_blocks=self.small_blocks, halo=self.halo, step=self.step,
                             device=self.device, fast=self.speed == "fast",
                             mosaic=mapping.mosaic_of(self),
                             provenance={"job": self.name(), "version": plugin_version(), "values": values_without_folders(self)})
        made: dict[str, Any] = {name: PRODUCTS[name](path) for name, path in rasters_of.items() if name in PRODUCTS}
        products = [OfTarget(target, one) if target else one for one in made.values()]
        with new_folder(self.target_maps) if further else nullcontext() as folder:
            products += [OfTarget(name, ClassMap(os.path.join(folder or "", f"{name}.tif"))) for name in further]
            outcome = map_scene(model, request, products, progress.part(0, 0.9 if self.polygons else 1))
        if self.polygons:
            from ...engine.mapping.polygons import write_polygons

            write_polygons(self.output, model.of_target(target).classes, self.polygons, self.minimum_area, progress.part(0.9, 1))
        progress.message(f"Mapped on {outcome.device} in {outcome.seconds:.1f} s.")
        also |= {"target_maps": self.target_maps} if further else {}
        also |= {"unlike_share": made["applicability"].outside} if self.applicability else {}
        also |= {"outside_share": made["out_of_range"].outside} if self.out_of_range else {}
        also |= mapping.reported(self, model.of_target(target), progress, what=f"{target[:1].upper()}{target[1:]}" or "Map", raster=self.output,
                                 facts={**also, "out_of_range_share": outcome.out_of_range_share})
        return {"output": self.output, **also, "out_of_range_share": outcome.out_of_range_share, "valid_share": outcome.valid_share,
                "device": outcome.device, "seconds": round(outcome.seconds, 2)}
