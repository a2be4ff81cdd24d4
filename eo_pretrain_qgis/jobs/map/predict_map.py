"""Predict map: model + image → class map, confidence, class shares and polygons, or a synthetic image of another sensor."""

from __future__ import annotations

import os
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

from ...errors import JobError
from ...version import plugin_version
from .. import mapping, training
from ..prepare_data.create_pretraining_dataset import MASKS, check_cloud_masks
from ..record import values_without_folders
from ..spec import (
    Job,
    Result,
    boolean,
    choice,
    extent,
    file,
    folder_output,
    integer,
    number,
    pixel_value,
    raster_output,
    rasters,
    text,
    vector_output,
)
from ..tiling import DELIVERED, PRESETS, SMALL_BLOCKS


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
    that the model sees, at every fourth pixel. Where it is above 100 %, nobody has measured how right the map is. The model file must hold
    training samples, as those of “Export model” do.

    With a model from “Pretrain by translation” the result is an image as another sensor would store it, float32 with all its bands. It is
    synthetic and marked so in its bands, tags, style and layer name: nothing in it was measured.
    """

    title = "Predict map"
    group = "4 Map"
    tags = ("inference", "classification", "segmentation", "land cover", "deep learning", "ONNX")
    results = {"out_of_range_share": Result("number", "Share of the valid pixels outside the range of values that the model was trained on, 0 to 1; "
                                                      "of the band where it is largest"),
               "unlike_share": Result("number", "Share of the map that is unlike all ground that the model learned from, 0 to 1; where the area of "
                                                "applicability is written"),
               "valid_share": Result("number", "Share of the pixels that have a result, 0 to 1"), "device": training.DEVICE,
               "seconds": Result("number", "Duration of the mapping, in seconds")}

    model: str = file("Model", extension="onnx", help="Written by “Export model”.")
    images: list = rasters("Image", help="One raster with all bands, or the bands of one scene as several rasters." + DELIVERED)
    preset: str = choice("Sensor", ("as_model", *PRESETS), default="as_model",
                         help="How the stored values are scaled, when that differs from the images the model was trained on.")
    bands: str = mapping.bands()
    second_images: list = rasters("Second image", optional=True, help="Of a model of two sensors the image of the other one, on the same pixels: one "
                                                                      "raster with all bands, or its bands as several rasters.")
    second_preset: str = choice("Sensor of the second image", ("as_model", *PRESETS), default="as_model", advanced=True)
    second_bands: str = text("Bands of the second image", default=None, advanced=True, help="As “Bands”.")
    second_nodata: float = pixel_value("Nodata value of the second image", advanced=True, help="As “Nodata value”.")
    clouds: str = choice("Clouds are known from", ("none", *MASKS), default="none", advanced=True,
                         help="“scl”: the scene classification of Sentinel-2 L2A. “qa_pixel”: that of Landsat. “mask”: a raster in which 0 is clear. "
                              "Ground under cloud and shadow counts as not measured, in the optical image of two.")
    cloud_masks: list = rasters("Cloud mask", optional=True, advanced=True,
                                help="One raster, on any grid, or the scene as it was delivered, which brings its own.")
    extent: dict = extent("Extent", optional=True)
    nodata: float = mapping.nodata()
    tile_size: int = integer("Tile size [px]", default=1024, minimum=128, maximum=8192, advanced=True,
                             help="A memory setting: how many of the model's blocks are read and written at once. It never changes the map.")
    small_blocks: bool = boolean("Small blocks", advanced=True, help=SMALL_BLOCKS)
    halo: int = integer("Halo [px]", default=None, minimum=0, maximum=2048, advanced=True,
                        help="Thrown away at each side of a block; empty takes what the model needs, another value may change a few pixels.")
    step: int = integer("Step [px]", default=None, minimum=1, maximum=2048, advanced=True,
                        help="From square to square, of a model of classes of whole images or patches, and the size of a pixel of the map. Empty: "
                             "the size of the squares, which then lie beside each other. Half of it takes four times as long.")
    target: str = text("Target", default=None, advanced=True,
                       help="Of a model of several targets the name of that which the map and all that goes with it are of. Empty: the main one.")
    device: str = text("Device", default="auto", advanced=True, help="auto, cpu, cuda or cuda:0; a device named and not there is an error.")
    minimum_area: float = number("Smallest polygon [m²]", default=0, minimum=0, maximum=1e15, advanced=True)
    output: str = raster_output("Class map", help="With a model that translates: the synthetic image. With one that embeds: the embedding. With "
                                                  "one of several classes for each image: their probabilities.")
    confidence: str = mapping.confidence()
    class_shares: str = mapping.class_shares()
    applicability: str = mapping.applicability()
    sensor_map: str = raster_output("Which sensor", optional=True, created=False,
                                    help="Of a model of two sensors: 1 where the first alone was measured, 2 the second alone, 3 both.")
    polygons: str = vector_output("Polygons", optional=True, created=False)
    target_maps: str = folder_output("Maps of further targets", optional=True, created=False,
                                     help="Of a model of several targets: a new folder with a class map of each but the main one, named as it is.")

    def check(self) -> None:
        check_cloud_masks(self.clouds, self.cloud_masks, 1)
        given = [name for name in ("second_preset", "second_bands", "second_nodata") if getattr(self, name) not in (None, "", "as_model")]
        if given and not self.second_images:
            raise JobError(f"“{self.parameters()[given[0]].label}” ({given[0]}) is given without a second image. Give that, or leave it empty.")

    def _also(self, model: Any) -> dict[str, str]:
        """What is written beside the chief product, by name.

        Raises:
            JobError: the model does not give it, or gives it as the chief one.
        """
        names = ("confidence", "class_shares", "applicability", "sensor_map", "polygons")
        also = {name: getattr(self, name) for name in names if getattr(self, name)}
        for name in also:
            if name not in model.kind.products:
                label = self.parameters()[name].label
                gives = f"makes images of {model.target_sensor}" if model.kind.synthetic else f"gives {model.kind.gives}"
                needs = "classes" if name in ("applicability", "sensor_map") else "classes, one for each place"
                raise JobError(f"“{label}” ({name}) needs a model that gives {needs}, and {self.model} {gives}. Leave it empty, or choose another "
                               "model.")
        chief = model.kind.products[0]
        if chief in also:
            raise JobError(f"“{self.parameters()[chief].label}” ({chief}) is what this model gives as “{self.parameters()['output'].label}” already. "
                           "Leave it empty.")
        return also

    def run(self, progress: Any) -> dict[str, Any]:
        progress.at(0, "Reading the model")  # before anything heavy is loaded
        from ...engine.mapping.images import Image
        from ...engine.mapping.inference import map_scene
        from ...engine.mapping.polygons import write_polygons
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
                             device=self.device,
                             provenance={"job": self.name(), "version": plugin_version(), "values": values_without_folders(self)})
        made: dict[str, Any] = {name: PRODUCTS[name](path) for name, path in rasters_of.items() if name in PRODUCTS}
        products = [OfTarget(target, one) if target else one for one in made.values()]
        with new_folder(self.target_maps) if further else nullcontext() as folder:
            products += [OfTarget(name, ClassMap(os.path.join(folder or "", f"{name}.tif"))) for name in further]
            outcome = map_scene(model, request, products, progress.part(0, 0.9 if self.polygons else 1))
        if self.polygons:
            write_polygons(self.output, model.of_target(target).classes, self.polygons, self.minimum_area, progress.part(0.9, 1))
        progress.message(f"Mapped on {outcome.device} in {outcome.seconds:.1f} s.")
        also |= {"target_maps": self.target_maps} if further else {}
        also |= {"unlike_share": made["applicability"].outside} if self.applicability else {}
        return {"output": self.output, **also, "out_of_range_share": outcome.out_of_range_share, "valid_share": outcome.valid_share,
                "device": outcome.device, "seconds": round(outcome.seconds, 2)}
