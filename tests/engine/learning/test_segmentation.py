from dataclasses import replace

import numpy as np
import pytest
import segmentation_models_pytorch as smp
import torch

from eo_pretrain_qgis.engine.datasets.dataset import Dataset
from eo_pretrain_qgis.engine.learning.data import LABELS
from eo_pretrain_qgis.engine.learning.finetuning import segmentation
from eo_pretrain_qgis.engine.learning.finetuning.labelled_tiles import Choices, class_weights
from eo_pretrain_qgis.engine.learning.finetuning.losses import REGIONS, region_loss
from eo_pretrain_qgis.engine.learning.finetuning.segmentation import Segmentation
from eo_pretrain_qgis.engine.learning.loop.shares import Share, refuse_crop
from eo_pretrain_qgis.engine.learning.loop.step_batches import shares_of
from eo_pretrain_qgis.engine.learning.networks.class_networks import SegmentationNetwork
from eo_pretrain_qgis.engine.runs.learnable import check_learnable
from eo_pretrain_qgis.errors import DataError
from tests.inputs import inputs

from .conftest import SMALL
from .tiny import write_dataset

CPU = torch.device("cpu")


def method(dataset, **choices):
    torch.manual_seed(0)
    network = SegmentationNetwork(SMALL, inputs(3, 1100.0, 600.0, unit="reflectance", scale=1e-4), len(dataset.classes))
    return Segmentation(dataset, network, CPU, Choices(**{"batch_size": 4, **choices}))


def test_rare_classes_weigh_more_by_the_root_of_their_rarity():
    weights = class_weights([900, 100, 0], "balanced")
    assert weights[1] / weights[0] == pytest.approx(3)
    assert weights[2] == 0
    assert np.mean(weights[:2]) == pytest.approx(1)
    assert class_weights([900, 100], "none") == [1, 1]


def test_classes_are_weighted_by_the_tiles_that_are_used_alone(dataset):
    tiles = dataset.indices("training")[:1]
    labels = dataset.labels(tiles)
    expected = class_weights([int((labels == number).sum()) for number in range(2)], "balanced")
    assert method(dataset, tiles=tiles).weights["labels"].tolist() == pytest.approx(expected)
    assert method(dataset).weights["labels"].tolist() == pytest.approx(class_weights(dataset.description["class_pixels"]["training"], "balanced"))


def test_batches_follow_from_seed_epoch_and_rank(dataset):
    one, two, other = (next(method(dataset, crop=32).batches(5, epoch)) for epoch in (3, 3, 4))
    assert torch.equal(one.images["image"], two.images["image"])
    assert not torch.equal(one.images["image"], other.images["image"])


def test_processes_share_the_tiles_in_equal_steps(dataset):
    shares = [method(dataset, share=Share(rank, 3)) for rank in range(3)]
    seen = [[tile for batch in share.batches(1, 0) for tile in batch.samples] for share in shares]
    assert {len(tiles) for tiles in seen} == {3}
    assert set(np.concatenate(seen)) == set(dataset.indices("training"))


def test_normalisation_layers_see_tiles_without_labels_too_and_in_every_process_others(dataset):
    shares = [method(dataset, share=Share(rank, 4), tiles=dataset.indices("training")[:2]) for rank in range(4)]
    seen = [tile for share in shares for batch in share.training.sample(16) for tile in batch.samples]
    assert sorted(seen) == sorted(dataset.indices("training"))


def test_a_batch_without_labels_has_no_loss(dataset):
    task = method(dataset, augmentation="none")
    batch = next(task.batches(1, 0))
    batch.targets[LABELS].fill_(255)
    assert task.loss("network", task.parts, batch).item() == 0


def test_the_loss_is_weighted_entropy_plus_dice_over_labelled_pixels(dataset):
    task = method(dataset, augmentation="none")
    batch = next(task.batches(1, 0))
    truth = batch.targets[LABELS].clone()
    sure = torch.nn.functional.one_hot(truth % 255, 2).permute(0, 3, 1, 2).float() * 40
    assert float(task.loss("network", {"network": lambda images: sure}, batch)) == pytest.approx(0, abs=1e-4)
    even = torch.zeros_like(sure)
    known = truth[truth != 255]
    shares = [(known == position).float().mean().item() for position in (0, 1)]
    dice = np.mean([1 - 2 * share * 0.5 / (share + 0.5) for share in shares])
    assert float(task.loss("network", {"network": lambda images: even}, batch)) == pytest.approx(np.log(2) + dice, rel=1e-3)


def test_dice_is_that_of_segmentation_models_pytorch():
    generator = torch.Generator().manual_seed(1)
    outputs, labels = torch.randn(3, 4, 8, 8, generator=generator), torch.randint(0, 3, (3, 8, 8), generator=generator)
    labels[0, :4] = 255
    theirs = smp.losses.DiceLoss("multiclass", ignore_index=255)(outputs, labels)
    assert float(region_loss("dice", outputs, labels, torch.ones(3), 255)) == pytest.approx(float(theirs), rel=1e-5)


def test_a_tile_of_no_weight_does_not_count_and_two_halves_make_a_whole(dataset):
    task = method(dataset, augmentation="none")
    batch = next(task.batches(1, 0))
    first = batch.split(len(batch))[0]
    scores = torch.randn(len(batch), 2, *batch.targets[LABELS].shape[1:], generator=torch.Generator().manual_seed(1))
    alone = task.loss("network", {"network": lambda images: scores[:1]}, first)
    only_first = replace(batch, weights=torch.eye(len(batch))[0])
    assert float(task.loss("network", {"network": lambda images: scores}, only_first)) == pytest.approx(float(alone), rel=1e-5)
    twice = replace(first.map(lambda values: torch.cat([torch.as_tensor(values)] * 2)), weights=torch.full((2,), 0.5))
    assert float(task.loss("network", {"network": lambda images: torch.cat([scores[:1]] * 2)}, twice)) == pytest.approx(float(alone), rel=1e-5)


