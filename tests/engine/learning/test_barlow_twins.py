import csv
import json
import shutil

import numpy as np
import pytest
import torch
from torch import multiprocessing

from eo_pretrain_qgis.engine.datasets.dataset import Dataset
from eo_pretrain_qgis.engine.learning.loop.checkpoints import load_tensors
from eo_pretrain_qgis.engine.learning.loop.processes import SynchronisedNorm, processes, synchronise
from eo_pretrain_qgis.engine.learning.pretraining.barlow_twins.loss import correlation, shared_loss, twin_loss
from eo_pretrain_qgis.engine.learning.pretraining.barlow_twins.method import ImageTower, TwinNetwork, Twins, effective_rank, feature_spread
from eo_pretrain_qgis.engine.learning.pretraining.barlow_twins.neighbours import Neighbours
from eo_pretrain_qgis.engine.learning.pretraining.barlow_twins.recipe import BarlowTwins, pretrain_barlow_twins
from eo_pretrain_qgis.engine.learning.probes import Probe
from eo_pretrain_qgis.errors import Cancelled, DataError
from tests.settings import barlow_twins as Settings

from ... import scenes_pretraining as made
from ...listening import Cancelling, Listening
from .conftest import SMALL
from .halves import half, small_tower
from .tiny_scenes import write_scenes

QUICK = {"encoder": SMALL, "epochs": 1, "batch_size": 8, "projector_width": 16, "crop": 16, "warmup_epochs": 0, "device": "cpu"}


@pytest.fixture(scope="module")
def tiles(tmp_path_factory):
    return made.unlabelled(tmp_path_factory.mktemp("tiles"))


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    return made.unlabelled_paired(tmp_path_factory.mktemp("pair"))


@pytest.fixture(scope="module")
def labelled(tmp_path_factory):
    return write_scenes(tmp_path_factory.mktemp("labelled") / "stripes")


def method(folder, progress=None, probe=None, **changes):
    dataset, settings = Dataset.open(folder), Settings(**{**QUICK, **changes})
    torch.manual_seed(0)
    network = TwinNetwork([ImageTower(SMALL, seen, settings.projector_width) for seen in dataset.inputs.values()])
    return Twins(dataset, network, settings, torch.device("cpu"), probe, progress=progress or Listening())


def rows(folder):
    return list(csv.DictReader((folder / "metrics.csv").open()))


def test_the_loss_is_that_of_lightly():
    """`lightly.loss.BarlowTwinsLoss(0.005)` of version 1.6.0 gives the number."""
    first, second = torch.randn(2, 32, 12, generator=torch.Generator().manual_seed(1))
    second = first + 0.5 * second
    assert float(twin_loss(correlation(first, second), 0.005)) == pytest.approx(0.152393, rel=1e-4)


def test_equal_views_without_redundancy_cost_nothing():
    rng = torch.Generator().manual_seed(1)
    whole, _ = torch.linalg.qr(torch.randn(64, 8, generator=rng) - 0.0)
    columns = torch.linalg.qr(torch.cat([torch.ones(64, 1), whole], 1))[0][:, 1:]  # of mean 0, at right angles
    assert float(twin_loss(correlation(8 * columns, 8 * columns), 0.005)) < 0.01
    assert float(twin_loss(correlation(columns[:, :1].expand(-1, 8), columns[:, :1].expand(-1, 8)), 0.005)) == pytest.approx(0.005 * 56, rel=0.1)


def test_two_sensors_share_some_dimensions_and_keep_the_others_apart():
    perfect = torch.diag(torch.tensor([1.0, 1, 1, 0, 0]))
    assert float(shared_loss(perfect, 3, 0.005)) == 0
    assert float(shared_loss(torch.eye(5), 3, 0.005)) == 2, "dimensions of one sensor alone must not agree"
    assert float(shared_loss(torch.zeros(5, 5), 3, 0.005)) == 3
    assert float(shared_loss(perfect, 5, 0.005)) == 2


