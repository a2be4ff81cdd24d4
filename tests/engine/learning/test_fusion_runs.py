"""Runs that join two sensors: learned, continued, measured with both and with one, exported, and what they refuse."""

import json
import shutil
from functools import cache

import numpy as np
import pytest
import torch

from eo_pretrain_qgis.engine.datasets.dataset import Dataset
from eo_pretrain_qgis.engine.learning import export
from eo_pretrain_qgis.engine.learning.export import export_run
from eo_pretrain_qgis.engine.learning.finetuning.answers import NetworkAnswers
from eo_pretrain_qgis.engine.learning.finetuning.evaluation import evaluate_run
from eo_pretrain_qgis.engine.learning.finetuning.recipe import finetune
from eo_pretrain_qgis.engine.learning.fusions import FUSIONS
from eo_pretrain_qgis.engine.learning.loop.runs import Run
from eo_pretrain_qgis.engine.models import package
from eo_pretrain_qgis.engine.models import report as model_report
from eo_pretrain_qgis.engine.runs.simple import Settings as Simple
from eo_pretrain_qgis.engine.runs.simple import export_simple, train_simple
from eo_pretrain_qgis.errors import DataError
from tests.settings import finetuning

from ...listening import Listening
from .conftest import SMALL
from .tiny_pairs import DATES, write_pairs

BRIEF = {"encoder": SMALL, "epochs": 1, "epoch_steps": 2, "batch_size": 4, "device": "cpu"}
OPTIONAL = [name for name, row in FUSIONS.items() if row.optional]
SENSORS = ("s2", "s1")


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tmp_path_factory.mktemp("fusion")


@pytest.fixture(scope="module")
def data(root):
    """Task → a dataset in which each sensor misses some training tiles."""
    return cache(lambda task: write_pairs(root / task, task=task, clouds=[0, (1, 0.5)], silent=[4]))


@pytest.fixture(scope="module")
def runs(root, data):
    """Fusion and task → a run of two steps; tests must not write into it."""
    def made(fusion, task):
        finetune(str(data(task)), str(root / f"{task} {fusion}"), finetuning(**BRIEF, fusion=fusion))
        return root / f"{task} {fusion}"
    return cache(made)


@pytest.fixture(autouse=True)
def quick_border(monkeypatch):
    """The border that blocks need is measured elsewhere; here it takes half a minute."""
    monkeypatch.setattr(export, "measured", lambda *asked, **more: {"halo": 64, "block": 1024, "small_block": 256})


@pytest.mark.parametrize("task", ["segmentation", "scene", "multilabel"])
@pytest.mark.parametrize("fusion", FUSIONS)
def test_each_learns_says_what_it_is_and_is_measured_in_each_split(fusion, task, runs):
    run = Run.open(str(runs(fusion, task)))
    assert (run.card["fusion"], run.card["settings"]["fusion"], run.finished) == (fusion, fusion, True)
    assert [(seen.name, seen.sensor, seen.optional) for seen in run.inputs.values()] == [(name, name, fusion in OPTIONAL) for name in SENSORS]
    files = {path.name for path in runs(fusion, task).glob("encoder*.safetensors")}
    assert files == ({"encoder.safetensors"} if fusion == "early" else {"encoder.safetensors", "encoder_s2.safetensors", "encoder_s1.safetensors"})
    card = json.loads((runs(fusion, task) / "encoder.json").read_text())
    assert [band["name"] for band in card["bands"]] == ["B02", "B03", "B04", *(["VV", "VH"] if fusion == "early" else [])]
    page = (runs(fusion, task) / "report.html").read_text()
    assert all(words in page for words in ("Bands of s2", "Bands of s1", "Images of s2 and s1 are up to 14 days apart", FUSIONS[fusion].words))
    for split in ("test", "validation") if task == "scene" else ("test",):
        facts, sections = evaluate_run(str(runs(fusion, task)), None, split, 4, "cpu")
        assert facts["tiles"] == 4 and facts["model"][facts["score"]] >= 0.5 and facts["statistics"][facts["score"]] >= 0.75
        assert (facts["sensors"], facts["missing"]) == (["s2", "s1"], []) and "The model saw s2 and s1." in "".join(sections)


