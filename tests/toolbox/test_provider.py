"""The provider: what it lists, how light it is, what it says of itself, and the ready models."""

import json
import subprocess
import sys

import pytest
from qgis.core import QgsApplication, QgsProcessingModelAlgorithm

from eo_pretrain_qgis.jobs import JOBS

from ..conftest import ROOT

#: Ready models of themes → their steps.
THEMES = {"roadsbesideamap": ["maproads"], "landcoverandcheck": ["maplandcover", "planassessment"], "icechart": ["mapseaice"],
          "cropsofparcels": ["mapcroptypes"]}
MODELS = ("mapfromlabels", "pretrainandmap", *THEMES)

LOADING = """
import sys, time
sys.path[:0] = [sys.argv[1]]
from qgis.core import QgsApplication
application = QgsApplication([], False)
application.initQgis()
sys.path.append(QgsApplication.pkgDataPath() + "/python/plugins")
from processing.core.Processing import Processing
Processing.initialize()
before, started = set(sys.modules), time.perf_counter()
from eo_pretrain_qgis import classFactory
classFactory(None).initProcessing()
seconds = time.perf_counter() - started
new = {name.split(".")[0] for name in set(sys.modules) - before}
engine = [name for name in sys.modules if name.startswith("eo_pretrain_qgis.engine")]
print(seconds, sorted(new & {"numpy", "torch", "rasterio", "onnxruntime", "pandas", "scipy"}), engine)
"""


def test_loading_is_light(tmp_path):
    ran = subprocess.run([sys.executable, "-c", LOADING, str(ROOT)], capture_output=True, text=True, check=True,
                         env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "QT_QPA_PLATFORM": "offscreen"})
    seconds, rest = ran.stdout.strip().splitlines()[-1].split(" ", 1)
    print(f"The provider loaded in {float(seconds):.3f} s.")
    assert rest == "[] []"


def test_identity(provider):
    assert (provider.id(), provider.name()) == ("eopretrain", "EO Pretrain")
    assert provider.versionInfo()[0].isdigit() and provider.versionInfo() in provider.longName()
    assert not provider.icon().isNull()
    assert provider.supportedOutputRasterLayerExtensions() == ["tif", "tiff"]
    assert (provider.defaultRasterFileExtension(), provider.defaultVectorFileExtension()) == ("tif", "gpkg")


def test_lists_every_job_and_model(provider):
    assert {algorithm.name() for algorithm in provider.algorithms()} == {*(job.id() for job in JOBS.values()), *MODELS}


def test_settings_are_on_the_options_page(provider, monkeypatch):
    from processing.core.ProcessingConfig import ProcessingConfig

    from eo_pretrain_qgis.toolbox import settings

    monkeypatch.delenv("EOPRETRAIN_DEVICE", raising=False)
    monkeypatch.delenv("EOPRETRAIN_DASK", raising=False)
    monkeypatch.delenv("EOPRETRAIN_MODELS", raising=False)
    monkeypatch.delenv("EOPRETRAIN_OVERPASS", raising=False)
    rows = ProcessingConfig.getSettings()["EO Pretrain"]
    assert [row.name for row in sorted(rows, key=lambda row: row.description)] == [  # as QGIS sorts them
        "EOPRETRAIN_ENGINE", "EOPRETRAIN_INSTALLED", "EOPRETRAIN_DEVICE", "EOPRETRAIN_MODELS", "EOPRETRAIN_OVERPASS", "EOPRETRAIN_DASK"]
    assert (settings.engine(), settings.device(), settings.dask(), settings.models(), settings.overpass()) == ("", "auto", "", "", "")
    row = ProcessingConfig.settings["EOPRETRAIN_DEVICE"]
    assert row.value == "Automatic: a GPU where there is one" and row.options == list(settings.DEVICES.values())
    row.setValue("Processor")
    assert settings.device() == "cpu"
    row.setValue("cuda:7")  # as earlier versions took it
    assert settings.device() == "cuda:7"
    monkeypatch.setenv("EOPRETRAIN_DEVICE", "cuda:1")
    assert settings.device() == "cuda:1"
    row.setValue("Automatic: a GPU where there is one")


def test_a_device_that_an_earlier_version_saved_stays_on_the_options_page(provider, monkeypatch):
    from processing.core.ProcessingConfig import ProcessingConfig
    from qgis.core import QgsSettings

    from eo_pretrain_qgis.toolbox import settings

    monkeypatch.delenv("EOPRETRAIN_DEVICE", raising=False)
    for saved, shown, last in (("cuda:7", "cuda:7", "cuda:7"), ("cpu", "Processor", "GPU of Apple")):
        QgsSettings().setValue("Processing/Configuration/EOPRETRAIN_DEVICE", saved)
        settings.add(provider.icon())
        row = ProcessingConfig.settings["EOPRETRAIN_DEVICE"]
        assert (row.value, row.options[-1], settings.device()) == (shown, last, saved)
    QgsSettings().remove("Processing/Configuration/EOPRETRAIN_DEVICE")
    settings.add(provider.icon())


