"""Compute embeddings: encoder + image, or dated images → some numbers for each pixel, as a raster that other jobs take."""

from __future__ import annotations

import os
import shutil
import tempfile
from dataclasses import dataclass
from typing import Any

from ...errors import JobError
from ...version import plugin_version
from .. import mapping, masking, training
from ..record import values_without_folders
from ..spec import WEIGHTS, Job, Result, boolean, file_output, integer, raster_output, rasters, weights
from ..tiling import DELIVERED, SMALL_BLOCKS

#: Ends the name of a model that embeds, in place of an encoder.
MODEL = ".onnx"


@dataclass(frozen=True)
class ComputeEmbeddings(Job):
    """Turns an image, or a series of dated images, into 16 to 128 numbers for each pixel that say what an encoder knows of the place.

    The result is a raster like any other: give it to “Map from points”, make a dataset of it, or look for places that are alike. Its numbers mean
    nothing one by one. In the style, places of like colours are alike to the encoder.

    An encoder of images sees the bands that it learned from: those of another order are matched by their names, and images without them are refused.
    Encoders of series see dated images: the run of a dataset of series, or Presto or Galileo, which need no training of yours and take
    calendar months of Sentinel-1 and Sentinel-2. Write the first and the last day where images of several years are to compare, so that all have
    the same months.

    Nothing is fitted to the image, so two images of the same encoder compare. What an encoder makes is a version, and the bands are named after it.
    A model that learned from one version refuses another. Keep the model file: it makes the same version without the weights, in less time, and
    “Predict map” and the small engine run it.

    Numbers are stored as whole numbers from -127 to 127, and the file says their scale, 1/127.
    """

    title = "Compute embeddings"
    group = "4 Map"
    tags = ("features", "foundation model", "Presto", "Galileo", "encoder", "embedding", "time series", "similarity", "AI", "neural network",
            "deep learning")
    engine = "train"
    engine_words = "Needs the engine of the kind “train”, except with a model file that it has made."
    results = {"version": Result("text", "Version of the embedding, by which its bands are named"),
               "numbers": Result("number", "Bands of the embedding"),
               "valid_share": Result("number", "Share of the pixels that have a result, 0 to 1"), "device": training.DEVICE,
               "seconds": mapping.SECONDS}

    images: list = rasters("Images", help="One raster with all bands, or the bands of one scene as several rasters. For an encoder of series one "
                                          "for each date, all on one grid, or a data cube." + DELIVERED)
    encoder: str = weights("Encoder", extension=f"{WEIGHTS}|onnx",
                           help="The folder of a run or of an imported encoder, its encoder.safetensors, “catalogue:” and a name in "
                                "models/catalog.json such as catalogue:presto_s1_s2, or a model file that this job has made.")
    numbers: int = integer("Number of bands", default=None, minimum=16, maximum=128,
                           help="Empty: 64 of an image, and of a series as many as the encoder gives, at most 128.")
    masks: list = masking.masks_of_dates("One of the image, or one for each date. What they hide counts as not measured.")
    first_day: str = mapping.first_day(advanced=False)
    last_day: str = mapping.last_day(advanced=False)
    extent: dict = mapping.area()
    preset: str = mapping.preset(trained="encoder")
    bands: str = mapping.bands()
    mask_kind: str = masking.kind(advanced=True)
    date_pattern: str = mapping.date_pattern()
    date_table: str = mapping.date_table()
    arrangement: str = mapping.dates_arrangement()
    nodata: float = mapping.nodata()
    small_blocks: bool = boolean("Small blocks", advanced=True, help=SMALL_BLOCKS)
    device: str = mapping.device()
    output: str = raster_output("Embedding", help="The numbers of each pixel, a band for each.")
    model: str = file_output("Model of the embedding", "onnx", optional=True, created=False,
                             help="The encoder as a model file, for further images and for those who are to make the same embedding.")

    def engines(self) -> tuple[str, ...]:
        """See `Job.engines`."""
        return ("predict",) if self._is_model() else ("train",)

    def check(self) -> None:
        """See `Job.check`."""
        if self._is_model() and self.numbers is not None:
            raise JobError(f"“Number of bands” (numbers) is {self.numbers}, and a model file has its own. Leave it empty.")
        if self._is_model() and self.model:
            raise JobError("“Model of the embedding” (model) was given, and the encoder is such a file already. Leave it empty.")

    def _is_model(self) -> bool:
        return self.encoder.lower().endswith(MODEL)

    def run(self, progress: Any) -> dict[str, Any]:
        progress.at(0, "Reading the encoder")  # before anything heavy is loaded
        from ...engine.datasets.season import Season
        from ...engine.mapping.dated_images import SeriesRequest
        from ...engine.models import package

        images = SeriesRequest(self.images, self.masks or (), self.mask_kind, self.date_pattern, self.date_table, self.arrangement == "bands",
                               Season.read(self.first_day, self.last_day), self.preset, self.bands or "", self.extent, self.nodata,
                               {"job": self.name(), "version": plugin_version(), "values": values_without_folders(self)})
        if self._is_model():
            return self._embedded(package.open(self.encoder), images, progress)
        progress.at(0, training.LOADING)
        from ...engine.learning.embedding.making import make_model
        from ...outputs import new_file

        with tempfile.TemporaryDirectory() as folder:
            target = os.path.join(folder, "embedding.onnx")
            made = make_model(self.encoder, self.numbers, images, target, plugin_version(), progress.part(0, 0.3))
            found = self._embedded(made, images, progress.part(0.3, 1))
            if self.model:  # only now, so that a run that fails leaves nothing behind
                with new_file(self.model) as part:
                    shutil.copyfile(target, part)
                found["model"] = self.model
            return found

    def _embedded(self, model: Any, images: Any, progress: Any) -> dict[str, Any]:
        """Maps the images with a model that embeds."""
        from ...engine.mapping.inference import map_scene
        from ...engine.mapping.products import PRODUCTS
        from ...engine.mapping.request import MapRequest
        from ...engine.mapping.series import map_series

        products = [PRODUCTS["embedding"](self.output)]
        if model.kind.takes == "tb":
            facts = map_series(model, images, products, progress)
        else:
            request = MapRequest(self.images, self.preset, self.bands or "", self.extent, self.nodata, self.mask_kind if self.masks else "none",
                                 self.masks or (), small_blocks=self.small_blocks, device=self.device, provenance=images.provenance)
            found = map_scene(model, request, products, progress)
            facts = {"valid_share": found.valid_share, "device": found.device, "seconds": round(found.seconds, 2)}
        facts.pop("dates", None)
        return {"output": self.output, "version": model.target_sensor.removeprefix("emb_"), "numbers": model.channels, **facts}
