import numpy as np
import pytest

from eo_pretrain_qgis.engine.datasets.dataset import Dataset
from eo_pretrain_qgis.engine.datasets.splitting.label_shares import (
    SHARES,
    class_counts,
    labelled_share,
    needed,
    nested_share,
    real_share,
    strata,
)
from tests.engine.learning.tiny import write_dataset
from tests.engine.learning.tiny_scenes import write_scenes


def test_each_share_is_part_of_the_larger_ones_and_keeps_the_classes_even():
    groups = np.repeat([0, 1, 2], [200, 1000, 3])
    before = set()
    for percent in SHARES:
        chosen = nested_share(groups, percent, seed=4)
        assert before <= set(chosen)
        before = set(chosen)
        assert np.bincount(groups[chosen]).tolist() == [2 * percent, 10 * percent, max(1, round(3 * percent / 100))]
    assert before == set(range(len(groups)))


def test_another_seed_draws_others():
    groups = np.zeros(1000, int)
    assert set(nested_share(groups, 5, 1)) != set(nested_share(groups, 5, 2))
    assert nested_share(groups, 5, 1).tolist() == nested_share(groups, 5, 1).tolist()


def test_several_classes_are_stratified_by_the_rarest():
    present = np.array([[1, 0, 0], [1, 1, 0], [1, 0, 1], [0, 0, 0], [1, 1, 0]], bool)
    assert strata(present).tolist() == [0, 1, 2, -1, 1]


@pytest.mark.parametrize("task", ["scene", "multilabel", "segmentation"])
def test_every_task_has_shares(tmp_path, task):
    folder = write_dataset(tmp_path / "tiles", size=32) if task == "segmentation" else write_scenes(tmp_path / "tiles", task=task)
    dataset = Dataset.open(folder)
    tiles = dataset.indices("training")
    assert (class_counts(dataset, tiles) > 0).any(0).all()
    few = labelled_share(dataset, tiles, 25, seed=1)
    assert set(few) < set(tiles)
    assert (class_counts(dataset, few) > 0).any(0).all()
    assert labelled_share(dataset, tiles, 100, seed=1) is tiles


def test_a_class_keeps_a_hundred_pixels_or_all_it_has():
    rng = np.random.default_rng(0)
    counts = np.zeros((400, 4), int)
    counts[:, 0] = 1000
    counts[:80, 1] = 500  # plenty in each tile
    counts[rng.permutation(400)[:60], 2] = 12  # nine tiles make a hundred
    counts[rng.permutation(400)[:3], 3] = 7  # fewer than a hundred in all
    for seed in range(5):
        before = set()
        for percent in (0.1, 1, 5, 20, 50, 100):
            chosen = nested_share(strata(counts > 0), percent, seed, needed(counts, 100, seed))
            assert (counts[chosen].sum(0) >= [100, 100, 100, 21]).all(), (seed, percent)
            assert before <= set(chosen)
            before = set(chosen)
        few = needed(counts, 100, seed)
        assert 10 <= few.sum() <= 13, "no more than it takes: nine, three, and one for those with much in each tile"
    assert not np.array_equal(needed(counts, 100, 1), needed(counts, 100, 2))


def test_a_share_of_pixels_tells_how_much_it_is(tmp_path):
    """Discs of 12 % of tiles of 16 px: a tile has some 30 of their pixels."""
    dataset = Dataset.open(write_dataset(tmp_path / "tiles", count=60, size=16, splits=["training"] * 60))
    counts = class_counts(dataset, dataset.indices("training"))
    few = labelled_share(dataset, dataset.indices("training"), 1, seed=3)
    assert counts[few].sum(0).min() >= 100 > counts[:, 1].max()
    assert real_share(dataset, few) == pytest.approx(100 * len(few) / 60)
    assert real_share(dataset, dataset.indices("training")) == 100
