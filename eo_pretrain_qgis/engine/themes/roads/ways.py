"""Roads as lines with a width: read from a layer or an OpenStreetMap file where the images are, and what no image shows left out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import shapely

from ....errors import DataError, listed
from ....progress import SILENT, Progress
from ...datasets.labels import missed
from ...rasters.grid import Grid
from ...rasters.lengths import lengths_m
from ...rasters.vector import LayerPath, VectorLayer, layer_info, layer_kinds, layer_names, without_endless
from .fetching import LICENCE_KEY, TIME_KEY
from .places import beside, extent_words, image_area, search_area
from .reading import read_lines
from .tags import LIFECYCLE, is_set, plain_values, tag_columns, tag_fields, values_of
from .widths import WidthTable

#: Layers of GDAL's OSM driver; ways are in “lines”, and which layer QGIS happened to open does not matter.
OSM_LAYERS = {"points", "lines", "multilinestrings", "multipolygons", "other_relations"}
SERVICE, TRACKS = ("service",), ("track",)
FOOTWAYS = ("footway", "path", "cycleway", "bridleway", "steps", "pedestrian")
#: Values of `highway` that are no roads, whatever width other classes are given.
NO_ROADS = frozenset(("corridor", "elevator", "escalator", "platform", "bus_stop", "rest_area", "services", "via_ferrata", "ladder", "no",
                      "crossing", "emergency_bay", "traffic_island"))
LINES = ("LineString", "MultiLineString")
ROAD, IGNORED, LEFT_OUT = "roads", "ignored", "background"
TUNNEL, COVERED = "tunnel", "covered below the ground"
NO_ROAD = "no road, or left out by the table of widths"
#: Where the width of a way is from whose class is not in the table, and that width [m] where the table has none for the class “road”.
UNKNOWN, UNKNOWN_WIDTH = "unknown class", 5.5
#: Ways handled between two reports.
BATCH = 20_000
#: Roads that reach over less than this share of the images, by the box around nearly all vertices, are probably those of a smaller extract.
COVERAGE = 0.8
#: Quantiles of the vertices that bound what an extract covers.
STRAYS = (0.005, 0.995)


class NoRoads(DataError):
    """There are roads around the images, and none of those that count lies on them."""


@dataclass(frozen=True)
class RoadRules:
    """Which ways are drawn and how wide; each group is "roads", "ignored" (neither road nor background) or "background".

    Where `needed` is false, ignored ways alone are enough.
    """

    service: str = ROAD
    tracks: str = ROAD
    footways: str = LEFT_OUT
    widths: WidthTable = field(default_factory=WidthTable)
    class_field: str | None = None
    width_field: str | None = None
    needed: bool = True


@dataclass(frozen=True)
class Roads:
    """The ways that matter for some images, as plain arrays: labels are copied for every thread and process that cuts tiles.

    Attributes:
        path: where they were read.
        points: vertices of all lines (m, 2) in `crs`.
        starts: where each line begins in `points`, and the end (n + 1,).
        crs: WKT or code.
        widths: [m] (n,).
        drawn: bool (n,): road, else ignored.
        facts: what was drawn and left out, by reason, as plain values.
        ways: every way on the images with class, width and what became of it; None in copies for other threads and processes.
    """

    path: str
    points: np.ndarray
    starts: np.ndarray
    crs: str
    widths: np.ndarray
    drawn: np.ndarray
    facts: dict[str, Any]
    ways: geopandas.GeoDataFrame | None = None

    def __getstate__(self) -> dict:
        return {**self.__dict__, "ways": None}

    @classmethod
    def of(cls, path: str, lines: np.ndarray, crs: str, widths: np.ndarray, drawn: np.ndarray, facts: dict[str, Any],
           ways: geopandas.GeoDataFrame | None = None) -> Roads:
        """From lines and lines of several parts (n,)."""
        parts, owners = shapely.get_parts(shapely.force_2d(lines), return_index=True)
        points, of = shapely.get_coordinates(parts, return_index=True)
        starts = np.searchsorted(of, np.arange(len(parts) + 1))
        return cls(path, points, starts, crs, np.asarray(widths)[owners], np.asarray(drawn)[owners], facts, ways)

    @property
    def lines(self) -> np.ndarray:
        """Geometries (n,) in `crs`."""
        return self.moved(self.points)

    def moved(self, points: np.ndarray) -> np.ndarray:
        """The lines (n,) with other coordinates for their vertices (m, 2)."""
        return shapely.linestrings(points, indices=np.repeat(np.arange(len(self.widths)), np.diff(self.starts)))

    @property
    def tunnels(self) -> int:
        """Ways left out because no image shows what is in a tunnel or covered below the ground."""
        return sum(self.facts["left_out"].get(reason, {"ways": 0})["ways"] for reason in (TUNNEL, COVERED))


def open_roads(source: dict, grids: Sequence[Grid], rules: RoadRules, extent: dict | None = None, progress: Progress = SILENT) -> Roads:
    """Reads the ways on some images, chooses those an image can show and says how wide they are.

    Args:
        source: a job's vector value: a line layer, or an .osm or .osm.pbf file.
        grids: of the images.
        rules: which ways count.
        extent: part of the images that matters; None is all.
        progress: also hears what was left out.

    Raises:
        DataError: no lines, no tags, no road on the images (then `NoRoads`, where there are others around them), or a damaged file.
    """
    layer = _line_layer(source)
    info = layer_info(layer.path, layer.name, layer.options)
    kind = str(info["geometry_type"])
    if "Polygon" in kind or "Point" in kind:
        raise _no_lines(layer, kind)
    fields = tag_fields(layer.fields)
    class_field = _class_field(layer, fields, rules)
    extra = [name for name in (class_field, rules.width_field) if name and name not in fields]
    area, images = search_area(layer, grids, extent, info.get("total_bounds")), image_area(layer, grids, extent)
    found = without_endless(read_lines(layer, [*fields, *extra], area, _filter(layer, fields), progress.part(0, 0.7)), layer.path, progress)
    progress.at(0.7, "Choosing the roads")
    lines = beside(_only_lines(found, layer, area, progress), images)
    tags = tag_columns(lines, fields)
    if class_field:
        tags["highway"] = plain_values(lines[class_field])
    if rules.width_field:
        tags["width"] = plain_values(lines[rules.width_field])
    if class_field is None and "highway" not in fields.values() and not tags["highway"].any():
        tags["highway"][:] = "road"
    tags["highway"] = np.array([_class_of(value, rules.widths) for value in tags["highway"]], object)
    is_way = tags["highway"] != np.array(None)
    lines, tags = lines[is_way], {tag: values[is_way] for tag, values in tags.items()}
    if lines.empty or not lines.intersects(images).any():
        raise _no_roads(layer, images, NoRoads)
    roads = _chosen(layer, lines, tags, rules, class_field, images, progress.part(0.7, 1))
    told = info.get("layer_metadata") or {}  # of a layer from “Fetch roads”
    roads.facts.update({fact: told[key] for fact, key in (("licence", LICENCE_KEY), ("data_of", TIME_KEY)) if told.get(key)})
    return roads


def _chosen(layer: VectorLayer, lines: geopandas.GeoDataFrame, tags: dict[str, np.ndarray], rules: RoadRules, class_field: str | None,
            images: shapely.Geometry, progress: Progress) -> Roads:
    reasons, widths, origins = _decide(tags, rules, progress)
    kilometres = _lengths(lines, images)
    known = np.isin(reasons, (ROAD, IGNORED))
    facts = _facts(layer, tags, reasons, widths, origins, kilometres)
    roads = reasons == ROAD
    if not (roads if rules.needed else known).any():
        if (origins == UNKNOWN).any():
            where = f"the field “{class_field}” of {layer.path}" if class_field else layer.path
            raise DataError(f"The classes {_quoted(tags['highway'][origins == UNKNOWN])} in {where} are not in the table of widths, and there is "
                            "no other road. List them in a CSV file as “Widths by class”, or give “Width of other roads”.")
        ignored = {"neither road nor background": facts["ignored"]} if facts["ignored"]["ways"] else {}
        raise NoRoads(f"All {len(reasons)} ways of {layer.path} on the images are left out: {_counts(facts['left_out'] | ignored)}. "
                      "Choose other roads, or take in more kinds of ways.")
    _tell(facts, progress)
    facts["coverage"] = _coverage(layer, lines, images, progress)
    ways = geopandas.GeoDataFrame({"class": tags["highway"], "width_m": np.where(widths > 0, widths, np.nan), "width_from": origins,
                                   "became": reasons, "km": kilometres.round(4)}, geometry=lines.geometry.to_numpy(), crs=lines.crs)
    return Roads.of(layer.path, lines.geometry.to_numpy()[known], lines.crs.to_wkt(), widths[known], roads[known], facts, ways)


def _coverage(layer: VectorLayer, lines: geopandas.GeoDataFrame, images: shapely.Geometry, progress: Progress) -> float:
    """Share of the images over which ways reach, 0 to 1; where it is small, the extent that holds them is told, as a dialog takes it."""
    # The few ways that leave an extract reach far beyond what it covers; hence not the bounds, but nearly all vertices.
    corners = np.quantile(shapely.get_coordinates(lines.geometry.to_numpy()), STRAYS, axis=0).ravel()
    reached = shapely.intersection(images, shapely.box(*corners))
    share = round(reached.area / images.area, 3)
    if share < COVERAGE:
        within = f", or give this “Extent”, which holds the ways: {extent_words(reached.bounds, layer.crs)}" if reached.area else ""
        progress.message(f"The ways of {layer.path} reach over {share:.0%} of the images. That is right where the rest is water or has no roads. "
                         f"If there are roads, they are taught as background: take ways of the whole images{within}.", level="warning")
    return share


def _line_layer(source: dict) -> VectorLayer:
    """The layer with the ways; where none is named, the one with lines."""
    parts = LayerPath.of(source)
    path, names = parts.path, set(layer_names(parts.path))
    if names == OSM_LAYERS:
        return VectorLayer.open({**source, "layer": "lines"})
    if len(names) > 1 and not parts.layer and parts.number is None:
        with_lines = [name for name, kind in layer_kinds(path).items() if "LineString" in kind]
        if len(with_lines) == 1:
            return VectorLayer.open({**source, "layer": with_lines[0]})
    if not names and Path(path).name.lower().endswith((".osm", ".pbf")) and Path(path).is_file():
        raise DataError(f"{path} is no OpenStreetMap file that can be read: its first bytes are not those of .osm or .osm.pbf. "
                        "It may be damaged: download it again.")
    return VectorLayer.open(source)


def _class_field(layer: VectorLayer, fields: dict[str, str], rules: RoadRules) -> str | None:
    """The field an analyst named, checked; None when the tags say what a way is."""
    for name in (rules.class_field, rules.width_field):
        if name and name not in layer.fields:
            raise DataError(f"The layer {layer.name} of {layer.path} has no field “{name}”; it has {', '.join(layer.fields) or 'none'}. "
                            "Choose one of them.")
    if rules.class_field:
        return rules.class_field
    if {"highway", "other_tags", "all_tags", "tags"} & set(fields.values()) or rules.widths.other is not None:
        return None
    raise DataError(f"The layer {layer.name} of {layer.path} has no field that says what kind of road a line is, such as highway, fclass or "
                    f"other_tags; it has {', '.join(layer.fields) or 'none'}. Choose the field in “Field with the road class”, or give "
                    "“Width of other roads” to draw every line alike.")


def _filter(layer: VectorLayer, fields: dict[str, str]) -> str | None:
    """What the driver need not hand over: lines that are no ways, where a field of its own says so."""
    name = next((name for name, tag in fields.items() if tag == "highway"), None)
    packed = not {"other_tags", "all_tags", "tags"}.isdisjoint(fields.values()) and layer.name != "lines"
    return f'"{name}" IS NOT NULL' if name and not packed else None


def _only_lines(found: geopandas.GeoDataFrame, layer: VectorLayer, area: shapely.Geometry, progress: Progress) -> geopandas.GeoDataFrame:
    if found.empty:
        bounds = layer_info(layer.path, layer.name, layer.options).get("total_bounds")
        if bounds is None or not np.isfinite(bounds).all():
            raise _no_roads(layer, area)
        if shapely.box(*bounds).intersects(area):
            raise _no_roads(layer, area, NoRoads)
        raise missed(layer.path, tuple(bounds), area.bounds, "roads")
    kinds = found.geometry.geom_type
    lines = kinds.isin(LINES).to_numpy() & ~found.geometry.is_empty.to_numpy()
    if not lines.any():
        raise _no_lines(layer, " ".join(kinds.dropna().unique()))
    if not lines.all():
        progress.message(f"{(~lines).sum()} of {len(lines)} features of {layer.path} are no lines and are left out.", level="warning")
    return found[lines]


def _decide(tags: dict[str, np.ndarray], rules: RoadRules, progress: Progress) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Per way the role or the reason to leave it out, the width [m], and where the width is from."""
    count = len(tags["highway"])
    reasons, widths, origins = np.full(count, "", object), np.zeros(count), np.full(count, "", object)
    roles = {**dict.fromkeys(SERVICE, rules.service), **dict.fromkeys(TRACKS, rules.tracks), **dict.fromkeys(FOOTWAYS, rules.footways)}
    names = {**dict.fromkeys(SERVICE, "service road"), **dict.fromkeys(TRACKS, "track"), **dict.fromkeys(FOOTWAYS, "footway, path or cycleway")}
    as_wide = WidthTable({}, rules.widths.widths.get("road") or UNKNOWN_WIDTH)
    for row, values in enumerate(zip(*tags.values(), strict=True)):
        if row % BATCH == 0:
            progress.at(row / count, "Choosing the roads")
        way = dict(zip(tags, values, strict=True))
        road_class = way["highway"]
        widest = way["width"] if way["width"] is not None else way["est_width"]
        known, hidden, role = rules.widths.widths, _hidden(way), roles.get(road_class, ROAD)
        no_road = known.get(road_class) == 0 or (road_class not in known and road_class in NO_ROADS and not rules.class_field)
        unseen = hidden not in ("", IGNORED)
        if not no_road and (road_class in known or rules.widths.other is not None):
            widths[row], origins[row] = rules.widths.width(road_class, widest, way["lanes"])
        elif not no_road and not unseen:
            # It is there, so its ground is no background; but whether it is a road nobody knows.
            widths[row], origins[row], role = as_wide.width("", widest, way["lanes"])[0], UNKNOWN, IGNORED
        reasons[row] = hidden if unseen else NO_ROAD if no_road else names[road_class] if role == LEFT_OUT else hidden or role
    return reasons, widths, origins


