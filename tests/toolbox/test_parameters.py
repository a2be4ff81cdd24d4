"""Every kind of parameter: how QGIS declares it and what plain value the job receives."""

from __future__ import annotations

import os
from dataclasses import dataclass

import pytest
from qgis.core import (
    Qgis,
    QgsCoordinateReferenceSystem,
    QgsMapLayer,
    QgsProcessing,
    QgsProcessingFeatureSourceDefinition,
    QgsProcessingOutputHtml,
    QgsProcessingOutputLayerDefinition,
    QgsProcessingParameterField,
    QgsProperty,
    QgsRasterLayer,
    QgsRectangle,
    QgsReferencedRectangle,
    QgsVectorLayer,
)

from eo_pretrain_qgis.errors import JobError
from eo_pretrain_qgis.jobs import JOBS
from eo_pretrain_qgis.jobs.spec import (
    Job,
    Result,
    attribute,
    boolean,
    choice,
    classes,
    crs,
    extent,
    file,
    file_output,
    folder_output,
    integer,
    layer,
    number,
    raster,
    raster_output,
    rasters,
    text,
    vector,
    vector_output,
)
from eo_pretrain_qgis.jobs.spec import folder as existing_folder
from eo_pretrain_qgis.jobs.spec import image as one_image
from eo_pretrain_qgis.jobs.spec import weights as starting_weights
from eo_pretrain_qgis.toolbox.parameters import CHOICE_WIDGET, KNOWN_VALUES_WIDGET, MORE
from eo_pretrain_qgis.toolbox.results import main_file

from .conftest import memory_layer, saved_layer, write_raster


@dataclass(frozen=True)
class EveryKind(Job):
    """Tries every kind of parameter. Nothing else.

    A second paragraph with a < sign.
    """

    title = "Every kind"
    group = "1 Prepare data"
    results = {"score": Result("number", "How good it is"), "page": Result("html", "All of it")}

    image: dict = raster("Image", optional=True)
    images: list = rasters("Images", optional=True)
    scene: list = one_image("Scene", optional=True)
    lines: dict = vector("Lines", optional=True)
    labels: dict = layer("Labels", optional=True)
    field: str = attribute("Field", parent="labels", optional=True)
    count: int = integer("Count", default=None, minimum=1, maximum=9)
    rate: float = number("Rate", default=1e-3, minimum=1e-7)
    flag: bool = boolean("Flag", default=True)
    word: str = text("Word", default=None)
    drawn: int = integer("Drawn", default=5, optional=True)
    kept: str = text("Kept", default="all")
    pick: str = choice("Pick", {"one": "The one", "two": "The two"}, default="one", advanced=True, help="What to pick.")
    system: str = crs("System", optional=True)
    maker: str = text("Maker", default=None, suggests=lambda _: [("a", "The first")])
    extent: dict = extent("Extent", optional=True)
    table: list = classes("Table", optional=True)
    weights: str = file("Weights", extension="pth|pt", optional=True)
    trained: str = file("Trained", "onnx", "bundled", words=("bundled", "none"))
    place: str = existing_folder("Place", optional=True)
    start: str = starting_weights("Starting weights", optional=True)
    output: str = raster_output("Map")
    shapes: str = vector_output("Shapes", optional=True, created=False)
    run_folder: str = folder_output("Run", optional=True)
    report: str = file_output("Report", "html", optional=True)


@pytest.fixture
def algorithm(provider):
    from eo_pretrain_qgis.toolbox.algorithm import JobAlgorithm

    made = JobAlgorithm(EveryKind)
    made.setProvider(provider)
    made.initAlgorithm()
    return made


@pytest.fixture
def read(algorithm, context, feedback):
    """Reads one value as a run does, through the checks of `Job.from_values`."""
    def read_one(name, value, final=True):
        from eo_pretrain_qgis.toolbox import parameters

        given = {"OUTPUT": QgsProcessing.TEMPORARY_OUTPUT, name: value}
        definitions = {definition.name(): definition for definition in algorithm.parameterDefinitions()}
        values = parameters.read(EveryKind, definitions, given, context, feedback if final else None)
        return getattr(EveryKind.from_values(values), name.lower())

    return read_one


