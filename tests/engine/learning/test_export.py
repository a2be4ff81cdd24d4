import json
import shutil
import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest
import rasterio
import torch
from scipy.special import softmax

from eo_pretrain_qgis.engine.datasets.dataset import Dataset
from eo_pretrain_qgis.engine.learning.export import Probabilities, export_run, largest_difference, to_onnx
from eo_pretrain_qgis.engine.learning.halo import SCENES, measure_halo, real_scenes, scene_side
from eo_pretrain_qgis.engine.learning.loop.runs import Run
from eo_pretrain_qgis.engine.learning.networks.class_networks import SegmentationNetwork
from eo_pretrain_qgis.engine.mapping.inference import map_scene
from eo_pretrain_qgis.engine.mapping.products import ClassMap
from eo_pretrain_qgis.engine.mapping.request import MapRequest
from eo_pretrain_qgis.engine.models import package
from eo_pretrain_qgis.engine.models import report as model_report
from eo_pretrain_qgis.errors import Cancelled, DataError, ModelError
from eo_pretrain_qgis.jobs import JOBS
from eo_pretrain_qgis.jobs.record import run_job
from eo_pretrain_qgis.progress import SILENT
from tests import scenes
from tests.inputs import inputs

from ...listening import Cancelling, Listening, promised


@pytest.fixture(scope="module")
def exported(run_folder, tmp_path_factory):
    path = tmp_path_factory.mktemp("export") / "discs.onnx"
    return path, export_run(str(run_folder), str(path), licence="CC-BY-4.0", plugin_version="1.2.3")


def test_the_file_gives_what_torch_gives_on_real_tiles(exported, run_folder, dataset_folder):
    path, facts = exported
    assert facts["largest_difference"] <= 1e-4
    dataset = Dataset.open(dataset_folder)
    tiles = dataset.images(dataset.indices("test")).astype(np.float32)
    with torch.no_grad():
        scores = Run.open(str(run_folder)).load_network(torch.device("cpu"))({"image": torch.from_numpy(tiles)})
    expected = (scores / package.open(path).record.calibration["probabilities"].kept).softmax(1).numpy()
    found = package.open(path).session("cpu").run({"image": tiles})
    assert np.abs(found - expected).max() < 1e-4
    assert found.sum(1) == pytest.approx(1, abs=1e-5)


def test_the_file_knows_what_it_wants_and_where_it_comes_from(exported, run_folder):
    path, facts = exported
    model, card = package.open(path), json.loads((run_folder / "run.json").read_text())
    assert model.id == facts["model_id"] and model.id.startswith("discs-tu-test-resnet-")
    assert list(model.inputs) == ["image"] and model.image.sensor == "image"
    assert model.image.names == ["B02", "B03", "B04"]
    assert model.image.fill == tuple(band["centre"] for band in card["inputs"][0]["bands"])
    assert [row.value for row in model.classes] == [3, 7]
    assert model.stride == 32
    assert model.halo in range(32, 257, 32)
    assert model.description["scores"]["mean_iou"] == card["metrics"]["mean_iou"]
    assert model.description["provenance"]["dataset_checksum"] == card["dataset"]["checksum"]
    assert model.description["provenance"]["plugin_version"] == "1.2.3"
    assert model.description["licence"] == "CC-BY-4.0"


def test_the_file_holds_no_path_of_this_machine(exported):
    content = exported[0].read_bytes()
    assert b"site-packages" not in content
    assert b"eo_pretrain_qgis/" not in content


def test_a_difference_above_the_tolerance_is_refused(run_folder, tmp_path):
    with pytest.raises(ModelError, match=r"differs from the trained one by up to .* in a probability, more than the 0 allowed"):
        export_run(str(run_folder), str(tmp_path / "model.onnx"), tolerance=0)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("place", [0, 1])
def test_a_result_that_is_no_number_is_a_difference(place):
    images = [{"image": make((1, 1, 2, 2), np.float32)} for make in (np.zeros, np.ones)]
    session = SimpleNamespace(run=lambda names, inputs: [inputs["image"] * (np.nan if inputs["image"].any() == bool(place) else 1)])
    assert np.isnan(largest_difference(torch.nn.Identity(), session, images))