def _class_of(value: str | None, table: WidthTable) -> str | None:
    """The class of a way; of several, as joined ways of a simplified graph have, the widest."""
    return value if value is None or value in table.widths or not values_of(value) else table.widest(values_of(value))


def _hidden(way: dict[str, str | None]) -> str:
    """Why no image shows a way: in a tunnel, below the ground, not there; empty where one does. A way in part in a tunnel is ignored."""
    if (tunnels := values_of(way["tunnel"])) and any(map(is_set, tunnels)) and not all(map(is_set, tunnels)):
        return IGNORED
    if is_set(way["tunnel"]) or (way["location"] or "").lower() == "underground":
        return TUNNEL
    if is_set(way["covered"]) and _level(way["layer"]) < 0:
        return COVERED
    if way["highway"] in LIFECYCLE:
        return str(way["highway"])
    for stage in LIFECYCLE:
        # construction=minor is roadworks on a road that is there; proposed=primary beside highway=secondary a plan for later
        if (way[stage] or "").lower() in ("yes", "true", "1"):
            return stage
    return "area" if is_set(way["area"]) else "indoor" if is_set(way["indoor"]) else ""


def _level(layer: str | None) -> float:
    try:
        return float(layer or 0)
    except ValueError:
        return 0.0


def _lengths(lines: geopandas.GeoDataFrame, images: shapely.Geometry) -> np.ndarray:
    """Length of each line within the images [km], along the ellipsoid."""
    shapes = lines.geometry.to_numpy()
    shapely.prepare(images)
    crossing = ~shapely.covers(images, shapes)
    shapes = shapes.copy()
    shapes[crossing] = shapely.intersection(shapes[crossing], images)
    return lengths_m(shapes, lines.crs) / 1000


