"""What QGIS shows of a run: layers by name, group, order and style, titles of reports, and what is said of a cancel and of copies."""

import os
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from qgis.core import (
    QgsApplication,
    QgsProcessingContext,
    QgsProcessingException,
    QgsProcessingModelAlgorithm,
    QgsProcessingModelChildAlgorithm,
    QgsProcessingModelChildParameterSource,
    QgsProcessingOutputLayerDefinition,
    QgsRasterLayer,
    QgsVectorFileWriter,
    QgsVectorLayer,
)

from eo_pretrain_qgis.errors import Cancelled, DataError
from eo_pretrain_qgis.toolbox import styling

from .conftest import memory_layer, saved_layer, write_raster
from .test_running import run_in_background, wait_for


@pytest.fixture
def model_file(folder):
    path = folder / "model.onnx"
    path.touch()
    return str(path)


@pytest.fixture
def loaded(provider, context, feedback, project):
    """Runs an algorithm in a thread, as the dialog does, and loads its results; gives the groups and layers of the project, from the top down."""
    from processing.gui.Postprocessing import handleAlgorithmResults

    def load(name, **values):
        ended = run_in_background(provider, context, feedback, {key.upper(): value for key, value in values.items()}, name)
        wait_for(lambda: ended)
        assert ended[0][0]
        algorithm = QgsApplication.processingRegistry().createAlgorithmById(f"eopretrain:{name}")
        assert handleAlgorithmResults(algorithm, context, parameters={})
        return [(node.name(), [layer.name() for layer in node.children()] if hasattr(node, "findGroups") else None)
                for node in project.layerTreeRoot().children()]

    return load


def test_maps_are_named_after_the_image_and_lie_in_a_group(loaded, engine, folder, model_file, project):
    from qgis.core import QgsPalettedRasterRenderer
    from qgis.PyQt.QtGui import QColor

    outputs = {name: write_raster(folder / f"{name}.tif") for name in ("output", "confidence")}
    for path in outputs.values():
        layer = QgsRasterLayer(path, "made by the engine")
        water = QgsPalettedRasterRenderer.Class(1, QColor("#1f77b4"), "water")
        layer.setRenderer(QgsPalettedRasterRenderer(layer.dataProvider(), 1, [water]))
        layer.saveDefaultStyle()
    engine.result = outputs
    asked = {name: QgsProcessingOutputLayerDefinition(path, project) for name, path in outputs.items()}
    tree = loaded("maplandcover", model=model_file, images=[write_raster(folder / "sentinel2.tif")], areas=None, **asked)
    assert tree == [("Map land cover · sentinel2", ["Land cover · sentinel2", "Confidence · sentinel2"])]
    assert all(layer.renderer().classes()[0].label == "water" for layer in project.mapLayers().values())


def test_a_name_that_the_user_gave_stays_and_one_layer_needs_no_group(loaded, engine, folder, model_file, project):
    path = write_raster(folder / "output.tif")
    asked = QgsProcessingOutputLayerDefinition(path, project)
    asked.destinationName = "North"
    engine.result = {"output": path}
    assert loaded("maplandcover", model=model_file, images=[write_raster(folder / "a.tif")], areas=None, output=asked) == [("North", None)]


def test_two_rows_of_a_batch_give_two_names(loaded, engine, folder, model_file, project):
    for name in ("north", "south"):
        path = write_raster(folder / f"{name}_map.tif")
        engine.result = {"output": path}
        tree = loaded("maplandcover", model=model_file, images=[write_raster(folder / f"{name}.tif")], areas=None,
                      output=QgsProcessingOutputLayerDefinition(path, project))
    assert {name for name, _ in tree} == {"Land cover · north", "Land cover · south"}


class Window:
    """What the toolbox asks of QGIS's window: its map, and the tree of layers, of which one is current."""

    def __init__(self):
        from qgis.core import QgsCoordinateReferenceSystem, QgsLayerTree, QgsLayerTreeModel, QgsMapSettings

        self.settings = QgsMapSettings()
        self.settings.setDestinationCrs(QgsCoordinateReferenceSystem("EPSG:3857"))
        self._tree = QgsLayerTree()
        self._tree.addGroup("that of another result")
        self._model = QgsLayerTreeModel(self._tree)
        self.current = self._model.index(0, 0)

    def mapCanvas(self):
        return SimpleNamespace(mapSettings=lambda: self.settings, setExtent=self.settings.setExtent, refresh=lambda: None)

    def layerTreeView(self):
        return SimpleNamespace(setCurrentIndex=lambda index: setattr(self, "current", index))


