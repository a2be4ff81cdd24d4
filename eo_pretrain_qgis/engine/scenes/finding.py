"""Finds scenes, draws them by chance, pairs them with a radar scene, loads their images, and writes what was found."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import shapely
from pyproj import Transformer
from rasterio.crs import CRS

from ...errors import DataError
from ...outputs import new_file, new_folder
from ...progress import SILENT, Progress
from ..looks.category_style import Step, color_option, graduated, single
from ..rasters.vector import write_layer
from .areas import LONLAT, places_on_land, share
from .asking import KINDS, Found, Query
from .loading import Chosen, Loader, Target
from .partners import CLOUD_PIXEL, Partner, clear_share
from .searching import Catalogue

LAYER = "scenes"
#: Places that are tried for each one that is wanted; over some land there is no clear scene.
TRIES = 5
#: Opacity of footprints, 0 to 255, and width of their outlines [mm].
FILL, LINE = 60, "0.4"
_CLEARNESS = ((0.0, 0.1, "0 to 10 % cloud", "#2c7bb6"), (0.1, 0.3, "10 to 30 % cloud", "#abd9e9"), (0.3, 0.6, "30 to 60 % cloud", "#fdae61"),
              (0.6, 1.0, "60 to 100 % cloud", "#d7191c"))


@dataclass(frozen=True)
class Drawing:
    """Places drawn by chance over land: how many, the seed, and the edge of an image around each [m]."""

    count: int
    seed: int = 1
    size: float = 10_240


@dataclass(frozen=True)
class Pairing:
    """Scenes for a radar scene: the scene, the most hours between, and whether clouds are looked at pixel by pixel."""

    partner: Partner
    hours: float
    look: bool = False


@dataclass(frozen=True)
class Outputs:
    """Files to write: layer of footprints, item file and folder of images; empty where they are not wanted."""

    layer: str
    items: str = ""
    folder: str = ""
    chosen: Chosen = field(default_factory=Chosen)


def find(catalogue: Catalogue, query: Query, how: Drawing | Pairing | None, least_overlap: float, outputs: Outputs,
         progress: Progress = SILENT) -> dict[str, Any]:
    """Finds scenes and writes them.

    Args:
        catalogue: where.
        query: which.
        how: whether they are drawn by chance or sought for a radar scene; None takes all.
        least_overlap: of the area, or of the radar scene, that a scene must show, 0 to 1.
        outputs: what is written.
        progress: told how far it is.

    Returns:
        ``scenes``, ``days`` and ``images``, which were found and written, and ``covered``, the share of the area that they show together.

    Raises:
        DataError: nothing was found, no network, or what was found cannot be loaded.
    """
    searching = progress.part(0, 0.3 if outputs.folder else 0.9)
    if isinstance(how, Drawing):
        found = draw(catalogue, query, how, searching)
    elif isinstance(how, Pairing):
        found = pair(catalogue, query, how, searching)
    else:
        found = catalogue.search(query, searching)
    seen = [one for one in found if one.overlap is None or one.overlap >= least_overlap]
    if not seen:
        if found:
            best = max(one.overlap or 0.0 for one in found)
            raise DataError(f"{len(found)} scenes were found, and the best of them shows {best:.1%} of the ground, less than {least_overlap:.1%}. "
                            "Lower “Least overlap” (least_overlap).")
        raise catalogue.nothing(query)
    with new_folder(outputs.folder) if outputs.folder else nullcontext() as folder:
        if folder:
            seen = load(seen, query, how, outputs.chosen, Loader(outputs.chosen, folder, bool(catalogue.path), progress), folder)
        if outputs.items:
            write_items(seen, outputs.items)
        write_footprints(seen, outputs.layer, KINDS[query.kind].clouds, progress)
    days = {one.item.day for one in seen}
    together = shapely.union_all([one.footprint for one in seen])
    ground = how.partner.footprint if isinstance(how, Pairing) else query.area
    return {"scenes": len(seen), "days": len(days), "images": len({one.image for one in seen} - {""}),
            **({"covered": share(together, ground)} if ground is not None and not isinstance(how, Drawing) else {})}


def draw(catalogue: Catalogue, query: Query, how: Drawing, progress: Progress) -> list[Found]:
    """For each of some places over land, drawn by chance, the scene with the fewest clouds; a scene is taken once.

    Raises:
        DataError: no land, or no scene at all.
    """
    area = catalogue.footprints() if catalogue.path else None
    area = query.area if area is None else area if query.area is None else area.intersection(query.area)
    places = places_on_land(how.count * TRIES, area, np.random.default_rng(how.seed))
    found: dict[str, Found] = {}
    tried = 0
    for lon, lat in places:
        if len(found) >= how.count:
            break
        tried += 1
        progress.at(len(found) / how.count, f"{len(found)} of {how.count} places have a scene")
        asked = replace(query, area=shapely.Point(lon, lat))
        best = next((one for one in catalogue.search(asked, progress.part(len(found) / how.count, len(found) / how.count), best_first=True)
                     if one.item.id not in found), None)
        if best is not None:
            found[best.item.id] = replace(best, overlap=None, place=len(found) + 1, point=(float(lon), float(lat)))
    if found and len(found) < how.count:
        progress.message(f"Of {tried} places drawn, only {len(found)} have a scene of {query.words()}. Take more days or more clouds for "
                         f"{how.count}.", level="warning")
    return list(found.values())


def pair(catalogue: Catalogue, query: Query, how: Pairing, progress: Progress) -> list[Found]:
    """Scenes within some hours of a radar scene, the nearest in time first, with what they share with it.

    Raises:
        DataError: a scene cannot be read where clouds are looked at.
    """
    partner, around = how.partner, timedelta(hours=how.hours)
    asked = replace(query, area=partner.footprint, first=max(query.first, partner.when - around), last=min(query.last, partner.when + around))
    found = []
    for one in catalogue.search(asked, progress.part(0, 0.5)):
        assert one.item.when is not None  # noqa: S101  # nosec B101 - a query takes none without
        hours = (one.item.when - partner.when).total_seconds() / 3600
        clear = None if one.item.cloud_share is None else 1 - one.item.cloud_share
        found.append(replace(one, hours=hours, overlap=share(one.footprint, partner.footprint), clear=clear))
    if how.look:
        found = [replace(one, clear=_looked_at(one, partner, bool(catalogue.path), progress.part(0.5 + 0.5 * number / len(found), 1)))
                 for number, one in enumerate(found)]
    return sorted(found, key=lambda one: abs(one.hours or 0.0))


def _looked_at(found: Found, partner: Partner, local: bool, progress: Progress) -> float | None:
    """Share of the ground of both that is clear, by the scene classification; what the maker says where there is none."""
    common = found.footprint.intersection(partner.footprint)
    if common.is_empty or common.area == 0:
        return found.clear
    middle = common.representative_point()
    crs = utm_of(middle.x, middle.y)
    ground = shapely.transform(common, Transformer.from_crs(LONLAT, crs, always_xy=True).transform, interleaved=False)
    seen = Loader(Chosen(), Path(), local, progress).clouds(found, ground, crs, CLOUD_PIXEL)
    return found.clear if seen is None else clear_share(*seen, ground)


def utm_of(lon: float, lat: float) -> str:
    """The UTM zone of a place on WGS 84."""
    return f"EPSG:{(32600 if lat >= 0 else 32700) + int((lon + 180) // 6) % 60 + 1}"


def load(found: Sequence[Found], query: Query, how: Drawing | Pairing | None, chosen: Chosen, loader: Loader, folder: Path) -> list[Found]:
    """Loads an image for each day, or for each place drawn by chance; returns the scenes with the names of their images.

    Raises:
        DataError: see `Loader.write`, or no image shows anything.
    """
    prefix = KINDS[query.kind].prefix
    kept: list[Found] = []
    if isinstance(how, Drawing):
        made = [(Target(f"{prefix}_place{one.place:03d}_{one.item.day}.tif", [one], shapely.Point(one.point), how.size), utm_of(*one.point))
                for one in found if one.point]
    else:
        ground = how.partner.footprint if isinstance(how, Pairing) else query.area
        ground = shapely.union_all([one.footprint for one in found]) if ground is None or ground.area == 0 else ground
        days: dict[str, list[Found]] = {}
        for one in sorted(found, key=lambda one: 1.0 if one.item.cloud_share is None else one.item.cloud_share):
            days.setdefault(one.item.day, []).append(one)
        made = [(Target(f"{prefix}_{day}.tif", scenes, ground), "") for day, scenes in sorted(days.items())]
    if not isinstance(how, Drawing):
        loader.chosen = _one_grid(chosen, made[0][0].scenes[0])
    for number, (target, zone) in enumerate(made):
        start, end = (0.3 + 0.7 * (number + part) / len(made) for part in (0, 1))
        if zone and not chosen.crs:
            loader.chosen = replace(chosen, crs=zone)
        if loader.write(target, start, end):
            kept += [replace(one, image=target.file) for one in target.scenes]
        else:
            loader.progress.message(f"{', '.join(one.item.id for one in target.scenes)} measured nothing of the ground wanted, and is left out.")
    if not kept:
        raise DataError("No scene measured anything of the area: it lies where their pixels are empty. Choose another area or other days.")
    return kept


def _one_grid(chosen: Chosen, first: Found) -> Chosen:
    """The grid of all days: of one coordinate system, where none was chosen that of the UTM zone of the first scene's middle."""
    if chosen.crs:
        return chosen
    code = first.item.properties.get("proj:code") or first.item.properties.get("proj:epsg")
    known = f"EPSG:{code}" if isinstance(code, int) else code if isinstance(code, str) else ""
    try:
        return replace(chosen, crs=CRS.from_user_input(known).to_string()) if known else chosen
    except ValueError:
        return chosen


