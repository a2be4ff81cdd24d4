"""Regression and boosting on whitened statistics, learned from datasets."""

import numpy as np
import onnxruntime
import pytest
from scipy.special import expit, softmax

from eo_pretrain_qgis.engine.classic.classifiers import CLASSIFIERS, Boosting, Regression, joint_regression
from eo_pretrain_qgis.engine.classic.samples import LEAST, Rows, measure_whitening, pixel_rows, sample_rows
from eo_pretrain_qgis.engine.datasets.dataset import Dataset

from ..learning.tiny import write_dataset


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return Dataset.open(write_dataset(tmp_path_factory.mktemp("classic"), count=12))


def rows_of(dataset, share=slice(None)):
    what = next(iter(dataset.inputs.values()))
    whitening = measure_whitening(dataset, what, dataset.indices("training"))
    return what, whitening, pixel_rows(dataset, what, whitening, dataset.indices("training")[share], 1)


@pytest.mark.parametrize("kind", CLASSIFIERS)
def test_bright_discs_are_told_from_dark_ground(dataset, kind):
    what, whitening, rows = rows_of(dataset)
    found = CLASSIFIERS[kind](rows, 2, 1)
    tiles = dataset.indices("test")
    truth, (images, valid) = dataset.labels(tiles), dataset.read(what, tiles)
    scores = found.scores(np.moveaxis(whitening.statistics(images, valid), 1, -1).reshape(-1, rows.features.shape[1]))
    answer = scores.argmax(1).reshape(truth.shape)
    assert (answer == truth)[truth != 255].mean() > 0.97


def test_rows_follow_from_the_seed(dataset):
    first, second = (rows_of(dataset)[2] for _ in range(2))
    assert (first.features == second.features).all()
    assert (first.labels == second.labels).all()


def test_a_rare_class_keeps_enough_rows(tmp_path):
    labels = {}

    class Rare(Dataset):
        def labels(self, indices):
            found = np.zeros_like(super().labels(indices))
            found[:, 30:32, 30:33] = 1
            labels.update(zip(indices.tolist(), found))
            return found

    rare = Rare.open(write_dataset(tmp_path, count=36))
    rows = rows_of(rare)[2]
    assert (rows.labels == 1).sum() >= min(LEAST, 6 * len(labels))
    assert set(rows.tiles) <= set(rare.indices("training"))


def test_classes_without_a_row_are_never_the_answer():
    rng = np.random.default_rng(0)
    features = rng.standard_normal((400, 3)).astype(np.float32)
    rows = Rows(features, np.where(features[:, 0] > 0, 3, 1), np.zeros(400, int))
    for kind in CLASSIFIERS.values():
        scores = kind(rows, 5, 1).scores(features)
        assert set(scores.argmax(1)) == {1, 3}
        assert (scores.argmax(1) == rows.labels).mean() > 0.9


def test_several_classes_at_once():
    rng = np.random.default_rng(0)
    features = rng.standard_normal((400, 3)).astype(np.float32)
    labels = np.stack([features[:, 0] > 0, features[:, 1] > 1, np.zeros(400, bool)], 1).astype(np.uint8)
    for kind in (Regression, Boosting):
        scores = kind.fit(Rows(features, labels, np.zeros(400, int)), 3, 1).scores(features)
        assert scores.shape == (400, 3)
        assert ((scores > 0) == labels).mean() > 0.95


@pytest.mark.parametrize("kind", CLASSIFIERS)
@pytest.mark.parametrize("several", [False, True])
def test_graphs_of_rows_answer_alike(kind, several):
    rng = np.random.default_rng(0)
    features = rng.standard_normal((400, 3)).astype(np.float32)
    labels = np.stack([features[:, 0] > 0, features[:, 1] > 1, np.zeros(400, bool)], 1).astype(np.uint8)
    rows = Rows(features, labels if several else labels[:, 0] + 2 * labels[:, 1], np.zeros(400, int))
    found = CLASSIFIERS[kind](rows, 3 if several else 5, 1)
    expected = expit(found.scores(features)) if several else softmax(found.scores(features), 1)
    answer = onnxruntime.InferenceSession(found.graph().SerializeToString()).run(None, {"rows": features})[0]
    assert answer == pytest.approx(expected, abs=1e-4)


def test_whole_samples_have_four_numbers_of_each_band(dataset):
    what, whitening, _ = rows_of(dataset)
    rows = sample_rows(dataset, what, whitening, dataset.indices("all"))
    assert rows.features.shape == (12, 4 * len(what.bands))
    assert np.isfinite(rows.features).all()


@pytest.mark.parametrize("useful", [False, True])
def test_features_that_only_know_the_tile_are_left_out(useful):
    """Of 12 tiles with a label that a statistic tells halfway; the features are the tile's own numbers, or tell the label, too."""
    rng = np.random.default_rng(0)
    tiles = np.repeat(np.arange(12), 100)
    mostly = np.where(rng.random(12) < 0.5, 0.9, 0.1)[tiles]  # most pixels of a tile have one label
    labels = (rng.random(1200) < mostly).astype(int)
    statistics = labels[:, None] + rng.normal(0, 0.7, (1200, 2))
    own = rng.standard_normal((12, 40))[tiles]
    features = labels[:, None] + rng.normal(0, 0.7, (1200, 40)) if useful else own
    rows = Rows(np.concatenate([statistics, features], 1).astype(np.float32), labels, tiles)
    found = joint_regression(rows, 2, 1, first=2)
    assert (np.abs(found.weight[:, 2:]).max() > 0.05 * np.abs(found.weight[:, :2]).max()) == useful
