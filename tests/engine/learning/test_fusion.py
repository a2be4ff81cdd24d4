"""Networks that join two sensors: where they begin, what they do without one, and which weights they start from."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from eo_pretrain_qgis.engine.cards import Stack, between_values, stacked
from eo_pretrain_qgis.engine.classic.models import Labelled
from eo_pretrain_qgis.engine.datasets.dataset import Dataset
from eo_pretrain_qgis.engine.learning.data import Batch, TileReader
from eo_pretrain_qgis.engine.learning.finetuning.hidden_sensors import HiddenSensors
from eo_pretrain_qgis.engine.learning.finetuning.labelled_tiles import begin_at_regressions
from eo_pretrain_qgis.engine.learning.fusions import FUSIONS
from eo_pretrain_qgis.engine.learning.networks.class_networks import renew_statistics
from eo_pretrain_qgis.engine.learning.networks.joined_encoders import AllLevels
from eo_pretrain_qgis.engine.learning.networks.stages import freeze_all_but_last, freeze_encoder, slow_down
from eo_pretrain_qgis.jobs.train.finetune import FUSIONS as NAMES

from .conftest import SMALL
from .tiny_pairs import write_pairs

KINDS, OPTIONAL = ("unet", "classifier"), ("gated", "mean_of_heads")
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def tiles(tmp_path_factory):
    """A class for every pixel; s2 misses tiles 0 and 7 wholly and the upper half of tile 1, s1 misses tile 4."""
    return Dataset.open(write_pairs(tmp_path_factory.mktemp("pairs") / "tiles", clouds=[0, (1, 0.5), 7], silent=[4]))


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """A class for every image; s2 misses images 0 and 7, s1 image 4."""
    return Dataset.open(write_pairs(tmp_path_factory.mktemp("pairs") / "images", task="scene", clouds=[0, (1, 0.5), 7], silent=[4]))


def seen_of(dataset):
    return {name: replace(between_values(seen), optional=True) for name, seen in dataset.inputs.items()}


def made(fusion, kind, dataset, seed=0):
    """A network all of whose tensors differ, as after training, in evaluation mode."""
    torch.manual_seed(seed)
    network = FUSIONS[fusion].network(kind)(SMALL, seen_of(dataset), 4)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    return network.eval()


def given(dataset, places):
    return TileReader(dataset, seen_of(dataset), 32, CPU).in_order(np.array(places), len(places)).__next__().images


def without(network, batch, name):
    """The batch with nothing measured by a sensor."""
    fill = torch.tensor(network.inputs[name].centre)[:, None, None]
    return {**batch, name: fill.expand_as(batch[name]).contiguous()}


def test_every_fusion_of_the_job_is_in_the_table():
    assert ["none", *FUSIONS] == list(NAMES)
    assert [name for name, row in FUSIONS.items() if row.optional] == list(OPTIONAL)


def test_a_stack_has_the_bands_of_all_and_divides_them_again(tiles):
    stack = stacked(tiles.inputs.values())
    assert isinstance(stack, Stack) and stack.names == ["B02", "B03", "B04", "VV", "VH"] and stack.widths == [3, 2]
    one = tiles.inputs["s2"]
    assert stacked([one]) is one and stacked([one, replace(one, name="other")]).names[3:] == ["other B02", "other B03", "other B04"]
    pixels, valid = tiles.read(stack, np.array([1, 2, 4]))
    parts = stack.divided(pixels)
    assert {name: part.shape[1] for name, part in parts.items()} == {"s2": 3, "s1": 2}
    assert np.array_equal(parts["s1"][1], tiles.images(np.array([2]), "s1")[0])
    assert valid.mean((1, 2)).tolist() == [0.5, 1, 0]
    assert between_values(stack).each[0].centre[0] > stack.each[0].centre[0]


@pytest.mark.parametrize("fusion", FUSIONS)
@pytest.mark.parametrize("kind", KINDS)
def test_it_begins_as_the_regressions_on_what_it_stands_on(fusion, kind, tiles, images):
    dataset = tiles if kind == "unet" else images
    network = made(fusion, kind, dataset)
    labelled = Labelled(dataset, network.seen, dataset.indices("training"), 1)
    begin_at_regressions(network, labelled)
    place = np.array([2, 3])  # seen by both
    with torch.no_grad():
        begun, whole = network.both(given(dataset, place))
    assert torch.allclose(begun, whole, atol=1e-5)
    expected = [labelled.of(seen).fit("statistics").answers(dataset)(place) for seen in network.standing]
    assert len(expected) == (2 if fusion in OPTIONAL else 1)
    inner = (..., slice(4, 28), slice(4, 28)) if kind == "unet" else ...  # tiles alone have no surroundings at their border
    assert np.abs(whole.numpy()[inner] - np.mean(expected, 0)[inner]).max() < 2e-3


@pytest.mark.parametrize("fusion", OPTIONAL)
@pytest.mark.parametrize("kind", KINDS)
def test_one_sensor_alone_is_what_its_branch_says(fusion, kind, tiles, images):
    """Whatever the other branch holds, nothing of it is left."""
    dataset = tiles if kind == "unet" else images
    for number, name in enumerate(dataset.inputs):
        network = made(fusion, kind, dataset)
        other = next(one for one in network.inputs if one != name)
        batch = without(network, given(dataset, [2, 3]), other)
        with torch.no_grad():
            expected = network(batch)
            if fusion == "mean_of_heads":
                assert (network.members[number]({name: batch[name]}) - expected).abs().max() < 1e-4
            else:
                levels = network.encoder.encoders[number](network.scaled(network.image(batch)).split(network.seen.widths, 1)[number])
                own = network.sensors[number]
                statistics = own.spectral(batch[name])
                if kind == "unet":
                    fine = network.fine[number](statistics[:, :len(network.inputs[name].bands)])
                    added = network.segmentation_head(torch.cat([network.decoder(levels), fine], 1))
                else:
                    added = network.classification_head(network.hidden(levels[-1].mean((2, 3))))
                assert (own.linear(statistics) + added - expected).abs().max() < 1e-4
            for tensor in network.branches[1 - number][0].encoder.state_dict().values():
                tensor.copy_(torch.rand(tensor.shape) if tensor.is_floating_point() else tensor)
            assert torch.equal(network(batch), expected)


@pytest.mark.parametrize("fusion", OPTIONAL)
def test_under_clouds_the_other_sensor_counts_alone(fusion, tiles):
    """Tile 1 is cloudy in its upper half: far from the border what s2 has there in stored values changes nothing."""
    network = made(fusion, "unet", tiles)
    batch = given(tiles, [1])
    there = network.there(network.image(batch))
    assert [float(one.mean()) for one in there] == [0.5, 1.0]
    if fusion == "mean_of_heads":
        with torch.no_grad():
            whole, radar = network(batch), network.members[1]({"s1": batch["s1"]})
            both = (network.members[0]({"s2": batch["s2"]}) + radar) / 2
        assert torch.allclose(whole[:, :, :16], radar[:, :, :16], atol=1e-5) and torch.allclose(whole[:, :, 16:], both[:, :, 16:], atol=1e-5)
    else:
        levels = network.encoder(network.scaled(network.image(batch)), there)
        radar = network.encoder.encoders[1](network.scaled(network.image(batch))[:, 3:])
        assert torch.equal(levels[1][:, :, :8], radar[1][:, :, :8]) and not torch.allclose(levels[1][:, :, 8:], radar[1][:, :, 8:], atol=1e-3)


@pytest.mark.parametrize("fusion", OPTIONAL)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seen_too", [[], [2], [2, 3]])
def test_normalisation_learns_nothing_of_tiles_that_a_sensor_did_not_see(fusion, kind, seen_too, tiles, images):
    """With one tile alone that it saw, an encoder has no batch, and its running statistics stay."""
    dataset = tiles if kind == "unet" else images
    network = made(fusion, kind, dataset).train()
    encoder, radar = (branch.encoder for branch, _ in network.branches)
    before, ours = ({name: tensor.clone() for name, tensor in one.state_dict().items() if "running" in name} for one in (encoder, radar))
    assert before
    network(given(dataset, [0, 7, *seen_too]))
    if len(seen_too) < 2:
        assert all(torch.equal(tensor, encoder.state_dict()[name]) for name, tensor in before.items())
    else:
        alone = made(fusion, kind, dataset).branches[0][0].encoder.train()
        alone(network.scaled(network.image(given(dataset, seen_too)))[:, :3])
        assert all(torch.allclose(tensor, encoder.state_dict()[name], atol=1e-5) for name, tensor in alone.state_dict().items() if "running" in name)
    assert not any(torch.equal(tensor, radar.state_dict()[name]) for name, tensor in ours.items())
    assert encoder.training and all(module.training for module in encoder.modules())


@pytest.mark.parametrize("fusion", OPTIONAL)
def test_a_tile_that_nobody_saw_and_renewed_statistics_stay_finite(fusion, tiles):
    network = made(fusion, "unet", tiles)
    blank = without(network, without(network, given(tiles, [2, 3]), "s1"), "s2")
    with torch.no_grad():
        assert network(blank).isfinite().all()
        renew_statistics(network, [given(tiles, [0, 2, 3, 4]), given(tiles, [7, 2])])
        assert network.eval()(given(tiles, [0, 1, 4])).isfinite().all()


def test_a_convolution_begins_as_the_mean_of_the_levels(tiles):
    joined = AllLevels(SMALL, seen_of(tiles)).eval()
    image = torch.randn(2, 5, 32, 32)
    with torch.no_grad():
        first, second = joined.levels(image)
        found = joined(image)
    assert all(torch.allclose(level, (one + other) / 2, atol=1e-6) for level, one, other in zip(found[1:], first[1:], second[1:], strict=True))


@pytest.mark.parametrize("fusion", ["feature", "all_levels", *OPTIONAL])
def test_encoders_are_frozen_and_slowed_down_each_by_itself(fusion, images):
    network = made(fusion, "classifier", images)
    freeze_encoder(network)
    encoders = [branch.encoder for branch, _ in network.branches]
    assert len(encoders) == 2 and not any(one.requires_grad for encoder in encoders for one in encoder.parameters())
    assert any(one.requires_grad for one in network.parameters()) and not any(encoder.train(False).training for encoder in encoders)
    network = made(fusion, "classifier", images)
    freeze_all_but_last(network)
    learning = [sum(one.requires_grad for one in branch.encoder.parameters()) for branch, _ in network.branches]
    assert learning[0] == learning[1] and 0 < learning[0] < len(list(encoders[0].parameters()))
    slow_down(network := made(fusion, "classifier", images))
    assert [{module.rate_share for module in branch.encoder.modules() if hasattr(module, "rate_share")} for branch, _ in network.branches][1]


@pytest.mark.parametrize("fusion", OPTIONAL)
def test_a_share_of_what_was_learned_above_both_regressions_is_kept(fusion, images):
    network = made(fusion, "classifier", images)
    batch = given(images, [2, 3])
    with torch.no_grad():
        begun, whole = network.both(batch)
        network.blend([0.25] * 4)
        assert torch.allclose(network(batch), torch.lerp(begun, whole, 0.25), atol=1e-4)
        network.blend(0.0)
        assert torch.allclose(network(batch), begun, atol=1e-4)


def test_a_quarter_of_the_tiles_lose_one_sensor_and_none_both(tiles):
    inputs = seen_of(tiles)
    fill = {name: torch.tensor(seen.centre).view(1, -1, 1, 1) for name, seen in inputs.items()}
    count = 4000
    valid = {name: torch.ones(count, 1, 1, dtype=torch.bool) for name in inputs}
    valid["s2"][:400] = False
    batch = Batch({name: torch.full((count, len(seen.bands), 1, 1), 7.0) for name, seen in inputs.items()}, valid, np.arange(count),
                  torch.ones(count), {"labels": torch.ones(count, 1, 1, dtype=torch.long)})
    hide = HiddenSensors(lambda batch, generator: batch, inputs, fill, 255)
    found = hide(batch, torch.Generator().manual_seed(1))
    s2, s1 = (found.valid[name].flatten() for name in ("s2", "s1"))
    assert (s2 | s1).all() and s1[:400].all() and (found.targets["labels"] == 1).all()
    assert [round(float((~one[400:]).float().mean()), 2) for one in (s2, s1)] == [pytest.approx(0.125, abs=0.02)] * 2
    assert torch.equal(found.images["s1"][~s1][0].flatten(), torch.tensor(inputs["s1"].centre))
    assert (found.images["s1"][s1] == 7).all() and valid["s1"].all()
    valid["s1"][:400] = False
    assert (hide(batch, torch.Generator().manual_seed(1)).targets["labels"].flatten()[:400] == 255).all()
