"""Maps by trained and exported networks of two sensors: one for an image and a model, whatever the extent, and with one image where one is enough."""

import functools

import numpy as np
import pytest
import rasterio

from eo_pretrain_qgis.engine.learning.export import export_run
from eo_pretrain_qgis.engine.learning.finetuning.recipe import finetune
from eo_pretrain_qgis.engine.mapping.images import Image
from eo_pretrain_qgis.engine.mapping.inference import map_scene
from eo_pretrain_qgis.engine.mapping.products import Applicability
from eo_pretrain_qgis.engine.mapping.request import MapRequest
from eo_pretrain_qgis.engine.models import package
from eo_pretrain_qgis.engine.rasters.grid import Window
from eo_pretrain_qgis.errors import ModelError
from tests import scenes
from tests.settings import finetuning

from ..test_inference import NO_CLASS, Pasted, extent_of, with_blocks
from .conftest import SMALL
from .tiny_pairs import images_of, write_pairs

#: One that needs both sensors and one that does not: all others differ from them inside the network alone.
NEEDY, FREE = "feature", "gated"
HEIGHT, WIDTH = 260, 300
AREAS = (Window(131, 77, 115, 150), Window(60, 230, 3, 2))


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("maps")


@pytest.fixture(scope="module")
def exported(place):
    """Fusion → its model file, in blocks so small and with a halo so narrow that each change of these would be seen."""
    dataset = write_pairs(place / "dataset", clouds=[0, (1, 0.5)])

    @functools.cache
    def model(fusion):
        run = place / fusion
        finetune(str(dataset), str(run), finetuning(fusion=fusion, encoder=SMALL, epochs=1, epoch_steps=3, device="cpu", seed=1))
        export_run(str(run), str(place / f"{fusion}.onnx"))
        whole = package.open(place / f"{fusion}.onnx")
        return with_blocks(whole, place / f"{fusion} near.onnx", 192, halo=32)

    return model


@pytest.fixture(scope="module")
def images(place):
    """s2 and s1 of chequered ground, each with a hole, and one of s1 that measured nothing."""
    row, col = np.indices((HEIGHT, WIDTH))
    optical, radar = images_of(((row // 24 + col // 40) % 4)[None], 3)
    optical[0, :, 50:140, 120:260] = 0
    radar[0, :, 100:240, :60] = np.nan
    return (scenes.write_raster(place / "s2.tif", optical[0], names=["B02", "B03", "B04"], nodata=0),
            scenes.write_raster(place / "s1.tif", radar[0], names=["VV", "VH"]),
            scenes.write_raster(place / "silent.tif", np.full_like(radar[0], np.nan), names=["VV", "VH"]))


def mapped(model, first, second=None, area=None):
    """Classes and probabilities, 0 where there is no class."""
    product = Pasted()
    request = MapRequest([{"path": str(first)}], extent=extent_of(first, area) if area else None, device="cpu",
                         second=Image([{"path": str(second)}]) if second else None)
    map_scene(model, request, [product])
    return product.classes, np.where(product.classes == NO_CLASS, 0, product.probability)


@pytest.mark.parametrize("fusion", [NEEDY, FREE])
def test_the_extent_changes_no_pixel(exported, images, fusion):
    s2, s1, _ = images
    classes, probability = mapped(exported(fusion), s2, s1)
    assert len(np.unique(classes)) > 2
    holes = 0 if fusion == FREE else 90 * 140 + 140 * 60  # they do not overlap
    assert np.count_nonzero(classes == NO_CLASS) == holes
    for area in AREAS:
        part = mapped(exported(fusion), s2, s1, area)
        inside = np.s_[area.row:area.row + area.height, area.col:area.col + area.width]
        assert np.array_equal(part[0], classes[inside]) and np.array_equal(part[1], probability[inside])


def test_an_image_that_shows_nothing_is_as_good_as_none(exported, images):
    s2, _, silent = images
    alone, both = mapped(exported(FREE), s2), mapped(exported(FREE), s2, silent)
    assert np.count_nonzero(alone[0] == NO_CLASS) == 90 * 140
    assert np.array_equal(alone[0], both[0]) and np.array_equal(alone[1], both[1])


def test_one_image_is_not_enough_for_the_others(exported, images):
    with pytest.raises(ModelError, match="needs images of s2 and s1 together, and s1.tif is of s1. Give the image of s2 as “Second image”"):
        mapped(exported(NEEDY), images[1])


def test_the_area_of_applicability_needs_one_sensor_alone(exported, images, tmp_path):
    """The images are of the classes that were learned from; where s1 says what it never said, its alone is unlike them, and so are both."""
    s2, s1, _ = images
    with rasterio.open(s1) as raster:
        odd = scenes.write_raster(tmp_path / "odd.tif", raster.read()[::-1] * 2, names=["VV", "VH"])

    def outside(first, second=None):
        product = Applicability(str(tmp_path / "ground.tif"))
        pair = MapRequest([{"path": str(first)}], device="cpu", second=Image([{"path": str(second)}]) if second else None)
        map_scene(exported(FREE), pair, [product])
        with rasterio.open(product.path) as raster:
            return product.outside, raster.read(1)

    like, layer = outside(s2, s1)
    assert like < 0.4 and not (layer == 255).any()
    assert outside(s2)[0] < 0.4 and outside(s1)[0] < 0.4
    assert outside(odd)[0] > 0.99
    share, layer = outside(s2, odd)
    hole = layer[100:240, :60]
    assert (hole <= 100).mean() > 0.6, "where s1 measured nothing, s2 is as it was"
    assert share == pytest.approx(1 - hole.size / layer.size, abs=0.02)
