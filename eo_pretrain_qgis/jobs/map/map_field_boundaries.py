"""Map field boundaries: model + image of one or two dates → polygons of fields, and the classes of pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ...version import plugin_version
from .. import mapping, training
from ..record import values_without_folders
from ..spec import Job, Result, boolean, extent, file, number, raster_output, rasters, text, vector_output
from ..spec import choice as one_of
from ..tiling import DELIVERED, PRESETS, SMALL_BLOCKS


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
    tags = ("parcels", "agriculture", "field delineation", "watershed", "polygons", "instance segmentation", "ONNX")
    results = {"fields": Result("number", "Fields that were drawn"), "area_ha": Result("number", "Area of all fields, in hectares"),
               "out_of_range_share": Result("number", "Share of the valid pixels outside the range of values that the model was trained on, 0 to 1; "
                                                      "of the band where it is largest"),
               "valid_share": Result("number", "Share of the pixels that have a result, 0 to 1"), "device": training.DEVICE,
               "seconds": Result("number", "Duration of the mapping, in seconds")}

    model: str = file("Model", extension="onnx", help="Written by “Export model” from a run on fields.")
    images: list = rasters("Image", help="One raster with all bands, or several on one grid: of a model of two dates the first date, then the second."
                                         + DELIVERED)
    preset: str = one_of("Sensor", ("as_model", *PRESETS), default="as_model", advanced=True,
                         help="How the stored values are scaled, when that differs from the images the model was trained on.")
    bands: str = mapping.bands()
    extent: dict = extent("Extent", optional=True)
    nodata: float = mapping.nodata()
    minimum_size: float = number("Smallest field [ha]", default=0.05, minimum=0, maximum=1e6, help="Smaller ones are left out.")
    simplification: float = number("Simplification [m]", default=10, minimum=0, maximum=10_000,
                                   help="About the size of the corners that are smoothed away; 0 keeps the edges of pixels.")
    threshold: float = number("Least probability of field", default=0.5, minimum=0.01, maximum=0.99, advanced=True,
                              help="Of field interior or boundary; ground with less belongs to no field.")
    depth: float = number("Least dip between fields", default=0.1, minimum=0.01, maximum=0.9, advanced=True,
                          help="By how much the model must be less sure between two fields than in both of them. A smaller one divides more.")
    small_blocks: bool = boolean("Small blocks", advanced=True, help=SMALL_BLOCKS)
    device: str = text("Device", default="auto", advanced=True, help="auto, cpu, cuda or cuda:0; a device named and not there is an error.")
    output: str = vector_output("Fields")
    class_map: str = raster_output("Class map", optional=True, created=False, help="Field interior, field boundary and background of every pixel.")

    def run(self, progress: Any) -> dict[str, Any]:
        progress.at(0, "Reading the model")  # before anything heavy is loaded
        from ...engine.mapping.fields.decoding import Decoding
        from ...engine.mapping.fields.making import map_fields
        from ...engine.mapping.fields.outlines import Shaping
        from ...engine.mapping.request import MapRequest
        from ...engine.models import package

        request = MapRequest(self.images, self.preset, self.bands or "", self.extent, self.nodata, small_blocks=self.small_blocks, device=self.device,
                             provenance={"job": self.name(), "version": plugin_version(), "values": values_without_folders(self)})
        facts = map_fields(package.open(self.model), request, self.output, self.class_map, Decoding(self.threshold, self.depth),
                           Shaping(self.minimum_size, self.simplification), progress)
        if not facts["fields"]:
            progress.message(f"No field of {self.minimum_size:g} ha or more was found, so {self.output} is empty. Choose a smaller “Smallest field”, "
                             "a smaller “Least probability of field”, or an image like those the model learned from.", level="warning")
        progress.message(f"{facts['fields']} fields of {facts['area_ha']:.1f} ha, mapped on {facts['device']} in {facts['seconds']:.1f} s.")
        return {"output": self.output, **({"class_map": self.class_map} if self.class_map else {}), **facts}
