import json
import os
import signal
import subprocess
import sys
import threading
import time
from types import SimpleNamespace

import geopandas
import numpy as np
import pytest
import shapely

from eo_pretrain_qgis.engine import scheduling
from eo_pretrain_qgis.engine.datasets import cutting, shards
from eo_pretrain_qgis.engine.datasets.building import About, Imagery, build_dataset, describe_sensor, open_scenes
from eo_pretrain_qgis.engine.datasets.cutting import Cutting
from eo_pretrain_qgis.engine.datasets.dataset import ClassInfo, Dataset, SensorInfo
from eo_pretrain_qgis.engine.datasets.legend import Legend
from eo_pretrain_qgis.engine.datasets.splitting.by_place import Split, SplitPlan
from eo_pretrain_qgis.engine.datasets.splitting.division import divide, finish
from eo_pretrain_qgis.engine.rasters.sensors import Band
from eo_pretrain_qgis.errors import Cancelled, DataError
from eo_pretrain_qgis.jobs import JOBS
from eo_pretrain_qgis.progress import SILENT

from ..listening import Cancelling, promised
from ..scenes import ORIGIN, UTM, cut_short, land, land_fields, write_raster

PLAN = SplitPlan(0.15, 0.2, seed=1)


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch):
    monkeypatch.setattr(cutting, "PIECE_SIZE", 64)


def make(folder, progress=SILENT, **values):
    for name, write in (("land.tif", land), ("fields.gpkg", land_fields)):
        if not (folder / name).exists():  # a GeoPackage written anew has another checksum
            assert write(folder).name == name
    asked = {"images": [str(folder / "land.tif")], "labels": str(folder / "fields.gpkg"), "class_field": "cover", "tile_size": 32,
             "output": str(folder / "made"), **values}
    JOBS["create_training_dataset"].from_values(asked).run(progress)
    return Dataset.open(asked["output"])


def files(dataset):
    """Everything that does not depend on the clock or the place."""
    arrays = {name: (dataset.folder / name).read_bytes() for name in dataset.shards.files()}
    return {**arrays, "tiles": dataset.tiles.to_csv(), "said": json.dumps({**dataset.description, "name": ""})}