@pytest.mark.parametrize("encoder", ["tu-test_convnext", "tu-test_efficientnet"])
def test_other_encoders_translate_with_free_sizes(encoder):
    import onnxruntime

    network = Probabilities(SegmentationNetwork(encoder, inputs(5), 3)).eval()
    session = onnxruntime.InferenceSession(to_onnx(network, {"image": 5}, 32, encoder), providers=["CPUExecutionProvider"])
    for n, height, width in [(1, 32, 64), (3, 96, 32)]:
        image = torch.rand(n, 5, height, width)
        with torch.no_grad():
            assert np.abs(session.run(None, {"image": image.numpy()})[0] - network(image).numpy()).max() < 1e-4


def far(reach):
    """A "network" whose class at a pixel depends on the pixel `reach` columns to the left; outside counts as 0."""
    def classes(image):
        return (np.pad(image[:, 0], [(0, 0), (0, 0), (reach, 0)])[:, :, :image.shape[3]] > 0.5).astype(int)
    return classes


def noise(stride=32, count=2):
    generator = np.random.default_rng(0)
    return [generator.random((1, scene_side(stride), scene_side(stride))).astype(np.float32) for _ in range(count)]


@pytest.mark.parametrize(("reach", "halo"), [(0, 64), (32, 64), (33, 96), (150, 192), (250, 256)])
def test_the_border_is_a_step_wider_than_the_network_looks(reach, halo):
    found, tried = measure_halo(far(reach), noise(), 32)
    assert (found, tried[found], tried[halo - 32] if halo < 256 else 0) == (halo, 0, 0)


def test_no_lucky_place_decides_for_the_others():
    """Only one of the scenes depends on pixels 100 columns away."""
    def classes(image):
        near, distant = far(0)(image), far(100)(image)
        return np.where(image[:, 0] >= 1, distant, near)

    scenes_of = noise(count=4)
    scenes_of[2] += 1
    scenes_of[2][:, ::2] -= 0.9
    assert measure_halo(classes, scenes_of, 32)[0] == 160


def test_a_size_that_passes_by_chance_is_not_taken():
    """The network looks 150 px far, but a border of 128 px happens to pass."""
    def classes(image):
        return far(0 if image.shape[-1] == 64 + 2 * 128 else 150)(image)

    def reference(image):
        return far(150)(image)

    assert measure_halo(lambda image: (reference if image.shape[-1] == scene_side(32) else classes)(image), noise(), 32)[0] >= 160


@pytest.mark.parametrize("stride", [1, 14, 64])
def test_borders_keep_to_the_grid_of_the_network(stride):
    def classes(image):
        assert image.shape[2] % stride == image.shape[3] % stride == 0
        return far(33)(image)

    halo, _ = measure_halo(classes, noise(stride), stride)
    assert halo % stride == 0
    assert halo >= 33


def test_a_network_that_looks_farther_than_the_largest_border_says_so():
    heard = Listening()
    halo, tried = measure_halo(far(300), noise(), 32, heard)
    assert halo == 256
    assert tried[256] > 0.1
    shares = [event["fraction"] for event in heard.events]
    assert shares == sorted(shares) and shares[-1] < 1 and len(set(shares)) >= len(tried), "the bar moves on with each size, and never back"


def test_the_border_is_measured_among_true_neighbours(tmp_path):
    """A scene cut into tiles comes out as it was around a tile in its middle; where there is nothing, the tile is mirrored."""
    side = 2048
    ramp = (1 + np.arange(side)[None, :, None] + np.arange(side)[None, None, :] / 4).astype(np.uint16)
    image = scenes.write_raster(tmp_path / "ramp.tif", ramp, names=("B02",))
    job = JOBS["create_pretraining_dataset"].from_values({"images": [str(image)], "output": str(tmp_path / "ramp"), "tile_size": 256,
                                                             "near_duplicates": 0})
    run_job(job, SILENT)
    found = real_scenes(str(tmp_path / "ramp"), Dataset.open(tmp_path / "ramp").inputs["image"], 32)
    assert len(found) == SCENES
    assert {scene.shape for scene in found} == {(1, scene_side(32), scene_side(32))}
    middle = scene_side(32) // 2
    for scene in found:
        assert np.array_equal(np.diff(scene[0, middle - 90:middle + 90, middle]), np.ones(179))
    assert any((np.diff(scene[0, :, middle]) == 1).all() for scene in found)


def test_the_page_says_how_the_border_was_measured(exported, tmp_path):
    model = package.open(exported[0])
    assert model.block >= 2 * model.halo + model.stride and model.small_block < model.block
    said = model.record.halo_measured
    assert (said.places, said.changed) == (4 * SCENES, said.tried[str(model.halo)])
    model_report.write_html(model, str(tmp_path / "model.html"))
    page = (tmp_path / "model.html").read_text()
    assert f"At {said.places} places of the training tiles" in page
    assert f"In blocks of {model.block} px" in page


