"""What of a network learns: parts of the encoder, at which rates, or nothing but a simple classifier on its features."""

import json
import shutil

import numpy as np
import pytest
import torch

from eo_pretrain_qgis.engine.classic.models import Labelled
from eo_pretrain_qgis.engine.datasets.dataset import Dataset
from eo_pretrain_qgis.engine.learning.data import LABELS, TileReader
from eo_pretrain_qgis.engine.learning.export import Probabilities, largest_difference, to_onnx
from eo_pretrain_qgis.engine.learning.finetuning.evaluation import evaluate_run
from eo_pretrain_qgis.engine.learning.finetuning.recipe import finetune
from eo_pretrain_qgis.engine.learning.loop.optimizers import make_optimizer
from eo_pretrain_qgis.engine.learning.loop.runs import Run
from eo_pretrain_qgis.engine.learning.loop.training import Plan
from eo_pretrain_qgis.engine.learning.networks.class_networks import ClassificationNetwork
from eo_pretrain_qgis.engine.learning.networks.encoders import build_encoder
from eo_pretrain_qgis.engine.learning.networks.fitted import NearestNeighbours, PixelProbe
from eo_pretrain_qgis.engine.learning.networks.stages import encoder_stages, freeze_all_but_last, slow_down
from eo_pretrain_qgis.engine.learning.probes import encoder_features
from eo_pretrain_qgis.engine.measures.linear_probe import nearest_neighbours
from eo_pretrain_qgis.engine.models.session import on_processor
from eo_pretrain_qgis.engine.runs.run_record import read_card
from eo_pretrain_qgis.errors import DataError, JobError
from eo_pretrain_qgis.jobs import JOBS
from tests.inputs import inputs
from tests.settings import finetuning as Settings

from ...listening import Listening
from .conftest import SMALL
from .tiny_scenes import write_scenes

CPU = torch.device("cpu")


def network(encoder="resnet18"):
    torch.manual_seed(0)
    return ClassificationNetwork(encoder, inputs(3), 4)


@pytest.mark.parametrize(("encoder", "first", "last", "stages"), [
    ("resnet18", "conv1.weight", "layer4.1.bn2.bias", 5), ("mobilenet_v2", "features.0.0.weight", "features.18.1.bias", 5),
    ("tu-test_convnext", "model.stem_0.weight", "model.stages_3.blocks.0.gamma", 4), ("tu-test_efficientnet", "model.conv_stem.weight", "", 5)])
def test_stages_go_from_the_bands_to_the_deepest_level(encoder, first, last, stages):
    built = build_encoder(encoder, 3).train()
    found = encoder_stages(built, 3)
    assert list(found) == [name for name, _ in built.named_parameters()]
    assert sorted(set(found.values())) == list(range(stages))
    assert found[first] == 0
    assert not last or found[last] == stages - 1
    assert built.training and not any(one.grad is not None for one in built.parameters())


def test_of_a_resnet_the_stages_are_its_layers():
    found = encoder_stages(build_encoder("resnet18", 3), 3)
    assert all(stage == int(name[5]) for name, stage in found.items() if name.startswith("layer"))


def test_the_last_stage_alone_learns():
    learner = network()
    freeze_all_but_last(learner)
    learning = {name.split(".")[1] for name, one in learner.named_parameters() if one.requires_grad}
    assert learning == {"layer4", "weight", "bias"}
    learner.train()
    before = {name: value.clone() for name, value in learner.encoder.named_buffers() if "num_batches" not in name}
    learner({"image": 5 + torch.randn(2, 3, 64, 64)})
    moved = {name.split(".")[0] for name, value in learner.encoder.named_buffers() if name in before and not torch.equal(value, before[name])}
    assert moved == {"layer4"}, "frozen normalisation layers keep their statistics"


