import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from eo_pretrain_qgis.engine.classic.models import Labelled
from eo_pretrain_qgis.engine.datasets.dataset import Dataset
from eo_pretrain_qgis.engine.datasets.splitting.label_shares import class_totals
from eo_pretrain_qgis.engine.learning.export import export_run
from eo_pretrain_qgis.engine.learning.finetuning.answers import TileAnswers
from eo_pretrain_qgis.engine.learning.finetuning.classification import Classification
from eo_pretrain_qgis.engine.learning.finetuning.evaluation import evaluate_run
from eo_pretrain_qgis.engine.learning.finetuning.labelled_tiles import Choices, class_weights
from eo_pretrain_qgis.engine.learning.finetuning.recipe import adopt_scaling, finetune
from eo_pretrain_qgis.engine.learning.loop.checkpoints import load_tensors
from eo_pretrain_qgis.engine.learning.loop.runs import Run
from eo_pretrain_qgis.engine.learning.networks.class_networks import ClassificationNetwork
from eo_pretrain_qgis.engine.learning.probes import LinearProbe, encoder_features
from eo_pretrain_qgis.engine.models import package
from eo_pretrain_qgis.engine.runs.evaluation import write_evaluation
from eo_pretrain_qgis.engine.runs.pictures import sample_gallery
from eo_pretrain_qgis.errors import DataError
from tests.inputs import inputs
from tests.settings import finetuning as Settings

from ...arrays import changed_on_purpose
from ...listening import Listening
from .conftest import SMALL
from .tiny import write_dataset
from .tiny_scenes import write_scenes

