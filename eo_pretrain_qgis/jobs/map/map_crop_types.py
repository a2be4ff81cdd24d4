"""Map crop types: model of series + dated images + parcels → the crop of each parcel; or of the pixels inside a mask."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ...errors import JobError
from ...progress import Noting
from ...version import plugin_version
from .. import mapping, masking, training
from ..record import values_without_folders
from ..spec import Job, Result, boolean, extent, file_output, integer, layer, number, raster_output, rasters, vector, vector_output
from ..tiling import DELIVERED


@dataclass(frozen=True)
class MapCropTypes(Job):
    """Says which crop grows on each parcel, from images of many dates and a model of series.

    For each date a parcel has the mean of its clear pixels, as “Create crop dataset” takes it for samples that are parcels: a pixel counts when its
    middle lies at least the inner buffer inside the border, and a date counts when at least half of the parcel is clear. The model is asked once for
    each parcel. So the score of a model of parcels is the score of this map.

    The new layer has the parcels with all their fields, and: crop, crop_value, confidence (probability of the crop in percent, calibrated where the
    model is), runner_up (the next crop), margin (by how much it is less probable, in percent), clear_dates, last_clear (the last date that was seen),
    pixels, area_ha and note. Parcels with fewer clear dates than asked for get no crop but the note “not enough dates”, those in which no pixel lies
    far enough inside “too small”. Parcels that overlap each count with all their pixels. Parcels beside the images are left out.

    Without parcels, the pixels inside a mask are mapped, such as the farmland of a land-cover map. A model knows crops alone: forest, water and towns
    would get the crop that they look most like. All pixels of the images are mapped only when “Whole image” is on, for it can take hours.

    For an early map, give a last day: later images are left out. It is best with a model that learned for early answers.
    """

    title = "Map crop types"
    group = "4 Map"
    tags = ("crops", "parcels", "fields", "agriculture", "time series", "classification", "farmland", "ONNX", "crop map", "classify", "AI",
            "neural network", "deep learning", "machine learning", "Sentinel-2", "season")
    results = {"parcels": Result("number", "Parcels in the new layer"), "with_crop": Result("number", "Parcels that got a crop"),
               "too_few_dates": Result("number", "Parcels with too few clear dates"),
               "too_small": Result("number", "Parcels without a pixel far enough inside"),
               "area_ha": Result("number", "Area with a crop, in hectares"),
               "valid_share": Result("number", "Of a map of pixels: share of the area that has a result, 0 to 1"),
               "dates": Result("number", "Dates that the model looked at"), "until": Result("text", "The last of them"), "device": training.DEVICE,
               "seconds": mapping.SECONDS}

    images: list = rasters("Images of the series", help="One raster layer for each date, all on one grid; or a data cube." + DELIVERED)
    parcels: dict = vector("Parcels", optional=True, help="Polygons, each of which gets a crop. Those in another CRS are reprojected.")
    mask: dict = layer("Mask", optional=True, help="In place of parcels: polygons, or a raster with more than 0 where crops may grow.")
    model: str = mapping.model("A model file, written by “Export model” from a run on series of pixels or parcels.",
                               "points in Arkansas and California of the year 2021 and knows ten classes of crops there")
    masks: list = masking.masks_of_dates()
    mask_kind: str = masking.kind()
    first_day: str = mapping.first_day()
    last_day: str = mapping.last_day()
    inner_buffer: float = number("Inner buffer [m]", default=10, minimum=0, maximum=1000, advanced=True,
                                 help="Ground nearer to a parcel's border is left out, because its pixels are mixed. As in the training data.")
    least_dates: int = integer("Smallest number of clear dates", default=5, minimum=1, maximum=10_000, advanced=True,
                               help="Parcels or pixels with fewer get no crop.")
    whole_image: bool = boolean("Whole image", advanced=True, help="Without parcels and mask: maps every pixel, which can take hours.")
    date_pattern: str = mapping.date_pattern()
    date_table: str = mapping.date_table()
    arrangement: str = mapping.dates_arrangement()
    preset: str = mapping.preset()
    bands: str = mapping.bands()
    nodata: float = mapping.nodata()
    extent: dict = extent("Extent", optional=True, advanced=True, help="Of a map of pixels: only this part is mapped.")
    output: str = vector_output("Crops", optional=True, help="The parcels with their crops. Without parcels: areas of one crop as polygons.")
    class_map: str = raster_output("Class map", optional=True, created=False, help="The crop of each pixel. Needed where there are no parcels.")
    table: str = file_output("Hectares by crop", "csv", optional=True, created=False, help="A table with the area of each crop [ha].")
    confidence: str = mapping.confidence(advanced=True)
    report: str = mapping.report(advanced=True)

    def check(self) -> None:
        if self.parcels and self.mask:
            raise JobError("There are “Parcels” (parcels) and a “Mask” (mask), and the crop is asked for one or the other. Leave one of them empty.")
        if self.parcels and self.whole_image:
            raise JobError("“Whole image” (whole_image) asks for every pixel, and with “Parcels” (parcels) only these are asked for. Switch it off, "
                           "or leave the parcels empty.")
        of_pixels = [(label, name) for label, name in (("Class map", "class_map"), ("Confidence", "confidence"), ("Extent", "extent"))
                     if getattr(self, name)]
        if self.parcels and of_pixels:
            raise JobError(f"“{of_pixels[0][0]}” ({of_pixels[0][1]}) is of a map of pixels, and with “Parcels” (parcels) there is none. Leave it "
                           "empty.")
        if self.parcels and not self.output:
            raise JobError("The crops of parcels come into the layer “Crops” (output). Say where to write it.")
        if not self.parcels and not self.class_map and (self.mask or self.whole_image):
            raise JobError("A map of pixels needs a “Class map” (class_map). Say where to write it, or give “Parcels” (parcels).")

    def run(self, progress: Any) -> dict[str, Any]:
        progress = Noting(progress)
        progress.at(0, "Reading the model")  # before anything heavy is loaded
        from ...engine.datasets.season import Season
        from ...engine.mapping.crops.making import CropOutputs, ParcelSource, map_parcels, map_pixels
        from ...engine.mapping.dated_images import SeriesRequest
        from ...engine.models.bundled import opened

        model = opened(self.model, "crops", progress)
        request = SeriesRequest(self.images, self.masks or (), self.mask_kind, self.date_pattern, self.date_table, self.arrangement == "bands",
                                Season.read(self.first_day, self.last_day), self.preset, self.bands or "", self.extent, self.nodata,
                                {"job": self.name(), "version": plugin_version(), "values": values_without_folders(self)},
                                least_dates=self.least_dates)
        outputs = CropOutputs(self.output, self.class_map, self.confidence, self.table)
        if self.parcels:
            facts = map_parcels(model, request, ParcelSource(self.parcels, self.inner_buffer), outputs, progress)
            progress.message(f"{facts['with_crop']} of {facts['parcels']} parcels got a crop, from {facts['dates']} dates until {facts['until']}, in "
                             f"{facts['seconds']:.1f} s.")
        else:
            facts = map_pixels(model, request, self.mask, outputs, self.whole_image, progress)
            progress.message(f"Mapped {facts['dates']} dates until {facts['until']} in {facts['seconds']:.1f} s.")
        shown = {"layer": self.output, "kind": "parcels", "request": request} if self.parcels else {"raster": self.class_map}
        facts |= mapping.reported(self, model, progress, what="Crop types", facts=facts, **shown)
        return {**{name: path for name in ("output", "class_map", "confidence", "table") if (path := getattr(self, name))}, **facts}
