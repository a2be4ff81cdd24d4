"""Maps whose blocks are computed by Dask workers are those of one process, to the pixel; who would compute something else takes no part."""

import shutil
import socket
import time

import numpy as np
import pytest
import rasterio

from eo_pretrain_qgis import claims
from eo_pretrain_qgis.engine import scheduling
from eo_pretrain_qgis.engine.mapping import inference, series, sharing
from eo_pretrain_qgis.engine.models.network import LoadedNetwork
from eo_pretrain_qgis.errors import Cancelled, DataError, EngineError
from eo_pretrain_qgis.jobs import JOBS
from eo_pretrain_qgis.jobs.record import run_job
from tests import networks, scenes

from ..clusters import ROOT, cluster
from ..listening import Cancelling, Listening, promised
from ..scenes import land
from ..scenes_points import land_points
from ..theme_maps import MAPS, alike, asked_of, read, same_files

BLOCKS = 12


@pytest.fixture(scope="module")
def there(tmp_path_factory):
    """Address and workers of a cluster of two."""
    with cluster(tmp_path_factory.mktemp("cluster"), 2) as found:
        yield found


@pytest.fixture
def place(folder):
    """A folder with an image of 4 × 3 blocks and a U-Net with random weights, whose map changes with every shift of its blocks."""
    values = np.random.default_rng(3).uniform(100, 2900, (2, 230, 310)).astype(np.uint16)
    values[:, :90, :90] = 0
    scenes.write_raster(folder / "image.tif", values, names=["B02", "B03"], nodata=0)
    networks.write_far_seeing_model(folder / "model.onnx", block=144, small_block=None)
    return folder


def mapped(place, name="map", heard=None, **more):
    values = {"model": str(place / "model.onnx"), "images": [str(place / "image.tif")], "device": "cpu", "output": str(place / f"{name}.tif"), **more}
    return run_job(JOBS["predict_map"].from_values(values), heard or Listening())


def nothing_here(monkeypatch):
    """No network is asked in this process from now on."""
    def asked(*given):
        raise AssertionError("asked here")

    monkeypatch.setattr(LoadedNetwork, "run", asked)
    monkeypatch.setattr(series, "ask_all", asked)


def test_the_map_of_two_workers_is_that_of_one_process(place, there, monkeypatch):
    names = ("confidence", "class_shares")
    mapped(place, "here", **{name: str(place / f"{name}_here.tif") for name in names})
    monkeypatch.setenv(scheduling.VARIABLE, there[0])
    nothing_here(monkeypatch)
    heard = Listening()
    result = mapped(place, "there", heard, **{name: str(place / f"{name}_there.tif") for name in names})
    assert all(alike(place / f"{name}here.tif", place / f"{name}there.tif") for name in ("", *(f"{name}_" for name in names)))
    assert 0 < result["valid_share"] < 1
    assert heard.warnings == []
    assert heard.reached(f"Block {BLOCKS} of {BLOCKS}, ")
    fractions = [line["fraction"] for line in heard.lines]
    assert fractions == sorted(fractions)


def test_extents_and_blocks_in_flight_change_no_pixel(place, there, monkeypatch):
    mapped(place, "here")
    whole, generator = read(place / "here.tif")[0], np.random.default_rng(0)
    monkeypatch.setenv(scheduling.VARIABLE, there[0])
    with rasterio.open(place / "here.tif") as raster:
        left, _, _, top = raster.bounds
    for at_once in (1, 2, 5):
        monkeypatch.setattr(scheduling, "AT_ONCE", at_once)
        for _ in range(2):
            (west, east), (north, south) = (np.sort(generator.choice(np.arange(100, size), 2, replace=False)).tolist() for size in (310, 230))
            mapped(place, "part", extent=f"{left + 10 * west},{left + 10 * east},{top - 10 * south},{top - 10 * north} [EPSG:32633]")
            assert np.array_equal(read(place / "part.tif")[0], whole[:, north:south, west:east])


def test_no_more_blocks_are_begun_than_two_for_each_worker(place, there, monkeypatch):
    begun, most, begin, result = set(), [], scheduling._Crowd.begin, scheduling._Piece.result

    def counted(self, *given):
        future = begin(self, *given)
        begun.add(future.key)
        most.append(len(begun))
        return future

    def given(self, *seconds):
        found = result(self, *seconds)
        begun.discard(self._future.key)
        return found

    monkeypatch.setattr(scheduling._Crowd, "begin", counted)
    monkeypatch.setattr(scheduling._Piece, "result", given)
    monkeypatch.setenv(scheduling.VARIABLE, there[0])
    mapped(place)
    assert len(most) == BLOCKS
    assert max(most) == 4


