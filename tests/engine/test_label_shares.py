import numpy as np
import pytest

from eo_pretrain_qgis.engine.datasets.dataset import Dataset
from eo_pretrain_qgis.engine.datasets.splitting.label_shares import SHARES, class_presence, labelled_share, nested_share, strata
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
    assert class_presence(dataset, tiles).any(0).all()
    few = labelled_share(dataset, tiles, 25, seed=1)
    assert set(few) < set(tiles)
    assert class_presence(dataset, few).any(0).all()
    assert labelled_share(dataset, tiles, 100, seed=1) is tiles
