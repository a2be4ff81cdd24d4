"""The only place that opens vector files: features of a layer, and layers written whole or not at all."""

from __future__ import annotations

import codecs
import os
import re
import sqlite3
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pyogrio
import shapely
import shapely.affinity
from pyogrio.errors import DataLayerError, DataSourceError, FeatureError
from pyproj.exceptions import CRSError

from ...errors import DataError
from ...outputs import failed_write, new_file
from ...progress import SILENT, Progress
from ..looks.style_files import STYLES, new_style, put_inside
from . import sources
from .grid import Grid, full_turn

#: What may follow `|` in the path of a layer as QGIS writes it, after a filter too.
_PART = re.compile(r"(layername|layerid|geometrytype|uniquegeometrytype)=(.*)|option:([^=]+)=(.*)", re.IGNORECASE | re.DOTALL)
_AFTER_FILTER = re.compile(r"(?:\|(?:geometrytype=\w*|uniquegeometrytype=\w*|option:[^|=]+=[^|]*))+$", re.IGNORECASE)

#: What GDAL makes of geometries with arcs.
_STRAIGHT = {"curvepolygon": "polygon", "surface": "polygon", "compoundcurve": "linestring", "curve": "linestring", "circularstring": "linestring"}


@dataclass(frozen=True)
class LayerPath:
    """The parts of ``file.gpkg|layername=roads|subset="year" = 2019``, the path of a layer as QGIS writes it.

    Attributes:
        path: the file.
        layer: its layer, by name; empty where none is named.
        number: its layer, counted from 0; None where none is.
        where: SQL condition on the attributes, or empty.
        kind: only geometries of this kind, such as Polygon; empty for all.
        options: GDAL open options.
    """

    path: str
    layer: str = ""
    number: int | None = None
    where: str = ""
    kind: str = ""
    options: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, source: dict) -> LayerPath:
        """Takes the path in a job's layer value apart; a layer given beside the path goes before the one in it.

        Raises:
            DataError: a part that is not understood.
        """
        whole = source["path"]
        ends = [*(found.start() for found in re.finditer(r"\|", whole)), len(whole)]
        end = next((end for end in ends if os.path.exists(whole[:end])), ends[0])  # the name of a file may have a “|” itself
        path, (rest, _, where) = whole[:end], whole[end:].partition("|subset=")
        after = _AFTER_FILTER.search(where)
        if after:
            where, rest = where[:after.start()], rest + after[0]
        found: dict[str, str] = {}
        options = {}
        for part in rest.split("|")[1:]:
            known = _PART.fullmatch(part)
            if not known:
                raise DataError(f"“{part}” in {whole} is not understood. The path of a layer may have layername=, layerid=, geometrytype=, option: "
                                "and, at its end, subset= after a “|”; leave the rest out.")
            if known[3]:
                options[known[3].strip().upper()] = known[4]
            else:
                found[known[1].lower()] = known[2]
        number = found.get("layerid", "")
        if number and not re.fullmatch(r"\d{1,9}", number):
            raise DataError(f"layerid={number} in {whole} is no number of a layer. Give the layer's name, as {path}|layername=….")
        if re.match(r"\s*select\b", where, re.IGNORECASE):
            raise DataError(f"{path} is filtered by a whole SQL statement ({where[:80]}), and only a condition such as \"year\" = 2019 can be used. "
                            "Export the filtered layer and choose that.")
        return cls(path, source.get("layer") or found.get("layername", ""), int(number) if number else None, where.strip(),
                   found.get("geometrytype", ""), options)


