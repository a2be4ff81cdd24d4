import numpy as np
import pytest
import torch
from torch import nn

from eo_pretrain_qgis.engine.classic.samples import measure_whitening, sample_rows
from eo_pretrain_qgis.engine.datasets.dataset import Dataset
from eo_pretrain_qgis.engine.learning import probes
from eo_pretrain_qgis.engine.learning.networks.encoders import build_unet
from eo_pretrain_qgis.engine.learning.probes import LinearProbe, Probe, encoder_features, nearest_neighbours, score_predictions
from eo_pretrain_qgis.errors import DataError
from tests.inputs import seen

from .conftest import SMALL
from .tiny import write_dataset
from .tiny_scenes import write_scenes


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    return Dataset.open(write_scenes(tmp_path_factory.mktemp("scenes") / "stripes"))


def as_stored(centre, spread):
    """An input of the bands of the datasets here, scaled so."""
    return seen(centre, spread, unit="reflectance", scale=1e-4)


class Passing(nn.Module):
    """An encoder whose last level is its input, so that what it saw can be read off."""

    output_stride = 1

    def forward(self, image):
        return [image[:, :1], image]


def test_features_are_averages_of_the_last_level_of_scaled_bands(scenes, monkeypatch):
    monkeypatch.setattr(probes, "BATCH", 3)
    tiles = scenes.indices("test")
    found = encoder_features(Passing(), scenes, as_stored([1000, 1100, 1200], [100, 200, 0]), tiles)
    images = scenes.images(tiles).astype(float)
    scaled = np.arcsinh((images - np.array([1000, 1100, 1200])[:, None, None]) / np.array([100, 200, 1])[:, None, None])
    np.testing.assert_allclose(found, scaled.mean((2, 3)), rtol=1e-4)


