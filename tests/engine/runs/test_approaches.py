"""Runs of simple classifiers, and runs that keep the best of three approaches."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.special import expit, softmax

from eo_pretrain_qgis.engine.datasets.dataset import Dataset
from eo_pretrain_qgis.engine.learning.finetuning.evaluation import evaluate_run
from eo_pretrain_qgis.engine.learning.finetuning.recipe import finetune
from eo_pretrain_qgis.engine.learning.loop.runs import Run
from eo_pretrain_qgis.engine.models import package
from eo_pretrain_qgis.engine.runs.answers import KeptClassifier
from eo_pretrain_qgis.engine.runs.approaches import NAMES, best_of, compared
from eo_pretrain_qgis.engine.runs.evaluation import measure_classifier
from eo_pretrain_qgis.engine.runs.run_folder import CLASSIFIER, RunFolder
from eo_pretrain_qgis.engine.runs.simple import Settings, export_simple, train_simple
from eo_pretrain_qgis.errors import Cancelled, DataError, JobError, ModelError
from eo_pretrain_qgis.jobs import JOBS, suggestions
from tests.settings import finetuning

from ...arrays import changed_on_purpose
from ...conftest import ROOT
from ...listening import Cancelling, Listening
from ..learning.tiny import write_dataset
from ..learning.tiny_scenes import write_scenes

NETWORK = {"encoder": "tu-test_efficientnet", "epochs": 2, "device": "cpu", "learning_rate": 0.003}
ASKED = {"sensor": None, "bands": None, "label_share": 100, "seed": 1}


@pytest.fixture(scope="module")
def discs(tmp_path_factory):
    return write_dataset(tmp_path_factory.mktemp("discs") / "dataset", count=24)


@pytest.fixture(scope="module", params=["statistics", "boosting"])
def simple(request, discs, tmp_path_factory):
    """A run of one simple classifier."""
    folder = tmp_path_factory.mktemp(request.param) / "run"
    result = train_simple(str(discs), str(folder), Settings(approach=request.param, **ASKED))
    assert result["kept"] == request.param and result["validation_iou"] > 0.9 and result["epochs_run"] == 0
    return RunFolder.open(str(folder))


def test_a_run_of_a_simple_classifier_is_whole(simple):
    assert simple.finished and simple.kept == simple.card["settings"]["approach"]
    assert hashlib.sha256(Path(simple.path(CLASSIFIER)).read_bytes()).hexdigest() == simple.model_sha256
    report = Path(simple.path("report.html")).read_text(encoding="utf-8")
    assert f"{simple.kept} on statistics" in report.lower() or "regression on statistics" in report.lower()
    assert simple.card["classifier_difference"] <= 1e-4


def test_it_is_measured_as_its_baseline_is(simple):
    facts, sections = measure_classifier(simple.folder, None, "test")
    assert facts["kept"] == simple.kept
    assert facts["model"]["mean_iou"] == pytest.approx(facts[simple.kept]["mean_iou"], abs=2e-3)
    assert facts["model"]["mean_iou"] > 0.9 > facts["majority"]["mean_iou"]
    words = {"statistics": "regression on statistics", "boosting": "boosting on statistics"}[simple.kept]
    page, share = "\n".join(sections), 100 * facts["model"]["overall_accuracy"]
    right = "nearly all" if 99.5 <= share < 100 else f"{share:.0f}"
    assert f"Of 100 pixels of the test tiles {right} have the right class" in page
    assert f"<th>the model ({words})</th>" in page and f"<th>{words}</th>" not in page, "the same figures have one column"
    assert "not of a map" not in page and "those of a map" not in page


def test_it_is_exported_as_any_model(simple, tmp_path):
    found = export_simple(simple, str(tmp_path / "model.onnx"), licence="CC0-1.0", plugin_version="1.0")
    model = package.open(str(tmp_path / "model.onnx"))
    assert (model.id, model.halo, model.stride, model.description["encoder"]) == (found["model_id"], 4, 4, None)
    assert [row.name for row in model.classes] == ["ground", "disc"]
    dataset = Dataset.open(simple.card["dataset"]["path"])
    tile = dataset.indices("test")[:1]
    _, truth, answer = next(KeptClassifier(simple, dataset).of_tiles(tile, 1))
    known = truth[0] != 255
    assert (truth[0] == answer[0])[known].mean() > 0.95


def test_the_same_run_again_is_given_again(simple):
    heard = Listening()
    train_simple(simple.card["dataset"]["path"], simple.folder, Settings(approach=simple.kept, **ASKED), heard)
    assert heard.texts == [f"The run in {simple.folder} is finished; its result is given again. Choose a new folder to train anew."]
    with pytest.raises(DataError, match="a run with other settings: “seed” .seed. was 1, and is 2 now"):
        train_simple(simple.card["dataset"]["path"], simple.folder, Settings(approach=simple.kept, **{**ASKED, "seed": 2}))


@pytest.mark.parametrize(("damage", "sentence"), [
    (lambda path: path.write_bytes(path.read_bytes()[:-1] + b"x"), "is not the one that the run wrote. Copy the run folder again."),
    (lambda path: path.unlink(), "but its file classifier.onnx is gone. Copy the run folder again."),
])
def test_a_damaged_classifier_is_refused(discs, tmp_path, damage, sentence):
    train_simple(str(discs), str(tmp_path / "run"), Settings(approach="statistics", **ASKED))
    damage(tmp_path / "run" / CLASSIFIER)
    for use in (lambda: measure_classifier(str(tmp_path / "run"), None, "test"),
                lambda: export_simple(RunFolder.open(str(tmp_path / "run")), str(tmp_path / "model.onnx"))):
        with pytest.raises(ModelError) as caught:
            use()
        assert sentence in str(caught.value)
    assert not (tmp_path / "model.onnx").exists()


@pytest.mark.parametrize(("change", "sentence"), [
    ({"kept": "network"}, "“approaches” lacks “network”, which is kept"),
    ({"kept": "forest"}, "kept"),
    ({"classifier_sha256": "x"}, "classifier_sha256"),
    ({"approaches": {"boosting": {"score": 1.0, "metrics": {}}}}, "“approaches” lacks “statistics”, which is kept"),
])
def test_a_card_that_contradicts_itself_is_refused(discs, tmp_path, change, sentence):
    train_simple(str(discs), str(tmp_path / "run"), Settings(approach="statistics", **ASKED))
    card = tmp_path / "run" / "run.json"
    content = json.loads(card.read_text())
    card.write_text(json.dumps({**content, **change}))
    with pytest.raises(DataError) as caught:
        RunFolder.open(str(tmp_path / "run"))
    assert sentence in str(caught.value)


def test_auto_keeps_the_best_and_tells_all(discs, tmp_path):
    heard = Listening()
    result = finetune(str(discs), str(tmp_path / "run"), finetuning(approach="auto", **NETWORK), heard)
    run = RunFolder.open(str(tmp_path / "run"))
    approaches = run.card["approaches"]
    assert set(approaches) == {"statistics", "boosting", "network"}
    assert result["kept"] == run.kept == best_of(approaches)
    assert run.card["metrics"]["mean_iou"] == result["validation_iou"] == approaches[run.kept]["metrics"]["mean_iou"]
    assert any(text.startswith("Boosting on statistics: mean IoU on the validation tiles") for text in heard.texts)
    report = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert "Approaches on the validation tiles" in report and "(kept)" in report
    facts, _ = evaluate_run(str(tmp_path / "run"), None, "test", 8, "cpu")
    assert facts["kept"] == run.kept


def test_a_simple_classifier_is_kept_where_the_network_is_worse(discs, tmp_path):
    """One step at a rate that ruins it, and no share of the network helps."""
    spoiled = {**NETWORK, "epochs": 1, "epoch_steps": 1, "learning_rate": 1.0, "average": 0.0, "warmup_epochs": 0}
    result = finetune(str(discs), str(tmp_path / "run"), finetuning(approach="auto", **spoiled))
    assert result["kept"] in ("statistics", "boosting") and result["validation_iou"] > 0.9
    run = RunFolder.open(str(tmp_path / "run"))
    assert run.card["confusion"] == run.card["approaches"][run.kept]["confusion"]
    report = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert f"These diagrams show the network while it was trained. What is kept is the {NAMES[run.kept]}, which has no epochs" in report
    assert JOBS["export_model"].from_values({"run_folder": run.folder, "output": str(tmp_path / "m.onnx")}).engines() == ("predict",)


@pytest.mark.parametrize("task", ["scene", "multilabel"])
@pytest.mark.parametrize("approach", ["statistics", "boosting", "auto"])
def test_whole_images_are_learned_the_same_way(tmp_path, task, approach):
    dataset = write_scenes(tmp_path / "dataset", task=task)
    asked = finetuning(approach=approach, encoder="tu-test_efficientnet", epochs=1, device="cpu") if approach == "auto" else \
        finetuning(approach=approach)
    result = finetune(str(dataset), str(tmp_path / "run"), asked)
    run = RunFolder.open(str(tmp_path / "run"))
    assert result["kept"] == run.kept and (approach == "auto" or run.kept == approach)
    score = Dataset.open(dataset).kind.score
    facts, _ = evaluate_run(run.folder, None, "test", 8, "cpu")
    assert facts["model"][score] >= facts["majority"][score]
    if approach != "auto":
        assert facts["model"][score] == pytest.approx(facts[approach][score], abs=0.05)
        assert export_simple(run, str(tmp_path / "model.onnx"))["largest_difference"] <= 1e-4
        model, tiles = package.open(tmp_path / "model.onnx"), Dataset.open(dataset).indices("test")
        assert (model.task, model.fixed_tile) == (task, 32)
        images = Dataset.open(dataset).images(tiles).astype(np.float32)
        found = model.session("cpu").run({"image": images})
        (_, _, scores), = KeptClassifier(run, Dataset.open(dataset)).of_tiles(tiles, len(tiles))
        kept = model.record.calibration["probabilities"].kept
        expected = expit(scores / kept) if task == "multilabel" else softmax(scores / kept, 1)
        np.testing.assert_allclose(found, expected, atol=1e-5)


def test_a_run_that_is_stopped_has_the_best_so_far(discs, tmp_path):
    with pytest.raises(Cancelled):
        finetune(str(discs), str(tmp_path / "run"), finetuning(approach="auto", **NETWORK), Cancelling(lambda heard: heard.reached("Epoch 1 of")))
    run = RunFolder.open(str(tmp_path / "run"))
    assert (run.card["state"], run.card["epochs_run"]) == ("training", 0) and run.kept in ("statistics", "boosting")
    facts, _ = measure_classifier(run.folder, None, "test")
    assert facts["model"]["mean_iou"] > 0.9
    again = finetune(str(discs), str(tmp_path / "run"), finetuning(approach="auto", **NETWORK))
    assert again["epochs_run"] == 2 and RunFolder.open(run.folder).finished


@pytest.mark.parametrize(("tiles", "kept"), [(3, {"network"}), (4, {"statistics", "boosting"})])
def test_few_validation_tiles_choose_no_approach(tmp_path, tiles, kept):
    dataset = write_dataset(tmp_path / "dataset", count=14, splits=["validation"] * tiles + ["training"] * (13 - tiles) + ["test"])
    spoiled = {**NETWORK, "epochs": 1, "epoch_steps": 1, "learning_rate": 1.0, "average": 0.0, "warmup_epochs": 0}
    assert finetune(str(dataset), str(tmp_path / "run"), finetuning(approach="auto", **spoiled))["kept"] in kept


def test_the_best_is_the_simplest_of_equals():
    assert best_of({"network": {"score": 0.5}, "statistics": {"score": 0.5}}) == "statistics"
    assert best_of({"network": {"score": None}, "boosting": {"score": 0.1}}) == "boosting"
    assert best_of({"statistics": {"score": None}, "boosting": {"score": None}}) == "statistics"


def test_nothing_starts_from_a_run_without_an_encoder(simple, tmp_path):
    with pytest.raises(ModelError, match="learned a simple classifier, without an encoder to start from. Choose a run with a network."):
        finetune(simple.card["dataset"]["path"], str(tmp_path / "run"), finetuning(start=simple.folder, device="cpu"))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(("values", "engines"), [
    ({}, ("train", "predict")),
    ({"approach": "statistics"}, ("predict",)),
    ({"approach": "boosting"}, ("predict",)),
    ({"approach": "network"}, ("train",)),
    ({"encoder": "resnet34"}, ("train",)),
    ({"device": "cpu"}, ("train", "predict")),
    ({"device": "cuda"}, ("train",)),
    ({"approach": "statistics", "device": "cpu"}, ("predict",)),
])
def test_the_engine_follows_from_what_is_asked(discs, tmp_path, monkeypatch, values, engines):
    monkeypatch.setattr(suggestions, "_may_have_cuda", lambda: True)
    assert JOBS["finetune"].from_values({"dataset": str(discs), "output": str(tmp_path / "run"), **values}).engines() == engines


def test_what_is_for_networks_is_refused_without_one(discs, tmp_path, monkeypatch):
    monkeypatch.setattr(suggestions, "_may_have_cuda", lambda: True)
    with pytest.raises(JobError) as caught:
        JOBS["finetune"].from_values({"dataset": str(discs), "output": str(tmp_path / "run"), "approach": "boosting", "epochs": 3})
    assert str(caught.value) == ("“Epochs” (epochs) is for networks, and the approach “boosting” has none. Leave it as it is, or choose the approach "
                                 "“network”.")
    with pytest.raises(JobError) as caught:
        JOBS["finetune"].from_values({"dataset": str(discs), "output": str(tmp_path / "run"), "approach": "statistics", "device": "cuda"})
    assert str(caught.value) == ("The device “cuda” is for networks; the approach “statistics” runs on the processor. Leave “Device” at “auto”, or "
                                 "choose the approach “network”.")


WITHOUT_TORCH = """
import sys
class Without:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "torch":
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Without())
from eo_pretrain_qgis.jobs import JOBS, suggestions
from eo_pretrain_qgis.progress import SILENT
import importlib.util
importlib.util.find_spec = lambda name, find=importlib.util.find_spec: None if name == "torch" else find(name)
dataset, folder = sys.argv[1:]
for name, values in (("finetune", {"dataset": dataset, "output": folder + "/run"}),
                     ("evaluate_model", {"run_folder": folder + "/run", "output": folder + "/page.html"}),
                     ("export_model", {"run_folder": folder + "/run", "output": folder + "/model.onnx"})):
    print(JOBS[name].from_values(values).run(SILENT))
