"""A killed map goes on where it was: the same pixels, fewer blocks computed, nothing left; and nothing is taken over that could differ."""

import errno
import json
import os
import signal
import struct
import subprocess
import sys
import time
import zlib
from pathlib import Path

import numpy as np
import pytest
import rasterio

from eo_pretrain_qgis import claims
from eo_pretrain_qgis.engine.mapping import journal, pipeline
from eo_pretrain_qgis.engine.mapping.pipeline import Pace, duration
from eo_pretrain_qgis.engine.models.network import LoadedNetwork
from eo_pretrain_qgis.engine.rasters import cog
from eo_pretrain_qgis.errors import Cancelled, DataError
from eo_pretrain_qgis.jobs import JOBS
from eo_pretrain_qgis.jobs.record import run_job
from tests import networks, scenes

from ..listening import Cancelling, Listening

ROOT = Path(__file__).parents[2]
BLOCKS = 25
#: The command line, in a process that kills itself when its network is asked for the so-many-th time; says how often it was asked.
COMMAND = """
import os, signal, sys
from eo_pretrain_qgis import __main__ as command
from eo_pretrain_qgis.engine.models.network import LoadedNetwork
asked, run = [], LoadedNetwork.run
def counted(self, images):
    asked.append(1)
    if len(asked) == int(sys.argv[1]):
        os.kill(os.getpid(), signal.SIGKILL)
    return run(self, images)
LoadedNetwork.run = counted
sys.exit(command.main(sys.argv[2:]))
"""


@pytest.fixture
def place(folder):
    """A folder with an image of 25 blocks, of which one is empty, and a model."""
    values = np.random.default_rng(3).uniform(500, 2500, (1, 320, 320)).astype(np.uint16)
    values[0, 64:128, 64:128] = 0
    scenes.write_raster(folder / "image.tif", values, names=["B02"])
    networks.write_threshold_model(folder / "model.onnx", block=64, small_block=None)
    return folder


def values_of(place, name="map", **more):
    return {"model": str(place / "model.onnx"), "images": [str(place / "image.tif")], "device": "cpu", "nodata": 0,
            "output": str(place / f"{name}.tif"), **more}


def killed(place, fatal, **more):
    """The command line in a process of its own, which kills itself."""
    words = [word for name, value in values_of(place, **more).items() for word in (f"--{name}", value[0] if isinstance(value, list) else str(value))]
    ran = subprocess.run([sys.executable, "-c", COMMAND, str(fatal), "predict_map", *words], env={**os.environ, "PYTHONPATH": str(ROOT)},
                         capture_output=True, text=True, timeout=240, check=False)
    assert ran.returncode == -signal.SIGKILL, ran.stderr


class Torn(Exception):
    """The moment of which `left_by_a_kill` keeps the files."""


def left_by_a_kill(place, fatal, **more):
    """What a process leaves that is killed when its network is asked for the so-many-th time, or when all is computed and `fatal` is None: its
    files of that moment, and a claim of nobody alive.
    """
    taken = {}

    def snapshot(*given):
        time.sleep(0.1)  # what was handed to the writer is written
        taken.update({path: path.read_bytes() for path in place.iterdir() if claims.PART.search(path.name) or path.name.endswith(claims.ENDING)})
        raise Torn

    with pytest.MonkeyPatch.context() as patch, pytest.raises(Torn):
        if fatal is None:
            patch.setattr(cog, "write_cog", snapshot)
        mapped(place, at={fatal: snapshot}, **more)
    for path, content in taken.items():
        if path.name.endswith(claims.ENDING):
            content = json.dumps({**json.loads(content), "process": 2**22 + 1, "started": 5}).encode()
        path.write_bytes(content)


def mapped(place, at=None, **more):
    """Maps in this process: how often the network was asked, what was said, and the result."""
    asked, run, heard = [], LoadedNetwork.run, Listening()

    def counted(self, images):
        asked.append(1)
        (at or {}).get(len(asked), lambda: None)()
        return run(self, images)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LoadedNetwork, "run", counted)
        result = run_job(JOBS["predict_map"].from_values(values_of(place, **more)), heard)
    return len(asked), "\n".join(heard.texts), result


def read(path):
    with rasterio.open(path) as file:
        return file.read()


def names(place):
    return sorted(path.name for path in place.iterdir())


def parts(place):
    return [name for name in names(place) if claims.PART.search(name) or name.endswith(claims.ENDING)]


def test_a_killed_map_goes_on_and_is_the_map_of_one_run(place):
    whole, _, _ = mapped(place, name="whole")
    assert whole == BLOCKS - 1
    killed(place, 13)
    assert not (place / "map.tif").exists()
    record = json.loads((place / "map.tif.claim").read_text())
    assert len(record["kept"]) == 1
    assert set(record["kept"]) < set(record["parts"])
    asked, said, _ = mapped(place)
    assert 12 <= asked < 16
    kept = BLOCKS - asked
    assert f"An earlier run of this job had begun {place / 'map.tif'} and was ended; " in said
    assert "What it had left was removed" not in said
    assert any(f"{count} of 25 blocks were finished and are kept." in said for count in (kept - 1, kept))
    assert np.array_equal(read(place / "map.tif"), read(place / "whole.tif"))
    assert parts(place) == []


def test_a_map_that_is_killed_twice_goes_on_twice(place):
    mapped(place, name="whole")
    left_by_a_kill(place, 8)
    left_by_a_kill(place, 8)
    asked, _, _ = mapped(place)
    assert asked <= BLOCKS - 1 - 10
    assert np.array_equal(read(place / "map.tif"), read(place / "whole.tif"))
    assert parts(place) == []


