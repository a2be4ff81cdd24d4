"""A map is a function of image and model; memory does not depend on the raster; cancelling is quick."""

import threading
import time
from contextlib import contextmanager

import numpy as np
import pytest
from skimage.filters import gaussian

from eo_pretrain_qgis.engine.mapping import inference, pipeline
from eo_pretrain_qgis.engine.mapping.blocks import anchored_tiles
from eo_pretrain_qgis.engine.mapping.inference import ahead, map_scene
from eo_pretrain_qgis.engine.mapping.request import MapRequest
from eo_pretrain_qgis.engine.models import package
from eo_pretrain_qgis.engine.models.kinds import LARGEST_EMBEDDED, block_sizes
from eo_pretrain_qgis.engine.models.network import LoadedNetwork, MemoryRanOutError
from eo_pretrain_qgis.engine.models.openvino_session import OpenVinoSession
from eo_pretrain_qgis.engine.rasters.grid import Window
from eo_pretrain_qgis.engine.rasters.raster import Scene
from eo_pretrain_qgis.engine.waiting import patiently
from eo_pretrain_qgis.errors import Cancelled, DataError, EngineError, JobError
from eo_pretrain_qgis.progress import SILENT
from tests import networks, scenes

from ..listening import Cancelling, promised

NO_CLASS = 255


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("far")


@pytest.fixture(scope="module")
def model(place):
    return package.open(networks.write_far_seeing_model(place / "far.onnx"))


@pytest.fixture(scope="module")
def image(place):
    """A smooth landscape of two bands, 731 x 673 px, without nodata."""
    generator = np.random.default_rng(5)
    noise = np.stack([gaussian(generator.normal(size=(673, 731)), 4) for _ in range(2)])
    values = np.clip(1200 + 700 * noise / noise.std(), 1, 3000).astype(np.uint16)
    return scenes.write_raster(place / "image.tif", values, names=("B02", "B03"), tiled=True, blockxsize=256, blockysize=256)


class Pasted:
    """A product that pastes what it is given into arrays of the area: classes, and the probabilities of the winner."""

    name = "class_map"

    @contextmanager
    def open(self, canvas, progress):
        shape = (canvas.area.height, canvas.area.width)
        self.classes, self.probability, written = np.full(shape, NO_CLASS, np.uint8), np.zeros(shape, np.float32), np.zeros(shape, int)

        def take(part):
            place = canvas.place(part.window)
            place = np.s_[place.row:place.row + place.height, place.col:place.col + place.width]
            self.classes[place] = np.where(part.valid, part.winner[0], NO_CLASS)
            self.probability[place] = part.winner[1]
            written[place] += 1

        yield take
        assert written.max() == 1


def extent_of(path, area):
    with Scene.open([{"path": str(path)}]) as scene:
        return {"box": list(scene.grid.bounds(area)), "crs": ""}


def run(model, path, *, area=None, progress=SILENT, product=None, **facts):
    """Classes and probabilities of an area, and the outcome."""
    product = product or Pasted()
    request = MapRequest([{"path": str(path)}], extent=extent_of(path, area) if area else None, **{"device": "cpu", **facts})
    outcome = map_scene(model, request, [product], progress)
    return product.classes, product.probability, outcome


def with_blocks(model, path, block, **facts):
    """The model file with other blocks."""
    return package.write(model.path, {**model.description, "block": block, "small_block": None, **facts}, path)


@pytest.fixture(scope="module")
def whole(model, image):
    """The network on the whole image at once, without tiles: the truth."""
    with Scene.open([{"path": str(image)}]) as scene:
        values, _ = scene.read(Window(0, 0, 736, 680))  # multiples of 8
    padded = values.astype(np.float32)
    padded[:, :, 731:] = padded[:, 673:] = 1000
    scores = model.session("cpu").run({"image": padded[None]})[0, :, :673, :731]
    return scores.argmax(0).astype(np.uint8), scores.max(0)


@pytest.mark.parametrize("block", [128, 256, 512, 1024])
def test_the_map_is_that_of_the_network_on_the_whole_image(model, image, whole, folder, block):
    classes, probability, outcome = run(with_blocks(model, folder / "model.onnx", block), image)
    assert np.abs(probability - whole[1]).max() < 1e-5
    assert (classes != whole[0]).mean() < 1e-5
    assert outcome.valid_share == 1