"""


def test_all_of_it_runs_without_torch(discs, tmp_path):
    ran = subprocess.run([sys.executable, "-c", WITHOUT_TORCH, str(discs), str(tmp_path)], cwd=ROOT, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    assert "'kept': 'statistics'" in ran.stdout or "'kept': 'boosting'" in ran.stdout
    assert package.open(str(tmp_path / "model.onnx")).classes[1].name == "disc"
    assert np.isfinite(RunFolder.open(str(tmp_path / "run")).card["metrics"]["mean_iou"])


def with_labels(dataset, split, value):
    """The dataset, whose tiles of a split all have that label."""
    opened = Dataset.open(dataset)
    changed_on_purpose(dataset)
    shard = next((Path(dataset)).glob("**/labels*.npy"))
    labels = np.load(shard)
    labels[opened.indices(split)] = value
    np.save(shard, labels)
    return dataset


def test_validation_tiles_without_labels_choose_nothing(tmp_path):
    splits = ["training"] * 12 + ["validation"] * 6 + ["test"] * 6
    dataset = with_labels(write_dataset(tmp_path / "dataset", count=24, splits=splits), "validation", 255)
    result = finetune(str(dataset), str(tmp_path / "run"), finetuning(approach="auto", **NETWORK))
    run = RunFolder.open(str(tmp_path / "run"))
    assert run.finished and "validation_iou" not in result
    assert "no validation tile has a label" in (tmp_path / "run" / "report.html").read_text(encoding="utf-8") or run.kept == "network"
    facts, _ = evaluate_run(run.folder, None, "test", 8, "cpu")
    assert facts["kept"] == run.kept


@pytest.mark.parametrize("approach", ["statistics", "boosting"])
def test_one_band_of_whole_numbers_is_learned_like_any_other(tmp_path, approach):
    """Many of its pixels have the band's median, and are measured all the same."""
    result = train_simple(str(write_dataset(tmp_path / "dataset", count=12, bands=1)), str(tmp_path / "run"), Settings(approach=approach, **ASKED))
    assert result["kept"] == approach and result["validation_iou"] > 0.85
    facts, _ = measure_classifier(str(tmp_path / "run"), None, "validation")
    assert facts["model"]["mean_iou"] == pytest.approx(result["validation_iou"], abs=1e-3)


