"""Maps do not depend on how they were tiled; memory does not depend on the raster; cancelling is quick."""

import threading
import time

import numpy as np
import pytest
from skimage.filters import gaussian

from eo_pretrain_qgis.engine.mapping import inference
from eo_pretrain_qgis.engine.mapping.band_matching import match_bands
from eo_pretrain_qgis.engine.mapping.inference import NO_CLASS, ahead, anchored_tiles, predict
from eo_pretrain_qgis.engine.models import package
from eo_pretrain_qgis.engine.rasters.grid import Window
from eo_pretrain_qgis.engine.rasters.raster import Scene
from eo_pretrain_qgis.errors import Cancelled, DataError, JobError
from eo_pretrain_qgis.progress import Progress
from tests import networks, scenes

from ..listening import Cancelling, Listening


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


def run(model, path, *, device="cpu", area=None, progress=None, **facts):
    """Classes and probabilities of an area, pasted together from what was written, and the outcome."""
    sources = [{"path": str(path)}]
    with Scene.open(sources) as scene:
        grid = scene.grid
        matches = match_bands(model.bands, scene.band_names, image="image")
    area = area or grid.window
    classes = np.full((area.height, area.width), NO_CLASS, np.uint8)
    probability = np.zeros((area.height, area.width), np.float32)
    written = np.zeros((area.height, area.width), int)

    def write(window, positions, best):
        top, left = window.row - area.row, window.col - area.col
        place = np.s_[top:top + window.height, left:left + window.width]
        classes[place], probability[place] = positions, best
        written[place] += 1

    outcome = predict(model, model.session(device), lambda: Scene.open(sources), matches, write, area=area,
                      progress=progress or Progress(), **facts)
    assert written.max() == 1
    return classes, probability, outcome


@pytest.fixture(scope="module")
def whole(model, image):
    """The network on the whole image at once, without tiles: the truth."""
    with Scene.open([{"path": str(image)}]) as scene:
        values, _ = scene.read(Window(0, 0, 736, 680))  # multiples of 8
    padded = values.astype(np.float32)
    padded[:, :, 731:] = padded[:, 673:] = 1000
    scores = model.session("cpu").run(padded[None])[0, :, :673, :731]
    return scores.argmax(0).astype(np.uint8), scores.max(0)


@pytest.mark.parametrize("tile_size", [128, 256, 512, 1024])
def test_the_map_is_that_of_the_network_on_the_whole_image(model, image, whole, tile_size):
    classes, probability, outcome = run(model, image, tile_size=tile_size)
    assert np.abs(probability - whole[1]).max() < 1e-5
    assert (classes != whole[0]).mean() < 1e-5
    assert outcome.valid_share == 1


