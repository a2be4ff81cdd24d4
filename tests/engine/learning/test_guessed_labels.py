import csv
import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from eo_pretrain_qgis.engine.datasets.dataset import IGNORE, Dataset
from eo_pretrain_qgis.engine.learning.augment import Augmentation
from eo_pretrain_qgis.engine.learning.data import TileReader
from eo_pretrain_qgis.engine.learning.finetuning import recipe
from eo_pretrain_qgis.engine.learning.finetuning.guessed_labels import GuessedLabels, usually_spread
from eo_pretrain_qgis.engine.learning.finetuning.labelled_tiles import TrainingTiles
from eo_pretrain_qgis.engine.learning.finetuning.recipe import finetune
from eo_pretrain_qgis.engine.learning.probes import nearest_neighbours
from eo_pretrain_qgis.errors import Cancelled, DataError
from eo_pretrain_qgis.progress import Progress
from tests.settings import finetuning as Settings

from ...arrays import changed_on_purpose
from ...listening import Cancelling, Listening
from .conftest import SMALL
from .tiny import write_dataset
from .tiny_scenes import write_scenes

CPU = torch.device("cpu")
QUICK = {"encoder": SMALL, "epochs": 3, "batch_size": 8, "learning_rate": 0.003, "device": "cpu"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_scenes(tmp_path_factory.mktemp("scenes") / "stripes", count=96)


@pytest.fixture(scope="module")
def start(tmp_path_factory, folder):
    """Weights that know the stripes a little."""
    return finetune(str(folder), str(tmp_path_factory.mktemp("start") / "run"), Settings(**QUICK, epoch_steps=8))["encoder"]


def spirals(count=150):
    """Two arms that wind round one another in a plane, stood up in space so that every point has its own direction: (2 · count, 3)."""
    turn = np.linspace(1.5, 9, count)
    arm = np.stack([turn * np.cos(turn), turn * np.sin(turn)], 1)
    plane = np.concatenate([arm, -arm])
    return np.concatenate([plane, np.full((2 * count, 1), 4.0)], 1) + np.random.default_rng(0).normal(0, 0.02, (2 * count, 3))


def test_labels_flow_along_tiles_that_look_alike():
    """Four labels of an arm are enough for all of it, where the nearest label is often of the other arm."""
    points, truth = spirals(), np.repeat([0, 1], 150)
    features = points / np.linalg.norm(points, axis=1, keepdims=True)
    labels = np.full(300, IGNORE)
    known = np.array([10, 55, 100, 145])
    known = np.concatenate([known, known + 150])
    labels[known] = truth[known]
    tiles = 2 * np.arange(300)
    found = GuessedLabels.spread(tiles, features, labels, 2)
    assert found.tiles.tolist() == np.delete(tiles, known).tolist()
    right = (found.labels == np.delete(truth, known)).mean()
    nearest = nearest_neighbours(features[known], truth[known], np.delete(features, known, 0), 1)
    assert right > (nearest == np.delete(truth, known)).mean() + 0.1
    assert 0 <= found.certainty.min() < found.certainty.max() <= 1


def test_the_labels_left_out_tell_how_good_the_guesses_are():
    rng = np.random.default_rng(0)
    truth = np.arange(200) % 4
    apart = np.eye(4)[truth] * 5 + rng.normal(0, 0.3, (200, 4))
    labels = np.where(np.arange(200) < 40, truth, IGNORE)
    good = GuessedLabels.spread(np.arange(200), apart, labels, 4)
    assert good.checked == 1 and (good.labels == truth[40:]).all()
    assert good.sentence().endswith("of the labels, left out a fifth at a time, the others guess 100 % right.")
    chance = GuessedLabels.spread(np.arange(200), rng.normal(0, 1, (200, 4)), labels, 4)
    assert chance.checked < 0.6 and chance.certainty.mean() < good.certainty.mean()


def test_what_no_label_reaches_is_not_guessed():
    features = np.repeat(np.eye(3), 30, 0) + np.random.default_rng(0).normal(0, 1e-3, (90, 3))
    labels = np.full(90, IGNORE)
    labels[[0, 30]] = 0, 1  # none of the third kind
    found = GuessedLabels.spread(np.arange(90), features, labels, 2)
    assert (found.labels == np.repeat([0, 1, IGNORE], [29, 29, 30])).all()
    assert (found.certainty[58:] == 0).all() and found.checked is None
    alike = GuessedLabels.spread(np.arange(90), np.ones((90, 3)), labels, 2)
    assert (alike.labels == IGNORE).all() and "mean certainty of 0.00." in alike.sentence()


def test_guesses_weigh_in_the_proportions_of_the_labels():
    """Two labels of one kind and one of the other: whatever is found more often, weighs twice as much in all."""
    rng = np.random.default_rng(0)
    truth = np.repeat([0, 1], [40, 60])
    labels = np.full(100, IGNORE)
    labels[[0, 1, 40]] = 0, 0, 1
    found = GuessedLabels.spread(np.arange(100), np.eye(2)[truth] + rng.normal(0, 0.01, (100, 2)), labels, 2)
    assert (found.labels == np.delete(truth, [0, 1, 40])).all()
    sums = np.bincount(found.labels, found.weights)
    assert sums[0] == pytest.approx(2 * sums[1], rel=1e-3) and sums.sum() == pytest.approx(found.certainty.sum(), rel=1e-3)


def test_batches_come_with_guesses_and_their_weights(tmp_path):
    dataset = Dataset.open(write_scenes(tmp_path / "stripes", weights=np.full(48, 0.5)))
    tiles = dataset.indices("training")
    guesses = GuessedLabels(tiles[4:], np.full(len(tiles) - 4, 3), *np.full((2, len(tiles) - 4), [[0.5], [0.25]], np.float32))
    reader = TileReader(dataset, dataset.inputs, 1, CPU, targets=["labels"])
    training = TrainingTiles(reader, Augmentation("none", dataset.inputs, CPU), tiles[:4], batch_size=8, guesses=guesses)
    seen = {}
    for batch in training.batches(1, 0):
        for tile, label, weight in zip(batch.samples, batch.targets["labels"].tolist(), batch.weights.tolist()):
            seen[tile] = label, weight
    assert sorted(seen) == tiles.tolist()
    assert [seen[tile] for tile in tiles[:4]] == [(label, 0.5) for label in dataset.labels(tiles[:4])]
    assert all(seen[tile] == (3, 0.125) for tile in tiles[4:])


def test_labels_that_are_not_to_be_used_have_no_influence(start, tmp_path, monkeypatch):
    """Of a share of the labels the others must stay unknown: with other labels in their place nothing changes."""
    results = []
    for name, turn in (("as they are", 0), ("turned", 1)):
        folder = write_scenes(tmp_path / name, count=96)
        tiles = Dataset.open(folder).indices("training")
        monkeypatch.setattr(recipe, "training_share", lambda dataset, percent, seed: dataset.indices("training")[:16])
        changed_on_purpose(folder)
        labels = np.load(folder / "labels-000.npy", mmap_mode="r+")
        labels[tiles[16:]] = (labels[tiles[16:]] + turn) % 4
        labels.flush()
        finetune(str(folder), str(tmp_path / name / "run"), Settings(**QUICK, start=start, label_share=25, spread_labels=True))
        rows = list(csv.DictReader((tmp_path / name / "run" / "metrics.csv").open()))
        results.append(([(row["loss"], row["overall_accuracy"]) for row in rows], np.load(tmp_path / name / "run" / "guessed_labels.npy").tolist()))
    assert results[0] == results[1]


def test_a_run_says_what_was_guessed_and_goes_on_with_it(folder, start, tmp_path):
    settings, whole, cut = Settings(**QUICK, start=start, label_share=25, spread_labels=True), tmp_path / "whole", tmp_path / "cut"
    heard = Listening()
    finetune(str(folder), str(whole), settings, heard)
    sentence = next(text for text in heard.texts if text.startswith("48 tiles without a label learn from a guess"))
    assert "Learning from 16 of 64 training tiles: 25 % of those with labels." in heard.texts
    card = json.loads((whole / "run.json").read_text())
    assert (card["training_tiles"], card["guessed_labels"]) == (16, sentence)
    assert f"{sentence} What the starting weights take for alike is learned as the same class." in (whole / "report.html").read_text()
    with pytest.raises(Cancelled):
        finetune(str(folder), str(cut), settings, Cancelling(lambda heard: heard.reached("Epoch 3")))
    finetune(str(folder), str(cut), settings, Progress())
    assert (cut / "metrics.csv").read_text().count("\n") == 4
    loss = [[row["loss"] for row in csv.DictReader((path / "metrics.csv").open())] for path in (whole, cut)]
    assert loss[0] == loss[1]


def test_a_run_that_lost_its_guesses_is_not_continued_with_others(folder, start, tmp_path):
    settings = Settings(**QUICK, start=start, label_share=25, spread_labels=True)
    with pytest.raises(Cancelled):
        finetune(str(folder), str(tmp_path / "run"), settings, Cancelling(lambda heard: heard.reached("Epoch 3")))
    (tmp_path / "run" / "guessed_labels.npy").unlink()
    with pytest.raises(DataError, match=r"guessed_labels.npy is missing or of other tiles, and the run that is to be continued began with it. Put it "
                                        "back, or train in a new folder"):
        finetune(str(folder), str(tmp_path / "run"), settings)


def test_labels_are_spread_only_where_it_can_be_done(folder, start, tmp_path):
    with pytest.raises(DataError, match="Labels spread to tiles that look alike to the starting weights, and there are none. Give starting weights, "
                                        "for example of “Pretrain with Barlow Twins” on these tiles, or set “Spread the labels” to “no”"):
        finetune(str(folder), str(tmp_path / "run"), Settings(**QUICK, spread_labels=True))
    for other, task in ((write_dataset(tmp_path / "pixels"), "segmentation"), (write_scenes(tmp_path / "several", task="multilabel"), "multilabel")):
        with pytest.raises(DataError, match=f"“{task}” .*, and spreading labels from tile to tile needs .*, or set “Spread the labels” to “no”"):
            finetune(str(other), str(tmp_path / "run"), Settings(**QUICK, start=start, spread_labels=True))
    assert not (tmp_path / "run").exists()
    heard = Listening()
    finetune(str(folder), str(tmp_path / "run"), Settings(**{**QUICK, "epochs": 1}, start=start, spread_labels=True), heard)
    assert "All training tiles have labels; there are none to spread them to." in heard.texts


@pytest.mark.parametrize(("right", "spread"), [(0.9, True), (0.5, False)])
def test_few_labels_are_spread_unasked_where_they_are_guessed_right(start, tmp_path, monkeypatch, right, spread):
    folder = write_scenes(tmp_path / "stripes", count=96)
    guess = GuessedLabels.spread
    monkeypatch.setattr(GuessedLabels, "spread", classmethod(lambda cls, *given: replace(guess(*given), checked=right)))
    heard, run = Listening(), tmp_path / "run"
    asked = Settings(**{**QUICK, "epochs": 1}, start=start, label_share=12)
    finetune(str(folder), str(run), asked, heard)
    card = json.loads((run / "run.json").read_text())
    assert card["settings"]["spread_labels"] is True and ("guessed_labels" in card) is spread
    assert (run / "guessed_labels.npy").exists() is spread
    said = "Labels are not spread to the tiles without one: left out a fifth at a time, 50 % of them are guessed right by the others."
    assert (said in heard.texts) is not spread
    finetune(str(folder), str(run), asked)  # is finished, and says so


@pytest.mark.parametrize(("values", "usual"), [({}, True), ({"from_weights": False}, False), ({"labels": 81}, False), ({"labels": 17}, False)])
def test_labels_are_usually_spread_where_they_are_few_and_other_tiles_many(tmp_path, values, usual):
    """Of four classes and 96 training tiles."""
    dataset = Dataset.open(write_scenes(tmp_path / "stripes", count=96, splits=["training"] * 96))
    assert usually_spread(dataset, **{"from_weights": True, "labels": 16, **values}) is usual
