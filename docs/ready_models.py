"""Writes the ready models that ship with the plugin, from the recipes below. Run by `make docs`, in QGIS's own Python.

PATH=/usr/bin:/bin QT_QPA_PLATFORM=offscreen /usr/bin/python3 docs/ready_models.py [folder]
"""

import sys
from pathlib import Path
from xml.etree import ElementTree

from qgis.core import (
    Qgis,
    QgsApplication,
    QgsProcessingModelAlgorithm,
    QgsProcessingModelChildAlgorithm,
    QgsProcessingModelChildParameterSource,
    QgsProcessingModelOutput,
    QgsProcessingModelParameter,
    QgsProcessingParameterEnum,
    QgsProcessingParameterFeatureSource,
    QgsProcessingParameterField,
    QgsProcessingParameterFile,
    QgsProcessingParameterMapLayer,
    QgsProcessingParameterMultipleLayers,
    QgsProcessingParameterNumber,
    QgsProcessingParameterRasterLayer,
)
from qgis.PyQt.QtCore import QPointF, QSizeF

ROOT = Path(__file__).resolve().parents[1]
MODELS = ROOT / "eo_pretrain_qgis" / "toolbox" / "models"
GROUP, PRETRAIN, MAPS = "0 Start here", "2 Pretrain", "4 Map"

Integer = Qgis.ProcessingNumberParameterType.Integer
Double = Qgis.ProcessingNumberParameterType.Double
Raster = Qgis.ProcessingSourceType.Raster
VectorAnyGeometry = Qgis.ProcessingSourceType.VectorAnyGeometry

MAP_FROM_LABELS = """Learns classes from labels drawn on images and maps them over another image.
Cuts the labelled images into tiles, trains a U-Net, measures it on tiles it has not seen, writes the model and maps the image. \
Each step is an algorithm of its own; edit a copy of this model to change more of their settings."""

PRETRAIN_AND_MAP = """Lets a network look at images without labels first, then learns classes from few labels and maps them over another image.
Cuts all images into unlabelled tiles and trains a U-Net to fill hidden parts of them; then as in “Map from labels”, from that start. \
It pays where labels are few and images many. Whether it did, tells “Map from labels” on the same labels: compare the two evaluations."""


ROADS_BESIDE_A_MAP = """Draws the roads of an image and shows what a map of roads lacks.
One layer has the centre lines of the roads in the image. The other has roads in the image alone, which may be new or mistakes of \
the model, and roads of the map that the image does not show. With the bundled model this is a first look: it learned from Chicago alone."""

LAND_COVER_AND_CHECK = """Maps the land cover of an image, and draws the places to check it at.
The map is without specks, and has polygons and a table of areas. The places are drawn by chance in each class: give each the class that \
you see there, then run “Assess map”. The bundled model learned from one square kilometre, so do check its map."""

ICE_CHART = """Makes an ice chart of a radar image of HH and HV.
A class map, the concentration of ice in cells, the ice edge at 15 %, and polygons with the codes of SIGRID-3. The bundled model is a \
demonstration that learned from simulated images: give a model of your own for real ice."""

CROPS_OF_PARCELS = """Says which crop grows on each parcel, from images of many dates.
The parcels get a crop, its confidence, the next crop and the number of clear dates; a table has the hectares of each crop. The bundled \
model knows ten classes of Arkansas and California."""