@pytest.fixture(scope="module")
def near_sighted(model, place):
    """The model with a halo far too small, so that every change of the blocks is a change of the map."""
    return with_blocks(model, place / "near.onnx", 144, halo=8, small_block=64)


@pytest.fixture(scope="module")
def map_of_all(near_sighted, image):
    return run(near_sighted, image)[:2]


@pytest.mark.parametrize("tile_size", [128, 1024, 8192])
@pytest.mark.parametrize("area", [
    Window(0, 0, 300, 200), Window(301, 203, 215, 377), Window(77, 501, 1, 1), Window(600, 543, 131, 130), Window(0, 0, 731, 673),
    Window(127, 127, 2, 2), Window(5, 0, 40, 673), Window(0, 400, 731, 33), Window(333, 128, 128, 128)])
def test_neither_extent_nor_memory_changes_a_pixel(near_sighted, image, area, map_of_all, tile_size):
    part, part_probability, outcome = run(near_sighted, image, area=area, tile_size=tile_size)
    place = np.s_[area.row:area.row + area.height, area.col:area.col + area.width]
    assert np.array_equal(part, map_of_all[0][place])
    assert np.array_equal(part_probability, map_of_all[1][place])
    assert outcome.pixels == area.width * area.height


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_the_number_of_threads_changes_no_pixel(near_sighted, image, map_of_all, threads, monkeypatch):
    begin = OpenVinoSession.__init__
    monkeypatch.setattr(OpenVinoSession, "__init__", lambda self, path, fast, _, *more: begin(self, path, fast, threads, *more))
    assert np.array_equal(run(near_sighted, image)[1], map_of_all[1])


def test_other_blocks_or_another_halo_do_change_it(near_sighted, image, map_of_all, whole):
    """The checks above have teeth: the network sees farther than the halo."""
    assert np.abs(map_of_all[1] - whole[1]).max() > 1e-3
    assert np.abs(run(near_sighted, image, small_blocks=True)[1] - map_of_all[1]).max() > 1e-3
    assert np.abs(run(near_sighted, image, halo=0)[1] - map_of_all[1]).max() > 1e-3


def test_a_memory_setting_says_how_many_blocks_are_held():
    assert pipeline.in_flight(1, 1024, 1024) == (1, 2, 2)
    assert pipeline.in_flight(1, 1280, 1536) == (1, 1, 1)
    assert pipeline.in_flight(4, 1024, 1024) == (4, 2, 2)
    assert pipeline.in_flight(4, 128, 1024) == (1, 0, 0)
    assert sum(pipeline.in_flight(4, 8192, 256)) == pipeline.MOST_BLOCKS


@pytest.mark.parametrize(("halo", "stride", "block", "cost"), [(0, 32, 1024, 1.0), (32, 32, 1024, 1.14), (64, 32, 1056, 1.3), (96, 32, 1536, 1.31),
                                                               (128, 32, 1536, 1.44), (512, 32, 2048, 4.0)])
def test_the_border_of_a_block_costs_little_where_memory_allows(halo, stride, block, cost):
    assert block_sizes(halo, stride)["block"] == block
    assert (block / (block - 2 * halo))**2 == pytest.approx(cost, abs=0.01)


@pytest.mark.parametrize(("halo", "block"), [(32, 1024), (96, 1568), (160, 2048), (224, 2048), (512, 2048)])
def test_encoders_that_embed_have_larger_blocks(halo, block):
    assert block_sizes(halo, 32, LARGEST_EMBEDDED)["block"] == block


def memory_for(side, monkeypatch, error):
    run_it = LoadedNetwork.run

    def limited(self, images):
        if images["image"].shape[-1] > side:
            raise error
        return run_it(self, images)

    monkeypatch.setattr(LoadedNetwork, "run", limited)


