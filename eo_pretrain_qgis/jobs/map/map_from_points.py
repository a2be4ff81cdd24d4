"""Map from points: image + points, polygons or a class raster → model, class map and page, in one dialog."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from ...progress import Noting
from ...version import plugin_version
from .. import mapping, masking, tiling
from ..record import values_without_folders
from ..spec import Job, Result, attribute, choice, classes, extent, file_output, image, layer, number, raster_output


@dataclass(frozen=True)
class MapFromPoints(Job):
    """Maps an image from a few labels on it: twenty points, a few polygons, or a class raster of a part.

    Each pixel is known by its bands and by their mean and deviation in the 7 × 7 pixels around it, after the bands were whitened, so that small
    differences between them count. A logistic regression or boosted trees learn from these numbers in seconds, without a GPU, and with the
    small engine.

    Label ground near the edges of things, too, and not only their middles, and every class in several parts of the image.

    How good the map is, is measured by cross-validation by place: the labelled ground is cut into cells, and each label is judged by what was
    learned in other cells. The model of the map then learns from all labels. The page has the figures of both approaches, and says what they do
    not show.

    The “Area of applicability” shows where the image is like the labelled pixels. Where it is above 100 %, the map is a guess: label some of that
    ground, too.

    The model is a file like any other: “Predict map” maps more images of the same sensor with it, “Suggest labels” finds the places most worth
    labelling next, “Inspect model” shows what it wants.
    """

    title = "Map from points"
    group = "4 Map"
    tags = ("classification", "supervised", "training areas", "random forest", "logistic regression", "boosting", "land cover", "classify image",
            "machine learning", "AI", "training data", "training samples", "labels", "polygons", "segmentation", "crop", "vegetation")
    results = {"mean_iou": Result("number", "Mean intersection over union (IoU) where places were held out, 0 to 1"),
               "overall_accuracy": Result("number", "Overall accuracy where places were held out, 0 to 1"),
               "chosen_approach": Result("text", "What the model is: statistics or boosting"),
               "unlike_share": mapping.UNLIKE, "labelled_pixels": Result("number", "Pixels of the image with a label and a measurement"),
               "clouded_pixels": Result("number", "Pixels with a label that are left out because cloud or shadow hides them"),
               "seconds": Result("number", "Duration from the labels to the map, in seconds")}

    images: list = image("Image", help="One raster with all bands, or the bands of one scene as several rasters." + tiling.DELIVERED)
    labels: dict = layer("Labels", help="Points, polygons, lines with a buffer, or a class raster. Labels in another CRS are reprojected.")
    class_field: str = attribute("Class field", parent="labels", optional=True, by_style=True,
                                 help="The field that holds the class. Needed for vector labels.")
    preset: str = tiling.preset()
    extent: dict = extent("Extent of the map", optional=True, help="Only this part is mapped; labels outside are learned from all the same. Empty: "
                                                                   "the whole image.")
    approach: str = choice("Approach", {"auto": "Automatic: the better of both", "statistics": "Statistics: logistic regression",
                                        "boosting": "Boosting: boosted trees"}, default="auto", advanced=True,
                           help="What learns from the labels. Automatic takes what has the better mean IoU where places were held out.")
    class_table: list = classes("Classes", optional=True, advanced=True,
                                help="Value, name and colour of each class. Empty: from the layer's symbology, a raster's own names, or the values. "
                                     + tiling.CLASS_ORDER)
    buffer: float = number("Buffer around lines and points [m]", default=None, minimum=0, maximum=100_000, advanced=True,
                           help="Needed for lines. A point without it labels the pixel it lies in.")
    bands: str = mapping.bands()
    nodata: float = tiling.nodata()
    clouds: str = masking.known_from("Ground under cloud and shadow is not learned from, and gets no class.", advanced=True)
    cloud_masks: list = masking.mask_of_one()
    seed: int = tiling.seed()
    output: str = raster_output("Class map", help="The class of each pixel.")
    confidence: str = mapping.confidence()
    model: str = file_output("Model", "onnx", help="For maps of more images of the same sensor, with “Predict map”.")
    report: str = file_output("Report", "html", help="A page that says how good the map is.")
    applicability: str = mapping.applicability(advanced=True)

    def check(self) -> None:
        masking.check(self.clouds, self.cloud_masks, 1)

    def run(self, progress: Any) -> dict[str, Any]:
        progress = Noting(progress)
        progress.at(0, "Opening the image")
        from ...engine.datasets.building import describe_sensor, open_scenes
        from ...engine.datasets.cloud_masks import clear_scenes
        from ...engine.datasets.labels import open_labels
        from ...engine.mapping.from_labels.making import LabelledImage, Outputs, make_map
        from ...engine.mapping.request import MapRequest

        scenes = open_scenes(self.images, "bands", self.nodata, progress)
        sensor = describe_sensor(scenes, self.preset, self.bands, progress)
        scenes = clear_scenes(scenes, self.cloud_masks or (), self.clouds, progress)
        labels = open_labels(self.labels, [scenes[0].grid], class_field=self.class_field, class_table=self.class_table, buffer=self.buffer,
                             progress=progress.part(0, 0.05), advice="Give a class field with two classes or more, or label another class, too.")
        image = LabelledImage(scenes[0], sensor, labels, self.labels.get("name") or PurePath(labels.path).stem)
        request = MapRequest(self.images, bands=self.bands or "", extent=self.extent, nodata=self.nodata, clouds=self.clouds,
                             cloud_masks=tuple(self.cloud_masks or ()),
                             provenance={"job": self.name(), "version": plugin_version(), "values": values_without_folders(self)})
        outputs = Outputs(self.model, self.output, self.report, self.confidence or "", self.applicability or "")
        facts = make_map(image, self.approach, self.seed, request, outputs, progress.part(0.05, 1))
        also = {name: getattr(self, name) for name in ("confidence", "applicability") if getattr(self, name)}
        return {"output": self.output, **also, "model": self.model, "report": self.report, **facts}