def test_half_a_batch_twice_is_not_a_batch():
    first, second = torch.randn(2, 32, 12, generator=torch.Generator().manual_seed(1))
    halves = [twin_loss(correlation(first[part], second[part]), 0.005) for part in (slice(0, 16), slice(16, 32))]
    assert float(sum(halves)) / 2 != pytest.approx(float(twin_loss(correlation(first, second), 0.005)), rel=0.01)


def test_two_processes_have_the_loss_and_the_gradients_of_one_with_the_whole_batch(tmp_path):
    multiprocessing.spawn(half, (str(tmp_path / "meeting"), str(tmp_path / "result")), nprocs=2)
    network = small_tower()
    views = torch.randn(2, 16, 2, 8, 8, generator=torch.Generator().manual_seed(2))
    loss = twin_loss(correlation(network(views[0]), network(views[1])), 0.005)
    loss.backward()
    largest = max(float(parameter.grad.abs().max()) for parameter in network.parameters())
    for rank in range(2):
        found = torch.load(tmp_path / f"result-{rank}.pt", weights_only=True)
        assert float(found["loss"]) == pytest.approx(float(loss.detach()), rel=1e-5)
        for ours, theirs in zip(found["gradients"], network.parameters(), strict=True):
            assert torch.allclose(ours, theirs.grad, rtol=1e-3, atol=1e-5 * largest)
        for ours, theirs in zip(found["statistics"], network.buffers(), strict=True):
            assert torch.allclose(ours, theirs, rtol=1e-4, atol=1e-6)


def test_normalisation_layers_keep_their_tensors_when_synchronised():
    network = small_tower()
    before = network.state_dict()
    synchronise(network)
    assert isinstance(network[1], SynchronisedNorm) and isinstance(network[6], SynchronisedNorm)
    assert list(network.state_dict()) == list(before)
    assert processes() == 1
    assert network(torch.randn(4, 2, 8, 8)).shape == (4, 8)


def test_an_epoch_shows_every_tile_once_and_follows_from_seed_and_epoch(tiles):
    trained = method(tiles)
    first, again, other = (list(trained.batches(1, epoch)) for epoch in (0, 0, 1))
    assert [len(batch) for batch in first] == [8, 8]
    assert sorted(trained.tiles) == sorted(Dataset.open(tiles).indices("training"))
    first, again, other = (batches[0] for batches in (first, again, other))
    assert torch.equal(first.images["image"], again.images["image"]) and torch.equal(first.targets["image"], again.targets["image"])
    assert not torch.equal(first.images["image"], other.images["image"])
    assert not torch.equal(first.images["image"], first.targets["image"]), "the two views of a tile differ"


def test_no_batch_has_a_single_tile(tiles):
    trained, heard = method(tiles, batch_size=2), Listening()
    trained.tiles = trained.held_out = trained.tiles[:5]
    assert trained.steps == 2
    assert [len(batch) for batch in trained.batches(1, 0)] == [3, 2]
    assert np.isfinite(trained.validate(heard)[:3]).all()
    assert any("held-out tiles" in event["text"] for event in heard.events), "checking takes long, and must hear a cancel"


def test_a_probe_stored_otherwise_is_scaled_by_physical_values(labelled, tmp_path):
    shutil.copytree(labelled, tmp_path / "offset")
    known = json.loads((tmp_path / "offset" / "dataset.json").read_text(encoding="utf-8"))
    for band in known["sensors"][0]["bands"]:
        band["offset"] = -0.1
    (tmp_path / "offset" / "dataset.json").write_text(json.dumps(known), encoding="utf-8")
    seen = Dataset.open(labelled).inputs["image"]
    plain, moved = (Dataset.open(folder).read(seen, np.arange(4))[0] for folder in (labelled, tmp_path / "offset"))
    assert moved == pytest.approx(plain.astype(float) - 1000, abs=0.01)
    trained = method(labelled, probe=Probe(Dataset.open(tmp_path / "offset")))
    assert trained.asked is trained.towers[0]