@pytest.mark.parametrize(("fusion", "task"), [*((fusion, "scene") for fusion in FUSIONS), *((fusion, "segmentation") for fusion in OPTIONAL)])
def test_the_file_has_a_port_for_each_sensor_and_says_what_torch_says_without_one_too(fusion, task, runs, data, tmp_path):
    folder = runs(fusion, task)
    facts = export_run(str(folder), str(tmp_path / "model.onnx"))
    assert facts["largest_difference"] <= 1e-4
    model = package.open(tmp_path / "model.onnx")
    assert [(name, seen.sensor, seen.preset, seen.optional, seen.names) for name, seen in model.inputs.items()] == [
        ("s2", "s2", "sentinel2_l2a", fusion in OPTIONAL, ["B02", "B03", "B04"]), ("s1", "s1", "sentinel1_db", fusion in OPTIONAL, ["VV", "VH"])]
    assert model.record.fusion == fusion
    network, dataset = Run.open(str(folder)).load_network(torch.device("cpu")), Dataset.open(data(task))
    answers = NetworkAnswers.of(Run.open(str(folder)), dataset, torch.device("cpu"))
    answers.reader.context, answers.reader.around = 0, {}
    batch = next(answers.reader.in_order(np.array([0, 1, 2, 4]), 4)).images  # without s2, half of it, with both, without s1
    with torch.no_grad():
        scores = network(batch)
    known = model.record.calibration.get("probabilities")
    expected = (scores / (known.kept if known else 1)).softmax(1).numpy()
    found = model.session("cpu").run({name: image.numpy() for name, image in batch.items()})
    assert np.abs(found - expected).max() <= 1e-4
    model_report.write_html(model, str(tmp_path / "model.html"))
    page = (tmp_path / "model.html").read_text()
    may = ", which may be missing" if fusion in OPTIONAL else ""
    assert f"s2{may}:" in page and f"s1{may}:" in page


@pytest.mark.parametrize("fusion", OPTIONAL)
def test_pixels_of_one_sensor_are_those_of_a_dataset_that_lacks_the_other(fusion, runs, tmp_path):
    run = Run.open(str(runs(fusion, "segmentation")))
    both, device, places = Dataset.open(write_pairs(tmp_path / "both", count=6, seed=5)), torch.device("cpu"), np.arange(6)
    whole = [answer for _, _, answer in NetworkAnswers.of(run, both, device).of_tiles(places, 4)]
    for name, other in zip(SENSORS, SENSORS[::-1], strict=True):
        alone = Dataset.open(write_pairs(tmp_path / name, count=6, seed=5, sensors=(name,)))
        lacking, hidden = NetworkAnswers.of(run, alone, device), NetworkAnswers.of(run, both, device, [other])
        assert lacking.seen.name == hidden.seen.name == name
        for (_, _, one), (_, _, two), three in zip(lacking.of_tiles(places, 4), hidden.of_tiles(places, 4), whole, strict=True):
            assert np.array_equal(one, two) and (one != three).any()


@pytest.mark.parametrize("fusion", OPTIONAL)
def test_one_sensor_hidden_is_a_dataset_that_lacks_it(fusion, runs, tmp_path):
    """And the simple classifiers beside see the other alone, too."""
    task = "scene"
    both = write_pairs(tmp_path / "both", count=12, seed=5, task=task)
    for name in SENSORS:
        alone = write_pairs(tmp_path / name, count=12, seed=5, task=task, sensors=(name,))
        hidden, _ = evaluate_run(str(runs(fusion, task)), str(both), "all", 4, "cpu", sensors=name)
        heard = Listening()
        lacking, sections = evaluate_run(str(runs(fusion, task)), str(alone), "all", 4, "cpu", heard)
        other = next(one for one in SENSORS if one != name)
        assert any(f"Measured without {other}: the model and the simple classifiers see {name} alone." in text for text in heard.texts)
        assert f"The model saw {name}, and nothing of {other}." in "".join(sections)
        assert hidden["model"] == lacking["model"] and hidden["statistics"] == lacking["statistics"]
        assert (hidden["sensors"], hidden["missing"], hidden["tiles"]) == ([name], [other], 12)
        whole, _ = evaluate_run(str(runs(fusion, task)), str(both), "all", 4, "cpu")
        # Either sensor tells half of the four classes.
        assert hidden["statistics"][hidden["score"]] < 0.75 < whole["statistics"][whole["score"]]


