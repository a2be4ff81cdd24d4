import csv
import errno
import json
import shutil

import pytest
import torch

from eo_pretrain_qgis.engine.datasets.dataset import Dataset
from eo_pretrain_qgis.engine.learning.finetuning.recipe import FineTuning, finetune
from eo_pretrain_qgis.engine.learning.loop import checkpoints
from eo_pretrain_qgis.engine.learning.loop.runs import Run
from eo_pretrain_qgis.errors import Cancelled, DataError, EngineError, ModelError
from tests.settings import finetuning as Settings

from ...listening import Cancelling, Listening
from .conftest import SMALL
from .tiny import write_dataset

QUICK = {"encoder": SMALL, "epochs": 2, "batch_size": 4, "learning_rate": 0.003, "device": "cpu"}


@pytest.fixture
def copied(run_folder, tmp_path):
    """A run that a test may change."""
    shutil.copytree(run_folder, tmp_path / "run")
    return tmp_path / "run"


def test_a_run_keeps_what_the_next_steps_need(run_folder, dataset_folder):
    card = json.loads((run_folder / "run.json").read_text())
    assert card["state"] == "finished"
    [seen] = card["inputs"]
    assert (seen["name"], seen["sensor"], seen["preset"]) == ("image", "image", "sentinel2_l2a")
    assert [band["name"] for band in seen["bands"]] == ["B02", "B03", "B04"]
    assert {"mean", "std", "unit", "scale", "p001"} <= set(seen["bands"][0])
    assert card["classes"][1] == {"value": 7, "name": "disc", "color": "#1f77b4"}
    assert card["dataset"]["path"] == str(dataset_folder)
    assert card["metrics"]["mean_iou"] > 0.3
    rows = list(csv.DictReader((run_folder / "metrics.csv").open()))
    assert [row["epoch"] for row in rows] == ["1", "2"]
    page = (run_folder / "report.html").read_text()
    for words in ("<svg", "data:image/png;base64", "Finished: 2 of 2 epochs", "What this does not show", "true ↓ predicted →"):
        assert words in page
    assert "src=\"http" not in page
    assert json.loads((run_folder / "encoder.json").read_text())["encoder"] == SMALL
    assert list(run_folder.glob("**/*.part")) == []


def test_the_last_epoch_alone_is_measured_where_it_is_kept(tmp_path, dataset_folder):
    """The report has a gap where nothing was measured."""
    result = finetune(str(dataset_folder), str(tmp_path / "run"), Settings(**QUICK, keep="last"))
    rows = list(csv.DictReader((tmp_path / "run" / "metrics.csv").open()))
    assert [bool(row["mean_iou"]) for row in rows] == [False, True]
    assert result["validation_iou"] == pytest.approx(float(rows[1]["mean_iou"]), abs=1e-4)
    assert "Validation IoU" in (tmp_path / "run" / "report.html").read_text()


def test_weights_read_back_give_the_same_network(run_folder):
    network = Run.open(str(run_folder)).load_network(torch.device("cpu"))
    tensors = checkpoints.load_tensors(str(run_folder / "encoder.safetensors"))
    assert torch.equal(tensors["model.conv1.0.weight"], network.encoder.state_dict()["model.conv1.0.weight"])
    assert not network.training


def test_a_finished_run_gives_its_result_again(run_folder, dataset_folder):
    heard = Listening()
    before = (run_folder / "run.json").read_text()
    result = finetune(str(dataset_folder), str(run_folder), Settings(**QUICK), heard)
    assert result["epochs_run"] == 2
    assert result["validation_iou"] == json.loads(before)["metrics"]["mean_iou"]
    assert "is finished; its result is given again" in heard.texts[0]
    assert (run_folder / "run.json").read_text() == before


def test_more_epochs_continue_a_finished_run(copied, dataset_folder):
    heard = Listening()
    result = finetune(str(dataset_folder), str(copied), Settings(**{**QUICK, "epochs": 3}), heard)
    assert result["epochs_run"] == 3
    assert "Continuing after epoch 2 of 3." in heard.texts


def test_other_settings_are_another_run(copied, dataset_folder):
    labels = {"batch_size": {"label": "Batch size"}, "augmentation": {"label": "Augmentation", "options": {"full": "Full: all", "none": "None"}}}
    asked = Settings(**{**QUICK, "batch_size": 5, "augmentation": "none"}, labels=labels)
    with pytest.raises(DataError) as refused:
        finetune(str(dataset_folder), str(copied), asked)
    was = labels["augmentation"]["options"].get(json.loads((copied / "run.json").read_text())["settings"]["augmentation"], "flips")
    assert str(refused.value) == (
        f"The folder {copied} holds a run with other settings: “Batch size” (batch_size) was 4, and is 5 now; “Augmentation” (augmentation) was "
        f"{was}, and is None now. To go on with it, give the settings that it had. To begin a new one, choose another folder.")
    card = json.loads((copied / "run.json").read_text())
    (copied / "run.json").write_text(json.dumps({**card, "state": "training"}))
    with pytest.raises(DataError, match="holds an unfinished run with other settings: “batch size” .batch_size. was 4, and is 5 now. To go on"):
        finetune(str(dataset_folder), str(copied), Settings(**{**QUICK, "batch_size": 5}))


