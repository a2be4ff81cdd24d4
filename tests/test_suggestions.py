"""What dialogs offer for free texts, and what is known to be wrong before an engine starts."""

import json
import subprocess
import sys
import time
from dataclasses import dataclass

import pytest

from eo_pretrain_qgis import places
from eo_pretrain_qgis.errors import JobError
from eo_pretrain_qgis.jobs import JOBS, spec, suggestions

from .conftest import ROOT


@dataclass(frozen=True)
class Asks(spec.Job):
    """Tries what is checked before anything starts. Nothing else."""

    dataset: str = spec.dataset_folder("Dataset", optional=True)
    datasets: list = spec.files("Datasets", extension="json", main_file="dataset.json", optional=True)
    run: str = spec.trained_run("Run", optional=True)
    target: str = spec.crs("Target CRS", optional=True)
    encoder: str = spec.text("Encoder", default=None, **suggestions.ENCODERS)
    device: str = spec.text("Device", default="auto", **suggestions.DEVICES)
    output: str = spec.folder_output("Folder", optional=True, fresh=True)


@pytest.fixture
def dataset(tmp_path):
    made = tmp_path / "data"
    made.mkdir()
    (made / "dataset.json").write_text(json.dumps({"sensors": [{"name": "s2", "bands": [{"name": f"B{number}"} for number in range(1, 9)]}]}))
    return made


def test_a_dataset_by_its_folder_or_its_file(dataset):
    inside = str(dataset / "dataset.json")
    for given in (str(dataset), inside):
        assert Asks.from_values({"dataset": given}).dataset == str(dataset)
        assert Asks.from_values({"datasets": [given]}).datasets == [inside]


@pytest.mark.parametrize(("values", "sentence"), [
    ({"dataset": "{}"}, "“Dataset” (dataset): {} is not a dataset: it has no dataset.json. Choose a folder made by “Create … dataset”."),
    ({"datasets": ["{}"]}, "“Datasets” (datasets): {} is not a dataset: it has no dataset.json. Choose a folder made by “Create … dataset”."),
    ({"run": "{}"}, "“Run” (run): {} is not a run folder: it has no run.json. Choose a folder made by “Fine-tune a model”."),
    ({"output": "{}"}, "“Folder” (output): The folder {} already holds files. Choose a new or empty folder."),
    ({"encoder": "resnet81"}, "“Encoder” (encoder): There is no encoder “resnet81”. Did you mean “resnet18”?"),
    ({"encoder": "Unicorn"}, "There is no encoder “Unicorn”. Choose one such as resnet18, efficientnet-b0 or tu-convnext_atto; those of timm"),
    ({"device": "gpu"}, "“Device” (device): “gpu” is no device. Choose auto, cpu, cpu:2, cuda, cuda:0, cuda:all or mps."),
    ({"device": "cuda:1"}, "“Device” (device): The device “cuda:1” is not there: this computer has no driver of a GPU. Choose auto or cpu"),
    ({"target": 4326}, "“Target CRS” (target) is 4326, but must be a coordinate system such as EPSG:32633."),
])
def test_is_wrong_before_an_engine_starts(values, sentence, tmp_path, monkeypatch):
    monkeypatch.setattr(suggestions, "_may_have_cuda", lambda: False)
    (tmp_path / "mine.txt").touch()
    here = str(tmp_path)
    given = {name: [here] if value == ["{}"] else here if value == "{}" else value for name, value in values.items()}
    began = time.perf_counter()
    with pytest.raises(JobError) as refused:
        Asks.from_values(given)
    assert sentence.format(here) in str(refused.value)
    assert time.perf_counter() - began < 1


def test_what_is_usual_is_right(monkeypatch):
    monkeypatch.setattr(suggestions, "_may_have_cuda", lambda: True)
    assert not any(map(suggestions.wrong_encoder, [*(value for value, _ in suggestions.encoders()), "tu-resnest14d", "vgg16_bn", "ltae"]))
    assert not any(map(suggestions.wrong_device, [*(value for value, _ in suggestions.devices()), "CPU", "cpu:2", "cuda:0", "mps"]))