def write_items(found: Sequence[Found], path: str) -> None:
    """Writes the scenes as a FeatureCollection of STAC items."""
    content = {"type": "FeatureCollection", "features": [one.item.content for one in found]}
    with new_file(path) as part:
        part.write_text(json.dumps(content, ensure_ascii=False, indent=1), encoding="utf-8")


def write_footprints(found: Sequence[Found], path: str, clouds: bool, progress: Progress) -> None:
    """Writes the footprints as a layer."""
    table: dict[str, list[Any]] = {
        "id": [one.item.id for one in found], "acquired": [one.item.when.strftime("%Y-%m-%dT%H:%M:%SZ") if one.item.when else "" for one in found],
        "day": [one.item.day for one in found], "collection": [str(one.item.content.get("collection") or "") for one in found],
        "cloud_share": [one.item.cloud_share for one in found], "overlap": [one.overlap for one in found], "hours": [one.hours for one in found],
        "clear_share": [one.clear for one in found], "place": [one.place or None for one in found], "image": [one.image or None for one in found]}
    numbers = ("cloud_share", "overlap", "hours", "clear_share", "place")
    columns = {name: np.array([np.nan if value is None else value for value in values], float) if name in numbers else values
               for name, values in table.items() if any(value is not None for value in values) or name == "cloud_share"}
    layer = geopandas.GeoDataFrame(columns, geometry=[one.footprint for one in found], crs=LONLAT)
    looks = {"outline_color": color_option("#333333"), "outline_width": LINE}
    steps = [Step(low, high, label, {"color": color_option(color, FILL), **looks}) for low, high, label, color in _CLEARNESS]
    style = graduated("cloud_share", "fill", steps) if clouds else single("fill", {"color": color_option("#1f77b4", FILL), **looks})
    os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
    write_layer(path, LAYER, layer, style, progress)
