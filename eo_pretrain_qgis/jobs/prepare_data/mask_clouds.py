"""Mask clouds: a scene → a raster that says where cloud and shadow hide the ground."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from typing import Any

from ...errors import DataError, JobError
from ...version import plugin_version
from .. import mapping, training
from ..masking import MASKS
from ..record import values_without_folders
from ..spec import Job, Result, choice, extent, file, image, number, raster, raster_output
from ..tiling import DELIVERED


@dataclass(frozen=True)
class MaskClouds(Job):
    """Says where clouds and their shadows hide the ground in a scene, as a raster of flags: 0 clear, 1 cloud, 2 shadow, 3 snow.

    Give the mask to any job that makes tiles, series or maps, as “Cloud mask” of the kind Flags. What it hides has no label, is not learned from,
    and gets no class.

    Clouds are known from one of two sources. The scene classification of Sentinel-2 (SCL) or QA_PIXEL of Landsat is the one of the scene as it was
    delivered, a band of the image that is called so, or the raster given as “Classification”. It costs nothing. Or a model looks at the image:
    OmniCloudMask takes red, green and near infrared of any optical sensor, with pixels of 9 to 50 m. Its weights (58 MB, MIT licence) are not part of
    the plugin; they are downloaded when the model is chosen, into the folder of models, and checked. They do not tell snow from clear ground. A
    model file of your own can take its place: every model of classes of pixels, of which one is called cloud.

    “Automatic” takes your model file, else the “Classification” you give, else OmniCloudMask where its weights are on this computer already, else the
    scene's own classification; the result and the messages say which it was.

    Edges of clouds are thin, and masks often end too early: “Grow by” makes clouds and shadows wider. OmniCloudMask looks at a whole scene of
    10 m for many minutes on a processor. A mask at 20 m does as well, because masks may lie on any grid: write |resolution=20 behind the path of
    a scene as it was delivered.
    """

    title = "Mask clouds"
    group = "1 Prepare data"
    tags = ("cloud", "shadow", "snow", "SCL", "QA_PIXEL", "OmniCloudMask", "mask", "Sentinel-2", "Landsat", "cloud mask", "cloud detection",
            "cloud removal")
    engine = "train"
    engine_words = "OmniCloudMask needs the engine of the kind “train”, all else the smaller one."
    results = {"source": Result("text", "Where the clouds are from: scl, qa_pixel, OmniCloudMask 4, or the name of a model"),
               "cloud_share": Result("number", "Share of the measured pixels that are cloud, 0 to 1"),
               "shadow_share": Result("number", "Share of the measured pixels that are shadow of clouds, 0 to 1"),
               "snow_share": Result("number", "Share of the measured pixels that are snow, 0 to 1; 0 where the source does not tell it"),
               "clear_share": Result("number", "Share of the measured pixels that are clear, 0 to 1"),
               "valid_share": Result("number", "Share of the pixels that were measured, 0 to 1")}

    images: list = image("Image", help="One raster with all bands, or the bands of one scene as several rasters." + DELIVERED)
    method: str = choice("Clouds are known from", {"auto": "Automatic: the best that is here", "model": "Model: OmniCloudMask, or your model file",
                                                   "scl": MASKS["scl"], "qa_pixel": MASKS["qa_pixel"]}, default="auto",
                         help="Choosing the model downloads OmniCloudMask (58 MB) once.")
    classification: dict = raster("Classification", optional=True,
                                  help="SCL or QA_PIXEL of the scene, on any grid. Empty: the scene's own.")
    model: str = file("Model", extension="onnx", optional=True, advanced=True,
                      help="Written by “Export model”, with a class called cloud, in place of OmniCloudMask.")
    grow: float = number("Grow by [m]", default=0, minimum=0, maximum=5000, help="How much wider clouds and shadows are made.")
    preset: str = mapping.preset()
    bands: str = mapping.bands()
    nodata: float = mapping.nodata()
    extent: dict = extent("Extent", optional=True, advanced=True, help="Only this part is masked. Empty: all of the image.")
    device: str = mapping.device()
    output: str = raster_output("Cloud mask", help="Byte, 255 where nothing was measured.")

    def engines(self) -> tuple[str, ...]:
        """See `Job.engines`."""
        if self.model or self.method in ("scl", "qa_pixel"):
            return ("predict",)
        return ("train",) if self.method == "model" else ("train", "predict")

    def check(self) -> None:
        if self.model and self.method not in ("auto", "model"):
            raise JobError(f"“Model” (model) is given, and “Clouds are known from” (method) is {self.method}. Leave one of them as it is.")
        if self.classification and (self.model or self.method == "model"):
            raise JobError("“Classification” (classification) is given, and the clouds are to be known from a model. Leave it empty, or choose scl "
                           "or qa_pixel.")

    def run(self, progress: Any) -> dict[str, Any]:
        progress.at(0, "Opening the image")  # before anything heavy is loaded
        from ...engine.mapping.clouds.making import write_mask
        from ...engine.mapping.request import MapRequest

        request = MapRequest(self.images, self.preset, self.bands or "", self.extent, self.nodata, device=self.device,
                             provenance={"job": self.name(), "version": plugin_version(), "values": values_without_folders(self)})
        source = self._source(request, progress)
        facts = write_mask(source, request, self.output, self.grow, progress)
        progress.message(f"{source.words} {facts['cloud_share']:.1%} of the measured ground is cloud and {facts['shadow_share']:.1%} shadow.")
        return {"output": self.output, "source": source.name, **facts}

    def _source(self, request: Any, progress: Any) -> Any:
        """What tells the clouds."""
        from ...engine.mapping.clouds.sources import ModelFlags, find_classification
        from ...engine.models import catalog, package

        if self.model:
            return ModelFlags(package.open(self.model), request, self.output)
        if self.method == "model":
            return self._networks(progress)
        why = ""
        if self.method == "auto" and not self.classification:
            why = "The weights of OmniCloudMask are not on this computer."
            if catalog.are_here(catalog.CLOUD_NETWORKS):
                why = "OmniCloudMask needs the engine of the kind “train”."
                if importlib.util.find_spec("torch"):
                    try:
                        return self._networks(progress)
                    except DataError as error:  # it cannot look at this image
                        why = str(error)
        found = find_classification(self.images, self.classification, "" if self.method == "auto" else self.method)
        if why:
            progress.message(f"{why} So the clouds are those that the maker of the scene found.")
        return found

    def _networks(self, progress: Any) -> Any:
        """OmniCloudMask."""
        progress.at(0, training.LOADING)
        from ...engine.learning.omnicloudmask import OmniCloudMask

        preset = "sentinel2_l2a" if self.preset == "as_model" else self.preset
        return OmniCloudMask.of(self.images, preset, self.bands or "", self.nodata, self.device, progress)
