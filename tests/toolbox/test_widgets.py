"""Our widgets in the dialogs: what they show, what they give, what may be dropped on them."""

from .conftest import write_raster
from .dialogs import seen

CHOICES = """
dialog = dialog_of("predictmap", PRESET="sentinel1_db", SPEED=1)
shown = shown_in(list_of(dialog, "SPEED"))
wrapper = wrapper_of(dialog, "SPEED")
given_back = [wrapper.parameterValue()]
for value in ("exact", "1", 0, ["fast"], "fest"):
    wrapper.setParameterValue(value, context)
    given_back.append(wrapper.parameterValue())
tip = wrapper.wrappedWidget().findChild(QComboBox).toolTip()

from processing.gui.BatchAlgorithmDialog import BatchAlgorithmDialog
panel = BatchAlgorithmDialog(algorithm_of("predictmap")).mainWidget()
column = next(place for place, wrapper in enumerate(panel.wrappers[0]) if wrapper and wrapper.parameterDefinition().name() == "SPEED")
batch = panel.wrappers[0][column]

from processing.modeler.ModelerParametersDialog import ModelerParametersDialog
model = QgsProcessingModelAlgorithm("a model", "g")
child = QgsProcessingModelChildAlgorithm("eopretrain:predictmap")
child.addParameterSources("SPEED", [QgsProcessingModelChildParameterSource.fromStaticValue("fast")])
step = model.addChildAlgorithm(child)
designer = ModelerParametersDialog(algorithm_of("predictmap"), model, algName=step)
inner = designer.widget.widget.wrappers["SPEED"]
combo = next(found for found in inner.findChildren(QComboBox) if found.findData("fast") >= 0)
tell({"shown": shown, "given": given_back, "tip": tip, "preset": wrapper_of(dialog, "PRESET").parameterValue(),
      "batch": [shown_in(batch.wrappedWidget().findChild(QComboBox)), batch.parameterValue()],
      "designer": [shown_in(combo), inner.value().staticValue()]})
"""


def test_choices_show_labels_and_give_words(provider, tmp_path):
    from eo_pretrain_qgis.jobs import JOBS

    speed = JOBS["predict_map"].parameters()["speed"]
    labels = [[label, word] for label, word in zip(speed.labels, speed.options)]
    told = seen(CHOICES, tmp_path)
    assert told["shown"] == told["batch"][0] == told["designer"][0] == labels
    assert told["given"] == ["fast", "exact", "fast", "exact", "fast", "fest"]  # a word that is none is refused, not replaced
    assert (told["preset"], told["batch"][1], told["designer"][1]) == ("sentinel1_db", "exact", "fast")
    assert "Give one of these words" not in told["tip"] and speed.help[:20] in told["tip"]


IMAGES = """
layers = [QgsRasterLayer(path, name) for name, path in sorted(given["rasters"].items())]
project.addMapLayers(layers)
dialog = dialog_of("predictmap", MODEL="m.onnx", OUTPUT=given["output"])
image, more = wrapper_of(dialog, "IMAGES"), wrapper_of(dialog, "MORE_IMAGES")
first = image.parameterValue() in project.mapLayers()
image.setParameterValue(layers[1].id(), context)
more.setParameterValue([layers[0].id()], context)
values = values_of(dialog)
algorithm = algorithm_of("predictmap")
lines = [algorithm.asPythonCommand(values, context), algorithm.asQgisProcessCommand(values, context)[0],
         algorithm.asPythonCommand({"IMAGES": list(given["rasters"].values())}, context)]
again = dialog_of("predictmap", **values)

drop(image.wrappedWidget(), given["dropped"])

from processing.gui.BatchAlgorithmDialog import BatchAlgorithmDialog
panel = BatchAlgorithmDialog(algorithm_of("predictmap")).mainWidget()
column = next(place for place, wrapper in enumerate(panel.wrappers[0]) if wrapper and wrapper.parameterDefinition().name() == "IMAGES")
filler = panel.tblParameters.cellWidget(0, column)
filler.createMenu()
offers = [action.text() for action in filler.menu.actions() if action.text()]
for row, path in enumerate(sorted(given["rasters"].values())):
    filler.setRowValue(row, path, context)
tell({"first": first, "values": [values["IMAGES"] == layers[1].id(), values["MORE_IMAGES"] == [layers[0].source()]], "lines": lines,
      "again": [values_of(again)[name] == values[name] for name in ("IMAGES", "MORE_IMAGES")], "dropped": image.parameterValue(),
      "offers": offers, "rows": [project.mapLayer(row[column].parameterValue()).name() for row in panel.wrappers],
      "advanced": bool(more.parameterDefinition().flags() & QgsProcessingParameterDefinition.Flag.FlagAdvanced)})
"""


