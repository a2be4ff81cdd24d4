"""What is seen of a dataset: sensors and bands by name, values in the units that were asked for."""

from dataclasses import replace

import numpy as np
import pytest

from eo_pretrain_qgis.engine.cards import single
from eo_pretrain_qgis.engine.datasets.dataset import Dataset
from eo_pretrain_qgis.errors import DataError

from .. import scenes_pretraining as scenes


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """24 tiles of s2 (B04, B03, B02) and s1 (VV, VH)."""
    return Dataset.open(scenes.unlabelled_paired(tmp_path_factory.mktemp("pair")))


def test_the_only_sensor_needs_no_name_and_one_of_several_does(pair, tmp_path):
    alone = Dataset.open(scenes.unlabelled(tmp_path))
    assert alone.sensor_named().name == "image" and alone.images(np.arange(2)).shape == (2, 3, 32, 32)
    assert pair.sensor_named("s1").name == "s1"
    for asked in (pair.sensor_named, lambda: pair.images(np.arange(2))):
        with pytest.raises(DataError, match="has images of s2, s1, and those of one sensor are needed. Choose one of them."):
            asked()
    with pytest.raises(DataError, match="has no sensor “s3”; it has s2, s1. Choose one of them."):
        pair.sensor_named("s3")


def test_bands_are_chosen_by_name_and_in_that_order(pair):
    assert list(pair.choose(["s2", "s1"])) == ["s2", "s1"]
    assert single(pair.choose(["s2"], "B02, B04")).names == ["B02", "B04"]
    both = pair.choose(["s2", "s1"], "VH,B02,B04")
    assert {name: seen.names for name, seen in both.items()} == {"s2": ["B02", "B04"], "s1": ["VH"]}


@pytest.mark.parametrize(("sensors", "bands", "sentence"), [
    (["s2"], "B04,B08", "The images of s2 have no band “B08”. Their bands are B04, B03, B02. Choose some of them."),
    (["s2"], "B04,B03,B04", "The band “B04” is named twice. Name each band once."),
    (["s2", "s1"], "B04,B03", "None of the bands B04, B03 is of s1, whose bands are VV, VH. Name some of each sensor, or none to take all."),
    (["s2", "s1"], "B04,VV,B08", "The images of s2 have no band “B08”."),
])
def test_bands_that_cannot_be_chosen_are_refused(pair, sensors, bands, sentence):
    with pytest.raises(DataError) as caught:
        pair.choose(sensors, bands)
    assert str(caught.value).startswith(sentence)


def test_tiles_that_show_several_sensors_are_those_of_all(pair, tmp_path):
    apart = Dataset.open(scenes.unlabelled_unpaired(tmp_path))
    assert len(pair.indices("training", "s2", "s1")) == len(pair.indices("training")) == 16
    assert [len(apart.indices("all", *names)) for names in (("s2",), ("s1",), ("s2", "s1"))] == [18, 12, 0]


def test_an_input_of_another_dataset_is_read_in_its_own_units(pair):
    tiles, own = np.arange(4), pair.inputs["s2"]
    stored, valid = pair.read(own, tiles)
    assert stored.dtype == np.uint16 and np.array_equal(stored, pair.images(tiles, "s2"))
    elsewhere = replace(own.only(["B02", "B04"]), name="image", sensor="image")
    elsewhere = replace(elsewhere, bands=(replace(elsewhere.bands[0], offset=-0.1), elsewhere.bands[1]))
    assert pair.sensor_of(elsewhere).name == "s2", "by its bands, where there is no sensor of that name"
    found, known = pair.read(elsewhere, tiles)
    assert found.dtype == np.float32 and np.array_equal(known, valid)
    assert np.allclose(found[:, 0], stored[:, 2] + 1000.0, atol=0.01) and np.array_equal(found[:, 1], stored[:, 0])


def test_bands_that_no_sensor_has_are_refused(pair):
    seen = pair.inputs["s2"]
    with pytest.raises(DataError, match=r"The bands of the dataset .* are B04, B03, B02; VV, VH, and B04, B12 are needed. Choose a dataset"):
        pair.read(replace(seen, bands=(seen.bands[0], replace(seen.bands[1], name="B12"))), np.arange(1))
    with pytest.raises(DataError, match=r"The units of the bands of the dataset .* are VV dB, and VV linear are needed."):
        pair.sensor_of(replace(pair.inputs["s1"], bands=(replace(pair.inputs["s1"].bands[0], unit="linear"),)))
