"""Damaged cards of runs and encoders end in one of our sentences, also where a run is continued."""

import json
import shutil

import pytest
import torch
from hypothesis import event, given
from hypothesis import strategies as st

from eo_pretrain_qgis.engine.learning.export import export_run
from eo_pretrain_qgis.engine.learning.finetuning.evaluation import evaluate_run
from eo_pretrain_qgis.engine.learning.finetuning.recipe import finetune
from eo_pretrain_qgis.engine.learning.loop.runs import Run
from eo_pretrain_qgis.engine.learning.networks.encoder_files import read_card
from eo_pretrain_qgis.engine.learning.networks.encoder_import import Wishes, import_encoder
from eo_pretrain_qgis.errors import DataError, EOPretrainError, ModelError
from eo_pretrain_qgis.jobs import JOBS
from eo_pretrain_qgis.progress import SILENT
from tests.settings import finetuning as Settings

from ... import scenes_pretraining, scenes_translation
from ...fuzzing import fuzzed
from ...mutations import bent, damaged_json, written
from .conftest import SMALL


@pytest.fixture(scope="module")
def cards(tmp_path_factory, run_folder):
    """The cards of runs of several methods."""
    place = tmp_path_factory.mktemp("methods")
    unlabelled, quick = scenes_pretraining.unlabelled(place), {"encoder": SMALL, "epochs": 1, "device": "cpu"}
    for job, values in (("pretrain_inpainting", {"batch_size": 4}), ("pretrain_barlow_twins", {"batch_size": 8})):
        JOBS[job].from_values({"dataset": str(unlabelled), "output": str(place / job), **quick, **values}).run(SILENT)
    translation = scenes_translation.translation_run(place)
    return [json.loads((folder / "run.json").read_text()) for folder in
            (run_folder, place / "pretrain_inpainting", place / "pretrain_barlow_twins", translation)]


def copied(run_folder, place):
    shutil.rmtree(place, ignore_errors=True)
    return shutil.copytree(run_folder, place)


def works_or_says_why(call, kinds=EOPretrainError):
    try:
        call()
        event("worked")
    except kinds as error:
        event("ended in a sentence")
        assert str(error).endswith((".", "?"))


@given(st.data())
@fuzzed(60)
def test_fuzz_opening_a_run(cards, tmp_path_factory, data):
    place = tmp_path_factory.getbasetemp() / "opened"
    place.mkdir(exist_ok=True)
    card = data.draw(st.sampled_from(cards))
    (place / "run.json").write_bytes(data.draw(st.one_of(damaged_json(card), bent(card).map(written))))
    works_or_says_why(lambda: (run := Run.open(str(place))) and (run.datasets, run.class_names, run.finished), DataError)


@given(st.data())
@fuzzed(8)
def test_fuzz_what_is_done_with_a_run(run_folder, dataset_folder, tmp_path_factory, data):
    place = copied(run_folder, tmp_path_factory.getbasetemp() / "continued")
    card = json.loads((place / "run.json").read_text())
    (place / "run.json").write_bytes(data.draw(st.one_of(damaged_json(card), bent(card).map(written), bent(card).map(written))))
    asked = Settings(encoder=SMALL, epochs=data.draw(st.sampled_from([2, 3])), batch_size=4, learning_rate=0.003, device="cpu")
    calls = [lambda: finetune(str(dataset_folder), str(place), asked), lambda: evaluate_run(str(place), None, "test", 4, "cpu"),
             lambda: export_run(str(place), str(place / "model.onnx")), lambda: Run.open(str(place)).load_network(torch.device("cpu"))]
    works_or_says_why(data.draw(st.sampled_from(calls)))


@given(st.data())
@fuzzed(40)
def test_fuzz_the_card_of_an_encoder(run_folder, tmp_path_factory, data):
    place = tmp_path_factory.getbasetemp() / "encoder"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    shutil.copy(run_folder / "encoder.safetensors", place)
    card = json.loads((run_folder / "encoder.json").read_text())
    (place / "encoder.json").write_bytes(data.draw(st.one_of(damaged_json(card), bent(card).map(written))))
    works_or_says_why(lambda: read_card(str(place / "encoder.safetensors")), ModelError)
    works_or_says_why(lambda: import_encoder(str(place / "encoder.safetensors"), str(place / "out"), Wishes()))