class Recipe:
    """A model being written: inputs above, steps in a column below, each step's products beside it."""

    def __init__(self, title: str, text: str, group: str = GROUP) -> None:
        self.model = QgsProcessingModelAlgorithm(title, group)
        self.help = {"ALG_DESC": text, "ALG_CREATOR": "EO Pretrain contributors", "SHORT_DESCRIPTION": text.split("\n")[0]}
        self.inputs = 0
        self.steps = 0
        self.order = []

    def ask(self, definition, text: str) -> str:
        """Adds an input and returns its name."""
        self.help[definition.name()] = text
        component = QgsProcessingModelParameter(definition.name())
        component.setPosition(QPointF(120 + 220 * self.inputs, 60))
        self.inputs += 1
        self.order.append(definition.name())
        self.model.addModelParameter(definition, component)
        return definition.name()

    def step(self, name: str, job: str, asked: dict, made: dict, keep: dict) -> str:
        """Adds a step and returns its name.

        Args:
            name: of the step; outputs that are kept are named after their labels, not after it.
            job: QGIS id without the provider.
            asked: parameter → name of the input that gives it.
            made: parameter → step whose OUTPUT gives it.
            keep: output → label under which the model gives it to the user and names its layer.
        """
        child = QgsProcessingModelChildAlgorithm(f"eopretrain:{job}")
        child.setChildId(name)
        child.setDescription(child.algorithm().displayName())
        child.setPosition(QPointF(340, 180 + 130 * self.steps))
        for parameter, given in asked.items():
            child.addParameterSources(parameter, [QgsProcessingModelChildParameterSource.fromModelParameter(given)])
        for parameter, step in made.items():
            child.addParameterSources(parameter, [QgsProcessingModelChildParameterSource.fromChildOutput(step, "OUTPUT")])
        outputs = {}
        for index, (output, label) in enumerate(keep.items()):
            product = QgsProcessingModelOutput(label, label)
            product.setChildId(name)
            product.setChildOutputName(output)
            product.setPosition(QPointF(640 + 220 * index, 180 + 130 * self.steps))
            product.setSize(QSizeF(200, 30))
            outputs[label] = product  # its key names the layer when it is loaded
        child.setModelOutputs(outputs)
        self.steps += 1
        return self.model.addChildAlgorithm(child)

    def finished(self) -> QgsProcessingModelAlgorithm:
        self.model.setHelpContent(self.help)
        self.model.setParameterOrder(self.order)
        self.model.updateDestinationParameters()
        return self.model


def ask_for_labels(recipe: Recipe, choices: dict) -> dict:
    """Asks for images and labels; `choices` are the words of the parameters of “Create training dataset”."""
    class_field = QgsProcessingParameterField("CLASS_FIELD", "Class field", None, "LABELS", optional=True)
    class_field.setMetadata({"widget_wrapper": {"class": "eo_pretrain_qgis.toolbox.field_widget.FieldWidget"}})
    questions = {
        QgsProcessingParameterMultipleLayers("IMAGES", "Images to learn from", Raster):
            "Each image is a place or date with all its bands.",
        QgsProcessingParameterMapLayer("LABELS", "Labels", types=[Raster, VectorAnyGeometry]):
            "Polygons, lines, points or a class raster over these images.",
        class_field:
            "Needed for vector labels with more than one class.",
        QgsProcessingParameterEnum(
            "UNLABELLED", "Pixels without a label are", choices["UNLABELLED"], defaultValue="ignored", usesStaticStrings=True):
            "“ignored”: not used in training. “background”: a class of its own.",
        QgsProcessingParameterNumber("BUFFER", "Buffer around lines and points [m]", Double, None, True, 0):
            "Needed for lines and points.",
        QgsProcessingParameterEnum("PRESET", "Sensor", choices["PRESET"], defaultValue="generic", usesStaticStrings=True):
            "Names the bands, and says how stored values become reflectance or backscatter.",
        QgsProcessingParameterNumber("TILE_SIZE", "Tile size [px]", Integer, None, True, 32, 2048):
            "Empty: chosen so that there are enough tiles for training.",
    }
    return {definition.name(): recipe.ask(definition, text) for definition, text in questions.items()}


def ask_for_epochs(recipe: Recipe, name: str, label: str, epochs: int, text: str) -> str:
    return recipe.ask(QgsProcessingParameterNumber(name, label, Integer, epochs, False, 1, 10000), text)