def test_one_band_of_whole_numbers_is_measured_for_a_network_too(tmp_path):
    folder = str(write_dataset(tmp_path / "dataset", count=12, bands=1))
    finetune(folder, str(tmp_path / "run"), finetuning(approach="network", **NETWORK))
    network = Run.open(str(tmp_path / "run")).load_network(torch.device("cpu"))
    images, valid = Dataset.open(folder).read(network.seen, np.arange(12))
    assert (images == Dataset.open(folder).inputs[network.seen.name].centre[0]).any(), "some pixels have the median"
    assert (images.astype(np.float32) != network.spectral.fill.numpy()).all(1)[valid].all()


@pytest.mark.parametrize("keep", ["best", "last"])
def test_the_figures_are_those_of_what_is_kept(tmp_path, keep):
    """Seen as in a map, whichever it is."""
    dataset = write_dataset(tmp_path / "dataset", count=24, splits=["training"] * 14 + ["validation"] * 5 + ["test"] * 5)
    spoiled = {**NETWORK, "epochs": 1, "epoch_steps": 1, "learning_rate": 1.0, "average": 0.0, "warmup_epochs": 0, "keep": "best"}
    for name, options in (("simple", spoiled), ("network", {**NETWORK, "keep": keep})):
        approach = "auto" if name == "simple" else "network"
        result = finetune(str(dataset), str(tmp_path / name), finetuning(approach=approach, **options))
        facts, _ = evaluate_run(str(tmp_path / name), None, "validation", 8, "cpu")
        assert facts["model"]["mean_iou"] == pytest.approx(result["validation_iou"], abs=2e-3), name
        run = RunFolder.open(str(tmp_path / name))
        assert run.card["metrics"]["mean_iou"] == result["validation_iou"]


