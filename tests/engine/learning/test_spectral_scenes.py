"""The classifier above a regression: it begins as the best regression there is, is exported, and keeps what the validation tiles are better for."""

import json

import numpy as np
import onnxruntime
import pytest
import torch
from scipy.special import expit, softmax

from eo_pretrain_qgis.engine.cards import single
from eo_pretrain_qgis.engine.classic.models import Labelled
from eo_pretrain_qgis.engine.classic.samples import measure_whitening, sample_rows
from eo_pretrain_qgis.engine.datasets.dataset import Dataset
from eo_pretrain_qgis.engine.datasets.splitting.label_shares import with_label
from eo_pretrain_qgis.engine.learning.data import LABELS, TileReader
from eo_pretrain_qgis.engine.learning.finetuning.blending import tried_shares
from eo_pretrain_qgis.engine.learning.finetuning.classification import Classification
from eo_pretrain_qgis.engine.learning.finetuning.evaluation import evaluate_run
from eo_pretrain_qgis.engine.learning.finetuning.labelled_tiles import Choices
from eo_pretrain_qgis.engine.learning.finetuning.recipe import finetune
from eo_pretrain_qgis.engine.learning.loop.runs import Run
from eo_pretrain_qgis.engine.learning.networks.spectral import SampleStatistics, SpectralClassifier
from eo_pretrain_qgis.engine.learning.networks.starting_weights import start_from
from eo_pretrain_qgis.engine.learning.probes import encoder_features
from tests.settings import finetuning as Settings

from ...arrays import changed_on_purpose
from ...listening import Listening
from .conftest import SMALL
from .tiny_scenes import write_scenes

CPU = torch.device("cpu")


def covered(folder, **facts):
    """Scenes some of whose images were measured in a part, and one of them nowhere."""
    path = write_scenes(folder, **facts)
    changed_on_purpose(path)
    images = np.load(path / "images-000.npy", mmap_mode="r+")
    images[::3, :, :9, :5] = 0
    images[5] = 0
    images.flush()
    return Dataset.open(path)


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    return covered(tmp_path_factory.mktemp("scenes") / "stripes")


def method(dataset, tiles=None):
    torch.manual_seed(0)
    network = SpectralClassifier(SMALL, dataset.inputs, len(dataset.classes))
    return Classification(dataset, network, CPU, Choices(8, tiles, augmentation="none"))


@torch.no_grad()
def rows_of(trained):
    """The labels that a method learns from."""
    return Labelled(trained.dataset, trained.network.seen, with_label(trained.dataset, trained.labelled), 1)


def scores(trained, tiles):
    return np.concatenate([found for _, _, found in trained.predict(trained.network, trained.reader, tiles, 16)])


def test_the_statistics_are_those_of_the_simple_classifiers(scenes):
    what, tiles = single(scenes.inputs), scenes.indices("all")
    whitening = measure_whitening(scenes, what, tiles)
    inside = SampleStatistics(what.centre)
    inside.adopt(whitening)
    for stride in (1, 24):  # 24 adds pixels that nobody measured
        batch = next(TileReader(scenes, scenes.inputs, stride, CPU).in_order(tiles, len(tiles)))
        found = inside(batch.images[what.name]).numpy()
        assert np.abs(found - sample_rows(scenes, what, whitening, tiles).features).max() < 1e-4
    assert not found[5].any()


@pytest.mark.parametrize("task", ["scene", "patch", "multilabel"])
def test_without_weights_it_begins_as_the_regression_on_statistics(tmp_path, task):
    dataset = covered(tmp_path / "covered", task=task)
    trained = method(dataset)
    trained.begin([], rows_of(trained), CPU)
    model = Labelled(dataset, single(dataset.inputs), dataset.indices("training"), 1).fit("statistics")
    tiles = dataset.indices("all")
    assert np.abs(scores(trained, tiles) - model.answers(dataset)(tiles)).max() < 1e-3


