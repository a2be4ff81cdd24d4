"""What is chosen where nothing is asked for, and that a run which goes on compares what was chosen."""

import json
from dataclasses import replace

import pytest

from eo_pretrain_qgis.engine.datasets.dataset import Dataset
from eo_pretrain_qgis.engine.learning.finetuning.defaults import defaults
from eo_pretrain_qgis.engine.learning.finetuning.recipe import completed, finetune
from eo_pretrain_qgis.errors import DataError
from tests.settings import finetuning as Settings

from ...listening import Listening
from .conftest import SMALL
from .tiny_scenes import write_scenes

SAID = "Chosen for 32 labelled training tiles from starting weights: batch size 32, learning rate 5e-05, augmentation “flips”, averaging 0.99."


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_scenes(tmp_path_factory.mktemp("scenes") / "stripes")


@pytest.mark.parametrize(("labels", "steps", "rate"), [(163, 15, 5e-5), (810, 20, 1e-4), (1620, 20, 3e-4), (8102, None, 3e-4)])
def test_few_labels_get_few_steps_of_many_images(labels, steps, rate):
    found = defaults(True, True, labels)
    assert (found.batch_size, found.epochs, found.augmentation, found.average) == (32, 10, "flips", 0.99)
    assert (found.epoch_steps, found.learning_rate) == (steps, rate)


def test_pixels_and_training_from_scratch_keep_theirs(dataset, folder):
    usual = {"epochs": 40, "batch_size": 8, "epoch_steps": None, "augmentation": "full", "average": 0.0}
    for chosen, rate in ((completed(Settings(), dataset)[0], 1e-3), (completed(Settings(start="x"), dataset)[0], 3e-4),
                         (completed(Settings(), Dataset.open(folder))[0], 1e-3)):
        assert chosen.learning_rate == rate
        assert {name: getattr(chosen, name) for name in usual} == usual


def test_a_value_that_was_given_wins(folder):
    scenes = Dataset.open(folder)
    given = {"batch_size": 4, "epochs": 7, "learning_rate": 0.1, "augmentation": "none", "average": 0.0, "epoch_steps": 3}
    chosen, said = completed(Settings(start="x", **given), scenes)
    assert {name: getattr(chosen, name) for name in given} == given
    assert said == ""
    assert completed(Settings(start="x", epochs=7), scenes)[0].epoch_steps is None, "epochs are passes unless steps are asked for too"
    assert completed(Settings(start="x", label_share=25), scenes)[1].startswith("Chosen for 8 labelled")


def test_what_was_chosen_is_said_kept_and_compared(folder, run_folder, tmp_path):
    heard, run = Listening(), tmp_path / "run"
    settings = Settings(encoder=SMALL, start=str(run_folder), epochs=1, device="cpu")
    finetune(str(folder), str(run), settings, heard)
    assert SAID in heard.texts
    card = json.loads((run / "run.json").read_text())
    assert card["chosen"] == SAID
    assert {"batch_size": 32, "learning_rate": 5e-5, "augmentation": "flips", "average": 0.99}.items() <= card["settings"].items()
    finetune(str(folder), str(run), replace(settings, batch_size=32))  # the same, said aloud
    with pytest.raises(DataError, match="holds a run with batch_size = 32, not 8. Give the same value to continue it"):
        finetune(str(folder), str(run), replace(settings, batch_size=8))