def _facts(layer: VectorLayer, tags: dict[str, np.ndarray], reasons: np.ndarray, widths: np.ndarray, origins: np.ndarray,
           kilometres: np.ndarray) -> dict[str, Any]:
    """Counts by class and by reason."""
    drawn = reasons == ROAD
    classes = tags["highway"]
    motorable = ~np.isin(classes, FOOTWAYS) & (widths > 0)
    left, unknown = ~np.isin(reasons, (ROAD, IGNORED)), (reasons == IGNORED) & (origins == UNKNOWN)

    def counted(chosen: np.ndarray) -> dict[str, Any]:
        return {"ways": int(chosen.sum()), "km": round(float(kilometres[chosen].sum()), 3)}

    by_class = {name: {**counted(drawn & (classes == name)), "width_m": round(float(np.median(widths[drawn & (classes == name)])), 2)}
                for name in _by_count(classes[drawn])}
    return {
        "path": layer.path, "layer": layer.name, "ways": len(reasons), "drawn": counted(drawn), "classes": by_class,
        "ignored": counted(reasons == IGNORED),
        "left_out": {reason: {**counted(reasons == reason), "for_vehicles": int((motorable & (reasons == reason)).sum())}
                     for reason in _by_count(reasons[left])},
        "other_classes": {name: int((classes[reasons == NO_ROAD] == name).sum()) for name in _by_count(classes[reasons == NO_ROAD])[:20]},
        "unknown_classes": {name: int((classes[unknown] == name).sum()) for name in _by_count(classes[unknown])[:20]},
        "width_from": {origin: int((origins[drawn] == origin).sum()) for origin in _by_count(origins[drawn])},
        "width_tags_not_understood": int((drawn & (tags["width"] != np.array(None)) & (origins != "width")).sum()),
    }