class UpperHalf(Passing):
    """An encoder that sees the upper half of its input alone."""

    def forward(self, image):
        return [image[:, :, :image.shape[2] // 2]]


def test_features_of_a_turned_tile_count_as_much_as_its_own(scenes):
    tiles = scenes.indices("test")
    facts = scenes, as_stored([1000] * 3, [100] * 3), tiles
    whole, upper = encoder_features(Passing(), *facts), encoder_features(UpperHalf(), *facts)
    assert abs(upper - whole).max() > 1e-3
    np.testing.assert_allclose(encoder_features(UpperHalf(), *facts, turned=True), whole, rtol=1e-4, atol=1e-5)


def test_missing_pixels_are_the_centre_of_the_bands(tmp_path):
    dataset = Dataset.open(write_dataset(tmp_path / "discs", size=32, bands=2))
    images = dataset.images(np.arange(2)).astype(float)
    found = encoder_features(Passing(), dataset, as_stored([1000, 1000], [100, 100]), np.arange(2))
    scaled = np.where(images[:, :1] > 0, np.arcsinh((images - 1000) / 100), 0)
    np.testing.assert_allclose(found, scaled.mean((2, 3)), rtol=1e-4)


def test_an_encoder_is_left_as_it_was(scenes):
    encoder = build_unet(SMALL, 3, 2).encoder.train()
    frozen = next(module for module in encoder.modules() if isinstance(module, nn.BatchNorm2d)).eval()
    before = {name: tensor.clone() for name, tensor in encoder.state_dict().items()}
    encoder_features(encoder, scenes, as_stored([1000] * 3, [500] * 3), scenes.indices("test"))
    assert encoder.training
    assert not frozen.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in encoder.state_dict().items())


def test_a_random_encoder_is_scored_on_tiles_it_was_not_fitted_to(scenes):
    torch.manual_seed(0)
    figures = Probe(scenes)(build_unet(SMALL, 3, 2).encoder, as_stored([1600] * 3, [500] * 3))
    assert set(figures) == {"probe_linear", "probe_knn"}
    assert figures["probe_linear"] >= 0.5


def test_statistics_tell_brightness_apart_and_not_direction(scenes):
    probe = Probe(scenes)
    what = scenes.inputs["image"]
    whitening = measure_whitening(scenes, what, probe.known)
    known, asked = (sample_rows(scenes, what, whitening, tiles).features for tiles in (probe.known, probe.asked))
    found = LinearProbe(known, probe.labels).predict(asked)
    assert (found // 2 == probe.truth // 2).all()
    assert probe.statistics(scenes.inputs["image"])["probe_linear"] < 1


def test_statistics_do_not_count_missing_pixels(tmp_path):
    dataset = Dataset.open(write_dataset(tmp_path / "discs", size=32, bands=2))
    what = dataset.inputs["image"]
    whitening = measure_whitening(dataset, what, dataset.indices("training"))
    found, white = sample_rows(dataset, what, whitening, np.arange(3)).features, whitening(dataset.images(np.arange(3)))
    inside = white[:, :, 2:].reshape(3, 2, -1)
    np.testing.assert_allclose(found[:, :2], inside.mean(2), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found[:, 2:4], inside.std(2), rtol=1e-4)
    np.testing.assert_allclose(found[:, 6:], np.percentile(inside, 95, axis=2), rtol=1e-5)


def test_neighbours_vote_by_angle_and_not_by_length():
    known, labels = np.array([[1, 0], [2, 0.1], [0, 1], [0.1, 3.0]]), np.array([0, 0, 1, 1])
    assert nearest_neighbours(known, labels, np.array([[50, 1], [0.01, 0.5]]), 2).tolist() == [0, 1]
    several = nearest_neighbours(known, np.array([[1, 0], [1, 1], [0, 1], [0, 1]]), np.array([[9, 0.3]]), 2)
    assert several.tolist() == [[1.0, 0.5]]


def test_many_useless_features_ask_for_a_strong_penalty():
    rng = np.random.default_rng(3)
    labels = np.arange(40) % 2
    useful = labels[:, None] + rng.normal(0, 0.05, (40, 1))
    noisy = np.concatenate([labels[:, None] + rng.normal(0, 1.0, (40, 1)), rng.normal(0, 1, (40, 60))], 1)
    assert LinearProbe(useful, labels).predict(np.array([[0.0], [1.0]])).tolist() == [0, 1]
    assert LinearProbe(noisy, labels).strength <= 1


@pytest.mark.parametrize("present", [(0, 1, 2), (0, 2), (1,)])
def test_a_probe_becomes_a_layer_that_answers_the_same(present):
    rng = np.random.default_rng(5)
    labels = rng.choice(present, 60)
    features = 7 + 3 * np.eye(4)[labels] + rng.normal(0, 1, (60, 4))
    probe = LinearProbe(features, labels)
    weight, bias = probe.layer(3)
    assert ((features @ weight.T + bias).argmax(1) == probe.predict(features)).all()


def test_a_class_without_a_sample_is_never_the_answer():
    """Where one of two classes is rare, the score of the other begins far above 0."""
    rng = np.random.default_rng(2)
    labels = np.where(np.arange(3000) < 4, 0, 1)
    features = rng.normal(0, 1, (3000, 2)) + 8 * (labels == 0)[:, None]
    probe = LinearProbe(features, labels)
    assert probe.model.intercept_[0] > 8
    weight, bias = probe.layer(3)
    assert set((features @ weight.T + bias).argmax(1)) == {0, 1}


def test_a_probe_of_several_classes_becomes_a_layer_too():
    rng = np.random.default_rng(6)
    labels = np.stack([rng.integers(0, 2, 50), rng.integers(0, 2, 50), np.ones(50, int)], 1)
    features = 5 + 2 * labels[:, :2] + rng.normal(0, 1, (50, 2))
    probe = LinearProbe(features, labels)
    weight, bias = probe.layer(3)
    found = 1 / (1 + np.exp(-(features @ weight.T + bias)))
    np.testing.assert_allclose(found[:, :2], probe.predict(features)[:, :2], rtol=1e-3)
    assert (found[:, 2] > 0.9).all()


def test_a_single_known_class_is_the_answer():
    assert LinearProbe(np.zeros((3, 2)), np.array([4, 4, 4])).predict(np.ones((2, 2))).tolist() == [4, 4]


def test_figures_of_predictions_follow_their_definitions():
    truth, found = np.array([0, 0, 1, 1]), np.array([0, 1, 1, 1])
    figures = score_predictions(truth, found, 3)
    assert figures["overall_accuracy"] == 0.75
    assert figures["mean_f1"] == pytest.approx((2 / 3 + 4 / 5) / 2)
    several = score_predictions(np.array([[1, 0], [0, 1]]), np.array([[0.9, 0.6], [0.2, 0.5]]), 2)
    assert several["average_precision"] == pytest.approx((1 + 2 / 3) / 2)
    assert several["mean_f1"] == pytest.approx((1 + 2 / 3) / 2)


def test_several_classes_at_once_are_probed_too(tmp_path):
    probe = Probe(Dataset.open(write_scenes(tmp_path / "several", task="multilabel")))
    assert 0.5 < probe.statistics(probe.dataset.inputs["image"])["probe_linear"] <= 1


def test_a_dataset_without_labels_of_tiles_is_refused(dataset):
    with pytest.raises(DataError, match=r"is for the task “segmentation” .*, and probing an encoder needs a class for every image, a class"):
        Probe(dataset)


def test_a_dataset_with_nothing_to_score_is_refused(tmp_path):
    folder = write_scenes(tmp_path / "stripes", count=8, splits=["training"] * 8)
    with pytest.raises(DataError, match="has no labelled validation tiles to probe an encoder with"):
        Probe(Dataset.open(folder))


def test_a_feature_that_is_constant_up_to_rounding_gets_no_weight():
    """In float32 the deviation of 12,000 equal numbers is not 0."""
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 2, 12000)
    rows = np.stack([np.full(12000, np.sqrt(1e-3)), labels + rng.normal(0, 0.3, 12000)], 1).astype(np.float32)
    rows[:, 0] += rng.normal(0, 2e-9, 12000).astype(np.float32)
    weight, _ = LinearProbe(rows, labels, strengths=(1.0,)).layer(2)
    assert np.abs(weight[:, 0]).max() < 1 < np.abs(weight[:, 1]).max()