def test_several_products_go_on_together(place):
    more = {name: str(place / f"{name}_{{}}.tif") for name in ("confidence", "class_shares")}
    mapped(place, name="whole", **{name: path.format("whole") for name, path in more.items()})
    asked_for = {name: path.format("map") for name, path in more.items()}
    left_by_a_kill(place, 13, **asked_for)
    asked, said, _ = mapped(place, **asked_for)
    assert asked < 16
    assert "was removed" not in said
    for name, path in more.items():
        assert np.array_equal(read(path.format("map")), read(path.format("whole"))), name
    assert parts(place) == []


def change_image(place):
    values = read(place / "image.tif")
    values[0, 0, 0] += 1
    scenes.write_raster(place / "image.tif", values, names=["B02"])


def change_model(place):
    networks.write_threshold_model(place / "model.onnx", block=64, small_block=None, limit=1400.0)


@pytest.mark.parametrize(("change", "more"), [(change_image, {}), (change_model, {}), (lambda place: None, {"tile_size": 512})])
def test_what_another_run_had_finished_is_removed(place, change, more):
    left_by_a_kill(place, 13)
    change(place)
    asked, said, _ = mapped(place, **more)
    assert asked == BLOCKS - 1
    assert "was removed" in said
    assert "are kept" not in said
    mapped(place, name="whole", **more)
    assert np.array_equal(read(place / "map.tif"), read(place / "whole.tif"))
    assert parts(place) == []


def damaged(content, how):
    """A journal whose end is cut, or whose middle holds a wrong byte, or to which foreign bytes were added."""
    if how == "cut":
        return content[:-7]
    if how == "wrong":
        return content[:len(content) // 2] + bytes([content[len(content) // 2] ^ 0xFF]) + content[len(content) // 2 + 1:]
    if how == "empty":
        return b""
    return content + {"zeros": bytes(64), "frame": struct.pack("<QI", 2**60, 7), "record": struct.pack("<QI", 3, zlib.crc32(b"abc")) + b"abc"}[how]


@pytest.mark.parametrize("how", ["cut", "wrong", "empty", "zeros", "frame", "record"])
def test_a_damaged_journal_is_good_up_to_the_damage(place, how):
    mapped(place, name="whole")
    left_by_a_kill(place, 18)
    kept = place / json.loads((place / "map.tif.claim").read_text())["kept"][0]
    kept.write_bytes(damaged(kept.read_bytes(), how))
    asked, _, _ = mapped(place)
    assert {"cut": 7, "wrong": 12, "empty": 24, "zeros": 7, "frame": 7, "record": 7}[how] <= asked <= 24
    assert np.array_equal(read(place / "map.tif"), read(place / "whole.tif"))
    assert parts(place) == []


def test_a_cancelled_map_keeps_nothing(place):
    before = names(place)
    with pytest.raises(Cancelled):
        run_job(JOBS["predict_map"].from_values(values_of(place)), Cancelling(lambda heard: heard.asked > 9))
    assert names(place) == before


def test_a_full_disk_is_said_and_leaves_nothing(place, monkeypatch):
    before, add, count = names(place), journal.Journal.add, []

    def full(self, *given):
        count.append(1)
        if len(count) > 5:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        add(self, *given)

    monkeypatch.setattr(journal.Journal, "add", full)
    with pytest.raises(DataError, match=r"The disk is full while writing .*map.tif. Free some space and run again."):
        run_job(JOBS["predict_map"].from_values(values_of(place)), Listening())
    assert names(place) == before


def test_a_map_that_was_killed_when_all_was_finished_computes_nothing(place):
    mapped(place, name="whole")
    left_by_a_kill(place, None)
    asked, said, _ = mapped(place)
    assert asked == 0
    assert "25 of 25 blocks were finished and are kept" in said
    assert np.array_equal(read(place / "map.tif"), read(place / "whole.tif"))


def test_without_a_job_nothing_is_written_down(place, monkeypatch):
    def refused(*given):
        raise AssertionError

    monkeypatch.setattr(journal, "Journal", refused)
    JOBS["predict_map"].from_values(values_of(place)).run(Listening())
    assert (place / "map.tif").exists()


def test_figures_of_the_image_count_what_was_taken_over(place):
    whole = mapped(place, name="whole")[2]
    left_by_a_kill(place, 13)
    found = mapped(place)[2]
    assert [found[name] for name in ("valid_share", "out_of_range_share")] == [whole[name] for name in ("valid_share", "out_of_range_share")]


def test_the_time_left_is_told_in_words():
    assert [duration(seconds) for seconds in (0.2, 12.4, 59, 61, 170, 3590, 3700, 7800)] == [
        "1 s", "12 s", "59 s", "1 min", "3 min", "1 h 0 min", "1 h 2 min", "2 h 10 min"]


def test_the_rate_is_that_of_this_run(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(pipeline.time, "monotonic", lambda: now[0])
    pace = Pace([1_000_000] * 39 + [500_000], finished={0, 1, 2})
    assert pace.text(4) == "Block 4 of 40"
    now[0] = 4.0
    pace.add(3)
    pace.add(4)
    assert pace.text(6) == "Block 6 of 40, 0.50 Mpx/s, 1 min left"
    assert pace.share == 5 / 39.5
    for number in range(5, 40):
        pace.add(number)
    assert pace.text(40).endswith("Mpx/s")
    assert pace.share == 1