def _tell(facts: dict, progress: Progress) -> None:
    widths = ", ".join(f"{facts['width_from'][origin]} {text}" for origin, text in (
        ("width", "from the width tag"), ("lanes", "from the lanes"), ("table", "from the table by class"), ("other", "of other classes"))
        if origin in facts["width_from"])
    progress.message(f"{facts['drawn']['ways']} of {facts['ways']} ways on the images are drawn, {facts['drawn']['km']:.1f} km; "
                     f"widths: {widths}.")
    if facts["left_out"]:
        progress.message(f"Left out: {_counts(facts['left_out'])}.")
    if facts["ignored"]["ways"]:
        progress.message(f"{facts['ignored']['ways']} ways are neither road nor background, {facts['ignored']['km']:.1f} km.")
    if facts["unknown_classes"]:
        progress.message(f"The classes {_quoted(facts['unknown_classes'])} are not in the table of widths: these "
                         f"{sum(facts['unknown_classes'].values())} ways are neither road nor background. List them as “Widths by class” to draw "
                         "them.", level="warning")
    if facts["width_tags_not_understood"]:
        progress.message(f"{facts['width_tags_not_understood']} width tags are not understood; the lanes or the table are used.", level="warning")


def _counts(left_out: dict) -> str:
    return "; ".join(f"{reason}: {row['ways']}" + (f" ({row['for_vehicles']} for vehicles)" if reason == TUNNEL else "")
                     for reason, row in left_out.items())


def _no_lines(layer: VectorLayer, kinds: str) -> DataError:
    held = "polygons" if "Polygon" in kinds else "points" if "Point" in kinds else "no geometries"
    return DataError(f"{layer.path} holds {held}, and roads are lines with a width. Choose a line layer, or use “Create training dataset” for "
                     "roads drawn as polygons.")


def _no_roads(layer: VectorLayer, images: shapely.Geometry, kind: type[DataError] = DataError) -> DataError:
    west, south, east, north = images.bounds
    return kind(f"{layer.path} holds no road on the images, which reach over ({west:.6g}, {south:.6g}) to ({east:.6g}, {north:.6g}) in "
                "its CRS. Choose an extract of this place, or check the CRS of the images.")


def _by_count(values: np.ndarray) -> list[str]:
    names, counts = np.unique(values.astype(str), return_counts=True)
    return [str(name) for name in names[np.argsort(-counts, kind="stable")]]


def _quoted(names: Iterable[str]) -> str:
    return listed((f"“{name}”" for name in sorted(set(names))), 6)