@dataclass(frozen=True)
class VectorLayer:
    """One layer of a vector file, or those of its features that a filter leaves."""

    path: str
    name: str
    crs: str
    fields: tuple[str, ...]
    where: str = ""
    kind: str = ""
    options: dict[str, str] = field(default_factory=dict)

    @classmethod
    def open(cls, source: dict) -> VectorLayer:
        """Finds the layer a job's vector value means, with the filter in its path; see `LayerPath`.

        Raises:
            DataError: when the file is no vector file, or has several layers and none is named.
        """
        parts = LayerPath.of(source)
        path, layer, names = parts.path, parts.layer, layer_names(parts.path)
        if not names:
            raise DataError(f"{path} cannot be opened as a vector layer. Check that the file exists and holds features.")
        if not layer and parts.number is not None:
            if parts.number >= len(names):
                raise DataError(f"{path} has no layer number {parts.number}; it has {', '.join(names)}, counted from 0. Choose one of them.")
            layer = names[parts.number]
        if layer and layer not in names:
            raise DataError(f"{path} has no layer “{layer}”; it has {', '.join(names)}. Choose one of them.")
        if not layer and len(names) > 1:
            raise DataError(f"{path} has several layers: {', '.join(names)}. Say which, as {path}|layername={names[0]}.")
        layer = layer or names[0]
        options = {**_encoding_of(path), **parts.options}
        info = layer_info(path, layer, options)
        return cls(path, layer, source.get("crs") or info["crs"] or "", tuple(str(name) for name in info["fields"]), parts.where, parts.kind,
                   options)

    def read(self, columns: list[str]) -> geopandas.GeoDataFrame:
        """All features with some of their fields, in the order of the file, in the layer's CRS.

        Raises:
            DataError: no such field, no CRS, no feature, or a damaged file.
        """
        missing = [name for name in columns if name not in self.fields]
        if missing:
            raise DataError(f"The layer {self.name} of {self.path} has no field “{missing[0]}”; it has "
                            f"{', '.join(self.fields) or 'none'}. Choose one of them.")
        if not self.crs:
            raise DataError(f"{self.path} has no coordinate reference system. Set it in the layer's properties.")
        try:
            features = self.select(columns=columns)
        except (DataSourceError, DataLayerError) as error:
            raise DataError(f"{self.path} cannot be read ({error}). It may be damaged: copy or download it again.") from None
        except UnicodeDecodeError as error:
            raise not_utf8(self.path, error) from None
        if features.empty or not isinstance(features, geopandas.GeoDataFrame):
            raise DataError(f"The layer {self.name} of {self.path} holds no features with a place. Draw some, or lift its filter or "
                            "selection.")
        try:
            return features.set_crs(self.crs, allow_override=True)
        except CRSError as error:
            raise DataError(f"{self.path}: the coordinate reference system “{self.crs}” is not known ({error}). "
                            "Choose another one.") from None

    def select(self, where: str | None = None, **asked: Any) -> geopandas.GeoDataFrame:
        """What pyogrio reads of the layer, without the features that its own filter leaves out.

        Args:
            where: one more SQL condition on the attributes.
            asked: arguments of `pyogrio.read_dataframe`.

        Raises:
            DataError: a filter that the file does not understand.
        """
        conditions = [f"({condition})" for condition in (self.where, where) if condition]
        try:
            with sources.vector(self.path) as opened:
                features = pyogrio.read_dataframe(opened, layer=self.name, where=" AND ".join(conditions) or None, **asked, **self.options)
        except (ValueError, DataSourceError, DataLayerError, FeatureError) as error:
            if not self.where or "SQL" not in str(error):
                raise
            raise DataError(f"The filter {self.where} of the layer {self.name} of {self.path} cannot be used ({error}). Correct it, or export the "
                            "filtered layer and choose that.") from None
        if self.kind and isinstance(features, geopandas.GeoDataFrame):
            wanted = re.sub("^multi|25d$|zm?$|m$", "", self.kind.lower())
            features = features[features.geom_type.str.lower().str.removeprefix("multi") == _STRAIGHT.get(wanted, wanted)]
        return features


def not_utf8(path: str, error: UnicodeDecodeError) -> DataError:
    """The sentence for text in another encoding than the file says."""
    return DataError(f"{path} holds text that is not in the encoding it says ({error.reason} in {error.object[:40]!r}). Save the layer anew with "
                     "the encoding UTF-8 and choose that.")


def layer_names(path: str) -> list[str]:
    """The vector layers in a file; none when it is not a vector file. The table of styles that QGIS adds to a GeoPackage is no layer."""
    return list(layer_kinds(path))


def layer_kinds(path: str) -> dict[str, str]:
    """The vector layers in a file and the kinds of their geometries; none when it is not a vector file."""
    try:
        with sources.vector(path) as opened:
            return {str(name): str(kind) for name, kind in pyogrio.list_layers(opened) if name != STYLES}
    except DataSourceError:
        return {}


def _encoding_of(path: str) -> dict[str, str]:
    """GDAL's option for a shapefile whose text is UTF-8 without saying so; without it GDAL would take Windows-1252 or the like."""
    table = Path(path).with_suffix(".dbf")
    if not path.lower().endswith(".shp") or not table.is_file() or any(table.with_suffix(ending).exists() for ending in (".cpg", ".CPG")):
        return {}
    decoder, plain = codecs.getincrementaldecoder("utf-8")(), True
    with open(table, "rb") as stream:
        head = stream.read(32)
        if len(head) < 32 or head[29]:  # a code page is named
            return {}
        stream.seek(int.from_bytes(head[8:10], "little"))
        try:
            while piece := stream.read(1 << 20):
                plain &= piece.isascii()
                decoder.decode(piece)
        except UnicodeDecodeError:
            return {}
    return {} if plain else {"ENCODING": "UTF-8"}