def test_a_divided_batch_says_that_its_loss_is_another(tiles):
    heard = Listening()
    trained = method(tiles, heard)
    batch = next(trained.batches(1, 0))
    assert [len(part) for part in batch.split(1)] == [8]
    assert [len(part) for part in batch.split(2)] == [4, 4]
    assert [len(part) for part in batch.split(64)] == [2, 2, 2, 2], "one tile has no statistics"
    for part in (batch, *batch.split(2)):
        trained.loss("network", trained.parts, part)
    assert len(heard.texts) == 1
    assert heard.texts[0].startswith("The loss is now that of batches of 4 tiles, which is not the loss of the whole batch")


@pytest.mark.parametrize(("features", "rank", "spread"), [
    (np.random.default_rng(0).normal(size=(4000, 10)), 10, 1),
    (np.outer(np.random.default_rng(0).normal(size=100), np.ones(10)), 1, None),
    (np.ones((50, 10)), 1, 0),
])
def test_rank_and_spread_tell_collapse(features, rank, spread):
    assert effective_rank(features) == pytest.approx(rank, rel=0.02)
    if spread is not None:
        assert feature_spread(features) == pytest.approx(spread, abs=0.02)


def test_collapse_is_said_once(tiles):
    heard = Listening()
    trained = method(tiles, heard)
    for _ in range(2):
        found = trained.figures(np.array([9.0, 1.01, 0.5, np.nan, np.nan, np.nan]))
    assert found == {"validation_loss": 9.0, "feature_rank": 1.01, "feature_spread": 0.5, "validation_score": -9.0}
    assert len(heard.texts) == 1
    assert "the encoder says the same of every tile" in heard.texts[0]


def test_encoders_have_the_names_of_torchvision(tiles):
    import torchvision

    dataset = Dataset.open(tiles)
    ours = ImageTower("resnet18", dataset.inputs["image"], 8).encoder.state_dict()
    theirs = {name for name in torchvision.models.resnet18().state_dict() if not name.startswith("fc.")}
    assert set(ours) == theirs


