"""The layer of errors: a share for each tile, of the model and of what it is compared with, in the colours of its legend."""


import geopandas
import numpy as np
import pytest

from eo_pretrain_qgis.engine.datasets.dataset import TILES, Dataset
from eo_pretrain_qgis.engine.runs.by_scene import GroupCounts
from eo_pretrain_qgis.engine.runs.error_layer import errors_qml, refuse_unknown_places, write_errors
from eo_pretrain_qgis.errors import DataError
from tests.engine.learning.tiny import write_dataset


@pytest.fixture
def dataset(tmp_path):
    return Dataset.open(write_dataset(tmp_path / "discs", count=6, size=8, splits=["training"] * 2 + ["test"] * 4))


def answered(dataset, tiles, wrong):
    """Counts of a model that gets so many pixels of each tile wrong."""
    counts = GroupCounts(dataset, tiles, np.zeros(len(tiles), int))
    for tile, number in zip(tiles, wrong, strict=True):
        truth = dataset.labels(np.array([tile]))
        found = truth.copy()
        places = np.flatnonzero(found != 255)[:number]
        found.flat[places] = 1 - found.flat[places]
        counts.add(np.array([tile]), truth, found)
    return counts


def test_each_tile_says_how_much_of_it_is_wrong(dataset, tmp_path):
    tiles, path = np.array([2, 3, 5]), tmp_path / "errors.gpkg"
    write_errors(str(path), dataset, {"model": answered(dataset, tiles, (0, 12, 48)), "majority": answered(dataset, tiles, (24, 24, 24)),
                                      "statistics": answered(dataset, tiles, (3, 6, 36))})
    found = geopandas.read_file(path)
    assert found["tile"].tolist() == [2, 3, 5] and found["labels"].tolist() == [48] * 3 and set(found["split"]) == {"test"}
    assert found["wrong"].tolist() == [0.0, 0.25, 1.0] and found["wrong_majority"].tolist() == [0.5] * 3
    assert found["worse"].tolist() == [-0.0625, 0.125, 0.25], "beside the best of the others on all tiles"
    assert found.geometry.tolist() == geopandas.read_file(dataset.folder / TILES).geometry[[2, 3, 5]].tolist()
    style = (tmp_path / "errors.qml").read_text()
    assert 'attr="wrong"' in style and 'label="40% to 100% wrong"' in style and "SimpleFill" in style


def test_points_are_drawn_as_points():
    assert "SimpleMarker" in errors_qml("marker") and errors_qml("marker").count("<range ") == 6


def test_tiles_of_unknown_places_are_refused(dataset):
    tiles = geopandas.read_file(dataset.folder / TILES)
    tiles.loc[[3, 4], "geometry"] = None
    tiles.to_file(dataset.folder / TILES, layer="tiles", driver="GPKG")
    with pytest.raises(DataError, match=r"2 of 4 tiles of .*discs do not say where they lie, so no layer of errors can be drawn. Leave “Errors of"):
        refuse_unknown_places(Dataset.open(dataset.folder), np.arange(2, 6))
    refuse_unknown_places(Dataset.open(dataset.folder), np.array([2, 5]))
