"""How the vector layers of a sample look in QGIS: outlines and lines, so that the images below them can be seen."""

from __future__ import annotations

from ..datasets.legend import default_color
from ..looks.category_style import Category, categorized, color_option, single
from .crops import CROPS
from .objects import LAND_COVER

#: Fill of polygons that hold training data, 0 to 255.
FILL = 70


def _outlined(color: str, fill: int, width: str) -> dict[str, str]:
    """Options of a polygon's symbol: how opaque its fill is, 0 to 255, and the width of its outline [mm]."""
    return {"color": color_option(color, fill), "style": "solid" if fill else "no", "outline_color": color_option(color), "outline_style": "solid",
            "outline_width": width}


PARCELS = categorized("crop", "fill", [Category(crop.name, crop.name, _outlined(default_color(number), 0, "0.35"))
                                       for number, crop in enumerate(CROPS)])
POLYGONS = categorized("class", "fill", [Category(each.name, each.name, _outlined(each.color, FILL, "0.5")) for each in LAND_COVER])
ROADS = single("line", {"line_color": color_option("#ffb000"), "line_width": "0.35"})
TRUE_ROADS = single("line", {"line_color": color_option("#ffffff"), "line_width": "0.3", "line_style": "dash"})