@pytest.mark.parametrize("job", [job.name() for job in JOBS.values() if any(param.kind == "weights" for param in job.parameters().values())])
def test_weights_that_no_catalogue_has_are_refused_at_once(job, tmp_path, dataset, monkeypatch):
    monkeypatch.setenv("EOPRETRAIN_MODELS", str(tmp_path / "models"))
    asked = JOBS[job].parameters()
    name, label = next((name, param.label) for name, param in asked.items() if param.kind == "weights")
    began = time.perf_counter()
    with pytest.raises(JobError) as refused:
        JOBS[job]._read(name, asked[name], "catalogue:softcon_resnet50")
    assert time.perf_counter() - began < 1
    assert str(refused.value) == (
        f"“{label}” ({name}): The catalogue of weights has no “softcon_resnet50”. Did you mean “catalogue:softcon_resnet50_s2”, "
        "“catalogue:softcon_resnet50_s1” or “catalogue:imagenet_resnet50”? It knows the weights that come with the plugin, and those in the folder "
        f"of models, {tmp_path / 'models'}, and the folders in it.")


def test_weights_of_the_users_own_catalogues_are_known(tmp_path, monkeypatch):
    monkeypatch.delenv("EOPRETRAIN_MODELS", raising=False)
    monkeypatch.setitem(places.settings, "EOPRETRAIN_MODELS", lambda: str(tmp_path))
    (tmp_path / "shared").mkdir()
    catalogue = tmp_path / "shared" / "catalog.json"
    catalogue.write_text(json.dumps({"weights": [{"name": "ours"}]}))
    assert suggestions.wrong_weights("catalogue:ours") == suggestions.wrong_weights("catalogue:presto_s1_s2") == ""
    assert "has no “zzz”. It has: " in suggestions.wrong_weights("catalogue:zzz")
    catalogue.write_text("{ damaged")
    assert suggestions.wrong_weights("catalogue:ours") == "", "the engine names the catalogue that cannot be read"


def test_weights_come_with_their_size_and_licence(tmp_path, monkeypatch):
    mine = {"weights": [{"name": "ours", "title": "Ours", "bytes": 2_600_000, "licence": "internal use only"}, "no row", {"name": "presto_s1_s2"}]}
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared" / "catalog.json").write_text(json.dumps(mine))
    (tmp_path / "catalog.json").write_text("{ damaged")
    monkeypatch.setenv("EOPRETRAIN_MODELS", str(tmp_path))
    offered = {value: ", ".join(meaning) for value, *meaning in suggestions.catalogued()}
    assert offered["catalogue:ours"] == "Ours, 3 MB, internal use only"
    assert offered["catalogue:presto_s1_s2"].endswith("for datasets of series, 3 MB, MIT")
    assert offered["catalogue:imagenet_resnet18"].endswith(", 47 MB, BSD-3-Clause (torchvision)")


def test_sensors_come_with_their_bands(dataset):
    assert suggestions.sensors_of(str(dataset)) == [("s2", "B1, B2, B3, B4, B5, B6, …")]
    assert suggestions.sensors_of("") == suggestions.sensors_of("/no/such") == []


def test_parents_of_suggestions_are_parameters():
    asked = [(job, param) for job in JOBS.values() for param in job.parameters().values() if param.suggests and param.parent]
    assert len(asked) > 4 and all(param.parent in job.parameters() for job, param in asked)


def test_suggestions_need_no_engine():
    script = ("import sys; from eo_pretrain_qgis.jobs import JOBS; "
              "[param.suggests('') for job in JOBS.values() for param in job.parameters().values() if param.suggests]; "
              "print(sorted({'torch', 'numpy', 'rasterio', 'timm'} & set(sys.modules)))")
    assert subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip() == "[]"
