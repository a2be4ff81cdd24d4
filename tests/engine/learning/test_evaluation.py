import json
import shutil

import numpy as np
import pytest

from eo_pretrain_qgis.engine.classic import models
from eo_pretrain_qgis.engine.classic.samples import sample_rows
from eo_pretrain_qgis.engine.datasets.dataset import Dataset
from eo_pretrain_qgis.engine.datasets.splitting.label_shares import labelled_share
from eo_pretrain_qgis.engine.learning.finetuning.evaluation import evaluate_run
from eo_pretrain_qgis.engine.learning.finetuning.recipe import finetune
from eo_pretrain_qgis.engine.runs.evaluation import write_evaluation
from eo_pretrain_qgis.errors import DataError
from eo_pretrain_qgis.jobs.train.evaluate_model import EvaluateModel
from tests.settings import finetuning as Settings

from ...arrays import changed_on_purpose
from ...listening import Listening
from .conftest import SMALL
from .tiny import CLASSES, ClassInfo, write_dataset
from .tiny_scenes import write_scenes


def test_model_and_baselines_are_measured_on_the_same_pixels(run_folder, dataset_folder, tmp_path):
    facts, sections = evaluate_run(str(run_folder), None, "test", 4, "cpu")
    dataset = Dataset.open(dataset_folder)
    labelled = int((dataset.labels(dataset.indices("test")) != 255).sum())
    assert {facts[who]["pixels"] for who in ("model", "majority", "statistics")} == {labelled}
    assert facts["statistics"]["mean_iou"] > 0.9
    share = facts["majority"]["classes"][0]["pixels"] / labelled
    assert facts["majority"]["overall_accuracy"] == facts["majority"]["classes"][0]["iou"] == pytest.approx(share)
    assert facts["majority"]["classes"][1]["iou"] == 0
    assert [row["name"] for row in facts["model"]["classes"]] == ["ground", "disc"]

    write_evaluation(facts, sections, str(tmp_path / "report.html"), str(tmp_path / "facts.json"))
    assert json.loads((tmp_path / "facts.json").read_text()) == facts
    page = (tmp_path / "report.html").read_text()
    for words in ("regression on statistics", "majority class", "Split: by hand", "data:image/png"):
        assert words in page


def test_a_dataset_from_elsewhere_is_measured_with_baselines_of_the_run(run_folder, tmp_path):
    elsewhere = write_dataset(tmp_path / "elsewhere", count=3, seed=5, splits=["test"] * 3)
    facts, _ = evaluate_run(str(run_folder), str(elsewhere), "test", 4, "cpu")
    assert facts["tiles"] == 3
    assert facts["statistics"]["mean_iou"] > 0.9


@pytest.mark.parametrize(("facts", "split", "sentence"), [
    ({"bands": 2}, "test", "The bands of the dataset"),
    ({"unit": "dB"}, "test", "The units of the bands of the dataset"),
    ({"classes": [CLASSES[0], ClassInfo(8, "square", "")]}, "test", "The classes of the dataset"),
    ({"splits": ["training"] * 6}, "test", "has no test tiles. Choose another split"),
])
def test_a_dataset_that_does_not_fit_is_refused(run_folder, tmp_path, facts, split, sentence):
    other = write_dataset(tmp_path / "other", count=6, **facts)
    with pytest.raises(DataError) as caught:
        evaluate_run(str(run_folder), str(other), split, 4, "cpu")
    assert sentence in str(caught.value)


def test_all_tiles_of_the_dataset_of_the_run_are_no_test(run_folder, dataset_folder, tmp_path):
    with pytest.raises(DataError, match=r"The run has learned from tiles of .*discs, so all of them together are no test. Choose the test split"):
        evaluate_run(str(run_folder), str(dataset_folder), "all", 4, "cpu")
    card = json.loads((run_folder / "run.json").read_text())
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "run.json").write_text(json.dumps({**card, "dataset": {**card["dataset"], "path": "/nowhere/discs"}}))
    with pytest.raises(DataError, match="so all of them together are no test"):
        evaluate_run(str(tmp_path / "run"), str(dataset_folder), "all", 4, "cpu")


