"""Training samples that a classifier was not shown, and the choice between approaches by them."""

import numpy as np
import pytest

from eo_pretrain_qgis.engine.cards import single
from eo_pretrain_qgis.engine.classic.folds import left_out
from eo_pretrain_qgis.engine.classic.models import Labelled
from eo_pretrain_qgis.engine.datasets.dataset import Dataset
from eo_pretrain_qgis.engine.measures.linear_probe import grouped_folds
from eo_pretrain_qgis.engine.runs.approaches import best_of
from tests.scenes_series import write_crop_series


def test_units_stay_together_and_each_is_left_out_once():
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(23), rng.integers(1, 9, 23))
    labels = (groups % 3).astype(np.uint8)
    parts = grouped_folds(labels, groups, 1)
    assert len(parts) == 5
    assert sorted(np.concatenate([asked for _, asked in parts])) == list(range(len(groups)))
    assert all(not set(groups[learned]) & set(groups[asked]) for learned, asked in parts)
    assert grouped_folds(labels[:1], groups[:1], 1) == [] and len(grouped_folds(np.arange(6) // 2, np.arange(6), 1)) == 2


def test_what_was_left_out_is_not_learned_by_heart(tmp_path):
    """Labels drawn at random by parcel: a classifier that was shown the parcel tells them all, one that was not tells none."""
    dataset = Dataset.open(write_crop_series(tmp_path / "season"))
    labelled = Labelled(dataset, single(dataset.inputs), dataset.indices("training"), 1)
    rows = labelled.rows
    drawn = np.random.default_rng(0).integers(0, 3, 60)
    rows.labels[:] = drawn[dataset.tiles["parcel"].to_numpy()[rows.tiles]]
    assert (left_out(labelled, "boosting").argmax(1) == rows.labels).mean() < 0.6
    assert (labelled.fit("boosting").answers(dataset)(rows.tiles).argmax(1) == rows.labels).mean() > 0.9


@pytest.mark.parametrize(("boosting", "network", "kept"), [(0.75, 0.76, "statistics"), (0.79, 0.83, "boosting"), (0.75, 0.85, "network")])
def test_one_standard_error_decides(boosting, network, kept):
    scores = {"network": network, "boosting": boosting, "statistics": 0.72}
    assert best_of({name: {"score": score, "doubt": 0.05} for name, score in scores.items()}) == kept
