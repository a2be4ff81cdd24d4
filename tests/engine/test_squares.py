"""Maps of models that give a class for squares as a whole: each cell is what the network says of its square, cut by hand."""

import numpy as np
import pytest
import rasterio

from eo_pretrain_qgis.engine.mapping.inference import map_scene
from eo_pretrain_qgis.engine.mapping.products.classes import ClassMap, ClassShares, Confidence
from eo_pretrain_qgis.engine.mapping.request import MapRequest
from eo_pretrain_qgis.engine.mapping.squares import Squares
from eo_pretrain_qgis.engine.models import package
from eo_pretrain_qgis.engine.rasters.grid import Grid, Window
from eo_pretrain_qgis.errors import DataError, JobError, ModelError
from tests import networks, scenes

SIDE, HEIGHT, WIDTH = 16, 150, 93


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("squares")


@pytest.fixture(scope="module")
def model(place):
    return package.open(networks.write_whole_model(place / "squares.onnx", SIDE))


@pytest.fixture(scope="module")
def values():
    return np.random.default_rng(2).uniform(1400, 1600, (HEIGHT, WIDTH)).astype(np.float32)


@pytest.fixture(scope="module")
def image(place, values):
    holed = values.copy()
    holed[:40, :30] = np.nan
    return scenes.write_raster(place / "image.tif", holed[None], names=["B02"])


def mapped(model, image, path, **asked):
    map_scene(model, MapRequest([{"path": str(image)}], device="cpu", **asked), [ClassMap(str(path)), Confidence(str(path) + ".c.tif")])
    with rasterio.open(path) as found, rasterio.open(str(path) + ".c.tif") as sure:
        return found.read(1), sure.read(1), found