@pytest.mark.parametrize(("name", "default"), [("RATE", "0.001"), ("FLAG", "True"), ("PICK", "one"), ("KEPT", "all"), ("TRAINED", "bundled")])
def test_an_empty_value_is_not_taken_as_the_default(name, default, read, algorithm, context):
    with pytest.raises(JobError, match=rf"is empty\. Give a value, or leave it out for its default, {default}\."):
        read(name, "")
    assert "is empty. Give a value" in algorithm.checkParameterValues({"OUTPUT": "/tmp/map.tif", name: ""}, context)[1]


def test_what_may_be_nothing_has_its_default_where_it_is_not_named(read, algorithm, context):
    from eo_pretrain_qgis.toolbox import parameters

    definitions = {definition.name(): definition for definition in algorithm.parameterDefinitions()}
    assert parameters.read(EveryKind, definitions, {}, context)["drawn"] == 5


def test_an_empty_device_is_refused(provider, context, folder):
    (folder / "m.onnx").touch()
    given = {"MODEL": str(folder / "m.onnx"), "IMAGES": write_raster(folder / "a.tif"), "OUTPUT": str(folder / "map.tif"), "DEVICE": ""}
    assert provider.algorithm("predictmap").create().checkParameterValues(given, context) == (
        False, "“Device” (device) is empty. Give a value, or leave it out for its default, auto.")


def test_declarations(algorithm):
    definition = algorithm.parameterDefinition
    assert definition("IMAGES").layerType() == Qgis.ProcessingSourceType.Raster
    assert isinstance(definition("FIELD"), QgsProcessingParameterField)
    assert definition("FIELD").parentLayerParameterName() == "LABELS"
    assert (definition("COUNT").minimum(), definition("COUNT").maximum(), definition("COUNT").defaultValue()) == (1, 9, None)
    assert definition("RATE").metadata()["widget_wrapper"]["decimals"] == 7
    assert definition("PICK").usesStaticStrings()
    assert definition("PICK").flags() & Qgis.ProcessingParameterFlag.Advanced
    assert definition("PICK").help() == "What to pick."  # qgis_process lists the words itself
    assert definition("PICK").options() == ["one", "two"]
    assert definition("PICK").metadata()["widget_wrapper"] == {"class": CHOICE_WIDGET, "labels": ["The one", "The two"]}
    assert all(definition("PICK").checkValueIsAcceptable(value) for value in ("one", 1, "1")) and not definition("PICK").checkValueIsAcceptable(2)
    assert (definition("SCENE").type(), definition("MORE_SCENE").type()) == ("raster", "multilayer")
    assert definition("MORE_SCENE").description() == "More files of “Scene”"
    optional_and_folded = Qgis.ProcessingParameterFlag.Optional | Qgis.ProcessingParameterFlag.Advanced
    assert definition("MORE_SCENE").flags() & optional_and_folded == optional_and_folded
    assert definition("SYSTEM").type() == "crs"
    assert definition("MAKER").metadata()["widget_wrapper"] == definition("START").metadata()["widget_wrapper"] == {"class": KNOWN_VALUES_WIDGET}
    assert definition("TABLE").headers() == ["value", "name", "color"]
    assert definition("WEIGHTS").fileFilter() == "PTH, PT files (*.pth *.pt)"
    assert (definition("TRAINED").fileFilter(), definition("TRAINED").defaultValue()) == ("ONNX files (*.onnx);;All files (*)", "bundled")
    assert all(definition("TRAINED").checkValueIsAcceptable(value) for value in ("bundled", "none", "/a/roads.onnx"))
    assert definition("START").fileFilter().endswith("*.bin);;All files (*)")
    assert definition("START").checkValueIsAcceptable("catalogue:resnet18") and definition("START").checkValueIsAcceptable("/a/run")
    assert not definition("SHAPES").createByDefault()
    assert isinstance(algorithm.outputDefinition("REPORT"), QgsProcessingOutputHtml)
    assert (algorithm.outputDefinition("SCORE").type(), algorithm.outputDefinition("SCORE").description()) == ("outputNumber", "How good it is")


