"""What a network has to beat, on datasets where the right answer is known."""

import pytest

from eo_pretrain_qgis.engine.cards import single
from eo_pretrain_qgis.engine.classic.models import Labelled
from eo_pretrain_qgis.engine.datasets.dataset import Dataset

from .learning.tiny import write_dataset


@pytest.mark.parametrize(("name", "least"), [("statistics", 0.95), ("boosting", 0.95), ("majority", 0.2)])
def test_bright_discs_are_told_from_dark_ground(tmp_path, name, least):
    dataset = Dataset.open(write_dataset(tmp_path, count=6))
    tiles, kind = dataset.indices("test"), dataset.kind
    answer = kind.baselines[name].fit(Labelled(dataset, single(dataset.inputs), dataset.indices("training"), 3))(dataset)(tiles)
    found = kind.figures(kind.count(dataset.labels(tiles), answer, 2))["mean_iou"]
    assert least < found
    assert name != "majority" or (answer == 0).all()


def test_baselines_learn_from_the_labels_they_are_given(tmp_path):
    seen = []

    class Watched(Dataset):
        def labels(self, indices):
            seen.extend(indices.tolist())
            return super().labels(indices)

    dataset = Watched.open(write_dataset(tmp_path, count=12))
    given = dataset.indices("training")[:3]
    seen.clear()
    for baseline in dataset.kind.baselines_of(dataset).values():
        baseline.fit(Labelled(dataset, single(dataset.inputs), given, 1))
    assert set(seen) == set(given.tolist())