def test_a_dataset_that_has_changed_since_is_named(run_folder, tmp_path):
    shutil.copytree(run_folder, tmp_path / "run")
    card = json.loads((tmp_path / "run" / "run.json").read_text())
    card["dataset"]["checksum"] = "of another division"
    (tmp_path / "run" / "run.json").write_text(json.dumps(card))
    heard = Listening()
    evaluate_run(str(tmp_path / "run"), None, "test", 4, "cpu", heard)
    assert sum("has changed since the run learned from it. If it was divided anew, its test tiles may be" in text for text in heard.texts) == 1


def test_a_dataset_that_is_gone_is_named(run_folder, tmp_path):
    shutil.copytree(run_folder, tmp_path / "run")
    card = json.loads((tmp_path / "run" / "run.json").read_text())
    card["dataset"]["path"] = "/nowhere/discs"
    (tmp_path / "run" / "run.json").write_text(json.dumps(card))
    with pytest.raises(DataError, match=r"The dataset /nowhere/discs of the run .* is no longer there. Give its present"):
        evaluate_run(str(tmp_path / "run"), None, "test", 4, "cpu")


def test_a_dataset_of_another_task_is_refused(run_folder, tmp_path):
    write_scenes(tmp_path / "scenes")
    with pytest.raises(DataError, match=r"is for the task “scene” .*, and the run .* needs a class for every pixel. Choose a dataset made by"):
        evaluate_run(str(run_folder), str(tmp_path / "scenes"), "test", 4, "cpu")


@pytest.mark.parametrize(("content", "sentence"), [
    (None, "is not a run folder: it has no run.json"),
    ("{", "cannot be read"),
    ('{"format": "other"}', "does not describe a run of this plugin"),
    ('{"format": "eo-pretrain run", "version": 6}', "was written by a newer version of the plugin"),
    ('{"format": "eo-pretrain run", "version": 2}', "lacks the key “task”"),
])
def test_what_is_no_run_is_refused(tmp_path, content, sentence):
    if content:
        (tmp_path / "run.json").write_text(content)
    with pytest.raises(DataError) as caught:
        evaluate_run(str(tmp_path), None, "test", 4, "cpu")
    assert sentence in str(caught.value)


def test_tiles_without_labels_are_said_and_no_crash(run_folder, tmp_path):
    elsewhere = write_dataset(tmp_path / "elsewhere", count=2, seed=5, splits=["test"] * 2)
    changed_on_purpose(elsewhere)
    np.load(elsewhere / "labels-000.npy", mmap_mode="r+")[:] = 255
    progress = Listening()
    found = EvaluateModel(run_folder=str(run_folder), dataset=str(elsewhere), output=str(tmp_path / "report.html")).run(progress)
    assert "The test tiles hold no labels, so nothing was measured. Choose another split or dataset." in progress.texts
    assert found["mean_iou"] is None


def test_baselines_learn_from_the_share_of_the_labels_that_the_run_saw(run_folder, dataset_folder, tmp_path):
    """All but the run's own training tiles say the opposite: baselines that saw them would be wrong everywhere."""
    dataset, share = Dataset.open(dataset_folder), 20
    learned = labelled_share(dataset, dataset.indices("training"), share, 1)
    others = np.setdiff1d(dataset.indices("training"), learned)
    lying = tmp_path / "lying"
    shutil.copytree(dataset_folder, lying)
    changed_on_purpose(lying)
    labels = np.load(next(lying.glob("*labels*.npy")), mmap_mode="r+")
    for tile in others:
        labels[tile][labels[tile] != 255] = 1 - labels[tile][labels[tile] != 255]
    labels.flush()
    card = json.loads((run_folder / "run.json").read_text())
    shutil.copytree(run_folder, tmp_path / "run")
    (tmp_path / "run" / "run.json").write_text(json.dumps({
        **card, "dataset": {**card["dataset"], "path": str(lying), "checksum": Dataset.open(lying).checksum},
        "settings": {**card["settings"], "label_share": share}}))
    facts, sections = evaluate_run(str(tmp_path / "run"), None, "test", 4, "cpu")
    assert facts["training_tiles"] == len(learned) < len(dataset.indices("training"))
    assert facts["label_share"] == share
    assert facts["statistics"]["mean_iou"] > 0.9
    assert facts["real_label_share"] == pytest.approx(100 * len(learned) / len(dataset.indices("training"))) != share
    assert f"learned from the labels of the same {len(learned)} training tiles, {facts['real_label_share']:.3g} % of those with labels " \
           "(20 % were asked for)" in "".join(sections)