def test_another_dataset_is_another_run(copied, tmp_path):
    other = write_dataset(tmp_path / "other", seed=9)
    with pytest.raises(DataError, match=r"holds a run on another dataset .*, or that dataset has changed. Choose a new folder."):
        finetune(str(other), str(copied), Settings(**QUICK))


def test_a_folder_with_other_files_is_refused(tmp_path, dataset_folder):
    (tmp_path / "thesis.docx").write_text("years of work")
    with pytest.raises(DataError, match=r"already holds files. Choose a new or empty folder."):
        finetune(str(dataset_folder), str(tmp_path), Settings(**QUICK))


def test_a_cancelled_run_continues_with_the_same_losses(tmp_path, dataset_folder, run_folder):
    with pytest.raises(Cancelled):
        finetune(str(dataset_folder), str(tmp_path / "run"), Settings(**QUICK), Cancelling(lambda heard: heard.reached("Epoch 2")))
    assert Run.open(str(tmp_path / "run")).card["state"] == "training"
    finetune(str(dataset_folder), str(tmp_path / "run"), Settings(**QUICK))
    cut, whole = (list(csv.DictReader((folder / "metrics.csv").open())) for folder in (tmp_path / "run", run_folder))
    assert [(row["loss"], row["mean_iou"]) for row in cut] == [(row["loss"], row["mean_iou"]) for row in whole]


def test_a_full_disk_leaves_the_checkpoint_before(tmp_path, dataset_folder, monkeypatch):
    written = []
    write = checkpoints._write

    def full(path, content):
        written.append(path)
        if len(written) > 3:  # the first epoch wrote weights, encoder and checkpoint
            with checkpoints.new_file(path) as part:
                part.write_bytes(b"a few bytes, then")
                raise OSError(errno.ENOSPC, "No space left on device")
        write(path, content)

    monkeypatch.setattr(checkpoints, "_write", full)
    with pytest.raises(DataError, match=r"The disk is full while writing .* Free some space and run again."):
        finetune(str(dataset_folder), str(tmp_path / "run"), Settings(**QUICK))
    monkeypatch.undo()
    assert checkpoints.load_state(str(tmp_path / "run" / "last" / "checkpoint.pt"))["progress"]["epoch"] == 1
    assert finetune(str(dataset_folder), str(tmp_path / "run"), Settings(**QUICK))["epochs_run"] == 2


def test_weights_of_another_run_start_this_one(tmp_path, dataset_folder, run_folder):
    heard = Listening()
    start = str(run_folder / "encoder.safetensors")
    finetune(str(dataset_folder), str(tmp_path / "run"), Settings(**QUICK, start=start, mode="frozen"), heard)
    assert any(text.startswith("Starting weights: ") and "left new: decoder" in text for text in heard.texts)
    kept = checkpoints.load_tensors(str(tmp_path / "run" / "encoder.safetensors"))
    assert all(torch.equal(tensor, kept[name]) for name, tensor in checkpoints.load_tensors(start).items() if "num_batches" not in name)
    assert json.loads((tmp_path / "run" / "run.json").read_text())["start"]["path"] == start


def test_a_dataset_without_validation_tiles_still_trains(tmp_path):
    folder = write_dataset(tmp_path / "dataset", count=4, splits=["training"] * 4)
    heard = Listening()
    result = finetune(str(folder), str(tmp_path / "run"), Settings(**{**QUICK, "epochs": 1}), heard)
    assert "validation_iou" not in result
    assert any("has no validation tiles" in text for text in heard.texts)
    assert "The dataset has no such tiles." in (tmp_path / "run" / "report.html").read_text()


@pytest.mark.parametrize(("change", "kind"), [
    ({"encoder": "resnet81"}, ModelError), ({"device": "cuda:97"}, EngineError), ({"crop": 640}, DataError),
    ({"start": "/nowhere.pt"}, ModelError),
])
def test_a_refused_run_leaves_nothing(tmp_path, dataset_folder, change, kind):
    with pytest.raises(kind):
        finetune(str(dataset_folder), str(tmp_path / "run"), Settings(**{**QUICK, **change}))
    assert not (tmp_path / "run").exists()


def test_a_loss_that_diverges_is_a_sentence(tmp_path, dataset_folder):
    with pytest.raises(EngineError, match="lower learning rate"):
        finetune(str(dataset_folder), str(tmp_path / "run"), Settings(**{**QUICK, "learning_rate": 1e30, "warmup_epochs": 0}))


def test_few_labelled_tiles_are_learned_at_a_low_rate_unless_one_is_given(tmp_path, dataset_folder, run_folder):
    dataset = Dataset.open(dataset_folder)
    rates = [FineTuning(dataset, Settings(**facts)).plan().learning_rate
             for facts in ({}, {"start": str(run_folder)}, {"start": str(run_folder), "learning_rate": 0.01})]
    assert rates == [5e-4, 5e-4, 0.01], "as many as so few labelled tiles bear"
