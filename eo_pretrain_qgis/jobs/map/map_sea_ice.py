"""Map sea ice: model + HH and HV → classes, concentration, ice edge and a chart with SIGRID-3 codes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ...errors import JobError
from ...progress import Noting
from ...version import plugin_version
from .. import mapping, training
from ..record import values_without_folders
from ..spec import Job, Result, boolean, file, file_output, image, layer, number, raster_output, text, vector_output
from ..tiling import DELIVERED, SMALL_BLOCKS


@dataclass(frozen=True)
class MapSeaIce(Job):
    """Maps the sea ice in a radar image of HH and HV of any size, with a model of a dataset from “Create sea ice dataset”.

    The class map shows each pixel, or each square of a model of patches. The concentration is counted in cells: the share of ice that the model's
    probabilities expect among the measured sea of each cell. A model with a target “concentration” gives it from that. Land and nodata count in no
    cell; a cell with less than a quarter of measured sea has no value.

    The ice edge is the line of 15 % concentration between the middles of cells. The chart joins cells of the same tenth of concentration, and has
    the fields of SIGRID-3: CT; CA, SA and FA of the thickest ice, and the same for two more kinds, where the model tells stages. The partial
    concentrations add up to CT. The form of the ice is not mapped, so forms are 99 (unknown). The chart can be written as a shapefile, too.

    A model that learned from the incidence angle needs it: as a band, from the annotation of a scene as it was delivered, or from a table. Without
    these it is computed from the orbit, to about half a degree, which a message and the map's tags say. That needs a whole scene, from edge to edge
    of the swath, whose file has the name of its product.
    """

    title = "Map sea ice"
    group = "4 Map"
    tags = ("ice chart", "ice edge", "concentration", "SIGRID-3", "stage of development", "egg code", "Sentinel-1", "SAR", "polar", "ONNX",
            "ice map", "classify", "classification", "AI", "neural network", "deep learning", "segmentation", "radar", "HH", "HV")
    results = {"ice_km2": Result("number", "Area of ice: concentration times measured sea, in square kilometres"),
               "extent_km2": Result("number", "Measured sea of all cells with 15 % of ice or more, in square kilometres"),
               "edge_km": Result("number", "With an ice edge: its length, in kilometres"),
               "chart_polygons": Result("number", "With a chart: how many polygons it has"),
               "out_of_range_share": mapping.OUT_OF_RANGE,
               "valid_share": Result("number", "Share of the pixels that have a result, land included, 0 to 1"), "device": training.DEVICE,
               "seconds": mapping.SECONDS}

    images: list = image("Image", help="HH and HV, with the incidence angle where the model needs it: one raster, or several." + DELIVERED)
    model: str = mapping.model("A model file, written by “Export model” from a run on sea ice.",
                               "simulated images: a demonstration that knows no real ice")
    land: dict = layer("Land mask", optional=True, help="Land polygons, or a raster in which land is not 0. Land has no class.")
    extent: dict = mapping.area()
    cell: float = number("Cell [km]", default=5, minimum=0.001, maximum=1000,
                         help="Edge of the cells of the concentration, the edge and the chart; each needs many pixels. Cells begin at multiples of "
                              "it in the CRS of the image, so those of two days fit.")
    preset: str = mapping.preset()
    bands: str = mapping.bands()
    nodata: float = mapping.nodata()
    angle_table: str = file("Table of incidence angles", extension="csv", optional=True, advanced=True,
                            help="For images without a band of the angle: columns incidenceAngle [degree] and pixel with line, or longitude with "
                                 "latitude. Where it is for several scenes also a column scene.")
    open_water: str = text("Classes without ice", default=None, advanced=True,
                           help="Names of the model's classes, separated by commas; all others are ice then. Empty: those with “water” or “ice "
                                "free” in their names.")
    smallest: float = number("Smallest polygon [km²]", default=0, minimum=0, maximum=1_000_000, advanced=True,
                             help="Of the chart, in the CRS of the image: smaller polygons become part of those beside them, by the longest shared "
                                  "border. 0 keeps all.")
    edge_percent: float = number("Concentration at the edge [%]", default=15, minimum=1, maximum=99, advanced=True,
                                 help="The ice edge is the line of this concentration; 15 % is usual.")
    small_blocks: bool = boolean("Small blocks", advanced=True, help=SMALL_BLOCKS)
    device: str = mapping.device()
    speed: str = mapping.speed()
    output: str = raster_output("Sea ice", help="The class of each pixel, or of each square of a model of patches.")
    concentration: str = raster_output("Concentration", optional=True, help="Share of ice in each cell [%].")
    edge: str = vector_output("Ice edge", optional=True, help="The line between ice and open water.")
    chart: str = vector_output("Ice chart", optional=True, help="Polygons with SIGRID-3 codes. No name of a field is longer than 10 characters.")
    shapefile: str = file_output("Ice chart as shapefile", "shp", optional=True, created=False, advanced=True,
                                 help="The same chart as ice services publish it, with its metadata (.xml), for software that reads no GeoPackage.")
    confidence: str = mapping.confidence(advanced=True)
    report: str = mapping.report(advanced=True)

    def check(self) -> None:
        if self.smallest and not (self.chart or self.shapefile):
            raise JobError(f"“Smallest polygon [km²]” (smallest) is {self.smallest:g}, and no chart is written. Give an “Ice chart” (chart), or set "
                           "it to 0.")

    def run(self, progress: Any) -> dict[str, Any]:
        progress = Noting(progress)
        progress.at(0, "Reading the model")  # before anything heavy is loaded
        from ...engine.mapping.request import MapRequest
        from ...engine.mapping.sea_ice.making import IceOutputs, IceRecipe, map_sea_ice
        from ...engine.models.bundled import opened

        request = MapRequest(self.images, self.preset, self.bands or "", self.extent, self.nodata, small_blocks=self.small_blocks,
                             device=self.device, fast=self.speed == "fast",
                             provenance={"job": self.name(), "version": plugin_version(), "values": values_without_folders(self)})
        outputs = IceOutputs(self.output, self.confidence, self.concentration, self.edge, self.chart, self.shapefile)
        how = IceRecipe(self.cell, self.edge_percent, self.open_water or "", self.angle_table or "", self.smallest)
        model = opened(self.model, "sea_ice", progress)
        facts = map_sea_ice(model, request, outputs, how, self.land, progress)
        progress.message(f"{facts['ice_km2']:.1f} km² of ice, an extent of {facts['extent_km2']:.1f} km², mapped on {facts['device']} in "
                         f"{facts['seconds']:.1f} s.")
        also = ("concentration", "edge", "chart", "shapefile", "confidence")
        told = mapping.reported(self, model, progress, what="Sea ice", raster=self.output, facts=facts)
        return {"output": self.output, **{name: getattr(self, name) for name in also if getattr(self, name)}, **facts, **told}
