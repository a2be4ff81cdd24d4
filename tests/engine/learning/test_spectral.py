"""The U-Net above a regression: it begins as the regression, adds to it, and keeps of that what the validation tiles are better for."""

import json

import numpy as np
import pytest
import torch

from eo_pretrain_qgis.engine.cards import single
from eo_pretrain_qgis.engine.classic.classifiers import Regression
from eo_pretrain_qgis.engine.classic.models import Labelled
from eo_pretrain_qgis.engine.datasets.dataset import Dataset
from eo_pretrain_qgis.engine.learning.data import LABELS, TileReader
from eo_pretrain_qgis.engine.learning.finetuning.blending import Tried, best_share, blended, tried_shares
from eo_pretrain_qgis.engine.learning.finetuning.recipe import finetune
from eo_pretrain_qgis.engine.learning.loop.optimizers import make_optimizer, set_rate
from eo_pretrain_qgis.engine.learning.loop.runs import Run
from eo_pretrain_qgis.engine.learning.loop.training import Plan
from eo_pretrain_qgis.engine.learning.networks.spectral import SpectralUNet
from eo_pretrain_qgis.engine.learning.networks.starting_weights import start_from
from eo_pretrain_qgis.engine.tasks import TASKS
from tests.settings import finetuning as Settings

from ...listening import Listening
from .conftest import SMALL
from .tiny import write_dataset

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return Dataset.open(write_dataset(tmp_path_factory.mktemp("spectral") / "discs", count=36, size=32))


@pytest.fixture
def begun(dataset):
    """A network that begins, and the model that it begins as."""
    torch.manual_seed(0)
    model = Labelled(dataset, single(dataset.inputs), dataset.indices("training"), 1).fit("statistics")
    assert isinstance(model.classifier, Regression)
    network = SpectralUNet(SMALL, dataset.inputs, 2)
    network.begin(model.whitening, model.classifier)
    return network.eval(), model


def scores(network, dataset, tiles):
    with torch.no_grad():
        return network(reader(dataset, network).batches([part(tiles)]).__next__().images)[:, :, :32, :32].numpy()


def reader(dataset, network):
    return TileReader(dataset, network.inputs, network.stride, CPU, targets=[LABELS])


def part(tiles):
    from eo_pretrain_qgis.engine.learning.data import Part

    return Part(tiles)


def learned(network, seed=3):
    """As if it had learned something."""
    torch.manual_seed(seed)
    with torch.no_grad():
        for parameter in (*network.linear.parameters(), *network.segmentation_head.parameters()):
            parameter.add_(torch.randn_like(parameter))
    return network


def test_it_begins_as_the_regression(dataset, begun):
    network, model = begun
    tiles = dataset.indices("test")
    valid = dataset.read(network.seen, tiles)[1]
    apart = np.abs(scores(network, dataset, tiles) - model.answers(dataset)(tiles))
    inner = (..., slice(3, -3), slice(3, -3))  # the network sees nothing around a tile, the model its mirror image
    assert apart[inner][np.broadcast_to(valid[:, None], apart.shape)[inner]].max() < 1e-3


def test_blending_is_between_regression_and_network(dataset, begun):
    network, tiles = begun[0], dataset.indices("test")
    first = scores(network, dataset, tiles)
    last = scores(learned(network), dataset, tiles)
    for share, rest in ((0.75, 0.75), (1.0, 0.75), (0.0, 0.0)):
        network.blend(share)
        assert scores(network, dataset, tiles) == pytest.approx(first + rest * (last - first), abs=1e-3)


def test_what_was_not_measured_changes_no_score_around_it(dataset, begun):
    network = begun[0]
    images = torch.tensor(network.seen.centre).view(1, -1, 1, 1).repeat(1, 1, 32, 32) + 100 * torch.randn(1, 3, 32, 32)
    images[:, :, :, 20:] = network.spectral.fill
    narrow = images[:, :, :, :20]
    with torch.no_grad():
        assert network.spectral(images)[..., :20].numpy() == pytest.approx(network.spectral(narrow).numpy(), abs=1e-5)


def test_the_share_with_the_best_score_is_kept(dataset, begun):
    network, tiles = begun[0], dataset.indices("validation")
    found = tried_shares(learned(network), tiles, reader(dataset, network))
    assert list(found) == [0.0, 0.25, 0.5, 0.75, 1.0]
    assert found[best_share(found)].score == max(one.score for one in found.values())
    assert best_share({share: Tried(score, np.zeros(0)) for share, score in ((0.0, 0.5), (0.5, 0.7), (1.0, 0.7))}) == 0.5
    assert best_share({}) == 1.0


def test_scenes_count_alike_where_there_are_three(dataset, begun):
    network, tiles = begun[0], dataset.indices("validation")
    table = dataset.tiles.assign(scene="a")
    table.loc[tiles[0], "scene"], table.loc[tiles[1], "scene"] = "b", "c"
    placed = Dataset.open(dataset.folder)
    placed.__dict__["tiles"] = table
    learned(network)
    single_scene = {one: tried_shares(network, tiles[[place]], reader(placed, network))[1.0].score for place, one in enumerate("bc")}
    rest = tried_shares(network, tiles[2:], reader(placed, network))[1.0].score
    assert tried_shares(network, tiles, reader(placed, network))[1.0].score == pytest.approx(np.mean([*single_scene.values(), rest]))


@pytest.mark.parametrize(("share", "said"), [(0.0, "adds nothing"), (0.5, "50% of what"), (1.0, "All of what")])
def test_what_was_kept_is_said(share, said):
    assert said in blended(share, {one: Tried(score, np.zeros(0)) for one, score in ((0.0, 0.5), (0.5, 0.6), (1.0, 0.55))}, TASKS["segmentation"])


def test_the_regression_learns_slower_than_the_rest(begun):
    network = begun[0]
    optimizer = make_optimizer(network, Plan(1, learning_rate=0.01), False)
    set_rate(optimizer, 0.01)
    rates = {id(parameter): group["lr"] for group in optimizer.param_groups for parameter in group["params"]}
    assert {rates[id(parameter)] for parameter in network.linear.parameters()} == {0.001}
    assert rates[id(network.segmentation_head[0].weight)] == 0.01
    assert not {id(parameter) for parameter in network.begun.parameters()} & rates.keys()


def test_a_run_is_never_below_its_regression(dataset, tmp_path):
    heard = Listening()
    settings = Settings(encoder=SMALL, epochs=1, batch_size=4, learning_rate=0.1, keep="best", device="cpu")
    finetune(str(dataset.folder), str(tmp_path / "run"), settings, heard)
    card = json.loads((tmp_path / "run" / "run.json").read_text())
    assert card["architecture"] == "unet above a regression"
    tried = dict(card["blend"]["scores"])
    assert card["metrics"]["mean_iou"] == pytest.approx(tried[card["blend"]["share"]]) == max(tried.values())
    assert any("the regression" in text for text in heard.texts)
    network = Run.open(str(tmp_path / "run")).load_network(CPU)
    assert isinstance(network, SpectralUNet)


def test_another_run_takes_encoder_and_decoder_and_no_whitening(dataset, tmp_path, begun):
    finetune(str(dataset.folder), str(tmp_path / "run"), Settings(encoder=SMALL, epochs=1, batch_size=4, device="cpu"))
    network = begun[0]
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    taken = start_from(network, str(tmp_path / "run"), network.seen.names)
    assert any(name.startswith("decoder.") for name in taken.matched)
    for name, tensor in network.state_dict().items():
        if name.startswith(("spectral.", "linear.", "begun.", "fine.")):
            assert torch.equal(tensor, before[name]), name