@pytest.mark.parametrize("make", MAPS, ids=lambda make: make.__name__)
def test_every_theme_is_mapped_there_as_here(folder, there, monkeypatch, make):
    made = make(folder)
    for where in ("here", "there"):
        (folder / where).mkdir()
    monkeypatch.setattr(series, "HELD", 2**14)
    asked_of(made, folder / "here").run(Listening())
    monkeypatch.setenv(scheduling.VARIABLE, there[0])
    nothing_here(monkeypatch)
    heard = Listening()
    asked_of(made, folder / "there").run(heard)
    assert same_files(folder / "here", folder / "there")
    assert not any(scheduling.VARIABLE in text for text in heard.texts)


def test_a_model_made_just_now_and_its_ground_are_mapped_there(folder, there, monkeypatch):
    values = {"images": [str(land(folder))], "labels": str(land_points(folder)), "class_field": "cover", "preset": "sentinel2_l2a"}

    def made(name):
        (folder / name).mkdir()
        outputs = {"output": "map.tif", "applicability": "ground.tif", "model": "model.onnx", "report": "report.html"}
        JOBS["map_from_points"].from_values({**values, **{key: str(folder / name / file) for key, file in outputs.items()}}).run(Listening())

    made("here")
    monkeypatch.setenv(scheduling.VARIABLE, there[0])
    nothing_here(monkeypatch)
    made("there")
    for name in ("map.tif", "ground.tif"):
        assert np.array_equal(read(folder / "here" / name)[0], read(folder / "there" / name)[0])


def test_a_path_of_this_folder_is_found_by_workers_of_another(place, there, monkeypatch):
    mapped(place, "here")
    monkeypatch.chdir(place)
    monkeypatch.setenv(scheduling.VARIABLE, there[0])
    JOBS["predict_map"].from_values({"model": "model.onnx", "images": ["image.tif"], "device": "cpu", "output": "there.tif"}).run(Listening())
    assert alike("here.tif", "there.tif")


def test_suggestions_are_computed_here_and_that_is_said(place, there, monkeypatch):
    monkeypatch.setenv(scheduling.VARIABLE, there[0])
    heard = Listening()
    JOBS["suggest_labels"].from_values({"models": [str(place / "model.onnx")], "images": [str(place / "image.tif")], "tile_size": 32, "count": 3,
                                        "output": str(place / "places.gpkg")}).run(heard)
    assert "EOPRETRAIN_DASK is set, but what is made here is summed up in one process, so this computer computes it." in heard.texts


class At(Listening):
    """Does something once, when a map is that far."""

    def __init__(self, fraction, does):
        super().__init__()
        self.left, self.does = fraction, does

    def emit(self, event):
        super().emit(event)
        if self.fraction > self.left:
            self.left = 2
            self.does()


def test_a_worker_that_dies_is_replaced_and_without_any_what_is_finished_stays(place, monkeypatch):
    mapped(place, "here")
    with cluster(place, 2) as (address, workers):
        monkeypatch.setenv(scheduling.VARIABLE, address)
        mapped(place, "there", At(0.2, workers[0].kill))
        assert workers[0].wait(10) is not None
        assert alike(place / "here.tif", place / "there.tif")
        monkeypatch.setattr(scheduling, "LOOK_SECONDS", 0.5)
        monkeypatch.setattr(scheduling, "PATIENCE_SECONDS", 2.0)
        began = []
        heard = At(0.2, lambda: (workers[1].kill(), began.append(time.monotonic())))
        with pytest.raises(EngineError, match=r"The Dask scheduler tcp://\S+ has had no workers for 2 seconds\. Start some and look into the logs"):
            mapped(place, "alone", heard)
        assert time.monotonic() - began[0] < 20
        assert not (place / "alone.tif").exists()
    monkeypatch.delenv(scheduling.VARIABLE)
    heard = Listening()
    mapped(place, "alone", heard)
    assert any(" blocks were finished and are kept." in text for text in heard.texts)
    assert alike(place / "here.tif", place / "alone.tif")
    assert [path for path in place.iterdir() if claims.PART.search(path.name) or path.name.endswith(claims.ENDING)] == []


def test_a_cancel_is_answered_at_once_and_nothing_is_left_to_do(place, there, monkeypatch):
    from distributed import Client

    monkeypatch.setenv(scheduling.VARIABLE, there[0])
    asked = []

    def far(heard):
        if heard.fraction > 0.2 and not asked:
            asked.append(time.monotonic())
        return bool(asked)

    with pytest.raises(Cancelled):
        mapped(place, heard=Cancelling(far))
    assert time.monotonic() - asked[0] < promised(2)
    assert not (place / "map.tif").exists()
    with Client(there[0], set_as_default=False) as client:
        until = time.monotonic() + 10
        while any(client.processing().values()) and time.monotonic() < until:
            time.sleep(0.1)
        assert not any(client.processing().values())