def test_help(algorithm):
    assert algorithm.shortDescription() == "Tries every kind of parameter."
    assert algorithm.shortHelpString() == ("<p>Tries every kind of parameter. Nothing else.</p><p>A second paragraph with a &lt; sign.</p>"
                                           "<p><b>Pick</b><br/>What to pick.</p>")


@pytest.mark.parametrize(("name", "given", "read_as"), [
    ("COUNT", None, None), ("COUNT", 3, 3), ("COUNT", "3", 3), ("COUNT", QgsProperty.fromExpression("1 + 2"), 3),
    ("RATE", None, 1e-3), ("RATE", "0.5", 0.5), ("RATE", 1, 1.0),
    ("FLAG", None, True), ("FLAG", False, False), ("FLAG", "false", False),
    ("WORD", "", None), ("WORD", "B02,B03", "B02,B03"), ("FIELD", "crop", "crop"), ("FIELD", ["crop"], "crop"),
    ("PICK", None, "one"), ("PICK", "two", "two"), ("PICK", 1, "two"), ("PICK", "0", "one"), ("PICK", ["1"], "two"),
    ("SYSTEM", None, None), ("SYSTEM", "EPSG:3413", "EPSG:3413"), ("SYSTEM", QgsCoordinateReferenceSystem("EPSG:3857"), "EPSG:3857"),
    ("SYSTEM", QgsCoordinateReferenceSystem("EPSG:32633").toWkt(), "EPSG:32633"), ("MAKER", "b", "b"),
    ("TABLE", None, None), ("TABLE", [None], None), ("TABLE", [], None),
    ("TABLE", [["1", "water", "#0000ff"], [2, "wood", ""]],
     [{"value": "1", "name": "water", "color": "#0000ff"}, {"value": "2", "name": "wood", "color": ""}]),
    ("TABLE", ["1", "water", "#0000ff", 2, "wood", None],
     [{"value": "1", "name": "water", "color": "#0000ff"}, {"value": "2", "name": "wood", "color": ""}]),
    ("EXTENT", None, None), ("EXTENT", "0,10,20,30 [EPSG:4326]", {"box": [0, 20, 10, 30], "crs": "EPSG:4326"}),
    ("EXTENT", QgsReferencedRectangle(QgsRectangle(0, 20, 10, 30), QgsCoordinateReferenceSystem("EPSG:3857")),
     {"box": [0, 20, 10, 30], "crs": "EPSG:3857"}),
    ("RUN_FOLDER", None, None), ("SHAPES", "", None), ("START", None, None), ("START", "catalogue:imagenet_resnet18", "catalogue:imagenet_resnet18"),
    ("START", "/usr/share/", "/usr/share"), ("TRAINED", None, "bundled"), ("TRAINED", "none", "none"),
    ("DRAWN", None, None), ("DRAWN", "", None), ("COUNT", "", None),
])
def test_plain_values(read, name, given, read_as):
    assert read(name, given) == read_as


