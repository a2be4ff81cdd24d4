"""Ways taken out of the training labels: whole, of training alone, and said so."""

import numpy as np
import pytest

from eo_pretrain_qgis.engine.datasets.dataset import Dataset
from eo_pretrain_qgis.engine.rasters.raster import Raster
from eo_pretrain_qgis.engine.themes.roads.dropping import dropped_ways, without
from eo_pretrain_qgis.engine.themes.roads.labels import RoadDrawing, make_labels
from eo_pretrain_qgis.engine.themes.roads.report import warnings
from eo_pretrain_qgis.engine.themes.roads.ways import RoadRules, open_roads
from eo_pretrain_qgis.jobs import JOBS
from eo_pretrain_qgis.progress import SILENT

from ..listening import Listening
from ..scenes import land
from ..scenes_roads import road_layer


def made(folder, name, progress=SILENT, **more):
    values = {"images": [str(land(folder))], "roads": str(road_layer(folder)), "tile_size": 32, "incomplete": "keep", "edge": 0,
              "output": str(folder / name)}
    JOBS["create_road_dataset"].from_values({**values, **more}).run(progress)
    return Dataset.open(folder / name)


@pytest.mark.parametrize("drawing", ["all_touched", "cover"])
def test_training_alone_lacks_the_ways(tmp_path, drawing):
    heard = Listening()
    whole, poor = made(tmp_path, "whole", drawing=drawing), made(tmp_path, "poor", heard, drawing=drawing, drop_ways=50)
    assert (whole.splits == poor.splits).all()
    training, others = whole.indices("training"), np.flatnonzero(whole.splits != "training")
    assert (poor.labels(others) == whole.labels(others)).all()
    before, after = whole.labels(training), poor.labels(training)
    assert (after == 1).sum() < (before == 1).sum() and not ((after == 1) & (before != 1)).any(), "nothing new is a road"
    # What is left is what the other ways alone draw.
    source = {"path": str(road_layer(tmp_path))}
    grid = Raster(str(tmp_path / "land.tif")).grid
    roads = open_roads(source, [grid], RoadRules())
    lost = dropped_ways(roads, 50, whole.description["split"]["seed"])
    expected = make_labels(without(roads, lost), RoadDrawing(drawing)).read(grid, grid.window)
    for tile, label in zip(training, after, strict=True):
        row, col = poor.tiles[["row", "col"]].iloc[tile]
        assert (label == expected[row:row + 32, col:col + 32]).all()
    told = poor.facts["training_without"]
    assert told == {"percent": 50.0, "seed": 1, "ways": int(lost.sum()), "of": int(roads.drawn.sum())}
    assert poor.description["class_pixels"]["training"] == [int((after == place).sum()) for place in (0, 1)]
    assert poor.description["class_pixels"]["test"] == whole.description["class_pixels"]["test"]
    assert np.allclose(poor.column("share_1")[training], (after == 1).mean((1, 2)))
    said = f"{told['ways']} of {told['of']} ways were taken out of the training labels"
    assert f"{said}; validation and test have them." in heard.texts
    assert f"{said} on purpose, and are in those of validation and test." in warnings(poor)
    if drawing == "cover":
        assert (poor.array("shares", training)[:, 1][after == 0] == 0).all()


def test_a_smaller_share_is_part_of_a_larger_one(tmp_path):
    land(tmp_path)
    roads = open_roads({"path": str(road_layer(tmp_path))}, [Raster(str(tmp_path / "land.tif")).grid], RoadRules())
    few, many = dropped_ways(roads, 30, 1), dropped_ways(roads, 60, 1)
    assert not (few & ~many).any() and many.sum() == round(0.6 * roads.drawn.sum()) and not (many & ~roads.drawn).any()
    assert not dropped_ways(roads, 0, 1).any()


def test_one_way_is_always_left(tmp_path):
    """Of few ways the largest share would take out all."""
    land(tmp_path)
    roads = open_roads({"path": str(road_layer(tmp_path))}, [Raster(str(tmp_path / "land.tif")).grid], RoadRules())
    few = without(roads, dropped_ways(roads, 60, 1))
    while few.drawn.sum() > 1:
        few = without(few, dropped_ways(few, 90, 1))
    assert few.drawn.sum() == 1 and not dropped_ways(few, 90, 1).any()
    poor = made(tmp_path, "poor", drop_ways=90)
    assert poor.facts["training_without"]["ways"] < poor.facts["training_without"]["of"]
