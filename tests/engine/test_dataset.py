import json
import os
import re

import numpy as np
import pytest

from eo_pretrain_qgis.engine.datasets import dataset as dataset_module
from eo_pretrain_qgis.engine.datasets.dataset import Dataset, write_description
from eo_pretrain_qgis.engine.datasets.footprints import read_footprints
from eo_pretrain_qgis.engine.datasets.shards import Shards, ShardWriter
from eo_pretrain_qgis.engine.datasets.splitting.by_place import SplitPlan
from eo_pretrain_qgis.engine.datasets.splitting.resplitting import divide_again
from eo_pretrain_qgis.errors import DataError

from ..arrays import changed_on_purpose
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
    assert len(dataset) == 64 and [band.name for band in dataset.sensors[0].bands] == ["B04", "B08"] and dataset.sensors[0].bands[0].scale == 1e-4
    assert [(row.value, row.name) for row in dataset.classes] == [(1, "crop"), (2, "forest")]
    assert set(dataset.splits) == {"training", "validation", "test", "dropped"}
    tiles = dataset.indices("training")
    images, labels = dataset.images(tiles), dataset.labels(tiles)
    assert images.shape == (len(tiles), 2, 32, 32) and images.dtype == np.uint16 and dataset.sensors[0].valid(images).all()
    assert (images[:, 0].mean((1, 2)) > 1000).tolist() == (labels == 0).all((1, 2)).tolist(), "labels lie on their fields"
    assert dataset.checksum == Dataset.open(made).checksum
    assert dataset.description["class_pixels"]["training"] == [int((labels == 0).sum()), int((labels == 1).sum())]