def learn_and_map(recipe: Recipe, labelled: dict, epochs: str, started: dict) -> None:
    """The steps from labels to a map; `started` names the step that gives the starting weights, if any."""
    image = recipe.ask(
        QgsProcessingParameterRasterLayer("IMAGE_TO_MAP", "Image to map"), "Of the same sensor, with the same bands.")
    dataset = recipe.step("dataset", "createtrainingdataset", labelled, {}, {"OUTPUT": "Dataset folder"})
    run = recipe.step("run", "finetune", {"EPOCHS": epochs}, {"DATASET": dataset, **started}, {"OUTPUT": "Run folder"})
    recipe.step("evaluation", "evaluatemodel", {}, {"RUN_FOLDER": run}, {"OUTPUT": "Evaluation"})
    model = recipe.step("model", "exportmodel", {}, {"RUN_FOLDER": run}, {"OUTPUT": "Model"})
    recipe.step("map", "predictmap", {"IMAGES": image}, {"MODEL": model}, {"OUTPUT": "Class map", "CONFIDENCE": "Confidence"})


def map_from_labels(choices: dict) -> QgsProcessingModelAlgorithm:
    """Images and labels → dataset → model → report and map."""
    recipe = Recipe("Map from labels", MAP_FROM_LABELS)
    labelled = ask_for_labels(recipe, choices)
    epochs = ask_for_epochs(recipe, "EPOCHS", "Epochs", 40, "Passes over the training tiles.")
    learn_and_map(recipe, labelled, epochs, {})
    return recipe.finished()


def pretrain_and_map(choices: dict) -> QgsProcessingModelAlgorithm:
    """Images without labels → unlabelled tiles → U-Net; then as `map_from_labels`, from that U-Net."""
    recipe = Recipe("Pretrain and map", PRETRAIN_AND_MAP, PRETRAIN)
    unlabelled = recipe.ask(
        QgsProcessingParameterMultipleLayers("UNLABELLED_IMAGES", "Images without labels", Raster),
        "As many as there are, of the same sensor and bands; those with labels may be among them.")
    labelled = ask_for_labels(recipe, choices)
    first = ask_for_epochs(recipe, "PRETRAINING_EPOCHS", "Epochs of pretraining", 100, "Passes over the unlabelled tiles.")
    epochs = ask_for_epochs(recipe, "EPOCHS", "Epochs", 40, "Passes over the labelled tiles.")
    shared = {name: labelled[name] for name in ("PRESET", "TILE_SIZE")}
    tiles = recipe.step("tiles", "createpretrainingdataset", {"IMAGES": unlabelled, **shared}, {}, {"OUTPUT": "Unlabelled tiles"})
    start = recipe.step("pretraining", "pretraininpainting", {"EPOCHS": first}, {"DATASET": tiles}, {"OUTPUT": "Pretraining folder"})
    learn_and_map(recipe, labelled, epochs, {"START": start})
    return recipe.finished()


def theme(title: str, text: str) -> tuple:
    """The recipe of a theme that asks for the model, and what its step is given."""
    recipe = Recipe(title, text, MAPS)
    file = QgsProcessingParameterFile("MODEL", "Model", Qgis.ProcessingFileParameterBehavior.File, "", "bundled", False,
                                      "ONNX files (*.onnx);;All files (*)")
    return recipe, {"MODEL": recipe.ask(file, "“bundled”: the one that comes with the plugin. Or a file written by “Export model”.")}


def ask_for_image(recipe: Recipe, text: str) -> dict:
    """One raster, and folded those with its other bands."""
    more = QgsProcessingParameterMultipleLayers("MORE_IMAGES", "More files of “Image”", Raster, None, True)
    more.setFlags(more.flags() | Qgis.ProcessingParameterFlag.Advanced)
    return {"IMAGES": recipe.ask(QgsProcessingParameterRasterLayer("IMAGES", "Image"), text),
            "MORE_IMAGES": recipe.ask(more, "Where its bands lie in several files: those beyond the first.")}


def roads_beside_a_map(choices: dict) -> QgsProcessingModelAlgorithm:
    """Image and known roads → roads, and what either lacks."""
    recipe, given = theme("Roads beside a map", ROADS_BESIDE_A_MAP)
    given |= ask_for_image(recipe, "A raster with all bands; or one of several, and the others under “More files”.")
    known = QgsProcessingParameterFeatureSource("KNOWN", "Known roads", [Qgis.ProcessingSourceType.VectorLine.value])
    given["KNOWN"] = recipe.ask(known, "Lines, such as those of OpenStreetMap.")
    recipe.step("roads", "maproads", given, {}, {"OUTPUT": "Roads", "CANDIDATES": "New and unseen roads"})
    return recipe.finished()