@pytest.mark.parametrize("error", [MemoryError(), MemoryRanOutError("Memory ran out on cpu.")])
def test_a_block_that_memory_does_not_hold_offers_the_smaller_one(model, image, whole, monkeypatch, error):
    memory_for(300, monkeypatch, error)
    with pytest.raises(EngineError) as caught:
        run(model, image)
    assert str(caught.value) == (
        f"Memory ran out with a block of 1024 px, in which the model {model.path} maps. Close other programs, or switch on “Small blocks” "
        "(small_blocks): blocks of 256 px need 6% of the memory. A few pixels may differ then, and the tags of the map say so.")
    assert (run(model, image, small_blocks=True)[0] != whole[0]).mean() < 1e-5
    memory_for(100, monkeypatch, error)
    with pytest.raises(EngineError, match="Memory ran out"):
        run(model, image, small_blocks=True)


def test_a_model_without_smaller_blocks_says_so(model, image, folder):
    with pytest.raises(JobError, match="maps in blocks of 256 px and has no smaller ones. Switch “Small blocks” "):
        run(with_blocks(model, folder / "model.onnx", 256), image, small_blocks=True)


def test_anchored_at_a_wrong_phase_the_network_answers_otherwise(model, image, whole):
    """Pooling makes the phase matter, which is why tiles start at multiples of the stride."""
    with Scene.open([{"path": str(image)}]) as scene:
        values, _ = scene.read(Window(203, 201, 400, 400))
    scores = model.session("cpu").run({"image": values.astype(np.float32)[None]})[0].max(0)
    assert np.abs(scores[50:-50, 50:-50] - whole[1][251:551, 253:553]).max() > 1e-3


def test_nodata_stays_nodata_and_does_not_leak_as_zeros(model, place, image):
    with Scene.open([{"path": str(image)}]) as scene:
        values, _ = scene.read(Window(0, 0, 600, 500))
    values[:, 200:260, 100:180] = 0
    values[1, 10, 10] = 0  # one band without data is enough
    path = scenes.write_raster(place / "holes.tif", values, names=("B02", "B03"), nodata=0)
    classes, _, outcome = run(model, path)
    expected = np.zeros((500, 600), bool)
    expected[200:260, 100:180] = expected[10, 10] = True
    assert np.array_equal(classes == NO_CLASS, expected)
    assert outcome.valid_share == pytest.approx(1 - expected.mean())


def test_tiles_without_data_are_not_computed(model, place, folder, monkeypatch):
    values = np.zeros((2, 700, 700), np.uint16)
    values[:, :40, :40] = 900
    path = scenes.write_raster(place / "corner.tif", values, names=("B02", "B03"), nodata=0)
    session = model.session("cpu")
    runs = []

    def record(self, images):
        runs.append(images["image"].shape)
        return np.zeros((1, 3, *images["image"].shape[2:]), np.float32)

    monkeypatch.setattr(type(session), "run", record)
    classes, _, _ = run(with_blocks(model, folder / "model.onnx", 256), path)
    assert runs == [(1, 2, 208, 208)]  # a core of 176 px and the halo on two sides
    assert (classes != NO_CLASS).sum() == 1600


def test_an_image_without_any_valid_pixel_is_refused(model, place):
    path = scenes.write_raster(place / "empty.tif", np.zeros((2, 64, 64), np.uint16), names=("B02", "B03"), nodata=0)
    with pytest.raises(DataError) as caught:
        run(model, path)
    assert str(caught.value) == ("empty.tif has no valid pixel in the area to map: all are nodata. Choose another extent, "
                                 "or check the nodata value.")


def test_values_outside_the_training_range_are_counted(model, place):
    values = np.full((2, 64, 64), 1000, np.uint16)
    values[0, :16] = 9000
    outcome = run(model, scenes.write_raster(place / "bright.tif", values, names=("B02", "B03")))[2]
    assert outcome.out_of_range_shares == pytest.approx([0.25, 0])
    assert outcome.out_of_range_share == 0.25


@pytest.mark.parametrize(("low", "dark", "share"), [(0, 1.0, 1.0), (0, 0.6, 0.6), (0, 0.4, 0.0), (1, 1.0, 0.0)])
def test_an_image_below_the_training_range_is_outside_however_near(model, place, low, dark, share):
    """The range is 1 to 3000: below it by less than the margin, some pixels are excused, and most of an image is not."""
    values = np.full((2, 50, 50), 1000, np.uint16)
    values[0, :round(50 * dark)] = low
    outcome = run(model, scenes.write_raster(place / "dark.tif", values, names=("B02", "B03")))[2]
    assert outcome.out_of_range_shares == pytest.approx([share, 0])