def test_an_image_is_one_raster_and_more_files(provider, tmp_path, folder):
    rasters = {name: write_raster(folder / f"{name}.tif") for name in ("B02", "B03")}
    dropped = write_raster(folder / "dropped.tif")
    told = seen(IMAGES, tmp_path, rasters=rasters, dropped=dropped, output=str(folder / "map.tif"))
    assert told["first"] and told["values"] == told["again"] == [True, True] and told["advanced"]
    assert f"'IMAGES':'{rasters['B03']}'" in told["lines"][0] and f"'MORE_IMAGES':['{rasters['B02']}']" in told["lines"][0]
    assert f"--IMAGES='{rasters['B03']}'" in told["lines"][1] and f"--MORE_IMAGES='{rasters['B02']}'" in told["lines"][1]
    assert f"'IMAGES':['{rasters['B02']}','{rasters['B03']}']" in told["lines"][2]
    assert told["dropped"] == dropped
    assert "Add Files by Pattern…" in told["offers"] and "Select from Open Layers…" in told["offers"]
    assert told["rows"] == ["B02", "B03"]


KNOWN = """
dialog = dialog_of("finetune", DATASET=given["dataset"], START="catalogue:presto_s1_s2")
encoder, device, start, dataset, sensor = (wrapper_of(dialog, name) for name in ("ENCODER", "DEVICE", "START", "DATASET", "SENSOR"))
told = {name: shown_in(list_of(dialog, name)) for name in ("ENCODER", "DEVICE", "START", "SENSOR")}
first = [encoder.parameterValue(), device.parameterValue(), start.parameterValue(), sensor.parameterValue()]
list_of(dialog, "ENCODER").setCurrentIndex(1)
chosen = encoder.parameterValue()
list_of(dialog, "ENCODER").setEditText("tu-resnest14d")
typed = encoder.parameterValue()
for emptied in ("ENCODER", "DEVICE"):
    list_of(dialog, emptied).setEditText("")
emptied = [encoder.parameterValue(), device.parameterValue(), device.parameterDefinition().checkValueIsAcceptable(device.parameterValue())]
drop(list_of(dialog, "DATASET"), given["dataset"] + "/dataset.json")
dropped = [dataset.parameterValue()]
drop(list_of(dialog, "DATASET").lineEdit(), given["dataset"])
dropped.append(dataset.parameterValue())
drop(list_of(dialog, "START"), given["dataset"])
dropped.append(start.parameterValue())
drop(list_of(dialog, "START"), "https://example.org/weights.pth")
dropped.append(start.parameterValue())
from eo_pretrain_qgis.jobs import JOBS
from eo_pretrain_qgis.toolbox import recent
job = JOBS["finetune"]
recent.remember(job, {"dataset": given["dataset"], "output": given["run"], "start": "catalogue:presto_s1_s2"})
recent.remember(job, {"dataset": "/no/such"})
os.makedirs(given["dataset"] + "_emptied")
recent.remember(job, {"dataset": given["dataset"] + "_emptied"})
again, exported = dialog_of("finetune"), dialog_of("exportmodel")
tell({**told, "first": first, "chosen": chosen, "typed": typed, "emptied": emptied, "dropped": dropped,
      "datasets": shown_in(list_of(again, "DATASET")),
      "runs": shown_in(list_of(exported, "RUN_FOLDER")), "values": wrapper_of(again, "ENCODER").parameterValue()})
"""