@pytest.fixture(scope="module")
def map_of_256(model, image):
    """One tile at a time, not in batches, so that even the rounding must be the same."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(inference, "BATCH_PIXELS", 1)
        return run(model, image, tile_size=256)[:2]


@pytest.mark.parametrize("area", [Window(0, 0, 300, 200), Window(301, 203, 215, 377), Window(77, 501, 1, 1), Window(600, 543, 131, 130)])
def test_the_map_of_an_extent_is_that_part_of_the_whole_map(model, image, area, map_of_256, monkeypatch):
    monkeypatch.setattr(inference, "BATCH_PIXELS", 1)
    classes, probability = map_of_256
    part, part_probability, outcome = run(model, image, tile_size=256, area=area)
    place = np.s_[area.row:area.row + area.height, area.col:area.col + area.width]
    assert np.array_equal(part, classes[place])
    assert np.array_equal(part_probability, probability[place])
    assert outcome.pixels == area.width * area.height


def test_without_a_halo_tiles_show(model, image, whole):
    """The check above has teeth: the network sees farther than a tile without a halo."""
    _, probability, _ = run(model, image, tile_size=256, halo=0)
    assert np.abs(probability - whole[1]).max() > 1e-3


def test_anchored_at_a_wrong_phase_the_network_answers_otherwise(model, image, whole):
    """Pooling makes the phase matter, which is why tiles start at multiples of the stride."""
    with Scene.open([{"path": str(image)}]) as scene:
        values, _ = scene.read(Window(203, 201, 400, 400))
    scores = model.session("cpu").run(values.astype(np.float32)[None])[0].max(0)
    assert np.abs(scores[50:-50, 50:-50] - whole[1][251:551, 253:553]).max() > 1e-3


def test_nodata_stays_nodata_and_does_not_leak_as_zeros(model, place, image):
    with Scene.open([{"path": str(image)}]) as scene:
        values, _ = scene.read(Window(0, 0, 600, 500))
    values[:, 200:260, 100:180] = 0
    values[1, 10, 10] = 0  # one band without data is enough
    path = scenes.write_raster(place / "holes.tif", values, names=("B02", "B03"), nodata=0)
    classes, _, outcome = run(model, path, tile_size=256)
    expected = np.zeros((500, 600), bool)
    expected[200:260, 100:180] = expected[10, 10] = True
    assert np.array_equal(classes == NO_CLASS, expected)
    assert outcome.valid_share == pytest.approx(1 - expected.mean())


def test_tiles_without_data_are_not_computed(model, place, monkeypatch):
    values = np.zeros((2, 700, 700), np.uint16)
    values[:, :40, :40] = 900
    path = scenes.write_raster(place / "corner.tif", values, names=("B02", "B03"), nodata=0)
    session = model.session("cpu")
    runs = []

    def record(self, images):
        runs.append(images.shape)
        return np.zeros((len(images), 3, *images.shape[2:]), np.float32)

    monkeypatch.setattr(type(session), "run", record)
    classes, _, _ = run(model, path, tile_size=256)
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


def test_a_halo_that_leaves_nothing_is_refused():
    with pytest.raises(JobError) as caught:
        anchored_tiles(1000, 1000, tile_size=256, halo=128, stride=32)
    assert str(caught.value) == ("A tile of 256 px with a halo of 128 px on each side leaves nothing to keep. "
                                 "Choose a tile size of at least 288 px, or a smaller halo.")


@pytest.mark.parametrize(("width", "height"), [(1, 1), (31, 700), (1000, 1000), (5490, 33), (641, 640)])
@pytest.mark.parametrize(("tile_size", "halo", "stride"), [(256, 0, 1), (256, 40, 8), (1024, 192, 32), (1000, 100, 32)])
def test_cores_cover_the_image_once_and_inputs_fit_the_network(width, height, tile_size, halo, stride):
    covered = np.zeros((height, width), int)
    for tile in anchored_tiles(width, height, tile_size=tile_size, halo=halo, stride=stride):
        covered[tile.core.row:tile.core.row + tile.core.height, tile.core.col:tile.core.col + tile.core.width] += 1
        for start, size in ((tile.seen.col, tile.seen.width), (tile.seen.row, tile.seen.height)):
            assert start % stride == 0
            assert size % stride == 0
            assert 0 < size <= tile_size
        assert tile.seen.col == 0 or tile.core.col - tile.seen.col >= halo
        assert tile.seen.col + tile.seen.width >= min(width, tile.core.col + tile.core.width + halo)
    assert covered.min() == covered.max() == 1


def test_tiles_are_evened_out():
    sizes = {tile.core.width for tile in anchored_tiles(1300, 32, tile_size=1024, halo=192, stride=32)}
    assert sizes == {448, 404}  # not 640, 640 and 20


def test_cancelling_stops_all_threads(model, image):
    with pytest.raises(Cancelled):
        run(model, image, tile_size=128, progress=Cancelling(lambda heard: heard.asked > 2))
    assert [thread.name for thread in threading.enumerate() if thread.name.startswith(("read", "write", "network"))] == []


def test_a_long_run_of_the_network_can_be_cancelled(model):
    """One tile may take a minute; the answer to “cancel” must not."""
    session = model.session("cpu", threads=1)
    everywhere = Window(0, 0, 4096, 4096)
    piece = inference._Piece(everywhere, np.s_[:, :], np.zeros((2, 4096, 4096), np.float32), np.ones((4096, 4096), bool), np.zeros(2))
    started = time.monotonic()
    with pytest.raises(Cancelled):
        inference._patient(session, [piece], Cancelling(lambda heard: heard.asked > 2), 0, "Tile 1 of 1")
    assert time.monotonic() - started < 6


def test_an_error_while_writing_comes_up(model, image, monkeypatch):
    with Scene.open([{"path": str(image)}]) as scene:
        matches = match_bands(model.bands, scene.band_names, image="image")

    def write(window, positions, best):
        raise DataError("The disk is full while writing map.tif. Free some space and run again.")

    with pytest.raises(DataError, match="The disk is full"):
        predict(model, model.session("cpu"), lambda: Scene.open([{"path": str(image)}]), matches, write, tile_size=512)


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


def test_tiles_too_small_for_the_border_of_the_model_are_enlarged(model, image):
    progress = Listening()
    small = run(model, image, tile_size=64, progress=progress)[0]  # of the model's halo of 32 px nothing would be left
    assert (small == run(model, image, tile_size=1024)[0]).all()
    assert progress.texts == ["Of tiles of 64 px nothing is left inside the border of 32 px that the model needs, so tiles of 96 px are taken. "
                              "Give a smaller halo if memory runs out."]