def test_a_run_whose_dataset_is_gone_exports_the_same_network_without_a_temperature(exported, run_folder, tmp_path):
    shutil.copytree(run_folder, tmp_path / "run")
    card = json.loads((tmp_path / "run" / "run.json").read_text())
    card["dataset"]["path"] = "/nowhere/discs"
    (tmp_path / "run" / "run.json").write_text(json.dumps(card))
    heard = Listening()
    assert export_run(str(tmp_path / "run"), str(tmp_path / "model.onnx"), progress=heard)["largest_difference"] <= 1e-4
    assert ("The dataset /nowhere/discs of the run is gone, so nobody can say how sure the model may be. Its probabilities stay as they are."
            ) in heard.texts
    alone, before = package.open(tmp_path / "model.onnx"), package.open(exported[0])
    assert not alone.record.calibration and alone.id == before.id
    image = np.random.default_rng(0).normal(1500, 300, (1, 3, 64, 64)).astype(np.float32)
    plain = np.log(alone.session("cpu").run({"image": image}))
    expected = softmax(plain / before.record.calibration["probabilities"].kept, 1)
    np.testing.assert_allclose(before.session("cpu").run({"image": image}), expected, atol=1e-5)


def test_damaged_or_missing_weights_are_named(run_folder, tmp_path):
    shutil.copytree(run_folder, tmp_path / "run")
    weights = tmp_path / "run" / "best.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(ModelError, match=r"The weights .*best.safetensors are missing or damaged"):
        export_run(str(tmp_path / "run"), str(tmp_path / "model.onnx"))
    weights.unlink()
    with pytest.raises(ModelError, match="has no weights: its file best.safetensors is gone. Copy the run folder again."):
        export_run(str(tmp_path / "run"), str(tmp_path / "model.onnx"))
    with pytest.raises(DataError, match="is not a run folder"):
        export_run(str(tmp_path), str(tmp_path / "model.onnx"))


def test_neither_extent_nor_memory_changes_the_map_of_an_exported_model(exported, dataset, run_folder, tmp_path):
    """Of a trained network, in several blocks, with the halo that was measured."""
    model = package.open(exported[0])
    tiles = dataset.images(np.resize(dataset.indices("all"), 17 * 17))
    rows = [np.concatenate(list(tiles[row * 17:(row + 1) * 17]), 2) for row in range(17)]
    values = np.concatenate(rows, 1)[:, :1088, 3:1088]  # blocks of a map and tiles of the dataset begin at different places
    image = scenes.write_raster(tmp_path / "image.tif", values.astype(np.uint16), names=("B02", "B03", "B04"), nodata=0)
    left, top = scenes.ORIGIN

    def mapped(tile_size, box=None):
        extent = {"box": [left + 10 * box[0], top - 10 * box[3], left + 10 * box[2], top - 10 * box[1]], "crs": ""} if box else None
        request = MapRequest([{"path": str(image)}], extent=extent, tile_size=tile_size, device="cpu")
        map_scene(model, request, [ClassMap(str(tmp_path / "map.tif"))])
        with rasterio.open(tmp_path / "map.tif") as source:
            return source.read(1)

    whole = mapped(1024)
    assert set(np.unique(whole)) == {3, 7, 255}
    generator = np.random.default_rng(0)
    for number in range(8):
        (x0, x1), (y0, y1) = (np.sort(generator.choice(1085, 2, replace=False)) for _ in range(2))
        assert np.array_equal(mapped((128, 1024, 8192)[number % 3], (x0, y0, x1, y1)), whole[y0:y1, x0:x1])


def test_a_cancel_during_the_translation_is_answered_within_two_seconds():
    network = Probabilities(SegmentationNetwork("tu-test_efficientnet", inputs(5), 3)).eval()
    progress = Cancelling(lambda heard: len(heard.events) >= 3)  # the translation has begun
    with pytest.raises(Cancelled):
        to_onnx(network, {"image": 5}, 32, "tu-test_efficientnet", progress=progress)
    assert time.monotonic() - progress.times[-1] < promised(2)
    time.sleep(0.5)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("patient")], "the translation goes on"
    assert to_onnx(network, {"image": 5}, 32, "tu-test_efficientnet"), "and is not spoiled for the next"