@pytest.mark.parametrize(("change", "sentence"), [
    (lambda known: known.pop("classes"), "dataset.json is damaged: it lacks the key “classes”. Restore the file"),
    (lambda known: known.update(tile_size="32"), "“tile_size” is “32”, but must be a whole number. Restore the file"),
    (lambda known: known.update(version=7), "has version 7, and this plugin reads version 1. Update the plugin."),
    (lambda known: known.update(format="other"), "does not describe a dataset of this plugin"),
    (lambda known: known["classes"][0].pop("color"), "it lacks the key “classes\\[0\\].color”"),
    (lambda known: known["shards"][0]["images"].update(image="../victim.npy"), "holds what is not the plain name of a file that ends in .npy"),
    (lambda known: known["shards"][0].update(labels="/tmp/labels.npy"), "“/tmp/labels.npy”, but must be the plain name of a file"),
    (lambda known: known["shards"][0].update(labels="images-000.npy"), "the file “images-000.npy” stands twice"),
    (lambda known: known["shards"][0]["images"].update(other="other.npy"), "“shards” has images of “other”, which is none of its sensors"),
    (lambda known: known["classes"].append(known["classes"][0]), "the value of a class “1” stands twice"),
    (lambda known: known["classes"].pop(), "“class_pixels” must have, for training, one number for each of the 1 classes"),
    (lambda known: known["classes"][0].update(color="red"), "“red”, but must be empty or a colour such as #1f77b4"),
    (lambda known: known["sensors"][0]["bands"][1].update(name="B09"), "“statistics” says nothing of the band “B09” of the sensor “image”"),
    (lambda known: known["sensors"][0]["bands"][1].update(scale=0), "the scale of the band “B08” is 0"),
    (lambda known: known["sensors"][0].update(name="../image"), "“../image”, but must be a name that can be that of a file"),
    (lambda known: known["sensors"][0].update(nodata=-1), "“nodata” of the sensor “image” is -1, which no pixel of uint16 can hold"),
    (lambda known: known["scenes"][0].update(crs="Atlantis"), "a scene has the CRS “Atlantis”, which is none"),
    (lambda known: known["scenes"][0].update(transform=[0, 0, 0, 0, 0, 0]), "the transform has pixels without a size"),
    (lambda known: known["statistics"]["image"]["B04"]["edges"].pop(), "a histogram needs edges, one more than it has bins"),
    (lambda known: known.update(shards=[]), "it has no samples"),
    (lambda known: known.update(theme="crops"), "the theme “crops” has no datasets for the task “segmentation”"),
    (lambda known: known.update(resolution_m=[10]), "“resolution_m” is a list, but must be a list of length 2"),
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


@pytest.mark.parametrize(("name", "values", "sentence"), [
    ("labels-000.npy", np.full((64, 32, 32), 2, np.uint8), "hold 2, but there are 2 classes, from position 0 on"),
    ("labels-000.npy", np.full((64, 32, 32), 254, np.uint8), "hold 254, but there are 2 classes"),
    ("labels-000.npy", np.zeros((64, 32), np.uint8), "holds uint8 (32) for each sample, but dataset.json asks for uint8 (32 × 32)"),
    ("labels-000.npy", np.zeros((64, 32, 32), np.int16), "holds int16 (32 × 32) for each sample"),
    ("images-000.npy", np.zeros((64, 3, 32, 32), np.uint16), "(3 × 32 × 32) for each sample, but dataset.json asks for uint16 (2 × 32 × 32)"),
    ("images-000.npy", np.zeros((64, 2, 32, 32), np.float32), "holds float32 (2 × 32 × 32) for each sample"),
    ("images-000.npy", np.zeros((63, 2, 32, 32), np.uint16), "holds 63 samples, but dataset.json says 64"),
])
def test_arrays_that_are_not_as_described(copy, name, values, sentence):
    np.save(copy / name, values)
    changed_on_purpose(copy)
    with pytest.raises(DataError, match=re.escape(sentence)):
        Dataset.open(copy)


def test_labels_of_large_datasets_are_looked_through_as_they_are_read(copy, monkeypatch):
    labels = np.zeros((64, 32, 32), np.uint8)
    labels[37, 5, 5], labels[3] = 9, 255
    np.save(copy / "labels-000.npy", labels)
    changed_on_purpose(copy)
    monkeypatch.setattr(dataset_module, "CHECKED_BYTES", 1024)
    dataset = Dataset.open(copy)
    assert (dataset.labels(np.array([3])) == 255).all(), "255 is no label"
    with pytest.raises(DataError, match="hold 9, but there are 2 classes, from position 0 on"):
        dataset.labels(np.array([36, 37]))


def test_links_out_of_the_folder_are_not_followed(copy, tmp_path):
    (tmp_path / "elsewhere.npy").write_bytes((copy / "labels-000.npy").read_bytes())
    (copy / "labels-000.npy").unlink()
    (copy / "labels-000.npy").symlink_to(tmp_path / "elsewhere.npy")
    with pytest.raises(DataError, match="is a link that leads out of the dataset. Copy what it leads to into the folder."):
        Dataset.open(copy)


def test_a_pipe_is_not_waited_for(copy):
    (copy / "labels-000.npy").unlink()
    os.mkfifo(copy / "labels-000.npy")
    with pytest.raises(DataError, match="labels-000.npy is missing or damaged"):
        Dataset.open(copy)


@pytest.mark.parametrize(("change", "sentence"), [
    (lambda tiles: tiles.assign(tile=tiles["tile"] + 1), "does not number its tiles from 0 to 63 in the field “tile”"),
    (lambda tiles: tiles.drop(columns="tile"), "has no field “tile”"),
    (lambda tiles: tiles.assign(tile="x"), "holds something other than numbers in the field “tile”"),
    (lambda tiles: tiles.iloc[:60], "lists 60 tiles, but the arrays hold 64"),
    (lambda tiles: tiles.assign(split="holdout"), "has the split “holdout”, but a tile is training, validation, test or dropped"),
])
def test_a_table_of_tiles_that_is_not_as_it_should_be(copy, change, sentence):
    change(read_footprints(copy)).to_file(copy / "changed.gpkg", layer="tiles")
    (copy / "changed.gpkg").rename(copy / "tiles.gpkg")
    with pytest.raises(DataError, match=sentence):
        Dataset.open(copy)


@pytest.mark.parametrize(("change", "sentence"), [
    (lambda tiles: tiles.drop(columns="share_1"), "tiles.gpkg has no field “share_1”"),
    (lambda tiles: tiles.assign(share_2="much"), "holds something other than numbers in the field “share_2”"),
    (lambda tiles: tiles.set_geometry(tiles.boundary), "has outlines that are no squares or points"),
    (lambda tiles: tiles.set_crs(None, allow_override=True), "does not say in which coordinate system its tiles lie"),
])
def test_fields_and_outlines_are_checked_by_what_needs_them(copy, tmp_path, change, sentence):
    change(read_footprints(copy)).to_file(copy / "changed.gpkg", layer="tiles")
    (copy / "changed.gpkg").rename(copy / "tiles.gpkg")
    with pytest.raises(DataError, match=sentence):
        divide_again(Dataset.open(copy), tmp_path, SplitPlan())


def test_what_could_not_be_read_again_is_not_written(made, tmp_path):
    description = Dataset.open(made).description
    with pytest.raises(DataError, match="“tile_size” is None, but must be a whole number"):
        write_description(tmp_path, {**description, "tile_size": None})
    assert not list(tmp_path.iterdir())