@pytest.mark.parametrize("loss", ["cross_entropy", "focal", "generalised_cross_entropy", "lovasz"])
def test_the_gradient_of_pieces_is_that_of_the_batch_where_labels_are_sparse(dataset, loss, monkeypatch):
    monkeypatch.setattr(segmentation, "region_loss", region_loss if loss == "lovasz" else lambda *_: 0.0)  # Dice of pieces differs
    task = method(dataset, augmentation="none", weighting="balanced", loss=loss)
    batch = next(task.batches(1, 0))
    batch.targets[LABELS][0, 5:] = batch.targets[LABELS][1] = 255
    batch = replace(batch, weights=torch.tensor([1.0, 1.0, 0.5, 2.0])[:len(batch)])

    def gradient(parts, shares):
        torch.manual_seed(1)
        pixel = torch.nn.Conv2d(3, 2, 1)
        network = {"network": lambda images: pixel(images["image"] / 1000)}
        sum(task.loss("network", network, part) * share for part, share in zip(parts, shares)).backward()
        return pixel.weight.grad

    pieces = batch.split(4)
    assert len(pieces) > 2
    torch.testing.assert_close(gradient(pieces, shares_of(pieces, task)), gradient([batch], [1.0]), rtol=1e-4, atol=1e-6)
    unlabelled = replace(batch, targets={LABELS: torch.full_like(batch.targets[LABELS], 255)}).split(2)
    assert shares_of(unlabelled, task) == [0.5, 0.5]


@pytest.mark.parametrize("loss", REGIONS)
def test_pixels_without_a_label_and_tiles_without_weight_have_no_part_in_a_loss_of_regions(dataset, loss):
    generator = torch.Generator().manual_seed(3)
    outputs, labels = torch.randn(3, 4, 8, 8, generator=generator), torch.randint(0, 3, (3, 8, 8), generator=generator)
    labels[0, :4], labels[2] = 255, 255
    weights = torch.tensor([1.0, 0.5, 1.0])
    found = float(region_loss(loss, outputs, labels, weights, 255))
    other = outputs.clone()
    other[0, :, :4], other[2] = 9.0, torch.randn(4, 8, 8, generator=generator)
    assert float(region_loss(loss, other, labels, weights, 255)) == pytest.approx(found, rel=1e-5)
    alone = float(region_loss(loss, outputs[:1, :, 4:], labels[:1, 4:], weights[:1], 255))
    assert float(region_loss(loss, outputs, labels, torch.tensor([1.0, 0.0, 1.0]), 255)) == pytest.approx(alone, rel=1e-5)
    assert float(region_loss(loss, outputs, torch.full_like(labels, 255), weights, 255)) == 0
    perfect = torch.nn.functional.one_hot(labels % 255, 4).movedim(-1, 1) * 50.0
    assert float(region_loss(loss, perfect, labels, weights, 255)) == pytest.approx(0, abs=1e-5)


def test_a_miss_costs_tversky_more_than_a_false_alarm():
    truth = torch.zeros(1, 10, 10, dtype=torch.long)
    truth[:, :5] = 1
    scores = torch.nn.functional.one_hot(truth, 2).movedim(-1, 1) * 50.0
    missed, alarms = scores.clone(), scores.clone()
    missed[:, :, 4], alarms[:, :, 5] = scores[:, :, 5], scores[:, :, 4]
    index = {"missed": 1 - 40 / (40 + 0.7 * 10), "alarms": 1 - 50 / (50 + 0.3 * 10)}
    other = {"missed": 1 - 50 / (50 + 0.3 * 10), "alarms": 1 - 40 / (40 + 0.7 * 10)}  # of the other class it is the other way round
    for name, found in (("missed", missed), ("alarms", alarms)):
        assert float(region_loss("tversky", found, truth, torch.ones(1), 255)) == pytest.approx((index[name] + other[name]) / 2, rel=1e-4)


def test_weights_of_tiles_come_from_the_table(dataset):
    dataset.tiles["weight"] = np.arange(len(dataset)) / 10
    batch = next(method(dataset).batches(1, 0))
    assert batch.weights.tolist() == pytest.approx((batch.samples / 10).tolist())


def test_a_dataset_of_another_task_is_refused(dataset):
    dataset.task = "pretraining"
    with pytest.raises(DataError, match=r"is for the task “pretraining” \(no labels\), and fine-tuning needs a class for every pixel, fields with "
                                        "their boundaries, a class for every image, a class for every patch, several classes for every image, a "
                                        "class for every series of dates or a class for every pixel of dated tiles"):
        check_learnable(dataset)


@pytest.mark.parametrize(("facts", "crop", "sentence"), [
    ({"splits": ["validation"] * 6}, None, "has no training tiles. Split it again with a larger training share or smaller blocks."),
    ({"one_class": True}, None, "hold only the class “ground”, so there is nothing to tell apart."),
    ({}, 128, "The crop of 128 px is larger than the tiles of"),
])
def test_a_dataset_that_teaches_nothing_is_refused(tmp_path, facts, crop, sentence):
    dataset = Dataset.open(write_dataset(tmp_path, count=6, **facts))
    with pytest.raises(DataError) as caught:
        check_learnable(dataset)
        refuse_crop(dataset, crop)
    assert sentence in str(caught.value)


def test_a_single_value_per_channel_is_refused(dataset):
    with pytest.raises(DataError, match="A single tile of 32 px per step is too little to train on"):
        method(dataset, batch_size=1, crop=32)