@pytest.mark.parametrize("step", [16, 8, 5, 1])
def test_each_cell_is_what_the_network_says_of_its_square(model, image, values, tmp_path, step):
    found, sure, raster = mapped(model, image, tmp_path / "map.tif", step=step)
    rows, columns = -(-HEIGHT // step), -(-WIDTH // step)
    expected, chance = np.full((2, rows, columns), 255)
    before = (SIDE - step) // 2
    known = np.ones((HEIGHT, WIDTH), bool)
    known[:40, :30] = False
    for row in range(rows):
        for column in range(columns):
            top, left = (min(max(at * step - before, 0), length - SIDE) for at, length in ((row, HEIGHT), (column, WIDTH)))
            square, shown = (array[top:top + SIDE, left:left + SIDE] for array in (values, known))
            own = known[row * step:(row + 1) * step, column * step:(column + 1) * step]
            if shown.mean() >= 0.5 and own.any():
                forest = 1 / (1 + np.exp(-0.01 * (np.where(shown, square, 1000).mean() - 1500)))  # 1000 stands for what was not measured
                expected[row, column] = 1 + (forest > 0.5)
                chance[row, column] = round(100 * max(forest, 1 - forest))
    assert (expected == 255).any() and len(np.unique(expected)) == 3
    np.testing.assert_array_equal(found, expected)
    assert (np.abs(sure.astype(int) - chance) <= 1).all()
    assert (raster.width, raster.height, raster.crs) == (columns, rows, scenes.UTM)
    assert raster.transform[:6] == (10 * step, 0, scenes.ORIGIN[0], 0, -10 * step, scenes.ORIGIN[1])


def test_an_extent_is_a_part_of_the_whole_map(model, image, tmp_path):
    whole, _, _ = mapped(model, image, tmp_path / "whole.tif", step=3)
    west, north = scenes.ORIGIN[0] + 405, scenes.ORIGIN[1] - 610
    box = {"box": [west, north - 200, west + 300, north], "crs": ""}
    part, _, raster = mapped(model, image, tmp_path / "part.tif", step=3, extent=box)
    row, column = 61 // 3, 40 // 3
    np.testing.assert_array_equal(part, whole[row:row + part.shape[0], column:column + part.shape[1]])
    assert raster.transform[2] == scenes.ORIGIN[0] + 30 * column and raster.transform[5] == scenes.ORIGIN[1] - 30 * row
    assert raster.bounds.left <= west and raster.bounds.right >= west + 300 and raster.bounds.bottom <= north - 200


def test_several_classes_have_a_band_each(place, image, tmp_path):
    model = package.open(networks.write_whole_model(place / "several.onnx", SIDE, task="multilabel"))
    map_scene(model, MapRequest([{"path": str(image)}], device="cpu"), [ClassShares(str(tmp_path / "shares.tif"))])
    with rasterio.open(tmp_path / "shares.tif") as found:
        water, forest = found.read()
        names = found.descriptions
    assert names == ("water", "forest")
    assert set(np.unique(water)) == {50, 255} and len(np.unique(forest)) > 2
    with pytest.raises(ModelError, match="of which no class map can be made"):
        map_scene(model, MapRequest([{"path": str(image)}]), [ClassMap(str(tmp_path / "map.tif"))])


def test_blocks_do_not_grow_with_the_image():
    grid = Grid("EPSG:32633", (10, 0, 0, 0, -10, 0), 100_003, 4_000)
    for side, step in ((32, 32), (256, 256), (32, 1), (2048, 2048)):
        squares = Squares(grid, side, step)
        tiles = squares.tiles(Window(0, 0, 9_000, 4_000))
        assert max(max(tile.seen.width, tile.seen.height) for tile in tiles) <= max(1024, side)
        assert all(tile.seen.intersection(grid.window) == tile.seen for tile in tiles)


@pytest.mark.parametrize(("asked", "error", "sentence"), [
    ({"step": 17}, JobError, "“Step \\[px\\]” \\(step\\) is 17, and the squares of the model have 16 px, so pixels between them would have no class. "
                             "Choose a step of at most 16 px."),
    ({"halo": 8}, JobError, "“Halo \\[px\\]” \\(halo\\) is 8, and the model .* gives a class for every image: nothing of a square is thrown away."),
    ({"small_blocks": True}, JobError, "has no smaller ones. Switch “Small blocks”"),
    ({"extent": {"box": [500_000, 5_299_900, 500_100, 5_300_000], "crs": ""}}, DataError,
     "has no valid pixel in the area to map: all are nodata."),
])
def test_what_is_refused(model, image, tmp_path, asked, error, sentence):
    with pytest.raises(error, match=sentence):
        map_scene(model, MapRequest([{"path": str(image)}], device="cpu", **asked), [ClassMap(str(tmp_path / "map.tif"))])
    assert not list(tmp_path.iterdir())


def test_squares_of_which_little_was_measured(model, place, tmp_path):
    """Every square has a measured pixel, and none enough of them."""
    values = np.full((1, 64, 64), np.nan, np.float32)
    values[:, ::8, ::8] = 1500
    image = scenes.write_raster(place / "sparse.tif", values, names=["B02"])
    with pytest.raises(DataError, match="has no square of 16 px in the area to map of which 50% were measured. Choose another extent"):
        map_scene(model, MapRequest([{"path": str(image)}], device="cpu"), [ClassMap(str(tmp_path / "map.tif"))])


def test_an_image_smaller_than_a_square(place, tmp_path):
    model = package.open(networks.write_whole_model(place / "large.onnx", 128))
    image = scenes.two_halves(place)
    with pytest.raises(DataError, match="has 96 × 96 pixels, and the model gives a class for squares of 128 × 128. Choose a larger image."):
        map_scene(model, MapRequest([{"path": str(image)}], device="cpu"), [ClassMap(str(tmp_path / "map.tif"))])


def test_a_step_for_pixels(place, image, tmp_path):
    model = package.open(networks.write_threshold_model(place / "pixels.onnx"))
    with pytest.raises(JobError, match="“Step \\[px\\]” \\(step\\) is 4, and the model .* gives a class for every pixel. Leave it empty."):
        map_scene(model, MapRequest([{"path": str(image)}], step=4), [ClassMap(str(tmp_path / "map.tif"))])


def test_a_graph_of_another_size(place):
    with pytest.raises(ModelError, match="gives a class for every image, so “fixed_tile” must be the 64 px of “tile_size”"):
        networks.write_whole_model(place / "wrong.onnx", 32, tile_size=64)