def test_a_halo_that_leaves_nothing_is_refused():
    with pytest.raises(JobError) as caught:
        anchored_tiles(1000, 1000, block=256, halo=128, stride=32)
    assert str(caught.value) == ("A block of 256 px with a halo of 128 px on each side leaves nothing to keep. Choose a smaller halo, or leave it "
                                 "empty to take that of the model.")


@pytest.mark.parametrize(("width", "height"), [(1, 1), (31, 700), (1000, 1000), (5490, 33), (641, 640)])
@pytest.mark.parametrize(("block", "halo", "stride"), [(256, 0, 1), (256, 40, 8), (1024, 192, 32), (1000, 100, 32)])
def test_cores_cover_the_image_once_and_inputs_fit_the_network(width, height, block, halo, stride):
    covered = np.zeros((height, width), int)
    for tile in anchored_tiles(width, height, block=block, halo=halo, stride=stride):
        covered[tile.core.row:tile.core.row + tile.core.height, tile.core.col:tile.core.col + tile.core.width] += 1
        for start, size in ((tile.seen.col, tile.seen.width), (tile.seen.row, tile.seen.height)):
            assert start % stride == 0
            assert size % stride == 0
            assert 0 < size <= block
        assert tile.seen.col == 0 or tile.core.col - tile.seen.col >= halo
        assert tile.seen.col + tile.seen.width >= min(width, tile.core.col + tile.core.width + halo)
    assert covered.min() == covered.max() == 1


def test_tiles_are_evened_out():
    sizes = {tile.core.width for tile in anchored_tiles(1300, 32, block=1024, halo=192, stride=32)}
    assert sizes == {448, 404}  # not 640, 640 and 20


def test_cancelling_stops_all_threads(model, image, folder):
    with pytest.raises(Cancelled):
        run(with_blocks(model, folder / "model.onnx", 128), image, progress=Cancelling(lambda heard: heard.asked > 2))
    assert [thread.name for thread in threading.enumerate() if thread.name.startswith(("read", "write", "network"))] == []


def test_a_long_run_of_the_network_can_be_cancelled(model):
    """One tile may take a minute; the answer to “cancel” must not."""
    session = model.session("cpu", threads=1)
    started = time.monotonic()
    with pytest.raises(Cancelled):
        patiently(lambda: session.run({"image": np.zeros((1, 2, 4096, 4096), np.float32)}), session.stop,
                  Cancelling(lambda heard: heard.asked > 0), 0, "Block 1 of 1")
    assert time.monotonic() - started < promised(6)


class Full(Pasted):
    """A product for which the disk is full."""

    @contextmanager
    def open(self, canvas, progress):
        def take(part):
            raise DataError("The disk is full while writing map.tif. Free some space and run again.")

        yield take


@pytest.mark.parametrize("tile_size", [128, 1024])
def test_an_error_while_writing_comes_up(model, image, tile_size):
    with pytest.raises(DataError, match="The disk is full"):
        run(model, image, product=Full(), tile_size=tile_size)


def test_reading_ahead_keeps_the_order_and_its_distance():
    begun = []

    def slow(item):
        begun.append(item)
        time.sleep(0.002 * (item % 3))
        return item

    distances = [len(begun) - item for item in ahead(slow, range(30), threads=3)]
    assert len(distances) == len(begun) == 30
    assert max(distances) <= 3 + 2


def test_reading_ahead_hands_on_errors_and_drops_the_rest():
    seen = []

    def failing(item):
        seen.append(item)
        if item == 3:
            raise DataError("The file ends here.")
        return item

    with pytest.raises(DataError, match="The file ends here"):
        list(ahead(failing, range(1000), threads=1))
    assert len(seen) < 10


def test_the_most_probable_class_is_the_first_of_equals():
    scores = np.random.default_rng(1).integers(0, 4, (5, 30, 40)).astype(np.float32)
    position, best = inference.most_probable(scores)
    assert np.array_equal(position, scores.argmax(0))
    assert np.array_equal(best, scores.max(0))
