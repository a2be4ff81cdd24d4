import re

import geopandas
import shapely

from eo_pretrain_qgis.engine.themes.roads.ways import IGNORED, ROAD
from eo_pretrain_qgis.engine.themes.roads.ways_layer import write_ways


def test_each_fate_of_a_way_has_a_line_of_its_own(folder):
    line = shapely.LineString([(0, 0), (9, 9)])
    ways = geopandas.GeoDataFrame({"became": ["tunnel", ROAD, IGNORED, "tunnel"]}, geometry=[line] * 4, crs="EPSG:32633")
    write_ways(str(folder / "ways.gpkg"), ways)
    style = (folder / "ways.qml").read_text(encoding="utf-8")
    assert re.findall(r'<category type="string" value="(\w+)"', style) == [ROAD, IGNORED, "tunnel"]
    assert style.count('<symbol type="line"') == 3
    assert len(set(re.findall(r'name="line_color" value="([\d,]+)"', style))) == 3
    assert len(geopandas.read_file(folder / "ways.gpkg")) == 4