def test_a_run_that_needs_both_refuses_a_dataset_of_one_and_one_sensor_alone(runs, tmp_path):
    alone = write_pairs(tmp_path / "alone", count=12, seed=5, task="scene", sensors=("s2",))
    folder = runs("early", "scene")
    with pytest.raises(DataError) as error:
        evaluate_run(str(folder), str(alone), "all", 4, "cpu")
    assert str(error.value) == (f"The run {folder} needs images of s2, s1 (the fusion “early”), and the dataset {alone} has none of s1. Choose a "
                                "dataset of both, or a run with the fusion “gated” or “mean_of_heads”.")
    with pytest.raises(DataError, match="joins s2, s1 by the fusion “early”, which needs both, and “Sensors” .sensors. is “s1”. Choose “all”, or"):
        evaluate_run(str(folder), None, "test", 4, "cpu", sensors="s1")
    with pytest.raises(DataError, match="“Sensors” .sensors. is “s3”, and the run .* sees s2, s1. Choose “all”, or one of these."):
        evaluate_run(str(runs("gated", "scene")), None, "test", 4, "cpu", sensors="s3")
    other = write_pairs(tmp_path / "other", count=12, seed=5, task="scene", sensors=("s1",))
    content = json.loads((other / "dataset.json").read_text())
    renamed = {"VV": "HH", "VH": "HV"}
    for band in content["sensors"][0]["bands"]:
        band["name"] = renamed[band["name"]]
    content["sensors"][0]["name"] = "s3"
    content["statistics"] = {"s3": {renamed[name]: row for name, row in content["statistics"]["s1"].items()}}
    content["shards"][0]["images"] = {"s3": content["shards"][0]["images"]["s1"]}
    (other / "dataset.json").write_text(json.dumps(content))
    with pytest.raises(DataError, match="The bands of the dataset .* are HH, HV, and B02, B03, B04 are needed"):
        evaluate_run(str(runs("gated", "scene")), str(other), "all", 4, "cpu")


def test_a_run_of_one_sensor_is_measured_on_a_dataset_of_two(data, tmp_path):
    alone = write_pairs(tmp_path / "alone", seed=5, task="scene", sensors=("s1",))
    finetune(str(alone), str(tmp_path / "run"), finetuning(**BRIEF))
    facts, _ = evaluate_run(str(tmp_path / "run"), str(data("scene")), "test", 4, "cpu")
    assert (facts["sensors"], "missing" in facts) == (["s1"], False)
    assert "fusion" not in Run.open(str(tmp_path / "run")).card
    with pytest.raises(DataError) as error:
        finetune(str(alone), str(tmp_path / "none"), finetuning(**BRIEF, fusion="gated"))
    assert str(error.value) == (f"“Fusion” (fusion) is gated, which joins the images of two sensors, and {alone} has those of one, s1. Choose "
                                "“none”, or make the dataset with images of a second sensor.")
    assert not (tmp_path / "none").exists()


def test_sensors_are_named_in_pairs(data, tmp_path):
    with pytest.raises(DataError, match="and “Sensor” .sensor. is “s1”. Name two of s2, s1, such as s2,s1, or choose “none”."):
        finetune(str(data("scene")), str(tmp_path / "run"), finetuning(**BRIEF, fusion="early", sensor="s1"))
    finetune(str(data("scene")), str(tmp_path / "run"), finetuning(**BRIEF, fusion="early", sensor="s1, s2", bands="VH,B03,B02"))
    assert {name: seen.names for name, seen in Run.open(str(tmp_path / "run")).inputs.items()} == {"s1": ["VH"], "s2": ["B03", "B02"]}