def land_cover_and_check(choices: dict) -> QgsProcessingModelAlgorithm:
    """Image → land cover → places to check it at."""
    recipe, given = theme("Land cover and its check", LAND_COVER_AND_CHECK)
    given |= ask_for_image(recipe, "A raster with all bands; or one of several, and the others under “More files”.")
    cover = recipe.step("cover", "maplandcover", given, {}, {"OUTPUT": "Land cover", "POLYGONS": "Polygons", "AREAS": "Table of areas"})
    recipe.step("places", "planassessment", {}, {"CLASS_MAP": cover}, {"OUTPUT": "Places to label"})
    return recipe.finished()


def ice_chart(choices: dict) -> QgsProcessingModelAlgorithm:
    """Radar image → class map, concentration, edge and chart."""
    recipe, given = theme("Ice chart", ICE_CHART)
    given |= ask_for_image(recipe, "HH and HV, with the incidence angle: one raster; or one of several, and the others under “More files”.")
    cell = QgsProcessingParameterNumber("CELL", "Cell [km]", Double, 5, False, 0.001, 1000)
    given["CELL"] = recipe.ask(cell, "Edge of the cells of the concentration.")
    recipe.step("ice", "mapseaice", given, {}, {"OUTPUT": "Sea ice", "CONCENTRATION": "Concentration", "EDGE": "Ice edge", "CHART": "Ice chart"})
    return recipe.finished()


def crops_of_parcels(choices: dict) -> QgsProcessingModelAlgorithm:
    """Images of many dates and parcels → the crop of each parcel."""
    recipe, given = theme("Crops of parcels", CROPS_OF_PARCELS)
    images = QgsProcessingParameterMultipleLayers("IMAGES", "Images", Raster)
    given["IMAGES"] = recipe.ask(images, "One raster layer for each date, all on one grid.")
    parcels = QgsProcessingParameterFeatureSource("PARCELS", "Parcels", [Qgis.ProcessingSourceType.VectorPolygon.value])
    given["PARCELS"] = recipe.ask(parcels, "Polygons; those in another CRS are reprojected.")
    masks = QgsProcessingParameterMultipleLayers("MASKS", "Cloud masks", Raster, None, True)
    given["MASKS"] = recipe.ask(masks, "Scene classifications of Sentinel-2, one for each date; images without one count as clear.")
    recipe.step("crops", "mapcroptypes", given, {}, {"OUTPUT": "Crops", "TABLE": "Hectares by crop"})
    return recipe.finished()


RECIPES = (map_from_labels, pretrain_and_map, roads_beside_a_map, land_cover_and_check, ice_chart, crops_of_parcels)


def write_all(folder: Path) -> None:
    """Writes every ready model into `folder`; the algorithms they name must be registered."""
    first = QgsApplication.processingRegistry().algorithmById("eopretrain:createtrainingdataset")
    choices = {name: first.parameterDefinition(name).options() for name in ("UNLABELLED", "PRESET")}
    for recipe in RECIPES:
        path = folder / f"{recipe.__name__}.model3"
        recipe(choices).toFile(str(path))
        # Qt writes attributes in an order that differs from run to run; in the canonical order a rewritten model is the same file.
        path.write_text(ElementTree.canonicalize(from_file=path) + "\n", encoding="utf-8")


def main() -> None:
    application = QgsApplication([], False)
    application.initQgis()
    sys.path[:0] = [str(ROOT)]
    sys.path.append(str(Path(QgsApplication.pkgDataPath()) / "python" / "plugins"))
    from processing.core.Processing import Processing

    Processing.initialize()
    from eo_pretrain_qgis.plugin import Plugin

    plugin = Plugin(None)
    plugin.initProcessing()
    write_all(Path(sys.argv[1]) if len(sys.argv) > 1 else MODELS)
    plugin.unload()


if __name__ == "__main__":
    main()
