"""The provider: what it lists, how light it is, what it says of itself, and the ready models."""

import json
import subprocess
import sys

from qgis.core import QgsApplication, QgsProcessingModelAlgorithm

from eo_pretrain_qgis.jobs import JOBS

from ..conftest import ROOT

MODELS = ("mapfromlabels", "pretrainandmap")

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
    assert [setting.name for setting in ProcessingConfig.getSettings()["EO Pretrain"]] == [
        "EOPRETRAIN_ENGINE", "EOPRETRAIN_DEVICE", "EOPRETRAIN_DASK", "EOPRETRAIN_MODELS"]
    assert (settings.engine(), settings.device(), settings.dask(), settings.models()) == ("", "auto", "", "")
    ProcessingConfig.settings["EOPRETRAIN_DEVICE"].setValue("cpu")
    assert settings.device() == "cpu"
    monkeypatch.setenv("EOPRETRAIN_DEVICE", "cuda:1")
    assert settings.device() == "cuda:1"
    ProcessingConfig.settings["EOPRETRAIN_DEVICE"].setValue("auto")


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