def is_vector(source: dict) -> bool:
    """Whether a job's layer value, raster or vector, is a vector layer."""
    parts = LayerPath.of(source)
    return bool(parts.layer or layer_names(parts.path))


def layer_info(path: str, layer: str, options: dict[str, str] | None = None) -> dict:
    """What a vector file says of a layer, such as ``crs``, ``fields``, ``geometry_type`` and ``total_bounds``.

    Raises:
        DataError: a format that is not read, or a damaged file.
    """
    try:
        with sources.vector(path) as opened:
            info = pyogrio.read_info(opened, layer=layer, **(options or {}))
    except (DataSourceError, DataLayerError) as error:
        raise DataError(f"{path} cannot be read ({error}). It may be damaged: copy or download it again.") from None
    except UnicodeDecodeError as error:
        raise not_utf8(path, error) from None
    sources.check_format(path, info["driver"])
    return info


def repaired(features: geopandas.GeoDataFrame, path: str, progress: Progress = SILENT) -> geopandas.GeoDataFrame:
    """Leaves out features without a geometry, repairs invalid ones, and says how many.

    A polygon stays a polygon: lines and points that a repair makes of its spikes are no ground, and one without area is left out.

    Raises:
        DataError: when nothing is left.
    """
    total = len(features)
    empty = np.asarray(features.geometry.isna() | features.geometry.is_empty)
    if empty.any():
        progress.message(f"{empty.sum()} of {total} features of {path} have no geometry and are left out.", level="warning")
        features = features[~empty]
    features = without_endless(features, path, progress)
    shapes = np.asarray(features.geometry.values, object).copy()
    invalid = ~shapely.is_valid(shapes)
    if invalid.any():
        progress.message(f"{invalid.sum()} of {total} geometries of {path} were invalid and have been repaired.", level="warning")
        shapes[invalid] = own_dimension(shapely.make_valid(shapes[invalid]), shapely.get_dimensions(shapes[invalid]))
    mixed = (shapely.get_type_id(shapes) == shapely.GeometryType.GEOMETRYCOLLECTION) & ~shapely.is_empty(shapes)
    if mixed.any():
        progress.message(f"{mixed.sum()} of {total} features of {path} are collections of several geometries; of their areas, lines and points only "
                         "the areas are used, or else the lines.", level="warning")
        shapes[mixed] = own_dimension(shapes[mixed], shapely.get_dimensions(shapes[mixed]))
    flat = shapely.is_empty(shapes) | ((shapely.get_dimensions(shapes) == 2) & (shapely.area(shapes) == 0))
    if flat.any():
        progress.message(f"{flat.sum()} of {total} features of {path} are polygons without an area or lines without a length and are left out.",
                         level="warning")
    features = features.set_geometry(geopandas.GeoSeries(shapes, features.index, features.crs))[~flat]
    if features.empty:
        raise DataError(f"{path} holds no feature with a geometry that can be used. Draw the labels again or choose another layer.")
    return features


def polygons_of(features: geopandas.GeoDataFrame, path: str, what: str, progress: Progress = SILENT) -> geopandas.GeoDataFrame:
    """The polygons among features; says how many others are left out.

    Args:
        features: see `repaired`.
        path: of their layer.
        what: is to be said of a layer without polygons, such as “parcels are polygons”.
        progress: see above.

    Raises:
        DataError: there are none.
    """
    kept = features[np.asarray(features.geom_type.isin(("Polygon", "MultiPolygon")))]
    if kept.empty:
        raise DataError(f"{path} holds no polygons, but {what}. Choose a polygon layer.")
    if len(kept) < len(features):
        progress.message(f"{len(features) - len(kept)} features of {path} are no polygons and are left out.", level="warning")
    return kept


def without_endless(features: geopandas.GeoDataFrame, path: str, progress: Progress = SILENT) -> geopandas.GeoDataFrame:
    """Leaves out features with a coordinate that is infinite or no number, which no repair takes, and says how many."""
    shapes = np.asarray(features.geometry.values, object)
    invalid = np.flatnonzero(~shapely.is_valid(shapes) & ~shapely.is_missing(shapes))
    places, owners = shapely.get_coordinates(shapes[invalid], return_index=True)
    endless = np.isin(np.arange(len(shapes)), invalid[owners[~np.isfinite(places).all(1)]])
    if endless.any():
        progress.message(f"{endless.sum()} of {len(shapes)} features of {path} have coordinates that are no numbers and are left out.",
                         level="warning")
    return features[~endless]


