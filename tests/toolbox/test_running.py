"""Running a job from QGIS: on every path the same refusals, in a background thread, cancelled, without an engine, styled."""

import json
import os
import subprocess
import time
from pathlib import Path

import pytest
from qgis.core import (
    QgsProcessing,
    QgsProcessingAlgRunnerTask,
    QgsProcessingException,
    QgsProcessingModelAlgorithm,
    QgsProcessingModelChildAlgorithm,
    QgsProcessingModelChildParameterSource,
    QgsRasterLayer,
)
from qgis.PyQt.QtCore import QCoreApplication, QThread, QTimer

from eo_pretrain_qgis.errors import EngineError

from .conftest import memory_layer, write_raster


@pytest.fixture
def run(engine, context, feedback):
    import processing

    return lambda algorithm, **values: processing.run(
        f"eopretrain:{algorithm}", {name.upper(): value for name, value in values.items()}, context=context, feedback=feedback)


@pytest.fixture
def model_file(folder):
    path = folder / "model.onnx"
    path.touch()
    return str(path)


def wait_for(condition, seconds=10):
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        QCoreApplication.processEvents()
        time.sleep(0.01)
    assert condition()


def test_job_reaches_the_engine_as_asked(run, engine, folder, feedback):
    image = write_raster(folder / "image.tif")
    engine.result = {"tiles": 4}
    result = run("createtrainingdataset", images=[image], labels=memory_layer(), class_field="crop", tile_size=64,
                 output=str(folder / "dataset"))
    assert result == {"OUTPUT": str(folder / "dataset"), "TILES": 4, "DATASET_JSON": str(folder / "dataset" / "dataset.json")}
    job = engine.job
    assert (job.images, job.class_field, job.tile_size, job.stride) == ([{"path": image, "name": "image"}], "crop", 64, None)
    assert [layer["layer"] for layer in job.labels] == ["features"]
    assert "Halfway, loss 0.25" in feedback.said


def test_device_of_the_settings_stands_for_auto(run, engine, folder, monkeypatch):
    (folder / "dataset.json").touch()
    monkeypatch.setenv("EOPRETRAIN_DEVICE", "cpu:2")
    run("finetune", dataset=str(folder), output=str(folder / "run"))
    assert engine.job.device == "cpu:2"
    run("finetune", dataset=str(folder), output=str(folder / "run"), device="cpu")
    assert engine.job.device == "cpu"


@pytest.mark.parametrize(("values", "sentence"), [
    ({"preset": "landsat"}, "must be one of: as_model, generic"), ({"tile_size": 1}, "must be between 128 and 8192"),
    ({"bogus": 1}, "There is no parameter BOGUS in “Predict map”."), ({"output": "map.png"}, "must end in .tif"),
    ({"images": ["type=xyz"]}, "is no raster layer that QGIS can open")])
def test_processing_run_refuses(run, folder, model_file, values, sentence):
    asked = {"model": model_file, "images": [write_raster(folder / "image.tif")], "output": str(folder / "map.tif"), **values}
    with pytest.raises(QgsProcessingException, match="Unable to execute algorithm") as refused:
        run("predictmap", **asked)
    assert sentence in str(refused.value)


def test_output_that_is_the_input_is_refused(run, folder, model_file):
    image = write_raster(folder / "image.tif")
    with pytest.raises(QgsProcessingException, match="are the same file"):
        run("predictmap", model=model_file, images=[image], output=image)


def test_output_open_in_qgis_is_refused(run, folder, model_file, project):
    old = write_raster(folder / "map.tif")
    project.addMapLayer(QgsRasterLayer(old, "old map"))
    with pytest.raises(QgsProcessingException, match="is open in QGIS as layer “old map”"):
        run("predictmap", model=model_file, images=[write_raster(folder / "image.tif")], output=old)


@pytest.mark.parametrize(("values", "sentence"), [
    ({"PRESET": "landsat"}, "must be one of: as_model, generic"), ({"TILE_SIZE": 1}, "must be between 128 and 8192")])
def test_step_of_a_model_refuses(engine, context, feedback, folder, model_file, values, sentence):
    import processing

    step = QgsProcessingModelChildAlgorithm("eopretrain:predictmap")
    step.setChildId("map")
    step.setDescription("map")
    given = {"MODEL": model_file, "IMAGES": [write_raster(folder / "image.tif")], "OUTPUT": str(folder / "map.tif"), **values}
    for name, value in given.items():
        step.addParameterSources(name, [QgsProcessingModelChildParameterSource.fromStaticValue(value)])
    model = QgsProcessingModelAlgorithm("Try", "Tests")
    model.addChildAlgorithm(step)
    with pytest.raises(QgsProcessingException, match="Error encountered while running map"):
        processing.run(model, {}, context=context, feedback=feedback)
    assert sentence in feedback.errors[0]
    assert engine.job is None


