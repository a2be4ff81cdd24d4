"""What a model says of roads, with known lines: 120 x 100 px of 10 m."""

import geopandas
import numpy as np
import shapely

from eo_pretrain_qgis.jobs import JOBS
from eo_pretrain_qgis.progress import SILENT

from .scenes import ORIGIN, UTM, write_raster
from .scenes_roads import road_simple_run


def _percent():
    """A road along row 50 with a gap of 4 px at column 90, and one along column 40 from the north that crosses it and ends in row 80."""
    percent = np.full((100, 120), 5, np.uint8)
    percent[49:52] = 90
    percent[:81, 39:42] = 80
    percent[49:52, 88:92] = 5
    return percent


def line(*places):
    """A line through the middles of pixels (column, row), in UTM."""
    return shapely.LineString([(ORIGIN[0] + 10 * (col + 0.5), ORIGIN[1] - 10 * (row + 0.5)) for col, row in places])


def road_percent(folder):
    """See `_percent`; in whole percent. Four lines meet at row 50, column 40."""
    return write_raster(folder / "percent.tif", _percent())


def road_shares(folder):
    """The same from 0 to 1 beside a band of the background, as other programs write it."""
    road = _percent().astype(np.float32) / 100
    return write_raster(folder / "shares.tif", np.stack([1 - road, road]), names=["background", "road"])


def no_road_percent(folder):
    """Nowhere more than 5 %."""
    return write_raster(folder / "none.tif", np.full((100, 120), 5, np.uint8))


def road_percent_known(folder):
    """Known roads on `road_percent`: that along row 50, the northern part of that along column 40, and one along row 20 of which nothing is seen from
    column 50 on.
    """
    lines = [line((0, 50), (119, 50)), line((40, 0), (40, 50)), line((20, 10), (119, 10))]
    geopandas.GeoDataFrame({"highway": ["primary", "residential", "residential"]}, geometry=lines, crs=UTM).to_file(folder / "known.gpkg")
    return folder / "known.gpkg"


def road_percent_known_endless(folder):
    """`road_percent_known`, and a road to nowhere."""
    known = geopandas.read_file(road_percent_known(folder))
    known.loc[3] = ["primary", shapely.LineString([ORIGIN, (np.inf, 0)])]
    known.to_file(folder / "endless.gpkg")
    return folder / "endless.gpkg"


def road_simple_model(folder):
    """The model of `road_simple_run`."""
    JOBS["export_model"].from_values({"run_folder": str(road_simple_run(folder)), "output": str(folder / "roads.onnx")}).run(SILENT)
    return folder / "roads.onnx"
