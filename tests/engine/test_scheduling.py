import sys
import time

import numpy as np
import pytest

from eo_pretrain_qgis.engine import scheduling
from eo_pretrain_qgis.engine.datasets import cutting
from eo_pretrain_qgis.engine.datasets.dataset import Dataset
from eo_pretrain_qgis.errors import Cancelled, DataError, EngineError
from eo_pretrain_qgis.jobs import JOBS
from eo_pretrain_qgis.progress import SILENT, Progress

from ..clusters import cluster
from ..listening import Cancelling
from ..scenes import land_fields, write_raster


def square(tool, item):
    if item == tool:
        raise DataError("that one is broken")
    time.sleep(0.002 * (item % 3))
    return item * item


def test_results_come_in_order_and_errors_where_they_belong():
    assert list(scheduling.in_order(square, -1, range(30), lambda: None, threads=4)) == [number**2 for number in range(30)]
    seen = []
    with pytest.raises(DataError, match="that one is broken"):
        for value in scheduling.in_order(square, 20, range(30), lambda: None, threads=4):
            seen.append(value)
    assert seen == [number**2 for number in range(20)]


def test_no_more_is_computed_than_fits():
    done = []
    results = scheduling.in_order(lambda tool, item: done.append(item), None, range(100), lambda: None, threads=2)
    next(results)
    time.sleep(0.1)
    assert len(done) <= 2 + scheduling.SPARE
    results.close()
    assert len(done) <= 2 + scheduling.SPARE


def late(tool, item):
    time.sleep(tool)
    raise TimeoutError("the disk is slow")


def test_work_that_times_out_itself_is_not_awaited_for_ever(monkeypatch):
    monkeypatch.setattr(scheduling, "HEARTBEAT_SECONDS", 0.05)
    waited = []
    with pytest.raises(TimeoutError, match="the disk is slow"):
        list(scheduling.in_order(late, 0.2, [1], lambda: waited.append(1), threads=1))
    assert len(waited) >= 2


def test_a_scheduler_that_is_not_there(monkeypatch):
    pytest.importorskip("distributed", reason="this engine has no Dask")
    monkeypatch.setenv(scheduling.VARIABLE, "tcp://127.0.0.1:9")
    monkeypatch.setattr(scheduling, "CONNECT_SECONDS", 0.5)
    with pytest.raises(EngineError, match=r"The Dask scheduler tcp://127.0.0.1:9 does not answer .* Start it, or clear EOPRETRAIN_DASK"):
        list(scheduling.in_order(square, -1, range(3), lambda: None))


def test_an_engine_without_dask(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    monkeypatch.setenv(scheduling.VARIABLE, "tcp://127.0.0.1:8786")
    with pytest.raises(EngineError, match=r"names the Dask scheduler tcp://127.0.0.1:8786, but the engine has no Dask. Install"):
        list(scheduling.in_order(square, -1, range(3), lambda: None))


class Killing(Progress):
    """Kills a process when a third of the tiles is cut."""

    def __init__(self, process):
        self.process, self.killed = process, False

    def emit(self, event):
        if event["event"] == "progress" and event["text"].startswith("Cutting") and event["fraction"] > 0.23 and not self.killed:
            self.process.kill()
            self.killed = True


def test_a_dask_scheduler_makes_the_same_dataset_though_a_worker_dies(folder, monkeypatch):
    monkeypatch.setattr(cutting, "PIECE_SIZE", 64)
    noise = np.random.default_rng(1).integers(1, 3000, (2, 256, 256)).astype(np.uint16)
    images = [str(write_raster(folder / f"{number}.tif", noise + number, names=["B04", "B08"])) for number in range(4)]
    asked = {"images": images, "labels": str(land_fields(folder)), "class_field": "cover", "tile_size": 32, "stride": 16,
             "validation_share": 0, "test_share": 0}

    def make(name, progress=SILENT):
        JOBS["create_training_dataset"].from_values({**asked, "output": str(folder / name)}).run(progress)
        made = Dataset.open(folder / name)
        return {**{file: (made.folder / file).read_bytes() for file in made.shards.files()}, "tiles": made.tiles.to_csv(),
                "said": {**made.description, "name": ""}}

    here = make("here")
    with cluster(folder, 2) as (address, workers):
        monkeypatch.setenv(scheduling.VARIABLE, address)
        assert make("there") == here
        killing = Killing(workers[0])
        assert make("survived", killing) == here and killing.killed and workers[0].wait(10) is not None
        with pytest.raises(Cancelled):
            make("stopped", Cancelling(lambda heard: heard.reached("Cutting", 0.3)))
        assert not (folder / "stopped.part").exists()
        workers[1].kill()
        workers[1].wait()
        with pytest.raises(EngineError, match=r"The Dask scheduler .* has no workers. Start some, or clear EOPRETRAIN_DASK"):
            make("alone")


def slow(tool, item):
    time.sleep(0.3)
    return item


def test_work_without_any_worker_left_ends_and_goes_on_when_one_comes_back(folder, monkeypatch):
    monkeypatch.setattr(scheduling, "LOOK_SECONDS", 0.5)
    with cluster(folder, 1) as (address, workers):
        monkeypatch.setenv(scheduling.VARIABLE, address)
        found = []
        for value in scheduling.in_order(slow, None, range(8), lambda: None):
            found.append(value)
            if value == 2:
                workers.kill(1)
                workers.more()
        assert found == list(range(8))
        monkeypatch.setattr(scheduling, "PATIENCE_SECONDS", 2.0)
        with pytest.raises(EngineError, match=r"The Dask scheduler tcp://\S+ has had no workers for 2 seconds\. Start some and look into the logs"):
            for value in scheduling.in_order(slow, None, range(100), lambda: None):
                if value == 2:
                    workers.kill(2)


def test_a_scheduler_that_dies_ends_the_work(folder, monkeypatch):
    monkeypatch.setattr(scheduling, "LOOK_SECONDS", 0.5)
    monkeypatch.setattr(scheduling, "PATIENCE_SECONDS", 2.0)
    with cluster(folder, 1) as (address, workers):
        monkeypatch.setenv(scheduling.VARIABLE, address)
        began = time.monotonic()
        with pytest.raises(EngineError, match=r"The Dask scheduler tcp://\S+ (has had no workers for 2 seconds|gave the work up)"):
            for value in scheduling.in_order(slow, None, range(100), lambda: None):
                if value == 2:
                    workers.kill(0)
        assert time.monotonic() - began < 60
