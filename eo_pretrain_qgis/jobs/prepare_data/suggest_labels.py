"""Suggest labels: model(s) + image → the places most worth labelling, as a layer to be labelled at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ...errors import JobError
from ...version import plugin_version
from .. import mapping, masking, training
from ..record import values_without_folders
from ..spec import (
    Job,
    Result,
    boolean,
    choice,
    dataset_folder,
    extent,
    files,
    image,
    integer,
    number,
    raster,
    raster_output,
    text,
    vector,
    vector_output,
)
from ..tiling import DELIVERED, SMALL_BLOCKS


@dataclass(frozen=True)
class SuggestLabels(Job):
    """Ranks the places of an image by how much labelling them would teach a model, and returns them as a layer ready to be labelled.

    Without a model, for the first labels, places are spread over what the image shows: they are grouped by the topics of a map made by
    “Discover topics”, or by mean and deviation of the whitened bands, into as many groups as places are wanted, and of each group the most
    typical place is taken. Give each place one class and run “Create training dataset” with “Labels give a class to” set to Squares: it makes a
    dataset of images with one class each, from which “Fine-tune a model” with the approach “statistics” learns in seconds.

    A place is worth labelling when the model expects several classes there or cannot tell which, and it is unlike the other places suggested.
    Such places show rare classes and borders, which random places mostly miss; they also take longer to label than an empty field.

    With a model of classes of whole images or patches, the places are squares of the size of these, and each gets one class. With a model of series
    the images are its dates, with a cloud mask for each. Best give parcels in “Areas”, and add what was labelled with “Create crop dataset”.

    Start editing the layer: its form lists the classes of the model, so give each place its class, or split it along the borders you see and
    give each part its own. A place that holds several classes can also be left empty: add polygons with a class inside it to the same layer.

    Then run “Create training dataset” with the labelled layer, class field “class”, the tile size of your dataset and your dataset in “Add to
    dataset”. Places without a class are ignored. Train again on the new dataset, suggest again: three to five rounds are usual. Name your
    dataset here, and no place is suggested that it holds already or that lies too near its validation and test tiles to be used.

    Uncertainty is that of the model: it knows nothing of classes it was never shown, and it may be unsure of what nobody can tell. Models are
    most unsure under clouds, where nothing can be labelled, so name a cloud mask where the image has clouds. Label some places at random
    too, for an honest test.
    """

    title = "Suggest labels"
    group = "1 Prepare data"
    tags = ("active learning", "uncertainty", "entropy", "margin", "ensemble", "annotation", "sampling", "labelling", "where to label")
    results = {"suggestions": Result("number", "Places that are suggested"), "candidates": Result("number", "Places that were compared"),
               "mean_uncertainty": Result("number", "Mean of the measure over the suggested places, 0 to 1"), "device": training.DEVICE}

    images: list = image("Image", help="One raster with all bands, or the bands of one scene as several rasters; of a model of series one for each "
                                   "date." + DELIVERED)
    models: list = files("Models", extension="onnx", optional=True,
                         help="Empty: places are spread over what the image shows. Written by “Export model”. Several models of one dataset, "
                              "trained with different seeds, make an ensemble.")
    dataset: str = dataset_folder("Dataset to be extended", optional=True, help="Places it holds, or could not use, are not suggested.")
    areas: dict = vector("Areas", optional=True, help="Polygons to rank, such as parcels or segments; empty ranks square tiles.")
    topics: dict = raster("Topics map", optional=True, advanced=True,
                          help="Without a model: made of this image by “Discover topics”; empty spreads over statistics of the bands.")
    classes: str = text("Classes", default=None, help="Without a model: names for the form of the layer, separated by commas, such as water, forest, "
                                                      "harbour; empty leaves them to be written.")
    tile_size: int = integer("Tile size [px]", default=None, minimum=8, maximum=2048,
                             help="Take that of the dataset to be extended. Empty: 64 with a model; without, the largest of 256, 128, 64 and 32 that "
                                  "gives so many places. Not used with “Areas”, nor with a model of whole images, which has a size of its own.")
    count: int = integer("Places to suggest", default=20, minimum=1, maximum=100000, help="How many squares or areas.")
    clouds: str = masking.known_from("Ground under cloud and shadow is not suggested.", advanced=True)
    cloud_masks: list = masking.mask_of_one(" Of series one for each date.")
    measure: str = choice("Uncertainty", {"mixture": "Mixture of classes in the place as a whole", "entropy": "Entropy over all classes of a pixel",
                                          "margin": "Margin between the two likeliest classes of a pixel",
                                          "disagreement": "Disagreement between the models of an ensemble"}, default="mixture", advanced=True,
                          help="What makes a place worth labelling. Disagreement leaves out what all models find ambiguous.")
    diversity: float = number("Diversity", default=0.3, minimum=0, maximum=1, advanced=True,
                              help="0 takes the most unsure places, however alike; 1 takes the most different ones, however sure.")
    preset: str = mapping.preset()
    bands: str = mapping.bands()
    extent: dict = extent("Extent", optional=True, advanced=True, help="Only places wholly inside are suggested.")
    nodata: float = mapping.nodata()
    minimum_valid: float = number("Minimum share of valid and clear pixels", default=0.9, minimum=0, maximum=1, advanced=True,
                                  help="From 0 to 1. Places with fewer are not suggested.")
    small_blocks: bool = boolean("Small blocks", advanced=True, help=SMALL_BLOCKS)
    device: str = mapping.device()
    output: str = vector_output("Places to label", help="A layer with a form that lists the classes.")
    uncertainty: str = raster_output("Uncertainty", optional=True, created=False,
                                     help="The measure of every pixel, in percent; of mixture, which only places have, the entropy.")

    def check(self) -> None:
        dated = self.models and len(self.cloud_masks or ()) > 1  # of a model of series
        masking.check(self.clouds, self.cloud_masks, len(self.images) if dated else 1)
        if not self.models and (self.uncertainty or self.measure == "disagreement"):
            raise JobError("Without a model nothing is uncertain. Leave “Uncertainty” as it is and its map empty, or give a model.")
        if self.models and (self.topics or self.classes):
            raise JobError("A model says itself what is alike and which classes there are. Leave “Topics map” and “Classes” empty, or “Models”.")
        if self.measure == "disagreement" and len(self.models) < 2:
            raise JobError("One model cannot disagree with itself. Give two models or more, or choose entropy or margin.")

    def run(self, progress: Any) -> dict[str, Any]:
        progress.at(0, "Reading the models")
        from ...engine.mapping.request import MapRequest
        from ...engine.mapping.suggesting.spread import spread
        from ...engine.mapping.suggesting.survey import Wanted, suggest

        wanted = Wanted(self.measure, self.count, self.diversity, self.tile_size, self.areas, self.dataset, self.minimum_valid)
        request = MapRequest(self.images, self.preset, self.bands or "", self.extent, self.nodata, self.clouds, tuple(self.cloud_masks or ()),
                             small_blocks=self.small_blocks, device=self.device,
                             provenance={"job": self.name(), "version": plugin_version(), "values": values_without_folders(self)})
        if not self.models:
            names = list(dict.fromkeys(name.strip() for name in (self.classes or "").split(",") if name.strip()))
            return {"output": self.output, **spread(self.output, wanted, request, self.topics, names, progress)}
        facts = suggest(self.models, self.output, wanted, request, self.uncertainty, progress)
        return {"output": self.output, **({"uncertainty": self.uncertainty} if self.uncertainty else {}), **facts}