def valid_areas(shapes: np.ndarray) -> np.ndarray:
    """Polygons (n,) that are valid, such as after a change of CRS; empty where no area is left."""
    result = shapes.copy()
    invalid = ~shapely.is_valid(result)
    result[invalid] = own_dimension(shapely.make_valid(result[invalid]), np.full(invalid.sum(), 2))
    return result


def own_dimension(shapes: np.ndarray, dimensions: np.ndarray) -> np.ndarray:
    """Shapes (n,) without the parts that have fewer dimensions than these (n,): 2 keeps areas, 1 lines; empty where nothing is left."""
    result = shapes.copy()
    other = shapely.get_dimensions(shapes) != dimensions
    result[other] = shapely.Polygon()
    for number in np.flatnonzero(~other & (shapely.get_type_id(shapes) == shapely.GeometryType.GEOMETRYCOLLECTION)):
        parts = shapely.get_parts(shapes[number])
        while (shapely.get_type_id(parts) == shapely.GeometryType.GEOMETRYCOLLECTION).any():
            parts = shapely.get_parts(parts)
        result[number] = shapely.union_all(parts[shapely.get_dimensions(parts) == dimensions[number]])
    return result


def touching(features: geopandas.GeoDataFrame, boxes: list[tuple]) -> np.ndarray:
    """Which features touch one of the boxes that `Grid.boxes_in` gives in their CRS, bool (n,); also those written across 180°."""
    area = shapely.union_all([shapely.box(*box) for box in boxes])
    shapes, turn = np.asarray(features.geometry.values, object), full_turn(features.crs.to_wkt())
    hit = shapely.intersects(area, shapes)
    if turn:
        # A shape from 179° to −179° that is not cut at 180° seems to reach around the earth: there are its vertices, one turn further.
        parts, owners = shapely.get_parts(shapes, return_index=True)
        bounds = shapely.bounds(parts)
        wide = np.flatnonzero((bounds[:, 2] - bounds[:, 0] > turn / 2) & ~hit[owners])
        turned = shapely.bounds(shapely.transform(parts[wide], lambda points: np.stack([points[:, 0] % turn, points[:, 1]], 1)))
        hit[owners[wide[shapely.intersects(area, shapely.box(*turned.T))]]] = True
    return hit


def on_grid(shapes: geopandas.GeoSeries, grid: Grid) -> np.ndarray:
    """Shapes (n,) in the CRS of a grid; where that counts longitudes, at those of the grid, twice if they are at both of its ends."""
    own = np.asarray(shapes.to_crs(grid.crs).values, object).copy()
    turn = full_turn(grid.crs)
    if not turn or not len(own):
        return own
    west, _, east, _ = grid.bounds()
    bounds = shapely.bounds(own)
    places = {shift: (bounds[:, 0] + shift < east + turn / 360) & (bounds[:, 2] + shift > west - turn / 360) for shift in (0.0, -turn, turn)}
    for number in np.flatnonzero(places[-turn] | places[turn]):
        copies = [shapely.affinity.translate(own[number], shift) for shift, near in places.items() if near[number]]
        own[number] = shapely.union_all(copies) if len(copies) > 1 else copies[0]
    return own


def write_layer(path: str | Path, layer: str, features: geopandas.GeoDataFrame, style: str, progress: Progress = SILENT,
                told: dict[str, str] | None = None, empty: str = "Polygon") -> None:
    """Writes a GeoPackage with one layer and its style, inside and beside it; an existing file is replaced when the new one is whole.

    Args:
        path: the .gpkg to write.
        layer: its name.
        features: in their order.
        style: the text of a .qml.
        progress: told when a style of the user's beside the file is kept; it is then the only one.
        told: metadata of the layer, key → text, such as its licence.
        empty: what a layer without features is of; QGIS shows one of unknown geometry as a table, without its style.

    Raises:
        DataError: disk full, not permitted, or open elsewhere.
    """
    with new_style(path, style, progress) as styled, new_file(path) as part:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", RuntimeWarning)  # that the name does not end in .gpkg yet
                # Version 1.2 is read without a warning by every GDAL a QGIS we support comes with.
                pyogrio.write_dataframe(features, part, layer=layer, driver="GPKG", dataset_options={"VERSION": "1.2"},
                                        layer_metadata=told, geometry_type=None if len(features) else empty)
            if styled:
                put_inside(part, layer, style)
        except (RuntimeError, sqlite3.Error) as error:  # what pyogrio raises for every failure of GDAL
            raise failed_write(error, path) from error
