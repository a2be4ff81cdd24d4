"""Labels of sea ice: polygons with a class field, or an ice chart in SIGRID-3, without what lies on land."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import geopandas
import numpy as np
import shapely

from ....errors import DataError
from ....progress import SILENT, Progress
from ...datasets.dataset import IGNORE
from ...datasets.labels import Drawing, missed
from ...datasets.legend import Legend, check_whole, class_key, make_legend
from ...rasters.grid import Grid, Window
from ...rasters.raster import Scene
from ...rasters.vector import VectorLayer, on_grid, repaired, touching, valid_areas
from .classes import DOMINANT, REASONS, SCHEMES, Scheme, classify
from .land_mask import LandMask
from .sigrid3 import FORM_FIELDS, are_fast, chart_fields, read_eggs, require, rows_text, strange_text
from .targets import each_target

#: A rare class counts at most this much more than an even share would.
LARGEST_WEIGHT = 10.0


@dataclass(frozen=True)
class PolygonRules:
    """What class a polygon has.

    Attributes:
        class_field: field with the class; None reads the polygons as a SIGRID-3 ice chart.
        class_table: rows value, name, color of the classes of `class_field` wanted; None takes all.
        scene_field: field that names the scene on which a polygon was drawn; None takes all polygons for all scenes.
        scheme: key of `classes.SCHEMES`, for charts.
        dominant: share of the ice that the class of a polygon must hold, for charts.
        lowest: concentration [tenths] from which a polygon is ice rather than nothing, for the scheme "ice_water".
        unknown: "refused" or "ignored": what becomes of polygons with codes that SIGRID-3 does not have.
        targets: what else polygons say: other keys of `classes.SCHEMES`, or other fields, see `targets.wanted_targets`.
        fast_ice: whether to look which polygons are fast ice, for charts.
    """

    class_field: str | None = None
    class_table: list[dict] | None = None
    scene_field: str | None = None
    scheme: str = "stage"
    dominant: float = DOMINANT
    lowest: float = 1.0
    unknown: str = "refused"
    targets: tuple[str, ...] = ()
    fast_ice: bool = False


def open_ice_labels(source: dict, grids: list[Grid], rules: PolygonRules, *, land: LandMask | None = None, weighted: bool = False,
                    progress: Progress = SILENT) -> IceLabels:
    """Reads polygons, as far as they lie on some images.

    Args:
        source: a job's vector value.
        grids: of the images.
        rules: what class a polygon has.
        land: pixels that have no label whatever the polygons say.
        weighted: whether tiles weigh more the rarer their classes are.
        progress: also hears messages about polygons without a class.

    Raises:
        DataError: no polygons on the images, codes that are not known, fewer than two classes, or a further target that the layer does not say.
    """
    progress.at(0, "Reading the polygons")
    scene_field, layer = rules.scene_field, VectorLayer.open(source)
    each = each_target(rules, layer.path, layer.fields)
    known, columns = chart_fields(layer.fields), [scene_field] if scene_field else []
    for one in each.values():
        if one.class_field:
            columns.append(one.class_field)
        else:
            require(known, SCHEMES[one.scheme].fields, layer.path, layer.fields)
            columns += [known[name] for name in SCHEMES[one.scheme].reads if name in known]
    if rules.fast_ice:
        require(known, FORM_FIELDS, layer.path, layer.fields)
        columns += [known[name] for name in FORM_FIELDS if name in known]
    features = _near(repaired(layer.read(list(dict.fromkeys(columns))), layer.path, progress), grids, layer.path)
    owners = [class_key(value) or "" for value in features[scene_field]] if scene_field else None
    main, *further = (_of_target(name, features, one, source.get("categories") or {}, layer, progress) for name, one in each.items())
    labels = IceLabels(features.geometry, main.positions, main.legend, {
        "path": layer.path, "layer": layer.name, "field": rules.class_field, "scene_field": scene_field or "", "features": len(features),
        **main.facts}, land, owners, further=further, name=main.name)
    if rules.fast_ice:
        labels.fast = are_fast({name: features[known[name]].tolist() for name in FORM_FIELDS if name in known})
    if weighted:
        labels.weigh(grids)
    return labels


class OfTarget(NamedTuple):
    """What polygons say of a target: its name and classes, the position of the class of each polygon, 255 for none, and facts."""

    name: str
    legend: Legend
    positions: np.ndarray
    facts: dict[str, Any]


def _of_target(name: str, features: geopandas.GeoDataFrame, rules: PolygonRules, categories: dict, layer: VectorLayer,
               progress: Progress) -> OfTarget:
    """Of the polygons on the images."""
    progress.at(0.5, "Classifying the polygons")
    if rules.class_field:
        legend, positions = _by_field(features, rules.class_field, rules.class_table, categories, layer, progress)
        facts: dict[str, Any] = {}
    else:
        scheme, known = SCHEMES[rules.scheme], chart_fields(layer.fields)
        chart: dict[str, Sequence] = {name: features[known[name]].tolist() for name in scheme.reads if name in known}
        values, reasons = _by_chart(chart, rules, layer.path, features.index.tolist(), progress)
        legend, positions = _legend(values, scheme, layer.path, reasons)
        facts = {"scheme": rules.scheme, "dominant_share": rules.dominant, "lowest_tenths": rules.lowest, "without_class": reasons}
    return OfTarget(name, legend, positions, {
        **facts, "polygons": {row.name: int((positions == number).sum()) for number, row in enumerate(legend.classes)}})


class IceLabels:
    """Polygons with their classes; where they overlap the later one in the layer counts, also when it has no class.

    Attributes:
        name: of the main target, or of that which these are of.
        further: labels of further targets, of the same polygons.
        fast: which polygons are fast ice, where that was asked for, bool (n,).
    """

    def __init__(self, shapes: geopandas.GeoSeries, positions: np.ndarray, legend: Legend, facts: dict,
                 land: LandMask | None = None, owners: list[str] | None = None, *, further: Sequence[OfTarget] = (), name: str = "") -> None:
        """Takes polygons in their own CRS, whose index is their row in the layer, the position of the class of each (255 for none), what
        `open_ice_labels` found, and for each polygon the scene it belongs to, or None; and what they say of further targets.
        """
        self.shapes, self.positions, self.legend, self.facts, self.land, self.name = shapes, positions, legend, facts, land, name
        self.further = [IceLabels(shapes, one.positions, one.legend, {**one.facts, "path": facts["path"]}, land, owners, name=one.name)
                        for one in further]
        self.path: str = facts["path"]
        self.rows, self.owners = np.asarray(shapes.index, np.int64), owners
        self.fast = np.zeros(len(shapes), bool)
        self._drawn: dict[Grid, Drawing] = {}
        self._weights: np.ndarray | None = None
        self._of_grid: dict[Grid, IceLabels] = {}

    def read(self, grid: Grid, window: Window) -> np.ndarray:
        """Labels (y, x) of a window of an image's grid: positions in the legend, 255 where there is no label."""
        if self._of_grid:
            return self._of_grid[grid].read(grid, window)
        if grid not in self._drawn:
            self._drawn = {grid: Drawing(grid, self.on(grid), self.positions)}
        drawn = self._drawn[grid].read(window, IGNORE)
        if self.land is not None:
            drawn[self.land.read(grid, window)] = IGNORE
        return drawn

    def of(self, scene: Scene) -> IceLabels:
        """The labels of one scene: the same polygons in the same order, of which those of other scenes are empty.

        Raises:
            DataError: when no polygon belongs to the scene.
        """
        if self.owners is None:
            return self
        names = {scene.name, Path(scene.path).name, Path(scene.path).stem, scene.date, scene.date.replace("-", "")} - {""}
        own = np.array([owner in names for owner in self.owners])
        if not own.any():
            given = ", ".join(list(dict.fromkeys(self.owners))[:5])
            raise DataError(f"No polygon of {self.path} on the images belongs to the scene {scene.name}; the scenes named there are {given}. "
                            "Use the name of the HH layer or file, or its date, in the scene field.")
        shapes = self.shapes.copy()
        shapes[~own] = shapely.Polygon()
        return self._with(shapes, None)

    def _with(self, shapes: geopandas.GeoSeries, owners: list[str] | None) -> IceLabels:
        further = [OfTarget(one.name, one.legend, one.positions, one.facts) for one in self.further]
        return IceLabels(shapes, self.positions, self.legend, self.facts, self.land, owners, further=further, name=self.name)

    @property
    def labelled(self) -> np.ndarray:
        """Which polygons have a class of any target, bool (n,)."""
        return np.any([one.positions != IGNORE for one in (self, *self.further)], axis=0)

    def part(self, scenes: list[Scene]) -> None:
        """Makes `read` give each of several scenes its own polygons.

        Raises:
            DataError: when two scenes lie on one grid, so that they cannot be told apart.
        """
        if self.owners is None:
            return
        if len({scene.grid for scene in scenes}) < len(scenes):
            raise DataError("Several scenes lie on the same grid, so tiles cannot tell which polygons are theirs. Make a dataset of each, "
                            "or choose patches.")
        self._of_grid = {scene.grid: self.of(scene) for scene in scenes}
        for one in self.further:
            one.part(scenes)

    def only(self, classes: list[int]) -> IceLabels:
        """The same polygons with some of the classes (positions) of the main target; the others count as no class."""
        kept = tuple(self.legend.classes[position] for position in classes)
        place = {position: number for number, position in enumerate(classes)}
        positions = np.array([place.get(int(position), IGNORE) for position in self.positions], np.uint8)
        legend = Legend(kept, {key: place[old] for key, old in self.legend.positions.items() if old in place}, None)
        found = IceLabels(self.shapes, positions, legend, self.facts, self.land, self.owners, name=self.name)
        found.further, found.fast = self.further, self.fast
        return found

    def on(self, grid: Grid) -> np.ndarray:
        """The polygons (n,) in the CRS of a grid, valid there."""
        return valid_areas(on_grid(self.shapes, grid))

    def weight(self, grid: Grid, window: Window, drawn: np.ndarray, image: np.ndarray) -> float:
        """Weight of a tile in the loss: the mean over its labelled pixels of how rare their classes are; 1 where none is asked for."""
        labelled = drawn[drawn != IGNORE]
        if self._weights is None or not labelled.size:
            return 1.0
        return float(self._weights[labelled].mean())

    def groups(self) -> np.ndarray:
        """Number of the group of each polygon (n,): polygons that share ground belong together."""
        group = np.arange(len(self.shapes))
        tree = shapely.STRtree(self.shapes.values)
        one, other = tree.query(self.shapes.values, predicate="intersects")
        one, other = one[one < other], other[one < other]
        sharing = shapely.area(shapely.intersection(self.shapes.values[one], self.shapes.values[other])) > 0
        for first, second in zip(one[sharing], other[sharing], strict=True):
            group[group == group[second]] = group[first]
        return group

    def weigh(self, grids: list[Grid]) -> None:
        """Makes tiles weigh the more the rarer their classes are by their area on the images."""
        areas = np.zeros(len(self.legend.classes))
        labelled = self.positions != IGNORE
        for grid in grids:
            own = shapely.area(shapely.clip_by_rect(self.on(grid)[labelled], *grid.bounds()))
            np.add.at(areas, self.positions[labelled], own)
        self._weights = balancing_weights(areas)