CPU = torch.device("cpu")
QUICK = {"encoder": SMALL, "epochs": 2, "batch_size": 8, "learning_rate": 0.003, "device": "cpu"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_scenes(tmp_path_factory.mktemp("scenes") / "stripes")


@pytest.fixture(scope="module")
def scenes(folder):
    return Dataset.open(folder)


@pytest.fixture(scope="module")
def scene_run(tmp_path_factory, folder):
    """A finished run; tests must not write into it. Turned by a quarter, rows would be columns."""
    path = tmp_path_factory.mktemp("runs") / "run"
    result = finetune(str(folder), str(path), Settings(**{**QUICK, "epochs": 6, "epoch_steps": 12, "augmentation": "none"}))
    return path, result


def method(dataset, **choices):
    torch.manual_seed(0)
    network = ClassificationNetwork(SMALL, inputs(3, 1600.0, 500.0, unit="reflectance", scale=1e-4), len(dataset.classes))
    return Classification(dataset, network, CPU, Choices(**{"batch_size": 8, "augmentation": "none", **choices}))


def test_normalisation_layers_are_measured_on_batches_of_several_classes(scenes):
    """Datasets are often sorted by class; the spread within a class is smaller than that of all."""
    tiles = scenes.indices("training")
    by_class = tiles[np.argsort(scenes.labels(tiles), kind="stable")]
    network = ClassificationNetwork(SMALL, inputs(3, unit="reflectance", scale=1e-4), 4)
    method = Classification(scenes, network, CPU, Choices(8, by_class[:6]))
    batches = list(method.training.sample(64))
    assert sorted(np.concatenate([batch.samples for batch in batches])) == sorted(tiles)
    assert all(len(batch.targets["labels"].unique()) > 1 for batch in batches)


def test_scenes_are_learned_and_the_run_keeps_what_the_next_needs(scene_run, folder):
    path, result = scene_run
    assert result["validation_accuracy"] >= 0.75
    card = json.loads((path / "run.json").read_text())
    assert (card["task"], card["architecture"], card["training_tiles"]) == ("scene", "classifier above a regression", 32)
    assert np.sum(card["confusion"]) == len(Dataset.open(folder).indices("validation"))
    page = (path / "report.html").read_text()
    for words in ("overall accuracy of", "Right: ", "Wrong: ", "true ↓ predicted →", "dark rows", "Finished: 6 of 6 epochs", "fewer than 30 images",
                  "classifier started from a regression with"):
        assert words in page
    assert set(load_tensors(str(path / "encoder.safetensors"))) == set(Run.open(str(path)).load_network(CPU).encoder.state_dict())


def test_a_scene_run_is_measured_beside_its_baselines(scene_run, tmp_path):
    facts, sections = evaluate_run(str(scene_run[0]), None, "test", 8, "cpu")
    assert facts["score"] == "overall_accuracy"
    assert {facts[who]["pixels"] for who in ("model", "majority", "statistics")} == {facts["tiles"]}
    assert facts["majority"]["overall_accuracy"] <= 0.6
    assert facts["statistics"]["overall_accuracy"] >= facts["majority"]["overall_accuracy"]
    write_evaluation(facts, sections, str(tmp_path / "report.html"), str(tmp_path / "facts.json"))
    assert "regression on statistics" in (tmp_path / "report.html").read_text()


def test_tiles_without_labels_are_neither_right_nor_wrong(tmp_path):
    dataset = Dataset.open(write_scenes(tmp_path / "stripes"))
    trained, tiles = method(dataset), dataset.indices("validation")
    assert "Right: " in sample_gallery(TileAnswers(trained.network, trained.reader), tiles)
    changed_on_purpose(tmp_path / "stripes")
    labels = np.load(tmp_path / "stripes" / "labels-000.npy", mmap_mode="r+")
    labels[tiles] = 255
    labels.flush()
    dataset = Dataset.open(tmp_path / "stripes")
    trained = method(dataset)
    assert sample_gallery(TileAnswers(trained.network, trained.reader), tiles) == "<p>None of the tiles has a label.</p>"


def test_a_scene_run_is_exported_for_images_of_its_size(scene_run, tmp_path):
    assert export_run(str(scene_run[0]), str(tmp_path / "model.onnx"))["largest_difference"] <= 1e-4
    model = package.open(tmp_path / "model.onnx")
    assert (model.task, model.fixed_tile, model.record.dense_step) == ("scene", 32, None)
    found = model.session("cpu").run({"image": np.full((5, 3, 32, 32), 1500, np.float32)})
    assert found.shape == (5, 4)
    np.testing.assert_allclose(found.sum(1), 1, atol=1e-5)


def test_several_classes_at_once_are_learned(tmp_path):
    folder = write_scenes(tmp_path / "several", task="multilabel")
    result = finetune(str(folder), str(tmp_path / "run"), Settings(**QUICK, epoch_steps=6))
    assert result["validation_average_precision"] > 0.6
    assert "wrongly found" in (tmp_path / "run" / "report.html").read_text() or "not found" in (tmp_path / "run" / "report.html").read_text()
    facts, sections = evaluate_run(str(tmp_path / "run"), None, "test", 8, "cpu")
    assert facts["statistics"]["average_precision"] >= facts["majority"]["average_precision"]
    assert any("average precision (micro mean)" in section for section in sections)


def test_small_patches_of_odd_size_are_learned(tmp_path):
    folder = write_scenes(tmp_path / "patches", task="patch", size=10, bands=2)
    assert finetune(str(folder), str(tmp_path / "run"), Settings(**{**QUICK, "epochs": 1}))["validation_accuracy"] >= 0


def test_the_loss_is_weighted_by_class_and_tile(tmp_path):
    dataset = Dataset.open(write_scenes(tmp_path / "weighted", weights=np.linspace(0, 1, 48)))
    task = method(dataset)
    batch = next(task.batches(1, 0))
    scores = torch.randn(len(batch), 4, generator=torch.Generator().manual_seed(1))
    weights = torch.tensor(class_weights(class_totals(dataset, dataset.indices("training")), "balanced"))[batch.targets["labels"]] * batch.weights
    expected = (torch.nn.functional.cross_entropy(scores, batch.targets["labels"], reduction="none") * weights).sum() / weights.sum()
    assert float(task.loss("network", {"network": lambda images: scores}, batch)) == pytest.approx(float(expected), rel=1e-5)


def test_rare_labels_among_several_weigh_more_where_they_occur(tmp_path):
    dataset = Dataset.open(write_scenes(tmp_path / "several", task="multilabel"))
    tiles = dataset.indices("training")
    share = dataset.labels(tiles).mean(0)
    assert class_weights(class_totals(dataset, tiles), "balanced", len(tiles)) == pytest.approx(list(np.clip(np.sqrt((1 - share) / share), 1, 10)))


def test_an_epoch_of_many_steps_shows_every_tile(scenes):
    task = method(scenes, tiles=scenes.indices("training")[:5], steps=4)
    seen = [tile for batch in task.batches(1, 0) for tile in batch.samples]
    assert task.steps == 4
    assert np.bincount(np.searchsorted(scenes.indices("training")[:5], seen)).tolist() == [4] * 5


def test_the_last_epoch_alone_is_measured_where_it_is_kept(tmp_path, folder):
    finetune(str(folder), str(tmp_path / "run"), Settings(**QUICK, keep="last", average=0.9))
    rows = (tmp_path / "run" / "metrics.csv").read_text().splitlines()
    columns = rows[0].split(",")
    measured = [dict(zip(columns, row.split(","))).get("overall_accuracy") for row in rows[1:]]
    assert measured[0] == ""
    assert float(measured[1]) >= 0
    assert "The last epoch is kept" in (tmp_path / "run" / "report.html").read_text()


def test_few_labels_are_a_stratified_share(tmp_path, folder):
    heard = Listening()
    finetune(str(folder), str(tmp_path / "run"), Settings(**{**QUICK, "epochs": 1}, label_share=25), heard)
    assert "Learning from 8 of 32 training tiles: 25 % of those with labels." in heard.texts
    assert "8 training tiles, 25 % of those with labels; 25 % were asked for" in (tmp_path / "run" / "report.html").read_text()
    assert json.loads((tmp_path / "run" / "run.json").read_text())["real_label_share"] == 25


def test_the_head_of_an_older_run_begins_as_the_probe(scenes):
    task = method(scenes)
    task.begin(["classification_head.weight"], Labelled(scenes, task.network.seen, task.labelled, 1), CPU)
    network, tiles = task.network, scenes.indices("validation")
    known, asked = (encoder_features(network.encoder, scenes, network.seen, part) for part in (task.training.tiles, tiles))
    probe = LinearProbe(known, scenes.labels(task.training.tiles))
    network.eval()
    with torch.no_grad():
        found = network({"image": torch.from_numpy(scenes.images(tiles).astype(np.float32))}).argmax(1).numpy()
    assert (found == probe.predict(asked)).all()


def test_weak_labels_pretrain_other_classes(tmp_path, run_folder, folder):
    """A run on pixels starts one on other classes of pixels, with its decoder, and one on scenes, with its encoder."""
    other = write_dataset(tmp_path / "other", seed=3, classes=[*Dataset.open(write_dataset(tmp_path / "two")).classes,
                                                              type(Dataset.open(tmp_path / "two").classes[0])(9, "nothing", "#000000")])
    heard = Listening()
    still = {**QUICK, "epochs": 1, "learning_rate": 1e-7, "start": str(run_folder)}
    finetune(str(other), str(tmp_path / "pixels"), Settings(**{**still, "batch_size": 4}), heard)
    before, after = (load_tensors(str(path / "best.safetensors")) for path in (run_folder, tmp_path / "pixels"))
    assert before["segmentation_head.0.weight"].shape[0] + 1 == after["segmentation_head.0.weight"].shape[0]
    for part in ("encoder", "decoder"):
        kernels = [name for name in before if name.startswith(part) and before[name].ndim == 4]
        assert kernels
        assert all(torch.allclose(before[name], after[name], atol=1e-4) for name in kernels)
    assert any("left new: segmentation_head" in text for text in heard.texts)
    finetune(str(folder), str(tmp_path / "scenes"), Settings(**still), heard)
    first = [event["fraction"] for event in heard.events if event.get("text", "").startswith("Features of")]
    assert first and not any(first), "the progress is that of the training that follows"
    encoder = load_tensors(str(tmp_path / "scenes" / "encoder.safetensors"))
    assert torch.allclose(encoder["model.conv1.0.weight"], before["encoder.model.conv1.0.weight"], atol=1e-4)


def test_bands_are_scaled_as_the_starting_weights_know_them(run_folder, scenes):
    ours = Run.open(str(run_folder)).inputs["image"]
    new = replace(ours, bands=tuple(replace(band, centre=1.0, spread=2.0) for band in ours.bands))
    assert adopt_scaling(new, str(run_folder)) == ours
    other = replace(ours, bands=tuple(replace(band, centre=1.0, unit="dB") for band in ours.bands))
    assert adopt_scaling(other, str(run_folder)) == other


@pytest.mark.parametrize(("facts", "settings", "sentence"), [
    ({"splits": ["validation"] * 48}, {}, "has no training tiles. Split it again"),
    ({"classes": 1}, {}, "hold only the class “dark rows”, so there is nothing to tell apart. Add labels of another class"),
    ({}, {"crop": 64}, "The crop of 64 px is larger than the tiles of"),
    ({}, {"batch_size": 1}, "A single tile of 32 px per step is too little to train on"),
    ({}, {"loss": "dice"}, "has a class for every image. Choose “focal” or another loss."),
    ({}, {"loss": "soft_labels"}, "The loss “soft_labels” learns from shares of classes in pixels, and"),
])
def test_what_teaches_nothing_is_refused(tmp_path, facts, settings, sentence):
    path = write_scenes(tmp_path / "scenes", **facts)
    with pytest.raises(DataError) as caught:
        finetune(str(path), str(tmp_path / "run"), Settings(**{**QUICK, **settings}))
    assert sentence in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_soft_labels_need_shares(tmp_path):
    path = write_dataset(tmp_path / "hard", count=6)
    with pytest.raises(DataError, match="learns from the shares of the classes in each pixel, and .* has none. Create the dataset anew with"):
        finetune(str(path), str(tmp_path / "run"), Settings(**QUICK, loss="purity_smoothing"))
