"""Reference places: points or polygons with a class that somebody saw on the ground or on better images."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

import geopandas
import numpy as np
import pandas
import shapely

from ...errors import DataError, listed
from ...progress import SILENT, Progress
from ...tables import shortened
from ..cards import ClassInfo
from ..datasets.legend import class_key
from ..mapping.map_survey import ClassMap
from ..rasters.dates import day_of
from ..rasters.vector import VectorLayer, on_grid, repaired
from ..records import parse_json

#: Fields of a sample that “Draw an assessment sample” has drawn: class to be given and day it was seen, stratum and its area, and the map.
CLASS_FIELD, DATE_FIELD, STRATUM_FIELD, SIZE_FIELD, MAP_FIELD = "class", "date", "stratum", "stratum_ha", "map_id"
#: What the values of the first mean: those of another map may mean something else there.
LEGEND_FIELD = "legend"
#: No stratum is larger than this, in any unit: the earth has 5.1e14 m².
LARGEST_AREA = 1e18
POINTS, POLYGONS = ("Point", "MultiPoint"), ("Polygon", "MultiPolygon")


@dataclass(frozen=True)
class Fields:
    """Which fields of a layer tell what; empty where none does.

    Attributes:
        truth: the class.
        seen: the day it was seen.
        cluster: the same for places that were drawn together.
        stratum: in which a place was drawn.
        size: area of that stratum, in any unit.
    """

    truth: str = ""
    seen: str = ""
    cluster: str = ""
    stratum: str = ""
    size: str = ""


@dataclass(frozen=True)
class Reference:
    """Reference places on a map, all with a class.

    Attributes:
        path: of the layer.
        name: of the layer.
        shapes: points or polygons in the CRS of the map (n,); a feature of several points has one for each.
        keys: class of each, as the layer writes it (n,).
        units: number of what was drawn at once, from 0 (n,).
        days: when each was seen (n,); None where nothing tells.
        strata: in which each was drawn (n,); None where the layer does not tell.
        sizes: area of these strata (n,); None where the layer does not tell.
        map_id: of the map that the sample was drawn from; empty where the layer does not tell.
        polygons: whether they are polygons.
    """

    path: str
    name: str
    shapes: np.ndarray
    keys: np.ndarray
    units: np.ndarray
    days: tuple[date | None, ...]
    strata: np.ndarray | None
    sizes: np.ndarray | None
    map_id: str
    polygons: bool

    def __len__(self) -> int:
        return len(self.keys)

    def only(self, kept: np.ndarray) -> Reference:
        """Those places alone, bool (n,); units are numbered anew."""
        return Reference(self.path, self.name, self.shapes[kept], self.keys[kept], np.unique(self.units[kept], return_inverse=True)[1],
                         tuple(day for day, keep in zip(self.days, kept) if keep), None if self.strata is None else self.strata[kept],
                         None if self.sizes is None else self.sizes[kept], self.map_id, self.polygons)


def open_reference(source: dict, fields: Fields, mapped: ClassMap, progress: Progress = SILENT) -> Reference:
    """Reads the reference of a map.

    Args:
        source: a job's vector value.
        fields: those named; where none is, those of a sample that was drawn here are taken.
        mapped: the map.
        progress: told what is left out.

    Raises:
        DataError: a layer of lines, without classes, or without a field that is named.
    """
    layer = VectorLayer.open(source)
    own = {STRATUM_FIELD, SIZE_FIELD, MAP_FIELD} <= set(layer.fields)
    told = Fields(fields.truth or _there(layer, CLASS_FIELD), fields.seen or _there(layer, DATE_FIELD), fields.cluster,
                  fields.stratum or (STRATUM_FIELD if own else ""), fields.size or (SIZE_FIELD if own and not fields.stratum else ""))
    if not told.truth:
        raise DataError(f"Nothing says which field of {layer.path} holds the class; it has {', '.join(layer.fields) or 'none'}. Choose one in “Class "
                        "field”.")
    drawn = (MAP_FIELD, _there(layer, LEGEND_FIELD)) if own else ()
    wanted = [name for name in (told.truth, told.seen, told.cluster, told.stratum, told.size, *drawn) if name]
    features = layer.read(list(dict.fromkeys(wanted)))
    return reference_of(features, told, mapped, (layer.path, source.get("name") or layer.name), progress)


def reference_of(features: geopandas.GeoDataFrame, fields: Fields, mapped: ClassMap, named: tuple[str, str],
                 progress: Progress = SILENT) -> Reference:
    """As `open_reference`, of features that were read; `named` are path and name of what they were read from."""
    path, name = named
    features = repaired(features, path, progress)
    keys = np.array([class_key(value) for value in features[fields.truth]], object)
    known = np.array([key is not None for key in keys])
    if not known.any():
        raise DataError(f"No feature of {path} has a class in the field “{fields.truth}”. Label the places first, or choose another field.")
    if not known.all():
        progress.message(f"{(~known).sum()} of {len(known)} features of {path} have no class in the field “{fields.truth}” and are left out.",
                         level="warning")
    features, keys = features[known], keys[known]
    if fields.truth == CLASS_FIELD and LEGEND_FIELD in features:
        keys = _names(keys, features[LEGEND_FIELD], path)
    kinds = set(features.geom_type)
    polygons = kinds <= set(POLYGONS)
    if not polygons and not kinds <= set(POINTS):
        raise DataError(f"{path} holds {listed(sorted(kinds))}; reference places are points, or polygons. Choose a layer of one of them.")
    shapes, owners = on_grid(features.geometry, mapped.grid), np.arange(len(features))
    if not polygons:
        shapes, owners = shapely.get_parts(shapes, return_index=True)
    units = owners if not fields.cluster else pandas.factorize(_texts(features, fields.cluster, path)[owners])[0]
    seen = _days(features, fields.seen, path, progress) if fields.seen else [None] * len(features)
    strata = _texts(features, fields.stratum, path)[owners] if fields.stratum else None
    sizes = _sizes(features, fields.size, path)[owners] if fields.size else None
    ids = {class_key(value) or "" for value in features[MAP_FIELD]} if MAP_FIELD in features else {""}
    if len(ids) > 1:
        raise DataError(f"{path} holds places drawn from {len(ids)} maps ({listed(sorted(ids))} in the field “{MAP_FIELD}”). Filter the layer to "
                        "those of one map.")
    return Reference(path, name, np.asarray(shapes, object), keys[owners], np.unique(units, return_inverse=True)[1],
                     tuple(seen[owner] for owner in owners), strata, sizes, ids.pop(), polygons)


def truths(reference: Reference, classes: tuple[ClassInfo, ...], mapped: ClassMap, extra: bool, progress: Progress = SILENT
           ) -> tuple[np.ndarray, tuple[ClassInfo, ...]]:
    """Position of the class of each place (n,), and the classes; behind those of the map the ones that only the reference has, where wanted.

    Raises:
        DataError: a class that the map does not have, or all places of one class.
    """
    values = {str(row.value): position for position, row in enumerate(classes)}
    names = {row.name.casefold(): position for position, row in enumerate(classes)}
    known = {key: names.get(key.casefold(), values.get(key)) for key in sorted(set(reference.keys))}
    foreign = [key for key, position in known.items() if position is None]
    if foreign:
        told = listed(f"“{shortened(key)}”" for key in foreign)
        if not extra:
            raise DataError(f"{reference.path} has {'classes' if len(foreign) > 1 else 'a class'} that the map {mapped.path} does not have: {told}. "
                            f"The map has {listed(_called(row) for row in classes)}. Say in “Table of classes” which class of the map each is, or "
                            "set “Classes the map does not have” to errors.")
        progress.message(f"The map does not have {told}; each place of it is an error of the map.", level="warning")
        known |= {key: len(classes) + place for place, key in enumerate(foreign)}
        classes = (*classes, *(ClassInfo(-1, key, "#7f7f7f") for key in foreign))
    found = np.array([known[key] for key in reference.keys], np.int64)
    if len(np.unique(found)) == 1:
        raise DataError(f"All {len(found)} reference places of {reference.path} are of one class, “{classes[found[0]].name}”, which says nothing of "
                        "what the map confuses. Add places of the other classes.")
    return found, classes


def first_of_each(shapes: np.ndarray, keys: np.ndarray, path: str, progress: Progress = SILENT) -> np.ndarray:
    """Which places lie where none before them does, bool (n,): a place that is there twice is known once.

    Args:
        shapes: points or polygons (n,).
        keys: class of each (n,).
        path: of the layer, for messages.
        progress: told how many lie on another one.

    Raises:
        DataError: places that lie on one spot with different classes.
    """
    spots = pandas.factorize(shapely.to_wkb(shapely.normalize(shapes)))[0]
    first = np.unique(spots, return_index=True)[1][spots]
    wrong = np.flatnonzero(keys[first] != keys)
    if len(wrong):
        place = shapely.get_coordinates(shapely.centroid(shapes[wrong[0]]))[0]
        raise DataError(f"{len(wrong)} of {len(first)} places of {path} lie exactly on another one and have another class, such as "
                        f"“{shortened(keys[first[wrong[0]]])}” and “{shortened(keys[wrong[0]])}” at ({place[0]:.9g}, {place[1]:.9g}). Correct one of "
                        "each, or filter the layer to one of them, such as those of one year.")
    kept = first == np.arange(len(first))
    if not kept.all():
        progress.message(f"{(~kept).sum()} of {len(kept)} places of {path} lie exactly on another one and have the same class; each counts once.",
                         level="warning")
    return kept


def _names(keys: np.ndarray, legends: Iterable[object], path: str) -> np.ndarray:
    """Names of the classes that were given by the values of the map that a sample was drawn from; what is no such value is left as it is.

    Raises:
        DataError: a legend that is not as it was written.
    """
    found = {}
    for text in {str(legend) for legend in legends if class_key(legend) is not None}:
        legend = parse_json(text, f"The field “{LEGEND_FIELD}” of {path}", DataError, "Draw the sample again.")
        if not isinstance(legend, dict) or not all(isinstance(name, str) for name in legend.values()):
            raise DataError(f"The field “{LEGEND_FIELD}” of {path} does not say what the classes are called. Draw the sample again.")
        found[text] = legend
    return np.array([found.get(str(legend), {}).get(key, key) for key, legend in zip(keys, legends, strict=True)], object)


def _called(row: ClassInfo) -> str:
    return f"{row.value} {row.name}" if row.name != str(row.value) else row.name


def _there(layer: VectorLayer, name: str) -> str:
    return name if name in layer.fields else ""


def _texts(features: geopandas.GeoDataFrame, field: str, path: str) -> np.ndarray:
    keys = [class_key(value) for value in features[field]]
    missing = sum(key is None for key in keys)
    if missing:
        raise DataError(f"{missing} of {len(keys)} places of {path} have no value in the field “{field}”. Fill it in, or leave them out by a filter.")
    return np.array(keys, object)


def _sizes(features: geopandas.GeoDataFrame, field: str, path: str) -> np.ndarray:
    sizes = pandas.to_numeric(features[field], errors="coerce").to_numpy(float)
    known = (sizes > 0) & (sizes < LARGEST_AREA)
    if not known.all():
        raise DataError(f"The field “{field}” of {path} must hold the area of each place's stratum, and {(~known).sum()} of {len(sizes)} places have "
                        f"no number above 0 and below {LARGEST_AREA:g} there. Fill it in, or choose another field.")
    return sizes


def _days(features: geopandas.GeoDataFrame, field: str, path: str, progress: Progress) -> list[date | None]:
    """The day in each value of a field; None where it is empty."""
    values = [class_key(value) for value in features[field]]
    days = [day_of(value) if value is not None else None for value in values]
    odd = [value for value, day in zip(values, days) if value is not None and day is None]
    if odd:
        told = f"{len(odd)} of {len(values)} values of the field “{field}” of {path} are no days, such as “{shortened(odd[0])}”"
        if not any(days):
            raise DataError(f"{told}. Write them as 2020-06-30, or choose another “Date field”.")
        progress.message(f"{told}; of these places no day is known.", level="warning")
    return days