def balancing_weights(amounts: np.ndarray) -> np.ndarray:
    """Weight of each class (class,) such that all classes count alike: total / (classes · amount), at most `LARGEST_WEIGHT`."""
    present = amounts > 0
    return np.where(present, np.minimum(amounts.sum() / (present.sum() * np.where(present, amounts, 1)), LARGEST_WEIGHT), 1.0)


def _near(features: geopandas.GeoDataFrame, grids: list[Grid], path: str) -> geopandas.GeoDataFrame:
    """The polygons on the images; their index is their row in the layer."""
    areal = np.asarray(features.geometry.geom_type.isin(("Polygon", "MultiPolygon")))
    if not areal.any():
        raise DataError(f"{path} holds {features.geometry.geom_type.iloc[0]} features, but sea ice is labelled with polygons. "
                        "Choose a polygon layer.")
    features = features[areal]
    crs = features.crs.to_wkt()
    near = features[touching(features, [box for grid in dict.fromkeys(grids) for box in grid.boxes_in(crs)])]
    if near.empty:
        raise missed(path, tuple(features.total_bounds), grids[0].bounds_in(crs))
    # The box of a polar image in another CRS is larger than the image: what counts is what meets it on its own grid.
    met = np.zeros(len(near), bool)
    for grid in dict.fromkeys(grids):
        met |= shapely.intersects(on_grid(near.geometry, grid), shapely.box(*grid.bounds()))
    if not met.any():
        raise missed(path, tuple(features.total_bounds), grids[0].bounds_in(crs))
    return near[met]


