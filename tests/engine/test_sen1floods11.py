"""Chips of Sen1Floods11 as published: values in dB, labels, the published split with Bolivia apart, and real chips laid out in that form."""

import shutil

import numpy as np
import pytest

from eo_pretrain_qgis.engine.datasets.dataset import IGNORE
from eo_pretrain_qgis.engine.datasets.footprints import read_footprints
from eo_pretrain_qgis.engine.formats import Tree, detect

from .. import scenes_benchmarks as made
from ..listening import Listening
from .test_formats import everything, imported

REAL = ("sen1floods11_water", "sen1floods11_more")


def test_chips_keep_their_values_labels_and_place(folder):
    root = made.sen1floods11(folder)
    assert detect(Tree(root)) == detect(Tree(folder)) == detect(Tree(root / "data" / "flood_events" / "HandLabeled")) == "sen1floods11"
    dataset = imported(folder, source=str(root))
    assert [(sensor.name, sensor.preset, [(band.name, band.unit) for band in sensor.bands]) for sensor in dataset.sensors] == [
        ("s1", "sentinel1_db", [("VV", "dB"), ("VH", "dB")])]
    assert [(row.value, row.name) for row in dataset.classes] == [(0, "no water"), (1, "water")]
    outlines = read_footprints(dataset.folder).geometry
    images, labels, chips = dataset.images(everything(dataset)), dataset.labels(everything(dataset)), list(dataset.tiles["scene"])
    for number, name in enumerate((name for names in made.CHIPS.values() for name in names), 1):
        radar, label = made.flood_chip(number)
        at = chips.index(name)
        np.testing.assert_array_equal(images[at], radar)
        expected = np.where(label < 0, IGNORE, label)
        expected[0] = IGNORE  # not measured
        np.testing.assert_array_equal(labels[at], expected)
        assert outlines.iloc[at].bounds[:2] == pytest.approx((10 + number / 10, 8 - 64 * 9e-5))
    assert set(dataset.tiles["place"]) == {"Ghana", "India", "Bolivia"}


def test_the_published_split_is_kept_and_bolivia_is_named(folder):
    dataset = imported(folder, source=str(made.sen1floods11(folder)))
    tiles = dataset.tiles
    for kind, split in (("train", "training"), ("valid", "validation"), ("test", "test")):
        own = tiles[tiles["scene"].isin(made.CHIPS[kind])]
        assert set(own["split"]) == {split} and not own["subset"].fillna("").any() and len(own) == len(made.CHIPS[kind])
    apart = dataset.indices("test", subset="bolivia")
    assert list(tiles["scene"].iloc[apart]) == ["Bolivia_31"] and not set(apart) & set(dataset.indices("all"))


def test_sentinel_2_comes_along_where_it_is_there(folder):
    dataset = imported(folder, source=str(made.sen1floods11_both(folder)))
    assert [sensor.name for sensor in dataset.sensors] == ["s1", "s2"]
    assert (dataset.sensors[1].preset, len(dataset.sensors[1].bands), dataset.sensors[1].bands[8].name) == ("sentinel2_l1c", 13, "B8A")
    assert (dataset.images(everything(dataset)[:1], "s2")[0, :, 0, 0] == 1000 + 10 * np.arange(13)).all()


def test_chips_may_lie_in_one_folder(folder):
    root = made.sen1floods11_in_one_folder(folder)
    assert detect(Tree(root)) == "sen1floods11"
    dataset = imported(folder, source=str(root), validation_share=0, test_share=0.25)
    assert [sensor.name for sensor in dataset.sensors] == ["s1", "s2"] and len(dataset) == 8
    radar, _ = made.flood_chip(1)
    first = next(name for names in made.CHIPS.values() for name in names)
    np.testing.assert_array_equal(dataset.images(everything(dataset), "s1")[list(dataset.tiles["scene"]).index(first)], radar)


def test_chips_without_lists_are_divided_by_place(folder):
    root, heard = made.sen1floods11(folder), Listening()
    shutil.rmtree(root / "splits")
    dataset = imported(folder, heard, source=str(root), validation_share=0, test_share=0.25)
    assert any("holds no lists of a split (flood_train_data.csv), so the chips are divided by place. To keep the published split, choose the folder "
               "v1.1" in text for text in heard.texts)
    assert "subset" not in dataset.tiles and dataset.description["split"]["method"] != "given"


def test_chips_may_be_cut(folder):
    dataset = imported(folder, source=str(made.sen1floods11(folder)), tile_size=32)
    assert len(dataset) == 8 * 4 and dataset.tile_size == 32


def test_labels_of_a_rule_are_those_of_sentinel_2(folder):
    dataset = imported(folder, source=str(made.sen1floods11_weak(folder)), validation_share=0, test_share=0.25)
    assert dataset.facts["labels"] == "S2IndexLabelWeak"
    assert (dataset.labels(everything(dataset))[:, 5, -1] == 1).all()


@pytest.mark.realdata
def test_real_chips_in_the_published_form(real_data, folder):
    """Seven chips of 512 px; their labels are those of the files."""
    chips = [path for part in REAL for path in sorted((real_data / "s1" / part).glob("*_S1Hand.tif"))]
    hand, lists = (folder / "v1.1" / part for part in ("data/flood_events/HandLabeled", "splits/flood_handlabeled"))
    for part in ("S1Hand", "LabelHand"):
        (hand / part).mkdir(parents=True)
    lists.mkdir(parents=True)
    rows = {"train": [], "valid": [], "test": [], "bolivia": []}
    for number, path in enumerate(chips):
        name = path.name.removesuffix("_S1Hand.tif")
        shutil.copy(path, hand / "S1Hand")
        shutil.copy(path.with_name(f"{name}_LabelHand.tif"), hand / "LabelHand")
        rows["bolivia" if name.startswith("Bolivia") else ("train", "train", "valid", "test")[number % 4]].append(name)
    for kind, names in rows.items():
        (lists / f"flood_{kind}_data.csv").write_text("".join(f"{name}_S1Hand.tif,{name}_LabelHand.tif\n" for name in names))
    dataset = imported(folder, source=str(folder / "v1.1"))
    assert len(dataset) == len(chips) == 7 and dataset.tile_size == 512
    at = list(dataset.tiles["scene"]).index("India_900498")
    assert np.unique(dataset.labels(np.array([at])), return_counts=True)[1].tolist() == [138039, 123953, 152]
    assert dataset.description["resolution_m"][1] == pytest.approx(9.93, abs=0.1)
    assert (dataset.tiles["subset"] == "bolivia").sum() == 1
