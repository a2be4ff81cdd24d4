"""What is read around tiles is what lies there in their scene, and where nothing is known their mirror image."""

import numpy as np
import pytest
import rasterio

from eo_pretrain_qgis.engine.datasets.dataset import Dataset
from eo_pretrain_qgis.engine.datasets.surroundings import Surroundings

from ..scenes import land_dataset


@pytest.fixture(scope="module")
def cut(tmp_path_factory):
    """A dataset of 8 x 8 tiles that cover their scene, and the scene."""
    folder = land_dataset(tmp_path_factory.mktemp("cut"))
    with rasterio.open(folder.parent / "land.tif") as source:
        return Dataset.open(folder), source.read()


@pytest.mark.parametrize("margin", [7, 32, 50])
def test_neighbours_are_true_and_the_border_of_the_scene_is_a_mirror(cut, margin):
    dataset, scene = cut
    images, valid = Surroundings(dataset, dataset.inputs["image"], margin).read(np.arange(len(dataset)))
    wide = np.pad(scene, [(0, 0), (margin, margin), (margin, margin)])
    inside = np.pad(np.ones(scene.shape[1:], bool), margin)
    side = 32 + 2 * margin
    assert images.shape == (64, 2, side, side) and images.dtype == np.uint16 and valid.all()
    for image, row, col in zip(images, dataset.column("row"), dataset.column("col")):
        part = slice(row, row + side), slice(col, col + side)
        assert np.array_equal(image[:, inside[part]], wide[:, *part][:, inside[part]])
        own = image[:, margin:margin + 32, margin:margin + 32]
        mirrored = np.pad(own, [(0, 0), (margin, margin), (margin, margin)], "symmetric")
        assert row or np.array_equal(image[:, :margin, margin:margin + 32], mirrored[:, :margin, margin:margin + 32])


def test_tiles_of_other_scenes_are_no_neighbours(cut):
    dataset = Dataset.open(cut[0].folder)
    dataset.tiles["scene"] = [str(number) for number in range(len(dataset))]
    images, _ = Surroundings(dataset, dataset.inputs["image"], 8).read(np.array([9]))
    own = dataset.images(np.array([9]))
    assert np.array_equal(images, np.pad(own, [(0, 0), (0, 0), (8, 8), (8, 8)], "symmetric"))


def test_turned_copies_are_no_neighbours_and_have_none(cut):
    dataset = Dataset.open(cut[0].folder)
    dataset.tiles["augmented"] = (np.arange(len(dataset)) == 10).astype(int)
    with_copy, copied = Surroundings(dataset, dataset.inputs["image"], 8).read(np.array([9, 10]))[0]
    own = dataset.images(np.array([9, 10]))
    mirrored = np.pad(own, [(0, 0), (0, 0), (8, 8), (8, 8)], "symmetric")
    assert np.array_equal(copied, mirrored[1]) and not np.array_equal(with_copy, mirrored[0])
    place = dataset.column("col")[10] - dataset.column("col")[9], dataset.column("row")[10] - dataset.column("row")[9]
    assert place == (32, 0)
    assert np.array_equal(with_copy[:, 8:40, 40:], mirrored[0][:, 8:40, 40:])