def test_with_weights_it_begins_as_a_regression_on_statistics_and_features(scenes):
    trained, tiles = method(scenes), scenes.indices("training")
    trained.begin(["classification_head.weight"], rows_of(trained), CPU)
    network = trained.network
    assert network.classification_head.weight.any() and not network.classification_head.bias.any()
    rows = np.concatenate([network.spectral(next(trained.reader.in_order(tiles, 64)).images["image"]).numpy(),
                           encoder_features(network.encoder, scenes, network.seen, tiles)], 1)
    joint = np.concatenate([network.linear.weight.detach(), network.classification_head.weight.detach()], 1)
    assert scores(trained, tiles) == pytest.approx(rows @ joint.T + network.linear.bias.detach().numpy(), abs=1e-3)
    network.blend(0)
    model = Labelled(scenes, network.seen, tiles, 1).fit("statistics")
    assert np.abs(scores(trained, tiles) - model.answers(scenes)(tiles)).max() < 1e-3


def test_tiles_without_a_label_teach_nothing(tmp_path):
    dataset = Dataset.open(write_scenes(tmp_path / "stripes"))
    changed_on_purpose(tmp_path / "stripes")
    labels = np.load(tmp_path / "stripes" / "labels-000.npy", mmap_mode="r+")
    labels[dataset.indices("training")[::4]] = 255
    labels.flush()
    dataset = Dataset.open(tmp_path / "stripes")
    trained = method(dataset, dataset.indices("training"))
    trained.begin(["classification_head.weight"], rows_of(trained), CPU)
    tiles = dataset.indices("test")
    assert (scores(trained, tiles).argmax(1) == dataset.labels(tiles)).mean() > 0.5


def test_blending_is_between_the_regression_and_all_of_it(scenes):
    trained, tiles = method(scenes), scenes.indices("validation")
    trained.begin(["classification_head.weight"], rows_of(trained), CPU)
    last = scores(trained, tiles)
    tried = tried_shares(trained.network, tiles, trained.reader)
    assert [int(one.counts.sum()) for one in tried.values()] == [len(tiles)] * 5
    for share in (0.0, 1.0):
        trained.begin(["classification_head.weight"], rows_of(trained), CPU)
        trained.network.blend(share)
        assert tried[share].score == pytest.approx((scores(trained, tiles).argmax(1) == scenes.labels(tiles)).mean())
    first = (trained.network.blend(0), scores(trained, tiles))[1]
    trained.begin(["classification_head.weight"], rows_of(trained), CPU)
    trained.network.blend(0.25)
    assert scores(trained, tiles) == pytest.approx(first + 0.25 * (last - first), abs=1e-3)


def test_scenes_of_one_sample_each_count_together(scenes):
    trained, tiles = method(scenes), scenes.indices("all")
    trained.begin([], rows_of(trained), CPU)
    placed = Dataset.open(scenes.folder)
    placed.__dict__["tiles"] = scenes.tiles.assign(scene=[str(number) for number in range(len(tiles))])
    reader = TileReader(placed, placed.inputs, trained.network.stride, CPU, targets=[LABELS])
    one, every = (tried_shares(trained.network, tiles, source)[1.0].score for source in (reader, trained.reader))
    assert one == every
    thirds = np.repeat(["a", "b", "c"], 16)
    placed.__dict__["tiles"] = scenes.tiles.assign(scene=thirds)
    right = scores(trained, tiles).argmax(1) == scenes.labels(tiles)
    assert tried_shares(trained.network, tiles, reader)[1.0].score == pytest.approx(np.mean([right[thirds == scene].mean() for scene in "abc"]))


