"""The radar scene to which optical scenes are sought: when and where it was taken, and how much of it they show clear."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import rasterio.features
import shapely
from rasterio import Affine
from shapely.geometry.base import BaseGeometry

from ...errors import DataError, listed
from ...scene_names import split_item
from ..rasters.clouds import CLEAR, NOT_MEASURED, SCL_FLAGS
from ..rasters.deliveries.items import read_items
from ..rasters.raster import Raster
from .areas import footprint_of, footprint_of_grid

#: Date and time in names of Sentinel products, and in tags.
_MOMENT = re.compile(r"(?<!\d)(20\d\d)-?(\d\d)-?(\d\d)[T ](\d\d):?(\d\d):?(\d\d)")
_TAGS = ("PRODUCT_START_TIME", "datetime", "ACQUISITION_DATETIME", "TIFFTAG_DATETIME")
#: Edge of the pixels at which clouds are looked at [m].
CLOUD_PIXEL = 100.0


@dataclass(frozen=True)
class Partner:
    """A radar scene.

    Attributes:
        name: for people.
        when: start of its acquisition, in UTC.
        footprint: in longitude and latitude.
    """

    name: str
    when: datetime
    footprint: BaseGeometry


def partner_of(source: dict) -> Partner:
    """The radar scene that a raster value names, a raster or an item of an item file.

    Raises:
        DataError: the time of day is not known, which hours are counted from.
    """
    file, name = split_item(source["path"])
    if file.lower().endswith(".json"):
        items = read_items(file)
        if not name and len(items) > 1:
            raise DataError(f"{file} holds {len(items)} items, and the radar scene is one. Put |item={items[0].id} behind it.")
        item = next((one for one in items if one.id == (name or items[0].id)), None)
        if item is None:
            raise DataError(f"{file} holds no item {name}; it holds {listed([one.id for one in items], 4)}. Choose one of these.")
        footprint, when, called = footprint_of(item.geometry, item.content.get("bbox"), f"{file}: the item {item.id}"), item.when, item.id
    else:
        with Raster(**source) as raster:
            footprint, called, when = footprint_of_grid(raster.grid), raster.name, taken(raster)
    if when is None:
        raise DataError(f"The time of day of {called} is not known, and hours are counted from it. Put it into the name of the file, such as "
                        "20230605T051234, or choose the scene as it was delivered.")
    return Partner(called, when, footprint)


def taken(raster: Raster) -> datetime | None:
    """When a raster was taken, in UTC: its tags, its path and its name say; None where none tells the time of day."""
    texts = (*(raster.tag(key) for key in _TAGS[:3]), raster.path, raster.name, raster.tag(_TAGS[3]))
    return next((found for text in texts if (found := moment(text))), None)


def moment(text: str) -> datetime | None:
    """The first date with a time of day in a text, as names and tags of products have it, in UTC."""
    match = _MOMENT.search(text)
    try:
        return datetime.strptime("".join(match.groups()), "%Y%m%d%H%M%S").replace(tzinfo=UTC) if match else None
    except ValueError:
        return None


def clear_share(classes: np.ndarray, transform: Affine, ground: BaseGeometry) -> float | None:
    """Share of some ground that is clear.

    Args:
        classes: scene classification of Sentinel-2 L2A (y, x) uint8.
        transform: of its pixels.
        ground: in their coordinate system.

    Returns:
        Clear pixels of those that were measured, 0 to 1; None where none was.
    """
    inside = rasterio.features.geometry_mask([shapely.geometry.mapping(ground)], classes.shape, transform, invert=True)
    flags = np.where(classes < len(SCL_FLAGS), SCL_FLAGS[np.minimum(classes, len(SCL_FLAGS) - 1)], NOT_MEASURED)[inside]
    measured = np.count_nonzero(flags != NOT_MEASURED)
    return float(np.count_nonzero(flags == CLEAR) / measured) if measured else None