def test_a_layer_whose_name_is_taken_gets_a_number(loaded, engine, folder, model_file, project):
    """By a layer of the project, as of the run before, or by one of the same run: “Iterate over this layer” loads all at its end."""
    image = write_raster(folder / "a.tif")
    for number in (1, 2):
        path = write_raster(folder / f"map_{number}.tif")
        engine.result = {"output": path}
        tree = loaded("maplandcover", model=model_file, images=[image], areas=None, output=QgsProcessingOutputLayerDefinition(path, project))
    assert {name for name, _ in tree} == {"Land cover · a", "Land cover 2 · a"}


def test_layers_of_an_iteration_differ_by_name(engine, context, feedback, folder, project, monkeypatch):
    from processing.gui.AlgorithmExecutor import executeIterating

    from eo_pretrain_qgis.toolbox import algorithm as module

    def run(job, *given, **more):
        saved_layer(job.output, Path(job.output).stem)
        return engine.run(job, *given, **more)

    monkeypatch.setattr(module.client, "run", run)
    parcels = project.addMapLayer(memory_layer(crops=("wheat", "maize")))
    algorithm = QgsApplication.processingRegistry().createAlgorithmById("eopretrain:mapcroptypes")
    given = {"PARCELS": parcels.id(), "IMAGES": [write_raster(folder / "a.tif")],
             "OUTPUT": QgsProcessingOutputLayerDefinition(str(folder / "each.gpkg"), project)}
    assert executeIterating(algorithm, given, "PARCELS", context, feedback), feedback.errors
    assert {layer.name() for layer in project.mapLayers().values()} == {"parcels", "Crops · a", "Crops 2 · a"}


def test_the_sample_lies_in_a_group_with_the_image_above_the_maps_and_below_the_outlines(loaded, engine, folder, project, monkeypatch):
    rasters = {name: write_raster(folder / f"{name}.tif") for name in ("sentinel2", "sentinel1", "land_cover", "land_cover_100m")}
    vectors = {name: saved_layer(folder / f"{name}.gpkg", name).source() for name in ("parcels", "training_polygons", "roads")}
    engine.result = {**rasters, **vectors}
    window = Window()
    monkeypatch.setattr(styling, "iface", window)
    assert loaded("createsample", output=str(folder / "village")) == [("Create sample landscape · village", [
        "Polygons to train from · village", "Roads of an incomplete map · village", "Parcels with crops · village", "Sentinel-2 · village",
        "Sentinel-1 · village", "True land cover · village", "Land-cover map of 100 m · village"])]
    nodes = project.layerTreeRoot().findLayers()
    assert [node.name() for node in nodes if node.isVisible()] == ["Polygons to train from · village", "Sentinel-2 · village"]
    seen = window.settings.mapToLayerCoordinates(nodes[3].layer(), window.settings.extent())
    assert seen.buffered(1).contains(nodes[3].layer().extent()) and seen.width() < 300, "the map shows where the sample lies"
    assert not window.current.isValid(), "what comes later goes above the group, and not into it"


def test_lines_lie_above_the_map_that_would_hide_them(loaded, engine, folder, project):
    map_file, edge_file = write_raster(folder / "ice.tif"), str(folder / "edge.gpkg")
    lines = QgsVectorLayer("LineString?crs=EPSG:32633", "edge", "memory")
    QgsVectorFileWriter.writeAsVectorFormatV3(lines, edge_file, project.transformContext(), QgsVectorFileWriter.SaveVectorOptions())
    engine.result = {"output": map_file, "edge": edge_file}
    asked = {name: QgsProcessingOutputLayerDefinition(path, project) for name, path in engine.result.items()}
    tree = loaded("mapseaice", images=[write_raster(folder / "radar.tif")], concentration=None, chart=None, **asked)
    assert [layer.partition(" · ")[0] for layer in tree[0][1]] == ["Ice edge", "Sea ice"]


