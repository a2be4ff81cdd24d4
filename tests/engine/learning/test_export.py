import json
import shutil
import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest
import rasterio
import torch

from eo_pretrain_qgis.engine.datasets.dataset import Dataset
from eo_pretrain_qgis.engine.learning.export import Probabilities, export_run, largest_difference, mosaic, to_onnx
from eo_pretrain_qgis.engine.learning.halo import measure_halo, scene_side
from eo_pretrain_qgis.engine.learning.loop.runs import Run
from eo_pretrain_qgis.engine.learning.networks.class_networks import SegmentationNetwork
from eo_pretrain_qgis.engine.mapping.class_map import map_image
from eo_pretrain_qgis.engine.models import package
from eo_pretrain_qgis.errors import Cancelled, DataError, ModelError
from tests import scenes

from ...listening import Cancelling


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
        expected = Run.open(str(run_folder)).load_network(torch.device("cpu"))(torch.from_numpy(tiles)).softmax(1).numpy()
    found = package.open(path).session("cpu").run(tiles)
    assert np.abs(found - expected).max() < 1e-4
    assert found.sum(1) == pytest.approx(1, abs=1e-5)


def test_the_file_knows_what_it_wants_and_where_it_comes_from(exported, run_folder):
    path, facts = exported
    model, card = package.open(path), json.loads((run_folder / "run.json").read_text())
    assert model.id == facts["model_id"] == f"discs-tu-test-resnet-{card['weights_sha256'][:8]}"
    assert [band.name for band in model.bands] == ["B02", "B03", "B04"]
    assert model.fill == tuple(band["centre"] for band in card["bands"])
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
    images = [np.zeros((1, 1, 2, 2), np.float32), np.ones((1, 1, 2, 2), np.float32)]
    session = SimpleNamespace(run=lambda names, inputs: [inputs["image"] * (np.nan if inputs["image"].any() == bool(place) else 1)])
    assert np.isnan(largest_difference(torch.nn.Identity(), session, images))


@pytest.mark.parametrize("encoder", ["tu-test_convnext", "tu-test_efficientnet"])
def test_other_encoders_translate_with_free_sizes(encoder):
    import onnxruntime

    network = Probabilities(SegmentationNetwork(encoder, [0.0] * 5, [1.0] * 5, 3)).eval()
    session = onnxruntime.InferenceSession(to_onnx(network, 5, 32, encoder), providers=["CPUExecutionProvider"])
    for n, height, width in [(1, 32, 64), (3, 96, 32)]:
        image = torch.rand(n, 5, height, width)
        with torch.no_grad():
            assert np.abs(session.run(None, {"image": image.numpy()})[0] - network(image).numpy()).max() < 1e-4


def far(reach):
    """A "network" whose class at a pixel depends on the pixel `reach` columns to the left; outside counts as 0."""
    def classes(image):
        return (np.pad(image[:, 0], [(0, 0), (0, 0), (reach, 0)])[:, :, :image.shape[3]] > 0.5).astype(int)
    return classes


@pytest.mark.parametrize(("reach", "halo"), [(0, 32), (32, 32), (33, 64), (150, 160)])
def test_the_border_is_as_wide_as_the_network_looks(reach, halo):
    scene = np.random.default_rng(0).random((1, scene_side(32), scene_side(32))).astype(np.float32)
    assert measure_halo(far(reach), scene, 32) == (halo, 0)


def test_no_lucky_part_decides_for_the_others():
    """Only the lower half of the scene depends on pixels 100 columns away."""
    def classes(image):
        near, distant = far(0)(image), far(100)(image)
        return np.where(image[:, 0] >= 1, distant, near)

    scene = np.random.default_rng(0).uniform(0, 1, (1, scene_side(32), scene_side(32))).astype(np.float32)
    scene[:, scene_side(32) // 2:] += 1
    scene[:, scene_side(32) // 2:, ::2] -= 0.9
    assert measure_halo(classes, scene, 32) == (128, 0)


@pytest.mark.parametrize("stride", [1, 14, 64])
def test_borders_keep_to_the_grid_of_the_network(stride):
    def classes(image):
        assert image.shape[2] % stride == image.shape[3] % stride == 0
        return far(33)(image)

    scene = np.random.default_rng(0).random((1, scene_side(stride), scene_side(stride))).astype(np.float32)
    halo, _ = measure_halo(classes, scene, stride)
    assert halo % stride == 0
    assert halo >= 33


def test_a_network_that_looks_farther_than_the_largest_border_says_so():
    scene = np.random.default_rng(0).random((1, scene_side(32), scene_side(32))).astype(np.float32)
    halo, changed = measure_halo(far(300), scene, 32)
    assert halo == 256
    assert changed > 0.1


def test_a_run_whose_dataset_is_gone_exports_the_same_network(exported, run_folder, tmp_path):
    shutil.copytree(run_folder, tmp_path / "run")
    card = json.loads((tmp_path / "run" / "run.json").read_text())
    card["dataset"]["path"] = "/nowhere/discs"
    (tmp_path / "run" / "run.json").write_text(json.dumps(card))
    assert export_run(str(tmp_path / "run"), str(tmp_path / "model.onnx"))["largest_difference"] <= 1e-4
    assert package.open(tmp_path / "model.onnx").description["checksum"] == package.open(exported[0]).description["checksum"]


def test_damaged_or_missing_weights_are_named(run_folder, tmp_path):
    shutil.copytree(run_folder, tmp_path / "run")
    weights = tmp_path / "run" / "best.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(ModelError, match=r"The weights .*best.safetensors are missing or damaged"):
        export_run(str(tmp_path / "run"), str(tmp_path / "model.onnx"))
    weights.unlink()
    with pytest.raises(ModelError, match="has no weights yet: no epoch was finished"):
        export_run(str(tmp_path / "run"), str(tmp_path / "model.onnx"))
    with pytest.raises(DataError, match="is not a run folder"):
        export_run(str(tmp_path), str(tmp_path / "model.onnx"))


def test_the_map_of_an_exported_model_hardly_depends_on_the_tile_size(exported, dataset, tmp_path):
    values = mosaic(dataset, np.zeros((3, 1, 1)), 1088)[:, 3:]  # tiles of a map and of the dataset begin at different places
    image = scenes.write_raster(tmp_path / "image.tif", values.astype(np.uint16), names=("B02", "B03", "B04"), nodata=0)
    maps = []
    for tile_size in (256, 1024):
        map_image(package.open(exported[0]), [{"path": str(image)}], str(tmp_path / f"{tile_size}.tif"), tile_size=tile_size, device="cpu")
        with rasterio.open(tmp_path / f"{tile_size}.tif") as source:
            maps.append(source.read(1))
    assert set(np.unique(maps[0])) == {3, 7, 255}
    assert (maps[0] != maps[1]).mean() <= 0.0005


def test_a_cancel_during_the_translation_is_answered_within_two_seconds():
    network = Probabilities(SegmentationNetwork("tu-test_efficientnet", [0.0] * 5, [1.0] * 5, 3)).eval()
    progress = Cancelling(lambda heard: len(heard.events) >= 3)  # the translation has begun
    with pytest.raises(Cancelled):
        to_onnx(network, 5, 32, "tu-test_efficientnet", progress=progress)
    assert time.monotonic() - progress.times[-1] < 2
    time.sleep(0.5)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("patient")], "the translation goes on"
    assert to_onnx(network, 5, 32, "tu-test_efficientnet"), "and is not spoiled for the next"