def test_a_run_goes_on_with_its_own_approach_only(simple, discs, tmp_path):
    with pytest.raises(DataError, match=f"holds a run with other settings: “approach” .approach. was {simple.kept}, and is auto now."):
        finetune(str(discs), simple.folder, finetuning(approach="auto", **NETWORK))


def test_the_first_tiles_may_be_nodata(tmp_path):
    dataset = write_dataset(tmp_path / "dataset", count=14)
    opened = Dataset.open(dataset)
    changed_on_purpose(dataset)
    shard = next(Path(dataset).glob("**/image*.npy"))
    images = np.load(shard)
    images[opened.indices("training")[:2]] = 0
    np.save(shard, images)
    assert train_simple(str(dataset), str(tmp_path / "run"), Settings(approach="statistics", **ASKED))["validation_iou"] > 0.85


def test_a_card_that_names_another_classifier_is_refused(discs, tmp_path):
    train_simple(str(discs), str(tmp_path / "run"), Settings(approach="auto", **ASKED))
    card = tmp_path / "run" / "run.json"
    content = json.loads(card.read_text())
    other = {"statistics": "boosting", "boosting": "statistics"}[content["kept"]]
    card.write_text(json.dumps({**content, "kept": other}))
    with pytest.raises(DataError, match=f"“kept” is “{other}”, and the file of the classifier is of “{content['kept']}”"):
        RunFolder.open(str(tmp_path / "run"))


def test_the_figure_that_decided_keeps_its_spelling():
    card = {"task": "segmentation", "kept": "statistics", "approaches": {"network": {"score": 0.5}, "statistics": {"score": 0.625}}}
    assert "Mean IoU on the validation tiles: " in compared(card)
