"""Which files a map reads, and that a change of any of them is seen."""

import os

import numpy as np
import pytest
import rasterio.shutil

from eo_pretrain_qgis.engine.mapping.stamps import stamps
from eo_pretrain_qgis.engine.rasters.raster import Scene
from tests import scenes, scenes_delivered


def of(path):
    with Scene.open([{"path": str(path)}]) as scene:
        return stamps([scene])


def names(path):
    return [os.path.basename(file) for file, _, _ in of(path)]


def image(folder, name="a.tif"):
    return scenes.write_raster(folder / name, np.ones((1, 32, 32), np.uint16), names=["B02"])


def test_a_virtual_raster_stands_for_its_files(folder):
    rasterio.shutil.copy(image(folder), folder / "a.vrt", driver="VRT")
    assert names(folder / "a.vrt") == ["a.tif", "a.vrt"]
    before = of(folder / "a.vrt")
    os.utime(folder / "a.tif", ns=(1, 1))
    assert of(folder / "a.vrt") != before


@pytest.mark.parametrize("make", [scenes_delivered.safe, scenes_delivered.landsat, scenes_delivered.band_folder, scenes_delivered.grd])
def test_a_scene_stands_for_all_its_files(folder, make):
    root = make(folder)
    root = root if os.path.isdir(root) else os.path.dirname(root)
    before = of(root)
    files = [os.path.join(above, name) for above, _, inside in os.walk(root) for name in inside]
    assert {file for file, _, _ in before} == set(files)
    os.utime(files[0], ns=(1, 1))
    assert of(root) != before


def test_an_archive_is_one_file(folder):
    path = scenes_delivered.zipped(scenes_delivered.safe(folder))
    assert os.path.basename(path) in names(path)


def test_of_files_in_memory_nothing_is_known(folder):
    with rasterio.io.MemoryFile(image(folder).read_bytes()) as file:
        assert of(file.name) is None
