"""An array that was damaged without a change of its size is refused where it is read."""

import json
import shutil
import zlib

import numpy as np
import pytest

from eo_pretrain_qgis.engine.datasets import block_sums
from eo_pretrain_qgis.engine.datasets.block_sums import BlockSums, block_samples, write_sums
from eo_pretrain_qgis.engine.datasets.dataset import Dataset
from eo_pretrain_qgis.engine.datasets.shards import Shards, ShardWriter
from eo_pretrain_qgis.engine.datasets.splitting.by_place import SplitPlan
from eo_pretrain_qgis.engine.datasets.splitting.division import divide_anew
from eo_pretrain_qgis.errors import DataError
from eo_pretrain_qgis.jobs import JOBS
from eo_pretrain_qgis.progress import SILENT

from ..arrays import changed_on_purpose
from ..scenes import land_dataset


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return land_dataset(tmp_path_factory.mktemp("dataset"))


@pytest.fixture
def copy(made, folder):
    return shutil.copytree(made, folder / "copy")


def flip(path, position):
    """Turns over one bit of a file; its size stays."""
    content = bytearray(path.read_bytes())
    content[position] ^= 1
    path.write_bytes(bytes(content))


def start_of(path, sample):
    """Where the bytes of a sample begin in an array file."""
    array = np.load(path, mmap_mode="r")
    return array.offset + sample * array[0].nbytes


def sums_of(path):
    return np.frombuffer(path.with_suffix(".crc32").read_bytes(), "<u4").tolist()


@pytest.mark.parametrize("parts", [[100], [1] * 100, [7, 0, 64, 29], [99, 1]])
def test_sums_do_not_depend_on_how_samples_come(folder, parts, monkeypatch):
    monkeypatch.setattr(block_sums, "BLOCK_BYTES", 100)
    samples = np.random.default_rng(3).integers(0, 9999, (100, 4, 2)).astype(np.int16)  # of 16 bytes, six a block
    sums = BlockSums(16)
    for part in np.split(samples, np.cumsum(parts)[:-1]):
        sums.add(part)
    sums.write(folder / "some.npy")
    assert block_samples(16) == 6 and sums_of(folder / "some.npy") == [zlib.crc32(samples[first:first + 6].tobytes()) for first in range(0, 100, 6)]
    np.save(folder / "other.npy", samples)
    write_sums(folder / "other.npy")
    assert sums_of(folder / "other.npy") == sums_of(folder / "some.npy")


def test_a_flipped_bit_is_found_where_it_is_read(copy, monkeypatch):
    monkeypatch.setattr(block_sums, "BLOCK_BYTES", 1)  # each sample has a sum of its own, as large tiles have
    for array in copy.glob("*.npy"):
        write_sums(array)
    flip(copy / "images-000.npy", start_of(copy / "images-000.npy", 17) + 1000)
    dataset = Dataset.open(copy)
    whole = np.delete(np.arange(64), 17)
    assert dataset.images(whole).shape[0] == 63 and dataset.images(whole).shape[0] == 63, "what is whole can be used"
    for _ in range(2):
        with pytest.raises(DataError, match=r"images-000.npy is damaged: sample 17 of 64, counted from 0, is not as it was written. Restore the "
                           r"file or make the dataset again. If the file was changed on purpose, delete images-000.crc32 beside it."):
            dataset.images(np.array([3, 17]))
    changed_on_purpose(copy)
    assert Dataset.open(copy).images(np.array([3, 17])).shape[0] == 2


def test_samples_of_a_few_bytes_share_a_sum(folder):
    with ShardWriter(folder, {"image": ((3,), "float32"), "labels": ((), "uint8")}) as writer:
        writer.add(image=np.ones((20_000, 3), np.float32), labels=np.arange(20_000, dtype=np.uint8))
        shards = writer.close()
    assert (len(sums_of(folder / "images-000.npy")), len(sums_of(folder / "labels-000.npy"))) == (4, 1)
    flip(folder / "images-000.npy", start_of(folder / "images-000.npy", 6000))
    read = Shards(folder, shards)
    assert (read.labels(np.arange(20_000)) == np.arange(20_000, dtype=np.uint8)).all()
    assert read.images(np.array([5000, 19_999])).shape == (2, 3)
    with pytest.raises(DataError, match=r"one of the samples 5461 to 10921 of 20000, counted from 0, is not as it was written"):
        read.images(np.array([5000, 7000]))


def test_damaged_labels_are_found_on_opening(copy):
    flip(copy / "labels-000.npy", start_of(copy / "labels-000.npy", 63))
    with pytest.raises(DataError, match=r"labels-000.npy is damaged"):
        Dataset.open(copy)


def test_sums_that_are_not_of_the_array(copy):
    (copy / "images-000.crc32").write_bytes(b"12345")
    with pytest.raises(DataError, match=r"images-000.crc32 holds no checksums of images-000.npy. Restore the file"):
        Dataset.open(copy).images(np.arange(2))


def test_a_new_split_keeps_the_sums_and_cannot_hide_damage(made, copy, folder):
    (folder / "again").mkdir()
    divide_anew(Dataset.open(copy), folder / "again", SplitPlan(0.3, 0.3))
    assert sums_of(folder / "again" / "images-000.npy") == sums_of(made / "images-000.npy")
    flip(copy / "images-000.npy", start_of(copy / "images-000.npy", 0))  # the file of both: it is linked
    with pytest.raises(DataError, match=r"again/images-000.npy is damaged"):
        Dataset.open(folder / "again").shards.compare()


def test_a_sample_that_is_replaced_gets_a_new_sum(copy):
    dataset = Dataset.open(copy)
    other = 1 - dataset.labels(np.array([5]))[0]
    dataset.shards.write("labels", 5, other)
    assert (Dataset.open(copy).labels(np.array([5]))[0] == other).all() and Dataset.open(copy).shards.compare()


def test_describe_dataset_looks_through_all_arrays(copy, folder):
    job = JOBS["describe_dataset"]
    job.from_values({"dataset": str(copy), "output": str(folder / "page.html"), "facts": str(folder / "facts.json")}).run(SILENT)
    assert json.loads((folder / "facts.json").read_text(encoding="utf-8"))["compared_with_checksums"] is True
    assert "All arrays of the dataset are as they were written" in (folder / "page.html").read_text(encoding="utf-8")
    flip(copy / "images-000.npy", (copy / "images-000.npy").stat().st_size - 1)
    with pytest.raises(DataError, match=r"images-000.npy is damaged"):
        job.from_values({"dataset": str(copy), "output": str(folder / "second.html")}).run(SILENT)
    assert not (folder / "second.html").exists()
    changed_on_purpose(copy)
    job.from_values({"dataset": str(copy), "output": str(folder / "third.html")}).run(SILENT)
    assert "Some arrays were made before checksums were kept" in (folder / "third.html").read_text(encoding="utf-8")
