"""Map field boundaries: model + image of one or two dates → polygons of fields, and the classes of pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ...progress import Noting
from ...version import plugin_version
from .. import mapping, masking, training
from ..record import values_without_folders
from ..spec import Job, Result, boolean, file, image, number, raster_output, vector_output
from ..tiling import DELIVERED, SMALL_BLOCKS


@dataclass(frozen=True)
class MapFieldBoundaries(Job):
    """Draws the fields in an image of any size as closed polygons, with a model of a dataset from “Create field dataset”.

    A field begins where the model is sure to be in the middle of one, and grows until it meets its neighbours; the border lies where the model
    is least sure to be inside. Neighbours share their border, without gaps or overlaps, also after simplification. Holes stay holes.

    Each field has its area on the ground and a confidence, the mean probability that its pixels are field. The image is worked on in
    blocks; a field that crosses several comes out once.
    """

    title = "Map field boundaries"
    group = "4 Map"
    tags = ("parcels", "agriculture", "field delineation", "watershed", "polygons", "instance segmentation", "ONNX", "delineate fields",
            "farmland", "crop fields", "LPIS", "AI", "neural network", "deep learning", "vectorize")
    results = {"fields": Result("number", "Fields that were drawn"), "area_ha": Result("number", "Area of all fields, in hectares"),
               "out_of_range_share": mapping.OUT_OF_RANGE,
               "valid_share": Result("number", "Share of the pixels that have a result, 0 to 1"), "device": training.DEVICE,
               "seconds": mapping.SECONDS}

    images: list = image("Image", help="One raster with all bands, or several on one grid: of a model of two dates the first date, then the second."
                                         + DELIVERED)
    model: str = file("Model", extension="onnx", help="A model file, written by “Export model” from a run on fields.")
    extent: dict = mapping.area()
    minimum_size: float = number("Smallest field [ha]", default=0.05, minimum=0, maximum=1e6, help="Smaller ones are left out.")
    simplification: float = number("Simplification [m]", default=10, minimum=0, maximum=10_000,
                                   help="About the size of the corners that are smoothed away. 0 keeps the edges of pixels.")
    preset: str = mapping.preset()
    bands: str = mapping.bands()
    clouds: str = masking.known_from("No field is drawn under cloud and shadow.", advanced=True)
    cloud_masks: list = masking.mask_of_one(" Of a model of two dates one for each.")
    several: str = mapping.several()
    mosaic_crs: str = mapping.mosaic_crs()
    mosaic_resolution: float = mapping.mosaic_resolution()
    nodata: float = mapping.nodata()
    threshold: float = number("Least probability of field", default=0.5, minimum=0.01, maximum=0.99, advanced=True,
                              help="Of field interior or boundary, from 0 to 1. Ground with less belongs to no field.")
    depth: float = number("Least dip between fields", default=0.1, minimum=0.01, maximum=0.9, advanced=True,
                          help="By how much the probability must fall between two fields, from 0 to 1. A smaller one divides more.")
    small_blocks: bool = boolean("Small blocks", advanced=True, help=SMALL_BLOCKS)
    device: str = mapping.device()
    speed: str = mapping.speed()
    output: str = vector_output("Fields", help="Closed polygons with their area [ha] and confidence.")
    report: str = mapping.report()
    class_map: str = raster_output("Class map", optional=True, created=False, help="Field interior, field boundary and background of every pixel.")

    def check(self) -> None:
        mapping.check_mosaic(self)
        several = self.several != mapping.BANDS or (len(self.cloud_masks or ()) == 2 and len(self.images) > 1)
        masking.check(self.clouds, self.cloud_masks, len(self.cloud_masks or ()) or 1 if several else 1)

    def run(self, progress: Any) -> dict[str, Any]:
        progress = Noting(progress)
        progress.at(0, "Reading the model")  # before anything heavy is loaded
        from ...engine.mapping.fields.decoding import Decoding
        from ...engine.mapping.fields.making import map_fields
        from ...engine.mapping.fields.outlines import Shaping
        from ...engine.mapping.request import MapRequest
        from ...engine.models import package

        request = MapRequest(self.images, self.preset, self.bands or "", self.extent, self.nodata, self.clouds, tuple(self.cloud_masks or ()),
                             small_blocks=self.small_blocks, device=self.device, fast=self.speed == "fast", mosaic=mapping.mosaic_of(self),
                             provenance={"job": self.name(), "version": plugin_version(), "values": values_without_folders(self)})
        model = package.open(self.model)
        facts = map_fields(model, request, self.output, self.class_map, Decoding(self.threshold, self.depth),
                           Shaping(self.minimum_size, self.simplification), progress)
        if not facts["fields"]:
            progress.message(f"No field of {self.minimum_size:g} ha or more was found, so {self.output} is empty. Choose a smaller “Smallest field”, "
                             "a smaller “Least probability of field”, or an image like those the model learned from.", level="warning")
        progress.message(f"{facts['fields']} fields of {facts['area_ha']:.1f} ha, mapped on {facts['device']} in {facts['seconds']:.1f} s.")
        told = mapping.reported(self, model, progress, what="Fields", layer=self.output, kind="fields", facts=facts, request=request)
        return {"output": self.output, **({"class_map": self.class_map} if self.class_map else {}), **facts, **told}
