"""Map land cover: model + image → class map without specks, its areas and outlines, and its change since an earlier map."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ...errors import JobError
from ...progress import Noting
from ...version import plugin_version
from .. import mapping, masking, training
from ..record import values_without_folders
from ..spec import Job, Result, boolean, file_output, image, number, raster, raster_output
from ..tiling import DELIVERED, SMALL_BLOCKS


@dataclass(frozen=True)
class MapLandCover(Job):
    """Maps the land cover of an image of any size, with a model of classes, as a map that one can hand over: without specks, with a table of areas
    and with outlines.

    Areas below the smallest one get the class of a neighbour. Which one the model decides: it is the class beside the area that the model gives most
    probability in it, and not the class that most pixels around have. The smallest area comes first. Ground without a class never gets one.

    “Runner-up” and “Margin” are those of the finished map: where an area got the class of a neighbour, its own class is the runner-up and the margin
    is 0.

    Polygons share their borders, without gaps or overlaps, also after simplification. The table of areas counts pixels of the map; in degrees each
    row of pixels has its own area.

    With an “Earlier map” of the same model, on the same pixels and of the same season, the result says what changed. Two maps with mistakes differ
    also where nothing changed. So the table has, beside each change, the hectares that the mistakes in the model's confusion matrix alone would show.
    """

    title = "Map land cover"
    group = "4 Map"
    tags = ("land use", "classification", "generalize", "sieve", "minimum mapping unit", "polygons", "vectorize", "area", "change", "ONNX",
            "LULC", "classify", "supervised classification", "AI", "neural network", "deep learning", "segmentation", "vegetation", "water",
            "forest", "urban", "satellite image")
    results = {"classes": Result("number", "Classes that the map shows"),
               "sieved_share": Result("number", "Share of the pixels that got the class of a neighbour, 0 to 1"),
               "polygon_count": Result("number", "With polygons: how many"),
               "changed_ha": Result("number", "With an earlier map: hectares on which the classes differ"),
               "expected_ha": Result("number", "With an earlier map: hectares of change that mistakes of the model alone would show, if those of the "
                                                "two dates are independent"),
               "out_of_range_share": mapping.OUT_OF_RANGE, "outside_share": mapping.OUTSIDE,
               "valid_share": Result("number", "Share of the pixels that have a result, 0 to 1"), "device": training.DEVICE,
               "seconds": mapping.SECONDS}

    images: list = image("Image", help="One raster with all bands, or the bands of one scene as several rasters." + DELIVERED)
    model: str = mapping.model("A model file, written by “Export model”, that gives a class for every pixel, image or patch.",
                               "one square kilometre of Slovenia in Sentinel-2 L1C images, so that it shows the way and is no map of your region")
    extent: dict = mapping.area()
    minimum_area: float = number("Smallest area [m²]", default=5000, minimum=0, maximum=1e15,
                                 help="Minimum mapping unit: smaller areas get the class of a neighbour. 0 keeps all. 5,000 m² are half a hectare, "
                                      "50 pixels of 10 m.")
    preset: str = mapping.preset()
    bands: str = mapping.bands()
    clouds: str = masking.known_from("Ground under cloud and shadow gets no class.", advanced=True)
    cloud_masks: list = masking.mask_of_one()
    several: str = mapping.several()
    mosaic_crs: str = mapping.mosaic_crs()
    mosaic_resolution: float = mapping.mosaic_resolution()
    nodata: float = mapping.nodata()
    simplification: float = number("Simplification [m]", default=20, minimum=0, maximum=100_000, advanced=True,
                                   help="Of polygons: about the size of the corners that are smoothed away. 0 keeps the edges of pixels.")
    earlier: dict = raster("Earlier map", optional=True, advanced=True,
                           help="A class map of the same model, on the same pixels, of an image taken earlier in the same season (45 days).")
    small_blocks: bool = boolean("Small blocks", advanced=True, help=SMALL_BLOCKS)
    device: str = mapping.device()
    speed: str = mapping.speed()
    output: str = raster_output("Land cover", help="The land cover of each pixel, without specks.")
    polygons: str = mapping.polygons()
    areas: str = file_output("Table of areas", "csv", optional=True, help="Class, value, pixels, hectares and share (0 to 1) of each class.")
    confidence: str = mapping.confidence()
    runner_up: str = mapping.runner_up()
    margin: str = mapping.margin()
    class_shares: str = mapping.class_shares()
    out_of_range: str = mapping.out_of_range()
    report: str = mapping.report()
    change: str = raster_output("Change", optional=True, created=False, advanced=True,
                                help="Needs an “Earlier map”. The earlier class times 256 plus the later one, with both names.")
    change_table: str = file_output("Table of change", "csv", optional=True, created=False, advanced=True,
                                    help="Needs an “Earlier map”. Hectares from each class to each, and those that mistakes alone would show.")

    def check(self) -> None:
        mapping.check_mosaic(self)
        masking.check(self.clouds, self.cloud_masks, 1 if self.several == mapping.BANDS else len(self.cloud_masks or ()) or 1)
        wanted = [name for name in ("change", "change_table") if getattr(self, name)]
        if wanted and not self.earlier:
            raise JobError(f"“{self.parameters()[wanted[0]].label}” ({wanted[0]}) needs “Earlier map” (earlier). Choose one, or leave it empty.")

    def run(self, progress: Any) -> dict[str, Any]:
        progress = Noting(progress)
        progress.at(0, "Reading the model")  # before anything heavy is loaded
        from ...engine.mapping.land_cover.making import CoverOutputs, CoverRecipe, map_land_cover
        from ...engine.mapping.request import MapRequest
        from ...engine.models.bundled import opened

        request = MapRequest(self.images, self.preset, self.bands or "", self.extent, self.nodata, self.clouds, tuple(self.cloud_masks or ()),
                             small_blocks=self.small_blocks, device=self.device, fast=self.speed == "fast",
                             mosaic=mapping.mosaic_of(self),
                             provenance={"job": self.name(), "version": plugin_version(), "values": values_without_folders(self)})
        outputs = CoverOutputs(self.output, self.confidence, self.class_shares, self.polygons, self.areas, self.change, self.change_table,
                               self.runner_up, self.margin, self.out_of_range)
        how = CoverRecipe(self.minimum_area, self.simplification)
        model = opened(self.model, "land_cover", progress)
        facts = map_land_cover(model, request, outputs, how, self.earlier, progress)
        if self.minimum_area:
            progress.message(f"{facts['sieved_share']:.1%} of the pixels lay in areas below {self.minimum_area:g} m² and got the class of a "
                             "neighbour.")
        progress.message(f"{facts['classes']} classes, mapped on {facts['device']} in {facts['seconds']:.1f} s.")
        also = ("polygons", "areas", "confidence", "runner_up", "margin", "class_shares", "out_of_range", "change", "change_table")
        told = mapping.reported(self, model, progress, what="Land cover", raster=self.output, facts=facts)
        return {"output": self.output, **{name: getattr(self, name) for name in also if getattr(self, name)}, **facts, **told}
