"""Measures of uncertainty against their formulas; sums over places do not depend on how the image was cut."""

import numpy as np
import pytest
from scipy.stats import entropy

from eo_pretrain_qgis.engine.mapping.inference import map_scene
from eo_pretrain_qgis.engine.mapping.products.survey import Survey
from eo_pretrain_qgis.engine.mapping.request import MapRequest
from eo_pretrain_qgis.engine.mapping.suggesting.choice import polygon_candidates, tile_candidates
from eo_pretrain_qgis.engine.mapping.suggesting.uncertainty import Ensemble, Places, measure
from eo_pretrain_qgis.engine.models import package
from eo_pretrain_qgis.engine.rasters.grid import Window
from eo_pretrain_qgis.engine.rasters.raster import Scene
from tests import networks, scenes


@pytest.fixture
def scores():
    values = np.random.default_rng(1).dirichlet([0.5, 1, 2], (2, 5, 7)).transpose(0, 3, 1, 2)
    return np.concatenate(values).astype(np.float32)


def test_measures_agree_with_their_formulas(scores):
    doubt = measure(scores, 2)
    each = scores.reshape(2, 3, 5, 7)
    mean = each.mean(0)
    best = np.sort(mean, 0)
    assert doubt.probabilities == pytest.approx(mean)
    assert doubt.measures["entropy"] == pytest.approx(entropy(mean) / np.log(3), abs=1e-5)
    assert doubt.measures["margin"] == pytest.approx(1 - (best[-1] - best[-2]), abs=1e-5)
    assert doubt.measures["disagreement"] == pytest.approx((entropy(mean) - entropy(each, axis=1).mean(0)) / np.log(3), abs=1e-5)


def test_models_that_agree_do_not_disagree(scores):
    one = scores[:3]
    assert measure(np.concatenate([one, one]), 2).measures["disagreement"] == pytest.approx(0, abs=1e-5)
    assert measure(one, 1).measures["disagreement"].max() == 0


def test_a_place_of_two_classes_is_more_mixed_than_its_pixels_are_unsure():
    places = Places(np.array([4, 4]), lambda window: [(0, np.s_[0:2, :], None), (1, np.s_[2:4, :], None)])
    sure = np.array([[1, 1, 0, 0], [0, 0, 1, 1]], float).reshape(2, 2, 2)  # the first place: half of each class, every pixel sure
    places.add(Window(0, 0, 2, 4), np.ones((4, 2), bool), {"probabilities": np.concatenate([sure, np.full((2, 2, 2), [[[0.9]], [[0.1]]])], 1)})
    assert places.mixture() == pytest.approx([1, entropy([0.9, 0.1]) / np.log(2)])


def surveyed(path, image, candidates_of, **options):
    ensemble = Ensemble.of([package.open(path)])
    with Scene.open([{"path": str(image)}]) as scene:
        candidates = candidates_of(scene.grid)
    places = candidates.places()
    map_scene(ensemble, MapRequest([{"path": str(image)}], device="cpu", **options), [Survey(ensemble, places)])
    return places


@pytest.fixture
def noise(folder):
    values = np.random.default_rng(1).integers(1000, 2000, (1, 200, 230)).astype(np.uint16)
    values[0, 30:60, 30:60] = 0
    return scenes.write_raster(folder / "noise.tif", values, names=["B02"], nodata=0)


def test_means_do_not_depend_on_the_tiling(noise, folder):
    model = networks.write_threshold_model(folder / "model.onnx", block=512, small_block=100)
    whole, cut = (surveyed(model, noise, lambda grid: tile_candidates(grid, 48, grid.window), small_blocks=small) for small in (False, True))
    assert whole.valid.tolist() == cut.valid.tolist()
    assert whole.valid_share.min() < 1
    for name in ("entropy", "margin", "probabilities", "values", "squares"):
        assert whole.mean(name) == pytest.approx(cut.mean(name), abs=1e-6)


def test_a_polygon_counts_its_own_pixels(noise, folder):
    import geopandas
    import shapely

    left, top = scenes.ORIGIN
    triangle = shapely.Polygon([(left + 1000, top - 1000), (left + 1800, top - 1000), (left + 1000, top - 1800)])
    geopandas.GeoDataFrame(geometry=[triangle], crs=scenes.UTM).to_file(folder / "triangle.gpkg")
    places = surveyed(networks.write_threshold_model(folder / "model.onnx"), noise,
                      lambda grid: polygon_candidates({"path": str(folder / "triangle.gpkg")}, grid, grid.window), tile_size=128)
    assert places.pixels[0] == pytest.approx(80 * 80 / 2, rel=0.02)
    assert places.valid[0] == places.pixels[0]


def test_an_ensemble_takes_the_widest_halo_and_a_common_stride(folder):
    paths = [networks.write_threshold_model(folder / f"{stride}.onnx", stride=stride, halo=halo) for stride, halo in ((4, 8), (6, 2))]
    both = Ensemble.of([package.open(path) for path in paths])
    assert (both.stride, both.halo, both.block, both.small_block) == (12, 8, 1032, 264)


def test_windows_between_tiles_are_looked_at_once(noise, folder):
    places = surveyed(networks.write_threshold_model(folder / "model.onnx"), noise, lambda grid: tile_candidates(grid, 50, Window(0, 0, 200, 200)))
    assert places.valid.sum() == 200 * 200 - 30 * 30