def test_lists_of_known_values_take_any_other(provider, tmp_path, folder):
    from eo_pretrain_qgis.jobs import suggestions

    dataset, run = folder / "data", folder / "run"
    for made, text in ((dataset / "dataset.json", '{"sensors": [{"name": "s2", "bands": [{"name": "B02"}, {"name": "B03"}]}, {"name": "s1"}]}'),
                       (run / "run.json", "{}")):
        made.parent.mkdir()
        made.write_text(text)
    told = seen(KNOWN, tmp_path, dataset=str(dataset), run=str(run))
    assert told["ENCODER"] == [[f"{value}   {meaning}", value] for value, meaning in suggestions.encoders()]
    assert [value for _, value in told["DEVICE"]][:2] == ["auto", "cpu"]
    assert ["catalogue:presto_s1_s2   Presto: monthly series of Sentinel-1 (dB) and Sentinel-2, for datasets of series, 3 MB, MIT",
            "catalogue:presto_s1_s2"] in told["START"]
    assert told["SENSOR"] == [["s2   B02, B03", "s2"], ["s1", "s1"]]
    assert told["first"] == [None, "auto", "catalogue:presto_s1_s2", None]
    assert (told["chosen"], told["typed"], told["values"]) == ("resnet34", "tu-resnest14d", None)
    assert told["emptied"] == [None, "", False], "what was emptied is not the default"
    assert told["dropped"] == [str(dataset)] * 4, "an address of the web is no file, and does not empty the field"
    assert told["datasets"] == [[f"{dataset}   used before", str(dataset)]] and told["runs"] == [[f"{run}   used before", str(run)]]


GERMAN = """
from eo_pretrain_qgis.toolbox import translation
kept.append(translation.install("de"))
dialog, shared = dialog_of("finetune"), dialog_of("shareencoder")
tell({name: shown_in(list_of(dialog, name)) for name in ("ENCODER", "DEVICE", "START")} | {"LICENCE": shown_in(list_of(shared, "LICENCE"))})
"""


def test_known_values_are_described_in_the_language_of_the_window(provider, tmp_path):
    told = seen(GERMAN, tmp_path)
    assert told["ENCODER"][0] == ["resnet18   ResNet-18, 11 Millionen Gewichte: schnell, und genug für die meisten Karten", "resnet18"]
    assert told["DEVICE"][0] == ["auto   Die GPU, wenn es eine gibt, sonst der Prozessor", "auto"]
    assert ["catalogue:softcon_resnet50_s2   SoftCon: ResNet-50, Sentinel-2 L1C, 13 Kanäle, 94 MB, CC-BY-4.0",
            "catalogue:softcon_resnet50_s2"] in told["START"]
    assert told["LICENCE"][0] == ["CC-BY-4.0   Frei, mit Nennung der Urheber", "CC-BY-4.0"]


PLACES = """
project.write(given["project"])
dialog = dialog_of("finetune")
folder = wrapper_of(dialog, "OUTPUT")
told = [folder.parameterValue()]
os.makedirs(told[0])
told.append(wrapper_of(dialog_of("finetune"), "OUTPUT").parameterValue())
dialog.algorithmFinished.emit(False, {})
told.append(folder.parameterValue())
dialog.algorithmFinished.emit(True, {})
told.append(folder.parameterValue())
folder.setParameterValue("/tmp/mine", context)
dialog.algorithmFinished.emit(True, {})
told.append(folder.parameterValue())
mapping, algorithm = dialog_of("predictmap"), algorithm_of("finetune")
made = wrapper_of(mapping, "OUTPUT")
maps = [made.parameterValue().sink.staticValue()]
open(maps[0], "w").close()
mapping.algorithmFinished.emit(True, {})
maps.append(made.parameterValue().sink.staticValue())
tell({"places": told, "report": wrapper_of(dialog_of("describedataset"), "OUTPUT").parameterValue(),
      "map": maps, "further": str(wrapper_of(mapping, "CONFIDENCE").parameterValue()), "folded": wrapper_of(mapping, "TARGET_MAPS").parameterValue(),
      "default": algorithm.parameterDefinition("OUTPUT").defaultValue()})
"""


