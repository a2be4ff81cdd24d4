import numpy as np
import pytest
import torch

from eo_pretrain_qgis.engine.datasets.dataset import Dataset
from eo_pretrain_qgis.engine.learning.data import TileReader, mixed_sample

from .tiny import write_dataset

CPU = torch.device("cpu")


def test_every_tile_comes_once_in_batches_of_nearly_equal_size(dataset):
    reader = TileReader(dataset, [0.0] * 3, 32, CPU)
    batches = list(reader.shuffled(np.arange(9), 4, np.random.default_rng(1)))
    assert sorted(np.concatenate([batch.tiles for batch in batches])) == list(range(9))
    assert [len(batch) for batch in batches] == [3, 3, 3]
    assert [len(piece) for piece in batches[0].split(2)] == [2, 1]


@pytest.mark.parametrize(("tiles", "asked", "sizes"), [(5, 2, [3, 2]), (1, 2, [1]), (3, 1, [1, 1, 1]), (9, 8, [5, 4])])
def test_no_tile_is_alone_in_a_batch_where_that_can_be(dataset, tiles, asked, sizes):
    batches = TileReader(dataset, [0.0] * 3, 32, CPU).shuffled(np.arange(tiles), asked, np.random.default_rng(1))
    assert [len(batch) for batch in batches] == sizes


def test_values_are_those_stored_and_missing_pixels_get_the_fill(dataset):
    batch = next(TileReader(dataset, [7.0, 8.0, 9.0], 32, CPU).in_order(np.array([4]), 1))
    stored = dataset.images(np.array([4]))[0]
    assert batch.images.dtype == torch.float32
    assert (batch.images[0, :, 2:].numpy() == stored[:, 2:]).all()
    assert batch.images[0, :, 0, 0].tolist() == [7.0, 8.0, 9.0]
    assert not batch.valid[0, :2].any()
    assert batch.valid[0, 2:].all()
    assert (batch.labels[0, :2] == 255).all()


def test_crops_are_parts_of_the_tile_with_their_labels(dataset):
    batch = next(TileReader(dataset, [0.0] * 3, 32, CPU).shuffled(np.array([0]), 1, np.random.default_rng(5), crop=32))
    whole, labels = dataset.images(np.array([0]))[0], dataset.labels(np.array([0]))[0]
    crop = batch.images[0].numpy()
    places = [(y, x) for y in range(33) for x in range(33) if (whole[:, y:y + 32, x:x + 32] == crop).all()]
    assert len(places) == 1
    y, x = places[0]
    assert (batch.labels[0].numpy() == labels[y:y + 32, x:x + 32]).all()


def test_tiles_off_the_stride_are_padded_with_what_is_ignored(tmp_path):
    dataset = Dataset.open(write_dataset(tmp_path, count=6, size=50))
    batch = next(TileReader(dataset, [5.0] * 3, 32, CPU).in_order(np.array([0]), 1))
    assert batch.images.shape == (1, 3, 64, 64)
    assert (batch.images[0, :, 50:] == 5).all()
    assert (batch.labels[0, :, 50:] == 255).all()


def test_batches_read_ahead_by_a_thread_are_the_same(dataset):
    plain, ahead = (TileReader(dataset, [0.0] * 3, 32, CPU) for _ in range(2))
    ahead.ahead = True
    both = [list(reader.shuffled(np.arange(9), 2, np.random.default_rng(4), crop=32)) for reader in (plain, ahead)]
    for one, other in zip(*both, strict=True):
        assert (one.tiles == other.tiles).all()
        assert all(torch.equal(getattr(one, name), getattr(other, name)) for name in ("images", "labels", "valid", "weights"))
    assert TileReader(dataset, [0.0] * 3, 32, torch.device("meta")).ahead is False


def test_one_batch_is_read_ahead_and_a_failure_comes_up_in_its_place(dataset, monkeypatch):
    reader, seen = TileReader(dataset, [0.0] * 3, 32, CPU), []
    reader.ahead, read = True, reader._read

    def watched(wanted):
        seen.append(len(seen))
        if len(seen) > 3:
            raise MemoryError
        return read(wanted)

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