@pytest.fixture
def cut(engine, monkeypatch):
    """The engine makes a dataset: `cut.tiles` writes its footprints."""
    from eo_pretrain_qgis.toolbox import algorithm

    made = SimpleNamespace(tiles=lambda path: saved_layer(path, "tiles"), result={})

    def run(job, *more):
        os.makedirs(job.output)
        made.tiles(os.path.join(job.output, "tiles.gpkg"))
        return {"output": job.output, **made.result}

    monkeypatch.setattr(algorithm.client, "run", lambda job, python, on_event, is_cancelled, variables: run(job))
    return made


def test_a_dataset_loads_its_footprints(loaded, cut, folder):
    images = [write_raster(folder / "image.tif")]
    tree = loaded("createtrainingdataset", images=images, labels=memory_layer(), class_field="crop", output=str(folder / "fields"))
    assert tree == [("Footprints by split · fields", None)]


def test_what_lies_in_a_lasting_folder_is_not_named_after_its_file(loaded, engine, folder, monkeypatch):
    (folder / "elsewhere").mkdir()
    monkeypatch.setenv("TMPDIR", str(folder / "elsewhere"))  # QGIS calls temporary what lies there
    engine.result = {"sentinel2": write_raster(folder / "sentinel2.tif")}
    assert loaded("createsample", output=str(folder / "village")) == [("Sentinel-2 · village", None)]


def test_footprints_that_were_asked_for_load_once_and_samples_without_a_place_not_at_all(loaded, cut, folder, project):
    wanted = saved_layer(folder / "wanted.gpkg", "wanted")
    cut.result = {"footprints": wanted.source().partition("|")[0]}
    asked = {"images": [write_raster(folder / "image.tif")], "labels": memory_layer(), "class_field": "crop"}
    tree = loaded("createtrainingdataset", output=str(folder / "fields"), **asked,
                  footprints=QgsProcessingOutputLayerDefinition(cut.result["footprints"], project))
    assert tree == [("Footprints of the tiles · fields", None)]
    project.clear()
    cut.result, cut.tiles = {}, without_places
    assert ("Footprints by split · nowhere", None) not in loaded("createtrainingdataset", output=str(folder / "nowhere"), **asked)


def without_places(path):
    """A table of samples of which nobody knows where they lie."""
    from osgeo import ogr

    source = ogr.GetDriverByName("GPKG").CreateDataSource(str(path))
    source.CreateLayer("tiles", None, ogr.wkbNone)


def test_a_step_of_a_model_loads_what_the_model_asks_for_alone(cut, context, feedback, folder):
    import processing

    step = QgsProcessingModelChildAlgorithm("eopretrain:createpretrainingdataset")
    step.setChildId("tiles")
    for name, value in {"IMAGES": [write_raster(folder / "image.tif")], "OUTPUT": str(folder / "fields")}.items():
        step.addParameterSources(name, [QgsProcessingModelChildParameterSource.fromStaticValue(value)])
    model = QgsProcessingModelAlgorithm("Try", "Tests")
    model.addChildAlgorithm(step)
    processing.run(model, {}, context=context, feedback=feedback)
    assert (folder / "fields" / "tiles.gpkg").is_file()
    assert context.layersToLoadOnCompletion() == {}


def test_a_style_of_the_user_is_left_alone(provider, context, folder, project, monkeypatch):
    from processing.gui.RenderingStyles import RenderingStyles

    paths = {name: write_raster(folder / f"{name}.tif") for name in ("OUTPUT", "CONFIDENCE")}
    for name, path in paths.items():
        context.addLayerToLoadOnCompletion(path, QgsProcessingContext.LayerDetails("Map", project, name))
    monkeypatch.setitem(RenderingStyles.styles, "eopretrain:predictmap", {"OUTPUT": "/my.qml"})
    styling.load([styling.Shown(path, name, "Map") for name, path in paths.items()], context, provider.algorithm("predictmap"), "scene")
    details = {name: context.layerToLoadOnCompletionDetails(path) for name, path in paths.items()}
    assert details["OUTPUT"].postProcessor() is None and details["CONFIDENCE"].postProcessor() is not None
    assert {each.name for each in details.values()} == {"Map · scene"}


