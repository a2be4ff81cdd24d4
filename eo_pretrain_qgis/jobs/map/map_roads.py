"""Map roads: model + image, or a raster of probabilities → centre lines of roads, and what a map of roads lacks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from ...errors import JobError
from ...progress import Noting
from ...version import plugin_version
from .. import mapping, masking, training
from ..record import values_without_folders
from ..spec import Job, Result, boolean, image, number, raster_output, vector, vector_output
from ..tiling import DELIVERED, SMALL_BLOCKS


@dataclass(frozen=True)
class MapRoads(Job):
    """Draws the roads in an image of any size as centre lines, with a model of a dataset from “Create road dataset”.

    A road begins where the model is sure of it, and goes on while it is sure enough. Its middle becomes a line; lines that meet share a point.
    Gaps are bridged where two ends look at each other, or an end looks at another road. The image is worked on in blocks, and a line does not
    depend on them.

    Each line has its length on the ground, a confidence (the mean probability of road along it), a width, and how much of it is bridged gaps. A
    width of less than two pixels says little.

    With “Known roads”, such as those of OpenStreetMap, a second layer shows what they and the image do not have in common: roads in the image
    alone, which may be new or mistakes of the model, and known roads that the image does not show.

    With “Reference roads” the result says how well the lines agree with them: shares of lengths with a tolerance, and APLS and TOPO, which tell
    whether one can travel the same ways. A reference that lacks roads makes all of them lower.

    From which probability on pixels are road stands in the model file where “Export model” could choose it on validation tiles: as pixels of lines,
    with a tolerance of one, have the best F1.
    """

    title = "Map roads"
    group = "4 Map"
    tags = ("streets", "centre lines", "centerlines", "skeleton", "OpenStreetMap", "OSM", "vectorize", "network", "ONNX", "road map",
            "road extraction", "AI", "neural network", "deep learning", "segmentation", "satellite image")
    results = {"roads": Result("number", "Lines that were drawn"), "length_km": Result("number", "Length of all lines, in kilometres"),
               "bridged": Result("number", "Gaps that were bridged"),
               "new_km": Result("number", "With known roads: kilometres in the image alone"),
               "not_seen_km": Result("number", "With known roads: kilometres of them that the image does not show"),
               "precision": Result("number", "With a reference: share of the length of the lines within the tolerance of it, 0 to 1"),
               "recall": Result("number", "With a reference: share of its length within the tolerance of the lines, 0 to 1"),
               "f1": Result("number", "With a reference: harmonic mean of these two, 0 to 1"),
               "apls": Result("number", "With a reference: average path length similarity, 0 to 1 (Van Etten et al. 2018)"),
               "topo_f1": Result("number", "With a reference: F1 of TOPO, 0 to 1 (Biagioni and Eriksson 2012)"),
               "out_of_range_share": mapping.OUT_OF_RANGE,
               "valid_share": Result("number", "Share of the pixels that have a result, 0 to 1"), "device": training.DEVICE,
               "seconds": mapping.SECONDS}

    images: list = image("Image", help="One raster with all bands, or the bands of one scene as several rasters." + DELIVERED)
    model: str = mapping.model("A model file, written by “Export model” from a run on roads.",
                               "the north of Chicago's Loop in the four bands of 10 m of Sentinel-2",
                               "“none”: the image itself is the probability of road [% or 0 to 1], as in a band "
                               "“road” of “Class shares”.")
    extent: dict = mapping.area()
    known: dict = vector("Known roads", optional=True,
                         help="A line layer, or an .osm or .osm.pbf file. All its ways count as known; of them, those for motor vehicles are looked "
                              "for in the image.")
    minimum_length: float = number("Smallest length [m]", default=100, minimum=0, maximum=100_000,
                                   help="Shorter dead ends, roads by themselves and rings are left out.")
    preset: str = mapping.preset()
    bands: str = mapping.bands()
    clouds: str = masking.known_from("No road is drawn under cloud and shadow.", advanced=True)
    cloud_masks: list = masking.mask_of_one()
    several: str = mapping.several()
    mosaic_crs: str = mapping.mosaic_crs()
    mosaic_resolution: float = mapping.mosaic_resolution()
    nodata: float = mapping.nodata()
    reference: dict = vector("Reference roads", optional=True, advanced=True,
                             help="Lines that are taken as the truth, to measure how right the map is: all but paths and tunnels. Not those that the "
                                  "model learned from; filter the layer where these had no service roads or tracks.")
    gap: float = number("Longest gap to bridge [m]", default=50, minimum=0, maximum=10_000, advanced=True,
                        help="Two ends of roads that look at each other are joined over so much. 0 bridges none.")
    high: float = number("Least probability to begin", default=None, minimum=0.01, maximum=1, advanced=True,
                         help="Each road reaches it somewhere, from 0 to 1. Empty: that of the model, chosen on validation tiles when it was "
                              "exported; 0.5 where there is none.")
    low: float = number("Least probability to continue", default=None, minimum=0.01, maximum=1, advanced=True,
                        help="Pixels that lead on from a road need only this, from 0 to 1. Empty: that of the model, or 0.6 of the one to begin.")
    angle: float = number("Largest bend at a gap [degree]", default=30, minimum=0, maximum=90, advanced=True,
                          help="A gap is bridged where the road turns by no more than this.")
    simplification: float = number("Simplification [m]", default=10, minimum=0, maximum=10_000, advanced=True,
                                   help="How far a line may be from the middle of its pixels. 0 keeps every pixel.")
    tolerance: float = number("Tolerance [m]", default=20, minimum=0.1, maximum=10_000, advanced=True,
                              help="Lines nearer than this are the same road, for known roads and the reference.")
    small_blocks: bool = boolean("Small blocks", advanced=True, help=SMALL_BLOCKS)
    speed: str = mapping.speed()
    device: str = mapping.device()
    output: str = vector_output("Roads", help="Centre lines, with their length [m], width [m] and confidence.")
    candidates: str = vector_output("New and unseen roads", optional=True, created=False,
                                    help="Needs “Known roads”. Roads in the image alone, and known roads that the image does not show.")
    probability: str = raster_output("Probability of road", optional=True, created=False, help="Of each pixel [%].")
    report: str = mapping.report()
    mask: str = raster_output("Road pixels", optional=True, created=False, advanced=True,
                              help="1 is road, 0 is none: what the lines are drawn from.")

    def check(self) -> None:
        mapping.check_mosaic(self)
        masking.check(self.clouds, self.cloud_masks, 1 if self.several == mapping.BANDS else len(self.cloud_masks or ()) or 1)
        of_raster = self.model == mapping.NO_MODEL
        if of_raster and self.cloud_masks:
            raise JobError("“Cloud mask” (cloud_masks) needs a “Model” (model). Give the mask to the job that makes the probability of road, or "
                           "give a model.")
        if of_raster and self.several != mapping.BANDS:
            raise JobError("“Several rasters are” (several) makes one image for a “Model” (model), and that is “none”. Give a model, or the one "
                           "raster that holds the probability of road.")
        if of_raster and len(self.images) > 1:
            raise JobError(f"“Image” (images) names {len(self.images)} rasters, and “Model” (model) is “none”. Give a model, or the one raster "
                           "that holds the probability of road.")
        if of_raster and self.probability:
            raise JobError("“Probability of road” (probability) needs a “Model” (model): without one the image is that probability. Leave it empty, "
                           "or give a model.")
        if self.candidates and not self.known:
            raise JobError("“New and unseen roads” (candidates) needs “Known roads” (known). Choose a layer of roads, or leave it empty.")

    def run(self, progress: Any) -> dict[str, Any]:
        progress = Noting(progress)
        progress.at(0, "Reading the model")  # before anything heavy is loaded
        from ...engine.mapping.request import MapRequest
        from ...engine.mapping.roads.bridging import Bridging
        from ...engine.mapping.roads.cleaning import TaggedThreshold, Threshold
        from ...engine.mapping.roads.known import Comparing
        from ...engine.mapping.roads.lines import Tidying
        from ...engine.mapping.roads.making import OtherRoads, Probabilities, RoadOutputs, RoadRecipe, map_roads, roads_of_raster
        from ...engine.models.bundled import opened

        model = None if self.model == mapping.NO_MODEL else opened(self.model, "roads", progress)
        tagged = TaggedThreshold.of(self.images[0]) if model is None and self.high is None else None
        threshold = Threshold.of(model.record.road_threshold if model else tagged, self.high, self.low)
        how = RoadRecipe(threshold, Bridging(self.gap, self.angle), Tidying(self.minimum_length, self.simplification),
                         Comparing(self.tolerance, self.minimum_length))
        outputs = RoadOutputs(self.output, self.candidates, self.mask, self.probability)
        others = OtherRoads(self.known, self.reference)
        provenance = {"job": self.name(), "version": plugin_version(), "values": values_without_folders(self)}
        if model is None:
            request = MapRequest(self.images, nodata=self.nodata)
            facts = roads_of_raster(Probabilities(self.images[0], self.nodata, self.extent), outputs, others, how, provenance, progress)
        else:
            request = MapRequest(self.images, self.preset, self.bands or "", self.extent, self.nodata, self.clouds, tuple(self.cloud_masks or ()),
                                 small_blocks=self.small_blocks, fast=self.speed == "fast", device=self.device, provenance=provenance,
                                 mosaic=mapping.mosaic_of(self))
            facts = map_roads(model, request, outputs, others, how, progress)
        if not facts["roads"]:
            progress.message(f"No road of {self.minimum_length:g} m or more was found, so {self.output} is empty. Choose a smaller “Smallest "
                             "length”, a smaller “Least probability to begin”, or an image like those the model learned from.", level="warning")
        progress.message(f"Roads begin at a probability of {threshold.high:g} and go on down to {threshold.low:g}.")
        progress.message(f"{facts['roads']} lines of {facts['length_km']:.1f} km, {facts['bridged']} gaps bridged, in {facts['seconds']:.1f} s.")
        also = {name: getattr(self, name) for name in ("candidates", "probability", "mask") if getattr(self, name)}
        also |= mapping.reported(self, model, progress, what="Roads", layer=self.output, kind="roads", facts=facts, request=request,
                                 reference=f"the roads of {PurePath(self.reference['path'].partition('|')[0]).name}" if self.reference else "")
        return {"output": self.output, **also, **facts}