@pytest.mark.parametrize("task", ["scene", "multilabel"])
def test_a_run_is_never_below_its_regression(tmp_path, task):
    path, heard = write_scenes(tmp_path / "scenes", task=task), Listening()
    settings = Settings(encoder=SMALL, epochs=1, batch_size=8, learning_rate=0.1, device="cpu", keep="best")
    finetune(str(path), str(tmp_path / "run"), settings, heard)
    card = json.loads((tmp_path / "run" / "run.json").read_text())
    assert card["architecture"] == "classifier above a regression"
    tried = dict(card["blend"]["scores"])
    dataset = Dataset.open(path)
    assert card["metrics"][dataset.kind.score] == pytest.approx(tried[card["blend"]["share"]]) == max(tried.values())
    model = Labelled(dataset, single(dataset.inputs), dataset.indices("training"), 1).fit("statistics")
    tiles = dataset.indices("validation")
    counted = dataset.kind.count(dataset.labels(tiles), model.answers(dataset)(tiles), len(dataset.classes))
    assert tried[0.0] == pytest.approx(dataset.kind.figures(counted)[dataset.kind.score], abs=1e-3)
    assert any("the regression" in text and "as in a map" not in text for text in heard.texts)
    assert evaluate_run(str(tmp_path / "run"), None, "test", 8, "cpu")[0]["score"] == dataset.kind.score


def test_a_start_gives_its_encoder_alone(scenes, tmp_path):
    """What its head has learned was learned above another regression."""
    finetune(str(scenes.folder), str(tmp_path / "run"), Settings(encoder=SMALL, epochs=1, batch_size=8, device="cpu"))
    network = SpectralClassifier(SMALL, scenes.inputs, len(scenes.classes))
    taken = start_from(network, str(tmp_path / "run" / "best.safetensors"), network.seen.names)
    assert taken.left_new == ["classification_head.weight", "classification_head.bias"]
    assert all(name.startswith("encoder.") for name in taken.matched)
    assert isinstance(Run.open(str(tmp_path / "run")).load_network(CPU), SpectralClassifier)


class Exported(torch.nn.Module):
    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, image):
        return self.network({"image": image}).softmax(1)


def test_it_can_be_exported(scenes, tmp_path):
    trained = method(scenes)
    trained.begin(["classification_head.weight"], rows_of(trained), CPU)
    model, path = Exported(trained.network).eval(), str(tmp_path / "model.onnx")
    rows, columns, number = (torch.export.Dim(name, min=1) for name in ("rows", "columns", "number"))
    stride = trained.network.stride
    torch.onnx.export(model, (torch.zeros(2, 3, 3 * stride, 2 * stride),), path, dynamo=True, external_data=False, verbose=False,
                      dynamic_shapes=({0: number, 2: stride * rows, 3: stride * columns},))
    session = onnxruntime.InferenceSession(path)
    for image in (next(trained.reader.in_order(scenes.indices("all"), 48)).images["image"], 1500 + 400 * torch.randn(1, 3, 96, 32)):
        with torch.no_grad():
            expected = model(image).numpy()
        assert np.abs(session.run(None, {session.get_inputs()[0].name: image.contiguous().numpy()})[0] - expected).max() < 1e-4


@pytest.mark.parametrize("approach", ["statistics", "boosting"])
@pytest.mark.parametrize("task", ["scene", "multilabel"])
def test_simple_models_of_whole_samples_have_a_graph(tmp_path, task, approach):
    dataset = covered(tmp_path / "covered", task=task)
    model = Labelled(dataset, single(dataset.inputs), dataset.indices("training"), 1).fit(approach)
    tiles = dataset.indices("all")
    images, valid = dataset.read(model.what, tiles)
    image = np.where(valid[:, None], images, np.reshape(model.what.centre, (1, -1, 1, 1))).astype(np.float32)
    found = onnxruntime.InferenceSession(model.graph().SerializeToString()).run(None, {"image": image})[0]
    answers = model.answers(dataset)(tiles)
    expected = expit(answers) if task == "multilabel" else softmax(answers, 1)
    apart = np.abs(found - expected).max(1)
    assert apart.max() < 1e-4 if approach == "statistics" else np.quantile(apart, 0.9) < 1e-4  # a value at a threshold may go the other way
