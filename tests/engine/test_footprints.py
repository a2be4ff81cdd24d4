"""The style saved beside footprints: QGIS draws nothing where the symbols are of another kind than the geometries."""

import geopandas
import pytest
import shapely

from eo_pretrain_qgis.engine.datasets.footprints import COLORS, write_footprints


@pytest.mark.parametrize(("geometries", "symbols"), [
    ([shapely.box(0, 0, 1, 1), None], 'type="fill"'), ([shapely.Point(0, 0), None], 'type="marker"')])
def test_symbols_are_of_the_kind_of_the_geometries(tmp_path, geometries, symbols):
    tiles = geopandas.GeoDataFrame({"tile": ["a", "b"], "split": ["training", "test"]}, geometry=geometries, crs="EPSG:32633")
    write_footprints(tmp_path / "tiles.gpkg", tiles)
    style = (tmp_path / "tiles.qml").read_text(encoding="utf-8")
    assert style.count(f"<symbol {symbols}") == style.count("<category ") == len(COLORS)