BATCH = """
from processing.gui.BatchAlgorithmDialog import BatchAlgorithmDialog
project.write(given["project"])
def batch_of(job, rows):
    dialog = BatchAlgorithmDialog(algorithm_of(job))
    kept.append(dialog)
    panel = dialog.mainWidget()
    panel.addRow(rows - 1)
    return panel
def column_of(panel, name, row):
    return panel.tblParameters.cellWidget(row, panel.parameter_to_column[name])
def told_of(panel, name):
    return [column_of(panel, name, row).getValue() for row in range(1, panel.tblParameters.rowCount())]
maps = batch_of("predictmap", 3)
told = {"maps": told_of(maps, "OUTPUT"), "further": told_of(maps, "CONFIDENCE"), "runs": told_of(batch_of("finetune", 2), "OUTPUT"),
        "reports": told_of(batch_of("describedataset", 2), "OUTPUT"), "samples": told_of(batch_of("createsample", 2), "OUTPUT"),
        "roads": told_of(batch_of("fetchroads", 2), "OUTPUT")}
column_of(maps, "OUTPUT", 1).setValue(given["mine"])
column_of(maps, "OUTPUT", 0).fillDown()
told["filled"] = told_of(maps, "OUTPUT")
cell = column_of(maps, "CONFIDENCE", 3)
cell.setValue(given["mine"].upper())
cell.text.setText(given["mine"])
cell.text.editingFinished.emit()
maps.addRow()
told["more"] = told_of(maps, "OUTPUT") + told_of(maps, "CONFIDENCE")[2:]
tell(told)
"""


def test_each_row_of_a_batch_has_a_lasting_place_of_its_own(provider, tmp_path, folder):
    home, mine = folder / "eo_pretrain", folder / "mine.tif"
    home.mkdir()
    (home / "predict_map_2.tif").touch()
    told = seen(BATCH, tmp_path, project=str(folder / "mine.qgz"), mine=str(mine))
    assert told["maps"] == [str(home / name) for name in ("predict_map.tif", "predict_map_3.tif", "predict_map_4.tif")]
    assert told["further"] == ["", "", ""], "further maps are made where they are asked for"
    assert told["runs"] == [str(home / "finetune"), str(home / "finetune_2")]
    assert told["reports"] == [str(home / "describe_dataset.html"), str(home / "describe_dataset_2.html")]
    assert told["samples"] == [str(home / "create_sample"), str(home / "create_sample_2")]
    assert told["roads"] == [str(home / "fetch_roads.gpkg"), str(home / "fetch_roads_2.gpkg")]
    filled = [str(folder / name) for name in ("mine.tif", "mine_2.tif", "mine_3.tif")]
    assert told["filled"] == filled, "“Fill Down” gives each row its own"
    assert told["more"] == [*filled, str(home / "predict_map.tif"), str(folder / "mine_4.tif"), ""]


def test_all_outputs_with_lasting_places_are_seen_in_a_batch(provider):
    from eo_pretrain_qgis.toolbox import lasting

    unseen = []
    for listed in provider.algorithms():
        algorithm = listed.create()  # a copy, which a name below keeps, for its definitions are gone with it
        metadata = [definition.metadata().get("widget_wrapper", {}) for definition in algorithm.parameterDefinitions()]
        places = [lasting.proposal(definition) for definition in algorithm.destinationParameterDefinitions()]
        if any(places) and not any("class" in one for one in metadata):
            unseen.append(algorithm.name())
    assert unseen == []