@pytest.mark.parametrize(("name", "given", "sentence"), [
    ("COUNT", 0, "“Count” (count) is 0, but must be between 1 and 9."), ("COUNT", "many", "is 'many', but must be a number."),
    ("PICK", "three", "“Pick” (pick) is 'three', but must be one of: one, two."), ("PICK", 2, "must be one of: one, two."),
    ("SYSTEM", "EPSG:1", "“System” (SYSTEM): EPSG:1 is no coordinate system that QGIS knows. Choose one, or give a code such as EPSG:32633."),
    ("EXTENT", "here", "must be xmin,xmax,ymin,ymax [EPSG:code]."), ("TABLE", ["1", "water", "blue"], "has the colour 'blue'. Write a colour"),
    ("WEIGHTS", "/no/such.pth", "there is no file /no/such.pth. Choose an existing file."),
    ("WEIGHTS", "/usr/share", "/usr/share is a folder. Choose a file in it that ends in .pth or .pt."),
    ("START", "/no/such.pth", "there is no file or folder /no/such.pth. Choose a file of weights, the folder of a run, or catalogue:"),
    ("IMAGE", "/no/such.tif", "“Image” (IMAGE): /no/such.tif is no raster layer that QGIS can open."),
    ("LABELS", "nothing", "“Labels” (LABELS): nothing is no layer that QGIS can open."),
    ("OUTPUT", "map.png", "map.png must end in .tif"), ("OUTPUT", None, "“Map” (output) is missing. Give a value for it."),
    ("COUNT", QgsProperty.fromExpression("@my_cuont"),
     "“Count” (COUNT): the expression @my_cuont gives no value. Correct it, or give a value instead."),
    ("COUNT", QgsProperty.fromExpression("bad("), "the expression bad( gives no value."), ("RATE", QgsProperty.fromExpression("1/0"), "(RATE): the "),
    ("OUTPUT", QgsProperty.fromExpression("@nowhere"), "(OUTPUT): the expression @nowhere gives no value."),
    ("IMAGE", QgsProperty.fromExpression("@nowhere"), "(IMAGE): the expression @nowhere gives no value."),
    ("BOGUS", 1, "There is no parameter BOGUS in “Every kind”. It has: IMAGE, IMAGES,"),
])
def test_refusals(read, name, given, sentence):
    with pytest.raises(JobError) as refused:
        read(name, given)
    assert sentence in str(refused.value)


def test_layers_by_object_id_name_and_path(read, project, folder):
    path = write_raster(folder / "image.tif")
    layer = QgsRasterLayer(path, "image")
    project.addMapLayer(layer)
    for given in (layer, layer.id(), "image", path):
        assert read("IMAGE", given) == {"path": path, "name": "image"}
    assert read("IMAGES", path) == [{"path": path, "name": "image"}]
    other = write_raster(folder / "other.tif")
    assert [item["path"] for item in read("IMAGES", [other, [layer.id()]])] == [other, path]
    with pytest.raises(JobError, match=r"image\.tif twice\. Give each file once\."):
        read("IMAGES", [path, [layer.id()]])
    assert read("LABELS", layer)["path"] == path


def test_more_files_of_an_image(algorithm, read, context, folder):
    from eo_pretrain_qgis.toolbox import parameters

    first, second = (write_raster(folder / name) for name in ("B02.tif", "B03.tif"))
    definitions = {definition.name(): definition for definition in algorithm.parameterDefinitions()}
    for given in ({"SCENE": first, "MORE_SCENE": [second]}, {"SCENE": [first, second]}, {"SCENE": first, "MORE_SCENE": [first, second]},
                  {"MORE_SCENE": [first, second]}):
        values = parameters.read(EveryKind, definitions, {"OUTPUT": "map.tif", **given}, context)
        assert [source["path"] for source in EveryKind.from_values(values).scene] == [first, second]
        assert algorithm.checkParameterValues({"OUTPUT": "map.tif", **given}, context)[0]
    assert read("SCENE", None) is None


def test_scenes_as_they_are_delivered_need_no_layer(algorithm, read, context, folder):
    scene = folder / "S2A_MSIL2A.SAFE"
    scene.mkdir()
    (scene / "MTD_MSIL2A.xml").write_text("<a/>")
    other = write_raster(folder / "image.tif")
    for path in (str(scene), str(scene / "MTD_MSIL2A.xml")):
        assert read("IMAGE", path) == {"path": path} and read("IMAGES", [other, path])[1] == {"path": path}
        assert algorithm.parameterDefinition("IMAGE").checkValueIsAcceptable(path, context)
        assert algorithm.parameterDefinition("IMAGES").checkValueIsAcceptable([other, path], context)
        assert algorithm.checkParameterValues({"IMAGE": path, "IMAGES": [path], "OUTPUT": str(folder / "map.tif")}, context)[0]
    assert read("IMAGE", f"{scene}|resolution=20") == {"path": f"{scene}|resolution=20"}
    assert not algorithm.parameterDefinition("IMAGES").checkValueIsAcceptable([str(folder / "none.SAFE")], context)