def test_reports_are_listed_by_what_they_are_of(provider, engine, context, feedback, folder):
    """The results viewer lists reports by the description of the dialog's own outputs."""
    dialog = provider.algorithm("describedataset").create()
    (folder / "fields").mkdir()
    (folder / "fields" / "dataset.json").touch()
    from qgis.core import QgsProcessingAlgRunnerTask

    ended = []
    task = QgsProcessingAlgRunnerTask(dialog, {"DATASET": str(folder / "fields"), "OUTPUT": str(folder / "r.html")}, context, feedback)
    task.executed.connect(lambda succeeded, results: ended.append(succeeded))
    QgsApplication.taskManager().addTask(task)
    wait_for(lambda: ended)
    assert ended == [True]
    assert dialog.outputDefinition("OUTPUT").description() == "Describe dataset · fields"
    assert provider.algorithm("describedataset").outputDefinition("OUTPUT").description() == "Report"


# --- cancelling

def until_cancelled(job, python, on_event, is_cancelled, variables):
    while not is_cancelled():
        time.sleep(0.01)
    raise Cancelled


@pytest.mark.parametrize(("algorithm", "kept", "sentence"), [
    ("finetune", True, "Cancelled. What was done is kept in {folder}. Run the same job with the same values and that folder as “Run folder”, and it "
                       "goes on where it stopped."),
    ("finetune", False, "Cancelled. Nothing half-written was left behind."),
    ("splitdataset", True, "Cancelled. Nothing half-written was left behind.")])
def test_a_cancel_is_no_error_and_says_what_is_kept(provider, engine, context, feedback, folder, monkeypatch, algorithm, kept, sentence):
    from eo_pretrain_qgis.toolbox import algorithm as module

    output = folder / "run"

    def run(job, *more):
        if kept and algorithm == "finetune":
            output.mkdir()
            (output / "run.json").touch()
        until_cancelled(job, *more)

    monkeypatch.setattr(module.client, "run", lambda job, python, on_event, is_cancelled, variables: run(
        job, python, on_event, is_cancelled, variables))
    (folder / "dataset.json").touch()
    ended = run_in_background(provider, context, feedback, {"DATASET": str(folder), "OUTPUT": str(output)}, algorithm)
    feedback.cancel()
    wait_for(lambda: ended)
    assert ended == [(False, {})]
    assert feedback.said[-1] == sentence.format(folder=output)
    assert not feedback.errors


def test_a_cancelled_script_fails(provider, engine, context, feedback, folder, monkeypatch):
    """A script, or qgis_process, must not take a cancelled run for one that succeeded."""
    import processing

    from eo_pretrain_qgis.toolbox import algorithm

    (folder / "dataset.json").touch()
    monkeypatch.setattr(algorithm.client, "run", until_cancelled)
    feedback.cancel()
    with pytest.raises(QgsProcessingException):
        processing.run("eopretrain:finetune", {"DATASET": str(folder), "OUTPUT": str(folder / "run")}, context=context, feedback=feedback)
    assert feedback.said[-1] == "Cancelled. Nothing half-written was left behind."


# --- copies of layers

@pytest.mark.parametrize(("said", "told"), [
    ("The labels {copy} do not overlap the images: they reach over 1.", "The labels “elsewhere” do not overlap the images: they reach over 1."),
    ("The layer features of {copy} has no field “crop”.", "The layer “elsewhere” has no field “crop”."),
    ("{copy}|layername=features is empty, and {image} is not.", "“elsewhere” is empty, and {image} is not.")])
def test_errors_and_warnings_name_the_layer_and_not_its_copy(provider, engine, context, feedback, folder, monkeypatch, said, told):
    import processing

    from eo_pretrain_qgis.toolbox import algorithm

    image = write_raster(folder / "image.tif")

    def run(job, python, on_event, is_cancelled, variables):
        text = said.format(copy=job.labels[0]["path"], image=image)
        on_event({"event": "message", "level": "warning", "text": text})
        raise DataError(text)

    monkeypatch.setattr(algorithm.client, "run", run)
    with pytest.raises(QgsProcessingException) as refused:
        processing.run("eopretrain:createtrainingdataset", {
            "IMAGES": [image], "LABELS": memory_layer("elsewhere"), "CLASS_FIELD": "crop", "OUTPUT": str(folder / "d")}, context=context,
            feedback=feedback)
    assert feedback.warned == [told.format(image=image)]
    assert told.format(image=image) in str(refused.value)