def test_the_loss_of_a_batch_falls(tiles):
    trained = method(tiles, batch_size=16)
    batch, optimizer = next(trained.batches(1, 0)), torch.optim.Adam(trained.network.parameters(), 0.003)
    losses = []
    for _ in range(30):
        loss = trained.loss("network", trained.parts, batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.5 * losses[0]


def test_a_run_keeps_its_encoder_and_another_starts_from_it(tiles, tmp_path):
    heard = Listening()
    found = pretrain_barlow_twins(str(tiles), str(tmp_path / "run"), Settings(**QUICK), heard)
    assert any(text.startswith("Batches of 8 tiles are small for Barlow Twins") for text in heard.texts)
    card = json.loads((tmp_path / "run" / "encoder.json").read_text())
    assert (card["method"], card["encoder"], [band["name"] for band in card["bands"]]) == ("barlow twins", SMALL, ["B04", "B03", "B02"])
    encoder, whole = load_tensors(found["encoder"]), load_tensors(found["checkpoint"])
    assert all(torch.equal(whole["encoder." + name], value) for name, value in encoder.items())
    assert not [name for name in encoder if "projector" in name]
    heard = Listening()
    pretrain_barlow_twins(str(tiles), str(tmp_path / "next"), Settings(**QUICK, start=found["encoder"]), heard)
    assert any("tensors taken over" in text for text in heard.texts)


class Untouched:
    """Views that are the tiles."""

    def __call__(self, batch, generator):
        return batch.images["image"]


def test_a_killed_run_goes_on_as_if_nothing_had_happened(tiles, labelled, tmp_path):
    settings = Settings(**{**QUICK, "epochs": 3}, probe=str(labelled), probe_every=2)
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    pretrain_barlow_twins(str(labelled), str(whole), settings, Listening())
    with pytest.raises(Cancelled):
        pretrain_barlow_twins(str(labelled), str(cut), settings, Cancelling(lambda heard: heard.reached("Epoch 3")))
    assert len(rows(cut)) < 3
    pretrain_barlow_twins(str(labelled), str(cut), settings, Listening())
    for name in ("loss", "validation_loss", "feature_rank", "probe_linear"):
        assert [row[name] for row in rows(cut)] == [row[name] for row in rows(whole)]
    assert [bool(row["probe_linear"]) for row in rows(whole)] == [True, True, True], "the first, every second and the last epoch"
    card = json.loads((whole / "run.json").read_text())
    assert set(card["probe_baseline"]) >= {"probe_knn", "probe_linear"}
    page = (whole / "report.html").read_text()
    for words in ("in the linear probe on its validation tiles", "Probe beside image statistics",
                   "What the encoder takes for alike", "Place and data it learned from"):
        assert words in page


def test_a_labelled_probe_chooses_the_epoch_and_no_loss_does(labelled):
    dataset = Dataset.open(labelled)
    kept = [BarlowTwins(dataset, dataset.inputs, Settings(**QUICK), probe).plan().keep for probe in (None, Probe(dataset))]
    assert kept == ["last", "best"]


def test_a_probe_of_other_bands_is_refused(labelled, tmp_path):
    radar = made.unlabelled_radar(tmp_path)
    with pytest.raises(DataError, match=r"has the bands B02, B03, B04, but the encoder learns from VV, VH. Choose one of the same bands and units"):
        pretrain_barlow_twins(str(radar), str(tmp_path / "run"), Settings(**QUICK, probe=str(labelled)), Listening())
    assert not (tmp_path / "run").exists()


def test_a_probe_is_asked_by_the_names_of_the_bands(tiles, labelled):
    """The bands of the labelled tiles are in another order than those of the encoder."""
    trained = method(tiles, probe=Probe(Dataset.open(labelled)))
    assert trained.asked.seen.names == ["B04", "B03", "B02"]
    found, _ = trained.probe.dataset.read(trained.asked.seen, np.arange(2))
    assert np.array_equal(found, Dataset.open(labelled).images(np.arange(2))[:, ::-1])


def test_each_of_two_sensors_gets_an_encoder_and_the_loss_counts_both_and_what_they_share(pair, tmp_path):
    trained = method(pair, shared=0.75)
    batch = next(trained.batches(1, 0))
    assert [{name: tuple(view.shape) for name, view in views.items()} for views in (batch.images, batch.targets)] == [
        {"s2": (8, 3, 16, 16), "s1": (8, 2, 16, 16)}] * 2
    with torch.no_grad():
        first, second = trained.network(batch.images, batch.targets)
    terms = [twin_loss(correlation(*first), 0.005), twin_loss(correlation(*second), 0.005),
             shared_loss(correlation(first[0], second[0]), 12, 0.005)]
    assert float(trained.loss("network", {"network": lambda *views: [first, second]}, batch)) == pytest.approx(sum(map(float, terms)) / 3, rel=1e-5)
    pretrain_barlow_twins(str(pair), str(tmp_path / "run"), Settings(**QUICK, sensors="pair"), Listening())
    cards = {name: json.loads((tmp_path / "run" / f"{name}.json").read_text()) for name in ("encoder", "encoder_s1", "encoder_s2")}
    assert {name: [band["name"] for band in card["bands"]] for name, card in cards.items()} == {
        "encoder": ["B04", "B03", "B02"], "encoder_s1": ["VV", "VH"], "encoder_s2": ["B04", "B03", "B02"]}
    assert load_tensors(str(tmp_path / "run" / "encoder_s1.safetensors"))["model.conv1.0.weight"].shape[1] == 2


def test_the_plan_is_that_of_the_slides_or_of_the_paper(tiles):
    dataset = Dataset.open(tiles)
    slides, paper = (BarlowTwins(dataset, dataset.inputs, Settings(optimizer=name, batch_size=512)).plan() for name in ("adam", "lars"))
    assert (slides.optimizer, slides.learning_rate, slides.warmup_epochs, slides.schedule, slides.final_rate) == ("adam", 1e-3, 10, "cosine", 0)
    assert (paper.optimizer, paper.learning_rate, paper.weight_decay, paper.final_rate) == ("lars", 0.4, 1e-6, 0.001)
    assert slides.clip_norm is paper.clip_norm is None


def test_neighbours_are_near_both_ways():
    angles = np.radians([0, 2, 5, 90, 100, 108, 180, 300])
    features = np.stack([np.cos(angles), np.sin(angles)], 1)
    tiles = np.arange(8) * 10
    found = Neighbours.find(tiles, [features], 1)
    assert found.partners.tolist() == [[10], [0], [20], [30], [50], [40], [60], [70]], "20 is near to 10, which is nearer to 0"
    assert found.sentence().startswith("Of the 1 tiles nearest to a tile 0.5 have it among their own nearest")
    assert Neighbours.find(tiles, [features], 100).partners.shape == (8, 7)
    same = Neighbours.find(tiles, [np.ones((8, 2))], 3).partners
    assert same.shape == (8, 3), "copies, whose order is chance, do not count as their own neighbours"


def test_a_second_view_shows_a_neighbour(tiles):
    trained = method(tiles)
    trained.views["image"] = Untouched()
    trained.neighbours = Neighbours(trained.tiles, np.roll(trained.tiles, 1)[:, None])
    images, valid = trained.dataset.read(trained.network.inputs["image"], trained.tiles)
    images = np.where(valid[:, None], images, trained.reader.fill["image"].numpy()).astype(np.float32)
    for batch in trained.batches(1, 0):
        for seen, other in zip(batch.images["image"], batch.targets["image"]):
            place = next(number for number, image in enumerate(images) if (image == seen.numpy()).all())
            assert (other.numpy() == images[place - 1]).all()


def test_a_run_with_neighbours_that_is_continued_keeps_them(labelled, tmp_path):
    first = pretrain_barlow_twins(str(labelled), str(tmp_path / "first"), Settings(**QUICK), Listening())
    settings, whole, cut = Settings(**{**QUICK, "epochs": 3}, start=first["encoder"], neighbours=5), tmp_path / "whole", tmp_path / "cut"
    heard = Listening()
    pretrain_barlow_twins(str(labelled), str(whole), settings, heard)
    assert any(text.startswith("Of the 5 tiles nearest to a tile") for text in heard.texts)
    with pytest.raises(Cancelled):
        pretrain_barlow_twins(str(labelled), str(cut), settings, Cancelling(lambda heard: heard.reached("Epoch 3")))
    pretrain_barlow_twins(str(labelled), str(cut), settings, Listening())
    assert [row["loss"] for row in rows(cut)] == [row["loss"] for row in rows(whole)]
    assert (np.load(cut / "neighbours.npy") == np.load(whole / "neighbours.npy")).all()


def test_a_run_that_lost_its_neighbours_is_not_continued_with_others(labelled, tmp_path):
    first = pretrain_barlow_twins(str(labelled), str(tmp_path / "first"), Settings(**QUICK), Listening())
    settings, cut = Settings(**{**QUICK, "epochs": 3}, start=first["encoder"], neighbours=5), tmp_path / "cut"
    with pytest.raises(Cancelled):
        pretrain_barlow_twins(str(labelled), str(cut), settings, Cancelling(lambda heard: heard.reached("Epoch 3")))
    (cut / "neighbours.npy").unlink()
    with pytest.raises(DataError, match=r"neighbours.npy is missing or of other tiles, and the run that is to be continued began with it"):
        pretrain_barlow_twins(str(labelled), str(cut), settings, Listening())


def test_neighbours_without_starting_weights_are_refused(tiles, tmp_path):
    with pytest.raises(DataError, match="5 neighbours of each tile were asked for, which the features of starting weights have to find, and there "
                                        "are none. Pretrain without neighbours first"):
        pretrain_barlow_twins(str(tiles), str(tmp_path / "run"), Settings(**QUICK, neighbours=5), Listening())
    assert list(tmp_path.iterdir()) == []