def _by_field(features: geopandas.GeoDataFrame, field: str, table: list[dict] | None, categories: dict, layer: VectorLayer,
              progress: Progress) -> tuple[Legend, np.ndarray]:
    keys = [class_key(value) for value in features[field]]
    missing = sum(key is None for key in keys)
    if missing:
        progress.message(f"{missing} of {len(keys)} polygons have no value in the field “{field}” and get no label of it.", level="warning")
    found = {key for key in keys if key is not None}
    if not found:
        raise DataError(f"The field “{field}” of {layer.path} has no value in any polygon on the images. Choose another field.")
    styled = categories if categories.get("field", field) == field else None
    if features[field].dtype.kind in "iu":
        check_whole(table or [], layer.path, found)
    legend = make_legend(found, f"The field “{field}”", table, styled, False, progress)
    positions = [legend.positions.get(key, IGNORE) if key is not None else IGNORE for key in keys]
    return legend, np.array(positions, np.uint8)


def _by_chart(chart: dict[str, Sequence], rules: PolygonRules, path: str, rows: list[int],
              progress: Progress) -> tuple[list[int | None], dict[str, int]]:
    """Values of the classes, and how many polygons have none by reason."""
    eggs, strange = read_eggs(chart)
    if strange and rules.unknown == "refused":
        raise DataError(f"{path} has codes that SIGRID-3 does not have: {strange_text(strange, rows)} of the layer. Correct them, or set "
                        "“Polygons with unknown codes are” to ignored.")
    values, reasons = classify(eggs, SCHEMES[rules.scheme], rules.dominant, rules.lowest)
    odd = {row for item in strange for row in item.rows}
    values = [None if number in odd else value for number, value in enumerate(values)]
    reasons = {reason: rest for reason, numbers in reasons.items() if (rest := [number for number in numbers if number not in odd])}
    if strange:
        progress.message(f"Polygons with codes that SIGRID-3 does not have are ignored: {strange_text(strange, rows)} of the layer.",
                         level="warning")
    for reason, numbers in reasons.items():
        level = "info" if reason in ("land", "shelf") else "warning"
        progress.message(f"{len(numbers)} of {len(eggs)} polygons {REASONS[reason]} and have no class "
                         f"({rows_text([rows[number] for number in numbers])}).", level=level)
    counts = {reason: len(numbers) for reason, numbers in reasons.items()}
    return values, {**counts, **({"strange": len(odd)} if odd else {})}


def _legend(values: list[int | None], scheme: Scheme, path: str, reasons: dict[str, int]) -> tuple[Legend, np.ndarray]:
    """The classes of a scheme that occur, in its order, and the position of each polygon's."""
    classes = tuple(row for row in scheme.classes if row.value in values)
    if len(classes) < 2:
        why = "; ".join(f"{count} {REASONS[reason]}" for reason, count in reasons.items())
        which = f"All polygons of {path} on the images are of one class, “{classes[0].name}”, and one class teaches nothing" if classes \
            else f"No polygon of {path} on the images has a class: {why}"
        raise DataError(f"{which}. Choose other classes for the chart, or images and charts with more kinds of ice.")
    place = {row.value: number for number, row in enumerate(classes)}
    positions = np.array([IGNORE if value is None else place[value] for value in values], np.uint8)
    return Legend(classes, {str(value): number for value, number in place.items()}, None), positions