def test_wrong_kind_of_layer(read, folder):
    with pytest.raises(JobError, match="is no raster layer"):
        read("IMAGES", [saved_layer(folder / "parcels.gpkg")])
    with pytest.raises(JobError, match="is no vector layer"):
        read("LINES", QgsRasterLayer(write_raster(folder / "image.tif"), "image"))


def test_selected_features_only(read, project, folder):
    layer = saved_layer(folder / "parcels.gpkg")
    project.addMapLayer(layer)
    layer.select(next(layer.getFeatures()).id())
    for name in ("LINES", "LABELS"):
        assert read(name, layer)["path"] == str(folder / "parcels.gpkg")
        assert read(name, QgsProcessingFeatureSourceDefinition(layer.id(), False))["path"] == str(folder / "parcels.gpkg")
        copied = read(name, QgsProcessingFeatureSourceDefinition(layer.id(), True))
        assert QgsVectorLayer(f"{copied['path']}|layername={copied['layer']}", "", "ogr").featureCount() == 1


def test_a_path_brings_the_style_saved_beside_it(read, folder):
    from qgis.core import QgsPalettedRasterRenderer
    from qgis.PyQt.QtGui import QColor

    path = write_raster(folder / "cover.tif")
    cover = QgsRasterLayer(path, "cover")
    cover.setRenderer(QgsPalettedRasterRenderer(cover.dataProvider(), 1, [QgsPalettedRasterRenderer.Class(1, QColor("#1f77b4"), "water")]))
    cover.saveDefaultStyle(QgsMapLayer.StyleCategory.AllStyleCategories)
    assert read("LABELS", path)["categories"]["classes"] == [{"value": "1", "name": "water", "color": "#1f77b4"}]


def test_the_system_of_the_project(read, project):
    project.setCrs(QgsCoordinateReferenceSystem("EPSG:3413"))
    assert read("SYSTEM", "ProjectCrs") == "EPSG:3413"


def test_temporary_outputs_are_told(algorithm, context, feedback, folder):
    from eo_pretrain_qgis.toolbox import lasting, parameters

    definitions = {definition.name(): definition for definition in algorithm.parameterDefinitions()}
    values = {"OUTPUT": QgsProcessing.TEMPORARY_OUTPUT, "REPORT": str(folder / "report.html")}
    job = EveryKind.from_values(parameters.read(EveryKind, definitions, values, context))
    lasting.tell_of_temporary(job, parameters.destinations(job, definitions, values, context), context, feedback)
    assert feedback.warned[-1] == "In a temporary folder, and gone when QGIS closes: “Map”. Save what you want to keep."


def test_extent_of_a_layer_and_without_crs(read, project, folder, feedback):
    path = write_raster(folder / "image.tif")
    assert read("EXTENT", path) == {"box": [500_000, 5_299_900, 500_100, 5_300_000], "crs": "EPSG:32633"}
    assert read("EXTENT", "0,10,20,30")["crs"] == ""
    project.setCrs(QgsCoordinateReferenceSystem("EPSG:3857"))
    assert read("EXTENT", "0,10,20,30") == {"box": [0, 20, 10, 30], "crs": "EPSG:3857"}
    assert feedback.said[-1] == "“Extent” names no coordinate reference system; it is read in the one of the project (EPSG:3857)."


def test_class_table_from_a_csv_file(read, folder):
    (folder / "classes.csv").write_text("value,name,color\n1,water,#1f77b4\n", encoding="utf-8")
    for given in (str(folder / "classes.csv"), [str(folder / "classes.csv")]):
        assert read("TABLE", given) == [{"value": "1", "name": "water", "color": "#1f77b4"}]