@pytest.mark.parametrize(("dates", "said", "warns"), [
    (DATES, "Images of s2 and s1 are up to 14 days apart; fields, water and snow may have changed between.", True),
    (("2024-06-01", "2024-06-03"), "Images of s2 and s1 are up to 2 days apart.", False),
    (("2024-06-01", ""), "The dates of the images of s2 and s1 are not recorded, so nobody knows how many days lie between them.", True)])
def test_dates_of_the_two_are_told(dates, said, warns, tmp_path):
    heard = Listening()
    train_simple(str(write_pairs(tmp_path / "pairs", task="scene", dates=dates)), str(tmp_path / "run"),
                 Simple("statistics", None, None, 100, 1, fusion="early"), heard)
    assert (("warning" if warns else "info", said)) in heard.said
    assert said in (tmp_path / "run" / "report.html").read_text()


@pytest.mark.parametrize("task", ["segmentation", "scene"])
@pytest.mark.parametrize("approach", ["statistics", "boosting"])
def test_simple_classifiers_see_both_and_their_file_has_two_ports(approach, task, data, tmp_path):
    found = train_simple(str(data(task)), str(tmp_path / "run"), Simple(approach, None, None, 100, 1, fusion="early"))
    run = Run.open(str(tmp_path / "run"))
    assert found["kept"] == approach and run.card["metrics"]
    assert export_simple(run, str(tmp_path / "model.onnx"))["largest_difference"] <= 1e-4
    model = package.open(tmp_path / "model.onnx")
    assert {name: (seen.names, seen.optional) for name, seen in model.inputs.items()} == {
        "s2": (["B02", "B03", "B04"], False), "s1": (["VV", "VH"], False)}
    facts, _ = evaluate_run(str(tmp_path / "run"), None, "test", 4, "cpu")
    assert facts["model"] == facts[approach]
    with pytest.raises(DataError, match="kept a simple classifier of s2, s1, which needs both, and “Sensors” .sensors. is “s2”"):
        evaluate_run(str(tmp_path / "run"), None, "test", 4, "cpu", sensors="s2")


def test_the_best_of_all_approaches_is_kept_of_two_sensors_too(tmp_path):
    """A simple classifier of both is in no way optional, also where the network is."""
    data = write_pairs(tmp_path / "pairs", count=36, task="scene")
    found = finetune(str(data), str(tmp_path / "run"), finetuning(approach="auto", **BRIEF, fusion="gated"))
    run = Run.open(str(tmp_path / "run"))
    assert set(run.card["approaches"]) == {"statistics", "boosting", "network"} and found["kept"] == run.kept
    assert run.kept == "statistics" and run.card["metrics"]["overall_accuracy"] == 1
    export_simple(run, str(tmp_path / "model.onnx"))
    assert [seen.optional for seen in package.open(tmp_path / "model.onnx").inputs.values()] == [False, False]
    alone = write_pairs(tmp_path / "alone", count=12, seed=5, task="scene", sensors=("s2",))
    with pytest.raises(DataError, match="needs images of s2, s1 .a simple classifier of both., and the dataset .* has none of s1"):
        evaluate_run(str(tmp_path / "run"), str(alone), "all", 4, "cpu")


def test_a_run_is_continued_and_one_of_an_older_version_without_a_word_of_fusion(runs, data, tmp_path):
    again = tmp_path / "again"
    shutil.copytree(runs("gated", "scene"), again)
    finetune(str(data("scene")), str(again), finetuning(**{**BRIEF, "epochs": 2}, fusion="gated"))
    assert Run.open(str(again)).card["epochs_run"] == 2
    with pytest.raises(DataError, match="a run with other settings: “fusion” .fusion. was gated, and is mean_of_heads now"):
        finetune(str(data("scene")), str(again), finetuning(**{**BRIEF, "epochs": 3}, fusion="mean_of_heads"))
    old = tmp_path / "old"
    finetune(str(data("scene")), str(old), finetuning(**BRIEF))
    card = json.loads((old / "run.json").read_text())
    card["version"] = 4
    for name in ("fusion", "second_start"):
        del card["settings"][name]
    (old / "run.json").write_text(json.dumps(card))
    finetune(str(data("scene")), str(old), finetuning(**{**BRIEF, "epochs": 2}))
    assert json.loads((old / "run.json").read_text())["version"] == 5
