"""Items of a STAC item file: one or many scenes, each with a file for each band, in a JSON file as a search of a catalogue gives it.

STAC is at stacspec.org: an item is a GeoJSON feature with `assets` (item-spec 1.0 and 1.1), an item file a FeatureCollection of them. What bands mean
stands in the extensions eo and raster of version 1 (`eo:bands`, `raster:bands`), or in the common `bands` of STAC 1.1.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import PurePath
from typing import Any
from urllib.parse import unquote, urlsplit

from ....errors import DataError, listed
from ..same_band import speaks_of
from ..sensors import SENTINEL2_WAVELENGTHS
from ..sources import is_address
from .packages import BandFile, Delivery, finite

#: Bytes of an item file; a search of 10 000 scenes gives about 200 MB.
LARGEST_FILE = 512 * 2**20
#: Media types of files that GDAL reads as images, and their endings where no type is given.
_IMAGES = ("image/tiff", "image/jp2", "image/vnd.stac.geotiff")
_ENDINGS = (".tif", ".tiff", ".jp2")
#: Assets that come with the bands and are none, by their keys and roles.
_ASIDE = re.compile(r"scl|aot|wvp|visual|tci|preview|overview|thumbnail|quicklook|snow|cloud|qa\w*|.*mask|.*-jp2", re.IGNORECASE)
_ASIDE_ROLES = {"thumbnail", "overview", "visual", "metadata", "cloud", "snow-ice", "saturation", "water-vapor"}


@dataclass(frozen=True)
class Item:
    """A scene in an item file.

    Attributes:
        id: of the scene, once in the file.
        when: start of the acquisition, in UTC; None where the item has none.
        geometry: its footprint, GeoJSON in longitude and latitude; None where it has none.
        properties: of the item.
        assets: key → its facts, of which ``href`` is one; what is relative there is beside the file.
        content: the whole item.
    """

    id: str
    when: datetime | None
    geometry: dict[str, Any] | None
    properties: dict[str, Any]
    assets: dict[str, dict[str, Any]]
    content: dict[str, Any] = field(repr=False)

    @property
    def cloud_share(self) -> float | None:
        """Share of the scene under cloud, 0 to 1, as its maker says (``eo:cloud_cover`` [%])."""
        found = self.properties.get("eo:cloud_cover")
        percent = finite(str(found)) if isinstance(found, (int, float)) else None
        return percent / 100 if percent is not None and 0 <= percent <= 100 else None

    @property
    def day(self) -> str:
        """Day of acquisition, ``2022-10-05``; empty where the item has none."""
        return self.when.date().isoformat() if self.when else ""


def read_items(path: str) -> list[Item]:
    """All items of a file.

    Raises:
        DataError: it is no item file, or damaged.
    """
    try:
        size = os.path.getsize(path)
        if size > LARGEST_FILE:
            raise DataError(f"{path} is larger than {LARGEST_FILE >> 20} MB, which no file of STAC items is. Save a smaller search.")
        with open(path, encoding="utf-8-sig") as stream:
            content = json.load(stream)
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror or error}). Choose a file of STAC items.") from None
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path} is no JSON that can be read ({str(error)[:120]}). Save the STAC items again.") from None
    kind = content.get("type") if isinstance(content, dict) else None
    features = content.get("features") if kind == "FeatureCollection" else [content] if kind == "Feature" else None
    if not isinstance(features, list):
        raise DataError(f"{path} holds no STAC items: it is no FeatureCollection and no Feature. Choose a file that “Find scenes” wrote, or a "
                        "search of a STAC catalogue that was saved.")
    if not features:
        raise DataError(f"{path} holds no STAC item. Search again with a larger area, more days or more clouds.")
    found = [item_of(feature, f"{path}, item {number}") for number, feature in enumerate(features, 1)]
    names = [item.id for item in found]
    twice = next((name for name in names if names.count(name) > 1), None) if len(set(names)) < len(names) else None
    if twice:
        raise DataError(f"{path} holds the item {twice} more than once. Leave out all but one.")
    return found


def item_of(feature: Any, place: str) -> Item:
    """An item from its JSON.

    Args:
        feature: of a FeatureCollection.
        place: where it stands, for messages.

    Raises:
        DataError: it is no STAC item.
    """
    known = feature if isinstance(feature, dict) else {}
    properties, assets, geometry = known.get("properties"), known.get("assets"), known.get("geometry")
    if not (isinstance(known.get("id"), str) and known["id"] and isinstance(properties, dict) and isinstance(assets, dict)):
        raise DataError(f"{place} is no STAC item: it has no id, properties or assets. Choose a file of STAC items.")
    files = {str(key): asset for key, asset in assets.items() if isinstance(asset, dict) and isinstance(asset.get("href"), str)}
    return Item(known["id"], _when(properties, place), geometry if isinstance(geometry, dict) else None, properties, files, known)


def _when(properties: dict[str, Any], place: str) -> datetime | None:
    """`datetime`, else `start_datetime`, both RFC 3339 in STAC."""
    text = properties.get("datetime") or properties.get("start_datetime")
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(str(text))
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):
        raise DataError(f"{place} says that it was acquired at “{str(text)[:40]}”, which is no date and time. Correct it, such as "
                        "2023-06-05T10:15:00Z.") from None


def place_of(href: str, path: str) -> str:
    """What GDAL opens for the href of an asset in an item file: a file, or the address as it is."""
    if href.lower().startswith("file:"):
        return unquote(urlsplit(href).path)
    return href if is_address(href) or os.path.isabs(href) else os.path.normpath(os.path.join(os.path.dirname(os.path.abspath(path)), href))


def bands_of(item: Item) -> dict[str, str]:
    """Name of the band → key of the asset that holds it, in the order of the sensor; of several files of a band the first.

    Sentinel-2 and radar bands get the names of their makers, others those of the assets.
    """
    found: dict[str, str] = {}
    for key, asset in item.assets.items():
        roles = asset.get("roles")
        if _ASIDE.fullmatch(key) or (isinstance(roles, list) and _ASIDE_ROLES & {str(role) for role in roles}) or not _is_image(asset):
            continue
        described = _described(asset)
        if len(described) > 1:
            continue
        common = [str(described[0][name]) for name in ("eo:common_name", "common_name", "name") if name in described[0]] if described else []
        name = next((code for text in (key, *common) if (code := speaks_of(text))), key)
        found.setdefault(name, key)
    order = list(SENTINEL2_WAVELENGTHS)
    return {name: found[name] for name in sorted(found, key=lambda name: order.index(name) if name in order else len(order))}


def mask_key(item: Item) -> str:
    """Key of the asset with the scene classification of Sentinel-2 L2A; empty where there is none."""
    return next((key for key, asset in item.assets.items() if key.lower() == "scl" and _is_image(asset)), "")


@dataclass(frozen=True)
class Stored:
    """How an item says that the values of a band are stored; None where it does not."""

    scale: float | None = None
    offset: float | None = None
    nodata: float | None = None


def stored_of(item: Item, key: str) -> Stored:
    """How the values of an asset are stored.

    Earth Search says of images from which the offset of baseline 04.00 is taken already that they have one all the same, and corrects that in a
    property of the item (github.com/Element84/earth-search, issues 66 and 71).
    """
    asset = item.assets[key]
    rows = asset.get("raster:bands")
    row = rows[0] if isinstance(rows, list) and rows and isinstance(rows[0], dict) else {}
    common = next(iter(_described(asset)), {})

    def number(name: str) -> float | None:
        places = ((row, name), (common, f"raster:{name}"), (common, name), (asset, f"raster:{name}"), (asset, name))
        given = next((place[word] for place, word in places if word in place), None)
        return finite(str(given)) if isinstance(given, (int, float)) and not isinstance(given, bool) else None

    offset = number("offset")
    if item.properties.get("earthsearch:boa_offset_applied") is True and offset:
        offset = 0.0
    return Stored(number("scale"), offset, number("nodata"))


def read(path: str, name: str) -> Delivery:
    """The scene of an item.

    Args:
        path: of the item file.
        name: id of the item; empty where the file holds one.

    Raises:
        DataError: there is no such item, several and none was named, or its files are not on this computer.
    """
    items = read_items(path)
    if not name and len(items) > 1:
        raise DataError(f"{path} holds {len(items)} items, {listed([item.id for item in items], 4)}. Choose one by putting |item={items[0].id} "
                        "behind it, or map them together as “scenes” in “Several rasters are” (several).")
    item = next((item for item in items if item.id == (name or items[0].id)), None)
    if item is None:
        raise DataError(f"{path} holds no item {name}; it holds {listed([one.id for one in items], 4)}. Choose one of these.")
    bands = bands_of(item)
    if not bands:
        raise DataError(f"The item {item.id} in {path} has no band in a file of its own; its assets are {listed(list(item.assets) or ['none'], 8)}. "
                        "Choose the images themselves.")
    files = []
    for band, key in bands.items():
        file, stored = place_of(item.assets[key]["href"], path), stored_of(item, key)
        _refuse_away(item, band, file, path)
        files.append(BandFile(band, file, stored.scale, stored.offset))
    nodata = {stored_of(item, key).nodata for key in bands.values()}
    mask = place_of(item.assets[mask_key(item)]["href"], path) if mask_key(item) else ""
    mask = mask if os.path.isfile(mask) else ""
    return Delivery(name=item.id, title=f"the STAC item {item.id}", files=tuple(files), nodata=nodata.pop() if len(nodata) == 1 else None,
                    date=item.day, mask=mask, mask_kind="scl" if mask else "")


def _refuse_away(item: Item, band: str, file: str, path: str) -> None:
    if is_address(file):
        raise DataError(f"The item {item.id} in {path} has its band {band} at {file}, and nothing is fetched from the network here. Load the scenes "
                        "with “Find scenes”, then choose the files.")
    if not os.path.isfile(file):
        raise DataError(f"The item {item.id} in {path} has its band {band} in {file}, which is not there. Copy the file there, or correct the item.")


def _is_image(asset: dict[str, Any]) -> bool:
    kind = asset.get("type")
    if isinstance(kind, str) and kind:
        return kind.partition(";")[0].strip().lower() in _IMAGES
    return PurePath(urlsplit(asset["href"]).path).suffix.lower() in _ENDINGS


def _described(asset: dict[str, Any]) -> Sequence[dict[str, Any]]:
    """What an asset says of its bands."""
    rows = asset.get("bands") or asset.get("eo:bands")
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