def run_in_background(provider, context, feedback, values, name="finetune"):
    """Runs an algorithm as the dialog does; the list it returns gets (succeeded, results) when it is through."""
    ended = []
    task = QgsProcessingAlgRunnerTask(provider.algorithm(name).create(), values, context, feedback)
    task.executed.connect(lambda succeeded, results: ended.append((succeeded, results)))
    from qgis.core import QgsApplication

    QgsApplication.taskManager().addTask(task)
    return ended


def offered(model, child, parameter):
    """The outputs of earlier steps that the model designer (seen in 3.40) offers for a parameter of one or of several files."""
    kinds = {"multilayer": ["outputFile", "outputString"], "file": ["outputFile", "outputFolder", "outputString"]}[parameter.type()]
    return [source.outputName() for source in model.availableSourcesForChild(child, [], kinds)]


def test_steps_of_a_model_connect(provider, engine, context, feedback, folder, monkeypatch):
    """Several datasets to pretraining on many tasks, and its run or its encoder to fine-tuning."""
    from eo_pretrain_qgis.toolbox import algorithm

    def written(job):
        os.mkdir(job.output)
        Path(job.output, "dataset.json").touch()

    model = QgsProcessingModelAlgorithm("Pretrain", "test")
    for child_id, name in (("one", "createtrainingdataset"), ("two", "createpretrainingdataset"), ("shared", "pretrainmultitask"),
                           ("fine", "finetune")):
        child = QgsProcessingModelChildAlgorithm(f"eopretrain:{name}")
        child.setChildId(child_id)
        model.addChildAlgorithm(child)
    shared, fine = (provider.algorithm(name) for name in ("pretrainmultitask", "finetune"))
    assert offered(model, "shared", shared.parameterDefinition("DATASETS")).count("DATASET_JSON") == 2
    assert {"OUTPUT", "ENCODER", "CHECKPOINT"} <= set(offered(model, "fine", fine.parameterDefinition("START")))
    source = QgsProcessingModelChildParameterSource
    image = write_raster(folder / "image.tif")
    monkeypatch.setattr(algorithm.client, "run", lambda job, *given, **more: written(job) or engine.run(job, *given, **more))
    for child_id, values in (("one", {"IMAGES": image, "LABELS": image}), ("two", {"IMAGES": image})):
        child = model.childAlgorithm(child_id)
        for name, value in values.items():
            child.addParameterSources(name, [source.fromStaticValue(value)])
        child.addParameterSources("OUTPUT", [source.fromStaticValue(str(folder / child_id))])
        model.setChildAlgorithm(child)
    child = model.childAlgorithm("shared")
    child.addParameterSources("DATASETS", [source.fromChildOutput(name, "DATASET_JSON") for name in ("one", "two")])
    child.addParameterSources("OUTPUT", [source.fromStaticValue(str(folder / "shared"))])
    model.setChildAlgorithm(child)
    model.removeChildAlgorithm("fine")
    model.run({}, context, feedback)
    assert engine.job.datasets == [str(folder / name / "dataset.json") for name in ("one", "two")]


def test_a_comparison_in_a_model_gives_its_outputs(provider, engine, context, feedback, folder):
    """Its starting weights are the run of the step before; its figures and its report are there for the steps behind it."""
    source, model = QgsProcessingModelChildParameterSource, QgsProcessingModelAlgorithm("What it is worth", "test")
    for child_id, name in (("pretrained", "pretrainbarlowtwins"), ("compared", "comparepretraining")):
        child = QgsProcessingModelChildAlgorithm(f"eopretrain:{name}")
        child.setChildId(child_id)
        (folder / child_id).mkdir()
        child.addParameterSources("OUTPUT", [source.fromStaticValue(str(folder / child_id))])
        child.addParameterSources("DATASET", [source.fromStaticValue(str(folder))])
        (folder / "dataset.json").touch()
        if child_id == "compared":
            child.addParameterSources("START", [source.fromChildOutput("pretrained", "OUTPUT")])
            child.addParameterSources("SHARES", [source.fromStaticValue("1, 100")])
        model.addChildAlgorithm(child)
    assert "OUTPUT" in offered(model, "compared", provider.algorithm("comparepretraining").parameterDefinition("START"))
    (folder / "pretrained" / "encoder.safetensors").touch()
    report = folder / "compared" / "report.html"
    engine.result = {"report": str(report), "verdict": "It helps.", "figures": 24, "trainings": 8, "computed": 24, "minutes": 1.5}
    found = model.run({}, context, feedback)[0]["CHILD_RESULTS"]["compared"]
    assert (engine.job.start, engine.job.shares, engine.job.draws) == (str(folder / "pretrained"), "1, 100", 5)
    assert (found["OUTPUT"], found["REPORT"], found["VERDICT"]) == (str(folder / "compared"), str(report), "It helps.")
    assert (found["FIGURES"], found["TRAININGS"], found["MINUTES"]) == (24, 8, 1.5)