class Halves:
    """Labels with everything optional: the left half of the world is class 0, and one tile in four is judged unfit."""

    path = ""

    def __init__(self, kinds=2):
        self.legend = Legend(tuple(ClassInfo(number, f"c{number}", "#000000") for number in range(kinds)), {}, None)
        self.facts = {"kind": "halves"}

    def read(self, grid, window):
        cols = np.arange(window.col, window.col + window.width)
        return np.broadcast_to(cols >= grid.width // 2, (window.height, window.width)).astype(np.uint8)

    def shares(self, grid, window):
        right = self.read(grid, window) * np.uint8(200)
        return np.stack([255 - right, right])

    def weight(self, grid, window, drawn, image):
        return 0.0 if (window.col // 32 + window.row // 32) % 4 == 0 else 0.5 if window.row < 128 else 1.0

    def columns(self, grid, window, drawn):
        return {"built_up": float(drawn.size), "comment": f"{window.col}/{window.row}"}


def build(folder, name, labels, partners=None, **choices):
    scenes = open_scenes([{"path": str(land(folder))}], "scenes")
    (folder / name).mkdir()
    images = Imagery(scenes, describe_sensor(scenes, "sentinel2_l2a"), partners or {})
    build_dataset(folder / name, images, labels, Cutting(32), PLAN, About(name, **choices))
    return Dataset.open(folder / name)


@pytest.mark.parametrize("layout", [{}, {"tiled": True, "blockxsize": 32, "blockysize": 32, "compress": "deflate"}])
def test_any_number_of_threads_gives_the_same_dataset(folder, monkeypatch, layout):
    noise = np.random.default_rng(1).integers(1, 3000, (2, 256, 256)).astype(np.uint16)
    images = [str(write_raster(folder / f"{number}.tif", noise + number, names=["B04", "B08"], **layout)) for number in range(3)]
    asked = {"images": images, "stride": 24, "validation_share": 0.15, "test_share": 0.2}
    monkeypatch.setattr(scheduling, "MOST_THREADS", 1)
    alone = make(folder, **asked)
    monkeypatch.setattr(scheduling, "MOST_THREADS", 5)
    monkeypatch.setattr(os, "cpu_count", lambda: 5)
    together = make(folder, **asked, output=str(folder / "again"))
    assert len(alone) == 3 * 121 and files(alone) == files(together)
    whole = noise[:, alone.tiles.row[100]:, alone.tiles.col[100]:][:, :32, :32]
    assert (alone.images(np.array([100]))[0] == whole).all()


def test_stopping_is_quick_and_leaves_no_thread(folder, monkeypatch):
    def slow(self, *arguments):
        time.sleep(0.3)
        return read(self, *arguments)

    read = cutting.Cutter._read
    monkeypatch.setattr(cutting.Cutter, "_read", slow)
    land(folder), land_fields(folder)
    stop, before = time.monotonic() + 1.0, threading.active_count()
    with pytest.raises(Cancelled):
        make(folder, Cancelling(lambda heard: heard.seconds > 1), stride=8)
    assert time.monotonic() - stop < promised(2) and threading.active_count() == before and not (folder / "made.part").exists()


def test_a_file_that_ends_early_is_named(folder):
    path = cut_short(folder)
    x, y = ORIGIN
    halves = [shapely.box(x, y - 10_240, x + 5120, y), shapely.box(x + 5120, y - 10_240, x + 10_240, y)]
    geopandas.GeoDataFrame({"cover": ["a", "b"]}, geometry=halves, crs=UTM).to_file(folder / "wide.gpkg", driver="GPKG")
    with pytest.raises(DataError, match=r"cut_short.tif cannot be read at rows .* The file may be cut short or damaged"):
        make(folder, images=[str(path)], labels=str(folder / "wide.gpkg"))
    assert not (folder / "made").exists() and not (folder / "made.part").exists()


def test_what_labels_may_add(folder):
    dataset = build(folder, "made", Halves(), theme="land cover", facts={"year": 2019})
    tiles = np.arange(len(dataset))
    shares, labels = dataset.array("shares", tiles), dataset.labels(tiles)
    assert (dataset.theme, dataset.facts, dataset.description["labels"]["kind"]) == ("land cover", {"year": 2019}, "halves")
    assert len(dataset) == 48 and set(dataset.weights) == {0.5, 1.0} and (dataset.tiles["comment"] == [
        f"{row.col}/{row.row}" for row in dataset.tiles.itertuples()]).all()
    assert shares.shape == (48, 2, 32, 32) and (shares.argmax(1) == labels).all() and set(np.unique(shares)) == {0, 55, 200, 255}


def test_tiles_without_labels(folder):
    plain = build(folder, "plain", None, task="pretraining", theme="pretraining")
    assert (plain.task, plain.classes, len(plain)) == ("pretraining", [], 64) and plain.images(np.arange(3)).shape == (3, 2, 32, 32)
    judged = build(folder, "judged", Halves(0), task="pretraining")
    assert len(judged) == 48, "a legend without classes still judges"
    with pytest.raises(DataError, match="has no labels. Choose a dataset made by"):
        plain.labels(np.arange(3))


def test_two_sensors_on_one_grid(folder):
    backscatter = np.full((1, 256, 256), -12.5, np.float32)
    backscatter[:, :, 40:48] = np.nan
    scenes = open_scenes([{"path": str(write_raster(folder / "radar.tif", backscatter, names=["VV"]))}], "scenes")
    partner = describe_sensor(scenes, "sentinel1_db")
    dataset = build(folder, "made", Halves(), partners={"s1": (partner, scenes)})
    tiles = np.arange(len(dataset))
    optical, radar, labels = dataset.images(tiles, "image"), dataset.images(tiles, "s1"), dataset.labels(tiles)
    assert [sensor.name for sensor in dataset.sensors] == ["image", "s1"] and radar.shape[1:] == (1, 32, 32)
    missing = ~dataset.sensors[1].valid(radar)
    assert missing.any() and (labels[missing] == 255).all() and dataset.sensors[0].valid(optical).all()
    assert dataset.statistics["s1"]["VV"]["mean"] == -12.5
    assert dataset.description["scenes"][0]["partners"]["s1"]["name"] == "radar.tif"


def test_a_partner_on_another_grid_is_refused(folder):
    scenes = open_scenes([{"path": str(write_raster(folder / "radar.tif", np.ones((1, 255, 256), np.float32)))}], "scenes")
    with pytest.raises(DataError, match=r"land.tif and .*radar.tif lie on different grids."):
        build(folder, "made", Halves(), partners={"s1": (describe_sensor(scenes, "generic"), scenes)})


def test_unpaired_sensors_have_shards_of_their_own(folder):
    one, two = np.ones((5, 1, 4, 4), np.uint8), np.full((3, 2, 4, 4), 7, np.uint8)
    with shards.ShardWriter(folder, {"s2": ((1, 4, 4), "uint8"), "s1": ((2, 4, 4), "uint8")}) as writer:
        writer.add(s2=one)
        writer.add(s1=two)
        read = shards.Shards(folder, writer.close())
    read.check()
    assert len(read) == 8 and read.holding("s1").tolist() == [False] * 5 + [True] * 3
    assert (read.images(np.array([7, 5]), "s1") == 7).all()
    with pytest.raises(DataError, match="has no images of the sensor “s1” of all the samples asked for"):
        read.images(np.array([0, 7]), "s1")


def test_samples_that_do_not_go_together(folder):
    with shards.ShardWriter(folder, {"image": ((1, 4, 4), "uint8"), "labels": ((4, 4), "uint8")}) as writer:
        for samples in ({"image": np.ones((2, 1, 4, 4)), "labels": np.ones((1, 4, 4))}, {"other": np.ones((1, 4, 4))},
                        {"image": np.ones((1, 2, 4, 4)), "labels": np.ones((1, 4, 4))}):
            with pytest.raises(ValueError, match="do not"):
                writer.add(**samples)


def test_a_series_keeps_days_and_flags_and_counts_clear_dates_only(folder):
    sensor = SensorInfo("image", "generic", "int16", -1, (Band("B04"), Band("B08")))
    images = np.full((6, 3, 2), 100, np.int16)
    images[:, 1], images[:, 2] = 9000, -1
    flags = np.tile(np.array([0, 1, 4], np.uint8), (6, 1))
    arrays = {"image": ((3, 2), "int16"), "labels": ((), "uint8"), "days": ((3,), "int16"), "flags": ((3,), "uint8")}
    with shards.ShardWriter(folder, arrays, extra=("days", "flags")) as writer:
        writer.add(image=images, labels=np.array([0, 1, 0, 1, 0, 1]), days=np.tile([10, 20, -1], (6, 1)), flags=flags)
        known = writer.close()
    table = geopandas.GeoDataFrame({"scene": "s", "parcel": range(6), "label": [0, 1] * 3}, geometry=[None] * 6, crs="EPSG:32633")
    names = np.array(["training", "training", "test", "test", "validation", "dropped"])
    description = {"task": "series", "name": "crops", "sensors": [sensor], "tile_size": 1, "stride": 1, "resolution_m": [10, 10],
                   "classes": [ClassInfo(1, "maize", "#ffcc00"), ClassInfo(2, "wheat", "#aa8800")], "ignore": 255, "scenes": [], "labels": {},
                   "shards": known, "theme": "crops", "facts": {"first_year": 2019}}
    finish(folder, description, table, Split(names, {"text": "by hand"}))
    dataset = Dataset.open(folder)
    assert dataset.statistics["image"]["B08"]["maximum"] == 100 and dataset.description["class_pixels"]["training"] == [1, 1]
    assert dataset.array("days", np.array([5])).tolist() == [[10, 20, -1]] and dataset.labels(np.array([3])).tolist() == [1]
    assert dataset.sensors[0].valid(images)[0].tolist() == [True, True, False] and dataset.facts["first_year"] == 2019
    with pytest.raises(DataError, match="The dataset crops has samples without coordinates, so it cannot be split by place. Keep the split"):
        divide(folder, description, table, PLAN)


def test_a_disk_full_after_four_fifths(folder, monkeypatch):
    land(folder), land_fields(folder)
    before, append, room = sorted(folder.iterdir()), shards._GrowingArray.append, SimpleNamespace(left=51)

    def until_full(self, samples):
        room.left -= len(samples) / 2  # images and labels
        if room.left < 0:
            raise OSError(28, "No space left on device")
        append(self, samples)

    monkeypatch.setattr(shards._GrowingArray, "append", until_full)
    with pytest.raises(DataError, match=r"The disk is full while writing .*made. Free some space and run again."):
        make(folder)
    assert sorted(folder.iterdir()) == before


CHILD = """
import sys, time
from eo_pretrain_qgis.engine.datasets import cutting
from eo_pretrain_qgis.jobs import JOBS
from eo_pretrain_qgis.progress import Progress

class Pause(Progress):
    def emit(self, event):
        if event["event"] == "progress" and "Cutting" in event["text"] and event["fraction"] > 0.4:
            print("half", flush=True)
            time.sleep(60)

cutting.PIECE_SIZE = 64
JOBS["create_training_dataset"].from_values({"images": [sys.argv[1]], "labels": sys.argv[2], "class_field": "cover", "tile_size": 32,
                                             "output": sys.argv[3]}).run(Pause())
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_a_killed_run_starts_clean_again(folder):
    whole = make(folder, output=str(folder / "whole"))
    child = subprocess.Popen([sys.executable, "-c", CHILD, str(folder / "land.tif"), str(folder / "fields.gpkg"), str(folder / "made")],
                             stdout=subprocess.PIPE, cwd=os.getcwd())
    with child:
        assert child.stdout.readline() == b"half\n"
        child.send_signal(signal.SIGKILL)
    begun, = folder.glob("made.*.part")
    assert not (folder / "made").exists() and (begun / "images-000.npy").exists()
    (begun / "images-001.npy").write_bytes(b"of the killed run")
    again = make(folder)
    assert not begun.exists() and not (folder / "made.claim").exists() and sorted(path.name for path in again.folder.iterdir()) == sorted(
        path.name for path in whole.folder.iterdir())
    assert files(again) == files(whole)