@pytest.mark.parametrize("spread", [False, True])
def test_baselines_of_whole_tiles_learn_from_the_same_share(tmp_path, monkeypatch, spread):
    folder = write_scenes(tmp_path / "stripes")
    dataset = Dataset.open(folder)
    run = tmp_path / "run"
    finetune(str(folder), str(run), Settings(encoder=SMALL, epochs=1, batch_size=8, learning_rate=0.003, label_share=25, device="cpu"))
    if spread:  # the guesses are the run's own; its labels are the same
        card = json.loads((run / "run.json").read_text())
        (run / "run.json").write_text(json.dumps({**card, "settings": {**card["settings"], "spread_labels": True}}))
    seen = []
    monkeypatch.setattr(models, "sample_rows", lambda data, what, white, tiles, *rest: seen.append(tiles) or sample_rows(data, what, white, tiles))
    facts, _ = evaluate_run(str(run), None, "test", 8, "cpu")
    assert seen[0].tolist() == labelled_share(dataset, dataset.indices("training"), 25, 1).tolist()
    assert facts["training_tiles"] == len(seen[0]) == json.loads((run / "run.json").read_text())["training_tiles"]


def test_figures_have_intervals_where_there_are_blocks_enough(run_folder, tmp_path):
    few, pieces = evaluate_run(str(run_folder), None, "test", 4, "cpu")
    assert few["blocks"] == {"count": 2, "words": "2 tiles"} and few["model"]["intervals"]["mean_iou"] is None
    assert few["difference"]["interval"] is None
    elsewhere = write_dataset(tmp_path / "elsewhere", count=8, seed=5, splits=["test"] * 8)
    changed_on_purpose(elsewhere)
    labels = np.load(elsewhere / "labels-000.npy", mmap_mode="r+")
    for tile in (1, 4, 6):  # of which everybody is wrong
        labels[tile] = np.where(labels[tile] == 255, 255, 1 - labels[tile].clip(0, 1))
    labels.flush()
    facts, sections = evaluate_run(str(run_folder), str(elsewhere), "test", 4, "cpu")
    text = "".join(sections)
    for who in ("model", "statistics"):
        ends, value = facts[who]["intervals"]["overall_accuracy"], facts[who]["overall_accuracy"]
        assert ends[0] < 0.45 < value < 0.75 < ends[1]
        assert f"<td>{value:.3f} ({ends[0]:.3f} to {ends[1]:.3f})</td>" in text
    # Both are wrong of the same tiles, and both are resampled together, so their difference is that of tiles that were not seen: 1 - 0.05^(1/8).
    apart = facts["difference"]
    assert apart["from"] in ("statistics", "boosting") and apart["value"] == facts["model"]["mean_iou"] - facts[apart["from"]]["mean_iou"]
    assert apart["interval"] == pytest.approx([-0.3123, 0.3123], abs=0.02)
    assert "95 % intervals of a block bootstrap, 200 resamples of 8 tiles." in text
    assert "No intervals: the tiles fall into 2 tiles, and with fewer than 5 blocks nobody knows" in "".join(pieces)
