"""Runs on one of several sensors, and on some of its bands, which stay what they are when they are continued, measured and exported."""

import json

import numpy as np
import pytest
import torch

from eo_pretrain_qgis.engine.datasets.dataset import Dataset
from eo_pretrain_qgis.engine.learning.export import export_run
from eo_pretrain_qgis.engine.learning.finetuning.evaluation import evaluate_run
from eo_pretrain_qgis.engine.learning.finetuning.recipe import finetune
from eo_pretrain_qgis.engine.learning.loop.runs import Run
from eo_pretrain_qgis.engine.learning.methods import METHODS
from eo_pretrain_qgis.engine.models import package
from eo_pretrain_qgis.errors import DataError, ModelError
from tests import scenes_pretraining
from tests.scenes_landcover import cover_dataset
from tests.settings import finetuning, settings

from ...listening import Listening
from .conftest import SMALL
from .tiny import write_dataset

BRIEF = {"encoder": SMALL, "epochs": 1, "batch_size": 8, "device": "cpu"}


@pytest.fixture(scope="module")
def cover(tmp_path_factory):
    """Labelled tiles of s2 (B04, B08) and s1 (VV, VH)."""
    return cover_dataset(tmp_path_factory.mktemp("cover"))


def seen_by(run):
    return {name: seen.names for name, seen in Run.open(str(run)).inputs.items()}


def test_one_of_two_sensors_is_learned(cover, tmp_path):
    heard = Listening()
    finetune(str(cover), str(tmp_path / "first"), finetuning(**BRIEF), heard)
    assert any("images of several sensors (s2, s1); the model learns from those of the first." in text for text in heard.texts)
    heard = Listening()
    finetune(str(cover), str(tmp_path / "radar"), finetuning(**BRIEF, sensor="s1", bands="VH"), heard)
    assert not any("several sensors" in text for text in heard.texts)
    assert [seen_by(tmp_path / name) for name in ("first", "radar")] == [{"s2": ["B04", "B08"]}, {"s1": ["VH"]}]
    network = Run.open(str(tmp_path / "radar")).load_network(torch.device("cpu"))
    assert network.encoder.state_dict()["model.conv1.0.weight"].shape[1] == 1
    card = json.loads((tmp_path / "radar" / "encoder.json").read_text())
    assert (card["sensor"], [band["name"] for band in card["bands"]]) == ("s1", ["VH"])


def test_a_card_whose_bands_were_put_in_another_order_is_refused(tmp_path):
    finetune(str(write_dataset(tmp_path / "discs", size=32)), str(tmp_path / "run"), finetuning(**BRIEF))
    path = tmp_path / "run" / "run.json"
    card = json.loads(path.read_text())
    card["inputs"][0]["bands"].reverse()
    path.write_text(json.dumps(card))
    with pytest.raises(ModelError, match="run.json lists other bands, or in another order, than the weights .* were trained on. Copy the run folder"):
        evaluate_run(str(tmp_path / "run"), None, "test", 4, "cpu")


def test_a_run_on_some_bands_is_continued_measured_and_exported_with_them(tmp_path):
    dataset = write_dataset(tmp_path / "discs", size=32, bands=4)
    chosen = {**BRIEF, "bands": "B05,B03", "learning_rate": 0.003}
    finetune(str(dataset), str(tmp_path / "run"), finetuning(**chosen))
    finetune(str(dataset), str(tmp_path / "run"), finetuning(**{**chosen, "epochs": 2}))
    with pytest.raises(DataError, match="a run with other settings: “bands” .bands. was B05,B03, and is empty now"):
        finetune(str(dataset), str(tmp_path / "run"), finetuning(**{**chosen, "bands": None, "epochs": 3}))
    facts, _ = evaluate_run(str(tmp_path / "run"), None, "test", 4, "cpu")
    elsewhere = write_dataset(tmp_path / "elsewhere", count=4, size=32, bands=5, seed=3, splits=["test"] * 4)
    other, _ = evaluate_run(str(tmp_path / "run"), str(elsewhere), "test", 4, "cpu")
    assert facts["tiles"] == 2 and other["tiles"] == 4 and other["statistics"]["mean_iou"] > 0.9
    export_run(str(tmp_path / "run"), str(tmp_path / "model.onnx"))
    model, tiles = package.open(tmp_path / "model.onnx"), np.array([5])
    assert model.inputs["image"].names == ["B05", "B03"]
    run = Run.open(str(tmp_path / "run"))
    images = Dataset.open(dataset).read(run.inputs["image"], tiles)[0].astype(np.float32)
    assert np.array_equal(images, Dataset.open(dataset).images(tiles)[:, [3, 1]])
    with torch.no_grad():
        expected = run.load_network(torch.device("cpu"))({"image": torch.from_numpy(images)}).softmax(1).numpy()
    assert np.abs(model.session("cpu").run({"image": images}) - expected).max() < 1e-4


@pytest.mark.parametrize(("job", "facts", "inputs"), [
    ("pretrain_inpainting", {"sensor": "s2", "bands": "B02,B04", "discriminator_width": 4}, {"s2": ["B02", "B04"]}),
    ("pretrain_barlow_twins", {"sensors": "pair", "bands": "VV,B02,B03", "projector_width": 16}, {"s2": ["B02", "B03"], "s1": ["VV"]}),
    ("pretrain_translation", {"bands": "B02,VV,VH", "discriminator_width": 4}, {"s2": ["B02"], "s1": ["VV", "VH"]}),
])
def test_every_method_learns_from_some_bands(job, facts, inputs, tmp_path):
    folder, run = scenes_pretraining.unlabelled_paired(tmp_path), tmp_path / "run"
    METHODS[job][1](str(folder), str(run), settings(job, **BRIEF, **facts))
    assert seen_by(run) == inputs


def test_tasks_share_some_of_their_bands(tmp_path):
    folders = [write_dataset(tmp_path / "three", size=32), write_dataset(tmp_path / "four", size=32, bands=4, seed=1)]
    chosen = settings("pretrain_multitask", **BRIEF, bands="B04,B02", inner_steps=1)
    METHODS["pretrain_multitask"][1]([str(folder) for folder in folders], str(tmp_path / "run"), chosen)
    assert seen_by(tmp_path / "run") == {"image": ["B04", "B02"]}
