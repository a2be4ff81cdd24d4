"""Splits by group: groups stay whole, classes reach every split, the same seed gives the same split."""

import numpy as np
import pytest

from eo_pretrain_qgis.engine.datasets.splitting.by_group import given_split, random_split, split_by_group
from eo_pretrain_qgis.engine.datasets.splitting.by_place import SplitPlan
from eo_pretrain_qgis.errors import DataError

from ..listening import Listening

PLAN = SplitPlan(0.15, 0.2, seed=3)


def parcels(count=200, seed=0):
    """Parcels of 1 to 40 samples and five classes of which the last is in four parcels."""
    rng = np.random.default_rng(seed)
    classes = rng.choice(5, count, p=[0.5, 0.3, 0.15, 0.05, 0])
    classes[:4] = 4
    sizes = rng.integers(1, 40, count)
    return np.repeat(np.arange(count), sizes), np.repeat(classes, sizes)


def test_groups_stay_whole_and_shares_are_near():
    groups, labels = parcels()
    split = split_by_group(groups, labels, PLAN)
    for group in range(200):
        assert len(set(split.names[groups == group])) == 1
    assert split.facts["shares"] == pytest.approx([0.65, 0.15, 0.2], abs=0.03)
    assert sum(split.facts["groups"].values()) == 200
    assert "no parcels lie in two splits" in split.facts["text"]
    for label in range(5):
        assert set(split.names[labels == label]) == {"training", "validation", "test"}


def test_same_seed_same_split():
    groups, labels = parcels()
    first, again = split_by_group(groups, labels, PLAN), split_by_group(groups, labels, PLAN)
    other = split_by_group(groups, labels, SplitPlan(0.15, 0.2, seed=4))
    assert np.array_equal(first.names, again.names)
    assert not np.array_equal(first.names, other.names)


def test_names_as_groups_and_many_groups_at_once():
    groups, labels = parcels(6000)
    split = split_by_group(np.char.add("field ", groups.astype(str)), labels, PLAN, "fields")
    assert split.facts["shares"] == pytest.approx([0.65, 0.15, 0.2], abs=0.01)


def test_several_labels_per_sample():
    rng = np.random.default_rng(1)
    labels = (rng.random((300, 4)) < [0.6, 0.3, 0.1, 0.05]).astype(np.uint8)
    split = split_by_group(rng.integers(0, 60, 300), labels, PLAN, "scenes")
    assert all((labels[split.names == part].sum(0) > 0).all() for part in ("training", "validation", "test"))


def test_a_class_in_one_group_trains_and_is_named():
    groups, labels = parcels()
    labels[groups == 7] = 5
    heard = Listening()
    split = split_by_group(groups, labels, PLAN, progress=heard, classes=["a", "b", "c", "d", "e", "flax"])
    assert set(split.names[groups == 7]) == {"training"}
    assert any("The class “flax” lies in one of the parcels, so it cannot be in training, validation and test." in text for text in heard.texts)


def test_unlabelled_samples_and_no_test():
    groups, labels = parcels()
    labels[groups < 50] = 255
    split = split_by_group(groups, labels, SplitPlan(0.3, 0))
    assert set(split.names) == {"training", "validation"}
    assert set(split_by_group(groups, labels, SplitPlan(0, 0)).names) == {"training"}


def test_three_groups_give_one_to_each():
    split = split_by_group(np.repeat([0, 1, 2], 10), np.zeros(30, int), PLAN)
    assert set(split.names) == {"training", "validation", "test"}


def test_too_few_groups():
    with pytest.raises(DataError, match="The number of parcels is 2, but each of training, validation, test needs one. Use more parcels"):
        split_by_group(np.repeat([0, 1], 10), np.zeros(20, int), PLAN)


def test_given_and_random():
    assert given_split(["training", "test"]).facts["method"] == "given"
    with pytest.raises(DataError, match="the split “val”"):
        given_split(["training", "val"])
    labels = np.repeat([0, 1, 2, 3], [100, 50, 3, 1])
    split = random_split(labels, PLAN, "The files have no coordinates.")
    assert split.facts["text"].startswith("The files have no coordinates. Samples were drawn at random within each class")
    assert set(split.names[labels == 2]) == {"training", "validation", "test"}
    assert set(split.names[labels == 3]) == {"training"}
    assert (split.names[labels == 0] == "test").sum() == 20
    assert random_split(np.eye(30, 3, dtype=int), PLAN, "").facts["method"] == "random"


def test_what_has_no_label_is_for_training_unless_nothing_has_one():
    labels = np.repeat([0, 1, 255], [20, 20, 60])
    assert set(random_split(labels, PLAN, "").names[labels == 255]) == {"training"}
    assert set(random_split(np.full(60, 255), PLAN, "").names) == {"training", "validation", "test"}
    several = np.repeat([[1, 0], [0, 0]], [20, 60], 0)
    assert set(random_split(several, PLAN, "").names[20:]) == {"training", "validation", "test"}, "none of several classes is an answer too"
