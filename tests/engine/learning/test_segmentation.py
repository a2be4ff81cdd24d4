import numpy as np
import pytest
import torch

from eo_pretrain_qgis.engine.dataset import Dataset
from eo_pretrain_qgis.engine.learning.networks import SegmentationNetwork
from eo_pretrain_qgis.engine.learning.segmentation import Segmentation, check_trainable, class_weights
from eo_pretrain_qgis.errors import DataError

from .conftest import SMALL
from .tiny import write_dataset

CPU = torch.device("cpu")


def method(dataset, **choices):
    torch.manual_seed(0)
    network = SegmentationNetwork(SMALL, [1100.0] * 3, [600.0] * 3, len(dataset.classes))
    return Segmentation(dataset, network, CPU, **{"batch_size": 4, **choices})


def test_rare_classes_weigh_more_by_the_root_of_their_rarity():
    weights = class_weights([900, 100, 0], "balanced")
    assert weights[1] / weights[0] == pytest.approx(3)
    assert weights[2] == 0
    assert np.mean(weights[:2]) == pytest.approx(1)
    assert class_weights([900, 100], "none") == [1, 1]


def test_batches_follow_from_seed_epoch_and_rank(dataset):
    one, two, other = (next(method(dataset, crop=32).batches(5, epoch)) for epoch in (3, 3, 4))
    assert torch.equal(one.images, two.images)
    assert not torch.equal(one.images, other.images)


def test_processes_share_the_tiles_in_equal_steps(dataset):
    shares = [method(dataset, rank=rank, processes=3) for rank in range(3)]
    seen = [[tile for batch in share.batches(1, 0) for tile in batch.tiles] for share in shares]
    assert {len(tiles) for tiles in seen} == {3}
    assert set(np.concatenate(seen)) == set(dataset.indices("training"))


def test_a_batch_without_labels_has_no_loss(dataset):
    task = method(dataset, augmentation="none")
    batch = next(task.batches(1, 0))
    batch.labels.fill_(255)
    assert task.loss(task.network, batch).item() == 0


def test_the_loss_is_weighted_entropy_plus_dice_over_labelled_pixels(dataset):
    task = method(dataset, augmentation="none")
    batch = next(task.batches(1, 0))
    truth = batch.labels.clone()
    sure = torch.nn.functional.one_hot(truth % 255, 2).permute(0, 3, 1, 2).float() * 40
    assert float(task.loss(lambda images: sure, batch)) == pytest.approx(0, abs=1e-4)
    even = torch.zeros_like(sure)
    known = truth[truth != 255]
    shares = [(known == position).float().mean().item() for position in (0, 1)]
    dice = np.mean([1 - 2 * share * 0.5 / (share + 0.5) for share in shares])
    assert float(task.loss(lambda images: even, batch)) == pytest.approx(np.log(2) + dice, rel=1e-3)


@pytest.mark.parametrize(("facts", "crop", "sentence"), [
    ({"splits": ["validation"] * 6}, None, "has no training tiles. Split it again with a larger training share or smaller blocks."),
    ({"one_class": True}, None, "hold only the class “ground”, so there is nothing to tell apart."),
    ({}, 128, "The crop of 128 px is larger than the tiles of"),
])
def test_a_dataset_that_teaches_nothing_is_refused(tmp_path, facts, crop, sentence):
    dataset = Dataset.open(write_dataset(tmp_path, count=6, **facts))
    with pytest.raises(DataError) as caught:
        check_trainable(dataset, crop)
    assert sentence in str(caught.value)


def test_a_single_value_per_channel_is_refused(dataset):
    with pytest.raises(DataError, match="A single tile of 32 px per step is too little to train on"):
        method(dataset, batch_size=1, crop=32)
