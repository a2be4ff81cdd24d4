import json

import numpy as np
import pytest

from eo_pretrain_qgis.engine.dataset import Dataset
from eo_pretrain_qgis.engine.shards import Shards, ShardWriter
from eo_pretrain_qgis.errors import DataError

from ..scenes import land_dataset


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return land_dataset(tmp_path_factory.mktemp("dataset"))


@pytest.fixture
def copy(made, folder):
    """The dataset's small files copied, its arrays linked."""
    for file in made.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    return folder


def test_shards_of_several_files(folder):
    images = np.random.default_rng(1).integers(0, 1000, (25, 2, 4, 4)).astype(np.int16)
    labels = np.arange(25, dtype=np.uint8)[:, None, None].repeat(4, 1).repeat(4, 2)
    with ShardWriter(folder, {"image": ((2, 4, 4), "int16"), "labels": ((4, 4), "uint8")}, shard_bytes=64 * 10) as writer:
        for first in range(0, 25, 7):
            writer.add(image=images[first:first + 7], labels=labels[first:first + 7])
        shards = writer.close()
    assert [shard["tiles"] for shard in shards] == [10, 10, 5] and shards[1]["images"] == {"image": "images-001.npy"}
    read = Shards(folder, shards)
    read.check()
    some = np.array([24, 0, 9, 10, 10, 19])
    assert len(read) == 25 and (read.images(some) == images[some]).all() and (read.labels(some) == labels[some]).all()
    assert (np.load(folder / "images-002.npy") == images[20:]).all(), "plain NumPy files"


def test_what_a_dataset_says(made):
    dataset = Dataset.open(made)
    assert len(dataset) == 64 and [band.name for band in dataset.bands] == ["B04", "B08"] and dataset.bands[0].scale == 1e-4
    assert [(row.value, row.name) for row in dataset.classes] == [(1, "crop"), (2, "forest")]
    assert set(dataset.splits) == {"training", "validation", "test", "dropped"}
    tiles = dataset.indices("training")
    images, labels = dataset.images(tiles), dataset.labels(tiles)
    assert images.shape == (len(tiles), 2, 32, 32) and images.dtype == np.uint16 and dataset.valid(images).all()
    assert (images[:, 0].mean((1, 2)) > 1000).tolist() == (labels == 0).all((1, 2)).tolist(), "labels lie on their fields"
    assert dataset.checksum == Dataset.open(made).checksum
    assert dataset.description["class_pixels"]["training"] == [int((labels == 0).sum()), int((labels == 1).sum())]


@pytest.mark.parametrize(("change", "sentence"), [
    (lambda known: known.pop("classes"), "dataset.json: the key “classes” is missing or not as it should be. Restore the file"),
    (lambda known: known.update(tile_size="32"), "the key “tile_size” is missing or not as it should be"),
    (lambda known: known.update(version=7), "has version 7, and this plugin reads version 1. Update the plugin."),
    (lambda known: known.update(format="other"), "does not describe a dataset of this plugin"),
    (lambda known: known["classes"][0].pop("color"), "is damaged in its list of classes, sensors or shards"),
    (lambda known: known["shards"][0].update(tiles=65), "images-000.npy holds 64 samples, but dataset.json says 65"),
    (lambda known: known["shards"][0]["images"].update(image="images-009.npy"), "images-009.npy is missing or damaged"),
])
def test_damaged_description(copy, change, sentence):
    path = copy / "dataset.json"
    known = json.loads(path.read_text(encoding="utf-8"))
    change(known)
    path.write_text(json.dumps(known), encoding="utf-8")
    with pytest.raises(DataError, match=sentence):
        Dataset.open(copy)


def test_broken_files(copy):
    (copy / "labels-000.npy").write_bytes(b"\x93NUMPY broken")
    with pytest.raises(DataError, match=r"labels-000.npy is missing or damaged"):
        Dataset.open(copy)
    (copy / "dataset.json").write_text("{", encoding="utf-8")
    with pytest.raises(DataError, match=r"dataset.json cannot be read"):
        Dataset.open(copy)
    with pytest.raises(DataError, match=r"is not a dataset: it has no dataset.json. Choose a folder made by"):
        Dataset.open(copy / "none")


def test_pickle_is_never_read(copy):
    np.save(copy / "labels-000.npy", np.array([{}] * 64, object), allow_pickle=True)
    with pytest.raises(DataError, match=r"is missing or damaged"):
        Dataset.open(copy)


def test_missing_footprints(copy):
    (copy / "tiles.gpkg").unlink()
    with pytest.raises(DataError, match=r"tiles.gpkg is missing or damaged"):
        Dataset.open(copy)
