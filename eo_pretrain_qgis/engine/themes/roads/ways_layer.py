"""The layer that shows what became of every way on the images."""

from __future__ import annotations

import geopandas

from ....progress import SILENT, Progress
from ...datasets.legend import default_color
from ...looks.category_style import Category, categorized, color_option
from ...rasters.vector import write_layer
from .ways import IGNORED, ROAD

COLORS = {ROAD: "#d7191c", IGNORED: "#fde725"}


def write_ways(path: str, ways: geopandas.GeoDataFrame, progress: Progress = SILENT) -> None:
    """Writes the ways as a GeoPackage and their style: roads, ignored ways, then each reason to leave one out.

    Raises:
        DataError: disk full, not permitted, or open elsewhere.
    """
    found = list(ways["became"].unique())
    ordered = [*(reason for reason in COLORS if reason in found), *sorted(reason for reason in found if reason not in COLORS)]
    rows = [Category(reason, reason, {"line_color": color_option(COLORS.get(reason) or default_color(number)), "line_width": "0.5"})
            for number, reason in enumerate(ordered)]
    write_layer(path, "ways", ways, categorized("became", "line", rows), progress, empty="LineString")
