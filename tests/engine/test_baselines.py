import numpy as np
import pytest

from eo_pretrain_qgis.engine.datasets.dataset import Dataset
from eo_pretrain_qgis.engine.measures.accuracy import confusion, scores
from eo_pretrain_qgis.engine.measures.baselines import StatisticsBaseline, band_statistics, majority_class

from .learning.tiny import write_dataset


def test_local_statistics_equal_those_computed_pixel_by_pixel():
    rng = np.random.default_rng(0)
    images = rng.integers(1, 10_000, (2, 3, 12, 15)).astype(np.uint16)
    valid = rng.random((2, 12, 15)) > 0.3
    found = band_statistics(images, valid)
    for tile, y, x in [(0, 0, 0), (1, 6, 7), (0, 11, 14), (1, 3, 12)]:
        part = np.s_[max(0, y - 3):y + 4, max(0, x - 3):x + 4]
        known = images[tile][(slice(None), *part)].astype(float)[:, valid[tile][part]]
        expected = [images[tile, :, y, x], known.mean(1), known.std(1)] if valid[tile, y, x] else np.zeros((3, 3))
        assert found[tile, :, y, x].reshape(3, 3) == pytest.approx(np.array(expected), rel=1e-4, abs=0.1)


def test_missing_values_do_not_spread():
    images = np.full((1, 1, 20, 20), 5.0, np.float32)
    images[0, 0, :, 10:] = np.nan
    found = band_statistics(images, ~np.isnan(images[:, 0]))
    assert np.isfinite(found).all()
    assert found[0, 1, :, :10] == pytest.approx(5)
    assert found[0, 2, :, :10] == pytest.approx(0, abs=1e-5)


def test_statistics_tell_bright_discs_from_dark_ground(tmp_path):
    dataset = Dataset.open(write_dataset(tmp_path, count=6))
    baseline = StatisticsBaseline.fit(dataset, dataset.inputs, seed=3, samples=2000)
    tiles = dataset.indices("test")
    assert scores(confusion(dataset.labels(tiles), baseline(dataset, tiles), 2))["mean_iou"] > 0.95
    assert majority_class(dataset) == 0