PLAIN = """
dialog = dialog_of("createsample", SEED=7)
wrapper, said = wrapper_of(dialog, "SIZE"), []
begun = wrapper.parameterValue()
wrapper.widgetValueHasChanged.connect(lambda changed: said.append(changed.parameterValue()))
box = wrapper.wrappedWidget().findChild(QSpinBox)
box.setValue(512)
values = values_of(dialog)
wrapper.setParameterValue(300, context)
from processing.modeler.ModelerParametersDialog import ModelerParametersDialog
model = QgsProcessingModelAlgorithm("a model", "g")
child = QgsProcessingModelChildAlgorithm("eopretrain:createsample")
child.addParameterSources("SIZE", [QgsProcessingModelChildParameterSource.fromStaticValue(400)])
step = model.addChildAlgorithm(child)
designer = ModelerParametersDialog(algorithm_of("createsample"), model, algName=step)
tell({"begun": begun, "said": said, "values": [values["SIZE"], values["SEED"]], "set": box.value(), "limits": [box.minimum(), box.maximum()],
      "tip": bool(box.toolTip() or wrapper.wrappedWidget().toolTip()), "label": wrapper.wrappedLabel().text(),
      "designer": designer.widget.widget.wrappers["SIZE"].value().staticValue()})
"""


def test_a_plain_widget_is_qgis_own(provider, tmp_path):
    told = seen(PLAIN, tmp_path)
    assert (told["begun"], told["said"], told["values"], told["set"], told["designer"]) == (1024, [512, 300], [512, 7], 300, 400)
    assert told["limits"] == [256, 8192] and told["label"] == "Size [px]" and told["tip"]


CANCELLED = """
from qgis.PyQt.QtWidgets import QTextEdit
dialog = dialog_of("createsample")
dialog.iterateParam = None
def log_of(cancelled):
    dialog.clearProgress()
    feedback = dialog.createFeedback()
    if cancelled:
        feedback.cancel()
    feedback.pushInfo("Cancelled. Nothing half-written was left behind.")
    feedback.reportError("Execution failed after 5.23 seconds")
    feedback.pushInfo("")
    dialog.finish(False, {}, context, feedback)
    log = dialog.findChild(QTextEdit, "txtLog")
    told = [log.toPlainText().splitlines(), "color:#" in log.toHtml()]
    log.clear()
    return told
tell([log_of(True), log_of(False)])
"""


def test_a_cancel_is_not_said_in_red(provider, tmp_path):
    (cancelled, red), (failed, still_red) = seen(CANCELLED, tmp_path)
    assert cancelled[:2] == ["Cancelled. Nothing half-written was left behind.", "Cancelled after 5.23 seconds"] and not red
    assert failed[1] == "Execution failed after 5.23 seconds" and still_red


NO_IMAGE = """
from qgis.PyQt.QtWidgets import QMessageBox
dialog = dialog_of("predictmap", MODEL=given["model"], OUTPUT=given["output"], MORE_IMAGES=[given["image"]])
values, told = values_of(dialog), []
told.append(algorithm_of("predictmap").checkParameterValues(values, context))
dialog = dialog_of("predictmap", MODEL=given["model"], OUTPUT=given["output"])
QMessageBox.warning = lambda parent, title, text: told.append(text)
dialog.runAlgorithm()
tell([values["IMAGES"], *told])
"""


def test_an_image_may_lie_in_the_further_files_alone(provider, tmp_path, folder):
    model = folder / "model.onnx"
    model.touch()
    told = seen(NO_IMAGE, tmp_path, model=str(model), image=write_raster(folder / "B02.tif"), output=str(folder / "map.tif"))
    assert told[:2] == [None, [True, ""]]
    assert told[2] == "“Image” (IMAGES) and “More files of “Image”” (MORE_IMAGES) are both empty. Choose an image in the first."


