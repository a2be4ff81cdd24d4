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
    QgsProcessingParameterField,
    QgsProcessingParameterMapLayer,
    QgsProcessingParameterMultipleLayers,
    QgsProcessingParameterNumber,
    QgsProcessingParameterRasterLayer,
)
from qgis.PyQt.QtCore import QPointF, QSizeF

ROOT = Path(__file__).resolve().parents[1]
MODELS = ROOT / "eo_pretrain_qgis" / "toolbox" / "models"
GROUP = "0 Start here"

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


class Recipe:
    """A model being written: inputs above, steps in a column below, each step's products beside it."""

    def __init__(self, title: str, text: str) -> None:
        self.model = QgsProcessingModelAlgorithm(title, GROUP)
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
            f"Give one of these words: {', '.join(choices['PRESET'])}.",
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
    recipe = Recipe("Pretrain and map", PRETRAIN_AND_MAP)
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


def write_all(folder: Path) -> None:
    """Writes every ready model into `folder`; the algorithms they name must be registered."""
    first = QgsApplication.processingRegistry().algorithmById("eopretrain:createtrainingdataset")
    choices = {name: first.parameterDefinition(name).options() for name in ("UNLABELLED", "PRESET")}
    for recipe in (map_from_labels, pretrain_and_map):
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
