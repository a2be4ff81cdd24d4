"""Roads of the sample landscape, whose truth is known: nothing drawn that is not there, no tunnel, widths as they are."""

import geopandas
import numpy as np
import pytest
import rasterio
import shapely
from rasterio.features import rasterize

from eo_pretrain_qgis.engine.rasters.raster import Raster
from eo_pretrain_qgis.engine.themes.roads.accuracy import road_counts, road_scores
from eo_pretrain_qgis.engine.themes.roads.labels import RoadDrawing, make_labels
from eo_pretrain_qgis.engine.themes.roads.ways import RoadRules, open_roads

from ..scenes_roads import road_sample


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    return road_sample(tmp_path_factory.mktemp("sample"))


@pytest.fixture(scope="module")
def truth(sample):
    return geopandas.read_file(sample / "roads_truth.gpkg")


def drawn_on(sample):
    grid = Raster(sample / "sentinel2.tif").grid
    roads = open_roads({"path": str(sample / "roads.gpkg")}, [grid], RoadRules())
    return grid, roads, make_labels(roads, RoadDrawing()).read(grid, grid.window)


def burnt(shapes, grid):
    return rasterize(shapes, (grid.height, grid.width), transform=rasterio.Affine(*grid.transform), all_touched=True, dtype="uint8").astype(bool)


def test_every_tunnel_is_left_out(sample, truth):
    grid, roads, drawn = drawn_on(sample)
    assert roads.facts["left_out"]["tunnel"]["ways"] == truth["tunnel"].sum() > 0
    visible = shapely.union_all(truth[truth["visible"]].buffer(25).to_numpy())
    under = burnt([shapely.difference(line, visible) for line in truth[truth["tunnel"]].geometry], grid)
    assert under.sum() > 3
    assert not drawn[under].any()


def test_what_is_drawn_is_there_and_what_is_mapped_is_drawn(sample, truth):
    grid, _, drawn = drawn_on(sample)
    there = truth[truth["visible"] & ~truth["highway"].isin(("footway", "path"))]
    found = road_scores(road_counts(burnt(there.geometry, grid), drawn == 1, 1.5))
    assert found["precision"] > 0.98
    mapped = road_scores(road_counts(burnt(there[there["mapped"]].geometry, grid), drawn == 1, 1.5))
    assert mapped["recall"] > 0.98


def test_widths_of_tags_are_true_and_those_of_classes_near(sample, truth):
    _, roads, _ = drawn_on(sample)
    assert roads.facts["width_from"]["width"] > 5
    middles = shapely.line_interpolate_point(roads.lines, 0.5, normalized=True)
    nearest = truth.sindex.nearest(middles, return_all=False)[1]
    error = roads.widths - truth["width"].to_numpy()[nearest]
    assert np.abs(np.median(error)) < 1
    assert np.median(np.abs(error)) < 2