def test_background_thread(provider, engine, context, feedback, folder, monkeypatch):
    from eo_pretrain_qgis.toolbox import algorithm

    (folder / "dataset.json").touch()
    threads = []
    monkeypatch.setattr(algorithm.client, "run", lambda *given, **more: threads.append(QThread.currentThread()) or engine.run(*given, **more))
    ended = run_in_background(provider, context, feedback, {"DATASET": str(folder), "OUTPUT": str(folder / "run")})
    wait_for(lambda: ended)
    assert ended == [(True, {"OUTPUT": str(folder / "run"), "RUN_JSON": str(folder / "run" / "run.json")})]
    assert threads[0] != QCoreApplication.instance().thread()


def test_missing_engine_names_what_installs_it(run, folder, monkeypatch):
    from eo_pretrain_qgis.toolbox import algorithm

    def find(kind, setting=""):
        raise EngineError("The engine is not installed. Run “Install the engine” (eopretrain:installengine).")

    (folder / "dataset.json").touch()
    monkeypatch.setattr(algorithm.environment, "find", find)
    with pytest.raises(QgsProcessingException, match="eopretrain:installengine"):
        run("finetune", dataset=str(folder), output=str(folder / "run"))


def test_progress_is_one_line_a_second_and_the_last_is_not_lost(feedback, monkeypatch):
    from eo_pretrain_qgis.toolbox import feedback as module

    now, lines = [100.0], []
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    monkeypatch.setattr(feedback, "setProgressText", lines.append)
    progress = module.FeedbackProgress(feedback)
    progress.at(0, "Starting")
    progress.at(0, "Loading torch")
    assert lines == ["Starting"]
    now[0] += 1
    assert not progress.cancelled() and not progress.cancelled()
    assert lines == ["Starting", "Loading torch"]
    now[0] += 1
    progress.at(0.5, "Epoch 1, 2.1 images/s", loss=2.5, images_per_second=2.0996)
    assert lines[2:] == ["Epoch 1, 2.1 images/s, loss 2.5"]


def test_the_window_answers_while_its_own_thread_waits(feedback):
    """As in “Iterate over this layer”; in a thread of its own, QGIS's window needs no help, and events of another thread are not ours."""
    from threading import Thread

    from eo_pretrain_qgis.toolbox.feedback import FeedbackProgress

    answered = []
    QTimer.singleShot(0, lambda: answered.append(True))
    waiting = Thread(target=FeedbackProgress(feedback).cancelled)
    waiting.start()
    waiting.join()
    assert not answered
    FeedbackProgress(feedback).cancelled()
    assert answered


# --- qgis_process: the same refusals, and exit codes a script can rely on

def qgis_process(environment, *arguments, document=None):
    return subprocess.run(["qgis_process", *arguments], env=environment, input=document, capture_output=True, text=True)


@pytest.mark.parametrize(("argument", "sentence"), [
    ("--BOGUS=1", "There is no parameter BOGUS"), ("--PRESET=landsat", "must be one of: as_model, generic"),
    ("--TILE_SIZE=1", "must be between 128 and 8192")])
def test_command_line_refuses(qgis, folder, model_file, argument, sentence):
    ran = qgis_process(qgis, "run", "eopretrain:predictmap", f"--MODEL={model_file}", f"--IMAGES={write_raster(folder / 'image.tif')}",
                       f"--OUTPUT={folder / 'map.tif'}", argument)
    assert ran.returncode == 1
    assert sentence in ran.stdout + ran.stderr


def test_json_refuses(qgis, folder):
    (folder / "dataset.json").touch()
    document = json.dumps({"inputs": {"DATASET": str(folder), "OUTPUT": QgsProcessing.TEMPORARY_OUTPUT, "EPOCHS": 0}})
    ran = qgis_process(qgis, "--json", "run", "eopretrain:finetune", "-", document=document)
    assert (ran.returncode, ran.stdout) == (1, "")
    assert "“Epochs” (epochs) is 0, but must be between 1 and 10000." in ran.stderr


def test_command_line_with_a_wrong_engine(qgis, folder, model_file):
    wrong = {**qgis, "EOPRETRAIN_ENGINE": str(folder / "no python")}
    ran = qgis_process(wrong, "run", "eopretrain:inspectmodel", f"--MODEL={model_file}", f"--OUTPUT={folder / 'model.html'}")
    assert ran.returncode == 1
    assert "EOPRETRAIN_ENGINE names" in ran.stderr
    assert not (folder / "model.html").exists()