@pytest.fixture
def destinations(algorithm, context):
    """The final paths of the outputs in these values."""
    def final(**given):
        from eo_pretrain_qgis.toolbox import parameters

        values = {"OUTPUT": QgsProcessing.TEMPORARY_OUTPUT, **given}
        definitions = {definition.name(): definition for definition in algorithm.parameterDefinitions()}
        job = EveryKind.from_values(parameters.read(EveryKind, definitions, values, context))
        return parameters.destinations(job, definitions, values, context)

    return final


def test_destinations(destinations, folder, monkeypatch):
    monkeypatch.chdir(folder)
    assert destinations(OUTPUT="new/map.tif") == {"output": str(folder / "new" / "map.tif")}
    assert not (folder / "new").exists()  # made when the job claims its outputs
    assert destinations(OUTPUT=QgsProcessingOutputLayerDefinition(str(folder / "map.tif"))) == {"output": str(folder / "map.tif")}


def test_temporary_destinations(destinations):
    asked = dict.fromkeys(("OUTPUT", "SHAPES", "REPORT", "RUN_FOLDER"), QgsProcessing.TEMPORARY_OUTPUT)
    first, second = destinations(**asked), destinations(**asked)
    assert [os.path.splitext(first[name])[1] for name in ("output", "shapes", "report", "run_folder")] == [".tif", ".gpkg", ".html", ""]
    assert not set(first.values()) & set(second.values())
    assert all(os.path.isdir(os.path.dirname(path)) and not os.path.exists(path) for path in first.values())


def test_checking_makes_no_folder(read, folder):
    assert read("OUTPUT", str(folder / "new" / "map.tif")) == str(folder / "new" / "map.tif")
    assert not (folder / "new").exists()


def test_output_open_in_qgis_is_refused(read, project, folder):
    path = write_raster(folder / "map.tif")
    project.addMapLayer(QgsRasterLayer(path, "old map"))
    saved = saved_layer(folder / "shapes.gpkg")
    project.addMapLayer(saved)
    for name, given, shown in (("OUTPUT", path, "old map"), ("SHAPES", str(folder / "shapes.gpkg"), "parcels")):
        with pytest.raises(JobError, match=f"is open in QGIS as layer “{shown}”. Choose another name or remove the layer."):
            read(name, given, final=False)


def test_memory_layer_is_only_checked_before_the_run(read):
    layer = memory_layer()
    assert read("LABELS", layer, final=False)["path"] == layer.source()
    assert read("LABELS", layer)["path"].endswith(".gpkg")


def test_boxes_of_whole_numbers_show_their_value(provider):
    """A limit beyond 31 bits turns the box for whole numbers into one that shows -2147483648 and runs with it."""
    limits = [definition.maximum() for algorithm in provider.algorithms() for definition in algorithm.parameterDefinitions()
              if definition.type() == "number" and definition.dataType() == Qgis.ProcessingNumberParameterType.Integer]
    assert limits and max(limits) < 2**31


def test_every_job_is_whole_in_qgis(provider):
    registered = {algorithm.id(): algorithm for algorithm in provider.algorithms()}
    for job in JOBS.values():
        algorithm = registered[f"eopretrain:{job.id()}"]
        names = [definition.name() for definition in algorithm.parameterDefinitions()]
        assert sorted(names) == sorted([*(name.upper() for name in job.parameters()),
                                        *(MORE + name.upper() for name, param in job.parameters().items() if param.one_image)])
        outputs = {output.name() for output in algorithm.outputDefinitions()}
        files = {main_file(param).name() for param in job.parameters().values() if param.is_output and param.main_file}
        assert outputs == files | {name.upper() for name in (*job.results, *(n for n, p in job.parameters().items() if p.is_output))}
        assert algorithm.groupId() == algorithm.group(), "QGIS puts models of a group beside them"
        assert algorithm.tags() and algorithm.shortDescription().endswith(".")
        assert not algorithm.icon().isNull() and algorithm.svgIconPath().endswith(".svg")
        for definition in algorithm.parameterDefinitions():
            assert definition.description()
