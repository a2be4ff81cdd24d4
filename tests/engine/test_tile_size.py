import numpy as np
import pytest

from eo_pretrain_qgis.engine.datasets.dataset import Dataset
from eo_pretrain_qgis.engine.datasets.tile_size import ENOUGH
from eo_pretrain_qgis.errors import DataError, JobError
from eo_pretrain_qgis.jobs import JOBS

from ..listening import Listening
from ..scenes import land, land_fields, write_raster


def made(folder, progress, side=None, **values):
    """A dataset of `land`, or of a larger image that looks like its labels do not matter."""
    image = str(land(folder))
    if side:
        image = str(write_raster(folder / "large.tif", np.random.default_rng(1).integers(1, 3000, (1, side, side)).astype(np.uint16)))
    asked = {"images": [image], "labels": str(land_fields(folder)), "class_field": "cover", "output": str(folder / "made"), **values}
    JOBS["create_training_dataset"].from_values(asked).run(progress)
    return Dataset.open(asked["output"])


def test_the_smallest_is_proposed_for_a_small_image_and_few_tiles_are_warned_of(folder):
    heard = Listening()
    dataset = made(folder, heard, validation_share=0)
    assert dataset.tile_size == 64
    training = len(dataset.indices("training"))
    line = next(text for text in heard.texts if text.startswith("Tile size: 64 px"))
    assert "; with 256 px there would be 0; with 128 px there would be" in line
    assert line.endswith(f". {ENOUGH} or more are wanted: more or larger images give more, and so do smaller shares for validation and test.")
    assert training < 16
    assert sum(text.startswith(f"Tiles for training: {training}, fewer than the 16 of a batch, so a network can hardly") for text in heard.texts) == 1


def test_of_more_than_a_batch_and_fewer_than_wanted_it_is_said_what_gives_more(folder):
    heard = Listening()
    training = len(made(folder, heard, tile_size=32, validation_share=0.2, test_share=0.2).indices("training"))
    assert 16 <= training < ENOUGH
    assert ("info", f"Tiles for training: {training}, fewer than the 48 that are wanted for a network. Give more images or labels, choose smaller "
                    "tiles or a smaller stride, or give validation and test smaller shares.") in heard.said


def test_an_image_that_is_too_small_is_said_once(folder):
    heard, asked = Listening(), {"labels": str(land_fields(folder)), "class_field": "cover", "output": str(folder / "made")}
    image = write_raster(folder / "small.tif", np.random.default_rng(1).integers(1, 3000, (1, 100, 100)).astype(np.uint16))
    with pytest.raises(DataError, match="too small to split by place"):
        JOBS["create_training_dataset"].from_values({"images": [str(image)], **asked}).run(heard)
    assert [text for text in heard.texts if "Tile size" in text] == [
        "Tile size: 64 px. The images are too small for training, validation and test tiles of 256, 128, 64 px."]


def test_a_large_image_gets_large_tiles(folder):
    heard = Listening()
    assert made(folder, heard, side=2048, test_share=0, validation_share=0).tile_size == 256
    assert any(text == "Tile size: 256 px, which leaves about 64 tiles for training." for text in heard.texts)


def test_a_size_that_is_given_is_kept_and_not_spoken_of(folder):
    heard = Listening()
    assert made(folder, heard, tile_size=32).tile_size == 32
    assert not any(text.startswith("Tile size") for text in heard.texts)


def test_a_stride_leaves_no_gap(folder):
    assert made(folder, Listening(), stride=100, validation_share=0, test_share=0).tile_size == 128
    with pytest.raises(JobError, match=r"stride \(300 px\) is larger than the tile \(256 px\)"):
        made(folder, Listening(), stride=300, output=str(folder / "other"))


def test_tiles_that_are_added_have_the_size_of_the_dataset(folder):
    made(folder, Listening(), tile_size=32)
    added = made(folder, Listening(), append_to=str(folder / "made"), output=str(folder / "more"))
    assert added.tile_size == 32
