"""Roads of OpenStreetMap where an image or a layer is, asked for at an Overpass server, as a layer of lines with their tags."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pandas
import shapely

from ....errors import DataError
from ....outputs import scratch_file
from ....progress import SILENT, Progress
from ...datasets.legend import default_color
from ...looks.category_style import Category, categorized, color_option
from ...network.overpass import ask, server_address, ways_query
from ...rasters.grid import reproject_bounds
from ...rasters.lengths import lengths_m
from ...rasters.raster import Raster
from ...rasters.vector import VectorLayer, is_vector, layer_info, write_layer
from .places import MARGIN
from .reading import read_lines
from .tags import parse_tags

LONLAT = "OGC:CRS84"
LICENCE, LICENCE_PAGE = "© OpenStreetMap contributors, ODbL 1.0", "https://www.openstreetmap.org/copyright"
#: Keys of the layer's metadata that other jobs read.
LICENCE_KEY, TIME_KEY = "LICENCE", "OSM_BASE"
#: Longest edge of the ground of one request [km]: a city on it has some 100,000 ways, which a server finds in seconds.
PIECE_KM = 25.0
#: Requests of one run; a Sentinel-2 scene needs 25.
MOST_PIECES = 100
KM_PER_DEGREE = 111.32
#: Fields, by tag; all other tags of a way are in `other_tags`, as GDAL writes them.
FIELDS = ("highway", "name", "ref", "width", "est_width", "lanes", "surface", "oneway", "bridge", "tunnel", "covered", "layer", "location")
#: Order of the legend, from wide to narrow; other classes follow.
ORDER = ("motorway", "trunk", "primary", "secondary", "tertiary", "unclassified", "residential", "living_street", "service", "track")

Box = tuple[float, float, float, float]


def fetch_roads(image: dict, extent: dict | None, server: str | None, output: str, progress: Progress = SILENT) -> dict[str, Any]:
    """Writes the ways with a tag “highway” that touch an image, a layer or an extent, whole, as a GeoPackage.

    Args:
        image: a job's layer value.
        extent: goes before the image, whose CRS it has where it names none; None is all of the image.
        server: see `overpass.server_address`.
        output: the .gpkg to write.
        progress: told how far it is, and under which licence the data comes before any is asked for.

    Returns:
        ``roads``, ``length_km``, ``data_of`` and ``requests``.

    Raises:
        DataError: no place, too large a place, a server that does not answer well, or no road there.
    """
    progress.at(0, "Finding the place")
    address = server_address(server)
    pieces = cut(boxes(image, extent))
    progress.message(f"The roads are asked for at {address}, in {len(pieces)} request{'s' * (len(pieces) > 1)}. They are of OpenStreetMap: {LICENCE} "
                     f"({LICENCE_PAGE}). Who shows or passes on what is made of them names it.")
    found, times = [], []
    for number, piece in enumerate(pieces):
        part = progress.part(number / len(pieces) * 0.95, (number + 1) / len(pieces) * 0.95)
        with scratch_file(output) as file:
            times.append(ask(address, ways_query("highway", piece), file, part.part(0, 0.8)))
            try:
                found.append(_ways(file, piece, part.part(0.8, 1)))
            except DataError as error:  # it names a file that is gone by then
                raise DataError(str(error).replace(str(file), f"The answer of {address}")) from None
    roads = pandas.concat(found, ignore_index=True).drop_duplicates("osm_id", ignore_index=True)
    if roads.empty:
        west, south, east, north = pieces[0][0], pieces[0][1], pieces[-1][2], pieces[-1][3]
        raise DataError(f"OpenStreetMap has no road between ({west:.5f}, {south:.5f}) and ({east:.5f}, {north:.5f}) in degrees (its data of "
                        f"{min(times)}). Check the CRS of the image or of the extent, or choose another place.")
    progress.at(0.97, "Writing the roads")
    told = {"SOURCE": "OpenStreetMap", LICENCE_KEY: LICENCE, "LICENCE_PAGE": LICENCE_PAGE, TIME_KEY: min(times), "SERVER": address,
            "QUERY": "\n".join(ways_query("highway", piece) for piece in pieces)}
    write_layer(output, "roads", roads, _style(roads["highway"]), progress, told)
    kilometres = float(lengths_m(roads.geometry.to_numpy(), roads.crs).sum()) / 1000
    progress.message(f"{len(roads)} ways of {kilometres:.1f} km, as OpenStreetMap had them at {min(times)}.")
    return {"roads": len(roads), "length_km": round(kilometres, 3), "data_of": min(times), "requests": len(pieces)}


def boxes(image: dict, extent: dict | None) -> list[Box]:
    """Where a place is, with a margin as road jobs read it: west, south, east, north [degree] within ±180 and ±90; two where it crosses 180°.

    Raises:
        DataError: a layer or an extent that is nowhere on earth.
    """
    box, crs, what = _place(image, extent)
    west, south, east, north = reproject_bounds(box, crs, LONLAT)
    if not all(map(math.isfinite, (west, south, east, north))):
        raise DataError(f"{what} is nowhere in longitudes and latitudes. Check its CRS.")
    up = MARGIN / 1000 / KM_PER_DEGREE
    south, north = max(south - up, -90.0), min(north + up, 90.0)
    aside = up / max(math.cos(math.radians(max(abs(south), abs(north)))), 0.01)
    west, east = west - aside, east + aside
    if east - west >= 360:
        return [(-180.0, south, 180.0, north)]
    turned = (west + 180) % 360 - 180
    east += turned - west
    return [(turned, south, east, north)] if east <= 180 else [(turned, south, 180.0, north), (-180.0, south, east - 360, north)]


def _place(image: dict, extent: dict | None) -> tuple[Box, str, str]:
    """A box, its CRS, and what it is."""
    if extent and extent.get("crs"):
        return _box(extent["box"]), extent["crs"], "The extent"
    if is_vector(image):
        layer = VectorLayer.open(image)
        bounds = layer_info(layer.path, layer.name, layer.options).get("total_bounds")
        if not layer.crs or bounds is None or not np.isfinite(bounds).all():
            raise DataError(f"{layer.path} says nowhere where it lies: it has no features, or no coordinate reference system. Set its CRS in the "
                            "layer's properties, or give an extent.")
        place, crs, path = _box(bounds), layer.crs, layer.path
    else:
        with Raster(**{key: value for key, value in image.items() if key not in ("layer", "field")}) as raster:
            place, crs, path = raster.grid.bounds(), raster.grid.crs, raster.path
    return (_box(extent["box"]) if extent else place), crs, f"The place of {path}"


def _box(numbers: Sequence[float]) -> Box:
    west, south, east, north = map(float, numbers)
    return west, south, east, north


def cut(places: Sequence[Box]) -> list[Box]:
    """Boxes in pieces that are small enough for a request.

    Raises:
        DataError: they are too many.
    """
    steps = []
    for west, south, east, north in places:
        scale = KM_PER_DEGREE * math.cos(math.radians(min(abs(south), abs(north)) if south * north > 0 else 0.0))
        steps.append((max(math.ceil((east - west) * scale / PIECE_KM), 1), max(math.ceil((north - south) * KM_PER_DEGREE / PIECE_KM), 1)))
    if (count := sum(columns * rows for columns, rows in steps)) > MOST_PIECES:
        raise DataError(f"The place needs {count} requests of {PIECE_KM:g} × {PIECE_KM:g} km, and at most {MOST_PIECES} are sent to a server. Choose "
                        "a smaller extent, or download an extract such as those of download.geofabrik.de: the road jobs read its .osm.pbf file.")
    pieces = []
    for (west, south, east, north), (columns, rows) in zip(places, steps, strict=True):
        x, y = np.linspace(west, east, columns + 1).tolist(), np.linspace(south, north, rows + 1).tolist()
        pieces += [(x[column], y[row], x[column + 1], y[row + 1]) for row in range(rows) for column in range(columns)]
    return pieces


def _ways(file: Path, box: Box, progress: Progress) -> geopandas.GeoDataFrame:
    """The ways of an .osm file on a box, with `FIELDS`."""
    layer = VectorLayer.open({"path": str(file), "layer": "lines"})
    found = read_lines(layer, list(layer.fields), shapely.box(*box), '"highway" IS NOT NULL', progress)
    packed = [parse_tags(text) for text in found["other_tags"]]
    columns = {tag: found[tag].to_numpy(object) if tag in found else np.array([tags.get(tag) for tags in packed], object) for tag in FIELDS}
    return geopandas.GeoDataFrame({"osm_id": found["osm_id"].to_numpy(object), **columns, "other_tags": found["other_tags"].to_numpy(object)},
                                  geometry=found.geometry.to_numpy(), crs="EPSG:4326")


def _style(classes: pandas.Series) -> str:
    known = set(classes)
    ordered = [*(name for name in ORDER if name in known), *sorted(known - set(ORDER))]
    rows = [Category(name, name, {"line_color": color_option(default_color(number)), "line_width": "0.7" if name in ORDER[:4] else "0.4"})
            for number, name in enumerate(ordered)]
    return categorized("highway", "line", rows)
