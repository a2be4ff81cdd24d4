"""A class map that is looked over: its number, counts and picture, and what is refused."""

import numpy as np
import pytest
import rasterio

from eo_pretrain_qgis.engine.mapping.map_survey import ClassMap, survey
from eo_pretrain_qgis.errors import DataError

from .. import scenes_assessment as places


@pytest.mark.parametrize("step", [1, 7])
def test_the_map_is_the_same_however_it_is_stored(step, folder):
    """Its number is that of its pixels: packed otherwise it is the same, with one pixel more of a class it is another."""
    values, ids = places.cover_values(), []
    for number, kept in enumerate((values, values, np.where(np.indices(values.shape).sum(0) == step, 2, values).astype(np.uint8))):
        path = places.write_raster(folder / f"{number}.tif", kept, nodata=255, compress=("none", "deflate", "none")[number])
        ids.append(survey(ClassMap({"path": str(path)}), np.zeros(0, int), np.zeros(0, int)).id)
    assert ids[0] == ids[1] != ids[2]


def test_a_map_of_many_pieces_is_counted_once(folder, monkeypatch):
    """Pieces of 32 px, none of which the map fills evenly, give the same counts, places and picture."""
    mapped = ClassMap({"path": str(places.cover_map(folder))})
    rows, cols = np.array([0, 89, 33, 95, 31]), np.array([0, 89, 61, 3, 59])
    whole = survey(mapped, rows, cols)
    monkeypatch.setattr("eo_pretrain_qgis.engine.mapping.map_survey.PIECE", 32)
    monkeypatch.setattr("eo_pretrain_qgis.engine.mapping.map_survey.PICTURE", 29)
    parts = survey(mapped, rows, cols)
    assert parts.found.tolist() == whole.found.tolist() == [0, 1, 1, 255, 0]
    assert parts.areas.tolist() == whole.areas.tolist() == [540_000, 270_000]
    assert parts.step == 4 and (parts.picture == whole.picture[::4, ::4]).all()


def test_a_map_that_is_none(folder):
    with pytest.raises(DataError, match="holds .*, and classes are whole numbers from 0 on. Choose a class map."):
        survey(ClassMap({"path": str(places.cover_measured(folder))}), np.zeros(0, int), np.zeros(0, int))
    with rasterio.open(folder / "many.tif", "w", driver="GTiff", width=30, height=30, count=1, dtype="uint16", crs="EPSG:32633",
                       transform=rasterio.transform.from_origin(500_000, 5_300_000, 10, 10)) as target:
        target.write(np.arange(900, dtype=np.uint16).reshape(1, 30, 30))
    with pytest.raises(DataError, match="has more than 254 different values, so it is no class map."):
        survey(ClassMap({"path": str(folder / "many.tif")}), np.zeros(0, int), np.zeros(0, int))