def test_a_scheduler_that_is_not_there_is_said_before_anything_is_written(place, monkeypatch):
    pytest.importorskip("distributed", reason="this engine has no Dask")
    monkeypatch.setenv(scheduling.VARIABLE, "tcp://127.0.0.1:9")
    monkeypatch.setattr(scheduling, "CONNECT_SECONDS", 0.5)
    with pytest.raises(EngineError, match=r"The Dask scheduler tcp://127.0.0.1:9 does not answer .* Start it, or clear EOPRETRAIN_DASK"):
        mapped(place)
    assert not (place / "map.tif").exists()


def test_a_scheduler_that_never_answers_can_be_cancelled(place, monkeypatch):
    pytest.importorskip("distributed", reason="this engine has no Dask")
    monkeypatch.setattr(scheduling, "CONNECT_SECONDS", 4)
    asked = []

    def soon(heard):
        if heard.reached("Block 1 of ") and not asked:
            asked.append(time.monotonic())
        return bool(asked)

    with socket.create_server(("127.0.0.1", 0)) as deaf:
        monkeypatch.setenv(scheduling.VARIABLE, f"tcp://127.0.0.1:{deaf.getsockname()[1]}")
        with pytest.raises(Cancelled):
            mapped(place, heard=Cancelling(soon))
        assert time.monotonic() - asked[0] < promised(2)
    assert not (place / "map.tif").exists()


def refused(place, there, monkeypatch, match):
    monkeypatch.setenv(scheduling.VARIABLE, there[0])
    with pytest.raises(EngineError, match=r"^The Dask worker tcp://\S+ " + match + r", and start the worker again\.$"):
        mapped(place)


def test_workers_without_the_images_refuse(place, there, monkeypatch):
    monkeypatch.setattr(inference, "stamps", lambda *given, **more: [("/nowhere/image.tif", 7, 7)])
    refused(place, there, monkeypatch, "has no file /nowhere/image.tif, or one of another size or time of change than this computer, so it takes no "
                                       "part in this map. Let all computers read model and images from one disk under the same path.*")


def changed(monkeypatch, **facts):
    of = sharing.Shared.of

    def other(maker, takers):
        found = of(maker, takers)
        for name, value in facts.items():
            setattr(found, name, value)
        return found

    monkeypatch.setattr(sharing.Shared, "of", other)


def test_workers_with_another_runtime_refuse(place, there, monkeypatch):
    changed(monkeypatch, runtime="OpenVINO 2030.1, float32")
    refused(place, there, monkeypatch, r"computes the model with OpenVINO \d\S+, float32 and this computer with OpenVINO 2030.1, float32, so "
                                       "it takes no part in this map. Install the same engine on both.*")


def test_workers_with_another_model_refuse(place, there, monkeypatch):
    changed(monkeypatch, model=(str(place / "model.onnx"), "0" * 64))
    refused(place, there, monkeypatch, "has another model under .*model.onnx than this computer, so .* Give both the same file")
    changed(monkeypatch, model=("/nowhere/model.onnx", "0" * 64))
    refused(place, there, monkeypatch, r"cannot read the model /nowhere/model.onnx \(No such file or directory\), so .*")


def test_a_worker_of_another_version_takes_no_part_and_the_others_map(place, monkeypatch):
    mapped(place, "here")
    other = place / "other"
    shutil.copytree(ROOT / "eo_pretrain_qgis", other / "eo_pretrain_qgis", ignore=shutil.ignore_patterns("__pycache__"))
    (other / "metadata.txt").write_text("version=0.0.1\n")
    with cluster(place, 1) as (address, workers):
        workers.more(other)
        wait_for_workers(address, 2)
        monkeypatch.setenv(scheduling.VARIABLE, address)
        heard = Listening()
        mapped(place, "there", heard)
        assert alike(place / "here.tif", place / "there.tif")
        assert len(heard.warnings) == 1
        assert " has version 0.0.1 of this plugin and this computer " in heard.warnings[0]
        workers.kill(1)
        with pytest.raises(EngineError, match="has version 0.0.1 of this plugin .* Install the same on both, and start the worker again"):
            mapped(place, "alone")


def wait_for_workers(address, count):
    from distributed import Client

    with Client(address, set_as_default=False) as client:
        client.wait_for_workers(count, timeout=60)


def test_a_damaged_image_is_said_by_whom_reads_it(place, there, monkeypatch):
    image = scenes.write_raster(place / "image.tif", read(place / "image.tif")[0], names=["B02", "B03"], compress="deflate", tiled=True,
                                blockxsize=64, blockysize=64)
    with image.open("r+b") as stream:
        stream.seek(image.stat().st_size * 3 // 4)
        stream.write(bytes(4096))
    monkeypatch.setenv(scheduling.VARIABLE, there[0])
    nothing_here(monkeypatch)
    with pytest.raises(DataError, match=r"image.tif cannot be read at rows \d+ to \d+ .* The file may be cut short or damaged"):
        mapped(place)
    assert not (place / "map.tif").exists()