def test_the_rate_falls_from_stage_to_stage():
    learner = network()
    slow_down(learner)
    optimizer = make_optimizer(learner, Plan(1, weight_decay=0.1), False)
    groups = {id(one): group for group in optimizer.param_groups for one in group["params"]}
    share = {name: groups[id(one)].get("rate_share", 1.0) for name, one in learner.named_parameters()}
    assert share["classification_head.weight"] == 1
    for layer in range(1, 5):
        assert share[f"encoder.layer{layer}.0.conv1.weight"] == pytest.approx(2.6 ** (layer - 5))
    assert share["encoder.conv1.weight"] == pytest.approx(2.6**-5)
    decays = {name: groups[id(one)]["weight_decay"] for name, one in learner.named_parameters()}
    assert (decays["encoder.layer1.0.conv1.weight"], decays["encoder.layer1.0.bn1.weight"]) == (0.1, 0.0)


@pytest.fixture(scope="module")
def scenes_folder(tmp_path_factory):
    return write_scenes(tmp_path_factory.mktemp("scenes") / "stripes")


def test_neighbours_vote_as_those_of_scikit_learn(scenes_folder, run_folder, tmp_path):
    heard = Listening()
    finetune(str(scenes_folder), str(tmp_path / "run"), Settings(start=str(run_folder), mode="knn", device="cpu", precision="float32"), heard)
    assert any("No step of gradient descent is taken" in text for text in heard.texts)
    run, dataset = Run.open(str(tmp_path / "run")), Dataset.open(scenes_folder)
    found = run.load_network(CPU)
    assert isinstance(found, NearestNeighbours)
    known, asked = (encoder_features(found.encoder, dataset, found.seen, dataset.indices(split)) for split in ("training", "test"))
    expected = nearest_neighbours(known, dataset.labels(dataset.indices("training")), asked)
    reader = TileReader(dataset, found.inputs, found.stride, CPU, targets=[LABELS])
    answers = np.concatenate([scores for _, _, scores in run.learner.method.predict(found, reader, dataset.indices("test"), 4)])
    assert (answers.argmax(1) == expected).all()
    facts, _ = evaluate_run(run.folder, None, "test", 8, "cpu")
    assert facts["model"]["overall_accuracy"] == pytest.approx((expected == dataset.labels(dataset.indices("test"))).mean())
    before = (tmp_path / "run" / "run.json").read_text()
    finetune(str(scenes_folder), run.folder, Settings(start=str(run_folder), mode="knn", device="cpu", precision="float32"))
    assert (tmp_path / "run" / "run.json").read_text() == before


def test_shares_of_votes_are_scores_of_several_classes():
    found = NearestNeighbours(SMALL, inputs(3), 2).eval()
    features = np.random.default_rng(0).standard_normal((3, found.known.shape[1])).astype(np.float32)
    found.remember(features, np.array([[1, 0], [1, 1], [0, 0]]))
    with torch.no_grad():
        assert found({"image": torch.randn(2, 3, 32, 32)}).sigmoid().numpy() == pytest.approx(np.tile([2 / 3, 1 / 3], (2, 1)), abs=1e-5)


@pytest.mark.parametrize("mode", ["probe", "frozen"])
def test_a_frozen_encoder_stays_that_of_the_start(scenes_folder, run_folder, tmp_path, mode):
    steps = {} if mode == "probe" else {"epochs": 1, "batch_size": 8}
    finetune(str(scenes_folder), str(tmp_path / "run"), Settings(start=str(run_folder), mode=mode, device="cpu", **steps))
    card = json.loads((tmp_path / "run" / "run.json").read_text())
    assert (card["settings"]["mode"], card["architecture"]) == (mode, "classifier above a regression")
    kept, before = (Run.open(str(folder)).load_network(CPU).encoder.state_dict() for folder in (tmp_path / "run", run_folder))
    assert all(torch.equal(tensor, before[name]) for name, tensor in kept.items() if "num_batches" not in name)


def test_the_features_of_a_pixel_are_the_levels_around_it(dataset):
    torch.manual_seed(0)
    found, image = PixelProbe(SMALL, dataset.inputs, 2).eval(), 1000 + 300 * torch.randn(1, 3, 64, 64)
    rows, columns = np.array([0, 13, 63, 40]), np.array([0, 50, 63, 7])
    with torch.no_grad():
        large = torch.cat([torch.nn.functional.interpolate(level, (64, 64), mode="bilinear") for level in found.levels(image)], 1)[0]
        assert found.features_at(image, rows, columns) == pytest.approx(large[:, rows, columns].T.numpy(), abs=1e-4)
        weight = torch.cat([layer.weight for layer in found.segmentation_head], 1)
        assert found.parts({"image": image})[1].numpy() == pytest.approx(torch.nn.functional.conv2d(large[None], weight).numpy(), abs=1e-4)


