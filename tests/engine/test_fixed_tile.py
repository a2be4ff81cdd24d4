"""Models for tiles of one size: a contract with programs that open no others, and maps as of the model for any size."""

import json
import os
import subprocess
import sys

import numpy as np
import onnx
import onnxruntime
import pytest
import rasterio
from skimage.filters import gaussian

from eo_pretrain_qgis.engine.mapping.blocks import anchored_tiles
from eo_pretrain_qgis.engine.mapping.inference import map_scene
from eo_pretrain_qgis.engine.mapping.products import ClassMap
from eo_pretrain_qgis.engine.mapping.request import MapRequest
from eo_pretrain_qgis.engine.mapping.suggesting.uncertainty import Ensemble
from eo_pretrain_qgis.engine.models import package
from eo_pretrain_qgis.engine.models.fixed_tile import write_fixed_tile
from eo_pretrain_qgis.errors import JobError
from tests import networks, scenes

from ..listening import Listening


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("fixed")


@pytest.fixture(scope="module")
def free(place):
    return package.open(networks.write_far_seeing_model(place / "free.onnx"))


@pytest.fixture(scope="module")
def fixed(free, place):
    return write_fixed_tile(free, 128, str(place / "fixed.onnx"))


def image_of(place, width, height):
    noise = np.stack([gaussian(np.random.default_rng(5).normal(size=(height, width)), 4) for _ in range(2)])
    values = np.clip(1200 + 700 * noise / noise.std(), 1, 3000).astype(np.uint16)
    return scenes.write_raster(place / f"{width}x{height}.tif", values, names=("B02", "B03"))


def mapped(model, image, folder):
    map_scene(model, MapRequest([{"path": str(image)}], device="cpu"), [ClassMap(str(folder / "map.tif"))])
    with rasterio.open(folder / "map.tif") as source:
        return source.read(1)


def test_what_programs_for_one_tile_size_read(fixed):
    model = onnx.load(fixed.path)
    assert model.ir_version == 9
    for port in (model.graph.input[0], model.graph.output[0]):
        sizes = port.type.tensor_type.shape.dim
        assert [sizes[2].dim_value, sizes[3].dim_value] == [128, 128]
        assert sizes[0].dim_param == "n"
    said = {entry.key: json.loads(entry.value) for entry in model.metadata_props}
    assert (said["tile_size"], said["tiles_overlap"], said["seg_thresh"], said["seg_small_segment"]) == (128, 50, 0, 0)
    assert said["stac_mlm"]["properties"]["mlm:input"][0]["input"]["shape"] == [-1, 2, 128, 128]
    assert fixed.fixed_tile == 128


@pytest.mark.parametrize(("width", "height"), [(331, 273), (128, 200), (90, 90), (129, 64)])
def test_the_map_is_that_of_the_model_for_any_size(free, fixed, place, folder, width, height):
    image = image_of(place, width, height)
    one, other = mapped(free, image, folder), mapped(fixed, image, folder)
    near = slice(None) if min(width, height) >= 128 else slice(0, height - 32)  # a tile that is larger than the image sees its outside
    assert (one[near, :width - 32] == other[near, :width - 32]).all()


def test_a_border_wider_than_a_quarter_of_the_tile_is_said(free, place):
    wide = package.write(onnx.load(free.path), {**free.description, "halo": 64}, place / "wide.onnx")
    said = Listening()
    assert write_fixed_tile(wide, 128, str(place / "narrow.onnx"), progress=said).halo == 32
    assert said.texts == ["Of tiles of 128 px a border of 32 px is thrown away, and this model needs 64 px: maps may show faint seams. "
                          "Choose a fixed tile of 256 px for maps without."]


def test_a_tile_off_the_steps_of_the_network_is_refused(free, folder):
    with pytest.raises(JobError, match=r"Tiles of 100 px do not fit .*, which works in steps of 8 px. Choose 96 or 104 px."):
        write_fixed_tile(free, 100, str(folder / "odd.onnx"))
    assert list(folder.iterdir()) == []


def test_models_of_two_tile_sizes_are_not_asked_together(free, fixed, place):
    assert Ensemble.of([free, fixed]).fixed_tile == 128
    other = write_fixed_tile(free, 256, str(place / "other.onnx"))
    with pytest.raises(JobError, match="The models take tiles of 128, 256 px"):
        Ensemble.of([fixed, other])


@pytest.mark.parametrize(("width", "height"), [(1, 1), (127, 129), (128, 700), (1000, 333)])
def test_exact_tiles_cover_the_image_once(width, height):
    covered = np.zeros((height, width), int)
    for tile in anchored_tiles(width, height, block=128, halo=40, stride=8, exact=True):
        core, seen = tile.core, tile.seen
        covered[core.row:core.row + core.height, core.col:core.col + core.width] += 1
        assert (seen.width, seen.height) == (128, 128)
        for start, size, place, length in ((seen.col, core.width, core.col, width), (seen.row, core.height, core.row, height)):
            assert start % 8 == 0
            assert start <= place
            assert place + size <= start + 128
            assert start == 0 or place - start >= 40
            assert start + 128 >= length or start + 128 - place - size >= 40
    assert covered.min() == covered.max() == 1


@pytest.mark.skipif("EOPRETRAIN_OLD_RUNTIME" not in os.environ, reason="EOPRETRAIN_OLD_RUNTIME names no folder with an old onnxruntime "
                    "(uv pip install --target FOLDER onnxruntime==1.17.0 numpy==1.26.4)")
def test_the_runtime_that_deepness_pins_gives_the_same(fixed, place):
    images = np.random.default_rng(0).uniform(500, 2500, (2, 2, 128, 128)).astype(np.float32)
    np.save(place / "images.npy", images)
    code = ("import sys, numpy, onnxruntime\nassert onnxruntime.__version__.startswith('1.17.')\n"
            "session = onnxruntime.InferenceSession(sys.argv[1], providers=['CPUExecutionProvider'])\n"
            "assert session.get_inputs()[0].shape[1:] == [2, 128, 128]\n"
            "numpy.save(sys.argv[3], session.run(None, {'image': numpy.load(sys.argv[2])})[0])")
    environment = {"PYTHONPATH": os.environ["EOPRETRAIN_OLD_RUNTIME"], "PATH": os.environ["PATH"]}
    subprocess.run([sys.executable, "-c", code, fixed.path, str(place / "images.npy"), str(place / "old.npy")], env=environment, check=True)
    session = onnxruntime.InferenceSession(fixed.path, providers=["CPUExecutionProvider"])
    assert np.abs(np.load(place / "old.npy") - session.run(None, {"image": images})[0]).max() < 1e-5
