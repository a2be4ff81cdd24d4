from dataclasses import replace

import numpy as np
import pytest
import torch

from eo_pretrain_qgis.engine.datasets.dataset import Dataset
from eo_pretrain_qgis.engine.learning.data import Batch, Part, TileReader, mixed_sample
from eo_pretrain_qgis.engine.learning.finetuning.segmentation import Segmentation
from eo_pretrain_qgis.engine.learning.networks.class_networks import SegmentationNetwork
from tests.scenes import land_dataset
from tests.scenes_pretraining import unlabelled_paired

from .conftest import SMALL
from .tiny import write_dataset

CPU = torch.device("cpu")


def reader_of(dataset, device, centre=(0.0, 0.0, 0.0), **facts):
    """Reads labelled tiles for a network of a stride of 32 px, with a centre for each band."""
    own = dataset.inputs["image"]
    inputs = {"image": replace(own, bands=tuple(replace(band, centre=middle) for band, middle in zip(own.bands, centre)))}
    return TileReader(dataset, inputs, 32, device, targets=["labels"], **facts)


def test_every_tile_comes_once_in_batches_of_nearly_equal_size(dataset):
    reader = reader_of(dataset, CPU)
    batches = list(reader.shuffled(np.arange(9), 4, np.random.default_rng(1)))
    assert sorted(np.concatenate([batch.samples for batch in batches])) == list(range(9))
    assert [len(batch) for batch in batches] == [3, 3, 3]
    assert [len(piece) for piece in batches[0].split(2)] == [2, 1]


@pytest.mark.parametrize(("tiles", "asked", "sizes"), [(5, 2, [3, 2]), (1, 2, [1]), (3, 1, [1, 1, 1]), (9, 8, [5, 4])])
def test_no_tile_is_alone_in_a_batch_where_that_can_be(dataset, tiles, asked, sizes):
    batches = reader_of(dataset, CPU).shuffled(np.arange(tiles), asked, np.random.default_rng(1))
    assert [len(batch) for batch in batches] == sizes


def test_values_are_those_stored_and_missing_pixels_get_the_fill(dataset):
    batch = next(reader_of(dataset, CPU, [7.0, 8.0, 9.0]).in_order(np.array([4]), 1))
    stored = dataset.images(np.array([4]))[0]
    assert batch.images["image"].dtype == torch.float32
    assert (batch.images["image"][0, :, 2:].numpy() == stored[:, 2:]).all()
    assert batch.images["image"][0, :, 0, 0].tolist() == [7.0, 8.0, 9.0]
    assert not batch.valid["image"][0, :2].any()
    assert batch.valid["image"][0, 2:].all()
    assert (batch.targets["labels"][0, :2] == 255).all()


def test_crops_are_parts_of_the_tile_with_their_labels(dataset):
    batch = next(reader_of(dataset, CPU).shuffled(np.array([0]), 1, np.random.default_rng(5), crop=32))
    whole, labels = dataset.images(np.array([0]))[0], dataset.labels(np.array([0]))[0]
    crop = batch.images["image"][0].numpy()
    places = [(y, x) for y in range(33) for x in range(33) if (whole[:, y:y + 32, x:x + 32] == crop).all()]
    assert len(places) == 1
    y, x = places[0]
    assert (batch.targets["labels"][0].numpy() == labels[y:y + 32, x:x + 32]).all()


def test_tiles_off_the_stride_are_padded_with_what_is_ignored(tmp_path):
    dataset = Dataset.open(write_dataset(tmp_path, count=6, size=50))
    batch = next(reader_of(dataset, CPU, [5.0] * 3).in_order(np.array([0]), 1))
    assert batch.images["image"].shape == (1, 3, 64, 64)
    assert (batch.images["image"][0, :, 50:] == 5).all()
    assert (batch.targets["labels"][0, :, 50:] == 255).all()


def test_batches_read_ahead_by_a_thread_are_the_same(dataset):
    plain, ahead = (reader_of(dataset, CPU) for _ in range(2))
    ahead.ahead = True
    both = [list(reader.shuffled(np.arange(9), 2, np.random.default_rng(4), crop=32)) for reader in (plain, ahead)]
    for one, other in zip(*both, strict=True):
        assert (one.samples == other.samples).all() and torch.equal(one.weights, other.weights)
        assert all(torch.equal(getattr(one, kind)[name], getattr(other, kind)[name])
                   for kind, name in (("images", "image"), ("valid", "image"), ("targets", "labels")))
    assert reader_of(dataset, torch.device("meta")).ahead is False


def test_one_batch_is_read_ahead_and_a_failure_comes_up_in_its_place(dataset, monkeypatch):
    reader, seen = reader_of(dataset, CPU), []
    reader.ahead, read = True, reader._read

    def watched(part, change):
        seen.append(len(seen))
        if len(seen) > 3:
            raise MemoryError
        return read(part, change)

    monkeypatch.setattr(reader, "_read", watched)
    batches = reader.in_order(np.arange(12), 2)
    next(batches)
    assert len(seen) <= 3
    with pytest.raises(MemoryError):
        list(batches)
    batches.close()