def test_a_probe_of_pixels_is_measured_mapped_and_no_worse_than_the_statistics(dataset, run_folder, tmp_path):
    result = finetune(str(dataset.folder), str(tmp_path / "run"), Settings(start=str(run_folder), mode="probe", device="cpu"))
    assert result["validation_iou"] > 0.9
    run = Run.open(str(tmp_path / "run"))
    found = run.load_network(CPU)
    assert isinstance(found, PixelProbe)
    assert run.card["epochs_run"] == 1
    facts, _ = evaluate_run(run.folder, None, "test", 2, "cpu")
    assert facts["model"]["mean_iou"] > facts["statistics"]["mean_iou"] - 0.03
    model = Probabilities(found).eval()
    session = on_processor(to_onnx(model, {"image": 3}, found.stride, SMALL))
    assert largest_difference(model, session, [{"image": 1000 + 300 * np.random.default_rng(0).standard_normal((1, 3, 96, 64), np.float32)}]) <= 1e-4
    found.blend(0)
    tiles = dataset.indices("test")
    model = Labelled(dataset, found.seen, dataset.indices("training"), 1).fit("statistics")
    with torch.no_grad():
        answers = found(next(TileReader(dataset, found.inputs, found.stride, CPU, context=8).in_order(tiles, 4)).images).numpy()
    answers = answers[:, :, 8:8 + dataset.tile_size, 8:8 + dataset.tile_size]
    valid = np.broadcast_to(dataset.read(found.seen, tiles)[1][:, None], answers.shape)
    assert np.abs(answers - model.answers(dataset)(tiles))[valid].max() < 1e-3


def test_nearest_neighbours_of_pixels_are_refused(dataset, run_folder, tmp_path):
    with pytest.raises(DataError, match="The mode “knn” compares images as a whole, and in .* every pixel has a class. Choose “probe”"):
        finetune(str(dataset.folder), str(tmp_path / "run"), Settings(start=str(run_folder), mode="knn", device="cpu"))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("mode", ["frozen", "last_blocks", "discriminative", "probe", "knn"])
def test_all_modes_but_the_usual_need_starting_weights(tmp_path, mode):
    (tmp_path / "dataset.json").touch()
    with pytest.raises(JobError, match=f"The mode “{mode}” keeps what starting weights know, and there are none. Give starting weights"):
        JOBS["finetune"].from_values({"dataset": str(tmp_path), "output": "run", "mode": mode}).check()


@pytest.mark.parametrize(("given", "label"), [({"learning_rate": 0.1}, "Learning rate"), ({"spread_labels": "yes"}, "Spread the labels")])
def test_what_only_steps_need_is_refused_without_steps(tmp_path, given, label):
    (tmp_path / "dataset.json").touch()
    with pytest.raises(JobError, match=f"The mode “probe” takes no steps, and “{label}” was set. Leave it as it is, or choose another one."):
        JOBS["finetune"].from_values({"dataset": str(tmp_path), "start": str(tmp_path), "output": "run", "mode": "probe", **given}).check()


@pytest.mark.parametrize(("frozen", "mode"), [(True, "frozen"), (False, "fine_tune")])
def test_runs_that_said_whether_the_encoder_was_frozen_go_on(run_folder, dataset_folder, tmp_path, frozen, mode):
    shutil.copytree(run_folder, tmp_path / "run")
    path = tmp_path / "run" / "run.json"
    card = json.loads(path.read_text())
    card["settings"] = {name: value for name, value in card["settings"].items() if name != "mode"} | {"frozen_encoder": frozen}
    path.write_text(json.dumps(card | {"version": 2}))
    assert read_card(str(path))["settings"]["mode"] == mode
    if not frozen:
        settings = Settings(encoder=SMALL, epochs=3, batch_size=4, learning_rate=0.003, device="cpu")
        assert finetune(str(dataset_folder), str(tmp_path / "run"), settings)["epochs_run"] == 3
        assert {"version", "settings"} <= json.loads(path.read_text()).keys()