UNFINISHED = """
from eo_pretrain_qgis.jobs import JOBS
from eo_pretrain_qgis.toolbox import lasting
project.write(given["project"])
def proposed(name="finetune"):
    dialog = dialog_of(name)
    return dialog, wrapper_of(dialog, "OUTPUT")
def cancelled(folder):
    os.makedirs(folder, exist_ok=True)
    open(os.path.join(folder, "run.json"), "w").close()
    lasting.remember_unfinished(JOBS["finetune"].from_values({"dataset": given["dataset"], "output": folder}))
told = []
cancelled(given["outside"])
told.append(proposed()[1].parameterValue())
cancelled(given["mine"])
dialog, folder = proposed()
told += [folder.parameterValue(), proposed("pretraininpainting")[1].parameterValue()]
open(os.path.join(given["mine"], "job.json"), "w").close()
dialog.algorithmFinished.emit(True, {})
told += [folder.parameterValue(), proposed()[1].parameterValue()]
tell(told)
"""


def test_a_cancelled_run_is_proposed_until_it_has_ended(provider, tmp_path, folder):
    project, dataset = folder / "work", folder / "data"
    for made in (project, dataset):
        made.mkdir()
    (dataset / "dataset.json").write_text("{}")
    told = seen(UNFINISHED, tmp_path, project=str(project / "mine.qgz"), dataset=str(dataset), mine=str(project / "my run"),
                outside=str(folder / "elsewhere"))
    new = str(project / "eo_pretrain" / "finetune")
    assert told == [new, str(project / "my run"), str(project / "eo_pretrain" / "pretrain_inpainting"), new, new]


def test_what_took_long_is_proposed_a_lasting_place(provider, tmp_path, folder):
    told = seen(PLACES, tmp_path, project=str(folder / "mine.qgz"))
    run = str(folder / "eo_pretrain" / "finetune")
    # A second dialog proposes another name; so does this one after a run, but not after a cancel, for the run on this folder continues.
    assert told["places"] == [run, f"{run}_2", run, f"{run}_2", "/tmp/mine"]
    assert told["report"] == str(folder / "eo_pretrain" / "describe_dataset.html")
    assert told["map"] == [str(folder / "eo_pretrain" / name) for name in ("predict_map.tif", "predict_map_2.tif")]
    assert told["further"] == "None" and told["folded"] is None and told["default"] is None


FOLDED = """
from qgis.PyQt.QtWidgets import QGroupBox
algorithm = algorithm_of("predictmap")
dialog = algorithm.createCustomParametersWidget(None)
dialog.setParameters({"IMAGES": given["image"], "MODEL": "m.onnx", "OUTPUT": given["output"], "MARGIN": given["margin"]})
folded = dialog.mainWidget().findChild(QGroupBox, "grpAdvanced")
inside = [name for name in algorithm.parameterDefinitions() if folded.isAncestorOf(wrapper_of(dialog, name.name()).wrappedWidget())]
values = values_of(dialog)
tell({"inside": [definition.name() for definition in inside], "labels": [wrapper_of(dialog, name).wrappedLabel().parent() is
      wrapper_of(dialog, name).wrappedWidget().parent() for name in ("MARGIN", "OUTPUT")],
      "given": [getattr(value, "sink", value) and value.sink.staticValue() for value in (values["OUTPUT"], values["MARGIN"])],
      "title": dialog.windowTitle(), "names": [type(dialog).__name__, type(dialog.mainWidget()).__name__]})
"""


def test_rare_outputs_are_folded_in_and_still_written(provider, tmp_path):
    from eo_pretrain_qgis.jobs import JOBS

    output, margin = str(tmp_path / "map.tif"), str(tmp_path / "margin.tif")
    told = seen(FOLDED, tmp_path, image=str(write_raster(tmp_path / "image.tif")), output=output, margin=margin)
    assert [name for name in told["inside"] if not name.startswith("MORE_")] == [
        name.upper() for name, param in JOBS["predict_map"].parameters().items() if param.advanced]
    assert told["labels"] == [True, True] and told["title"].endswith("Predict map")
    assert told["given"] == [output, margin]
    assert told["names"] == ["AlgorithmDialog", "ParametersPanel"], "by these names Qt finds QGIS's words for them in other languages"