@pytest.mark.parametrize("most", [40, 200])
def test_a_sample_is_even_and_mixed_and_the_same_every_time(most):
    tiles = np.arange(100) * 3
    found = mixed_sample(tiles, most)
    assert sorted(found) == sorted(mixed_sample(tiles, most))
    assert (found == mixed_sample(tiles, most)).all()
    assert len(np.unique(found)) == min(most, 100)
    assert {found.min(), found.max()} == {0, 297}
    assert all(part.min() < 100 and part.max() > 200 for part in np.array_split(found, 4))  # a sorted one has its low tiles in the first


@pytest.fixture(scope="module")
def cut(tmp_path_factory):
    """Tiles of 32 px that cover their scene."""
    return Dataset.open(land_dataset(tmp_path_factory.mktemp("cut")))


def test_the_surroundings_are_seen_and_not_learned(cut):
    plain, wide = (TileReader(cut, cut.inputs, 1, CPU, targets=["labels"], context=context) for context in (0, 8))
    tile, whole, more = 9, plain.read(Part(np.array([9]))), wide.read(Part(np.array([9])))
    assert more.images["image"].shape == (1, 2, 48, 48) and more.targets["labels"].shape == (1, 48, 48)
    assert torch.equal(more.images["image"][:, :, 8:40, 8:40], whole.images["image"])
    assert torch.equal(more.targets["labels"][:, 8:40, 8:40], whole.targets["labels"])
    assert (more.targets["labels"] != 255).sum() == (whole.targets["labels"] != 255).sum() == 32 * 32
    right = np.flatnonzero((cut.column("row") == cut.column("row")[tile]) & (cut.column("col") == cut.column("col")[tile] + 32))
    assert (more.images["image"][0, :, 8:40, 40:].numpy() == cut.images(right)[0, :, :, :8]).all()


def test_crops_have_their_own_surroundings(cut):
    reader = TileReader(cut, cut.inputs, 1, CPU, targets=["labels"], context=8)
    whole = reader.read(Part(np.array([9])))
    part = reader.read(Part(np.array([9]), 16, np.array([[3, 5]])))
    assert torch.equal(part.images["image"], whole.images["image"][:, :, 3:3 + 32, 5:5 + 32])
    assert torch.equal(part.targets["labels"][:, 8:24, 8:24], whole.targets["labels"][:, 11:27, 13:29])
    assert (part.targets["labels"] != 255).sum() == 16 * 16


def test_answers_are_those_of_the_tiles_without_their_surroundings(cut):
    network = SegmentationNetwork(SMALL, cut.inputs, 2)
    reader = TileReader(cut, cut.inputs, network.stride, CPU, targets=["labels"], context=20)
    samples, truth, found = next(Segmentation.predict(network, reader, np.arange(3), 3))
    assert samples.tolist() == [0, 1, 2] and found.shape == truth.shape == (3, 32, 32)
    assert np.array_equal(truth, cut.labels(samples))


def test_several_inputs_are_read_together(tmp_path):
    dataset = Dataset.open(unlabelled_paired(tmp_path))
    batch = TileReader(dataset, dataset.inputs, 32, CPU).read(Part(np.array([0, 1])))
    assert {name: images.shape[1] for name, images in batch.images.items()} == {"s2": 3, "s1": 2}
    assert list(batch.valid) == ["s2", "s1"] and not batch.targets and batch.weights.tolist() == [1, 1]
    for name, images in batch.images.items():
        centre = torch.tensor(dataset.inputs[name].centre)
        assert (images.movedim(1, -1)[~batch.valid[name]] == centre).all() and (~batch.valid[name]).any()
        assert torch.isfinite(images).all()


def test_what_is_missing_in_one_band_is_missing(tmp_path):
    dataset = Dataset.open(unlabelled_paired(tmp_path))
    reader, read = TileReader(dataset, {"s1": dataset.inputs["s1"]}, 1, CPU), dataset.read

    def damaged(seen, samples):
        images, valid = read(seen, samples)
        images[:, 1, 20, 20] = np.inf
        return images, valid

    dataset.read = damaged
    batch = reader.read(Part(np.array([1])))
    assert not batch.valid["s1"][0, 20, 20] and torch.isfinite(batch.images["s1"]).all()


def test_pieces_hold_a_part_of_everything():
    batch = Batch({"a": torch.arange(7.0), "b": torch.arange(7)}, {"a": torch.ones(7)}, np.arange(7), torch.arange(7), {"labels": torch.arange(7)},
                  {"a": torch.arange(14).view(7, 2)})
    pieces = batch.split(3)
    assert [len(piece) for piece in pieces] == [3, 2, 2] and batch.split(1)[0] is batch
    for piece, first in zip(pieces, (0, 3, 5)):
        parts = [piece.images["a"], piece.images["b"], piece.weights, piece.targets["labels"], piece.days["a"][:, 0] // 2]
        assert all(part.tolist() == list(range(first, first + len(piece))) for part in (*parts, piece.samples))
    assert [len(piece) for piece in replace(batch, together=2).split(7)] == [3, 2, 2]