def test_the_options_page_tells_where_the_engines_are_and_how_large(provider, monkeypatch):
    from processing.core.ProcessingConfig import ProcessingConfig

    from eo_pretrain_qgis.toolbox import settings

    row = ProcessingConfig.settings["EOPRETRAIN_INSTALLED"]
    monkeypatch.setattr(settings.environment, "locations", lambda: ["/data/eo"])
    assert row.value == "none; they are built in /data/eo"
    engine = settings.environment.Installed
    monkeypatch.setattr(settings.environment, "installed", lambda: [
        engine("train", "/data/eo/train-1", 7_250_000_000, True), engine("predict", "/data/eo/predict-2", None, False)])
    told = "Train and make maps: 7.2 GB in /data/eo/train-1; Make maps: about 1.1 GB in /data/eo/predict-2 (of an earlier version)"
    assert row.value == told
    row.setValue("mine")
    row.save()
    assert row.value == told


def test_plugin_comes_and_goes_without_a_window(provider):
    registry = QgsApplication.processingRegistry()
    assert registry.providerById("eopretrain") is not None
    from eo_pretrain_qgis.plugin import Plugin

    Plugin(None).unload()
    assert registry.providerById("eopretrain") is not None


# --- ready models

def test_model_is_an_algorithm_of_ours(provider):
    model = QgsApplication.processingRegistry().createAlgorithmById("eopretrain:mapfromlabels")
    assert isinstance(model, QgsProcessingModelAlgorithm)
    assert (model.displayName(), model.group(), model.name()) == ("Map from labels", "0 Start here", "mapfromlabels")
    steps = [step.algorithmId() for step in model.childAlgorithms().values()]
    jobs = ("createtrainingdataset", "evaluatemodel", "exportmodel", "finetune", "predictmap")
    assert sorted(steps) == [f"eopretrain:{job}" for job in jobs]
    assert {output.name() for output in model.outputDefinitions()} == {
        "dataset_folder", "run_folder", "evaluation", "model", "class_map", "confidence"}
    assert model.validate()[0], model.validate()[1]


def test_a_model_pretrains_first(provider):
    model = QgsApplication.processingRegistry().createAlgorithmById("eopretrain:pretrainandmap")
    start = model.childAlgorithm("run").parameterSources()["START"][0]
    assert (start.outputChildId(), start.outputName()) == ("pretraining", "OUTPUT")
    assert model.childAlgorithm("pretraining").parameterSources()["DATASET"][0].outputChildId() == "tiles"
    assert model.validate()[0], model.validate()[1]


@pytest.mark.parametrize("name", THEMES)
def test_each_theme_has_a_model_that_takes_the_bundled_one(name, provider):
    model = QgsApplication.processingRegistry().createAlgorithmById(f"eopretrain:{name}")
    steps = {step.algorithmId(): step for step in model.childAlgorithms().values()}
    assert list(steps) == [f"eopretrain:{job}" for job in THEMES[name]] and model.group() == "4 Map"
    asked = model.parameterDefinition("MODEL")
    assert asked.defaultValue() == "bundled" and asked.checkValueIsAcceptable("bundled")
    assert steps[f"eopretrain:{THEMES[name][0]}"].parameterSources()["MODEL"][0].parameterName() == "MODEL"
    assert model.validate()[0], model.validate()[1]
    assert model.shortHelpString().count("bundled") >= 2


def test_toolbox_offers_a_copy_of_a_ready_model(provider):
    from processing.gui.ProviderActions import ProviderContextMenuActions

    from eo_pretrain_qgis.toolbox import model_copies

    action = model_copies.offer()
    assert action in ProviderContextMenuActions.actions
    for name, enabled in (("mapfromlabels", True), ("predictmap", False)):
        action.setData(provider.algorithm(name), None)
        assert action.isEnabled() == enabled
    copy = model_copies.copy_of(provider.algorithm("mapfromlabels"))
    assert (copy.displayName(), copy.sourceFilePath(), copy.provider()) == ("Map from labels", "", None)
    assert copy.validate()[0]
    model_copies.withdraw(action)
    assert action not in ProviderContextMenuActions.actions


def test_models_are_those_the_recipes_make(provider, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "docs"))
    import ready_models

    ready_models.write_all(tmp_path)
    for made in tmp_path.glob("*.model3"):
        shipped = ROOT / "eo_pretrain_qgis" / "toolbox" / "models" / made.name
        assert made.read_text(encoding="utf-8") == shipped.read_text(encoding="utf-8"), "run `make docs`"


def test_qgis_process_lists_us(qgis):
    ran = subprocess.run(["qgis_process", "--json", "list"], env=qgis, capture_output=True, text=True, check=True)
    ours = json.loads(ran.stdout)["providers"]["eopretrain"]
    assert ours["version"][0].isdigit()
    assert set(ours["algorithms"]) == {f"eopretrain:{name}" for name in (*(job.id() for job in JOBS.values()), *MODELS)}
